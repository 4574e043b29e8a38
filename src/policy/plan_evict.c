/*
 * Evictions. In the order of who has the least for its weight, each job that its user is owed is given, in the plan, the
 * cheapest of:
 *   - room that is free, or that jobs which are leaving anyway will leave;
 *   - the next job above share that ends by itself. Among many jobs one ends soon, whichever it is: at a rate r of such ends
 *     the i-th job that counts on it waits i/r, which costs lambda * cpus * i/r and no badput;
 *   - the cheapest set of victims. If all of them act at once, they are evicted; if one of them is better waited for, nothing
 * is done yet: the plan is made again at every event. A job is owed if starting it brings its user closer to its target, or not
 * further from it on the other side than it was on this; a victim only goes if its user stays at target or above. So every
 * eviction reduces the distance D from fair share, and with unchanged demand evictions come to an end.
 */
#include "policy/victims.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

struct look {
    struct plan_state *state;
    const struct plan_rules *rules;
    struct plan *out;
    struct victims victims;
    struct victim_set set;
    int64_t counted_on; /* jobs that wait for others to end by themselves */
};

static bool is_owed(const struct plan_state *state, uint32_t user, int64_t cpus)
{
    return cpus <= 2 * (state->whole[user] - state->users[user].running_cpus);
}

/* Why the class can not even be thought of. PLAN_STARTS: it can. */
static enum plan_reason refusal(const struct plan_state *state, uint32_t user, const struct room *need)
{
    if (room_tree_find(&state->capacity, need) == ROOM_NONE)
        return PLAN_TOO_LARGE;
    if (plan_at_limit(&state->users[user], need->cpus))
        return PLAN_USER_LIMIT;
    return is_owed(state, user, need->cpus) ? PLAN_STARTS : PLAN_BEHIND;
}

/* What it costs to wait until enough others have ended by themselves for this one, too. */
static double turnover_cost(struct look *look, uint32_t user, const struct room *need)
{
    if (look->rules->no_turnover || isinf(look->rules->lambda) || room_is_missed(&look->victims.misses, need))
        return INFINITY;
    int64_t rate = victims_end_rate(&look->victims, user, need);
    if (rate <= 0)
        return INFINITY;
    double wait_s = (double)(look->counted_on + 1) * 1e9 / (double)rate;
    return look->rules->lambda * (double)need->cpus * wait_s;
}

static void note_waited(struct plan_state *state, uint32_t number)
{
    state->waited = mem_grow(state->waited, &state->waited_capacity, state->waited_count + 1, sizeof *state->waited);
    state->waited[state->waited_count++] = number;
    state->entries[number].waited_for = true;
}

static void forget_waited(struct plan_state *state)
{
    for (size_t i = 0; i < state->waited_count; i++)
        state->entries[state->waited[i]].waited_for = false;
    state->waited_count = 0;
}

static bool all_act(const struct look *look)
{
    for (size_t i = 0; i < look->set.count; i++)
        if (!ways_acts(look->victims.all[look->set.members[i]].way))
            return false;
    return true;
}

static void carry_out(struct look *look, uint32_t user, uint32_t for_job)
{
    bool now = all_act(look);
    for (size_t i = 0; i < look->set.count; i++) {
        const struct victim *victim = &look->victims.all[look->set.members[i]];
        struct plan_action *action = plan_append(look->out, now ? PLAN_EVICT : PLAN_WAIT, victim->number, victim->node);
        action->way = victim->way;
        action->for_user = user;
        action->for_job = for_job;
        for (int way = 0; way < PLAN_WAY_COUNT; way++)
            action->ways[way] = victim->ways[way];
        victims_use(&look->victims, look->set.members[i]);
        if (now)
            plan_leave_entry(look->state, victim->number);
        else
            note_waited(look->state, victim->number);
    }
    plan_promise(look->state, user, now ? look->set.node : plan_reserve(look->state, for_job),
                 now ? PLAN_WAITS_LEAVING : PLAN_WAITS_JOB);
}

/* Nobody makes room for it. If it has waited for long, it gets what becomes free on some node; else all of its size are out. */
static void turn_down(struct plan_state *state, uint32_t user, uint32_t class, enum plan_reason reason)
{
    struct plan_waiting *waiting = &state->users[user].waiting;
    bool possible = reason == PLAN_BEHIND || reason == PLAN_NO_ROOM;
    uint32_t node = possible ? plan_reserve(state, waiting->classes[class].heap[0]) : PLAN_NONE;
    if (node != PLAN_NONE)
        plan_promise(state, user, node, PLAN_WAITS_ROOM);
    else
        waiting_fail(state, waiting, class, reason);
}

/* Not even the smallest of its jobs is owed, and no room can be kept for one of them. */
static bool is_out(const struct plan_state *state, uint32_t user)
{
    return !is_owed(state, user, 1) && (state->reserved || state->reserve_before_us == INT64_MIN);
}

