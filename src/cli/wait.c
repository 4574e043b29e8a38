/*
 * Waiting asks for events, not for the time: a round ends with the first event of the pool, and the jobs are looked at again at
 * most once a second. The jobs' ends are read from the history, so that a job that ended between two looks is not missed, nor one
 * that ended before the waiting began.
 */
#include "cli/wait.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "job/id.h"
#include "job/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_S = 2, IDS_AT_ONCE = 200 };
static const char attributes[] = "ClusterId,ProcId,JobState,HoldReason,LastCkptTime,LastCkptTimeUs,ExitCode,ExitSignal";

struct waiter {
    struct api *api;
    const struct cli_call *call;
    const struct select_jobs *jobs; /* those of the command line, and those that -c means */
    int64_t enough;                 /* so many that are done */
    bool progress;
    bool told_held;
    size_t past;
    int64_t seq;
    int64_t end_us; /* boot clock; INT64_MAX = never */
};

void wait_progress(const struct ad *active, size_t past, const struct screen *screen, struct buf *out)
{
    int64_t by_state[JOB_STATE_COUNT] = { 0 }, last_us = 0;
    size_t count = ad_list_count(active, "Jobs");
    for (size_t i = 0; i < count; i++) {
        const struct ad *job = ad_list_ad(active, "Jobs", i);
        enum job_state state;
        if (!job)
            continue;
        if (job_state_from_name(ad_string(job, "JobState", ""), &state))
            by_state[state]++;
        int64_t taken_us = words_last_checkpoint(job);
        last_us = taken_us > last_us ? taken_us : last_us;
    }
    buf_printf(out, "%zu of %zu done", past, past + count);
    for (int state = 0; state < JOB_STATE_COUNT; state++)
        if (by_state[state] > 0)
            buf_printf(out, ", %" PRId64 " %s", by_state[state], job_state_name((enum job_state)state));
    if (last_us > 0) {
        buf_text(out, ", last checkpoint ");
        words_age(out, last_us, screen);
        buf_text(out, " ago");
    }
}

int wait_exit_status(const struct ad *job)
{
    if (strcmp(ad_string(job, "JobState", ""), "completed") != 0)
        return CLI_FAILURE;
    if (ad_has(job, "ExitSignal"))
        return (int)(128 + (ad_int(job, "ExitSignal", 0) & 127));
    return (int)(ad_int(job, "ExitCode", 1) & 255);
}

/* Some of the jobs that are waited for, active or past, under their attributes that matter here. */
static int get_some(struct waiter *w, bool history, size_t first, size_t count, struct ad *into, struct error *err)
{
    auto_buf struct buf target = { 0 };
    auto_ad struct ad *some = NULL;
    char text[JOB_ID_TEXT_MAX];
    buf_text(&target, history ? "/v1/jobs?history=1" : "/v1/jobs");
    for (size_t i = first; i < first + count; i++)
        http_add_query(&target, "id", job_id_print(w->jobs->ids[i], text));
    http_add_query(&target, "attributes", attributes);
    if (api_get_ad(w->api, buf_cstr(&target), &some, err) < 0)
        return -1;
    ad_set_int(into, "ToCome", ad_int(into, "ToCome", 0) + ad_int(some, "ToCome", 0));
    for (size_t i = 0; i < ad_list_count(some, "Jobs"); i++)
        if (ad_list_ad(some, "Jobs", i))
            ad_append_ad(into, "Jobs", ad_copy(ad_list_ad(some, "Jobs", i)));
    return 0;
}

static int get_jobs(struct waiter *w, bool history, struct ad **jobs, struct error *err)
{
    auto_ad struct ad *all = ad_new();
    ad_make_list(all, "Jobs");
    for (size_t i = 0; i < w->jobs->count; i += IDS_AT_ONCE)
        if (get_some(w, history, i, w->jobs->count - i < IDS_AT_ONCE ? w->jobs->count - i : IDS_AT_ONCE, all, err) < 0)
            return -1;
    *jobs = steal(all);
    return 0;
}

