/*
 * Removing without waiting. A job's directory and its checkpoints are renamed into jobs/.trash, which is quick; a child of low
 * priority removes them, one at a time, a moment later, so that the ends of many short jobs make one child. What a pool that
 * was killed leaves in the trash the next one removes; what a crash of the machine brings back from it, the sweep at the
 * start throws away again.
 *
 * Checkpoints that are pinned stay where they are, whatever becomes of their job. Those of a job that says keep_checkpoints are
 * pinned here, when it leaves: as long as its directory is there, this has not been done, so that a sweep does it then, and does
 * not pin again what somebody has unpinned since.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define TRASH ".trash"

enum { GATHER_US = 1000000, RETRY_US = 60000000, NAME_SIZE = 96 };

static void want_sweep(struct pool *p)
{
    if (!p->trash)
        p->trash_at_us = clock_boot_us() + GATHER_US;
    p->trash = true;
    pool_wake(p, p->trash_at_us);
}

/* Out of the way, or an error: then the caller removes it on the spot. */
static int set_aside(struct pool *p, const char *path, const char *job, char kind, struct error *err)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, TRASH "/%c.%s.%d.%d", kind, job, (int)getpid(), p->trash_count++);
    if (mkdirat(p->jobs_dir, TRASH, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make the trash");
    if (renameat(AT_FDCWD, path, p->jobs_dir, name) < 0)
        return errno == ENOENT ? 0 : error_sys(err, "cannot move '%s' into the trash", path);
    want_sweep(p);
    return 0;
}

/* ---- checkpoints that stay ---- */

struct past {
    struct pool *pool;
    bool keeps;
    int result;
    struct error *err;
};

static bool note_past(void *data, const struct queue_job *job)
{
    struct past *past = data;
    struct ad *full = NULL;
    past->result = queue_full_ad(past->pool->queue, job, &full, past->err);
    if (past->result == 0)
        past->keeps = ad_bool(full, "KeepCheckpoints", false);
    ad_free(full);
    return false;
}

static int keeps_checkpoints(struct pool *p, struct job_id id, bool *keeps, struct error *err)
{
    struct past past = { .pool = p, .err = err };
    struct queue_filter filter = { .id = id, .history = true, .limit = 1 };
    if (queue_each_job(p->queue, &filter, note_past, &past, err) < 0 || past.result < 0)
        return -1;
    *keeps = past.keeps;
    return 0;
}

/* Pins what is to be kept, and says whether anything is pinned. What can not be looked at is kept, too. */
static int pin_kept(struct pool *p, const char *name, bool keep, bool *pinned, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    *pinned = true;
    if (store_list(p->store, name, &generations, &count, err) < 0)
        return -1;
    *pinned = false;
    for (size_t i = 0; i < count; i++) {
        if (keep && !store_pinned(p->store, name, generations[i]) && store_pin(p->store, name, generations[i], true, err) < 0) {
            *pinned = true;
            return -1;
        }
        *pinned = *pinned || store_pinned(p->store, name, generations[i]);
    }
    return 0;
}

static int put_store(struct pool *p, struct job_id id, const char *name, bool leaves_now, struct error *err)
{
    auto_free char *store = mem_printf("%s/%s", p->store_path, name);
    bool pinned, keeps = false;
    if (access(store, F_OK) < 0 && errno == ENOENT)
        return 0;
    leaves_now = leaves_now || faccessat(p->jobs_dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (leaves_now && keeps_checkpoints(p, id, &keeps, err) < 0)
        return -1;
    if (pin_kept(p, name, keeps, &pinned, err) < 0)
        return -1;
    if (!pinned)
        upload_forget(p, name);
    if (!pinned)
        return set_aside(p, store, name, 's', err) < 0 ? store_remove(p->store, name, err) : 0;
    if (store_release(p->store, name, err) < 0)
        return -1;
    p->trash_all = true;
    want_sweep(p);
    return 0;
}

bool trash_keep(struct pool *p, struct job_id id)
{
    char name[JOB_ID_TEXT_MAX];
    struct error err;
    bool pinned;
    job_id_print(id, name);
    if (pin_kept(p, name, true, &pinned, &err) < 0)
        log_error("job %s: its checkpoints are kept for now: %s", name, err.text);
    return pinned;
}

void trash_put(struct pool *p, struct job_id id, bool leaves_now)
{
    char name[JOB_ID_TEXT_MAX];
    struct error err;
    job_id_print(id, name);
    auto_free char *job = mem_printf("%s/%s", p->jobs_path, name);
    if (put_store(p, id, name, leaves_now, &err) < 0)
        log_error("job %s: its checkpoints stay: %s", name, err.text);
    fault_point("pool.trash");
    if (set_aside(p, job, name, 'j', &err) < 0 && file_remove_tree(p->jobs_dir, name, &err) < 0)
        log_error("job %s: its directory stays: %s", name, err.text);
}

/* ---- the child ---- */

/* It must keep nothing of the pool's: not its lock, not its listening socket. Only the jobs' directory is left. */
static int keep_only(int dir)
{
    if (dup2(dir, 3) < 0 || close_range(4, ~0u, 0) < 0)
        return -1;
    return 3;
}

/* *stored: there were checkpoints in it. */
static int empty(int jobs_dir, bool *stored)
{
    struct error err;
    int fd = openat(jobs_dir, TRASH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int result = d || errno == ENOENT ? 0 : 1;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        *stored = *stored || e->d_name[0] == 's';
        if (file_remove_tree(fd, e->d_name, &err) < 0) {
            log_error("'%s' stays in the trash: %s", e->d_name, err.text);
            result = 1;
        }
    }
    return result;
}

/* A pack that several jobs share has its own name in the store as well: it goes only when nobody needs it any more. */
static int collect(const char *store_path)
{
    struct error err;
    struct store *store = NULL;
    int64_t freed;
    int result = store_open(store_path, &store, &err);
    if (result == 0)
        result = store_gc(store, &freed, NULL, &err);
    if (result < 0)
        log_error("what no checkpoint needs any more stays in the store: %s", err.text);
    store_close(store);
    return result < 0;
}

static void be_sweeper(const struct pool *p, pid_t pool)
{
    bool all = p->trash_all;
    sigset_t none;
    prctl(PR_SET_NAME, "stint-sweep");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpriority(PRIO_PROCESS, 0, 19);
    int dir = getppid() == pool ? keep_only(p->jobs_dir) : -1;
    int result = dir < 0 ? 1 : empty(dir, &all);
    if (dir >= 0 && all)
        result |= collect(p->store_path);
    if (dir >= 0)
        result |= images_sweep(p->dir_path, p->config.image_cache);
    _exit(result);
}

void trash_round(struct pool *p)
{
    if (!p->trash || p->sweeper)
        return;
    if (clock_boot_us() < p->trash_at_us) {
        pool_wake(p, p->trash_at_us);
        return;
    }
    pid_t pool = getpid(), pid = fork();
    if (pid == 0)
        be_sweeper(p, pool);
    p->trash_at_us = clock_boot_us() + RETRY_US;
    p->sweeper = pid > 0 ? pid : 0;
    p->trash = pid <= 0; /* what is put there from now on is the next one's */
    p->trash_all = p->trash_all && pid <= 0;
}

void trash_reaped(struct pool *p, pid_t pid, int status)
{
    if (pid != p->sweeper)
        return;
    p->sweeper = 0;
    p->trash = p->trash || status != 0;
    p->trash_all = p->trash_all || status != 0;
}
