/*
 * What a tree that stands still can do with files without anybody seeing it, and what it can not: for a capture that wants to read no
 * more of them than it must (struct store_still).
 */
#pragma once

#include "store/store.h"

#include <stdbool.h>
#include <sys/types.h>

/* Of all processes below `root`, from their /proc. False: that cannot be told. Release it either way. */
bool still_collect(pid_t root, struct store_still *out);
void still_release(struct store_still *still);
