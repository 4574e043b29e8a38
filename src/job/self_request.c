#include "job/self_request.h"

#include <string.h>

/* Reading goes from one end of a datagram to the other; `end` is where its newline is. */
struct cursor {
    const char *at, *end;
};

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool self_token_valid(const char *token)
{
    size_t len = 0;
    while (len < SELF_TOKEN_LEN && is_token_char(token[len]))
        len++;
    return len == SELF_TOKEN_LEN && token[len] == '\0';
}

/* The version may be one that is not known: its token is in the same place. */
bool self_request_token(const char *data, size_t len, char token[SELF_TOKEN_LEN + 1])
{
    size_t at = 0;
    if (len == 0 || len > SELF_REQUEST_MAX)
        return false;
    while (at < len && data[at] >= '0' && data[at] <= '9')
        at++;
    if (at == 0 || at + 1 + SELF_TOKEN_LEN >= len || data[at] != ' ')
        return false;
    const char *from = data + at + 1;
    for (int i = 0; i < SELF_TOKEN_LEN; i++)
        if (!is_token_char(from[i]))
            return false;
    if (from[SELF_TOKEN_LEN] != ' ')
        return false;
    memcpy(token, from, SELF_TOKEN_LEN);
    token[SELF_TOKEN_LEN] = '\0';
    return true;
}

/* A word, and the one space behind it. */
static bool take(struct cursor *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    if (c->at + len < c->end && c->at[len] != ' ')
        return false;
    c->at += len;
    c->at += c->at < c->end;
    return true;
}

/* FRACTION = ("0" | "1") ["." digits], at most 1; what comes after the ninth digit is not looked at. */
static bool take_fraction(struct cursor *c, double *out)
{
    const char *p = c->at;
    int digits, unit = 1;
    if (p == c->end || (*p != '0' && *p != '1'))
        return false;
    digits = *p++ - '0';
    if (p < c->end && *p == '.')
        for (p++; p < c->end && *p >= '0' && *p <= '9'; p++)
            if (unit < 1000000000) {
                digits = digits * 10 + (*p - '0');
                unit *= 10;
            }
    if (digits > unit || (p < c->end && *p != ' '))
        return false;
    c->at = p + (p < c->end);
    *out = (double)digits / unit;
    return true;
}

/* Bytes of the well-formed character of UTF-8 at `p`, 0 when there is none: the text goes into JSON and onto terminals. */
static size_t character_len(const unsigned char *p, size_t room)
{
    size_t len = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
    if (len == 0 || len > room)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    bool control = p[0] < ' ' || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
    return overlong || beyond || control ? 0 : len;
}

static void copy_text(char *out, const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = character_len((const unsigned char *)text + i, len - i);
        if (n > 0)
            memcpy(out + i, text + i, n);
        else
            out[i] = (unsigned char)text[i] < 0x80 ? ' ' : '?';
        n += n == 0;
    }
}

static int parse_progress(struct cursor *c, struct self_request *out, struct error *err)
{
    if (!take_fraction(c, &out->fraction))
        return error_set(err, ERR_INVALID, "progress is a number from 0 to 1, such as 0.25");
    size_t len = (size_t)(c->end - c->at);
    if (len > SELF_TEXT_MAX)
        return error_set(err, ERR_INVALID, "the text of progress has at most %d bytes", SELF_TEXT_MAX);
    copy_text(out->text, c->at, len);
    c->at = c->end;
    return 0;
}

static int parse_hold(struct cursor *c, struct self_request *out, struct error *err)
{
    const char *p = c->at;
    int n = 0;
    for (; p < c->end && *p >= '0' && *p <= '9' && n <= SELF_HOLD_MAX_S; p++)
        n = n * 10 + (*p - '0');
    if (p != c->end || n < 1 || n > SELF_HOLD_MAX_S)
        return error_set(err, ERR_INVALID, "checkpoints can be held off for 1 to %d seconds", SELF_HOLD_MAX_S);
    c->at = p;
    out->seconds = n;
    return 0;
}

static int parse_arguments(struct cursor *c, struct self_request *out, struct error *err)
{
    if (out->verb == SELF_PROGRESS)
        return parse_progress(c, out, err);
    if (out->verb == SELF_HOLD)
        return parse_hold(c, out, err);
    return c->at == c->end ? 0 : error_set(err, ERR_INVALID, "this request has no arguments");
}

int self_request_parse(const char *data, size_t len, struct self_request *out, struct error *err)
{
    static const char *const verbs[] = {
        [SELF_CHECKPOINT] = "checkpoint", [SELF_HOLD] = "hold",           [SELF_RELEASE] = "release",
        [SELF_PROGRESS] = "progress",     [SELF_REMAINING] = "remaining", [SELF_STATUS] = "status",
    };
    struct self_request request = { 0 };
    struct cursor c = { .at = data, .end = data + len };
    if (!self_request_token(data, len, request.token))
        return error_set(err, ERR_INVALID, "a request has a version and a token");
    if (memchr(data, '\n', len) != data + len - 1)
        return error_set(err, ERR_INVALID, "a request is one line");
    c.end--;
    if (!take(&c, "1"))
        return error_set(err, ERR_INVALID, "version 1 of requests is all that is spoken here");
    c.at += SELF_TOKEN_LEN + 1;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (c.at < c.end && take(&c, verbs[i])) {
            request.verb = (enum self_verb)i;
            if (parse_arguments(&c, &request, err) < 0)
                return -1;
            *out = request;
            return 0;
        }
    return error_set(err, ERR_INVALID, "such a request is not known");
}
