#include "policy/room.h"

#include "base/mem.h"

static const struct room none = { -1, -1, -1 };

void room_tree_init(struct room_tree *tree, size_t count)
{
    tree->leaves = 1;
    while (tree->leaves < count)
        tree->leaves *= 2;
    tree->maxima = mem_zero(2 * tree->leaves, sizeof *tree->maxima);
    for (size_t i = 0; i < 2 * tree->leaves; i++)
        tree->maxima[i] = none;
}

void room_tree_release(struct room_tree *tree)
{
    free(tree->maxima);
    *tree = (struct room_tree){ 0 };
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void room_tree_set(struct room_tree *tree, size_t node, const struct room *room)
{
    size_t i = tree->leaves + node;
    tree->maxima[i] = *room;
    for (i /= 2; i >= 1; i /= 2) {
        const struct room *a = &tree->maxima[2 * i], *b = a + 1;
        struct room most = { larger(a->cpus, b->cpus), larger(a->memory_mb, b->memory_mb), larger(a->disk_kb, b->disk_kb) };
        struct room *old = &tree->maxima[i];
        if (old->cpus == most.cpus && old->memory_mb == most.memory_mb && old->disk_kb == most.disk_kb)
            return;
        *old = most;
    }
}

/* Depth first, left before right. An inner node that holds `need` may be a union of two that do not, hence the way back. */
size_t room_tree_find(const struct room_tree *tree, const struct room *need)
{
    size_t i = 1;
    for (;;) {
        if (room_holds(&tree->maxima[i], need)) {
            if (i >= tree->leaves)
                return i - tree->leaves;
            i *= 2;
            continue;
        }
        while (i & 1)
            i /= 2; /* up from right children; the root is one */
        if (i == 0)
            return ROOM_NONE;
        i++;
    }
}

size_t room_tree_roomiest(const struct room_tree *tree)
{
    size_t i = 1;
    while (i < tree->leaves)
        i = 2 * i + (tree->maxima[2 * i].cpus < tree->maxima[2 * i + 1].cpus);
    return i - tree->leaves;
}

bool room_is_missed(const struct room_misses *misses, const struct room *need)
{
    for (size_t i = 0; i < misses->count; i++)
        if (room_holds(need, &misses->needs[i]))
            return true;
    return false;
}

/* A full list forgets the largest need: it says least. */
void room_miss(struct room_misses *misses, const struct room *need)
{
    size_t n = 0, largest = 0;
    for (size_t i = 0; i < misses->count; i++)
        if (!room_holds(&misses->needs[i], need))
            misses->needs[n++] = misses->needs[i];
    misses->count = n;
    if (n < sizeof misses->needs / sizeof misses->needs[0]) {
        misses->needs[misses->count++] = *need;
        return;
    }
    for (size_t i = 1; i < n; i++)
        if (misses->needs[i].cpus > misses->needs[largest].cpus)
            largest = i;
    misses->needs[largest] = *need;
}
