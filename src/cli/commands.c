/* The table of commands. Texts are sentences for `stint help`; the manual page says more. */
#include "cli/run.h"
#include "cli/submit.h"

#define OPTION_JSON { 0, "json", NULL, false, "print the pool's answer as JSON" }
#define OPTION_CONSTRAINT { 'c', "constraint", "EXPR", false, "the jobs for which an expression is true" }
#define OPTION_END { 0, NULL, NULL, false, NULL }
/* Columns of one's own. */
#define OPTIONS_COLUMNS                                                                                                          \
    { 'f', "format", "FMT EXPR", false, "print the value of an expression by a printf-like format; may be repeated", CLI_TAKES_PAIR }, \
    { 0, "af", "EXPR…", false, "print these attributes and expressions; letters behind a colon: --af:jhV …", CLI_TAKES_WORDS },  \
    { 0, "autoformat", "EXPR…", false, "the same as --af", CLI_TAKES_WORDS },                                                   \
    { 'l', "long", NULL, false, "print whole ads" }

static const struct cli_option none[] = { OPTION_END };
static const struct cli_option only_json[] = { OPTION_JSON, OPTION_END };

static const struct cli_option submit_options[] = {
    { 0, "dry-run", NULL, false, "print the ads and submit nothing; needs no pool" },
    { 'a', "append", "LINE", false, "a line of the submit language, read before each queue statement; may be repeated" },
    { 0, "queue", "WORDS…", false, "a queue statement, when the file has none: all words up to the next option" },
    { 0, "batch-name", "NAME", false, "the name of the batch, whatever the file says" },
    { 0, "file", "FILE", false, "the submit file" },
    OPTION_JSON,
    { 'q', "quiet", NULL, false, "print the cluster's number only" },
    OPTION_END,
};
static const struct cli_option q_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "everybody's jobs (a machine-wide pool shows yours)" },
    { 0, "owner", "NAME", false, "one user's jobs" },
    { 0, "batch", NULL, false, "one line for each batch" },
    OPTIONS_COLUMNS,
    { 0, "sort", "EXPR", false, "smallest first, by the value of an expression" },
    { 'n', "limit", "N", false, "at most N jobs" },
    { 0, "watch", "S", true, "show again every S seconds (default 2)" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option history_options[] = {
    OPTION_CONSTRAINT,
    { 0, "all", NULL, false, "everybody's jobs (a machine-wide pool shows yours)" },
    { 0, "owner", "NAME", false, "one user's jobs" },
    { 'n', "limit", "N", false, "at most N jobs (default 100; 0 = all)" },
    OPTIONS_COLUMNS,
    { 0, "sort", "EXPR", false, "smallest first, by the value of an expression" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option log_options[] = {
    OPTION_CONSTRAINT,
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
    OPTION_CONSTRAINT,
    { 'n', "num", "N", false, "until N of them are done" },
    { 0, "timeout", "TIME", false, "give up after this time, with exit status 124" },
    { 'q', "quiet", NULL, false, "no progress" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option ledger_options[] = {
    OPTION_CONSTRAINT,
    { 0, "by", "KEY", false, "job (default), stint, user, cause, class, day or pool" },
    { 0, "owner", "NAME", false, "one user's jobs" },
    { 0, "since", "DATE", false, "from this day on (YYYY-MM-DD)" },
    { 0, "until", "DATE", false, "up to and with this day" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option events_options[] = {
    OPTION_CONSTRAINT,
    { 'f', "follow", NULL, false, "go on with what happens" },
    { 0, "after", "SEQ", false, "events after this number" },
    { 'n', "limit", "N", false, "the last N events (default 50)" },
    { 0, "json", NULL, false, "one JSON object a line" },
    OPTION_END,
};
static const struct cli_option chosen_options[] = { OPTION_CONSTRAINT, OPTION_JSON, OPTION_END };
static const struct cli_option table_options[] = { OPTION_CONSTRAINT, OPTIONS_COLUMNS, OPTION_JSON, OPTION_END };
static const struct cli_option users_options[] = {
    OPTION_CONSTRAINT,
    OPTIONS_COLUMNS,
    { 0, "set-factor", "USER=N", false, "set the factor of a user's priority; larger gets less" },
    { 0, "reset", "USER", false, "make a user's usage zero" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option rewind_options[] = {
    { 0, "to", "N", false, "the checkpoint's number" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option clone_options[] = {
    { 0, "at", "N", false, "the checkpoint's number (default: the newest one)" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option pool_options[] = {
    { 0, "vacate", NULL, false, "stop: let the jobs checkpoint and leave first" },
    OPTION_JSON,
    OPTION_END,
};

static const struct cli_option doctor_options[] = {
    { 0, "tools", "DIR", false, "the directory of the program that takes checkpoints (default: the pool's)" },
    { 0, "json", NULL, false, "print the report as JSON" },
    OPTION_END,
};

enum { MANY = 1000000 };

static const struct cli_command table[] = {
    {
        .name = "submit", .operands = "[FILE|-] [KEY=VALUE…]", .operand = OPERAND_FILE, .operand_min = 0, .operand_max = MANY,
        .options = submit_options, .run = run_submit, .take = submit_take,
        .summary = "Submit the jobs of a submit file",
        .details = "The files that the jobs need are looked for first: a job that cannot start is an error here, with its line.\n"
                   "KEY=VALUE sets a command or a macro before the file's first line. Without FILE the submit file comes from standard\n"
                   "input, or the queue option makes jobs of what the command line says. -a, -append, -queue, -file and -batch-name may\n"
                   "have one dash. Starts the pool if none is running.",
    },
    {
        .name = "q", .operands = "[ID…]", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = q_options, .run = run_q,
        .summary = "Show the jobs in the queue",
        .details = "CKPT is the number of checkpoints and the age of the last one, SAVED is work that is safe, LOST is work that\n"
                   "had to be done again.",
    },
    {
        .name = "show", .operands = "ID…", .operand = OPERAND_PAST_JOB, .operand_min = 0, .operand_max = MANY,
        .options = chosen_options, .run = run_show,
        .summary = "Tell a job's whole story",
        .details = "Stints, checkpoints, evictions with their causes, where the time went, and why it is idle.",
    },
    {
        .name = "explain-requirements", .operands = "ID", .operand = OPERAND_JOB, .operand_min = 1, .operand_max = 1,
        .options = only_json, .run = run_explain,
        .summary = "Say which of a job's requirements this machine does not meet",
        .details = "Clause by clause, with the values of what it looks at, and what to change. Exit status: 0 if the job suits this\n"
                   "machine, 1 if not.",
    },
    {
        .name = "log", .operands = "ID", .operand = OPERAND_PAST_JOB, .operand_min = 0, .operand_max = 1,
        .options = log_options, .run = run_log,
        .summary = "Print a job's output",
    },
    {
        .name = "checkpoint", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = checkpoint_options, .run = run_checkpoint,
        .summary = "Checkpoint jobs now, and say what became of it",
        .details = "Waits for the answer: taken, refused, or failed and why.",
    },
    {
        .name = "vacate", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = vacate_options, .run = run_act,
        .summary = "Let jobs checkpoint, leave their slots and become idle",
    },
    {
        .name = "hold", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = reason_options, .run = run_act,
        .summary = "Stop jobs until they are released",
    },
    {
        .name = "release", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = reason_options, .run = run_act,
        .summary = "Let held jobs run again",
    },
    {
        .name = "rm", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = rm_options, .run = run_act,
        .summary = "Remove jobs from the queue",
    },
    {
        .name = "suspend", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = act_options, .run = run_act,
        .summary = "Stop the programs of running jobs in their slots",
    },
    {
        .name = "continue", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = act_options, .run = run_act,
        .summary = "Let suspended jobs go on",
    },
    {
        .name = "edit", .operands = "ID… NAME=VALUE…", .operand = OPERAND_JOB, .operand_min = 1, .operand_max = MANY,
        .options = chosen_options, .run = run_edit,
        .summary = "Change attributes of idle or held jobs",
        .details = "NAME is a command of the submit language (priority, request_cpus, request_memory, request_disk, max_retries,\n"
                   "checkpoint_interval, keep_checkpoints, initialdir, input, output, error, log, arguments, transfer_input_files,\n"
                   "transfer_output_files, transfer_output_remaps, output_destination, batch_name, description), with a value as there, or an attribute of the job's ad, with an\n"
                   "expression; a text in it goes in double quotes.",
    },
    {
        .name = "ckpt", .operands = "COMMAND …", .options = none, .subs = ckpt_commands,
        .summary = "Look at stored checkpoints, verify, keep, remove and move them",
        .details = "A checkpoint is called 7.0@3, or 7.0 for the newest one of a job. More about one: stint help ckpt COMMAND.",
    },
    {
        .name = "rewind", .operands = "ID", .operand = OPERAND_JOB, .operand_min = 1, .operand_max = 1,
        .options = rewind_options, .run = run_rewind,
        .summary = "Let an idle or held job go back to an older checkpoint",
        .details = "Later checkpoints stay, as long as they are among those that are kept.",
    },
    {
        .name = "clone", .operands = "ID [NAME=VALUE…]", .operand = OPERAND_PAST_JOB, .operand_min = 1, .operand_max = MANY,
        .options = clone_options, .run = run_clone,
        .summary = "Make a new job from a job's checkpoint",
        .details = "The job may be in the queue or done. NAME=VALUE changes the new job, as in 'stint edit'; hold=true keeps it waiting.\n"
                   "Its output and error get names of their own where they would be the old job's.",
    },
    {
        .name = "wait", .operands = "ID…", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = MANY,
        .options = wait_options, .run = run_wait,
        .summary = "Wait until jobs are done",
        .details = "Exit status: 0 if all of them succeeded, else that of the first one that did not (128 + N after signal N), 124 after\n"
                   "the timeout.",
    },
    {
        .name = "history", .operands = "[ID…]", .operand = OPERAND_PAST_JOB, .operand_min = 0, .operand_max = MANY,
        .options = history_options, .run = run_history,
        .summary = "Show jobs of the past, the newest first",
    },
    {
        .name = "ledger", .operands = "[ID]", .operand = OPERAND_PAST_JOB, .operand_min = 0, .operand_max = 1,
        .options = ledger_options, .run = run_ledger,
        .summary = "Show where the time went",
        .details = "Every cpu-second that jobs occupied is in exactly one class; the classes add up to OCCUPIED.",
    },
    {
        .name = "events", .operands = "[ID]", .operand = OPERAND_JOB, .operand_min = 0, .operand_max = 1,
        .options = events_options, .run = run_events,
        .summary = "Show what happened",
    },
    {
        .name = "status", .operands = "",
        .options = table_options, .run = run_status,
        .summary = "Show the machine that jobs are matched against",
        .details = "--long prints its whole ad.",
    },
    {
        .name = "users", .operands = "",
        .options = users_options, .run = run_users,
        .summary = "Show users, their usage and priority",
    },
    {
        .name = "reschedule", .operands = "",
        .options = only_json, .run = run_reschedule,
        .summary = "Look for work now",
    },
    {
        .name = "pool", .operands = "start|stop|status|run", .operand = OPERAND_WORD, .operand_min = 1, .operand_max = 1,
        .words = "start stop status run",
        .options = pool_options, .run = run_pool,
        .summary = "Start, stop or look at the pool",
        .details = "The pool starts by itself with the first submit. After stop the running jobs go on; the pool finds them again.\n"
                   "run keeps it in the foreground.",
    },
    {
        .name = "doctor", .operands = "",
        .options = doctor_options, .run = run_doctor,
        .summary = "Say what this machine can do for checkpoints, and what to change",
        .details = "Tries each thing that checkpoints of unmodified programs need, and a checkpoint and resume itself. Needs no pool.\n"
                   "Exit status: 0 if unmodified programs can be checkpointed here, 1 if not.",
    },
    {
        .name = "sim", .operands = "[OPTION…]",
        .options = none, .program = "stint-sim",
        .summary = "Simulate a pool: what other policies, or another lambda, would do",
        .details = "With jobs from a model, a log, or the history of the pool that runs here. 'stint sim --options' lists what\n"
                   "can be said about them and the pool; stint-sim(1) explains it.",
    },
    {
        .name = "completion", .operands = "bash|zsh|fish", .operand = OPERAND_WORD, .operand_min = 1, .operand_max = 1,
        .words = "bash zsh fish",
        .options = none, .run = run_completion,
        .summary = "Print a shell's completion script",
    },
    {
        .name = "help", .operands = "[COMMAND [COMMAND]]", .operand = OPERAND_COMMAND, .operand_min = 0, .operand_max = 2,
        .options = none, .run = run_help,
        .summary = "Say what there is, or more about one command",
    },
    {
        .name = "version", .operands = "",
        .options = none, .run = run_version,
        .summary = "Print the version",
    },
    { .operands = "", .options = none },
};

const struct cli_command *cli_commands(void)
{
    return table;
}
