/*
 * What to do now: which idle jobs start where, which running ones make room for whom and how, which take a checkpoint. The
 * cheapest set of evictions by badput + lambda * delay that gives deprived users what fair share owes them, and never takes
 * a user below its own share (docs/policy.md).
 *
 * Two ways to ask, with the same answers: plan_make() from a snapshot; and a plan_state that its caller keeps up to date, where
 * a start looks only at what changed (a simulator with 10,000 nodes asks a million times a second). Pure: no clock, no globals.
 * Same snapshot, same time, same plan: ties are broken by number.
 */
#pragma once

#include "job/id.h"
#include "policy/ways.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum plan_job_state { PLAN_IDLE, PLAN_RUNNING, PLAN_LEAVING /* still occupies its node, was told to go */ };

/* Moments are microseconds on the clock of now_us; -1: unknown or never. What is below `period_us` matters for running jobs
 * only. */
struct plan_job {
    struct job_id id;
    uint32_t user; /* index into the users */
    uint32_t node; /* running, leaving: index into the nodes */
    int cpus;      /* >= 1 */
    enum plan_job_state state;
    int64_t memory_mb;
    int64_t disk_kb;
    int64_t priority; /* among its user's jobs, higher first */
    int64_t submitted_us;
    bool was_evicted; /* by the policy, and did not run since: goes to the head of its user's queue */
    bool may_be_evicted;
    uint8_t ways;             /* bits 1 << enum plan_way that the job offers */
    float success;            /* share of its eviction checkpoints that succeed, 0…1 */
    int64_t started_us;       /* when it got its slot */
    int64_t at_risk_since_us; /* begin of the execution that is not committed yet; -1: nothing is at risk */
    int64_t restore_us;       /* what a resume of it costs */
    int64_t pause_us;         /* of a checkpoint */
    int64_t commit_us;        /* of a checkpoint, after the pause */
    int64_t grace_us;         /* from being told to go to being gone, when killed */
    int64_t next_own_us;      /* when its next checkpoint of its own is expected; -1: unknown */
    int64_t ends_us;          /* when it will end, if that is known (not: guessed); -1: unknown */
    double end_rate;          /* chance per second that it ends by itself, from jobs like it; 0: 1 / its age */
    int64_t due_us;           /* when its next periodic checkpoint is due; -1: never */
    int64_t period_us;        /* its checkpoint interval */
};

struct plan_user {
    double weight;  /* share_weight() */
    size_t group;   /* index into the shares; 0 where there are no groups */
    int limit_cpus; /* never run more than this; 0: no limit */
};

struct plan_node {
    int cpus; /* 0: it is down, or drains */
    int64_t memory_mb;
    int64_t disk_kb;
};

struct plan_rules {
    double lambda;            /* >= 0, may be INFINITY: cpu-seconds of badput that a cpu-second of deprivation is worth */
    int64_t minimum_run_us;   /* a job that got its slot later than this ago is not evicted */
    int64_t reserve_after_us; /* a job that was submitted longer ago has room kept for it, if it needs it; 0: no such thing */
    bool no_turnover;         /* do not count on over-share jobs ending by themselves (for comparison) */
};

struct plan_snapshot {
    int64_t now_us;
    const struct plan_job *jobs; /* no id twice */
    size_t job_count;
    const struct plan_user *users;
    size_t user_count;
    const struct plan_node *nodes;
    size_t node_count;
    const double *shares; /* of the groups; NULL: there are none */
    size_t group_count;
    struct plan_rules rules;
};

enum plan_kind {
    PLAN_START, /* an idle job, on `node` */
    PLAN_EVICT, /* a running job, by `way` (KILL or CHECKPOINT), for job `for_job` of user `for_user` */
    PLAN_WAIT,  /* nothing to do now: a running job's OWN checkpoint or FINISH is cheaper to wait for; at that moment plan anew
                 */
    PLAN_CHECKPOINT, /* a running job takes its periodic checkpoint and runs on */
};

struct plan_action {
    enum plan_kind kind;
    uint32_t job; /* plan_make: index into snapshot.jobs; plan_state: the number that plan_state_add gave */
    uint32_t node;
    enum plan_way way;
    uint32_t for_user;
    uint32_t for_job;                      /* like `job` */
    struct plan_cost ways[PLAN_WAY_COUNT]; /* EVICT, WAIT: what each way would cost; ways[way] is what it does */
};

