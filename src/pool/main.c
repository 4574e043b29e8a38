/*
 * stint-pool start DIR: starts a pool in the background and returns when it answers.
 * stint-pool run DIR:   the pool itself, in the foreground.
 *
 * In the background a keeper stands behind the pool: it starts it again when it is killed. The pool itself needs no keeper to
 * lose nothing; the keeper only sees to it that work goes on.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_LOCKED = 3, EXIT_CONFIG = 4, RETRY_US = 1000000, TICK_US = 600000000, START_WAIT_MS = 10000, LOCK_WAIT_US = 5000000 };

void pool_retry(struct pool *p)
{
    loop_timer_set(p->retry, clock_boot_us() + RETRY_US);
}

static void on_retry(void *data)
{
    struct pool *p = data;
    p->schedule = true;
}

void pool_wake(struct pool *p, int64_t at_us)
{
    if (at_us >= p->wake_at)
        return;
    p->wake_at = at_us;
    loop_timer_set(p->wake, at_us);
}

/* The round that follows does the work. */
static void on_wake(void *data)
{
    struct pool *p = data;
    p->wake_at = INT64_MAX;
}

static void on_tick(void *data)
{
    struct pool *p = data;
    struct error ignored;
    if (queue_begin(p->queue, &ignored) == 0) {
        queue_trim_history(p->queue, clock_wall_us() - p->config.history_us, &ignored);
        queue_commit(p->queue, &ignored);
    }
    p->schedule = true;
    loop_timer_set(p->tick, clock_boot_us() + TICK_US);
}

static void on_signal(void *data, int signal)
{
    struct pool *p = data;
    if (signal == SIGCHLD) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        return;
    }
    log_info("stopping; running jobs go on without the pool");
    p->stopping = true;
    loop_stop(p->loop);
}

static void round_of(void *data)
{
    struct pool *p = data;
    active_round(p);
    schedule_round(p);
    userlog_round(p);
    api_round(p);
    if (p->vacating && !p->active) {
        p->stopping = true;
        loop_stop(p->loop);
    }
}

/* What a crash between a job's end and its cleaning up leaves: directories and checkpoints of jobs that are gone. */
static void sweep_one(struct pool *p, const char *name)
{
    struct queue_job job = { 0 };
    struct job_id id;
    struct error err;
    if (!job_id_parse(name, &id) || id.proc == JOB_ALL_PROCS)
        return;
    int result = queue_get_job(p->queue, id, &job, &err);
    queue_job_release(&job);
    if (result == QUEUE_ABSENT)
        move_clean(p, id);
}

static void sweep_store(void *data, const char *job)
{
    sweep_one(data, job);
}

static void sweep(struct pool *p)
{
    struct error ignored;
    int fd = openat(p->jobs_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d) {
        for (struct dirent *e; (e = readdir(d));)
            sweep_one(p, e->d_name);
        closedir(d);
    }
    store_each_job(p->store, sweep_store, p, &ignored);
}

static char *find_runner(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return NULL;
    self[n] = '\0';
    const char *dir = dirname(self);
    char *beside = mem_printf("%s/stint-runner", dir);
    if (access(beside, X_OK) == 0)
        return beside;
    free(beside);
    return mem_printf("%s/../runner/stint-runner", dir); /* in the build directory */
}

static int open_dirs(struct pool *p, const char *path, struct error *err)
{
    mode_t mode = geteuid() == 0 ? 0711 : 0700; /* users of a machine-wide pool must reach its socket and their sandboxes */
    p->dir = file_make_dirs(path, mode, err);
    if (p->dir < 0)
        return -1;
    p->dir_path = realpath(path, NULL);
    if (!p->dir_path)
        return error_sys(err, "cannot resolve '%s'", path);
    p->jobs_path = mem_printf("%s/jobs", p->dir_path);
    p->store_path = mem_printf("%s/store", p->dir_path);
    p->jobs_dir = file_make_dirs(p->jobs_path, mode, err);
    return p->jobs_dir < 0 ? -1 : 0;
}

static bool answers(struct pool *p)
{
    struct error ignored;
    auto_close int fd = file_connect(p->dir, "pool.sock", &ignored);
    return fd >= 0;
}

/* Outcome EXIT_LOCKED: a pool runs here already. */
static int lock_dir(struct pool *p, struct error *err)
{
    int fd = openat(p->dir, "pool.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(err, "cannot open the pool's lock");
    int64_t give_up = clock_boot_us() + LOCK_WAIT_US;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) { /* held until the process ends */
        if (errno != EWOULDBLOCK && errno != EINTR) {
            close(fd);
            return error_sys(err, "cannot lock the pool's directory");
        }
        if (answers(p) || clock_boot_us() > give_up) {
            close(fd);
            return EXIT_LOCKED;
        }
        poll(NULL, 0, 5); /* a pool that is just ending */
    }
    return 0;
}

