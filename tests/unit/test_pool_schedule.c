/* What starts, in which order and with which grant; and what people are told of jobs that do not. */
#include "journal_fixture.h"

#include "engine/tools.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Runners are programs that end at once. */
static int setup(void **state)
{
    int r = fixture_setup(state);
    struct fixture *f = *state;
    free(f->pool.runner_path);
    f->pool.runner_path = mem_dup("/bin/true");
    return r;
}

static int teardown(void **state)
{
    int r = fixture_teardown(state);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return r;
}

static void assert_idle(struct fixture *f, const char *want)
{
    auto_buf struct buf got = { 0 };
    char name[JOB_ID_TEXT_MAX];
    for (size_t i = 0; i < f->pool.idle_count; i++)
        buf_printf(&got, "%s%s", i ? " " : "", job_id_print(f->pool.idle[i].id, name));
    assert_string_equal(buf_cstr(&got), want);
}

static bool append_id(void *data, const struct queue_job *job)
{
    char name[JOB_ID_TEXT_MAX];
    struct buf *out = data;
    buf_printf(out, "%s%s", out->len ? " " : "", job_id_print(job->id, name));
    return true;
}

/* Who holds a slot by the queue. */
static void assert_started(struct fixture *f, const char *want)
{
    auto_buf struct buf got = { 0 };
    struct queue_filter filter = { .id.proc = JOB_ALL_PROCS, .states = 1u << JOB_STARTING };
    assert_ok(queue_each_job(f->pool.queue, &filter, append_id, &got, &f->err), f->err);
    assert_string_equal(buf_cstr(&got), want);
}

/* ---- the order ---- */

static void jobs_wait_by_priority_then_submission(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 2, "");
    fixture_submit(f, 1, "\"JobPrio\":5");
    fixture_submit(f, 1, "\"JobPrio\":-1");
    fixture_submit(f, 1, "\"JobPrio\":5");
    assert_idle(f, "2.0 4.0 1.0 1.1 3.0");
    schedule_remove(&f->pool, (struct job_id){ 1, 0 });
    schedule_remove(&f->pool, (struct job_id){ 1, 0 });
    schedule_remove(&f->pool, (struct job_id){ 9, 0 });
    assert_idle(f, "2.0 4.0 1.1 3.0");
}

static void a_restarted_pool_has_the_same_order(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 40; i++) {
        auto_free char *more = mem_printf("\"JobPrio\":%d", i * 7 % 5);
        fixture_submit(f, 2, more);
    }
    auto_buf struct buf before = { 0 };
    char name[JOB_ID_TEXT_MAX];
    for (size_t i = 0; i < f->pool.idle_count; i++)
        buf_printf(&before, "%s%s", i ? " " : "", job_id_print(f->pool.idle[i].id, name));
    fixture_reopen(f);
    assert_int_equal(f->pool.idle_count, 0);
    assert_ok(schedule_load(&f->pool, &f->err), f->err);
    assert_idle(f, buf_cstr(&before));
}

static void assert_in_order(struct fixture *f, size_t count)
{
    assert_int_equal(f->pool.idle_count, count);
    for (size_t i = 1; i < count; i++)
        assert_true(policy_compare(&f->pool.idle[i - 1], &f->pool.idle[i]) < 0);
}

/* Behind, before and between those that are there. */
static void what_comes_together_gets_to_its_places(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[] = { "\"NiceUser\":true", "", "\"JobPrio\":3", "\"JobPrio\":-2", "\"JobPrio\":1" };
    size_t count = 0;
    for (size_t i = 0; i < 25; i++) {
        fixture_submit(f, (int)(i % 4) + 1, kinds[i * 3 % 5]);
        count += i % 4 + 1;
        assert_in_order(f, count);
    }
    schedule_begin_many(&f->pool);
    schedule_end_many(&f->pool);
    assert_in_order(f, count);
}

static void what_fits_starts_in_order_and_what_does_not_is_passed(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"RequestCpus\":2");
    fixture_submit(f, 1, "\"RequestCpus\":3");
    fixture_submit(f, 1, "\"RequestMemory\":5000");
    fixture_submit(f, 3, "");
    schedule_round(&f->pool);
    assert_started(f, "1.0 4.0 4.1");
    assert_idle(f, "2.0 3.0 4.2");
    assert_int_equal(f->pool.used.cpus, 4);
    assert_int_equal(f->pool.used.memory_mb, 3 * 128);
    assert_int_equal(f->pool.used.disk_kb, 3 * 1024);
    f->pool.schedule = true;
    schedule_round(&f->pool);
    assert_started(f, "1.0 4.0 4.1");
}

