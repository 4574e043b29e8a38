/*
 * Streaming: the file in the sandbox is the truth, the destination mirrors it. What was printed after the checkpoint from
 * which the job resumes is cut off the destination, because it will be printed again: each line appears exactly once.
 *
 * A destination that is no regular file (a device, a FIFO) can not be cut; it gets what is new.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SYNC_EVERY_US = 200000 };

struct stream {
    int in, out;
    int64_t done; /* bytes that are in the destination */
    struct loop_timer *timer;
};

static const char *const std_names[2] = { "stdout", "stderr" };
static const char *const attributes[2] = { "Out", "Err" };
static const char *const flags[2] = { "StreamOut", "StreamErr" };

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
    return ad_bool(r->job, flags[which], false) && ad_has(r->job, attributes[which]);
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
    s->in = openat(r->std, std_names[which], O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (s->in < 0)
        return error_sys(err, "cannot open the program's %s", std_names[which]);
    if (!path)
        return 0;
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    s->out = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (s->out < 0)
        error_sys(err, "cannot open '%s' for streaming", path);
    identity_leave();
    return s->out < 0 ? -1 : align(s, err);
}

static int copy_news(struct stream *s, struct error *err)
{
    char block[65536];
    for (;;) {
        ssize_t n = pread(s->in, block, sizeof block, s->done);
        if (n < 0)
            return error_sys(err, "cannot read the program's output");
        if (n == 0)
            return 0;
        if (fault_point("runner.stream.write") < 0)
            return error_sys(err, "cannot write the streamed output");
        ssize_t put = pwrite(s->out, block, (size_t)n, s->done);
        if (put < 0 && errno == ESPIPE)
            put = write(s->out, block, (size_t)n);
        if (put < 0)
            return error_sys(err, "cannot write the streamed output");
        s->done += put;
    }
}

/* While the job runs, trouble is met again at the next try, and reported when the output has to be complete. */
static void on_timer(void *data)
{
    struct stream *s = data;
    struct error ignored;
    copy_news(s, &ignored);
    loop_timer_set(s->timer, clock_boot_us() + SYNC_EVERY_US);
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
        if (copy_news(s, err) < 0)
            return -1;
        if (final && fsync(s->out) < 0 && errno != EINVAL && errno != EROFS)
            return error_sys(err, "cannot make the streamed output durable");
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
