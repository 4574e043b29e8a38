/* What expressions say of jobs: periodic ones, durations, the exit; and requirements explained. */
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { NOW = 1000000 };

static struct ad *ad_of(const char *text)
{
    struct ad *ad = ad_new();
    struct error err = { 0 };
    if (ad_parse(ad, text, strlen(text), &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return ad;
}

static void set_rule(struct policy_rules *rules, const char *name, const char *text)
{
    struct error err = { 0 };
    if (policy_rules_set(rules, name, text, &err) != 0)
        fail_msg("%s = %s: %s", name, text, err.text);
}

/* ---- periodic ---- */

static void the_first_that_is_true_counts(void **state)
{
    (void)state;
    static const struct { const char *job; enum policy_act act; int64_t code, subcode; } cases[] = {
        { "JobStatus = 1", POLICY_NOTHING, 0, 0 },
        { "JobStatus = 1\nPeriodicHold = true", POLICY_HOLD, 3, 0 },
        { "JobStatus = 1\nPeriodicHold = 7\nPeriodicHoldSubCode = 2 + 3", POLICY_HOLD, 3, 5 },
        { "JobStatus = 1\nPeriodicHold = true\nPeriodicRemove = true", POLICY_HOLD, 3, 0 },
        { "JobStatus = 5\nPeriodicHold = true", POLICY_NOTHING, 0, 0 },
        { "JobStatus = 5\nPeriodicHold = true\nPeriodicRemove = true", POLICY_REMOVE, 3, 0 },
        { "JobStatus = 5\nHoldReasonCode = 3\nPeriodicRelease = true\nPeriodicRemove = true", POLICY_RELEASE, 3, 0 },
        { "JobStatus = 5\nHoldReasonCode = 1\nPeriodicRelease = true", POLICY_NOTHING, 0, 0 },
        { "JobStatus = 1\nPeriodicRelease = true", POLICY_NOTHING, 0, 0 },
        { "JobStatus = 1\nPeriodicVacate = true", POLICY_NOTHING, 0, 0 },
        { "JobStatus = 2\nPeriodicVacate = true\nPeriodicHold = true", POLICY_VACATE, 1000, 0 },
        { "JobStatus = 7\nPeriodicVacate = true", POLICY_VACATE, 1000, 0 },
        { "JobStatus = 1\nPeriodicHold = undefined\nPeriodicRemove = NoSuch > 1", POLICY_NOTHING, 0, 0 },
        { "JobStatus = 1\nQDate = 999000\nPeriodicRemove = time() - QDate >= 1000", POLICY_REMOVE, 3, 0 },
        { "JobStatus = 1\nQDate = 999001\nPeriodicRemove = time() - QDate >= 1000", POLICY_NOTHING, 0, 0 },
    };
    struct policy_rules none = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *job = ad_of(cases[i].job);
        struct ad_scope scope = { .my = job, .now = NOW };
        struct policy_verdict verdict;
        policy_judge(&scope, &none, &verdict);
        if (verdict.act != cases[i].act || verdict.code != cases[i].code || verdict.subcode != cases[i].subcode)
            fail_msg("%s: act %d, code %d, subcode %d", cases[i].job, verdict.act, (int)verdict.code, (int)verdict.subcode);
    }
}

static void reasons_are_the_jobs_own_or_htcondors(void **state)
{
    (void)state;
    static const struct { const char *job, *reason; } cases[] = {
        { "JobStatus = 1\nPeriodicHold = A > 1\nA = 2", "The job attribute PeriodicHold expression 'A > 1' evaluated to TRUE" },
        { "JobStatus = 1\nPeriodicHold = true\nPeriodicHoldReason = strcat(\"a\", \"b\")", "ab" },
        { "JobStatus = 1\nPeriodicHold = true\nPeriodicHoldReason = \"\"", "The job attribute PeriodicHold expression 'true' evaluated to TRUE" },
        { "JobStatus = 1\nPeriodicRemove = true\nPeriodicRemoveReason = 5", "The job attribute PeriodicRemove expression 'true' evaluated to TRUE" },
    };
    struct policy_rules none = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *job = ad_of(cases[i].job);
        struct ad_scope scope = { .my = job, .now = NOW };
        struct policy_verdict verdict;
        policy_judge(&scope, &none, &verdict);
        assert_string_equal(verdict.reason, cases[i].reason);
    }
}

