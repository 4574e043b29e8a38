/*
 * Regular expressions. PCRE2 does the matching; its effort is counted by a callout before every item of the pattern, which is
 * exact where the library's own limits are per starting point. Each step costs one and what it may look at, so that a pattern
 * that explodes ends the evaluation like any other excess.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "ad/functions.h"

#include "base/mem.h"

#include <pcre2.h>
#include <string.h>

enum {
    PATTERN_MAX = 8192,            /* bytes */
    HEAP_MAX_KIB = 4096,           /* for backtracking */
    SUBJECT_BYTES_PER_WORK = 1024, /* what lies before a step and may be looked at in it */
    MATCH_WORK = 4,
    NESTING_MAX = 100,
};

struct pattern {
    struct eval *eval;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    bool full;   /* a substitution keeps what is around it … */
    bool global; /* … and is repeated */
};

#define auto_pattern __attribute__((cleanup(pattern_release)))

static void pattern_release(struct pattern *pattern)
{
    pcre2_match_data_free(pattern->data);
    pcre2_match_context_free(pattern->context);
    pcre2_code_free(pattern->code);
}

static int count_step(pcre2_callout_block *block, void *user)
{
    struct eval *eval = user;
    size_t left = block->subject_length - block->current_position;
    return eval_spend(eval, 1 + left / SUBJECT_BYTES_PER_WORK) ? 0 : PCRE2_ERROR_CALLOUT;
}

/* Unknown letters are no options. */
static uint32_t read_options(struct pattern *pattern, const char *letters)
{
    uint32_t options = PCRE2_AUTO_CALLOUT | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
    for (; *letters; letters++) {
        char letter = node_lower(*letters);
        options |= letter == 'i' ? PCRE2_CASELESS : letter == 'm' ? PCRE2_MULTILINE : letter == 's' ? PCRE2_DOTALL : 0;
        pattern->full |= letter == 'f';
        pattern->global |= letter == 'g';
    }
    return options;
}

/* False when the text is no regular expression, or too much of one. */
static bool pattern_compile(struct pattern *pattern, struct eval *eval, const char *text, const char *letters)
{
    int error;
    PCRE2_SIZE at;
    size_t len = strlen(text);
    *pattern = (struct pattern){ .eval = eval };
    uint32_t options = read_options(pattern, letters);
    if (len > PATTERN_MAX || !eval_spend(eval, 1 + len))
        return false;
    pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
    if (!limits)
        abort();
    pcre2_set_parens_nest_limit(limits, NESTING_MAX);
    pattern->code = pcre2_compile((PCRE2_SPTR)text, len, options, &error, &at, limits);
    pcre2_compile_context_free(limits);
    if (!pattern->code)
        return false;
    pattern->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    pattern->context = pcre2_match_context_create(NULL);
    if (!pattern->data || !pattern->context)
        abort();
    pcre2_set_heap_limit(pattern->context, HEAP_MAX_KIB);
    pcre2_set_match_limit(pattern->context, EVAL_WORK_MAX);
    pcre2_set_callout(pattern->context, count_step, eval);
    return true;
}

/* 1 for a match from `start` on, 0 for none, -1 when that cannot be told. */
static int pattern_match(const struct pattern *pattern, const char *text, size_t len, size_t start, uint32_t options)
{
    if (!eval_spend(pattern->eval, MATCH_WORK))
        return -1;
    int found = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, start, options, pattern->data, pattern->context);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return -1;
    size_t end = found >= 0 ? pcre2_get_ovector_pointer(pattern->data)[1] : options & PCRE2_ANCHORED ? start : len;
    eval_spend(pattern->eval, (end > start ? end - start : 0) / EVAL_BYTES_PER_WORK);
    return found >= 0;
}

static struct result match_result(int found)
{
    return found < 0 ? result_error() : result_bool(found);
}

/* Pattern, and options that may be missing, among arguments that have been evaluated already. */
static const char *options_of(const struct arguments *args, const struct result *parts, uint32_t i)
{
    return i < args->count ? parts[i].text : "";
}

struct result function_regexp(const struct arguments *args)
{
    struct result parts[3];
    struct result bad;
    auto_pattern struct pattern pattern = { 0 };
    if (!function_strings(args, 0, args->count, parts, &bad))
        return bad;
    if (!pattern_compile(&pattern, args->eval, parts[0].text, options_of(args, parts, 2)))
        return result_error();
    return match_result(pattern_match(&pattern, parts[1].text, strlen(parts[1].text), 0, 0));
}

struct result function_match_any(struct eval *eval, const char *text, const char *const *texts, size_t count)
{
    auto_pattern struct pattern pattern = { 0 };
    int found = 0;
    if (!pattern_compile(&pattern, eval, text, ""))
        return result_error();
    for (size_t i = 0; i < count && found == 0; i++)
        found = pattern_match(&pattern, texts[i], strlen(texts[i]), 0, 0);
    return match_result(found);
}

