/*
 * The child writes frames (a letter, four bytes of length, the first one first, and that many bytes) into one pipe: 'h' a head,
 * 'd' a record, 'p' progress, 'r' the result. The content of a file or an archive goes into a second pipe as it is, so that the
 * store can write it with what the kernel has for that. The pool reads from them only as fast as its client reads: a client
 * that sleeps stops the child, and nothing is gathered here.
 *
 * A task is settled (its result made part of the queue) at the moment in which its result is read, in the pool's own thread.
 * What a child leaves that ended before is undone by the plan's release, which is called only when the child is surely gone.
 */
#include "pool/task.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TASKS_MAX = 16, /* of all users */
    TASKS_USER_MAX = 4,
    TASKS_MASTER_MAX = 8, /* beside those: a pool's master is never kept out by others */
    FRAME_MAX = 4 << 20, /* a record, or a job's ad */
    FRAME_HEAD = 5,
    BLOCK = 64 << 10,
    PROGRESS_US = 100000,
    PRIORITY = 5,
};

struct task {
    struct task *next;
    struct pool *pool;
    struct task_plan plan;
    pid_t pid; /* 0 = gone */
    int control, bytes;
    struct loop_watch *control_watch, *bytes_watch;
    void (*wake)(void *data);
    void *wake_data;
    struct buf in;  /* frames, as far as they have come */
    struct buf out; /* for the client */
    size_t out_at;
    struct ad *result;
    struct error error; /* where there is no result */
    bool has_head, has_result, is_over, is_settled, is_left;
};

/* ---- the child ---- */

static void send_frame(int fd, char type, const struct ad *ad)
{
    auto_buf struct buf frame = { .max = FRAME_MAX }, text = { .max = FRAME_MAX };
    struct error ignored;
    ad_print_json(ad, &text);
    uint32_t len = htonl((uint32_t)text.len);
    buf_char(&frame, type);
    buf_add(&frame, &len, sizeof len);
    buf_add(&frame, text.data, text.len);
    if (text.full || frame.full || file_write_all(fd, frame.data, frame.len, &ignored) < 0)
        _exit(1);
}

void task_tell(struct task_line *line, struct ad *record)
{
    send_frame(line->control, 'd', record);
    ad_free(record);
}

void task_head(struct task_line *line, struct ad *head)
{
    send_frame(line->control, 'h', head);
    ad_free(head);
}

static void tell_progress(void *data, int64_t done, int64_t total)
{
    struct task_line *line = data;
    int64_t now = clock_boot_us();
    auto_ad struct ad *ad = NULL;
    if (now - line->told_us < PROGRESS_US)
        return;
    line->told_us = now;
    ad = ad_new();
    ad_set_int(ad, "Done", line->done + done);
    ad_set_int(ad, "Total", line->total > 0 ? line->total : total);
    send_frame(line->control, 'p', ad);
}

struct store_progress task_progress(struct task_line *line)
{
    return (struct store_progress){ .fn = tell_progress, .data = line };
}

static void set_error(struct ad *ad, const struct error *err)
{
    ad_set_string(ad, "Error", err->text);
    ad_set_string(ad, "Kind", error_kind_name(err->kind));
}

/* Nothing of the pool's stays open but the log: not its lock, not its sockets. */
static int keep_only(struct task_line *line)
{
    int control = fcntl(line->control, F_DUPFD_CLOEXEC, 5), bytes = line->bytes < 0 ? -1 : fcntl(line->bytes, F_DUPFD_CLOEXEC, 5);
    if (dup3(control, 3, O_CLOEXEC) < 0 || (bytes >= 0 && dup3(bytes, 4, O_CLOEXEC) < 0))
        return -1;
    line->control = 3;
    line->bytes = bytes < 0 ? -1 : 4;
    return close_range(bytes < 0 ? 4 : 5, ~0u, 0);
}

static void be_child(pid_t pool, const struct task_plan *plan, struct task_line *line)
{
    struct error err = { .kind = ERR_SYSTEM };
    struct ad *result = ad_new();
    sigset_t none;
    prctl(PR_SET_NAME, "stint-ckpt");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    setpriority(PRIO_PROCESS, 0, PRIORITY);
    if (getppid() != pool || keep_only(line) < 0)
        _exit(1);
    fault_point("pool.task");
    if (plan->work(line, plan->data, result, &err) < 0)
        set_error(result, &err);
    file_close(&line->bytes);
    send_frame(line->control, 'r', result);
    _exit(0);
}

