#include "base/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECOND_US INT64_C(1000000)

static const char *skip_space(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* A plain decimal number: strtod alone would also take "inf", "nan" and hexadecimal. */
static bool parse_number(const char **text, double *number)
{
    const char *p = skip_space(*text);
    size_t len = strspn(p, "0123456789.");
    if (len == 0 || len > 30)
        return false;
    char copy[32];
    memcpy(copy, p, len);
    copy[len] = '\0';
    char *end;
    *number = strtod(copy, &end);
    *text = p + len;
    return *end == '\0';
}

bool units_parse_bytes(const char *text, int64_t plain_unit, int64_t *bytes)
{
    static const char letters[] = "BKMGTPE";
    double number;
    if (!parse_number(&text, &number))
        return false;
    const char *p = skip_space(text);
    double unit = (double)plain_unit;
    if (*p) {
        const char *at = strchr(letters, toupper((unsigned char)*p));
        if (!at)
            return false;
        unit = ldexp(1, 10 * (int)(at - letters));
        p++;
        if (unit > 1 && tolower((unsigned char)*p) == 'i')
            p++;
        if (unit > 1 && tolower((unsigned char)*p) == 'b')
            p++;
        if (*skip_space(p))
            return false;
    }
    double total = number * unit;
    if (total >= 9.2e18)
        return false;
    *bytes = (int64_t)total;
    return true;
}

static bool parse_clock(const char *text, int64_t *us)
{
    unsigned h, m, s;
    int used = 0;
    if (strspn(text, "0123456789:") != strcspn(text, " \t\n\v\f\r")) /* sscanf alone takes signs and blanks */
        return false;
    if (sscanf(text, "%5u:%2u:%2u%n", &h, &m, &s, &used) != 3 || *skip_space(text + used) || m > 59 || s > 59)
        return false;
    *us = ((int64_t)h * 3600 + m * 60 + s) * SECOND_US;
    return true;
}

bool units_parse_duration(const char *text, int64_t *us)
{
    static const struct { const char *name; double us; } units[] = {
        { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "sec", 1e6 }, { "m", 6e7 }, { "min", 6e7 }, { "h", 3.6e9 },
        { "d", 8.64e10 }, { "w", 6.048e11 },
    };
    if (parse_clock(skip_space(text), us))
        return true;
    double total = 0;
    bool any = false;
    while (*skip_space(text)) {
        double number;
        if (!parse_number(&text, &number))
            return false;
        const char *p = skip_space(text);
        size_t len = 0;
        while (isalpha((unsigned char)p[len]))
            len++;
        double unit = 0;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
            if (strlen(units[i].name) == len && strncasecmp(units[i].name, p, len) == 0)
                unit = units[i].us;
        if (len == 0 && !any && !*p)
            unit = 1e6;
        if (unit == 0)
            return false;
        total += number * unit;
        any = true;
        text = p + len;
    }
    if (!any || total >= 9.2e18)
        return false;
    *us = (int64_t)llround(total);
    return true;
}

const char *units_bytes(int64_t bytes, char out[UNITS_TEXT_MAX])
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double n = (double)bytes;
    size_t unit = 0;
    while (n >= 1023.5 && unit < 6) { /* what would be printed as 1024 */
        n /= 1024;
        unit++;
    }
    snprintf(out, UNITS_TEXT_MAX, unit == 0 || n >= 99.95 ? "%.0f %s" : "%.1f %s", n, names[unit]);
    return out;
}

const char *units_duration(int64_t us, char out[UNITS_TEXT_MAX])
{
    int64_t s = us / SECOND_US;
    if (us < 0)
        snprintf(out, UNITS_TEXT_MAX, "-");
    else if (us < 1000)
        snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "us", us);
    else if (us < SECOND_US)
        snprintf(out, UNITS_TEXT_MAX, us < 10000 ? "%.1fms" : "%.0fms", (double)us / 1e3);
    else if (s < 60)
        snprintf(out, UNITS_TEXT_MAX, "%.1fs", (double)us / 1e6);
    else if (s < 3600)
        snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "h%02" PRId64 "m", s / 3600, s % 3600 / 60);
    else
        snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "d%02" PRId64 "h", s / 86400, s % 86400 / 3600);
    return out;
}

const char *units_clock(int64_t us, char out[UNITS_TEXT_MAX])
{
    int64_t s = us > 0 ? us / SECOND_US : 0;
    snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "+%02" PRId64 ":%02" PRId64 ":%02" PRId64, s / 86400, s % 86400 / 3600,
             s % 3600 / 60, s % 60);
    return out;
}
