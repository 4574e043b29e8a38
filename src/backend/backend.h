/*
 * How a runner gets started and asked. A runner is started with the job's directory, in which the file `grant` says what to
 * do: an ad in JSON with
 *
 *   Job (the full job ad), Stint, Uid, Cpus, MemoryBytes, DiskLimitKb (0 = none), Limits (use cgroups),
 *   GrantedWallUs, GrantedBootUs (when the slot became the job's), Cause (why this stint is needed: "start", or what ended the
 *   one before), Stored (the store has generations), NextGeneration, Retries, DoubtedGeneration (it is not
 *   restored, nor what is newer: the one that it went on from is; absent = none), KeepGenerations,
 *   Mark (names this stint's cgroup, and is STINT_ID in the program's environment: unique to pool, job and stint),
 *   DefaultMethod (of jobs that say nothing: see job/protocol.h), CriuDir (the criu bundle; absent = there is none),
 *   CheckpointIntervalUs, CheckpointTimeoutUs, MaxVacateUs,
 *   ImageDir (where unpacked container images of the owner are kept; the runner makes it),
 *   Deliver (name of the sandbox whose results only have to be delivered), ExitCode | ExitSignal (with Deliver).
 *
 * A line is a stream socket: orders go to the runner (an ad in JSON a line; see runner/control.c), a byte comes back for every
 * journal record, and its end means that the runner is gone.
 */
#pragma once

#include "ad/ad.h"

#include <stdbool.h>

/* What a backend needs to know of a job. */
struct backend_job {
    int job_dir;           /* descriptor */
    const char *job_path;
    const char *store_path;
    const char *runner;    /* path of the program stint-runner */
    int log;               /* where the runner's complaints go: a descriptor */
};

enum { BACKEND_GONE = 1 };

/* Writes the grant and starts a runner. *line is the caller's. */
int backend_start(const struct backend_job *job, const struct ad *grant, int *line, struct error *err);
/* Connects to a living runner. Outcome BACKEND_GONE: nobody answers. */
int backend_reach(const struct backend_job *job, int *line, struct error *err);
/* Sends an order down a line. A broken line is no error: its end is noticed where it is watched. */
void backend_order(int line, const struct ad *order);
/* Whether a runner (or what is left of its job's processes) still holds the job's lock. When it is free, it is held by the
 * caller from now on: *lock is a descriptor to close. */
bool backend_alive(const struct backend_job *job, int *lock);

/* As many descriptors for this process as it may have: it holds several for each job and client. Runners get what was the limit
 * before, for programs that select(2) must not see more. */
void backend_raise_descriptors(void);
