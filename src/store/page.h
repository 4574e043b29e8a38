/*
 * Pages: the parts of a chunk that are told apart. A chunk is at most 256 pages of 4096 bytes; its last one may be shorter.
 *
 *   digest of a page  = SHA-256 of its bytes
 *   digest of a chunk = SHA-256 of the digests of its pages, one after another
 *
 * So when few pages of a chunk changed, its new digest costs as much as those. What changed is found out by a fingerprint, XXH3
 * of 128 bits under a secret seed, ten times quicker than the digest. It decides nothing but whether a page is the one that was
 * at this place before; what a chunk *is*, its digest says.
 */
#pragma once

#include "store/store.h"

#include <stddef.h>

enum { PAGE = STORE_PAGE_BYTES, CHUNK_PAGES = STORE_CHUNK_BYTES / STORE_PAGE_BYTES };

/* A set of a chunk's pages. */
struct page_set {
    uint64_t bits[CHUNK_PAGES / 64];
};

struct fingerprint {
    uint64_t low, high;
};

size_t pages_of(size_t chunk_bytes);
size_t page_bytes(size_t chunk_bytes, size_t page);

void page_set_add(struct page_set *set, size_t page);
bool page_set_has(const struct page_set *set, size_t page);
size_t page_set_count(const struct page_set *set);
void page_set_unite(struct page_set *set, const struct page_set *other);
/* The first `pages` pages. */
struct page_set page_set_first(size_t pages);
/* Bytes of the pages in the set, in a chunk of that length. A page that the chunk has not counts nothing. */
size_t page_set_bytes(const struct page_set *set, size_t chunk_bytes);
/* Whether all of its pages are pages of the chunk. */
bool page_set_within(const struct page_set *set, size_t chunk_bytes);

/* Moves the pages of the set together to the front of `chunk`; returns their bytes. And back apart, into a chunk that holds
 * something already. */
size_t pages_gather(uint8_t *chunk, size_t chunk_bytes, const struct page_set *set);
void pages_scatter(uint8_t *chunk, size_t chunk_bytes, const struct page_set *set, const uint8_t *pages);

/* A whole page of zeros; a short one is none. */
bool page_is_zero(const uint8_t *page, size_t bytes);
struct fingerprint page_fingerprint(const uint8_t *page, size_t bytes, uint64_t seed);
/* Of a whole page of zeros. */
const struct digest *page_zero_digest(void);
void pages_digest(const struct digest *pages, size_t count, struct digest *out);
void chunk_digest(const uint8_t *chunk, size_t chunk_bytes, struct digest *out);
