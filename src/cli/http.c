#include "cli/http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char version[] = "HTTP/1.";

/* The length of status line and headers with the empty line that ends them; 0 when that is not there yet. */
static size_t head_length(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

static int find_head(const char *data, size_t len, bool ended, size_t *head_len, struct error *err)
{
    size_t known = len < sizeof version - 1 ? len : sizeof version - 1;
    if (memcmp(data, version, known) != 0)
        return error_set(err, ERR_INVALID, "the answer is not HTTP: is another program listening on the pool's socket?");
    *head_len = head_length(data, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX);
    if (*head_len > 0)
        return 0;
    if (len >= HTTP_HEAD_MAX)
        return error_set(err, ERR_LIMIT, "the answer's headers are longer than %d bytes", HTTP_HEAD_MAX);
    if (ended && len == 0)
        return error_set(err, ERR_SYSTEM, "the pool closed the connection without an answer");
    if (ended)
        return error_set(err, ERR_SYSTEM, "the answer broke off in its headers");
    return HTTP_PARTIAL;
}

/* status-line = "HTTP/1." DIGIT SP 3DIGIT [ SP text ] CR LF */
static int parse_status(const char *head, size_t len, struct http_response *out, struct error *err)
{
    const char *p = head + sizeof version - 1;
    const char *end = memmem(head, len, "\r\n", 2);
    if (!end || end - p < 5 || !isdigit((unsigned char)p[0]) || p[1] != ' ' || !isdigit((unsigned char)p[2]) ||
        !isdigit((unsigned char)p[3]) || !isdigit((unsigned char)p[4]) || (end - p > 5 && p[5] != ' '))
        return error_set(err, ERR_INVALID, "the answer's status line makes no sense");
    out->status = (p[2] - '0') * 100 + (p[3] - '0') * 10 + (p[4] - '0');
    if (out->status < 200 || out->status > 599)
        return error_set(err, ERR_INVALID, "the answer has the unexpected status %d", out->status);
    out->head = end + 2;
    out->head_len = len - (size_t)(out->head - head) - 2;
    return 0;
}

/* The next header line at *p; its parts are borrowed. False at the end. */
static bool next_header(const char **p, const char *end, const char **name, size_t *name_len, const char **value,
                        size_t *value_len)
{
    while (*p && *p < end) {
        const char *line = *p;
        const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
        stop = stop ? stop : end;
        *p = stop < end ? stop + 2 : end;
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        if (!colon)
            continue;
        *name = line;
        *name_len = (size_t)(colon - line);
        const char *from = colon + 1;
        while (from < stop && (*from == ' ' || *from == '\t'))
            from++;
        while (stop > from && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        *value = from;
        *value_len = (size_t)(stop - from);
        return true;
    }
    return false;
}

bool http_header(const struct http_response *response, const char *wanted, char *out, size_t size)
{
    const char *p = response->head, *name, *value;
    size_t name_len, value_len;
    while (next_header(&p, response->head + response->head_len, &name, &name_len, &value, &value_len)) {
        if (name_len != strlen(wanted) || strncasecmp(name, wanted, name_len) != 0)
            continue;
        if (value_len >= size)
            return false;
        memcpy(out, value, value_len);
        out[value_len] = '\0';
        return true;
    }
    return false;
}

/* *length = -1 when the body ends with the connection. Two lengths that differ would let two readers see two bodies. */
static int parse_length(const struct http_response *response, int64_t *length, struct error *err)
{
    const char *p = response->head, *name, *value;
    size_t name_len, value_len;
    *length = -1;
    while (next_header(&p, response->head + response->head_len, &name, &name_len, &value, &value_len)) {
        if (name_len == 17 && strncasecmp(name, "Transfer-Encoding", 17) == 0)
            return error_set(err, ERR_INVALID, "the answer comes in a form that was not asked for (Transfer-Encoding: %.*s)",
                             (int)(value_len < 40 ? value_len : 40), value);
        if (name_len != 14 || strncasecmp(name, "Content-Length", 14) != 0)
            continue;
        int64_t n = 0;
        for (size_t i = 0; i < value_len; i++) {
            if (!isdigit((unsigned char)value[i]) || i > 17)
                return error_set(err, ERR_INVALID, "the answer's Content-Length is not a number");
            n = n * 10 + (value[i] - '0');
        }
        if (value_len == 0 || (*length >= 0 && *length != n))
            return error_set(err, ERR_INVALID, "the answer contradicts itself about its Content-Length");
        *length = n;
    }
    if (*length > HTTP_BODY_MAX)
        return error_set(err, ERR_LIMIT, "the answer is longer than %d MiB: ask for less", HTTP_BODY_MAX >> 20);
    return 0;
}

/* *length as in parse_length. */
static int parse_head(const char *data, size_t len, bool ended, struct http_response *out, int64_t *length, struct error *err)
{
    size_t head_len;
    struct http_response got = { 0 };
    int r = find_head(data, len, ended, &head_len, err);
    if (r != 0)
        return r;
    if (parse_status(data, head_len, &got, err) < 0 || parse_length(&got, length, err) < 0)
        return -1;
    got.body = data + head_len;
    got.body_len = len - head_len;
    *out = got;
    return 0;
}

int http_parse_head(const char *data, size_t len, bool ended, struct http_response *out, struct error *err)
{
    int64_t length;
    return parse_head(data, len, ended, out, &length, err);
}

int http_parse(const char *data, size_t len, bool ended, struct http_response *out, struct error *err)
{
    struct http_response got;
    int64_t length;
    int r = parse_head(data, len, ended, &got, &length, err);
    if (r != 0)
        return r;
    if (length < 0 && got.body_len > HTTP_BODY_MAX)
        return error_set(err, ERR_LIMIT, "the answer is longer than %d MiB: ask for less", HTTP_BODY_MAX >> 20);
    if (length < 0 && !ended)
        return HTTP_PARTIAL;
    if (length >= 0 && got.body_len < (size_t)length && !ended)
        return HTTP_PARTIAL;
    if (length >= 0 && got.body_len < (size_t)length)
        return error_set(err, ERR_SYSTEM, "the answer broke off after %zu of %lld bytes", got.body_len, (long long)length);
    if (length >= 0)
        got.body_len = (size_t)length;
    *out = got;
    return 0;
}

void http_request(struct buf *out, const char *method, const char *target, const struct buf *body)
{
    buf_printf(out, "%s %s HTTP/1.0\r\nHost: stint\r\nConnection: close\r\n", method, target);
    if (body)
        buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body->len);
    buf_text(out, "\r\n");
    if (body)
        buf_add(out, body->data, body->len);
}

void http_add_query(struct buf *target, const char *name, const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,:";
    buf_char(target, strchr(buf_cstr(target), '?') ? '&' : '?');
    buf_printf(target, "%s=", name);
    for (const char *p = value; *p; p++) {
        if (strchr(plain, *p))
            buf_char(target, *p);
        else
            buf_printf(target, "%%%02X", (unsigned char)*p);
    }
}
