/*
 * What comes next: a heap of (time, id) in which each id stands at most once and can be moved or taken out at any time. Equal
 * times come in the order of their ids, so that a run does not depend on the order in which things were put in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_NEVER INT64_MAX

struct heap_entry {
    int64_t time;
    uint32_t id;
};

struct heap {
    struct heap_entry *entries;
    uint32_t count;
    size_t capacity;
    uint32_t *places; /* by id: 1 + its place in entries; 0 = not there */
};

/* Ids are 0 … ids - 1. With `places` (zeroed, one for each id; several heaps may have it in common if an id is in one of them
 * at a time) the heap borrows it; with NULL it makes its own. */
void heap_init(struct heap *h, uint32_t ids, uint32_t *places);
void heap_release(struct heap *h, bool own_places);
/* Puts `id` there or moves it. HEAP_NEVER takes it out. */
void heap_set(struct heap *h, uint32_t id, int64_t time);
void heap_remove(struct heap *h, uint32_t id);
static inline int64_t heap_time(const struct heap *h)
{
    return h->count ? h->entries[0].time : HEAP_NEVER;
}
/* Takes the first out; there must be one. */
uint32_t heap_pop(struct heap *h);
