/*
 * What a request is answered with, below HTTP: the table of methods and paths, and the handlers that need no file of their own.
 * Nothing here knows of libmicrohttpd, so that tests and the fuzzer ask in the same way as clients do.
 */
#include "base/mem.h"
#include "pool/request.h"

#include <stdlib.h>
#include <string.h>

const char *request_query(const struct request *rq, const char *name)
{
    return rq->query(rq->source, name, 0);
}

int64_t request_number(const struct request *rq, const char *name, int64_t fallback)
{
    const char *text = request_query(rq, name);
    return text ? strtoll(text, NULL, 10) : fallback;
}

bool request_may_see(struct request *rq, struct job_id id, struct request_job *last)
{
    struct pool *p = rq->pool;
    struct error ignored;
    struct queue_owner owner;
    if (!p->machine_wide || rq->uid == 0)
        return true; /* nobody else got this far */
    if (last->id.cluster == id.cluster && last->id.proc == id.proc)
        return last->may;
    bool known = queue_get_owner(p->queue, id, &owner, &ignored) == 0;
    *last = (struct request_job){ .id = id, .may = known && pool_may(p, rq->uid, owner.uid) };
    return last->may;
}

void request_release(struct request *rq)
{
    buf_release(&rq->body);
    buf_release(&rq->raw);
    ad_free(rq->input);
    task_leave(rq->task);
}

/* ---- handlers ---- */

static int get_pool(struct request *rq, struct ad *answer, struct error *err)
{
    (void)err;
    report_pool(rq->pool, answer);
    return 0;
}

static int get_job(struct request *rq, struct ad *answer, struct error *err)
{
    struct request_job job = { 0 };
    int result = request_may_see(rq, rq->id, &job) ? report_story(rq->pool, rq->id, answer, err)
                                                   : report_public_story(rq->pool, rq->id, answer, err);
    return result == QUEUE_ABSENT ? REQUEST_NOT_FOUND : result;
}

static int post_cluster(struct request *rq, struct ad *answer, struct error *err)
{
    return submit_cluster(rq->pool, rq->uid, rq->input, answer, err);
}

static int post_reserve(struct request *rq, struct ad *answer, struct error *err)
{
    struct queue *q = rq->pool->queue;
    int number;
    if (queue_begin(q, err) < 0)
        return -1;
    if (queue_reserve_for(q, rq->uid, &number, err) < 0) {
        queue_rollback(q);
        return -1;
    }
    ad_set_int(answer, "ClusterId", number);
    return queue_commit(q, err);
}

static int post_actions(struct request *rq, struct ad *answer, struct error *err)
{
    return actions_run(rq->pool, rq->uid, rq->input, answer, err);
}

static int post_edit(struct request *rq, struct ad *answer, struct error *err)
{
    (void)answer;
    int result = actions_edit(rq->pool, rq->uid, rq->id, rq->input, err);
    return result == QUEUE_ABSENT ? REQUEST_NOT_FOUND : result;
}

bool request_is_master(const struct request *rq)
{
    return rq->uid == 0 || rq->uid == rq->pool->owner.uid;
}

static int check_master(struct request *rq, struct error *err)
{
    if (request_is_master(rq))
        return 0;
    return error_set(err, ERR_DENIED, "only '%s' may do that to this pool", rq->pool->owner.name);
}

static int post_stop(struct request *rq, struct ad *answer, struct error *err)
{
    struct pool *p = rq->pool;
    (void)answer;
    if (check_master(rq, err) < 0)
        return -1;
    pool_want(p, false);
    if (ad_bool(rq->input, "Vacate", false)) {
        p->vacating = true;
        actions_vacate_all(p);
    } else {
        p->stopping = true; /* the loop ends when this answer is on its way: see api_round */
    }
    return 0;
}

static int post_reschedule(struct request *rq, struct ad *answer, struct error *err)
{
    (void)answer;
    (void)err;
    rq->pool->schedule = true;
    return 0;
}

/* ---- routes ---- */

/* "*" stands for a job's id, "#" at the end for a word. */
static const struct {
    const char *method, *path;
    request_fn *fn;
} routes[] = {
    { "GET", "/v1/pool", get_pool },
    { "GET", "/v1/machine", machine_get },
    { "POST", "/v1/pool/stop", post_stop },
    { "POST", "/v1/pool/reschedule", post_reschedule },
    { "POST", "/v1/clusters/reserve", post_reserve },
    { "POST", "/v1/clusters", post_cluster },
    { "GET", "/v1/jobs", list_jobs },
    { "GET", "/v1/jobs/*", get_job },
    { "POST", "/v1/jobs/*/edit", post_edit },
    { "GET", "/v1/jobs/*/output", output_get },
    { "GET", "/v1/jobs/*/requirements", match_get },
    { "POST", "/v1/actions", post_actions },
    { "GET", "/v1/events", list_events },
    { "GET", "/v1/ledger", list_ledger },
    { "GET", "/v1/users", list_users },
    { "POST", "/v1/users", users_change },
    { "POST", "/v1/checkpoints/#", ckpt_post },
    { "POST", "/v1/jobs/*/rewind", branch_rewind },
    { "POST", "/v1/jobs/*/clone", branch_clone },
};

static bool match(const char *pattern, const char *url, struct request *rq)
{
    const char *star = strchr(pattern, '*'), *hash = strchr(pattern, '#');
    struct job_id *id = &rq->id;
    if (hash && strncmp(pattern, url, (size_t)(hash - pattern)) == 0)
        rq->word = url + (hash - pattern);
    if (hash)
        return rq->word && *rq->word;
    if (!star)
        return strcmp(pattern, url) == 0;
    size_t before = (size_t)(star - pattern);
    if (strncmp(pattern, url, before) != 0)
        return false;
    size_t len = strcspn(url + before, "/");
    auto_free char *name = mem_dup_n(url + before, len);
    return strcmp(star + 1, url + before + len) == 0 && job_id_parse(name, id) && id->proc != JOB_ALL_PROCS;
}

int request_run(struct request *rq, const char *method, const char *url, struct ad *answer, struct error *err)
{
    ad_free(rq->input);
    rq->input = NULL;
    rq->word = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].method, method) != 0 || !match(routes[i].path, url, rq))
            continue;
        if (!rq->pool->machine_wide && check_master(rq, err) < 0)
            return -1;
        if (strcmp(method, "POST") == 0 && ad_parse_json(buf_cstr(&rq->body), rq->body.len, &rq->input, err) < 0)
            return error_wrap(err, "the request's body");
        return routes[i].fn(rq, answer, err);
    }
    return REQUEST_NOT_FOUND;
}
