/* The life of expression trees. All recursion here is bounded by the height that the parsers allow. */
#include "ad/node.h"

#include "base/mem.h"

#include <string.h>

static const struct node_operator operators[OP_MOD + 1] = {
    [OP_OR] = { "||", 2 },
    [OP_AND] = { "&&", 3 },
    [OP_EQ] = { "==", 4 },
    [OP_NE] = { "!=", 4 },
    [OP_IS] = { "=?=", 4 },
    [OP_ISNT] = { "=!=", 4 },
    [OP_LT] = { "<", 5 },
    [OP_LE] = { "<=", 5 },
    [OP_GT] = { ">", 5 },
    [OP_GE] = { ">=", 5 },
    [OP_ADD] = { "+", 6 },
    [OP_SUB] = { "-", 6 },
    [OP_MUL] = { "*", 7 },
    [OP_DIV] = { "/", 7 },
    [OP_MOD] = { "%", 7 },
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
