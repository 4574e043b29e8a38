/*
 * GET /v1/jobs. Its answer is text from the beginning: of a hundred thousand jobs no tree is built.
 *
 * Most questions name the few attributes that they want. Then a job's whole ad is not made either: what a cluster's jobs have in
 * common is printed once, and each job's own attributes and columns are put over it (lean.c). Where that cannot say the same as
 * the whole ad would, the whole ad is made.
 */
#include "pool/lean.h"

#include "base/clock.h"
#include "base/mem.h"
#include "job/references.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { IDS_MAX = 256, NAMES_MAX = 1024 };

/* An answer's part, where answers are sorted. */
struct row {
    size_t from, len, order;
    struct value key;
};

struct job_query {
    struct request *rq;
    struct ad_expr *constraint, *sort;
    struct patience patience;
    struct ad *names; /* what is wanted has a name in it; NULL = all */
    struct lean *lean; /* NULL = needs whole ads */
    int64_t limit, count, now;
    struct buf *out;
    struct row *rows;
    size_t row_count, row_capacity;
    struct error *err;
    int failed;
};

/* A comma-separated list of names, as an ad that has them. */
static int parse_names(const char *list, struct ad *names, struct error *err)
{
    while (*list) {
        size_t len = strcspn(list, ", ");
        auto_free char *name = mem_dup_n(list, len);
        if (len > 0 && ad_name_valid(name))
            ad_set_bool(names, name, true);
        if (ad_count(names) > NAMES_MAX)
            return error_set(err, ERR_LIMIT, "more than %d attributes in one request; leave the parameter out to get all", NAMES_MAX);
        list += len + strspn(list + len, ", ");
    }
    return 0;
}

struct closure {
    struct ad *some;
    const struct ad *all;
};

static void add_reference(void *data, const char *name)
{
    struct closure *c = data;
    if (ad_name_valid(name) && ad_has(c->all, name) && !ad_has(c->some, name))
        ad_copy_attribute(c->some, name, c->all, name);
}

/* What was asked for, and what their expressions refer to: so that who gets them can evaluate them. All of it, where that is open. */
static struct ad *project(const struct ad *all, const struct ad *names)
{
    struct closure c = { .some = ad_new(), .all = all };
    auto_buf struct buf text = { 0 };
    for (size_t i = 0; i < ad_count(names); i++)
        ad_copy_attribute(c.some, ad_name(names, i), all, ad_name(names, i));
    for (size_t i = 0; i < ad_count(c.some); i++) { /* it grows */
        buf_clear(&text);
        ad_print_expr(c.some, ad_name(c.some, i), &text);
        if (references_are_open(buf_cstr(&text))) {
            ad_free(c.some);
            return ad_copy(all);
        }
        references_each(buf_cstr(&text), add_reference, &c);
    }
    return c.some;
}

static bool is_wanted(struct job_query *q, const struct ad *ad)
{
    struct ad_scope scope = { .my = ad, .now = q->now };
    return !q->constraint || patience_true(&q->patience, q->constraint, &scope);
}

static size_t begin_row(struct job_query *q)
{
    if (!q->sort && q->count > 0)
        buf_char(q->out, ',');
    return q->out->len;
}

static void end_row(struct job_query *q, size_t from, const struct ad *ad)
{
    q->count++;
    if (!q->sort)
        return;
    struct ad_scope scope = { .my = ad, .now = q->now };
    q->rows = mem_grow(q->rows, &q->row_capacity, q->row_count + 1, sizeof *q->rows);
    struct row *row = &q->rows[q->row_count];
    *row = (struct row){ .from = from, .len = q->out->len - from, .order = q->row_count };
    q->row_count++;
    patience_value(&q->patience, q->sort, &scope, &row->key);
}

/* The job's whole ad. */
static int report(struct job_query *q, const struct queue_job *job, struct ad **ad)
{
    struct pool *p = q->rq->pool;
    struct queue_job parsed = *job;
    auto_ad struct ad *own = NULL;
    if (job->ad)
        return report_job(p, job, ad, q->err);
    if (queue_parse_ad(p->queue, job, &own, q->err) < 0)
        return -1;
    parsed.ad = own;
    return report_job(p, &parsed, ad, q->err);
}

