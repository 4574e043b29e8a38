/*
 * Who holds a slot. A line to each runner tells by a byte that its journal grew, and by its end that it died. A line that
 * breaks is no proof: the lock is. While somebody holds it the pool tries to connect again; once it is free the stint is
 * fenced and the job goes back to its last checkpoint.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "context/cgroup.h"
#include "context/tree.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ORPHAN_POLL_US = 20000 };

struct active *active_find(struct pool *p, struct job_id id)
{
    struct active *a = p->active;
    while (a && (a->id.cluster != id.cluster || a->id.proc != id.proc))
        a = a->next;
    return a;
}

int active_add(struct pool *p, const struct queue_job *job, struct active **out, struct error *err)
{
    char name[JOB_ID_TEXT_MAX];
    auto_free char *path = mem_printf("%s/%s", p->jobs_path, job_id_print(job->id, name));
    auto_close int dir = file_make_dirs(path, 0711, err);
    if (dir < 0)
        return -1;
    struct active *a = mem_new(struct active);
    *a = (struct active){
        .next = p->active, .pool = p, .id = job->id, .stint = job->stint, .cpus = job->cpus, .memory_mb = job->memory_mb,
        .disk_kb = job->disk_kb, .needs = limits_of_text(p, ad_string(job->ad, "MatchedConcurrencyLimits", "")), .job_dir = steal_fd(&dir), .job_path = steal(path), .line = -1,
    };
    p->active = a;
    p->used.cpus += a->cpus;
    p->used.memory_mb += a->memory_mb;
    p->used.disk_kb += a->disk_kb;
    kept_remove(p, a->id);
    limits_hold(p, a->needs, 1);
    *out = a;
    return 0;
}

static void active_free(struct active *a)
{
    loop_unwatch(a->watch);
    file_close(&a->line);
    file_close(&a->job_dir);
    free(a->job_path);
    free(a);
}

static void unlink_active(struct pool *p, struct active *a)
{
    struct active **at = &p->active;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    p->used.cpus -= a->cpus;
    p->used.memory_mb -= a->memory_mb;
    p->used.disk_kb -= a->disk_kb;
    limits_hold(p, a->needs, -1);
}

void active_drop(struct pool *p, struct active *a)
{
    if (!a)
        return;
    unlink_active(p, a);
    active_free(a);
}

void active_drop_all(struct pool *p)
{
    while (p->active) {
        struct active *a = p->active;
        p->active = a->next;
        active_free(a);
    }
}

static void on_line(void *data, uint32_t events)
{
    struct active *a = data;
    char block[256];
    (void)events;
    ssize_t n = recv(a->line, block, sizeof block, MSG_DONTWAIT);
    a->dirty = true;
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    loop_unwatch(a->watch);
    a->watch = NULL;
    file_close(&a->line);
    a->orphan = true;
}

void active_watch(struct active *a, int line)
{
    a->line = line;
    a->orphan = false;
    a->watch = loop_watch(a->pool->loop, line, EPOLLIN, on_line, a);
}

static struct backend_job backend_view(const struct active *a)
{
    const struct pool *p = a->pool;
    return (struct backend_job){
        .job_dir = a->job_dir, .job_path = a->job_path, .store_path = p->store_path, .runner = p->runner_path,
        .log = STDERR_FILENO,
    };
}

void active_order(struct active *a, const char *what, const struct ad *job)
{
    auto_ad struct ad *order = ad_new();
    ad_set_string(order, "Order", what);
    ad_set_bool(order, "Fast", ad_bool(job, "LeaveFast", false));
    ad_set_string(order, "Cause", ad_string(job, "LeaveCause", "vacate"));
    ad_set_string(order, "Reason", ad_string(job, "LeaveReason", ""));
    if (a->line >= 0)
        backend_order(a->line, order);
}

/* A pool that found its runners again repeats what was asked for: the order may have been lost with the old pool. */
static void repeat_order(struct pool *p, struct active *a)
{
    struct queue_job job;
    struct error err;
    if (queue_get_job(p->queue, a->id, &job, &err) != 0)
        return;
    if (job.state == JOB_SUSPENDED)
        active_order(a, "suspend", job.ad);
    else if (job.state == JOB_REMOVING)
        active_order(a, "remove", job.ad);
    else if (job.state == JOB_VACATING || job.state == JOB_HOLDING)
        active_order(a, "vacate", job.ad);
    else if (job.state == JOB_RUNNING)
        active_order(a, "continue", job.ad);
    if (job.state == JOB_RUNNING && ad_bool(job.ad, "CheckpointAsked", false))
        active_order(a, "checkpoint", job.ad);
    queue_job_release(&job);
}

static void tell_reconnected(struct pool *p, struct active *a)
{
    struct queue_job job;
    struct ad *full = NULL;
    struct error err;
    if (queue_get_job(p->queue, a->id, &job, &err) != 0)
        return;
    if (queue_full_ad(p->queue, &job, &full, &err) == 0 && queue_begin(p->queue, &err) == 0) {
        event_add(p, &job, full, event_new("disconnected", p->started_us), &err);
        event_add(p, &job, full, event_new("reconnected", clock_wall_us()), &err);
        event_commit(p, &err);
    }
    ad_free(full);
    queue_job_release(&job);
}

