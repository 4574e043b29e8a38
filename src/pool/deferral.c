/*
 * When a job wants to start: deferral_time, or the next time that its cron_… commands allow. A cron time is looked for from when the
 * job became idle, in this machine's zone; so it need not be kept, and a restarted pool finds the same one (or, when that
 * passed while it was down, the next). A job that has begun and was evicted goes on at once.
 */
#include "base/clock.h"
#include "job/cron.h"
#include "pool/pool.h"

#include <stdio.h>
#include <time.h>

enum { PREPARATION_S = 300, LATE_MAX_S = 366 * 86400 };

static int64_t int_of(const struct ad_scope *scope, const char *name, int64_t fallback)
{
    struct value value;
    ad_eval(scope, name, &value);
    int64_t number = value.kind == VALUE_INT ? value.integer : value.kind == VALUE_REAL && value.real > -1e15 && value.real < 1e15 ? (int64_t)value.real : fallback;
    value_release(&value);
    return number;
}

static bool has_cron(const struct ad *job)
{
    for (int f = 0; f < CRON_FIELDS; f++)
        if (ad_has(job, cron_attribute((enum cron_field)f)))
            return true;
    return false;
}

bool deferral_wanted(const struct ad *job)
{
    if (has_cron(job))
        return !ad_bool(job, "DeferralDone", false);
    return ad_has(job, "DeferralTime") && ad_int(job, "NumJobStarts", 0) == 0;
}

static struct cron_time calendar(int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    localtime_r(&t, &tm);
    return (struct cron_time){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min };
}

static int64_t seconds_of(const struct cron_time *c)
{
    struct tm tm = { .tm_year = c->year - 1900, .tm_mon = c->month - 1, .tm_mday = c->day, .tm_hour = c->hour, .tm_min = c->minute, .tm_isdst = -1 };
    return mktime(&tm);
}

/* The first allowed minute that begins after `from_s`. */
static bool next_cron(const struct ad *job, int64_t from_s, int64_t *time_s)
{
    struct cron cron;
    cron_init(&cron);
    for (int f = 0; f < CRON_FIELDS; f++) {
        const char *text = ad_string(job, cron_attribute((enum cron_field)f), NULL);
        int64_t number = ad_int(job, cron_attribute((enum cron_field)f), -1);
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)number);
        if ((text || number >= 0) && cron_parse_field(&cron, (enum cron_field)f, text ? text : digits, NULL) < 0)
            return false;
    }
    struct cron_time c = calendar((from_s / 60 + 1) * 60);
    if (!cron_next(&cron, &c))
        return false;
    *time_s = seconds_of(&c);
    return *time_s > 0;
}

bool deferral_of(const struct pool *p, const struct ad *job, struct deferral *out)
{
    /* What says "in an hour" means an hour after the submission. */
    struct ad_scope scope = { .my = job, .now = ad_int(job, "QDate", 0) };
    int64_t idle_since = ad_int(job, "EnteredCurrentStatus", 0), pool_since = p->started_us / CLOCK_SECOND_US;
    *out = (struct deferral){ 0 };
    if (!deferral_wanted(job))
        return false;
    if (has_cron(job)) {
        if (!next_cron(job, idle_since > pool_since ? idle_since : pool_since, &out->time_s))
            return false;
    } else {
        out->time_s = int_of(&scope, "DeferralTime", -1);
    }
    out->window_s = int_of(&scope, "DeferralWindow", 0);
    out->preparation_s = int_of(&scope, "DeferralPrepTime", PREPARATION_S);
    if (out->window_s < 0 || out->window_s > LATE_MAX_S)
        out->window_s = out->window_s < 0 ? 0 : LATE_MAX_S;
    if (out->preparation_s < 0 || out->preparation_s > LATE_MAX_S)
        out->preparation_s = PREPARATION_S;
    return out->time_s >= 0;
}

void deferral_print(const struct deferral *d, struct buf *out)
{
    time_t at = (time_t)d->time_s;
    char text[64];
    struct tm tm;
    localtime_r(&at, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    buf_printf(out, "it wants to start at %s", text);
}
