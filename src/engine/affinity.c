/* An entry is the thread's number in its namespace and its processors as hexadecimal digits, the lowest four first. */
#include "engine/affinity.h"

#include "base/buf.h"
#include "context/context.h"
#include "context/tree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char list[] = "Affinity";

enum { CPUS = 1024 };

/* As the kernel has it: a bit for each processor. */
struct cpus {
    unsigned char bits[CPUS / 8];
};

static bool has(const struct cpus *set, int cpu)
{
    return set->bits[cpu / 8] >> cpu % 8 & 1;
}

static int get(pid_t thread, struct cpus *set)
{
    memset(set, 0, sizeof *set);
    return syscall(SYS_sched_getaffinity, thread, sizeof set->bits, set->bits) < 0 ? -1 : 0;
}

struct walk {
    void (*fn)(struct walk *walk, pid_t thread);
    struct cpus all;
    struct ad *noted;
    const struct ad *state;
};

static void each_thread(void *data, pid_t pid)
{
    struct walk *w = data;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            w->fn(w, (pid_t)strtol(e->d_name, NULL, 10));
    if (d)
        closedir(d);
}

static void note(struct walk *w, pid_t thread)
{
    struct cpus set;
    int inner;
    if (get(thread, &set) < 0 || memcmp(&set, &w->all, sizeof set) == 0 || (inner = context_inner_pid(thread)) <= 0)
        return;
    auto_buf struct buf entry = { 0 };
    int last = CPUS - 1;
    while (last > 0 && !has(&set, last))
        last--;
    buf_printf(&entry, "%d ", inner);
    for (int cpu = 0; cpu <= last; cpu += 4) {
        unsigned digit = 0;
        for (int bit = 0; bit < 4; bit++)
            digit |= has(&set, cpu + bit) ? 1u << bit : 0;
        buf_printf(&entry, "%x", digit);
    }
    ad_append_string(w->noted, list, buf_cstr(&entry));
}

void affinity_note(pid_t first, struct ad *state)
{
    struct walk w = { .fn = note, .noted = state };
    ad_make_list(state, list);
    if (get(first, &w.all) == 0)
        tree_each(first, each_thread, &w);
}

static void give(struct walk *w, pid_t thread)
{
    int inner = context_inner_pid(thread);
    for (size_t i = 0; i < ad_list_count(w->state, list); i++) {
        const char *entry = ad_list_string(w->state, list, i);
        char *digits;
        if (!entry || strtol(entry, &digits, 10) != inner)
            continue;
        struct cpus set = { 0 };
        digits += strspn(digits, " ");
        for (int cpu = 0; digits[cpu / 4] && cpu < CPUS; cpu++) {
            const char one[2] = { digits[cpu / 4], 0 };
            if (strtoul(one, NULL, 16) >> cpu % 4 & 1)
                set.bits[cpu / 8] |= (unsigned char)(1u << cpu % 8);
        }
        syscall(SYS_sched_setaffinity, thread, sizeof set.bits, set.bits);
    }
}

void affinity_give(pid_t first, const struct ad *state)
{
    struct walk w = { .fn = give, .state = state };
    if (ad_list_count(state, list) > 0)
        tree_each(first, each_thread, &w);
}
