/* Intervals against their definitions: the exact one against a search for the minimum, the others against it where they must
 * agree. */
#include "policy/interval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 10000, OTHERS = 8 };

static uint64_t dice(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

/* From 10^-low to 10^high. */
static double spread(uint64_t *seed, double low, double high)
{
    return pow(10, low + (high - low) * (double)dice(seed, 1000000) / 1e6);
}

/* The interval with the least expected wall time, by golden section. */
static double search(double delta, double mtbf)
{
    double low = 1e-9 * mtbf, high = 2 * mtbf, ratio = (sqrt(5) - 1) / 2;
    for (int i = 0; i < 200; i++) {
        double a = high - ratio * (high - low), b = low + ratio * (high - low);
        if (interval_expected_wall_s(1, a, delta, 0, mtbf) < interval_expected_wall_s(1, b, delta, 0, mtbf))
            high = b;
        else
            low = a;
    }
    return (low + high) / 2;
}

static void the_known_value_comes_out(void **state)
{
    (void)state;
    assert_true(fabs(interval_exact(10, 21600) - 650.6) < 0.05);
    assert_true(fabs(interval_young(10, 21600) - 657.267) < 0.001);
    assert_true(fabs(interval_daly(10, 21600) - 650.6) < 0.1);
}

static void the_exact_interval_has_the_least_expected_wall_time(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        double mtbf = spread(&seed, 1, 7), delta = mtbf * spread(&seed, -7, 1), tau = interval_exact(delta, mtbf);
        double least = interval_expected_wall_s(1, tau, delta, 0, mtbf), found = search(delta, mtbf);
        /* The minimum is flat: compare what counts. */
        if (least > interval_expected_wall_s(1, found, delta, 0, mtbf) * (1 + 1e-9) || fabs(tau - found) > 1e-2 * tau)
            fail_msg("seed %lu: delta %g, M %g: %g, searched %g", n, delta, mtbf, tau, found);
        /* It solves its equation, tau = M (1 + W0(-e^(-1 - delta/M))), to the last digits. */
        double x = tau / mtbf;
        if (fabs(log1p(-x) + x + delta / mtbf) > 1e-9 * (x + delta / mtbf) && x < 0.999)
            fail_msg("seed %lu: delta %g, M %g: %g is no root", n, delta, mtbf, tau);
    }
}

static void the_approximations_are_near_where_they_should_be(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        double mtbf = spread(&seed, 2, 7), delta = mtbf * spread(&seed, -6, -2);
        double exact = interval_exact(delta, mtbf), daly = interval_daly(delta, mtbf), young = interval_young(delta, mtbf);
        assert_true(fabs(daly - exact) < 1e-3 * exact);
        assert_true(young > exact && young < 1.1 * exact);
        double flat = interval_expected_wall_s(1, exact, delta, 0, mtbf) - 1;
        assert_true(interval_expected_wall_s(1, 2 * exact, delta, 0, mtbf) - 1 < 1.27 * flat);
        assert_true(interval_expected_wall_s(1, exact / 2, delta, 0, mtbf) - 1 < 1.27 * flat);
    }
}

static void the_ends_of_the_range_are_sound(void **state)
{
    (void)state;
    assert_true(interval_exact(0, 100) == 0 && interval_young(0, 100) == 0 && interval_daly(0, 100) == 0);
    assert_true(isinf(interval_exact(10, (double)INFINITY)) && isinf(interval_young(10, (double)INFINITY)));
    assert_true(interval_daly(300, 100) == 100);
    assert_true(interval_exact(1e6, 1) > 0.999 && interval_exact(1e6, 1) <= 1);
    assert_true(fabs(interval_expected_wall_s(100, 10, 1, 0, (double)INFINITY) - 110) < 1e-9);
    assert_true(interval_expected_wall_s(100, (double)INFINITY, 1, 0, (double)INFINITY) == 100);
    assert_true(fabs(interval_expected_wall_s(100, (double)INFINITY, 1, 0, 1e9) - 100) < 1e-3);
}