static void more_starts_than_a_round_has_go_on_in_the_next(void **state)
{
    struct fixture *f = *state;
    f->pool.config.cpus = 200;
    f->pool.config.memory_mb = 1 << 20;
    fixture_submit(f, 70, "");
    schedule_round(&f->pool);
    assert_int_equal(f->pool.used.cpus, 64);
    assert_true(f->pool.schedule);
    schedule_round(&f->pool);
    assert_int_equal(f->pool.used.cpus, 70);
    assert_int_equal(f->pool.idle_count, 0);
}

static void nothing_starts_in_a_pool_that_ends(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "");
    f->pool.stopping = true;
    schedule_round(&f->pool);
    f->pool.stopping = false;
    f->pool.vacating = true;
    schedule_round(&f->pool);
    assert_started(f, "");
    f->pool.vacating = false;
    schedule_round(&f->pool);
    assert_started(f, "1.0");
}

static void those_that_missed_their_time_are_held_together(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 5, "\"DeferralTime\":1000"), other = fixture_submit(f, 1, "");
    schedule_round(&f->pool);
    for (int i = 0; i < 5; i++) {
        struct queue_job job = fixture_get(f, cluster, i);
        assert_int_equal(job.state, JOB_HELD);
        assert_int_equal(ad_int(job.ad, "HoldReasonCode", 0), 20);
        queue_job_release(&job);
    }
    assert_int_equal(f->pool.idle_count + f->pool.waiting_count, 0);
    assert_string_equal(fixture_state(f, other, 0), "starting");
}

static void a_kept_sandbox_does_not_stand_in_its_own_jobs_way(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "\"RequestDisk\":80000000,\"JobStatus\":5"), other = fixture_submit(f, 1, "\"RequestDisk\":40000000");
    struct queue_job job = fixture_get(f, cluster, 0);
    ad_set_string(job.ad, "KeptSandbox", "/somewhere");
    job.state = JOB_IDLE;
    fixture_put(f, &job);
    kept_add(&f->pool, &job);
    schedule_add(&f->pool, &job);
    queue_job_release(&job);
    assert_int_equal(f->pool.kept_disk_kb, 80000000);
    schedule_round(&f->pool);
    assert_string_equal(fixture_state(f, cluster, 0), "starting");
    assert_string_equal(fixture_state(f, other, 0), "idle");
    assert_int_equal(f->pool.kept_disk_kb, 0);
    assert_int_equal(f->pool.used.disk_kb, 80000000);
}

static void a_job_that_backs_off_starts_when_its_time_has_come(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    struct queue_job job = fixture_get(f, cluster, 0);
    schedule_remove(&f->pool, job.id);
    ad_set_int(job.ad, "BackOff", 3);
    int64_t now = clock_boot_us();
    schedule_add(&f->pool, &job);
    queue_job_release(&job);
    assert_int_equal(f->pool.idle_count, 0);
    assert_true(f->pool.waiting[0].not_before_us >= now + 4000000);
    assert_true(f->pool.waiting[0].not_before_us < now + 5000000);
    schedule_round(&f->pool);
    assert_started(f, "");
    assert_int_equal(f->pool.wake_at, f->pool.waiting[0].not_before_us);
    f->pool.waiting[0].not_before_us = f->pool.waiting_due_us = now;
    schedule_round(&f->pool);
    assert_started(f, "1.0");
    assert_int_equal(f->pool.waiting_count, 0);
}

static void the_pause_doubles_up_to_a_few_minutes(void **state)
{
    struct fixture *f = *state;
    struct queue_job job = { .id = { 1, 0 }, .ad = ad_new() };
    int64_t last = 0;
    for (int failures = 1; failures < 100; failures++) {
        ad_set_int(job.ad, "BackOff", failures);
        int64_t now = clock_boot_us();
        schedule_add(&f->pool, &job);
        int64_t pause = (f->pool.waiting[0].not_before_us - now) / 1000000;
        assert_int_equal(pause, failures < 9 ? 1 << (failures - 1) : 256);
        assert_true(pause >= last);
        last = pause;
        schedule_remove(&f->pool, job.id);
        assert_int_equal(f->pool.waiting_count, 0);
    }
    ad_free(job.ad);
}

/* ---- the grant ---- */

static struct ad *grant_of(struct fixture *f, const char *job)
{
    auto_buf struct buf text = { 0 };
    auto_free char *name = mem_printf("jobs/%s/grant", job);
    assert_ok(file_read(f->scratch.fd, name, &text, &f->err), f->err);
    return from_json(buf_cstr(&text));
}

