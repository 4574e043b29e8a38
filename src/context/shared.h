/* What was in a job's shared memory when its checkpoint was taken, back into it. Private to context/. */
#pragma once

#include "base/error.h"

/* Copies the tree: files with modes and times, directories, links, FIFOs; files with several names stay one. Sockets are left out. */
int shared_fill(int from, int to, struct error *err);
