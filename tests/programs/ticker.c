/*
 * A program that knows nothing of checkpoints and judges whether it is resumed as it was: counts, in memory only. Usage:
 * ticker STEP_MS [MIB]
 *
 * Each STEP_MS it prints the next number to standard output, and appends it to a file in each of: its working directory, /tmp,
 * /dev/shm. Before, it compares each file, its offset in it, and MIB of memory with what it remembers: a difference ends it with
 * exit code 99. It ends when there is a file "gate" in its working directory: with exit code 0, or as the text of that file
 * says, "exit N" or "signal N".
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BROKEN = 99, FILES = 3, PAGE = 4096 };

static const char *const names[FILES] = { "ticks", "/tmp/ticks", "/dev/shm/ticks" };

struct ticker {
    long next;
    off_t length;
    int files[FILES];
    unsigned char *memory;
    size_t pages;
};

static void broken(const char *what, long got, long wanted)
{
    fprintf(stderr, "%s: %ld instead of %ld\n", what, got, wanted);
    exit(BROKEN);
}

static void compare(const struct ticker *t)
{
    struct stat there, named;
    for (int i = 0; i < FILES; i++) {
        if (fstat(t->files[i], &there) < 0 || there.st_size != t->length)
            broken(names[i], (long)there.st_size, (long)t->length);
        if (lseek(t->files[i], 0, SEEK_CUR) != t->length)
            broken("offset", (long)lseek(t->files[i], 0, SEEK_CUR), (long)t->length);
        /* A file that is put back is another one: looked at before and after, once it may differ. */
        for (int times = 0; stat(names[i], &named) < 0 || named.st_ino != there.st_ino; times++)
            if (times == 1 || fstat(t->files[i], &there) < 0)
                broken("inode", (long)named.st_ino, (long)there.st_ino);
    }
    for (size_t i = 0; i < t->pages; i++)
        if (t->memory[i * PAGE] != (unsigned char)(t->next + (long)i))
            broken("page", t->memory[i * PAGE], (long)i);
}

static void tick(struct ticker *t)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", t->next);
    for (int i = 0; i < FILES; i++)
        if (write(t->files[i], text, (size_t)n) != n)
            broken("write", i, 0);
    if (write(STDOUT_FILENO, text, (size_t)n) != n)
        broken("write", 1, 0);
    t->length += n;
    t->next++;
    for (size_t i = 0; i < t->pages; i++)
        t->memory[i * PAGE]++;
}

static void end_as_told(void)
{
    int number = 0;
    char how[16] = "exit";
    FILE *f = fopen("gate", "r");
    if (!f)
        return;
    if (fscanf(f, "%15s %d", how, &number) < 1)
        exit(0);
    if (strcmp(how, "exit") == 0)
        exit(number);
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    raise(number);
}

int main(int argc, char **argv)
{
    struct ticker t = { 0 };
    if (argc < 2)
        return BROKEN;
    long step_ms = strtol(argv[1], NULL, 10);
    struct timespec step = { step_ms / 1000, step_ms % 1000 * 1000000 };
    t.pages = argc > 2 ? (size_t)strtol(argv[2], NULL, 10) << 8 : 1;
    t.memory = malloc(t.pages * PAGE);
    if (!t.memory)
        return BROKEN;
    unsigned seed = 1;
    for (size_t i = 0; i < t.pages * PAGE; i++) /* nothing that compresses away */
        t.memory[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
    for (size_t i = 0; i < t.pages; i++)
        t.memory[i * PAGE] = (unsigned char)i;
    for (int i = 0; i < FILES; i++)
        if ((t.files[i] = open(names[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
            broken(names[i], i, 0);
    for (;;) {
        compare(&t);
        tick(&t);
        end_as_told();
        nanosleep(&step, NULL);
    }
}
