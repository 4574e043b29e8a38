/*
 * The pool's life: what is opened at its start and in which order, what a round of the loop does, and what is left at its end.
 * Whatever state the last pool left, killed or not, is taken up here: jobs that hold a slot are looked after again, idle ones are
 * put in order; then it answers, and directories of jobs that are gone are put into the trash.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RETRY_US = 1000000, TICK_US = 600000000, LOCK_WAIT_US = 5000000, STORE_PATIENCE_US = 200000 };

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

int pool_trim(struct pool *p, struct moment now, struct error *err)
{
    int64_t by_boot = p->started_us + (now.boot_us - p->started_boot_us);
    int64_t safe = now.wall_us < by_boot ? now.wall_us : by_boot;
    if (queue_begin(p->queue, err) < 0)
        return -1;
    if (queue_trim_history(p->queue, safe - p->config.history_us, err) < 0) {
        queue_rollback(p->queue);
        return -1;
    }
    return queue_commit(p->queue, err);
}

static void on_tick(void *data)
{
    struct pool *p = data;
    struct error err;
    if (pool_trim(p, clock_now(), &err) < 0)
        log_error("the history stays as it is: %s", err.text);
    p->schedule = true;
    schedule_recheck(p);
    scrub_tick(p, TICK_US);
    loop_timer_set(p->tick, clock_boot_us() + TICK_US);
}

static void on_signal(void *data, int signal)
{
    struct pool *p = data;
    if (signal == SIGCHLD) {
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
            trash_reaped(p, pid, status);
            task_reaped(p, pid);
            upload_reaped(p, pid, status);
            notify_reaped(p, pid, status);
            scrub_reaped(p, pid);
        }
        return;
    }
    log_info("stopping; running jobs go on without the pool");
    p->stopping = true;
    loop_stop(p->loop);
}

void pool_round(void *data)
{
    struct pool *p = data;
    active_round(p);
    leave_round(p);
    factory_round(p);
    periodic_round(p);
    schedule_round(p);
    userlog_round(p);
    notify_round(p);
    trash_round(p);
    upload_round(p);
    api_round(p);
    if (p->vacating && !p->active) {
        p->stopping = true;
        loop_stop(p->loop);
    }
}

/*
 * What a crash between a job's end and its cleaning up leaves: directories and checkpoints of jobs that are gone. Gone is what
 * this queue knew and knows no more. Checkpoints of jobs with higher numbers than it ever gave belong to a queue that has been
 * lost, or was younger than the copy that this one comes from: they are nobody's to throw away, and no new job may get their
 * numbers.
 */
struct sweep {
    struct pool *pool;
    int last;    /* the highest number that this queue has given */
    int highest; /* that was seen */
};

static void keep_unknown(struct sweep *s, struct job_id id)
{
    s->highest = id.cluster > s->highest ? id.cluster : s->highest;
    if (trash_keep(s->pool, id))
        log_error("job %d.%d is not known to the queue: its checkpoints are kept; see them with 'stint ckpt ls'", id.cluster, id.proc);
}

static void sweep_one(struct sweep *s, const char *name)
{
    struct queue_job job = { 0 };
    struct job_id id;
    struct error err;
    if (!job_id_parse(name, &id) || id.proc == JOB_ALL_PROCS)
        return;
    int result = queue_get_job(s->pool->queue, id, &job, &err);
    queue_job_release(&job);
    if (result == QUEUE_ABSENT && id.cluster > s->last)
        keep_unknown(s, id);
    else if (result == QUEUE_ABSENT)
        trash_put(s->pool, id, false);
}

static void sweep_store(void *data, const char *job)
{
    sweep_one(data, job);
}

static void skip_numbers(struct sweep *s)
{
    struct queue *q = s->pool->queue;
    struct error err;
    int result = s->highest > s->last ? queue_begin(q, &err) : 0;
    if (result < 0 || s->highest <= s->last)
        return;
    if (queue_skip_clusters(q, s->highest, &err) < 0)
        queue_rollback(q);
    else
        queue_commit(q, &err);
}

static void sweep(struct pool *p)
{
    struct sweep s = { .pool = p };
    struct error err;
    if (queue_last_cluster(p->queue, &s.last, &err) < 0) {
        log_error("what jobs have left stays: %s", err.text);
        return;
    }
    int fd = openat(p->jobs_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d) {
        for (struct dirent *e; (e = readdir(d));)
            sweep_one(&s, e->d_name);
        closedir(d);
    }
    store_each_job(p->store, sweep_store, &s, &err);
    skip_numbers(&s);
    p->trash = p->trash_all = true; /* the last pool's */
    pool_wake(p, clock_boot_us());
}

