/* What the pool's owner changes about a user: POST /v1/users. */
#include "base/clock.h"
#include "base/mem.h"
#include "pool/request.h"

#include <math.h>
#include <string.h>

struct search {
    const char *owner; /* NULL = every user */
    const struct ad *set;
    struct request *rq;
    struct error *err;
    struct queue_usage *found;
    size_t count, capacity;
    size_t users; /* of them; behind them accounting groups */
};

static void find(void *data, const struct queue_usage *usage)
{
    struct search *s = data;
    if (s->owner && strcmp(s->owner, usage->owner) != 0)
        return;
    s->found = mem_grow(s->found, &s->capacity, s->count + 1, sizeof *s->found);
    s->found[s->count++] = *usage;
}

static int check(const struct ad *set, struct error *err)
{
    double factor = ad_real(set, "Factor", 1), decayed = ad_real(set, "DecayedCpuS", 0);
    if (!ad_has(set, "Factor") && !ad_has(set, "DecayedCpuS") && !ad_has(set, "TotalCpuUs"))
        return error_set(err, ERR_INVALID, "nothing to change: give Factor, DecayedCpuS or TotalCpuUs");
    if (!isfinite(factor) || factor < 1 || (ad_has(set, "Factor") && ad_real(set, "Factor", -1) < 0))
        return error_set(err, ERR_INVALID, "a factor is a number that is 1 or larger");
    if (!isfinite(decayed) || decayed < 0 || (ad_has(set, "DecayedCpuS") && ad_real(set, "DecayedCpuS", -1) < 0))
        return error_set(err, ERR_INVALID, "a usage is a number that is 0 or larger");
    if (ad_int(set, "TotalCpuUs", 0) < 0 || (ad_has(set, "TotalCpuUs") && ad_int(set, "TotalCpuUs", -1) < 0))
        return error_set(err, ERR_INVALID, "an accumulated usage is a whole number of microseconds");
    return 0;
}

static int change(struct search *s, struct queue_usage *usage)
{
    usage->factor = ad_real(s->set, "Factor", usage->factor);
    usage->total_cpu_us = ad_int(s->set, "TotalCpuUs", usage->total_cpu_us);
    if (ad_has(s->set, "DecayedCpuS")) {
        usage->decayed_cpu_s = ad_real(s->set, "DecayedCpuS", 0);
        usage->updated_us = clock_wall_us();
    }
    struct queue *queue = s->rq->pool->queue;
    return usage < s->found + s->users ? queue_put_usage(queue, usage, s->err) : queue_put_account(queue, usage, s->err);
}

static int change_all(struct search *s, struct error *err)
{
    struct queue *queue = s->rq->pool->queue;
    if (queue_begin(queue, err) < 0)
        return -1;
    for (size_t i = 0; i < s->count; i++)
        if (change(s, &s->found[i]) < 0) {
            queue_rollback(queue);
            return -1;
        }
    return queue_commit(queue, err);
}

static int find_and_change(struct search *s, struct error *err)
{
    struct queue *queue = s->rq->pool->queue;
    if (check(s->set, err) < 0 || queue_each_usage(queue, find, s, err) < 0)
        return -1;
    s->users = s->count;
    if (queue_each_account(queue, find, s, err) < 0)
        return -1;
    if (s->owner && s->count == 0)
        return error_set(err, ERR_INVALID, "nobody called '%s' has used this pool", s->owner);
    return change_all(s, err);
}

int users_change(struct request *rq, struct ad *answer, struct error *err)
{
    struct search s = { .owner = ad_string(rq->input, "Owner", NULL), .set = rq->input, .rq = rq, .err = err };
    if (!request_is_master(rq))
        return error_set(err, ERR_DENIED, "only '%s' may change what users get of this pool", rq->pool->owner.name);
    int result = find_and_change(&s, err);
    free(s.found);
    if (result == 0)
        ad_set_int(answer, "Changed", (int64_t)s.count);
    return result;
}
