/*
 * Times: calendar, canonical notations, formats. The calendar counts days from 1 March of year 0, so that the leap day comes at
 * the end of a year and months have a simple rule.
 */
#include "ad/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, ERA_YEARS = 400, ERA_DAYS = 146097, DAYS_TO_1970 = 719468, OFFSET_MAX_S = 100 * 3600 };

#define SECONDS_MAX ((int64_t)999999 * 366 * DAY_S)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, ERA_YEARS);
    int64_t year_of_era = year - era * ERA_YEARS;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool time_take_apart(int64_t seconds, int64_t offset_s, struct civil *civil)
{
    if (seconds > SECONDS_MAX || seconds < -SECONDS_MAX || llabs(offset_s) > OFFSET_MAX_S)
        return false;
    int64_t local = seconds + offset_s;
    int64_t days = floor_div(local, DAY_S);
    int of_day = (int)(local - days * DAY_S);
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = floor_div(shifted, ERA_DAYS);
    int64_t day_of_era = shifted - era * ERA_DAYS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    civil->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    civil->month = (int)(month < 10 ? month + 3 : month - 9);
    civil->year = year_of_era + era * ERA_YEARS + (civil->month <= 2);
    civil->hour = of_day / 3600;
    civil->minute = of_day / 60 % 60;
    civil->second = of_day % 60;
    civil->weekday = (int)(((days + 4) % 7 + 7) % 7);
    civil->day_of_year = (int)(days - days_from_civil(civil->year, 1, 1));
    return true;
}

static int days_of_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && is_leap(year));
}

bool time_put_together(const struct civil *civil, int64_t offset_s, int64_t *seconds)
{
    if (civil->year < 0 || civil->year > 9999 || civil->month < 1 || civil->month > 12 || civil->day < 1 ||
        civil->day > days_of_month(civil->year, civil->month))
        return false;
    if (civil->hour < 0 || civil->hour > 23 || civil->minute < 0 || civil->minute > 59 || civil->second < 0 ||
        civil->second > 59)
        return false;
    *seconds = days_from_civil(civil->year, civil->month, civil->day) * DAY_S + civil->hour * 3600 + civil->minute * 60 +
               civil->second - offset_s;
    return true;
}

static void print_offset(int64_t offset_s, const char *between, struct buf *out)
{
    int64_t minutes = llabs(offset_s) / 60;
    buf_printf(out, "%c%02" PRId64 "%s%02" PRId64, offset_s < 0 ? '-' : '+', minutes / 60, between, minutes % 60);
}

