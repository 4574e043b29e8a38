/*
 * The durable truth of a pool: jobs, stints, checkpoints, ledger, events and usage, in one SQLite database (WAL,
 * synchronous=FULL) with numbered migrations. What changes together is one transaction of the caller's: queue_begin …
 * queue_commit. Reading needs none. One connection, one thread.
 *
 * Records are ads; the columns beside them are what queries need.
 */
#pragma once

#include "ad/ad.h"
#include "job/id.h"
#include "job/state.h"

#include <sys/types.h>

enum { QUEUE_ABSENT = 1 };

struct queue;

/* Opens `queue.db` (mode 0600) in the directory, makes or migrates it; refuses one from a newer version with a clear sentence.
 * One process has it open at a time: a second one waits for two seconds and fails (ERR_SYSTEM). Damage is ERR_CORRUPT. */
int queue_open(const char *dir, struct queue **queue, struct error *err);
void queue_close(struct queue *queue); /* accepts NULL */
int queue_begin(struct queue *queue, struct error *err);
/* Durable on return. After a failure (disk full …) the transaction was rolled back. Fault points "queue.begin",
 * "queue.commit", "queue.committed". A failure of the system within a transaction dooms it: from there to its end, which
 * is queue_rollback or a failing queue_commit, everything is refused. A refused row (ERR_INVALID) leaves it alive. */
int queue_commit(struct queue *queue, struct error *err);
void queue_rollback(struct queue *queue); /* no open transaction: does nothing */

/* ---- jobs ---- */

struct queue_job {
    struct job_id id;
    uid_t uid;
    char owner[64];
    enum job_state state;
    int64_t priority;
    int64_t submitted_us;
    int cpus;
    int64_t memory_mb;
    int64_t disk_kb;
    int stint;              /* number of the last stint, 0 before the first */
    int64_t journal_offset; /* bytes of the journal that have been applied */
    struct ad *ad;          /* the job's own attributes: what differs from its cluster's, and what changes. Owned. */
    const char *ad_text;    /* its JSON form in place of `ad`, of an unparsed row; borrowed for the call */
    size_t ad_text_len;
};
void queue_job_release(struct queue_job *job);

/* A cluster number that nobody else gets, durable with the transaction. */
int queue_reserve_cluster(struct queue *queue, int *cluster, struct error *err);
/* The highest number that has ever been reserved, or skipped; 0 = none. */
int queue_last_cluster(struct queue *queue, int *cluster, struct error *err);
/* From now on numbers above `cluster` are reserved. Durable with the transaction. */
int queue_skip_clusters(struct queue *queue, int cluster, struct error *err);
/* The same for a later transaction of that user. The last thousand of a user are kept; the numbers of the others are lost. */
int queue_reserve_for(struct queue *queue, uid_t uid, int *cluster, struct error *err);
/* Uses it up. Outcome QUEUE_ABSENT: that user has not reserved it, or has used it. */
int queue_take_reserved(struct queue *queue, uid_t uid, int cluster, struct error *err);
/* Adds a cluster's common ad. */
int queue_add_cluster(struct queue *queue, int cluster, const struct ad *ad, struct error *err);
/* Adds a job (its cluster first). Ten thousand in one transaction take well under a second: prepared statements only. */
int queue_add_job(struct queue *queue, const struct queue_job *job, struct error *err);
/* Outcome QUEUE_ABSENT. Active jobs only. */
int queue_get_job(struct queue *queue, struct job_id id, struct queue_job *out, struct error *err);
/* Writes all fields of an active job; one that is not there is ERR_INVALID. */
int queue_put_job(struct queue *queue, const struct queue_job *job, struct error *err);
/* Moves a job to the history. The cluster's ad goes along: it is kept as long as a job, active or past, needs it. */
int queue_finish_job(struct queue *queue, struct job_id id, int64_t now_us, struct error *err);
/* The cluster's ad with the job's own on top: a new ad. An attribute that the job sets to undefined is absent in it. Works for
 * active and past jobs. */
int queue_full_ad(struct queue *queue, const struct queue_job *job, struct ad **ad, struct error *err);

struct queue_filter {
    bool history;          /* past jobs (newest first) instead of active ones (by cluster and proc) */
    const char *owner;     /* NULL = all */
    struct job_id id;      /* cluster 0 = all; proc JOB_ALL_PROCS = whole cluster */
    uint32_t states;       /* bit 1u << state; 0 = all */
    int64_t limit;         /* 0 = none */
    bool unparsed;         /* the jobs come with ad_text and without ad: most of the time of a long list is parsing */
};
/* Calls fn for each; fn returns false to stop. The job is borrowed for the call. Here and below fn may use the queue, also to
 * change what is iterated over. */
