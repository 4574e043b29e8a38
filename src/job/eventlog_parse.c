/*
 * Reading the user event log, ours and HTCondor's. A line is recognised by its own form wherever it stands in its event, and
 * what is not recognised is skipped: versions differ in which lines they write and in the blanks before them.
 */
#include "job/eventlog_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

/* ---- scanning ---- */

static bool take(const char **p, const char *literal)
{
    size_t len = strlen(literal);
    if (strncmp(*p, literal, len) != 0)
        return false;
    *p += len;
    return true;
}

/* A decimal number without sign, at most `most`. */
static bool take_number(const char **p, int64_t most, int64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)**p))
        return false;
    errno = 0;
    long long n = strtoll(*p, &end, 10);
    if (errno || n > most)
        return false;
    *number = n;
    *p = end;
    return true;
}

static const char *skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

static void set_text(struct ad *event, const char *name, const char *text)
{
    if (*text && strcmp(text, EVENTLOG_UNSPECIFIED) != 0)
        ad_set_string(event, name, text);
}

/* ---- lines that several events have ---- */

/* days hh:mm:ss */
static bool take_clock(const char **p, int64_t *us)
{
    int64_t d, h, m, s;
    if (!take_number(p, 100000000, &d) || !take(p, " ") || !take_number(p, 23, &h) || !take(p, ":") ||
        !take_number(p, 59, &m) || !take(p, ":") || !take_number(p, 60, &s))
        return false;
    *us = (d * 86400 + h * 3600 + m * 60 + s) * SECOND_US;
    return true;
}

/* Usr 0 00:00:01, Sys 0 00:00:00  -  Run Remote Usage. Local usage is set only when there is some: nobody has any. */
static bool parse_usage(struct ad *event, const char *line)
{
    int64_t user, sys;
    if (!take(&line, "Usr ") || !take_clock(&line, &user) || !take(&line, ", Sys ") || !take_clock(&line, &sys))
        return false;
    line = skip_blanks(line);
    line = skip_blanks(*line == '-' ? line + 1 : line);
    for (int i = 0; i < USAGE_COUNT; i++) {
        const char *p = line;
        bool local = i == USAGE_RUN_LOCAL || i == USAGE_TOTAL_LOCAL;
        if (!take(&p, eventlog_usages[i].label) || !take(&p, " Usage") || (local && user == 0 && sys == 0))
            continue;
        ad_set_int(event, eventlog_usages[i].user, user);
        ad_set_int(event, eventlog_usages[i].sys, sys);
    }
    return true;
}

/* 123  -  Run Bytes Sent By Job */
static bool parse_amount(struct ad *event, const char *line)
{
    static const struct { const char *label, *name; } amounts[] = {
        { "Run Bytes Sent By", "SentBytes" },
        { "Run Bytes Received By", "ReceivedBytes" },
        { "Total Bytes Sent By", "TotalSentBytes" },
        { "Total Bytes Received By", "TotalReceivedBytes" },
        { "MemoryUsage of job", "MemoryUsage" },
        { "ResidentSetSize of job", "ResidentSetSize" },
    };
    int64_t amount;
    if (!take_number(&line, INT64_MAX, &amount))
        return false;
    line = skip_blanks(line);
    if (!take(&line, "-"))
        return false;
    line = skip_blanks(line);
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        const char *p = line;
        if (take(&p, amounts[i].label))
            ad_set_int(event, amounts[i].name, amount);
    }
    return true;
}

/* (1) Normal termination (return value 0) */
static bool parse_ending(struct ad *event, const char *line)
{
    int64_t n;
    const char *p = line;
    if (take(&p, "(1) Normal termination (return value ") && take_number(&p, INT_MAX, &n)) {
        ad_set_bool(event, "TerminatedNormally", true);
        ad_set_int(event, "ReturnValue", n);
        return true;
    }
    p = line;
    if (take(&p, "(0) Abnormal termination (signal ") && take_number(&p, INT_MAX, &n)) {
        ad_set_bool(event, "TerminatedNormally", false);
        ad_set_int(event, "TerminatedBySignal", n);
        return true;
    }
    return take(&p, "(0) No core file") || take(&p, "(1) Corefile in: ");
}

