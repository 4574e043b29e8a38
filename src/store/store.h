/*
 * The checkpoint store. A checkpoint is a manifest and the chunks it names, which lie in packs; it exists if and only if its
 * manifest does, and the manifest comes last: packs and their directory are durable before it appears, whole, under its name.
 *
 * On disk (format version 2, docs/store.md), below the store's directory; its key lies beside it, in PATH.key:
 *   JOB/000003.manifest      text; its last line is an HMAC-SHA-256 of all before it
 *   JOB/000003.pin, .safe    marks: must not expire; is in the remote store as well
 *   JOB/packs/0123…          chunks, and a signed table of them; a pack that several jobs use is one file with several names
 *   JOB/fence, JOB/hints     the lowest stint that may still commit; what makes the next capture quick (a cache)
 *   .packs/UID/             second names of packs, and where chunks are: how jobs of one owner share them (a cache)
 *
 * Files are cut every STORE_CHUNK_BYTES; memory images at multiples of it in their address space (store_cut). Of a chunk that
 * changed in part only the changed pages are stored, upon the chunk that was at its place before.
 *
 * Writers of one job exclude each other by a lock on its directory, taken here; those of different jobs need none. Whoever reads
 * needs no lock either. Numbers of generations only grow. Nothing here follows a link or leaves the directories it was given.
 * Capture, commit, verify and extract use two threads of their own, with all signals blocked, gone on return; memory is at most
 * 20 MiB, 300 bytes for each MiB of the job's state and 150 for each file, which stays below 64 MiB up to 150 GiB.
 *
 * A root who captures and extracts for a user names the owner: then the trees are read and written with the owner's rights, and
 * what is made is the owner's; the store itself is root's. NULL is the process's own rights.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    STORE_ABSENT = 1, /* no such generation */
    STORE_EXISTS = 2, /* this generation was committed already (by a stint that is not the caller's) */
    STORE_FENCED = 3, /* the caller's stint is over: a later one has begun */
    STORE_CHUNK_BYTES = 1 << 20,
    STORE_PAGE_BYTES = 4096,
    STORE_FILES_MAX = 1000000,
    STORE_CHUNKS_MAX = 4 << 20, /* of one checkpoint: 4 TiB */
    STORE_MANIFEST_MAX = 256 << 20,
    STORE_NAME_MAX = 4096,
    STORE_ID_BYTES = 16,
    STORE_LEFT_OUT = -2, /* not -1, which is a directory that could not be opened */
};

struct digest {
    uint8_t bytes[32];
};

struct pack_id {
    uint8_t bytes[STORE_ID_BYTES];
};

enum store_type { STORE_FILE, STORE_DIR, STORE_LINK, STORE_HARD, STORE_FIFO };

/* A chunk of a memory image: the bytes of one stretch of addresses. It does not cross a multiple of STORE_CHUNK_BYTES. */
struct store_cut {
    uint64_t address;
    int64_t offset; /* in the file; filled by the store */
    uint32_t bytes;
};

struct store_entry {
    enum store_type type;
    char *name;   /* "TREE/relative/name": the tree's name first, see store_tree */
    char *target; /* of a link: where it leads; of a hard link: the name of the file that it is */
    mode_t mode;  /* permission bits */
    uid_t uid;    /* whose it was; extraction gives all to the job's owner */
    gid_t gid;
    int64_t size;
    int64_t mtime_ns;
    struct digest *chunks;  /* one that is all zero stands for a chunk of zeros, which takes no room */
    struct store_cut *cuts; /* of a memory image, as many as chunks; NULL: cut every STORE_CHUNK_BYTES */
    size_t chunk_count;
    uint64_t inode, device; /* while it is captured: of a file that has several names */
    uint64_t hints;         /* likewise: where its pages are among the hints (hints.h) */
    uint64_t stamp;         /* likewise: its inode, size and times (later.h); 0: they say nothing */
};

/* A pack that the checkpoint needs. */
struct manifest_pack {
    struct pack_id id;
    int64_t bytes; /* in it */
    int64_t used;  /* of them by this checkpoint */
};

