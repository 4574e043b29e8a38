/* Periodic expressions in a pool: jobs are judged by a small ad where that is enough, and by their whole ads otherwise, with the same
 * verdicts; all of them once in an interval. And what else is asked of expressions: limits, times, the machine. */
#include "pool_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* An interval after the other, until every job was looked at in a whole one. */
static void pass_interval(struct fixture *f)
{
    f->pool.config.periodic_interval_us = 1000;
    for (int i = 0; i < 4; i++) {
        periodic_round(&f->pool);
        poll(NULL, 0, 60); /* slices are at least 50 ms apart */
    }
}

/* What the whole ad says, without any short cut. */
static enum policy_act judge(struct fixture *f, int cluster)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    auto_ad struct ad *view = NULL;
    struct policy_verdict verdict;
    assert_ok(report_job(&f->pool, &job, &view, &f->err), f->err);
    struct ad_scope scope = { .my = view, .now = clock_wall_us() / CLOCK_SECOND_US };
    policy_judge(&scope, &f->pool.config.rules, &verdict);
    queue_job_release(&job);
    return verdict.act;
}

static void the_short_way_says_what_the_whole_ad_says(void **state)
{
    struct fixture *f = *state;
    static const char *const exprs[] = {
        "true", "false", "undefined", "JobStatus == 1", "MY.JobStatus =?= 1 && ClusterId > 0", "NumHolds == 0", "NumJobStarts + NumVacates + NumCkpts == 0",
        "Far", "Near > 3", "A + B == 7", "QDate <= time()", "time() - QDate > 1000", "time() - EnteredCurrentStatus < 1000", "CurrentTime - QDate < 1000",
        "CurrentTime > 1000000000", "Owner == \\\"nobody at all\\\"", "size(Owner) > 0", "JobPrio == 3", "JobState == \\\"idle\\\"", "RequestCpus == 1",
        "CheckpointAge > 0", "isUndefined(CheckpointAge)", "LastCkptTime =?= undefined", "MemoryUsage =?= undefined", "eval(\\\"JobStatus\\\") == 1",
        "regexp(\\\"^/bin\\\", Cmd)", "Missing || true", "Missing > 1", "StintNumber == 0", "ProcId == 0", "ifThenElse(A > 3, JobStatus == 1, false)",
        "NumJobCompletions == 0 && RemoteWallClockTime == 0", "CommittedTime == 0", "member(A, {1, 4})", "Nested.Inner == 2", "ServerTime == CurrentTime",
        "MY[\\\"JobPrio\\\"] == 3", "[ x = PARENT ].x[\\\"JobStatus\\\"] == 1", "size(MY) > 12",
    };
    for (size_t i = 0; i < COUNT(exprs); i++) {
        auto_free char *more = mem_printf("\"A\":4,\"B\":3,\"Near\":\"\\/Expr(A + 1)\\/\",\"Far\":\"\\/Expr(Near == 5 && JobStatus == 1)\\/\",\"JobPrio\":3,"
                                          "\"Nested\":{\"Inner\":2},\"PeriodicHold\":\"\\/Expr(%s)\\/\"", exprs[i]);
        int cluster = fixture_submit(f, 1, more);
        bool held = judge(f, cluster) == POLICY_HOLD;
        pass_interval(f);
        if (strcmp(fixture_state(f, cluster, 0), held ? "held" : "idle") != 0)
            fail_msg("%s: %s", exprs[i], fixture_state(f, cluster, 0));
    }
}

static void what_a_job_says_of_its_own_counts(void **state)
{
    struct fixture *f = *state;
    auto_free char *json = mem_printf("{\"Ad\":{\"Cmd\":\"/bin/true\",\"Iwd\":\"%s\",\"Size\":1,\"PeriodicHold\":\"\\/Expr(Size > 2)\\/\"},\"Count\":5,"
                                      "\"Procs\":[{},{\"Size\":3},{\"Size\":\"\\/Expr(Other * 2)\\/\",\"Other\":2},{\"PeriodicHold\":true},{\"PeriodicRemove\":true}]}",
                                      f->scratch.path);
    auto_ad struct ad *request = from_json(json), *answer = ad_new();
    assert_ok(submit_cluster(&f->pool, f->me, request, answer, &f->err), f->err);
    pass_interval(f);
    static const char *const want[] = { "idle", "held", "held", "held", "removed" };
    for (int i = 0; i < 5; i++)
        assert_string_equal(fixture_state(f, 1, i), want[i]);
}

static void every_job_is_looked_at(void **state)
{
    struct fixture *f = *state;
    int count = 500, held = 0;
    fixture_submit(f, count, "\"PeriodicHold\":\"\\/Expr(ProcId % 7 == 0)\\/\"");
    f->pool.config.periodic_interval_us = 1000;
    for (int i = 0; i < 30; i++) {
        periodic_round(&f->pool);
        poll(NULL, 0, 51);
    }
    for (int i = 0; i < count; i++) {
        assert_string_equal(fixture_state(f, 1, i), i % 7 == 0 ? "held" : "idle");
        held += i % 7 == 0;
    }
    assert_int_equal((int)f->pool.idle_count, count - held);
}

