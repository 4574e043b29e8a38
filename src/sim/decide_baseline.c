/*
 * What others do. For whom room is made is asked of the policy, with a lambda at which it evicts whenever somebody is owed
 * cpus; its victims are left alone, and others are chosen:
 *
 *   youngest    Slurm's youngest_first: the job that started last is killed after a grace time, in which it goes on working
 *   retirement  HTCondor: a job of the user with the worst priority, of these the one that started last; it may go on until it
 * has run for MaxJobRetirementTime, then it is killed scr         OpenPBS, preempt_order "SCR 80 SC 50 S" without S: the job
 * that started last; with at least that percentage of its time left it is checkpointed, or requeued if it cannot be; with at
 * least 50 checkpointed; below that it stays. (A suspended job keeps its memory, and the nodes have none to spare: S would free
 * cpus on which nothing could start.) It knows the exact time left. adaptive    Li et al., Middleware 2015: checkpoint or kill,
 * whichever costs the job less (progress since its last checkpoint against overhead); of all jobs the one to which that does
 * least
 *
 * All of them have the same jobs with the same checkpoints by interval.
 */
#include "sim/decide_parts.h"

#include <math.h>
#include <stdlib.h>

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* False: it stays. Fills all but `run`. */
static bool weigh_scr(const struct sim *s, const struct sim_run *run, struct decide_candidate *c)
{
    const struct workload_job *spec = sim_spec(s, run->job);
    double left = 100 * (1 - (double)stint_done_us(s, run) / (double)spec->work_us);
    bool can = spec->kind != WORKLOAD_NONE;
    c->key = -(double)run->started_us;
    c->way = can ? WAY_CHECKPOINT : WAY_KILL;
    c->delay_us = (int64_t)(s->setup->kill_s * 1e6);
    return left >= (can ? least(50, s->setup->percent) : s->setup->percent);
}

static bool weigh_adaptive(const struct sim *s, const struct sim_run *run, struct decide_candidate *c)
{
    const struct workload_job *spec = sim_spec(s, run->job);
    const struct plan_job *job = &decide_record_of(s, run->job)->job;
    double progress = (double)stint_at_risk_us(s, run), overhead = INFINITY;
    if (spec->kind != WORKLOAD_NONE)
        overhead = (double)(job->pause_us + stint_store_us(s, run, stint_capture_bytes(s, run)) + job->restore_us);
    c->way = overhead < progress ? WAY_CHECKPOINT : WAY_KILL;
    c->key = least(overhead, progress) * spec->cpus;
    c->delay_us = (int64_t)(s->setup->kill_s * 1e6);
    return true;
}

static bool weigh_youngest(const struct sim *s, const struct sim_run *run, struct decide_candidate *c)
{
    *c = (struct decide_candidate){
        .key = -(double)run->started_us, .way = WAY_KILL, .delay_us = (int64_t)(s->setup->grace_s * 1e6), .working = true
    };
    return true;
}

/* The worst priority first: a larger step than all times of starts. */
static bool weigh_retirement(const struct sim *s, const struct sim_run *run, struct decide_candidate *c)
{
    double weight = fair_weight(&s->fair, sim_spec(s, run->job)->user),
           retires = (double)run->started_us + s->setup->retirement_s * 1e6;
    *c = (struct decide_candidate){ .key = weight * 1e19 - (double)run->started_us, .way = WAY_KILL, .working = true };
    c->delay_us = (int64_t)fmax(0, retires - (double)s->now_us);
    return true;
}

static bool weigh(const struct sim *s, const struct sim_run *run, struct decide_candidate *c)
{
    *c = (struct decide_candidate){ 0 };
    switch (s->setup->policy) {
    case SIM_YOUNGEST:
        return weigh_youngest(s, run, c);
    case SIM_RETIREMENT:
        return weigh_retirement(s, run, c);
    case SIM_SCR:
        return weigh_scr(s, run, c);
    default:
        return weigh_adaptive(s, run, c);
    }
}

static int by_key(const void *a, const void *b)
{
    const struct decide_candidate *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->run > y->run) - (x->run < y->run);
}

static size_t gather(struct sim *s)
{
    struct decide *d = s->decide;
    int64_t least_us = s->now_us - (int64_t)(s->setup->minimum_run_s * 1e6);
    size_t count = 0;
    for (uint32_t r = 0; r < s->run_room; r++) {
        const struct sim_run *run = &s->runs[r];
        if (s->jobs[run->job].run != r || run->leaving || run->started_us > least_us || !weigh(s, run, &d->candidates[count]))
            continue;
        d->candidates[count++].run = r;
    }
    qsort(d->candidates, count, sizeof *d->candidates, by_key);
    return count;
}

/* cpus for which the policy would make room now; what it planned is taken back. */
static int64_t wanted_cpus(struct sim *s)
{
    struct decide *d = s->decide;
    struct plan_rules rules = { .lambda = INFINITY, .minimum_run_us = (int64_t)(s->setup->minimum_run_s * 1e6) };
    int64_t cpus = 0;
    d->plan.count = 0;
    plan_state_evictions(d->state, s->now_us, &rules, &d->plan);
    for (size_t i = 0; i < d->plan.count; i++) {
        if (d->plan.actions[i].kind != PLAN_EVICT)
            continue;
        uint32_t job = (uint32_t)plan_state_job(d->state, d->plan.actions[i].job)->id.cluster - 1;
        cpus += sim_spec(s, job)->cpus;
        decide_put_again(s, decide_record_of(s, job));
    }
    return cpus;
}

/* Nobody is taken below his target. */
static bool may_go(struct sim *s, uint32_t job)
{
    struct plan_standing standing;
    const struct workload_job *spec = sim_spec(s, job);
    plan_state_standing(s->decide->state, spec->user, &standing);
    return (double)(standing.running_cpus - spec->cpus) >= standing.target_cpus - 1e-9;
}

void baseline_look(struct sim *s)
{
    struct decide *d = s->decide;
    int64_t cpus = wanted_cpus(s);
    size_t count = cpus > 0 ? gather(s) : 0;
    for (size_t i = 0; i < count && cpus > 0; i++) {
        const struct decide_candidate *c = &d->candidates[i];
        uint32_t job = s->runs[c->run].job;
        if (!may_go(s, job))
            continue;
        cpus -= sim_spec(s, job)->cpus;
        stint_evict(s, c->run, c->way, c->delay_us, c->working);
    }
}
