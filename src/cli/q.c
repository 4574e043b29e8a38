/* The queue and the history at a glance. */
#include "cli/q.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/listing.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/table.h"
#include "job/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void add_work(struct buf *out, const struct q_job *job, enum q_field field)
{
    int64_t us = q_int(job, field, 0);
    if (us > 0)
        words_duration(out, us);
    else
        buf_char(out, '-');
}

/* "3 (2m10s)": how many checkpoints, and the last one's age. */
static void add_checkpoints(struct buf *out, const struct q_job *job, const struct screen *screen)
{
    int64_t count = q_int(job, Q_CKPTS, 0);
    if (count <= 0) {
        buf_char(out, '-');
        return;
    }
    buf_printf(out, "%" PRId64 " (", count);
    words_age(out, q_last_checkpoint_us(job), screen);
    buf_char(out, ')');
}

/* "running 42%" when the program says how far it is. */
static void add_state(struct buf *out, const struct q_job *job)
{
    q_add_state(out, job);
    if (q_has(job, Q_PROGRESS) && q_is(job, Q_STATE, "running")) {
        buf_char(out, ' ');
        words_percent(out, json_real(job->fields[Q_PROGRESS], 0));
    }
}

static void add_owner(struct buf *out, const struct q_job *job)
{
    if (!q_add_text(out, job, Q_OWNER))
        buf_char(out, '?');
}

/* The times of the jobs of a cluster are mostly the same, and to say one takes long. */
static void add_submitted(struct buf *out, const struct q_job *job)
{
    static _Thread_local int64_t last = -1;
    static _Thread_local char said[32];
    int64_t date = q_int(job, Q_QDATE, 0);
    if (date != last) {
        auto_buf struct buf text = { 0 };
        words_short_time(&text, date * CLOCK_SECOND_US);
        snprintf(said, sizeof said, "%s", buf_cstr(&text));
        last = date;
    }
    buf_text(out, said);
}

static void add_common(struct table *table, const struct q_job *job)
{
    q_add_id(table_cell(table), job);
    add_owner(table_cell(table), job);
    add_submitted(table_cell(table), job);
    words_duration(table_cell(table), q_int(job, Q_OCCUPIED, 0));
}

/* ---- jobs ---- */

struct totals {
    int64_t jobs;
    int64_t by_state[JOB_STATE_COUNT];
    int64_t saved_us, lost_us;
};