static bool parse_code(struct ad *event, const char *line, const char *code_name, const char *subcode_name)
{
    int64_t code, subcode;
    if (!take(&line, "Code ") || !take_number(&line, INT_MAX, &code) || !take(&line, " Subcode "))
        return false;
    bool negative = take(&line, "-");
    if (!take_number(&line, INT_MAX, &subcode))
        return false;
    ad_set_int(event, code_name, code);
    ad_set_int(event, subcode_name, negative ? -subcode : subcode);
    return true;
}

/* ---- the table of resources ---- */

enum { COLUMNS = 3 };
struct table {
    bool open;
    long end[COLUMNS]; /* where each column's heading ends, counted from the colon */
};

static bool open_table(struct table *table, const char *line)
{
    static const char *const headings[COLUMNS] = { "Usage", "Request", "Allocated" };
    if (!take(&line, "Partitionable Resources") && !take(&line, "Resources"))
        return false;
    const char *colon = skip_blanks(line);
    if (*colon != ':')
        return false;
    for (int c = 0; c < COLUMNS; c++) {
        const char *at = strstr(colon, headings[c]);
        table->end[c] = at ? at - colon + (long)strlen(headings[c]) : LONG_MAX / 2;
    }
    table->open = true;
    return true;
}

static int nearest_column(const struct table *table, long end)
{
    int best = 0;
    for (int c = 1; c < COLUMNS; c++)
        if (labs(table->end[c] - end) < labs(table->end[best] - end))
            best = c;
    return best;
}

static void set_cell(struct ad *event, const char *name, const char *text, size_t len)
{
    char copy[32];
    char *end;
    if (len >= sizeof copy || strspn(text, "0123456789.") < len)
        return;
    memcpy(copy, text, len);
    copy[len] = '\0';
    double value = strtod(copy, &end);
    if (*end || value > EVENTLOG_CELL_MAX)
        return;
    if (value == (double)(int64_t)value && strcmp(name, "CpusUsage") != 0)
        ad_set_int(event, name, (int64_t)value);
    else
        ad_set_real(event, name, value);
}

/* Label : numbers. A number belongs to the column under whose heading it ends: cells may be empty. */
static void parse_row(struct ad *event, struct table *table, const char *line)
{
    const char *colon = strchr(line, ':');
    table->open = colon != NULL;
    for (const struct eventlog_resource *r = eventlog_resources; colon && r->label; r++) {
        const char *names[COLUMNS] = { r->usage, r->request, r->allocated };
        const char *p = line;
        if (!take(&p, r->label) || skip_blanks(p) != colon)
            continue;
        for (p = skip_blanks(colon + 1); *p; p = skip_blanks(p)) {
            size_t len = strcspn(p, " \t");
            set_cell(event, names[nearest_column(table, p + len - colon)], p, len);
            p += len;
        }
    }
}

/* ---- bodies: each is given the lines below the heading, one by one, without blanks at their ends ---- */

static void parse_submit(struct ad *event, const char *line)
{
    if (take(&line, EVENTLOG_WARNING))
        set_text(event, "Warnings", skip_blanks(line));
    else if (!ad_has(event, "LogNotes"))
        set_text(event, "LogNotes", line);
}

static void parse_execute(struct ad *event, const char *line)
{
    if (take(&line, "SlotName:"))
        set_text(event, "SlotName", skip_blanks(line));
}

/* Name = expression */
static void parse_attribute(struct ad *event, const char *line)
{
    size_t len = strcspn(line, " =");
    const char *equals = skip_blanks(line + len);
    auto_free char *name = mem_dup_n(line, len);
    if (*equals == '=' && ad_name_valid(name) && !eventlog_in_header(name))
        ad_set_expr(event, name, equals + 1, NULL);
}

static void parse_checkpointed(struct ad *event, const char *line)
{
    if (parse_usage(event, line) || parse_amount(event, line))
        return;
    size_t len = strcspn(line, " =");
    for (size_t i = 0; eventlog_checkpoint_names[i]; i++)
        if (strlen(eventlog_checkpoint_names[i]) == len && strncmp(line, eventlog_checkpoint_names[i], len) == 0)
            parse_attribute(event, line);
}

