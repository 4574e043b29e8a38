/*
 * The pool: glue between the queue (what is true), the policy (what to do next), the backend (runners) and the API (people).
 * Private to pool/.
 *
 * One loop, one thread, crash-only: everything that matters is committed to the queue before it is acted upon, and what is
 * kept in memory (who holds a slot, who is idle) can be rebuilt from the queue at any time. Each round of the loop gathers
 * what runners reported and makes it one transaction.
 */
#pragma once

#include "ad/ad.h"
#include "backend/backend.h"
#include "base/clock.h"
#include "base/identity.h"
#include "base/loop.h"
#include "job/eventlog.h"
#include "job/ledger.h"
#include "job/state.h"
#include "policy/policy.h"
#include "queue/queue.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { CONFIG_TEXT_MAX = 1024 };

struct config {
    int cpus;
    int64_t memory_mb;
    int64_t disk_kb;
    const char *checkpoint_method; /* of jobs that say nothing: see method_text; constant */
    char criu_dir[CONFIG_TEXT_MAX]; /* "" = where tools_find looks */
    int64_t checkpoint_interval_us;
    int64_t checkpoint_timeout_us;
    int64_t max_vacate_us;
    int64_t history_us;
    int64_t usage_halflife_us;
    int64_t leave_interval_us; /* how often it is asked whether finished jobs still stay in the queue */
    char notify_command[CONFIG_TEXT_MAX]; /* "" = nobody is told anything */
    int keep_generations;
    int max_jobs_per_user; /* 0 = as many as they like */
    bool limits; /* use cgroups where possible */
    /* The checkpoint store. */
    int64_t store_quota, store_user_quota; /* bytes; 0 = none */
    int64_t store_low_space; /* bytes; -1 = auto */
    int checkpoint_tail;
    int64_t image_cache; /* bytes that the unpacked images of a user may take when they are not in use */
    int64_t store_verify_us; /* every newest checkpoint is read through once in this time; 0 = never */
    /* Where its checkpoints go as well; "" = nowhere. */
    char remote_store[CONFIG_TEXT_MAX], remote_endpoint[CONFIG_TEXT_MAX], remote_region[CONFIG_TEXT_MAX],
        remote_credentials[CONFIG_TEXT_MAX];
    /* Policy by expression. */
    int64_t periodic_interval_us; /* every job's periodic expressions are evaluated once in this time */
    struct policy_rules rules;    /* system_periodic_… */
    struct ad_expr *start;        /* whether the machine takes a job: NULL = any */
    struct ad *machine;           /* what machine.NAME adds to the machine's ad; NULL = nothing */
    struct policy_limit *limit_list;
    size_t limit_count, limit_capacity;
    int limit_default;            /* of limits that are not on the list; -1 = none */
};

/* A job that holds a slot. */
struct active {
    struct active *next;
    struct pool *pool;
    struct job_id id;
    int stint;
    int cpus;
    int64_t memory_mb, disk_kb;
    const struct policy_needs *needs; /* limits that it holds */
    int job_dir;
    char *job_path;
    int line; /* -1: nobody answers at the moment */
    struct loop_watch *watch;
    bool dirty;     /* its journal may have grown */
    int64_t settle_after_us; /* boot clock: the next try, after one that failed */
    bool orphan;    /* its line broke: find out whether the runner is dead */
    bool over;      /* its stint ended: free it after the commit */
    bool was_found; /* by a restarted pool */
    int64_t bound_due_us; /* boot clock: when its durations are looked at again; 0 = its journal has grown since */
};

/* A job that may start only later. */
struct waiting {
    struct policy_job job;
    int64_t not_before_us; /* boot clock */
    bool deferred;         /* because it wants to, not because a start failed */
};

/* An idle job that may not start on this machine. */
struct unsuited {
    struct policy_job job;
    bool timed; /* it may in a minute */
};

struct kept;        /* a sandbox that stays: see kept.c */
struct factory;     /* a cluster whose jobs are made late: see factory.c */
struct notifier;    /* a child that tells an owner something: see notify.c */
struct task;        /* a child that does one long thing: see task.h */
struct stream;      /* its client: see stream.c */
struct waiter;      /* a client that waits for events: see api.c */
struct blocked_log; /* a user's log that could not be written: see userlog.c */

