/*
 * Printing the user event log. An event is a heading, lines that start with a tab or blanks, and a line of three dots. Readers
 * skip what follows the lines that they know until the dots, except in a few events where every line must be known; what is
 * our own therefore goes behind the known lines, as "\tName = value", and only where readers skip it.
 *
 * Nothing that comes from outside may end a line: control characters become blanks, so that a reason such as "x\n...\n005 …"
 * stays a reason.
 */
#include "job/eventlog_parts.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

/* ---- calendar: days since 1970-01-01 and back, proleptic Gregorian (pure: no time zone, no locale) ---- */

int64_t eventlog_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void add_date(struct buf *out, int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t mp = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * mp + 2) / 5 + 1;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    buf_printf(out, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, year, month, day);
}

/* The year 9999 is the last that readers know. */
static int64_t clamp_time(int64_t us)
{
    const int64_t last = eventlog_days(9999, 12, 31) * DAY_US + DAY_US - 1;
    return us < 0 ? 0 : us > last ? last : us;
}

static void add_time(struct buf *out, int64_t us, char between, const char *zone)
{
    int64_t s = clamp_time(us) / SECOND_US;
    add_date(out, s / 86400);
    buf_printf(out, "%c%02" PRId64 ":%02" PRId64 ":%02" PRId64 "%s", between, s / 3600 % 24, s / 60 % 60, s % 60, zone);
}

/* ---- pieces ---- */

/* A text on one line. */
static void add_text(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_char(out, (unsigned char)*text < ' ' || *text == 0x7F ? ' ' : *text);
}

/* A line: indentation, text, newline; nothing when there is no text. */
static void add_line(struct buf *out, const char *before, const char *text, const char *after)
{
    if (!text || !*text)
        return;
    buf_text(out, before);
    add_text(out, text);
    buf_text(out, after);
    buf_char(out, '\n');
}

/* A text that must not be empty, since a reader counts the lines. */
static const char *text_of(const struct ad *event, const char *name, const char *fallback)
{
    const char *text = ad_string(event, name, "");
    return *text ? text : fallback;
}

static int64_t not_negative(const struct ad *event, const char *name)
{
    int64_t n = ad_int(event, name, 0);
    return n > 0 ? n : 0;
}

static void add_clock(struct buf *out, const char *label, int64_t us)
{
    int64_t s = us / SECOND_US;
    buf_printf(out, "%s %" PRId64 " %02" PRId64 ":%02" PRId64 ":%02" PRId64, label, s / 86400, s / 3600 % 24, s / 60 % 60,
               s % 60);
}

static void add_usage(struct buf *out, const struct ad *event, const char *indent, const struct eventlog_usage *usage)
{
    buf_text(out, indent);
    add_clock(out, "Usr", not_negative(event, usage->user));
    add_clock(out, ", Sys", not_negative(event, usage->sys));
    buf_printf(out, "  -  %s Usage\n", usage->label);
}

static void add_bytes(struct buf *out, const struct ad *event, const char *name, const char *label)
{
    buf_printf(out, "\t%" PRId64 "  -  %s\n", not_negative(event, name), label);
}

static void add_attribute(struct buf *out, const struct ad *event, const char *name, const char *indent)
{
    auto_buf struct buf text = { 0 };
    if (!ad_print_expr(event, name, &text))
        return;
    buf_printf(out, "%s%s = ", indent, name);
    add_text(out, buf_cstr(&text));
    buf_char(out, '\n');
}

/* ---- the table of resources ---- */

const struct eventlog_usage eventlog_usages[USAGE_COUNT] = {
    [USAGE_RUN_REMOTE] = { "Run Remote", "RunRemoteUserUs", "RunRemoteSysUs" },
    [USAGE_RUN_LOCAL] = { "Run Local", "RunLocalUserUs", "RunLocalSysUs" },
    [USAGE_TOTAL_REMOTE] = { "Total Remote", "TotalRemoteUserUs", "TotalRemoteSysUs" },
    [USAGE_TOTAL_LOCAL] = { "Total Local", "TotalLocalUserUs", "TotalLocalSysUs" },
};

const char *const eventlog_checkpoint_names[] = { "Generation", "Bytes", "PauseUs", "LatencyUs", NULL };

