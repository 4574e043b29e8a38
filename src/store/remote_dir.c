/*
 * A directory on a shared file system. Several machines may put, list and remove at the same time, the same names included, and
 * each may die at any moment.
 *
 * An upload is written to ".uploads/RANDOM", which no object can be called, and renamed when it is durable; directories are
 * made on the way and their parents synced. What dead uploaders left behind is removed by the first put of a later process,
 * when it has not grown for a day. Removing an object removes directories that become empty: a name of a job that is long
 * gone would stay for ever otherwise. So a put may lose the directory that it has just made, and makes it again.
 *
 * Other users may be able to write there. Every name is opened beneath the directory, and an object is a regular file: a link
 * in its place is an error, and a put replaces it.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/remote_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    BLOCK = 1 << 20,
    PUBLISH_TRIES = 1000,
    LEFTOVER_SECONDS = 24 * 3600,
};

static const char uploads_name[] = ".uploads";

struct remote_dir {
    int fd;
    int uploads; /* -1 until the first put */
};

static void dir_close(void *self)
{
    struct remote_dir *dir = self;
    file_close(&dir->uploads);
    file_close(&dir->fd);
    free(dir);
}

static bool absent(void)
{
    return errno == ENOENT || errno == ENOTDIR;
}

/* ---- put ---- */

