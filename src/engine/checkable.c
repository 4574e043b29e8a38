/*
 * The report is made of a walk over the tree: first the list of its processes, then each one's status, namespaces, mappings and
 * descriptors, at last what belongs to the tree as a whole (sockets, whose other end may be anywhere in it, SysV objects, leases).
 * A process that ends meanwhile is no error: what cannot be read because it is gone is not there.
 *
 * Threads share mappings and descriptors with their process; of each only the status is read, because a thread can have a filter or
 * a tracer of its own. So 200 processes with 1,000 threads cost some ten milliseconds.
 *
 * What is not looked for, because it was tried and comes back: threads, timers, signals, epoll, eventfd, timerfd, signalfd, pidfd,
 * fanotify groups, ptys, pipes with data, memfd with seals, locks, small removed files, removed directories, stopped processes,
 * zombies, netlink and UDP sockets, PR_SET_DUMPABLE, PR_SET_MDWE. What cannot be seen from outside: descriptors in flight through a Unix
 * socket; a process that waits in vfork for a child that does not come to its exec (the dump is tried again later).
 */
#include "engine/checkable_parts.h"

#include "base/file.h"
#include "base/mem.h"
#include "context/inside.h"
#include "context/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REAPER = 1000, STATUS_MAX = 8192, LOCKS_MAX = 16 << 20, WAITS_MAX = 10, WAIT_MS = 5 };

/* Of each kind its name, and the clause that follows the process's name; %s is the detail. */
static const struct {
    const char *name;
    enum checkable_severity severity;
    const char *text;
} kinds[] = {
    [CHECKABLE_IO_URING] = { "io_uring", CHECKABLE_BLOCKS, "uses io_uring, which cannot be checkpointed: let it use ordinary reads and "
        "writes (Node.js: UV_USE_IO_URING=0 in its environment)%.0s" },
    [CHECKABLE_ANON] = { "anon", CHECKABLE_BLOCKS, "has a kernel object open that cannot be checkpointed (%s): run it without the feature that "
        "needs it" },
    [CHECKABLE_SYSV] = { "sysv", CHECKABLE_BLOCKS, "uses SysV %s, which a checkpoint cannot contain: let it use POSIX shared memory, "
        "semaphores or queues between threads, or files" },
    [CHECKABLE_MQUEUE] = { "mqueue", CHECKABLE_BLOCKS, "has the POSIX message queue '%s' open, which cannot be checkpointed: let it use a pipe or "
        "a Unix socket" },
    [CHECKABLE_DEVICE] = { "device", CHECKABLE_BLOCKS, "uses the device '%s', whose state cannot be checkpointed: run it without that device, or "
        "let it save its state itself (checkpoint_method = self)" },
    [CHECKABLE_TCP] = { "tcp", CHECKABLE_CHANGES, "has a TCP connection (%s), which will be closed after a resume: let it connect again when "
        "that happens" },
    [CHECKABLE_TCP_PORT] = { "tcp_port", CHECKABLE_CHANGES, "listens at TCP port %s with connections open and without SO_REUSEADDR: for a minute after its end here it "
        "cannot be resumed on this machine; let it set SO_REUSEADDR" },
    [CHECKABLE_UNIX_OUTSIDE] = { "unix_outside", CHECKABLE_BLOCKS, "is connected to a Unix socket outside of the job (%s): let it not use that "
        "service, or close the connection after use" },
    [CHECKABLE_UNIX_NAME] = { "unix_name", CHECKABLE_BLOCKS, "has the Unix socket '%s', whose file was removed, moved, or was named relative to a "
        "directory that it left: let it keep the file and bind by an absolute path" },
    [CHECKABLE_SOCKET] = { "socket", CHECKABLE_BLOCKS, "has a socket that cannot be checkpointed (%s): let it use TCP, UDP or Unix sockets" },
    [CHECKABLE_SECCOMP] = { "seccomp", CHECKABLE_BLOCKS, "has a seccomp filter%s, with which it cannot be checkpointed: switch its own sandbox off" },
    [CHECKABLE_NAMESPACE] = { "namespace", CHECKABLE_BLOCKS, "has made a %s namespace of its own, which cannot be checkpointed: run it without its own "
        "container or sandbox" },
    [CHECKABLE_DELETED_MAP] = { "deleted_map", CHECKABLE_BLOCKS, "has mapped '%s', which was removed or replaced since: let it keep the file as long "
        "as it is mapped" },
    [CHECKABLE_DELETED_LARGE] = { "deleted_large", CHECKABLE_BLOCKS, "has the removed file '%s' open, which is too large for a checkpoint: let it keep the file "
        "until it is done with it" },
    [CHECKABLE_OVERLAY] = { "overlay", CHECKABLE_BLOCKS, "runs from '%s' on an overlay file system, from which it cannot be checkpointed: put the program "
        "on an ordinary one" },
    [CHECKABLE_HUGE] = { "huge", CHECKABLE_BLOCKS, "uses explicit huge pages, which cannot be checkpointed: let it use transparent ones (madvise)%.0s" },
    [CHECKABLE_SECRET] = { "secret", CHECKABLE_BLOCKS, "has secret memory (memfd_secret), which nobody else can read: let it use ordinary memory%.0s" },
    [CHECKABLE_AIO] = { "aio", CHECKABLE_BLOCKS, "uses kernel AIO (io_setup), which cannot be checkpointed: let it use ordinary reads and writes or "
        "threads%.0s" },
    [CHECKABLE_LEASE] = { "lease", CHECKABLE_BLOCKS, "holds a file lease (F_SETLEASE), which a checkpoint would break: let it use locks%.0s" },
    [CHECKABLE_WATCH] = { "watch", CHECKABLE_BLOCKS, "watches files outside of its sandbox (inotify), which cannot be found again: let it watch its own "
        "files only, or poll%.0s" },
    [CHECKABLE_TRACED] = { "traced", CHECKABLE_BLOCKS, "is being traced by a debugger (%s), so that nobody else can look into it: end the debugger" },
    [CHECKABLE_UNREADABLE] = { "unreadable", CHECKABLE_BLOCKS, "cannot be looked into (%s): let the system's administrator make its program file readable" },
    [CHECKABLE_EVENTFD] = { "eventfd", CHECKABLE_BLOCKS, "has an eventfd that is a semaphore (EFD_SEMAPHORE), which would come back as a counter: "
        "let it use a POSIX semaphore%.0s" },
    [CHECKABLE_MEMFD] = { "memfd", CHECKABLE_BLOCKS, "has a file in memory (memfd_create) open and mapped, which would come back as two: let it close "
        "the descriptor, or use shm_open%.0s" },
    [CHECKABLE_SESSION] = { "session", CHECKABLE_BLOCKS, "belongs to a session whose leader has ended, below a process that adopts orphans itself, and could not be "
        "resumed: run it without its own init%.0s" },
    [CHECKABLE_OUTSIDE_FILE] = { "outside_file", CHECKABLE_CHANGES, "writes to '%s', which is not part of the checkpoint: it stays as it is when the job goes "
        "back to one; let it write below its working directory" },
};

