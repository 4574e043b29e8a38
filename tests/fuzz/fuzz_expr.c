/* Evaluation: the first line is an expression, the others are the ad that it is evaluated in, on both sides of a match. */
#include "ad_round_trip.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void evaluate(const char *text, const struct ad *ad)
{
    struct ad_scope scope = { .my = ad, .target = ad, .now = 1000 };
    struct ad_expr *expr = NULL;
    if (ad_expr_parse(text, &expr, NULL) < 0)
        return;
    struct value value;
    ad_expr_eval(expr, &scope, &value);
    require((value.kind == VALUE_STRING) == (value.string != NULL), "a string value without a string", text);
    /* Once more as an attribute, which it may refer to itself. */
    auto_ad struct ad *with = ad_copy(ad);
    struct error err = { 0 };
    require(ad_set_expr(with, "FuzzedExpression", text, &err) == 0, err.text, text);
    check_ad_round_trip(with);
    scope.my = with;
    struct value again;
    ad_eval(&scope, "fuzzedexpression", &again);
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
