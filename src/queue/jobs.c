/*
 * Active and past jobs, and the clusters whose ads they share. A job's row holds what queries need as columns and the job's
 * own attributes as an ad, which for most of ten thousand alike is "{}".
 *
 * Past jobs are a table of their own, with the same columns, in the order in which they ended: what is looked at all the
 * time stays small. A cluster's ad is kept until the last of its jobs is forgotten.
 */
#include "queue/database.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS "id, uid, owner, state, priority, submitted_us, cpus, memory_mb, disk_kb, stint, journal_offset, ad"

static const char sql_reserve[] =
    "INSERT INTO counter (name, value) VALUES ('cluster', 1 + coalesce((SELECT max(id) FROM cluster), 0))"
    " ON CONFLICT DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value";
static const char sql_last_cluster[] = "SELECT max(coalesce((SELECT value FROM counter WHERE name = 'cluster'), 0),"
                                       " coalesce((SELECT max(id) FROM cluster), 0))";
static const char sql_skip_clusters[] = "INSERT INTO counter (name, value) VALUES ('cluster', ?1)"
                                        " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)";
static const char sql_note_reserved[] = "INSERT INTO reservation (cluster, uid) VALUES (?1, ?2)";
static const char sql_trim_reserved[] = "DELETE FROM reservation WHERE uid = ?1 AND cluster <= (SELECT cluster FROM reservation"
                                        " WHERE uid = ?1 ORDER BY cluster DESC LIMIT 1 OFFSET 1000)";
static const char sql_take_reserved[] = "DELETE FROM reservation WHERE cluster = ?1 AND uid = ?2";
static const char sql_count_owned[] = "SELECT count(*) FROM job INDEXED BY job_uid WHERE uid = ?1";
static const char sql_add_cluster[] = "INSERT INTO cluster (id, ad) VALUES (?1, ?2)";
static const char sql_cluster[] = "SELECT ad FROM cluster WHERE id = ?1";

/* Adds nothing where there is no cluster. */
static const char sql_add[] = "INSERT INTO job (" COLUMNS ") SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12"
                              " FROM cluster WHERE id = ?1 >> 32";
static const char sql_get[] = "SELECT " COLUMNS " FROM job WHERE id = ?1";
static const char sql_put[] = "UPDATE job SET uid = ?2, owner = ?3, state = ?4, priority = ?5, submitted_us = ?6, cpus = ?7,"
                              " memory_mb = ?8, disk_kb = ?9, stint = ?10, journal_offset = ?11, ad = ?12 WHERE id = ?1";
static const char sql_finish[] = "INSERT INTO past (finished_us, " COLUMNS ") SELECT ?2, " COLUMNS " FROM job WHERE id = ?1";
static const char sql_remove[] = "DELETE FROM job WHERE id = ?1";
static const char sql_owner[] = "SELECT uid, owner, 1 FROM job WHERE id = ?1 UNION ALL SELECT uid, owner, 0 FROM past WHERE id = ?1 LIMIT 1";
static const char sql_count[] = "SELECT state, count(*) FROM job GROUP BY state";

/* The selections have the same parameters: first and last key, owner or NULL, states, limit, lowest of the states. Which is
 * taken depends on where the rows are to be found: in a range of ids, in a tail of the states' index, or at the end. */
#define MATCHES " id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR owner = ?3) AND (?4 IS NULL OR (?4 >> state) & 1) AND state >= ?6 "
static const char sql_each[] = "SELECT " COLUMNS " FROM job WHERE" MATCHES "ORDER BY id LIMIT ?5";
static const char sql_each_after[] = "SELECT " COLUMNS " FROM job NOT INDEXED WHERE id > ?1 AND (?2 >> state) & 1 ORDER BY id LIMIT ?3";
static const char sql_each_in_state_after[] =
    "SELECT " COLUMNS " FROM job INDEXED BY job_state WHERE id > ?1 AND state = ?2 ORDER BY id LIMIT ?3";
static const char sql_each_in_states[] =
    "SELECT " COLUMNS " FROM job INDEXED BY job_state WHERE" MATCHES "ORDER BY id LIMIT ?5";
static const char sql_each_past[] = "SELECT " COLUMNS " FROM past NOT INDEXED WHERE" MATCHES "ORDER BY seq DESC LIMIT ?5";
static const char sql_each_past_in_range[] =
    "SELECT " COLUMNS " FROM past INDEXED BY past_id WHERE" MATCHES "ORDER BY seq DESC LIMIT ?5";

