/*
 * Water-filling: users are filled from the one that is satisfied first (least demand for its weight); each takes its demand or
 * its part of what is left, whichever is less. So one pass over the sorted users finds the level.
 */
#include "policy/share.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* What sums of doubles may be off by, in cpus. */
#define ROUNDING 1e-6

struct vessel {
    double weight;
    double demand;
    double full_at; /* level at which demand is met */
    double weights; /* of this one and all that are filled later */
    size_t index;
};

static int fills_earlier(const void *a, const void *b)
{
    const struct vessel *x = a, *y = b;
    if (x->full_at != y->full_at)
        return x->full_at < y->full_at ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Fills those vessels, all of positive weight, with at most `cpus`; returns what is left. */
static double fill(struct vessel *vessels, size_t count, double cpus, double *targets)
{
    qsort(vessels, count, sizeof *vessels, fills_earlier);
    for (size_t i = count; i-- > 0;)
        vessels[i].weights = vessels[i].weight + (i + 1 < count ? vessels[i + 1].weights : 0);
    for (size_t i = 0; i < count; i++) {
        const struct vessel *v = &vessels[i];
        double part = cpus * (v->weight / v->weights);
        double got = v->demand < part ? v->demand : part;
        targets[v->index] = got;
        cpus = got < cpus ? cpus - got : 0;
    }
    return cpus;
}

static size_t collect(const struct share_user *users, size_t count, bool weighted, struct vessel *vessels)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        double weight = weighted ? users[i].weight : 1;
        if ((users[i].weight > 0) == weighted)
            vessels[n++] =
                (struct vessel){ .weight = weight, .demand = users[i].demand, .full_at = users[i].demand / weight, .index = i };
    }
    return n;
}

void share_targets(const struct share_user *users, size_t count, double cpus, double *targets)
{
    auto_free struct vessel *vessels = mem_zero(count, sizeof *vessels);
    double left = fill(vessels, collect(users, count, true, vessels), cpus, targets);
    fill(vessels, collect(users, count, false, vessels), left, targets);
}

/* One group's users divide what the group got. `members` and `got` have room for all users. */
static void divide(const struct share_user *users, size_t count, size_t group, double cpus, struct share_user *members,
                   double *got, double *targets)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (users[i].group == group)
            members[n++] = users[i];
    share_targets(members, n, cpus, got);
    n = 0;
    for (size_t i = 0; i < count; i++)
        if (users[i].group == group)
            targets[i] = got[n++];
}

void share_group_targets(const struct share_user *users, size_t count, const double *shares, size_t group_count, double cpus,
                         double *targets)
{
    if (group_count == 0) {
        share_targets(users, count, cpus, targets);
        return;
    }
    auto_free struct share_user *groups = mem_zero(group_count, sizeof *groups);
    auto_free struct share_user *members = mem_zero(count, sizeof *members);
    auto_free double *group_targets = mem_zero(group_count, sizeof *group_targets);
    auto_free double *got = mem_zero(count, sizeof *got);
    for (size_t i = 0; i < group_count; i++)
        groups[i].weight = shares[i];
    for (size_t i = 0; i < count; i++)
        groups[users[i].group].demand += users[i].demand;
    share_targets(groups, group_count, cpus, group_targets);
    for (size_t i = 0; i < group_count; i++)
        divide(users, count, i, group_targets[i], members, got, targets);
}

struct rest {
    double score;
    size_t index;
};

static int rounds_up_earlier(const void *a, const void *b)
{
    const struct rest *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void share_round(const double *targets, const int64_t *running, size_t count, int64_t *whole)
{
    auto_free struct rest *rests = mem_zero(count, sizeof *rests);
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        double down = floor(targets[i] + ROUNDING), rest = targets[i] - down;
        whole[i] = (int64_t)down;
        sum += rest;
        if (rest > ROUNDING)
            rests[n++] = (struct rest){ rest + (running[i] > whole[i] ? 0.5 : 0), i };
    }
    qsort(rests, n, sizeof *rests, rounds_up_earlier);
    for (size_t i = 0; i < n && (double)i + 0.5 < sum; i++)
        whole[rests[i].index]++;
}

/* ---- usage ---- */

static double kept(int64_t dt_us, double half_life_s)
{
    return half_life_s > 0 && dt_us > 0 ? exp2(-((double)dt_us / 1e6) / half_life_s) : 1;
}

double usage_decay(double usage, int64_t dt_us, double half_life_s)
{
    return usage * kept(dt_us, half_life_s);
}

/* The integral of cpus * 2^(-t / half-life) over the time. */
double usage_after(double usage, double cpus, int64_t dt_us, double half_life_s)
{
    if (dt_us <= 0)
        return usage;
    double dt_s = (double)dt_us / 1e6;
    if (!(half_life_s > 0))
        return usage + cpus * dt_s;
    return usage_decay(usage, dt_us, half_life_s) - cpus * half_life_s / M_LN2 * expm1(-dt_s / half_life_s * M_LN2);
}

/* Twice: targets go with the inverse of usage, so a user's population goes with the square root of what it is charged less. (If
 * x of its cpus do not count, T * (T - x) is what stays the same; with 2x, T - x is, but for x * x.) */
double usage_charged_cpus(double running, double target, double for_others, bool owed, double overstay)
{
    double above = owed && running > target ? running - target : 0;
    double charged = running - 2 * for_others + overstay * above;
    return charged > 0 ? charged : 0;
}

double share_effective_priority(double usage, double half_life_s, double factor)
{
    double real = half_life_s > 0 ? usage * M_LN2 / half_life_s : usage;
    return (real > SHARE_PRIORITY_FLOOR ? real : SHARE_PRIORITY_FLOOR) * factor;
}

double share_weight(double usage, double half_life_s, double factor)
{
    return 1 / share_effective_priority(usage, half_life_s, factor);
}

/* ---- how far from fair ---- */

double share_distance(const double *running, const double *targets, size_t count, double cpus)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fabs(running[i] - targets[i]);
    return cpus > 0 ? sum / 2 / cpus : 0;
}

double share_deprivation(const double *running, const double *targets, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += targets[i] > running[i] ? targets[i] - running[i] : 0;
    return sum;
}

void share_watch_change(struct share_watch *watch, int64_t now_us)
{
    watch->changed_us = now_us;
    watch->fair_since_us = -1;
}

bool share_watch_note(struct share_watch *watch, int64_t now_us, double distance, int64_t *took_us)
{
    if (watch->changed_us < 0)
        return false;
    if (watch->fair_since_us >= 0 && now_us - watch->fair_since_us >= watch->window_us) {
        *took_us = watch->fair_since_us - watch->changed_us;
        watch->changed_us = -1;
        return true;
    }
    if (!(distance <= watch->epsilon))
        watch->fair_since_us = -1;
    else if (watch->fair_since_us < 0)
        watch->fair_since_us = now_us;
    if (watch->fair_since_us < 0 || now_us - watch->fair_since_us < watch->window_us)
        return false;
    *took_us = watch->fair_since_us - watch->changed_us;
    watch->changed_us = -1;
    return true;
}
