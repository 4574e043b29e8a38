/* The bookkeeping of `stint checkpoint`: which jobs have not answered yet, and what each answer means. Pure. */
#pragma once

#include "cli/words.h"

struct checkpoint_wait {
    struct checkpoint_job *jobs;
    size_t count, capacity;
    size_t pending;
    size_t failed; /* answers that are not a checkpoint */
    int64_t seq;   /* events up to here are known */
};
void checkpoint_wait_release(struct checkpoint_wait *wait);

/* Takes the results of the action; what was refused at once goes to `out` and counts as failed. */
void checkpoint_wait_begin(struct checkpoint_wait *wait, const struct ad *results, struct buf *out);
/* Takes the next events; what became of a job that is waited for goes to `out`. */
void checkpoint_wait_events(struct checkpoint_wait *wait, const struct ad *answer, struct buf *out);
/* The ID of the first job that is waited for, to ask for its events only; NULL when several are. */
const char *checkpoint_wait_only(const struct checkpoint_wait *wait);
