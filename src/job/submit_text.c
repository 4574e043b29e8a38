#include "job/submit_parts.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at p (RFC 3629: no surrogates, no overlong forms), 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    bool bad = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
               (p[0] == 0xF4 && p[1] > 0x8F);
    return bad ? 0 : len;
}

static int check_bytes(const char *text, size_t len, struct error *err)
{
    if (memchr(text, '\0', len))
        return error_set(err, ERR_INVALID, "the line has a NUL byte; a submit file is plain text");
    for (size_t i = 0; i < len;) {
        size_t step = utf8_length((const unsigned char *)text + i, len - i);
        if (step == 0)
            return error_set(err, ERR_INVALID, "byte %zu of the line (0x%02X) is not UTF-8; save the file as UTF-8", i + 1,
                             (unsigned char)text[i]);
        i += step;
    }
    return 0;
}

/* Takes the next physical line off the text, without blanks at its ends; false at the end. */
static bool take_line(struct submit_reader *r, const char **text, size_t *len)
{
    if (r->at >= r->len)
        return false;
    const char *from = r->text + r->at;
    const char *newline = memchr(from, '\n', r->len - r->at);
    size_t size = newline ? (size_t)(newline - from) : r->len - r->at;
    r->at += size + (newline ? 1 : 0);
    r->line++;
    while (size > 0 && isspace((unsigned char)from[size - 1]))
        size--;
    while (size > 0 && isspace((unsigned char)*from)) {
        from++;
        size--;
    }
    *text = from;
    *len = size;
    return true;
}

/* The column of `text` in its line. */
static int first_column(const struct submit_reader *r, const char *text)
{
    const char *from = text;
    while (from > r->text && from[-1] != '\n')
        from--;
    return text - from < INT_MAX ? (int)(text - from) + 1 : 0;
}

/* A comment between the lines of a continued one is left out; a comment's own backslash does not continue it. */
int submit_read(struct submit_reader *r, struct buf *line, int *number, struct error *err)
{
    const char *text;
    size_t len;
    bool open = false; /* the last line ended in a backslash */
    buf_clear(line);
    if (r->at == 0 && r->len >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0)
        r->at = 3;
    while (take_line(r, &text, &len)) {
        if (!open) {
            *number = r->line;
            r->column = first_column(r, text);
        }
        if ((len > 0 && *text == '#' && !r->items) || (len == 0 && !open))
            continue;
        if (check_bytes(text, len, err) < 0) {
            *number = r->line;
            return -1;
        }
        bool more = len > 0 && text[len - 1] == '\\';
        buf_add(line, text, len - more);
        if (!more)
            return 0;
        open = true;
        r->column = 0;
    }
    return line->len > 0 ? 0 : SUBMIT_END;
}
