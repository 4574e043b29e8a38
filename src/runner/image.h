/*
 * The container image of a job: brought, unpacked once for each content and owner, and kept while it is used. Private to
 * runner/. A root directory is used in place.
 *
 * A worker prepares it, which may take long; the runner then opens what was prepared. What was found is noted in JOBDIR/image,
 * so that a job that has checkpoints gets the same content in all its stints, even when the image of that name is another one by then.
 */
#pragma once

#include "base/error.h"
#include "job/command.h"

#include <stdbool.h>

struct runner;

struct container_image {
    char *root;  /* the root file system; NULL: the job runs in the machine's own */
    int lock;    /* as long as it is open, in whatever process, the tree stays; -1 when nothing must be kept */
    bool own;    /* it was unpacked by us: it has the directories proc sys dev tmp var/tmp stint etc run */
    struct command_list env, entrypoint, cmd;
    char *workdir, *user; /* what the image would like; NULL = nothing. For people: the job works in its sandbox, as its owner */
};
#define auto_container_image __attribute__((cleanup(container_image_release)))
void container_image_release(struct container_image *image);

/* In a worker: the job's image, if it has one, is there on return, and noted. An error that another try may mend has ENOSPC,
 * EDQUOT or EAGAIN as its sys: image_may_mend. */
int image_prepare(struct runner *r, struct error *err);
bool image_may_mend(const struct error *err);
/* What image_prepare has found; out->root is NULL for a job without image. The caller releases it when the stint is over. */
int image_open(const struct runner *r, struct container_image *out, struct error *err);

/* Files of the host that programs look for and no image can know: how to find names in the network. At most IMAGE_BINDS. Returns how many. */
enum { IMAGE_BINDS = 2 };
struct context_bind;
int image_binds(const struct runner *r, const struct container_image *image, struct context_bind *binds);

/* What is to be executed in the image, and its arguments (argv[0] included): the job's executable, or else the image's
 * entrypoint and command, the latter replaced by the job's arguments. *path (yours) is absolute within the image, or relative
 * to the sandbox. `path_list` is PATH, NULL = the usual one. ERR_CHILD: there is no such program. */
int image_command(const struct runner *r, const struct container_image *image, const char *path_list, struct command_list *argv,
                  char **path, struct error *err);
