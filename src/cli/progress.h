/* A line of progress on standard error, where that is a terminal. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *doing; /* "verifying"; NULL = none is shown */
    bool shown;
};

void progress_show(struct progress *progress, int64_t done, int64_t total);
/* The line is gone, and something else may be printed. */
void progress_clear(struct progress *progress);
