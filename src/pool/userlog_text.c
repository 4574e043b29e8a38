/* What an event of the pool is in the user's log: one of HTCondor's, several, or nothing. */
#include "base/clock.h"
#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PROBLEMS_BYTES_MAX = 4096 };

static struct ad *log_ad(const struct ad *event, int type)
{
    struct ad *ad = ad_new();
    int64_t time_us = ad_int(event, "Time", 0);
    time_t seconds = (time_t)(time_us / CLOCK_SECOND_US);
    struct tm tm;
    localtime_r(&seconds, &tm);
    ad_set_int(ad, "EventTypeNumber", type);
    ad_set_int(ad, "Cluster", ad_int(event, "ClusterId", 0));
    ad_set_int(ad, "Proc", ad_int(event, "ProcId", 0));
    ad_set_int(ad, "Subproc", 0);
    ad_set_int(ad, "EventTime", time_us);
    ad_set_int(ad, "UtcOffset", tm.tm_gmtoff);
    return ad;
}

static void copy(struct ad *into, const char *as, const struct ad *from, const char *name)
{
    ad_copy_attribute(into, as, from, name);
}

static void add_resources(struct ad *ad, const struct ad *event)
{
    double occupied = (double)ad_int(event, "OccupiedUs", 0);
    double used = (double)(ad_int(event, "UserUs", 0) + ad_int(event, "SysUs", 0));
    copy(ad, "RequestCpus", event, "Cpus");
    copy(ad, "Cpus", event, "Cpus");
    ad_set_real(ad, "CpusUsage", occupied > 0 ? used / occupied : 0);
    copy(ad, "RequestMemory", event, "MemoryMb");
    copy(ad, "Memory", event, "MemoryMb");
    if (ad_has(event, "RssKb"))
        ad_set_int(ad, "MemoryUsage", (ad_int(event, "RssKb", 0) + 1023) / 1024);
    copy(ad, "RequestDisk", event, "DiskKb");
    copy(ad, "Disk", event, "DiskKb");
    copy(ad, "DiskUsage", event, "DiskUsedKb");
}

static void add_usage(struct ad *ad, const struct ad *event)
{
    copy(ad, "RunRemoteUserUs", event, "UserUs");
    copy(ad, "RunRemoteSysUs", event, "SysUs");
    copy(ad, "TotalRemoteUserUs", event, "TotalUserUs");
    copy(ad, "TotalRemoteSysUs", event, "TotalSysUs");
    const char *const zero[] = { "SentBytes", "ReceivedBytes", "TotalSentBytes", "TotalReceivedBytes" };
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        ad_set_int(ad, zero[i], 0);
}

static void add_host(struct ad *ad, const char *name)
{
    char host[128], text[160];
    if (gethostname(host, sizeof host) < 0)
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    snprintf(text, sizeof text, "<%.120s>", host);
    ad_set_string(ad, name, text);
}

static void print_one(struct ad *ad, struct buf *out)
{
    eventlog_print(ad, out);
    ad_free(ad);
}

static void print_checkpointed(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 3);
    copy(ad, "Generation", event, "Generation");
    copy(ad, "Bytes", event, "Bytes");
    copy(ad, "PauseUs", event, "PauseUs");
    if (ad_int(event, "LatencyUs", -1) >= 0)
        copy(ad, "LatencyUs", event, "LatencyUs");
    copy(ad, "SentBytes", event, "Bytes");
    copy(ad, "RunRemoteUserUs", event, "UserUs");
    copy(ad, "RunRemoteSysUs", event, "SysUs");
    print_one(ad, out);
}

static void print_evicted(const struct ad *event, bool requeued, struct buf *out)
{
    struct ad *ad = log_ad(event, 4);
    ad_set_bool(ad, "Checkpointed", ad_bool(event, "Checkpointed", false));
    ad_set_bool(ad, "TerminatedAndRequeued", requeued);
    copy(ad, "Reason", event, "Reason");
    add_usage(ad, event);
    add_resources(ad, event);
    print_one(ad, out);
}

static void print_completed(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 5);
    bool normal = !ad_bool(event, "ExitBySignal", false);
    ad_set_bool(ad, "TerminatedNormally", normal);
    copy(ad, normal ? "ReturnValue" : "TerminatedBySignal", event, normal ? "ExitCode" : "ExitSignal");
    add_usage(ad, event);
    add_resources(ad, event);
    print_one(ad, out);
}

static void print_connection(const struct ad *event, int type, struct buf *out)
{
    struct ad *ad = log_ad(event, type);
    const char *reason = ad_string(event, "Reason", "the pool was restarted");
    ad_set_string(ad, "DisconnectReason", reason);
    ad_set_string(ad, "Reason", reason);
    add_host(ad, "StartdAddr");
    add_host(ad, "StarterAddr");
    add_host(ad, "StartdName");
    print_one(ad, out);
}

static void print_held(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 12);
    copy(ad, "HoldReason", event, "Reason");
    copy(ad, "HoldReasonCode", event, "Code");
    copy(ad, "HoldReasonSubCode", event, "Subcode");
    print_one(ad, out);
}

