/*
 * Whether a job may start on this machine: its Requirements, the machine's Start, and its time. Requirements look at the job (MY) and
 * the machine (TARGET), Start at the machine (MY) and the job (TARGET). Undefined is no.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "policy/dollar.h"
#include "pool/pool.h"
#include "pool/request.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int match_utc_offset(void)
{
    time_t now = (time_t)(clock_wall_us() / CLOCK_SECOND_US);
    struct tm tm;
    localtime_r(&now, &tm);
    return (int)tm.tm_gmtoff;
}

struct ad_scope match_scope(struct pool *p, const struct ad *job)
{
    return (struct ad_scope){ .my = job, .target = machine_now(p), .now = clock_wall_us() / CLOCK_SECOND_US, .utc_offset_s = match_utc_offset() };
}

/* What may have another value in a minute though neither job nor machine was changed. */
static bool text_is_timed(const char *text)
{
    static const char *const words[] = { "time", "Clock", "LoadAvg", "random", "Age", "State", "Activity", "eval" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(text, words[i]))
            return true;
    return false;
}

static bool requirements_are_timed(const struct pool *p, const struct ad *job)
{
    auto_buf struct buf text = { 0 };
    ad_print_expr(job, "Requirements", &text);
    if (p->config.start)
        ad_expr_print(p->config.start, &text);
    return text_is_timed(buf_cstr(&text));
}

static bool requirements_are_true(const struct ad_scope *scope)
{
    struct value value;
    if (!ad_has(scope->my, "Requirements"))
        return true;
    ad_eval(scope, "Requirements", &value);
    bool truth = (value.kind == VALUE_BOOL && value.boolean) || (value.kind == VALUE_INT && value.integer != 0) ||
                 (value.kind == VALUE_REAL && value.real != 0);
    value_release(&value);
    return truth;
}

static bool machine_takes(const struct pool *p, const struct ad_scope *scope)
{
    struct ad_scope other = *scope;
    other.my = scope->target;
    other.target = scope->my;
    return !p->config.start || ad_expr_true(p->config.start, &other);
}

bool match_is_asked(const struct pool *p, const struct ad *full)
{
    return p->config.start || dollar_is_in(full) || (ad_has(full, "Requirements") && !ad_bool(full, "Requirements", false)) || deferral_wanted(full);
}

static void look_at_time(const struct pool *p, const struct ad *job, struct match *out)
{
    int64_t now = clock_wall_us();
    out->deferred = deferral_of(p, job, &out->deferral);
    if (!out->deferred)
        return;
    const struct deferral *d = &out->deferral;
    if (now < (d->time_s - d->preparation_s) * CLOCK_SECOND_US) {
        out->result = MATCH_LATER;
        out->wait_us = (d->time_s - d->preparation_s) * CLOCK_SECOND_US - now;
    } else if (now / CLOCK_SECOND_US > d->time_s + d->window_s) {
        out->result = MATCH_MISSED;
    }
}

static void look_at_texts(const struct ad *job, const struct ad_scope *scope, struct match *out)
{
    auto_ad struct ad *copy = ad_copy(job);
    struct error why;
    if (dollar_expand(copy, scope, &why) == 0)
        return;
    out->result = MATCH_NO_VALUE;
    snprintf(out->why, sizeof out->why, "%.199s", why.text);
}

int match_try(struct pool *p, const struct queue_job *job, struct match *out, struct error *err)
{
    struct ad *view = NULL;
    *out = (struct match){ .result = MATCH_YES };
    if (report_job(p, job, &view, err) < 0)
        return -1;
    struct ad_scope scope = match_scope(p, view);
    look_at_time(p, view, out);
    bool suits = requirements_are_true(&scope), taken = machine_takes(p, &scope);
    if (out->result == MATCH_YES && !suits)
        out->result = MATCH_UNSUITED;
    else if (out->result == MATCH_YES && !taken)
        out->result = MATCH_NOT_TAKEN;
    else if (out->result == MATCH_YES && dollar_is_in(view))
        look_at_texts(view, &scope, out);
    out->timed = requirements_are_timed(p, view);
    ad_free(view);
    return 0;
}

/* ---- for people ---- */

/* Each clause of both, with values. */
static void explain_both(struct pool *p, const struct ad *view, struct ad *answer)
{
    struct ad_scope scope = match_scope(p, view), other = scope;
    struct ad_expr *requirements = ad_expr_of(view, "Requirements");
    bool suits = true, taken = true;
    ad_make_list(answer, "Clauses");
    ad_make_list(answer, "StartClauses");
    if (requirements)
        suits = policy_explain(requirements, &scope, answer, "Clauses");
    other.my = scope.target;
    other.target = view;
    if (p->config.start)
        taken = policy_explain(p->config.start, &other, answer, "StartClauses");
    ad_set_bool(answer, "Suits", suits);
    ad_set_bool(answer, "Taken", taken);
    ad_expr_free(requirements);
    struct value rank;
    ad_eval(&scope, "Rank", &rank);
    if (rank.kind == VALUE_INT || rank.kind == VALUE_REAL)
        ad_set_real(answer, "Rank", rank.kind == VALUE_INT ? (double)rank.integer : rank.real);
    value_release(&rank);
}

int match_get(struct request *rq, struct ad *answer, struct error *err)
{
    struct pool *p = rq->pool;
    struct queue_job job;
    struct request_job seen = { 0 };
    auto_ad struct ad *view = NULL;
    auto_buf struct buf why = { 0 };
    int result = queue_get_job(p->queue, rq->id, &job, err);
    if (result != 0)
        return result == QUEUE_ABSENT ? REQUEST_NOT_FOUND : result;
    if (!request_may_see(rq, rq->id, &seen))
        result = error_set(err, ERR_DENIED, "job %d.%d belongs to somebody else", rq->id.cluster, rq->id.proc);
    if (result == 0)
        result = report_job(p, &job, &view, err);
    if (result == 0) {
        explain_both(p, view, answer);
        ad_set_string(answer, "JobState", job_state_name(job.state));
        ad_set_int(answer, "ClusterId", job.id.cluster);
        ad_set_int(answer, "ProcId", job.id.proc);
        schedule_explain(p, &job, &why);
        if (why.len > 0)
            ad_set_string(answer, "IdleReason", buf_cstr(&why));
    }
    queue_job_release(&job);
    return result;
}
