/*
 * Asking for a checkpoint is a promise that something is tried, not that it works: so the command follows the job's events until
 * one of them says what became of it. The request stays with the job when the command is interrupted; the handler says so and
 * ends the process, because there is nothing here to clean up.
 */
#include "cli/checkpoint.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/act.h"
#include "cli/run.h"
#include "cli/select.h"
#include "job/id.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct checkpoint_job {
    struct job_id id;
    char text[JOB_ID_TEXT_MAX];
    int64_t seq; /* its events begin after this */
    bool done;
};

enum { EVENTS_AT_ONCE = 1000, WAIT_S = 30 };

static const struct {
    const char *event;
    bool good;
} ends[] = {
    { "checkpoint_taken", true }, { "checkpoint_failed", false }, { "checkpoint_refused", false }, { "evicted", false },
    { "completed", true },        { "held", false },              { "removed", false },            { "failed", false },
    { "runner_lost", false },
};

void checkpoint_wait_release(struct checkpoint_wait *wait)
{
    free(wait->jobs);
    *wait = (struct checkpoint_wait){ 0 };
}

static void add_job(struct checkpoint_wait *wait, struct job_id id, int64_t seq)
{
    wait->jobs = mem_grow(wait->jobs, &wait->capacity, wait->count + 1, sizeof *wait->jobs);
    struct checkpoint_job *job = &wait->jobs[wait->count++];
    *job = (struct checkpoint_job){ .id = id, .seq = seq };
    job_id_print(id, job->text);
    wait->pending++;
    if (wait->count == 1 || seq < wait->seq)
        wait->seq = seq;
}

void checkpoint_wait_begin(struct checkpoint_wait *wait, const struct ad *results, struct buf *out)
{
    size_t count = ad_list_count(results, "Results");
    for (size_t i = 0; i < count; i++) {
        const struct ad *result = ad_list_ad(results, "Results", i);
        const char *text = ad_string(result, "Id", "");
        struct job_id id;
        if (ad_bool(result, "Ok", false) && job_id_parse(text, &id) && id.proc != JOB_ALL_PROCS) {
            add_job(wait, id, ad_int(result, "Seq", 0));
            continue;
        }
        wait->failed++;
        words_safe(out, text);
        buf_text(out, ": refused: ");
        words_safe(out, ad_string(result, "Message", "the pool does not say why"));
        buf_char(out, '\n');
    }
    if (count == 0) {
        wait->failed++;
        buf_text(out, "no job matches\n");
    }
}

static struct checkpoint_job *find_job(struct checkpoint_wait *wait, const struct ad *event)
{
    int64_t cluster = ad_int(event, "ClusterId", 0), proc = ad_int(event, "ProcId", -1);
    for (size_t i = 0; i < wait->count; i++)
        if (wait->jobs[i].id.cluster == cluster && wait->jobs[i].id.proc == proc)
            return &wait->jobs[i];
    return NULL;
}

static void take_event(struct checkpoint_wait *wait, const struct ad *event, struct buf *out)
{
    const char *name = ad_string(event, "Event", "");
    struct checkpoint_job *job = find_job(wait, event);
    if (!job || job->done || ad_int(event, "Seq", 0) <= job->seq)
        return;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (strcmp(ends[i].event, name) != 0)
            continue;
        job->done = true;
        wait->pending--;
        wait->failed += !(ends[i].good || (strcmp(name, "evicted") == 0 && ad_bool(event, "Checkpointed", false)));
        buf_printf(out, "%s: ", job->text);
        words_event(out, event);
        buf_char(out, '\n');
        return;
    }
}

void checkpoint_wait_events(struct checkpoint_wait *wait, const struct ad *answer, struct buf *out)
{
    size_t count = ad_list_count(answer, "Events");
    for (size_t i = 0; i < count; i++) {
        const struct ad *event = ad_list_ad(answer, "Events", i);
        if (!event)
            continue;
        int64_t seq = ad_int(event, "Seq", 0);
        take_event(wait, event, out);
        wait->seq = seq > wait->seq ? seq : wait->seq;
    }
}

