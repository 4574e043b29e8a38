/*
 * Decisions: the policy's own code (policy/plan.h) is asked for starts, and for evictions by the policies that are simulated;
 * of the others it is asked for whom room should be made, and they choose who makes it and how.
 */
#pragma once

#include "sim/sim.h"

void decide_init(struct sim *s);
void decide_release(struct sim *s);
/* What the policy has to know; jobs are numbers of the workload's. */
void decide_arrived(struct sim *s, uint32_t job);
void decide_done(struct sim *s, uint32_t job);
void decide_requeued(struct sim *s, uint32_t job, bool evicted);
void decide_leaving(struct sim *s, uint32_t job);
/* It runs, its checkpoint was captured or committed: costs and moments are others now. */
void decide_changed(struct sim *s, uint32_t job);
void decide_node(struct sim *s, uint32_t node);
void decide_weights(struct sim *s);
/* Whether somebody is owed cpus. */
bool decide_owes(struct sim *s);
/* The number of the last look, which sim_run.mark is compared with. */
uint64_t decide_look_number(const struct sim *s);

/* Starts, and evictions if demand grew since the last look, or `look`. */
void decide_now(struct sim *s, bool look);
