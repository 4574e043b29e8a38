/* How a job says that it checkpoints: the names of 8.5 and of today, and what is no declaration; which way it comes to. */
#include "job/protocol.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US INT64_C(1000000)

static const struct protocol_defaults defaults = {
    .interval_us = 3600 * SECOND_US, .timeout_us = 600 * SECOND_US, .vacate_max_us = 600 * SECOND_US,
};

static struct protocol read_text(const char *text)
{
    struct protocol p;
    struct error err;
    auto_ad struct ad *job = ad_new();
    assert_int_equal(ad_parse(job, text, strlen(text), &err), 0);
    protocol_read(job, &defaults, &p);
    return p;
}

static void the_names_of_the_talk_declare_a_protocol(void **state)
{
    (void)state;
    struct protocol p = read_text("WantCheckpointSignal = true\nCheckpointSig = \"SIGUSR2\"\nCheckpointExitBySignal = false\n"
                                  "CheckpointExitCode = 17\nWantFTOnCheckpoint = true\nWhenToTransferOutput = \"ON_EXIT_OR_EVICT\"\n");
    assert_true(p.self && p.want_signal && p.save_on_evict && !p.by_signal);
    assert_int_equal(p.signal, SIGUSR2);
    assert_true(protocol_is_checkpoint(&p, 17, 0));
    assert_false(protocol_is_checkpoint(&p, 0, 0));
    assert_false(protocol_is_checkpoint(&p, -1, SIGUSR2));
    assert_null(protocol_refusal(&p));
}

static void the_names_of_today_declare_the_same(void **state)
{
    (void)state;
    struct protocol p = read_text("SuccessCheckpointExitCode = 85\n");
    assert_true(p.self && !p.want_signal);
    assert_true(protocol_is_checkpoint(&p, 85, 0));
    assert_non_null(protocol_refusal(&p));
    p = read_text("SuccessCheckpointExitBySignal = true\nSuccessCheckpointExitSignal = \"SIGUSR1\"\nWantCheckpointSignal = true\n");
    assert_true(p.self && p.by_signal);
    assert_true(protocol_is_checkpoint(&p, -1, SIGUSR1));
    assert_false(protocol_is_checkpoint(&p, 0, 0));
}

static void without_a_declared_end_nothing_is_a_checkpoint(void **state)
{
    (void)state;
    struct protocol p = read_text("WantCheckpointSignal = true\nCheckpointSig = \"SIGUSR2\"\n");
    assert_false(p.self || p.want_signal);
    assert_false(protocol_is_checkpoint(&p, 0, 0));
    assert_non_null(strstr(protocol_refusal(&p), "checkpoint_exit_code"));
}

static void by_signal_without_a_signal_is_no_declaration(void **state)
{
    (void)state;
    struct protocol p = read_text("CheckpointExitBySignal = true\nCheckpointExitCode = 17\n");
    assert_false(p.self);
}

static void the_pool_bounds_the_vacate_time(void **state)
{
    (void)state;
    assert_int_equal(read_text("").vacate_us, 600 * SECOND_US);
    assert_int_equal(read_text("JobMaxVacateTime = 5\n").vacate_us, 5 * SECOND_US);
    assert_int_equal(read_text("JobMaxVacateTime = 86400\n").vacate_us, 600 * SECOND_US);
    assert_int_equal(read_text("JobMaxVacateTime = -3\n").vacate_us, 600 * SECOND_US);
    assert_int_equal(read_text("JobMaxVacateTime = 9000000000000000000\n").vacate_us, 600 * SECOND_US);
    assert_int_equal(read_text("KillSigTimeout = 7\n").vacate_us, 7 * SECOND_US);
}

static void signals_have_their_defaults(void **state)
{
    (void)state;
    assert_int_equal(read_text("").kill_signal, SIGTERM);
    assert_int_equal(read_text("KillSig = \"SIGINT\"\n").kill_signal, SIGINT);
    assert_int_equal(read_text("KillSig = \"SIGINT\"\n").signal, SIGINT);
    assert_int_equal(read_text("CheckpointSig = 12\n").signal, SIGUSR2);
}

static void the_job_sets_its_own_interval(void **state)
{
    (void)state;
    assert_int_equal(read_text("").interval_us, 3600 * SECOND_US);
    assert_int_equal(read_text("CheckpointIntervalUs = 250000\n").interval_us, 250000);
    assert_int_equal(read_text("CheckpointInterval = 30\n").interval_us, 30 * SECOND_US);
    assert_int_equal(read_text("CheckpointInterval = undefined\nCheckpointIntervalUs = undefined\n").interval_us, 3600 * SECOND_US);
    assert_int_equal(read_text("CheckpointInterval = -1\n").interval_us, 0);
}

/* ---- which way ---- */

static struct method method_of(const char *text, const char *pool_default)
{
    struct method m;
    struct error err;
    auto_ad struct ad *job = ad_new();
    assert_int_equal(ad_parse(job, text, strlen(text), &err), 0);
    method_read(job, pool_default, &m);
    return m;
}

static void methods_are_read_in_any_case_and_printed_in_one(void **state)
{
    static const struct { const char *text, *printed; } good[] = {
        { "auto", "auto" }, { "SELF", "self" }, { " transparent ", "transparent" }, { "None", "none" },
        { "self,transparent", "self, transparent" }, { "self ,\ttransparent", "self, transparent" },
    };
    static const char *const bad[] = { "", " ", "selfish", "sel", "transparent, self", "self,", "self, none", "auto,transparent",
                                       "self transparent", "self, transparent,", ",self", "none, transparent" };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct method m;
        assert_true(method_parse(good[i].text, &m));
        assert_string_equal(method_text(&m), good[i].printed);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct method m = { .wanted = METHOD_NONE, .fallback = true };
        assert_false(method_parse(bad[i], &m));
        assert_true(m.wanted == METHOD_NONE && m.fallback); /* outputs change only on success */
    }
}

