/*
 * Operators on values. Every operator has a value for all operands: undefined stands for what is not known, error for what makes
 * no sense, and both go through arithmetic and comparisons (error wins). =?= and =!= compare types and values, and always have an
 * answer. In arithmetic and comparisons true is 1 and false is 0.
 *
 * Where the language leaves a choice, what has no meaningful number is an error: an integer overflow, a division by zero, a real
 * result that is not finite, a shift by less than nothing. A shift by 64 or more moves every bit out.
 */
#include "ad/eval.h"

#include "ad/time.h"

#include <string.h>

static int64_t integer_of(struct result value)
{
    return value.kind == VALUE_BOOL ? value.boolean : value.integer;
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

static struct result compare_reals(enum node_op op, double a, double b)
{
    return isunordered(a, b) ? result_bool(op == OP_NE) : compare(op, (a > b) - (a < b));
}

static bool is_comparison(enum node_op op)
{
    return op >= OP_EQ && op <= OP_GE;
}

static bool is_bitwise(enum node_op op)
{
    return (op >= OP_BIT_OR && op <= OP_BIT_AND) || (op >= OP_SHIFT_LEFT && op <= OP_SHIFT_RIGHT_ZERO);
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
    switch (op) {
    case OP_ADD:
        return result_real(a + b);
    case OP_SUB:
        return result_real(a - b);
    case OP_MUL:
        return result_real(a * b);
    case OP_DIV:
        return b == 0 ? result_error() : result_real(a / b);
    default:
        return result_error();
    }
}

static struct result shift(enum node_op op, int64_t value, int64_t by)
{
    if (by < 0)
        return result_error();
    bool all = by > 63;
    if (op == OP_SHIFT_RIGHT)
        return result_int(value >> (all ? 63 : by));
    uint64_t bits = (uint64_t)value;
    return result_int(all ? 0 : (int64_t)(op == OP_SHIFT_LEFT ? bits << by : bits >> by));
}

static struct result bitwise(enum node_op op, struct result a, struct result b)
{
    if (a.kind != VALUE_INT || b.kind != VALUE_INT)
        return result_error();
    switch (op) {
    case OP_BIT_OR:
        return result_int(a.integer | b.integer);
    case OP_BIT_XOR:
        return result_int(a.integer ^ b.integer);
    case OP_BIT_AND:
        return result_int(a.integer & b.integer);
    default:
        return shift(op, a.integer, b.integer);
    }
}

static struct result relative(double seconds)
{
    return isfinite(seconds) ? (struct result){ .kind = VALUE_RELTIME, .real = seconds } : result_error();
}

/* A time that many whole seconds later, in the same place. */
static struct result moved(struct result time, double seconds)
{
    int64_t at;
    struct civil civil;
    if (!(fabs(seconds) < 0x1p62) || __builtin_add_overflow(time.integer, (int64_t)seconds, &at) ||
        !time_take_apart(at, time.offset_s, &civil))
        return result_error();
    return (struct result){ .kind = VALUE_ABSTIME, .integer = at, .offset_s = time.offset_s };
}

static struct result time_sum(enum node_op op, struct result a, struct result b)
{
    double sign = op == OP_ADD ? 1 : -1;
    if (a.kind == VALUE_ABSTIME && b.kind == VALUE_RELTIME)
        return moved(a, sign * b.real);
    if (op == OP_ADD && a.kind == VALUE_RELTIME && b.kind == VALUE_ABSTIME)
        return moved(b, a.real);
    if (op == OP_SUB && a.kind == VALUE_ABSTIME && b.kind == VALUE_ABSTIME)
        return relative((double)a.integer - (double)b.integer);
    if (a.kind == VALUE_RELTIME && b.kind == VALUE_RELTIME)
        return relative(a.real + sign * b.real);
    return result_error();
}

/* Operators where at least one side is a time. */
static struct result time_operator(enum node_op op, struct result a, struct result b)
{
    if (is_comparison(op)) {
        if (a.kind != b.kind)
            return result_error();
        if (a.kind == VALUE_RELTIME)
            return compare_reals(op, a.real, b.real);
        return compare(op, (a.integer > b.integer) - (a.integer < b.integer));
    }
    if (op == OP_ADD || op == OP_SUB)
        return time_sum(op, a, b);
    bool b_number = b.kind == VALUE_INT || b.kind == VALUE_REAL;
    bool a_number = a.kind == VALUE_INT || a.kind == VALUE_REAL;
    if (op == OP_MUL && a.kind == VALUE_RELTIME && b_number)
        return relative(a.real * result_as_real(b));
    if (op == OP_MUL && a_number && b.kind == VALUE_RELTIME)
        return relative(result_as_real(a) * b.real);
    if (op == OP_DIV && a.kind == VALUE_RELTIME && b_number && result_as_real(b) != 0)
        return relative(a.real / result_as_real(b));
    return result_error();
}

/* Lists and ads are identical when their texts are. */
static bool is_same_text(struct eval *eval, struct result a, struct result b)
{
    if (a.kind == VALUE_AD && a.frame->ad == b.frame->ad)
        return true;
    auto_buf struct buf one = { 0 };
    auto_buf struct buf two = { 0 };
    auto_node struct node first = eval_export(eval, a);
    auto_node struct node second = eval_export(eval, b);
    node_print(&first, &one);
    node_print(&second, &two);
    return strcmp(buf_cstr(&one), buf_cstr(&two)) == 0;
}

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
    case VALUE_RELTIME:
        return a.real == b.real;
    case VALUE_STRING:
        return strcmp(a.text, b.text) == 0;
    case VALUE_ABSTIME:
        return a.integer == b.integer && a.offset_s == b.offset_s;
    case VALUE_LIST:
    case VALUE_AD:
        return is_same_text(eval, a, b);
    case VALUE_UNDEFINED:
    case VALUE_ERROR:
        break;
    }
    return true;
}

