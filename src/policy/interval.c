/*
 * Checkpoint intervals. The optimum of the expected wall time is exact for exponential ends and needs the main branch of
 * Lambert's W just above its branch point, where the textbook iterations lose half their digits; so it is solved for directly:
 * with x = tau / M and d = delta / M the optimum fulfils  x = 1 - e^(-(x + d)),  or  f(x) = x + expm1(-(x + d)) = 0, which
 * Newton's method, begun to the right of the root of this convex function, reaches from one side without overshooting.
 */
#include "policy/interval.h"

#include <math.h>
#include <stdbool.h>

enum { NEWTON_STEPS = 100 };

/* What is assumed when there are no figures at all. */
#define GUESSED_DELTA_S 10.0
#define GUESSED_RESTORE_S 10.0
#define GUESSED_MTBF_S 86400.0

double interval_young(double delta_s, double mtbf_s)
{
    return delta_s > 0 ? sqrt(2 * delta_s * mtbf_s) : 0;
}

double interval_daly(double delta_s, double mtbf_s)
{
    if (!(delta_s > 0))
        return 0;
    if (delta_s >= 2 * mtbf_s)
        return mtbf_s;
    double r = delta_s / (2 * mtbf_s);
    return interval_young(delta_s, mtbf_s) * (1 + sqrt(r) / 3 + r / 9) - delta_s;
}

double interval_exact(double delta_s, double mtbf_s)
{
    if (!(delta_s > 0))
        return 0;
    if (isinf(mtbf_s))
        return INFINITY;
    double d = delta_s / mtbf_s;
    double x = sqrt(2 * d) < 1 ? sqrt(2 * d) : 1; /* e^-(x+d) >= 1 - x - d - …: the root is to the left of either */
    for (int i = 0; i < NEWTON_STEPS; i++) {
        double step = (x + expm1(-(x + d))) / -expm1(-(x + d));
        x -= step;
        if (fabs(step) <= 1e-15 * x)
            break;
    }
    return x * mtbf_s;
}

double interval_expected_wall_s(double work_s, double tau_s, double delta_s, double restore_s, double mtbf_s)
{
    if (isinf(mtbf_s))
        return isinf(tau_s) ? work_s : work_s * (1 + delta_s / tau_s);
    if (isinf(tau_s)) /* no checkpoint at all */
        return mtbf_s * exp(restore_s / mtbf_s) * expm1(work_s / mtbf_s);
    return mtbf_s * exp(restore_s / mtbf_s) * expm1((tau_s + delta_s) / mtbf_s) * work_s / tau_s;
}

/* ---- from what was measured ---- */

/* The mean of `count` own samples and `prior` samples that are like the pool's mean. */
static double mean(double sum, double count, double pool_sum, double pool_count, double prior, double guess)
{
    double like = pool_count > 0 ? pool_sum / pool_count : guess;
    if (pool_count <= 0 && count > 0)
        prior = 0; /* own figures are better than a guess */
    return count + prior > 0 ? (sum + prior * like) / (count + prior) : like;
}

static enum interval_basis basis(double own, double pool, double prior)
{
    if (own > 0 && (own >= prior || pool <= 0))
        return INTERVAL_MEASURED;
    return pool > 0 ? INTERVAL_PRIOR : INTERVAL_GUESSED;
}

/* Evictions that saved the job's state are planned; those that did not are failures to it. */
static double unplanned(const struct interval_facts *f)
{
    double unsaved = f->evictions - f->saved;
    return f->failures + (unsaved > 0 ? unsaved : 0);
}

/* The mean of a Gamma posterior of the rate: prior_ends pseudo-ends in the time in which the pool's stints have that many. A
 * pool without any says at least that they are rarer than once in the time it was observed. */
