/*
 * The store's only parallelism: files are taken one after the other, their chunks by whoever is free, of three threads when
 * there is enough to do. Each has a buffer of one chunk and one piece (together 12.75 MiB), given back at the end.
 */
#pragma once

#include "store/store.h"

#include <stddef.h>

enum {
    CREW_SKIP = 1,              /* nothing to do for this entry */
    CREW_HELPERS = 2,
    CREW_HELPER_BYTES = 8 << 20, /* from here on they pay for themselves */
};

/* A file whose chunks are being worked on. begin fills it, end empties it. */
struct crew_file {
    size_t index;  /* of the entry */
    size_t chunks; /* how many there are to do */
    int fd;
    int dir;         /* where a new file gets its name */
    const char *leaf; /* that name */
    char *temp;      /* and the one it has until then */
    int64_t end;     /* where the file turned out to end */
    /* the crew's own */
    size_t taken;
    size_t holders;
};

struct crew_worker {
    int number;
    uint8_t *data;  /* STORE_CHUNK_BYTES */
    uint8_t *piece; /* CHUNK_PIECE */
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
