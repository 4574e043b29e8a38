/*
 * A checkpoint that is not in the store, or damaged there, may be in the remote one. A program of its own fetches it: a runner
 * should not have all that speaks HTTP in its memory for something that hardly ever happens.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "runner/runner.h"
#include "runner/tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTHING = 3 }; /* its exit status */

static void run(pid_t parent, const char *program, const char *store, const char *job, int generation, int out)
{
    char number[16];
    snprintf(number, sizeof number, "%d", generation);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl(program, "stint-store", "pull", store, job, number, NULL);
    dprintf(out, "cannot start '%s'\n", program);
    _exit(1);
}

/* What it said last, in a line. */
static int tell_failure(struct buf *said, struct error *err)
{
    while (said->len > 0 && said->data[said->len - 1] == '\n')
        said->data[--said->len] = '\0';
    const char *line = strrchr(buf_cstr(said), '\n');
    return error_set(err, ERR_CHILD, "%s", line ? line + 1 : buf_cstr(said));
}

int pull_checkpoint(struct runner *r, int generation, struct error *err)
{
    int ends[2], status = 0;
    struct error ignored;
    auto_buf struct buf said = { .max = 65536 };
    auto_free char *config = mem_printf("%s.remote", r->store_path);
    auto_free char *program = tool_beside("store", "stint-store");
    if (access(config, R_OK) < 0)
        return PULL_NOTHING;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        run(parent, program, r->store_path, r->id_text, generation, ends[1]);
    close(ends[1]);
    if (pid > 0)
        file_read_fd(ends[0], &said, &ignored);
    close(ends[0]);
    if (pid < 0)
        return error_sys(err, "cannot fork");
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOTHING))
        return WEXITSTATUS(status) == 0 ? 0 : PULL_NOTHING;
    if (said.len == 0)
        return error_set(err, ERR_CHILD, "'%s' died", program);
    return tell_failure(&said, err);
}
