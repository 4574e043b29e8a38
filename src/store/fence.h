/* Commits, and who may make them. The caller holds the job's lock. */
#pragma once

#include "store/layout.h"

/* Outcome STORE_FENCED: a stint after this one has begun. */
int fence_check(int job_dir, int stint, struct error *err);

/* commit.c: steps 2 to 3 and 4 to 7 of a commit. */
int commit_directories(struct store *store, int job_dir, int packs_dir, bool first, struct error *err);
int commit_manifest(struct store *store, int job_dir, const struct manifest *m, struct digest *mac, struct error *err);
int commit_text(int job_dir, int generation, const struct buf *text, struct error *err);
