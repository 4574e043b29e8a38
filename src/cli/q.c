/* The queue and the history at a glance. */
#include "cli/q.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/table.h"
#include "job/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void add_work(struct buf *out, const struct ad *job, const char *attribute)
{
    int64_t us = ad_int(job, attribute, 0);
    if (us > 0)
        words_duration(out, us);
    else
        buf_char(out, '-');
}

/* "3 (2m10s)": how many checkpoints, and the last one's age. */
static void add_checkpoints(struct buf *out, const struct ad *job, const struct screen *screen)
{
    int64_t count = ad_int(job, "NumCkpts", 0);
    if (count <= 0) {
        buf_char(out, '-');
        return;
    }
    buf_printf(out, "%" PRId64 " (", count);
    words_age(out, words_last_checkpoint(job), screen);
    buf_char(out, ')');
}

/* "running 42%" when the program says how far it is. */
static void add_state(struct buf *out, const struct ad *job)
{
    words_state(out, job);
    if (ad_has(job, "Progress") && strcmp(ad_string(job, "JobState", ""), "running") == 0) {
        buf_char(out, ' ');
        words_percent(out, ad_real(job, "Progress", 0));
    }
}

static void add_common(struct table *table, const struct ad *job)
{
    words_id(table_cell(table), job);
    words_safe(table_cell(table), ad_string(job, "Owner", "?"));
    words_short_time(table_cell(table), ad_int(job, "QDate", 0) * CLOCK_SECOND_US);
    words_duration(table_cell(table), ad_int(job, "OccupiedUs", ad_int(job, "RemoteWallClockTime", 0) * CLOCK_SECOND_US));
}

/* ---- jobs ---- */

struct totals {
    int64_t jobs;
    int64_t by_state[JOB_STATE_COUNT];
    int64_t saved_us, lost_us;
};

static void count_job(struct totals *totals, const struct ad *job)
{
    enum job_state state;
    totals->jobs++;
    if (job_state_from_name(ad_string(job, "JobState", ""), &state))
        totals->by_state[state]++;
    totals->saved_us += ad_int(job, "GoodputUs", 0);
    totals->lost_us += ad_int(job, "LostUs", 0);
}

static void print_totals(const struct totals *totals, struct buf *out)
{
    const char *before = ": ";
    words_count(out, totals->jobs, "job");
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        if (totals->by_state[state] == 0)
            continue;
        buf_printf(out, "%s%" PRId64 " %s", before, totals->by_state[state], job_state_name((enum job_state)state));
        before = ", ";
    }
    buf_text(out, "; ");
    words_duration(out, totals->saved_us);
    buf_text(out, " saved, ");
    words_duration(out, totals->lost_us);
    buf_text(out, " lost\n");
}

