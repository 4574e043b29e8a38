/*
 * Removal, always in this order: the manifest, durably, then the chunks. After a crash between them there are chunks that
 * nobody names, which the next sweep removes; the other order would leave a manifest without its chunks.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "store/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int sweep_name(void *data, int dir, const char *name, struct error *err)
{
    const struct layout_named *named = data;
    struct digest digest;
    if (digest_parse(name, &digest)) {
        if (named->unreadable > 0 || digest_set_has(&named->chunks, &digest))
            return 0;
    } else if (strncmp(name, ".tmp.", 5) != 0) {
        return 0; /* not ours */
    }
    if (fault_point("store.retain.chunk") < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
        return error_sys(err, "cannot remove chunk '%s'", name);
    return 0;
}

int sweep_chunks(int chunks_dir, const struct layout_named *named, struct error *err)
{
    return layout_each_name(chunks_dir, sweep_name, (void *)(uintptr_t)named, err);
}

/* Outcome STORE_ABSENT when there was none. */
static int remove_manifest(int job_dir, int generation, struct error *err)
{
    char name[LAYOUT_MANIFEST_NAME];
    layout_manifest_name(generation, name);
    if (fault_point("store.retain.manifest") < 0)
        return error_sys(err, "cannot remove '%s'", name);
    if (unlinkat(job_dir, name, 0) == 0)
        return 0;
    return errno == ENOENT ? STORE_ABSENT : error_sys(err, "cannot remove '%s'", name);
}

/* Makes the removal of manifests durable, then removes what only they named. */
static int sweep_job(int job_dir, struct error *err)
{
    auto_close int chunks = -1;
    auto_named struct layout_named named = { 0 };
    if (fault_point("store.retain.sync") < 0)
        return error_sys(err, "cannot make the removal durable");
    if (file_sync(job_dir, "job directory", err) < 0)
        return -1;
    int r = layout_open_chunks(job_dir, false, &chunks, err);
    if (r != 0)
        return r < 0 ? -1 : 0;
    return layout_named(job_dir, &named, err) < 0 ? -1 : sweep_chunks(chunks, &named, err);
}

enum fate { FATE_CHECKPOINT, FATE_OTHER, FATE_UNREADABLE };

static int fate_of(int job_dir, int generation, enum fate *fate, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    struct error why;
    int r = layout_manifest(job_dir, generation, &m, &why);
    if (r < 0 && !layout_damaged(&why)) {
        if (err)
            *err = why;
        return -1;
    }
    *fate = r != 0 ? FATE_UNREADABLE : strcmp(m.kind, "checkpoint") == 0 ? FATE_CHECKPOINT : FATE_OTHER;
    return 0;
}

/* From the newest to the oldest: what is older than the last checkpoint that stays goes, and of what is newer than it but no
 * checkpoint the newest `keep` stay. */
static int retain_in(int job_dir, int keep, const int *generations, size_t count, struct error *err)
{
    int checkpoints = 0;
    int others = 0;
    size_t removed = 0;
    for (size_t i = count; i-- > 0;) {
        enum fate fate = FATE_UNREADABLE;
        bool go = checkpoints >= keep;
        if (!go && fate_of(job_dir, generations[i], &fate, err) < 0)
            return -1;
        checkpoints += fate == FATE_CHECKPOINT;
        others += fate == FATE_OTHER;
        go = go || (fate == FATE_OTHER && others > keep);
        if (go && remove_manifest(job_dir, generations[i], err) < 0)
            return -1;
        removed += go;
    }
    return removed > 0 ? sweep_job(job_dir, err) : 0;
}

int store_retain(struct store *store, const char *job, int keep, struct error *err)
{
    auto_close int job_dir = -1;
    auto_free int *generations = NULL;
    size_t count = 0;
    int r = layout_open_job(store, job, false, &job_dir, err);
    if (r == 0)
        r = layout_list(job_dir, &generations, &count, err);
    if (r == 0)
        r = retain_in(job_dir, keep > 1 ? keep : 1, generations, count, err);
    return r < 0 ? error_wrap(err, "checkpoints of job %s", job) : 0;
}

int store_drop(struct store *store, const char *job, int generation, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, err);
    if (r == 0)
        r = remove_manifest(job_dir, generation, err);
    if (r == 0)
        r = sweep_job(job_dir, err);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", generation, job) : 0;
}

static int remove_all(struct store *store, const char *job, int job_dir, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    if (layout_list(job_dir, &generations, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (remove_manifest(job_dir, generations[i], err) < 0)
            return -1;
    if (count > 0 && file_sync(job_dir, job, err) < 0)
        return -1;
    if (fault_point("store.remove.tree") < 0)
        return error_sys(err, "cannot remove '%s'", job);
    return file_remove_tree(store->dir, job, err);
}

int store_remove(struct store *store, const char *job, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, err);
    if (r == 0)
        r = remove_all(store, job, job_dir, err);
    return r < 0 ? error_wrap(err, "checkpoints of job %s", job) : 0;
}
