/* condor_q and condor_history. */
#include "cli/condor.h"

#include "base/clock.h"
#include "base/identity.h"
#include "base/mem.h"
#include "cli/q_job.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

const struct condor_option condor_q_options[] = {
    { "long", 1, CONDOR_NOTHING, NULL, NULL },
    { "jsonl", 5, CONDOR_NOTHING, NULL, NULL },
    { "json", 2, CONDOR_NOTHING, NULL, NULL },
    { "limit", 3, CONDOR_VALUE, NULL, NULL },
    CONDOR_ADDRESSES,
    { "submitter", 1, CONDOR_VALUE, NULL, NULL },
    { "constraint", 1, CONDOR_VALUE, NULL, NULL },
    { "mconstraint", 2, CONDOR_VALUE, "there is one machine here", NULL },
    { "machine", 2, CONDOR_VALUE, "there is one machine here", NULL },
    CONDOR_COLUMNS,
    { "aaf", 3, CONDOR_WORDS, NULL, "columns are not added to the table; -af prints them alone" },
    { "autocluster", 2, CONDOR_NOTHING, NULL, "there are no autoclusters" },
    { "factory", 4, CONDOR_NOTHING, NULL, "jobs that are still to be made are not listed" },
    { "jobset", 5, CONDOR_NOTHING, NULL, "there are no job sets" },
    { "global", 1, CONDOR_NOTHING, "", NULL },
    { "allusers", 2, CONDOR_NOTHING, NULL, NULL },
    { "all-users", 5, CONDOR_NOTHING, NULL, NULL },
    { "better-analyze", 2, CONDOR_NOTHING, NULL, NULL },
    { "analyze", 2, CONDOR_NOTHING, NULL, NULL },
    { "verbose", 4, CONDOR_NOTHING, "", NULL },
    { "run", 1, CONDOR_NOTHING, NULL, NULL },
    { "hold", 2, CONDOR_NOTHING, NULL, NULL },
    { "held", 2, CONDOR_NOTHING, NULL, NULL },
    { "idle", 3, CONDOR_NOTHING, NULL, NULL },
    { "cputime", 2, CONDOR_NOTHING, "", NULL },
    { "currentrun", 3, CONDOR_NOTHING, "", NULL },
    { "cumulative-time", 3, CONDOR_NOTHING, "", NULL },
    { "grid", 2, CONDOR_NOTHING, NULL, "there is no grid universe" },
    { "io", 2, CONDOR_NOTHING, NULL, "bytes that were moved are not listed; stint show tells them of a job" },
    { "dag", 2, CONDOR_NOTHING, "", NULL },
    { "batch", 2, CONDOR_NOTHING, NULL, NULL },
    { "nobatch", 3, CONDOR_NOTHING, NULL, NULL },
    { "totals", 3, CONDOR_NOTHING, NULL, NULL },
    { "expert", 1, CONDOR_NOTHING, "", NULL },
    { "jobads", 4, CONDOR_VALUE, NULL, "jobs are not read from files" },
    { "userlog", 1, CONDOR_VALUE, NULL, "jobs are not read from logs; condor_wait does" },
    { "nouserprios", 7, CONDOR_NOTHING, "", NULL },
    { "wide", 1, CONDOR_NOTHING, "", NULL },
    { "stream-results", 2, CONDOR_NOTHING, "", NULL },
    CONDOR_COMMON,
};

