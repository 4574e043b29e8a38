/*
 * Lines to the pool: the one it gave at the start, and one for each pool that connects later. The pool sends orders, an ad in
 * JSON a line: Order = "checkpoint" | "vacate" | "remove" | "suspend" | "continue", with Fast, Cause, ForUser, Reason. The runner sends
 * one byte whenever the journal has grown. What becomes of an order is told by the journal alone, so that a pool that
 * crashed in between learns it too.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/record.h"
#include "runner/runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ORDER_MAX = 65536 };

struct line {
    struct line *next;
    struct runner *runner;
    int fd;
    struct loop_watch *watch;
    struct buf input;
};

static void drop_line(struct line *line)
{
    struct line **at = &line->runner->lines;
    while (*at != line)
        at = &(*at)->next;
    *at = line->next;
    loop_unwatch(line->watch);
    file_close(&line->fd);
    buf_release(&line->input);
    free(line);
}

static void refuse(struct runner *r, const char *reason)
{
    struct ad *record = record_new(RECORD_REFUSE);
    ad_set_string(record, "Reason", reason);
    record_write(r, record);
}

static void order_checkpoint(struct runner *r)
{
    const char *refusal = method_refusal(&r->method, &r->protocol);
    if (refusal)
        refuse(r, refusal);
    else if (r->phase == PHASE_DELIVER || r->phase == PHASE_SAVE || r->phase == PHASE_END)
        refuse(r, "its program has ended");
    else if (r->leaving.set)
        refuse(r, "it is leaving its slot, with a checkpoint if it can");
    else if (r->phase == PHASE_FILL || r->phase == PHASE_RESUME)
        refuse(r, "its program does not run yet");
    else if (r->suspended)
        refuse(r, "it is suspended; continue it first");
    else if (r->phase == PHASE_RUN)
        checkpoint_ask(r, "user");
    /* else a checkpoint is being taken at this moment: its outcome is the answer */
}

static void order_leave(struct runner *r, const struct ad *order, bool removing)
{
    struct leaving *l = &r->leaving;
    l->fast = l->fast || ad_bool(order, "Fast", false);
    l->removing = l->removing || removing;
    snprintf(l->cause, sizeof l->cause, "%s", ad_string(order, "Cause", removing ? "remove" : "vacate"));
    snprintf(l->for_user, sizeof l->for_user, "%s", ad_string(order, "ForUser", ""));
    snprintf(l->reason, sizeof l->reason, "%s", ad_string(order, "Reason", ""));
    stint_leave(r);
}

void control_suspend(struct runner *r, bool suspend)
{
    r->suspend_wanted = suspend; /* met when the program runs again, if it does not now */
    if (r->phase != PHASE_RUN || r->suspended == suspend || !r->context || r->dumping)
        return;
    r->suspended = suspend;
    r->look_spoiled = r->look_spoiled || suspend;
    (suspend ? context_suspend : context_continue)(r->context);
    record_write(r, record_new(suspend ? RECORD_SUSPEND : RECORD_CONTINUE));
    checkpoint_schedule(r);
    if (!suspend && r->asked)
        checkpoint_released(r);
}

static void obey(struct runner *r, const struct ad *order)
{
    const char *what = ad_string(order, "Order", "");
    if (strcmp(what, "checkpoint") == 0)
        order_checkpoint(r);
    else if (strcmp(what, "vacate") == 0)
        order_leave(r, order, false);
    else if (strcmp(what, "remove") == 0)
        order_leave(r, order, true);
    else if (strcmp(what, "suspend") == 0)
        control_suspend(r, true);
    else if (strcmp(what, "continue") == 0)
        control_suspend(r, false);
    else
        log_error("job %s: the pool sent an order that is not known: '%.32s'", r->id_text, what);
}

static void read_line(void *data, uint32_t events)
{
    struct line *line = data;
    struct runner *r = line->runner;
    char block[4096];
    (void)events;
    ssize_t n = recv(line->fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_add(&line->input, block, (size_t)n);
    if (n <= 0 || line->input.full) {
        drop_line(line);
        return;
    }
    for (char *end; line->input.data && (end = memchr(line->input.data, '\n', line->input.len));) {
        struct error err;
        struct ad *order = NULL;
        size_t len = (size_t)(end - line->input.data);
        if (ad_parse_json(line->input.data, len, &order, &err) < 0)
            log_error("job %s: cannot read an order: %s", r->id_text, err.text);
        buf_drop(&line->input, len + 1);
        if (order)
            obey(r, order);
        ad_free(order);
    }
}

static void add_line(struct runner *r, int fd)
{
    struct line *line = mem_new(struct line);
    *line = (struct line){ .next = r->lines, .runner = r, .fd = fd, .input = { .max = ORDER_MAX } };
    line->watch = loop_watch(r->loop, fd, EPOLLIN, read_line, line);
    r->lines = line;
}

/* Only the pool (root or the job's owner) may give orders. */
static bool may_order(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

static void accept_line(void *data, uint32_t events)
{
    struct runner *r = data;
    (void)events;
    auto_close int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || !may_order(fd))
        return;
    add_line(r, steal_fd(&fd));
    control_tell(r);
}

int control_open(struct runner *r, int first_line, struct error *err)
{
    r->listener = file_listen(r->job_dir, "runner.sock", 0600, err);
    if (r->listener < 0)
        return -1;
    r->listener_watch = loop_watch(r->loop, r->listener, EPOLLIN, accept_line, r);
    if (first_line >= 0)
        add_line(r, first_line);
    return 0;
}

void control_tell(struct runner *r)
{
    for (struct line *line = r->lines; line; line = line->next)
        send(line->fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_close(struct runner *r)
{
    unlinkat(r->job_dir, "runner.sock", 0);
    loop_unwatch(r->listener_watch);
    file_close(&r->listener);
    while (r->lines)
        drop_line(r->lines);
}
