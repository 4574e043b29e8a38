/*
 * The clock: the earliest of the next submission and the heap's first event, and all that happens at that moment before the
 * policy is asked once. Beside those of runs and stores there are five kinds of events, which have the ids behind them.
 */
#include "sim/sim.h"

#include "base/mem.h"
#include "sim/decide.h"

#include <math.h>

enum { EVENT_FAILURE, EVENT_REPAIR, EVENT_WEIGH, EVENT_LOOK, EVENT_SAMPLE, EVENT_KINDS };

const char *sim_cause_name(enum sim_cause cause)
{
    static const char *const names[CAUSE_COUNT] = { "none", "start", "periodic", "evicted", "checkpoint-failed", "node" };
    return names[cause];
}

const char *sim_policy_name(enum sim_policy policy)
{
    static const char *const names[SIM_POLICIES] = {
        "stint", "clairvoyant", "none", "youngest", "retirement", "scr", "adaptive"
    };
    return names[policy];
}

struct sim_setup sim_setup_default(void)
{
    return (struct sim_setup){
        .sizes = { { 8, 16, 16 * 16384 } },
        .size_count = 1,
        .store_mb_s = 1000,
        .node_mtbf_s = 30 * 86400,
        .repair_s = 3600,
        .transfer_s = 2,
        .kill_s = 1,
        .half_life_s = 86400,
        .overstay = 1,
        .epsilon = 0.05,
        .window_s = 60,
        .weigh_s = 60,
        .look_s = 60,
        .minimum_run_s = 0,
        .reserve_s = 0,
        .longest_interval_s = 4 * 3600,
        .policy = SIM_STINT,
        .lambda = 1,
        .grace_s = 300,
        .retirement_s = 3600,
        .percent = 80,
        .seed = 1,
        .samples = 400,
    };
}

int64_t sim_setup_cpus(const struct sim_setup *setup)
{
    int64_t cpus = 0;
    for (size_t i = 0; i < setup->size_count; i++)
        cpus += (int64_t)setup->sizes[i].count * setup->sizes[i].cpus;
    return cpus;
}

static bool fits(const struct workload_job *job, const struct sim_setup *setup)
{
    for (size_t i = 0; i < setup->size_count; i++)
        if (job->cpus <= setup->sizes[i].cpus && job->memory_mb <= setup->sizes[i].memory_mb)
            return true;
    return false;
}

void sim_fit(struct workload *w, const struct sim_setup *setup)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++)
        if (fits(&w->jobs[i], setup))
            w->jobs[kept++] = w->jobs[i];
    w->skipped += w->count - kept;
    w->count = kept;
}

/* ---- the beginning ---- */

static uint32_t event_id(const struct sim *s, int kind)
{
    return s->run_room + s->setup->stores + (uint32_t)kind;
}

static void set_event(struct sim *s, int kind, double in_s)
{
    heap_set(&s->events, event_id(s, kind), s->now_us + (int64_t)llround(in_s * 1e6));
}

static void init_nodes(struct sim *s)
{
    for (size_t i = 0; i < s->setup->size_count; i++)
        s->node_count += s->setup->sizes[i].count;
    s->nodes = mem_zero(s->node_count, sizeof *s->nodes);
    s->down = mem_zero(s->node_count, sizeof *s->down);
    s->up_again_us = mem_zero(s->node_count, sizeof *s->up_again_us);
    uint32_t n = 0;
    for (size_t i = 0; i < s->setup->size_count; i++)
        for (uint32_t k = 0; k < s->setup->sizes[i].count; k++)
            s->nodes[n++] = (struct sim_node){ .size = (uint32_t)i, .first_run = SIM_NONE };
}

static void init_runs(struct sim *s)
{
    s->run_room = (uint32_t)s->cpus;
    s->runs = mem_zero(s->run_room, sizeof *s->runs);
    s->free_runs = mem_zero(s->run_room, sizeof *s->free_runs);
    for (uint32_t i = 0; i < s->run_room; i++)
        s->free_runs[i] = s->run_room - 1 - i;
    s->store_places = mem_zero(s->run_room, sizeof *s->store_places);
    s->stores = mem_zero(s->setup->stores, sizeof *s->stores);
    for (uint32_t i = 0; i < s->setup->stores; i++)
        store_init(&s->stores[i], s->setup->store_mb_s * 1e6, s->store_places);
    heap_init(&s->events, event_id(s, EVENT_KINDS), NULL);
}

