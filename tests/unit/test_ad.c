/* Ads: the container, both notations and their limits. Expressions have a program of their own. */
#include "ad/ad.h"
#include "base/mem.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ad_fixture.h"

/* ---- the container ---- */

static void setters_are_read_back_by_getters(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    ad_set_int(ad, "Int", INT64_MIN);
    ad_set_real(ad, "Real", 2.5);
    ad_set_bool(ad, "Bool", true);
    ad_set_string(ad, "String", "text");
    assert_int_equal(ad_int(ad, "Int", 7), INT64_MIN);
    assert_true(ad_real(ad, "Real", 0) == 2.5);
    assert_true(ad_bool(ad, "Bool", false));
    assert_string_equal(ad_string(ad, "String", NULL), "text");
    assert_int_equal(ad_count(ad), 4);
}

static void getters_fall_back_when_the_type_differs(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("i = 3\nwhole = -4.0\nr = 2.5\nb = true\ns = \"x\"\ne = i + 1\nhuge = 9.3e18\n"
                                      "low = -9223372036854775808.0\nhigh = 9223372036854775808.0\nl = {\"a\",[b=1]}\n"
                                      "n = real(\"NaN\")");
    assert_true(ad_real(ad, "i", 0) == 3.0);
    assert_int_equal(ad_int(ad, "whole", 0), -4);
    assert_int_equal(ad_int(ad, "low", 0), INT64_MIN);
    static const char *const not_ints[] = { "r", "b", "s", "e", "huge", "high", "l", "n", "absent" };
    for (size_t i = 0; i < COUNT(not_ints); i++)
        assert_int_equal(ad_int(ad, not_ints[i], 77), 77);
    static const char *const not_strings[] = { "i", "r", "b", "e", "l", "absent" };
    for (size_t i = 0; i < COUNT(not_strings); i++) {
        assert_null(ad_string(ad, not_strings[i], NULL));
        assert_null(ad_ad(ad, not_strings[i]));
    }
    assert_true(ad_real(ad, "s", 1.5) == 1.5);
    assert_true(ad_bool(ad, "i", true));
    assert_false(ad_bool(ad, "absent", false));
    assert_int_equal(ad_list_count(ad, "s"), 0);
    assert_int_equal(ad_list_count(ad, "l"), 2);
    assert_null(ad_list_ad(ad, "l", 0));
    assert_null(ad_list_string(ad, "l", 1));
    assert_null(ad_list_string(ad, "l", 2));
    assert_null(ad_list_string(ad, "s", 0));
}

static void names_compare_without_case_and_keep_their_first_form_and_place(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    ad_set_int(ad, "JobPrio", 1);
    ad_set_int(ad, "Owner", 2);
    ad_set_string(ad, "JOBPRIO", "three");
    assert_int_equal(ad_count(ad), 2);
    assert_string_equal(ad_name(ad, 0), "JobPrio");
    assert_string_equal(ad_string(ad, "jobprio", ""), "three");
    assert_true(ad_has(ad, "oWNER"));
    assert_false(ad_has(ad, "Owne"));
    assert_false(ad_has(ad, "Owner2"));
}

static void removing_keeps_the_order_of_the_rest(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("a = 1\nb = \"x\"\nc = 3\n");
    assert_true(ad_remove(ad, "B"));
    assert_false(ad_remove(ad, "b"));
    auto_free char *text = text_of(ad);
    assert_string_equal(text, "a = 1\nc = 3\n");
    assert_true(ad_remove(ad, "c"));
    assert_true(ad_remove(ad, "a"));
    assert_int_equal(ad_count(ad), 0);
    ad_set_int(ad, "d", 4);
    assert_int_equal(ad_int(ad, "d", 0), 4);
}

