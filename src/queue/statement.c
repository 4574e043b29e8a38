/*
 * Prepared statements, small. Preparing costs more than running, so each text is prepared once and its statement kept for
 * the life of the queue. A callback of queue_each_… may ask the queue the very question that is being answered; resetting
 * the running statement would start it anew, so a busy one is left alone and a second is prepared for that one use.
 *
 * A failure inside a transaction dooms the transaction. SQLite itself rolls back on some failures (disk full, I/O) and not
 * on others; going on after it did would commit every further statement by itself. queue_failed makes both cases one:
 * everything is refused until the caller ends the transaction, which rolls back what is left. Only a violated constraint
 * leaves it alive: that is an answer about one row.
 */
#include "queue/database.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static enum error_kind kind_of(int code)
{
    switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
        return ERR_CORRUPT;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_CONSTRAINT:
        return ERR_INVALID;
    default:
        return ERR_SYSTEM;
    }
}

static int errno_of(sqlite3 *db, int code)
{
    switch (code) {
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_NOMEM:
        return ENOMEM;
    default:
        return sqlite3_system_errno(db) ? sqlite3_system_errno(db) : EIO;
    }
}

static int describe(struct queue *queue, const char *what, int extended, struct error *err)
{
    int code = extended & 0xff;
    enum error_kind kind = kind_of(code);
    const char *reason = sqlite3_errmsg(queue->db);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return error_set(err, ERR_SYSTEM, "%s: another process has the queue '%s' open", what, queue->path);
    if (kind == ERR_CORRUPT)
        return error_set(err, kind, "%s: the queue '%s' is damaged: %s", what, queue->path, reason);
    if (kind != ERR_SYSTEM)
        return error_set(err, kind, "%s: %s", what, reason);
    int sys = errno_of(queue->db, code);
    error_set(err, kind, "%s: queue '%s': %s (%s)", what, queue->path, reason, strerror(sys));
    if (err)
        err->sys = sys;
    return -1;
}

int queue_failed(struct queue *queue, const char *what, struct error *err)
{
    int extended = sqlite3_extended_errcode(queue->db);
    describe(queue, what, extended, err);
    if (queue->in_transaction && (extended & 0xff) != SQLITE_CONSTRAINT)
        queue->broken = true;
    return -1;
}

/* The kept statement for the text, preparing it at its first use. */
static int find(struct queue *queue, const char *sql, sqlite3_stmt **handle, struct error *err)
{
    for (int i = 0; i < queue->statement_count; i++) {
        if (queue->statements[i].sql == sql) {
            *handle = queue->statements[i].handle;
            return 0;
        }
    }
    if (sqlite3_prepare_v3(queue->db, sql, -1, SQLITE_PREPARE_PERSISTENT, handle, NULL) != SQLITE_OK)
        return queue_failed(queue, "cannot prepare a query", err);
    if (queue->statement_count < STATEMENTS_MAX) {
        queue->statements[queue->statement_count].sql = sql;
        queue->statements[queue->statement_count].handle = *handle;
        queue->statement_count++;
        return 0;
    }
    return 1;
}

int statement_open(struct queue *queue, const char *sql, struct statement *st, struct error *err)
{
    if (queue->broken)
        return error_set(err, ERR_SYSTEM, "the transaction cannot go on after an earlier failure");
    *st = (struct statement){ .queue = queue };
    int r = find(queue, sql, &st->handle, err);
    if (r < 0)
        return -1;
    st->own = r > 0;
    if (!sqlite3_stmt_busy(st->handle))
        return 0;
    st->own = true;
    if (sqlite3_prepare_v3(queue->db, sql, -1, 0, &st->handle, NULL) != SQLITE_OK)
        return queue_failed(queue, "cannot prepare a query", err);
    return 0;
}

void statement_release(struct statement *st)
{
    if (st->own) {
        sqlite3_finalize(st->handle);
    } else if (st->handle) {
        sqlite3_reset(st->handle);
        sqlite3_clear_bindings(st->handle);
    }
    *st = (struct statement){ 0 };
}

static void note(struct statement *st, int code)
{
    if (code != SQLITE_OK && st->bad == SQLITE_OK)
        st->bad = code;
}

void bind_int(struct statement *st, int64_t value)
{
    note(st, sqlite3_bind_int64(st->handle, ++st->bound, value));
}

void bind_real(struct statement *st, double value)
{
    note(st, sqlite3_bind_double(st->handle, ++st->bound, value));
}

void bind_text(struct statement *st, const char *text)
{
    note(st, sqlite3_bind_text(st->handle, ++st->bound, text, -1, SQLITE_STATIC));
}

void bind_ad(struct statement *st, const struct ad *ad)
{
    struct buf text = { .max = QUEUE_RECORD_MAX };
    if (!ad || ad_count(ad) == 0) {
        bind_text(st, "{}");
        return;
    }
    ad_print_json(ad, &text);
    size_t len = text.len;
    if (text.full)
        note(st, SQLITE_TOOBIG);
    note(st, sqlite3_bind_text64(st->handle, ++st->bound, buf_steal(&text), len, free, SQLITE_UTF8));
}

int statement_step(struct statement *st, struct error *err)
{
    if (st->bad == SQLITE_TOOBIG)
        return error_set(err, ERR_LIMIT, "a record is larger than %d bytes", QUEUE_RECORD_MAX);
    if (st->bad != SQLITE_OK)
        return error_set(err, ERR_SYSTEM, "cannot bind a value: %s", sqlite3_errstr(st->bad));
    int code = sqlite3_step(st->handle);
    st->taken = 0;
    if (code == SQLITE_ROW)
        return STATEMENT_ROW;
    if (code == SQLITE_DONE)
        return 0;
    return queue_failed(st->queue, sqlite3_stmt_readonly(st->handle) ? "cannot read" : "cannot write", err);
}

int statement_run(struct statement *st, int64_t *changes, struct error *err)
{
    int r = statement_step(st, err);
    if (r < 0)
        return r;
    if (changes)
        *changes = sqlite3_changes64(st->queue->db);
    return 0;
}

int64_t take_int(struct statement *st)
{
    return sqlite3_column_int64(st->handle, st->taken++);
}

double take_real(struct statement *st)
{
    return sqlite3_column_double(st->handle, st->taken++);
}

const char *take_text(struct statement *st)
{
    const char *text = (const char *)sqlite3_column_text(st->handle, st->taken++);
    return text ? text : "";
}

const char *take_text_n(struct statement *st, size_t *len)
{
    const char *text = take_text(st);
    *len = (size_t)sqlite3_column_bytes(st->handle, st->taken - 1);
    return text;
}

int take_ad(struct statement *st, struct ad **ad, struct error *err)
{
    size_t len;
    const char *text = take_text_n(st, &len);
    if (len == 2 && memcmp(text, "{}", 2) == 0) {
        *ad = ad_new();
        return 0;
    }
    if (ad_parse_json(text, len, ad, err) == 0)
        return 0;
    if (err)
        err->kind = ERR_CORRUPT;
    return error_wrap(err, "the queue '%s' is damaged", st->queue->path);
}

void queue_append_list(struct ad *into, const struct ad *from, const char *list)
{
    ad_make_list(into, list);
    for (size_t i = 0; i < ad_list_count(from, list); i++)
        ad_append_ad(into, list, ad_copy(ad_list_ad(from, list, i)));
}
