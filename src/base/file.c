/*
 * Durable files, carefully. The order is always the same: write under a name that nobody looks at, fsync the file, rename,
 * fsync the directory. After a crash there is the old content or the new one, and perhaps a leftover ".tmp" that the next
 * replacement overwrites.
 *
 * Unix socket addresses hold 107 bytes, paths do not: sockets are bound and connected through /proc/self/fd/N/name.
 */
#include "base/file.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

void file_close(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

int file_open_beneath(int dir, const char *name, int flags, mode_t mode, struct error *err)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0; tries < 16; tries++) {
        int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: a rename elsewhere raced with ".." */
            break;
    }
    if (errno == EXDEV)
        return error_set(err, ERR_INVALID, "'%s' leads out of its directory", name);
    return error_sys(err, "cannot open '%s'", name);
}

static int make_or_open_dir(int dir, const char *name, bool make, struct error *err)
{
    int fd = file_open_beneath(dir, name, O_PATH | O_DIRECTORY, 0, err);
    if (fd >= 0 || !make || errno != ENOENT)
        return fd;
    if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make directory '%s'", name);
    return file_open_beneath(dir, name, O_PATH | O_DIRECTORY, 0, err);
}

int file_open_parent(int dir, const char *name, bool make, const char **leaf, struct error *err)
{
    const char *slash = strrchr(name, '/');
    if (name[0] == '/' || name[0] == '\0' || (slash && slash[1] == '\0'))
        return error_set(err, ERR_INVALID, "'%s' is not the name of a file below a directory", name);
    *leaf = slash ? slash + 1 : name;
    if (strcmp(*leaf, "..") == 0 || strcmp(*leaf, ".") == 0)
        return error_set(err, ERR_INVALID, "'%s' is not the name of a file", name);
    auto_close int at = file_open_beneath(dir, ".", O_PATH | O_DIRECTORY, 0, err);
    const char *part = name;
    while (at >= 0 && part < *leaf) {
        size_t len = strcspn(part, "/");
        auto_free char *one = mem_dup_n(part, len);
        part += len + strspn(part + len, "/");
        if (len == 0 || strcmp(one, ".") == 0)
            continue;
        int next = make_or_open_dir(at, one, make, err);
        file_close(&at);
        at = next;
    }
    return steal_fd(&at);
}

int file_make_dirs(const char *path, mode_t mode, struct error *err)
{
    auto_free char *copy = mem_dup(path);
    if (!*path)
        return error_set(err, ERR_INVALID, "'' is not the name of a directory");
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return error_sys(err, "cannot make directory '%s'", copy);
        *p = '/';
    }
    if (mkdir(copy, mode) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make directory '%s'", copy);
    int fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_sys(err, "cannot open directory '%s'", copy);
}

int file_read_fd(int fd, struct buf *out, struct error *err)
{
    char block[16384];
    size_t before = out->len;
    ssize_t n;
    bool full = out->full;
    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            buf_add(out, block, (size_t)n);
        if (n > 0 && !out->full)
            continue;
        int r = n < 0 ? error_sys(err, "cannot read")
                      : error_set(err, ERR_LIMIT, "longer than %zu bytes", out->max ? out->max : BUF_MAX_DEFAULT);
        out->len = before;
        out->full = full;
        if (out->data)
            out->data[before] = '\0';
        return r;
    }
    return 0;
}

int file_read(int dir, const char *name, struct buf *out, struct error *err)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return FILE_ABSENT;
    if (fd < 0)
        return error_sys(err, "cannot open '%s'", name);
    if (file_read_fd(fd, out, err) < 0)
        return error_wrap(err, "'%s'", name);
    return 0;
}

int file_write_all(int fd, const void *data, size_t len, struct error *err)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, "cannot write");
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_write_until(int fd, const void *data, size_t len, int64_t deadline_us, struct error *err)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EPIPE)
            return FILE_STUCK;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_sys(err, "cannot write");
        int64_t left_ms = (deadline_us - clock_boot_us() + 999) / 1000;
        if (n < 0 && left_ms <= 0)
            return FILE_STUCK;
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, (int)left_ms);
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int file_sync(int fd, const char *what, struct error *err)
{
    /* Descriptors that were opened with O_PATH (file_open_parent) cannot be synced; what they name can. */
    auto_close int real = -1;
    if (fsync(fd) < 0 && errno == EBADF && (real = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
        fd = real;
    if (fsync(fd) < 0)
        return error_sys(err, "cannot make '%s' durable", what);
    return 0;
}

static int named_fault(const char *point, const char *step)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", point, step);
    return fault_point(name);
}

int file_replace(int dir, const char *name, const void *data, size_t len, mode_t mode, const char *point,
                 struct error *err)
{
    auto_free char *tmp = mem_printf(".%s.tmp", name);
    if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
        return error_sys(err, "cannot remove '%s'", tmp);
    auto_close int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return error_sys(err, "cannot create '%s'", tmp);
    int r = named_fault(point, "write") < 0 ? error_sys(err, "cannot write") : file_write_all(fd, data, len, err);
    if (r == 0)
        r = file_sync(fd, tmp, err);
    if (r == 0 && (named_fault(point, "rename") < 0 || renameat(dir, tmp, dir, name) < 0))
        r = error_sys(err, "cannot rename");
    if (r == 0)
        return file_sync(dir, name, err);
    unlinkat(dir, tmp, 0);
    return error_wrap(err, "'%s'", name);
}

int file_copy(int in, int out, int64_t limit, int64_t *copied, struct error *err)
{
    *copied = 0;
    bool ranges = true;
    auto_free char *block = NULL;
    while (limit < 0 || *copied < limit) {
        size_t want = (size_t)1 << 20;
        if (limit >= 0 && limit - *copied < (int64_t)want)
            want = (size_t)(limit - *copied);
        ssize_t n = -1;
        if (ranges) {
            n = copy_file_range(in, NULL, out, NULL, want, 0);
            if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EBADF))
                ranges = false;
            else if (n == 0 && *copied == 0)
                ranges = false; /* files of /proc have no size but do have contents */
            else if (n < 0 && errno != EINTR)
                return error_sys(err, "cannot copy");
        }
        if (!ranges) {
            if (!block)
                block = mem_zero(1, (size_t)1 << 20);
            n = read(in, block, want);
            if (n < 0 && errno != EINTR)
                return error_sys(err, "cannot read");
            if (n > 0 && file_write_all(out, block, (size_t)n, err) < 0)
                return -1;
        }
        if (n == 0)
            return 0;
        if (n > 0)
            *copied += n;
    }
    return 0;
}

