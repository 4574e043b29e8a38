/*
 * The books of a plan: who runs what where, what is free on each node, what will be when those that are leaving have left.
 * Every change is told here once; whoever plans reads. Nothing in here depends on the order in which the changes came: that is
 * what makes the plan from the kept state the same as the one from a snapshot.
 */
#include "policy/plan_parts.h"

#include "base/mem.h"
#include "policy/share.h"

#include <math.h>
#include <string.h>

struct room plan_need(const struct plan_job *job)
{
    return (struct room){ job->cpus, job->memory_mb, job->disk_kb };
}

bool plan_before(const struct plan_job *a, const struct plan_job *b)
{
    return a->id.cluster != b->id.cluster ? a->id.cluster < b->id.cluster : a->id.proc < b->id.proc;
}

struct plan_action *plan_append(struct plan *out, enum plan_kind kind, uint32_t job, uint32_t node)
{
    out->actions = mem_grow(out->actions, &out->capacity, out->count + 1, sizeof *out->actions);
    struct plan_action *action = &out->actions[out->count++];
    *action = (struct plan_action){ .kind = kind, .job = job, .node = node, .way = PLAN_WAY_COUNT };
    return action;
}

/* ---- users ---- */

/* Half a cpu more, so that of those with nothing the one with the most weight is first, and the filling ends where rounding to
 * whole cpus does (Sainte-Lague's method). */
double plan_ratio(int64_t running, double weight)
{
    return weight > 0 ? ((double)running + 0.5) / weight : INFINITY;
}

void plan_count_running(struct plan_state *state, uint32_t user, int64_t cpus)
{
    struct plan_person *person = &state->users[user];
    person->running_cpus += cpus;
    person->ratio = plan_ratio(person->running_cpus, person->user.weight);
    if (state->group_count == 0)
        return;
    size_t group = person->user.group;
    state->group_running[group] += cpus;
    state->group_ratios[group] = plan_ratio(state->group_running[group], state->group_shares[group]);
}

void plan_state_set_weight(struct plan_state *state, uint32_t user, double weight)
{
    state->users[user].user.weight = weight;
    plan_count_running(state, user, 0);
}

/* What it wants and could ever get: idle jobs that no node could hold do not count. */
static int64_t wanted(const struct plan_state *state, const struct plan_person *person)
{
    int64_t cpus = person->running_cpus + person->leaving_cpus;
    for (size_t i = 0; i < person->waiting.class_count; i++) {
        const struct plan_class *class = &person->waiting.classes[i];
        if (class->count > 0 && room_tree_find(&state->capacity, &class->need) != ROOM_NONE)
            cpus += (int64_t) class->count * class->need.cpus;
    }
    int limit = person->user.limit_cpus;
    return limit > 0 && cpus > limit ? limit : cpus;
}

void plan_find_targets(struct plan_state *state)
{
    auto_free struct share_user *users = mem_zero(state->user_count, sizeof *users);
    for (size_t i = 0; i < state->user_count; i++) {
        const struct plan_person *person = &state->users[i];
        users[i] = (struct share_user){ person->user.weight, (double)wanted(state, person), person->user.group };
    }
    share_group_targets(users, state->user_count, state->group_shares, state->group_count, (double)state->total_cpus,
                        state->targets);
    auto_free int64_t *running = mem_zero(state->user_count, sizeof *running);
    for (size_t i = 0; i < state->user_count; i++)
        running[i] = state->users[i].running_cpus;
    share_round(state->targets, running, state->user_count, state->whole);
}

void plan_state_standing(struct plan_state *state, uint32_t user, struct plan_standing *out)
{
    const struct plan_person *person = &state->users[user];
    plan_find_targets(state);
    *out = (struct plan_standing){ .running_cpus = person->running_cpus,
                                   .wanted_cpus = wanted(state, person),
                                   .target_cpus = state->targets[user],
                                   .whole_cpus = state->whole[user] };
}

