/*
 * Capture: the sources are listed first (walk.c), then their contents are read, chunk by chunk, by up to three threads
 * (crew.c).
 *
 * A chunk that is in the store already is not believed to be good because its name is: it is compared with what is about to be
 * stored, and written again when it differs. Otherwise one flipped byte, or a chunk that a power cut left empty before its
 * commit, would poison every later generation that shares it. The comparison costs a read of what is mostly in the page cache.
 *
 * Before it reads anything, a capture sweeps what no manifest names: chunks and temporary files of a capture that was killed or
 * whose commit failed. So failed attempts never add up on the disk.
 *
 * Only the walk and the opening of the sources happen with the owner's rights, each in its own thread: a descriptor keeps the
 * rights with which it was opened, and the store is not the owner's.
 *
 * A chunk that an earlier manifest names is taken for durable by store_commit. When such a chunk was missing or damaged and is
 * written again, it is therefore made durable here and at once; all others are left to the commit.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/chunk.h"
#include "store/crew.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "store/sweep.h"
#include "store/tree.h"
#include "store/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct capture {
    const struct identity *owner;
    const struct store_tree *trees;
    size_t tree_count;
    struct manifest *m;
    struct chunk_dir chunks;
    struct layout_named named;

    pthread_mutex_t lock; /* of what follows, and of crew_file.end */
    struct digest_set seen;    /* stored, or being stored, by this capture */
    struct digest_set created; /* those of them that were not in the store */
    int64_t new_bytes;
};

static void capture_release(struct capture *c)
{
    file_close(&c->chunks.fd);
    layout_named_release(&c->named);
    digest_set_release(&c->seen);
    digest_set_release(&c->created);
}
#define auto_capture __attribute__((cleanup(capture_release)))

/* An entry that vanished, or is no file any more, loses its name and is left out at the end. */
static int leave_out(struct store_entry *e)
{
    store_entry_release(e);
    return CREW_SKIP;
}

static int begin_file(void *ctx, struct crew_file *file, struct error *err)
{
    struct capture *c = ctx;
    struct store_entry *e = &c->m->entries[file->index];
    if (e->type != STORE_FILE)
        return CREW_SKIP;
    const char *inside = NULL;
    const struct store_tree *tree = tree_find(c->trees, c->tree_count, e->name, &inside);
    struct stat st;
    if (identity_thread_enter(c->owner, err) < 0)
        return -1;
    auto_close int fd = tree_open(tree->dir, inside, O_RDONLY, err);
    identity_thread_leave();
    if (fd < 0)
        return errno == ENOENT || errno == ENXIO ? leave_out(e) : -1;
    if (fault_point("store.capture.open") < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot look at '%s'", e->name);
    if (!S_ISREG(st.st_mode))
        return leave_out(e);
    e->size = st.st_size;
    e->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    e->chunk_count = manifest_chunks_of(e->size);
    if (e->chunk_count > STORE_MANIFEST_MAX / 64)
        return error_set(err, ERR_LIMIT, "'%s' is too large for a manifest", e->name);
    e->chunks = mem_zero(e->chunk_count, sizeof *e->chunks);
    file->chunks = e->chunk_count;
    file->end = e->size;
    file->fd = steal_fd(&fd);
    return 0;
}

static int store_chunk(struct capture *c, struct crew_worker *w, const struct chunk *chunk, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    bool mine = digest_set_add(&c->seen, &chunk->digest);
    pthread_mutex_unlock(&c->lock);
    if (!mine || chunk_same(c->chunks.fd, chunk, w->piece))
        return 0;
    bool named = digest_set_has(&c->named.chunks, &chunk->digest);
    if (chunk_write(&c->chunks, w->number, chunk, named, err) < 0)
        return -1;
    pthread_mutex_lock(&c->lock);
    if (!named)
        digest_set_add(&c->created, &chunk->digest);
    c->new_bytes += (int64_t)chunk->len;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static int capture_chunk(void *ctx, struct crew_worker *w, struct crew_file *file, size_t chunk, struct error *err)
{
    struct capture *c = ctx;
    struct store_entry *e = &c->m->entries[file->index];
    int64_t offset = (int64_t)chunk * STORE_CHUNK_BYTES;
    size_t want = manifest_chunk_len(e, chunk);
    struct chunk read = { .data = w->data };
    if (crew_fault("store.capture.read") < 0)
        return error_sys(err, "cannot read '%s'", e->name);
    if (chunk_take(file->fd, offset, want, w->data, &read.len, &read.digest, err) < 0)
        return error_wrap(err, "'%s'", e->name);
    e->chunks[chunk] = read.digest;
    if (read.len < want) { /* it has become shorter: it ends where its first gap is */
        pthread_mutex_lock(&c->lock);
        if (offset + (int64_t)read.len < file->end)
            file->end = offset + (int64_t)read.len;
        pthread_mutex_unlock(&c->lock);
    }
    if (read.len > 0 && store_chunk(c, w, &read, err) < 0)
        return error_wrap(err, "cannot store '%s'", e->name);
    return 0;
}

static int end_file(void *ctx, struct crew_file *file, bool good, struct error *err)
{
    (void)good;
    (void)err;
    struct capture *c = ctx;
    struct store_entry *e = &c->m->entries[file->index];
    e->size = file->end;
    e->chunk_count = manifest_chunks_of(e->size);
    file_close(&file->fd);
    return 0;
}

static int64_t sum_sizes(const struct manifest *m)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < m->entry_count; i++)
        if (__builtin_add_overflow(bytes, m->entries[i].size, &bytes))
            return INT64_MAX;
    return bytes;
}

