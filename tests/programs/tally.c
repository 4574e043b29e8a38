/*
 * A self-judging job: counts, and tells a trace outside its sandbox what it does, so that what happened can be judged
 * afterwards. Usage: tally COUNT STEP_MS TRACE-DIR [GATE]
 *
 * It prints 0 … COUNT-1 to standard output, one number each STEP_MS. At SIGUSR2 it writes the next number to `state`
 * and ends with exit code 17: a checkpoint. It does not print the last number before the file GATE is there. TRACE-DIR gets, for each job (STINT_JOB), a trace of whole lines
 *
 *   start I PID STINT    it begins at I     tick I    it printed I
 *   saved I              it leaves a state  done      it ends      double    another copy is alive
 *
 * and a file that is locked as long as it lives: two copies at once can not both have it. A tick is traced before it is
 * printed. With TALLY_STUBBORN in its environment it does not obey any signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { CHECKPOINT_TAKEN = 17, BROKEN = 99 };

static int trace = -1;

static void tell(const char *what, long i)
{
    char line[128];
    const char *stint = getenv("STINT_NUMBER");
    int n = strcmp(what, "start") == 0
        ? snprintf(line, sizeof line, "start %ld %d %s\n", i, (int)getpid(), stint ? stint : "?")
        : snprintf(line, sizeof line, "%s %ld\n", what, i);
    if (write(trace, line, (size_t)n) != n)
        _exit(BROKEN);
}

static int open_in(const char *dir, const char *suffix)
{
    char path[4096];
    const char *job = getenv("STINT_JOB");
    snprintf(path, sizeof path, "%s/%s.%s", dir, job ? job : "none", suffix);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        _exit(BROKEN);
    return fd;
}

static long read_state(void)
{
    long i = 0;
    FILE *f = fopen("state", "r");
    if (f && fscanf(f, "%ld", &i) != 1)
        _exit(BROKEN);
    if (f)
        fclose(f);
    return i;
}

static void save(long i)
{
    FILE *f = fopen("state.new", "w");
    if (!f || fprintf(f, "%ld\n", i) < 0 || fclose(f) != 0 || rename("state.new", "state") != 0)
        _exit(BROKEN);
    tell("saved", i);
    _exit(CHECKPOINT_TAKEN);
}

static void print_number(long i)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", i);
    tell("tick", i);
    if (write(STDOUT_FILENO, text, (size_t)n) != n)
        _exit(BROKEN);
}

static void block(bool all, sigset_t *wanted)
{
    sigset_t set;
    sigemptyset(wanted);
    if (!all)
        sigaddset(wanted, SIGUSR2);
    all ? sigfillset(&set) : sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
    sigset_t wanted;
    if (argc < 4 || argc > 5)
        return BROKEN;
    long count = strtol(argv[1], NULL, 10), step_ms = strtol(argv[2], NULL, 10);
    struct timespec step = { step_ms / 1000, step_ms % 1000 * 1000000 };
    block(getenv("TALLY_STUBBORN") != NULL, &wanted);
    trace = open_in(argv[3], "trace");
    if (flock(open_in(argv[3], "alive"), LOCK_EX | LOCK_NB) < 0)
        tell("double", 0);
    long i = read_state();
    tell("start", i);
    for (; i < count; i++) {
        while (i == count - 1 && argc == 5 && access(argv[4], F_OK) < 0)
            if (sigtimedwait(&wanted, NULL, &step) == SIGUSR2)
                save(i);
        print_number(i);
        if (sigtimedwait(&wanted, NULL, &step) == SIGUSR2)
            save(i + 1);
    }
    tell("done", i);
    return 0;
}
