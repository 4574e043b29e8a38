/* The commands' functions, for the table. Each is in the file of its name or family. */
#pragma once

#include "cli/cli.h"

typedef int cli_run(const struct cli_call *call, struct error *err);

cli_run run_submit, run_q, run_show, run_log, run_checkpoint, run_act, run_edit, run_wait, run_history, run_ledger, run_reschedule,
    run_pool, run_users, run_events, run_help, run_completion, run_version, run_rewind, run_clone,
    run_doctor, run_status, run_explain;
cli_run run_ckpt_ls, run_ckpt_show, run_ckpt_diff, run_ckpt_df, run_ckpt_verify, run_ckpt_pin, run_ckpt_rm, run_ckpt_gc, run_ckpt_cat,
    run_ckpt_extract, run_ckpt_export, run_ckpt_import;

/* The table of "stint ckpt …". */
extern const struct cli_command ckpt_commands[];
