/*
 * What this machine can do for jobs that are checkpointed as they are, and what to change where it cannot: `stint doctor`. Every check
 * tries the thing itself; the last one takes a small process through a checkpoint and back.
 */
#pragma once

#include "ad/ad.h"

struct doctor_place {
    const char *tools; /* the directory with CRIU (see tools/criu); NULL = there is none */
    const char *pool;  /* the pool's directory, or where it is going to be; NULL = unknown */
};

/*
 * Sets in `report`: Transparent (bool: unmodified programs are checkpointed and resumed here), Kernel, Tools (if there are any),
 * Checks: list of ads
 *   Name "user-namespaces", Title, Ok, Essential (without it Transparent is false), For: what it is needed for;
 *   Found: what there is, or why not;  Change: what to do, with the command (only when not Ok; may be absent)
 */
void doctor_run(const struct doctor_place *place, struct ad *report);

/* A process of its own is checkpointed, killed and resumed in a new world; everything below a temporary directory in `dir`, which is
 * removed. For tests, and to be replaced when there are other ways. */
int doctor_trial(const char *tools, const char *dir, struct error *err);
/* The version of the CRIU in `tools`, as 40201 for 4.2.1. */
int doctor_version(const char *tools, int *version, struct error *err);
