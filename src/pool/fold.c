/*
 * From journal to queue. Every record changes three things: the stint's ledger, the job's own ad, and the list of events. All
 * of it and the new journal offset are one transaction, so that a crash in between repeats the fold or nothing.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/journal.h"
#include "base/log.h"
#include "job/record.h"
#include "pool/pool.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KILLS_MAX = 5, FAILURES_MAX = 5, HOLD_KILLED = 1001, HOLD_FAILURES = 1002 };

struct fold {
    struct pool *pool;
    struct active *active;
    struct queue_job job;
    struct ad *full;   /* the job as it was submitted and edited */
    struct ad *stint;
    struct queue_usage usage;
    bool usage_changed;
    const struct ad *record;
    int64_t wall_us;
    int64_t charged_lost_us;
    int failed;
    struct error *err;
};

static void add_to(struct ad *ad, const char *name, int64_t n)
{
    ad_set_int(ad, name, ad_int(ad, name, 0) + n);
}

static void emit(struct fold *f, struct ad *event)
{
    ad_set_int(event, "Stint", f->active->stint);
    if (event_add(f->pool, &f->job, f->full, event, f->err) < 0)
        f->failed = -1;
}

static struct ad *event_of(struct fold *f, const char *name)
{
    return event_new(name, f->wall_us);
}

static void copy(struct ad *into, const struct fold *f, const char *name)
{
    ad_copy_attribute(into, name, f->record, name);
}

static void move(struct fold *f, enum job_event event, struct job_move *move)
{
    if (move_job(f->pool, &f->job, event, move, f->err) < 0)
        f->failed = -1;
}

/* ---- ledger and usage ---- */

/* What an eviction destroyed is not charged to the evicted user, nor is what a machine or a runner lost. */
static bool is_charged(const struct ledger_entry *entry)
{
    static const char *const spared[] = { "vacate", "fairshare", "runner", "node", "shutdown", "killed" };
    if (entry->for_user[0])
        return false;
    for (size_t i = 0; entry->class == LEDGER_LOST && i < sizeof spared / sizeof spared[0]; i++)
        if (strcmp(entry->cause, spared[i]) == 0)
            return false;
    return true;
}

static void charge_usage(struct fold *f, int64_t wall_us)
{
    struct queue_usage *u = &f->usage;
    int64_t cpu_us = wall_us * f->job.cpus;
    double elapsed = (double)(f->wall_us - u->updated_us);
    double halflife = (double)f->pool->config.usage_halflife_us;
    if (elapsed > 0 && halflife > 0)
        u->decayed_cpu_s *= exp2(-elapsed / halflife);
    if (elapsed > 0)
        u->updated_us = f->wall_us;
    u->decayed_cpu_s += (double)cpu_us / 1e6;
    u->total_cpu_us += cpu_us;
    f->usage_changed = true;
}

static void on_entry(void *data, const struct ledger_entry *entry)
{
    struct fold *f = data;
    struct queue_charge charge = {
        .id = f->job.id,
        .stint = f->active->stint,
        .uid = f->job.uid,
        .owner = f->job.owner,
        .class_name = ledger_class_name(entry->class),
        .cause = entry->cause,
        .for_user = entry->for_user,
        .day = (int)(f->wall_us / (86400 * CLOCK_SECOND_US)),
        .cpus = f->job.cpus,
        .wall_us = entry->wall_us,
    };
    if (queue_charge(f->pool->queue, &charge, f->err) < 0)
        f->failed = -1;
    add_to(f->job.ad, ledger_class_attribute(entry->class), entry->wall_us);
    add_to(f->stint, ledger_class_attribute(entry->class), entry->wall_us);
    add_to(f->job.ad, "OccupiedUs", entry->wall_us);
    if (entry->class == LEDGER_LOST)
        f->charged_lost_us += entry->wall_us;
    if (is_charged(entry))
        charge_usage(f, entry->wall_us);
}

/* ---- one function per kind of record ---- */

static void on_begin(struct fold *f)
{
    copy(f->stint, f, "GrantedWallUs");
    copy(f->stint, f, "BootId");
    copy(f->stint, f, "Mode");
    copy(f->stint, f, "Pid");
    ad_set_int(f->job.ad, "LastStintStartUs", ad_int(f->record, "GrantedWallUs", f->wall_us));
}

