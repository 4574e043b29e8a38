/*
 * A job goes back to an older checkpoint. The store gets a new generation with the old one's content, above all others; then the
 * queue learns of it. A crash in between is harmless: a generation that the queue does not know is found by the next stint.
 *
 * Meanwhile the job is out of the schedule. Whatever else happens to it (somebody holds and releases it, it starts all the
 * same): the store's fence lets no earlier stint's branch in once a later one has begun.
 */
#include "pool/ckpt.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct rewind {
    struct ckpt_ask ask;
    int stint; /* the job's last one when it was asked */
    int last;  /* what the queue knows as its newest generation */
};

/* ---- in the child ---- */

static int branch(struct store *store, const struct rewind *w, const struct manifest *manifest, int *made, struct error *err)
{
    const struct ckpt_item *item = &w->ask.items[0];
    auto_free int *generations = NULL;
    size_t count = 0;
    if (store_list(store, item->job, &generations, &count, err) < 0)
        return -1;
    int newest = count > 0 ? generations[count - 1] : 0;
    *made = (newest > w->last ? newest : w->last) + 1;
    int result = store_branch(store, item->job, manifest->generation, item->job, *made, w->stint, err);
    if (result == STORE_FENCED || result == STORE_EXISTS)
        return error_set(err, ERR_INVALID, "job %s has started meanwhile; let it leave its slot first: stint vacate %s", item->job,
                         item->job);
    if (result == STORE_ABSENT)
        return error_set(err, ERR_INVALID, "checkpoint %s@%d has just been removed", item->job, manifest->generation);
    return result;
}

static int work(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct rewind *w = data;
    const struct ckpt_item *item = &w->ask.items[0];
    auto_store struct store *store = NULL;
    struct manifest manifest;
    int made = 0;
    if (ckpt_open_store(&w->ask, &store, err) < 0 || ckpt_find(store, item, &manifest, err) < 0)
        return -1;
    int done = strcmp(manifest.kind, "checkpoint") == 0 ? 0 :
               error_set(err, ERR_INVALID, "%s@%d is what an eviction left, not a checkpoint", item->job, manifest.generation);
    if (done == 0)
        done = ckpt_check(line, store, item, &manifest, err);
    if (done == 0)
        done = branch(store, w, &manifest, &made, err);
    ad_set_string(result, "Id", item->job);
    ad_set_int(result, "To", manifest.generation);
    ad_set_int(result, "Generation", made);
    ad_set_int(result, "Bytes", manifest.bytes);
    ad_set_int(result, "Files", (int64_t)manifest.entry_count);
    manifest_release(&manifest);
    return done;
}

/* ---- in the pool ---- */

/* What waits to be delivered was computed after the checkpoint that it goes back to. */
static void go_back(struct queue_job *job, int generation)
{
    static const char *const later[] = { "Deliver", "DeliverBoot", "ExitCode", "ExitSignal", "ExitBySignal", "Retries", "BackOff",
                                         "DoubtedGeneration" };
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        ad_remove(job->ad, later[i]);
    ad_set_int(job->ad, "CheckpointGeneration", generation);
    ad_set_int(job->ad, "LastGeneration", generation);
}

static int tell(struct pool *p, struct queue_job *job, const struct ad *answer, int from, struct error *err)
{
    auto_ad struct ad *row = ad_new(), *full = NULL;
    int64_t now = clock_wall_us();
    int generation = (int)ad_int(answer, "Generation", 0);
    ad_set_int(row, "Generation", generation);
    ad_copy_attribute(row, "Bytes", answer, "Bytes");
    ad_copy_attribute(row, "Files", answer, "Files");
    ad_set_int(row, "NewBytes", 0);
    ad_set_int(row, "Stint", job->stint);
    ad_set_int(row, "Time", now);
    ad_set_string(row, "Kind", "checkpoint");
    ad_set_string(row, "Why", "rewind");
    ad_copy_attribute(row, "From", answer, "To");
    if (queue_put_checkpoint(p->queue, job->id, generation, row, err) < 0 || queue_full_ad(p->queue, job, &full, err) < 0)
        return -1;
    struct ad *event = event_new("rewound", now);
    ad_set_int(event, "From", from);
    ad_copy_attribute(event, "To", answer, "To");
    ad_set_int(event, "Generation", generation);
    return event_add(p, job, full, event, err);
}

