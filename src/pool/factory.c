/*
 * Late materialisation: a cluster whose jobs enter the queue only as others leave it, or leave the idle ones. A submission stores what
 * is to be made; this file makes it. Jobs are made in the order of their numbers, and a job, its first event and the number of the
 * next one are one transaction: whatever a crash leaves, no job is made twice and none is forgotten.
 *
 * In memory there is what the queue says of each factory, and whether something happened to its jobs since it was looked at last.
 * How many of them there are is asked of the queue each time, so nothing has to be counted along.
 *
 * The factory goes when its last job has: then the cluster's end is told. Who removes the cluster makes the next number the last one;
 * who holds it makes no more jobs before it is released.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RETRY_US = 1000000, BATCH = 1000, PAUSED_INVALID = -1, RUNNING = 0, PAUSED_HELD = 1, PAUSED_REMOVED = 3 };

struct factory {
    struct factory *next;
    struct queue_factory f;
    bool dirty; /* there may be something to do */
    int64_t retry_us; /* boot clock: its owner had as many jobs as he may; it is looked at again then. 0 = no */
};

void factory_keep(struct pool *p, const struct queue_factory *f)
{
    struct factory **at = &p->factories;
    while (*at && (*at)->f.cluster < f->cluster)
        at = &(*at)->next;
    struct factory *new = mem_new(struct factory);
    *new = (struct factory){ .next = *at, .f = *f, .dirty = true };
    *at = new;
}

static void keep(void *pool, const struct queue_factory *f)
{
    factory_keep(pool, f);
}

void factory_free_all(struct pool *p)
{
    while (p->factories) {
        struct factory *f = p->factories;
        p->factories = f->next;
        free(f);
    }
}

int factory_load(struct pool *p, struct error *err)
{
    factory_free_all(p);
    return queue_each_factory(p->queue, keep, p, err);
}

void factory_reload(struct pool *p)
{
    struct error err;
    if (factory_load(p, &err) < 0)
        log_error("jobs that are still to be made can not be read: %s", err.text);
}

static struct factory *find(const struct pool *p, int cluster)
{
    struct factory *f = p->factories;
    while (f && f->f.cluster != cluster)
        f = f->next;
    return f;
}

bool factory_is(const struct pool *p, int cluster)
{
    return find(p, cluster) != NULL;
}

bool factory_will_make(const struct pool *p, struct job_id id)
{
    const struct factory *f = find(p, id.cluster);
    return f && id.proc >= f->f.next && id.proc < f->f.total;
}

void factory_note(struct pool *p, int cluster)
{
    struct factory *f = find(p, cluster);
    if (f)
        f->dirty = true;
}

/* Why it makes none is in its owner's words, or says what his jobs are. */
static struct ad *describe(const struct queue_factory *f, bool with_reason)
{
    struct ad *ad = ad_new();
    ad_set_int(ad, "ClusterId", f->cluster);
    ad_set_string(ad, "Owner", f->owner);
    ad_set_int(ad, "QDate", f->submitted_us / CLOCK_SECOND_US);
    ad_set_int(ad, "TotalSubmitProcs", f->total);
    ad_set_int(ad, "JobMaterializeNextProcId", f->next);
    ad_set_int(ad, "ToCome", f->total - f->next);
    if (f->most > 0)
        ad_set_int(ad, "JobMaterializeLimit", f->most);
    if (f->most_idle > 0)
        ad_set_int(ad, "JobMaterializeMaxIdle", f->most_idle);
    ad_set_int(ad, "JobMaterializePaused", f->paused);
    if (f->paused != RUNNING && with_reason)
        ad_set_string(ad, "JobMaterializePauseReason", f->reason);
    return ad;
}

int64_t factory_list(const struct pool *p, const struct factory_query *q, struct ad *answer, const char *list)
{
    int64_t count = 0;
    for (const struct factory *f = p->factories; f; f = f->next) {
        if ((q->cluster != 0 && f->f.cluster != q->cluster) || (q->owner && strcmp(q->owner, f->f.owner) != 0))
            continue;
        ad_append_ad(answer, list, describe(&f->f, pool_may(p, q->uid, f->f.uid)));
        count += f->f.total - f->f.next;
    }
    return count;
}

