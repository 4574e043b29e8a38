/*
 * A new job from a checkpoint: a clone of a job, whose chunks it shares, or what an archive brings. A number is reserved first;
 * then a child makes the new job's first generation in the store; then the job enters the queue, in one transaction. What a
 * crash in between leaves is a checkpoint without a job, which the pool's sweep at its start removes.
 */
#include "pool/ckpt.h"
#include "pool/clone.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { HOLD_AT_SUBMIT = 15, FROM_MAX = 100 };

struct branch {
    struct ckpt_ask ask;
    struct job_id id;
    char name[JOB_ID_TEXT_MAX];
    uid_t uid;
    char owner[64];
    struct ad *ad;    /* the new job's; of an import it comes with the archive */
    struct ad *notes; /* what the user should know: list Notes */
    bool held;
    const char *origin;       /* the attribute that says where it comes from, */
    char from[FROM_MAX];      /* and what it says */
};

static void branch_free(struct branch *b)
{
    ckpt_release(&b->ask);
    ad_free(b->ad);
    ad_free(b->notes);
    free(b);
}

/* ---- in the child ---- */

static int work_clone(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct branch *b = data;
    const struct ckpt_item *item = &b->ask.items[0];
    auto_store struct store *store = NULL;
    struct manifest manifest;
    if (ckpt_open_store(&b->ask, &store, err) < 0 || ckpt_find(store, item, &manifest, err) < 0)
        return -1;
    int done = strcmp(manifest.kind, "checkpoint") == 0 ? 0 :
               error_set(err, ERR_INVALID, "%s@%d is what an eviction left, not a checkpoint", item->job, manifest.generation);
    if (done == 0)
        done = ckpt_check(line, store, item, &manifest, err);
    if (done == 0)
        done = store_branch(store, item->job, manifest.generation, b->name, 1, 0, err);
    if (done > 0)
        done = error_set(err, ERR_SYSTEM, "checkpoint %s@%d can not be taken over by job %s: %s", item->job, manifest.generation,
                         b->name, done == STORE_ABSENT ? "it has just been removed" : "that has one already");
    ad_set_ad(result, "Checkpoint", ckpt_describe(store, item, &manifest));
    manifest_release(&manifest);
    return done;
}

static int work_import(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct branch *b = data;
    return ckpt_take_in(line, &b->ask, b->name, result, err);
}

/* ---- the new job in the queue ---- */

static bool is_import(const struct branch *b)
{
    return strcmp(b->origin, "ImportedFrom") == 0;
}

static int fill_job(struct pool *p, const struct branch *b, const struct ad *checkpoint, struct queue_job *job, struct error *err)
{
    *job = (struct queue_job){
        .id = b->id, .uid = b->uid, .state = b->held ? JOB_HELD : JOB_IDLE, .submitted_us = clock_wall_us(), .ad = ad_new(),
    };
    snprintf(job->owner, sizeof job->owner, "%s", b->owner);
    ad_set_string(job->ad, b->origin, b->from);
    if (b->held) {
        ad_set_string(job->ad, "HoldReason", is_import(b) ? "imported; release it when its paths are right"
                                                          : "submitted on hold at user's request");
        ad_set_int(job->ad, "HoldReasonCode", HOLD_AT_SUBMIT);
    }
    ad_set_int(job->ad, "CheckpointGeneration", 1);
    ad_set_int(job->ad, "LastGeneration", 1);
    ad_set_int(job->ad, "NumCkpts", 1);
    ad_copy_attribute(job->ad, "LastCkptTimeUs", checkpoint, "Time");
    ad_set_int(job->ad, "LastCkptTime", ad_int(checkpoint, "Time", 0) / CLOCK_SECOND_US);
    ad_copy_attribute(job->ad, "LastCkptBytes", checkpoint, "Bytes");
    if (submit_check(b->ad, err) < 0 || account_set(b->uid, b->owner, b->ad, b->ad, err) < 0 || schedule_requests(b->ad, job, err) < 0)
        return -1;
    submit_clamp(p, b->uid, job);
    return 0;
}