static void a_value_may_be_borrowed_from_the_attribute_it_replaces(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    ad_set_string(ad, "a", "some text that is long enough to be on the heap");
    ad_set_string(ad, "a", ad_string(ad, "a", NULL) + 5);
    assert_string_equal(ad_string(ad, "a", NULL), "text that is long enough to be on the heap");
    assert_true(ad_copy_attribute(ad, "a", ad, "a"));
    ad_append_string(ad, "l", "first");
    for (int i = 0; i < 20; i++)
        ad_append_string(ad, "l", ad_list_string(ad, "l", 0));
    assert_int_equal(ad_list_count(ad, "l"), 21);
    assert_string_equal(ad_list_string(ad, "l", 20), "first");
    ad_update(ad, ad);
    assert_int_equal(ad_count(ad), 2);
}

static void lists_grow_in_place_and_after_a_copy(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    ad_make_list(ad, "l");
    ad_make_list(ad, "l");
    for (int n = 0; n < 70; n++) {
        auto_ad struct ad *copy = ad_copy(ad);
        ad_append_string(copy, "L", "only in the copy");
        assert_int_equal(ad_list_count(copy, "l"), n + 1);
        struct ad *item = ad_new();
        ad_set_int(item, "n", n);
        ad_append_ad(ad, "l", item);
    }
    assert_int_equal(ad_list_count(ad, "l"), 70);
    assert_int_equal(ad_int(ad_list_ad(ad, "l", 69), "N", 0), 69);
    ad_set_int(ad, "l", 5);
    ad_append_string(ad, "l", "new");
    assert_int_equal(ad_list_count(ad, "l"), 1);
    ad_make_list(ad, "l");
    assert_int_equal(ad_list_count(ad, "l"), 1);
}

static void copies_are_deep(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("n = [a = 1; l = {\"x\"}]\ne = a.b[f(1, -c)] ? !d : 0\ns = \"t\"\nempty = {}\n");
    auto_free char *before = text_of(ad);
    struct ad *copy = ad_copy(ad);
    auto_free char *copied = text_of(copy);
    assert_string_equal(before, copied);
    ad_set_int(copy, "n", 0);
    ad_remove(copy, "e");
    ad_free(copy);
    auto_free char *after = text_of(ad);
    assert_string_equal(before, after);
    auto_ad struct ad *empty = ad_new();
    auto_ad struct ad *empty_copy = ad_copy(empty);
    ad_set_int(empty_copy, "a", 1);
    assert_int_equal(ad_count(empty_copy), 1);
}

static void nested_ads_are_owned_and_borrowed(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    struct ad *nested = ad_new();
    ad_set_int(nested, "n", 1);
    ad_set_ad(ad, "in", nested);
    assert_ptr_equal(ad_ad(ad, "In"), nested);
    ad_set_ad(ad, "in", ad_new());
    assert_int_equal(ad_count(ad_ad(ad, "in")), 0);
}

static void an_update_replaces_and_adds(void **state)
{
    (void)state;
    auto_ad struct ad *into = from_text("a = 1\nb = 2\n");
    auto_ad struct ad *from = from_text("B = x + 1\nc = {1}\n");
    ad_update(into, from);
    auto_free char *text = text_of(into);
    assert_string_equal(text, "a = 1\nb = x + 1\nc = { 1 }\n");
    assert_true(ad_copy_attribute(into, "d", from, "b"));
    assert_false(ad_copy_attribute(into, "e", from, "absent"));
    assert_false(ad_has(into, "e"));
    assert_true(ad_same(into, from, "b"));
}

static void attributes_are_the_same_when_their_texts_are(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool same;
    } table[] = {
        { "x = 1", "X = 1", true },
        { "x = 1", "x = 1.0", false },
        { "x = 1", "x = 2", false },
        { "x = \"a\"", "x = \"a\"", true },
        { "x = \"a\"", "x = \"A\"", false },
        { "x = (a + b) + c", "x = a+b+c", true },
        { "x = a + (b + c)", "x = a+b+c", false },
        { "x = real(\"NaN\")", "x = real(\"NaN\")", true },
        { "x = 0.0", "x = -0.0", false },
        { "x = [a = 1]", "x = [a=1;]", true },
        { "x = {1}", "x = {2}", false },
        { "x = undefined", "y = 1", false },
        { "y = 1", "y = 2", true },
        { "x = true", "x = false", false },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_ad struct ad *a = from_text(table[i].a);
        auto_ad struct ad *b = from_text(table[i].b);
        assert_int_equal(ad_same(a, b, "x"), table[i].same);
        assert_int_equal(ad_same(b, a, "x"), table[i].same);
    }
}

