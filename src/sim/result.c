#include "sim/result.h"

#include "ad/ad.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The nearest rank. */
static double percentile(const double *sorted, size_t count, double part)
{
    if (count == 0)
        return 0;
    size_t rank = (size_t)(part * (double)count + 0.999999);
    return sorted[rank == 0 ? 0 : rank > count ? count - 1 : rank - 1];
}

static void add_classes(const struct sim *s, struct result *out)
{
    int64_t sum = s->at_risk_us;
    for (int class = 0; class < LEDGER_CLASS_COUNT; class ++)
        for (int cause = 0; cause < CAUSE_COUNT; cause++) {
            int64_t us = s->class_us[class][cause];
            sum += us;
            out->class_s[class] += (double)us / 1e6;
            if (class == LEDGER_GOODPUT)
                continue;
            out->cause_s[cause] += (double)us / 1e6;
            out->badput_s += (double)us / 1e6;
        }
    out->evicted_s = out->cause_s[CAUSE_SHARE] + out->cause_s[CAUSE_CHECKPOINT];
    out->occupied_s = (double)s->occupied_us / 1e6;
    out->at_risk_s = (double)s->at_risk_us / 1e6;
    out->adds_up = sum == s->occupied_us;
}

void result_of(struct sim *s, struct result *out)
{
    const struct fair *f = &s->fair;
    *out = (struct result){
        .policy = s->setup->policy,
        .lambda = s->setup->lambda,
        .cpus = s->cpus,
        .jobs = s->workload->count,
        .skipped = s->workload->skipped,
        .users = s->workload->user_count,
        .span_s = (double)s->now_us / 1e6,
        .deprivation_s = f->deprivation_s,
        .counts = s->counts,
        .episodes = f->episode_count,
    };
    out->distance = out->span_s > 0 ? f->distance_s / out->span_s : 0;
    add_classes(s, out);
    if (f->episode_count > 0)
        qsort(f->episodes_s, f->episode_count, sizeof *f->episodes_s, by_size);
    out->fair_p50_s = percentile(f->episodes_s, f->episode_count, 0.5);
    out->fair_p90_s = percentile(f->episodes_s, f->episode_count, 0.9);
    out->fair_p99_s = percentile(f->episodes_s, f->episode_count, 0.99);
    out->fair_max_s = percentile(f->episodes_s, f->episode_count, 1);
}

static bool has_lambda(const struct result *r)
{
    return r->policy <= SIM_CLAIRVOYANT;
}

/* ---- table ---- */

void result_table(const struct result *results, size_t count, struct buf *out)
{
    buf_printf(out, "%-12s %8s %12s %12s %12s %10s %10s %9s %8s %8s %8s %8s\n", "POLICY", "LAMBDA", "GOODPUT", "EVICTED",
               "BADPUT", "DEPRIVED", "EVICT/GOOD", "DISTANCE", "FAIR50", "FAIR90", "KILLED", "CKPT");
    buf_printf(out, "%-12s %8s %12s %12s %12s %10s %10s %9s %8s %8s %8s %8s\n", "", "", "cpu-h", "cpu-h", "cpu-h", "cpu-h", "%",
               "mean %", "s", "s", "jobs", "jobs");
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        char lambda[32] = "-";
        if (has_lambda(r))
            snprintf(lambda, sizeof lambda, "%g", r->lambda);
        buf_printf(out, "%-12s %8s %12.1f %12.2f %12.2f %10.1f %10.3f %9.2f %8.0f %8.0f %8" PRIu64 " %8" PRIu64 "\n",
                   sim_policy_name(r->policy), lambda, r->class_s[LEDGER_GOODPUT] / 3600, r->evicted_s / 3600,
                   r->badput_s / 3600, r->deprivation_s / 3600,
                   r->class_s[LEDGER_GOODPUT] > 0 ? 100 * r->evicted_s / r->class_s[LEDGER_GOODPUT] : 0, 100 * r->distance,
                   r->fair_p50_s, r->fair_p90_s, r->counts.evictions[WAY_KILL],
                   r->counts.evictions[WAY_CHECKPOINT] + r->counts.evictions[WAY_OWN]);
    }
}

/* ---- the same columns for CSV and JSON ---- */

struct column {
    const char *csv;
    const char *json;
    double value;
};

enum { COLUMNS_MAX = 48 };

