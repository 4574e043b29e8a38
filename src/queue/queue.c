/*
 * The connection: opening, migrating, transactions.
 *
 * The database is opened in exclusive mode: the pool is its only user, a second pool must be kept out, and WAL without other
 * processes needs no shared-memory file, so that a queue on NFS (home directories of clusters are) or on a full disk works
 * like any other. Every commit is one write and one fdatasync of the log.
 *
 * A queue is recognized by its application id; an empty file becomes one, any other database is refused before anything is
 * written to it. The version is SQLite's user_version; all missing steps and the new version are one transaction.
 */
#include "queue/database.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define QUEUE_FILE "queue.db"

enum {
    APPLICATION_ID = 0x73746e74, /* "stnt" */
    BUSY_TIMEOUT_MS = 2000,      /* for a predecessor that is just going */
};

/* cache_size in KiB: what is hot fits, and the pool stays small. Up to a thousand pages (4 MiB) gather in the log before they
 * move into the database; a log that a large submission made longer is cut back to that. */
static const char sql_setup[] = "PRAGMA locking_mode = EXCLUSIVE;"
                                "PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = FULL;"
                                "PRAGMA cache_size = -1024;"
                                "PRAGMA wal_autocheckpoint = 1000;"
                                "PRAGMA journal_size_limit = 4194304;"
                                "PRAGMA trusted_schema = OFF;"
                                "PRAGMA cell_size_check = ON;";
static const char sql_application_id[] = "PRAGMA application_id";
static const char sql_version[] = "PRAGMA user_version";
static const char sql_tables[] = "SELECT count(*) FROM sqlite_schema";
static const char sql_begin[] = "BEGIN IMMEDIATE";
static const char sql_commit[] = "COMMIT";

int64_t queue_key(struct job_id id)
{
    return (int64_t)id.cluster << 32 | (uint32_t)id.proc;
}

struct job_id queue_key_id(int64_t key)
{
    return (struct job_id){ .cluster = (int)(key >> 32), .proc = (int)(uint32_t)key };
}

struct key_range queue_key_range(struct job_id id)
{
    if (id.cluster == 0)
        return (struct key_range){ 0, INT64_MAX };
    if (id.proc == JOB_ALL_PROCS)
        return (struct key_range){ (int64_t)id.cluster << 32, (int64_t)id.cluster << 32 | UINT32_MAX };
    return (struct key_range){ queue_key(id), queue_key(id) };
}

void queue_forget_cluster(struct queue *queue)
{
    ad_free(queue->cluster_ad);
    queue->cluster_ad = NULL;
    queue->cluster = 0;
}

static int execute(struct queue *queue, const char *sql, const char *what, struct error *err)
{
    if (sqlite3_exec(queue->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return queue_failed(queue, what, err);
    return 0;
}

static int read_number(struct queue *queue, const char *sql, int64_t *number, struct error *err)
{
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql, &st, err) < 0 || statement_step(&st, err) < 0)
        return -1;
    *number = take_int(&st);
    return 0;
}

