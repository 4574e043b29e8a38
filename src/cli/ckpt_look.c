/* Which checkpoints there are, what is in them, how two differ, what they cost. */
#include "cli/ckpt.h"
#include "cli/run.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int finish(const struct cli_call *call, const struct buf *text)
{
    if (!cli_given(call, "json"))
        words_print(text);
    return CLI_OK;
}

/* ---- ls ---- */

static void add_list_row(void *data, const struct ad *record)
{
    struct table *table = data;
    const char *damage = ad_string(record, "Damage", NULL);
    ckpt_words_name(table_cell(table), record);
    words_time(table_cell(table), ad_int(record, "Time", 0));
    words_safe(table_cell(table), damage ? "damaged" : ad_string(record, "Kind", ""));
    struct buf *parent = table_cell(table);
    if (ad_int(record, "Parent", 0) > 0)
        buf_printf(parent, "%" PRId64, ad_int(record, "Parent", 0));
    buf_printf(table_cell(table), "%" PRId64, ad_int(record, "Files", 0));
    words_bytes(table_cell(table), ad_int(record, "Bytes", 0));
    words_bytes(table_cell(table), ad_int(record, "NewBytes", 0));
    struct buf *note = table_cell(table);
    if (ad_bool(record, "Pinned", false))
        buf_text(note, "pinned");
    if (ad_bool(record, "Safe", false))
        buf_text(note, note->len > 0 ? ", safe" : "safe");
    if (ad_bool(record, "Verified", false))
        buf_text(note, note->len > 0 ? ", verified" : "verified");
    if (damage && note->len > 0)
        buf_text(note, "; ");
    if (damage)
        words_safe(note, damage);
    table_end_row(table);
}

static void print_name(void *data, const struct ad *record)
{
    ckpt_words_name(data, record);
    buf_char(data, '\n');
}

