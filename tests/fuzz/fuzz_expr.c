/* Evaluation: the first line is an expression, the others are the ad that it is evaluated in, on both sides of a match. */
#include "ad_round_trip.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is printed is the value, except for numbers and times that no literal has. */
static void check_value(const struct value *value, const char *text)
{
    require((value->kind == VALUE_STRING) == (value->string != NULL), "a string value without a string", text);
    require((value->kind == VALUE_AD) == (value->ad != NULL), "an ad's value without an ad", text);
    require((value->kind == VALUE_LIST) == (value->list != NULL), "a list's value without a list", text);
    struct ad_scope nothing = { .my = NULL };
    auto_ad struct ad *empty = ad_new();
    nothing.my = empty;
    auto_buf struct buf printed = { 0 };
    value_print(value, &printed);
    struct ad_expr *expr = NULL;
    /* Elements that are ads may nest as deep again as what they came from. */
    if (printed.len > AD_TEXT_MAX || ad_expr_parse(buf_cstr(&printed), &expr, NULL) < 0)
        return;
    struct value again;
    ad_expr_eval(expr, &nothing, &again);
    bool plain = value->kind <= VALUE_STRING;
    require(!plain || again.kind == value->kind, "a value is printed as another", buf_cstr(&printed));
    value_release(&again);
    ad_expr_free(expr);
}

/* The clauses of a chain, joined again, are the expression in other parentheses; what has no reference mentions nothing. */
static void look_at(const struct ad_expr *expr, const char *text)
{
    struct ad_expr *clauses[4];
    size_t count = ad_expr_clauses(expr, clauses, 4);
    require(count >= 1, "an expression without clauses", text);
    for (size_t i = 0; i < count; i++) {
        require(!ad_expr_mentions(clauses[i], "A") || ad_expr_mentions(expr, "a"), "a clause mentions more", text);
        require(ad_expr_is_constant(clauses[i]) || !ad_expr_is_constant(expr), "a clause varies", text);
        ad_expr_free(clauses[i]);
    }
    require(!ad_expr_is_constant(expr) || !ad_expr_mentions(expr, "A"), "a constant with a reference", text);
}

static void evaluate(const char *text, const struct ad *ad)
{
    struct ad_scope scope = { .my = ad, .target = ad, .now = 1000, .utc_offset_s = 3600, .random = 1 };
    struct ad_expr *expr = NULL;
    if (ad_expr_parse_old(text, &expr, NULL) == 0)
        ad_expr_free(steal(expr));
    if (ad_expr_parse(text, &expr, NULL) < 0)
        return;
    struct value value;
    ad_expr_eval(expr, &scope, &value);
    check_value(&value, text);
    look_at(expr, text);
    /* Once more as an attribute, which it may refer to itself. */
    auto_ad struct ad *with = ad_copy(ad);
    struct error err = { 0 };
    require(ad_set_expr(with, "FuzzedExpression", text, &err) == 0, err.text, text);
    check_ad_round_trip(with);
    scope.my = with;
    struct value again;
    ad_eval(&scope, "fuzzedexpression", &again);
    check_value(&again, text);
    value_release(&again);
    value_release(&value);
    ad_expr_free(expr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t len = newline ? (size_t)(newline - data) : size;
    auto_free char *text = mem_dup_n(size ? (const char *)data : "", len);
    auto_ad struct ad *ad = ad_new();
    if (newline && ad_parse(ad, (const char *)newline + 1, size - len - 1, NULL) < 0)
        return 0;
    evaluate(text, ad);
    return 0;
}
