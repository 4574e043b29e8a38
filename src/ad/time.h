/* Calendar and notations of times. Pure: zones are numbers of seconds. Private to this module. */
#pragma once

#include "ad/eval.h"

/* A moment in some place, taken apart as the proleptic Gregorian calendar has it. */
struct civil {
    int64_t year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
    int hour;
    int minute;
    int second;
    int weekday;     /* 0 is Sunday */
    int day_of_year; /* from 0 */
};

/* False when the year has more than six digits. */
bool time_take_apart(int64_t seconds, int64_t offset_s, struct civil *civil);

/* The moment at which it is this day and this time of the day there; false when there is no such day or time. */
bool time_put_together(const struct civil *civil, int64_t offset_s, int64_t *seconds);

/* Readers of the canonical forms and what looks much like them; the zone is `local_s` when the text has none. */
bool time_parse_absolute(const char *text, int64_t local_s, int64_t *seconds, int64_t *offset_s);
bool time_parse_relative(const char *text, double *seconds);

/* Appends the time as strftime's format says, in the "C" locale; what is no placeholder stays as it is. */
void time_format(int64_t seconds, int64_t offset_s, const char *format, struct buf *out);
