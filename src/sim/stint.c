/*
 * One stint: transfer or restore, execution with checkpoints in between, and its end. A run has one event at a time, the end of
 * its phase, or what comes first while it executes; what moves through a store ends with the store's event.
 *
 * While it executes: done_us grows. A checkpoint: a pause, in which the state is captured, then a commit behind the execution.
 * What was captured is goodput when it is committed. One that leaves waits for the commit (PHASE_COMMIT). One checkpoint at a
 * time: the next own one is put off until the last is committed, but one for an eviction takes its place.
 */
#include "sim/decide.h"

#include "policy/interval.h"

#include <math.h>

enum { RESUME_US = 100000 }; /* a resume beside the reading */

int64_t stint_done_us(const struct sim *s, const struct sim_run *run)
{
    return run->done_us + (run->phase == PHASE_RUN ? s->now_us - run->since_us : 0);
}

int64_t stint_at_risk_us(const struct sim *s, const struct sim_run *run)
{
    return stint_done_us(s, run) - s->jobs[run->job].committed_us;
}

static struct store *store_of(const struct sim *s, const struct sim_run *run)
{
    return &s->stores[run->node % s->setup->stores];
}

static void changed(struct sim *s, const struct sim_run *run)
{
    sim_store_changed(s, run->node % s->setup->stores);
}

/* The first checkpoint of a job has all of its state; a later one of what is captured as it is, what changed since. */
int64_t stint_capture_bytes(const struct sim *s, const struct sim_run *run)
{
    const struct workload_job *spec = sim_spec(s, run->job);
    const struct workload_user *user = &s->workload->users[spec->user];
    double all = 1024.0 * spec->state_kb;
    if (spec->kind != WORKLOAD_TRANSPARENT || s->jobs[run->job].committed_us == 0)
        return (int64_t)all;
    return (int64_t)fmin(all, 1e6 * user->dirty_mb_s * user->ratio * (double)(s->now_us - run->captured_at_us) / 1e6);
}

int64_t stint_store_us(const struct sim *s, const struct sim_run *run, int64_t bytes)
{
    const struct store *store = store_of(s, run);
    return (int64_t)((double)bytes * (store->ends.count + 1) / store->bandwidth);
}

/* ---- the ledger ---- */

static void book(struct sim *s, uint32_t job, enum ledger_class class, enum sim_cause cause, int64_t us)
{
    const struct workload_job *spec = sim_spec(s, job);
    s->class_us[class][cause] += us * spec->cpus;
    if (class != LEDGER_GOODPUT && (cause == CAUSE_SHARE || cause == CAUSE_CHECKPOINT)) {
        fair_excuse(&s->fair, spec->user, (double)(us * spec->cpus) / 1e6);
        s->users[spec->user].evicted_s += (double)(us * spec->cpus) / 1e6;
    }
}

static void close_phase(struct sim *s, struct sim_run *run)
{
    int64_t us = s->now_us - run->since_us;
    switch (run->phase) {
    case PHASE_TRANSFER:
        book(s, run->job, LEDGER_TRANSFER, CAUSE_START, us);
        break;
    case PHASE_RESTORE:
        book(s, run->job, LEDGER_RESTORE, s->jobs[run->job].cause, us);
        break;
    case PHASE_RUN:
    case PHASE_DYING:
        run->done_us += us;
        break;
    case PHASE_PAUSE:
    case PHASE_COMMIT:
        book(s, run->job, LEDGER_CHECKPOINT, run->pause_cause, us);
        s->paused_s += (double)us / 1e6;
        break;
    }
    run->since_us = s->now_us;
}

/* ---- where a run is ---- */

static uint32_t number_of(const struct sim *s, const struct sim_run *run)
{
    return (uint32_t)(run - s->runs);
}

