/*
 * Whole chunks bypass the page cache (O_DIRECT): what is stored is seldom read again soon, and a gigabyte of it would displace
 * what the jobs on this machine have there. It also costs less time than to fill the cache and then wait for its way to the
 * disk. But the job waits for its capture, and not for the disk's sake: one thread at a time waits for a direct write, which keeps
 * the disk busy, and what the others have ready meanwhile goes through the page cache and reaches the disk in the commit. On
 * a disk that takes longer over a chunk than SLOW_US all the rest goes that way, and the disk is only asked to start.
 */
#include "store/chunk.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "store/crew.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEMP_NAME = 32,
    SLOW_US = 20000, /* 200 MB/s */
};

static ssize_t read_at(int fd, void *data, size_t len, int64_t offset)
{
    ssize_t n = 0;
    do
        n = pread(fd, data, len, offset);
    while (n < 0 && errno == EINTR);
    return n;
}

int chunk_take(int fd, int64_t offset, size_t want, void *data, size_t *got, struct digest *digest, struct error *err)
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    size_t len = 0;
    while (len < want) {
        size_t piece = want - len < CHUNK_PIECE ? want - len : CHUNK_PIECE;
        ssize_t n = read_at(fd, (uint8_t *)data + len, piece, offset + (int64_t)len);
        if (n < 0)
            return error_sys(err, "cannot read");
        if (n == 0)
            break;
        sha256_update(&sha, (size_t)n, (uint8_t *)data + len);
        len += (size_t)n;
    }
    sha256_digest(&sha, sizeof digest->bytes, digest->bytes);
    *got = len;
    return 0;
}

static int open_chunk(int dir, const struct digest *digest, struct stat *st)
{
    char name[65];
    auto_close int fd = openat(dir, digest_print(digest, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, st) < 0)
        return -1;
    return steal_fd(&fd);
}

bool chunk_same(int dir, const struct chunk *chunk, void *piece)
{
    struct stat st;
    auto_close int fd = open_chunk(dir, &chunk->digest, &st);
    if (fd < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != chunk->len)
        return false;
    for (size_t at = 0; at < chunk->len;) {
        size_t want = chunk->len - at < CHUNK_PIECE ? chunk->len - at : CHUNK_PIECE;
        ssize_t n = read_at(fd, piece, want, (int64_t)at);
        if (n <= 0 || memcmp(piece, (const uint8_t *)chunk->data + at, (size_t)n) != 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* As much as goes directly to the disk; not every file system can, and the caller writes the rest. */
static ssize_t write_direct(int fd, const struct chunk *chunk)
{
    if (fcntl(fd, F_SETFL, O_DIRECT) < 0)
        return 0;
    ssize_t n = write(fd, chunk->data, chunk->len);
    int saved = errno;
    fcntl(fd, F_SETFL, 0);
    errno = saved;
    return n < 0 && (saved == EINVAL || saved == EINTR) ? 0 : n;
}

static int write_data(struct chunk_dir *dir, int fd, const struct chunk *chunk, struct error *err)
{
    ssize_t done = 0;
    bool whole = chunk->len == STORE_CHUNK_BYTES;
    if (whole && !dir->slow && !atomic_exchange(&dir->busy, true)) {
        int64_t start = clock_boot_us();
        done = write_direct(fd, chunk);
        if (done < 0)
            return error_sys(err, "cannot write"); /* which ends the capture */
        dir->slow = clock_boot_us() - start > SLOW_US;
        dir->busy = false;
    }
    if ((size_t)done == chunk->len)
        return 0;
    if (file_write_all(fd, (const uint8_t *)chunk->data + done, chunk->len - (size_t)done, err) < 0)
        return -1;
    if (whole && dir->slow)
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return 0;
}

static int write_chunk_file(struct chunk_dir *dir, const char *temp, const struct chunk *chunk, bool durable, struct error *err)
{
    auto_close int fd = openat(dir->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot create '%s'", temp);
    if (crew_fault("store.chunk.write") < 0)
        return error_sys(err, "cannot write");
    if (write_data(dir, fd, chunk, err) < 0)
        return -1;
    return durable ? file_sync(fd, temp, err) : 0;
}

int chunk_write(struct chunk_dir *dir, int writer, const struct chunk *chunk, bool durable, struct error *err)
{
    char temp[TEMP_NAME];
    char name[65];
    snprintf(temp, sizeof temp, ".tmp.%d", writer);
    digest_print(&chunk->digest, name);
    int r = write_chunk_file(dir, temp, chunk, durable, err);
    if (r == 0 && (crew_fault("store.chunk.rename") < 0 || renameat(dir->fd, temp, dir->fd, name) < 0))
        r = error_sys(err, "cannot rename");
    if (r == 0)
        return 0;
    unlinkat(dir->fd, temp, 0);
    return error_wrap(err, "chunk '%s'", name);
}

int chunk_read(int dir, const struct digest *digest, void *data, size_t len, struct error *err)
{
    char name[65];
    struct stat st;
    digest_print(digest, name);
    auto_close int fd = open_chunk(dir, digest, &st);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERR_CORRUPT, "chunk '%s' is missing", name);
    if (fd < 0)
        return error_sys(err, "cannot open chunk '%s'", name);
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size != len)
        return error_set(err, ERR_CORRUPT, "chunk '%s' has %lld bytes instead of %zu", name, (long long)st.st_size, len);
    size_t got = 0;
    struct digest actual;
    if (chunk_take(fd, 0, len, data, &got, &actual, err) < 0)
        return error_wrap(err, "chunk '%s'", name);
    if (got != len || memcmp(&actual, digest, sizeof actual) != 0)
        return error_set(err, ERR_CORRUPT, "chunk '%s' is not what its digest says", name);
    return 0;
}

void chunk_start(int dir, const struct digest *digest)
{
    struct stat st;
    auto_close int fd = open_chunk(dir, digest, &st);
    if (fd >= 0 && S_ISREG(st.st_mode))
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int chunk_sync(int dir, const struct digest *digest, size_t len, struct error *err)
{
    char name[65];
    struct stat st;
    digest_print(digest, name);
    auto_close int fd = open_chunk(dir, digest, &st);
    if (fd < 0)
        return error_sys(err, "cannot open chunk '%s'", name);
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size != len)
        return error_set(err, ERR_CORRUPT, "chunk '%s' has %lld bytes instead of %zu", name, (long long)st.st_size, len);
    if (fault_point("store.commit.sync") == 0 && fdatasync(fd) == 0)
        return 0;
    error_sys(err, "cannot make chunk '%s' durable", name);
    unlinkat(dir, name, 0); /* the kernel counts its pages as clean now: a second try would succeed and mean nothing */
    return -1;
}
