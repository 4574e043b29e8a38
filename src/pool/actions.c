/* What people ask of jobs: one transaction for all of a request, then the orders to runners. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "job/submit.h"
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct verb {
    const char *name;
    enum job_event event;
    const char *done; /* what became of it, for people */
};

static const struct verb verbs[] = {
    { "checkpoint", JOB_EVENT_CHECKPOINT, "asked for a checkpoint" },
    { "vacate", JOB_EVENT_VACATE, "asked to leave its slot" },
    { "hold", JOB_EVENT_HOLD, "held" },
    { "release", JOB_EVENT_RELEASE, "released" },
    { "remove", JOB_EVENT_REMOVE, "removed" },
    { "suspend", JOB_EVENT_SUSPEND, "suspended" },
    { "continue", JOB_EVENT_CONTINUE, "continued" },
};

struct job_list {
    struct job_id *ids;
    size_t count, capacity;
};

struct change {
    struct job_id id;
    struct job_move move;
    enum job_state before;
    struct ad *ad;
};

struct action {
    struct pool *pool;
    const struct verb *verb;
    const struct ad *request;
    struct ad *answer;
    uid_t uid;
    struct ad_expr *constraint;
    struct patience patience;
    struct job_list found;
    struct job_list clusters; /* whole clusters: what makes their jobs is meant too */
    struct change *changes;
    size_t change_count, change_capacity;
};

bool pool_may(const struct pool *p, uid_t uid, uid_t owner)
{
    return uid == 0 || uid == owner || (!p->machine_wide && uid == p->owner.uid);
}

static void add_result(struct action *a, const char *id, bool ok, const char *message)
{
    struct ad *result = ad_new();
    ad_set_string(result, "Id", id);
    ad_set_bool(result, "Ok", ok);
    ad_set_string(result, "Message", message);
    ad_set_int(result, "Seq", a->pool->last_event);
    ad_append_ad(a->answer, "Results", result);
}

static void add_to(struct job_list *l, struct job_id id)
{
    l->ids = mem_grow(l->ids, &l->capacity, l->count + 1, sizeof *l->ids);
    l->ids[l->count++] = id;
}

static bool collect(void *data, const struct queue_job *job)
{
    struct action *a = data;
    if (a->constraint) {
        struct ad *ad = NULL;
        struct error ignored;
        if (!pool_may(a->pool, a->uid, job->uid))
            return true;
        if (report_job(a->pool, job, &ad, &ignored) < 0)
            return true;
        struct ad_scope scope = { .my = ad, .now = clock_wall_us() / CLOCK_SECOND_US };
        bool wanted = patience_true(&a->patience, a->constraint, &scope);
        ad_free(ad);
        if (!wanted)
            return true;
    }
    add_to(&a->found, job->id);
    return true;
}

static int find_jobs(struct action *a, struct error *err)
{
    const char *text = ad_string(a->request, "Constraint", NULL);
    struct queue_filter all = { .id.proc = JOB_ALL_PROCS };
    if (text) {
        if (ad_expr_parse(text, &a->constraint, err) < 0)
            return error_wrap(err, "the constraint");
        return queue_each_job(a->pool->queue, &all, collect, a, err) < 0 ? -1 : patience_check(&a->patience, err);
    }
    for (size_t i = 0; i < ad_list_count(a->request, "Jobs"); i++) {
        const char *name = ad_list_string(a->request, "Jobs", i);
        struct queue_filter filter = { 0 };
        size_t before = a->found.count;
        if (!name || !job_id_parse(name, &filter.id))
            return error_set(err, ERR_INVALID, "'%s' is no job; write 7.0, or 7 for a whole cluster", name ? name : "");
        if (queue_each_job(a->pool->queue, &filter, collect, a, err) < 0)
            return -1;
        bool makes_jobs = filter.id.proc == JOB_ALL_PROCS && factory_is(a->pool, filter.id.cluster);
        if (makes_jobs)
            add_to(&a->clusters, filter.id);
        if (a->found.count == before && !makes_jobs)
            add_result(a, name, false, "there is no such job in the queue; it may be done: stint history");
    }
    return 0;
}

