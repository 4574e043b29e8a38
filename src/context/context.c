#include "context/context.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "context/jobroot.h"
#include "context/tree.h"
#include "context/world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_MAX_MS = 120000, END_MAX_MS = 60000 };

struct context {
    int line;
    pid_t root;
    pid_t program;       /* 0: not known yet, see find_program */
    pid_t first;         /* process 1 of the world, 0 without one */
    int first_fd, root_fd; /* pidfds, -1 without a world */
    int kills;             /* how often it was asked to kill all */
    int64_t off_us[2];   /* the world's clocks against the host's */
    struct identity owner;
    int cgroup_procs[2];
    int64_t started_us;
    bool over;
};

int context_adopt_orphans(struct error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return error_sys(err, "cannot become a subreaper");
    return 0;
}

struct reaping {
    pid_t root;
    const int *except;
    int count;
};

static void reap_one(void *data, pid_t pid)
{
    const struct reaping *r = data;
    bool ours = pid == r->root;
    for (int i = 0; i < r->count; i++)
        ours = ours || pid == r->except[i];
    if (!ours)
        waitpid(pid, NULL, WNOHANG); /* an error for those that are not our own children */
}

void context_reap(const struct context *c, const int *except, int count)
{
    struct reaping r = { .root = c ? c->root : 0, .except = except, .count = count };
    tree_each(getpid(), reap_one, &r);
}

/* What else ends meanwhile is reaped, too, see context_reap. */
static void wait_for_root(pid_t root)
{
    for (pid_t pid; (pid = waitpid(-1, NULL, 0)) != root;)
        if (pid < 0 && errno != EINTR)
            return;
}

