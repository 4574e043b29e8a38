/* What is measured of checkpoints, and who is told. */
#include "journal_fixture.h"

#include "pool/facts.h"

static struct interval_facts facts_of(struct fixture *f, int cluster)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    struct interval_facts facts;
    facts_read(ad_ad(job.ad, "CheckpointFacts"), &facts);
    queue_job_release(&job);
    return facts;
}

#define assert_near(a, b) near_at(a, b, __LINE__)
static void near_at(double a, double b, int line)
{
    if (a - b > 1e-6 || b - a > 1e-6)
        fail_msg("line %d: %g is not %g", line, a, b);
}

static void what_checkpoints_cost_and_how_stints_end_is_summed_up(void **state)
{
    struct fixture *f = *state;
    const int64_t s = 1000000;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 100 * s);
    begin(a, 100 * s);
    put(a, 101 * s, RECORD_METHOD, "\"Method\":\"transparent\",\"IntervalUs\":600000000,\"IntervalCostUs\":5,\"IntervalMtbfUs\":7,\"IntervalBasis\":\"guessed\"");
    put(a, 103 * s, RECORD_RUN, "\"Execution\":1,\"Generation\":4");
    put(a, 110 * s, RECORD_COMMIT, "\"Generation\":5,\"PauseUs\":2000000,\"Why\":\"periodic\",\"IntervalUs\":900000000,\"IntervalBasis\":\"measured\"");
    put(a, 120 * s, RECORD_COMMIT, "\"Generation\":6,\"PauseUs\":1000000,\"Why\":\"user\"");
    put(a, 130 * s, RECORD_COMMIT, "\"Generation\":7,\"PauseUs\":9000000,\"Why\":\"vacate\""); /* it did not go on after it */
    put(a, 140 * s, RECORD_END, "\"Outcome\":\"evicted\",\"Reason\":\"r\",\"Cause\":\"vacate\",\"Checkpointed\":true");
    fold(f, a);
    struct interval_facts got = facts_of(f, cluster);
    assert_near(got.checkpoints, 2);
    assert_near(got.pause_s, 3);
    assert_near(got.restores, 1);
    assert_near(got.restore_s, 3);
    assert_near(got.evictions, 1);
    assert_near(got.saved, 1);
    assert_near(got.failures, 0);
    assert_near(got.observed_s, 40);
    a = grant(f, cluster, 200 * s);
    begin(a, 200 * s);
    put(a, 201 * s, RECORD_RUN, "\"Execution\":1");
    put(a, 210 * s, RECORD_COMMIT, "\"Generation\":8,\"PauseUs\":2000000,\"Why\":\"self\",\"IntervalUs\":77000000,\"IntervalCostUs\":1000000,\"IntervalMtbfUs\":9000000,\"IntervalBasis\":\"pool\"");
    fold(f, a);
    assert_int_equal(own_int(f, cluster, "CheckpointPaceUs"), 77 * s);
    auto_free char *basis = own_text(f, cluster, "CheckpointPaceBasis");
    assert_string_equal(basis, "pool");
    put(a, 250 * s, RECORD_FENCE, "\"Reason\":\"r\",\"Cause\":\"runner_lost\"");
    fold(f, a);
    got = facts_of(f, cluster);
    assert_near(got.checkpoints, 3);
    assert_near(got.failures, 1);
    assert_near(got.restores, 1); /* it began anew */
    assert_near(got.observed_s, 90);
    /* The next one to start goes by the pool's. */
    auto_ad struct ad *grant_ad = ad_new();
    struct queue_job other = { .ad = ad_new() };
    assert_ok(facts_grant(&f->pool, &other, grant_ad, &f->err), f->err);
    facts_read(ad_ad(grant_ad, "PoolFacts"), &got);
    assert_true(ad_bool(grant_ad, "AutoInterval", false) && !ad_has(grant_ad, "Facts") && !ad_has(grant_ad, "CheckpointIntervalUs"));
    assert_near(got.checkpoints, 3);
    assert_near(got.observed_s, 90);
    f->pool.config.checkpoint_interval_us = 5 * s;
    auto_ad struct ad *fixed = ad_new();
    assert_ok(facts_grant(&f->pool, &other, fixed, &f->err), f->err);
    assert_int_equal(ad_int(fixed, "CheckpointIntervalUs", 0), 5 * s);
    assert_false(ad_has(fixed, "AutoInterval"));
    ad_free(other.ad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_checkpoints_cost_and_how_stints_end_is_summed_up, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("pool_facts", tests, NULL, NULL);
}
