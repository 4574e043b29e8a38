/*
 * condor_wait reads the event log itself and needs no pool. All jobs whose submission is in the log, or those that were named, are
 * waited for; it looks again when the file has grown.
 */
#include "cli/condor.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/words.h"
#include "job/eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 100, BLOCK = 1 << 16, SUBMITTED = 0, EXECUTING = 1, TERMINATED = 5, ABORTED = 9 };

const struct condor_option condor_wait_options[] = {
    { "status", 0, CONDOR_NOTHING, NULL, NULL },
    { "echo", 0, CONDOR_NOTHING, NULL, NULL },
    { "wait", 0, CONDOR_VALUE, NULL, NULL },
    { "num", 0, CONDOR_VALUE, NULL, NULL },
    { "log", 0, CONDOR_VALUE, NULL, NULL },
    { "event-id", 0, CONDOR_VALUE, NULL, "only the ends of jobs are waited for; 'stint events' tells the others" },
    { "allevents", 3, CONDOR_NOTHING, NULL, "only the ends of jobs are waited for; 'stint events' tells the others" },
    { "debug", 1, CONDOR_NOTHING, "", NULL },
    CONDOR_COMMON,
};

struct seen {
    int64_t cluster, proc;
    bool ended;
};

struct log {
    const struct condor_call *call;
    const char *name;
    struct job_id wanted; /* cluster 0 = all */
    int fd;
    struct buf text;   /* what was read and is no whole event yet */
    struct seen *jobs;
    bool unordered; /* the jobs' numbers do not grow */
    size_t count, capacity, open, ended;
};

static int compare_jobs(const void *one, const void *two)
{
    const struct seen *a = one, *b = two;
    return a->cluster != b->cluster ? (a->cluster > b->cluster) - (a->cluster < b->cluster) : (a->proc > b->proc) - (a->proc < b->proc);
}

/* Submissions are in order in a log but where several pools write it. */
static struct seen *find_job(struct log *log, int64_t cluster, int64_t proc)
{
    struct seen wanted = { .cluster = cluster, .proc = proc };
    if (!log->unordered && log->count > 0)
        return bsearch(&wanted, log->jobs, log->count, sizeof *log->jobs, compare_jobs);
    for (size_t i = log->count; i > 0; i--)
        if (compare_jobs(&log->jobs[i - 1], &wanted) == 0)
            return &log->jobs[i - 1];
    return NULL;
}

static struct seen *add_job(struct log *log, int64_t cluster, int64_t proc)
{
    log->jobs = mem_grow(log->jobs, &log->capacity, log->count + 1, sizeof *log->jobs);
    log->jobs[log->count] = (struct seen){ .cluster = cluster, .proc = proc };
    log->unordered |= log->count > 0 && compare_jobs(&log->jobs[log->count - 1], &log->jobs[log->count]) > 0;
    log->open++;
    return &log->jobs[log->count++];
}

static void say_status(const struct log *log, const struct ad *event, int64_t type)
{
    auto_buf struct buf host = { 0 };
    if (!condor_given(log->call, "status"))
        return;
    printf("%" PRId64 ".%" PRId64 ".%" PRId64, ad_int(event, "Cluster", 0), ad_int(event, "Proc", 0), ad_int(event, "Subproc", 0));
    words_safe(&host, ad_string(event, "ExecuteHost", "?"));
    if (type == EXECUTING)
        printf(" executing on host %s\n", buf_cstr(&host));
    else
        printf(" %s\n", type == SUBMITTED ? "submitted" : type == TERMINATED ? "completed" : "aborted");
}

static void take_event(struct log *log, const struct ad *event, const char *text, size_t len)
{
    int64_t type = ad_int(event, "EventTypeNumber", -1), cluster = ad_int(event, "Cluster", 0), proc = ad_int(event, "Proc", 0);
    if (log->wanted.cluster > 0 && (cluster != log->wanted.cluster || (log->wanted.proc != JOB_ALL_PROCS && proc != log->wanted.proc)))
        return;
    if (condor_given(log->call, "echo"))
        fwrite(text, 1, len, stdout);
    if (type != SUBMITTED && type != EXECUTING && type != TERMINATED && type != ABORTED)
        return;
    struct seen *job = find_job(log, cluster, proc);
    if (!job)
        job = add_job(log, cluster, proc);
    say_status(log, event, type);
    if ((type != TERMINATED && type != ABORTED) || job->ended)
        return;
    job->ended = true;
    log->open--;
    log->ended++;
}

/* What is no event is passed over, up to the line that ends it. */
static size_t skip_event(const struct buf *text)
{
    const char *end = strstr(buf_cstr(text), "\n...\n");
    return end ? (size_t)(end - text->data) + 5 : 0;
}

