/*
 * The text of a manifest, and what must be true of one whoever made it. The text is canonical: what manifest_parse accepts is
 * exactly what manifest_print prints.
 */
#pragma once

#include "base/buf.h"
#include "store/seal.h"
#include "store/store.h"

enum { MANIFEST_VERSION = 2, MANIFEST_GENERATION_MAX = 999999999 };

#define auto_manifest __attribute__((cleanup(manifest_release)))

/* Replaces out's content; out->max is set to STORE_MANIFEST_MAX. *mac (may be NULL) is what the last line says. */
int manifest_print(const struct manifest *manifest, const struct seal *seal, struct buf *out, struct digest *mac, struct error *err);
/* Nothing is believed before the HMAC fits: ERR_CORRUPT when it does not. Without a seal it is not looked at. */
int manifest_parse(const char *text, size_t len, const struct seal *seal, struct manifest *out, struct digest *mac, struct error *err);
/* Entries in order, names and targets harmless, parents there, sizes and chunks agreeing, sum right. */
int manifest_check(const struct manifest *manifest, struct error *err);

/* A name below a tree: no empty, "." or ".." component, not absolute, shorter than STORE_NAME_MAX. */
bool manifest_name_good(const char *name);
/* A text of the head (owner, host, …): printable, and what an ad may hold. */
bool manifest_word_good(const char *word, size_t size);
size_t manifest_chunks_of(int64_t size);
/* How many bytes the chunk holds, and where in the file they are. */
size_t manifest_chunk_len(const struct store_entry *entry, size_t chunk);
int64_t manifest_chunk_offset(const struct store_entry *entry, size_t chunk);
/* Whether a memory image's cuts are in order and add up to its size. */
bool manifest_cuts_good(const struct store_entry *entry);
/* NULL when there is none. */
const struct store_entry *manifest_find(const struct manifest *manifest, const char *name);
/* Into the order of names. */
void manifest_sort(struct manifest *manifest);
void store_entry_release(struct store_entry *entry);
/* Whether a byte of a name is written as %XX. */
bool manifest_needs_escape(unsigned char c);
