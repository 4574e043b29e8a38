/* How much the store may grow. */
#pragma once

#include "store/layout.h"

enum { SPACE_TEXT = 320 };

/* Bytes that may be added to checkpoints of that user's, by quotas and by what the file system has to keep free; `text` is a clause
 * that says what forbids more. */
int space_left(struct store *store, uid_t uid, int64_t *room, char text[SPACE_TEXT], struct error *err);
/* Notes whose job it is, for quotas. */
int space_own(int job_dir, uid_t uid, struct error *err);
