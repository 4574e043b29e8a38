#include "job/cron.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { YEARS_MAX = 30 };

static const struct {
    const char *attribute, *name;
    int least, most;
} fields[CRON_FIELDS] = {
    [CRON_MINUTE] = { "CronMinute", "minute", 0, 59 },
    [CRON_HOUR] = { "CronHour", "hour", 0, 23 },
    [CRON_DAY_OF_MONTH] = { "CronDayOfMonth", "day of the month", 1, 31 },
    [CRON_MONTH] = { "CronMonth", "month", 1, 12 },
    [CRON_DAY_OF_WEEK] = { "CronDayOfWeek", "day of the week", 0, 7 },
};

const char *cron_attribute(enum cron_field field)
{
    return fields[field].attribute;
}

static uint64_t range_bits(int first, int last, int step)
{
    uint64_t bits = 0;
    for (int i = first; i <= last; i += step)
        bits |= UINT64_C(1) << i;
    return bits;
}

void cron_init(struct cron *cron)
{
    for (int f = 0; f < CRON_FIELDS; f++)
        cron->allowed[f] = range_bits(fields[f].least, fields[f].most, 1);
    cron->any_day_of_month = cron->any_day_of_week = true;
}

/* ---- the notation ---- */

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

static bool take_number(const char **p, int *number)
{
    char *end;
    if (!isdigit((unsigned char)**p))
        return false;
    long n = strtol(*p, &end, 10);
    *number = n > 1000 ? 1000 : (int)n;
    *p = skip_blanks(end);
    return true;
}

/* item = ( "*" | number [ "-" number ] ) [ "/" number ] */
static bool take_item(const char **p, int field, uint64_t *bits, bool *all)
{
    int first = fields[field].least, last = fields[field].most, step = 1;
    *all = **p == '*';
    if (*all) {
        *p = skip_blanks(*p + 1);
    } else {
        if (!take_number(p, &first))
            return false;
        last = first;
        if (**p == '-') {
            *p = skip_blanks(*p + 1);
            if (!take_number(p, &last))
                return false;
        }
    }
    if (**p == '/') {
        *p = skip_blanks(*p + 1);
        if (!take_number(p, &step) || step < 1)
            return false;
        *all = *all && step == 1;
    }
    if (first > last || first < fields[field].least || last > fields[field].most)
        return false;
    *bits |= range_bits(first, last, step);
    return true;
}

int cron_parse_field(struct cron *cron, enum cron_field field, const char *text, struct error *err)
{
    uint64_t bits = 0;
    bool all = false, any = false;
    for (const char *p = skip_blanks(text);; p = skip_blanks(p + 1)) {
        if (!take_item(&p, field, &bits, &all) || (*p && *p != ','))
            return error_set(err, ERR_INVALID, "'%.60s' is no %s; write numbers from %d to %d, such as 5, 0-30/10, 1,15 or *", text,
                             fields[field].name, fields[field].least, fields[field].most);
        any = any || all;
        if (!*p)
            break;
    }
    if (field == CRON_DAY_OF_WEEK && bits & (1 << 7))
        bits |= 1;
    cron->allowed[field] = bits;
    if (field == CRON_DAY_OF_MONTH)
        cron->any_day_of_month = any;
    if (field == CRON_DAY_OF_WEEK)
        cron->any_day_of_week = any;
    return 0;
}

/* ---- the calendar ---- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* 0 is Sunday (Zeller's congruence, for the Gregorian calendar). */
static int day_of_week(int year, int month, int day)
{
    int m = month < 3 ? month + 12 : month, y = month < 3 ? year - 1 : year;
    return (day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400 + 6) % 7;
}

static bool allows(const struct cron *cron, enum cron_field field, int value)
{
    return cron->allowed[field] >> value & 1;
}

static bool allows_day(const struct cron *cron, const struct cron_time *t)
{
    bool by_month = allows(cron, CRON_DAY_OF_MONTH, t->day);
    bool by_week = allows(cron, CRON_DAY_OF_WEEK, day_of_week(t->year, t->month, t->day));
    if (cron->any_day_of_month)
        return by_week;
    return cron->any_day_of_week ? by_month : by_month || by_week;
}

static void next_day(struct cron_time *t)
{
    t->hour = t->minute = 0;
    if (++t->day <= days_of_month(t->year, t->month))
        return;
    t->day = 1;
    if (++t->month <= 12)
        return;
    t->month = 1;
    t->year++;
}

static bool next_in_day(const struct cron *cron, struct cron_time *t)
{
    for (; t->hour < 24; t->hour++, t->minute = 0)
        for (; allows(cron, CRON_HOUR, t->hour) && t->minute < 60; t->minute++)
            if (allows(cron, CRON_MINUTE, t->minute))
                return true;
    return false;
}

bool cron_next(const struct cron *cron, struct cron_time *time)
{
    struct cron_time t = *time;
    for (int last = t.year + YEARS_MAX; t.year <= last; next_day(&t)) {
        if (!allows(cron, CRON_MONTH, t.month) || !allows_day(cron, &t) || !next_in_day(cron, &t))
            continue;
        *time = t;
        return true;
    }
    return false;
}