/* SQLite would create the file with the process's umask, and its log inherits the mode: so the file is there before. */
static int make_file(const char *dir, struct error *err)
{
    auto_close int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return error_sys(err, "cannot open directory '%s'", dir);
    auto_close int fd = openat(at, QUEUE_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return file_sync(at, dir, err);
    if (errno != EEXIST)
        return error_sys(err, "cannot create '%s/%s'", dir, QUEUE_FILE);
    struct stat st;
    if (fstatat(at, QUEUE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, "cannot look at '%s/%s'", dir, QUEUE_FILE);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s/%s' is not a file", dir, QUEUE_FILE);
    if (st.st_mode & 077 && fchmodat(at, QUEUE_FILE, 0600, 0) < 0)
        return error_sys(err, "cannot make '%s/%s' private", dir, QUEUE_FILE);
    return 0;
}

static int migrate(struct queue *queue, const char *const *migrations, int from, int to, struct error *err)
{
    char version[96];
    sqlite3_snprintf(sizeof version, version, "PRAGMA user_version = %d; PRAGMA application_id = %d", to, APPLICATION_ID);
    if (queue_begin(queue, err) < 0)
        return -1;
    for (int i = from; i < to; i++) {
        if (execute(queue, migrations[i], "cannot migrate", err) < 0) {
            queue_rollback(queue);
            return error_wrap(err, "step %d", i + 1);
        }
    }
    if (execute(queue, version, "cannot migrate", err) < 0) {
        queue_rollback(queue);
        return -1;
    }
    return queue_commit(queue, err);
}

/* Before anything is written: is it ours, and of a version that this program knows? */
static int recognize(struct queue *queue, int newest, int64_t *version, struct error *err)
{
    int64_t application, tables;
    if (read_number(queue, sql_application_id, &application, err) < 0 ||
        read_number(queue, sql_version, version, err) < 0 || read_number(queue, sql_tables, &tables, err) < 0)
        return -1;
    if (application != APPLICATION_ID && (tables > 0 || application != 0))
        return error_set(err, ERR_CORRUPT, "'%s' is a database, but not a queue of stint's", queue->path);
    if (*version > newest)
        return error_set(err, ERR_INVALID,
                         "the queue '%s' has version %lld, this program knows versions up to %d: use the newer program",
                         queue->path, (long long)*version, newest);
    if (*version < 0)
        return error_set(err, ERR_CORRUPT, "the queue '%s' has the impossible version %lld", queue->path,
                         (long long)*version);
    return 0;
}

static int set_up(struct queue *queue, const char *const *migrations, int count, struct error *err)
{
    int64_t version;
    if (sqlite3_db_readonly(queue->db, "main")) {
        errno = EACCES;
        return error_sys(err, "cannot write to the queue '%s'", queue->path);
    }
    sqlite3_extended_result_codes(queue->db, 1);
    sqlite3_busy_timeout(queue->db, BUSY_TIMEOUT_MS);
    sqlite3_limit(queue->db, SQLITE_LIMIT_LENGTH, QUEUE_RECORD_MAX);
    sqlite3_db_config(queue->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (execute(queue, "PRAGMA locking_mode = EXCLUSIVE", "cannot open", err) < 0 ||
        recognize(queue, count, &version, err) < 0 || execute(queue, sql_setup, "cannot open", err) < 0)
        return -1;
    return version < count ? migrate(queue, migrations, (int)version, count, err) : 0;
}

int queue_open_with(const char *dir, const char *const *migrations, int count, struct queue **queue, struct error *err)
{
    if (make_file(dir, err) < 0)
        return -1;
    struct queue *q = mem_new(struct queue);
    q->path = mem_printf("%s/%s", dir, QUEUE_FILE);
    int code = sqlite3_open_v2(q->path, &q->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = code == SQLITE_OK ? set_up(q, migrations, count, err) : queue_failed(q, "cannot open", err);
    if (r < 0) {
        queue_close(q);
        return -1;
    }
    *queue = q;
    return 0;
}

int queue_open(const char *dir, struct queue **queue, struct error *err)
{
    int count;
    const char *const *migrations = queue_migrations(&count);
    return queue_open_with(dir, migrations, count, queue, err);
}

void queue_close(struct queue *queue)
{
    if (!queue)
        return;
    for (int i = 0; i < queue->statement_count; i++)
        sqlite3_finalize(queue->statements[i].handle);
    sqlite3_close(queue->db);
    queue_forget_cluster(queue);
    free(queue->path);
    free(queue);
}

int queue_begin(struct queue *queue, struct error *err)
{
    assert(!queue->in_transaction);
    if (fault_point("queue.begin") < 0)
        return error_sys(err, "cannot begin a transaction");
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_begin, &st, err) < 0 || statement_run(&st, NULL, err) < 0)
        return -1;
    queue->in_transaction = true;
    return 0;
}

void queue_rollback(struct queue *queue)
{
    if (!queue->in_transaction)
        return;
    if (!sqlite3_get_autocommit(queue->db))
        sqlite3_exec(queue->db, "ROLLBACK", NULL, NULL, NULL);
    queue->in_transaction = false;
    queue->broken = false;
    queue_forget_cluster(queue);
}

static int commit(struct queue *queue, struct error *err)
{
    if (fault_point("queue.commit") < 0)
        return error_sys(err, "cannot commit");
    auto_statement struct statement st = { 0 };
    if (statement_open(queue, sql_commit, &st, err) < 0)
        return -1;
    return statement_run(&st, NULL, err);
}

int queue_commit(struct queue *queue, struct error *err)
{
    assert(queue->in_transaction);
    if (commit(queue, err) < 0) {
        queue_rollback(queue);
        return -1;
    }
    queue->in_transaction = false;
    (void)fault_point("queue.committed"); /* durable: only a kill can still strike here */
    return 0;
}

int queue_enter(struct queue *queue, bool *own, struct error *err)
{
    *own = !queue->in_transaction;
    return *own ? queue_begin(queue, err) : 0;
}

int queue_leave(struct queue *queue, bool own, int result, struct error *err)
{
    if (!own)
        return result;
    if (result == 0)
        return queue_commit(queue, err);
    queue_rollback(queue);
    return result;
}
