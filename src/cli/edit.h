/* The NAME=VALUE of `stint edit` and `stint clone`. */
#pragma once

#include "ad/ad.h"

/* Sets the attribute in `set`; a name of the submit language becomes its attribute, sizes take units. Pure. CLI_BAD_USAGE. */
int edit_parse(const char *text, struct ad *set, struct error *err);
/* An initialdir that is set starts from the present directory. */
int edit_make_absolute(struct ad *set, struct error *err);
