#include "sim/workload.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *workload_kind_name(enum workload_kind kind)
{
    static const char *const names[WORKLOAD_KINDS] = { "transparent", "self", "none" };
    return names[kind];
}

void workload_release(struct workload *w)
{
    free(w->jobs);
    free(w->users);
    *w = (struct workload){ 0 };
}

struct workload_job *workload_add_job(struct workload *w)
{
    w->jobs = mem_grow(w->jobs, &w->job_capacity, w->count + 1, sizeof *w->jobs);
    struct workload_job *job = &w->jobs[w->count++];
    *job = (struct workload_job){ .cpus = 1, .kind = WORKLOAD_KINDS };
    return job;
}

struct workload_user *workload_add_user(struct workload *w, const char *name)
{
    w->users = mem_grow(w->users, &w->user_capacity, w->user_count + 1, sizeof *w->users);
    struct workload_user *user = &w->users[w->user_count++];
    *user = (struct workload_user){ .factor = 1, .kind = -1 };
    snprintf(user->name, sizeof user->name, "%s", name);
    return user;
}

static int by_submission(const void *a, const void *b)
{
    const struct workload_job *x = a, *y = b;
    if (x->submit_us != y->submit_us)
        return x->submit_us < y->submit_us ? -1 : 1;
    return (x > y) - (x < y);
}

/* Most sources are sorted already; what is not is sorted by merging, which keeps ties in order. */
static void merge_sort(struct workload_job *jobs, struct workload_job *room, size_t count)
{
    size_t half = count / 2, a = 0, b = half;
    if (count < 2)
        return;
    merge_sort(jobs, room, half);
    merge_sort(jobs + half, room, count - half);
    for (size_t i = 0; i < count; i++) {
        bool first = b == count || (a < half && by_submission(&jobs[a], &jobs[b]) <= 0);
        room[i] = jobs[first ? a++ : b++];
    }
    memcpy(jobs, room, count * sizeof *jobs);
}

void workload_sort(struct workload *w)
{
    bool sorted = true;
    for (size_t i = 1; i < w->count && sorted; i++)
        sorted = w->jobs[i - 1].submit_us <= w->jobs[i].submit_us;
    if (!sorted) {
        auto_free struct workload_job *room = mem_zero(w->count, sizeof *room);
        merge_sort(w->jobs, room, w->count);
    }
    for (size_t i = w->count; i-- > 0;)
        w->jobs[i].submit_us -= w->jobs[0].submit_us;
}

void workload_scale(struct workload *w, double load, int64_t cpus)
{
    double work = 0;
    for (size_t i = 0; i < w->count; i++)
        work += (double)w->jobs[i].work_us * w->jobs[i].cpus;
    double span = w->count ? (double)w->jobs[w->count - 1].submit_us : 0;
    if (span <= 0 || work <= 0)
        return;
    double stretch = work / ((double)cpus * load) / span;
    for (size_t i = 0; i < w->count; i++)
        w->jobs[i].submit_us = (int64_t)llround((double)w->jobs[i].submit_us * stretch);
}

/* ---- what jobs cost to checkpoint ---- */

struct workload_costs workload_costs_default(void)
{
    return (struct workload_costs){ .shares = { 0.4, 0.3, 0.3 }, .success = 0.95, .copy_mb_s = 1000, .freeze_s = 0.05 };
}

static int draw_kind(struct random *r, const struct workload_costs *costs)
{
    double u = random_unit(r);
    for (int k = 0; k < WORKLOAD_KINDS - 1; k++)
        if ((u -= costs->shares[k]) < 0)
            return k;
    return WORKLOAD_KINDS - 1;
}

static void draw_user(struct random *r, struct workload_user *user)
{
    user->dirty_mb_s = random_log_normal(r, 5, 1);
    user->ratio = random_between(r, 0.15, 0.9);
}

/* A program that checkpoints itself writes what it needs, a part of its memory; one that is captured, all that it has. */
static void draw_job(struct random *r, struct workload_job *job, const struct workload_user *user,
                     const struct workload_costs *costs)
{
    double most_mb = costs->most_mb_a_cpu > 0 ? costs->most_mb_a_cpu : 16384;
    if (job->memory_mb == 0)
        job->memory_mb = (uint32_t)fmin(random_log_normal(r, 2048, 0.8), most_mb) * job->cpus;
    if (job->kind >= WORKLOAD_KINDS)
        job->kind = (uint8_t)(user->kind >= 0 ? user->kind : draw_kind(r, costs));
    job->success_percent = (uint8_t)lround(costs->success * 100);
    double memory_mb = job->memory_mb, part = 1;
    if (job->kind == WORKLOAD_SELF) {
        part = random_between(r, 0.05, 0.4);
        job->period_s = (uint32_t)fmin(random_log_normal(r, 1200, 0.5), 7200);
    }
    if (job->kind == WORKLOAD_NONE)
        return;
    if (job->state_kb == 0)
        job->state_kb = (uint32_t)fmin(1024 * memory_mb * part * user->ratio + 1, 4e9);
    if (job->pause_ms == 0)
        job->pause_ms = (uint32_t)fmin(1000 * (costs->freeze_s + memory_mb * part / costs->copy_mb_s) + 1, 4e9);
}

void workload_draw_costs(struct workload *w, const struct workload_costs *costs, uint64_t seed)
{
    struct random users, jobs;
    random_init(&users, seed, 11);
    random_init(&jobs, seed, 12);
    for (size_t u = 0; u < w->user_count; u++)
        draw_user(&users, &w->users[u]);
    for (size_t i = 0; i < w->count; i++)
        draw_job(&jobs, &w->jobs[i], &w->users[w->jobs[i].user], costs);
}
