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
    p->leave_at_us = at < p->leave_at_us ? at : p->leave_at_us;
    pool_wake(p, p->leave_at_us);
}

struct leavers {
    struct pool *pool;
    struct job_id *ids;
    size_t count, capacity;
    bool some_stay;
};

static bool ask(void *data, const struct queue_job *job)
{
    struct leavers *l = data;
    if (leave_stays(l->pool, job)) {
        l->some_stay = true;
        return true;
    }
    l->ids = mem_grow(l->ids, &l->capacity, l->count + 1, sizeof *l->ids);
    l->ids[l->count++] = job->id;
    return true;
}

static int finish_all(struct pool *p, const struct leavers *l, struct error *err)
{
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

void leave_round(struct pool *p)
{
    struct error err;
    struct leavers l = { .pool = p };
    struct queue_filter filter = { .states = 1u << JOB_COMPLETED | 1u << JOB_REMOVED, .id.proc = JOB_ALL_PROCS };
    if (clock_boot_us() < p->leave_at_us)
        return;
    p->leave_at_us = INT64_MAX;
    int result = queue_each_job(p->queue, &filter, ask, &l, &err);
    if (result == 0 && l.count > 0)
        result = finish_all(p, &l, &err);
    if (result < 0)
        log_error("finished jobs stay in the queue, trying again: %s", err.text);
    if (l.count > 0)
        fault_point("pool.left");
    for (size_t i = 0; i < l.count && result == 0; i++) {
        move_clean(p, l.ids[i]);
        factory_note(p, l.ids[i].cluster);
    }
    if (result < 0 || l.some_stay)
        leave_watch(p);
    free(l.ids);
}
