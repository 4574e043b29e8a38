/*
 * look checkable ROOT-PID [--own-network] [--reconnects] [CAPTURED-PATH…]: prints what the checkability report has, a line a finding:
 *   SEVERITY KIND PID OTHERS SENTENCE, and "outside own|other PATH" for files open for writing outside.
 */
#include "base/clock.h"
#include "engine/checkable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_outside(const char *whose, const struct command_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        printf("outside %s %s\n", whose, list->items[i]);
}

static int look_checkable(int argc, char **argv)
{
    struct checkable_world world = { .owner = getuid() };
    struct error err;
    pid_t root = (pid_t)strtol(argv[0], NULL, 10);
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        world.own_network |= strcmp(argv[at], "--own-network") == 0;
        world.reconnects |= strcmp(argv[at], "--reconnects") == 0;
    }
    world.captured = (const char *const *)argv + at;
    struct checkable_finding *findings = NULL;
    size_t count = 0;
    int64_t before = clock_boot_us();
    if (checkable_scan(root, &world, &findings, &count, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int64_t took = clock_boot_us() - before;
    for (size_t i = 0; i < count; i++)
        printf("%s %s %d %d %s\n", findings[i].severity == CHECKABLE_BLOCKS ? "blocks" : "changes", checkable_kind_name(findings[i].kind),
               (int)findings[i].pid, findings[i].others, findings[i].sentence);
    auto_command_list struct command_list own = { 0 };
    auto_command_list struct command_list others = { 0 };
    if (checkable_outside(root, &world, &own, &others, &err) < 0)
        return 1;
    print_outside("own", &own);
    print_outside("other", &others);
    fprintf(stderr, "took %" PRId64 " us\n", took);
    free(findings);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "checkable") == 0)
        return look_checkable(argc - 2, argv + 2);
    fprintf(stderr, "usage: look checkable PID …\n");
    return 2;
}