const char *checkpoint_wait_only(const struct checkpoint_wait *wait)
{
    return wait->count == 1 ? wait->jobs[0].text : NULL;
}

static void on_interrupt(int signal)
{
    static const char text[] = "\nstint: not waiting any more; the request stays with the job\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(signal == SIGTERM ? 128 + SIGTERM : CLI_INTERRUPTED);
}

static void catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* One round of events, at most `wait_s` seconds long. */
static int follow_once(const struct cli_call *call, struct api *api, struct checkpoint_wait *wait, int wait_s, struct error *err)
{
    auto_buf struct buf target = { 0 }, out = { 0 };
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *events = NULL;
    buf_printf(&target, "/v1/events?after=%" PRId64 "&wait=%d&limit=%d", wait->seq, wait_s, EVENTS_AT_ONCE);
    if (checkpoint_wait_only(wait))
        http_add_query(&target, "id", checkpoint_wait_only(wait));
    if (api_get_waiting(api, buf_cstr(&target), wait_s, &answer, err) < 0 || api_ad(&answer, &events, err) < 0)
        return -1;
    checkpoint_wait_events(wait, events, &out);
    if (cli_given(call, "json")) {
        if (out.len > 0)
            api_print_json(&answer);
    } else
        words_print(&out);
    fflush(stdout);
    return 0;
}

static int follow(const struct cli_call *call, struct api *api, struct checkpoint_wait *wait, int64_t timeout_us,
                  struct error *err)
{
    int64_t end_us = timeout_us == INT64_MAX ? INT64_MAX : clock_boot_us() + timeout_us;
    catch_interrupts();
    while (wait->pending > 0) {
        int64_t left_us = end_us == INT64_MAX ? WAIT_S * CLOCK_SECOND_US : end_us - clock_boot_us();
        if (left_us <= 0) {
            fprintf(stderr, "stint: no answer yet from %zu of %zu jobs; the request stays with the job\n", wait->pending,
                    wait->count);
            return CLI_TIMED_OUT;
        }
        int64_t wait_s = (left_us + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US;
        if (follow_once(call, api, wait, wait_s < WAIT_S ? (int)wait_s : WAIT_S, err) < 0)
            return error_wrap(err, "cannot follow the request, which stays with the job");
    }
    return wait->failed > 0 ? CLI_FAILURE : CLI_OK;
}

/* The whole command behind its checks. */
static int ask_and_follow(const struct cli_call *call, struct checkpoint_wait *wait, int64_t timeout_us, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *results = NULL;
    auto_buf struct buf refused = { 0 };
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || act_ask(call, api, &answer, err) < 0 || api_ad(&answer, &results, err) < 0)
        return -1;
    checkpoint_wait_begin(wait, results, &refused);
    if (cli_given(call, "json"))
        api_print_json(&answer);
    else
        fputs(buf_cstr(&refused), stderr);
    if (!cli_given(call, "no-wait"))
        return follow(call, api, wait, timeout_us, err);
    if (!cli_given(call, "json") && wait->count > 0) {
        auto_buf struct buf text = { 0 };
        words_count(&text, (int64_t)wait->count, "job");
        printf("%s asked for a checkpoint\n", buf_cstr(&text));
    }
    return wait->failed > 0 ? CLI_FAILURE : CLI_OK;
}

int run_checkpoint(const struct cli_call *call, struct error *err)
{
    struct checkpoint_wait wait = { 0 };
    auto_ad struct ad *check = ad_new();
    int64_t timeout_us;
    int r = cli_duration(call, "timeout", INT64_MAX, &timeout_us, err);
    if (r == 0)
        r = select_action(call, check, err);
    if (r == 0)
        r = ask_and_follow(call, &wait, timeout_us, err);
    checkpoint_wait_release(&wait);
    return r;
}