static void list_running(struct plan_state *state, uint32_t number)
{
    struct plan_person *person = &state->users[state->entries[number].job->user];
    person->running = mem_grow(person->running, &person->running_capacity, person->running_count + 1, sizeof *person->running);
    state->entries[number].at = (uint32_t)person->running_count;
    person->running[person->running_count++] = number;
}

static void unlist_running(struct plan_state *state, uint32_t number)
{
    struct plan_person *person = &state->users[state->entries[number].job->user];
    uint32_t last = person->running[--person->running_count];
    person->running[state->entries[number].at] = last;
    state->entries[last].at = state->entries[number].at;
}

/* ---- nodes ---- */

static int64_t beyond(int64_t promised, int64_t leaving)
{
    return promised > leaving ? promised - leaving : 0;
}

/* Room that was promised comes from what is leaving first; the rest is kept free for it. */
static void refresh(struct plan_state *state, uint32_t node)
{
    static const struct room nothing = { -1, -1, -1 };
    const struct plan_site *site = &state->nodes[node];
    struct room free_now = site->free, coming = site->free;
    struct room kept = {
        beyond(site->promised.cpus, site->leaving.cpus),
        beyond(site->promised.memory_mb, site->leaving.memory_mb),
        beyond(site->promised.disk_kb, site->leaving.disk_kb),
    };
    room_take(&free_now, &kept);
    room_tree_set(&state->tree, node, &free_now);
    room_add(&coming, &site->leaving);
    room_take(&coming, &site->promised);
    room_tree_set(&state->coming, node, site->leaving_jobs > 0 ? &coming : &nothing);
}

void plan_promise_room(struct plan_state *state, uint32_t node, const struct room *need, int sign)
{
    struct plan_site *site = &state->nodes[node];
    if (sign > 0)
        room_add(&site->promised, need);
    else
        room_take(&site->promised, need);
    refresh(state, node);
}

void plan_state_set_node(struct plan_state *state, uint32_t node, const struct plan_node *capacity)
{
    struct plan_site *site = &state->nodes[node];
    struct room was = { site->capacity.cpus, site->capacity.memory_mb, site->capacity.disk_kb };
    struct room is = { capacity->cpus, capacity->memory_mb, capacity->disk_kb };
    state->total_cpus += is.cpus - was.cpus;
    site->capacity = *capacity;
    room_take(&site->free, &was);
    room_add(&site->free, &is);
    room_tree_set(&state->capacity, node, &is);
    refresh(state, node);
    state->epoch++;
}

/* ---- jobs ---- */

void plan_run_entry(struct plan_state *state, uint32_t number, uint32_t node)
{
    struct plan_entry *entry = &state->entries[number];
    struct plan_person *person = &state->users[entry->job->user];
    struct room need = plan_need(entry->job);
    waiting_remove(state, &person->waiting, number);
    person->idle_cpus -= need.cpus;
    entry->state = PLAN_RUNNING;
    entry->node = node;
    list_running(state, number);
    plan_count_running(state, entry->job->user, need.cpus);
    room_take(&state->nodes[node].free, &need);
    refresh(state, node);
}

void plan_leave_entry(struct plan_state *state, uint32_t number)
{
    struct plan_entry *entry = &state->entries[number];
    struct plan_site *site = &state->nodes[entry->node];
    struct room need = plan_need(entry->job);
    unlist_running(state, number);
    plan_count_running(state, entry->job->user, -need.cpus);
    entry->state = PLAN_LEAVING;
    state->users[entry->job->user].leaving_cpus += need.cpus;
    room_add(&site->leaving, &need);
    site->leaving_jobs++;
    refresh(state, entry->node);
    state->epoch++;
}

static void add_placed(struct plan_state *state, uint32_t number)
{
    struct plan_entry *entry = &state->entries[number];
    struct room need = plan_need(entry->job);
    entry->node = entry->job->node;
    entry->state = PLAN_RUNNING;
    list_running(state, number);
    plan_count_running(state, entry->job->user, need.cpus);
    room_take(&state->nodes[entry->node].free, &need);
    refresh(state, entry->node);
    if (entry->job->state == PLAN_LEAVING)
        plan_leave_entry(state, number);
}

