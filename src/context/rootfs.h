/*
 * A cache of root file systems that are made once and shared by jobs: a directory with a tree KEY/root for each content, and
 * beside it KEY.lock. Who uses a tree holds a shared lock on that file, as does everything that inherited the descriptor; who makes or
 * removes one holds it alone. A tree is made in new.KEY and renamed when it is whole and durable, so what a crash leaves is
 * never taken for a tree. Who is called uses the rights that the process has at the moment: the owner's.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { ROOTFS_KEY_MAX = 100 };

enum { ROOTFS_ABSENT = 1, ROOTFS_PRESENT = 2 };

/* Keeps the tree: as long as *lock (or a copy of it) is open, nobody removes it. Counts as its use. Waits while it is made.
 * Outcome ROOTFS_ABSENT. */
int rootfs_hold(int cache, const char *key, int *lock, struct error *err);

/* The only one who makes this key now; others wait. `dir` is new.KEY, empty. Outcome ROOTFS_PRESENT: somebody has just made it. */
struct rootfs_new {
    int cache, lock, dir;
    char key[ROOTFS_KEY_MAX];
};
int rootfs_begin(int cache, const char *key, struct rootfs_new *out, struct error *err);
/* dir/root becomes the tree, with the directories that mounts need; durable on return. The lock is released: hold it then. */
int rootfs_commit(struct rootfs_new *made, struct error *err);
/* Removes what was not committed. Accepts a zeroed struct, and one that was committed. */
void rootfs_drop(struct rootfs_new *made);

/* Removes what crashes have left and the trees that have not been used for longest, until the rest takes at most `limit` bytes.
 * Never one that is in use. *freed counts the bytes. */
int rootfs_sweep(int cache, int64_t limit, int64_t *freed, struct error *err);
