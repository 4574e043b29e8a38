/*
 * Requests about checkpoints, as far as the pool's own thread goes: which jobs and generations are meant, and whether who asks may
 * have to do with them. What a job was is known for as long as it is in the queue or in the history; checkpoints of a job that
 * is in neither belong to the pool's owner.
 */
#include "pool/ckpt.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 10000, FILES_MAX = 10000 };

/* Which checkpoints a question is about. */
enum scope {
    SCOPE_NONE, /* all, whatever they are */
    SCOPE_JOBS, /* those of the jobs that are named; of all that one may see, when none is */
    SCOPE_ONE,
    SCOPE_TWO,
    SCOPE_MANY,    /* at least one */
    SCOPE_NUMBERS, /* at least one, each with its number */
};

static const struct verb {
    const char *name;
    enum scope scope;
    bool gives_bytes;
    bool only_master;
    ckpt_work *work;
} verbs[] = {
    { "ls", SCOPE_JOBS, false, false, ckpt_ls },
    { "show", SCOPE_ONE, false, false, ckpt_show },
    { "diff", SCOPE_TWO, false, false, ckpt_diff },
    { "df", SCOPE_JOBS, false, false, ckpt_df },
    { "verify", SCOPE_JOBS, false, false, ckpt_verify },
    { "cat", SCOPE_ONE, true, false, ckpt_cat },
    { "extract", SCOPE_ONE, false, false, ckpt_extract },
    { "export", SCOPE_ONE, true, false, ckpt_export },
    { "pin", SCOPE_MANY, false, false, ckpt_pin },
    { "unpin", SCOPE_MANY, false, false, ckpt_unpin },
    { "rm", SCOPE_NUMBERS, false, false, ckpt_rm },
    { "gc", SCOPE_NONE, false, true, ckpt_gc },
};

bool ckpt_parse(const char *text, struct job_id *id, int *generation)
{
    const char *at = strchr(text, '@');
    auto_free char *job = mem_dup_n(text, at ? (size_t)(at - text) : strlen(text));
    *generation = 0;
    if (at) {
        char *end;
        long n = strtol(at + 1, &end, 10);
        if (at[1] < '1' || at[1] > '9' || *end || n > INT_MAX)
            return false;
        *generation = (int)n;
    }
    return job_id_parse(job, id);
}

void ckpt_release(struct ckpt_ask *ask)
{
    free(ask->store_path);
    for (size_t i = 0; i < ask->count; i++)
        free(ask->items[i].verified);
    free(ask->items);
    free(ask->directory);
    free(ask->path);
    free(ask->key);
    command_list_release(&ask->files);
    buf_release(&ask->note);
    *ask = (struct ckpt_ask){ 0 };
}

static char *text_of(const struct ad *ad, const char *name)
{
    const char *text = ad_string(ad, name, NULL);
    return text ? mem_dup(text) : NULL;
}

