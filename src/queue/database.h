/*
 * What the files of this module share: the connection, and statements that are prepared once, kept, and run with few words.
 * Values are bound and taken in the order in which the SQL text names them. SQL texts are static: the cache knows them by
 * address.
 */
#pragma once

#include "queue/queue.h"

#include <sqlite3.h>

enum {
    QUEUE_RECORD_MAX = 32 << 20, /* bytes of one row: an ad in JSON form and what stands beside it */
    STATEMENTS_MAX = 128,        /* more texts than the module has */
    STATEMENT_ROW = 1,           /* outcome of statement_step: there is a row to take values from */
};

struct queue {
    sqlite3 *db;
    char *path;
    bool in_transaction;
    bool broken; /* by a failure: until the transaction's end everything is refused, or half of it would be kept */
    struct {
        const char *sql;
        sqlite3_stmt *handle;
    } statements[STATEMENTS_MAX];
    int statement_count;
    int cluster; /* whose ad is kept parsed in cluster_ad; 0 = nobody's */
    struct ad *cluster_ad;
};

/* The steps that lead to the newest version: the n-th makes version n of version n - 1. Released steps never change. */
const char *const *queue_migrations(int *count);
/* queue_open with other steps, for the test of the mechanism. */
int queue_open_with(const char *dir, const char *const *migrations, int count, struct queue **queue, struct error *err);

/* Fills err from the connection's last failure and dooms the transaction that it happened in. */
int queue_failed(struct queue *queue, const char *what, struct error *err);
/* Forgets the parsed cluster ad: after a rollback and when clusters change. */
void queue_forget_cluster(struct queue *queue);
/* For a step of several statements that the caller may not have put into a transaction: *own says whether it opened one. */
int queue_enter(struct queue *queue, bool *own, struct error *err);
int queue_leave(struct queue *queue, bool own, int result, struct error *err);

/* A job's number as one integer, in the order of cluster and proc. */
int64_t queue_key(struct job_id id);
struct job_id queue_key_id(int64_t key);
/* The keys that an id means: one job, its whole cluster (JOB_ALL_PROCS), or all (cluster 0). */
struct key_range {
    int64_t first, last;
};
struct key_range queue_key_range(struct job_id id);

struct statement {
    struct queue *queue;
    sqlite3_stmt *handle;
    bool own; /* the cached one was busy (a callback asks the same question again): this one ends with its use */
    int bound;
    int taken;
    int bad; /* the first binding's failure, reported by the step */
};
#define auto_statement __attribute__((cleanup(statement_release)))

int statement_open(struct queue *queue, const char *sql, struct statement *st, struct error *err);
void statement_release(struct statement *st); /* accepts a zeroed one */
void bind_int(struct statement *st, int64_t value);
void bind_real(struct statement *st, double value);
/* Borrowed until the statement's release; NULL is SQL's NULL. */
void bind_text(struct statement *st, const char *text);
/* In JSON form; NULL is an empty ad. */
void bind_ad(struct statement *st, const struct ad *ad);
/* 0 = no (more) rows, or STATEMENT_ROW. */
int statement_step(struct statement *st, struct error *err);
/* Runs what gives no rows. *changes (may be NULL) = number of rows changed. */
int statement_run(struct statement *st, int64_t *changes, struct error *err);
int64_t take_int(struct statement *st);
double take_real(struct statement *st);
/* Borrowed until the next step; "" for NULL. */
const char *take_text(struct statement *st);
/* The same with its length. */
const char *take_text_n(struct statement *st, size_t *len);
/* What is no ad is ERR_CORRUPT. */
int take_ad(struct statement *st, struct ad **ad, struct error *err);

/* Appends copies of the list attribute's ads in `from` to that of `into`, which becomes a list even if there are none: so that
 * a caller's ad changes only when all rows could be read. */
void queue_append_list(struct ad *into, const struct ad *from, const char *list);