/* What was given, or who asked. */
static const char *reason_of(const struct action *a, char text[256])
{
    const char *reason = ad_string(a->request, "Reason", NULL);
    struct identity who;
    struct error ignored;
    if (reason)
        return reason;
    snprintf(text, 256, "by hand");
    if (identity_of(a->uid, &who, &ignored) == 0)
        snprintf(text, 256, "by %s", who.name);
    return text;
}

static void set_leave(struct queue_job *job, const struct decision *d, bool fast)
{
    ad_set_string(job->ad, "LeaveReason", d->reason);
    ad_set_string(job->ad, "LeaveCause", d->cause);
    ad_set_bool(job->ad, "LeaveFast", fast);
    ad_set_int(job->ad, "LeaveCode", d->code);
    ad_set_int(job->ad, "LeaveSubCode", d->subcode);
    if (d->event == JOB_EVENT_HOLD) {
        ad_set_string(job->ad, "HoldReason", d->reason);
        ad_set_int(job->ad, "HoldReasonCode", d->code);
        ad_set_int(job->ad, "HoldReasonSubCode", d->subcode);
    }
    if (d->event == JOB_EVENT_HOLD && job->state == JOB_IDLE) /* else it is counted when it is held at last */
        ad_set_int(job->ad, "NumHolds", ad_int(job->ad, "NumHolds", 0) + 1);
    if (d->event == JOB_EVENT_REMOVE)
        ad_set_string(job->ad, "RemoveReason", d->reason);
}

/* Moves whose event the pool itself makes; the others are told by the runner's journal. */
static const char *event_of_move(const struct change *c)
{
    if (c->move.next == JOB_HELD && c->before == JOB_IDLE)
        return "held";
    if (c->move.next == JOB_REMOVED)
        return "removed";
    if (c->before == JOB_HELD && c->move.next == JOB_IDLE)
        return "released";
    if (c->move.action == JOB_ACT_VACATE || c->move.action == JOB_ACT_LEAVE)
        return "vacating";
    return NULL;
}

static int tell(struct pool *p, struct queue_job *job, const struct change *c, const struct decision *d, struct error *err)
{
    const char *name = event_of_move(c);
    auto_ad struct ad *full = NULL;
    if (!name)
        return 0;
    if (queue_full_ad(p->queue, job, &full, err) < 0)
        return -1;
    struct ad *event = event_new(name, clock_wall_us());
    ad_copy_attribute(event, "Reason", job->ad, "LeaveReason");
    if (strcmp(name, "held") == 0) {
        ad_set_int(event, "Code", d->code);
        ad_set_int(event, "Subcode", d->subcode);
    }
    return event_add(p, job, full, event, err);
}

