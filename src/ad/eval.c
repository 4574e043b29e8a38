/*
 * Evaluation of trees. && and || look from left to right and stop as soon as the rest cannot matter: false && error is false,
 * undefined && false is false, error && false is error. The operators' own rules are operator.c's.
 *
 * Expressions come from users and may refer to themselves. A reference to an attribute that is being evaluated is an error. Two
 * bounds make every evaluation short: its depth, and its work, which counts nodes visited, attributes passed, text handled and
 * steps of regular expressions. Who reaches a bound gets error as the value of the whole.
 *
 * Values borrow from the ads or live in chunks that go with the evaluation. Lists that functions make are trees like any other,
 * whose leaves are values that are there already (NODE_VALUE).
 */
#include "ad/eval.h"

#include "base/mem.h"

#include <string.h>

enum { EVAL_DEPTH_MAX = 400 }; /* recursion of eval_node; some 400 bytes of stack each */

struct chunk {
    struct chunk *next;
    struct node node; /* to be released */
    max_align_t data[];
};

struct active {
    const struct node *node;
    const struct active *below;
};

bool eval_spend(struct eval *eval, size_t amount)
{
    eval->work += amount;
    eval->exhausted |= eval->work > EVAL_WORK_MAX;
    return !eval->exhausted;
}

static struct chunk *add_chunk(struct eval *eval, size_t size)
{
    struct chunk *chunk;
    eval_spend(eval, (sizeof *chunk + size) / EVAL_BYTES_PER_WORK);
    chunk = mem_zero(1, sizeof *chunk + size);
    chunk->next = eval->chunks;
    eval->chunks = chunk;
    return chunk;
}

void *eval_alloc(struct eval *eval, size_t size)
{
    return add_chunk(eval, size)->data;
}

const struct node *eval_keep(struct eval *eval, struct node node)
{
    struct chunk *chunk = add_chunk(eval, 0);
    chunk->node = node;
    return &chunk->node;
}

struct result eval_text(struct eval *eval, const char *text, size_t len)
{
    char *copy = eval_alloc(eval, len + 1);
    if (len)
        memcpy(copy, text, len);
    return result_string(copy);
}

struct result eval_list(struct eval *eval, const struct result *values, size_t count)
{
    struct node *list = eval_alloc(eval, sizeof *list + count * (sizeof *list + sizeof *values));
    struct node *children = list + 1;
    struct result *kept = (struct result *)(void *)(children + count);
    for (size_t i = 0; i < count; i++) {
        kept[i] = values[i];
        children[i] = (struct node){ .kind = NODE_VALUE, .result = &kept[i] };
    }
    *list = (struct node){ .kind = NODE_LIST, .count = (uint32_t)count, .children = children };
    return (struct result){ .kind = VALUE_LIST, .list = list, .frame = &eval->roots[0] };
}

static struct result ad_in(struct eval *eval, const struct ad *ad, const struct frame *outer)
{
    struct frame *frame = eval_alloc(eval, sizeof *frame);
    *frame = (struct frame){ .ad = ad, .outer = outer, .side = outer->side };
    return (struct result){ .kind = VALUE_AD, .frame = frame };
}

struct result eval_ad(struct eval *eval, struct ad *ad)
{
    const struct node *node = eval_keep(eval, (struct node){ .kind = NODE_AD, .ad = ad });
    return ad_in(eval, node->ad, &eval->roots[0]);
}

struct result eval_condition(struct result value)
{
    if (value.kind == VALUE_UNDEFINED || value.kind == VALUE_BOOL)
        return value;
    return result_is_number(value) ? result_bool(result_is_true(value)) : result_error();
}

static struct result eval_logical(struct eval *eval, const struct node *node, const struct frame *frame)
{
    bool decisive = node->op == OP_OR; /* the value that settles it */
    bool undefined = false;
    for (uint32_t i = 0; i < node->count; i++) {
        struct result value = eval_condition(eval_node(eval, &node->children[i], frame));
        if (value.kind == VALUE_ERROR || (value.kind == VALUE_BOOL && value.boolean == decisive))
            return value;
        undefined |= value.kind == VALUE_UNDEFINED;
    }
    return undefined ? result_undefined() : result_bool(!decisive);
}

