#include "engine/still.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "context/tree.h"
#include "engine/maps.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INODES_MAX = 1 << 16 };

struct inodes {
    ino_t *list;
    size_t count, capacity;
};

struct collection {
    struct inodes mapped, appended, written;
    bool unknown; /* some process could not be looked into, or there are too many files */
};

static void add(struct collection *c, struct inodes *to, ino_t ino)
{
    if (to->count > 0 && to->list[to->count - 1] == ino)
        return;
    if (to->count == INODES_MAX) {
        c->unknown = true;
        return;
    }
    to->list = mem_grow(to->list, &to->capacity, to->count + 1, sizeof *to->list);
    to->list[to->count++] = ino;
}

static void look_at_map(void *data, const struct maps_line *line)
{
    struct collection *c = data;
    if (line->shared && line->path[0] == '/')
        add(c, &c->mapped, line->ino);
}

static bool appends(int process, const char *fd)
{
    auto_buf struct buf text = { .max = 1 << 16 };
    char name[64];
    unsigned flags = 0;
    snprintf(name, sizeof name, "fdinfo/%.20s", fd);
    const char *line = file_read(process, name, &text, NULL) == 0 ? strstr(buf_cstr(&text), "flags:") : NULL;
    return line && sscanf(line, "flags: %o", &flags) == 1 && flags & O_APPEND;
}

/* The mode of the link says how the file was opened. */
static void look_at_descriptor(struct collection *c, int process, int dir, const char *name)
{
    struct stat st, link;
    if (fstatat(dir, name, &link, AT_SYMLINK_NOFOLLOW) < 0 || !(link.st_mode & S_IWUSR))
        return;
    if (fstatat(dir, name, &st, 0) < 0)
        c->unknown = true;
    else if (S_ISREG(st.st_mode))
        add(c, appends(process, name) ? &c->appended : &c->written, st.st_ino);
}

static void look_at_process(void *data, pid_t pid)
{
    struct collection *c = data;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    auto_close int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process < 0 || !maps_each(process, look_at_map, c)) {
        c->unknown = true;
        return;
    }
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        file_close(&fd);
        c->unknown = true;
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            look_at_descriptor(c, process, dirfd(dir), e->d_name);
    closedir(dir);
}

static int by_number(const void *a, const void *b)
{
    ino_t left = *(const ino_t *)a, right = *(const ino_t *)b;
    return (left > right) - (left < right);
}

static void sort(struct inodes *inodes)
{
    if (inodes->count > 0)
        qsort(inodes->list, inodes->count, sizeof *inodes->list, by_number);
}

static void subtract(struct inodes *from, const struct inodes *what)
{
    size_t kept = 0;
    for (size_t i = 0; i < from->count; i++)
        if (what->count == 0 || !bsearch(&from->list[i], what->list, what->count, sizeof *what->list, by_number))
            from->list[kept++] = from->list[i];
    from->count = kept;
}

bool still_collect(pid_t root, struct store_still *out)
{
    struct collection c = { 0 };
    tree_each(root, look_at_process, &c);
    sort(&c.mapped);
    sort(&c.appended);
    sort(&c.written);
    subtract(&c.appended, &c.written);
    free(c.written.list);
    *out = (struct store_still){ c.mapped.list, c.mapped.count, c.appended.list, c.appended.count };
    return !c.unknown;
}

void still_release(struct store_still *still)
{
    free((void *)still->mapped);
    free((void *)still->appended);
    *still = (struct store_still){ 0 };
}
