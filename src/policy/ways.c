#include "policy/ways.h"

#include "policy/plan.h"

#include <math.h>

/* What lambda = infinity counts as, so that of two delays the shorter wins, and of equal delays the smaller badput. */
#define LAMBDA_MOST 1e9

const char *plan_way_name(enum plan_way way)
{
    static const char *const names[] = { "kill", "checkpoint", "own checkpoint", "finish", "none" };
    return names[way];
}

bool ways_acts(enum plan_way way)
{
    return way == PLAN_WAY_KILL || way == PLAN_WAY_CHECKPOINT;
}

static double seconds(int64_t us)
{
    return us > 0 ? (double)us / 1e6 : 0;
}

static int64_t age_us(const struct plan_job *job, int64_t now_us)
{
    return now_us > job->started_us ? now_us - job->started_us : 0;
}

/* -1: the way is not offered. */
static double delay_s(const struct plan_job *job, enum plan_way way, int64_t now_us)
{
    switch (way) {
    case PLAN_WAY_KILL:
        return seconds(job->grace_us);
    case PLAN_WAY_CHECKPOINT:
        return seconds(job->pause_us) + seconds(job->commit_us);
    case PLAN_WAY_OWN:
        return job->next_own_us >= 0 ? seconds(job->next_own_us - now_us) : -1;
    case PLAN_WAY_FINISH:
        if (job->ends_us >= 0)
            return seconds(job->ends_us - now_us);
        return job->end_rate > 0 ? 1 / job->end_rate : seconds(age_us(job, now_us));
    case PLAN_WAY_COUNT:
        break;
    }
    return -1;
}

static double badput_s(const struct plan_job *job, enum plan_way way, int64_t now_us)
{
    double risk = job->at_risk_since_us >= 0 ? seconds(now_us - job->at_risk_since_us) : 0;
    switch (way) {
    case PLAN_WAY_KILL:
        return risk + seconds(job->restore_us);
    case PLAN_WAY_CHECKPOINT:
        return seconds(job->pause_us) + seconds(job->restore_us) + (1 - (double)job->success) * risk;
    case PLAN_WAY_OWN:
        return seconds(job->restore_us);
    case PLAN_WAY_FINISH:
    case PLAN_WAY_COUNT:
        break;
    }
    return 0;
}

void ways_cost(const struct plan_job *job, int64_t now_us, double lambda, struct plan_cost costs[PLAN_WAY_COUNT])
{
    unsigned ways = job->ways | 1u << PLAN_WAY_FINISH;
    bool endless = isinf(lambda);
    if (endless && (ways & (1u << PLAN_WAY_KILL)))
        ways = 1u << PLAN_WAY_KILL;
    else if (endless && (ways & (1u << PLAN_WAY_CHECKPOINT)))
        ways = 1u << PLAN_WAY_CHECKPOINT;
    for (int way = 0; way < PLAN_WAY_COUNT; way++) {
        double delay = delay_s(job, (enum plan_way)way, now_us) * job->cpus;
        costs[way].badput_s = badput_s(job, (enum plan_way)way, now_us) * job->cpus;
        costs[way].delay_s = delay >= 0 ? delay : INFINITY;
        costs[way].cost_s = INFINITY;
        if ((ways & (1u << way)) && delay >= 0)
            costs[way].cost_s = costs[way].badput_s + (endless ? LAMBDA_MOST : lambda) * delay;
    }
}

enum plan_way ways_cheapest(const struct plan_cost costs[PLAN_WAY_COUNT])
{
    enum plan_way best = PLAN_WAY_COUNT;
    for (int way = PLAN_WAY_COUNT - 1; way >= 0; way--)
        if (!isinf(costs[way].cost_s) && (best == PLAN_WAY_COUNT || costs[way].cost_s < costs[best].cost_s))
            best = (enum plan_way)way;
    return best;
}

int64_t ways_end_rate(const struct plan_job *job, int64_t now_us)
{
    int64_t age = age_us(job, now_us);
    if (age == 0 || job->ends_us >= 0)
        return 0;
    double rate = job->end_rate > 0 ? job->end_rate : 1e6 / (double)age;
    return (int64_t)llround((rate < 1 ? rate : 1) * 1e9);
}
