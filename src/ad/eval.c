/*
 * Evaluation. Every operator has a value for all operands: undefined stands for what is not known, error for what makes no sense,
 * and both go through arithmetic and comparisons (error wins). && and || look from left to right and stop as soon as the rest
 * cannot matter: false && error is false, undefined && false is false, error && false is error. =?= and =!= compare types
 * and values, and always have an answer. In arithmetic and comparisons true is 1 and false is 0.
 *
 * Where the language leaves a choice, what has no meaningful number is an error: an integer overflow, a division by zero,
 * a real result that is not finite.
 *
 * Expressions come from users and may refer to themselves. Two bounds make every evaluation short: its depth, and its work, which
 * counts nodes visited, attributes passed and text handled. Who reaches a bound gets error as the value of the whole.
 */
#include "ad/eval.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum {
    EVAL_DEPTH_MAX = 500, /* recursion of eval_node; some 200 bytes of stack each */
    EVAL_WORK_MAX = 1000000,
    EVAL_BYTES_PER_WORK = 8,
};

struct chunk {
    struct chunk *next;
    max_align_t data[];
};

bool eval_spend(struct eval *eval, size_t amount)
{
    eval->work += amount;
    eval->exhausted |= eval->work > EVAL_WORK_MAX;
    return !eval->exhausted;
}

void *eval_alloc(struct eval *eval, size_t size)
{
    eval_spend(eval, size / EVAL_BYTES_PER_WORK);
    struct chunk *chunk = mem_zero(1, sizeof *chunk + size);
    chunk->next = eval->chunks;
    eval->chunks = chunk;
    return chunk->data;
}

static bool is_number(struct result value)
{
    return value.kind == VALUE_INT || value.kind == VALUE_REAL || value.kind == VALUE_BOOL;
}

static int64_t integer_of(struct result value)
{
    return value.kind == VALUE_BOOL ? value.boolean : value.integer;
}

static double real_of(struct result value)
{
    return value.kind == VALUE_REAL ? value.real : (double)integer_of(value);
}

struct result eval_condition(struct result value)
{
    if (value.kind == VALUE_UNDEFINED || value.kind == VALUE_BOOL)
        return value;
    return is_number(value) ? result_bool(real_of(value) != 0) : result_error();
}

static struct result compare(enum node_op op, int order)
{
    switch (op) {
    case OP_EQ:
        return result_bool(order == 0);
    case OP_NE:
        return result_bool(order != 0);
    case OP_LT:
        return result_bool(order < 0);
    case OP_LE:
        return result_bool(order <= 0);
    case OP_GT:
        return result_bool(order > 0);
    default:
        return result_bool(order >= 0);
    }
}

static struct result integer_arithmetic(enum node_op op, int64_t a, int64_t b)
{
    int64_t value = 0;
    bool bad;
    switch (op) {
    case OP_ADD:
        bad = __builtin_add_overflow(a, b, &value);
        break;
    case OP_SUB:
        bad = __builtin_sub_overflow(a, b, &value);
        break;
    case OP_MUL:
        bad = __builtin_mul_overflow(a, b, &value);
        break;
    default: /* INT64_MIN / -1 does not fit either, and traps */
        bad = b == 0 || (b == -1 && a == INT64_MIN);
        if (!bad)
            value = op == OP_DIV ? a / b : a % b;
    }
    return bad ? result_error() : result_int(value);
}

static struct result real_arithmetic(enum node_op op, double a, double b)
{
    double value;
    switch (op) {
    case OP_ADD:
        value = a + b;
        break;
    case OP_SUB:
        value = a - b;
        break;
    case OP_MUL:
        value = a * b;
        break;
    case OP_DIV:
        value = b == 0 ? NAN : a / b;
        break;
    default:
        return result_error();
    }
    return isfinite(value) ? (struct result){ .kind = VALUE_REAL, .real = value } : result_error();
}

