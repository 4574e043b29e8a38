/* The ledger: whatever a stint's records are, its classes add up to the time it held its slot. */
#include "job/ledger.h"
#include "job/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sums {
    int64_t of[LEDGER_CLASS_COUNT];
    char last_cause[64];
};

static void add(void *data, const struct ledger_entry *entry)
{
    struct sums *s = data;
    assert_true(entry->wall_us > 0);
    s->of[entry->class] += entry->wall_us;
    snprintf(s->last_cause, sizeof s->last_cause, "%s", entry->cause);
}

static int64_t total(const struct sums *s)
{
    int64_t all = 0;
    for (int i = 0; i < LEDGER_CLASS_COUNT; i++)
        all += s->of[i];
    return all;
}

/* "begin@100 mode=resume": a record's name, its boot time, and one attribute. */
static void apply(struct ad *stint, struct sums *sums, const char *kind, int64_t at, const char *name, const char *value)
{
    struct error err;
    auto_ad struct ad *record = ad_new();
    ad_set_string(record, "Record", kind);
    ad_set_int(record, "BootUs", at);
    if (name)
        assert_int_equal(ad_set_expr(record, name, value, &err), 0);
    ledger_apply(stint, record, add, sums);
}

static struct ad *begun(struct sums *sums, int64_t granted, int64_t at, const char *mode)
{
    struct ad *stint = ad_new();
    auto_ad struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_BEGIN);
    ad_set_int(record, "BootUs", at);
    ad_set_int(record, "GrantedBootUs", granted);
    ad_set_string(record, "Mode", mode);
    ledger_apply(stint, record, add, sums);
    return stint;
}

static void a_run_without_checkpoints_is_goodput_when_it_completes(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 100, 150, "fresh");
    apply(stint, &s, RECORD_RUN, 300, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 1300, "Checkpoint", "false");
    assert_int_equal(s.of[LEDGER_GOODPUT], 0);
    apply(stint, &s, RECORD_END, 1350, "Outcome", "\"completed\"");
    assert_int_equal(s.of[LEDGER_TRANSFER], 250);
    assert_int_equal(s.of[LEDGER_GOODPUT], 1000);
    assert_int_equal(total(&s), 1250);
    assert_int_equal(ad_int(stint, "OccupiedUs", -1), 1250);
}

static void a_commit_makes_goodput_at_that_moment_and_only_of_what_it_captured(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 10, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 110, "Checkpoint", "true");
    apply(stint, &s, RECORD_RUN, 130, NULL, NULL);
    apply(stint, &s, RECORD_COMMIT, 160, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 100);
    assert_int_equal(s.of[LEDGER_CHECKPOINT], 20);
    apply(stint, &s, RECORD_FENCE, 230, "Cause", "\"runner\"");
    assert_int_equal(s.of[LEDGER_LOST], 100);
    assert_string_equal(s.last_cause, "runner");
    assert_int_equal(total(&s), 230);
}

static void a_failed_commit_leaves_the_work_at_risk(void **state)
{
    (void)state;
    struct sums s = { 0 };
    struct ledger_open open;
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 100, "Checkpoint", "true");
    apply(stint, &s, RECORD_RUN, 120, NULL, NULL);
    apply(stint, &s, RECORD_FAIL, 130, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 0);
    assert_true(ledger_open_now(stint, 150, &open));
    assert_int_equal(open.at_risk_us, 100);
    assert_int_equal(open.interval_us, 30);
    assert_true(open.executing);
    apply(stint, &s, RECORD_EXIT, 200, "Checkpoint", "true");
    apply(stint, &s, RECORD_COMMIT, 210, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 180);
}

/* "exit@… settling": the program ended with a checkpoint again before the last one was committed. */
static void exit_while_settling(struct ad *stint, struct sums *s, int64_t at)
{
    auto_ad struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_EXIT);
    ad_set_int(record, "BootUs", at);
    ad_set_bool(record, "Checkpoint", true);
    ad_set_bool(record, "Settling", true);
    ledger_apply(stint, record, add, s);
}

static void two_checkpoints_that_overlap_count_each_its_own_work(void **state)
{
    (void)state;
    for (int failing = 0; failing < 4; failing++) { /* bit 0: the first fails, bit 1: the second */
        struct sums s = { 0 };
        auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
        apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
        apply(stint, &s, RECORD_EXIT, 100, "Checkpoint", "true");
        apply(stint, &s, RECORD_RUN, 100, NULL, NULL);
        exit_while_settling(stint, &s, 1100);
        apply(stint, &s, failing & 1 ? RECORD_FAIL : RECORD_COMMIT, 1150, NULL, NULL);
        assert_int_equal(s.of[LEDGER_GOODPUT], failing & 1 ? 0 : 100);
        apply(stint, &s, RECORD_RUN, 1200, NULL, NULL);
        apply(stint, &s, failing & 2 ? RECORD_FAIL : RECORD_COMMIT, 1250, NULL, NULL);
        assert_int_equal(s.of[LEDGER_GOODPUT], failing & 2 ? (failing & 1 ? 0 : 100) : 1100);
        apply(stint, &s, RECORD_FENCE, 1300, NULL, NULL);
        assert_int_equal(total(&s), 1300);
    }
}

