/*
 * From idle to granted. The idle jobs are kept in the order of the policy, so that a plan reads only as far as there is room.
 * A grant is committed first (state, stint number, the moment from which the slot is the job's); then the runner is started.
 * If the pool dies in between, the next one finds a granted job without a runner, and fences it.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "engine/tools.h"
#include "pool/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MAX (INT64_C(1) << 40)
enum { STARTS_MAX = 64, BACKOFF_FIRST_US = 1000000, BACKOFF_DOUBLINGS = 8, SET_ASIDE_US = 5000000 };

/* ---- the order ---- */

static struct policy_job view_of(const struct queue_job *job)
{
    return (struct policy_job){
        .id = job->id, .priority = job->priority, .submitted_us = job->submitted_us, .cpus = job->cpus,
        .memory_mb = job->memory_mb, .disk_kb = job->disk_kb,
    };
}

static void insert(struct pool *p, const struct policy_job *job)
{
    size_t low = 0, high = p->idle_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (policy_compare(&p->idle[middle], job) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    p->idle = mem_grow(p->idle, &p->idle_capacity, p->idle_count + 1, sizeof *p->idle);
    memmove(&p->idle[low + 1], &p->idle[low], (p->idle_count - low) * sizeof *p->idle);
    p->idle[low] = *job;
    p->idle_count++;
}

static int64_t back_off_us(const struct queue_job *job)
{
    int64_t failures = ad_int(job->ad, "BackOff", 0);
    if (failures <= 0)
        return 0;
    return (int64_t)BACKOFF_FIRST_US << (failures > BACKOFF_DOUBLINGS ? BACKOFF_DOUBLINGS : failures - 1);
}

static void add_waiting(struct pool *p, const struct policy_job *job, int64_t wait_us)
{
    p->waiting = mem_grow(p->waiting, &p->waiting_capacity, p->waiting_count + 1, sizeof *p->waiting);
    p->waiting[p->waiting_count++] = (struct waiting){ .job = *job, .not_before_us = clock_boot_us() + wait_us };
}

void schedule_add(struct pool *p, const struct queue_job *job)
{
    struct policy_job view = view_of(job);
    int64_t wait = back_off_us(job);
    p->schedule = true;
    if (wait == 0) {
        insert(p, &view);
        return;
    }
    add_waiting(p, &view, wait);
}

static bool same(struct job_id a, struct job_id b)
{
    return a.cluster == b.cluster && a.proc == b.proc;
}

void schedule_remove(struct pool *p, struct job_id id)
{
    for (size_t i = 0; i < p->idle_count; i++) {
        if (!same(p->idle[i].id, id))
            continue;
        memmove(&p->idle[i], &p->idle[i + 1], (p->idle_count - i - 1) * sizeof *p->idle);
        p->idle_count--;
        return;
    }
    for (size_t i = 0; i < p->waiting_count; i++) {
        if (!same(p->waiting[i].job.id, id))
            continue;
        p->waiting[i] = p->waiting[--p->waiting_count];
        return;
    }
}

static bool load_one(void *data, const struct queue_job *job)
{
    schedule_add(data, job);
    return true;
}

int schedule_load(struct pool *p, struct error *err)
{
    struct queue_filter filter = { .states = 1u << JOB_IDLE, .id.proc = JOB_ALL_PROCS };
    return queue_each_job(p->queue, &filter, load_one, p, err);
}

/* ---- what a job asks for ---- */

static int request(const struct ad *job, const char *name, int64_t fallback, int64_t *out, struct error *err)
{
    struct ad_scope scope = { .my = job };
    struct value value;
    *out = fallback;
    if (!ad_has(job, name))
        return 0;
    ad_eval(&scope, name, &value);
    if (value.kind == VALUE_INT)
        *out = value.integer;
    else if (value.kind == VALUE_REAL)
        *out = value.real >= 0 && value.real <= (double)REQUEST_MAX ? (int64_t)value.real : -1;
    else if (value.kind != VALUE_UNDEFINED)
        *out = -1;
    value_release(&value);
    if (*out < 0 || *out > REQUEST_MAX)
        return error_set(err, ERR_INVALID, "%s is not a number of cpus, MiB or KiB", name);
    return 0;
}

int schedule_requests(const struct ad *job, struct queue_job *out, struct error *err)
{
    int64_t cpus;
    if (request(job, "RequestCpus", 1, &cpus, err) < 0 || request(job, "RequestMemory", 128, &out->memory_mb, err) < 0 ||
        request(job, "RequestDisk", 1024, &out->disk_kb, err) < 0)
        return -1;
    if (cpus < 1 || cpus > 100000)
        return error_set(err, ERR_INVALID, "request_cpus must be at least 1");
    out->cpus = (int)cpus;
    out->priority = ad_int(job, "JobPrio", 0);
    return 0;
}

/* ---- a grant ---- */

static void set_limits(const struct pool *p, const struct queue_job *job, const struct ad *full, struct ad *grant)
{
    ad_set_int(grant, "Cpus", job->cpus);
    ad_set_bool(grant, "Limits", p->limits != NULL);
    if (ad_has(full, "RequestMemory")) /* who did not ask is not limited */
        ad_set_int(grant, "MemoryBytes", job->memory_mb << 20);
    if (ad_has(full, "RequestDisk"))
        ad_set_int(grant, "DiskLimitKb", job->disk_kb);
    ad_set_int(grant, "KeepGenerations", p->config.keep_generations);
    ad_set_int(grant, "CheckpointTail", p->config.checkpoint_tail);
    ad_set_int(grant, "StoreQuota", p->config.store_quota);
    ad_set_int(grant, "StoreUserQuota", p->config.store_user_quota);
    ad_set_int(grant, "StoreLowSpace", p->config.store_low_space);
    ad_set_string(grant, "DefaultMethod", p->config.checkpoint_method);
    auto_free char *bundle = p->config.criu_dir[0] ? mem_dup(p->config.criu_dir) : tools_find(p->runner_path);
    if (bundle)
        ad_set_string(grant, "CriuDir", bundle);
    ad_set_int(grant, "CheckpointIntervalUs", p->config.checkpoint_interval_us);
    ad_set_int(grant, "CheckpointTimeoutUs", p->config.checkpoint_timeout_us);
    ad_set_int(grant, "MaxVacateUs", p->config.max_vacate_us);
}

/* Results that only wait to be delivered are good as long as the machine did not crash under them. */
static void set_delivery(const struct queue_job *job, struct ad *grant)
{
    if (strcmp(ad_string(job->ad, "DeliverBoot", ""), clock_boot_id()) != 0)
        return;
    if (!ad_copy_attribute(grant, "Deliver", job->ad, "Deliver"))
        return;
    ad_copy_attribute(grant, "ExitCode", job->ad, "ExitCode");
    ad_copy_attribute(grant, "ExitSignal", job->ad, "ExitSignal");
}

static int make_grant(struct pool *p, const struct queue_job *job, struct moment now, struct ad **out, struct error *err)
{
    struct ad *full = NULL;
    if (queue_full_ad(p->queue, job, &full, err) < 0)
        return -1;
    struct ad *grant = ad_new();
    ad_set_int(full, "ClusterId", job->id.cluster);
    ad_set_int(full, "ProcId", job->id.proc);
    ad_set_int(grant, "Stint", job->stint);
    ad_set_int(grant, "Uid", job->uid);
    ad_set_int(grant, "GrantedWallUs", now.wall_us);
    ad_set_int(grant, "GrantedBootUs", now.boot_us);
    ad_set_string(grant, "Cause", ad_string(job->ad, "LastEndCause", "start"));
    ad_set_bool(grant, "Stored", ad_has(job->ad, "LastGeneration"));
    ad_set_int(grant, "NextGeneration", ad_int(job->ad, "LastGeneration", 0) + 1);
    ad_copy_attribute(grant, "DoubtedGeneration", job->ad, "DoubtedGeneration");
    char mark[ACTIVE_MARK_MAX];
    ad_set_string(grant, "Mark", active_mark(p, job->id, job->stint, mark));
    ad_set_int(grant, "Retries", ad_int(job->ad, "Retries", 0));
    auto_free char *images = images_dir(p, job->uid);
    ad_set_string(grant, "ImageDir", images);
    set_limits(p, job, full, grant);
    set_delivery(job, grant);
    ad_set_ad(grant, "Job", full);
    *out = grant;
    return 0;
}

/* In the transaction: the job is granted its slot. */
static int grant_one(struct pool *p, struct job_id id, struct moment now, struct queue_job *job, struct ad **grant,
                     struct error *err)
{
    struct job_move move;
    int result = queue_get_job(p->queue, id, job, err);
    if (result != 0)
        return result < 0 ? -1 : error_set(err, ERR_CORRUPT, "job %d.%d is not in the queue", id.cluster, id.proc);
    job->stint++;
    const char *const passing[] = { "LeaveReason", "LeaveCause", "LeaveFast", "LeaveCode" };
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        ad_remove(job->ad, passing[i]);
    auto_ad struct ad *stint = ad_new();
    ad_set_int(stint, "Stint", job->stint);
    ad_set_int(stint, "GrantedWallUs", now.wall_us);
    ad_set_int(stint, "GrantedBootUs", now.boot_us);
    ad_set_string(stint, "BootId", clock_boot_id());
    ad_set_int(stint, "Cpus", job->cpus);
    if (queue_put_stint(p->queue, id, job->stint, stint, err) < 0)
        return -1;
    if (move_job(p, job, JOB_EVENT_GRANT, &move, err) < 0)
        return -1;
    if (!move.allowed)
        return error_set(err, ERR_CORRUPT, "job %d.%d is not idle", id.cluster, id.proc);
    return make_grant(p, job, now, grant, err);
}

static void start(struct pool *p, struct active *a, const struct ad *grant)
{
    struct error err;
    int line;
    struct backend_job view = {
        .job_dir = a->job_dir, .job_path = a->job_path, .store_path = p->store_path, .runner = p->runner_path,
        .log = STDERR_FILENO,
    };
    fault_point("pool.start");
    if (backend_start(&view, grant, &line, &err) == 0) {
        fault_point("pool.started");
        active_watch(a, line);
        return;
    }
    log_error("job %d.%d: %s", a->id.cluster, a->id.proc, err.text);
    a->orphan = true; /* there is no runner: it is fenced in the next round */
    pool_wake(p, clock_boot_us());
}

struct batch {
    struct queue_job jobs[STARTS_MAX];
    struct ad *grants[STARTS_MAX];
    struct active *actives[STARTS_MAX];
    size_t count;
    struct policy_job *bad; /* the one whose grant failed, in the list of idle jobs */
};

static void release_batch(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        queue_job_release(&b->jobs[i]);
        ad_free(b->grants[i]);
    }
    free(b);
}

