/*
 * The lock of a key is a file that may be removed with its tree, so whoever has locked it looks whether it still has a name; if
 * not, another has the name now. A lock is never turned from exclusive into shared: the kernel lets others in between, and
 * the one who made the tree simply holds it like everybody else.
 *
 * How much a tree takes is counted once, when it is made, and kept in KEY/bytes: a sweep must not walk through
 * hundreds of thousands of files whenever some job ends. When it was last used is the time of its lock file.
 */
#include "context/rootfs.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define NEW "new."
#define LOCK ".lock"

enum { NAME_SIZE = ROOTFS_KEY_MAX + 8, NOTES_SECONDS = 30 * 86400 };

/* A file without name is a lock that a sweep has removed with its tree. */
static bool has_name(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static int lock_key(int cache, const char *key, int how, struct error *err)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s" LOCK, key);
    for (;;) {
        auto_close int fd = openat(cache, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return error_sys(err, "cannot open the lock of an image");
        while (flock(fd, how) < 0)
            if (errno != EINTR)
                return error_sys(err, "cannot lock an image");
        if (has_name(fd))
            return steal_fd(&fd);
    }
}

static bool is_there(int cache, const char *key)
{
    return faccessat(cache, key, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int rootfs_hold(int cache, const char *key, int *lock, struct error *err)
{
    if (!is_there(cache, key)) { /* do not make a lock for nothing */
        char fresh[NAME_SIZE];
        snprintf(fresh, sizeof fresh, NEW "%s", key);
        if (!is_there(cache, fresh))
            return ROOTFS_ABSENT;
    }
    auto_close int fd = lock_key(cache, key, LOCK_SH, err);
    if (fd < 0)
        return -1;
    if (!is_there(cache, key))
        return ROOTFS_ABSENT;
    futimens(fd, NULL);
    *lock = steal_fd(&fd);
    return 0;
}

/* ---- making ---- */

int rootfs_begin(int cache, const char *key, struct rootfs_new *out, struct error *err)
{
    char name[NAME_SIZE];
    struct rootfs_new made = { .cache = cache, .dir = -1 };
    snprintf(made.key, sizeof made.key, "%s", key);
    snprintf(name, sizeof name, NEW "%s", made.key);
    made.lock = lock_key(cache, made.key, LOCK_EX, err);
    if (made.lock < 0)
        return -1;
    if (is_there(cache, made.key)) {
        file_close(&made.lock);
        return ROOTFS_PRESENT;
    }
    int result = file_remove_tree(cache, name, err); /* of one who was killed */
    if (result == 0 && mkdirat(cache, name, 0700) < 0)
        result = error_sys(err, "cannot make a directory for an image");
    if (result == 0)
        made.dir = openat(cache, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (result == 0 && made.dir < 0)
        result = error_sys(err, "cannot open a directory for an image");
    if (result < 0) {
        file_close(&made.lock);
        return -1;
    }
    *out = made;
    return 0;
}

/* Images have directories that even their owner may not write in. */
static int make_directory(int dir, const char *name, struct error *err)
{
    struct stat st;
    if (fstat(dir, &st) < 0 || ((st.st_mode & 0700) != 0700 && fchmod(dir, (st.st_mode & 07777) | 0700) < 0))
        return error_sys(err, "cannot look at the image's directories");
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make directory '%s' in the image", name);
    return 0;
}

/* What a context mounts something on. An image may have any of them as a link; one that leads out of the image is left alone. */
static int make_mount_points(int root, struct error *err)
{
    static const char *const names[] = { "proc", "sys", "dev", "tmp", "var", "stint", "etc", "run" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (make_directory(root, names[i], err) < 0)
            return -1;
    auto_close int var = file_open_beneath(root, "var", O_RDONLY | O_DIRECTORY, 0, NULL);
    if (var >= 0 && make_directory(var, "tmp", err) < 0)
        return -1;
    /* Places for the host's. */
    static const char *const files[] = { "etc/resolv.conf", "etc/hosts" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        auto_close int fd = file_open_beneath(root, files[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, NULL);
    }
    return 0;
}

static int write_size(const struct rootfs_new *made, struct error *err)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%" PRId64 "\n", file_tree_bytes(made->dir, "root"));
    auto_close int fd = openat(made->dir, "bytes", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        return error_sys(err, "cannot note the image's size");
    return 0;
}

int rootfs_commit(struct rootfs_new *made, struct error *err)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, NEW "%s", made->key);
    auto_close int root = openat(made->dir, "root", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0)
        return error_sys(err, "there is no tree");
    if (make_mount_points(root, err) < 0 || write_size(made, err) < 0)
        return -1;
    if (fault_point("image.sync") < 0 || syncfs(made->dir) < 0) /* one call for the whole tree, whatever its number of files */
        return error_sys(err, "cannot make the image durable");
    if (fault_point("image.rename") < 0 || renameat(made->cache, name, made->cache, made->key) < 0)
        return error_sys(err, "cannot give the image its name");
    if (file_sync(made->cache, "the image's directory", err) < 0)
        return -1;
    file_close(&made->dir);
    file_close(&made->lock);
    made->key[0] = '\0';
    return 0;
}

void rootfs_drop(struct rootfs_new *made)
{
    char name[NAME_SIZE];
    struct error ignored;
    if (!made->key[0])
        return;
    snprintf(name, sizeof name, NEW "%s", made->key);
    file_close(&made->dir);
    file_remove_tree(made->cache, name, &ignored);
    snprintf(name, sizeof name, "%s" LOCK, made->key);
    unlinkat(made->cache, name, 0);
    file_close(&made->lock);
    made->key[0] = '\0';
}

/* ---- the sweep ---- */

struct entry {
    char key[ROOTFS_KEY_MAX];
    int64_t bytes;
    struct timespec used;
};

struct sweep {
    int cache;
    struct entry *entries;
    size_t count, capacity;
    int64_t bytes; /* of all trees */
    int64_t freed;
};

static int64_t read_size(int cache, const char *key)
{
    char name[NAME_SIZE], text[32] = "";
    snprintf(name, sizeof name, "%s/bytes", key);
    auto_close int fd = openat(cache, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    int64_t bytes = n > 0 ? strtoll(text, NULL, 10) : 0;
    return bytes > 0 ? bytes : 0;
}

static void add_tree(struct sweep *s, const char *key, const struct stat *lock)
{
    s->entries = mem_grow(s->entries, &s->capacity, s->count + 1, sizeof *s->entries);
    struct entry *entry = &s->entries[s->count++];
    *entry = (struct entry){ .bytes = read_size(s->cache, key), .used = lock->st_mtim };
    snprintf(entry->key, sizeof entry->key, "%s", key);
    s->bytes += entry->bytes;
}

/* Alone on the lock, or not at all: *lock is -1 when somebody uses it. */
static void try_lock(int cache, const char *name, int *lock)
{
    auto_close int fd = openat(cache, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    *lock = -1;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && has_name(fd))
        *lock = steal_fd(&fd);
}

static void remove_key(struct sweep *s, const char *key, int64_t bytes)
{
    char name[NAME_SIZE], lock_name[NAME_SIZE];
    struct error ignored;
    auto_close int lock = -1;
    snprintf(lock_name, sizeof lock_name, "%s" LOCK, key);
    try_lock(s->cache, lock_name, &lock);
    if (lock < 0)
        return;
    snprintf(name, sizeof name, NEW "%s", key);
    /* Out of its place at once: a removal that is killed halfway must not leave half a tree under the name of a whole one. */
    int result = file_remove_tree(s->cache, name, &ignored);
    if (result == 0 && renameat(s->cache, key, s->cache, name) < 0 && errno != ENOENT)
        result = -1;
    if (result == 0 && fault_point("image.remove") == 0)
        result = file_remove_tree(s->cache, name, &ignored);
    if (result < 0)
        return;
    unlinkat(s->cache, lock_name, 0);
    s->freed += bytes;
    s->bytes -= bytes;
}

static int oldest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

/* A lock with a tree is an entry. One without belongs to somebody who makes it now, or to a crash: then it can be locked. Any
 * other file is a note of whoever makes trees, good as long as it is looked at now and then. */
static void look_at(struct sweep *s, const char *name)
{
    char key[ROOTFS_KEY_MAX];
    struct stat st;
    size_t len = strlen(name);
    if (len >= sizeof key || fstatat(s->cache, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (S_ISDIR(st.st_mode))
        return;
    if (len <= strlen(LOCK) || strcmp(name + len - strlen(LOCK), LOCK) != 0) {
        if (time(NULL) - st.st_mtime > NOTES_SECONDS)
            unlinkat(s->cache, name, 0);
        return;
    }
    snprintf(key, sizeof key, "%.*s", (int)(len - strlen(LOCK)), name);
    if (is_there(s->cache, key))
        add_tree(s, key, &st);
    else
        remove_key(s, key, 0);
}

int rootfs_sweep(int cache, int64_t limit, int64_t *freed, struct error *err)
{
    struct sweep s = { .cache = cache };
    int fd = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        file_close(&fd);
        return error_sys(err, "cannot list the images");
    }
    for (struct dirent *e; (e = readdir(d));)
        look_at(&s, e->d_name);
    closedir(d);
    if (s.count > 0)
        qsort(s.entries, s.count, sizeof *s.entries, oldest_first);
    for (size_t i = 0; i < s.count && s.bytes > limit; i++)
        remove_key(&s, s.entries[i].key, s.entries[i].bytes);
    free(s.entries);
    *freed = s.freed;
    return 0;
}
