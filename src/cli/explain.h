#pragma once

#include "ad/ad.h"

/* Appends the pool's answer about a job's requirements as text for people. */
void explain_print(const struct ad *answer, struct buf *out);
