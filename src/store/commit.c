/*
 * Commit. A manifest that can be seen is a promise that all it names is on the disk, so the order is fixed:
 *
 *   1. the packs: payloads, table, fdatasync
 *   2. the directory of packs: their names, and those of packs of other jobs
 *   3. for a job's first generation: the job's directory (the name "packs") and the store's (the job's name)
 *   4. the manifest under a temporary name: write, fsync
 *   5. the fence: is this stint still the one that may commit? The job's lock is held, so the answer holds until 6
 *   6. rename to its own name, which must not exist
 *   7. the job's directory again: the manifest's name
 *
 * What comes after it (hints, the index of shared chunks) are caches.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/capture_parts.h"
#include "store/fence.h"
#include "store/index.h"
#include "store/later.h"
#include "store/machine.h"
#include "store/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char temp_name[] = ".manifest.tmp";

/* ---- what the manifest says ---- */

/* Entries that vanished while they were captured go. */
static void close_gaps(struct manifest *m)
{
    size_t kept = 0;
    m->bytes = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        if (!m->entries[i].name)
            continue;
        m->bytes += m->entries[i].size;
        m->entries[kept++] = m->entries[i];
    }
    m->entry_count = kept;
}

/* A hard link whose file vanished has nothing to link to. */
static void drop_broken_links(struct manifest *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        if (m->entries[i].type == STORE_HARD && !manifest_find(m, m->entries[i].target))
            store_entry_release(&m->entries[i]);
        else
            m->entries[kept++] = m->entries[i];
    }
    m->entry_count = kept;
}

static int count_use(struct store_capture *c, struct error *err)
{
    char text[65];
    for (size_t i = 0; i < c->m.entry_count; i++)
        for (size_t k = 0; k < c->m.entries[i].chunk_count; k++) {
            const struct digest *digest = &c->m.entries[i].chunks[k];
            if (!digest_is_none(digest) && !shelf_use(&c->shelf, digest))
                return error_set(err, ERR_CORRUPT, "chunk '%s' of '%s' did not get into a pack", digest_print(digest, text),
                                 c->m.entries[i].name);
        }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct manifest_pack *)a)->id, &((const struct manifest_pack *)b)->id, sizeof(struct pack_id));
}

static void list_packs(struct store_capture *c)
{
    struct manifest *m = &c->m;
    m->packs = mem_zero(c->shelf.count + 1, sizeof *m->packs);
    for (size_t i = 0; i < c->shelf.count; i++) {
        const struct pack *p = c->shelf.packs[i];
        struct manifest_pack line = { .id = p->id, .bytes = p->size };
        for (size_t k = 0; p->used && k < p->count; k++)
            line.used += p->used[k] ? p->records[k].stored + PACK_RECORD : 0;
        if (line.used > 0)
            m->packs[m->pack_count++] = line;
    }
    qsort(m->packs, m->pack_count, sizeof *m->packs, by_id);
}

/* New packs come upon the shelf with descriptors of their own. */
static int shelve_new(struct store_capture *c, struct error *err)
{
    for (size_t i = 0; i < pack_writer_count(c->writer); i++) {
        struct pack pack;
        pack_writer_get(c->writer, i, &pack);
        int r = shelf_add(&c->shelf, &pack.id, err);
        if (r != 0)
            return r < 0 ? error_wrap(err, "a pack that was just written") : error_set(err, ERR_CORRUPT, "a pack that was just written is gone");
    }
    return 0;
}

static void describe(struct store_capture *c, const struct manifest *wanted)
{
    struct manifest *m = &c->m;
    m->generation = wanted->generation;
    m->parent = wanted->parent;
    m->stint = wanted->stint;
    m->created_us = wanted->created_us;
    snprintf(m->kind, sizeof m->kind, "%s", wanted->kind);
    snprintf(m->engine, sizeof m->engine, "%s", wanted->engine);
    snprintf(m->job, sizeof m->job, "%s", c->job);
    machine_describe(m, c->uid);
}

