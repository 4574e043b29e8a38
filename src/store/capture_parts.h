/* What a capture consists of. Private to capture.c, piece.c, stage.c and commit.c. */
#pragma once

#include "store/crew.h"
#include "store/digest.h"
#include "store/hints.h"
#include "store/layout.h"
#include "store/pack.h"
#include "store/shelf.h"
#include "store/space.h"

#include <pthread.h>

struct store_capture {
    struct store *store;
    const struct store_request *request; /* of the phase that runs */
    char job[64];
    struct manifest m; /* entries so far, those of each phase behind those before; store_commit puts them in order */
    size_t phase_first; /* the first entry of the phase that runs, or of the last one */
    bool failed;        /* a phase has */
    int job_dir;       /* holds the lock */
    int packs_dir;
    bool first; /* the job has no generation yet */
    struct hints hints;
    struct hints_writer new_hints;
    size_t chunks; /* of all files that have been opened */
    struct pack_writer *writer;

    struct later *later; /* what is left for when the program goes on: later.h */
    size_t later_count, later_capacity;
    bool no_clones;       /* one could not be made */
    struct {
        dev_t dev;
        bool known, good;
    } times;              /* whether those of files on that device tell of changes */
    int64_t phase_us;     /* wall clock: the phase that runs began */
    bool is_ahead;        /* it is one of store_capture_ahead */
    struct manifest ahead; /* what that took */

    int stage;    /* -1: there is none */
    bool staging; /* pieces of the phase that runs go there; else they are stored at once */
    int64_t stage_end, stage_next, stage_max;
    uid_t uid;         /* of the job's owner */
    int64_t room;      /* bytes that may still be added to the store */
    bool made_room;    /* older generations have gone already */
    char room_reason[SPACE_TEXT]; /* what more would go beyond */

    pthread_mutex_t lock; /* of what follows, of stage_*, and of crew_file.end */
    struct shelf shelf;
    struct digest_set pending; /* chunks that are being stored, or have been, by this capture */
    struct pack_id *linked;    /* packs that came from other jobs */
    size_t linked_count, linked_capacity;
};

/* Less than `want` only where the file ends. A hole is not read. */
int capture_read(int fd, int64_t offset, size_t want, uint8_t *data, size_t *got, struct error *err);
/* With the lock held: the older generations go, all but the newest and those that are pinned. Once. False: nothing more to be had. */
bool capture_make_room(struct store_capture *c);
