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

/* ---- states of the running program ---- */

struct still {
    int64_t at, frozen, thawed;
    bool stopped, settling;
};

static void capture(struct ad *stint, struct sums *s, const struct still *still)
{
    auto_ad struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_CAPTURE);
    ad_set_int(record, "BootUs", still->at);
    ad_set_int(record, "FrozenBootUs", still->frozen);
    ad_set_int(record, "ThawedBootUs", still->thawed);
    ad_set_bool(record, "Stopped", still->stopped);
    ad_set_bool(record, "Settling", still->settling);
    ad_set_string(record, "Why", "user");
    ledger_apply(stint, record, add, s);
}

static void what_ran_until_the_freeze_is_saved_by_the_commit_and_the_pause_is_a_pause(void **state)
{
    (void)state;
    struct sums s = { 0 };
    struct ledger_open open;
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 10, NULL, NULL);
    capture(stint, &s, &(struct still){ .at = 150, .frozen = 110, .thawed = 140 });
    assert_int_equal(s.of[LEDGER_CHECKPOINT], 30);
    assert_string_equal(s.last_cause, "user");
    assert_true(ledger_open_now(stint, 150, &open));
    assert_true(open.executing);
    assert_int_equal(open.at_risk_us, 100);
    assert_int_equal(open.interval_us, 10);
    apply(stint, &s, RECORD_COMMIT, 200, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 100);
    apply(stint, &s, RECORD_FENCE, 240, NULL, NULL);
    assert_int_equal(s.of[LEDGER_LOST], 100);
    assert_int_equal(total(&s), 240);
}

static void what_is_stopped_for_good_is_in_its_checkpoint_until_it_is_over(void **state)
{
    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        struct sums s = { 0 };
        struct ledger_open open;
        auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
        apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
        capture(stint, &s, &(struct still){ .at = 120, .frozen = 100, .thawed = 110, .stopped = true });
        assert_true(ledger_open_now(stint, 130, &open));
        assert_true(!open.executing && open.class == LEDGER_CHECKPOINT);
        assert_int_equal(open.interval_us, 30);
        apply(stint, &s, failing ? RECORD_FAIL : RECORD_COMMIT, 150, NULL, NULL);
        apply(stint, &s, RECORD_EXIT, 160, "Final", "false");
        apply(stint, &s, RECORD_END, 165, "Outcome", "\"evicted\"");
        assert_int_equal(s.of[failing ? LEDGER_LOST : LEDGER_GOODPUT], 100);
        assert_int_equal(s.of[LEDGER_CHECKPOINT], 60);
        assert_int_equal(s.of[LEDGER_TRANSFER], 5);
        assert_int_equal(total(&s), 165);
    }
}

static void a_dump_that_fails_while_the_program_stands_still_is_a_pause_too(void **state)
{
    (void)state;
    struct sums s = { 0 };
    struct error err;
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    auto_ad struct ad *fail = ad_new();
    apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
    static const char text[] = "Record = \"fail\"\nBootUs = 300\nFrozenBootUs = 200\nThawedBootUs = 260\nCapture = false\n";
    assert_int_equal(ad_parse(fail, text, sizeof text - 1, &err), 0);
    ledger_apply(stint, fail, add, &s);
    assert_int_equal(s.of[LEDGER_CHECKPOINT], 60);
    apply(stint, &s, RECORD_FENCE, 400, NULL, NULL);
    assert_int_equal(s.of[LEDGER_LOST], 340);
}

static void a_suspended_program_is_suspended_again_after_its_checkpoint(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
    apply(stint, &s, RECORD_SUSPEND, 100, NULL, NULL);
    capture(stint, &s, &(struct still){ .at = 300, .frozen = 200, .thawed = 250 });
    apply(stint, &s, RECORD_COMMIT, 310, NULL, NULL);
    apply(stint, &s, RECORD_CONTINUE, 400, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 100);
    assert_int_equal(s.of[LEDGER_IDLE], 250);
    assert_string_equal(s.last_cause, "suspended");
    assert_int_equal(s.of[LEDGER_CHECKPOINT], 50);
}

