/* The language's functions, by subject. A function sees its arguments unevaluated, because some look at one only if another says
 * so. Private to this module. */
#pragma once

#include "ad/eval.h"

struct arguments {
    struct eval *eval;
    const struct node *nodes;
    uint32_t count;
    const struct frame *frame;
    int variant; /* which of the functions that share their code: a number of the function's own file, from the table */
};

static inline struct result argument(const struct arguments *args, uint32_t i)
{
    return eval_node(args->eval, &args->nodes[i], args->frame);
}

/* The value as text that string() gives; false when it has none. */
bool function_append(struct eval *eval, struct result value, struct buf *out);
/* Evaluates `count` arguments from `first` on that must be strings. False when one is not: then *bad is what the call is, an
 * error, or undefined if nothing is wrong but that. */
bool function_strings(const struct arguments *args, uint32_t first, uint32_t count, struct result *values, struct result *bad);
/* What an undefined or wrong argument makes of a call. */
struct result function_refuse(struct result value);
/* The decimal number in a string, with blanks around it, as VALUE_INT or VALUE_REAL, else VALUE_ERROR. */
struct result function_number(const char *text);
/* Walks over the items of a string list, whose delimiters are any of these characters; false at the end, and where the evaluation
 * ends. */
bool function_next_item(struct eval *eval, const char **at, const char *delimiters, size_t *len);
/* The same without the blanks around each item, and without items that are nothing else. Moves on to behind the item itself. */
bool function_next_trimmed(struct eval *eval, const char **rest, const char *delimiters, const char **item, size_t *len);
/* What is between the items of a string list when the call does not say. */
#define DEFAULT_DELIMITERS ", \t\r\n"

/* functions_kind.c */
struct result function_is_kind(const struct arguments *args);
struct result function_int(const struct arguments *args);
struct result function_real(const struct arguments *args);
struct result function_bool(const struct arguments *args);

/* functions_expression.c */
enum { CONTEXT_LIST, CONTEXT_COUNT };
struct result function_if_then_else(const struct arguments *args);
struct result function_eval(const struct arguments *args);
struct result function_debug(const struct arguments *args);
struct result function_unparse(const struct arguments *args);
struct result function_unresolved(const struct arguments *args);
struct result function_in_each_context(const struct arguments *args);

/* functions_string.c */
struct result function_strcat(const struct arguments *args);
enum { CASE_LOWER, CASE_UPPER };
struct result function_in_case(const struct arguments *args);
struct result function_join(const struct arguments *args);
struct result function_substr(const struct arguments *args);
enum { COMPARE_EXACT, COMPARE_WITHOUT_CASE };
struct result function_compare(const struct arguments *args);
struct result function_user_home(const struct arguments *args);
struct result function_user_map(const struct arguments *args);

/* functions_list.c */
struct result function_size(const struct arguments *args);
struct result function_member(const struct arguments *args); /* variant: OP_EQ or OP_IS */
enum { COMPARE_ANY, COMPARE_ALL };
struct result function_compare_each(const struct arguments *args);
enum { SUM, AVERAGE, MINIMUM, MAXIMUM };
struct result function_summary(const struct arguments *args);
/* The same of values that are there already. */
struct result function_summarize(struct eval *eval, int variant, const struct result *values, size_t count);
struct result function_split(const struct arguments *args);
enum { SPLIT_USER, SPLIT_SLOT };
struct result function_split_at(const struct arguments *args);

/* functions_stringlist.c */
struct result function_string_list_size(const struct arguments *args);
struct result function_string_list_summary(const struct arguments *args); /* variant: SUM … MAXIMUM */
struct result function_string_list_member(const struct arguments *args);  /* variant: COMPARE_EXACT … */
struct result function_string_lists_intersect(const struct arguments *args);
struct result function_string_list_subset(const struct arguments *args); /* variant: COMPARE_EXACT … */

/* functions_regexp.c */
struct result function_regexp(const struct arguments *args);
struct result function_regexp_member(const struct arguments *args);
struct result function_string_list_regexp_member(const struct arguments *args);
enum { SUBSTITUTE_ONLY, SUBSTITUTE_FIRST, SUBSTITUTE_ALL };
struct result function_substitute(const struct arguments *args);
/* Whether any of these texts matches; VALUE_ERROR when that cannot be told. */
struct result function_match_any(struct eval *eval, const char *pattern, const char *const *texts, size_t count);

/* functions_math.c */
enum { ROUND_FLOOR, ROUND_CEILING, ROUND_NEAREST };
struct result function_round(const struct arguments *args);
struct result function_pow(const struct arguments *args);
struct result function_quantize(const struct arguments *args);
struct result function_random(const struct arguments *args);

/* functions_time.c */
enum { TIME_EPOCH, TIME_CURRENT, TIME_ZONE_OFFSET, TIME_OF_DAY };
struct result function_time(const struct arguments *args);
struct result function_abs_time(const struct arguments *args);
struct result function_rel_time(const struct arguments *args);
enum {
    FIELD_YEAR,
    FIELD_MONTH,
    FIELD_DAY_OF_YEAR,
    FIELD_DAY_OF_MONTH,
    FIELD_DAY_OF_WEEK,
    FIELD_DAYS,
    FIELD_HOURS,
    FIELD_MINUTES,
    FIELD_SECONDS
};
struct result function_time_field(const struct arguments *args);
struct result function_split_time(const struct arguments *args);
struct result function_format_time(const struct arguments *args);
struct result function_interval(const struct arguments *args);

/* functions_version.c */
enum { VERSION_ORDER, VERSION_LESS, VERSION_LESS_OR_EQUAL, VERSION_GREATER, VERSION_GREATER_OR_EQUAL, VERSION_EQUAL };
struct result function_version(const struct arguments *args);
struct result function_version_in_range(const struct arguments *args);

/* functions_words.c */
struct result function_env_v1_to_v2(const struct arguments *args);
struct result function_merge_environment(const struct arguments *args);
struct result function_list_to_args(const struct arguments *args);
struct result function_args_to_list(const struct arguments *args);
