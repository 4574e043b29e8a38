/*
 * The command line as data: one table says for every command what it is called, takes and does. `stint help`, usage errors,
 * option parsing and shell completion all read that table (commands.c), so that they cannot disagree.
 *
 * A command returns its exit status, or a negative value with err filled: CLI_BAD_USAGE for a wrong command line (exit status
 * 2, the usage is shown), any other for a failure (exit status 1).
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2, CLI_TIMED_OUT = 124, CLI_INTERRUPTED = 130 };
enum { CLI_BAD_USAGE = -2 };
enum { CLI_OPTIONS_MAX = 24 };

/* What an option takes that is more than one value. */
enum cli_takes {
    CLI_TAKES_ONE,   /* one value, or none: see cli_option.value */
    CLI_TAKES_PAIR,  /* two values, each time that it is given: --format FMT EXPR */
    CLI_TAKES_WORDS, /* all words up to the next option, after letters behind a colon: --af:jh EXPR EXPR … */
};

struct cli_option {
    char letter;         /* 0 = none */
    const char *name;    /* long name without dashes; NULL ends the list */
    const char *value;   /* what its value is called; NULL = takes none */
    bool value_optional; /* the value, when given, follows "=" */
    const char *help;
    enum cli_takes takes;
};

/* What operands are, for completion. */
enum cli_operand { OPERAND_NONE, OPERAND_FILE, OPERAND_JOB, OPERAND_PAST_JOB, OPERAND_COMMAND, OPERAND_WORD, OPERAND_CHECKPOINT };

struct cli_call;

struct cli_command {
    const char *name;
    const char *operands; /* as shown in the usage, "" for none */
    const char *summary;
    const char *details; /* further sentences for `stint help NAME`; may be NULL */
    const struct cli_option *options;
    enum cli_operand operand;
    size_t operand_min, operand_max;
    /* Reads options of its own off argv, before the table's are looked at: adds operands; returns how many words it took, 0 when the
     * first is not its own, or CLI_BAD_USAGE. May be NULL. */
    int (*take)(struct cli_call *call, int argc, char **argv, struct error *err);
    const char *words; /* the operand's choices, separated by blanks (OPERAND_WORD) */
    int (*run)(const struct cli_call *call, struct error *err);
    const char *program; /* of ours, which is executed with the arguments as they are; then it has nothing else */
    const struct cli_command *subs; /* its own commands ("ckpt ls"), the last without a name; then it has nothing else */
};

/* An option with its several values, in the order of the command line. */
struct cli_words {
    const struct cli_option *option;
    const char *letters; /* of --af:jh; "" = none; borrowed, up to the first '=' */
    const char **words;  /* owned; the words themselves are argv's */
    size_t count, capacity;
};

struct cli_call {
    const struct cli_command *command;
    const char *values[CLI_OPTIONS_MAX]; /* by place in command->options; NULL = not given, "" = given without value */
    struct cli_words *lists; /* options that take pairs or words, each time that they were given */
    size_t list_count, list_capacity;
    const char **operands;
    size_t operand_count;
};

#define auto_cli_call __attribute__((cleanup(cli_call_release)))

/* All commands in the order of the help; the last has no name. */
const struct cli_command *cli_commands(void);
const struct cli_command *cli_find(const char *name); /* NULL = no such command */
/* The command "ckpt ls" of "ckpt" by "ls". */
const struct cli_command *cli_find_sub(const struct cli_command *command, const char *name);
/* Its name without that of the command that it belongs to. */
const char *cli_sub_name(const struct cli_command *sub);
/* The command that `name` was probably meant to be; NULL when none is near. */
const char *cli_near_command(const char *name);
const char *cli_near_sub(const struct cli_command *command, const char *name);

/* Parses argv[0…argc-1] (what follows the command's name). Options and operands may be mixed; "--" ends the options; "-" is an
 * operand. Borrows argv. CLI_BAD_USAGE with err. */
int cli_parse(int argc, char **argv, const struct cli_command *command, struct cli_call *call, struct error *err);
void cli_call_release(struct cli_call *call);
bool cli_given(const struct cli_call *call, const char *option);
const char *cli_value(const struct cli_call *call, const char *option); /* NULL = not given */
/* A duration or a whole number given to an option; fallback when it was not given. CLI_BAD_USAGE. */
int cli_duration(const struct cli_call *call, const char *option, int64_t fallback_us, int64_t *us, struct error *err);
int cli_number(const struct cli_call *call, const char *option, int64_t fallback, int64_t *number, struct error *err);
/* Fills err and returns CLI_BAD_USAGE. */
int cli_usage_error(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "stint submit [OPTION…] FILE|-" */
void cli_print_usage(const struct cli_command *command, struct buf *out);
void cli_print_help(const struct cli_command *command, struct buf *out);
void cli_print_overview(struct buf *out);
/* A shell's completion script; false for an unknown shell. */
bool cli_print_completion(const char *shell, struct buf *out);

/* The whole program: runs the command, says on stderr what went wrong, returns the exit status. */
int cli_main(int argc, char **argv);
