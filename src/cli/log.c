/*
 * A job's output, followed by offset. Output belongs to the checkpoint: when a job goes back to one, its output file goes back
 * too and the lines that were already shown will come again. The follower says so instead of hiding it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/words.h"
#include "job/id.h"
#include "job/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { BLOCK_BYTES = 1 << 20, PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 1000 };

struct follower {
    const char *id;
    const char *stream;
    int64_t offset;
    int64_t size;
    enum job_state state;
    bool state_known;
};

static int64_t number_header(const struct api_answer *answer, const char *name, int64_t fallback)
{
    char text[32], *end;
    if (!http_header(&answer->http, name, text, sizeof text))
        return fallback;
    long long n = strtoll(text, &end, 10);
    return end == text || *end || n < 0 ? fallback : n;
}

/* Prints the next block; *got = its bytes. */
static int print_block(struct api *api, struct follower *f, size_t *got, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    auto_free char *target = mem_printf("/v1/jobs/%s/output?stream=%s&offset=%" PRId64 "&limit=%d", f->id, f->stream, f->offset,
                                        BLOCK_BYTES);
    char state[32] = "";
    if (api_get(api, target, &answer, err) < 0)
        return -1;
    *got = answer.http.body_len;
    fwrite(answer.http.body, 1, *got, stdout);
    f->offset = number_header(&answer, "X-Stint-Offset", f->offset + (int64_t)*got);
    f->size = number_header(&answer, "X-Stint-Size", f->offset);
    f->state_known = http_header(&answer.http, "X-Stint-State", state, sizeof state) && job_state_from_name(state, &f->state);
    return 0;
}

/* Between its stints a job's output is nowhere to look at, or is what an earlier one delivered: that means nothing. */
static void note_return(struct follower *f)
{
    if (f->size >= f->offset || !f->state_known || (f->state != JOB_RUNNING && f->state != JOB_SUSPENDED))
        return;
    fflush(stdout);
    fprintf(stderr, "stint: %s went back to a checkpoint; the last %" PRId64 " bytes of output will come again\n", f->id,
            f->offset - f->size);
    f->offset = f->size;
}

static void pause_ms(int ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&pause, NULL);
}

/* Everything there is; then, when following, everything that comes until the job is done. */
static int print_output(struct api *api, struct follower *f, bool follow, struct error *err)
{
    int wait_ms = PAUSE_MIN_MS;
    bool final = false;
    for (;;) {
        size_t got;
        if (print_block(api, f, &got, err) < 0)
            return -1;
        note_return(f);
        if (ferror(stdout) || (got == 0 && (!follow || final)))
            return 0;
        final = f->state_known && job_state_final(f->state); /* one more look: the end may have come with the last bytes */
        wait_ms = got > 0 ? PAUSE_MIN_MS : wait_ms * 2 < PAUSE_MAX_MS ? wait_ms * 2 : PAUSE_MAX_MS;
        if (follow && !final && f->offset >= f->size) {
            fflush(stdout);
            pause_ms(wait_ms);
        }
    }
}

int run_log(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    struct job_id id = { 0 };
    char text[JOB_ID_TEXT_MAX];
    int r = select_check(call, err);
    if (r == 0 && call->operand_count + cli_given(call, "constraint") != 1)
        r = cli_usage_error(err, "which job? Give its ID, or -c EXPR");
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    if (call->operand_count > 0)
        job_id_parse(call->operands[0], &id);
    if (select_one(call, api, &id, err) < 0)
        return -1;
    if (id.proc == JOB_ALL_PROCS)
        id.proc = 0; /* "7": its first job */
    struct follower f = { .id = job_id_print(id, text), .stream = cli_given(call, "stderr") ? "stderr" : "stdout" };
    return print_output(api, &f, cli_given(call, "follow"), err) < 0 ? -1 : CLI_OK;
}
