/* Asking the pool to act on jobs, for the commands that do. */
#pragma once

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/words.h"

/* Posts the command's action for the jobs that the command line names. CLI_BAD_USAGE when it names none. */
int act_ask(const struct cli_call *call, struct api *api, struct api_answer *answer, struct error *err);
/* Says what became of it: to `out` what was done, to `problems` what was not. Returns how many were not; no job at all is one. */
size_t act_print(const char *command, const struct ad *answer, struct buf *out, struct buf *problems);
