/*
 * HTTP with JSON over a Unix socket (docs/openapi.yaml). libmicrohttpd runs inside our loop: its epoll descriptor is one of
 * ours. Who asks is what the kernel says of the socket's peer, never what the request says.
 *
 * A client that waits for events has its connection suspended; it is resumed by the next event or its deadline, and its
 * handler simply runs again. The library does not look at a suspended connection, so we watch it ourselves for the client's
 * death, which brings the deadline forward.
 *
 * When there are as many connections as there may be, or no descriptors, the library stops listening, and begins again only
 * in a run after the one that cleaned a connection up: so each end of a connection asks for one more run.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/request.h"
#include "pool/stream.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BODY_MAX = 256 << 20,   /* of a pool's master */
    BODY_USER_MAX = 64 << 20,
    ANSWER_MAX = 256 << 20,
    CONNECTIONS_MAX = 512,
    WAITS_MAX = 256,        /* of a pool's master: the others are for his other commands */
    WAITS_USER_MAX = 32,
    TIMEOUT_S = 120,
    LARGE = 128 << 10,
    RUNS_MAX = 16,          /* of the library in one round */
};

struct waiter {
    struct waiter *next;
    struct request *rq;
    struct loop_watch *watch; /* of its connection, for the client's death */
    int64_t seen; /* the last event that it knows there is nothing in for it */
};

/* The parameter that is looked for among a request's. */
struct lookup {
    const char *name;
    int skip;
    const char *found;
};

static enum MHD_Result look_at(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct lookup *l = data;
    (void)kind;
    if (!value || strcmp(name, l->name) != 0 || l->skip-- > 0)
        return MHD_YES;
    l->found = value;
    return MHD_NO;
}

static const char *query_of(void *source, const char *name, int index)
{
    struct lookup l = { .name = name, .skip = index };
    MHD_get_connection_values(source, MHD_GET_ARGUMENT_KIND, look_at, &l);
    return l.found;
}

/* ---- answers ---- */

