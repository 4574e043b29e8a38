#include "base/mem.h"
#include "cli/api.h"
#include "cli/condor.h"
#include "cli/run.h"
#include "cli/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say_usage(const struct cli_command *command, const char *why)
{
    auto_buf struct buf text = { 0 };
    fprintf(stderr, "stint %s: %s\n", command->name, why);
    cli_print_usage(command, &text);
    fprintf(stderr, "%stry 'stint help %s'\n", buf_cstr(&text), command->name);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    auto_cli_call struct cli_call call = { 0 };
    struct error err = { 0 };
    if (asks_for_help(argc, argv)) {
        auto_buf struct buf text = { 0 };
        cli_print_help(command, &text);
        words_print(&text);
        return CLI_OK;
    }
    int r = cli_parse(argc, argv, command, &call, &err);
    if (r == 0)
        r = command->run(&call, &err);
    if (r == CLI_BAD_USAGE) {
        say_usage(command, err.text);
        return CLI_USAGE;
    }
    if (r < 0) {
        auto_buf struct buf text = { 0 };
        words_safe(&text, err.text); /* it may hold what another user or a job wrote */
        fprintf(stderr, "stint: %s\n", buf_cstr(&text));
        return CLI_FAILURE;
    }
    return r;
}

static int no_sub(const struct cli_command *command, const char *name)
{
    auto_buf struct buf text = { 0 };
    const char *near = name ? cli_near_sub(command, name) : NULL;
    if (name)
        fprintf(stderr, "stint %s: no command '%s'%s%s%s\n", command->name, name, near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "");
    cli_print_help(command, &text);
    fputs(buf_cstr(&text), stderr);
    return CLI_USAGE;
}

/* "stint ckpt ls …" */
static int run_sub(const struct cli_command *command, int argc, char **argv)
{
    const struct cli_command *sub = argc > 0 ? cli_find_sub(command, argv[0]) : NULL;
    if (sub)
        return run_command(sub, argc - 1, argv + 1);
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
        return run_command(command, argc, argv);
    return no_sub(command, argc > 0 ? argv[0] : NULL);
}

static int no_command(const char *name)
{
    const char *near = cli_near_command(name);
    fprintf(stderr, "stint: no command '%s'%s%s%s\ntry 'stint help'\n", name, near ? "; did you mean '" : "", near ? near : "",
            near ? "'?" : "");
    return CLI_USAGE;
}

/* "stint sim …". The program finds this one by $STINT_PROGRAM. */
static int run_program(const struct cli_command *command, char **argv)
{
    char self[4096];
    auto_free char *path = api_find_program(command->program);
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len > 0) {
        self[len] = '\0';
        setenv("STINT_PROGRAM", self, 1);
    }
    fflush(stdout);
    execv(path, argv);
    fprintf(stderr, "stint: cannot run '%s': %s\n", path, strerror(errno));
    return CLI_FAILURE;
}

static int run_words(int argc, char **argv)
{
    if (argc < 2) {
        auto_buf struct buf text = { 0 };
        cli_print_overview(&text);
        fputs(buf_cstr(&text), stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct cli_command *command = cli_find(name);
    if (!command)
        return no_command(name);
    if (command->program && !asks_for_help(argc - 2, argv + 2))
        return run_program(command, argv + 1);
    return (command->subs ? run_sub : run_command)(command, argc - 2, argv + 2);
}

int cli_main(int argc, char **argv)
{
    int status;
    if (!condor_main(argc, argv, &status))
        status = run_words(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "stint: cannot write the output: %s\n", strerror(errno));
        return status == CLI_OK ? CLI_FAILURE : status;
    }
    return status;
}