static int grant_all(struct pool *p, const size_t *taken, size_t count, struct batch *b, struct error *err)
{
    struct moment now = clock_now();
    for (size_t i = 0; i < count; i++) {
        b->count = i + 1;
        if (grant_one(p, p->idle[taken[i]].id, now, &b->jobs[i], &b->grants[i], err) < 0 ||
            active_add(p, &b->jobs[i], &b->actives[i], err) < 0) {
            b->bad = &p->idle[taken[i]];
            return -1;
        }
    }
    return 0;
}

/* What may fail for want of room or descriptors comes before the commit: a granted job always has somebody who watches it. */
static int grant_batch(struct pool *p, const size_t *taken, size_t count, struct batch *b, struct error *err)
{
    if (queue_begin(p->queue, err) < 0)
        return -1;
    int result = grant_all(p, taken, count, b, err);
    if (result == 0)
        result = queue_commit(p->queue, err);
    else
        queue_rollback(p->queue);
    for (size_t i = 0; i < b->count && result < 0; i++)
        active_drop(p, b->actives[i]);
    return result;
}

static void take_waiting(struct pool *p)
{
    int64_t now = clock_boot_us(), first = INT64_MAX;
    for (size_t i = 0; i < p->waiting_count;) {
        if (p->waiting[i].not_before_us <= now) {
            insert(p, &p->waiting[i].job);
            p->waiting[i] = p->waiting[--p->waiting_count];
            p->schedule = true;
            continue;
        }
        if (p->waiting[i].not_before_us < first)
            first = p->waiting[i].not_before_us;
        i++;
    }
    if (p->waiting_count > 0)
        pool_wake(p, first);
}

