/*
 * The store as a whole; its parts are
 *   layout.c (names, reading), walk.c and capture.c (what there is to store), stage.c (setting it aside), piece.c (what of it is
 *   new), pack_writer.c (storing it), commit.c and fence.c (making it real),
 *   pack.c and shelf.c (packs, and chunks out of them), reader.c and extract.c (reading it back), index.c (chunks of other jobs),
 *   retain.c (removal), space.c (quotas), manifest.c and manifest_parse.c (the text), hints.c (what makes captures quick),
 *   branch.c, diff.c, export.c, import.c.
 *
 * Fault points, in the order in which a checkpoint passes them:
 *   store.key.write, .link; store.key_check.write, .rename (once); store.fence.write, .rename, .again, .sync_store (each stint but
 *   the first)
 *   store.capture.begin, .open (each file), .read (each chunk); store.retain.pack (sweep of leftovers); store.owner.write, .rename
 *   store.stage.write, .read (each piece)
 *   store.pack.create, .write (each chunk), .pace (each few MiB), .table, .sync; store.pack.read
 *   store.commit.sync_packs, .sync_job and .sync_store (first generation)
 *   store.manifest.write, .sync, .rename
 *   store.commit.publish, .done (cannot fail)
 *   store.index.link, .write (failures cost nothing)
 *   store.retain.manifest, .sync, .pack; store.remove.tree; store.gc.shared; store.pin.sync; store.branch.link
 *   store.extract.write (each chunk), .rename (each file); store.import.write, .sync
 *   store.remote.* (remote.h), store.safe.sync, store.pull.sync, store.gone.sync, store.remote_config.write, .rename
 */
#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int look_for_packs(void *data, int dir, const char *name, struct error *err)
{
    auto_free char *packs = mem_printf("%s/packs", name);
    (void)err;
    if (name[0] != '.' && faccessat(dir, packs, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        *(bool *)data = true;
    return 0;
}

/* A new key for a store that has checkpoints would make them worthless without anybody noticing why. */
static int open_key(const char *path, int dir, struct seal *seal, struct error *err)
{
    bool used = false;
    auto_free char *key = mem_printf("%s.key", path);
    if (access(key, F_OK) < 0 && errno == ENOENT && layout_each_name(dir, look_for_packs, &used, err) < 0)
        return -1;
    if (used)
        return error_set(err, ERR_INVALID, "the key '%s' is missing, without which no checkpoint in '%s' can be read: bring it back from "
                         "your copy, or remove that directory to begin anew", key, path);
    if (access(key, F_OK) < 0 && errno == ENOENT)
        unlinkat(dir, "key-check", 0); /* of a key that has signed nothing */
    return seal_open(key, true, seal, err);
}

/* A store knows its key, or one that was replaced would make all that is in it look damaged, and so be given up. */
static int check_key(const char *path, int dir, const struct seal *seal, struct error *err)
{
    struct digest mac;
    char text[66];
    auto_buf struct buf there = { .max = 4096 };
    seal_of(seal, "store", "", 0, &mac);
    digest_print(&mac, text);
    text[64] = '\n';
    text[65] = '\0';
    int r = file_read(dir, "key-check", &there, err);
    if (r == FILE_ABSENT)
        return file_replace(dir, "key-check", text, 65, 0600, "store.key_check", err);
    if (r == 0 && strcmp(buf_cstr(&there), text) != 0)
        r = error_set(err, ERR_INVALID, "'%s.key' is not the key that the checkpoints in '%s' are signed with: bring that one back from "
                      "your copy, or remove that directory to begin anew", path, path);
    return r;
}

int store_open(const char *path, struct store **store, struct error *err)
{
    struct stat st;
    struct seal seal;
    bool fresh = stat(path, &st) < 0;
    auto_close int dir = file_make_dirs(path, 0700, err);
    if (dir < 0)
        return error_wrap(err, "cannot open the store '%s'", path);
    if (open_key(path, dir, &seal, err) < 0 || check_key(path, dir, &seal, err) < 0)
        return -1;
    if (fresh) {
        auto_close int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above >= 0 && file_sync(above, path, err) < 0)
            return -1;
    }
    struct store *s = mem_new(struct store);
    *s = (struct store){ .path = mem_dup(path), .seal = seal, .seed = seal_seed(&seal), .limits.low_space = -1, .patience_us = LAYOUT_LOCK_US };
    s->dir = steal_fd(&dir);
    *store = s;
    return 0;
}

void store_limit(struct store *store, const struct store_limits *limits)
{
    store->limits = *limits;
}

void store_patience(struct store *store, int64_t us)
{
    store->patience_us = us;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    file_close(&store->dir);
    free(store->path);
    explicit_bzero(store, sizeof *store); /* a process that has closed the store may become one that its owner can look into */
    free(store);
}

int store_list(struct store *store, const char *job, int **generations, size_t *count, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, err);
    if (r == STORE_ABSENT) {
        *generations = NULL;
        *count = 0;
        return 0;
    }
    if (r == 0)
        r = layout_list(job_dir, generations, count, err);
    return r < 0 ? error_wrap(err, "checkpoints of job %s", job) : 0;
}

int store_sync(struct store *store, const char *job, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, err);
    return r == 0 ? layout_sync(job_dir, job, "store.commit.publish", err) : r;
}

int store_manifest(struct store *store, const char *job, int generation, struct manifest *out, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, err);
    if (r == 0)
        r = layout_manifest(store, job_dir, generation, out, NULL, err);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", generation, job) : r;
}

struct each_job {
    void (*fn)(void *data, const char *job);
    void *data;
};

static int call_for_job(void *data, int dir, const char *name, struct error *err)
{
    (void)err;
    const struct each_job *each = data;
    struct stat st;
    if (name[0] != '.' && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        each->fn(each->data, name);
    return 0;
}

int store_each_job(struct store *store, void (*fn)(void *data, const char *job), void *data, struct error *err)
{
    struct each_job each = { .fn = fn, .data = data };
    return layout_each_name(store->dir, call_for_job, &each, err);
}
