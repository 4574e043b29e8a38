#include "pool/pool.h"

#include <string.h>

struct ad *event_new(const char *name, int64_t wall_us)
{
    struct ad *event = ad_new();
    ad_set_string(event, "Event", name);
    ad_set_int(event, "Time", wall_us);
    return event;
}

/* Events that have a counterpart in HTCondor's user log. */
static bool belongs_in_log(const struct ad *event)
{
    static const char *const names[] = {
        "submitted", "running", "checkpoint_taken", "evicted", "completed", "image_size", "removed", "suspended", "continued",
        "held", "released", "failed", "runner_lost", "disconnected", "reconnected",
    };
    const char *name = ad_string(event, "Event", "");
    if (strncmp(name, "transfer_", strlen("transfer_")) == 0)
        return true;
    if (strcmp(name, "checkability") == 0)
        return ad_list_count(event, "Problems") > 0;
    if (strcmp(name, "running") == 0)
        return ad_int(event, "Execution", 1) == 1; /* not again after each checkpoint */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

int event_add(struct pool *p, const struct queue_job *job, const struct ad *full, struct ad *event, struct error *err)
{
    auto_ad struct ad *owned = event;
    const char *log = ad_string(full, "UserLog", NULL);
    ad_set_int(owned, "ClusterId", job->id.cluster);
    ad_set_int(owned, "ProcId", job->id.proc);
    bool for_log = log && *log && belongs_in_log(owned);
    if (for_log) {
        ad_set_string(owned, "Log", log);
        ad_set_string(owned, "Iwd", ad_string(full, "Iwd", "/"));
        ad_set_int(owned, "Uid", job->uid);
        p->logs = true;
    }
    return queue_add_event(p->queue, job->id, owned, for_log, &p->last_event, err);
}

void event_rollback(struct pool *p)
{
    struct error ignored;
    queue_rollback(p->queue);
    queue_last_event(p->queue, &p->last_event, &ignored);
}

int event_commit(struct pool *p, struct error *err)
{
    if (queue_commit(p->queue, err) == 0)
        return 0;
    event_rollback(p);
    return -1;
}
