/*
 * Sets of digests, to know which chunks are named by a manifest or have been stored already. Digests of the content are
 * uniform, so their first bytes serve as the hash.
 */
#pragma once

#include "store/store.h"

#include <stddef.h>

struct digest_set {
    struct digest *slots;
    bool *used;
    size_t room; /* a power of two, or 0 */
    size_t count;
};

#define auto_digest_set __attribute__((cleanup(digest_set_release)))

bool digest_set_has(const struct digest_set *set, const struct digest *digest);
/* True when it was not there before. */
bool digest_set_add(struct digest_set *set, const struct digest *digest);
void digest_set_release(struct digest_set *set);

/* All zero: stands for no chunk, or for one of zeros. */
bool digest_is_none(const struct digest *digest);
void digest_of(const void *data, size_t len, struct digest *out);
/* Exactly 64 lower-case hexadecimal digits from the start of text, whatever follows. */
bool digest_read(const char *text, size_t len, struct digest *digest);