static int add_events(struct pool *p, const struct branch *b, struct queue_job *job, struct error *err)
{
    struct ad *event = event_new("submitted", job->submitted_us);
    ad_copy_attribute(event, b->origin, job->ad, b->origin);
    if (event_add(p, job, b->ad, event, err) < 0)
        return -1;
    if (!b->held)
        return 0;
    event = event_new("held", job->submitted_us);
    ad_copy_attribute(event, "Reason", job->ad, "HoldReason");
    ad_set_int(event, "Code", HOLD_AT_SUBMIT);
    ad_set_int(event, "Subcode", 0);
    return event_add(p, job, b->ad, event, err);
}

static int add_row(struct pool *p, const struct queue_job *job, const struct ad *checkpoint, const char *why, struct error *err)
{
    auto_ad struct ad *row = ad_new();
    ad_set_int(row, "Generation", 1);
    ad_set_string(row, "Kind", "checkpoint");
    ad_set_string(row, "Why", why);
    ad_copy_attribute(row, "Time", checkpoint, "Time");
    ad_copy_attribute(row, "Bytes", checkpoint, "Bytes");
    ad_copy_attribute(row, "Files", checkpoint, "Files");
    ad_set_int(row, "NewBytes", 0);
    return queue_put_checkpoint(p->queue, job->id, 1, row, err);
}

static int add_rows(struct pool *p, const struct branch *b, const struct ad *checkpoint, struct queue_job *job, struct error *err)
{
    if (submit_check_count(p, b->uid, b->owner, 1, err) < 0 || queue_add_cluster(p->queue, b->id.cluster, b->ad, err) < 0 ||
        queue_add_job(p->queue, job, err) < 0 || add_row(p, job, checkpoint, is_import(b) ? "import" : "clone", err) < 0)
        return -1;
    return add_events(p, b, job, err);
}

static int add_job(struct pool *p, const struct branch *b, const struct ad *checkpoint, struct error *err)
{
    struct queue_job job;
    int result = fill_job(p, b, checkpoint, &job, err);
    if (result == 0)
        result = queue_begin(p->queue, err);
    if (result == 0 && add_rows(p, b, checkpoint, &job, err) < 0) {
        event_rollback(p);
        result = -1;
    } else if (result == 0) {
        result = event_commit(p, err);
    }
    if (result == 0)
        upload_want(p);
    if (result == 0 && job.state == JOB_IDLE)
        schedule_add(p, &job);
    queue_job_release(&job);
    return result;
}

static void answer_with(struct ad *answer, const struct branch *b)
{
    ad_remove(answer, "Checkpoint");
    ad_remove(answer, "Note");
    ad_set_string(answer, "Id", b->name);
    ad_set_int(answer, "ClusterId", b->id.cluster);
    ad_set_int(answer, "ProcId", b->id.proc);
    ad_set_string(answer, "From", b->from);
    if (!ad_copy_attribute(answer, "Notes", b->notes, "Notes"))
        ad_make_list(answer, "Notes");
}

static int settle_clone(struct pool *p, void *data, struct ad *answer, struct error *err)
{
    struct branch *b = data;
    const struct ad *checkpoint = ad_ad(answer, "Checkpoint");
    fault_point("pool.branch");
    if (!checkpoint)
        return error_set(err, ERR_CHILD, "nothing was said of the checkpoint");
    ckpt_name(&b->ask.items[0], (int)ad_int(checkpoint, "Generation", 0), b->from);
    if (add_job(p, b, checkpoint, err) < 0)
        return -1;
    answer_with(answer, b);
    return 0;
}

