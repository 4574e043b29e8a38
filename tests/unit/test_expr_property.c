/*
 * Random expressions (seeded, so that a failure repeats) against an evaluator that was written a second time, in the dullest
 * way: the tree is written out with all its parentheses, parsed, evaluated, printed with as few parentheses as the printer
 * dares, parsed and evaluated again. All values must be the reference's, and the printed form must be a fixed point.
 * Random ads go through both notations.
 */
#include "ad/ad.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ad_fixture.h"

__extension__ typedef __int128 wide_int;

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

/* ---- the reference: undefined, error, booleans, integers, strings ---- */

enum ref_kind { REF_UNDEFINED, REF_ERROR, REF_BOOL, REF_INT, REF_STRING };

struct ref {
    enum ref_kind kind;
    int64_t number; /* of a boolean or an integer */
    const char *text;
};

static const struct ref undefined = { .kind = REF_UNDEFINED };
static const struct ref error = { .kind = REF_ERROR };

static const struct {
    const char *text;
    struct ref value;
} leaves[] = {
    { "undefined", { .kind = REF_UNDEFINED } },
    { "Absent", { .kind = REF_UNDEFINED } },
    { "error", { .kind = REF_ERROR } },
    { "true", { .kind = REF_BOOL, .number = 1 } },
    { "false", { .kind = REF_BOOL, .number = 0 } },
    { "0", { .kind = REF_INT, .number = 0 } },
    { "1", { .kind = REF_INT, .number = 1 } },
    { "-3", { .kind = REF_INT, .number = -3 } },
    { "7", { .kind = REF_INT, .number = 7 } },
    { "Seven", { .kind = REF_INT, .number = 7 } },
    { "MY.No", { .kind = REF_BOOL, .number = 0 } },
    { "TARGET.Two", { .kind = REF_INT, .number = 2 } },
    { "\"a\"", { .kind = REF_STRING, .text = "a" } },
    { "\"A\"", { .kind = REF_STRING, .text = "A" } },
    { "\"b\"", { .kind = REF_STRING, .text = "b" } },
};

static struct ref ref_bool(bool value)
{
    return (struct ref){ .kind = REF_BOOL, .number = value };
}

static struct ref ref_int(int64_t value)
{
    return (struct ref){ .kind = REF_INT, .number = value };
}

static bool ref_is_number(struct ref value)
{
    return value.kind == REF_BOOL || value.kind == REF_INT;
}

static struct ref ref_truth(struct ref value)
{
    if (value.kind == REF_UNDEFINED)
        return undefined;
    return ref_is_number(value) ? ref_bool(value.number != 0) : error;
}

/* The table of && row by row: true, false, undefined, error on the left. || is its mirror image. */
static struct ref ref_and(struct ref a, struct ref b)
{
    a = ref_truth(a);
    b = ref_truth(b);
    if (a.kind == REF_BOOL)
        return a.number ? b : a;
    if (a.kind == REF_UNDEFINED && (b.kind == REF_ERROR || (b.kind == REF_BOOL && !b.number)))
        return b;
    return a;
}

static struct ref ref_not(struct ref a)
{
    a = ref_truth(a);
    return a.kind == REF_BOOL ? ref_bool(!a.number) : a;
}

static struct ref ref_order(const char *op, int order)
{
    if (strcmp(op, "==") == 0)
        return ref_bool(order == 0);
    if (strcmp(op, "!=") == 0)
        return ref_bool(order != 0);
    bool less = op[0] == '<' ? order < 0 : order > 0;
    return ref_bool(less || (op[1] == '=' && order == 0));
}

static bool ref_identical(struct ref a, struct ref b)
{
    return a.kind == b.kind && a.number == b.number && (a.kind != REF_STRING || strcmp(a.text, b.text) == 0);
}