/* ---- the beginning ---- */

static bool is_master(const struct pool *p, uid_t uid)
{
    return uid == 0 || uid == p->owner.uid;
}

static bool is_busy(const struct pool *p, uid_t uid)
{
    int of_users = 0, of_user = 0;
    for (const struct task *t = p->tasks; t; t = t->next) {
        of_users += !is_master(p, t->plan.uid);
        of_user += t->plan.uid == uid;
    }
    return is_master(p, uid) ? of_user >= TASKS_MASTER_MAX : of_users >= TASKS_MAX || of_user >= TASKS_USER_MAX;
}

static int make_pipe(int ends[2], struct error *err)
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int launch(struct task *t, struct error *err)
{
    int control[2] = { -1, -1 }, bytes[2] = { -1, -1 };
    int result = make_pipe(control, err);
    if (result == 0 && t->plan.gives_bytes)
        result = make_pipe(bytes, err);
    if (result == 0) {
        struct task_line line = { .control = control[1], .bytes = bytes[1] };
        pid_t pool = getpid();
        t->pid = fork();
        if (t->pid == 0)
            be_child(pool, &t->plan, &line);
        if (t->pid < 0)
            result = error_sys(err, "cannot fork");
    }
    file_close(&control[1]);
    file_close(&bytes[1]);
    t->control = control[0];
    t->bytes = bytes[0];
    return result;
}

static void task_free(struct task *t)
{
    loop_unwatch(t->control_watch);
    loop_unwatch(t->bytes_watch);
    file_close(&t->control);
    file_close(&t->bytes);
    buf_release(&t->in);
    buf_release(&t->out);
    ad_free(t->result);
    t->plan.release(t->pool, t->plan.data, t->is_settled);
    free(t);
}

int task_start(struct pool *p, const struct task_plan *plan, struct task **out, struct error *err)
{
    bool busy = is_busy(p, plan->uid);
    struct task *t = mem_new(struct task);
    *t = (struct task){ .pool = p, .plan = *plan, .control = -1, .bytes = -1, .in = { .max = FRAME_MAX + BLOCK } };
    if (busy || launch(t, err) < 0) {
        task_free(t);
        return busy ? TASK_BUSY : -1;
    }
    t->next = p->tasks;
    p->tasks = t;
    *out = t;
    return 0;
}

bool task_gives_bytes(const struct task *task)
{
    return task->plan.gives_bytes;
}

/* ---- reading ---- */

static void emit(struct task *t, char type, const void *data, size_t len)
{
    uint32_t head = htonl((uint32_t)len);
    if (t->plan.gives_bytes) {
        buf_char(&t->out, type);
        buf_add(&t->out, &head, sizeof head);
    }
    buf_add(&t->out, data, len);
    if (!t->plan.gives_bytes)
        buf_char(&t->out, '\n');
}

static void take_result(struct task *t, const char *text, size_t len)
{
    t->has_result = true;
    if (ad_parse_json(text, len, &t->result, &t->error) < 0)
        return;
    const char *error = ad_string(t->result, "Error", NULL);
    if (!error)
        return;
    error_set(&t->error, error_kind_from_name(ad_string(t->result, "Kind", "")), "%s", error);
    ad_free(t->result);
    t->result = NULL;
}

/* The frames that have come whole. */
static void take_frames(struct task *t)
{
    while (!t->has_result && t->in.len >= FRAME_HEAD) {
        uint32_t len;
        memcpy(&len, t->in.data + 1, sizeof len);
        len = ntohl(len);
        if (t->in.len < FRAME_HEAD + (size_t)len)
            return;
        if (t->in.data[0] == 'r')
            take_result(t, t->in.data + FRAME_HEAD, len);
        else
            emit(t, t->in.data[0], t->in.data + FRAME_HEAD, len);
        t->has_head = t->has_head || t->in.data[0] == 'h' || t->has_result;
        buf_drop(&t->in, FRAME_HEAD + (size_t)len);
    }
}