void time_print_absolute(int64_t seconds, int64_t offset_s, struct buf *out)
{
    struct civil at;
    if (!time_take_apart(seconds, offset_s, &at)) {
        buf_printf(out, "%" PRId64, seconds);
        return;
    }
    buf_printf(out, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d", at.year, at.month, at.day, at.hour, at.minute, at.second);
    print_offset(offset_s, ":", out);
}

/* [-]days+hh:mm:ss.fff, without what is zero in front, and without a fraction of zero. */
void time_print_relative(double seconds, struct buf *out)
{
    double size = fabs(seconds);
    if (!(size < 0x1p53)) { /* milliseconds would not fit */
        buf_printf(out, "%.0f", seconds);
        return;
    }
    int64_t whole = (int64_t)size;
    int64_t milliseconds = (int64_t)((size - (double)whole) * 1000 + 0.5);
    whole += milliseconds / 1000;
    milliseconds %= 1000;
    int64_t days = whole / DAY_S;
    int64_t hours = whole / 3600 % 24;
    int64_t minutes = whole / 60 % 60;
    buf_text(out, seconds < 0 && (whole || milliseconds) ? "-" : "");
    if (days)
        buf_printf(out, "%" PRId64 "+", days);
    if (days || hours)
        buf_printf(out, "%02" PRId64 ":", hours);
    if (days || hours || minutes)
        buf_printf(out, "%02" PRId64 ":", minutes);
    buf_printf(out, "%02" PRId64, whole % 60);
    if (milliseconds)
        buf_printf(out, ".%03" PRId64, milliseconds);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number of exactly so many digits, up to `most`. */
static bool take_digits(const char **at, int digits, int least, int most, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++, ++*at) {
        if (!is_digit(**at))
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return *value >= least && *value <= most;
}

static bool take(const char **at, const char *any)
{
    if (!**at || !strchr(any, **at))
        return false;
    ++*at;
    return true;
}

/* hh:mm[:ss[.fraction]]; the colons may be missing. */
static bool take_clock(const char **at, struct civil *civil)
{
    if (!take_digits(at, 2, 0, 23, &civil->hour))
        return false;
    bool colon = take(at, ":");
    if (!take_digits(at, 2, 0, 59, &civil->minute))
        return false;
    if ((colon ? take(at, ":") : is_digit(**at)) && !take_digits(at, 2, 0, 59, &civil->second))
        return false;
    if (take(at, ".") && strspn(*at, "0123456789") == 0)
        return false;
    *at += strspn(*at, "0123456789");
    return true;
}

/* Z, or +hh:mm, -hhmm, +hh. */
static bool take_zone(const char **at, int64_t local_s, int64_t *offset_s)
{
    int hours;
    int minutes = 0;
    *offset_s = local_s;
    if (!**at)
        return true;
    *offset_s = 0;
    if (take(at, "zZ"))
        return true;
    bool west = **at == '-';
    if (!take(at, "+-") || !take_digits(at, 2, 0, 99, &hours))
        return false;
    if ((take(at, ":") || is_digit(**at)) && !take_digits(at, 2, 0, 59, &minutes))
        return false;
    *offset_s = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool time_parse_absolute(const char *text, int64_t local_s, int64_t *seconds, int64_t *offset_s)
{
    const char *at = text + strspn(text, " \t");
    struct civil civil = { 0 };
    int year;
    if (!take_digits(&at, 4, 0, 9999, &year) || !(take(&at, "-/"), take_digits(&at, 2, 1, 12, &civil.month)) ||
        !(take(&at, "-/"), take_digits(&at, 2, 1, 31, &civil.day)))
        return false;
    civil.year = year;
    if (take(&at, "tT ") || is_digit(*at)) {
        at += strspn(at, " :");
        if (*at && !take_clock(&at, &civil))
            return false;
        at += strspn(at, " ");
    }
    if (!take_zone(&at, local_s, offset_s) || at[strspn(at, " \t")])
        return false;
    return time_put_together(&civil, *offset_s, seconds);
}

/* A sequence of numbers with units: 1d 2h 3m 4.5s, in this order, each at most once. */
static bool parse_units(const char *at, double *seconds)
{
    static const struct {
        char letter;
        double seconds;
    } units[] = { { 'd', DAY_S }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
    size_t unit = 0;
    bool any = false;
    *seconds = 0;
    for (at += strspn(at, " \t"); *at; at += strspn(at, " \t")) {
        char *end;
        if (!is_digit(*at) || at[strspn(at, "0123456789.")] == '\0')
            return false;
        double number = strtod(at, &end);
        while (unit < 4 && units[unit].letter != node_lower(*end))
            unit++;
        if (unit == 4)
            return false;
        *seconds += number * units[unit++].seconds;
        any = true;
        at = end + 1;
    }
    return any;
}

/* Up to nine digits. */
static bool take_number(const char **at, int64_t *number)
{
    size_t digits = strspn(*at, "0123456789");
    *number = strtoll(*at, NULL, 10);
    *at += digits;
    return digits > 0 && digits <= 9;
}

/* [days+][[hh:]mm:]ss[.fff]: up to three numbers with colons between them, the last of which are seconds. The sum is written out and
 * read, so that it is rounded once. */
static bool parse_clock(const char *at, double *seconds)
{
    int64_t days = 0;
    int64_t sum;
    if (!take_number(&at, &sum))
        return false;
    if (take(&at, "+")) {
        days = sum;
        if (!take_number(&at, &sum))
            return false;
    }
    for (int parts = 1; take(&at, ":"); parts++) {
        int64_t number;
        if (parts == 3 || !take_number(&at, &number))
            return false;
        sum = sum * 60 + number;
    }
    char text[64];
    size_t fraction = *at == '.' ? 1 + strspn(at + 1, "0123456789") : 0;
    if (fraction > 30)
        return false;
    snprintf(text, sizeof text, "%" PRId64 "%.*s", days * DAY_S + sum, (int)fraction, at);
    *seconds = strtod(text, NULL);
    at += fraction;
    return at[strspn(at, " \t")] == '\0';
}

bool time_parse_relative(const char *text, double *seconds)
{
    const char *at = text + strspn(text, " \t");
    bool negative = take(&at, "-");
    if (strlen(at) > 100 || (!parse_clock(at, seconds) && !parse_units(at, seconds)))
        return false;
    *seconds = negative ? -*seconds : *seconds;
    return isfinite(*seconds);
}

static const char *const weekdays[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "January", "February", "March",     "April",   "May",      "June",
                                      "July",    "August",   "September", "October", "November", "December" };

static void format_numbers(char letter, const struct civil *at, struct buf *out)
{
    int hour_12 = at->hour % 12 ? at->hour % 12 : 12;
    const struct {
        char letter;
        int width;
        int value;
    } numbers[] = {
        { 'd', 2, at->day },
        { 'H', 2, at->hour },
        { 'I', 2, hour_12 },
        { 'j', 3, at->day_of_year + 1 },
        { 'm', 2, at->month },
        { 'M', 2, at->minute },
        { 'S', 2, at->second },
        { 'U', 2, (at->day_of_year + 7 - at->weekday) / 7 },
        { 'w', 1, at->weekday },
        { 'W', 2, (at->day_of_year + 7 - (at->weekday + 6) % 7) / 7 },
        { 'u', 1, at->weekday ? at->weekday : 7 },
        { 'y', 2, (int)(((at->year % 100) + 100) % 100) },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].letter == letter) {
            buf_printf(out, "%0*d", numbers[i].width, numbers[i].value);
            return;
        }
    buf_add(out, (char[]){ '%', letter }, 2);
}

/* What a placeholder stands for in terms of others. */
static const char *format_compound(char letter)
{
    switch (letter) {
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'R':
        return "%H:%M";
    case 'r':
        return "%I:%M:%S %p";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    default:
        return NULL;
    }
}

struct moment {
    struct civil at;
    int64_t seconds;
    int64_t offset_s;
};

static void format_one(char letter, const struct moment *moment, struct buf *out);

static void format_text(const char *format, const struct moment *moment, struct buf *out)
{
    for (const char *p = format; *p; p++)
        if (*p == '%' && p[1])
            format_one(*++p, moment, out);
        else
            buf_char(out, *p);
}

static void format_one(char letter, const struct moment *moment, struct buf *out)
{
    const struct civil *at = &moment->at;
    const char *compound = format_compound(letter);
    if (compound) {
        format_text(compound, moment, out);
        return;
    }
    switch (letter) {
    case 'a':
        buf_add(out, weekdays[at->weekday], 3);
        return;
    case 'A':
        buf_text(out, weekdays[at->weekday]);
        return;
    case 'b':
    case 'h':
        buf_add(out, months[at->month - 1], 3);
        return;
    case 'B':
        buf_text(out, months[at->month - 1]);
        return;
    case 'e':
        buf_printf(out, "%2d", at->day);
        return;
    case 'p':
        buf_text(out, at->hour < 12 ? "AM" : "PM");
        return;
    case 's':
        buf_printf(out, "%" PRId64, moment->seconds);
        return;
    case 'Y':
        buf_printf(out, "%" PRId64, at->year);
        return;
    case 'n':
    case 't':
        buf_char(out, letter == 'n' ? '\n' : '\t');
        return;
    case '%':
        buf_char(out, '%');
        return;
    case 'Z': /* zones have no names here */
    case 'z':
        if (letter == 'Z' && moment->offset_s == 0)
            buf_text(out, "UTC");
        else
            print_offset(moment->offset_s, "", out);
        return;
    default:
        format_numbers(letter, at, out);
    }
}

void time_format(int64_t seconds, int64_t offset_s, const char *format, struct buf *out)
{
    struct moment moment = { .seconds = seconds, .offset_s = offset_s };
    if (time_take_apart(seconds, offset_s, &moment.at))
        format_text(format, &moment, out);
    else
        out->full = true;
}