int queue_each_job(struct queue *queue, const struct queue_filter *filter,
                   bool (*fn)(void *data, const struct queue_job *job), void *data, struct error *err);
/* Gives an unparsed one its ad, which is the caller's. */
int queue_parse_ad(struct queue *queue, const struct queue_job *job, struct ad **ad, struct error *err);
/* The active jobs behind `after` in the order of their numbers, at most `limit`, in these states (not 0). */
int queue_each_job_after(struct queue *queue, struct job_id after, uint32_t states, int64_t limit,
                         bool (*fn)(void *data, const struct queue_job *job), void *data, struct error *err);
/* Whose job it is or was, without looking at its ad. Outcome QUEUE_ABSENT: neither active nor past. */
struct queue_owner {
    uid_t uid;
    char name[64];
    bool is_active;
};
int queue_get_owner(struct queue *queue, struct job_id id, struct queue_owner *owner, struct error *err);
/* Number of a user's active jobs. */
int queue_count_owned(struct queue *queue, uid_t uid, int64_t *count, struct error *err);
/* Number of active jobs per state into counts[JOB_STATE_COUNT]. */
int queue_count_states(struct queue *queue, int64_t *counts, struct error *err);
/* Forgets past jobs that ended before the time, with all that belongs to them but the ledger. */
int queue_trim_history(struct queue *queue, int64_t before_us, struct error *err);

/* ---- stints and checkpoints: ads under a number ---- */

int queue_put_stint(struct queue *queue, struct job_id id, int stint, const struct ad *ad, struct error *err);
int queue_get_stint(struct queue *queue, struct job_id id, int stint, struct ad **ad, struct error *err); /* QUEUE_ABSENT */
int queue_put_checkpoint(struct queue *queue, struct job_id id, int number, const struct ad *ad, struct error *err);
/* Appends all of a job's, ascending, to the list attribute `list` of `into`. */
int queue_list_stints(struct queue *queue, struct job_id id, struct ad *into, const char *list, struct error *err);
int queue_list_checkpoints(struct queue *queue, struct job_id id, struct ad *into, const char *list, struct error *err);

/* ---- ledger ---- */

struct queue_charge {
    struct job_id id;
    int stint;
    uid_t uid;
    const char *owner;
    const char *class_name; /* see job/ledger.h */
    const char *cause;
    const char *for_user; /* whom an eviction was for; "" when nobody */
    int day;              /* days since 1970-01-01 UTC */
    int cpus;
    int64_t wall_us;
};
/* Adds to the row with the same keys; cpu time = wall_us * cpus is kept beside. */
int queue_charge(struct queue *queue, const struct queue_charge *charge, struct error *err);
/* Sums by "job", "stint", "user", "cause", "class" or "day" ("pool" = one row): ads with the keys (ClusterId, ProcId, Owner;
 * ClusterId, ProcId, Stint, Owner; Owner; Day) and one attribute per class: GoodputUs, LostUs, CheckpointUs, RestoreUs,
 * TransferUs, IdleUs (cpu-microseconds), and OccupiedUs, their sum; in the order of the keys. By class: Class, OccupiedUs; by
 * cause: Class, Cause, ForUser (if there is one), OccupiedUs; largest first. Appended to the list `list` of `into`. Filters:
 * owner NULL = all; id.cluster 0 = all. An unknown `by` is ERR_INVALID naming the choices. */
struct queue_ledger_query {
    const char *by;
    const char *owner;
    struct job_id id;
    int first_day, last_day; /* inclusive; 0 = open on that side */
};
int queue_ledger(struct queue *queue, const struct queue_ledger_query *query, struct ad *into, const char *list,
                 struct error *err);

/* ---- events ---- */

/* Appends an event; *seq grows by one for each, without holes within a run. `for_log` marks it as still to be written to the
 * user's event log. The ad should have Event, Time (µs), ClusterId, ProcId. */
int queue_add_event(struct queue *queue, struct job_id id, const struct ad *ad, bool for_log, int64_t *seq,
                    struct error *err);
struct queue_event {
    int64_t seq;
    struct job_id id;
    const struct ad *ad; /* borrowed for the call */
};
typedef bool queue_event_fn(void *data, const struct queue_event *event);
/* Events after `after`, ascending, of one job, one cluster, or all (cluster 0); at most `limit`. */
int queue_each_event(struct queue *queue, int64_t after, struct job_id id, int64_t limit, queue_event_fn *fn, void *data,
                     struct error *err);
/* The last `limit` events of one job, ascending. */
int queue_each_recent(struct queue *queue, struct job_id id, int64_t limit, queue_event_fn *fn, void *data,
                      struct error *err);
