/*
 * The users' event logs. An event is in the queue before it is in a log, and is marked there afterwards. A crash in between
 * leaves it unmarked; the next pool then looks whether the end of the log already has its text, so that it is written once.
 *
 * An append is one event, whole: written under a lock that HTCondor's writers and readers take too, at the end of the file,
 * and cut off again if the disk was full in its middle. What is marked is on the disk: each log is synced once for all that
 * a batch put into it.
 *
 * Nothing is waited for. A log that cannot be written, or whose lock somebody else holds, is blocked: its events stay unmarked
 * and it is tried again later, less and less often, and after an hour they are given up. That is said of a path for one
 * user: another one's events may well get there. Time is the boot clock's, for the wall clock may jump.
 *
 * New events are looked for behind those that were looked at before. Only when a blocked log is due all events are looked at
 * again, so that its events get there in their order.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    BATCH = 512,
    TAIL_BYTES = 1 << 20, /* more than a batch */
    LOGS_MAX = 64,        /* open at a time */
    BLOCKED_MAX = 256,    /* logs of one user; what more of them cannot be written is given up at once */
    PAUSE_FIRST_US = 1000000,
    PAUSE_MAX_US = 60000000,
    ROUND_US = 200000, /* the loop has other things to do */
};
#define GIVE_UP_US (3600 * CLOCK_SECOND_US)

/* ---- file ---- */

/* A user's log that could not be written. */
struct blocked_log {
    struct blocked_log *next;
    uid_t uid;
    char *path;
    int64_t since_us, due_us, pause_us; /* boot clock */
    bool seen; /* in this pass there was an event for it */
};

struct log {
    uid_t uid;
    char *path;
    int fd;
    bool is_lost; /* what was written may not be on the disk */
};

struct round {
    struct pool *pool;
    struct log logs[LOGS_MAX];
    size_t log_count;
    struct {
        int64_t seq;
        const struct log *log; /* NULL: there is nothing to write, or it was given up */
    } done[BATCH];
    size_t done_count;
    int64_t last; /* that was looked at */
    bool full;    /* there is more, for the next batch */
};

static char *path_of(const struct ad *event)
{
    const char *log = ad_string(event, "Log", "");
    return log[0] == '/' ? mem_dup(log) : mem_printf("%s/%s", ad_string(event, "Iwd", "/"), log);
}

/* ---- blocked logs ---- */

static struct blocked_log **find_blocked(struct pool *p, uid_t uid, const char *path)
{
    struct blocked_log **at = &p->blocked_logs;
    while (*at && !((*at)->uid == uid && strcmp((*at)->path, path) == 0))
        at = &(*at)->next;
    return at;
}

static void unblock(struct blocked_log **at)
{
    struct blocked_log *b = *at;
    if (!b)
        return;
    *at = b->next;
    free(b->path);
    free(b);
}

static bool has_too_many(const struct pool *p, uid_t uid)
{
    int count = 0;
    for (const struct blocked_log *b = p->blocked_logs; b; b = b->next)
        count += b->uid == uid;
    return count >= BLOCKED_MAX;
}

/* Later; false if it has been tried for long enough. */
static bool block(struct pool *p, uid_t uid, const char *path)
{
    int64_t now = clock_boot_us();
    struct blocked_log *b = *find_blocked(p, uid, path);
    if (!b) {
        if (has_too_many(p, uid))
            return false;
        b = mem_new(struct blocked_log);
        *b = (struct blocked_log){ .next = p->blocked_logs, .uid = uid, .path = mem_dup(path), .since_us = now,
                                   .pause_us = PAUSE_FIRST_US };
        p->blocked_logs = b;
    } else if (now - b->since_us >= GIVE_UP_US) {
        return false;
    } else {
        b->pause_us = b->pause_us * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : b->pause_us * 2;
    }
    b->due_us = now + b->pause_us;
    b->seen = true;
    return true;
}

/* Not before a pass over all events that began when it was due. */
static bool is_blocked(struct pool *p, uid_t uid, const char *path)
{
    struct blocked_log *b = *find_blocked(p, uid, path);
    if (b)
        b->seen = true;
    return b && b->due_us > p->logs_scan_us;
}

void userlog_hurry(struct pool *p, bool give_up)
{
    for (struct blocked_log *b = p->blocked_logs; b; b = b->next) {
        b->due_us = 0;
        b->since_us -= give_up ? GIVE_UP_US : 0;
        p->logs_due_us = 0;
    }
}

void userlog_close(struct pool *p)
{
    while (p->blocked_logs)
        unblock(&p->blocked_logs);
}

