/*
 * A process tree in a world of its own. Between the runner and the job stands the *job root*: a small process that adopts
 * whatever the job leaves behind (PR_SET_CHILD_SUBREAPER), so that nothing that the job starts survives its stint, and that
 * kills the tree when the runner dies, however it dies. It holds the descriptors in `keep`: a lock among them is free only
 * when the whole tree is gone.
 *
 * (Namespaces, mounts and clocks of its own are to come here.)
 */
#pragma once

#include "base/error.h"
#include "base/identity.h"

#include <stdbool.h>
#include <stdint.h>

struct context_spec {
    int dir;                 /* working directory of the program */
    const char *program;     /* path relative to dir, or absolute */
    char *const *argv;       /* NULL-terminated */
    char *const *envp;       /* NULL-terminated */
    int std[3];              /* stdin, stdout, stderr */
    struct identity owner;   /* whom the program runs as, when the caller is root */
    const int *keep;         /* descriptors that stay open in the job root */
    int keep_count;
    int cgroup_procs[2];     /* process lists of cgroups to join, or -1 */
};

struct context;

/* Starts the program. An error of kind ERR_CHILD means that it could not be executed, and says why. */
int context_start(const struct context_spec *spec, struct context **context, struct error *err);
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
void context_kill(struct context *context);

/* Sums over the tree as it is now. */
struct context_usage {
    int64_t image_kb, rss_kb, user_us, sys_us;
    int processes;
};
void context_usage(const struct context *context, struct context_usage *out);

/* Kills what is left of the tree, waits for it, frees. Accepts NULL. */
void context_free(struct context *context);

/* Makes this process the one that inherits orphans of its descendants, should a job root be killed. Once, at start-up. */
int context_adopt_orphans(struct error *err);
