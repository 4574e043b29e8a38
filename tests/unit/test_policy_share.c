/* Targets against the definition of max-min fairness and against a level found by bisection; usage against its integral. */
#include "policy/share.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 10000, USERS = 12, GROUPS = 4 };
#define HALF_LIFE_S 86400.0
#define SECOND INT64_C(1000000)

static uint64_t dice(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

static size_t draw(uint64_t *seed, struct share_user *users, double *cpus)
{
    size_t count = 1 + dice(seed, USERS);
    for (size_t i = 0; i < count; i++)
        users[i] = (struct share_user){
            .weight = dice(seed, 5) == 0 ? 0 : (double)(1 + dice(seed, 1000)) / 100,
            .demand = dice(seed, 6) == 0 ? 0 : (double)dice(seed, 2000) / 10,
            .group = dice(seed, GROUPS),
        };
    *cpus = (double)dice(seed, 5000) / 10;
    return count;
}

static double sum_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* sum of min(demand, level * weight) */
static double poured(const struct share_user *users, size_t count, double level)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += least(users[i].demand, level * users[i].weight);
    return sum;
}

static void targets_are_the_level_that_bisection_finds(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        struct share_user users[USERS];
        double targets[USERS], cpus, low = 0, high = 1e9;
        size_t count = draw(&seed, users, &cpus);
        share_targets(users, count, cpus, targets);
        for (int i = 0; i < 200; i++)
            *(poured(users, count, (low + high) / 2) < cpus ? &low : &high) = (low + high) / 2;
        for (size_t i = 0; i < count; i++)
            if (users[i].weight > 0 && fabs(targets[i] - least(users[i].demand, high * users[i].weight)) > 1e-6)
                fail_msg("seed %lu: user %zu gets %g, not %g", n, i, targets[i],
                         least(users[i].demand, high * users[i].weight));
    }
}

static void targets_add_up_and_weights_of_zero_get_the_rest(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        struct share_user users[USERS];
        double targets[USERS], cpus, demand = 0;
        size_t count = draw(&seed, users, &cpus);
        bool hungry = false, rest = false;
        share_targets(users, count, cpus, targets);
        for (size_t i = 0; i < count; i++) {
            demand += users[i].demand;
            assert_true(targets[i] >= 0 && targets[i] <= users[i].demand + 1e-9);
            hungry |= users[i].weight > 0 && targets[i] < users[i].demand - 1e-6;
            rest |= users[i].weight <= 0 && targets[i] > 1e-6;
        }
        if (fabs(sum_of(targets, count) - least(cpus, demand)) > 1e-6)
            fail_msg("seed %lu: %g of %g cpus are given", n, sum_of(targets, count), least(cpus, demand));
        if (hungry && rest)
            fail_msg("seed %lu: a weight of zero is served before others have enough", n);
    }
}

/* Groups are users whose demand is their users' sum, and within a group what holds for users holds. */
static void groups_divide_first_and_their_users_within(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        struct share_user users[USERS], groups[GROUPS] = { 0 };
        double targets[USERS], group_targets[GROUPS], within[GROUPS] = { 0 }, cpus, shares[GROUPS];
        size_t count = draw(&seed, users, &cpus);
        for (size_t g = 0; g < GROUPS; g++)
            groups[g].weight = shares[g] = g == 0 ? 1 : (double)dice(&seed, 4);
        for (size_t i = 0; i < count; i++)
            groups[users[i].group].demand += users[i].demand;
        share_group_targets(users, count, shares, GROUPS, cpus, targets);
        share_targets(groups, GROUPS, cpus, group_targets);
        for (size_t i = 0; i < count; i++)
            within[users[i].group] += targets[i];
        for (size_t g = 0; g < GROUPS; g++)
            if (fabs(within[g] - group_targets[g]) > 1e-6)
                fail_msg("seed %lu: group %zu gets %g, not %g", n, g, within[g], group_targets[g]);
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < count; k++)
                if (users[i].group == users[k].group && users[i].weight > 0 && users[k].weight > 0 &&
                    targets[i] < users[i].demand - 1e-6 && targets[k] / users[k].weight > targets[i] / users[i].weight + 1e-6)
                    fail_msg("seed %lu: user %zu has more for its weight than user %zu, who wants more", n, k, i);
    }
}

