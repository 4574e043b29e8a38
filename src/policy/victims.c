/*
 * The cheapest set. Most often it is one job: candidates are taken from a heap by cost, as far as they are needed. A set of
 * several can only be cheaper if it costs less than the two cheapest together; only then each node is searched: with few
 * candidates all sets (branch and bound), with many the best by cost for what they contribute, of which those that turn out
 * superfluous are dropped again.
 */
#include "policy/victims.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum {
    SEARCH_CANDIDATES = 20, /* of so many all sets are tried */
    SEARCH_VISITS = 20000,  /* at most */
    GREEDY_CANDIDATES = 64, /* so many of a node, or as many as are needed, come into consideration */
    MEMORY_SIZES = 64,
    RATE_UNKNOWN = -1,
};

/* ---- who ---- */

static bool may_go(const struct plan_job *job, int64_t now_us, const struct plan_rules *rules)
{
    return job->may_be_evicted && now_us - job->started_us >= rules->minimum_run_us;
}

static void add_victim(struct victims *v, uint32_t number, int64_t now_us, const struct plan_rules *rules)
{
    const struct plan_entry *entry = &v->state->entries[number];
    const struct plan_job *job = entry->job;
    if (job->state != PLAN_RUNNING || job->started_us >= now_us) /* it has just been started */
        return;
    v->all = mem_grow(v->all, &v->capacity, v->count + 1, sizeof *v->all);
    struct victim *victim = &v->all[v->count++];
    *victim = (struct victim){
        .number = number,
        .user = job->user,
        .node = entry->node,
        .next = PLAN_NONE,
        .size = plan_need(job),
        .cost = INFINITY,
        .way = PLAN_WAY_COUNT,
        .end_rate = ways_end_rate(job, now_us),
    };
    if (!may_go(job, now_us, rules))
        return;
    ways_cost(job, now_us, rules->lambda, victim->ways);
    victim->way = ways_cheapest(victim->ways);
    if (victim->way != PLAN_WAY_COUNT)
        victim->cost = victim->ways[victim->way].cost_s;
}

/* ---- by cost ---- */

static bool cheaper(const struct victims *v, uint32_t a, uint32_t b)
{
    const struct victim *x = &v->all[a], *y = &v->all[b];
    if (x->cost != y->cost)
        return x->cost < y->cost;
    return plan_before(v->state->entries[x->number].job, v->state->entries[y->number].job);
}

static void sink(struct victims *v, size_t at)
{
    uint32_t moving = v->heap[at];
    for (size_t child; (child = 2 * at + 1) < v->heap_count; at = child) {
        if (child + 1 < v->heap_count && cheaper(v, v->heap[child + 1], v->heap[child]))
            child++;
        if (!cheaper(v, v->heap[child], moving))
            break;
        v->heap[at] = v->heap[child];
    }
    v->heap[at] = moving;
}

static void make_heap(struct victims *v)
{
    v->heap = mem_zero(v->count, sizeof *v->heap);
    v->order = mem_zero(v->count, sizeof *v->order);
    for (uint32_t i = 0; i < v->count; i++)
        if (!isinf(v->all[i].cost))
            v->heap[v->heap_count++] = i;
    for (size_t i = v->heap_count / 2; i-- > 0;)
        sink(v, i);
}

/* The next of the order, from the heap. False: there are no more. */
static bool draw(struct victims *v)
{
    if (v->heap_count == 0)
        return false;
    v->order[v->order_count++] = v->heap[0];
    v->heap[0] = v->heap[--v->heap_count];
    if (v->heap_count > 0)
        sink(v, 0);
    return true;
}

void victims_init(struct victims *v, const struct plan_state *state, int64_t now_us, const struct plan_rules *rules)
{
    *v = (struct victims){ .state = state, .receiver = PLAN_NONE };
    v->memory = mem_zero(MEMORY_SIZES, sizeof *v->memory);
    v->left = mem_zero(state->user_count, sizeof *v->left);
    v->givers = mem_zero(state->user_count, sizeof *v->givers);
    v->least = mem_zero(state->user_count, sizeof *v->least);
    v->group_left = mem_zero(state->group_count + 1, sizeof *v->group_left);
    v->group_least = mem_zero(state->group_count + 1, sizeof *v->group_least);
    v->group_least[state->group_count] = INT64_MIN; /* where there are no groups, this one is everybody's */
    for (size_t i = 0; i < state->group_count; i++)
        v->group_left[i] = state->group_running[i];
    for (size_t i = 0; i < state->user_count; i++) {
        const struct plan_person *person = &state->users[i];
        v->left[i] = person->running_cpus;
        if (person->running_cpus <= state->whole[i])
            continue;
        v->givers[v->giver_count++] = (uint32_t)i;
        for (size_t k = 0; k < person->running_count; k++)
            add_victim(v, person->running[k], now_us, rules);
    }
    make_heap(v);
}