bool checkable_is_lost(enum checkable_kind kind)
{
    return kind == CHECKABLE_SYSV || kind == CHECKABLE_EVENTFD || kind == CHECKABLE_MEMFD || kind == CHECKABLE_SESSION;
}

const char *checkable_kind_name(enum checkable_kind kind)
{
    return kinds[kind].name;
}

/* ---- findings ---- */

/* What processes and paths are called is the user's: no control characters in a sentence. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            *text = '?';
}

static void write_sentence(struct checkable_finding *f)
{
    char what[400];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* a text of the table above */
    snprintf(what, sizeof what, kinds[f->kind].text, f->detail);
#pragma GCC diagnostic pop
    if (f->pid)
        snprintf(f->sentence, sizeof f->sentence, "%s (process %d) %s", f->command, (int)f->pid, what);
    else
        snprintf(f->sentence, sizeof f->sentence, "the job %s", what);
}

void checkable_add(struct checkable *c, const struct checkable_process *p, enum checkable_kind kind, const char *fmt, ...)
{
    struct checkable_finding f = { .kind = kind, .severity = kinds[kind].severity, .pid = p ? p->inside : 0 };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f.detail, sizeof f.detail, fmt, ap);
    va_end(ap);
    make_printable(f.detail);
    if (p)
        memcpy(f.command, p->command, sizeof f.command);
    for (size_t i = 0; i < c->count; i++) {
        struct checkable_finding *there = &c->findings[i];
        if (there->kind == kind && strcmp(there->command, f.command) == 0 && strcmp(there->detail, f.detail) == 0) {
            there->others++;
            return;
        }
    }
    if (c->count == CHECKABLE_MAX)
        return;
    if (!c->findings)
        c->findings = mem_zero(CHECKABLE_MAX, sizeof *c->findings);
    write_sentence(&f);
    c->findings[c->count++] = f;
}

