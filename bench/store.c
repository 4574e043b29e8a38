/*
 * The store by itself, for measuring: what runners and the pool call, in a process of its own; and data to measure it with.
 *
 *   store make FILE MIB field|random SEED    numbers of a smooth field with noise (they shrink to about a half), or noise alone
 *   store touch FILE PERCENT SEED            changes some bytes in so many of its pages, scattered evenly at random
 *   store commit STORE JOB GENERATION DIR [pause]
 *                                            captures all of DIR and commits it; with "pause" as for a job that waits
 *   store restore STORE JOB GENERATION DIR
 *   store verify STORE JOB GENERATION
 *
 * The last three print a line of JSON: seconds, bytes, and kilobytes of memory at the peak.
 */
#include "base/file.h"
#include "base/mem.h"
#include "store/store.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* ---- data ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void fill(void *data, bool field, int64_t block, uint64_t *seed)
{
    uint64_t *words = data;
    double *numbers = data;
    for (size_t i = 0; i < MIB / sizeof *words; i++) {
        uint64_t noise = next_random(seed);
        double x = (double)block * (MIB / 8) + (double)i;
        if (field)
            numbers[i] = floor(1e4 * (sin(x * 1e-4) + 1e-3 * (double)(noise % 100))) / 1e4;
        else
            words[i] = noise;
    }
}

static int make(const char *path, int64_t mib, bool field, uint64_t seed, struct error *err)
{
    auto_free void *data = mem_zero(1, MIB);
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_sys(err, "cannot create '%s'", path);
    seed = seed * 2654435761u + 1;
    for (int64_t i = 0; i < mib; i++) {
        fill(data, field, i, &seed);
        if (file_write_all(fd, data, MIB, err) < 0)
            return -1;
    }
    return 0;
}

static int touch(const char *path, double percent, uint64_t seed, struct error *err)
{
    struct stat st;
    auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open '%s'", path);
    seed = seed * 2654435761u + 1;
    for (int64_t page = 0; page < st.st_size / 4096; page++) {
        uint64_t word = next_random(&seed);
        if ((double)(word % 1000000) >= percent * 10000)
            continue;
        if (pwrite(fd, &word, sizeof word, page * 4096 + 64) != sizeof word)
            return error_sys(err, "cannot write '%s'", path);
    }
    return 0;
}

/* ---- the store ---- */

static int commit(struct store *store, char **argv, bool pause, struct error *err)
{
    auto_close int dir = open(argv[5], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct store_tree tree = { "work", dir };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = {
        .job = argv[3], .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = !pause,
    };
    struct store_capture *capture = NULL;
    int generation = (int)strtol(argv[4], NULL, 10);
    struct manifest m = { .generation = generation, .parent = generation - 1, .created_us = 1, .kind = "checkpoint" };
    if (dir < 0)
        return error_sys(err, "cannot open '%s'", argv[5]);
    double begun = now();
    int r = store_capture(store, &request, &capture, err);
    double captured = now();
    if (r == 0)
        r = store_commit(capture, &m, err);
    double committed = now();
    store_capture_free(capture);
    if (r == 0)
        printf("{\"capture\": %.6f, \"seconds\": %.6f, \"bytes\": %lld, \"added\": %lld, \"peak_kb\": %ld}\n", captured - begun,
               committed - begun, (long long)m.bytes, (long long)m.new_bytes, peak_kb());
    manifest_release(&m);
    return r;
}

static int read_back(struct store *store, char **argv, bool restore, struct error *err)
{
    struct manifest m = { 0 };
    int r = store_manifest(store, argv[3], (int)strtol(argv[4], NULL, 10), &m, err);
    if (r != 0)
        return r < 0 ? -1 : error_set(err, ERR_INVALID, "there is no such checkpoint");
    auto_close int dir = restore ? open(argv[5], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct store_tree tree = { "work", dir };
    double begun = now();
    r = restore ? store_extract(store, NULL, &m, &tree, 1, NULL, err) : store_verify(store, &m, NULL, err);
    printf("{\"seconds\": %.6f, \"bytes\": %lld, \"peak_kb\": %ld}\n", now() - begun, (long long)m.bytes, peak_kb());
    manifest_release(&m);
    return r;
}

static int with_store(char **argv, bool more, struct error *err)
{
    struct store *store = NULL;
    if (store_open(argv[2], &store, err) < 0)
        return -1;
    int r = strcmp(argv[1], "commit") == 0 ? commit(store, argv, more, err)
                                           : read_back(store, argv, strcmp(argv[1], "restore") == 0, err);
    store_close(store);
    return r == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct error err = { 0 };
    const char *what = argc > 4 ? argv[1] : "";
    int r = -2;
    if (strcmp(what, "make") == 0 && argc == 6)
        r = make(argv[2], strtoll(argv[3], NULL, 10), strcmp(argv[4], "field") == 0, strtoull(argv[5], NULL, 10), &err);
    else if (strcmp(what, "touch") == 0)
        r = touch(argv[2], strtod(argv[3], NULL), strtoull(argv[4], NULL, 10), &err);
    else if (strcmp(what, "verify") == 0 || (argc > 5 && (strcmp(what, "commit") == 0 || strcmp(what, "restore") == 0)))
        r = with_store(argv, argc > 6, &err);
    if (r == -2)
        fprintf(stderr, "usage: see the beginning of bench/store.c\n");
    else if (r < 0)
        fprintf(stderr, "store: %s\n", err.text);
    return r == 0 ? 0 : r == -2 ? 2 : 1;
}
