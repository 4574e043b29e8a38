/*
 * The plan against brute force: every set of running jobs is tried, with costs that are computed here from docs/policy.md's
 * table, and no set that keeps the rules may be cheaper than the plan's.
 */
#include "policy_snapshot.h"

enum { ROUNDS = 60000, CANDIDATES = 9 };
#define ANYBODY UINT32_MAX

static double positive_s(int64_t us)
{
    return us > 0 ? (double)us / 1e6 : 0;
}

/* Cheapest of the four ways, for lambda below infinity. */
static double cost_of(const struct plan_job *job, double lambda)
{
    double c = job->cpus, risk = job->at_risk_since_us >= 0 ? positive_s(SNAP_NOW - job->at_risk_since_us) : 0;
    double restore = positive_s(job->restore_us), pause = positive_s(job->pause_us), commit = positive_s(job->commit_us);
    double guess = job->end_rate > 0 ? 1 / job->end_rate : positive_s(SNAP_NOW - job->started_us);
    double remaining = job->ends_us >= 0 ? positive_s(job->ends_us - SNAP_NOW) : guess;
    double best = lambda * remaining * c, other;
    if (job->ways & 1u << PLAN_WAY_KILL && (other = c * (risk + restore + lambda * positive_s(job->grace_us))) < best)
        best = other;
    if (job->ways & 1u << PLAN_WAY_CHECKPOINT &&
        (other = c * (pause + restore + (1 - (double)job->success) * risk + lambda * (pause + commit))) < best)
        best = other;
    if (job->ways & 1u << PLAN_WAY_OWN && job->next_own_us >= 0 &&
        (other = c * (restore + lambda * positive_s(job->next_own_us - SNAP_NOW))) < best)
        best = other;
    return best;
}

static bool may_go(const struct snap *snap, const struct plan_job *job)
{
    return job->state == PLAN_RUNNING && job->may_be_evicted && job->started_us < SNAP_NOW &&
           SNAP_NOW - job->started_us >= snap->s.rules.minimum_run_us;
}

static int64_t running_of(const struct snap *snap, size_t user)
{
    int64_t cpus = 0;
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].user == user && snap->jobs[i].state == PLAN_RUNNING)
            cpus += snap->jobs[i].cpus;
    return cpus;
}

static double order_of(int64_t running, double weight)
{
    return weight > 0 ? ((double)running + 0.5) / weight : (double)INFINITY;
}

/* Whether the users stay at target without the jobs of the mask, and after the one who gets the room. */
static bool targets_allow(const struct snap *snap, const int64_t *whole, unsigned mask, uint32_t for_user)
{
    int64_t has = for_user != ANYBODY ? running_of(snap, for_user) + snap->started[for_user] : 0;
    double next = for_user != ANYBODY ? order_of(has, snap->users[for_user].weight) : -1;
    for (size_t u = 0; u < snap->s.user_count; u++) {
        int64_t left = running_of(snap, u) + snap->started[u];
        bool loses = false;
        for (size_t i = 0; i < snap->s.job_count; i++)
            if (mask & 1u << i && snap->jobs[i].user == u) {
                left -= snap->jobs[i].cpus;
                loses = true;
            }
        double after = order_of(left, snap->users[u].weight);
        if (loses && (left < whole[u] || after < next || (!(after > next) && left <= has)))
            return false;
    }
    return true;
}

static bool makes_room(const struct snap *snap, uint32_t node, unsigned mask, const struct plan_job *job)
{
    const struct plan_node *n = &snap->nodes[node];
    int64_t cpus = n->cpus, memory = n->memory_mb, disk = n->disk_kb;
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *other = &snap->jobs[i];
        if (other->state == PLAN_IDLE || other->node != node || mask & 1u << i)
            continue;
        cpus -= other->cpus;
        memory -= other->memory_mb;
        disk -= other->disk_kb;
    }
    return cpus >= job->cpus && memory >= job->memory_mb && disk >= job->disk_kb;
}

