/*
 * The remote object layer by hand. Usage: remote-tool [OPTION]… PLACE COMMAND
 *   put NAME FILE | get NAME FILE | has NAME (prints the size) | list [PREFIX] ("SIZE NAME", sorted by nothing) | remove NAME
 *   -e ENDPOINT  -c CREDENTIALS  -r REGION  -t TRIES  -p BYTES (of a part; larger files go up in parts)  -l NAMES (of a page)
 * Exit status: 0 done, 1 absent, 2 failed.
 */
#include "base/file.h"
#include "store/remote.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool print_name(void *data, const char *name, int64_t size)
{
    (void)data;
    printf("%" PRId64 " %s\n", size, name);
    return true;
}

static int put(struct remote *remote, const char *name, const char *path, struct error *err)
{
    struct stat st;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open '%s'", path);
    return remote_put(remote, name, fd, st.st_size, NULL, err);
}

static int get(struct remote *remote, const char *name, const char *path, struct error *err)
{
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot open '%s'", path);
    return remote_get(remote, name, fd, INT64_MAX, NULL, err);
}

static int has(struct remote *remote, const char *name, struct error *err)
{
    int64_t size = 0;
    int r = remote_has(remote, name, &size, err);
    if (r == 0)
        printf("%" PRId64 "\n", size);
    return r;
}

static int run(struct remote *remote, int argc, char **argv, struct error *err)
{
    const char *command = argc > 0 ? argv[0] : "";
    if (strcmp(command, "put") == 0 && argc == 3)
        return put(remote, argv[1], argv[2], err);
    if (strcmp(command, "get") == 0 && argc == 3)
        return get(remote, argv[1], argv[2], err);
    if (strcmp(command, "has") == 0 && argc == 2)
        return has(remote, argv[1], err);
    if (strcmp(command, "list") == 0 && argc <= 2)
        return remote_list(remote, argc == 2 ? argv[1] : "", print_name, NULL, err);
    if (strcmp(command, "remove") == 0 && argc == 2)
        return remote_remove(remote, argv[1], err);
    return error_set(err, ERR_INVALID, "expected put, get, has, list or remove");
}

static bool take_option(struct remote_options *options, int option)
{
    switch (option) {
    case 'e':
        options->endpoint = optarg;
        return true;
    case 'c':
        options->credentials = optarg;
        return true;
    case 'r':
        options->region = optarg;
        return true;
    case 't':
        options->tries = (int)strtol(optarg, NULL, 10);
        return true;
    case 'l':
        options->list_max = (int)strtol(optarg, NULL, 10);
        return true;
    case 'p':
        options->part_bytes = options->single_max_bytes = strtoll(optarg, NULL, 10);
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct remote_options options = { .backoff_us = 10000 };
    struct remote *remote = NULL;
    struct error err = { 0 };
    for (int option; (option = getopt(argc, argv, "+e:c:r:t:p:l:")) != -1;)
        if (!take_option(&options, option))
            return 2;
    options.place = optind < argc ? argv[optind++] : "";
    int r = remote_open(&options, &remote, &err);
    if (r == 0)
        r = run(remote, argc - optind, argv + optind, &err);
    if (r < 0)
        fprintf(stderr, "remote-tool: %s\n", err.text);
    remote_close(remote);
    return r < 0 ? 2 : r;
}