struct manifest {
    int generation;     /* from 1 */
    int parent;         /* the generation that it goes on from; 0 = none */
    int stint;          /* which stint committed it */
    int64_t created_us; /* wall clock */
    char kind[16];      /* "checkpoint", or "evicted": what an eviction without success left (never used before a checkpoint) */
    /* Where it was made. Empty texts are filled by store_commit, except `engine`. */
    char job[64], owner[64], host[65], kernel[96], cpu[128], engine[32];
    struct manifest_pack *packs;
    size_t pack_count;
    struct store_entry *entries;
    size_t entry_count;
    int64_t bytes;     /* sum of the files' sizes */
    int64_t new_bytes; /* what its commit added to the store */
};

/* A directory that takes part in a checkpoint under a fixed name, whatever its path is. */
struct store_tree {
    const char *name; /* "work", "std"; no slash */
    int dir;          /* or STORE_LEFT_OUT, for store_extract */
    bool keeps;       /* store_extract: directories that are there already are not the job's: they keep their mode and time, and make no room */
};

/* One thing to capture: a file, link, FIFO or directory (with all below it) beneath a tree's directory; "." is all of the tree, but
 * not its directory's own mode and time. What several sources name is captured once; if one of them has cuts for it (an image in a
 * directory that is a source as a whole, say), then by those. */
struct store_source {
    const char *tree;
    const char *name;
    bool optional; /* absent is no error */
    const struct store_cut *cuts; /* of one file that is a memory image; they add up to its size */
    size_t cut_count;
};

/* Called now and then from one thread at a time: how many bytes are done, of how many. */
struct store_progress {
    void (*fn)(void *data, int64_t done, int64_t total);
    void *data;
};

/* 0 = none. Bytes on the disk. */
struct store_limits {
    int64_t quota;      /* of the whole store */
    int64_t user_quota; /* of all jobs of one owner (by uid) */
    int64_t low_space;  /* free bytes of the file system that a capture leaves; -1: 1 % of it, at most 1 GiB */
};

struct store;

/* Opens (and makes) the store below `path`, and its key. ERR_INVALID: there are checkpoints, but the key is gone. */
int store_open(const char *path, struct store **store, struct error *err);
void store_limit(struct store *store, const struct store_limits *limits);
/* How long to wait for a job's lock when somebody else has it [30 s]. */
void store_patience(struct store *store, int64_t us);
void store_close(struct store *store); /* accepts NULL */

/* ---- writing ---- */

/* What is known of files while their program stands still. Inodes of any file system, ascending: one too many does no harm. */
struct store_still {
    const ino_t *mapped; /* somebody has them mapped shared: they may change without their times */
    size_t mapped_count;
    const ino_t *appended; /* whoever has them open for writing can do nothing but append */
    size_t appended_count;
};

struct store_request {
    const char *job;
    const struct identity *owner;
    const struct store_tree *trees;
    size_t tree_count;
    const struct store_source *sources;
    size_t source_count;
    bool hurry; /* nobody waits for these sources: sooner durable, later captured */
    /* NULL: nothing is known, and all files are read. Else one is not if its times say that it did not change; where the file system can
     * share blocks, or of what is only appended to, the rest is read by store_commit, when the program goes on again. */
    const struct store_still *still;
};

struct store_capture;

/* Takes what the sources hold. Returns when they may change again; the rest is done by store_commit. A file that changes while
 * it is read is taken as read, up to the size it had when it was opened. Of a FIFO there is its name and mode, not what is in it.
 * Sockets and devices are skipped; set-user-ID and its like are not kept. Holds the job's lock until store_capture_free. Errors:
 * ERR_LIMIT when a quota or the space left forbids it (the text says what to do); on failure nothing is kept. */
int store_capture(struct store *store, const struct store_request *request, struct store_capture **capture, struct error *err);
/* A capture of nothing yet, for store_capture_add: takes the lock and reads what the store knows of the job, which is more the more
 * it has. So a program that has to stand still while its files are taken need not stand still for that. */
