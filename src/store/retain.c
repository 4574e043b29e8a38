/*
 * Which generations stay. The newest checkpoint and its parents are the present line: what a job would fall back on, one after
 * the other. The first `keep` of it stay; where it is shorter (a parent is gone, or the job began anew) the newest others make up
 * for it. What a rewind left beside the line goes with the next checkpoint. Older ones of the line may stay as a tail.
 *
 * Removal is always in this order: the manifest, durably, then packs. After a crash between them there are packs that nobody
 * names, which the next sweep removes; the other order would leave a manifest without its packs.
 */
#include "store/retain.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- packs ---- */

struct sweep {
    struct store *store;
    const struct layout_heads *heads;
    const struct shelf *shelf;
    struct pack_writer *writer;
};

/* With the last job's name goes the one by which other jobs find it. */
static int remove_pack(struct store *store, int packs_dir, const char *name, struct error *err)
{
    struct stat st;
    struct error ignored;
    auto_close int shared = -1, job_dir = openat(packs_dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool last = fstatat(packs_dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2;
    if (fault_point("store.retain.pack") < 0 || (unlinkat(packs_dir, name, 0) < 0 && errno != ENOENT && errno != EISDIR))
        return error_sys(err, "cannot remove pack '%s'", name);
    if (last && layout_open_shared(store, job_dir, false, &shared, &ignored) == 0)
        unlinkat(shared, name, 0);
    return 0;
}

/* A pack; the mark that it is damaged, which goes with it; one that is being fetched, whose fetcher is dead. */
static int sweep_name(void *data, int dir, const char *name, struct error *err)
{
    const struct sweep *s = data;
    struct pack_id id;
    char own[33];
    size_t len = strlen(name);
    snprintf(own, sizeof own, "%.32s", name);
    if (!pack_id_parse(own, &id) || (len != 32 && strcmp(name + 32, ".bad") != 0 && strcmp(name + 32, ".tmp") != 0))
        return 0; /* not ours */
    if (len > 32 && strcmp(name + 32, ".tmp") == 0) {
        unlinkat(dir, name, 0);
        return 0;
    }
    if (s->heads->unreadable > 0 || layout_names(s->heads, &id) || (s->shelf && shelf_pack(s->shelf, &id)) || (s->writer && pack_writer_has(s->writer, &id)))
        return 0;
    if (len == 32)
        return remove_pack(s->store, dir, name, err);
    unlinkat(dir, name, 0);
    return 0;
}

int retain_sweep(struct store *store, int packs_dir, const struct layout_heads *heads, const struct shelf *shelf,
                 struct pack_writer *writer, struct error *err)
{
    struct sweep s = { store, heads, shelf, writer };
    return layout_each_name(packs_dir, sweep_name, &s, err);
}

/* ---- generations ---- */

/* Whatever keeps us from looking must not cost a checkpoint. */
static bool is_pinned(int job_dir, int generation)
{
    return layout_has_mark(job_dir, generation, "pin") || errno != ENOENT;
}

/* Outcome STORE_ABSENT when there was none. */
static int remove_manifest(int job_dir, int generation, struct error *err)
{
    static const char *const marks[] = { "pin", "safe" };
    char name[LAYOUT_NAME];
    layout_name(generation, "manifest", name);
    if (fault_point("store.retain.manifest") < 0)
        return error_sys(err, "cannot remove '%s'", name);
    bool there = unlinkat(job_dir, name, 0) == 0;
    if (!there && errno != ENOENT)
        return error_sys(err, "cannot remove '%s'", name);
    for (size_t i = 0; i < 2; i++)
        unlinkat(job_dir, layout_name(generation, marks[i], name), 0);
    return there ? 0 : STORE_ABSENT;
}

/* Makes the removal of manifests durable, then removes what only they named. */
static int sweep_job(struct store *store, int job_dir, const struct shelf *shelf, struct pack_writer *writer, struct error *err)
{
    auto_close int packs = -1;
    auto_heads struct layout_heads heads = { 0 };
    if (layout_sync(job_dir, "job directory", "store.retain.sync", err) < 0)
        return -1;
    int r = layout_open_packs(job_dir, false, &packs, err);
    if (r != 0)
        return r < 0 ? -1 : 0;
    return layout_heads(store, job_dir, &heads, err) < 0 ? -1 : retain_sweep(store, packs, &heads, shelf, writer, err);
}

/* ---- which ---- */

/* Removes the one whose neighbours are nearest to each other, until few enough are left. */
void retain_thin(const int64_t *times_us, size_t count, int64_t end_us, int tail, bool *go)
{
    size_t left = count;
    for (size_t i = 0; i < count; i++)
        go[i] = tail == 0;
    while (tail > 0 && left > (size_t)tail && left > 1) {
        size_t before = 0, best = 0;
        int64_t best_gap = INT64_MAX;
        for (size_t i = 1; i < count; i++) {
            size_t after = i + 1;
            if (go[i])
                continue;
            while (after < count && go[after])
                after++;
            int64_t gap = (after < count ? times_us[after] : end_us) - times_us[before];
            if (gap < best_gap) {
                best_gap = gap;
                best = i;
            }
            before = i;
        }
        go[best] = true;
        left--;
    }
}

static bool is_checkpoint(const struct manifest *m)
{
    return strcmp(m->kind, "checkpoint") == 0;
}

static size_t find(const struct layout_heads *heads, int generation)
{
    for (size_t i = 0; i < heads->count; i++)
        if (heads->list[i].generation == generation)
            return i;
    return heads->count;
}

/* The present line, newest first: indexes of heads. Returns how many. */
static size_t find_line(const struct layout_heads *heads, size_t *line)
{
    size_t count = 0, at = heads->count;
    for (size_t i = heads->count; i-- > 0 && at == heads->count;)
        if (is_checkpoint(&heads->list[i]))
            at = i;
    while (at < heads->count && is_checkpoint(&heads->list[at])) {
        line[count++] = at;
        int parent = heads->list[at].parent; /* always smaller */
        at = parent > 0 ? find(heads, parent) : heads->count;
    }
    return count;
}

struct choice {
    const struct layout_heads *heads;
    bool *stays;
    size_t oldest; /* of the checkpoints that are kept for their own sake */
};

static void keep_tail(struct choice *c, const size_t *line, size_t count, size_t keep, int tail)
{
    size_t n = count > keep ? count - keep : 0;
    auto_free int64_t *times = mem_zero(n + 1, sizeof *times);
    auto_free bool *go = mem_zero(n + 1, sizeof *go);
    for (size_t i = 0; i < n; i++)
        times[i] = c->heads->list[line[count - 1 - i]].created_us;
    if (n == 0)
        return;
    retain_thin(times, n, c->heads->list[line[keep - 1]].created_us, tail, go);
    for (size_t i = 0; i < n; i++)
        c->stays[line[count - 1 - i]] |= !go[i];
}

static void choose(struct choice *c, const struct store_retention *retention)
{
    const struct layout_heads *heads = c->heads;
    size_t keep = retention->keep > 1 ? (size_t)retention->keep : 1, kept = 0, others = 0;
    auto_free size_t *line = mem_zero(heads->count + 1, sizeof *line);
    size_t count = find_line(heads, line);
    c->oldest = heads->count;
    for (; kept < count && kept < keep; kept++)
        c->stays[c->oldest = line[kept]] = true;
    for (size_t i = heads->count; i-- > 0 && kept < keep;)
        if (is_checkpoint(&heads->list[i]) && !c->stays[i]) {
            c->stays[i] = true;
            c->oldest = i < c->oldest ? i : c->oldest;
            kept++;
        }
    keep_tail(c, line, count, keep, retention->tail);
    for (size_t i = heads->count; i-- > 0;) {
        bool readable = heads->list[i].kind[0] != '\0', younger = c->oldest == heads->count || i > c->oldest || kept < keep;
        if (is_checkpoint(&heads->list[i]) || !younger)
            continue;
        c->stays[i] = !readable || others < keep;
        others += readable;
    }
}

static int retain_in(struct store *store, int job_dir, const struct store_retention *retention, const struct shelf *shelf,
                     struct pack_writer *writer, struct error *err)
{
    auto_heads struct layout_heads heads = { 0 };
    size_t removed = 0;
    if (layout_heads(store, job_dir, &heads, err) < 0)
        return -1;
    auto_free bool *stays = mem_zero(heads.count + 1, sizeof *stays);
    struct choice c = { .heads = &heads, .stays = stays };
    choose(&c, retention);
    for (size_t i = 0; i < heads.count; i++) {
        if (stays[i] || is_pinned(job_dir, heads.list[i].generation))
            continue;
        if (remove_manifest(job_dir, heads.list[i].generation, err) < 0)
            return -1;
        removed++;
    }
    return removed > 0 ? sweep_job(store, job_dir, shelf, writer, err) : 0;
}

int retain_newest(struct store *store, int job_dir, const struct shelf *shelf, struct pack_writer *writer, struct error *err)
{
    static const struct store_retention one = { .keep = 1 };
    return retain_in(store, job_dir, &one, shelf, writer, err);
}

/* ---- for others ---- */

/* Opens a job's directory and takes its lock. Outcome STORE_ABSENT. */
static int open_locked(struct store *store, const char *job, int *job_dir, struct error *err)
{
    int r = layout_open_job(store, job, false, job_dir, err);
    return r == 0 ? layout_lock(*job_dir, store->patience_us, err) : r;
}

int store_retain(struct store *store, const char *job, const struct store_retention *retention, struct error *err)
{
    auto_close int job_dir = -1;
    int r = open_locked(store, job, &job_dir, err);
    if (r == 0)
        r = retain_in(store, job_dir, retention, NULL, NULL, err);
    return r < 0 ? error_wrap(err, "checkpoints of job %s", job) : 0;
}

static int pin(int job_dir, int generation, bool pinned, struct error *err)
{
    char manifest[LAYOUT_NAME], name[LAYOUT_NAME];
    layout_name(generation, "pin", name);
    if (faccessat(job_dir, layout_name(generation, "manifest", manifest), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? STORE_ABSENT : error_sys(err, "cannot look at '%s'", manifest);
    auto_close int fd = pinned ? openat(job_dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (pinned && fd < 0)
        return error_sys(err, "cannot make '%s'", name);
    if (!pinned && unlinkat(job_dir, name, 0) < 0 && errno != ENOENT)
        return error_sys(err, "cannot remove '%s'", name);
    return layout_sync(job_dir, "job directory", "store.pin.sync", err);
}

int store_pin(struct store *store, const char *job, int generation, bool pinned, struct error *err)
{
    auto_close int job_dir = -1;
    int r = open_locked(store, job, &job_dir, err);
    if (r == 0)
        r = pin(job_dir, generation, pinned, err);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", generation, job) : r;
}

bool store_pinned(struct store *store, const char *job, int generation)
{
    struct error ignored;
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, &ignored);
    return r < 0 || (r == 0 && is_pinned(job_dir, generation));
}

bool store_safe(struct store *store, const char *job, int generation)
{
    struct error ignored;
    auto_close int job_dir = -1;
    return layout_open_job(store, job, false, &job_dir, &ignored) == 0 && layout_has_mark(job_dir, generation, "safe");
}

int store_drop(struct store *store, const char *job, int generation, struct error *err)
{
    auto_close int job_dir = -1;
    int r = open_locked(store, job, &job_dir, err);
    if (r == 0)
        r = remove_manifest(job_dir, generation, err);
    if (r == 0)
        r = sweep_job(store, job_dir, NULL, NULL, err);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", generation, job) : 0;
}

/* The generations go, all or those that are not pinned. *left counts the others. */
static int remove_generations(int job_dir, bool all, size_t *left, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    *left = 0;
    if (layout_list(job_dir, &generations, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!all && is_pinned(job_dir, generations[i]))
            ++*left;
        else if (remove_manifest(job_dir, generations[i], err) < 0)
            return -1;
    }
    return 0;
}

static int remove_rest(struct store *store, const char *job, int job_dir, struct error *err)
{
    auto_close int packs = -1;
    auto_heads struct layout_heads none = { 0 };
    int r = layout_open_packs(job_dir, false, &packs, err);
    if (r < 0 || (r == 0 && retain_sweep(store, packs, &none, NULL, NULL, err) < 0))
        return -1;
    if (fault_point("store.remove.tree") < 0)
        return error_sys(err, "cannot remove '%s'", job);
    return file_remove_tree(store->dir, job, err);
}

static int remove_job(struct store *store, const char *job, bool all, struct error *err)
{
    auto_close int job_dir = -1;
    size_t left = 0;
    int r = open_locked(store, job, &job_dir, err);
    if (r == 0)
        r = remove_generations(job_dir, all, &left, err);
    if (r == 0)
        r = sweep_job(store, job_dir, NULL, NULL, err);
    if (r == 0 && left == 0)
        r = remove_rest(store, job, job_dir, err);
    return r < 0 ? error_wrap(err, "checkpoints of job %s", job) : 0;
}

int store_remove(struct store *store, const char *job, struct error *err)
{
    return remove_job(store, job, true, err);
}

int store_release(struct store *store, const char *job, struct error *err)
{
    return remove_job(store, job, false, err);
}

/* ---- garbage ---- */

struct collect {
    struct store *store;
    const struct store_progress *progress;
    int64_t done, total;
    struct error *err;
    int result;
};

static void count_job(void *data, const char *job)
{
    struct collect *g = data;
    (void)job;
    g->total++;
}

/* One whose lock is taken sweeps itself. */
static void collect_job(void *data, const char *job)
{
    struct collect *g = data;
    struct error busy;
    auto_close int job_dir = -1;
    if (g->result == 0 && layout_open_job(g->store, job, false, &job_dir, &busy) == 0 && layout_lock(job_dir, 0, &busy) == 0) {
        unlinkat(job_dir, ".manifest.tmp", 0);
        unlinkat(job_dir, ".hints.tmp", 0);
        g->result = sweep_job(g->store, job_dir, NULL, NULL, g->err);
    }
    g->done++;
    if (g->progress)
        g->progress->fn(g->progress->data, g->done, g->total);
}

int store_gc(struct store *store, int64_t *freed, const struct store_progress *progress, struct error *err)
{
    struct store_usage before, after;
    int64_t room;
    struct collect g = { .store = store, .progress = progress, .err = err };
    if (store_total_usage(store, &before, &room, err) < 0 || store_each_job(store, count_job, &g, err) < 0 ||
        store_each_job(store, collect_job, &g, err) < 0 || g.result < 0 || index_rebuild(store, err) < 0 ||
        store_total_usage(store, &after, &room, err) < 0)
        return -1;
    *freed = before.stored > after.stored ? before.stored - after.stored : 0;
    return 0;
}
