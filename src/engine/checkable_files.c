/* What processes have mapped and what they have open, except sockets: one line of /proc/PID/maps or one link of /proc/PID/fd at a
 * time, by what the kernel calls it. */
#include "engine/checkable_parts.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "engine/maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { ENTRY_MAX = PATH_MAX + 64 };
#define MQUEUE_TYPE 0x19800202L

/* ---- names without a file ---- */

/* Of the kernel's anonymous objects CRIU knows these; "[fanotify]" and "inotify" are looked into (checkable_watch). */
void checkable_anon(struct checkable *c, const struct checkable_process *p, const char *name)
{
    static const char *const known[] = { "[eventfd]", "[eventpoll]", "[signalfd]", "[timerfd]", "[pidfd]", "inotify", "[fanotify]" };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i]) == 0)
            return;
    if (strcmp(name, "[io_uring]") == 0)
        checkable_add(c, p, CHECKABLE_IO_URING, "%s", "");
    else
        checkable_add(c, p, CHECKABLE_ANON, "%.100s", name);
}

bool checkable_device_is_harmless(const struct stat *st)
{
    enum { MEMORY = 1, VT = 4, TTY = 5, MISC = 10, PTS_FIRST = 136, PTS_LAST = 143, AUTOFS = 235 };
    unsigned device = major(st->st_rdev);
    if (!S_ISCHR(st->st_mode))
        return false;
    return device == MEMORY || device == VT || device == TTY || (device >= PTS_FIRST && device <= PTS_LAST) ||
           (device == MISC && minor(st->st_rdev) == AUTOFS);
}

/* ---- mappings ---- */

/* A mapping whose file has no name (any more). What a program makes with memfd_create or maps shared without a file comes back. */
static void look_at_deleted_map(struct checkable *c, const struct checkable_process *p, const char *path)
{
    unsigned key;
    if (strncmp(path, "/memfd:", 7) == 0 || strcmp(path, "/dev/zero") == 0 || strncmp(path, "/dev/shm/", 9) == 0) /* see remap.h */
        return;
    if (sscanf(path, "/SYSV%8x", &key) == 1)
        checkable_add(c, p, CHECKABLE_SYSV, "shared memory");
    else if (strcmp(path, "/[aio]") == 0)
        checkable_add(c, p, CHECKABLE_AIO, "%s", "");
    else if (strcmp(path, "/anon_hugepage") == 0)
        checkable_add(c, p, CHECKABLE_HUGE, "%s", "");
    else if (strcmp(path, "/secretmem") == 0)
        checkable_add(c, p, CHECKABLE_SECRET, "%s", "");
    else
        checkable_add(c, p, CHECKABLE_DELETED_MAP, "%.150s", path);
}

static bool seen_before(struct checkable *c, dev_t dev, ino_t ino, bool shared_write)
{
    for (size_t i = c->mapped_count; i-- > 0;) {
        struct checkable_mapped *m = &c->mapped[i];
        if (m->ino == ino && m->dev == dev) {
            bool known = m->shared_write || !shared_write;
            m->shared_write |= shared_write;
            return known;
        }
    }
    c->mapped = mem_grow(c->mapped, &c->mapped_capacity, c->mapped_count + 1, sizeof *c->mapped);
    c->mapped[c->mapped_count++] = (struct checkable_mapped){ .dev = dev, .ino = ino, .shared_write = shared_write };
    return false;
}

static long file_system_type(int dir, const char *name)
{
    struct statfs fs;
    auto_close int fd = openat(dir, name, O_PATH | O_CLOEXEC);
    return fd >= 0 && fstatfs(fd, &fs) == 0 ? (long)fs.f_type : 0;
}

/* Devices are asked for again at each process, so that the report can count them; ordinary files once in the whole tree. */
static void look_at_mapped_file(struct checkable *c, const struct checkable_process *p, const char *path, dev_t dev, ino_t ino,
                                bool shared_write)
{
    struct stat st;
    if (seen_before(c, dev, ino, shared_write) || fstatat(c->root_dir, path + 1, &st, 0) < 0)
        return;
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
        if (!checkable_device_is_harmless(&st))
            checkable_add(c, p, CHECKABLE_DEVICE, "%.150s", path);
        return;
    }
    long type = file_system_type(c->root_dir, path + 1);
    if (type == HUGETLBFS_MAGIC)
        checkable_add(c, p, CHECKABLE_HUGE, "%s", "");
    /* The mapping names the file below, by which CRIU does not find it. */
    else if (type == OVERLAYFS_SUPER_MAGIC && (st.st_dev != dev || st.st_ino != ino))
        checkable_add(c, p, CHECKABLE_OVERLAY, "%.150s", path);
    if (shared_write && S_ISREG(st.st_mode))
        checkable_note_outside(c, path, st.st_dev, st.st_ino);
}

