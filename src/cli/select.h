/* Which jobs a command line means: IDs, -c EXPR, --all, --owner. The same words for questions and for actions. */
#pragma once

#include "cli/api.h"
#include "cli/cli.h"
#include "job/id.h"

/* Adds id=, constraint= and owner= to a target. IDs are checked: CLI_BAD_USAGE. Without --all and --owner a machine-wide pool
 * shows the caller's jobs (all to root). */
int select_query(const struct cli_call *call, const struct api *api, struct buf *target, struct error *err);
/* Every operand is an ID. */
int select_check_ids(const struct cli_call *call, struct error *err);
/* For actions: sets Jobs or Constraint; naming no jobs is CLI_BAD_USAGE, so that nothing is done to all jobs by omission. */
int select_action(const struct cli_call *call, struct ad *body, struct error *err);
/* Appends comma-separated attribute names to the target; each is checked. */
int select_attributes(const char *names, struct buf *target, struct error *err);
/* "7": the job of a cluster that has one, in the queue or past; otherwise the question is which. */
int select_only_job(struct api *api, struct job_id *id, struct error *err);
