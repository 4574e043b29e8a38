/*
 * Reading packs. Nothing in a table is believed before its HMAC fits, and then it is still looked at: a record that leads out of
 * the payloads, or claims pages that its chunk has not, would be our own mistake, and must not become somebody's memory.
 * Payloads are not signed one by one; whatever is made of them is compared with the chunk's digest, which a signed manifest
 * names. Decompression writes into a buffer of the size that the signed record states.
 */
#include "store/pack_format.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/crew.h"
#include "store/digest.h"
#include "store/le.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char header_magic[16] = "stint-pack 2\n";
static const char tail_magic[16] = "stint-table 2\n";

void pack_seal(const struct seal *seal, const struct pack_id *id, const uint8_t *table, size_t count, struct digest *mac)
{
    struct hmac_sha256_ctx ctx;
    uint8_t number[8];
    le_put64(number, count);
    seal_begin(seal, "pack", &ctx);
    hmac_sha256_update(&ctx, sizeof id->bytes, id->bytes);
    hmac_sha256_update(&ctx, sizeof number, number);
    hmac_sha256_update(&ctx, count * PACK_RECORD, table);
    seal_end(&ctx, mac);
}

void pack_put_header(uint8_t header[PACK_HEADER], const struct pack_id *id)
{
    memset(header, 0, PACK_HEADER);
    memcpy(header, header_magic, sizeof header_magic);
    memcpy(header + 16, id->bytes, sizeof id->bytes);
}

void pack_put_record(uint8_t *at, const struct pack_record *record)
{
    memset(at, 0, PACK_RECORD);
    memcpy(at, record->digest.bytes, 32);
    memcpy(at + 32, record->base.bytes, 32);
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        le_put64(at + 64 + 8 * i, record->pages.bits[i]);
    le_put64(at + 96, record->offset);
    le_put32(at + 104, record->stored);
    le_put32(at + 108, record->bytes);
    le_put16(at + 112, record->depth);
    le_put16(at + 114, record->coding);
}

void pack_get_record(const uint8_t *at, struct pack_record *record)
{
    memcpy(record->digest.bytes, at, 32);
    memcpy(record->base.bytes, at + 32, 32);
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        record->pages.bits[i] = le_get64(at + 64 + 8 * i);
    record->offset = le_get64(at + 96);
    record->stored = le_get32(at + 104);
    record->bytes = le_get32(at + 108);
    record->depth = le_get16(at + 112);
    record->coding = le_get16(at + 114);
}

void pack_put_tail(uint8_t tail[PACK_TAIL], size_t count, const struct digest *mac)
{
    memset(tail, 0, PACK_TAIL);
    memcpy(tail, tail_magic, sizeof tail_magic);
    le_put64(tail + 16, count);
    memcpy(tail + 32, mac->bytes, 32);
}

bool pack_get_tail(const uint8_t tail[PACK_TAIL], size_t *count, struct digest *mac)
{
    *count = (size_t)le_get64(tail + 16);
    memcpy(mac->bytes, tail + 32, 32);
    return memcmp(tail, tail_magic, sizeof tail_magic) == 0 && le_get64(tail + 24) == 0;
}

/* ---- opening ---- */

