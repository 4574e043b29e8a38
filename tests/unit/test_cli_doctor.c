/* How the doctor's report is printed. */
#include "cli/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct ad *report_of(const char *json)
{
    struct ad *report = NULL;
    assert_int_equal(ad_parse_json(json, strlen(json), &report, NULL), 0);
    return report;
}

static const char sick[] =
    "{\"Transparent\":false,\"Checks\":["
    "{\"Name\":\"a\",\"Title\":\"kernel\",\"Ok\":true,\"Essential\":true,\"For\":\"all\",\"Found\":\"Linux 6.1\"},"
    "{\"Name\":\"b\",\"Title\":\"user namespaces\",\"Ok\":false,\"Essential\":true,\"For\":\"checkpoints\",\"Found\":\"denied\\u001b[2J\","
    "\"Change\":\"sysctl -w x=1\"},"
    "{\"Name\":\"c\",\"Title\":\"reflinks\",\"Ok\":false,\"Essential\":false,\"For\":\"speed\",\"Found\":\"none\"}]}";

static void a_pipe_gets_words(void **state)
{
    auto_ad struct ad *report = report_of(sick);
    auto_buf struct buf out = { 0 };
    struct screen screen = { .width = 0 };
    (void)state;
    doctor_print(report, &screen, &out);
    assert_string_equal(buf_cstr(&out),
        "ok       kernel                                Linux 6.1\n"
        "MISSING  user namespaces                       denied?[2J\n"
        "          needed for checkpoints\n"
        "          to change it: sysctl -w x=1\n"
        "no       reflinks                              none\n"
        "          needed for speed\n"
        "\nUnmodified programs cannot be checkpointed here. Jobs that checkpoint themselves run as always.\n");
}

static void a_terminal_gets_signs(void **state)
{
    auto_ad struct ad *report = report_of(sick);
    auto_buf struct buf out = { 0 };
    struct screen screen = { .width = 80 };
    (void)state;
    doctor_print(report, &screen, &out);
    assert_non_null(strstr(buf_cstr(&out), "✓  kernel"));
    assert_non_null(strstr(buf_cstr(&out), "✗  user namespaces"));
    assert_non_null(strstr(buf_cstr(&out), "–  reflinks"));
}

static void a_healthy_machine_is_told_so(void **state)
{
    auto_ad struct ad *report = report_of("{\"Transparent\":true,\"Checks\":[]}");
    auto_buf struct buf out = { 0 };
    struct screen screen = { .width = 0 };
    (void)state;
    doctor_print(report, &screen, &out);
    assert_string_equal(buf_cstr(&out), "\nUnmodified programs can be checkpointed and resumed here.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_words),
        cmocka_unit_test(a_terminal_gets_signs),
        cmocka_unit_test(a_healthy_machine_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