static int by_severity(const void *a, const void *b)
{
    const struct checkable_finding *x = a, *y = b;
    if (x->severity != y->severity)
        return x->severity < y->severity ? -1 : 1;
    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : (x->pid > y->pid) - (x->pid < y->pid);
}

static void add_others(struct checkable_finding *f)
{
    size_t len = strlen(f->sentence);
    if (f->others > 0)
        snprintf(f->sentence + len, sizeof f->sentence - len, " (and %d more like it)", f->others);
}

/* ---- names ---- */

bool checkable_is_captured(const struct checkable_world *world, const char *path)
{
    for (const char *const *at = world->captured; at && *at; at++) {
        size_t len = strlen(*at);
        if (strncmp(path, *at, len) == 0 && (path[len] == '/' || path[len] == '\0'))
            return true;
    }
    return false;
}

bool checkable_cut_deleted(char *path)
{
    static const char mark[] = " (deleted)";
    size_t len = strlen(path);
    if (len < sizeof mark || strcmp(path + len - (sizeof mark - 1), mark) != 0)
        return false;
    path[len - (sizeof mark - 1)] = '\0';
    return true;
}

void checkable_note_outside(struct checkable *c, const char *path, dev_t dev, ino_t ino)
{
    if (checkable_is_captured(c->world, path) || strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0)
        return;
    for (size_t i = 0; i < c->outside_count; i++)
        if (c->outside[i].ino == ino && c->outside[i].dev == dev)
            return;
    c->outside = mem_grow(c->outside, &c->outside_capacity, c->outside_count + 1, sizeof *c->outside);
    c->outside[c->outside_count++] = (struct checkable_outside){ .path = mem_dup(path), .dev = dev, .ino = ino };
}

/* ---- processes ---- */

/* A file of /proc that is smaller than a page: it comes whole with one read. */
static ssize_t read_at(int dir, const char *name, char *out, size_t size)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, size - 1);
    out[len > 0 ? len : 0] = '\0';
    return len;
}

/* The last number of the line "NAME:\t1 2 3" of a status text. */
static long status_number(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    long value = 0;
    if (!line)
        return 0;
    for (const char *at = line + strlen(name); *at && *at != '\n';) {
        char *end;
        long number = strtol(at, &end, 10);
        if (end == at)
            break;
        value = number;
        at = end + strspn(end, " \t");
    }
    return value;
}

static void add_process(void *data, pid_t pid)
{
    struct checkable *c = data;
    c->processes = mem_grow(c->processes, &c->process_capacity, c->process_count + 1, sizeof *c->processes);
    c->processes[c->process_count++] = (struct checkable_process){ .host = pid, .inside = pid, .dir = -1 };
}

/* A seccomp filter or a tracer, which every thread has for itself. */
static void look_at_status(struct checkable *c, const struct checkable_process *p, const char *status)
{
    long tracer = status_number(status, "\nTracerPid:");
    if (tracer) {
        char path[64], name[32];
        snprintf(path, sizeof path, "/proc/%ld/comm", tracer);
        ssize_t len = read_at(AT_FDCWD, path, name, sizeof name);
        name[len > 0 ? len - 1 : 0] = '\0';
        checkable_add(c, p, CHECKABLE_TRACED, "%s", name[0] ? name : "unknown");
    }
    if (status_number(status, "\nSeccomp:") == 0)
        return;
    char root[64], of_root[STATUS_MAX];
    snprintf(root, sizeof root, "/proc/%d/status", (int)c->root);
    bool everywhere = read_at(AT_FDCWD, root, of_root, sizeof of_root) > 0 && status_number(of_root, "\nSeccomp:") != 0;
    checkable_add(c, p, CHECKABLE_SECCOMP, "%s", everywhere ? " that this machine gives every job (the pool itself runs under one)" : "");
}

