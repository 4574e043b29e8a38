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
#include "policy/dollar.h"
#include "pool/facts.h"
#include "pool/idle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MAX (INT64_C(1) << 40)
#define NICE_PRIORITY (INT64_C(1) << 40) /* more than any two priorities differ */
enum { STARTS_MAX = 64, MATCHES_MAX = 512, MATCHING_US = 50000, SET_ASIDE_US = 5000000, HOLD_MISSED = 20, HOLD_NO_VALUE = 1003, LOOK_AGAIN_US = 300000000 };

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
    out->priority = ad_int(job, "JobPrio", 0) - (ad_bool(job, "NiceUser", false) ? NICE_PRIORITY : 0);
    return 0;
}

int64_t schedule_job_prio(const struct queue_job *job)
{
    return job->priority + (job->priority < -NICE_PRIORITY / 2 ? NICE_PRIORITY : 0);
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
    auto_free char *bundle = pool_tools(p);
    if (bundle)
        ad_set_string(grant, "CriuDir", bundle);
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

/* What expressions about its exit look at and the job did not say itself. */
static int add_view(struct pool *p, const struct queue_job *job, struct ad *full, struct error *err)
{
    auto_ad struct ad *view = NULL;
    if (report_job(p, job, &view, err) < 0)
        return -1;
    for (size_t i = 0; i < ad_count(view); i++)
        if (!ad_has(full, ad_name(view, i)))
            ad_copy_attribute(full, ad_name(view, i), view, ad_name(view, i));
    return 0;
}

static int fill_grant(struct pool *p, const struct queue_job *job, struct moment now, struct ad *grant, struct error *err)
{
    struct ad *full = NULL;
    if (queue_full_ad(p->queue, job, &full, err) < 0)
        return -1;
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
    struct ad_scope scope = match_scope(p, full);
    int result = dollar_is_in(full) ? dollar_expand(full, &scope, err) : 0;
    if (result == 0)
        result = add_view(p, job, full, err);
    if (result == 0)
        result = facts_grant(p, job, grant, err);
    ad_set_ad(grant, "Job", full);
    return result;
}

/* The runner waits for the time, and looks whether it is too late. */
static void set_deferral(const struct pool *p, const struct ad *view, struct ad *grant)
{
    struct deferral deferral;
    if (!deferral_of(p, view, &deferral))
        return;
    ad_set_int(grant, "DeferralTime", deferral.time_s);
    ad_set_int(grant, "DeferralWindow", deferral.window_s);
}

/* What expressions look at, and what it holds of limits until it leaves. */
static int note_start(struct pool *p, struct queue_job *job, struct moment now, struct ad *grant, struct error *err)
{
    auto_ad struct ad *view = NULL;
    auto_buf struct buf limits = { 0 };
    int64_t seconds = now.wall_us / CLOCK_SECOND_US;
    if (report_job(p, job, &view, err) < 0)
        return -1;
    set_deferral(p, view, grant);
    ad_copy_attribute(job->ad, "JobLastStartDate", job->ad, "JobCurrentStartDate");
    ad_set_int(job->ad, "JobCurrentStartDate", seconds);
    if (!ad_has(job->ad, "JobStartDate"))
        ad_set_int(job->ad, "JobStartDate", seconds);
    ad_set_int(job->ad, "RunningSinceBootUs", now.boot_us);
    ad_remove(job->ad, "ExecutingSinceBootUs");
    ad_remove(job->ad, "MatchedConcurrencyLimits");
    limits_print(p, limits_of(p, view), &limits);
    if (limits.len > 0)
        ad_set_string(job->ad, "MatchedConcurrencyLimits", buf_cstr(&limits));
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
    const char *const passing[] = { "LeaveReason", "LeaveCause", "LeaveFast", "LeaveCode", "LeaveSubCode" };
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        ad_remove(job->ad, passing[i]);
    *grant = ad_new();
    if (note_start(p, job, now, *grant, err) < 0)
        return -1;
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
    return fill_grant(p, job, now, *grant, err);
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
    const struct policy_job *bad; /* the one whose grant failed */
};

static void release_batch(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        queue_job_release(&b->jobs[i]);
        ad_free(b->grants[i]);
    }
    free(b);
}

static int grant_all(struct pool *p, const struct policy_job *taken, size_t count, struct batch *b, struct error *err)
{
    struct moment now = clock_now();
    for (size_t i = 0; i < count; i++) {
        b->count = i + 1;
        if (grant_one(p, taken[i].id, now, &b->jobs[i], &b->grants[i], err) < 0 ||
            active_add(p, &b->jobs[i], &b->actives[i], err) < 0) {
            b->bad = &taken[i];
            return -1;
        }
    }
    return 0;
}

