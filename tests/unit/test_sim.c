/* The simulator: small pools whose figures are known beforehand, and drawn ones whose books must balance. */
#include "sim_world.h"

#include <math.h>

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

static void a_job_alone_is_all_goodput(void **state)
{
    struct sim_world w;
    (void)state;
    sim_world_init(&w, 4);
    sim_world_add(&w, 0, 10, 100, WORKLOAD_NONE)->cpus = 3;
    sim_world_run(&w);
    assert_near(w.result.class_s[LEDGER_GOODPUT], 300, 1e-6);
    assert_near(w.result.occupied_s, 300, 1e-6);
    assert_near(w.result.badput_s, 0, 1e-6);
    assert_near(w.result.deprivation_s, 0, 1e-6);
    assert_near(w.result.span_s, 110, 1e-6);
    sim_world_release(&w);
}

/* Every 100 s a pause of 2 s; the last commit comes before the end. */
static void own_checkpoints_cost_their_pauses(void **state)
{
    struct sim_world w;
    (void)state;
    sim_world_init(&w, 1);
    struct workload_job *job = sim_world_add(&w, 0, 0, 450, WORKLOAD_SELF);
    job->period_s = 100;
    job->pause_ms = 2000;
    sim_world_run(&w);
    assert_int_equal(w.result.counts.checkpoints, 4);
    assert_near(w.result.class_s[LEDGER_CHECKPOINT], 8, 1e-6);
    assert_near(w.result.cause_s[CAUSE_PERIODIC], 8, 1e-6);
    assert_near(w.result.class_s[LEDGER_GOODPUT], 450, 1e-6);
    sim_world_release(&w);
}

/* One cpu, full with ada's job; bob is owed half of it and cannot have it, as a job is whole. Two cpus: one of them is his. */
static void newcomer(struct sim_world *w, enum sim_policy policy, enum workload_kind kind)
{
    sim_world_init(w, 2);
    w->setup.policy = policy;
    w->setup.lambda = INFINITY;
    for (int i = 0; i < 2; i++)
        sim_world_add(w, 0, i, 1000, kind)->pause_ms = 4000;
    sim_world_add(w, 1, 100, 1000, WORKLOAD_NONE);
    sim_world_run(w);
}

static void without_evictions_a_newcomer_waits(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_NEVER, WORKLOAD_NONE);
    assert_near(w.result.deprivation_s, 900, 1e-6); /* until ada's first job ends */
    assert_near(w.result.badput_s, 0, 1e-6);
    sim_world_release(&w);
}

/* Of ada's jobs the second has less to lose: 99 s. */
static void killing_costs_the_work_since_the_start(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_STINT, WORKLOAD_NONE);
    assert_near(w.result.class_s[LEDGER_LOST], 99, 1e-6);
    assert_near(w.result.evicted_s, 99, 1e-6);
    assert_near(w.result.deprivation_s, 0, 1e-6);
    assert_int_equal(w.result.counts.evictions[WAY_KILL], 1);
    sim_world_release(&w);
}

static void adaptive_checkpoints_what_has_much_to_lose(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_ADAPTIVE, WORKLOAD_TRANSPARENT);
    assert_int_equal(w.result.counts.evictions[WAY_CHECKPOINT], 1);
    assert_near(w.result.class_s[LEDGER_LOST], 0, 1e-6);
    assert_near(w.result.cause_s[CAUSE_SHARE], 4 + 0.1, 1e-3); /* the pause, and the resume */
    assert_near(w.result.deprivation_s, 4, 1e-3);
    sim_world_release(&w);
}

/* Slurm's: the youngest goes on for its grace time, and loses that, too. */
static void youngest_works_on_during_its_grace(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_YOUNGEST, WORKLOAD_NONE);
    assert_near(w.result.class_s[LEDGER_LOST], 99 + 300, 1e-6);
    assert_near(w.result.deprivation_s, 300, 1e-6);
    sim_world_release(&w);
}

static void retirement_lets_jobs_run_their_time(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_RETIREMENT, WORKLOAD_NONE);
    assert_near(w.result.class_s[LEDGER_LOST], 0, 1e-6); /* both end before their hour */
    assert_near(w.result.deprivation_s, 900, 1e-6);
    sim_world_release(&w);
}

static void scr_leaves_who_is_half_done(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_SCR, WORKLOAD_NONE);
    assert_near(w.result.class_s[LEDGER_LOST], 99, 1e-6);
    sim_world_release(&w);
    sim_world_init(&w, 2);
    w.setup.policy = SIM_SCR;
    sim_world_add(&w, 0, 0, 1000, WORKLOAD_NONE);
    sim_world_add(&w, 0, 0, 1000, WORKLOAD_NONE);
    sim_world_add(&w, 1, 600, 10, WORKLOAD_NONE);
    sim_world_run(&w);
    assert_near(w.result.evicted_s, 0, 1e-6);
    assert_near(w.result.deprivation_s, 400, 1e-6);
    sim_world_release(&w);
}

static void a_resume_goes_on_where_the_checkpoint_was(void **state)
{
    struct sim_world w;
    (void)state;
    newcomer(&w, SIM_STINT, WORKLOAD_NONE);
    sim_world_release(&w);
    sim_world_init(&w, 2);
    w.setup.policy = SIM_ADAPTIVE;
    for (int i = 0; i < 2; i++) {
        struct workload_job *job = sim_world_add(&w, 0, i, 1000, WORKLOAD_TRANSPARENT);
        job->state_kb = 1000000; /* 1.024 s on a store of 1000 MB/s */
        job->pause_ms = 1;
    }
    sim_world_add(&w, 1, 100, 1000, WORKLOAD_NONE);
    sim_world_run(&w);
    assert_near(w.result.class_s[LEDGER_RESTORE], 1.024 + 0.1, 1e-3);
    assert_near(w.result.class_s[LEDGER_GOODPUT], 3000, 1e-6);
    sim_world_release(&w);
}