static void on_run(struct fold *f)
{
    struct job_move ignored;
    int64_t generation = ad_int(f->record, "Generation", 0);
    struct ad *event = event_of(f, "running");
    copy(event, f, "Execution");
    ad_set_bool(event, "Resumed", generation > 0);
    if (generation > 0)
        copy(event, f, "Generation");
    if (ad_int(f->record, "Execution", 1) == 1)
        ad_set_int(f->stint, "ResumedFrom", generation);
    ad_set_int(f->stint, "Executions", ad_int(f->record, "Execution", 1));
    ad_remove(f->stint, "FinalExit");
    add_to(f->job.ad, "NumJobStarts", 1);
    move(f, JOB_EVENT_RUN, &ignored);
    emit(f, event);
}

static void on_exit_record(struct fold *f)
{
    ad_remove(f->stint, "ExitCode");
    ad_remove(f->stint, "ExitSignal");
    copy(f->stint, f, "ExitCode");
    copy(f->stint, f, "ExitSignal");
    if (ad_bool(f->record, "Final", false))
        ad_set_bool(f->stint, "FinalExit", true);
    copy(f->stint, f, "UserUs");
    copy(f->stint, f, "SysUs");
    if (ad_int(f->record, "MaxRssKb", 0) > ad_int(f->job.ad, "ResidentSetSize", 0))
        ad_copy_attribute(f->job.ad, "ResidentSetSize", f->record, "MaxRssKb");
}

static void on_commit(struct fold *f)
{
    static const char *const names[] = { "Generation", "Bytes", "NewBytes", "Files", "PauseUs", "CommitUs", "LatencyUs", "Why" };
    struct ad *event = event_of(f, "checkpoint_taken");
    auto_ad struct ad *row = ad_new();
    int generation = (int)ad_int(f->record, "Generation", 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        copy(event, f, names[i]);
        copy(row, f, names[i]);
    }
    ad_copy_attribute(event, "UserUs", f->stint, "UserUs");
    ad_copy_attribute(event, "SysUs", f->stint, "SysUs");
    ad_set_int(row, "Stint", f->active->stint);
    ad_set_int(row, "Time", f->wall_us);
    ad_set_string(row, "Kind", "checkpoint");
    if (queue_put_checkpoint(f->pool->queue, f->job.id, generation, row, f->err) < 0)
        f->failed = -1;
    struct ad *ad = f->job.ad;
    add_to(ad, "NumCkpts", 1);
    ad_set_int(ad, "LastCkptTime", f->wall_us / CLOCK_SECOND_US);
    ad_set_int(ad, "LastCkptTimeUs", f->wall_us);
    ad_copy_attribute(ad, "LastCkptBytes", f->record, "Bytes");
    ad_copy_attribute(ad, "LastCkptPauseUs", f->record, "PauseUs");
    ad_copy_attribute(ad, "LastCkptCommitUs", f->record, "CommitUs");
    if (ad_int(f->record, "LatencyUs", -1) >= 0)
        ad_copy_attribute(ad, "LastCkptLatencyUs", f->record, "LatencyUs");
    ad_set_int(ad, "CheckpointGeneration", generation);
    ad_set_int(ad, "LastGeneration", generation);
    ad_remove(ad, "LastCkptError");
    ad_remove(ad, "KillsInARow");
    ad_remove(ad, "FailuresInARow");
    emit(f, event);
}

static void on_save(struct fold *f)
{
    auto_ad struct ad *row = ad_new();
    int generation = (int)ad_int(f->record, "Generation", 0);
    copy(row, f, "Bytes");
    copy(row, f, "Files");
    ad_set_int(row, "Generation", generation);
    ad_set_int(row, "Stint", f->active->stint);
    ad_set_int(row, "Time", f->wall_us);
    ad_set_string(row, "Kind", "evicted");
    ad_set_int(f->job.ad, "LastGeneration", generation);
    if (queue_put_checkpoint(f->pool->queue, f->job.id, generation, row, f->err) < 0)
        f->failed = -1;
}

static void on_fail(struct fold *f)
{
    struct ad *event = event_of(f, "checkpoint_failed");
    copy(event, f, "Reason");
    copy(event, f, "Why");
    add_to(f->job.ad, "NumCkptsFailed", 1);
    ad_copy_attribute(f->job.ad, "LastCkptError", f->record, "Reason");
    emit(f, event);
}

static void on_simple(struct fold *f, const char *name, const char *a, const char *b)
{
    struct ad *event = event_of(f, name);
    if (a)
        copy(event, f, a);
    if (b)
        copy(event, f, b);
    emit(f, event);
}

