#include "sim/fair.h"

#include "base/mem.h"

#include <math.h>

#define ROUNDING 1e-9

void fair_init(struct fair *f, const struct fair_setup *setup, size_t users)
{
    *f = (struct fair){ .setup = *setup, .count = users, .everything = true, .below_us = -1 };
    f->users = mem_zero(users, sizeof *f->users);
    f->shares = mem_zero(users, sizeof *f->shares);
    f->targets = mem_zero(users, sizeof *f->targets);
    for (size_t u = 0; u < users; u++)
        fair_set_user(f, (uint32_t)u, 1, 0);
}

void fair_release(struct fair *f)
{
    free(f->users);
    free(f->shares);
    free(f->targets);
    free(f->episodes_s);
    *f = (struct fair){ 0 };
}

void fair_set_user(struct fair *f, uint32_t user, double factor, size_t group)
{
    f->users[user].factor = factor;
    f->shares[user].group = group;
    f->shares[user].weight = share_weight(f->users[user].usage, f->setup.half_life_s, factor);
}

void fair_set_cpus(struct fair *f, double cpus)
{
    f->setup.cpus = cpus;
    f->everything = (double)f->wanted <= cpus;
    f->stale = true;
}

double fair_distance(const struct fair *f)
{
    return f->setup.cpus > 0 ? (f->missing + f->excess) / 2 / f->setup.cpus : 0;
}

/* ---- the sums over the users, changed one user at a time ---- */

static void take_out(struct fair *f, struct fair_user *u)
{
    double gap = u->target - (double)u->running, dt_s = (double)(f->now_us - u->since_us) / 1e6;
    u->held_s += (double)u->running * dt_s;
    u->since_us = f->now_us;
    if (gap > 0) {
        u->deprived_s += gap * dt_s;
        f->missing -= gap;
    } else {
        f->excess += gap;
    }
}

static void put_in(struct fair *f, const struct fair_user *u)
{
    double gap = u->target - (double)u->running;
    if (gap > 0)
        f->missing += gap;
    else
        f->excess -= gap;
}

void fair_change(struct fair *f, uint32_t user, int64_t running, int64_t wanted)
{
    struct fair_user *u = &f->users[user];
    bool capped = (double)u->wanted <= u->target + ROUNDING;
    take_out(f, u);
    u->running += running;
    u->wanted += wanted;
    f->wanted += wanted;
    if (wanted != 0) {
        bool everything = (double)f->wanted <= f->setup.cpus;
        if (everything && f->everything && !f->stale)
            u->target = (double)u->wanted;
        else if (everything != f->everything || capped || (double)u->wanted < u->target + ROUNDING)
            f->stale = true;
        f->everything = everything;
    }
    put_in(f, u);
}

void fair_settle(struct fair *f)
{
    if (!f->stale)
        return;
    f->stale = false;
    for (size_t u = 0; u < f->count; u++)
        f->shares[u].demand = (double)f->users[u].wanted;
    share_group_targets(f->shares, f->count, f->setup.group_shares, f->setup.groups, f->setup.cpus, f->targets);
    for (size_t u = 0; u < f->count; u++)
        take_out(f, &f->users[u]);
    f->missing = f->excess = 0; /* what rounding left */
    for (size_t u = 0; u < f->count; u++) {
        f->users[u].target = f->targets[u];
        put_in(f, &f->users[u]);
    }
}

/* ---- time ---- */

static void close_episode(struct fair *f, int64_t at_us)
{
    f->episodes_s = mem_grow(f->episodes_s, &f->episode_capacity, f->episode_count + 1, sizeof *f->episodes_s);
    f->episodes_s[f->episode_count++] = (double)(at_us - f->opened_us) / 1e6;
    f->open = false;
}

/* The distance was the same since f->now_us, and will be until then. */
static void watch(struct fair *f, double distance, int64_t then_us)
{
    if (distance > f->setup.epsilon) {
        if (!f->open)
            f->opened_us = f->now_us;
        f->open = true;
        f->below_us = -1;
    } else if (f->open) {
        if (f->below_us < 0)
            f->below_us = f->now_us;
        if (then_us - f->below_us >= f->setup.window_us)
            close_episode(f, f->below_us);
    }
}

void fair_advance(struct fair *f, int64_t now_us)
{
    if (now_us <= f->now_us)
        return;
    fair_settle(f);
    double dt_s = (double)(now_us - f->now_us) / 1e6, distance = fair_distance(f);
    f->deprivation_s += f->missing * dt_s;
    f->distance_s += distance * dt_s;
    watch(f, distance, now_us);
    f->now_us = now_us;
}

void fair_finish(struct fair *f)
{
    if (f->open)
        close_episode(f, f->below_us < 0 ? f->now_us : f->below_us);
}

double fair_deprived_s(const struct fair *f, uint32_t user)
{
    const struct fair_user *u = &f->users[user];
    return u->deprived_s + fmax(0, u->target - (double)u->running) * (double)(f->now_us - u->since_us) / 1e6;
}

/* ---- usage ---- */

void fair_excuse(struct fair *f, uint32_t user, double cpu_s)
{
    f->users[user].excused_s += cpu_s;
}

/* What was lost reaches further back than the last look: what is excused and not used up yet stays for the next. */
static void charge(struct fair *f, struct fair_user *u, int64_t dt_us, bool owed)
{
    double dt_s = (double)dt_us / 1e6, excused = fmin(u->excused_s, u->held_s);
    double cpus = usage_charged_cpus(u->held_s / dt_s, u->target, excused / dt_s, owed, f->setup.overstay);
    u->usage = usage_after(u->usage, cpus, dt_us, f->setup.half_life_s);
    u->excused_s -= excused;
    u->held_s = 0;
}

void fair_weigh(struct fair *f)
{
    int64_t dt_us = f->now_us - f->weighed_us;
    fair_settle(f);
    bool owed = f->missing > ROUNDING;
    if (dt_us <= 0)
        return;
    for (size_t i = 0; i < f->count; i++) {
        struct fair_user *u = &f->users[i];
        take_out(f, u);
        put_in(f, u);
        charge(f, u, dt_us, owed);
        f->shares[i].weight = share_weight(u->usage, f->setup.half_life_s, u->factor);
    }
    f->weighed_us = f->now_us;
    f->stale = !f->everything;
}

double fair_weight(const struct fair *f, uint32_t user)
{
    return f->shares[user].weight;
}