static int add_whole(struct job_query *q, const struct queue_job *job)
{
    auto_ad struct ad *ad = NULL, *some = NULL;
    if (report(q, job, &ad) < 0)
        return -1;
    if (!pool_may(q->rq->pool, q->rq->uid, job->uid)) { /* a constraint must not tell what is not shown either */
        struct ad *open = report_public(ad);
        ad_free(ad);
        ad = open;
    }
    if (!is_wanted(q, ad))
        return 0;
    size_t from = begin_row(q);
    some = q->names ? project(ad, q->names) : NULL;
    ad_print_json(some ? some : ad, q->out);
    end_row(q, from, ad);
    return 0;
}

/* Outcome LEAN_UNFIT. */
static int add_lean(struct job_query *q, const struct queue_job *job)
{
    auto_ad struct ad *asked = NULL;
    int result = lean_take(q->lean, job, q->err);
    if (result == 0 && (q->constraint || q->sort))
        result = lean_ad(q->lean, job, &asked);
    if (result != 0 || !is_wanted(q, asked))
        return result;
    size_t from = begin_row(q);
    lean_print(q->lean, job, q->out);
    end_row(q, from, asked);
    return 0;
}

static bool add_job(void *data, const struct queue_job *job)
{
    struct job_query *q = data;
    int result = LEAN_UNFIT;
    if (q->lean && pool_may(q->rq->pool, q->rq->uid, job->uid))
        result = add_lean(q, job);
    if (result == LEAN_UNFIT)
        result = add_whole(q, job);
    if (result == 0 && q->out->full)
        result = error_set(q->err, ERR_LIMIT, "the answer would be longer than %zu MiB: ask for less, by attributes or limit",
                           q->out->max >> 20);
    if (result == 0)
        result = patience_check(&q->patience, q->err);
    q->failed = result < 0 ? -1 : 0;
    return result == 0 && (q->sort || q->limit == 0 || q->count < q->limit);
}

static int find_jobs(struct job_query *q, struct error *err)
{
    struct request *rq = q->rq;
    struct job_id ids[IDS_MAX];
    int count = 0;
    const char *history = request_query(rq, "history");
    struct queue_filter filter = { .owner = request_query(rq, "owner"), .id.proc = JOB_ALL_PROCS };
    filter.history = history && strcmp(history, "0") != 0;
    filter.unparsed = q->lean != NULL;
    if (!q->constraint && !q->sort)
        filter.limit = q->limit;
    for (const char *name; (name = rq->query(rq->source, "id", count)); count++) {
        if (count == IDS_MAX)
            return error_set(err, ERR_LIMIT, "more than %d ids in one request; use a constraint", IDS_MAX);
        if (!job_id_parse(name, &ids[count]))
            return error_set(err, ERR_INVALID, "'%s' is no job; write 7.0, or 7 for a whole cluster", name);
    }
    for (int i = 0; i < (count ? count : 1) && (q->sort || q->limit == 0 || q->count < q->limit); i++) {
        if (count)
            filter.id = ids[i];
        if (queue_each_job(rq->pool->queue, &filter, add_job, q, err) < 0 || q->failed < 0)
            return -1;
    }
    return 0;
}

/* ---- sorting ---- */

/* Numbers before strings before what has no value. */
static int rank_of(const struct value *key)
{
    if (key->kind == VALUE_BOOL || key->kind == VALUE_INT || key->kind == VALUE_REAL)
        return 0;
    return key->kind == VALUE_STRING ? 1 : 2;
}

static double number_of(const struct value *key)
{
    return key->kind == VALUE_REAL ? key->real : key->kind == VALUE_INT ? (double)key->integer : key->boolean;
}

static int compare_rows(const void *one, const void *two)
{
    const struct row *a = one, *b = two;
    int rank = rank_of(&a->key), difference = rank - rank_of(&b->key);
    if (difference == 0 && rank == 0)
        difference = (number_of(&a->key) > number_of(&b->key)) - (number_of(&a->key) < number_of(&b->key));
    else if (difference == 0 && rank == 1)
        difference = strcasecmp(a->key.string, b->key.string);
    return difference ? difference : (a->order > b->order) - (a->order < b->order);
}

