/* The rules that every plan keeps, on seeded random snapshots; each is shown by name on the seed that breaks it. */
#include "policy_snapshot.h"

#include "policy/share.h"

#include <math.h>

enum { ROUNDS = 10000 };

static const struct snap_range ranges[] = {
    { .users = 3, .nodes = 1, .jobs = 64, .node_cpus = 150, .job_cpus = 9, .lambda = -1 },
    { .users = 3, .nodes = 1, .jobs = 20, .node_cpus = 16, .job_cpus = 1, .lambda = -1 },
    { .users = 6, .nodes = 8, .jobs = 64, .node_cpus = 4, .job_cpus = 1, .weights = true, .limits = true, .lambda = -1 },
    { .users = 4, .nodes = 4, .jobs = 40, .node_cpus = 12, .job_cpus = 6, .sizes = true, .weights = true, .lambda = -1 },
    { .users = 6,
      .nodes = 6,
      .jobs = 64,
      .node_cpus = 8,
      .job_cpus = 3,
      .sizes = true,
      .weights = true,
      .groups = 3,
      .limits = true,
      .lambda = -1 },
};

/* What is left of the plan: who runs what, where. */
struct after {
    int64_t running[SNAP_USERS]; /* not leaving, with starts, without the evicted */
    int64_t started[SNAP_USERS];
    int64_t evicted[SNAP_USERS];
    int64_t free_cpus[SNAP_NODES], free_memory[SNAP_NODES], free_disk[SNAP_NODES];
};

static void occupy(struct after *a, const struct plan_job *job, uint32_t node)
{
    a->free_cpus[node] -= job->cpus;
    a->free_memory[node] -= job->memory_mb;
    a->free_disk[node] -= job->disk_kb;
}

static void replay(const struct snap *snap, const struct plan *plan, struct after *a)
{
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < snap->s.node_count; i++) {
        a->free_cpus[i] = snap->nodes[i].cpus;
        a->free_memory[i] = snap->nodes[i].memory_mb;
        a->free_disk[i] = snap->nodes[i].disk_kb;
    }
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *job = &snap->jobs[i];
        if (job->state != PLAN_IDLE)
            occupy(a, job, job->node);
        if (job->state == PLAN_RUNNING)
            a->running[job->user] += job->cpus;
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        const struct plan_job *job = &snap->jobs[action->job];
        if (action->kind == PLAN_START) {
            occupy(a, job, action->node);
            a->running[job->user] += job->cpus;
            a->started[job->user] += job->cpus;
        } else if (action->kind == PLAN_EVICT) {
            a->running[job->user] -= job->cpus;
            a->evicted[job->user] += job->cpus;
        }
    }
}

typedef void rule_fn(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed);

static void over_snapshots(rule_fn *rule)
{
    struct snap snap;
    struct plan plan = { 0 };
    struct after after;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        snap_draw(&snap, seed, &ranges[seed % (sizeof ranges / sizeof ranges[0])]);
        snap_plan(&snap, &plan);
        replay(&snap, &plan, &after);
        rule(&snap, &plan, &after, seed);
    }
    plan_release(&plan);
}

static void no_node_is_overfull(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    for (size_t i = 0; i < snap->s.node_count; i++)
        if (after->free_cpus[i] < 0 || after->free_memory[i] < 0 || after->free_disk[i] < 0)
            fail_msg("seed %lu: node %zu", seed, i);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == PLAN_START)
            assert_int_equal(snap->jobs[plan->actions[i].job].state, PLAN_IDLE);
}

static bool before(const struct plan_job *a, const struct plan_job *b)
{
    if (a->was_evicted != b->was_evicted)
        return a->was_evicted;
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->submitted_us != b->submitted_us)
        return a->submitted_us < b->submitted_us;
    return a->id.cluster != b->id.cluster ? a->id.cluster < b->id.cluster : a->id.proc < b->id.proc;
}

static bool same_size(const struct plan_job *a, const struct plan_job *b)
{
    return a->cpus == b->cpus && a->memory_mb == b->memory_mb && a->disk_kb == b->disk_kb;
}

static bool starts(const struct plan *plan, size_t job)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == PLAN_START && plan->actions[i].job == job)
            return true;
    return false;
}

static bool any_leaving(const struct snap *snap)
{
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].state == PLAN_LEAVING)
            return true;
    return false;
}