/* > 0: something came; 0: nothing yet; < 0: the end. */
static ssize_t read_some(int fd, char *block)
{
    ssize_t n;
    if (fd < 0)
        return -1;
    do {
        n = read(fd, block, BLOCK);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

/* The last words: what was done counts from here on, or is said not to. */
static void conclude(struct task *t)
{
    auto_ad struct ad *last = t->result ? steal(t->result) : ad_new();
    auto_buf struct buf text = { 0 };
    bool failed = t->error.text[0] != '\0';
    if (!failed && t->plan.settle && t->plan.settle(t->pool, t->plan.data, last, &t->error) < 0) {
        failed = true;
        if (t->error.kind != ERR_INVALID && t->error.kind != ERR_DENIED && t->error.kind != ERR_LIMIT)
            log_error("what a child has done does not count: %s", t->error.text);
    }
    t->is_settled = !failed;
    t->is_over = true;
    if (failed) {
        ad_free(last);
        last = ad_new();
        set_error(last, &t->error);
    } else {
        ad_set_bool(last, "Ok", true);
    }
    ad_print_json(last, &text);
    emit(t, 'r', text.data, text.len);
}

static ssize_t read_control(struct task *t, char *block)
{
    ssize_t n = read_some(t->control, block);
    if (n > 0) {
        buf_add(&t->in, block, (size_t)n);
        take_frames(t);
    } else if (n < 0) {
        t->has_head = t->has_result = true;
        error_set(&t->error, ERR_CHILD, "the process that did it died; what it left half done does not count");
    }
    return n;
}

/* The content comes behind the head and before the result, whichever pipe is read first. True when there is something new. */
static bool pump(struct task *t)
{
    auto_free char *block = mem_zero(1, BLOCK);
    ssize_t n = t->plan.gives_bytes && !t->has_head ? 0 : read_some(t->bytes, block);
    if (n > 0) {
        emit(t, 'd', block, (size_t)n);
        return true;
    }
    if (n < 0)
        file_close(&t->bytes);
    n = t->has_result ? 0 : read_control(t, block);
    if (t->has_result && t->bytes < 0)
        conclude(t);
    return n != 0 || t->is_over;
}

ssize_t task_read(struct task *t, char *out, size_t max)
{
    while (t->out_at == t->out.len) {
        buf_clear(&t->out);
        t->out_at = 0;
        if (t->is_over)
            return TASK_OVER;
        if (!pump(t))
            return 0;
    }
    size_t len = t->out.len - t->out_at < max ? t->out.len - t->out_at : max;
    memcpy(out, t->out.data + t->out_at, len);
    t->out_at += len;
    return (ssize_t)len;
}

static void on_ready(void *data, uint32_t events)
{
    struct task *t = data;
    (void)events;
    loop_unwatch(t->control_watch);
    loop_unwatch(t->bytes_watch);
    t->control_watch = t->bytes_watch = NULL;
    t->wake(t->wake_data);
}

void task_wait(struct task *t, void (*fn)(void *data), void *data)
{
    t->wake = fn;
    t->wake_data = data;
    if (!t->has_result)
        t->control_watch = loop_watch(t->pool->loop, t->control, EPOLLIN, on_ready, t);
    if (t->bytes >= 0 && t->has_head)
        t->bytes_watch = loop_watch(t->pool->loop, t->bytes, EPOLLIN, on_ready, t);
}

/* ---- the end ---- */

static void unlink_task(struct task *t)
{
    struct task **at = &t->pool->tasks;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

static void free_if_done(struct task *t)
{
    if (t->pid > 0 || !t->is_left)
        return;
    unlink_task(t);
    task_free(t);
}

void task_leave(struct task *t)
{
    if (!t)
        return;
    t->is_left = true;
    loop_unwatch(t->control_watch);
    loop_unwatch(t->bytes_watch);
    t->control_watch = t->bytes_watch = NULL;
    if (t->pid > 0 && !t->is_over)
        kill(t->pid, SIGKILL);
    if (t->pid > 0 && waitpid(t->pid, NULL, WNOHANG) != 0)
        t->pid = 0; /* else the signal of its end will come: see task_reaped */
    free_if_done(t);
}

void task_reaped(struct pool *p, pid_t pid)
{
    for (struct task *t = p->tasks; t; t = t->next) {
        if (t->pid != pid)
            continue;
        t->pid = 0;
        free_if_done(t);
        return;
    }
}

void task_close_all(struct pool *p)
{
    while (p->tasks) {
        struct task *t = p->tasks;
        if (t->pid > 0) {
            kill(t->pid, SIGKILL);
            waitpid(t->pid, NULL, 0);
        }
        p->tasks = t->next;
        task_free(t);
    }
}
