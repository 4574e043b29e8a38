/* Functions that look at expressions, not only at their values. */
#include "ad/functions.h"

#include "base/mem.h"

#include <string.h>

struct result function_if_then_else(const struct arguments *args)
{
    struct result condition = eval_condition(argument(args, 0));
    return condition.kind == VALUE_BOOL ? argument(args, condition.boolean ? 1 : 2) : condition;
}

struct result function_debug(const struct arguments *args)
{
    return argument(args, 0);
}

/* Text that is no expression is an error. */
struct result function_eval(const struct arguments *args)
{
    struct result value = argument(args, 0);
    if (value.kind != VALUE_STRING)
        return value;
    struct node_source source = { .text = value.text, .len = strlen(value.text) };
    struct node node;
    if (!eval_spend(args->eval, source.len) || node_parse(&source, &node, NULL) < 0)
        return result_error();
    return eval_node(args->eval, eval_keep(args->eval, node), args->frame);
}

struct result function_unparse(const struct arguments *args)
{
    const struct frame *frame = args->frame;
    if (args->nodes[0].kind != NODE_REF)
        return result_error();
    const struct node *found = eval_find(args->eval, &args->nodes[0], &frame);
    if (!found)
        return result_string("");
    if (found->kind == NODE_VALUE)
        return result_error();
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    node_print(found, &text);
    return text.full ? result_error() : eval_text(args->eval, buf_cstr(&text), text.len);
}

/* Names, in the alphabet's order, each once. */
struct names {
    const char **items;
    size_t count;
    size_t capacity;
};

static void add_name(struct names *names, const char *name)
{
    size_t at = 0;
    while (at < names->count && node_compare_names(names->items[at], name) < 0)
        at++;
    if (at < names->count && node_compare_names(names->items[at], name) == 0)
        return;
    names->items = mem_grow(names->items, &names->capacity, names->count + 1, sizeof *names->items);
    memmove(names->items + at + 1, names->items + at, (names->count - at) * sizeof *names->items);
    names->items[at] = name;
    names->count++;
}

/* Which of a tree's references the ad that it belongs to does not answer. References in nested ads are looked up there first. */
static void add_unresolved(struct eval *eval, const struct node *node, const struct frame *frame, struct names *names)
{
    if (!eval_spend(eval, 1 + names->count / EVAL_BYTES_PER_WORK))
        return;
    if (node->kind == NODE_REF) {
        const struct frame *at = frame;
        if (node->op == SCOPE_TARGET || !eval_find(eval, node, &at) || at->side != frame->side)
            add_name(names, node->text);
    }
    if (node->kind == NODE_AD) {
        struct frame inner = { .ad = node->ad, .outer = frame, .side = frame->side };
        for (size_t i = 0; i < node->ad->count; i++)
            add_unresolved(eval, &node->ad->attributes[i].value, &inner, names);
    }
    if (node->kind == NODE_LIST || (node->kind >= NODE_SELECT && node->kind <= NODE_CALL))
        for (uint32_t i = 0; i < node->count; i++)
            add_unresolved(eval, &node->children[i], frame, names);
}

static struct result unresolved_result(const struct arguments *args, const struct names *names)
{
    if (args->count == 2) {
        struct result pattern = argument(args, 1);
        if (pattern.kind != VALUE_STRING)
            return function_refuse(pattern);
        return function_match_any(args->eval, pattern.text, names->items, names->count);
    }
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    for (size_t i = 0; i < names->count; i++) {
        buf_text(&text, i > 0 ? "," : "");
        buf_text(&text, names->items[i]);
    }
    return text.full ? result_error() : eval_text(args->eval, buf_cstr(&text), text.len);
}

struct result function_unresolved(const struct arguments *args)
{
    const struct frame *frame = args->frame;
    if (args->nodes[0].kind != NODE_REF)
        return result_error();
    const struct node *found = eval_find(args->eval, &args->nodes[0], &frame);
    if (!found)
        return result_undefined();
    struct names names = { 0 };
    add_unresolved(args->eval, found, frame, &names);
    struct result result = unresolved_result(args, &names);
    free(names.items);
    return result;
}

/* The expression that is evaluated in each context: a reference stands for the expression that it refers to, if it does. */
static const struct node *context_expression(const struct arguments *args)
{
    const struct frame *frame = args->frame;
    const struct node *given = &args->nodes[0];
    const struct node *found = given->kind == NODE_REF ? eval_find(args->eval, given, &frame) : NULL;
    return found ? found : given;
}

/* evalInEachContext: the values. countMatches: how many are true; what is no ad counts as no match. */
struct result function_in_each_context(const struct arguments *args)
{
    bool count = args->variant == CONTEXT_COUNT;
    const struct node *expression = context_expression(args);
    struct result contexts = argument(args, 1);
    if (contexts.kind == VALUE_UNDEFINED && count)
        return result_int(0);
    if (contexts.kind != VALUE_LIST)
        return result_error();
    uint32_t size = contexts.list->count;
    struct result *values = eval_alloc(args->eval, (size + 1) * sizeof *values);
    int64_t matches = 0;
    for (uint32_t i = 0; i < size; i++) {
        struct result context = eval_element(args->eval, contexts, i);
        if (context.kind != VALUE_AD && !count)
            return result_error();
        if (context.kind == VALUE_AD)
            values[i] = eval_node(args->eval, expression, context.frame);
        matches += result_is_true(values[i]);
    }
    return count ? result_int(matches) : eval_list(args->eval, values, size);
}
