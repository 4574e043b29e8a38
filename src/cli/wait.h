/* What `stint wait` knows of its jobs. Pure. */
#pragma once

#include "cli/words.h"

/* "12 of 20 done, 4 running, 3 idle, 1 held, last checkpoint 2m10s ago" from the active jobs and the number of past ones. */
void wait_progress(const struct ad *active, size_t past, const struct screen *screen, struct buf *out);
/* The exit status that a past job's end stands for: its exit code, 128 + signal, 1 when it was removed or never ran. */
int wait_exit_status(const struct ad *job);
