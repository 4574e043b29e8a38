#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        static const char text[] = "stint: out of memory\n";
        fwrite(text, 1, sizeof text - 1, stderr);
        abort();
    }
    return p;
}

void *mem_zero(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *mem_grow(void *array, size_t *capacity, size_t want, size_t size)
{
    if (want <= *capacity)
        return array;
    size_t room = *capacity ? *capacity : 8;
    while (room < want)
        room *= 2;
    array = checked(reallocarray(array, room, size));
    *capacity = room;
    return array;
}

char *mem_dup(const char *text)
{
    return checked(strdup(text));
}

char *mem_dup_n(const char *text, size_t len)
{
    char *copy = checked(malloc(len + 1));
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : text);
}
