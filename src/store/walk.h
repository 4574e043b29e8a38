/* The first half of a capture: which entries there are. Nothing is read but directories and links. */
#pragma once

#include "store/store.h"

/* Appends the sources, what is below them and the directories above them to out->entries, in order and each once. Files
 * have the size they had when they were seen, and no chunks yet. */
int walk_sources(const struct store_tree *trees, size_t tree_count, const struct store_source *sources, size_t source_count,
                 struct manifest *out, struct error *err);
