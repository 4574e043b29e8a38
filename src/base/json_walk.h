/*
 * Walking through JSON text without building anything: the members of an object and the items of an array, one after the other, as
 * slices of the text. For long answers of which little is wanted; ad_parse_json is what checks everything. Pure.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_slice {
    const char *text; /* NULL = absent */
    size_t len;
};

struct json_walk {
    const char *at, *end;
    bool failed; /* this is no JSON; nothing more comes */
};

/* Begins at an object's or an array's opening bracket. What is neither fails at once. */
struct json_walk json_walk_into(struct json_slice value);
/* The next member: its name without quotes, as it is written, and its value. False at the end. */
bool json_next_member(struct json_walk *walk, struct json_slice *name, struct json_slice *value);
/* The next item of an array. False at the end. */
bool json_next_item(struct json_walk *walk, struct json_slice *value);
/* The value of an object's member; absent if there is none. */
struct json_slice json_member(struct json_slice object, const char *name);

bool json_is_string(struct json_slice value);
/* A whole number, or what stands before the point of another; the fallback for anything else. */
int64_t json_int(struct json_slice value, int64_t fallback);
double json_real(struct json_slice value, double fallback);
/* Appends a string's bytes; false if it is none, or one with a NUL. */
bool json_text(struct json_slice value, struct buf *out);
