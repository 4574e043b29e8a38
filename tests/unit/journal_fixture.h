/* Journals as runners would write them, folded by the pool as if their lines had told it to. */
#pragma once

#include "job/record.h"
#include "pool_fixture.h"

enum { CPUS = 2 };
#define WALL INT64_C(1700000000000000)

/* Gives the job a slot, as a grant would, but starts nothing. */
static inline struct active *grant(struct fixture *f, int cluster, int64_t boot_us)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    struct job_move move;
    struct active *a;
    auto_ad struct ad *stint = ad_new();
    job.stint++;
    ad_set_int(stint, "Stint", job.stint);
    ad_set_int(stint, "GrantedWallUs", WALL + boot_us);
    ad_set_int(stint, "GrantedBootUs", boot_us);
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_put_stint(f->pool.queue, job.id, job.stint, stint, &f->err), f->err);
    assert_ok(move_job(&f->pool, &job, JOB_EVENT_GRANT, &move, &f->err), f->err);
    assert_true(move.allowed);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    schedule_remove(&f->pool, job.id);
    assert_ok(active_add(&f->pool, &job, &a, &f->err), f->err);
    queue_job_release(&job);
    return a;
}

/* Appends a record of the job's stint; `more` is the inside of a JSON object, or "". */
static inline void put(struct active *a, int64_t boot_us, const char *kind, const char *more)
{
    struct error err;
    auto_free char *text = mem_printf("{\"Record\":\"%s\",\"Stint\":%d,\"WallUs\":%lld,\"BootUs\":%lld%s%s}", kind, a->stint,
                                      (long long)(WALL + boot_us), (long long)boot_us, *more ? "," : "", more);
    auto_close int fd = journal_open(a->job_dir, "journal", &err);
    assert_true(fd >= 0);
    assert_ok(journal_append(fd, text, strlen(text), &err), err);
}

static inline void begin(struct active *a, int64_t boot_us)
{
    auto_free char *more = mem_printf("\"BootId\":\"%s\",\"Mode\":\"fresh\",\"GrantedBootUs\":%lld,\"GrantedWallUs\":%lld",
                                      clock_boot_id(), (long long)boot_us, (long long)(WALL + boot_us));
    put(a, boot_us, RECORD_BEGIN, more);
}

/* What the byte on a runner's line leads to. The active job is gone afterwards if its stint ended. */
static inline void fold(struct fixture *f, struct active *a)
{
    a->dirty = true;
    active_round(&f->pool);
}

static inline int submit_two_cpus(struct fixture *f)
{
    return fixture_submit(f, 1, "\"RequestCpus\":2");
}

static inline int64_t job_int(struct fixture *f, int cluster, const char *name)
{
    auto_ad struct ad *answer = ad_new();
    assert_ok(report_story(&f->pool, (struct job_id){ cluster, 0 }, answer, &f->err), f->err);
    return ad_int(ad_ad(answer, "Job"), name, -1);
}

/* An attribute of the job's own, as the queue has it; yours. */
static inline char *own_text(struct fixture *f, int cluster, const char *name)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    char *text = mem_dup(ad_string(job.ad, name, ""));
    queue_job_release(&job);
    return text;
}

static inline int64_t own_int(struct fixture *f, int cluster, const char *name)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    int64_t n = ad_int(job.ad, name, -1);
    queue_job_release(&job);
    return n;
}

static inline struct ad *stint_ad(struct fixture *f, int cluster, int stint)
{
    struct ad *ad = NULL;
    assert_ok(queue_get_stint(f->pool.queue, (struct job_id){ cluster, 0 }, stint, &ad, &f->err), f->err);
    return ad;
}

static inline int64_t sum_of_classes(const struct ad *ad)
{
    int64_t sum = 0;
    for (enum ledger_class class = 0; class < LEDGER_CLASS_COUNT; class++)
        sum += ad_int(ad, ledger_class_attribute(class), 0);
    return sum;
}

/* The one row of the ledger's view; yours. */
static inline struct ad *ledger_row(struct fixture *f, const char *by, int cluster)
{
    struct queue_ledger_query query = { .by = by, .id = { cluster, JOB_ALL_PROCS } };
    auto_ad struct ad *into = ad_new();
    assert_ok(queue_ledger(f->pool.queue, &query, into, "Rows", &f->err), f->err);
    return ad_list_count(into, "Rows") ? ad_copy(ad_list_ad(into, "Rows", 0)) : ad_new();
}

/* What the pool does when a runner is gone. */
static inline void fence(struct fixture *f, struct active *a)
{
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_fence(&f->pool, a, &f->err), f->err);
    assert_ok(event_commit(&f->pool, &f->err), f->err);
    assert_true(a->over);
    active_round(&f->pool);
}
