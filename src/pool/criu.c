/* Where the criu bundle is that tools/criu makes. It may be made while the pool runs, so every grant looks. */
#include "base/mem.h"
#include "pool/pool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beside the runner when installed; in a build tree (build/TYPE/src/runner) in build. */
static const char *const places[] = { "criu", "../../../criu" };

char *criu_find(const struct pool *p)
{
    const char *named = p->config.criu_dir[0] ? p->config.criu_dir : getenv("STINT_CRIU");
    if (named && *named)
        return mem_dup(named);
    const char *slash = p->runner_path ? strrchr(p->runner_path, '/') : NULL;
    if (!slash)
        return NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        auto_free char *dir = mem_printf("%.*s/%s", (int)(slash - p->runner_path), p->runner_path, places[i]);
        auto_free char *program = mem_printf("%s/criu", dir);
        if (access(program, X_OK) == 0)
            return realpath(dir, NULL);
    }
    return NULL;
}