/* The archive's ad comes from anybody: what the pool sets is dropped, and the rest is checked like a submission's. */
static int settle_import(struct pool *p, void *data, struct ad *answer, struct error *err)
{
    struct branch *b = data;
    const struct ad *checkpoint = ad_ad(answer, "Checkpoint");
    const char *note = ad_string(answer, "Note", "");
    fault_point("pool.branch");
    if (!checkpoint || ad_parse_json(note, strlen(note), &b->ad, err) < 0 || !ad_has(b->ad, "Cmd"))
        return error_set(err, ERR_INVALID, "'%s' has no job in it, only files; it was not made by 'stint ckpt export' of a known "
                         "job", b->ask.path);
    snprintf(b->from, sizeof b->from, "%s", ad_string(b->ad, "ExportedFrom", "?"));
    ad_remove(b->ad, "ExportedFrom");
    submit_drop_own(b->ad);
    account_forget_user(b->ad);
    ad_remove(b->ad, "JobStatus");
    ad_remove(b->ad, "HoldReason");
    if (add_job(p, b, checkpoint, err) < 0)
        return -1;
    answer_with(answer, b);
    return 0;
}

/* ---- requests ---- */

static void release(struct pool *p, void *data, bool settled)
{
    struct branch *b = data;
    if (!settled && b->id.cluster)
        trash_put(p, b->id, false);
    branch_free(b);
}

static int reserve(struct pool *p, struct branch *b, struct error *err)
{
    struct queue *q = p->queue;
    int cluster;
    if (submit_check_count(p, b->uid, b->owner, 1, err) < 0 || queue_begin(q, err) < 0)
        return -1;
    if (queue_reserve_cluster(q, &cluster, err) < 0) {
        queue_rollback(q);
        return -1;
    }
    b->id = (struct job_id){ .cluster = cluster };
    job_id_print(b->id, b->name);
    return queue_commit(q, err);
}

int branch_import(struct request *rq, struct ckpt_ask *ask, struct error *err)
{
    if (!ask->path)
        return error_set(err, ERR_INVALID, "File must say which archive");
    if (ask->key && ask->unverified)
        return error_set(err, ERR_INVALID, "either Key or Unverified, not both");
    struct branch *b = mem_new(struct branch);
    *b = (struct branch){ .uid = rq->uid, .held = true, .notes = ad_new(), .origin = "ImportedFrom" };
    snprintf(b->owner, sizeof b->owner, "%s", ask->peer.name);
    if (reserve(rq->pool, b, err) < 0) {
        branch_free(b);
        return -1;
    }
    b->ask = *ask;
    *ask = (struct ckpt_ask){ 0 };
    struct task_plan plan = { .data = b, .work = work_import, .settle = settle_import, .release = release };
    return ckpt_start(rq, &plan, err);
}

static int begin_clone(struct request *rq, struct branch *b, struct error *err)
{
    int64_t at = ad_int(rq->input, "At", 0);
    char name[CKPT_NAME_MAX], id[JOB_ID_TEXT_MAX];
    job_id_print(rq->id, id);
    if (at < 0 || at > INT32_MAX)
        return error_set(err, ERR_INVALID, "At must be the number of a checkpoint");
    snprintf(name, sizeof name, at > 0 ? "%s@%lld" : "%s", id, (long long)at);
    if (ckpt_begin(rq, &b->ask, err) < 0 || ckpt_add(rq, &b->ask, name, err) < 0)
        return -1;
    const struct queue_owner *owner = &b->ask.items[0].owner;
    b->uid = owner->uid;
    b->held = ad_bool(rq->input, "Hold", false);
    snprintf(b->owner, sizeof b->owner, "%s", owner->name);
    if (!b->ask.items[0].is_known)
        return error_set(err, ERR_INVALID, "what job %s was is not known any more; its files can still be had: stint ckpt extract "
                         "%s", id, id);
    if (reserve(rq->pool, b, err) < 0)
        return -1;
    struct clone clone = { .pool = rq->pool, .source = rq->id, .is_queued = owner->is_active, .target = b->name,
                           .set = ad_ad(rq->input, "Set"), .notes = b->notes };
    return clone_make(&clone, &b->ad, err);
}

int branch_clone(struct request *rq, struct ad *answer, struct error *err)
{
    struct branch *b = mem_new(struct branch);
    (void)answer;
    b->notes = ad_new();
    b->origin = "ClonedFrom";
    if (begin_clone(rq, b, err) < 0) {
        branch_free(b);
        return -1;
    }
    struct task_plan plan = { .data = b, .work = work_clone, .settle = settle_clone, .release = release };
    return ckpt_start(rq, &plan, err);
}
