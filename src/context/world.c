/*
 * How a world is made, without any right. A process that makes a user namespace has all rights in it, and so may make the
 * others, mount, and set clocks. The owner is mapped to the owner: programs see the user's own name and files, and have
 * no right more than outside.
 *
 * The root is a small file system in memory in which the host's top-level directories (or a container's) are bound. The
 * stint's directory is reached as the working directory, which the kernel takes along into the new mount namespace: so it does
 * not matter whether the owner could get there by its path.
 *
 * Every mount that is not the job's is read-only. An overlay would let programs write anywhere, but CRIU can not resolve the
 * files that are mapped from one.
 */
#include "context/world.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "context/shared.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- rights ---- */

static int set_capabilities(uint32_t low, uint32_t high, uint32_t inherit_low, uint32_t inherit_high)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { low, low, inherit_low }, { high, high, inherit_high } };
    return (int)syscall(SYS_capset, &header, data);
}

int world_drop_rights(struct error *err)
{
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int c = 0; c <= CAP_LAST_CAP; c++)
        prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* fails for those that the kernel does not know */
    if (set_capabilities(0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_sys(err, "cannot drop the rights in the job's namespaces");
    return 0;
}

int world_keep_rights(struct error *err)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return error_sys(err, "cannot keep the rights in the job's namespaces");
    data[0].permitted &= ~(1u << CAP_SETUID | 1u << CAP_SETGID);
    if (set_capabilities(data[0].permitted, data[1].permitted, data[0].permitted, data[1].permitted) < 0)
        return error_sys(err, "cannot keep the rights in the job's namespaces");
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); /* or an owner who is root would have other rights than anybody else */
    for (int c = 0; c <= CAP_LAST_CAP; c++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0);
    return 0;
}

/* ---- namespaces ---- */

static int write_text(const char *path, const char *text, struct error *err)
{
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot open '%s'", path);
    ssize_t n = write(fd, text, strlen(text)); /* these take one write or none */
    return n == (ssize_t)strlen(text) ? 0 : error_sys(err, "cannot write '%s'", path);
}

static int write_of(pid_t pid, const char *name, const char *text, struct error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return write_text(path, text, err);
}

static int map_owner(pid_t pid, const struct identity *owner, struct error *err)
{
    char text[64];
    if (write_of(pid, "setgroups", "deny", err) < 0)
        return -1;
    snprintf(text, sizeof text, "%u %u 1", (unsigned)owner->uid, (unsigned)owner->uid);
    if (write_of(pid, "uid_map", text, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%u %u 1", (unsigned)owner->gid, (unsigned)owner->gid);
    return write_of(pid, "gid_map", text, err);
}

static int set_clocks(pid_t pid, const int64_t off_us[2], struct error *err)
{
    static const char *const names[] = { "monotonic", "boottime" };
    char text[96];
    for (int i = 0; i < 2; i++) {
        int64_t seconds = off_us[i] / CLOCK_SECOND_US - (off_us[i] % CLOCK_SECOND_US < 0);
        snprintf(text, sizeof text, "%s %lld %lld", names[i], (long long)seconds,
                 (long long)(off_us[i] - seconds * CLOCK_SECOND_US) * 1000);
        if (off_us[i] != 0 && write_of(pid, "timens_offsets", text, err) < 0)
            return -1;
    }
    return 0;
}

static int set_up(pid_t pid, const struct identity *owner, const int64_t off_us[2], struct error *err)
{
    return map_owner(pid, owner, err) < 0 ? -1 : set_clocks(pid, off_us, err);
}

/* A root that has become the owner has memory and descriptors that are not for the owner to see, and so must not have the mark
 * (dumpable) that the right to write one's own maps depends on. A child that stays root writes them. */
struct helper {
    pid_t pid;
    int go, answer; /* written to when the namespaces are there; what became of it */
};

static int start_helper(const struct context_spec *spec, const int64_t off_us[2], struct helper *h, struct error *err)
{
    int go[2], answer[2];
    pid_t parent = getpid();
    char byte;
    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    h->pid = fork();
    if (h->pid == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) == 1 && set_up(parent, &spec->owner, off_us, err) < 0 && write(answer[1], err, sizeof *err) < 0)
            _exit(1);
        _exit(0);
    }
    close(go[0]);
    close(answer[1]);
    h->go = go[1];
    h->answer = answer[0];
    return h->pid < 0 ? error_sys(err, "cannot fork") : 0;
}

