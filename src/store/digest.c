#include "store/digest.h"

#include "base/mem.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <string.h>

static_assert(sizeof(struct digest) == SHA256_DIGEST_SIZE, "a digest is a SHA-256");

bool digest_is_none(const struct digest *digest)
{
    static const struct digest none;
    return memcmp(digest, &none, sizeof none) == 0;
}

void digest_of(const void *data, size_t len, struct digest *out)
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, len, data);
    sha256_digest(&sha, sizeof out->bytes, out->bytes);
}

static void print_hex(const uint8_t *bytes, size_t count, char *out)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = hex[bytes[i] >> 4];
        out[2 * i + 1] = hex[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

const char *digest_print(const struct digest *digest, char out[65])
{
    print_hex(digest->bytes, sizeof digest->bytes, out);
    return out;
}

bool digest_read(const char *text, size_t len, struct digest *digest)
{
    struct digest read;
    if (len < 2 * sizeof read.bytes || !read_hex(text, read.bytes, sizeof read.bytes))
        return false;
    *digest = read;
    return true;
}

bool digest_parse(const char *text, struct digest *digest)
{
    return strlen(text) == 64 && digest_read(text, 64, digest);
}

/* The slot that holds the digest, or the free one where it belongs. */
static size_t slot_of(const struct digest_set *set, const struct digest *digest)
{
    uint64_t hash;
    memcpy(&hash, digest->bytes, sizeof hash);
    size_t at = (size_t)hash & (set->room - 1);
    while (set->used[at] && memcmp(&set->slots[at], digest, sizeof *digest) != 0)
        at = (at + 1) & (set->room - 1);
    return at;
}

bool digest_set_has(const struct digest_set *set, const struct digest *digest)
{
    return set->count > 0 && set->used[slot_of(set, digest)];
}

static void grow(struct digest_set *set)
{
    struct digest_set bigger = { .room = set->room ? set->room * 2 : 64, .count = set->count };
    bigger.slots = mem_zero(bigger.room, sizeof *bigger.slots);
    bigger.used = mem_zero(bigger.room, sizeof *bigger.used);
    for (size_t i = 0; i < set->room; i++) {
        if (!set->used[i])
            continue;
        size_t at = slot_of(&bigger, &set->slots[i]);
        bigger.slots[at] = set->slots[i];
        bigger.used[at] = true;
    }
    digest_set_release(set);
    *set = bigger;
}

bool digest_set_add(struct digest_set *set, const struct digest *digest)
{
    if (set->count * 2 >= set->room)
        grow(set);
    size_t at = slot_of(set, digest);
    if (set->used[at])
        return false;
    set->slots[at] = *digest;
    set->used[at] = true;
    set->count++;
    return true;
}

void digest_set_release(struct digest_set *set)
{
    free(set->slots);
    free(set->used);
    *set = (struct digest_set){ 0 };
}

const char *pack_id_print(const struct pack_id *id, char out[33])
{
    print_hex(id->bytes, sizeof id->bytes, out);
    return out;
}

bool pack_id_parse(const char *text, struct pack_id *id)
{
    struct pack_id read;
    if (strlen(text) != 2 * sizeof read.bytes || !read_hex(text, read.bytes, sizeof read.bytes))
        return false;
    *id = read;
    return true;
}