/* What may fail for want of room or descriptors comes before the commit: a granted job always has somebody who watches it. */
static int grant_batch(struct pool *p, const struct policy_job *taken, size_t count, struct batch *b, struct error *err)
{
    if (queue_begin(p->queue, err) < 0)
        return -1;
    int result = grant_all(p, taken, count, b, err);
    if (result == 0)
        result = queue_commit(p->queue, err);
    else
        queue_rollback(p->queue);
    for (size_t i = 0; i < b->count && result < 0; i++) {
        if (b->actives[i])
            kept_add(p, &b->jobs[i]);
        active_drop(p, b->actives[i]);
    }
    return result;
}

/* A job whose grant fails, for its ad can not be read, say, must not keep the others from starting. */
static void set_aside(struct pool *p, struct policy_job job)
{
    schedule_remove(p, job.id);
    idle_wait(p, &job, SET_ASIDE_US, false);
}

static struct policy_room room_left(const struct pool *p)
{
    return (struct policy_room){
        .cpus = p->config.cpus - p->used.cpus,
        .memory_mb = p->config.memory_mb - p->used.memory_mb,
        .disk_kb = p->config.disk_kb - p->used.disk_kb - p->kept_disk_kb,
    };
}

/* ---- whether they may ---- */

struct refusal {
    size_t index;
    struct match match;
    bool failed; /* nobody knows */
};

struct trial {
    struct pool *pool;
    struct refusal refused[MATCHES_MAX];
    size_t tried, refused_count;
    int64_t stop_us; /* boot clock */
};

/* After so many questions, or so much time, the rest is asked in the next round: the loop does not wait. */
static bool may_start(void *data, size_t index)
{
    struct trial *t = data;
    struct queue_job job;
    struct refusal refusal = { .index = index };
    struct error err;
    if (t->tried == MATCHES_MAX || (t->tried > 0 && clock_boot_us() > t->stop_us)) {
        t->pool->schedule = true;
        return false;
    }
    t->tried++;
    int result = queue_get_job(t->pool->queue, t->pool->idle[index].id, &job, &err);
    if (result == 0) {
        result = match_try(t->pool, &job, &refusal.match, &err);
        queue_job_release(&job);
    }
    refusal.failed = result != 0;
    if (result == 0 && refusal.match.result == MATCH_YES)
        return true;
    t->refused[t->refused_count++] = refusal;
    return false;
}

/* What holds a job that may not start; false: nothing does. */
static bool hold_of(struct job_id id, const struct match *match, struct decision *out)
{
    *out = (struct decision){ .id = id, .event = JOB_EVENT_HOLD, .cause = "hold" };
    out->code = match->result == MATCH_MISSED ? HOLD_MISSED : HOLD_NO_VALUE;
    out->reason = match->result == MATCH_MISSED ? "Job missed deferred execution time" : match->why;
    return match->result == MATCH_MISSED || match->result == MATCH_NO_VALUE;
}

/* All of a round are one transaction: after a night in which the pool was down there may be many. */
static void hold_all(struct pool *p, const struct decision *decisions, size_t count)
{
    struct error err;
    if (count > 0 && actions_decide(p, decisions, count, &err) < 0)
        log_error("%zu job%s can not start, and can not be held: %s", count, count == 1 ? "" : "s", err.text);
}

static void put_aside(struct pool *p, const struct policy_job *job, const struct refusal *refusal)
{
    const struct match *match = &refusal->match;
    if (refusal->failed)
        idle_wait(p, job, SET_ASIDE_US, false);
    else if (match->result == MATCH_LATER)
        idle_wait(p, job, match->wait_us < LOOK_AGAIN_US ? match->wait_us : LOOK_AGAIN_US, true); /* the wall clock may be set */
    else if (match->result == MATCH_MISSED || match->result == MATCH_NO_VALUE)
        idle_wait(p, job, SET_ASIDE_US, true); /* in case that it can not be held now */
    else
        idle_unsuited(p, job, match->timed);
}

/* Takes those that may not start out of the order. */
static void settle_refusals(struct pool *p, const struct trial *t)
{
    struct decision *holds = mem_zero(MATCHES_MAX, sizeof *holds);
    size_t kept = 0, next = 0, hold_count = 0;
    for (size_t i = 0; i < p->idle_count && t->refused_count > 0; i++) {
        if (next == t->refused_count || t->refused[next].index != i) {
            p->idle[kept++] = p->idle[i];
            continue;
        }
        put_aside(p, &p->idle[i], &t->refused[next]);
        hold_count += hold_of(p->idle[i].id, &t->refused[next].match, &holds[hold_count]);
        next++;
    }
    if (t->refused_count > 0)
        p->idle_count = kept;
    hold_all(p, holds, hold_count);
    free(holds);
}

