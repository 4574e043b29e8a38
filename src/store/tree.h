/*
 * Names inside the trees of a checkpoint. What stands in a tree belongs to a job, perhaps to another user: every path is
 * walked by the kernel without passing a link, and nothing that is opened can block or is anything but a file or directory.
 */
#pragma once

#include "store/store.h"

/* openat2 beneath `dir` without following any link, the last component's included. "" is the directory itself. -1 leaves
 * errno as the kernel set it. */
int tree_open(int dir, const char *name, int flags, struct error *err);
/* Opens the directory above `name`; *leaf points into name. Returns the descriptor (O_PATH) or -1. */
int tree_open_parent(int dir, const char *name, const char **leaf, struct error *err);
/* The tree that a name of the form "TREE/…" starts with; *inside points behind its slash. NULL when there is none. */
const struct store_tree *tree_find(const struct store_tree *trees, size_t count, const char *name, const char **inside);
