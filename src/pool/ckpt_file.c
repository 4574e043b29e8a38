/*
 * Files out of checkpoints, and archives, in the child. What is outside of the store is opened with the rights of who asks, so
 * that the kernel decides what he may read and write.
 */
#include "pool/ckpt.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TREES_MAX = 8 };

/* ---- names ---- */

/* The trees of a checkpoint, in the order in which they appear. */
struct trees {
    char names[TREES_MAX][32];
    size_t count;
};

static bool knows(const struct trees *trees, const char *name, size_t len)
{
    for (size_t i = 0; i < trees->count; i++)
        if (strlen(trees->names[i]) == len && strncmp(trees->names[i], name, len) == 0)
            return true;
    return false;
}

static int find_trees(const struct manifest *manifest, struct trees *trees, struct error *err)
{
    *trees = (struct trees){ 0 };
    for (size_t i = 0; i < manifest->entry_count; i++) {
        const char *name = manifest->entries[i].name;
        size_t len = strcspn(name, "/");
        if (knows(trees, name, len))
            continue;
        if (trees->count == TREES_MAX || len >= sizeof trees->names[0])
            return error_set(err, ERR_LIMIT, "the checkpoint has more than %d directories", TREES_MAX);
        snprintf(trees->names[trees->count++], sizeof trees->names[0], "%.*s", (int)len, name);
    }
    return 0;
}

/* "state" is "work/state": the job's own files are what people mean; "std/stdout" is what it says. */
static char *full_name(const struct trees *trees, const char *name)
{
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/')
        len--;
    if (knows(trees, name, strcspn(name, "/")))
        return mem_dup_n(name, len);
    return mem_printf("work/%.*s", (int)len, name);
}

/* ---- cat ---- */

int ckpt_cat(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    auto_store struct store *store = NULL;
    auto_free char *name = NULL;
    struct manifest manifest;
    struct trees trees;
    if (ckpt_open_store(ask, &store, err) < 0 || ckpt_find(store, &ask->items[0], &manifest, err) < 0)
        return -1;
    int done = find_trees(&manifest, &trees, err);
    if (done == 0) {
        name = full_name(&trees, ask->files.items[0]);
        ad_set_string(result, "Name", name);
        task_head(line, ckpt_record(&ask->items[0], manifest.generation));
        done = store_cat(store, &manifest, name, line->bytes, err);
    }
    manifest_release(&manifest);
    return done;
}

/* ---- extract ---- */

static int narrow(const struct ckpt_ask *ask, struct manifest *manifest, struct error *err)
{
    auto_command_list struct command_list names = { 0 };
    struct trees trees;
    if (find_trees(manifest, &trees, err) < 0)
        return -1;
    for (size_t i = 0; i < ask->files.count; i++) {
        auto_free char *name = full_name(&trees, ask->files.items[i]);
        command_list_add(&names, name);
    }
    if (names.count == 0 && !knows(&trees, "work", 4))
        return error_set(err, ERR_INVALID, "it has no files but its output, std/stdout and std/stderr, which must be named");
    if (names.count == 0)
        command_list_add(&names, "work");
    return manifest_narrow(manifest, names.items, names.count, err);
}

