/*
 * HTCondor's commands under their own names: links to stint, told apart by argv[0]. Each reads HTCondor's command line by its own table of
 * options and does what stint does, and prints what scripts look for (stint-condor(7)).
 *
 * Options have one dash or two and may be cut short, down to as many letters as HTCondor wants of each.
 */
#pragma once

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "base/json_walk.h"
#include "job/id.h"

#include <stdio.h>

enum condor_takes {
    CONDOR_NOTHING,
    CONDOR_VALUE,
    CONDOR_PAIR,
    CONDOR_WORDS,   /* all words up to the next option */
    CONDOR_MAYBE,   /* a value if the next word is no option */
};

struct condor_option {
    const char *name;
    size_t least;            /* so many letters of it must be there; 0 = all */
    enum condor_takes takes;
    const char *ignored;     /* it does nothing here: why, in a sentence; "" = it need not be said */
    const char *refused;     /* the command ends with this sentence */
};

struct condor_given {
    const struct condor_option *option;
    const char *letters; /* what stands behind a colon, "" for nothing */
    const char **words;
    size_t count;
};

struct condor_call {
    const char *program;
    const struct condor_option *options;
    struct condor_given *given; /* in the order of the command line */
    size_t given_count, given_capacity;
    const char **operands;
    size_t operand_count;
    const char **words; /* room of all words of options */
    size_t word_count;
};
#define auto_condor_call __attribute__((cleanup(condor_release)))

/* Options that every table ends with. */
#define CONDOR_COMMON                                                                                                    \
    { "debug", 3, CONDOR_NOTHING, "", NULL },                                                                             \
    { "help", 1, CONDOR_MAYBE, NULL, NULL },                                                                              \
    { "version", 1, CONDOR_NOTHING, NULL, NULL },                                                                         \
    { NULL, 0, CONDOR_NOTHING, NULL, NULL }
#define CONDOR_ELSEWHERE "there is one pool here, that of this machine"
#define CONDOR_ADDRESSES                                                                                                 \
    { "pool", 1, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },                                                                  \
    { "name", 1, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },                                                                  \
    { "addr", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL }
#define CONDOR_COLUMNS                                                                                                   \
    { "format", 1, CONDOR_PAIR, NULL, NULL },                                                                             \
    { "autoformat", 5, CONDOR_WORDS, NULL, NULL },                                                                        \
    { "af", 2, CONDOR_WORDS, NULL, NULL },                                                                                \
    { "print-format", 2, CONDOR_VALUE, NULL, "print formats in files are not read; -af and -format choose columns" },     \
    { "xml", 3, CONDOR_NOTHING, NULL, "ads are not printed as XML; -json prints them" },                                  \
    { "attributes", 2, CONDOR_VALUE, NULL, NULL }

/* Reads a command line: CLI_BAD_USAGE. Says what it ignores on stderr, once each. */
int condor_parse(int argc, char **argv, const struct condor_option *options, struct condor_call *call, struct error *err);
void condor_release(struct condor_call *call);
bool condor_given(const struct condor_call *call, const char *name);
/* The last one's value; NULL = not given. */
const char *condor_value(const struct condor_call *call, const char *name);
int condor_number(const struct condor_call *call, const char *name, int64_t fallback, int64_t *number, struct error *err);

/* ---- which jobs ---- */

/* The constraint that operands (IDs, users) and -constraint make, parenthesized parts; empty = all. CLI_BAD_USAGE. */
int condor_constraint(const struct condor_call *call, const char *more, struct buf *out, struct error *err);

/* ---- ads as HTCondor prints them ---- */

/* -format, -autoformat; *columns NULL = none of them. CLI_BAD_USAGE. */
int condor_columns(const struct condor_call *call, struct columns **columns, struct error *err);
/* -long, -json, -jsonl or columns were asked for. */
bool condor_is_plain(const struct condor_call *call, const struct columns *columns);
/* Attributes to ask for; empty = all. */
void condor_attributes(const struct condor_call *call, const struct columns *columns, struct buf *names);
/* Prints the ads of a list in one of these forms. */
int condor_print_plain(const struct condor_call *call, struct columns *columns, struct json_slice answer, const char *list,
                       struct buf *out, struct error *err);

/* "11/23 17:55" of seconds since 1970; "0+00:12:34" of microseconds. */
void condor_add_date(struct buf *out, int64_t s);
void condor_add_time(struct buf *out, int64_t us);

/* The commands. */
typedef int condor_run(const struct condor_call *call, struct error *err);
condor_run condor_submit, condor_q, condor_history, condor_act, condor_status, condor_wait, condor_userprio;
extern const struct condor_option condor_submit_options[], condor_q_options[], condor_history_options[], condor_rm_options[],
    condor_hold_options[], condor_release_options[], condor_vacate_options[], condor_status_options[], condor_wait_options[],
    condor_userprio_options[];

/* True if this is one of HTCondor's names; then *status is its exit status. */
bool condor_main(int argc, char **argv, int *status);
