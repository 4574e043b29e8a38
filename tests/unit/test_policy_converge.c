/*
 * What many plans in a row lead to: equal populations, and then peace; and that who checkpoints is not the worse for it, by a
 * small pool that is simulated minute by minute.
 */
#include "policy_snapshot.h"

#include "policy/share.h"

enum { ROUNDS = 10000, STEPS = 12 };

/* ---- unchanged demand ---- */

/* Everybody has more jobs than there are cpus; nothing ends by itself. */
static void make_full(struct snap *snap, uint64_t seed, bool equal)
{
    memset(snap, 0, sizeof *snap);
    snap->dice = seed * 0x9e3779b97f4a7c15u + 1;
    snap->s.now_us = SNAP_NOW;
    snap->s.user_count = 2 + snap_dice(snap, 3);
    snap->s.node_count = 1 + snap_dice(snap, 4);
    snap->s.job_count = SNAP_JOBS;
    snap->s.rules = (struct plan_rules){ .lambda = snap_chance(snap, 50) ? (double)INFINITY : 1e6, .no_turnover = true };
    snap->s.group_count = equal || snap_chance(snap, 50) ? 0 : SNAP_GROUPS;
    for (size_t i = 0; i < snap->s.group_count; i++)
        snap->shares[i] = (double)(1 + snap_dice(snap, 8));
    for (size_t i = 0; i < snap->s.user_count; i++) {
        snap->users[i].weight = equal ? 1 : (double)(1 + snap_dice(snap, 8));
        snap->users[i].group = snap_dice(snap, SNAP_GROUPS);
    }
    for (size_t i = 0; i < snap->s.node_count; i++)
        snap->nodes[i] = (struct plan_node){ .cpus = 1 + (int)snap_dice(snap, 4), .memory_mb = 1 << 20, .disk_kb = 1 << 20 };
    for (size_t i = 0; i < snap->s.job_count; i++) {
        struct plan_job *job = &snap->jobs[i];
        *job = (struct plan_job){
            .id = { 1, (int)i }, .user = (uint32_t)(i % snap->s.user_count), .cpus = 1, .submitted_us = (int64_t)i
        };
        if (!equal)
            job->cpus += (int)snap_dice(snap, 3);
        snap_costs(snap, job);
        job->started_us = SNAP_NOW - HOUR;
        job->may_be_evicted = true;
        job->ends_us = -1;
        job->next_own_us = -1; /* it would be waited for, and does not come */
        job->due_us = -1;
        /* At first the low numbers have most. */
        job->node = (uint32_t)snap_dice(snap, snap->s.node_count);
        if (snap_dice(snap, snap->s.user_count) >= job->user && snap_fits(snap, i, job->node, job))
            job->state = PLAN_RUNNING;
    }
    snap_wire(snap);
}

static int64_t running_of(const struct snap *snap, size_t user)
{
    int64_t cpus = 0;
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].user == user && snap->jobs[i].state == PLAN_RUNNING)
            cpus += snap->jobs[i].cpus;
    return cpus;
}

static int64_t planned_of(const struct snap *snap, const struct plan *plan, enum plan_kind kind, uint32_t user)
{
    int64_t cpus = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == kind && snap->jobs[plan->actions[i].job].user == user)
            cpus += snap->jobs[plan->actions[i].job].cpus;
    return cpus;
}

/* Carries the plan out; who was leaving has left. Returns the number of evictions. */
static int step(struct snap *snap, struct plan *plan, int evicted[SNAP_JOBS])
{
    int count = 0;
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].state == PLAN_LEAVING) {
            snap->jobs[i].state = PLAN_IDLE;
            snap->jobs[i].was_evicted = true;
        }
    snap_plan(snap, plan);
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        struct plan_job *job = &snap->jobs[action->job];
        if (action->kind == PLAN_START) {
            job->state = PLAN_RUNNING;
            job->node = action->node;
            job->was_evicted = false;
        } else if (action->kind == PLAN_EVICT) {
            job->state = PLAN_LEAVING;
            evicted[action->job]++;
            count++;
        }
    }
    return count;
}