static bool read_at(int fd, void *data, size_t len, int64_t offset)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(fd, (uint8_t *)data + at, len - at, offset + (int64_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENODATA : errno;
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

/* ENODATA: the file ends too early. */
static int cannot_read(struct error *err, const char *what)
{
    if (errno == ENODATA)
        return error_set(err, ERR_CORRUPT, "is cut off: its %s is not whole", what);
    return error_sys(err, "cannot read its %s", what);
}

static bool record_good(const struct pack_record *r, int64_t end)
{
    if (r->bytes == 0 || r->bytes > STORE_CHUNK_BYTES)
        return false;
    size_t pages = page_set_bytes(&r->pages, r->bytes);
    return page_set_within(&r->pages, r->bytes) && pages > 0 &&
           r->offset >= PACK_HEADER && r->offset <= (uint64_t)end && r->stored <= (uint64_t)end - r->offset &&
           (r->coding == PACK_PLAIN ? r->stored == pages : r->coding == PACK_ZSTD && r->stored > 0 && r->stored < pages) &&
           (r->depth == 0) == digest_is_none(&r->base);
}

static int take_table(struct pack *pack, const uint8_t *table, size_t count, int64_t end, struct error *err)
{
    pack->records = mem_zero(count, sizeof *pack->records);
    for (pack->count = 0; pack->count < count; pack->count++) {
        struct pack_record *r = &pack->records[pack->count];
        pack_get_record(table + pack->count * PACK_RECORD, r);
        bool in_order = pack->count == 0 || memcmp(&r[-1].digest, &r->digest, sizeof r->digest) < 0;
        if (!record_good(r, end) || !in_order)
            return error_set(err, ERR_CORRUPT, "has a wrong record (number %zu)", pack->count);
    }
    return 0;
}

static int read_table(struct pack *pack, const struct seal *seal, struct error *err)
{
    uint8_t header[PACK_HEADER], expected[PACK_HEADER], tail[PACK_TAIL];
    struct digest stated, actual;
    size_t count = 0;
    pack_put_header(expected, &pack->id);
    if (pack->size < PACK_HEADER + PACK_TAIL)
        return error_set(err, ERR_CORRUPT, "is cut off: it has %lld bytes", (long long)pack->size);
    if (!read_at(pack->fd, header, sizeof header, 0) || !read_at(pack->fd, tail, sizeof tail, pack->size - PACK_TAIL))
        return cannot_read(err, "beginning or end");
    if (memcmp(header, expected, sizeof header) != 0)
        return error_set(err, ERR_CORRUPT, "does not begin as a pack of that name does");
    if (!pack_get_tail(tail, &count, &stated))
        return error_set(err, ERR_CORRUPT, "is cut off: it does not end in a table");
    if (count > PACK_RECORDS_MAX || (int64_t)count > (pack->size - PACK_HEADER - PACK_TAIL) / PACK_RECORD)
        return error_set(err, ERR_CORRUPT, "has a table that is larger than itself");
    int64_t start = pack->size - PACK_TAIL - (int64_t)count * PACK_RECORD;
    auto_free uint8_t *table = mem_zero(count + 1, PACK_RECORD);
    if (!read_at(pack->fd, table, count * PACK_RECORD, start))
        return cannot_read(err, "table");
    if (seal)
        pack_seal(seal, &pack->id, table, count, &actual);
    if (seal && !seal_same(&stated, &actual))
        return error_set(err, ERR_CORRUPT, "has a table that its HMAC does not fit: it is damaged, or of another store");
    return take_table(pack, table, count, start, err);
}

int pack_open_as(int dir, const char *name, const struct pack_id *id, const struct seal *seal, struct pack *pack, struct error *err)
{
    struct stat st;
    *pack = (struct pack){ .id = *id, .fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) };
    if (pack->fd < 0 && errno == ENOENT)
        return STORE_ABSENT;
    if (pack->fd < 0 && errno == ELOOP)
        return error_set(err, ERR_CORRUPT, "pack '%s' is a link", name);
    if (pack->fd < 0 || fstat(pack->fd, &st) < 0)
        return error_sys(err, "cannot open pack '%s'", name);
    pack->size = st.st_size;
    int r = S_ISREG(st.st_mode) ? read_table(pack, seal, err) : error_set(err, ERR_CORRUPT, "is not a file");
    if (r < 0)
        pack_close(pack);
    return r < 0 ? error_wrap(err, "pack '%s'", name) : 0;
}

int pack_open(int dir, const struct pack_id *id, const struct seal *seal, struct pack *pack, struct error *err)
{
    char name[33];
    return pack_open_as(dir, pack_id_print(id, name), id, seal, pack, err);
}

void pack_close(struct pack *pack)
{
    file_close(&pack->fd);
    free(pack->records);
    free(pack->used);
    *pack = (struct pack){ .fd = -1 };
}

static int by_digest(const void *key, const void *record)
{
    return memcmp(key, &((const struct pack_record *)record)->digest, sizeof(struct digest));
}

const struct pack_record *pack_find(const struct pack *pack, const struct digest *digest)
{
    return pack->count == 0 ? NULL : bsearch(digest, pack->records, pack->count, sizeof *pack->records, by_digest);
}

/* ---- payloads ---- */

static int read_payload(const struct pack *pack, const struct pack_record *r, void *into, struct error *err)
{
    if (crew_fault("store.pack.read") < 0 || !read_at(pack->fd, into, r->stored, (int64_t)r->offset))
        return errno == ENODATA ? error_set(err, ERR_CORRUPT, "it is cut off") : error_sys(err, "cannot read");
    return 0;
}

static int unpack(const struct pack *pack, const struct pack_record *r, uint8_t *chunk, struct coder *coder, struct error *err)
{
    uint8_t *stored = coder_room(coder), *pages = stored + STORE_CHUNK_BYTES;
    size_t bytes = page_set_bytes(&r->pages, r->bytes);
    bool whole = bytes == r->bytes; /* straight to its place */
    uint8_t *into = whole ? chunk : pages;
    if (read_payload(pack, r, r->coding == PACK_PLAIN ? into : stored, err) < 0)
        return -1;
    if (r->coding == PACK_ZSTD && !coder_unpack(coder, stored, r->stored, into, bytes))
        return error_set(err, ERR_CORRUPT, "it cannot be decompressed");
    if (!whole)
        pages_scatter(chunk, r->bytes, &r->pages, pages);
    return 0;
}

int pack_apply(const struct pack *pack, const struct pack_record *record, uint8_t *chunk, struct coder *coder, struct error *err)
{
    char name[33];
    if (unpack(pack, record, chunk, coder, err) == 0)
        return 0;
    return error_wrap(err, "pack '%s' at byte %llu", pack_id_print(&pack->id, name), (unsigned long long)record->offset);
}
