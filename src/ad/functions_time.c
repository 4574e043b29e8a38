/* Functions on times. The time and the zone are the scope's. */
#include "ad/functions.h"

#include "ad/time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400 };

static struct result absolute(int64_t seconds, int64_t offset_s)
{
    struct civil civil;
    if (!time_take_apart(seconds, offset_s, &civil))
        return result_error();
    return (struct result){ .kind = VALUE_ABSTIME, .integer = seconds, .offset_s = offset_s };
}

static struct result relative(double seconds)
{
    return isfinite(seconds) ? (struct result){ .kind = VALUE_RELTIME, .real = seconds } : result_error();
}

struct result function_time(const struct arguments *args)
{
    int64_t now = args->eval->scope->now;
    int64_t offset_s = args->eval->scope->utc_offset_s;
    switch (args->variant) {
    case TIME_EPOCH:
        return result_int(now);
    case TIME_CURRENT:
        return absolute(now, offset_s);
    case TIME_ZONE_OFFSET:
        return relative((double)offset_s);
    default:
        return relative((double)(((now % DAY_S + offset_s % DAY_S) % DAY_S + DAY_S) % DAY_S));
    }
}

/* A number of seconds, as real() makes it but for strings. */
static bool seconds_of(struct result value, double *seconds)
{
    if (value.kind == VALUE_ABSTIME)
        *seconds = (double)value.integer;
    else if (value.kind == VALUE_RELTIME)
        *seconds = value.real;
    else if (result_is_number(value))
        *seconds = result_as_real(value);
    else
        return false;
    return fabs(*seconds) < 0x1p62;
}

/* absTime(), absTime(text), absTime(seconds [, zone]). */
struct result function_abs_time(const struct arguments *args)
{
    int64_t local_s = args->eval->scope->utc_offset_s;
    if (args->count == 0)
        return absolute(args->eval->scope->now, local_s);
    struct result value = argument(args, 0);
    struct result zone = args->count > 1 ? argument(args, 1) : result_int(local_s);
    if (value.kind == VALUE_UNDEFINED || zone.kind == VALUE_UNDEFINED)
        return result_undefined();
    if (value.kind == VALUE_STRING) {
        int64_t seconds;
        int64_t offset_s;
        bool good = args->count == 1 && time_parse_absolute(value.text, local_s, &seconds, &offset_s);
        return good ? absolute(seconds, offset_s) : result_error();
    }
    if (value.kind == VALUE_ABSTIME && args->count == 1)
        return value;
    double seconds;
    double offset_s;
    if (!seconds_of(value, &seconds) || !seconds_of(zone, &offset_s))
        return result_error();
    return absolute((int64_t)floor(seconds), (int64_t)offset_s);
}

struct result function_rel_time(const struct arguments *args)
{
    struct result value = argument(args, 0);
    double seconds;
    if (value.kind == VALUE_STRING)
        return time_parse_relative(value.text, &seconds) ? relative(seconds) : result_error();
    return seconds_of(value, &seconds) ? relative(seconds) : function_refuse(value);
}

static struct result relative_field(double seconds, int field)
{
    double size = floor(fabs(seconds));
    double sign = seconds < 0 ? -1 : 1;
    if (!(size < 0x1p53))
        return result_error();
    int64_t whole = (int64_t)size;
    switch (field) {
    case FIELD_DAYS:
        return result_int((int64_t)sign * (whole / DAY_S));
    case FIELD_HOURS:
        return result_int((int64_t)sign * (whole / 3600 % 24));
    case FIELD_MINUTES:
        return result_int((int64_t)sign * (whole / 60 % 60));
    case FIELD_SECONDS:
        return result_int((int64_t)sign * (whole % 60));
    default:
        return result_error();
    }
}

static struct result absolute_field(const struct civil *at, int field)
{
    switch (field) {
    case FIELD_YEAR:
        return result_int(at->year);
    case FIELD_MONTH:
        return result_int(at->month);
    case FIELD_DAY_OF_YEAR:
        return result_int(at->day_of_year + 1);
    case FIELD_DAY_OF_MONTH:
        return result_int(at->day);
    case FIELD_DAY_OF_WEEK:
        return result_int(at->weekday);
    case FIELD_HOURS:
        return result_int(at->hour);
    case FIELD_MINUTES:
        return result_int(at->minute);
    case FIELD_SECONDS:
        return result_int(at->second);
    default:
        return result_error();
    }
}

struct result function_time_field(const struct arguments *args)
{
    struct result value = argument(args, 0);
    struct civil at;
    if (value.kind == VALUE_RELTIME)
        return relative_field(value.real, args->variant);
    if (value.kind != VALUE_ABSTIME || !time_take_apart(value.integer, value.offset_s, &at))
        return function_refuse(value);
    return absolute_field(&at, args->variant);
}