static bool has_job(const struct ad *jobs, struct job_id id)
{
    size_t count = ad_list_count(jobs, "Jobs");
    for (size_t i = 0; i < count; i++) {
        const struct ad *job = ad_list_ad(jobs, "Jobs", i);
        if (ad_int(job, "ClusterId", 0) == id.cluster && (id.proc == JOB_ALL_PROCS || ad_int(job, "ProcId", -1) == id.proc))
            return true;
    }
    return false;
}

static bool is_finished(const struct ad *job)
{
    enum job_state state;
    return job_state_from_name(ad_string(job, "JobState", ""), &state) && job_state_final(state);
}

/* Jobs that are finished, though leave_in_queue keeps them in the queue. */
static size_t count_finished(const struct ad *active)
{
    size_t finished = 0, count = ad_list_count(active, "Jobs");
    for (size_t i = 0; i < count; i++)
        finished += is_finished(ad_list_ad(active, "Jobs", i));
    return finished;
}

static int check_known(struct waiter *w, const struct ad *active, const struct ad *past, struct error *err)
{
    for (size_t i = 0; i < w->call->operand_count; i++) {
        struct job_id id = w->jobs->ids[i];
        if (!has_job(active, id) && !has_job(past, id) && ad_int(active, "ToCome", 0) == 0)
            return error_set(err, ERR_INVALID, "no job %s, neither in the queue nor in the history", w->call->operands[i]);
    }
    return 0;
}

static void show_progress(struct waiter *w, const struct ad *active)
{
    struct screen screen = { .now_us = clock_wall_us() };
    auto_buf struct buf text = { 0 };
    wait_progress(active, w->past, &screen, &text);
    if (w->progress)
        fprintf(stderr, "\r\033[K%s", buf_cstr(&text));
}

/* A held job waits for a person, who should know it. Said once. */
static void tell_held(struct waiter *w, const struct ad *active)
{
    size_t count = ad_list_count(active, "Jobs");
    for (size_t i = 0; i < count && !w->told_held; i++) {
        const struct ad *job = ad_list_ad(active, "Jobs", i);
        if (strcmp(ad_string(job, "JobState", ""), "held") != 0)
            continue;
        auto_buf struct buf id = { 0 }, state = { 0 };
        words_id(&id, job);
        words_state(&state, job);
        fprintf(stderr, "%sstint: %s is %s; it waits for 'stint release %s' or 'stint rm %s'\n", w->progress ? "\r\033[K" : "",
                buf_cstr(&id), buf_cstr(&state), buf_cstr(&id), buf_cstr(&id));
        w->told_held = true;
    }
}