/* regexpMember(pattern, list [, options]). */
struct result function_regexp_member(const struct arguments *args)
{
    struct result given[2] = { [1] = result_string("") };
    struct result bad;
    struct result list = argument(args, 1);
    auto_pattern struct pattern pattern = { 0 };
    if (!function_strings(args, 0, 1, given, &bad) || (args->count > 2 && !function_strings(args, 2, 1, given + 1, &bad)))
        return bad;
    if (list.kind != VALUE_LIST)
        return function_refuse(list);
    if (!pattern_compile(&pattern, args->eval, given[0].text, given[1].text))
        return result_error();
    bool undefined = false;
    for (uint32_t i = 0; i < list.list->count; i++) {
        struct result item = eval_element(args->eval, list, i);
        undefined |= item.kind == VALUE_UNDEFINED;
        if (item.kind == VALUE_UNDEFINED)
            continue;
        int found = item.kind == VALUE_STRING ? pattern_match(&pattern, item.text, strlen(item.text), 0, 0) : -1;
        if (found != 0)
            return match_result(found);
    }
    return undefined ? result_undefined() : result_bool(false);
}

/* stringList_regexpMember(pattern, list [, delimiters [, options]]). */
struct result function_string_list_regexp_member(const struct arguments *args)
{
    struct result parts[4] = { [2] = result_string(DEFAULT_DELIMITERS) };
    struct result bad;
    auto_pattern struct pattern pattern = { 0 };
    if (!function_strings(args, 0, args->count, parts, &bad))
        return bad;
    if (!pattern_compile(&pattern, args->eval, parts[0].text, options_of(args, parts, 3)))
        return result_error();
    int found = 0;
    size_t len;
    const char *item;
    for (const char *at = parts[1].text; found == 0 && function_next_trimmed(args->eval, &at, parts[2].text, &item, &len);)
        found = pattern_match(&pattern, item, len, 0, 0);
    return match_result(found);
}

/* The substitute with \0 to \9 replaced by what they matched. False when the pattern has no such group. */
static bool expand(const struct pattern *pattern, const char *text, const char *substitute, struct buf *out)
{
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(pattern->data);
    uint32_t groups = pcre2_get_ovector_count(pattern->data);
    for (const char *p = substitute; *p; p++) {
        if (*p != '\\' || !p[1]) {
            buf_char(out, *p);
            continue;
        }
        uint32_t group = (uint32_t)(*++p - '0');
        if (group > 9)
            buf_char(out, *p);
        else if (group >= groups)
            return false;
        else if (found[2 * group] != PCRE2_UNSET && found[2 * group] < found[2 * group + 1])
            buf_add(out, text + found[2 * group], found[2 * group + 1] - found[2 * group]);
    }
    return true;
}

/* After an empty match the next one must begin further on, but may end where this one did. */
static struct result substitute_in(const struct pattern *pattern, const char *text, const char *substitute)
{
    auto_buf struct buf out = { .max = AD_TEXT_MAX };
    size_t len = strlen(text);
    size_t start = 0; /* of the search */
    size_t done = 0;  /* what is behind this is not in `out` yet */
    bool empty = false;
    do {
        int found = pattern_match(pattern, text, len, start, empty ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0);
        const PCRE2_SIZE *match = pcre2_get_ovector_pointer(pattern->data);
        if (found < 0 || out.full)
            return result_error();
        if (found == 0) {
            if (!empty || start == len)
                break;
            empty = false;
            start++;
            continue;
        }
        if (match[1] < match[0] || match[0] < done) /* \K in something that looks around */
            return result_error();
        if (pattern->full)
            buf_add(&out, text + done, match[0] - done);
        if (!expand(pattern, text, substitute, &out))
            return result_error();
        empty = match[0] == match[1];
        start = done = match[1];
    } while (pattern->global && start <= len);
    if (pattern->full)
        buf_add(&out, text + done, len - done);
    return out.full ? result_error() : eval_text(pattern->eval, buf_cstr(&out), out.len);
}

/* regexps, replace, replaceAll: (pattern, text, substitute [, options]). */
struct result function_substitute(const struct arguments *args)
{
    struct result parts[4];
    struct result bad;
    auto_pattern struct pattern pattern = { 0 };
    if (!function_strings(args, 0, args->count, parts, &bad))
        return bad;
    if (!pattern_compile(&pattern, args->eval, parts[0].text, options_of(args, parts, 3)))
        return result_error();
    pattern.full |= args->variant != SUBSTITUTE_ONLY;
    pattern.global |= args->variant == SUBSTITUTE_ALL;
    return substitute_in(&pattern, parts[1].text, parts[2].text);
}