static size_t columns_of(const struct result *r, struct column columns[COLUMNS_MAX])
{
    const struct column all[] = {
        { "cpus", "Cpus", (double)r->cpus },
        { "jobs", "Jobs", (double)r->jobs },
        { "jobs_skipped", "JobsSkipped", (double)r->skipped },
        { "users", "Users", (double)r->users },
        { "span_s", "SpanS", r->span_s },
        { "occupied_cpu_s", "OccupiedCpuS", r->occupied_s },
        { "goodput_cpu_s", "GoodputCpuS", r->class_s[LEDGER_GOODPUT] },
        { "lost_cpu_s", "LostCpuS", r->class_s[LEDGER_LOST] },
        { "checkpoint_cpu_s", "CheckpointCpuS", r->class_s[LEDGER_CHECKPOINT] },
        { "restore_cpu_s", "RestoreCpuS", r->class_s[LEDGER_RESTORE] },
        { "transfer_cpu_s", "TransferCpuS", r->class_s[LEDGER_TRANSFER] },
        { "idle_cpu_s", "IdleCpuS", r->class_s[LEDGER_IDLE] },
        { "at_risk_cpu_s", "AtRiskCpuS", r->at_risk_s },
        { "badput_cpu_s", "BadputCpuS", r->badput_s },
        { "badput_evicted_cpu_s", "BadputEvictedCpuS", r->cause_s[CAUSE_SHARE] },
        { "badput_checkpoint_failed_cpu_s", "BadputCheckpointFailedCpuS", r->cause_s[CAUSE_CHECKPOINT] },
        { "badput_periodic_cpu_s", "BadputPeriodicCpuS", r->cause_s[CAUSE_PERIODIC] },
        { "badput_node_cpu_s", "BadputNodeCpuS", r->cause_s[CAUSE_NODE] },
        { "badput_start_cpu_s", "BadputStartCpuS", r->cause_s[CAUSE_START] },
        { "deprivation_cpu_s", "DeprivationCpuS", r->deprivation_s },
        { "distance_mean", "DistanceMean", r->distance },
        { "unfair_episodes", "UnfairEpisodes", (double)r->episodes },
        { "time_to_fair_p50_s", "TimeToFairP50S", r->fair_p50_s },
        { "time_to_fair_p90_s", "TimeToFairP90S", r->fair_p90_s },
        { "time_to_fair_p99_s", "TimeToFairP99S", r->fair_p99_s },
        { "time_to_fair_max_s", "TimeToFairMaxS", r->fair_max_s },
        { "starts", "Starts", (double)r->counts.starts },
        { "completions", "Completions", (double)r->counts.completions },
        { "evicted_killed", "EvictedKilled", (double)r->counts.evictions[WAY_KILL] },
        { "evicted_checkpointed", "EvictedCheckpointed", (double)r->counts.evictions[WAY_CHECKPOINT] },
        { "evicted_at_own_checkpoint", "EvictedAtOwnCheckpoint", (double)r->counts.evictions[WAY_OWN] },
        { "checkpoints", "Checkpoints", (double)r->counts.checkpoints },
        { "checkpoints_failed", "CheckpointsFailed", (double)r->counts.failed_checkpoints },
        { "node_failures", "NodeFailures", (double)r->counts.node_failures },
        { "events", "Events", (double)r->counts.events },
        { "simulation_cpu_s", "SimulationCpuS", r->cpu_s },
    };
    size_t count = sizeof all / sizeof all[0];
    for (size_t i = 0; i < count; i++)
        columns[i] = all[i];
    return count;
}

void result_csv(const struct result *results, size_t count, struct buf *out)
{
    struct column columns[COLUMNS_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t n = columns_of(&results[i], columns);
        if (i == 0) {
            buf_text(out, "policy,lambda");
            for (size_t c = 0; c < n; c++)
                buf_printf(out, ",%s", columns[c].csv);
            buf_char(out, '\n');
        }
        buf_text(out, sim_policy_name(results[i].policy));
        if (has_lambda(&results[i]))
            buf_printf(out, ",%g", results[i].lambda);
        else
            buf_char(out, ',');
        for (size_t c = 0; c < n; c++)
            buf_printf(out, ",%.12g", columns[c].value);
        buf_char(out, '\n');
    }
}

void result_json(const struct result *results, size_t count, struct buf *out)
{
    auto_ad struct ad *all = ad_new();
    ad_make_list(all, "Runs");
    for (size_t i = 0; i < count; i++) {
        struct column columns[COLUMNS_MAX];
        size_t n = columns_of(&results[i], columns);
        struct ad *run = ad_new();
        ad_set_string(run, "Policy", sim_policy_name(results[i].policy));
        if (has_lambda(&results[i]))
            ad_set_real(run, "Lambda", results[i].lambda);
        for (size_t c = 0; c < n; c++)
            ad_set_real(run, columns[c].json, columns[c].value);
        ad_append_ad(all, "Runs", run);
    }
    ad_print_json(all, out);
    buf_char(out, '\n');
}

/* ---- over time ---- */

void result_users(const struct sim *s, struct buf *out)
{
    buf_text(out, "user,group,factor,jobs_done,turnaround_mean_s,evicted_badput_cpu_s,deprived_cpu_s,usage_cpu_s\n");
    for (size_t u = 0; u < s->workload->user_count; u++) {
        const struct workload_user *user = &s->workload->users[u];
        const struct sim_user *got = &s->users[u];
        buf_printf(out, "%s,%" PRIu32 ",%g,%" PRIu64 ",%.12g,%.12g,%.12g,%.12g\n", user->name, user->group, user->factor,
                   got->done, got->done ? got->turnaround_s / (double)got->done : 0, got->evicted_s,
                   fair_deprived_s(&s->fair, (uint32_t)u), s->fair.users[u].usage);
    }
}

void result_populations_csv(const struct sim *s, struct buf *out)
{
    size_t users = s->workload->user_count;
    buf_text(out, "time_s,distance,missing_cpus");
    for (size_t u = 0; u < users; u++)
        buf_printf(out, ",%s_running,%s_target", s->workload->users[u].name, s->workload->users[u].name);
    buf_char(out, '\n');
    for (size_t i = 0; i < s->sample_count; i++) {
        buf_printf(out, "%.12g,%.6g,%.6g", s->samples[i].time_s, s->samples[i].distance, s->samples[i].missing);
        for (size_t u = 0; u < 2 * users; u++)
            buf_printf(out, ",%.6g", (double)s->sample_users[i * users * 2 + u]);
        buf_char(out, '\n');
    }
}

void result_episodes_csv(const struct sim *s, struct buf *out)
{
    buf_text(out, "time_to_fair_s,part_not_longer\n");
    for (size_t i = 0; i < s->fair.episode_count; i++)
        buf_printf(out, "%.6f,%.6f\n", s->fair.episodes_s[i], (double)(i + 1) / (double)s->fair.episode_count);
}
