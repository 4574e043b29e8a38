/*
 * What `stint submit` does between parsing and sending: the submitter's surroundings go into the ads, and everything that the
 * ads name on this machine is looked at, so that a job that cannot start is an error with a line, not a hold in the night.
 */
#pragma once

#include "job/submit.h"

/* Makes the executable's name absolute (it starts from `cwd`, not from the job's initialdir, as in HTCondor) and puts `environment`
 * (NAME=value strings, NULL-terminated) under the job's own where getenv = true. Pure. */
int submit_fill(struct submit *submit, const char *cwd, char *const *environment, struct error *err);

/* Looks whether the files and directories exist. The error names `file` and the line. */
int submit_check(const struct submit *submit, const char *file, struct error *err);

/* Reads a submit file, or standard input for "-"; refuses what is not a file, naming what it is. */
int submit_read_text(const char *name, struct buf *text, struct error *err);

/* The ads as --dry-run prints them: what all jobs have in common, then for each job how it differs. */
void submit_print(const struct submit *submit, struct buf *out);
/* The body of POST /v1/clusters; the caller's. `cluster` 0 = the pool chooses. */
struct ad *submit_body(const struct submit *submit, int cluster);
/* "1 job submitted to cluster 7." and what the user may want to do next. */
void submit_say(int64_t cluster, int64_t jobs, bool held, struct buf *out);
