/*
 * Starts, by progressive filling: the next job is always one of the user who has the least for its weight. That leads to the
 * weighted max-min targets without knowing them. A job that does not fit while others are leaving is promised their room, so
 * that a large one is not overtaken for ever by small ones that slip into what was freed for it. What fits nowhere is out for
 * the round, with all of its size.
 */
#include "policy/plan_parts.h"

#include "base/mem.h"

/* Group by group; users with equal ratios by number. */
static bool is_before(const struct plan_state *state, uint32_t a, uint32_t b)
{
    const struct plan_person *x = &state->users[a], *y = &state->users[b];
    if (state->group_count > 0 && x->user.group != y->user.group) {
        double p = state->group_ratios[x->user.group], q = state->group_ratios[y->user.group];
        return p != q ? p < q : x->user.group < y->user.group;
    }
    if (x->ratio != y->ratio)
        return x->ratio < y->ratio;
    if (x->running_cpus != y->running_cpus)
        return x->running_cpus < y->running_cpus;
    return a < b;
}

uint32_t plan_next_user(const struct plan_state *state)
{
    uint32_t best = PLAN_NONE;
    for (uint32_t i = 0; i < state->user_count; i++) {
        const struct plan_waiting *waiting = &state->users[i].waiting;
        if (waiting->ready_count > 0 && (best == PLAN_NONE || is_before(state, i, best)))
            best = i;
    }
    return best;
}

bool plan_at_limit(const struct plan_person *person, int64_t cpus)
{
    return person->user.limit_cpus > 0 && person->running_cpus + person->leaving_cpus + cpus > person->user.limit_cpus;
}

void plan_promise(struct plan_state *state, uint32_t user, uint32_t node, enum plan_reason reason)
{
    struct plan_person *person = &state->users[user];
    uint32_t number = person->waiting.classes[waiting_best(&person->waiting)].heap[0];
    struct room need = plan_need(state->entries[number].job);
    state->promises = mem_grow(state->promises, &state->promise_capacity, state->promise_count + 1, sizeof *state->promises);
    state->promises[state->promise_count++] = (struct plan_promise){ number, user, node, reason };
    waiting_remove(state, &person->waiting, number);
    plan_count_running(state, user, need.cpus);
    if (node != PLAN_NONE)
        plan_promise_room(state, node, &need, 1);
}

void plan_state_reserve(struct plan_state *state, int64_t before_us)
{
    if (before_us == state->reserve_before_us)
        return;
    state->reserve_before_us = before_us;
    state->epoch++;
}

/* The node with the most free cpus of those that could hold it when empty. */
static uint32_t roomiest(const struct plan_state *state, const struct room *need)
{
    uint32_t best = (uint32_t)room_tree_roomiest(&state->tree);
    if (room_holds(room_tree_get(&state->capacity, best), need))
        return best;
    best = PLAN_NONE;
    for (uint32_t i = 0; i < state->node_count; i++)
        if (room_holds(room_tree_get(&state->capacity, i), need) &&
            (best == PLAN_NONE || room_tree_get(&state->tree, i)->cpus > room_tree_get(&state->tree, best)->cpus))
            best = i;
    return best;
}

uint32_t plan_reserve(struct plan_state *state, uint32_t number)
{
    const struct plan_job *job = state->entries[number].job;
    struct room need = plan_need(job);
    if (state->reserved || job->submitted_us >= state->reserve_before_us)
        return PLAN_NONE;
    uint32_t node = roomiest(state, &need);
    state->reserved = node != PLAN_NONE;
    return node;
}

/* What failed because of a promise is worth another try: the next round may promise otherwise. */
void plan_end_round(struct plan_state *state)
{
    if (state->promise_count > 0)
        state->epoch++;
    state->reserved = false;
    while (state->promise_count > 0) {
        const struct plan_promise *promise = &state->promises[--state->promise_count];
        struct room need = plan_need(state->entries[promise->number].job);
        if (promise->node != PLAN_NONE)
            plan_promise_room(state, promise->node, &need, -1);
        plan_count_running(state, promise->user, -need.cpus);
        waiting_add(state, &state->users[promise->user].waiting, promise->number);
    }
}

static void try_next(struct plan_state *state, uint32_t user, struct room_misses *misses, struct plan *out)
{
    struct plan_waiting *waiting = &state->users[user].waiting;
    uint32_t class = waiting_best(waiting), number = waiting->classes[class].heap[0];
    const struct room *need = &waiting->classes[class].need;
    if (plan_at_limit(&state->users[user], need->cpus)) {
        waiting_fail(state, waiting, class, PLAN_USER_LIMIT);
        return;
    }
    size_t node = room_is_missed(misses, need) ? ROOM_NONE : room_tree_find(&state->tree, need);
    if (node != ROOM_NONE) {
        plan_append(out, PLAN_START, number, (uint32_t)node);
        plan_run_entry(state, number, (uint32_t)node);
        return;
    }
    room_miss(misses, need);
    node = room_tree_find(&state->coming, need);
    if (node != ROOM_NONE) {
        plan_promise(state, user, (uint32_t)node, PLAN_WAITS_LEAVING);
        return;
    }
    uint32_t kept = plan_reserve(state, number);
    if (kept != PLAN_NONE)
        plan_promise(state, user, kept, PLAN_WAITS_ROOM);
    else
        waiting_fail(state, waiting, class, PLAN_NO_ROOM);
}

/* What failed before room grew may be tried again. */
static void retry_stale(struct plan_state *state)
{
    for (size_t i = 0; i < state->user_count; i++) {
        struct plan_person *person = &state->users[i];
        if (person->waiting.used == 0 || person->epoch == state->epoch)
            continue;
        waiting_retry(state, &person->waiting);
        person->epoch = state->epoch;
    }
}

void plan_state_starts(struct plan_state *state, struct plan *out)
{
    struct room_misses misses = { 0 };
    uint32_t user;
    if (room_tree_most_cpus(&state->tree) <= 0)
        return;
    retry_stale(state);
    while (room_tree_most_cpus(&state->tree) > 0 && (user = plan_next_user(state)) != PLAN_NONE)
        try_next(state, user, &misses, out);
    plan_end_round(state);
}
