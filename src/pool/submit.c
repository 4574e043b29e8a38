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

enum { AD_BYTES_MAX = 1 << 20, PRIORITY_MAX = 20 };

struct submission {
    struct pool *pool;
    const struct ad *request;
    struct ad *cluster;
    struct identity owner;
    uid_t uid;
    int number;
    int64_t count;
    int64_t now_us;
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
    job->priority = job->priority > PRIORITY_MAX ? PRIORITY_MAX : job->priority < -PRIORITY_MAX ? -PRIORITY_MAX : job->priority;
}

/* The job's own ad, and from the whole, `full`, the columns. */
static int make_job(struct submission *s, int proc, const struct ad *difference, struct queue_job *job, struct ad *full,
                    struct error *err)
{
    struct ad *own_ad = difference ? ad_copy(difference) : ad_new();
    submit_drop_own(own_ad);
    *job = (struct queue_job){
        .id = { .cluster = s->number, .proc = proc }, .uid = s->uid, .state = JOB_IDLE, .submitted_us = s->now_us, .ad = own_ad,
    };
    snprintf(job->owner, sizeof job->owner, "%s", s->owner.name);
    ad_update(full, s->cluster);
    ad_update(full, own_ad);
    if (ad_int(full, "JobStatus", 1) == 5) {
        job->state = JOB_HELD;
        ad_set_string(job->ad, "HoldReason", "submitted on hold at user's request");
        ad_set_int(job->ad, "HoldReasonCode", 15);
    }
    ad_remove(job->ad, "JobStatus");
    if (check_needed(full, err) < 0 || check_size(own_ad, err) < 0 || schedule_requests(full, job, err) < 0)
        return -1;
    submit_clamp(s->pool, s->uid, job);
    return 0;
}

static int tell(struct submission *s, const struct queue_job *job, const struct ad *full, struct error *err)
{
    struct ad *event = event_new("submitted", s->now_us);
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

static int add_jobs(struct submission *s, struct error *err)
{
    struct queue *q = s->pool->queue;
    for (int64_t i = 0; i < s->count; i++) {
        struct queue_job job;
        auto_ad struct ad *full = ad_new();
        int result = make_job(s, (int)i, ad_list_ad(s->request, "Procs", (size_t)i), &job, full, err);
        if (result == 0)
            result = queue_add_job(q, &job, err);
        if (result == 0)
            result = tell(s, &job, full, err);
        queue_job_release(&job);
        if (result < 0)
            return error_wrap(err, "job %lld of the submission", (long long)i);
    }
    return 0;
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
        return queue_reserve_cluster(s->pool->queue, &s->number, err);
    int result = wanted < 1 || wanted > INT32_MAX ? QUEUE_ABSENT : queue_take_reserved(s->pool->queue, s->uid, (int)wanted, err);
    if (result == QUEUE_ABSENT)
        return error_set(err, ERR_INVALID, "cluster %lld was not reserved by '%s', or is used already", (long long)wanted, s->owner.name);
    s->number = (int)wanted;
    return result;
}

static int store_all(struct submission *s, struct error *err)
{
    struct queue *q = s->pool->queue;
    if (submit_check_count(s->pool, s->uid, s->owner.name, s->count, err) < 0 || queue_begin(q, err) < 0)
        return -1;
    int result = take_number(s, err);
    if (result == 0)
        result = queue_add_cluster(q, s->number, s->cluster, err);
    if (result == 0)
        result = add_jobs(s, err);
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

int submit_cluster(struct pool *p, uid_t uid, const struct ad *request, struct ad *answer, struct error *err)
{
    struct submission s = { .pool = p, .request = request, .uid = uid, .now_us = clock_wall_us() };
    int result = identity_of(uid, &s.owner, err);
    if (result == 0)
        result = check(&s, err);
    if (result == 0)
        result = store_all(&s, err);
    ad_free(s.cluster);
    if (result < 0)
        return -1;
    struct queue_filter filter = { .id = { .cluster = s.number, .proc = JOB_ALL_PROCS }, .states = 1u << JOB_IDLE };
    struct error ignored;
    queue_each_job(p->queue, &filter, take_up, p, &ignored);
    ad_set_int(answer, "ClusterId", s.number);
    ad_set_int(answer, "Jobs", s.count);
    return 0;
}
