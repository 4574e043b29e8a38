/* Takes memory, a MiB after the other, up to so many, and touches all of it. Then it says so and ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    long mebibytes = argc > 1 ? atol(argv[1]) : 16;
    for (long i = 0; i < mebibytes; i++) {
        char *block = malloc(1 << 20);
        if (!block)
            return 2;
        memset(block, 1 + (int)(i & 63), 1 << 20);
    }
    puts("got it all");
    return 0;
}
