/*
 * An answer that comes piece by piece: JSON objects, one a line, or, where content comes, frames (docs/openapi.yaml). Its last
 * piece says what became of it; an answer that ends without one broke off.
 */
#pragma once

#include "cli/api.h"

enum stream_kind { STREAM_HEAD, STREAM_RECORD, STREAM_BYTES, STREAM_PROGRESS, STREAM_RESULT };

struct stream_piece {
    enum stream_kind kind;
    const struct ad *ad;
    const char *bytes; /* of STREAM_BYTES */
    size_t len;
};

struct stream;
#define auto_stream __attribute__((cleanup(stream_close_pointer)))

int stream_open(struct api *api, const char *target, const struct ad *body, bool has_bytes, struct stream **stream,
                struct error *err);
/* The next piece, borrowed until the one after it. An error of the pool's is an error here. Not to be called behind
 * STREAM_RESULT. */
int stream_next(struct stream *stream, struct stream_piece *piece, struct error *err);
void stream_close_pointer(struct stream **stream);
