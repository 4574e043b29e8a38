#include "base/clock.h"
#include "job/image.h"
#include "job/submit.h"
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Attributes that only the pool may set: whatever a client sends under these names is dropped. */
static const char *const own[] = {
    "ClusterId", "ProcId", "Owner", "Uid", "QDate", "JobState", "EnteredCurrentStatus", "StintNumber", "NumJobStarts", "NumCkpts",
    "NumCkptsFailed", "LastCkptTime", "LastCkptTimeUs", "LastCkptBytes", "LastCkptPauseUs", "LastCkptCommitUs",
    "LastCkptLatencyUs", "LastCkptError", "CheckpointGeneration", "LastGeneration", "NumVacates", "LastVacateTime",
    "VacateReason", "GoodputUs", "LostUs", "CheckpointUs", "RestoreUs", "TransferUs", "IdleUs", "AtRiskUs", "OccupiedUs",
    "CommittedTime", "RemoteWallClockTime", "RemoteUserCpu", "RemoteSysCpu", "ImageSize", "ResidentSetSize", "DiskUsage",
    "ExitCode", "ExitSignal", "ExitBySignal", "CompletionDate", "LastStintStartUs", "Retries", "Deliver", "DeliverBoot",
    "BackOff", "KillsInARow", "FailuresInARow", "LossesInARow", "CheckpointAsked", "RunnersLost", "LeaveReason", "LeaveCause", "LeaveFast", "LeaveCode",
    "CheckpointMethodUsed", "CheckpointMethodReason", "CheckabilityProblems", "CheckabilityTime", "ClonedFrom", "ImportedFrom", "LastEndCause", "SafeGeneration", "LastSafeTime", "TotalUserUs", "TotalSysUs", "HoldReasonCode", "HoldReasonSubCode",
    "Progress", "ProgressText", "ProgressTimeUs",
    "TotalSubmitProcs", "NumReleases", "LastHoldReason", "LastHoldReasonCode", "LastHoldReasonSubCode", "KeptSandbox",
    "NumHolds", "NumJobCompletions", "JobStartDate", "JobCurrentStartDate", "JobLastStartDate", "JobCurrentStartExecutingDate", "RunningSinceBootUs",
    "ExecutingSinceBootUs", "MatchedConcurrencyLimits", "DeferralDone", "PeriodicError", "VacateReasonCode", "VacateReasonSubCode", "LeaveSubCode",
    "ServerTime", "CurrentTime", "CheckpointAge", "MemoryUsage", "NumShadowStarts", "JobRunCount", "ShadowBday", "LastHoldReason",
    "LastHoldReasonCode", "LastHoldReasonSubCode",
};

bool submit_is_own(const char *name)
{
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcasecmp(own[i], name) == 0)
            return true;
    return false;
}

void submit_drop_own(struct ad *ad)
{
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        ad_remove(ad, own[i]);
}

enum { AD_BYTES_MAX = 1 << 20, PRIORITY_MAX = 20, TO_COME_FACTOR = 10 };

struct submission {
    struct submitter by;
    struct pool *pool;
    const struct ad *request;
    struct ad *cluster;
    struct identity owner;
    int64_t count;
    bool late; /* a factory makes the jobs */
    struct queue_factory factory;
};

static int check_size(const struct ad *ad, struct error *err)
{
    auto_buf struct buf text = { .max = AD_BYTES_MAX };
    ad_print_json(ad, &text);
    if (text.full)
        return error_set(err, ERR_LIMIT, "the job's ad is longer than %d KiB; put what is long into an input file", AD_BYTES_MAX >> 10);
    return 0;
}

static int check(struct submission *s, struct error *err)
{
    const struct ad *ad = ad_ad(s->request, "Ad");
    s->count = ad_int(s->request, "Count", 1);
    size_t procs = ad_list_count(s->request, "Procs");
    if (!ad)
        return error_set(err, ERR_INVALID, "the submission has no ad");
    if (s->count < 1 || s->count > SUBMIT_JOBS_MAX)
        return error_set(err, ERR_LIMIT, "a submission has 1 to %d jobs", SUBMIT_JOBS_MAX);
    if (procs > 0 && (int64_t)procs != s->count)
        return error_set(err, ERR_INVALID, "%lld jobs but %zu ads", (long long)s->count, procs);
    s->cluster = ad_copy(ad);
    submit_drop_own(s->cluster);
    ad_set_int(s->cluster, "TotalSubmitProcs", s->count);
    s->late = ad_int(s->cluster, "JobMaterializeLimit", -1) > 0 || ad_int(s->cluster, "JobMaterializeMaxIdle", -1) > 0;
    s->by.cluster = s->cluster;
    if (account_set(s->by.uid, s->owner.name, s->cluster, s->cluster, err) < 0)
        return -1;
    return check_size(s->cluster, err); /* once for all; of a job only what is its own */
}

