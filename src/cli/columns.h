/*
 * Columns that people choose: --format FMT EXPR, with one conversion of printf's in FMT, and --af EXPR …, as HTCondor's tools have
 * them. Values are computed here from ads that hold what columns_attributes names. Formats are taken apart and never given to
 * printf as they are. What users wrote is made safe for terminals. Pure.
 */
#pragma once

#include "ad/ad.h"

struct columns;
#define auto_columns __attribute__((cleanup(columns_free_pointer)))

struct columns *columns_new(void);
void columns_free_pointer(struct columns **columns);

/* A column by format: text with at most one of %s %d %i %u %x %X %o %c %f %e %g (flags, width and precision as in printf), %v
 * (the value), %V (a string with its quotes), %r (the expression itself), %T (a time in seconds as D+HH:MM:SS), %Y (a date); and the
 * escapes \n \t \\ \". A column whose value is undefined or not of the conversion's type is left out, with its text. */
int columns_add_format(struct columns *columns, const char *format, const char *expr, struct error *err);
/* The letters of --af:…, up to a '=' or the end; unknown ones, and those that exclude each other, are errors:
 *   j the job's ID first   l labels   h a heading   V strings in quotes   r expressions as they are   T Y times and dates
 *   , a comma behind each   t a tab before each   n a newline behind each   g a newline between ads and no blanks */
int columns_set_letters(struct columns *columns, const char *letters, struct error *err);
/* A column by expression, or several by names with commas between them. */
int columns_add_value(struct columns *columns, const char *expr, struct error *err);

bool columns_any(const struct columns *columns);
/* Appends the names of all attributes that may matter, separated by commas; nothing when any may. */
void columns_attributes(const struct columns *columns, struct buf *names);
/* Adds the ad's row. `now`: seconds since 1970. With a heading rows are kept, because their widths are not known yet. */
void columns_add_row(struct columns *columns, const struct ad *ad, int64_t now, struct buf *out);
/* What is left to say when all rows were added. */
void columns_end(struct columns *columns, struct buf *out);