void victims_release(struct victims *v)
{
    free(v->all);
    free(v->heap);
    free(v->order);
    free(v->on_node);
    free(v->memory);
    free(v->left);
    free(v->givers);
    free(v->least);
    free(v->group_left);
    free(v->group_least);
    *v = (struct victims){ 0 };
}

/* Whether who is left with so many cpus still comes after who has so many: else it would only start another job in the room. */
static bool comes_after(int64_t left, double weight, double ratio, int64_t running)
{
    double mine = plan_ratio(left, weight);
    return mine != ratio ? mine > ratio : left > running;
}

/* The least that one may be left with. */
static int64_t least_left(double weight, double ratio, int64_t running)
{
    if (isinf(ratio))
        return weight > 0 ? INT64_MAX : running + 1;
    double near = ratio * weight - 2;
    int64_t left = near > 0 ? (int64_t)near : 0;
    while (!comes_after(left, weight, ratio, running))
        left++;
    return left;
}

/* What each user, or its group, must be left with when the room is for this one. */
static void set_receiver(struct victims *v, uint32_t user)
{
    const struct plan_state *state = v->state;
    const struct plan_person *gets = &state->users[user];
    if (v->receiver == user && v->receiver_running == gets->running_cpus)
        return;
    v->receiver = user;
    v->receiver_running = gets->running_cpus;
    for (size_t i = 0; i < state->group_count; i++)
        v->group_least[i] = i == gets->user.group ? 0
                                                  : least_left(state->group_shares[i], state->group_ratios[gets->user.group],
                                                               state->group_running[gets->user.group]);
    for (size_t k = 0; k < v->giver_count; k++) {
        uint32_t i = v->givers[k];
        bool rivals = state->users[i].user.group == gets->user.group;
        int64_t least = rivals ? least_left(state->users[i].user.weight, gets->ratio, gets->running_cpus) : 0;
        v->least[i] = least > state->whole[i] ? least : state->whole[i];
    }
}

static bool is_usable(const struct victims *v, const struct victim *victim)
{
    size_t group = v->state->users[victim->user].user.group;
    return !victim->used && v->left[victim->user] - victim->size.cpus >= v->least[victim->user] &&
           v->group_left[group] - victim->size.cpus >= v->group_least[group];
}

static void take_cpus(struct victims *v, const struct victim *victim, int64_t cpus)
{
    v->left[victim->user] -= cpus;
    v->group_left[v->state->users[victim->user].user.group] -= cpus;
}

/* What is free, or will be, for nobody in particular. */
static struct room open_room(const struct plan_state *state, uint32_t node)
{
    const struct plan_site *site = &state->nodes[node];
    struct room room = site->free;
    room_add(&room, &site->leaving);
    room_take(&room, &site->promised);
    return room;
}

static bool suffices(const struct victims *v, const struct victim *victim, const struct room *need)
{
    struct room room = open_room(v->state, victim->node);
    room_add(&room, &victim->size);
    return room_holds(&room, need);
}

static bool is_same(const struct room *a, const struct room *b)
{
    return a->cpus == b->cpus && a->memory_mb == b->memory_mb && a->disk_kb == b->disk_kb;
}

static int64_t count_rate(const struct victims *v, const struct room *need)
{
    int64_t rate = 0;
    for (size_t i = 0; i < v->count; i++)
        if (is_usable(v, &v->all[i]) && suffices(v, &v->all[i], need))
            rate += v->all[i].end_rate;
    return rate;
}

/* With more sizes than there is memory for, the last place is that of whichever came last. */
static struct victims_memory *recall(struct victims *v, const struct room *need)
{
    for (size_t i = 0; i < v->memory_count; i++)
        if (is_same(&v->memory[i].need, need))
            return &v->memory[i];
    if (v->memory_count < MEMORY_SIZES)
        v->memory_count++;
    struct victims_memory *m = &v->memory[v->memory_count - 1];
    *m = (struct victims_memory){ .need = *need, .rate = RATE_UNKNOWN };
    return m;
}

