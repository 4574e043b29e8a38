/*
 * The checkpoint store. A checkpoint is a manifest and the chunks it names; it exists if and only if its manifest does, and
 * the manifest comes last: chunks and their directories are durable before it appears, whole, under its final name.
 *
 * On disk (format version 1, docs/store.md), below the store's directory:
 *   JOB/000003.manifest      text; last line is the SHA-256 of all before it
 *   JOB/chunks/abcdef…       the bytes whose SHA-256 is the name; files are cut every STORE_CHUNK_BYTES
 *   JOB/chunks/.tmp.*        what a crash leaves, removed by the next capture
 *
 * One writer per job at a time: the caller holds the job's lock, from before store_capture until after its store_commit, and
 * for store_retain and store_drop, which would take a captured checkpoint's chunks for garbage. Numbers of generations only
 * grow. Nothing here follows a link or leaves the directories it was given. From 8 MiB on capture, verify and extract use two
 * threads of their own, with all signals blocked, gone on return; memory is at most 13 MiB plus the manifest.
 *
 * A root who captures and extracts for a user names the owner: then the trees are read and written with the owner's rights, and
 * what is made is the owner's; the store itself is root's. NULL is the process's own rights.
 */
#pragma once

#include "base/error.h"
#include "base/identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    STORE_ABSENT = 1, /* no such generation */
    STORE_EXISTS = 2, /* this generation was committed already (by a stint that is not the caller's) */
    STORE_CHUNK_BYTES = 4 << 20,
    STORE_FILES_MAX = 1000000,
    STORE_MANIFEST_MAX = 256 << 20,
    STORE_NAME_MAX = 4096,
};

struct digest {
    uint8_t bytes[32];
};

enum store_type { STORE_FILE, STORE_DIR, STORE_LINK };

struct store_entry {
    enum store_type type;
    char *name;   /* "TREE/relative/name": the tree's name first, see store_tree */
    char *target; /* links only */
    mode_t mode;  /* permission bits */
    int64_t size;
    int64_t mtime_ns;
    struct digest *chunks;
    size_t chunk_count;
};

struct manifest {
    int generation;     /* from 1 */
    int stint;          /* which stint committed it */
    int64_t created_us; /* wall clock */
    char kind[16];      /* "checkpoint", or "evicted": what an eviction without success left (never used before a checkpoint) */
    struct store_entry *entries;
    size_t entry_count;
    int64_t bytes;     /* sum of the files' sizes */
    int64_t new_bytes; /* bytes that were not in the store before; not stored in the manifest */
};

/* A directory that takes part in a checkpoint under a fixed name, whatever its path is. */
struct store_tree {
    const char *name; /* "work", "std"; no slash */
    int dir;
};

/* One thing to capture: a file, link or directory (with all below it) beneath a tree's directory; "." is all of the tree. */
struct store_source {
    const char *tree;
    const char *name;
    bool optional; /* absent is no error */
};

struct store;

/* Opens (and makes) the store below `path`. */
int store_open(const char *path, struct store **store, struct error *err);
void store_close(struct store *store); /* accepts NULL */

/* Reads the sources into the store and fills out->entries, bytes and new_bytes. Returns when the sources may change again; the
 * chunks are not durable yet. A file that changes while it is read is stored as read, up to the size it had when it was opened.
 * Sockets, FIFOs and devices are skipped; set-user-ID and its like are not kept. The other fields of `out` are the caller's.
 * On failure nothing is kept. */
int store_capture(struct store *store, const char *job, const struct identity *owner, const struct store_tree *trees,
                  size_t tree_count, const struct store_source *sources, size_t source_count, struct manifest *out,
                  struct error *err);
/* Makes the captured checkpoint durable and real under (job, generation); it may have been captured by another process. Outcome
 * STORE_EXISTS; the very same manifest again is success. On failure the earlier generations are as they were; after a failure
 * capture again, for chunks that did not reach the disk are gone. */
int store_commit(struct store *store, const char *job, const struct manifest *manifest, struct error *err);

/* The generations that have a manifest, ascending; *generations is the caller's to free. No job: 0 of them. */
int store_list(struct store *store, const char *job, int **generations, size_t *count, struct error *err);
/* Reads and checks a manifest (its own digest, syntax, names). Outcome STORE_ABSENT; ERR_CORRUPT names file and reason. */
int store_manifest(struct store *store, const char *job, int generation, struct manifest *out, struct error *err);
void manifest_release(struct manifest *manifest);
/* Parsing alone, for store_manifest and the fuzzer. */
int manifest_parse(const char *text, size_t len, struct manifest *out, struct error *err);

/* Reads every chunk and compares digests; ERR_CORRUPT names the file, its chunk and its offset. */
int store_verify(struct store *store, const char *job, const struct manifest *manifest, struct error *err);
/* Writes the files into the trees, replacing what is there; every chunk is verified before it is written. A directory that is
 * there and somebody else's is written into, and keeps its mode and time. */
int store_extract(struct store *store, const char *job, const struct identity *owner, const struct manifest *manifest,
                  const struct store_tree *trees, size_t tree_count, struct error *err);

/* Removes the oldest generations of kind "checkpoint" until `keep` (at least 1) are left, all that is older than those that
 * stay, of the other kinds all but the newest `keep`, and chunks that no manifest names any more. A generation whose manifest
 * does not parse does not count; while one is left (it is newer than what stays), no chunk is removed, for it may be its. */
int store_retain(struct store *store, const char *job, int keep, struct error *err);
/* Removes one generation (a corrupt one, say) and what only it named; everything of a job. Absent is success. */
int store_drop(struct store *store, const char *job, int generation, struct error *err);
int store_remove(struct store *store, const char *job, struct error *err);
/* Jobs that have a directory here: calls fn for each. */
int store_each_job(struct store *store, void (*fn)(void *data, const char *job), void *data, struct error *err);

const char *digest_print(const struct digest *digest, char out[65]);
bool digest_parse(const char *text, struct digest *digest);