static bool has_open(const struct checkable_process *p, ino_t ino)
{
    int fd = openat(p->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool found = false;
    struct stat st;
    for (struct dirent *e; dir && !found && (e = readdir(dir));)
        found = e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && st.st_ino == ino;
    if (dir)
        closedir(dir);
    else
        file_close(&fd);
    return found;
}

/* Shared memory whose name is gone gets one before a checkpoint: see remap.h. */
static void look_at_deleted(struct checkable *c, const struct checkable_process *p, const struct maps_line *line, const char *path)
{
    if (strncmp(path, "/memfd:", 7) == 0 && line->shared && has_open(p, line->ino))
        checkable_add(c, p, CHECKABLE_MEMFD, "%s", "");
    else if (!line->shared || strncmp(path, "/dev/shm/", 9) != 0)
        look_at_deleted_map(c, p, path);
}

struct map_walk {
    struct checkable *c;
    const struct checkable_process *process;
};

static void look_at_map(void *data, const struct maps_line *line)
{
    static const char anon[] = "anon_inode:";
    struct checkable *c = ((struct map_walk *)data)->c;
    const struct checkable_process *p = ((struct map_walk *)data)->process;
    char path[ENTRY_MAX];
    struct stat st;
    if (strncmp(line->path, anon, sizeof anon - 1) == 0) {
        checkable_anon(c, p, line->path + sizeof anon - 1);
        return;
    }
    snprintf(path, sizeof path, "%s", line->path);
    if (checkable_cut_deleted(path) && (fstatat(c->root_dir, line->path + 1, &st, 0) < 0 || st.st_ino != line->ino))
        look_at_deleted(c, p, line, path);
    else
        look_at_mapped_file(c, p, line->path, line->dev, line->ino, line->writable && line->shared);
}

void checkable_maps(struct checkable *c, const struct checkable_process *p)
{
    maps_each(p->dir, look_at_map, &(struct map_walk){ c, p });
}

/* ---- descriptors ---- */

/* The type of the file system that a file is on, asked once for each device. */
static long type_of(struct checkable *c, dev_t dev, int dir, const char *name)
{
    for (size_t i = 0; i < c->device_count; i++)
        if (c->devices[i].dev == dev)
            return c->devices[i].type;
    auto_close int fds = dup(dir);
    char path[64];
    struct statfs fs;
    snprintf(path, sizeof path, "/proc/self/fd/%d/%.20s", fds, name);
    long type = statfs(path, &fs) == 0 ? (long)fs.f_type : 0;
    if (c->device_count < sizeof c->devices / sizeof c->devices[0])
        c->devices[c->device_count++] = (struct checkable_seen_device){ .dev = dev, .type = type };
    return type;
}

static void look_at_removed(struct checkable *c, const struct checkable_process *p, const struct stat *st, const char *path)
{
    char size[UNITS_TEXT_MAX];
    int64_t bytes = (int64_t)st->st_blocks * 512, limit = c->world->ghost_bytes ? c->world->ghost_bytes : 1 << 20;
    if (S_ISREG(st->st_mode) && bytes > limit)
        checkable_add(c, p, CHECKABLE_DELETED_LARGE, "%.120s (%s)", path, units_bytes(bytes, size));
}

static void look_at_open_file(struct checkable *c, const struct checkable_process *p, int dir, const char *name, char *path)
{
    struct stat st, link;
    if (fstatat(dir, name, &st, 0) < 0)
        return;
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
        if (!checkable_device_is_harmless(&st))
            checkable_add(c, p, CHECKABLE_DEVICE, "%.150s", path);
        return;
    }
    if (!S_ISREG(st.st_mode))
        return;
    long type = type_of(c, st.st_dev, dir, name);
    bool deleted = checkable_cut_deleted(path);
    if (type == MQUEUE_TYPE)
        checkable_add(c, p, CHECKABLE_MQUEUE, "%.150s", path);
    else if (type == HUGETLBFS_MAGIC)
        checkable_add(c, p, CHECKABLE_HUGE, "%s", "");
    else if (deleted && strcmp(path, "/secretmem") == 0)
        checkable_add(c, p, CHECKABLE_SECRET, "%s", "");
    else if (st.st_nlink == 0 && strncmp(path, "/memfd:", 7) != 0)
        look_at_removed(c, p, &st, path);
    else if (st.st_nlink > 0 && fstatat(dir, name, &link, AT_SYMLINK_NOFOLLOW) == 0 && link.st_mode & S_IWUSR)
        checkable_note_outside(c, path, st.st_dev, st.st_ino); /* the link's mode says how the file was opened */
}

static void note_socket(struct checkable *c, size_t process, uint64_t inode, int fd)
{
    c->sockets = mem_grow(c->sockets, &c->socket_capacity, c->socket_count + 1, sizeof *c->sockets);
    c->sockets[c->socket_count++] = (struct checkable_socket){ .inode = inode, .process = process, .fd = fd };
}

/* Kernels before 6.4 do not tell. */
static void look_at_eventfd(struct checkable *c, const struct checkable_process *p, const char *fd)
{
    auto_buf struct buf text = { .max = ENTRY_MAX };
    char path[64];
    snprintf(path, sizeof path, "fdinfo/%.20s", fd);
    if (file_read(p->dir, path, &text, NULL) == 0 && strstr(buf_cstr(&text), "eventfd-semaphore: 1"))
        checkable_add(c, p, CHECKABLE_EVENTFD, "%s", "");
}

static void look_at_descriptor(struct checkable *c, size_t process, int dir, const char *name)
{
    static const char anon[] = "anon_inode:", socket[] = "socket:[";
    const struct checkable_process *p = &c->processes[process];
    char text[ENTRY_MAX];
    ssize_t len = readlinkat(dir, name, text, sizeof text - 1);
    if (len <= 0)
        return;
    text[len] = '\0';
    if (text[0] == '/')
        look_at_open_file(c, p, dir, name, text);
    else if (strncmp(text, socket, sizeof socket - 1) == 0)
        note_socket(c, process, strtoull(text + sizeof socket - 1, NULL, 10), (int)strtol(name, NULL, 10));
    else if (strncmp(text, anon, sizeof anon - 1) == 0) {
        checkable_anon(c, p, text + sizeof anon - 1);
        if (strstr(text, "notify"))
            checkable_watch(c, p, name);
        else if (strstr(text, "[eventfd]"))
            look_at_eventfd(c, p, name);
    }
}

void checkable_descriptors(struct checkable *c, size_t process)
{
    int fd = openat(c->processes[process].dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        file_close(&fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            look_at_descriptor(c, process, dirfd(dir), e->d_name);
    closedir(dir);
}
