#pragma once
/*
 * Programs that must not notice a checkpoint. Each of them sets up a state that a checkpoint has to preserve, works in small
 * steps, and looks at every step whether the state is still what it must be. It prints the number of every step, so that a
 * step that was lost or done twice is seen from outside, and `ok NAME` when all is well. Usage of all: zoo NAME SECONDS
 *
 * With ZOO_DAMAGE in its environment a program does to itself at half time what a bad restore would do: it must then fail.
 * With ZOO_CUT it ends at half time as if it were done, the judge of its output must notice.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { ZOO_STEP_MS = 50 };

/* Ends the step, prints its number and takes a rest. False when the last one is done. For the main process. */
bool zoo_step(void);

/* How many steps there will be in all. */
long zoo_steps(void);

/* True once, at half time, when the program is to damage its state. */
bool zoo_damaged(void);

/* Says what is wrong and ends with 1; in the main process all that it started ends as well. */
_Noreturn void zoo_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition, ...) do { if (!(condition)) zoo_fail(__VA_ARGS__); } while (0)

/* The value of a call that must not fail. */
#define MUST(call) zoo_must((long)(call), #call)
long zoo_must(long result, const char *what);

/* fork. The child ends with its parent. */
pid_t zoo_fork(void);

/* Waits for the end of a child, which must be this exit code. */
void zoo_expect_exit(pid_t pid, int code);

/* Rests, whatever interrupts it. */
void zoo_rest_ms(long ms);

/* A clock's time in nanoseconds. */
int64_t zoo_now_ns(int clock);

/* A file with that content; reading it back. */
void zoo_write_file(const char *path, const char *content);
void zoo_expect_file(const char *path, const char *content);

/* Single bytes through a descriptor: how processes of a program go in step. A get fails at the end of the other. */
void zoo_put(int fd, char byte);
char zoo_get(int fd);

/*
 * Records on their way through a channel: some are always written and not yet read. Each has a number and a pattern that
 * follows from it, so that a record that is lost, doubled, cut or mixed up is noticed when it arrives.
 */
struct flight {
    int in, out;
    size_t bytes;   /* of a record; at most ZOO_RECORD_MAX */
    uint32_t sent, arrived;
};
enum { ZOO_RECORD_MAX = 4096 };
void flight_send(struct flight *f, int records);
void flight_receive(struct flight *f, int records);
/* One in, one out. */
void flight_step(struct flight *f);
/* Everything that was sent has arrived, and there is nothing else. */
void flight_land(struct flight *f);
/* Takes a record away. */
void flight_lose(struct flight *f);

/*
 * The programs. Those in ZOO_REFUSED have what cannot be preserved: a checkpoint of them has to fail, and must say why; it
 * would lose or change something in silence otherwise. They run on.
 */
#define ZOO_KEPT(X) \
    X(append) X(dirs) X(fifo) X(files_tmp) X(links) X(offsets) X(o_tmpfile) X(unlinked) \
    X(lock_flock) X(lock_ofd) X(lock_posix) \
    X(heap) X(map_anon) X(map_private) X(map_shared) X(memfd) X(pages) X(sem_named) X(sem_unlinked) X(shm) X(shm_unlinked) \
    X(epoll) X(eventfd) X(inotify) X(pipes) X(signalfd) \
    X(unix_dgram) X(unix_listen) X(unix_named) X(unix_rights) X(unix_seqpacket) X(unix_stream) \
    X(tcp_listen) X(tcp_stream) X(udp) \
    X(alarm_clock) X(clocks) X(itimer_prof) X(itimer_real) X(itimer_virtual) X(sleep_absolute) X(sleep_relative) X(timer_signal) \
    X(timerfd) \
    X(altstack) X(blocked) X(handlers) X(pending) X(queued) \
    X(daemon_child) X(deep) X(groups) X(polls) X(pty) X(zombies) \
    X(affinity) X(attributes) X(limits) X(names) X(nice_level) \
    X(barrier) X(condition) X(fpu) X(futex_robust) X(mutex_shared) X(threads) X(thread_signals)
#define ZOO_REFUSED(X) \
    X(eventfd_semaphore) X(io_uring) X(map_deleted) X(memfd_mapped) X(message_queue) X(nested) X(orphans) X(pipe_packets) \
    X(seccomp_filter) X(sysv_queue) X(sysv_semaphore) X(sysv_shm) X(unix_backlog) X(zombie_killed)
#define X(name) void zoo_##name(void);
ZOO_KEPT(X)
ZOO_REFUSED(X)
#undef X