uint32_t plan_state_add(struct plan_state *state, const struct plan_job *job)
{
    uint32_t number = state->free_entry;
    if (number != PLAN_NONE) {
        state->free_entry = state->entries[number].at;
    } else {
        state->entries = mem_grow(state->entries, &state->entry_capacity, state->entry_count + 1, sizeof *state->entries);
        number = (uint32_t)state->entry_count++;
    }
    state->entries[number] = (struct plan_entry){ .job = job, .node = PLAN_NONE, .state = PLAN_IDLE };
    if (job->state != PLAN_IDLE) {
        add_placed(state, number);
        return number;
    }
    state->users[job->user].idle_cpus += job->cpus;
    waiting_add(state, &state->users[job->user].waiting, number);
    return number;
}

const struct plan_job *plan_state_job(const struct plan_state *state, uint32_t number)
{
    return state->entries[number].job;
}

void plan_state_remove(struct plan_state *state, uint32_t number)
{
    struct plan_entry *entry = &state->entries[number];
    struct plan_person *person = &state->users[entry->job->user];
    struct room need = plan_need(entry->job);
    if (entry->state == PLAN_IDLE) {
        waiting_remove(state, &person->waiting, number);
        person->idle_cpus -= need.cpus;
    } else {
        struct plan_site *site = &state->nodes[entry->node];
        if (entry->state == PLAN_RUNNING) {
            unlist_running(state, number);
            plan_count_running(state, entry->job->user, -need.cpus);
        } else {
            person->leaving_cpus -= need.cpus;
            room_take(&site->leaving, &need);
            site->leaving_jobs--;
        }
        room_add(&site->free, &need);
        refresh(state, entry->node);
        state->epoch++;
    }
    *entry = (struct plan_entry){ .at = state->free_entry };
    state->free_entry = number;
}

/* ---- life ---- */

struct plan_state *plan_state_new(const struct plan_user *users, size_t user_count, const struct plan_node *nodes,
                                  size_t node_count, const double *shares, size_t group_count)
{
    struct plan_state *state = mem_new(struct plan_state);
    state->free_entry = PLAN_NONE;
    state->reserve_before_us = INT64_MIN;
    state->user_count = user_count;
    state->users = mem_zero(user_count, sizeof *state->users);
    state->targets = mem_zero(user_count, sizeof *state->targets);
    state->whole = mem_zero(user_count, sizeof *state->whole);
    state->group_count = group_count;
    state->group_shares = mem_zero(group_count, sizeof *state->group_shares);
    state->group_ratios = mem_zero(group_count, sizeof *state->group_ratios);
    state->group_running = mem_zero(group_count, sizeof *state->group_running);
    for (size_t i = 0; i < group_count; i++)
        state->group_shares[i] = shares[i];
    for (size_t i = 0; i < user_count; i++) {
        state->users[i].user = users[i];
        if (group_count == 0)
            state->users[i].user.group = 0;
        state->users[i].waiting.free_class = PLAN_NONE;
        plan_count_running(state, (uint32_t)i, 0);
    }
    state->node_count = node_count;
    state->nodes = mem_zero(node_count, sizeof *state->nodes);
    room_tree_init(&state->tree, node_count);
    room_tree_init(&state->coming, node_count);
    room_tree_init(&state->capacity, node_count);
    for (size_t i = 0; i < node_count; i++)
        plan_state_set_node(state, (uint32_t)i, &nodes[i]);
    return state;
}

void plan_state_free(struct plan_state *state)
{
    if (!state)
        return;
    for (size_t i = 0; i < state->user_count; i++) {
        waiting_release(&state->users[i].waiting);
        free(state->users[i].running);
    }
    room_tree_release(&state->tree);
    room_tree_release(&state->coming);
    room_tree_release(&state->capacity);
    free(state->entries);
    free(state->users);
    free(state->targets);
    free(state->whole);
    free(state->group_shares);
    free(state->group_ratios);
    free(state->group_running);
    free(state->nodes);
    free(state->promises);
    free(state->waited);
    free(state);
}