/* The runner heard of the program's end first: what ran after the freeze is not in the checkpoint. */
static void an_end_that_is_told_before_the_capture_is_not_part_of_it(void **state)
{
    (void)state;
    struct sums s = { 0 };
    auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
    apply(stint, &s, RECORD_RUN, 0, NULL, NULL);
    apply(stint, &s, RECORD_EXIT, 150, "Final", "true");
    capture(stint, &s, &(struct still){ .at = 160, .frozen = 100, .thawed = 110 });
    apply(stint, &s, RECORD_COMMIT, 170, NULL, NULL);
    assert_int_equal(s.of[LEDGER_GOODPUT], 100);
    apply(stint, &s, RECORD_END, 180, "Outcome", "\"failed\"");
    assert_int_equal(s.of[LEDGER_LOST], 50);
    assert_int_equal(total(&s), 180);
}

static void clocks_that_no_machine_has_are_clamped(void **state)
{
    static const int64_t odd[] = { INT64_MIN, -1, 0, 90, 500, INT64_MAX };
    enum { ODD = sizeof odd / sizeof odd[0] };
    (void)state;
    for (int i = 0; i < ODD * ODD; i++) {
        struct sums s = { 0 };
        auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
        apply(stint, &s, RECORD_RUN, 50, NULL, NULL);
        capture(stint, &s, &(struct still){ .at = 100, .frozen = odd[i % ODD], .thawed = odd[i / ODD] });
        apply(stint, &s, RECORD_COMMIT, 110, NULL, NULL);
        apply(stint, &s, RECORD_END, 120, "Outcome", "\"evicted\"");
        assert_int_equal(total(&s), 120);
        assert_true(s.of[LEDGER_GOODPUT] <= 50);
    }
}

/* What must come out, told otherwise: positions on the axis of all that ever ran. */
struct model {
    int64_t now, ran, good, captured, next;
    bool running, waiting;
};

enum { DO_RUN, DO_CAPTURE, DO_STOP, DO_COMMIT, DO_FAIL, DO_EXIT, DO_CHECKPOINT, DO_COUNT };

static void model_captured(struct model *m, bool settling)
{
    *(settling ? &m->next : &m->captured) = m->ran;
    m->waiting = m->waiting || settling;
}

static void model_settle(struct model *m, int64_t good)
{
    m->good = good;
    m->captured = m->waiting && m->next > good ? m->next : good;
    m->waiting = false;
}

static void both(struct ad *stint, struct sums *s, struct model *m, int what, bool settling)
{
    static const char *const names[DO_COUNT] = { RECORD_RUN, NULL, NULL, RECORD_COMMIT, RECORD_FAIL, RECORD_EXIT, RECORD_EXIT };
    bool still = what == DO_CAPTURE || what == DO_STOP;
    bool ran = m->running;
    m->now += 100;
    m->ran += ran ? 100 : 0;
    if (still) {
        capture(stint, s, &(struct still){ .at = m->now + 30, .frozen = m->now, .thawed = m->now + 20, .stopped = what == DO_STOP,
                                           .settling = settling });
        model_captured(m, settling);
        m->now += 30;
        m->ran += ran && what == DO_CAPTURE ? 10 : 0;
        m->running = ran && what == DO_CAPTURE;
    } else if (what == DO_CHECKPOINT && settling) {
        exit_while_settling(stint, s, m->now);
    } else {
        apply(stint, s, names[what], m->now, "Checkpoint", what == DO_CHECKPOINT ? "true" : "false");
    }
    if (what == DO_CHECKPOINT)
        model_captured(m, settling);
    if (what == DO_COMMIT || what == DO_FAIL)
        model_settle(m, what == DO_COMMIT ? m->captured : m->good);
    if (what == DO_RUN || what == DO_EXIT || what == DO_CHECKPOINT)
        m->running = what == DO_RUN;
}

