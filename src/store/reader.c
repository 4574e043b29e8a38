/* Reading back: chunks, whole files to a descriptor, and verification. */
#include "store/reader.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int reader_open(struct reader *r, struct store *store, const struct manifest *manifest, const struct store_progress *progress,
                struct error *err)
{
    auto_close int job_dir = -1;
    *r = (struct reader){ .packs_dir = -1, .progress = progress, .total = manifest->bytes };
    int result = layout_open_job(store, manifest->job, false, &job_dir, err);
    if (result == 0)
        result = layout_open_packs(job_dir, false, &r->packs_dir, err);
    if (result > 0)
        result = manifest->pack_count == 0 ? 0 : error_set(err, ERR_CORRUPT, "its packs are missing");
    if (result < 0)
        return -1;
    pthread_mutex_init(&r->lock, NULL);
    shelf_init(&r->shelf, &store->seal, r->packs_dir);
    if (shelf_add_manifest(&r->shelf, manifest, err) == 0)
        return 0;
    reader_close(r);
    return -1;
}

void reader_close(struct reader *r)
{
    shelf_release(&r->shelf);
    file_close(&r->packs_dir);
    pthread_mutex_destroy(&r->lock);
}

static void advance(struct reader *r, size_t bytes)
{
    if (!r->progress)
        return;
    pthread_mutex_lock(&r->lock);
    r->done += (int64_t)bytes;
    r->progress->fn(r->progress->data, r->done, r->total);
    pthread_mutex_unlock(&r->lock);
}

int reader_chunk(struct reader *r, struct crew_worker *worker, const struct store_entry *entry, size_t chunk, struct error *err)
{
    size_t len = manifest_chunk_len(entry, chunk);
    if (!digest_is_none(&entry->chunks[chunk]) &&
        shelf_fetch(&r->shelf, &entry->chunks[chunk], len, worker->data, worker->coder, err) < 0)
        return error_wrap(err, "'%s', chunk %zu at offset %" PRId64, entry->name, chunk, manifest_chunk_offset(entry, chunk));
    advance(r, len);
    return 0;
}

int reader_bytes(struct reader *r, struct crew_worker *worker, const struct store_entry *entry, size_t chunk, struct error *err)
{
    if (digest_is_none(&entry->chunks[chunk]))
        memset(worker->data, 0, manifest_chunk_len(entry, chunk));
    return reader_chunk(r, worker, entry, chunk, err);
}

/* ---- verification ---- */

struct verify {
    struct reader reader;
    const struct manifest *m;
    size_t part, parts; /* of all chunks, those with this number modulo `parts` */
    size_t before;      /* chunks of the files that have begun already */
};

static int begin_verify(void *ctx, struct crew_file *file, struct error *err)
{
    struct verify *v = ctx;
    (void)err;
    size_t count = v->m->entries[file->index].chunk_count;
    file->end = (int64_t)((v->part + v->parts - v->before % v->parts) % v->parts); /* the first that is meant */
    file->chunks = count > (size_t)file->end ? (count - (size_t)file->end + v->parts - 1) / v->parts : 0;
    v->before += count;
    return 0;
}

static int verify_chunk(void *ctx, struct crew_worker *w, struct crew_file *file, size_t chunk, struct error *err)
{
    struct verify *v = ctx;
    return reader_chunk(&v->reader, w, &v->m->entries[file->index], (size_t)file->end + chunk * v->parts, err);
}

static int end_verify(void *ctx, struct crew_file *file, bool good, struct error *err)
{
    (void)ctx;
    (void)file;
    (void)good;
    (void)err;
    return 0;
}

static int verify(struct store *store, const struct manifest *manifest, size_t part, size_t parts,
                  const struct store_progress *progress, struct error *err)
{
    static const struct crew_ops ops = { .begin = begin_verify, .chunk = verify_chunk, .end = end_verify };
    struct verify v = { .m = manifest, .part = part, .parts = parts };
    int r = reader_open(&v.reader, store, manifest, progress, err);
    if (r == 0) {
        r = crew_run(&ops, &v, manifest->entry_count, manifest->bytes / (int64_t)parts, err);
        reader_close(&v.reader);
    }
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", manifest->generation, manifest->job) : 0;
}

int store_verify(struct store *store, const struct manifest *manifest, const struct store_progress *progress, struct error *err)
{
    return verify(store, manifest, 0, 1, progress, err);
}

struct scrub {
    struct store *store;
    size_t part, parts;
    void (*fn)(void *data, const char *job, const struct error *damage);
    void *data;
};

/* What is removed in the middle of it looks like damage: only what is damaged when looked at again is. */
static void scrub_job(void *data, const char *job)
{
    struct scrub *s = data;
    struct error err = { 0 };
    for (int times = 0; times < 2; times++) {
        auto_free int *generations = NULL;
        auto_manifest struct manifest m = { 0 };
        size_t count = 0;
        int r = store_list(s->store, job, &generations, &count, &err);
        size_t at = count;
        while (r == 0 && at > 0 && strcmp(m.kind, "checkpoint") != 0) { /* what an eviction left hides none */
            manifest_release(&m);
            r = store_manifest(s->store, job, generations[--at], &m, &err);
        }
        if (r == 0 && m.kind[0])
            r = verify(s->store, &m, s->part, s->parts, NULL, &err);
        if (r >= 0 || (err.kind != ERR_CORRUPT && err.sys != EIO))
            return;
    }
    s->fn(s->data, job, &err);
}

int store_scrub(struct store *store, int part, int parts, void (*fn)(void *data, const char *job, const struct error *damage),
                void *data, struct error *err)
{
    struct scrub s = { .store = store, .part = (size_t)part, .parts = (size_t)parts, .fn = fn, .data = data };
    return store_each_job(store, scrub_job, &s, err);
}

/* ---- one file ---- */

struct cat {
    struct reader reader;
    const struct store_entry *entry;
    size_t next;
    int fd;
};

/* In one thread, for the descriptor may be a pipe. */
static int cat_chunk(void *ctx, struct crew_worker *w, struct error *err)
{
    struct cat *c = ctx;
    if (c->next == c->entry->chunk_count)
        return CREW_DONE;
    size_t chunk = c->next++;
    if (reader_bytes(&c->reader, w, c->entry, chunk, err) < 0)
        return -1;
    return file_write_all(c->fd, w->data, manifest_chunk_len(c->entry, chunk), err);
}

int store_cat(struct store *store, const struct manifest *manifest, const char *name, int fd, struct error *err)
{
    struct cat c = { .entry = manifest_find(manifest, name), .fd = fd };
    if (c.entry && c.entry->type == STORE_HARD)
        c.entry = manifest_find(manifest, c.entry->target);
    if (!c.entry || c.entry->type != STORE_FILE)
        return error_set(err, ERR_INVALID, "checkpoint %d of job %s has no file '%s'", manifest->generation, manifest->job, name);
    int r = reader_open(&c.reader, store, manifest, NULL, err);
    if (r == 0) {
        r = crew_loop(cat_chunk, &c, 0, err);
        reader_close(&c.reader);
    }
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", manifest->generation, manifest->job) : 0;
}