/* Which jobs to start now, of which there is room for. */
static size_t plan(struct pool *p, struct policy_job taken[STARTS_MAX])
{
    size_t indices[STARTS_MAX];
    struct trial *trial = mem_new(struct trial);
    trial->pool = p;
    trial->stop_us = clock_boot_us() + MATCHING_US;
    struct policy_snapshot snapshot = {
        .jobs = p->idle, .count = p->idle_count, .room = room_left(p), .limits = p->limits_used, .may = may_start, .data = trial,
    };
    size_t count = policy_plan(&snapshot, indices, STARTS_MAX);
    for (size_t i = 0; i < count; i++)
        taken[i] = p->idle[indices[i]];
    settle_refusals(p, trial);
    free(trial);
    return count;
}

void schedule_round(struct pool *p)
{
    struct policy_job taken[STARTS_MAX];
    struct job_id started[STARTS_MAX];
    struct error err;
    idle_take_waiting(p);
    if (!p->schedule || p->stopping || p->vacating)
        return;
    p->schedule = false;
    size_t count = plan(p, taken);
    if (p->schedule)
        pool_wake(p, clock_boot_us());
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
        started[i] = b->jobs[i].id;
    schedule_remove_many(p, started, count);
    for (size_t i = 0; i < count; i++)
        start(p, b->actives[i], b->grants[i]);
    p->schedule = p->schedule || count == STARTS_MAX;
    release_batch(b);
}

/* ---- why it waits ---- */

static void explain_match(struct pool *p, const struct queue_job *job, struct buf *out)
{
    struct match match;
    struct error err;
    if (match_try(p, job, &match, &err) < 0)
        return;
    if (match.result == MATCH_UNSUITED)
        buf_printf(out, "its requirements are not true on this machine; see: stint explain-requirements %d.%d", job->id.cluster, job->id.proc);
    else if (match.result == MATCH_NOT_TAKEN)
        buf_printf(out, "this machine does not take it (start in stint.conf); see: stint explain-requirements %d.%d", job->id.cluster,
                   job->id.proc);
    else if (match.result == MATCH_LATER)
        deferral_print(&match.deferral, out);
    else if (match.result == MATCH_MISSED)
        buf_text(out, "it missed the time at which it wanted to start");
    else if (match.result == MATCH_NO_VALUE)
        buf_text(out, match.why);
}

static void explain_waiting(const struct queue_job *job, const struct waiting *w, struct buf *out)
{
    char text[UNITS_TEXT_MAX];
    buf_printf(out, "its last start failed (%s); the next try is in %s", ad_string(job->ad, "VacateReason", "?"),
               units_duration(w->not_before_us - clock_boot_us(), text));
}

static void explain_limit(const struct policy_limit *limit, bool ever, struct buf *out)
{
    buf_printf(out, ever ? "it takes more of the limit '%s' than there is (%lld); edit ConcurrencyLimits or stint.conf"
                         : "other jobs use the limit '%s', of which there are %lld", limit->name, (long long)limit->most);
}

static void explain_room(struct pool *p, const struct policy_job *view, struct buf *out)
{
    struct policy_room left = room_left(p);
    const char *why;
    size_t before = 0;
    while (before < p->idle_count && !idle_same(p->idle[before].id, view->id))
        before++;
    if (!policy_fits_ever(view, &left, &why))
        buf_printf(out, "there is not enough free %s now; %zu idle job%s come%s before it", why, before, before == 1 ? "" : "s",
                   before == 1 ? "s" : "");
    else
        buf_text(out, "it is about to start");
}

void schedule_explain(struct pool *p, const struct queue_job *job, struct buf *out)
{
    if (job->state == JOB_HELD) {
        buf_printf(out, "it is held: %s", ad_string(job->ad, "HoldReason", "no reason was given"));
        return;
    }
    if (job->state != JOB_IDLE)
        return;
    struct policy_job view = idle_view(p, job);
    struct policy_room machine = { p->config.cpus, p->config.memory_mb, p->config.disk_kb };
    const struct waiting *waiting = idle_find_waiting(p, job->id);
    const char *why;
    if (!policy_fits_ever(&view, &machine, &why)) {
        buf_printf(out, "it asks for more %s than this machine gives to jobs; edit its request or stint.conf", why);
        return;
    }
    if (waiting && !waiting->deferred) {
        explain_waiting(job, waiting, out);
        return;
    }
    if (view.conditional)
        explain_match(p, job, out);
    if (out->len > 0)
        return;
    const struct policy_limit *ever = policy_limit_in_the_way(view.needs, p->limits_used, true);
    const struct policy_limit *now = policy_limit_in_the_way(view.needs, p->limits_used, false);
    if (ever || now)
        explain_limit(ever ? ever : now, ever != NULL, out);
    else
        explain_room(p, &view, out);
}
