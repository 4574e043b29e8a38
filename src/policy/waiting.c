/*
 * A user's idle jobs: a heap for each size (class), and a heap of the classes by their best job. So the next job, a job that
 * comes and one that goes cost a logarithm, and what does not fit is found out once for all jobs of its size.
 */
#include "policy/plan_parts.h"

#include "base/mem.h"

/* Best first: evicted ones, then by priority, then who came first. */
static bool before(const struct plan_job *a, const struct plan_job *b)
{
    if (a->was_evicted != b->was_evicted)
        return a->was_evicted;
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->submitted_us != b->submitted_us)
        return a->submitted_us < b->submitted_us;
    if (a->id.cluster != b->id.cluster)
        return a->id.cluster < b->id.cluster;
    return a->id.proc < b->id.proc;
}

/* ---- a class's heap of jobs ---- */

static bool job_before(const struct plan_state *state, uint32_t a, uint32_t b)
{
    return before(state->entries[a].job, state->entries[b].job);
}

static void put_job(struct plan_state *state, struct plan_class *class, size_t at, uint32_t number)
{
    class->heap[at] = number;
    state->entries[number].at = (uint32_t)at;
}

static void job_up(struct plan_state *state, struct plan_class *class, size_t at, uint32_t number)
{
    for (; at > 0 && job_before(state, number, class->heap[(at - 1) / 2]); at = (at - 1) / 2)
        put_job(state, class, at, class->heap[(at - 1) / 2]);
    put_job(state, class, at, number);
}

static void job_down(struct plan_state *state, struct plan_class *class, size_t at, uint32_t number)
{
    for (size_t child; (child = 2 * at + 1) < class->count; at = child) {
        if (child + 1 < class->count && job_before(state, class->heap[child + 1], class->heap[child]))
            child++;
        if (!job_before(state, class->heap[child], number))
            break;
        put_job(state, class, at, class->heap[child]);
    }
    put_job(state, class, at, number);
}

/* ---- the user's heap of classes ---- */

static bool class_before(const struct plan_state *state, const struct plan_waiting *w, uint32_t a, uint32_t b)
{
    return job_before(state, w->classes[a].heap[0], w->classes[b].heap[0]);
}

static void put_class(struct plan_waiting *w, size_t at, uint32_t class)
{
    w->ready[at] = class;
    w->classes[class].at = (uint32_t)at;
}

static void class_up(const struct plan_state *state, struct plan_waiting *w, size_t at, uint32_t class)
{
    for (; at > 0 && class_before(state, w, class, w->ready[(at - 1) / 2]); at = (at - 1) / 2)
        put_class(w, at, w->ready[(at - 1) / 2]);
    put_class(w, at, class);
}

static void class_down(const struct plan_state *state, struct plan_waiting *w, size_t at, uint32_t class)
{
    for (size_t child; (child = 2 * at + 1) < w->ready_count; at = child) {
        if (child + 1 < w->ready_count && class_before(state, w, w->ready[child + 1], w->ready[child]))
            child++;
        if (!class_before(state, w, w->ready[child], class))
            break;
        put_class(w, at, w->ready[child]);
    }
    put_class(w, at, class);
}

static void class_moved(const struct plan_state *state, struct plan_waiting *w, uint32_t class)
{
    size_t at = w->classes[class].at;
    if (at > 0 && class_before(state, w, class, w->ready[(at - 1) / 2]))
        class_up(state, w, at, class);
    else
        class_down(state, w, at, class);
}

static void make_ready(const struct plan_state *state, struct plan_waiting *w, uint32_t class)
{
    w->classes[class].failed = false;
    w->ready_count++;
    class_up(state, w, w->ready_count - 1, class);
}

/* Its heap may be empty already: it is not compared. */
static void take_from_ready(const struct plan_state *state, struct plan_waiting *w, uint32_t class)
{
    size_t at = w->classes[class].at;
    uint32_t last = w->ready[--w->ready_count];
    if (last == class)
        return;
    put_class(w, at, last);
    class_moved(state, w, last);
}

static void take_from_failed(struct plan_waiting *w, uint32_t class)
{
    uint32_t last = w->failed[--w->failed_count];
    w->failed[w->classes[class].at] = last;
    w->classes[last].at = w->classes[class].at;
}

/* ---- which class ---- */

static size_t bucket_of(const struct plan_waiting *w, const struct room *need)
{
    uint64_t hash = (uint64_t)need->cpus * 0x9e3779b97f4a7c15u;
    hash = (hash ^ (uint64_t)need->memory_mb) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 29) ^ (uint64_t)need->disk_kb) * 0x94d049bb133111ebu;
    return (size_t)(hash >> 32) & (w->bucket_count - 1);
}

static void link_class(struct plan_waiting *w, uint32_t class)
{
    uint32_t *bucket = &w->buckets[bucket_of(w, &w->classes[class].need)];
    w->classes[class].next = *bucket;
    *bucket = class;
}

static void unlink_class(struct plan_waiting *w, uint32_t class)
{
    uint32_t *at = &w->buckets[bucket_of(w, &w->classes[class].need)];
    while (*at != class)
        at = &w->classes[*at].next;
    *at = w->classes[class].next;
}