int run_ckpt_ls(const struct cli_call *call, struct error *err)
{
    static const struct table_column columns[] = {
        { "CHECKPOINT", TABLE_LEFT }, { "TAKEN", TABLE_LEFT },  { "KIND", TABLE_LEFT }, { "FROM", TABLE_RIGHT },
        { "FILES", TABLE_RIGHT },     { "BYTES", TABLE_RIGHT }, { "NEW", TABLE_RIGHT }, { "NOTE", TABLE_CUT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    bool quiet = cli_given(call, "quiet");
    int r = ckpt_body_chosen(call, &body, err);
    if (r < 0)
        return r;
    struct ckpt_question question = {
        .target = "/v1/checkpoints/ls", .body = body, .list = "Checkpoints", .record = quiet ? print_name : add_list_row,
        .data = quiet ? (void *)&text : table,
    };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    if (!quiet && table_rows(table) == 0)
        buf_text(&text, "no checkpoints\n");
    table_print(table, screen.width, &text);
    return finish(call, &text);
}

/* ---- show ---- */

static void add_mode(struct buf *out, const struct ad *entry)
{
    static const char letters[] = "rwxrwxrwx";
    const char *type = ad_string(entry, "Type", "");
    int64_t mode = ad_int(entry, "Mode", 0);
    buf_char(out, strcmp(type, "directory") == 0 ? 'd' : strcmp(type, "link") == 0 ? 'l' : '-');
    for (int i = 0; i < 9; i++)
        buf_char(out, mode >> (8 - i) & 1 ? letters[i] : '-');
}

static void add_file_row(void *data, const struct ad *entry)
{
    struct table *table = data;
    const char *target = ad_string(entry, "Target", NULL);
    add_mode(table_cell(table), entry);
    struct buf *bytes = table_cell(table);
    if (ad_has(entry, "Bytes"))
        words_bytes(bytes, ad_int(entry, "Bytes", 0));
    words_time(table_cell(table), ad_int(entry, "Time", 0));
    struct buf *name = table_cell(table);
    words_safe(name, ad_string(entry, "Name", "?"));
    if (target) {
        buf_text(name, strcmp(ad_string(entry, "Type", ""), "link") == 0 ? " -> " : " = ");
        words_safe(name, target);
    }
    table_end_row(table);
}

static void add_part(struct buf *out, const char *before, const struct ad *ad, const char *attribute, const char *after)
{
    const char *text = ad_string(ad, attribute, "");
    if (!*text)
        return;
    buf_text(out, before);
    words_safe(out, text);
    buf_text(out, after);
}

static void print_origin(const struct ad *c, struct buf *out)
{
    buf_text(out, "Checkpoint ");
    ckpt_words_name(out, c);
    add_part(out, " of ", c, "Owner", "");
    buf_text(out, ", taken ");
    words_time(out, ad_int(c, "Time", 0));
    if (ad_int(c, "Stint", 0) > 0)
        buf_printf(out, " in stint %" PRId64, ad_int(c, "Stint", 0));
    if (ad_int(c, "Parent", 0) > 0)
        buf_printf(out, ", after checkpoint %" PRId64, ad_int(c, "Parent", 0));
    buf_text(out, "\n");
    if (strcmp(ad_string(c, "Kind", ""), "evicted") == 0)
        buf_text(out, "It is what an eviction left, and stands in for no checkpoint.\n");
    if (ad_string(c, "Host", "")[0]) {
        add_part(out, "Made on ", c, "Host", "");
        add_part(out, ", ", c, "Kernel", "");
        const char *engine = ad_string(c, "Engine", ""); /* people know the other one by what they ask for */
        if (engine[0])
            buf_printf(out, ", with the engine %s", strcmp(engine, "self") == 0 || strcmp(engine, "none") == 0 ? engine : "transparent");
        buf_char(out, '\n');
    }
    words_bytes(out, ad_int(c, "Bytes", 0));
    buf_text(out, " in ");
    words_count(out, ad_int(c, "Files", 0), "file");
    buf_text(out, ", which added ");
    words_bytes(out, ad_int(c, "NewBytes", 0));
    buf_text(out, " to the store");
    buf_text(out, ad_bool(c, "Pinned", false) ? "; it is pinned" : "");
    buf_text(out, ad_bool(c, "Safe", false) ? "; it is safe: in the remote store as well" : "");
    buf_text(out, ad_bool(c, "Verified", false) ? "; it is verified: it was restored for trial\n\n" : "\n\n");
}

int run_ckpt_show(const struct cli_call *call, struct error *err)
{
    static const struct table_column columns[] = {
        { "MODE", TABLE_LEFT }, { "BYTES", TABLE_RIGHT }, { "CHANGED", TABLE_LEFT }, { "NAME", TABLE_CUT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    int r = ckpt_body(call, 1, &body, err);
    if (r < 0)
        return r;
    struct ckpt_question question = {
        .target = "/v1/checkpoints/show", .body = body, .list = "Files", .record = add_file_row, .data = table,
    };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    if (ad_ad(result, "Checkpoint"))
        print_origin(ad_ad(result, "Checkpoint"), &text);
    table_print(table, screen.width, &text);
    return finish(call, &text);
}

/* ---- diff ---- */

static const char *say_what(const char *what)
{
    switch (what[0]) {
    case '+':
        return "added";
    case '-':
        return "removed";
    case 'c':
        return "changed";
    case 'm':
        return "mode, time or owner";
    case 't':
        return "type or target";
    default:
        return "different";
    }
}

static void add_difference(void *data, const struct ad *record)
{
    struct table *table = data;
    words_safe(table_cell(table), say_what(ad_string(record, "What", "")));
    words_safe(table_cell(table), ad_string(record, "Name", "?"));
    struct buf *offset = table_cell(table), *bytes = table_cell(table);
    if (ad_has(record, "Length")) {
        words_bytes(bytes, ad_int(record, "Length", 0));
        buf_printf(offset, "%" PRId64, ad_int(record, "Offset", 0));
    }
    table_end_row(table);
}

int run_ckpt_diff(const struct cli_call *call, struct error *err)
{
    static const struct table_column columns[] = {
        { "WHAT", TABLE_LEFT }, { "NAME", TABLE_CUT }, { "FROM BYTE", TABLE_RIGHT }, { "BYTES", TABLE_RIGHT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    int r = ckpt_body(call, 2, &body, err);
    if (r < 0)
        return r;
    struct ckpt_question question = {
        .target = "/v1/checkpoints/diff", .body = body, .list = "Differences", .record = add_difference, .data = table,
    };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    table_print(table, screen.width, &text);
    if (table_rows(table) == 0) {
        ckpt_words_name(&text, ad_ad(result, "From") ? ad_ad(result, "From") : result);
        buf_text(&text, " and ");
        ckpt_words_name(&text, ad_ad(result, "To") ? ad_ad(result, "To") : result);
        buf_text(&text, " are the same\n");
    }
    return finish(call, &text);
}

/* ---- df ---- */

struct usage {
    struct table *table;
    int64_t generations, logical, stored, shared;
};

static void add_usage_cells(struct table *table, const struct usage *u)
{
    buf_printf(table_cell(table), "%" PRId64, u->generations);
    words_bytes(table_cell(table), u->logical);
    words_bytes(table_cell(table), u->stored);
    words_bytes(table_cell(table), u->shared);
    struct buf *ratio = table_cell(table);
    if (u->stored > 0)
        buf_printf(ratio, u->logical < 10 * u->stored ? "%.2f" : "%.1f", (double)u->logical / (double)u->stored);
    else
        buf_char(ratio, '-');
    table_end_row(table);
}

static struct usage usage_of(const struct ad *ad)
{
    return (struct usage){
        .generations = ad_int(ad, "Generations", 0), .logical = ad_int(ad, "LogicalBytes", 0),
        .stored = ad_int(ad, "StoredBytes", 0), .shared = ad_int(ad, "SharedBytes", 0),
    };
}

static void add_usage_row(void *data, const struct ad *record)
{
    struct usage *sum = data, one = usage_of(record);
    words_safe(table_cell(sum->table), ad_string(record, "Id", "?"));
    words_safe(table_cell(sum->table), ad_string(record, "Owner", "?"));
    sum->generations += one.generations;
    sum->logical += one.logical;
    sum->stored += one.stored;
    sum->shared += one.shared;
    add_usage_cells(sum->table, &one);
}

static void add_total(struct usage *sum, const struct ad *total, bool all, struct buf *text, int width)
{
    struct usage whole = total && all ? usage_of(total) : *sum;
    if (table_rows(sum->table) > 1) {
        buf_text(table_cell(sum->table), "total");
        table_cell(sum->table);
        add_usage_cells(sum->table, &whole);
    }
    if (table_rows(sum->table) == 0)
        buf_text(text, "no checkpoints\n");
    table_print(sum->table, width, text);
    if (total && ad_has(total, "FreeBytes")) {
        words_bytes(text, ad_int(total, "FreeBytes", 0));
        buf_text(text, " are free in the store's file system\n");
    }
}

int run_ckpt_df(const struct cli_call *call, struct error *err)
{
    static const struct table_column columns[] = {
        { "JOB", TABLE_LEFT },      { "OWNER", TABLE_LEFT },    { "CKPTS", TABLE_RIGHT }, { "LOGICAL", TABLE_RIGHT },
        { "STORED", TABLE_RIGHT }, { "SHARED", TABLE_RIGHT }, { "RATIO", TABLE_RIGHT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    struct usage sum = { .table = table };
    struct screen screen = screen_now();
    int r = ckpt_body_chosen(call, &body, err);
    if (r < 0)
        return r;
    struct ckpt_question question = {
        .target = "/v1/checkpoints/df", .body = body, .list = "Jobs", .record = add_usage_row, .data = &sum,
    };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    add_total(&sum, ad_ad(result, "Total"), call->operand_count == 0, &text, screen.width);
    return finish(call, &text);
}
