/*
 * The mix that a high-throughput pool sees: jobs of one cpu with log-normal run times (over all users: median 2 h, one in ten
 * over 12 h), from users who submit hundreds to thousands at a time. A user's jobs are alike: the spread of the logarithm is
 * split between users and jobs of one user. How often a user comes differs as much as in logs (Zipf).
 */
#include "sim/workload.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>

#define MEDIAN_S 7200.0
/* 1.2816 is the normal distribution's 90 % point: ln(12 h / 2 h) / 1.2816. */
#define SIGMA 1.398
#define SIGMA_USERS 1.0
#define BURST_MEDIAN 500.0
#define BURST_SIGMA 0.8

static void add_users(struct workload *w, struct random *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[WORKLOAD_USER_NAME_MAX];
        snprintf(name, sizeof name, "user%zu", i + 1);
        workload_add_user(w, name)->median_s = random_log_normal(r, MEDIAN_S, SIGMA_USERS);
    }
}

static uint32_t draw_user(struct random *r, const double *chances, size_t count)
{
    double u = random_unit(r) * chances[count - 1];
    size_t low = 0, high = count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (chances[middle] <= u)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static uint32_t draw_memory_mb(struct random *r)
{
    return (uint32_t)fmin(fmax(random_log_normal(r, 2048, 0.8), 512), 16384);
}

static void add_job(struct workload *w, struct random *r, uint32_t user, uint32_t memory_mb, double at_s)
{
    struct workload_job *job = workload_add_job(w);
    double run_s = random_log_normal(r, w->users[user].median_s, sqrt(SIGMA * SIGMA - SIGMA_USERS * SIGMA_USERS));
    job->submit_us = (int64_t)llround(1e6 * at_s);
    job->work_us = 1000000 + (int64_t)llround(1e6 * fmin(run_s, 14 * 86400.0));
    job->user = user;
    job->memory_mb = memory_mb;
}

/* The bursts come at random; workload_scale then spreads them to the load. No burst has more than a twentieth of all jobs, so
 * that small workloads have several users, too. */
void workload_high_throughput(struct workload *w, const struct workload_model *model)
{
    struct random r, people;
    double at_s = 0, *chances;
    random_init(&r, model->seed, 3);
    random_init(&people, model->seed, 4);
    add_users(w, &people, model->users);
    chances = mem_zero(model->users, sizeof *chances);
    for (size_t i = 0; i < model->users; i++)
        chances[i] = (i ? chances[i - 1] : 0) + 1 / sqrt((double)(i + 1));
    while (w->count < model->jobs) {
        double size = fmin(random_log_normal(&r, BURST_MEDIAN, BURST_SIGMA), fmax(1, (double)model->jobs / 20));
        uint32_t user = draw_user(&r, chances, model->users), memory_mb = draw_memory_mb(&r);
        at_s += random_exponential(&r, 3600);
        for (double i = 0; i < size && w->count < model->jobs; i++)
            add_job(w, &r, user, memory_mb, at_s);
    }
    free(chances);
    workload_sort(w);
    workload_scale(w, model->load, model->cpus);
}
