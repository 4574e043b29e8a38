/*
 * inotify and fanotify hold inodes, of which the kernel tells device and number. Without root CRIU finds them again only by
 * looking through directories that it is told (irmap), those that are captured, and some that it always knows. So this looks through
 * the same.
 */
#include "engine/checkable_parts.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A larger sandbox is taken to have what is watched: rather silent than wrong, and the walk must not take long. */
static const char *const always_known[] = { "/etc", "/var/log", "/var/spool", NULL };
enum { WATCH_MAX = 4096, LOOK_MAX = 20000, DEPTH_MAX = 32 };

struct watch {
    dev_t dev;
    ino_t ino;
    bool found;
};

struct search {
    struct watch *watches;
    size_t count, capacity, open;
    int looked;
};

static void compare(struct search *s, const struct stat *st)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->watches[i].found && s->watches[i].ino == st->st_ino && s->watches[i].dev == st->st_dev) {
            s->watches[i].found = true;
            s->open--;
        }
}

/* Takes the descriptor. */
static void look_through(struct search *s, int fd, int depth)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        file_close(&fd);
        return;
    }
    for (struct dirent *e; s->open && s->looked < LOOK_MAX && (e = readdir(dir));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        s->looked++;
        compare(s, &st);
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            look_through(s, openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
    }
    closedir(dir);
}

/* "inotify wd:1 ino:9e7e sdev:800013 mask:…", "fanotify ino:4f969 sdev:800013 mflags:…": the device as the kernel keeps it. */
static void read_watches(struct search *s, const char *text)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        unsigned long ino;
        unsigned dev;
        if ((sscanf(line, "inotify wd:%*x ino:%lx sdev:%x", &ino, &dev) != 2 && sscanf(line, "fanotify ino:%lx sdev:%x", &ino, &dev) != 2) ||
            s->count == WATCH_MAX)
            continue;
        s->watches = mem_grow(s->watches, &s->capacity, s->count + 1, sizeof *s->watches);
        s->watches[s->count++] = (struct watch){ .dev = makedev(dev >> 20, dev & 0xfffff), .ino = ino };
    }
    s->open = s->count;
}

static void look_below(const struct checkable *c, struct search *s, const char *const *paths)
{
    for (const char *const *at = paths; at && *at && s->open; at++) {
        struct stat st;
        int dir = openat(c->root_dir, *at + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0 && fstat(dir, &st) == 0)
            compare(s, &st);
        look_through(s, dir, 0);
    }
}

void checkable_watch(struct checkable *c, const struct checkable_process *p, const char *fd)
{
    struct search s = { 0 };
    auto_buf struct buf text = { .max = 4 << 20 };
    char path[64];
    snprintf(path, sizeof path, "fdinfo/%.20s", fd);
    if (file_read(p->dir, path, &text, NULL) != 0)
        return;
    read_watches(&s, buf_cstr(&text));
    look_below(c, &s, c->world->captured);
    look_below(c, &s, always_known);
    if (s.open && s.looked < LOOK_MAX)
        checkable_add(c, p, CHECKABLE_WATCH, "%s", "");
    free(s.watches);
}
