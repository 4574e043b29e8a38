/* The processes below a process, from /proc/PID/task/TID/children. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Calls fn for every descendant of pid (not for pid itself), parents before children. Returns how many there were. */
int tree_each(pid_t pid, void (*fn)(void *data, pid_t pid), void *data);
/* Sends a signal to every descendant, again until a pass finds no new one. */
void tree_signal(pid_t pid, int signal);
/* SIGKILLs every process whose environment has the entry `mark` ("NAME=value"), again until none is found: the last resort for
 * a tree that lost runner and job root at once, where there is no cgroup to ask. Returns how many were killed. */
int tree_kill_marked(const char *mark);
/* SIGKILLs all descendants of the calling process and waits until none is left. Needs PR_SET_CHILD_SUBREAPER. */
void tree_kill_own(void);
