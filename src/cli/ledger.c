/* Where the time went: one row a key, one column a class. The classes of a row add up to its last column. */
#include "cli/ledger.h"

#include "base/clock.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Keys of each kind of sum, in the order of the columns. */
static const struct {
    const char *by;
    bool classes; /* one column a class; otherwise Class and Cause are keys */
} kinds[] = {
    { "job", true },  { "stint", true },  { "user", true },  { "day", true },
    { "pool", true }, { "cause", false }, { "class", false },
};

static const char *const class_attributes[] = { "GoodputUs", "LostUs", "CheckpointUs", "RestoreUs", "TransferUs", "IdleUs" };
enum { CLASSES = sizeof class_attributes / sizeof class_attributes[0] };

/* The running total of a table. */
struct sums {
    int64_t classes[CLASSES];
    int64_t occupied;
};

static void add_share(struct buf *out, int64_t part, int64_t whole)
{
    if (whole > 0)
        buf_printf(out, "%.1f%%", 100.0 * (double)part / (double)whole);
    else
        buf_char(out, '-');
}

static void add_time(struct buf *out, int64_t us)
{
    if (us > 0)
        words_duration(out, us);
    else
        buf_char(out, '-');
}

static void add_key(struct buf *out, const struct ad *row, const char *by)
{
    if (strcmp(by, "user") == 0) {
        words_safe(out, ad_string(row, "Owner", "?"));
    } else if (strcmp(by, "day") == 0) {
        const char *text = ad_string(row, "Day", NULL);
        if (text)
            words_safe(out, text);
        else { /* days since 1970: noon of that day is the same date in nearly every zone */
            auto_buf struct buf day = { 0 };
            words_time(&day, (ad_int(row, "Day", 0) * 86400 + 43200) * CLOCK_SECOND_US);
            buf_add(out, day.data, day.len > 10 ? 10 : day.len);
        }
    } else if (strcmp(by, "pool") == 0) {
        buf_text(out, "pool");
    } else {
        words_id(out, row);
        if (strcmp(by, "stint") == 0)
            buf_printf(out, " stint %" PRId64, ad_int(row, "Stint", 0));
    }
}

static void add_class_cells(struct table *table, const struct sums *sums)
{
    for (size_t c = 0; c < CLASSES; c++)
        add_time(table_cell(table), sums->classes[c]);
    add_time(table_cell(table), sums->occupied);
    add_share(table_cell(table), sums->classes[0], sums->occupied);
    table_end_row(table);
}

