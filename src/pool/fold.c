/*
 * From journal to queue. Every record changes three things: the stint's ledger, the job's own ad, and the list of events. All
 * of it and the new journal offset are one transaction, so that a crash in between repeats the fold or nothing.
 */
#include "pool/fold.h"

#include "base/clock.h"
#include "base/journal.h"
#include "base/log.h"
#include "job/record.h"
#include "pool/facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void fold_add(struct ad *ad, const char *name, int64_t n)
{
    ad_set_int(ad, name, ad_int(ad, name, 0) + n);
}

void fold_emit(struct fold *f, struct ad *event)
{
    ad_set_int(event, "Stint", f->active->stint);
    if (event_add(f->pool, &f->job, f->full, event, f->err) < 0)
        f->failed = -1;
}

struct ad *fold_event(const struct fold *f, const char *name)
{
    return event_new(name, f->wall_us);
}

void fold_copy(struct ad *into, const struct fold *f, const char *name)
{
    ad_copy_attribute(into, name, f->record, name);
}

void fold_copy_as(struct ad *into, const char *as, const struct fold *f, const char *name)
{
    ad_copy_attribute(into, as, f->record, name);
}

void fold_move(struct fold *f, enum job_event event)
{
    struct job_move ignored;
    if (move_job(f->pool, &f->job, event, &ignored, f->err) < 0)
        f->failed = -1;
}

static void on_begin(struct fold *f)
{
    fold_copy(f->stint, f, "GrantedWallUs");
    fold_copy(f->stint, f, "BootId");
    fold_copy(f->stint, f, "Mode");
    fold_copy(f->stint, f, "Pid");
    ad_remove(f->job.ad, "KeptSandbox"); /* it goes when another one is made */
    ad_set_int(f->job.ad, "LastStintStartUs", ad_int(f->record, "GrantedWallUs", f->wall_us));
}

static void on_run(struct fold *f)
{
    int64_t generation = ad_int(f->record, "Generation", 0);
    struct ad *event = fold_event(f, "running");
    fold_copy(event, f, "Execution");
    ad_set_bool(event, "Resumed", generation > 0);
    if (generation > 0)
        fold_copy(event, f, "Generation");
    if (ad_int(f->record, "Execution", 1) == 1)
        ad_set_int(f->stint, "ResumedFrom", generation);
    ad_set_int(f->stint, "Executions", ad_int(f->record, "Execution", 1));
    ad_remove(f->job.ad, "BackOff");
    fold_copy_as(f->job.ad, "ExecutingSinceBootUs", f, "BootUs");
    ad_set_int(f->job.ad, "JobCurrentStartExecutingDate", f->wall_us / CLOCK_SECOND_US);
    if (deferral_wanted(f->full))
        ad_set_bool(f->job.ad, "DeferralDone", true);
    if (generation == 0 && ad_int(f->record, "Execution", 1) == 1) { /* what it had done is to be done again */
        ad_remove(f->job.ad, "Progress");
        ad_remove(f->job.ad, "ProgressText");
        ad_remove(f->job.ad, "ProgressTimeUs");
    }
    fold_add(f->job.ad, "NumJobStarts", 1);
    facts_run(f);
    fold_move(f, JOB_EVENT_RUN);
    fold_emit(f, event);
}

static void on_exit_record(struct fold *f)
{
    ad_remove(f->stint, "ExitCode");
    ad_remove(f->stint, "ExitSignal");
    fold_copy(f->stint, f, "ExitCode");
    fold_copy(f->stint, f, "ExitSignal");
    fold_copy(f->stint, f, "UserUs");
    fold_copy(f->stint, f, "SysUs");
    if (ad_int(f->record, "MaxRssKb", 0) > ad_int(f->job.ad, "ResidentSetSize", 0))
        ad_copy_attribute(f->job.ad, "ResidentSetSize", f->record, "MaxRssKb");
}

