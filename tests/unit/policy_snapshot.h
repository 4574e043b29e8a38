/* Seeded random snapshots for the tests of the plan, small enough to read when one fails. */
#pragma once

#include "policy/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SNAP_JOBS = 64, SNAP_USERS = 6, SNAP_NODES = 8, SNAP_GROUPS = 3 };
#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define SNAP_NOW (1000 * HOUR)

struct snap {
    uint64_t dice;
    struct plan_snapshot s;
    struct plan_job jobs[SNAP_JOBS];
    struct plan_user users[SNAP_USERS];
    struct plan_node nodes[SNAP_NODES];
    double shares[SNAP_GROUPS];
    int64_t started[SNAP_USERS]; /* by its plan; the test's own */
};

/* What may vary. */
struct snap_range {
    int users, nodes, jobs, node_cpus, job_cpus, groups;
    bool sizes;   /* memory and disk matter */
    bool weights; /* users differ */
    bool limits;
    double lambda; /* < 0: drawn */
};

static inline uint64_t snap_dice(struct snap *snap, uint64_t below)
{
    snap->dice = snap->dice * 6364136223846793005u + 1442695040888963407u;
    return (snap->dice >> 33) % below;
}

static inline bool snap_chance(struct snap *snap, int percent)
{
    return snap_dice(snap, 100) < (uint64_t)percent;
}

static inline void snap_wire(struct snap *snap)
{
    snap->s.jobs = snap->jobs;
    snap->s.users = snap->users;
    snap->s.nodes = snap->nodes;
    snap->s.shares = snap->s.group_count > 0 ? snap->shares : NULL;
}

static inline void snap_costs(struct snap *snap, struct plan_job *job)
{
    int64_t age = (int64_t)snap_dice(snap, 5 * 3600) * SECOND;
    job->started_us = SNAP_NOW - age;
    job->at_risk_since_us =
        snap_chance(snap, 10) ? -1 : SNAP_NOW - (int64_t)snap_dice(snap, (uint64_t)(age / SECOND) + 1) * SECOND;
    job->ways = (uint8_t)(1u << PLAN_WAY_KILL | snap_dice(snap, 16));
    job->may_be_evicted = !snap_chance(snap, 8);
    job->success = (float)snap_dice(snap, 5) / 4;
    job->restore_us = (int64_t)snap_dice(snap, 100) * SECOND;
    job->pause_us = (int64_t)snap_dice(snap, 20) * SECOND;
    job->commit_us = (int64_t)snap_dice(snap, 60) * SECOND;
    job->grace_us = (int64_t)snap_dice(snap, 20) * SECOND;
    job->next_own_us = snap_chance(snap, 50) ? SNAP_NOW + (int64_t)snap_dice(snap, 1800) * SECOND : -1;
    job->ends_us = snap_chance(snap, 40) ? SNAP_NOW + (int64_t)snap_dice(snap, 7200) * SECOND : -1;
    job->end_rate = snap_chance(snap, 30) ? (double)(1 + snap_dice(snap, 100)) / 360000 : 0;
    job->due_us = snap_chance(snap, 30) ? SNAP_NOW + ((int64_t)snap_dice(snap, 7200) - 600) * SECOND : -1;
    job->period_us = (int64_t)(600 + snap_dice(snap, 3600)) * SECOND;
}

static inline void snap_size(struct snap *snap, const struct snap_range *range, struct plan_job *job)
{
    job->cpus = 1 + (int)snap_dice(snap, (uint64_t)range->job_cpus);
    if (!range->sizes)
        return;
    job->memory_mb = (int64_t)snap_dice(snap, 5) * 500;
    job->disk_kb = (int64_t)snap_dice(snap, 3) * 1000;
}

/* Whether it fits beside those that run there already. */
static inline bool snap_fits(const struct snap *snap, size_t count, uint32_t node, const struct plan_job *job)
{
    int64_t cpus = job->cpus, memory = job->memory_mb, disk = job->disk_kb;
    for (size_t i = 0; i < count; i++)
        if (snap->jobs[i].state != PLAN_IDLE && snap->jobs[i].node == node) {
            cpus += snap->jobs[i].cpus;
            memory += snap->jobs[i].memory_mb;
            disk += snap->jobs[i].disk_kb;
        }
    const struct plan_node *n = &snap->nodes[node];
    return cpus <= n->cpus && memory <= n->memory_mb && disk <= n->disk_kb;
}

