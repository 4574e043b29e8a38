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
#include "job/command.h"
#include "job/id.h"
#include "job/protocol.h"
#include "policy/interval.h"
#include "policy/policy.h"
#include "runner/image.h"
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
    PHASE_RESUME,  /* the world is there; a worker brings the processes back */
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
struct selfservice;

struct runner {
    struct loop *loop;
    struct ad *grant; /* what the pool wrote for this stint: see backend/backend.h */
    struct ad *job;
    struct job_id id;
    char id_text[JOB_ID_TEXT_MAX];
    int stint;
    struct identity owner;
    struct protocol protocol;
    struct method_choice method;
    const struct engine *engine; /* of the checkpoint that comes next */
    bool world;                  /* the program runs in a world of its own */
    struct container_image image; /* whose root file system that world has; opened when the program starts */
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
    struct selfservice *selfservice; /* NULL: the job has none */
    bool suspended;
    bool suspend_wanted;

    struct leaving leaving;
    int generation;     /* the last one committed or restored, 0 = none */
    int resumed_from;   /* the one that this stint goes on from, 0 = from the start */
    int64_t safe_us;    /* when the last one of this stint was committed or restored, boot clock; 0 = none */
    int next_generation;
    int execution;      /* how often the program was started in this stint */
    int deliveries;     /* how often the output was on its way */
    struct context_exit exit; /* of the last execution */
    struct policy_verdict verdict; /* what becomes of the job if that was its own end */
    bool succeeded;           /* … and whether it is a good one */
    bool deferred;            /* the first execution waits for its time */
    int64_t user_us, sys_us, max_rss_kb; /* of this stint's executions */

    bool asked;             /* a checkpoint is asked for and not answered */
    bool signalled;         /* … and the present execution was sent the signal */
    bool overdue;           /* … nor will it be: the fallback has to take it, when it can */
    int64_t asked_us;       /* boot clock */
    int64_t settled_us;     /* when the last one had ended, well or not, boot clock; 0 = there was none */
    int brief_asks;         /* requests of the job in a row that came at once after the one before */
    char why[32];           /* why the next checkpoint was asked for */
    char capture_why[32];   /* why the one that is being captured or committed was taken */
    int64_t latency_from_us; /* when the one under way was asked for, -1 = it was not */
    int64_t pause_us;       /* from the program's end to its running again, -1 = not yet */

    struct {
        bool chosen; /* nobody gave the interval */
        struct interval_facts facts, pool; /* of this job, in this stint too; of all */
        struct interval_choice choice;
    } pace;                 /* see pace.h */
    struct loop_timer *interval, *timeout, *ready, *restart, *hard_kill, *sample;
    int64_t kill_at_us;     /* when the hard kill comes, 0 = not ordered */
    int short_runs;         /* executions in a row that ended with a checkpoint at once */
    bool restart_waits;     /* the next execution waits for `restart` */

    bool dumping;           /* a worker takes or commits the state of the running program */
    bool dump_stops;        /* … which stays stopped then, for it has to leave */
    bool dump_taken;        /* … and it has taken it */
    char *waiting;          /* who in the job waits for the dump under way: see selfservice.h */
    bool broken;            /* the processes may be damaged: their end is not the job's */
    int failures;           /* of checkpoints, in a row */
    struct ad *state;       /* of the world that is resumed */
    int refused;            /* the generation that was of no use: the one that it went on from is tried next. 0 = none */
    int again;              /* … and the one that is tried once more, 0 = none */
    int resumes;            /* of this generation that were tried */
    int resumed;            /* the generation from which the present execution was resumed, 0 = it was started */
    bool doubted;           /* the last execution's end is not believed, see stint.c */
    int asker_served; /* the connection that the dump under way is for, -1: none */
    int asker_listener, asker; /* criu_pipe, and the connection of a program that asks there */
    struct loop_watch *listener_watch_asker, *asker_watch;
    struct worker *preflight;
    struct loop_timer *look_timer;
    int looks;
    bool look_spoiled;      /* processes were frozen or stopped while it looked */
    struct ad *problems;    /* found by the look that is under way, or the last one */
    char *problems_told;
    struct worker *trial;
    int trial_generation;
    bool last_committed;    /* how the last capture ended */
    int64_t started_us;     /* of the present or last execution, boot clock */
    bool start_failed;      /* it could not be started again; what then, when the last checkpoint is settled */
    struct error start_error;
    int64_t sampled_rss_kb;
    int64_t reported_us;
};

/* policy.c: fills `verdict` and `succeeded` from `exit`. */
void policy_judge_exit(struct runner *r);
void policy_describe_exit(const struct runner *r, char *text, size_t size);
/* Whether the program may start now; with START_LATER, in how long. */
enum start_time { START_NOW, START_LATER, START_MISSED };
enum start_time policy_start_time(const struct runner *r, int64_t *wait_us);

/* record.c: appends a record (takes ownership of the ad) and tells the pool. Waits for room when the disk is full. */
struct ad *record_new(const char *kind);
void record_write(struct runner *r, struct ad *record);
/* A remark for the job's story. */
void record_note(struct runner *r, const char *text);
/* keep_sandbox: whether the sandbox stays when this is the record of the stint's end, which then says so. */
bool record_kept(const struct runner *r, struct ad *record);