/* The numbers here are far too small to overflow in trees of this size, except by repeated multiplication. */
static struct ref ref_arithmetic(char op, int64_t a, int64_t b)
{
    wide_int value = 0;
    if ((op == '/' || op == '%') && b == 0)
        return error;
    switch (op) {
    case '+':
        value = (wide_int)a + b;
        break;
    case '-':
        value = (wide_int)a - b;
        break;
    case '*':
        value = (wide_int)a * b;
        break;
    case '/':
        value = (wide_int)a / b;
        break;
    default:
        value = (wide_int)a % b;
    }
    return value > INT64_MAX || value < INT64_MIN ? error : ref_int((int64_t)value);
}

static bool is_bitwise(const char *op)
{
    static const char *const bitwise[] = { "|", "^", "&", "<<", ">>", ">>>" };
    for (size_t i = 0; i < COUNT(bitwise); i++)
        if (strcmp(op, bitwise[i]) == 0)
            return true;
    return false;
}

/* Bit by bit, from the lowest. */
static struct ref ref_bits(const char *op, int64_t a, int64_t b)
{
    uint64_t bits = 0;
    bool shift = op[0] == '<' || op[0] == '>';
    bool fill = strcmp(op, ">>") == 0 && a < 0;
    if (shift && b < 0)
        return error;
    for (int i = 0; i < 64; i++) {
        wide_int from = shift ? (op[0] == '<' ? (wide_int)i - b : (wide_int)i + b) : i;
        bool one = from < 0 ? false : from > 63 ? fill : ((uint64_t)a >> (int)from) & 1;
        bool two = !shift && (((uint64_t)b >> i) & 1);
        bool bit = op[0] == '&' ? one && two : op[0] == '^' ? one != two : one || two;
        bits |= (uint64_t)bit << i;
    }
    return ref_int((int64_t)bits);
}

static struct ref ref_binary(const char *op, struct ref a, struct ref b)
{
    if (strcmp(op, "&&") == 0)
        return ref_and(a, b);
    if (strcmp(op, "||") == 0)
        return ref_not(ref_and(ref_not(a), ref_not(b)));
    if (strcmp(op, "=?=") == 0)
        return ref_bool(ref_identical(a, b));
    if (strcmp(op, "=!=") == 0)
        return ref_bool(!ref_identical(a, b));
    if (a.kind == REF_ERROR || b.kind == REF_ERROR)
        return error;
    if (a.kind == REF_UNDEFINED || b.kind == REF_UNDEFINED)
        return undefined;
    if (is_bitwise(op))
        return a.kind == REF_INT && b.kind == REF_INT ? ref_bits(op, a.number, b.number) : error;
    bool arithmetic = strchr("+-*/%", op[0]);
    if (a.kind == REF_STRING && b.kind == REF_STRING && !arithmetic)
        return ref_order(op, (a.text[0] | 0x20) - (b.text[0] | 0x20));
    if (!ref_is_number(a) || !ref_is_number(b))
        return error;
    if (arithmetic)
        return ref_arithmetic(op[0], a.number, b.number);
    return ref_order(op, a.number < b.number ? -1 : a.number > b.number);
}

/* ---- random trees, written with all their parentheses ---- */

static const char *const operators[] = { "||", "&&", "|",  "^",  "&",   "==", "!=", "=?=", "=!=", "<", "<=",
                                         ">",  ">=", "<<", ">>", ">>>", "+",  "-",  "*",   "/",   "%" };

static struct ref grow(int depth, struct buf *out);

/* One operator before its operand. */
static struct ref grow_unary(int depth, struct buf *out)
{
    static const char marks[] = "!-+~";
    char mark = marks[draw(4)];
    buf_char(out, mark);
    struct ref operand = grow(depth, out);
    if (mark == '!')
        return ref_not(operand);
    if (mark != '~')
        return ref_binary((char[]){ mark, '\0' }, ref_int(0), operand);
    return operand.kind == REF_INT ? ref_int(~operand.number) : operand.kind == REF_UNDEFINED ? operand : error;
}

