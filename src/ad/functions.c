/* The table of the language's functions. A call carries its function's number, found once, when it is parsed. */
#include "ad/functions.h"

#include <stdlib.h>
#include <string.h>

#define ANY UINT32_MAX

struct function {
    const char *name;
    uint32_t at_least;
    uint32_t at_most;
    struct result (*call)(const struct arguments *args);
    int variant;
    bool varies; /* with time, chance, or what is around it */
};

/* In the alphabet's order without case: they are searched by halves. */
static const struct function functions[] = {
    { "absTime", 0, 2, function_abs_time, 0, true },
    { "allCompare", 3, 3, function_compare_each, COMPARE_ALL, false },
    { "anyCompare", 3, 3, function_compare_each, COMPARE_ANY, false },
    { "argsToList", 1, 2, function_args_to_list, 0, false },
    { "avg", 0, 1, function_summary, AVERAGE, false },
    { "bool", 1, 1, function_bool, 0, false },
    { "ceil", 1, 1, function_round, ROUND_CEILING, false },
    { "ceiling", 1, 1, function_round, ROUND_CEILING, false },
    { "countMatches", 2, 2, function_in_each_context, CONTEXT_COUNT, false },
    { "currentTime", 0, 0, function_time, TIME_CURRENT, true },
    { "dayTime", 0, 0, function_time, TIME_OF_DAY, true },
    { "debug", 1, 1, function_debug, 0, false },
    { "envV1ToV2", 1, 1, function_env_v1_to_v2, 0, false },
    { "eval", 1, 1, function_eval, 0, true },
    { "evalInEachContext", 2, 2, function_in_each_context, CONTEXT_LIST, false },
    { "floor", 1, 1, function_round, ROUND_FLOOR, false },
    { "formatTime", 0, 2, function_format_time, 0, true },
    { "getDayOfMonth", 1, 1, function_time_field, FIELD_DAY_OF_MONTH, false },
    { "getDayOfWeek", 1, 1, function_time_field, FIELD_DAY_OF_WEEK, false },
    { "getDayOfYear", 1, 1, function_time_field, FIELD_DAY_OF_YEAR, false },
    { "getDays", 1, 1, function_time_field, FIELD_DAYS, false },
    { "getHours", 1, 1, function_time_field, FIELD_HOURS, false },
    { "getMinutes", 1, 1, function_time_field, FIELD_MINUTES, false },
    { "getMonth", 1, 1, function_time_field, FIELD_MONTH, false },
    { "getSeconds", 1, 1, function_time_field, FIELD_SECONDS, false },
    { "getYear", 1, 1, function_time_field, FIELD_YEAR, false },
    { "identicalMember", 2, 2, function_member, OP_IS, false },
    { "ifThenElse", 3, 3, function_if_then_else, 0, false },
    { "int", 1, 1, function_int, 0, false },
    { "interval", 1, 1, function_interval, 0, false },
    { "isAbstime", 1, 1, function_is_kind, VALUE_ABSTIME, false },
    { "isBoolean", 1, 1, function_is_kind, VALUE_BOOL, false },
    { "isClassAd", 1, 1, function_is_kind, VALUE_AD, false },
    { "isError", 1, 1, function_is_kind, VALUE_ERROR, false },
    { "isInteger", 1, 1, function_is_kind, VALUE_INT, false },
    { "isList", 1, 1, function_is_kind, VALUE_LIST, false },
    { "isReal", 1, 1, function_is_kind, VALUE_REAL, false },
    { "isReltime", 1, 1, function_is_kind, VALUE_RELTIME, false },
    { "isString", 1, 1, function_is_kind, VALUE_STRING, false },
    { "isUndefined", 1, 1, function_is_kind, VALUE_UNDEFINED, false },
    { "join", 1, ANY, function_join, 0, false },
    { "listToArgs", 1, 2, function_list_to_args, 0, false },
    { "max", 0, 1, function_summary, MAXIMUM, false },
    { "member", 2, 2, function_member, OP_EQ, false },
    { "mergeEnvironment", 0, ANY, function_merge_environment, 0, false },
    { "min", 0, 1, function_summary, MINIMUM, false },
    { "pow", 2, 2, function_pow, 0, false },
    { "quantize", 2, 2, function_quantize, 0, false },
    { "random", 0, 1, function_random, 0, true },
    { "real", 1, 1, function_real, 0, false },
    { "regexp", 2, 3, function_regexp, 0, false },
    { "regexpMember", 2, 3, function_regexp_member, 0, false },
    { "regexps", 3, 4, function_substitute, SUBSTITUTE_ONLY, false },
    { "relTime", 1, 1, function_rel_time, 0, false },
    { "replace", 3, 4, function_substitute, SUBSTITUTE_FIRST, false },
    { "replaceAll", 3, 4, function_substitute, SUBSTITUTE_ALL, false },
    { "round", 1, 1, function_round, ROUND_NEAREST, false },
    { "size", 1, 1, function_size, 0, false },
    { "split", 1, 2, function_split, 0, false },
    { "splitSlotName", 1, 1, function_split_at, SPLIT_SLOT, false },
    { "splitTime", 1, 1, function_split_time, 0, true },
    { "splitUserName", 1, 1, function_split_at, SPLIT_USER, false },
    { "strcat", 0, ANY, function_strcat, 0, false },
    { "strcmp", 2, 2, function_compare, COMPARE_EXACT, false },
    { "stricmp", 2, 2, function_compare, COMPARE_WITHOUT_CASE, false },
    { "string", 1, 1, function_strcat, 0, false },
    { "stringList_regexpMember", 2, 4, function_string_list_regexp_member, 0, false },
    { "stringListAvg", 1, 2, function_string_list_summary, AVERAGE, false },
    { "stringListIMember", 2, 3, function_string_list_member, COMPARE_WITHOUT_CASE, false },
    { "stringListISubsetMatch", 2, 3, function_string_list_subset, COMPARE_WITHOUT_CASE, false },
    { "stringListMax", 1, 2, function_string_list_summary, MAXIMUM, false },
    { "stringListMember", 2, 3, function_string_list_member, COMPARE_EXACT, false },
    { "stringListMin", 1, 2, function_string_list_summary, MINIMUM, false },
    { "stringListsIntersect", 2, 3, function_string_lists_intersect, 0, false },
    { "stringListSize", 1, 2, function_string_list_size, 0, false },
    { "stringListSubsetMatch", 2, 3, function_string_list_subset, COMPARE_EXACT, false },
    { "stringListSum", 1, 2, function_string_list_summary, SUM, false },
    { "substr", 2, 3, function_substr, 0, false },
    { "sum", 0, 1, function_summary, SUM, false },
    { "time", 0, 0, function_time, TIME_EPOCH, true },
    { "timeZoneOffset", 0, 0, function_time, TIME_ZONE_OFFSET, true },
    { "toLower", 1, 1, function_in_case, CASE_LOWER, false },
    { "toUpper", 1, 1, function_in_case, CASE_UPPER, false },
    { "unparse", 1, 1, function_unparse, 0, true },
    { "unresolved", 1, 2, function_unresolved, 0, true },
    { "userHome", 1, 2, function_user_home, 0, false },
    { "userMap", 2, 4, function_user_map, 0, false },
    { "version_in_range", 3, 3, function_version_in_range, 0, false },
    { "versioncmp", 2, 2, function_version, VERSION_ORDER, false },
    { "versionEQ", 2, 2, function_version, VERSION_EQUAL, false },
    { "versionGE", 2, 2, function_version, VERSION_GREATER_OR_EQUAL, false },
    { "versionGT", 2, 2, function_version, VERSION_GREATER, false },
    { "versionLE", 2, 2, function_version, VERSION_LESS_OR_EQUAL, false },
    { "versionLT", 2, 2, function_version, VERSION_LESS, false },
};

enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

static int compare_function(const void *name, const void *function)
{
    return node_compare_names(name, ((const struct function *)function)->name);
}

uint8_t eval_function_number(const char *name)
{
    const struct function *found = bsearch(name, functions, FUNCTION_COUNT, sizeof *functions, compare_function);
    return found ? (uint8_t)(found - functions + 1) : 0;
}

bool eval_function_varies(uint8_t number)
{
    return number > 0 && functions[number - 1].varies;
}

struct result eval_call(struct eval *eval, const struct node *call, const struct frame *frame)
{
    if (call->op == 0)
        return result_error();
    const struct function *function = &functions[call->op - 1];
    struct arguments args = { eval, call->children + 1, call->count - 1, frame, function->variant };
    if (args.count < function->at_least || args.count > function->at_most)
        return result_error();
    return function->call(&args);
}

struct result function_refuse(struct result value)
{
    return value.kind == VALUE_UNDEFINED ? value : result_error();
}

bool function_strings(const struct arguments *args, uint32_t first, uint32_t count, struct result *values, struct result *bad)
{
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = argument(args, first + i);
        if (values[i].kind == VALUE_STRING)
            continue;
        if (good || bad->kind == VALUE_UNDEFINED)
            *bad = function_refuse(values[i]);
        good = false;
    }
    return good;
}

bool function_append(struct eval *eval, struct result value, struct buf *out)
{
    size_t before = out->len;
    if (value.kind == VALUE_UNDEFINED || value.kind == VALUE_ERROR)
        return false;
    if (value.kind == VALUE_STRING) {
        buf_text(out, value.text);
    } else if (value.kind == VALUE_ABSTIME) {
        time_print_absolute(value.integer, value.offset_s, out);
    } else if (value.kind == VALUE_RELTIME) {
        time_print_relative(value.real, out);
    } else {
        auto_node struct node tree = eval_export(eval, value);
        node_print(&tree, out);
    }
    return eval_spend(eval, (out->len - before) / EVAL_BYTES_PER_WORK) && !out->full;
}

bool function_next_item(struct eval *eval, const char **at, const char *delimiters, size_t *len)
{
    if (!eval_spend(eval, 1 + strlen(delimiters)))
        return false;
    *at += strspn(*at, delimiters);
    *len = strcspn(*at, delimiters);
    return *len > 0;
}

bool function_next_trimmed(struct eval *eval, const char **rest, const char *delimiters, const char **item, size_t *len)
{
    static const char blanks[] = " \t\r\n";
    while (function_next_item(eval, rest, delimiters, len)) {
        *item = *rest;
        *rest += *len;
        size_t before = strspn(*item, blanks);
        if (before >= *len)
            continue;
        *item += before;
        *len -= before;
        while (strchr(blanks, (*item)[*len - 1]))
            --*len;
        return true;
    }
    return false;
}