static int use_helper(struct helper *h, struct error *err)
{
    ssize_t n = write(h->go, "", 1) == 1 ? read(h->answer, err, sizeof *err) : error_sys(err, "cannot write to a pipe");
    close(h->go);
    close(h->answer);
    while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return n == 0 ? 0 : -1;
}

pid_t world_fork(const struct context_spec *spec, const int64_t off_us[2], pid_t *host, struct error *err)
{
    const struct context_world *w = spec->world;
    int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWTIME;
    bool changes = geteuid() == 0 && spec->owner.uid != 0;
    struct helper helper = { 0 };
    if (fchdir(w->dir) < 0)
        return error_sys(err, "cannot enter the stint's directory");
    if (changes) {
        prctl(PR_SET_DUMPABLE, 0);
        if (start_helper(spec, off_us, &helper, err) < 0)
            return -1;
    }
    if (identity_become(&spec->owner, err) < 0)
        return -1;
    if (unshare(spaces | (w->own_network ? CLONE_NEWNET : 0)) < 0)
        return error_sys(err, "cannot make namespaces for the job (stint doctor says what to change)");
    if ((changes ? use_helper(&helper, err) : set_up(getpid(), &spec->owner, off_us, err)) < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return error_sys(err, "cannot fork");
    char text[32] = "";
    ssize_t n = pid == 0 ? readlink("/proc/self", text, sizeof text - 1) : 0; /* the host's /proc is still there */
    *host = n > 0 ? (pid_t)strtol(text, NULL, 10) : pid;
    return pid;
}

int world_next_pid(pid_t pid, struct error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid - 1);
    return write_text("/proc/sys/kernel/ns_last_pid", text, err);
}

/* ---- mounts; all names are relative to the stint's directory until the root is changed ---- */

static int mounted(int result, const char *what, struct error *err)
{
    return result < 0 ? error_sys(err, "cannot mount %s in the job's root", what) : 0;
}

static int make_place(const char *name, bool dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", name);
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    if (dir)
        return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    int reason = errno;
    if (fd >= 0 || access(path, F_OK) == 0)
        return 0;
    errno = reason;
    return -1;
}

static int make_read_only(const char *path, int recursive, struct error *err)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, recursive, &attr, sizeof attr) < 0)
        return error_sys(err, "cannot make '%s' read-only for the job", path);
    return 0;
}

/* The kernel refuses where parts of the host's /proc are covered by other mounts, as in most containers: a new one would show them. */
int world_mounts_proc(struct error *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return error_sys(err, "cannot mount /proc in a job's namespaces (in a container, nothing may be mounted over parts of /proc)");
    return 0;
}

/* What is bound read-only already gets no new names. */
static int no_place(const char *from, const char *to, bool dir, struct error *err)
{
    if (errno != EROFS)
        return error_sys(err, "cannot make a place for '%s' in the job's root", from);
    error_set(err, ERR_INVALID, "there is no '%s' here, which another is to be put over; make one (any %s does)", to + strlen("root"),
              dir ? "directory" : "file");
    err->sys = EOPNOTSUPP; /* here it does not go, but it may elsewhere */
    return -1;
}

/* A directory or file of the host at a place in the new root. */
static int bind_at(const char *from, const char *to, bool writable, struct error *err)
{
    struct stat st;
    if (stat(from, &st) < 0)
        return error_sys(err, "cannot find '%s' for the job", from);
    if (make_place(to, S_ISDIR(st.st_mode)) < 0)
        return no_place(from, to, S_ISDIR(st.st_mode), err);
    if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
        return error_sys(err, "cannot bind '%s' in the job's root", from);
    return writable ? 0 : make_read_only(to, AT_RECURSIVE, err);
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = { ".", "..", "proc", "sys", "dev", "tmp", "stint" };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(name, ours[i]) == 0)
            return true;
    return false;
}

/* One of the top-level entries. What can not be bound (an automount point, say) is left out. */
static int take_entry(int from, const char *from_path, const char *name, bool writable, struct error *err)
{
    char source[PATH_MAX], place[300], target[PATH_MAX];
    struct stat st;
    snprintf(source, sizeof source, "%s/%s", from_path, name);
    snprintf(place, sizeof place, "root/%s", name);
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(from, name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        return n > 0 && symlink(target, place) < 0 ? error_sys(err, "cannot make link '%s'", place) : 0;
    }
    if (!S_ISDIR(st.st_mode))
        return 0;
    struct error ignored;
    if (bind_at(source, place, writable, &ignored) < 0 && !writable)
        umount2(place, MNT_DETACH); /* better not there than writable */
    return 0;
}

