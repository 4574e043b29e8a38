/* Jobs that are still to be made, notices, accounts, and rows that are not parsed. */
#include "queue_fixture.h"

#include "job/state.h"

static struct queue_factory factory_of(int cluster, int64_t total)
{
    struct queue_factory f = { .cluster = cluster, .uid = 1001, .owner = "ann", .submitted_us = 77, .total = total, .most = -1, .most_idle = 5 };
    return f;
}

static void collect_factory(void *data, const struct queue_factory *f)
{
    buf_printf(data, "%d %s/%u %lld %lld/%lld %lld %lld %lld '%s'; ", f->cluster, f->owner, (unsigned)f->uid, (long long)f->submitted_us,
               (long long)f->next, (long long)f->total, (long long)f->most, (long long)f->most_idle, (long long)f->paused, f->reason);
}

static void assert_factories(struct fixture *f, const char *wanted)
{
    auto_buf struct buf out = { 0 };
    assert_ok(queue_each_factory(f->queue, collect_factory, &out, &f->err), f->err);
    assert_string_equal(buf_cstr(&out), wanted);
}

static void what_makes_jobs_is_kept_with_how_far_it_is(void **state)
{
    struct fixture *f = *state;
    struct queue_factory a = factory_of(9, 10), b = factory_of(2, 3), none = factory_of(7, 1);
    assert_ok(queue_add_factory(f->queue, &a, &f->err), f->err);
    assert_ok(queue_add_factory(f->queue, &b, &f->err), f->err);
    a.next = 4;
    a.paused = 1;
    snprintf(a.reason, sizeof a.reason, "it's held");
    assert_ok(queue_put_factory(f->queue, &a, &f->err), f->err);
    assert_int_equal(queue_put_factory(f->queue, &none, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    fixture_reopen(f);
    assert_factories(f, "2 ann/1001 77 0/3 -1 5 0 ''; 9 ann/1001 77 4/10 -1 5 1 'it's held'; ");
    int64_t count;
    assert_ok(queue_count_to_come(f->queue, 1001, &count, &f->err), f->err);
    assert_int_equal(count, 9);
    assert_ok(queue_count_to_come(f->queue, 1002, &count, &f->err), f->err);
    assert_int_equal(count, 0);
}

static struct ad *number(int64_t n)
{
    struct ad *ad = ad_new();
    ad_set_int(ad, "N", n);
    return ad;
}

static void assert_item(struct fixture *f, struct job_id id, int64_t wanted)
{
    struct ad *got = NULL;
    assert_ok(queue_take_item(f->queue, id, &got, &f->err), f->err);
    assert_int_equal(ad_int(got, "N", -1), wanted);
    ad_free(got);
}

static void an_item_is_taken_once_and_one_that_is_not_there_differs_in_nothing(void **state)
{
    struct fixture *f = *state;
    struct queue_factory a = factory_of(2, 5), b = factory_of(3, 5);
    assert_ok(queue_add_factory(f->queue, &a, &f->err), f->err);
    assert_ok(queue_add_factory(f->queue, &b, &f->err), f->err);
    for (int cluster = 2; cluster <= 3; cluster++) {
        for (int proc = 0; proc < 5; proc++) {
            auto_ad struct ad *ad = number(cluster * 10 + proc);
            assert_ok(queue_add_item(f->queue, (struct job_id){ cluster, proc }, ad, &f->err), f->err);
        }
    }
    fixture_reopen(f);
    assert_item(f, (struct job_id){ 2, 1 }, 21);
    assert_item(f, (struct job_id){ 2, 1 }, -1);
    assert_ok(queue_drop_items(f->queue, (struct job_id){ 2, 3 }, &f->err), f->err);
    assert_item(f, (struct job_id){ 2, 2 }, 22);
    assert_item(f, (struct job_id){ 2, 3 }, -1);
    assert_item(f, (struct job_id){ 2, 4 }, -1);
    assert_ok(queue_drop_factory(f->queue, 2, &f->err), f->err);
    assert_item(f, (struct job_id){ 2, 0 }, -1);
    assert_item(f, (struct job_id){ 3, 4 }, 34); /* the neighbour's stay */
    assert_factories(f, "3 ann/1001 77 0/5 -1 5 0 ''; ");
}

static bool count_event(void *data, const struct queue_event *event)
{
    (void)event;
    ++*(int *)data;
    return true;
}

static void a_clusters_ad_is_kept_as_long_as_it_makes_jobs(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *common = number(1), *full = NULL, *event = number(2);
    struct queue_factory a = factory_of(4, 5);
    struct queue_job whole = { .id = { 4, JOB_ALL_PROCS } }, job = { .id = { 4, 0 } };
    snprintf(job.owner, sizeof job.owner, "ann");
    assert_ok(queue_add_cluster(f->queue, 4, common, &f->err), f->err);
    assert_ok(queue_add_factory(f->queue, &a, &f->err), f->err);
    assert_ok(queue_add_event(f->queue, whole.id, event, false, NULL, &f->err), f->err);
    assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
    assert_ok(queue_finish_job(f->queue, job.id, 5, &f->err), f->err);
    assert_ok(queue_trim_history(f->queue, 100, &f->err), f->err);
    assert_ok(queue_full_ad(f->queue, &whole, &full, &f->err), f->err);
    assert_int_equal(ad_int(full, "N", 0), 1);
    assert_ok(queue_drop_factory(f->queue, 4, &f->err), f->err);
    assert_ok(queue_add_job(f->queue, &(struct queue_job){ .id = { 4, 1 }, .owner = "ann" }, &f->err), f->err);
    assert_ok(queue_finish_job(f->queue, (struct job_id){ 4, 1 }, 5, &f->err), f->err);
    assert_ok(queue_trim_history(f->queue, 100, &f->err), f->err);
    ad_free(steal(full));
    assert_int_equal(queue_full_ad(f->queue, &whole, &full, &f->err), -1);
    int events = 0;
    assert_ok(queue_each_event(f->queue, 0, whole.id, 0, count_event, &events, &f->err), f->err);
    assert_int_equal(events, 0);
}

static void jobs_of_a_cluster_are_counted_by_state(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *common = ad_new();
    int64_t counts[JOB_STATE_COUNT];
    for (int cluster = 1; cluster <= 3; cluster++) {
        assert_ok(queue_add_cluster(f->queue, cluster, common, &f->err), f->err);
        for (int proc = 0; proc < 4; proc++) {
            struct queue_job job = { .id = { cluster, proc }, .owner = "ann", .state = proc == 3 ? JOB_HELD : JOB_IDLE };
            assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
        }
    }
    assert_ok(queue_count_cluster(f->queue, 2, counts, &f->err), f->err);
    assert_int_equal(counts[JOB_IDLE], 3);
    assert_int_equal(counts[JOB_HELD], 1);
    assert_int_equal(counts[JOB_RUNNING], 0);
    assert_ok(queue_count_cluster(f->queue, 9, counts, &f->err), f->err);
    assert_int_equal(counts[JOB_IDLE], 0);
}

static void notices_wait_until_they_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct queue_notice n;
    int64_t due;
    assert_int_equal(queue_next_notice(f->queue, 0, 100, &n, &f->err), QUEUE_ABSENT);
    assert_ok(queue_add_notice(f->queue, (struct job_id){ 7, 1 }, "completed", &f->err), f->err);
    assert_ok(queue_add_notice(f->queue, (struct job_id){ 7, 2 }, "held", &f->err), f->err);
    fixture_reopen(f);
    assert_ok(queue_next_notice(f->queue, 0, 100, &n, &f->err), f->err);
    assert_int_equal(n.id.proc, 1);
    assert_string_equal(n.kind, "completed");
    assert_ok(queue_delay_notice(f->queue, n.seq, 200, &f->err), f->err);
    int64_t first = n.seq;
    assert_ok(queue_next_notice(f->queue, 0, 100, &n, &f->err), f->err);
    assert_int_equal(n.id.proc, 2);
    assert_int_equal(queue_next_notice(f->queue, n.seq, 100, &n, &f->err), QUEUE_ABSENT);
    assert_ok(queue_notice_due(f->queue, 100, &due, &f->err), f->err);
    assert_int_equal(due, 200);
    assert_ok(queue_next_notice(f->queue, 0, 200, &n, &f->err), f->err);
    assert_int_equal(n.seq, first);
    assert_int_equal(n.tries, 1);
    assert_ok(queue_drop_notice(f->queue, first, &f->err), f->err);
    assert_ok(queue_notice_due(f->queue, 100, &due, &f->err), f->err);
    assert_true(due == INT64_MAX);
}

static void collect_usage(void *data, const struct queue_usage *usage)
{
    buf_printf(data, "%s %lld; ", usage->owner, (long long)usage->total_cpu_us);
}

static void accounts_have_usage_of_their_own(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf out = { 0 }, users = { 0 };
    struct queue_usage got, usage = { .owner = "group_physics.ann", .decayed_cpu_s = 0.5, .updated_us = 5, .total_cpu_us = 6, .factor = 1e10 };
    assert_int_equal(queue_get_account(f->queue, usage.owner, &got, &f->err), QUEUE_ABSENT);
    assert_ok(queue_put_account(f->queue, &usage, &f->err), f->err);
    usage.total_cpu_us = 8;
    assert_ok(queue_put_account(f->queue, &usage, &f->err), f->err);
    assert_ok(queue_get_account(f->queue, usage.owner, &got, &f->err), f->err);
    assert_string_equal(got.owner, usage.owner);
    assert_int_equal(got.total_cpu_us, 8);
    assert_true(got.factor == 1e10 && got.decayed_cpu_s == 0.5);
    assert_ok(queue_each_account(f->queue, collect_usage, &out, &f->err), f->err);
    assert_string_equal(buf_cstr(&out), "group_physics.ann 8; ");
    assert_ok(queue_each_usage(f->queue, collect_usage, &users, &f->err), f->err);
    assert_string_equal(buf_cstr(&users), "");
}

static bool look_at(void *data, const struct queue_job *job)
{
    struct fixture *f = data;
    struct ad *ad = NULL;
    assert_null(job->ad);
    assert_int_equal(job->ad_text_len, strlen(job->ad_text));
    assert_string_equal(job->ad_text, "{\"N\":7}");
    assert_ok(queue_parse_ad(f->queue, job, &ad, &f->err), f->err);
    assert_int_equal(ad_int(ad, "N", 0), 7);
    ad_free(ad);
    struct queue_job damaged = *job;
    damaged.ad_text_len--;
    assert_int_equal(queue_parse_ad(f->queue, &damaged, &ad, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
    return true;
}

static void rows_can_be_had_without_parsing_them(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *common = ad_new(), *own = number(7);
    struct queue_job job = { .id = { 1, 0 }, .owner = "ann", .ad = own };
    assert_ok(queue_add_cluster(f->queue, 1, common, &f->err), f->err);
    assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
    assert_ok(queue_each_job(f->queue, &(struct queue_filter){ .unparsed = true }, look_at, f, &f->err), f->err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_makes_jobs_is_kept_with_how_far_it_is),
        TEST(an_item_is_taken_once_and_one_that_is_not_there_differs_in_nothing),
        TEST(a_clusters_ad_is_kept_as_long_as_it_makes_jobs),
        TEST(jobs_of_a_cluster_are_counted_by_state),
        TEST(notices_wait_until_they_are_dropped),
        TEST(accounts_have_usage_of_their_own),
        TEST(rows_can_be_had_without_parsing_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
