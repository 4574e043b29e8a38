/* A job as the tables of the queue see it: slices of the pool's answer, which is walked through and never built into ads. Pure. */
#pragma once

#include "base/json_walk.h"
#include "cli/words.h"

enum q_field {
    Q_CLUSTER, Q_PROC, Q_OWNER, Q_QDATE, Q_STATE, Q_HOLD_REASON, Q_REMOVE_REASON, Q_EXIT_CODE, Q_EXIT_SIGNAL, Q_CMD, Q_ARGUMENTS, Q_ARGS,
    Q_BATCH, Q_TOTAL, Q_CKPTS, Q_LAST_CKPT, Q_LAST_CKPT_US, Q_GOODPUT, Q_LOST, Q_OCCUPIED, Q_COMPLETION, Q_ENTERED, Q_PROGRESS,
    Q_DOCKER, Q_CONTAINER, Q_STATUS, Q_PRIO, Q_MEMORY, Q_SIZE, Q_HOLD_CODE, Q_HOLD_SUBCODE, Q_START, Q_HOST, Q_CPU,
    Q_FIELDS,
};

struct q_job {
    struct json_slice fields[Q_FIELDS];
    struct json_slice whole;
};

/* The attribute's name. */
const char *q_name(enum q_field field);
/* Takes the job's fields from its JSON object; false if it is none. */
bool q_read(struct json_slice object, struct q_job *job);
int64_t q_int(const struct q_job *job, enum q_field field, int64_t fallback);
bool q_has(const struct q_job *job, enum q_field field);
/* Appends a string that is safe for terminals; false if there is none. */
bool q_add_text(struct buf *out, const struct q_job *job, enum q_field field);
bool q_is(const struct q_job *job, enum q_field field, const char *text);
/* As the functions of the same names in words.h say it. */
void q_add_id(struct buf *out, const struct q_job *job);
void q_add_state(struct buf *out, const struct q_job *job);
void q_add_command(struct buf *out, const struct q_job *job);
int64_t q_last_checkpoint_us(const struct q_job *job);

/* Calls fn for each job of an answer of /v1/jobs; what is no object in it is passed over. An error: it makes no sense. */
int q_each(struct json_slice answer, void (*fn)(void *data, const struct q_job *job), void *data, struct error *err);
