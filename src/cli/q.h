/* The tables of `stint q` and `stint history`; pure but for the time zone. */
#pragma once

#include "cli/q_job.h"

/* Each appends a table of an answer of /v1/jobs. */
enum q_table {
    Q_TABLE_JOBS,    /* one line a job, and a line of totals */
    Q_TABLE_BATCHES, /* one line a batch, and a line of totals */
    Q_TABLE_PAST,    /* past jobs */
};
int q_print(enum q_table table, struct json_slice answer, const struct screen *screen, struct buf *out, struct error *err);
/* The attributes that it takes, for /v1/jobs?attributes=. */
void q_attributes(enum q_table table, struct buf *names);