static void init_jobs(struct sim *s)
{
    s->jobs = mem_zero(s->workload->count, sizeof *s->jobs);
    for (size_t i = 0; i < s->workload->count; i++)
        s->jobs[i] = (struct sim_job){ .run = SIM_NONE, .record = SIM_NONE };
    s->left = s->workload->count;
    s->users = mem_zero(s->workload->user_count, sizeof *s->users);
}

static void init_fair(struct sim *s)
{
    struct fair_setup fair = {
        .cpus = (double)s->cpus,
        .half_life_s = s->setup->half_life_s,
        .overstay = s->setup->overstay,
        .epsilon = s->setup->epsilon,
        .window_us = (int64_t)(s->setup->window_s * 1e6),
        .group_shares = s->setup->groups ? s->setup->group_shares : NULL,
        .groups = s->setup->groups,
    };
    fair_init(&s->fair, &fair, s->workload->user_count);
    for (size_t u = 0; u < s->workload->user_count; u++)
        fair_set_user(&s->fair, (uint32_t)u, s->workload->users[u].factor, s->workload->users[u].group);
}

static void set_failure(struct sim *s)
{
    uint32_t up = s->node_count - s->down_count;
    if (s->setup->node_mtbf_s <= 0 || up == 0)
        heap_set(&s->events, event_id(s, EVENT_FAILURE), HEAP_NEVER);
    else
        set_event(s, EVENT_FAILURE, random_exponential(&s->failures, s->setup->node_mtbf_s / up));
}

static double sample_every_s(const struct sim *s)
{
    size_t count = s->workload->count;
    double span_s = count ? (double)s->workload->jobs[count - 1].submit_us / 1e6 : 0;
    return span_s > 0 && s->setup->samples > 1 ? span_s / (double)(s->setup->samples - 1) : 0;
}

void sim_init(struct sim *s, const struct sim_setup *setup, const struct workload *workload)
{
    *s = (struct sim){ .setup = setup, .workload = workload, .cpus = sim_setup_cpus(setup), .cpus_up = sim_setup_cpus(setup) };
    random_init(&s->failures, setup->seed, 21);
    random_init(&s->luck, setup->seed, 22);
    init_nodes(s);
    init_runs(s);
    init_jobs(s);
    init_fair(s);
    decide_init(s);
    set_failure(s);
    set_event(s, EVENT_WEIGH, setup->weigh_s);
    set_event(s, EVENT_LOOK, setup->look_s);
    if (sample_every_s(s) > 0) {
        s->samples = mem_zero(setup->samples, sizeof *s->samples);
        s->sample_users = mem_zero(setup->samples * workload->user_count * 2, sizeof *s->sample_users);
        set_event(s, EVENT_SAMPLE, 0);
    }
}

void sim_release(struct sim *s)
{
    decide_release(s);
    for (uint32_t i = 0; s->stores && i < s->setup->stores; i++)
        store_release(&s->stores[i]);
    fair_release(&s->fair);
    heap_release(&s->events, true);
    free(s->nodes);
    free(s->down);
    free(s->up_again_us);
    free(s->runs);
    free(s->free_runs);
    free(s->store_places);
    free(s->stores);
    free(s->jobs);
    free(s->users);
    free(s->samples);
    free(s->sample_users);
    *s = (struct sim){ 0 };
}

/* ---- events ---- */

void sim_look_at(struct sim *s, int64_t us)
{
    uint32_t id = event_id(s, EVENT_LOOK), place = s->events.places[id];
    if (place == 0 || s->events.entries[place - 1].time > us)
        heap_set(&s->events, id, us);
}

void sim_store_changed(struct sim *s, uint32_t store)
{
    heap_set(&s->events, s->run_room + store, store_next(&s->stores[store]));
}

static void store_event(struct sim *s, uint32_t store)
{
    uint32_t run;
    while (store_take(&s->stores[store], s->now_us, &run))
        stint_stored(s, run);
    sim_store_changed(s, store);
}

static void set_down(struct sim *s, uint32_t node, bool down)
{
    int64_t cpus = s->setup->sizes[s->nodes[node].size].cpus;
    s->nodes[node].down = down;
    s->cpus_up += down ? -cpus : cpus;
    fair_set_cpus(&s->fair, (double)s->cpus_up);
    decide_node(s, node);
}

