/* Commands that show a short list of ads, whole and at once: machines, users. The constraint is evaluated here. */
#pragma once

#include "cli/cli.h"
#include "cli/words.h"

/* Asks for `target` and shows the ads of its list: as JSON, by columns, whole, or by the command's own table. */
int chosen_ads_show(const struct cli_call *call, const char *target, const char *list,
                    void (*print)(const struct ad *answer, const struct screen *screen, struct buf *out), struct error *err);
