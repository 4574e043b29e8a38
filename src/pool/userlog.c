/*
 * The users' event logs. An event is in the queue before it is in a log, and is marked there afterwards. A crash in between
 * leaves it unmarked; the next pool then looks whether the end of the log already has its text, so that it is written once.
 *
 * An append is one event, whole: written under a lock that HTCondor's writers and readers take too, at the end of the file,
 * and cut off again if the disk was full in its middle. A lock that somebody else holds is not waited for: the event stays
 * unmarked and comes with the next round.
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
#include <time.h>
#include <unistd.h>

enum { BATCH = 512, TAIL_BYTES = 1 << 20 /* more than a batch */, GIVE_UP_S = 3600 };

/* ---- text ---- */

static struct ad *log_ad(const struct ad *event, int type)
{
    struct ad *ad = ad_new();
    int64_t time_us = ad_int(event, "Time", 0);
    time_t seconds = (time_t)(time_us / CLOCK_SECOND_US);
    struct tm tm;
    localtime_r(&seconds, &tm);
    ad_set_int(ad, "EventTypeNumber", type);
    ad_set_int(ad, "Cluster", ad_int(event, "ClusterId", 0));
    ad_set_int(ad, "Proc", ad_int(event, "ProcId", 0));
    ad_set_int(ad, "Subproc", 0);
    ad_set_int(ad, "EventTime", time_us);
    ad_set_int(ad, "UtcOffset", tm.tm_gmtoff);
    return ad;
}

static void copy(struct ad *into, const char *as, const struct ad *from, const char *name)
{
    ad_copy_attribute(into, as, from, name);
}

static void add_resources(struct ad *ad, const struct ad *event)
{
    double occupied = (double)ad_int(event, "OccupiedUs", 0);
    double used = (double)(ad_int(event, "UserUs", 0) + ad_int(event, "SysUs", 0));
    copy(ad, "RequestCpus", event, "Cpus");
    copy(ad, "Cpus", event, "Cpus");
    ad_set_real(ad, "CpusUsage", occupied > 0 ? used / occupied : 0);
    copy(ad, "RequestMemory", event, "MemoryMb");
    copy(ad, "Memory", event, "MemoryMb");
    if (ad_has(event, "RssKb"))
        ad_set_int(ad, "MemoryUsage", (ad_int(event, "RssKb", 0) + 1023) / 1024);
    copy(ad, "RequestDisk", event, "DiskKb");
    copy(ad, "Disk", event, "DiskKb");
    copy(ad, "DiskUsage", event, "DiskUsedKb");
}

static void add_usage(struct ad *ad, const struct ad *event)
{
    copy(ad, "RunRemoteUserUs", event, "UserUs");
    copy(ad, "RunRemoteSysUs", event, "SysUs");
    copy(ad, "TotalRemoteUserUs", event, "TotalUserUs");
    copy(ad, "TotalRemoteSysUs", event, "TotalSysUs");
    const char *const zero[] = { "SentBytes", "ReceivedBytes", "TotalSentBytes", "TotalReceivedBytes" };
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        ad_set_int(ad, zero[i], 0);
}

static void add_host(struct ad *ad, const char *name)
{
    char host[128], text[160];
    if (gethostname(host, sizeof host) < 0)
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    snprintf(text, sizeof text, "<%.120s>", host);
    ad_set_string(ad, name, text);
}

static void print_one(struct ad *ad, struct buf *out)
{
    eventlog_print(ad, out);
    ad_free(ad);
}

static void print_checkpointed(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 3);
    copy(ad, "Generation", event, "Generation");
    copy(ad, "Bytes", event, "Bytes");
    copy(ad, "PauseUs", event, "PauseUs");
    if (ad_int(event, "LatencyUs", -1) >= 0)
        copy(ad, "LatencyUs", event, "LatencyUs");
    copy(ad, "SentBytes", event, "Bytes");
    copy(ad, "RunRemoteUserUs", event, "UserUs");
    copy(ad, "RunRemoteSysUs", event, "SysUs");
    print_one(ad, out);
}

static void print_evicted(const struct ad *event, bool requeued, struct buf *out)
{
    struct ad *ad = log_ad(event, 4);
    ad_set_bool(ad, "Checkpointed", ad_bool(event, "Checkpointed", false));
    ad_set_bool(ad, "TerminatedAndRequeued", requeued);
    copy(ad, "Reason", event, "Reason");
    add_usage(ad, event);
    add_resources(ad, event);
    print_one(ad, out);
}