int ckpt_begin(struct request *rq, struct ckpt_ask *ask, struct error *err)
{
    const struct pool *p = rq->pool;
    const struct ad *in = rq->input;
    size_t files = ad_list_count(in, "Files");
    *ask = (struct ckpt_ask){
        .store_path = mem_dup(p->store_path), .is_master = request_is_master(rq),
        .limits = { p->config.store_quota, p->config.store_user_quota, p->config.store_low_space },
        .directory = text_of(in, "Directory"), .path = text_of(in, "File"), .key = text_of(in, "Key"),
        .force = ad_bool(in, "Force", false), .unverified = ad_bool(in, "Unverified", false), .note = { .max = 1 << 20 },
    };
    if (files > FILES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d files in one request", FILES_MAX);
    for (size_t i = 0; i < files; i++)
        command_list_add(&ask->files, ad_list_string(in, "Files", i) ? ad_list_string(in, "Files", i) : "");
    if ((ask->directory && ask->directory[0] != '/') || (ask->path && ask->path[0] != '/') || (ask->key && ask->key[0] != '/'))
        return error_set(err, ERR_INVALID, "File, Key and Directory must be absolute");
    return identity_of(rq->uid, &ask->peer, err);
}

/* ---- which jobs ---- */

static void add_item(struct ckpt_ask *ask, const struct ckpt_item *new)
{
    ask->items = mem_grow(ask->items, &ask->capacity, ask->count + 1, sizeof *ask->items);
    ask->items[ask->count++] = *new;
}

/* Whose it is; of a job that nobody knows any more, the pool's owner's. */
static int make_item(struct pool *p, struct job_id id, int generation, struct ckpt_item *item, struct error *err)
{
    *item = (struct ckpt_item){ .id = id, .generation = generation, .owner.uid = p->owner.uid };
    snprintf(item->owner.name, sizeof item->owner.name, "%s", p->owner.name);
    job_id_print(id, item->job);
    int result = queue_get_owner(p->queue, id, &item->owner, err);
    item->is_known = result == 0;
    return result < 0 ? -1 : 0;
}

/* The jobs that the store has something of. */
struct stored {
    struct request *rq;
    struct ckpt_ask *ask;
    int cluster; /* 0 = all */
    size_t matches; /* whoever's they are */
    int failed;
    struct error *err;
};

static void add_stored(void *data, const char *name)
{
    struct stored *s = data;
    struct job_id id;
    struct ckpt_item item;
    if (s->failed < 0 || !job_id_parse(name, &id) || id.proc == JOB_ALL_PROCS || (s->cluster && s->cluster != id.cluster))
        return;
    s->failed = make_item(s->rq->pool, id, 0, &item, s->err);
    if (s->failed < 0)
        return;
    s->matches++;
    if (pool_may(s->rq->pool, s->rq->uid, item.owner.uid))
        add_item(s->ask, &item);
}

static int by_id(const void *a, const void *b)
{
    const struct job_id *x = &((const struct ckpt_item *)a)->id, *y = &((const struct ckpt_item *)b)->id;
    int clusters = (x->cluster > y->cluster) - (x->cluster < y->cluster);
    return clusters ? clusters : (x->proc > y->proc) - (x->proc < y->proc);
}

static int add_all_stored(struct request *rq, struct ckpt_ask *ask, int cluster, size_t *matches, struct error *err)
{
    struct stored s = { .rq = rq, .ask = ask, .cluster = cluster, .err = err };
    size_t before = ask->count;
    if (store_each_job(rq->pool->store, add_stored, &s, err) < 0 || s.failed < 0)
        return -1;
    if (ask->count > before)
        qsort(ask->items + before, ask->count - before, sizeof *ask->items, by_id);
    *matches = s.matches;
    return 0;
}

struct only {
    struct job_id id;
    int count;
};

static bool note_only(void *data, const struct queue_job *job)
{
    struct only *only = data;
    only->id = job->id;
    return ++only->count < 2;
}

static void note_only_stored(void *data, const char *name)
{
    struct only *only = data;
    struct job_id id;
    if (!job_id_parse(name, &id) || id.cluster != only->id.cluster || id.proc == JOB_ALL_PROCS)
        return;
    only->id = id;
    only->count++;
}

/* "7": the job of a cluster that has one. */
static int find_only_job(struct pool *p, struct job_id *id, struct error *err)
{
    struct queue_filter filter = { .id = *id, .limit = 2 };
    struct only only = { .id = *id };
    if (queue_each_job(p->queue, &filter, note_only, &only, err) < 0)
        return -1;
    filter.history = true;
    if (only.count < 2 && queue_each_job(p->queue, &filter, note_only, &only, err) < 0)
        return -1;
    if (only.count == 0 && store_each_job(p->store, note_only_stored, &only, err) < 0)
        return -1;
    if (only.count > 1)
        return error_set(err, ERR_INVALID, "cluster %d has several jobs: name one, such as %d.0", id->cluster, id->cluster);
    if (only.count == 0)
        return error_set(err, ERR_INVALID, "there is no job of cluster %d, neither in the queue nor in the history", id->cluster);
    *id = only.id;
    return 0;
}

static bool has_store(struct pool *p, const char *job)
{
    struct only only = { 0 };
    struct error ignored;
    return job_id_parse(job, &only.id) && store_each_job(p->store, note_only_stored, &only, &ignored) == 0 && only.count > 0;
}

int ckpt_add(struct request *rq, struct ckpt_ask *ask, const char *name, struct error *err)
{
    struct job_id id;
    struct ckpt_item item;
    int generation;
    if (!name || !ckpt_parse(name, &id, &generation))
        return error_set(err, ERR_INVALID, "'%s' is no checkpoint: write 7.0@3, or 7.0 for the newest one of a job",
                         name ? name : "");
    if (id.proc == JOB_ALL_PROCS && find_only_job(rq->pool, &id, err) < 0)
        return -1;
    if (make_item(rq->pool, id, generation, &item, err) < 0)
        return -1;
    if (!item.is_known && !has_store(rq->pool, item.job))
        return error_set(err, ERR_INVALID, "there is no job %s, neither in the queue nor in the history", item.job);
    if (!pool_may(rq->pool, rq->uid, item.owner.uid))
        return error_set(err, ERR_DENIED, "job %s belongs to somebody else", item.job);
    add_item(ask, &item);
    return 0;
}

/* Of a question about jobs, a cluster alone is all that is stored of it. */
static int add_jobs_of(struct request *rq, struct ckpt_ask *ask, const char *name, struct error *err)
{
    struct job_id id;
    int generation;
    size_t matches, before = ask->count;
    if (!name || !ckpt_parse(name, &id, &generation) || id.proc != JOB_ALL_PROCS || generation > 0)
        return ckpt_add(rq, ask, name, err);
    if (add_all_stored(rq, ask, id.cluster, &matches, err) < 0)
        return -1;
    if (matches > 0 && ask->count == before)
        return error_set(err, ERR_DENIED, "the jobs of cluster %d belong to somebody else", id.cluster);
    return ask->count > before ? 0 : ckpt_add(rq, ask, name, err);
}

static int add_items(struct request *rq, enum scope scope, struct ckpt_ask *ask, struct error *err)
{
    size_t count = ad_list_count(rq->input, "Checkpoints"), ignored;
    if (count > ITEMS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d checkpoints in one request", ITEMS_MAX);
    if ((scope == SCOPE_ONE && count != 1) || (scope == SCOPE_TWO && count != 2) || (scope >= SCOPE_MANY && count == 0))
        return error_set(err, ERR_INVALID, "which checkpoint? Checkpoints must name %s",
                         scope == SCOPE_ONE ? "one" : scope == SCOPE_TWO ? "two" : "some");
    if (scope == SCOPE_JOBS && count == 0)
        return add_all_stored(rq, ask, 0, &ignored, err);
    for (size_t i = 0; i < count; i++) {
        const char *name = ad_list_string(rq->input, "Checkpoints", i);
        if (scope == SCOPE_NUMBERS && (!name || !strchr(name, '@')))
            return error_set(err, ERR_INVALID, "'%s' does not say which checkpoint: write it like 7.0@3", name ? name : "");
        if ((scope == SCOPE_JOBS ? add_jobs_of : ckpt_add)(rq, ask, name, err) < 0)
            return -1;
    }
    return 0;
}

/* What only the queue knows of its checkpoints. */
static int note_verified(struct pool *p, struct ckpt_item *item, struct error *err)
{
    auto_ad struct ad *all = ad_new();
    size_t capacity = 0;
    if (queue_list_checkpoints(p->queue, item->id, all, "Checkpoints", err) < 0)
        return -1;
    for (size_t i = 0; i < ad_list_count(all, "Checkpoints"); i++) {
        const struct ad *row = ad_list_ad(all, "Checkpoints", i);
        if (!ad_bool(row, "Verified", false))
            continue;
        item->verified = mem_grow(item->verified, &capacity, item->verified_count + 1, sizeof *item->verified);
        item->verified[item->verified_count++] = (int)ad_int(row, "Generation", 0);
    }
    return 0;
}

/* ---- after a removal ---- */

/* What a job goes on from may have been removed. */
static int settle_one(struct pool *p, const struct ad *left, const struct ckpt_ask *ask, struct error *err)
{
    struct queue_job job;
    struct job_id id;
    auto_ad struct ad *full = NULL;
    if (!job_id_parse(ad_string(left, "Id", ""), &id))
        return 0;
    int result = queue_get_job(p->queue, id, &job, err);
    if (result != 0)
        return result == QUEUE_ABSENT ? 0 : -1;
    if (ad_has(job.ad, "CheckpointGeneration"))
        ad_set_int(job.ad, "CheckpointGeneration", ad_int(left, "Newest", 0));
    struct ad *event = event_new("checkpoint_removed", clock_wall_us());
    ad_copy_attribute(event, "Generation", left, "Generation");
    ad_set_string(event, "By", ask->peer.name);
    result = queue_full_ad(p->queue, &job, &full, err);
    if (result == 0)
        result = event_add(p, &job, full, event, err);
    else
        ad_free(event);
    if (result == 0)
        result = queue_put_job(p->queue, &job, err);
    queue_job_release(&job);
    return result;
}

static int settle_rm(struct pool *p, void *data, struct ad *answer, struct error *err)
{
    upload_want(p); /* the remote store has copies to forget */
    int result = queue_begin(p->queue, err);
    for (size_t i = 0; result == 0 && i < ad_list_count(answer, "Left"); i++)
        result = settle_one(p, ad_list_ad(answer, "Left", i), data, err);
    if (result < 0) {
        event_rollback(p);
        return -1;
    }
    ad_remove(answer, "Left");
    return event_commit(p, err);
}

static bool goes_on_from(struct pool *p, const struct ckpt_item *item)
{
    struct queue_job job = { 0 };
    struct error ignored;
    bool result = queue_get_job(p->queue, item->id, &job, &ignored) == 0 &&
                  ad_int(job.ad, "CheckpointGeneration", 0) == item->generation;
    queue_job_release(&job);
    return result;
}

/* A child that died may have removed what its job goes on from, and told nobody. */
static int note_removed(struct pool *p, const struct ckpt_item *item, struct ad *answer, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    int newest;
    if (!goes_on_from(p, item))
        return 0;
    if (store_list(p->store, item->job, &generations, &count, err) < 0 ||
        ckpt_newest_but(p->store, item->job, 0, &newest, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (generations[i] == item->generation)
            return 0;
    struct ad *left = ckpt_record(item, item->generation);
    ad_set_int(left, "Newest", newest);
    ad_append_ad(answer, "Left", left);
    return 0;
}

static void release_rm(struct pool *p, void *data, bool settled)
{
    struct ckpt_ask *ask = data;
    auto_ad struct ad *answer = ad_new();
    struct error err;
    int result = 0;
    for (size_t i = 0; !settled && i < ask->count && result == 0; i++)
        result = note_removed(p, &ask->items[i], answer, &err);
    if (ad_has(answer, "Left") && result == 0)
        result = settle_rm(p, ask, answer, &err);
    if (result < 0)
        log_error("what was removed is not recorded: %s", err.text);
    ckpt_release(ask);
    free(ask);
}

/* ---- requests ---- */

static void release(struct pool *p, void *data, bool settled)
{
    (void)p;
    (void)settled;
    ckpt_release(data);
    free(data);
}

int ckpt_start(struct request *rq, struct task_plan *plan, struct error *err)
{
    plan->uid = rq->uid;
    int result = task_start(rq->pool, plan, &rq->task, err);
    if (result != TASK_BUSY)
        return result;
    rq->busy = true;
    return error_set(err, ERR_LIMIT, "too many questions about checkpoints are at work already; wait for one, or end it");
}

struct full {
    struct pool *pool;
    struct ad *ad;
    struct error *err;
    int failed;
};

static bool take_full(void *data, const struct queue_job *job)
{
    struct full *f = data;
    f->failed = queue_full_ad(f->pool->queue, job, &f->ad, f->err);
    return false;
}

/* The job's ad travels with its checkpoint, so that another pool can make a job of it. */
static int add_note(struct request *rq, struct ckpt_ask *ask, struct error *err)
{
    struct full f = { .pool = rq->pool, .err = err };
    struct queue_filter filter = { .id = ask->items[0].id, .limit = 1, .history = !ask->items[0].owner.is_active };
    if (queue_each_job(rq->pool->queue, &filter, take_full, &f, err) < 0 || f.failed < 0)
        return -1;
    auto_ad struct ad *ad = f.ad ? f.ad : ad_new();
    ad_print_json(ad, &ask->note);
    return ask->note.full ? error_set(err, ERR_LIMIT, "the ad of job %s is longer than 1 MiB", ask->items[0].job) : 0;
}

static int run(struct request *rq, const struct verb *verb, struct ckpt_ask *ask, struct error *err)
{
    if (ckpt_begin(rq, ask, err) < 0)
        return -1;
    if (!verb)
        return branch_import(rq, ask, err);
    if (verb->only_master && !ask->is_master)
        return error_set(err, ERR_DENIED, "only '%s' may do that to this pool", rq->pool->owner.name);
    if (add_items(rq, verb->scope, ask, err) < 0)
        return -1;
    if (verb->work == ckpt_cat && ask->files.count != 1)
        return error_set(err, ERR_INVALID, "which file? Files must name one");
    if (verb->work == ckpt_extract && !ask->directory)
        return error_set(err, ERR_INVALID, "Directory must say where the files go");
    for (size_t i = 0; i < ask->count && (verb->work == ckpt_ls || verb->work == ckpt_show); i++)
        if (note_verified(rq->pool, &ask->items[i], err) < 0)
            return -1;
    if (verb->work == ckpt_export && add_note(rq, ask, err) < 0)
        return -1;
    struct ckpt_ask *kept = mem_new(struct ckpt_ask);
    *kept = *ask;
    *ask = (struct ckpt_ask){ 0 };
    struct task_plan plan = {
        .gives_bytes = verb->gives_bytes, .data = kept, .work = verb->work, .settle = verb->work == ckpt_rm ? settle_rm : NULL,
        .release = verb->work == ckpt_rm ? release_rm : release,
    };
    return ckpt_start(rq, &plan, err);
}

int ckpt_post(struct request *rq, struct ad *answer, struct error *err)
{
    struct ckpt_ask ask = { 0 };
    const struct verb *verb = NULL;
    (void)answer;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, rq->word) == 0)
            verb = &verbs[i];
    if (!verb && strcmp(rq->word, "import") != 0)
        return REQUEST_NOT_FOUND;
    int result = run(rq, verb, &ask, err);
    ckpt_release(&ask);
    return result;
}
