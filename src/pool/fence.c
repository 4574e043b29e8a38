/* The fence: the pool declares a stint over whose runner is gone. The caller holds the job's lock, so nobody else writes. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/journal.h"
#include "job/record.h"
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct last_record {
    int64_t boot_us;
    char boot_id[40];
    bool final;
};

static bool remember_last(void *data, const char *text, size_t len, int64_t end)
{
    struct last_record *last = data;
    struct ad *record = NULL;
    struct error ignored;
    (void)end;
    if (!text)
        return true;
    if (ad_parse_json(text, len, &record, &ignored) < 0)
        return true;
    const char *kind = ad_string(record, "Record", "");
    last->boot_us = ad_int(record, "BootUs", last->boot_us);
    if (strcmp(kind, RECORD_BEGIN) == 0) {
        snprintf(last->boot_id, sizeof last->boot_id, "%s", ad_string(record, "BootId", ""));
        last->final = strcmp(ad_string(record, "Mode", ""), "deliver") == 0;
    } else if (strcmp(kind, RECORD_EXIT) == 0) {
        last->final = ad_bool(record, "Final", false);
    }
    ad_free(record);
    return true;
}

static bool is_there(const struct active *a, const char *sandbox)
{
    char name[64];
    snprintf(name, sizeof name, "%.32s/std/stdout", sandbox);
    return sandbox[0] && faccessat(a->job_dir, name, F_OK, 0) == 0;
}

/* Where the results lie: in this stint's sandbox, or, when a delivery died before it took it over, in an older one. */
static void find_results(struct pool *p, const struct active *a, char sandbox[32])
{
    struct queue_job job = { 0 };
    struct error ignored;
    snprintf(sandbox, 32, "stint.%d", a->stint);
    if (is_there(a, sandbox))
        return;
    sandbox[0] = '\0';
    if (queue_get_job(p->queue, a->id, &job, &ignored) == 0)
        snprintf(sandbox, 32, "%s", ad_string(job.ad, "Deliver", ""));
    queue_job_release(&job);
    if (!is_there(a, sandbox))
        sandbox[0] = '\0';
}

static int append(int journal, struct ad *record, struct error *err)
{
    auto_ad struct ad *owned = record;
    auto_buf struct buf text = { 0 };
    ad_print_json(owned, &text);
    return journal_append(journal, buf_cstr(&text), text.len, err);
}

static struct ad *fence_record(struct pool *p, struct active *a, const struct last_record *last)
{
    char sandbox[32];
    find_results(p, a, sandbox);
    bool same_boot = strcmp(last->boot_id, clock_boot_id()) == 0 || !last->boot_id[0];
    bool deliverable = same_boot && last->final && sandbox[0];
    struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_FENCE);
    ad_set_int(record, "Stint", a->stint);
    ad_set_int(record, "WallUs", clock_wall_us());
    ad_set_int(record, "BootUs", same_boot ? clock_boot_us() : last->boot_us);
    ad_set_string(record, "Cause", same_boot ? "runner" : "node");
    ad_set_string(record, "Reason", same_boot ? "its runner died" : "the machine was restarted");
    ad_set_bool(record, "Deliverable", deliverable);
    if (deliverable)
        ad_set_string(record, "Sandbox", sandbox);
    return record;
}

/* A stint that never said BEGIN held its slot all the same: it gets one, so that the ledger sees its time. */
static int begin_for(struct pool *p, struct active *a, int journal, struct error *err)
{
    struct ad *stint = NULL;
    int result = queue_get_stint(p->queue, a->id, a->stint, &stint, err);
    if (result < 0)
        return -1;
    if (!stint)
        stint = ad_new();
    if (ad_has(stint, "LedgerGrantedUs")) {
        ad_free(stint);
        return 0;
    }
    /* Of a boot that is over nothing is known but when the slot was granted. */
    int64_t granted = ad_int(stint, "GrantedBootUs", clock_boot_us());
    const char *boot = ad_string(stint, "BootId", clock_boot_id());
    struct ad *record = ad_new();
    ad_set_string(record, "Record", RECORD_BEGIN);
    ad_set_int(record, "Stint", a->stint);
    ad_set_int(record, "WallUs", clock_wall_us());
    ad_set_int(record, "BootUs", strcmp(boot, clock_boot_id()) == 0 ? clock_boot_us() : granted);
    ad_set_int(record, "GrantedWallUs", ad_int(stint, "GrantedWallUs", clock_wall_us()));
    ad_set_int(record, "GrantedBootUs", granted);
    ad_set_string(record, "BootId", boot);
    ad_set_string(record, "Mode", "fresh");
    ad_free(stint);
    return append(journal, record, err);
}

int fold_fence(struct pool *p, struct active *a, struct error *err)
{
    struct last_record last = { 0 };
    if (fold_records(p, a, err) < 0)
        return -1;
    if (a->over)
        return 0;
    auto_close int journal = journal_open(a->job_dir, "journal", err);
    if (journal < 0 || begin_for(p, a, journal, err) < 0)
        return -1;
    if (journal_read(a->job_dir, "journal", 0, remember_last, &last, err) < 0)
        return -1;
    fault_point("pool.fence");
    if (append(journal, fence_record(p, a, &last), err) < 0)
        return -1;
    return fold_records(p, a, err);
}