/* A job whose grant fails, for its ad can not be read, say, must not keep the others from starting. */
static void set_aside(struct pool *p, struct policy_job job)
{
    schedule_remove(p, job.id);
    add_waiting(p, &job, SET_ASIDE_US);
}

static struct policy_room room_left(const struct pool *p)
{
    return (struct policy_room){
        .cpus = p->config.cpus - p->used.cpus,
        .memory_mb = p->config.memory_mb - p->used.memory_mb,
        .disk_kb = p->config.disk_kb - p->used.disk_kb,
    };
}

void schedule_round(struct pool *p)
{
    size_t taken[STARTS_MAX];
    struct error err;
    if (p->waiting_count > 0)
        take_waiting(p);
    if (!p->schedule || p->stopping || p->vacating)
        return;
    p->schedule = false;
    size_t count = policy_plan(p->idle, p->idle_count, room_left(p), taken, STARTS_MAX);
    if (count == 0)
        return;
    struct batch *b = mem_new(struct batch);
    if (grant_batch(p, taken, count, b, &err) < 0) {
        log_error("cannot start jobs, trying again: %s", err.text);
        if (b->bad)
            set_aside(p, *b->bad);
        pool_retry(p);
        release_batch(b);
        return;
    }
    fault_point("pool.granted");
    for (size_t i = 0; i < count; i++)
        schedule_remove(p, b->jobs[i].id);
    for (size_t i = 0; i < count; i++)
        start(p, b->actives[i], b->grants[i]);
    p->schedule = count == STARTS_MAX;
    release_batch(b);
}

