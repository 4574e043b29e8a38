/* What `stint doctor` prints. */
#pragma once

#include "ad/ad.h"
#include "cli/screen.h"

/* The report of `stint-runner --doctor`. On a terminal with signs, else with words. */
void doctor_print(const struct ad *report, const struct screen *screen, struct buf *out);
