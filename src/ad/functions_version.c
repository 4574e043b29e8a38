/*
 * Versions: compared like text, unless the first difference is within digits. Then the numbers count, and of equal numbers the
 * one with more zeros before it is the smaller: 000, 00, 01, 010, 09, 0, 1, 9, 10 is in order, for a number with zeros before it
 * is a fraction's.
 */
#include "ad/functions.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* How many zeros a number begins with that are followed by a digit. */
static size_t leading_zeros(const char *number)
{
    size_t zeros = strspn(number, "0");
    return zeros > 0 && !is_digit(number[zeros]) ? zeros - 1 : zeros;
}

static int sign_of(int order)
{
    return (order > 0) - (order < 0);
}

/* Two runs of digits whose first difference is at `at`. */
static int compare_numbers(const char *a, const char *b, size_t at)
{
    size_t zeros[2] = { leading_zeros(a), leading_zeros(b) };
    if (zeros[0] != zeros[1])
        return zeros[0] > zeros[1] ? -1 : 1;
    size_t len[2] = { strspn(a, "0123456789"), strspn(b, "0123456789") };
    if (zeros[0] == 0 && len[0] != len[1])
        return len[0] < len[1] ? -1 : 1;
    return sign_of((unsigned char)a[at] - (unsigned char)b[at]);
}

static int compare_versions(const char *a, const char *b)
{
    size_t at = 0;
    size_t number = 0; /* where the run of digits that `at` is in or behind begins */
    for (; a[at] && a[at] == b[at]; at++)
        number = is_digit(a[at]) ? number : at + 1;
    if (a[at] == b[at])
        return 0;
    bool inside = at > number;
    if ((is_digit(a[at]) && is_digit(b[at])) || (inside && (is_digit(a[at]) || is_digit(b[at]))))
        return compare_numbers(a + number, b + number, at - number);
    return sign_of((unsigned char)a[at] - (unsigned char)b[at]);
}

struct result function_version(const struct arguments *args)
{
    struct result parts[2];
    struct result bad;
    if (!function_strings(args, 0, 2, parts, &bad))
        return bad;
    int order = compare_versions(parts[0].text, parts[1].text);
    switch (args->variant) {
    case VERSION_LESS:
        return result_bool(order < 0);
    case VERSION_LESS_OR_EQUAL:
        return result_bool(order <= 0);
    case VERSION_GREATER:
        return result_bool(order > 0);
    case VERSION_GREATER_OR_EQUAL:
        return result_bool(order >= 0);
    case VERSION_EQUAL:
        return result_bool(order == 0);
    default:
        return result_int(order);
    }
}

/* version_in_range(version, least, most). */
struct result function_version_in_range(const struct arguments *args)
{
    struct result parts[3];
    struct result bad;
    if (!function_strings(args, 0, 3, parts, &bad))
        return bad;
    return result_bool(compare_versions(parts[1].text, parts[0].text) <= 0 &&
                       compare_versions(parts[0].text, parts[2].text) <= 0);
}
