/*
 * What goes into an empty sandbox, with the owner's rights: the program, the inputs, the standard input. First all URLs are
 * fetched, beside the sandbox; then everything is put into its place, so that a download that fails has cost no copy.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/changes.h"
#include "runner/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, FETCHED_MODE = 0644, NAME_MAX_BYTES = 24 };

struct intake {
    struct runner *runner;
    int iwd;
    struct fetching fetching; /* dir -1: there is no URL */
    struct transfer_source input; /* standard input; place NULL: there is none, or it is in the sandbox */
    struct transfer_source *sources;
    size_t count;
    struct error *err;
};

int input_open_dir(struct runner *r, struct error *err)
{
    const char *iwd = ad_string(r->job, "Iwd", "/");
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    int fd = open(iwd, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        error_sys(err, "cannot open the directory '%s' from which the job was submitted", iwd);
    identity_leave();
    return fd;
}

/* ---- copies ---- */

static int copy_entry(int from, const char *name, int to, const char *as, int depth, struct error *err);

static int copy_contents(int from, int to, int depth, struct error *err)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        file_close(&fd);
        return error_sys(err, "cannot list a directory");
    }
    int result = 0;
    for (struct dirent *e; result == 0 && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            result = copy_entry(from, e->d_name, to, e->d_name, depth, err);
    closedir(d);
    return result;
}

static int copy_file(int in, const struct stat *st, int to, const char *as, struct error *err)
{
    int64_t copied;
    if (fault_point("runner.input.copy") < 0)
        return error_sys(err, "cannot copy '%s'", as);
    unlinkat(to, as, 0);
    auto_close int out = openat(to, as, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (st->st_mode & 0777) | 0600);
    if (out < 0)
        return error_sys(err, "cannot create '%s' in the sandbox", as);
    if (file_copy(in, out, -1, &copied, err) < 0)
        return error_wrap(err, "'%s'", as);
    return 0;
}

