/* The event log's text: what is printed line by line, that it reads back, and that HTCondor's own logs are read. */
#include "base/mem.h"
#include "job/eventlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define TIME_US "EventTime = 1795455373000000\n" /* 2026-11-23 17:36:13 UTC */
#define HEAD "Cluster = 7\nProc = 0\nSubproc = 0\n" TIME_US
#define STAMP " (007.000.000) 2026-11-23 17:36:13 "
#define NO_USAGE "Usr 0 00:00:00, Sys 0 00:00:00  -  "

static struct ad *event_of(const char *text)
{
    struct ad *ad = ad_new();
    struct error err;
    if (ad_parse(ad, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    return ad;
}

static struct ad *parse_one(const char *text)
{
    struct ad *event = NULL;
    struct error err = { 0 };
    size_t used = 0;
    int done = eventlog_parse(text, strlen(text), &used, &event, &err);
    if (done < 0)
        fail_msg("%s", err.text);
    assert_int_equal(done, 0);
    assert_int_equal(used, strlen(text));
    return event;
}

/* ---- printing, and back ---- */

#define WHOLE " (007.-01.000) 2026-11-23 17:36:13 "

static const struct {
    const char *event; /* attributes beside those of the header */
    const char *text;
} printed[] = {
    { "EventTypeNumber = 0\nSubmitHost = \"<127.0.0.1:9618>\"",
      "000" STAMP "Job submitted from host: <127.0.0.1:9618>\n...\n" },
    { "EventTypeNumber = 0\nSubmitHost = \"<h>\"\nLogNotes = \"DAG Node: A\"\nWarnings = \"'x' is ignored\"",
      "000" STAMP "Job submitted from host: <h>\n    DAG Node: A\n    WARNING: 'x' is ignored\n...\n" },
    { "EventTypeNumber = 35\nSubmitHost = \"<h>\"\nLogNotes = \"DAG Node: A\"\nProc = -1",
      "035" WHOLE "Cluster submitted from host: <h>\n    DAG Node: A\n...\n" },
    { "EventTypeNumber = 36\nJobs = 5\nItems = 10\nCompletion = \"Incomplete\"\nLogNotes = \"by ann\"\nProc = -1",
      "036" WHOLE "Cluster removed\n\tMaterialized 5 jobs from 10 items.\tIncomplete\n\tby ann\n...\n" },
    { "EventTypeNumber = 36\nJobs = 7\nItems = 7\nCompletion = \"Complete\"\nProc = -1",
      "036" WHOLE "Cluster removed\n\tMaterialized 7 jobs from 7 items.\tComplete\n...\n" },
    { "EventTypeNumber = 37\nReason = \"by ann\"\nPauseCode = 1\nHoldCode = 1\nProc = -1",
      "037" WHOLE "Job Materialization Paused\n\tby ann\n\tPauseCode 1\n\tHoldCode 1\n...\n" },
    { "EventTypeNumber = 37\nReason = \"no number\"\nPauseCode = -1\nProc = -1",
      "037" WHOLE "Job Materialization Paused\n\tno number\n\tPauseCode -1\n...\n" },
    { "EventTypeNumber = 38\nReason = \"by ann\"\nProc = -1", "038" WHOLE "Job Materialization Resumed\n\tby ann\n...\n" },
    { "EventTypeNumber = 0\nSubmitHost = \"<h>\"\nWarnings = \"w\"", "000" STAMP "Job submitted from host: <h>\n    WARNING: w\n...\n" },
    { "EventTypeNumber = 1\nExecuteHost = \"<h>\"\nSlotName = \"slot1@h\"",
      "001" STAMP "Job executing on host: <h>\n\tSlotName: slot1@h\n...\n" },
    { "EventTypeNumber = 3\nRunRemoteUserUs = 61000000\nRunRemoteSysUs = 90061000000\nSentBytes = 5\nGeneration = 2\nBytes = 1048576\n"
      "PauseUs = 28000\nLatencyUs = 31000",
      "003" STAMP "Job was checkpointed.\n"
      "\tUsr 0 00:01:01, Sys 1 01:01:01  -  Run Remote Usage\n\t" NO_USAGE "Run Local Usage\n"
      "\t5  -  Run Bytes Sent By Job For Checkpoint\n"
      "\tGeneration = 2\n\tBytes = 1048576\n\tPauseUs = 28000\n\tLatencyUs = 31000\n...\n" },
    { "EventTypeNumber = 4\nCheckpointed = true\nRunRemoteUserUs = 1000000\nRunRemoteSysUs = 0\nSentBytes = 10\nReceivedBytes = 20",
      "004" STAMP "Job was evicted.\n\t(1) Job was checkpointed.\n"
      "\t\tUsr 0 00:00:01, Sys 0 00:00:00  -  Run Remote Usage\n\t\t" NO_USAGE "Run Local Usage\n"
      "\t10  -  Run Bytes Sent By Job\n\t20  -  Run Bytes Received By Job\n...\n" },
    { "EventTypeNumber = 4\nCheckpointed = false\nReason = \"vacated by alice\"\nReasonCode = 1004\nReasonSubCode = 0\n"
      "RunRemoteUserUs = 0\nRunRemoteSysUs = 0\nSentBytes = 0\nReceivedBytes = 0\n"
      "CpusUsage = 0.5\nRequestCpus = 1\nCpus = 2\nMemoryUsage = 3\nRequestMemory = 128\nMemory = 256\nDisk = 12345678901",
      "004" STAMP "Job was evicted. Code 1004 Subcode 0\n\t(0) CPU times\n\t\t" NO_USAGE "Run Remote Usage\n\t\t" NO_USAGE
      "Run Local Usage\n\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n\tReason: vacated by alice\n"
      "\tPartitionable Resources :    Usage  Request   Allocated \n"
      "\t   Cpus                 :     0.50        1           2 \n"
      "\t   Disk (KB)            :                   12345678901 \n"
      "\t   Memory (MB)          :        3      128         256 \n...\n" },
    { "EventTypeNumber = 4\nCheckpointed = false\nTerminatedAndRequeued = true\nTerminatedNormally = false\nTerminatedBySignal = 9\n"
      "RunRemoteUserUs = 0\nRunRemoteSysUs = 0\nSentBytes = 0\nReceivedBytes = 0\nReason = \"it may be tried again\"",
      "004" STAMP "Job was evicted.\n\t(0) Job terminated and was requeued\n\t\t" NO_USAGE "Run Remote Usage\n\t\t" NO_USAGE
      "Run Local Usage\n\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n"
      "\t(0) Abnormal termination (signal 9)\n\t(0) No core file\n\tReason: it may be tried again\n...\n" },
    { "EventTypeNumber = 5\nTerminatedNormally = true\nReturnValue = 17\nRunRemoteUserUs = 7000000\nRunRemoteSysUs = 1000000\n"
      "TotalRemoteUserUs = 86400000000\nTotalRemoteSysUs = 1000000\nSentBytes = 1\nReceivedBytes = 2\nTotalSentBytes = 3\n"
      "TotalReceivedBytes = 4\nRequestCpus = 1\nCpus = 1",
      "005" STAMP "Job terminated.\n\t(1) Normal termination (return value 17)\n"
      "\t\tUsr 0 00:00:07, Sys 0 00:00:01  -  Run Remote Usage\n\t\t" NO_USAGE "Run Local Usage\n"
      "\t\tUsr 1 00:00:00, Sys 0 00:00:01  -  Total Remote Usage\n\t\t" NO_USAGE "Total Local Usage\n"
      "\t1  -  Run Bytes Sent By Job\n\t2  -  Run Bytes Received By Job\n"
      "\t3  -  Total Bytes Sent By Job\n\t4  -  Total Bytes Received By Job\n"
      "\tPartitionable Resources :    Usage  Request Allocated \n"
      "\t   Cpus                 :                 1         1 \n"
      "\n\tJob terminated of its own accord at 2026-11-23T17:36:13Z with exit-code 17.\n...\n" },
    { "EventTypeNumber = 5\nTerminatedNormally = false\nTerminatedBySignal = 11\nRunRemoteUserUs = 0\nRunRemoteSysUs = 0\n"
      "TotalRemoteUserUs = 0\nTotalRemoteSysUs = 0\nSentBytes = 0\nReceivedBytes = 0\nTotalSentBytes = 0\nTotalReceivedBytes = 0",
      "005" STAMP "Job terminated.\n\t(0) Abnormal termination (signal 11)\n\t(0) No core file\n\t\t" NO_USAGE
      "Run Remote Usage\n\t\t" NO_USAGE "Run Local Usage\n\t\t" NO_USAGE "Total Remote Usage\n\t\t" NO_USAGE "Total Local Usage\n"
      "\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n"
      "\t0  -  Total Bytes Sent By Job\n\t0  -  Total Bytes Received By Job\n"
      "\n\tJob terminated of its own accord at 2026-11-23T17:36:13Z with signal 11.\n...\n" },
    { "EventTypeNumber = 6\nSize = 100\nMemoryUsage = 1\nResidentSetSize = 90",
      "006" STAMP "Image size of job updated: 100\n\t1  -  MemoryUsage of job (MB)\n\t90  -  ResidentSetSize of job (KB)\n...\n" },
    { "EventTypeNumber = 6\nSize = 100", "006" STAMP "Image size of job updated: 100\n...\n" },
    { "EventTypeNumber = 9\nReason = \"removed by alice\"", "009" STAMP "Job was aborted.\n\tremoved by alice\n...\n" },
    { "EventTypeNumber = 9", "009" STAMP "Job was aborted.\n...\n" },
    { "EventTypeNumber = 10\nNumberOfPIDs = 3",
      "010" STAMP "Job was suspended.\n\tNumber of processes actually suspended: 3\n...\n" },
    { "EventTypeNumber = 11", "011" STAMP "Job was unsuspended.\n...\n" },
    { "EventTypeNumber = 12\nHoldReason = \"no\"\nHoldReasonCode = 1\nHoldReasonSubCode = -2",
      "012" STAMP "Job was held.\n\tno\n\tCode 1 Subcode -2\n...\n" },
    { "EventTypeNumber = 12\nHoldReasonCode = 0\nHoldReasonSubCode = 0",
      "012" STAMP "Job was held.\n\tReason unspecified\n\tCode 0 Subcode 0\n...\n" },
    { "EventTypeNumber = 13\nReason = \"released by alice\"", "013" STAMP "Job was released.\n\treleased by alice\n...\n" },
    { "EventTypeNumber = 21\nDaemon = \"runner\"\nExecuteHost = \"h\"\nErrorMsg = \"disk full\"\nCriticalError = true",
      "021" STAMP "Error from runner on h:\n\tdisk full\n...\n" },
    { "EventTypeNumber = 21\nDaemon = \"runner\"\nExecuteHost = \"h:1\"\nErrorMsg = \"slow\"\nCriticalError = false",
      "021" STAMP "Warning from runner on h:1:\n\tslow\n...\n" },
    { "EventTypeNumber = 22\nDisconnectReason = \"pool died\"\nStartdName = \"slot1@h\"\nStartdAddr = \"<h>\"",
      "022" STAMP "Job disconnected, attempting to reconnect\n    pool died\n    Trying to reconnect to slot1@h <h>\n...\n" },
    { "EventTypeNumber = 23\nStartdName = \"slot1@h\"\nStartdAddr = \"<a>\"\nStarterAddr = \"<b>\"",
      "023" STAMP "Job reconnected to slot1@h\n    startd address: <a>\n    starter address: <b>\n...\n" },
    { "EventTypeNumber = 24\nReason = \"runner is gone\"\nStartdName = \"slot1@h\"",
      "024" STAMP "Job reconnection failed\n    runner is gone\n    Can not reconnect to slot1@h, rescheduling job\n...\n" },
    { "EventTypeNumber = 28\nColour = \"red\"\nSize = 3",
      "028" STAMP "Job ad information event triggered.\nColour = \"red\"\nSize = 3\n...\n" },
    { "EventTypeNumber = 40\nEventHead = \"Started transferring input files\"\nN = 1",
      "040" STAMP "Started transferring input files\nN = 1\n...\n" },
};

static void every_event_prints_its_lines_and_reads_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
        auto_free char *text = mem_printf("%s%s", HEAD, printed[i].event);
        auto_ad struct ad *event = event_of(text);
        auto_buf struct buf out = { 0 };
        eventlog_print(event, &out);
        assert_string_equal(buf_cstr(&out), printed[i].text);
        auto_ad struct ad *back = parse_one(buf_cstr(&out));
        for (size_t a = 0; a < ad_count(event); a++)
            if (!ad_same(event, back, ad_name(event, a)))
                fail_msg("event %zu: '%s' is lost", i, ad_name(event, a));
        for (size_t a = 0; a < ad_count(back); a++)
            if (!ad_has(event, ad_name(back, a)))
                fail_msg("event %zu: '%s' was not there", i, ad_name(back, a));
    }
}