/* The least cost of a set on one node that makes room for the job. */
static double cheapest_set(const struct snap *snap, const int64_t *whole, const struct plan_job *job)
{
    double best = (double)INFINITY;
    for (unsigned mask = 1; mask < 1u << snap->s.job_count; mask++) {
        double cost = 0;
        uint32_t node = PLAN_CPUS_MAX;
        bool good = true;
        for (size_t i = 0; i < snap->s.job_count && good; i++) {
            const struct plan_job *victim = &snap->jobs[i];
            if (!(mask & 1u << i))
                continue;
            good = may_go(snap, victim) && (node == PLAN_CPUS_MAX || victim->node == node);
            node = victim->node;
            cost += cost_of(victim, snap->s.rules.lambda);
        }
        if (good && cost < best && makes_room(snap, node, mask, job) && targets_allow(snap, whole, mask, job->user))
            best = cost;
    }
    return best;
}

/* The cost of waiting for any of those that would do alone to end by itself. */
static double turnover_cost(const struct snap *snap, const int64_t *whole, const struct plan_job *job)
{
    double rate = 0;
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *other = &snap->jobs[i];
        double age = positive_s(SNAP_NOW - other->started_us), r = other->end_rate > 0 ? other->end_rate : 1 / age;
        if (other->state != PLAN_RUNNING || age <= 0 || other->ends_us >= 0)
            continue;
        if (makes_room(snap, other->node, 1u << i, job) && targets_allow(snap, whole, 1u << i, job->user))
            rate += r < 1 ? r : 1;
    }
    return rate > 0 && !snap->s.rules.no_turnover ? snap->s.rules.lambda * job->cpus / rate : (double)INFINITY;
}

/* All idle jobs but one go, and running ones beyond what can be tried; index of the idle one, or SIZE_MAX. */
static size_t keep_one_idle(struct snap *snap)
{
    size_t n = 0, idle = SIZE_MAX;
    for (size_t i = 0; i < snap->s.job_count; i++) {
        bool is_idle = snap->jobs[i].state == PLAN_IDLE;
        if (snap->jobs[i].state == PLAN_LEAVING || (is_idle && idle != SIZE_MAX) || (!is_idle && n >= CANDIDATES))
            continue;
        if (is_idle)
            idle = n;
        snap->jobs[n++] = snap->jobs[i];
    }
    snap->s.job_count = n;
    if (idle != SIZE_MAX && !snap_chance(snap, 20)) /* who has least is owed something most often */
        snap->jobs[idle].user = (uint32_t)snap->s.user_count - 1;
    return idle;
}

/* There are hardly more cpus than are in use. */
static void tighten(struct snap *snap)
{
    for (uint32_t node = 0; node < snap->s.node_count; node++) {
        int used = 0;
        for (size_t i = 0; i < snap->s.job_count; i++)
            if (snap->jobs[i].state != PLAN_IDLE && snap->jobs[i].node == node)
                used += snap->jobs[i].cpus;
        snap->nodes[node].cpus = used + (int)snap_dice(snap, 2);
    }
}

static double cost_of_plan(const struct plan *plan)
{
    double cost = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == PLAN_EVICT || plan->actions[i].kind == PLAN_WAIT)
            cost += plan->actions[i].ways[plan->actions[i].way].cost_s;
    return cost;
}

static bool is_close(double a, double b)
{
    return fabs(a - b) <= 1e-6 * (1 + fabs(a));
}

static void no_member_is_superfluous(const struct snap *snap, const struct plan *plan, size_t idle, uint64_t seed)
{
    unsigned chosen = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == PLAN_EVICT || plan->actions[i].kind == PLAN_WAIT)
            chosen |= 1u << plan->actions[i].job;
    for (unsigned i = 0; i < snap->s.job_count; i++)
        if (chosen & 1u << i && makes_room(snap, snap->jobs[i].node, chosen & ~(1u << i), &snap->jobs[idle]))
            fail_msg("seed %lu: job %u need not go", seed, i);
}

