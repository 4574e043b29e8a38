/*
 * Periodic expressions. Each job in the queue is looked at once in an interval. Jobs that hold slots are few and are judged together
 * when the interval begins. Of the others there may be a hundred thousand: they are gone through in the order of their numbers, a
 * slice at a time, spread over the interval, and nothing is kept of them in memory.
 *
 * Of a slice, jobs of one cluster come one after the other. For a cluster it is found out once which attributes its expressions
 * refer to, directly or through others; a job is then judged by an ad with only these, and not by its whole ad, which takes ten
 * times as long to make. A job that says something of its own about it is judged by its whole ad.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/references.h"
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SLICES = 60, SLICE_LEAST = 64, SLICE_MOST = 20000, SHORTEST_US = 50000, NEEDED_MAX = 128 };
/* A slice whose expressions are dear is cut short, and the next one comes sooner: together at most a tenth of a core. */
enum { LONGEST_US = 20000, SOONER_US = 200000 };

/* What is common to the jobs of a cluster. */
struct common {
    int cluster;
    bool any;     /* some expression is to be evaluated */
    bool whole;   /* its jobs are judged by their whole ads */
    struct ad *ad; /* the cluster's attributes that are needed */
    bool derived[64]; /* by place in derived_names */
};

struct fired {
    struct decision decision;
    struct policy_verdict verdict;
};

struct periodic {
    int64_t began_us;  /* boot clock: of the present interval */
    int64_t due_us;    /* boot clock: of the next slice */
    struct job_id last; /* the last one that was looked at */
    bool done;         /* with all of them, in this interval */
    size_t slice;
    struct common common;
    struct fired **fired;
    size_t fired_count, fired_capacity;
    size_t seen;
    int64_t stop_us;   /* boot clock: when the slice has taken long enough, however dear its expressions are */
};

/* ---- a job's view of itself, as far as it is needed ---- */

typedef void set_fn(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s);

static void set_status(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_int(ad, name, job_state_status(job->state));
}

static void set_cluster(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_int(ad, name, job->id.cluster);
}

static void set_proc(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_int(ad, name, job->id.proc);
}

static void set_submitted(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_int(ad, name, job->submitted_us / CLOCK_SECOND_US);
}

static void set_entered(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    if (!ad_has(ad, name))
        set_submitted(ad, name, job, now_s);
}

static void set_now(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)job;
    ad_set_int(ad, name, now_s);
}

static void set_priority(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_int(ad, name, job->priority);
}

static void set_stint(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_int(ad, name, job->stint);
}

static void set_owner(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)now_s;
    ad_set_string(ad, name, job->owner);
}

static void set_counter(struct ad *ad, const char *name, const struct queue_job *job, int64_t now_s)
{
    (void)job;
    (void)now_s;
    if (!ad_has(ad, name))
        ad_set_int(ad, name, 0);
}

/* What report_job adds to an idle or held job, and is cheap. Jobs whose expressions look at anything else of what it adds are judged
 * by their whole ads. */
static const struct {
    const char *name;
    set_fn *set;
} derived_names[] = {
    { "JobStatus", set_status },      { "ClusterId", set_cluster },     { "ProcId", set_proc },          { "QDate", set_submitted },
    { "EnteredCurrentStatus", set_entered }, { "CurrentTime", set_now }, { "ServerTime", set_now },      { "JobPrio", set_priority },
    { "StintNumber", set_stint },     { "NumShadowStarts", set_stint }, { "JobRunCount", set_stint },    { "Owner", set_owner },
    { "NumCkpts", set_counter },      { "NumJobStarts", set_counter },  { "NumVacates", set_counter },   { "NumHolds", set_counter },
    { "NumJobCompletions", set_counter },
};
static const char *const costly_names[] = {
    "JobState", "RequestCpus", "RequestMemory", "RequestDisk", "GoodputUs", "LostUs", "CheckpointUs", "RestoreUs", "TransferUs", "IdleUs",
    "AtRiskUs", "OccupiedUs", "NumCkptsFailed", "CommittedTime", "RemoteWallClockTime", "RemoteUserCpu", "RemoteSysCpu", "TotalUserUs",
    "TotalSysUs", "CheckpointAge", "MemoryUsage", "StintUserUs", "ShadowBday",
};
enum { DERIVED = sizeof derived_names / sizeof derived_names[0], COSTLY = sizeof costly_names / sizeof costly_names[0] };