static struct result eval_binary(struct eval *eval, const struct node *node, const struct frame *frame)
{
    if (node->op == OP_OR || node->op == OP_AND)
        return eval_logical(eval, node, frame);
    struct result value = eval_node(eval, &node->children[0], frame);
    for (uint32_t i = 1; i < node->count; i++)
        value = eval_operator(eval, node->op, value, eval_node(eval, &node->children[i], frame));
    return value;
}

static const struct node *find_in(struct eval *eval, const struct frame *frame, const char *name, uint32_t hash)
{
    if (!frame || !frame->ad)
        return NULL;
    eval_spend(eval, frame->ad->count / EVAL_BYTES_PER_WORK);
    return node_find_hashed(frame->ad, name, hash);
}

static struct result eval_attribute(struct eval *eval, const struct node *node, const struct frame *frame)
{
    if (node->kind <= NODE_STRING)
        return eval_node(eval, node, frame);
    for (const struct active *active = eval->active; active; active = active->below)
        if (active->node == node)
            return result_error();
    struct active active = { .node = node, .below = eval->active };
    eval->active = &active;
    struct result value = eval_node(eval, node, frame);
    eval->active = active.below;
    return value;
}

const struct node *eval_find(struct eval *eval, const struct node *ref, const struct frame **frame)
{
    const struct frame *mine = &eval->roots[(*frame)->side];
    const struct frame *other = &eval->roots[1 - (*frame)->side];
    const struct node *found;
    if (ref->op == SCOPE_NONE) {
        for (const struct frame *at = *frame; at; at = at->outer)
            if ((found = find_in(eval, at, ref->text, ref->count))) {
                *frame = at;
                return found;
            }
        *frame = other;
    } else if (ref->op == SCOPE_ROOT) {
        while ((*frame)->outer)
            *frame = (*frame)->outer;
    } else {
        *frame = ref->op == SCOPE_MY ? mine : ref->op == SCOPE_TARGET ? other : (*frame)->outer;
    }
    return find_in(eval, *frame, ref->text, ref->count);
}

/* Names that every ad knows: the ads around the expression, and the time, which old expressions have as an attribute. */
static struct result eval_special(const struct eval *eval, const struct node *ref, const struct frame *frame)
{
    const struct frame *root = frame;
    while (root && root->outer)
        root = root->outer;
    const struct {
        const char *name;
        const struct frame *frame;
    } ads[] = {
        { "my", &eval->roots[frame ? frame->side : 0] },
        { "target", &eval->roots[1 - (frame ? frame->side : 0)] },
        { "parent", frame ? frame->outer : NULL },
        { "self", frame },
        { "root", root },
        { "toplevel", root },
    };
    if (node_compare_names(ref->text, "CurrentTime") == 0)
        return result_int(eval->scope->now);
    for (size_t i = 0; i < sizeof ads / sizeof *ads; i++)
        if (node_compare_names(ref->text, ads[i].name) == 0 && ads[i].frame && ads[i].frame->ad)
            return (struct result){ .kind = VALUE_AD, .frame = ads[i].frame };
    return result_undefined();
}

static struct result eval_ref(struct eval *eval, const struct node *node, const struct frame *frame)
{
    const struct frame *at = frame;
    const struct node *found = eval_find(eval, node, &at);
    if (found)
        return eval_attribute(eval, found, at);
    return eval_special(eval, node, node->op == SCOPE_NONE ? frame : at);
}

static struct result select_attribute(struct eval *eval, struct result ad, const char *name, uint32_t hash)
{
    const struct node *node = find_in(eval, ad.frame, name, hash);
    return node ? eval_attribute(eval, node, ad.frame) : result_undefined();
}