/* ---- events of the cluster ---- */

static struct queue_job cluster_job(const struct queue_factory *f)
{
    return (struct queue_job){ .id = { .cluster = f->cluster, .proc = JOB_ALL_PROCS }, .uid = f->uid, .submitted_us = f->submitted_us };
}

/* Takes the event over. */
static int tell(struct pool *p, const struct queue_factory *f, struct ad *event, struct error *err)
{
    auto_ad struct ad *full = NULL;
    struct queue_job job = cluster_job(f);
    if (queue_full_ad(p->queue, &job, &full, err) < 0) {
        ad_free(event);
        return -1;
    }
    return event_add(p, &job, full, event, err);
}

int factory_add(struct pool *p, const struct queue_factory *f, const struct ad *cluster, struct error *err)
{
    struct queue_job job = cluster_job(f);
    struct ad *event = event_new("cluster_submitted", f->submitted_us);
    ad_copy_attribute(event, "Notes", cluster, "SubmitEventNotes");
    if (queue_add_factory(p->queue, f, err) < 0) {
        ad_free(event);
        return -1;
    }
    return event_add(p, &job, cluster, event, err);
}

/* ---- making ---- */

/* How many jobs may be made now. A user who has as many as he may is looked at again soon, for it is not this cluster's jobs alone. */
static int room_in(struct pool *p, struct factory *x, const int64_t *counts, int64_t *room, struct error *err)
{
    const struct queue_factory *f = &x->f;
    int64_t most = p->config.max_jobs_per_user, owned, live = 0, not_running = counts[JOB_IDLE] + counts[JOB_HELD];
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        live += counts[s];
    *room = f->total - f->next;
    if (f->most > 0 && f->most - live < *room)
        *room = f->most - live;
    if (f->most_idle > 0 && f->most_idle - not_running < *room)
        *room = f->most_idle - not_running;
    if (*room <= 0 || most == 0 || (p->machine_wide && f->uid == 0))
        return 0;
    if (queue_count_owned(p->queue, f->uid, &owned, err) < 0)
        return -1;
    if (most - owned >= *room)
        return 0;
    *room = most - owned;
    x->retry_us = clock_boot_us() + RETRY_US;
    pool_wake(p, x->retry_us);
    return 0;
}

static int make_one(struct submitter *by, int proc, struct queue_job *job, struct error *err)
{
    auto_ad struct ad *difference = NULL;
    struct job_id id = { .cluster = by->number, .proc = proc };
    if (queue_take_item(by->pool->queue, id, &difference, err) < 0)
        return -1;
    return submit_add_job(by, proc, difference, job, err);
}

struct made {
    struct queue_job *jobs;
    size_t count;
};

static void release_made(struct made *made)
{
    for (size_t i = 0; i < made->count; i++)
        queue_job_release(&made->jobs[i]);
    free(made->jobs);
}

static int make_all(struct pool *p, struct queue_factory *f, int64_t count, struct made *made, struct error *err)
{
    auto_ad struct ad *cluster = NULL;
    struct queue_job whole = cluster_job(f);
    if (queue_full_ad(p->queue, &whole, &cluster, err) < 0)
        return -1;
    struct submitter by = { .pool = p, .cluster = cluster, .owner = f->owner, .uid = f->uid, .number = f->cluster,
                            .submitted_us = f->submitted_us, .now_us = clock_wall_us() };
    for (int64_t i = 0; i < count; i++) {
        if (fault_point("factory.make") < 0)
            return error_sys(err, "cannot make a job");
        if (make_one(&by, (int)(f->next + i), &made->jobs[made->count], err) < 0)
            return error_wrap(err, "job %d.%" PRId64, f->cluster, f->next + i);
        made->count++;
    }
    f->next += count;
    return queue_put_factory(p->queue, f, err);
}