static void serve(struct look *look, uint32_t user)
{
    struct plan_state *state = look->state;
    struct plan_waiting *waiting = &state->users[user].waiting;
    uint32_t class = waiting_best(waiting), number = waiting->classes[class].heap[0];
    struct room need = waiting->classes[class].need;
    if (is_out(state, user)) {
        waiting_fail_all(waiting, PLAN_BEHIND);
        return;
    }
    enum plan_reason refused = refusal(state, user, &need);
    if (refused != PLAN_STARTS) {
        turn_down(state, user, class, refused);
        return;
    }
    size_t node = room_tree_find(&state->tree, &need);
    if (node == ROOM_NONE)
        node = room_tree_find(&state->coming, &need);
    if (node != ROOM_NONE) {
        plan_promise(state, user, (uint32_t)node, PLAN_WAITS_LEAVING);
        return;
    }
    double wait_cost = turnover_cost(look, user, &need);
    victims_find(&look->victims, user, &need, wait_cost, &look->set);
    if (look->set.cost < wait_cost) {
        carry_out(look, user, number);
    } else if (!isinf(wait_cost)) {
        look->counted_on++;
        plan_promise(state, user, plan_reserve(state, number), PLAN_WAITS_TURNOVER);
    } else {
        turn_down(state, user, class, PLAN_NO_ROOM);
    }
}

static void explain(const struct plan_state *state, enum plan_reason *reasons)
{
    for (size_t i = 0; i < state->promise_count; i++)
        reasons[state->promises[i].number] = state->promises[i].reason;
    for (size_t u = 0; u < state->user_count; u++) {
        const struct plan_waiting *waiting = &state->users[u].waiting;
        for (size_t i = 0; i < waiting->failed_count; i++) {
            const struct plan_class *class = &waiting->classes[waiting->failed[i]];
            enum plan_reason reason = (enum plan_reason) class->reason;
            if (reason == PLAN_BEHIND) /* all of the user's were turned down together */
                reason = refusal(state, (uint32_t)u, &class->need);
            for (size_t k = 0; k < class->count; k++)
                reasons[class->heap[k]] = reason;
        }
    }
}

void plan_look(struct plan_state *state, int64_t now_us, const struct plan_rules *rules, struct plan *out,
               enum plan_reason *reasons)
{
    struct look look = { .state = state, .rules = rules, .out = out };
    plan_find_targets(state);
    forget_waited(state);
    state->epoch++;
    for (size_t i = 0; i < state->user_count; i++)
        waiting_retry(state, &state->users[i].waiting);
    victims_init(&look.victims, state, now_us, rules);
    for (uint32_t user; (user = plan_next_user(state)) != PLAN_NONE;)
        serve(&look, user);
    if (reasons)
        explain(state, reasons);
    plan_end_round(state);
    state->epoch++;
    victims_release(&look.victims);
    free(look.set.members);
}

bool plan_state_owes(struct plan_state *state)
{
    plan_find_targets(state);
    for (size_t u = 0; u < state->user_count; u++) {
        const struct plan_waiting *waiting = &state->users[u].waiting;
        for (size_t i = 0; i < waiting->class_count; i++)
            if (waiting->classes[i].count > 0 && refusal(state, (uint32_t)u, &waiting->classes[i].need) == PLAN_STARTS)
                return true;
    }
    return false;
}

void plan_state_evictions(struct plan_state *state, int64_t now_us, const struct plan_rules *rules, struct plan *out)
{
    if (plan_state_owes(state))
        plan_look(state, now_us, rules, out, NULL);
    else
        forget_waited(state);
}

/* ---- periodic checkpoints ---- */

static bool is_due(const struct plan_entry *entry, int64_t now_us)
{
    const struct plan_job *job = entry->job;
    if (!job || entry->state != PLAN_RUNNING || job->state != PLAN_RUNNING || job->due_us < 0)
        return false;
    return (job->ways & (1u << PLAN_WAY_CHECKPOINT)) && job->due_us - (entry->waited_for ? job->period_us / 2 : 0) <= now_us;
}

void plan_state_checkpoints(struct plan_state *state, int64_t now_us, struct plan *out)
{
    size_t begin = out->count;
    for (uint32_t i = 0; i < state->entry_count; i++) {
        const struct plan_entry *entry = &state->entries[i];
        if (!is_due(entry, now_us))
            continue;
        plan_append(out, PLAN_CHECKPOINT, i, entry->node);
        size_t at = out->count - 1;
        for (; at > begin && plan_before(entry->job, state->entries[out->actions[at - 1].job].job); at--)
            out->actions[at] = out->actions[at - 1];
        out->actions[at] =
            (struct plan_action){ .kind = PLAN_CHECKPOINT, .job = i, .node = entry->node, .way = PLAN_WAY_COUNT };
    }
}
