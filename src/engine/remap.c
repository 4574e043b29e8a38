/*
 * In order: what is mapped is read from /proc; all processes that have such a mapping are stopped, until a look finds no others; the
 * memory is copied into files; every process opens its files; only when all have done so are the mappings replaced, which has no
 * reason to fail. Descriptors of the same files are replaced too; they do not share their offset with other processes any more.
 *
 * Threads that wait for a futex in the memory are within a system call that is begun again when they run on, with the new memory.
 * Should this process be killed, those that it has stopped are killed with it: some would have the old memory, some the new.
 */
#include "engine/remap.h"

#include "base/file.h"
#include "base/mem.h"
#include "context/tree.h"
#include "engine/inject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAPPINGS_MAX = 4096, THREADS_MAX = 8192, PASSES_MAX = 10, CHUNK = 1 << 20, PAGE = 4096 };

struct mapping {
    pid_t pid;
    unsigned long from, to, offset;
    int protection;
    dev_t dev;
    ino_t ino;
    int file; /* its number in the process, while it is open there */
};

struct remap {
    struct mapping *mappings;
    size_t count;
    pid_t *threads; /* stopped ones, a process's first one before its others */
    size_t thread_count;
    int shm;
    const struct identity *owner;
};

/* ---- what is there ---- */

static bool parse_mapping(const char *line, struct mapping *m)
{
    char access[5];
    unsigned major, minor;
    int at = 0;
    unsigned long ino;
    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &m->from, &m->to, access, &m->offset, &major, &minor, &ino, &at) < 7 || !at)
        return false;
    size_t len = strcspn(line + at, "\n");
    static const char end[] = " (deleted)";
    if (access[3] != 's' || strncmp(line + at, "/dev/shm/", 9) != 0 || len < sizeof end || memcmp(line + at + len - (sizeof end - 1), end, sizeof end - 1) != 0)
        return false;
    m->dev = makedev(major, minor);
    m->ino = ino;
    m->protection = (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) | (access[2] == 'x' ? PROT_EXEC : 0);
    return true;
}

static void look_at(void *data, pid_t pid)
{
    struct remap *r = data;
    char path[64], line[PATH_MAX + 128];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && r->count < MAPPINGS_MAX && fgets(line, sizeof line, f)) {
        struct mapping m = { .pid = pid, .file = -1 };
        if (parse_mapping(line, &m))
            r->mappings[r->count++] = m;
    }
    if (f)
        fclose(f);
}

static bool same_file(const struct mapping *a, const struct mapping *b)
{
    return a->ino == b->ino && a->dev == b->dev;
}

/* Whether an earlier one is of the same process (and file). */
static bool seen(const struct remap *r, size_t at, bool file)
{
    for (size_t i = 0; i < at; i++)
        if (r->mappings[i].pid == r->mappings[at].pid && (!file || same_file(&r->mappings[i], &r->mappings[at])))
            return true;
    return false;
}

/* ---- standing still ---- */

static bool is_stopped(const struct remap *r, pid_t thread)
{
    for (size_t i = 0; i < r->thread_count; i++)
        if (r->threads[i] == thread)
            return true;
    return false;
}

static int stop_thread(struct remap *r, pid_t thread, struct error *err)
{
    int status;
    if (r->thread_count == THREADS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d threads share memory without a name", THREADS_MAX);
    if (ptrace(PTRACE_SEIZE, thread, NULL, (void *)(long)PTRACE_O_EXITKILL) < 0)
        return errno == ESRCH || errno == EPERM ? 0 : error_sys(err, "cannot stop thread %d", (int)thread);
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0)
        return errno == ESRCH ? 0 : error_sys(err, "cannot stop thread %d", (int)thread);
    while (waitpid(thread, &status, __WALL) < 0)
        if (errno != EINTR)
            return 0;
    if (WIFSTOPPED(status))
        r->threads[r->thread_count++] = thread;
    return 0;
}

/* Threads that run may start others: until there are none. */
static int stop_process(struct remap *r, pid_t pid, struct error *err)
{
    char path[64];
    size_t before;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    do {
        before = r->thread_count;
        DIR *d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));) {
            pid_t thread = (pid_t)strtol(e->d_name, NULL, 10);
            if (thread > 0 && !is_stopped(r, thread) && stop_thread(r, thread, err) < 0) {
                closedir(d);
                return -1;
            }
        }
        if (d)
            closedir(d);
    } while (r->thread_count != before);
    return 0;
}

