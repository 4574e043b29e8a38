/*
 * Output goes to its places with the owner's rights: each file is copied to a temporary name in its directory, made durable
 * and renamed, so that a reader sees the old file or the whole new one. Doing it twice does no harm, which is what a crash
 * in the middle comes to. A link is followed: what it leads to is replaced, and the link stays. A device or FIFO is written
 * to, as long as it takes something; a job that is done is not held because nobody reads there.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/changes.h"
#include "job/transfer.h"
#include "runner/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, LINKS_MAX = 40, PATIENCE_US = 5000000, STD_MODE = 0644 };

struct delivery {
    struct runner *runner;
    const char *home;           /* where relative names start; an absolute path */
    struct command_list remaps;
    bool preserve;
    struct worker_report *report;
    struct error *err;
    int number; /* of temporary names so far: the same in a second try, which thus removes what the first has left */
};

static int fail(struct delivery *d, const char *name)
{
    return error_wrap(d->err, "cannot deliver '%s'", name);
}

static int publish(struct delivery *d, int out, int dir, const char *tmp, const char *leaf, mode_t mode)
{
    if (fchmod(out, mode) < 0)
        return error_sys(d->err, "cannot set its mode");
    if (fault_point("runner.output.sync") < 0 || fsync(out) < 0)
        return error_sys(d->err, "cannot make it durable");
    if (fault_point("runner.output.rename") < 0 || renameat(dir, tmp, dir, leaf) < 0)
        return error_sys(d->err, "cannot rename it");
    return file_sync(dir, leaf, d->err);
}

static int put_file(struct delivery *d, int in, const struct stat *st, int dir, const char *leaf)
{
    int64_t copied = 0;
    auto_free char *tmp = mem_printf(".stint-%s-%d.tmp", d->runner->id_text, ++d->number);
    unlinkat(dir, tmp, 0);
    auto_close int out = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return error_sys(d->err, "cannot create '%s'", tmp);
    int result = fault_point("runner.output.copy") < 0 ? error_sys(d->err, "cannot copy") : file_copy(in, out, -1, &copied, d->err);
    if (result == 0)
        result = publish(d, out, dir, tmp, leaf, (st->st_mode & 0777) | 0200);
    if (result < 0) {
        unlinkat(dir, tmp, 0);
        return -1;
    }
    d->report->values[DELIVER_BYTES] += copied;
    d->report->values[DELIVER_FILES]++;
    return 0;
}

/* A place that is a device or a FIFO is written to, not replaced. */
static int put_special(struct delivery *d, int in, int dir, const char *leaf)
{
    char block[65536];
    int result = 0;
    ssize_t n = 0;
    auto_close int out = openat(dir, leaf, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (out < 0 && errno != ENXIO)
        return error_sys(d->err, "cannot open it");
    while (out >= 0 && result == 0 && (n = read(in, block, sizeof block)) > 0)
        result = file_write_until(out, block, (size_t)n, clock_boot_us() + PATIENCE_US, d->err);
    if (n < 0)
        return error_sys(d->err, "cannot read");
    if (out < 0 || result == FILE_STUCK)
        error_set(d->err, ERR_INVALID, "nobody read all that was to be delivered to '%s'", leaf);
    return result < 0 ? -1 : 0;
}

/* The directory and the name (yours) to which a name leads, whether there is something or not. */
static int follow(int dir, const char *leaf, char **name, struct error *err)
{
    auto_close int at = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    *name = mem_dup(leaf);
    for (int links = 0; at >= 0 && links < LINKS_MAX; links++) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(at, *name, target, sizeof target - 1);
        if (n < 0)
            return steal_fd(&at);
        target[n] = '\0';
        const char *slash = strrchr(target, '/');
        auto_free char *above = slash ? mem_dup_n(target, (size_t)(slash - target) + 1) : mem_dup(".");
        int next = openat(at, above, O_PATH | O_DIRECTORY | O_CLOEXEC);
        file_close(&at);
        at = next;
        free(*name);
        *name = mem_dup(slash ? slash + 1 : target);
    }
    return at < 0 ? error_sys(err, "cannot follow the link") : error_set(err, ERR_INVALID, "too many links");
}