const struct condor_option condor_history_options[] = {
    { "long", 1, CONDOR_NOTHING, NULL, NULL },
    { "jsonl", 5, CONDOR_NOTHING, NULL, NULL },
    { "json", 4, CONDOR_NOTHING, NULL, NULL },
    { "backwards", 1, CONDOR_NOTHING, NULL, NULL },
    { "nobackwards", 3, CONDOR_NOTHING, NULL, NULL },
    { "forwards", 4, CONDOR_NOTHING, NULL, NULL },
    { "wide", 1, CONDOR_NOTHING, "", NULL },
    { "match", 1, CONDOR_VALUE, NULL, NULL },
    { "limit", 3, CONDOR_VALUE, NULL, NULL },
    { "scanlimit", 4, CONDOR_VALUE, NULL, NULL },
    { "file", 2, CONDOR_VALUE, NULL, "the history is the pool's; it is not read from files" },
    { "userlog", 1, CONDOR_VALUE, NULL, "jobs are not read from logs; condor_wait does" },
    { "local", 2, CONDOR_NOTHING, "", NULL },
    { "startd", 3, CONDOR_NOTHING, NULL, "there is one history, that of the jobs" },
    { "epochs", 2, CONDOR_NOTHING, NULL, "stint show tells a job's stints" },
    { "constraint", 1, CONDOR_VALUE, NULL, NULL },
    { "since", 4, CONDOR_VALUE, NULL, NULL },
    { "completedsince", 3, CONDOR_VALUE, NULL, NULL },
    CONDOR_ADDRESSES,
    CONDOR_COLUMNS,
    CONDOR_COMMON,
};

/* ---- what is asked ---- */

static bool is_history(const struct condor_call *call)
{
    return call->options == condor_history_options;
}

static const char *state_wanted(const struct condor_call *call)
{
    if (condor_given(call, "run"))
        return "JobStatus == 2";
    if (condor_given(call, "hold") || condor_given(call, "held"))
        return "JobStatus == 5";
    return condor_given(call, "idle") ? "JobStatus == 1" : "";
}

static bool names_jobs(const struct condor_call *call)
{
    return call->operand_count > 0 || condor_given(call, "submitter") || condor_given(call, "allusers") || condor_given(call, "all-users");
}

static int add_owner(const struct condor_call *call, const struct api *api, struct buf *target, struct error *err)
{
    const char *submitter = condor_value(call, "submitter");
    struct identity me;
    if (submitter) { /* "eva@here" is eva */
        auto_free char *name = mem_dup_n(submitter, strcspn(submitter, "@"));
        http_add_query(target, "owner", name);
        return 0;
    }
    if (is_history(call) || names_jobs(call) || !api_machine_wide(api) || geteuid() == 0)
        return 0;
    if (identity_of(geteuid(), &me, err) < 0)
        return -1;
    http_add_query(target, "owner", me.name);
    return 0;
}

/* Only IDs and nothing else that chooses: the queue finds those by their keys. */
static bool add_ids(const struct condor_call *call, struct buf *target)
{
    struct job_id id;
    bool all = call->operand_count > 0 && call->operand_count <= 200 && !condor_given(call, "constraint");
    for (size_t i = 0; i < call->operand_count && all; i++)
        all = job_id_parse(call->operands[i], &id);
    for (size_t i = 0; i < call->operand_count && all; i++)
        http_add_query(target, "id", call->operands[i]);
    return all;
}

static int add_choice(const struct condor_call *call, struct buf *target, struct error *err)
{
    auto_buf struct buf constraint = { 0 };
    int64_t limit, match;
    const char *state = is_history(call) ? "" : state_wanted(call);
    int r = condor_number(call, "limit", 0, &limit, err);
    if (r == 0)
        r = condor_number(call, "match", limit, &match, err);
    if (r == 0 && (*state || !add_ids(call, target)))
        r = condor_constraint(call, state, &constraint, err);
    if (r < 0)
        return r;
    if (constraint.len > 0)
        http_add_query(target, "constraint", buf_cstr(&constraint));
    bool all = condor_given(call, "since") || condor_given(call, "completedsince") || condor_given(call, "forwards") ||
               condor_given(call, "nobackwards") || condor_given(call, "scanlimit");
    if (match > 0 && !all) {
        auto_free char *text = mem_printf("%" PRId64, match);
        http_add_query(target, "limit", text);
    }
    return 0;
}

/* ---- tables ---- */

static const enum q_field table_fields[] = {
    Q_CLUSTER, Q_PROC, Q_OWNER, Q_QDATE, Q_STATUS, Q_STATE, Q_OCCUPIED, Q_PRIO, Q_MEMORY, Q_SIZE, Q_CMD, Q_ARGUMENTS, Q_ARGS, Q_BATCH,
    Q_TOTAL, Q_HOLD_REASON, Q_HOLD_CODE, Q_HOLD_SUBCODE, Q_ENTERED, Q_COMPLETION, Q_HOST, Q_DOCKER, Q_CONTAINER, Q_FIELDS,
};