/* A job may have nested directories deeper than there are descriptors: from a certain depth on what is found is lifted to the
 * top, and removed from there. */
enum { REMOVE_DEPTH_MAX = 32, REMOVE_TRIES = 8 };

struct removal {
    int top; /* the directory that is to be removed */
    int depth;
    int lifted; /* names given so far */
};

static int remove_entry(struct removal *removal, int dir, const char *name, struct error *err);

/* Lets its owner into a directory, and nobody into what a link that took its name leads to. Root needs no such thing, and what
 * root would open up may have been put there by somebody else. */
static void open_up(int dir, const char *name)
{
    char path[32];
    if (geteuid() == 0)
        return;
    auto_close int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0)
        chmod(path, 0700);
}

static int lift(struct removal *removal, int dir, const char *name, struct error *err)
{
    char lifted[32];
    open_up(dir, name); /* a directory must be writable for its ".." to change */
    for (;;) {
        snprintf(lifted, sizeof lifted, ".lifted.%d", removal->lifted++);
        if (renameat(dir, name, removal->top, lifted) == 0)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) /* the job may have had the same idea */
            return error_sys(err, "cannot move '%s'", name);
    }
}

/* Gives up the caller's descriptor. */
static int empty_dir(struct removal *removal, int fd, struct error *err)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return error_sys(err, "cannot list a directory");
    }
    int r = 0;
    removal->depth++;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        r = remove_entry(removal, dirfd(d), e->d_name, err);
    }
    removal->depth--;
    closedir(d);
    return r;
}

static int open_to_empty(int dir, const char *name)
{
    open_up(dir, name);
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int remove_entry(struct removal *removal, int dir, const char *name, struct error *err)
{
    for (int tries = 0; tries < REMOVE_TRIES; tries++) { /* a dying process may still be creating files */
        if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR && errno != EPERM)
            return error_sys(err, "cannot remove '%s'", name);
        if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
            return 0;
        if (removal->depth >= REMOVE_DEPTH_MAX)
            return lift(removal, dir, name, err);
        int fd = open_to_empty(dir, name);
        if (fd < 0 && errno == ENOENT)
            return 0; /* somebody else removes it too */
        if (fd < 0)
            return error_sys(err, "cannot open '%s'", name);
        int lifted = removal->lifted;
        if (removal->depth == 0)
            removal->top = fd;
        if (empty_dir(removal, fd, err) < 0)
            return -1;
        if (removal->depth == 0 && removal->lifted > lifted)
            tries = -1; /* that was progress */
    }
    return error_set(err, ERR_SYSTEM, "cannot empty '%s'", name);
}

int file_remove_tree(int dir, const char *name, struct error *err)
{
    struct removal removal = { .top = -1 };
    return remove_entry(&removal, dir, name, err);
}

int64_t file_tree_bytes(int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    int64_t total = (int64_t)st.st_blocks * 512;
    if (!S_ISDIR(st.st_mode))
        return total;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        file_close(&fd);
        return total;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            total += file_tree_bytes(dirfd(d), e->d_name);
    closedir(d);
    return total;
}

static int socket_address(int dir, const char *name, struct sockaddr_un *sa, struct error *err)
{
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int n = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof sa->sun_path)
        return error_set(err, ERR_LIMIT, "'%s' is too long for a socket's name", name);
    return 0;
}

static int bind_socket(int dir, const char *name, int type, mode_t mode, struct error *err)
{
    struct sockaddr_un sa;
    if (socket_address(dir, name, &sa, err) < 0)
        return -1;
    auto_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_sys(err, "cannot make a socket");
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return error_sys(err, "cannot remove '%s'", name);
    mode_t before = umask(0777 & ~mode);
    int r = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    umask(before);
    if (r < 0 || (type == SOCK_STREAM && listen(fd, 128) < 0))
        return error_sys(err, "cannot listen on '%s'", name);
    return steal_fd(&fd);
}

int file_listen(int dir, const char *name, mode_t mode, struct error *err)
{
    return bind_socket(dir, name, SOCK_STREAM, mode, err);
}

int file_listen_datagrams(int dir, const char *name, mode_t mode, struct error *err)
{
    return bind_socket(dir, name, SOCK_DGRAM, mode, err);
}

int file_connect(int dir, const char *name, struct error *err)
{
    struct sockaddr_un sa;
    if (socket_address(dir, name, &sa, err) < 0)
        return -1;
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_sys(err, "cannot make a socket");
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
        return error_sys(err, "cannot connect to '%s'", name);
    return steal_fd(&fd);
}