static void rounded_targets_keep_their_sum_and_change_late(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        struct share_user users[USERS];
        double targets[USERS], cpus, demand = 0;
        int64_t running[USERS], whole[USERS], sum = 0;
        size_t count = draw(&seed, users, &cpus);
        cpus = floor(cpus);
        for (size_t i = 0; i < count; i++) {
            users[i].demand = floor(users[i].demand);
            demand += users[i].demand;
            running[i] = (int64_t)dice(&seed, 100);
        }
        share_targets(users, count, cpus, targets);
        share_round(targets, running, count, whole);
        for (size_t i = 0; i < count; i++) {
            sum += whole[i];
            assert_true((double)whole[i] > targets[i] - 1 && (double)whole[i] < targets[i] + 1);
        }
        if (sum != (int64_t)least(cpus, demand))
            fail_msg("seed %lu: %ld cpus of %g", n, (long)sum, least(cpus, demand));
        /* Who has what it should have keeps it until another is owed half a cpu more. */
        for (size_t i = 0; i < count; i++) {
            double down = floor(targets[i] + 1e-6), other;
            if ((double)whole[i] > down || running[i] <= whole[i] || targets[i] - down < 1e-6)
                continue;
            for (size_t k = 0; k < count; k++) {
                other = floor(targets[k] + 1e-6);
                if ((double)whole[k] > other && (double)running[k] <= other &&
                    targets[k] - other < targets[i] - down + 0.5 - 1e-9)
                    fail_msg("seed %lu: user %zu loses to user %zu", n, i, k);
            }
        }
    }
}

static void what_a_group_does_not_want_flows_over(void **state)
{
    (void)state;
    struct share_user users[] = { { 1, 2, 0 }, { 1, 100, 1 }, { 3, 100, 1 } };
    double shares[] = { 1, 1 }, targets[3];
    share_group_targets(users, 3, shares, 2, 20, targets);
    assert_true(fabs(targets[0] - 2) < 1e-9 && fabs(targets[1] - 4.5) < 1e-9 && fabs(targets[2] - 13.5) < 1e-9);
}

/* ---- usage ---- */

static void usage_halves_in_a_half_life(void **state)
{
    (void)state;
    assert_true(fabs(usage_decay(100, 86400 * SECOND, HALF_LIFE_S) - 50) < 1e-9);
    assert_true(fabs(usage_decay(100, 3 * 86400 * SECOND, HALF_LIFE_S) - 12.5) < 1e-9);
    assert_true(usage_decay(100, 86400 * SECOND, 0) == 100);
    assert_true(usage_decay(100, -SECOND, HALF_LIFE_S) == 100);
    assert_true(fabs(usage_after(7, 3, 10 * SECOND, 0) - 37) < 1e-9);
}

static void usage_does_not_depend_on_how_time_is_cut(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < ROUNDS; round++) {
        double start = (double)dice(&seed, 100000), cpus = (double)dice(&seed, 100), pieces = start;
        int64_t length = 1 + (int64_t)dice(&seed, 400000) * SECOND, done = 0;
        while (done < length) {
            int64_t step = 1 + (int64_t)dice(&seed, (uint64_t)length);
            step = step < length - done ? step : length - done;
            pieces = usage_after(pieces, cpus, step, HALF_LIFE_S);
            done += step;
        }
        double whole = usage_after(start, cpus, length, HALF_LIFE_S);
        if (fabs(whole - pieces) > 1e-6 * (1 + whole))
            fail_msg("round %d: %g in one piece, %g in several", round, whole, pieces);
    }
}

/* Against a sum over seconds. */
static void usage_is_the_decayed_integral(void **state)
{
    (void)state;
    double sum = 1000;
    for (int i = 0; i < 7200; i++)
        sum = usage_decay(sum, SECOND, 3600) + 4 * usage_decay(1, SECOND / 2, 3600);
    assert_true(fabs(usage_after(1000, 4, 7200 * SECOND, 3600) - sum) < 1e-3);
}