static struct ref grow(int depth, struct buf *out)
{
    unsigned kind = depth == 0 ? 0 : draw(10);
    buf_char(out, '(');
    struct ref value;
    if (kind < 2) {
        unsigned leaf = draw(COUNT(leaves));
        buf_text(out, leaves[leaf].text);
        value = leaves[leaf].value;
    } else if (kind == 2) {
        value = grow_unary(depth - 1, out);
    } else if (kind == 3) {
        value = grow(depth - 1, out);
        buf_text(out, " ?: ");
        struct ref stand_in = grow(depth - 1, out);
        value = value.kind == REF_UNDEFINED ? stand_in : value;
    } else if (kind == 4) {
        struct ref condition = ref_truth(grow(depth - 1, out));
        buf_text(out, " ? ");
        struct ref yes = grow(depth - 1, out);
        buf_text(out, " : ");
        struct ref no = grow(depth - 1, out);
        value = condition.kind != REF_BOOL ? condition : condition.number ? yes : no;
    } else {
        const char *op = operators[draw(COUNT(operators))];
        struct ref left = grow(depth - 1, out);
        buf_text(out, op);
        value = ref_binary(op, left, grow(depth - 1, out));
    }
    buf_char(out, ')');
    return value;
}

static void assert_value(const struct value *value, struct ref expected, const char *text)
{
    static const enum value_kind kinds[] = {
        [REF_UNDEFINED] = VALUE_UNDEFINED, [REF_ERROR] = VALUE_ERROR, [REF_BOOL] = VALUE_BOOL, [REF_INT] = VALUE_INT,
        [REF_STRING] = VALUE_STRING,
    };
    bool same = value->kind == kinds[expected.kind];
    if (same && expected.kind == REF_BOOL)
        same = value->boolean == (expected.number != 0);
    if (same && expected.kind == REF_INT)
        same = value->integer == expected.number;
    if (same && expected.kind == REF_STRING)
        same = strcmp(value->string, expected.text) == 0;
    if (!same)
        fail_msg("%s: kind %d with %lld, expected kind %d with %lld", text, (int)value->kind,
                 value->kind == VALUE_BOOL ? (long long)value->boolean : (long long)value->integer, (int)expected.kind,
                 (long long)expected.number);
}

