/*
 * The job is not to be trusted with anything here but its own fate. A datagram comes from whoever can reach the socket, so at
 * most WINDOW_MAX are read in a tenth of a second; who sends more is left to wait, and everybody else in the loop has his
 * turn. All that is kept has a fixed number of places. Names are made of tokens, which are hexadecimal digits; answers are links
 * that never lead anywhere, made beneath the directory's descriptor with the owner's rights, so that nothing that the job
 * puts there instead can lead the runner astray.
 *
 * A request may come twice, because a checkpoint may have swallowed it or its answer: who waits is known by its token, and so are the
 * last PAST_MAX that were answered. Their links are removed when their places are needed, if nobody has fetched them.
 */
#include "runner/selfservice.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/record.h"
#include "job/self_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WAITING_MAX = 64,
    PAST_MAX = 256,
    ANSWER_MAX = 300,
    WINDOW_US = 100000,
    WINDOW_MAX = 32,
    PROGRESS_EVERY_US = 10000000,
};

struct waiting {
    struct self_request request; /* a checkpoint, or a hold that has to wait for the end of a capture */
    bool captured;               /* it is in the text of the capture that is under way */
};

struct past {
    char token[SELF_TOKEN_LEN + 1];
    char *kept; /* the answer, if it could not be put into its place */
};

struct selfservice {
    struct runner *r;
    int dir, socket;
    struct loop_watch *watch;
    struct loop_timer *calm, *expiry, *report;
    int64_t window_us; /* when the present window began */
    int window_count;  /* datagrams read in it */

    struct waiting waiting[WAITING_MAX];
    size_t waiting_count;
    bool capturing; /* until it is told what became of it */
    bool frozen;    /* until the program runs again */
    struct past past[PAST_MAX];
    size_t past_next;

    int holds;
    int64_t held_from_us, held_until_us;

    double fraction;
    char text[SELF_TEXT_MAX + 1];
    bool unreported;
    int64_t reported_us; /* 0 = never */
};

/* ---- answers ---- */

/* With the owner's rights. A name that is taken was planted, or is of the same request. */
static int put_link(int dir, const char *token, const char *text, struct error *err)
{
    char name[8 + SELF_TOKEN_LEN];
    snprintf(name, sizeof name, "answer.%s", token);
    int result = symlinkat(text, dir, name);
    if (result < 0 && errno == EEXIST && unlinkat(dir, name, 0) == 0)
        result = symlinkat(text, dir, name);
    return result < 0 ? error_sys(err, "cannot answer the job") : 0;
}

static void remove_link(int dir, const char *token)
{
    char name[8 + SELF_TOKEN_LEN];
    snprintf(name, sizeof name, "answer.%s", token);
    unlinkat(dir, name, 0);
}

static int put_answer(struct selfservice *s, const char *token, const char *forget, const char *text)
{
    struct error err;
    if (identity_enter(&s->r->owner, &err) < 0)
        return -1;
    if (forget)
        remove_link(s->dir, forget);
    int result = put_link(s->dir, token, text, &err);
    identity_leave();
    return result;
}

static struct past *find_past(struct selfservice *s, const char *token)
{
    for (size_t i = 0; i < PAST_MAX; i++)
        if (strcmp(s->past[i].token, token) == 0)
            return &s->past[i];
    return NULL;
}