static void priority_is_the_cpus_that_would_lead_to_the_usage(void **state)
{
    (void)state;
    double usage = usage_after(0, 8, 100 * 86400 * SECOND, HALF_LIFE_S);
    assert_true(fabs(share_effective_priority(usage, HALF_LIFE_S, 1) - 8) < 1e-6);
    assert_true(fabs(share_effective_priority(usage, HALF_LIFE_S, 1000) - 8000) < 1e-3);
    assert_true(share_effective_priority(0, HALF_LIFE_S, 10) == 5);
    assert_true(fabs(share_weight(usage, HALF_LIFE_S, 2) - 1.0 / 16) < 1e-9);
}

static void who_holds_what_others_are_owed_is_charged_more(void **state)
{
    (void)state;
    assert_true(usage_charged_cpus(6, 4, 0, false, 1) == 6);
    assert_true(usage_charged_cpus(6, 4, 0, true, 1) == 8);
    assert_true(usage_charged_cpus(4, 6, 0, true, 1) == 4);
    assert_true(usage_charged_cpus(6, 6, 2, true, 1) == 2); /* work that is done again for others' sake is credited */
    assert_true(usage_charged_cpus(1, 6, 2, true, 1) == 0);
}

/* ---- distance ---- */

static void distance_and_deprivation_are_what_is_defined(void **state)
{
    (void)state;
    double running[] = { 8, 0, 2 }, targets[] = { 4, 4, 2 };
    assert_true(fabs(share_distance(running, targets, 3, 10) - 0.4) < 1e-12);
    assert_true(fabs(share_deprivation(running, targets, 3) - 4) < 1e-12);
    assert_true(share_distance(running, targets, 3, 0) == 0);
}

static void time_to_fair_share_is_the_first_moment_that_holds(void **state)
{
    (void)state;
    struct share_watch watch = { .epsilon = 0.05, .window_us = 60, .changed_us = -1 };
    int64_t took = 0;
    assert_false(share_watch_note(&watch, 0, 0, &took));
    share_watch_change(&watch, 100);
    assert_false(share_watch_note(&watch, 100, 0.5, &took));
    assert_false(share_watch_note(&watch, 130, 0.05, &took)); /* fair, but not for long */
    assert_false(share_watch_note(&watch, 180, 0.2, &took));
    assert_false(share_watch_note(&watch, 200, 0.01, &took));
    assert_false(share_watch_note(&watch, 259, 0.01, &took));
    assert_true(share_watch_note(&watch, 400, 0.9, &took)); /* it was fair up to now */
    assert_int_equal(took, 100);
    assert_false(share_watch_note(&watch, 500, 0, &took));
    share_watch_change(&watch, 1000);
    assert_false(share_watch_note(&watch, 1000, 0, &took));
    assert_true(share_watch_note(&watch, 1060, 0, &took));
    assert_int_equal(took, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_the_level_that_bisection_finds),
        cmocka_unit_test(targets_add_up_and_weights_of_zero_get_the_rest),
        cmocka_unit_test(groups_divide_first_and_their_users_within),
        cmocka_unit_test(rounded_targets_keep_their_sum_and_change_late),
        cmocka_unit_test(what_a_group_does_not_want_flows_over),
        cmocka_unit_test(usage_halves_in_a_half_life),
        cmocka_unit_test(usage_does_not_depend_on_how_time_is_cut),
        cmocka_unit_test(usage_is_the_decayed_integral),
        cmocka_unit_test(priority_is_the_cpus_that_would_lead_to_the_usage),
        cmocka_unit_test(who_holds_what_others_are_owed_is_charged_more),
        cmocka_unit_test(distance_and_deprivation_are_what_is_defined),
        cmocka_unit_test(time_to_fair_share_is_the_first_moment_that_holds),
    };
    return cmocka_run_group_tests_name("policy_share", tests, NULL, NULL);
}
