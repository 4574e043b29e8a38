#include "base/json_walk.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* Behind the quote that closes the string at `p`; NULL if nothing does. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return NULL;
        const char *first = quote;
        while (first > p && first[-1] == '\\')
            first--;
        if ((quote - first) % 2 == 0)
            return quote + 1;
        p = quote;
    }
    return NULL;
}

/* Behind the value at `p`; brackets are only counted. NULL if it does not end. */
static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!p || depth == 0)
                return p;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0)
                return p;
            p++;
            if (--depth == 0)
                return p;
        } else if (depth == 0 && (*p == ',' || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
            return p;
        } else
            p++;
    }
    return depth == 0 ? p : NULL;
}

struct json_walk json_walk_into(struct json_slice value)
{
    const char *end = value.text + value.len;
    const char *p = value.text ? skip_blanks(value.text, end) : NULL;
    if (!p || p == end || (*p != '{' && *p != '['))
        return (struct json_walk){ .failed = true };
    return (struct json_walk){ .at = p + 1, .end = end };
}

static bool fail(struct json_walk *walk)
{
    walk->failed = true;
    walk->at = walk->end;
    return false;
}

/* At what comes next, or false at the closing bracket. */
static bool go_on(struct json_walk *walk)
{
    if (walk->failed || walk->at == walk->end)
        return walk->failed ? false : fail(walk);
    walk->at = skip_blanks(walk->at, walk->end);
    if (walk->at < walk->end && *walk->at == ',')
        walk->at = skip_blanks(walk->at + 1, walk->end);
    if (walk->at == walk->end)
        return fail(walk);
    return *walk->at != '}' && *walk->at != ']';
}

static bool take_value(struct json_walk *walk, struct json_slice *value)
{
    const char *begin = skip_blanks(walk->at, walk->end);
    const char *end = skip_value(begin, walk->end);
    if (!end || end == begin)
        return fail(walk);
    *value = (struct json_slice){ begin, (size_t)(end - begin) };
    walk->at = end;
    return true;
}

bool json_next_item(struct json_walk *walk, struct json_slice *value)
{
    return go_on(walk) && take_value(walk, value);
}

bool json_next_member(struct json_walk *walk, struct json_slice *name, struct json_slice *value)
{
    if (!go_on(walk))
        return false;
    const char *end = *walk->at == '"' ? skip_string(walk->at, walk->end) : NULL;
    if (!end)
        return fail(walk);
    *name = (struct json_slice){ walk->at + 1, (size_t)(end - walk->at) - 2 };
    walk->at = skip_blanks(end, walk->end);
    if (walk->at == walk->end || *walk->at != ':')
        return fail(walk);
    walk->at++;
    return take_value(walk, value);
}

struct json_slice json_member(struct json_slice object, const char *wanted)
{
    struct json_walk walk = json_walk_into(object);
    struct json_slice name, value;
    size_t len = strlen(wanted);
    while (json_next_member(&walk, &name, &value))
        if (name.len == len && memcmp(name.text, wanted, len) == 0)
            return value;
    return (struct json_slice){ 0 };
}

bool json_is_string(struct json_slice value)
{
    return value.len >= 2 && value.text[0] == '"';
}

int64_t json_int(struct json_slice value, int64_t fallback)
{
    int64_t n = 0;
    size_t i = value.len > 0 && value.text[0] == '-';
    bool negative = i == 1;
    size_t first = i;
    for (; i < value.len && value.text[i] >= '0' && value.text[i] <= '9'; i++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, value.text[i] - '0', &n))
            return fallback;
    if (i == first || (i < value.len && value.text[i] != '.'))
        return fallback;
    return negative ? -n : n;
}

double json_real(struct json_slice value, double fallback)
{
    char text[64], *end;
    if (value.len == 0 || value.len >= sizeof text)
        return fallback;
    memcpy(text, value.text, value.len);
    text[value.len] = '\0';
    double number = strtod(text, &end);
    return end == text || *end ? fallback : number;
}

static bool read_hex(const char *p, const char *end, unsigned *code)
{
    *code = 0;
    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *at = p[i] ? strchr(digits, p[i]) : NULL;
        if (!at)
            return false;
        *code = *code * 16 + (unsigned)(at - digits) % 16;
    }
    return true;
}

static void add_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_char(out, (char)code);
        return;
    }
    if (code >= 0x10000) {
        buf_char(out, (char)(0xf0 | code >> 18));
        buf_char(out, (char)(0x80 | (code >> 12 & 0x3f)));
    } else if (code >= 0x800)
        buf_char(out, (char)(0xe0 | code >> 12));
    if (code >= 0x800)
        buf_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
    else
        buf_char(out, (char)(0xc0 | code >> 6));
    buf_char(out, (char)(0x80 | (code & 0x3f)));
}

/* escape = "\" ( letter | "u" 4hex [ "\u" 4hex ] ); NULL if it is none */
static const char *add_escape(const char *p, const char *end, struct buf *out)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    unsigned code, low;
    const char *at = end - p > 1 && p[1] ? strchr(letters, p[1]) : NULL;
    if (at) {
        buf_char(out, meant[at - letters]);
        return p + 2;
    }
    if (end - p < 6 || p[1] != 'u' || !read_hex(p + 2, end, &code) || code == 0)
        return NULL;
    p += 6;
    if (code >= 0xd800 && code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && read_hex(p + 2, end, &low) &&
        low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    add_utf8(out, code);
    return p;
}

bool json_text(struct json_slice value, struct buf *out)
{
    if (!json_is_string(value))
        return false;
    const char *p = value.text + 1, *end = value.text + value.len - 1;
    while (p && p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        stop = stop ? stop : end;
        buf_add(out, p, (size_t)(stop - p));
        p = stop < end ? add_escape(stop, end, out) : stop;
    }
    return p != NULL;
}