static void the_machines_rules_come_after_the_jobs_own(void **state)
{
    (void)state;
    struct policy_rules rules = { 0 };
    struct policy_verdict verdict;
    assert_false(policy_rules_any(&rules));
    set_rule(&rules, "hold", "Size > 10");
    set_rule(&rules, "hold_subcode", "Size");
    assert_true(policy_rules_any(&rules));
    auto_ad struct ad *job = ad_of("JobStatus = 1\nSize = 11");
    struct ad_scope scope = { .my = job, .now = NOW };
    policy_judge(&scope, &rules, &verdict);
    assert_int_equal(verdict.act, POLICY_HOLD);
    assert_int_equal(verdict.code, 26);
    assert_int_equal(verdict.subcode, 11);
    assert_string_equal(verdict.reason, "The system macro SYSTEM_PERIODIC_HOLD expression 'Size > 10' evaluated to TRUE");
    set_rule(&rules, "hold_reason", "\"too \" ");
    set_rule(&rules, "hold_reason", "strcat(\"too \", \"large\")");
    policy_judge(&scope, &rules, &verdict);
    assert_string_equal(verdict.reason, "too large");
    ad_set_bool(job, "PeriodicHold", true);
    policy_judge(&scope, &rules, &verdict);
    assert_int_equal(verdict.code, 3);
    set_rule(&rules, "vacate", "true");
    ad_set_int(job, "JobStatus", 2);
    policy_judge(&scope, &rules, &verdict);
    assert_int_equal(verdict.code, 1001);
    policy_rules_release(&rules);
}

static void a_rule_needs_a_name_that_there_is_and_an_expression(void **state)
{
    (void)state;
    struct policy_rules rules = { 0 };
    struct error err = { 0 };
    assert_int_equal(policy_rules_set(&rules, "held", "true", &err), POLICY_UNKNOWN);
    assert_int_equal(policy_rules_set(&rules, "hold_code", "1", &err), POLICY_UNKNOWN);
    assert_int_equal(policy_rules_set(&rules, "dance", "true", &err), POLICY_UNKNOWN);
    assert_int_equal(policy_rules_set(&rules, "remove", "1 +", &err), -1);
    assert_false(policy_rules_any(&rules));
    policy_rules_release(&rules);
}

static void an_error_is_told_and_not_true(void **state)
{
    (void)state;
    struct policy_rules none = { 0 };
    struct policy_verdict verdict;
    auto_ad struct ad *job = ad_of("JobStatus = 1\nPeriodicHold = error\nPeriodicRemove = true");
    struct ad_scope scope = { .my = job, .now = NOW };
    policy_judge(&scope, &none, &verdict);
    assert_int_equal(verdict.act, POLICY_REMOVE);
    assert_string_equal(verdict.problem, "PeriodicHold is an error, so it is never true");
}

/* ---- durations ---- */

