/*
 * Ads: ordered lists of `Name = expression` in HTCondor's ClassAd language. An ad is this project's record everywhere: job,
 * event, journal entry, configuration, message. Names compare without case and keep the case they were given first.
 *
 * Two notations, both exact inverses of their parsers: the text form (`Name = expression`, one a line) and the JSON form (as
 * condor_q -json prints it: literals as JSON values, nested ads and lists as objects and arrays, any other expression as the
 * string "\/Expr(…)\/").
 *
 * Strings are bytes without NUL, not necessarily UTF-8. Numbers are read and written in the "C" locale: a program must leave
 * LC_NUMERIC alone.
 *
 * Pure: no clock, no files, no globals.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ad;

#define auto_ad __attribute__((cleanup(ad_free_pointer)))

enum {
    AD_NAME_MAX = 256,
    /* What the parsers refuse to pass; ads that a program builds may. */
    AD_DEPTH_MAX = 64,         /* nesting of expressions, lists and ads, in text and in JSON */
    AD_TEXT_MAX = 1 << 20,     /* bytes of one expression's text */
    AD_COUNT_MAX = 4096,       /* attributes of one ad */
    AD_SOURCE_MAX = 256 << 20, /* bytes that ad_parse and ad_parse_json take at once */
};

struct ad *ad_new(void);
struct ad *ad_copy(const struct ad *ad);
void ad_free(struct ad *ad); /* accepts NULL */
void ad_free_pointer(struct ad **ad);

/* Setters replace. ad_set_expr parses one expression; an error says what was expected and at which column. The others make
 * literals. A name must be an identifier ([A-Za-z_][A-Za-z0-9_.]*): anything else is a programmer's mistake (assert), so
 * check names from outside with ad_name_valid. */
bool ad_name_valid(const char *name);
int ad_set_expr(struct ad *ad, const char *name, const char *text, struct error *err);
void ad_set_int(struct ad *ad, const char *name, int64_t value);
void ad_set_real(struct ad *ad, const char *name, double value);
void ad_set_bool(struct ad *ad, const char *name, bool value);
void ad_set_string(struct ad *ad, const char *name, const char *value);
/* Takes ownership of the nested ad. */
void ad_set_ad(struct ad *ad, const char *name, struct ad *nested);
/* Make `name` an empty list if it is not a list yet, then append. ad_append_ad takes ownership. */
void ad_make_list(struct ad *ad, const char *name);
void ad_append_ad(struct ad *ad, const char *name, struct ad *nested);
void ad_append_string(struct ad *ad, const char *name, const char *value);
bool ad_remove(struct ad *ad, const char *name); /* true if it was there */
/* Sets every attribute of `from` in `into` (deep copies). */
void ad_update(struct ad *into, const struct ad *from);
/* Copies one attribute's expression under another name; false when absent in `from`. */
bool ad_copy_attribute(struct ad *into, const char *as, const struct ad *from, const char *name);

/* Getters of literals, with a fallback for what is absent or of another type. Integers read as reals, and reals with no
 * fraction as integers; booleans as neither. Borrowed results live as long as the attribute. */
bool ad_has(const struct ad *ad, const char *name);
int64_t ad_int(const struct ad *ad, const char *name, int64_t fallback);
double ad_real(const struct ad *ad, const char *name, double fallback);
bool ad_bool(const struct ad *ad, const char *name, bool fallback);
const char *ad_string(const struct ad *ad, const char *name, const char *fallback);
const struct ad *ad_ad(const struct ad *ad, const char *name); /* NULL if absent */
size_t ad_list_count(const struct ad *ad, const char *name);
const struct ad *ad_list_ad(const struct ad *ad, const char *name, size_t i);
const char *ad_list_string(const struct ad *ad, const char *name, size_t i);

/* Attributes in order: name of the i-th, and its expression's text appended to `out`. */
size_t ad_count(const struct ad *ad);
const char *ad_name(const struct ad *ad, size_t i);
/* Appends the expression's text; false when absent. */
bool ad_print_expr(const struct ad *ad, const char *name, struct buf *out);
/* True when both ads give the attribute the same expression (same text form), or neither has it. */
bool ad_same(const struct ad *a, const struct ad *b, const char *name);

