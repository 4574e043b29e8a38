/*
 * Expressions: how they are printed, what they evaluate to, where their limits are. The cases are in cases/expr.cases; every one
 * of them also goes through both notations and back.
 */
#include "ad/ad.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ad_fixture.h"

/* The value as the literal that has it. */
static char *value_text(const struct value *value)
{
    struct buf b = { 0 };
    value_print(value, &b);
    return buf_steal(&b);
}

/* ---- the cases file ---- */

struct cases {
    const char *where;
    struct ad *my;
    struct ad *target;
    int count;
};

static void check_case(struct cases *cases, const char *expression, const char *printed, const char *value)
{
    struct error err = { 0 };
    auto_ad struct ad *ad = ad_new();
    struct buf out = { 0 };
    if (ad_set_expr(ad, "x", expression, &err) < 0)
        fail_msg("%s: %s", cases->where, err.text);
    assert_true(ad_print_expr(ad, "x", &out));
    auto_free char *got = buf_steal(&out);
    if (strcmp(got, printed) != 0)
        fail_msg("%s: '%s' is printed as '%s', not '%s'", cases->where, expression, got, printed);
    check_round_trips(ad, cases->where);

    struct ad_scope scope = { .my = cases->my, .target = cases->target, .now = 1000 };
    struct ad_expr *expr = NULL;
    struct value result;
    assert_int_equal(ad_expr_parse(expression, &expr, &err), 0);
    ad_expr_eval(expr, &scope, &result);
    auto_free char *result_text = value_text(&result);
    if (strcmp(result_text, value) != 0)
        fail_msg("%s: '%s' is %s, not %s", cases->where, expression, result_text, value);
    bool is_true = strcmp(value, "true") == 0 || (result.kind == VALUE_INT && result.integer != 0) ||
                   (result.kind == VALUE_REAL && result.real != 0);
    assert_int_equal(ad_expr_true(expr, &scope), is_true);
    value_release(&result);
    ad_expr_free(expr);
}

static void check_refusal(struct cases *cases, const char *expression, const char *reason)
{
    struct error err = { 0 };
    auto_ad struct ad *ad = ad_new();
    if (ad_set_expr(ad, "x", expression, &err) == 0)
        fail_msg("%s: '%s' is not refused", cases->where, expression);
    assert_contains(err.text, reason);
    assert_contains(err.text, "x: ");
    assert_false(ad_has(ad, "x"));
    struct ad_expr *expr = NULL;
    assert_int_equal(ad_expr_parse(expression, &expr, NULL), -1);
    assert_null(expr);
}

static void run_line(struct cases *cases, char *line)
{
    struct error err = { 0 };
    bool my = strncmp(line, "my ", 3) == 0 && !strstr(line, "=>");
    if (my || strncmp(line, "target ", 7) == 0) {
        line += my ? 3 : 7;
        if (ad_parse(my ? cases->my : cases->target, line, strlen(line), &err) < 0)
            fail_msg("%s: %s", cases->where, err.text);
        return;
    }
    if (*line == '\0' || *line == '#')
        return;
    char *second = strstr(line, " => ");
    if (!second)
        fail_msg("%s: not a case: %s", cases->where, line);
    *second = '\0';
    second += 4;
    cases->count++;
    if (strncmp(second, "refused: ", 9) == 0) {
        check_refusal(cases, line, second + 9);
        return;
    }
    char *third = strstr(second, " => ");
    if (!third)
        fail_msg("%s: no value", cases->where);
    *third = '\0';
    check_case(cases, line, second, third + 4);
}

static void every_expression_is_printed_and_evaluated_as_its_case_says(void **state)
{
    (void)state;
    FILE *file = fopen(TEST_CASES "/expr.cases", "r");
    assert_non_null(file);
    struct cases cases = { .my = ad_new(), .target = ad_new() };
    char line[1024];
    char where[64];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        snprintf(where, sizeof where, "expr.cases:%d", number);
        cases.where = where;
        line[strcspn(line, "\n")] = '\0';
        run_line(&cases, line);
    }
    fclose(file);
    ad_free(cases.my);
    ad_free(cases.target);
    assert_true(cases.count > 200);
}

/* ---- limits ---- */

static void nesting_is_limited_in_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *open;
        const char *middle;
        const char *close;
    } table[] = {
        { "(", "1", ")" },         { "{", "1", "}" },      { "[a=", "1", "]" },      { "!", "a", "" },
        { "- ", "a", "" },         { "f(", "1", ")" },     { "a[", "1", "]" },       { "", "a", ".b" },
        { "", "a", "[0]" },        { "1 ? ", "2", " : 3" }, { "", "1", " ? 2 : 3" }, { "1 ? 2 : ", "3", "" },
        { "", "a", " + b - c" },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct error err = { 0 };
        auto_ad struct ad *ad = ad_new();
        int good = 0;
        for (int n = 1; n <= 2 * AD_DEPTH_MAX; n++) {
            auto_free char *text = repeated(table[i].open, n, table[i].middle, table[i].close);
            if (ad_set_expr(ad, "x", text, &err) < 0)
                break;
            check_round_trips(ad, text);
            good = n;
        }
        if (i != 10) /* a ? 2 : 3 ? 2 : 3 is nested in its last part */
            assert_true(good == AD_DEPTH_MAX || good == AD_DEPTH_MAX / 2);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_contains(err.text, "nested deeper than 64");
        auto_free char *absurd = repeated(table[i].open, 100000, table[i].middle, table[i].close);
        assert_int_equal(ad_set_expr(ad, "x", absurd, NULL), -1);
    }
}