static void times_are_local_by_the_callers_offset(void **state)
{
    static const struct { const char *time; const char *stamp; } cases[] = {
        { "EventTime = 0", "1970-01-01 00:00:00" },
        { "EventTime = 951782400000000", "2000-02-29 00:00:00" },
        { "EventTime = 1795455373999999\nUtcOffset = 3600", "2026-11-23 18:36:13" },
        { "EventTime = 1795455373000000\nUtcOffset = -28800", "2026-11-23 09:36:13" },
        { "EventTime = 4107542399000000", "2100-02-28 23:59:59" },
        { "EventTime = 4107542400000000", "2100-03-01 00:00:00" },
        { "EventTime = -5", "1970-01-01 00:00:00" },
        { "EventTime = 9223372036854775807", "9999-12-31 23:59:59" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *text = mem_printf("EventTypeNumber = 11\n%s", cases[i].time);
        auto_free char *want = mem_printf("011 (000.000.000) %s Job was unsuspended.\n...\n", cases[i].stamp);
        auto_ad struct ad *event = event_of(text);
        auto_buf struct buf out = { 0 };
        eventlog_print(event, &out);
        assert_string_equal(buf_cstr(&out), want);
    }
}

static void numbers_have_at_least_three_digits(void **state)
{
    auto_ad struct ad *event = event_of("EventTypeNumber = 11\nCluster = 12345\nProc = 6789\nSubproc = 1\n" TIME_US);
    auto_buf struct buf out = { 0 };
    (void)state;
    eventlog_print(event, &out);
    assert_string_equal(buf_cstr(&out), "011 (12345.6789.001) 2026-11-23 17:36:13 Job was unsuspended.\n...\n");
    auto_ad struct ad *back = parse_one(buf_cstr(&out));
    assert_int_equal(ad_int(back, "Cluster", 0), 12345);
    assert_int_equal(ad_int(back, "Proc", 0), 6789);
}

/* Every text attribute of every event tries to end its event and to start another. */
static void no_value_can_fake_an_event(void **state)
{
    static const char hostile[] = "x\\n...\\n005 (001.000.000) 2026-01-01 00:00:00 Job terminated.\\n...\\n";
    static const char *const names[] = { "SubmitHost", "LogNotes", "Warnings", "ExecuteHost", "SlotName", "Reason", "HoldReason", "Daemon",
        "ErrorMsg", "DisconnectReason", "StartdName", "StartdAddr", "StarterAddr", "EventHead", "Other", "Generation" };
    (void)state;
    for (int type = 0; type < 50; type++) {
        auto_buf struct buf text = { 0 };
        auto_buf struct buf out = { 0 };
        buf_printf(&text, HEAD "EventTypeNumber = %d\n", type);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            buf_printf(&text, "%s = \"%s\"\n", names[i], hostile);
        auto_ad struct ad *event = event_of(buf_cstr(&text));
        eventlog_print(event, &out);
        const char *dots = strstr(buf_cstr(&out), "\n...");
        assert_non_null(dots);
        assert_string_equal(dots, "\n...\n");
        auto_ad struct ad *back = parse_one(buf_cstr(&out));
        assert_int_equal(ad_int(back, "EventTypeNumber", -1), type);
        assert_int_equal(ad_int(back, "Cluster", -1), 7);
    }
}

static void odd_numbers_print_as_something_that_reads(void **state)
{
    auto_ad struct ad *event = event_of(HEAD "EventTypeNumber = 4\nSentBytes = -5\nReceivedBytes = \"x\"\nRunRemoteUserUs = "
                                        "9223372036854775807\nCpusUsage = 1e300\nCpus = -1\nMemory = 9007199254740993\n");
    auto_buf struct buf out = { 0 };
    (void)state;
    eventlog_print(event, &out);
    auto_ad struct ad *back = parse_one(buf_cstr(&out));
    assert_int_equal(ad_int(back, "SentBytes", -1), 0);
    assert_int_equal(ad_int(back, "ReceivedBytes", -1), 0);
    assert_false(ad_has(back, "Cpus"));
}

/* ---- reading what others wrote ---- */

struct log {
    char *text;
    struct ad *events[64];
    size_t count;
};

static void log_release(struct log *log)
{
    free(log->text);
    for (size_t i = 0; i < log->count; i++)
        ad_free(log->events[i]);
}

static void read_log(const char *path, struct log *log)
{
    auto_buf struct buf text = { 0 };
    char block[4096];
    size_t n, at = 0, used;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        buf_add(&text, block, n);
    fclose(f);
    for (; at < text.len; at += used) {
        struct error err;
        if (eventlog_parse(text.data + at, text.len - at, &used, &log->events[log->count++], &err) != 0)
            fail_msg("%s", err.text);
    }
    log->text = buf_steal(&text);
}

static void a_log_of_htcondor_is_read(void **state)
{
    __attribute__((cleanup(log_release))) struct log log = { 0 };
    (void)state;
    read_log(TEST_CASES "/eventlog/condor.log", &log);
    assert_int_equal(log.count, 12);
    assert_string_equal(ad_string(log.events[0], "LogNotes", ""), "DAG Node: A");
    assert_string_equal(ad_string(log.events[1], "EventHead", ""), "Started transferring input files");
    assert_string_equal(ad_string(log.events[2], "SlotName", ""), "slot1_1@ep.example.org");
    assert_int_equal(ad_int(log.events[3], "ResidentSetSize", 0), 1223);
    assert_string_equal(ad_string(log.events[4], "StartdName", ""), "slot1_1@ep.example.org");
    assert_string_equal(ad_string(log.events[5], "Reason", ""), "Job not found at execution machine");
    const struct ad *evicted = log.events[6];
    assert_int_equal(ad_int(evicted, "ReasonCode", 0), 1008);
    assert_false(ad_bool(evicted, "Checkpointed", true));
    assert_int_equal(ad_int(evicted, "RunRemoteUserUs", 0), 64000000);
    assert_int_equal(ad_int(evicted, "ReceivedBytes", 0), 822);
    assert_false(ad_has(evicted, "CpusUsage"));
    assert_int_equal(ad_int(evicted, "RequestCpus", 0), 1);
    assert_int_equal(ad_int(evicted, "Disk", 0), 166513009);
    assert_int_equal(ad_int(log.events[7], "ReasonSubCode", 0), -1);
    assert_int_equal(ad_int(log.events[8], "HoldReasonCode", 0), 36);
    assert_string_equal(ad_string(log.events[9], "Reason", ""), "via condor_release (by user alice)");
    assert_int_equal(ad_int(log.events[11], "Proc", 0), 1);
}

static void a_table_of_resources_is_read_by_its_columns(void **state)
{
    __attribute__((cleanup(log_release))) struct log log = { 0 };
    (void)state;
    read_log(TEST_CASES "/eventlog/condor.log", &log);
    const struct ad *ended = log.events[10];
    assert_int_equal(ad_int(ended, "ReturnValue", 0), 3);
    assert_int_equal(ad_int(ended, "TotalRemoteUserUs", 0), INT64_C(93784000000));
    assert_int_equal(ad_int(ended, "TotalReceivedBytes", 0), 1310);
    assert_true(ad_real(ended, "CpusUsage", 0) > 0.03 && ad_real(ended, "CpusUsage", 0) < 0.05);
    assert_int_equal(ad_int(ended, "DiskUsage", 0), 50);
    assert_int_equal(ad_int(ended, "Disk", 0), 1148453316);
    assert_false(ad_has(ended, "MemoryUsage"));
    assert_int_equal(ad_int(ended, "RequestMemory", 0), 1);
    assert_int_equal(ad_int(ended, "Memory", 0), 1920);
}

static void older_and_other_ways_of_writing_are_read(void **state)
{
    auto_ad struct ad *evicted = parse_one("004 (188.000.000) 2024-09-29T18:27:30.123 Job was evicted.\r\n"
        "        (1) Job was checkpointed.\r\n                Usr 0 00:02:03, Sys 0 00:00:00  -  Run Remote Usage\r\n"
        "                Usr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\r\n        2353744  -  Run Bytes Sent By Job\r\n...\r\n");
    auto_ad struct ad *aborted = parse_one("009 (1.0.0) 2024-09-29 18:27:30Z Job was aborted by the user.\n\tvia condor_rm\n...\n");
    auto_ad struct ad *bare = parse_one("005 (1.0.0) 2024-09-29 18:27:30 Job terminated.\n...\n");
    (void)state;
    assert_true(ad_bool(evicted, "Checkpointed", false));
    assert_int_equal(ad_int(evicted, "EventTime", 0), INT64_C(1727634450123000));
    assert_int_equal(ad_int(evicted, "RunRemoteUserUs", 0), 123000000);
    assert_int_equal(ad_int(evicted, "SentBytes", 0), 2353744);
    assert_string_equal(ad_string(aborted, "Reason", ""), "via condor_rm");
    assert_false(ad_has(bare, "TerminatedNormally"));
}

static void control_characters_read_as_blanks(void **state)
{
    auto_ad struct ad *event = parse_one("009" STAMP "\x17Job was aborted.\n\t\x01 a\x7F\tb \v\n...\n");
    (void)state;
    assert_string_equal(ad_string(event, "Reason", ""), "a  b");
}

/* A reader counts lines and words: what is missing must leave none out. */
static void an_event_without_its_attributes_keeps_its_lines(void **state)
{
    static const struct { int type; const char *body; } cases[] = {
        { 0, "Job submitted from host: \n" },
        { 1, "Job executing on host: \n" },
        { 12, "Job was held.\n\tReason unspecified\n\tCode 0 Subcode 0\n" },
        { 22, "Job disconnected, attempting to reconnect\n    Reason unspecified\n    Trying to reconnect to unknown unknown\n" },
        { 23, "Job reconnected to unknown\n    startd address: unknown\n    starter address: unknown\n" },
        { 24, "Job reconnection failed\n    Reason unspecified\n    Can not reconnect to unknown, rescheduling job\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *text = mem_printf("EventTypeNumber = %d\n%s", cases[i].type, HEAD);
        auto_free char *want = mem_printf("%03d%s%s...\n", cases[i].type, STAMP, cases[i].body);
        auto_ad struct ad *event = event_of(text);
        auto_buf struct buf out = { 0 };
        eventlog_print(event, &out);
        assert_string_equal(buf_cstr(&out), want);
        auto_ad struct ad *back = parse_one(buf_cstr(&out));
        assert_int_equal(ad_int(back, "EventTypeNumber", -1), cases[i].type);
    }
}

static void a_reason_that_looks_like_another_line_stays_a_reason(void **state)
{
    static const char *const reasons[] = { "Partitionable Resources : Usage Request", "Code 1 Subcode 2", "Reason: x", "5  -  Run Bytes Sent By Job",
        "(1) Job was checkpointed.", "WARNING: x", "a = b" };
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        auto_free char *text = mem_printf("EventTypeNumber = 4\n%sReason = \"%s\"\nRequestCpus = 1\n", HEAD, reasons[i]);
        auto_ad struct ad *event = event_of(text);
        auto_buf struct buf out = { 0 };
        eventlog_print(event, &out);
        auto_ad struct ad *back = parse_one(buf_cstr(&out));
        assert_string_equal(ad_string(back, "Reason", ""), reasons[i]);
        assert_int_equal(ad_int(back, "SentBytes", -1), 0);
        assert_int_equal(ad_int(back, "RequestCpus", -1), 1);
        assert_false(ad_bool(back, "Checkpointed", true));
    }
}

static void events_follow_each_other(void **state)
{
    static const char text[] = "011" STAMP "Job was unsuspended.\n...\n009" STAMP "Job was aborted.\n...\n";
    struct ad *event = NULL;
    size_t used = 0, second = 0;
    (void)state;
    assert_int_equal(eventlog_parse(text, strlen(text), &used, &event, NULL), 0);
    assert_int_equal(ad_int(event, "EventTypeNumber", 0), 11);
    ad_free(event);
    assert_int_equal(eventlog_parse(text + used, strlen(text) - used, &second, &event, NULL), 0);
    assert_int_equal(ad_int(event, "EventTypeNumber", 0), 9);
    ad_free(event);
    assert_int_equal(used + second, strlen(text));
}

/* A writer may be in the middle of any event: cut one at each of its bytes. */
static void a_part_of_an_event_is_told_apart_from_a_bad_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
        size_t len = strlen(printed[i].text);
        for (size_t cut = 0; cut < len; cut++) {
            auto_free char *exact = mem_dup_n(printed[i].text, cut);
            struct ad *event = NULL;
            size_t used = 99;
            assert_int_equal(eventlog_parse(exact, cut, &used, &event, NULL), EVENTLOG_PARTIAL);
            assert_null(event);
            assert_int_equal(used, 99);
        }
    }
}

