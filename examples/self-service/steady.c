/*
 * Adds up numbers for a while, and uses what its runner offers:
 *   - progress is shown by `stint q` and `stint show`
 *   - the two files that must agree are written while checkpoints are held off
 *   - after each tenth it asks for a checkpoint, and is told whether it goes on or was resumed
 * Outside stint it does the same work and asks nobody.
 *
 *   cc steady.c $(pkg-config --cflags --libs stint) -o steady
 */
#include <stint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int write_number(const char *name, long number)
{
    FILE *f = fopen(name, "w");
    if (!f)
        return -1;
    fprintf(f, "%ld\n", number);
    return fclose(f);
}

/* The sum and how far it goes: a checkpoint between the two would bring back a pair that never was. */
static void write_both(long i, long sum)
{
    int held = stint_hold(10) > 0;
    if (write_number("upto", i) != 0 || write_number("sum", sum) != 0)
        perror("cannot write");
    if (held && stint_release() == STINT_EXPIRED)
        fprintf(stderr, "writing took too long: there may be a checkpoint in it\n");
}

static void take_checkpoint(void)
{
    int generation;
    switch (stint_checkpoint(0, &generation)) {
    case STINT_TAKEN:
        printf("checkpoint %d is taken, going on\n", generation);
        break;
    case STINT_RESTORED:
        printf("resumed from checkpoint %d\n", generation);
        break;
    case STINT_ASKED:
        printf("asked to checkpoint itself\n"); /* its submit file names a signal, which this program would have to handle */
        break;
    default:
        printf("no checkpoint: %s\n", stint_error());
    }
}

int main(int argc, char **argv)
{
    long last = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, sum = 0;
    struct stint_status status;
    double left;
    if (stint_status(&status, sizeof status) == 0)
        printf("this is stint %d\n", status.stint);
    else if (errno == ENOENT)
        printf("this is no stint\n");
    for (long i = 1; i <= last; i++) {
        sum += i;
        usleep(1000);
        if (i * 10 % last != 0)
            continue;
        char text[64];
        snprintf(text, sizeof text, "%ld of %ld", i, last);
        stint_progress((double)i / (double)last, text);
        write_both(i, sum);
        if (stint_remaining(&left) == 1)
            printf("it has to leave in %.0f s\n", left);
        take_checkpoint();
        fflush(stdout);
    }
    printf("the sum is %ld\n", sum);
    return 0;
}
