/*
 * What checkpoints cost and how stints end, summed up for each job and for the pool: from this intervals are chosen. The sums change in
 * the transaction in which the record is folded, so each record counts once.
 */
#include "pool/facts.h"

#include "base/mem.h"

#include <string.h>

static const char job_name[] = "CheckpointFacts", pool_name[] = "checkpoint_facts";

static int facts_of_pool(struct pool *p, struct interval_facts *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    auto_ad struct ad *ad = NULL;
    int result = queue_get_setting(p->queue, pool_name, &text, err);
    if (result < 0)
        return -1;
    if (result == 0 && ad_parse_json(buf_cstr(&text), text.len, &ad, err) < 0)
        return error_wrap(err, "what was measured of the pool's checkpoints");
    facts_read(ad, out);
    return 0;
}

static void add(struct fold *f, const struct interval_facts *what)
{
    struct interval_facts sums;
    auto_buf struct buf text = { 0 };
    facts_read(ad_ad(f->job.ad, job_name), &sums);
    facts_add(&sums, what);
    ad_set_ad(f->job.ad, job_name, facts_print(&sums));
    if (facts_of_pool(f->pool, &sums, f->err) < 0) {
        f->failed = -1;
        return;
    }
    facts_add(&sums, what);
    auto_ad struct ad *ad = facts_print(&sums);
    ad_print_json(ad, &text);
    if (queue_put_setting(f->pool->queue, pool_name, buf_cstr(&text), f->err) < 0)
        f->failed = -1;
}

static double seconds(int64_t us)
{
    return us > 0 ? (double)us / 1e6 : 0;
}

/* Those that an eviction took say nothing of what a periodic one costs: the program did not go on after them. */
void facts_commit(struct fold *f)
{
    const char *why = ad_string(f->record, "Why", "");
    int64_t pause = ad_int(f->record, "PauseUs", -1);
    if (pause >= 0 && (strcmp(why, "periodic") == 0 || strcmp(why, "user") == 0 || strcmp(why, "self") == 0))
        add(f, &(struct interval_facts){ .checkpoints = 1, .pause_s = seconds(pause) });
}

void facts_run(struct fold *f)
{
    if (ad_int(f->record, "Generation", 0) == 0 || ad_int(f->record, "Execution", 1) != 1)
        return;
    int64_t took = ad_int(f->record, "BootUs", 0) - ad_int(f->stint, "GrantedBootUs", ad_int(f->record, "BootUs", 0));
    add(f, &(struct interval_facts){ .restores = 1, .restore_s = seconds(took) });
}

void facts_end(struct fold *f, const char *outcome)
{
    struct interval_facts what = { .observed_s = seconds(f->wall_us - ad_int(f->stint, "GrantedWallUs", f->wall_us)) };
    if (strcmp(outcome, "evicted") == 0 || strcmp(outcome, "held") == 0) {
        what.evictions = 1;
        what.saved = ad_bool(f->record, "Checkpointed", false);
    } else if (strcmp(outcome, "completed") != 0) {
        what.failures = 1;
    }
    if (ad_has(f->stint, "Executions"))
        add(f, &what);
}

int facts_grant(struct pool *p, const struct queue_job *job, struct ad *grant, struct error *err)
{
    struct interval_facts pool;
    if (p->config.checkpoint_interval_us >= 0) {
        ad_set_int(grant, "CheckpointIntervalUs", p->config.checkpoint_interval_us);
        return 0;
    }
    if (facts_of_pool(p, &pool, err) < 0)
        return -1;
    ad_set_bool(grant, "AutoInterval", true);
    ad_copy_attribute(grant, "Facts", job->ad, job_name);
    ad_set_ad(grant, "PoolFacts", facts_print(&pool));
    return 0;
}
