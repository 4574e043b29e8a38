/* One journal record on its way into the queue. Private to fold*.c. */
#pragma once

#include "pool/pool.h"

struct fold {
    struct pool *pool;
    struct active *active;
    struct queue_job job;
    struct ad *full;   /* the job as it was submitted and edited */
    struct ad *stint;
    struct queue_usage usage;
    bool usage_changed;
    struct queue_usage account; /* of its accounting group; owner "" when it has none */
    const struct ad *record;
    int64_t wall_us;
    int64_t charged_lost_us;
    int failed;
    struct error *err;
};


void fold_add(struct ad *ad, const char *name, int64_t n);
/* The event takes place at the record's time; the ad is given up. */
struct ad *fold_event(const struct fold *f, const char *name);
void fold_emit(struct fold *f, struct ad *event);
/* Copies an attribute of the record. */
void fold_copy(struct ad *into, const struct fold *f, const char *name);
void fold_copy_as(struct ad *into, const char *as, const struct fold *f, const char *name);
void fold_move(struct fold *f, enum job_event event);

/* fold_ledger.c: entries of the ledger become charges, sums and the user's usage. */
void fold_entry(void *fold, const struct ledger_entry *entry);
/* fold_method.c: how it is checkpointed, and whether that can work. */
void fold_method(struct fold *f);
void fold_interval(struct fold *f);
void fold_capture(struct fold *f);
void fold_checkable(struct fold *f);
void fold_verified(struct fold *f);
/* fold_end.c: the ends of a stint. */
void fold_end(struct fold *f);
void fold_lost(struct fold *f);
