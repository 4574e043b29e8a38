/* Functions on numbers. */
#include "ad/functions.h"

/* The argument as real() makes it, integers as they are. */
static struct result number(const struct arguments *args, uint32_t i)
{
    struct result value = argument(args, i);
    if (value.kind == VALUE_STRING)
        return function_number(value.text);
    if (value.kind == VALUE_BOOL)
        return result_int(value.boolean);
    return value.kind == VALUE_INT || value.kind == VALUE_REAL ? value : result_error();
}

static struct result integer_from(double value)
{
    return value >= -0x1p63 && value < 0x1p63 ? result_int((int64_t)value) : result_error();
}

struct result function_round(const struct arguments *args)
{
    struct result value = number(args, 0);
    if (value.kind != VALUE_REAL)
        return value;
    switch (args->variant) {
    case ROUND_FLOOR:
        return integer_from(floor(value.real));
    case ROUND_CEILING:
        return integer_from(ceil(value.real));
    default:
        return integer_from(nearbyint(value.real)); /* halves to the even side */
    }
}

static struct result integer_power(int64_t base, int64_t exponent)
{
    int64_t power = 1;
    bool bad = false;
    for (; exponent > 0; exponent >>= 1) {
        bad |= (exponent & 1) && __builtin_mul_overflow(power, base, &power);
        if (exponent > 1)
            bad |= __builtin_mul_overflow(base, base, &base);
        if (bad)
            return result_error();
    }
    return result_int(power);
}

/* A number, or what the call is without one. */
static bool is_plain_number(struct result value, struct result *bad)
{
    if (value.kind == VALUE_INT || value.kind == VALUE_REAL)
        return true;
    *bad = function_refuse(value);
    return false;
}

struct result function_pow(const struct arguments *args)
{
    struct result base = argument(args, 0);
    struct result exponent = argument(args, 1);
    struct result bad;
    if (!is_plain_number(base, &bad) || !is_plain_number(exponent, &bad))
        return bad;
    if (base.kind == VALUE_INT && exponent.kind == VALUE_INT && exponent.integer >= 0)
        return integer_power(base.integer, exponent.integer);
    return result_real(pow(result_as_real(base), result_as_real(exponent)));
}

/* The smallest multiple of b that is not below a. */
static struct result multiple(struct eval *eval, struct result a, struct result b)
{
    double step = result_as_real(b);
    if (step == 0)
        return result_error();
    if (a.kind == VALUE_INT && b.kind == VALUE_INT) {
        if (b.integer == -1)
            return a;
        int64_t quotient = a.integer / b.integer;
        int64_t rest = a.integer % b.integer;
        quotient += rest != 0 && (rest > 0) == (b.integer > 0);
        return eval_operator(eval, OP_MUL, result_int(quotient), b);
    }
    double quotient = ceil(result_as_real(a) / step);
    if (b.kind == VALUE_REAL)
        return result_real(quotient * step);
    return integer_from(quotient * step);
}

/* quantize(a, b); with a list the first element that is not below a, else a multiple of the last one. */
struct result function_quantize(const struct arguments *args)
{
    struct result value = argument(args, 0);
    struct result step = argument(args, 1);
    struct result bad;
    if (!is_plain_number(value, &bad))
        return result_error();
    if (step.kind != VALUE_LIST)
        return is_plain_number(step, &bad) ? multiple(args->eval, value, step) : result_error();
    struct result last = result_error();
    for (uint32_t i = 0; i < step.list->count; i++) {
        last = eval_element(args->eval, step, i);
        if (!is_plain_number(last, &bad))
            return result_error();
        if (result_is_true(eval_operator(args->eval, OP_GE, last, value)))
            return last;
    }
    return last.kind == VALUE_ERROR ? last : multiple(args->eval, value, last);
}

/* splitmix64: a new number at each call, the same ones for the same seed. */
static uint64_t draw(struct eval *eval)
{
    uint64_t z = eval->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* random([below]): from 0 up to but not including `below`, an integer for an integer. */
struct result function_random(const struct arguments *args)
{
    struct result below = args->count ? argument(args, 0) : result_real(1);
    if (below.kind == VALUE_INT)
        return below.integer > 0 ? result_int((int64_t)(draw(args->eval) % (uint64_t)below.integer)) : result_error();
    if (below.kind != VALUE_REAL || !(below.real > 0))
        return result_error();
    double value = (double)(draw(args->eval) >> 11) * 0x1p-53 * below.real;
    return result_real(value < below.real ? value : nextafter(below.real, 0));
}
