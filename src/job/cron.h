/*
 * Times of day and year in cron's notation, for jobs that start at such times: minute, hour, day of month, month, day of week, each
 * a list of numbers, ranges and "*", with steps ("0-30/10"). When both kinds of day are restricted, either is enough. Pure: times
 * are calendar dates of whatever zone the caller lives in.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum cron_field { CRON_MINUTE, CRON_HOUR, CRON_DAY_OF_MONTH, CRON_MONTH, CRON_DAY_OF_WEEK, CRON_FIELDS };

struct cron {
    uint64_t allowed[CRON_FIELDS]; /* bit n: the value n */
    bool any_day_of_month, any_day_of_week;
};

struct cron_time {
    int year, month, day, hour, minute; /* month and day from 1 */
};

/* Every minute. */
void cron_init(struct cron *cron);
/* Restricts one field. An error says what is wrong with the text. */
int cron_parse_field(struct cron *cron, enum cron_field field, const char *text, struct error *err);
/* The attribute of a job's ad that has this field. */
const char *cron_attribute(enum cron_field field);
/* The first time that is allowed at `*time` or after; false when there is none within the next years (a 30th of February). */
bool cron_next(const struct cron *cron, struct cron_time *time);