static void equal_users_get_equal_populations_and_then_peace(void **state)
{
    (void)state;
    struct snap snap;
    struct plan plan = { 0 };
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        int evicted[SNAP_JOBS] = { 0 }, last = 0;
        make_full(&snap, seed, true);
        for (int i = 0; i < STEPS; i++)
            if (step(&snap, &plan, evicted) > 0)
                last = i;
        if (last > 2)
            fail_msg("seed %lu: an eviction in step %d", seed, last);
        for (size_t i = 0; i < snap.s.job_count; i++)
            if (evicted[i] > 1)
                fail_msg("seed %lu: job %zu was evicted %d times", seed, i, evicted[i]);
        for (size_t u = 1; u < snap.s.user_count; u++)
            if (labs((long)(running_of(&snap, u) - running_of(&snap, 0))) > 1)
                fail_msg("seed %lu: users 0 and %zu run %ld and %ld cpus", seed, u, (long)running_of(&snap, 0),
                         (long)running_of(&snap, u));
    }
    plan_release(&plan);
}

static double distance_of(const struct snap *snap, const struct plan *plan)
{
    double running[SNAP_USERS];
    for (size_t u = 0; u < snap->s.user_count; u++)
        running[u] = (double)running_of(snap, u);
    return share_distance(running, plan->targets, snap->s.user_count, 1);
}

/* With jobs of several cpus the populations need not be equal to the last cpu, but evictions come to an end all the same. */
static void with_unchanged_demand_evictions_come_to_an_end(void **state)
{
    (void)state;
    struct snap snap;
    struct plan plan = { 0 };
    int some = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        int evicted[SNAP_JOBS] = { 0 }, count = 0;
        make_full(&snap, seed, false);
        step(&snap, &plan, evicted);
        for (int i = 0; i < STEPS; i++)
            count = step(&snap, &plan, evicted);
        if (count > 0)
            fail_msg("seed %lu: an eviction after %d steps, at a distance of %g", seed, STEPS, distance_of(&snap, &plan));
        for (size_t i = 0; i < snap.s.job_count; i++)
            some += evicted[i] > 0;
    }
    plan_release(&plan);
    assert_true(some > ROUNDS / 10);
}

/* An empty pool, jobs of one cpu: no user, and no group, ends two cpus from its target. */
static void starts_alone_fill_up_to_the_targets(void **state)
{
    (void)state;
    struct snap snap;
    struct plan plan = { 0 };
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        double running[SNAP_GROUPS] = { 0 }, targets[SNAP_GROUPS] = { 0 };
        make_full(&snap, seed, false);
        for (size_t i = 0; i < snap.s.job_count; i++) {
            snap.jobs[i].state = PLAN_IDLE;
            snap.jobs[i].cpus = 1;
            snap.jobs[i].user = (uint32_t)snap_dice(&snap, 1 + snap_dice(&snap, snap.s.user_count));
        }
        for (size_t n = 0; n < snap.s.node_count; n++)
            snap.nodes[n].cpus *= 3;
        snap_plan(&snap, &plan);
        for (size_t u = 0; u < snap.s.user_count; u++) {
            double has = (double)planned_of(&snap, &plan, PLAN_START, (uint32_t)u);
            running[snap.users[u].group] += has;
            targets[snap.users[u].group] += plan.targets[u];
            if (fabs(has - plan.targets[u]) >= 2)
                fail_msg("seed %lu: user %zu has %g of %g", seed, u, has, plan.targets[u]);
        }
        for (size_t g = 0; g < snap.s.group_count; g++)
            if (fabs(running[g] - targets[g]) >= 1.5)
                fail_msg("seed %lu: group %zu has %g of %g", seed, g, running[g], targets[g]);
    }
    plan_release(&plan);
}

/* ---- who checkpoints is not the worse for it ---- */

/* The same snapshot, where the user's jobs can be checkpointed and where they can not. */
static void set_ways(struct snap *snap, uint32_t user, unsigned ways)
{
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].user == user)
            snap->jobs[i].ways = (uint8_t)ways;
}