/* A simulation of the process that the formula is about. */
static void expected_wall_time_is_what_happens(void **state)
{
    (void)state;
    uint64_t seed = 3;
    double tau = 60, delta = 5, restore = 8, mtbf = 200, wall = 0;
    enum { SEGMENTS = 400000 };
    for (int done = 0; done < SEGMENTS;) {
        double end = -mtbf * log(((double)dice(&seed, 1u << 30) + 0.5) / (1u << 30)), need = tau + delta;
        for (; end >= need && done < SEGMENTS; done++) { /* memoryless: what is left of the gap goes on */
            wall += need;
            end -= need;
        }
        if (done == SEGMENTS)
            break;
        wall += end;
        for (;;) { /* restores may fail, too */
            end = -mtbf * log(((double)dice(&seed, 1u << 30) + 0.5) / (1u << 30));
            wall += end < restore ? end : restore;
            if (end >= restore)
                break;
        }
    }
    double expected = interval_expected_wall_s(SEGMENTS * tau, tau, delta, restore, mtbf);
    if (fabs(wall / expected - 1) > 0.01)
        fail_msg("took %g, expected %g", wall, expected);
}

/* ---- choosing ---- */

static const struct interval_rules rules = { .min_s = 30, .max_s = 86400, .prior_samples = 3, .prior_ends = 1 };

static void own_figures_take_over_from_the_pools(void **state)
{
    (void)state;
    struct interval_facts pool = { .pause_s = 2000,
                                   .commit_s = 1000,
                                   .checkpoints = 100,
                                   .restore_s = 50,
                                   .restores = 10,
                                   .failures = 10,
                                   .observed_s = 216000 };
    struct interval_facts job = { 0 };
    struct interval_choice c;
    interval_choose(&job, &pool, &rules, &c);
    assert_true(fabs(c.delta_s - 30) < 1e-9 && fabs(c.mtbf_s - 21600) < 1e-6 && fabs(c.restore_s - 5) < 1e-9);
    assert_int_equal(c.cost_basis, INTERVAL_PRIOR);
    assert_int_equal(c.mtbf_basis, INTERVAL_PRIOR);
    assert_true(fabs(c.tau_s - interval_exact(30, 21600)) < 1e-6);
    job = (struct interval_facts){ .pause_s = 3, .checkpoints = 3, .failures = 9, .observed_s = 9 * 3600 };
    interval_choose(&job, &pool, &rules, &c);
    assert_true(fabs(c.delta_s - (3 + 3 * 30) / 6.0) < 1e-9);
    assert_true(fabs(c.mtbf_s - (9 * 3600 + 21600) / 10.0) < 1e-6);
    assert_int_equal(c.cost_basis, INTERVAL_MEASURED);
    assert_int_equal(c.mtbf_basis, INTERVAL_MEASURED);
    job.checkpoints = 3e6;
    job.pause_s = 3e6;
    interval_choose(&job, &pool, &rules, &c);
    assert_true(fabs(c.delta_s - 1) < 1e-3);
}

static void nothing_measured_is_a_guess_and_long_peace_stretches_it(void **state)
{
    (void)state;
    struct interval_facts none = { 0 }, job = { .observed_s = 30 * 86400.0 };
    struct interval_choice c, later;
    interval_choose(&none, &none, &rules, &c);
    assert_int_equal(c.cost_basis, INTERVAL_GUESSED);
    assert_int_equal(c.mtbf_basis, INTERVAL_GUESSED);
    assert_true(c.mtbf_s == 86400 && c.delta_s == 10);
    interval_choose(&job, &none, &rules, &later);
    assert_true(later.mtbf_s > 30 * c.mtbf_s && later.tau_s > 5 * c.tau_s);
}

static void evictions_that_saved_their_state_are_not_failures(void **state)
{
    (void)state;
    struct interval_facts none = { 0 };
    struct interval_facts saved = { .evictions = 20, .saved = 20, .observed_s = 86400 };
    struct interval_facts unsaved = { .evictions = 20, .saved = 5, .observed_s = 86400 };
    struct interval_facts failed = { .failures = 15, .observed_s = 86400 };
    struct interval_choice a, b, c;
    interval_choose(&saved, &none, &rules, &a);
    interval_choose(&unsaved, &none, &rules, &b);
    interval_choose(&failed, &none, &rules, &c);
    assert_true(a.mtbf_s > 10 * b.mtbf_s);
    assert_true(b.mtbf_s == c.mtbf_s);
}

