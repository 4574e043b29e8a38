/*
 * What this kernel and its settings allow an ordinary user, tried step by step in children that end at once: for people who have to
 * be told which setting is in the way. Whether the whole works is context_world_possible's to say.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

enum probe {
    PROBE_USER,    /* a user namespace in which the caller has a name and rights */
    PROBE_SPACES,  /* the others: pid, mount, ipc, uts, time */
    PROBE_NETWORK, /* a network namespace of its own */
    PROBE_MOUNTS,  /* in them: proc, tmpfs, devpts, the host's files bound, and made read-only (mount_setattr) */
    PROBE_NUMBERS, /* in them: a process gets the number that is asked for (clone3 with set_tid, ns_last_pid) */
};

/* 0 when it works; else err says which call failed, and sys is its errno. Each includes what it needs of the earlier ones. */
int probe_try(enum probe what, struct error *err);
/* The kernel tells which pages were written (PAGEMAP_SCAN, Linux 6.7). */
bool probe_pagemap_scan(void);
/* The file system of the directory shares blocks between files (FICLONE). */
bool probe_reflink(int dir);