static char fault_file[] = "/tmp/stint-fault.XXXXXX";

static void set_fault(const char *rule)
{
    FILE *file = fopen(fault_file, "w");
    assert_non_null(file);
    fputs(rule, file);
    fclose(file);
}

static void a_decision_that_cannot_be_stored_is_made_again(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 2, "\"PeriodicRemove\":true");
    set_fault("queue.commit:ENOSPC+1");
    struct decision d = { .id = { 1, 0 }, .event = JOB_EVENT_REMOVE, .cause = "remove", .reason = "x" };
    assert_int_equal(actions_decide(&f->pool, &d, 1, &f->err), -1);
    pass_interval(f);
    set_fault("");
    assert_string_equal(fixture_state(f, 1, 0), "idle");
    assert_int_equal(f->pool.idle_count, 2);
    assert_no_transaction(f);
    assert_events(f, 1, 0, 0, "submitted");
    pass_interval(f);
    assert_string_equal(fixture_state(f, 1, 0), "removed");
    assert_events(f, 1, 0, 0, "submitted removed");
    assert_int_equal(f->pool.idle_count, 0);
}

/* Between what an expression says and what is done about it: whatever the pool was killed at, the next one does it, and once. */
static void a_kill_at_any_point_of_a_decision_costs_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const points[] = { "queue.begin", "pool.decide", "queue.commit", "queue.committed", "pool.decided" };
    for (size_t i = 0; i < COUNT(points); i++) {
        auto_free char *rule = mem_printf("%s:kill+1", points[i]);
        int status, cluster = fixture_submit(f, 1, "\"PeriodicHold\":\"\\/Expr(NumHolds == 0)\\/\"");
        pool_close(&f->pool);
        pid_t pid = fork();
        if (pid == 0) {
            fixture_open(f);
            set_fault(rule);
            pass_interval(f);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        set_fault("");
        fixture_open(f);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        pass_interval(f);
        assert_string_equal(fixture_state(f, cluster, 0), "held");
        assert_events(f, cluster, 0, 0, "submitted held");
        struct queue_job job = fixture_get(f, cluster, 0);
        assert_int_equal(ad_int(job.ad, "NumHolds", 0), 1);
        queue_job_release(&job);
    }
}

static void an_error_is_noted_once_and_forgotten(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"PeriodicHold\":\"\\/Expr(error)\\/\"");
    pass_interval(f);
    struct queue_job job = fixture_get(f, 1, 0);
    assert_string_equal(ad_string(job.ad, "PeriodicError", ""), "PeriodicHold is an error, so it is never true");
    ad_set_bool(job.ad, "PeriodicHold", false);
    fixture_put(f, &job);
    queue_job_release(&job);
    pass_interval(f);
    job = fixture_get(f, 1, 0);
    assert_false(ad_has(job.ad, "PeriodicError"));
    queue_job_release(&job);
    assert_events(f, 1, 0, 0, "submitted");
}

/* ---- matching ---- */

static void explain(struct fixture *f, int cluster, const char *want)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    auto_buf struct buf why = { 0 };
    schedule_explain(&f->pool, &job, &why);
    if (!strstr(buf_cstr(&why), want))
        fail_msg("'%s' is not in '%s'", want, buf_cstr(&why));
    queue_job_release(&job);
}

static void what_does_not_suit_lies_aside_until_it_may(void **state)
{
    struct fixture *f = *state;
    f->pool.stopping = false;
    free(f->pool.runner_path);
    f->pool.runner_path = mem_dup("/nowhere/runner");
    fixture_submit(f, 700, "\"Requirements\":\"\\/Expr(Memory > 100000000)\\/\"");
    fixture_submit(f, 1, "\"Requirements\":\"\\/Expr(time() < 0)\\/\"");
    for (int i = 0; i < 5; i++)
        schedule_round(&f->pool);
    assert_int_equal(f->pool.idle_count, 0);
    assert_int_equal(f->pool.unsuited_count, 701);
    explain(f, 1, "its requirements are not true on this machine");
    schedule_recheck(&f->pool);
    assert_int_equal(f->pool.idle_count, 1); /* only what time may change */
    schedule_remove(&f->pool, (struct job_id){ 1, 350 });
    assert_int_equal(f->pool.unsuited_count, 699);
    struct job_id some[] = { { 2, 0 }, { 1, 699 }, { 1, 0 }, { 7, 7 } };
    schedule_remove_many(&f->pool, some, COUNT(some));
    assert_int_equal(f->pool.unsuited_count, 697);
    assert_int_equal(f->pool.idle_count, 0);
}

