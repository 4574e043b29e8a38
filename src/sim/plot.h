/* Pictures, as SVG that we write ourselves: no program is needed for them. */
#pragma once

#include "sim/result.h"

/* Badput against deprivation, both logarithmic: one point for each result, those of one policy joined by a line. */
void plot_frontier(const struct result *results, size_t count, struct buf *out);
/* Running cpus of the largest users over time, with their targets. */
void plot_populations(const struct sim *s, struct buf *out);
