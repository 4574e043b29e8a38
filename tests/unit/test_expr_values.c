/*
 * Expressions as the rest of the program has them: taken from ads, taken apart, looked through; values of all kinds; what the scope
 * adds; and that no evaluation passes its budget, however it is asked for.
 */
#include "ad/ad.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ad_fixture.h"

static struct ad_expr *expr_of(const char *text)
{
    struct ad_expr *expr = NULL;
    struct error err = { 0 };
    if (ad_expr_parse(text, &expr, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return expr;
}

static char *printed(const struct ad_expr *expr)
{
    struct buf text = { 0 };
    ad_expr_print(expr, &text);
    return buf_steal(&text);
}

static void evaluate(const char *text, const struct ad_scope *scope, struct value *value)
{
    struct ad_expr *expr = expr_of(text);
    ad_expr_eval(expr, scope, value);
    ad_expr_free(expr);
}

static void assert_value(const char *text, const struct ad_scope *scope, const char *expected)
{
    struct value value;
    auto_buf struct buf got = { 0 };
    evaluate(text, scope, &value);
    value_print(&value, &got);
    value_release(&value);
    if (strcmp(buf_cstr(&got), expected) != 0)
        fail_msg("%s is %.200s, not %s", text, buf_cstr(&got), expected);
}

static void an_attributes_expression_is_copied_out_and_in(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("a = b + 1");
    assert_null(ad_expr_of(ad, "b"));
    struct ad_expr *expr = ad_expr_of(ad, "A");
    assert_true(ad_remove(ad, "a"));
    auto_free char *text = printed(expr);
    assert_string_equal(text, "b + 1");
    ad_set_expr_copy(ad, "c", expr);
    ad_expr_free(expr);
    auto_buf struct buf whole = { 0 };
    ad_print(ad, &whole);
    assert_string_equal(buf_cstr(&whole), "c = b + 1\n");
    ad_expr_free(NULL);
}

static void clauses_are_the_operands_of_the_chain_at_the_top(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        const char *clauses[5];
    } cases[] = {
        { "a", 1, { "a" } },
        { "a || b && c", 1, { "a || b && c" } },
        { "a && b", 2, { "a", "b" } },
        { "(a && (b || c)) && (d && e == 1) && !(f && g)", 5, { "a", "b || c", "d", "e == 1", "!(f && g)" } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ad_expr *expr = expr_of(cases[i].text);
        struct ad_expr *clauses[5];
        assert_int_equal(ad_expr_clauses(expr, clauses, 5), cases[i].count);
        ad_expr_free(expr);
        for (size_t k = 0; k < cases[i].count; k++) {
            auto_free char *text = printed(clauses[k]);
            assert_string_equal(text, cases[i].clauses[k]);
            ad_expr_free(clauses[k]);
        }
    }
    struct ad_expr *expr = expr_of("a && b && c");
    struct ad_expr *clauses[2];
    assert_int_equal(ad_expr_clauses(expr, clauses, 2), 2);
    ad_expr_free(clauses[0]);
    ad_expr_free(clauses[1]);
    ad_expr_free(expr);
}

static void mentions_are_found_wherever_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool mentions;
        bool constant;
    } cases[] = {
        { "Cpus > 1", true, false },
        { "TARGET.cpus", true, false },
        { "MY.CPUS", true, false },
        { "PARENT.Cpus", true, false },
        { "{ 1, [ a = f(x, 'Cpus') ] }", true, false },
        { "a ? b : Cpus[1].x", true, false },
        { "\"Cpus\"", false, true },
        { "Cpus2 + a.Cpus", false, false },
        { "Cpus(1)", false, true },
        { "1 + 2 * size({ 3, \"x\" })", false, true },
        { "time() > 5", false, false },
        { "random(5)", false, false },
        { "eval(\"1\")", false, false },
        { "[ a = 1 ]", false, true },
        { "[ a = b ]", false, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ad_expr *expr = expr_of(cases[i].text);
        if (ad_expr_mentions(expr, "Cpus") != cases[i].mentions || ad_expr_is_constant(expr) != cases[i].constant)
            fail_msg("%s", cases[i].text);
        ad_expr_free(expr);
    }
}

static void a_function_that_there_is_not_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *unknown;
    } cases[] = {
        { "1 + size(x)", NULL },
        { "STRCAT(\"a\", toupper(b))", NULL },
        { "1 || { [ a = regex(\"x\", y) ] }", "regex" },
        { "strcat(nosuch(1), other(2))", "nosuch" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ad_expr *expr = expr_of(cases[i].text);
        const char *unknown = ad_expr_unknown_function(expr);
        if (!cases[i].unknown)
            assert_null(unknown);
        else
            assert_string_equal(unknown, cases[i].unknown);
        ad_expr_free(expr);
    }
}