/* Why an idle job does not start now. */
enum plan_reason {
    PLAN_STARTS,         /* it does */
    PLAN_TOO_LARGE,      /* no node could run it, even an empty one */
    PLAN_USER_LIMIT,     /* its user runs as many cpus as it may */
    PLAN_BEHIND,         /* its user is at its share, and there is no free room */
    PLAN_NO_ROOM,        /* its user is owed cpus, but they are not worth what an eviction would cost, or nobody has too many */
    PLAN_WAITS_LEAVING,  /* for jobs that are leaving, or are told to in this plan */
    PLAN_WAITS_TURNOVER, /* for any of the over-share jobs to end by itself: soon enough */
    PLAN_WAITS_JOB,      /* for a job's own checkpoint or its end (PLAN_WAIT) */
    PLAN_WAITS_ROOM,     /* it has waited for long: what becomes free on one node is kept until it fits */
};

struct plan {
    struct plan_action *actions; /* starts, then evictions and waits, then checkpoints */
    size_t count;
    size_t capacity;
    enum plan_reason *reasons; /* plan_make: one for each job of the snapshot; plan_state: NULL */
    double *targets;           /* of plan_make: one for each user, in cpus; NULL otherwise */
    int64_t *whole;            /* the same in whole cpus */
};

enum { PLAN_JOBS_MAX = 1 << 30, PLAN_CPUS_MAX = 1 << 30 };

/* 0, or -1 with the first thing in the snapshot that makes no sense in *wrong (a constant clause) and *out untouched. */
int plan_make(const struct plan_snapshot *snapshot, struct plan *out, const char **wrong);
void plan_release(struct plan *plan); /* may be zeroed; may be used again afterwards */

/* ---- kept from event to event ---- */

struct plan_state;

/* Users, nodes and shares are copied. */
struct plan_state *plan_state_new(const struct plan_user *users, size_t user_count, const struct plan_node *nodes,
                                  size_t node_count, const double *shares, size_t group_count);
void plan_state_free(struct plan_state *state);

/* The job comes in, in the state that it says. Borrowed: it stays where it is until it is removed; meanwhile its moments, costs
 * and ways may change at will, but not its id, user, size, priority, submitted_us, was_evicted. Returns its number, which may
 * be given again after it was removed. */
uint32_t plan_state_add(struct plan_state *state, const struct plan_job *job);
const struct plan_job *plan_state_job(const struct plan_state *state, uint32_t number);
void plan_state_remove(struct plan_state *state, uint32_t number);
void plan_state_set_weight(struct plan_state *state, uint32_t user, double weight);
/* A node's capacity changes (0 cpus: down). Its jobs stay until they are removed. */
void plan_state_set_node(struct plan_state *state, uint32_t node, const struct plan_node *capacity);

/* From now on one job, of those submitted before this moment, the first in order that fits nowhere, has room kept for it:
 * nobody starts on the node with the most free cpus until it fits. A change makes the next round look at everything, so go in
 * steps of minutes. At first: INT64_MIN, nobody. */
void plan_state_reserve(struct plan_state *state, int64_t before_us);
/* The starts that are possible now. The state takes them as done: the caller sets its job's state, node and started_us (or
 * removes the job). Actions are appended to `out`. Cheap when nothing can start. */
void plan_state_starts(struct plan_state *state, struct plan *out);
/* Whether a user is owed cpus that it has idle jobs for: whether looking for evictions can give anything. */
bool plan_state_owes(struct plan_state *state);
/* Looks at the running jobs of users above their share: evictions and waits are appended. The state takes evicted jobs as
 * leaving: the caller sets state. Call it after plan_state_starts(): when demand grew, when a job that was waited for
 * reaches its checkpoint, and from time to time. */
void plan_state_evictions(struct plan_state *state, int64_t now_us, const struct plan_rules *rules, struct plan *out);

/* Looks at all running jobs: those whose periodic checkpoint is due; also before it is due, by up to half of their period,
 * those that the last look for evictions decided to wait for. */
void plan_state_checkpoints(struct plan_state *state, int64_t now_us, struct plan *out);

/* cpus that the user runs (not: leaving), wants (running, leaving, idle), and its target. */
struct plan_standing {
    int64_t running_cpus;
    int64_t wanted_cpus;
    double target_cpus;
    int64_t whole_cpus; /* the target in whole cpus: what it is owed, and what is never taken from it */
};
void plan_state_standing(struct plan_state *state, uint32_t user, struct plan_standing *out);
