/*
 * A directory of CRIU's images, as far as the store has to know it: which files are memory, and of which addresses. So the pages of one
 * address lie in the same chunk in every checkpoint, wherever they are in the file.
 */
#pragma once

#include "base/error.h"
#include "store/store.h"

#include <stddef.h>
#include <sys/types.h>

enum { CRIU_IMAGE_FILES_MAX = 1 << 20, CRIU_IMAGE_CUTS_MAX = 1 << 20 };

struct criu_image {
    char *name;             /* in the directory */
    struct store_cut *cuts; /* of a file of pages; NULL: of anything else, and of one that is better cut like any file */
    size_t cut_count;
};

struct criu_images {
    struct criu_image *files; /* by name */
    size_t count;
};

/* All regular files of the directory. Cuts are in the order of addresses and of the file, each within one multiple of
 * STORE_CHUNK_BYTES, and add up to the file's size. Without cuts are pages in more than CRIU_IMAGE_CUTS_MAX pieces, or whose addresses
 * do not ascend. ERR_CORRUPT: images contradict each other; ERR_LIMIT: more files than CRIU_IMAGE_FILES_MAX. */
int criu_images_read(int dir, struct criu_images *out, struct error *err);
void criu_images_release(struct criu_images *images);

/* The highest pid or thread id of the dumped tree. */
int criu_image_last_pid(int dir, pid_t *last, struct error *err);
/* How long the last dump into the directory kept processes from running, microseconds: from the first that was stopped. */
int criu_image_frozen_us(int dir, int64_t *us, struct error *err);