static void a_grant_says_what_a_runner_must_know(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"RequestCpus\":2,\"RequestMemory\":300,\"RequestDisk\":5000,\"Hello\":\"there\"");
    fixture_submit(f, 1, "");
    schedule_round(&f->pool);
    auto_ad struct ad *asked = grant_of(f, "1.0");
    auto_ad struct ad *plain = grant_of(f, "2.0");
    assert_int_equal(ad_int(asked, "Stint", 0), 1);
    assert_int_equal(ad_int(asked, "Uid", -1), f->me);
    assert_int_equal(ad_int(asked, "Cpus", 0), 2);
    assert_int_equal(ad_int(asked, "MemoryBytes", 0), INT64_C(300) << 20);
    assert_int_equal(ad_int(asked, "DiskLimitKb", 0), 5000);
    assert_int_equal(ad_int(asked, "NextGeneration", 0), 1);
    assert_false(ad_bool(asked, "Stored", true));
    assert_string_equal(ad_string(asked, "Cause", ""), "start");
    assert_string_equal(ad_string(ad_ad(asked, "Job"), "Hello", ""), "there");
    assert_int_equal(ad_int(ad_ad(asked, "Job"), "ClusterId", 0), 1);
    assert_false(ad_has(plain, "MemoryBytes")); /* who did not ask is not limited */
    assert_false(ad_has(plain, "DiskLimitKb"));
    assert_true(strcmp(ad_string(asked, "Mark", ""), ad_string(plain, "Mark", "")) != 0);
    auto_ad struct ad *stint = stint_ad(f, 1, 1);
    assert_int_equal(ad_int(stint, "GrantedBootUs", 0), ad_int(asked, "GrantedBootUs", 1));
}

static void assert_criu(struct fixture *f, const char *want)
{
    auto_free char *got = tools_find(f->pool.runner_path);
    assert_string_equal(got ? got : "none", want);
}

/* The environment, beside an installed runner, in a build tree. (The configuration: see the grant below.) */
static void the_criu_is_looked_for_where_the_manual_says(void **state)
{
    struct fixture *f = *state;
    char here[PATH_MAX];
    unsetenv("STINT_CRIU");
    assert_criu(f, "none");
    assert_non_null(realpath(f->scratch.path, here));
    free(f->pool.runner_path);
    f->pool.runner_path = mem_printf("%s/build/release/src/runner/stint-runner", here);
    static const char *const dirs[] = { "build", "build/criu", "build/release", "build/release/src", "build/release/src/runner" };
    for (size_t i = 0; i < COUNT(dirs); i++)
        assert_int_equal(mkdirat(f->scratch.fd, dirs[i], 0700), 0);
    assert_criu(f, "none");
    scratch_write(&f->scratch, "build/criu/criu", "#!", 2);
    fchmodat(f->scratch.fd, "build/criu/criu", 0755, 0);
    auto_free char *built = mem_printf("%s/build/criu", here);
    assert_criu(f, built);
    free(f->pool.runner_path);
    f->pool.runner_path = mem_printf("%s/build/stint-runner", here);
    assert_criu(f, built);
    setenv("STINT_CRIU", "/somewhere/else", 1);
    assert_criu(f, "/somewhere/else"); /* whoever uses it finds out that it is not there */
    unsetenv("STINT_CRIU");
}

static void a_grant_has_the_method_of_jobs_that_say_nothing(void **state)
{
    struct fixture *f = *state;
    f->pool.config.checkpoint_method = "none";
    snprintf(f->pool.config.criu_dir, sizeof f->pool.config.criu_dir, "/by/configuration");
    fixture_submit(f, 1, "");
    schedule_round(&f->pool);
    auto_ad struct ad *grant = grant_of(f, "1.0");
    assert_string_equal(ad_string(grant, "DefaultMethod", ""), "none");
    assert_string_equal(ad_string(grant, "CriuDir", ""), "/by/configuration");
}

