/*
 * Where things are below the store's directory, and the reading of what is there: job directories, chunk directories,
 * manifests.
 */
#pragma once

#include "store/digest.h"
#include "store/store.h"

struct store {
    int dir;
};

enum { LAYOUT_MANIFEST_NAME = 32 };

/* The file name of a generation's manifest; written into out and returned. */
const char *layout_manifest_name(int generation, char out[LAYOUT_MANIFEST_NAME]);

/* Opens a job's directory, or its directory of chunks below `job_dir`, and makes it when `make`. Outcome STORE_ABSENT
 * otherwise. */
int layout_open_job(struct store *store, const char *job, bool make, int *dir, struct error *err);
int layout_open_chunks(int job_dir, bool make, int *dir, struct error *err);

/* As store_list and store_manifest, in an open job directory. */
int layout_list(int job_dir, int **generations, size_t *count, struct error *err);
int layout_manifest(int job_dir, int generation, struct manifest *out, struct error *err);
/* Whether the manifest itself is bad. What only keeps it from being read now (too many open files, say) must not pass for
 * damage. */
bool layout_damaged(const struct error *err);

/* The chunks that the manifests name, and how many of the manifests could be read, and could not. What an unreadable one names
 * is unknown. */
struct layout_named {
    struct digest_set chunks;
    size_t manifests;
    size_t unreadable;
};
int layout_named(int job_dir, struct layout_named *named, struct error *err);
void layout_named_release(struct layout_named *named);
#define auto_named __attribute__((cleanup(layout_named_release)))

/* Calls fn for every name in the directory but "." and ".."; fn may remove it. Stops when fn fails. */
int layout_each_name(int dir, int (*fn)(void *data, int dir, const char *name, struct error *err), void *data,
                     struct error *err);
