/* Answers that are lists. */
#include "base/clock.h"
#include "base/mem.h"
#include "pool/request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { EVENTS_MAX = 1000, WAIT_MAX_S = 60, IDS_MAX = 256 };

/* ---- jobs ---- */

struct job_query {
    struct request *rq;
    struct ad *answer;
    struct ad_expr *constraint;
    struct ad *attributes; /* only those with a name in it; NULL = all */
    int64_t limit, count;
    struct error *err;
    int failed;
};

/* A comma-separated list of names, as an ad that has them. */
static struct ad *parse_names(const char *list)
{
    struct ad *names = ad_new();
    while (*list) {
        size_t len = strcspn(list, ", ");
        auto_free char *name = mem_dup_n(list, len);
        if (len > 0 && ad_name_valid(name))
            ad_set_bool(names, name, true);
        list += len + strspn(list + len, ", ");
    }
    return names;
}

static struct ad *project(const struct ad *ad, const struct ad *names)
{
    struct ad *some = ad_new();
    for (size_t i = 0; i < ad_count(names); i++)
        ad_copy_attribute(some, ad_name(names, i), ad, ad_name(names, i));
    return some;
}

static bool add_job(void *data, const struct queue_job *job)
{
    struct job_query *q = data;
    struct ad *ad = NULL;
    if (report_job(q->rq->pool, job, &ad, q->err) < 0) {
        q->failed = -1;
        return false;
    }
    if (!pool_may(q->rq->pool, q->rq->uid, job->uid)) { /* a constraint must not tell what is not shown either */
        struct ad *some = report_public(ad);
        ad_free(ad);
        ad = some;
    }
    struct ad_scope scope = { .my = ad, .now = clock_wall_us() / CLOCK_SECOND_US };
    if (q->constraint && !ad_expr_true(q->constraint, &scope)) {
        ad_free(ad);
        return true;
    }
    if (q->attributes) {
        struct ad *some = project(ad, q->attributes);
        ad_free(ad);
        ad = some;
    }
    ad_append_ad(q->answer, "Jobs", ad);
    return q->limit == 0 || ++q->count < q->limit;
}

static int query_jobs(struct job_query *q, struct error *err)
{
    struct request *rq = q->rq;
    struct job_id ids[IDS_MAX];
    int count = 0;
    const char *history = request_query(rq, "history");
    struct queue_filter filter = { .owner = request_query(rq, "owner"), .id.proc = JOB_ALL_PROCS };
    filter.history = history && strcmp(history, "0") != 0;
    if (!q->constraint)
        filter.limit = q->limit;
    for (const char *name; (name = rq->query(rq->source, "id", count)); count++) {
        if (count == IDS_MAX)
            return error_set(err, ERR_LIMIT, "more than %d ids in one request; use a constraint", IDS_MAX);
        if (!job_id_parse(name, &ids[count]))
            return error_set(err, ERR_INVALID, "'%s' is no job; write 7.0, or 7 for a whole cluster", name);
    }
    for (int i = 0; i < (count ? count : 1) && (q->limit == 0 || q->count < q->limit); i++) {
        if (count)
            filter.id = ids[i];
        if (queue_each_job(rq->pool->queue, &filter, add_job, q, err) < 0)
            return -1;
    }
    return q->failed;
}

int list_jobs(struct request *rq, struct ad *answer, struct error *err)
{
    struct job_query q = { .rq = rq, .answer = answer, .err = err };
    const char *constraint = request_query(rq, "constraint"), *names = request_query(rq, "attributes");
    q.limit = request_number(rq, "limit", 0);
    q.limit = q.limit > 0 ? q.limit : 0;
    ad_make_list(answer, "Jobs");
    if (constraint && ad_expr_parse(constraint, &q.constraint, err) < 0)
        return error_wrap(err, "the constraint");
    q.attributes = names ? parse_names(names) : NULL;
    int result = query_jobs(&q, err);
    ad_free(q.attributes);
    ad_expr_free(q.constraint);
    return result;
}

