/* The ledger's entries: into the queue, the job's sums, and what its user has used. */
#include "pool/fold.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

/* What an eviction destroyed is not charged to the evicted user, nor is what a machine or a runner lost. */
static bool is_charged(const struct ledger_entry *entry)
{
    static const char *const spared[] = { "vacate", "fairshare", "runner", "node", "shutdown", "killed", "resume" };
    if (entry->for_user[0])
        return false;
    for (size_t i = 0; entry->class == LEDGER_LOST && i < sizeof spared / sizeof spared[0]; i++)
        if (strcmp(entry->cause, spared[i]) == 0)
            return false;
    return true;
}

static void charge_one(const struct fold *f, struct queue_usage *u, int64_t cpu_us)
{
    double elapsed = (double)(f->wall_us - u->updated_us);
    double halflife = (double)f->pool->config.usage_halflife_us;
    if (elapsed > 0 && halflife > 0)
        u->decayed_cpu_s *= exp2(-elapsed / halflife);
    if (elapsed > 0)
        u->updated_us = f->wall_us;
    u->decayed_cpu_s += (double)cpu_us / 1e6;
    u->total_cpu_us += cpu_us;
}

/* The owner's usage is all that his jobs used, whatever account it was for. */
static void charge_usage(struct fold *f, int64_t wall_us)
{
    charge_one(f, &f->usage, wall_us * f->job.cpus);
    if (f->account.owner[0])
        charge_one(f, &f->account, wall_us * f->job.cpus);
    f->usage_changed = true;
}

void fold_entry(void *data, const struct ledger_entry *entry)
{
    struct fold *f = data;
    struct queue_charge charge = {
        .id = f->job.id,
        .stint = f->active->stint,
        .uid = f->job.uid,
        .owner = f->job.owner,
        .class_name = ledger_class_name(entry->class),
        .cause = entry->cause,
        .for_user = entry->for_user,
        .day = (int)(f->wall_us / (86400 * CLOCK_SECOND_US)),
        .cpus = f->job.cpus,
        .wall_us = entry->wall_us,
    };
    if (queue_charge(f->pool->queue, &charge, f->err) < 0)
        f->failed = -1;
    fold_add(f->job.ad, ledger_class_attribute(entry->class), entry->wall_us);
    fold_add(f->stint, ledger_class_attribute(entry->class), entry->wall_us);
    fold_add(f->job.ad, "OccupiedUs", entry->wall_us);
    if (entry->class == LEDGER_LOST)
        f->charged_lost_us += entry->wall_us;
    if (is_charged(entry))
        charge_usage(f, entry->wall_us);
}