static int take_root(const struct context_world *w, struct error *err)
{
    const char *path = w->root ? w->root : "";
    int fd = open(w->root ? w->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        file_close(&fd);
        return error_sys(err, "cannot open the root file system '%s'", w->root ? w->root : "/");
    }
    int result = 0;
    for (struct dirent *e; result == 0 && (e = readdir(d));)
        if (!is_ours(e->d_name))
            result = take_entry(dirfd(d), path, e->d_name, w->open_host && !w->root, err);
    closedir(d);
    return result;
}

static int make_devices(struct error *err)
{
    static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };
    static const char *const links[][2] = {
        { "/proc/self/fd", "root/dev/fd" }, { "/proc/self/fd/0", "root/dev/stdin" }, { "/proc/self/fd/1", "root/dev/stdout" },
        { "/proc/self/fd/2", "root/dev/stderr" }, { "pts/ptmx", "root/dev/ptmx" },
    };
    mkdir("root/dev", 0755);
    if (mounted(mount("dev", "root/dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"), "/dev", err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        char from[32], to[32];
        snprintf(from, sizeof from, "/dev/%s", devices[i]);
        snprintf(to, sizeof to, "root/dev/%s", devices[i]);
        if (bind_at(from, to, true, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i][0], links[i][1]) < 0)
            return error_sys(err, "cannot make '%s'", links[i][1]);
    mkdir("root/dev/pts", 0755);
    mkdir("root/dev/shm", 0755);
    if (mounted(mount("devpts", "root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"), "/dev/pts", err) < 0)
        return -1;
    return mounted(mount("shm", "root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"), "/dev/shm", err);
}

static int take_shared(struct error *err)
{
    auto_close int from = open("shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int to = open("root/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 || to < 0)
        return error_sys(err, "cannot open the shared memory of the job");
    return shared_fill(from, to, err);
}

/* The stint's directories at their fixed places. */
static int take_stint(const struct context_world *w, struct error *err)
{
    static const char *const places[][2] = {
        { "work", "root/stint/work" }, { "std", "root/stint/std" }, { "self", "root/stint/self" }, { "world", "root/stint/world" },
        { "images", "root/stint/images" },
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (bind_at(places[i][0], places[i][1], true, err) < 0)
            return -1;
    if (bind_at(w->open_host ? "/tmp" : "tmp", "root/tmp", true, err) < 0)
        return -1;
    if (!w->open_host && access("root/var/tmp", F_OK) == 0)
        return mounted(mount("tmp", "root/var/tmp", NULL, MS_BIND, NULL), "/var/tmp", err);
    return 0;
}

static int take_binds(const struct context_world *w, struct error *err)
{
    for (int i = 0; i < w->bind_count; i++) {
        const struct context_bind *b = &w->binds[i];
        char place[PATH_MAX];
        snprintf(place, sizeof place, "root%s", b->to);
        if (bind_at(b->from, place, b->writable, err) < 0)
            return -1;
    }
    return 0;
}

static int change_root(struct error *err)
{
    if (chdir("root") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return error_sys(err, "cannot change the job's root");
    return make_read_only("/", 0, err);
}

static int raise_loopback(struct error *err)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
    auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return error_sys(err, "cannot start the loopback network of the job");
    return 0;
}

int world_build(const struct context_spec *spec, struct error *err)
{
    const struct context_world *w = spec->world;
    mode_t before = umask(0);
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return error_sys(err, "cannot separate the job's mounts from the host's");
    if (mounted(mount("root", "root", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m"), "/", err) < 0 || take_root(w, err) < 0)
        return -1;
    mkdir("root/proc", 0755);
    if (mounted(mount("proc", "root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "/proc", err) < 0)
        return -1;
    if (bind_at("/sys", "root/sys", false, err) < 0 || make_devices(err) < 0 || take_shared(err) < 0 || take_stint(w, err) < 0 ||
        take_binds(w, err) < 0 || change_root(err) < 0)
        return -1;
    if (w->host_name && sethostname(w->host_name, strlen(w->host_name)) < 0)
        return error_sys(err, "cannot set the job's host name");
    if (w->own_network && raise_loopback(err) < 0)
        return -1;
    umask(before);
    return 0;
}
