/*
 * The idle jobs in memory. Whether a job suits this machine is not asked when it comes, but when there is room for it; what does not
 * suit lies aside until the job is changed, or, if time alone may change it, for an interval.
 */
#include "policy/dollar.h"
#include "pool/idle.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BACKOFF_FIRST_US = 1000000, BACKOFF_DOUBLINGS = 8 };

bool idle_same(struct job_id a, struct job_id b)
{
    return a.cluster == b.cluster && a.proc == b.proc;
}

/* ---- what is known of a job ---- */

/* Whether the job's own ad says anything that its start depends on. */
static bool has_conditions(const struct ad *ad)
{
    static const char *const names[] = {
        "Requirements", "ConcurrencyLimits", "DeferralTime", "CronMinute", "CronHour", "CronDayOfMonth", "CronMonth", "CronDayOfWeek",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ad_has(ad, names[i]))
            return true;
    return dollar_is_in(ad);
}

/* Jobs of one cluster come together, and mostly none of them has conditions: then there is no need for their whole ads. */
static bool is_plain(struct pool *p, const struct queue_job *job, struct ad **full)
{
    struct error ignored;
    if (has_conditions(job->ad) || p->config.start)
        return queue_full_ad(p->queue, job, full, &ignored) < 0;
    if (p->plain_cluster == job->id.cluster)
        return true;
    if (queue_full_ad(p->queue, job, full, &ignored) < 0)
        return true;
    if (has_conditions(*full))
        return false;
    p->plain_cluster = job->id.cluster;
    return true;
}

struct policy_job idle_view(struct pool *p, const struct queue_job *job)
{
    auto_ad struct ad *full = NULL;
    struct policy_job view = {
        .id = job->id, .priority = job->priority, .submitted_us = job->submitted_us, .cpus = job->cpus,
        .memory_mb = job->memory_mb, .disk_kb = job->disk_kb - kept_disk(p, job),
    };
    if (is_plain(p, job, &full))
        return view;
    view.conditional = match_is_asked(p, full);
    view.needs = limits_of(p, full);
    return view;
}

/* ---- the order ---- */

static int compare(const void *a, const void *b)
{
    return policy_compare(a, b);
}

static void append(struct pool *p, const struct policy_job *job)
{
    p->idle = mem_grow(p->idle, &p->idle_capacity, p->idle_count + 1, sizeof *p->idle);
    p->idle[p->idle_count++] = *job;
}