static int open_pool(struct pool *p, const char *path, struct error *err)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 };
    p->started_us = clock_wall_us();
    p->machine_wide = geteuid() == 0 && !getenv("STINT_PRIVATE");
    if (open_dirs(p, path, err) < 0)
        return -1;
    int result = lock_dir(p, err);
    if (result != 0)
        return result;
    if (config_read(p, err) < 0)
        return EXIT_CONFIG;
    if (identity_of(geteuid(), &p->owner, err) < 0 || queue_open(p->dir_path, &p->queue, err) < 0 ||
        store_open(p->store_path, &p->store, err) < 0 || queue_last_event(p->queue, &p->last_event, err) < 0)
        return -1;
    p->runner_path = find_runner();
    p->loop = loop_new();
    p->retry = loop_timer(p->loop, INT64_MAX, on_retry, p);
    p->wake = loop_timer(p->loop, INT64_MAX, on_wake, p);
    p->wake_at = INT64_MAX;
    p->tick = loop_timer(p->loop, clock_boot_us() + TICK_US, on_tick, p);
    if (loop_signals(p->loop, signals, on_signal, p, err) < 0)
        return -1;
    p->logs = true;
    sweep(p);
    if (active_recover(p, err) < 0 || schedule_load(p, err) < 0)
        return -1;
    return api_open(p, err);
}

static void close_pool(struct pool *p)
{
    api_close(p);
    active_drop_all(p);
    store_close(p->store);
    queue_close(p->queue);
    loop_timer_free(p->retry);
    loop_timer_free(p->wake);
    loop_timer_free(p->tick);
    loop_free(p->loop);
    free(p->idle);
    free(p->waiting);
    free(p->dir_path);
    free(p->jobs_path);
    free(p->store_path);
    free(p->runner_path);
    file_close(&p->jobs_dir);
    file_close(&p->dir);
}

void pool_want(struct pool *p, bool wanted)
{
    if (!wanted)
        unlinkat(p->dir, "pool.wanted", 0);
    else
        close(openat(p->dir, "pool.wanted", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

/* `ready` gets one byte when the pool answers, or the error. */
static int run_pool(const char *path, int ready)
{
    struct pool p = { .dir = -1, .jobs_dir = -1 };
    struct error err = { 0 };
    signal(SIGPIPE, SIG_IGN);
    int result = open_pool(&p, path, &err);
    if (result == 0) {
        log_info("pool of '%s' is ready in '%s'", p.owner.name, p.dir_path);
        if (ready >= 0 && write(ready, "+", 1) < 0)
            log_error("nobody waits for the pool's start");
        file_close(&ready);
        pool_want(&p, true);
        round_of(&p);
        loop_run(p.loop, round_of, &p);
    } else if (result == EXIT_LOCKED) {
        error_set(&err, ERR_INVALID, "a pool runs in '%s' already", path);
    }
    if (result == EXIT_LOCKED && ready >= 0 && answers(&p)) {
        err.text[0] = '+'; /* two submits started a pool at once: there is one, which is what both wanted */
        err.text[1] = '\0';
    } else if (result != 0) {
        log_error("%s", err.text);
    }
    if (result != 0 && ready >= 0 && write(ready, err.text, strlen(err.text)) < 0)
        log_error("nobody waits for the pool's start");
    close_pool(&p);
    return result < 0 ? EXIT_FAILURE : result;
}

/* Starts the pool again when it was killed, more slowly each time it dies young. */
static int keep(const char *path, int ready)
{
    int pause_ms = 100;
    prctl(PR_SET_NAME, "stint-keeper");
    for (;;) {
        int64_t begun = clock_boot_us();
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(run_pool(path, ready));
        file_close(&ready);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
            return EXIT_FAILURE;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        log_error("the pool was killed by signal %d; it is started again", WTERMSIG(status));
        if (clock_boot_us() - begun > 10 * CLOCK_SECOND_US)
            pause_ms = 100;
        poll(NULL, 0, pause_ms);
        pause_ms = pause_ms >= 10000 ? 10000 : pause_ms * 2;
        unsetenv("STINT_FAULT"); /* a test's fault strikes once, not its successors */
    }
}

static int to_background(const char *path, struct error *err)
{
    auto_free char *log_path = mem_printf("%s/pool.log", path);
    auto_close int dir = file_make_dirs(path, geteuid() == 0 ? 0711 : 0700, err);
    if (dir < 0)
        return -1;
    auto_close int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log < 0 || null < 0)
        return error_sys(err, "cannot open '%s'", log_path);
    if (setsid() < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || chdir("/") < 0)
        return error_sys(err, "cannot go to the background");
    return 0;
}

static int start(const char *relative)
{
    struct error err = { 0 };
    int ready[2];
    auto_free char *cwd = relative[0] == '/' ? NULL : getcwd(NULL, 0);
    auto_free char *path = cwd ? mem_printf("%s/%s", cwd, relative) : mem_dup(relative);
    if (pipe2(ready, O_CLOEXEC) < 0)
        return EXIT_FAILURE;
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        if (to_background(path, &err) == 0)
            _exit(keep(path, ready[1]));
        if (write(ready[1], err.text, strlen(err.text)) < 0)
            _exit(EXIT_FAILURE);
        _exit(EXIT_FAILURE);
    }
    close(ready[1]);
    char text[sizeof err.text] = { 0 };
    struct pollfd wait = { .fd = ready[0], .events = POLLIN };
    ssize_t n = poll(&wait, 1, START_WAIT_MS) > 0 ? read(ready[0], text, sizeof text - 1) : -1;
    close(ready[0]);
    if (n > 0 && text[0] == '+')
        return EXIT_SUCCESS;
    fprintf(stderr, "stint-pool: %s\n", n > 0 ? text : "the pool did not start; its pool.log may say why");
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "start") == 0)
        return start(argv[2]);
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run_pool(argv[2], -1);
    fprintf(stderr, "usage: stint-pool start|run DIR\nIt is started by stint itself; see stint-pool(8).\n");
    return 2;
}
