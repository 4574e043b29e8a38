#include "policy/policy.h"

int policy_compare(const struct policy_job *a, const struct policy_job *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    if (a->submitted_us != b->submitted_us)
        return a->submitted_us < b->submitted_us ? -1 : 1;
    if (a->id.cluster != b->id.cluster)
        return a->id.cluster < b->id.cluster ? -1 : 1;
    return (a->id.proc > b->id.proc) - (a->id.proc < b->id.proc);
}

static int fits(const struct policy_job *job, const struct policy_room *room)
{
    return job->cpus <= room->cpus && job->memory_mb <= room->memory_mb && job->disk_kb <= room->disk_kb;
}

const struct policy_limit *policy_limit_in_the_way(const struct policy_needs *needs, const struct policy_limit *limits, bool ever)
{
    for (int i = 0; needs && i < needs->count; i++) {
        const struct policy_limit *limit = &limits[needs->needs[i].limit];
        if (limit->most >= 0 && (ever ? 0 : limit->used) + needs->needs[i].amount > limit->most)
            return limit;
    }
    return NULL;
}

static void use_limits(const struct policy_job *job, struct policy_limit *limits, int sign)
{
    for (int i = 0; job->needs && i < job->needs->count; i++)
        limits[job->needs->needs[i].limit].used += sign * job->needs->needs[i].amount;
}

size_t policy_plan(const struct policy_snapshot *s, size_t *taken, size_t max)
{
    struct policy_room room = s->room;
    size_t n = 0;
    for (size_t i = 0; i < s->count && n < max && room.cpus > 0; i++) {
        const struct policy_job *job = &s->jobs[i];
        if (!fits(job, &room) || policy_limit_in_the_way(job->needs, s->limits, false))
            continue;
        if (job->conditional && !s->may(s->data, i))
            continue;
        room.cpus -= job->cpus;
        room.memory_mb -= job->memory_mb;
        room.disk_kb -= job->disk_kb;
        use_limits(job, s->limits, 1);
        taken[n++] = i;
    }
    for (size_t i = 0; i < n; i++)
        use_limits(&s->jobs[taken[i]], s->limits, -1);
    return n;
}

int policy_fits_ever(const struct policy_job *job, const struct policy_room *machine, const char **why)
{
    *why = job->cpus > machine->cpus ? "cpus" : job->memory_mb > machine->memory_mb ? "memory" : "disk";
    return fits(job, machine);
}