static uint32_t draw_node_that_is_up(struct sim *s)
{
    uint32_t n;
    do
        n = (uint32_t)(random_unit(&s->failures) * s->node_count);
    while (s->nodes[n].down);
    return n;
}

static void fail_node(struct sim *s)
{
    uint32_t n = draw_node_that_is_up(s), at = (s->down_head + s->down_count) % s->node_count;
    s->down[at] = n;
    s->up_again_us[at] = s->now_us + (int64_t)(s->setup->repair_s * 1e6);
    if (s->down_count++ == 0)
        heap_set(&s->events, event_id(s, EVENT_REPAIR), s->up_again_us[at]);
    s->counts.node_failures++;
    set_down(s, n, true);
    stint_lost_node(s, n);
    set_failure(s);
}

static void repair_node(struct sim *s)
{
    uint32_t n = s->down[s->down_head];
    s->down_head = (s->down_head + 1) % s->node_count;
    s->down_count--;
    heap_set(&s->events, event_id(s, EVENT_REPAIR), s->down_count ? s->up_again_us[s->down_head] : HEAP_NEVER);
    set_down(s, n, false);
    set_failure(s);
}

static void take_sample(struct sim *s)
{
    size_t users = s->workload->user_count;
    if (s->sample_count == s->setup->samples)
        return;
    fair_settle(&s->fair);
    s->samples[s->sample_count] = (struct sim_sample){ (double)s->now_us / 1e6, fair_distance(&s->fair), s->fair.missing };
    float *row = s->sample_users + s->sample_count++ * users * 2;
    for (size_t u = 0; u < users; u++) {
        row[2 * u] = (float)s->fair.users[u].running;
        row[2 * u + 1] = (float)s->fair.users[u].target;
    }
    set_event(s, EVENT_SAMPLE, sample_every_s(s));
}

/* True for a look at what to evict. */
static bool own_event(struct sim *s, int kind)
{
    switch (kind) {
    case EVENT_FAILURE:
        fail_node(s);
        break;
    case EVENT_REPAIR:
        repair_node(s);
        break;
    case EVENT_WEIGH:
        fair_weigh(&s->fair);
        decide_weights(s);
        set_event(s, EVENT_WEIGH, s->setup->weigh_s);
        break;
    case EVENT_SAMPLE:
        take_sample(s);
        break;
    default:
        set_event(s, EVENT_LOOK, s->setup->look_s);
        return true;
    }
    return false;
}

static void arrive(struct sim *s)
{
    const struct workload *w = s->workload;
    while (s->arrived < w->count && w->jobs[s->arrived].submit_us <= s->now_us) {
        uint32_t job = (uint32_t)s->arrived++;
        fair_change(&s->fair, w->jobs[job].user, 0, w->jobs[job].cpus);
        s->counts.events++;
        decide_arrived(s, job);
    }
}

static int64_t next_time(const struct sim *s)
{
    int64_t arrival = s->arrived < s->workload->count ? s->workload->jobs[s->arrived].submit_us : HEAP_NEVER;
    return arrival < heap_time(&s->events) ? arrival : heap_time(&s->events);
}

static bool happen(struct sim *s)
{
    bool look = false;
    arrive(s);
    while (heap_time(&s->events) <= s->now_us) {
        uint32_t id = heap_pop(&s->events);
        if (id < s->run_room)
            stint_event(s, id);
        else if (id < s->run_room + s->setup->stores)
            store_event(s, id - s->run_room);
        else if (own_event(s, (int)(id - event_id(s, 0))))
            look = true;
    }
    return look;
}

void sim_run(struct sim *s)
{
    int64_t until = s->setup->until_s > 0 ? (int64_t)(s->setup->until_s * 1e6) : HEAP_NEVER;
    while (s->left > 0) {
        int64_t then = next_time(s);
        if (then >= until) {
            fair_advance(&s->fair, until);
            s->now_us = until;
            break;
        }
        fair_advance(&s->fair, then);
        s->now_us = then;
        decide_now(s, happen(s));
    }
    for (uint32_t r = 0; r < s->run_room && s->left > 0; r++)
        if (s->jobs[s->runs[r].job].run == r)
            stint_cut(s, r);
    fair_finish(&s->fair);
}