void q_print_jobs(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct table_column columns[] = {
        { "ID", TABLE_RIGHT },       { "OWNER", TABLE_LEFT },  { "SUBMITTED", TABLE_LEFT }, { "RUN", TABLE_RIGHT },
        { "STATE", TABLE_CUT },      { "CKPT(AGE)", TABLE_LEFT }, { "SAVED", TABLE_RIGHT },  { "LOST", TABLE_RIGHT },
        { "CMD", TABLE_CUT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    struct totals totals = { 0 };
    size_t count = ad_list_count(answer, "Jobs");
    for (size_t i = 0; i < count; i++) {
        const struct ad *job = ad_list_ad(answer, "Jobs", i);
        if (!job)
            continue;
        count_job(&totals, job);
        add_common(table, job);
        add_state(table_cell(table), job);
        add_checkpoints(table_cell(table), job, screen);
        add_work(table_cell(table), job, "GoodputUs");
        add_work(table_cell(table), job, "LostUs");
        words_command(table_cell(table), job);
        table_end_row(table);
    }
    table_print(table, screen->width, out);
    print_totals(&totals, out);
}

void history_print_jobs(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct table_column columns[] = {
        { "ID", TABLE_RIGHT },     { "OWNER", TABLE_LEFT },  { "SUBMITTED", TABLE_LEFT }, { "RUN", TABLE_RIGHT },
        { "ENDED", TABLE_LEFT },   { "STATE", TABLE_CUT },   { "CKPTS", TABLE_RIGHT },    { "SAVED", TABLE_RIGHT },
        { "LOST", TABLE_RIGHT },   { "CMD", TABLE_CUT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    size_t count = ad_list_count(answer, "Jobs");
    for (size_t i = 0; i < count; i++) {
        const struct ad *job = ad_list_ad(answer, "Jobs", i);
        if (!job)
            continue;
        int64_t ended = ad_int(job, "CompletionDate", 0);
        add_common(table, job);
        words_short_time(table_cell(table), (ended > 0 ? ended : ad_int(job, "EnteredCurrentStatus", 0)) * CLOCK_SECOND_US);
        words_state(table_cell(table), job);
        buf_printf(table_cell(table), "%" PRId64, ad_int(job, "NumCkpts", 0));
        add_work(table_cell(table), job, "GoodputUs");
        add_work(table_cell(table), job, "LostUs");
        words_command(table_cell(table), job);
        table_end_row(table);
    }
    if (table_rows(table) == 0)
        buf_text(out, "no past jobs\n");
    table_print(table, screen->width, out);
}

/* ---- batches ---- */

struct batch {
    const struct ad *first;
    int64_t cluster;
    int64_t total; /* of the cluster at submission, 0 = not known */
    struct totals totals;
};

static bool same_batch(const struct batch *batch, const struct ad *job)
{
    const char *name = ad_string(batch->first, "JobBatchName", "");
    if (!*name)
        return batch->cluster == ad_int(job, "ClusterId", 0);
    return strcmp(name, ad_string(job, "JobBatchName", "")) == 0 &&
           strcmp(ad_string(batch->first, "Owner", ""), ad_string(job, "Owner", "")) == 0;
}

/* Jobs come by cluster, so the last batch is nearly always the one: a search among all is for names that span clusters. */
static struct batch *find_batch(struct batch **batches, size_t *count, size_t *capacity, const struct ad *job)
{
    for (size_t i = *count; i > 0; i--)
        if (same_batch(&(*batches)[i - 1], job))
            return &(*batches)[i - 1];
    *batches = mem_grow(*batches, capacity, *count + 1, sizeof **batches);
    struct batch *batch = &(*batches)[(*count)++];
    *batch = (struct batch){ .first = job };
    return batch;
}

static void add_to_batch(struct batch *batch, const struct ad *job)
{
    int64_t cluster = ad_int(job, "ClusterId", 0);
    if (cluster != batch->cluster)
        batch->total += ad_int(job, "TotalSubmitProcs", 0);
    batch->cluster = cluster;
    count_job(&batch->totals, job);
}

static void add_batch_row(struct table *table, const struct batch *batch)
{
    const int64_t *by = batch->totals.by_state;
    int64_t idle = by[JOB_IDLE], held = by[JOB_HELD];
    const char *name = ad_string(batch->first, "JobBatchName", "");
    if (*name)
        words_safe(table_cell(table), name);
    else
        buf_printf(table_cell(table), "ID: %" PRId64, ad_int(batch->first, "ClusterId", 0));
    words_safe(table_cell(table), ad_string(batch->first, "Owner", "?"));
    words_short_time(table_cell(table), ad_int(batch->first, "QDate", 0) * CLOCK_SECOND_US);
    if (batch->total >= batch->totals.jobs)
        buf_printf(table_cell(table), "%" PRId64, batch->total - batch->totals.jobs);
    else
        buf_char(table_cell(table), '-');
    buf_printf(table_cell(table), "%" PRId64, batch->totals.jobs - idle - held);
    buf_printf(table_cell(table), "%" PRId64, idle);
    buf_printf(table_cell(table), "%" PRId64, held);
    buf_printf(table_cell(table), "%" PRId64, batch->total >= batch->totals.jobs ? batch->total : batch->totals.jobs);
    words_duration(table_cell(table), batch->totals.saved_us);
    words_duration(table_cell(table), batch->totals.lost_us);
    words_command(table_cell(table), batch->first);
    table_end_row(table);
}

void q_print_batches(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct table_column columns[] = {
        { "BATCH", TABLE_CUT },  { "OWNER", TABLE_LEFT }, { "SUBMITTED", TABLE_LEFT }, { "DONE", TABLE_RIGHT },
        { "RUN", TABLE_RIGHT },  { "IDLE", TABLE_RIGHT }, { "HELD", TABLE_RIGHT },     { "TOTAL", TABLE_RIGHT },
        { "SAVED", TABLE_RIGHT }, { "LOST", TABLE_RIGHT }, { "CMD", TABLE_CUT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    auto_free struct batch *batches = NULL;
    size_t count = 0, capacity = 0, jobs = ad_list_count(answer, "Jobs");
    struct totals totals = { 0 };
    for (size_t i = 0; i < jobs; i++) {
        const struct ad *job = ad_list_ad(answer, "Jobs", i);
        if (!job)
            continue;
        add_to_batch(find_batch(&batches, &count, &capacity, job), job);
        count_job(&totals, job);
    }
    for (size_t i = 0; i < count; i++)
        add_batch_row(table, &batches[i]);
    table_print(table, screen->width, out);
    print_totals(&totals, out);
}

/* ---- attributes ---- */

static void add_attribute(struct buf *out, const struct ad *job, const char *name)
{
    const char *text = ad_string(job, name, NULL);
    auto_buf struct buf value = { 0 };
    if (text)
        buf_text(&value, text);
    else if (!ad_print_expr(job, name, &value))
        buf_text(&value, "undefined");
    words_safe(out, buf_cstr(&value));
}

void q_print_attributes(const struct ad *answer, const char *names, struct buf *out)
{
    size_t count = ad_list_count(answer, "Jobs");
    for (size_t i = 0; i < count; i++) {
        const struct ad *job = ad_list_ad(answer, "Jobs", i);
        auto_free char *copy = mem_dup(names);
        char *rest = copy;
        const char *before = "";
        for (char *name; job && (name = strsep(&rest, ", "));) {
            if (!*name)
                continue;
            buf_text(out, before);
            add_attribute(out, job, name);
            before = " ";
        }
        buf_char(out, '\n');
    }
}

/* ---- commands ---- */

static int show_jobs(const struct cli_call *call, struct api *api, const char *target, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *jobs = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    if (api_get(api, target, &answer, err) < 0)
        return -1;
    if (cli_given(call, "watch") && screen.width > 0)
        buf_text(&text, "\033[H\033[J");
    if (cli_given(call, "json")) {
        words_print(&text);
        api_print_json(&answer);
        return 0;
    }
    if (api_ad(&answer, &jobs, err) < 0)
        return -1;
    if (cli_given(call, "af"))
        q_print_attributes(jobs, cli_value(call, "af"), &text);
    else if (call->command->run == run_history)
        history_print_jobs(jobs, &screen, &text);
    else if (cli_given(call, "batch"))
        q_print_batches(jobs, &screen, &text);
    else
        q_print_jobs(jobs, &screen, &text);
    words_print(&text);
    return 0;
}

static int build_target(const struct cli_call *call, const struct api *api, struct buf *target, struct error *err)
{
    int r = select_query(call, api, target, err);
    if (r < 0)
        return r;
    if (cli_given(call, "af"))
        return select_attributes(cli_value(call, "af"), target, err);
    if (!cli_given(call, "json"))
        http_add_query(target, "attributes", Q_ATTRIBUTES);
    return 0;
}

int run_q(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_buf struct buf target = { 0 };
    int64_t every_us;
    int r = cli_duration(call, "watch", 2 * CLOCK_SECOND_US, &every_us, err);
    if (r == 0)
        r = select_check_ids(call, err);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    buf_text(&target, "/v1/jobs");
    r = build_target(call, api, &target, err);
    if (r < 0)
        return r;
    do {
        if (show_jobs(call, api, buf_cstr(&target), err) < 0)
            return -1;
        if (!cli_given(call, "watch"))
            return CLI_OK;
        fflush(stdout);
        every_us = every_us < 100000 ? 100000 : every_us;
        struct timespec pause = { .tv_sec = every_us / CLOCK_SECOND_US, .tv_nsec = every_us % CLOCK_SECOND_US * 1000 };
        nanosleep(&pause, NULL);
    } while (!ferror(stdout));
    return CLI_FAILURE;
}

int run_history(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_buf struct buf target = { 0 };
    int64_t limit;
    int r = cli_number(call, "limit", 100, &limit, err);
    if (r == 0)
        r = select_check_ids(call, err);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    buf_text(&target, "/v1/jobs?history=1");
    if (limit > 0)
        buf_printf(&target, "&limit=%" PRId64, limit);
    r = build_target(call, api, &target, err);
    if (r < 0)
        return r;
    return show_jobs(call, api, buf_cstr(&target), err) < 0 ? -1 : CLI_OK;
}