/* Links are followed, as whoever names an input means what it leads to. */
static int copy_entry(int from, const char *name, int to, const char *as, int depth, struct error *err)
{
    struct stat st;
    auto_close int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in < 0 || fstat(in, &st) < 0)
        return error_sys(err, "cannot open '%s'", name);
    if (depth > DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "'%s' is nested deeper than %d directories", name, DEPTH_MAX);
    if (S_ISREG(st.st_mode))
        return copy_file(in, &st, to, as, err);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s' is neither a file nor a directory", name);
    if (mkdirat(to, as, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make directory '%s' in the sandbox", as);
    auto_close int sub = openat(to, as, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0)
        return error_sys(err, "cannot open '%s' in the sandbox", as);
    return copy_contents(in, sub, depth + 1, err);
}

/* ---- what was fetched ---- */

/* In the directory of what is fetched the standard input has a name that no number is. */
static void fetched_name(char name[NAME_MAX_BYTES], size_t i, size_t count)
{
    if (i == count)
        snprintf(name, NAME_MAX_BYTES, "stdin");
    else
        snprintf(name, NAME_MAX_BYTES, "%zu", i);
}

static int fetch_all(struct intake *in, int pipe)
{
    size_t all = in->count + 1;
    int urls = 0;
    for (size_t i = 0; i < all; i++)
        urls += (i < in->count ? &in->sources[i] : &in->input)->kind == TRANSFER_WEB;
    if (urls > 0 && fetch_open(&in->fetching, in->runner, pipe, urls, in->err) < 0)
        return -1;
    for (size_t i = 0; urls > 0 && i < all; i++) {
        const struct transfer_source *source = i < in->count ? &in->sources[i] : &in->input;
        char name[NAME_MAX_BYTES];
        fetched_name(name, i, in->count);
        if (source->kind == TRANSFER_WEB && fetch_one(&in->fetching, source, name, in->err) < 0)
            return -1;
    }
    return 0;
}

static int move_fetched(struct intake *in, size_t i, int to, const char *as)
{
    char name[NAME_MAX_BYTES];
    struct stat st;
    fetched_name(name, i, in->count);
    auto_close int fd = openat(in->fetching.dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_sys(in->err, "what was fetched for '%s' is not there any more", as);
    if (fchmod(fd, FETCHED_MODE) < 0 || fault_point("runner.input.fetched") < 0 || renameat(in->fetching.dir, name, to, as) < 0)
        return error_sys(in->err, "cannot put '%s' into the sandbox", as);
    return 0;
}

/* ---- into their places ---- */

static int take_source(struct intake *in, size_t i)
{
    struct runner *r = in->runner;
    const struct transfer_source *source = &in->sources[i];
    const char *leaf;
    auto_free char *name = NULL;
    if (transfer_input_name(source, ad_bool(r->job, "PreserveRelativePaths", false), &name, in->err) < 0)
        return -1;
    if (!name[0]) {
        auto_close int dir = openat(in->iwd, source->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            return error_sys(in->err, "cannot open '%s'", source->place);
        return copy_contents(dir, r->work, 1, in->err);
    }
    auto_close int parent = file_open_parent(r->work, name, true, &leaf, in->err);
    if (parent < 0)
        return -1;
    if (source->kind == TRANSFER_WEB)
        return move_fetched(in, i, parent, leaf);
    return copy_entry(in->iwd, source->place, parent, leaf, 0, in->err);
}

static int take_program(struct intake *in)
{
    struct runner *r = in->runner;
    const char *cmd = ad_string(r->job, "Cmd", "");
    const char *slash = strrchr(cmd, '/');
    const char *leaf = slash ? slash + 1 : cmd;
    if (!ad_bool(r->job, "TransferExecutable", true))
        return 0;
    if (copy_entry(in->iwd, cmd, r->work, leaf, 0, in->err) < 0)
        return error_wrap(in->err, "the executable");
    if (fchmodat(r->work, leaf, 0755, 0) < 0)
        return error_sys(in->err, "cannot make '%s' executable", leaf);
    return 0;
}

/* transfer_input = false: the standard input is one of the files in the sandbox. */
static int take_sandboxed_input(struct intake *in, const char *name)
{
    struct runner *r = in->runner;
    struct stat st;
    auto_close int fd = file_open_beneath(r->work, name, O_RDONLY | O_NONBLOCK, 0, in->err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(in->err, ERR_INVALID, "'%s' is no file", name);
    return copy_file(fd, &st, r->std, "stdin", in->err);
}

static int check_streamed(struct intake *in)
{
    struct stat st;
    if (fstatat(in->iwd, in->input.place, &st, 0) < 0)
        return error_sys(in->err, "cannot open '%s'", in->input.place);
    return S_ISREG(st.st_mode) ? 0 : error_set(in->err, ERR_INVALID, "'%s' is no file, which stream_input needs", in->input.place);
}

static int take_input(struct intake *in)
{
    const char *sandboxed = input_in_sandbox(in->runner);
    int result = 0;
    if (sandboxed)
        result = take_sandboxed_input(in, sandboxed);
    else if (in->input.place && in->input.kind == TRANSFER_WEB)
        result = move_fetched(in, in->count, in->runner->std, "stdin");
    else if (in->input.place && input_streamed(in->runner))
        result = check_streamed(in);
    else if (in->input.place)
        result = copy_entry(in->iwd, in->input.place, in->runner->std, "stdin", 0, in->err);
    return result < 0 ? error_wrap(in->err, "the standard input") : 0;
}

static int take_all(struct intake *in)
{
    if (sandbox_wanted(in->runner) && take_program(in) < 0)
        return -1;
    for (size_t i = 0; i < in->count; i++)
        if (take_source(in, i) < 0)
            return error_wrap(in->err, "input");
    if (take_input(in) < 0)
        return -1;
    return manifest_list(in->runner, "in", in->err);
}

/* ---- what there is to take ---- */

static const char *input_name(const struct runner *r)
{
    const char *in = ad_string(r->job, "In", NULL);
    return in && *in && strcmp(in, "/dev/null") != 0 ? in : NULL;
}

const char *input_in_sandbox(const struct runner *r)
{
    const char *in = input_name(r);
    bool here = in && in[0] != '/' && sandbox_wanted(r) && !ad_bool(r->job, "TransferIn", true);
    return here ? in : NULL;
}

bool input_streamed(const struct runner *r)
{
    return !r->world && input_name(r) && !input_in_sandbox(r) && ad_bool(r->job, "StreamIn", false);
}

static int list_sources(struct intake *in)
{
    const struct ad *job = in->runner->job;
    const char *input = input_in_sandbox(in->runner) ? NULL : input_name(in->runner);
    auto_command_list struct command_list names = { 0 };
    if (sandbox_wanted(in->runner))
        command_files(job, "TransferInput", &names);
    in->sources = mem_zero(names.count + 1, sizeof *in->sources);
    for (; in->count < names.count; in->count++)
        if (transfer_source_parse(names.items[in->count], &in->sources[in->count], in->err) < 0)
            return error_wrap(in->err, "input");
    return input ? transfer_source_parse(input, &in->input, in->err) : 0;
}

static void release(struct intake *in)
{
    for (size_t i = 0; i < in->count; i++)
        transfer_source_release(&in->sources[i]);
    free(in->sources);
    transfer_source_release(&in->input);
    fetch_close(&in->fetching);
    file_close(&in->iwd);
}

int input_take(struct runner *r, int pipe, struct error *err)
{
    __attribute__((cleanup(release))) struct intake in = { .runner = r, .iwd = input_open_dir(r, err), .fetching.dir = -1, .err = err };
    if (in.iwd < 0 || list_sources(&in) < 0 || fetch_all(&in, pipe) < 0 || identity_enter(&r->owner, err) < 0)
        return -1;
    int result = take_all(&in);
    identity_leave();
    if (result == 0 && in.fetching.dir >= 0)
        fetch_done(&in.fetching);
    if (result == 0 && sandbox_wanted(r))
        result = changes_record(r->work, r->stint_dir, &r->owner, err);
    return result;
}
