/*
 * The plan from a state that is kept from event to event against the plan from a snapshot of the same moment: jobs come, start,
 * take checkpoints, are evicted, leave, end and are removed, weights change, nodes go down and come back; at every step both
 * are asked and must say the same.
 */
#include "policy_snapshot.h"

enum { HISTORIES = 10000, STEPS = 12, LIVE_MAX = 40 };

struct live {
    struct plan_job job;
    uint32_t number;
    bool known;
};

struct world {
    struct snap snap; /* users, nodes, rules; its jobs are made of `jobs` */
    struct plan_node whole[SNAP_NODES];
    struct live jobs[LIVE_MAX];
    struct plan_state *state;
    int next_proc;
    uint64_t seed;
};

static const struct snap_range ranges[] = {
    { .users = 3, .nodes = 2, .jobs = 20, .node_cpus = 8, .job_cpus = 1, .weights = true, .lambda = -1 },
    { .users = 5,
      .nodes = 6,
      .jobs = 40,
      .node_cpus = 6,
      .job_cpus = 4,
      .sizes = true,
      .weights = true,
      .groups = 2,
      .limits = true,
      .lambda = -1 },
};

static void tell(struct world *w, struct live *l)
{
    if (l->known)
        plan_state_remove(w->state, l->number);
    l->number = plan_state_add(w->state, &l->job);
    l->known = true;
}

static void forget(struct world *w, struct live *l)
{
    plan_state_remove(w->state, l->number);
    l->known = false;
}

static void begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    snap_draw(&w->snap, seed, &ranges[seed % 2]);
    memcpy(w->whole, w->snap.nodes, sizeof w->whole);
    w->state = plan_state_new(w->snap.users, w->snap.s.user_count, w->snap.nodes, w->snap.s.node_count, w->snap.s.shares,
                              w->snap.s.group_count);
    for (size_t i = 0; i < w->snap.s.job_count && i < LIVE_MAX; i++) {
        w->jobs[i].job = w->snap.jobs[i];
        tell(w, &w->jobs[i]);
    }
    w->next_proc = SNAP_JOBS;
}

/* ---- what may happen ---- */

static struct live *any_in(struct world *w, enum plan_job_state state)
{
    size_t first = snap_dice(&w->snap, LIVE_MAX);
    for (size_t i = 0; i < LIVE_MAX; i++) {
        struct live *l = &w->jobs[(first + i) % LIVE_MAX];
        if (l->known && l->job.state == state)
            return l;
    }
    return NULL;
}

static void arrive(struct world *w)
{
    const struct snap_range *range = &ranges[w->seed % 2];
    for (size_t i = 0; i < LIVE_MAX; i++) {
        struct live *l = &w->jobs[i];
        if (l->known)
            continue;
        l->job = (struct plan_job){
            .id = { 1 + (int)snap_dice(&w->snap, 9), w->next_proc++ },
            .user = (uint32_t)snap_dice(&w->snap, w->snap.s.user_count),
            .priority = (int64_t)snap_dice(&w->snap, 3),
            .submitted_us = SNAP_NOW - (int64_t)snap_dice(&w->snap, 24) * HOUR,
            .was_evicted = snap_chance(&w->snap, 20),
        };
        snap_size(&w->snap, range, &l->job);
        snap_costs(&w->snap, &l->job);
        tell(w, l);
        return;
    }
}

static void leave(struct world *w)
{
    struct live *l = any_in(w, PLAN_LEAVING);
    if (!l)
        return;
    if (snap_chance(&w->snap, 30)) {
        forget(w, l);
        return;
    }
    l->job.state = PLAN_IDLE;
    l->job.was_evicted = true;
    tell(w, l);
}

static void change_node(struct world *w)
{
    uint32_t node = (uint32_t)snap_dice(&w->snap, w->snap.s.node_count);
    w->snap.nodes[node] = snap_chance(&w->snap, 50) ? w->whole[node] : (struct plan_node){ 0 };
    plan_state_set_node(w->state, node, &w->snap.nodes[node]);
}

static void happen(struct world *w)
{
    struct live *l = NULL;
    switch (snap_dice(&w->snap, 8)) {
    case 0:
    case 1:
        arrive(w);
        break;
    case 2:
        leave(w);
        break;
    case 3:
        l = any_in(w, PLAN_RUNNING);
        if (l)
            forget(w, l);
        break;
    case 4:
        l = any_in(w, PLAN_IDLE);
        if (l)
            forget(w, l);
        break;
    case 5:
        l = any_in(w, PLAN_RUNNING); /* a checkpoint of its own: nobody is told */
        if (l)
            snap_costs(&w->snap, &l->job);
        break;
    case 6:
        change_node(w);
        break;
    case 7: {
        uint32_t user = (uint32_t)snap_dice(&w->snap, w->snap.s.user_count);
        w->snap.users[user].weight = (double)snap_dice(&w->snap, 9) / 4;
        plan_state_set_weight(w->state, user, w->snap.users[user].weight);
        break;
    }
    }
}

/* ---- both plans ---- */

static const struct plan_job *of_state(const struct world *w, uint32_t number)
{
    return plan_state_job(w->state, number);
}

static void compare(const struct world *w, const struct plan_action *kept, const struct plan_action *made)
{
    bool evicts = made->kind == PLAN_EVICT || made->kind == PLAN_WAIT;
    if (kept->kind != made->kind || kept->node != made->node || kept->way != made->way ||
        of_state(w, kept->job)->id.proc != w->snap.jobs[made->job].id.proc)
        fail_msg("seed %lu: kept: %u of %d on %u, made: %u of %d on %u", w->seed, kept->kind, of_state(w, kept->job)->id.proc,
                 kept->node, made->kind, w->snap.jobs[made->job].id.proc, made->node);
    if (evicts && (of_state(w, kept->for_job)->id.proc != w->snap.jobs[made->for_job].id.proc ||
                   kept->for_user != made->for_user || memcmp(kept->ways, made->ways, sizeof kept->ways) != 0))
        fail_msg("seed %lu: an eviction for another", w->seed);
}

