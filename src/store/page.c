#include "store/page.h"

#include "store/digest.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

size_t pages_of(size_t chunk_bytes)
{
    return (chunk_bytes + PAGE - 1) / PAGE;
}

size_t page_bytes(size_t chunk_bytes, size_t page)
{
    size_t start = page * PAGE;
    return start >= chunk_bytes ? 0 : chunk_bytes - start < PAGE ? chunk_bytes - start : PAGE;
}

void page_set_add(struct page_set *set, size_t page)
{
    set->bits[page / 64] |= UINT64_C(1) << page % 64;
}

bool page_set_has(const struct page_set *set, size_t page)
{
    return set->bits[page / 64] >> page % 64 & 1;
}

size_t page_set_count(const struct page_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        count += (size_t)__builtin_popcountll(set->bits[i]);
    return count;
}

void page_set_unite(struct page_set *set, const struct page_set *other)
{
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        set->bits[i] |= other->bits[i];
}

struct page_set page_set_first(size_t pages)
{
    struct page_set set = { 0 };
    for (size_t i = 0; i < pages; i++)
        page_set_add(&set, i);
    return set;
}

size_t page_set_bytes(const struct page_set *set, size_t chunk_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < pages_of(chunk_bytes); i++)
        bytes += page_set_has(set, i) ? page_bytes(chunk_bytes, i) : 0;
    return bytes;
}

bool page_set_within(const struct page_set *set, size_t chunk_bytes)
{
    struct page_set all = page_set_first(pages_of(chunk_bytes));
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        if (set->bits[i] & ~all.bits[i])
            return false;
    return true;
}

/* Calls are few and long where the set has runs, as it mostly has. */
static size_t run_from(const struct page_set *set, size_t page, size_t end)
{
    size_t run = 0;
    while (page + run < end && page_set_has(set, page + run))
        run++;
    return run;
}

size_t pages_gather(uint8_t *chunk, size_t chunk_bytes, const struct page_set *set)
{
    size_t end = pages_of(chunk_bytes), at = 0;
    for (size_t i = 0; i < end; i++) {
        size_t run = run_from(set, i, end);
        if (run == 0)
            continue;
        size_t bytes = (run - 1) * PAGE + page_bytes(chunk_bytes, i + run - 1);
        if (at != i * PAGE)
            memmove(chunk + at, chunk + i * PAGE, bytes);
        at += bytes;
        i += run;
    }
    return at;
}

void pages_scatter(uint8_t *chunk, size_t chunk_bytes, const struct page_set *set, const uint8_t *pages)
{
    size_t end = pages_of(chunk_bytes);
    for (size_t i = 0; i < end; i++) {
        size_t run = run_from(set, i, end);
        if (run == 0)
            continue;
        size_t bytes = (run - 1) * PAGE + page_bytes(chunk_bytes, i + run - 1);
        memcpy(chunk + i * PAGE, pages, bytes);
        pages += bytes;
        i += run;
    }
}

bool page_is_zero(const uint8_t *page, size_t bytes)
{
    return bytes == PAGE && page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

struct fingerprint page_fingerprint(const uint8_t *page, size_t bytes, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(page, bytes, seed);
    return (struct fingerprint){ hash.low64, hash.high64 };
}

static struct digest zero_digest;

static void make_zero_digest(void)
{
    static const uint8_t zeros[PAGE];
    digest_of(zeros, PAGE, &zero_digest);
}

const struct digest *page_zero_digest(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_zero_digest);
    return &zero_digest;
}

void pages_digest(const struct digest *pages, size_t count, struct digest *out)
{
    static_assert(sizeof *pages == SHA256_DIGEST_SIZE, "digests follow each other without gaps");
    digest_of(pages, count * sizeof *pages, out);
}

void chunk_digest(const uint8_t *chunk, size_t chunk_bytes, struct digest *out)
{
    struct digest pages[CHUNK_PAGES];
    size_t count = pages_of(chunk_bytes);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = page_bytes(chunk_bytes, i);
        if (page_is_zero(chunk + i * PAGE, bytes))
            pages[i] = *page_zero_digest();
        else
            digest_of(chunk + i * PAGE, bytes, &pages[i]);
    }
    pages_digest(pages, count, out);
}
