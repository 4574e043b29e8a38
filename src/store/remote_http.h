/*
 * Signed requests to an S3 server, each repeated while there is hope: what the remote in a bucket is made of. Knows HTTP,
 * retries, and how to say what went wrong; not what the requests are for.
 */
#pragma once

#include "base/buf.h"
#include "store/remote_keys.h"
#include "store/remote_parts.h"
#include "store/remote_xml.h"

struct remote_http;

enum { REMOTE_SHA_TEXT = 65, REMOTE_ETAG_MAX = 160, REMOTE_ANSWER_MAX_BYTES = 8 << 20 };

struct remote_request {
    const char *method; /* GET, HEAD, PUT, POST or DELETE */
    const char *path;   /* "/BUCKET/KEY", of characters that need no escape */
    const char *query;  /* NULL = none; as it is signed: sorted, with a '=' in each, values escaped */
    /* What PUT and POST send: `text`, or so many bytes of a descriptor. Its SHA-256 is signed, so that the server refuses what
     * arrives as something else. */
    const char *text;
    int fd;
    int64_t offset;
    int64_t bytes;
    char sha256[REMOTE_SHA_TEXT]; /* "" = that of no bytes, or of the text */
    /* What GET answers goes to this descriptor, from its beginning, when `to_file`; else, and all errors, into answer->body. */
    bool to_file;
    int out;
    int64_t out_max;
    int tries; /* 0 = the options' */
    const struct remote_progress *progress;
    int64_t progress_base; /* bytes that earlier requests moved */
};

struct remote_answer {
    int64_t length; /* Content-Length, -1 = not said */
    char etag[REMOTE_ETAG_MAX];
    char code[REMOTE_CODE_MAX]; /* S3's word for the error, "" = none */
    struct buf body;
};

#define auto_remote_answer __attribute__((cleanup(remote_answer_release)))

void remote_answer_release(struct remote_answer *answer);

/* `options` without zeros, endpoint included; takes over the keys. */
int remote_http_open(const struct remote_options *options, const char *bucket, struct remote_keys *keys,
                     struct remote_http **out, struct error *err);
void remote_http_close(struct remote_http *http);

/* 0 = the server did it. Outcome REMOTE_HTTP_MISSING for a 404 other than NoSuchBucket; answer->code has the reason, if it was
 * given. */
enum { REMOTE_HTTP_MISSING = 1 };
int remote_http_perform(struct remote_http *http, const struct remote_request *request, struct remote_answer *answer,
                        struct error *err);
/* The text for a 404 that means that there is no such bucket. Returns -1. */
int remote_http_no_bucket(const struct remote_http *http, struct error *err);
/* A value for a query, appended. */
void remote_http_escape(struct buf *out, const char *text);
int remote_http_digest(int fd, int64_t offset, int64_t bytes, char sha256[REMOTE_SHA_TEXT], struct error *err);