static int check_needed(const struct ad *full, struct error *err)
{
    bool docker, program = ad_string(full, "Cmd", "")[0] || image_of_job(full, &docker);
    if (ad_string(full, "Iwd", "")[0] != '/' || !program)
        return error_set(err, ERR_INVALID, "the ad needs Cmd and an absolute Iwd");
    return 0;
}

int submit_check(const struct ad *full, struct error *err)
{
    return check_needed(full, err) < 0 ? -1 : check_size(full, err);
}

void submit_clamp(const struct pool *p, uid_t uid, struct queue_job *job)
{
    if (!p->machine_wide || uid == 0)
        return;
    int64_t own_part = schedule_job_prio(job);
    int64_t rest = job->priority - own_part;
    job->priority = rest + (own_part > PRIORITY_MAX ? PRIORITY_MAX : own_part < -PRIORITY_MAX ? -PRIORITY_MAX : own_part);
}

/* The job's own ad, and from the whole, `full`, the columns. */
static int make_job(const struct submitter *s, int proc, const struct ad *difference, struct queue_job *job, struct ad *full,
                    struct error *err)
{
    struct ad *own_ad = difference ? ad_copy(difference) : ad_new();
    submit_drop_own(own_ad);
    *job = (struct queue_job){
        .id = { .cluster = s->number, .proc = proc }, .uid = s->uid, .state = JOB_IDLE, .submitted_us = s->submitted_us, .ad = own_ad,
    };
    snprintf(job->owner, sizeof job->owner, "%s", s->owner);
    ad_update(full, s->cluster);
    ad_update(full, own_ad);
    if (account_set(s->uid, s->owner, full, job->ad, err) < 0)
        return -1;
    if (ad_int(full, "JobStatus", 1) == 5) {
        job->state = JOB_HELD;
        ad_set_string(job->ad, "HoldReason", "submitted on hold at user's request");
        ad_set_int(job->ad, "HoldReasonCode", 15);
        ad_set_int(job->ad, "NumHolds", 1);
    }
    ad_remove(job->ad, "JobStatus");
    if (check_needed(full, err) < 0 || check_size(own_ad, err) < 0 || schedule_requests(full, job, err) < 0)
        return -1;
    submit_clamp(s->pool, s->uid, job);
    return 0;
}

static int tell(const struct submitter *s, const struct queue_job *job, const struct ad *full, struct error *err)
{
    struct ad *event = event_new("submitted", s->now_us);
    ad_copy_attribute(event, "Notes", full, "SubmitEventNotes");
    if (event_add(s->pool, job, full, event, err) < 0)
        return -1;
    if (job->state != JOB_HELD)
        return 0;
    event = event_new("held", s->now_us);
    ad_set_string(event, "Reason", ad_string(job->ad, "HoldReason", ""));
    ad_set_int(event, "Code", 15);
    ad_set_int(event, "Subcode", 0);
    return event_add(s->pool, job, full, event, err);
}

int submit_add_job(const struct submitter *s, int proc, const struct ad *difference, struct queue_job *job, struct error *err)
{
    auto_ad struct ad *full = ad_new();
    if (make_job(s, proc, difference, job, full, err) < 0 || queue_add_job(s->pool->queue, job, err) < 0 ||
        tell(s, job, full, err) < 0) {
        queue_job_release(job);
        return -1;
    }
    return 0;
}

static const struct ad *difference_of(const struct submission *s, int64_t i)
{
    return ad_list_ad(s->request, "Procs", (size_t)i);
}

static int add_jobs(struct submission *s, struct error *err)
{
    for (int64_t i = 0; i < s->count; i++) {
        struct queue_job job;
        if (submit_add_job(&s->by, (int)i, difference_of(s, i), &job, err) < 0)
            return error_wrap(err, "job %lld of the submission", (long long)i);
        queue_job_release(&job);
    }
    return 0;
}

/* What a job of the factory would be refused for is said now, and not when it is made. Those that differ in nothing are all like the
 * first one. */
static int add_items(struct submission *s, struct error *err)
{
    for (int64_t i = 0; i < s->count; i++) {
        const struct ad *difference = difference_of(s, i);
        auto_ad struct ad *full = ad_new();
        struct queue_job job;
        if (i > 0 && (!difference || ad_count(difference) == 0))
            continue;
        int result = make_job(&s->by, (int)i, difference, &job, full, err);
        if (result == 0 && difference && ad_count(difference) > 0)
            result = queue_add_item(s->pool->queue, job.id, difference, err);
        queue_job_release(&job);
        if (result < 0)
            return error_wrap(err, "job %lld of the submission", (long long)i);
    }
    return 0;
}

