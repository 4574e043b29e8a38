/*
 * A growing run of bytes with a maximum that its user names. Past the maximum nothing is added and `full` stays set: check it
 * once, at the end. The data are always followed by a NUL that does not count.
 */
#pragma once

#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max; /* 0 = BUF_MAX_DEFAULT */
    bool full;
};

#define BUF_MAX_DEFAULT ((size_t)256 << 20)
#define auto_buf __attribute__((cleanup(buf_release)))

void buf_release(struct buf *b);
void buf_clear(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_char(struct buf *b, char c);
void buf_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first `len` bytes. */
void buf_drop(struct buf *b, size_t len);
/* The text so far, never NULL; borrowed. */
const char *buf_cstr(const struct buf *b);
/* Hands the text over; the buffer is empty afterwards. */
char *buf_steal(struct buf *b);