const struct eventlog_resource eventlog_resources[] = {
    { "Cpus", "CpusUsage", "RequestCpus", "Cpus" },
    { "Disk (KB)", "DiskUsage", "RequestDisk", "Disk" },
    { "Memory (MB)", "MemoryUsage", "RequestMemory", "Memory" },
    { NULL, NULL, NULL, NULL },
};

enum { COLUMNS = 3, CELL = 40 };

static void print_cell(const struct ad *event, const char *name, char cell[CELL])
{
    double value = ad_real(event, name, -1);
    value = value < EVENTLOG_CELL_MAX ? value : EVENTLOG_CELL_MAX;
    if (!(value >= 0))
        cell[0] = '\0'; /* no number, or none that means something */
    else if (value == (double)(int64_t)value)
        snprintf(cell, CELL, "%" PRId64, (int64_t)value);
    else
        snprintf(cell, CELL, "%.2f", value);
}

static void print_row(const struct ad *event, const struct eventlog_resource *r, char cells[COLUMNS][CELL])
{
    print_cell(event, r->usage, cells[0]);
    print_cell(event, r->request, cells[1]);
    print_cell(event, r->allocated, cells[2]);
}

/* Numbers are aligned to the right under their headings; a column is as wide as its widest number. */
static void add_resources(struct buf *out, const struct ad *event)
{
    static const char *const headings[COLUMNS] = { "Usage", "Request", "Allocated" };
    int width[COLUMNS] = { 8, 8, 9 };
    char cells[COLUMNS][CELL];
    bool any = false;
    for (const struct eventlog_resource *r = eventlog_resources; r->label; r++) {
        print_row(event, r, cells);
        for (int c = 0; c < COLUMNS; c++) {
            int len = (int)strlen(cells[c]);
            width[c] = len > width[c] ? len : width[c];
            any = any || len > 0;
        }
    }
    if (!any)
        return;
    buf_printf(out, "\tPartitionable Resources : %*s %*s %*s \n", width[0], headings[0], width[1], headings[1], width[2],
               headings[2]);
    for (const struct eventlog_resource *r = eventlog_resources; r->label; r++) {
        print_row(event, r, cells);
        if (cells[0][0] || cells[1][0] || cells[2][0])
            buf_printf(out, "\t   %-20s : %*s %*s %*s \n", r->label, width[0], cells[0], width[1], cells[1], width[2],
                       cells[2]);
    }
}

/* ---- bodies ---- */

static void print_submit(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job submitted from host: ");
    add_text(out, ad_string(event, "SubmitHost", ""));
    buf_char(out, '\n');
    add_line(out, "    ", ad_string(event, "LogNotes", NULL), "");
    add_line(out, "    " EVENTLOG_WARNING, ad_string(event, "Warnings", NULL), "");
}

static void print_execute(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job executing on host: ");
    add_text(out, ad_string(event, "ExecuteHost", ""));
    buf_char(out, '\n');
    add_line(out, "\tSlotName: ", ad_string(event, "SlotName", NULL), "");
}

static void print_checkpointed(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job was checkpointed.\n");
    add_usage(out, event, "\t", &eventlog_usages[USAGE_RUN_REMOTE]);
    add_usage(out, event, "\t", &eventlog_usages[USAGE_RUN_LOCAL]);
    add_bytes(out, event, "SentBytes", "Run Bytes Sent By Job For Checkpoint");
    for (size_t i = 0; eventlog_checkpoint_names[i]; i++)
        add_attribute(out, event, eventlog_checkpoint_names[i], "\t");
}

static void print_ending(struct buf *out, const struct ad *event)
{
    if (ad_bool(event, "TerminatedNormally", false))
        buf_printf(out, "\t(1) Normal termination (return value %" PRId64 ")\n", ad_int(event, "ReturnValue", 0));
    else
        buf_printf(out, "\t(0) Abnormal termination (signal %" PRId64 ")\n\t(0) No core file\n",
                   ad_int(event, "TerminatedBySignal", 0));
}

