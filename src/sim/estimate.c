#include "sim/estimate.h"

#include <math.h>

enum { ENOUGH = 5 };

/* Four to a doubling, from one second; 96 of them reach 190 days. */
static int bucket_of(double s)
{
    int b = s <= 1 ? 0 : (int)(4 * log2(s));
    return b < ESTIMATE_BUCKETS ? b : ESTIMATE_BUCKETS - 1;
}

void estimate_learn(struct estimate *e, int64_t run_us)
{
    double s = (double)run_us / 1e6;
    for (int b = bucket_of(s); b >= 0; b--) {
        e->above_s[b] += s;
        e->above[b]++;
    }
}

int64_t estimate_remaining(const struct estimate *e, int64_t done_us)
{
    double s = (double)done_us / 1e6;
    int b = s <= 1 ? 0 : bucket_of(s) + 1;
    if (e->above[0] < ENOUGH || b >= ESTIMATE_BUCKETS)
        return -1;
    if (e->above[b] == 0) /* older than all before it: the older, the longer still */
        return done_us;
    double left = e->above_s[b] / e->above[b] - s;
    return left > 0 ? (int64_t)(left * 1e6) : 0;
}
