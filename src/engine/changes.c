#include "engine/changes.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, LIST_MAX = 64 << 20 };

struct scan {
    const char *known;      /* the recorded lines, when looking for changes */
    struct buf *record;     /* where lines go, when recording */
    struct command_list *changed;
    bool directories;
};

/* One line per file: inode, size, change time, name; the name last, with newlines made harmless by the leading length. */
static void describe(struct buf *out, const char *name, const struct stat *st)
{
    buf_printf(out, "%zu:%s %" PRIu64 " %" PRId64 " %" PRId64 ".%09ld\n", strlen(name), name, (uint64_t)st->st_ino,
               (int64_t)st->st_size, (int64_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* The known list is sorted by nothing, but small: inputs are few. A line must match at a line's start. */
static bool is_known(const char *known, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = known; (at = strstr(at, line)); at += len)
        if (at == known || at[-1] == '\n')
            return true;
    return false;
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
    if (!s->record && !is_known(s->known, buf_cstr(&line)))
        command_list_add(s->changed, name);
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

static int reopen(int dir, struct error *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_sys(err, "cannot open the working directory");
}

int changes_record(int work, int dir, struct error *err)
{
    auto_buf struct buf lines = { .max = LIST_MAX };
    struct scan s = { .record = &lines };
    int fd = reopen(work, err);
    if (fd < 0 || scan_dir(&s, fd, "", 0, err) < 0)
        return -1;
    if (lines.full)
        return error_set(err, ERR_LIMIT, "too many input files");
    auto_close int out = openat(dir, "inputs", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return error_sys(err, "cannot create the list of inputs");
    return file_write_all(out, buf_cstr(&lines), lines.len, err);
}

int changes_list(int work, int dir, bool directories, struct command_list *changed, struct error *err)
{
    auto_buf struct buf known = { .max = LIST_MAX };
    int r = file_read(dir, "inputs", &known, err);
    if (r < 0)
        return -1;
    struct scan s = { .known = buf_cstr(&known), .changed = changed, .directories = directories };
    int fd = reopen(work, err);
    return fd < 0 ? -1 : scan_dir(&s, fd, "", 0, err);
}
