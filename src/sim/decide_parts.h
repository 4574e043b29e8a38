/* What decide.c and decide_baseline.c share. */
#pragma once

#include "policy/plan.h"
#include "sim/decide.h"

struct decide_record {
    struct plan_job job; /* borrowed by the policy while the job is in the queue */
    uint32_t number;     /* the policy's */
    uint32_t next_free;
};

struct decide_candidate {
    uint32_t run;
    double key; /* smaller: earlier */
    enum sim_way way;
    int64_t delay_us;
    bool working;
};

struct decide {
    struct plan_state *state;
    struct plan plan;
    struct decide_record **chunks; /* records never move */
    size_t chunk_count, chunk_capacity;
    uint32_t record_count;
    uint32_t free_record;
    uint64_t look; /* number of the last one */
    int64_t looked_us;
    bool grew;                           /* demand, since the last look */
    bool applying;                       /* the policy's own evictions, of which it knows */
    struct decide_candidate *candidates; /* room for one a run */
};

struct decide_record *decide_record_of(const struct sim *s, uint32_t job);
/* Puts it into the policy's state as its record says now. */
void decide_put_again(struct sim *s, struct decide_record *record);

/* Looks for victims in a baseline's way. */
void baseline_look(struct sim *s);
