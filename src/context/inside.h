/*
 * What can only be asked from within the namespaces of a process. A short-lived child enters them, opens what is wanted there and
 * sends the descriptor back: sockets and the files of /proc/sysvipc belong to the namespace of whoever opened them. Where the
 * process has no namespaces of its own it is opened directly.
 *
 * Needs to be root or the one who made the process's user namespace. Each returns a descriptor, the caller's, or -1.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* A netlink socket that answers questions about the sockets (NETLINK_SOCK_DIAG) of the process's network namespace. */
int inside_diag(pid_t pid, struct error *err);
/* /proc/sysvipc/NAME ("sem", "msg" or "shm") as the process has it. */
int inside_sysvipc(pid_t pid, const char *name, struct error *err);
/* Whether the process has another namespace of that name ("net", "ipc", …) than this process; false when that is unknown. */
bool inside_differs(pid_t pid, const char *name);
