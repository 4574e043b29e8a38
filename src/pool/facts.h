/* What was measured of checkpoints: see facts.c. */
#pragma once

#include "policy/facts.h"
#include "pool/fold.h"

/* Of records that are being folded. */
void facts_commit(struct fold *f);
void facts_run(struct fold *f);
void facts_end(struct fold *f, const char *outcome);

/* How often a job that leaves it to the pool is checkpointed: by the configuration, or by what the runner makes of the figures. */
int facts_grant(struct pool *p, const struct queue_job *job, struct ad *grant, struct error *err);