/* Jobs that -batch shows in one line. */
struct batch {
    struct q_job first, last;
    int64_t by_status[8], jobs, total, cluster;
};

struct q_table {
    const struct condor_call *call;
    struct buf *out;
    int64_t by_status[8], jobs;
    struct batch *batches;
    size_t count, capacity;
};

static int64_t status_of(const struct q_job *job)
{
    int64_t status = q_int(job, Q_STATUS, 0);
    return status > 0 && status < 8 ? status : 0;
}

/* HTCondor's letter for a JobStatus. */
static char letter_of(int64_t status)
{
    return "?IRXCH>S"[status];
}

static void add_start(struct buf *out, const struct q_job *job)
{
    auto_buf struct buf owner = { 0 };
    q_add_text(&owner, job, Q_OWNER);
    buf_printf(out, "%4" PRId64 ".%-3" PRId64 " %-14s ", q_int(job, Q_CLUSTER, 0), q_int(job, Q_PROC, 0), buf_cstr(&owner));
}

static void add_run_time(struct buf *out, const struct q_job *job)
{
    auto_buf struct buf time = { 0 };
    condor_add_time(&time, q_int(job, Q_OCCUPIED, 0));
    buf_printf(out, " %12s ", buf_cstr(&time));
}

/* ID OWNER SUBMITTED RUN_TIME ST PRI SIZE CMD */
static void add_job_row(void *data, const struct q_job *job)
{
    struct q_table *t = data;
    int64_t status = status_of(job);
    t->by_status[status]++;
    t->jobs++;
    if (condor_given(t->call, "totals"))
        return;
    add_start(t->out, job);
    condor_add_date(t->out, q_int(job, Q_QDATE, 0));
    add_run_time(t->out, job);
    double megabytes = (double)q_int(job, Q_MEMORY, q_int(job, Q_SIZE, 0) / 1024);
    buf_printf(t->out, "%c  %-3" PRId64 " %4.1f ", letter_of(status), q_int(job, Q_PRIO, 0), megabytes);
    q_add_command(t->out, job);
    buf_char(t->out, '\n');
}

/* ID OWNER SUBMITTED RUN_TIME HOST(S) */
static void add_run_row(void *data, const struct q_job *job)
{
    struct q_table *t = data;
    char host[256] = "?";
    t->by_status[status_of(job)]++;
    t->jobs++;
    gethostname(host, sizeof host - 1);
    add_start(t->out, job);
    condor_add_date(t->out, q_int(job, Q_QDATE, 0));
    add_run_time(t->out, job);
    if (!q_add_text(t->out, job, Q_HOST))
        buf_text(t->out, host);
    buf_char(t->out, '\n');
}

/* ID OWNER HELD_SINCE HOLD_REASON */
static void add_hold_row(void *data, const struct q_job *job)
{
    struct q_table *t = data;
    t->by_status[status_of(job)]++;
    t->jobs++;
    add_start(t->out, job);
    condor_add_date(t->out, q_int(job, Q_ENTERED, 0));
    buf_printf(t->out, " %3" PRId64 "/%-4" PRId64 " ", q_int(job, Q_HOLD_CODE, 0), q_int(job, Q_HOLD_SUBCODE, 0));
    q_add_text(t->out, job, Q_HOLD_REASON);
    buf_char(t->out, '\n');
}

/* ID OWNER SUBMITTED RUN_TIME ST COMPLETED CMD */
static void add_past_row(void *data, const struct q_job *job)
{
    struct q_table *t = data;
    add_start(t->out, job);
    condor_add_date(t->out, q_int(job, Q_QDATE, 0));
    add_run_time(t->out, job);
    buf_printf(t->out, "%c  ", letter_of(status_of(job)));
    condor_add_date(t->out, q_int(job, Q_COMPLETION, 0));
    buf_char(t->out, ' ');
    q_add_command(t->out, job);
    buf_char(t->out, '\n');
}

