/* Functions on lists that are strings: items with delimiters between them, any of the characters of a string. */
#include "ad/functions.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* One or more strings, and the delimiters behind them if they are given. */
static bool list_arguments(const struct arguments *args, uint32_t lists, struct result *parts, struct result *bad)
{
    parts[lists] = result_string(DEFAULT_DELIMITERS);
    return function_strings(args, 0, args->count, parts, bad);
}

struct result function_string_list_size(const struct arguments *args)
{
    struct result parts[2];
    struct result bad;
    if (!list_arguments(args, 1, parts, &bad))
        return result_error();
    int64_t count = 0;
    size_t len;
    const char *item;
    for (const char *at = parts[0].text; function_next_trimmed(args->eval, &at, parts[1].text, &item, &len);)
        count++;
    return result_int(count);
}

struct result function_string_list_summary(const struct arguments *args)
{
    struct result parts[2];
    struct result bad;
    if (!list_arguments(args, 1, parts, &bad))
        return bad;
    auto_free struct result *values = NULL;
    size_t count = 0;
    size_t capacity = 0;
    size_t len;
    const char *item;
    for (const char *at = parts[0].text; function_next_trimmed(args->eval, &at, parts[1].text, &item, &len);) {
        auto_free char *text = mem_dup_n(item, len);
        values = mem_grow(values, &capacity, count + 1, sizeof *values);
        values[count] = function_number(text);
        if (!eval_spend(args->eval, 1 + len) || values[count++].kind == VALUE_ERROR)
            return result_error();
    }
    if (count == 0 && args->variant == AVERAGE)
        return result_real(0);
    return function_summarize(args->eval, args->variant, values, count);
}

static bool is_item(const char *item, size_t item_len, const char *text, size_t len, int compare)
{
    if (item_len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (compare == COMPARE_EXACT ? item[i] != text[i] : node_lower(item[i]) != node_lower(text[i]))
            return false;
    return true;
}

/* Whether the list has the item; false, too, when the evaluation has run out. */
static bool has_item(struct eval *eval, const char *list, const char *delimiters, const char *text, size_t len, int compare)
{
    size_t item_len;
    const char *item;
    while (function_next_trimmed(eval, &list, delimiters, &item, &item_len))
        if (is_item(item, item_len, text, len, compare))
            return true;
    return false;
}

/* The two lists, or item and list, and delimiters; `none` says which of the two are undefined. False when one is neither that
 * nor a string. */
static bool two_lists(const struct arguments *args, struct result parts[3], bool none[2])
{
    parts[2] = result_string(DEFAULT_DELIMITERS);
    for (uint32_t i = 0; i < args->count; i++)
        parts[i] = argument(args, i);
    for (uint32_t i = 0; i < 2; i++)
        none[i] = parts[i].kind == VALUE_UNDEFINED;
    for (uint32_t i = 0; i < 3; i++)
        if (parts[i].kind != VALUE_STRING && (i == 2 || !none[i]))
            return false;
    return true;
}

/* What is not known is in no list, and a list that is not known has nothing. */
struct result function_string_list_member(const struct arguments *args)
{
    struct result parts[3];
    bool none[2];
    if (!two_lists(args, parts, none))
        return result_error();
    if (none[0] || none[1])
        return none[0] && none[1] ? result_undefined() : result_bool(false);
    const char *text = parts[0].text;
    return result_bool(has_item(args->eval, parts[1].text, parts[2].text, text, strlen(text), args->variant));
}

/* How many of the first list's items the second has, and how many there are. */
static size_t count_common(const struct arguments *args, const struct result parts[3], int compare, size_t *count)
{
    size_t common = 0;
    size_t len;
    const char *item;
    *count = 0;
    for (const char *at = parts[0].text; function_next_trimmed(args->eval, &at, parts[2].text, &item, &len);) {
        common += has_item(args->eval, parts[1].text, parts[2].text, item, len, compare);
        ++*count;
    }
    return common;
}

struct result function_string_lists_intersect(const struct arguments *args)
{
    struct result parts[3];
    struct result bad;
    size_t count;
    if (!list_arguments(args, 2, parts, &bad))
        return bad;
    return result_bool(count_common(args, parts, COMPARE_EXACT, &count) > 0);
}

/* An undefined list is one without items, but two of them are nothing that could be compared. */
struct result function_string_list_subset(const struct arguments *args)
{
    struct result parts[3];
    bool none[2];
    if (!two_lists(args, parts, none))
        return result_error();
    if (none[0] || none[1])
        return none[0] && none[1] ? result_undefined() : result_bool(none[0]);
    size_t count;
    size_t common = count_common(args, parts, args->variant, &count);
    return result_bool(common == count);
}
