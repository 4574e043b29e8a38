/* Descriptors that carry events and bytes within one machine. */
#include "zoo.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* A pipe that is nearly full, one that was enlarged; and a child that passes on what it gets. */
void zoo_pipes(void)
{
    enum { LARGE = 1 << 18 };
    struct flight full = {.bytes = 1024}, large = {.bytes = 4096}, through = {.bytes = 512};
    int ends[2], there[2], back[2];
    MUST(pipe(ends));
    full.out = ends[0], full.in = ends[1];
    flight_send(&full, 60);
    MUST(pipe(ends));
    large.out = ends[0], large.in = ends[1];
    MUST(fcntl(large.in, F_SETPIPE_SZ, LARGE));
    flight_send(&large, 50);
    MUST(pipe(there));
    MUST(pipe(back));
    pid_t child = zoo_fork();
    if (child == 0) {
        MUST(close(there[1]));
        char text[512];
        for (ssize_t n; (n = MUST(read(there[0], text, sizeof text))) > 0;)
            CHECK(write(back[1], text, (size_t)n) == n, "the child cannot write");
        _exit(0);
    }
    MUST(close(there[0]));
    MUST(close(back[1]));
    through.in = there[1], through.out = back[0];
    flight_send(&through, 20);
    while (zoo_step()) {
        flight_step(&full);
        flight_step(&large);
        flight_step(&through);
        CHECK(fcntl(large.out, F_GETPIPE_SZ) == LARGE, "the large pipe holds %d", fcntl(large.out, F_GETPIPE_SZ));
        int waiting = 0;
        MUST(ioctl(full.out, FIONREAD, &waiting));
        CHECK(waiting == 60 * 1024, "the full pipe has %d bytes", waiting);
        if (zoo_damaged())
            flight_lose(&full);
    }
    flight_land(&full);
    flight_land(&large);
    flight_receive(&through, 20);
    MUST(close(through.in));
    zoo_expect_exit(child, 0);
}

/* A pipe that keeps what was written at once together. */
void zoo_pipe_packets(void)
{
    struct flight packets = {.bytes = 100};
    int ends[2];
    MUST(pipe2(ends, O_DIRECT));
    packets.out = ends[0], packets.in = ends[1];
    flight_send(&packets, 7);
    while (zoo_step()) {
        flight_step(&packets);
        if (zoo_damaged())
            flight_lose(&packets);
    }
    flight_land(&packets);
}

static uint64_t read_count(int fd)
{
    uint64_t n = 0;
    CHECK(read(fd, &n, sizeof n) == sizeof n, "nothing to read from descriptor %d", fd);
    return n;
}

static void add_count(int fd, uint64_t n) { CHECK(write(fd, &n, sizeof n) == sizeof n, "cannot add to descriptor %d", fd); }

/* A counter. */
void zoo_eventfd(void)
{
    int sum = (int)MUST(eventfd(5, EFD_NONBLOCK));
    uint64_t wanted = 5, n;
    for (int i = 0; zoo_step(); i++) {
        add_count(sum, (uint64_t)i);
        wanted += (uint64_t)i;
        if (i % 7 == 6) {
            n = read_count(sum);
            CHECK(n == wanted, "the counter is %lu, not %lu", (unsigned long)n, (unsigned long)wanted);
            CHECK(read(sum, &n, sizeof n) < 0 && errno == EAGAIN, "the counter is not empty");
            wanted = 0;
        }
        if (zoo_damaged())
            add_count(sum, 1);
    }
}

/* A counter that gives away its ones one by one. */
void zoo_eventfd_semaphore(void)
{
    long left = 1000;
    int semaphore = (int)MUST(eventfd((unsigned)left, EFD_SEMAPHORE | EFD_CLOEXEC));
    for (; zoo_step(); left--) {
        uint64_t n = read_count(semaphore);
        CHECK(n == 1, "the semaphore gives %lu at once", (unsigned long)n);
        if (zoo_damaged())
            read_count(semaphore);
    }
    MUST(fcntl(semaphore, F_SETFL, O_NONBLOCK));
    for (; left > 0; left--)
        read_count(semaphore);
    uint64_t n;
    CHECK(read(semaphore, &n, sizeof n) < 0 && errno == EAGAIN, "the semaphore is not empty");
}

