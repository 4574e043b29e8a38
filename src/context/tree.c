/*
 * A tree that forks while one looks at it can not be listed exactly without a cgroup or a PID namespace. What makes the kill
 * complete all the same: the caller is the subreaper, so that whoever loses its parent becomes the caller's child, and the
 * loop goes on until the kernel says that there are no children (ECHILD).
 */
#include "context/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH_MAX = 512, CHILDREN_TEXT_MAX = 65536 };

struct walk {
    void (*fn)(void *data, pid_t pid);
    void *data;
    int count;
};

static void walk_children(struct walk *w, pid_t pid, int depth);

/* /proc/PID/task/TID/children is a list of pids separated by blanks. */
static void walk_thread(struct walk *w, const char *path, int depth)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    char *text = malloc(CHILDREN_TEXT_MAX);
    ssize_t len = 0, n;
    while (text && len < CHILDREN_TEXT_MAX - 1 && (n = read(fd, text + len, (size_t)(CHILDREN_TEXT_MAX - 1 - len))) > 0)
        len += n;
    close(fd);
    if (!text)
        return;
    text[len] = '\0';
    for (char *at = text, *end; ; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at)
            break;
        w->count++;
        w->fn(w->data, (pid_t)child);
        walk_children(w, (pid_t)child, depth + 1);
    }
    free(text);
}

static void walk_children(struct walk *w, pid_t pid, int depth)
{
    char path[64];
    if (depth > DEPTH_MAX)
        return;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return;
    for (struct dirent *e; (e = readdir(tasks));) {
        char file[128];
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%.16s/children", path, e->d_name);
        walk_thread(w, file, depth);
    }
    closedir(tasks);
}

int tree_each(pid_t pid, void (*fn)(void *data, pid_t pid), void *data)
{
    struct walk w = { .fn = fn, .data = data };
    walk_children(&w, pid, 0);
    return w.count;
}

static void signal_one(void *data, pid_t pid)
{
    kill(pid, *(int *)data);
}

void tree_signal(pid_t pid, int signal)
{
    int before = -1;
    for (int pass = 0; pass < 8; pass++) {
        int found = tree_each(pid, signal_one, &signal);
        if (found == before)
            return;
        before = found;
    }
}

static int has_mark(const char *pid, const char *mark)
{
    char path[64], text[CHILDREN_TEXT_MAX];
    size_t mark_len = strlen(mark), len = 0;
    ssize_t n;
    snprintf(path, sizeof path, "/proc/%.16s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    text[len] = '\0';
    for (size_t at = 0; at + mark_len <= len; at += strlen(text + at) + 1)
        if (strcmp(text + at, mark) == 0)
            return 1;
    return 0;
}

int tree_kill_marked(const char *mark)
{
    int killed = 0;
    for (int pass = 0; pass < 100; pass++) {
        int found = 0;
        DIR *proc = opendir("/proc");
        for (struct dirent *e; proc && (e = readdir(proc));)
            if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && has_mark(e->d_name, mark))
                found += kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL) == 0;
        if (proc)
            closedir(proc);
        if (found == 0)
            return killed;
        killed += found;
        poll(NULL, 0, 1);
    }
    return killed;
}

void tree_kill_own(void)
{
    int signal = SIGKILL;
    for (;;) {
        tree_each(getpid(), signal_one, &signal);
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 && errno == ECHILD)
            return;
        poll(NULL, 0, 1);
    }
}
