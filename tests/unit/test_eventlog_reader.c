/*
 * Tools read the event log line by line, and some of them strictly: this line, then that one. Here is such a reader, made from
 * HTCondor's documentation and logs alone: a grammar of regular expressions for every event. Whatever an event's attributes
 * hold, what is printed must fit it.
 */
#include "base/mem.h"
#include "job/eventlog.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define USAGE "\t\tUsr [0-9]+ [0-9]{2}:[0-9]{2}:[0-9]{2}, Sys [0-9]+ [0-9]{2}:[0-9]{2}:[0-9]{2}  -  "
#define AMOUNT "\t[0-9]+  -  "
#define NUMBER "[0-9.]+"
#define ROW " : +(" NUMBER " +){0,3}"
#define TABLE                                                                                                                     \
    "?\tPartitionable Resources : +Usage +Request +Allocated $", "?\t   Cpus {16}" ROW "$", "?\t   Disk \\(KB\\) {11}" ROW "$",     \
        "?\t   Memory \\(MB\\) {9}" ROW "$"

enum { LINES_MAX = 24 };

/* A line's first character may say how often it comes: "?" at most once, "*" any number of times; otherwise once. */
static const struct {
    int type;
    const char *lines[LINES_MAX];
} grammar[] = {
    { 0, { "Job submitted from host: .*$", "?    .+$", "?    WARNING: .+$" } },
    { 1, { "Job executing on host: .*$", "?\tSlotName: .+$" } },
    { 3, { "Job was checkpointed\\.$", "\tUsr .+  -  Run Remote Usage$", "\tUsr .+  -  Run Local Usage$",
           AMOUNT "Run Bytes Sent By Job For Checkpoint$", "*\t[A-Za-z]+ = .+$" } },
    { 4, { "Job was evicted\\.( Code -?[0-9]+ Subcode -?[0-9]+)?$", "\t\\([01]\\) (Job was checkpointed\\.|CPU times)$",
           USAGE "Run Remote Usage$", USAGE "Run Local Usage$", AMOUNT "Run Bytes Sent By Job$", AMOUNT "Run Bytes Received By Job$",
           "?\tReason: .+$", TABLE } },
    { 5, { "Job terminated\\.$", "\t(\\(1\\) Normal termination \\(return value -?[0-9]+\\)|\\(0\\) Abnormal termination \\(signal "
           "-?[0-9]+\\))$", "?\t\\(0\\) No core file$", USAGE "Run Remote Usage$", USAGE "Run Local Usage$", USAGE "Total Remote Usage$",
           USAGE "Total Local Usage$", AMOUNT "Run Bytes Sent By Job$", AMOUNT "Run Bytes Received By Job$",
           AMOUNT "Total Bytes Sent By Job$", AMOUNT "Total Bytes Received By Job$", TABLE, "$",
           "\tJob terminated of its own accord at [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z with (exit-code|signal) "
           "-?[0-9]+\\.$" } },
    { 6, { "Image size of job updated: [0-9]+$", "?" AMOUNT "MemoryUsage of job \\(MB\\)$", "?" AMOUNT "ResidentSetSize of job \\(KB\\)$" } },
    { 9, { "Job was aborted\\.$", "?\t.+$" } },
    { 10, { "Job was suspended\\.$", "\tNumber of processes actually suspended: -?[0-9]+$" } },
    { 11, { "Job was unsuspended\\.$" } },
    { 12, { "Job was held\\.$", "\t.+$", "\tCode -?[0-9]+ Subcode -?[0-9]+$" } },
    { 13, { "Job was released\\.$", "?\t.+$" } },
    { 21, { "(Error|Warning) from .* on .*:$", "?\t.+$" } },
    { 22, { "Job disconnected, attempting to reconnect$", "    .+$", "    Trying to reconnect to .+ .+$" } },
    { 23, { "Job reconnected to .+$", "    startd address: .+$", "    starter address: .+$" } },
    { 24, { "Job reconnection failed$", "    .+$", "    Can not reconnect to .+, rescheduling job$" } },
    { 28, { "Job ad information event triggered\\.$", "*[A-Za-z]+ = .*$" } },
};

static bool matches(const char *pattern, const char *line)
{
    regex_t regex;
    auto_free char *anchored = mem_printf("^%s", pattern);
    assert_int_equal(regcomp(&regex, anchored, REG_EXTENDED | REG_NOSUB), 0);
    bool good = regexec(&regex, line, 0, NULL, 0) == 0;
    regfree(&regex);
    return good;
}

/* Greedy: an optional line that fits is taken. Returns the line that fits nothing, NULL if all do. */
static const char *first_misfit(const char *const *patterns, char *body)
{
    char *save = NULL;
    const char *line = body;
    for (char *end; line && *line; line = save) {
        end = strchr(line, '\n');
        *end = '\0';
        save = end + 1;
        while (*patterns && (**patterns == '?' || **patterns == '*') && !matches(*patterns + 1, line))
            patterns++;
        if (!*patterns || !matches(*patterns + (**patterns == '?' || **patterns == '*'), line))
            return line;
        patterns += **patterns != '*';
    }
    while (*patterns && (**patterns == '?' || **patterns == '*'))
        patterns++;
    return *patterns ? "(a line is missing)" : NULL;
}

