/*
 * The text of a manifest, and what must be true of one whoever made it. The text is canonical: what manifest_parse accepts is
 * exactly what manifest_print prints.
 */
#pragma once

#include "base/buf.h"
#include "store/store.h"

enum { MANIFEST_VERSION = 1, MANIFEST_GENERATION_MAX = 999999999 };

#define auto_manifest __attribute__((cleanup(manifest_release)))

/* Replaces out's content; out->max is set to STORE_MANIFEST_MAX. */
int manifest_print(const struct manifest *manifest, struct buf *out, struct error *err);
/* Entries in order, names and targets harmless, parents there, sizes and chunks agreeing, sum right. */
int manifest_check(const struct manifest *manifest, struct error *err);

/* A name below a tree: no empty, "." or ".." component, not absolute, shorter than STORE_NAME_MAX. */
bool manifest_name_good(const char *name);
size_t manifest_chunks_of(int64_t size);
/* How many bytes the chunk holds. */
size_t manifest_chunk_len(const struct store_entry *entry, size_t chunk);
void store_entry_release(struct store_entry *entry);