/* The log's readers know no such event, but warnings. */
static void print_problems(const struct ad *event, struct buf *out)
{
    struct ad *ad = log_ad(event, 21);
    auto_buf struct buf text = { .max = PROBLEMS_BYTES_MAX };
    buf_text(&text, "this job can not be checkpointed as it is: ");
    for (size_t i = 0; i < ad_list_count(event, "Problems"); i++)
        buf_printf(&text, "%s%s", i > 0 ? "; " : "", ad_list_string(event, "Problems", i));
    ad_set_bool(ad, "CriticalError", false);
    add_host(ad, "ExecuteHost");
    ad_set_string(ad, "ErrorMsg", buf_cstr(&text));
    print_one(ad, out);
}

static void print_transfer(const struct ad *event, bool finished, struct buf *out)
{
    struct ad *ad = log_ad(event, 40);
    ad_set_string(ad, "EventHead", finished ? "Finished transferring input files" : "Started transferring input files");
    print_one(ad, out);
}

static void print_plain(const struct ad *event, int type, struct buf *out)
{
    struct ad *ad = log_ad(event, type);
    copy(ad, "Reason", event, "Reason");
    copy(ad, "Size", event, "Size");
    copy(ad, "MemoryUsage", event, "MemoryUsage");
    copy(ad, "ResidentSetSize", event, "ResidentSetSize");
    if (type == 0 || type == 35)
        add_host(ad, "SubmitHost");
    copy(ad, "LogNotes", event, "Notes");
    if (type == 36) {
        copy(ad, "Jobs", event, "Jobs");
        copy(ad, "Items", event, "Items");
        copy(ad, "Completion", event, "Completion");
    }
    copy(ad, "PauseCode", event, "PauseCode");
    copy(ad, "HoldCode", event, "HoldCode");
    if (type == 1)
        add_host(ad, "ExecuteHost");
    if (type == 10)
        ad_set_int(ad, "NumberOfPIDs", 1);
    print_one(ad, out);
}

static void print_event(const struct ad *event, struct buf *out)
{
    static const struct { const char *name; int type; } plain[] = {
        { "submitted", 0 }, { "running", 1 }, { "image_size", 6 }, { "removed", 9 }, { "suspended", 10 }, { "continued", 11 },
        { "released", 13 }, { "cluster_submitted", 35 }, { "cluster_removed", 36 }, { "factory_paused", 37 },
        { "factory_resumed", 38 },
    };
    const char *name = ad_string(event, "Event", "");
    if (!ad_bool(event, "Ran", true))
        return; /* the end of a stint whose beginning (001) readers never saw */
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strcmp(name, plain[i].name) == 0)
            print_plain(event, plain[i].type, out);
    if (strcmp(name, "checkpoint_taken") == 0)
        print_checkpointed(event, out);
    else if (strcmp(name, "evicted") == 0)
        print_evicted(event, false, out);
    else if (strcmp(name, "failed") == 0)
        print_evicted(event, true, out);
    else if (strcmp(name, "completed") == 0)
        print_completed(event, out);
    else if (strcmp(name, "held") == 0)
        print_held(event, out);
    else if (strcmp(name, "disconnected") == 0)
        print_connection(event, 22, out);
    else if (strcmp(name, "reconnected") == 0)
        print_connection(event, 23, out);
    else if (strcmp(name, "transfer_started") == 0 || strcmp(name, "transfer_finished") == 0)
        print_transfer(event, strcmp(name, "transfer_finished") == 0, out);
    else if (strcmp(name, "checkability") == 0)
        print_problems(event, out);
    if (strcmp(name, "runner_lost") == 0) {
        print_connection(event, 22, out);
        print_connection(event, 24, out);
    }
}

/* The number and the name of the first event in the text, as HTCondor names it. */
static void add_trigger(struct ad *ad, const char *text)
{
    static const char *const names[] = {
        [0] = "ULOG_SUBMIT", [1] = "ULOG_EXECUTE", [3] = "ULOG_CHECKPOINTED", [4] = "ULOG_JOB_EVICTED",
        [5] = "ULOG_JOB_TERMINATED", [6] = "ULOG_IMAGE_SIZE", [9] = "ULOG_JOB_ABORTED", [10] = "ULOG_JOB_SUSPENDED",
        [11] = "ULOG_JOB_UNSUSPENDED", [12] = "ULOG_JOB_HELD", [13] = "ULOG_JOB_RELEASED", [21] = "ULOG_REMOTE_ERROR",
        [22] = "ULOG_JOB_DISCONNECTED", [23] = "ULOG_JOB_RECONNECTED", [24] = "ULOG_JOB_RECONNECT_FAILED",
        [35] = "ULOG_CLUSTER_SUBMIT", [36] = "ULOG_CLUSTER_REMOVE", [37] = "ULOG_FACTORY_PAUSED", [38] = "ULOG_FACTORY_RESUMED",
    };
    size_t type = strtoul(text, NULL, 10);
    ad_set_int(ad, "TriggerEventTypeNumber", (int64_t)type);
    if (type < sizeof names / sizeof names[0] && names[type])
        ad_set_string(ad, "TriggerEventTypeName", names[type]);
}

void userlog_print(const struct ad *event, struct buf *out)
{
    const struct ad *information = ad_ad(event, "Information");
    size_t before = out->len;
    print_event(event, out);
    if (!information || out->len == before)
        return;
    struct ad *ad = log_ad(event, 28);
    add_trigger(ad, buf_cstr(out) + before);
    ad_update(ad, information);
    print_one(ad, out);
}