/* ---- open logs ---- */

static int open_as(uid_t uid, const char *path, struct error *err)
{
    struct identity owner;
    if (identity_of(uid, &owner, err) < 0 || identity_enter(&owner, err) < 0)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (fd < 0)
        error_sys(err, "cannot open the log '%s'", path);
    identity_leave();
    return fd;
}

static struct log *find_log(struct round *r, uid_t uid, const char *path)
{
    for (size_t i = r->log_count; i-- > 0;)
        if (r->logs[i].uid == uid && strcmp(r->logs[i].path, path) == 0)
            return &r->logs[i];
    return NULL;
}

/* The caller has seen to it that there is room. */
static int open_log(struct round *r, uid_t uid, const char *path, struct log **log, struct error *err)
{
    *log = find_log(r, uid, path);
    if (*log)
        return 0;
    int fd = open_as(uid, path, err);
    if (fd < 0)
        return -1;
    *log = &r->logs[r->log_count++];
    **log = (struct log){ .uid = uid, .path = mem_dup(path), .fd = fd };
    return 0;
}

/* What cannot be synced (a FIFO, say) is as durable as it can be. */
static void sync_logs(struct round *r)
{
    for (size_t i = 0; i < r->log_count; i++) {
        struct log *log = &r->logs[i];
        if (fdatasync(log->fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOSYS)
            continue;
        log->is_lost = block(r->pool, log->uid, log->path);
        r->pool->logs_doubtful = r->pool->last_event;
        log_error("cannot sync the log '%s': %s", log->path, strerror(errno));
    }
}

static void close_logs(struct round *r)
{
    for (size_t i = 0; i < r->log_count; i++) {
        file_close(&r->logs[i].fd);
        free(r->logs[i].path);
    }
}

/* How often the end of the log has this text. */
static int count_text(int fd, off_t size, const struct buf *text)
{
    off_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
    auto_free char *tail = mem_zero(1, TAIL_BYTES + 1);
    ssize_t n = pread(fd, tail, TAIL_BYTES, from);
    int count = 0;
    for (const char *at = tail; n > 0 && (at = memmem(at, (size_t)(tail + n - at), text->data, text->len)); at += text->len)
        count++;
    return count;
}

struct twins {
    int64_t seq;
    const struct buf *text;
    int count;
};

static bool compare_event(void *data, const struct queue_event *event)
{
    struct twins *twins = data;
    auto_buf struct buf text = { 0 };
    if (event->seq >= twins->seq)
        return false;
    if (ad_has(event->ad, "Log"))
        userlog_print(event->ad, &text);
    twins->count += text.len == twins->text->len && memcmp(buf_cstr(&text), twins->text->data, text.len) == 0;
    return true;
}

/* Two events of a job within a second may have the same text: this one is there if there is one more than came before it. */
static bool is_written(struct round *r, const struct log *log, const struct queue_event *event, const struct buf *text, off_t size)
{
    struct twins twins = { .seq = event->seq, .text = text };
    struct error ignored;
    int there = count_text(log->fd, size, text);
    if (there == 0 || queue_each_event(r->pool->queue, 0, event->id, 0, compare_event, &twins, &ignored) < 0)
        return there > 0;
    return there > twins.count;
}

/* A writer that died in the middle of an event leaves no newline; the next event must start on a line of its own. */
static void mend_end(int fd, off_t size)
{
    char last = '\n';
    struct error ignored;
    if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
        file_write_all(fd, "\n...\n", 5, &ignored);
}

static int append_locked(struct round *r, const struct log *log, const struct queue_event *event, const struct buf *text,
                         struct error *err)
{
    struct stat st;
    if (fstat(log->fd, &st) < 0)
        return error_sys(err, "cannot look at the log '%s'", log->path);
    if (S_ISREG(st.st_mode)) {
        if (event->seq <= r->pool->logs_doubtful && is_written(r, log, event, text, st.st_size))
            return 0;
        mend_end(log->fd, st.st_size);
    }
    int result = fault_point("pool.log.write") < 0 ? error_sys(err, "cannot write") : file_write_all(log->fd, text->data, text->len, err);
    if (result < 0 && S_ISREG(st.st_mode) && ftruncate(log->fd, st.st_size) < 0)
        return error_sys(err, "cannot take back a torn event in '%s'", log->path);
    return result;
}

static int append(struct round *r, const struct log *log, const struct queue_event *event, const struct buf *text, struct error *err)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(log->fd, F_OFD_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES))
        return error_sys(err, "the log '%s' is locked by somebody else", log->path);
    int result = append_locked(r, log, event, text, err);
    lock.l_type = F_UNLCK;
    fcntl(log->fd, F_OFD_SETLK, &lock);
    return result;
}