/* What brute force says about the only idle job. Returns what it came to. */
static enum plan_reason check_one(const struct snap *snap, const struct plan *plan, size_t idle, uint64_t seed)
{
    const struct plan_job *job = &snap->jobs[idle];
    int64_t lacking = plan->whole[job->user] - running_of(snap, job->user);
    double set = cheapest_set(snap, plan->whole, job), turnover = turnover_cost(snap, plan->whole, job);
    enum plan_reason reason = plan->reasons[idle];
    if (reason == PLAN_STARTS || reason == PLAN_TOO_LARGE)
        return reason;
    if ((reason == PLAN_BEHIND) != (job->cpus > 2 * lacking))
        fail_msg("seed %lu: reason %u with %ld lacking", seed, reason, (long)lacking);
    if (reason == PLAN_BEHIND)
        return reason;
    if (reason == PLAN_NO_ROOM && !(isinf(set) && isinf(turnover)))
        fail_msg("seed %lu: nothing is done where a set costs %g, waiting %g", seed, set, turnover);
    if (reason == PLAN_WAITS_TURNOVER && !(turnover <= set * (1 + 1e-6)))
        fail_msg("seed %lu: waits for %g where a set costs %g", seed, turnover, set);
    if (reason == PLAN_WAITS_LEAVING || reason == PLAN_WAITS_JOB) {
        if (!is_close(cost_of_plan(plan), set) || !(set <= turnover * (1 + 1e-6)))
            fail_msg("seed %lu: plan costs %g, the best set %g, waiting %g", seed, cost_of_plan(plan), set, turnover);
    }
    return reason;
}

static void the_cheapest_set_for_one_job_is_chosen(void **state)
{
    (void)state;
    static const struct snap_range ranges[] = {
        { .users = 3, .nodes = 2, .jobs = 24, .node_cpus = 6, .job_cpus = 4, .weights = true, .lambda = 1 },
        { .users = 3, .nodes = 3, .jobs = 24, .node_cpus = 5, .job_cpus = 3, .sizes = true, .lambda = 0.3 },
        { .users = 2, .nodes = 1, .jobs = 24, .node_cpus = 12, .job_cpus = 4, .sizes = true, .weights = true, .lambda = 5 },
    };
    struct snap snap;
    struct plan plan = { 0 };
    int reasons[PLAN_WAITS_ROOM + 1] = { 0 }, several = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        snap_draw(&snap, seed, &ranges[seed % (sizeof ranges / sizeof ranges[0])]);
        snap.s.rules.reserve_after_us = 0;
        snap.s.rules.no_turnover = seed % 4 < 2;
        for (size_t i = 0; i < snap.s.job_count && seed % 4 == 2; i++)
            snap.jobs[i].ends_us = -1;
        for (size_t i = 0; i < snap.s.job_count && seed % 4 == 1; i++)
            if (snap_chance(&snap, 50)) { /* to kill it costs nothing */
                snap.jobs[i].at_risk_since_us = -1;
                snap.jobs[i].restore_us = snap.jobs[i].grace_us = 0;
            }
        size_t idle = keep_one_idle(&snap);
        if (idle == SIZE_MAX)
            continue;
        if (!snap_chance(&snap, 20))
            tighten(&snap);
        snap_plan(&snap, &plan);
        reasons[check_one(&snap, &plan, idle, seed)]++;
        no_member_is_superfluous(&snap, &plan, idle, seed);
        several += plan.count > 1 && plan.actions[1].kind == PLAN_EVICT && snap.jobs[idle].cpus > 1;
    }
    plan_release(&plan);
    assert_true(reasons[PLAN_NO_ROOM] > 100 && reasons[PLAN_WAITS_TURNOVER] > 50);
    assert_true(several > 30);
    assert_true(reasons[PLAN_WAITS_LEAVING] > 100 && reasons[PLAN_WAITS_JOB] > 100);
}

