/* The life of expression trees. All recursion here is bounded by the height that the parsers allow. */
#include "ad/node.h"

#include "ad/eval.h"
#include "base/mem.h"

#include <string.h>

static const struct node_operator operators[OP_MOD + 1] = {
    [OP_OR] = { "||", 2 },
    [OP_AND] = { "&&", 3 },
    [OP_BIT_OR] = { "|", 4 },
    [OP_BIT_XOR] = { "^", 5 },
    [OP_BIT_AND] = { "&", 6 },
    [OP_EQ] = { "==", 7 },
    [OP_NE] = { "!=", 7 },
    [OP_IS] = { "=?=", 7 },
    [OP_ISNT] = { "=!=", 7 },
    [OP_LT] = { "<", 8 },
    [OP_LE] = { "<=", 8 },
    [OP_GT] = { ">", 8 },
    [OP_GE] = { ">=", 8 },
    [OP_SHIFT_LEFT] = { "<<", 9 },
    [OP_SHIFT_RIGHT] = { ">>", 9 },
    [OP_SHIFT_RIGHT_ZERO] = { ">>>", 9 },
    [OP_ADD] = { "+", 10 },
    [OP_SUB] = { "-", 10 },
    [OP_MUL] = { "*", 11 },
    [OP_DIV] = { "/", 11 },
    [OP_MOD] = { "%", 11 },
};

const struct node_operator *node_operator(enum node_op op)
{
    return &operators[op];
}

static bool has_children(const struct node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LIST:
    case NODE_SELECT:
    case NODE_INDEX:
    case NODE_UNARY:
    case NODE_BINARY:
    case NODE_COND:
    case NODE_CALL:
        return true;
    default:
        return false;
    }
}

/* Every array of children has room for its count rounded up to a power of two; no field needs to remember it. */
static size_t capacity_of(uint32_t count)
{
    size_t capacity = count > 0;
    while (capacity < count)
        capacity *= 2;
    return capacity;
}

void node_release(struct node *node)
{
    if (node->kind == NODE_STRING || node->kind == NODE_REF)
        free(node->text);
    if (node->kind == NODE_AD)
        ad_free(node->ad);
    if (has_children(node)) {
        for (uint32_t i = 0; i < node->count; i++)
            node_release(&node->children[i]);
        free(node->children);
    }
    *node = (struct node){ 0 };
}

struct node node_copy(const struct node *node)
{
    struct node copy = *node;
    if (node->kind == NODE_STRING || node->kind == NODE_REF)
        copy.text = mem_dup(node->text);
    if (node->kind == NODE_AD)
        copy.ad = ad_copy(node->ad);
    if (has_children(node)) {
        copy.children = node->count ? mem_zero(capacity_of(node->count), sizeof *copy.children) : NULL;
        for (uint32_t i = 0; i < node->count; i++)
            copy.children[i] = node_copy(&node->children[i]);
    }
    return copy;
}

struct node node_string(const char *text, size_t len)
{
    return (struct node){ .kind = NODE_STRING, .text = mem_dup_n(text, len) };
}

struct node node_name(const char *text, size_t len)
{
    struct node name = node_string(text, len);
    name.count = node_hash(name.text);
    return name;
}

struct node node_call(const char *function)
{
    struct node call = { .kind = NODE_CALL, .op = eval_function_number(function) };
    node_push(&call, node_string(function, strlen(function)));
    return call;
}

void node_push(struct node *node, struct node child)
{
    if (node->count == capacity_of(node->count)) {
        struct node *larger = mem_zero(capacity_of(node->count + 1), sizeof child);
        if (node->count)
            memcpy(larger, node->children, node->count * sizeof child);
        free(node->children);
        node->children = larger;
    }
    node->children[node->count++] = child;
    if (child.height >= node->height && child.height < UINT16_MAX)
        node->height = (uint16_t)(child.height + 1);
}
