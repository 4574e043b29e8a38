/* The commands' functions, for the table. Each is in the file of its name or family. */
#pragma once

#include "cli/cli.h"

typedef int cli_run(const struct cli_call *call, struct error *err);

cli_run run_submit, run_q, run_show, run_log, run_checkpoint, run_act, run_edit, run_wait, run_history, run_ledger, run_reschedule,
    run_pool, run_users, run_events, run_help, run_completion, run_version;
