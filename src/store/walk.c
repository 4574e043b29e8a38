/*
 * The list of entries serves as the queue of directories that are still to be read: what a directory holds is appended behind
 * it. So no depth of nesting costs stack or descriptors, and the only limits are those on names and on their number.
 *
 * The job may be running, or a process that escaped it: what vanishes between being listed and being looked at is left out, and
 * every look goes from the tree's descriptor down without passing a link.
 */
#include "store/walk.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE_KEPT = 0777 }; /* set-user-ID and its like do not belong into what may be restored under another owner */

struct walk {
    const struct store_tree *trees;
    size_t tree_count;
    struct manifest *out;
    size_t capacity;
    const char *above; /* name of the directory that is being read */
};

/* A name as a user may write it ("./a//b/", ".") without what does not matter. NULL when it leads out of the tree. */
static char *plain_name(const char *name)
{
    char *plain = mem_dup(name);
    size_t len = 0;
    bool good = name[0] != '/';
    while (good && *name) {
        size_t n = strcspn(name, "/");
        good = !(n == 2 && name[0] == '.' && name[1] == '.');
        if (n > 0 && !(n == 1 && name[0] == '.')) {
            if (len > 0)
                plain[len++] = '/';
            memmove(plain + len, name, n);
            len += n;
        }
        name += n + (name[n] == '/');
    }
    plain[len] = '\0';
    if (!good)
        free(plain);
    return good ? plain : NULL;
}

static enum store_type type_of(mode_t mode)
{
    return S_ISDIR(mode) ? STORE_DIR : S_ISLNK(mode) ? STORE_LINK : S_ISFIFO(mode) ? STORE_FIFO : STORE_FILE;
}

static int add_entry(struct walk *w, char *name, char *target, const struct stat *st, struct error *err)
{
    auto_free char *owned_name = name;
    auto_free char *owned_target = target;
    struct manifest *m = w->out;
    if (strlen(name) >= STORE_NAME_MAX)
        return error_set(err, ERR_LIMIT, "'%s' is longer than %d bytes", name, STORE_NAME_MAX - 1);
    if (m->entry_count >= STORE_FILES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d files", STORE_FILES_MAX);
    m->entries = mem_grow(m->entries, &w->capacity, m->entry_count + 1, sizeof *m->entries);
    m->entries[m->entry_count++] = (struct store_entry){
        .type = type_of(st->st_mode),
        .name = steal(owned_name),
        .target = steal(owned_target),
        .mode = S_ISLNK(st->st_mode) ? 0 : st->st_mode & MODE_KEPT,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .inode = S_ISREG(st->st_mode) && st->st_nlink > 1 ? st->st_ino : 0,
        .device = st->st_dev,
        .size = S_ISREG(st->st_mode) ? st->st_size : 0,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
    };
    return 0;
}

static char *read_target(int dir, const char *name)
{
    char target[STORE_NAME_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target);
    if (n > 0 && (size_t)n < sizeof target)
        return mem_dup_n(target, (size_t)n);
    if (n >= 0)
        errno = ENAMETOOLONG;
    return NULL;
}

/* Adds what stands at dir/leaf, or dir itself for the leaf "", under its full name. What a checkpoint cannot hold is passed
 * over. */
static int add_seen(struct walk *w, int dir, const char *leaf, const char *name, struct error *err)
{
    struct stat st;
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
        return errno == ENOENT ? 0 : error_sys(err, "cannot look at '%s'", name);
    char *target = NULL;
    if (S_ISLNK(st.st_mode)) {
        target = read_target(dir, leaf);
        if (!target)
            return errno == ENOENT || errno == EINVAL ? 0 : error_sys(err, "cannot read the link '%s'", name);
    } else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
        return 0;
    }
    return add_entry(w, mem_dup(name), target, &st, err);
}

static int add_child(void *data, int dir, const char *leaf, struct error *err)
{
    struct walk *w = data;
    auto_free char *name = mem_printf("%s/%s", w->above, leaf);
    return add_seen(w, dir, leaf, name, err);
}

static int add_children(struct walk *w, const char *name, struct error *err)
{
    const char *inside = NULL;
    const struct store_tree *tree = tree_find(w->trees, w->tree_count, name, &inside);
    auto_close int dir = tree_open(tree->dir, inside, O_RDONLY | O_DIRECTORY, err);
    if (dir < 0)
        return errno == ENOENT ? 0 : -1;
    w->above = name;
    if (layout_each_name(dir, add_child, w, err) < 0)
        return error_wrap(err, "'%s'", name);
    return 0;
}

/* The directories between the tree and the source: their modes and times are restored too. */
static int add_ancestors(struct walk *w, const struct store_tree *tree, const char *inside, struct error *err)
{
    for (const char *slash = strchr(inside, '/'); slash; slash = strchr(slash + 1, '/')) {
        auto_free char *part = mem_dup_n(inside, (size_t)(slash - inside));
        auto_free char *name = mem_printf("%s/%s", tree->name, part);
        auto_close int fd = tree_open(tree->dir, part, O_PATH | O_DIRECTORY, err);
        if (fd < 0)
            return -1;
        if (add_seen(w, fd, "", name, err) < 0)
            return -1;
    }
    return 0;
}

