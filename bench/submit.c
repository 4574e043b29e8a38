/*
 * Parses a submit file of a usual size (8 commands, 4 of which use the item) that makes one job for each item of a list:
 *
 *   bench-submit ITEMS       prints the seconds that it took, and the bytes of memory that all the jobs take afterwards
 */
#include "base/clock.h"
#include "job/submit.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file[] = "executable = /usr/bin/simulate\n"
                           "arguments = --input $(Item) --seed $(Process)\n"
                           "transfer_input_files = data/$(Item)\n"
                           "output = out/$Fn(Item).out\n"
                           "error = out/$Fn(Item).err\n"
                           "log = simulate.log\n"
                           "request_cpus = 1\n"
                           "request_memory = 2 GB\n"
                           "queue from items.txt\n";

static int read_items(void *context, const char *path, struct buf *out, struct error *err)
{
    const struct buf *items = context;
    (void)path;
    (void)err;
    buf_add(out, items->data, items->len);
    return 0;
}

int main(int argc, char **argv)
{
    auto_buf struct buf items = { 0 };
    struct submit submit = { 0 };
    struct error err = { 0 };
    long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (count < 1) {
        fprintf(stderr, "usage: bench-submit ITEMS\n");
        return 2;
    }
    for (long i = 0; i < count; i++)
        buf_printf(&items, "sample-%06ld.dat\n", i);
    struct submit_outside outside = { .context = &items, .read = read_items };
    struct submit_options options = { .file = "bench.sub", .cwd = "/home/bench", .cluster = 1, .outside = &outside };
    size_t before = mallinfo2().uordblks;
    int64_t start_us = clock_boot_us();
    if (submit_parse(file, strlen(file), &options, &submit, &err) < 0) {
        fprintf(stderr, "bench-submit: %s\n", err.text);
        return 1;
    }
    int64_t took_us = clock_boot_us() - start_us;
    if (submit.proc_count != (size_t)count)
        return 1;
    printf("%.6f %zu\n", (double)took_us / 1e6, mallinfo2().uordblks - before);
    submit_release(&submit);
    return 0;
}