static bool same_text(struct json_slice a, struct json_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.text, b.text, a.len) == 0);
}

static void add_to_batch(void *data, const struct q_job *job)
{
    struct q_table *t = data;
    int64_t cluster = q_int(job, Q_CLUSTER, 0);
    struct batch *batch = NULL;
    bool named = job->fields[Q_BATCH].len > 2; /* without a name a batch is a cluster, whose jobs come one behind the other */
    for (size_t i = t->count; i > 0 && !batch && (named || i == t->count); i--) {
        struct batch *b = &t->batches[i - 1];
        if (same_text(b->first.fields[Q_BATCH], job->fields[Q_BATCH]) && same_text(b->first.fields[Q_OWNER], job->fields[Q_OWNER]) &&
            (named || b->cluster == cluster))
            batch = b;
    }
    if (!batch) {
        t->batches = mem_grow(t->batches, &t->capacity, t->count + 1, sizeof *t->batches);
        batch = &t->batches[t->count++];
        *batch = (struct batch){ .first = *job };
    }
    if (batch->cluster != cluster)
        batch->total += q_int(job, Q_TOTAL, 0);
    batch->cluster = cluster;
    batch->last = *job;
    batch->jobs++;
    batch->by_status[status_of(job)]++;
    t->jobs++;
    t->by_status[status_of(job)]++;
}

static void add_count(struct buf *out, int64_t n)
{
    if (n > 0)
        buf_printf(out, " %6" PRId64, n);
    else
        buf_text(out, "      _");
}

/* OWNER BATCH_NAME SUBMITTED DONE RUN IDLE [HOLD] TOTAL JOB_IDS */
static void add_batch_row(const struct q_table *t, const struct batch *b, bool holds)
{
    auto_buf struct buf owner = { 0 }, name = { 0 };
    q_add_text(&owner, &b->first, Q_OWNER);
    if (b->first.fields[Q_BATCH].len > 2)
        q_add_text(&name, &b->first, Q_BATCH);
    else
        buf_printf(&name, "ID: %" PRId64, q_int(&b->first, Q_CLUSTER, 0));
    int64_t total = b->total > b->jobs ? b->total : b->jobs;
    buf_printf(t->out, "%-8s %-14s ", buf_cstr(&owner), buf_cstr(&name));
    condor_add_date(t->out, q_int(&b->first, Q_QDATE, 0));
    add_count(t->out, total - b->jobs);
    add_count(t->out, b->by_status[2] + b->by_status[6] + b->by_status[7]);
    add_count(t->out, b->by_status[1]);
    if (holds)
        add_count(t->out, b->by_status[5]);
    buf_printf(t->out, " %6" PRId64 " ", total);
    q_add_id(t->out, &b->first);
    bool one_cluster = q_int(&b->first, Q_CLUSTER, 0) == q_int(&b->last, Q_CLUSTER, 0);
    if (b->jobs > 1 && one_cluster)
        buf_printf(t->out, "-%" PRId64, q_int(&b->last, Q_PROC, 0));
    else if (b->jobs > 1) {
        buf_text(t->out, " ... ");
        q_add_id(t->out, &b->last);
    }
    buf_char(t->out, '\n');
}

static void add_totals_line(const struct q_table *t, const char *of, struct buf *out)
{
    buf_printf(out, "Total for %s: %" PRId64 " jobs; %" PRId64 " completed, %" PRId64 " removed, %" PRId64 " idle, %" PRId64
                    " running, %" PRId64 " held, %" PRId64 " suspended\n",
               of, t->jobs, t->by_status[4], t->by_status[3], t->by_status[1], t->by_status[2] + t->by_status[6], t->by_status[5],
               t->by_status[7]);
}

static void add_head(const struct condor_call *call, struct buf *out)
{
    char host[256] = "localhost", when[64] = "";
    time_t now = clock_wall_us() / CLOCK_SECOND_US;
    struct tm tm;
    gethostname(host, sizeof host - 1);
    if (localtime_r(&now, &tm))
        strftime(when, sizeof when, "%m/%d/%y %H:%M:%S", &tm);
    buf_printf(out, "\n\n-- Schedd: %s : <127.0.0.1:0?... @ %s\n", host, when);
    (void)call;
}

