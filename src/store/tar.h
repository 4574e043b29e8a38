/* The little of tar (POSIX ustar) that archives need: plain files, one after another. */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512, TAR_NAME = 100 };
enum { TAR_END = 1 };

/* The header of a file; its content and tar_pad follow. */
int tar_put(int fd, const char *name, int64_t size, int64_t mtime_s, struct error *err);
int tar_pad(int fd, int64_t size, struct error *err);
int tar_finish(int fd, struct error *err);

/* The next header. Outcome TAR_END. ERR_CORRUPT: it is cut off, no tar, or has something that is not a plain file. */
int tar_get(int fd, char name[TAR_NAME + 1], int64_t *size, struct error *err);
/* Exactly so many bytes, or ERR_CORRUPT. */
int tar_read(int fd, void *data, size_t len, struct error *err);
int tar_skip_pad(int fd, int64_t size, struct error *err);
