/*
 * Telling owners of their jobs. stint sends nothing itself: the configuration's notify_command does, a program of the administrator's,
 * run as the job's owner with the job's ad on standard input. What is to be told is noted in the transaction in which it happened
 * and forgotten when the command has ended well, so it is told at least once: a pool that dies in between has it told again. A command
 * that fails is tried three times in all.
 *
 * The loop never waits for it: a few run at a time, and one that takes too long is killed with all that it started.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_A_TIME = 4, LOOK_AT_MAX = 64, TRIES_MAX = 3, TIMEOUT_US = 60000000, PAUSE_US = 60000000 };
enum { NEVER, ALWAYS, COMPLETE, ERROR }; /* JobNotification */

struct notifier {
    struct notifier *next;
    pid_t pid;
    struct queue_notice notice;
    int64_t end_us; /* boot clock: then it is killed */
};

bool notify_is_wanted(const struct ad *full)
{
    return ad_int(full, "JobNotification", NEVER) != NEVER;
}

/* An end that is not what the job's submitter calls success. */
static bool is_failure(const struct ad *full, const struct ad *event)
{
    if (ad_bool(event, "ExitBySignal", false))
        return true;
    return ad_has(full, "JobSuccessExitCode") && ad_int(event, "ExitCode", 0) != ad_int(full, "JobSuccessExitCode", 0);
}

/* By a person's wish (1), or as it was submitted (15). */
static bool is_held_by_will(const struct ad *event)
{
    return ad_int(event, "Code", 0) == 1 || ad_int(event, "Code", 0) == 15;
}

static const char *kind_of(int64_t wanted, const struct ad *full, const struct ad *event)
{
    const char *name = ad_string(event, "Event", "");
    if (strcmp(name, "completed") == 0)
        return wanted != ERROR || is_failure(full, event) ? "completed" : NULL;
    if (strcmp(name, "held") == 0)
        return wanted != COMPLETE && !is_held_by_will(event) ? "held" : NULL;
    if (strcmp(name, "checkpoint_taken") == 0)
        return wanted == ALWAYS ? "checkpoint" : NULL;
    return NULL;
}

int notify_event(struct pool *p, const struct queue_job *job, const struct ad *full, const struct ad *event, struct error *err)
{
    int64_t wanted = p->config.notify_command[0] ? ad_int(full, "JobNotification", NEVER) : NEVER;
    const char *kind = wanted == NEVER ? NULL : kind_of(wanted, full, event);
    if (!kind)
        return 0;
    p->notices = true;
    return queue_add_notice(p->queue, job->id, kind, err);
}

/* ---- the child ---- */

struct told {
    struct pool *pool;
    struct ad *ad;
    uid_t uid;
};

static bool take_job(void *data, const struct queue_job *job)
{
    struct told *t = data;
    struct error ignored;
    t->uid = job->uid;
    report_job(t->pool, job, &t->ad, &ignored);
    return false;
}

/* The job as it is now, in the queue or in the history. */
static int find_job(struct pool *p, struct job_id id, struct told *t, struct error *err)
{
    struct queue_filter filter = { .id = id, .limit = 1 };
    *t = (struct told){ .pool = p };
    if (queue_each_job(p->queue, &filter, take_job, t, err) < 0)
        return -1;
    filter.history = true;
    return t->ad ? 0 : queue_each_job(p->queue, &filter, take_job, t, err);
}

static int ad_file(const struct ad *ad, struct error *err)
{
    auto_buf struct buf text = { 0 };
    int fd = memfd_create("stint-notice", MFD_CLOEXEC);
    ad_print(ad, &text);
    if (fd >= 0 && write(fd, buf_cstr(&text), text.len) == (ssize_t)text.len && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    error_sys(err, "cannot write the job's ad");
    if (fd >= 0)
        close(fd);
    return -1;
}

enum { VARIABLES = 9 };

static void make_environment(const struct told *t, const struct queue_notice *n, const struct identity *owner, char *out[VARIABLES + 1])
{
    char id[JOB_ID_TEXT_MAX];
    const char *user = ad_string(t->ad, "NotifyUser", owner->name);
    out[0] = mem_dup("PATH=/usr/local/bin:/usr/bin:/bin");
    out[1] = mem_printf("HOME=%s", owner->home);
    out[2] = mem_printf("USER=%s", owner->name);
    out[3] = mem_printf("LOGNAME=%s", owner->name);
    out[4] = mem_printf("STINT_JOB=%s", job_id_print(n->id, id));
    out[5] = mem_printf("STINT_EVENT=%s", n->kind);
    out[6] = mem_printf("STINT_NOTIFY_USER=%s", user);
    out[7] = mem_printf("STINT_OWNER=%s", owner->name);
    out[8] = mem_printf("STINT_DIR=%s", t->pool->dir_path);
    out[9] = NULL;
}

static void be_notifier(struct pool *p, pid_t pool, const struct identity *owner, int input, char *const *environment)
{
    sigset_t none;
    struct error err;
    char *const words[] = { p->config.notify_command, NULL };
    prctl(PR_SET_NAME, "stint-notify");
    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_WRONLY);
    if (dup2(input, 0) < 0 || dup2(nothing, 1) < 0 || dup2(nothing, 2) < 0 || close_range(3, ~0u, 0) < 0)
        _exit(126);
    if (geteuid() == 0 && identity_become(owner, &err) < 0)
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user forgets it */
    if (getppid() != pool || chdir("/") < 0)
        _exit(126);
    execve(words[0], words, environment);
    _exit(127);
}