static int add_factory(struct submission *s, struct error *err)
{
    struct queue_factory *f = &s->factory;
    *f = (struct queue_factory){
        .cluster = s->by.number, .uid = s->by.uid, .submitted_us = s->by.submitted_us, .total = s->count,
        .most = ad_int(s->cluster, "JobMaterializeLimit", -1), .most_idle = ad_int(s->cluster, "JobMaterializeMaxIdle", -1),
    };
    snprintf(f->owner, sizeof f->owner, "%s", s->owner.name);
    return add_items(s, err) < 0 ? -1 : factory_add(s->pool, f, s->cluster, err);
}

int submit_check_count(const struct pool *p, uid_t uid, const char *owner, int64_t more, struct error *err)
{
    int64_t most = p->config.max_jobs_per_user, count;
    if (most == 0 || (p->machine_wide && uid == 0))
        return 0;
    if (queue_count_owned(p->queue, uid, &count, err) < 0)
        return -1;
    if (count + more > most)
        return error_set(err, ERR_LIMIT, "%lld jobs more would be too many: a user may have %lld in the queue and '%s' has %lld",
                         (long long)more, (long long)most, owner, (long long)count);
    return 0;
}

static int take_number(struct submission *s, struct error *err)
{
    int64_t wanted = ad_int(s->request, "ClusterId", 0);
    if (wanted == 0)
        return queue_reserve_cluster(s->pool->queue, &s->by.number, err);
    int result = wanted < 1 || wanted > INT32_MAX ? QUEUE_ABSENT : queue_take_reserved(s->pool->queue, s->by.uid, (int)wanted, err);
    if (result == QUEUE_ABSENT)
        return error_set(err, ERR_INVALID, "cluster %lld was not reserved by '%s', or is used already", (long long)wanted, s->owner.name);
    s->by.number = (int)wanted;
    return result;
}

/* A factory's jobs are counted when they are made; what is still to be made may be ten times as much. */
static int check_count(struct submission *s, struct error *err)
{
    int64_t most = s->pool->config.max_jobs_per_user, count;
    if (!s->late)
        return submit_check_count(s->pool, s->by.uid, s->owner.name, s->count, err);
    if (most == 0 || (s->pool->machine_wide && s->by.uid == 0))
        return 0;
    if (queue_count_to_come(s->pool->queue, s->by.uid, &count, err) < 0)
        return -1;
    if (count + s->count > most * TO_COME_FACTOR)
        return error_set(err, ERR_LIMIT, "%lld jobs more would be too many: a user may have %lld to come and '%s' has %lld",
                         (long long)s->count, (long long)most * TO_COME_FACTOR, s->owner.name, (long long)count);
    return 0;
}

static int store_all(struct submission *s, struct error *err)
{
    struct queue *q = s->pool->queue;
    if (check_count(s, err) < 0 || queue_begin(q, err) < 0)
        return -1;
    int result = take_number(s, err);
    if (result == 0)
        result = queue_add_cluster(q, s->by.number, s->cluster, err);
    if (result == 0)
        result = s->late ? add_factory(s, err) : add_jobs(s, err);
    if (result < 0) {
        event_rollback(s->pool);
        return -1;
    }
    return event_commit(s->pool, err);
}

static bool take_up(void *data, const struct queue_job *job)
{
    schedule_add(data, job);
    return true;
}

/* What the submitter should know, though it is no error. */
static void warn(struct submission *s, struct ad *answer)
{
    if (notify_is_wanted(s->cluster) && !s->pool->config.notify_command[0])
        ad_append_string(answer, "Warnings", "notification: nothing is sent, for there is no notify_command; see stint.conf(5)");
}

int submit_cluster(struct pool *p, uid_t uid, const struct ad *request, struct ad *answer, struct error *err)
{
    struct submission s = { .pool = p, .request = request };
    s.by = (struct submitter){ .pool = p, .uid = uid, .owner = s.owner.name, .submitted_us = clock_wall_us() };
    s.by.now_us = s.by.submitted_us;
    int result = identity_of(uid, &s.owner, err);
    if (result == 0)
        result = check(&s, err);
    if (result == 0)
        result = store_all(&s, err);
    if (result == 0)
        warn(&s, answer);
    ad_free(s.cluster);
    if (result < 0)
        return -1;
    struct queue_filter filter = { .id = { .cluster = s.by.number, .proc = JOB_ALL_PROCS }, .states = 1u << JOB_IDLE };
    struct error ignored;
    if (s.late) {
        factory_keep(p, &s.factory);
        factory_round(p);
    } else {
        schedule_begin_many(p);
        queue_each_job(p->queue, &filter, take_up, p, &ignored);
        schedule_end_many(p);
    }
    ad_set_int(answer, "ClusterId", s.by.number);
    ad_set_int(answer, "Jobs", s.count);
    return 0;
}
