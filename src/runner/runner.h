/*
 * One stint, from slot granted to slot free. Private to runner/.
 *
 * The runner is one event loop. Whatever takes long (filling the sandbox, capturing, committing, delivering) is done by a
 * worker, a forked child that reports through a pipe, so that the runner always answers and stays small. What happened is
 * appended to the job's journal before the runner acts upon it; the pool learns of it by a byte on its line.
 */
#pragma once

#include "ad/ad.h"
#include "base/identity.h"
#include "base/loop.h"
#include "context/cgroup.h"
#include "context/context.h"
#include "engine/engine.h"
#include "job/id.h"
#include "job/protocol.h"
#include "runner/worker.h"

#include <stdbool.h>

enum runner_exit_status {
    RUNNER_DONE = 0,
    RUNNER_FAILED = 1, /* could not even begin */
    RUNNER_USAGE = 2,
    RUNNER_LOCKED = 3, /* another runner of this job is alive */
    RUNNER_FENCED = 4, /* this stint was given up, or another one came after it */
};

enum phase {
    PHASE_FILL,    /* a worker fills the sandbox */
    PHASE_RUN,     /* the program runs; a worker may be committing its last checkpoint */
    PHASE_SETTLE,  /* the program has ended; the worker of its last checkpoint has not */
    PHASE_CAPTURE, /* the program has ended with a checkpoint, which a worker captures */
    PHASE_SAVE,    /* a worker keeps what an eviction left */
    PHASE_DELIVER, /* a worker puts the output into its places */
    PHASE_END,
};

/* Why the stint should end before the job does. */
struct leaving {
    bool set;
    bool fast;     /* kill without asking */
    bool removing; /* no checkpoint is wanted */
    bool killed;   /* the hard kill was sent */
    bool soft;     /* a soft kill (not a checkpoint signal) was sent */
    char cause[32];
    char for_user[64];
    char reason[256];
    int hold_code; /* the runner itself wants the job held: HTCondor's code, 0 = no */
    int hold_subcode;
};

struct line;
struct stream;

struct runner {
    struct loop *loop;
    struct ad *grant; /* what the pool wrote for this stint: see backend/backend.h */
    struct ad *job;
    struct job_id id;
    char id_text[JOB_ID_TEXT_MAX];
    int stint;
    struct identity owner;
    struct protocol protocol;
    const struct engine *engine;
    const char *store_path;

    int job_dir, stint_dir, work, std, lock, journal, listener;
    char stint_name[24];
    struct line *lines;
    struct loop_watch *listener_watch;

    enum phase phase;
    struct context *context;
    struct loop_watch *context_watch;
    struct cgroup *cgroup;
    struct worker *worker;
    struct stream *streams[2];
    bool suspended;
    bool suspend_wanted;

    struct leaving leaving;
    int generation;     /* the last one committed or restored, 0 = none */
    int next_generation;
    int execution;      /* how often the program was started in this stint */
    int deliveries;     /* how often the output was on its way */
    struct context_exit exit; /* of the last execution */
    int64_t user_us, sys_us, max_rss_kb; /* of this stint's executions */

    bool asked;             /* a checkpoint is asked for and not answered */
    bool signalled;         /* … and the present execution was sent the signal */
    int64_t asked_us;       /* boot clock */
    char why[32];           /* why the next checkpoint was asked for */
    char capture_why[32];   /* why the one that is being captured or committed was taken */
    int64_t latency_from_us; /* when the one under way was asked for, -1 = it was not */
    int64_t pause_us;       /* from the program's end to its running again, -1 = not yet */

    struct loop_timer *interval, *timeout, *ready, *restart, *hard_kill, *sample;
    int64_t kill_at_us;     /* when the hard kill comes, 0 = not ordered */
    int short_runs;         /* executions in a row that ended with a checkpoint at once */
    bool restart_waits;     /* the next execution waits for `restart` */
    bool last_committed;    /* how the last capture ended */
    int64_t started_us;     /* of the present or last execution, boot clock */
    bool start_failed;      /* it could not be started again; what then, when the last checkpoint is settled */
    struct error start_error;
    int64_t sampled_rss_kb;
    int64_t reported_us;
};

/* record.c: appends a record (takes ownership of the ad) and tells the pool. Waits for room when the disk is full. */
struct ad *record_new(const char *kind);
void record_write(struct runner *r, struct ad *record);

/* control.c: orders of the pool. */
int control_open(struct runner *r, int first_line, struct error *err);
void control_tell(struct runner *r);
void control_suspend(struct runner *r, bool suspend);
void control_close(struct runner *r);

/* fill.c, in a worker: the sandbox gets its inputs, and its state when there is a checkpoint. Sends a report of kind
 * FILL_CORRUPT {generation} for every generation that can not be used; the final one has {generation restored (0 = from the
 * start), hold code (not 0: the job must be held, the error says why), hold subcode, newest generation in the store, bytes
 * and files of the restored one}. */
enum { FILL_CORRUPT = 1 };
enum { FILL_GENERATION, FILL_HOLD_CODE, FILL_HOLD_SUBCODE, FILL_NEWEST, FILL_BYTES, FILL_FILES };
void fill_worker(void *runner, int pipe, struct worker_report *final);
/* Makes the stint's directories (or takes over those whose results are to be delivered) and opens them. */
int sandbox_open(struct runner *r, struct error *err);
void sandbox_remove(struct runner *r);
/* Whether the program runs in a sandbox, and not in the submitter's directory. */
bool sandbox_wanted(const struct runner *r);

/* pull.c, in a worker: brings a checkpoint from the remote store into the store; generation 0 is the newest there. Outcome
 * PULL_NOTHING: it is not there, or there is no remote store. */
enum { PULL_NOTHING = 1 };
int pull_checkpoint(struct runner *r, int generation, struct error *err);

/* deliver.c, in a worker: output to its places. Final report: {bytes, files}; its error's text, with result 0, is a remark. */
enum { DELIVER_BYTES, DELIVER_FILES };
void deliver_worker(void *runner, int pipe, struct worker_report *final);

/* stream.c: standard output and error appear where the user wants them while the job runs. */
int stream_start(struct runner *r, struct error *err);
/* Brings the destination up to date; durable when `final`. */
int stream_sync(struct runner *r, bool final, struct error *err);
void stream_stop(struct runner *r);
/* Where one of them goes: an absolute path, or NULL for nowhere; yours. `which` is 0 for output, 1 for error. */
char *stream_destination(const struct runner *r, int which);
bool stream_wanted(const struct runner *r, int which);
/* Output and error go to the same file. */
bool stream_shared(const struct runner *r);

/* program.c: the job's program in its context. */
int program_start(struct runner *r, struct error *err);
void program_watch(struct runner *r);

/* checkpoint.c */
void checkpoint_ask(struct runner *r, const char *why);
void checkpoint_capture(struct runner *r);
void checkpoint_save(struct runner *r);
void checkpoint_schedule(struct runner *r);
void checkpoint_init(struct runner *r);
/* In a worker: the store, with the limits that the pool set. */
int checkpoint_open_store(struct runner *r, struct store **store, struct error *err);

/* stint.c: what comes next. */
void stint_init(struct runner *r);
void stint_begin(struct runner *r);
void stint_exited(struct runner *r, const struct context_exit *exit);
void stint_captured(struct runner *r);
void stint_settled(struct runner *r, bool committed);
void stint_saved(struct runner *r);
void stint_leave(struct runner *r);
void stint_end(struct runner *r, const char *outcome, const char *cause, const char *reason);
struct engine_site stint_site(struct runner *r);