struct pool {
    struct loop *loop;
    struct queue *queue;
    struct store *store;
    struct config config;
    char *dir_path, *jobs_path, *store_path, *runner_path, *transport_path;
    int dir, jobs_dir, lock;
    bool machine_wide;
    struct identity owner;
    int64_t started_us;
    int64_t started_boot_us; /* the history ages by the boot clock from here */
    pid_t sweeper;         /* the child that removes what is in the trash; 0 = none */
    bool trash;            /* there may be something */
    bool trash_all;        /* also what an earlier pool's child may not have come to */
    int64_t trash_at_us;   /* boot clock: when it is emptied */
    int trash_count;       /* names in it are unique for a pool's life */
    pid_t uploader;        /* the child that sends checkpoints to the remote store; 0 = none */
    bool upload;           /* there may be something to send */
    bool upload_all;       /* the last pool may not have heard of all that is safe */
    int64_t upload_at_us;  /* boot clock: not before */
    int upload_fd;         /* what it says */
    struct loop_watch *upload_watch;
    struct buf upload_said;
    pid_t scrubber;        /* the child that reads a part of the store; 0 = none */
    const char *limits; /* "cgroup v2" …, NULL = none */
    struct error limits_reason;

    struct active *active;
    struct policy_job *idle;
    size_t idle_count, idle_capacity;
    bool idle_many;     /* between schedule_begin_many and schedule_end_many: */
    size_t idle_sorted; /* the others come behind these and are not in order yet */
    struct waiting *waiting;
    size_t waiting_count, waiting_capacity;
    int64_t waiting_due_us; /* boot clock: the first of them is not due before */
    struct unsuited *unsuited;
    size_t unsuited_count, unsuited_capacity;
    void *known_needs, *known_places; /* see limits.c */
    int plain_cluster;  /* the last one whose jobs start without conditions: see idle.c */
    struct policy_limit *limits_used;
    size_t limits_used_count, limits_used_capacity;
    struct ad *machine;       /* see machine.c */
    int64_t machine_fresh_us; /* boot clock: it is up to date until then */
    struct periodic *periodic; /* see periodic.c */
    struct policy_room used;
    bool schedule; /* look for work at the end of the round */
    bool logs;     /* there may be events to write to users' logs */
    int64_t logs_doubtful; /* events up to this one that are not marked as written may be there all the same */
    int64_t logs_from;     /* up to this one all are written but those of blocked logs; 0 = look at all again */
    bool logs_unfinished;  /* that pass */
    int64_t logs_scan_us;  /* boot clock: when the present pass over the events began */
    int64_t logs_due_us;   /* boot clock: when the first blocked log is tried again; INT64_MAX = there is none */
    struct blocked_log *blocked_logs; /* see userlog.c */
    bool stopping, vacating;
    int64_t last_event;
    struct factory *factories; /* see factory.c */
    struct kept *kept;         /* see kept.c */
    size_t kept_count, kept_capacity;
    int64_t kept_disk_kb;
    int64_t leave_at_us;       /* boot clock: when finished jobs in the queue are looked at; INT64_MAX = there are none */
    size_t leave_step;         /* how far that is, see leave.c: the state, */
    struct job_id leave_last;  /* and the last job of it */
    bool leave_some;           /* one is to be looked at again */
    struct notifier *notifiers;
    bool notices;              /* there may be some */
    int64_t notices_due_us;    /* boot clock: when there may be some again */

    struct loop_timer *retry, *tick, *wake;
    int64_t wake_at; /* when `wake` fires: see pool_wake */
    struct MHD_Daemon *http;
    struct loop_watch *http_watch;
    bool http_again; /* a connection ended: see api.c */
    struct waiter *waiters;
    struct task *tasks;
    struct stream *streams;
};

/* daemon.c: the pool's life. Whatever they return, pool_close ends it. Outcomes POOL_LOCKED (a pool runs here already),
 * POOL_CONFIG (stint.conf is wrong; err is filled): exit statuses. */
