/*
 * Asks its runner all the time, from three threads: for a checkpoint, for its status, and with holds and progress in turn. Whatever is
 * checkpointed, evicted and resumed meanwhile, each request has to be answered once, by what the header promises. Usage: crossing
 * CHECKPOINTS. Ends with 0 when so many were taken (or gone on from), with 1 and a line on standard error at the first that fails.
 */
#include "lib/stint.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_bool over;
static atomic_int calls;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s (%s)\n", what, stint_error(), strerror(errno));
    exit(1);
}

static void *ask_for_status(void *unused)
{
    int last = 0;
    (void)unused;
    while (!over) {
        struct stint_status status;
        if (stint_status(&status, sizeof status) < 0)
            fail("status");
        if (status.stint < last) {
            fprintf(stderr, "the stint was %d, and is %d\n", last, status.stint);
            exit(1);
        }
        last = status.stint;
        calls++;
    }
    return NULL;
}

/* A hold is refused while the job has to leave: that is no failure. */
static void *hold_and_tell(void *unused)
{
    (void)unused;
    for (int i = 0; !over; i++) {
        struct timespec pause = { .tv_nsec = 100000000 };
        if (stint_hold(5) < 0 && errno != EOPNOTSUPP)
            fail("hold");
        if (stint_release() < 0)
            fail("release");
        if (stint_progress(i % 100 / 100.0, "it goes on") < 0)
            fail("progress");
        if (stint_remaining(NULL) < 0)
            fail("remaining");
        calls++;
        nanosleep(&pause, NULL); /* in which a checkpoint may be taken */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    int count = argc > 1 ? atoi(argv[1]) : 10, last = 0;
    if (pthread_create(&threads[0], NULL, ask_for_status, NULL) != 0 || pthread_create(&threads[1], NULL, hold_and_tell, NULL) != 0)
        return 1;
    for (int i = 0; i < count; i++) {
        int generation, outcome = stint_checkpoint(0, &generation);
        if (outcome != STINT_TAKEN && outcome != STINT_RESTORED)
            fail("checkpoint");
        if (generation <= last) {
            fprintf(stderr, "checkpoint %d came after %d\n", generation, last);
            return 1;
        }
        last = generation;
        printf("%d %s\n", i, outcome == STINT_TAKEN ? "taken" : "restored");
        fflush(stdout);
    }
    over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return calls > 0 ? 0 : 1;
}
