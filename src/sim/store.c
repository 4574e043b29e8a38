#include "sim/store.h"

#include <math.h>

void store_init(struct store *s, double bytes_per_second, uint32_t *places)
{
    *s = (struct store){ .bandwidth = bytes_per_second / 1e6 };
    heap_init(&s->ends, 0, places);
}

void store_release(struct store *s)
{
    heap_release(&s->ends, false);
}

static void advance(struct store *s, int64_t now_us)
{
    if (s->ends.count > 0)
        s->virtual_b += (double)(now_us - s->since_us) * s->bandwidth / s->ends.count;
    s->since_us = now_us;
}

void store_add(struct store *s, uint32_t id, int64_t bytes, int64_t now_us)
{
    advance(s, now_us);
    s->moved_b += bytes;
    heap_set(&s->ends, id, (int64_t)llround(s->virtual_b) + bytes);
}

void store_cancel(struct store *s, uint32_t id, int64_t now_us)
{
    advance(s, now_us);
    heap_remove(&s->ends, id);
}

int64_t store_next(const struct store *s)
{
    if (s->ends.count == 0)
        return HEAP_NEVER;
    double left = (double)heap_time(&s->ends) - s->virtual_b;
    return left <= 0 ? s->since_us : s->since_us + (int64_t)ceil(left * s->ends.count / s->bandwidth);
}

bool store_take(struct store *s, int64_t now_us, uint32_t *id)
{
    advance(s, now_us);
    if (s->ends.count == 0 || (double)heap_time(&s->ends) > s->virtual_b + 0.5)
        return false;
    *id = heap_pop(&s->ends);
    return true;
}
