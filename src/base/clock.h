/*
 * Two clocks. The wall clock says when, for people and logs, and may jump. The boot clock (CLOCK_BOOTTIME) says how long; it
 * never jumps, runs through suspends, and is the same for all processes of one boot, which its id names.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND_US INT64_C(1000000)

struct moment {
    int64_t wall_us; /* microseconds since 1970-01-01 UTC */
    int64_t boot_us; /* microseconds since boot */
};

struct moment clock_now(void);
int64_t clock_wall_us(void);
int64_t clock_boot_us(void);
/* This boot's random id, 36 characters; "unknown" where the kernel does not say. Borrowed, constant. */
const char *clock_boot_id(void);
