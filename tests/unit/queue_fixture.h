/* An open queue in a directory of its own, and words to fill it with. */
#pragma once

#include "queue/queue.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define assert_ok(call, err)                        \
    do {                                            \
        int r_ = (call);                            \
        if (r_ != 0)                                \
            fail_msg("%s gives %d: %s", #call, r_, r_ < 0 ? (err).text : ""); \
    } while (0)

struct fixture {
    struct scratch scratch;
    struct queue *queue;
    struct error err;
};

static inline int fixture_setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    if (queue_open(f->scratch.path, &f->queue, &f->err) < 0) {
        fprintf(stderr, "%s\n", f->err.text);
        return -1;
    }
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    queue_close(f->queue);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

static inline void fixture_reopen(struct fixture *f)
{
    queue_close(f->queue);
    f->queue = NULL;
    assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
}

static inline struct queue_job job_of(int cluster, int proc)
{
    struct queue_job job = { .id = { cluster, proc }, .uid = 1000, .state = JOB_IDLE, .submitted_us = 1700000000000000,
                             .cpus = 1, .memory_mb = 128, .disk_kb = 1024 };
    snprintf(job.owner, sizeof job.owner, "ann");
    return job;
}

/* A cluster with `count` jobs that have nothing of their own. */
static inline void fixture_add(struct fixture *f, int cluster, int count)
{
    auto_ad struct ad *ad = ad_new();
    ad_set_string(ad, "Cmd", "/bin/true");
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    assert_ok(queue_add_cluster(f->queue, cluster, ad, &f->err), f->err);
    for (int proc = 0; proc < count; proc++) {
        struct queue_job job = job_of(cluster, proc);
        assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
    }
    assert_ok(queue_commit(f->queue, &f->err), f->err);
}

static inline void fixture_set_state(struct fixture *f, struct job_id id, enum job_state state)
{
    struct queue_job job;
    assert_ok(queue_get_job(f->queue, id, &job, &f->err), f->err);
    job.state = state;
    assert_ok(queue_put_job(f->queue, &job, &f->err), f->err);
    queue_job_release(&job);
}

static inline bool append_id(void *data, const struct queue_job *job)
{
    char name[JOB_ID_TEXT_MAX];
    struct buf *out = data;
    buf_printf(out, "%s%s", out->len ? " " : "", job_id_print(job->id, name));
    return true;
}

/* The ids that a filter selects, "7.0 7.1", in its order; owned. */
static inline char *fixture_select(struct fixture *f, struct queue_filter filter)
{
    struct buf out = { 0 };
    assert_ok(queue_each_job(f->queue, &filter, append_id, &out, &f->err), f->err);
    return buf_steal(&out);
}

static inline void assert_selects(struct fixture *f, struct queue_filter filter, const char *ids)
{
    auto_free char *got = fixture_select(f, filter);
    assert_string_equal(got, ids);
}