static struct live *by_number(struct world *w, uint32_t number)
{
    for (size_t i = 0; i < LIVE_MAX; i++)
        if (w->jobs[i].known && w->jobs[i].number == number)
            return &w->jobs[i];
    fail_msg("seed %lu: no job has number %u", w->seed, number);
    return NULL;
}

/* What the state took as done is done. */
static void follow(struct world *w, const struct plan *plan, size_t from)
{
    for (size_t i = from; i < plan->count; i++) {
        const struct plan_action *action = &plan->actions[i];
        struct plan_job *job = &by_number(w, action->job)->job;
        if (action->kind == PLAN_START) {
            job->state = PLAN_RUNNING;
            job->node = action->node;
            job->started_us = SNAP_NOW;
            job->due_us = -1;
            job->was_evicted = false;
        } else if (action->kind == PLAN_EVICT) {
            job->state = PLAN_LEAVING;
        }
    }
}

static void take_snapshot(struct world *w)
{
    size_t n = 0;
    for (size_t i = 0; i < LIVE_MAX; i++)
        if (w->jobs[i].known)
            w->snap.jobs[n++] = w->jobs[i].job;
    w->snap.s.job_count = n;
    snap_wire(&w->snap);
}

static void ask_both(struct world *w)
{
    struct plan kept = { 0 }, made = { 0 };
    int64_t after = w->snap.s.rules.reserve_after_us;
    take_snapshot(w);
    snap_plan(&w->snap, &made);
    plan_state_reserve(w->state, after > 0 ? SNAP_NOW - after : INT64_MIN);
    plan_state_starts(w->state, &kept);
    follow(w, &kept, 0);
    size_t starts = kept.count;
    plan_state_evictions(w->state, SNAP_NOW, &w->snap.s.rules, &kept);
    follow(w, &kept, starts);
    plan_state_checkpoints(w->state, SNAP_NOW, &kept);
    for (size_t i = 0; i < kept.count && i < made.count; i++)
        compare(w, &kept.actions[i], &made.actions[i]);
    if (kept.count != made.count)
        fail_msg("seed %lu: %zu actions kept, %zu made", w->seed, kept.count, made.count);
    plan_release(&kept);
    plan_release(&made);
}

static void a_kept_state_plans_what_a_snapshot_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct world w;
        begin(&w, seed);
        for (int step = 0; step < STEPS; step++) {
            ask_both(&w);
            for (uint64_t n = snap_dice(&w.snap, 4); n > 0; n--)
                happen(&w);
        }
        plan_state_free(w.state);
    }
}

/* Rounds without evictions between, as a simulator asks at most events. */
static void starts_alone_are_those_of_a_snapshot(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES / 4; seed++) {
        struct world w;
        begin(&w, seed);
        for (int step = 0; step < 2 * STEPS; step++) {
            struct plan kept = { 0 }, made = { 0 };
            take_snapshot(&w);
            w.snap.s.rules = (struct plan_rules){ 0 };
            snap_plan(&w.snap, &made);
            plan_state_starts(w.state, &kept);
            for (size_t i = 0; i < kept.count; i++)
                compare(&w, &kept.actions[i], &made.actions[i]);
            if (kept.count < made.count && made.actions[kept.count].kind == PLAN_START)
                fail_msg("seed %lu: a start is missing", seed);
            follow(&w, &kept, 0);
            plan_release(&kept);
            plan_release(&made);
            happen(&w);
        }
        plan_state_free(w.state);
    }
}

static void standing_counts_what_runs_leaves_and_waits(void **state)
{
    (void)state;
    struct plan_user users[] = { { .weight = 1 }, { .weight = 1, .limit_cpus = 3 } };
    struct plan_node nodes[] = { { .cpus = 8 } };
    struct plan_state *s = plan_state_new(users, 2, nodes, 1, NULL, 0);
    struct plan_job jobs[] = {
        { .id = { 1, 0 }, .user = 0, .cpus = 2, .state = PLAN_RUNNING },
        { .id = { 1, 1 }, .user = 0, .cpus = 1, .state = PLAN_LEAVING },
        { .id = { 1, 2 }, .user = 0, .cpus = 9 },
        { .id = { 1, 3 }, .user = 0, .cpus = 4 },
        { .id = { 1, 4 }, .user = 1, .cpus = 5 },
    };
    struct plan_standing standing;
    uint32_t numbers[5];
    for (int i = 0; i < 5; i++)
        numbers[i] = plan_state_add(s, &jobs[i]);
    plan_state_standing(s, 0, &standing);
    assert_int_equal(standing.running_cpus, 2);
    assert_int_equal(standing.wanted_cpus, 7); /* 9 cpus are more than any node has */
    assert_true(fabs(standing.target_cpus - 5) < 1e-9);
    plan_state_standing(s, 1, &standing);
    assert_int_equal(standing.wanted_cpus, 3);
    assert_true(fabs(standing.target_cpus - 3) < 1e-9);
    assert_true(plan_state_owes(s));
    plan_state_remove(s, numbers[3]);
    plan_state_remove(s, numbers[4]);
    assert_false(plan_state_owes(s));
    plan_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_state_plans_what_a_snapshot_does),
        cmocka_unit_test(starts_alone_are_those_of_a_snapshot),
        cmocka_unit_test(standing_counts_what_runs_leaves_and_waits),
    };
    return cmocka_run_group_tests_name("policy_state", tests, NULL, NULL);
}