/* It lies beside the pool; in the build directory, in its module's. */
static char *find_program(const char *name, const char *module)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return NULL;
    self[n] = '\0';
    const char *dir = dirname(self);
    char *beside = mem_printf("%s/%s", dir, name);
    if (access(beside, X_OK) == 0)
        return beside;
    free(beside);
    return mem_printf("%s/../%s/%s", dir, module, name);
}

static int open_dirs(struct pool *p, const char *path, struct error *err)
{
    char *jobs_path;
    p->dir = place_open(path, &p->dir_path, err);
    if (p->dir < 0)
        return -1;
    p->store_path = mem_printf("%s/store", p->dir_path);
    auto_free char *jobs = mem_printf("%s/jobs", p->dir_path);
    p->jobs_dir = place_open(jobs, &jobs_path, err);
    if (p->jobs_dir < 0)
        return -1;
    p->jobs_path = jobs_path;
    return 0;
}

bool pool_answers(const struct pool *p)
{
    struct error ignored;
    auto_close int fd = file_connect(p->dir, "pool.sock", &ignored);
    return fd >= 0;
}

/* Held until the pool ends. Outcome POOL_LOCKED: a pool runs here already. */
static int lock_dir(struct pool *p, struct error *err)
{
    p->lock = openat(p->dir, "pool.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->lock < 0)
        return error_sys(err, "cannot open the pool's lock");
    int64_t give_up = clock_boot_us() + LOCK_WAIT_US;
    while (flock(p->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_sys(err, "cannot lock the pool's directory");
        if (pool_answers(p) || clock_boot_us() > give_up)
            return POOL_LOCKED;
        poll(NULL, 0, 5); /* a pool that is just ending */
    }
    return 0;
}

int pool_open_state(struct pool *p, const char *path, struct error *err)
{
    *p = (struct pool){ .dir = -1, .jobs_dir = -1, .lock = -1, .upload_fd = -1, .wake_at = INT64_MAX };
    p->started_us = clock_wall_us();
    p->started_boot_us = clock_boot_us();
    p->logs_due_us = INT64_MAX;
    p->machine_wide = place_is_machine_wide();
    if (open_dirs(p, path, err) < 0)
        return -1;
    int result = lock_dir(p, err);
    if (result != 0)
        return result;
    if (config_read(p, err) < 0)
        return POOL_CONFIG;
    if (identity_of(geteuid(), &p->owner, err) < 0 || queue_open(p->dir_path, &p->queue, err) < 0 ||
        store_open(p->store_path, &p->store, err) < 0 || queue_last_event(p->queue, &p->last_event, err) < 0)
        return -1;
    store_patience(p->store, STORE_PATIENCE_US); /* the loop does not wait for others; children do */
    if (upload_open(p, err) < 0)
        return -1;
    p->runner_path = find_program("stint-runner", "runner");
    p->transport_path = find_program("stint-store", "store");
    p->loop = loop_new();
    p->retry = loop_timer(p->loop, INT64_MAX, on_retry, p);
    p->wake = loop_timer(p->loop, INT64_MAX, on_wake, p);
    p->tick = loop_timer(p->loop, clock_boot_us() + TICK_US, on_tick, p);
    p->logs = true;
    p->logs_doubtful = p->last_event;
    p->notices = true;
    return 0;
}

int pool_open(struct pool *p, const char *path, struct error *err)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 };
    int result = pool_open_state(p, path, err);
    if (result != 0)
        return result;
    if (loop_signals(p->loop, signals, on_signal, p, err) < 0)
        return -1;
    if (active_recover(p, err) < 0 || kept_load(p, err) < 0 || schedule_load(p, err) < 0 || factory_load(p, err) < 0 || api_open(p, err) < 0)
        return -1;
    sweep(p);
    return 0;
}

void pool_close(struct pool *p)
{
    api_close(p);
    task_close_all(p);
    upload_close(p);
    notify_close(p);
    active_drop_all(p);
    factory_free_all(p);
    kept_free(p);
    userlog_close(p);
    store_close(p->store);
    queue_close(p->queue);
    loop_timer_free(p->retry);
    loop_timer_free(p->wake);
    loop_timer_free(p->tick);
    periodic_close(p);
    loop_free(p->loop);
    schedule_close(p);
    ad_free(p->machine);
    config_release(&p->config);
    free(p->dir_path);
    free(p->jobs_path);
    free(p->store_path);
    free(p->runner_path);
    free(p->transport_path);
    file_close(&p->jobs_dir);
    file_close(&p->dir);
    file_close(&p->lock);
    *p = (struct pool){ .dir = -1, .jobs_dir = -1, .lock = -1 };
}

void pool_want(struct pool *p, bool wanted)
{
    if (!wanted)
        unlinkat(p->dir, "pool.wanted", 0);
    else
        close(openat(p->dir, "pool.wanted", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}
