/* A small world outside submit files: files, commands, an environment, the day. */
#pragma once

#include "job/submit.h"

#include <string.h>

static const struct world_text {
    const char *name, *text;
} world_files[] = {
    { "list.txt", "1, 2\n 3 4\n\n5,6 7\n# 8,9\n" },
    { "names.txt", "alpha\nbeta\ngamma\ndelta\n" },
    { "empty.txt", "\n" },
    { "samples.txt", "s1\ns2\n" },
    { "defaults.sub", "request_cpus = 2\n" },
    { "external.dat", "3, 1, 10\n2, 8, 4\n" },
    { "units.txt", "a b\x1f" "c,d\x1f" "e\n" },
    { "other.sub", "output = other.out\nX = 1\n" },
    { "outer.sub", "include : other.sub\nerror = $(X).err\n" },
    { "queue.sub", "X = 2\nqueue $(X)\n" },
    { "bad.sub", "output = o\nerror = $(X\n" },
    { "worse.sub", "output = o\nnonsense here\n" },
    { "open.sub", "if true\noutput = o\n" },
    { "strange.sub", "outptu = o\n" },
    { "self.sub", "include : self.sub\n" },
    { "twice.sub", "include : twice.sub\ninclude : twice.sub\n" },
    { "bytes.txt", "good\nb\xff" "d\n" },
}, world_commands[] = {
    { "seq 7 9", "7\n8\n9\n" },
    { "./list-inputs.sh", "transfer_input_files = one.dat, two.dat\n" },
    { "./list-infiles.sh", "transfer_input_files = infiles/A.dat, infiles/B.dat, infiles/C.dat\n" },
}, world_variables[] = {
    { "HOME", "/home/alice" },
    { "EMPTY", "" },
};
static const char *const world_names[] = {
    "data/", "data/a.in", "data/b.in", "ending.dat", "initial.dat", "middle.dat", "old.dat/", "samplerun/A.dat", "samplerun/B.dat",
};

static const char *world_text(const struct world_text *texts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i].name, name) == 0)
            return texts[i].text;
    return NULL;
}

static int world_read(void *context, const char *path, struct buf *out, struct error *err)
{
    const char *text = world_text(world_files, sizeof world_files / sizeof world_files[0], path);
    (void)context;
    (void)err;
    if (!text)
        return SUBMIT_ABSENT;
    buf_text(out, text);
    return 0;
}

static int world_run(void *context, const char *command, struct buf *out, struct error *err)
{
    const char *text = world_text(world_commands, sizeof world_commands / sizeof world_commands[0], command);
    (void)context;
    if (!text)
        return error_set(err, ERR_CHILD, "'%s' failed", command);
    buf_text(out, text);
    return 0;
}

static int world_match(void *context, const char *pattern, enum submit_match kind, struct buf *out, struct error *err)
{
    const char *slash = strrchr(pattern, '/');
    size_t dir = slash ? (size_t)(slash - pattern) + 1 : 0;
    (void)context;
    (void)err;
    for (size_t i = 0; i < sizeof world_names / sizeof world_names[0]; i++) {
        char name[64] = "";
        size_t len = strlen(world_names[i]);
        bool is_dir = world_names[i][len - 1] == '/';
        if (len <= dir || strncmp(world_names[i], pattern, dir) != 0 || (kind == SUBMIT_MATCH_FILES && is_dir) ||
            (kind == SUBMIT_MATCH_DIRS && !is_dir))
            continue;
        memcpy(name, world_names[i], len - is_dir);
        if (!strchr(name + dir, '/') && submit_matches(pattern + dir, name + dir))
            buf_add(out, name, strlen(name) + 1);
    }
    return 0;
}

static const char *world_variable(void *context, const char *name)
{
    (void)context;
    return world_text(world_variables, sizeof world_variables / sizeof world_variables[0], name);
}

static const struct submit_outside world = { .read = world_read, .run = world_run, .match = world_match, .variable = world_variable };
static const struct submit_macro world_macros[] = {
    { "ARCH", "X86_64" }, { "OPSYS", "LINUX" }, { "IsLinux", "true" }, { "IsWindows", "false" },
    { "SUBMIT_FILE", "/home/alice/toy.sub" }, { "SUBMIT_TIME", "1767225600" }, { "YEAR", "2026" }, { "MONTH", "01" }, { "DAY", "01" },
    { NULL, NULL },
};