static void a_long_chain_of_one_operator_is_not_deep(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        const char *end;
        const char *value;
    } table[] = {
        { "false || ", "true", "true" },
        { "true && ", "1", "true" },
        { "1 + ", "1", "10001" },
        { "1 - ", "1", "-9999" },
    };
    auto_ad struct ad *ad = ad_new();
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_free char *text = repeated(table[i].part, 10000, table[i].end, "");
        assert_int_equal(ad_set_expr(ad, "x", text, NULL), 0);
        check_round_trips(ad, "chain");
        struct ad_scope scope = { .my = ad };
        struct value value;
        ad_eval(&scope, "X", &value);
        auto_free char *got = value_text(&value);
        assert_string_equal(got, table[i].value);
        value_release(&value);
    }
}

/* ---- evaluation ---- */

static void ad_eval_looks_in_my_only(void **state)
{
    (void)state;
    auto_ad struct ad *my = from_text("a = b + 1\ns = strcat(\"x\", a)");
    auto_ad struct ad *target = from_text("b = 41\nc = 1");
    struct ad_scope scope = { .my = my, .target = target };
    struct value value;
    ad_eval(&scope, "A", &value);
    assert_int_equal(value.kind, VALUE_INT);
    assert_int_equal(value.integer, 42);
    ad_eval(&scope, "c", &value);
    assert_int_equal(value.kind, VALUE_UNDEFINED);
    ad_eval(&scope, "s", &value);
    assert_string_equal(value.string, "x42");
    value_release(&value);
    assert_null(value.string);
    scope.target = NULL;
    ad_eval(&scope, "a", &value);
    assert_int_equal(value.kind, VALUE_UNDEFINED);
}

static void evaluation_of_hostile_expressions_is_bounded(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("a = a + a\nb = strcat(c, c)\nc = strcat(b, \"x\", b)\n"
                                      "n = [m = n.m].m\nd0 = strcat(\"xxxxxxxxxxxxxxxx\", \"y\")\n"
                                      "l = {member(l[0], l)}\nt = TARGET.t");
    for (int i = 1; i < 60; i++) {
        char name[16];
        char text[64];
        snprintf(name, sizeof name, "d%d", i);
        snprintf(text, sizeof text, "strcat(d%d, d%d)", i - 1, i - 1);
        assert_int_equal(ad_set_expr(ad, name, text, NULL), 0);
        snprintf(name, sizeof name, "e%d", i);
        snprintf(text, sizeof text, "e%d || e%d", i - 1, i - 1);
        assert_int_equal(ad_set_expr(ad, name, text, NULL), 0);
    }
    static const char *const names[] = { "a", "b", "c", "n", "d59", "t" };
    struct ad_scope scope = { .my = ad, .target = ad };
    for (size_t i = 0; i < COUNT(names); i++) {
        struct value value;
        ad_eval(&scope, names[i], &value);
        if (value.kind != VALUE_ERROR)
            fail_msg("%s is not an error", names[i]);
        value_release(&value);
    }
    struct value value;
    ad_eval(&scope, "e59", &value);
    assert_int_equal(value.kind, VALUE_ERROR);
    ad_eval(&scope, "l", &value);
    assert_int_equal(value.kind, VALUE_ERROR);
}

static void a_reasonable_chain_of_references_is_followed(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("a0 = 0");
    for (int i = 1; i <= 100; i++) {
        char name[16];
        char text[64];
        snprintf(name, sizeof name, "a%d", i);
        snprintf(text, sizeof text, "(a%d) + 1", i - 1);
        assert_int_equal(ad_set_expr(ad, name, text, NULL), 0);
    }
    struct ad_scope scope = { .my = ad };
    struct value value;
    ad_eval(&scope, "a100", &value);
    assert_int_equal(value.integer, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_expression_is_printed_and_evaluated_as_its_case_says),
        cmocka_unit_test(nesting_is_limited_in_expressions),
        cmocka_unit_test(a_long_chain_of_one_operator_is_not_deep),
        cmocka_unit_test(ad_eval_looks_in_my_only),
        cmocka_unit_test(evaluation_of_hostile_expressions_is_bounded),
        cmocka_unit_test(a_reasonable_chain_of_references_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
