/*
 * The model of Lublin and Feitelson, "The workload on parallel supercomputers: modeling the characteristics of rigid jobs",
 * Journal of Parallel and Distributed Computing 63 (2003): sizes from a two-stage uniform distribution of their logarithm, run
 * times from a hyper-gamma distribution of theirs with a mixture that depends on the size, arrivals from a gamma distribution
 * of the logarithm of the time between them, paid for from a daily cycle.
 */
#include "sim/workload.h"

#include <math.h>
#include <stdio.h>

enum { BUCKETS = 48, DAY_STARTS_AT = 11 };
#define BUCKET_S (86400.0 / BUCKETS)
#define LONGEST_LOG 12 /* of a run time in seconds */
#define MOST_POINTS_LOG 13

struct stream {
    double serial, power_of_two;
    double low, medium, high, first_stage;
    double a1, b1, a2, b2, pa, pb;
    double arrival_a, arrival_b, arrival_scale;
    double day_a, day_b;
};

static const struct stream streams[LUBLIN_STREAMS] = {
    [LUBLIN_ONE] = { .244, .576, .8, 4.5, 7, .86, 4.2, .94, 312, .03, -.0054, .78, 10.2303, .4871, 1.0225, 8.1737, 3.9631 },
    [LUBLIN_BATCH] = { .2927, .6686, 1.2, 5, 7, .875, 6.57, .823, 639.1, .0156, -.003, .6986, 6.0415, .8531, 1.0519, 6.1271,
                       5.2740 },
    [LUBLIN_INTERACTIVE] = { .1541, .625, 1, 3, 5.5, .705, 3.8351, .6605, 7.073, .6856, -.0118, .9156, 6.5510, .6621, .9797,
                             8.9186, 3.6680 },
};

struct source {
    const struct stream *stream;
    double buckets[BUCKETS]; /* points of each half hour, on average its length in seconds */
    double left;             /* of the present one */
    int64_t bucket;          /* counted from the first day's midnight */
    double next_s;
    bool last_serial;
};

static uint32_t draw_size(struct random *r, const struct stream *s, double largest_log)
{
    double u = random_unit(r), high = fmin(s->high, largest_log), medium = fmin(s->medium, high);
    if (u <= s->serial)
        return 1;
    double log_size =
        random_unit(r) <= s->first_stage ? random_between(r, fmin(s->low, medium), medium) : random_between(r, medium, high);
    if (u <= s->serial + s->power_of_two)
        log_size = floor(log_size + 0.5);
    return (uint32_t)(pow(2, fmin(log_size, largest_log)) + 0.5);
}

static double draw_run_s(struct random *r, const struct stream *s, uint32_t nodes)
{
    double p = fmax(0, fmin(1, s->pa * nodes + s->pb)), log_s;
    do
        log_s = random_unit(r) <= p ? random_gamma(r, s->a1, s->b1) : random_gamma(r, s->a2, s->b2);
    while (log_s > LONGEST_LOG);
    return exp(log_s);
}

/* The gamma's argument counts half hours, and begins at the day's quietest. */
static void source_init(struct source *s, const struct stream *stream)
{
    double sum = 0;
    *s = (struct source){ .stream = stream };
    for (int i = DAY_STARTS_AT; i < DAY_STARTS_AT + BUCKETS; i++) {
        double points =
            random_gamma_cdf(i + 0.5, stream->day_a, stream->day_b) - random_gamma_cdf(i - 0.5, stream->day_a, stream->day_b);
        s->buckets[i % BUCKETS] = points;
        sum += points;
    }
    for (int i = 0; i < BUCKETS; i++)
        s->buckets[i] *= BUCKETS * BUCKET_S / sum;
    s->left = s->buckets[0];
}

static void draw_arrival(struct random *r, struct source *s)
{
    double log_points;
    do
        log_points = random_gamma(r, s->stream->arrival_a * s->stream->arrival_scale, s->stream->arrival_b);
    while (log_points > MOST_POINTS_LOG);
    double points = exp(log_points);
    while (points > s->left) {
        points -= s->left;
        s->bucket++;
        s->left = s->buckets[s->bucket % BUCKETS];
    }
    s->left -= points;
    s->next_s = BUCKET_S * ((double)s->bucket + 1 - s->left / s->buckets[s->bucket % BUCKETS]);
}

/* Users are not part of the model: as in logs, a few have most of the jobs (Zipf), and come in sessions. */
struct people {
    size_t count;
    uint32_t user;
    size_t left; /* jobs of the session */
};

static uint32_t draw_user(struct random *r, struct people *p)
{
    if (p->left > 0) {
        p->left--;
        return p->user;
    }
    double sum = 0, u;
    for (size_t i = 0; i < p->count; i++)
        sum += 1 / (double)(i + 1);
    u = random_unit(r) * sum;
    for (p->user = 0; p->user + 1 < p->count && (u -= 1 / (double)(p->user + 1)) > 0;)
        p->user++;
    p->left = (size_t)random_exponential(r, 8);
    return p->user;
}

static void add_users(struct workload *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[WORKLOAD_USER_NAME_MAX];
        snprintf(name, sizeof name, "user%zu", i + 1);
        workload_add_user(w, name);
    }
}

void workload_lublin(struct workload *w, const struct workload_model *model)
{
    struct random r, users;
    struct source sources[2];
    struct people people = { .count = model->users };
    int count = model->two_streams ? 2 : 1;
    random_init(&r, model->seed, 1);
    random_init(&users, model->seed, 2);
    add_users(w, model->users);
    for (int i = 0; i < count; i++) {
        source_init(&sources[i], &streams[model->two_streams ? LUBLIN_BATCH + i : LUBLIN_ONE]);
        draw_arrival(&r, &sources[i]);
    }
    for (size_t i = 0; i < model->jobs; i++) {
        struct source *s = &sources[count == 2 && sources[1].next_s < sources[0].next_s];
        struct workload_job *job = workload_add_job(w);
        job->cpus = draw_size(&r, s->stream, log2((double)model->node_cpus));
        job->work_us = 1 + (int64_t)llround(1e6 * draw_run_s(&r, s->stream, job->cpus));
        job->submit_us = (int64_t)llround(1e6 * s->next_s);
        job->user = draw_user(&users, &people);
        draw_arrival(&r, s);
    }
    workload_sort(w);
    workload_scale(w, model->load, model->cpus);
}
