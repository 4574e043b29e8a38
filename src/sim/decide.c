/*
 * The policy's state, kept from event to event. Costs and moments of running jobs are written into their records when they
 * change: at a start, at each capture and commit. How likely a job ends changes all the time; that is looked at anew for a part
 * of the jobs at each look.
 */
#include "sim/decide_parts.h"

#include "base/mem.h"

#include <math.h>

enum { CHUNK_BITS = 10, CHUNK = 1 << CHUNK_BITS };
enum { REFRESH_ALL = 1024, REFRESH_PARTS = 16 };
enum { COALESCE_US = 1000000 };

static struct decide_record *record_at(const struct decide *d, uint32_t i)
{
    return &d->chunks[i >> CHUNK_BITS][i & (CHUNK - 1)];
}

struct decide_record *decide_record_of(const struct sim *s, uint32_t job)
{
    return record_at(s->decide, s->jobs[job].record);
}

static uint32_t new_record(struct decide *d)
{
    uint32_t i = d->free_record;
    if (i != SIM_NONE) {
        d->free_record = record_at(d, i)->next_free;
        return i;
    }
    if (d->record_count == d->chunk_count * CHUNK) {
        d->chunks = mem_grow(d->chunks, &d->chunk_capacity, d->chunk_count + 1, sizeof *d->chunks);
        d->chunks[d->chunk_count++] = mem_zero(CHUNK, sizeof **d->chunks);
    }
    return d->record_count++;
}

static uint32_t job_of(const struct plan_job *job)
{
    return (uint32_t)job->id.cluster - 1;
}

/* ---- life ---- */

static struct plan_node capacity_of(const struct sim *s, uint32_t node)
{
    const struct sim_nodes *size = &s->setup->sizes[s->nodes[node].size];
    if (s->nodes[node].down)
        return (struct plan_node){ 0 };
    return (struct plan_node){ .cpus = (int)size->cpus, .memory_mb = size->memory_mb };
}

void decide_init(struct sim *s)
{
    const struct workload *w = s->workload;
    auto_free struct plan_node *nodes = mem_zero(s->node_count, sizeof *nodes);
    auto_free struct plan_user *users = mem_zero(w->user_count, sizeof *users);
    struct decide *d = s->decide = mem_new(struct decide);
    for (uint32_t n = 0; n < s->node_count; n++)
        nodes[n] = capacity_of(s, n);
    for (size_t u = 0; u < w->user_count; u++)
        users[u] = (struct plan_user){ .weight = fair_weight(&s->fair, (uint32_t)u), .group = w->users[u].group };
    d->state = plan_state_new(users, w->user_count, nodes, s->node_count, s->setup->groups ? s->setup->group_shares : NULL,
                              s->setup->groups);
    d->candidates = mem_zero(s->run_room, sizeof *d->candidates);
    d->free_record = SIM_NONE;
    d->looked_us = -COALESCE_US;
}

void decide_release(struct sim *s)
{
    struct decide *d = s->decide;
    if (!d)
        return;
    plan_state_free(d->state);
    plan_release(&d->plan);
    for (size_t i = 0; i < d->chunk_count; i++)
        free(d->chunks[i]);
    free(d->chunks);
    free(d->candidates);
    free(d);
    s->decide = NULL;
}

/* ---- what the policy knows of a job ---- */

static uint8_t ways_of(const struct workload_job *spec)
{
    uint8_t any = 1 << PLAN_WAY_KILL | 1 << PLAN_WAY_FINISH;
    return spec->kind == WORKLOAD_NONE ? any : any | 1 << PLAN_WAY_CHECKPOINT | 1 << PLAN_WAY_OWN;
}

void decide_arrived(struct sim *s, uint32_t job)
{
    const struct workload_job *spec = sim_spec(s, job);
    uint32_t i = new_record(s->decide);
    struct decide_record *record = record_at(s->decide, i);
    s->jobs[job].record = i;
    record->job = (struct plan_job){
        .id = { .cluster = (int)job + 1 },
        .user = spec->user,
        .cpus = (int)spec->cpus,
        .state = PLAN_IDLE,
        .memory_mb = spec->memory_mb,
        .submitted_us = spec->submit_us,
        .may_be_evicted = true,
        .ways = ways_of(spec),
        .success = (float)spec->success_percent / 100,
        .at_risk_since_us = -1,
        .next_own_us = -1,
        .ends_us = -1,
        .due_us = -1,
        .pause_us = 1000 * (int64_t)spec->pause_ms,
        .grace_us = (int64_t)(s->setup->kill_s * 1e6),
    };
    record->number = plan_state_add(s->decide->state, &record->job);
    s->decide->grew = true;
}

void decide_done(struct sim *s, uint32_t job)
{
    struct decide_record *record = decide_record_of(s, job);
    plan_state_remove(s->decide->state, record->number);
    record->next_free = s->decide->free_record;
    s->decide->free_record = s->jobs[job].record;
    s->jobs[job].record = SIM_NONE;
}

void decide_put_again(struct sim *s, struct decide_record *record)
{
    plan_state_remove(s->decide->state, record->number);
    record->number = plan_state_add(s->decide->state, &record->job);
}

void decide_requeued(struct sim *s, uint32_t job, bool evicted)
{
    struct decide_record *record = decide_record_of(s, job);
    plan_state_remove(s->decide->state, record->number);
    record->job.state = PLAN_IDLE;
    record->job.was_evicted = evicted;
    record->job.at_risk_since_us = record->job.next_own_us = record->job.ends_us = -1;
    record->number = plan_state_add(s->decide->state, &record->job);
}

