/* Reading a checkpoint's chunks, by several threads at once. */
#pragma once

#include "store/crew.h"
#include "store/layout.h"
#include "store/shelf.h"

#include <pthread.h>

struct reader {
    struct shelf shelf;
    int packs_dir;
    pthread_mutex_t lock; /* of what follows */
    const struct store_progress *progress;
    int64_t done, total;
};

/* Opens all packs of the manifest. ERR_CORRUPT names one that is missing or wrong. */
int reader_open(struct reader *r, struct store *store, const struct manifest *manifest, const struct store_progress *progress,
                struct error *err);
void reader_close(struct reader *r);
/* The chunk is in worker->data (one of zeros is not put there), and is what its digest says. ERR_CORRUPT names the file, the chunk,
 * its offset and the pack. */
int reader_chunk(struct reader *r, struct crew_worker *worker, const struct store_entry *entry, size_t chunk, struct error *err);
/* The same, zeros as well. */
int reader_bytes(struct reader *r, struct crew_worker *worker, const struct store_entry *entry, size_t chunk, struct error *err);
