#include "context/shared.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 32 };

/* A file that has several names, and the first of them, by which the others are made. */
struct known {
    ino_t inode;
    char *name;
};

struct copy {
    int to;
    struct known *known;
    size_t count, capacity;
};

static const char *known_name(const struct copy *c, ino_t inode)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->known[i].inode == inode)
            return c->known[i].name;
    return NULL;
}

static int copy_file(struct copy *c, int in, const char *name, const struct stat *st, struct error *err)
{
    const struct timespec times[2] = { st->st_atim, st->st_mtim };
    const char *first = st->st_nlink > 1 ? known_name(c, st->st_ino) : NULL;
    int64_t copied;
    if (first)
        return linkat(c->to, first, c->to, name, 0) < 0 ? error_sys(err, "cannot link '%s' in shared memory", name) : 0;
    auto_close int out = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0 || file_copy(in, out, -1, &copied, err) < 0 || fchmod(out, st->st_mode & 07777) < 0 || futimens(out, times) < 0)
        return error_sys(err, "cannot put '%s' into shared memory", name);
    if (st->st_nlink > 1) {
        c->known = mem_grow(c->known, &c->capacity, c->count + 1, sizeof *c->known);
        c->known[c->count++] = (struct known){ st->st_ino, mem_dup(name) };
    }
    return 0;
}

static int copy_link(struct copy *c, int from, const char *leaf, const char *name, struct error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, leaf, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    return n <= 0 || symlinkat(target, c->to, name) < 0 ? error_sys(err, "cannot make the link '%s' in shared memory", name) : 0;
}

static int copy_all(struct copy *c, int from, const char *prefix, int depth, struct error *err);

static int copy_one(struct copy *c, int from, const char *leaf, const char *name, int depth, struct error *err)
{
    struct stat st;
    if (fstatat(from, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, "cannot look at '%s' of the shared memory", name);
    if (S_ISLNK(st.st_mode))
        return copy_link(c, from, leaf, name, err);
    if (S_ISFIFO(st.st_mode))
        return mkfifoat(c->to, name, st.st_mode & 07777) < 0 ? error_sys(err, "cannot make the FIFO '%s' in shared memory", name) : 0;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    auto_close int in = openat(from, leaf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (in < 0)
        return error_sys(err, "cannot open '%s' of the shared memory", name);
    if (S_ISREG(st.st_mode))
        return copy_file(c, in, name, &st, err);
    if (mkdirat(c->to, name, 0700) < 0)
        return error_sys(err, "cannot make '%s' in shared memory", name);
    int result = copy_all(c, in, name, depth + 1, err);
    if (result == 0 && fchmodat(c->to, name, st.st_mode & 07777, 0) < 0)
        result = error_sys(err, "cannot set the mode of '%s' in shared memory", name);
    return result;
}

static int copy_all(struct copy *c, int from, const char *prefix, int depth, struct error *err)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 || depth > DEPTH_MAX ? NULL : fdopendir(fd);
    if (!d) {
        file_close(&fd);
        return error_sys(err, "cannot list the shared memory of the checkpoint");
    }
    int result = 0;
    for (struct dirent *e; result == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        auto_free char *name = prefix[0] ? mem_printf("%s/%s", prefix, e->d_name) : mem_dup(e->d_name);
        result = copy_one(c, dirfd(d), e->d_name, name, depth, err);
    }
    closedir(d);
    return result;
}

int shared_fill(int from, int to, struct error *err)
{
    struct copy c = { .to = to };
    int result = copy_all(&c, from, "", 0, err);
    for (size_t i = 0; i < c.count; i++)
        free(c.known[i].name);
    free(c.known);
    return result;
}
