/*
 * Packs: files that hold chunks, and at their end a signed table of them. A pack is written once, by one commit, and never
 * changed; its name is random and unique everywhere, so that the same pack may stand in several directories.
 *
 *   header (64 bytes) · payloads, one after another · table (128 bytes a chunk, in the order of digests) · tail (64 bytes)
 *
 * A record of the table says how a chunk is made: from which chunk (its base; none: from zeros), which of its pages are
 * replaced, where these pages lie, and whether they are compressed. docs/store.md has a picture.
 */
#pragma once

#include "store/coder.h"
#include "store/page.h"
#include "store/seal.h"

#include <stdatomic.h>



enum {
    PACK_HEADER = 64,
    PACK_TAIL = 64,
    PACK_RECORD = 128,
    PACK_BYTES = 1 << 30,        /* one that is larger is closed, and another begun */
    PACK_BLOCK = 4096,     /* large payloads begin at a multiple of it */
    PACK_RECORDS_MAX = 4 << 20,  /* of a table that is believed */
};

enum pack_coding { PACK_PLAIN = 0, PACK_ZSTD = 1 };

struct pack_record {
    struct digest digest;
    struct digest base; /* all zero: none */
    struct page_set pages;
    uint64_t offset;
    uint32_t stored; /* bytes in the pack */
    uint32_t bytes;  /* of the chunk */
    uint16_t depth;  /* 0 without base, else one more than the base's */
    uint16_t coding;
};

/* ---- reading ---- */

struct pack {
    struct pack_id id;
    int fd;
    int64_t size;
    atomic_bool worn; /* what is in it is not to be used for new checkpoints: see shelf.h */
    struct pack_record *records;
    bool *used; /* by the manifest that is being written */
    size_t count;
};

/* Opens a pack and reads its table. Outcome STORE_ABSENT; ERR_CORRUPT says what is wrong with it. Without a seal its HMAC is not
 * looked at. */
int pack_open(int dir, const struct pack_id *id, const struct seal *seal, struct pack *pack, struct error *err);
/* The same of one that has another name at the moment. */
int pack_open_as(int dir, const char *name, const struct pack_id *id, const struct seal *seal, struct pack *pack, struct error *err);
void pack_close(struct pack *pack);
/* NULL when it is not there. */
const struct pack_record *pack_find(const struct pack *pack, const struct digest *digest);
/* Puts the record's pages into `chunk` (of record->bytes), whose other pages are left as they are. Uses the coder's room.
 * ERR_CORRUPT. */
int pack_apply(const struct pack *pack, const struct pack_record *record, uint8_t *chunk, struct coder *coder, struct error *err);

/* ---- writing ---- */

struct pack_writer;

struct pack_writer *pack_writer_new(int dir, const struct seal *seal);
/* Ends the threads' work on it; removes what it made unless pack_finish succeeded. Accepts NULL. */
void pack_writer_free(struct pack_writer *w);
/* Appends a chunk's payload and its record (offset and stored are set). The payload begins at a page, and behind it are zeros up to
 * the next multiple of PACK_BLOCK. May be called by several threads at once. Not durable. *blocked tells whether the disk is
 * what has been waited for lately. */
int pack_append(struct pack_writer *w, struct pack_record *record, const void *payload, size_t len, bool *blocked,
                struct error *err);
/* Bytes appended so far. */
int64_t pack_written(struct pack_writer *w);
/* Whether it is one that this writer makes; at any time. */
bool pack_writer_has(struct pack_writer *w, const struct pack_id *id);
/* Writes tables and makes all packs durable, their names excepted. */
int pack_finish(struct pack_writer *w, struct error *err);
/* After pack_finish: what was made, and its records, which stay the writer's. */
size_t pack_writer_count(const struct pack_writer *w);
void pack_writer_get(const struct pack_writer *w, size_t index, struct pack *pack);
/* They are a checkpoint's now: pack_writer_free leaves them. */
void pack_keep(struct pack_writer *w);