static void limits_hold_and_are_named(void **state)
{
    (void)state;
    struct interval_facts none = { 0 }, cheap = { .checkpoints = 1000, .pause_s = 0.001, .failures = 100, .observed_s = 3600 };
    struct interval_facts dear = { .checkpoints = 10, .pause_s = 1e6, .observed_s = 1e9 };
    struct interval_rules no_prior = { .min_s = 30, .max_s = 86400 };
    struct interval_choice c;
    interval_choose(&cheap, &none, &no_prior, &c);
    assert_true(c.tau_s == 30 && c.bound == INTERVAL_AT_MIN);
    interval_choose(&dear, &none, &no_prior, &c);
    assert_true(c.tau_s == 86400 && c.bound == INTERVAL_AT_MAX);
    interval_choose(&none, &none, &no_prior, &c);
    assert_true(c.bound == INTERVAL_FREE && c.overhead > 0 && c.overhead < 0.1);
}

/* ---- stagger ---- */

static int64_t overlap(const struct interval_planned *others, size_t count, int64_t at, int64_t takes)
{
    int64_t sum = 0;
    for (int64_t t = at; t < at + takes; t++)
        for (size_t i = 0; i < count; i++)
            sum += t >= others[i].at_us && t < others[i].at_us + others[i].takes_us;
    return sum;
}

static void staggered_checkpoints_overlap_least(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        uint64_t seed = n;
        struct interval_planned others[OTHERS];
        size_t count = dice(&seed, OTHERS + 1);
        int64_t last = (int64_t)dice(&seed, 20), tau = 1 + (int64_t)dice(&seed, 30), takes = 1 + (int64_t)dice(&seed, 12);
        int64_t now = last + (int64_t)dice(&seed, 30), low = last + tau / 2, high = last + 2 * tau, best = INT64_MAX, off = 0;
        for (size_t i = 0; i < count; i++)
            others[i] = (struct interval_planned){ (int64_t)dice(&seed, 100), 1 + (int64_t)dice(&seed, 12) };
        int64_t at = interval_stagger(others, count, last, tau, takes, now);
        if (now >= high) {
            assert_true(at == now);
            continue;
        }
        low = low > now ? low : now;
        int64_t wanted = last + tau > low ? last + tau : low;
        for (int64_t t = low; t <= high; t++) {
            int64_t o = overlap(others, count, t, takes), d = t > wanted ? t - wanted : wanted - t;
            if (o < best || (o == best && d < off)) {
                best = o;
                off = d;
            }
        }
        int64_t mine = at > wanted ? at - wanted : wanted - at;
        if (at < low || at > high || overlap(others, count, at, takes) != best || mine != off)
            fail_msg("seed %lu: at %ld in %ld..%ld overlaps %ld, best %ld at a distance of %ld", n, (long)at, (long)low,
                     (long)high, (long)overlap(others, count, at, takes), (long)best, (long)off);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_value_comes_out),
        cmocka_unit_test(the_exact_interval_has_the_least_expected_wall_time),
        cmocka_unit_test(the_approximations_are_near_where_they_should_be),
        cmocka_unit_test(the_ends_of_the_range_are_sound),
        cmocka_unit_test(expected_wall_time_is_what_happens),
        cmocka_unit_test(own_figures_take_over_from_the_pools),
        cmocka_unit_test(nothing_measured_is_a_guess_and_long_peace_stretches_it),
        cmocka_unit_test(evictions_that_saved_their_state_are_not_failures),
        cmocka_unit_test(limits_hold_and_are_named),
        cmocka_unit_test(staggered_checkpoints_overlap_least),
    };
    return cmocka_run_group_tests_name("policy_interval", tests, NULL, NULL);
}
