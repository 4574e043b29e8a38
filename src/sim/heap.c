/* Four children to a node: half the levels of a binary heap, and the children lie in one or two lines of the cache. */
#include "sim/heap.h"

#include "base/mem.h"

enum { CHILDREN = 4 };

void heap_init(struct heap *h, uint32_t ids, uint32_t *places)
{
    *h = (struct heap){ .places = places ? places : mem_zero(ids, sizeof *places) };
}

void heap_release(struct heap *h, bool own_places)
{
    free(h->entries);
    if (own_places)
        free(h->places);
    *h = (struct heap){ 0 };
}

static inline bool before(struct heap_entry a, struct heap_entry b)
{
    return a.time < b.time || (a.time == b.time && a.id < b.id);
}

static inline void put(struct heap *h, uint32_t at, struct heap_entry e)
{
    h->entries[at] = e;
    h->places[e.id] = at + 1;
}

static uint32_t rise(struct heap *h, uint32_t at, struct heap_entry e)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / CHILDREN;
        if (!before(e, h->entries[parent]))
            break;
        put(h, at, h->entries[parent]);
        at = parent;
    }
    return at;
}

static uint32_t sink(struct heap *h, uint32_t at, struct heap_entry e)
{
    for (;;) {
        uint32_t first = at * CHILDREN + 1, end = first + CHILDREN, least = first;
        if (first >= h->count)
            return at;
        if (end > h->count)
            end = h->count;
        for (uint32_t c = first + 1; c < end; c++)
            if (before(h->entries[c], h->entries[least]))
                least = c;
        if (!before(h->entries[least], e))
            return at;
        put(h, at, h->entries[least]);
        at = least;
    }
}

static void settle(struct heap *h, uint32_t at, struct heap_entry e)
{
    uint32_t up = rise(h, at, e);
    put(h, up == at ? sink(h, at, e) : up, e);
}

void heap_remove(struct heap *h, uint32_t id)
{
    uint32_t place = h->places[id];
    if (place == 0)
        return;
    h->places[id] = 0;
    struct heap_entry last = h->entries[--h->count];
    if (place - 1 < h->count)
        settle(h, place - 1, last);
}

void heap_set(struct heap *h, uint32_t id, int64_t time)
{
    struct heap_entry e = { time, id };
    if (time == HEAP_NEVER) {
        heap_remove(h, id);
        return;
    }
    if (h->places[id] > 0) {
        settle(h, h->places[id] - 1, e);
        return;
    }
    h->entries = mem_grow(h->entries, &h->capacity, (size_t)h->count + 1, sizeof *h->entries);
    h->count++;
    put(h, rise(h, h->count - 1, e), e);
}

uint32_t heap_pop(struct heap *h)
{
    uint32_t id = h->entries[0].id;
    heap_remove(h, id);
    return id;
}