/* ---- what a cluster's expressions refer to ---- */

struct closure {
    const struct ad *full;
    struct common *common;
    struct ad_expr *exprs[NEEDED_MAX];
    size_t count;
    bool overflow;
};

static void add_expr(struct closure *c, struct ad_expr *expr)
{
    if (!expr)
        return;
    if (c->count == NEEDED_MAX) {
        c->overflow = true;
        ad_expr_free(expr);
        return;
    }
    c->exprs[c->count++] = expr;
}

static void add_attribute(struct closure *c, const char *name)
{
    if (ad_has(c->common->ad, name))
        return;
    ad_copy_attribute(c->common->ad, name, c->full, name);
    add_expr(c, ad_expr_of(c->full, name));
}

static bool refers_to_anything(const struct ad_expr *expr)
{
    auto_buf struct buf text = { 0 };
    ad_expr_print(expr, &text);
    return references_are_open(buf_cstr(&text));
}

static void follow(struct closure *c, const struct ad_expr *expr)
{
    for (size_t i = 0; i < DERIVED; i++)
        c->common->derived[i] = c->common->derived[i] || ad_expr_mentions(expr, derived_names[i].name);
    for (size_t i = 0; i < COSTLY; i++)
        c->common->whole = c->common->whole || ad_expr_mentions(expr, costly_names[i]);
    for (size_t i = 0; i < ad_count(c->full); i++)
        if (ad_expr_mentions(expr, ad_name(c->full, i)))
            add_attribute(c, ad_name(c->full, i));
    c->common->whole = c->common->whole || refers_to_anything(expr);
}

static void start_closure(struct closure *c, const struct policy_rules *rules)
{
    static const char *const parts[] = { "", "Reason", "SubCode" };
    for (size_t i = 0; policy_attribute(i); i++) {
        c->common->any = c->common->any || ad_has(c->full, policy_attribute(i));
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", policy_attribute(i), parts[k]);
            if (ad_has(c->full, name))
                add_attribute(c, name);
        }
    }
    for (size_t act = 0; act < POLICY_ACTS; act++) {
        const struct policy_rule *rule = &rules->rules[act];
        const struct ad_expr *const exprs[] = { rule->when, rule->reason, rule->subcode };
        for (size_t i = 0; i < 3; i++)
            if (exprs[i])
                follow(c, exprs[i]);
    }
}

static void forget_common(struct common *common)
{
    ad_free(common->ad);
    *common = (struct common){ 0 };
}

static int learn_cluster(struct pool *p, const struct queue_job *job, struct common *common, struct error *err)
{
    struct queue_job bare = *job;
    auto_ad struct ad *full = NULL;
    bare.ad = NULL;
    forget_common(common);
    if (queue_full_ad(p->queue, &bare, &full, err) < 0)
        return -1;
    *common = (struct common){ .cluster = job->id.cluster, .ad = ad_new(), .any = policy_rules_any(&p->config.rules) };
    common->derived[0] = true; /* JobStatus, which decides what is asked */
    struct closure c = { .full = full, .common = common };
    start_closure(&c, &p->config.rules);
    for (size_t i = 0; i < c.count; i++)
        follow(&c, c.exprs[i]);
    for (size_t i = 0; i < c.count; i++)
        ad_expr_free(c.exprs[i]);
    common->whole = common->whole || c.overflow;
    return 0;
}

/* ---- judging ---- */

/* Numbers, texts and booleans refer to nothing. */
static bool is_literal(const struct ad *ad, const char *name)
{
    return ad_int(ad, name, 0) == ad_int(ad, name, 1) || ad_string(ad, name, NULL) || ad_real(ad, name, 0) == ad_real(ad, name, 1) ||
           ad_bool(ad, name, false) == ad_bool(ad, name, true);
}

static bool has_own_policy(const struct ad *ad)
{
    for (size_t i = 0; policy_attribute(i); i++)
        if (ad_has(ad, policy_attribute(i)))
            return true;
    return false;
}

static bool all_literal(const struct ad *ad)
{
    for (size_t i = 0; i < ad_count(ad); i++)
        if (!is_literal(ad, ad_name(ad, i)))
            return false;
    return true;
}

