/*
 * Capture: the sources are listed first (walk.c), then their contents are taken, chunk by chunk, by up to three threads
 * (crew.c). What becomes of a chunk is decided in piece.c; where somebody waits for the sources it goes to the stage first
 * (stage.c).
 *
 * What of a file need not be read now, or not at all, is sorted out when it is opened (later.c).
 *
 * A capture may have several phases, each with sources of its own: what has to be taken while the program stands still, and what can
 * wait until it goes on. They share everything but that: lock, shelf, packs, hints, stage. Entries stay where they are until
 * the commit, for pieces on the stage know theirs by its number.
 *
 * Before it reads anything, a capture sweeps what no manifest names: packs of a capture that was killed or whose commit failed. So
 * failed attempts never add up on the disk.
 *
 * Only the newest generation's packs are on the shelf. So the older generations may go at any moment to make room, without a
 * chunk that this capture counts on going with them.
 *
 * Only the walk and the opening of the sources happen with the owner's rights, each in its own thread: a descriptor keeps the
 * rights with which it was opened, and the store is not the owner's.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/later.h"
#include "store/piece.h"
#include "store/retain.h"
#include "store/stage.h"
#include "store/tree.h"
#include "store/walk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

/* An entry that vanished, or is no file any more, loses its name and is left out at the end. */
static int leave_out(struct store_entry *e)
{
    store_entry_release(e);
    return CREW_SKIP;
}

static int note_file(struct store_capture *c, struct store_entry *e, const struct stat *st, struct error *err)
{
    if (e->cuts && e->size != st->st_size)
        return error_set(err, ERR_INVALID, "'%s' has %lld bytes, which its cuts do not fit", e->name, (long long)st->st_size);
    e->size = st->st_size;
    e->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if (!e->cuts)
        e->chunk_count = manifest_chunks_of(e->size);
    c->chunks += e->chunk_count;
    if (e->chunk_count > STORE_CHUNKS_MAX || c->chunks > STORE_CHUNKS_MAX)
        return error_set(err, ERR_LIMIT, "with '%s' it would be larger than %lld bytes, which a checkpoint may have", e->name,
                         (long long)STORE_CHUNKS_MAX * STORE_CHUNK_BYTES);
    free(e->chunks);
    e->chunks = mem_zero(e->chunk_count + 1, sizeof *e->chunks);
    return 0;
}

