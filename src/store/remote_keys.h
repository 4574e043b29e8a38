/* The keys that requests to an S3 server are signed with. */
#pragma once

#include "base/error.h"

struct remote_keys {
    char *access;
    char *secret;
    char *token; /* NULL = none */
};

/* From the file at path, or the environment when path is NULL. No error holds any of the values. */
int remote_keys_read(const char *path, struct remote_keys *keys, struct error *err);
/* Overwrites them, too. */
void remote_keys_release(struct remote_keys *keys);
