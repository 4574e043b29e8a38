/*
 * Jobs that are still to be made. A cluster of a hundred thousand that differ in nothing is one row; jobs that differ from their
 * cluster's ad have a row with what they differ in, which goes when the job is made. So what is to come is `next` up to `total`,
 * and the two can not disagree about a job: its number says on which side it is.
 */
#include "queue/database.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS "cluster, uid, owner, submitted_us, next, total, most, most_idle, paused, reason"

static const char sql_add[] = "INSERT INTO factory (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
static const char sql_put[] = "UPDATE factory SET next = ?2, total = ?3, paused = ?4, reason = ?5 WHERE cluster = ?1";
static const char sql_drop[] = "DELETE FROM factory WHERE cluster = ?1";
static const char sql_each[] = "SELECT " COLUMNS " FROM factory ORDER BY cluster";
static const char sql_add_item[] = "INSERT INTO factory_item (job, ad) VALUES (?1, ?2)";
static const char sql_item[] = "SELECT ad FROM factory_item WHERE job = ?1";
static const char sql_drop_items[] = "DELETE FROM factory_item WHERE job BETWEEN ?1 AND ?2";
static const char sql_to_come[] = "SELECT coalesce(sum(total - next), 0) FROM factory WHERE uid = ?1";
static const char sql_count[] = "SELECT count(*) FROM job INDEXED BY job_state WHERE state = ?1 AND id BETWEEN ?2 AND ?3";

int queue_add_factory(struct queue *queue, const struct queue_factory *f, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_add, &st, err) < 0)
        return -1;
    bind_int(&st, f->cluster);
    bind_int(&st, f->uid);
    bind_text(&st, f->owner);
    bind_int(&st, f->submitted_us);
    bind_int(&st, f->next);
    bind_int(&st, f->total);
    bind_int(&st, f->most);
    bind_int(&st, f->most_idle);
    bind_int(&st, f->paused);
    bind_text(&st, f->reason);
    return statement_run(&st, NULL, err);
}

int queue_put_factory(struct queue *queue, const struct queue_factory *f, struct error *err)
{
    auto_statement struct statement st = { 0 };
    int64_t changes;
    if (statement_open(queue, sql_put, &st, err) < 0)
        return -1;
    bind_int(&st, f->cluster);
    bind_int(&st, f->next);
    bind_int(&st, f->total);
    bind_int(&st, f->paused);
    bind_text(&st, f->reason);
    if (statement_run(&st, &changes, err) < 0)
        return -1;
    return changes > 0 ? 0 : error_set(err, ERR_INVALID, "cluster %d has no jobs to come", f->cluster);
}

static int delete_range(struct queue *queue, int64_t first, int64_t last, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_drop_items, &st, err) < 0)
        return -1;
    bind_int(&st, first);
    bind_int(&st, last);
    return statement_run(&st, NULL, err);
}

int queue_drop_items(struct queue *queue, struct job_id from, struct error *err)
{
    return delete_range(queue, queue_key(from), (int64_t)from.cluster << 32 | UINT32_MAX, err);
}

int queue_drop_factory(struct queue *queue, int cluster, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (queue_drop_items(queue, (struct job_id){ .cluster = cluster }, err) < 0 || statement_open(queue, sql_drop, &st, err) < 0)
        return -1;
    bind_int(&st, cluster);
    return statement_run(&st, NULL, err);
}

int queue_each_factory(struct queue *queue, void (*fn)(void *data, const struct queue_factory *factory), void *data,
                       struct error *err)
{
    auto_statement struct statement st = { 0 };
    int r = statement_open(queue, sql_each, &st, err);
    while (r >= 0 && (r = statement_step(&st, err)) == STATEMENT_ROW) {
        struct queue_factory f = { .cluster = (int)take_int(&st) };
        f.uid = (uid_t)take_int(&st);
        snprintf(f.owner, sizeof f.owner, "%s", take_text(&st));
        f.submitted_us = take_int(&st);
        f.next = take_int(&st);
        f.total = take_int(&st);
        f.most = take_int(&st);
        f.most_idle = take_int(&st);
        f.paused = take_int(&st);
        snprintf(f.reason, sizeof f.reason, "%s", take_text(&st));
        fn(data, &f);
    }
    return r < 0 ? -1 : 0;
}

int queue_add_item(struct queue *queue, struct job_id id, const struct ad *ad, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_add_item, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    bind_ad(&st, ad);
    return statement_run(&st, NULL, err);
}

static int read_item(struct queue *queue, struct job_id id, struct ad **ad, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_item, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    int r = statement_step(&st, err);
    if (r <= 0)
        return r < 0 ? -1 : QUEUE_ABSENT;
    return take_ad(&st, ad, err);
}

int queue_take_item(struct queue *queue, struct job_id id, struct ad **ad, struct error *err)
{
    struct ad *item = NULL;
    int r = read_item(queue, id, &item, err);
    if (r < 0)
        return -1;
    if (r == QUEUE_ABSENT) {
        *ad = ad_new();
        return 0;
    }
    if (delete_range(queue, queue_key(id), queue_key(id), err) < 0) {
        ad_free(item);
        return -1;
    }
    *ad = item;
    return 0;
}

int queue_count_to_come(struct queue *queue, uid_t uid, int64_t *count, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_to_come, &st, err) < 0)
        return -1;
    bind_int(&st, uid);
    if (statement_step(&st, err) < 0)
        return -1;
    *count = take_int(&st);
    return 0;
}

int queue_count_cluster(struct queue *queue, int cluster, int64_t *counts, struct error *err)
{
    struct key_range range = queue_key_range((struct job_id){ .cluster = cluster, .proc = JOB_ALL_PROCS });
    int64_t got[JOB_STATE_COUNT];
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        auto_statement struct statement st = { 0 };
        if (statement_open(queue, sql_count, &st, err) < 0)
            return -1;
        bind_int(&st, state);
        bind_int(&st, range.first);
        bind_int(&st, range.last);
        if (statement_step(&st, err) < 0)
            return -1;
        got[state] = take_int(&st);
    }
    memcpy(counts, got, sizeof got);
    return 0;
}