static int print_tables(const struct condor_call *call, struct json_slice answer, struct buf *out, struct error *err)
{
    struct q_table t = { .call = call, .out = out };
    bool run = condor_given(call, "run"), hold = condor_given(call, "hold") || condor_given(call, "held");
    bool batch = !run && !hold && !condor_given(call, "nobatch") && !condor_given(call, "totals") && !condor_given(call, "idle");
    void (*add)(void *data, const struct q_job *job) = run ? add_run_row : hold ? add_hold_row : batch ? add_to_batch : add_job_row;
    add_head(call, out);
    if (run)
        buf_text(out, " ID      OWNER            SUBMITTED     RUN_TIME HOST(S)\n");
    else if (hold)
        buf_text(out, " ID      OWNER          HELD_SINCE  CODE/SUB HOLD_REASON\n");
    else if (!batch && !condor_given(call, "totals"))
        buf_text(out, " ID      OWNER            SUBMITTED     RUN_TIME ST PRI SIZE CMD\n");
    int r = q_each(answer, add, &t, err);
    bool holds = t.by_status[5] > 0 || t.jobs == 0;
    if (batch)
        buf_printf(out, "OWNER    BATCH_NAME      SUBMITTED    DONE    RUN   IDLE%s  TOTAL JOB_IDS\n", holds ? "   HOLD" : "");
    for (size_t i = 0; i < t.count; i++)
        add_batch_row(&t, &t.batches[i], holds);
    free(t.batches);
    if (!run) {
        buf_char(out, '\n');
        add_totals_line(&t, "query", out);
        add_totals_line(&t, "all users", out);
        buf_char(out, '\n');
    }
    return r;
}

/* ---- the history's order and end ---- */

struct past {
    struct json_slice *jobs;
    size_t count, capacity;
};

static void keep(void *data, const struct q_job *job)
{
    struct past *past = data;
    past->jobs = mem_grow(past->jobs, &past->capacity, past->count + 1, sizeof *past->jobs);
    past->jobs[past->count++] = job->whole;
}

/* -since takes a job, at which it ends, or an expression. */
static int read_end(const struct condor_call *call, struct ad_expr **end, struct error *err)
{
    const char *since = condor_value(call, "since"), *completed = condor_value(call, "completedsince");
    auto_buf struct buf text = { 0 };
    struct job_id id;
    struct error why;
    if (since && job_id_parse(since, &id)) {
        buf_printf(&text, "ClusterId == %d", id.cluster);
        if (id.proc != JOB_ALL_PROCS)
            buf_printf(&text, " && ProcId == %d", id.proc);
    } else if (since)
        buf_text(&text, since);
    if (completed)
        buf_printf(&text, "%sCompletionDate <= (%s)", text.len > 0 ? " || " : "", completed);
    if (text.len > 0 && ad_expr_parse(buf_cstr(&text), end, &why) < 0)
        return cli_usage_error(err, "'%s' is no expression: %s", since ? since : completed, why.text);
    return 0;
}

/* Newest first; what comes behind the end is left out. */
static void cut(struct past *past, const struct ad_expr *end)
{
    for (size_t i = 0; end && i < past->count; i++) {
        auto_ad struct ad *ad = NULL;
        if (ad_parse_json(past->jobs[i].text, past->jobs[i].len, &ad, NULL) < 0)
            continue;
        struct ad_scope scope = { .my = ad, .now = clock_wall_us() / CLOCK_SECOND_US };
        if (ad_expr_true(end, &scope)) {
            past->count = i;
            return;
        }
    }
}

