#include "store/later.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/manifest.h"
#include "store/piece.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { CLONE_BYTES = 1 << 20, FILES_MAX = 256, SETTLED_US = 2000000 };
#define XFS_MAGIC 0x58465342

struct later {
    size_t entry;
    uint64_t hints;    /* > 0: of an unchanged file, where they are in those of the last checkpoint */
    int fd;            /* -1: nothing is to be read */
    size_t chunks;     /* that many from the beginning */
    const struct store_entry *base; /* they must be those of this one */
};

/* ---- what is known ---- */

static int by_number(const void *a, const void *b)
{
    ino_t left = *(const ino_t *)a, right = *(const ino_t *)b;
    return (left > right) - (left < right);
}

static bool has(const ino_t *list, size_t count, ino_t ino)
{
    return count > 0 && bsearch(&ino, list, count, sizeof *list, by_number);
}

/* Of XFS and Btrfs. (That the disk's own format has it as well is seen at the first try.) */
static bool may_clone(const struct store_capture *c)
{
    struct statfs fs;
    return !c->no_clones && fstatfs(c->job_dir, &fs) == 0 && (fs.f_type == XFS_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC);
}

static bool has_good_times(struct store_capture *c, int fd, dev_t dev)
{
    struct statfs fs;
    if (!c->times.known || c->times.dev != dev) {
        c->times.dev = dev;
        c->times.known = true;
        c->times.good = fstatfs(fd, &fs) == 0 && (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC ||
                                                  fs.f_type == F2FS_SUPER_MAGIC);
    }
    return c->times.good;
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Never 0. */
static uint64_t stamp_of(const struct store_capture *c, const struct stat *st)
{
    const int64_t key[] = { (int64_t)st->st_dev, (int64_t)st->st_ino, st->st_size, ns_of(st->st_mtim), ns_of(st->st_ctim) };
    return page_fingerprint((const uint8_t *)key, sizeof key, c->store->seed).low | 1;
}

static bool is_settled(const struct store_capture *c, const struct stat *st)
{
    return ns_of(st->st_ctim) / 1000 < c->phase_us - SETTLED_US;
}

/* The last checkpoint's entry, if its first `chunks` chunks are such that a new checkpoint may name them. */
static const struct store_entry *find_base(struct store_capture *c, const struct store_entry *e, size_t chunks)
{
    struct shelf_chain ignored;
    const struct store_entry *base = c->hints.fd < 0 || e->cuts ? NULL : manifest_find(&c->hints.base, e->name);
    if (!base || base->type != STORE_FILE || base->cuts || base->chunk_count < chunks || (e->hints > 0 && base->hints == 0))
        return NULL;
    bool good = true;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < chunks && good; i++)
        good = digest_is_none(&base->chunks[i]) || shelf_usable(&c->shelf, &base->chunks[i], &ignored);
    pthread_mutex_unlock(&c->lock);
    return good ? base : NULL;
}

static struct later *add(struct store_capture *c, size_t entry)
{
    c->later = mem_grow(c->later, &c->later_capacity, c->later_count + 1, sizeof *c->later);
    c->later[c->later_count] = (struct later){ .entry = entry, .fd = -1 };
    return &c->later[c->later_count++];
}

/* ---- the three ---- */

static bool is_unchanged(struct store_capture *c, struct crew_file *file, uint64_t stamp)
{
    struct store_entry *e = &c->m.entries[file->index];
    const struct store_entry *base = find_base(c, e, e->chunk_count);
    if (!base || base->stamp != stamp || base->size != e->size)
        return false;
    memcpy(e->chunks, base->chunks, e->chunk_count * sizeof *e->chunks);
    if (e->hints > 0)
        add(c, file->index)->hints = base->hints;
    file_close(&file->fd);
    return true;
}

/* Ahead of this. */
static bool is_taken(struct store_capture *c, struct crew_file *file, uint64_t stamp)
{
    struct store_entry *e = &c->m.entries[file->index];
    const struct store_entry *taken = c->ahead.entry_count > 0 ? manifest_find(&c->ahead, e->name) : NULL;
    if (!taken || taken->stamp != stamp || taken->size != e->size || e->cuts)
        return false;
    memcpy(e->chunks, taken->chunks, e->chunk_count * sizeof *e->chunks);
    e->hints = taken->hints;
    file_close(&file->fd);
    return true;
}

