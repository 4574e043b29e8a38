/*
 * A program that knows nothing of checkpoints, for measuring what they cost it: field MIB PERCENT [busy]
 *
 * Its memory is a smooth field with noise (it shrinks to about a half, like bench/store.c's). A step changes PERCENT of its pages,
 * scattered at random: one at each SIGUSR1, or with "busy" one after the other. A second thread looks every 200 µs what time it is.
 *
 * To the file "stamps" in its directory it appends, in microseconds of the wall clock, which is the one that all worlds share:
 *   ready 0 NOW        the memory is filled
 *   step N NOW         N steps are done (busy: once a second)
 *   gap LENGTH NOW     the second thread was kept waiting for so long, until NOW; 1 ms and more
 * The file is open only while a line is written: never when a checkpoint is taken, except by chance.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, PAGE = 4096, TICK_NS = 200000, GAP_US = 1000, SECOND_US = 1000000 };

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

static void stamp(const char *what, int64_t number, int64_t us)
{
    char line[80];
    int len = snprintf(line, sizeof line, "%s %" PRId64 " %" PRId64 "\n", what, number, us);
    int fd = open("stamps", O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        exit(2);
    close(fd);
}

static void *tick(void *nothing)
{
    const struct timespec pause = { .tv_nsec = TICK_NS };
    int64_t last = now_us();
    for (;;) {
        nanosleep(&pause, NULL);
        int64_t now = now_us();
        if (now - last >= GAP_US)
            stamp("gap", now - last, now);
        last = now_us();
    }
    return nothing;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A sine by turning a pointer: as smooth as sin(), in a tenth of the time. */
static void fill(double *numbers, size_t count, uint64_t *seed)
{
    const double c = cos(1e-4), s = sin(1e-4);
    double x = 1, y = 0;
    for (size_t i = 0; i < count; i++) {
        double turned = x * c - y * s;
        y = x * s + y * c;
        x = turned;
        numbers[i] = (double)(int64_t)(1e4 * (y + 1e-3 * (double)(next_random(seed) % 100))) / 1e4;
    }
}

static void step(double *numbers, size_t pages, double percent, uint64_t *seed)
{
    size_t changes = (size_t)((double)pages * percent / 100);
    for (size_t i = 0; i < changes; i++) {
        double *page = numbers + next_random(seed) % pages * (PAGE / sizeof *numbers);
        for (size_t j = 0; j < PAGE / sizeof *page; j += 8)
            page[j] = (double)(int64_t)(1e4 * (page[j] * 0.5 + 1)) / 1e4;
    }
}

int main(int argc, char **argv)
{
    sigset_t wanted;
    pthread_t ticker;
    uint64_t seed = 88172645463325252u;
    int got;
    if (argc < 3)
        return 2;
    size_t bytes = strtoul(argv[1], NULL, 10) * MIB;
    double percent = strtod(argv[2], NULL), *numbers = malloc(bytes + PAGE);
    if (!numbers)
        return 2;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    fill(numbers, bytes / sizeof *numbers, &seed);
    if (pthread_create(&ticker, NULL, tick, NULL) != 0)
        return 2;
    int64_t last = now_us();
    stamp("ready", 0, last);
    for (int64_t n = 1;; n++) {
        if (argc == 3)
            sigwait(&wanted, &got);
        step(numbers, bytes / PAGE, percent, &seed);
        if (argc == 3 || now_us() - last >= SECOND_US)
            stamp("step", n, last = now_us());
    }
}