static void parse_evicted(struct ad *event, const char *line)
{
    const char *p = line;
    if (parse_usage(event, line) || parse_amount(event, line) || parse_ending(event, line))
        return;
    if (take(&p, "(1) Job was checkpointed"))
        ad_set_bool(event, "Checkpointed", true);
    else if (take(&p, "(0) Job terminated and was requeued"))
        ad_set_bool(event, "TerminatedAndRequeued", true);
    else if (take(&p, "Reason:"))
        set_text(event, "Reason", skip_blanks(p));
    else if (*line != '(' && !ad_has(event, "Reason"))
        set_text(event, "Reason", line);
}

static void parse_terminated(struct ad *event, const char *line)
{
    if (!parse_usage(event, line) && !parse_amount(event, line))
        parse_ending(event, line);
}

static void parse_image_size(struct ad *event, const char *line)
{
    parse_amount(event, line);
}

static void parse_reason(struct ad *event, const char *line)
{
    if (!ad_has(event, "Reason"))
        set_text(event, "Reason", line);
}

static void parse_suspended(struct ad *event, const char *line)
{
    int64_t n;
    if (take(&line, "Number of processes actually suspended: ") && take_number(&line, INT_MAX, &n))
        ad_set_int(event, "NumberOfPIDs", n);
}

static void parse_held(struct ad *event, const char *line)
{
    if (!parse_code(event, line, "HoldReasonCode", "HoldReasonSubCode") && !ad_has(event, "HoldReason"))
        set_text(event, "HoldReason", line);
}

static void parse_remote_error(struct ad *event, const char *line)
{
    if (!parse_code(event, line, "ReasonCode", "ReasonSubCode") && !ad_has(event, "ErrorMsg"))
        set_text(event, "ErrorMsg", line);
}

static void parse_disconnected(struct ad *event, const char *line)
{
    if (!take(&line, "Trying to reconnect to")) {
        if (!ad_has(event, "DisconnectReason"))
            set_text(event, "DisconnectReason", line);
        return;
    }
    line = skip_blanks(line);
    const char *blank = strrchr(line, ' ');
    auto_free char *name = mem_dup_n(line, blank ? (size_t)(blank - line) : strlen(line));
    set_text(event, "StartdName", name);
    set_text(event, "StartdAddr", blank ? blank + 1 : "");
}

static void parse_reconnected(struct ad *event, const char *line)
{
    if (take(&line, "startd address:"))
        set_text(event, "StartdAddr", skip_blanks(line));
    else if (take(&line, "starter address:"))
        set_text(event, "StarterAddr", skip_blanks(line));
}

static void parse_reconnect_failed(struct ad *event, const char *line)
{
    static const char tail[] = ", rescheduling job";
    if (!take(&line, "Can not reconnect to ")) {
        parse_reason(event, line);
        return;
    }
    size_t len = strlen(line), cut = strlen(tail);
    auto_free char *name = mem_dup_n(line, len >= cut && strcmp(line + len - cut, tail) == 0 ? len - cut : len);
    set_text(event, "StartdName", name);
}

static void parse_cluster_submit(struct ad *event, const char *line)
{
    if (!ad_has(event, "LogNotes"))
        set_text(event, "LogNotes", line);
}

static void parse_cluster_remove(struct ad *event, const char *line)
{
    int64_t jobs, items;
    if (!take(&line, "Materialized ")) {
        parse_cluster_submit(event, line);
        return;
    }
    if (!take_number(&line, INT64_MAX, &jobs) || !take(&line, " jobs from ") || !take_number(&line, INT64_MAX, &items) ||
        !take(&line, " items."))
        return;
    ad_set_int(event, "Jobs", jobs);
    ad_set_int(event, "Items", items);
    set_text(event, "Completion", skip_blanks(line));
}

static void parse_factory(struct ad *event, const char *line)
{
    bool negative = false;
    int64_t n;
    const char *name = take(&line, "PauseCode ") ? "PauseCode" : take(&line, "HoldCode ") ? "HoldCode" : NULL;
    if (!name) {
        parse_reason(event, line);
        return;
    }
    negative = take(&line, "-");
    if (take_number(&line, INT_MAX, &n))
        ad_set_int(event, name, negative ? -n : n);
}

/* ---- headings ---- */