static void remove_leftovers(int uploads)
{
    int copy = openat(uploads, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        file_close(&copy);
        return;
    }
    int64_t now = clock_wall_us() / CLOCK_SECOND_US;
    struct stat st;
    for (struct dirent *e; (e = readdir(d));)
        if (fstatat(uploads, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && now - st.st_mtime > LEFTOVER_SECONDS)
            unlinkat(uploads, e->d_name, 0);
    closedir(d);
}

static int open_uploads(struct remote_dir *dir, struct error *err)
{
    if (dir->uploads >= 0)
        return 0;
    if (mkdirat(dir->fd, uploads_name, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make '%s'", uploads_name);
    dir->uploads = file_open_beneath(dir->fd, uploads_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
    if (dir->uploads < 0)
        return -1;
    remove_leftovers(dir->uploads);
    return 0;
}

static int read_block(int fd, char *block, size_t want, int64_t offset, size_t *got, struct error *err)
{
    ssize_t n = 0;
    do
        n = pread(fd, block, want, offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_sys(err, "cannot read");
    *got = (size_t)n;
    return 0;
}

/* Copies the first `bytes` bytes of `in` to the offset of `out`. */
static int copy_bytes(int in, int out, int64_t bytes, const struct remote_progress *progress, struct error *err)
{
    auto_free char *block = mem_zero(1, BLOCK);
    for (int64_t done = 0; done < bytes;) {
        size_t got = 0;
        if (read_block(in, block, bytes - done < BLOCK ? (size_t)(bytes - done) : BLOCK, done, &got, err) < 0)
            return -1;
        if (got == 0)
            return error_set(err, ERR_CORRUPT, "the file ends after %" PRId64 " of %" PRId64 " bytes", done, bytes);
        if (file_write_all(out, block, got, err) < 0)
            return -1;
        done += (int64_t)got;
        if (!remote_progress_tell(progress, done))
            return remote_cancelled(err);
    }
    return 0;
}

static int write_upload(int uploads, const char *temp, const struct remote_transfer *t, struct error *err)
{
    auto_close int fd = openat(uploads, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot create '%s/%s'", uploads_name, temp);
    if (fault_point("store.remote.write") < 0)
        return error_sys(err, "cannot write");
    if (copy_bytes(t->fd, fd, t->bytes, t->progress, err) < 0)
        return -1;
    if (fault_point("store.remote.sync") < 0)
        return error_sys(err, "cannot make it durable");
    return file_sync(fd, temp, err);
}

/* The directories on the way to `name`, from the innermost to the top: any of them may be new, and not only to this process. */
static int sync_directories(struct remote_dir *dir, const char *name, struct error *err)
{
    auto_free char *path = mem_dup(name);
    for (char *slash; (slash = strrchr(path, '/'));) {
        *slash = '\0';
        if (fault_point("store.remote.sync_dir") < 0)
            return error_sys(err, "cannot make '%s' durable", path);
        auto_close int fd = file_open_beneath(dir->fd, path, O_RDONLY | O_DIRECTORY, 0, err);
        if (fd < 0 && errno == ENOENT)
            continue; /* somebody has removed the object meanwhile, and this with it */
        if (fd < 0 || file_sync(fd, path, err) < 0)
            return -1;
    }
    if (fault_point("store.remote.sync_dir") < 0)
        return error_sys(err, "cannot make the directory durable");
    return file_sync(dir->fd, "the directory", err);
}

static int publish(struct remote_dir *dir, const char *temp, const char *name, struct error *err)
{
    for (int tries = 0; tries < PUBLISH_TRIES; tries++) {
        const char *leaf = NULL;
        auto_close int parent = file_open_parent(dir->fd, name, true, &leaf, err);
        if (parent < 0 && errno == ENOENT)
            continue; /* removed between making and opening it */
        if (parent < 0)
            return -1;
        if (fault_point("store.remote.rename") == 0 && renameat(dir->uploads, temp, parent, leaf) == 0)
            return sync_directories(dir, name, err);
        error_sys(err, "cannot rename");
        if (errno != ENOENT)
            break;
    }
    return -1;
}

static int dir_put(void *self, const struct remote_transfer *t, struct error *err)
{
    struct remote_dir *dir = self;
    char temp[24];
    uint64_t chance = 0;
    if (open_uploads(dir, err) < 0)
        return -1;
    if (getrandom(&chance, sizeof chance, 0) != (ssize_t)sizeof chance)
        return error_sys(err, "cannot get random bytes");
    snprintf(temp, sizeof temp, "%016" PRIx64, chance);
    int r = write_upload(dir->uploads, temp, t, err);
    if (r == 0)
        r = publish(dir, temp, t->name, err);
    if (r < 0)
        unlinkat(dir->uploads, temp, 0);
    return r;
}

/* ---- get, has ---- */

/* Opens a regular file. Outcome REMOTE_ABSENT, which a directory is, too. */
static int open_object(struct remote_dir *dir, const char *name, int *out, struct stat *st, struct error *err)
{
    auto_close int fd = file_open_beneath(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, err);
    if (fd < 0 && absent())
        return REMOTE_ABSENT;
    if (fd < 0 && errno == ELOOP)
        return error_set(err, ERR_CORRUPT, "it is a link");
    if (fd < 0)
        return -1;
    if (fstat(fd, st) < 0)
        return error_sys(err, "cannot look at it");
    if (S_ISDIR(st->st_mode))
        return REMOTE_ABSENT;
    if (!S_ISREG(st->st_mode))
        return error_set(err, ERR_CORRUPT, "it is not a file");
    *out = steal_fd(&fd);
    return 0;
}

static int dir_get(void *self, const struct remote_transfer *t, struct error *err)
{
    struct stat st;
    auto_close int fd = -1;
    int r = open_object(self, t->name, &fd, &st, err);
    if (r != 0)
        return r;
    if (st.st_size > t->bytes)
        return error_set(err, ERR_LIMIT, "it has %lld bytes, more than %" PRId64, (long long)st.st_size, t->bytes);
    if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)
        return error_sys(err, "cannot empty the file to write");
    return copy_bytes(fd, t->fd, st.st_size, t->progress, err);
}

static int dir_has(void *self, const char *name, int64_t *size, struct error *err)
{
    struct stat st;
    auto_close int fd = -1;
    int r = open_object(self, name, &fd, &st, err);
    if (r == 0)
        *size = st.st_size;
    return r;
}

/* ---- list ---- */

struct walk {
    char name[REMOTE_NAME_MAX + 1]; /* of what is being looked at */
    const char *prefix;
    remote_visit_fn *visit;
    void *data;
};

/* Whether names that begin with this directory's can begin with the prefix. */
static bool leads_to_prefix(const struct walk *walk)
{
    size_t len = strlen(walk->name);
    size_t prefix_len = strlen(walk->prefix);
    if (len >= prefix_len)
        return strncmp(walk->name, walk->prefix, prefix_len) == 0;
    return strncmp(walk->name, walk->prefix, len) == 0 && walk->prefix[len] == '/';
}

static int walk_directory(struct walk *walk, int at, const char *leaf, struct error *err);

static int walk_entry(struct walk *walk, int at, const char *leaf, struct error *err)
{
    struct stat st;
    size_t len = strlen(walk->name);
    int n = snprintf(walk->name + len, sizeof walk->name - len, "%s%s", len ? "/" : "", leaf);
    int r = 0;
    if (leaf[0] == '.' || (size_t)n >= sizeof walk->name - len)
        r = 0; /* none of ours */
    else if (fstatat(at, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        r = absent() ? 0 : error_sys(err, "cannot look at '%s'", walk->name); /* to leave it out would be to lose it */
    else if (S_ISREG(st.st_mode) && strncmp(walk->name, walk->prefix, strlen(walk->prefix)) == 0)
        r = walk->visit(walk->data, walk->name, st.st_size, err);
    else if (S_ISDIR(st.st_mode) && leads_to_prefix(walk))
        r = walk_directory(walk, at, leaf, err);
    walk->name[len] = '\0';
    return r;
}

static int walk_directory(struct walk *walk, int at, const char *leaf, struct error *err)
{
    int fd = openat(at, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && absent())
        return 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int r = d ? 0 : error_sys(err, "cannot open '%s'", walk->name);
    if (!d)
        file_close(&fd);
    while (r == 0) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e && errno)
            r = error_sys(err, "cannot list '%s'", walk->name);
        if (!e)
            break;
        r = walk_entry(walk, dirfd(d), e->d_name, err);
    }
    if (d)
        closedir(d);
    return r;
}

static int dir_list(void *self, const char *prefix, remote_visit_fn *visit, void *data, struct error *err)
{
    struct remote_dir *dir = self;
    struct walk walk = { .prefix = prefix, .visit = visit, .data = data };
    return walk_directory(&walk, dir->fd, ".", err);
}

/* ---- remove ---- */

static void remove_empty_parents(struct remote_dir *dir, const char *name)
{
    auto_free char *path = mem_dup(name);
    for (char *slash; (slash = strrchr(path, '/'));) {
        const char *leaf = NULL;
        *slash = '\0';
        auto_close int parent = file_open_parent(dir->fd, path, false, &leaf, NULL);
        if (parent < 0 || unlinkat(parent, leaf, AT_REMOVEDIR) < 0)
            return;
    }
}

static int dir_remove(void *self, const char *name, struct error *err)
{
    struct remote_dir *dir = self;
    const char *leaf = NULL;
    auto_close int parent = file_open_parent(dir->fd, name, false, &leaf, err);
    if (parent < 0)
        return absent() ? 0 : -1;
    if (fault_point("store.remote.remove") < 0)
        return error_sys(err, "the system refuses");
    if (unlinkat(parent, leaf, 0) < 0 && errno != ENOENT && errno != EISDIR)
        return error_sys(err, "the system refuses");
    if (fault_point("store.remote.sync_dir") < 0)
        return error_sys(err, "cannot make it durable");
    if (file_sync(parent, name, err) < 0)
        return -1;
    remove_empty_parents(dir, name);
    return 0;
}

int remote_dir_open(const char *path, struct remote *remote, struct error *err)
{
    static const struct remote_ops ops = {
        .put = dir_put,
        .get = dir_get,
        .has = dir_has,
        .list = dir_list,
        .remove = dir_remove,
        .close = dir_close,
    };
    /* It is not made here: a share that is not mounted must not become a directory on the local disk. */
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot open the directory");
    struct remote_dir *dir = mem_new(struct remote_dir);
    dir->fd = steal_fd(&fd);
    dir->uploads = -1;
    *remote = (struct remote){ .ops = &ops, .self = dir };
    return 0;
}