void victims_use(struct victims *v, uint32_t i)
{
    struct victim *victim = &v->all[i];
    for (size_t k = 0; k < v->memory_count; k++) {
        struct victims_memory *m = &v->memory[k];
        if (m->rate > 0 && victim->size.cpus >= m->need.cpus)
            m->rate -= m->rate < victim->end_rate ? m->rate : victim->end_rate;
    }
    victim->used = true;
    take_cpus(v, victim, victim->size.cpus);
}

int64_t victims_end_rate(struct victims *v, uint32_t user, const struct room *need)
{
    set_receiver(v, user);
    struct victims_memory *m = recall(v, need);
    if (m->rate == RATE_UNKNOWN)
        m->rate = count_rate(v, need);
    return m->rate;
}

/* ---- one that suffices ---- */

static void set_single(struct victims *v, const struct room *need, double limit, struct victim_set *out)
{
    struct victims_memory *m = recall(v, need);
    for (size_t i = m->begin; i < v->order_count || draw(v); i++) {
        uint32_t index = v->order[i];
        const struct victim *victim = &v->all[index];
        if (is_usable(v, victim) && victim->cost >= limit)
            return;
        if (is_usable(v, victim) && suffices(v, victim, need)) {
            out->members[0] = index;
            out->count = 1;
            out->cost = victim->cost;
            out->node = victim->node;
            return;
        }
        m->begin = i + 1;
    }
}

/* What any two cost at least. */
static double cheapest_two(struct victims *v)
{
    double sum = 0;
    int found = 0;
    for (size_t i = v->order_begin; i < v->order_count || draw(v); i++) {
        const struct victim *victim = &v->all[v->order[i]];
        if (!is_usable(v, victim)) {
            v->order_begin += i == v->order_begin;
            continue;
        }
        sum += victim->cost;
        if (++found == 2)
            return sum;
    }
    return INFINITY;
}

/* ---- several on one node ---- */

struct search {
    struct victims *v;
    struct room lacking; /* of the node, for the job */
    uint32_t *pool;      /* candidates, cheapest first */
    size_t count;
    bool *taken; /* the set under consideration */
    bool *best;
    double best_cost;
    int visits;
};

static bool is_covered(const struct room *lacking)
{
    return lacking->cpus <= 0 && lacking->memory_mb <= 0 && lacking->disk_kb <= 0;
}

static void keep(struct search *s, double cost)
{
    s->best_cost = cost;
    for (size_t i = 0; i < s->count; i++)
        s->best[i] = s->taken[i];
}

/* Takes it into the set, or (sign < 0) out of it. */
static void take(struct search *s, size_t i, int sign)
{
    const struct victim *victim = &s->v->all[s->pool[i]];
    s->taken[i] = sign > 0;
    take_cpus(s->v, victim, sign * victim->size.cpus);
    if (sign > 0)
        room_take(&s->lacking, &victim->size);
    else
        room_add(&s->lacking, &victim->size);
}

/* Who costs nothing is left out first: so none is in the best set that is of no use there. */
static void branch(struct search *s, size_t i, double cost)
{
    if (is_covered(&s->lacking)) {
        if (cost < s->best_cost)
            keep(s, cost);
        return;
    }
    if (i == s->count || s->visits++ > SEARCH_VISITS)
        return;
    const struct victim *victim = &s->v->all[s->pool[i]];
    if (cost + victim->cost >= s->best_cost) /* the others cost no less */
        return;
    bool costs = victim->cost > 0;
    if (!costs)
        branch(s, i + 1, cost);
    if (is_usable(s->v, victim)) {
        take(s, i, 1);
        branch(s, i + 1, cost + victim->cost);
        take(s, i, -1);
    }
    if (costs)
        branch(s, i + 1, cost);
}

static double part(int64_t gives, int64_t lacking)
{
    if (lacking <= 0)
        return 0;
    return gives < lacking ? (double)gives / (double)lacking : 1;
}

static double use_of(const struct search *s, size_t i)
{
    const struct room *size = &s->v->all[s->pool[i]].size;
    return part(size->cpus, s->lacking.cpus) + part(size->memory_mb, s->lacking.memory_mb) +
           part(size->disk_kb, s->lacking.disk_kb);
}

