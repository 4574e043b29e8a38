/*
 * What is to be simulated: users and their jobs, in the order of their submission. Read from a file in the Standard Workload
 * Format or from a pool's own history, or drawn from a model; then filled up with what those do not say: how a job is
 * checkpointed and what that costs.
 */
#pragma once

#include "base/error.h"
#include "sim/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum workload_kind { WORKLOAD_TRANSPARENT, WORKLOAD_SELF, WORKLOAD_NONE, WORKLOAD_KINDS };
const char *workload_kind_name(enum workload_kind kind);

enum {
    WORKLOAD_JOBS_MAX = 100000000,
    WORKLOAD_USERS_MAX = 100000,
    WORKLOAD_CPUS_MAX = 1 << 20,
    WORKLOAD_USER_NAME_MAX = 48,
};
#define WORKLOAD_TIME_MAX_S ((int64_t)100 * 366 * 86400) /* a job's times, and the length of a log */

struct workload_job {
    int64_t submit_us;
    int64_t work_us; /* execution that it needs in all */
    uint32_t user;   /* its place among the users */
    uint32_t cpus;
    uint32_t memory_mb;
    uint32_t state_kb;       /* what a checkpoint writes and a resume reads */
    uint32_t pause_ms;       /* how long it stands still for one */
    uint32_t period_s;       /* between checkpoints that it makes by itself; 0 = none */
    uint8_t kind;            /* enum workload_kind */
    uint8_t success_percent; /* how many of the checkpoints for an eviction succeed */
};

struct workload_user {
    char name[WORKLOAD_USER_NAME_MAX];
    uint32_t group;    /* its place among the groups of the pool; 0 = the first */
    double factor;     /* of its priority; 1 = usual */
    int kind;          /* of its jobs, if it always has the same; -1 = drawn for each */
    double dirty_mb_s; /* memory that its jobs change */
    double ratio;      /* of a compressed checkpoint to its memory, 0 … 1 */
    double median_s;   /* high-throughput mix: of its jobs' run times */
};

struct workload {
    struct workload_job *jobs;
    size_t count;
    size_t job_capacity;
    struct workload_user *users;
    size_t user_count;
    size_t user_capacity;
    uint32_t log_cpus; /* of the machine that a log is of, where it says so; 0 */
    size_t skipped;    /* jobs of a log that never ran, or that can not run here */
};

void workload_release(struct workload *w);
/* Add one with everything that is not given at its default; the pointer is good until the next one is added. */
struct workload_job *workload_add_job(struct workload *w);
struct workload_user *workload_add_user(struct workload *w, const char *name);
/* In the order of submission, the first at time 0; ties stay in the order in which they were added. */
void workload_sort(struct workload *w);

/* ---- what jobs cost to checkpoint ---- */

struct workload_costs {
    double shares[WORKLOAD_KINDS]; /* of the kinds; their sum is 1 */
    double success;                /* of an eviction's checkpoint, 0 … 1 */
    double copy_mb_s;              /* memory that is captured in a pause */
    double freeze_s;               /* of a pause, whatever the size */
    double most_mb_a_cpu;          /* where memory is drawn; 0 = 16 GiB */
};
struct workload_costs workload_costs_default(void);
/* Draws kind, state, pause and period for each job that has none yet. Users' habits are drawn first, so that a user's jobs are
 * alike. */
void workload_draw_costs(struct workload *w, const struct workload_costs *costs, uint64_t seed);

/* Scales the times between submissions, so that the work is `load` times what `cpus` could do until the last submission. */
void workload_scale(struct workload *w, double load, int64_t cpus);

/* ---- where it comes from ---- */

/* Standard Workload Format 2.2, whole text. An error names the line. Jobs that never ran are counted as skipped. */
int workload_parse_swf(struct workload *w, const char *text, size_t len, struct error *err);
/* What `stint history --json` prints. */
int workload_parse_history(struct workload *w, const char *text, size_t len, struct error *err);

enum lublin_stream { LUBLIN_ONE, LUBLIN_BATCH, LUBLIN_INTERACTIVE, LUBLIN_STREAMS };
struct workload_model {
    size_t jobs;
    size_t users;
    int64_t cpus; /* of the pool: no job is larger than the largest node */
    int64_t node_cpus;
    double load;
    uint64_t seed;
    bool two_streams; /* Lublin: batch and interactive apart, instead of one stream */
};
/* Lublin and Feitelson (2003). */
void workload_lublin(struct workload *w, const struct workload_model *model);
/* Many jobs of one cpu from users who come in bursts. */
void workload_high_throughput(struct workload *w, const struct workload_model *model);
