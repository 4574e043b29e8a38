/* What evaluation and the functions of the language share. Private to this module. */
#pragma once

#include "ad/node.h"

#include <math.h>

/* Where unscoped names are looked up: the ad around the expression, then the ads around that one, then the ad on the other
 * side of the match. */
struct frame {
    const struct ad *ad; /* may be NULL */
    const struct frame *outer;
    int side; /* 0: scope->my, 1: scope->target */
};

/* A value whose text and tree are borrowed from the ads or from the evaluation. */
struct result {
    enum value_kind kind;
    union {
        bool boolean;
        int64_t integer; /* VALUE_INT; VALUE_ABSTIME: seconds since 1970 */
        double real;     /* VALUE_REAL; VALUE_RELTIME: seconds */
        const char *text;
        const struct node *list;
    };
    union {
        const struct frame *frame; /* VALUE_AD: the ad. VALUE_LIST: where the names in its elements mean something */
        int64_t offset_s;          /* VALUE_ABSTIME */
    };
};

struct eval {
    const struct ad_scope *scope;
    struct frame roots[2];
    struct chunk *chunks;
    const struct active *active; /* the attributes that are being evaluated */
    uint64_t random;
    size_t work;
    int depth;
    bool exhausted;
};

enum {
    EVAL_WORK_MAX = 1000000,
    EVAL_BYTES_PER_WORK = 8,
};

static inline struct result result_undefined(void)
{
    return (struct result){ .kind = VALUE_UNDEFINED };
}

static inline struct result result_error(void)
{
    return (struct result){ .kind = VALUE_ERROR };
}

static inline struct result result_bool(bool value)
{
    return (struct result){ .kind = VALUE_BOOL, .boolean = value };
}

static inline struct result result_int(int64_t value)
{
    return (struct result){ .kind = VALUE_INT, .integer = value };
}

/* What has no meaningful number is an error. */
static inline struct result result_real(double value)
{
    return isfinite(value) ? (struct result){ .kind = VALUE_REAL, .real = value } : result_error();
}

static inline struct result result_string(const char *borrowed)
{
    return (struct result){ .kind = VALUE_STRING, .text = borrowed };
}

static inline bool result_is_number(struct result value)
{
    return value.kind == VALUE_INT || value.kind == VALUE_REAL || value.kind == VALUE_BOOL;
}

static inline double result_as_real(struct result value)
{
    return value.kind == VALUE_REAL ? value.real : value.kind == VALUE_BOOL ? value.boolean : (double)value.integer;
}

static inline bool result_is_true(struct result value)
{
    return result_is_number(value) && result_as_real(value) != 0;
}

struct result eval_node(struct eval *eval, const struct node *node, const struct frame *frame);
/* An element of a list. */
struct result eval_element(struct eval *eval, struct result list, uint32_t i);
/* Finds what a reference refers to; the frame is where the names in it mean something. NULL when there is no such attribute. */
const struct node *eval_find(struct eval *eval, const struct node *ref, const struct frame **frame);
/* Counts the work done; false when there was too much of it, which makes the whole evaluation an error. */
bool eval_spend(struct eval *eval, size_t amount);
/* Zeroed memory that lives as long as the evaluation. */
void *eval_alloc(struct eval *eval, size_t size);
struct result eval_text(struct eval *eval, const char *text, size_t len);
/* Keeps the node until the end of the evaluation, which then releases it. */
const struct node *eval_keep(struct eval *eval, struct node node);
/* A list of these values, which stay valid. */
struct result eval_list(struct eval *eval, const struct result *values, size_t count);
/* An ad as a value; evaluation takes it over. */
struct result eval_ad(struct eval *eval, struct ad *ad);
/* The value as a tree of its own, which the caller releases: elements of lists are evaluated. */
struct node eval_export(struct eval *eval, struct result value);
/* What a condition says: VALUE_BOOL for booleans and numbers, else VALUE_UNDEFINED or VALUE_ERROR. */
struct result eval_condition(struct result value);

/* One operator on two values that are there already; not && and ||. */
struct result eval_operator(struct eval *eval, enum node_op op, struct result a, struct result b);
struct result eval_unary_operator(struct eval *eval, enum node_op op, struct result a);

/* An expression on its own, made of this tree. */
struct ad_expr *expr_new(struct node node);

/* Runs an expression from outside. The node is the caller's to release. */
void eval_outermost(const struct node *node, const struct ad_scope *scope, struct value *out);

/* A function's number, which calls carry: 0 if there is none of that name. */
uint8_t eval_function_number(const char *name);
/* True when a call of it gives another value at another time or place. */
bool eval_function_varies(uint8_t number);
struct result eval_call(struct eval *eval, const struct node *call, const struct frame *frame);

/* Times as the canonical strings: 2026-11-26T06:00:00+01:00 and 1+02:03:04.500. */
void time_print_absolute(int64_t seconds, int64_t offset_s, struct buf *out);
void time_print_relative(double seconds, struct buf *out);