static int stop_all(struct remap *r, pid_t first, struct error *err)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        size_t before = r->thread_count;
        for (size_t i = 0; i < r->count; i++)
            if (!seen(r, i, false) && stop_process(r, r->mappings[i].pid, err) < 0)
                return -1;
        r->count = 0;
        tree_each(first, look_at, r);
        if (r->thread_count == before && pass > 0)
            return 0;
    }
    return error_set(err, ERR_SYSTEM, "processes that share memory do not stop to make others");
}

static void let_go(const struct remap *r)
{
    for (size_t i = 0; i < r->thread_count; i++)
        ptrace(PTRACE_DETACH, r->threads[i], NULL, NULL);
}

/* ---- files ---- */

/* Pages that the file does not have cannot be read, and are zero in the new one. */
static int copy(int mem, const struct mapping *m, int file, struct error *err)
{
    auto_free char *chunk = mem_zero(1, CHUNK);
    for (unsigned long at = m->from; at < m->to;) {
        size_t want = m->to - at < CHUNK ? m->to - at : CHUNK;
        ssize_t n = pread(mem, chunk, want, (off_t)at);
        if (n > 0 && pwrite(file, chunk, (size_t)n, (off_t)(m->offset + (at - m->from))) != n)
            return error_sys(err, "cannot copy shared memory");
        at += n > 0 ? (unsigned long)n : PAGE;
    }
    return 0;
}

static int make_file(const struct remap *r, size_t which, char name[32], struct error *err)
{
    const struct mapping *first = &r->mappings[which];
    unsigned long end = 0;
    auto_close int file = -1;
    if (identity_enter(r->owner, err) < 0)
        return -1;
    for (int i = 0; file < 0 && i < 1000; i++) {
        snprintf(name, 32, ".stint-%lu-%d", (unsigned long)first->ino, i);
        file = openat(r->shm, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    identity_leave();
    if (file < 0)
        return error_sys(err, "cannot make a file for shared memory");
    for (size_t i = which; i < r->count; i++) {
        const struct mapping *m = &r->mappings[i];
        if (!same_file(m, first))
            continue;
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/mem", (int)m->pid);
        auto_close int mem = open(path, O_RDONLY | O_CLOEXEC);
        unsigned long to = m->offset + (m->to - m->from);
        end = to > end ? to : end;
        if (mem < 0)
            return error_sys(err, "cannot read the memory of process %d", (int)m->pid);
        if (copy(mem, m, file, err) < 0)
            return -1;
    }
    return ftruncate(file, (off_t)end) < 0 ? error_sys(err, "cannot make a file for shared memory") : 0;
}

/* ---- in the processes ---- */

struct guest {
    struct inject inject;
    pid_t pid;
    long scratch; /* a page of its memory */
};

static long call(const struct guest *g, long number, long a, long b, long c, long d, long e, long f)
{
    const long args[6] = { a, b, c, d, e, f };
    struct error err;
    long result;
    return inject_call(&g->inject, number, args, &result, &err) < 0 ? -EIO : result;
}

static int enter(const struct remap *r, pid_t pid, struct guest *g, struct error *err)
{
    *g = (struct guest){ .pid = pid };
    pid_t thread = pid;
    for (size_t i = 0; i < r->thread_count && !is_stopped(r, thread); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/task/%d", (int)pid, (int)r->threads[i]);
        if (access(path, F_OK) == 0)
            thread = r->threads[i];
    }
    if (inject_begin(&g->inject, thread, err) < 0)
        return -1;
    g->scratch = call(g, SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->scratch > 0 || g->scratch < -4095)
        return 0;
    inject_end(&g->inject);
    return error_set(err, ERR_SYSTEM, "process %d gets no memory", (int)pid);
}

static void leave(const struct guest *g)
{
    call(g, SYS_munmap, g->scratch, PAGE, 0, 0, 0, 0);
    inject_end(&g->inject);
}

static long open_there(const struct guest *g, const char *name, int flags)
{
    char text[64], path[64];
    int n = snprintf(text, sizeof text, "/dev/shm/%s", name);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)g->pid);
    auto_close int mem = open(path, O_RDWR | O_CLOEXEC);
    if (mem < 0 || pwrite(mem, text, (size_t)n + 1, (off_t)g->scratch) != n + 1)
        return -EIO;
    return call(g, SYS_openat, AT_FDCWD, g->scratch, flags, 0, 0, 0);
}

