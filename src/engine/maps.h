/* The lines of /proc/PID/maps that have a name. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct maps_line {
    bool writable, executable, shared;
    dev_t dev;
    ino_t ino;
    const char *path; /* as the process sees it, " (deleted)" included; or "anon_inode:…" */
};

/* Calls fn for each line whose mapping has a path or is an anonymous inode's. `dir` is /proc/PID. False: it cannot be read. */
bool maps_each(int dir, void (*fn)(void *data, const struct maps_line *line), void *data);
