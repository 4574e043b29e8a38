/* Removal of generations, and of what no manifest names. The caller holds the job's lock. */
#pragma once

#include "store/layout.h"
#include "store/pack.h"
#include "store/shelf.h"

/* Removes the packs that no generation names, unless a generation's manifest cannot be read, for then nobody knows what is named;
 * nor those on `shelf` or of `writer` (either may be NULL), which a commit under way needs. */
int retain_sweep(struct store *store, int packs_dir, const struct layout_heads *heads, const struct shelf *shelf,
                 struct pack_writer *writer, struct error *err);
/* Removes all generations but the newest checkpoint, what is newer than it, and those that are pinned; and sweeps. */
int retain_newest(struct store *store, int job_dir, const struct shelf *shelf, struct pack_writer *writer, struct error *err);

/* Which of `count` generations go so that `tail` are left, evenly spaced between the first and `end_us`: times ascending, go[i] is
 * set. The first stays. Pure. */
void retain_thin(const int64_t *times_us, size_t count, int64_t end_us, int tail, bool *go);
