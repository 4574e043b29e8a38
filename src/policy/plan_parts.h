/* What the files of the plan share: the state that is kept from event to event. */
#pragma once

#include "policy/plan.h"
#include "policy/room.h"

/* A job that the state knows; its number is its place in the array. */
struct plan_entry {
    const struct plan_job *job; /* NULL: the number is free */
    uint32_t node;
    uint32_t class;  /* idle: of its user */
    uint32_t at;     /* idle: place in the class's heap; running: in its user's list; free: the next free number */
    uint8_t state;   /* enum plan_job_state */
    bool waited_for; /* by the last look for evictions */
};

/* A user's idle jobs of one size: what does not fit for the first of them does not fit for all. A heap, best first. */
struct plan_class {
    struct room need;
    uint32_t *heap;
    size_t count;
    size_t capacity;
    uint32_t next;  /* in its bucket, or of the free ones */
    uint32_t at;    /* place in the user's `ready` or `failed` */
    uint8_t reason; /* why it failed */
    bool failed;
};

/* All idle jobs of a user. */
struct plan_waiting {
    struct plan_class *classes;
    size_t class_count;
    size_t class_capacity;
    uint32_t free_class; /* PLAN_NONE: none */
    uint32_t *buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t used;         /* classes that have jobs */
    uint32_t *ready;     /* heap of classes by their best job: those worth trying */
    size_t ready_count;
    uint32_t *failed; /* those that were tried in vain in this epoch */
    size_t failed_count;
    size_t list_capacity; /* of ready and failed */
};

#define PLAN_NONE UINT32_MAX

struct plan_person {
    struct plan_user user;
    struct plan_waiting waiting;
    int64_t running_cpus; /* with those that were promised to it in this round */
    int64_t leaving_cpus;
    int64_t idle_cpus;
    double ratio;   /* running for its weight: who is lowest is next */
    uint64_t epoch; /* of `failed` */
    uint32_t *running;
    size_t running_count;
    size_t running_capacity;
};

struct plan_site {
    struct plan_node capacity;
    struct room free;     /* capacity - running - leaving */
    struct room leaving;  /* of jobs that are leaving */
    struct room promised; /* in this round, of free and leaving, to jobs that wait for it */
    uint32_t leaving_jobs;
};

struct plan_promise {
    uint32_t number; /* the job that it was promised to, out of its heap for the rest of the round */
    uint32_t user;
    uint32_t node; /* PLAN_NONE: no particular one */
    enum plan_reason reason;
};

struct plan_state {
    struct plan_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    uint32_t free_entry;
    struct plan_person *users;
    size_t user_count;
    double *group_shares;
    double *group_ratios;
    int64_t *group_running;
    size_t group_count;
    struct plan_site *nodes;
    size_t node_count;
    struct room_tree tree;     /* what may be started into: free, less what is promised of it */
    struct room_tree coming;   /* of nodes with leaving jobs: free and leaving, less what is promised of it */
    struct room_tree capacity; /* of empty nodes */
    int64_t total_cpus;
    uint64_t epoch; /* grows whenever room does */
    int64_t reserve_before_us;
    bool reserved; /* in this round */
    struct plan_promise *promises;
    size_t promise_count;
    size_t promise_capacity;
    uint32_t *waited; /* jobs that the last look decided to wait for; some may be gone */
    size_t waited_count;
    size_t waited_capacity;
    int64_t *whole;  /* the same in whole cpus */
    double *targets; /* as of the last plan_find_targets() */
};

/* ---- idle jobs of a user (waiting.c) ---- */

void waiting_add(struct plan_state *state, struct plan_waiting *waiting, uint32_t number);
void waiting_remove(struct plan_state *state, struct plan_waiting *waiting, uint32_t number);
/* The best class that did not fail, or PLAN_NONE. */
uint32_t waiting_best(const struct plan_waiting *waiting);
void waiting_fail(struct plan_state *state, struct plan_waiting *waiting, uint32_t class, enum plan_reason reason);
void waiting_fail_all(struct plan_waiting *waiting, enum plan_reason reason);
/* All may be tried again. */
void waiting_retry(struct plan_state *state, struct plan_waiting *waiting);
void waiting_release(struct plan_waiting *waiting);

/* ---- the books (plan_state.c) ---- */

struct room plan_need(const struct plan_job *job);
/* By which users (and groups) are ordered: who is lowest is next. */
double plan_ratio(int64_t running, double weight);
/* The user runs that many cpus more, or fewer. */
void plan_count_running(struct plan_state *state, uint32_t user, int64_t cpus);
/* An idle entry runs on the node; a running one is leaving. */
void plan_run_entry(struct plan_state *state, uint32_t number, uint32_t node);
void plan_leave_entry(struct plan_state *state, uint32_t number);
/* Of the node's free and leaving room that much is promised; negative: no longer. */
void plan_promise_room(struct plan_state *state, uint32_t node, const struct room *need, int sign);
void plan_find_targets(struct plan_state *state);
bool plan_before(const struct plan_job *a, const struct plan_job *b); /* by id */
struct plan_action *plan_append(struct plan *out, enum plan_kind kind, uint32_t job, uint32_t node);

/* ---- a round (plan_start.c): who is next, and what is promised ---- */

/* The user with the least for its weight who has a class to try, or PLAN_NONE. */
uint32_t plan_next_user(const struct plan_state *state);
/* Whether the user may not run that many cpus more. */
bool plan_at_limit(const struct plan_person *user, int64_t cpus);
/* The user's best job is promised room on `node` (PLAN_NONE: somewhere): for the rest of the round it counts as running. */
void plan_promise(struct plan_state *state, uint32_t user, uint32_t node, enum plan_reason reason);
/* The node whose room is kept for a job that has waited for long, or PLAN_NONE. Once in a round. */
uint32_t plan_reserve(struct plan_state *state, uint32_t number);
/* Promises are forgotten. */
void plan_end_round(struct plan_state *state);

/* ---- evictions (plan_evict.c) ---- */

/* reasons: NULL, or room for one for each number; those of idle jobs are filled. */
void plan_look(struct plan_state *state, int64_t now_us, const struct plan_rules *rules, struct plan *out,
               enum plan_reason *reasons);
