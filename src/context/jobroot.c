/*
 * The job root: forked by the runner, not executed, so that it costs a few pages. It starts the program, waits for it, kills
 * whatever the program left behind, reports, and ends. If the line to the runner breaks, the runner is dead: the tree is
 * killed at once. Signals from terminals do not reach it: it leads a session of its own, and so does the program.
 */
#include "context/jobroot.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "context/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sorts the descriptors that stay and closes every range between them. */
static void close_all_but(int *keep, int count)
{
    int next = 3;
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && keep[j] < keep[j - 1]; j--) {
            int t = keep[j];
            keep[j] = keep[j - 1];
            keep[j - 1] = t;
        }
    for (int i = 0; i < count; i++) {
        if (keep[i] < next)
            continue;
        if (keep[i] > next)
            close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
        next = keep[i] + 1;
    }
    close_range((unsigned)next, ~0u, 0);
}

static int64_t time_us(struct timeval tv)
{
    return (int64_t)tv.tv_sec * CLOCK_SECOND_US + tv.tv_usec;
}

static int place_descriptors(const struct context_spec *spec, struct error *err)
{
    int std[3];
    for (int i = 0; i < 3; i++) /* above 2 first, so that no dup2 overwrites a source */
        if ((std[i] = fcntl(spec->std[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return error_sys(err, "cannot set up the program's descriptors");
    for (int i = 0; i < 3; i++)
        if (dup2(std[i], i) < 0)
            return error_sys(err, "cannot set up the program's descriptors");
    return 0;
}

static int enter_world(const struct context_spec *spec, struct error *err)
{
    struct error ignored;
    for (int i = 0; i < 2; i++)
        if (spec->cgroup_procs[i] >= 0)
            file_write_all(spec->cgroup_procs[i], "0", 1, &ignored); /* limits are a courtesy: not a reason to fail */
    if (setsid() < 0)
        return error_sys(err, "cannot make a session");
    if (fchdir(spec->dir) < 0)
        return error_sys(err, "cannot enter the working directory");
    if (place_descriptors(spec, err) < 0)
        return -1;
    if (identity_become(&spec->owner, err) < 0)
        return -1;
    return 0;
}

/* In the job's process. Returns only when it can not become the program. It dies with its job root: should the runner be killed
 * at the same moment, nobody else could know it yet. */
static void become_program(const struct context_spec *spec, pid_t root, struct error *err)
{
    sigset_t none;
    if (enter_world(spec, err) < 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of user, which would undo it */
    if (getppid() != root)
        _exit(125);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    (void)fault_point("context.exec");
    execve(spec->program, spec->argv, spec->envp);
    error_sys(err, "cannot execute '%s'", spec->program);
    err->kind = ERR_CHILD;
}

/* Forks the program; the close-on-exec pipe tells whether exec succeeded. */
static pid_t start_program(const struct context_spec *spec, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t root = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_program(spec, root, err);
        if (write(ends[1], err, sizeof *err) < 0)
            _exit(126);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = pid < 0 ? error_sys(err, "cannot fork") : read(ends[0], err, sizeof *err);
    close(ends[0]);
    (void)fault_point("context.forked");
    return n == 0 ? pid : -1;
}

static void obey(const struct jobroot_request *request, pid_t program)
{
    switch (request->order) {
    case JOBROOT_SIGNAL:
        kill(program, request->signal);
        break;
    case JOBROOT_STOP:
        tree_signal(getpid(), SIGSTOP);
        break;
    case JOBROOT_CONTINUE:
        tree_signal(getpid(), SIGCONT);
        break;
    case JOBROOT_KILL:
        tree_signal(getpid(), SIGKILL);
        break;
    }
}

/* Reaps; true when the program itself is among the dead. */
static bool reap(pid_t program, int *status)
{
    bool ended = false;
    int one;
    for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;) {
        if (pid != program)
            continue;
        *status = one;
        ended = true;
    }
    return ended;
}

/* Waits for the program's end; the runner's death comes to the same, by SIGKILL. */
static int watch_program(int line, int signals, pid_t program)
{
    int status = 0;
    for (;;) {
        struct pollfd fds[2] = { { .fd = line, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
        struct signalfd_siginfo info;
        struct jobroot_request request;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return SIGKILL;
        if (fds[1].revents && read(signals, &info, sizeof info) > 0 && reap(program, &status))
            return status;
        if (!fds[0].revents)
            continue;
        if (recv(line, &request, sizeof request, 0) != (ssize_t)sizeof request) {
            tree_kill_own();
            _exit(0);
        }
        obey(&request, program);
    }
}

static void report_exit(int line, int status)
{
    struct jobroot_message message = { .tiding = JOBROOT_EXITED };
    struct rusage usage;
    int64_t ended = clock_boot_us();
    tree_kill_own();
    getrusage(RUSAGE_CHILDREN, &usage);
    message.exit = (struct context_exit){
        .code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .boot_us = ended,
        .user_us = time_us(usage.ru_utime),
        .sys_us = time_us(usage.ru_stime),
        .max_rss_kb = usage.ru_maxrss,
    };
    send(line, &message, sizeof message, MSG_NOSIGNAL);
}

static int watch_children(void)
{
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

void jobroot_run(const struct context_spec *spec, int line)
{
    struct jobroot_message message = { .tiding = JOBROOT_STARTED };
    int keep[32];
    int count = 0;
    prctl(PR_SET_NAME, "stint-job-root");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setsid();
    for (int i = 0; i < spec->keep_count && count < 24; i++)
        keep[count++] = spec->keep[i];
    for (int i = 0; i < 3; i++)
        keep[count++] = spec->std[i];
    keep[count++] = spec->dir;
    keep[count++] = line;
    for (int i = 0; i < 2; i++)
        if (spec->cgroup_procs[i] >= 0)
            keep[count++] = spec->cgroup_procs[i];
    close_all_but(keep, count);
    int signals = watch_children();
    message.pid = signals < 0 ? error_sys(&message.error, "cannot make a signalfd") : start_program(spec, &message.error);
    message.started_us = clock_boot_us();
    if (message.pid < 0)
        message.tiding = JOBROOT_FAILED;
    send(line, &message, sizeof message, MSG_NOSIGNAL);
    if (message.pid > 0)
        report_exit(line, watch_program(line, signals, message.pid));
    _exit(0);
}