static int start(struct pool *p, const struct queue_notice *n, const struct told *t, struct error *err)
{
    struct identity owner;
    char *environment[VARIABLES + 1];
    if (identity_of(t->uid, &owner, err) < 0)
        return -1;
    int input = ad_file(t->ad, err);
    if (input < 0)
        return -1;
    fault_point("notify.start");
    make_environment(t, n, &owner, environment);
    pid_t pool = getpid(), pid = fork();
    if (pid == 0)
        be_notifier(p, pool, &owner, input, environment);
    int failed = errno;
    for (size_t i = 0; i < VARIABLES; i++)
        free(environment[i]);
    close(input);
    if (pid < 0) {
        errno = failed;
        return error_sys(err, "cannot start '%s'", p->config.notify_command);
    }
    setpgid(pid, pid); /* whoever is first */
    struct notifier *x = mem_new(struct notifier);
    *x = (struct notifier){ .next = p->notifiers, .pid = pid, .notice = *n, .end_us = clock_boot_us() + TIMEOUT_US };
    p->notifiers = x;
    pool_wake(p, x->end_us);
    return 0;
}

/* ---- the ends ---- */

static int settle(struct pool *p, const struct queue_notice *n, const char *failure, struct error *err)
{
    char id[JOB_ID_TEXT_MAX];
    if (!failure)
        return queue_drop_notice(p->queue, n->seq, err);
    log_error("job %s: its owner could not be told: '%s' %s", job_id_print(n->id, id), p->config.notify_command, failure);
    if (n->tries + 1 >= TRIES_MAX)
        return queue_drop_notice(p->queue, n->seq, err);
    return queue_delay_notice(p->queue, n->seq, clock_wall_us() + PAUSE_US, err);
}

static void settle_or_say(struct pool *p, const struct queue_notice *n, const char *failure)
{
    struct error err;
    if (settle(p, n, failure, &err) < 0) /* it is told again, then */
        log_error("notices: %s", err.text);
    p->notices = true;
}

void notify_reaped(struct pool *p, pid_t pid, int status)
{
    struct notifier **at = &p->notifiers;
    char failure[64] = "";
    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    struct notifier *x = *at;
    if (!x)
        return;
    *at = x->next;
    kill(-pid, SIGKILL); /* what it left running */
    if (WIFSIGNALED(status))
        snprintf(failure, sizeof failure, "was ended by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(failure, sizeof failure, "exited with %d", WEXITSTATUS(status));
    fault_point("notify.ended");
    settle_or_say(p, &x->notice, failure[0] ? failure : NULL);
    free(x);
}

void notify_close(struct pool *p)
{
    while (p->notifiers) {
        struct notifier *x = p->notifiers;
        p->notifiers = x->next;
        kill(-x->pid, SIGKILL);
        free(x);
    }
}

/* ---- the round ---- */

static size_t end_late(struct pool *p)
{
    size_t count = 0;
    int64_t now = clock_boot_us();
    for (struct notifier *x = p->notifiers; x; x = x->next, count++) {
        if (x->end_us > now)
            continue;
        kill(-x->pid, SIGKILL);
        x->end_us = now + CLOCK_SECOND_US;
        pool_wake(p, x->end_us);
    }
    return count;
}

static bool is_running(const struct pool *p, int64_t seq)
{
    const struct notifier *x = p->notifiers;
    while (x && x->notice.seq != seq)
        x = x->next;
    return x != NULL;
}

/* Whether somebody is being told now; else the notice is settled. */
static bool begin(struct pool *p, const struct queue_notice *n)
{
    struct told t;
    struct error err = { 0 };
    int result = find_job(p, n->id, &t, &err);
    bool forgotten = result == 0 && !t.ad;
    bool begun = result == 0 && t.ad && start(p, n, &t, &err) == 0;
    if (!begun)
        settle_or_say(p, n, forgotten ? NULL : err.text);
    ad_free(t.ad);
    return begun;
}

static void wake_for_next(struct pool *p, int64_t now)
{
    struct error ignored;
    int64_t due;
    p->notices = false;
    p->notices_due_us = INT64_MAX;
    if (queue_notice_due(p->queue, now, &due, &ignored) < 0 || due == INT64_MAX)
        return;
    p->notices_due_us = clock_boot_us() + (due - now);
    pool_wake(p, p->notices_due_us);
}

void notify_round(struct pool *p)
{
    struct queue_notice n = { 0 };
    struct error err;
    size_t running = end_late(p), looked_at = 0;
    int64_t now = clock_wall_us(), after = 0;
    int result = 0;
    if ((!p->notices && clock_boot_us() < p->notices_due_us) || p->stopping || !p->config.notify_command[0])
        return;
    while (running < AT_A_TIME && looked_at < LOOK_AT_MAX && (result = queue_next_notice(p->queue, after, now, &n, &err)) == 0) {
        after = n.seq;
        if (is_running(p, n.seq))
            continue;
        running += begin(p, &n);
        looked_at++;
    }
    if (result < 0)
        log_error("notices: %s", err.text);
    if (looked_at == LOOK_AT_MAX)
        pool_wake(p, clock_boot_us());
    else if (running < AT_A_TIME || result != 0)
        wake_for_next(p, now);
}
