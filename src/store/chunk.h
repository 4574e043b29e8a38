/*
 * Chunks: files below JOB/chunks whose name is the digest of their contents. One appears under its name only when it is
 * complete; whether it is durable is the commit's business.
 */
#pragma once

#include "store/store.h"

#include <stdatomic.h>
#include <stddef.h>

enum {
    CHUNK_PIECE = 256 << 10, /* read and hashed at a time: stays in a core's own cache */
};

struct chunk {
    struct digest digest;
    const void *data;
    size_t len;
};

/* Where chunks are written. */
struct chunk_dir {
    int fd;
    atomic_bool busy; /* a thread waits for the disk to take a chunk */
    atomic_bool slow; /* the disk turned out to be slower than it is worth waiting for */
};

/* Reads up to `want` bytes at `offset` and digests them on the way. *got is less only where the file ends. */
int chunk_take(int fd, int64_t offset, size_t want, void *data, size_t *got, struct digest *digest, struct error *err);

/* True when the chunk is there and has these very bytes. `piece` has CHUNK_PIECE bytes of room. */
bool chunk_same(int dir, const struct chunk *chunk, void *piece);
/* Stores a chunk, replacing what has its name. `writer` distinguishes those who write at the same time. Durable on return
 * (its name excepted) when `durable`. */
int chunk_write(struct chunk_dir *dir, int writer, const struct chunk *chunk, bool durable, struct error *err);
/* Reads a chunk of exactly `len` bytes and checks its digest: ERR_CORRUPT says what is wrong. */
int chunk_read(int dir, const struct digest *digest, void *data, size_t len, struct error *err);
/* Asks the disk to start on a chunk, without waiting and without any promise: see chunk_sync. */
void chunk_start(int dir, const struct digest *digest);
/* Makes a chunk durable, its name excepted. One whose data did not reach the disk is removed, for it cannot be trusted. */
int chunk_sync(int dir, const struct digest *digest, size_t len, struct error *err);