static void a_request_that_times_out_does_not_touch_the_checkpoint_under_way(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 100, "Checkpoint", "true");
    apply(stint, &s, RECORD_RUN, 100, NULL, NULL);
    apply(stint, &s, RECORD_FAIL, 150, "Capture", "false");
    apply(stint, &s, RECORD_COMMIT, 160, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 100);
}

static void a_resume_is_restore_and_a_suspension_is_idle(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 1000, 1010, "resume");
    apply(stint, &s, RECORD_RUN, 1100, NULL, NULL);
    apply(stint, &s, RECORD_SUSPEND, 1200, NULL, NULL);
    apply(stint, &s, RECORD_CONTINUE, 1500, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 1600, "Checkpoint", "false");
    apply(stint, &s, RECORD_END, 1600, "Cause", "\"vacate\"");
    assert_int_equal(s.of[LEDGER_RESTORE], 100);
    assert_int_equal(s.of[LEDGER_IDLE], 300);
    assert_int_equal(s.of[LEDGER_LOST], 200);
    assert_string_equal(s.last_cause, "vacate");
    assert_int_equal(total(&s), 600);
}

static void results_that_can_still_be_delivered_are_not_lost(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 500, "Final", "true");
    apply(stint, &s, RECORD_FENCE, 520, "Deliverable", "true");
    assert_int_equal(s.of[LEDGER_GOODPUT], 500);
    assert_int_equal(s.of[LEDGER_LOST], 0);
}

static void a_clock_that_runs_backwards_stands_still(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 1000, 1000, "fresh");
    apply(stint, &s, RECORD_RUN, 900, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 1200, "Checkpoint", "false");
    apply(stint, &s, RECORD_END, 1100, "Cause", "\"vacate\"");
    assert_int_equal(total(&s), 200);
    assert_int_equal(ad_int(stint, "OccupiedUs", -1), 200);
}

static void a_closed_stint_takes_nothing_more(void **state)
{
    (void)state;
    struct sums s = { 0 };
    struct ledger_open open;
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_END, 10, "Outcome", "\"evicted\"");
    apply(stint, &s, RECORD_RUN, 20, NULL, NULL);
    apply(stint, &s, RECORD_FENCE, 90, NULL, NULL);
    assert_int_equal(total(&s), 10);
    assert_false(ledger_open_now(stint, 100, &open));
}

/* Random stories: any record in any order, now and then with a clock that steps back. */
static void any_story_adds_up(void **state)
{
    static const char *const kinds[] = {
        RECORD_RUN, RECORD_SUSPEND, RECORD_CONTINUE, RECORD_ASK, RECORD_EXIT, RECORD_COMMIT, RECORD_FAIL, RECORD_USAGE, RECORD_SAVE,
    };
    (void)state;
    unsigned seed = 20261123;
    for (int story = 0; story < 3000; story++) {
        struct sums s = { 0 };
        int64_t now = rand_r(&seed) % 1000;
        auto_ad struct ad *stint = begun(&s, now, now + rand_r(&seed) % 50, story % 2 ? "fresh" : "resume");
        for (int i = rand_r(&seed) % 30; i > 0; i--) {
            now += rand_r(&seed) % 120 - 10;
            apply(stint, &s, kinds[rand_r(&seed) % 9], now, "Checkpoint", rand_r(&seed) % 2 ? "true" : "false");
            struct ledger_open open;
            assert_true(ledger_open_now(stint, ad_int(stint, "LedgerSinceUs", 0), &open));
            assert_true(open.at_risk_us >= 0);
            assert_int_equal(total(&s) + open.at_risk_us,
                             ad_int(stint, "LedgerSinceUs", 0) - ad_int(stint, "LedgerGrantedUs", 0));
        }
        apply(stint, &s, story % 3 ? RECORD_END : RECORD_FENCE, now + 5, "Outcome", story % 5 ? "\"evicted\"" : "\"completed\"");
        assert_int_equal(total(&s), ad_int(stint, "OccupiedUs", -1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_checkpoints_is_goodput_when_it_completes),
        cmocka_unit_test(a_commit_makes_goodput_at_that_moment_and_only_of_what_it_captured),
        cmocka_unit_test(a_failed_commit_leaves_the_work_at_risk),
        cmocka_unit_test(two_checkpoints_that_overlap_count_each_its_own_work),
        cmocka_unit_test(a_request_that_times_out_does_not_touch_the_checkpoint_under_way),
        cmocka_unit_test(a_resume_is_restore_and_a_suspension_is_idle),
        cmocka_unit_test(results_that_can_still_be_delivered_are_not_lost),
        cmocka_unit_test(a_clock_that_runs_backwards_stands_still),
        cmocka_unit_test(a_closed_stint_takes_nothing_more),
        cmocka_unit_test(any_story_adds_up),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
