/* The job root's life, and what it and the runner tell each other. Private to context/. */
#pragma once

#include "context/context.h"

#include <sys/types.h>

enum jobroot_order { JOBROOT_SIGNAL, JOBROOT_STOP, JOBROOT_CONTINUE, JOBROOT_KILL, JOBROOT_ADOPT };

struct jobroot_request {
    enum jobroot_order order;
    int signal; /* JOBROOT_SIGNAL */
    pid_t root, last; /* JOBROOT_ADOPT */
};

enum jobroot_tiding { JOBROOT_STARTED, JOBROOT_FAILED, JOBROOT_EXITED };

struct jobroot_message {
    enum jobroot_tiding tiding;
    pid_t pid;                /* JOBROOT_STARTED: the program; in a world, its first process, as the host counts */
    int64_t off_us[2];        /* JOBROOT_STARTED: the world's CLOCK_MONOTONIC and CLOCK_BOOTTIME against the host's */
    int64_t started_us;       /* JOBROOT_STARTED: boot clock */
    struct error error;       /* JOBROOT_FAILED */
    struct context_exit exit; /* JOBROOT_EXITED */
};

/* Runs in the child that context_start forked; never returns. `line` is its end of a SOCK_SEQPACKET pair. */
void jobroot_run(const struct context_spec *spec, int line) __attribute__((noreturn));