/* control.c: orders of the pool. */
int control_open(struct runner *r, int first_line, struct error *err);
void control_tell(struct runner *r);
void control_suspend(struct runner *r, bool suspend);
void control_close(struct runner *r);

/* fill.c, in a worker: the sandbox gets its inputs, and its state when there is a checkpoint. Sends a report of kind
 * FILL_CORRUPT {generation} for every generation that can not be used, of kind FILL_NOTE for a remark, of kind FILL_TRANSFER
 * for how far the URLs are that are being fetched; the final one has {generation restored (0 = from the
 * start), hold code (not 0: the job must be held, the error says why), hold subcode, newest generation in the store, bytes
 * and files of the restored one}. */
enum { FILL_CORRUPT = 1, FILL_NOTE, FILL_TRANSFER };
enum { FILL_GENERATION, FILL_HOLD_CODE, FILL_HOLD_SUBCODE, FILL_NEWEST, FILL_BYTES, FILL_FILES, FILL_PROCESSES };
enum { TRANSFER_PHASE, TRANSFER_BYTES, TRANSFER_TOTAL, TRANSFER_FILES, TRANSFER_FILES_ALL };
enum { TRANSFER_STARTED, TRANSFER_GOING, TRANSFER_FINISHED };
void fill_worker(void *runner, int pipe, struct worker_report *final);
/* Makes the stint's directories (or takes over those whose results are to be delivered) and opens them. */
int sandbox_open(struct runner *r, struct error *err);
void sandbox_remove(struct runner *r);
/* Makes a directory that belongs to the job's owner, or opens the one that is there. */
int sandbox_make_dir(struct runner *r, int dir, const char *name, bool *made, struct error *err);
/* Whether the program runs in a sandbox, and not in the submitter's directory. */
bool sandbox_wanted(const struct runner *r);

/* input.c, in a worker: the program, the inputs and the standard input, with the owner's rights, into an empty sandbox; and a list of
 * them. err->sys tells EAGAIN where another try may help. */
int input_take(struct runner *r, int pipe, struct error *err);
/* The name of the sandbox's file that is the standard input, or NULL; borrowed. */
const char *input_in_sandbox(const struct runner *r);
/* Whether the program reads its standard input where it is. */
bool input_streamed(const struct runner *r);
/* The directory that the job was submitted from. */
int input_open_dir(struct runner *r, struct error *err);

/* pull.c, in a worker: brings a checkpoint from the remote store into the store; generation 0 is the newest there. Outcome
 * PULL_NOTHING: it is not there, or there is no remote store. */
enum { PULL_NOTHING = 1 };
int pull_checkpoint(struct runner *r, int generation, struct error *err);

/* deliver.c, in a worker: output to its places. Final report: {bytes, files}; its error's text, with result 0, is a remark. */
enum { DELIVER_BYTES, DELIVER_FILES };
void deliver_worker(void *runner, int pipe, struct worker_report *final);

/* manifest.c: the record of its sandbox that a job may want. Its name in the sandbox, yours; NULL: none is wanted. */
char *manifest_dir(const struct runner *r);
/* With the owner's rights: a list of what is there, under that name. */
int manifest_list(struct runner *r, const char *name, struct error *err);
int manifest_environment(struct runner *r, const struct command_list *envp, struct error *err);

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
void program_resumed(struct runner *r);
void program_watch(struct runner *r);
/* Sends the signal that asks it to end; whether it may be asked, or is to be killed at once. */
void program_soft_kill(struct runner *r);
bool program_may_end(const struct runner *r);

/* resume.c: the processes of the generation that fill.c has put into the sandbox come back. */
void resume_begin(struct runner *r);

/* asker.c: programs that ask CRIU for their checkpoints. */
int asker_open(struct runner *r, struct error *err);
/* The request was served, or can not be. */
void asker_done(struct runner *r);
void asker_close(struct runner *r);

/* preflight.c: what in the job's processes cannot be checkpointed. */
void preflight_begin(struct runner *r);
void preflight_stop(struct runner *r);

/* trial.c: a trial restore of the last checkpoint, if the job wants it. */
void trial_begin(struct runner *r);
void trial_stop(struct runner *r);

/* checkpoint.c */
void checkpoint_ask(struct runner *r, const char *why);
void checkpoint_capture(struct runner *r);
void checkpoint_save(struct runner *r);
/* The running program's state, at once, unless one is under way. */
void checkpoint_dump(struct runner *r);
void checkpoint_schedule(struct runner *r);
void checkpoint_init(struct runner *r);
/* Nothing holds checkpoints off any more (the job, a suspension, another one): what has waited for that begins. */
void checkpoint_released(struct runner *r);
/* In a worker: the store, with the limits that the pool set. */
int checkpoint_open_store(struct runner *r, struct store **store, struct error *err);

/* stint.c: what comes next. */
void stint_init(struct runner *r);
void stint_begin(struct runner *r);
void stint_exited(struct runner *r, const struct context_exit *exit);
void stint_captured(struct runner *r);
void stint_settled(struct runner *r, bool committed);
void stint_saved(struct runner *r);
void stint_resumed(struct runner *r, const struct worker_report *report);
void stint_leave(struct runner *r);
void stint_end(struct runner *r, const char *outcome, const char *cause, const char *reason);
struct engine_site stint_site(struct runner *r);

/* ---- doctor.c ---- */

/* stint-runner --doctor: the arguments after it; the exit status. */
int doctor_main(int argc, char **argv);
