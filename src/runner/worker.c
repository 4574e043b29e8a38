#include "runner/worker.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(sizeof(struct worker_report) <= PIPE_BUF, "a report is one atomic write");

struct worker {
    pid_t pid;
    int pipe;
    struct loop_watch *watch;
    worker_done_fn *done;
    void *data;
    bool final;
};

void worker_send(int pipe, const struct worker_report *report)
{
    if (write(pipe, report, sizeof *report) != (ssize_t)sizeof *report)
        _exit(1);
}

/* The lines to the pool and the listener: a worker that outlives its runner by a moment must not look like the runner. It
 * keeps the lock, so that nobody else touches the job's store in that moment. */
static void close_sockets(int keep)
{
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        int fd = (int)strtol(e->d_name, NULL, 10);
        if (fd > STDERR_FILENO && fd != keep && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
            close(fd);
    }
    closedir(d);
}

static void child(worker_fn *fn, void *data, int pipe, int keep, pid_t parent)
{
    struct worker_report report = { .final = 1 };
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "stint-worker");
    if (getppid() != parent)
        _exit(1);
    close_sockets(keep);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_IGN); /* the runner decides when to stop */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    fn(data, pipe, &report);
    report.final = 1;
    worker_send(pipe, &report);
    _exit(0);
}

static void close_worker(struct worker *w)
{
    loop_unwatch(w->watch);
    file_close(&w->pipe);
    waitpid(w->pid, NULL, 0);
    free(w);
}

static void read_report(void *data, uint32_t events)
{
    struct worker *w = data;
    struct worker_report report;
    (void)events;
    ssize_t n = read(w->pipe, &report, sizeof report);
    if (n != (ssize_t)sizeof report) {
        report = (struct worker_report){ .final = 1, .result = -1, .died = 1 };
        error_set(&report.error, ERR_CHILD, "the process that did it died");
    }
    worker_done_fn *done = w->done;
    void *its_data = w->data;
    if (report.final)
        close_worker(w);
    done(its_data, &report);
}

int worker_start(struct loop *loop, worker_fn *fn, worker_done_fn *done, void *data, struct worker **out,
                 struct error *err)
{
    return worker_start_with(loop, fn, done, data, -1, out, err);
}

int worker_start_with(struct loop *loop, worker_fn *fn, worker_done_fn *done, void *data, int keep, struct worker **out,
                      struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(fn, data, ends[1], keep, parent);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_sys(err, "cannot fork");
    }
    struct worker *w = mem_new(struct worker);
    *w = (struct worker){ .pid = pid, .pipe = ends[0], .done = done, .data = data };
    w->watch = loop_watch(loop, w->pipe, EPOLLIN, read_report, w);
    *out = w;
    return 0;
}

int worker_pid(const struct worker *w)
{
    return w ? w->pid : 0;
}

void worker_stop(struct worker *w)
{
    if (!w)
        return;
    kill(w->pid, SIGKILL);
    close_worker(w);
}
