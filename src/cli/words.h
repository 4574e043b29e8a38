/*
 * How things are said: times, ages, counts, states, exits, events. Each function appends to `out`; what comes from users or jobs
 * goes through words_safe, so that nobody's hold reason moves somebody else's cursor. Pure but for the time zone.
 */
#pragma once

#include "ad/ad.h"
#include "cli/screen.h"

/* Control characters become "?", newlines and tabs blanks. */
void words_safe(struct buf *out, const char *text);
/* "1 job", "20 jobs" */
void words_count(struct buf *out, int64_t n, const char *noun);
/* "2026-11-23 17:55:02"; words_short_time: "11-23 17:55". Nothing known (0 or less): "-". */
void words_time(struct buf *out, int64_t us);
void words_short_time(struct buf *out, int64_t us);
void words_duration(struct buf *out, int64_t us);
void words_bytes(struct buf *out, int64_t bytes);
/* Time since `us`; "-" when there is no such time. A clock that was set back makes no negative ages. */
void words_age(struct buf *out, int64_t us, const struct screen *screen);

/* "7.0" of a job ad, event or row: ClusterId and ProcId. */
void words_id(struct buf *out, const struct ad *ad);
/* "running", "held: the reason …", "completed: exit 1" */
void words_state(struct buf *out, const struct ad *job);
/* "42%", rounded down: all is done only when all is done. */
void words_percent(struct buf *out, double fraction);
/* "exit 0", "signal 9"; "-" when it did not end. */
void words_exit(struct buf *out, const struct ad *job);
/* The program's name and its arguments. */
void words_command(struct buf *out, const struct ad *job);
/* "transparent (CRIU)", "self (its own protocol)", "none: the reason" */
void words_method(struct buf *out, const char *method, const char *reason);
/* The time of the last checkpoint, microseconds; 0 = none. */
int64_t words_last_checkpoint(const struct ad *job);

/* One event of the pool as a clause: "checkpoint taken: generation 3, 1.2 MiB, pause 12ms". */
void words_event(struct buf *out, const struct ad *event);

/* Prints the buffer on standard output. */
void words_print(const struct buf *text);
