/*
 * Version 2 wants two things: the controllers delegated to a cgroup that we may write, and no process in a cgroup that has
 * children with controllers. So the stints' groups are made beside the caller's own one, below its parent: systemd's
 * Delegate=yes gives exactly that right for user sessions and services. Version 1 has no such rules, but needs root.
 */
#include "context/cgroup.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PERIOD_US = 100000 };

struct cgroup {
    int version;
    int dirs[2]; /* v2: the group; v1: memory, cpu */
    char *paths[2];
};

static int write_file(int dir, const char *name, const char *text, struct error *err)
{
    auto_close int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot open '%s'", name);
    if (file_write_all(fd, text, strlen(text), err) < 0)
        return error_wrap(err, "'%s'", name);
    return 0;
}

/* Whether a comma-separated list has the name; an empty name is in the empty list only. */
static bool has_name(const char *list, size_t len, const char *name)
{
    size_t want = strlen(name), at = 0;
    do {
        size_t n = strcspn(list + at, ",:");
        if (n == want && strncmp(list + at, name, n) == 0)
            return true;
        at += n + 1;
    } while (at < len);
    return false;
}

char *cgroup_path_in(const char *text, const char *controller, char **mount)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t number = strspn(line, "0123456789");
        const char *list = line + number + 1;
        size_t len = line[number] == ':' ? strcspn(list, ":\n") : 0;
        if (number == 0 || line[number] != ':' || list[len] != ':' || !has_name(list, len, controller))
            continue;
        if (mount)
            *mount = mem_dup_n(list, len);
        return mem_dup_n(list + len + 1, strcspn(list + len + 1, "\n"));
    }
    return NULL;
}

/* The caller's own group. */
static char *own_path(const char *controller, char **mount)
{
    auto_buf struct buf text = { .max = 65536 };
    struct error ignored;
    if (file_read(AT_FDCWD, "/proc/self/cgroup", &text, &ignored) != 0)
        return NULL;
    return cgroup_path_in(buf_cstr(&text), controller, mount);
}

/* The directory in which stints' groups may be made. */
static char *v2_parent(struct error *err)
{
    auto_free char *own = own_path("", NULL);
    auto_buf struct buf controllers = { .max = 4096 };
    if (!own || access("/sys/fs/cgroup/cgroup.controllers", F_OK) < 0) {
        error_set(err, ERR_SYSTEM, "this system has no unified cgroup hierarchy");
        return NULL;
    }
    char *slash = strrchr(own, '/');
    if (slash)
        *slash = '\0';
    auto_free char *parent = mem_printf("/sys/fs/cgroup%s", own);
    auto_free char *file = mem_printf("%s/cgroup.subtree_control", parent);
    auto_close int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error ignored;
    write_file(dir, "cgroup.subtree_control", "+cpu +memory", &ignored); /* what is not granted is seen below */
    if (file_read(AT_FDCWD, file, &controllers, err) != 0 || access(parent, W_OK) < 0) {
        error_set(err, ERR_DENIED, "cgroup '%s' may not be written; start the pool with systemd-run --user -p Delegate=yes", parent);
        return NULL;
    }
    if (!strstr(buf_cstr(&controllers), "memory") || !strstr(buf_cstr(&controllers), "cpu")) {
        error_set(err, ERR_DENIED, "cgroup '%s' does not hand on the cpu and memory controllers", parent);
        return NULL;
    }
    return steal(parent);
}

static char *v1_parent(const char *controller)
{
    auto_free char *mount = NULL;
    auto_free char *own = own_path(controller, &mount); /* controllers mounted together: the directory has all their names */
    char *path = own ? mem_printf("/sys/fs/cgroup/%s%s", mount, strcmp(own, "/") == 0 ? "" : own) : NULL;
    if (path && access(path, W_OK) == 0)
        return path;
    free(path);
    return NULL;
}

const char *cgroup_support(struct error *err)
{
    auto_free char *v2 = v2_parent(err);
    if (v2)
        return "cgroup v2";
    auto_free char *memory = v1_parent("memory");
    auto_free char *cpu = v1_parent("cpu");
    return memory && cpu ? "cgroup v1" : NULL;
}

static int make_group(const char *parent, const char *name, struct cgroup *c, int i, struct error *err)
{
    c->paths[i] = mem_printf("%s/%s", parent, name);
    c->dirs[i] = file_make_dirs(c->paths[i], 0755, err);
    return c->dirs[i] < 0 ? -1 : 0;
}

