#include "cli/pool.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STOP_WAIT_MS = 5000, STOP_STEP_MS = 20 };

static void add_used(struct buf *out, const struct ad *pool, const char *used, const char *all, int64_t unit)
{
    if (unit == 0) {
        buf_printf(out, "%" PRId64 " of %" PRId64 " used\n", ad_int(pool, used, 0), ad_int(pool, all, 0));
        return;
    }
    words_bytes(out, ad_int(pool, used, 0) * unit);
    buf_text(out, " of ");
    words_bytes(out, ad_int(pool, all, 0) * unit);
    buf_text(out, " used\n");
}

static void add_jobs(struct buf *out, const struct ad *jobs)
{
    const char *before = "";
    for (size_t i = 0; jobs && i < ad_count(jobs); i++) {
        int64_t n = ad_int(jobs, ad_name(jobs, i), 0);
        if (n == 0)
            continue;
        buf_printf(out, "%s%" PRId64 " ", before, n);
        words_safe(out, ad_name(jobs, i));
        before = ", ";
    }
    buf_text(out, *before ? "\n" : "none\n");
}

void pool_print(const struct ad *pool, const struct screen *screen, struct buf *out)
{
    buf_text(out, "pool       ");
    words_safe(out, ad_string(pool, "Directory", "?"));
    buf_text(out, ad_bool(pool, "MachineWide", false) ? " (machine-wide), of " : ", of ");
    words_safe(out, ad_string(pool, "Owner", "?"));
    buf_printf(out, "\nrunning    as process %" PRId64 ", version ", ad_int(pool, "Pid", 0));
    words_safe(out, ad_string(pool, "Version", "?"));
    buf_text(out, ", for ");
    words_age(out, ad_int(pool, "StartedUs", 0), screen);
    buf_text(out, "\ncpus       ");
    add_used(out, pool, "CpusUsed", "Cpus", 0);
    buf_text(out, "memory     ");
    add_used(out, pool, "MemoryUsed", "Memory", 1 << 20);
    buf_text(out, "disk       ");
    add_used(out, pool, "DiskUsed", "Disk", 1 << 10);
    buf_text(out, "jobs       ");
    add_jobs(out, ad_ad(pool, "Jobs"));
    buf_text(out, "limits     ");
    words_safe(out, ad_string(pool, "Limits", "?"));
    buf_char(out, '\n');
}

static int pool_status(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *pool = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    if (api_open(API_START_NEVER, &api, err) < 0 || api_get(api, "/v1/pool", &answer, err) < 0)
        return -1;
    if (cli_given(call, "json")) {
        api_print_json(&answer);
        return CLI_OK;
    }
    if (api_ad(&answer, &pool, err) < 0)
        return -1;
    pool_print(pool, &screen, &text);
    words_print(&text);
    return CLI_OK;
}

static int pool_start(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_free char *directory = api_find_directory(err);
    if (!directory)
        return -1;
    bool ran = api_pool_answers(directory);
    if (api_open(API_START, &api, err) < 0 || api_get(api, "/v1/pool", &answer, err) < 0)
        return -1;
    if (cli_given(call, "json"))
        api_print_json(&answer);
    else
        printf(ran ? "the pool in %s was running already\n" : "the pool in %s is running; submit jobs with: stint submit FILE\n",
               api_directory(api));
    return CLI_OK;
}

static bool wait_gone(const char *directory)
{
    for (int ms = 0; ms < STOP_WAIT_MS; ms += STOP_STEP_MS) {
        struct timespec pause = { .tv_nsec = STOP_STEP_MS * 1000000L };
        if (!api_pool_answers(directory))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static int pool_stop(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *body = ad_new(), *pool = NULL;
    bool vacate = cli_given(call, "vacate");
    /* one that was killed a moment ago is about to be started again by its keeper: only a living pool can be told to stay away */
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || api_get_ad(api, "/v1/pool", &pool, err) < 0)
        return -1;
    const struct ad *jobs = ad_ad(pool, "Jobs");
    int64_t running = jobs ? ad_int(jobs, "running", 0) : 0;
    ad_set_bool(body, "Vacate", vacate);
    if (api_post(api, "/v1/pool/stop", body, &answer, err) < 0)
        return -1;
    if (vacate && running > 0 && !cli_given(call, "json")) {
        printf("%" PRId64 " running job%s asked to checkpoint and leave; the pool stops when %s gone\n", running,
               running == 1 ? " is" : "s are", running == 1 ? "it is" : "they are");
        fflush(stdout);
    }
    while (vacate && api_pool_answers(api_directory(api))) /* as long as the slowest job takes; Ctrl-C leaves it to itself */
        nanosleep(&(struct timespec){ .tv_nsec = STOP_STEP_MS * 1000000L }, NULL);
    if (!wait_gone(api_directory(api)))
        return error_set(err, ERR_SYSTEM, "the pool in '%s' said that it stops, and still answers", api_directory(api));
    if (cli_given(call, "json"))
        api_print_json(&answer);
    else if (running > 0 && !vacate)
        printf("the pool has stopped; %" PRId64 " running job%s on, and the next 'stint pool start' finds them again\n", running,
               running == 1 ? " goes" : "s go");
    else
        puts("the pool has stopped; it starts again with the next 'stint submit' or 'stint pool start'");
    return CLI_OK;
}

/* Becomes the pool. */
static int pool_run(struct error *err)
{
    auto_free char *program = api_find_program("stint-pool");
    auto_free char *directory = api_find_directory(err);
    if (!directory)
        return -1;
    fflush(stdout);
    execl(program, "stint-pool", "run", directory, (char *)NULL);
    return error_sys(err, "cannot run '%s'", program);
}

int run_pool(const struct cli_call *call, struct error *err)
{
    const char *what = call->operands[0];
    if (cli_given(call, "vacate") && strcmp(what, "stop") != 0)
        return cli_usage_error(err, "'--vacate' goes with 'stop' only");
    if (strcmp(what, "status") == 0)
        return pool_status(call, err);
    if (strcmp(what, "start") == 0)
        return pool_start(call, err);
    if (strcmp(what, "stop") == 0)
        return pool_stop(call, err);
    if (strcmp(what, "run") == 0)
        return pool_run(err);
    return cli_usage_error(err, "no 'stint pool %s': there is start, stop, status and run", what);
}

int run_reschedule(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || api_post(api, "/v1/pool/reschedule", NULL, &answer, err) < 0)
        return -1;
    if (cli_given(call, "json"))
        api_print_json(&answer);
    else
        puts("the pool looks for work now");
    return CLI_OK;
}
