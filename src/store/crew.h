/*
 * The store's only parallelism: a few threads that do the same, each with the next thing that nobody has taken. Each has a
 * buffer of one chunk and a coder (together about 6 MiB), given back at the end.
 */
#pragma once

#include "store/coder.h"
#include "store/store.h"

#include <stddef.h>

enum {
    CREW_SKIP = 1, /* nothing to do for this entry */
    CREW_DONE = 2, /* nothing is left to take */
    CREW_HELPERS = 2,
    CREW_HELPER_BYTES = 4 << 20, /* from here on they pay for themselves */
};

struct crew_worker {
    uint8_t *data; /* STORE_CHUNK_BYTES */
    struct coder *coder;
};

/* Calls step again and again, in several threads at once when there are about that many bytes to work on, until it returns
 * CREW_DONE in each. The first failure ends it. */
typedef int crew_step(void *ctx, struct crew_worker *worker, struct error *err);
int crew_loop(crew_step *step, void *ctx, int64_t bytes, struct error *err);

/* A file whose chunks are being worked on. begin fills it, end empties it. */
struct crew_file {
    size_t index;  /* of the entry */
    size_t first;  /* the chunk to begin with */
    size_t chunks; /* how many there are to do */
    int fd;
    int dir;          /* where a new file gets its name */
    const char *leaf; /* that name */
    char *temp;       /* and the one it has until then */
    int64_t end;      /* where the file turned out to end */
    /* the crew's own */
    size_t taken;
    size_t holders;
};

struct crew_ops {
    /* Opens the entry's file; one at a time and in order. Outcome CREW_SKIP. */
    int (*begin)(void *ctx, struct crew_file *file, struct error *err);
    /* One chunk; at the same time as others. */
    int (*chunk)(void *ctx, struct crew_worker *worker, struct crew_file *file, size_t chunk, struct error *err);
    /* After the last chunk of a file that began, or after a failure when !good: releases what it holds. */
    int (*end)(void *ctx, struct crew_file *file, bool good, struct error *err);
};

/* Works on entries 0 to count - 1, which hold about `bytes` bytes. The first failure ends it. */
int crew_run(const struct crew_ops *ops, void *ctx, size_t count, int64_t bytes, struct error *err);

/* fault_point for what runs in several threads. */
int crew_fault(const char *name);
