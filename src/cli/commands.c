/* The table of commands. Texts are sentences for `stint help`; the manual page says more. */
#include "cli/run.h"

#define OPTION_JSON { 0, "json", NULL, false, "print the pool's answer as JSON" }
#define OPTION_CONSTRAINT { 'c', "constraint", "EXPR", false, "the jobs for which an expression is true" }
#define OPTION_END { 0, NULL, NULL, false, NULL }

static const struct cli_option none[] = { OPTION_END };
static const struct cli_option only_json[] = { OPTION_JSON, OPTION_END };

static const struct cli_option submit_options[] = {
    { 0, "dry-run", NULL, false, "print the ads and submit nothing; needs no pool" },
    OPTION_JSON,
    { 'q', "quiet", NULL, false, "print the cluster's number only" },
    OPTION_END,
};
static const struct cli_option q_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "everybody's jobs (a machine-wide pool shows yours)" },
    { 0, "owner", "NAME", false, "one user's jobs" },
    { 0, "batch", NULL, false, "one line for each batch" },
    { 0, "af", "A,B,C", false, "print these attributes of each job, and nothing else" },
    { 0, "watch", "S", true, "show again every S seconds (default 2)" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option history_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "everybody's jobs (a machine-wide pool shows yours)" },
    { 0, "owner", "NAME", false, "one user's jobs" },
    { 'n', "limit", "N", false, "at most N jobs (default 100; 0 = all)" },
    { 0, "af", "A,B,C", false, "print these attributes of each job, and nothing else" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option log_options[] = {
    { 'f', "follow", NULL, false, "go on until the job is done" },
    { 'e', "stderr", NULL, false, "the error output" },
    OPTION_END,
};
static const struct cli_option act_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "all jobs that you may act on" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option checkpoint_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "all jobs that you may act on" },
    { 0, "no-wait", NULL, false, "ask, and do not wait for what becomes of it" },
    { 0, "timeout", "TIME", false, "wait no longer than this (the request stays)" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option vacate_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "all jobs that you may act on" },
    { 0, "fast", NULL, false, "kill at once; what was done since the last checkpoint is lost" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option reason_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "all jobs that you may act on" },
    { 0, "reason", "TEXT", false, "why, for the job's story" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option rm_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "all jobs that you may act on" },
    { 0, "reason", "TEXT", false, "why, for the job's story" },
    { 0, "fast", NULL, false, "kill at once" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option wait_options[] = {
    { 0, "timeout", "TIME", false, "give up after this time, with exit status 124" },
    { 'q', "quiet", NULL, false, "no progress" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option ledger_options[] = {
    { 0, "by", "KEY", false, "job (default), stint, user, cause, class, day or pool" },
    { 0, "owner", "NAME", false, "one user's jobs" },
    { 0, "since", "DATE", false, "from this day on (YYYY-MM-DD)" },
    { 0, "until", "DATE", false, "up to and with this day" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option events_options[] = {
    { 'f', "follow", NULL, false, "go on with what happens" },
    { 0, "after", "SEQ", false, "events after this number" },
    { 'n', "limit", "N", false, "the last N events (default 50)" },
    { 0, "json", NULL, false, "one JSON object a line" },
    OPTION_END,
};
static const struct cli_option pool_options[] = {
    { 0, "vacate", NULL, false, "stop: let the jobs checkpoint and leave first" },
    OPTION_JSON,
    OPTION_END,
};

enum { MANY = 1000000 };

static const struct cli_command table[] = {
    { "submit", "FILE|-", "Submit the jobs of a submit file", "The files that the jobs need are looked for first: a job that cannot start is an error here, with its line.\n"
      "Starts the pool if none is running.", submit_options, OPERAND_FILE, 1, 1, NULL, run_submit },
    { "q", "[ID…]", "Show the jobs in the queue", "CKPT is the number of checkpoints and the age of the last one, SAVED is work that is safe, LOST is work that\n"
      "had to be done again.", q_options, OPERAND_JOB, 0, MANY, NULL, run_q },
    { "show", "ID", "Tell a job's whole story", "Stints, checkpoints, evictions with their causes, where the time went, and why it is idle.", only_json, OPERAND_PAST_JOB,
      1, 1, NULL, run_show },
    { "log", "ID", "Print a job's output", NULL, log_options, OPERAND_PAST_JOB, 1, 1, NULL, run_log },
    { "checkpoint", "ID…", "Checkpoint jobs now, and say what became of it", "Waits for the answer: taken, refused, or failed and why.", checkpoint_options,
      OPERAND_JOB, 0, MANY, NULL, run_checkpoint },
    { "vacate", "ID…", "Let jobs checkpoint, leave their slots and become idle", NULL, vacate_options, OPERAND_JOB, 0, MANY, NULL, run_act },
    { "hold", "ID…", "Stop jobs until they are released", NULL, reason_options, OPERAND_JOB, 0, MANY, NULL, run_act },
    { "release", "ID…", "Let held jobs run again", NULL, reason_options, OPERAND_JOB, 0, MANY, NULL, run_act },
    { "rm", "ID…", "Remove jobs from the queue", NULL, rm_options, OPERAND_JOB, 0, MANY, NULL, run_act },
    { "suspend", "ID…", "Stop the programs of running jobs in their slots", NULL, act_options, OPERAND_JOB, 0, MANY, NULL, run_act },
    { "continue", "ID…", "Let suspended jobs go on", NULL, act_options, OPERAND_JOB, 0, MANY, NULL, run_act },
    { "edit", "ID… NAME=VALUE…", "Change attributes of idle or held jobs", "NAME is an attribute of the job's ad, or one of priority, request_cpus, request_memory, request_disk, max_retries,\ncheckpoint_interval.\n"
      "VALUE is an expression; a text goes in double quotes.", only_json, OPERAND_JOB, 2, MANY, NULL, run_edit },
    { "wait", "ID…", "Wait until jobs are done", "Exit status: 0 if all of them succeeded, else that of the first one that did not (128 + N after signal N), 124 after\n"
      "the timeout.", wait_options, OPERAND_JOB, 1, MANY, NULL, run_wait },
    { "history", "[ID…]", "Show jobs of the past, the newest first", NULL, history_options, OPERAND_PAST_JOB, 0, MANY, NULL, run_history },
    { "ledger", "[ID]", "Show where the time went", "Every cpu-second that jobs occupied is in exactly one class; the classes add up to OCCUPIED.", ledger_options,
      OPERAND_PAST_JOB, 0, 1, NULL, run_ledger },
    { "events", "[ID]", "Show what happened", NULL, events_options, OPERAND_JOB, 0, 1, NULL, run_events },
    { "users", "", "Show users, their usage and priority", NULL, only_json, OPERAND_NONE, 0, 0, NULL, run_users },
    { "reschedule", "", "Look for work now", NULL, only_json, OPERAND_NONE, 0, 0, NULL, run_reschedule },
    { "pool", "start|stop|status|run", "Start, stop or look at the pool", "The pool starts by itself with the first submit. After stop the running jobs go on; the pool finds them again.\n"
      "run keeps it in the foreground.", pool_options, OPERAND_WORD, 1, 1, "start stop status run", run_pool },
    { "completion", "bash|zsh|fish", "Print a shell's completion script", NULL, none, OPERAND_WORD, 1, 1, "bash zsh fish", run_completion },
    { "help", "[COMMAND]", "Say what there is, or more about one command", NULL, none, OPERAND_COMMAND, 0, 1, NULL, run_help },
    { "version", "", "Print the version", NULL, none, OPERAND_NONE, 0, 0, NULL, run_version },
    { NULL, "", NULL, NULL, none, OPERAND_NONE, 0, 0, NULL, NULL },
};

const struct cli_command *cli_commands(void)
{
    return table;
}
