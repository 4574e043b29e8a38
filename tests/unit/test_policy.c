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
        struct policy_snapshot snapshot = { .jobs = jobs, .count = JOBS, .room = room };
        size_t n = policy_plan(&snapshot, taken, JOBS), at = 0;
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
    struct policy_snapshot snapshot = { .jobs = jobs, .count = JOBS, .room = { 8, 2000, 2000 } };
    size_t n = policy_plan(&snapshot, a, JOBS);
    assert_int_equal(policy_plan(&snapshot, b, JOBS), n);
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

/* ---- limits ---- */

enum { LIMITS = 3 };

static void make_needs(struct policy_needs *needs, struct policy_job *jobs, unsigned *seed)
{
    for (int i = 0; i < JOBS; i++) {
        needs[i] = (struct policy_needs){ .count = rand_r(seed) % 3 };
        for (int k = 0; k < needs[i].count; k++)
            needs[i].needs[k] = (struct policy_need){ (i + k) % LIMITS, 1 + rand_r(seed) % 3 };
        jobs[i].needs = &needs[i];
    }
}

static int64_t use_of(const struct policy_job *jobs, const size_t *taken, size_t n, int limit)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < jobs[taken[i]].needs->count; k++)
            sum += jobs[taken[i]].needs->needs[k].limit == limit ? jobs[taken[i]].needs->needs[k].amount : 0;
    return sum;
}

/* Whatever is taken keeps to the limits, what was left out would have passed one, and the limits are as before. */
static void a_plan_keeps_to_the_limits(void **state)
{
    (void)state;
    unsigned seed = 11;
    for (int round = 0; round < 500; round++) {
        struct policy_job jobs[JOBS];
        struct policy_needs needs[JOBS];
        size_t taken[JOBS], at = 0;
        make_jobs(jobs, &seed);
        make_needs(needs, jobs, &seed);
        struct policy_limit limits[LIMITS] = { { "a", rand_r(&seed) % 8, rand_r(&seed) % 3 }, { "b", -1, 1000 }, { "c", 5, 0 } }, before[LIMITS];
        memcpy(before, limits, sizeof before);
        struct policy_snapshot snapshot = { .jobs = jobs, .count = JOBS, .room = { 1000, 1000000, 1000000 }, .limits = limits };
        size_t n = policy_plan(&snapshot, taken, JOBS);
        assert_memory_equal(before, limits, sizeof before);
        for (int l = 0; l < LIMITS; l++)
            assert_true(before[l].most < 0 || use_of(jobs, taken, n, l) == 0 || before[l].used + use_of(jobs, taken, n, l) <= before[l].most);
        for (size_t i = 0; i < JOBS; i++) {
            if (at < n && taken[at] == i) {
                at++;
                continue;
            }
            struct policy_limit then[LIMITS];
            memcpy(then, before, sizeof then);
            for (int l = 0; l < LIMITS; l++)
                then[l].used += use_of(jobs, taken, at, l);
            assert_non_null(policy_limit_in_the_way(jobs[i].needs, then, false));
        }
    }
}

static void a_limit_that_is_too_small_is_told_from_one_that_is_in_use(void **state)
{
    (void)state;
    struct policy_limit limits[] = { { "x", 3, 2 } };
    struct policy_needs two = { 1, { { 0, 2 } } }, four = { 1, { { 0, 4 } } }, one = { 1, { { 0, 1 } } };
    assert_ptr_equal(policy_limit_in_the_way(&two, limits, false), limits);
    assert_null(policy_limit_in_the_way(&two, limits, true));
    assert_ptr_equal(policy_limit_in_the_way(&four, limits, true), limits);
    assert_null(policy_limit_in_the_way(&one, limits, false));
    assert_null(policy_limit_in_the_way(NULL, limits, false));
}

static bool only_even(void *data, size_t index)
{
    ++*(int *)data;
    return index % 2 == 0;
}

static void only_conditional_jobs_that_fit_are_asked_about(void **state)
{
    (void)state;
    struct policy_job jobs[6] = { 0 };
    size_t taken[6];
    int asked = 0;
    for (int i = 0; i < 6; i++)
        jobs[i] = (struct policy_job){ .id = { 1, i }, .cpus = i == 4 ? 100 : 1, .conditional = i >= 2 };
    struct policy_snapshot snapshot = { .jobs = jobs, .count = 6, .room = { 10, 10, 10 }, .may = only_even, .data = &asked };
    assert_int_equal(policy_plan(&snapshot, taken, 6), 3);
    assert_int_equal(taken[2], 2);
    assert_int_equal(asked, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_comes_before_submission_and_submission_before_number),
        cmocka_unit_test(the_order_is_total),
        cmocka_unit_test(a_plan_takes_each_that_fits_in_order),
        cmocka_unit_test(the_same_snapshot_gives_the_same_plan),
        cmocka_unit_test(what_can_never_fit_is_named),
        cmocka_unit_test(a_plan_keeps_to_the_limits),
        cmocka_unit_test(a_limit_that_is_too_small_is_told_from_one_that_is_in_use),
        cmocka_unit_test(only_conditional_jobs_that_fit_are_asked_about),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
