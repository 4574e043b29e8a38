/* What `stint pool status` prints. Pure but for the time zone. */
#pragma once

#include "cli/words.h"

void pool_print(const struct ad *pool, const struct screen *screen, struct buf *out);
