/*
 * What a job ad says about its program: argument vector, environment, file lists, signals. HTCondor's quoting, both old and new
 * ("Arguments"/"Environment" hold the new form, "Args"/"Env" the old one).
 */
#pragma once

#include "ad/ad.h"

/* A NULL-terminated vector of strings (items is NULL while it is empty); release with command_list_release. */
struct command_list {
    char **items;
    size_t count;
};
#define auto_command_list __attribute__((cleanup(command_list_release)))
void command_list_release(struct command_list *list);
void command_list_add(struct command_list *list, const char *item);

/* argv[1…] of the job. */
int command_arguments(const struct ad *job, struct command_list *out, struct error *err);
/* NAME=value strings of the job's own environment. */
int command_environment(const struct ad *job, struct command_list *out, struct error *err);
/* The entries of a comma-separated list attribute such as TransferInput, blanks around them removed; empty ones dropped. */
void command_files(const struct ad *job, const char *attribute, struct command_list *out);

/* Splits arguments in the new syntax: blanks separate, '…' quotes, '' inside is a quote. Used for both attributes. */
int command_split(const char *text, struct command_list *out, struct error *err);
/* The inverse: appends the items in the new syntax, quoted where needed. */
void command_join(const struct command_list *list, struct buf *out);

/* "SIGUSR2", "USR2", "RTMIN+3" or "12", in any case → 12; 0 when it is no signal. */
int command_signal(const char *text);
/* The signal that an attribute names as string or number; `fallback` when absent or unknown. */
int command_signal_of(const struct ad *job, const char *attribute, int fallback);
/* "SIGUSR2"; "a signal without name". Borrowed, constant. */
const char *command_signal_name(int number);