/* Each process opens the file; those that have done so, in mappings. */
static int open_all(struct remap *r, size_t which, const char *name, struct error *err)
{
    for (size_t i = which; i < r->count; i++) {
        struct guest g;
        if (!same_file(&r->mappings[i], &r->mappings[which]) || seen(r, i, true))
            continue;
        if (enter(r, r->mappings[i].pid, &g, err) < 0)
            return -1;
        long fd = open_there(&g, name, O_RDWR | O_CLOEXEC);
        leave(&g);
        if (fd < 0)
            return error_set(err, ERR_SYSTEM, "process %d cannot open its shared memory: %s", (int)g.pid, strerror((int)-fd));
        r->mappings[i].file = (int)fd;
    }
    return 0;
}

static void close_all(struct remap *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct guest g;
        struct error ignored;
        if (r->mappings[i].file < 0 || enter(r, r->mappings[i].pid, &g, &ignored) < 0)
            continue;
        call(&g, SYS_close, r->mappings[i].file, 0, 0, 0, 0, 0);
        leave(&g);
    }
}

static bool read_flags(pid_t pid, int fd, int *flags, long *position)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
    FILE *f = fopen(path, "re");
    unsigned octal = 0;
    bool read = f && fscanf(f, "pos: %ld flags: %o", position, &octal) == 2;
    if (f)
        fclose(f);
    *flags = (int)octal;
    return read;
}

/* A descriptor of the file becomes one of the new file. */
static int replace_descriptor(const struct guest *g, int fd, const char *name)
{
    int flags;
    long position;
    if (!read_flags(g->pid, fd, &flags, &position))
        return -1;
    long opened = open_there(g, name, flags & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    if (opened < 0)
        return -1;
    call(g, SYS_lseek, opened, position, SEEK_SET, 0, 0, 0);
    long moved = call(g, SYS_dup3, opened, fd, flags & O_CLOEXEC, 0, 0, 0);
    call(g, SYS_close, opened, 0, 0, 0, 0, 0);
    return moved == fd ? 0 : -1;
}

static int replace_descriptors(const struct guest *g, const struct mapping *m, const char *name)
{
    char path[64];
    int result = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)g->pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        int fd = (int)strtol(e->d_name, NULL, 10);
        if (e->d_name[0] != '.' && fd != m->file && fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_ino == m->ino && st.st_dev == m->dev &&
            replace_descriptor(g, fd, name) < 0)
            result = -1;
    }
    if (d)
        closedir(d);
    return result;
}

static int replace_in(struct remap *r, size_t at, const char *name, struct error *err)
{
    struct mapping *first = &r->mappings[at];
    struct guest g;
    if (enter(r, first->pid, &g, err) < 0)
        return -1;
    int result = replace_descriptors(&g, first, name);
    for (size_t i = at; i < r->count && result == 0; i++) {
        const struct mapping *m = &r->mappings[i];
        if (m->pid == first->pid && same_file(m, first) &&
            call(&g, SYS_mmap, (long)m->from, (long)(m->to - m->from), m->protection, MAP_SHARED | MAP_FIXED, first->file, (long)m->offset) != (long)m->from)
            result = -1;
    }
    leave(&g);
    return result == 0 ? 0 : error_set(err, ERR_SYSTEM, "process %d could not be given its shared memory again", (int)first->pid);
}

static int replace_all(struct remap *r, size_t which, const char *name, struct error *err)
{
    for (size_t i = which; i < r->count; i++)
        if (same_file(&r->mappings[i], &r->mappings[which]) && !seen(r, i, true) && replace_in(r, i, name, err) < 0)
            return -1;
    return 0;
}

static int remap(struct remap *r, pid_t first, bool *broken, struct error *err)
{
    if (stop_all(r, first, err) < 0)
        return -1;
    for (size_t i = 0; i < r->count; i++) {
        char name[32] = "";
        bool done = false;
        for (size_t k = 0; k < i; k++)
            done = done || same_file(&r->mappings[k], &r->mappings[i]);
        if (done)
            continue;
        if (make_file(r, i, name, err) < 0 || open_all(r, i, name, err) < 0) {
            unlinkat(r->shm, name, 0);
            close_all(r);
            return -1;
        }
        if (replace_all(r, i, name, err) < 0) {
            *broken = true;
            return -1;
        }
    }
    close_all(r);
    return 0;
}

int remap_unnamed(pid_t first, int shm, const struct identity *owner, bool *broken, struct error *err)
{
    auto_free struct mapping *mappings = mem_zero(MAPPINGS_MAX, sizeof *mappings);
    struct remap r = { .mappings = mappings, .shm = shm, .owner = owner };
    tree_each(first, look_at, &r);
    if (r.count == 0)
        return 0;
    auto_free pid_t *threads = mem_zero(THREADS_MAX, sizeof *threads);
    r.threads = threads;
    int result = remap(&r, first, broken, err);
    let_go(&r);
    return result;
}
