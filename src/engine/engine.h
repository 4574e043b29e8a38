/*
 * How a job's state is captured and brought back, behind one interface.
 *
 * The self engine serves jobs that save their state to files and say so by their exit: to ask is to send a signal, to capture is
 * to take the files when the program has ended, to restore is to put them back before the program is started from its beginning.
 *
 * The transparent engine takes the processes as they are, and the files that they see at that moment, while the program runs; to
 * restore is to put the files back, and to resume is to bring the processes back into a new world.
 */
#pragma once

#include "ad/ad.h"
#include "context/context.h"
#include "job/command.h"
#include "job/protocol.h"
#include "store/store.h"

enum { ENGINE_ROOT = 1000 }; /* number of the reaper, with which the tree of a job begins */

/* Where a stint's files are, and who is told what. */
struct engine_site {
    const struct ad *job;
    const struct protocol *protocol;
    const struct identity *owner; /* with whose rights work and std are read and written; NULL: the process's */
    int dir;  /* the stint's directory, out of the job's reach: "inputs" is here */
    int work; /* the program's working directory */
    int std;  /* its standard output and error, as files */
    bool hurry; /* the slot is wanted: sooner durable rather than sooner captured */

    /* The transparent engine's: */
    bool outside;            /* the working directory is not the stint's (should_transfer_files = NO), nor is /tmp */
    struct context *context; /* in which the program runs, or is to be resumed */
    const char *root_path;   /* the root file system that the job has, NULL: the host's */
    bool trial;              /* what is resumed is stopped before it runs */
    int root;                /* process with which the tree begins that is captured, 0 = ENGINE_ROOT */
    int asker;               /* a program's connection to criu_pipe, with its request still to be read; -1 = nobody */
    const char *waiting;     /* who inside waits for the checkpoint; comes back at the restore. May be NULL */
    int64_t timeout_us;      /* for all that CRIU does, 0 = none */
    void (*thawed)(void *data, int64_t frozen_us, int64_t thawed_us); /* the state is taken; boot clock. The program runs again, or with `hurry` stays stopped */
    void *data;
    bool *broken; /* set when the processes may have been damaged: they must be killed */
    struct engine_stood *stood; /* set when a capture failed for which the program stood still */
};

struct engine_stood {
    int64_t from_us, to_us; /* boot clock */
};

struct engine {
    const char *name;
    bool running; /* captures the program while it runs */
    /* Begins a checkpoint of the running program; whether it worked shows later, see taken. Not if `running`. */
    void (*ask)(const struct engine_site *site, struct context *context);
    /* Whether this end of the program is a checkpoint. */
    bool (*taken)(const struct engine_site *site, const struct context_exit *exit);
    /* Takes the state (see store_capture). Called when the program has ended, or while it runs. */
    int (*capture)(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                   struct error *err);
};

extern const struct engine engine_self, engine_transparent, engine_none;

/* For the evicted: what is there of the output files, whether the program meant it or not. */
int engine_salvage(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                   struct error *err);
/* Whether a generation holds processes: then it is put into an empty sandbox, and resumed afterwards. */
bool engine_has_processes(const struct manifest *manifest);
/* Whether a generation that came from another job has files elsewhere on the machine: they are that job's, and are not put back. */
bool engine_leaves_host(const struct engine_site *site, const struct manifest *manifest);
/* Puts a generation's files into the site. Files elsewhere on the machine that the job may not write: ERR_INVALID with sys EOPNOTSUPP. */
int engine_restore(const struct engine_site *site, struct store *store, const struct manifest *manifest, struct error *err);

/* ---- processes ---- */

/* Whether the processor here has what the processes of the generation may use. ERR_INVALID with sys EOPNOTSUPP says what it lacks. */
int engine_fits(const struct manifest *manifest, struct error *err);
/* The files of the job's root (absolute) in whose places those in the stint's directory `bundle` have to be, for the processes in
 * the site to go on. The same error names the first one that is different here, or missing, and did not come with the checkpoint. */
int engine_replacements(const struct engine_site *site, const struct ad *state, struct command_list *paths, struct error *err);

/* Whether what the transparent engine needs is in the directory, where the owner can use it. */
int engine_has_tools(const char *tools, const struct identity *owner, struct error *err);

struct checkable_world;
/* What the transparent engine takes along, for checkable.h. Borrowed from the site. */
void engine_checkable_world(const struct engine_site *site, struct checkable_world *out);

/* What a world needs to know of the state that was put into the site, or is to be found there later: clocks, host name, where the
 * engine's programs show. `state` is the ad that the texts point into, yours; NULL when there is none yet. */
int engine_world(const struct engine_site *site, const char *tools, struct context_world *world, struct context_bind *bind,
                 struct ad **state, struct error *err);
/* Brings the processes back into site->context, which has to adopt them then. ERR_CHILD: what did it was killed, and the state is
 * not to blame. ERR_LIMIT: nor is it, but what the machine lacks now: room, memory, processes. */
int engine_resume(const struct engine_site *site, const struct ad *state, struct error *err);
/* For context_adopt. */
int engine_root_pid(const struct ad *state);
int engine_last_pid(const struct ad *state);
/* What was site->waiting at the capture; NULL. */
const char *engine_waiting(const struct ad *state);

/* ---- programs that speak CRIU's RPC themselves ---- */

extern const char engine_socket_name[]; /* where they expect the socket, in their working directory */

/* Whether what waits to be read on the connection is a request to dump whoever asks, into a directory of the sandbox; it stays there.
 * Outcome 1: not yet. */
int engine_look_at_request(const struct engine_site *site, int connection, struct error *err);