static void names_are_identifiers_with_dots(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "_", "A1", "a.b", "MY.Attr", "true", "error", "a..b." };
    static const char *const bad[] = { "", "1a", ".a", "a b", "a-b", "a\n", "\xc3\xa4", "a=" };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(ad_name_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(ad_name_valid(bad[i]));
    char name[AD_NAME_MAX + 2];
    memset(name, 'a', sizeof name - 1);
    name[AD_NAME_MAX + 1] = '\0';
    assert_false(ad_name_valid(name));
    name[AD_NAME_MAX] = '\0';
    assert_true(ad_name_valid(name));
}

static void every_valid_name_survives_both_notations(void **state)
{
    (void)state;
    static const char *const names[] = { "true", "Error", "is", "my", "TARGET", "a.b", "a.1", "a..b.", "_" };
    auto_ad struct ad *ad = ad_new();
    struct ad *nested = ad_new();
    for (size_t i = 0; i < COUNT(names); i++) {
        ad_set_int(ad, names[i], (int64_t)i);
        ad_set_int(nested, names[i], -(int64_t)i);
    }
    ad_set_ad(ad, "x", nested);
    check_round_trips(ad, "names");
    auto_free char *text = text_of(ad);
    auto_ad struct ad *again = from_text(text);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(ad_int(ad_ad(again, "x"), names[i], 1), -(int64_t)i);
}

/* ---- numbers and strings through both notations ---- */

static void reals_come_back_as_the_same_reals(void **state)
{
    (void)state;
    static const double table[] = { 0.0,     -0.0,    1.0,      -1.0,      0.1,     1.0 / 3.0, 1e15,   123456789012345680.0,
                                    1e16,    1e17,    1e300,    DBL_MAX,   DBL_MIN, -DBL_MAX,  4.9e-324, DBL_EPSILON,
                                    1e-5,    1e22,    INFINITY, -INFINITY, NAN,     -NAN,      5e-5,   1760000000.123456 };
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_ad struct ad *ad = ad_new();
        ad_set_real(ad, "x", table[i]);
        check_round_trips(ad, "real");
        auto_free char *json = json_of(ad);
        auto_free char *text = text_of(ad);
        auto_ad struct ad *a = from_json(json);
        auto_ad struct ad *b = from_text(text);
        double got[2] = { ad_real(a, "x", 42), ad_real(b, "x", 42) };
        for (int j = 0; j < 2; j++)
            if (isnan(table[i]) ? !isnan(got[j]) : memcmp(&got[j], &table[i], sizeof(double)) != 0)
                fail_msg("%.17g came back as %.17g (%s)", table[i], got[j], text);
    }
}

static void integers_come_back_as_the_same_integers(void **state)
{
    (void)state;
    static const int64_t table[] = { 0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, INT64_C(1) << 53,
                                     (INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 1, 1760000000123456 };
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_ad struct ad *ad = ad_new();
        ad_set_int(ad, "x", table[i]);
        check_round_trips(ad, "integer");
        auto_free char *json = json_of(ad);
        auto_ad struct ad *again = from_json(json);
        char expected[64];
        snprintf(expected, sizeof expected, "{\"x\":%" PRId64 "}", table[i]);
        assert_string_equal(json, expected);
        assert_int_equal(ad_int(again, "x", 5), table[i]);
    }
}