/* With the rights of who asks. */
static int check_free(int dir, const char *path, const struct manifest *manifest, struct error *err)
{
    for (size_t i = 0; i < manifest->entry_count; i++) {
        const struct store_entry *entry = &manifest->entries[i];
        const char *slash = strchr(entry->name, '/');
        struct stat st;
        if (!slash || fstatat(dir, slash + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 || (entry->type == STORE_DIR && S_ISDIR(st.st_mode)))
            continue;
        return error_set(err, ERR_INVALID, "'%s' is in '%s' already; give --force to replace it, or another directory with -C",
                         slash + 1, path);
    }
    return 0;
}

static int open_place(const struct ckpt_ask *ask, const struct manifest *manifest, struct error *err)
{
    if (identity_enter(&ask->peer, err) < 0)
        return -1;
    int dir = open(ask->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        error_sys(err, "cannot open the directory '%s'", ask->directory);
    if (dir >= 0 && faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0) {
        error_sys(err, "cannot write into '%s'", ask->directory);
        file_close(&dir);
    }
    if (dir >= 0 && !ask->force && check_free(dir, ask->directory, manifest, err) < 0)
        file_close(&dir);
    identity_leave();
    return dir;
}

static int extract(struct task_line *line, struct store *store, const struct ckpt_ask *ask, struct manifest *manifest,
                   struct ad *result, struct error *err)
{
    struct store_progress progress = task_progress(line);
    struct store_tree list[TREES_MAX];
    struct trees trees;
    int64_t files = 0, bytes = 0;
    if (narrow(ask, manifest, err) < 0 || find_trees(manifest, &trees, err) < 0)
        return -1;
    auto_close int dir = open_place(ask, manifest, err);
    if (dir < 0)
        return -1;
    for (size_t i = 0; i < trees.count; i++)
        list[i] = (struct store_tree){ trees.names[i], dir };
    if (store_extract(store, &ask->peer, manifest, list, trees.count, &progress, err) < 0)
        return -1;
    for (size_t i = 0; i < manifest->entry_count; i++) {
        files += manifest->entries[i].type != STORE_DIR;
        bytes += manifest->entries[i].type == STORE_FILE ? manifest->entries[i].size : 0;
    }
    ad_set_int(result, "Files", files);
    ad_set_int(result, "Bytes", bytes);
    ad_set_string(result, "Directory", ask->directory);
    return 0;
}

int ckpt_extract(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    auto_store struct store *store = NULL;
    struct manifest manifest;
    if (ckpt_open_store(ask, &store, err) < 0 || ckpt_find(store, &ask->items[0], &manifest, err) < 0)
        return -1;
    ad_set_string(result, "Id", ask->items[0].job);
    ad_set_int(result, "Generation", manifest.generation);
    int done = extract(line, store, ask, &manifest, result, err);
    manifest_release(&manifest);
    return done;
}

/* ---- archives ---- */

/* The job's ad, and where it comes from. */
static int make_note(const struct ckpt_ask *ask, int generation, struct buf *note, struct error *err)
{
    auto_ad struct ad *ad = NULL;
    char name[CKPT_NAME_MAX];
    if (ad_parse_json(buf_cstr(&ask->note), ask->note.len, &ad, err) < 0)
        return -1;
    ad_set_string(ad, "ExportedFrom", ckpt_name(&ask->items[0], generation, name));
    ad_print_json(ad, note);
    return note->full ? error_set(err, ERR_LIMIT, "the job's ad is longer than 1 MiB") : 0;
}

int ckpt_export(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    struct store_progress progress = task_progress(line);
    auto_store struct store *store = NULL;
    auto_buf struct buf note = { .max = 1 << 20 };
    struct manifest manifest;
    if (ckpt_open_store(ask, &store, err) < 0 || ckpt_find(store, &ask->items[0], &manifest, err) < 0)
        return -1;
    ad_set_string(result, "Id", ask->items[0].job);
    ad_set_int(result, "Generation", manifest.generation);
    ad_set_int(result, "Bytes", manifest.bytes);
    task_head(line, ckpt_describe(store, &ask->items[0], &manifest));
    int done = make_note(ask, manifest.generation, &note, err);
    if (done == 0)
        done = store_export(store, &manifest, &note, line->bytes, &progress, err);
    manifest_release(&manifest);
    return done;
}

static int open_as_peer(const struct ckpt_ask *ask, const char *path, struct error *err)
{
    struct stat st;
    if (identity_enter(&ask->peer, err) < 0)
        return -1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        error_sys(err, "cannot open '%s'", path);
    identity_leave();
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        error_set(err, ERR_INVALID, "'%s' is not a file", path);
        file_close(&fd);
    }
    return fd;
}

/* The store opens keys by their names, with its own rights. So it is looked whether who asks may read it, and where it is. That
 * somebody puts another file there in between is no harm: what a foreign key vouches for, --unverified would believe of anybody. */
static int find_key(const struct ckpt_ask *ask, char path[PATH_MAX], struct error *err)
{
    char link[64];
    auto_close int key = open_as_peer(ask, ask->key, err);
    if (key < 0)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", key);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0)
        return error_sys(err, "cannot find '%s'", ask->key);
    path[n] = '\0';
    return 0;
}

int ckpt_take_in(struct task_line *line, const struct ckpt_ask *ask, const char *job, struct ad *result, struct error *err)
{
    struct store_progress progress = task_progress(line);
    auto_store struct store *store = NULL;
    auto_buf struct buf note = { .max = 1 << 20 };
    char key_path[PATH_MAX];
    struct store_trust trust = { .unverified = ask->unverified, .owner = &ask->peer };
    struct ckpt_item item = { .generation = 1 };
    struct manifest manifest;
    auto_close int fd = open_as_peer(ask, ask->path, err);
    if (fd < 0 || (ask->key && find_key(ask, key_path, err) < 0))
        return -1;
    trust.key_path = ask->key ? key_path : NULL;
    snprintf(item.job, sizeof item.job, "%s", job);
    if (ckpt_open_store(ask, &store, err) < 0)
        return -1;
    if (store_import(store, fd, job, 1, &trust, &note, &progress, err) < 0)
        return error_wrap(err, "'%s'", ask->path);
    if (ckpt_find(store, &item, &manifest, err) < 0)
        return -1;
    ad_set_ad(result, "Checkpoint", ckpt_describe(store, &item, &manifest));
    ad_set_string(result, "Note", buf_cstr(&note));
    manifest_release(&manifest);
    return 0;
}
