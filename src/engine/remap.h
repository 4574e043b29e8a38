/*
 * Shared memory whose name is gone: POSIX semaphores (sem_open makes a file under a name that it removes, multiprocessing in Python
 * removes the other one as well), and what else is removed from /dev/shm while it is in use. CRIU would have to follow a link in
 * /proc that only a right on the whole machine opens. So before a checkpoint such memory gets a file with a name, and the processes
 * are made to map that one at the same place; they are stopped meanwhile.
 */
#pragma once

#include "base/error.h"
#include "base/identity.h"

#include <stdbool.h>
#include <sys/types.h>

/* For all processes below `first`. `shm` is the directory that they have as /dev/shm; files are made there as the owner. *broken is
 * set when an error leaves processes that must be killed. */
int remap_unnamed(pid_t first, int shm, const struct identity *owner, bool *broken, struct error *err);
