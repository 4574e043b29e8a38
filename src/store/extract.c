/*
 * Extraction into trees.
 *
 * The trees belong to a job and may hold anything, links that lead out of them above all. So every step starts at a tree's
 * descriptor and passes no link; a new file, link or directory is made under a name of its own, gets its owner, mode and time
 * through its descriptor, and only then takes its place by a rename, which replaces a link instead of following it. What stands
 * in the way (a directory where a file belongs, a file or link where a directory belongs) is removed. For a user's trees all
 * of that happens with the user's rights, for a user who may not write somewhere must not have root do it.
 *
 * Directories are made first, with room for their owner to write in them, and get their modes and times last, from the deepest
 * up: a directory without write permission must be filled, and filling it changes its time.
 *
 * What lies in trees that are left out is taken from the list before anything else: from there on it is as if it had never been in it.
 *
 * A chunk is verified in memory and written from there, so what reaches the tree is what was verified.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/crew.h"
#include "store/digest.h"
#include "store/reader.h"
#include "store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMP_TRIES = 1000 };

struct extract {
    struct reader reader;
    const struct manifest *m;
    const struct store_tree *trees;
    size_t tree_count;
    const struct identity *owner;
    bool *kept; /* of each entry: a directory that stays as it is */
};

static struct timespec time_of(const struct store_entry *e)
{
    int64_t nsec = e->mtime_ns % 1000000000;
    int64_t sec = e->mtime_ns / 1000000000 - (nsec < 0);
    return (struct timespec){ .tv_sec = sec, .tv_nsec = nsec < 0 ? nsec + 1000000000 : nsec };
}

static const struct store_tree *tree_of(const struct extract *x, const struct store_entry *e)
{
    const char *inside;
    return tree_find(x->trees, x->tree_count, e->name, &inside);
}

/* Opens the directory above an entry and makes up the n-th temporary name there. */
static int open_place(struct extract *x, const struct store_entry *e, const char **leaf, struct error *err)
{
    const char *inside = NULL;
    const struct store_tree *tree = tree_find(x->trees, x->tree_count, e->name, &inside);
    return tree_open_parent(tree->dir, inside, leaf, err);
}

static char *temp_name(int try)
{
    return mem_printf(".stint-restore.%d", try);
}

static int set_attributes(int fd, const struct store_entry *e, struct error *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };
    if (fchmod(fd, e->mode) < 0 || futimens(fd, times) < 0)
        return error_sys(err, "cannot set mode and time of '%s'", e->name);
    return 0;
}

/* A directory in which the job may write, but which it did not make. */
static bool is_others(int fd)
{
    struct stat st;
    return geteuid() != 0 && fstat(fd, &st) == 0 && st.st_uid != geteuid();
}

static int take_place(int dir, const char *temp, const char *leaf, bool keeps, struct error *err)
{
    if (crew_fault("store.extract.rename") < 0)
        return error_sys(err, "cannot rename");
    if (renameat(dir, temp, dir, leaf) == 0)
        return 0;
    if (keeps || (errno != EISDIR && errno != ENOTEMPTY && errno != EEXIST))
        return error_sys(err, "cannot rename");
    if (file_remove_tree(dir, leaf, err) < 0)
        return -1;
    return renameat(dir, temp, dir, leaf) == 0 ? 0 : error_sys(err, "cannot rename");
}

static int make_dir(struct extract *x, const struct store_entry *e, struct error *err)
{
    const char *leaf = NULL;
    auto_close int dir = open_place(x, e, &leaf, err);
    if (dir < 0)
        return -1;
    bool keeps = tree_of(x, e)->keeps;
    bool made = mkdirat(dir, leaf, 0700) == 0;
    if (!made && errno != EEXIST)
        return error_sys(err, "cannot make directory");
    auto_close int fd = tree_open(dir, leaf, O_RDONLY | O_DIRECTORY, err);
    x->kept[e - x->m->entries] = keeps && !made;
    if (fd < 0 && !keeps && (errno == ENOTDIR || errno == ELOOP)) {
        if (unlinkat(dir, leaf, 0) < 0 || mkdirat(dir, leaf, 0700) < 0)
            return error_sys(err, "cannot make directory");
        fd = tree_open(dir, leaf, O_RDONLY | O_DIRECTORY, err);
    }
    if (fd < 0)
        return -1;
    if (!x->kept[e - x->m->entries] && !is_others(fd) && fchmod(fd, 0700) < 0)
        return error_sys(err, "cannot change the mode");
    return 0;
}

