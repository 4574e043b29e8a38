#include "context/context.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "context/jobroot.h"
#include "context/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct context {
    int line;
    pid_t root;
    pid_t program;
    int64_t started_us;
    bool over;
};

int context_adopt_orphans(struct error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return error_sys(err, "cannot become a subreaper");
    return 0;
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
    *c = (struct context){ .line = line[0], .root = root };
    struct jobroot_message message;
    ssize_t n;
    do
        n = recv(c->line, &message, sizeof message, 0);
    while (n < 0 && errno == EINTR);
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
    c->program = message.pid;
    c->started_us = message.started_us;
    *out = c;
    return 0;
}

int context_fd(const struct context *c)
{
    return c->line;
}

int context_pid(const struct context *c)
{
    return c->program;
}

int64_t context_started_us(const struct context *c)
{
    return c->started_us;
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
    waitpid(c->root, NULL, 0);
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
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)c->program);
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
    snprintf(path, sizeof path, "/proc/%d/status", (int)c->program);
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
    order(c, JOBROOT_KILL, 0);
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
    if (c->root > 0)
        tree_each(c->root, add_usage, out);
}

void context_free(struct context *c)
{
    if (!c)
        return;
    file_close(&c->line); /* the job root takes this for our death, and kills the tree */
    if (c->root > 0)
        waitpid(c->root, NULL, 0);
    free(c);
}
