/* A job's world: what is in it, what is not, and that it is the same when it is made again. */
#include "base/clock.h"
#include "base/file.h"
#include "context/context.h"
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

struct fixture {
    struct scratch scratch;
    struct context_world world;
    int work;
};

static int setup(void **state)
{
    static const char *const dirs[] = { "root", "work", "std", "tmp", "shm", "self", "world", "images" };
    struct fixture *f = mem_new(struct fixture);
    struct error err;
    *f = (struct fixture){ 0 };
    scratch_open(&f->scratch);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        assert_int_equal(mkdirat(f->scratch.fd, dirs[i], 0700), 0);
    scratch_write(&f->scratch, "std/stdout", "", 0);
    scratch_write(&f->scratch, "std/stderr", "", 0);
    auto_close int place = openat(f->scratch.fd, "world", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(context_put_reaper(place, &err), 0);
    f->work = openat(f->scratch.fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->world = (struct context_world){ .dir = f->scratch.fd, .monotonic_us = -1, .boot_us = -1 };
    *state = f;
    return context_adopt_orphans(NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    file_close(&f->work);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

static struct context *start(struct fixture *f, const char *script)
{
    char *argv[] = { "sh", "-c", (char *)script, NULL }, *envp[] = { "PATH=/usr/bin:/bin", "HOME=/tmp", NULL };
    auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct context_spec spec = {
        .dir = f->work, .program = "/bin/sh", .argv = argv, .envp = envp, .std = { null, null, null },
        .owner = { .uid = geteuid(), .gid = getegid() }, .cgroup_procs = { -1, -1 }, .world = &f->world,
    };
    struct context *context = NULL;
    struct error err = { 0 };
    if (context_start(&spec, &context, &err) < 0) {
        if (err.sys == EPERM || err.sys == EACCES || err.sys == ENOSPC) {
            print_message("no namespaces here: %s\n", err.text);
            skip();
        }
        fail_msg("%s", err.text);
    }
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

/* What the script prints, when it ended well. Yours. */
static char *output_of(struct fixture *f, const char *script)
{
    struct error err;
    struct buf text = { .max = 1 << 20 };
    struct context *context = start(f, script);
    struct context_exit exit = wait_exit(context);
    context_free(context);
    assert_int_equal(file_read(f->scratch.fd, "std/stdout", &text, &err), 0);
    if (exit.code != 0) {
        struct buf errors = { .max = 1 << 20 };
        file_read(f->scratch.fd, "std/stderr", &errors, &err);
        fail_msg("exit code %d, signal %d: %s%s", exit.code, exit.signal, buf_cstr(&text), buf_cstr(&errors));
    }
    char *copy = mem_dup(buf_cstr(&text));
    buf_release(&text);
    return copy;
}

static void expect_output(struct fixture *f, const char *script, const char *expected)
{
    auto_free char *text = output_of(f, script);
    assert_string_equal(text, expected);
}

static void the_program_sees_its_fixed_places(void **state)
{
    expect_output(*state, "pwd; echo $$ $PPID; ls -d /stint/*; cat /proc/$PPID/comm; echo x >/tmp/a; cat /var/tmp/a; echo y >/dev/shm/b; cat /dev/shm/b;"
                          "test -c /dev/null && test -d /proc/1 && readlink /proc/self/fd/1",
                  "/stint/work\n1001 1000\n/stint/images\n/stint/self\n/stint/std\n/stint/work\n/stint/world\nstint-reaper\nx\ny\n/stint/std/stdout\n");
}

static void the_program_is_the_user_without_rights(void **state)
{
    struct fixture *f = *state;
    auto_free char *mine = mem_printf("%u\n%u\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n", (unsigned)geteuid(), (unsigned)getegid());
    expect_output(f, "id -u; id -g; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status", mine);
}

static void the_host_can_not_be_written(void **state)
{
    struct fixture *f = *state;
    auto_free char *script = mem_printf("for d in / /usr /etc /home $HOME/.. /var /sys; do ! touch $d/stint-was-here 2>/dev/null || echo $d; done; "
                                        "! mount -t tmpfs x /tmp 2>/dev/null || echo mount; ls /proc | grep -c '^[0-9]' | grep -qE '^[3-9]$' || echo processes");
    expect_output(f, script, "");
}

static void daemons_stay_in_the_tree_and_end_with_it(void **state)
{
    struct fixture *f = *state;
    struct context *context = start(f, "(setsid sh -c 'echo $$ >/stint/work/pid; sleep 100' &) & while ! test -s pid; do sleep 0.01; done;"
                                       "while test $(awk '/^PPid/ {print $2}' /proc/$(cat pid)/status) != 1000; do sleep 0.01; done; exit 7");
    struct context_exit exit = wait_exit(context);
    assert_int_equal(exit.code, 7);
    context_free(context);
}

static void a_signal_is_mirrored(void **state)
{
    struct fixture *f = *state;
    struct context *context = start(f, "kill -s SEGV $$");
    struct context_exit exit = wait_exit(context);
    assert_int_equal(exit.signal, SIGSEGV);
    context_free(context);
    context = start(f, "sleep 100");
    assert_true(context_pid(context) > 0);
    context_signal(context, SIGTERM);
    exit = wait_exit(context);
    assert_int_equal(exit.signal, SIGTERM);
    assert_false(exit.lost);
    context_free(context);
}

static void the_world_dies_with_its_first_process_or_job_root(void **state)
{
    struct fixture *f = *state;
    struct context *context = start(f, "sleep 100");
    pid_t program = context_pid(context);
    kill(context_first(context), SIGKILL);
    struct context_exit exit = wait_exit(context);
    assert_true(exit.lost);
    context_free(context);
    assert_int_equal(kill(program, 0), -1);
}

static void clocks_go_on_from_where_they_are_set(void **state)
{
    struct fixture *f = *state;
    f->world.monotonic_us = f->world.boot_us = INT64_C(5000000000000);
    auto_free char *text = output_of(f, "cut -d. -f1 /proc/uptime");
    assert_true(strncmp(text, "50000", 5) == 0);
}

static void only_the_open_host_is_writable(void **state)
{
    struct fixture *f = *state;
    f->world.open_host = true;
    auto_free char *script = mem_printf("cd %s && echo x >made && cat made", f->scratch.path);
    expect_output(f, script, "x\n");
}

static void a_bind_shows_where_it_is_wanted(void **state)
{
    struct fixture *f = *state;
    scratch_write(&f->scratch, "file", "hello\n", 6);
    auto_free char *from = mem_printf("%s/file", f->scratch.path);
    auto_free char *dir = mem_printf("%s/work", f->scratch.path);
    struct context_bind binds[] = { { from, "/etc/hostname", false }, { dir, "/stint/extra", true } };
    f->world.binds = binds;
    f->world.bind_count = 2;
    expect_output(f, "cat /etc/hostname; echo x >/stint/extra/y; cat y; ! echo z 2>/dev/null >/etc/hostname", "hello\nx\n");
}

static void a_program_is_spawned_into_the_world(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct context *context = start(f, "sleep 100");
    int ends[2];
    char text[256];
    assert_int_equal(pipe(ends), 0);
    const char *argv[] = { "/bin/sh", "-c", "grep CapEff /proc/self/status >&3; readlink /proc/1000/exe >&3; exit 5", NULL };
    const char *envp[] = { "PATH=/usr/bin:/bin", NULL };
    pid_t pid = context_spawn(context, argv, envp, &ends[1], 1, &err);
    close(ends[1]);
    if (pid < 0)
        fail_msg("%s", err.text);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 5);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_non_null(strstr(text, "fffff"));
    assert_non_null(strstr(text, "/stint/world/reaper"));
    close(ends[0]);
    context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_program_sees_its_fixed_places, setup, teardown),
        cmocka_unit_test_setup_teardown(the_program_is_the_user_without_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(the_host_can_not_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(daemons_stay_in_the_tree_and_end_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signal_is_mirrored, setup, teardown),
        cmocka_unit_test_setup_teardown(the_world_dies_with_its_first_process_or_job_root, setup, teardown),
        cmocka_unit_test_setup_teardown(clocks_go_on_from_where_they_are_set, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_open_host_is_writable, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bind_shows_where_it_is_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_program_is_spawned_into_the_world, setup, teardown),
    };
    return cmocka_run_group_tests_name("world", tests, NULL, NULL);
}