static int make_link(struct extract *x, const struct store_entry *e, struct error *err)
{
    const char *leaf = NULL;
    auto_close int dir = open_place(x, e, &leaf, err);
    if (dir < 0)
        return -1;
    for (int try = 0; try < TEMP_TRIES; try++) {
        auto_free char *temp = temp_name(try);
        if (symlinkat(e->target, dir, temp) < 0) {
            if (errno == EEXIST)
                continue;
            return error_sys(err, "cannot make the link");
        }
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time_of(e) };
        int r = utimensat(dir, temp, times, AT_SYMLINK_NOFOLLOW) < 0 ? error_sys(err, "cannot set the time") : 0;
        if (r == 0)
            r = take_place(dir, temp, leaf, tree_of(x, e)->keeps, err);
        if (r < 0)
            unlinkat(dir, temp, 0);
        return r;
    }
    return error_set(err, ERR_LIMIT, "cannot find a free temporary name");
}

/* Its mode and time are set through a descriptor, which with nobody at its other end is there at once. */
static int set_fifo(int dir, const char *temp, const struct store_entry *e, struct error *err)
{
    auto_close int fd = tree_open(dir, temp, O_RDONLY, err);
    return fd < 0 ? -1 : set_attributes(fd, e, err);
}

static int make_fifo(struct extract *x, const struct store_entry *e, struct error *err)
{
    const char *leaf = NULL;
    auto_close int dir = open_place(x, e, &leaf, err);
    if (dir < 0)
        return -1;
    for (int try = 0; try < TEMP_TRIES; try++) {
        auto_free char *temp = temp_name(try);
        if (mkfifoat(dir, temp, 0600) < 0) {
            if (errno == EEXIST)
                continue;
            return error_sys(err, "cannot make the FIFO");
        }
        int r = set_fifo(dir, temp, e, err);
        if (r == 0)
            r = take_place(dir, temp, leaf, tree_of(x, e)->keeps, err);
        if (r < 0)
            unlinkat(dir, temp, 0);
        return r;
    }
    return error_set(err, ERR_LIMIT, "cannot find a free temporary name");
}

static int create_file(struct extract *x, const struct store_entry *e, struct crew_file *file, struct error *err)
{
    auto_close int dir = open_place(x, e, &file->leaf, err);
    if (dir < 0)
        return error_wrap(err, "'%s'", e->name);
    for (int try = 0; try < TEMP_TRIES; try++) {
        auto_free char *temp = temp_name(try);
        file->fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file->fd < 0 && errno != EEXIST)
            return error_sys(err, "cannot create '%s'", e->name);
        if (file->fd < 0)
            continue;
        file->chunks = e->chunk_count;
        file->dir = steal_fd(&dir);
        file->temp = steal(temp);
        return 0;
    }
    return error_set(err, ERR_LIMIT, "cannot find a free temporary name beside '%s'", e->name);
}

static int begin_extract(void *ctx, struct crew_file *file, struct error *err)
{
    struct extract *x = ctx;
    const struct store_entry *e = &x->m->entries[file->index];
    if (e->type != STORE_FILE)
        return CREW_SKIP;
    if (identity_thread_enter(x->owner, err) < 0)
        return -1;
    int r = create_file(x, e, file, err);
    identity_thread_leave();
    return r;
}

/* Pages of zeros are left out: the file is new, so there they are already, and take no room. */
static int write_chunk(int fd, const uint8_t *data, size_t len, int64_t offset)
{
    size_t pages = pages_of(len);
    for (size_t i = 0; i < pages;) {
        size_t run = 0;
        while (i + run < pages && !page_is_zero(data + (i + run) * PAGE, page_bytes(len, i + run)))
            run++;
        size_t from = i * PAGE, to = i + run == pages ? len : (i + run) * PAGE;
        for (size_t at = from; at < to;) {
            ssize_t n = pwrite(fd, data + at, to - at, offset + (int64_t)at);
            if (n < 0 && errno != EINTR)
                return -1;
            at += n > 0 ? (size_t)n : 0;
        }
        i += run + 1;
    }
    return 0;
}

