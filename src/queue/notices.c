/* Notices: a row from the transaction in which something happened until somebody was told of it. */
#include "queue/database.h"

#include <stdio.h>

static const char sql_add[] = "INSERT INTO notice (job, kind, due_us, tries) VALUES (?1, ?2, 0, 0)";
static const char sql_next[] = "SELECT seq, job, kind, due_us, tries FROM notice WHERE seq > ?1 AND due_us <= ?2 ORDER BY seq LIMIT 1";
static const char sql_due[] = "SELECT coalesce(min(due_us), 0x7fffffffffffffff) FROM notice WHERE due_us > ?1";
static const char sql_delay[] = "UPDATE notice SET due_us = ?2, tries = tries + 1 WHERE seq = ?1";
static const char sql_drop[] = "DELETE FROM notice WHERE seq = ?1";

int queue_add_notice(struct queue *queue, struct job_id id, const char *kind, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_add, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    bind_text(&st, kind);
    return statement_run(&st, NULL, err);
}

int queue_next_notice(struct queue *queue, int64_t after, int64_t now_us, struct queue_notice *notice, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_next, &st, err) < 0)
        return -1;
    bind_int(&st, after);
    bind_int(&st, now_us);
    int r = statement_step(&st, err);
    if (r <= 0)
        return r < 0 ? -1 : QUEUE_ABSENT;
    *notice = (struct queue_notice){ .seq = take_int(&st) };
    notice->id = queue_key_id(take_int(&st));
    snprintf(notice->kind, sizeof notice->kind, "%s", take_text(&st));
    notice->due_us = take_int(&st);
    notice->tries = take_int(&st);
    return 0;
}

int queue_notice_due(struct queue *queue, int64_t now_us, int64_t *due_us, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_due, &st, err) < 0)
        return -1;
    bind_int(&st, now_us);
    if (statement_step(&st, err) < 0)
        return -1;
    *due_us = take_int(&st);
    return 0;
}

int queue_delay_notice(struct queue *queue, int64_t seq, int64_t due_us, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_delay, &st, err) < 0)
        return -1;
    bind_int(&st, seq);
    bind_int(&st, due_us);
    return statement_run(&st, NULL, err);
}

int queue_drop_notice(struct queue *queue, int64_t seq, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_drop, &st, err) < 0)
        return -1;
    bind_int(&st, seq);
    return statement_run(&st, NULL, err);
}