static void strings_of_any_bytes_come_back(void **state)
{
    (void)state;
    char all[256];
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    const char *const table[] = { all, "", "/", "\\", "\"", "/Expr(x)/", "/Expr()/", "/Expr(", ")/", "\\/Expr(1)\\/", "\\u0000",
                                  "/Expr(\"a\")/", "line\nbreak", "\xff\xfe", "\xc3\xa4", "#", "=", "a\\" };
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_ad struct ad *ad = ad_new();
        ad_set_string(ad, "x", table[i]);
        ad_append_string(ad, "l", table[i]);
        check_round_trips(ad, table[i]);
        auto_free char *json = json_of(ad);
        auto_free char *text = text_of(ad);
        auto_ad struct ad *a = from_json(json);
        auto_ad struct ad *b = from_text(text);
        assert_string_equal(ad_string(a, "x", NULL), table[i]);
        assert_string_equal(ad_list_string(b, "l", 0), table[i]);
    }
}

/* ---- JSON ---- */

static void json_is_read_and_written_in_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
        const char *text;
    } table[] = {
        { "{}", "{}", "" },
        { " { \"a\" : 1 , \"b\":null }\n", "{\"a\":1,\"b\":null}", "a = 1\nb = undefined\n" },
        { "{\"a\":1,\"a\":2}", "{\"a\":2}", "a = 2\n" },
        { "{\"a\":1,\"b\":3,\"A\":2}", "{\"a\":2,\"b\":3}", "a = 2\nb = 3\n" },
        { "{\"a\":\"-9223372036854775809\"}", "{\"a\":\"-9223372036854775809\"}", "a = \"-9223372036854775809\"\n" },
        { "{\"a\":-9223372036854775809.0}", "{\"a\":-9.223372036854776e+18}", "a = -9.223372036854776e+18\n" },
        { "{\"a\":1.0}", "{\"a\":1.0}", "a = 1.0\n" },
        { "{\"a\":1e2}", "{\"a\":100.0}", "a = 100.0\n" },
        { "{\"a\":[1,\"x\",{\"b\":[]},null,true]}", "{\"a\":[1,\"x\",{\"b\":[]},null,true]}",
          "a = { 1,\"x\",[ b = { } ],undefined,true }\n" },
        { "{\"a\":\"\\/Expr(b+ 1)\\/\"}", "{\"a\":\"\\/Expr(b + 1)\\/\"}", "a = b + 1\n" },
        { "{\"a\":\"/Expr(\\\"q\\\" == c)/\"}", "{\"a\":\"\\/Expr(\\\"q\\\" == c)\\/\"}", "a = \"q\" == c\n" },
        { "{\"a\":\"\\/Expr(error)\\/\"}", "{\"a\":\"\\/Expr(error)\\/\"}", "a = error\n" },
        { "{\"a\":\"\\/Expr(5)\\/\"}", "{\"a\":5}", "a = 5\n" },
        { "{\"a\":[\"\\/Expr({1,b})\\/\"]}", "{\"a\":[[1,\"\\/Expr(b)\\/\"]]}", "a = { { 1,b } }\n" },
        { "{\"a\":\"a\\/b\\u00e4\\u0001\\t\"}", "{\"a\":\"a/b\xc3\xa4\\u0001\\t\"}", "a = \"a/b\xc3\xa4\\001\\t\"\n" },
        { "{\"a\":{\"b\":{\"c\":-1}}}", "{\"a\":{\"b\":{\"c\":-1}}}", "a = [ b = [ c = -1 ] ]\n" },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_ad struct ad *ad = from_json(table[i].in);
        auto_free char *json = json_of(ad);
        auto_free char *text = text_of(ad);
        assert_string_equal(json, table[i].out);
        assert_string_equal(text, table[i].text);
        check_round_trips(ad, table[i].in);
    }
}