static void what_is_no_event_is_refused(void **state)
{
    static const struct { const char *text, *error; } cases[] = {
        { "000 (001.000.000) 11/27 17:04:17 Job submitted from host: <h>\n...\n", "has a time without a year" },
        { "nonsense\n...\n", "'nonsense' is not the start of an event" },
        { "...\n", "'' is not the start of an event" },
        { "0000 (1.0.0) 2024-09-29 18:27:30 x\n...\n", "is not the start" },
        { "005 1.0.0 2024-09-29 18:27:30 x\n...\n", "is not the start" },
        { "005 (1.0) 2024-09-29 18:27:30 x\n...\n", "is not the start" },
        { "005 (99999999999.0.0) 2024-09-29 18:27:30 x\n...\n", "is not the start" },
        { "005 (1.0.0) 2024-13-29 18:27:30 x\n...\n", "is not the start" },
        { "005 (1.0.0) 2024-02-30 18:27:30 x\n...\n", "is not the start" },
        { "005 (1.0.0) 1969-12-31 18:27:30 x\n...\n", "is not the start" },
        { "005 (1.0.0) 2024-09-29 25:27:30 x\n...\n", "is not the start" },
        { "005 (1.0.0) 2024-09-29 18:27 x\n...\n", "is not the start" },
        { "005 (1.0.0) 2024-09-29 18:27:30 Job was held.\n...\n", "event 005 starts with 'Job was held.', which is not its sentence" },
        { "021 (1.0.0) 2024-09-29 18:27:30 Error\n...\n", "event 021 starts with 'Error'" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ad *event = NULL;
        struct error err = { 0 };
        size_t used;
        assert_int_equal(eventlog_parse(cases[i].text, strlen(cases[i].text), &used, &event, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        if (!strstr(err.text, cases[i].error))
            fail_msg("'%s' is not in '%s'", cases[i].error, err.text);
        assert_null(event);
    }
}

static void bytes_that_are_no_text_and_events_without_end_are_refused(void **state)
{
    static const char nul[] = "009 (1.0.0) 2024-09-29 18:27:30 Job was aborted.\n\tx\0y\n...\n";
    struct ad *event = NULL;
    struct error err;
    size_t used;
    (void)state;
    assert_int_equal(eventlog_parse(nul, sizeof nul - 1, &used, &event, &err), -1);
    assert_string_equal(err.text, "the event has a NUL byte");
    auto_buf struct buf text = { 0 };
    buf_text(&text, "009 (1.0.0) 2024-09-29 18:27:30 Job was aborted.\n");
    while (text.len <= EVENTLOG_EVENT_MAX)
        buf_text(&text, "\tline\n");
    buf_text(&text, "...\n");
    assert_int_equal(eventlog_parse(text.data, text.len, &used, &event, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_null(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_prints_its_lines_and_reads_back),
        cmocka_unit_test(times_are_local_by_the_callers_offset),
        cmocka_unit_test(numbers_have_at_least_three_digits),
        cmocka_unit_test(no_value_can_fake_an_event),
        cmocka_unit_test(odd_numbers_print_as_something_that_reads),
        cmocka_unit_test(a_log_of_htcondor_is_read),
        cmocka_unit_test(a_table_of_resources_is_read_by_its_columns),
        cmocka_unit_test(older_and_other_ways_of_writing_are_read),
        cmocka_unit_test(control_characters_read_as_blanks),
        cmocka_unit_test(an_event_without_its_attributes_keeps_its_lines),
        cmocka_unit_test(a_reason_that_looks_like_another_line_stays_a_reason),
        cmocka_unit_test(events_follow_each_other),
        cmocka_unit_test(a_part_of_an_event_is_told_apart_from_a_bad_one),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_and_events_without_end_are_refused),
    };
    return cmocka_run_group_tests_name("eventlog", tests, NULL, NULL);
}