/* What splitTime() makes of a moment, put together again. */
static bool moment_of_ad(const struct ad *ad, int64_t *seconds, int64_t *offset_s)
{
    *offset_s = ad_int(ad, "Offset", 0);
    struct civil civil = {
        .year = ad_int(ad, "Year", -1),
        .month = (int)ad_int(ad, "Month", 0),
        .day = (int)ad_int(ad, "Day", 0),
        .hour = (int)ad_int(ad, "Hours", 0),
        .minute = (int)ad_int(ad, "Minutes", 0),
        .second = (int)ad_int(ad, "Seconds", 0),
    };
    return *offset_s > -DAY_S && *offset_s < DAY_S && time_put_together(&civil, *offset_s, seconds);
}

/* A time in a place, of a number of seconds, a time or its parts. */
static bool moment_of(const struct arguments *args, struct result value, int64_t *seconds, int64_t *offset_s)
{
    double real;
    if (value.kind == VALUE_AD)
        return moment_of_ad(value.frame->ad, seconds, offset_s);
    if (value.kind == VALUE_RELTIME || value.kind == VALUE_BOOL || !seconds_of(value, &real))
        return false;
    *seconds = value.kind == VALUE_REAL ? (int64_t)floor(real) : value.integer;
    *offset_s = value.kind == VALUE_ABSTIME ? value.offset_s : args->eval->scope->utc_offset_s;
    return true;
}

static struct result split_relative(struct eval *eval, double seconds)
{
    struct result days = relative_field(seconds, FIELD_DAYS);
    if (days.kind != VALUE_INT)
        return days;
    struct ad *ad = ad_new();
    ad_set_string(ad, "Type", "RelativeTime");
    ad_set_int(ad, "Days", days.integer);
    ad_set_int(ad, "Hours", relative_field(seconds, FIELD_HOURS).integer);
    ad_set_int(ad, "Minutes", relative_field(seconds, FIELD_MINUTES).integer);
    ad_set_real(ad, "Seconds", fmod(seconds, 60));
    return eval_ad(eval, ad);
}

/* splitTime(time): an ad with its parts. */
struct result function_split_time(const struct arguments *args)
{
    struct result value = argument(args, 0);
    struct civil at;
    int64_t seconds;
    int64_t offset_s;
    if (value.kind == VALUE_RELTIME)
        return split_relative(args->eval, value.real);
    if (value.kind == VALUE_AD || !moment_of(args, value, &seconds, &offset_s) || !time_take_apart(seconds, offset_s, &at))
        return function_refuse(value);
    struct ad *ad = ad_new();
    ad_set_string(ad, "Type", "AbsoluteTime");
    ad_set_int(ad, "Year", at.year);
    ad_set_int(ad, "Month", at.month);
    ad_set_int(ad, "Day", at.day);
    ad_set_int(ad, "Hours", at.hour);
    ad_set_int(ad, "Minutes", at.minute);
    ad_set_int(ad, "Seconds", at.second);
    ad_set_int(ad, "Offset", offset_s);
    return eval_ad(args->eval, ad);
}

/* formatTime([time [, format]]). */
struct result function_format_time(const struct arguments *args)
{
    struct result value = args->count > 0 ? argument(args, 0) : result_int(args->eval->scope->now);
    struct result format = args->count > 1 ? argument(args, 1) : result_string("%c");
    int64_t seconds;
    int64_t offset_s;
    if (value.kind == VALUE_UNDEFINED || format.kind == VALUE_UNDEFINED)
        return result_undefined();
    if (format.kind != VALUE_STRING || !moment_of(args, value, &seconds, &offset_s))
        return result_error();
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    time_format(seconds, offset_s, format.text, &text);
    if (text.full || !eval_spend(args->eval, text.len))
        return result_error();
    return eval_text(args->eval, buf_cstr(&text), text.len);
}

/* interval(seconds): days+hh:mm:ss without zeros in front. */
struct result function_interval(const struct arguments *args)
{
    struct result value = function_int(args);
    if (value.kind != VALUE_INT || value.integer == INT64_MIN)
        return result_error();
    auto_buf struct buf text = { 0 };
    int64_t size = llabs(value.integer);
    int64_t days = size / DAY_S;
    int64_t hours = size / 3600 % 24;
    int64_t minutes = size / 60 % 60;
    buf_text(&text, value.integer < 0 ? "-" : "");
    if (days)
        buf_printf(&text, "%" PRId64 "+%d:%02d:", days, (int)hours, (int)minutes);
    else if (hours)
        buf_printf(&text, "%d:%02d:", (int)hours, (int)minutes);
    else if (minutes)
        buf_printf(&text, "%d:", (int)minutes);
    buf_printf(&text, size >= 60 ? "%02d" : "%d", (int)(size % 60));
    return eval_text(args->eval, buf_cstr(&text), text.len);
}