static int arrange(const struct condor_call *call, struct json_slice answer, struct buf *out, struct error *err)
{
    struct past past = { 0 };
    struct ad_expr *end = NULL;
    int64_t limit, scan;
    int r = condor_number(call, "limit", 0, &limit, err);
    if (r == 0)
        r = condor_number(call, "match", limit, &limit, err);
    if (r == 0)
        r = condor_number(call, "scanlimit", 0, &scan, err);
    if (r == 0)
        r = read_end(call, &end, err);
    if (r == 0)
        r = q_each(answer, keep, &past, err);
    cut(&past, end);
    past.count = scan > 0 && (size_t)scan < past.count ? (size_t)scan : past.count;
    bool forwards = condor_given(call, "forwards") || condor_given(call, "nobackwards");
    size_t show = limit > 0 && (size_t)limit < past.count ? (size_t)limit : past.count;
    buf_text(out, "{\"Jobs\":[");
    for (size_t i = 0; i < show; i++) {
        const struct json_slice *job = &past.jobs[forwards ? past.count - 1 - i : i];
        buf_text(out, i > 0 ? "," : "");
        buf_add(out, job->text, job->len);
    }
    buf_text(out, "]}");
    free(past.jobs);
    ad_expr_free(end);
    return r;
}

/* ---- commands ---- */

static int analyze(const struct condor_call *call, struct error *err)
{
    const struct cli_command *command = cli_find("explain-requirements");
    auto_cli_call struct cli_call parsed = { 0 };
    if (!command)
        return error_set(err, ERR_INVALID, "why jobs do not run is told by 'stint show ID'");
    if (call->operand_count == 0)
        return cli_usage_error(err, "-better-analyze needs a job's ID");
    int r = cli_parse((int)call->operand_count, (char **)(uintptr_t)call->operands, command, &parsed, err);
    return r < 0 ? r : command->run(&parsed, err);
}

static void add_fields(const struct condor_call *call, const struct columns *columns, struct buf *target)
{
    auto_buf struct buf names = { 0 };
    if (condor_is_plain(call, columns))
        condor_attributes(call, columns, &names);
    else
        for (const enum q_field *f = table_fields; *f != Q_FIELDS; f++)
            buf_printf(&names, "%s%s", f == table_fields ? "" : ",", q_name(*f));
    if (is_history(call) && names.len > 0)
        buf_text(&names, ",ClusterId,ProcId,CompletionDate");
    if (names.len > 0 && !condor_given(call, "since"))
        http_add_query(target, "attributes", buf_cstr(&names));
}

static int print_answer(const struct condor_call *call, struct columns *columns, struct json_slice answer, struct buf *out,
                        struct error *err)
{
    auto_buf struct buf arranged = { .max = SIZE_MAX / 2 };
    if (is_history(call)) {
        int r = arrange(call, answer, &arranged, err);
        if (r < 0)
            return r;
        answer = (struct json_slice){ arranged.data, arranged.len };
    }
    if (condor_is_plain(call, columns))
        return condor_print_plain(call, columns, answer, "Jobs", out, err);
    if (!is_history(call))
        return print_tables(call, answer, out, err);
    struct q_table table = { .call = call, .out = out };
    buf_text(out, " ID     OWNER          SUBMITTED   RUN_TIME     ST COMPLETED   CMD\n");
    return q_each(answer, add_past_row, &table, err);
}

static int ask(const struct condor_call *call, struct columns *columns, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_buf struct buf target = { 0 }, out = { .max = SIZE_MAX / 2 };
    buf_text(&target, is_history(call) ? "/v1/jobs?history=1" : "/v1/jobs");
    int r = add_choice(call, &target, err);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0 || add_owner(call, api, &target, err) < 0)
        return r < 0 ? r : -1;
    add_fields(call, columns, &target);
    if (api_get(api, buf_cstr(&target), &answer, err) < 0)
        return -1;
    r = print_answer(call, columns, (struct json_slice){ answer.http.body, answer.http.body_len }, &out, err);
    if (r == 0)
        words_print(&out);
    return r;
}

int condor_q(const struct condor_call *call, struct error *err)
{
    auto_columns struct columns *columns = NULL;
    if (condor_given(call, "better-analyze") || condor_given(call, "analyze"))
        return analyze(call, err);
    int r = condor_columns(call, &columns, err);
    return r < 0 ? r : ask(call, columns, err);
}

int condor_history(const struct condor_call *call, struct error *err)
{
    return condor_q(call, err);
}
