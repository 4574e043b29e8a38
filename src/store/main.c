/*
 * stint-store: what takes long between a store and its remote one, as a program, so that neither the pool nor a runner has
 * libcurl in its memory.
 *
 *   stint-store push STOREDIR [all]           all that is not safe yet; prints "safe JOB GENERATION" for each that became so, with
 *                                             "all" for those that were so before as well
 *   stint-store pull STOREDIR JOB GENERATION  one that is missing or damaged here; 0 = the newest; prints "got GENERATION"
 *
 * Exit status 0: done; 1: not all of it, stderr says why; 2: wrong use; 3: there is nothing to pull, or no remote store.
 */
#include "store/transport.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, NOTHING = 3 };

struct push {
    struct store *store;
    struct remote *remote;
    bool all;
    bool failed;
};

static void tell(void *data, const char *job, int generation)
{
    (void)data;
    printf("safe %s %d\n", job, generation);
    fflush(stdout);
}

/* One job's trouble is not another's. */
static void push_job(void *data, const char *job)
{
    struct push *p = data;
    struct error err;
    if (transport_push(p->store, p->remote, job, p->all, tell, NULL, &err) == 0)
        return;
    fprintf(stderr, "stint-store: %s\n", err.text);
    p->failed = true;
}

static int forget(void *data, const char *name, struct error *err)
{
    struct push *p = data;
    if (transport_forget(p->remote, name, err) == 0)
        return 0;
    fprintf(stderr, "stint-store: %s\n", err->text);
    p->failed = true;
    return -1;
}

static int push(struct store *store, struct remote *remote, bool all)
{
    struct push p = { .store = store, .remote = remote, .all = all };
    struct error err = { 0 };
    if (transport_each_gone(store, forget, &p, &err) < 0 || store_each_job(store, push_job, &p, &err) < 0) {
        if (!p.failed)
            fprintf(stderr, "stint-store: %s\n", err.text);
        return FAILED;
    }
    return p.failed ? FAILED : DONE;
}

static int pull(struct store *store, struct remote *remote, const char *job, int generation)
{
    struct error err;
    int got = 0;
    int r = transport_pull(store, remote, job, generation, &got, &err);
    if (r < 0)
        fprintf(stderr, "stint-store: %s\n", err.text);
    if (r == 0)
        printf("got %d\n", got);
    return r < 0 ? FAILED : r == STORE_ABSENT ? NOTHING : DONE;
}

int main(int argc, char **argv)
{
    struct store *store = NULL;
    struct remote *remote = NULL;
    struct error err = { 0 };
    bool pushes = (argc == 3 || (argc == 4 && strcmp(argv[3], "all") == 0)) && strcmp(argv[1], "push") == 0, pulls = argc == 5 && strcmp(argv[1], "pull") == 0;
    if (!pushes && !pulls) {
        fprintf(stderr, "usage: stint-store push STOREDIR [all] | pull STOREDIR JOB GENERATION\nThe pool and its runners start it.\n");
        return USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    int r = transport_connect(argv[2], &remote, &err);
    if (r == 0)
        r = store_open(argv[2], &store, &err);
    if (r < 0)
        fprintf(stderr, "stint-store: %s\n", err.text);
    int status = r < 0 ? FAILED : r == STORE_ABSENT ? NOTHING : pushes ? push(store, remote, argc == 4) : pull(store, remote, argv[3], (int)strtol(argv[4], NULL, 10));
    store_close(store);
    remote_close(remote);
    return status;
}
