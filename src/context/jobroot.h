/* The job root's life, and what it and the runner tell each other. Private to context/. */
#pragma once

#include "context/context.h"

#include <sys/types.h>

enum jobroot_order { JOBROOT_SIGNAL, JOBROOT_STOP, JOBROOT_CONTINUE, JOBROOT_KILL };

struct jobroot_request {
    enum jobroot_order order;
    int signal;
};

enum jobroot_tiding { JOBROOT_STARTED, JOBROOT_FAILED, JOBROOT_EXITED };

struct jobroot_message {
    enum jobroot_tiding tiding;
    pid_t pid;                /* JOBROOT_STARTED */
    int64_t started_us;       /* JOBROOT_STARTED: boot clock */
    struct error error;       /* JOBROOT_FAILED */
    struct context_exit exit; /* JOBROOT_EXITED */
};

/* Runs in the child that context_start forked; never returns. `line` is its end of a SOCK_SEQPACKET pair. */
void jobroot_run(const struct context_spec *spec, int line) __attribute__((noreturn));
