#include "engine/criu_birth.h"

#include "base/file.h"
#include "context/context.h"
#include "context/tree.h"
#include "engine/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void first_of(void *data, pid_t pid)
{
    pid_t *first = data;
    if (!*first)
        *first = pid;
}

static int wait_stop(pid_t pid, int *status)
{
    while (waitpid(pid, status, __WALL) < 0)
        if (errno != EINTR)
            return -1;
    return WIFSTOPPED(*status) ? 0 : -1;
}

static bool make_subreaper(pid_t pid)
{
    static const long args[6] = { PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0 };
    struct inject inject;
    struct error err;
    long result = -1;
    if (inject_begin(&inject, pid, &err) < 0)
        return false;
    int called = inject_call(&inject, SYS_prctl, args, &result, &err);
    inject_end(&inject);
    return called == 0 && result == 0;
}

/* CRIU has a child, which is stopped before its first instruction. True when it was the one. */
static bool look_at_child(pid_t criu, pid_t root, bool *well)
{
    unsigned long child = 0;
    int status;
    if (ptrace(PTRACE_GETEVENTMSG, criu, NULL, &child) < 0 || wait_stop((pid_t)child, &status) < 0)
        return false;
    bool it_is = context_inner_pid((int)child) == root;
    if (it_is)
        *well = make_subreaper((pid_t)child);
    ptrace(PTRACE_DETACH, (pid_t)child, NULL, NULL);
    return it_is;
}

static bool attend(pid_t criu, pid_t root)
{
    bool well = false;
    for (int status; wait_stop(criu, &status) == 0;) {
        int event = status >> 16, signal = WSTOPSIG(status);
        bool birth = event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE;
        if (birth && look_at_child(criu, root, &well)) {
            ptrace(PTRACE_DETACH, criu, NULL, NULL);
            return well;
        }
        ptrace(PTRACE_CONT, criu, NULL, (void *)(long)(event ? 0 : signal));
    }
    return false;
}

static _Noreturn void attendant_main(pid_t criu, pid_t root, int ready)
{
    long births = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_SEIZE, criu, NULL, (void *)births) < 0 || write(ready, "r", 1) != 1)
        _exit(1);
    close(ready);
    _exit(attend(criu, root) ? 0 : 1);
}

int criu_birth_attend(pid_t outer, pid_t root, pid_t *attendant, struct error *err)
{
    pid_t criu = 0;
    int ends[2];
    char byte;
    tree_each(outer, first_of, &criu);
    if (!criu)
        return error_set(err, ERR_CHILD, "CRIU has ended");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    *attendant = fork();
    if (*attendant == 0) {
        close(ends[0]);
        attendant_main(criu, root, ends[1]);
    }
    close(ends[1]);
    ssize_t n = *attendant < 0 ? -1 : read(ends[0], &byte, 1);
    close(ends[0]);
    if (n == 1)
        return 0;
    struct error ignored;
    if (*attendant > 0)
        criu_birth_end(*attendant, &ignored);
    *attendant = 0;
    return error_set(err, ERR_SYSTEM, "cannot watch CRIU at its work");
}

int criu_birth_end(pid_t attendant, struct error *err)
{
    int status = 0;
    if (attendant <= 0)
        return 0;
    while (waitpid(attendant, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, "cannot wait");
    return status == 0 ? 0 : error_set(err, ERR_SYSTEM, "the first process could not be made the one that inherits orphans");
}