enum { POOL_LOCKED = 3, POOL_CONFIG = 4 };
int pool_open(struct pool *p, const char *path, struct error *err);
/* Its first half: directory, configuration, queue and store, but no jobs are taken up and nobody is listened to. */
int pool_open_state(struct pool *p, const char *path, struct error *err);
void pool_close(struct pool *p);
/* What happens after every round of the loop. */
void pool_round(void *pool);
/* Whether a pool answers in this directory. */
bool pool_answers(const struct pool *p);

/* Forgets what was long past at the pool's start and is now, so that a wall clock that jumps forward deletes nothing. */
int pool_trim(struct pool *p, struct moment now, struct error *err);

/* place.c: the pool's directory, which may hold secrets of users and is trusted: its own, and nobody else can change what is
 * at its path. Opens, and makes it if need be, with the mode it must have whatever the umask. *resolved (yours) is its path
 * without links. Returns the descriptor or -1. */
int place_open(const char *path, char **resolved, struct error *err);
/* Whether the pool serves all users of the machine. */
bool place_is_machine_wide(void);

/* trash.c: what is removed may be millions of files, and the loop does not wait for that: it is renamed into a directory which a
 * child empties. */
void trash_put(struct pool *p, struct job_id id, bool leaves_now); /* the job has just left the queue; else it did long ago */
/* Pins all checkpoints of a job that the queue does not know; false when it has none. */
bool trash_keep(struct pool *p, struct job_id id);
void trash_round(struct pool *p);
void trash_reaped(struct pool *p, pid_t pid, int status);

/* images.c: where the unpacked images of a user are (yours); and, in a child, removes those that were not used for longest while they
 * take more than `limit` bytes for a user. Not 0: something has to be done again. */
char *images_dir(const struct pool *p, uid_t uid);
int images_sweep(const char *pool_path, int64_t limit);

/* upload.c: checkpoints to the remote store, by a child. */
int upload_open(struct pool *p, struct error *err);
void upload_want(struct pool *p); /* there is a new checkpoint */
void upload_forget(struct pool *p, const char *job);
void upload_round(struct pool *p);
void upload_reaped(struct pool *p, pid_t pid, int status);
void upload_close(struct pool *p);

/* scrub.c: reads a part of the store's newest checkpoints at every tick, by a child. */
void scrub_tick(struct pool *p, int64_t tick_us);
void scrub_reaped(struct pool *p, pid_t pid);

/* config.c: the settings of stint.conf (man/stint.conf.5.scd) over the defaults of this machine. An error names the line. */
int config_read(struct pool *p, struct error *err);
/* What the text sets; the text is cut into lines on the way. */
int config_parse(struct config *config, char *text, struct error *err);
void config_release(struct config *config);

/* active.c: jobs that hold slots, and their runners. */
struct active *active_find(struct pool *p, struct job_id id);
int active_add(struct pool *p, const struct queue_job *job, struct active **out, struct error *err);
/* It holds no slot any more. Accepts NULL. */
void active_drop(struct pool *p, struct active *a);
void active_watch(struct active *a, int line);
void active_order(struct active *a, const char *order, const struct ad *job);
/* A name that no other stint of any pool on this machine has at the same time. */
enum { ACTIVE_MARK_MAX = 64 };
const char *active_mark(const struct pool *p, struct job_id id, int stint, char out[ACTIVE_MARK_MAX]);
/* Takes up every job that held a slot when the last pool ended. */
int active_recover(struct pool *p, struct error *err);
/* Reads what journals have grown by, one transaction; then frees what ended. */
void active_round(struct pool *p);
void active_drop_all(struct pool *p);

/* fold.c: one journal record becomes part of the queue. Within the caller's transaction. */
int fold_records(struct pool *p, struct active *a, struct error *err);
/* fence.c: the stint is over, because its runner is: appends the fence and folds it. The caller holds the job's lock. */
int fold_fence(struct pool *p, struct active *a, struct error *err);

