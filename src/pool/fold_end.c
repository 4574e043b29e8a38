/* The ends of a stint: what becomes of the job, and what is told about it. */
#include "pool/fold.h"

#include "base/clock.h"
#include "pool/facts.h"

#include <stdio.h>
#include <string.h>

enum { KILLS_MAX = 5, FAILURES_MAX = 5, HOLD_KILLED = 1001, HOLD_FAILURES = 1002 };

static void add_cpu_time(struct fold *f, struct ad *event)
{
    fold_add(f->job.ad, "TotalUserUs", ad_int(f->stint, "UserUs", 0));
    fold_add(f->job.ad, "TotalSysUs", ad_int(f->stint, "SysUs", 0));
    ad_copy_attribute(event, "UserUs", f->stint, "UserUs");
    ad_copy_attribute(event, "SysUs", f->stint, "SysUs");
    ad_copy_attribute(event, "TotalUserUs", f->job.ad, "TotalUserUs");
    ad_copy_attribute(event, "TotalSysUs", f->job.ad, "TotalSysUs");
    ad_set_int(event, "LostUs", f->charged_lost_us);
    ad_copy_attribute(event, "GoodputUs", f->job.ad, "GoodputUs");
    ad_set_int(event, "Cpus", f->job.cpus);
    ad_set_int(event, "MemoryMb", f->job.memory_mb);
    ad_set_int(event, "DiskKb", f->job.disk_kb);
    ad_copy_attribute(event, "RssKb", f->job.ad, "ResidentSetSize");
    ad_copy_attribute(event, "DiskUsedKb", f->job.ad, "DiskUsage");
    ad_copy_attribute(event, "OccupiedUs", f->stint, "OccupiedUs");
}

static void hold(struct fold *f, const char *reason, int64_t code, int64_t subcode)
{
    struct ad *event = fold_event(f, "held");
    ad_set_string(event, "Reason", reason);
    ad_set_int(event, "Code", code);
    ad_set_int(event, "Subcode", subcode);
    ad_set_string(f->job.ad, "HoldReason", reason);
    ad_set_int(f->job.ad, "HoldReasonCode", code);
    ad_set_int(f->job.ad, "HoldReasonSubCode", subcode);
    fold_add(f->job.ad, "NumHolds", 1);
    fold_emit(f, event);
}

static void set_exit_status(struct ad *ad, const struct ad *from)
{
    bool by_signal = ad_has(from, "ExitSignal");
    ad_remove(ad, "ExitCode");
    ad_remove(ad, "ExitSignal");
    ad_set_bool(ad, "ExitBySignal", by_signal);
    ad_copy_attribute(ad, by_signal ? "ExitSignal" : "ExitCode", from, by_signal ? "ExitSignal" : "ExitCode");
}

static void end_completed(struct fold *f)
{
    struct ad *event = fold_event(f, "completed");
    set_exit_status(f->job.ad, f->record);
    set_exit_status(event, f->record);
    ad_set_int(f->job.ad, "CompletionDate", f->wall_us / CLOCK_SECOND_US);
    add_cpu_time(f, event);
    fold_emit(f, event);
    fold_move(f, JOB_EVENT_END_COMPLETED);
}

/* After an end that leads to held or removed, the event that says so. */
static void tell_outcome(struct fold *f)
{
    if (f->job.state == JOB_REMOVED) {
        struct ad *event = fold_event(f, "removed");
        ad_copy_attribute(event, "Reason", f->job.ad, "RemoveReason");
        fold_emit(f, event);
    } else if (f->job.state == JOB_HELD) {
        hold(f, ad_string(f->job.ad, "LeaveReason", "held"), ad_int(f->job.ad, "LeaveCode", 1),
             ad_int(f->job.ad, "LeaveSubCode", ad_int(f->record, "HoldSubCode", 0)));
    }
}

/* HTCondor's number, where one was given: an expression's. */
static void note_vacate_code(struct fold *f)
{
    bool by_policy = f->job.state == JOB_VACATING && ad_int(f->job.ad, "LeaveCode", 0) >= 1000;
    ad_remove(f->job.ad, "VacateReasonCode");
    ad_remove(f->job.ad, "VacateReasonSubCode");
    if (!by_policy)
        return;
    ad_copy_attribute(f->job.ad, "VacateReasonCode", f->job.ad, "LeaveCode");
    ad_copy_attribute(f->job.ad, "VacateReasonSubCode", f->job.ad, "LeaveSubCode");
}

/* A request that is an expression may ask for another amount after what the job has shown of itself. */
static void renew_requests(struct fold *f)
{
    static const char *const names[] = { "RequestCpus", "RequestMemory", "RequestDisk" };
    auto_ad struct ad *view = NULL;
    bool expressions = false;
    struct error ignored;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expressions = expressions || (ad_has(f->full, names[i]) && ad_int(f->full, names[i], INT64_MIN) == INT64_MIN);
    if (!expressions || report_job(f->pool, &f->job, &view, &ignored) < 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ad_remove(view, names[i]);
        ad_copy_attribute(view, names[i], f->full, names[i]);
    }
    struct queue_job asked = f->job;
    if (schedule_requests(view, &asked, &ignored) < 0)
        return; /* it keeps what it had */
    f->job.cpus = asked.cpus;
    f->job.memory_mb = asked.memory_mb;
    f->job.disk_kb = asked.disk_kb;
}