static void what_the_job_says_goes_before_the_pools_default(void **state)
{
    (void)state;
    struct method m = method_of("CheckpointMethod = \"transparent\"\n", "none");
    assert_true(m.wanted == METHOD_TRANSPARENT && m.insists);
    m = method_of("", "none");
    assert_true(m.wanted == METHOD_NONE && !m.insists);
    m = method_of("", NULL);
    assert_true(m.wanted == METHOD_AUTO && !m.insists);
    m = method_of("CheckpointMethod = \"by magic\"\n", "self, transparent");
    assert_true(m.wanted == METHOD_SELF && m.fallback && !m.insists);
    m = method_of("CheckpointMethod = 7\n", "rubbish");
    assert_true(m.wanted == METHOD_AUTO && !m.insists);
}

/* All there is: what the job says, what the pool says, whether a protocol is declared, whether the machine can. The letters:
 * s, t, n = used; + = with the fallback; h = held; ? = with a reason. */
static void every_choice_is_as_documented(void **state)
{
    static const struct {
        const char *job, *pool;
        const char *declared_can, *declared_not, *plain_can, *plain_not;
    } rows[] = {
        { NULL, NULL, "s", "s", "t", "n?" },
        { NULL, "auto", "s", "s", "t", "n?" },
        { NULL, "self", "s", "s", "n?", "n?" },
        { NULL, "transparent", "s", "s", "t", "n?" },
        { NULL, "none", "s", "s", "n?", "n?" },
        { NULL, "self, transparent", "s+", "s?", "t", "n?" },
        { "auto", "none", "s", "s", "t", "n?" },
        { "self", "none", "s", "s", "n?", "n?" },
        { "transparent", "none", "t", "nh?", "t", "nh?" },
        { "none", "transparent", "n?", "n?", "n?", "n?" },
        { "self, transparent", "none", "s+", "s?", "t", "n?" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int n = 0; n < 4; n++) {
            auto_ad struct ad *job = ad_new();
            struct protocol p = { .self = n < 2, .want_signal = n < 2 };
            struct method m;
            struct method_choice c;
            char got[8] = "";
            const char *const expected[] = { rows[i].declared_can, rows[i].declared_not, rows[i].plain_can, rows[i].plain_not };
            if (rows[i].job)
                ad_set_string(job, "CheckpointMethod", rows[i].job);
            method_read(job, rows[i].pool, &m);
            method_choose(&m, &p, n % 2 == 0, "its kernel is too old", &c);
            strcat(got, c.used == METHOD_SELF ? "s" : c.used == METHOD_TRANSPARENT ? "t" : "n");
            strcat(got, c.fallback ? "+" : "");
            strcat(got, c.hold ? "h" : "");
            strcat(got, c.reason[0] ? "?" : "");
            assert_string_equal(got, expected[n]);
            if (c.used == METHOD_TRANSPARENT || c.fallback)
                assert_null(method_refusal(&c, &p));
            else if (c.used == METHOD_NONE)
                assert_string_equal(method_refusal(&c, &p), c.reason);
        }
}

static void reasons_say_what_the_machine_lacks_and_what_to_do(void **state)
{
    (void)state;
    struct protocol p = { 0 };
    struct method_choice c;
    struct method m = { .wanted = METHOD_TRANSPARENT, .insists = true };
    char long_reason[1000];
    method_choose(&m, &p, false, "its kernel is too old", &c);
    assert_non_null(strstr(c.reason, "its kernel is too old; see 'stint doctor'"));
    memset(long_reason, 'x', sizeof long_reason - 1);
    long_reason[sizeof long_reason - 1] = '\0';
    method_choose(&m, &p, false, long_reason, &c);
    assert_non_null(strstr(c.reason, "then release it")); /* what to do is not cut off */
    m = (struct method){ .wanted = METHOD_AUTO };
    method_choose(&m, &p, false, NULL, &c);
    assert_non_null(strstr(c.reason, "no transparent checkpoints"));
}

static void a_self_checkpointer_without_a_signal_is_refused_unless_there_is_a_fallback(void **state)
{
    (void)state;
    struct protocol p = { .self = true };
    struct method_choice c = { .used = METHOD_SELF };
    assert_non_null(strstr(method_refusal(&c, &p), "wants no signal"));
    c.fallback = true;
    assert_null(method_refusal(&c, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_names_of_the_talk_declare_a_protocol),
        cmocka_unit_test(the_names_of_today_declare_the_same),
        cmocka_unit_test(without_a_declared_end_nothing_is_a_checkpoint),
        cmocka_unit_test(by_signal_without_a_signal_is_no_declaration),
        cmocka_unit_test(the_pool_bounds_the_vacate_time),
        cmocka_unit_test(signals_have_their_defaults),
        cmocka_unit_test(the_job_sets_its_own_interval),
        cmocka_unit_test(methods_are_read_in_any_case_and_printed_in_one),
        cmocka_unit_test(what_the_job_says_goes_before_the_pools_default),
        cmocka_unit_test(every_choice_is_as_documented),
        cmocka_unit_test(reasons_say_what_the_machine_lacks_and_what_to_do),
        cmocka_unit_test(a_self_checkpointer_without_a_signal_is_refused_unless_there_is_a_fallback),
    };
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
