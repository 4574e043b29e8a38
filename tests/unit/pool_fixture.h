/* A pool in a directory of its own that never starts a runner: its functions are called, and what the queue says afterwards is
 * looked at. */
#pragma once

#include "base/clock.h"
#include "base/journal.h"
#include "pool/pool.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ad_fixture.h"

#define assert_ok(call, err)                        \
    do {                                            \
        int r_ = (call);                            \
        if (r_ != 0)                                \
            fail_msg("%s gives %d: %s", #call, r_, r_ < 0 ? (err).text : ""); \
    } while (0)

struct fixture {
    struct scratch scratch;
    struct pool pool;
    struct error err;
    uid_t me;
};

static inline void fixture_open(struct fixture *f)
{
    assert_ok(pool_open_state(&f->pool, f->scratch.path, &f->err), f->err);
    f->pool.machine_wide = false;
}

static inline int fixture_setup(void **state)
{
    static const char conf[] = "cpus = 4\nmemory = 4G\ndisk = 100G\nlimits = off\n";
    struct fixture *f = mem_new(struct fixture);
    f->me = geteuid();
    setenv("TZ", "UTC", 1);
    scratch_open(&f->scratch);
    scratch_write(&f->scratch, "stint.conf", conf, sizeof conf - 1);
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    pool_close(&f->pool);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

/* What a kill and a start leave: everything that is only in memory is gone. */
static inline void fixture_reopen(struct fixture *f)
{
    pool_close(&f->pool);
    fixture_open(f);
}

/* Submits jobs; `more` is the inside of a JSON object that goes into their cluster's ad, or "". Their log is "log" in the
 * fixture's directory. Returns the cluster. */
static inline int fixture_submit(struct fixture *f, int count, const char *more)
{
    auto_free char *json = mem_printf("{\"Ad\":{\"Cmd\":\"/bin/true\",\"Iwd\":\"%s\",\"UserLog\":\"log\"%s%s},\"Count\":%d}",
                                      f->scratch.path, *more ? "," : "", more, count);
    auto_ad struct ad *request = from_json(json);
    auto_ad struct ad *answer = ad_new();
    assert_ok(submit_cluster(&f->pool, f->me, request, answer, &f->err), f->err);
    assert_int_equal(ad_int(answer, "Jobs", 0), count);
    return (int)ad_int(answer, "ClusterId", 0);
}

/* Release the ad with queue_job_release. */
static inline struct queue_job fixture_get(struct fixture *f, int cluster, int proc)
{
    struct queue_job job;
    assert_ok(queue_get_job(f->pool.queue, (struct job_id){ cluster, proc }, &job, &f->err), f->err);
    return job;
}

static inline void fixture_put(struct fixture *f, struct queue_job *job)
{
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_put_job(f->pool.queue, job, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
}

static inline void fixture_set_state(struct fixture *f, int cluster, int proc, enum job_state state)
{
    struct queue_job job = fixture_get(f, cluster, proc);
    job.state = state;
    fixture_put(f, &job);
    queue_job_release(&job);
}

/* The state by the queue: also of one that is in the history. */
static inline bool note_state(void *data, const struct queue_job *job)
{
    *(enum job_state *)data = job->state;
    return true;
}

static inline const char *fixture_state(struct fixture *f, int cluster, int proc)
{
    struct queue_filter filter = { .id = { cluster, proc } };
    enum job_state state = JOB_STATE_COUNT;
    assert_ok(queue_each_job(f->pool.queue, &filter, note_state, &state, &f->err), f->err);
    filter.history = true;
    if (state == JOB_STATE_COUNT)
        assert_ok(queue_each_job(f->pool.queue, &filter, note_state, &state, &f->err), f->err);
    return state == JOB_STATE_COUNT ? "absent" : job_state_name(state);
}

static inline bool append_event_name(void *data, const struct queue_event *event)
{
    struct buf *out = data;
    buf_printf(out, "%s%s", out->len ? " " : "", ad_string(event->ad, "Event", "?"));
    return true;
}

/* The names of the events of a job (of all jobs, if cluster is 0) after a number, parted by blanks. */
static inline void assert_events(struct fixture *f, int cluster, int proc, int64_t after, const char *names)
{
    auto_buf struct buf got = { 0 };
    struct job_id id = { cluster, cluster ? proc : JOB_ALL_PROCS };
    assert_ok(queue_each_event(f->pool.queue, after, id, 0, append_event_name, &got, &f->err), f->err);
    assert_string_equal(buf_cstr(&got), names);
}

static inline bool keep_last_event(void *data, const struct queue_event *event)
{
    struct ad **last = data;
    ad_free(*last);
    *last = ad_copy(event->ad);
    return true;
}

/* A copy of the last event. */
static inline struct ad *fixture_last_event(struct fixture *f)
{
    struct ad *last = NULL;
    assert_ok(queue_each_event(f->pool.queue, 0, (struct job_id){ .proc = JOB_ALL_PROCS }, 0, keep_last_event, &last, &f->err),
              f->err);
    assert_non_null(last);
    return last;
}

/* Fails if a transaction was left open. */
static inline void assert_no_transaction(struct fixture *f)
{
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    queue_rollback(f->pool.queue);
}