static void in_old_strings_a_backslash_means_itself(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
    } cases[] = {
        { "\"ab\\\"cd\\ef\"", "\"ab\\\"cd\\\\ef\"" },
        { "regexp(\"\\.txt$\", f)", "regexp(\"\\\\.txt$\",f)" },
        { "\"a\\nb\"", "\"a\\\\nb\"" },
        { "\"C:\\\"", "\"C:\\\\\"" },
        { "\"a\\\" b\"", "\"a\\\" b\"" },
        { "\"a", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ad_expr *expr = NULL;
        if (ad_expr_parse_old(cases[i].text, &expr, NULL) < 0) {
            assert_null(cases[i].printed);
            continue;
        }
        auto_free char *text = printed(expr);
        assert_string_equal(text, cases[i].printed);
        ad_expr_free(expr);
    }
}

static void values_of_every_kind_are_handed_out_whole(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("a = 5");
    struct ad_scope scope = { .my = ad, .now = 1000 };
    struct value value;
    evaluate("{ a, { a + 1 }, [ b = a ] }", &scope, &value);
    assert_int_equal(value.kind, VALUE_LIST);
    auto_free char *text = printed(value.list);
    assert_string_equal(text, "{ 5,{ 6 },[ b = a ] }");
    value_release(&value);
    assert_null(value.list);
    evaluate("[ b = a ]", &scope, &value);
    assert_int_equal(value.kind, VALUE_AD);
    assert_true(ad_has(value.ad, "B"));
    value_release(&value);
    assert_null(value.ad);
    evaluate("absTime(7, -3600)", &scope, &value);
    assert_int_equal(value.kind, VALUE_ABSTIME);
    assert_int_equal(value.integer, 7);
    assert_int_equal(value.offset_s, -3600);
    evaluate("relTime(1.5)", &scope, &value);
    assert_int_equal(value.kind, VALUE_RELTIME);
    assert_true(value.real == 1.5);
    value_release(&value);
}

static void local_time_is_the_scopes(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    struct ad_scope scope = { .my = ad, .now = 1000000000, .utc_offset_s = -5 * 3600 };
    assert_value("formatTime()", &scope, "\"Sat Sep  8 20:46:40 2001\"");
    assert_value("absTime()", &scope, "absTime(\"2001-09-08T20:46:40-05:00\")");
    assert_value("absTime(\"2001-09-08\")", &scope, "absTime(\"2001-09-08T00:00:00-05:00\")");
    assert_value("dayTime()", &scope, "relTime(\"20:46:40\")");
    assert_value("timeZoneOffset()", &scope, "relTime(\"-05:00:00\")");
    assert_value("formatTime(0, \"%Z %z\")", &scope, "\"-0500 -0500\"");
    assert_value("absTime(0, 0) == absTime(0)", &scope, "true");
}

static void chance_is_repeated_with_its_seed_and_stays_in_its_bounds(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("list = { random(1000000), random(1000000), random(1000000) }");
    struct ad_scope scope = { .my = ad, .random = 7 };
    assert_value("list =?= list", &scope, "false");
    assert_value("list[0] == list[1]", &scope, "false");
    bool seen[3] = { false };
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct value once;
        struct value twice;
        scope.random = seed;
        evaluate("random(3)", &scope, &once);
        evaluate("random(3)", &scope, &twice);
        assert_int_equal(once.integer, twice.integer);
        assert_in_range(once.integer, 0, 2);
        seen[once.integer] = true;
        assert_value("random() >= 0 && random() < 1 && random(2.5) < 2.5", &scope, "true");
    }
    assert_true(seen[0] && seen[1] && seen[2]);
}

