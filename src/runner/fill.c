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

enum { HOLD_INPUT = 13 };

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

/* A runner that died between the two steps left one that is still root's. */
int sandbox_make_dir(struct runner *r, int dir, const char *name, bool *made, struct error *err)
{
    struct stat st;
    auto_close int fd = make_dir(dir, name, made, err);
    bool is_ours = fd >= 0 && geteuid() == 0 && fstat(fd, &st) == 0 && st.st_uid == 0;
    if (is_ours && fault_point("runner.sandbox.give") < 0)
        return error_sys(err, "cannot give '%s' to its owner", name);
    if (is_ours && fchown(fd, r->owner.uid, r->owner.gid) < 0)
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
    r->work = r->std < 0 ? -1 : sandbox_wanted(r) ? make_owned_dir(r, "work", err) : input_open_dir(r, err);
    return r->work < 0 ? -1 : 0;
}

void sandbox_remove(struct runner *r)
{
    remove_stint(r, r->stint_name);
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
static int start_over(struct runner *r, int pipe, struct error *err)
{
    return empty_all(r, err) < 0 ? -1 : input_take(r, pipe, err);
}

struct restore {
    struct runner *runner;
    struct container_image image;
    struct store *store;
    const char *kind;
    int pipe;
    struct worker_report *final;
    bool *inputs_wait; /* the sandbox is empty, because the processes of the newest generation bring all that they need */
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

static int take_waiting(const struct restore *a, struct error *err)
{
    if (!*a->inputs_wait)
        return 0;
    *a->inputs_wait = false;
    return input_take(a->runner, a->pipe, err);
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
        if (result == 0 && !processes)
            result = take_waiting(a, err);
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
        *a->inputs_wait = false;
        if (start_over(a->runner, a->pipe, &a->final->error) < 0)
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
static int restore_state(struct runner *r, int pipe, bool *inputs_wait, struct worker_report *final)
{
    struct restore a = { .runner = r, .kind = "checkpoint", .pipe = pipe, .final = final, .image.lock = -1, .inputs_wait = inputs_wait };
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

/* A job may want its output to begin anew whenever it is started again; one that is resumed as it was writes on. */
static int make_std(struct runner *r, bool erase, struct error *err)
{
    static const char *const names[] = { "stdout", "stderr" };
    int result = identity_enter(&r->owner, err);
    for (int i = 0; i < 2 && result == 0; i++) {
        auto_close int fd = openat(r->std, names[i], O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | (erase ? O_TRUNC : 0), 0600);
        if (fd < 0)
            result = error_sys(err, "cannot create the program's %s", names[i]);
    }
    identity_leave();
    return result;
}

/* A resume of processes takes nothing from outside: neither the submitter's files nor what a URL stands for by now. */
static bool newest_has_processes(struct runner *r)
{
    struct store *store = NULL;
    struct manifest manifest = { 0 };
    struct error ignored;
    auto_free int *generations = NULL;
    size_t count = 0;
    if (!r->world || !sandbox_wanted(r) || r->refused > 0 || r->again > 0 || checkpoint_open_store(r, &store, &ignored) < 0)
        return false;
    bool has = store_list(store, r->id_text, &generations, &count, &ignored) == 0 && count > 0 &&
               store_manifest(store, r->id_text, generations[count - 1], &manifest, &ignored) == 0 && strcmp(manifest.kind, "checkpoint") == 0 &&
               engine_has_processes(&manifest);
    manifest_release(&manifest);
    store_close(store);
    return has;
}

static int take_inputs(struct runner *r, int pipe, bool *wait, struct error *err)
{
    if (r->refused > 0 || r->again > 0)
        return start_over(r, pipe, err);
    *wait = newest_has_processes(r);
    return *wait ? 0 : input_take(r, pipe, err);
}

static void say_input_failed(struct worker_report *final)
{
    final->values[FILL_HOLD_CODE] = image_may_mend(&final->error) ? 0 : HOLD_INPUT; /* a full disk or network mends itself: try again later */
    final->values[FILL_HOLD_SUBCODE] = final->error.sys;
}

void fill_worker(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    bool wait = false;
    final->result = image_prepare(r, &final->error);
    if (final->result == 0)
        final->result = take_inputs(r, pipe, &wait, &final->error);
    if (final->result < 0) {
        say_input_failed(final);
        return;
    }
    int generation = restore_state(r, pipe, &wait, final);
    if (generation == 0 && wait && input_take(r, pipe, &final->error) < 0) {
        say_input_failed(final);
        final->result = -1;
        return;
    }
    if (generation < 0 && (final->error.sys == EPROTONOSUPPORT || final->error.sys == EOPNOTSUPP)) /* trying again would not help: somebody has to decide */
        final->values[FILL_HOLD_CODE] = HOLD_INPUT;
    if (generation == 0)
        final->values[FILL_PROCESSES] = 0;
    final->values[FILL_GENERATION] = generation;
    bool erase = !final->values[FILL_PROCESSES] && ad_bool(r->job, "EraseOutputAndErrorOnRestart", false);
    final->result = generation < 0 ? -1 : make_std(r, erase, &final->error);
    if (final->result == 0 && r->world && !final->values[FILL_PROCESSES])
        final->result = make_reaper(r, &final->error);
}