/* schedule.c */
int schedule_load(struct pool *p, struct error *err);
void schedule_add(struct pool *p, const struct queue_job *job);
/* Around many calls of schedule_add: together they cost what one pass over the idle jobs does. */
void schedule_begin_many(struct pool *p);
void schedule_end_many(struct pool *p);
void schedule_remove(struct pool *p, struct job_id id);
void schedule_remove_many(struct pool *p, struct job_id *ids, size_t count); /* puts the ids into their order */
void schedule_round(struct pool *p);
/* Why a job is idle, for people. */
void schedule_explain(struct pool *p, const struct queue_job *job, struct buf *out);
/* Fills in the columns. The priority of a nice user's job comes after those of all others. */
int schedule_requests(const struct ad *job, struct queue_job *out, struct error *err);
int64_t schedule_job_prio(const struct queue_job *job); /* JobPrio as it was asked for */

/* It is not waiting for anything any more. */
void schedule_close(struct pool *p);
/* Looks again at jobs whose requirements may have become true by time alone. */
void schedule_recheck(struct pool *p);

/* machine.c: the machine's ad; machine_now's is borrowed until the next call, the other one yours. */
const struct ad *machine_now(struct pool *p);
struct ad *pool_machine_ad(const struct pool *p);
/* Where the CRIU is that jobs get, which may be made while the pool runs; yours, NULL: nowhere. What the configuration names is not
 * looked at: whoever uses it says what is wrong with it. */
char *pool_tools(const struct pool *p);

/* deferral.c: when a job wants to start. `job` is its whole ad (report_job). False: as soon as it can. */
struct deferral {
    int64_t time_s, window_s, preparation_s; /* wall clock, seconds */
};
void deferral_print(const struct deferral *deferral, struct buf *out);
bool deferral_wanted(const struct ad *job);
bool deferral_of(const struct pool *p, const struct ad *job, struct deferral *out);

/* match.c: whether a job may start on this machine now. */
enum match_result { MATCH_YES, MATCH_UNSUITED, MATCH_NOT_TAKEN, MATCH_LATER, MATCH_MISSED, MATCH_NO_VALUE };
struct match {
    enum match_result result;
    bool timed;      /* by time alone it may become another */
    int64_t wait_us; /* MATCH_LATER */
    bool deferred;
    struct deferral deferral;
    char why[200]; /* MATCH_NO_VALUE: for what in its texts this machine has none */
};
int match_try(struct pool *p, const struct queue_job *job, struct match *out, struct error *err);
/* Whether match_try has to be asked for a job with this whole ad. */
bool match_is_asked(const struct pool *p, const struct ad *full);
/* MY is the job, TARGET the machine, now is now. */
struct ad_scope match_scope(struct pool *p, const struct ad *job);
int match_utc_offset(void);

/* limits.c: concurrency limits. What a job with this whole ad takes of them (borrowed, for the pool's life; NULL = nothing). */
const struct policy_needs *limits_of(struct pool *p, const struct ad *job);
const struct policy_needs *limits_of_text(struct pool *p, const char *text);
void limits_print(const struct pool *p, const struct policy_needs *needs, struct buf *out);
void limits_hold(struct pool *p, const struct policy_needs *needs, int sign);
void limits_close(struct pool *p);

/* periodic.c: periodic expressions, each once in an interval, a slice of the jobs at a time. */
void periodic_round(struct pool *p);
void periodic_close(struct pool *p);

/* event.c */
int event_add(struct pool *p, const struct queue_job *job, const struct ad *full, struct ad *event, struct error *err);
struct ad *event_new(const char *name, int64_t wall_us);
/* The end of a transaction that may have events. Those of one that was rolled back did not happen, and the next ones get their
 * numbers: last_event must not stay ahead, or who asks for what comes after it would miss them. */
int event_commit(struct pool *p, struct error *err);
void event_rollback(struct pool *p);
/* userlog_text.c: appends what the event is in a user's log; nothing for most. */
void userlog_print(const struct ad *event, struct buf *out);
/* userlog.c: events to users' logs. */
void userlog_round(struct pool *p);
/* As if the time until blocked logs are tried again, or the hour after which they are given up, had passed: for tests. */
void userlog_hurry(struct pool *p, bool give_up);
void userlog_close(struct pool *p);

