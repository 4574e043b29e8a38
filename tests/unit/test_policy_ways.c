/* The table of ways in docs/policy.md, with figures. */
#include "policy/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define NOW (100000 * SECOND)

/* 100 s at risk, restore 20 s, pause 5 s, commit 30 s, grace 10 s, own checkpoint in 60 s, end in 500 s; 2 cpus. */
static struct plan_job example(void)
{
    return (struct plan_job){ .cpus = 2,
                              .state = PLAN_RUNNING,
                              .may_be_evicted = true,
                              .ways = PLAN_WAYS_ALL,
                              .success = 0.75F,
                              .started_us = NOW - 1000 * SECOND,
                              .at_risk_since_us = NOW - 100 * SECOND,
                              .restore_us = 20 * SECOND,
                              .pause_us = 5 * SECOND,
                              .commit_us = 30 * SECOND,
                              .grace_us = 10 * SECOND,
                              .next_own_us = NOW + 60 * SECOND,
                              .ends_us = NOW + 500 * SECOND,
                              .due_us = -1 };
}

static enum plan_way cheapest(const struct plan_job *job, double lambda)
{
    struct plan_cost costs[PLAN_WAY_COUNT];
    ways_cost(job, NOW, lambda, costs);
    return ways_cheapest(costs);
}

static void each_way_costs_what_the_table_says(void **state)
{
    (void)state;
    static const double badput[] = { 240, 100, 40, 0 }, delay[] = { 20, 70, 120, 1000 };
    struct plan_job job = example();
    struct plan_cost costs[PLAN_WAY_COUNT];
    ways_cost(&job, NOW, 0.5, costs);
    for (int way = 0; way < PLAN_WAY_COUNT; way++) {
        assert_true(fabs(costs[way].badput_s - badput[way]) < 1e-9);
        assert_true(fabs(costs[way].delay_s - delay[way]) < 1e-9);
        assert_true(fabs(costs[way].cost_s - badput[way] - delay[way] / 2) < 1e-9);
    }
}

static void lambda_goes_from_waiting_to_killing(void **state)
{
    (void)state;
    struct plan_job job = example();
    assert_int_equal(cheapest(&job, 0), PLAN_WAY_FINISH);
    assert_int_equal(cheapest(&job, 0.01), PLAN_WAY_FINISH);
    assert_int_equal(cheapest(&job, 0.5), PLAN_WAY_OWN);
    assert_int_equal(cheapest(&job, 2), PLAN_WAY_CHECKPOINT);
    assert_int_equal(cheapest(&job, 10), PLAN_WAY_KILL);
    assert_int_equal(cheapest(&job, (double)INFINITY), PLAN_WAY_KILL);
    job.pause_us = job.commit_us = 0; /* a checkpoint takes no time: killing is still what infinity means */
    assert_int_equal(cheapest(&job, (double)INFINITY), PLAN_WAY_KILL);
    job.ways = 1u << PLAN_WAY_CHECKPOINT | 1u << PLAN_WAY_OWN;
    assert_int_equal(cheapest(&job, (double)INFINITY), PLAN_WAY_CHECKPOINT);
}

static void ways_that_are_not_there_are_not_taken(void **state)
{
    (void)state;
    struct plan_job job = example();
    job.ways = 1u << PLAN_WAY_KILL;
    assert_int_equal(cheapest(&job, 2), PLAN_WAY_KILL);
    assert_int_equal(cheapest(&job, 0), PLAN_WAY_FINISH); /* every job may finish */
    job.ways = 1u << PLAN_WAY_OWN;
    assert_int_equal(cheapest(&job, 2), PLAN_WAY_OWN);
    job.next_own_us = -1;
    assert_int_equal(cheapest(&job, 2), PLAN_WAY_FINISH);
}

static void what_is_past_or_unknown_counts_as_the_header_says(void **state)
{
    (void)state;
    struct plan_job job = example();
    struct plan_cost costs[PLAN_WAY_COUNT];
    job.at_risk_since_us = -1;
    job.next_own_us = NOW - SECOND; /* it is late: at any moment */
    job.ends_us = -1;               /* as long again as it has run */
    ways_cost(&job, NOW, 1, costs);
    assert_true(fabs(costs[PLAN_WAY_KILL].badput_s - 40) < 1e-9);
    assert_true(costs[PLAN_WAY_OWN].delay_s <= 0);
    assert_true(fabs(costs[PLAN_WAY_FINISH].delay_s - 2000) < 1e-9);
}

static void the_chance_to_end_comes_from_likes_or_from_age(void **state)
{
    (void)state;
    struct plan_job job = example();
    assert_int_equal(ways_end_rate(&job, NOW), 0); /* its end is known: that is a way of its own */
    job.ends_us = -1;
    assert_int_equal(ways_end_rate(&job, NOW), 1000000);
    job.end_rate = 0.02;
    assert_int_equal(ways_end_rate(&job, NOW), 20000000);
    job.end_rate = 50;
    assert_int_equal(ways_end_rate(&job, NOW), 1000000000);
    job.started_us = NOW;
    assert_int_equal(ways_end_rate(&job, NOW), 0);
}

static void ways_have_names(void **state)
{
    (void)state;
    assert_string_equal(plan_way_name(PLAN_WAY_KILL), "kill");
    assert_string_equal(plan_way_name(PLAN_WAY_FINISH), "finish");
    assert_string_equal(plan_way_name(PLAN_WAY_COUNT), "none");
    assert_true(ways_acts(PLAN_WAY_KILL) && ways_acts(PLAN_WAY_CHECKPOINT) && !ways_acts(PLAN_WAY_OWN) &&
                !ways_acts(PLAN_WAY_FINISH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_costs_what_the_table_says),
        cmocka_unit_test(lambda_goes_from_waiting_to_killing),
        cmocka_unit_test(ways_that_are_not_there_are_not_taken),
        cmocka_unit_test(what_is_past_or_unknown_counts_as_the_header_says),
        cmocka_unit_test(the_chance_to_end_comes_from_likes_or_from_age),
        cmocka_unit_test(ways_have_names),
    };
    return cmocka_run_group_tests_name("policy_ways", tests, NULL, NULL);
}