/* "Error from starter on slot1@host:" */
static bool parse_error_heading(struct ad *event, const char *heading)
{
    const char *from = strstr(heading, " from "), *on = from ? strstr(from, " on ") : NULL;
    if (!on)
        return false;
    size_t host = strlen(on + 4);
    auto_free char *daemon = mem_dup_n(from + 6, on > from + 6 ? (size_t)(on - from - 6) : 0);
    auto_free char *execute = mem_dup_n(on + 4, host > 0 && on[4 + host - 1] == ':' ? host - 1 : host);
    ad_set_bool(event, "CriticalError", strncmp(heading, "Error", 5) == 0);
    set_text(event, "Daemon", daemon);
    set_text(event, "ExecuteHost", execute);
    return true;
}

static const struct kind {
    int type;
    const char *heading;
    const char *attribute; /* what the heading goes on with; NULL: nothing of interest */
    void (*line)(struct ad *event, const char *line);
} kinds[] = {
    { 0, "Job submitted from host:", "SubmitHost", parse_submit },
    { 1, "Job executing on host:", "ExecuteHost", parse_execute },
    { 3, "Job was checkpointed.", NULL, parse_checkpointed },
    { 4, "Job was evicted.", NULL, parse_evicted },
    { 5, "Job terminated.", NULL, parse_terminated },
    { 6, "Image size of job updated:", NULL, parse_image_size },
    { 9, "Job was aborted", NULL, parse_reason },
    { 10, "Job was suspended.", NULL, parse_suspended },
    { 11, "Job was unsuspended.", NULL, NULL },
    { 12, "Job was held.", NULL, parse_held },
    { 13, "Job was released.", NULL, parse_reason },
    { 21, "", NULL, parse_remote_error },
    { 22, "Job disconnected, attempting to reconnect", NULL, parse_disconnected },
    { 23, "Job reconnected to", "StartdName", parse_reconnected },
    { 24, "Job reconnection failed", NULL, parse_reconnect_failed },
    { 35, "Cluster submitted from host:", "SubmitHost", parse_cluster_submit },
    { 36, "Cluster removed", NULL, parse_cluster_remove },
    { 37, "Job Materialization Paused", NULL, parse_factory },
    { 38, "Job Materialization Resumed", NULL, parse_reason },
};