static void on_commit(struct fold *f)
{
    static const char *const names[] = { "Generation", "Bytes", "NewBytes", "Files", "PauseUs", "CommitUs", "LatencyUs", "Why" };
    struct ad *event = fold_event(f, "checkpoint_taken");
    auto_ad struct ad *row = ad_new();
    int generation = (int)ad_int(f->record, "Generation", 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fold_copy(event, f, names[i]);
        fold_copy(row, f, names[i]);
    }
    ad_copy_attribute(event, "UserUs", f->stint, "UserUs");
    ad_copy_attribute(event, "SysUs", f->stint, "SysUs");
    ad_set_int(row, "Stint", f->active->stint);
    ad_set_int(row, "Time", f->wall_us);
    ad_set_string(row, "Kind", "checkpoint");
    if (ad_int(f->job.ad, "SafeGeneration", 0) == generation) /* an uploader found it before its record got here */
        ad_set_bool(row, "Safe", true);
    if (queue_put_checkpoint(f->pool->queue, f->job.id, generation, row, f->err) < 0)
        f->failed = -1;
    struct ad *ad = f->job.ad;
    fold_add(ad, "NumCkpts", 1);
    ad_set_int(ad, "LastCkptTime", f->wall_us / CLOCK_SECOND_US);
    ad_set_int(ad, "LastCkptTimeUs", f->wall_us);
    ad_copy_attribute(ad, "LastCkptBytes", f->record, "Bytes");
    ad_copy_attribute(ad, "LastCkptPauseUs", f->record, "PauseUs");
    ad_copy_attribute(ad, "LastCkptCommitUs", f->record, "CommitUs");
    if (ad_int(f->record, "LatencyUs", -1) >= 0)
        ad_copy_attribute(ad, "LastCkptLatencyUs", f->record, "LatencyUs");
    if (ad_has(ad, "ExecutingSinceBootUs"))
        fold_copy_as(ad, "ExecutingSinceBootUs", f, "BootUs");
    ad_set_int(ad, "CheckpointGeneration", generation);
    ad_set_int(ad, "LastGeneration", generation);
    ad_remove(ad, "LastCkptError");
    ad_remove(ad, "DoubtedGeneration");
    ad_remove(ad, "KillsInARow");
    ad_remove(ad, "LossesInARow");
    ad_remove(ad, "CheckpointAsked");
    ad_remove(ad, "FailuresInARow");
    facts_commit(f);
    fold_interval(f);
    upload_want(f->pool);
    fold_emit(f, event);
}

static void on_save(struct fold *f)
{
    auto_ad struct ad *row = ad_new();
    int generation = (int)ad_int(f->record, "Generation", 0);
    fold_copy(row, f, "Bytes");
    fold_copy(row, f, "Files");
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
    struct ad *event = fold_event(f, "checkpoint_failed");
    fold_copy(event, f, "Reason");
    fold_copy(event, f, "Why");
    fold_add(f->job.ad, "NumCkptsFailed", 1);
    ad_remove(f->job.ad, "CheckpointAsked");
    ad_copy_attribute(f->job.ad, "LastCkptError", f->record, "Reason");
    fold_emit(f, event);
}

static void on_simple(struct fold *f, const char *name, const char *a, const char *b)
{
    struct ad *event = fold_event(f, name);
    if (a)
        fold_copy(event, f, a);
    if (b)
        fold_copy(event, f, b);
    fold_emit(f, event);
}

/* One that is doubted is not tried again before there is a newer one. */
static void on_corrupt(struct fold *f)
{
    if (ad_bool(f->record, "Doubted", false))
        ad_copy_attribute(f->job.ad, "DoubtedGeneration", f->record, "Generation");
    struct ad *event = fold_event(f, "generation_corrupt");
    fold_copy(event, f, "Generation");
    fold_copy(event, f, "Reason");
    fold_copy(event, f, "Whole");
    fold_emit(f, event);
}

static void on_refuse(struct fold *f)
{
    ad_remove(f->job.ad, "CheckpointAsked");
    on_simple(f, "checkpoint_refused", "Reason", NULL);
}

static void on_usage(struct fold *f)
{
    struct ad *event = fold_event(f, "image_size");
    ad_copy_attribute(f->job.ad, "ImageSize", f->record, "ImageSizeKb");
    ad_copy_attribute(f->job.ad, "ResidentSetSize", f->record, "RssKb");
    ad_copy_attribute(f->job.ad, "DiskUsage", f->record, "DiskKb");
    fold_copy(f->stint, f, "UserUs");
    fold_copy(f->stint, f, "SysUs");
    ad_copy_attribute(event, "Size", f->record, "ImageSizeKb");
    ad_copy_attribute(event, "ResidentSetSize", f->record, "RssKb");
    ad_set_int(event, "MemoryUsage", (ad_int(f->record, "RssKb", 0) + 1023) / 1024);
    fold_emit(f, event);
}

static void on_progress(struct fold *f)
{
    ad_copy_attribute(f->job.ad, "Progress", f->record, "Fraction");
    ad_remove(f->job.ad, "ProgressText");
    ad_copy_attribute(f->job.ad, "ProgressText", f->record, "Text");
    ad_set_int(f->job.ad, "ProgressTimeUs", f->wall_us);
}