struct result eval_operator(struct eval *eval, enum node_op op, struct result a, struct result b)
{
    if (op == OP_IS || op == OP_ISNT)
        return result_bool(is_identical(eval, a, b) == (op == OP_IS));
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR)
        return result_error();
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        return result_undefined();
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING && is_comparison(op))
        return compare(op, strcmp(a.text, b.text) == 0 ? 0 : node_compare_names(a.text, b.text));
    if (is_bitwise(op))
        return bitwise(op, a, b);
    if (a.kind >= VALUE_ABSTIME || b.kind >= VALUE_ABSTIME)
        return time_operator(op, a, b);
    if (!result_is_number(a) || !result_is_number(b))
        return result_error();
    bool comparison = is_comparison(op);
    if (a.kind == VALUE_REAL || b.kind == VALUE_REAL) {
        double x = result_as_real(a);
        double y = result_as_real(b);
        return comparison ? compare_reals(op, x, y) : real_arithmetic(op, x, y);
    }
    int64_t x = integer_of(a);
    int64_t y = integer_of(b);
    return comparison ? compare(op, (x > y) - (x < y)) : integer_arithmetic(op, x, y);
}

struct result eval_unary_operator(struct eval *eval, enum node_op op, struct result a)
{
    if (op == OP_NOT) {
        a = eval_condition(a);
        return a.kind == VALUE_BOOL ? result_bool(!a.boolean) : a;
    }
    if (a.kind == VALUE_UNDEFINED)
        return a;
    if (op == OP_BIT_NOT)
        return a.kind == VALUE_INT ? result_int(~a.integer) : result_error();
    if (a.kind == VALUE_RELTIME || a.kind == VALUE_REAL) { /* -0.0 is what 0 - 0.0 is not */
        a.real = op == OP_NEG ? -a.real : a.real;
        return a;
    }
    return eval_operator(eval, op == OP_NEG ? OP_SUB : OP_ADD, result_int(0), a);
}
