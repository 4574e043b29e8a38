/* Clocks and timers: time that a job is away does not exist for it. */
#include "zoo.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

/* The longest that a step may seem to take: what a freeze and a busy machine do, but not the time away. */
enum { SLACK_S = 4 };

static volatile sig_atomic_t rung;
static volatile sig_atomic_t last_value;
static void ring(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    rung++;
    last_value = info->si_value.sival_int;
}

static void on_ring(int sig)
{
    struct sigaction act = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO | SA_RESTART};
    MUST(sigaction(sig, &act, NULL));
}

static void burn(int64_t ns)
{
    for (int64_t end = zoo_now_ns(CLOCK_PROCESS_CPUTIME_ID) + ns; zoo_now_ns(CLOCK_PROCESS_CPUTIME_ID) < end;)
        ;
}

/* Clocks that say how long something took never run backwards, nor jump; all of them see the same time go by. */
void zoo_clocks(void)
{
    static const struct {
        int clock;
        const char *name;
    } clocks[] = {{CLOCK_MONOTONIC, "monotonic"}, {CLOCK_BOOTTIME, "boottime"}, {CLOCK_MONOTONIC_RAW, "monotonic_raw"},
        {CLOCK_MONOTONIC_COARSE, "monotonic_coarse"}};
    enum { CLOCKS = sizeof clocks / sizeof *clocks };
    int64_t before[CLOCKS], began[CLOCKS], now;
    for (int k = 0; k < CLOCKS; k++)
        began[k] = before[k] = zoo_now_ns(clocks[k].clock);
    while (zoo_step()) {
        if (zoo_damaged())
            before[1] -= 10 * SECOND;
        for (int k = 0; k < CLOCKS; k++) {
            now = zoo_now_ns(clocks[k].clock);
            CHECK(now >= before[k], "%s runs backwards by %ld us", clocks[k].name, (long)((before[k] - now) / 1000));
            CHECK(now - before[k] < SLACK_S * SECOND, "%s jumps by %ld ms", clocks[k].name, (long)((now - before[k]) / 1000000));
            before[k] = now;
        }
    }
    for (int k = 1; k < CLOCKS; k++) {
        int64_t apart = before[k] - began[k] - (before[0] - began[0]);
        CHECK(apart < SECOND / 2 && apart > -SECOND / 2, "%s and monotonic are %ld us apart", clocks[k].name, (long)(apart / 1000));
    }
    FILE *f = fopen("/proc/uptime", "r");
    double uptime = 0;
    CHECK(f && fscanf(f, "%lf", &uptime) == 1, "no /proc/uptime");
    fclose(f);
    double boot = (double)zoo_now_ns(CLOCK_BOOTTIME) / 1e9;
    CHECK(uptime <= boot && uptime > boot - 1, "/proc/uptime says %f at %f", uptime, boot);
}

/* An interval timer rings as often as its clock says, at least with what a busy machine and three checkpoints take away. */
static void itimer(int which, int sig, bool busy)
{
    on_ring(sig);
    struct itimerval interval = {{0, 20000}, {0, 20000}}, left;
    MUST(setitimer(which, &interval, NULL));
    int before = 0;
    while (zoo_step()) {
        for (int i = 0; busy && i < 1000 && rung == before; i++)
            burn(SECOND / 1000);
        if (zoo_damaged())
            MUST(setitimer(which, &(struct itimerval){0}, NULL));
        for (int i = 0; !busy && i < 200 && rung == before; i++)
            zoo_rest_ms(5);
        CHECK(rung > before, "the timer does not ring");
        MUST(getitimer(which, &left));
        CHECK(left.it_interval.tv_usec == 20000 && left.it_value.tv_sec == 0 && left.it_value.tv_usec <= 24000, "the timer is set to %ld us",
            (long)left.it_value.tv_usec);
        before = rung;
    }
}

void zoo_itimer_real(void) { itimer(ITIMER_REAL, SIGALRM, false); }
void zoo_itimer_virtual(void) { itimer(ITIMER_VIRTUAL, SIGVTALRM, true); }
void zoo_itimer_prof(void) { itimer(ITIMER_PROF, SIGPROF, true); }

/* It has gone off at the right time: not before END on the clock, and not much later. */
static void in_time(const char *what, int64_t now, int64_t end)
{
    CHECK(now >= end - SECOND / 20, "%s %ld ms too early", what, (long)((end - now) / 1000000));
    CHECK(now < end + SLACK_S * SECOND, "%s %ld ms too late", what, (long)((now - end) / 1000000));
}

/* One long alarm, which is to ring when three quarters of the time are over. */
void zoo_alarm_clock(void)
{
    on_ring(SIGALRM);
    long seconds = (zoo_steps() * ZOO_STEP_MS * 3 + 3999) / 4000;
    seconds = seconds ? seconds : 1;
    int64_t end = zoo_now_ns(CLOCK_MONOTONIC) + seconds * SECOND;
    alarm((unsigned)seconds);
    bool seen = false;
    while (zoo_step()) {
        if (rung && !seen) {
            in_time("the alarm rings", zoo_now_ns(CLOCK_MONOTONIC), end);
            seen = true;
        }
        CHECK(seen || zoo_now_ns(CLOCK_MONOTONIC) < end + SLACK_S * SECOND, "the alarm does not ring");
        if (zoo_damaged())
            alarm(0);
    }
    while (!rung && zoo_now_ns(CLOCK_MONOTONIC) < end + SLACK_S * SECOND)
        zoo_rest_ms(20);
    CHECK(rung == 1, "the alarm has rung %d times", (int)rung);
}