static void checkpoints_change_neither_targets_nor_starts_nor_what_is_kept(void **state)
{
    (void)state;
    static const struct snap_range range = {
        .users = 4, .nodes = 4, .jobs = 40, .node_cpus = 8, .job_cpus = 2, .weights = true, .lambda = -1
    };
    int cheaper = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct snap with, without;
        struct plan a = { 0 }, b = { 0 };
        snap_draw(&with, seed, &range);
        uint32_t user = (uint32_t)snap_dice(&with, with.s.user_count);
        without = with;
        snap_wire(&without);
        snap_wire(&with);
        set_ways(&with, user, PLAN_WAYS_ALL);
        set_ways(&without, user, 1u << PLAN_WAY_KILL);
        snap_plan(&with, &a);
        snap_plan(&without, &b);
        if (memcmp(a.targets, b.targets, with.s.user_count * sizeof *a.targets) != 0)
            fail_msg("seed %lu: other targets", seed);
        for (size_t i = 0; (i < a.count && a.actions[i].kind == PLAN_START) || (i < b.count && b.actions[i].kind == PLAN_START);
             i++)
            if (i >= a.count || i >= b.count || a.actions[i].kind != b.actions[i].kind || a.actions[i].job != b.actions[i].job)
                fail_msg("seed %lu: start %zu differs", seed, i);
        for (size_t i = 0; i < a.count; i++) {
            const struct plan_action *action = &a.actions[i];
            if (action->kind != PLAN_EVICT || with.jobs[action->job].user != user || isinf(with.s.rules.lambda))
                continue;
            assert_true(action->ways[action->way].cost_s <= action->ways[PLAN_WAY_KILL].cost_s);
            cheaper += action->way == PLAN_WAY_CHECKPOINT;
        }
        int64_t lost = planned_of(&with, &a, PLAN_EVICT, user);
        int64_t kept = running_of(&with, user) + planned_of(&with, &a, PLAN_START, user) - lost;
        if (lost > 0 && kept < a.whole[user])
            fail_msg("seed %lu: %ld cpus are left of a target of %ld", seed, (long)kept, (long)a.whole[user]);
        plan_release(&a);
        plan_release(&b);
    }
    assert_true(cheaper > 100);
}

/*
 * A pool of 12 cpus. Users 0 and 1 always want all of them; user 2 comes in bursts. Usage is charged by usage_charged_cpus.
 * User 0 checkpoints, or does not; what does user 0 get done?
 */
enum { MINUTE = 60, CPUS = 12, MINUTES = 6000, FIRST = 16, PEOPLE = 3, JOBS_MAX = PEOPLE * FIRST };

struct little {
    struct snap snap;
    double usage[PEOPLE];
    double redo[JOBS_MAX];   /* seconds of the present run that only restore what an eviction took */
    double left_s[JOBS_MAX]; /* work that is not done */
    double done_s[JOBS_MAX]; /* of which that much is committed */
    double good_s[PEOPLE];   /* work completed */
    double target[PEOPLE];
    bool owed;
};

static void new_job(struct little *l, size_t i)
{
    struct plan_job *job = &l->snap.jobs[i];
    uint32_t user = (uint32_t)(i / FIRST);
    *job = (struct plan_job){ .id = { 1, (int)i },
                              .user = user,
                              .cpus = 1,
                              .submitted_us = l->snap.s.now_us,
                              .may_be_evicted = true,
                              .ways = 1u << PLAN_WAY_KILL,
                              .success = 1,
                              .grace_us = 10 * SECOND,
                              .ends_us = -1,
                              .next_own_us = -1,
                              .due_us = -1,
                              .at_risk_since_us = -1 };
    l->left_s[i] = (double)(1800 + snap_dice(&l->snap, 4 * 3600));
    l->done_s[i] = 0;
    l->redo[i] = 0;
}

static void begin_little(struct little *l, uint64_t seed, double lambda)
{
    memset(l, 0, sizeof *l);
    l->snap.dice = seed * 0x9e3779b97f4a7c15u + 1;
    l->snap.s = (struct plan_snapshot){ .now_us = SNAP_NOW,
                                        .user_count = PEOPLE,
                                        .node_count = 1,
                                        .job_count = JOBS_MAX,
                                        .rules = { .lambda = lambda, .minimum_run_us = 300 * SECOND } };
    l->snap.nodes[0] = (struct plan_node){ .cpus = CPUS, .memory_mb = 1, .disk_kb = 1 };
    for (size_t i = 0; i < JOBS_MAX; i++)
        new_job(l, i);
    snap_wire(&l->snap);
}

/* A minute of execution. A job that was taken to its last checkpoint goes on from there. */
static void run_minute(struct little *l)
{
    double running[PEOPLE] = { 0 }, others[PEOPLE] = { 0 };
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct plan_job *job = &l->snap.jobs[i];
        if (job->state == PLAN_LEAVING) {
            job->state = PLAN_IDLE;
            job->was_evicted = true;
        }
        if (job->state != PLAN_RUNNING)
            continue;
        running[job->user]++;
        if (l->redo[i] > 0) {
            others[job->user]++;
            l->redo[i] -= MINUTE;
        }
        if ((l->left_s[i] -= MINUTE) > 0)
            continue;
        l->good_s[job->user] += l->done_s[i];
        new_job(l, i);
    }
    for (size_t u = 0; u < PEOPLE; u++)
        l->usage[u] = usage_after(l->usage[u], usage_charged_cpus(running[u], l->target[u], others[u], l->owed, SHARE_OVERSTAY),
                                  MINUTE * SECOND, 24 * 3600);
}

