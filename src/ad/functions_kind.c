/* Functions about kinds of values: what a value is, and what it is as another kind. */
#include "ad/functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct result function_is_kind(const struct arguments *args)
{
    return result_bool((int)argument(args, 0).kind == args->variant);
}

/* strtod alone would also take "inf", "nan" and hexadecimal. */
struct result function_number(const char *text)
{
    static const char blanks[] = " \t\n\r";
    text += strspn(text, blanks);
    size_t len = strspn(text, "0123456789.eE+-");
    if (len == 0 || text[len + strspn(text + len, blanks)])
        return result_error();
    char *end;
    errno = 0;
    int64_t integer = strtoll(text, &end, 10);
    if (end == text + len)
        return errno ? result_error() : result_int(integer);
    double real = strtod(text, &end);
    return end == text + len ? result_real(real) : result_error();
}

static struct result number_argument(const struct arguments *args)
{
    struct result value = argument(args, 0);
    switch (value.kind) {
    case VALUE_STRING:
        return function_number(value.text);
    case VALUE_BOOL:
        return result_int(value.boolean);
    case VALUE_ABSTIME:
        return result_int(value.integer);
    case VALUE_RELTIME:
        return result_real(value.real);
    case VALUE_INT:
    case VALUE_REAL:
        return value;
    default:
        return result_error();
    }
}

struct result function_int(const struct arguments *args)
{
    struct result value = number_argument(args);
    if (value.kind != VALUE_REAL)
        return value;
    return value.real >= -0x1p63 && value.real < 0x1p63 ? result_int((int64_t)value.real) : result_error();
}

struct result function_real(const struct arguments *args)
{
    struct result value = number_argument(args);
    return value.kind == VALUE_INT ? (struct result){ .kind = VALUE_REAL, .real = (double)value.integer } : value;
}

struct result function_bool(const struct arguments *args)
{
    struct result value = argument(args, 0);
    if (value.kind != VALUE_STRING)
        return eval_condition(value);
    bool yes = node_compare_names(value.text, "true") == 0;
    return yes || node_compare_names(value.text, "false") == 0 ? result_bool(yes) : result_error();
}
