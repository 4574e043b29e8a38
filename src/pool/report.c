/* What is told about jobs: their ads with what the queue knows beside, as of now. */
#include "base/clock.h"
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { STORY_EVENTS = 200 };

static const char *const hidden[] = {
    "LeaveReason", "LeaveCause", "LeaveFast", "LeaveCode", "LeaveSubCode", "DeliverBoot", "RunningSinceBootUs", "ExecutingSinceBootUs",
};

static void add_open_interval(struct pool *p, const struct queue_job *job, struct ad *ad)
{
    struct ad *stint = NULL;
    struct error ignored;
    struct ledger_open open;
    if (!job_state_occupies(job->state) || queue_get_stint(p->queue, job->id, job->stint, &stint, &ignored) != 0)
        return;
    if (ledger_open_now(stint, clock_boot_us(), &open)) {
        int64_t at_risk = open.at_risk_us + (open.executing ? open.interval_us : 0);
        const char *name = ledger_class_attribute(open.class);
        if (!open.executing)
            ad_set_int(ad, name, ad_int(ad, name, 0) + open.interval_us);
        ad_set_int(ad, "AtRiskUs", at_risk);
        ad_set_int(ad, "OccupiedUs", ad_int(ad, "OccupiedUs", 0) + open.at_risk_us + open.interval_us);
        ad_set_int(ad, "StintUserUs", ad_int(stint, "UserUs", 0));
    }
    ad_set_int(ad, "TotalUserUs", ad_int(ad, "TotalUserUs", 0) + ad_int(stint, "UserUs", 0));
    ad_set_int(ad, "TotalSysUs", ad_int(ad, "TotalSysUs", 0) + ad_int(stint, "SysUs", 0));
    ad_free(stint);
}

static void add_sums(struct ad *ad)
{
    static const char *const zero[] = { "GoodputUs", "LostUs", "CheckpointUs", "RestoreUs", "TransferUs", "IdleUs", "AtRiskUs",
        "OccupiedUs", "NumCkpts", "NumCkptsFailed", "NumJobStarts", "NumVacates", "NumHolds", "NumJobCompletions" };
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        if (!ad_has(ad, zero[i]))
            ad_set_int(ad, zero[i], 0);
    ad_set_int(ad, "CommittedTime", ad_int(ad, "GoodputUs", 0) / CLOCK_SECOND_US);
    ad_set_int(ad, "RemoteWallClockTime", ad_int(ad, "OccupiedUs", 0) / CLOCK_SECOND_US);
    ad_set_real(ad, "RemoteUserCpu", (double)ad_int(ad, "TotalUserUs", 0) / 1e6);
    ad_set_real(ad, "RemoteSysCpu", (double)ad_int(ad, "TotalSysUs", 0) / 1e6);
}

/* What is as old as it is only now. */
static void add_moment(struct ad *ad)
{
    int64_t now = clock_wall_us() / CLOCK_SECOND_US;
    ad_set_int(ad, "ServerTime", now);
    ad_set_int(ad, "CurrentTime", now);
    if (ad_has(ad, "LastCkptTime"))
        ad_set_int(ad, "CheckpointAge", now - ad_int(ad, "LastCkptTime", now));
    if (ad_has(ad, "ResidentSetSize"))
        ad_set_int(ad, "MemoryUsage", (ad_int(ad, "ResidentSetSize", 0) + 1023) / 1024);
}

