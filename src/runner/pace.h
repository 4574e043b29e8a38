/*
 * How often a job is checkpointed that leaves it to the pool, and a pool that leaves it to what checkpoints cost: the interval that
 * makes the expected time to the job's end least (policy/interval.h), from what earlier stints, this one and the pool's other
 * jobs have shown. It is chosen anew after every checkpoint.
 */
#pragma once

#include "runner/runner.h"

/* When the stint begins, with the protocol known. */
void pace_begin(struct runner *r);
/* A checkpoint that nobody had to leave for is committed: its pause. */
void pace_committed(struct runner *r, int64_t pause_us);
/* What was chosen, as attributes of a record; nothing where the interval is given. */
void pace_tell(const struct runner *r, struct ad *record);
