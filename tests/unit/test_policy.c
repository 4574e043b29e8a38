/* The order of starts, on seeded random snapshots against its rules. */
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOBS = 60 };

static int compare(const void *a, const void *b)
{
    return policy_compare(a, b);
}

static void make_jobs(struct policy_job *jobs, unsigned *seed)
{
    for (int i = 0; i < JOBS; i++)
        jobs[i] = (struct policy_job){
            .id = { .cluster = 1 + rand_r(seed) % 5, .proc = i },
            .priority = rand_r(seed) % 3 - 1,
            .submitted_us = rand_r(seed) % 10,
            .cpus = 1 + rand_r(seed) % 4,
            .memory_mb = rand_r(seed) % 1000,
            .disk_kb = rand_r(seed) % 1000,
        };
    qsort(jobs, JOBS, sizeof *jobs, compare);
}

static void priority_comes_before_submission_and_submission_before_number(void **state)
{
    (void)state;
    struct policy_job early = { .id = { 2, 0 }, .submitted_us = 1 }, late = { .id = { 1, 0 }, .submitted_us = 2 };
    struct policy_job urgent = { .id = { 9, 9 }, .priority = 1, .submitted_us = 9 }, twin = { .id = { 2, 1 }, .submitted_us = 1 };
    assert_true(policy_compare(&early, &late) < 0);
    assert_true(policy_compare(&urgent, &early) < 0);
    assert_true(policy_compare(&early, &twin) < 0);
    assert_int_equal(policy_compare(&early, &early), 0);
}

static void the_order_is_total(void **state)
{
    (void)state;
    unsigned seed = 1;
    struct policy_job j[JOBS];
    make_jobs(j, &seed);
    for (int a = 0; a < JOBS; a++)
        for (int b = 0; b < JOBS; b++) {
            int ab = policy_compare(&j[a], &j[b]), ba = policy_compare(&j[b], &j[a]);
            assert_true((ab < 0) == (ba > 0));
            assert_true((a < b) == (ab < 0));
        }
}

static int fits(const struct policy_job *j, const struct policy_room *r)
{
    return j->cpus <= r->cpus && j->memory_mb <= r->memory_mb && j->disk_kb <= r->disk_kb;
}

/* Nothing is taken that does not fit, and nothing is passed over that would have. */
static void a_plan_takes_each_that_fits_in_order(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        struct policy_job jobs[JOBS];
        size_t taken[JOBS];
        make_jobs(jobs, &seed);
        struct policy_room room = { rand_r(&seed) % 16, rand_r(&seed) % 4000, rand_r(&seed) % 4000 };
        size_t n = policy_plan(jobs, JOBS, room, taken, JOBS), at = 0;
        for (size_t i = 0; i < JOBS; i++) {
            bool is_taken = at < n && taken[at] == i;
            assert_int_equal(is_taken, room.cpus > 0 && fits(&jobs[i], &room));
            if (!is_taken)
                continue;
            at++;
            room.cpus -= jobs[i].cpus;
            room.memory_mb -= jobs[i].memory_mb;
            room.disk_kb -= jobs[i].disk_kb;
        }
        assert_int_equal(at, n);
    }
}

static void the_same_snapshot_gives_the_same_plan(void **state)
{
    (void)state;
    unsigned seed = 3;
    struct policy_job jobs[JOBS];
    size_t a[JOBS], b[JOBS];
    make_jobs(jobs, &seed);
    struct policy_room room = { 8, 2000, 2000 };
    size_t n = policy_plan(jobs, JOBS, room, a, JOBS);
    assert_int_equal(policy_plan(jobs, JOBS, room, b, JOBS), n);
    assert_memory_equal(a, b, n * sizeof *a);
}

static void what_can_never_fit_is_named(void **state)
{
    (void)state;
    struct policy_room machine = { 4, 1000, 1000 };
    struct policy_job job = { .cpus = 5, .memory_mb = 1, .disk_kb = 1 };
    const char *why;
    assert_false(policy_fits_ever(&job, &machine, &why));
    assert_string_equal(why, "cpus");
    job = (struct policy_job){ .cpus = 1, .memory_mb = 1001, .disk_kb = 1 };
    assert_false(policy_fits_ever(&job, &machine, &why));
    assert_string_equal(why, "memory");
    job.memory_mb = 1000;
    assert_true(policy_fits_ever(&job, &machine, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_comes_before_submission_and_submission_before_number),
        cmocka_unit_test(the_order_is_total),
        cmocka_unit_test(a_plan_takes_each_that_fits_in_order),
        cmocka_unit_test(the_same_snapshot_gives_the_same_plan),
        cmocka_unit_test(what_can_never_fit_is_named),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
