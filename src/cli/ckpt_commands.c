/* The table of the commands of `stint ckpt`. */
#include "cli/run.h"

#define OPTION_JSON { 0, "json", NULL, false, "print the pool's answer as JSON" }
#define OPTION_END { 0, NULL, NULL, false, NULL }

enum { MANY = 10000 };

#define OPTION_CONSTRAINT { 'c', "constraint", "EXPR", false, "the jobs for which an expression is true", CLI_TAKES_ONE }

static const struct cli_option chosen_options[] = { OPTION_CONSTRAINT, OPTION_JSON, OPTION_END };
static const struct cli_option only_json[] = { OPTION_JSON, OPTION_END };
static const struct cli_option ls_options[] = {
    OPTION_CONSTRAINT,
    { 'q', "quiet", NULL, false, "print names only, one a line" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option extract_options[] = {
    { 'C', "directory", "DIR", false, "where to (default: here)" },
    { 'f', "force", NULL, false, "replace files that are there" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option rm_options[] = {
    { 'f', "force", NULL, false, "also a pinned one, and the only one of a job in the queue" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option export_options[] = {
    { 'o', "output", "FILE", false, "the archive's name ('-' = standard output)" },
    { 'f', "force", NULL, false, "replace a file that is there" },
    OPTION_JSON,
    OPTION_END,
};
static const struct cli_option import_options[] = {
    { 0, "key", "FILE", false, "the key of the store that it comes from" },
    { 0, "unverified", NULL, false, "believe what it says of itself" },
    OPTION_JSON,
    OPTION_END,
};

const struct cli_command ckpt_commands[] = {
    {
        .name = "ckpt ls", .operands = "[CHECKPOINT…]", .operand = OPERAND_CHECKPOINT, .operand_max = MANY,
        .options = ls_options, .run = run_ckpt_ls,
        .summary = "List checkpoints: all of yours, or a job's",
    },
    {
        .name = "ckpt show", .operands = "CHECKPOINT", .operand = OPERAND_CHECKPOINT, .operand_min = 1, .operand_max = 1,
        .options = only_json, .run = run_ckpt_show,
        .summary = "Say where a checkpoint comes from and list its files",
    },
    {
        .name = "ckpt diff", .operands = "CHECKPOINT CHECKPOINT", .operand = OPERAND_CHECKPOINT, .operand_min = 2, .operand_max = 2,
        .options = only_json, .run = run_ckpt_diff,
        .summary = "Say which files, and which bytes of them, two checkpoints differ in",
    },
    {
        .name = "ckpt verify", .operands = "[CHECKPOINT…]", .operand = OPERAND_CHECKPOINT, .operand_max = MANY,
        .options = chosen_options, .run = run_ckpt_verify,
        .summary = "Read checkpoints again and say what is damaged: all of yours, or a job's",
        .details = "Exit status: 0 if all are whole, 1 if one is not.",
    },
    {
        .name = "ckpt cat", .operands = "CHECKPOINT FILE", .operand = OPERAND_CHECKPOINT, .operand_min = 2, .operand_max = 2,
        .options = only_json + 1, .run = run_ckpt_cat,
        .summary = "Print a file of a checkpoint",
    },
    {
        .name = "ckpt extract", .operands = "CHECKPOINT [FILE…]", .operand = OPERAND_CHECKPOINT,
        .operand_min = 1, .operand_max = MANY,
        .options = extract_options, .run = run_ckpt_extract,
        .summary = "Write files of a checkpoint into a directory",
        .details = "Without FILE all but its output, which is called std/stdout and std/stderr.",
    },
    {
        .name = "ckpt pin", .operands = "CHECKPOINT…", .operand = OPERAND_CHECKPOINT, .operand_min = 0, .operand_max = MANY,
        .options = chosen_options, .run = run_ckpt_pin,
        .summary = "Keep checkpoints until they are unpinned, whatever becomes of their jobs",
    },
    {
        .name = "ckpt unpin", .operands = "CHECKPOINT…", .operand = OPERAND_CHECKPOINT, .operand_min = 0, .operand_max = MANY,
        .options = chosen_options, .run = run_ckpt_pin,
        .summary = "Let checkpoints expire again",
    },
    {
        .name = "ckpt rm", .operands = "CHECKPOINT…", .operand = OPERAND_CHECKPOINT, .operand_min = 1, .operand_max = MANY,
        .options = rm_options, .run = run_ckpt_rm,
        .summary = "Remove checkpoints",
    },
    {
        .name = "ckpt export", .operands = "CHECKPOINT", .operand = OPERAND_CHECKPOINT, .operand_min = 1, .operand_max = 1,
        .options = export_options, .run = run_ckpt_export,
        .summary = "Write a checkpoint and its job into one file",
        .details = "The file is called like 7.0@3.stint.tar if -o does not say it; without -o it goes to standard output when\n"
                   "that is no terminal.",
    },
    {
        .name = "ckpt import", .operands = "FILE", .operand = OPERAND_FILE, .operand_min = 1, .operand_max = 1,
        .options = import_options, .run = run_ckpt_import,
        .summary = "Make a held job of an exported checkpoint",
    },
    {
        .name = "ckpt df", .operands = "[ID…]", .operand = OPERAND_PAST_JOB, .operand_max = MANY,
        .options = chosen_options, .run = run_ckpt_df,
        .summary = "Show what checkpoints hold and what they take",
    },
    {
        .name = "ckpt gc", .operands = "",
        .options = only_json, .run = run_ckpt_gc,
        .summary = "Remove what no checkpoint needs any more (for the pool's owner)",
    },
    { .operands = "", .options = only_json + 1 },
};