/* The job's own attributes with what is needed of the cluster's beneath; the job's ad is used up. */
static void complete(const struct common *common, const struct queue_job *job, int64_t now_s)
{
    for (size_t i = 0; i < ad_count(common->ad); i++) {
        const char *name = ad_name(common->ad, i);
        if (!ad_has(job->ad, name))
            ad_copy_attribute(job->ad, name, common->ad, name);
    }
    for (size_t i = 0; i < DERIVED; i++)
        if (common->derived[i])
            derived_names[i].set(job->ad, derived_names[i].name, job, now_s);
}

static const struct { enum policy_act act; enum job_event event; const char *cause; } events_of_acts[] = {
    { POLICY_VACATE, JOB_EVENT_VACATE, "vacate" }, { POLICY_HOLD, JOB_EVENT_HOLD, "hold" },
    { POLICY_RELEASE, JOB_EVENT_RELEASE, "release" }, { POLICY_REMOVE, JOB_EVENT_REMOVE, "remove" },
};

static void note(struct periodic *s, struct job_id id, const struct policy_verdict *verdict, const char *told)
{
    bool problem_changed = strcmp(told, verdict->problem) != 0;
    struct fired *f;
    if (verdict->act == POLICY_NOTHING && !problem_changed)
        return;
    f = mem_new(struct fired);
    f->verdict = *verdict;
    f->decision = (struct decision){
        .id = id, .event = JOB_EVENT_COUNT, .reason = f->verdict.reason, .code = verdict->code, .subcode = verdict->subcode,
        .problem = problem_changed ? f->verdict.problem : NULL,
    };
    for (size_t i = 0; i < sizeof events_of_acts / sizeof events_of_acts[0]; i++)
        if (events_of_acts[i].act == verdict->act) {
            f->decision.event = events_of_acts[i].event;
            f->decision.cause = events_of_acts[i].cause;
        }
    s->fired = mem_grow(s->fired, &s->fired_capacity, s->fired_count + 1, sizeof *s->fired);
    s->fired[s->fired_count++] = f;
}

static void judge(struct pool *p, const struct queue_job *job, struct ad *view)
{
    struct policy_verdict verdict;
    struct ad_scope scope = { .my = view, .now = clock_wall_us() / CLOCK_SECOND_US, .utc_offset_s = match_utc_offset() };
    policy_judge(&scope, &p->config.rules, &verdict);
    note(p->periodic, job->id, &verdict, ad_string(view, "PeriodicError", ""));
}

static void look_at(struct pool *p, const struct queue_job *job)
{
    struct periodic *s = p->periodic;
    struct ad *view = NULL;
    struct error err;
    if (s->common.cluster != job->id.cluster && learn_cluster(p, job, &s->common, &err) < 0)
        return;
    bool own = has_own_policy(job->ad);
    if (!s->common.any && !own)
        return;
    if (s->common.whole || own || !all_literal(job->ad)) {
        if (report_job(p, job, &view, &err) == 0)
            judge(p, job, view);
        ad_free(view);
        return;
    }
    complete(&s->common, job, clock_wall_us() / CLOCK_SECOND_US);
    judge(p, job, job->ad);
}

static bool look_at_next(void *data, const struct queue_job *job)
{
    struct pool *p = data;
    struct periodic *s = p->periodic;
    s->last = job->id;
    s->seen++;
    look_at(p, job);
    return clock_boot_us() < s->stop_us;
}

static void carry_out(struct pool *p)
{
    struct periodic *s = p->periodic;
    struct error err;
    if (s->fired_count == 0)
        return;
    struct decision *list = mem_zero(s->fired_count, sizeof *list);
    for (size_t i = 0; i < s->fired_count; i++)
        list[i] = s->fired[i]->decision;
    if (actions_decide(p, list, s->fired_count, &err) < 0)
        log_error("what periodic expressions say is not done now, but in the next interval: %s", err.text);
    for (size_t i = 0; i < s->fired_count; i++)
        free(s->fired[i]);
    s->fired_count = 0;
    free(list);
}

/* ---- those that hold slots ---- */

static void judge_active(struct pool *p, const struct active *a)
{
    struct queue_job job;
    struct ad *view = NULL;
    struct error err;
    if (a->over || queue_get_job(p->queue, a->id, &job, &err) != 0)
        return;
    bool leaves = job.state == JOB_VACATING || job.state == JOB_HOLDING || job.state == JOB_REMOVING;
    if (!leaves && report_job(p, &job, &view, &err) == 0)
        judge(p, &job, view);
    ad_free(view);
    queue_job_release(&job);
}