static void on_usage(struct fold *f)
{
    struct ad *event = event_of(f, "image_size");
    ad_copy_attribute(f->job.ad, "ImageSize", f->record, "ImageSizeKb");
    ad_copy_attribute(f->job.ad, "ResidentSetSize", f->record, "RssKb");
    ad_copy_attribute(f->job.ad, "DiskUsage", f->record, "DiskKb");
    copy(f->stint, f, "UserUs");
    copy(f->stint, f, "SysUs");
    ad_copy_attribute(event, "Size", f->record, "ImageSizeKb");
    ad_copy_attribute(event, "ResidentSetSize", f->record, "RssKb");
    ad_set_int(event, "MemoryUsage", (ad_int(f->record, "RssKb", 0) + 1023) / 1024);
    emit(f, event);
}

/* ---- ends ---- */

static void add_cpu_time(struct fold *f, struct ad *event)
{
    add_to(f->job.ad, "TotalUserUs", ad_int(f->stint, "UserUs", 0));
    add_to(f->job.ad, "TotalSysUs", ad_int(f->stint, "SysUs", 0));
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
    struct ad *event = event_of(f, "held");
    ad_set_string(event, "Reason", reason);
    ad_set_int(event, "Code", code);
    ad_set_int(event, "Subcode", subcode);
    ad_set_string(f->job.ad, "HoldReason", reason);
    ad_set_int(f->job.ad, "HoldReasonCode", code);
    ad_set_int(f->job.ad, "HoldReasonSubCode", subcode);
    emit(f, event);
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
    struct ad *event = event_of(f, "completed");
    struct job_move moved;
    set_exit_status(f->job.ad, f->record);
    set_exit_status(event, f->record);
    ad_set_int(f->job.ad, "CompletionDate", f->wall_us / CLOCK_SECOND_US);
    add_cpu_time(f, event);
    emit(f, event);
    move(f, JOB_EVENT_END_COMPLETED, &moved);
}

/* After an end that leads to held or removed, the event that says so. */
static void tell_outcome(struct fold *f)
{
    if (f->job.state == JOB_REMOVED) {
        struct ad *event = event_of(f, "removed");
        ad_copy_attribute(event, "Reason", f->job.ad, "RemoveReason");
        emit(f, event);
    } else if (f->job.state == JOB_HELD) {
        hold(f, ad_string(f->job.ad, "LeaveReason", "held"), ad_int(f->job.ad, "LeaveCode", 1), 0);
    }
}

static void leave_slot(struct fold *f, const char *event_name, enum job_event job_event)
{
    struct ad *event = event_of(f, event_name);
    struct job_move moved;
    copy(event, f, "Reason");
    copy(event, f, "Checkpointed");
    copy(event, f, "Cause");
    ad_copy_attribute(event, "Generation", f->job.ad, "CheckpointGeneration");
    add_to(f->job.ad, "NumVacates", 1);
    ad_set_int(f->job.ad, "LastVacateTime", f->wall_us / CLOCK_SECOND_US);
    ad_copy_attribute(f->job.ad, "VacateReason", f->record, "Reason");
    add_cpu_time(f, event);
    emit(f, event);
    /* the events come before the move, which may take the job out of the active ones */
    enum job_state next = job_step(f->job.state, job_event).next;
    enum job_state before = f->job.state;
    f->job.state = next;
    tell_outcome(f);
    f->job.state = before;
    move(f, job_event, &moved);
}

/* Backing off: a stint that can not even start must not be tried again at once, for ever. */
static void end_failed(struct fold *f)
{
    bool ran = ad_has(f->record, "ExitCode") || ad_has(f->record, "ExitSignal");
    bool killed = strcmp(ad_string(f->record, "Cause", ""), "killed") == 0;
    const char *reason = ad_string(f->record, "Reason", "");
    char text[700];
    int64_t count = 0, max = INT64_MAX;
    const char *counter = killed ? "KillsInARow" : ran ? "Retries" : "FailuresInARow";
    add_to(f->job.ad, counter, 1);
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
    ad_remove(f->job.ad, counter);
    leave_slot(f, "failed", JOB_EVENT_END_HELD);
}

static void end_held(struct fold *f)
{
    ad_copy_attribute(f->job.ad, "LeaveReason", f->record, "Reason");
    ad_copy_attribute(f->job.ad, "LeaveCode", f->record, "HoldCode");
    leave_slot(f, "evicted", JOB_EVENT_END_HELD);
    ad_copy_attribute(f->job.ad, "HoldReasonSubCode", f->record, "HoldSubCode");
}

