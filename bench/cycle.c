/*
 * A program that saves its own state, for measuring what a checkpoint costs: cycle SIZE CHECKPOINTS STAMPS
 *
 * Its state is a file of SIZE bytes in its directory, every page of it new each time. It writes the state and ends with code 85,
 * CHECKPOINTS times; then it waits to be killed. To the file STAMPS, outside of the sandbox, it appends when (CLOCK_BOOTTIME, in
 * microseconds) it was started, with the number of the state it found, and when it ended. A state that is not whole is a failure:
 * code 1.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHECKPOINT_CODE = 85, BLOCK = 1 << 20 };

static void stamp(const char *path, const char *what, int64_t number)
{
    struct timespec now;
    char line[80];
    clock_gettime(CLOCK_BOOTTIME, &now);
    int len = snprintf(line, sizeof line, "%s %" PRId64 " %" PRId64 "\n", what, number,
                       (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        exit(2);
    close(fd);
}

/* Its number stands at both ends. */
static int64_t read_state(int64_t size)
{
    int64_t first = 0, last = 0;
    struct stat st;
    int fd = open("state", O_RDONLY);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) < 0 || st.st_size != size || pread(fd, &first, sizeof first, 0) != sizeof first ||
        pread(fd, &last, sizeof last, size - (int64_t)sizeof last) != sizeof last || first != last)
        exit(1);
    close(fd);
    return first;
}

/* Nothing that could be compressed, nothing that was there before. */
static void fill(uint64_t *words, size_t count, uint64_t *seed)
{
    for (size_t i = 0; i < count; i++) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        words[i] = *seed;
    }
}

static void write_state(int64_t size, int64_t number)
{
    static uint64_t block[BLOCK / sizeof(uint64_t)];
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(number + 1) ^ (uint64_t)getpid();
    int fd = open("state.new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        exit(2);
    for (int64_t at = 0; at < size; at += BLOCK) {
        fill(block, BLOCK / sizeof block[0], &seed);
        if (at == 0)
            memcpy(block, &number, sizeof number);
        if (at + BLOCK >= size)
            memcpy(&block[BLOCK / sizeof block[0] - 1], &number, sizeof number);
        if (write(fd, block, BLOCK) != BLOCK)
            exit(2);
    }
    close(fd);
    if (rename("state.new", "state") < 0)
        exit(2);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int64_t size = strtoll(argv[1], NULL, 10); /* whole MiB */
    int64_t checkpoints = strtoll(argv[2], NULL, 10);
    int64_t number = read_state(size);
    stamp(argv[3], "start", number);
    while (number >= checkpoints)
        pause();
    write_state(size, number + 1);
    stamp(argv[3], "end", number + 1);
    _exit(CHECKPOINT_CODE);
}
