/*
 * A pool's own past as a workload: what `stint history --json` prints. Of each job that completed: when it was submitted, by
 * whom, what it asked for, the execution that counted in the end, and, where it was checkpointed, what that cost as it was
 * measured.
 */
#include "sim/workload.h"

#include "ad/ad.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { STATUS_COMPLETED = 4 };

static uint32_t find_user(struct workload *w, const char *name)
{
    for (size_t i = 0; i < w->user_count; i++)
        if (strncmp(w->users[i].name, name, WORKLOAD_USER_NAME_MAX - 1) == 0)
            return (uint32_t)i;
    workload_add_user(w, name);
    return (uint32_t)(w->user_count - 1);
}

static int between(const struct ad *ad, const char *name, int64_t fallback, int64_t most, int64_t *value, struct error *err)
{
    *value = ad_int(ad, name, fallback);
    if (*value < 0)
        return error_set(err, ERR_INVALID, "%s, %lld, is negative", name, (long long)*value);
    if (*value > most)
        return error_set(err, ERR_LIMIT, "%s, %lld, is more than %lld", name, (long long)*value, (long long)most);
    return 0;
}

static enum workload_kind kind_of(const struct ad *ad)
{
    const char *method = ad_string(ad, "CheckpointMethodUsed", ad_string(ad, "CheckpointMethod", ""));
    if (strstr(method, "transparent"))
        return WORKLOAD_TRANSPARENT;
    return strstr(method, "self") || ad_int(ad, "NumCkpts", 0) > 0 ? WORKLOAD_SELF : WORKLOAD_NONE;
}

static int add_job(struct workload *w, const struct ad *ad, struct error *err)
{
    int64_t submitted, work, cpus, memory, bytes, pause, checkpoints = ad_int(ad, "NumCkpts", 0);
    if (between(ad, "QDate", -1, WORKLOAD_TIME_MAX_S, &submitted, err) < 0 ||
        between(ad, "GoodputUs", 0, WORKLOAD_TIME_MAX_S * 1000000, &work, err) < 0 ||
        between(ad, "RequestCpus", 1, WORKLOAD_CPUS_MAX, &cpus, err) < 0 ||
        between(ad, "RequestMemory", 0, 1 << 30, &memory, err) < 0 ||
        between(ad, "LastCkptBytes", 0, INT64_MAX, &bytes, err) < 0 ||
        between(ad, "LastCkptPauseUs", 0, INT64_MAX, &pause, err) < 0)
        return -1;
    if (ad_int(ad, "JobStatus", STATUS_COMPLETED) != STATUS_COMPLETED || work == 0 || cpus == 0) {
        w->skipped++;
        return 0;
    }
    uint32_t user = find_user(w, ad_string(ad, "Owner", "unknown"));
    struct workload_job *job = workload_add_job(w);
    job->submit_us = submitted * 1000000;
    job->work_us = work;
    job->user = user;
    job->cpus = (uint32_t)cpus;
    job->memory_mb = (uint32_t)memory;
    job->kind = (uint8_t)kind_of(ad);
    job->state_kb = bytes / 1024 > UINT32_MAX ? UINT32_MAX : (uint32_t)(bytes / 1024);
    job->pause_ms = pause / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(pause / 1000);
    if (job->kind == WORKLOAD_SELF && checkpoints > 0)
        job->period_s = 1 + (uint32_t)(work / 1000000 / (checkpoints + 1));
    return 0;
}

int workload_parse_history(struct workload *w, const char *text, size_t len, struct error *err)
{
    auto_ad struct ad *answer = NULL;
    if (ad_parse_json(text, len, &answer, err) < 0)
        return -1;
    size_t count = ad_list_count(answer, "Jobs");
    if (count == 0)
        return error_set(err, ERR_INVALID,
                         "there is no list 'Jobs' with jobs in it; it should be what 'stint history --limit 0 --json' prints");
    for (size_t i = 0; i < count; i++) {
        const struct ad *ad = ad_list_ad(answer, "Jobs", i);
        if (!ad)
            return error_set(err, ERR_INVALID, "job %zu of the list is not an object", i + 1);
        if (add_job(w, ad, err) < 0)
            return error_wrap(err, "job %zu of the list", i + 1);
    }
    if (w->count == 0)
        return error_set(err, ERR_INVALID, "none of its %zu jobs completed with work done", count);
    workload_sort(w);
    return 0;
}
