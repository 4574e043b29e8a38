/*
 * A pool as events: jobs come, start, run, are checkpointed, evicted, resumed and completed; nodes fail; stores are shared.
 * Whom to start and whom to evict is the policy's decision (sim/decide.h); what comes of it is what happens here. Every
 * microsecond that a job holds cpus falls into one class of the ledger with one cause, and the classes add up to the time held.
 *
 * Nothing depends on anything but workload, setup and seed.
 */
#pragma once

#include "job/ledger.h"
#include "sim/estimate.h"
#include "sim/fair.h"
#include "sim/heap.h"
#include "sim/store.h"
#include "sim/workload.h"

enum sim_cause {
    CAUSE_NONE,       /* goodput: completed or committed */
    CAUSE_START,      /* files for a fresh start */
    CAUSE_PERIODIC,   /* checkpoints by interval, or the job's own */
    CAUSE_SHARE,      /* evicted for another's share: what was lost, the checkpoint for it, the resume after it */
    CAUSE_CHECKPOINT, /* the same, where the checkpoint for it failed */
    CAUSE_NODE,       /* the node failed: what was lost, the resume after it */
    CAUSE_COUNT,
};
const char *sim_cause_name(enum sim_cause cause);

enum sim_way { WAY_KILL, WAY_CHECKPOINT, WAY_OWN, WAY_COUNT };
enum sim_phase { PHASE_TRANSFER, PHASE_RESTORE, PHASE_RUN, PHASE_PAUSE, PHASE_COMMIT, PHASE_DYING };

#define SIM_NONE UINT32_MAX

struct sim_nodes {
    uint32_t count;
    uint32_t cpus;
    uint32_t memory_mb;
};

enum { SIM_SIZES_MAX = 16, SIM_GROUPS_MAX = 64, SIM_NODES_MAX = 1 << 20 };

enum sim_policy { SIM_STINT, SIM_CLAIRVOYANT, SIM_NEVER, SIM_YOUNGEST, SIM_RETIREMENT, SIM_SCR, SIM_ADAPTIVE, SIM_POLICIES };
const char *sim_policy_name(enum sim_policy policy);

struct sim_setup {
    struct sim_nodes sizes[SIM_SIZES_MAX];
    size_t size_count;
    uint32_t stores;
    double store_mb_s;
    double node_mtbf_s; /* 0: nodes do not fail */
    double repair_s;
    double transfer_s; /* input files of a fresh start */
    double kill_s;     /* from the signal to the end of who is killed */
    double half_life_s;
    double overstay;
    double epsilon; /* distance that counts as fair */
    double window_s;
    double weigh_s; /* between looks at the usage */
    double look_s;  /* between looks for evictions when demand did not grow */
    double minimum_run_s;
    double reserve_s; /* who has waited longer has room kept; 0: nobody */
    double longest_interval_s;
    double group_shares[SIM_GROUPS_MAX];
    size_t groups; /* 0: none */
    enum sim_policy policy;
    double lambda;       /* stint, clairvoyant */
    double grace_s;      /* kill youngest */
    double retirement_s; /* priority and retirement */
    double percent;      /* SCR */
    uint64_t seed;
    double until_s; /* 0: until everything is done */
    size_t samples; /* of the populations, over the time of the submissions */
};
struct sim_setup sim_setup_default(void);
int64_t sim_setup_cpus(const struct sim_setup *setup);

struct sim_node {
    uint32_t size;
    uint32_t first_run;
    bool down;
};

/* A job as it is now; small, for there may be ten million. */
struct sim_job {
    int64_t committed_us; /* execution that is safe */
    uint32_t run;         /* SIM_NONE: it does not run */
    uint32_t record;      /* of the decisions; SIM_NONE: not in the queue */
    uint8_t cause;        /* why it has to resume */
};