static void a_grant_after_checkpoints_goes_on_from_them(void **state)
{
    struct fixture *f = *state;
    static const struct { const char *boot; bool deliver; } cases[] = { { NULL, true }, { "another boot", false } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int cluster = fixture_submit(f, 1, "");
        struct queue_job job = fixture_get(f, cluster, 0);
        auto_free char *name = mem_printf("%d.0", cluster);
        ad_set_int(job.ad, "LastGeneration", 6);
        ad_set_string(job.ad, "LastEndCause", "vacate");
        ad_set_string(job.ad, "Deliver", "stint.4");
        ad_set_string(job.ad, "DeliverBoot", cases[i].boot ? cases[i].boot : clock_boot_id());
        ad_set_int(job.ad, "ExitCode", 9);
        ad_set_string(job.ad, "LeaveReason", "old");
        job.stint = 4;
        fixture_put(f, &job);
        queue_job_release(&job);
        f->pool.schedule = true;
        schedule_round(&f->pool);
        auto_ad struct ad *grant = grant_of(f, name);
        auto_free char *leave = own_text(f, cluster, "LeaveReason");
        assert_int_equal(ad_int(grant, "Stint", 0), 5);
        assert_int_equal(ad_int(grant, "NextGeneration", 0), 7);
        assert_true(ad_bool(grant, "Stored", false));
        assert_string_equal(ad_string(grant, "Cause", ""), "vacate");
        assert_string_equal(ad_string(grant, "Deliver", ""), cases[i].deliver ? "stint.4" : "");
        assert_int_equal(ad_int(grant, "ExitCode", -1), cases[i].deliver ? 9 : -1);
        assert_string_equal(leave, "");
    }
}

static void a_runner_that_cannot_be_started_is_fenced_and_tried_later(void **state)
{
    struct fixture *f = *state;
    f->pool.runner_path[1] = 'X'; /* no such program */
    fixture_submit(f, 1, "");
    schedule_round(&f->pool);
    assert_started(f, "1.0");
    active_round(&f->pool);
    assert_string_equal(fixture_state(f, 1, 0), "idle");
    assert_int_equal(f->pool.waiting_count, 1);
    assert_int_equal(f->pool.used.cpus, 0);
    auto_ad struct ad *stint = stint_ad(f, 1, 1);
    assert_int_equal(sum_of_classes(stint), ad_int(stint, "OccupiedUs", -1));
}

static void a_job_whose_grant_fails_does_not_keep_the_others_from_starting(void **state)
{
    struct fixture *f = *state;
    int bad = fixture_submit(f, 1, ""), good = fixture_submit(f, 1, "");
    char name[32];
    snprintf(name, sizeof name, "jobs/%d.0", bad);
    scratch_write(&f->scratch, name, "in the way of its directory", 4);
    schedule_round(&f->pool);
    f->pool.schedule = true; /* what the retry does */
    schedule_round(&f->pool);
    assert_string_equal(fixture_state(f, good, 0), "starting");
    assert_string_equal(fixture_state(f, bad, 0), "idle");
    assert_int_equal(f->pool.waiting_count, 1);
    assert_int_equal(f->pool.used.cpus, 1);
}

static void a_pool_that_died_after_the_grant_finds_and_fences_it(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    grant(f, cluster, clock_boot_us());
    fixture_reopen(f);
    assert_ok(active_recover(&f->pool, &f->err), f->err);
    assert_ok(schedule_load(&f->pool, &f->err), f->err);
    assert_int_equal(f->pool.used.cpus, 1);
    assert_int_equal(f->pool.idle_count, 0);
    active_round(&f->pool);
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
    assert_null(f->pool.active);
}

/* ---- why it waits ---- */

static void assert_explained(struct fixture *f, int cluster, const char *want)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    auto_buf struct buf why = { 0 };
    schedule_explain(&f->pool, &job, &why);
    queue_job_release(&job);
    assert_string_equal(buf_cstr(&why), want);
}

