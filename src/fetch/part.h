/*
 * The file that is being fetched, and the note beside it that says of what it is the beginning. A note of another boot does not
 * count, since a power cut may have left holes, unless a digest will tell.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PART_VALIDATOR_MAX = 300, PART_DIGEST_TEXT = 65 };

struct part {
    int dir;
    const char *name;
    const char *url;
    const char *wanted;  /* digest that the user gave, or "" */
    int fd;
    int64_t have;
    int64_t total;       /* -1: not known */
    char validator[PART_VALIDATOR_MAX]; /* a strong ETag, else a date; "" = what is there cannot be gone on with */
    char told[PART_DIGEST_TEXT];        /* digest of the whole that the server gave, or "" */
};

/* Opens or makes the file; what is there counts only if the note fits. */
int part_open(struct part *part, struct error *err);
void part_close(struct part *part);
/* Back to nothing. */
int part_empty(struct part *part, struct error *err);
int part_add(struct part *part, const void *data, size_t len, struct error *err);
/* Writes the note. */
int part_note(struct part *part, struct error *err);
/* SHA-256 of all that is there. */
int part_digest(const struct part *part, char hex[PART_DIGEST_TEXT], struct error *err);
/* Whether there is room for what is still missing. */
int part_check_room(const struct part *part, struct error *err);