static void look_at_threads(struct checkable *c, const struct checkable_process *p)
{
    char status[STATUS_MAX];
    int fd = openat(p->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (!tasks) {
        file_close(&fd);
        return;
    }
    for (struct dirent *e; (e = readdir(tasks));) {
        char name[64];
        if (e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) == p->host)
            continue;
        snprintf(name, sizeof name, "%.20s/status", e->d_name);
        if (read_at(dirfd(tasks), name, status, sizeof status) > 0)
            look_at_status(c, p, status);
    }
    closedir(tasks);
}

static void read_namespaces(int dir, struct checkable_namespaces *out)
{
    static const char *const names[] = { CHECKABLE_NAMESPACES };
    auto_close int ns = openat(dir, "ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < CHECKABLE_NAMESPACE_COUNT; i++) {
        ssize_t len = ns < 0 ? 0 : readlinkat(ns, names[i], out->links[i], sizeof out->links[i] - 1);
        out->links[i][len > 0 ? len : 0] = '\0';
    }
}

/* The first that differs is enough: they come in groups, and "user" is looked at first. */
static void look_at_namespaces(struct checkable *c, const struct checkable_process *p)
{
    struct checkable_namespaces own;
    read_namespaces(p->dir, &own);
    for (size_t i = 0; i < CHECKABLE_NAMESPACE_COUNT; i++)
        if (own.links[i][0] && c->namespaces.links[i][0] && strcmp(own.links[i], c->namespaces.links[i]) != 0) {
            checkable_add(c, p, CHECKABLE_NAMESPACE, "%.*s", (int)strcspn(own.links[i], ":"), own.links[i]);
            return;
        }
}

/* A process in the middle of an exec cannot be looked into for a moment: it is asked again, but all of them together not for long. */
static int open_descriptors(struct checkable *c, const struct checkable_process *p)
{
    for (;;) {
        int fd = openat(p->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 || (errno != EACCES && errno != EPERM) || c->waits == WAITS_MAX)
            return fd;
        c->waits++;
        poll(NULL, 0, WAIT_MS);
    }
}

static void look_at_process(struct checkable *c, size_t index)
{
    struct checkable_process *p = &c->processes[index];
    char path[64], status[STATUS_MAX];
    snprintf(path, sizeof path, "/proc/%d", (int)p->host);
    p->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->dir < 0 || read_at(p->dir, "status", status, sizeof status) <= 0)
        return;
    p->inside = (pid_t)status_number(status, "\nNSpid:");
    ssize_t len = read_at(p->dir, "comm", p->command, sizeof p->command);
    p->command[len > 0 && p->command[len - 1] == '\n' ? len - 1 : len > 0 ? len : 0] = '\0';
    make_printable(p->command);
    const char *state = strstr(status, "\nState:\t");
    if (state && (state[8] == 'Z' || state[8] == 'X'))
        return;
    auto_close int readable = open_descriptors(c, p);
    if (readable < 0) {
        if (errno == EACCES || errno == EPERM)
            checkable_add(c, p, CHECKABLE_UNREADABLE, "%s", strerror(errno));
        return;
    }
    if (!c->files_only) {
        look_at_status(c, p, status);
        if (status_number(status, "\nThreads:") > 1)
            look_at_threads(c, p);
        look_at_namespaces(c, p);
    }
    checkable_maps(c, p);
    checkable_descriptors(c, index);
}

/* ---- the tree as a whole ---- */

/* "12: LEASE  ACTIVE    READ  4711 fe:01:1234 0 EOF". A checkpoint opens the file, which breaks the lease and signals the process. */
static void look_at_leases(struct checkable *c)
{
    auto_buf struct buf text = { .max = LOCKS_MAX };
    if (file_read(AT_FDCWD, "/proc/locks", &text, NULL) != 0)
        return;
    for (const char *line = buf_cstr(&text); line && *line; line = strchr(line, '\n'), line += line != NULL) {
        int pid;
        if (sscanf(line, "%*d: LEASE %*s %*s %d", &pid) != 1)
            continue;
        for (size_t i = 0; i < c->process_count; i++)
            if (c->processes[i].host == pid)
                checkable_add(c, &c->processes[i], CHECKABLE_LEASE, "%s", "");
    }
}

/* What there is in the job's own IPC namespace does not come back: CRIU sees that namespace as its own and leaves it alone. Where the
 * job shares the namespace with others, what is in it says nothing. */
