/*
 * At a restore CRIU takes for granted that the first process of the tree inherits orphans, as process 1 of a namespace does: whoever
 * belongs to a session whose leader has ended is made as the child of a helper, which ends. Our first process asks for that
 * (PR_SET_CHILD_SUBREAPER), but CRIU repeats that only after the helpers have ended; daemons would come back as children of somebody
 * outside, and be left out of the next checkpoint without a word. So the process is made a subreaper as soon as it is born.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>

/* Begins to watch a CRIU that waits for an answer to "pre-restore": `outer` is context_spawn's. `root` is the number that the tree's first process
 * has in its namespace. The attendant ends when that was born, or CRIU has ended. */
int criu_birth_attend(pid_t outer, pid_t root, pid_t *attendant, struct error *err);
/* Waits for the attendant, which must have succeeded. 0 is none. */
int criu_birth_end(pid_t attendant, struct error *err);