static int put(struct delivery *d, int in, const struct stat *st, int dir, const char *leaf)
{
    struct stat there;
    auto_free char *name = NULL;
    if (fstatat(dir, leaf, &there, 0) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode))
        return put_special(d, in, dir, leaf);
    auto_close int at = follow(dir, leaf, &name, d->err);
    return at < 0 ? -1 : put_file(d, in, st, at, name);
}

static int put_entry(struct delivery *d, int from, const char *name, int dir, const char *leaf, int depth);

static int put_contents(struct delivery *d, int from, int to, int depth)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        file_close(&fd);
        return error_sys(d->err, "cannot list a directory");
    }
    int result = 0;
    for (struct dirent *e; result == 0 && (e = readdir(list));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            result = put_entry(d, from, e->d_name, to, e->d_name, depth);
    closedir(list);
    return result;
}

/* Durable before something is put into it. */
static int make_dir(struct delivery *d, int dir, const char *name)
{
    bool failed = fault_point("runner.output.mkdir") < 0 || mkdirat(dir, name, 0755) < 0;
    if (failed && errno == EEXIST)
        return 0;
    return failed ? error_sys(d->err, "cannot make directory '%s'", name) : file_sync(dir, name, d->err);
}

static int put_dir(struct delivery *d, int in, int dir, const char *leaf, int depth)
{
    if (make_dir(d, dir, leaf) < 0)
        return -1;
    auto_close int to = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0)
        return error_sys(d->err, "cannot open directory '%s'", leaf);
    return put_contents(d, in, to, depth + 1);
}

/* The sandbox's side is opened beneath it: a link that the job made can not bring a file from elsewhere. */
static int put_entry(struct delivery *d, int from, const char *name, int dir, const char *leaf, int depth)
{
    struct stat st;
    auto_close int in = file_open_beneath(from, name, O_RDONLY | O_NONBLOCK, 0, d->err);
    if (in < 0)
        return -1;
    if (fstat(in, &st) < 0)
        return error_sys(d->err, "cannot look at '%s'", name);
    if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
        return put_dir(d, in, dir, leaf, depth);
    if (!S_ISREG(st.st_mode))
        return error_set(d->err, ERR_INVALID, "'%s' is neither a file nor a directory", name);
    return put(d, in, &st, dir, leaf);
}

static int open_dir_of(const char *path, const char **leaf, struct error *err)
{
    const char *slash = strrchr(path, '/');
    auto_free char *dir = slash == path ? mem_dup("/") : mem_dup_n(path, (size_t)(slash - path));
    *leaf = slash + 1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_sys(err, "cannot open directory '%s'", dir);
}

