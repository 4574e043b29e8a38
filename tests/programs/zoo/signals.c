/* Signals: who handles them, who blocks them, and which are waiting. */
#include "zoo.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t got[65], depth, value;
static void count(int sig) { got[sig]++; }
static void count_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got[sig]++;
    value = info->si_value.sival_int;
}

/* Handlers with their flags and masks, ignored signals, one that rings only once. */
void zoo_handlers(void)
{
    struct sigaction plain = {.sa_handler = count, .sa_flags = SA_RESTART}, info = {.sa_sigaction = count_info, .sa_flags = SA_SIGINFO | SA_NODEFER},
                     once = {.sa_handler = count, .sa_flags = (int)SA_RESETHAND}, ignored = {.sa_handler = SIG_IGN}, is;
    sigaddset(&plain.sa_mask, SIGUSR2);
    sigaddset(&plain.sa_mask, SIGRTMAX);
    MUST(sigaction(SIGUSR1, &plain, NULL));
    MUST(sigaction(SIGRTMIN + 5, &info, NULL));
    MUST(sigaction(SIGHUP, &once, NULL));
    MUST(sigaction(SIGINT, &ignored, NULL));
    for (int i = 0; zoo_step(); i++) {
        MUST(raise(SIGUSR1));
        MUST(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = i}));
        MUST(raise(SIGINT));
        CHECK(got[SIGUSR1] == i + 1 && got[SIGRTMIN + 5] == i + 1 && value == i, "a handler was not called, or twice");
        MUST(sigaction(SIGUSR1, NULL, &is));
        CHECK(is.sa_handler == count && (is.sa_flags & SA_RESTART) && sigismember(&is.sa_mask, SIGUSR2) == 1 &&
                sigismember(&is.sa_mask, SIGRTMAX) == 1 && sigismember(&is.sa_mask, SIGHUP) == 0, "a handler has changed");
        MUST(sigaction(SIGHUP, NULL, &is));
        CHECK(is.sa_handler == count && (is.sa_flags & (int)SA_RESETHAND), "a handler for once has changed");
        MUST(sigaction(SIGTERM, NULL, &is));
        CHECK(is.sa_handler == SIG_DFL, "a signal has got a handler");
        if (zoo_damaged())
            signal(SIGUSR1, SIG_IGN);
    }
    MUST(raise(SIGHUP));
    MUST(sigaction(SIGHUP, NULL, &is));
    CHECK(got[SIGHUP] == 1 && is.sa_handler == SIG_DFL, "a handler for once is there for ever");
}

/* Ordinary signals that wait: of the process and of one thread; that are not blocked in another thread. */
void zoo_pending(void)
{
    sigset_t set, is;
    sigemptyset(&set);
    for (int sig = SIGHUP; sig < SIGCHLD; sig++)
        if (sig != SIGKILL && sig != SIGTERM)
            sigaddset(&set, sig);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    MUST(kill(getpid(), SIGUSR1));
    MUST(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
    MUST(kill(getpid(), SIGALRM));
    while (zoo_step()) {
        MUST(sigprocmask(SIG_BLOCK, NULL, &is));
        MUST(sigpending(&set));
        for (int sig = 1; sig < 64; sig++) {
            CHECK(sigismember(&is, sig) == (sig < SIGCHLD && sig != SIGKILL && sig != SIGTERM), "signal %d is blocked: %d", sig, sigismember(&is, sig));
            CHECK(sigismember(&set, sig) == (sig == SIGUSR1 || sig == SIGUSR2 || sig == SIGALRM), "signal %d waits: %d", sig, sigismember(&set, sig));
        }
        if (zoo_damaged())
            MUST(sigwaitinfo(&set, NULL));
    }
    siginfo_t info;
    struct timespec now = {0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigtimedwait(&set, &info, &now) == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid(), "who sent the signal is forgotten");
    sigaddset(&set, SIGUSR2);
    CHECK(sigtimedwait(&set, &info, &now) == SIGUSR2 && info.si_pid == getpid(), "who sent the thread's signal is forgotten");
}

/* Realtime signals wait in a queue, with their values. */
void zoo_queued(void)
{
    enum { WAITING = 30 };
    int sig = SIGRTMIN + 1, in = 0, out = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigaddset(&set, SIGRTMIN + 2);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    sigdelset(&set, SIGRTMIN + 2);
    MUST(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_ptr = &set}));
    for (; in < WAITING; in++)
        MUST(sigqueue(getpid(), sig, (union sigval){.sival_int = in}));
    struct timespec now = {0};
    siginfo_t info;
    for (; zoo_step(); out++) {
        CHECK(sigtimedwait(&set, &info, &now) == sig, "the queue is empty");
        CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == out && info.si_pid == getpid(), "signal %d comes instead of %d",
            info.si_value.sival_int, out);
        MUST(sigqueue(getpid(), sig, (union sigval){.sival_int = in++}));
        if (zoo_damaged())
            MUST(sigtimedwait(&set, &info, &now));
    }
    for (; out < in; out++)
        CHECK(sigtimedwait(&set, &info, &now) == sig && info.si_value.sival_int == out, "signal %d does not come", out);
    CHECK(sigtimedwait(&set, &info, &now) < 0, "there is a signal too many");
    sigaddset(&set, SIGRTMIN + 2);
    CHECK(sigtimedwait(&set, &info, &now) == SIGRTMIN + 2 && info.si_value.sival_ptr == &set, "the pointer has changed");
}