static void a_failing_node_loses_what_is_not_committed(void **state)
{
    struct sim_world w;
    (void)state;
    sim_world_draw(&w, 5, 200, false);
    sim_world_run(&w);
    assert_true(w.result.counts.node_failures > 0);
    assert_true(w.result.cause_s[CAUSE_NODE] > 0);
    assert_int_equal(w.result.counts.completions, w.workload.count);
    sim_world_release(&w);
}

/* ---- drawn pools ---- */

static double work_s(const struct workload *w)
{
    double sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum += (double)w->jobs[i].work_us / 1e6 * w->jobs[i].cpus;
    return sum;
}

static void the_classes_add_up_and_all_work_is_done(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (int policy = 0; policy < SIM_POLICIES; policy++) {
            struct sim_world w;
            sim_world_draw(&w, seed, 150, seed % 2);
            w.setup.policy = (enum sim_policy)policy;
            sim_world_run(&w);
            assert_true(w.result.adds_up);
            assert_int_equal(w.result.counts.completions, w.workload.count);
            assert_near(w.result.class_s[LEDGER_GOODPUT], work_s(&w.workload), 1e-3);
            assert_int_equal(w.sim.run_count, 0);
            if (policy == SIM_NEVER)
                assert_near(w.result.evicted_s, 0, 1e-9);
            sim_world_release(&w);
        }
}

static void cut_short_the_classes_and_what_is_at_risk_add_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim_world w;
        sim_world_draw(&w, seed, 200, false);
        w.setup.until_s = (double)w.workload.jobs[w.workload.count - 1].submit_us / 2e6;
        sim_world_run(&w);
        assert_true(w.result.adds_up);
        assert_true(w.result.at_risk_s > 0);
        assert_near(w.result.span_s, w.setup.until_s, 1e-5);
        sim_world_release(&w);
    }
}

static void the_same_seed_gives_the_same_figures(void **state)
{
    (void)state;
    char *first = NULL;
    for (int round = 0; round < 2; round++) {
        struct sim_world w;
        auto_buf struct buf text = { 0 };
        sim_world_draw(&w, 9, 300, true);
        sim_world_run(&w);
        result_csv(&w.result, 1, &text);
        result_users(&w.sim, &text);
        result_populations_csv(&w.sim, &text);
        result_episodes_csv(&w.sim, &text);
        if (first)
            assert_string_equal(first, buf_cstr(&text));
        else
            first = buf_steal(&text);
        sim_world_release(&w);
    }
    free(first);
}

static void lambda_zero_never_evicts(void **state)
{
    struct sim_world never, zero;
    (void)state;
    sim_world_draw(&never, 3, 300, false);
    sim_world_draw(&zero, 3, 300, false);
    never.setup.policy = SIM_NEVER;
    zero.setup.lambda = 0;
    sim_world_run(&never);
    sim_world_run(&zero);
    assert_near(zero.result.evicted_s, 0, 1e-9);
    assert_near(never.result.deprivation_s, zero.result.deprivation_s, 1e-6);
    sim_world_release(&never);
    sim_world_release(&zero);
}

/* ---- good citizens ---- */

/* Turnaround of ada's jobs, when these are checkpointed or not; bob's and cyd's are not in both cases. */
static double turnaround_s(uint64_t seed, enum workload_kind kind)
{
    struct sim_world w;
    struct random r;
    sim_world_init(&w, 16);
    w.setup.seed = seed;
    w.setup.lambda = 2;
    random_init(&r, seed, 99);
    for (int i = 0; i < 300; i++) {
        uint32_t user = (uint32_t)(random_unit(&r) * 3);
        double at = random_between(&r, 0, 20000), work = random_log_normal(&r, 600, 1);
        struct workload_job *job = sim_world_add(&w, user, at, work, user == 0 ? kind : WORKLOAD_NONE);
        job->pause_ms = job->kind == WORKLOAD_NONE ? 0 : 500;
    }
    workload_sort(&w.workload);
    sim_world_run(&w);
    double mean = w.sim.users[0].turnaround_s / (double)w.sim.users[0].done;
    sim_world_release(&w);
    return mean;
}

static void who_checkpoints_is_not_served_worse(void **state)
{
    (void)state;
    double with = 0, without = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        with += turnaround_s(seed, WORKLOAD_TRANSPARENT);
        without += turnaround_s(seed, WORKLOAD_NONE);
    }
    print_message("# mean turnaround with checkpoints %.0f s, without %.0f s\n", with / 20, without / 20);
    assert_true(with <= without * 1.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_alone_is_all_goodput),
        cmocka_unit_test(own_checkpoints_cost_their_pauses),
        cmocka_unit_test(without_evictions_a_newcomer_waits),
        cmocka_unit_test(killing_costs_the_work_since_the_start),
        cmocka_unit_test(adaptive_checkpoints_what_has_much_to_lose),
        cmocka_unit_test(youngest_works_on_during_its_grace),
        cmocka_unit_test(retirement_lets_jobs_run_their_time),
        cmocka_unit_test(scr_leaves_who_is_half_done),
        cmocka_unit_test(a_resume_goes_on_where_the_checkpoint_was),
        cmocka_unit_test(a_failing_node_loses_what_is_not_committed),
        cmocka_unit_test(the_classes_add_up_and_all_work_is_done),
        cmocka_unit_test(cut_short_the_classes_and_what_is_at_risk_add_up),
        cmocka_unit_test(the_same_seed_gives_the_same_figures),
        cmocka_unit_test(lambda_zero_never_evicts),
        cmocka_unit_test(who_checkpoints_is_not_served_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
