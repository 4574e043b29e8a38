/* Functions on strings. A character is a byte, as everywhere in the language. */
#include "ad/functions.h"

#include <string.h>

struct result function_strcat(const struct arguments *args)
{
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    for (uint32_t i = 0; i < args->count; i++)
        if (!function_append(args->eval, argument(args, i), &text))
            return result_error();
    return eval_text(args->eval, buf_cstr(&text), text.len);
}

struct result function_in_case(const struct arguments *args)
{
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    bool upper = args->variant == CASE_UPPER;
    if (!function_append(args->eval, argument(args, 0), &text))
        return result_error();
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= (upper ? 'a' : 'A') && text.data[i] <= (upper ? 'z' : 'Z'))
            text.data[i] ^= 0x20;
    return eval_text(args->eval, buf_cstr(&text), text.len);
}

/* One value more behind the separator; undefined ones are left out. */
static bool join_one(struct eval *eval, const char *separator, struct result value, bool *first, struct buf *text)
{
    if (value.kind == VALUE_UNDEFINED)
        return true;
    if (!*first && !function_append(eval, result_string(separator), text))
        return false;
    *first = false;
    return function_append(eval, value, text);
}

static struct result join_list(struct eval *eval, const char *separator, struct result list)
{
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    bool first = true;
    for (uint32_t i = 0; i < list.list->count; i++)
        if (!join_one(eval, separator, eval_element(eval, list, i), &first, &text))
            return result_error();
    return eval_text(eval, buf_cstr(&text), text.len);
}

/* join(separator, value, …), join(separator, list), join(list). */
struct result function_join(const struct arguments *args)
{
    struct result separator = argument(args, 0);
    if (args->count == 1)
        return separator.kind == VALUE_LIST ? join_list(args->eval, "", separator) : function_refuse(separator);
    if (separator.kind != VALUE_STRING)
        return function_refuse(separator);
    struct result second = argument(args, 1);
    if (args->count == 2 && second.kind == VALUE_LIST)
        return join_list(args->eval, separator.text, second);
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    bool first = true;
    for (uint32_t i = 1; i < args->count; i++) {
        struct result value = i == 1 ? second : argument(args, i);
        if (!join_one(args->eval, separator.text, value, &first, &text))
            return result_error();
    }
    return eval_text(args->eval, buf_cstr(&text), text.len);
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* substr(text, offset [, length]): an offset below 0 counts from the end, a length below 0 leaves so many out at the end. */
struct result function_substr(const struct arguments *args)
{
    struct result text;
    struct result bad;
    bool good = function_strings(args, 0, 1, &text, &bad);
    int64_t numbers[2] = { 0, INT64_MAX };
    for (uint32_t i = 1; i < args->count; i++) {
        struct result number = argument(args, i);
        if (number.kind != VALUE_INT) {
            if (good || bad.kind == VALUE_UNDEFINED)
                bad = function_refuse(number);
            good = false;
        }
        numbers[i - 1] = number.kind == VALUE_INT ? number.integer : 0;
    }
    if (!good)
        return bad;
    int64_t size = (int64_t)strlen(text.text);
    int64_t start = clamp(numbers[0] < 0 ? clamp(numbers[0], -size, 0) + size : numbers[0], 0, size);
    int64_t end = numbers[1] < 0 ? size + clamp(numbers[1], -size, 0) : start + clamp(numbers[1], 0, size - start);
    return eval_text(args->eval, text.text + start, (size_t)(end > start ? end - start : 0));
}

struct result function_compare(const struct arguments *args)
{
    auto_buf struct buf a = { .max = AD_TEXT_MAX };
    auto_buf struct buf b = { .max = AD_TEXT_MAX };
    if (!function_append(args->eval, argument(args, 0), &a) || !function_append(args->eval, argument(args, 1), &b))
        return result_error();
    int order =
        args->variant == COMPARE_EXACT ? strcmp(buf_cstr(&a), buf_cstr(&b)) : node_compare_names(buf_cstr(&a), buf_cstr(&b));
    return result_int((order > 0) - (order < 0));
}

/* Who lives where, and who belongs to which group, is the machine's matter, and evaluation does not look at the machine: every
 * user is one without home and group. */
struct result function_user_home(const struct arguments *args)
{
    struct result name = argument(args, 0);
    if (name.kind != VALUE_STRING)
        return function_refuse(name);
    return args->count == 2 ? argument(args, 1) : result_undefined();
}

struct result function_user_map(const struct arguments *args)
{
    struct result names[2];
    struct result bad;
    if (!function_strings(args, 0, 2, names, &bad))
        return bad;
    return args->count == 4 ? argument(args, 3) : result_undefined();
}