static void on_transfer(struct fold *f)
{
    static const char *const names[] = { "Bytes", "TotalBytes", "Files", "AllFiles" };
    const char *phase = ad_string(f->record, "Phase", "");
    ad_copy_attribute(f->job.ad, "TransferInBytes", f->record, "Bytes");
    ad_remove(f->job.ad, "TransferInTotalBytes");
    ad_copy_attribute(f->job.ad, "TransferInTotalBytes", f->record, "TotalBytes");
    ad_set_bool(f->job.ad, "TransferringInput", strcmp(phase, "finished") != 0);
    if (strcmp(phase, "going") == 0)
        return;
    struct ad *event = fold_event(f, strcmp(phase, "started") == 0 ? "transfer_started" : "transfer_finished");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        fold_copy(event, f, names[i]);
    fold_emit(f, event);
}

static void apply(struct fold *f)
{
    const char *kind = ad_string(f->record, "Record", "");
    f->wall_us = ad_int(f->record, "WallUs", clock_wall_us());
    ledger_apply(f->stint, f->record, fold_entry, f);
    if (strcmp(kind, RECORD_BEGIN) == 0)
        on_begin(f);
    else if (strcmp(kind, RECORD_METHOD) == 0)
        fold_method(f);
    else if (strcmp(kind, RECORD_CAPTURE) == 0)
        fold_capture(f);
    else if (strcmp(kind, RECORD_CHECKABLE) == 0)
        fold_checkable(f);
    else if (strcmp(kind, RECORD_VERIFIED) == 0)
        fold_verified(f);
    else if (strcmp(kind, RECORD_CORRUPT) == 0)
        on_corrupt(f);
    else if (strcmp(kind, RECORD_RUN) == 0)
        on_run(f);
    else if (strcmp(kind, RECORD_SUSPEND) == 0)
        on_simple(f, "suspended", NULL, NULL);
    else if (strcmp(kind, RECORD_CONTINUE) == 0)
        on_simple(f, "continued", NULL, NULL);
    else if (strcmp(kind, RECORD_ASK) == 0)
        on_simple(f, "checkpoint_asked", "Why", "Signal");
    else if (strcmp(kind, RECORD_REFUSE) == 0)
        on_refuse(f);
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
    else if (strcmp(kind, RECORD_PROGRESS) == 0)
        on_progress(f);
    else if (strcmp(kind, RECORD_TRANSFER) == 0)
        on_transfer(f);
    else if (strcmp(kind, RECORD_NOTE) == 0)
        on_simple(f, "note", "Text", NULL);
    else if (strcmp(kind, RECORD_END) == 0)
        fold_end(f);
    else if (strcmp(kind, RECORD_FENCE) == 0)
        fold_lost(f);
}

/* What the disk has destroyed is passed over: the ledger still adds up, and the records behind it still count. */
static void note_gap(struct fold *f)
{
    struct ad *event = event_new("note", clock_wall_us());
    ad_set_string(event, "Text", "a record of its journal is damaged; what it said is lost");
    fold_emit(f, event);
}

static bool on_record(void *data, const char *text, size_t len, int64_t end)
{
    struct fold *f = data;
    struct ad *record = NULL;
    struct error err;
    f->job.journal_offset = end;
    if (!text) {
        note_gap(f);
        return f->failed == 0;
    }
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

static int load_account(struct fold *f)
{
    const char *name = account_of(f->full);
    if (!name)
        return 0;
    int result = queue_get_account(f->pool->queue, name, &f->account, f->err);
    if (result != QUEUE_ABSENT)
        return result;
    f->account = (struct queue_usage){ .updated_us = clock_wall_us(), .factor = account_factor(f->full) };
    snprintf(f->account.owner, sizeof f->account.owner, "%s", name);
    return 0;
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
    return result < 0 ? -1 : load_account(f);
}

/* What was folded just before a power cut may not have been on the disk yet: what is appended from now on starts before the
 * offset. Nobody appends between the cut and this: a fence folds first. */
static void fit_offset(struct fold *f)
{
    struct stat st;
    if (fstatat(f->active->job_dir, "journal", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size < f->job.journal_offset)
        f->job.journal_offset = st.st_size;
}

static int save(struct fold *f)
{
    struct pool *p = f->pool;
    if (queue_put_stint(p->queue, f->job.id, f->active->stint, f->stint, f->err) < 0)
        return -1;
    if (f->usage_changed && queue_put_usage(p->queue, &f->usage, f->err) < 0)
        return -1;
    if (f->usage_changed && f->account.owner[0] && queue_put_account(p->queue, &f->account, f->err) < 0)
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
        fit_offset(&f);
    if (result == 0)
        result = journal_read(a->job_dir, "journal", f.job.journal_offset, on_record, &f, err);
    if (result == 0)
        result = f.failed;
    if (result == 0 && f.job.journal_offset != before)
        result = save(&f);
    release(&f);
    return result;
}
