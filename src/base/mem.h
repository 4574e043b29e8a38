/*
 * Memory with an owner on the declaration line. Out of memory aborts: everything that matters is durable before it is acted
 * upon, so an abort is a kill -9, which is tested. A size that comes from outside must meet a named limit before it gets here.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#define auto_free __attribute__((cleanup(mem_free_pointer)))

/* Hands over what a cleanup variable owns. */
#define steal(ptr)                 \
    __extension__({               \
        __typeof__(ptr) p_ = (ptr); \
        (ptr) = NULL;              \
        p_;                        \
    })

void *mem_zero(size_t count, size_t size);
/* Grows an array to hold `want` elements; *capacity is updated; new room is not zeroed. */
void *mem_grow(void *array, size_t *capacity, size_t want, size_t size);
char *mem_dup(const char *text);
char *mem_dup_n(const char *text, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline void mem_free_pointer(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

#define mem_new(type) ((type *)mem_zero(1, sizeof(type)))