static const char *const *grammar_of(int type)
{
    for (size_t i = 0; i < sizeof grammar / sizeof grammar[0]; i++)
        if (grammar[i].type == type)
            return grammar[i].lines;
    return NULL;
}

static void check_printed(int type, const struct ad *event)
{
    auto_buf struct buf out = { 0 };
    int used = 0, number, cluster, proc, subproc;
    eventlog_print(event, &out);
    auto_free char *copy = mem_dup(buf_cstr(&out));
    if (sscanf(copy, "%3d (%d.%d.%d) %*4d-%*2d-%*2d %*2d:%*2d:%*2d %n", &number, &cluster, &proc, &subproc, &used) != 4 || !used)
        fail_msg("no header: %s", copy);
    assert_int_equal(number, type);
    size_t len = strlen(copy);
    assert_true(len > 5 && strcmp(copy + len - 5, "\n...\n") == 0);
    copy[len - 4] = '\0';
    const char *misfit = first_misfit(grammar_of(type), copy + used);
    if (misfit)
        fail_msg("'%s' does not fit into\n%s", misfit, buf_cstr(&out));
}

/* ---- events at random ---- */

static unsigned seed = 7;

static unsigned pick(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % n;
}

static void add_random_attribute(struct ad *event, const char *name)
{
    static const char *const texts[] = { "x", "", " ", "two words", "...", "a\n...\n", "\n", "\ttab", "Code 1 Subcode 2", "ä€", "a:b",
                                         "slot1@host", "<127.0.0.1:9618?a=b&c>", "Reason: x", "5  -  Run Bytes Sent By Job" };
    static const int64_t numbers[] = { 0, 1, -1, 17, 255, 1000000, 61000000, 90061000000, INT64_MAX, INT64_MIN };
    static const double reals[] = { 0, 0.5, 1.25, -1, 1e300, 3 };
    switch (pick(6)) {
    case 0:
    case 1:
        ad_set_string(event, name, texts[pick(sizeof texts / sizeof texts[0])]);
        break;
    case 2:
    case 3:
        ad_set_int(event, name, numbers[pick(sizeof numbers / sizeof numbers[0])]);
        break;
    case 4:
        ad_set_real(event, name, reals[pick(sizeof reals / sizeof reals[0])]);
        break;
    default:
        ad_set_bool(event, name, pick(2) == 0);
    }
}

static void whatever_an_event_holds_a_strict_reader_reads_it(void **state)
{
    static const char *const names[] = { "SubmitHost", "LogNotes", "Warnings", "ExecuteHost", "SlotName", "RunRemoteUserUs", "RunRemoteSysUs",
        "RunLocalUserUs", "TotalRemoteUserUs", "TotalRemoteSysUs", "SentBytes", "ReceivedBytes", "TotalSentBytes", "TotalReceivedBytes",
        "Generation", "Bytes", "PauseUs", "LatencyUs", "Checkpointed", "Reason", "ReasonCode", "ReasonSubCode", "TerminatedNormally",
        "ReturnValue", "TerminatedBySignal", "Size", "MemoryUsage", "ResidentSetSize", "NumberOfPIDs", "HoldReason", "HoldReasonCode",
        "HoldReasonSubCode", "Daemon", "ErrorMsg", "CriticalError", "DisconnectReason", "StartdName", "StartdAddr", "StarterAddr",
        "CpusUsage", "RequestCpus", "Cpus", "RequestMemory", "Memory", "DiskUsage", "RequestDisk", "Disk" };
    (void)state;
    for (int round = 0; round < 3000; round++) {
        int type = grammar[(size_t)round % (sizeof grammar / sizeof grammar[0])].type;
        unsigned density = 1 + pick(4);
        auto_ad struct ad *event = ad_new();
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (pick(density) == 0)
                add_random_attribute(event, names[i]);
        ad_set_int(event, "EventTypeNumber", type);
        ad_set_int(event, "Cluster", 1 + (int)pick(100000));
        ad_set_int(event, "EventTime", INT64_C(1795455373000000) + pick(1000000));
        ad_set_int(event, "UtcOffset", (int)pick(50) * 1800 - 43200);
        check_printed(type, event);
    }
}

static void what_a_strict_reader_refuses_is_noticed_here(void **state)
{
    static const struct { int type; const char *body; } bad[] = {
        { 5, "Job terminated.\n\t(1) Normal termination (return value 0)\n" },
        { 9, "Job was aborted.\n\tone\n\ttwo\n" },
        { 12, "Job was held.\n\tCode 1 Subcode 0\n" },
        { 6, "Image size of job updated: 5\n\t1  -  ResidentSetSize of job (KB)\n\t1  -  MemoryUsage of job (MB)\n" },
        { 11, "Job was unsuspended.\nmore\n" },
        { 22, "Job disconnected, attempting to reconnect\n    Trying to reconnect to a b\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        auto_free char *body = mem_dup(bad[i].body);
        if (!first_misfit(grammar_of(bad[i].type), body))
            fail_msg("case %zu passes", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_an_event_holds_a_strict_reader_reads_it),
        cmocka_unit_test(what_a_strict_reader_refuses_is_noticed_here),
    };
    return cmocka_run_group_tests_name("eventlog reader", tests, NULL, NULL);
}
