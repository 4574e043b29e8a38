/*
 * Events: what happened, in one order for the whole pool. AUTOINCREMENT, because a follower's "after" must stay true when
 * the last events are forgotten with their jobs; a rolled-back event gives its number back, so that there are no holes.
 *
 * The events of one job come from the index. Those of a cluster are picked from the sequence: who follows one asks for the few
 * newest again and again.
 */
#include "queue/database.h"

static const char sql_add[] = "INSERT INTO event (job, unlogged, ad) VALUES (?1, ?2, ?3)";
static const char sql_each[] = "SELECT seq, job, ad FROM event NOT INDEXED"
                               " WHERE job BETWEEN ?1 AND ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";
static const char sql_each_of_job[] = "SELECT seq, job, ad FROM event INDEXED BY event_job"
                                      " WHERE job = ?1 AND job = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";
static const char sql_recent[] = "SELECT seq, job, ad FROM (SELECT seq, job, ad FROM event INDEXED BY event_job"
                                 " WHERE job = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq";
static const char sql_unlogged[] = "SELECT seq, job, ad FROM event INDEXED BY event_unlogged"
                                   " WHERE unlogged = 1 ORDER BY seq LIMIT ?1";
static const char sql_unlogged_after[] = "SELECT seq, job, ad FROM event INDEXED BY event_unlogged"
                                         " WHERE unlogged = 1 AND seq > ?1 ORDER BY seq";
static const char sql_mark[] = "UPDATE event SET unlogged = 0 WHERE seq = ?1 AND unlogged = 1";
static const char sql_last[] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)";

int queue_add_event(struct queue *queue, struct job_id id, const struct ad *ad, bool for_log, int64_t *seq,
                    struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_add, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    bind_int(&st, for_log);
    bind_ad(&st, ad);
    if (statement_run(&st, NULL, err) < 0)
        return -1;
    if (seq)
        *seq = sqlite3_last_insert_rowid(queue->db);
    return 0;
}

static int each(struct statement *st, queue_event_fn *fn, void *data, struct error *err)
{
    int r;
    while ((r = statement_step(st, err)) == STATEMENT_ROW) {
        auto_ad struct ad *ad = NULL;
        struct queue_event event = { .seq = take_int(st) };
        event.id = queue_key_id(take_int(st));
        if (take_ad(st, &ad, err) < 0)
            return error_wrap(err, "event %lld", (long long)event.seq);
        event.ad = ad;
        if (!fn(data, &event))
            return 0;
    }
    return r;
}

int queue_each_event(struct queue *queue, int64_t after, struct job_id id, int64_t limit, queue_event_fn *fn, void *data,
                     struct error *err)
{
    auto_statement struct statement st = { 0 };
    struct key_range range = queue_key_range(id);
    if (statement_open(queue, range.first == range.last ? sql_each_of_job : sql_each, &st, err) < 0)
        return -1;
    bind_int(&st, range.first);
    bind_int(&st, range.last);
    bind_int(&st, after);
    bind_int(&st, limit > 0 ? limit : -1);
    return each(&st, fn, data, err);
}

int queue_each_recent(struct queue *queue, struct job_id id, int64_t limit, queue_event_fn *fn, void *data,
                      struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_recent, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(id));
    bind_int(&st, limit);
    return each(&st, fn, data, err);
}

int queue_each_unlogged(struct queue *queue, int64_t limit, queue_event_fn *fn, void *data, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_unlogged, &st, err) < 0)
        return -1;
    bind_int(&st, limit > 0 ? limit : -1);
    return each(&st, fn, data, err);
}

int queue_each_unlogged_after(struct queue *queue, int64_t after, queue_event_fn *fn, void *data, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_unlogged_after, &st, err) < 0)
        return -1;
    bind_int(&st, after);
    return each(&st, fn, data, err);
}

int queue_mark_logged(struct queue *queue, int64_t seq, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_mark, &st, err) < 0)
        return -1;
    bind_int(&st, seq);
    return statement_run(&st, NULL, err);
}

int queue_last_event(struct queue *queue, int64_t *seq, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_last, &st, err) < 0 || statement_step(&st, err) < 0)
        return -1;
    *seq = take_int(&st);
    return 0;
}
