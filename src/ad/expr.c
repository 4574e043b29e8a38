/* Expressions and values as the rest of the program has them. */
#include "ad/eval.h"

#include "base/mem.h"

#include <string.h>

struct ad_expr {
    struct node node;
};

struct ad_expr *expr_new(struct node node)
{
    struct ad_expr *expr = mem_new(struct ad_expr);
    expr->node = node;
    return expr;
}

void value_release(struct value *value)
{
    free(value->string);
    ad_free(value->ad);
    ad_expr_free(value->list);
    *value = (struct value){ 0 };
}

static void print_time(const struct value *value, struct buf *out)
{
    bool absolute = value->kind == VALUE_ABSTIME;
    buf_text(out, absolute ? "absTime(\"" : "relTime(\"");
    if (absolute)
        time_print_absolute(value->integer, value->offset_s, out);
    else
        time_print_relative(value->real, out);
    buf_text(out, "\")");
}

void value_print(const struct value *value, struct buf *out)
{
    switch (value->kind) {
    case VALUE_UNDEFINED:
    case VALUE_ERROR:
        buf_text(out, value->kind == VALUE_ERROR ? "error" : "undefined");
        break;
    case VALUE_BOOL:
        buf_text(out, value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        node_print_int(value->integer, out);
        break;
    case VALUE_REAL:
        node_print_real(value->real, out);
        break;
    case VALUE_STRING:
        node_print_string(value->string, out);
        break;
    case VALUE_LIST:
        node_print(&value->list->node, out);
        break;
    case VALUE_AD:
        node_print(&(struct node){ .kind = NODE_AD, .ad = value->ad }, out);
        break;
    case VALUE_ABSTIME:
    case VALUE_RELTIME:
        print_time(value, out);
        break;
    }
}

void ad_eval(const struct ad_scope *scope, const char *name, struct value *out)
{
    static const struct node undefined;
    const struct node *node = node_find(scope->my, name);
    eval_outermost(node ? node : &undefined, scope, out);
}

static int parse(const char *text, bool old_strings, struct ad_expr **expr, struct error *err)
{
    struct node_source source = { .text = text, .len = strlen(text), .old_strings = old_strings };
    struct node node;
    if (node_parse(&source, &node, err) < 0)
        return -1;
    *expr = expr_new(node);
    return 0;
}

int ad_expr_parse(const char *text, struct ad_expr **expr, struct error *err)
{
    return parse(text, false, expr, err);
}

int ad_expr_parse_old(const char *text, struct ad_expr **expr, struct error *err)
{
    return parse(text, true, expr, err);
}

void ad_expr_free(struct ad_expr *expr)
{
    if (!expr)
        return;
    node_release(&expr->node);
    free(expr);
}

struct ad_expr *ad_expr_of(const struct ad *ad, const char *name)
{
    const struct node *node = node_find(ad, name);
    return node ? expr_new(node_copy(node)) : NULL;
}

void ad_set_expr_copy(struct ad *ad, const char *name, const struct ad_expr *expr)
{
    node_assign(ad, name, node_copy(&expr->node));
}

void ad_expr_print(const struct ad_expr *expr, struct buf *out)
{
    node_print(&expr->node, out);
}

static void add_clauses(const struct node *node, struct ad_expr **clauses, size_t max, size_t *count)
{
    if (node->kind == NODE_BINARY && node->op == OP_AND) {
        for (uint32_t i = 0; i < node->count; i++)
            add_clauses(&node->children[i], clauses, max, count);
        return;
    }
    if (*count < max)
        clauses[(*count)++] = expr_new(node_copy(node));
}

size_t ad_expr_clauses(const struct ad_expr *expr, struct ad_expr **clauses, size_t max)
{
    size_t count = 0;
    add_clauses(&expr->node, clauses, max, &count);
    return count;
}

/* The first node of the tree, ads and lists in it included, for which something holds. */
static const struct node *find_node(const struct node *node, bool (*holds)(const struct node *node, const char *name), const char *name)
{
    const struct node *found = holds(node, name) ? node : NULL;
    if (node->kind == NODE_AD)
        for (size_t i = 0; i < node->ad->count && !found; i++)
            found = find_node(&node->ad->attributes[i].value, holds, name);
    if (node->kind == NODE_LIST || (node->kind >= NODE_SELECT && node->kind <= NODE_CALL))
        for (uint32_t i = 0; i < node->count && !found; i++)
            found = find_node(&node->children[i], holds, name);
    return found;
}

static bool is_reference(const struct node *node, const char *name)
{
    return node->kind == NODE_REF && node_compare_names(node->text, name) == 0;
}

static bool can_vary(const struct node *node, const char *name)
{
    (void)name;
    return node->kind == NODE_REF || (node->kind == NODE_CALL && eval_function_varies(node->op));
}

static bool is_unknown_call(const struct node *node, const char *name)
{
    (void)name;
    return node->kind == NODE_CALL && node->op == 0;
}

const char *ad_expr_unknown_function(const struct ad_expr *expr)
{
    const struct node *call = find_node(&expr->node, is_unknown_call, NULL);
    return call ? call->children[0].text : NULL;
}

bool ad_expr_mentions(const struct ad_expr *expr, const char *name)
{
    return find_node(&expr->node, is_reference, name);
}

bool ad_expr_is_constant(const struct ad_expr *expr)
{
    return !find_node(&expr->node, can_vary, NULL);
}

void ad_expr_eval(const struct ad_expr *expr, const struct ad_scope *scope, struct value *out)
{
    eval_outermost(&expr->node, scope, out);
}

bool ad_expr_true(const struct ad_expr *expr, const struct ad_scope *scope)
{
    struct value value;
    ad_expr_eval(expr, scope, &value);
    bool is_true = (value.kind == VALUE_BOOL && value.boolean) || (value.kind == VALUE_INT && value.integer != 0) ||
                   (value.kind == VALUE_REAL && value.real != 0);
    value_release(&value);
    return is_true;
}
