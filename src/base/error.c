#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [ERR_INVALID] = "invalid", [ERR_DENIED] = "denied", [ERR_LIMIT] = "limit",
    [ERR_SYSTEM] = "system",   [ERR_CHILD] = "child",   [ERR_CORRUPT] = "corrupt",
};

/* Ends a text that did not fit with an ellipsis, on a character boundary. */
static void mark_cut(char *text, size_t size, size_t wanted)
{
    static const char ellipsis[] = "…";
    if (wanted < size)
        return;
    size_t at = size - sizeof ellipsis;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    memcpy(text + at, ellipsis, sizeof ellipsis);
}

static void print_text(struct error *err, const char *fmt, va_list ap)
{
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    mark_cut(err->text, sizeof err->text, n < 0 ? 0 : (size_t)n);
}

static void append_text(struct error *err, const char *tail)
{
    size_t len = strlen(err->text);
    int n = snprintf(err->text + len, sizeof err->text - len, "%s", tail);
    mark_cut(err->text, sizeof err->text, len + (size_t)n);
}

int error_set(struct error *err, enum error_kind kind, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    err->kind = kind;
    err->sys = 0;
    print_text(err, fmt, ap);
    va_end(ap);
    return -1;
}

int error_sys(struct error *err, const char *fmt, ...)
{
    int sys = errno;
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    err->kind = ERR_SYSTEM;
    err->sys = sys;
    print_text(err, fmt, ap);
    va_end(ap);
    append_text(err, ": ");
    append_text(err, strerror(sys));
    errno = sys; /* callers go on deciding by it */
    return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    va_list ap;
    va_start(ap, fmt);
    print_text(err, fmt, ap);
    va_end(ap);
    append_text(err, ": ");
    append_text(err, inner);
    return -1;
}

const char *error_kind_name(enum error_kind kind)
{
    if (kind < ERR_INVALID || kind > ERR_CORRUPT)
        return kind_names[ERR_SYSTEM];
    return kind_names[kind];
}

enum error_kind error_kind_from_name(const char *name)
{
    for (enum error_kind kind = ERR_INVALID; name && kind <= ERR_CORRUPT; kind++)
        if (strcmp(name, kind_names[kind]) == 0)
            return kind;
    return ERR_SYSTEM;
}