/* POSIX timers of two clocks: the value that they bring, intervals, one that was never started, a count of missed rings. */
void zoo_timer_signal(void)
{
    timer_t fast, late, idle;
    on_ring(SIGRTMIN);
    on_ring(SIGRTMIN + 1);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4711};
    MUST(timer_create(CLOCK_MONOTONIC, &event, &fast));
    event.sigev_signo = SIGRTMIN + 1;
    event.sigev_value.sival_int = 4712;
    MUST(timer_create(CLOCK_BOOTTIME, &event, &late));
    MUST(timer_create(CLOCK_REALTIME, NULL, &idle));
    MUST(timer_settime(fast, 0, &(struct itimerspec){{0, 30000000}, {0, 30000000}}, NULL));
    int64_t end = zoo_now_ns(CLOCK_BOOTTIME) + 3600 * SECOND;
    struct itimerspec at = {{0, 0}, {end / SECOND, end % SECOND}}, left;
    MUST(timer_settime(late, TIMER_ABSTIME, &at, NULL));
    for (int before = 0; zoo_step(); before = rung) {
        if (zoo_damaged())
            MUST(timer_delete(fast));
        for (int i = 0; i < 200 && rung == before; i++)
            zoo_rest_ms(5);
        CHECK(rung > before && last_value == 4711, "the timer does not ring, its last value was %d", (int)last_value);
        MUST(timer_gettime(late, &left));
        in_time("the late timer would ring", zoo_now_ns(CLOCK_BOOTTIME) + left.it_value.tv_sec * SECOND + left.it_value.tv_nsec, end);
        MUST(timer_gettime(idle, &left));
        CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0, "a timer runs that nobody has started");
    }
}

/* Timers with descriptors: an interval with ticks that nobody has read, a single one by the monotonic clock, one by the calendar. */
void zoo_timerfd(void)
{
    int interval = (int)MUST(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK)), once = (int)MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    int calendar = (int)MUST(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
    int64_t began = zoo_now_ns(CLOCK_BOOTTIME), now, end = zoo_now_ns(CLOCK_MONOTONIC) + zoo_steps() * ZOO_STEP_MS * 500000;
    MUST(timerfd_settime(interval, 0, &(struct itimerspec){{0, 10000000}, {0, 10000000}}, NULL));
    MUST(timerfd_settime(once, TFD_TIMER_ABSTIME, &(struct itimerspec){{0, 0}, {end / SECOND, end % SECOND}}, NULL));
    int64_t tomorrow = zoo_now_ns(CLOCK_REALTIME) + 86400 * SECOND;
    MUST(timerfd_settime(calendar, TFD_TIMER_ABSTIME, &(struct itimerspec){{0, 0}, {tomorrow / SECOND, 0}}, NULL));
    uint64_t ticks = 0, n;
    bool seen = false;
    for (int i = 0; zoo_step(); i++) {
        struct itimerspec left;
        if (i % 5 == 4) {
            MUST(read(interval, &n, sizeof n));
            ticks += n;
            now = zoo_now_ns(CLOCK_BOOTTIME);
            CHECK(n >= 1 && (int64_t)ticks <= (now - began) / 10000000 + 1, "it ticks %lu times, %lu in all", (unsigned long)n, (unsigned long)ticks);
        }
        if (!seen && read(once, &n, sizeof n) == sizeof n) {
            in_time("the timer goes off", zoo_now_ns(CLOCK_MONOTONIC), end);
            CHECK(n == 1, "the timer goes off %lu times", (unsigned long)n);
            seen = true;
        }
        MUST(timerfd_gettime(calendar, &left));
        CHECK(left.it_value.tv_sec > 3600 && left.it_value.tv_sec <= 86400, "tomorrow is in %ld s", (long)left.it_value.tv_sec);
        if (zoo_damaged())
            MUST(timerfd_settime(interval, 0, &(struct itimerspec){{1, 0}, {1, 0}}, NULL));
    }
    while (!seen && zoo_now_ns(CLOCK_MONOTONIC) < end + SLACK_S * SECOND) {
        seen = read(once, &n, sizeof n) == sizeof n;
        zoo_rest_ms(10);
    }
    CHECK(seen, "a timer never goes off");
}

/* A child sleeps half of the time in one go; that neither ends early for one who goes on after an interruption, nor late. */
static void sleeper(bool absolute)
{
    int64_t length = zoo_steps() * ZOO_STEP_MS * 500000;
    pid_t child = zoo_fork();
    if (child == 0) {
        int64_t began = zoo_now_ns(CLOCK_MONOTONIC), end = began + length;
        struct timespec rest = {length / SECOND, length % SECOND}, at = {end / SECOND, end % SECOND};
        if (getenv("ZOO_DAMAGE"))
            rest.tv_sec = at.tv_sec = 0;
        if (absolute)
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
                ;
        else
            while (nanosleep(&rest, &rest) != 0)
                CHECK(errno == EINTR, "nanosleep");
        in_time("the sleep ends", zoo_now_ns(CLOCK_MONOTONIC), end);
        _exit(0);
    }
    while (zoo_step())
        ;
    zoo_expect_exit(child, 0);
}

void zoo_sleep_absolute(void) { sleeper(true); }
void zoo_sleep_relative(void) { sleeper(false); }