/* ---- many jobs of one cpu ---- */

static double cheapest_of(const struct snap *snap, const int64_t *whole, int count)
{
    double best = (double)INFINITY;
    for (unsigned mask = 0; mask < 1u << snap->s.job_count; mask++) {
        double cost = 0;
        bool good = __builtin_popcount(mask) == count;
        for (size_t i = 0; i < snap->s.job_count && good; i++) {
            good = !(mask & 1u << i) || may_go(snap, &snap->jobs[i]);
            cost += mask & 1u << i ? cost_of(&snap->jobs[i], snap->s.rules.lambda) : 0;
        }
        if (good && cost < best && targets_allow(snap, whole, mask, ANYBODY)) /* the order follows from the targets */
            best = cost;
    }
    return best;
}

/* Whether a job that was not chosen could be evicted for the user. */
static bool one_more(const struct snap *snap, const int64_t *whole, unsigned chosen, uint32_t user)
{
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (!(chosen & 1u << i) && may_go(snap, &snap->jobs[i]) && targets_allow(snap, whole, chosen | 1u << i, user))
            return true;
    return false;
}

static void the_cheapest_victims_for_many_small_jobs_are_chosen(void **state)
{
    (void)state;
    static const struct snap_range range = {
        .users = 4, .nodes = 3, .jobs = CANDIDATES + 2, .node_cpus = 4, .job_cpus = 1, .weights = true, .lambda = 0.5
    };
    struct snap snap;
    struct plan plan = { 0 };
    int several = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        snap_draw(&snap, seed, &range);
        snap.s.rules = (struct plan_rules){ .lambda = 0.5, .minimum_run_us = snap.s.rules.minimum_run_us, .no_turnover = true };
        for (size_t i = 0; i < snap.s.job_count; i++)
            if (snap.jobs[i].state == PLAN_LEAVING)
                snap.jobs[i].state = PLAN_RUNNING;
        snap_plan(&snap, &plan);
        unsigned chosen = 0;
        for (size_t i = 0; i < plan.count; i++) {
            const struct plan_action *action = &plan.actions[i];
            if (action->kind == PLAN_START)
                snap.started[snap.jobs[action->job].user]++;
            else if (action->kind != PLAN_CHECKPOINT)
                chosen |= 1u << action->job;
        }
        int freed = __builtin_popcount(chosen);
        if (!is_close(cost_of_plan(&plan), cheapest_of(&snap, plan.whole, freed)))
            fail_msg("seed %lu: %d victims cost %g, the best %g", seed, freed, cost_of_plan(&plan),
                     cheapest_of(&snap, plan.whole, freed));
        for (size_t i = 0; i < snap.s.job_count; i++)
            snap.started[snap.jobs[i].user] += plan.reasons[i] == PLAN_WAITS_LEAVING || plan.reasons[i] == PLAN_WAITS_JOB;
        for (size_t i = 0; i < snap.s.job_count; i++)
            if (plan.reasons[i] == PLAN_NO_ROOM && one_more(&snap, plan.whole, chosen, snap.jobs[i].user))
                fail_msg("seed %lu: job %zu is refused where one more victim could be had", seed, i);
        several += freed > 1;
    }
    plan_release(&plan);
    assert_true(several > 100);
}

/* ---- too many for all sets ---- */

/* A job of 8 cpus; three jobs of one cpu at 1 s, and thirty of 6 cpus at 10 s a cpu. By price the three small ones come first,
 * but with a large one two of them are enough. */