/* What is watched, with which word, and what is ready; level and edge, one shot, an epoll within an epoll. */
void zoo_epoll(void)
{
    const uint64_t event_word = UINT64_C(0x1234567800000001), pipe_word = event_word + 1, timer_word = event_word + 2, once_word = event_word + 3, inner_word = event_word + 4;
    int outer = (int)MUST(epoll_create1(EPOLL_CLOEXEC)), inner = (int)MUST(epoll_create1(0)), ends[2];
    int event = (int)MUST(eventfd(0, 0)), once = (int)MUST(eventfd(1, 0)), timer = (int)MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    MUST(pipe(ends));
    struct {
        int set, fd;
        uint32_t events;
        uint64_t word;
    } watched[] = {
        {outer, event, EPOLLIN, event_word}, {inner, ends[0], EPOLLIN | EPOLLET, pipe_word}, {outer, timer, EPOLLIN, timer_word},
        {outer, once, EPOLLIN | EPOLLONESHOT, once_word}, {outer, inner, EPOLLIN, inner_word},
    };
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        MUST(epoll_ctl(watched[i].set, EPOLL_CTL_ADD, watched[i].fd, &(struct epoll_event){watched[i].events, {.u64 = watched[i].word}}));
    MUST(timerfd_settime(timer, 0, &(struct itimerspec){{0, 30000000}, {0, 30000000}}, NULL));
    int shots = 0, ticks = 0;
    for (int i = 0; zoo_step(); i++) {
        struct epoll_event got[8];
        add_count(event, 1);
        zoo_put(ends[1], (char)i);
        bool events = false, piped = false;
        int n = (int)MUST(epoll_wait(outer, got, 8, 0));
        for (int k = 0; k < n; k++) {
            uint64_t word = got[k].data.u64;
            if (word == event_word) {
                CHECK(read_count(event) == 1, "an event came twice");
                events = true;
            } else if (word == timer_word) {
                ticks += (int)read_count(timer);
            } else if (word == once_word) {
                shots++;
            } else {
                CHECK(word == inner_word, "the word of a descriptor is %#lx", (unsigned long)word);
                piped = true;
            }
        }
        CHECK(events && piped, "%s", events ? "the pipe is not told" : "the event is not told");
        n = (int)MUST(epoll_wait(inner, got, 8, 0));
        CHECK(n == 1 && got[0].data.u64 == pipe_word, "the inner one tells something else");
        CHECK(zoo_get(ends[0]) == (char)i, "the pipe has another byte");
        CHECK(epoll_wait(inner, got, 8, 0) == 0, "the inner one tells of an empty pipe");
        CHECK(shots == 1, "what was to be told once is told %d times", shots);
        if (zoo_damaged())
            MUST(epoll_ctl(outer, EPOLL_CTL_DEL, event, NULL));
    }
    CHECK(ticks >= zoo_steps(), "the timer ticked %d times", ticks);
}

/* Watches of a directory and of files, and what happened that nobody has read yet. */
void zoo_inotify(void)
{
    MUST(mkdir("watched", 0755));
    zoo_write_file("file", "");
    int fd = (int)MUST(inotify_init1(IN_NONBLOCK));
    int directory = (int)MUST(inotify_add_watch(fd, "watched", IN_CREATE | IN_DELETE)), file = (int)MUST(inotify_add_watch(fd, "file", IN_MODIFY));
    char name[32];
    for (int i = 0; zoo_step(); i++) {
        snprintf(name, sizeof name, "watched/f%d", i);
        zoo_write_file(name, "x");
        int open_file = (int)MUST(open("file", O_WRONLY | O_APPEND));
        MUST(dprintf(open_file, "%d", i));
        MUST(close(open_file));
        union {
            struct inotify_event event;
            char text[4096];
        } got;
        ssize_t n = MUST(read(fd, got.text, sizeof got.text)), at = 0;
        CHECK(got.event.wd == directory && got.event.mask == IN_CREATE && strcmp(got.event.name, name + 8) == 0,
            "the first event is of watch %d: %#x %s", got.event.wd, got.event.mask, got.event.name);
        at += (ssize_t)(sizeof got.event + got.event.len);
        memmove(&got, got.text + at, (size_t)(n - at));
        CHECK(n > at && got.event.wd == file && got.event.mask == IN_MODIFY, "the second event is of watch %d: %#x", got.event.wd, got.event.mask);
        at += (ssize_t)(sizeof got.event + got.event.len);
        CHECK(at == n, "%zd bytes of events too many", n - at);
        if (zoo_damaged())
            MUST(inotify_rm_watch(fd, file));
    }
}

/* Blocked signals that are read as bytes: some are waiting, with their values. */
void zoo_signalfd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigaddset(&set, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = (int)MUST(signalfd(-1, &set, SFD_NONBLOCK));
    for (int i = 0; i < 10; i++)
        MUST(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}));
    for (int i = 0; zoo_step(); i++) {
        struct signalfd_siginfo got;
        CHECK(read(fd, &got, sizeof got) == sizeof got, "no signal is waiting");
        CHECK((int)got.ssi_signo == SIGRTMIN + 3 && got.ssi_int == i, "signal %u with %d is waiting", got.ssi_signo, got.ssi_int);
        CHECK(got.ssi_pid == (uint32_t)getpid() && got.ssi_code == SI_QUEUE, "the signal comes from %u", got.ssi_pid);
        MUST(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i + 10}));
        if (zoo_damaged())
            MUST(read(fd, &got, sizeof got));
    }
}