/* submit.c, actions.c: what people ask for; `uid` is who asks. Errors of kind ERR_DENIED and ERR_INVALID are theirs. */
bool submit_is_own(const char *name); /* an attribute that only the pool sets */
void submit_drop_own(struct ad *ad);
/* Whether a user may have so many jobs more. */
int submit_check_count(const struct pool *p, uid_t uid, const char *owner, int64_t more, struct error *err);
/* What every job must have, and how large it may be. */
int submit_check(const struct ad *full, struct error *err);
/* In a machine-wide pool priorities order the jobs of all users, until there is fair share: so nobody but root goes far. */
void submit_clamp(const struct pool *p, uid_t uid, struct queue_job *job);
/* Whose jobs enter the queue, and of which cluster. */
struct submitter {
    struct pool *pool;
    const struct ad *cluster;
    const char *owner;
    uid_t uid;
    int number;
    int64_t submitted_us, now_us;
};
/* Within the caller's transaction: the job, which is the caller's to release, and its events. */
int submit_add_job(const struct submitter *s, int proc, const struct ad *difference, struct queue_job *job, struct error *err);
int submit_cluster(struct pool *p, uid_t uid, const struct ad *request, struct ad *answer, struct error *err);
/* patience.c: what a request may spend on an expression that is evaluated for one job after the other, while everybody else waits.
 * Begins with zeroes. When it is spent everything is false and undefined, and patience_check has the error. */
struct patience {
    int64_t spent_us;
};
bool patience_true(struct patience *patience, const struct ad_expr *expr, const struct ad_scope *scope);
void patience_value(struct patience *patience, const struct ad_expr *expr, const struct ad_scope *scope, struct value *out);
int patience_check(const struct patience *patience, struct error *err);

/* What an expression decided about a job. */
struct decision {
    struct job_id id;
    enum job_event event; /* JOB_EVENT_COUNT: none, only `problem` */
    const char *cause; /* what the job was asked to do: "hold" … */
    const char *reason;
    int64_t code, subcode;
    const char *problem; /* what PeriodicError is to say; NULL = leave it as it is */
};
/* Carries them out: one transaction, then the orders to runners. What is not allowed (any more) in a job's state is passed over.
 * Fault points "pool.decide" before the commit and "pool.decided" behind it. */
int actions_decide(struct pool *p, const struct decision *decisions, size_t count, struct error *err);
int actions_run(struct pool *p, uid_t uid, const struct ad *request, struct ad *answer, struct error *err);
/* Whether an edit may set these. */
int actions_check_set(const struct ad *set, struct error *err);
int actions_edit(struct pool *p, uid_t uid, struct job_id id, const struct ad *request, struct error *err);
/* Asks every job to leave. */
void actions_vacate_all(struct pool *p);
bool pool_may(const struct pool *p, uid_t uid, uid_t owner);

/* account.c: for whom a job's usage counts. Sets AccountingGroup, AcctGroup and AcctGroupUser in `into` (which may be `full`) as the whole
 * ad says; refuses names of others. */
int account_set(uid_t uid, const char *owner, const struct ad *full, struct ad *into, struct error *err);
/* Of a job that becomes somebody else's, perhaps: the group stays, and account_set says whose work it is. */
void account_forget_user(struct ad *ad);
/* The account's name, or NULL when usage counts for the owner alone. Borrowed from the ad. */
const char *account_of(const struct ad *full);
double account_factor(const struct ad *full); /* of an account that is new */