static void count_job(struct totals *totals, const struct q_job *job)
{
    totals->jobs++;
    for (int state = 0; state < JOB_STATE_COUNT; state++)
        totals->by_state[state] += q_is(job, Q_STATE, job_state_name((enum job_state)state));
    totals->saved_us += q_int(job, Q_GOODPUT, 0);
    totals->lost_us += q_int(job, Q_LOST, 0);
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

struct printing {
    struct table *table;
    struct ad *to_come; /* the answer's list of clusters whose jobs are not all in the queue yet */
    const struct screen *screen;
    struct totals totals;
    struct batch *batches;
    size_t count, capacity;
};

static void add_job_row(void *data, const struct q_job *job)
{
    struct printing *p = data;
    count_job(&p->totals, job);
    add_common(p->table, job);
    add_state(table_cell(p->table), job);
    add_checkpoints(table_cell(p->table), job, p->screen);
    add_work(table_cell(p->table), job, Q_GOODPUT);
    add_work(table_cell(p->table), job, Q_LOST);
    q_add_command(table_cell(p->table), job);
    table_end_row(p->table);
}

static void add_past_row(void *data, const struct q_job *job)
{
    struct printing *p = data;
    int64_t ended = q_int(job, Q_COMPLETION, 0);
    add_common(p->table, job);
    words_short_time(table_cell(p->table), (ended > 0 ? ended : q_int(job, Q_ENTERED, 0)) * CLOCK_SECOND_US);
    q_add_state(table_cell(p->table), job);
    buf_printf(table_cell(p->table), "%" PRId64, q_int(job, Q_CKPTS, 0));
    add_work(table_cell(p->table), job, Q_GOODPUT);
    add_work(table_cell(p->table), job, Q_LOST);
    q_add_command(table_cell(p->table), job);
    table_end_row(p->table);
}

/* ---- batches ---- */

struct batch {
    struct q_job first;
    int64_t cluster;
    int64_t total; /* of the cluster at submission, 0 = not known */
    int64_t to_come; /* of these, the ones that are not in the queue yet */
    struct totals totals;
};

static bool same_text(struct json_slice a, struct json_slice b)
{
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

static bool same_batch(const struct batch *batch, const struct q_job *job)
{
    const struct json_slice *a = batch->first.fields, *b = job->fields;
    if (a[Q_BATCH].len <= 2)
        return b[Q_BATCH].len <= 2 && batch->cluster == q_int(job, Q_CLUSTER, 0);
    return same_text(a[Q_BATCH], b[Q_BATCH]) && same_text(a[Q_OWNER], b[Q_OWNER]);
}

/* Jobs come by cluster, so the last batch is nearly always the one: a search among all is for names that span clusters. */
static struct batch *find_batch(struct printing *p, const struct q_job *job)
{
    bool named = job->fields[Q_BATCH].len > 2;
    for (size_t i = p->count; i > 0 && (named || i == p->count); i--)
        if (same_batch(&p->batches[i - 1], job))
            return &p->batches[i - 1];
    p->batches = mem_grow(p->batches, &p->capacity, p->count + 1, sizeof *p->batches);
    struct batch *batch = &p->batches[p->count++];
    *batch = (struct batch){ .first = *job };
    return batch;
}

static int64_t count_to_come(const struct ad *list, int64_t cluster)
{
    for (size_t i = 0; i < ad_list_count(list, "Factories"); i++)
        if (ad_int(ad_list_ad(list, "Factories", i), "ClusterId", 0) == cluster)
            return ad_int(ad_list_ad(list, "Factories", i), "ToCome", 0);
    return 0;
}

static void add_to_batch(void *data, const struct q_job *job)
{
    struct printing *p = data;
    struct batch *batch = find_batch(p, job);
    int64_t cluster = q_int(job, Q_CLUSTER, 0);
    if (cluster != batch->cluster) {
        batch->total += q_int(job, Q_TOTAL, 0);
        batch->to_come += count_to_come(p->to_come, cluster);
    }
    batch->cluster = cluster;
    count_job(&batch->totals, job);
    count_job(&p->totals, job);
}

static void add_batch_row(struct table *table, const struct batch *batch)
{
    const int64_t *by = batch->totals.by_state;
    int64_t idle = by[JOB_IDLE], held = by[JOB_HELD], over = by[JOB_COMPLETED] + by[JOB_REMOVED];
    if (batch->first.fields[Q_BATCH].len > 2)
        q_add_text(table_cell(table), &batch->first, Q_BATCH);
    else
        buf_printf(table_cell(table), "ID: %" PRId64, q_int(&batch->first, Q_CLUSTER, 0));
    add_owner(table_cell(table), &batch->first);
    add_submitted(table_cell(table), &batch->first);
    if (batch->total >= batch->totals.jobs)
        buf_printf(table_cell(table), "%" PRId64, batch->total - batch->totals.jobs - batch->to_come + over);
    else
        buf_char(table_cell(table), '-');
    buf_printf(table_cell(table), "%" PRId64, batch->totals.jobs - idle - held - over);
    buf_printf(table_cell(table), "%" PRId64, idle);
    buf_printf(table_cell(table), "%" PRId64, held);
    buf_printf(table_cell(table), "%" PRId64, batch->total >= batch->totals.jobs ? batch->total : batch->totals.jobs);
    words_duration(table_cell(table), batch->totals.saved_us);
    words_duration(table_cell(table), batch->totals.lost_us);
    q_add_command(table_cell(table), &batch->first);
    table_end_row(table);
}

/* Clusters whose jobs are not all in the queue yet. */
static struct ad *read_to_come(struct json_slice answer)
{
    auto_buf struct buf text = { 0 };
    struct json_slice list = json_member(answer, "Factories");
    struct ad *ad = NULL;
    if (!list.text)
        return ad_new();
    buf_text(&text, "{\"Factories\":");
    buf_add(&text, list.text, list.len);
    buf_char(&text, '}');
    return ad_parse_json(buf_cstr(&text), text.len, &ad, NULL) == 0 ? ad : ad_new();
}

static void print_to_come(const struct ad *list, struct buf *out)
{
    for (size_t i = 0; i < ad_list_count(list, "Factories"); i++) {
        const struct ad *factory = ad_list_ad(list, "Factories", i);
        if (ad_int(factory, "ToCome", 0) == 0)
            continue;
        buf_printf(out, "cluster %" PRId64 ": ", ad_int(factory, "ClusterId", 0));
        words_count(out, ad_int(factory, "ToCome", 0), "job");
        buf_text(out, " still to come");
        if (ad_int(factory, "JobMaterializePaused", 0) != 0) {
            buf_text(out, "; paused: ");
            words_safe(out, ad_string(factory, "JobMaterializePauseReason", ""));
        }
        buf_char(out, '\n');
    }
}

/* ---- tables ---- */

static const struct table_column job_columns[] = {
    { "ID", TABLE_RIGHT },       { "OWNER", TABLE_LEFT },  { "SUBMITTED", TABLE_LEFT }, { "RUN", TABLE_RIGHT },
    { "STATE", TABLE_CUT },      { "CKPT(AGE)", TABLE_LEFT }, { "SAVED", TABLE_RIGHT },  { "LOST", TABLE_RIGHT },
    { "CMD", TABLE_CUT },
};
static const struct table_column batch_columns[] = {
    { "BATCH", TABLE_CUT },  { "OWNER", TABLE_LEFT }, { "SUBMITTED", TABLE_LEFT }, { "DONE", TABLE_RIGHT },
    { "RUN", TABLE_RIGHT },  { "IDLE", TABLE_RIGHT }, { "HELD", TABLE_RIGHT },     { "TOTAL", TABLE_RIGHT },
    { "SAVED", TABLE_RIGHT }, { "LOST", TABLE_RIGHT }, { "CMD", TABLE_CUT },
};
static const struct table_column past_columns[] = {
    { "ID", TABLE_RIGHT },     { "OWNER", TABLE_LEFT },  { "SUBMITTED", TABLE_LEFT }, { "RUN", TABLE_RIGHT },
    { "ENDED", TABLE_LEFT },   { "STATE", TABLE_CUT },   { "CKPTS", TABLE_RIGHT },    { "SAVED", TABLE_RIGHT },
    { "LOST", TABLE_RIGHT },   { "CMD", TABLE_CUT },
};
#define COMMON Q_CLUSTER, Q_PROC, Q_OWNER, Q_QDATE, Q_STATE
#define COMMAND Q_CMD, Q_ARGUMENTS, Q_ARGS
#define WORK Q_GOODPUT, Q_LOST, Q_OCCUPIED
#define END Q_FIELDS
static const enum q_field job_fields[] = { COMMON, Q_HOLD_REASON, Q_REMOVE_REASON, COMMAND, Q_CKPTS, Q_LAST_CKPT, Q_LAST_CKPT_US, WORK,
                                           Q_PROGRESS, Q_DOCKER, Q_CONTAINER, END };
static const enum q_field batch_fields[] = { COMMON, COMMAND, Q_BATCH, Q_TOTAL, Q_GOODPUT, Q_LOST, Q_DOCKER, Q_CONTAINER, END };
static const enum q_field past_fields[] = { COMMON, Q_HOLD_REASON, Q_REMOVE_REASON, Q_EXIT_CODE, Q_EXIT_SIGNAL, COMMAND, Q_CKPTS, WORK,
                                            Q_COMPLETION, Q_ENTERED, Q_DOCKER, Q_CONTAINER, END };

static const struct {
    const struct table_column *columns;
    size_t count;
    const enum q_field *fields;
    void (*add)(void *data, const struct q_job *job);
} tables[] = {
    [Q_TABLE_JOBS] = { job_columns, sizeof job_columns / sizeof job_columns[0], job_fields, add_job_row },
    [Q_TABLE_BATCHES] = { batch_columns, sizeof batch_columns / sizeof batch_columns[0], batch_fields, add_to_batch },
    [Q_TABLE_PAST] = { past_columns, sizeof past_columns / sizeof past_columns[0], past_fields, add_past_row },
};

void q_attributes(enum q_table table, struct buf *names)
{
    for (const enum q_field *field = tables[table].fields; *field != END; field++) {
        buf_text(names, names->len > 0 ? "," : "");
        buf_text(names, q_name(*field));
    }
}

int q_print(enum q_table which, struct json_slice answer, const struct screen *screen, struct buf *out, struct error *err)
{
    auto_table struct table *table = table_new(tables[which].columns, tables[which].count);
    auto_ad struct ad *to_come = read_to_come(answer);
    struct printing p = { .table = table, .screen = screen, .to_come = to_come };
    int r = q_each(answer, tables[which].add, &p, err);
    for (size_t i = 0; i < p.count; i++)
        add_batch_row(table, &p.batches[i]);
    free(p.batches);
    if (which == Q_TABLE_PAST && table_rows(table) == 0)
        buf_text(out, "no past jobs\n");
    table_print(table, screen->width, out);
    if (which != Q_TABLE_PAST) {
        print_to_come(to_come, out);
        print_totals(&p.totals, out);
    }
    return r;
}

/* ---- commands ---- */

static int show_jobs(const struct cli_call *call, struct api *api, struct listing *listing, const char *target, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    auto_buf struct buf text = { .max = SIZE_MAX / 2 };
    struct screen screen = screen_now();
    if (api_get(api, target, &answer, err) < 0)
        return -1;
    if (cli_given(call, "watch") && screen.width > 0)
        buf_text(&text, "\033[H\033[J");
    struct json_slice body = { answer.http.body, answer.http.body_len };
    enum q_table table = call->command->run == run_history ? Q_TABLE_PAST : cli_given(call, "batch") ? Q_TABLE_BATCHES : Q_TABLE_JOBS;
    if (cli_given(call, "json"))
        buf_add(&text, body.text, body.len);
    else if ((listing_chosen(listing) ? listing_print(listing, body, "Jobs", &text, err) : q_print(table, body, &screen, &text, err)) < 0)
        return -1;
    if (cli_given(call, "json") && (body.len == 0 || body.text[body.len - 1] != '\n'))
        buf_char(&text, '\n');
    words_print(&text);
    return 0;
}

static int build_target(const struct cli_call *call, const struct api *api, const struct listing *listing, enum q_table table,
                        struct buf *target, struct error *err)
{
    auto_buf struct buf names = { 0 };
    int r = select_query(call, api, target, err);
    if (r < 0)
        return r;
    if (cli_given(call, "sort"))
        http_add_query(target, "sort", cli_value(call, "sort"));
    if (listing_chosen(listing))
        listing_attributes(listing, &names);
    else if (!cli_given(call, "json"))
        q_attributes(table, &names);
    if (names.len > 0)
        http_add_query(target, "attributes", buf_cstr(&names));
    return 0;
}

static int show_once_or_more(const struct cli_call *call, struct api *api, struct listing *listing, const char *target, int64_t every_us,
                             struct error *err)
{
    do {
        if (show_jobs(call, api, listing, target, err) < 0)
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

static int show(const struct cli_call *call, const char *path, int64_t limit, int64_t every_us, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_buf struct buf target = { 0 };
    auto_listing struct listing listing = { 0 };
    bool past = call->command->run == run_history;
    int r = select_check(call, err);
    if (r == 0)
        r = listing_begin(call, &listing, err);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    buf_text(&target, path);
    if (limit > 0)
        buf_printf(&target, "%climit=%" PRId64, past ? '&' : '?', limit);
    r = build_target(call, api, &listing, past ? Q_TABLE_PAST : cli_given(call, "batch") ? Q_TABLE_BATCHES : Q_TABLE_JOBS, &target, err);
    return r < 0 ? r : show_once_or_more(call, api, &listing, buf_cstr(&target), every_us, err);
}

int run_q(const struct cli_call *call, struct error *err)
{
    int64_t every_us, limit;
    int r = cli_duration(call, "watch", 2 * CLOCK_SECOND_US, &every_us, err);
    if (r == 0)
        r = cli_number(call, "limit", 0, &limit, err);
    return r < 0 ? r : show(call, "/v1/jobs", limit, every_us, err);
}

int run_history(const struct cli_call *call, struct error *err)
{
    int64_t limit;
    int r = cli_number(call, "limit", 100, &limit, err);
    return r < 0 ? r : show(call, "/v1/jobs?history=1", limit, 0, err);
}
