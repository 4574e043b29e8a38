/* What the two kinds of places share with remote.c. */
#pragma once

#include "store/remote.h"

#include <stddef.h>

struct remote_transfer {
    const char *name;
    int fd;
    int64_t bytes; /* put: how many; get: how many at most */
    const struct remote_progress *progress;
};

/* A list's receiver: 0 = go on, positive = enough, negative = failed. */
typedef int remote_visit_fn(void *data, const char *name, int64_t size, struct error *err);

/* Names have been checked when these are called, and are checked again in what they list. */
struct remote_ops {
    int (*put)(void *self, const struct remote_transfer *transfer, struct error *err);
    int (*get)(void *self, const struct remote_transfer *transfer, struct error *err);
    int (*has)(void *self, const char *name, int64_t *size, struct error *err);
    int (*list)(void *self, const char *prefix, remote_visit_fn *visit, void *data, struct error *err);
    int (*remove)(void *self, const char *name, struct error *err);
    void (*close)(void *self);
};

struct remote {
    const struct remote_ops *ops;
    void *self;
};

int remote_dir_open(const char *path, struct remote *remote, struct error *err);
/* Options without zeros; `place` begins with "s3://". */
int remote_s3_open(const struct remote_options *options, struct remote *remote, struct error *err);

bool remote_name_valid(const char *name);
/* False when the transfer is to be given up. */
bool remote_progress_tell(const struct remote_progress *progress, int64_t done_bytes);
int remote_cancelled(struct error *err);
