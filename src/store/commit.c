/*
 * Commit. A manifest that can be seen is a promise that all it names is on the disk, so the order is fixed:
 *
 *   1. every chunk that no earlier manifest names: fdatasync
 *   2. the directory of chunks: their names
 *   3. for a job's first generation: the job's directory (the name "chunks") and the store's (the job's name)
 *   4. the manifest under a temporary name: write, fsync
 *   5. rename to its own name, which must not exist
 *   6. the job's directory again: the manifest's name
 *
 * Chunks that an earlier manifest names went through this when it was committed. Which chunks this capture wrote is not
 * remembered anywhere: they are those that no manifest names, so a commit may come from another process than its capture, and
 * a chunk that an interrupted capture left and this one found is made durable as well.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/chunk.h"
#include "store/layout.h"
#include "store/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char temp_name[] = ".manifest.tmp";

/* All are on their way before the first is waited for: then the file system places them in one transaction, not one each. */
static void start_chunks(int dir, const struct manifest *m, const struct layout_named *named)
{
    for (size_t i = 0; i < m->entry_count; i++)
        for (size_t c = 0; c < m->entries[i].chunk_count; c++)
            if (!digest_set_has(&named->chunks, &m->entries[i].chunks[c]))
                chunk_start(dir, &m->entries[i].chunks[c]);
}

static int sync_chunks(int dir, const struct manifest *m, struct layout_named *named, struct error *err)
{
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct store_entry *e = &m->entries[i];
        for (size_t c = 0; c < e->chunk_count; c++)
            if (digest_set_add(&named->chunks, &e->chunks[c]) &&
                chunk_sync(dir, &e->chunks[c], manifest_chunk_len(e, c), err) < 0)
                return error_wrap(err, "'%s'", e->name);
    }
    return 0;
}

static int sync_dir(int dir, const char *what, const char *point, struct error *err)
{
    if (fault_point(point) < 0)
        return error_sys(err, "cannot make '%s' durable", what);
    return file_sync(dir, what, err);
}

static int sync_data(struct store *store, int job_dir, const struct manifest *m, struct error *err)
{
    auto_close int chunks = -1;
    auto_named struct layout_named named = { 0 };
    if (layout_open_chunks(job_dir, true, &chunks, err) < 0 || layout_named(job_dir, &named, err) < 0)
        return -1;
    bool first = named.manifests == 0;
    start_chunks(chunks, m, &named);
    if (sync_chunks(chunks, m, &named, err) < 0 || sync_dir(chunks, "chunks", "store.commit.sync_chunks", err) < 0)
        return -1;
    if (!first)
        return 0;
    if (sync_dir(job_dir, "job directory", "store.commit.sync_job", err) < 0)
        return -1;
    return sync_dir(store->dir, "store", "store.commit.sync_store", err);
}

static int write_temp(int job_dir, const struct buf *text, struct error *err)
{
    if (unlinkat(job_dir, temp_name, 0) < 0 && errno != ENOENT)
        return error_sys(err, "cannot remove '%s'", temp_name);
    auto_close int fd = openat(job_dir, temp_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot create '%s'", temp_name);
    if (fault_point("store.manifest.write") < 0)
        return error_sys(err, "cannot write the manifest");
    if (file_write_all(fd, text->data, text->len, err) < 0)
        return -1;
    if (fault_point("store.manifest.sync") < 0)
        return error_sys(err, "cannot make the manifest durable");
    return file_sync(fd, temp_name, err);
}

/* A new name for the temporary file, never one that is taken. Some file systems know only links for that. */
static int rename_new(int dir, const char *name)
{
    if (renameat2(dir, temp_name, dir, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return linkat(dir, temp_name, dir, name, 0) < 0 ? -1 : unlinkat(dir, temp_name, 0);
}

/* 0 when the generation that is there already is this very one: a commit that is repeated has succeeded. */
static int compare_existing(int job_dir, const char *name, const struct buf *text, struct error *err)
{
    auto_buf struct buf there = { .max = STORE_MANIFEST_MAX };
    int r = file_read(job_dir, name, &there, err);
    if (r < 0)
        return -1;
    bool same = r == 0 && there.len == text->len && memcmp(there.data, text->data, text->len) == 0;
    return same ? 0 : STORE_EXISTS;
}

static int publish(int job_dir, const char *name, const struct buf *text, struct error *err)
{
    if (fault_point("store.manifest.rename") < 0)
        return error_sys(err, "cannot rename the manifest to '%s'", name);
    if (rename_new(job_dir, name) < 0) {
        if (errno != EEXIST)
            return error_sys(err, "cannot rename the manifest to '%s'", name);
        int r = compare_existing(job_dir, name, text, err);
        return r != 0 ? r : sync_dir(job_dir, name, "store.commit.publish", err);
    }
    if (sync_dir(job_dir, name, "store.commit.publish", err) == 0)
        return 0;
    unlinkat(job_dir, name, 0); /* what is reported as failed must not turn up later */
    return -1;
}

static int commit_in(struct store *store, int job_dir, const struct manifest *m, struct error *err)
{
    char name[LAYOUT_MANIFEST_NAME];
    auto_buf struct buf text = { 0 };
    if (manifest_print(m, &text, err) < 0 || sync_data(store, job_dir, m, err) < 0)
        return -1;
    int r = write_temp(job_dir, &text, err);
    if (r == 0)
        r = publish(job_dir, layout_manifest_name(m->generation, name), &text, err);
    if (r != 0)
        unlinkat(job_dir, temp_name, 0);
    if (r == 0)
        (void)fault_point("store.commit.done"); /* nothing can fail any more; one may be killed here */
    return r;
}

int store_commit(struct store *store, const char *job, const struct manifest *manifest, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, true, &job_dir, err);
    if (r == 0)
        r = commit_in(store, job_dir, manifest, err);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", manifest->generation, job) : r;
}
