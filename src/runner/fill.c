/*
 * The sandbox: JOBDIR/stint.N/ with work/ (the program's directory), std/ (its standard files) and the list of inputs. It is
 * filled with the owner's rights from the submitter's directory; then, when there is a checkpoint, with its files on top.
 * A generation that does not verify is reported, and the one before is tried on a fresh copy of the inputs.
 *
 * Only work/ and std/ belong to the owner, who may put there what he likes, links and FIFOs too, at any time: whatever is done
 * inside is done with the owner's rights. What a root that is the runner does by itself it does in stint.N/ and above, which
 * are out of the owner's reach.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/changes.h"
#include "job/command.h"
#include "runner/image.h"
#include "runner/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HOLD_INPUT = 13, DEPTH_MAX = 64 };

bool sandbox_wanted(const struct runner *r)
{
    return strcasecmp(ad_string(r->job, "ShouldTransferFiles", "YES"), "NO") != 0;
}

/* Makes a directory, or opens the one that an earlier stint has left. `made` tells which. */
static int make_dir(int dir, const char *name, bool *made, struct error *err)
{
    *made = mkdirat(dir, name, 0700) == 0;
    if (!*made && errno != EEXIST)
        return error_sys(err, "cannot make '%s'", name);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : error_sys(err, "cannot open '%s'", name);
}

/* One that the owner may only pass through, on the way to those that are the owner's. */
static int make_stint_dir(struct runner *r, struct error *err)
{
    bool made;
    auto_close int fd = make_dir(r->job_dir, r->stint_name, &made, err);
    if (fd >= 0 && geteuid() == 0 && (fchown(fd, 0, 0) < 0 || fchmod(fd, 0711) < 0))
        return error_sys(err, "cannot set the mode of '%s'", r->stint_name);
    return steal_fd(&fd);
}

int sandbox_make_dir(struct runner *r, int dir, const char *name, bool *made, struct error *err)
{
    auto_close int fd = make_dir(dir, name, made, err);
    if (fd >= 0 && *made && geteuid() == 0 && fchown(fd, r->owner.uid, r->owner.gid) < 0)
        return error_sys(err, "cannot give '%s' to its owner", name);
    return steal_fd(&fd);
}

static int make_owned_dir(struct runner *r, const char *name, struct error *err)
{
    bool made;
    return sandbox_make_dir(r, r->stint_dir, name, &made, err);
}

/* What a world is made of besides. */
static int make_world_dirs(struct runner *r, struct error *err)
{
    static const char *const names[] = { "root", "work", "tmp", "shm", "self", "world", "images", "bundle" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        auto_close int fd = make_owned_dir(r, names[i], err);
        if (fd < 0)
            return -1;
    }
    return 0;
}

static int open_submit_dir(struct runner *r, struct error *err)
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

