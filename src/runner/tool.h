/* Somebody else's program, run to its end as the job's owner. Private to runner/; for workers, as it waits. */
#pragma once

#include "base/error.h"
#include "base/identity.h"

struct tool {
    const char *package;      /* of Debian, which has the program, for the advice when it is missing */
    const char *const *argv;  /* NULL-terminated; the first is looked for in the machine's usual places */
    int dir;                  /* where it works, and keeps its temporary files */
    const struct identity *owner;
};

/* Waits for it. When it fails, err has the last thing that it said: ERR_CHILD; sys is ENOSPC or EDQUOT where the disk was full,
 * and EAGAIN where it was killed or the network failed it, which another try may mend. ENOENT: it is not installed. */
int tool_run(const struct tool *tool, struct error *err);
/* A program of our own that lies beside the runner; in the build directory, in its module's. Yours. */
char *tool_beside(const char *module, const char *name);
/* The last thing that matters in what a tool wrote, without the ornaments of its log; for tests. */
void tool_last_words(const char *said, char *out, size_t size);
