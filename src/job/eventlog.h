/*
 * The text of HTCondor's user event log (its "normal" text form, one event after another, each closed by a line "..."), such that
 * tools which read those logs read ours. An event is an ad:
 *
 *   EventTypeNumber, Cluster, Proc, Subproc (ints), EventTime (µs since 1970, UTC; printed in local time by the caller's
 *   offset `UtcOffset`, seconds), and by type:
 *   0 submit            SubmitHost, LogNotes?, Warnings?
 *   1 execute           ExecuteHost, SlotName?
 *   3 checkpointed      RunRemoteUserUs, RunRemoteSysUs, RunLocalUserUs?, RunLocalSysUs?, SentBytes,
 *                       and ours: Generation, Bytes, PauseUs, LatencyUs (extra indented lines after the usage lines)
 *   4 evicted           Checkpointed (bool), RunRemoteUserUs, RunRemoteSysUs, SentBytes, ReceivedBytes, Reason?, ReasonCode?,
 *                       ReasonSubCode?, TerminatedAndRequeued?, usage resources (below)
 *   5 terminated        TerminatedNormally, ReturnValue | TerminatedBySignal, RunRemoteUserUs, RunRemoteSysUs, TotalRemoteUserUs,
 *                       TotalRemoteSysUs, SentBytes, ReceivedBytes, TotalSentBytes, TotalReceivedBytes, usage resources
 *   6 image size        Size (KiB), MemoryUsage (MiB), ResidentSetSize (KiB)
 *   9 aborted           Reason?
 *  10 suspended         NumberOfPIDs
 *  11 unsuspended
 *  12 held              HoldReason, HoldReasonCode, HoldReasonSubCode
 *  13 released          Reason?
 *  21 remote error      Daemon, ExecuteHost, ErrorMsg, CriticalError
 *  22 disconnected      DisconnectReason, StartdName, StartdAddr
 *  23 reconnected       StartdName, StartdAddr, StarterAddr
 *  24 reconnect failed  Reason, StartdName
 *  35 cluster submitted SubmitHost, LogNotes?; Proc is -1 in this and the next three
 *  36 cluster removed   Jobs, Items (how many were made, and there were to make), Completion, LogNotes?
 *  37 factory paused    Reason, PauseCode, HoldCode?
 *  38 factory resumed   Reason?
 *  28 job ad information, and any other: the attributes, one a line
 *  usage resources: CpusUsage (real), RequestCpus, Cpus; MemoryUsage, RequestMemory, Memory (MiB); DiskUsage, RequestDisk,
 *                   Disk (KiB): the "Partitionable Resources" table, lines only for what is there
 *
 * Events 4 and 5 take RunLocal…, 5 also TotalLocal… like RunRemote…; 4 with TerminatedAndRequeued also what tells the end in 5.
 * An event of another type may have an EventHead, the sentence of its first line.
 */
#pragma once

#include "ad/ad.h"

enum {
    EVENTLOG_PARTIAL = 1, /* the text ends before the event does */
    EVENTLOG_EVENT_MAX = 1 << 20,
};

/* Appends the event's text, closed by "...\n". Newlines inside values become blanks: an event can not fake another. */
void eventlog_print(const struct ad *event, struct buf *out);
/* Parses the event at the start of text: *used bytes. Times without year (old format) are refused with an error. What the
 * printed form does not carry is absent. Usage times have whole seconds. A log has no time
 * zone: EventTime is the local time that was printed, taken as if it were UTC (a time that ends in Z is UTC). */
int eventlog_parse(const char *text, size_t len, size_t *used, struct ad **event, struct error *err);
