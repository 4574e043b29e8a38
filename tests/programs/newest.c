/*
 * Judges a checkpoint store after a fault. Usage: newest STORE-DIR JOB
 * Every generation that has a manifest must verify: it was committed. Prints the number of the newest, 0 when there is none.
 */
#include "base/mem.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

static int check(struct store *store, const char *job, int generation, struct error *err)
{
    struct manifest manifest = { 0 };
    int result = store_manifest(store, job, generation, &manifest, err);
    if (result == 0)
        result = store_verify(store, &manifest, NULL, err);
    manifest_release(&manifest);
    return result;
}

int main(int argc, char **argv)
{
    struct store *store = NULL;
    struct error err = { 0 };
    int *generations = NULL;
    size_t count = 0;
    if (argc != 3)
        return 2;
    int result = store_open(argv[1], &store, &err);
    if (result == 0)
        result = store_list(store, argv[2], &generations, &count, &err);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = check(store, argv[2], generations[i], &err);
    if (result != 0)
        fprintf(stderr, "job %s: %s\n", argv[2], err.text);
    else
        printf("%d\n", count > 0 ? generations[count - 1] : 0);
    free(generations);
    store_close(store);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