static void answer(struct selfservice *s, const char *token, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A disk without room for it is the asker's to wait for: it will ask again, and then what is kept here is tried once more. */
static void answer(struct selfservice *s, const char *token, const char *fmt, ...)
{
    char text[ANSWER_MAX];
    va_list args;
    struct past *past = &s->past[s->past_next++ % PAST_MAX];
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    free(past->kept);
    bool failed = put_answer(s, token, past->token[0] ? past->token : NULL, text) < 0;
    past->kept = failed ? mem_dup(text) : NULL;
    snprintf(past->token, sizeof past->token, "%s", token);
}

/* Removes the i-th of those that wait, and answers it. */
static struct waiting take_waiting(struct selfservice *s, size_t i)
{
    struct waiting taken = s->waiting[i];
    memmove(&s->waiting[i], &s->waiting[i + 1], (--s->waiting_count - i) * sizeof s->waiting[0]);
    return taken;
}

static bool add_waiting(struct selfservice *s, const struct self_request *request)
{
    if (s->waiting_count == WAITING_MAX) {
        answer(s, request->token, "refused too many requests of the job wait already");
        return false;
    }
    s->waiting[s->waiting_count++] = (struct waiting){ .request = *request };
    return true;
}

/* ---- holds ---- */

bool selfservice_held(const struct selfservice *s, int64_t *until_boot_us)
{
    if (!s || s->holds == 0)
        return false;
    if (until_boot_us)
        *until_boot_us = s->held_until_us;
    return true;
}

static void end_holds(struct selfservice *s)
{
    s->holds = 0;
    loop_timer_set(s->expiry, INT64_MAX);
}

static void on_expiry(void *data)
{
    struct selfservice *s = data;
    if (s->holds == 0)
        return;
    end_holds(s);
    checkpoint_released(s->r);
}

static void hold(struct selfservice *s, const struct self_request *request)
{
    int64_t now = clock_boot_us();
    if (s->r->leaving.set) {
        answer(s, request->token, "refused the job has to leave its slot");
        return;
    }
    if (s->holds++ == 0) {
        s->held_from_us = now;
        s->held_until_us = now;
    }
    int64_t until = now + request->seconds * CLOCK_SECOND_US;
    int64_t last = s->held_from_us + SELF_HOLD_MAX_S * CLOCK_SECOND_US;
    until = until > last ? last : until;
    s->held_until_us = until > s->held_until_us ? until : s->held_until_us;
    loop_timer_set(s->expiry, s->held_until_us);
    answer(s, request->token, "held %d", (int)((until - now) / CLOCK_SECOND_US));
}

static void release(struct selfservice *s, const struct self_request *request)
{
    if (s->holds == 0) {
        answer(s, request->token, "expired");
        return;
    }
    answer(s, request->token, "released");
    if (--s->holds > 0)
        return;
    end_holds(s);
    checkpoint_released(s->r);
}

/* ---- checkpoints ---- */

/* Why a job's request for a checkpoint cannot be met; NULL when it can. */
static const char *refusal(const struct runner *r)
{
    const char *reason = method_refusal(&r->method, &r->protocol);
    if (reason)
        return reason;
    if (r->phase != PHASE_RUN && !r->engine->running)
        return "its program does not run";
    if (r->leaving.set && !r->engine->running)
        return "it is leaving its slot, with a checkpoint if it can";
    return r->suspended ? "it is suspended" : NULL;
}

/* A job with a protocol of its own has to do the work itself: if its asker waited for the end of it, there might be nobody to begin.
 * A job that is to leave is being checkpointed anyway, and whoever asks now finds the answer where it goes on. */
static void checkpoint(struct selfservice *s, const struct self_request *request)
{
    struct runner *r = s->r;
    const char *reason = refusal(r);
    if (reason) {
        answer(s, request->token, "refused %.250s", reason);
    } else if (!r->engine->running) {
        answer(s, request->token, "asked");
        checkpoint_ask(r, "self");
    } else if (add_waiting(s, request) && !r->leaving.set) {
        checkpoint_ask(r, "self");
    }
}

char *selfservice_waiting(struct selfservice *s)
{
    struct buf text = { 0 };
    if (s)
        s->capturing = s->frozen = true;
    for (size_t i = 0; s && i < s->waiting_count; i++)
        if (s->waiting[i].request.verb == SELF_CHECKPOINT) {
            s->waiting[i].captured = true;
            buf_printf(&text, "%s\n", s->waiting[i].request.token);
        }
    return text.data ? buf_steal(&text) : mem_dup("");
}

void selfservice_thawed(struct selfservice *s)
{
    if (!s || !s->frozen)
        return;
    s->frozen = false;
    for (size_t i = 0; i < s->waiting_count;) {
        if (s->waiting[i].request.verb == SELF_HOLD) {
            struct waiting one = take_waiting(s, i);
            hold(s, &one.request);
        } else {
            i++;
        }
    }
}

/* The end of a capture, or of the hope for one. */
static void settle(struct selfservice *s, const char *text)
{
    selfservice_thawed(s);
    for (size_t i = 0; i < s->waiting_count;) {
        if (!s->capturing || s->waiting[i].captured) {
            struct waiting one = take_waiting(s, i);
            answer(s, one.request.token, "%s", text);
        } else {
            i++;
        }
    }
    s->capturing = false;
}

void selfservice_taken(struct selfservice *s, int generation)
{
    char text[32];
    snprintf(text, sizeof text, "taken %d", generation);
    if (s && s->capturing)
        settle(s, text);
}

void selfservice_failed(struct selfservice *s, const char *reason)
{
    char text[ANSWER_MAX];
    snprintf(text, sizeof text, "failed %.250s", reason);
    if (s)
        settle(s, text);
}

int selfservice_restored(int self_dir, const struct identity *owner, const char *tokens, int generation, struct error *err)
{
    char text[32];
    snprintf(text, sizeof text, "restored %d", generation);
    if (identity_enter(owner, err) < 0)
        return -1;
    int result = 0;
    for (int count = 0; result == 0 && *tokens; count++) {
        char token[SELF_TOKEN_LEN + 1];
        size_t len = strcspn(tokens, "\n");
        snprintf(token, sizeof token, "%.*s", len > SELF_TOKEN_LEN ? 0 : (int)len, tokens);
        if (!self_token_valid(token) || tokens[len] != '\n' || count == WAITING_MAX)
            result = error_set(err, ERR_CORRUPT, "the list of those who wait for the checkpoint is damaged");
        else
            result = put_link(self_dir, token, text, err);
        tokens += len + 1;
    }
    identity_leave();
    return result;
}

/* ---- the other requests ---- */

static void report_progress(struct selfservice *s)
{
    struct ad *record = record_new(RECORD_PROGRESS);
    ad_set_real(record, "Fraction", s->fraction);
    if (*s->text)
        ad_set_string(record, "Text", s->text);
    record_write(s->r, record);
    s->unreported = false;
    s->reported_us = clock_boot_us();
    loop_timer_set(s->report, INT64_MAX);
}

void selfservice_flush(struct selfservice *s)
{
    if (s && s->unreported)
        report_progress(s);
}

static void on_report(void *data)
{
    selfservice_flush(data);
}

/* The journal gets one at most in PROGRESS_EVERY_US, and always the last. */
static void progress(struct selfservice *s, const struct self_request *request)
{
    answer(s, request->token, "noted");
    s->fraction = request->fraction;
    snprintf(s->text, sizeof s->text, "%s", request->text);
    s->unreported = true;
    int64_t due = s->reported_us + PROGRESS_EVERY_US;
    if (s->reported_us == 0 || clock_boot_us() >= due)
        report_progress(s);
    else
        loop_timer_set(s->report, due);
}

static void add_seconds(char *out, size_t size, int64_t us)
{
    us = us < 0 ? 0 : us;
    snprintf(out, size, "%lld.%03d", (long long)(us / CLOCK_SECOND_US), (int)(us % CLOCK_SECOND_US / 1000));
}

static void remaining(struct selfservice *s, const struct self_request *request)
{
    char text[32] = "none";
    const struct runner *r = s->r;
    if (r->leaving.set && r->leaving.killed)
        add_seconds(text, sizeof text, 0);
    else if (r->leaving.set && r->kill_at_us > 0)
        add_seconds(text, sizeof text, r->kill_at_us - clock_boot_us());
    answer(s, request->token, "remaining %s", text);
}

static void status(struct selfservice *s, const struct self_request *request)
{
    char text[32] = "none";
    const struct runner *r = s->r;
    if (r->safe_us > 0)
        add_seconds(text, sizeof text, clock_boot_us() - r->safe_us);
    answer(s, request->token, "status %d %d %s", r->resumed_from, r->stint, text);
}

/* ---- the socket ---- */

static void serve(struct selfservice *s, const struct self_request *request)
{
    switch (request->verb) {
    case SELF_CHECKPOINT:
        checkpoint(s, request);
        break;
    case SELF_HOLD:
        if (s->frozen)
            add_waiting(s, request);
        else
            hold(s, request);
        break;
    case SELF_RELEASE:
        release(s, request);
        break;
    case SELF_PROGRESS:
        progress(s, request);
        break;
    case SELF_REMAINING:
        remaining(s, request);
        break;
    case SELF_STATUS:
        status(s, request);
        break;
    }
}

/* Whether the request is known already; if its answer is still to be put into its place, that is tried again. */
static bool came_before(struct selfservice *s, const char *token)
{
    for (size_t i = 0; i < s->waiting_count; i++)
        if (strcmp(s->waiting[i].request.token, token) == 0)
            return true;
    struct past *past = find_past(s, token);
    if (past && past->kept && put_answer(s, token, NULL, past->kept) == 0) {
        free(past->kept);
        past->kept = NULL;
    }
    if (past)
        return true;
    char name[8 + SELF_TOKEN_LEN];
    struct stat st;
    snprintf(name, sizeof name, "answer.%s", token);
    return fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0; /* put there when the job was restored */
}

static void receive(struct selfservice *s, const char *data, size_t len)
{
    struct self_request request;
    struct error err;
    char token[SELF_TOKEN_LEN + 1];
    if (!self_request_token(data, len, token) || came_before(s, token))
        return;
    if (self_request_parse(data, len, &request, &err) < 0)
        answer(s, token, "refused %.250s", err.text);
    else
        serve(s, &request);
}

static void on_calm(void *data)
{
    struct selfservice *s = data;
    loop_watch_change(s->watch, EPOLLIN);
}

static void on_datagrams(void *data, uint32_t events)
{
    struct selfservice *s = data;
    char block[SELF_REQUEST_MAX + 1];
    (void)events;
    int64_t now = clock_boot_us();
    if (now - s->window_us >= WINDOW_US) {
        s->window_us = now;
        s->window_count = 0;
    }
    for (; s->window_count < WINDOW_MAX; s->window_count++) {
        ssize_t n = recv(s->socket, block, sizeof block, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0)
            return;
        if (n <= SELF_REQUEST_MAX)
            receive(s, block, (size_t)n);
    }
    loop_watch_change(s->watch, 0);
    loop_timer_set(s->calm, s->window_us + WINDOW_US);
}

struct selfservice *selfservice_open(struct runner *r, struct error *err)
{
    bool made;
    auto_close int dir = sandbox_make_dir(r, r->stint_dir, "self", &made, err);
    if (dir < 0 || identity_enter(&r->owner, err) < 0)
        return NULL;
    int fd = file_listen_datagrams(dir, "socket", 0600, err);
    identity_leave();
    if (fd < 0)
        return NULL;
    struct selfservice *s = mem_new(struct selfservice);
    s->r = r;
    s->dir = steal_fd(&dir);
    s->socket = fd;
    s->watch = loop_watch(r->loop, fd, EPOLLIN, on_datagrams, s);
    s->calm = loop_timer(r->loop, INT64_MAX, on_calm, s);
    s->expiry = loop_timer(r->loop, INT64_MAX, on_expiry, s);
    s->report = loop_timer(r->loop, INT64_MAX, on_report, s);
    return s;
}

void selfservice_close(struct selfservice *s)
{
    if (!s)
        return;
    loop_unwatch(s->watch);
    loop_timer_free(s->calm);
    loop_timer_free(s->expiry);
    loop_timer_free(s->report);
    for (size_t i = 0; i < PAST_MAX; i++)
        free(s->past[i].kept);
    file_close(&s->socket);
    file_close(&s->dir);
    free(s);
}

int selfservice_dir(const struct selfservice *s)
{
    return s ? s->dir : -1;
}

/* In a pool whose directory is closed to others, there is no way to the socket by its name. */
char *selfservice_path(const struct selfservice *s)
{
    char link[64], path[4096];
    struct error ignored;
    if (!s)
        return NULL;
    if (s->r->world)
        return mem_dup("/stint/self/socket");
    snprintf(link, sizeof link, "/proc/self/fd/%d", s->dir);
    ssize_t len = readlink(link, path, sizeof path);
    if (len <= 0 || (size_t)len + sizeof "/socket" > sizeof path)
        return NULL;
    snprintf(path + len, sizeof path - (size_t)len, "/socket");
    if (identity_enter(&s->r->owner, &ignored) < 0)
        return NULL;
    bool reachable = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
    identity_leave();
    return reachable ? mem_dup(path) : NULL;
}

void selfservice_ended(struct selfservice *s)
{
    if (!s)
        return;
    selfservice_flush(s);
    end_holds(s);
    s->waiting_count = 0;
    s->frozen = s->capturing = false;
}
