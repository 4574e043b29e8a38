/*
 * A pack whose table nobody signed. The input is all that follows its header; and once more without its last 64 bytes and with
 * a tail of the target's own making, which counts as many records as the input says in its first byte. Whatever is taken must be
 * in order and within its bounds, and putting any chunk together gives that chunk or an error.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "store/digest.h"
#include "store/pack_format.h"
#include "store/shelf.h"
#include "store_scratch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pack_id id = { { 1, 2, 3 } };

static void check_records(const struct pack *pack)
{
    for (size_t i = 0; i < pack->count; i++) {
        const struct pack_record *r = &pack->records[i];
        if (r->bytes == 0 || r->bytes > STORE_CHUNK_BYTES || r->offset + r->stored > (uint64_t)pack->size || r->stored > STORE_CHUNK_BYTES ||
            pack_find(pack, &r->digest) != r)
            abort();
    }
}

static void fetch_all(struct pack *pack)
{
    static uint8_t *chunk;
    static struct coder *coder;
    struct shelf shelf;
    struct error err = { 0 };
    if (!coder) {
        coder = coder_new();
        chunk = mem_zero(1, STORE_CHUNK_BYTES);
    }
    shelf_init(&shelf, NULL, scratch_dir());
    size_t count = pack->count < 16 ? pack->count : 16;
    shelf_take(&shelf, pack);
    for (size_t i = 0; i < count; i++) {
        const struct pack_record *r = &shelf.packs[0]->records[i];
        struct digest actual;
        if (shelf_fetch(&shelf, &r->digest, r->bytes, chunk, coder, &err) < 0) {
            if (!err.text[0])
                abort();
            continue;
        }
        chunk_digest(chunk, r->bytes, &actual);
        if (!digest_is_none(&r->digest) && memcmp(&actual, &r->digest, sizeof actual) != 0)
            abort();
    }
    shelf_release(&shelf);
}

static void try_pack(const void *data, size_t size)
{
    char name[33];
    struct pack pack;
    struct error err = { 0 };
    scratch_put(pack_id_print(&id, name), data, size);
    if (pack_open(scratch_dir(), &id, NULL, &pack, &err) != 0) {
        if (!err.text[0] || pack.records)
            abort();
        return;
    }
    check_records(&pack);
    fetch_all(&pack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t header[PACK_HEADER], tail[PACK_TAIL];
    static const struct digest mac;
    auto_buf struct buf as_it_is = { 0 }, with_tail = { 0 };
    pack_put_header(header, &id);
    buf_add(&as_it_is, header, sizeof header);
    buf_add(&as_it_is, data, size);
    try_pack(as_it_is.data, as_it_is.len);
    if (size <= PACK_TAIL)
        return 0;
    pack_put_tail(tail, data[0] % (1 + (size - PACK_TAIL) / PACK_RECORD), &mac);
    buf_add(&with_tail, as_it_is.data, as_it_is.len - PACK_TAIL);
    buf_add(&with_tail, tail, sizeof tail);
    try_pack(with_tail.data, with_tail.len);
    return 0;
}
