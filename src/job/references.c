#include "job/references.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_part(char c)
{
    return is_start(c) || (c >= '0' && c <= '9');
}

/* Behind the quote that closes the one at `text`. */
static const char *skip_quoted(const char *text)
{
    char quote = *text++;
    while (*text && *text != quote)
        text += text[0] == '\\' && text[1] ? 2 : 1;
    return *text ? text + 1 : text;
}

static void tell(const char *name, size_t len, void (*fn)(void *data, const char *name), void *data)
{
    auto_free char *copy = mem_dup_n(name, len);
    fn(data, copy);
}

/* name = word { "." word } */
static const char *tell_name(const char *text, void (*fn)(void *data, const char *name), void *data)
{
    const char *end = text;
    bool dots = false;
    for (;;) {
        const char *word = end;
        while (is_part(*end))
            end++;
        dots |= end[0] == '.' && is_start(end[1]);
        if (dots)
            tell(word, (size_t)(end - word), fn, data);
        if (end[0] != '.' || !is_start(end[1]))
            break;
        end++;
    }
    tell(text, (size_t)(end - text), fn, data);
    return end;
}

/* Behind what is no name: a text, a comment, the digits of a number and the letters in it, or another character. */
static const char *skip_other(const char *text)
{
    if (*text == '"')
        return skip_quoted(text);
    if (text[0] == '/' && text[1] == '/')
        return text + strcspn(text, "\n");
    if (text[0] == '/' && text[1] == '*') {
        const char *end = strstr(text + 2, "*/");
        return end ? end + 2 : text + strlen(text);
    }
    do
        text++;
    while (is_part(text[-1]) && is_part(*text));
    return text;
}

void references_each(const char *expr, void (*fn)(void *data, const char *name), void *data)
{
    while (*expr) {
        if (*expr == '\'') {
            const char *end = skip_quoted(expr);
            size_t len = (size_t)(end - expr);
            tell(expr + 1, len > 2 ? len - 2 : 0, fn, data);
            expr = end;
        } else if (is_start(*expr))
            expr = tell_name(expr, fn, data);
        else
            expr = skip_other(expr);
    }
}

static bool is_one_of(const char *word, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && strncasecmp(*words, word, len) == 0)
            return true;
    return false;
}

bool references_are_open(const char *expr)
{
    static const char *const functions[] = { "eval", "unresolved", NULL };
    static const char *const ads[] = { "my", "self", "root", "toplevel", "parent", "target", NULL };
    while (*expr) {
        const char *word = expr;
        if (*expr == '\'')
            expr = skip_quoted(expr);
        else if (!is_start(*expr))
            expr = skip_other(expr);
        else {
            while (is_part(*expr))
                expr++;
            size_t len = (size_t)(expr - word);
            if (is_one_of(word, len, functions) || (*expr != '.' && is_one_of(word, len, ads)))
                return true;
        }
    }
    return false;
}