static void look_at_sysv(struct checkable *c)
{
    static const struct { const char *name, *what; } tables[] = {
        { "sem", "semaphores" }, { "msg", "message queues" }, { "shm", "shared memory" },
    };
    if (!inside_differs(c->root, "ipc"))
        return;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        auto_buf struct buf text = { .max = LOCKS_MAX };
        auto_close int fd = inside_sysvipc(c->root, tables[i].name, NULL);
        if (fd < 0 || file_read_fd(fd, &text, NULL) != 0)
            continue;
        const char *rows = strchr(buf_cstr(&text), '\n'); /* the first line has the columns' names */
        if (rows && rows[1])
            checkable_add(c, NULL, CHECKABLE_SYSV, "%s", tables[i].what);
    }
}

/* Whether a file is the owner's, regular, and where its name says, so that it can be captured by that name. */
static bool is_own(const struct checkable *c, const struct checkable_outside *file)
{
    struct stat st;
    return fstatat(c->root_dir, file->path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_dev == file->dev &&
           st.st_ino == file->ino && st.st_uid == c->world->owner;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct checkable_outside *)a)->path, ((const struct checkable_outside *)b)->path);
}

static void checkable_release(struct checkable *c)
{
    for (size_t i = 0; i < c->process_count; i++)
        file_close(&c->processes[i].dir);
    for (size_t i = 0; i < c->outside_count; i++)
        free(c->outside[i].path);
    file_close(&c->root_dir);
    free(c->processes);
    free(c->sockets);
    free(c->mapped);
    free(c->outside);
    free(c->findings);
}

/* Everything that is to be learned process by process. */
static int walk(struct checkable *c, struct error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root", (int)c->root);
    c->root_dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->root_dir < 0)
        return error_sys(err, "cannot look into process %d", (int)c->root);
    snprintf(path, sizeof path, "/proc/%d", (int)c->root);
    auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    read_namespaces(dir, &c->namespaces);
    tree_each(c->root, add_process, c);
    for (size_t i = 0; i < c->process_count; i++)
        look_at_process(c, i);
    if (c->outside_count)
        qsort(c->outside, c->outside_count, sizeof *c->outside, by_path);
    return 0;
}

/* CRIU makes such a process as the child of a helper in its session, which is possible only below the first one of the tree. */
static void look_at_sessions(struct checkable *c)
{
    for (size_t i = 0; i < c->process_count; i++) {
        const struct checkable_process *p = &c->processes[i];
        char status[STATUS_MAX];
        if (read_at(p->dir, "status", status, sizeof status) <= 0)
            continue;
        pid_t parent = (pid_t)status_number(status, "\nPPid:"), session = (pid_t)status_number(status, "\nNSsid:");
        bool led = session <= 0, adopted = false;
        for (size_t k = 0; k < c->process_count; k++) {
            led = led || c->processes[k].inside == session;
            adopted = adopted || (c->processes[k].host == parent && c->processes[k].inside != REAPER);
        }
        if (!led && adopted)
            checkable_add(c, p, CHECKABLE_SESSION, "%s", "");
    }
}

int checkable_scan(pid_t root, const struct checkable_world *world, struct checkable_finding **findings, size_t *count,
                   struct error *err)
{
    __attribute__((cleanup(checkable_release))) struct checkable c = { .world = world, .root = root, .root_dir = -1 };
    if (walk(&c, err) < 0)
        return -1;
    checkable_sockets(&c);
    look_at_leases(&c);
    look_at_sysv(&c);
    look_at_sessions(&c);
    for (size_t i = 0; i < c.outside_count; i++)
        if (!is_own(&c, &c.outside[i]))
            checkable_add(&c, NULL, CHECKABLE_OUTSIDE_FILE, "%s", c.outside[i].path);
    if (c.count)
        qsort(c.findings, c.count, sizeof *c.findings, by_severity);
    for (size_t i = 0; i < c.count; i++)
        add_others(&c.findings[i]);
    *findings = steal(c.findings);
    *count = c.count;
    return 0;
}

int checkable_outside(pid_t root, const struct checkable_world *world, struct command_list *own, struct command_list *others,
                      struct error *err)
{
    __attribute__((cleanup(checkable_release))) struct checkable c = { .world = world, .root = root, .root_dir = -1, .files_only = true };
    if (walk(&c, err) < 0)
        return -1;
    for (size_t i = 0; i < c.outside_count; i++) {
        struct command_list *list = is_own(&c, &c.outside[i]) ? own : others;
        if (list)
            command_list_add(list, c.outside[i].path);
    }
    return 0;
}
