/*
 * The store's key, which lies beside the store (not in it: a store may be copied to where others can write) and signs manifests
 * and tables of packs. Whoever has it can make checkpoints that are believed.
 */
#pragma once

#include "store/store.h"

#include <nettle/hmac.h>
#include <stddef.h>

enum { SEAL_KEY_BYTES = 32, SEAL_BYTES = SHA256_DIGEST_SIZE };

struct seal {
    uint8_t key[SEAL_KEY_BYTES];
};

/* Reads the key, or makes it, durably; two who do so at once get the same. */
int seal_open(const char *path, bool make, struct seal *seal, struct error *err);
/* HMAC-SHA-256 over what follows from seal_begin to seal_end. `purpose` keeps apart what is signed for one use from another. */
void seal_begin(const struct seal *seal, const char *purpose, struct hmac_sha256_ctx *ctx);
void seal_end(struct hmac_sha256_ctx *ctx, struct digest *mac);
void seal_of(const struct seal *seal, const char *purpose, const void *data, size_t len, struct digest *mac);
/* In constant time. */
bool seal_same(const struct digest *a, const struct digest *b);
/* The secret seed of fingerprints. */
uint64_t seal_seed(const struct seal *seal);