static void durations_are_kept_to_the_moment(void **state)
{
    (void)state;
    static const struct { const char *job; int64_t running_s, executing_s, left_s, code; const char *reason; } cases[] = {
        { "A = 1", 1000, 1000, -1, 0, "" },
        { "AllowedJobDuration = 100", 40, -1, 60, 0, "" },
        { "AllowedJobDuration = 100", 100, -1, 0, 46, "The job exceeded allowed job duration of 01:40" },
        { "AllowedJobDuration = 50 * N\nN = 2", 100, -1, 0, 46, "The job exceeded allowed job duration of 01:40" },
        { "AllowedExecuteDuration = 7200", 90000, -1, -1, 0, "" },
        { "AllowedExecuteDuration = 7200", 90000, 7199, 1, 0, "" },
        { "AllowedExecuteDuration = 7200", 90000, 7200, 0, 47, "The job exceeded allowed execute duration of 2:00:00" },
        { "AllowedExecuteDuration = 3 * 86400 + 1", 400000, 400000, 0, 47, "The job exceeded allowed execute duration of 3+00:00:01" },
        { "AllowedExecuteDuration = 5\nAllowedJobDuration = 9", 3, 2, 3, 0, "" },
        { "AllowedExecuteDuration = 5\nAllowedJobDuration = 9", 9, 2, 0, 46, "The job exceeded allowed job duration of 00:09" },
        { "AllowedJobDuration = \"long\"", 9, 9, -1, 0, "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *job = ad_of(cases[i].job);
        struct policy_verdict verdict = { 0 };
        struct policy_times times = { cases[i].running_s * 1000000, cases[i].executing_s < 0 ? -1 : cases[i].executing_s * 1000000 };
        int64_t left = policy_duration(job, &times, &verdict);
        assert_int_equal(left, cases[i].left_s < 0 ? INT64_MAX : cases[i].left_s * 1000000);
        assert_int_equal(verdict.code, cases[i].code);
        assert_string_equal(verdict.reason, cases[i].reason);
    }
}

/* ---- the exit ---- */

/* The manual's rules on max_retries, retry_until, success_exit_code, on_exit_remove and on_exit_hold, and how they go together. */
static void an_exit_is_judged_as_the_manual_says(void **state)
{
    (void)state;
    static const struct { const char *job; enum policy_act act; } cases[] = {
        { "ExitCode = 1", POLICY_NOTHING },
        { "ExitCode = 1\nJobMaxRetries = 2\nNumJobCompletions = 1", POLICY_RETRY },
        { "ExitCode = 1\nJobMaxRetries = 2\nNumJobCompletions = 2", POLICY_RETRY },
        { "ExitCode = 1\nJobMaxRetries = 2\nNumJobCompletions = 3", POLICY_NOTHING },
        { "ExitCode = 0\nJobMaxRetries = 2\nNumJobCompletions = 1", POLICY_NOTHING },
        { "ExitSignal = 11\nExitBySignal = true\nJobMaxRetries = 2\nNumJobCompletions = 1", POLICY_RETRY },
        { "ExitCode = 3\nJobSuccessExitCode = 3\nJobMaxRetries = 2\nNumJobCompletions = 1", POLICY_NOTHING },
        { "ExitCode = 0\nJobSuccessExitCode = 3\nNumJobCompletions = 2", POLICY_RETRY },
        { "ExitCode = 0\nJobSuccessExitCode = 3\nNumJobCompletions = 3", POLICY_NOTHING },
        { "ExitCode = 5\nJobRetryUntil = 5\nJobMaxRetries = 2\nNumJobCompletions = 1", POLICY_NOTHING },
        { "ExitCode = 6\nJobRetryUntil = 5\nJobMaxRetries = 2\nNumJobCompletions = 1", POLICY_RETRY },
        { "ExitCode = 34\nJobRetryUntil = !member(ExitCode, {17, 34, 81})\nNumJobCompletions = 1", POLICY_RETRY },
        { "ExitCode = 35\nJobRetryUntil = !member(ExitCode, {17, 34, 81})\nNumJobCompletions = 1", POLICY_NOTHING },
        { "ExitSignal = 9\nExitBySignal = true\nJobRetryUntil = ExitCode == 2\nNumJobCompletions = 1", POLICY_RETRY },
        { "ExitCode = 1\nOnExitRemove = ExitBySignal == false && ExitCode == 0\nExitBySignal = false", POLICY_RETRY },
        { "ExitCode = 0\nOnExitRemove = ExitBySignal == false && ExitCode == 0\nExitBySignal = false", POLICY_NOTHING },
        { "ExitSignal = 11\nExitBySignal = true\nOnExitRemove = (ExitBySignal == False) || (ExitSignal != 11)", POLICY_RETRY },
        { "ExitSignal = 9\nExitBySignal = true\nOnExitRemove = (ExitBySignal == False) || (ExitSignal != 11)", POLICY_NOTHING },
        { "ExitCode = 1\nOnExitRemove = undefined", POLICY_NOTHING },
        { "ExitCode = 1\nOnExitRemove = error", POLICY_NOTHING },
        { "ExitCode = 1\nOnExitRemove = 0", POLICY_RETRY },
        /* both: either of them lets it go */
        { "ExitCode = 1\nOnExitRemove = true\nJobMaxRetries = 5\nNumJobCompletions = 1", POLICY_NOTHING },
        { "ExitCode = 0\nOnExitRemove = false\nJobMaxRetries = 5\nNumJobCompletions = 1", POLICY_NOTHING },
        { "ExitCode = 1\nOnExitRemove = false\nJobMaxRetries = 5\nNumJobCompletions = 1", POLICY_RETRY },
        /* hold comes before remove, periodic before on exit */
        { "ExitCode = 1\nOnExitHold = ExitCode == 1\nOnExitRemove = true", POLICY_HOLD },
        { "ExitCode = 1\nOnExitHold = ExitCode == 2\nJobMaxRetries = 1\nNumJobCompletions = 1", POLICY_RETRY },
        { "ExitCode = 1\nOnExitHold = NoSuch\nOnExitRemove = false", POLICY_RETRY },
        { "ExitCode = 1\nPeriodicHold = ExitCode =?= 1", POLICY_HOLD },
        { "ExitCode = 1\nPeriodicRemove = true\nOnExitHold = true\nOnExitRemove = false", POLICY_NOTHING },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *job = ad_of(cases[i].job);
        struct ad_scope scope = { .my = job, .now = NOW };
        struct policy_verdict verdict;
        policy_exit(&scope, &verdict);
        if (verdict.act != cases[i].act)
            fail_msg("%s: %d", cases[i].job, verdict.act);
    }
}

static void a_hold_at_the_exit_has_reason_and_code(void **state)
{
    (void)state;
    auto_ad struct ad *job = ad_of("ExitCode = 4\nOnExitHold = ExitCode > 0\nOnExitHoldSubCode = ExitCode");
    struct ad_scope scope = { .my = job, .now = NOW };
    struct policy_verdict verdict;
    policy_exit(&scope, &verdict);
    assert_int_equal(verdict.code, 3);
    assert_int_equal(verdict.subcode, 4);
    assert_string_equal(verdict.reason, "The job attribute OnExitHold expression 'ExitCode > 0' evaluated to TRUE");
}

/* ---- requirements explained ---- */

static void every_clause_is_explained(void **state)
{
    (void)state;
    auto_ad struct ad *job = ad_of("RequestMemory = 128\nWord = \"a b\"\nRequirements = OpSys == \"LINUX\" && (TARGET.Memory > RequestMemory * 100 || false) && "
                                   "Nothing > 3 && strcat(MY.Word, \"x(y\") == \"a bx(y\" && Word > 3");
    auto_ad struct ad *machine = ad_of("OpSys = \"LINUX\"\nMemory = 4000");
    auto_ad struct ad *out = ad_new();
    struct ad_scope scope = { .my = job, .target = machine, .now = NOW };
    struct ad_expr *expr = ad_expr_of(job, "Requirements");
    assert_false(policy_explain(expr, &scope, out, "Clauses"));
    ad_expr_free(expr);
    assert_int_equal(ad_list_count(out, "Clauses"), 5);
    static const struct { bool truth; const char *value, *advice, *name, *of; } want[] = {
        { true, "true", NULL, "OpSys", "machine" },
        { false, "false", "this machine has TARGET.Memory = 4000: ask for what it has", "TARGET.Memory", "machine" },
        { false, "undefined", "neither the job nor this machine has 'Nothing': take it out, or give it to the machine in stint.conf ('machine.Nothing = …')",
          "Nothing", "neither" },
        { true, "true", NULL, "MY.Word", "job" },
        { false, "error", "its value is an error, such as a text compared with a number: mend this clause", "Word", "job" },
    };
    for (size_t i = 0; i < COUNT(want); i++) {
        const struct ad *clause = ad_list_ad(out, "Clauses", i);
        assert_int_equal(ad_bool(clause, "True", !want[i].truth), want[i].truth);
        assert_string_equal(ad_string(clause, "Value", ""), want[i].value);
        assert_string_equal(ad_string(clause, "Advice", "none"), want[i].advice ? want[i].advice : "none");
        assert_string_equal(ad_string(ad_list_ad(clause, "Values", 0), "Name", ""), want[i].name);
        assert_string_equal(ad_string(ad_list_ad(clause, "Values", 0), "Of", ""), want[i].of);
    }
    assert_int_equal(ad_list_count(ad_list_ad(out, "Clauses", 3), "Values"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_is_true_counts),
        cmocka_unit_test(reasons_are_the_jobs_own_or_htcondors),
        cmocka_unit_test(the_machines_rules_come_after_the_jobs_own),
        cmocka_unit_test(a_rule_needs_a_name_that_there_is_and_an_expression),
        cmocka_unit_test(an_error_is_told_and_not_true),
        cmocka_unit_test(durations_are_kept_to_the_moment),
        cmocka_unit_test(an_exit_is_judged_as_the_manual_says),
        cmocka_unit_test(a_hold_at_the_exit_has_reason_and_code),
        cmocka_unit_test(every_clause_is_explained),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
