/* Feeds every file of a directory to a fuzz target: what the fuzzer once found stays found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    static uint8_t block[16 << 20];
    size_t n = fread(block, 1, sizeof block, f);
    fclose(f);
    uint8_t *copy = malloc(n ? n : 1); /* of the exact size, so that the sanitizer sees a read past the end */
    memcpy(copy, block, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

int main(int argc, char **argv)
{
    int files = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 1;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        replay_file(path);
        files++;
    }
    closedir(dir);
    printf("%d files replayed\n", files);
    return files == 0;
}
