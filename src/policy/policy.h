/*
 * What to start next, and what expressions say of jobs. Pure: a snapshot in, a plan or a verdict out; the same snapshot gives the
 * same answer. (Fair share, and whom to evict, are to come here.)
 */
#pragma once

#include "ad/ad.h"
#include "job/id.h"
#include "job/limit.h"

#include <stddef.h>
#include <stdint.h>

/* ---- start.c: what to start next ---- */

/* What a job takes of one limit, by its place in the snapshot's list. */
struct policy_need {
    int limit;
    int64_t amount;
};

struct policy_needs {
    int count;
    struct policy_need needs[LIMITS_PER_JOB_MAX];
};

struct policy_limit {
    char name[LIMIT_NAME_MAX];
    int64_t most; /* negative: no limit */
    int64_t used; /* by jobs that hold slots */
};

struct policy_job {
    struct job_id id;
    int64_t priority;     /* higher first */
    int64_t submitted_us; /* earlier first */
    int64_t memory_mb;
    int64_t disk_kb;
    int cpus;
    bool conditional;     /* whether it may start is asked of the snapshot's `may` */
    const struct policy_needs *needs; /* NULL: it takes nothing of a limit */
};

struct policy_room {
    int cpus;
    int64_t memory_mb;
    int64_t disk_kb;
};

struct policy_snapshot {
    const struct policy_job *jobs; /* in the order of policy_compare */
    size_t count;
    struct policy_room room;
    struct policy_limit *limits; /* changed during the call, and as before on return */
    /* Whether the index-th job, a conditional one for which there is room, may start on this machine. */
    bool (*may)(void *data, size_t index);
    void *data;
};

/* By priority, then submission, then id: negative when a comes before b. */
int policy_compare(const struct policy_job *a, const struct policy_job *b);
/* Goes through the jobs and takes each that fits into what is left of room and limits, and may start. Writes the indices of those
 * taken, at most `max`, and returns their number. Stops early when no cpu is left. */
size_t policy_plan(const struct policy_snapshot *snapshot, size_t *taken, size_t max);
/* Whether the job would fit into an empty machine; if not, *why names the first resource that it asks too much of. */
int policy_fits_ever(const struct policy_job *job, const struct policy_room *machine, const char **why);
/* The first of its limits that it cannot have now, or, with `ever`, could not even if nobody else had any; NULL if there is none. */
const struct policy_limit *policy_limit_in_the_way(const struct policy_needs *needs, const struct policy_limit *limits, bool ever);

/* ---- judge.c: what expressions say of a job ---- */

enum policy_act { POLICY_NOTHING, POLICY_VACATE, POLICY_HOLD, POLICY_RELEASE, POLICY_REMOVE, POLICY_RETRY, POLICY_ACTS };

enum { POLICY_TEXT_MAX = 512 };

struct policy_verdict {
    enum policy_act act;
    char reason[POLICY_TEXT_MAX];
    int64_t code, subcode;         /* HTCondor's numbers */
    char problem[POLICY_TEXT_MAX]; /* an expression whose value is an error; "" if there is none */
};

/* The machine's own rule for one act (system_periodic_hold …): `when` NULL = none. */
struct policy_rule {
    struct ad_expr *when, *reason, *subcode;
    char *text; /* of `when` */
};

struct policy_rules {
    struct policy_rule rules[POLICY_ACTS];
};
void policy_rules_release(struct policy_rules *rules);
/* Sets a part of a rule from its expression's text, by the setting's name without "system_periodic_" ("hold", "hold_reason",
 * "hold_subcode"). Outcome POLICY_UNKNOWN: there is no such part. */
enum { POLICY_UNKNOWN = 1 };
int policy_rules_set(struct policy_rules *rules, const char *name, const char *text, struct error *err);
bool policy_rules_any(const struct policy_rules *rules);

/* The attributes of a job that policy_judge looks at: NULL behind the last. */
const char *policy_attribute(size_t i);

/* What the periodic expressions of the job (its whole ad, with JobStatus and HoldReasonCode) and the rules say. The first that is
 * true counts: vacate (of a running job), hold, release (of a held one), remove; each the job's own before the machine's. */
void policy_judge(const struct ad_scope *scope, const struct policy_rules *rules, struct policy_verdict *out);

/* How long the job has been running without a break, and its program since its start or last checkpoint; negative = it is not. */
struct policy_times {
    int64_t running_us, executing_us;
};
/* Whether it has been for longer than allowed_job_duration or allowed_execute_duration. Returns the time until it will have
 * been: INT64_MAX if there is no such bound, 0 when `out` is filled. */
int64_t policy_duration(const struct ad *job, const struct policy_times *times, struct policy_verdict *out);

/* What becomes of a job whose program ended by itself: POLICY_HOLD, POLICY_RETRY (it stays in the queue and is started again), or
 * POLICY_NOTHING: it is done. The ad has ExitCode or ExitSignal, ExitBySignal, and NumJobCompletions with this end. */
void policy_exit(const struct ad_scope *scope, struct policy_verdict *out);
/* Whether that end counts as success. */
bool policy_succeeded(const struct ad *job);

/* ---- clause.c: why requirements are not true ---- */

/* Appends to the list `list` of `into` an ad for each clause of the expression, in order: Clause (its text), Value (its value's text),
 * True, Values (a list of ads: Name as it stands there, Of "job", "machine" or "neither", Value), Advice (only when it is not
 * true). Returns whether the whole is true. */
bool policy_explain(const struct ad_expr *expr, const struct ad_scope *scope, struct ad *into, const char *list);
