#include "context/probe.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASKED_NUMBER = 1234, LAST_NUMBER = 4000 };

/* ---- in the children: the first failure is the answer ---- */

static int write_text(const char *path, const char *text, struct error *err)
{
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return error_sys(err, "cannot write '%s'", path);
    return 0;
}

static int enter_user(struct error *err)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER) < 0)
        return error_sys(err, "cannot make a user namespace");
    if (write_text("/proc/self/setgroups", "deny", err) < 0)
        return -1;
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (write_text("/proc/self/uid_map", map, err) < 0)
        return -1;
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    return write_text("/proc/self/gid_map", map, err);
}

static int enter_spaces(struct error *err)
{
    static const struct { int flag; const char *name; } spaces[] = {
        { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "process" }, { CLONE_NEWIPC, "IPC" }, { CLONE_NEWUTS, "UTS" }, { CLONE_NEWTIME, "time" },
    };
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if (unshare(spaces[i].flag) < 0)
            return error_sys(err, "cannot make a %s namespace", spaces[i].name);
    return 0;
}

static int make_mounts(struct error *err)
{
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_sys(err, "cannot make the mounts private");
    if (mount("stint", "/tmp", "tmpfs", MS_NOSUID, NULL) < 0)
        return error_sys(err, "cannot mount a tmpfs");
    if (mkdir("/tmp/usr", 0700) < 0 || mkdir("/tmp/proc", 0700) < 0 || mkdir("/tmp/pts", 0700) < 0)
        return error_sys(err, "cannot make a directory in a tmpfs");
    if (mount("/usr", "/tmp/usr", NULL, MS_BIND | MS_REC, NULL) < 0)
        return error_sys(err, "cannot bind '/usr'");
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/tmp/usr", AT_RECURSIVE, &read_only, sizeof read_only) < 0)
        return error_sys(err, "cannot make a bind read-only (mount_setattr)");
    if (mount("proc", "/tmp/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return error_sys(err, "cannot mount a proc file system of its own");
    if (mount("devpts", "/tmp/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666") < 0)
        return error_sys(err, "cannot mount a devpts file system of its own");
    return 0;
}

static int choose_numbers(struct error *err)
{
    pid_t number = ASKED_NUMBER;
    struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1 };
    char text[16];
    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (child == 0)
        _exit(0);
    if (child != ASKED_NUMBER)
        return error_sys(err, "cannot choose a process's number (clone3)");
    snprintf(text, sizeof text, "%d", LAST_NUMBER);
    return write_text("/proc/sys/kernel/ns_last_pid", text, err);
}

static int first_process(enum probe what, struct error *err)
{
    return what == PROBE_MOUNTS ? make_mounts(err) : what == PROBE_NUMBERS ? choose_numbers(err) : 0;
}

/* In a process namespace that was just made only children live. */
static int in_child(int (*run)(enum probe what, struct error *err), enum probe what, struct error *err)
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    auto_close int answer = ends[0];
    pid_t pid = fork();
    if (pid == 0) {
        struct error failure;
        bool failed = run(what, &failure) < 0;
        _exit(failed && write(ends[1], &failure, sizeof failure) < 0 ? 2 : failed);
    }
    close(ends[1]);
    if (pid < 0)
        return error_sys(err, "cannot fork");
    struct error failure;
    ssize_t n = read(answer, &failure, sizeof failure);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n == (ssize_t)sizeof failure) {
        *err = failure;
        return -1;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : error_set(err, ERR_CHILD, "a process that tried it died");
}

static int outer_process(enum probe what, struct error *err)
{
    if (enter_user(err) < 0)
        return -1;
    if (what == PROBE_USER)
        return 0;
    if (what == PROBE_NETWORK)
        return unshare(CLONE_NEWNET) < 0 ? error_sys(err, "cannot make a network namespace") : 0;
    if (enter_spaces(err) < 0)
        return -1;
    return in_child(first_process, what, err);
}

int probe_try(enum probe what, struct error *err)
{
    return in_child(outer_process, what, err);
}

/* ---- the rest ---- */

/* Linux 6.7, which the headers need not know. */
struct pagemap_scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, returned;
};

bool probe_pagemap_scan(void)
{
    static char page[4096] __attribute__((aligned(4096)));
    struct pagemap_scan ask = { .size = sizeof ask, .start = (uintptr_t)page, .end = (uintptr_t)page + sizeof page };
    auto_close int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && ioctl(fd, _IOWR('f', 16, struct pagemap_scan), &ask) >= 0;
}

bool probe_reflink(int dir)
{
    auto_close int from = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    auto_close int to = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return from >= 0 && to >= 0 && write(from, "x", 1) == 1 && ioctl(to, FICLONE, from) == 0;
}
