/*
 * Chunks of the owner's other jobs. Every pack has a second name in the store's directory .packs/UID, and the file "index" there
 * says of a chunk's digest in which pack it is. Both are caches: an entry that leads nowhere, or to something else, is a chunk
 * that gets stored once more. What is found is read and compared before it is believed.
 *
 * The index is an array of buckets of 4096 bytes, each with 85 entries of 48 (digest, pack); a digest's first bytes choose the
 * bucket. A full bucket forgets one of its entries. Processes read and write buckets without locks: what two write at once is lost
 * to one of them, and a torn entry leads nowhere.
 */
#pragma once

#include "store/capture_parts.h"

enum { INDEX_BUCKETS = 16384, INDEX_BUCKET = 4096, INDEX_ENTRY = 48, INDEX_CHUNK_MIN = 32 << 10 };

/* When another job has the chunk: gives its pack a name in this job's directory, and puts it on the shelf. */
bool index_link(struct store_capture *c, struct crew_worker *worker, const struct digest *digest, size_t bytes);
/* Lets other jobs know of a job's pack, which is part of a checkpoint. */
void index_add(struct store *store, int job_dir, int packs_dir, const struct pack *pack);
/* Removes packs that no job has any more, and writes the indexes anew from the others. */
int index_rebuild(struct store *store, struct error *err);
