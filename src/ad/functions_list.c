/* Functions on lists. */
#include "ad/functions.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct result function_size(const struct arguments *args)
{
    struct result value = argument(args, 0);
    switch (value.kind) {
    case VALUE_STRING:
        return result_int((int64_t)strlen(value.text));
    case VALUE_LIST:
        return result_int(value.list->count);
    case VALUE_AD:
        return result_int((int64_t)value.frame->ad->count);
    default:
        return result_error();
    }
}

/* member(value, list): some element == value; identicalMember: some element =?= value. */
struct result function_member(const struct arguments *args)
{
    struct result value = argument(args, 0);
    struct result list = argument(args, 1);
    bool identical = args->variant == OP_IS;
    if (list.kind == VALUE_UNDEFINED || (!identical && value.kind == VALUE_UNDEFINED && list.kind == VALUE_LIST))
        return result_undefined();
    if (list.kind != VALUE_LIST || value.kind == VALUE_LIST || value.kind == VALUE_AD ||
        (!identical && value.kind == VALUE_ERROR))
        return result_error();
    for (uint32_t i = 0; i < list.list->count; i++) {
        struct result item = eval_element(args->eval, list, i);
        if (result_is_true(eval_operator(args->eval, (enum node_op)args->variant, item, value)))
            return result_bool(true);
    }
    return result_bool(false);
}

static bool comparison_of(const char *text, enum node_op *op)
{
    static const struct {
        const char *text;
        enum node_op op;
    } known[] = {
        { "<", OP_LT },  { "<=", OP_LE }, { "==", OP_EQ },     { "!=", OP_NE },  { ">", OP_GT },
        { ">=", OP_GE }, { "is", OP_IS }, { "isnt", OP_ISNT }, { "=?=", OP_IS }, { "=!=", OP_ISNT },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (node_compare_names(known[i].text, text) == 0) {
            *op = known[i].op;
            return true;
        }
    return false;
}

/* anyCompare(operator, list, value), allCompare. */
struct result function_compare_each(const struct arguments *args)
{
    struct result name = argument(args, 0);
    struct result list = argument(args, 1);
    struct result value = argument(args, 2);
    enum node_op op;
    if (name.kind != VALUE_STRING)
        return function_refuse(name);
    if (!comparison_of(name.text, &op))
        return result_error();
    if (list.kind != VALUE_LIST || value.kind == VALUE_LIST || value.kind == VALUE_AD)
        return function_refuse(list);
    bool any = args->variant == COMPARE_ANY;
    for (uint32_t i = 0; i < list.list->count; i++) {
        struct result holds = eval_operator(args->eval, op, eval_element(args->eval, list, i), value);
        if (result_is_true(holds) == any)
            return result_bool(any);
    }
    return result_bool(!any);
}

/* Undefined values do not count: of nothing else the answer is undefined. Of nothing at all sum and average are 0. */
struct result function_summarize(struct eval *eval, int variant, const struct result *values, size_t count)
{
    struct result total = result_undefined();
    bool bound = variant == MINIMUM || variant == MAXIMUM;
    bool real = false;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct result value = values[i];
        if (value.kind == VALUE_UNDEFINED)
            continue;
        if (!result_is_number(value))
            return result_error();
        real |= value.kind == VALUE_REAL;
        if (used++ == 0)
            total = value.kind == VALUE_BOOL ? result_int(value.boolean) : value;
        else if (!bound)
            total = eval_operator(eval, OP_ADD, total, value);
        else if (result_is_true(eval_operator(eval, variant == MINIMUM ? OP_LT : OP_GT, value, total)))
            total = value.kind == VALUE_BOOL ? result_int(value.boolean) : value;
    }
    if (count == 0 && !bound)
        return result_int(0);
    if (used == 0 || total.kind == VALUE_ERROR)
        return total;
    if (variant == AVERAGE)
        return result_real(result_as_real(total) / (double)used);
    return real ? result_real(result_as_real(total)) : total;
}

/* sum(list), avg(list), min(list), max(list). */
struct result function_summary(const struct arguments *args)
{
    if (args->count == 0)
        return function_summarize(args->eval, args->variant, NULL, 0);
    struct result list = argument(args, 0);
    if (list.kind != VALUE_LIST)
        return function_refuse(list);
    struct result *values = eval_alloc(args->eval, (list.list->count + 1) * sizeof *values);
    for (uint32_t i = 0; i < list.list->count; i++)
        values[i] = eval_element(args->eval, list, i);
    return function_summarize(args->eval, args->variant, values, list.list->count);
}

/* split(text [, delimiters]). */
struct result function_split(const struct arguments *args)
{
    struct result parts[2] = { [1] = result_string(" \t\r\n\f\v") };
    struct result bad;
    if (!function_strings(args, 0, args->count, parts, &bad))
        return bad;
    auto_free struct result *items = NULL;
    size_t count = 0;
    size_t capacity = 0;
    size_t len;
    for (const char *at = parts[0].text; function_next_item(args->eval, &at, parts[1].text, &len); at += len) {
        items = mem_grow(items, &capacity, count + 1, sizeof *items);
        items[count++] = eval_text(args->eval, at, len);
    }
    return eval_list(args->eval, items, count);
}

/* splitUserName("user@domain"), splitSlotName("slot@machine"): who has no @ is a user, or a machine. */
struct result function_split_at(const struct arguments *args)
{
    struct result name;
    struct result bad;
    if (!function_strings(args, 0, 1, &name, &bad))
        return bad;
    const char *at = strchr(name.text, '@');
    struct result whole = result_string(name.text);
    struct result none = result_string("");
    struct result parts[2] = { args->variant == SPLIT_USER ? whole : none, args->variant == SPLIT_USER ? none : whole };
    if (at) {
        parts[0] = eval_text(args->eval, name.text, (size_t)(at - name.text));
        parts[1] = result_string(at + 1);
    }
    return eval_list(args->eval, parts, 2);
}