static void the_small_and_cheap_are_left_alone_where_a_large_one_must_go(void **state)
{
    (void)state;
    enum { SMALL = 3, LARGE = 30 };
    struct snap snap = { 0 };
    struct plan plan = { 0 };
    snap.s = (struct plan_snapshot){ .now_us = SNAP_NOW,
                                     .user_count = 2,
                                     .node_count = 1,
                                     .job_count = SMALL + LARGE + 2,
                                     .rules = { .lambda = 1, .no_turnover = true } };
    snap.nodes[0] = (struct plan_node){ .cpus = SMALL + 6 * LARGE };
    snap.users[0].weight = snap.users[1].weight = 1;
    for (int i = 0; i < SMALL + LARGE + 2; i++) {
        bool runs = i < SMALL + LARGE;
        snap.jobs[i] = (struct plan_job){ .id = { 1, i },
                                          .user = !runs,
                                          .cpus = i < SMALL ? 1 : 6,
                                          .may_be_evicted = true,
                                          .state = runs ? PLAN_RUNNING : PLAN_IDLE,
                                          .ways = 1u << PLAN_WAY_KILL,
                                          .started_us = SNAP_NOW - HOUR,
                                          .at_risk_since_us = SNAP_NOW - (i < SMALL ? 1 : 10) * SECOND,
                                          .ends_us = -1,
                                          .next_own_us = -1,
                                          .due_us = -1 };
        if (!runs)
            snap.jobs[i].cpus = 8;
    }
    snap_wire(&snap);
    snap_plan(&snap, &plan);
    int freed = 0;
    double cost = 0;
    for (size_t i = 0; i < plan.count && plan.actions[i].for_job == SMALL + LARGE; i++) {
        freed += snap.jobs[plan.actions[i].job].cpus;
        cost += plan.actions[i].ways[plan.actions[i].way].cost_s;
    }
    assert_int_equal(freed, 8);
    assert_true(is_close(cost, 62));
    plan_release(&plan);
}

/* ---- turnover ---- */

/* Ten jobs that end at 0.01 a second together, five of them owed to user 1; to kill one costs 150 cpu-seconds. The first job
 * that waits waits for 100 s, the second would wait for 200. */
static void each_job_that_counts_on_turnover_waits_longer(void **state)
{
    (void)state;
    static const struct {
        double lambda;
        int waits;
    } expected[] = { { 0.29, 5 }, { 0.49, 3 }, { 0.6, 2 }, { 1, 1 }, { 1.4, 1 }, { 1.6, 0 } };
    struct snap snap = { 0 };
    struct plan plan = { 0 };
    snap.s = (struct plan_snapshot){ .now_us = SNAP_NOW, .user_count = 2, .node_count = 1, .job_count = 20 };
    snap.nodes[0] = (struct plan_node){ .cpus = 10 };
    snap.users[0].weight = snap.users[1].weight = 1;
    for (int i = 0; i < 20; i++)
        snap.jobs[i] = (struct plan_job){ .id = { 1, i },
                                          .user = i >= 10,
                                          .cpus = 1,
                                          .state = i < 10 ? PLAN_RUNNING : PLAN_IDLE,
                                          .may_be_evicted = true,
                                          .ways = 1u << PLAN_WAY_KILL,
                                          .started_us = SNAP_NOW - 1000 * SECOND,
                                          .at_risk_since_us = SNAP_NOW - 150 * SECOND,
                                          .ends_us = -1,
                                          .next_own_us = -1,
                                          .due_us = -1 };
    snap_wire(&snap);
    for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++) {
        int waits = 0;
        snap.s.rules.lambda = expected[k].lambda;
        snap_plan(&snap, &plan);
        for (int i = 10; i < 20; i++)
            waits += plan.reasons[i] == PLAN_WAITS_TURNOVER;
        assert_int_equal(waits, expected[k].waits);
        assert_int_equal(plan.count, 5 - expected[k].waits);
    }
    plan_release(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_set_for_one_job_is_chosen),
        cmocka_unit_test(the_cheapest_victims_for_many_small_jobs_are_chosen),
        cmocka_unit_test(the_small_and_cheap_are_left_alone_where_a_large_one_must_go),
        cmocka_unit_test(each_job_that_counts_on_turnover_waits_longer),
    };
    return cmocka_run_group_tests_name("policy_brute", tests, NULL, NULL);
}