static bool fits_into(const struct after *a, size_t node, const struct plan_job *job)
{
    return a->free_cpus[node] >= job->cpus && a->free_memory[node] >= job->memory_mb && a->free_disk[node] >= job->disk_kb;
}

static bool fits_somewhere(const struct snap *snap, const struct after *a, const struct plan_job *job)
{
    for (size_t i = 0; i < snap->s.node_count; i++)
        if (fits_into(a, i, job))
            return true;
    return false;
}

static bool at_limit(const struct snap *snap, const struct after *a, const struct plan_job *job)
{
    int limit = snap->users[job->user].limit_cpus;
    int64_t held = a->running[job->user] + a->evicted[job->user];
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].state == PLAN_LEAVING && snap->jobs[i].user == job->user)
            held += snap->jobs[i].cpus;
    return limit > 0 && held + job->cpus > limit;
}

/* Among a user's jobs of one size: the evicted ones first, then by priority, time, number. */
static void a_better_one_starts_first(const struct snap *snap, const struct plan *plan, const struct after *after,
                                      uint64_t seed)
{
    (void)after;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_job *started = &snap->jobs[plan->actions[i].job];
        if (plan->actions[i].kind != PLAN_START)
            continue;
        for (size_t k = 0; k < snap->s.job_count; k++) {
            const struct plan_job *other = &snap->jobs[k];
            if (other->state == PLAN_IDLE && other->user == started->user && same_size(other, started) &&
                before(other, started) && !starts(plan, k))
                fail_msg("seed %lu: %d.%d starts before %d.%d", seed, started->id.cluster, started->id.proc, other->id.cluster,
                         other->id.proc);
        }
    }
}

static void nothing_that_fits_waits(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    if (any_leaving(snap) || snap->s.rules.reserve_after_us > 0)
        return;
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *job = &snap->jobs[i];
        if (job->state == PLAN_IDLE && !starts(plan, i) && !at_limit(snap, after, job) && fits_somewhere(snap, after, job))
            fail_msg("seed %lu: job %zu fits and does not start", seed, i);
    }
}

static void who_fits_needs_no_eviction(const struct snap *snap, const struct plan *plan, const struct after *after,
                                       uint64_t seed)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        if (action->kind != PLAN_EVICT || snap->s.rules.reserve_after_us > 0)
            continue;
        if (starts(plan, action->for_job))
            fail_msg("seed %lu: an eviction for job %u, which starts", seed, action->for_job);
        if (!any_leaving(snap) && fits_somewhere(snap, after, &snap->jobs[action->for_job]))
            fail_msg("seed %lu: an eviction for job %u, which fits", seed, action->for_job);
    }
}

static void no_user_falls_below_target(const struct snap *snap, const struct plan *plan, const struct after *after,
                                       uint64_t seed)
{
    for (size_t u = 0; u < snap->s.user_count; u++)
        if (after->evicted[u] > 0 && after->running[u] < plan->whole[u])
            fail_msg("seed %lu: user %zu has %ld, target %ld", seed, u, (long)after->running[u], (long)plan->whole[u]);
}

static void victims_may_be_evicted(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    (void)after;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        const struct plan_job *job = &snap->jobs[action->job];
        if (action->kind != PLAN_EVICT && action->kind != PLAN_WAIT)
            continue;
        if (job->state != PLAN_RUNNING || !job->may_be_evicted || SNAP_NOW - job->started_us < snap->s.rules.minimum_run_us)
            fail_msg("seed %lu: job %u may not be evicted", seed, action->job);
        if (action->way != PLAN_WAY_FINISH && !(job->ways & 1u << action->way))
            fail_msg("seed %lu: job %u does not offer way %u", seed, action->job, action->way);
        if ((action->kind == PLAN_EVICT) && !ways_acts(action->way))
            fail_msg("seed %lu: job %u is evicted by waiting", seed, action->job);
        for (int way = 0; way < PLAN_WAY_COUNT; way++)
            if (action->ways[way].cost_s < action->ways[action->way].cost_s)
                fail_msg("seed %lu: job %u has a cheaper way", seed, action->job);
    }
}