static void insert(struct pool *p, const struct policy_job *job)
{
    size_t low = 0, high = p->idle_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (policy_compare(&p->idle[middle], job) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    append(p, job);
    memmove(&p->idle[low + 1], &p->idle[low], (p->idle_count - 1 - low) * sizeof *p->idle);
    p->idle[low] = *job;
}

/* What stands behind the first `sorted` goes to its places, from the last to the first. */
static void merge(struct pool *p, size_t sorted)
{
    size_t count = p->idle_count - sorted, at = p->idle_count;
    if (count == 0)
        return;
    qsort(&p->idle[sorted], count, sizeof *p->idle, compare);
    if (sorted == 0 || policy_compare(&p->idle[sorted - 1], &p->idle[sorted]) < 0)
        return;
    struct policy_job *new = mem_zero(count, sizeof *new);
    memcpy(new, &p->idle[sorted], count * sizeof *new);
    while (count > 0) {
        bool is_new = sorted == 0 || policy_compare(&p->idle[sorted - 1], &new[count - 1]) < 0;
        p->idle[--at] = is_new ? new[--count] : p->idle[--sorted];
    }
    free(new);
}

/* Many at once: moving the rest for each of a hundred thousand would take minutes. */
static void insert_many(struct pool *p, const struct policy_job *jobs, size_t count)
{
    size_t sorted = p->idle_count;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        append(p, &jobs[i]);
    merge(p, sorted);
    p->schedule = true;
}

void schedule_begin_many(struct pool *p)
{
    p->idle_many = true;
    p->idle_sorted = p->idle_count;
}

void schedule_end_many(struct pool *p)
{
    merge(p, p->idle_sorted);
    p->idle_many = false;
}

static int64_t back_off_us(const struct queue_job *job)
{
    int64_t failures = ad_int(job->ad, "BackOff", 0);
    if (failures <= 0)
        return 0;
    return (int64_t)BACKOFF_FIRST_US << (failures > BACKOFF_DOUBLINGS ? BACKOFF_DOUBLINGS : failures - 1);
}

void idle_wait(struct pool *p, const struct policy_job *job, int64_t wait_us, bool deferred)
{
    int64_t due = clock_boot_us() + wait_us;
    p->waiting_due_us = p->waiting_count == 0 || due < p->waiting_due_us ? due : p->waiting_due_us;
    p->waiting = mem_grow(p->waiting, &p->waiting_capacity, p->waiting_count + 1, sizeof *p->waiting);
    p->waiting[p->waiting_count++] = (struct waiting){ .job = *job, .not_before_us = due, .deferred = deferred };
    pool_wake(p, due);
}

void idle_unsuited(struct pool *p, const struct policy_job *job, bool timed)
{
    p->unsuited = mem_grow(p->unsuited, &p->unsuited_capacity, p->unsuited_count + 1, sizeof *p->unsuited);
    p->unsuited[p->unsuited_count++] = (struct unsuited){ .job = *job, .timed = timed };
}

void schedule_add(struct pool *p, const struct queue_job *job)
{
    struct policy_job view = idle_view(p, job);
    int64_t wait = back_off_us(job);
    p->schedule = true;
    if (wait == 0 && p->idle_many)
        append(p, &view);
    else if (wait == 0)
        insert(p, &view);
    else
        idle_wait(p, &view, wait, false);
}

void schedule_remove(struct pool *p, struct job_id id)
{
    for (size_t i = 0; i < p->idle_count; i++) {
        if (!idle_same(p->idle[i].id, id))
            continue;
        memmove(&p->idle[i], &p->idle[i + 1], (p->idle_count - i - 1) * sizeof *p->idle);
        p->idle_count--;
        return;
    }
    for (size_t i = 0; i < p->waiting_count; i++) {
        if (!idle_same(p->waiting[i].job.id, id))
            continue;
        p->waiting[i] = p->waiting[--p->waiting_count];
        return;
    }
    for (size_t i = 0; i < p->unsuited_count; i++) {
        if (!idle_same(p->unsuited[i].job.id, id))
            continue;
        p->unsuited[i] = p->unsuited[--p->unsuited_count];
        return;
    }
}

static int compare_ids(const void *a, const void *b)
{
    const struct job_id *x = a, *y = b;
    if (x->cluster != y->cluster)
        return x->cluster < y->cluster ? -1 : 1;
    return (x->proc > y->proc) - (x->proc < y->proc);
}

void schedule_remove_many(struct pool *p, struct job_id *ids, size_t count)
{
    size_t idle = 0, waiting = 0, unsuited = 0;
    if (count == 0)
        return;
    if (count == 1) {
        schedule_remove(p, ids[0]);
        return;
    }
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < p->idle_count; i++)
        if (!bsearch(&p->idle[i].id, ids, count, sizeof *ids, compare_ids))
            p->idle[idle++] = p->idle[i];
    for (size_t i = 0; i < p->waiting_count; i++)
        if (!bsearch(&p->waiting[i].job.id, ids, count, sizeof *ids, compare_ids))
            p->waiting[waiting++] = p->waiting[i];
    for (size_t i = 0; i < p->unsuited_count; i++)
        if (!bsearch(&p->unsuited[i].job.id, ids, count, sizeof *ids, compare_ids))
            p->unsuited[unsuited++] = p->unsuited[i];
    p->idle_count = idle;
    p->waiting_count = waiting;
    p->unsuited_count = unsuited;
}

void idle_take_waiting(struct pool *p)
{
    int64_t now = clock_boot_us(), first = INT64_MAX;
    if (p->waiting_count == 0 || now < p->waiting_due_us)
        return;
    struct policy_job *due = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < p->waiting_count;) {
        if (p->waiting[i].not_before_us <= now) {
            due = mem_grow(due, &capacity, count + 1, sizeof *due);
            due[count++] = p->waiting[i].job;
            p->waiting[i] = p->waiting[--p->waiting_count];
            continue;
        }
        if (p->waiting[i].not_before_us < first)
            first = p->waiting[i].not_before_us;
        i++;
    }
    insert_many(p, due, count);
    free(due);
    p->waiting_due_us = first;
    if (p->waiting_count > 0)
        pool_wake(p, first);
}

void schedule_recheck(struct pool *p)
{
    struct policy_job *again = NULL;
    size_t count = 0, capacity = 0, kept = 0;
    for (size_t i = 0; i < p->unsuited_count; i++) {
        if (!p->unsuited[i].timed) {
            p->unsuited[kept++] = p->unsuited[i];
            continue;
        }
        again = mem_grow(again, &capacity, count + 1, sizeof *again);
        again[count++] = p->unsuited[i].job;
    }
    p->unsuited_count = kept;
    insert_many(p, again, count);
    free(again);
}

const struct waiting *idle_find_waiting(const struct pool *p, struct job_id id)
{
    for (size_t i = 0; i < p->waiting_count; i++)
        if (idle_same(p->waiting[i].job.id, id))
            return &p->waiting[i];
    return NULL;
}

static bool load_one(void *data, const struct queue_job *job)
{
    schedule_add(data, job);
    return true;
}

int schedule_load(struct pool *p, struct error *err)
{
    struct queue_filter filter = { .states = 1u << JOB_IDLE, .id.proc = JOB_ALL_PROCS };
    schedule_begin_many(p);
    int result = queue_each_job(p->queue, &filter, load_one, p, err);
    schedule_end_many(p);
    return result;
}

void schedule_close(struct pool *p)
{
    free(p->idle);
    free(p->waiting);
    free(p->unsuited);
    limits_close(p);
}