static void print_classes(const struct ad *answer, const char *by, const struct screen *screen, struct buf *out)
{
    const struct table_column columns[] = {
        { strcmp(by, "user") == 0 ? "USER" : strcmp(by, "day") == 0 ? "DAY" : strcmp(by, "pool") == 0 ? "POOL" : "JOB", TABLE_LEFT },
        { "GOODPUT", TABLE_RIGHT }, { "LOST", TABLE_RIGHT }, { "CHECKPOINT", TABLE_RIGHT }, { "RESTORE", TABLE_RIGHT },
        { "TRANSFER", TABLE_RIGHT }, { "IDLE", TABLE_RIGHT }, { "OCCUPIED", TABLE_RIGHT }, { "GOOD", TABLE_RIGHT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    struct sums total = { 0 };
    size_t count = ad_list_count(answer, "Ledger");
    for (size_t i = 0; i < count; i++) {
        const struct ad *row = ad_list_ad(answer, "Ledger", i);
        struct sums sums = { .occupied = ad_int(row, "OccupiedUs", 0) };
        for (size_t c = 0; c < CLASSES; c++) {
            sums.classes[c] = ad_int(row, class_attributes[c], 0);
            total.classes[c] += sums.classes[c];
        }
        total.occupied += sums.occupied;
        add_key(table_cell(table), row, by);
        add_class_cells(table, &sums);
    }
    if (count > 1) {
        buf_text(table_cell(table), "total");
        add_class_cells(table, &total);
    }
    table_print(table, screen->width, out);
}

static void print_causes(const struct ad *answer, const char *by, const struct screen *screen, struct buf *out)
{
    bool by_cause = strcmp(by, "cause") == 0;
    const struct table_column columns[] = {
        { by_cause ? "CAUSE" : "CLASS", TABLE_LEFT }, { by_cause ? "CLASS" : "CAUSE", TABLE_LEFT }, { "OCCUPIED", TABLE_RIGHT },
        { "SHARE", TABLE_RIGHT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    int64_t total_us = 0;
    size_t count = ad_list_count(answer, "Ledger");
    for (size_t i = 0; i < count; i++)
        total_us += ad_int(ad_list_ad(answer, "Ledger", i), "OccupiedUs", 0);
    for (size_t i = 0; i < count; i++) {
        const struct ad *row = ad_list_ad(answer, "Ledger", i);
        words_safe(table_cell(table), ad_string(row, by_cause ? "Cause" : "Class", "-"));
        words_safe(table_cell(table), ad_string(row, by_cause ? "Class" : "Cause", "-"));
        add_time(table_cell(table), ad_int(row, "OccupiedUs", 0));
        add_share(table_cell(table), ad_int(row, "OccupiedUs", 0), total_us);
        table_end_row(table);
    }
    if (count > 1) {
        buf_text(table_cell(table), "total");
        table_cell(table);
        add_time(table_cell(table), total_us);
        table_end_row(table);
    }
    table_print(table, screen->width, out);
}

void ledger_print(const struct ad *answer, const char *by, const struct screen *screen, struct buf *out)
{
    bool classes = true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].by, by) == 0)
            classes = kinds[i].classes;
    if (ad_list_count(answer, "Ledger") == 0)
        buf_text(out, "no time has been accounted for yet\n");
    else if (classes)
        print_classes(answer, by, screen, out);
    else
        print_causes(answer, by, screen, out);
}

static int check_date(const struct cli_call *call, const char *option, struct error *err)
{
    const char *text = cli_value(call, option);
    int year, month, day, used = 0;
    if (!text || (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && !text[used] && strlen(text) == 10 &&
                  month >= 1 && month <= 12 && day >= 1 && day <= 31))
        return 0;
    return cli_usage_error(err, "'%s' is not a day for '--%s': write it like 2026-11-23", text, option);
}

static int build_target(const struct cli_call *call, const char *by, struct buf *target, struct error *err)
{
    static const char *const passed[] = { "owner", "since", "until", "constraint" };
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known = known || strcmp(kinds[i].by, by) == 0;
    if (!known)
        return cli_usage_error(err, "cannot sum by '%s': there is job, stint, user, cause, class, day and pool", by);
    int r = check_date(call, "since", err);
    if (r == 0)
        r = check_date(call, "until", err);
    if (r == 0)
        r = select_check(call, err);
    if (r < 0)
        return r;
    buf_text(target, "/v1/ledger");
    http_add_query(target, "by", by);
    for (size_t i = 0; i < call->operand_count; i++)
        http_add_query(target, "id", call->operands[i]);
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (cli_given(call, passed[i]))
            http_add_query(target, passed[i], cli_value(call, passed[i]));
    return 0;
}

int run_ledger(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *rows = NULL;
    auto_buf struct buf target = { 0 }, text = { 0 };
    struct screen screen = screen_now();
    const char *by = cli_given(call, "by") ? cli_value(call, "by") : "job";
    int r = build_target(call, by, &target, err);
    if (r < 0)
        return r;
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || api_get(api, buf_cstr(&target), &answer, err) < 0)
        return -1;
    if (cli_given(call, "json")) {
        api_print_json(&answer);
        return CLI_OK;
    }
    if (api_ad(&answer, &rows, err) < 0)
        return -1;
    ledger_print(rows, by, &screen, &text);
    words_print(&text);
    return CLI_OK;
}