/* Events still to be written to their logs, ascending. */
int queue_each_unlogged(struct queue *queue, int64_t limit, queue_event_fn *fn, void *data, struct error *err);
/* Those of them after `after`. */
int queue_each_unlogged_after(struct queue *queue, int64_t after, queue_event_fn *fn, void *data, struct error *err);
int queue_mark_logged(struct queue *queue, int64_t seq, struct error *err);
/* The last sequence number, 0 when there is none. */
int queue_last_event(struct queue *queue, int64_t *seq, struct error *err);

/* ---- jobs that are still to be made (late materialisation) ---- */

/* What makes the jobs of a cluster, in the order of their numbers. It is there until the last of them has left the queue. */
struct queue_factory {
    int cluster;
    uid_t uid;
    char owner[64];
    int64_t submitted_us;
    int64_t next;      /* the next job's number; those below are made */
    int64_t total;     /* no job has this number or a higher one */
    int64_t most;      /* jobs of the cluster in the queue at a time; -1 = any number */
    int64_t most_idle; /* of those, the ones that are idle or held; -1 = any number */
    int64_t paused;    /* JobMaterializePaused: 0 = it makes jobs */
    char reason[256];  /* why it is paused */
};
int queue_add_factory(struct queue *queue, const struct queue_factory *factory, struct error *err);
/* Writes next, total, paused and reason. One that is not there is ERR_INVALID. */
int queue_put_factory(struct queue *queue, const struct queue_factory *factory, struct error *err);
/* Forgets it, with the jobs that it has not made. */
int queue_drop_factory(struct queue *queue, int cluster, struct error *err);
int queue_each_factory(struct queue *queue, void (*fn)(void *data, const struct queue_factory *factory), void *data,
                       struct error *err);
/* What the job differs in from its cluster. Jobs that differ in nothing need none. */
int queue_add_item(struct queue *queue, struct job_id id, const struct ad *ad, struct error *err);
/* Takes it out. *ad is yours; an empty one when there is none. */
int queue_take_item(struct queue *queue, struct job_id id, struct ad **ad, struct error *err);
/* Forgets the items of that number and above. */
int queue_drop_items(struct queue *queue, struct job_id from, struct error *err);
/* The number of a user's jobs that are still to be made. */
int queue_count_to_come(struct queue *queue, uid_t uid, int64_t *count, struct error *err);
/* The number of a cluster's active jobs per state into counts[JOB_STATE_COUNT]. */
int queue_count_cluster(struct queue *queue, int cluster, int64_t *counts, struct error *err);

/* ---- notices: what owners are still to be told of their jobs ---- */

struct queue_notice {
    int64_t seq;
    struct job_id id;
    char kind[32];
    int64_t due_us; /* wall clock: not before */
    int64_t tries;
};
int queue_add_notice(struct queue *queue, struct job_id id, const char *kind, struct error *err);
/* The one that was added first of those that are due and come after `after`. Outcome QUEUE_ABSENT. */
int queue_next_notice(struct queue *queue, int64_t after, int64_t now_us, struct queue_notice *notice, struct error *err);
/* When the first of those that are not due yet is; INT64_MAX when there is none. */
int queue_notice_due(struct queue *queue, int64_t now_us, int64_t *due_us, struct error *err);
int queue_delay_notice(struct queue *queue, int64_t seq, int64_t due_us, struct error *err); /* one try more */
int queue_drop_notice(struct queue *queue, int64_t seq, struct error *err);

/* ---- usage per user, decayed ---- */

enum { QUEUE_ACCOUNT_MAX = 192 };
struct queue_usage {
    uid_t uid;
    char owner[QUEUE_ACCOUNT_MAX]; /* or an account's name, GROUP.USER */
    double decayed_cpu_s;   /* at updated_us */
    int64_t updated_us;     /* wall clock */
    int64_t total_cpu_us;   /* never decays */
    double factor;          /* of the effective priority, default 1000 (HTCondor) */
};
int queue_get_usage(struct queue *queue, uid_t uid, struct queue_usage *out, struct error *err); /* QUEUE_ABSENT */
int queue_put_usage(struct queue *queue, const struct queue_usage *usage, struct error *err);
int queue_each_usage(struct queue *queue, void (*fn)(void *data, const struct queue_usage *usage), void *data,
                     struct error *err);
/* The same for accounting groups, by their names. */
int queue_get_account(struct queue *queue, const char *name, struct queue_usage *out, struct error *err); /* QUEUE_ABSENT */
int queue_put_account(struct queue *queue, const struct queue_usage *usage, struct error *err);
int queue_each_account(struct queue *queue, void (*fn)(void *data, const struct queue_usage *usage), void *data,
                       struct error *err);

/* ---- settings: small facts of the pool itself ---- */
int queue_get_setting(struct queue *queue, const char *name, struct buf *out, struct error *err); /* QUEUE_ABSENT */
int queue_put_setting(struct queue *queue, const char *name, const char *value, struct error *err);
