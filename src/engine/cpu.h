/*
 * Whether a program that was running on one processor can go on on another. Programs and libraries ask at their start what the processor
 * can do, and use that to their end: what was there and is not here is an illegal instruction later. Compared are the texts of
 * manifests (store/machine.h).
 *
 * What matters is what programs can use without the system's help: instructions (SSE to AVX-512 and AMX, bit manipulation,
 * cryptography, atomics), and the register sets that the system saves (xgetbv), without which a saved state cannot be loaded. What only
 * systems use (virtualization, paging, frequencies, errata) may differ, and so may vendor, model and clock.
 */
#pragma once

#include "base/buf.h"

enum {
    CPU_MISSING = 1, /* features are missing */
    CPU_OTHER = 2,   /* another architecture, or a text that is not understood */
};

/* 0: what was there is here, or `then` is empty (unknown). CPU_MISSING: `names` gets the features that are missing, as
 * /proc/cpuinfo calls them ("avx2, avx512f"). CPU_OTHER: `names` gets a clause ("it is from a machine of type aarch64, this is
 * x86-64"). */
int cpu_compare(const char *then, const char *now, struct buf *names);
/* The same with this machine as `now`. */
int cpu_missing(const char *then, struct buf *names);