/* Lists and ads are identical when their texts are. */
static bool is_identical(struct eval *eval, struct result a, struct result b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_BOOL:
        return a.boolean == b.boolean;
    case VALUE_INT:
        return a.integer == b.integer;
    case VALUE_REAL:
        return a.real == b.real;
    case VALUE_STRING:
        return strcmp(a.text, b.text) == 0;
    case VALUE_OTHER: {
        auto_buf struct buf one = { 0 };
        auto_buf struct buf two = { 0 };
        node_print(a.node, &one);
        node_print(b.node, &two);
        eval_spend(eval, one.len + two.len);
        return strcmp(buf_cstr(&one), buf_cstr(&two)) == 0;
    }
    default:
        return true;
    }
}

struct result eval_operator(struct eval *eval, enum node_op op, struct result a, struct result b)
{
    if (op == OP_IS || op == OP_ISNT)
        return result_bool(is_identical(eval, a, b) == (op == OP_IS));
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR)
        return result_error();
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        return (struct result){ .kind = VALUE_UNDEFINED };
    bool arithmetic = op >= OP_ADD;
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING && !arithmetic)
        return compare(op, node_compare_names(a.text, b.text));
    if (!is_number(a) || !is_number(b))
        return result_error();
    if (a.kind == VALUE_REAL || b.kind == VALUE_REAL) {
        double x = real_of(a);
        double y = real_of(b);
        if (arithmetic)
            return real_arithmetic(op, x, y);
        return isunordered(x, y) ? result_bool(op == OP_NE) : compare(op, (x > y) - (x < y));
    }
    int64_t x = integer_of(a);
    int64_t y = integer_of(b);
    return arithmetic ? integer_arithmetic(op, x, y) : compare(op, (x > y) - (x < y));
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
    return undefined ? (struct result){ .kind = VALUE_UNDEFINED } : result_bool(!decisive);
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

static struct result eval_unary(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result value = eval_node(eval, &node->children[0], frame);
    if (node->op == OP_NEG) /* -0.0 is what 0 - 0.0 is not */
        return value.kind == VALUE_REAL ? (struct result){ .kind = VALUE_REAL, .real = -value.real }
                                        : eval_operator(eval, OP_SUB, result_int(0), value);
    value = eval_condition(value);
    return value.kind == VALUE_BOOL ? result_bool(!value.boolean) : value;
}

/* The attribute's value if this very ad has it. */
static bool eval_attribute(struct eval *eval, const struct frame *frame, const char *name, struct result *value)
{
    if (!frame->ad)
        return false;
    eval_spend(eval, frame->ad->count / EVAL_BYTES_PER_WORK);
    const struct node *node = node_find(frame->ad, name);
    if (node)
        *value = eval_node(eval, node, frame);
    return node;
}

static struct result eval_ref(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result value = { .kind = VALUE_UNDEFINED };
    const struct frame *mine = &eval->roots[frame->side];
    const struct frame *other = &eval->roots[1 - frame->side];
    if (node->op == SCOPE_TARGET) {
        eval_attribute(eval, other, node->text, &value);
        return value;
    }
    for (frame = node->op == SCOPE_MY ? mine : frame; frame; frame = frame->outer)
        if (eval_attribute(eval, frame, node->text, &value))
            return value;
    if (node->op == SCOPE_NONE && eval_attribute(eval, other, node->text, &value))
        return value;
    /* Every ad has this one, which old expressions use in place of time(). */
    return node_compare_names(node->text, "CurrentTime") == 0 ? result_int(eval->scope->now) : value;
}

static struct result select_attribute(struct eval *eval, struct result from, const char *name)
{
    struct result value = { .kind = VALUE_UNDEFINED };
    struct frame *frame = eval_alloc(eval, sizeof *frame);
    *frame = (struct frame){ .ad = from.node->ad, .outer = from.frame, .side = from.frame->side };
    eval_attribute(eval, frame, name, &value);
    return value;
}

