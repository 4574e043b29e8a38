/*
 * epoll for descriptors, a small unsorted list for timers (a daemon has a handful), a signalfd for signals.
 *
 * The danger of every event loop is a callback that frees what a later event of the same epoll_wait points to. Here removal
 * only marks; what is marked is skipped by dispatch and freed after the round.
 */
#include "base/loop.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EVENTS_PER_ROUND = 64 };

struct loop_watch {
    struct loop *loop;
    struct loop_watch *next;
    int fd;
    bool dead;
    loop_fd_fn *fn;
    void *data;
};

struct loop_timer {
    struct loop *loop;
    struct loop_timer *next;
    int64_t at_us;
    bool dead;
    loop_timer_fn *fn;
    void *data;
};

struct loop {
    int epoll;
    int signals;
    bool stopping;
    bool garbage;
    struct loop_watch *watches;
    struct loop_timer *timers;
    loop_signal_fn *signal_fn;
    void *signal_data;
};

struct loop *loop_new(void)
{
    struct loop *loop = mem_new(struct loop);
    loop->signals = -1;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop;
}

struct loop_watch *loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *data)
{
    struct loop_watch *w = mem_new(struct loop_watch);
    *w = (struct loop_watch){ .loop = loop, .next = loop->watches, .fd = fd, .fn = fn, .data = data };
    loop->watches = w;
    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = events, .data.ptr = w });
    return w;
}

void loop_watch_change(struct loop_watch *w, uint32_t events)
{
    epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &(struct epoll_event){ .events = events, .data.ptr = w });
}

void loop_unwatch(struct loop_watch *w)
{
    if (!w || w->dead)
        return;
    epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->dead = true;
    w->loop->garbage = true;
}

struct loop_timer *loop_timer(struct loop *loop, int64_t at_us, loop_timer_fn *fn, void *data)
{
    struct loop_timer *t = mem_new(struct loop_timer);
    *t = (struct loop_timer){ .loop = loop, .next = loop->timers, .at_us = at_us, .fn = fn, .data = data };
    loop->timers = t;
    return t;
}

void loop_timer_set(struct loop_timer *timer, int64_t at_us)
{
    timer->at_us = at_us;
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer || timer->dead)
        return;
    timer->dead = true;
    timer->loop->garbage = true;
}

static void sweep(struct loop *loop)
{
    if (!loop->garbage)
        return;
    loop->garbage = false;
    for (struct loop_watch **at = &loop->watches; *at;) {
        struct loop_watch *w = *at;
        if (w->dead) {
            *at = w->next;
            free(w);
        } else {
            at = &w->next;
        }
    }
    for (struct loop_timer **at = &loop->timers; *at;) {
        struct loop_timer *t = *at;
        if (t->dead) {
            *at = t->next;
            free(t);
        } else {
            at = &t->next;
        }
    }
}

static void read_signals(void *data, uint32_t events)
{
    struct loop *loop = data;
    struct signalfd_siginfo info;
    (void)events;
    while (read(loop->signals, &info, sizeof info) == (ssize_t)sizeof info)
        loop->signal_fn(loop->signal_data, (int)info.ssi_signo);
}

int loop_signals(struct loop *loop, const int *signals, loop_signal_fn *fn, void *data, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    for (; *signals; signals++)
        sigaddset(&set, *signals);
    sigprocmask(SIG_BLOCK, &set, NULL);
    loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signals < 0)
        return error_sys(err, "cannot make a signalfd");
    loop->signal_fn = fn;
    loop->signal_data = data;
    loop_watch(loop, loop->signals, EPOLLIN, read_signals, loop);
    return 0;
}

/* Milliseconds until the next timer, rounded up; -1 = none. */
static int next_timeout(const struct loop *loop)
{
    int64_t first = INT64_MAX;
    for (const struct loop_timer *t = loop->timers; t; t = t->next)
        if (!t->dead && t->at_us < first)
            first = t->at_us;
    if (first == INT64_MAX)
        return -1;
    int64_t wait = first - clock_boot_us();
    if (wait <= 0)
        return 0;
    return wait > 60 * CLOCK_SECOND_US ? 60000 : (int)((wait + 999) / 1000);
}

static void fire_timers(struct loop *loop)
{
    int64_t now = clock_boot_us();
    for (struct loop_timer *t = loop->timers; t; t = t->next) {
        if (t->dead || t->at_us > now)
            continue;
        t->at_us = INT64_MAX;
        t->fn(t->data);
    }
}

void loop_run(struct loop *loop, void (*idle)(void *data), void *data)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    while (!loop->stopping) {
        int n = epoll_wait(loop->epoll, events, EVENTS_PER_ROUND, next_timeout(loop));
        for (int i = 0; i < n && !loop->stopping; i++) {
            struct loop_watch *w = events[i].data.ptr;
            if (!w->dead)
                w->fn(w->data, events[i].events);
        }
        if (!loop->stopping)
            fire_timers(loop);
        if (idle && !loop->stopping)
            idle(data);
        sweep(loop);
    }
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    for (struct loop_watch *w = loop->watches; w; w = w->next)
        w->dead = true;
    for (struct loop_timer *t = loop->timers; t; t = t->next)
        t->dead = true;
    loop->garbage = true;
    sweep(loop);
    file_close(&loop->signals);
    file_close(&loop->epoll);
    free(loop);
}
