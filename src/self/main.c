/*
 * stint-self: libstint for scripts. What became of the request is a word on standard output; the exit status says only whether
 * it was served, so that `set -e` does not end a script that was resumed.
 */
#include "lib/stint.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_NO_JOB = 3, STATUS_TIMEOUT = 124 };

static const char usage_text[] = "usage: stint-self checkpoint [--timeout SECONDS]\n"
                                 "       stint-self hold SECONDS | release\n"
                                 "       stint-self progress FRACTION [TEXT]\n"
                                 "       stint-self remaining | status\n"
                                 "Within a job of stint, asks its runner. See stint-self(1).\n";

static int usage(void)
{
    fputs(usage_text, stderr);
    return STATUS_USAGE;
}

static int failed(void)
{
    int number = errno;
    fprintf(stderr, "stint-self: %s\n", stint_error());
    return number == ENOENT ? STATUS_NO_JOB : number == ETIMEDOUT ? STATUS_TIMEOUT : number == EINVAL ? STATUS_USAGE : STATUS_FAILED;
}

static bool parse_int(const char *text, int *out)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end || errno || n < 0 || n > INT_MAX)
        return false;
    *out = (int)n;
    return true;
}

static int checkpoint(char **args, int count)
{
    int timeout = 0, generation;
    if (count != 0 && (count != 2 || strcmp(args[0], "--timeout") != 0 || !parse_int(args[1], &timeout)))
        return usage();
    int outcome = stint_checkpoint(timeout, &generation);
    if (outcome < 0)
        return failed();
    if (outcome == STINT_ASKED)
        puts("asked");
    else
        printf("%s %d\n", outcome == STINT_TAKEN ? "taken" : "restored", generation);
    return STATUS_DONE;
}

static int hold(char **args, int count)
{
    int seconds;
    if (count != 1 || !parse_int(args[0], &seconds))
        return usage();
    int held = stint_hold(seconds);
    if (held < 0)
        return failed();
    printf("held %d\n", held);
    return STATUS_DONE;
}

static int release(char **args, int count)
{
    (void)args;
    if (count != 0)
        return usage();
    int result = stint_release();
    if (result < 0)
        return failed();
    puts(result == STINT_EXPIRED ? "expired" : "released");
    return STATUS_DONE;
}

/* "0.5" or "50%". */
static int progress(char **args, int count)
{
    char *end;
    if (count < 1 || count > 2)
        return usage();
    double fraction = strtod(args[0], &end);
    if (end == args[0] || (*end && strcmp(end, "%") != 0))
        return usage();
    if (*end)
        fraction /= 100;
    return stint_progress(fraction, count == 2 ? args[1] : NULL) < 0 ? failed() : STATUS_DONE;
}

static int remaining(char **args, int count)
{
    double seconds;
    (void)args;
    if (count != 0)
        return usage();
    int result = stint_remaining(&seconds);
    if (result < 0)
        return failed();
    if (result == 0)
        puts("none");
    else
        printf("%.3f\n", seconds);
    return STATUS_DONE;
}

static int status(char **args, int count)
{
    struct stint_status s;
    (void)args;
    if (count != 0)
        return usage();
    if (stint_status(&s, sizeof s) < 0)
        return failed();
    printf("resumed_from=%d\nstint=%d\n", s.resumed_from, s.stint);
    if (s.since_checkpoint >= 0)
        printf("since_checkpoint=%.3f\n", s.since_checkpoint);
    else
        puts("since_checkpoint=");
    return STATUS_DONE;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(char **args, int count);
    } verbs[] = {
        { "checkpoint", checkpoint }, { "hold", hold },           { "release", release },
        { "progress", progress },     { "remaining", remaining }, { "status", status },
    };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage_text, stdout);
        return STATUS_DONE;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("stint-self " STINT_VERSION);
        return STATUS_DONE;
    }
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].name) == 0) {
            int result = verbs[i].run(argv + 2, argc - 2);
            if (fflush(stdout) != 0 || ferror(stdout)) {
                perror("stint-self: standard output");
                return STATUS_FAILED;
            }
            return result;
        }
    return usage();
}