/* ---- events ---- */

struct event_query {
    struct request *rq;
    struct ad *answer;
    struct request_job job;
};

static bool add_event(void *data, const struct queue_event *event)
{
    struct event_query *q = data;
    struct ad *ad = report_event(event);
    if (!request_may_see(q->rq, event->id, &q->job)) {
        struct ad *some = report_public_record(ad);
        ad_free(ad);
        ad = some;
    }
    ad_append_ad(q->answer, "Events", ad);
    return true;
}

int list_events(struct request *rq, struct ad *answer, struct error *err)
{
    struct pool *p = rq->pool;
    struct job_id id = { .proc = JOB_ALL_PROCS };
    struct event_query query = { .rq = rq, .answer = answer };
    const char *name = request_query(rq, "id");
    int64_t after = request_number(rq, "after", 0), wait = request_number(rq, "wait", 0);
    int64_t limit = request_number(rq, "limit", EVENTS_MAX);
    if (name && !job_id_parse(name, &id))
        return error_set(err, ERR_INVALID, "'%s' is no job", name);
    ad_make_list(answer, "Events");
    if (queue_each_event(p->queue, after, id, limit > 0 && limit < EVENTS_MAX ? limit : EVENTS_MAX, add_event, &query, err) < 0)
        return -1;
    ad_set_int(answer, "Last", p->last_event);
    if (ad_list_count(answer, "Events") > 0 || wait <= 0)
        return 0;
    if (rq->deadline == 0)
        rq->deadline = clock_boot_us() + (wait > WAIT_MAX_S ? WAIT_MAX_S : wait) * CLOCK_SECOND_US;
    rq->wait = clock_boot_us() < rq->deadline && !p->stopping;
    return 0;
}

/* ---- ledger and users ---- */

/* "2026-11-23" as days since 1970; false for anything else. Howard Hinnant's days_from_civil, public domain. */
static bool parse_day(const char *text, int *day)
{
    int y, m, d, used = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &used) != 3 || text[used] || m < 1 || m > 12 || d < 1 || d > 31 || y < 1970)
        return false;
    y -= m <= 2;
    int era = y / 400, of_era = y - era * 400;
    int of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    *day = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return true;
}

int list_ledger(struct request *rq, struct ad *answer, struct error *err)
{
    const char *by = request_query(rq, "by"), *since = request_query(rq, "since"), *until = request_query(rq, "until");
    const char *name = request_query(rq, "id");
    struct queue_ledger_query query = { .by = by ? by : "user", .owner = request_query(rq, "owner"), .id.proc = JOB_ALL_PROCS };
    if (name && !job_id_parse(name, &query.id))
        return error_set(err, ERR_INVALID, "'%s' is no job", name);
    if ((since && !parse_day(since, &query.first_day)) || (until && !parse_day(until, &query.last_day)))
        return error_set(err, ERR_INVALID, "a day is written 2026-11-23");
    if (query.first_day && !query.last_day)
        query.last_day = 1000000;
    ad_make_list(answer, "Ledger");
    return queue_ledger(rq->pool->queue, &query, answer, "Ledger", err);
}

static void add_user(void *data, const struct queue_usage *usage)
{
    struct ad *user = ad_new();
    ad_set_string(user, "Owner", usage->owner);
    ad_set_real(user, "DecayedCpuS", usage->decayed_cpu_s);
    ad_set_int(user, "TotalCpuUs", usage->total_cpu_us);
    ad_set_real(user, "Factor", usage->factor);
    ad_set_real(user, "EffectivePriority", (usage->decayed_cpu_s < 0.5 ? 0.5 : usage->decayed_cpu_s) * usage->factor);
    ad_append_ad(data, "Users", user);
}

int list_users(struct request *rq, struct ad *answer, struct error *err)
{
    ad_make_list(answer, "Users");
    return queue_each_usage(rq->pool->queue, add_user, answer, err);
}