/* The directory of a target, made where it is missing; *leaf points into the path. */
static int open_target(struct delivery *d, const char *path, const char **leaf)
{
    auto_close int at = open(path[0] == '/' ? "/" : d->home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash = strrchr(path, '/');
    *leaf = slash ? slash + 1 : path;
    if (at < 0)
        return error_sys(d->err, "cannot open directory '%s'", d->home);
    for (const char *part = path; part < *leaf;) {
        size_t len = strcspn(part, "/");
        auto_free char *name = mem_dup_n(part, len);
        part += len + 1;
        if (len == 0)
            continue;
        int next = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (next < 0 && errno == ENOENT) {
            if (make_dir(d, at, name) < 0)
                return -1;
            next = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        if (next < 0)
            return error_sys(d->err, "cannot open directory '%s'", name);
        file_close(&at);
        at = next;
    }
    return steal_fd(&at);
}

/* The sandbox's file is private; at its place it gets the mode that streaming gives it, or that of the file it replaces. */
static int put_std(struct delivery *d, const char *name, int dir, const char *leaf)
{
    struct stat st, there;
    auto_close int in = file_open_beneath(d->runner->std, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, d->err);
    if (in < 0)
        return -1;
    if (fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(d->err, ERR_INVALID, "the program's %s is no file any more", name);
    bool replaces = fstatat(dir, leaf, &there, 0) == 0 && S_ISREG(there.st_mode);
    st.st_mode = S_IFREG | (replaces ? there.st_mode & 0777 : STD_MODE);
    return put(d, in, &st, dir, leaf);
}

static const char *const std_names[2] = { "stdout", "stderr" };
static const char *const std_attributes[2] = { "Out", "Err" };
static const char *const std_flags[2] = { "TransferOut", "TransferErr" };

/* transfer_output = false: it is one of the sandbox's files. */
static const char *std_in_sandbox(const struct runner *r, int which)
{
    const char *name = ad_string(r->job, std_attributes[which], NULL);
    bool here = name && *name && name[0] != '/' && sandbox_wanted(r) && !ad_bool(r->job, std_flags[which], true);
    return here ? name : NULL;
}

/* Where it goes at the end, when somebody said so by other means than its own command; yours. */
static char *std_elsewhere(const struct delivery *d, int which)
{
    const char *name = ad_string(d->runner->job, std_attributes[which], "");
    const char *slash = strrchr(name, '/');
    char *remapped = transfer_remap(&d->remaps, name, name);
    if (remapped || !ad_has(d->runner->job, "OutputDestination"))
        return remapped;
    return mem_dup(slash ? slash + 1 : name);
}

static int deliver_std(struct delivery *d, int which)
{
    const char *leaf;
    auto_free char *path = stream_destination(d->runner, which);
    if (!path || stream_wanted(d->runner, which) || std_in_sandbox(d->runner, which) || (which == 1 && stream_shared(d->runner)))
        return 0;
    auto_free char *other = std_elsewhere(d, which);
    auto_close int dir = other ? open_target(d, other, &leaf) : open_dir_of(path, &leaf, d->err);
    if (dir < 0 || put_std(d, std_names[which], dir, leaf) < 0)
        return fail(d, other ? other : path);
    return 0;
}

/* What the program printed becomes a file of the sandbox, as if the program had made it, whatever is there of that name. */
static int place_std(struct delivery *d)
{
    struct worker_report counted = *d->report;
    for (int which = 0; which < 2; which++) {
        const char *name = std_in_sandbox(d->runner, which), *leaf;
        struct stat st;
        if (!name || (which == 1 && stream_shared(d->runner)))
            continue;
        auto_close int in = file_open_beneath(d->runner->std, std_names[which], O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, d->err);
        auto_close int dir = in < 0 ? -1 : file_open_parent(d->runner->work, name, true, &leaf, d->err);
        if (dir < 0 || fstat(in, &st) < 0 || put_file(d, in, &st, dir, leaf) < 0)
            return fail(d, name);
    }
    memcpy(d->report->values, counted.values, sizeof counted.values);
    return manifest_list(d->runner, "out", d->err);
}

/* Of what nobody named: a link that leads nowhere or out of the sandbox, a FIFO or a socket is no result. */
static bool is_result(const struct delivery *d, const char *name)
{
    struct error why;
    struct stat st;
    auto_close int fd = file_open_beneath(d->runner->work, name, O_RDONLY | O_NONBLOCK, 0, &why);
    if (fd < 0)
        return why.kind != ERR_INVALID && why.sys != ENOENT && why.sys != ELOOP && why.sys != ENXIO;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* A name outside of the sandbox is one that the user gave. What the job has as /tmp is its own. */
static int open_origin(struct delivery *d, const char **entry)
{
    static const char *const own[] = { "/tmp/", "/var/tmp/" };
    const struct runner *r = d->runner;
    if ((*entry)[0] != '/')
        return openat(r->work, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; r->world && i < sizeof own / sizeof own[0]; i++)
        if (strncmp(*entry, own[i], strlen(own[i])) == 0) {
            *entry += strlen(own[i]);
            return openat(r->stint_dir, "tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
    *entry += strspn(*entry, "/");
    return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int deliver_one(struct delivery *d, const char *entry, const char *name)
{
    auto_free char *target = transfer_remap(&d->remaps, entry, name);
    const char *leaf, *beneath = entry;
    auto_close int from = open_origin(d, &beneath);
    if (from < 0)
        return error_sys(d->err, "cannot open the sandbox");
    if (!name[0] && !target) {
        auto_close int in = file_open_beneath(from, beneath, O_RDONLY | O_DIRECTORY, 0, d->err);
        auto_close int home = in < 0 ? -1 : open_target(d, "./", &leaf);
        return home < 0 ? -1 : put_contents(d, in, home, 1);
    }
    auto_close int dir = open_target(d, target ? target : name, &leaf);
    return dir < 0 ? -1 : put_entry(d, from, beneath, dir, leaf, 0);
}

/* A missing file is an error, unless the list serves as the checkpoint list too: then the job may have finished before its
 * first checkpoint, and there is nothing to miss. */
static int deliver_listed(struct delivery *d, const struct command_list *names)
{
    bool may_miss = d->runner->protocol.self && !ad_has(d->runner->job, "TransferCheckpoint");
    bool unnamed = !ad_has(d->runner->job, "TransferOutput");
    for (size_t i = 0; i < names->count; i++) {
        const char *entry = names->items[i];
        auto_free char *name = NULL;
        struct stat st;
        if (may_miss && fstatat(d->runner->work, entry, &st, 0) < 0 && errno == ENOENT) {
            error_set(d->err, ERR_INVALID, "'%s' is not there; it was not delivered", entry);
            continue;
        }
        if (unnamed && !is_result(d, entry)) {
            error_set(d->err, ERR_INVALID, "'%s' is no file of the sandbox; it was not delivered", entry);
            continue;
        }
        if (unnamed)
            name = mem_dup(entry);
        else if (transfer_output_name(entry, d->preserve, &name, d->err) < 0)
            return -1;
        if (deliver_one(d, entry, name) < 0)
            return fail(d, entry);
    }
    return 0;
}

/* The list of inputs is not the owner's to read: this comes before the owner's rights. */
static int list_results(struct delivery *d, struct command_list *names)
{
    struct runner *r = d->runner;
    if (!sandbox_wanted(r))
        return 0;
    if (!ad_has(r->job, "TransferOutput"))
        return changes_list_top(r->work, r->stint_dir, &r->owner, names, d->err);
    command_files(r->job, "TransferOutput", names);
    return 0;
}

static int deliver_all(struct delivery *d, const struct command_list *names)
{
    for (int i = 0; i < 2; i++)
        if (deliver_std(d, i) < 0)
            return -1;
    auto_free char *manifest = manifest_dir(d->runner);
    if (manifest && deliver_one(d, manifest, manifest) < 0)
        return fail(d, manifest);
    return names->count > 0 ? deliver_listed(d, names) : 0;
}

/* The destination, if there is one, is made with what is missing above it. */
static int open_home(struct delivery *d, char **destination)
{
    const struct ad *job = d->runner->job;
    const char *text = ad_string(job, "OutputDestination", NULL), *leaf;
    d->home = ad_string(job, "Iwd", "/");
    d->preserve = ad_bool(job, "PreserveRelativePaths", false);
    if (transfer_remaps(ad_string(job, "TransferOutputRemaps", ""), &d->remaps, d->err) < 0)
        return -1;
    if (!text || !sandbox_wanted(d->runner))
        return 0;
    if (transfer_destination(text, destination, d->err) < 0)
        return -1;
    auto_free char *inside = mem_printf("%s/.", *destination);
    auto_close int dir = open_target(d, inside, &leaf);
    d->home = *destination;
    return dir < 0 ? error_wrap(d->err, "output_destination") : 0;
}

static int with_rights(struct delivery *d, const struct command_list *names)
{
    auto_free char *destination = NULL;
    if (identity_enter(&d->runner->owner, d->err) < 0)
        return -1;
    int result = open_home(d, &destination);
    if (result == 0)
        result = names ? deliver_all(d, names) : place_std(d);
    identity_leave();
    command_list_release(&d->remaps);
    return result;
}

void deliver_worker(void *data, int pipe, struct worker_report *final)
{
    struct delivery d = { .runner = data, .report = final, .err = &final->error };
    auto_command_list struct command_list names = { 0 };
    (void)pipe;
    final->result = with_rights(&d, NULL);
    if (final->result == 0)
        final->result = list_results(&d, &names);
    if (final->result == 0)
        final->result = with_rights(&d, &names);
}