static const struct kind *find_kind(int64_t type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

static int parse_heading(struct ad *event, const struct kind *kind, const char *heading, struct error *err)
{
    const char *p = heading;
    int64_t size;
    if (!kind) {
        if (strcmp(heading, EVENTLOG_ATTRIBUTES_HEAD) != 0)
            set_text(event, "EventHead", heading);
        return 0;
    }
    if (!take(&p, kind->heading) || (kind->type == 21 && !parse_error_heading(event, heading)))
        return error_set(err, ERR_INVALID, "event %03d starts with '%.60s', which is not its sentence", kind->type, heading);
    if (kind->attribute)
        set_text(event, kind->attribute, skip_blanks(p));
    if (kind->type == 4) {
        ad_set_bool(event, "Checkpointed", false);
        parse_code(event, skip_blanks(p), "ReasonCode", "ReasonSubCode");
    }
    p = skip_blanks(p);
    if (kind->type == 6 && take_number(&p, INT64_MAX, &size))
        ad_set_int(event, "Size", size);
    return 0;
}

/* ---- the header ---- */

static int bad_header(const char *line, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%.60s' is not the start of an event", line);
}

/* 2026-11-23 17:36:13, also with T between, a fraction, and Z. */
static bool take_time(const char **p, int64_t *us)
{
    static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t year, month, day, h, m, s, fraction = 0;
    if (!take_number(p, 9999, &year) || !take(p, "-") || !take_number(p, 12, &month) || !take(p, "-") ||
        !take_number(p, 31, &day) || !(take(p, " ") || take(p, "T")))
        return false;
    if (!take_number(p, 23, &h) || !take(p, ":") || !take_number(p, 59, &m) || !take(p, ":") || !take_number(p, 60, &s))
        return false;
    if (year < 1970 || month < 1 || day < 1 || day > days[month - 1])
        return false;
    if (take(p, ".")) {
        size_t digits = strspn(*p, "0123456789");
        for (size_t i = 0; i < 6; i++)
            fraction = fraction * 10 + (i < digits ? (*p)[i] - '0' : 0);
        *p += digits;
    }
    *us = (eventlog_days(year, (int)month, (int)day) * 86400 + h * 3600 + m * 60 + s) * SECOND_US + fraction;
    (void)take(p, "Z");
    return true;
}

/* 005 (007.000.000) 2026-11-23 17:36:13 ; *line is moved to the heading. */
static int parse_header(struct ad *event, const char **line, int64_t *type, struct error *err)
{
    int64_t cluster, proc, subproc, us;
    const char *p = *line;
    if (strspn(p, "0123456789") != 3 || !take_number(&p, 999, type) || !take(&p, " (") || !take_number(&p, INT_MAX, &cluster) ||
        !take(&p, "."))
        return bad_header(*line, err);
    bool whole = take(&p, "-"); /* a cluster's event: process -1 */
    if (!take_number(&p, whole ? 1 : INT_MAX, &proc) || !take(&p, ".") || !take_number(&p, INT_MAX, &subproc) || !take(&p, ") "))
        return bad_header(*line, err);
    proc = whole ? -1 : proc;
    if (strspn(p, "0123456789") == 2 && p[2] == '/')
        return error_set(err, ERR_INVALID, "the event of '%.60s' has a time without a year, as HTCondor before 8.9 wrote it",
                         *line);
    if (!take_time(&p, &us))
        return bad_header(*line, err);
    ad_set_int(event, "EventTypeNumber", *type);
    ad_set_int(event, "Cluster", cluster);
    ad_set_int(event, "Proc", proc);
    ad_set_int(event, "Subproc", subproc);
    ad_set_int(event, "EventTime", us);
    *line = skip_blanks(p);
    return 0;
}

/* ---- the whole ---- */

/* Cuts the line at its end, blanks before it included; returns the next one or NULL. */
static char *cut_line(char *line)
{
    char *newline = strchr(line, '\n');
    char *end = newline ? newline : line + strlen(line);
    while (end > line && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return newline ? newline + 1 : NULL;
}

static int parse_event(char *text, struct ad *event, struct error *err)
{
    struct table table = { 0 };
    int64_t type = 0;
    const char *heading = text;
    char *next = cut_line(text);
    if (parse_header(event, &heading, &type, err) < 0)
        return -1;
    const struct kind *kind = find_kind(type);
    if (parse_heading(event, kind, heading, err) < 0)
        return -1;
    while (next && *next) {
        char *raw = next;
        next = cut_line(raw);
        const char *line = skip_blanks(raw);
        if (table.open)
            parse_row(event, &table, line);
        if (!*line || table.open)
            continue;
        if (!kind)
            parse_attribute(event, line);
        else if (!((type == 4 || type == 5) && open_table(&table, line)) && kind->line)
            kind->line(event, line);
    }
    return 0;
}

/* Tabs and other control characters become blanks, as the printer writes them. */
static void blank_controls(char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7F)
            *text = ' ';
}

/* The length of the event up to and with its line of dots; 0 when there is none yet. *body is the length without that line. */
static size_t event_length(const char *text, size_t len, size_t *body)
{
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        if (!newline)
            return 0;
        size_t size = (size_t)(newline - text) - at;
        if (size > 0 && text[at + size - 1] == '\r')
            size--;
        *body = at;
        if (size == 3 && memcmp(text + at, "...", 3) == 0)
            return (size_t)(newline - text) + 1;
        at = (size_t)(newline - text) + 1;
    }
    return 0;
}

int eventlog_parse(const char *text, size_t len, size_t *used, struct ad **event, struct error *err)
{
    size_t body = 0;
    size_t window = len < EVENTLOG_EVENT_MAX ? len : EVENTLOG_EVENT_MAX;
    size_t size = event_length(text, window, &body);
    if (size == 0 && window < len)
        return error_set(err, ERR_LIMIT, "an event is longer than %d bytes", EVENTLOG_EVENT_MAX);
    if (size == 0)
        return EVENTLOG_PARTIAL;
    if (memchr(text, '\0', body))
        return error_set(err, ERR_INVALID, "the event has a NUL byte");
    auto_free char *copy = mem_dup_n(text, body);
    auto_ad struct ad *made = ad_new();
    blank_controls(copy);
    if (parse_event(copy, made, err) < 0)
        return -1;
    *used = size;
    *event = steal(made);
    return 0;
}