static void bad_json_is_refused_with_a_reason(void **state)
{
    (void)state;
#define JSON(text) text, sizeof text - 1
    static const struct {
        const char *text;
        size_t len;
        const char *reason;
    } table[] = {
        { JSON(""), "ends too early" },
        { JSON("   "), "ends too early" },
        { JSON("{\"a\":1"), "ends too early" },
        { JSON("{\"a\":\"x"), "ends too early" },
        { JSON("[1]"), "object is expected" },
        { JSON("\"x\""), "object is expected" },
        { JSON("null "), "object is expected" },
        { JSON("{\"a\":1}}"), "not JSON at byte 8" },
        { JSON("{\"a\":1} {\"b\":1}"), "not JSON at byte 9" },
        { JSON("{'a':1}"), "not JSON" },
        { JSON("{a:1}"), "not JSON at byte 2" },
        { JSON("{\"a\":1,}"), "not JSON" },
        { JSON("{\"a\":01}"), "not JSON" },
        { JSON("{\"a\":+1}"), "not JSON" },
        { JSON("{\"a\":.5}"), "not JSON" },
        { JSON("{\"a\":/*c*/1}"), "not JSON" },
        { JSON("{\"a\":\"\n\\x\"}"), "not JSON" },
        { JSON("{\"a\":NaN}"), "a: the number is not a finite one" },
        { JSON("{\"a\":[-Infinity]}"), "a: [0]: the number is not a finite one" },
        { JSON("{\"a\":1e999}"), "a: the number is not a finite one" },
        { JSON("{\"a\":9223372036854775808}"), "the integer at byte 6 does not fit 64 bits" },
        { JSON("{\"a\":99999999999999999999999999}"), "the integer at byte 6 does not fit 64 bits" },
        { JSON("{\"a\":-9223372036854775809}"), "the integer at byte 6 does not fit 64 bits" },
        { JSON("{\"a\":[{\"b\":-99999999999999999999}]}"), "the integer at byte 12 does not fit 64 bits" },
        { JSON("-99999999999999999999"), "the integer at byte 1" },
        { JSON("{\"a\":\"x\0y\"}"), "NUL" },
        { JSON("{\"a\":1}\0"), "NUL" },
        { JSON("{\"a\":\"\\u0000\"}"), "NUL" },
        { JSON("{\"a\\u0000b\":1}"), "NUL" },
        { JSON("{\"\":1}"), "'' cannot be an attribute's name" },
        { JSON("{\"a b\":1}"), "'a b' cannot be an attribute's name" },
        { JSON("{\"1\":1}"), "'1' cannot be an attribute's name" },
        { JSON("{\"x\":{\"\":1}}"), "x: '' cannot be an attribute's name" },
        { JSON("{\"x\":[1,{\"y\":\"\\/Expr(1 +)\\/\"}]}"), "x: [1]: y: an operand is expected at column 4" },
        { JSON("{\"a\":\"\\/Expr()\\/\"}"), "an operand is expected" },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct error err = { 0 };
        struct ad *ad = NULL;
        if (ad_parse_json(table[i].text, table[i].len, &ad, &err) == 0)
            fail_msg("not refused: %s", table[i].text);
        assert_null(ad);
        assert_contains(err.text, table[i].reason);
    }
}

static void json_ends_where_its_length_says(void **state)
{
    (void)state;
    struct ad *ad = NULL;
    assert_int_equal(ad_parse_json("{\"a\":12}garbage", 8, &ad, NULL), 0);
    assert_int_equal(ad_int(ad, "a", 0), 12);
    ad_free(ad);
}

/* ---- the text form ---- */

static void text_skips_blank_lines_and_comments(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("\n# a comment\r\n  \t \n  A = 1\r\nB=\"# no comment\"\n\t# indented\nC   =\t2 \nD=E==3");
    auto_free char *text = text_of(ad);
    assert_string_equal(text, "A = 1\nB = \"# no comment\"\nC = 2\nD = E == 3\n");
    auto_ad struct ad *empty = from_text("");
    assert_int_equal(ad_count(empty), 0);
}

