/*
 * Hints: for every page of the last checkpoint its fingerprint and its digest, in the job's directory. With them a capture
 * knows of each page whether it changed without reading the store, and hashes only those that did. A cache: it is not durable,
 * and one that is missing, damaged or of another generation costs nothing but time.
 *
 *   header (128 bytes: what it is, the generation, the HMAC of its manifest, how many pages, XXH3 of the rest) · 48 bytes a page ·
 *   16 bytes for each entry of the manifest: the number of its first page, and its stamp (later.h)
 *
 * Pages are those of the larger files, in the order in which they were captured; small files are hashed sooner than looked up.
 * Page 0 is nobody's, so that 0 stands for an entry that has none. A page whose fingerprint is 0 is a page of zeros.
 */
#pragma once

#include "store/layout.h"
#include "store/page.h"

#include <stdatomic.h>

struct hint {
    struct fingerprint print;
    struct digest digest;
};

struct hints {
    int fd;
    struct manifest base; /* the checkpoint that they are of; its entries know their pages */
};

/* When there are none that fit a generation of the job, fd is -1. */
void hints_open(struct store *store, int job_dir, struct hints *hints);
void hints_close(struct hints *hints);
/* The chunk that stood at the same place in the last checkpoint: its entry, or NULL. *chunk is its index. */
const struct store_entry *hints_base(const struct hints *hints, const char *name, const struct store_cut *cut, size_t index, size_t *chunk);
/* Reads the hints of that chunk of an entry of the base; false when there are none. */
bool hints_read(const struct hints *hints, const struct store_entry *entry, size_t chunk, struct hint *out);
/* The same by page number; what lies behind the last page is zero. */
bool hints_read_at(const struct hints *hints, uint64_t page, size_t count, struct hint *out);

/* New hints, for the checkpoint that is being made. All of it may fail silently, then there are none. */
struct hints_writer {
    int fd;
    int job_dir;
    uint64_t pages; /* so many have been given away */
    atomic_bool bad;
};
void hints_begin(struct hints_writer *w, int job_dir);
/* Gives a file that is about to be captured its pages, when it is large enough. */
void hints_place(struct hints_writer *w, struct store_entry *entry);
void hints_write(struct hints_writer *w, uint64_t first, const struct hint *hints, size_t count);
/* Takes over those of the last checkpoint. */
void hints_copy(struct hints_writer *w, uint64_t first, const struct hints *from, uint64_t from_first, uint64_t count);
/* Once its manifest is there, with this HMAC. */
void hints_finish(struct hints_writer *w, const struct manifest *manifest, const struct digest *mac);
void hints_abandon(struct hints_writer *w);
/* There are none any more of any checkpoint. */
void hints_forget(int job_dir);