static int extract_chunk(void *ctx, struct crew_worker *w, struct crew_file *file, size_t chunk, struct error *err)
{
    struct extract *x = ctx;
    const struct store_entry *e = &x->m->entries[file->index];
    size_t len = manifest_chunk_len(e, chunk);
    if (reader_chunk(&x->reader, w, e, chunk, err) < 0)
        return -1;
    if (crew_fault("store.extract.write") < 0)
        return error_sys(err, "cannot write '%s'", e->name);
    if (!digest_is_none(&e->chunks[chunk]) && write_chunk(file->fd, w->data, len, manifest_chunk_offset(e, chunk)) < 0)
        return error_sys(err, "cannot write '%s'", e->name);
    return 0;
}

static int finish_file(const struct extract *x, const struct crew_file *file, const struct store_entry *e, bool good, struct error *err)
{
    int r = 0;
    if (good && ftruncate(file->fd, e->size) < 0)
        r = error_sys(err, "cannot write '%s'", e->name);
    if (good && r == 0)
        r = set_attributes(file->fd, e, err);
    if (good && r == 0 && take_place(file->dir, file->temp, file->leaf, tree_of(x, e)->keeps, err) < 0)
        r = error_wrap(err, "'%s'", e->name);
    if (!good || r < 0)
        unlinkat(file->dir, file->temp, 0);
    return r;
}

static int end_extract(void *ctx, struct crew_file *file, bool good, struct error *err)
{
    struct extract *x = ctx;
    int r = identity_thread_enter(x->owner, err);
    if (r == 0)
        r = finish_file(x, file, &x->m->entries[file->index], good, err);
    identity_thread_leave();
    file_close(&file->fd);
    file_close(&file->dir);
    free(file->temp);
    return r;
}

/* Another name for a file that is in its place already. */
static int make_hard_link(struct extract *x, const struct store_entry *e, struct error *err)
{
    const char *leaf = NULL, *from_leaf = NULL;
    struct store_entry file = { .name = e->target };
    auto_close int dir = open_place(x, e, &leaf, err);
    auto_close int from = dir < 0 ? -1 : open_place(x, &file, &from_leaf, err);
    if (from < 0)
        return -1;
    for (int try = 0; try < TEMP_TRIES; try++) {
        auto_free char *temp = temp_name(try);
        if (linkat(from, from_leaf, dir, temp, 0) < 0) {
            if (errno == EEXIST)
                continue;
            return error_sys(err, "cannot make the hard link");
        }
        int r = take_place(dir, temp, leaf, tree_of(x, e)->keeps, err);
        unlinkat(dir, temp, 0); /* a rename onto another name of the same file does nothing */
        return r;
    }
    return error_set(err, ERR_LIMIT, "cannot find a free temporary name");
}

static int make_hard_links(struct extract *x, struct error *err)
{
    for (size_t i = 0; i < x->m->entry_count; i++)
        if (x->m->entries[i].type == STORE_HARD && make_hard_link(x, &x->m->entries[i], err) < 0)
            return error_wrap(err, "'%s'", x->m->entries[i].name);
    return 0;
}

static int make_one(struct extract *x, const struct store_entry *e, struct error *err)
{
    switch (e->type) {
    case STORE_DIR:
        return make_dir(x, e, err);
    case STORE_LINK:
        return make_link(x, e, err);
    case STORE_FIFO:
        return make_fifo(x, e, err);
    case STORE_FILE:
    case STORE_HARD:
        break; /* come later */
    }
    return 0;
}

static int make_all_but_files(struct extract *x, struct error *err)
{
    for (size_t i = 0; i < x->m->entry_count; i++) {
        const struct store_entry *e = &x->m->entries[i];
        if (make_one(x, e, err) < 0)
            return error_wrap(err, "'%s'", e->name);
    }
    return 0;
}

