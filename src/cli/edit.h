/* One NAME=VALUE of `stint edit`. Pure. */
#pragma once

#include "ad/ad.h"

/* Sets the attribute in `set`; a name of the submit language becomes its attribute, sizes take units. CLI_BAD_USAGE. */
int edit_parse(const char *text, struct ad *set, struct error *err);