static void forget_hold(struct queue_job *job)
{
    static const char *const last[][2] = { { "HoldReason", "LastHoldReason" }, { "HoldReasonCode", "LastHoldReasonCode" },
                                           { "HoldReasonSubCode", "LastHoldReasonSubCode" } };
    for (size_t i = 0; i < sizeof last / sizeof last[0]; i++)
        ad_copy_attribute(job->ad, last[i][1], job->ad, last[i][0]);
    static const char *const names[] = {
        "HoldReason", "HoldReasonCode", "HoldReasonSubCode", "BackOff", "KillsInARow", "FailuresInARow", "LossesInARow", "DeferralDone",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ad_remove(job->ad, names[i]);
}

static void note_change(struct action *a, const struct change *c)
{
    a->changes = mem_grow(a->changes, &a->change_capacity, a->change_count + 1, sizeof *a->changes);
    a->changes[a->change_count++] = *c;
}

/* It is finished and stayed in the queue: leave_in_queue. Who removes it has seen it. */
static int take_away(struct action *a, struct queue_job *job, const char *name, struct error *err)
{
    struct change c = { .id = job->id, .before = job->state, .move = { .allowed = true, .next = job->state, .action = JOB_ACT_FINISH } };
    if (queue_finish_job(a->pool->queue, job->id, clock_wall_us(), err) < 0)
        return -1;
    factory_note(a->pool, job->id.cluster);
    add_result(a, name, true, "taken out of the queue");
    note_change(a, &c);
    return 0;
}

/* Within the transaction: what was asked for or decided, as the table allows it. */
static int apply(struct pool *p, struct queue_job *job, const struct decision *d, bool fast, struct change *c, struct error *err)
{
    *c = (struct change){ .id = job->id, .before = job->state, .move = job_step(job->state, d->event) };
    if (!c->move.allowed)
        return 0;
    bool leaves = d->event != JOB_EVENT_CHECKPOINT && d->event != JOB_EVENT_SUSPEND && d->event != JOB_EVENT_CONTINUE;
    if (leaves && job->state == JOB_REMOVING) /* the first reason stays; but it may have to go faster */
        ad_set_bool(job->ad, "LeaveFast", fast);
    else if (leaves)
        set_leave(job, d, fast);
    if (d->event == JOB_EVENT_RELEASE)
        forget_hold(job);
    if (d->event == JOB_EVENT_CHECKPOINT)
        ad_set_bool(job->ad, "CheckpointAsked", true); /* until it is answered: see active.c, repeat_order */
    if (tell(p, job, c, d, err) < 0 || move_job(p, job, d->event, &c->move, err) < 0)
        return -1;
    c->ad = ad_copy(job->ad);
    return 0;
}

/* Within the transaction. */
static int change_job(struct action *a, struct queue_job *job, struct error *err)
{
    char name[JOB_ID_TEXT_MAX], by[256];
    struct change c;
    job_id_print(job->id, name);
    if (!pool_may(a->pool, a->uid, job->uid)) {
        add_result(a, name, false, "it belongs to somebody else");
        return 0;
    }
    if (job_state_final(job->state) && a->verb->event == JOB_EVENT_REMOVE)
        return take_away(a, job, name, err);
    struct decision d = { .event = a->verb->event, .cause = a->verb->name, .reason = reason_of(a, by), .code = 1,
                          .subcode = (int)ad_int(a->request, "Subcode", 0) };
    if (apply(a->pool, job, &d, ad_bool(a->request, "Fast", false), &c, err) < 0)
        return -1;
    if (!c.move.allowed) {
        add_result(a, name, false, c.move.refusal);
        return 0;
    }
    add_result(a, name, true, c.move.next == JOB_REMOVING ? "is being removed" : c.move.next == JOB_HOLDING ? "is being held" : a->verb->done);
    note_change(a, &c);
    return 0;
}

/* What makes jobs, before the jobs: what is removed must not be followed by new ones. */
static int change_factories(struct action *a, struct error *err)
{
    char text[256], name[JOB_ID_TEXT_MAX];
    const char *message;
    struct factory_order order = { .action = a->verb->name, .reason = reason_of(a, text), .uid = a->uid, .constraint = a->constraint,
                                   .patience = &a->patience };
    int count = 0;
    if (a->constraint && factory_act_all(a->pool, &order, &count, err) < 0)
        return -1;
    if (count > 0)
        add_result(a, "clusters", true, a->verb->event == JOB_EVENT_RELEASE ? "make jobs again" : "make no more jobs");
    for (size_t i = 0; i < a->clusters.count; i++) {
        int result = factory_act(a->pool, a->clusters.ids[i].cluster, &order, &message, err);
        if (result < 0)
            return -1;
        if (result == 0)
            add_result(a, job_id_print(a->clusters.ids[i], name), true, message);
    }
    return 0;
}

static int change_all(struct action *a, struct error *err)
{
    if (queue_begin(a->pool->queue, err) < 0)
        return -1;
    if (change_factories(a, err) < 0) {
        event_rollback(a->pool);
        factory_reload(a->pool);
        return -1;
    }
    for (size_t i = 0; i < a->found.count; i++) {
        struct queue_job job;
        int result = queue_get_job(a->pool->queue, a->found.ids[i], &job, err);
        if (result > 0)
            continue;
        if (result == 0) {
            result = change_job(a, &job, err);
            queue_job_release(&job);
        }
        if (result < 0) {
            event_rollback(a->pool);
            factory_reload(a->pool);
            return -1;
        }
    }
    int result = event_commit(a->pool, err);
    if (result < 0)
        factory_reload(a->pool);
    return result;
}

static const char *order_of(enum job_action action)
{
    switch (action) {
    case JOB_ACT_CHECKPOINT:
        return "checkpoint";
    case JOB_ACT_VACATE:
        return "vacate";
    case JOB_ACT_LEAVE:
        return "remove";
    case JOB_ACT_SUSPEND:
        return "suspend";
    case JOB_ACT_CONTINUE:
        return "continue";
    default:
        return NULL;
    }
}

/* After the commit. */
static void act(struct pool *p, const struct change *c)
{
    struct active *active = active_find(p, c->id);
    const char *order = order_of(c->move.action);
    struct queue_job job;
    struct error ignored;
    if (order && active)
        active_order(active, order, c->ad);
    if (c->move.action == JOB_ACT_FINISH)
        move_clean(p, c->id);
    if (c->before != JOB_IDLE && c->move.next == JOB_IDLE && queue_get_job(p->queue, c->id, &job, &ignored) == 0) {
        schedule_add(p, &job);
        queue_job_release(&job);
    }
}

/* After the commit. Those that are idle no more leave the schedule together: there may be a hundred thousand. */
static void act_all(struct pool *p, const struct change *changes, size_t count)
{
    struct job_id *gone = mem_zero(count + 1, sizeof *gone);
    size_t gone_count = 0;
    for (size_t i = 0; i < count; i++)
        if (changes[i].move.allowed && changes[i].before == JOB_IDLE && changes[i].move.next != JOB_IDLE)
            gone[gone_count++] = changes[i].id;
    schedule_remove_many(p, gone, gone_count);
    free(gone);
    schedule_begin_many(p);
    for (size_t i = 0; i < count; i++)
        if (changes[i].move.allowed)
            act(p, &changes[i]);
    schedule_end_many(p);
}

static int run(struct action *a, struct error *err)
{
    const char *name = ad_string(a->request, "Action", "");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            a->verb = &verbs[i];
    if (!a->verb)
        return error_set(err, ERR_INVALID, "there is no action '%s'", name);
    ad_make_list(a->answer, "Results");
    if (find_jobs(a, err) < 0 || change_all(a, err) < 0)
        return -1;
    fault_point("pool.acted");
    act_all(a->pool, a->changes, a->change_count);
    return 0;
}

int actions_run(struct pool *p, uid_t uid, const struct ad *request, struct ad *answer, struct error *err)
{
    struct action a = { .pool = p, .request = request, .answer = answer, .uid = uid };
    int result = run(&a, err);
    for (size_t i = 0; i < a.change_count; i++)
        ad_free(a.changes[i].ad);
    free(a.changes);
    free(a.found.ids);
    free(a.clusters.ids);
    ad_expr_free(a.constraint);
    return result;
}

/* ---- what expressions decide ---- */

/* Within the transaction. `c` stays as it was if there is nothing to act upon. */
static int decide(struct pool *p, const struct decision *d, struct change *c, struct error *err)
{
    struct queue_job job;
    int result = queue_get_job(p->queue, d->id, &job, err);
    if (result != 0)
        return result < 0 ? -1 : 0;
    if (d->problem && d->problem[0])
        ad_set_string(job.ad, "PeriodicError", d->problem);
    else if (d->problem)
        ad_remove(job.ad, "PeriodicError");
    if (d->event == JOB_EVENT_COUNT)
        result = queue_put_job(p->queue, &job, err);
    else
        result = apply(p, &job, d, false, c, err);
    queue_job_release(&job);
    return result;
}

int actions_decide(struct pool *p, const struct decision *decisions, size_t count, struct error *err)
{
    struct change *changes = mem_zero(count, sizeof *changes);
    int result = queue_begin(p->queue, err);
    bool begun = result == 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = decide(p, &decisions[i], &changes[i], err);
    fault_point("pool.decide");
    if (result == 0)
        result = event_commit(p, err);
    else if (begun)
        event_rollback(p);
    fault_point("pool.decided");
    if (result == 0)
        act_all(p, changes, count);
    for (size_t i = 0; i < count; i++)
        ad_free(changes[i].ad);
    free(changes);
    return result;
}

void actions_vacate_all(struct pool *p)
{
    auto_ad struct ad *request = ad_new();
    auto_ad struct ad *answer = ad_new();
    struct error ignored;
    ad_set_string(request, "Action", "vacate");
    ad_set_string(request, "Constraint", "true");
    ad_set_string(request, "Reason", "the pool is being stopped");
    actions_run(p, 0, request, answer, &ignored);
}

/* ---- edit ---- */

static bool is_undefined(const struct ad *ad, const char *name)
{
    auto_buf struct buf text = { 0 };
    return ad_print_expr(ad, name, &text) && strcasecmp(buf_cstr(&text), "undefined") == 0;
}

/* Neither a number nor a text nor a truth value as it stands. */
static bool is_expression(const struct ad *ad, const char *name)
{
    return !ad_string(ad, name, NULL) && ad_real(ad, name, 0) != ad_real(ad, name, 1) && ad_bool(ad, name, false) != ad_bool(ad, name, true);
}

/* What a submit file would refuse must not come in by an edit. */
int actions_check_set(const struct ad *set, struct error *err)
{
    static const char *const numbers[] = {
        "JobPrio", "RequestCpus", "RequestMemory", "RequestDisk", "JobMaxRetries", "MaxRetries", "JobMaxVacateTime",
        "CheckpointIntervalUs", "CheckpointInterval", "SuccessCheckpointExitCode", "CheckpointExitCode",
    };
    for (size_t i = 0; i < ad_count(set); i++)
        if (submit_is_own(ad_name(set, i)) || strcasecmp(ad_name(set, i), "JobStatus") == 0)
            return error_set(err, ERR_INVALID, "'%s' is the pool's own; it can not be edited", ad_name(set, i));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        bool may_be_expression = strncmp(numbers[i], "Request", strlen("Request")) == 0 && is_expression(set, numbers[i]);
        if (ad_has(set, numbers[i]) && ad_int(set, numbers[i], INT64_MIN) == INT64_MIN && !is_undefined(set, numbers[i]) && !may_be_expression)
            return error_set(err, ERR_INVALID, "%s must be a whole number", numbers[i]);
    }
    auto_ad struct ad *copy = ad_copy(set);
    for (size_t i = 0; i < ad_count(set); i++)
        if (submit_check_value(copy, ad_name(set, i), err) < 0)
            return -1;
    return 0;
}

