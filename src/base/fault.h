/*
 * Named fault points: at every durability step the code says where it is, and a test decides what happens there.
 *
 *   STINT_FAULT=NAME:kill[@N][,…]       SIGKILL to this process at the N-th pass (default 1)
 *   STINT_FAULT=NAME:ERRNO[@N|+N][,…]   fail with that error at the N-th pass (@) or from the N-th on (+)
 *   STINT_FAULT=NAME:stop[@N]           SIGSTOP to this process
 *   STINT_FAULT=/FILE                   the rules are in that file and read at every pass, so that they may change; N is always 1
 *   STINT_FAULT_TRACE=FILE              appends "PROGRAM NAME" at every pass
 *   STINT_FAULT_ONCE=FILE               a fault strikes only by creating FILE: once in the life of a whole tree of processes
 *   STINT_FAULT_WHILE=FILE              a fault strikes only as long as FILE exists
 *
 * Without these variables a point costs one branch. Names are "module.step", for example "store.manifest.rename".
 */
#pragma once

/* 0, or -1 with errno set as the test ordered. */
int fault_point(const char *name);