int store_capture_begin(struct store *store, const char *job, const struct identity *owner, struct store_capture **capture,
                        struct error *err);
/* Before a program has to stand still for these sources: takes what large files hold that have not changed lately. Those that are still
 * the same then are not read again. `still` (not NULL) is what was known at `since_us`, wall clock. Errors as above. */
int store_capture_ahead(struct store_capture *capture, const struct store_request *request, int64_t since_us, struct error *err);
/* A further phase of the same checkpoint: takes more sources, of trees of which it has nothing yet (ERR_INVALID otherwise). The
 * earlier requests are not needed any more; job and owner are theirs. So a program may go on when what has to be of one moment is
 * captured, and what does not change any more (its memory image) is added meanwhile, with `hurry`. Errors as above; on failure
 * the capture can only be freed, which leaves nothing of it. */
int store_capture_add(struct store_capture *capture, const struct store_request *request, struct error *err);
/* Makes all phases durable and real, as one checkpoint. The caller sets generation, parent, stint, created_us, kind and engine; the
 * rest of `manifest` is filled. ERR_CORRUPT also when a file that was only appended to did change otherwise (the next capture reads
 * it whole). Outcomes STORE_EXISTS (the very same manifest again is success) and STORE_FENCED. On failure the
 * newest checkpoint and what is pinned are as they were; older ones may have gone to make room. */
int store_commit(struct store_capture *capture, struct manifest *manifest, struct error *err);
void store_capture_free(struct store_capture *capture); /* accepts NULL */

/* From now on no stint before `stint` commits to this job. Durable on return. Outcome STORE_FENCED: a later one has begun. */
int store_fence(struct store *store, const char *job, int stint, struct error *err);

/* A new generation with the content of an old one, in the same job (rewind) or another (clone), whose packs it shares. */
int store_branch(struct store *store, const char *from_job, int from_generation, const char *to_job, int to_generation,
                 int stint, struct error *err);

/* ---- reading ---- */

/* The generations that have a manifest, ascending; *generations is the caller's to free. No job: 0 of them. */
int store_list(struct store *store, const char *job, int **generations, size_t *count, struct error *err);
/* Makes durable what store_list sees: who found a generation that another process committed, and was killed in it, may count on it
 * only then. */
int store_sync(struct store *store, const char *job, struct error *err);
/* Reads and checks a manifest (its HMAC, syntax, names). Outcome STORE_ABSENT; ERR_CORRUPT names file and reason; with sys
 * EPROTONOSUPPORT it is not damaged, but in the format of another stint. */
int store_manifest(struct store *store, const char *job, int generation, struct manifest *out, struct error *err);
void manifest_release(struct manifest *manifest);

/* Reads every chunk and compares digests; ERR_CORRUPT names the file, its chunk and its offset, and the pack. What is damaged
 * will be stored again by the job's next capture. */
int store_verify(struct store *store, const struct manifest *manifest, const struct store_progress *progress, struct error *err);
/* Verifies a part of the newest checkpoint of every job: one in `parts` of its chunks, those that are number `part` among so many.
 * Calls fn for each checkpoint in which damage was found. */
int store_scrub(struct store *store, int part, int parts, void (*fn)(void *data, const char *job, const struct error *damage),
                void *data, struct error *err);
/* Writes the files into the trees, replacing what is there; every chunk is verified before it is written. A directory that is
 * there and somebody else's is written into, and keeps its mode and time. Every tree of the manifest must be named (ERR_INVALID);
 * nothing happens to one whose `dir` is STORE_LEFT_OUT. */
int store_extract(struct store *store, const struct identity *owner, const struct manifest *manifest,
                  const struct store_tree *trees, size_t tree_count, const struct store_progress *progress, struct error *err);
/* Leaves only the entries that are one of the names, or below one, and the directories above them. ERR_INVALID: nothing has
 * that name. A manifest that was narrowed is for store_extract and store_verify only. */
