/*
 * The store as a whole; its parts are layout.c (names, reading), walk.c and capture.c (what there is to store), chunk.c and
 * crew.c (storing it), commit.c (making it real), extract.c (reading it back), retain.c (removal), manifest.c (the text).
 *
 * Fault points, in the order in which a checkpoint passes them:
 *   store.capture.begin, .open (each file), .read (each chunk); store.retain.chunk (sweep of leftovers)
 *   store.chunk.write, .rename
 *   store.commit.sync (each chunk), .sync_chunks, .sync_job and .sync_store (first generation)
 *   store.manifest.write, .sync, .rename
 *   store.commit.publish, .done (cannot fail)
 *   store.retain.manifest, .sync, .chunk; store.remove.tree
 *   store.extract.write (each chunk), .rename (each file)
 */
#include "base/file.h"
#include "base/mem.h"
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int store_open(const char *path, struct store **store, struct error *err)
{
    struct stat st;
    bool fresh = stat(path, &st) < 0;
    auto_close int dir = file_make_dirs(path, 0700, err);
    if (dir < 0)
        return error_wrap(err, "cannot open the store '%s'", path);
    if (fresh) {
        auto_close int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above >= 0 && file_sync(above, path, err) < 0)
            return -1;
    }
    *store = mem_new(struct store);
    (*store)->dir = steal_fd(&dir);
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    file_close(&store->dir);
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

int store_manifest(struct store *store, const char *job, int generation, struct manifest *out, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, false, &job_dir, err);
    if (r == 0)
        r = layout_manifest(job_dir, generation, out, err);
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
