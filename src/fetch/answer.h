/* What the headers of an HTTP answer say, as far as it matters here. Pure. */
#pragma once

#include "fetch/part.h"

#include <stddef.h>

struct answer {
    long status;
    int64_t length;      /* of the body, -1: not said */
    int64_t range_from;  /* of Content-Range, -1: none */
    int64_t range_total; /* the whole's length, -1: not said */
    bool chunked;
    char etag[PART_VALIDATOR_MAX]; /* strong ones only */
    char date[PART_VALIDATOR_MAX]; /* Last-Modified */
    char sent[PART_VALIDATOR_MAX]; /* Date: the server's clock */
    char whole[PART_DIGEST_TEXT];  /* SHA-256 of the whole: Repr-Digest, or Digest */
    char body[PART_DIGEST_TEXT];   /* … of this body: Content-Digest */
};

/* One header line, as libcurl gives it; a status line begins anew. */
void answer_line(struct answer *answer, const char *line, size_t len);
