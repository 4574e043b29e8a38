/* The namespaces, mounts and clocks of a job: what jobroot.c does before a program can be started. Private to context/. */
#pragma once

#include "context/context.h"

#include <sys/types.h>

/* The numbers that the reaper and the program have in every world, whatever else runs there. */
enum { WORLD_REAPER = 1000, WORLD_PROGRAM = 1001 };

/* In the job root: becomes the owner, leaves the host's namespaces, and forks the first process of the new ones. Returns 0 in
 * that process (*host is its number outside), its number in the job root, which then has only to wait for it, or -1. The clocks
 * (monotonic, boot) are set off the host's by off_us. */
pid_t world_fork(const struct context_spec *spec, const int64_t off_us[2], pid_t *host, struct error *err);
/* In the first process: whether it could have a /proc of its own. */
int world_mounts_proc(struct error *err);
/* In the first process: the job's file system, host name and devices. */
int world_build(const struct context_spec *spec, struct error *err);
/* The next process here gets at least this number. */
int world_next_pid(pid_t pid, struct error *err);
/* In a child of a world's first process, or one that entered the world: no right is left but the user's own. */
int world_drop_rights(struct error *err);
/* The opposite: what this process executes has all the rights in the world's namespaces. */
int world_keep_rights(struct error *err);
/* Whom the world belongs to. */
const struct identity *context_owner(const struct context *context);
/* A descriptor (pidfd) of its first process, whose number may be another's by now. */
int context_first_fd(const struct context *context);
/* As long as the job is being brought back its limits count for the calling process, too: its children become the job. What takes a
 * checkpoint must not be killed, or kill the job, because the job has used up its memory. */
void context_join_cgroups(const struct context *context);