static struct result eval_select(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result base = eval_node(eval, &node->children[0], frame);
    if (base.kind == VALUE_OTHER && base.node->kind == NODE_AD)
        return select_attribute(eval, base, node->children[1].text);
    return base.kind == VALUE_UNDEFINED ? base : result_error();
}

static struct result eval_index(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result base = eval_node(eval, &node->children[0], frame);
    struct result index = eval_node(eval, &node->children[1], frame);
    if (base.kind == VALUE_ERROR || index.kind == VALUE_ERROR)
        return result_error();
    if (base.kind == VALUE_UNDEFINED || index.kind == VALUE_UNDEFINED)
        return (struct result){ .kind = VALUE_UNDEFINED };
    if (base.kind != VALUE_OTHER)
        return result_error();
    if (base.node->kind == NODE_AD)
        return index.kind == VALUE_STRING ? select_attribute(eval, base, index.text) : result_error();
    if (index.kind != VALUE_INT || index.integer < 0 || index.integer >= base.node->count)
        return result_error();
    return eval_node(eval, &base.node->children[index.integer], base.frame);
}

static struct result eval_choice(struct eval *eval, const struct node *node, const struct frame *frame)
{
    struct result condition = eval_condition(eval_node(eval, &node->children[0], frame));
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
        return (struct result){ .kind = VALUE_STRING, .text = node->text };
    case NODE_LIST:
    case NODE_AD:
        return (struct result){ .kind = VALUE_OTHER, .node = node, .frame = frame };
    case NODE_REF:
        return eval_ref(eval, node, frame);
    case NODE_SELECT:
        return eval_select(eval, node, frame);
    case NODE_INDEX:
        return eval_index(eval, node, frame);
    case NODE_UNARY:
        return eval_unary(eval, node, frame);
    case NODE_BINARY:
        return eval_binary(eval, node, frame);
    case NODE_COND:
        return eval_choice(eval, node, frame);
    case NODE_CALL:
        return eval_call(eval, node, frame);
    case NODE_UNDEFINED:
        return (struct result){ .kind = VALUE_UNDEFINED };
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

static void hand_out(const struct eval *eval, struct result value, struct value *out)
{
    *out = (struct value){ .kind = eval->exhausted ? VALUE_ERROR : value.kind };
    switch (out->kind) {
    case VALUE_BOOL:
        out->boolean = value.boolean;
        break;
    case VALUE_INT:
        out->integer = value.integer;
        break;
    case VALUE_REAL:
        out->real = value.real;
        break;
    case VALUE_STRING:
        out->string = mem_dup(value.text);
        break;
    default:
        break;
    }
}

static void evaluate(const struct node *node, const struct ad_scope *scope, struct value *out)
{
    struct eval eval = {
        .scope = scope,
        .roots = { { .ad = scope->my, .side = 0 }, { .ad = scope->target, .side = 1 } },
    };
    hand_out(&eval, eval_node(&eval, node, &eval.roots[0]), out);
    for (struct chunk *chunk = eval.chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
}

void value_release(struct value *value)
{
    free(value->string);
    *value = (struct value){ 0 };
}

void ad_eval(const struct ad_scope *scope, const char *name, struct value *out)
{
    static const struct node undefined;
    const struct node *node = node_find(scope->my, name);
    evaluate(node ? node : &undefined, scope, out);
}

struct ad_expr {
    struct node node;
};

int ad_expr_parse(const char *text, struct ad_expr **expr, struct error *err)
{
    struct node_source source = { .text = text, .len = strlen(text) };
    struct node node;
    if (node_parse(&source, &node, err) < 0)
        return -1;
    *expr = mem_new(struct ad_expr);
    (*expr)->node = node;
    return 0;
}

void ad_expr_free(struct ad_expr *expr)
{
    if (!expr)
        return;
    node_release(&expr->node);
    free(expr);
}

void ad_expr_eval(const struct ad_expr *expr, const struct ad_scope *scope, struct value *out)
{
    evaluate(&expr->node, scope, out);
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