static void limits_of_users_hold(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    (void)plan;
    for (size_t u = 0; u < snap->s.user_count; u++) {
        int64_t held = after->running[u] + after->evicted[u];
        for (size_t i = 0; i < snap->s.job_count; i++)
            if (snap->jobs[i].state == PLAN_LEAVING && snap->jobs[i].user == u)
                held += snap->jobs[i].cpus;
        if (after->started[u] > 0 && snap->users[u].limit_cpus > 0 && held > snap->users[u].limit_cpus)
            fail_msg("seed %lu: user %zu holds %ld cpus, its limit is %d", seed, u, (long)held, snap->users[u].limit_cpus);
    }
}

/* No user is further from its target than before by being given room, and somebody above target is nearer. */
static void evictions_are_owed(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    double running[SNAP_USERS];
    bool seen[SNAP_JOBS] = { false };
    for (size_t u = 0; u < snap->s.user_count; u++)
        running[u] = (double)(after->running[u] + after->evicted[u]);
    double before_d = share_distance(running, plan->targets, snap->s.user_count, 1);
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        if (action->kind != PLAN_EVICT)
            continue;
        running[snap->jobs[action->job].user] -= snap->jobs[action->job].cpus;
        running[action->for_user] += seen[action->for_job] ? 0 : snap->jobs[action->for_job].cpus;
        seen[action->for_job] = true;
        assert_int_equal(snap->jobs[action->for_job].user, action->for_user);
        assert_int_equal(snap->jobs[action->for_job].state, PLAN_IDLE);
    }
    double after_d = share_distance(running, plan->targets, snap->s.user_count, 1);
    for (size_t u = 0; u < snap->s.user_count; u++)
        if (after->evicted[u] > 0 && after_d >= before_d)
            fail_msg("seed %lu: distance %g, before %g", seed, after_d, before_d);
}

/* Where only cpus matter: without its smallest victim the job would not fit. */
static void no_more_is_freed_than_must_be(const struct snap *snap, const struct plan *plan, const struct after *after,
                                          uint64_t seed)
{
    int freed[SNAP_JOBS] = { 0 }, smallest[SNAP_JOBS] = { 0 };
    (void)after;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        int cpus = snap->jobs[action->job].cpus;
        if (action->kind != PLAN_EVICT)
            continue;
        freed[action->for_job] += cpus;
        int least = smallest[action->for_job];
        smallest[action->for_job] = least == 0 || cpus < least ? cpus : least;
    }
    bool sizes = ranges[seed % (sizeof ranges / sizeof ranges[0])].sizes;
    for (size_t i = 0; i < snap->s.job_count && !sizes && snap->s.rules.reserve_after_us == 0; i++)
        if (freed[i] - smallest[i] >= snap->jobs[i].cpus)
            fail_msg("seed %lu: %d cpus are freed for the %d of job %zu", seed, freed[i], snap->jobs[i].cpus, i);
}

static void lambda_at_its_ends(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    (void)after;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        if (snap->s.rules.lambda == 0 && action->kind == PLAN_EVICT)
            fail_msg("seed %lu: an eviction with lambda = 0", seed);
        if (isinf(snap->s.rules.lambda) && action->kind == PLAN_WAIT)
            fail_msg("seed %lu: a wait with lambda = infinity", seed);
        if (isinf(snap->s.rules.lambda) && action->kind == PLAN_EVICT && action->way != PLAN_WAY_KILL)
            fail_msg("seed %lu: no kill with lambda = infinity", seed);
    }
}

static void checkpoints_are_due(const struct snap *snap, const struct plan *plan, const struct after *after, uint64_t seed)
{
    bool taken[SNAP_JOBS] = { false }, leaves[SNAP_JOBS] = { false }, waited[SNAP_JOBS] = { false };
    (void)after;
    for (size_t i = 0; i < plan->count; i++) {
        taken[plan->actions[i].job] |= plan->actions[i].kind == PLAN_CHECKPOINT;
        leaves[plan->actions[i].job] |= plan->actions[i].kind == PLAN_EVICT;
        waited[plan->actions[i].job] |= plan->actions[i].kind == PLAN_WAIT;
    }
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *job = &snap->jobs[i];
        bool can = job->state == PLAN_RUNNING && job->due_us >= 0 && (job->ways & 1u << PLAN_WAY_CHECKPOINT);
        int64_t early = waited[i] ? job->period_us / 2 : 0;
        if (taken[i] != (can && !leaves[i] && job->due_us - early <= SNAP_NOW))
            fail_msg("seed %lu: job %zu %s a checkpoint", seed, i, taken[i] ? "takes" : "does not take");
    }
}