/* A stint. */
struct sim_run {
    uint32_t job;
    uint32_t node;
    uint32_t next, before; /* on its node */
    enum sim_phase phase;
    enum sim_cause pause_cause;
    int64_t started_us;
    int64_t since_us;       /* the phase's beginning; all before is booked */
    int64_t done_us;        /* execution until since_us */
    int64_t captured_us;    /* of it, what the checkpoint under way has */
    int64_t captured_at_us; /* when the last one was captured */
    int64_t next_own_us;    /* HEAP_NEVER: none, or one is being committed */
    int64_t deadline_us;    /* when it is killed; HEAP_NEVER */
    int64_t interval_us;    /* between its checkpoints; 0: none */
    uint64_t mark;          /* the look that wants it to leave at its own next checkpoint */
    bool leaving;
    bool committing;
};

struct sim_user {
    struct estimate run_times; /* of its jobs that are done */
    uint64_t done;
    double turnaround_s; /* sum over these, from submission to completion */
    double evicted_s;    /* badput that evictions caused its jobs, cpu-seconds */
};

struct sim_counts {
    uint64_t events; /* of jobs: submitted, started, running, captured, committed, evicted, completed */
    uint64_t starts, completions, checkpoints, failed_checkpoints, node_failures, looks;
    uint64_t evictions[WAY_COUNT];
};

struct sim_sample {
    double time_s;
    double distance;
    double missing;
};

struct decide;

struct sim {
    const struct sim_setup *setup;
    const struct workload *workload;
    int64_t now_us;
    int64_t cpus, cpus_up;
    size_t arrived;
    size_t left;        /* jobs that are not done */
    struct heap events; /* of runs, then of stores, then those of sim.c */
    uint32_t run_room, run_count;
    struct sim_run *runs;
    uint32_t *free_runs; /* run_room - run_count of them */
    struct sim_node *nodes;
    uint32_t node_count;
    uint32_t *down; /* nodes, and below when they are up again; the first to be so at down_head */
    int64_t *up_again_us;
    uint32_t down_head, down_count;
    struct store *stores;
    uint32_t *store_places;
    struct sim_job *jobs;
    struct fair fair;
    struct sim_user *users;
    struct random failures, luck;
    int64_t class_us[LEDGER_CLASS_COUNT][CAUSE_COUNT]; /* cpu-microseconds */
    int64_t at_risk_us;                                /* of what still ran when the simulation ended */
    int64_t occupied_us;
    double observed_s; /* of stints that ended, for the interval */
    double paused_s;
    struct sim_counts counts;
    struct decide *decide;
    struct sim_sample *samples;
    float *sample_users; /* for each sample and user: running, target */
    size_t sample_count;
};

/* Borrows both. Jobs that fit on no node must not be among them (sim_fit). */
void sim_init(struct sim *s, const struct sim_setup *setup, const struct workload *workload);
void sim_release(struct sim *s);
void sim_run(struct sim *s);
/* Removes what no node could run; counts it as skipped. */
void sim_fit(struct workload *workload, const struct sim_setup *setup);

/* ---- what an event may come of, for sim.c ---- */

void stint_event(struct sim *s, uint32_t run);
void stint_stored(struct sim *s, uint32_t run);
void stint_lost_node(struct sim *s, uint32_t node);
/* The simulation ends here: what was open is booked. */
void stint_cut(struct sim *s, uint32_t run);

/* ---- for decisions ---- */

void stint_start(struct sim *s, uint32_t job, uint32_t node);
/* WAY_KILL: in delay_us, during which it goes on if `working`. WAY_CHECKPOINT: after one. */
void stint_evict(struct sim *s, uint32_t run, enum sim_way way, int64_t delay_us, bool working);
int64_t stint_done_us(const struct sim *s, const struct sim_run *run);
int64_t stint_at_risk_us(const struct sim *s, const struct sim_run *run);
/* What a checkpoint now would write, and how long the run's store takes for so much, as busy as it is. */
int64_t stint_capture_bytes(const struct sim *s, const struct sim_run *run);
int64_t stint_store_us(const struct sim *s, const struct sim_run *run, int64_t bytes);
/* A store's events are kept for it. */
void sim_store_changed(struct sim *s, uint32_t store);
/* The next look for evictions is then, if it is not earlier. */
void sim_look_at(struct sim *s, int64_t us);

static inline const struct workload_job *sim_spec(const struct sim *s, uint32_t job)
{
    return &s->workload->jobs[job];
}