static void print_evicted(struct buf *out, const struct ad *event)
{
    bool requeued = ad_bool(event, "TerminatedAndRequeued", false);
    buf_text(out, "Job was evicted.");
    if (ad_has(event, "ReasonCode"))
        buf_printf(out, " Code %" PRId64 " Subcode %" PRId64, ad_int(event, "ReasonCode", 0),
                   ad_int(event, "ReasonSubCode", 0));
    buf_printf(out, "\n\t%s\n",
               requeued                                  ? "(0) Job terminated and was requeued"
               : ad_bool(event, "Checkpointed", false) ? "(1) Job was checkpointed."
                                                         : "(0) CPU times");
    add_usage(out, event, "\t\t", &eventlog_usages[USAGE_RUN_REMOTE]);
    add_usage(out, event, "\t\t", &eventlog_usages[USAGE_RUN_LOCAL]);
    add_bytes(out, event, "SentBytes", "Run Bytes Sent By Job");
    add_bytes(out, event, "ReceivedBytes", "Run Bytes Received By Job");
    if (requeued)
        print_ending(out, event);
    add_line(out, "\tReason: ", ad_string(event, "Reason", NULL), "");
    add_resources(out, event);
}

/* Every line of this event is known to readers: nothing of ours may be added. */
static void print_terminated(struct buf *out, const struct ad *event)
{
    static const struct { const char *name, *label; } bytes[] = {
        { "SentBytes", "Run Bytes Sent By Job" },
        { "ReceivedBytes", "Run Bytes Received By Job" },
        { "TotalSentBytes", "Total Bytes Sent By Job" },
        { "TotalReceivedBytes", "Total Bytes Received By Job" },
    };
    bool normal = ad_bool(event, "TerminatedNormally", false);
    buf_text(out, "Job terminated.\n");
    print_ending(out, event);
    for (int i = 0; i < USAGE_COUNT; i++)
        add_usage(out, event, "\t\t", &eventlog_usages[i]);
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        add_bytes(out, event, bytes[i].name, bytes[i].label);
    add_resources(out, event);
    buf_text(out, "\n\tJob terminated of its own accord at ");
    add_time(out, ad_int(event, "EventTime", 0), 'T', "Z");
    buf_printf(out, " with %s %" PRId64 ".\n", normal ? "exit-code" : "signal",
               ad_int(event, normal ? "ReturnValue" : "TerminatedBySignal", 0));
}

static void print_image_size(struct buf *out, const struct ad *event)
{
    buf_printf(out, "Image size of job updated: %" PRId64 "\n", not_negative(event, "Size"));
    if (ad_has(event, "MemoryUsage"))
        add_bytes(out, event, "MemoryUsage", "MemoryUsage of job (MB)");
    if (ad_has(event, "ResidentSetSize"))
        add_bytes(out, event, "ResidentSetSize", "ResidentSetSize of job (KB)");
}

static void print_aborted(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job was aborted.\n");
    add_line(out, "\t", ad_string(event, "Reason", NULL), "");
}

static void print_suspended(struct buf *out, const struct ad *event)
{
    buf_printf(out, "Job was suspended.\n\tNumber of processes actually suspended: %" PRId64 "\n",
               ad_int(event, "NumberOfPIDs", 0));
}

static void print_unsuspended(struct buf *out, const struct ad *event)
{
    (void)event;
    buf_text(out, "Job was unsuspended.\n");
}

static void print_held(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job was held.\n");
    add_line(out, "\t", text_of(event, "HoldReason", EVENTLOG_UNSPECIFIED), "");
    buf_printf(out, "\tCode %" PRId64 " Subcode %" PRId64 "\n", ad_int(event, "HoldReasonCode", 0),
               ad_int(event, "HoldReasonSubCode", 0));
}

static void print_released(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job was released.\n");
    add_line(out, "\t", ad_string(event, "Reason", NULL), "");
}

static void print_remote_error(struct buf *out, const struct ad *event)
{
    buf_printf(out, "%s from ", ad_bool(event, "CriticalError", true) ? "Error" : "Warning");
    add_text(out, ad_string(event, "Daemon", "runner"));
    buf_text(out, " on ");
    add_text(out, ad_string(event, "ExecuteHost", ""));
    buf_text(out, ":\n");
    add_line(out, "\t", ad_string(event, "ErrorMsg", NULL), "");
}

static void print_disconnected(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job disconnected, attempting to reconnect\n");
    add_line(out, "    ", text_of(event, "DisconnectReason", EVENTLOG_UNSPECIFIED), "");
    buf_text(out, "    Trying to reconnect to ");
    add_text(out, text_of(event, "StartdName", EVENTLOG_UNKNOWN));
    buf_char(out, ' ');
    add_text(out, text_of(event, "StartdAddr", EVENTLOG_UNKNOWN));
    buf_char(out, '\n');
}