/* ---- why it waits ---- */

void schedule_explain(struct pool *p, const struct queue_job *job, struct buf *out)
{
    struct policy_job view = view_of(job);
    struct policy_room machine = { p->config.cpus, p->config.memory_mb, p->config.disk_kb };
    const char *why;
    if (job->state == JOB_HELD) {
        buf_printf(out, "it is held: %s", ad_string(job->ad, "HoldReason", "no reason was given"));
        return;
    }
    if (job->state != JOB_IDLE)
        return;
    if (!policy_fits_ever(&view, &machine, &why)) {
        buf_printf(out, "it asks for more %s than this machine gives to jobs; edit its request or stint.conf", why);
        return;
    }
    for (size_t i = 0; i < p->waiting_count; i++) {
        char text[UNITS_TEXT_MAX];
        if (!same(p->waiting[i].job.id, job->id))
            continue;
        buf_printf(out, "its last start failed (%s); the next try is in %s", ad_string(job->ad, "VacateReason", "?"),
                   units_duration(p->waiting[i].not_before_us - clock_boot_us(), text));
        return;
    }
    size_t before = 0;
    while (before < p->idle_count && !same(p->idle[before].id, job->id))
        before++;
    struct policy_room left = room_left(p);
    if (!policy_fits_ever(&view, &left, &why))
        buf_printf(out, "there is not enough free %s now; %zu idle job%s come%s before it", why, before, before == 1 ? "" : "s",
                   before == 1 ? "s" : "");
    else
        buf_text(out, "it is about to start");
}