static void a_job_that_waits_is_told_why(void **state)
{
    static const struct { const char *more, *why; } cases[] = {
        { "\"RequestCpus\":5", "it asks for more cpus than this machine gives to jobs; edit its request or stint.conf" },
        { "\"RequestMemory\":4097", "it asks for more memory than this machine gives to jobs; edit its request or stint.conf" },
        { "\"RequestDisk\":104857601", "it asks for more disk than this machine gives to jobs; edit its request or stint.conf" },
        { "\"JobStatus\":5", "it is held: submitted on hold at user's request" },
        { "", "it is about to start" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_explained(f, fixture_submit(f, 1, cases[i].more), cases[i].why);
}

static void a_job_behind_others_is_told_how_many(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"RequestCpus\":4");
    schedule_round(&f->pool);
    int first = fixture_submit(f, 1, ""), second = fixture_submit(f, 1, ""), third = fixture_submit(f, 1, "");
    assert_explained(f, 1, ""); /* it does not wait */
    assert_explained(f, first, "there is not enough free cpus now; 0 idle jobs come before it");
    assert_explained(f, second, "there is not enough free cpus now; 1 idle job comes before it");
    assert_explained(f, third, "there is not enough free cpus now; 2 idle jobs come before it");
}

static void a_job_that_backs_off_is_told_what_failed(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    struct queue_job job = fixture_get(f, cluster, 0);
    schedule_remove(&f->pool, job.id);
    ad_set_int(job.ad, "BackOff", 8);
    ad_set_string(job.ad, "VacateReason", "no such input");
    fixture_put(f, &job);
    schedule_add(&f->pool, &job);
    auto_buf struct buf why = { 0 };
    schedule_explain(&f->pool, &job, &why);
    assert_contains(buf_cstr(&why), "its last start failed (no such input); the next try is in 2m0");
    queue_job_release(&job);
}

/* ---- requests ---- */

static void requests_are_numbers_within_reason(void **state)
{
    static const struct { const char *ad; int good, cpus; int64_t memory_mb, disk_kb, priority; } cases[] = {
        { "{}", 0, 1, 128, 1024, 0 },
        { "{\"RequestCpus\":3,\"RequestMemory\":7,\"RequestDisk\":9,\"JobPrio\":-4}", 0, 3, 7, 9, -4 },
        { "{\"RequestMemory\":1.9}", 0, 1, 1, 1024, 0 },
        { "{\"RequestMemory\":\"\\/Expr(X * 2)\\/\",\"X\":21}", 0, 1, 42, 1024, 0 },
        { "{\"RequestMemory\":null}", 0, 1, 128, 1024, 0 },
        { "{\"RequestCpus\":0}", -1, 0, 0, 0, 0 },
        { "{\"RequestCpus\":100001}", -1, 0, 0, 0, 0 },
        { "{\"RequestCpus\":-1}", -1, 0, 0, 0, 0 },
        { "{\"RequestCpus\":true}", -1, 0, 0, 0, 0 },
        { "{\"RequestMemory\":1e30}", -1, 0, 0, 0, 0 },
        { "{\"RequestMemory\":9223372036854775807}", -1, 0, 0, 0, 0 },
        { "{\"RequestDisk\":\"\\/Expr(1/0)\\/\"}", -1, 0, 0, 0, 0 },
        { "{\"RequestDisk\":\"\\/Expr(real(\\\"NaN\\\"))\\/\"}", -1, 0, 0, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *ad = from_json(cases[i].ad);
        struct queue_job job = { 0 };
        struct error err = { 0 };
        int r = schedule_requests(ad, &job, &err);
        if (r != cases[i].good)
            fail_msg("%s gives %d: %s", cases[i].ad, r, err.text);
        if (r < 0)
            continue;
        assert_int_equal(job.cpus, cases[i].cpus);
        assert_int_equal(job.memory_mb, cases[i].memory_mb);
        assert_int_equal(job.disk_kb, cases[i].disk_kb);
        assert_int_equal(job.priority, cases[i].priority);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_wait_by_priority_then_submission),
        TEST(a_restarted_pool_has_the_same_order),
        TEST(what_comes_together_gets_to_its_places),
        TEST(what_fits_starts_in_order_and_what_does_not_is_passed),
        TEST(more_starts_than_a_round_has_go_on_in_the_next),
        TEST(nothing_starts_in_a_pool_that_ends),
        TEST(those_that_missed_their_time_are_held_together),
        TEST(a_kept_sandbox_does_not_stand_in_its_own_jobs_way),
        TEST(a_job_that_backs_off_starts_when_its_time_has_come),
        TEST(the_pause_doubles_up_to_a_few_minutes),
        TEST(a_grant_says_what_a_runner_must_know),
        TEST(the_criu_is_looked_for_where_the_manual_says),
        TEST(a_grant_has_the_method_of_jobs_that_say_nothing),
        TEST(a_grant_after_checkpoints_goes_on_from_them),
        TEST(a_runner_that_cannot_be_started_is_fenced_and_tried_later),
        TEST(a_job_whose_grant_fails_does_not_keep_the_others_from_starting),
        TEST(a_pool_that_died_after_the_grant_finds_and_fences_it),
        TEST(a_job_that_waits_is_told_why),
        TEST(a_job_behind_others_is_told_how_many),
        TEST(a_job_that_backs_off_is_told_what_failed),
        cmocka_unit_test(requests_are_numbers_within_reason),
    };
    return cmocka_run_group_tests_name("pool_schedule", tests, NULL, NULL);
}
