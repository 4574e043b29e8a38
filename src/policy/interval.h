/*
 * How often to checkpoint. delta is what a checkpoint costs the job (its pause, and what of the commit does not overlap with
 * execution), M the mean time between the unplanned ends of its stints, R what a resume costs. All three are measured for each
 * job; until it has enough samples the pool's other jobs speak for it (pseudo-counts). docs/policy.md has the formulas'
 * sources.
 *
 * Pure. Seconds are doubles, moments are microseconds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The interval between the end of one checkpoint and the begin of the next. mtbf_s may be INFINITY (so is the interval);
 * delta_s <= 0 gives 0: checkpoints that cost nothing are made all the time, limits are the caller's. */
double interval_young(double delta_s, double mtbf_s);
double interval_daly(double delta_s, double mtbf_s);  /* Daly 2006, eq. 37 */
double interval_exact(double delta_s, double mtbf_s); /* the optimum of interval_expected_wall_s */
/* Expected wall time of work_s of execution with an interval of tau_s, when stints end unplanned at exponential times. */
double interval_expected_wall_s(double work_s, double tau_s, double delta_s, double restore_s, double mtbf_s);

/* Sums over what was measured; zeros where nothing was yet. */
struct interval_facts {
    double pause_s;  /* of `checkpoints` */
    double commit_s; /* the part of their commits that did not overlap with execution */
    double checkpoints;
    double restore_s; /* of `restores` */
    double restores;
    double failures;   /* unplanned ends: nodes lost, crashes, kills */
    double evictions;  /* planned ones, which try to take a checkpoint of their own */
    double saved;      /* of those, how many succeeded in it */
    double observed_s; /* time in which these ends happened */
};

struct interval_rules {
    double min_s;
    double max_s;
    double prior_samples; /* for how many samples of its own the pool's mean stands (3, say) */
    double prior_ends;    /* for how many ends of its own the pool's rate stands (1, say) */
};

enum interval_basis { INTERVAL_MEASURED, INTERVAL_PRIOR, INTERVAL_GUESSED }; /* whose figures weigh most */
enum interval_bound { INTERVAL_FREE, INTERVAL_AT_MIN, INTERVAL_AT_MAX };

struct interval_choice {
    double tau_s;
    double delta_s;
    double restore_s;
    double mtbf_s;
    double overhead; /* expected wall time / work - 1 with this interval */
    enum interval_basis cost_basis;
    enum interval_basis mtbf_basis;
    enum interval_bound bound;
};

/* `pool`: the sums of the pool's other jobs; with nothing in them either, a checkpoint is guessed to cost 10 s and stints to
 * last a day. */
void interval_choose(const struct interval_facts *job, const struct interval_facts *pool, const struct interval_rules *rules,
                     struct interval_choice *out);

/* A checkpoint of another job that is planned on the same store. */
struct interval_planned {
    int64_t at_us;
    int64_t takes_us;
};
/* When to take the next one: within [tau/2, 2 tau] after last_us, not before now_us, where it overlaps least with the others',
 * and of such moments the one nearest to last_us + tau. `takes_us`: how long it loads the store. Others may be in any order. */
int64_t interval_stagger(const struct interval_planned *others, size_t count, int64_t last_us, int64_t tau_us, int64_t takes_us,
                         int64_t now_us);
