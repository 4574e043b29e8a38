/* A directory of a test's own, gone when the test is done. */
#pragma once

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
    char path[64];
    int fd;
};

static inline void scratch_open(struct scratch *s)
{
    snprintf(s->path, sizeof s->path, "/tmp/stint-test.XXXXXX");
    s->fd = mkdtemp(s->path) ? open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (s->fd < 0) {
        perror(s->path);
        abort();
    }
}

static inline void scratch_close(struct scratch *s)
{
    close(s->fd);
    file_remove_tree(AT_FDCWD, s->path, NULL);
}

static inline void scratch_write(struct scratch *s, const char *name, const void *data, size_t len)
{
    int fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || file_write_all(fd, data, len, NULL) < 0)
        abort();
    close(fd);
}