/* A job that can not be made for what it says stops the factory, as HTCondor's does; what fails for other reasons is tried again. */
static int pause_invalid(struct pool *p, struct factory *x, const struct error *why, struct error *err)
{
    struct queue_factory f = x->f;
    struct ad *event = event_new("factory_paused", clock_wall_us());
    f.paused = PAUSED_INVALID;
    snprintf(f.reason, sizeof f.reason, "%.250s", why->text);
    ad_set_string(event, "Reason", f.reason);
    ad_set_int(event, "PauseCode", f.paused);
    if (queue_begin(p->queue, err) < 0) {
        ad_free(event);
        return -1;
    }
    if (queue_put_factory(p->queue, &f, err) < 0) {
        ad_free(event);
        event_rollback(p);
        return -1;
    }
    if (tell(p, &f, event, err) < 0) {
        event_rollback(p);
        return -1;
    }
    if (event_commit(p, err) < 0)
        return -1;
    x->f = f;
    return 0;
}

static int make(struct pool *p, struct factory *x, int64_t count, struct error *err)
{
    struct queue_factory f = x->f;
    __attribute__((cleanup(release_made))) struct made made = { .jobs = mem_zero((size_t)count, sizeof *made.jobs) };
    if (queue_begin(p->queue, err) < 0)
        return -1;
    if (make_all(p, &f, count, &made, err) < 0) {
        struct error why = *err;
        event_rollback(p);
        return why.kind == ERR_INVALID || why.kind == ERR_DENIED ? pause_invalid(p, x, &why, err) : -1;
    }
    if (event_commit(p, err) < 0)
        return -1;
    fault_point("factory.made");
    x->f = f;
    schedule_begin_many(p);
    for (size_t i = 0; i < made.count; i++)
        if (made.jobs[i].state == JOB_IDLE)
            schedule_add(p, &made.jobs[i]);
    schedule_end_many(p);
    return 0;
}

/* ---- the end ---- */

static int end(struct pool *p, struct factory *x, struct error *err)
{
    struct ad *event = event_new("cluster_removed", clock_wall_us());
    ad_set_int(event, "Jobs", x->f.next);
    ad_set_int(event, "Items", x->f.total);
    ad_set_string(event, "Completion", x->f.paused == PAUSED_REMOVED ? "Incomplete" : "Complete");
    if (x->f.reason[0])
        ad_set_string(event, "Notes", x->f.reason);
    if (queue_begin(p->queue, err) < 0) {
        ad_free(event);
        return -1;
    }
    if (tell(p, &x->f, event, err) < 0 || queue_drop_factory(p->queue, x->f.cluster, err) < 0) {
        event_rollback(p);
        return -1;
    }
    return event_commit(p, err);
}

static void forget(struct pool *p, int cluster)
{
    struct factory **at = &p->factories;
    while (*at && (*at)->f.cluster != cluster)
        at = &(*at)->next;
    struct factory *f = *at;
    if (!f)
        return;
    *at = f->next;
    free(f);
}

/* *ended: nothing is left of it. */
static int look_after(struct pool *p, struct factory *x, bool *ended, struct error *err)
{
    int64_t counts[JOB_STATE_COUNT], live = 0, room;
    if (queue_count_cluster(p->queue, x->f.cluster, counts, err) < 0)
        return -1;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        live += counts[s];
    *ended = live == 0 && x->f.next >= x->f.total;
    if (*ended)
        return end(p, x, err);
    x->dirty = false;
    x->retry_us = 0;
    if (x->f.paused != RUNNING)
        return 0;
    if (room_in(p, x, counts, &room, err) < 0)
        return -1;
    if (room <= 0)
        return 0;
    if (room > BATCH) {
        x->dirty = true;
        pool_wake(p, clock_boot_us());
    }
    return make(p, x, room > BATCH ? BATCH : room, err);
}

/* Whoever waits for his other jobs to go is asked again at the time, not whenever something happens. */
static bool is_due(struct pool *p, const struct factory *f)
{
    if (f->retry_us == 0)
        return f->dirty;
    if (clock_boot_us() >= f->retry_us)
        return true;
    pool_wake(p, f->retry_us);
    return false;
}

