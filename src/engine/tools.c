#include "engine/tools.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In a build tree the program is in build/TYPE/src/runner, and CRIU in build. */
static const char *const places[] = { "criu", "../../../criu" };

char *tools_find(const char *program)
{
    const char *named = getenv("STINT_CRIU"), *slash = program ? strrchr(program, '/') : NULL;
    if (named && *named)
        return mem_dup(named);
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        auto_free char *dir = mem_printf("%.*s/%s", (int)(slash - program), program, places[i]);
        auto_free char *criu = mem_printf("%s/criu", dir);
        if (access(criu, X_OK) == 0)
            return realpath(dir, NULL);
    }
    return NULL;
}
