/*
 * Where things are below the store's directory, and the reading of what is there: job directories, pack directories,
 * manifests.
 */
#pragma once

#include "store/manifest.h"
#include "store/store.h"

struct store {
    int dir;
    char *path;
    struct seal seal;
    uint64_t seed; /* of fingerprints */
    struct store_limits limits;
    int64_t patience_us; /* with others' locks */
};

enum { LAYOUT_NAME = 48, LAYOUT_LOCK_US = 30000000 };
#define LAYOUT_SHARED ".packs"

/* The file name of a generation's manifest, or of its mark: "manifest", "pin", "safe"; written into out and returned. */
const char *layout_name(int generation, const char *what, char out[LAYOUT_NAME]);

/* Whether a generation has that mark; if not, errno says whether it surely has none (ENOENT). */
bool layout_has_mark(int job_dir, int generation, const char *mark);

/* Opens a job's directory, or its directory of packs below `job_dir`, and makes it when `make`. Outcome STORE_ABSENT
 * otherwise. */
int layout_open_job(struct store *store, const char *job, bool make, int *dir, struct error *err);
int layout_open_packs(int job_dir, bool make, int *dir, struct error *err);
/* Where the packs of all jobs of the same owner have their second names, and the index is. Jobs of different owners share nothing:
 * whether somebody else has certain bytes is nobody's business. */
int layout_open_shared(struct store *store, int job_dir, bool make, int *dir, struct error *err);
/* Whose job it is (space_own). Outcome STORE_ABSENT: that is not known. */
int layout_owner(int job_dir, uid_t *uid, struct error *err);
/* Who writes to a job holds its lock: as long as the descriptor is open. Waits up to wait_us; ERR_LIMIT when somebody else has
 * it then. */
int layout_lock(int job_dir, int64_t wait_us, struct error *err);

/* As store_list and store_manifest, in an open job directory. mac may be NULL. */
int layout_list(int job_dir, int **generations, size_t *count, struct error *err);
int layout_manifest(struct store *store, int job_dir, int generation, struct manifest *out, struct digest *mac, struct error *err);
int layout_read_text(int job_dir, const char *name, struct buf *text, struct error *err);
/* Whether the manifest itself is bad. What only keeps it from being read now (too many open files, say) must not pass for
 * damage. */
bool layout_damaged(const struct error *err);

/* All that is known of a job's generations, ascending: heads without entries. One that cannot be read has the generation's
 * number and nothing else. */
struct layout_heads {
    struct manifest *list;
    size_t count;
    size_t unreadable; /* so many; what they need is unknown */
};
int layout_heads(struct store *store, int job_dir, struct layout_heads *heads, struct error *err);
void layout_heads_release(struct layout_heads *heads);
#define auto_heads __attribute__((cleanup(layout_heads_release)))
/* The newest that can be read, or NULL. */
const struct manifest *layout_newest(const struct layout_heads *heads);
/* Whether one of them names the pack. */
bool layout_names(const struct layout_heads *heads, const struct pack_id *id);

/* Calls fn for every name in the directory but "." and ".."; fn may remove it. Stops when fn fails. */
int layout_each_name(int dir, int (*fn)(void *data, int dir, const char *name, struct error *err), void *data,
                     struct error *err);
/* fsync of a directory, behind a fault point. */
int layout_sync(int dir, const char *what, const char *point, struct error *err);
