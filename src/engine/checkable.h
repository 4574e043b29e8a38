/*
 * What in a running process tree cannot be checkpointed from outside, or will be different after a resume: found while the job
 * runs, from /proc, before the first checkpoint is due. What is known here was tried against CRIU 4.2 without root, each by a
 * program of its own (tests/programs/odd.c, tests/integration/checkable.bats).
 *
 * The tree is described by `root`, process 1 of the job's process namespace (as the caller sees it): everything below it is
 * looked at, it is not, and its namespaces are the job's. The caller needs the rights over the tree that its maker has.
 */
#pragma once

#include "base/error.h"
#include "job/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum checkable_kind {
    CHECKABLE_IO_URING,
    CHECKABLE_ANON,          /* a kernel object without a file, of a kind that cannot be captured */
    CHECKABLE_SYSV,          /* SysV shared memory, semaphores, message queues */
    CHECKABLE_MQUEUE,
    CHECKABLE_DEVICE,        /* open or mapped */
    CHECKABLE_TCP,           /* closed on resume */
    CHECKABLE_TCP_PORT,      /* a port that the kernel keeps for a minute after its connections end (TIME_WAIT) */
    CHECKABLE_UNIX_OUTSIDE,  /* a Unix socket whose other end is not in the tree */
    CHECKABLE_UNIX_NAME,     /* a Unix socket's file is not where its name says */
    CHECKABLE_SOCKET,        /* of a protocol that cannot be captured */
    CHECKABLE_SECCOMP,
    CHECKABLE_NAMESPACE,
    CHECKABLE_DELETED_MAP,   /* a mapping of a file that was removed */
    CHECKABLE_DELETED_LARGE, /* an open file that was removed and is too large to be put into the image */
    CHECKABLE_OVERLAY,       /* a mapped file on an overlay file system */
    CHECKABLE_HUGE,          /* explicit huge pages */
    CHECKABLE_SECRET,        /* memfd_secret */
    CHECKABLE_AIO,
    CHECKABLE_LEASE,
    CHECKABLE_WATCH,         /* inotify or fanotify on files outside */
    CHECKABLE_TRACED,
    CHECKABLE_UNREADABLE,    /* its /proc cannot be read, so the engine cannot look into it either */
    CHECKABLE_EVENTFD,       /* one that is a semaphore */
    CHECKABLE_MEMFD,         /* a file in memory that is mapped as well as open */
    CHECKABLE_SESSION,       /* a member of a session whose leader has gone, below somebody else than the reaper */
    CHECKABLE_OUTSIDE_FILE,  /* open for writing, and not captured */
};

enum checkable_severity {
    CHECKABLE_BLOCKS,  /* a checkpoint fails, or what it has cannot be resumed */
    CHECKABLE_CHANGES, /* it works, and the job will find something else than it left */
};

struct checkable_world {
    uid_t owner;             /* whom the job runs as */
    bool own_network;        /* the job has a network namespace of its own, and its TCP connections are captured */
    bool reconnects;         /* datagram sockets to the outside are connected to the same path on resume (ext-unix-sk) */
    int64_t ghost_bytes;     /* removed files up to this size go into the image; 0 = 1 MiB, CRIU's default */
    const char *const *captured; /* paths as the job sees them whose files are part of the checkpoint; NULL-terminated */
};

struct checkable_finding {
    enum checkable_kind kind;
    enum checkable_severity severity;
    pid_t pid;          /* as the job sees it */
    int others;         /* how many more processes or objects the same was found at */
    char command[16];   /* the process's name */
    char detail[160];   /* a path, an address, a name; "" = none */
    char sentence[480]; /* what it is and what to do about it, for the job's owner */
};

enum { CHECKABLE_MAX = 64 /* findings in a report */ };

/* *findings is the caller's (free), those that block first; NULL when there are none. The engine is taken to be called with
 * file locks, link remaps, in-flight connections skipped, TCP closed (own_network: kept) and irmap paths of what is captured. */
int checkable_scan(pid_t root, const struct checkable_world *world, struct checkable_finding **findings, size_t *count,
                   struct error *err);

/* Regular files that the tree has open (or mapped shared) for writing outside of what is captured, as the job sees them,
 * sorted: `own`, which belong to the owner and are where their names say; `others`, which are neither. Either may be NULL. */
int checkable_outside(pid_t root, const struct checkable_world *world, struct command_list *own, struct command_list *others,
                      struct error *err);

/* Whether CRIU takes the checkpoint all the same, and what the finding tells of is lost without a word. */
bool checkable_is_lost(enum checkable_kind kind);

/* "io_uring", "seccomp", …: for records and tests. Borrowed, constant. */
const char *checkable_kind_name(enum checkable_kind kind);
