/*
 * Compression, one coder for each thread. The level follows the disk: where the disk makes threads wait there is time to
 * compress better, where it never does, less compression is sooner done. What does not get smaller stays as it is.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CODER_LEVEL_FIRST = 1, CODER_LEVEL_MIN = -5, CODER_LEVEL_MAX = 3 };

struct coder;

struct coder *coder_new(void);
void coder_free(struct coder *coder); /* accepts NULL */
/* Room for two chunks that belongs to the coder, for whoever holds it. */
uint8_t *coder_room(struct coder *coder);
/* Compresses into a buffer of the coder's, which begins at a page, has room for a page behind the result, and stays valid until the
 * next call. Returns the size, or 0 when it is not worth it (then *packed is not set). */
size_t coder_pack(struct coder *coder, const void *data, size_t len, uint8_t **packed);
/* Whether the disk is slower than the threads that pack for it. */
void coder_adapt(struct coder *coder, bool blocked);
/* Exactly `len` bytes or false. */
bool coder_unpack(struct coder *coder, const void *packed, size_t packed_len, void *data, size_t len);
