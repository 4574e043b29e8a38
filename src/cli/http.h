/*
 * What the client needs of HTTP: a request's text and the reading of one answer whose body ends at its Content-Length or with the
 * connection. HTTP/1.0 is spoken, so that nobody may answer in chunks. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_PARTIAL = 1,              /* more bytes are needed */
    HTTP_HEAD_MAX = 64 << 10,      /* bytes of status line and headers */
    HTTP_BODY_MAX = 256 << 20,     /* bytes of an answer's body */
};

struct http_response {
    int status;
    const char *head; /* the header lines, each with its CR LF; borrowed from the data */
    size_t head_len;
    const char *body;
    size_t body_len;
};

/* Reads the answer at the start of `data`; `ended`: the connection is closed and nothing will follow. 0, HTTP_PARTIAL, or an
 * error that says in one sentence what is wrong with it. */
int http_parse(const char *data, size_t len, bool ended, struct http_response *out, struct error *err);
/* The same as soon as the head is there; the body is what has come of it. */
int http_parse_head(const char *data, size_t len, bool ended, struct http_response *out, struct error *err);
/* Copies a header's value, blanks around it removed; false when absent or too long for `size`. Names compare without case. */
bool http_header(const struct http_response *response, const char *name, char *value, size_t size);

/* Appends a request. `body` may be NULL. */
void http_request(struct buf *out, const char *method, const char *target, const struct buf *body);
/* Appends "?name=value" or "&name=value" to a target, percent-encoded. */
void http_add_query(struct buf *target, const char *name, const char *value);