const char *active_mark(const struct pool *p, struct job_id id, int stint, char out[ACTIVE_MARK_MAX])
{
    struct stat st = { 0 };
    fstat(p->jobs_dir, &st);
    unsigned long long pool = (unsigned long long)st.st_ino ^ (unsigned long long)st.st_dev << 40;
    snprintf(out, ACTIVE_MARK_MAX, "stint-%llx-%d.%d-%d", pool, id.cluster, id.proc, stint);
    return out;
}

/* The lock is free, so runner and job root are gone. The job root has killed its tree before it went, unless it was killed
 * itself at the same moment. */
static void kill_leftovers(struct pool *p, const struct active *a)
{
    char mark[ACTIVE_MARK_MAX], entry[ACTIVE_MARK_MAX + 16];
    active_mark(p, a->id, a->stint, mark);
    snprintf(entry, sizeof entry, "STINT_ID=%s", mark);
    cgroup_sweep(mark);
    int killed = tree_kill_marked(entry);
    if (killed > 0)
        log_info("job %d.%d: %d processes had outlived their runner and job root", a->id.cluster, a->id.proc, killed);
}

/* Tries to reach the runner of a job whose line is gone; fences it when it is dead. True when it is settled. */
static bool settle_orphan(struct pool *p, struct active *a)
{
    struct backend_job view = backend_view(a);
    struct error err;
    int lock = -1, line;
    if (backend_reach(&view, &line, &err) == 0) {
        active_watch(a, line);
        a->dirty = true;
        if (a->was_found)
            tell_reconnected(p, a);
        a->was_found = false;
        repeat_order(p, a);
        return true;
    }
    if (backend_alive(&view, &lock))
        return false;
    kill_leftovers(p, a);
    a->dirty = false;
    int result = queue_begin(p->queue, &err);
    if (result == 0)
        result = fold_fence(p, a, &err);
    if (result == 0)
        result = event_commit(p, &err);
    else
        event_rollback(p);
    close(lock);
    if (result == 0) {
        a->orphan = false;
        return true;
    }
    a->over = false;
    a->settle_after_us = clock_boot_us() + CLOCK_SECOND_US;
    log_error("job %d.%d: cannot record that its runner died: %s", a->id.cluster, a->id.proc, err.text);
    return false;
}

static void finish(struct pool *p, struct active *a)
{
    struct queue_job job;
    struct error err;
    struct job_id id = a->id;
    active_drop(p, a);
    int result = queue_get_job(p->queue, id, &job, &err);
    if (result == QUEUE_ABSENT) {
        fault_point("pool.clean");
        move_clean(p, id);
    } else if (result == 0) {
        kept_add(p, &job);
        if (job.state == JOB_IDLE)
            schedule_add(p, &job);
        queue_job_release(&job);
    }
    p->schedule = true;
}

static bool any_dirty(const struct pool *p)
{
    for (const struct active *a = p->active; a; a = a->next)
        if (a->dirty)
            return true;
    return false;
}

/* All journals that grew become one transaction. After a failure nothing was applied, and it is tried again. */
static void fold_dirty(struct pool *p)
{
    struct error err;
    int result = queue_begin(p->queue, &err);
    for (struct active *a = p->active; a && result == 0; a = a->next)
        if (a->dirty)
            result = fold_records(p, a, &err);
    if (result == 0)
        result = event_commit(p, &err);
    else
        event_rollback(p);
    for (struct active *a = p->active; a; a = a->next) {
        if (result == 0 && a->dirty)
            a->bound_due_us = 0;
        if (result == 0)
            a->dirty = false;
        else if (a->dirty)
            a->over = false;
    }
    if (result < 0) {
        log_error("cannot record what runners did, trying again: %s", err.text);
        pool_retry(p);
    }
}

void active_round(struct pool *p)
{
    if (any_dirty(p))
        fold_dirty(p);
    for (struct active *a = p->active, *next; a; a = next) {
        next = a->next;
        int64_t now = clock_boot_us();
        if (a->orphan && !a->over && (now < a->settle_after_us || !settle_orphan(p, a)))
            pool_wake(p, now < a->settle_after_us ? a->settle_after_us : now + ORPHAN_POLL_US);
        if (a->over && !a->dirty)
            finish(p, a);
    }
}

static bool recover_one(void *data, const struct queue_job *job)
{
    struct pool *p = data;
    struct active *a;
    struct error err;
    if (active_add(p, job, &a, &err) < 0) {
        log_error("job %d.%d: %s", job->id.cluster, job->id.proc, err.text);
        return true;
    }
    a->orphan = true;
    a->dirty = true;
    a->was_found = job->state != JOB_STARTING;
    return true;
}

int active_recover(struct pool *p, struct error *err)
{
    struct queue_filter filter = { .id.proc = JOB_ALL_PROCS };
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        if (job_state_occupies((enum job_state)s))
            filter.states |= 1u << s;
    return queue_each_job(p->queue, &filter, recover_one, p, err);
}
