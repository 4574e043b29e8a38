/* Runners on this machine: children of the pool that outlive it. */
#include "backend/backend.h"

#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static struct rlimit descriptors_before;

void backend_raise_descriptors(void)
{
    struct rlimit limit;
    if (descriptors_before.rlim_max > 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    descriptors_before = limit;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Not made durable: a machine that crashes takes the runner with it, and the pool writes the grant anew for each. */
static int write_grant(int job_dir, const struct ad *grant, struct error *err)
{
    auto_buf struct buf text = { 0 };
    ad_print_json(grant, &text);
    auto_close int fd = openat(job_dir, ".grant.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fault_point("pool.grant.write") < 0)
        return error_sys(err, "cannot write the grant");
    if (file_write_all(fd, buf_cstr(&text), text.len, err) < 0)
        return error_wrap(err, "the grant");
    if (renameat(job_dir, ".grant.tmp", job_dir, "grant") < 0)
        return error_sys(err, "cannot place the grant");
    return 0;
}

static int spawn(const struct backend_job *job, int line, struct error *err)
{
    char number[16];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    snprintf(number, sizeof number, "%d", line);
    char *const argv[] = { "stint-runner", (char *)job->job_path, (char *)job->store_path, number, NULL };
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, job->log, 1);
    posix_spawn_file_actions_adddup2(&actions, job->log, 2);
    posix_spawn_file_actions_adddup2(&actions, line, line); /* the same number twice clears close-on-exec */
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    int result = posix_spawn(&pid, job->runner, &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (result == 0 && descriptors_before.rlim_max > 0) /* not before the spawn: `line` may lie above the old limit */
        prlimit(pid, RLIMIT_NOFILE, &descriptors_before, NULL);
    if (result == 0)
        return 0;
    errno = result;
    return error_sys(err, "cannot start '%s'", job->runner);
}

int backend_start(const struct backend_job *job, const struct ad *grant, int *line, struct error *err)
{
    int ends[2];
    if (write_grant(job->job_dir, grant, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_sys(err, "cannot make a socket pair");
    int result = spawn(job, ends[1], err);
    close(ends[1]);
    if (result < 0) {
        close(ends[0]);
        return -1;
    }
    *line = ends[0];
    return 0;
}

int backend_reach(const struct backend_job *job, int *line, struct error *err)
{
    int fd = file_connect(job->job_dir, "runner.sock", err);
    if (fd >= 0) {
        *line = fd;
        return 0;
    }
    return err->sys == ENOENT || err->sys == ECONNREFUSED ? BACKEND_GONE : -1;
}

void backend_order(int line, const struct ad *order)
{
    auto_buf struct buf text = { 0 };
    ad_print_json(order, &text);
    buf_char(&text, '\n');
    if (send(line, buf_cstr(&text), text.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)text.len)
        shutdown(line, SHUT_RDWR); /* a runner that does not listen: the order is repeated on the next line */
}

bool backend_alive(const struct backend_job *job, int *lock)
{
    auto_close int fd = openat(job->job_dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return true;
    *lock = steal_fd(&fd);
    return false;
}