static void close_stint(struct fold *f)
{
    ad_set_int(f->stint, "EndedUs", f->wall_us);
    copy(f->stint, f, "Outcome");
    copy(f->stint, f, "Reason");
    copy(f->stint, f, "Cause");
    copy(f->stint, f, "Checkpointed");
    ad_copy_attribute(f->job.ad, "LastEndCause", f->record, "Cause");
    ad_remove(f->job.ad, "Deliver");
    if (ad_bool(f->record, "Deliverable", false)) {
        char name[24];
        snprintf(name, sizeof name, "stint.%d", f->active->stint);
        ad_set_string(f->job.ad, "Deliver", name);
        ad_set_string(f->job.ad, "DeliverBoot", clock_boot_id());
        set_exit_status(f->job.ad, f->stint);
    }
    f->active->over = true;
}

static void on_end(struct fold *f)
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

static void on_fence(struct fold *f)
{
    ad_set_string(f->stint, "Outcome", "lost");
    close_stint(f);
    ad_set_string(f->stint, "Outcome", "lost");
    add_to(f->job.ad, "RunnersLost", 1);
    if (ad_has(f->record, "BackOff"))
        ad_copy_attribute(f->job.ad, "BackOff", f->record, "BackOff");
    leave_slot(f, "runner_lost", JOB_EVENT_LOST);
}

static void apply(struct fold *f)
{
    const char *kind = ad_string(f->record, "Record", "");
    f->wall_us = ad_int(f->record, "WallUs", clock_wall_us());
    ledger_apply(f->stint, f->record, on_entry, f);
    if (strcmp(kind, RECORD_BEGIN) == 0)
        on_begin(f);
    else if (strcmp(kind, RECORD_CORRUPT) == 0)
        on_simple(f, "generation_corrupt", "Generation", "Reason");
    else if (strcmp(kind, RECORD_RUN) == 0)
        on_run(f);
    else if (strcmp(kind, RECORD_SUSPEND) == 0)
        on_simple(f, "suspended", NULL, NULL);
    else if (strcmp(kind, RECORD_CONTINUE) == 0)
        on_simple(f, "continued", NULL, NULL);
    else if (strcmp(kind, RECORD_ASK) == 0)
        on_simple(f, "checkpoint_asked", "Why", "Signal");
    else if (strcmp(kind, RECORD_REFUSE) == 0)
        on_simple(f, "checkpoint_refused", "Reason", NULL);
    else if (strcmp(kind, RECORD_EXIT) == 0)
        on_exit_record(f);
    else if (strcmp(kind, RECORD_COMMIT) == 0)
        on_commit(f);
    else if (strcmp(kind, RECORD_FAIL) == 0)
        on_fail(f);
    else if (strcmp(kind, RECORD_SAVE) == 0)
        on_save(f);
    else if (strcmp(kind, RECORD_USAGE) == 0)
        on_usage(f);
    else if (strcmp(kind, RECORD_NOTE) == 0)
        on_simple(f, "note", "Text", NULL);
    else if (strcmp(kind, RECORD_END) == 0)
        on_end(f);
    else if (strcmp(kind, RECORD_FENCE) == 0)
        on_fence(f);
}

/* ---- the round of one job ---- */

static bool on_record(void *data, const char *text, size_t len, int64_t end)
{
    struct fold *f = data;
    struct ad *record = NULL;
    struct error err;
    f->job.journal_offset = end;
    if (ad_parse_json(text, len, &record, &err) < 0) {
        log_error("a journal record cannot be read and is passed over: %s", err.text);
        return true;
    }
    f->record = record;
    if (!f->active->over && ad_int(record, "Stint", 0) == f->active->stint)
        apply(f);
    ad_free(record);
    return f->failed == 0;
}

static int load(struct fold *f)
{
    struct pool *p = f->pool;
    int result = queue_get_job(p->queue, f->active->id, &f->job, f->err);
    if (result != 0)
        return result < 0 ? -1 : error_set(f->err, ERR_CORRUPT, "the job is not in the queue");
    if (queue_full_ad(p->queue, &f->job, &f->full, f->err) < 0)
        return -1;
    result = queue_get_stint(p->queue, f->job.id, f->active->stint, &f->stint, f->err);
    if (result < 0)
        return -1;
    if (!f->stint)
        f->stint = ad_new();
    result = queue_get_usage(p->queue, f->job.uid, &f->usage, f->err);
    if (result == QUEUE_ABSENT) {
        f->usage = (struct queue_usage){ .uid = f->job.uid, .updated_us = clock_wall_us(), .factor = 1000 };
        snprintf(f->usage.owner, sizeof f->usage.owner, "%s", f->job.owner);
    }
    return result < 0 ? -1 : 0;
}

static int save(struct fold *f)
{
    struct pool *p = f->pool;
    if (queue_put_stint(p->queue, f->job.id, f->active->stint, f->stint, f->err) < 0)
        return -1;
    if (f->usage_changed && queue_put_usage(p->queue, &f->usage, f->err) < 0)
        return -1;
    return job_state_final(f->job.state) ? 0 : queue_put_job(p->queue, &f->job, f->err);
}

