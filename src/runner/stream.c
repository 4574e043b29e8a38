/*
 * Streaming: the file in the sandbox is the truth, the destination mirrors it. What was printed after the checkpoint from
 * which the job resumes is cut off the destination, because it will be printed again: each line appears exactly once.
 *
 * A destination that is no regular file (a device, a FIFO) can not be cut; it gets what is new, when it takes it, and at the
 * end a few seconds to take the rest.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/record.h"
#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { SYNC_EVERY_US = 200000, PATIENCE_US = 5000000, COPY_MAX = 4 << 20 };

struct stream {
    int in, out;
    int64_t done; /* bytes that are in the destination */
    struct loop_timer *timer;
};

static const char *const std_names[2] = { "stdout", "stderr" };
static const char *const attributes[2] = { "Out", "Err" };
static const char *const flags[2] = { "StreamOut", "StreamErr" };
static const char *const transfer_flags[2] = { "TransferOut", "TransferErr" };

char *stream_destination(const struct runner *r, int which)
{
    const char *name = ad_string(r->job, attributes[which], NULL);
    if (!name || !*name || strcmp(name, "/dev/null") == 0)
        return NULL;
    return name[0] == '/' ? mem_dup(name) : mem_printf("%s/%s", ad_string(r->job, "Iwd", "/"), name);
}

bool stream_shared(const struct runner *r)
{
    auto_free char *out = stream_destination(r, 0);
    auto_free char *error = stream_destination(r, 1);
    return out && error && strcmp(out, error) == 0;
}

bool stream_wanted(const struct runner *r, int which)
{
    if (which == 1 && stream_shared(r))
        return false;
    return ad_bool(r->job, flags[which], false) && ad_bool(r->job, transfer_flags[which], true) && ad_has(r->job, attributes[which]);
}

/* Brings a destination to the length that the sandbox's file has now. */
static int align(struct stream *s, struct error *err)
{
    struct stat in, out;
    if (fstat(s->in, &in) < 0 || fstat(s->out, &out) < 0)
        return error_sys(err, "cannot look at the streamed file");
    if (!S_ISREG(in.st_mode))
        return error_set(err, ERR_INVALID, "the program's standard file is no file any more");
    s->done = in.st_size;
    if (!S_ISREG(out.st_mode))
        return 0;
    if (out.st_size < in.st_size)
        s->done = 0; /* somebody cut or replaced it: write it anew */
    if (ftruncate(s->out, s->done) < 0)
        return error_sys(err, "cannot cut the streamed file");
    return 0;
}

static int open_stream(struct runner *r, int which, struct stream *s, struct error *err)
{
    auto_free char *path = stream_destination(r, which);
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    s->in = openat(r->std, std_names[which], O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (s->in < 0)
        error_sys(err, "cannot open the program's %s", std_names[which]);
    else if (path && (s->out = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644)) < 0)
        error_sys(err, "cannot open '%s' for streaming", path);
    identity_leave();
    if (s->in < 0 || (path && s->out < 0))
        return -1;
    return path ? align(s, err) : 0;
}

enum { STREAM_LATER = 1 }; /* the destination takes no more at the moment */

/* Brings the destination to that length, or as far as there is something. */
static int copy_news(struct stream *s, int64_t until, struct error *err)
{
    char block[65536];
    while (s->done < until) {
        size_t want = until - s->done < (int64_t)sizeof block ? (size_t)(until - s->done) : sizeof block;
        ssize_t n = pread(s->in, block, want, s->done);
        if (n < 0)
            return error_sys(err, "cannot read the program's output");
        if (n == 0)
            return 0;
        if (fault_point("runner.stream.write") < 0)
            return error_sys(err, "cannot write the streamed output");
        ssize_t put = pwrite(s->out, block, (size_t)n, s->done);
        if (put < 0 && errno == ESPIPE)
            put = write(s->out, block, (size_t)n);
        if (put < 0 && (errno == EAGAIN || errno == EPIPE))
            return STREAM_LATER;
        if (put < 0)
            return error_sys(err, "cannot write the streamed output");
        s->done += put;
    }
    return 0;
}

/* While the job runs, trouble is met again at the next try, and reported when the output has to be complete. A program that
 * prints as fast as this copies must not keep the runner from everything else. */
static void on_timer(void *data)
{
    struct stream *s = data;
    struct error ignored;
    int64_t until = s->done + COPY_MAX;
    int result = copy_news(s, until, &ignored);
    loop_timer_set(s->timer, clock_boot_us() + (result == 0 && s->done == until ? 0 : SYNC_EVERY_US));
}

static void note_loss(struct runner *r, int which)
{
    auto_free char *path = stream_destination(r, which);
    auto_free char *text = mem_printf("nobody read all that was streamed to '%s'", path);
    struct ad *note = record_new(RECORD_NOTE);
    ad_set_string(note, "Text", text);
    record_write(r, note);
}

/* All that the program has left, durable. A FIFO or device that does not take it in time must not hold a job that is done. */
static int finish(struct runner *r, int which, struct error *err)
{
    struct stream *s = r->streams[which];
    struct stat st;
    if (fstat(s->in, &st) < 0)
        return error_sys(err, "cannot look at the streamed file");
    int64_t deadline = clock_boot_us() + PATIENCE_US;
    int result;
    while ((result = copy_news(s, st.st_size, err)) == STREAM_LATER && errno == EAGAIN && clock_boot_us() < deadline)
        poll(&(struct pollfd){ .fd = s->out, .events = POLLOUT }, 1, 100);
    if (result == STREAM_LATER) {
        note_loss(r, which);
        s->done = st.st_size;
    }
    if (result == 0 && fsync(s->out) < 0 && errno != EINVAL && errno != EROFS)
        return error_sys(err, "cannot make the streamed output durable");
    return result < 0 ? -1 : 0;
}

static void stream_free(struct stream *s)
{
    if (!s)
        return;
    loop_timer_free(s->timer);
    file_close(&s->in);
    file_close(&s->out);
    free(s);
}

int stream_start(struct runner *r, struct error *err)
{
    signal(SIGPIPE, SIG_IGN); /* a FIFO's reader may go away */
    for (int i = 0; i < 2; i++) {
        if (!stream_wanted(r, i))
            continue;
        struct stream *s = mem_new(struct stream);
        s->in = s->out = -1;
        if (open_stream(r, i, s, err) < 0) {
            stream_free(s);
            return -1;
        }
        if (s->out >= 0)
            s->timer = loop_timer(r->loop, clock_boot_us() + SYNC_EVERY_US, on_timer, s);
        r->streams[i] = s;
    }
    return 0;
}

int stream_sync(struct runner *r, bool final, struct error *err)
{
    for (int i = 0; i < 2; i++) {
        struct stream *s = r->streams[i];
        if (!s || s->out < 0)
            continue;
        if ((final ? finish(r, i, err) : copy_news(s, s->done + COPY_MAX, err)) < 0)
            return -1;
    }
    return 0;
}

void stream_stop(struct runner *r)
{
    for (int i = 0; i < 2; i++) {
        stream_free(r->streams[i]);
        r->streams[i] = NULL;
    }
}