static int make_clone(struct store_capture *c, int fd)
{
    auto_close int clone = openat(c->job_dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    c->no_clones = clone < 0 || ioctl(clone, FICLONE, fd) < 0;
    return c->no_clones ? -1 : steal_fd(&clone);
}

static bool is_shared(struct store_capture *c, struct crew_file *file)
{
    const struct store_entry *e = &c->m.entries[file->index];
    if (e->size < CLONE_BYTES || c->later_count >= FILES_MAX || !may_clone(c))
        return false;
    int clone = make_clone(c, file->fd);
    if (clone < 0)
        return false;
    struct later *l = add(c, file->index);
    l->fd = clone;
    l->chunks = e->chunk_count;
    file_close(&file->fd);
    return true;
}

static void leave_beginning(struct store_capture *c, struct crew_file *file)
{
    struct store_entry *e = &c->m.entries[file->index];
    const struct store_entry *base = find_base(c, e, 0);
    size_t chunks = base ? (size_t)(base->size / STORE_CHUNK_BYTES) : 0;
    if (chunks == 0 || base->size > e->size || c->later_count >= FILES_MAX || find_base(c, e, chunks) != base)
        return;
    int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return;
    struct later *l = add(c, file->index);
    l->fd = fd;
    l->chunks = chunks;
    l->base = base;
    file->first = chunks;
    file->chunks -= chunks;
}

int later_sort(struct store_capture *c, struct crew_file *file, const struct stat *st)
{
    const struct store_request *rq = c->request;
    struct store_entry *e = &c->m.entries[file->index];
    bool mapped = has(rq->still->mapped, rq->still->mapped_count, st->st_ino);
    if (e->cuts)
        return 0;
    if (has_good_times(c, file->fd, st->st_dev)) {
        uint64_t stamp = stamp_of(c, st);
        e->stamp = is_settled(c, st) && !mapped ? stamp : 0;
        if (is_unchanged(c, file, stamp) || (!mapped && is_taken(c, file, stamp)))
            return CREW_SKIP;
    }
    if (rq->hurry)
        return 0;
    if (is_shared(c, file))
        return CREW_SKIP;
    if (!mapped && has(rq->still->appended, rq->still->appended_count, st->st_ino))
        leave_beginning(c, file);
    return 0;
}

void later_cut(struct store_capture *c, size_t count)
{
    while (c->later_count > count)
        file_close(&c->later[--c->later_count].fd);
}

/* ---- before ---- */

void later_choose(struct manifest *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        struct store_entry *e = &m->entries[i];
        if (e->name && e->type == STORE_FILE && e->size >= CLONE_BYTES && !e->cuts)
            m->entries[kept++] = *e;
        else
            store_entry_release(e);
    }
    m->entry_count = kept;
}

/* It is entered without its name, so that it is not found, unless it may be believed. */
static int pass_over(struct store_entry *e, struct crew_file *file)
{
    file_close(&file->fd);
    store_entry_release(e);
    return CREW_SKIP;
}

int later_ahead(struct store_capture *c, struct crew_file *file, const struct stat *st)
{
    const struct store_still *still = c->request->still;
    struct store_entry *e = &c->m.entries[file->index];
    const struct store_entry *base = find_base(c, e, e->chunk_count);
    bool good = has_good_times(c, file->fd, st->st_dev) && !has(still->mapped, still->mapped_count, st->st_ino);
    e->stamp = stamp_of(c, st);
    if (good && base && base->stamp == e->stamp)
        return pass_over(e, file);
    if (good && is_settled(c, st) && !may_clone(c))
        return 0;
    if (may_clone(c)) /* the kernel would have to do it before it shares the blocks */
        sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    return pass_over(e, file);
}

/* ---- later ---- */

static int begin_later(void *ctx, struct crew_file *file, struct error *err)
{
    struct store_capture *c = ctx;
    const struct later *l = &c->later[file->index];
    struct store_entry *e = &c->m.entries[l->entry];
    (void)err;
    if (l->hints > 0)
        hints_copy(&c->new_hints, e->hints, &c->hints, l->hints, (uint64_t)e->chunk_count * CHUNK_PAGES);
    if (l->fd < 0)
        return CREW_SKIP;
    file->chunks = l->chunks;
    return 0;
}

static int read_later(void *ctx, struct crew_worker *worker, struct crew_file *file, size_t chunk, struct error *err)
{
    struct store_capture *c = ctx;
    const struct later *l = &c->later[file->index];
    const struct store_entry *e = &c->m.entries[l->entry];
    size_t want = manifest_chunk_len(e, chunk), got = 0;
    struct piece piece;
    if (capture_read(l->fd, manifest_chunk_offset(e, chunk), want, worker->data, &got, err) < 0)
        return error_wrap(err, "'%s'", e->name);
    bool same = got == want;
    if (same && piece_take(c, worker, l->entry, chunk, got, &piece) != PIECE_KNOWN) {
        if (!l->base)
            return piece_store(c, worker, &piece, worker->data, err);
        same = false;
    }
    if (same && (!l->base || memcmp(&e->chunks[chunk], &l->base->chunks[chunk], sizeof e->chunks[chunk]) == 0))
        return 0;
    hints_forget(c->job_dir);
    return error_set(err, ERR_CORRUPT, "'%s' did not only grow, as it should have; the next checkpoint will read it whole", e->name);
}

static int end_later(void *ctx, struct crew_file *file, bool good, struct error *err)
{
    struct store_capture *c = ctx;
    (void)good;
    (void)err;
    file_close(&c->later[file->index].fd);
    return 0;
}

int later_run(struct store_capture *c, struct error *err)
{
    static const struct crew_ops ops = { .begin = begin_later, .chunk = read_later, .end = end_later };
    int64_t bytes = 0;
    for (size_t i = 0; i < c->later_count; i++)
        bytes += (int64_t)c->later[i].chunks * STORE_CHUNK_BYTES;
    int r = crew_run(&ops, c, c->later_count, bytes, err);
    later_cut(c, 0);
    return r;
}
