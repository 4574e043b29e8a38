/*
 * A program that judges itself. It works in steps, each of which appends to a file, to standard output and to a sum; every few
 * steps it saves its state and ends with the code that means a checkpoint. Started again it looks whether everything is as it
 * was when it saved: its arguments and directory, the length and the content of its files, of its standard output, and the
 * sum. It says PASS at the end and exits with 0; or FAIL, why, and exits with 1.
 *
 *   steps STEPS EVERY CODE [PAUSE_MS]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct state {
    long step;
    unsigned long sum;
    long file_bytes, out_bytes;
    char arguments[256];
};

static void fail(const char *what, long expected, long found)
{
    printf("FAIL %s: expected %ld, found %ld\n", what, expected, found);
    fflush(stdout);
    _exit(1);
}

static unsigned long mix(unsigned long sum, long step)
{
    return (sum ^ (unsigned long)step) * 1099511628211UL + 17;
}

static long size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (long)st.st_size : -1;
}

static void join(int argc, char **argv, char *out, size_t size)
{
    out[0] = '\0';
    for (int i = 0; i < argc; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s|", argv[i]);
}

/* Lines "step N" from 0 on, as many as there should be. */
static void check_file(FILE *file, long steps)
{
    char line[64];
    long n = 0, found;
    rewind(file);
    for (; fgets(line, sizeof line, file); n++)
        if (sscanf(line, "step %ld", &found) != 1 || found != n)
            fail("a line of the file", n, found);
    if (n != steps)
        fail("lines in the file", steps, n);
}

static void restore(struct state *state, FILE *work, const char *arguments)
{
    FILE *file = fopen("steps.state", "r");
    if (!file)
        return;
    if (fread(state, sizeof *state, 1, file) != 1)
        fail("the state's size", (long)sizeof *state, size_of(fileno(file)));
    fclose(file);
    if (strcmp(state->arguments, arguments) != 0)
        fail("the same arguments", 0, 1);
    if (size_of(fileno(work)) != state->file_bytes)
        fail("bytes in the file", state->file_bytes, size_of(fileno(work)));
    if (size_of(STDOUT_FILENO) != state->out_bytes)
        fail("bytes of standard output", state->out_bytes, size_of(STDOUT_FILENO));
    check_file(work, state->step);
    unsigned long sum = 0;
    for (long i = 0; i < state->step; i++)
        sum = mix(sum, i);
    if (sum != state->sum)
        fail("the sum", (long)sum, (long)state->sum);
}

static void save(struct state *state, FILE *work, int code)
{
    fflush(work);
    fflush(stdout);
    state->file_bytes = size_of(fileno(work));
    state->out_bytes = size_of(STDOUT_FILENO);
    FILE *file = fopen("steps.state.new", "w");
    if (!file || fwrite(state, sizeof *state, 1, file) != 1 || fclose(file) != 0 || rename("steps.state.new", "steps.state") != 0)
        fail("saving", 0, 1);
    exit(code);
}

int main(int argc, char **argv)
{
    struct state state = { 0 };
    char arguments[256];
    if (argc < 4)
        return 2;
    long steps = atol(argv[1]), every = atol(argv[2]), pause_ms = argc > 4 ? atol(argv[4]) : 1;
    FILE *work = fopen("steps.work", "a+");
    if (!work)
        fail("opening the file", 0, 1);
    join(argc, argv, arguments, sizeof arguments);
    restore(&state, work, arguments);
    strcpy(state.arguments, arguments);
    for (long begun = state.step; state.step < steps;) {
        if (state.step > begun && state.step % every == 0)
            save(&state, work, atoi(argv[3]));
        fprintf(work, "step %ld\n", state.step);
        printf("%ld\n", state.step);
        state.sum = mix(state.sum, state.step++);
        usleep((useconds_t)pause_ms * 1000);
    }
    fflush(work);
    check_file(work, steps);
    puts("PASS");
    return 0;
}
