/* Threads, and what they and processes keep each other in step with. */
#include "zoo.h"

#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static void *shared_memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED, "mmap");
    return at;
}

/* A thousand threads. Each has a name and variables of its own and waits for its turn. */
enum { THREADS = 1000 };
static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static long turn, answers;
static bool over;
static _Thread_local long own_number, own_turns;

static void *take_turns(void *argument)
{
    char name[16], is[16];
    own_number = (intptr_t)argument;
    snprintf(name, sizeof name, "zoo %ld", own_number);
    MUST(prctl(PR_SET_NAME, name));
    pid_t id = gettid();
    pthread_mutex_lock(&turn_lock);
    for (long seen = 0;; seen = turn) {
        while (turn == seen && !over)
            pthread_cond_wait(&turn_changed, &turn_lock);
        if (over)
            break;
        own_turns++;
        CHECK(own_number == (intptr_t)argument && own_turns == turn, "thread %ld has %ld turns of %ld", own_number, own_turns, turn);
        MUST(prctl(PR_GET_NAME, is));
        CHECK(strcmp(is, name) == 0 && gettid() == id, "thread '%s' is '%s'", name, is);
        answers++;
    }
    pthread_mutex_unlock(&turn_lock);
    return argument;
}

void zoo_threads(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], &small, take_turns, (void *)(intptr_t)i) == 0, "thread %ld cannot be made", i);
    for (int i = 0; zoo_step(); i++) {
        if (i % 10 == 0) {
            pthread_mutex_lock(&turn_lock);
            answers = 0;
            turn++;
            pthread_cond_broadcast(&turn_changed);
            pthread_mutex_unlock(&turn_lock);
        }
        if (i % 10 == 9) {
            long got = 0;
            for (int patience = 0; patience < 2000 && got != THREADS; patience++) {
                pthread_mutex_lock(&turn_lock);
                got = answers;
                pthread_mutex_unlock(&turn_lock);
                if (got != THREADS)
                    zoo_rest_ms(10);
            }
            CHECK(got == THREADS, "of %d threads %ld live", THREADS, got);
        }
        if (zoo_damaged())
            turn++;
    }
    pthread_mutex_lock(&turn_lock);
    over = true;
    pthread_cond_broadcast(&turn_changed);
    pthread_mutex_unlock(&turn_lock);
    for (long i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0 && (intptr_t)result == i, "thread %ld", i);
    }
}

/* A mutex between processes: two add to one number, under it, without a pause. */
struct counted {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_barrier_t barrier;
    long turn, sum[2];
    volatile long total;
    volatile bool over;
};

static struct counted *counted_new(void)
{
    struct counted *c = shared_memory(sizeof *c);
    pthread_mutexattr_t m;
    pthread_condattr_t v;
    pthread_barrierattr_t b;
    pthread_mutexattr_init(&m);
    pthread_condattr_init(&v);
    pthread_barrierattr_init(&b);
    pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&v, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&c->lock, &m);
    pthread_cond_init(&c->changed, &v);
    pthread_barrier_init(&c->barrier, &b, 3);
    return c;
}

static void add_on(struct counted *c, int who)
{
    while (!c->over) {
        pthread_mutex_lock(&c->lock);
        long before = c->total;
        for (int i = 0; i < 100; i++)
            c->total = c->total + 1;
        CHECK(c->total == before + 100, "two have the mutex");
        c->sum[who] += 100;
        pthread_mutex_unlock(&c->lock);
        zoo_rest_ms(1);
    }
    _exit(0);
}

void zoo_mutex_shared(void)
{
    struct counted *c = counted_new();
    pid_t children[2];
    for (int i = 0; i < 2; i++)
        if ((children[i] = zoo_fork()) == 0)
            add_on(c, i);
    long before = -1;
    while (zoo_step()) {
        for (int patience = 0; patience < 1000 && c->total == before; patience++)
            zoo_rest_ms(5);
        CHECK(c->total != before, "nobody gets the mutex");
        pthread_mutex_lock(&c->lock);
        CHECK(c->total == c->sum[0] + c->sum[1], "%ld is not %ld + %ld", c->total, c->sum[0], c->sum[1]);
        before = c->total;
        if (zoo_damaged())
            c->total++;
        pthread_mutex_unlock(&c->lock);
    }
    c->over = true;
    zoo_expect_exit(children[0], 0);
    zoo_expect_exit(children[1], 0);
}

