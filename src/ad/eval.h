/* What evaluation and the functions of the language share. Private to this module. */
#pragma once

#include "ad/node.h"

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
        int64_t integer;
        double real;
        const char *text;
        const struct node *node; /* VALUE_OTHER: a list or an ad … */
    };
    const struct frame *frame; /* … and where the names in it mean something */
};

struct eval {
    const struct ad_scope *scope;
    struct frame roots[2];
    struct chunk *chunks;
    size_t work;
    int depth;
    bool exhausted;
};

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

struct result eval_node(struct eval *eval, const struct node *node, const struct frame *frame);
/* Counts the work done; false when there was too much of it, which makes the whole evaluation an error. */
bool eval_spend(struct eval *eval, size_t amount);
/* Zeroed memory that lives as long as the evaluation. */
void *eval_alloc(struct eval *eval, size_t size);
/* One operator on two values that are there already; not && and ||. */
struct result eval_operator(struct eval *eval, enum node_op op, struct result a, struct result b);
/* What a condition says: VALUE_BOOL for booleans and numbers, else VALUE_UNDEFINED or VALUE_ERROR. */
struct result eval_condition(struct result value);

/* A call of one of the language's functions; VALUE_ERROR for an unknown one. */
struct result eval_call(struct eval *eval, const struct node *call, const struct frame *frame);