static int add_source(struct walk *w, const struct store_tree *tree, const struct store_source *source, struct error *err)
{
    auto_free char *inside = plain_name(source->name);
    if (!inside)
        return error_set(err, ERR_INVALID, "'%s' does not name a file beneath its directory", source->name);
    size_t first = w->out->entry_count;
    if (inside[0]) {
        auto_free char *name = mem_printf("%s/%s", tree->name, inside);
        auto_close int fd = tree_open(tree->dir, inside, O_PATH, err);
        if (fd < 0)
            return errno == ENOENT && source->optional ? 0 : -1;
        if (add_seen(w, fd, "", name, err) < 0)
            return -1;
        if (w->out->entry_count == first)
            return 0; /* a socket or device */
    } else if (add_children(w, tree->name, err) < 0) {
        return -1;
    }
    for (size_t i = first; i < w->out->entry_count; i++)
        if (w->out->entries[i].type == STORE_DIR && add_children(w, w->out->entries[i].name, err) < 0)
            return -1;
    return add_ancestors(w, tree, inside, err);
}

static void sort_and_unite(struct manifest *m)
{
    if (m->entry_count == 0)
        return;
    manifest_sort(m);
    size_t kept = 1;
    for (size_t i = 1; i < m->entry_count; i++) {
        if (strcmp(m->entries[i].name, m->entries[kept - 1].name) == 0)
            store_entry_release(&m->entries[i]);
        else
            m->entries[kept++] = m->entries[i];
    }
    m->entry_count = kept;
}

static int by_inode(const void *a, const void *b)
{
    const struct store_entry *left = *(struct store_entry *const *)a, *right = *(struct store_entry *const *)b;
    if (left->device != right->device)
        return left->device < right->device ? -1 : 1;
    if (left->inode != right->inode)
        return left->inode < right->inode ? -1 : 1;
    return left < right ? -1 : left > right; /* the order of names */
}

/* Of the names of one file the first is the file, the others are hard links to it. */
static void find_hard_links(struct manifest *m)
{
    size_t count = 0;
    auto_free struct store_entry **linked = mem_zero(m->entry_count + 1, sizeof *linked);
    for (size_t i = 0; i < m->entry_count; i++)
        if (m->entries[i].inode != 0)
            linked[count++] = &m->entries[i];
    qsort(linked, count, sizeof(struct store_entry *), by_inode);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (linked[i]->device != linked[first]->device || linked[i]->inode != linked[first]->inode) {
            first = i;
            continue;
        }
        *linked[i] = (struct store_entry){ .type = STORE_HARD, .name = linked[i]->name, .target = mem_dup(linked[first]->name) };
    }
}

/* A memory image: its file keeps its own cuts instead of equal ones. Checked here, for no thread has room for more than a chunk. */
static int apply_cuts(struct manifest *m, const struct store_source *source, struct error *err)
{
    auto_free char *inside = plain_name(source->name);
    auto_free char *name = mem_printf("%s/%s", source->tree, inside);
    struct store_entry *e = (struct store_entry *)(uintptr_t)manifest_find(m, name);
    int64_t offset = 0;
    if (!e && source->optional)
        return 0;
    if (!e || e->type != STORE_FILE)
        return error_set(err, ERR_INVALID, "'%s' is no memory image: it is not a file", source->name);
    free(e->cuts);
    e->cuts = mem_zero(source->cut_count + 1, sizeof *e->cuts);
    for (size_t i = 0; i < source->cut_count; i++) {
        e->cuts[i] = source->cuts[i];
        e->cuts[i].offset = offset;
        offset += source->cuts[i].bytes;
    }
    e->chunk_count = source->cut_count;
    if (!manifest_cuts_good(e))
        return error_set(err, ERR_INVALID, "'%s' has %lld bytes, which its cuts do not fit", e->name, (long long)e->size);
    return 0;
}

int walk_sources(const struct store_tree *trees, size_t tree_count, const struct store_source *sources, size_t source_count,
                 struct manifest *out, struct error *err)
{
    struct walk w = { .trees = trees, .tree_count = tree_count, .out = out };
    for (size_t i = 0; i < source_count; i++) {
        const char *inside = NULL;
        const struct store_tree *tree = tree_find(trees, tree_count, sources[i].tree, &inside);
        if (!tree || strchr(sources[i].tree, '/'))
            return error_set(err, ERR_INVALID, "no directory is known as '%s'", sources[i].tree);
        if (add_source(&w, tree, &sources[i], err) < 0)
            return error_wrap(err, "cannot capture '%s'", sources[i].name);
    }
    sort_and_unite(out);
    find_hard_links(out);
    for (size_t i = 0; i < source_count; i++)
        if (sources[i].cuts && apply_cuts(out, &sources[i], err) < 0)
            return -1;
    return 0;
}
