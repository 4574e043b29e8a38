/*
 * Descriptors, paths and durable files. Everything is opened O_CLOEXEC and relative to a directory descriptor. A name that a
 * user gave goes through file_open_beneath, which the kernel keeps beneath its root whatever links or ".." it contains.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define auto_close __attribute__((cleanup(file_close)))
#define steal_fd(fd_pointer)        \
    __extension__({                \
        int fd_ = *(fd_pointer);    \
        *(fd_pointer) = -1;         \
        fd_;                        \
    })

/* Closes *fd when it is >= 0 and sets it to -1; errno is kept. */
void file_close(int *fd);

/* openat2 with RESOLVE_BENEATH and without magic links: neither "..", an absolute name nor a link leads out of `dir`.
 * Returns the descriptor or -1 with err. */
int file_open_beneath(int dir, const char *name, int flags, mode_t mode, struct error *err);
/* The directory that holds `name` beneath `dir`, made with its parents (mode 0700) when `make`; *leaf points into name.
 * Returns the descriptor or -1. */
int file_open_parent(int dir, const char *name, bool make, const char **leaf, struct error *err);
/* Opens (and makes, with parents) a directory by path. Returns the descriptor or -1. */
int file_make_dirs(const char *path, mode_t mode, struct error *err);

/* Whole contents of a file; at most out->max bytes, more is ERR_LIMIT. Outcome FILE_ABSENT when there is none. */
enum { FILE_ABSENT = 1 };
int file_read(int dir, const char *name, struct buf *out, struct error *err);
int file_read_fd(int fd, struct buf *out, struct error *err);

/* All of it or an error; restarts after EINTR. */
int file_write_all(int fd, const void *data, size_t len, struct error *err);
/* As file_write_all, to a FIFO or device that does not block: waits for it to take more. Outcome FILE_STUCK when it has not
 * taken all of it by `deadline_us` (boot clock), or nobody reads there any more. */
enum { FILE_STUCK = 2 };
int file_write_until(int fd, const void *data, size_t len, int64_t deadline_us, struct error *err);
/* Replaces a file atomically: temporary name, write, fsync, rename, fsync of the directory. Durable on return.
 * `point` names the fault points "<point>.write", "<point>.rename". */
int file_replace(int dir, const char *name, const void *data, size_t len, mode_t mode, const char *point,
                 struct error *err);
/* Copies from the current offsets until the end of `in` (at most `limit` bytes when limit >= 0): reflink or
 * copy_file_range where the kernel can. *copied counts. */
int file_copy(int in, int out, int64_t limit, int64_t *copied, struct error *err);

/* fsync of a directory given by descriptor. */
int file_sync(int fd, const char *what, struct error *err);
/* Removes `name` below dir with everything in it; absent is success. Never follows a link. */
int file_remove_tree(int dir, const char *name, struct error *err);
/* Bytes allocated below dir/name (st_blocks, links not followed), 0 when absent. */
int64_t file_tree_bytes(int dir, const char *name);

/* A stream socket at dir/name; no limit on the length of dir's path. Each returns a descriptor or -1. */
int file_listen(int dir, const char *name, mode_t mode, struct error *err);
int file_connect(int dir, const char *name, struct error *err);
/* A datagram socket there, for receiving. */
int file_listen_datagrams(int dir, const char *name, mode_t mode, struct error *err);
