/*
 * What a user's earlier jobs say about how long one that runs will go on: the mean of what remained to those that got as old.
 * Kept in buckets of the run time's logarithm, so that a question costs nothing and an answer a few additions.
 */
#pragma once

#include <stdint.h>

enum { ESTIMATE_BUCKETS = 96 };

struct estimate {
    double above_s[ESTIMATE_BUCKETS]; /* sum of the run times in this bucket and all above */
    uint32_t above[ESTIMATE_BUCKETS]; /* their number */
};

void estimate_learn(struct estimate *e, int64_t run_us);
/* Microseconds; -1 when there are too few jobs to say. */
int64_t estimate_remaining(const struct estimate *e, int64_t done_us);