/* Removes what is in a directory of the owner's. */
static int empty(struct runner *r, int dir, struct error *err)
{
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int result = d ? 0 : error_sys(err, "cannot empty the sandbox");
    for (struct dirent *e; result == 0 && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            result = file_remove_tree(dir, e->d_name, err);
    if (d)
        closedir(d);
    else
        file_close(&fd);
    identity_leave();
    return result;
}

/* First what the owner may remove, with the owner's rights; then the rest, where the job has left something that is not the
 * owner's. */
static void remove_stint(struct runner *r, const char *name)
{
    static const char *const inner[] = { "work", "std" };
    struct error ignored;
    auto_close int dir = openat(r->job_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; dir >= 0 && i < 2; i++) {
        auto_close int fd = openat(dir, inner[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            empty(r, fd, &ignored);
    }
    if (file_remove_tree(r->job_dir, name, &ignored) < 0)
        log_error("job %s: '%s' stays: %s", r->id_text, name, ignored.text);
}

/* Leftovers of stints that ended without cleaning up. */
static void remove_old_stints(struct runner *r)
{
    int fd = openat(r->job_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, "stint.", 6) == 0 && strcmp(e->d_name, r->stint_name) != 0)
            remove_stint(r, e->d_name);
    closedir(d);
}

int sandbox_open(struct runner *r, struct error *err)
{
    const char *deliver = ad_string(r->grant, "Deliver", NULL);
    if (deliver && (strncmp(deliver, "stint.", 6) != 0 || deliver[6 + strspn(deliver + 6, "0123456789")] != '\0'))
        return error_set(err, ERR_DENIED, "the results of the last stint are not where they should be");
    if (deliver && renameat(r->job_dir, deliver, r->job_dir, r->stint_name) < 0)
        return error_sys(err, "cannot find the results of the last stint in '%s'", deliver);
    remove_old_stints(r);
    r->stint_dir = make_stint_dir(r, err);
    if (r->stint_dir < 0)
        return -1;
    if (r->world && make_world_dirs(r, err) < 0)
        return -1;
    r->std = make_owned_dir(r, "std", err);
    r->work = r->std < 0 ? -1 : sandbox_wanted(r) ? make_owned_dir(r, "work", err) : open_submit_dir(r, err);
    return r->work < 0 ? -1 : 0;
}

void sandbox_remove(struct runner *r)
{
    remove_stint(r, r->stint_name);
}

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

/* One entry of transfer_input_files: "dir/" means its contents, anything else goes under its last name. */
static int take_input(int iwd, int work, const char *name, struct error *err)
{
    auto_free char *copy = mem_dup(name);
    size_t len = strlen(copy);
    if (strstr(name, "://"))
        return error_set(err, ERR_INVALID, "input '%s' is a URL, which can not be fetched yet; copy it to the submit directory", name);
    bool contents = len > 1 && copy[len - 1] == '/';
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    if (contents) {
        auto_close int dir = openat(iwd, copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            return error_sys(err, "cannot open '%s'", copy);
        return copy_contents(dir, work, 1, err);
    }
    const char *slash = strrchr(copy, '/');
    const char *leaf = slash ? slash + 1 : copy;
    if (strcmp(leaf, "..") == 0 || strcmp(leaf, ".") == 0 || !*leaf)
        return error_set(err, ERR_INVALID, "'%s' is no name for an input file", name);
    return copy_entry(iwd, copy, work, leaf, 0, err);
}

static int take_program(struct runner *r, int iwd, struct error *err)
{
    const char *cmd = ad_string(r->job, "Cmd", "");
    const char *slash = strrchr(cmd, '/');
    const char *leaf = slash ? slash + 1 : cmd;
    if (!ad_bool(r->job, "TransferExecutable", true))
        return 0;
    if (copy_entry(iwd, cmd, r->work, leaf, 0, err) < 0)
        return error_wrap(err, "the executable");
    if (fchmodat(r->work, leaf, 0755, 0) < 0)
        return error_sys(err, "cannot make '%s' executable", leaf);
    return 0;
}

static int take_all(struct runner *r, int iwd, struct error *err)
{
    const char *in = ad_string(r->job, "In", NULL);
    auto_command_list struct command_list names = { 0 };
    if (in && *in && strcmp(in, "/dev/null") != 0 && copy_entry(iwd, in, r->std, "stdin", 0, err) < 0)
        return error_wrap(err, "the standard input");
    if (!sandbox_wanted(r))
        return 0;
    if (take_program(r, iwd, err) < 0)
        return -1;
    command_files(r->job, "TransferInput", &names);
    for (size_t i = 0; i < names.count; i++)
        if (take_input(iwd, r->work, names.items[i], err) < 0)
            return error_wrap(err, "input");
    return 0;
}

static int take_inputs(struct runner *r, struct error *err)
{
    auto_close int iwd = open_submit_dir(r, err);
    if (iwd < 0 || identity_enter(&r->owner, err) < 0)
        return -1;
    int result = take_all(r, iwd, err);
    identity_leave();
    if (result == 0 && sandbox_wanted(r))
        result = changes_record(r->work, r->stint_dir, &r->owner, err);
    return result;
}

static int empty_all(struct runner *r, struct error *err)
{
    static const char *const names[] = { "tmp", "shm", "world", "images", "bundle" };
    if (empty(r, r->std, err) < 0 || (sandbox_wanted(r) && empty(r, r->work, err) < 0))
        return -1;
    for (size_t i = 0; r->world && i < sizeof names / sizeof names[0]; i++) {
        auto_close int fd = openat(r->stint_dir, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || empty(r, fd, err) < 0)
            return fd < 0 ? error_sys(err, "cannot open '%s' of the stint", names[i]) : -1;
    }
    return 0;
}

/* After a generation that failed in its middle: back to inputs alone. */
static int start_over(struct runner *r, struct error *err)
{
    return empty_all(r, err) < 0 ? -1 : take_inputs(r, err);
}

struct restore {
    struct runner *runner;
    struct container_image image;
    struct store *store;
    const char *kind;
    int pipe;
    struct worker_report *final;
};

static int refuse_processes(const struct runner *r, int generation, struct error *err)
{
    error_set(err, ERR_INVALID, "checkpoint %d holds the job's processes, which cannot be resumed here: %s", generation,
              r->method.reason[0] ? r->method.reason : "the job has another checkpoint_method now");
    err->sys = EOPNOTSUPP;
    return -1;
}

static void tell_left_out(const struct restore *a)
{
    struct worker_report note = { .kind = FILL_NOTE };
    snprintf(note.error.text, sizeof note.error.text,
             "files outside of its sandbox that the checkpoint of the other job has are left as they are: they may be in use there");
    worker_send(a->pipe, &note);
}

/* *parent is the generation that it went on from, 0 when unknown. */
static int restore_one(const struct restore *a, int generation, bool *fits, int *parent, struct error *err)
{
    struct runner *r = a->runner;
    struct manifest manifest = { 0 };
    struct engine_site site = stint_site(r);
    site.root_path = a->image.root;
    *fits = false;
    *parent = 0;
    int result = store_manifest(a->store, r->id_text, generation, &manifest, err);
    if (result == STORE_ABSENT)
        return 0;
    if (result == 0 && strcmp(manifest.kind, a->kind) == 0) {
        *fits = true;
        *parent = manifest.parent;
        /* Into a sandbox each chunk is verified on its way, and a bad one makes us start over; the submitter's own directory
         * can not be emptied, so nothing may be put there that has not been seen to be good. */
        result = sandbox_wanted(r) ? 0 : store_verify(a->store, &manifest, NULL, err);
        bool processes = engine_has_processes(&manifest);
        if (result == 0 && processes && !r->world)
            result = refuse_processes(r, generation, err);
        if (result == 0)
            result = engine_fits(&manifest, err);
        if (result == 0 && processes) /* it has all files that the program had, and only those */
            result = empty_all(r, err);
        a->final->values[FILL_PROCESSES] = processes;
        if (result == 0)
            result = engine_restore(&site, a->store, &manifest, err);
        if (result == 0 && processes && engine_leaves_host(&site, &manifest))
            tell_left_out(a);
        a->final->values[FILL_BYTES] = manifest.bytes;
        a->final->values[FILL_FILES] = (int64_t)manifest.entry_count;
    }
    manifest_release(&manifest);
    return result;
}

/* One bad reading may have been the memory's or the cable's fault: what is damaged is so when it is looked at again. */
static bool is_damaged(const struct restore *a, int generation)
{
    struct manifest manifest = { 0 };
    struct error err = { 0 };
    int result = store_manifest(a->store, a->runner->id_text, generation, &manifest, &err);
    if (result == 0)
        result = store_verify(a->store, &manifest, NULL, &err);
    manifest_release(&manifest);
    return result < 0 && err.kind == ERR_CORRUPT && err.sys == 0;
}

/* A good one is in place. The damaged ones that are newer must not count among those that are kept, or the next checkpoint
 * would push the good one out. */
static void drop_damaged(const struct restore *a, const int *damaged, size_t count)
{
    const char *job = a->runner->id_text;
    struct error err;
    for (size_t i = 0; i < count; i++)
        if (!store_pinned(a->store, job, damaged[i]) && is_damaged(a, damaged[i]) && store_drop(a->store, job, damaged[i], &err) < 0)
            log_error("job %s: a damaged checkpoint stays: %s", job, err.text);
}

/* What to try after the generation at `at`: the one that it went on from, so that a rewound job does not come back to what was
 * rewound; else the next older one. Returns its index, or -1. */
static int next_older(const int *generations, int at, int parent)
{
    for (int i = at - 1; i >= 0 && parent > 0; i--)
        if (generations[i] == parent)
            return i;
    return at - 1;
}

/* A damaged one may be good in the remote store. The sandbox has inputs only on return. */
static bool fetch_again(const struct restore *a, int generation, struct worker_report *bad)
{
    struct error why;
    int result = pull_checkpoint(a->runner, generation, &why);
    if (result < 0)
        log_error("job %s: checkpoint %d cannot be fetched from the remote store: %s", a->runner->id_text, generation, why.text);
    if (result == 0) {
        size_t len = strlen(bad->error.text);
        snprintf(bad->error.text + len, sizeof bad->error.text - len, "; it was fetched again from the remote store");
    }
    worker_send(a->pipe, bad);
    return result == 0;
}

enum { TRY_GOOD, TRY_OTHER, TRY_DAMAGED };

/* One generation: TRY_OTHER is of another kind, or gone; negative: cannot go on. */
static int try_one(const struct restore *a, int generation, int *parent)
{
    for (int times = 0; times < 2; times++) {
        struct worker_report bad = { .kind = FILL_CORRUPT, .values = { generation } };
        bool fits;
        int result = restore_one(a, generation, &fits, parent, &bad.error);
        if (result == 0)
            return fits ? TRY_GOOD : TRY_OTHER;
        bool unreadable = bad.error.kind == ERR_CORRUPT || bad.error.sys == EIO;
        if (!unreadable || bad.error.sys == EPROTONOSUPPORT) {
            a->final->error = bad.error;
            return -1;
        }
        bool again = times == 0 && fetch_again(a, generation, &bad);
        if (start_over(a->runner, &a->final->error) < 0)
            return -1;
        if (!again)
            break;
    }
    return TRY_DAMAGED;
}

/* With an empty store and a job that had checkpoints, the newest is fetched first. */
static int list_generations(const struct restore *a, int **generations, size_t *count)
{
    struct runner *r = a->runner;
    struct error *err = &a->final->error;
    if (store_list(a->store, r->id_text, generations, count, err) < 0)
        return -1;
    if (*count > 0 || !ad_bool(r->grant, "Stored", false))
        return 0;
    free(*generations);
    *generations = NULL;
    int result = pull_checkpoint(r, 0, err);
    if (result < 0)
        return error_wrap(err, "no checkpoint is here, and none can be fetched from the remote store");
    if (result == PULL_NOTHING) {
        struct worker_report gone = { .kind = FILL_CORRUPT, .values = { ad_int(r->grant, "NextGeneration", 1) - 1 } };
        error_set(&gone.error, ERR_CORRUPT, "it is not in the store any more");
        worker_send(a->pipe, &gone);
    }
    return store_list(a->store, r->id_text, generations, count, err);
}

/* Where to begin: with the newest, or after the one that was refused. */
static int first_try(const struct restore *a, const int *generations, int count)
{
    const struct runner *r = a->runner;
    struct manifest manifest = { 0 };
    struct error ignored;
    int at = count - 1, parent = 0;
    while (r->again > 0 && at >= 0 && generations[at] > r->again)
        at--;
    if (r->again > 0 || r->refused == 0)
        return at;
    while (at >= 0 && generations[at] >= r->refused)
        at--;
    if (store_manifest(a->store, r->id_text, r->refused, &manifest, &ignored) == 0)
        parent = manifest.parent;
    manifest_release(&manifest);
    return next_older(generations, at + 1, parent);
}

/* Newest generation of the kind first. Positive: the generation that was restored; 0: none; negative: cannot go on. */
static int restore_newest(const struct restore *a)
{
    auto_free int *generations = NULL;
    size_t count = 0, damaged_count = 0;
    if (list_generations(a, &generations, &count) < 0)
        return -1;
    auto_free int *damaged = mem_zero(count + 1, sizeof *damaged);
    a->final->values[FILL_NEWEST] = count > 0 ? generations[count - 1] : 0;
    int at = first_try(a, generations, (int)count);
    for (int parent; at >= 0; at = next_older(generations, at, parent)) {
        int result = try_one(a, generations[at], &parent);
        if (result < 0)
            return -1;
        if (result == TRY_GOOD) {
            drop_damaged(a, damaged, damaged_count);
            return generations[at];
        }
        if (result == TRY_DAMAGED)
            damaged[damaged_count++] = generations[at];
    }
    return 0;
}

/* From here on no earlier stint can commit, should one still be alive somewhere. The first has none before it. */
static int fence(struct runner *r, struct store *store, struct error *err)
{
    int result = r->stint > 1 ? store_fence(store, r->id_text, r->stint, err) : 0;
    return result == STORE_FENCED ? error_set(err, ERR_DENIED, "a later stint of the job has begun") : result;
}

/* The store is asked whether there is a checkpoint, not the grant: a runner that died between a commit and its record has left
 * one that the pool has not heard of. */
static int restore_state(struct runner *r, int pipe, struct worker_report *final)
{
    struct restore a = { .runner = r, .kind = "checkpoint", .pipe = pipe, .final = final, .image.lock = -1 };
    if (checkpoint_open_store(r, &a.store, &final->error) < 0)
        return -1;
    if (image_open(r, &a.image, &final->error) < 0) {
        store_close(a.store);
        return -1;
    }
    int result = fence(r, a.store, &final->error);
    if (result == 0)
        result = restore_newest(&a);
    a.kind = "evicted";
    if (result == 0 && !r->protocol.self)
        result = restore_newest(&a);
    container_image_release(&a.image);
    store_close(a.store);
    return result;
}

static int make_reaper(struct runner *r, struct error *err)
{
    auto_close int fd = openat(r->stint_dir, "world", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot open 'world' of the stint");
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    int result = context_put_reaper(fd, err);
    identity_leave();
    return result;
}

static int make_std(struct runner *r, struct error *err)
{
    static const char *const names[] = { "stdout", "stderr" };
    int result = identity_enter(&r->owner, err);
    for (int i = 0; i < 2 && result == 0; i++) {
        auto_close int fd = openat(r->std, names[i], O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            result = error_sys(err, "cannot create the program's %s", names[i]);
    }
    identity_leave();
    return result;
}

void fill_worker(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    final->result = image_prepare(r, &final->error);
    bool may_mend = final->result < 0 && image_may_mend(&final->error);
    if (final->result == 0)
        final->result = r->refused > 0 || r->again > 0 ? start_over(r, &final->error) : take_inputs(r, &final->error);
    if (final->result < 0) {
        bool full = final->error.sys == ENOSPC || final->error.sys == EDQUOT || may_mend;
        final->values[FILL_HOLD_CODE] = full ? 0 : HOLD_INPUT; /* a full disk mends itself: try again later */
        final->values[FILL_HOLD_SUBCODE] = final->error.sys;
        return;
    }
    int generation = restore_state(r, pipe, final);
    if (generation < 0 && (final->error.sys == EPROTONOSUPPORT || final->error.sys == EOPNOTSUPP)) /* trying again would not help: somebody has to decide */
        final->values[FILL_HOLD_CODE] = HOLD_INPUT;
    if (generation == 0)
        final->values[FILL_PROCESSES] = 0;
    final->values[FILL_GENERATION] = generation;
    final->result = generation < 0 ? -1 : make_std(r, &final->error);
    if (final->result == 0 && r->world && !final->values[FILL_PROCESSES])
        final->result = make_reaper(r, &final->error);
}
