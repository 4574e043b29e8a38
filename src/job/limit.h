/*
 * Concurrency limits: what a job takes of things that only so many jobs may use at once, as text ("XSW, db:2"). Names compare
 * without case and have at most one period; a name without a number takes one. Pure.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { LIMIT_NAME_MAX = 64, LIMITS_PER_JOB_MAX = 16, LIMIT_AMOUNT_MAX = 1000000 };

struct limit_need {
    char name[LIMIT_NAME_MAX]; /* lower case */
    int64_t amount;
};

/* Whether a limit may be called that. */
int limit_check_name(const char *name, struct error *err);
/* The needs of `text`, those of one name added up, into `needs`; their number or -1. */
int limit_parse(const char *text, struct limit_need needs[LIMITS_PER_JOB_MAX], struct error *err);
