#include "base/clock.h"
#include "pool/request.h"

#include <string.h>

int chosen_begin(struct request *rq, struct chosen *chosen, struct error *err)
{
    const char *text = request_query(rq, "constraint");
    chosen->now = clock_wall_us() / CLOCK_SECOND_US;
    if (!text || ad_expr_parse(text, &chosen->constraint, err) == 0)
        return 0;
    return error_wrap(err, "the constraint");
}

void chosen_release(struct chosen *chosen)
{
    ad_expr_free(chosen->constraint);
    chosen->constraint = NULL;
}

struct look {
    struct request *rq;
    struct chosen *chosen;
    bool found, is_wanted;
};

static bool look_at(void *data, const struct queue_job *job)
{
    struct look *look = data;
    struct ad *ad = NULL;
    struct error ignored;
    look->found = true;
    if (report_job(look->rq->pool, job, &ad, &ignored) < 0)
        return false;
    if (!pool_may(look->rq->pool, look->rq->uid, job->uid)) {
        struct ad *open = report_public(ad);
        ad_free(ad);
        ad = open;
    }
    struct ad_scope scope = { .my = ad, .now = look->chosen->now };
    look->is_wanted = patience_true(&look->chosen->patience, look->chosen->constraint, &scope);
    ad_free(ad);
    return false;
}

bool chosen_wants(struct request *rq, struct chosen *chosen, struct job_id id)
{
    size_t places = sizeof chosen->kept / sizeof chosen->kept[0];
    size_t at = ((size_t)id.cluster * 31 + (size_t)id.proc) % places;
    if (!chosen->constraint)
        return true;
    if (chosen->kept[at].id.cluster == id.cluster && chosen->kept[at].id.proc == id.proc)
        return chosen->kept[at].is_wanted;
    struct look look = { .rq = rq, .chosen = chosen };
    struct queue_filter filter = { .id = id, .limit = 1 };
    struct error ignored;
    queue_each_job(rq->pool->queue, &filter, look_at, &look, &ignored);
    filter.history = true;
    if (!look.found)
        queue_each_job(rq->pool->queue, &filter, look_at, &look, &ignored);
    chosen->kept[at].id = id;
    chosen->kept[at].is_wanted = look.is_wanted;
    return look.is_wanted;
}