static struct result select_any(struct eval *eval, struct result base, const struct node *name)
{
    if (base.kind == VALUE_AD) {
        const struct node *found = find_in(eval, base.frame, name->text, name->count);
        return found ? eval_attribute(eval, found, base.frame) : eval_special(eval, name, base.frame);
    }
    if (base.kind != VALUE_LIST)
        return base.kind == VALUE_UNDEFINED ? base : result_error();
    /* Of a list, the attribute of each of its ads. */
    struct result *values = eval_alloc(eval, (base.list->count + 1) * sizeof *values);
    for (uint32_t i = 0; i < base.list->count; i++) {
        struct result element = eval_element(eval, base, i);
        values[i] = element.kind == VALUE_AD          ? select_attribute(eval, element, name->text, name->count)
                    : element.kind == VALUE_UNDEFINED ? element
                                                      : result_error();
    }
    return eval_list(eval, values, base.list->count);
}

struct result eval_element(struct eval *eval, struct result list, uint32_t i)
{
    return eval_node(eval, &list.list->children[i], list.frame);
}

static struct result eval_index(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result base = eval_node(eval, &node->children[0], frame);
    struct result index = eval_node(eval, &node->children[1], frame);
    if (base.kind == VALUE_ERROR || index.kind == VALUE_ERROR)
        return result_error();
    if (base.kind == VALUE_UNDEFINED || index.kind == VALUE_UNDEFINED)
        return result_undefined();
    if (base.kind == VALUE_AD && index.kind == VALUE_STRING)
        return select_attribute(eval, base, index.text, node_hash(index.text));
    if (base.kind != VALUE_LIST || index.kind != VALUE_INT || index.integer < 0 || index.integer >= base.list->count)
        return result_error();
    return eval_element(eval, base, (uint32_t)index.integer);
}

static struct result eval_choice(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result value = eval_node(eval, &node->children[0], frame);
    if (node->count == 2)
        return value.kind == VALUE_UNDEFINED ? eval_node(eval, &node->children[1], frame) : value;
    struct result condition = eval_condition(value);
    if (condition.kind != VALUE_BOOL)
        return condition;
    return eval_node(eval, &node->children[condition.boolean ? 1 : 2], frame);
}

static struct result eval_kind(struct eval *eval, const struct node *node, const struct frame *frame)
{
    switch ((enum node_kind)node->kind) {
    case NODE_BOOL:
        return result_bool(node->boolean);
    case NODE_INT:
        return result_int(node->integer);
    case NODE_REAL:
        return (struct result){ .kind = VALUE_REAL, .real = node->real };
    case NODE_STRING: /* counted here for whatever is done with it */
        eval_spend(eval, strlen(node->text) / EVAL_BYTES_PER_WORK);
        return result_string(node->text);
    case NODE_LIST:
        return (struct result){ .kind = VALUE_LIST, .list = node, .frame = frame };
    case NODE_AD:
        return ad_in(eval, node->ad, frame);
    case NODE_REF:
        return eval_ref(eval, node, frame);
    case NODE_SELECT:
        return select_any(eval, eval_node(eval, &node->children[0], frame), &node->children[1]);
    case NODE_INDEX:
        return eval_index(eval, node, frame);
    case NODE_UNARY:
        return eval_unary_operator(eval, node->op, eval_node(eval, &node->children[0], frame));
    case NODE_BINARY:
        return eval_binary(eval, node, frame);
    case NODE_COND:
        return eval_choice(eval, node, frame);
    case NODE_CALL:
        return eval_call(eval, node, frame);
    case NODE_VALUE:
        return *node->result;
    case NODE_UNDEFINED:
        return result_undefined();
    case NODE_ERROR:
        break;
    }
    return result_error();
}

struct result eval_node(struct eval *eval, const struct node *node, const struct frame *frame)
{
    eval->exhausted |= eval->depth >= EVAL_DEPTH_MAX;
    if (!eval_spend(eval, 1))
        return result_error();
    eval->depth++;
    struct result value = eval_kind(eval, node, frame);
    eval->depth--;
    return value;
}

/* What copying a tree costs; stops counting where the evaluation ends anyway. */
static bool spend_tree(struct eval *eval, const struct node *node)
{
    if (!eval_spend(eval, 2))
        return false;
    if (node->kind == NODE_STRING || node->kind == NODE_REF)
        return eval_spend(eval, strlen(node->text) / EVAL_BYTES_PER_WORK);
    if (node->kind == NODE_AD)
        for (size_t i = 0; i < node->ad->count; i++)
            if (!spend_tree(eval, &node->ad->attributes[i].value))
                return false;
    if (node->kind == NODE_LIST || (node->kind >= NODE_SELECT && node->kind <= NODE_CALL))
        for (uint32_t i = 0; i < node->count; i++)
            if (!spend_tree(eval, &node->children[i]))
                return false;
    return true;
}

