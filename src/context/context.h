/*
 * A process tree in a world of its own. Between the runner and the job stands the *job root*: a small process that adopts
 * whatever the job leaves behind (PR_SET_CHILD_SUBREAPER), so that nothing that the job starts survives its stint, and that
 * kills the tree when the runner dies, however it dies. It holds the descriptors in `keep`: a lock among them is free only
 * when the whole tree is gone.
 *
 * With a *world* the tree also has namespaces, mounts and clocks of its own, which look the same wherever they are made:
 *
 *   /                  the host's directories, read-only, at their paths; or those of a container's root
 *   /stint/work        the working directory;  /stint/std: stdin, stdout, stderr;  /stint/self, world, images, engine
 *   /tmp, /var/tmp     the stint's own, on the disk;  /dev/shm: its own, in memory
 *   /proc, /dev/pts    its own; process 1 is the job root's, 1000 the reaper, 1001 the program
 *
 * No rights are needed for it, and none are had in it.
 */
#pragma once

#include "base/error.h"
#include "base/identity.h"

#include <stdbool.h>
#include <stdint.h>

/* A host's directory or file that shows at another place, or writable. */
struct context_bind {
    const char *from, *to; /* absolute, `from` also relative to the stint's directory; `to` must exist in the world, or lie below /stint */
    bool writable;
};

struct context_world {
    int dir;                 /* the stint's directory: has root, work, std, tmp, shm, self, world and images, all the owner's */
    bool restoring;          /* make only the world: something else brings the processes back; see context_adopt */
    int root_pid;            /* the first of them; 0: the reaper */
    bool open_host;          /* the host's files, and its /tmp, as the user's rights allow */
    bool own_network;        /* a network namespace with nothing but loopback */
    bool shared_output;      /* stderr goes where stdout goes */
    const char *work;        /* the working directory if it is not /stint/work */
    const char *root;        /* whose top-level directories the job sees; NULL: the host's */
    const char *host_name;   /* NULL: the host's */
    const struct context_bind *binds;
    int bind_count;
    int64_t monotonic_us, boot_us; /* where the clocks go on from; -1: as the host's */
};

struct context_spec {
    const struct context_world *world; /* NULL: the host's */
    int dir;                 /* working directory of the program */
    const char *program;     /* path relative to dir, or absolute */
    char *const *argv;       /* NULL-terminated */
    char *const *envp;       /* NULL-terminated */
    int std[3];              /* stdin, stdout, stderr; with a world those of /stint/std are opened instead */
    struct identity owner;   /* whom the program runs as, when the caller is root */
    const int *keep;         /* descriptors that stay open in the job root */
    int keep_count;
    int cgroup_procs[2];     /* process lists of cgroups to join, or -1 */
};

struct context;

/* Starts the program. An error of kind ERR_CHILD means that it could not be executed, and says why. */
int context_start(const struct context_spec *spec, struct context **context, struct error *err);
/* What was brought back into a world that was made with `restoring` is the program now, with root_pid its first process; new
 * processes get numbers above last_pid. */
int context_adopt(struct context *context, int root_pid, int last_pid, struct error *err);
/* Readable when context_next has something. */
int context_fd(const struct context *context);
/* The program's process id. */
int context_pid(const struct context *context);
/* When it was executed, boot clock. */
int64_t context_started_us(const struct context *context);

struct context_exit {
    bool lost;      /* the job root died; how the program ended is unknown */
    int code;       /* exit code, -1 when it died by a signal */
    int signal;     /* 0 when it exited */
    int64_t boot_us; /* when it ended */
    int64_t user_us, sys_us; /* of the program and all its descendants */
    int64_t max_rss_kb;      /* of the largest process */
};
/* True once: when the program has ended and its whole tree is gone. Never blocks. */
bool context_next(struct context *context, struct context_exit *out);

/* Whether the program handles, blocks or ignores the signal, so that sending it does not kill: false before it has installed
 * its handler. */
bool context_heeds(const struct context *context, int signal);
/* To the program's main process only. */
void context_signal(struct context *context, int signal);
/* To every process of the tree. */
void context_suspend(struct context *context);
void context_continue(struct context *context);
/* Who is called a second time may trust nobody any more: the job root and the first process are killed as well. */
void context_kill(struct context *context);

/* ---- worlds only ---- */

/* Runs a program in the job's world, with all rights over it; `program` is opened before the world is entered, or a path in it.
 * fds become 3, 4, …. Returns the number of a child of the caller that ends as the program ends, and at SIGTERM kills it. */
pid_t context_spawn(const struct context *context, const char *const *argv, const char *const *envp, const int *fds, int fd_count,
                    struct error *err);
/* A directory in the world, for reading and writing from outside. */
int context_open(const struct context *context, const char *path, struct error *err);
/* The number that a process of the host has in its own namespace; 0 when it has gone. */
int context_inner_pid(int host_pid);
/* Process 1 of the world, as the host counts; 0 without a world. */
int context_first(const struct context *context);
/* The clocks of the world now: CLOCK_MONOTONIC and CLOCK_BOOTTIME. */
void context_clocks(const struct context *context, int64_t *monotonic_us, int64_t *boot_us);

/* Sums over the tree as it is now. */
struct context_usage {
    int64_t image_kb, rss_kb, user_us, sys_us;
    int processes;
};
void context_usage(const struct context *context, struct context_usage *out);

/* Kills what is left of the tree, waits for it, frees. Accepts NULL. */
void context_free(struct context *context);

/* Whether this kernel and its settings let the owner make worlds. */
int context_world_possible(const struct identity *owner, struct error *err);
/* Puts the program that is process 1000 of a world, under the name "reaper", into what will be /stint/world. One that came with a
 * checkpoint must stay. */
int context_put_reaper(int dir, struct error *err);

/* Makes this process the one that inherits orphans of its descendants, should a job root be killed. Once, at start-up. */
int context_adopt_orphans(struct error *err);
/* At SIGCHLD: reaps orphans, which are those children that are neither `context`'s (may be NULL) nor in `except`. As long as one that was in
 * a world is a zombie, the kernel does not let that world end. */
void context_reap(const struct context *context, const int *except, int count);
