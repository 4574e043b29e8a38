/*
 * How far the pool is from fair: usage, weights and targets of the users, and what is measured against them while time goes on.
 * The formulas are the policy's (policy/share.h); this keeps them as of now at little cost, because most events do not change a
 * target.
 *
 * R is the cpus that a user's jobs hold, T his target. distance = sum |R - T| / 2 / cpus; deprivation = integral of sum max(0,
 * T - R). An episode is the time from the moment at which the distance passes epsilon to the first at which it is below again
 * for a window.
 */
#pragma once

#include "policy/share.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fair_user {
    int64_t running; /* cpus */
    int64_t wanted;  /* cpus: running and idle */
    double target;
    double factor;
    double usage;      /* decayed cpu-seconds, as of the last look */
    double deprived_s; /* cpu-seconds, up to since_us */
    double held_s;     /* cpu-seconds since the last look, up to since_us */
    double excused_s;  /* of these, what others' evictions cost */
    int64_t since_us;
};

struct fair_setup {
    double cpus;
    double half_life_s;
    double overstay; /* see usage_charged_cpus */
    double epsilon;
    int64_t window_us;
    const double *group_shares; /* NULL = no groups */
    size_t groups;
};

struct fair {
    struct fair_setup setup;
    struct fair_user *users;
    struct share_user *shares; /* weights; room for the policy's call */
    double *targets;
    size_t count;
    int64_t now_us;
    int64_t weighed_us;
    int64_t wanted; /* of all */
    double missing; /* sum max(0, T - R) now */
    double excess;  /* sum max(0, R - T) now */
    double deprivation_s;
    double distance_s; /* integral of the distance */
    bool stale;        /* targets must be found anew */
    bool everything;   /* all that is wanted fits: the targets are what is wanted */
    bool open;         /* an episode, since then */
    int64_t opened_us;
    int64_t below_us; /* the distance has been below epsilon since then; -1: it is not */
    double *episodes_s;
    size_t episode_count, episode_capacity;
};

/* Weights begin equal but for the factors. */
void fair_init(struct fair *f, const struct fair_setup *setup, size_t users);
void fair_release(struct fair *f);
void fair_set_user(struct fair *f, uint32_t user, double factor, size_t group);
/* cpus of nodes that are up. */
void fair_set_cpus(struct fair *f, double cpus);
/* Integrates up to then. */
void fair_advance(struct fair *f, int64_t now_us);
/* A job of the user came (wanted > 0) or went, started (running > 0) or left. */
void fair_change(struct fair *f, uint32_t user, int64_t running, int64_t wanted);
/* cpu-seconds that evictions for others cost the user are not charged. */
void fair_excuse(struct fair *f, uint32_t user, double cpu_s);
/* Brings targets up to date. */
void fair_settle(struct fair *f);
/* Charges what was used since the last look, and finds the weights anew. */
void fair_weigh(struct fair *f);
double fair_weight(const struct fair *f, uint32_t user);
double fair_distance(const struct fair *f);
double fair_deprived_s(const struct fair *f, uint32_t user);
/* Closes an episode that is open. */
void fair_finish(struct fair *f);