static int change(struct pool *p, const struct rewind *w, struct ad *answer, struct error *err)
{
    struct queue_job job;
    const char *id = w->ask.items[0].job;
    int result = queue_get_job(p->queue, w->ask.items[0].id, &job, err);
    if (result != 0)
        return result < 0 ? -1 : error_set(err, ERR_INVALID, "job %s has left the queue meanwhile", id);
    int from = (int)ad_int(job.ad, "CheckpointGeneration", 0);
    if ((job.state != JOB_IDLE && job.state != JOB_HELD) || job.stint != w->stint)
        result = error_set(err, ERR_INVALID, "job %s has started meanwhile; let it leave its slot first: stint vacate %s", id, id);
    if (result == 0) {
        go_back(&job, (int)ad_int(answer, "Generation", 0));
        ad_set_int(answer, "From", from);
        result = tell(p, &job, answer, from, err);
    }
    if (result == 0)
        result = queue_put_job(p->queue, &job, err);
    queue_job_release(&job);
    return result;
}

static int settle(struct pool *p, void *data, struct ad *answer, struct error *err)
{
    fault_point("pool.rewind");
    if (queue_begin(p->queue, err) < 0)
        return -1;
    if (change(p, data, answer, err) < 0) {
        event_rollback(p);
        return -1;
    }
    upload_want(p);
    return event_commit(p, err);
}

/* It may start again, unless something has happened to it that is not idle. */
static void release(struct pool *p, void *data, bool settled)
{
    struct rewind *w = data;
    struct queue_job job;
    struct error ignored;
    (void)settled;
    if (!p->stopping && w->ask.count > 0 && queue_get_job(p->queue, w->ask.items[0].id, &job, &ignored) == 0) {
        schedule_remove(p, job.id);
        if (job.state == JOB_IDLE)
            schedule_add(p, &job);
        queue_job_release(&job);
    }
    ckpt_release(&w->ask);
    free(w);
}

static int check(const struct queue_job *job, int64_t to, struct error *err)
{
    char id[JOB_ID_TEXT_MAX];
    job_id_print(job->id, id);
    if (job->state != JOB_IDLE && job->state != JOB_HELD)
        return error_set(err, ERR_INVALID, "job %s is %s; let it leave its slot first: stint hold %s (or stint vacate %s)", id,
                         job_state_name(job->state), id, id);
    if (to == ad_int(job->ad, "CheckpointGeneration", 0))
        return error_set(err, ERR_INVALID, "job %s goes on from checkpoint %lld already", id, (long long)to);
    return 0;
}

static int start(struct request *rq, struct rewind *w, struct error *err)
{
    struct queue_job job;
    int64_t to = ad_int(rq->input, "To", 0);
    char name[CKPT_NAME_MAX], id[JOB_ID_TEXT_MAX];
    if (to < 1 || to > INT_MAX)
        return error_set(err, ERR_INVALID, "To must be the number of a checkpoint");
    snprintf(name, sizeof name, "%s@%lld", job_id_print(rq->id, id), (long long)to);
    if (ckpt_begin(rq, &w->ask, err) < 0 || ckpt_add(rq, &w->ask, name, err) < 0)
        return -1;
    int result = queue_get_job(rq->pool->queue, rq->id, &job, err);
    if (result != 0)
        return result < 0 ? -1 : error_set(err, ERR_INVALID, "job %s is not in the queue any more; make a new one of its checkpoint: "
                                           "stint clone %s --at %lld", id, id, (long long)to);
    result = check(&job, to, err);
    w->stint = job.stint;
    w->last = (int)ad_int(job.ad, "LastGeneration", 0);
    queue_job_release(&job);
    return result;
}

int branch_rewind(struct request *rq, struct ad *answer, struct error *err)
{
    struct rewind *w = mem_new(struct rewind);
    (void)answer;
    if (start(rq, w, err) < 0) {
        ckpt_release(&w->ask);
        free(w);
        return -1;
    }
    schedule_remove(rq->pool, rq->id);
    struct task_plan plan = { .data = w, .work = work, .settle = settle, .release = release };
    return ckpt_start(rq, &plan, err);
}
