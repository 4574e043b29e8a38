/* Answers that are lists. */
#include "base/clock.h"
#include "base/mem.h"
#include "pool/request.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_MAX = 1000, WAIT_MAX_S = 60 };

/* ---- events ---- */

struct event_query {
    struct request *rq;
    struct ad *answer;
    struct request_job job;
    struct chosen chosen;
    int64_t left;
    int64_t seen; /* the number of the last one that was looked at */
};

static bool add_event(void *data, const struct queue_event *event)
{
    struct event_query *q = data;
    q->seen = event->seq;
    if (!chosen_wants(q->rq, &q->chosen, event->id))
        return true;
    struct ad *ad = report_event(event);
    if (!request_may_see(q->rq, event->id, &q->job)) {
        struct ad *some = report_public_record(ad);
        ad_free(ad);
        ad = some;
    }
    ad_append_ad(q->answer, "Events", ad);
    return --q->left > 0;
}

/* With a constraint many may be passed over before one is found; as many as one request should take. */
static int find_events(struct event_query *q, int64_t after, struct job_id id, struct error *err)
{
    enum { LOOK_AT_MAX = 100000 };
    struct pool *p = q->rq->pool;
    int64_t at_most = q->chosen.constraint ? LOOK_AT_MAX : q->left;
    q->seen = after;
    if (queue_each_event(p->queue, after, id, at_most, add_event, q, err) < 0 || patience_check(&q->chosen.patience, err) < 0)
        return -1;
    /* what was passed over need not be asked for again */
    ad_set_int(q->answer, "Last", q->chosen.constraint && q->seen > after ? q->seen : p->last_event);
    return 0;
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
    if (chosen_begin(rq, &query.chosen, err) < 0)
        return -1;
    query.left = limit > 0 && limit < EVENTS_MAX ? limit : EVENTS_MAX;
    ad_make_list(answer, "Events");
    int result = find_events(&query, after, id, err);
    chosen_release(&query.chosen);
    if (result < 0 || ad_list_count(answer, "Events") > 0 || wait <= 0)
        return result;
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

struct sums {
    struct ad **rows;
    size_t count, capacity;
};

static bool same_keys(const struct ad *a, const struct ad *b)
{
    static const char *const keys[] = { "ClusterId", "ProcId", "Stint", "Owner", "Day", "Class", "Cause", "ForUser" };
    bool same = true;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && same; i++)
        same = ad_same(a, b, keys[i]);
    return same;
}

static void add_ledger_row(struct sums *sums, const struct ad *row)
{
    static const char *const times[] = { "GoodputUs", "LostUs", "CheckpointUs", "RestoreUs", "TransferUs", "IdleUs", "OccupiedUs" };
    size_t at = 0;
    while (at < sums->count && !same_keys(sums->rows[at], row))
        at++;
    if (at == sums->count) {
        sums->rows = mem_grow(sums->rows, &sums->capacity, at + 1, sizeof(struct ad *));
        sums->rows[sums->count++] = ad_copy(row);
        return;
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (ad_has(row, times[i]))
            ad_set_int(sums->rows[at], times[i], ad_int(sums->rows[at], times[i], 0) + ad_int(row, times[i], 0));
}

struct ledger_search {
    struct request *rq;
    struct chosen chosen;
    struct queue_ledger_query query;
    bool apart; /* a job's rows are nobody else's */
    struct ad *answer;
    struct sums sums;
    struct error *err;
    int failed;
};

static bool add_ledger_of(void *data, const struct queue_job *job)
{
    struct ledger_search *s = data;
    auto_ad struct ad *one = ad_new();
    if (!chosen_wants(s->rq, &s->chosen, job->id))
        return true;
    s->query.id = job->id;
    ad_make_list(one, "Ledger");
    s->failed = queue_ledger(s->rq->pool->queue, &s->query, s->apart ? s->answer : one, "Ledger", s->err);
    for (size_t i = 0; i < ad_list_count(one, "Ledger"); i++)
        add_ledger_row(&s->sums, ad_list_ad(one, "Ledger", i));
    return s->failed == 0;
}

/* Of the jobs for which the constraint is true: what the queue sums for each of them, together. */
static int sum_chosen(struct ledger_search *s, struct error *err)
{
    struct queue_filter filter = { .id = s->query.id, .owner = s->query.owner };
    for (int history = 0; history < 2 && s->failed == 0; history++) {
        filter.history = history == 1;
        if (queue_each_job(s->rq->pool->queue, &filter, add_ledger_of, s, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < s->sums.count; i++)
        ad_append_ad(s->answer, "Ledger", s->sums.rows[i]);
    s->sums.count = 0;
    return s->failed < 0 ? -1 : patience_check(&s->chosen.patience, err);
}

static int ledger_of_chosen(struct request *rq, const struct queue_ledger_query *query, struct ad *answer, struct error *err)
{
    struct ledger_search search = { .rq = rq, .query = *query, .answer = answer, .err = err };
    search.apart = strcmp(query->by, "job") == 0 || strcmp(query->by, "stint") == 0;
    if (chosen_begin(rq, &search.chosen, err) < 0)
        return -1;
    int result = sum_chosen(&search, err);
    for (size_t i = 0; i < search.sums.count; i++)
        ad_free(search.sums.rows[i]);
    free(search.sums.rows);
    chosen_release(&search.chosen);
    return result;
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
    if (request_query(rq, "constraint"))
        return ledger_of_chosen(rq, &query, answer, err);
    return queue_ledger(rq->pool->queue, &query, answer, "Ledger", err);
}

static struct ad *usage_ad(const struct queue_usage *usage)
{
    struct ad *user = ad_new();
    ad_set_string(user, "Owner", usage->owner);
    ad_set_real(user, "DecayedCpuS", usage->decayed_cpu_s);
    ad_set_int(user, "TotalCpuUs", usage->total_cpu_us);
    ad_set_real(user, "Factor", usage->factor);
    ad_set_real(user, "EffectivePriority", (usage->decayed_cpu_s < 0.5 ? 0.5 : usage->decayed_cpu_s) * usage->factor);
    return user;
}

static void add_user(void *data, const struct queue_usage *usage)
{
    ad_append_ad(data, "Users", usage_ad(usage));
}

/* What it used is also its users' own usage. */
static void add_account(void *data, const struct queue_usage *usage)
{
    struct ad *account = usage_ad(usage);
    ad_set_bool(account, "IsAccountingGroup", true);
    ad_append_ad(data, "Users", account);
}


int list_users(struct request *rq, struct ad *answer, struct error *err)
{
    ad_make_list(answer, "Users");
    if (queue_each_usage(rq->pool->queue, add_user, answer, err) < 0)
        return -1;
    return queue_each_account(rq->pool->queue, add_account, answer, err);
}