void decide_leaving(struct sim *s, uint32_t job)
{
    struct decide_record *record = decide_record_of(s, job);
    record->job.state = PLAN_LEAVING;
    if (!s->decide->applying)
        decide_put_again(s, record);
}

static void know_end(struct sim *s, const struct sim_run *run, struct plan_job *job)
{
    int64_t done = stint_done_us(s, run), left = estimate_remaining(&s->users[job->user].run_times, done);
    if (s->setup->policy == SIM_CLAIRVOYANT)
        job->ends_us = s->now_us + sim_spec(s, run->job)->work_us - done;
    else
        job->end_rate = left < 0 ? 0 : 1e6 / (double)(left + 1000000);
}

void decide_changed(struct sim *s, uint32_t j)
{
    const struct sim_run *run = &s->runs[s->jobs[j].run];
    const struct workload_job *spec = sim_spec(s, j);
    struct plan_job *job = &decide_record_of(s, j)->job;
    job->at_risk_since_us = s->now_us - stint_at_risk_us(s, run);
    know_end(s, run, job);
    job->restore_us = (int64_t)(s->setup->transfer_s * 1e6);
    if (spec->kind == WORKLOAD_NONE)
        return;
    job->restore_us = stint_store_us(s, run, 1024 * (int64_t)spec->state_kb);
    job->commit_us = stint_store_us(s, run, stint_capture_bytes(s, run));
    job->next_own_us = run->next_own_us == HEAP_NEVER ? -1 : run->next_own_us;
    job->period_us = run->interval_us;
}

void decide_node(struct sim *s, uint32_t node)
{
    struct plan_node capacity = capacity_of(s, node);
    plan_state_set_node(s->decide->state, node, &capacity);
}

void decide_weights(struct sim *s)
{
    for (size_t u = 0; u < s->workload->user_count; u++)
        plan_state_set_weight(s->decide->state, (uint32_t)u, fair_weight(&s->fair, (uint32_t)u));
    if (s->setup->reserve_s > 0)
        plan_state_reserve(s->decide->state, s->now_us - (int64_t)(s->setup->reserve_s * 1e6));
}

bool decide_owes(struct sim *s)
{
    return plan_state_owes(s->decide->state);
}

uint64_t decide_look_number(const struct sim *s)
{
    return s->decide->look;
}

/* ---- decisions ---- */

static void start_what_can(struct sim *s)
{
    struct decide *d = s->decide;
    d->plan.count = 0;
    plan_state_starts(d->state, &d->plan);
    for (size_t i = 0; i < d->plan.count; i++) {
        uint32_t j = job_of(plan_state_job(d->state, d->plan.actions[i].job));
        struct plan_job *job = &decide_record_of(s, j)->job;
        job->state = PLAN_RUNNING;
        job->node = d->plan.actions[i].node;
        job->started_us = s->now_us;
        job->was_evicted = false;
        stint_start(s, j, job->node);
    }
}

static bool runs(const struct sim *s, uint32_t r)
{
    return s->jobs[s->runs[r].job].run == r && !s->runs[r].leaving;
}

static void refresh(struct sim *s)
{
    uint32_t step = s->run_room <= REFRESH_ALL ? 1 : REFRESH_PARTS;
    for (uint32_t r = (uint32_t)(s->decide->look % step); r < s->run_room; r += step)
        if (runs(s, r))
            know_end(s, &s->runs[r], &decide_record_of(s, s->runs[r].job)->job);
}

static void apply(struct sim *s, const struct plan_action *action)
{
    uint32_t run = s->jobs[job_of(plan_state_job(s->decide->state, action->job))].run;
    if (action->kind == PLAN_EVICT)
        stint_evict(s, run, action->way == PLAN_WAY_KILL ? WAY_KILL : WAY_CHECKPOINT, (int64_t)(s->setup->kill_s * 1e6), false);
    else if (action->kind == PLAN_WAIT && action->way == PLAN_WAY_OWN)
        s->runs[run].mark = s->decide->look;
}

static void look_for_evictions(struct sim *s)
{
    struct decide *d = s->decide;
    struct plan_rules rules = {
        .lambda = s->setup->lambda,
        .minimum_run_us = (int64_t)(s->setup->minimum_run_s * 1e6),
        .reserve_after_us = (int64_t)(s->setup->reserve_s * 1e6),
    };
    refresh(s);
    d->plan.count = 0;
    plan_state_evictions(d->state, s->now_us, &rules, &d->plan);
    d->applying = true;
    for (size_t i = 0; i < d->plan.count; i++)
        apply(s, &d->plan.actions[i]);
    d->applying = false;
}

static void look_now(struct sim *s)
{
    s->decide->look++;
    s->decide->looked_us = s->now_us;
    s->decide->grew = false;
    s->counts.looks++;
    if (!plan_state_owes(s->decide->state) || s->setup->policy == SIM_NEVER)
        return;
    if (s->setup->policy <= SIM_CLAIRVOYANT)
        look_for_evictions(s);
    else
        baseline_look(s);
}

void decide_now(struct sim *s, bool look)
{
    struct decide *d = s->decide;
    start_what_can(s);
    if (look || (d->grew && s->now_us - d->looked_us >= COALESCE_US))
        look_now(s);
    else if (d->grew)
        sim_look_at(s, d->looked_us + COALESCE_US);
    if (look)
        start_what_can(s);
}
