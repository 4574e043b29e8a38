/* The plan from a snapshot: a state is made of it, asked once and thrown away. So there is one policy, not two. */
#include "policy/plan.h"

#include "base/mem.h"
#include "policy/plan_parts.h"

#include <math.h>
#include <string.h>

/* ---- what makes no sense ---- */

static bool is_weight(double value)
{
    return value >= 0 && !isinf(value);
}

static const char *check_groups(const struct plan_snapshot *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->group_count; i++) {
        if (!is_weight(s->shares[i]))
            return "a group's share is negative or not a number";
        sum += s->shares[i];
    }
    return s->group_count > 0 && !(sum > 0) ? "the groups' shares sum to zero" : NULL;
}

static const char *check_users(const struct plan_snapshot *s)
{
    for (size_t i = 0; i < s->user_count; i++) {
        if (!is_weight(s->users[i].weight))
            return "a user's weight is negative or not a number";
        if (s->users[i].limit_cpus < 0)
            return "a user's limit is negative";
        if (s->group_count > 0 && s->users[i].group >= s->group_count)
            return "a user is in a group that does not exist";
    }
    return NULL;
}

static const char *check_job(const struct plan_snapshot *s, const struct plan_job *job)
{
    if (job->user >= s->user_count)
        return "a job's user does not exist";
    if (job->cpus < 1 || job->cpus > PLAN_CPUS_MAX || job->memory_mb < 0 || job->disk_kb < 0)
        return "a job has no cpu, or negative memory or disk";
    if (job->state != PLAN_IDLE && job->node >= s->node_count)
        return "a job runs on a node that does not exist";
    if (!(job->success >= 0 && job->success <= 1))
        return "a job's checkpoints succeed with a chance below 0 or above 1";
    if (!is_weight(job->end_rate))
        return "a job ends at a rate that is negative or not a number";
    return NULL;
}

static const char *check(const struct plan_snapshot *s)
{
    const char *wrong = NULL;
    if (!(s->rules.lambda >= 0))
        return "lambda is negative or not a number";
    if (s->rules.minimum_run_us < 0 || s->rules.reserve_after_us < 0)
        return "a time of the rules is negative";
    if (s->job_count > PLAN_JOBS_MAX)
        return "there are too many jobs";
    for (size_t i = 0; i < s->node_count && !wrong; i++)
        if (s->nodes[i].cpus < 0 || s->nodes[i].cpus > PLAN_CPUS_MAX || s->nodes[i].memory_mb < 0 || s->nodes[i].disk_kb < 0)
            wrong = "a node has negative cpus, memory or disk";
    if (!wrong)
        wrong = check_groups(s);
    if (!wrong)
        wrong = check_users(s);
    for (size_t i = 0; i < s->job_count && !wrong; i++)
        wrong = check_job(s, &s->jobs[i]);
    return wrong;
}

/* ---- the plan ---- */

int plan_make(const struct plan_snapshot *s, struct plan *out, const char **wrong)
{
    *wrong = check(s);
    if (*wrong)
        return -1;
    plan_release(out);
    struct plan_state *state = plan_state_new(s->users, s->user_count, s->nodes, s->node_count, s->shares, s->group_count);
    out->reasons = mem_zero(s->job_count, sizeof *out->reasons);
    for (size_t i = 0; i < s->job_count; i++)
        plan_state_add(state, &s->jobs[i]);
    if (s->rules.reserve_after_us > 0)
        plan_state_reserve(state, s->now_us - s->rules.reserve_after_us);
    plan_state_starts(state, out);
    plan_look(state, s->now_us, &s->rules, out, out->reasons);
    plan_state_checkpoints(state, s->now_us, out);
    out->targets = steal(state->targets);
    out->whole = steal(state->whole);
    plan_state_free(state);
    return 0;
}

void plan_release(struct plan *plan)
{
    free(plan->actions);
    free(plan->reasons);
    free(plan->targets);
    free(plan->whole);
    *plan = (struct plan){ 0 };
}
