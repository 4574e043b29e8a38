/*
 * Why CRIU failed, in words for the job's owner. CRIU's log has the cause among much else, in its own words; the table here knows
 * what comes up with batch jobs. What it does not know comes as CRIU said it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct criu_cause {
    char name[24];  /* of a known cause, for programs: "io_uring", "disk-full", …; "" when it is not known */
    char text[384]; /* a clause without a full stop, never empty, without control characters */
    bool passing;   /* the same may well work later: a full disk, a connection that is being made */
};

/* Reads the log (a regular file; its offset does not matter), of a long one the end only. A log that cannot be read, or has no
 * error in it, has a cause as well, which says so. */
void criu_log_explain(int log, struct criu_cause *out);
/* The same for the text of a log. */
void criu_log_explain_text(const char *text, size_t len, struct criu_cause *out);
