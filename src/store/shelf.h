/*
 * The packs that a job may use, and how a chunk is put together from them.
 *
 * A chunk stands in a pack whole, or as pages upon another chunk, its base, which may stand upon another one. Where the same
 * chunk is in two packs, the one that is not worn is preferred, and of two such the one with fewer bases below it; where a base
 * is in none of the packs, another way is taken.
 *
 * A pack is worn when what it holds should not be used for new checkpoints: because little of it is needed any more, because it is
 * one of too many, or because it is damaged. Then what a capture finds there is stored once more, and the pack goes
 * when the last checkpoint that names it goes. That is all the compaction there is: nothing is ever rewritten.
 */
#pragma once

#include "store/pack.h"

enum {
    SHELF_DEPTH_MAX = 8,     /* bases below a chunk */
    SHELF_PACKS = 48,        /* packs beyond so many (and one for every PACK_BYTES / 4) are worn, the least used first */
    SHELF_WORN_QUARTERS = 1, /* packs of which not even so many quarters are used are worn */
};

struct shelf {
    const struct seal *seal;
    int dir; /* of the job's packs; borrowed */
    struct pack **packs;
    size_t count, capacity;
};

struct shelf_chain {
    struct digest root;    /* the chunk without a base at its end */
    struct page_set above; /* pages that differ from it (in some link of the chain) */
    int depth;
};

void shelf_init(struct shelf *shelf, const struct seal *seal, int dir);
void shelf_release(struct shelf *shelf);
/* Outcome STORE_ABSENT. A pack that is there already is not added again. */
int shelf_add(struct shelf *shelf, const struct pack_id *id, struct error *err);
struct pack *shelf_pack(const struct shelf *shelf, const struct pack_id *id); /* NULL = is not on it */
/* Takes over a pack that is open. */
void shelf_take(struct shelf *shelf, struct pack *pack);
/* All packs of a manifest; ERR_CORRUPT names one that is missing or wrong. */
int shelf_add_manifest(struct shelf *shelf, const struct manifest *manifest, struct error *err);
/* Those of them that can be read: what is in the others will be stored again. */
void shelf_add_readable(struct shelf *shelf, const struct manifest *manifest);
/* Which packs are worn, by what the newest manifest says of them. */
void shelf_wear(struct shelf *shelf, const struct manifest *newest);

/* Whether the chunk can be put together from packs that are not worn, and how. */
bool shelf_usable(const struct shelf *shelf, const struct digest *digest, struct shelf_chain *chain);
/* Counts what a manifest needs: marks the chunk's record and those of its bases as used. False: something is missing. */
bool shelf_use(const struct shelf *shelf, const struct digest *digest);

/* Puts a chunk of `bytes` bytes together in `chunk` (STORE_CHUNK_BYTES of room) and compares it with its digest. ERR_CORRUPT names
 * the pack, which is marked: what is in it will be stored again. */
int shelf_fetch(const struct shelf *shelf, const struct digest *digest, size_t bytes, uint8_t *chunk, struct coder *coder,
                struct error *err);