#define OLD "SELECT id FROM past WHERE finished_us < ?1"
static const char sql_trim_stints[] = "DELETE FROM stint WHERE job IN (" OLD ")";
static const char sql_trim_checkpoints[] = "DELETE FROM checkpoint WHERE job IN (" OLD ")";
static const char sql_trim_events[] = "DELETE FROM event WHERE job IN (" OLD ")";
static const char sql_trim_clusters[] =
    "DELETE FROM cluster WHERE id IN (SELECT id >> 32 FROM past WHERE finished_us < ?1)"
    " AND NOT EXISTS (SELECT 1 FROM factory WHERE factory.cluster = cluster.id)"
    " AND NOT EXISTS (SELECT 1 FROM job WHERE job.id BETWEEN cluster.id << 32 AND cluster.id << 32 | 0xffffffff)"
    " AND NOT EXISTS (SELECT 1 FROM past WHERE past.id BETWEEN cluster.id << 32 AND cluster.id << 32 | 0xffffffff"
    "  AND finished_us >= ?1)";
/* Those of clusters, and not of one of their jobs. */
static const char sql_trim_cluster_events[] =
    "DELETE FROM event INDEXED BY event_cluster WHERE job & 0xffffffff = 0xffffffff"
    " AND NOT EXISTS (SELECT 1 FROM cluster WHERE cluster.id = event.job >> 32) AND ?1 IS NOT NULL";
static const char sql_trim_jobs[] = "DELETE FROM past WHERE finished_us < ?1";

void queue_job_release(struct queue_job *job)
{
    ad_free(job->ad);
    *job = (struct queue_job){ 0 };
}

int queue_last_cluster(struct queue *queue, int *cluster, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_last_cluster, &st, err) < 0 || statement_step(&st, err) < 0)
        return -1;
    *cluster = (int)take_int(&st);
    return 0;
}

int queue_skip_clusters(struct queue *queue, int cluster, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_skip_clusters, &st, err) < 0)
        return -1;
    bind_int(&st, cluster);
    return statement_run(&st, NULL, err);
}

int queue_reserve_cluster(struct queue *queue, int *cluster, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_reserve, &st, err) < 0 || statement_step(&st, err) < 0)
        return -1;
    int64_t number = take_int(&st);
    if (number > INT32_MAX)
        return error_set(err, ERR_LIMIT, "there are no more cluster numbers");
    /* The change belongs to the statement's end, not to its row. */
    if (statement_step(&st, err) < 0)
        return -1;
    *cluster = (int)number;
    return 0;
}

static int change(struct queue *queue, const char *sql, int64_t first, int64_t second, int64_t *changes, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql, &st, err) < 0)
        return -1;
    bind_int(&st, first);
    if (second >= 0)
        bind_int(&st, second);
    return statement_run(&st, changes, err);
}

int queue_reserve_for(struct queue *queue, uid_t uid, int *cluster, struct error *err)
{
    int number;
    if (queue_reserve_cluster(queue, &number, err) < 0 || change(queue, sql_note_reserved, number, uid, NULL, err) < 0 ||
        change(queue, sql_trim_reserved, uid, -1, NULL, err) < 0)
        return -1;
    *cluster = number;
    return 0;
}

int queue_take_reserved(struct queue *queue, uid_t uid, int cluster, struct error *err)
{
    int64_t changes;
    if (change(queue, sql_take_reserved, cluster, uid, &changes, err) < 0)
        return -1;
    return changes > 0 ? 0 : QUEUE_ABSENT;
}

int queue_count_owned(struct queue *queue, uid_t uid, int64_t *count, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_count_owned, &st, err) < 0)
        return -1;
    bind_int(&st, uid);
    if (statement_step(&st, err) < 0)
        return -1;
    *count = take_int(&st);
    return 0;
}

int queue_add_cluster(struct queue *queue, int cluster, const struct ad *ad, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (cluster < 1)
        return error_set(err, ERR_INVALID, "%d is not the number of a cluster", cluster);
    if (statement_open(queue, sql_add_cluster, &st, err) < 0)
        return -1;
    bind_int(&st, cluster);
    bind_ad(&st, ad);
    if (statement_run(&st, NULL, err) < 0)
        return error_wrap(err, "cluster %d", cluster);
    queue_forget_cluster(queue);
    return 0;
}

static void bind_job(struct statement *st, const struct queue_job *job)
{
    bind_int(st, queue_key(job->id));
    bind_int(st, job->uid);
    bind_text(st, job->owner);
    bind_int(st, job->state);
    bind_int(st, job->priority);
    bind_int(st, job->submitted_us);
    bind_int(st, job->cpus);
    bind_int(st, job->memory_mb);
    bind_int(st, job->disk_kb);
    bind_int(st, job->stint);
    bind_int(st, job->journal_offset);
    bind_ad(st, job->ad);
}