static bool is_enough(const struct log *log, int64_t number)
{
    return number > 0 ? (int64_t)log->ended >= number : false;
}

/* Takes the whole events that have come; true when enough jobs have ended. */
static bool take_events(struct log *log, int64_t number)
{
    size_t done = 0;
    bool enough = false;
    while (!enough && done < log->text.len) {
        auto_ad struct ad *event = NULL;
        struct buf rest = { .data = log->text.data + done, .len = log->text.len - done };
        size_t used = 0;
        int r = eventlog_parse(rest.data, rest.len, &used, &event, NULL);
        if (r == 0)
            take_event(log, event, rest.data, used);
        else if (r < 0)
            used = skip_event(&rest);
        if (used == 0)
            break;
        done += used;
        enough = is_enough(log, number);
    }
    buf_drop(&log->text, done);
    return enough;
}

/* Positive: there was more. */
static int read_more(struct log *log, struct error *err)
{
    char block[BLOCK];
    int more = 0;
    for (ssize_t n; (n = read(log->fd, block, sizeof block)) != 0; more = 1) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, "cannot read '%s'", log->name);
        buf_add(&log->text, block, (size_t)n);
        if (log->text.full)
            return error_set(err, ERR_LIMIT, "'%s' has an event that is too large", log->name);
        if (log->text.len > EVENTLOG_EVENT_MAX)
            return 1;
    }
    return more;
}

static int finish(const struct log *log)
{
    if (log->count > 0)
        return -1;
    fprintf(stderr, log->wanted.cluster > 0 ? "This log does not mention that job!\n" : "This log does not mention any jobs!\n");
    return CLI_FAILURE;
}

static void pause_until(int64_t end_us)
{
    int64_t left_us = end_us == INT64_MAX ? INT64_MAX : end_us - clock_boot_us();
    int64_t us = left_us < PAUSE_MS * 1000 ? left_us : PAUSE_MS * 1000;
    struct timespec pause = { .tv_nsec = us > 0 ? us * 1000 : 0 };
    fflush(stdout);
    nanosleep(&pause, NULL);
}

static int follow(struct log *log, int64_t number, int64_t end_us, struct error *err)
{
    for (;;) {
        int more = read_more(log, err);
        if (more < 0)
            return -1;
        if (take_events(log, number)) {
            printf("Specified number of jobs (%" PRId64 ") done.\n", number);
            return CLI_OK;
        }
        if (more > 0)
            continue;
        if (finish(log) >= 0)
            return CLI_FAILURE;
        if (log->open == 0) {
            printf("All jobs done.\n");
            return number > 0 ? CLI_FAILURE : CLI_OK;
        }
        if (clock_boot_us() >= end_us) {
            printf("Time expired.\n");
            return CLI_FAILURE;
        }
        pause_until(end_us);
    }
}

/* "7", "7.0" or "7.0.0" */
static int read_job(const char *text, struct job_id *id, struct error *err)
{
    auto_free char *copy = mem_dup(text);
    char *dot = strchr(copy, '.');
    char *second = dot ? strchr(dot + 1, '.') : NULL;
    if (second)
        *second = '\0';
    if (!job_id_parse(copy, id))
        return cli_usage_error(err, "Couldn't understand job number: %s", text);
    return 0;
}

int condor_wait(const struct condor_call *call, struct error *err)
{
    struct log log = { .call = call, .name = condor_value(call, "log"), .fd = -1, .text.max = 4 * EVENTLOG_EVENT_MAX };
    int64_t seconds, number;
    size_t next = 0;
    int r = condor_number(call, "wait", -1, &seconds, err);
    if (r == 0)
        r = condor_number(call, "num", 0, &number, err);
    if (r < 0)
        return r;
    if (condor_given(call, "num") && number < 1)
        return cli_usage_error(err, "-num must be greater than zero");
    if (!log.name && call->operand_count > 0)
        log.name = call->operands[next++];
    if (!log.name || call->operand_count > next + 1)
        return cli_usage_error(err, log.name ? "extra argument: %s" : "needs a log file", call->operands[call->operand_count ? call->operand_count - 1 : 0]);
    if (call->operand_count > next && (r = read_job(call->operands[next], &log.wanted, err)) < 0)
        return r;
    log.fd = open(log.name, O_RDONLY | O_CLOEXEC);
    if (log.fd < 0)
        return error_set(err, ERR_SYSTEM, "Couldn't open %s: %s", log.name, strerror(errno));
    int64_t end_us = seconds < 0 || seconds > 1000000000 ? INT64_MAX : clock_boot_us() + seconds * CLOCK_SECOND_US;
    r = follow(&log, number, end_us, err);
    buf_release(&log.text);
    free(log.jobs);
    close(log.fd);
    return r;
}
