/* Users' usage, and the pool's settings: small tables of whole rows. */
#include "queue/database.h"

#include <stdio.h>

#define COLUMNS "uid, owner, decayed_cpu_s, updated_us, total_cpu_us, factor"

static const char sql_get[] = "SELECT " COLUMNS " FROM usage WHERE uid = ?1";
static const char sql_put[] = "INSERT OR REPLACE INTO usage (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char sql_each[] = "SELECT " COLUMNS " FROM usage ORDER BY owner, uid";
#define ACCOUNT "0, name, decayed_cpu_s, updated_us, total_cpu_us, factor"
static const char sql_get_account[] = "SELECT " ACCOUNT " FROM account WHERE name = ?1";
static const char sql_put_account[] = "INSERT OR REPLACE INTO account (name, decayed_cpu_s, updated_us, total_cpu_us, factor)"
                                      " VALUES (?1, ?2, ?3, ?4, ?5)";
static const char sql_each_account[] = "SELECT " ACCOUNT " FROM account ORDER BY name";
static const char sql_get_setting[] = "SELECT value FROM setting WHERE name = ?1";
static const char sql_put_setting[] = "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)";

static void take_usage(struct statement *st, struct queue_usage *out)
{
    *out = (struct queue_usage){ .uid = (uid_t)take_int(st) };
    snprintf(out->owner, sizeof out->owner, "%s", take_text(st));
    out->decayed_cpu_s = take_real(st);
    out->updated_us = take_int(st);
    out->total_cpu_us = take_int(st);
    out->factor = take_real(st);
}

int queue_get_usage(struct queue *queue, uid_t uid, struct queue_usage *out, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_get, &st, err) < 0)
        return -1;
    bind_int(&st, uid);
    int r = statement_step(&st, err);
    if (r < 0)
        return -1;
    if (r == 0)
        return QUEUE_ABSENT;
    take_usage(&st, out);
    return 0;
}

int queue_put_usage(struct queue *queue, const struct queue_usage *usage, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_put, &st, err) < 0)
        return -1;
    bind_int(&st, usage->uid);
    bind_text(&st, usage->owner);
    bind_real(&st, usage->decayed_cpu_s);
    bind_int(&st, usage->updated_us);
    bind_int(&st, usage->total_cpu_us);
    bind_real(&st, usage->factor);
    return statement_run(&st, NULL, err);
}

static int each(struct queue *queue, const char *sql, void (*fn)(void *data, const struct queue_usage *usage), void *data,
                struct error *err)
{
    auto_statement struct statement st = { 0 };
    int r = statement_open(queue, sql, &st, err);
    if (r < 0)
        return -1;
    while ((r = statement_step(&st, err)) == STATEMENT_ROW) {
        struct queue_usage usage;
        take_usage(&st, &usage);
        fn(data, &usage);
    }
    return r;
}

int queue_each_usage(struct queue *queue, void (*fn)(void *data, const struct queue_usage *usage), void *data,
                     struct error *err)
{
    return each(queue, sql_each, fn, data, err);
}

int queue_each_account(struct queue *queue, void (*fn)(void *data, const struct queue_usage *usage), void *data,
                       struct error *err)
{
    return each(queue, sql_each_account, fn, data, err);
}

int queue_get_account(struct queue *queue, const char *name, struct queue_usage *out, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_get_account, &st, err) < 0)
        return -1;
    bind_text(&st, name);
    int r = statement_step(&st, err);
    if (r <= 0)
        return r < 0 ? -1 : QUEUE_ABSENT;
    take_usage(&st, out);
    return 0;
}

int queue_put_account(struct queue *queue, const struct queue_usage *usage, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_put_account, &st, err) < 0)
        return -1;
    bind_text(&st, usage->owner);
    bind_real(&st, usage->decayed_cpu_s);
    bind_int(&st, usage->updated_us);
    bind_int(&st, usage->total_cpu_us);
    bind_real(&st, usage->factor);
    return statement_run(&st, NULL, err);
}

int queue_get_setting(struct queue *queue, const char *name, struct buf *out, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_get_setting, &st, err) < 0)
        return -1;
    bind_text(&st, name);
    int r = statement_step(&st, err);
    if (r < 0)
        return -1;
    if (r == 0)
        return QUEUE_ABSENT;
    buf_text(out, take_text(&st));
    return 0;
}

int queue_put_setting(struct queue *queue, const char *name, const char *value, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_put_setting, &st, err) < 0)
        return -1;
    bind_text(&st, name);
    bind_text(&st, value);
    return statement_run(&st, NULL, err);
}