/* Every one of these has too much to do; that this test ends at all is what it tests. */
static void no_evaluation_passes_its_budget(void **state)
{
    (void)state;
    static const char *const errors[] = {
        "regexp(\"(a+)+$\", M)",
        "regexp(\"(a|aa|aaa)+[xy]\", M)",
        "regexp(\"(.*)(.*)(.*)[yz]\", Big)",
        "regexp(\"(a?){500}a{500}[xy]\", Big)",
        "regexp(\"((?1)*a)*\", Big)",
        "regexp(\"(?R)?a\", Big)",
        "regexp(Big, M)",
        "regexp(Deep, M)",
        "replaceAll(\"a\", Big, Big)",
        "regexpMember(\"(a+)+$\", { M, M, M, M })",
        "stringList_regexpMember(\"(a+)+$\", M)",
        "unresolved(Names, \"(a+)+$\")",
        "strcat(Big, Big, Big, Big)",
        "join(Big, { 1, 2, 3, 4, 5, 6, 7 })",
        "stringListSize(Items, Big)",
        "stringListSubsetMatch(Items, Other)",
        "size(split(Items, Big))",
        "mergeEnvironment(Settings)",
        "Twice30",
        "List30",
        "string(List30)",
        "X",
        "Y",
        "{ W }",
        "{ Nested, Nested, Nested, Nested, Nested, Nested, Nested, Nested, Nested, Nested, Nested, Nested }",
        "sum(Each)",
        "eval(Loop)",
    };
    auto_ad struct ad *ad =
        from_text("Twice0 = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\nList0 = { 1 }\n"
                  "X = evalInEachContext(X, { [ a = 1 ] })\nY = evalInEachContext(Z, { [ a = 1 ], [ a = 2 ] })\n"
                  "Z = evalInEachContext(Y, { [ a = 1 ], [ a = 2 ] })\nW = { W, W }\n"
                  "Ten = { [ ], [ ], [ ], [ ], [ ], [ ], [ ], [ ], [ ], [ ] }\n"
                  "E1 = evalInEachContext(1, Ten)\nE2 = evalInEachContext(E1, Ten)\nE3 = evalInEachContext(E2, Ten)\n"
                  "E4 = evalInEachContext(E3, Ten)\nE5 = evalInEachContext(E4, Ten)\nEach = evalInEachContext(E5, Ten)\n"
                  "Loop = \"eval(Loop)\"\nNames = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab_b");
    auto_buf struct buf big = { 0 };
    auto_buf struct buf items = { 0 };
    auto_buf struct buf settings = { 0 };
    auto_buf struct buf deep = { 0 };
    for (int i = 0; i < 50000; i++) {
        buf_text(&big, "aaaaaaaaa.");
        buf_text(&items, "x,");
        buf_printf(&settings, "N%d=1 ", i);
        buf_text(&deep, i < 3000 ? "(" : "");
    }
    ad_set_string(ad, "Big", buf_cstr(&big));
    ad_set_string(ad, "Items", buf_cstr(&items));
    ad_set_string(ad, "Other", buf_cstr(&settings));
    ad_set_string(ad, "Settings", buf_cstr(&settings));
    ad_set_string(ad, "Deep", buf_cstr(&deep));
    ad_set_string(ad, "M", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    struct ad *nested = ad_new();
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        ad_set_string(nested, name, buf_cstr(&big));
    }
    ad_set_ad(ad, "Nested", nested);
    for (int i = 1; i <= 30; i++) {
        char name[16];
        char text[64];
        snprintf(name, sizeof name, "Twice%d", i);
        snprintf(text, sizeof text, "strcat(Twice%d, Twice%d)", i - 1, i - 1);
        assert_int_equal(ad_set_expr(ad, name, text, NULL), 0);
        snprintf(name, sizeof name, "List%d", i);
        snprintf(text, sizeof text, "{ List%d, List%d }", i - 1, i - 1);
        assert_int_equal(ad_set_expr(ad, name, text, NULL), 0);
    }
    struct ad_scope scope = { .my = ad, .target = ad };
    for (size_t i = 0; i < COUNT(errors); i++)
        assert_value(errors[i], &scope, "error");
}

static void work_that_is_not_too_much_is_done(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    auto_buf struct buf items = { 0 };
    for (int i = 0; i < 5000; i++)
        buf_printf(&items, "%d,", i);
    ad_set_string(ad, "Items", buf_cstr(&items));
    struct ad_scope scope = { .my = ad };
    assert_value("stringListSum(Items)", &scope, "12497500");
    assert_value("size(split(Items, \",\"))", &scope, "5000");
    assert_value("size(replaceAll(\",\", Items, \"; \"))", &scope, "28890");
    assert_value("stringListMember(\"4999\", Items)", &scope, "true");
    assert_value("regexp(\"4999,$\", Items)", &scope, "true");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attributes_expression_is_copied_out_and_in),
        cmocka_unit_test(clauses_are_the_operands_of_the_chain_at_the_top),
        cmocka_unit_test(mentions_are_found_wherever_they_are),
        cmocka_unit_test(a_function_that_there_is_not_is_named),
        cmocka_unit_test(in_old_strings_a_backslash_means_itself),
        cmocka_unit_test(values_of_every_kind_are_handed_out_whole),
        cmocka_unit_test(local_time_is_the_scopes),
        cmocka_unit_test(chance_is_repeated_with_its_seed_and_stays_in_its_bounds),
        cmocka_unit_test(no_evaluation_passes_its_budget),
        cmocka_unit_test(work_that_is_not_too_much_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
