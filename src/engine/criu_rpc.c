/*
 * The exchange is one loop: send the request; then take messages until the answer, saying yes or no to each notification.
 * SOCK_SEQPACKET keeps messages apart, and an end of file is criu's death, whoever killed it.
 *
 * When is the tree in danger? criu announces "pre-dump" while it runs, and begins to freeze once that is answered; it answers the
 * whole request when the tree is let go. So between the two a death leaves processes stopped, or with criu's code in them. At a
 * restore the same is true from "pre-restore" on.
 *
 * Whatever is wrong with a message (too long, no such type, a field missing) is treated like a death, since what criu would do next is
 * anybody's guess. The caller kills it in either case.
 */
#include "engine/criu_rpc.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/criu_log.h"
#include "engine/criu_rpc.pb-c.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 65536, MESSAGES_MAX = 1000, LIST_MAX = 256, POLL_MAX_MS = 1 << 30 };

struct exchange {
    int socket;
    int64_t deadline_us; /* boot clock; INT64_MAX = never */
    Criu__Kind kind;
    const char *danger;  /* from the answer to this notification on the tree is in criu's hands */
    const char *asked;   /* the only moment that the callback hears of; NULL: of all */
    criu_moment *moment;
    void *data;
    bool said_no, called;
    struct error no; /* what the callback said */
    struct criu_result *out;
};

void criu_options_default(struct criu_options *options)
{
    *options = (struct criu_options){
        .log_file = "criu.log", .log_level = 2, .unprivileged = true, .file_locks = true, .link_remap = true,
        .ghost_bytes = 64 << 20, .tcp_close = true, .tcp_skip_in_flight = true, .network_lock = CRIU_LOCK_SKIP,
    };
}

/* ---- messages ---- */

static int no_answer(struct error *err, int sys, const char *text)
{
    error_set(err, ERR_CHILD, "%s", text);
    if (err)
        err->sys = sys;
    return -1;
}

/* Waits until the socket is ready for `events`. */
static int wait_for(const struct exchange *x, short events, struct error *err)
{
    for (;;) {
        int64_t left_ms = x->deadline_us == INT64_MAX ? POLL_MAX_MS : (x->deadline_us - clock_boot_us() + 999) / 1000;
        struct pollfd p = { .fd = x->socket, .events = events };
        int n = poll(&p, 1, left_ms < 0 ? 0 : left_ms > POLL_MAX_MS ? POLL_MAX_MS : (int)left_ms);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return error_sys(err, "cannot wait for criu");
        if (n == 0 && x->deadline_us != INT64_MAX && left_ms <= 0)
            return no_answer(err, ETIMEDOUT, "criu takes too long");
    }
}