static void grow_buckets(struct plan_waiting *w)
{
    w->bucket_count = w->bucket_count ? 2 * w->bucket_count : 4;
    free(w->buckets);
    w->buckets = mem_zero(w->bucket_count, sizeof *w->buckets);
    for (size_t i = 0; i < w->bucket_count; i++)
        w->buckets[i] = PLAN_NONE;
    for (uint32_t class = 0; class < w->class_count; class ++)
        if (w->classes[class].count > 0)
            link_class(w, class);
}

static uint32_t free_class(struct plan_waiting *w)
{
    uint32_t class = w->free_class;
    if (class != PLAN_NONE) {
        w->free_class = w->classes[class].next;
        return class;
    }
    w->classes = mem_grow(w->classes, &w->class_capacity, w->class_count + 1, sizeof *w->classes);
    w->classes[w->class_count] = (struct plan_class){ 0 };
    size_t capacity = w->list_capacity;
    w->ready = mem_grow(w->ready, &capacity, w->class_count + 1, sizeof *w->ready);
    w->failed = mem_grow(w->failed, &w->list_capacity, w->class_count + 1, sizeof *w->failed);
    return (uint32_t)w->class_count++;
}

static uint32_t find_class(const struct plan_waiting *w, const struct room *need)
{
    if (w->bucket_count == 0)
        return PLAN_NONE;
    uint32_t class = w->buckets[bucket_of(w, need)];
    for (; class != PLAN_NONE; class = w->classes[class].next) {
        const struct room *r = &w->classes[class].need;
        if (r->cpus == need->cpus && r->memory_mb == need->memory_mb && r->disk_kb == need->disk_kb)
            break;
    }
    return class;
}

/* ---- what is asked of it ---- */

/* The new class has no job yet, and is in no list. */
static uint32_t new_class(struct plan_waiting *w, const struct room *need)
{
    if (w->used >= w->bucket_count)
        grow_buckets(w);
    uint32_t class = free_class(w);
    w->classes[class].need = *need;
    w->used++;
    link_class(w, class);
    return class;
}

void waiting_add(struct plan_state *state, struct plan_waiting *w, uint32_t number)
{
    struct room need = plan_need(state->entries[number].job);
    uint32_t class = find_class(w, &need);
    bool made = class == PLAN_NONE;
    if (made)
        class = new_class(w, &need);
    struct plan_class *c = &w->classes[class];
    c->heap = mem_grow(c->heap, &c->capacity, c->count + 1, sizeof *c->heap);
    c->count++;
    state->entries[number].class = class;
    job_up(state, c, c->count - 1, number);
    if (made)
        make_ready(state, w, class);
    else if (!c->failed && c->heap[0] == number)
        class_moved(state, w, class);
}

static void drop_class(const struct plan_state *state, struct plan_waiting *w, uint32_t class)
{
    struct plan_class *c = &w->classes[class];
    if (c->failed)
        take_from_failed(w, class);
    else
        take_from_ready(state, w, class);
    unlink_class(w, class);
    *c = (struct plan_class){ .heap = c->heap, .capacity = c->capacity, .next = w->free_class };
    w->free_class = class;
    w->used--;
}

void waiting_remove(struct plan_state *state, struct plan_waiting *w, uint32_t number)
{
    uint32_t class = state->entries[number].class;
    struct plan_class *c = &w->classes[class];
    size_t at = state->entries[number].at;
    uint32_t last = c->heap[--c->count];
    if (c->count == 0) {
        drop_class(state, w, class);
        return;
    }
    if (last != number) {
        if (at > 0 && job_before(state, last, c->heap[(at - 1) / 2]))
            job_up(state, c, at, last);
        else
            job_down(state, c, at, last);
    }
    if (at == 0 && !c->failed)
        class_moved(state, w, class);
}

uint32_t waiting_best(const struct plan_waiting *w)
{
    return w->ready_count > 0 ? w->ready[0] : PLAN_NONE;
}

void waiting_fail(struct plan_state *state, struct plan_waiting *w, uint32_t class, enum plan_reason reason)
{
    struct plan_class *c = &w->classes[class];
    take_from_ready(state, w, class);
    c->failed = true;
    c->reason = (uint8_t)reason;
    c->at = (uint32_t)w->failed_count;
    w->failed[w->failed_count++] = class;
}

void waiting_fail_all(struct plan_waiting *w, enum plan_reason reason)
{
    for (size_t i = 0; i < w->ready_count; i++) {
        struct plan_class *c = &w->classes[w->ready[i]];
        c->failed = true;
        c->reason = (uint8_t)reason;
        c->at = (uint32_t)w->failed_count;
        w->failed[w->failed_count++] = w->ready[i];
    }
    w->ready_count = 0;
}

/* Few are put into the heap one by one; many, and the heap is made anew. */
void waiting_retry(struct plan_state *state, struct plan_waiting *w)
{
    bool anew = w->failed_count > w->ready_count;
    for (size_t i = 0; i < w->failed_count; i++) {
        uint32_t class = w->failed[i];
        w->classes[class].failed = false;
        w->ready_count++;
        if (anew)
            put_class(w, w->ready_count - 1, class);
        else
            class_up(state, w, w->ready_count - 1, class);
    }
    w->failed_count = 0;
    for (size_t i = w->ready_count / 2; anew && i-- > 0;)
        class_down(state, w, i, w->ready[i]);
}

void waiting_release(struct plan_waiting *w)
{
    for (size_t i = 0; i < w->class_count; i++)
        free(w->classes[i].heap);
    free(w->classes);
    free(w->buckets);
    free(w->ready);
    free(w->failed);
    *w = (struct plan_waiting){ 0 };
}
