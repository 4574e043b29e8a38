/* Stints that end badly: how often a job may fail, and what becomes of it when its runner is gone. */
#include "journal_fixture.h"

/* ---- failures in a row ---- */

static void fail_once(struct fixture *f, int cluster, const char *more)
{
    struct active *a = grant(f, cluster, 0);
    auto_free char *end = mem_printf("\"Outcome\":\"failed\",\"Reason\":\"so it is\",%s", more);
    begin(a, 0);
    put(a, 10, RECORD_END, end);
    fold(f, a);
    schedule_remove(&f->pool, (struct job_id){ cluster, 0 });
}

static void a_program_that_ended_badly_is_a_retry_without_a_pause(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    for (int i = 1; i <= 7; i++) {
        fail_once(f, cluster, "\"Cause\":\"failed\",\"ExitCode\":1");
        assert_int_equal(own_int(f, cluster, "Retries"), i);
        assert_int_equal(own_int(f, cluster, "BackOff"), -1);
        assert_string_equal(fixture_state(f, cluster, 0), "idle");
    }
}

static void a_stint_that_could_not_begin_backs_off_and_is_held_at_last(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    for (int i = 1; i < 5; i++) {
        fail_once(f, cluster, "\"Cause\":\"start\"");
        assert_int_equal(own_int(f, cluster, "BackOff"), i);
        assert_string_equal(fixture_state(f, cluster, 0), "idle");
    }
    fail_once(f, cluster, "\"Cause\":\"start\"");
    assert_string_equal(fixture_state(f, cluster, 0), "held");
    auto_free char *reason = own_text(f, cluster, "HoldReason");
    assert_string_equal(reason, "5 times in a row without a checkpoint in between: so it is");
    assert_int_equal(own_int(f, cluster, "HoldReasonCode"), 1002);
    assert_int_equal(own_int(f, cluster, "FailuresInARow"), -1);
}

static void a_program_that_is_killed_again_and_again_is_held(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    for (int i = 1; i < 5; i++) {
        fail_once(f, cluster, "\"Cause\":\"killed\",\"ExitSignal\":9");
        assert_int_equal(own_int(f, cluster, "KillsInARow"), i);
        assert_int_equal(own_int(f, cluster, "BackOff"), -1);
    }
    struct active *a = grant(f, cluster, 0); /* a checkpoint in between: it gets somewhere */
    begin(a, 0);
    put(a, 5, RECORD_COMMIT, "\"Generation\":1");
    put(a, 10, RECORD_END, "\"Outcome\":\"failed\",\"Cause\":\"killed\",\"ExitSignal\":9,\"Reason\":\"x\"");
    fold(f, a);
    assert_int_equal(own_int(f, cluster, "KillsInARow"), 1);
    for (int i = 0; i < 4; i++)
        fail_once(f, cluster, "\"Cause\":\"killed\",\"ExitSignal\":9");
    assert_string_equal(fixture_state(f, cluster, 0), "held");
    assert_int_equal(own_int(f, cluster, "HoldReasonCode"), 1001);
}

static void who_was_asked_to_go_goes_whatever_the_count(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct queue_job job = fixture_get(f, cluster, 0);
    ad_set_int(job.ad, "FailuresInARow", 10);
    fixture_put(f, &job);
    queue_job_release(&job);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    fold(f, a);
    fixture_set_state(f, cluster, 0, JOB_REMOVING);
    put(a, 10, RECORD_END, "\"Outcome\":\"failed\",\"Reason\":\"x\"");
    fold(f, a);
    assert_string_equal(fixture_state(f, cluster, 0), "removed");
}

static void a_job_that_backs_off_waits_longer_each_time(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    int64_t last = 0;
    for (int i = 1; i < 5; i++) {
        struct active *a = grant(f, cluster, 0);
        begin(a, 0);
        put(a, 10, RECORD_END, "\"Outcome\":\"failed\",\"Cause\":\"start\",\"Reason\":\"x\"");
        int64_t now = clock_boot_us();
        fold(f, a);
        assert_int_equal(f->pool.idle_count, 0);
        assert_int_equal(f->pool.waiting_count, 1);
        int64_t wait = f->pool.waiting[0].not_before_us - now;
        assert_true(wait > last);
        last = wait;
    }
}

/* ---- the fence ---- */

static void a_stint_that_never_began_is_fenced_with_its_time(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    int64_t granted = clock_boot_us() - 5000;
    struct active *a = grant(f, cluster, granted);
    int64_t before = f->pool.last_event;
    fence(f, a);
    auto_ad struct ad *stint = stint_ad(f, cluster, 1);
    assert_true(ad_int(stint, "OccupiedUs", 0) >= 5000);
    assert_int_equal(sum_of_classes(stint), ad_int(stint, "OccupiedUs", -1));
    assert_string_equal(ad_string(stint, "Outcome", ""), "lost");
    assert_events(f, cluster, 0, before, "runner_lost");
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
    assert_int_equal(own_int(f, cluster, "RunnersLost"), 1);
    assert_int_equal(own_int(f, cluster, "BackOff"), 1);
}