/* Durations are kept to the moment: the loop wakes when one is over. */
static void judge_duration(struct pool *p, struct active *a)
{
    struct queue_job job;
    struct ad *full = NULL;
    struct error err;
    struct policy_verdict verdict = { 0 };
    int64_t now = clock_boot_us();
    a->bound_due_us = INT64_MAX;
    if (a->over || queue_get_job(p->queue, a->id, &job, &err) != 0)
        return;
    bool runs = job.state == JOB_STARTING || job.state == JOB_RUNNING || job.state == JOB_SUSPENDED;
    if (runs && queue_full_ad(p->queue, &job, &full, &err) == 0) {
        int64_t running = ad_int(job.ad, "RunningSinceBootUs", -1), executing = ad_int(job.ad, "ExecutingSinceBootUs", -1);
        struct policy_times times = { running < 0 ? -1 : now - running, executing < 0 ? -1 : now - executing };
        int64_t left = policy_duration(full, &times, &verdict);
        if (verdict.act != POLICY_NOTHING)
            note(p->periodic, a->id, &verdict, "");
        else if (left != INT64_MAX)
            a->bound_due_us = now + left;
    }
    ad_free(full);
    queue_job_release(&job);
}

static void durations(struct pool *p)
{
    int64_t now = clock_boot_us();
    for (struct active *a = p->active; a; a = a->next) {
        if (now >= a->bound_due_us)
            judge_duration(p, a);
        if (a->bound_due_us != INT64_MAX)
            pool_wake(p, a->bound_due_us);
    }
}

/* ---- the schedule ---- */

static size_t count_waiting(struct pool *p)
{
    int64_t counts[JOB_STATE_COUNT] = { 0 };
    struct error ignored;
    queue_count_states(p->queue, counts, &ignored);
    return (size_t)(counts[JOB_IDLE] + counts[JOB_HELD]);
}

static void begin_interval(struct pool *p, int64_t now)
{
    struct periodic *s = p->periodic;
    size_t slice = count_waiting(p) / (SLICES - 1) + 1;
    s->slice = slice < SLICE_LEAST ? SLICE_LEAST : slice > SLICE_MOST ? SLICE_MOST : slice;
    s->began_us = now;
    s->last = (struct job_id){ 0, 0 };
    s->done = false;
    for (const struct active *a = p->active; a; a = a->next)
        judge_active(p, a);
    schedule_recheck(p);
}

static void one_slice(struct pool *p)
{
    struct periodic *s = p->periodic;
    struct error err;
    uint32_t states = 1u << JOB_IDLE | 1u << JOB_HELD;
    s->seen = 0;
    s->stop_us = clock_boot_us() + LONGEST_US;
    if (queue_each_job_after(p->queue, s->last, states, (int64_t)s->slice, look_at_next, p, &err) < 0)
        log_error("periodic expressions are not evaluated: %s", err.text);
    s->done = s->seen < s->slice && clock_boot_us() < s->stop_us;
    if (s->done)
        forget_common(&s->common);
}

static void next_slice(struct pool *p, int64_t now)
{
    struct periodic *s = p->periodic;
    int64_t interval = p->config.periodic_interval_us;
    if (now < s->due_us)
        return;
    if (s->done)
        begin_interval(p, now);
    one_slice(p);
    int64_t step = interval / SLICES < SHORTEST_US ? SHORTEST_US : interval / SLICES;
    int64_t next = s->began_us + interval;
    if (!s->done && s->seen < s->slice && step > SOONER_US)
        step = SOONER_US;
    s->due_us = s->done ? (next > now ? next : now + SHORTEST_US) : now + step;
}

void periodic_round(struct pool *p)
{
    int64_t now = clock_boot_us(), interval = p->config.periodic_interval_us;
    if (p->stopping || p->vacating)
        return;
    if (!p->periodic) {
        p->periodic = mem_new(struct periodic);
        p->periodic->due_us = now + (interval < CLOCK_SECOND_US ? interval : CLOCK_SECOND_US); /* not in the rush of a start */
        p->periodic->done = true;
    }
    durations(p);
    if (interval > 0)
        next_slice(p, now);
    carry_out(p);
    if (interval > 0)
        pool_wake(p, p->periodic->due_us);
}

void periodic_close(struct pool *p)
{
    struct periodic *s = p->periodic;
    if (!s)
        return;
    forget_common(&s->common);
    free(s->fired);
    free(s);
    p->periodic = NULL;
}