/* factory.c: late materialisation. */
int factory_load(struct pool *p, struct error *err);
void factory_free_all(struct pool *p);
/* Within the transaction of a submission, whose commit must be followed by factory_keep and factory_round. */
int factory_add(struct pool *p, const struct queue_factory *f, const struct ad *cluster, struct error *err);
void factory_keep(struct pool *p, const struct queue_factory *f);
/* After a rollback of what people asked for: what is in memory becomes what the queue says. */
void factory_reload(struct pool *p);
/* A job of the cluster changed its state or left. */
void factory_note(struct pool *p, int cluster);
/* Makes the jobs for which there is room, and ends what is done. */
void factory_round(struct pool *p);
bool factory_will_make(const struct pool *p, struct job_id id);
bool factory_is(const struct pool *p, int cluster);
struct factory_query {
    int cluster;       /* 0 = all */
    const char *owner; /* NULL = everybody's */
    uid_t uid;         /* who asks, and is not told others' reasons */
};
/* As ads (ClusterId, Owner, ToCome …) appended to the list of `answer`. Returns how many jobs they are still to make. */
int64_t factory_list(const struct pool *p, const struct factory_query *query, struct ad *answer, const char *list);
/* What a person asks of whole clusters. Within the transaction; *message says what was done. False: it does not concern it. */
struct factory_order {
    const char *action; /* "hold", "release", "remove" */
    const char *reason;
    uid_t uid;
    const struct ad_expr *constraint; /* on the cluster's ad; NULL = the cluster is meant */
    struct patience *patience;        /* for that */
};
int factory_act(struct pool *p, int cluster, const struct factory_order *order, const char **message, struct error *err);
int factory_act_all(struct pool *p, const struct factory_order *order, int *count, struct error *err);

/* kept.c: sandboxes that stay when their stint is over, and the disk that they take from other jobs: as much as the job asked for. */
int kept_load(struct pool *p, struct error *err);
void kept_free(struct pool *p);
/* The stint's last record may say so: then KeptSandbox is set in the job's ad. */
void kept_note(const struct active *a, const struct ad *record, struct ad *job);
/* How much of the disk that the job asks for its own kept sandbox takes, which makes room when the job starts. */
int64_t kept_disk(const struct pool *p, const struct queue_job *job);
/* The job gave its slot back, got one, or is gone. */
void kept_add(struct pool *p, const struct queue_job *job);
void kept_remove(struct pool *p, struct job_id id);

/* leave.c: finished jobs that stay in the queue while LeaveJobInQueue is true. */
bool leave_stays(struct pool *p, const struct queue_job *job);
/* The job, which is in a final state, stays: it is looked at again. */
void leave_watch(struct pool *p);
void leave_round(struct pool *p);
/* This one now, for it was edited. */
void leave_look(struct pool *p, const struct queue_job *job);

/* notify.c: tells owners by the command of the configuration. */
bool notify_is_wanted(const struct ad *full); /* anything at all */
/* Within the transaction of an event: notes that somebody is to be told of it. */
int notify_event(struct pool *p, const struct queue_job *job, const struct ad *full, const struct ad *event, struct error *err);
void notify_round(struct pool *p);
void notify_reaped(struct pool *p, pid_t pid, int status);
void notify_close(struct pool *p);

/* move.c: one event of a job, by the table in job/state.h. Writes the job back; within the caller's transaction. */
int move_job(struct pool *p, struct queue_job *job, enum job_event event, struct job_move *move, struct error *err);
/* What has to happen after the commit of a final move: files, store. They are out of the way on return, removed later. */
void move_clean(struct pool *p, struct job_id id);

/* report.c */
int report_job(struct pool *p, const struct queue_job *job, struct ad **ad, struct error *err);
int report_story(struct pool *p, struct job_id id, struct ad *answer, struct error *err); /* QUEUE_ABSENT */
/* What somebody may see of the job of another user: that it is there, what it asks for, what it has cost. */
struct ad *report_public(const struct ad *job);
int report_public_story(struct pool *p, struct job_id id, struct ad *answer, struct error *err); /* QUEUE_ABSENT */
/* The same of an event, a stint or a checkpoint: numbers, and which event it is. */
struct ad *report_public_record(const struct ad *record);
/* An event as people see it: without what only the event log's writer needs. */
struct ad *report_event(const struct queue_event *event);
void report_pool(struct pool *p, struct ad *answer);

/* api.c */
int api_open(struct pool *p, struct error *err);
void api_round(struct pool *p);
void api_close(struct pool *p);

/* Tries what failed once more in a second (a full disk, say). */
void pool_retry(struct pool *p);
/* Whether whatever stint command finds this pool dead should start it again. */
void pool_want(struct pool *p, bool wanted);
/* A round of the loop at that boot time, or sooner. */
void pool_wake(struct pool *p, int64_t at_us);