static inline void snap_job(struct snap *snap, const struct snap_range *range, size_t i)
{
    struct plan_job *job = &snap->jobs[i];
    *job = (struct plan_job){
        .id = { 1 + (int)snap_dice(snap, 9), (int)i },
        /* Lower numbers have more jobs: somebody is above its share. */
        .user = (uint32_t)snap_dice(snap, 1 + snap_dice(snap, snap->s.user_count)),
        .submitted_us = SNAP_NOW - 24 * HOUR + (int64_t)snap_dice(snap, 5) * HOUR,
        .priority = (int64_t)snap_dice(snap, 3) - 1,
        .was_evicted = snap_chance(snap, 10),
    };
    snap_size(snap, range, job);
    snap_costs(snap, job);
    job->node = (uint32_t)snap_dice(snap, snap->s.node_count);
    if (snap_chance(snap, 70) && snap_fits(snap, i, job->node, job))
        job->state = snap_chance(snap, 92) ? PLAN_RUNNING : PLAN_LEAVING;
    if (job->state != PLAN_IDLE)
        job->was_evicted = false;
}

static inline void snap_people(struct snap *snap, const struct snap_range *range)
{
    for (size_t i = 0; i < snap->s.user_count; i++)
        snap->users[i] = (struct plan_user){
            .weight = range->weights ? (double)snap_dice(snap, 9) / 4 : 1,
            .group = range->groups > 0 ? snap_dice(snap, (uint64_t)range->groups) : 0,
            .limit_cpus = range->limits && snap_chance(snap, 20) ? 1 + (int)snap_dice(snap, 10) : 0,
        };
    for (size_t i = 0; i < snap->s.group_count; i++)
        snap->shares[i] = i == 0 ? 1 : (double)snap_dice(snap, 9) / 4;
}

static inline void snap_draw(struct snap *snap, uint64_t seed, const struct snap_range *range)
{
    static const double lambdas[] = { 0, 0.05, 0.3, 1, 3, 20, 1000, (double)INFINITY };
    memset(snap, 0, sizeof *snap);
    snap->dice = seed * 0x9e3779b97f4a7c15u + 1;
    snap_dice(snap, 2);
    snap->s.now_us = SNAP_NOW;
    snap->s.user_count = 1 + snap_dice(snap, (uint64_t)range->users);
    snap->s.node_count = 1 + snap_dice(snap, (uint64_t)range->nodes);
    snap->s.job_count = 1 + snap_dice(snap, (uint64_t)range->jobs);
    snap->s.group_count = range->groups > 0 ? (size_t)range->groups : 0;
    snap->s.rules.lambda = range->lambda < 0 ? lambdas[snap_dice(snap, 8)] : range->lambda;
    snap->s.rules.minimum_run_us = (int64_t)snap_dice(snap, 4) * 600 * SECOND;
    snap->s.rules.no_turnover = snap_chance(snap, 50);
    snap->s.rules.reserve_after_us = snap_chance(snap, 30) ? 22 * HOUR : 0;
    snap_people(snap, range);
    for (size_t i = 0; i < snap->s.node_count; i++)
        snap->nodes[i] = (struct plan_node){
            .cpus = 1 + (int)snap_dice(snap, (uint64_t)range->node_cpus),
            .memory_mb = 1000 + (int64_t)snap_dice(snap, 8) * 500,
            .disk_kb = 1000 + (int64_t)snap_dice(snap, 4) * 1000,
        };
    for (size_t i = 0; i < snap->s.job_count; i++)
        snap_job(snap, range, i);
    snap_wire(snap);
}

static inline void snap_plan(const struct snap *snap, struct plan *out)
{
    const char *wrong = NULL;
    if (plan_make(&snap->s, out, &wrong) != 0)
        fail_msg("the snapshot is refused: %s", wrong);
}