static void leave_slot(struct fold *f, const char *event_name, enum job_event job_event)
{
    struct ad *event = fold_event(f, event_name);
    fold_copy(event, f, "Reason");
    fold_copy(event, f, "Checkpointed");
    fold_copy(event, f, "Cause");
    ad_copy_attribute(event, "Generation", f->job.ad, "CheckpointGeneration");
    ad_set_bool(event, "Ran", ad_has(f->stint, "Executions"));
    fold_add(f->job.ad, "NumVacates", 1);
    ad_set_int(f->job.ad, "LastVacateTime", f->wall_us / CLOCK_SECOND_US);
    ad_copy_attribute(f->job.ad, "VacateReason", f->record, "Reason");
    note_vacate_code(f);
    add_cpu_time(f, event);
    fold_emit(f, event);
    /* the events come before the move, which may take the job out of the active ones */
    enum job_state next = job_step(f->job.state, job_event).next;
    enum job_state before = f->job.state;
    f->job.state = next;
    tell_outcome(f);
    f->job.state = before;
    if (next == JOB_IDLE)
        renew_requests(f);
    fold_move(f, job_event);
}

/* Backing off: a stint that can not even start must not be tried again at once, for ever. */
static void end_failed(struct fold *f)
{
    bool ran = ad_has(f->record, "ExitCode") || ad_has(f->record, "ExitSignal");
    const char *cause = ad_string(f->record, "Cause", "");
    bool killed = strcmp(cause, "killed") == 0;
    if (strcmp(cause, "resume") == 0) { /* each time it goes on from an older checkpoint, so this comes to an end */
        leave_slot(f, "failed", JOB_EVENT_END_FAILED);
        return;
    }
    const char *reason = ad_string(f->record, "Reason", "");
    char text[700];
    int64_t count = 0, max = INT64_MAX;
    const char *counter = killed ? "KillsInARow" : ran ? "Retries" : "FailuresInARow";
    fold_add(f->job.ad, counter, 1);
    if (killed || !ran) {
        count = ad_int(f->job.ad, counter, 1);
        max = killed ? KILLS_MAX : FAILURES_MAX;
    }
    if (!ran)
        ad_set_int(f->job.ad, "BackOff", count);
    if (count < max || f->job.state == JOB_REMOVING || f->job.state == JOB_HOLDING) {
        leave_slot(f, "failed", JOB_EVENT_END_FAILED);
        return;
    }
    snprintf(text, sizeof text, "%lld times in a row without a checkpoint in between: %s", (long long)count, reason);
    ad_set_string(f->job.ad, "LeaveReason", text);
    ad_set_int(f->job.ad, "LeaveCode", killed ? HOLD_KILLED : HOLD_FAILURES);
    ad_remove(f->job.ad, "LeaveSubCode");
    ad_remove(f->job.ad, counter);
    leave_slot(f, "failed", JOB_EVENT_END_HELD);
}

static void end_held(struct fold *f)
{
    ad_copy_attribute(f->job.ad, "LeaveReason", f->record, "Reason");
    ad_copy_attribute(f->job.ad, "LeaveCode", f->record, "HoldCode");
    ad_remove(f->job.ad, "LeaveSubCode");
    leave_slot(f, "evicted", JOB_EVENT_END_HELD);
}

static void close_stint(struct fold *f)
{
    ad_set_int(f->stint, "EndedUs", f->wall_us);
    if (ad_bool(f->record, "Completion", false)) {
        fold_add(f->job.ad, "NumJobCompletions", 1);
        set_exit_status(f->job.ad, f->record);
        ad_remove(f->job.ad, "DeferralDone"); /* the next time of a cron job; see deferral.c */
    }
    fold_copy(f->stint, f, "Outcome");
    fold_copy(f->stint, f, "Reason");
    fold_copy(f->stint, f, "Cause");
    fold_copy(f->stint, f, "Checkpointed");
    ad_copy_attribute(f->job.ad, "LastEndCause", f->record, "Cause");
    kept_note(f->active, f->record, f->job.ad);
    ad_remove(f->job.ad, "Deliver");
    ad_remove(f->job.ad, "CheckpointAsked");
    if (ad_bool(f->record, "Deliverable", false)) {
        char name[24];
        snprintf(name, sizeof name, "stint.%d", f->active->stint);
        ad_set_string(f->job.ad, "Deliver", ad_string(f->record, "Sandbox", name));
        ad_copy_attribute(f->job.ad, "DeliverBoot", f->stint, "BootId");
        if (ad_has(f->stint, "ExitCode") || ad_has(f->stint, "ExitSignal")) /* else it was a delivery that failed */
            set_exit_status(f->job.ad, f->stint);
    }
    facts_end(f, ad_string(f->stint, "Outcome", "lost"));
    f->active->over = true;
}

void fold_end(struct fold *f)
{
    const char *outcome = ad_string(f->record, "Outcome", "");
    close_stint(f);
    if (strcmp(outcome, "completed") == 0)
        end_completed(f);
    else if (strcmp(outcome, "evicted") == 0)
        leave_slot(f, "evicted", JOB_EVENT_END_EVICTED);
    else if (strcmp(outcome, "held") == 0)
        end_held(f);
    else
        end_failed(f);
}

void fold_lost(struct fold *f)
{
    ad_set_string(f->stint, "Outcome", "lost");
    close_stint(f);
    ad_set_string(f->stint, "Outcome", "lost");
    fold_add(f->job.ad, "RunnersLost", 1);
    fold_add(f->job.ad, "LossesInARow", 1);
    /* Once is bad luck and costs no time. A runner that never gets to run its program, or dies again and again, waits. */
    ad_set_int(f->job.ad, "BackOff", ad_int(f->job.ad, "LossesInARow", 1) - ad_has(f->stint, "Executions"));
    leave_slot(f, "runner_lost", JOB_EVENT_LOST);
}
