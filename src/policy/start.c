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

size_t policy_plan(const struct policy_job *jobs, size_t count, struct policy_room room, size_t *taken, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < count && n < max && room.cpus > 0; i++) {
        if (!fits(&jobs[i], &room))
            continue;
        room.cpus -= jobs[i].cpus;
        room.memory_mb -= jobs[i].memory_mb;
        room.disk_kb -= jobs[i].disk_kb;
        taken[n++] = i;
    }
    return n;
}

int policy_fits_ever(const struct policy_job *job, const struct policy_room *machine, const char **why)
{
    *why = job->cpus > machine->cpus ? "cpus" : job->memory_mb > machine->memory_mb ? "memory" : "disk";
    return fits(job, machine);
}