static bool names_account(const struct ad *set)
{
    return ad_has(set, "AcctGroup") || ad_has(set, "AcctGroupUser") || ad_has(set, "AccountingGroup") || ad_has(set, "NiceUser");
}

static int apply_edit(struct pool *p, uid_t uid, struct queue_job *job, const struct ad *set, struct error *err)
{
    struct ad *full = NULL;
    if (actions_check_set(set, err) < 0)
        return -1;
    ad_update(job->ad, set);
    if (queue_full_ad(p->queue, job, &full, err) < 0)
        return -1;
    int result = submit_check(full, err);
    if (result == 0 && names_account(set))
        result = account_set(uid, job->owner, full, job->ad, err);
    if (result == 0)
        result = schedule_requests(full, job, err);
    submit_clamp(p, uid, job);
    if (result == 0)
        result = event_add(p, job, full, event_new("edited", clock_wall_us()), err);
    ad_free(full);
    return result == 0 ? queue_put_job(p->queue, job, err) : -1;
}

static int edit_job(struct pool *p, uid_t uid, struct queue_job *job, const struct ad *request, struct error *err)
{
    const struct ad *set = ad_ad(request, "Set");
    if (!pool_may(p, uid, job->uid))
        return error_set(err, ERR_DENIED, "job %d.%d belongs to somebody else", job->id.cluster, job->id.proc);
    bool leaves = job_state_final(job->state) && set && ad_count(set) == 1 && ad_has(set, "LeaveJobInQueue");
    if (job->state != JOB_IDLE && job->state != JOB_HELD && !leaves)
        return error_set(err, ERR_INVALID, "job %d.%d is %s; only an idle or held job can be edited", job->id.cluster,
                         job->id.proc, job_state_name(job->state));
    if (!set || ad_count(set) == 0)
        return error_set(err, ERR_INVALID, "nothing to edit");
    if (queue_begin(p->queue, err) < 0)
        return -1;
    if (apply_edit(p, uid, job, set, err) < 0) {
        event_rollback(p);
        return -1;
    }
    return event_commit(p, err);
}

int actions_edit(struct pool *p, uid_t uid, struct job_id id, const struct ad *request, struct error *err)
{
    struct queue_job job;
    int result = queue_get_job(p->queue, id, &job, err);
    if (result != 0)
        return result;
    result = edit_job(p, uid, &job, request, err);
    if (result == 0 && job.state == JOB_IDLE) {
        schedule_remove(p, id);
        schedule_add(p, &job);
    }
    if (result == 0 && job_state_final(job.state))
        leave_look(p, &job);
    queue_job_release(&job);
    return result;
}
