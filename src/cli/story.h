/* A job's story in words: what `stint show` prints. Pure but for the time zone. */
#pragma once

#include "cli/words.h"

/* `answer` is that of /v1/jobs/ID. */
void story_print(const struct ad *answer, const struct screen *screen, struct buf *out);
/* "2026-11-23 17:55:02  7.0  checkpoint 3 taken: …" with its newline. */
void story_event_line(const struct ad *event, struct buf *out);
