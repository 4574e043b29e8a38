/*
 * What to start next. Pure: a snapshot in, a plan out; the same snapshot gives the same plan. (Fair share, and whom to evict,
 * are to come here.)
 */
#pragma once

#include "job/id.h"

#include <stddef.h>
#include <stdint.h>

struct policy_job {
    struct job_id id;
    int64_t priority;     /* higher first */
    int64_t submitted_us; /* earlier first */
    int64_t memory_mb;
    int64_t disk_kb;
    int cpus;
};

struct policy_room {
    int cpus;
    int64_t memory_mb;
    int64_t disk_kb;
};

/* By priority, then submission, then id: negative when a comes before b. */
int policy_compare(const struct policy_job *a, const struct policy_job *b);
/* Goes through `jobs`, which are in that order, and takes each that fits into what is left of `room`. Writes the indices of
 * those taken, at most `max`, and returns their number. Stops early when no cpu is left. */
size_t policy_plan(const struct policy_job *jobs, size_t count, struct policy_room room, size_t *taken, size_t max);
/* Whether the job would fit into an empty machine; if not, *why names the first resource that it asks too much of. */
int policy_fits_ever(const struct policy_job *job, const struct policy_room *machine, const char **why);
