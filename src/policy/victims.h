/*
 * The running jobs of users above their share, as what they would cost, and the cheapest of them that make room for a job. They
 * live for one look.
 */
#pragma once

#include "policy/plan_parts.h"

struct victim {
    uint32_t number;
    uint32_t user;
    uint32_t node;
    uint32_t next; /* of its node, not cheaper */
    struct room size;
    struct plan_cost ways[PLAN_WAY_COUNT];
    double cost; /* of the best way; INFINITY: it may not be evicted, but will end by itself some time */
    int64_t end_rate;
    enum plan_way way;
    bool used;
};

/* What is known of the jobs of one size. */
struct victims_memory {
    struct room need;
    int64_t rate; /* nano-ends per second of those that would do alone; negative: not asked for yet */
    size_t begin; /* those before it in the order would not do alone, or are used up */
};

struct victims {
    const struct plan_state *state;
    struct victim *all;
    size_t count;
    size_t capacity;
    uint32_t *heap; /* those that cost less than INFINITY, cheapest first; what was taken off it is in `order` */
    size_t heap_count;
    uint32_t *order;
    size_t order_count;
    size_t order_begin; /* those before are used up */
    uint32_t *on_node;  /* the cheapest one of each node; NULL until it is needed */
    uint32_t *givers;   /* the users above their share */
    size_t giver_count;
    int64_t *left;  /* cpus of each user without those that are taken */
    int64_t *least; /* what it must be left with, for the receiver */
    int64_t *group_left;
    int64_t *group_least;
    uint32_t receiver; /* the user who gets the room */
    int64_t receiver_running;
    struct victims_memory *memory;
    size_t memory_count;
    struct room_misses misses; /* for which there is no set */
};

/* What is to be evicted, or waited for, together. */
struct victim_set {
    uint32_t *members;
    size_t count;
    size_t capacity;
    uint32_t node;
    double cost; /* INFINITY: there is none */
};

/* Targets must be up to date. */
void victims_init(struct victims *victims, const struct plan_state *state, int64_t now_us, const struct plan_rules *rules);
void victims_release(struct victims *victims);
/* The cheapest set, on any one node, that makes room for a job of the user and costs less than `limit`. No member is
 * superfluous. The users must come in the order of who is next. */
void victims_find(struct victims *victims, uint32_t user, const struct room *need, double limit, struct victim_set *out);
/* The victim goes, sooner or later: it is not counted on again. */
void victims_use(struct victims *victims, uint32_t victim);
/* How many jobs per 1e9 seconds end by themselves whose room alone would do for a job of the user. */
int64_t victims_end_rate(struct victims *victims, uint32_t user, const struct room *need);
