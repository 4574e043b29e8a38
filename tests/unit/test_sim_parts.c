/* What the simulator is made of, each against something simpler: heap, store, random numbers, estimates, fairness. */
#include "sim_world.h"

#include <math.h>

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

static void the_heap_gives_the_earliest_and_of_equals_the_lowest(void **state)
{
    enum { IDS = 50, STEPS = 20000 };
    int64_t times[IDS];
    struct heap h;
    struct random r;
    (void)state;
    random_init(&r, 1, 1);
    heap_init(&h, IDS, NULL);
    for (int i = 0; i < IDS; i++)
        times[i] = HEAP_NEVER;
    for (int step = 0; step < STEPS; step++) {
        uint32_t id = (uint32_t)(random_unit(&r) * IDS), first = 0;
        times[id] = random_unit(&r) < 0.3 ? HEAP_NEVER : (int64_t)(random_unit(&r) * 20);
        heap_set(&h, id, times[id]);
        for (uint32_t i = 1; i < IDS; i++)
            if (times[i] < times[first])
                first = i;
        assert_true(heap_time(&h) == times[first]);
        if (times[first] != HEAP_NEVER && random_unit(&r) < 0.3) {
            assert_int_equal(heap_pop(&h), first);
            times[first] = HEAP_NEVER;
        }
    }
    heap_release(&h, true);
}

/* Three of 100 MB at 100 MB a second, the second a second later, the third given up. */
static void a_store_is_shared_evenly(void **state)
{
    uint32_t places[3] = { 0 }, id = 9;
    struct store s;
    (void)state;
    store_init(&s, 100e6, places);
    assert_true(store_next(&s) == HEAP_NEVER);
    store_add(&s, 0, 100000000, 0);
    assert_true(store_next(&s) == 1000000);
    store_add(&s, 1, 100000000, 500000); /* half of the first is done */
    store_add(&s, 2, 100000000, 500000);
    assert_true(store_next(&s) == 2000000); /* a third of the pace */
    store_cancel(&s, 2, 1250000);           /* 25 MB later */
    assert_true(store_next(&s) == 1750000);
    assert_false(store_take(&s, 1749999, &id));
    assert_true(store_take(&s, 1750000, &id));
    assert_int_equal(id, 0);
    assert_true(store_next(&s) == 2250000); /* the other 50 MB at full pace */
    assert_true(store_take(&s, 2250000, &id));
    assert_int_equal(id, 1);
    assert_true(s.moved_b == 300000000);
    store_release(&s);
}

static void random_numbers_have_their_means(void **state)
{
    enum { N = 200000 };
    struct random r;
    double exponential = 0, normal = 0, square = 0, gamma = 0, small = 0;
    int below = 0, above_12h = 0;
    (void)state;
    random_init(&r, 7, 0);
    for (int i = 0; i < N; i++) {
        double n = random_normal(&r), t = random_log_normal(&r, 7200, 1.398);
        exponential += random_exponential(&r, 3);
        normal += n;
        square += n * n;
        gamma += random_gamma(&r, 4.2, 0.94);
        small += random_gamma(&r, 0.5, 2);
        below += t < 7200;
        above_12h += t > 43200;
    }
    assert_near(exponential / N, 3, 0.03);
    assert_near(normal / N, 0, 0.01);
    assert_near(square / N, 1, 0.02);
    assert_near(gamma / N, 4.2 * 0.94, 0.02);
    assert_near(small / N, 1, 0.02);
    assert_near((double)below / N, 0.5, 0.005);
    assert_near((double)above_12h / N, 0.1, 0.003);
}

static void the_gamma_distribution_is_the_known_one(void **state)
{
    (void)state;
    assert_near(random_gamma_cdf(1, 1, 1), 1 - exp(-1), 1e-12);
    assert_near(random_gamma_cdf(10, 1, 2), 1 - exp(-5), 1e-12);
    assert_near(random_gamma_cdf(2, 2, 1), 1 - 3 * exp(-2), 1e-12);
    assert_near(random_gamma_cdf(9, 2, 1), 1 - 10 * exp(-9), 1e-12);
    assert_true(random_gamma_cdf(0, 2, 1) == 0);
}