static void print_reconnected(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job reconnected to ");
    add_text(out, text_of(event, "StartdName", EVENTLOG_UNKNOWN));
    buf_text(out, "\n    startd address: ");
    add_text(out, text_of(event, "StartdAddr", EVENTLOG_UNKNOWN));
    buf_text(out, "\n    starter address: ");
    add_text(out, text_of(event, "StarterAddr", EVENTLOG_UNKNOWN));
    buf_char(out, '\n');
}

static void print_reconnect_failed(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job reconnection failed\n");
    add_line(out, "    ", text_of(event, "Reason", EVENTLOG_UNSPECIFIED), "");
    add_line(out, "    Can not reconnect to ", text_of(event, "StartdName", EVENTLOG_UNKNOWN), ", rescheduling job");
}

static void print_cluster_submit(struct buf *out, const struct ad *event)
{
    buf_text(out, "Cluster submitted from host: ");
    add_text(out, ad_string(event, "SubmitHost", ""));
    buf_char(out, '\n');
    add_line(out, "    ", ad_string(event, "LogNotes", NULL), "");
}

static void print_cluster_remove(struct buf *out, const struct ad *event)
{
    buf_printf(out, "Cluster removed\n\tMaterialized %" PRId64 " jobs from %" PRId64 " items.\t", not_negative(event, "Jobs"),
               not_negative(event, "Items"));
    add_text(out, text_of(event, "Completion", "Incomplete"));
    buf_char(out, '\n');
    add_line(out, "\t", ad_string(event, "LogNotes", NULL), "");
}

static void print_factory_paused(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job Materialization Paused\n");
    add_line(out, "\t", text_of(event, "Reason", EVENTLOG_UNSPECIFIED), "");
    buf_printf(out, "\tPauseCode %" PRId64 "\n", ad_int(event, "PauseCode", 0));
    if (ad_int(event, "HoldCode", 0) != 0)
        buf_printf(out, "\tHoldCode %" PRId64 "\n", ad_int(event, "HoldCode", 0));
}

static void print_factory_resumed(struct buf *out, const struct ad *event)
{
    buf_text(out, "Job Materialization Resumed\n");
    add_line(out, "\t", ad_string(event, "Reason", NULL), "");
}

/* ---- events ---- */

static void (*const printers[])(struct buf *out, const struct ad *event) = {
    [0] = print_submit,         [1] = print_execute,       [3] = print_checkpointed,      [4] = print_evicted,
    [5] = print_terminated,     [6] = print_image_size,    [9] = print_aborted,           [10] = print_suspended,
    [11] = print_unsuspended,   [12] = print_held,         [13] = print_released,         [21] = print_remote_error,
    [22] = print_disconnected,  [23] = print_reconnected,  [24] = print_reconnect_failed,
    [35] = print_cluster_submit, [36] = print_cluster_remove,  [37] = print_factory_paused,   [38] = print_factory_resumed,
};

bool eventlog_in_header(const char *name)
{
    static const char *const names[] = { "EventTypeNumber", "Cluster", "Proc", "Subproc", "EventTime", "UtcOffset",
                                         "EventHead" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static void print_attributes(struct buf *out, const struct ad *event)
{
    for (size_t i = 0; i < ad_count(event); i++)
        if (!eventlog_in_header(ad_name(event, i)))
            add_attribute(out, event, ad_name(event, i), "");
}

void eventlog_print(const struct ad *event, struct buf *out)
{
    int64_t type = ad_int(event, "EventTypeNumber", EVENTLOG_ATTRIBUTES);
    type = type < 0 || type > 999 ? EVENTLOG_ATTRIBUTES : type;
    int64_t proc = ad_int(event, "Proc", 0);
    buf_printf(out, "%03d (%03" PRId64 ".%03" PRId64 ".%03" PRId64 ") ", (int)type, not_negative(event, "Cluster"),
               proc < -1 ? -1 : proc, not_negative(event, "Subproc"));
    add_time(out, clamp_time(ad_int(event, "EventTime", 0)) + ad_int(event, "UtcOffset", 0) % 86400 * SECOND_US, ' ', " ");
    if ((size_t)type < sizeof printers / sizeof printers[0] && printers[type]) {
        printers[type](out, event);
    } else {
        add_line(out, "", text_of(event, "EventHead", EVENTLOG_ATTRIBUTES_HEAD), "");
        print_attributes(out, event);
    }
    buf_text(out, "...\n");
}
