/*
 * An event loop for one thread: descriptors, timers, signals. Callbacks may add and remove anything, themselves included.
 * Timers run on the boot clock.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct loop;
struct loop_watch;
struct loop_timer;

typedef void loop_fd_fn(void *data, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP … */
typedef void loop_timer_fn(void *data);
typedef void loop_signal_fn(void *data, int signal);

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watches fd for `events`; the descriptor stays the caller's and must outlive the watch. */
struct loop_watch *loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *data);
void loop_watch_change(struct loop_watch *watch, uint32_t events);
void loop_unwatch(struct loop_watch *watch); /* accepts NULL */

/* Calls fn once at boot time `at_us`. Set a new time for a waiting or a fired timer with loop_timer_set; INT64_MAX = never. */
struct loop_timer *loop_timer(struct loop *loop, int64_t at_us, loop_timer_fn *fn, void *data);
void loop_timer_set(struct loop_timer *timer, int64_t at_us);
void loop_timer_free(struct loop_timer *timer); /* accepts NULL */

/* Blocks the signals and delivers them to fn through the loop. One call per loop; `signals` ends with 0. */
int loop_signals(struct loop *loop, const int *signals, loop_signal_fn *fn, void *data, struct error *err);

/* Runs until loop_stop. After every round of callbacks `idle` is called (may be NULL): the place for work that one round
 * gathers, such as one transaction for many events. */
void loop_run(struct loop *loop, void (*idle)(void *data), void *data);
void loop_stop(struct loop *loop);
