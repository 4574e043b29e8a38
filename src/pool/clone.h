/* The ad of a clone: its source's, so that both can run beside each other. Private to pool/. */
#pragma once

#include "pool/pool.h"

struct clone {
    struct pool *pool;
    struct job_id source;
    bool is_queued;       /* the source still is */
    const char *target;   /* the clone's number, "9.0" */
    const struct ad *set; /* what is to be different; may be NULL */
    struct ad *notes;     /* gets what the user should know: list Notes */
};
int clone_make(const struct clone *clone, struct ad **ad, struct error *err);
