#include "engine/changes.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, LIST_MAX = 64 << 20 };

struct scan {
    char **known;           /* the recorded lines, in order, when looking for changes */
    size_t known_count;
    struct buf *record;     /* where lines go, when recording */
    struct command_list *changed;
    struct command_list *unchanged;
    bool directories;
};

/* One line per file: inode, size, change time, name; the name last, with newlines made harmless by the leading length. */
static void describe(struct buf *out, const char *name, const struct stat *st)
{
    buf_printf(out, "%zu:%s %" PRIu64 " %" PRId64 " %" PRId64 ".%09ld\n", strlen(name), name, (uint64_t)st->st_ino,
               (int64_t)st->st_size, (int64_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A name may hold a newline, so that where a line ends is found by the length of its name. */
static char *line_end(char *line, const char *end)
{
    char *name;
    size_t len = strtoul(line, &name, 10);
    return len < (size_t)(end - name) ? strchr(name + len, '\n') : NULL;
}

static void sort_known(struct scan *s, char *text)
{
    size_t room = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        room++;
    s->known = mem_zero(room + 1, sizeof *s->known);
    const char *last = text + strlen(text);
    for (char *at = text, *end; (end = line_end(at, last)); at = end + 1) {
        *end = '\0';
        s->known[s->known_count++] = at;
    }
    qsort(s->known, s->known_count, sizeof *s->known, compare_lines);
}

static bool is_known(const struct scan *s, struct buf *line)
{
    line->data[line->len - 1] = '\0'; /* its newline */
    char *text = (char *)line->data;
    return s->known_count > 0 && bsearch(&text, s->known, s->known_count, sizeof text, compare_lines) != NULL;
}

static int scan_dir(struct scan *s, int dir, const char *prefix, int depth, struct error *err);

static int scan_one(struct scan *s, int dir, const char *leaf, const char *name, int depth, struct error *err)
{
    struct stat st;
    auto_buf struct buf line = { 0 };
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* gone in between */
    if (S_ISDIR(st.st_mode)) {
        if (!s->directories && !s->record)
            return 0;
        auto_close int sub = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0)
            return error_sys(err, "cannot open '%s'", name);
        return scan_dir(s, steal_fd(&sub), name, depth + 1, err);
    }
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return 0;
    describe(s->record ? s->record : &line, name, &st);
    struct command_list *list = s->record ? NULL : is_known(s, &line) ? s->unchanged : s->changed;
    if (list)
        command_list_add(list, name);
    return 0;
}

/* Gives up the caller's descriptor. */
static int scan_dir(struct scan *s, int dir, const char *prefix, int depth, struct error *err)
{
    DIR *d = depth > DEPTH_MAX ? NULL : fdopendir(dir);
    if (!d) {
        close(dir);
        return error_set(err, ERR_LIMIT, "directories are nested deeper than %d", DEPTH_MAX);
    }
    int r = 0, seen = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        auto_free char *name = prefix[0] ? mem_printf("%s/%s", prefix, e->d_name) : mem_dup(e->d_name);
        r = scan_one(s, dirfd(d), e->d_name, name, depth, err);
        seen++;
    }
    if (r == 0 && seen == 0 && s->changed && prefix[0])
        command_list_add(s->changed, prefix);
    closedir(d);
    return r;
}

static int scan_as(struct scan *s, int work, const struct identity *owner, struct error *err)
{
    if (owner && identity_enter(owner, err) < 0)
        return -1;
    int fd = openat(work, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? error_sys(err, "cannot open the working directory") : scan_dir(s, fd, "", 0, err);
    identity_leave();
    return r;
}

static int write_record(int dir, const struct buf *lines, struct error *err)
{
    if (lines->full)
        return error_set(err, ERR_LIMIT, "too many input files");
    if (unlinkat(dir, "inputs", 0) < 0 && errno != ENOENT)
        return error_sys(err, "cannot remove the old list of inputs");
    auto_close int out = openat(dir, "inputs", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return error_sys(err, "cannot create the list of inputs");
    return file_write_all(out, buf_cstr(lines), lines->len, err);
}

int changes_record(int work, int dir, const struct identity *owner, struct error *err)
{
    auto_buf struct buf lines = { .max = LIST_MAX };
    struct scan s = { .record = &lines };
    if (scan_as(&s, work, owner, err) < 0)
        return -1;
    return write_record(dir, &lines, err);
}

int changes_record_inputs(int work, int dir, const struct identity *owner, const struct command_list *names, struct error *err)
{
    auto_buf struct buf lines = { .max = LIST_MAX };
    struct stat st;
    if (owner && identity_enter(owner, err) < 0)
        return -1;
    for (size_t i = 0; i < names->count; i++) {
        const char *leaf = NULL;
        auto_close int parent = file_open_parent(work, names->items[i], false, &leaf, err);
        if (parent >= 0 && fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0)
            describe(&lines, names->items[i], &st);
    }
    identity_leave();
    return write_record(dir, &lines, err);
}

static int read_known(int dir, struct buf *known, struct error *err)
{
    struct stat st;
    auto_close int fd = openat(dir, "inputs", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* nothing was put there */
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open the list of inputs");
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "the list of inputs is no file");
    return file_read_fd(fd, known, err);
}

static int list(int work, int dir, const struct identity *owner, struct scan *s, struct error *err)
{
    auto_buf struct buf known = { .max = LIST_MAX };
    if (read_known(dir, &known, err) < 0)
        return -1;
    auto_free char *text = mem_dup(buf_cstr(&known));
    sort_known(s, text);
    int r = scan_as(s, work, owner, err);
    free(s->known);
    return r;
}

int changes_list(int work, int dir, const struct identity *owner, struct command_list *changed, struct error *err)
{
    struct scan s = { .changed = changed, .directories = true };
    return list(work, dir, owner, &s, err);
}

int changes_inputs(int work, int dir, const struct identity *owner, struct command_list *out, struct error *err)
{
    struct scan s = { .unchanged = out, .directories = true };
    return list(work, dir, owner, &s, err);
}

int changes_list_top(int work, int dir, const struct identity *owner, struct command_list *changed, struct error *err)
{
    struct scan s = { .changed = changed };
    return list(work, dir, owner, &s, err);
}