/* Until something happens, or a round is over. */
static int await_event(struct waiter *w, struct error *err)
{
    auto_buf struct buf target = { 0 };
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *events = NULL;
    int64_t begun_us = clock_boot_us();
    buf_printf(&target, "/v1/events?after=%" PRId64 "&wait=%d&limit=1000", w->seq, ROUND_S);
    if (w->call->operand_count == 1)
        http_add_query(&target, "id", w->call->operands[0]);
    if (api_get_waiting(w->api, buf_cstr(&target), ROUND_S, &answer, err) < 0 || api_ad(&answer, &events, err) < 0)
        return -1;
    w->seq = ad_int(events, "Last", w->seq);
    int64_t used_us = clock_boot_us() - begun_us;
    int64_t rest_us = (w->past > 0 || ad_list_count(events, "Events") > 100 ? CLOCK_SECOND_US : 100000) - used_us;
    if (rest_us > 0) {
        struct timespec pause = { .tv_nsec = rest_us > 999999 ? 999999999 : rest_us * 1000 };
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Positive = CLI_TIMED_OUT. */
static int wait_all(struct waiter *w, struct error *err)
{
    size_t total = 0;
    for (;;) {
        auto_ad struct ad *active = NULL;
        if (get_jobs(w, false, &active, err) < 0)
            return -1;
        /* Those that are still to be made too. */
        size_t count = ad_list_count(active, "Jobs") - count_finished(active) + (size_t)ad_int(active, "ToCome", 0);
        total = total ? total : w->past + count;
        w->past = total > count ? total - count : 0;
        show_progress(w, active);
        tell_held(w, active);
        if (count == 0 || (w->enough > 0 && (int64_t)w->past >= w->enough))
            return 0;
        if (clock_boot_us() >= w->end_us)
            return CLI_TIMED_OUT;
        if (await_event(w, err) < 0)
            return -1;
    }
}

struct conclusion {
    int status;
    int64_t first; /* the number of the job that decided it */
    size_t count, bad;
};

/* The first job in the order of IDs that did not succeed decides. */
static void judge(struct conclusion *c, const struct ad *jobs)
{
    size_t count = ad_list_count(jobs, "Jobs");
    for (size_t i = 0; i < count; i++) {
        const struct ad *job = ad_list_ad(jobs, "Jobs", i);
        int64_t order = ad_int(job, "ClusterId", 0) * INT64_C(0x80000000) + ad_int(job, "ProcId", 0);
        int one = wait_exit_status(job);
        if (!is_finished(job))
            continue;
        c->count++;
        c->bad += one != 0;
        if (one != 0 && order < c->first) {
            c->status = one;
            c->first = order;
        }
    }
}

static int conclude(struct waiter *w, struct error *err)
{
    auto_ad struct ad *past = NULL, *left = NULL;
    struct conclusion c = { .status = CLI_OK, .first = INT64_MAX };
    if (get_jobs(w, true, &past, err) < 0 || get_jobs(w, false, &left, err) < 0)
        return -1;
    if (cli_given(w->call, "json")) {
        auto_buf struct buf text = { 0 };
        ad_remove(past, "ToCome");
        ad_print_json(past, &text);
        buf_char(&text, '\n');
        words_print(&text);
    }
    judge(&c, past);
    judge(&c, left); /* finished, and still in the queue */
    if (!cli_given(w->call, "json") && !cli_given(w->call, "quiet"))
        printf("%zu job%s done%s", c.count, c.count == 1 ? "" : "s", c.bad > 0 ? "" : "\n");
    if (!cli_given(w->call, "json") && !cli_given(w->call, "quiet") && c.bad > 0)
        printf(", %zu of them without success\n", c.bad);
    return c.status;
}

static int begin(struct waiter *w, struct error *err)
{
    auto_ad struct ad *pool = NULL, *active = NULL, *past = NULL;
    if (api_get_ad(w->api, "/v1/pool", &pool, err) < 0 || get_jobs(w, false, &active, err) < 0 || get_jobs(w, true, &past, err) < 0)
        return -1;
    w->seq = ad_int(pool, "LastEvent", 0);
    w->past = ad_list_count(past, "Jobs");
    return check_known(w, active, past, err);
}

static int wait_for(struct waiter *w, int64_t timeout_us, struct error *err)
{
    w->end_us = timeout_us < INT64_MAX - clock_boot_us() ? clock_boot_us() + timeout_us : INT64_MAX;
    w->progress = isatty(STDERR_FILENO) && !cli_given(w->call, "quiet") && !cli_given(w->call, "json");
    int r = begin(w, err);
    if (r == 0)
        r = wait_all(w, err);
    if (w->progress)
        fputc('\n', stderr);
    if (r == CLI_TIMED_OUT)
        fprintf(stderr, "stint: not all jobs are done after the time given; they go on\n");
    return r == 0 ? conclude(w, err) : r;
}

int run_wait(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_select_jobs struct select_jobs jobs = { 0 };
    struct waiter w = { .call = call, .jobs = &jobs };
    int64_t timeout_us;
    int r = cli_duration(call, "timeout", INT64_MAX, &timeout_us, err);
    if (r == 0)
        r = cli_number(call, "num", 0, &w.enough, err);
    if (r == 0)
        r = select_check(call, err);
    if (r == 0 && call->operand_count == 0 && !cli_given(call, "constraint"))
        r = cli_usage_error(err, "for which jobs? Give their IDs, or -c EXPR");
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    w.api = api;
    for (size_t i = 0; i < call->operand_count; i++) {
        struct job_id id;
        job_id_parse(call->operands[i], &id);
        select_add(&jobs, id);
    }
    if (select_constrained(call, api, false, &jobs, err) < 0)
        return -1;
    return wait_for(&w, timeout_us, err);
}
