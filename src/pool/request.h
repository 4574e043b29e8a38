/* One request on its way through the handlers. Private to pool/. */
#pragma once

#include "base/buf.h"
#include "pool/task.h"

struct request {
    struct pool *pool;
    /* The index-th value of a query parameter, or NULL; borrowed. */
    const char *(*query)(void *source, const char *name, int index);
    void *source; /* the connection, where there is one */
    uid_t uid; /* of the process at the other end, as the kernel says */
    struct buf body;
    struct ad *input;  /* the body, parsed; never NULL in a handler of POST */
    struct job_id id;  /* of /v1/jobs/ID… */
    int64_t deadline;  /* boot clock; 0 = did not wait yet */
    bool wait;         /* set by a handler: there is nothing to say yet */
    struct buf raw;    /* set by a handler: what is sent instead of the answer: */
    bool is_raw;       /* bytes */
    bool is_json;      /* JSON text */
    int64_t raw_offset, raw_size;
    const char *raw_state;
    bool large; /* it took memory that is better given back */
    const char *word;  /* what stands for "#" in the path; borrowed */
    struct task *task; /* set by a handler: what answers, piece by piece */
    bool busy;         /* set by a handler: refused because there is too much of it already */
};

enum { REQUEST_NOT_FOUND = 1 };

/* route.c: finds and calls the handler. Outcome REQUEST_NOT_FOUND. */
int request_run(struct request *rq, const char *method, const char *url, struct ad *answer, struct error *err);
/* Frees what belongs to the request, which stays the caller's. */
void request_release(struct request *rq);

/* A query parameter's first value, or NULL. Borrowed. */
const char *request_query(const struct request *rq, const char *name);
int64_t request_number(const struct request *rq, const char *name, int64_t fallback);

/* Whether who asks may see all of that job; the answer for the last one is kept in *last. A job that is gone is nobody's. */
struct request_job {
    struct job_id id;
    bool may;
};
bool request_may_see(struct request *rq, struct job_id id, struct request_job *last);

/* Whether a job, active or past, is one for which the constraint is true, by what who asks may see of it. Answers are kept for as long as
 * `chosen` lives; begin with zeroes. */
struct chosen {
    struct ad_expr *constraint; /* NULL = every job */
    struct patience patience;
    int64_t now;
    struct {
        struct job_id id;
        bool is_wanted;
    } kept[256];
};
int chosen_begin(struct request *rq, struct chosen *chosen, struct error *err); /* by the parameter "constraint" */
bool chosen_wants(struct request *rq, struct chosen *chosen, struct job_id id);
void chosen_release(struct chosen *chosen);

/* Whether it is root or the pool's owner who asks. */
bool request_is_master(const struct request *rq);

/* Handlers fill `answer`; outcome REQUEST_NOT_FOUND. */
typedef int request_fn(struct request *rq, struct ad *answer, struct error *err);
request_fn output_get;                                      /* output.c */
request_fn machine_get;                                     /* machine.c */
request_fn match_get;                                       /* match.c */
request_fn ckpt_post;                                       /* ckpt.c */
request_fn branch_rewind, branch_clone;                     /* branch.c */
request_fn list_jobs;                                       /* list_jobs.c */
request_fn users_change;                                    /* users.c */
request_fn list_events, list_ledger, list_users;            /* list.c */
