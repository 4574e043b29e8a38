/* Inputs that URLs stand for: a program fetches each, as the job's owner. Private to runner/; for workers, as it waits. */
#pragma once

#include "job/transfer.h"
#include "runner/runner.h"

struct fetching {
    struct runner *runner;
    int dir;              /* JOBDIR/fetch: what was fetched, and what was begun, also by earlier stints */
    int pipe;             /* for reports of kind FILL_TRANSFER */
    int64_t bytes, total; /* of the files before, and of all as far as it is known */
    int64_t told_us;
    int files, of;
};

/* Opens the directory; `of` is how many there will be. */
int fetch_open(struct fetching *f, struct runner *r, int pipe, int of, struct error *err);
/* The URL's content is whole in the file `name` of the directory on return. err->sys: EAGAIN, ENOSPC, EDQUOT where another try later
 * may help. */
int fetch_one(struct fetching *f, const struct transfer_source *source, const char *name, struct error *err);
/* All are in their places: what is left is removed. */
void fetch_done(struct fetching *f);
void fetch_close(struct fetching *f);
/* In the runner: a report of kind FILL_TRANSFER goes into the journal. */
void fetch_record(struct runner *r, const struct worker_report *report);
