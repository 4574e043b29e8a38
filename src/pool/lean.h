/*
 * Some attributes of many jobs, without their whole ads: what GET /v1/jobs?attributes= answers. It says what report_job would say, or
 * that it cannot (LEAN_UNFIT): for a job in a slot, whose sums grow while one looks, for expressions, whose references are wanted
 * too, and for attributes that are worked out of others.
 */
#pragma once

#include "pool/request.h"

enum { LEAN_UNFIT = 1, LIST_BYTES_MAX = 256 << 20 };

struct lean;

/* The names are borrowed. */
struct lean *lean_new(struct pool *pool, const struct ad *names);
void lean_free(struct lean *lean); /* accepts NULL */
/* Names in an expression, which are to be in lean_ad too; NULL = none. */
void lean_also(struct lean *lean, const char *expr);
/* Takes up a job, which stays the one for the functions below. Outcome LEAN_UNFIT. */
int lean_take(struct lean *lean, const struct queue_job *job, struct error *err);
/* The ad of the names of lean_also; the caller's. Outcome LEAN_UNFIT. */
int lean_ad(struct lean *lean, const struct queue_job *job, struct ad **ad);
/* Appends what was asked for as JSON. */
void lean_print(struct lean *lean, const struct queue_job *job, struct buf *out);
