/*
 * The job root: forked by the runner, not executed, so that it costs a few pages. It starts the program, waits for it, kills
 * whatever the program left behind, reports, and ends. If the line to the runner breaks, the runner is dead: the tree is
 * killed at once. Signals from terminals do not reach it: it leads a session of its own, and so does the program.
 */
#include "context/jobroot.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "context/tree.h"
#include "context/world.h"

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
#include <time.h>
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

static void join_cgroups(const struct context_spec *spec)
{
    struct error ignored;
    for (int i = 0; i < 2; i++)
        if (spec->cgroup_procs[i] >= 0)
            file_write_all(spec->cgroup_procs[i], "0", 1, &ignored); /* limits are a courtesy: not a reason to fail */
}

static int set_up(const struct context_spec *spec, struct error *err)
{
    join_cgroups(spec);
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
    if (set_up(spec, err) < 0)
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

/* ---- with a world ---- */

/* Opened in the world, for a descriptor from elsewhere could not be checkpointed. */
static int open_std(const struct context_world *w, struct error *err)
{
    int std[3] = { open("/stint/std/stdin", O_RDONLY | O_NONBLOCK | O_NOFOLLOW) };
    if (std[0] < 0)
        std[0] = open("/dev/null", O_RDONLY);
    std[1] = open("/stint/std/stdout", O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    std[2] = open(w->shared_output ? "/stint/std/stdout" : "/stint/std/stderr", O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    for (int i = 0; i < 3; i++) {
        struct stat st;
        if (std[i] < 0 || fstat(std[i], &st) < 0)
            return error_sys(err, "cannot open the program's standard files");
        if (i > 0 && !S_ISREG(st.st_mode))
            return error_set(err, ERR_INVALID, "the program's standard output is no file any more");
        fcntl(std[i], F_SETFL, i > 0 ? O_APPEND : 0); /* it was opened so that a FIFO does not block */
    }
    for (int i = 0; i < 3; i++)
        std[i] = fcntl(std[i], F_DUPFD_CLOEXEC, 4); /* out of the way of what comes */
    for (int i = 0; i < 3; i++)
        if (std[i] < 0 || dup2(std[i], i) < 0)
            return error_sys(err, "cannot set up the program's descriptors");
    return 0;
}

/* In the reaper's process; returns only on failure. The program's number is the one after the reaper's. */
static void become_reaper(const struct context_spec *spec, int report, struct error *err)
{
    const struct context_world *w = spec->world;
    size_t count = 0;
    while (spec->argv[count])
        count++;
    auto_free char **argv = mem_zero(count + 3, sizeof *argv);
    argv[0] = (char *)"stint-reaper";
    argv[1] = (char *)spec->program;
    memcpy(argv + 2, spec->argv, count * sizeof *argv);
    if (setsid() < 0 || chdir(w->work ? w->work : "/stint/work") < 0) {
        error_sys(err, "cannot enter the working directory");
        return;
    }
    auto_close int held = fcntl(report, F_DUPFD, 64);
    if (open_std(w, err) < 0 || world_drop_rights(err) < 0)
        return;
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    umask(022);
    if (dup2(held, 3) < 0)
        return;
    close_range(4, ~0u, CLOSE_RANGE_CLOEXEC);
    (void)fault_point("context.exec");
    execve("/stint/world/reaper", argv, spec->envp);
    error_sys(err, "cannot execute the job's reaper");
    if (write(3, &err->sys, sizeof err->sys) < 0)
        _exit(126);
    _exit(127);
}

/* The reaper says nothing when the program was executed, or why it was not. */
static pid_t start_reaper(const struct context_spec *spec, struct error *err)
{
    int ends[2], failed = 0;
    if (world_next_pid(WORLD_REAPER, err) < 0)
        return -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        become_reaper(spec, ends[1], err);
        if (write(ends[1], &err->sys, sizeof err->sys) < 0)
            _exit(126);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = pid < 0 ? error_sys(err, "cannot fork") : read(ends[0], &failed, sizeof failed);
    close(ends[0]);
    (void)fault_point("context.forked");
    if (n == 0)
        return pid == WORLD_REAPER ? pid : error_set(err, ERR_SYSTEM, "the job's first process got a number that was not meant for it");
    if (pid > 0) {
        errno = failed;
        error_sys(err, "cannot execute '%s'", spec->program);
        err->kind = ERR_CHILD;
    }
    return -1;
}

/* ---- both ---- */

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

struct jobroot {
    int line, signals;
    bool world;    /* the calling process is the first of a world: it reaches all others by kill(-1) */
    bool adopted;  /* the program's end counts */
    bool ended;
    pid_t program; /* in a world the reaper, which ends as the program ends */
    int status;
    int64_t boot_off_us; /* this process's clock against the host's */
};

static void signal_all(const struct jobroot *j, int signal)
{
    if (j->world)
        kill(-1, signal);
    else
        tree_signal(getpid(), signal);
}

static void kill_all(const struct jobroot *j)
{
    if (!j->world) {
        tree_kill_own();
        return;
    }
    kill(-1, SIGKILL); /* nobody escapes it: a fork under way fails */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* A tree that was brought back is complete now. One that has died meanwhile ends at once. */
static void adopt(struct jobroot *j, const struct jobroot_request *request)
{
    struct error ignored;
    j->adopted = true;
    j->program = request->root;
    world_next_pid(request->last + 1, &ignored);
    if (!j->ended && kill(j->program, 0) < 0) {
        j->ended = true;
        j->status = SIGKILL;
    }
}

static void reap(struct jobroot *j);

/* Whatever the program was taken for: nothing is left of it. */
static void end_killed(struct jobroot *j)
{
    reap(j);
    if (!j->ended)
        j->status = SIGKILL;
    j->ended = j->adopted = true;
}

static void obey(struct jobroot *j, const struct jobroot_request *request)
{
    switch (request->order) {
    case JOBROOT_SIGNAL:
        kill(j->world && j->program == WORLD_REAPER ? WORLD_PROGRAM : j->program, request->signal);
        break;
    case JOBROOT_STOP:
        signal_all(j, SIGSTOP);
        break;
    case JOBROOT_CONTINUE:
        signal_all(j, SIGCONT);
        break;
    case JOBROOT_KILL:
        signal_all(j, SIGKILL);
        if (j->world)
            end_killed(j);
        break;
    case JOBROOT_ADOPT:
        adopt(j, request);
        break;
    }
}

static void reap(struct jobroot *j)
{
    int one;
    for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;) {
        if (pid != j->program)
            continue;
        j->status = one;
        j->ended = true;
    }
}

/* Waits for the program's end; the runner's death comes to the same, by SIGKILL. */
static void watch_program(struct jobroot *j)
{
    int line = j->line, signals = j->signals;
    while (!j->ended || !j->adopted) {
        struct pollfd fds[2] = { { .fd = line, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
        struct signalfd_siginfo info;
        struct jobroot_request request;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents && read(signals, &info, sizeof info) > 0)
            reap(j);
        if (!fds[0].revents)
            continue;
        if (recv(line, &request, sizeof request, 0) != (ssize_t)sizeof request) {
            kill_all(j);
            _exit(0);
        }
        obey(j, &request);
    }
}

static void report_exit(const struct jobroot *j)
{
    struct jobroot_message message = { .tiding = JOBROOT_EXITED };
    struct rusage usage;
    int64_t ended = clock_boot_us() - j->boot_off_us;
    kill_all(j);
    getrusage(RUSAGE_CHILDREN, &usage);
    message.exit = (struct context_exit){
        .code = WIFEXITED(j->status) ? WEXITSTATUS(j->status) : -1,
        .signal = WIFSIGNALED(j->status) ? WTERMSIG(j->status) : 0,
        .boot_us = ended,
        .user_us = time_us(usage.ru_utime),
        .sys_us = time_us(usage.ru_stime),
        .max_rss_kb = usage.ru_maxrss,
    };
    send(j->line, &message, sizeof message, MSG_NOSIGNAL);
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

static void keep_only(const struct context_spec *spec, int line)
{
    int keep[32];
    int count = 0;
    for (int i = 0; i < spec->keep_count && count < 20; i++)
        keep[count++] = spec->keep[i];
    for (int i = 0; i < 3; i++)
        keep[count++] = spec->std[i];
    keep[count++] = spec->dir;
    keep[count++] = line;
    if (spec->world)
        keep[count++] = spec->world->dir;
    for (int i = 0; i < 2; i++)
        if (spec->cgroup_procs[i] >= 0)
            keep[count++] = spec->cgroup_procs[i];
    close_all_but(keep, count);
}

/* Everything from here on happens in the world's first process. The job root itself waits for it, and keeps the lock until
 * the kernel has killed the last process of the world: the first one's descriptors are closed before that. */
static int leave_host(const struct context_spec *spec, const int64_t off_us[2], pid_t *host, struct error *err)
{
    join_cgroups(spec);
    pid_t first = world_fork(spec, off_us, host, err);
    if (first > 0) {
        while (waitpid(first, NULL, 0) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    if (first < 0)
        return -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "stint-first");
    return world_build(spec, err);
}

static int64_t offset_us(clockid_t clock, int64_t wanted_us)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return wanted_us < 0 ? 0 : wanted_us - ((int64_t)now.tv_sec * CLOCK_SECOND_US + now.tv_nsec / 1000);
}

void jobroot_run(const struct context_spec *spec, int line)
{
    struct jobroot_message message = { .tiding = JOBROOT_STARTED };
    struct jobroot j = { .line = line, .world = spec->world != NULL, .adopted = true };
    struct error *err = &message.error;
    prctl(PR_SET_NAME, "stint-job-root");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setsid();
    keep_only(spec, line);
    j.signals = watch_children();
    int result = j.signals < 0 ? error_sys(err, "cannot make a signalfd") : 0;
    if (result == 0 && j.world) {
        message.off_us[0] = offset_us(CLOCK_MONOTONIC, spec->world->monotonic_us);
        message.off_us[1] = offset_us(CLOCK_BOOTTIME, spec->world->boot_us);
        j.boot_off_us = message.off_us[1];
        result = leave_host(spec, message.off_us, &message.pid, err);
    }
    if (result == 0 && j.world) {
        j.adopted = !spec->world->restoring;
        j.program = j.adopted ? start_reaper(spec, err) : spec->world->root_pid > 0 ? spec->world->root_pid : WORLD_REAPER;
    } else if (result == 0) {
        message.pid = j.program = start_program(spec, err);
    }
    message.started_us = clock_boot_us() - j.boot_off_us;
    if (result < 0 || j.program < 0)
        message.tiding = JOBROOT_FAILED;
    send(line, &message, sizeof message, MSG_NOSIGNAL);
    if (message.tiding == JOBROOT_STARTED) {
        watch_program(&j);
        report_exit(&j);
    }
    _exit(0);
}