static char stack[65536];
static void step_there(int sig)
{
    char here;
    (void)sig;
    CHECK(&here > stack && &here < stack + sizeof stack, "the handler is not on its own stack");
    depth = zoo_step();
}

/* A handler with a stack of its own, within which most of the time goes by. */
void zoo_altstack(void)
{
    struct sigaction act = {.sa_handler = step_there, .sa_flags = SA_ONSTACK};
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack}, is;
    MUST(sigaction(SIGUSR1, &act, NULL));
    MUST(sigaltstack(&own, NULL));
    for (depth = 1; depth;) {
        MUST(raise(SIGUSR1));
        MUST(sigaltstack(NULL, &is));
        CHECK(is.ss_sp == stack && is.ss_size == sizeof stack && is.ss_flags == 0, "the stack for signals has changed");
        if (zoo_damaged())
            MUST(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
    }
}

/* Processes that wait for what comes only at the end. What they wait in must not fail because of a checkpoint. */
static void wait_in(int how, int read_end)
{
    sigset_t set;
    int status;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR2, count);
    zoo_put(read_end + 1000, 'r');
    switch (how) {
    case 0: CHECK(zoo_get(read_end) == 'e', "read"); break;
    case 1: CHECK(sigwait(&set, &status) == 0 && status == SIGUSR1, "sigwait"); break;
    case 2: {
        pid_t child = zoo_fork();
        if (child == 0)
            _exit(zoo_get(read_end) == 'e' ? 7 : 1);
        zoo_expect_exit(child, 7);
        break;
    }
    default:
        sigfillset(&set);
        sigdelset(&set, SIGUSR2);
        CHECK(sigsuspend(&set) < 0 && errno == EINTR && got[SIGUSR2] == 1, "sigsuspend");
    }
    _exit(0);
}

void zoo_blocked(void)
{
    enum { WAYS = 4 };
    static const int wake[WAYS] = {0, SIGUSR1, 0, SIGUSR2};
    int ends[2], ready[2], status;
    pid_t children[WAYS];
    MUST(pipe(ready));
    MUST(pipe(ends));
    for (int i = 0; i < WAYS; i++)
        if ((children[i] = zoo_fork()) == 0) {
            MUST(dup2(ready[1], ends[0] + 1000));
            MUST(close(ends[1]));
            wait_in(i, ends[0]);
        }
    for (int i = 0; i < WAYS; i++)
        zoo_get(ready[0]);
    while (zoo_step()) {
        for (int i = 0; i < WAYS; i++)
            CHECK(waitpid(children[i], &status, WNOHANG) == 0, "what child %d waits in has ended with status %#x", i, (unsigned)status);
        if (zoo_damaged())
            MUST(kill(children[1], SIGUSR1));
    }
    for (int i = 0; i < WAYS; i++) {
        if (wake[i])
            MUST(kill(children[i], wake[i]));
        else
            zoo_put(ends[1], 'e');
    }
    for (int i = 0; i < WAYS; i++)
        zoo_expect_exit(children[i], 0);
}

static pthread_barrier_t meeting;
static void *keep_mask(void *argument)
{
    int own = (int)(intptr_t)argument;
    sigset_t set, is;
    sigemptyset(&set);
    sigaddset(&set, own);
    CHECK(pthread_sigmask(SIG_SETMASK, &set, NULL) == 0, "pthread_sigmask");
    MUST(syscall(SYS_tgkill, getpid(), gettid(), own));
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* here it is while the steps are taken */
    pthread_sigmask(SIG_BLOCK, NULL, &is);
    for (int sig = 1; sig < 64; sig++)
        CHECK(sigismember(&is, sig) == (sig == own), "the thread of signal %d blocks %d: %d", own, sig, sigismember(&is, sig));
    sigpending(&is);
    CHECK(sigismember(&is, own) == 1, "the thread's signal %d does not wait", own);
    int sig;
    CHECK(sigwait(&set, &sig) == 0 && sig == own, "sigwait");
    return NULL;
}

/* Each thread blocks a signal of its own, and has one waiting. */
void zoo_thread_signals(void)
{
    pthread_t threads[8];
    pthread_barrier_init(&meeting, NULL, 9);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, keep_mask, (void *)(intptr_t)(SIGRTMIN + i)) == 0, "pthread_create");
    pthread_barrier_wait(&meeting);
    while (zoo_step())
        if (zoo_damaged())
            MUST(kill(getpid(), SIGRTMIN + 9));
    pthread_barrier_wait(&meeting);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
}