void factory_round(struct pool *p)
{
    for (struct factory *f = p->factories, *next; f; f = next) {
        struct error err = { 0 };
        bool ended = false;
        next = f->next;
        if (p->stopping || !is_due(p, f))
            continue;
        int cluster = f->f.cluster;
        if (look_after(p, f, &ended, &err) < 0) {
            log_error("cluster %d: cannot make its jobs, trying again: %s", cluster, err.text);
            f->dirty = true;
            pool_retry(p);
        } else if (ended) {
            forget(p, cluster);
        }
    }
}

/* ---- what people ask for ---- */

static int change(struct pool *p, struct factory *x, struct queue_factory f, struct ad *event, struct error *err)
{
    if (queue_put_factory(p->queue, &f, err) < 0) {
        ad_free(event);
        return -1;
    }
    if (event && tell(p, &f, event, err) < 0)
        return -1;
    x->f = f; /* a rollback is followed by factory_reload */
    x->dirty = true;
    return 0;
}

static int hold(struct pool *p, struct factory *x, const char *reason, const char **message, struct error *err)
{
    struct queue_factory f = x->f;
    struct ad *event = event_new("factory_paused", clock_wall_us());
    f.paused = PAUSED_HELD;
    snprintf(f.reason, sizeof f.reason, "%s", reason);
    ad_set_string(event, "Reason", reason);
    ad_set_int(event, "PauseCode", PAUSED_HELD);
    ad_set_int(event, "HoldCode", 1);
    *message = "makes no more jobs until it is released";
    return change(p, x, f, event, err);
}

static int release(struct pool *p, struct factory *x, const char *reason, const char **message, struct error *err)
{
    struct queue_factory f = x->f;
    struct ad *event = event_new("factory_resumed", clock_wall_us());
    f.paused = RUNNING;
    f.reason[0] = '\0';
    ad_set_string(event, "Reason", reason);
    *message = "makes jobs again";
    return change(p, x, f, event, err);
}

static int stop(struct pool *p, struct factory *x, const char *reason, const char **message, struct error *err)
{
    struct queue_factory f = x->f;
    struct job_id from = { .cluster = f.cluster, .proc = (int)f.next };
    if (queue_drop_items(p->queue, from, err) < 0)
        return -1;
    f.paused = PAUSED_REMOVED;
    f.total = f.next;
    snprintf(f.reason, sizeof f.reason, "%s", reason);
    *message = "makes no more jobs";
    return change(p, x, f, NULL, err);
}

int factory_act(struct pool *p, int cluster, const struct factory_order *order, const char **message, struct error *err)
{
    struct factory *x = find(p, cluster);
    if (!x || x->f.next >= x->f.total || !pool_may(p, order->uid, x->f.uid))
        return QUEUE_ABSENT;
    if (strcmp(order->action, "remove") == 0)
        return stop(p, x, order->reason, message, err);
    if (strcmp(order->action, "hold") == 0 && x->f.paused == RUNNING)
        return hold(p, x, order->reason, message, err);
    if (strcmp(order->action, "release") == 0 && x->f.paused != RUNNING)
        return release(p, x, order->reason, message, err);
    return QUEUE_ABSENT;
}

static bool matches(struct pool *p, const struct factory *x, const struct factory_order *order)
{
    auto_ad struct ad *ad = NULL;
    struct error ignored;
    struct queue_job job = cluster_job(&x->f);
    if (queue_full_ad(p->queue, &job, &ad, &ignored) < 0)
        return false;
    auto_ad struct ad *more = describe(&x->f, true);
    ad_update(ad, more);
    struct ad_scope scope = { .my = ad, .now = clock_wall_us() / CLOCK_SECOND_US };
    return patience_true(order->patience, order->constraint, &scope);
}

int factory_act_all(struct pool *p, const struct factory_order *order, int *count, struct error *err)
{
    const char *message;
    *count = 0;
    for (struct factory *x = p->factories; x; x = x->next) {
        if (!pool_may(p, order->uid, x->f.uid) || !matches(p, x, order))
            continue;
        int result = factory_act(p, x->f.cluster, order, &message, err);
        if (result < 0)
            return -1;
        *count += result == 0;
    }
    return patience_check(order->patience, err);
}
