/*
 * stint-pool start DIR: starts a pool in the background and returns when it answers.
 * stint-pool run DIR:   the pool itself, in the foreground.
 *
 * In the background a keeper stands behind the pool: it starts it again when it is killed. The pool itself needs no keeper to
 * lose nothing; the keeper only sees to it that work goes on.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_WAIT_MS = 10000 };

/* `ready` gets one byte when the pool answers, or the error. */
static int run_pool(const char *path, int ready)
{
    struct pool p;
    struct error err = { 0 };
    signal(SIGPIPE, SIG_IGN);
    int result = pool_open(&p, path, &err);
    if (result == 0) {
        log_info("pool of '%s' is ready in '%s'", p.owner.name, p.dir_path);
        if (ready >= 0 && write(ready, "+", 1) < 0)
            log_error("nobody waits for the pool's start");
        file_close(&ready);
        pool_want(&p, true);
        pool_round(&p);
        loop_run(p.loop, pool_round, &p);
    } else if (result == POOL_LOCKED) {
        error_set(&err, ERR_INVALID, "a pool runs in '%s' already", path);
    }
    if (result == POOL_LOCKED && ready >= 0 && pool_answers(&p)) {
        err.text[0] = '+'; /* two submits started a pool at once: there is one, which is what both wanted */
        err.text[1] = '\0';
    } else if (result != 0) {
        log_error("%s", err.text);
    }
    if (result != 0 && ready >= 0 && write(ready, err.text, strlen(err.text)) < 0)
        log_error("nobody waits for the pool's start");
    pool_close(&p);
    return result < 0 ? EXIT_FAILURE : result;
}

static bool is_wanted(const char *path)
{
    auto_free char *name = mem_printf("%s/pool.wanted", path);
    return access(name, F_OK) == 0;
}

/* Starts the pool again when it was killed, more slowly each time it dies young. */
static int keep(const char *path, int ready)
{
    int pause_ms = 100;
    prctl(PR_SET_NAME, "stint-keeper");
    for (;;) {
        int64_t begun = clock_boot_us();
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_NAME, "stint-pool");
            _exit(run_pool(path, ready));
        }
        file_close(&ready);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
            return EXIT_FAILURE;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        log_error("the pool was killed by signal %d; it is started again", WTERMSIG(status));
        if (clock_boot_us() - begun > 10 * CLOCK_SECOND_US)
            pause_ms = 100;
        poll(NULL, 0, pause_ms);
        if (!is_wanted(path))
            return EXIT_SUCCESS; /* somebody started another one in between, and stopped it by hand */
        pause_ms = pause_ms >= 10000 ? 10000 : pause_ms * 2;
        unsetenv("STINT_FAULT"); /* a test's fault strikes once, not its successors */
    }
}

static int to_background(const char *path, struct error *err)
{
    auto_free char *log_path = mem_printf("%s/pool.log", path);
    auto_free char *resolved = NULL;
    auto_close int dir = place_open(path, &resolved, err);
    if (dir < 0)
        return -1;
    auto_close int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log < 0 || null < 0)
        return error_sys(err, "cannot open '%s'", log_path);
    if (setsid() < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || chdir("/") < 0)
        return error_sys(err, "cannot go to the background");
    return 0;
}

static int start(const char *relative)
{
    struct error err = { 0 };
    int ready[2];
    auto_free char *cwd = relative[0] == '/' ? NULL : getcwd(NULL, 0);
    auto_free char *path = cwd ? mem_printf("%s/%s", cwd, relative) : mem_dup(relative);
    if (pipe2(ready, O_CLOEXEC) < 0)
        return EXIT_FAILURE;
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        if (to_background(path, &err) == 0)
            _exit(keep(path, ready[1]));
        if (write(ready[1], err.text, strlen(err.text)) < 0)
            _exit(EXIT_FAILURE);
        _exit(EXIT_FAILURE);
    }
    close(ready[1]);
    char text[sizeof err.text] = { 0 };
    struct pollfd wait = { .fd = ready[0], .events = POLLIN };
    ssize_t n = poll(&wait, 1, START_WAIT_MS) > 0 ? read(ready[0], text, sizeof text - 1) : -1;
    close(ready[0]);
    if (n > 0 && text[0] == '+')
        return EXIT_SUCCESS;
    fprintf(stderr, "stint-pool: %s\n", n > 0 ? text : "the pool did not start; its pool.log may say why");
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (place_is_machine_wide())
        umask(022); /* whoever starts it: its directories are for all users; what is private says so */
    backend_raise_descriptors();
    if (argc == 3 && strcmp(argv[1], "start") == 0)
        return start(argv[2]);
    if (argc == 3 && strcmp(argv[1], "run") == 0)
        return run_pool(argv[2], -1);
    fprintf(stderr, "usage: stint-pool start|run DIR\nIt is started by stint itself; see stint-pool(8).\n");
    return 2;
}
