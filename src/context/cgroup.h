/*
 * Limits on a stint's processor time and memory by a cgroup of its own, where this process may make one: version 2 with the
 * cpu and memory controllers delegated to it, or the version 1 hierarchies, writable for root. Elsewhere there are no limits,
 * and cgroup_open says why.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct cgroup;

/* "cgroup v2", "cgroup v1" or NULL with err saying why limits can not be enforced. */
const char *cgroup_support(struct error *err);
/* Makes the cgroup `name` with the limits. */
int cgroup_make(const char *name, int cpus, int64_t memory_bytes, struct cgroup **cgroup, struct error *err);
/* In the text of /proc/PID/cgroup: the path of the group in the hierarchy with that controller ("" is version 2's), and the
 * names of all that are mounted with it. Both yours; `mount` may be NULL. NULL = there is none. */
char *cgroup_path_in(const char *text, const char *controller, char **mount);
/* Descriptors to write "0" to, by a process with one thread that joins, for each hierarchy; at most 2. */
int cgroup_procs(const struct cgroup *cgroup, int fds[2]);
/* A process of the group was killed because of its memory limit. */
bool cgroup_ran_out_of_memory(const struct cgroup *cgroup);
/* Kills what is left in groups whose names begin with `prefix`, and removes them: leftovers of runners that were killed. */
void cgroup_sweep(const char *prefix);
/* Removes it; its processes must be gone. Accepts NULL. */
void cgroup_free(struct cgroup *cgroup);