/* What is not in the queue yet, first: a list of those who make it, and how many jobs they are together. */
static void begin_answer(struct job_query *q, struct buf *out)
{
    struct request *rq = q->rq;
    struct factory_query which = { .owner = request_query(rq, "owner"), .uid = rq->uid };
    auto_ad struct ad *head = ad_new();
    int64_t sum = 0;
    int count = 0;
    struct job_id id;
    if (request_query(rq, "history")) {
        buf_text(out, "{\"Jobs\":[");
        return;
    }
    ad_make_list(head, "Factories");
    for (const char *name; (name = rq->query(rq->source, "id", count)); count++)
        if (job_id_parse(name, &id) && (which.cluster = id.cluster) > 0)
            sum += id.proc == JOB_ALL_PROCS ? factory_list(rq->pool, &which, head, "Factories") : factory_will_make(rq->pool, id);
    which.cluster = 0;
    if (count == 0)
        sum = factory_list(rq->pool, &which, head, "Factories");
    ad_set_int(head, "ToCome", sum);
    ad_print_json(head, out);
    out->len -= out->full ? 0 : 1; /* the closing brace */
    buf_text(out, ",\"Jobs\":[");
}

static void put_in_order(struct job_query *q)
{
    struct buf ordered = { .max = q->out->max };
    qsort(q->rows, q->row_count, sizeof *q->rows, compare_rows);
    begin_answer(q, &ordered);
    for (size_t i = 0; i < q->row_count && (q->limit == 0 || (int64_t)i < q->limit); i++) {
        buf_text(&ordered, i > 0 ? "," : "");
        buf_add(&ordered, q->out->data + q->rows[i].from, q->rows[i].len);
    }
    buf_release(q->out);
    *q->out = ordered;
}

/* ---- the question ---- */

static int parse_expr(const char *text, const char *what, struct ad_expr **expr, struct error *err)
{
    if (!text || ad_expr_parse(text, expr, err) == 0)
        return 0;
    return error_wrap(err, "%s", what);
}

static int parse_query(struct job_query *q, struct error *err)
{
    const char *constraint = request_query(q->rq, "constraint"), *names = request_query(q->rq, "attributes");
    const char *sort = request_query(q->rq, "sort");
    int64_t limit = request_number(q->rq, "limit", 0);
    q->limit = limit > 0 ? limit : 0;
    if (parse_expr(constraint, "the constraint", &q->constraint, err) < 0 || parse_expr(sort, "what to sort by", &q->sort, err) < 0)
        return -1;
    if (!names)
        return 0;
    q->names = ad_new();
    if (parse_names(names, q->names, err) < 0)
        return -1;
    if ((constraint && references_are_open(constraint)) || (sort && references_are_open(sort)))
        return 0; /* only whole ads do */
    q->lean = lean_new(q->rq->pool, q->names);
    lean_also(q->lean, constraint);
    lean_also(q->lean, sort);
    return 0;
}

static int list(struct job_query *q, struct error *err)
{
    if (parse_query(q, err) < 0)
        return -1;
    begin_answer(q, q->out);
    if (find_jobs(q, err) < 0)
        return -1;
    if (q->sort)
        put_in_order(q);
    buf_text(q->out, "]}");
    q->rq->is_json = true;
    return 0;
}

int list_jobs(struct request *rq, struct ad *answer, struct error *err)
{
    struct job_query q = { .rq = rq, .out = &rq->raw, .err = err, .now = clock_wall_us() / CLOCK_SECOND_US };
    (void)answer;
    buf_clear(&rq->raw);
    rq->raw.max = LIST_BYTES_MAX;
    int result = list(&q, err);
    for (size_t i = 0; i < q.row_count; i++)
        value_release(&q.rows[i].key);
    free(q.rows);
    lean_free(q.lean);
    ad_free(q.names);
    ad_expr_free(q.constraint);
    ad_expr_free(q.sort);
    return result;
}
