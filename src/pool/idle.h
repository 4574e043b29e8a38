/* The idle jobs in memory: those that may start, in the policy's order; those that wait for a time; those that do not suit this machine.
 * Private to schedule.c and idle.c. */
#pragma once

#include "pool/pool.h"

bool idle_same(struct job_id a, struct job_id b);
struct policy_job idle_view(struct pool *p, const struct queue_job *job);
/* Not before a time from now. */
void idle_wait(struct pool *p, const struct policy_job *job, int64_t wait_us, bool deferred);
/* Puts those whose time has come back into the order. */
void idle_take_waiting(struct pool *p);
void idle_unsuited(struct pool *p, const struct policy_job *job, bool timed);
/* The job's place among those that wait; NULL if it is not there. */
const struct waiting *idle_find_waiting(const struct pool *p, struct job_id id);