static void evict(struct little *l, size_t i, enum plan_way way)
{
    struct plan_job *job = &l->snap.jobs[i];
    double risk = job->at_risk_since_us >= 0 ? (double)(l->snap.s.now_us - job->at_risk_since_us) / 1e6 : 0;
    job->state = PLAN_LEAVING;
    if (way == PLAN_WAY_KILL) {
        l->left_s[i] += risk; /* again from the last checkpoint; without one, from the start */
        l->redo[i] = risk;
    } else {
        l->left_s[i] += MINUTE; /* pause and restore */
        l->redo[i] = MINUTE;
    }
    job->at_risk_since_us = -1;
}

static void plan_minute(struct little *l, struct plan *plan, bool checkpoints)
{
    int64_t now = l->snap.s.now_us += MINUTE * SECOND;
    bool burst = now / HOUR % 8 < 3;
    for (size_t u = 0; u < PEOPLE; u++)
        l->snap.users[u].weight = share_weight(l->usage[u], 24 * 3600, 1);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct plan_job *job = &l->snap.jobs[i];
        bool able = checkpoints && job->user == 0;
        job->ways = (uint8_t)(able ? 1u << PLAN_WAY_KILL | 1u << PLAN_WAY_CHECKPOINT : 1u << PLAN_WAY_KILL);
        job->pause_us = 20 * SECOND;
        job->restore_us = able ? 20 * SECOND : 0;
        job->memory_mb = job->user == 2 && !burst && job->state == PLAN_IDLE ? 2 : 0; /* does not want to run now */
    }
    snap_plan(&l->snap, plan);
    l->owed = false;
    for (size_t i = 0; i < JOBS_MAX; i++)
        l->owed |= l->snap.jobs[i].state == PLAN_IDLE && plan->reasons[i] > PLAN_BEHIND;
    for (size_t u = 0; u < PEOPLE; u++)
        l->target[u] = plan->targets[u];
    for (size_t i = 0; i < plan->count; i++) {
        size_t k = plan->actions[i].job;
        if (plan->actions[i].kind == PLAN_EVICT) {
            evict(l, k, plan->actions[i].way);
        } else if (plan->actions[i].kind == PLAN_START) {
            l->snap.jobs[k].state = PLAN_RUNNING;
            l->snap.jobs[k].started_us = l->snap.jobs[k].at_risk_since_us = now;
            l->snap.jobs[k].was_evicted = false;
            if (l->done_s[k] == 0)
                l->done_s[k] = l->left_s[k];
        }
    }
}

static double work_done(uint64_t seed, double lambda, bool checkpoints)
{
    struct little l;
    struct plan plan = { 0 };
    begin_little(&l, seed, lambda);
    for (int i = 0; i < MINUTES; i++) {
        run_minute(&l);
        plan_minute(&l, &plan, checkpoints);
    }
    plan_release(&plan);
    return l.good_s[0];
}

/* Without any checkpoints it is seldom worth to evict user 0, and it keeps what user 2 is owed; that must not pay. */
static void who_checkpoints_gets_no_less_done(void **state)
{
    (void)state;
    static const double lambdas[] = { 0.1, 2, 10 };
    for (size_t i = 0; i < sizeof lambdas / sizeof lambdas[0]; i++) {
        double with = 0, without = 0;
        for (uint64_t seed = 1; seed <= 6; seed++) {
            with += work_done(seed, lambdas[i], true);
            without += work_done(seed, lambdas[i], false);
        }
        if (!(with >= without))
            fail_msg("lambda %g: %.0f h of work with checkpoints, %.0f h without", lambdas[i], with / 3600, without / 3600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_users_get_equal_populations_and_then_peace),
        cmocka_unit_test(with_unchanged_demand_evictions_come_to_an_end),
        cmocka_unit_test(starts_alone_fill_up_to_the_targets),
        cmocka_unit_test(checkpoints_change_neither_targets_nor_starts_nor_what_is_kept),
        cmocka_unit_test(who_checkpoints_gets_no_less_done),
    };
    return cmocka_run_group_tests_name("policy_converge", tests, NULL, NULL);
}