static void wait_until(struct sim *s, const struct sim_run *run, int64_t us)
{
    heap_set(&s->events, number_of(s, run), us);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_while_running(struct sim *s, const struct sim_run *run)
{
    int64_t end = run->since_us + sim_spec(s, run->job)->work_us - run->done_us;
    wait_until(s, run, least(least(end, run->next_own_us), run->deadline_us));
}

static void go_on(struct sim *s, struct sim_run *run)
{
    run->phase = PHASE_RUN;
    wait_while_running(s, run);
    decide_changed(s, run->job);
}

static void link_node(struct sim *s, uint32_t r)
{
    struct sim_run *run = &s->runs[r];
    struct sim_node *node = &s->nodes[run->node];
    run->before = SIM_NONE;
    run->next = node->first_run;
    if (run->next != SIM_NONE)
        s->runs[run->next].before = r;
    node->first_run = r;
}

static void unlink_node(struct sim *s, const struct sim_run *run)
{
    if (run->next != SIM_NONE)
        s->runs[run->next].before = run->before;
    if (run->before != SIM_NONE)
        s->runs[run->before].next = run->next;
    else
        s->nodes[run->node].first_run = run->next;
}

/* What was measured in the pool until now decides on a job's interval; its own pause is known. */
static int64_t interval_of(const struct sim *s, uint32_t job)
{
    const struct workload_job *spec = sim_spec(s, job);
    if (spec->kind == WORKLOAD_NONE)
        return 0;
    if (spec->period_s > 0)
        return (int64_t)spec->period_s * 1000000;
    struct interval_facts own = { .pause_s = spec->pause_ms / 1e3, .checkpoints = 1 };
    struct interval_facts pool = {
        .pause_s = s->paused_s,
        .checkpoints = (double)s->counts.checkpoints,
        .failures = (double)s->counts.node_failures,
        .observed_s = s->observed_s,
    };
    struct interval_rules rules = { .min_s = 60, .max_s = s->setup->longest_interval_s, .prior_samples = 3, .prior_ends = 1 };
    struct interval_choice choice;
    interval_choose(&own, &pool, &rules, &choice);
    return (int64_t)(choice.tau_s * 1e6);
}

void stint_start(struct sim *s, uint32_t job, uint32_t node)
{
    const struct workload_job *spec = sim_spec(s, job);
    uint32_t r = s->free_runs[s->run_room - ++s->run_count];
    struct sim_run *run = &s->runs[r];
    *run = (struct sim_run){
        .job = job,
        .node = node,
        .phase = PHASE_TRANSFER,
        .started_us = s->now_us,
        .since_us = s->now_us,
        .done_us = s->jobs[job].committed_us,
        .captured_at_us = s->now_us,
        .next_own_us = HEAP_NEVER,
        .deadline_us = HEAP_NEVER,
        .interval_us = interval_of(s, job),
    };
    s->jobs[job].run = r;
    link_node(s, r);
    fair_change(&s->fair, spec->user, spec->cpus, 0);
    s->counts.starts++;
    s->counts.events++;
    if (run->done_us > 0) {
        run->phase = PHASE_RESTORE;
        store_add(store_of(s, run), r, 1024 * (int64_t)spec->state_kb, s->now_us);
        changed(s, run);
    } else {
        wait_until(s, run, s->now_us + (int64_t)(s->setup->transfer_s * 1e6));
    }
}

/* ---- its end ---- */

static void leave(struct sim *s, struct sim_run *run)
{
    const struct workload_job *spec = sim_spec(s, run->job);
    uint32_t r = number_of(s, run);
    if (s->store_places[r] != 0) {
        store_cancel(store_of(s, run), r, s->now_us);
        changed(s, run);
    }
    wait_until(s, run, HEAP_NEVER);
    unlink_node(s, run);
    s->occupied_us += (s->now_us - run->started_us) * spec->cpus;
    s->observed_s += (double)(s->now_us - run->started_us) / 1e6;
    s->jobs[run->job].run = SIM_NONE;
    s->free_runs[s->run_room - s->run_count--] = r;
    fair_change(&s->fair, spec->user, -(int64_t)spec->cpus, 0);
    s->counts.events++;
}

static void complete(struct sim *s, struct sim_run *run)
{
    const struct workload_job *spec = sim_spec(s, run->job);
    uint32_t job = run->job;
    book(s, job, LEDGER_GOODPUT, CAUSE_NONE, run->done_us - s->jobs[job].committed_us);
    leave(s, run);
    fair_change(&s->fair, spec->user, 0, -(int64_t)spec->cpus);
    struct sim_user *user = &s->users[spec->user];
    estimate_learn(&user->run_times, spec->work_us);
    user->done++;
    user->turnaround_s += (double)(s->now_us - spec->submit_us) / 1e6;
    s->counts.completions++;
    s->left--;
    decide_done(s, job);
}

/* All is booked up to now; what is not committed is lost. */
static void requeue(struct sim *s, struct sim_run *run, enum sim_cause cause)
{
    uint32_t job = run->job;
    book(s, job, LEDGER_LOST, cause, run->done_us - s->jobs[job].committed_us);
    s->jobs[job].cause = (uint8_t)cause;
    leave(s, run);
    decide_requeued(s, job, cause != CAUSE_NODE);
}

void stint_lost_node(struct sim *s, uint32_t node)
{
    while (s->nodes[node].first_run != SIM_NONE) {
        struct sim_run *run = &s->runs[s->nodes[node].first_run];
        close_phase(s, run);
        requeue(s, run, CAUSE_NODE);
    }
}

void stint_cut(struct sim *s, uint32_t r)
{
    struct sim_run *run = &s->runs[r];
    uint32_t cpus = sim_spec(s, run->job)->cpus;
    close_phase(s, run);
    s->at_risk_us += (run->done_us - s->jobs[run->job].committed_us) * cpus;
    s->occupied_us += (s->now_us - run->started_us) * cpus;
}

/* ---- checkpoints ---- */

static void pause_for(struct sim *s, struct sim_run *run, enum sim_cause cause)
{
    close_phase(s, run);
    if (run->committing) {
        store_cancel(store_of(s, run), number_of(s, run), s->now_us);
        changed(s, run);
        run->committing = false;
    }
    run->phase = PHASE_PAUSE;
    run->pause_cause = cause;
    run->next_own_us = HEAP_NEVER;
    wait_until(s, run, s->now_us + 1000 * (int64_t)sim_spec(s, run->job)->pause_ms);
}

static void begin_leaving(struct sim *s, struct sim_run *run, enum sim_way way)
{
    run->leaving = true;
    s->counts.evictions[way]++;
    s->counts.events++;
    decide_leaving(s, run->job);
}

static void end_pause(struct sim *s, struct sim_run *run)
{
    int64_t bytes = stint_capture_bytes(s, run);
    close_phase(s, run);
    run->captured_us = run->done_us;
    run->captured_at_us = s->now_us;
    run->committing = true;
    store_add(store_of(s, run), number_of(s, run), bytes, s->now_us);
    changed(s, run);
    wait_until(s, run, HEAP_NEVER);
    if (!run->leaving && run->mark == decide_look_number(s) && decide_owes(s))
        begin_leaving(s, run, WAY_OWN);
    if (run->leaving)
        run->phase = PHASE_COMMIT;
    else
        go_on(s, run);
}

static void commit(struct sim *s, struct sim_run *run)
{
    book(s, run->job, LEDGER_GOODPUT, CAUSE_NONE, run->captured_us - s->jobs[run->job].committed_us);
    s->jobs[run->job].committed_us = run->captured_us;
    s->counts.checkpoints++;
}

static bool succeeds(struct sim *s, const struct sim_run *run)
{
    return random_unit(&s->luck) * 100 < sim_spec(s, run->job)->success_percent;
}

static void end_commit(struct sim *s, struct sim_run *run)
{
    bool good = succeeds(s, run);
    run->committing = false;
    if (good)
        commit(s, run);
    else
        s->counts.failed_checkpoints++;
    if (run->phase == PHASE_COMMIT) {
        close_phase(s, run);
        requeue(s, run, good ? CAUSE_SHARE : CAUSE_CHECKPOINT);
        return;
    }
    if (run->phase != PHASE_RUN || run->leaving)
        return;
    run->next_own_us = s->now_us + run->interval_us;
    wait_while_running(s, run);
    decide_changed(s, run->job);
}

/* ---- events ---- */

static void begin_running(struct sim *s, struct sim_run *run)
{
    close_phase(s, run);
    run->captured_at_us = s->now_us;
    run->next_own_us = run->interval_us > 0 ? s->now_us + run->interval_us : HEAP_NEVER;
    go_on(s, run);
}

static void end_running(struct sim *s, struct sim_run *run)
{
    if (stint_done_us(s, run) >= sim_spec(s, run->job)->work_us) {
        close_phase(s, run);
        complete(s, run);
    } else if (run->deadline_us <= s->now_us) {
        close_phase(s, run);
        requeue(s, run, CAUSE_SHARE);
    } else {
        pause_for(s, run, CAUSE_PERIODIC);
    }
}

void stint_event(struct sim *s, uint32_t r)
{
    struct sim_run *run = &s->runs[r];
    s->counts.events++;
    switch (run->phase) {
    case PHASE_TRANSFER:
    case PHASE_RESTORE:
        begin_running(s, run);
        break;
    case PHASE_RUN:
        end_running(s, run);
        break;
    case PHASE_PAUSE:
        end_pause(s, run);
        break;
    case PHASE_DYING:
        close_phase(s, run);
        requeue(s, run, CAUSE_SHARE);
        break;
    case PHASE_COMMIT:
        break;
    }
}

void stint_stored(struct sim *s, uint32_t r)
{
    struct sim_run *run = &s->runs[r];
    s->counts.events++;
    if (run->phase == PHASE_RESTORE)
        wait_until(s, run, s->now_us + RESUME_US);
    else
        end_commit(s, run);
}

void stint_evict(struct sim *s, uint32_t r, enum sim_way way, int64_t delay_us, bool working)
{
    struct sim_run *run = &s->runs[r];
    begin_leaving(s, run, way);
    if (run->phase == PHASE_TRANSFER || run->phase == PHASE_RESTORE) { /* nothing is at risk */
        close_phase(s, run);
        requeue(s, run, CAUSE_SHARE);
    } else if (run->phase == PHASE_PAUSE) {
        run->pause_cause = CAUSE_SHARE; /* it has its checkpoint, and leaves with it */
    } else if (way == WAY_CHECKPOINT) {
        pause_for(s, run, CAUSE_SHARE);
    } else if (working) {
        run->deadline_us = s->now_us + delay_us;
        wait_while_running(s, run);
    } else {
        close_phase(s, run);
        run->phase = PHASE_DYING;
        wait_until(s, run, s->now_us + delay_us);
    }
}
