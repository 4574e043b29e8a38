/*
 * Removing without waiting. A job's directory and its checkpoints are renamed into jobs/.trash, which is quick; a child of low
 * priority removes them, one at a time, a moment later, so that the ends of many short jobs make one child. What a pool that
 * was killed leaves in the trash the next one removes; what a crash of the machine brings back from it, the sweep at the
 * start throws away again.
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

/* Out of the way, or an error: then the caller removes it on the spot. */
static int set_aside(struct pool *p, const char *path, const char *job, char kind, struct error *err)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, TRASH "/%c.%s.%d.%d", kind, job, (int)getpid(), p->trash_count++);
    if (mkdirat(p->jobs_dir, TRASH, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make the trash");
    if (renameat(AT_FDCWD, path, p->jobs_dir, name) < 0)
        return errno == ENOENT ? 0 : error_sys(err, "cannot move '%s' into the trash", path);
    if (!p->trash)
        p->trash_at_us = clock_boot_us() + GATHER_US;
    p->trash = true;
    pool_wake(p, p->trash_at_us);
    return 0;
}

void trash_put(struct pool *p, struct job_id id)
{
    char name[JOB_ID_TEXT_MAX];
    struct error err;
    job_id_print(id, name);
    auto_free char *store = mem_printf("%s/%s", p->store_path, name);
    auto_free char *job = mem_printf("%s/%s", p->jobs_path, name);
    if (set_aside(p, store, name, 's', &err) < 0 && store_remove(p->store, name, &err) < 0)
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

static void empty(int jobs_dir)
{
    struct error err;
    int fd = openat(jobs_dir, TRASH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int result = d ? 0 : 1;
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && file_remove_tree(fd, e->d_name, &err) < 0) {
            log_error("'%s' stays in the trash: %s", e->d_name, err.text);
            result = 1;
        }
    _exit(result);
}

static void be_sweeper(pid_t pool, int jobs_dir)
{
    sigset_t none;
    prctl(PR_SET_NAME, "stint-sweep");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpriority(PRIO_PROCESS, 0, 19);
    int dir = getppid() == pool ? keep_only(jobs_dir) : -1;
    if (dir >= 0)
        empty(dir);
    _exit(1);
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
        be_sweeper(pool, p->jobs_dir);
    p->trash_at_us = clock_boot_us() + RETRY_US;
    p->sweeper = pid > 0 ? pid : 0;
    p->trash = pid <= 0; /* what is put there from now on is the next one's */
}

void trash_reaped(struct pool *p, pid_t pid, int status)
{
    if (pid != p->sweeper)
        return;
    p->sweeper = 0;
    p->trash = p->trash || status != 0;
}
