/*
 * One long thing that somebody asked for, done by a child while the pool goes on: what it finds comes through a pipe, piece by
 * piece, and ends with what became of it. The child has nothing of the pool's but memory and rights: no lock, no socket, no
 * queue. It dies with the pool, and with whoever waits for it. Private to pool/.
 */
#pragma once

#include "pool/pool.h"

struct task;

/* The child's side of the line. */
struct task_line {
    int control;
    int bytes; /* where the content goes, of a task that gives bytes */
    int64_t told_us;
    int64_t done, total; /* progress of what came before, and of all; 0 = what the store says is all */
};
/* One of the records that are asked for; the ad is given up. */
void task_tell(struct task_line *line, struct ad *record);
/* What it is about, before the first byte of a task that gives bytes, which must say so. The ad is given up. */
void task_head(struct task_line *line, struct ad *head);
/* For the store's functions: their progress becomes the task's, now and then. */
struct store_progress task_progress(struct task_line *line);

struct task_plan {
    uid_t uid; /* who asks */
    bool gives_bytes;
    void *data;
    /* In the child. On success `result` is what is said at the end. */
    int (*work)(struct task_line *line, void *data, struct ad *result, struct error *err);
    /* In the pool, when the work was done: makes it count, and may change what is said of it. May be NULL. */
    int (*settle)(struct pool *p, void *data, struct ad *result, struct error *err);
    /* In the pool, when the child is gone; `settled`: it counts. */
    void (*release)(struct pool *p, void *data, bool settled);
};

enum { TASK_BUSY = 1 };
/* The plan is copied; data is the task's from here on, failure included. Outcome TASK_BUSY: there are too many already. */
int task_start(struct pool *p, const struct task_plan *plan, struct task **task, struct error *err);
bool task_gives_bytes(const struct task *task);

/* What goes to the client: JSON, one object a line, or frames where the task gives bytes (docs/openapi.yaml). Returns how many bytes
 * `out` got; 0 = there are none yet, see task_wait; TASK_OVER = that was all. */
enum { TASK_OVER = -1 };
ssize_t task_read(struct task *task, char *out, size_t max);
/* Calls fn once, when there may be something to read. */
void task_wait(struct task *task, void (*fn)(void *data), void *data);
/* Nobody reads any more. Accepts NULL. A child that is still at work is killed. */
void task_leave(struct task *task);

/* A child of the pool ended. */
void task_reaped(struct pool *p, pid_t pid);
/* Ends them all and waits for that. */
void task_close_all(struct pool *p);
