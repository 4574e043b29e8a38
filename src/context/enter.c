/*
 * Running a program in a job's world from outside: a child becomes the owner, joins the namespaces of the world's first process,
 * and has a child there, which is executed with all rights in the world.
 *
 * The child waits for its child, so that whoever called sees how that ended, and can kill it by killing the child. It does not die
 * with the caller: what it runs may hold the job's processes stopped, and must come to an end by itself.
 */
#include "base/file.h"
#include "context/world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A root becomes the owner only inside: outside it would lose the right to enter. It cannot be looked into by the owner then, which
 * its memory of the store asks for. */
static int join(const struct context *context, struct error *err)
{
    const struct identity *owner = context_owner(context);
    int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWTIME | CLONE_NEWNET;
    int pidfd = context_first_fd(context);
    if (getuid() == 0 && owner->uid != 0)
        prctl(PR_SET_DUMPABLE, 0); /* in the owner's namespace the owner could look into this process otherwise */
    context_join_cgroups(context);
    if (identity_become_groups(owner, err) < 0)
        return -1;
    if (setns(pidfd, spaces) < 0) {
        /* A network namespace that is the host's can not be joined, and need not be. */
        if (errno != EPERM || setns(pidfd, spaces & ~CLONE_NEWNET) < 0)
            return error_sys(err, "cannot enter the job's namespaces");
    }
    return identity_become_user(owner, err);
}

static void place(const int *fds, int count)
{
    int high[16];
    for (int i = 0; i < count; i++)
        high[i] = fcntl(fds[i], F_DUPFD, 64);
    for (int i = 0; i < count; i++)
        dup2(high[i], 3 + i);
    close_range((unsigned)(3 + count), ~0u, 0);
}

static void run(const char *const *argv, const char *const *envp, const int *fds, int fd_count)
{
    struct error err;
    sigset_t none;
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    setsid();
    place(fds, fd_count);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (world_keep_rights(&err) == 0)
        execve(argv[0], (char *const *)argv, (char *const *)envp);
    _exit(127);
}

static volatile pid_t waited_for;

static void pass_on(int signal)
{
    (void)signal;
    kill(waited_for, SIGKILL);
}

static void stay_outside(pid_t inside)
{
    int status = 0;
    waited_for = inside;
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = pass_on }, NULL);
    close_range(0, ~0u, 0);
    while (waitpid(inside, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status)) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

pid_t context_spawn(const struct context *context, const char *const *argv, const char *const *envp, const int *fds, int fd_count,
                    struct error *err)
{
    int ends[2];
    if (fd_count > 16)
        return error_set(err, ERR_LIMIT, "too many descriptors for a program in the job's world");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        pid_t inside = join(context, err) < 0 ? -1 : fork();
        if (inside == 0) {
            close(ends[1]);
            run(argv, envp, fds, fd_count);
        }
        if (inside < 0 && write(ends[1], err, sizeof *err) < 0)
            _exit(126);
        if (inside < 0)
            _exit(127);
        stay_outside(inside);
    }
    close(ends[1]);
    ssize_t n = pid < 0 ? error_sys(err, "cannot fork") : read(ends[0], err, sizeof *err);
    close(ends[0]);
    if (n == 0)
        return pid;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return -1;
}

int context_world_possible(const struct identity *owner, struct error *err)
{
    struct context_world world = { .monotonic_us = -1, .boot_us = -1 };
    struct context_spec spec = { .world = &world, .owner = *owner };
    const int64_t off_us[2] = { 0, 0 };
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        pid_t host;
        ends[1] = dup2(ends[1], 3);
        close_range(4, ~0u, 0); /* what is the runner's is not for a process that becomes the owner */
        world.dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        pid_t first = world_fork(&spec, off_us, &host, err);
        if (first == 0 && world_mounts_proc(err) == 0)
            _exit(0);
        if (first <= 0 && write(ends[1], err, sizeof *err) < 0)
            _exit(126);
        if (first > 0)
            waitpid(first, NULL, 0);
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = pid < 0 ? error_sys(err, "cannot fork") : read(ends[0], err, sizeof *err);
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return n == 0 ? 0 : -1;
}
