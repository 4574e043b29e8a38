/*
 * A process tree of its own. What the kernel promises and these tests guard: orphans go to the nearest subreaper; a line
 * whose other end died reads end-of-file; a flock lives as long as the last copy of its descriptor.
 */
#include "base/clock.h"
#include "base/file.h"
#include "context/cgroup.h"
#include "context/context.h"
#include "context/tree.h"
#include "scratch.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <cmocka.h>

struct world {
    struct scratch scratch;
    int null, out, lock;
};

static int setup(void **state)
{
    struct world *w = mem_new(struct world);
    scratch_open(&w->scratch);
    w->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    w->out = openat(w->scratch.fd, "out", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    w->lock = openat(w->scratch.fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    *state = w;
    return context_adopt_orphans(NULL);
}

static int teardown(void **state)
{
    struct world *w = *state;
    close(w->null);
    close(w->out);
    file_close(&w->lock);
    scratch_close(&w->scratch);
    free(w);
    return 0;
}

static struct context *start(struct world *w, const char *script)
{
    char *argv[] = { "sh", "-c", (char *)script, NULL }, *envp[] = { "PATH=/usr/bin:/bin", NULL };
    struct context_spec spec = {
        .dir = w->scratch.fd, .program = "/bin/sh", .argv = argv, .envp = envp, .std = { w->null, w->out, w->out },
        .owner = { .uid = geteuid(), .gid = getegid() }, .keep = &w->lock, .keep_count = 1, .cgroup_procs = { -1, -1 },
    };
    struct context *context = NULL;
    struct error err = { 0 };
    if (context_start(&spec, &context, &err) < 0)
        fail_msg("%s", err.text);
    return context;
}

static struct context_exit wait_exit(struct context *context)
{
    struct pollfd p = { .fd = context_fd(context), .events = POLLIN };
    struct context_exit exit;
    assert_int_equal(poll(&p, 1, 20000), 1);
    assert_true(context_next(context, &exit));
    return exit;
}

static void read_out(struct world *w, char *text, size_t size)
{
    ssize_t n = pread(w->out, text, size - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
}

/* Waits until the program has written something. */
static void wait_out(struct world *w, const char *want)
{
    char text[4096];
    for (int i = 0; i < 20000; i++) {
        read_out(w, text, sizeof text);
        if (strstr(text, want))
            return;
        poll(NULL, 0, 1);
    }
    fail_msg("'%s' never came, only '%s'", want, text);
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 10000; i++) {
        if (kill(pid, 0) < 0 && errno == ESRCH)
            return true;
        poll(NULL, 0, 1);
    }
    return false;
}

static void an_exit_code_and_a_signal_are_told_apart(void **state)
{
    struct context *c = start(*state, "exit 17");
    struct context_exit e = wait_exit(c);
    assert_int_equal(e.code, 17);
    assert_int_equal(e.signal, 0);
    context_free(c);
    c = start(*state, "kill -USR1 $$");
    e = wait_exit(c);
    assert_int_equal(e.code, -1);
    assert_int_equal(e.signal, SIGUSR1);
    context_free(c);
}

static void a_program_that_cannot_be_executed_says_why(void **state)
{
    struct world *w = *state;
    char *argv[] = { "x", NULL }, *envp[] = { NULL };
    struct context_spec spec = {
        .dir = w->scratch.fd, .program = "./no-such-program", .argv = argv, .envp = envp, .std = { w->null, w->out, w->out },
        .owner = { .uid = geteuid() }, .cgroup_procs = { -1, -1 },
    };
    struct context *context = NULL;
    struct error err;
    assert_int_equal(context_start(&spec, &context, &err), -1);
    assert_int_equal(err.kind, ERR_CHILD);
    assert_non_null(strstr(err.text, "no-such-program"));
    assert_null(context);
}

static void the_program_has_no_descriptors_but_its_own(void **state)
{
    struct world *w = *state;
    char text[4096];
    struct context *c = start(w, "ls /proc/self/fd | tr '\\n' ' '");
    wait_exit(c);
    context_free(c);
    read_out(w, text, sizeof text);
    assert_string_equal(text, "0 1 2 3 "); /* 3 is ls's own, of the directory that it lists */
}

static void what_the_program_leaves_behind_dies_with_it(void **state)
{
    struct world *w = *state;
    char text[64];
    struct context *c = start(w, "setsid sh -c 'echo $$; exec sleep 1000' & while ! test -s out; do :; done");
    struct context_exit e = wait_exit(c);
    assert_int_equal(e.code, 0);
    context_free(c);
    read_out(w, text, sizeof text);
    pid_t orphan = (pid_t)strtol(text, NULL, 10);
    assert_true(orphan > 1);
    assert_true(kill(orphan, 0) < 0 && errno == ESRCH);
}

static void the_tree_dies_with_its_runner_and_the_lock_is_free_only_then(void **state)
{
    struct world *w = *state;
    char text[64];
    pid_t runner = fork();
    if (runner == 0) {
        close(w->lock);
        w->lock = openat(w->scratch.fd, "lock", O_RDWR | O_CLOEXEC);
        flock(w->lock, LOCK_EX);
        start(w, "setsid sh -c 'echo $$; exec sleep 1000' & exec sleep 1000");
        pause();
    }
    wait_out(w, "\n");
    read_out(w, text, sizeof text);
    int fd = openat(w->scratch.fd, "lock", O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    kill(runner, SIGKILL);
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(is_gone((pid_t)strtol(text, NULL, 10)));
    close(fd);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* the job root, which we adopted */
        ;
}

static void the_death_of_the_job_root_is_noticed_and_its_tree_killed(void **state)
{
    struct world *w = *state;
    char text[64];
    struct context *c = start(w, "echo $PPID $$; exec sleep 1000");
    wait_out(w, "\n");
    read_out(w, text, sizeof text);
    char *end;
    pid_t root = (pid_t)strtol(text, &end, 10), program = (pid_t)strtol(end, NULL, 10);
    kill(root, SIGKILL);
    struct context_exit e = wait_exit(c);
    assert_true(e.lost);
    assert_true(is_gone(program));
    context_free(c);
}

static void a_signal_goes_to_the_program_alone(void **state)
{
    struct world *w = *state;
    char text[256];
    struct context *c = start(w, "trap 'echo parent; exit 3' USR2\n"
                                 "sh -c 'trap \"echo child\" USR2; echo ready; while :; do sleep 0.01; done' &\n"
                                 "while :; do sleep 0.01; done");
    wait_out(w, "ready");
    context_signal(c, SIGUSR2);
    assert_int_equal(wait_exit(c).code, 3);
    context_free(c);
    read_out(w, text, sizeof text);
    assert_non_null(strstr(text, "parent"));
    assert_null(strstr(text, "child"));
}

static void a_signal_is_heeded_once_it_is_handled_or_ignored(void **state)
{
    struct world *w = *state;
    assert_int_equal(mkfifoat(w->scratch.fd, "wait", 0600), 0); /* opening it holds the program before its traps are set */
    struct context *c = start(w, "echo held; read line <wait; trap : USR2; trap '' USR1; echo set; sleep 1000");
    wait_out(w, "held");
    assert_false(context_heeds(c, SIGUSR2));
    assert_false(context_heeds(c, SIGUSR1));
    int fifo = openat(w->scratch.fd, "wait", O_WRONLY);
    assert_int_equal(write(fifo, "\n", 1), 1);
    close(fifo);
    wait_out(w, "set");
    assert_true(context_heeds(c, SIGUSR2));
    assert_true(context_heeds(c, SIGUSR1));
    for (int i = 0; i < 5000 && context_heeds(c, SIGHUP); i++)
        poll(NULL, 0, 1); /* a shell blocks all signals for as long as it forks */
    assert_false(context_heeds(c, SIGHUP));
    context_free(c);
}

/* What "sigwait" makes of this program: one that sleeps in sigwait, where the kernel takes the signal out of its mask. */
static int sleep_in_sigwait(void)
{
    sigset_t set;
    int signal;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigwait(&set, &signal) == 0 && signal == SIGUSR2 ? 17 : 1;
}

static void a_program_that_sleeps_in_sigwait_heeds_its_signal(void **state)
{
    struct world *w = *state;
    char self[512] = { 0 }, script[600];
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(script, sizeof script, "exec '%s' sigwait", self);
    struct context *c = start(w, script);
    for (int streak = 0, i = 0; streak < 10 && i < 1000; i++) { /* it stays so, once it sleeps */
        streak = context_heeds(c, SIGUSR2) ? streak + 1 : 0;
        poll(NULL, 0, 10);
        assert_true(i < 999);
    }
    context_signal(c, SIGUSR2);
    assert_int_equal(wait_exit(c).code, 17);
    context_free(c);
}

static char state_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    char *ok = f ? fgets(text, sizeof text, f) : NULL;
    if (f)
        fclose(f);
    return ok ? strrchr(text, ')')[2] : '?';
}

static void suspension_stops_the_whole_tree_and_continuation_lets_it_go(void **state)
{
    struct world *w = *state;
    char text[64];
    struct context *c = start(w, "sh -c 'echo $$; while :; do :; done' & wait");
    wait_out(w, "\n");
    read_out(w, text, sizeof text);
    pid_t child = (pid_t)strtol(text, NULL, 10);
    context_suspend(c);
    for (int i = 0; i < 10000 && (state_of(child) != 'T' || state_of(context_pid(c)) != 'T'); i++)
        poll(NULL, 0, 1);
    assert_int_equal(state_of(child), 'T');
    assert_int_equal(state_of(context_pid(c)), 'T');
    context_continue(c);
    for (int i = 0; i < 10000 && state_of(child) == 'T'; i++)
        poll(NULL, 0, 1);
    assert_int_not_equal(state_of(child), 'T');
    context_kill(c);
    assert_int_equal(wait_exit(c).signal, SIGKILL);
    context_free(c);
}

static void usage_sums_the_tree(void **state)
{
    struct world *w = *state;
    struct context_usage usage;
    struct context *c = start(w, "sleep 1000 & sleep 1000 & echo ready; wait");
    wait_out(w, "ready");
    context_usage(c, &usage);
    assert_true(usage.processes >= 3);
    assert_true(usage.rss_kb > 0 && usage.image_kb >= usage.rss_kb);
    context_free(c);
}

/* Controllers that are mounted together share a line, and a name may begin another one. */
static void a_controllers_group_is_found_among_those_mounted_with_it(void **state)
{
    static const char text[] = "12:cpuset:/set\n5:cpu,cpuacct:/both\n4:memory:/m/x\n1:name=systemd:/s\n0::/unified\n";
    static const struct { const char *controller, *path, *mount; } cases[] = {
        { "cpu", "/both", "cpu,cpuacct" }, { "cpuacct", "/both", "cpu,cpuacct" }, { "cpuset", "/set", "cpuset" },
        { "memory", "/m/x", "memory" }, { "", "/unified", "" }, { "acct", NULL, NULL }, { "mem", NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *mount = NULL;
        auto_free char *path = cgroup_path_in(text, cases[i].controller, &mount);
        assert_int_equal(path == NULL, cases[i].path == NULL);
        if (path)
            assert_string_equal(path, cases[i].path);
        if (mount)
            assert_string_equal(mount, cases[i].mount);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "sigwait") == 0)
        return sleep_in_sigwait();
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_controllers_group_is_found_among_those_mounted_with_it),
        T(an_exit_code_and_a_signal_are_told_apart),
        T(a_program_that_cannot_be_executed_says_why),
        T(the_program_has_no_descriptors_but_its_own),
        T(what_the_program_leaves_behind_dies_with_it),
        T(the_tree_dies_with_its_runner_and_the_lock_is_free_only_then),
        T(the_death_of_the_job_root_is_noticed_and_its_tree_killed),
        T(a_signal_goes_to_the_program_alone),
        T(a_signal_is_heeded_once_it_is_handled_or_ignored),
        T(a_program_that_sleeps_in_sigwait_heeds_its_signal),
        T(suspension_stops_the_whole_tree_and_continuation_lets_it_go),
        T(usage_sums_the_tree),
    };
    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
