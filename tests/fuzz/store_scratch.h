/* A directory in memory for a target that needs files; made once, gone at the end. */
#pragma once

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_path[64];

static inline void scratch_remove(void)
{
    file_remove_tree(AT_FDCWD, scratch_path, NULL);
}

static inline int scratch_dir(void)
{
    static int dir = -1;
    if (dir >= 0)
        return dir;
    snprintf(scratch_path, sizeof scratch_path, "%s/stint-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(scratch_path))
        abort();
    atexit(scratch_remove);
    dir = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir;
}

static inline void scratch_put(const char *name, const void *data, size_t len)
{
    int dir = scratch_dir(), fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || file_write_all(fd, data, len, NULL) < 0)
        abort();
    close(fd);
}
