/* The event loop: dispatch, timers, signals, and callbacks that take away what is about to be called. */
#include "base/clock.h"
#include "base/loop.h"
#include "scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <cmocka.h>

struct fixture {
    struct loop *loop;
    int pipes[2][2];
    struct loop_watch *watches[2];
    struct loop_timer *timers[3];
    struct loop_timer *guard; /* a loop that does not stop by itself is a failed test, not a hanging one */
    bool hung;
    int calls;
    int idles;
    char order[16];
};

static void give_up(void *data)
{
    struct fixture *f = data;
    f->hung = true;
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->loop = loop_new();
    f->guard = loop_timer(f->loop, clock_boot_us() + 20 * CLOCK_SECOND_US, give_up, f);
    for (int i = 0; i < 2; i++)
        if (pipe2(f->pipes[i], O_CLOEXEC | O_NONBLOCK) < 0)
            return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bool hung = f->hung;
    loop_free(f->loop);
    for (int i = 0; i < 4; i++)
        file_close(&f->pipes[i / 2][i % 2]);
    free(f);
    return hung ? -1 : 0;
}

static void note(struct fixture *f, char c)
{
    f->order[f->calls++] = c;
}

static void count_idle(void *data)
{
    struct fixture *f = data;
    f->idles++;
}

static void read_and_stop(void *data, uint32_t events)
{
    struct fixture *f = data;
    char c = '?';
    assert_true(events & EPOLLIN);
    assert_int_equal(read(f->pipes[0][0], &c, 1), 1);
    note(f, c);
    if (c == 'b')
        loop_stop(f->loop);
}

static void a_readable_descriptor_calls_until_it_is_empty(void **state)
{
    struct fixture *f = *state;
    loop_watch(f->loop, f->pipes[0][0], EPOLLIN, read_and_stop, f);
    assert_int_equal(write(f->pipes[0][1], "ab", 2), 2);
    loop_run(f->loop, count_idle, f);
    assert_string_equal(f->order, "ab");
    assert_int_equal(f->idles, 1); /* after each round, but not after the one that stopped */
}

static void a_stop_before_the_run_holds_and_is_used_up(void **state)
{
    struct fixture *f = *state;
    loop_watch(f->loop, f->pipes[0][0], EPOLLIN, read_and_stop, f);
    assert_int_equal(write(f->pipes[0][1], "b", 1), 1);
    loop_stop(f->loop);
    loop_run(f->loop, NULL, NULL);
    assert_int_equal(f->calls, 0);
    loop_run(f->loop, NULL, NULL);
    assert_string_equal(f->order, "b");
}

static void stop_timer(void *data)
{
    struct fixture *f = data;
    loop_stop(f->loop);
}

static void stop_soon(struct fixture *f)
{
    loop_timer(f->loop, clock_boot_us() + 20000, stop_timer, f);
}

/* Whichever of the two comes first removes the other. */
static void remove_both(void *data, uint32_t events)
{
    struct fixture *f = data;
    (void)events;
    note(f, 'x');
    for (int i = 0; i < 2; i++) {
        loop_unwatch(f->watches[i]);
        loop_unwatch(f->watches[i]);
    }
    stop_soon(f);
}

static void a_removed_watch_is_not_called_even_in_the_same_round(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        f->watches[i] = loop_watch(f->loop, f->pipes[i][0], EPOLLIN, remove_both, f);
        assert_int_equal(write(f->pipes[i][1], "x", 1), 1);
    }
    loop_run(f->loop, NULL, NULL);
    assert_string_equal(f->order, "x");
    loop_unwatch(NULL);
}

static void on_writable(void *data, uint32_t events)
{
    struct fixture *f = data;
    assert_true(events & EPOLLOUT);
    note(f, 'w');
    loop_watch_change(f->watches[0], 0);
    stop_soon(f);
}

static void a_watch_can_change_what_it_waits_for(void **state)
{
    struct fixture *f = *state;
    f->watches[0] = loop_watch(f->loop, f->pipes[0][1], 0, on_writable, f);
    loop_watch_change(f->watches[0], EPOLLOUT);
    loop_run(f->loop, NULL, NULL);
    assert_string_equal(f->order, "w");
}

static void timer_a(void *data)
{
    note(data, 'a');
}

static void timer_b(void *data)
{
    struct fixture *f = data;
    note(f, 'b');
    if (f->calls < 4)
        loop_timer_set(f->timers[1], clock_boot_us() + 1000); /* a fired timer can be set again */
    else
        loop_stop(f->loop);
}

static void timers_fire_once_at_their_time(void **state)
{
    struct fixture *f = *state;
    int64_t start = clock_boot_us();
    f->timers[0] = loop_timer(f->loop, start, timer_a, f);
    f->timers[1] = loop_timer(f->loop, start + 30000, timer_b, f);
    f->timers[2] = loop_timer(f->loop, INT64_MAX, timer_a, f);
    loop_run(f->loop, NULL, NULL);
    assert_string_equal(f->order, "abbb");
    assert_true(clock_boot_us() >= start + 32000);
}

static void free_all(void *data)
{
    struct fixture *f = data;
    note(f, 'f');
    for (int i = 0; i < 3; i++)
        loop_timer_free(f->timers[i]);
    loop_timer_free(NULL);
    stop_soon(f);
}

static void a_freed_timer_does_not_fire_even_when_it_is_due(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        f->timers[i] = loop_timer(f->loop, 0, free_all, f);
    loop_run(f->loop, NULL, NULL);
    assert_string_equal(f->order, "f");
}

static void on_signal(void *data, int signal)
{
    struct fixture *f = data;
    note(f, signal == SIGUSR1 ? '1' : signal == SIGUSR2 ? '2' : '?');
    if (f->calls == 2)
        loop_stop(f->loop);
}

static void signals_arrive_through_the_loop(void **state)
{
    static const int signals[] = { SIGUSR1, SIGUSR2, 0 };
    struct fixture *f = *state;
    struct error err;
    sigset_t before;
    sigprocmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(loop_signals(f->loop, signals, on_signal, f, &err), 0);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    loop_run(f->loop, NULL, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(f->order[0] + f->order[1], '1' + '2');
    assert_int_equal(f->calls, 2);
}

static void a_loop_can_be_freed_with_all_that_is_in_it(void **state)
{
    struct fixture *f = *state;
    loop_watch(f->loop, f->pipes[0][0], EPOLLIN, read_and_stop, f);
    loop_timer(f->loop, INT64_MAX, timer_a, f);
    loop_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_readable_descriptor_calls_until_it_is_empty),
        TEST(a_stop_before_the_run_holds_and_is_used_up),
        TEST(a_removed_watch_is_not_called_even_in_the_same_round),
        TEST(a_watch_can_change_what_it_waits_for),
        TEST(timers_fire_once_at_their_time),
        TEST(a_freed_timer_does_not_fire_even_when_it_is_due),
        TEST(signals_arrive_through_the_loop),
        TEST(a_loop_can_be_freed_with_all_that_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