static void check_tree(const char *text, struct ref expected, const struct ad *my, const struct ad *target)
{
    struct error err = { 0 };
    auto_ad struct ad *ad = ad_copy(my);
    struct ad_scope scope = { .my = ad, .target = target };
    auto_buf struct buf printed = { 0 };
    auto_buf struct buf again = { 0 };
    struct value value;
    if (ad_set_expr(ad, "x", text, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    ad_eval(&scope, "x", &value);
    assert_value(&value, expected, text);
    value_release(&value);

    ad_print_expr(ad, "x", &printed);
    assert_true(printed.len <= strlen(text) + 2 * 64 * COUNT(operators)); /* blanks around operators, no parentheses added */
    if (ad_set_expr(ad, "x", buf_cstr(&printed), &err) < 0)
        fail_msg("%s, printed as %s: %s", text, buf_cstr(&printed), err.text);
    ad_eval(&scope, "x", &value);
    assert_value(&value, expected, buf_cstr(&printed));
    value_release(&value);
    ad_print_expr(ad, "x", &again);
    assert_string_equal(buf_cstr(&printed), buf_cstr(&again));
}

static void random_trees_have_the_reference_evaluators_value_however_they_are_written(void **state)
{
    (void)state;
    auto_ad struct ad *my = from_text("Seven = 3 + 4\nNo = Seven < 0\nTwo = 5");
    auto_ad struct ad *target = from_text("Two = MY.Hidden - 1\nHidden = 3\nNo = true");
    for (unsigned n = 0; n < 20000; n++) {
        seed = n + 1;
        auto_buf struct buf text = { 0 };
        struct ref expected = grow(1 + (int)draw(5), &text);
        check_tree(buf_cstr(&text), expected, my, target);
    }
}

/* ---- precedence: every pair of operators, unparenthesized ---- */

static int level_of(const char *op)
{
    static const char *const levels[] = { "|| ",        "&& ",        "| ",   "^ ",    "& ", "== != =?= =!= ",
                                          "< <= > >= ", "<< >> >>> ", "+ - ", "* / % " };
    char padded[8];
    snprintf(padded, sizeof padded, "%s ", op);
    for (int i = 0; i < (int)COUNT(levels); i++)
        for (const char *at = levels[i]; (at = strstr(at, padded)); at++)
            if (at == levels[i] || at[-1] == ' ')
                return i;
    fail_msg("operator %s is missing", op);
    return -1;
}

static void every_pair_of_operators_binds_as_the_manual_says(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    for (size_t i = 0; i < COUNT(operators); i++) {
        for (size_t j = 0; j < COUNT(operators); j++) {
            bool right_first = level_of(operators[j]) > level_of(operators[i]);
            auto_free char *bare = mem_printf("a %s b %s c", operators[i], operators[j]);
            auto_free char *full = mem_printf(right_first ? "a %s (b %s c)" : "(a %s b) %s c", operators[i], operators[j]);
            auto_free char *other = mem_printf(right_first ? "(a %s b) %s c" : "a %s (b %s c)", operators[i], operators[j]);
            assert_int_equal(ad_set_expr(ad, "bare", bare, NULL), 0);
            assert_int_equal(ad_set_expr(ad, "full", full, NULL), 0);
            assert_int_equal(ad_set_expr(ad, "other", other, NULL), 0);
            auto_buf struct buf bare_text = { 0 };
            auto_buf struct buf full_text = { 0 };
            auto_buf struct buf other_text = { 0 };
            ad_print_expr(ad, "bare", &bare_text);
            ad_print_expr(ad, "full", &full_text);
            ad_print_expr(ad, "other", &other_text);
            assert_string_equal(buf_cstr(&bare_text), bare);
            assert_string_equal(buf_cstr(&full_text), bare);
            assert_string_equal(buf_cstr(&other_text), other);
        }
    }
}

/* ---- random ads ---- */

static struct ad *grow_ad(int depth);

static void grow_attribute(struct ad *ad, const char *name, int depth)
{
    static const char *const strings[] = { "", "plain", "\"quoted\" \\ \n\t\x01\x7f", "/Expr(a)/", "\xc3\xa4\xff", "# = {" };
    auto_buf struct buf text = { 0 };
    switch (draw(depth > 0 ? 8 : 5)) {
    case 0:
        ad_set_int(ad, name, (int64_t)((uint64_t)draw(1u << 31) << draw(33)) * (draw(2) ? 1 : -1));
        break;
    case 1:
        ad_set_real(ad, name, ((double)draw(1000000) - 5e5) / (1 + draw(1000)));
        break;
    case 2:
        ad_set_bool(ad, name, draw(2));
        break;
    case 3:
        ad_set_string(ad, name, strings[draw(COUNT(strings))]);
        break;
    case 4:
        grow(3, &text);
        assert_int_equal(ad_set_expr(ad, name, buf_cstr(&text), NULL), 0);
        break;
    case 5:
        ad_set_ad(ad, name, grow_ad(depth - 1));
        break;
    default:
        ad_make_list(ad, name);
        for (unsigned i = draw(4); i > 0; i--) {
            ad_append_ad(ad, name, grow_ad(depth - 1));
            ad_append_string(ad, name, strings[draw(COUNT(strings))]);
        }
    }
}

static struct ad *grow_ad(int depth)
{
    struct ad *ad = ad_new();
    for (unsigned i = draw(8); i > 0; i--) {
        char name[16];
        snprintf(name, sizeof name, "%c%u", draw(2) ? 'a' : 'A', draw(6));
        grow_attribute(ad, name, depth);
    }
    return ad;
}

static void random_ads_survive_text_json_and_copying(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 2000; n++) {
        seed = n + 1;
        auto_ad struct ad *ad = grow_ad(3);
        auto_ad struct ad *copy = ad_copy(ad);
        auto_free char *text = text_of(ad);
        auto_free char *text_of_copy = text_of(copy);
        check_round_trips(ad, text);
        assert_string_equal(text, text_of_copy);
        for (size_t i = 0; i < ad_count(ad); i++)
            assert_true(ad_same(ad, copy, ad_name(ad, i)));
        while (ad_count(copy))
            assert_true(ad_remove(copy, ad_name(copy, draw((unsigned)ad_count(copy)))));
    }
}

/* ---- times ---- */

static const char *const formats[] = { "%a", "%A", "%b", "%B", "%c", "%d", "%D", "%e", "%F", "%h", "%H",
                                       "%I", "%j", "%m", "%M", "%n", "%p", "%r", "%R", "%S", "%t", "%T",
                                       "%u", "%U", "%w", "%W", "%x", "%X", "%y", "%Y", "%%", "x" };

/* The C library's calendar is the reference, in the "C" locale. */
static void times_are_formatted_as_strftime_does(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    for (unsigned n = 0; n < 2000; n++) {
        seed = n + 1;
        time_t seconds = (time_t)(((int64_t)draw(1u << 31) << 6) + draw(64)) - ((int64_t)1 << 36);
        const char *format = formats[draw(COUNT(formats))];
        struct ad_scope scope = { .my = ad, .now = 0, .utc_offset_s = (int64_t)draw(25) * 3600 - 12 * 3600 };
        time_t local = seconds + scope.utc_offset_s;
        struct tm tm;
        char expected[64];
        assert_non_null(gmtime_r(&local, &tm));
        strftime(expected, sizeof expected, format, &tm);
        auto_free char *text = mem_printf("formatTime(%lld, \"%s\")", (long long)seconds, format);
        assert_int_equal(ad_set_expr(ad, "x", text, NULL), 0);
        struct value value;
        ad_eval(&scope, "x", &value);
        assert_int_equal(value.kind, VALUE_STRING);
        if (strcmp(value.string, expected) != 0)
            fail_msg("%s is '%s', not '%s'", text, value.string, expected);
        value_release(&value);
    }
}

static void times_read_back_as_what_they_were(void **state)
{
    (void)state;
    auto_ad struct ad *ad = ad_new();
    for (unsigned n = 0; n < 2000; n++) {
        seed = n + 1;
        long long seconds = (long long)draw(1u << 31) * 16 - (n % 2 ? 0 : 1LL << 34);
        int offset_s = ((int)draw(49) - 24) * 1800;
        int milliseconds = (int)draw(1u << 30);
        auto_free char *text = mem_printf("absTime(string(absTime(%lld, %d))) =?= absTime(%lld, %d) && "
                                          "relTime(string(relTime(%d.%03d))) =?= relTime(%d.%03d)",
                                          seconds, offset_s, seconds, offset_s, milliseconds / 1000, milliseconds % 1000,
                                          milliseconds / 1000, milliseconds % 1000);
        struct ad_scope scope = { .my = ad };
        assert_int_equal(ad_set_expr(ad, "x", text, NULL), 0);
        struct value value;
        ad_eval(&scope, "x", &value);
        if (value.kind != VALUE_BOOL || !value.boolean)
            fail_msg("%s", text);
    }
}

/* Every text cut short anywhere is either refused or read; the sanitizers watch. */
static void texts_cut_short_anywhere_do_no_harm(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 40; n++) {
        seed = n + 1;
        auto_ad struct ad *ad = grow_ad(2);
        auto_free char *text = text_of(ad);
        auto_free char *json = json_of(ad);
        for (size_t len = 0; len < strlen(text); len += 1 + len / 200) {
            auto_free char *cut = mem_dup_n(text, len);
            auto_ad struct ad *into = ad_new();
            int result = ad_parse(into, cut, len, NULL);
            assert_true(result == 0 || ad_count(into) == 0);
        }
        for (size_t len = 0; len < strlen(json); len += 1 + len / 200) {
            auto_free char *cut = mem_dup_n(json, len);
            struct ad *none = NULL;
            assert_int_equal(ad_parse_json(cut, len, &none, NULL), -1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_trees_have_the_reference_evaluators_value_however_they_are_written),
        cmocka_unit_test(every_pair_of_operators_binds_as_the_manual_says),
        cmocka_unit_test(random_ads_survive_text_json_and_copying),
        cmocka_unit_test(times_are_formatted_as_strftime_does),
        cmocka_unit_test(times_read_back_as_what_they_were),
        cmocka_unit_test(texts_cut_short_anywhere_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