/* ---- making it real ---- */

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
    if (linkat(dir, temp_name, dir, name, 0) < 0)
        return -1;
    unlinkat(dir, temp_name, 0); /* the next commit would do it */
    return 0;
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
        return r != 0 ? r : layout_sync(job_dir, name, "store.commit.publish", err);
    }
    if (layout_sync(job_dir, name, "store.commit.publish", err) == 0)
        return 0;
    unlinkat(job_dir, name, 0); /* what is reported as failed must not turn up later */
    return -1;
}

int commit_manifest(struct store *store, int job_dir, const struct manifest *m, struct digest *mac, struct error *err)
{
    char name[LAYOUT_NAME];
    auto_buf struct buf text = { 0 };
    if (manifest_print(m, &store->seal, &text, mac, err) < 0)
        return -1;
    int r = write_temp(job_dir, &text, err);
    if (r == 0)
        r = fence_check(job_dir, m->stint, err);
    if (r == 0)
        r = publish(job_dir, layout_name(m->generation, "manifest", name), &text, err);
    if (r != 0)
        unlinkat(job_dir, temp_name, 0);
    if (r == 0)
        (void)fault_point("store.commit.done"); /* nothing can fail any more; one may be killed here */
    return r;
}

/* A generation that came from elsewhere, as it is. One that is there already is replaced: it may be damaged. */
int commit_text(int job_dir, int generation, const struct buf *text, struct error *err)
{
    char name[LAYOUT_NAME];
    int r = write_temp(job_dir, text, err);
    layout_name(generation, "manifest", name);
    if (r == 0 && (fault_point("store.manifest.rename") < 0 || renameat(job_dir, temp_name, job_dir, name) < 0))
        r = error_sys(err, "cannot rename the manifest to '%s'", name);
    return r == 0 ? layout_sync(job_dir, name, "store.commit.publish", err) : -1;
}

int commit_directories(struct store *store, int job_dir, int packs_dir, bool first, struct error *err)
{
    if (layout_sync(packs_dir, "packs", "store.commit.sync_packs", err) < 0)
        return -1;
    if (!first)
        return 0;
    if (layout_sync(job_dir, "job directory", "store.commit.sync_job", err) < 0)
        return -1;
    return layout_sync(store->dir, "store", "store.commit.sync_store", err);
}

/* Caches: what fails here costs time later. */
static void finish_caches(struct store_capture *c, const struct digest *mac)
{
    hints_finish(&c->new_hints, &c->m, mac);
    for (size_t i = 0; i < pack_writer_count(c->writer); i++) {
        struct pack pack;
        pack_writer_get(c->writer, i, &pack);
        index_add(c->store, c->job_dir, c->packs_dir, &pack);
    }
}

static int commit(struct store_capture *c, const struct manifest *wanted, struct error *err)
{
    struct digest mac;
    if (c->failed)
        return error_set(err, ERR_INVALID, "a part of it could not be captured");
    if (later_run(c, err) < 0 || stage_store(c, err) < 0)
        return -1;
    close_gaps(&c->m);
    manifest_sort(&c->m);
    drop_broken_links(&c->m);
    if (pack_finish(c->writer, err) < 0 || shelve_new(c, err) < 0 || count_use(c, err) < 0)
        return -1;
    c->m.new_bytes = pack_written(c->writer);
    list_packs(c);
    describe(c, wanted);
    if (commit_directories(c->store, c->job_dir, c->packs_dir, c->first, err) < 0)
        return -1;
    int r = commit_manifest(c->store, c->job_dir, &c->m, &mac, err);
    if (r != 0)
        return r;
    pack_keep(c->writer);
    c->linked_count = 0;
    finish_caches(c, &mac);
    return 0;
}

int store_commit(struct store_capture *c, struct manifest *manifest, struct error *err)
{
    int r = commit(c, manifest, err);
    if (r < 0)
        return error_wrap(err, "checkpoint %d of job %s", manifest->generation, c->job);
    if (r == 0) {
        *manifest = c->m;
        c->m = (struct manifest){ 0 };
    }
    return r;
}
