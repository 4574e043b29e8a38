/* A forked child that does one long thing and reports through a pipe. Private to runner/. */
#pragma once

#include "base/error.h"
#include "base/loop.h"

#include <stdint.h>

enum { WORKER_VALUES = 8 };

/* One report. The last one of a worker has final set; a worker that dies before it makes the runner see a failed final one. */
struct worker_report {
    int final;
    int kind;   /* the worker's own meaning */
    int result; /* 0, or negative with error */
    int died;   /* it never made its last report: this one is the runner's */
    int64_t values[WORKER_VALUES];
    struct error error;
};

struct worker;

/* Runs fn in a child. fn may send reports before its last one with worker_send; it fills the final report it is given. */
typedef void worker_fn(void *data, int pipe, struct worker_report *final);
typedef void worker_done_fn(void *data, const struct worker_report *report);

/* The worker has none of the caller's sockets, but for `keep` in the second form. */
int worker_start(struct loop *loop, worker_fn *fn, worker_done_fn *done, void *data, struct worker **out,
                 struct error *err);
int worker_start_with(struct loop *loop, worker_fn *fn, worker_done_fn *done, void *data, int keep, struct worker **out,
                      struct error *err);
void worker_send(int pipe, const struct worker_report *report);
/* Its process; 0 for NULL. */
int worker_pid(const struct worker *worker);
/* Kills and reaps it without a report. Accepts NULL. */
void worker_stop(struct worker *worker);
