/*
 * keep_sandbox: a job that is held, or failed, keeps its sandbox for its owner to look at. It goes when the job's next stint makes another
 * one, or with the job. Until then its room on the disk is not given to others. What is in memory is made again from the queue when
 * the pool starts.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <string.h>

static const char attribute[] = "KeptSandbox";

struct kept {
    struct job_id id;
    int64_t disk_kb;
};

void kept_note(const struct active *a, const struct ad *record, struct ad *job)
{
    const char *name = ad_string(record, attribute, NULL);
    ad_remove(job, attribute);
    if (!name || strncmp(name, "stint.", 6) != 0 || strchr(name, '/'))
        return;
    auto_free char *path = mem_printf("%s/%s/work", a->job_path, name);
    ad_set_string(job, attribute, path);
}

int64_t kept_disk(const struct pool *p, const struct queue_job *job)
{
    if (p->kept_count == 0 || !ad_has(job->ad, attribute))
        return 0;
    for (size_t i = 0; i < p->kept_count; i++)
        if (p->kept[i].id.cluster == job->id.cluster && p->kept[i].id.proc == job->id.proc)
            return p->kept[i].disk_kb < job->disk_kb ? p->kept[i].disk_kb : job->disk_kb;
    return 0;
}

static void add(struct pool *p, struct job_id id, int64_t disk_kb)
{
    kept_remove(p, id);
    p->kept = mem_grow(p->kept, &p->kept_capacity, p->kept_count + 1, sizeof *p->kept);
    p->kept[p->kept_count++] = (struct kept){ .id = id, .disk_kb = disk_kb };
    p->kept_disk_kb += disk_kb;
}

void kept_add(struct pool *p, const struct queue_job *job)
{
    if (ad_has(job->ad, attribute))
        add(p, job->id, job->disk_kb);
}

void kept_remove(struct pool *p, struct job_id id)
{
    for (size_t i = 0; i < p->kept_count; i++) {
        if (p->kept[i].id.cluster != id.cluster || p->kept[i].id.proc != id.proc)
            continue;
        p->kept_disk_kb -= p->kept[i].disk_kb;
        p->kept[i] = p->kept[--p->kept_count];
        p->schedule = true;
        return;
    }
}

void kept_free(struct pool *p)
{
    free(p->kept);
    p->kept = NULL;
}

/* Few have one, so the others' ads are not parsed for it. */
static bool load_one(void *data, const struct queue_job *job)
{
    if (memmem(job->ad_text, job->ad_text_len, "\"KeptSandbox\":", 14))
        add(data, job->id, job->disk_kb);
    return true;
}

int kept_load(struct pool *p, struct error *err)
{
    struct queue_filter filter = { .id.proc = JOB_ALL_PROCS, .unparsed = true };
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        if (!job_state_occupies((enum job_state)s))
            filter.states |= 1u << s;
    return queue_each_job(p->queue, &filter, load_one, p, err);
}
