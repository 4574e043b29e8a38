/*
 * System calls in another process's name: its registers are set up for one, it is let run for that long, and gets its registers
 * back. What must happen from within a process (what it maps, whom it adopts) happens so without its knowing.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>
#include <sys/user.h>

struct inject {
    pid_t thread;
    struct user_regs_struct saved;
    unsigned long mask; /* of blocked signals */
    unsigned long instruction; /* where there is one for a system call */
};

/* The thread is traced by the caller and stopped. Until inject_end no signal reaches it. */
int inject_begin(struct inject *inject, pid_t thread, struct error *err);
/* *result is the kernel's: -4095 … -1 are errors of the call. */
int inject_call(const struct inject *inject, long number, const long args[6], long *result, struct error *err);
/* The thread is as it was, and still stopped. */
void inject_end(const struct inject *inject);