int manifest_narrow(struct manifest *manifest, char *const *names, size_t count, struct error *err);
/* Writes one file's content to a descriptor. ERR_INVALID: it has no such file. */
int store_cat(struct store *store, const struct manifest *manifest, const char *name, int fd, struct error *err);

struct store_difference {
    char what; /* '+' only in the second, '-' only in the first, 'c' content, 'm' mode, time or owner only, 't' type or target */
    const char *name;
    int64_t offset, length; /* of 'c': a stretch of bytes in which they differ; several for one name, ascending */
};
/* Compares two checkpoints (of any jobs), in the order of names. */
int store_diff(struct store *store, const struct manifest *a, const struct manifest *b,
               void (*fn)(void *data, const struct store_difference *difference), void *data, struct error *err);

/* ---- keeping and removing ---- */

struct store_retention {
    int keep; /* newest checkpoints, at least 1 */
    int tail; /* older ones, evenly spaced in time as it goes on; 0 = none */
};

/* Removes the checkpoints that are neither among the newest `keep` of the present line (see manifest.parent), nor in the tail, nor
 * pinned; of other kinds all but the newest `keep` that are younger than those; and packs that no manifest needs any more. A
 * generation whose manifest cannot be read does not count; while one is left (it is newer than what stays), no pack is
 * removed, for it may be its. */
int store_retain(struct store *store, const char *job, const struct store_retention *retention, struct error *err);
/* Outcome STORE_ABSENT. */
int store_pin(struct store *store, const char *job, int generation, bool pinned, struct error *err);
/* True as well when it cannot be found out. */
bool store_pinned(struct store *store, const char *job, int generation);
/* Whether the remote store has it as well. */
bool store_safe(struct store *store, const char *job, int generation);
/* Removes one generation (a corrupt one, say) and what only it needed; everything of a job; or of a job all that is not
 * pinned. Absent is success. */
int store_drop(struct store *store, const char *job, int generation, struct error *err);
int store_remove(struct store *store, const char *job, struct error *err);
int store_release(struct store *store, const char *job, struct error *err);
/* Removes what no manifest needs, in every job whose lock is free and in the cache; rebuilds the index. *freed counts bytes. */
int store_gc(struct store *store, int64_t *freed, const struct store_progress *progress, struct error *err);
/* Jobs that have a directory here: calls fn for each. */
int store_each_job(struct store *store, void (*fn)(void *data, const char *job), void *data, struct error *err);

struct store_usage {
    int generations;
    int64_t logical; /* sum of the sizes of all files of all generations */
    int64_t stored;  /* bytes on the disk */
    int64_t shared;  /* of them used by other jobs as well */
};
/* Of a job. */
int store_job_usage(struct store *store, const char *job, struct store_usage *usage, struct error *err);
/* Of the store: everything counted once. `free` is what its file system has left. */
int store_total_usage(struct store *store, struct store_usage *usage, int64_t *free, struct error *err);

/* ---- archives: one portable tar ---- */

/* `note` (text, at most 1 MiB) travels along. */
int store_export(struct store *store, const struct manifest *manifest, const struct buf *note, int fd,
                 const struct store_progress *progress, struct error *err);
struct store_trust {
    const char *key_path; /* the key of the store that it comes from; NULL: this store's own */
    bool unverified;      /* believe what it says of itself; contents are checked against their digests all the same */
    const struct identity *owner; /* whose job it will be, for quotas; NULL: the process's own user */
};
/* Brings an archive in as that generation of that job (which must not exist), signed anew. Reads `fd` forwards only. ERR_CORRUPT
 * or ERR_DENIED (signed with another key) says what is wrong; nothing is kept then. */
int store_import(struct store *store, int fd, const char *job, int generation, const struct store_trust *trust,
                 struct buf *note, const struct store_progress *progress, struct error *err);

const char *digest_print(const struct digest *digest, char out[65]);
bool digest_parse(const char *text, struct digest *digest);
const char *pack_id_print(const struct pack_id *id, char out[33]);
bool pack_id_parse(const char *text, struct pack_id *id);
