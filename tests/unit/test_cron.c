/* Times of day and year, and concurrency limits, as a submit file writes them. */
#include "job/cron.h"
#include "job/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct cron cron_of(const char *const fields[CRON_FIELDS])
{
    struct cron cron;
    struct error err = { 0 };
    cron_init(&cron);
    for (int f = 0; f < CRON_FIELDS; f++)
        if (fields[f] && cron_parse_field(&cron, (enum cron_field)f, fields[f], &err) < 0)
            fail_msg("%s: %s", fields[f], err.text);
    return cron;
}

static void the_next_time_is_found(void **state)
{
    (void)state;
    static const struct { const char *fields[CRON_FIELDS]; struct cron_time from; const char *want; } cases[] = {
        { { 0 }, { 2026, 11, 26, 6, 31 }, "2026-11-26 06:31" },
        { { "0" }, { 2026, 11, 26, 6, 31 }, "2026-11-26 07:00" },
        { { "0" }, { 2026, 12, 31, 23, 1 }, "2027-01-01 00:00" },
        { { "23", "0-23/2" }, { 2026, 11, 26, 6, 24 }, "2026-11-26 08:23" },
        { { "30", "20", "10-20", "5", "2" }, { 2026, 5, 20, 20, 31 }, "2026-05-26 20:30" }, /* a Tuesday */
        { { "30", "20", "10-20", "5", "2" }, { 2026, 5, 1, 0, 0 }, "2026-05-05 20:30" },
        { { "30", "20", "10-20", "5", "*" }, { 2026, 5, 20, 20, 31 }, "2027-05-10 20:30" },
        { { "10-30/5", "*/3" }, { 2026, 1, 1, 2, 59 }, "2026-01-01 03:10" },
        { { "15,20,25,30", "0-3,9-12,15" }, { 2026, 1, 1, 3, 31 }, "2026-01-01 09:15" },
        { { "0", "0", NULL, NULL, "7" }, { 2026, 11, 26, 6, 31 }, "2026-11-29 00:00" }, /* Sunday is 0 or 7 */
        { { "0", "0", NULL, NULL, "0" }, { 2026, 11, 26, 6, 31 }, "2026-11-29 00:00" },
        { { "0", "0", "29", "2" }, { 2026, 3, 1, 0, 0 }, "2028-02-29 00:00" },
        { { "0", "0", "30", "2" }, { 2026, 3, 1, 0, 0 }, "never" },
        { { "0", "0", "31", "4,6" }, { 2026, 3, 1, 0, 0 }, "never" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron cron = cron_of(cases[i].fields);
        struct cron_time t = cases[i].from;
        char got[64] = "never";
        if (cron_next(&cron, &t))
            snprintf(got, sizeof got, "%04d-%02d-%02d %02d:%02d", t.year, t.month, t.day, t.hour, t.minute);
        assert_string_equal(got, cases[i].want);
    }
}

/* Against the C library's calendar, for thirty years. */
static void days_of_the_week_are_right(void **state)
{
    (void)state;
    struct cron_time t = { 2020, 1, 1, 0, 0 };
    for (int week = 0; week < 1500; week++) {
        char day[2] = { (char)('0' + week % 7), '\0' };
        struct cron cron = cron_of((const char *const[CRON_FIELDS]){ "0", "0", NULL, NULL, day });
        assert_true(cron_next(&cron, &t));
        struct tm tm = { .tm_year = t.year - 1900, .tm_mon = t.month - 1, .tm_mday = t.day, .tm_hour = 12, .tm_isdst = -1 };
        mktime(&tm);
        assert_int_equal(tm.tm_wday, week % 7);
        assert_int_equal(tm.tm_mday, t.day);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const struct { enum cron_field field; const char *text; } cases[] = {
        { CRON_MINUTE, "60" }, { CRON_MINUTE, "-1" }, { CRON_MINUTE, "" }, { CRON_MINUTE, "5-" }, { CRON_MINUTE, "30-10" },
        { CRON_HOUR, "24" }, { CRON_DAY_OF_MONTH, "0" }, { CRON_DAY_OF_MONTH, "32" }, { CRON_MONTH, "13" }, { CRON_MONTH, "jan" },
        { CRON_DAY_OF_WEEK, "8" }, { CRON_MINUTE, "*/0" }, { CRON_MINUTE, "*/" }, { CRON_MINUTE, "1,,2" }, { CRON_MINUTE, "1,2," },
        { CRON_MINUTE, "1 2" }, { CRON_MINUTE, "99999999999999999999" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron cron;
        struct error err = { 0 };
        cron_init(&cron);
        if (cron_parse_field(&cron, cases[i].field, cases[i].text, &err) == 0)
            fail_msg("'%s' is taken", cases[i].text);
        assert_non_null(strstr(err.text, "write numbers from"));
    }
}

static void limits_are_names_with_amounts(void **state)
{
    (void)state;
    struct limit_need needs[LIMITS_PER_JOB_MAX];
    struct error err = { 0 };
    assert_int_equal(limit_parse("XSW, data.base:20 XSW:2,,f_1", needs, &err), 3);
    assert_string_equal(needs[0].name, "xsw");
    assert_int_equal(needs[0].amount, 3);
    assert_string_equal(needs[1].name, "data.base");
    assert_int_equal(needs[1].amount, 20);
    assert_string_equal(needs[2].name, "f_1");
    assert_int_equal(limit_parse("", needs, &err), 0);
    assert_int_equal(limit_parse(" , ", needs, &err), 0);
    static const char *const bad[] = {
        "1x", "a-b", "a.b.c", "x:0", "x:-1", "x:", "x:y", "x:1.5", ":2", "x:9999999", "a b c d e f g h i j k l m n o p q",
        "a23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (limit_parse(bad[i], needs, &err) >= 0)
            fail_msg("'%s' is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time_is_found),
        cmocka_unit_test(days_of_the_week_are_right),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(limits_are_names_with_amounts),
    };
    return cmocka_run_group_tests_name("cron", tests, NULL, NULL);
}