static void print_completed(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 5);
    bool normal = !ad_bool(event, "ExitBySignal", false);
    ad_set_bool(ad, "TerminatedNormally", normal);
    copy(ad, normal ? "ReturnValue" : "TerminatedBySignal", event, normal ? "ExitCode" : "ExitSignal");
    add_usage(ad, event);
    add_resources(ad, event);
    print_one(ad, out);
}

static void print_connection(const struct ad *event, int type, struct buf *out)
{
    struct ad *ad = log_ad(event, type);
    const char *reason = ad_string(event, "Reason", "the pool was restarted");
    ad_set_string(ad, "DisconnectReason", reason);
    ad_set_string(ad, "Reason", reason);
    add_host(ad, "StartdAddr");
    add_host(ad, "StarterAddr");
    add_host(ad, "StartdName");
    print_one(ad, out);
}

static void print_held(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 12);
    copy(ad, "HoldReason", event, "Reason");
    copy(ad, "HoldReasonCode", event, "Code");
    copy(ad, "HoldReasonSubCode", event, "Subcode");
    print_one(ad, out);
}

static void print_plain(const struct ad *event, int type, struct buf *out)
{
    struct ad *ad = log_ad(event, type);
    copy(ad, "Reason", event, "Reason");
    copy(ad, "Size", event, "Size");
    copy(ad, "MemoryUsage", event, "MemoryUsage");
    copy(ad, "ResidentSetSize", event, "ResidentSetSize");
    if (type == 0)
        add_host(ad, "SubmitHost");
    if (type == 1)
        add_host(ad, "ExecuteHost");
    if (type == 10)
        ad_set_int(ad, "NumberOfPIDs", 1);
    print_one(ad, out);
}

static void print_event(const struct ad *event, struct buf *out)
{
    static const struct { const char *name; int type; } plain[] = {
        { "submitted", 0 }, { "running", 1 }, { "image_size", 6 }, { "removed", 9 }, { "suspended", 10 }, { "continued", 11 },
        { "released", 13 },
    };
    const char *name = ad_string(event, "Event", "");
    if (!ad_bool(event, "Ran", true))
        return; /* the end of a stint whose beginning (001) readers never saw */
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strcmp(name, plain[i].name) == 0)
            print_plain(event, plain[i].type, out);
    if (strcmp(name, "checkpoint_taken") == 0)
        print_checkpointed(event, out);
    else if (strcmp(name, "evicted") == 0)
        print_evicted(event, false, out);
    else if (strcmp(name, "failed") == 0)
        print_evicted(event, true, out);
    else if (strcmp(name, "completed") == 0)
        print_completed(event, out);
    else if (strcmp(name, "held") == 0)
        print_held(event, out);
    else if (strcmp(name, "disconnected") == 0)
        print_connection(event, 22, out);
    else if (strcmp(name, "reconnected") == 0)
        print_connection(event, 23, out);
    if (strcmp(name, "runner_lost") == 0) {
        print_connection(event, 22, out);
        print_connection(event, 24, out);
    }
}

/* ---- file ---- */

struct round {
    struct pool *pool;
    char *path; /* of the log that is open */
    int fd;
    uid_t uid;
    bool recheck; /* look for the text before writing it: it may be there */
    int64_t done[BATCH];
    size_t done_count;
    bool again;
    struct buf blocked; /* logs that cannot be written now, each closed by a NUL: what comes later must not overtake */
};

static void close_log(struct round *r)
{
    file_close(&r->fd);
    free(r->path);
    r->path = NULL;
}

static char *path_of(const struct ad *event)
{
    const char *log = ad_string(event, "Log", "");
    return log[0] == '/' ? mem_dup(log) : mem_printf("%s/%s", ad_string(event, "Iwd", "/"), log);
}

static bool is_blocked(const struct round *r, const char *path)
{
    for (size_t at = 0; at < r->blocked.len; at += strlen(r->blocked.data + at) + 1)
        if (strcmp(r->blocked.data + at, path) == 0)
            return true;
    return false;
}