static void limits_are_counted_by_who_holds_a_slot(void **state)
{
    struct fixture *f = *state;
    f->pool.config.limit_default = 2;
    fixture_submit(f, 1, "\"ConcurrencyLimits\":\"x:2\"");
    fixture_submit(f, 1, "\"ConcurrencyLimits\":\"X\"");
    fixture_submit(f, 1, "\"ConcurrencyLimits\":\"x:3\"");
    struct queue_job job = fixture_get(f, 1, 0);
    struct active *a;
    ad_set_string(job.ad, "MatchedConcurrencyLimits", "x:2");
    assert_ok(active_add(&f->pool, &job, &a, &f->err), f->err);
    queue_job_release(&job);
    explain(f, 2, "other jobs use the limit 'x', of which there are 2");
    explain(f, 3, "it takes more of the limit 'x' than there is (2)");
    active_drop(&f->pool, a);
    assert_int_equal(f->pool.limits_used[0].used, 0);
    explain(f, 2, "it is about to start");
}

static void a_machine_has_what_requirements_look_at(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *machine = pool_machine_ad(&f->pool);
    static const char *const names[] = { "Name", "Machine", "Arch", "OpSys", "OpSysAndVer", "OpSysMajorVer", "LoadAvg", "StintVersion", "HasTransparentCheckpoints" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (!ad_has(machine, names[i]))
            fail_msg("no %s", names[i]);
    assert_int_equal(ad_int(machine, "Cpus", 0), 4);
    assert_int_equal(ad_int(machine, "TotalMemory", 0), 4096);
    assert_true(ad_bool(machine, "HasFileTransfer", false));
}

static void requests_may_be_expressions(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "\"Size\":150,\"RequestMemory\":\"\\/Expr(ifThenElse(MemoryUsage =?= undefined, 200, MemoryUsage * 2))\\/\"");
    struct queue_job job = fixture_get(f, cluster, 0);
    assert_int_equal(job.memory_mb, 200);
    queue_job_release(&job);
    auto_ad struct ad *request = from_json("{\"Set\":{\"RequestMemory\":\"\\/Expr(Size * 2)\\/\"}}");
    assert_ok(actions_edit(&f->pool, f->me, (struct job_id){ cluster, 0 }, request, &f->err), f->err);
    job = fixture_get(f, cluster, 0);
    assert_int_equal(job.memory_mb, 300);
    queue_job_release(&job);
    auto_ad struct ad *bad = from_json("{\"Set\":{\"RequestMemory\":\"\\/Expr(strcat(Owner, 5))\\/\"}}");
    assert_int_equal(actions_edit(&f->pool, f->me, (struct job_id){ cluster, 0 }, bad, &f->err), -1);
}

/* ---- times ---- */

static void deferral(struct fixture *f, const char *text, int64_t now_s, int64_t want_s)
{
    auto_ad struct ad *job = ad_new();
    struct deferral d;
    assert_ok(ad_parse(job, text, strlen(text), &f->err), f->err);
    f->pool.started_us = now_s * CLOCK_SECOND_US;
    bool wanted = deferral_of(&f->pool, job, &d);
    if (wanted != (want_s >= 0) || (wanted && d.time_s != want_s))
        fail_msg("%s: %d, %lld", text, wanted, (long long)d.time_s);
}

static void times_to_start_are_found(void **state)
{
    struct fixture *f = *state;
    const int64_t noon = 1767268800; /* 2026-01-01 12:00:00 UTC, which is the zone here */
    deferral(f, "QDate = 5", noon, -1);
    deferral(f, "QDate = 1000\nDeferralTime = QDate + 60", noon, 1060);
    deferral(f, "QDate = 1000\nDeferralTime = time() + 60", noon, 1060);
    deferral(f, "QDate = 1000\nDeferralTime = QDate + 60\nNumJobStarts = 1", noon, -1);
    deferral(f, "QDate = 1000\nDeferralTime = \"soon\"", noon, -1);
    deferral(f, "CronMinute = \"30\"", noon, noon + 1800);
    deferral(f, "CronMinute = \"0\"", noon, noon + 3600); /* the minute that has begun is over */
    deferral(f, "CronMinute = \"0\"", noon - 1, noon);
    deferral(f, "CronHour = \"*\"\nEnteredCurrentStatus = 1767268815", noon, noon + 60);
    deferral(f, "CronMinute = 15\nCronDayOfMonth = \"2\"", noon, noon + 12 * 3600 + 900);
    deferral(f, "CronMinute = \"0\"\nDeferralDone = true", noon, -1);
    deferral(f, "CronMinute = \"nonsense\"", noon, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_short_way_says_what_the_whole_ad_says, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_job_says_of_its_own_counts, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(every_job_is_looked_at, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_decision_that_cannot_be_stored_is_made_again, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_kill_at_any_point_of_a_decision_costs_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_error_is_noted_once_and_forgotten, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_suit_lies_aside_until_it_may, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(limits_are_counted_by_who_holds_a_slot, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_machine_has_what_requirements_look_at, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(requests_may_be_expressions, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(times_to_start_are_found, fixture_setup, fixture_teardown),
    };
    int file = mkstemp(fault_file);
    setenv("STINT_FAULT", fault_file, 1);
    int failed = cmocka_run_group_tests_name("pool_periodic", tests, NULL, NULL);
    unlink(fault_file);
    close(file);
    return failed;
}