static int begin_file(void *ctx, struct crew_file *file, struct error *err)
{
    struct store_capture *c = ctx;
    const struct store_request *rq = c->request;
    file->index += c->phase_first; /* the crew counts from 0 */
    struct store_entry *e = &c->m.entries[file->index];
    if (e->type != STORE_FILE || !e->name)
        return CREW_SKIP;
    const char *inside = NULL;
    const struct store_tree *tree = tree_find(rq->trees, rq->tree_count, e->name, &inside);
    struct stat st;
    if (identity_thread_enter(rq->owner, err) < 0)
        return -1;
    auto_close int fd = tree_open(tree->dir, inside, O_RDONLY, err);
    int failed = errno;
    identity_thread_leave();
    if (fd < 0)
        return failed == ENOENT || failed == ENXIO ? leave_out(e) : -1;
    if (crew_fault("store.capture.open") < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot look at '%s'", e->name);
    if (!S_ISREG(st.st_mode))
        return leave_out(e);
    if (note_file(c, e, &st, err) < 0)
        return -1;
    hints_place(&c->new_hints, e);
    file->chunks = e->chunk_count;
    file->end = e->size;
    file->fd = steal_fd(&fd);
    return c->is_ahead ? later_ahead(c, file, &st) : rq->still ? later_sort(c, file, &st) : 0;
}

int capture_read(int fd, int64_t offset, size_t want, uint8_t *data, size_t *got, struct error *err)
{
    off_t next = lseek(fd, offset, SEEK_DATA);
    struct stat st;
    if (crew_fault("store.capture.read") < 0)
        return error_sys(err, "cannot read");
    if ((next < 0 && errno == ENXIO) || next >= offset + (int64_t)want) {
        if (fstat(fd, &st) < 0)
            return error_sys(err, "cannot read");
        *got = st.st_size >= offset + (int64_t)want ? want : st.st_size > offset ? (size_t)(st.st_size - offset) : 0;
        memset(data, 0, *got);
        return 0;
    }
    for (*got = 0; *got < want;) {
        ssize_t n = pread(fd, data + *got, want - *got, offset + (int64_t)*got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, "cannot read");
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

/* It has become shorter: it ends where its first gap is. */
static void note_end(struct store_capture *c, struct crew_file *file, int64_t end)
{
    pthread_mutex_lock(&c->lock);
    if (end < file->end)
        file->end = end;
    pthread_mutex_unlock(&c->lock);
}

static int capture_chunk(void *ctx, struct crew_worker *worker, struct crew_file *file, size_t chunk, struct error *err)
{
    struct store_capture *c = ctx;
    struct store_entry *e = &c->m.entries[file->index];
    int64_t offset = manifest_chunk_offset(e, chunk);
    size_t want = manifest_chunk_len(e, chunk), got = 0;
    struct piece piece;
    if (capture_read(file->fd, offset, want, worker->data, &got, err) < 0)
        return error_wrap(err, "'%s'", e->name);
    if (got < want && e->cuts)
        return error_set(err, ERR_INVALID, "'%s' became shorter while it was read", e->name);
    if (got < want)
        note_end(c, file, offset + (int64_t)got);
    if (got == 0)
        return 0;
    if (piece_take(c, worker, file->index, chunk, got, &piece) == PIECE_KNOWN)
        return 0;
    return stage_takes(c, &piece) ? stage_put(c, &piece, worker->data, err) : piece_store(c, worker, &piece, worker->data, err);
}

static int end_file(void *ctx, struct crew_file *file, bool good, struct error *err)
{
    (void)good;
    (void)err;
    struct store_capture *c = ctx;
    struct store_entry *e = &c->m.entries[file->index];
    e->size = file->end;
    if (!e->cuts)
        e->chunk_count = manifest_chunks_of(e->size);
    file_close(&file->fd);
    return 0;
}

/* ---- the whole ---- */

/* Of what the phase adds. */
static int64_t sum_sizes(const struct store_capture *c)
{
    int64_t bytes = 0;
    for (size_t i = c->phase_first; i < c->m.entry_count; i++)
        if (__builtin_add_overflow(bytes, c->m.entries[i].size, &bytes))
            return INT64_MAX;
    return bytes;
}

bool capture_make_room(struct store_capture *c)
{
    struct error ignored;
    if (c->made_room)
        return false;
    c->made_room = true;
    if (retain_newest(c->store, c->job_dir, &c->shelf, c->writer, &ignored) < 0 ||
        space_left(c->store, c->uid, &c->room, c->room_reason, &ignored) < 0)
        return false;
    return true;
}

static int open_places(struct store_capture *c, struct error *err)
{
    auto_heads struct layout_heads heads = { 0 };
    if (fault_point("store.capture.begin") < 0)
        return error_sys(err, "cannot open the store");
    if (layout_open_job(c->store, c->job, true, &c->job_dir, err) < 0 || layout_lock(c->job_dir, c->store->patience_us, err) < 0 ||
        layout_open_packs(c->job_dir, true, &c->packs_dir, err) < 0 || layout_heads(c->store, c->job_dir, &heads, err) < 0 ||
        retain_sweep(c->store, c->packs_dir, &heads, NULL, NULL, err) < 0 || space_own(c->job_dir, c->uid, err) < 0)
        return -1;
    shelf_init(&c->shelf, &c->store->seal, c->packs_dir);
    c->first = heads.count == 0;
    const struct manifest *newest = layout_newest(&heads);
    if (newest) {
        shelf_add_readable(&c->shelf, newest);
        shelf_wear(&c->shelf, newest);
    }
    c->writer = pack_writer_new(c->packs_dir, &c->store->seal);
    hints_open(c->store, c->job_dir, &c->hints);
    hints_begin(&c->new_hints, c->job_dir);
    return 0;
}

/* Puts the entries behind those that are there, and leaves none of them in `found`. */
static int add_entries(struct store_capture *c, struct manifest *found, struct error *err)
{
    struct manifest *m = &c->m;
    size_t count = m->entry_count + found->entry_count, capacity = m->entry_count;
    if (count > STORE_FILES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d files", STORE_FILES_MAX);
    if (m->entry_count == 0) {
        free(m->entries);
        m->entries = steal(found->entries);
    } else if (found->entry_count > 0) {
        m->entries = mem_grow(m->entries, &capacity, count, sizeof *m->entries);
        memcpy(m->entries + m->entry_count, found->entries, found->entry_count * sizeof *m->entries);
    }
    m->entry_count = count;
    found->entry_count = 0;
    return 0;
}

static int list_sources(struct store_capture *c, struct error *err)
{
    const struct store_request *rq = c->request;
    auto_manifest struct manifest found = { 0 };
    if (identity_thread_enter(rq->owner, err) < 0)
        return -1;
    int r = walk_sources(rq->trees, rq->tree_count, rq->sources, rq->source_count, &found, err);
    identity_thread_leave();
    return r < 0 ? -1 : add_entries(c, &found, err);
}

static int read_sources(struct store_capture *c, struct error *err)
{
    static const struct crew_ops ops = { .begin = begin_file, .chunk = capture_chunk, .end = end_file };
    int64_t bytes = sum_sizes(c), staged = c->stage_end;
    uint64_t pages = c->new_hints.pages;
    size_t count = c->m.entry_count - c->phase_first, chunks = c->chunks, later = c->later_count;
    if (c->is_ahead)
        return crew_run(&ops, c, count, bytes, err);
    c->phase_us = clock_wall_us();
    stage_open(c, bytes);
    int r = crew_run(&ops, c, count, bytes, err);
    if (r < 0 && stage_full(c, err)) {
        stage_cut(c, staged);
        later_cut(c, later);
        c->new_hints.pages = pages;
        c->chunks = chunks;
        r = crew_run(&ops, c, count, bytes, err);
    }
    return r;
}

/* A phase. How much room there is, is found out anew: the program may have filled the disk since the last one. */
static int take_sources(struct store_capture *c, struct error *err)
{
    if (space_left(c->store, c->uid, &c->room, c->room_reason, err) < 0)
        return -1;
    if (c->room == 0)
        capture_make_room(c);
    if (c->room == 0)
        return error_set(err, ERR_LIMIT, "%s", c->room_reason);
    if (identity_prepare(c->request->owner, err) < 0)
        return -1;
    int r = list_sources(c, err);
    if (c->is_ahead)
        later_choose(&c->m);
    if (r == 0)
        r = read_sources(c, err);
    identity_finish();
    return r;
}

int store_capture_begin(struct store *store, const char *job, const struct identity *owner, struct store_capture **out, struct error *err)
{
    struct store_capture *c = mem_new(struct store_capture);
    *c = (struct store_capture){ .store = store, .job_dir = -1, .packs_dir = -1, .hints.fd = -1, .new_hints.fd = -1, .stage = -1,
                                 .uid = owner ? owner->uid : geteuid() };
    pthread_mutex_init(&c->lock, NULL);
    snprintf(c->job, sizeof c->job, "%s", job);
    if (open_places(c, err) < 0) {
        store_capture_free(c);
        return error_wrap(err, "checkpoint of job %s", job);
    }
    *out = c;
    return 0;
}

int store_capture_ahead(struct store_capture *c, const struct store_request *request, int64_t since_us, struct error *err)
{
    size_t chunks = c->chunks;
    assert(c->m.entry_count == 0 && request->still);
    c->request = request;
    c->phase_us = since_us;
    c->is_ahead = true;
    int r = take_sources(c, err);
    c->is_ahead = false;
    c->request = NULL;
    c->chunks = chunks;
    c->ahead = c->m;
    c->m = (struct manifest){ 0 };
    later_choose(&c->ahead);
    manifest_sort(&c->ahead);
    c->failed = c->failed || r < 0;
    return r < 0 ? error_wrap(err, "checkpoint of job %s", c->job) : 0;
}

int store_capture(struct store *store, const struct store_request *request, struct store_capture **out, struct error *err)
{
    struct store_capture *c = NULL;
    if (store_capture_begin(store, request->job, request->owner, &c, err) < 0)
        return -1;
    c->request = request;
    if (take_sources(c, err) < 0) {
        store_capture_free(c);
        return error_wrap(err, "checkpoint of job %s", request->job);
    }
    c->request = NULL;
    *out = c;
    return 0;
}

static bool has_tree(const struct store_capture *c, const char *tree)
{
    size_t len = strlen(tree);
    for (size_t i = 0; i < c->m.entry_count; i++) {
        const char *name = c->m.entries[i].name;
        if (name && strncmp(name, tree, len) == 0 && name[len] == '/')
            return true;
    }
    return false;
}

/* A name must not be there twice, and a piece on the stage must not find another file under its number. */
static int add_phase(struct store_capture *c, struct error *err)
{
    const struct store_request *rq = c->request;
    if (fault_point("store.capture.add") < 0)
        return error_sys(err, "cannot add to it");
    for (size_t i = 0; i < rq->source_count; i++)
        if (has_tree(c, rq->sources[i].tree))
            return error_set(err, ERR_INVALID, "'%s' has been captured already", rq->sources[i].tree);
    c->phase_first = c->m.entry_count;
    return take_sources(c, err);
}

int store_capture_add(struct store_capture *c, const struct store_request *request, struct error *err)
{
    assert(strcmp(request->job, c->job) == 0);
    c->request = request;
    int r = add_phase(c, err);
    c->request = NULL;
    c->failed = c->failed || r < 0;
    return r < 0 ? error_wrap(err, "checkpoint of job %s", c->job) : 0;
}

void store_capture_free(struct store_capture *c)
{
    char name[33];
    if (!c)
        return;
    for (size_t i = 0; i < c->linked_count; i++) /* of a checkpoint that came to nothing; the others have been taken over */
        unlinkat(c->packs_dir, pack_id_print(&c->linked[i], name), 0);
    later_cut(c, 0);
    free(c->later);
    hints_abandon(&c->new_hints);
    hints_close(&c->hints);
    shelf_release(&c->shelf);
    pack_writer_free(c->writer);
    digest_set_release(&c->pending);
    manifest_release(&c->m);
    manifest_release(&c->ahead);
    free(c->linked);
    file_close(&c->stage);
    file_close(&c->packs_dir);
    file_close(&c->job_dir);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