static struct node export_list(struct eval *eval, struct result value)
{
    struct node list = { .kind = NODE_LIST };
    eval->exhausted |= eval->depth >= EVAL_DEPTH_MAX;
    eval->depth++;
    for (uint32_t i = 0; i < value.list->count && !eval->exhausted; i++)
        node_push(&list, eval_export(eval, eval_element(eval, value, i)));
    eval->depth--;
    return list;
}

static struct node export_time(struct result value)
{
    auto_buf struct buf text = { 0 };
    bool absolute = value.kind == VALUE_ABSTIME;
    if (absolute)
        time_print_absolute(value.integer, value.offset_s, &text);
    else
        time_print_relative(value.real, &text);
    struct node call = node_call(absolute ? "absTime" : "relTime");
    node_push(&call, node_string(buf_cstr(&text), text.len));
    return call;
}

struct node eval_export(struct eval *eval, struct result value)
{
    eval_spend(eval, 1);
    switch (value.kind) {
    case VALUE_BOOL:
        return (struct node){ .kind = NODE_BOOL, .boolean = value.boolean };
    case VALUE_INT:
        return (struct node){ .kind = NODE_INT, .integer = value.integer };
    case VALUE_REAL:
        return (struct node){ .kind = NODE_REAL, .real = value.real };
    case VALUE_STRING:
        eval_spend(eval, strlen(value.text) / EVAL_BYTES_PER_WORK);
        return node_string(value.text, strlen(value.text));
    case VALUE_LIST:
        return export_list(eval, value);
    case VALUE_AD: {
        struct node borrowed = { .kind = NODE_AD, .ad = (struct ad *)value.frame->ad };
        return spend_tree(eval, &borrowed) ? node_copy(&borrowed) : (struct node){ .kind = NODE_ERROR };
    }
    case VALUE_ABSTIME:
    case VALUE_RELTIME:
        return export_time(value);
    case VALUE_UNDEFINED:
        return (struct node){ .kind = NODE_UNDEFINED };
    case VALUE_ERROR:
        break;
    }
    return (struct node){ .kind = NODE_ERROR };
}

/* Lists and ads are exported while the evaluation can still run out. */
static void hand_out(struct eval *eval, struct result value, struct value *out)
{
    auto_node struct node tree = { 0 };
    if (value.kind == VALUE_LIST || value.kind == VALUE_AD)
        tree = eval_export(eval, value);
    *out = (struct value){ .kind = eval->exhausted ? VALUE_ERROR : value.kind };
    switch (out->kind) {
    case VALUE_BOOL:
        out->boolean = value.boolean;
        break;
    case VALUE_INT:
        out->integer = value.integer;
        break;
    case VALUE_REAL:
    case VALUE_RELTIME:
        out->real = value.real;
        break;
    case VALUE_STRING:
        out->string = mem_dup(value.text);
        break;
    case VALUE_ABSTIME:
        out->integer = value.integer;
        out->offset_s = value.offset_s;
        break;
    case VALUE_AD:
        out->ad = steal_node(&tree).ad;
        break;
    case VALUE_LIST:
        out->list = expr_new(steal_node(&tree));
        break;
    case VALUE_UNDEFINED:
    case VALUE_ERROR:
        break;
    }
}

void eval_outermost(const struct node *node, const struct ad_scope *scope, struct value *out)
{
    struct eval eval = {
        .scope = scope,
        .roots = { { .ad = scope->my, .side = 0 }, { .ad = scope->target, .side = 1 } },
        .random = scope->random,
    };
    hand_out(&eval, eval_attribute(&eval, node, &eval.roots[0]), out);
    for (struct chunk *chunk = eval.chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        node_release(&chunk->node);
        free(chunk);
    }
}