static void each_idle_job_has_its_reason(const struct snap *snap, const struct plan *plan, const struct after *after,
                                         uint64_t seed)
{
    bool evicted_for[SNAP_JOBS] = { false };
    int promised[SNAP_USERS] = { 0 };
    for (size_t i = 0; i < snap->s.job_count; i++)
        if (snap->jobs[i].state == PLAN_IDLE && plan->reasons[i] >= PLAN_WAITS_LEAVING)
            promised[snap->jobs[i].user] += snap->jobs[i].cpus;
    for (size_t i = 0; i < plan->count; i++)
        evicted_for[plan->actions[i].for_job] |= plan->actions[i].kind == PLAN_EVICT;
    for (size_t i = 0; i < snap->s.job_count; i++) {
        const struct plan_job *job = &snap->jobs[i];
        if (job->state != PLAN_IDLE)
            continue;
        if (starts(plan, i) != (plan->reasons[i] == PLAN_STARTS))
            fail_msg("seed %lu: job %zu: reason %u", seed, i, plan->reasons[i]);
        bool possible = false;
        for (size_t n = 0; n < snap->s.node_count; n++)
            possible |= job->cpus <= snap->nodes[n].cpus && job->memory_mb <= snap->nodes[n].memory_mb &&
                        job->disk_kb <= snap->nodes[n].disk_kb;
        if (possible == (plan->reasons[i] == PLAN_TOO_LARGE))
            fail_msg("seed %lu: job %zu is %stoo large", seed, i, possible ? "not " : "");
        if (plan->reasons[i] == PLAN_USER_LIMIT && snap->users[job->user].limit_cpus == 0)
            fail_msg("seed %lu: job %zu has no limit", seed, i);
        if (evicted_for[i] && plan->reasons[i] != PLAN_WAITS_LEAVING)
            fail_msg("seed %lu: job %zu: reason %u in spite of an eviction", seed, i, plan->reasons[i]);
        if (plan->reasons[i] == PLAN_BEHIND &&
            after->running[job->user] + job->cpus + promised[job->user] < plan->whole[job->user])
            fail_msg("seed %lu: job %zu is not behind", seed, i);
    }
}

/* ---- same snapshot, same plan ---- */

static int same_action(const struct snap *a, const struct plan_action *x, const struct snap *b, const struct plan_action *y)
{
    bool evicts = x->kind == PLAN_EVICT || x->kind == PLAN_WAIT;
    return x->kind == y->kind && a->jobs[x->job].id.proc == b->jobs[y->job].id.proc && x->node == y->node && x->way == y->way &&
           (!evicts ||
            (a->jobs[x->for_job].id.proc == b->jobs[y->for_job].id.proc && memcmp(x->ways, y->ways, sizeof x->ways) == 0));
}

static void the_order_of_the_jobs_does_not_matter(const struct snap *snap, const struct plan *plan, const struct after *after,
                                                  uint64_t seed)
{
    struct snap other = *snap;
    struct plan again = { 0 };
    (void)after;
    snap_wire(&other);
    for (size_t i = snap->s.job_count; i > 1; i--) {
        size_t k = snap_dice(&other, i);
        struct plan_job moved = other.jobs[i - 1];
        other.jobs[i - 1] = other.jobs[k];
        other.jobs[k] = moved;
    }
    snap_plan(&other, &again);
    if (plan->count != again.count)
        fail_msg("seed %lu: %zu actions, %zu after a shuffle", seed, plan->count, again.count);
    for (size_t i = 0; i < plan->count; i++)
        if (!same_action(snap, &plan->actions[i], &other, &again.actions[i]))
            fail_msg("seed %lu: action %zu differs after a shuffle", seed, i);
    plan_release(&again);
}

/* The rules above would hold of plans that do nothing. */
static void the_snapshots_lead_to_every_kind_of_action(void **state)
{
    (void)state;
    struct snap snap;
    struct plan plan = { 0 };
    int kinds[PLAN_CHECKPOINT + 1] = { 0 }, ways[PLAN_WAY_COUNT + 1] = { 0 }, reasons[PLAN_WAITS_ROOM + 1] = { 0 }, sets = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        snap_draw(&snap, seed, &ranges[seed % (sizeof ranges / sizeof ranges[0])]);
        snap_plan(&snap, &plan);
        for (size_t i = 0; i < plan.count; i++) {
            const struct plan_action *action = &plan.actions[i];
            kinds[action->kind]++;
            ways[action->way]++;
            sets +=
                i > 0 && action->kind == PLAN_EVICT && action[-1].kind == PLAN_EVICT && action[-1].for_job == action->for_job;
        }
        for (size_t i = 0; i < snap.s.job_count; i++)
            reasons[plan.reasons[i]] += snap.jobs[i].state == PLAN_IDLE;
    }
    plan_release(&plan);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        assert_true(kinds[i] > 500);
    for (size_t i = 0; i < PLAN_WAY_COUNT; i++)
        assert_true(ways[i] > 300);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_true(reasons[i] > 300);
    assert_true(sets > 100);
}