static void release(struct fold *f)
{
    queue_job_release(&f->job);
    ad_free(f->full);
    ad_free(f->stint);
}

int fold_records(struct pool *p, struct active *a, struct error *err)
{
    struct fold f = { .pool = p, .active = a, .err = err };
    int result = load(&f);
    int64_t before = f.job.journal_offset;
    if (result == 0)
        result = journal_read(a->job_dir, "journal", before, on_record, &f, err);
    if (result == 0)
        result = f.failed;
    if (result == 0 && f.job.journal_offset != before)
        result = save(&f);
    release(&f);
    return result;
}

/* ---- the fence ---- */

struct last_record {
    int64_t boot_us;
    char boot_id[40];
    bool final;
};

static bool remember_last(void *data, const char *text, size_t len, int64_t end)
{
    struct last_record *last = data;
    struct ad *record = NULL;
    struct error ignored;
    (void)end;
    if (ad_parse_json(text, len, &record, &ignored) < 0)
        return true;
    const char *kind = ad_string(record, "Record", "");
    last->boot_us = ad_int(record, "BootUs", last->boot_us);
    if (strcmp(kind, RECORD_BEGIN) == 0) {
        snprintf(last->boot_id, sizeof last->boot_id, "%s", ad_string(record, "BootId", ""));
        last->final = false;
    } else if (strcmp(kind, RECORD_EXIT) == 0) {
        last->final = ad_bool(record, "Final", false);
    }
    ad_free(record);
    return true;
}

static bool sandbox_is_there(const struct active *a)
{
    char name[40];
    snprintf(name, sizeof name, "stint.%d/std/stdout", a->stint);
    return faccessat(a->job_dir, name, F_OK, 0) == 0;
}

/* A stint that never said BEGIN held its slot all the same: it gets one, so that the ledger sees its time. */
static int append(int journal, struct ad *record, struct error *err)
{
    auto_ad struct ad *owned = record;
    auto_buf struct buf text = { 0 };
    ad_print_json(owned, &text);
    return journal_append(journal, buf_cstr(&text), text.len, err);
}

static struct ad *fence_record(struct active *a, const struct last_record *last)
{
    bool same_boot = strcmp(last->boot_id, clock_boot_id()) == 0 || !last->boot_id[0];
    bool deliverable = same_boot && last->final && sandbox_is_there(a);
    struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_FENCE);
    ad_set_int(record, "Stint", a->stint);
    ad_set_int(record, "WallUs", clock_wall_us());
    ad_set_int(record, "BootUs", same_boot ? clock_boot_us() : last->boot_us);
    ad_set_string(record, "Cause", same_boot ? "runner" : "node");
    ad_set_string(record, "Reason", same_boot ? "its runner died" : "the machine was restarted");
    ad_set_bool(record, "Deliverable", deliverable);
    return record;
}

static int begin_for(struct pool *p, struct active *a, int journal, struct error *err)
{
    struct ad *stint = NULL;
    int result = queue_get_stint(p->queue, a->id, a->stint, &stint, err);
    if (result < 0)
        return -1;
    bool begun = stint && ad_has(stint, "LedgerGrantedUs");
    struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_BEGIN);
    ad_set_int(record, "Stint", a->stint);
    ad_set_int(record, "WallUs", clock_wall_us());
    ad_set_int(record, "BootUs", clock_boot_us());
    ad_set_int(record, "GrantedWallUs", stint ? ad_int(stint, "GrantedWallUs", clock_wall_us()) : clock_wall_us());
    ad_set_int(record, "GrantedBootUs", stint ? ad_int(stint, "GrantedBootUs", clock_boot_us()) : clock_boot_us());
    ad_set_string(record, "BootId", clock_boot_id());
    ad_set_string(record, "Mode", "fresh");
    ad_free(stint);
    if (!begun)
        return append(journal, record, err);
    ad_free(record);
    return 0;
}

int fold_fence(struct pool *p, struct active *a, struct error *err)
{
    struct last_record last = { 0 };
    if (fold_records(p, a, err) < 0)
        return -1;
    if (a->over)
        return 0;
    if (journal_read(a->job_dir, "journal", 0, remember_last, &last, err) < 0)
        return -1;
    auto_close int journal = journal_open(a->job_dir, "journal", err);
    if (journal < 0 || begin_for(p, a, journal, err) < 0)
        return -1;
    fault_point("pool.fence");
    if (append(journal, fence_record(a, &last), err) < 0)
        return -1;
    return fold_records(p, a, err);
}