static int take_job(struct statement *st, bool unparsed, struct queue_job *job, struct error *err)
{
    char name[JOB_ID_TEXT_MAX];
    struct queue_job got = { .id = queue_key_id(take_int(st)) };
    got.uid = (uid_t)take_int(st);
    const char *owner = take_text(st);
    memcpy(got.owner, owner, strnlen(owner, sizeof got.owner - 1)); /* the rest is zero */
    int64_t state = take_int(st);
    if (state < 0 || state >= JOB_STATE_COUNT)
        return error_set(err, ERR_CORRUPT, "the queue '%s' is damaged: job %s has the unknown state %lld", st->queue->path,
                         job_id_print(got.id, name), (long long)state);
    got.state = (enum job_state)state;
    got.priority = take_int(st);
    got.submitted_us = take_int(st);
    got.cpus = (int)take_int(st);
    got.memory_mb = take_int(st);
    got.disk_kb = take_int(st);
    got.stint = (int)take_int(st);
    got.journal_offset = take_int(st);
    if (unparsed)
        got.ad_text = take_text_n(st, &got.ad_text_len);
    else if (take_ad(st, &got.ad, err) < 0)
        return error_wrap(err, "job %s", job_id_print(got.id, name));
    *job = got;
    return 0;
}

int queue_parse_ad(struct queue *queue, const struct queue_job *job, struct ad **ad, struct error *err)
{
    char name[JOB_ID_TEXT_MAX];
    if (ad_parse_json(job->ad_text, job->ad_text_len, ad, err) == 0)
        return 0;
    if (err)
        err->kind = ERR_CORRUPT;
    return error_wrap(err, "the queue '%s' is damaged: job %s", queue->path, job_id_print(job->id, name));
}

/* Runs what is to change exactly this job's row. */
static int change_job(struct statement *st, struct job_id id, const char *otherwise, struct error *err)
{
    char name[JOB_ID_TEXT_MAX];
    int64_t changes;
    if (statement_run(st, &changes, err) < 0)
        return error_wrap(err, "job %s", job_id_print(id, name));
    if (changes == 0)
        return error_set(err, ERR_INVALID, "job %s: %s", job_id_print(id, name), otherwise);
    return 0;
}

int queue_add_job(struct queue *queue, const struct queue_job *job, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (job->id.cluster < 1 || job->id.proc < 0)
        return error_set(err, ERR_INVALID, "%d.%d is not the number of a job", job->id.cluster, job->id.proc);
    if (statement_open(queue, sql_add, &st, err) < 0)
        return -1;
    bind_job(&st, job);
    return change_job(&st, job->id, "its cluster is not in the queue", err);
}

int queue_get_job(struct queue *queue, struct job_id id, struct queue_job *out, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_get, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    int r = statement_step(&st, err);
    if (r == 0)
        return QUEUE_ABSENT;
    return r < 0 ? -1 : take_job(&st, false, out, err);
}

int queue_get_owner(struct queue *queue, struct job_id id, struct queue_owner *owner, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_owner, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    int r = statement_step(&st, err);
    if (r <= 0)
        return r == 0 ? QUEUE_ABSENT : -1;
    owner->uid = (uid_t)take_int(&st);
    snprintf(owner->name, sizeof owner->name, "%s", take_text(&st));
    owner->is_active = take_int(&st) != 0;
    return 0;
}

int queue_put_job(struct queue *queue, const struct queue_job *job, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_put, &st, err) < 0)
        return -1;
    bind_job(&st, job);
    return change_job(&st, job->id, "it is not in the queue", err);
}

static int move_to_past(struct queue *queue, struct job_id id, int64_t now_us, struct error *err)
{
    auto_statement struct statement finish = { 0 };
    auto_statement struct statement remove = { 0 };
    if (statement_open(queue, sql_finish, &finish, err) < 0 || statement_open(queue, sql_remove, &remove, err) < 0)
        return -1;
    bind_int(&finish, queue_key(id));
    bind_int(&finish, now_us);
    bind_int(&remove, queue_key(id));
    if (change_job(&finish, id, "it is not in the queue", err) < 0)
        return -1;
    return change_job(&remove, id, "it is not in the queue", err);
}

int queue_finish_job(struct queue *queue, struct job_id id, int64_t now_us, struct error *err)
{
    bool own;
    if (queue_enter(queue, &own, err) < 0)
        return -1;
    return queue_leave(queue, own, move_to_past(queue, id, now_us, err), err);
}