static double mtbf_s(const struct interval_facts *job, const struct interval_facts *pool, double prior_ends)
{
    double pool_ends = unplanned(pool), prior = prior_ends > 0 ? prior_ends : 1, like = GUESSED_MTBF_S;
    if (pool_ends > 0)
        like = pool->observed_s / pool_ends;
    else if (pool->observed_s > like)
        like = pool->observed_s;
    return (job->observed_s + prior * like) / (unplanned(job) + prior);
}

void interval_choose(const struct interval_facts *job, const struct interval_facts *pool, const struct interval_rules *rules,
                     struct interval_choice *out)
{
    double prior = rules->prior_samples;
    *out = (struct interval_choice){
        .delta_s = mean(job->pause_s + job->commit_s, job->checkpoints, pool->pause_s + pool->commit_s, pool->checkpoints,
                        prior, GUESSED_DELTA_S),
        .restore_s = mean(job->restore_s, job->restores, pool->restore_s, pool->restores, prior, GUESSED_RESTORE_S),
        .mtbf_s = mtbf_s(job, pool, rules->prior_ends),
        .cost_basis = basis(job->checkpoints, pool->checkpoints, prior),
        .mtbf_basis = basis(unplanned(job), pool->observed_s, rules->prior_ends),
        .bound = INTERVAL_FREE,
    };
    out->tau_s = interval_exact(out->delta_s, out->mtbf_s);
    if (rules->max_s > 0 && out->tau_s > rules->max_s) {
        out->tau_s = rules->max_s;
        out->bound = INTERVAL_AT_MAX;
    }
    if (out->tau_s < rules->min_s) {
        out->tau_s = rules->min_s;
        out->bound = INTERVAL_AT_MIN;
    }
    out->overhead = out->tau_s > 0 ? interval_expected_wall_s(1, out->tau_s, out->delta_s, out->restore_s, out->mtbf_s) - 1 : 0;
}

/* ---- stagger ---- */

/* How long a checkpoint from `at` would load the store together with others. */
static int64_t overlap(const struct interval_planned *others, size_t count, int64_t at, int64_t takes)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t from = others[i].at_us > at ? others[i].at_us : at;
        int64_t end = others[i].at_us + others[i].takes_us, mine = at + takes;
        int64_t to = end < mine ? end : mine;
        sum += to > from ? to - from : 0;
    }
    return sum;
}

struct moment_choice {
    int64_t at;
    int64_t overlap;
    int64_t off; /* from the middle of the window */
};

static void consider(const struct interval_planned *others, size_t count, int64_t at, int64_t takes, int64_t wanted,
                     struct moment_choice *best)
{
    struct moment_choice c = { at, overlap(others, count, at, takes), at > wanted ? at - wanted : wanted - at };
    if (c.overlap < best->overlap ||
        (c.overlap == best->overlap && (c.off < best->off || (c.off == best->off && at < best->at))))
        *best = c;
}

/* The overlap is piecewise linear in the moment: its least values, and the nearest of them, are at the window's ends, the
 * wanted moment, or where an end of ours meets an end of another. */
int64_t interval_stagger(const struct interval_planned *others, size_t count, int64_t last_us, int64_t tau_us, int64_t takes_us,
                         int64_t now_us)
{
    int64_t low = last_us + tau_us / 2, high = last_us + 2 * tau_us, wanted = last_us + tau_us;
    if (now_us >= high)
        return now_us;
    low = low > now_us ? low : now_us;
    wanted = wanted > low ? wanted : low;
    struct moment_choice best = { wanted, overlap(others, count, wanted, takes_us), 0 };
    consider(others, count, low, takes_us, wanted, &best);
    consider(others, count, high, takes_us, wanted, &best);
    for (size_t i = 0; i < count; i++) {
        int64_t begin = others[i].at_us, end = begin + others[i].takes_us;
        const int64_t corners[] = { begin, end, begin - takes_us, end - takes_us };
        for (size_t k = 0; k < sizeof corners / sizeof corners[0]; k++)
            if (corners[k] >= low && corners[k] <= high)
                consider(others, count, corners[k], takes_us, wanted, &best);
    }
    return best.at;
}