#define RULE(name, rule)                                                                                                       \
    static void name(void **state)                                                                                             \
    {                                                                                                                          \
        (void)state;                                                                                                           \
        over_snapshots(rule);                                                                                                  \
    }

RULE(nodes_are_never_given_more_than_they_have, no_node_is_overfull)
RULE(an_evicted_job_goes_to_the_head_of_its_users_queue, a_better_one_starts_first)
RULE(no_job_waits_that_fits, nothing_that_fits_waits)
RULE(nobody_is_evicted_for_a_job_that_fits, who_fits_needs_no_eviction)
RULE(nobody_is_pushed_below_target, no_user_falls_below_target)
RULE(minimum_run_time_and_ways_are_honoured, victims_may_be_evicted)
RULE(every_eviction_brings_the_pool_nearer_to_its_targets, evictions_are_owed)
RULE(a_plan_frees_no_more_than_it_must, no_more_is_freed_than_must_be)
RULE(lambda_zero_never_evicts_and_infinity_kills, lambda_at_its_ends)
RULE(periodic_checkpoints_come_when_due_or_before_an_expected_eviction, checkpoints_are_due)
RULE(no_user_runs_more_than_its_limit, limits_of_users_hold)
RULE(every_idle_job_has_a_reason, each_idle_job_has_its_reason)
RULE(the_same_snapshot_gives_the_same_plan_in_any_order, the_order_of_the_jobs_does_not_matter)

/* ---- large jobs ---- */

/* One node of 4 cpus: user 0 runs nothing and wants all four, user 1 wants one. */
static void large_and_small(struct snap *snap, enum plan_job_state occupant)
{
    memset(snap, 0, sizeof *snap);
    snap->s.now_us = SNAP_NOW;
    snap->s.user_count = 2;
    snap->s.node_count = 1;
    snap->s.job_count = 3;
    snap->nodes[0] = (struct plan_node){ .cpus = 4 };
    snap->users[0].weight = 2;
    snap->users[1].weight = 1;
    for (int i = 0; i < 3; i++)
        snap->jobs[i] = (struct plan_job){ .id = { 1, i },
                                           .user = i > 0,
                                           .cpus = i == 0 ? 4 : 1,
                                           .submitted_us = SNAP_NOW - HOUR,
                                           .started_us = SNAP_NOW - HOUR,
                                           .ends_us = -1,
                                           .next_own_us = -1,
                                           .due_us = -1 };
    snap->jobs[2].state = occupant;
    snap->jobs[2].cpus = 2;
    snap_wire(snap);
}

static enum plan_reason reason_of_the_large(const struct snap *snap, size_t actions)
{
    struct plan plan = { 0 };
    snap_plan(snap, &plan);
    enum plan_reason reason = plan.reasons[0];
    assert_int_equal(plan.count, actions);
    plan_release(&plan);
    return reason;
}

static void a_large_job_is_not_overtaken_in_the_room_of_leaving_ones(void **state)
{
    (void)state;
    struct snap snap;
    large_and_small(&snap, PLAN_LEAVING);
    assert_int_equal(reason_of_the_large(&snap, 0), PLAN_WAITS_LEAVING);
    snap.users[0].weight = 0.1; /* it is not its turn */
    assert_int_equal(reason_of_the_large(&snap, 1), PLAN_BEHIND);
}

static void a_large_job_that_waited_long_has_room_kept(void **state)
{
    (void)state;
    struct snap snap;
    large_and_small(&snap, PLAN_RUNNING);
    assert_int_equal(reason_of_the_large(&snap, 1), PLAN_NO_ROOM);
    snap.s.rules.reserve_after_us = HOUR - 1;
    assert_int_equal(reason_of_the_large(&snap, 0), PLAN_WAITS_ROOM);
    snap.s.rules.reserve_after_us = HOUR;
    assert_int_equal(reason_of_the_large(&snap, 1), PLAN_NO_ROOM);
}

