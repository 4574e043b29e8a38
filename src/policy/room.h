/* Free room on the nodes, and the first node with enough of it: a tree of maxima, so that a question that no node can meet
 * costs nothing, and one that some node can meet costs the logarithm of their number. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct room {
    int64_t cpus; /* negative: more is in use than there is */
    int64_t memory_mb;
    int64_t disk_kb;
};

struct room_tree {
    struct room *maxima; /* [1] is the root, [leaves + i] is node i */
    size_t leaves;       /* a power of two */
};

#define ROOM_NONE SIZE_MAX

void room_tree_init(struct room_tree *tree, size_t count); /* no room anywhere */
void room_tree_release(struct room_tree *tree);
void room_tree_set(struct room_tree *tree, size_t node, const struct room *room);
/* The lowest node with at least `need`, or ROOM_NONE. */
size_t room_tree_find(const struct room_tree *tree, const struct room *need);

/* The lowest node with the most cpus. */
size_t room_tree_roomiest(const struct room_tree *tree);

/* Needs that could not be met. While room only shrinks, what needs as much of everything can not be met either. */
struct room_misses {
    struct room needs[8];
    size_t count;
};

bool room_is_missed(const struct room_misses *misses, const struct room *need);
void room_miss(struct room_misses *misses, const struct room *need);

static inline const struct room *room_tree_get(const struct room_tree *tree, size_t node)
{
    return &tree->maxima[tree->leaves + node];
}

static inline int64_t room_tree_most_cpus(const struct room_tree *tree)
{
    return tree->maxima[1].cpus;
}

static inline bool room_holds(const struct room *room, const struct room *need)
{
    return room->cpus >= need->cpus && room->memory_mb >= need->memory_mb && room->disk_kb >= need->disk_kb;
}

static inline void room_add(struct room *room, const struct room *more)
{
    room->cpus += more->cpus;
    room->memory_mb += more->memory_mb;
    room->disk_kb += more->disk_kb;
}

static inline void room_take(struct room *room, const struct room *less)
{
    room->cpus -= less->cpus;
    room->memory_mb -= less->memory_mb;
    room->disk_kb -= less->disk_kb;
}