static void what_remains_is_the_mean_of_those_that_got_as_old(void **state)
{
    struct estimate e = { 0 };
    (void)state;
    assert_true(estimate_remaining(&e, 0) == -1);
    for (int i = 0; i < 90; i++)
        estimate_learn(&e, 100 * 1000000);
    for (int i = 0; i < 10; i++)
        estimate_learn(&e, (int64_t)10000 * 1000000);
    assert_near((double)estimate_remaining(&e, 0) / 1e6, 1090, 1e-6);
    assert_near((double)estimate_remaining(&e, 500 * 1000000) / 1e6, 9500, 1e-6);
    assert_true(estimate_remaining(&e, (int64_t)20000 * 1000000) == (int64_t)20000 * 1000000);
}

/* At every moment targets, distance and deprivation are what a look at everything gives. */
static void fairness_is_kept_as_if_it_were_found_anew(void **state)
{
    enum { USERS = 7, STEPS = 20000 };
    const double shares[] = { 2, 1 };
    struct fair_setup setup = { .cpus = 40, .half_life_s = 3600, .overstay = 1, .epsilon = 0.05, .window_us = 60000000 };
    (void)state;
    for (int groups = 0; groups < 2; groups++) {
        struct fair f;
        struct random r;
        double deprivation = 0, targets[USERS], running[USERS];
        setup.group_shares = groups ? shares : NULL;
        setup.groups = groups ? 2 : 0;
        random_init(&r, 3, 3);
        fair_init(&f, &setup, USERS);
        for (uint32_t u = 0; u < USERS; u++)
            fair_set_user(&f, u, 1 + u % 3, groups ? u % 2 : 0);
        for (int step = 0; step < STEPS; step++) {
            uint32_t u = (uint32_t)(random_unit(&r) * USERS);
            int64_t more = random_unit(&r) < 0.5 ? 3 : -2;
            if (random_unit(&r) < 0.5 && f.users[u].wanted + more >= f.users[u].running)
                fair_change(&f, u, 0, more);
            else if (f.users[u].running + more >= 0 && f.users[u].running + more <= f.users[u].wanted)
                fair_change(&f, u, more, 0);
            if (random_unit(&r) < 0.01)
                fair_weigh(&f);
            int64_t dt_us = (int64_t)(random_unit(&r) * 2e6);
            for (uint32_t k = 0; k < USERS; k++) {
                f.shares[k].demand = (double)f.users[k].wanted;
                running[k] = (double)f.users[k].running;
            }
            share_group_targets(f.shares, USERS, setup.group_shares, setup.groups, 40, targets);
            fair_settle(&f);
            for (uint32_t k = 0; k < USERS; k++)
                assert_near(f.users[k].target, targets[k], 1e-6);
            assert_near(fair_distance(&f), share_distance(running, targets, USERS, 40), 1e-6);
            deprivation += share_deprivation(running, targets, USERS) * (double)dt_us / 1e6;
            fair_advance(&f, f.now_us + dt_us);
            assert_near(f.deprivation_s, deprivation, 1e-3);
        }
        fair_release(&f);
    }
}

static void an_episode_ends_when_it_stays_fair(void **state)
{
    struct fair_setup setup = { .cpus = 10, .half_life_s = 3600, .epsilon = 0.05, .window_us = 60000000 };
    struct fair f;
    (void)state;
    fair_init(&f, &setup, 1);
    fair_change(&f, 0, 0, 10); /* nothing runs of what could */
    fair_advance(&f, 20000000);
    fair_change(&f, 0, 10, 0);
    fair_advance(&f, 50000000);
    fair_change(&f, 0, -10, 0); /* 30 s: not a window */
    fair_advance(&f, 100000000);
    fair_change(&f, 0, 10, 0);
    fair_advance(&f, 400000000);
    assert_int_equal(f.episode_count, 1);
    assert_near(f.episodes_s[0], 100, 1e-9);
    assert_near(f.deprivation_s, 10 * (20 + 50), 1e-6);
    fair_finish(&f);
    assert_int_equal(f.episode_count, 1);
    fair_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_gives_the_earliest_and_of_equals_the_lowest),
        cmocka_unit_test(a_store_is_shared_evenly),
        cmocka_unit_test(random_numbers_have_their_means),
        cmocka_unit_test(the_gamma_distribution_is_the_known_one),
        cmocka_unit_test(what_remains_is_the_mean_of_those_that_got_as_old),
        cmocka_unit_test(fairness_is_kept_as_if_it_were_found_anew),
        cmocka_unit_test(an_episode_ends_when_it_stays_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