static int open_log(struct round *r, const struct ad *event, const char *path, struct error *err)
{
    uid_t uid = (uid_t)ad_int(event, "Uid", 0);
    struct identity owner;
    if (r->path && r->uid == uid && strcmp(r->path, path) == 0)
        return 0;
    close_log(r);
    if (identity_of(uid, &owner, err) < 0 || identity_enter(&owner, err) < 0)
        return -1;
    r->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (r->fd < 0)
        error_sys(err, "cannot open the log '%s'", path);
    identity_leave();
    if (r->fd < 0)
        return -1;
    r->path = mem_dup(path);
    r->uid = uid;
    return 0;
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
        print_event(event->ad, &text);
    twins->count += text.len == twins->text->len && memcmp(buf_cstr(&text), twins->text->data, text.len) == 0;
    return true;
}

/* Two events of a job within a second may have the same text: this one is there if there is one more than came before it. */
static bool is_written(struct round *r, const struct queue_event *event, const struct buf *text, off_t size)
{
    struct twins twins = { .seq = event->seq, .text = text };
    struct error ignored;
    int there = count_text(r->fd, size, text);
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

static int append_locked(struct round *r, const struct queue_event *event, const struct buf *text, struct error *err)
{
    struct stat st;
    if (fstat(r->fd, &st) < 0)
        return error_sys(err, "cannot look at the log '%s'", r->path);
    if (S_ISREG(st.st_mode)) {
        if (r->recheck && is_written(r, event, text, st.st_size))
            return 0;
        mend_end(r->fd, st.st_size);
    }
    int result = fault_point("pool.log.write") < 0 ? error_sys(err, "cannot write") : file_write_all(r->fd, text->data, text->len, err);
    if (result < 0 && S_ISREG(st.st_mode) && ftruncate(r->fd, st.st_size) < 0)
        return error_sys(err, "cannot take back a torn event in '%s'", r->path);
    return result;
}

static int append(struct round *r, const struct queue_event *event, const struct buf *text, struct error *err)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(r->fd, F_OFD_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES))
        return error_sys(err, "the log '%s' is locked by somebody else", r->path);
    int result = append_locked(r, event, text, err);
    lock.l_type = F_UNLCK;
    fcntl(r->fd, F_OFD_SETLK, &lock);
    return result;
}

static bool write_event(void *data, const struct queue_event *event)
{
    struct round *r = data;
    auto_buf struct buf text = { 0 };
    struct error err;
    auto_free char *path = path_of(event->ad);
    bool is_old = clock_wall_us() - ad_int(event->ad, "Time", 0) >= GIVE_UP_S * CLOCK_SECOND_US;
    if (!is_old && is_blocked(r, path))
        return true;
    print_event(event->ad, &text);
    int result = text.len == 0 ? 0 : open_log(r, event->ad, path, &err);
    if (result == 0 && text.len > 0)
        result = append(r, event, &text, &err);
    if (result < 0 && !is_old) {
        buf_add(&r->blocked, path, strlen(path) + 1);
        r->again = true; /* later; events of other logs must not wait for this one */
        return true;
    }
    if (result < 0)
        log_error("job %d.%d: an event is not in its log: %s", event->id.cluster, event->id.proc, err.text);
    r->done[r->done_count++] = event->seq;
    return r->done_count < BATCH;
}

static int mark_done(struct round *r, struct error *err)
{
    if (r->done_count == 0)
        return 0;
    fault_point("pool.log.written");
    if (queue_begin(r->pool->queue, err) < 0)
        return -1;
    for (size_t i = 0; i < r->done_count; i++)
        if (queue_mark_logged(r->pool->queue, r->done[i], err) < 0) {
            queue_rollback(r->pool->queue);
            return -1;
        }
    return queue_commit(r->pool->queue, err);
}

void userlog_round(struct pool *p)
{
    struct error err;
    while (p->logs) {
        struct round r = { .pool = p, .fd = -1, .recheck = p->logs_doubtful };
        p->logs = false;
        int result = queue_each_unlogged(p->queue, 0, write_event, &r, &err);
        close_log(&r);
        if (result == 0)
            result = mark_done(&r, &err);
        buf_release(&r.blocked);
        p->logs_doubtful = result < 0 || (p->logs_doubtful && r.again); /* what was not reached now may be there all the same */
        if (result < 0)
            log_error("users' logs, trying again: %s", err.text);
        p->logs = r.done_count == BATCH;
        if (result < 0 || (r.again && !p->logs)) {
            p->logs = true;
            pool_retry(p);
            return;
        }
    }
}