static unsigned status_of(const struct error *err)
{
    switch (err->kind) {
    case ERR_INVALID:
        return MHD_HTTP_BAD_REQUEST;
    case ERR_DENIED:
        return MHD_HTTP_FORBIDDEN;
    case ERR_LIMIT:
        return MHD_HTTP_CONTENT_TOO_LARGE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

static enum MHD_Result send_bytes(struct request *rq, unsigned status, struct buf *bytes, const char *type)
{
    size_t len = bytes->len;
    struct MHD_Response *response = MHD_create_response_from_buffer(len, buf_steal(bytes), MHD_RESPMEM_MUST_FREE);
    char number[32];
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (rq->is_raw) {
        snprintf(number, sizeof number, "%lld", (long long)rq->raw_offset);
        MHD_add_response_header(response, "X-Stint-Offset", number);
        snprintf(number, sizeof number, "%lld", (long long)rq->raw_size);
        MHD_add_response_header(response, "X-Stint-Size", number);
        MHD_add_response_header(response, "X-Stint-State", rq->raw_state);
    }
    rq->large = len > LARGE || rq->body.len > LARGE;
    enum MHD_Result result = MHD_queue_response(rq->source, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_error(struct request *rq, unsigned status, const char *kind, const char *message)
{
    auto_ad struct ad *ad = ad_new();
    auto_buf struct buf text = { 0 };
    ad_set_string(ad, "Error", message);
    ad_set_string(ad, "Kind", kind);
    ad_print_json(ad, &text);
    buf_char(&text, '\n');
    rq->is_raw = false;
    return send_bytes(rq, status, &text, "application/json");
}

static enum MHD_Result send_ad(struct request *rq, const struct ad *ad)
{
    auto_buf struct buf text = { .max = ANSWER_MAX };
    ad_print_json(ad, &text);
    buf_char(&text, '\n');
    if (text.full)
        return send_error(rq, MHD_HTTP_CONTENT_TOO_LARGE, error_kind_name(ERR_LIMIT),
                          "the answer is longer than 256 MiB; ask for fewer jobs, or for some of their attributes");
    return send_bytes(rq, MHD_HTTP_OK, &text, "application/json");
}

/* ---- waiting ---- */

static bool may_wait(const struct request *rq)
{
    int waits = 0;
    for (const struct waiter *w = rq->pool->waiters; w; w = w->next)
        waits += w->rq->uid == rq->uid;
    return waits < (request_is_master(rq) ? WAITS_MAX : WAITS_USER_MAX);
}

/* The client is gone, or has said all that it wants to say: who still listens gets what there is. */
static void on_hangup(void *data, uint32_t events)
{
    struct waiter *w = data;
    (void)events;
    w->rq->deadline = 1;
    loop_unwatch(w->watch);
    w->watch = NULL;
}

static int descriptor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static enum MHD_Result suspend(struct request *rq)
{
    struct pool *p = rq->pool;
    rq->wait = false;
    if (!may_wait(rq))
        return send_error(rq, MHD_HTTP_TOO_MANY_REQUESTS, error_kind_name(ERR_LIMIT),
                          "too many of your requests wait for events already; end some, or ask without waiting");
    struct waiter *w = mem_new(struct waiter);
    int fd = descriptor_of(rq->source);
    *w = (struct waiter){ .next = p->waiters, .rq = rq, .seen = p->last_event };
    w->watch = fd >= 0 ? loop_watch(p->loop, fd, EPOLLRDHUP, on_hangup, w) : NULL;
    p->waiters = w;
    MHD_suspend_connection(rq->source);
    pool_wake(p, clock_boot_us()); /* a round that sets the timer for the deadline */
    return MHD_YES;
}

static void resume(struct waiter *w)
{
    loop_unwatch(w->watch); /* before the connection may close its descriptor */
    MHD_resume_connection(w->rq->source);
    free(w);
}

static enum MHD_Result dispatch(struct request *rq, const char *method, const char *url)
{
    auto_ad struct ad *answer = ad_new();
    struct error err = { 0 };
    int result = rq->body.full ? error_set(&err, ERR_LIMIT, "the request is longer than %zu MiB", rq->body.max >> 20)
                               : request_run(rq, method, url, answer, &err);
    if (rq->wait)
        return suspend(rq);
    if (rq->task)
        return stream_send(rq->pool, rq->source, steal(rq->task));
    if (rq->busy)
        return send_error(rq, MHD_HTTP_TOO_MANY_REQUESTS, error_kind_name(err.kind), err.text);
    if (result < 0 && err.kind != ERR_INVALID && err.kind != ERR_DENIED)
        log_error("%s %s: %s", method, url, err.text);
    if (result < 0)
        return send_error(rq, status_of(&err), error_kind_name(err.kind), err.text);
    if (result == REQUEST_NOT_FOUND)
        return send_error(rq, MHD_HTTP_NOT_FOUND, "invalid", rq->id.cluster ? "there is no such job" : "there is no such page");
    if (rq->is_raw)
        return send_bytes(rq, MHD_HTTP_OK, &rq->raw, "application/octet-stream");
    if (rq->is_json)
        return send_bytes(rq, MHD_HTTP_OK, &rq->raw, "application/json");
    return send_ad(rq, answer);
}

/* ---- libmicrohttpd's callbacks ---- */

static uid_t peer_of(struct MHD_Connection *connection)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(descriptor_of(connection), SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return (uid_t)-1;
    return peer.uid;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **state)
{
    struct request *rq = *state;
    (void)version;
    if (!rq) {
        rq = mem_new(struct request);
        *rq = (struct request){ .pool = data, .query = query_of, .source = connection, .uid = peer_of(connection) };
        rq->body.max = request_is_master(rq) ? BODY_MAX : BODY_USER_MAX;
        *state = rq;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        buf_add(&rq->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    return dispatch(rq, method, url);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct request *rq = *state;
    (void)data;
    (void)connection;
    (void)code;
    if (!rq)
        return;
    bool large = rq->large;
    request_release(rq);
    free(rq);
    *state = NULL;
    if (large)
        malloc_trim(0); /* malloc would keep the room of a long list for good */
}

static void on_connection(void *data, struct MHD_Connection *connection, void **socket, enum MHD_ConnectionNotificationCode code)
{
    struct pool *p = data;
    (void)connection;
    (void)socket;
    p->http_again = p->http_again || code == MHD_CONNECTION_NOTIFY_CLOSED;
}

static void on_http(void *data, uint32_t events)
{
    struct pool *p = data;
    (void)events;
    MHD_run(p->http);
}

int api_open(struct pool *p, struct error *err)
{
    int listener = file_listen(p->dir, "pool.sock", p->machine_wide ? 0666 : 0600, err);
    if (listener < 0)
        return -1;
    p->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, p,
                               MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, p,
                               MHD_OPTION_NOTIFY_CONNECTION, on_connection, p,
                               MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                               MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
    if (!p->http) {
        close(listener);
        return error_set(err, ERR_SYSTEM, "cannot start the HTTP server");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(p->http, MHD_DAEMON_INFO_EPOLL_FD);
    p->http_watch = loop_watch(p->loop, info->epoll_fd, EPOLLIN, on_http, p);
    return 0;
}

/* Wakes whom a new event may concern, and whose time is over. */
static bool wake(struct pool *p)
{
    int64_t now = clock_boot_us(), first = INT64_MAX;
    bool any = false;
    for (struct waiter **at = &p->waiters; *at;) {
        struct waiter *w = *at;
        if (p->last_event == w->seen && now < w->rq->deadline && !p->stopping) {
            first = w->rq->deadline < first ? w->rq->deadline : first;
            at = &w->next;
            continue;
        }
        *at = w->next;
        resume(w);
        any = true;
    }
    if (first != INT64_MAX)
        pool_wake(p, first);
    return any;
}

/* Whether the library has something to do without waiting for a descriptor. */
static bool is_busy(struct pool *p)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    return MHD_get_timeout(p->http, &timeout) == MHD_YES && timeout == 0;
}

void api_round(struct pool *p)
{
    bool again = wake(p);
    for (int i = 0; i < RUNS_MAX && (again || p->http_again || is_busy(p)); i++) {
        again = false;
        p->http_again = false;
        MHD_run(p->http);
    }
    if (p->http_again || is_busy(p)) /* a client that reads as fast as we write must not keep the pool from the rest */
        pool_wake(p, clock_boot_us());
    if (p->stopping)
        loop_stop(p->loop);
}

void api_close(struct pool *p)
{
    if (!p->http)
        return;
    while (p->waiters) {
        struct waiter *w = p->waiters;
        p->waiters = w->next;
        resume(w);
    }
    stream_close_all(p);
    loop_unwatch(p->http_watch);
    unlinkat(p->dir, "pool.sock", 0);
    MHD_stop_daemon(p->http);
}