static void room_is_kept_for_one_job_at_a_time(void **state)
{
    (void)state;
    struct snap snap;
    large_and_small(&snap, PLAN_RUNNING);
    snap.s.node_count = 2;
    snap.nodes[1] = snap.nodes[0];
    snap.jobs[1] = snap.jobs[0]; /* another large one */
    snap.jobs[1].id.proc = 1;
    snap.jobs[3] = snap.jobs[2];
    snap.jobs[3].id.proc = 3;
    snap.jobs[3].node = 1;
    snap.s.job_count = 4;
    snap.s.rules.reserve_after_us = HOUR - 1;
    assert_int_equal(reason_of_the_large(&snap, 0), PLAN_WAITS_ROOM);
    struct plan plan = { 0 };
    snap_plan(&snap, &plan);
    assert_int_equal(plan.reasons[1], PLAN_BEHIND);
    plan_release(&plan);
}

/* ---- bad input ---- */

static void refused(const struct snap *snap, const char *clause)
{
    struct plan out = { 0 };
    const char *wrong = NULL;
    assert_int_equal(plan_make(&snap->s, &out, &wrong), -1);
    assert_non_null(strstr(wrong, clause));
    assert_null(out.actions);
    assert_null(out.targets);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct snap_range range = { .users = 3, .nodes = 2, .jobs = 9, .node_cpus = 4, .job_cpus = 2, .groups = 2 };
    struct snap good, bad;
    snap_draw(&good, 7, &range);
#define BAD(change, clause)                                                                                                    \
    do {                                                                                                                       \
        bad = good;                                                                                                            \
        snap_wire(&bad);                                                                                                       \
        change;                                                                                                                \
        refused(&bad, clause);                                                                                                 \
    } while (0)
    BAD(bad.s.rules.lambda = -1, "lambda");
    BAD(bad.s.rules.lambda = NAN, "lambda");
    BAD(bad.s.rules.minimum_run_us = -1, "a time of the rules");
    BAD((bad.shares[0] = 0, bad.shares[1] = 0), "sum to zero");
    BAD(bad.shares[1] = -1, "share is negative");
    BAD(bad.users[0].group = 2, "a group that does not exist");
    BAD(bad.users[0].weight = NAN, "weight");
    BAD(bad.users[0].limit_cpus = -1, "limit");
    BAD(bad.nodes[0].cpus = -1, "a node");
    BAD(bad.jobs[0].user = 99, "user does not exist");
    BAD(bad.jobs[0].cpus = 0, "no cpu");
    BAD((bad.jobs[0].state = PLAN_RUNNING, bad.jobs[0].node = 99), "a node that does not exist");
    BAD(bad.jobs[0].success = 2, "succeed");
    BAD(bad.jobs[0].end_rate = -1, "rate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_never_given_more_than_they_have),
        cmocka_unit_test(an_evicted_job_goes_to_the_head_of_its_users_queue),
        cmocka_unit_test(no_job_waits_that_fits),
        cmocka_unit_test(nobody_is_evicted_for_a_job_that_fits),
        cmocka_unit_test(nobody_is_pushed_below_target),
        cmocka_unit_test(minimum_run_time_and_ways_are_honoured),
        cmocka_unit_test(every_eviction_brings_the_pool_nearer_to_its_targets),
        cmocka_unit_test(a_plan_frees_no_more_than_it_must),
        cmocka_unit_test(lambda_zero_never_evicts_and_infinity_kills),
        cmocka_unit_test(periodic_checkpoints_come_when_due_or_before_an_expected_eviction),
        cmocka_unit_test(no_user_runs_more_than_its_limit),
        cmocka_unit_test(every_idle_job_has_a_reason),
        cmocka_unit_test(the_same_snapshot_gives_the_same_plan_in_any_order),
        cmocka_unit_test(the_snapshots_lead_to_every_kind_of_action),
        cmocka_unit_test(a_large_job_is_not_overtaken_in_the_room_of_leaving_ones),
        cmocka_unit_test(a_large_job_that_waited_long_has_room_kept),
        cmocka_unit_test(room_is_kept_for_one_job_at_a_time),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("policy_plan", tests, NULL, NULL);
}
