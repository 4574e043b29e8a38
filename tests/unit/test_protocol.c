/* How a job says that it checkpoints: the names of 8.5 and of today, and what is no declaration. */
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
    };
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