static void text_is_refused_with_its_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } table[] = {
        { "a = 1\n\nb = 1 +\n", "line 3: b: an operand is expected at column 8, where the text ends" },
        { "a\n", "line 1: '=' is expected at column 2, where the text ends" },
        { "1 = 2\n", "line 1: an attribute's name is expected at column 1, not '1'" },
        { "a = \n", "line 1: a: an operand is expected at column 5" },
        { "  a = $\n", "line 1: a: an expression is expected at column 7, not '$'" },
        { "a = \"x\ny\"\n", "line 1: a: the string at column 5 has no closing quote" },
        { "a == 1\n", "line 1: '=' is expected at column 3, not '=='" },
        { "a = {1,\n2}\n", "line 1: a: an operand is expected at column 8" },
        { "a = \x01\n", "not a byte \\x01" },
        { "a = 1\n= 2\n", "line 2: an attribute's name is expected at column 1, not '='" },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct error err = { 0 };
        auto_ad struct ad *ad = from_text("old = 1");
        assert_int_equal(ad_parse(ad, table[i].text, strlen(table[i].text), &err), -1);
        assert_contains(err.text, table[i].reason);
        assert_int_equal(ad_count(ad), 1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void a_nul_in_text_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = { "a = 1\0 2", "a = \"x\0y\"", "a\0= 1", "\0\0\0\0\0\0" };
    static const size_t lens[] = { 8, 9, 5, 6 };
    for (size_t i = 0; i < COUNT(table); i++) {
        auto_ad struct ad *ad = ad_new();
        assert_int_equal(ad_parse(ad, table[i], lens[i], NULL), -1);
    }
}

static void text_is_added_to_the_ad_there_is(void **state)
{
    (void)state;
    auto_ad struct ad *ad = from_text("a = 1\nb = 2");
    assert_int_equal(ad_parse(ad, "B = 3\nb = 4\nc = 5", 17, NULL), 0);
    auto_free char *text = text_of(ad);
    assert_string_equal(text, "a = 1\nb = 4\nc = 5\n");
}

/* ---- limits ---- */

static void nesting_is_limited_in_json(void **state)
{
    (void)state;
    static const struct {
        const char *open;
        const char *middle;
        const char *close;
    } table[] = {
        { "[", "1", "]" },
        { "[", "{}", "]" },
        { "{\"a\":", "1", "}" },
        { "{\"a\":[", "\"\\/Expr({{{{f(b)}}}})\\/\"", "]}" },
        { "[", "\"\\/Expr(!!!b)\\/\"", "]" },
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        int good = 0;
        struct error err = { 0 };
        for (int n = 1; n <= 2 * AD_DEPTH_MAX; n++) {
            auto_free char *inner = repeated(table[i].open, n, table[i].middle, table[i].close);
            auto_free char *json = mem_printf("{\"x\":%s}", inner);
            struct ad *ad = NULL;
            if (ad_parse_json(json, strlen(json), &ad, &err) < 0)
                break;
            check_round_trips(ad, json);
            ad_free(ad);
            good = n;
        }
        assert_in_range(good, 25, AD_DEPTH_MAX);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_contains(err.text, "nested deeper than 64");
        auto_free char *absurd = repeated(table[i].open, 1000000, table[i].middle, table[i].close);
        struct ad *ad = NULL;
        assert_int_equal(ad_parse_json(absurd, strlen(absurd), &ad, NULL), -1);
    }
}

static void the_number_of_attributes_is_limited(void **state)
{
    (void)state;
    struct buf json = { 0 };
    struct buf text = { 0 };
    struct buf nested = { 0 };
    buf_char(&json, '{');
    buf_char(&nested, '[');
    for (int i = 0; i <= AD_COUNT_MAX; i++) {
        buf_printf(&json, "%s\"a%d\":1", i ? "," : "", i);
        buf_printf(&text, "a%d = 1\n", i);
        buf_printf(&nested, "a%d = 1;", i);
    }
    buf_char(&json, '}');
    buf_char(&nested, ']');
    struct error err = { 0 };
    struct ad *none = NULL;
    auto_ad struct ad *ad = ad_new();
    assert_int_equal(ad_parse_json(json.data, json.len, &none, &err), -1);
    assert_contains(err.text, "more than 4096 attributes");
    assert_int_equal(ad_parse(ad, text.data, text.len, &err), -1);
    assert_contains(err.text, "more than 4096 attributes");
    assert_int_equal(ad_set_expr(ad, "x", nested.data, &err), -1);
    assert_contains(err.text, "more than 4096 attributes");
    text.data[text.len - strlen("a4096 = 1\n")] = '\0';
    assert_int_equal(ad_parse(ad, text.data, strlen(text.data), &err), 0);
    assert_int_equal(ad_count(ad), AD_COUNT_MAX);
    buf_release(&json);
    buf_release(&text);
    buf_release(&nested);
}

static void names_and_texts_have_a_length_limit(void **state)
{
    (void)state;
    struct error err = { 0 };
    auto_ad struct ad *ad = ad_new();
    auto_free char *name = repeated("n", AD_NAME_MAX + 1, "", "");
    auto_free char *json = mem_printf("{\"%s\":1}", name);
    auto_free char *line = mem_printf("%s = 1", name);
    struct ad *none = NULL;
    assert_int_equal(ad_parse_json(json, strlen(json), &none, &err), -1);
    assert_int_equal(ad_parse(ad, line, strlen(line), &err), -1);
    assert_int_equal(ad_set_expr(ad, "x", name, &err), -1);
    assert_contains(err.text, "longer than 256 characters");
    assert_int_equal(ad_set_expr(ad, "x", name + 1, &err), 0);
    auto_free char *text = repeated(" ", AD_TEXT_MAX, "1", "");
    assert_int_equal(ad_set_expr(ad, "x", text, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(ad_set_expr(ad, "x", text + 1, &err), 0);
    assert_int_equal(ad_parse_json("{}", (size_t)AD_SOURCE_MAX + 1, &none, &err), -1); /* refused before it is looked at */
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(ad_parse(ad, "", (size_t)AD_SOURCE_MAX + 1, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    auto_free char *digits = repeated("1", 1000, "", "");
    assert_int_equal(ad_set_expr(ad, "x", digits, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setters_are_read_back_by_getters),
        cmocka_unit_test(getters_fall_back_when_the_type_differs),
        cmocka_unit_test(names_compare_without_case_and_keep_their_first_form_and_place),
        cmocka_unit_test(removing_keeps_the_order_of_the_rest),
        cmocka_unit_test(a_value_may_be_borrowed_from_the_attribute_it_replaces),
        cmocka_unit_test(lists_grow_in_place_and_after_a_copy),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(nested_ads_are_owned_and_borrowed),
        cmocka_unit_test(an_update_replaces_and_adds),
        cmocka_unit_test(attributes_are_the_same_when_their_texts_are),
        cmocka_unit_test(names_are_identifiers_with_dots),
        cmocka_unit_test(every_valid_name_survives_both_notations),
        cmocka_unit_test(reals_come_back_as_the_same_reals),
        cmocka_unit_test(integers_come_back_as_the_same_integers),
        cmocka_unit_test(strings_of_any_bytes_come_back),
        cmocka_unit_test(json_is_read_and_written_in_one_form),
        cmocka_unit_test(bad_json_is_refused_with_a_reason),
        cmocka_unit_test(json_ends_where_its_length_says),
        cmocka_unit_test(text_skips_blank_lines_and_comments),
        cmocka_unit_test(text_is_refused_with_its_line_and_column),
        cmocka_unit_test(a_nul_in_text_is_refused),
        cmocka_unit_test(text_is_added_to_the_ad_there_is),
        cmocka_unit_test(nesting_is_limited_in_json),
        cmocka_unit_test(the_number_of_attributes_is_limited),
        cmocka_unit_test(names_and_texts_have_a_length_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
