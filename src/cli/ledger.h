/* The tables of `stint ledger` and `stint users`. Pure. */
#pragma once

#include "cli/words.h"

/* `by` as given to the pool; unknown keys are shown as the pool sends them. */
void ledger_print(const struct ad *answer, const char *by, const struct screen *screen, struct buf *out);
void users_print(const struct ad *answer, const struct screen *screen, struct buf *out);
/* Machines, of the answer of /v1/machine. */
void status_print(const struct ad *answer, const struct screen *screen, struct buf *out);
