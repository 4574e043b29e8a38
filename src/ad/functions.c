/* The language's functions. A function sees its arguments unevaluated, because some look at one only if another says so. */
#include "ad/eval.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    struct eval *eval;
    const struct node *nodes;
    uint32_t count;
    const struct frame *frame;
};

static struct result argument(const struct arguments *args, uint32_t i)
{
    return eval_node(args->eval, &args->nodes[i], args->frame);
}

static struct result result_text(struct eval *eval, const char *text, size_t len)
{
    char *copy = eval_alloc(eval, len + 1);
    memcpy(copy, text, len);
    return (struct result){ .kind = VALUE_STRING, .text = copy };
}

/* Appends the value as text; false when it has none. */
static bool append_text(struct eval *eval, struct result value, struct buf *out)
{
    size_t before = out->len;
    switch (value.kind) {
    case VALUE_BOOL:
        buf_text(out, value.boolean ? "true" : "false");
        break;
    case VALUE_INT:
        node_print_int(value.integer, out);
        break;
    case VALUE_REAL:
        node_print_real(value.real, out);
        break;
    case VALUE_STRING:
        buf_text(out, value.text);
        break;
    case VALUE_OTHER:
        node_print(value.node, out);
        break;
    default:
        return false;
    }
    return eval_spend(eval, out->len - before);
}

static struct result call_strcat(const struct arguments *args)
{
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    for (uint32_t i = 0; i < args->count; i++)
        if (!append_text(args->eval, argument(args, i), &text) || text.full)
            return result_error();
    return result_text(args->eval, buf_cstr(&text), text.len);
}

static struct result in_case(const struct arguments *args, char first, char last)
{
    auto_buf struct buf text = { 0 };
    if (!append_text(args->eval, argument(args, 0), &text))
        return result_error();
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= first && text.data[i] <= last)
            text.data[i] ^= 0x20;
    return result_text(args->eval, buf_cstr(&text), text.len);
}

static struct result call_to_lower(const struct arguments *args)
{
    return in_case(args, 'A', 'Z');
}

static struct result call_to_upper(const struct arguments *args)
{
    return in_case(args, 'a', 'z');
}

static struct result call_time(const struct arguments *args)
{
    return result_int(args->eval->scope->now);
}

static struct result call_is_undefined(const struct arguments *args)
{
    return result_bool(argument(args, 0).kind == VALUE_UNDEFINED);
}

static struct result call_is_error(const struct arguments *args)
{
    return result_bool(argument(args, 0).kind == VALUE_ERROR);
}

static struct result call_if_then_else(const struct arguments *args)
{
    struct result condition = eval_condition(argument(args, 0));
    return condition.kind == VALUE_BOOL ? argument(args, condition.boolean ? 1 : 2) : condition;
}

static struct result call_size(const struct arguments *args)
{
    struct result value = argument(args, 0);
    if (value.kind == VALUE_STRING)
        return result_int((int64_t)strlen(value.text));
    if (value.kind != VALUE_OTHER)
        return result_error();
    return result_int(value.node->kind == NODE_AD ? (int64_t)value.node->ad->count : (int64_t)value.node->count);
}

/* A decimal number in a string, with blanks around it: strtod alone would also take "inf", "nan" and hexadecimal. */
static struct result number_in(const char *text)
{
    static const char blanks[] = " \t\n\r";
    text += strspn(text, blanks);
    size_t len = strspn(text, "0123456789.eE+-");
    if (len == 0 || text[len + strspn(text + len, blanks)])
        return result_error();
    char *end;
    errno = 0;
    int64_t integer = strtoll(text, &end, 10);
    if (end == text + len)
        return errno ? result_error() : result_int(integer);
    double real = strtod(text, &end);
    return end == text + len && isfinite(real) ? (struct result){ .kind = VALUE_REAL, .real = real } : result_error();
}

static struct result number_argument(const struct arguments *args)
{
    struct result value = argument(args, 0);
    if (value.kind == VALUE_STRING)
        return number_in(value.text);
    if (value.kind == VALUE_BOOL)
        return result_int(value.boolean);
    return value.kind == VALUE_INT || value.kind == VALUE_REAL ? value : result_error();
}

static struct result call_int(const struct arguments *args)
{
    struct result value = number_argument(args);
    if (value.kind != VALUE_REAL)
        return value;
    return value.real >= -0x1p63 && value.real < 0x1p63 ? result_int((int64_t)value.real) : result_error();
}

static struct result call_real(const struct arguments *args)
{
    struct result value = number_argument(args);
    return value.kind == VALUE_INT ? (struct result){ .kind = VALUE_REAL, .real = (double)value.integer } : value;
}

/* member(value, list): some element == value. */
static struct result call_member(const struct arguments *args)
{
    struct result value = argument(args, 0);
    struct result list = argument(args, 1);
    if (value.kind == VALUE_ERROR || value.kind == VALUE_OTHER || list.kind != VALUE_OTHER ||
        list.node->kind != NODE_LIST)
        return result_error();
    if (value.kind == VALUE_UNDEFINED)
        return value;
    for (uint32_t i = 0; i < list.node->count; i++) {
        struct result item = eval_node(args->eval, &list.node->children[i], list.frame);
        struct result equal = eval_operator(args->eval, OP_EQ, item, value);
        if (equal.kind == VALUE_BOOL && equal.boolean)
            return equal;
    }
    return result_bool(false);
}

/* stringListMember(text, "a, b, c" [, delimiters]): case counts. */
static struct result call_string_list_member(const struct arguments *args)
{
    struct result parts[3] = { [2] = { .kind = VALUE_STRING, .text = " ," } };
    for (uint32_t i = 0; i < args->count; i++)
        parts[i] = argument(args, i);
    for (uint32_t i = 0; i < 3; i++)
        if (parts[i].kind != VALUE_STRING)
            return parts[i].kind == VALUE_UNDEFINED ? parts[i] : result_error();
    size_t len = strlen(parts[0].text);
    const char *delimiters = parts[2].text;
    for (const char *p = parts[1].text; *(p += strspn(p, delimiters));) {
        size_t item_len = strcspn(p, delimiters);
        if (item_len == len && memcmp(p, parts[0].text, len) == 0)
            return result_bool(true);
        if (!eval_spend(args->eval, 1 + strlen(delimiters)))
            return result_error();
        p += item_len;
    }
    return result_bool(false);
}

static const struct {
    const char *name;
    uint32_t at_least;
    uint32_t at_most;
    struct result (*call)(const struct arguments *args);
} functions[] = {
    { "time", 0, 0, call_time },
    { "isUndefined", 1, 1, call_is_undefined },
    { "isError", 1, 1, call_is_error },
    { "ifThenElse", 3, 3, call_if_then_else },
    { "strcat", 0, UINT32_MAX, call_strcat },
    { "string", 1, 1, call_strcat },
    { "toLower", 1, 1, call_to_lower },
    { "toUpper", 1, 1, call_to_upper },
    { "size", 1, 1, call_size },
    { "int", 1, 1, call_int },
    { "real", 1, 1, call_real },
    { "member", 2, 2, call_member },
    { "stringListMember", 2, 3, call_string_list_member },
};

struct result eval_call(struct eval *eval, const struct node *call, const struct frame *frame)
{
    struct arguments args = { eval, call->children + 1, call->count - 1, frame };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (node_compare_names(functions[i].name, call->children[0].text) == 0)
            return args.count >= functions[i].at_least && args.count <= functions[i].at_most ? functions[i].call(&args)
                                                                                           : result_error();
    return result_error();
}
