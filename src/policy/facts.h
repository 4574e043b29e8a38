/* What was measured of a job's checkpoints, or of all jobs of a pool, as an ad: PauseSeconds, CommitSeconds, Checkpoints, RestoreSeconds, Restores,
 * Failures, Evictions, Saved, ObservedSeconds (see struct interval_facts). */
#pragma once

#include "ad/ad.h"
#include "policy/interval.h"

/* What is absent, negative or no number is 0; NULL has nothing. */
void facts_read(const struct ad *ad, struct interval_facts *out);
struct ad *facts_print(const struct interval_facts *facts);
void facts_add(struct interval_facts *to, const struct interval_facts *what);

/* The choice as attributes: IntervalUs, IntervalCostUs, IntervalMtbfUs, IntervalBasis ("measured", "pool", "guessed": whose figures
 * weigh most, of the cost). */
void facts_tell(const struct interval_choice *choice, struct ad *into);
