/* Which jobs a command line means: IDs, -c EXPR, --all, --owner. The same words for questions and for actions. */
#pragma once

#include "cli/api.h"
#include "cli/cli.h"
#include "job/id.h"

/* Adds id=, constraint= and owner= to a target. IDs are checked: CLI_BAD_USAGE. Without --all and --owner a machine-wide pool
 * shows the caller's jobs (all to root). */
int select_query(const struct cli_call *call, const struct api *api, struct buf *target, struct error *err);
/* Every operand is an ID, and the constraint an expression: CLI_BAD_USAGE, before any pool is asked. */
int select_check(const struct cli_call *call, struct error *err);
/* The constraint alone. */
int select_check_constraint(const struct cli_call *call, struct error *err);
/* For actions: sets Jobs or Constraint; naming no jobs is CLI_BAD_USAGE, so that nothing is done to all jobs by omission. */
int select_action(const struct cli_call *call, struct ad *body, struct error *err);
/* Jobs by their names, for commands that ask about one after the other. */
struct select_jobs {
    struct job_id *ids;
    size_t count, capacity;
};
#define auto_select_jobs __attribute__((cleanup(select_release)))
/* Which jobs the pool has that -c means, by cluster and process number; those of the past too if `past`. None is an error. Without -c
 * the list stays empty. */
int select_constrained(const struct cli_call *call, struct api *api, bool past, struct select_jobs *jobs, struct error *err);
void select_add(struct select_jobs *jobs, struct job_id id);
void select_release(struct select_jobs *jobs);
/* The only job that an operand or -c means; several, or none, is an error. */
int select_one(const struct cli_call *call, struct api *api, struct job_id *id, struct error *err);
/* "7": the job of a cluster that has one, in the queue or past; otherwise the question is which. */
int select_only_job(struct api *api, struct job_id *id, struct error *err);