static int make_v2(const char *parent, const char *name, int cpus, int64_t memory, struct cgroup *c, struct error *err)
{
    char text[64];
    c->version = 2;
    if (make_group(parent, name, c, 0, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%" PRId64, memory);
    if (memory > 0 && write_file(c->dirs[0], "memory.max", text, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%" PRId64 " %d", (int64_t)cpus * PERIOD_US, PERIOD_US);
    return write_file(c->dirs[0], "cpu.max", text, err);
}

static int make_v1(const char *name, int cpus, int64_t memory, struct cgroup *c, struct error *err)
{
    auto_free char *memory_parent = v1_parent("memory");
    auto_free char *cpu_parent = v1_parent("cpu");
    char text[64];
    c->version = 1;
    if (!memory_parent || !cpu_parent)
        return error_set(err, ERR_DENIED, "no cgroup may be made here");
    if (make_group(memory_parent, name, c, 0, err) < 0 || make_group(cpu_parent, name, c, 1, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%" PRId64, memory);
    if (memory > 0 && write_file(c->dirs[0], "memory.limit_in_bytes", text, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%" PRId64, (int64_t)cpus * PERIOD_US);
    return write_file(c->dirs[1], "cpu.cfs_quota_us", text, err);
}

int cgroup_make(const char *name, int cpus, int64_t memory_bytes, struct cgroup **out, struct error *err)
{
    struct cgroup *c = mem_new(struct cgroup);
    c->dirs[0] = c->dirs[1] = -1;
    struct error ignored;
    auto_free char *parent = v2_parent(&ignored);
    int r = parent ? make_v2(parent, name, cpus, memory_bytes, c, err) : make_v1(name, cpus, memory_bytes, c, err);
    if (r < 0) {
        cgroup_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

/* Who moves a whole process waits until all processors have noticed, more than 10 ms; who moves only itself, a thread, does not. What
 * joins has one thread. In the unified hierarchy threads cannot be moved. */
int cgroup_procs(const struct cgroup *c, int fds[2])
{
    const char *file = c && c->version == 1 ? "tasks" : "cgroup.procs";
    int count = 0;
    fds[0] = fds[1] = -1;
    for (int i = 0; c && i < 2; i++)
        if (c->dirs[i] >= 0 && (fds[count] = openat(c->dirs[i], file, O_WRONLY | O_CLOEXEC)) >= 0)
            count++;
    return count;
}

bool cgroup_ran_out_of_memory(const struct cgroup *c)
{
    auto_buf struct buf text = { .max = 4096 };
    struct error ignored;
    const char *file = c && c->version == 2 ? "memory.events" : "memory.oom_control";
    if (!c || file_read(c->dirs[0], file, &text, &ignored) != 0)
        return false;
    const char *at = strstr(buf_cstr(&text), "oom_kill ");
    return at && strtol(at + strlen("oom_kill "), NULL, 10) > 0;
}

/* True when no process is left in the group. */
static bool kill_members(int group)
{
    for (int pass = 0; pass < 1000; pass++) {
        auto_buf struct buf text = { .max = 1 << 20 };
        struct error ignored;
        if (file_read(group, "cgroup.procs", &text, &ignored) != 0 || text.len == 0)
            return true;
        for (char *at = text.data, *end; ; at = end) {
            long pid = strtol(at, &end, 10);
            if (end == at)
                break;
            kill((pid_t)pid, SIGKILL);
        }
        poll(NULL, 0, 1);
    }
    return false;
}

static void sweep_below(const char *parent, const char *prefix)
{
    DIR *d = parent ? opendir(parent) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        auto_close int group = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (group >= 0 && kill_members(group))
            unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

void cgroup_sweep(const char *prefix)
{
    struct error ignored;
    auto_free char *v2 = v2_parent(&ignored);
    auto_free char *memory = v2 ? NULL : v1_parent("memory");
    auto_free char *cpu = v2 ? NULL : v1_parent("cpu");
    sweep_below(v2, prefix);
    sweep_below(memory, prefix);
    sweep_below(cpu, prefix);
}

void cgroup_free(struct cgroup *c)
{
    if (!c)
        return;
    for (int i = 0; i < 2; i++) {
        file_close(&c->dirs[i]);
        if (c->paths[i])
            rmdir(c->paths[i]);
        free(c->paths[i]);
    }
    free(c);
}