/* Makes queue->cluster_ad the cluster's: a listing asks for the same one again and again. */
static int load_cluster(struct queue *queue, int cluster, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (queue->cluster == cluster)
        return 0;
    queue_forget_cluster(queue);
    if (statement_open(queue, sql_cluster, &st, err) < 0)
        return -1;
    bind_int(&st, cluster);
    int r = statement_step(&st, err);
    if (r < 0)
        return -1;
    if (r == 0)
        return error_set(err, ERR_CORRUPT, "the queue '%s' has no ad of cluster %d", queue->path, cluster);
    if (take_ad(&st, &queue->cluster_ad, err) < 0)
        return error_wrap(err, "cluster %d", cluster);
    queue->cluster = cluster;
    return 0;
}

int queue_full_ad(struct queue *queue, const struct queue_job *job, struct ad **ad, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (load_cluster(queue, job->id.cluster, err) < 0)
        return -1;
    struct ad *full = ad_copy(queue->cluster_ad);
    if (job->ad)
        ad_update(full, job->ad);
    for (size_t i = 0; job->ad && i < ad_count(job->ad); i++) {
        const char *name = ad_name(job->ad, i);
        buf_clear(&text);
        ad_print_expr(job->ad, name, &text);
        if (strcmp(buf_cstr(&text), "undefined") == 0)
            ad_remove(full, name);
    }
    *ad = full;
    return 0;
}

static const char *selection(const struct queue_filter *filter, int64_t lowest)
{
    if (filter->history)
        return filter->id.cluster ? sql_each_past_in_range : sql_each_past;
    return filter->id.cluster == 0 && lowest > 0 ? sql_each_in_states : sql_each;
}

static int each_job(struct statement *st, bool unparsed, bool (*fn)(void *data, const struct queue_job *job), void *data,
                    struct error *err)
{
    for (;;) {
        struct queue_job job;
        int r = statement_step(st, err);
        if (r <= 0)
            return r;
        if (take_job(st, unparsed, &job, err) < 0)
            return -1;
        bool more = fn(data, &job);
        queue_job_release(&job);
        if (!more)
            return 0;
    }
}

int queue_each_job_after(struct queue *queue, struct job_id after, uint32_t states, int64_t limit,
                         bool (*fn)(void *data, const struct queue_job *job), void *data, struct error *err)
{
    auto_statement struct statement st = { 0 };
    bool one = states && (states & (states - 1)) == 0;
    if (statement_open(queue, one ? sql_each_in_state_after : sql_each_after, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(after));
    bind_int(&st, one ? (int64_t)__builtin_ctz(states) : (int64_t)states);
    bind_int(&st, limit);
    return each_job(&st, false, fn, data, err);
}

int queue_each_job(struct queue *queue, const struct queue_filter *filter,
                   bool (*fn)(void *data, const struct queue_job *job), void *data, struct error *err)
{
    auto_statement struct statement st = { 0 };
    struct key_range range = queue_key_range(filter->id);
    int64_t lowest = filter->states ? __builtin_ctz(filter->states) : INT64_MIN;
    if (statement_open(queue, selection(filter, lowest), &st, err) < 0)
        return -1;
    bind_int(&st, range.first);
    bind_int(&st, range.last);
    bind_text(&st, filter->owner);
    if (filter->states)
        bind_int(&st, filter->states);
    else
        bind_text(&st, NULL); /* all, and what is no state is damage to be found */
    bind_int(&st, filter->limit > 0 ? filter->limit : -1);
    bind_int(&st, lowest);
    return each_job(&st, filter->unparsed, fn, data, err);
}

int queue_count_states(struct queue *queue, int64_t *counts, struct error *err)
{
    auto_statement struct statement st = { 0 };
    int64_t got[JOB_STATE_COUNT] = { 0 };
    int r = statement_open(queue, sql_count, &st, err);
    while (r == 0 && (r = statement_step(&st, err)) == STATEMENT_ROW) {
        int64_t state = take_int(&st);
        if (state >= 0 && state < JOB_STATE_COUNT)
            got[state] = take_int(&st);
        r = 0;
    }
    if (r == 0)
        memcpy(counts, got, sizeof got);
    return r;
}

static int trim(struct queue *queue, int64_t before_us, struct error *err)
{
    static const char *const steps[] = { sql_trim_stints, sql_trim_checkpoints, sql_trim_events, sql_trim_clusters,
                                         sql_trim_cluster_events, sql_trim_jobs };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        auto_statement struct statement st = { 0 };
        if (statement_open(queue, steps[i], &st, err) < 0)
            return -1;
        bind_int(&st, before_us);
        if (statement_run(&st, NULL, err) < 0)
            return error_wrap(err, "cannot trim the history");
    }
    queue_forget_cluster(queue);
    return 0;
}

int queue_trim_history(struct queue *queue, int64_t before_us, struct error *err)
{
    bool own;
    if (queue_enter(queue, &own, err) < 0)
        return -1;
    return queue_leave(queue, own, trim(queue, before_us, err), err);
}
