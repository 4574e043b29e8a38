/*
 * What a job ad says about its files: sources of inputs (names, file: and http(s): URLs), where each goes in the sandbox, and
 * where outputs go at the end. Pure: only the texts.
 *
 *   TransferInput         names and URLs, separated by commas; "#sha256=HEX" behind a URL says what it has to contain
 *   PreserveRelativePaths relative names keep their directories, in both directions
 *   TransferOutputRemaps  "name = new; name2 = new2": '\' takes the meaning from ';', '=' and itself
 *   OutputDestination     a directory for all outputs, as file: URL or absolute path
 */
#pragma once

#include "job/command.h"

#include <stdbool.h>

enum { TRANSFER_DIGEST_TEXT = 65 };

enum transfer_kind {
    TRANSFER_NAME, /* a file or directory, from Iwd on or absolute */
    TRANSFER_WEB,  /* http: or https: */
};
struct transfer_source {
    enum transfer_kind kind;
    char *place;   /* path (a file: URL becomes one), or URL without fragment */
    char *leaf;    /* its last name; "" when only the contents of a directory are meant */
    char digest[TRANSFER_DIGEST_TEXT]; /* SHA-256 in lower-case hexadecimal, "" = none given */
};
#define auto_transfer_source __attribute__((cleanup(transfer_source_release)))
void transfer_source_release(struct transfer_source *source);
int transfer_source_parse(const char *text, struct transfer_source *out, struct error *err);
/* The URL as it may be told to people: without user, password and query. Yours. */
char *transfer_source_show(const struct transfer_source *source);
/* Its name in the sandbox, yours: below directories only when `preserve`; "" = the contents of a directory, which go to the top. */
int transfer_input_name(const struct transfer_source *source, bool preserve, char **name, struct error *err);

/* An entry of TransferOutput: the name (yours) that it gets at home, before remaps; "" = a directory's contents. */
int transfer_output_name(const char *entry, bool preserve, char **name, struct error *err);

/* Pairs: items[2n] = old name, items[2n+1] = new name, which may be a file: URL's path. */
int transfer_remaps(const char *text, struct command_list *pairs, struct error *err);
/* The new name of one of these two names, the first that is found, or of a directory above the second; yours. NULL: it has none. */
char *transfer_remap(const struct command_list *pairs, const char *entry, const char *name);

/* The absolute path that a file: URL or an absolute path stands for. Yours. */
int transfer_destination(const char *text, char **path, struct error *err);