/* The owner can stop the processes that build the world: then they are killed, and what is read is their end. */
static ssize_t await_start(const struct context *c, struct jobroot_message *message)
{
    struct pollfd p = { .fd = c->line, .events = POLLIN };
    int ready;
    do
        ready = poll(&p, 1, c->root_fd >= 0 ? START_MAX_MS : -1);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        kill(c->root, SIGKILL);
    ssize_t n;
    do
        n = recv(c->line, message, sizeof *message, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

int context_start(const struct context_spec *spec, struct context **out, struct error *err)
{
    int line[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
        return error_sys(err, "cannot make a socket pair");
    pid_t root = fork();
    if (root == 0)
        jobroot_run(spec, line[1]);
    close(line[1]);
    if (root < 0) {
        close(line[0]);
        return error_sys(err, "cannot fork");
    }
    struct context *c = mem_new(struct context);
    *c = (struct context){ .line = line[0], .root = root, .owner = spec->owner, .first_fd = -1, .root_fd = -1 };
    for (int i = 0; i < 2; i++)
        c->cgroup_procs[i] = spec->world && spec->world->restoring && spec->cgroup_procs[i] >= 0 ? fcntl(spec->cgroup_procs[i], F_DUPFD_CLOEXEC, 3) : -1;
    if (spec->world)
        c->root_fd = (int)syscall(SYS_pidfd_open, root, 0);
    struct jobroot_message message;
    ssize_t n = await_start(c, &message);
    if (n != (ssize_t)sizeof message || message.tiding == JOBROOT_FAILED) {
        if (n == (ssize_t)sizeof message)
            *err = message.error;
        else
            error_set(err, ERR_SYSTEM, "the job root died while it started the program");
        if (n != (ssize_t)sizeof message) { /* it may have started it: whatever there is is ours now */
            tree_kill_own();
            c->root = 0;
        }
        context_free(c);
        return -1;
    }
    if (spec->world) {
        c->first = message.pid;
        c->first_fd = (int)syscall(SYS_pidfd_open, message.pid, 0);
        memcpy(c->off_us, message.off_us, sizeof c->off_us);
    } else {
        c->program = message.pid;
    }
    c->started_us = message.started_us;
    *out = c;
    return 0;
}

int context_adopt(struct context *c, int root_pid, int last_pid, struct error *err)
{
    struct jobroot_request request = { .order = JOBROOT_ADOPT, .root = root_pid, .last = last_pid };
    if (send(c->line, &request, sizeof request, MSG_NOSIGNAL) < 0)
        return error_sys(err, "the job root does not answer");
    c->started_us = clock_boot_us();
    for (int i = 0; i < 2; i++)
        file_close(&c->cgroup_procs[i]);
    return 0;
}

int context_fd(const struct context *c)
{
    return c->line;
}

/* The number that a process has in its innermost namespace: the last one of "NSpid:" in its status. */
int context_inner_pid(int pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    char *line = strstr(text, "\nNSpid:");
    if (!line)
        return 0;
    line[1 + strcspn(line + 1, "\n")] = '\0';
    return (pid_t)strtol(strrchr(line, '\t') + 1, NULL, 10);
}

struct search {
    pid_t wanted, found;
};

static void look_for(void *data, pid_t pid)
{
    struct search *s = data;
    if (s->found == 0 && context_inner_pid(pid) == s->wanted)
        s->found = pid;
}

/* In a world the program has a fixed number; what the host calls it has to be looked for once. */
int context_pid(const struct context *c)
{
    struct search search = { .wanted = WORLD_PROGRAM };
    if (c->program == 0 && c->first > 0) {
        tree_each(c->first, look_for, &search);
        ((struct context *)c)->program = search.found;
    }
    return c->program;
}

void context_join_cgroups(const struct context *c)
{
    struct error ignored;
    for (int i = 0; i < 2; i++)
        if (c->cgroup_procs[i] >= 0)
            file_write_all(c->cgroup_procs[i], "0", 1, &ignored);
}

const struct identity *context_owner(const struct context *c)
{
    return &c->owner;
}

int context_first_fd(const struct context *c)
{
    return c->first_fd;
}

int context_first(const struct context *c)
{
    return c->first;
}

void context_clocks(const struct context *c, int64_t *monotonic_us, int64_t *boot_us)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *monotonic_us = (int64_t)now.tv_sec * CLOCK_SECOND_US + now.tv_nsec / 1000 + c->off_us[0];
    *boot_us = clock_boot_us() + c->off_us[1];
}

int context_open(const struct context *c, const char *path, struct error *err)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    auto_free char *outside = mem_printf("/proc/%d/root", (int)c->first);
    auto_close int root = open(outside, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || syscall(SYS_pidfd_send_signal, c->first_fd, 0, NULL, 0) < 0) /* it is still the one that has this number */
        return error_sys(err, "cannot look into the job's world");
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd >= 0 ? fd : error_sys(err, "cannot open '%s' of the job", path);
}

int64_t context_started_us(const struct context *c)
{
    return c->started_us;
}

static void signal_fd(int pidfd, int signal)
{
    if (pidfd >= 0)
        syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

/* The first process's end is that of all in its world, and comes after it. Then the job root has nothing left to do; both may have been
 * stopped by their owner. */
static void end_world(const struct context *c)
{
    struct pollfd p = { .fd = c->first_fd, .events = POLLIN };
    if (c->first_fd < 0) {
        signal_fd(c->root_fd, SIGKILL);
        return;
    }
    signal_fd(c->first_fd, SIGKILL);
    while (poll(&p, 1, END_MAX_MS) < 0 && errno == EINTR)
        ;
    signal_fd(c->root_fd, SIGKILL);
}

/* The job root was killed: its orphans are ours now, and go the same way. */
static void bury(struct context *c, struct context_exit *out)
{
    tree_kill_own();
    c->root = 0;
    *out = (struct context_exit){ .lost = true, .code = -1, .signal = SIGKILL, .boot_us = clock_boot_us() };
}

bool context_next(struct context *c, struct context_exit *out)
{
    struct jobroot_message message;
    ssize_t n = recv(c->line, &message, sizeof message, MSG_DONTWAIT);
    if (c->over || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return false;
    c->over = true;
    if (n != (ssize_t)sizeof message) {
        bury(c, out);
        return true;
    }
    end_world(c);
    wait_for_root(c->root);
    c->root = 0;
    *out = message.exit;
    return true;
}

static void order(struct context *c, enum jobroot_order order, int signal)
{
    struct jobroot_request request = { .order = order, .signal = signal };
    send(c->line, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void context_signal(struct context *c, int signal)
{
    order(c, JOBROOT_SIGNAL, signal);
}

/* Whoever sleeps in sigwait has, as long as it sleeps, neither a handler nor the signal blocked: the kernel takes it out of the
 * mask. Which signals it waits for can not be seen; that a program waits for a signal at all is taken as a sign. */
static bool awaits_signal(const struct context *c)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/syscall", context_pid(c));
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 && strtol(text, NULL, 10) == SYS_rt_sigtimedwait && text[0] >= '0' && text[0] <= '9';
}

/* SigBlk, SigIgn and SigCgt of /proc/PID/status are masks in hexadecimal, signal 1 the lowest bit. */
bool context_heeds(const struct context *c, int signal)
{
    static const char *const names[] = { "\nSigBlk:", "\nSigIgn:", "\nSigCgt:" };
    char path[64], text[4096];
    uint64_t mask = 0;
    snprintf(path, sizeof path, "/proc/%d/status", context_pid(c));
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return true; /* it is just ending: nothing to wait for */
    text[n] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *at = strstr(text, names[i]);
        if (at)
            mask |= strtoull(at + strlen(names[i]), NULL, 16);
    }
    return (mask >> (signal - 1) & 1) || awaits_signal(c);
}

void context_suspend(struct context *c)
{
    order(c, JOBROOT_STOP, 0);
}

void context_continue(struct context *c)
{
    order(c, JOBROOT_CONTINUE, 0);
}

void context_kill(struct context *c)
{
    signal_fd(c->root_fd, SIGCONT);
    signal_fd(c->first_fd, SIGCONT);
    order(c, JOBROOT_KILL, 0);
    if (c->kills++ == 0)
        return;
    signal_fd(c->root_fd, SIGKILL);
    signal_fd(c->first_fd, SIGKILL);
}

static void add_usage(void *data, pid_t pid)
{
    struct context_usage *sum = data;
    char path[64], text[1024];
    long pages_image = 0, pages_rss = 0;
    unsigned long user = 0, sys = 0, dead_user = 0, dead_sys = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    auto_close int statm = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = statm < 0 ? -1 : read(statm, text, sizeof text - 1);
    if (n <= 0)
        return;
    text[n] = '\0';
    sscanf(text, "%ld %ld", &pages_image, &pages_rss);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    auto_close int stat = open(path, O_RDONLY | O_CLOEXEC);
    n = stat < 0 ? -1 : read(stat, text, sizeof text - 1);
    if (n > 0) {
        text[n] = '\0';
        const char *after = strrchr(text, ')'); /* the name may hold anything */
        if (after)
            sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &user, &sys, &dead_user, &dead_sys);
    }
    long page_kb = sysconf(_SC_PAGESIZE) / 1024;
    int64_t tick_us = CLOCK_SECOND_US / sysconf(_SC_CLK_TCK);
    sum->image_kb += pages_image * page_kb;
    sum->rss_kb += pages_rss * page_kb;
    sum->user_us += (int64_t)(user + dead_user) * tick_us;
    sum->sys_us += (int64_t)(sys + dead_sys) * tick_us;
    sum->processes++;
}

void context_usage(const struct context *c, struct context_usage *out)
{
    *out = (struct context_usage){ 0 };
    if (c->first > 0) {
        tree_each(c->first, add_usage, out);
        out->processes -= out->processes > 0; /* the reaper is not the job's */
    } else if (c->root > 0) {
        tree_each(c->root, add_usage, out);
    }
}

void context_free(struct context *c)
{
    if (!c)
        return;
    for (int i = 0; i < 2; i++)
        file_close(&c->cgroup_procs[i]);
    file_close(&c->line); /* the job root takes this for our death, and kills the tree */
    end_world(c); /* in a world the kernel does */
    file_close(&c->root_fd);
    file_close(&c->first_fd);
    if (c->root > 0)
        wait_for_root(c->root);
    free(c);
}
