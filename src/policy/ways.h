/*
 * What it costs to free a job's cpus, in each of the ways that it offers: badput (cpu-seconds of work and overhead that are
 * lost by it) and delay (cpu-seconds that somebody else waits). cost = badput + lambda * delay. docs/policy.md has the table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum plan_way {
    PLAN_WAY_KILL,       /* now: what was not committed is done again */
    PLAN_WAY_CHECKPOINT, /* checkpoint, then evict */
    PLAN_WAY_OWN,        /* when it reaches the next checkpoint of its own */
    PLAN_WAY_FINISH,     /* when it has finished */
    PLAN_WAY_COUNT,
};
enum { PLAN_WAYS_ALL = (1 << PLAN_WAY_COUNT) - 1 };

const char *plan_way_name(enum plan_way way); /* "kill", "checkpoint", "own checkpoint", "finish" */

struct plan_job;

struct plan_cost {
    double badput_s; /* cpu-seconds */
    double delay_s;  /* cpu-seconds */
    double cost_s;   /* badput + lambda * delay; INFINITY where the way is not offered */
};

/* Fills costs[PLAN_WAY_COUNT] for a running job at now_us; every job may finish, whatever its bits say. lambda may be INFINITY:
 * then the cost is the delay of the ways that act now (and kill is the one to choose), and waiting is not offered where one of
 * those is. */
void ways_cost(const struct plan_job *job, int64_t now_us, double lambda, struct plan_cost costs[PLAN_WAY_COUNT]);
/* The cheapest; of equally cheap ones the one that waits. lambda = 0 therefore waits always. PLAN_WAY_COUNT: none is offered.
 */
enum plan_way ways_cheapest(const struct plan_cost costs[PLAN_WAY_COUNT]);
/* Whether the job is acted upon at once. */
bool ways_acts(enum plan_way way);
/* How likely it ends by itself within the next second: 1e9 means once a second. From end_rate, else from its age (a
 * job that has run for t is expected to run for about t more), unless its end is known, or it has not run yet: 0. */
int64_t ways_end_rate(const struct plan_job *job, int64_t now_us);
