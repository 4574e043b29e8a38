/*
 * How a job's state is captured and brought back, behind one interface. The self engine serves jobs that save their state to
 * files and say so by their exit: to ask is to send a signal, to capture is to take the files, to restore is to put them
 * back before the program is started from its beginning.
 */
#pragma once

#include "ad/ad.h"
#include "context/context.h"
#include "job/protocol.h"
#include "store/store.h"

/* Where a stint's files are. */
struct engine_site {
    const struct ad *job;
    const struct protocol *protocol;
    const struct identity *owner; /* with whose rights work and std are read and written; NULL: the process's */
    int dir;  /* the stint's directory, out of the job's reach: "inputs" is here */
    int work; /* the program's working directory */
    int std;  /* its standard output and error, as files */
    bool hurry; /* the slot is wanted: sooner durable rather than sooner captured */
};

struct engine {
    const char *name;
    /* Begins a checkpoint of the running program; whether it worked shows later, see taken. */
    void (*ask)(const struct engine_site *site, struct context *context);
    /* Whether this end of the program is a checkpoint. */
    bool (*taken)(const struct engine_site *site, const struct context_exit *exit);
    /* Takes the state (see store_capture). Called when the program has ended. */
    int (*capture)(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                   struct error *err);
};

/* Never NULL: a job without a protocol gets an engine that takes no checkpoint. */
const struct engine *engine_choose(const struct protocol *protocol);

/* For the evicted: what is there of the output files, whether the program meant it or not. */
int engine_salvage(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                   struct error *err);
/* Puts a generation's files into the site. */
int engine_restore(const struct engine_site *site, struct store *store, const struct manifest *manifest, struct error *err);
