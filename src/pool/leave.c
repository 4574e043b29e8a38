/*
 * leave_in_queue: a job that is finished stays in the queue, in its final state, as long as its LeaveJobInQueue is true. It is asked when
 * the job ends, and again at intervals; then the job goes to the history as others do at once. Its files and checkpoints stay as
 * long as it does.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <string.h>

/* There may be a hundred thousand: a pass over them is cut into slices, together a tenth of a core. */
enum { SLICE_US = 20000, SOON_US = 200000 };

static const char attribute[] = "LeaveJobInQueue";

bool leave_stays(struct pool *p, const struct queue_job *job)
{
    auto_ad struct ad *full = NULL, *ad = NULL;
    struct error ignored;
    struct value value;
    if (queue_full_ad(p->queue, job, &full, &ignored) < 0 || !ad_has(full, attribute) || report_job(p, job, &ad, &ignored) < 0)
        return false;
    struct ad_scope scope = { .my = ad, .now = clock_wall_us() / CLOCK_SECOND_US };
    ad_eval(&scope, attribute, &value);
    bool stays = (value.kind == VALUE_BOOL && value.boolean) || (value.kind == VALUE_INT && value.integer != 0) ||
                 (value.kind == VALUE_REAL && value.real != 0);
    value_release(&value);
    return stays;
}

void leave_watch(struct pool *p)
{
    int64_t at = clock_boot_us() + p->config.leave_interval_us;
    p->leave_some = true;
    p->leave_at_us = at < p->leave_at_us ? at : p->leave_at_us;
    pool_wake(p, p->leave_at_us);
}

struct leavers {
    struct pool *pool;
    struct job_id *ids;
    size_t count, capacity;
    int64_t stop_us; /* boot clock */
    bool stopped;
};

static bool ask(void *data, const struct queue_job *job)
{
    struct leavers *l = data;
    l->pool->leave_last = job->id;
    if (leave_stays(l->pool, job)) {
        l->pool->leave_some = true;
    } else {
        l->ids = mem_grow(l->ids, &l->capacity, l->count + 1, sizeof *l->ids);
        l->ids[l->count++] = job->id;
    }
    l->stopped = clock_boot_us() >= l->stop_us;
    return !l->stopped;
}

static int finish_all(struct pool *p, const struct leavers *l, struct error *err)
{
    if (l->count == 0)
        return 0;
    if (queue_begin(p->queue, err) < 0)
        return -1;
    for (size_t i = 0; i < l->count; i++) {
        if (queue_finish_job(p->queue, l->ids[i], clock_wall_us(), err) < 0) {
            queue_rollback(p->queue);
            return -1;
        }
    }
    return queue_commit(p->queue, err);
}

static int let_go(struct pool *p, const struct leavers *l, struct error *err)
{
    int result = finish_all(p, l, err);
    if (l->count > 0)
        fault_point("pool.left");
    for (size_t i = 0; i < l->count && result == 0; i++) {
        move_clean(p, l->ids[i]);
        factory_note(p, l->ids[i].cluster);
    }
    return result;
}

static void begin_pass(struct pool *p)
{
    p->leave_step = 0;
    p->leave_last = (struct job_id){ 0, 0 };
}

/* Goes on where the last slice stopped. */
static int look_on(struct leavers *l, struct error *err)
{
    static const enum job_state finals[] = { JOB_COMPLETED, JOB_REMOVED };
    struct pool *p = l->pool;
    if (p->leave_step == 0 && p->leave_last.cluster == 0)
        p->leave_some = false;
    for (; p->leave_step < sizeof finals / sizeof finals[0]; p->leave_step++) {
        if (queue_each_job_after(p->queue, p->leave_last, 1u << finals[p->leave_step], -1, ask, l, err) < 0)
            return -1;
        if (l->stopped)
            return 0;
        p->leave_last = (struct job_id){ 0, 0 };
    }
    return 0;
}

void leave_round(struct pool *p)
{
    struct error err;
    int64_t now = clock_boot_us();
    struct leavers l = { .pool = p, .stop_us = now + SLICE_US };
    if (now < p->leave_at_us)
        return;
    p->leave_at_us = INT64_MAX;
    int result = look_on(&l, &err);
    if (let_go(p, &l, result < 0 ? NULL : &err) < 0)
        result = -1;
    free(l.ids);
    if (result == 0 && l.stopped) {
        p->leave_at_us = clock_boot_us() + SOON_US;
        pool_wake(p, p->leave_at_us);
        return;
    }
    begin_pass(p);
    if (result < 0)
        log_error("finished jobs stay in the queue, trying again: %s", err.text);
    if (result < 0 || p->leave_some)
        leave_watch(p);
}

void leave_look(struct pool *p, const struct queue_job *job)
{
    struct job_id id = job->id;
    struct leavers l = { .pool = p, .ids = &id, .count = 1 };
    struct error err;
    if (!leave_stays(p, job) && let_go(p, &l, &err) < 0) {
        log_error("job %d.%d stays in the queue, trying again: %s", id.cluster, id.proc, err.text);
        leave_watch(p);
    }
}