static void close_gaps(struct manifest *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->entry_count; i++)
        if (m->entries[i].name)
            m->entries[kept++] = m->entries[i];
    m->entry_count = kept;
}

static void remove_created(struct capture *c)
{
    char name[65];
    for (size_t i = 0; i < c->created.room; i++)
        if (c->created.used[i])
            unlinkat(c->chunks.fd, digest_print(&c->created.slots[i], name), 0);
}

static int prepare(struct store *store, const char *job, struct capture *c, struct error *err)
{
    auto_close int job_dir = -1;
    if (fault_point("store.capture.begin") < 0)
        return error_sys(err, "cannot open the store");
    if (layout_open_job(store, job, true, &job_dir, err) < 0 || layout_open_chunks(job_dir, true, &c->chunks.fd, err) < 0 ||
        layout_named(job_dir, &c->named, err) < 0)
        return -1;
    return sweep_chunks(c->chunks.fd, &c->named, err);
}

static int list_sources(struct capture *c, const struct store_source *sources, size_t count, struct error *err)
{
    if (identity_thread_enter(c->owner, err) < 0)
        return -1;
    int r = walk_sources(c->trees, c->tree_count, sources, count, c->m, err);
    identity_thread_leave();
    return r;
}

static int read_sources(struct capture *c, const char *job, const struct store_source *sources, size_t count, struct error *err)
{
    static const struct crew_ops ops = { .begin = begin_file, .chunk = capture_chunk, .end = end_file };
    if (list_sources(c, sources, count, err) < 0)
        return -1;
    if (crew_run(&ops, c, c->m->entry_count, sum_sizes(c->m), err) == 0)
        return 0;
    remove_created(c);
    return error_wrap(err, "checkpoint of job %s", job);
}

int store_capture(struct store *store, const char *job, const struct identity *owner, const struct store_tree *trees,
                  size_t tree_count, const struct store_source *sources, size_t source_count, struct manifest *out,
                  struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    auto_capture struct capture c = { .owner = owner, .trees = trees, .tree_count = tree_count, .m = &m, .chunks.fd = -1,
                                      .lock = PTHREAD_MUTEX_INITIALIZER };
    if (prepare(store, job, &c, err) < 0)
        return error_wrap(err, "checkpoint of job %s", job);
    if (identity_prepare(owner, err) < 0)
        return -1;
    int r = read_sources(&c, job, sources, source_count, err);
    identity_finish();
    if (r < 0)
        return -1;
    close_gaps(&m);
    out->entries = steal(m.entries);
    out->entry_count = m.entry_count;
    m.entry_count = 0;
    out->bytes = sum_sizes(out);
    out->new_bytes = c.new_bytes;
    return 0;
}
