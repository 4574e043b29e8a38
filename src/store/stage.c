#include "store/stage.h"

#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY_PART = 4 }; /* of the memory that is free, so much may be in the page cache for a stage */

static const char temp_name[] = ".stage.tmp";

/* Bytes that the kernel could give without hurting anybody; 0 when unknown. */
static int64_t memory_available(void)
{
    char text[4096];
    long long kb = 0;
    auto_close int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *line = strstr(text, "MemAvailable:");
    return line && sscanf(line, "MemAvailable: %lld kB", &kb) == 1 ? kb * 1024 : 0;
}

/* Not every file system has files without a name. */
static int make_file(int dir)
{
    int fd = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    unlinkat(dir, temp_name, 0);
    fd = openat(dir, temp_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    unlinkat(dir, temp_name, 0);
    return fd;
}

void stage_open(struct store_capture *c, int64_t bytes)
{
    c->stage_max = memory_available() / MEMORY_PART;
    c->staging = false;
    if (c->request->hurry || bytes > (c->room - c->stage_end) / 2)
        return;
    if (c->stage < 0)
        c->stage = make_file(c->job_dir);
    c->staging = c->stage >= 0;
}

static int64_t length_of(const struct piece *piece)
{
    return (int64_t)sizeof *piece + piece->payload;
}

bool stage_takes(struct store_capture *c, const struct piece *piece)
{
    pthread_mutex_lock(&c->lock);
    bool takes = c->staging && length_of(piece) <= c->stage_max - c->stage_end;
    pthread_mutex_unlock(&c->lock);
    return takes;
}

/* A file system that takes only a part of it is full. */
static bool write_at(int fd, const void *data, size_t len, int64_t at)
{
    errno = ENOSPC;
    return pwrite(fd, data, len, at) == (ssize_t)len;
}

int stage_put(struct store_capture *c, struct piece *piece, const uint8_t *payload, struct error *err)
{
    piece_close(piece);
    pthread_mutex_lock(&c->lock);
    int64_t at = c->stage_end;
    c->stage_end += length_of(piece);
    pthread_mutex_unlock(&c->lock);
    if (crew_fault("store.stage.write") == 0 && write_at(c->stage, piece, sizeof *piece, at) &&
        write_at(c->stage, payload, piece->payload, at + (int64_t)sizeof *piece))
        return 0;
    return error_sys(err, "cannot set data aside");
}

bool stage_full(const struct store_capture *c, const struct error *err)
{
    return c->staging && (err->sys == ENOSPC || err->sys == EDQUOT || err->sys == EFBIG);
}

void stage_cut(struct store_capture *c, int64_t end)
{
    (void)!ftruncate(c->stage, end); /* only room that would be welcome */
    c->stage_end = end;
    c->staging = false;
}

/* The kernel may lose what it could not write to the disk, and give zeros or older bytes for it, without an error to whoever reads. */
static const char lost_text[] = "data that was set aside did not come back as it was: the store's disk may be failing";

static int take_piece(struct store_capture *c, struct piece *piece, int64_t *at, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&c->lock);
    *at = c->stage_next;
    if (*at >= c->stage_end)
        r = CREW_DONE;
    else if (pread(c->stage, piece, sizeof *piece, *at) != (ssize_t)sizeof *piece)
        r = error_sys(err, "cannot read data that was set aside");
    else if (!piece_whole(piece))
        r = error_set(err, ERR_CORRUPT, "%s", lost_text);
    else
        c->stage_next += length_of(piece);
    pthread_mutex_unlock(&c->lock);
    return r;
}

static int store_next(void *ctx, struct crew_worker *worker, struct error *err)
{
    struct store_capture *c = ctx;
    struct piece piece;
    int64_t at;
    int r = take_piece(c, &piece, &at, err);
    if (r != 0)
        return r;
    if (crew_fault("store.stage.read") < 0 ||
        pread(c->stage, worker->data, piece.payload, at + (int64_t)sizeof piece) != (ssize_t)piece.payload)
        return error_sys(err, "cannot read data that was set aside");
    if (!piece_intact(c, &piece, worker->data))
        return error_set(err, ERR_CORRUPT, "%s", lost_text);
    return piece_store(c, worker, &piece, worker->data, err);
}

int stage_store(struct store_capture *c, struct error *err)
{
    int r = c->stage < 0 ? 0 : crew_loop(store_next, c, c->stage_end, err);
    file_close(&c->stage);
    return r;
}
