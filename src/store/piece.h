/*
 * A piece: what a capture has taken of one chunk, and how it becomes part of the store. It may be stored at once or lie in the
 * stage meanwhile (stage.h); either way it has all that is needed, whatever becomes of the file.
 */
#pragma once

#include "store/capture_parts.h"

struct piece {
    uint64_t entry, chunk;
    uint64_t hint;        /* of its first page among the base's hints, when `based` */
    uint32_t bytes;       /* of the chunk */
    uint32_t payload;     /* of the pages in `kept` */
    bool based;           /* unchanged pages are those of the last checkpoint's chunk at this place */
    struct page_set kept;    /* the pages that come with it, and will be stored */
    struct page_set changed; /* those that have to be hashed */
    struct page_set zero;
    struct digest base;   /* what the stored pages stand upon; all zero: nothing */
    uint16_t depth;       /* that it would have */
    struct fingerprint prints[CHUNK_PAGES];
    uint64_t check; /* of all before it, while it is on the stage */
};

/* Looks at a chunk in worker->data: what changed, and what to keep. Outcome PIECE_KNOWN: it is the one of the last checkpoint,
 * or zeros, and has been entered already. Otherwise the pages to keep are at the beginning of worker->data. */
enum { PIECE_KNOWN = 1 };
int piece_take(struct store_capture *c, struct crew_worker *worker, size_t entry, size_t chunk, size_t bytes, struct piece *piece);
/* Before and after it lies somewhere: whether the piece, and then the pages that came with it, are what they were. */
void piece_close(struct piece *piece);
bool piece_whole(const struct piece *piece);
bool piece_intact(const struct store_capture *c, const struct piece *piece, const uint8_t *payload);
/* Gives the chunk its digest and stores what is not in the store yet. `payload` begins at a page and ends at one. */
int piece_store(struct store_capture *c, struct crew_worker *worker, const struct piece *piece, uint8_t *payload, struct error *err);
