#include "runner/pace.h"

#include "base/clock.h"
#include "policy/facts.h"

/* Never so often that a store is kept busy by it, and often enough to be of use at all. */
static const struct interval_rules rules = { .min_s = 60, .max_s = 4 * 3600, .prior_samples = 3, .prior_ends = 1 };

static void choose(struct runner *r)
{
    struct interval_facts facts = r->pace.facts;
    facts.observed_s += (double)(clock_boot_us() - ad_int(r->grant, "GrantedBootUs", clock_boot_us())) / 1e6;
    interval_choose(&facts, &r->pace.pool, &rules, &r->pace.choice);
    r->protocol.interval_us = (int64_t)(r->pace.choice.tau_s * 1e6);
}

void pace_begin(struct runner *r)
{
    bool given = ad_has(r->job, "CheckpointIntervalUs") || ad_has(r->job, "CheckpointInterval");
    r->pace.chosen = !given && ad_bool(r->grant, "AutoInterval", false) && (r->protocol.want_signal || r->engine->running);
    if (!r->pace.chosen)
        return;
    facts_read(ad_ad(r->grant, "Facts"), &r->pace.facts);
    facts_read(ad_ad(r->grant, "PoolFacts"), &r->pace.pool);
    choose(r);
}

void pace_committed(struct runner *r, int64_t pause_us)
{
    if (!r->pace.chosen || pause_us < 0)
        return;
    r->pace.facts.checkpoints += 1;
    r->pace.facts.pause_s += (double)pause_us / 1e6;
    choose(r);
}

void pace_tell(const struct runner *r, struct ad *record)
{
    if (r->pace.chosen)
        facts_tell(&r->pace.choice, record);
}