/* What may happen, while another checkpoint is being settled or not: every order of four, and a sample of longer ones. */
static void captures_commits_failures_and_ends_in_every_order(void **state)
{
    enum { STEPS = DO_COUNT + 3, ALL = STEPS * STEPS * STEPS * STEPS };
    static const struct { int what; bool settling; } steps[STEPS] = {
        { DO_RUN, false }, { DO_CAPTURE, false }, { DO_CAPTURE, true }, { DO_STOP, false }, { DO_STOP, true },
        { DO_COMMIT, false }, { DO_FAIL, false }, { DO_EXIT, false }, { DO_CHECKPOINT, false }, { DO_CHECKPOINT, true },
    };
    (void)state;
    unsigned seed = 41;
    for (int story = 0; story < 2 * ALL; story++) {
        struct sums s = { 0 };
        struct model m = { 0 };
        struct ledger_open open;
        int code = story;
        auto_ad struct ad *stint = begun(&s, 0, 0, "fresh");
        for (int i = 0; i < (story < ALL ? 5 : 12); i++) {
            int step = i == 0 ? DO_RUN : (story < ALL ? code : rand_r(&seed)) % STEPS;
            code /= i == 0 ? 1 : STEPS;
            both(stint, &s, &m, steps[step].what, steps[step].settling);
            assert_int_equal(s.of[LEDGER_GOODPUT], m.good);
            assert_true(ledger_open_now(stint, m.now, &open));
            assert_int_equal(open.at_risk_us + (open.executing ? open.interval_us : 0), m.ran - m.good);
            assert_int_equal(total(&s) + open.at_risk_us + open.interval_us, m.now);
        }
        apply(stint, &s, RECORD_FENCE, m.now, NULL, NULL);
        assert_int_equal(s.of[LEDGER_LOST], m.ran - m.good);
        assert_int_equal(total(&s), m.now);
    }
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
        RECORD_METHOD, RECORD_CHECKABLE, RECORD_VERIFIED, RECORD_CAPTURE,
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    (void)state;
    unsigned seed = 20261123;
    for (int story = 0; story < 3000; story++) {
        struct sums s = { 0 };
        int64_t now = rand_r(&seed) % 1000;
        auto_ad struct ad *stint = begun(&s, now, now + rand_r(&seed) % 50, story % 2 ? "fresh" : "resume");
        for (int i = rand_r(&seed) % 30; i > 0; i--) {
            now += rand_r(&seed) % 120 - 10;
            const char *kind = kinds[rand_r(&seed) % KINDS];
            if (strcmp(kind, RECORD_CAPTURE) == 0)
                capture(stint, &s, &(struct still){ .at = now, .frozen = now - rand_r(&seed) % 200, .thawed = now - rand_r(&seed) % 100,
                                                    .stopped = rand_r(&seed) % 4 == 0, .settling = rand_r(&seed) % 4 == 0 });
            else
                apply(stint, &s, kind, now, "Checkpoint", rand_r(&seed) % 2 ? "true" : "false");
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
        cmocka_unit_test(what_ran_until_the_freeze_is_saved_by_the_commit_and_the_pause_is_a_pause),
        cmocka_unit_test(what_is_stopped_for_good_is_in_its_checkpoint_until_it_is_over),
        cmocka_unit_test(a_dump_that_fails_while_the_program_stands_still_is_a_pause_too),
        cmocka_unit_test(a_suspended_program_is_suspended_again_after_its_checkpoint),
        cmocka_unit_test(an_end_that_is_told_before_the_capture_is_not_part_of_it),
        cmocka_unit_test(clocks_that_no_machine_has_are_clamped),
        cmocka_unit_test(captures_commits_failures_and_ends_in_every_order),
        cmocka_unit_test(a_resume_is_restore_and_a_suspension_is_idle),
        cmocka_unit_test(results_that_can_still_be_delivered_are_not_lost),
        cmocka_unit_test(a_clock_that_runs_backwards_stands_still),
        cmocka_unit_test(a_closed_stint_takes_nothing_more),
        cmocka_unit_test(any_story_adds_up),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