/* A condition between processes: they take turns. */
void zoo_condition(void)
{
    struct counted *c = counted_new();
    pid_t child = zoo_fork();
    if (child == 0) {
        pthread_mutex_lock(&c->lock);
        while (!c->over) {
            while (c->turn % 2 == 0 && !c->over)
                pthread_cond_wait(&c->changed, &c->lock);
            c->turn++;
            pthread_cond_broadcast(&c->changed);
        }
        _exit(0);
    }
    for (long i = 0; zoo_step(); i++) {
        struct timespec until;
        MUST(clock_gettime(CLOCK_REALTIME, &until));
        until.tv_sec += 600; /* the calendar may jump */
        pthread_mutex_lock(&c->lock);
        CHECK(c->turn == 2 * i, "turn %ld instead of %ld", c->turn, 2 * i);
        c->turn++;
        pthread_cond_broadcast(&c->changed);
        while (c->turn % 2 == 1)
            CHECK(pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0, "the child does not take its turn");
        if (zoo_damaged())
            c->turn += 2;
        pthread_mutex_unlock(&c->lock);
    }
    pthread_mutex_lock(&c->lock);
    c->over = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    zoo_expect_exit(child, 0);
}

/* A barrier between three processes, two of which wait for the third. */
void zoo_barrier(void)
{
    struct counted *c = counted_new();
    pid_t children[2];
    for (int i = 0; i < 2; i++)
        if ((children[i] = zoo_fork()) == 0)
            for (;;) {
                pthread_barrier_wait(&c->barrier);
                if (c->over)
                    _exit(0);
                c->sum[i]++;
                pthread_barrier_wait(&c->barrier);
            }
    for (long i = 0; zoo_step(); i++) {
        CHECK(c->sum[0] == i && c->sum[1] == i, "%ld and %ld instead of %ld", c->sum[0], c->sum[1], i);
        pthread_barrier_wait(&c->barrier);
        pthread_barrier_wait(&c->barrier);
        if (zoo_damaged())
            c->sum[0]++;
    }
    c->over = true;
    pthread_barrier_wait(&c->barrier);
    zoo_expect_exit(children[0], 0);
    zoo_expect_exit(children[1], 0);
}

/* Who ends with a robust mutex gives it to the next, who is told; that is known by a list that the kernel has of each thread. */
void zoo_futex_robust(void)
{
    struct counted *c = shared_memory(sizeof *c);
    pthread_mutexattr_t robust;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&c->lock, &robust);
    pid_t child = zoo_fork();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&c->lock) == 0, "the child does not get the mutex");
        c->turn = 1;
        for (;;)
            pause();
    }
    while (c->turn != 1)
        zoo_rest_ms(1);
    while (zoo_step()) {
        CHECK(pthread_mutex_trylock(&c->lock) == EBUSY, "the child has lost its mutex");
        if (zoo_damaged())
            c->lock.__data.__lock = 0;
    }
    MUST(kill(child, SIGKILL));
    struct timespec until;
    MUST(clock_gettime(CLOCK_REALTIME, &until));
    until.tv_sec += 20;
    int result = pthread_mutex_timedlock(&c->lock, &until);
    CHECK(result == EOWNERDEAD, "the mutex of a dead process: %s", strerror(result));
}

/* Registers of the floating point unit: values that are only there, and how it rounds. */
void zoo_fpu(void)
{
    enum { LANES = 8 };
    volatile double start = 1.0;
    double lanes[LANES], same[LANES];
    MUST(fesetround(FE_UPWARD));
    for (int i = 0; i < LANES; i++)
        lanes[i] = same[i] = start + i;
    double up = start / 3;
    while (zoo_step()) {
        for (int round = 0; round < 100000; round++)
            for (int i = 0; i < LANES; i++) {
                lanes[i] = lanes[i] * 1.0000001 + 1e-9;
                same[i] = same[i] * 1.0000001 + 1e-9;
                lanes[i] = lanes[i] > 1e6 ? lanes[i] / 1e6 : lanes[i];
                same[i] = same[i] > 1e6 ? same[i] / 1e6 : same[i];
            }
        for (int i = 0; i < LANES; i++)
            CHECK(memcmp(&lanes[i], &same[i], sizeof same[i]) == 0 && isfinite(lanes[i]), "lane %d is %a and %a", i, lanes[i], same[i]);
        CHECK(fegetround() == FE_UPWARD && start / 3 == up, "it rounds otherwise");
        if (zoo_damaged())
            MUST(fesetround(FE_TONEAREST));
    }
}