/* ---- a batch ---- */

static bool note_done(struct round *r, int64_t seq, const struct log *log)
{
    r->done[r->done_count].seq = seq;
    r->done[r->done_count++].log = log;
    r->last = seq;
    r->full = r->done_count == BATCH;
    return !r->full;
}

static bool write_event(void *data, const struct queue_event *event)
{
    struct round *r = data;
    struct pool *p = r->pool;
    auto_buf struct buf text = { 0 };
    struct error err;
    struct log *log;
    auto_free char *path = path_of(event->ad);
    uid_t uid = (uid_t)ad_int(event->ad, "Uid", 0);
    userlog_print(event->ad, &text);
    if (text.len == 0)
        return note_done(r, event->seq, NULL);
    if (is_blocked(p, uid, path)) {
        r->last = event->seq;
        return true;
    }
    if (r->log_count == LOGS_MAX && !find_log(r, uid, path)) {
        r->full = true;
        return false;
    }
    if (open_log(r, uid, path, &log, &err) == 0 && append(r, log, event, &text, &err) == 0) {
        unblock(find_blocked(p, uid, path));
        return note_done(r, event->seq, log);
    }
    if (block(p, uid, path)) {
        r->last = event->seq; /* later; events of other logs must not wait for this one */
        return true;
    }
    log_error("job %d.%d: an event is not in its log: %s", event->id.cluster, event->id.proc, err.text);
    return note_done(r, event->seq, NULL);
}

static int mark_done(struct round *r, struct error *err)
{
    if (r->done_count == 0)
        return 0;
    fault_point("pool.log.written");
    if (queue_begin(r->pool->queue, err) < 0)
        return -1;
    for (size_t i = 0; i < r->done_count; i++) {
        if (r->done[i].log && r->done[i].log->is_lost)
            continue;
        if (queue_mark_logged(r->pool->queue, r->done[i].seq, err) < 0) {
            queue_rollback(r->pool->queue);
            return -1;
        }
    }
    return queue_commit(r->pool->queue, err);
}

static int write_batch(struct pool *p, bool *more, struct error *err)
{
    struct round r = { .pool = p, .last = p->logs_from };
    int result = queue_each_unlogged_after(p->queue, p->logs_from, write_event, &r, err);
    sync_logs(&r);
    if (result == 0)
        result = mark_done(&r, err);
    close_logs(&r);
    *more = r.full;
    p->logs_from = r.last;
    return result;
}

/* ---- a pass over the events ---- */

static void begin_pass(struct pool *p)
{
    int64_t now = clock_boot_us();
    if (p->logs_due_us <= now)
        p->logs_from = 0;
    p->logs_scan_us = now;
    for (struct blocked_log *b = p->logs_from == 0 ? p->blocked_logs : NULL; b; b = b->next)
        b->seen = false;
}

/* After a pass over all events, a blocked log for which there was none is forgotten. */
static void end_pass(struct pool *p)
{
    p->logs_due_us = INT64_MAX;
    for (struct blocked_log **at = &p->blocked_logs; *at;) {
        if (!(*at)->seen) {
            unblock(at);
            continue;
        }
        p->logs_due_us = (*at)->due_us < p->logs_due_us ? (*at)->due_us : p->logs_due_us;
        at = &(*at)->next;
    }
}

static void write_logs(struct pool *p)
{
    struct error err;
    int64_t begun = clock_boot_us();
    bool more = true;
    while (more && clock_boot_us() - begun < ROUND_US) {
        if (write_batch(p, &more, &err) < 0) {
            log_error("users' logs, trying again: %s", err.text);
            p->logs_doubtful = p->last_event;
            p->logs_from = 0;
            p->logs_unfinished = false;
            p->logs = true;
            pool_retry(p);
            return;
        }
    }
    p->logs = more;
    p->logs_unfinished = more;
    if (!more)
        end_pass(p);
    else
        pool_wake(p, clock_boot_us());
}

void userlog_round(struct pool *p)
{
    bool is_due = p->logs_due_us <= clock_boot_us();
    if (p->logs || is_due) {
        if (!p->logs_unfinished)
            begin_pass(p);
        write_logs(p);
    }
    if (p->logs_due_us != INT64_MAX && p->logs_due_us > clock_boot_us())
        pool_wake(p, p->logs_due_us);
}
