#include "context/inside.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int inside_open(const char *what);

bool inside_differs(pid_t pid, const char *name)
{
    char path[64], own[64], other[64];
    snprintf(path, sizeof path, "/proc/self/ns/%.20s", name);
    ssize_t own_len = readlink(path, own, sizeof own);
    snprintf(path, sizeof path, "/proc/%d/ns/%.20s", (int)pid, name);
    ssize_t other_len = readlink(path, other, sizeof other);
    return own_len > 0 && other_len > 0 && (own_len != other_len || memcmp(own, other, (size_t)own_len) != 0);
}

/* ---- the child ---- */

static int send_descriptor(int line, int fd)
{
    char room[CMSG_SPACE(sizeof fd)] = { 0 }, byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(line, &message, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

/* Between fork and exit nothing is allocated; the exit code is the errno. */
static int enter_and_open(pid_t pid, bool user_too, int type, inside_open *open_it, const char *what, int line)
{
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0 || setns(process, type | (user_too ? CLONE_NEWUSER : 0)) < 0)
        return errno;
    int fd = open_it(what);
    return fd < 0 ? errno : send_descriptor(line, fd);
}

/* ---- the parent ---- */

static int receive_descriptor(int line)
{
    int fd = -1;
    char room[CMSG_SPACE(sizeof fd)] = { 0 }, byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    ssize_t n;
    do
        n = recvmsg(line, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static int open_by_child(pid_t pid, int type, inside_open *open_it, const char *what)
{
    int pair[2], status;
    bool user_too = inside_differs(pid, "user");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    auto_close int line = pair[0];
    pid_t child = fork();
    if (child == 0)
        _exit(enter_and_open(pid, user_too, type, open_it, what, pair[1]));
    close(pair[1]);
    if (child < 0)
        return -1;
    int fd = receive_descriptor(line);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd < 0)
        errno = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EIO;
    return fd;
}

static int open_diag(const char *what)
{
    (void)what;
    return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static int open_sysvipc(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/sysvipc/%.20s", name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int inside_diag(pid_t pid, struct error *err)
{
    int fd = inside_differs(pid, "net") ? open_by_child(pid, CLONE_NEWNET, open_diag, NULL) : open_diag(NULL);
    return fd >= 0 ? fd : error_sys(err, "cannot ask for the sockets of process %d's network namespace", (int)pid);
}

int inside_sysvipc(pid_t pid, const char *name, struct error *err)
{
    int fd = inside_differs(pid, "ipc") ? open_by_child(pid, CLONE_NEWIPC, open_sysvipc, name) : open_sysvipc(name);
    return fd >= 0 ? fd : error_sys(err, "cannot read '/proc/sysvipc/%s' of process %d", name, (int)pid);
}
