/*
 * A store's bandwidth, shared evenly by what is written to and read from it at the same time. Kept in virtual bytes: each
 * transfer advances at the same pace, so that the order of their ends never changes and a change costs the logarithm of their
 * number.
 */
#pragma once

#include "sim/heap.h"

struct store {
    struct heap ends; /* by virtual bytes */
    double virtual_b; /* bytes that a transfer which was always there would have moved */
    double bandwidth; /* bytes a microsecond */
    int64_t since_us; /* virtual_b is as of then */
    int64_t moved_b;
};

/* `places` is shared by all stores; see heap_init. */
void store_init(struct store *s, double bytes_per_second, uint32_t *places);
void store_release(struct store *s);
/* Begins a transfer of `id`, which has none. */
void store_add(struct store *s, uint32_t id, int64_t bytes, int64_t now_us);
/* Gives it up; nothing happens if it has none. */
void store_cancel(struct store *s, uint32_t id, int64_t now_us);
/* When the next one ends if nothing changes; HEAP_NEVER without any. */
int64_t store_next(const struct store *s);
/* The one that has ended by now; false when there is none (any more). */
bool store_take(struct store *s, int64_t now_us, uint32_t *id);
