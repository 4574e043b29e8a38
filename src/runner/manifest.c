/*
 * A job may want a record of its sandbox: a directory in it with the lists `in` and `out` of what was there when the inputs had
 * come and when the program had ended, and `environment`, what the program got. It comes home as a directory of that name.
 */
#include "base/file.h"
#include "base/mem.h"
#include "job/transfer.h"
#include "runner/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, LIST_MAX_BYTES = 64 << 20 };

char *manifest_dir(const struct runner *r)
{
    const char *dir = ad_string(r->job, "JobManifestDir", NULL);
    char *name = NULL;
    bool wanted = dir || ad_bool(r->job, "JobManifestDesired", false);
    if (!wanted || !sandbox_wanted(r))
        return NULL;
    if (!dir || transfer_output_name(dir, true, &name, NULL) < 0)
        return mem_printf("%d_%d_manifest", r->id.cluster, r->id.proc);
    return name;
}

static int list(int work, const char *name, int depth, struct buf *out, struct error *err);

/* In order of their names. */
static int list_all(int work, const char *above, int depth, struct dirent **entries, int count, struct buf *out, struct error *err)
{
    int result = 0;
    for (int i = 0; i < count; i++) {
        const char *leaf = entries[i]->d_name;
        auto_free char *name = above[0] ? mem_printf("%s/%s", above, leaf) : mem_dup(leaf);
        if (result == 0 && strcmp(leaf, ".") != 0 && strcmp(leaf, "..") != 0)
            result = list(work, name, depth, out, err);
        free(entries[i]);
    }
    free(entries);
    return result;
}

static int list_below(int work, const char *name, int depth, struct buf *out, struct error *err)
{
    struct dirent **entries = NULL;
    auto_close int dir = file_open_beneath(work, name[0] ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
    if (dir < 0)
        return -1;
    int count = depth > DEPTH_MAX ? 0 : scandirat(dir, ".", &entries, NULL, alphasort);
    return count < 0 ? error_sys(err, "cannot list '%s'", name) : list_all(work, name, depth, entries, count, out, err);
}

/* A line for each: its name, a directory's with a slash, and then what is in it. A line's end in a name is written as a '?'. */
static int list(int work, const char *name, int depth, struct buf *out, struct error *err)
{
    struct stat st;
    size_t from = out->len;
    const char *leaf;
    auto_close int parent = file_open_parent(work, name, false, &leaf, err);
    if (parent < 0 || fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* gone in between */
    buf_text(out, name);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\n')
            out->data[i] = '?';
    buf_text(out, S_ISDIR(st.st_mode) ? "/\n" : "\n");
    if (!S_ISDIR(st.st_mode))
        return 0;
    return list_below(work, name, depth + 1, out, err);
}

static int put(struct runner *r, const char *name, const struct buf *text, struct error *err)
{
    const char *leaf;
    auto_free char *dir = manifest_dir(r);
    auto_free char *path = mem_printf("%s/%s", dir, name);
    if (text->full)
        return error_set(err, ERR_LIMIT, "there is too much for a manifest");
    auto_close int parent = file_open_parent(r->work, path, true, &leaf, err);
    if (parent < 0)
        return -1;
    if (unlinkat(parent, leaf, 0) < 0 && errno != ENOENT)
        return error_sys(err, "cannot replace '%s'", path);
    auto_close int out = openat(parent, leaf, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    return out < 0 ? error_sys(err, "cannot make '%s'", path) : file_write_all(out, buf_cstr(text), text->len, err);
}

int manifest_list(struct runner *r, const char *name, struct error *err)
{
    auto_buf struct buf text = { .max = LIST_MAX_BYTES };
    auto_free char *dir = manifest_dir(r);
    if (!dir)
        return 0;
    if (list_below(r->work, "", 0, &text, err) < 0 || put(r, name, &text, err) < 0)
        return error_wrap(err, "manifest");
    return 0;
}

int manifest_environment(struct runner *r, const struct command_list *envp, struct error *err)
{
    auto_buf struct buf text = { .max = LIST_MAX_BYTES };
    auto_free char *dir = manifest_dir(r);
    if (!dir)
        return 0;
    for (size_t i = 0; i < envp->count; i++)
        buf_printf(&text, "%s\n", envp->items[i]);
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    int result = put(r, "environment", &text, err);
    identity_leave();
    return result < 0 ? error_wrap(err, "manifest") : 0;
}