static int finish_dirs(struct extract *x, struct error *err)
{
    for (size_t i = x->m->entry_count; i-- > 0;) {
        const struct store_entry *e = &x->m->entries[i];
        if (e->type != STORE_DIR || x->kept[i])
            continue;
        const char *leaf = NULL;
        auto_close int dir = open_place(x, e, &leaf, err);
        auto_close int fd = dir < 0 ? -1 : tree_open(dir, leaf, O_RDONLY | O_DIRECTORY, err);
        if (fd < 0 || (!is_others(fd) && set_attributes(fd, e, err) < 0))
            return error_wrap(err, "'%s'", e->name);
    }
    return 0;
}

/* Before anything is touched: a manifest that one can follow, and a tree for every name. */
static int check_plan(struct extract *x, struct error *err)
{
    if (manifest_check(x->m, err) < 0)
        return -1;
    for (size_t i = 0; i < x->m->entry_count; i++) {
        const char *inside = NULL;
        const char *name = x->m->entries[i].name;
        if (!tree_find(x->trees, x->tree_count, name, &inside))
            return error_set(err, ERR_INVALID, "there is no directory for '%s'", name);
    }
    return 0;
}

static bool is_wanted(const struct extract *x, const char *name)
{
    const char *inside = NULL;
    return tree_find(x->trees, x->tree_count, name, &inside)->dir != STORE_LEFT_OUT;
}

/* `part` becomes the manifest without the trees that are left out. Its entries are borrowed, but not their list. */
static int leave_out(struct extract *x, struct manifest *part, struct error *err)
{
    const struct manifest *m = x->m;
    auto_free struct store_entry *entries = mem_zero(m->entry_count + 1, sizeof *entries);
    *part = *m;
    part->entry_count = 0;
    part->bytes = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct store_entry *e = &m->entries[i];
        if (!is_wanted(x, e->name))
            continue;
        if (e->type == STORE_HARD && !is_wanted(x, e->target))
            return error_set(err, ERR_INVALID, "'%s' is another name of '%s', which is not to be extracted", e->name, e->target);
        part->bytes += e->size;
        entries[part->entry_count++] = *e;
    }
    part->entries = steal(entries);
    x->m = part;
    return 0;
}

static bool leaves_out(const struct store_tree *trees, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (trees[i].dir == STORE_LEFT_OUT)
            return true;
    return false;
}

/* A step between the crew's work, with the owner's rights. */
static int as_owner(struct extract *x, int (*step)(struct extract *x, struct error *err), struct error *err)
{
    if (identity_thread_enter(x->owner, err) < 0)
        return -1;
    int r = step(x, err);
    identity_thread_leave();
    return r;
}

static int write_trees(struct extract *x, struct error *err)
{
    static const struct crew_ops ops = { .begin = begin_extract, .chunk = extract_chunk, .end = end_extract };
    if (identity_prepare(x->owner, err) < 0)
        return -1;
    int r = as_owner(x, make_all_but_files, err);
    if (r == 0)
        r = crew_run(&ops, x, x->m->entry_count, x->m->bytes, err);
    if (r == 0)
        r = as_owner(x, make_hard_links, err);
    if (r == 0)
        r = as_owner(x, finish_dirs, err);
    identity_finish();
    return r;
}

int store_extract(struct store *store, const struct identity *owner, const struct manifest *manifest,
                  const struct store_tree *trees, size_t tree_count, const struct store_progress *progress, struct error *err)
{
    struct extract x = { .m = manifest, .trees = trees, .tree_count = tree_count, .owner = owner };
    struct manifest part;
    auto_free struct store_entry *entries = NULL;
    int r = check_plan(&x, err);
    if (r == 0 && leaves_out(trees, tree_count)) {
        r = leave_out(&x, &part, err);
        entries = r == 0 ? part.entries : NULL;
    }
    auto_free bool *kept = mem_zero(x.m->entry_count + 1, sizeof *kept);
    x.kept = kept;
    if (r == 0)
        r = reader_open(&x.reader, store, x.m, progress, err);
    if (r == 0) {
        r = write_trees(&x, err);
        reader_close(&x.reader);
    }
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", manifest->generation, manifest->job) : 0;
}
