/* What commands have in common that list ads: --long, and columns by --format and --af. */
#pragma once

#include "base/json_walk.h"
#include "cli/cli.h"
#include "cli/columns.h"

struct listing {
    struct columns *columns; /* NULL = none were asked for */
    bool is_long;
};
#define auto_listing __attribute__((cleanup(listing_release)))

/* Reads what the command line says: CLI_BAD_USAGE. */
int listing_begin(const struct cli_call *call, struct listing *listing, struct error *err);
/* Either is to be printed instead of the command's own table. */
bool listing_chosen(const struct listing *listing);
/* The names to ask for, separated by commas; nothing = all. */
void listing_attributes(const struct listing *listing, struct buf *names);
/* Prints the ads of the list in an answer. */
int listing_print(struct listing *listing, struct json_slice answer, const char *list, struct buf *out, struct error *err);
void listing_release(struct listing *listing);
