#include "base/clock.h"
#include "base/mem.h"
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
        "held", "released", "failed", "runner_lost", "disconnected", "reconnected", "cluster_submitted", "cluster_removed",
        "factory_paused", "factory_resumed",
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

static void set_evaluated(struct ad *into, const char *name, const struct ad_scope *scope)
{
    struct value value;
    if (!ad_has(scope->my, name))
        return;
    ad_eval(scope, name, &value);
    if (value.kind == VALUE_BOOL)
        ad_set_bool(into, name, value.boolean);
    else if (value.kind == VALUE_INT)
        ad_set_int(into, name, value.integer);
    else if (value.kind == VALUE_REAL)
        ad_set_real(into, name, value.real);
    else if (value.kind == VALUE_STRING)
        ad_set_string(into, name, value.string);
    else
        ad_copy_attribute(into, name, scope->my, name);
    value_release(&value);
}

/* job_ad_information_attrs: the named attributes' values of this moment, for the event that follows in the log. */
static void add_information(const struct queue_job *job, const struct ad *full, struct ad *event)
{
    const char *names = ad_string(full, "JobAdInformationAttrs", "");
    if (!*names)
        return;
    auto_ad struct ad *now = ad_copy(full);
    struct ad *some = ad_new();
    struct ad_scope scope = { .my = now, .now = ad_int(event, "Time", 0) / CLOCK_SECOND_US };
    if (job->ad)
        ad_update(now, job->ad);
    ad_set_int(now, "ClusterId", job->id.cluster);
    ad_set_int(now, "ProcId", job->id.proc);
    ad_set_string(now, "Owner", job->owner);
    ad_set_int(now, "JobStatus", job_state_status(job->state));
    while (*(names += strspn(names, ", \t"))) {
        size_t len = strcspn(names, ", \t");
        auto_free char *name = mem_dup_n(names, len);
        if (ad_name_valid(name))
            set_evaluated(some, name, &scope);
        names += len;
    }
    ad_set_ad(event, "Information", some);
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
        add_information(job, full, owned);
        p->logs = true;
    }
    if (notify_event(p, job, full, owned, err) < 0)
        return -1;
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
