/* Stints and checkpoints: ads under a job and a number. */
#include "queue/database.h"

#define PUT(table)                                       \
    "INSERT INTO " table " (job, number, ad) VALUES (?1, ?2, ?3)" \
    " ON CONFLICT DO UPDATE SET ad = excluded.ad"
#define LIST(table) "SELECT ad FROM " table " WHERE job = ?1 ORDER BY number"

static const char sql_put_stint[] = PUT("stint");
static const char sql_get_stint[] = "SELECT ad FROM stint WHERE job = ?1 AND number = ?2";
static const char sql_list_stints[] = LIST("stint");
static const char sql_put_checkpoint[] = PUT("checkpoint");
static const char sql_list_checkpoints[] = LIST("checkpoint");

static int put(struct queue *queue, const char *sql, int64_t key, int number, const struct ad *ad, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql, &st, err) < 0)
        return -1;
    bind_int(&st, key);
    bind_int(&st, number);
    bind_ad(&st, ad);
    return statement_run(&st, NULL, err);
}

/* All or, on failure, none. */
static int list_all(struct queue *queue, const char *sql, int64_t key, struct ad *into, const char *list, struct error *err)
{
    auto_statement struct statement st = { 0 };
    auto_ad struct ad *got = ad_new();
    int r = statement_open(queue, sql, &st, err);
    if (r < 0)
        return -1;
    bind_int(&st, key);
    while ((r = statement_step(&st, err)) == STATEMENT_ROW) {
        struct ad *ad;
        if (take_ad(&st, &ad, err) < 0)
            return -1;
        ad_append_ad(got, list, ad);
    }
    if (r < 0)
        return -1;
    queue_append_list(into, got, list);
    return 0;
}

int queue_put_stint(struct queue *queue, struct job_id id, int stint, const struct ad *ad, struct error *err)
{
    return put(queue, sql_put_stint, queue_key(id), stint, ad, err);
}

int queue_get_stint(struct queue *queue, struct job_id id, int stint, struct ad **ad, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_get_stint, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    bind_int(&st, stint);
    int r = statement_step(&st, err);
    if (r == 0)
        return QUEUE_ABSENT;
    return r < 0 ? -1 : take_ad(&st, ad, err);
}

int queue_put_checkpoint(struct queue *queue, struct job_id id, int number, const struct ad *ad, struct error *err)
{
    return put(queue, sql_put_checkpoint, queue_key(id), number, ad, err);
}

int queue_list_stints(struct queue *queue, struct job_id id, struct ad *into, const char *list, struct error *err)
{
    return list_all(queue, sql_list_stints, queue_key(id), into, list, err);
}

int queue_list_checkpoints(struct queue *queue, struct job_id id, struct ad *into, const char *list, struct error *err)
{
    return list_all(queue, sql_list_checkpoints, queue_key(id), into, list, err);
}