static void losing_a_running_job_once_costs_no_pause(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    for (int i = 0; i < 4; i++) {
        struct active *a = grant(f, cluster, 0);
        begin(a, 0);
        put(a, 10, RECORD_RUN, "\"Execution\":1");
        fence(f, a);
        assert_int_equal(own_int(f, cluster, "BackOff"), i);
        schedule_remove(&f->pool, (struct job_id){ cluster, 0 });
    }
}

static int64_t journal_bytes(const struct active *a)
{
    struct stat st;
    return fstatat(a->job_dir, "journal", &st, 0) == 0 ? st.st_size : 0;
}

static void an_end_that_was_not_read_yet_needs_no_fence(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    put(a, 10, RECORD_END, "\"Outcome\":\"evicted\",\"Cause\":\"vacate\",\"Checkpointed\":true");
    int64_t size = journal_bytes(a);
    int64_t before = f->pool.last_event;
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_fence(&f->pool, a, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    assert_int_equal(journal_bytes(a), size);
    assert_events(f, cluster, 0, before, "evicted");
}

static void a_fence_whose_transaction_failed_is_not_written_twice(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_fence(&f->pool, a, &f->err), f->err);
    event_rollback(&f->pool);
    a->over = false;
    int64_t size = journal_bytes(a);
    assert_string_equal(fixture_state(f, cluster, 0), "starting");
    int64_t before = f->pool.last_event;
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_fence(&f->pool, a, &f->err), f->err);
    assert_ok(event_commit(&f->pool, &f->err), f->err);
    assert_int_equal(journal_bytes(a), size);
    assert_events(f, cluster, 0, before, "runner_lost");
}

static void a_fence_finds_results_that_only_wait_to_be_delivered(void **state)
{
    static const struct { bool final, sandbox; const char *boot; const char *deliver; } cases[] = {
        { true, true, NULL, "stint.1" }, { false, true, NULL, "" }, { true, false, NULL, "" }, { true, true, "another", "" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int cluster = submit_two_cpus(f);
        struct active *a = grant(f, cluster, 0);
        auto_free char *more = mem_printf("\"BootId\":\"%s\",\"GrantedBootUs\":0", cases[i].boot ? cases[i].boot : clock_boot_id());
        put(a, 0, RECORD_BEGIN, more);
        put(a, 10, RECORD_RUN, "\"Execution\":1");
        put(a, 20, RECORD_EXIT, cases[i].final ? "\"ExitCode\":6,\"Final\":true" : "\"ExitCode\":6");
        if (cases[i].sandbox) {
            const char *leaf;
            auto_close int dir = file_open_parent(a->job_dir, "stint.1/std/stdout", true, &leaf, &f->err);
            assert_true(dir >= 0);
            close(openat(dir, leaf, O_WRONLY | O_CREAT, 0600));
        }
        fence(f, a);
        auto_free char *deliver = own_text(f, cluster, "Deliver");
        assert_string_equal(deliver, cases[i].deliver);
        assert_int_equal(own_int(f, cluster, "ExitCode"), *cases[i].deliver ? 6 : -1);
        auto_ad struct ad *stint = stint_ad(f, cluster, 1);
        assert_int_equal(sum_of_classes(stint), ad_int(stint, "OccupiedUs", -1));
        assert_int_equal(ad_int(stint, *cases[i].deliver ? "GoodputUs" : "LostUs", 0), 10);
        assert_string_equal(ad_string(stint, "Cause", ""), cases[i].boot ? "node" : "runner");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_program_that_ended_badly_is_a_retry_without_a_pause),
        TEST(a_stint_that_could_not_begin_backs_off_and_is_held_at_last),
        TEST(a_program_that_is_killed_again_and_again_is_held),
        TEST(who_was_asked_to_go_goes_whatever_the_count),
        TEST(a_job_that_backs_off_waits_longer_each_time),
        TEST(a_stint_that_never_began_is_fenced_with_its_time),
        TEST(losing_a_running_job_once_costs_no_pause),
        TEST(an_end_that_was_not_read_yet_needs_no_fence),
        TEST(a_fence_whose_transaction_failed_is_not_written_twice),
        TEST(a_fence_finds_results_that_only_wait_to_be_delivered),
    };
    return cmocka_run_group_tests_name("pool_fence", tests, NULL, NULL);
}