/* Text form. Parsing: blank lines and # comments are skipped; errors name the line; attributes are added to `ad` only if the
 * whole text is good. */
void ad_print(const struct ad *ad, struct buf *out);
int ad_parse(struct ad *ad, const char *text, size_t len, struct error *err);

/* JSON form, on one line without blanks after punctuation. Undefined is null. Parsing takes one object and nothing else; of
 * equal names the last wins; an integer that does not fit 64 bits, a NUL or a name that is no attribute's is an error. */
void ad_print_json(const struct ad *ad, struct buf *out);
int ad_parse_json(const char *text, size_t len, struct ad **ad, struct error *err);

/* Evaluation, with ClassAd's logic of undefined and error. A reference to what is being evaluated is an error; more work than an
 * expression deserves makes the value of the whole an error. The functions are those that HTCondor documents
 * (stint-expressions(7)); the value of any other is error. */
enum value_kind {
    VALUE_UNDEFINED,
    VALUE_ERROR,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_AD,
    VALUE_ABSTIME,
    VALUE_RELTIME,
};
/* Owns what it points to: release with value_release. Pointers are NULL where the kind has no use for them. */
struct value {
    enum value_kind kind;
    bool boolean;
    int64_t integer;      /* VALUE_INT; VALUE_ABSTIME: seconds since 1970 */
    int64_t offset_s;     /* VALUE_ABSTIME: of its place, seconds east of UTC */
    double real;          /* VALUE_REAL; VALUE_RELTIME: seconds */
    char *string;         /* VALUE_STRING */
    struct ad *ad;        /* VALUE_AD: its attributes are still expressions */
    struct ad_expr *list; /* VALUE_LIST: its elements are values */
};
void value_release(struct value *value);
/* Appends the value as the literal that has it (a string with its quotes). */
void value_print(const struct value *value, struct buf *out);

/* What an evaluation may look at besides its two ads. Attribute references are looked up in the ads around them from the inside
 * out, up to MY, then in TARGET; in an attribute of TARGET the two change places. */
struct ad_scope {
    const struct ad *my;
    const struct ad *target; /* may be NULL */
    int64_t now;             /* seconds since 1970: what time() answers */
    int64_t utc_offset_s;    /* local time, seconds east of UTC */
    uint64_t random;         /* what random() starts from */
};
/* Evaluates the attribute `name` of scope->my. */
void ad_eval(const struct ad_scope *scope, const char *name, struct value *out);

/* An expression on its own, such as a constraint given to a command. */
struct ad_expr;
int ad_expr_parse(const char *text, struct ad_expr **expr, struct error *err);
/* The same in the notation of strings that HTCondor reads in submit files and constraints ("old ClassAds"): only \" is an escape,
 * any other backslash means itself. */
int ad_expr_parse_old(const char *text, struct ad_expr **expr, struct error *err);
void ad_expr_free(struct ad_expr *expr); /* accepts NULL */
/* A copy of an attribute's expression; NULL if absent. */
struct ad_expr *ad_expr_of(const struct ad *ad, const char *name);
/* Gives an attribute a copy of the expression. */
void ad_set_expr_copy(struct ad *ad, const char *name, const struct ad_expr *expr);
void ad_expr_print(const struct ad_expr *expr, struct buf *out);
/* The operands of the && chain at the top, in order: copies, which are the caller's to free, at most `max`. Returns how many
 * there are; an expression that is no chain is one clause. */
size_t ad_expr_clauses(const struct ad_expr *expr, struct ad_expr **clauses, size_t max);
/* True when the expression refers to an attribute of this name, with or without a scope before it. */
bool ad_expr_mentions(const struct ad_expr *expr, const char *name);
/* The name of a function that it calls and that there is not (such a call is always an error); NULL when there is none.
 * Borrowed. */
const char *ad_expr_unknown_function(const struct ad_expr *expr);
/* True when nothing in it can change its value: no references, and no functions of time or chance. */
bool ad_expr_is_constant(const struct ad_expr *expr);
void ad_expr_eval(const struct ad_expr *expr, const struct ad_scope *scope, struct value *out);
/* True only when it evaluates to true, or to a number that is not zero. */
bool ad_expr_true(const struct ad_expr *expr, const struct ad_scope *scope);