static int send_request(const struct exchange *x, const Criu__Request *request, struct error *err)
{
    size_t len = criu__request__get_packed_size(request);
    if (len > MESSAGE_MAX)
        return error_set(err, ERR_LIMIT, "a request to criu of more than %d bytes", MESSAGE_MAX);
    auto_free uint8_t *message = mem_zero(len + 1, 1);
    criu__request__pack(request, message);
    while (send(x->socket, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
            return no_answer(err, 0, "criu died");
        if (errno != EINTR && errno != EAGAIN)
            return error_sys(err, "cannot send to criu");
        if (errno == EAGAIN && wait_for(x, POLLOUT, err) < 0)
            return -1;
    }
    return 0;
}

/* The next message, for the caller to free. A descriptor that comes with it is closed by the kernel: recv has no room for one. */
static Criu__Response *receive(const struct exchange *x, uint8_t *message, struct error *err)
{
    ssize_t n;
    while ((n = recv(x->socket, message, MESSAGE_MAX, MSG_TRUNC | MSG_DONTWAIT)) < 0 && (errno == EINTR || errno == EAGAIN))
        if (errno == EAGAIN && wait_for(x, POLLIN, err) < 0)
            return NULL;
    if (n == 0 || (n < 0 && errno == ECONNRESET)) {
        no_answer(err, 0, "criu died");
        return NULL;
    }
    if (n < 0) {
        error_sys(err, "cannot receive from criu");
        return NULL;
    }
    Criu__Response *response = n > MESSAGE_MAX ? NULL : criu__response__unpack(NULL, (size_t)n, message);
    if (!response)
        no_answer(err, EPROTO, n > MESSAGE_MAX ? "criu sends a message that is too long" : "criu sends a message that is none");
    return response;
}

/* ---- the loop ---- */

static bool is(const char *script, const char *moment)
{
    return moment && strcmp(script, moment) == 0;
}

/* Calls back where somebody wants to hear. The clock stands still meanwhile: the callback takes the time that it needs. */
static bool consent(struct exchange *x, const char *script)
{
    if (x->asked && !is(script, x->asked))
        return true;
    x->called = true;
    if (!x->moment)
        return true;
    int64_t before = clock_boot_us();
    struct error err = { 0 };
    int r = x->moment(x->data, script, &err);
    if (x->deadline_us != INT64_MAX)
        x->deadline_us += clock_boot_us() - before;
    if (r == 0)
        return true;
    if (!x->said_no)
        x->no = err;
    x->said_no = true;
    return false;
}

static int answer(struct exchange *x, const Criu__Response *response, struct error *err)
{
    if (!response->notify || !response->notify->script)
        return no_answer(err, EPROTO, "criu sends a notification of nothing");
    const char *script = response->notify->script;
    if (response->notify->has_pid && x->kind == CRIU__KIND__RESTORE)
        x->out->pid = response->notify->pid;
    bool yes = consent(x, script);
    if (is(script, x->danger)) {
        x->out->died_while_frozen = true; /* until it has answered */
        x->out->frozen_us = clock_boot_us();
    }
    Criu__Request request = CRIU__REQUEST__INIT;
    request.type = CRIU__KIND__NOTIFY;
    request.has_notify_success = true;
    request.notify_success = yes;
    return send_request(x, &request, err);
}

/* With its first complaint, which may be one that comes always. */
static int refused(const Criu__Response *response, struct error *err)
{
    struct criu_cause cause;
    criu_log_explain_text(response->cr_errmsg, response->cr_errmsg ? strlen(response->cr_errmsg) : 0, &cause);
    error_set(err, ERR_SYSTEM, "criu refuses: %s", cause.text);
    if (err)
        err->sys = response->has_cr_errno ? response->cr_errno : 0;
    return -1;
}

/* What the last answer means. */
static int conclude(struct exchange *x, const Criu__Response *response, struct error *err)
{
    x->out->died_while_frozen = false;
    x->out->pid = response->success && response->restore ? response->restore->pid : 0;
    x->out->said_no = x->said_no;
    if (x->said_no) {
        if (err)
            *err = x->no;
        return -1;
    }
    return response->success ? 0 : refused(response, err);
}

/* Returns the last answer, for the caller to free and judge; NULL with err when there is none. */
static Criu__Response *converse(struct exchange *x, const Criu__Request *request, struct error *err)
{
    auto_free uint8_t *message = mem_zero(1, MESSAGE_MAX);
    if (send_request(x, request, err) < 0)
        return NULL;
    for (int count = 0; count < MESSAGES_MAX; count++) {
        Criu__Response *response = receive(x, message, err);
        if (!response || (response->type == x->kind))
            return response;
        int r;
        if (response->type == CRIU__KIND__NOTIFY)
            r = answer(x, response, err);
        else if (response->type == CRIU__KIND__EMPTY && !response->success) /* how it refuses what it does not know */
            r = refused(response, err);
        else
            r = no_answer(err, EPROTO, "criu sends an answer to something else");
        criu__response__free_unpacked(response, NULL);
        if (r < 0)
            return NULL;
    }
    no_answer(err, EPROTO, "criu sends notifications without end");
    return NULL;
}

static int64_t deadline(int64_t timeout_us)
{
    return timeout_us > 0 ? clock_boot_us() + timeout_us : INT64_MAX;
}

/* ---- what can be asked ---- */

#define SET(field, value) (message->has_##field = true, message->field = (value))

static size_t count_list(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static int put_options(Criu__Options *message, const struct criu_options *o, struct error *err)
{
    size_t external = count_list(o->external), paths = count_list(o->irmap_paths);
    if (external > LIST_MAX || paths > LIST_MAX)
        return error_set(err, ERR_LIMIT, "more than %d names for criu", LIST_MAX);
    message->images_dir_fd = -1;
    message->images_dir = (char *)(uintptr_t)o->images;
    message->log_file = (char *)(uintptr_t)o->log_file;
    message->external = (char **)(uintptr_t)o->external;
    message->n_external = external;
    message->irmap_scan_paths = (char **)(uintptr_t)o->irmap_paths;
    message->n_irmap_scan_paths = paths;
    SET(log_level, o->log_level);
    SET(notify_scripts, true);
    SET(leave_running, o->leave_running);
    SET(leave_stopped, o->leave_stopped);
    SET(rst_sibling, o->sibling);
    SET(unprivileged, o->unprivileged);
    SET(file_locks, o->file_locks);
    SET(link_remap, o->link_remap);
    SET(ghost_limit, o->ghost_bytes);
    SET(force_irmap, o->force_irmap);
    SET(skip_file_rwx_check, o->skip_mode_check);
    SET(evasive_devices, o->evasive_devices);
    SET(tcp_close, o->tcp_close);
    SET(tcp_established, o->tcp_established);
    SET(tcp_skip_in_flight, o->tcp_skip_in_flight);
    SET(ext_unix_sk, o->external_sockets);
    SET(shell_job, o->shell_job);
    if (o->network_lock)
        SET(network_lock, (Criu__NetworkLock)o->network_lock);
    if (o->seize_timeout_s)
        SET(timeout, o->seize_timeout_s);
    if (o->cpu_cap)
        SET(cpu_cap, o->cpu_cap);
    return 0;
}

static int perform(struct exchange *x, const struct criu_options *o, struct error *err)
{
    Criu__Request request = CRIU__REQUEST__INIT;
    Criu__Options options = CRIU__OPTIONS__INIT;
    *x->out = (struct criu_result){ 0 };
    if (put_options(&options, o, err) < 0)
        return -1;
    if (x->kind == CRIU__KIND__DUMP) {
        options.has_pid = true;
        options.pid = o->pid;
    }
    request.type = x->kind;
    request.opts = &options;
    Criu__Response *response = converse(x, &request, err);
    int r = response ? conclude(x, response, err) : -1;
    criu__response__free_unpacked(response, NULL);
    return r;
}

int criu_dump(int socket, const struct criu_options *options, criu_moment *frozen, void *data, struct criu_result *out,
              struct error *err)
{
    struct exchange x = {
        .socket = socket, .deadline_us = deadline(options->timeout_us), .kind = CRIU__KIND__DUMP, .danger = "pre-dump",
        .asked = "post-dump", .moment = frozen, .data = data, .out = out,
    };
    if (perform(&x, options, err) < 0)
        return -1;
    return x.called ? 0 : no_answer(err, EPROTO, "criu sends success without having asked for the files");
}

int criu_restore(int socket, const struct criu_options *options, criu_moment *ready, void *data, struct criu_result *out,
                 struct error *err)
{
    struct exchange x = {
        .socket = socket, .deadline_us = deadline(options->timeout_us), .kind = CRIU__KIND__RESTORE, .danger = "pre-restore",
        .moment = ready, .data = data, .out = out,
    };
    if (perform(&x, options, err) < 0)
        return -1;
    return out->pid > 0 ? 0 : no_answer(err, EPROTO, "criu sends success without a pid");
}

static int version_number(const Criu__Version *v, struct error *err)
{
    int sublevel = v && v->has_sublevel ? v->sublevel : 0;
    if (!v || v->major_number < 0 || v->major_number > 9999 || v->minor_number < 0 || v->minor_number > 99 || sublevel < 0 ||
        sublevel > 99)
        return no_answer(err, EPROTO, "criu sends a version that is none");
    return v->major_number * 10000 + v->minor_number * 100 + sublevel;
}

int criu_version(int socket, int64_t timeout_us, int *version, struct error *err)
{
    struct criu_result result = { 0 };
    struct exchange x = { .socket = socket, .deadline_us = deadline(timeout_us), .kind = CRIU__KIND__VERSION, .out = &result };
    Criu__Request request = CRIU__REQUEST__INIT;
    request.type = CRIU__KIND__VERSION;
    request.has_keep_open = true;
    request.keep_open = true;
    Criu__Response *response = converse(&x, &request, err);
    int number = response && conclude(&x, response, err) == 0 ? version_number(response->version, err) : -1;
    criu__response__free_unpacked(response, NULL);
    if (number < 0)
        return -1;
    *version = number;
    return 0;
}
