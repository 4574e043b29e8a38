/*
 * The plan against brute force: every set of running jobs is tried, with costs that are computed here from docs/policy.md's
 * table, and no set that keeps the rules may be cheaper than the plan's.
 */
#include "policy_snapshot.h"

enum { ROUNDS = 60000, CANDIDATES = 9 };

static double positive_s(int64_t us)
{
    return us > 0 ? (double)us / 1e6 : 0;
}

/* Cheapest of the four ways, for lambda below infinity. */
static double cost_of(const struct plan_job *job, double lambda)
{
    double c = job->cpus, risk = job->at_risk_since_us >= 0 ? positive_s(SNAP_NOW - job->at_risk_since_us) : 0;
    double restore = positive_s(job->restore_us), pause = positive_s(job->pause_us), commit = positive_s(job->commit_us);
    double remaining = positive_s(job->ends_us >= 0 ? job->ends_us - SNAP_NOW : SNAP_NOW - job->started_us);
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

/* Whether the users stay at target without the jobs of the mask. */
static bool targets_allow(const struct snap *snap, const double *targets, unsigned mask)
{
    for (size_t u = 0; u < snap->s.user_count; u++) {
        int64_t left = running_of(snap, u);
        bool loses = false;
        for (size_t i = 0; i < snap->s.job_count; i++)
            if (mask & 1u << i && snap->jobs[i].user == u) {
                left -= snap->jobs[i].cpus;
                loses = true;
            }
        if (loses && (double)left < targets[u] - 1e-6)
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
static double cheapest_set(const struct snap *snap, const double *targets, const struct plan_job *job)
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
        if (good && cost < best && makes_room(snap, node, mask, job) && targets_allow(snap, targets, mask))
            best = cost;
    }
    return best;
}

/* The cost of waiting for any of those that would do alone to end by itself. */
static double turnover_cost(const struct snap *snap, const double *targets, const struct plan_job *job)
{
    double rate = 0;
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *other = &snap->jobs[i];
        double age = positive_s(SNAP_NOW - other->started_us), r = other->end_rate > 0 ? other->end_rate : 1 / age;
        if (other->state != PLAN_RUNNING || age <= 0 || other->ends_us >= 0)
            continue;
        if (makes_room(snap, other->node, 1u << i, job) && targets_allow(snap, targets, 1u << i))
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

/* What brute force says about the only idle job. Returns what it came to. */
static enum plan_reason check_one(const struct snap *snap, const struct plan *plan, size_t idle, uint64_t seed)
{
    const struct plan_job *job = &snap->jobs[idle];
    double lacking = plan->targets[job->user] - (double)running_of(snap, job->user);
    double set = cheapest_set(snap, plan->targets, job), turnover = turnover_cost(snap, plan->targets, job);
    enum plan_reason reason = plan->reasons[idle];
    if (reason == PLAN_STARTS || reason == PLAN_TOO_LARGE)
        return reason;
    if ((reason == PLAN_BEHIND) != (job->cpus > 2 * lacking + 1e-6))
        fail_msg("seed %lu: reason %u with %g lacking", seed, reason, lacking);
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
        size_t idle = keep_one_idle(&snap);
        if (idle == SIZE_MAX)
            continue;
        if (!snap_chance(&snap, 20))
            tighten(&snap);
        snap_plan(&snap, &plan);
        reasons[check_one(&snap, &plan, idle, seed)]++;
        several += plan.count > 1 && plan.actions[1].kind == PLAN_EVICT && snap.jobs[idle].cpus > 1;
    }
    plan_release(&plan);
    assert_true(reasons[PLAN_NO_ROOM] > 100 && reasons[PLAN_WAITS_TURNOVER] > 50);
    assert_true(several > 30);
    assert_true(reasons[PLAN_WAITS_LEAVING] > 100 && reasons[PLAN_WAITS_JOB] > 100);
}

/* ---- many jobs of one cpu ---- */

static double cheapest_of(const struct snap *snap, const double *targets, int count)
{
    double best = (double)INFINITY;
    for (unsigned mask = 0; mask < 1u << snap->s.job_count; mask++) {
        double cost = 0;
        bool good = __builtin_popcount(mask) == count;
        for (size_t i = 0; i < snap->s.job_count && good; i++) {
            good = !(mask & 1u << i) || may_go(snap, &snap->jobs[i]);
            cost += mask & 1u << i ? cost_of(&snap->jobs[i], snap->s.rules.lambda) : 0;
        }
        if (good && cost < best && targets_allow(snap, targets, mask))
            best = cost;
    }
    return best;
}

/* How many could be freed for the owed at most: users with too little, those with too much. */
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
        int freed = 0, refused = 0;
        for (size_t i = 0; i < plan.count; i++)
            freed += plan.actions[i].kind == PLAN_EVICT || plan.actions[i].kind == PLAN_WAIT;
        for (size_t i = 0; i < snap.s.job_count; i++)
            refused += snap.jobs[i].state == PLAN_IDLE && plan.reasons[i] == PLAN_NO_ROOM;
        if (!is_close(cost_of_plan(&plan), cheapest_of(&snap, plan.targets, freed)))
            fail_msg("seed %lu: %d victims cost %g, the best %g", seed, freed, cost_of_plan(&plan),
                     cheapest_of(&snap, plan.targets, freed));
        if (refused > 0 && !isinf(cheapest_of(&snap, plan.targets, freed + 1)))
            fail_msg("seed %lu: a job is refused where one more victim could be had", seed);
        several += freed > 1;
    }
    plan_release(&plan);
    assert_true(several > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_set_for_one_job_is_chosen),
        cmocka_unit_test(the_cheapest_victims_for_many_small_jobs_are_chosen),
    };
    return cmocka_run_group_tests_name("policy_brute", tests, NULL, NULL);
}