int report_job(struct pool *p, const struct queue_job *job, struct ad **out, struct error *err)
{
    struct ad *ad = NULL;
    if (queue_full_ad(p->queue, job, &ad, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        ad_remove(ad, hidden[i]);
    ad_set_int(ad, "ClusterId", job->id.cluster);
    ad_set_int(ad, "ProcId", job->id.proc);
    ad_set_string(ad, "Owner", job->owner);
    ad_set_int(ad, "QDate", job->submitted_us / CLOCK_SECOND_US);
    ad_set_int(ad, "JobStatus", job_state_status(job->state));
    ad_set_string(ad, "JobState", job_state_name(job->state));
    if (!ad_has(ad, "EnteredCurrentStatus"))
        ad_set_int(ad, "EnteredCurrentStatus", job->submitted_us / CLOCK_SECOND_US);
    ad_set_int(ad, "StintNumber", job->stint);
    ad_set_int(ad, "NumShadowStarts", job->stint);
    ad_set_int(ad, "JobRunCount", job->stint);
    if (job_state_occupies(job->state))
        ad_copy_attribute(ad, "ShadowBday", ad, "JobCurrentStartDate");
    ad_set_int(ad, "JobPrio", schedule_job_prio(job));
    ad_set_int(ad, "RequestCpus", job->cpus);
    ad_set_int(ad, "RequestMemory", job->memory_mb);
    ad_set_int(ad, "RequestDisk", job->disk_kb);
    add_open_interval(p, job, ad);
    add_sums(ad);
    add_moment(ad);
    *out = ad;
    return 0;
}

/* ---- what others may see ---- */

/* Names that the pool sets and that tell no secret. Whatever else there is, users chose. */
static const char *const public_names[] = {
    "ClusterId", "ProcId", "Owner", "QDate", "JobStatus", "JobState", "EnteredCurrentStatus", "StintNumber", "JobPrio",
    "RequestCpus", "RequestMemory", "RequestDisk", "NumJobStarts", "NumCkpts", "NumCkptsFailed", "LastCkptTime",
    "LastCkptTimeUs", "LastCkptBytes", "CheckpointGeneration", "NumVacates", "LastVacateTime", "GoodputUs", "LostUs",
    "CheckpointUs", "RestoreUs", "TransferUs", "IdleUs", "AtRiskUs", "OccupiedUs", "CommittedTime", "RemoteWallClockTime",
    "RemoteUserCpu", "RemoteSysCpu", "TotalUserUs", "TotalSysUs", "StintUserUs", "ImageSize", "ResidentSetSize", "DiskUsage",
    "NumHolds", "NumReleases", "NiceUser", "TotalSubmitProcs", "NumJobCompletions", "JobStartDate", "JobCurrentStartDate", "CheckpointAge", "MemoryUsage", "ServerTime",
    "CompletionDate", "HoldReasonCode", "CheckpointMethodUsed", "Progress",
};

struct ad *report_public(const struct ad *job)
{
    struct ad *some = ad_new();
    for (size_t i = 0; i < sizeof public_names / sizeof public_names[0]; i++)
        ad_copy_attribute(some, public_names[i], job, public_names[i]);
    return some;
}

static bool is_number(const struct ad *ad, const char *name)
{
    return ad_int(ad, name, 0) == ad_int(ad, name, 1) || ad_real(ad, name, 0) == ad_real(ad, name, 1) ||
           ad_bool(ad, name, false) == ad_bool(ad, name, true);
}

struct ad *report_public_record(const struct ad *record)
{
    struct ad *some = ad_new();
    for (size_t i = 0; i < ad_count(record); i++) {
        const char *name = ad_name(record, i);
        if (is_number(record, name) || strcasecmp(name, "Event") == 0)
            ad_copy_attribute(some, name, record, name);
    }
    return some;
}

static void copy_public_list(struct ad *into, const struct ad *story, const char *list)
{
    ad_make_list(into, list);
    for (size_t i = 0; i < ad_list_count(story, list); i++)
        ad_append_ad(into, list, report_public_record(ad_list_ad(story, list, i)));
}

int report_public_story(struct pool *p, struct job_id id, struct ad *answer, struct error *err)
{
    auto_ad struct ad *story = ad_new();
    int result = report_story(p, id, story, err);
    if (result != 0)
        return result;
    ad_set_ad(answer, "Job", report_public(ad_ad(story, "Job")));
    copy_public_list(answer, story, "Stints");
    copy_public_list(answer, story, "Checkpoints");
    copy_public_list(answer, story, "Events");
    ad_make_list(answer, "Ledger"); /* its causes are in the users' words */
    return 0;
}

/* ---- a job's story ---- */

struct story {
    struct pool *pool;
    struct ad *answer;
    bool found;
    int failed;
    struct error *err;
};

static bool tell_job(void *data, const struct queue_job *job)
{
    struct story *s = data;
    struct ad *ad = NULL;
    auto_buf struct buf why = { 0 };
    s->found = true;
    s->failed = report_job(s->pool, job, &ad, s->err);
    if (s->failed == 0)
        ad_set_ad(s->answer, "Job", ad);
    schedule_explain(s->pool, job, &why);
    if (why.len > 0)
        ad_set_string(s->answer, "IdleReason", buf_cstr(&why));
    return false;
}

struct ad *report_event(const struct queue_event *event)
{
    struct ad *copy = ad_copy(event->ad);
    ad_remove(copy, "Log");
    ad_remove(copy, "Iwd");
    ad_remove(copy, "Uid");
    ad_remove(copy, "Information");
    ad_set_int(copy, "Seq", event->seq);
    return copy;
}

static bool tell_event(void *data, const struct queue_event *event)
{
    struct story *s = data;
    ad_append_ad(s->answer, "Events", report_event(event));
    return true;
}

/* By class and cause, from the job's own ledger rows. */
static int tell_ledger(struct story *s, struct job_id id)
{
    struct queue_ledger_query query = { .by = "cause", .id = id };
    return queue_ledger(s->pool->queue, &query, s->answer, "Ledger", s->err);
}

int report_story(struct pool *p, struct job_id id, struct ad *answer, struct error *err)
{
    struct story s = { .pool = p, .answer = answer, .err = err };
    struct queue_filter filter = { .id = id, .limit = 1 };
    int result = queue_each_job(p->queue, &filter, tell_job, &s, err);
    if (result == 0 && !s.found) {
        filter.history = true;
        result = queue_each_job(p->queue, &filter, tell_job, &s, err);
    }
    if (result < 0 || s.failed < 0)
        return -1;
    if (!s.found)
        return QUEUE_ABSENT;
    ad_make_list(answer, "Stints");
    ad_make_list(answer, "Checkpoints");
    ad_make_list(answer, "Events");
    ad_make_list(answer, "Ledger");
    if (queue_list_stints(p->queue, id, answer, "Stints", err) < 0 ||
        queue_list_checkpoints(p->queue, id, answer, "Checkpoints", err) < 0 ||
        queue_each_recent(p->queue, id, STORY_EVENTS, tell_event, &s, err) < 0)
        return -1;
    return tell_ledger(&s, id);
}

void report_pool(struct pool *p, struct ad *answer)
{
    int64_t counts[JOB_STATE_COUNT] = { 0 };
    struct error ignored;
    struct ad *jobs = ad_new();
    queue_count_states(p->queue, counts, &ignored);
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        if (!job_state_final((enum job_state)s))
            ad_set_int(jobs, job_state_name((enum job_state)s), counts[s]);
    ad_set_string(answer, "Version", STINT_VERSION);
    ad_set_int(answer, "Pid", getpid());
    ad_set_string(answer, "Owner", p->owner.name);
    ad_set_int(answer, "StartedUs", p->started_us);
    ad_set_bool(answer, "MachineWide", p->machine_wide);
    ad_set_string(answer, "Directory", p->dir_path);
    ad_set_int(answer, "Cpus", p->config.cpus);
    ad_set_int(answer, "CpusUsed", p->used.cpus);
    ad_set_int(answer, "Memory", p->config.memory_mb);
    ad_set_int(answer, "MemoryUsed", p->used.memory_mb);
    ad_set_int(answer, "Disk", p->config.disk_kb);
    ad_set_int(answer, "DiskUsed", p->used.disk_kb);
    ad_set_int(answer, "DiskKept", p->kept_disk_kb);
    ad_set_ad(answer, "Jobs", jobs);
    ad_set_int(answer, "LastEvent", p->last_event);
    char limits[700];
    if (p->limits)
        snprintf(limits, sizeof limits, "enforced by %s", p->limits);
    else
        snprintf(limits, sizeof limits, "not enforced: %s", p->limits_reason.text);
    ad_set_string(answer, "Limits", limits);
}