static size_t most_useful(const struct search *s)
{
    size_t best = SIZE_MAX;
    double best_price = INFINITY;
    for (size_t i = 0; i < s->count; i++) {
        const struct victim *victim = &s->v->all[s->pool[i]];
        double use = use_of(s, i);
        if (s->taken[i] || use <= 0 || !is_usable(s->v, victim))
            continue;
        if (victim->cost / use < best_price) {
            best_price = victim->cost / use;
            best = i;
        }
    }
    return best;
}

/* Those that the others make superfluous, the dearest first. */
static double drop_superfluous(struct search *s, double cost)
{
    for (size_t i = s->count; i-- > 0;) {
        if (!s->taken[i])
            continue;
        take(s, i, -1);
        if (is_covered(&s->lacking))
            cost -= s->v->all[s->pool[i]].cost;
        else
            take(s, i, 1);
    }
    return cost;
}

static void take_none(struct search *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->taken[i])
            take(s, i, -1);
}

static void greedy(struct search *s)
{
    double cost = 0;
    while (!is_covered(&s->lacking)) {
        size_t i = most_useful(s);
        if (i == SIZE_MAX)
            break;
        take(s, i, 1);
        cost += s->v->all[s->pool[i]].cost;
    }
    if (is_covered(&s->lacking)) {
        cost = drop_superfluous(s, cost);
        if (cost < s->best_cost)
            keep(s, cost);
    }
    take_none(s);
}

/* Dearest first, so that each node's list begins with its cheapest. */
static void link_nodes(struct victims *v)
{
    v->on_node = mem_zero(v->state->node_count, sizeof *v->on_node);
    for (size_t i = 0; i < v->state->node_count; i++)
        v->on_node[i] = PLAN_NONE;
    while (draw(v))
        ;
    for (size_t i = v->order_count; i-- > 0;) {
        struct victim *victim = &v->all[v->order[i]];
        victim->next = v->on_node[victim->node];
        v->on_node[victim->node] = v->order[i];
    }
}

/* The node's candidates, cheapest first; false if all of them together would not do. */
static bool fill_pool(struct search *s, uint32_t node, const struct room *need)
{
    struct room all = open_room(s->v->state, node);
    s->lacking = *need;
    room_take(&s->lacking, &all);
    s->count = 0;
    for (uint32_t i = s->v->on_node[node]; i != PLAN_NONE; i = s->v->all[i].next) {
        if (!is_usable(s->v, &s->v->all[i]))
            continue;
        if (s->v->all[i].cost >= s->best_cost || (s->count >= GREEDY_CANDIDATES && room_holds(&all, need)))
            break;
        s->pool[s->count++] = i;
        room_add(&all, &s->v->all[i].size);
    }
    return room_holds(&all, need);
}

static void search_node(struct search *s, uint32_t node, const struct room *need, struct victim_set *out)
{
    if (!fill_pool(s, node, need))
        return;
    s->visits = 0;
    for (size_t i = 0; i < s->count; i++)
        s->taken[i] = false;
    double before = s->best_cost;
    greedy(s);
    if (s->count <= SEARCH_CANDIDATES)
        branch(s, 0, 0);
    if (!(s->best_cost < before))
        return;
    out->count = 0;
    out->cost = s->best_cost;
    out->node = node;
    for (size_t i = 0; i < s->count; i++)
        if (s->best[i])
            out->members[out->count++] = s->pool[i];
}

static void set_several(struct victims *v, const struct room *need, double limit, struct victim_set *out)
{
    auto_free uint32_t *pool = mem_zero(v->count, sizeof *pool);
    auto_free bool *flags = mem_zero(2 * v->count, sizeof *flags);
    struct search s = { .v = v, .pool = pool, .taken = flags, .best = flags + v->count };
    s.best_cost = out->cost < limit ? out->cost : limit;
    if (!v->on_node)
        link_nodes(v);
    for (uint32_t node = 0; node < v->state->node_count; node++)
        if (v->on_node[node] != PLAN_NONE)
            search_node(&s, node, need, out);
}

void victims_find(struct victims *v, uint32_t user, const struct room *need, double limit, struct victim_set *out)
{
    set_receiver(v, user);
    out->members = mem_grow(out->members, &out->capacity, v->count + 1, sizeof *out->members);
    out->count = 0;
    out->cost = INFINITY;
    if (room_is_missed(&v->misses, need))
        return;
    set_single(v, need, limit, out);
    double two = cheapest_two(v);
    if (two < out->cost && two < limit)
        set_several(v, need, limit, out);
    if (isinf(out->cost) && isinf(limit))
        room_miss(&v->misses, need);
}
