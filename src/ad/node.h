/*
 * The expression tree, private to this module. A node is 16 bytes by value, because a pool holds tens of thousands of them; the
 * literals that nearly all attributes are need no allocation of their own beside a string's text.
 *
 * Chains of one operator (a || b || c) are one node with many children, so that the height of a tree, which bounds every
 * recursion over it, does not grow with the length of a chain.
 */
#pragma once

#include "ad/ad.h"

enum node_kind {
    NODE_UNDEFINED, /* a zeroed node */
    NODE_ERROR,
    NODE_BOOL,
    NODE_INT,
    NODE_REAL,
    NODE_STRING, /* text */
    NODE_LIST,   /* children */
    NODE_AD,     /* ad */
    NODE_REF,    /* text, scope in op, its hash in count */
    NODE_SELECT, /* children: expression, the attribute's name as a string with its hash in count */
    NODE_INDEX,  /* children: list, index */
    NODE_UNARY,  /* children: operand */
    NODE_BINARY, /* children: two or more operands, joined from the left */
    NODE_COND,   /* children: condition, then, else; or two: a value, and what stands in for it when it is undefined */
    NODE_CALL,   /* children: the function's name as a string, arguments; the function's number in op, 0 if unknown */
    NODE_VALUE,  /* result: an element of a list that an evaluation made; never in an ad */
};

enum node_scope { SCOPE_NONE, SCOPE_MY, SCOPE_TARGET, SCOPE_PARENT, SCOPE_ROOT };

enum node_op {
    OP_OR,
    OP_AND,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_BIT_AND,
    OP_EQ,
    OP_NE,
    OP_IS,
    OP_ISNT,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_SHIFT_LEFT,
    OP_SHIFT_RIGHT,
    OP_SHIFT_RIGHT_ZERO,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_NOT,
    OP_NEG,
    OP_PLUS,
    OP_BIT_NOT,
};

struct result;

struct node {
    uint8_t kind;    /* enum node_kind */
    uint8_t op;      /* enum node_op or enum node_scope */
    uint16_t height; /* of the tree below, as parsed */
    uint32_t count;  /* of children; or the hash of a name */
    union {
        bool boolean;
        int64_t integer;
        double real;
        char *text;
        struct node *children;
        struct ad *ad;
        const struct result *result;
    };
};

struct attribute {
    char *name;
    struct node value;
};

struct ad {
    struct attribute *attributes;
    uint32_t *hashes; /* of the names without case, beside each other: this is what a lookup walks over */
    size_t count;
    size_t capacity;
};

enum {
    PRECEDENCE_COND = 1,
    PRECEDENCE_UNARY = 13,
    PRECEDENCE_POSTFIX = 14,
};

/* How an operator of two operands is written and how tightly it binds. */
struct node_operator {
    const char *text;
    int precedence;
};
const struct node_operator *node_operator(enum node_op op); /* up to OP_MOD */

#define auto_node __attribute__((cleanup(node_release)))
void node_release(struct node *node);
static inline struct node steal_node(struct node *node)
{
    struct node stolen = *node;
    *node = (struct node){ 0 };
    return stolen;
}
struct node node_copy(const struct node *node);
struct node node_string(const char *text, size_t len);
/* Appends a child, which the node owns from then on, and takes its height into account. */
void node_push(struct node *node, struct node child);

/* Attributes of an ad: NULL when absent. */
const struct node *node_find(const struct ad *ad, const char *name);
const struct node *node_find_hashed(const struct ad *ad, const char *name, uint32_t hash);
uint32_t node_hash(const char *name);
/* Gives the attribute this value; the ad owns it from then on. In ads within ads any name will do that is not too long. */
void node_assign(struct ad *ad, const char *name, struct node value);
void node_assign_any(struct ad *ad, const char *name, struct node value);
/* The name of an attribute reference, with its hash. */
struct node node_name(const char *text, size_t len);
/* A call of this function without arguments yet. */
struct node node_call(const char *function);
bool node_name_valid_n(const char *name, size_t len);
/* True for what can stand in an expression as a name of one word without quotes. */
bool node_is_word(const char *name);
/* ASCII letters only, whatever the locale. */
char node_lower(char c);
int node_compare_names(const char *a, const char *b);

/* One expression's text; it need not end with a NUL. */
struct node_source {
    const char *text;
    size_t len;
    int depth;     /* how deeply it is nested in lists and ads already */
    size_t column; /* where it starts in its line, from 0, for errors */
    bool old_strings; /* in strings only \" is an escape */
};
int node_parse(const struct node_source *source, struct node *node, struct error *err);
void node_print(const struct node *node, struct buf *out);
/* The text in double quotes, with escapes. */
void node_print_string(const char *text, struct buf *out);
/* A real as text that reads back as the same number; infinities and NaN as a call of real(). */
void node_print_real(double value, struct buf *out);
void node_print_int(int64_t value, struct buf *out);
