/* What the report says of processes that have this or that: children of the test. What CRIU says of the same is compared in
 * tests/integration/checkable.bats. */
#include "engine/checkable.h"
#include "base/clock.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    struct checkable_world world;
    const char *captured[3];
    pid_t child; /* below this process, which is the root */
    struct checkable_finding *findings;
    size_t count;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    f->captured[0] = f->scratch.path;
    f->world = (struct checkable_world){ .owner = getuid(), .captured = f->captured };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->child > 0) {
        kill(f->child, SIGKILL);
        waitpid(f->child, NULL, 0);
    }
    scratch_close(&f->scratch);
    free(f->findings);
    free(f);
    return 0;
}

/* Starts a child that makes something and waits; false when this machine does not have it. */
static bool start(struct fixture *f, int (*make)(struct fixture *))
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    f->child = fork();
    if (f->child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid(); /* as the root of a job does */
        int null = open("/dev/null", O_RDWR);
        for (int i = 0; i < 3; i++)
            dup2(null, i); /* where this test's output goes is no finding */
        syscall(SYS_close_range, 3, ready[1] - 1, 0);
        syscall(SYS_close_range, ready[1] + 1, ~0U, 0);
        byte = make(f) < 0 ? 'n' : 'y';
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        close(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return byte == 'y';
}

static void scan(struct fixture *f)
{
    free(f->findings);
    f->findings = NULL;
    assert_int_equal(checkable_scan(getpid(), &f->world, &f->findings, &f->count, &f->err), 0);
}

static const struct checkable_finding *finding(const struct fixture *f, enum checkable_kind kind)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->findings[i].kind == kind)
            return &f->findings[i];
    return NULL;
}

/* Starts the child, and expects exactly this finding. */
static const struct checkable_finding *expect(struct fixture *f, int (*make)(struct fixture *), enum checkable_kind kind)
{
    if (!start(f, make))
        skip();
    scan(f);
    assert_int_equal(f->count, 1);
    const struct checkable_finding *found = finding(f, kind);
    assert_non_null(found);
    assert_int_equal(found->pid, f->child);
    assert_non_null(strstr(found->sentence, found->command));
    return found;
}

static int make_nothing(struct fixture *f)
{
    (void)f;
    return 0;
}

static void a_plain_process_has_no_problem(void **state)
{
    struct fixture *f = *state;
    assert_true(start(f, make_nothing));
    scan(f);
    assert_int_equal(f->count, 0);
    assert_null(f->findings);
}

static int make_io_uring(struct fixture *f)
{
    char params[120] = { 0 };
    (void)f;
    return (int)syscall(425, 4, params);
}

static void io_uring_blocks(void **state)
{
    const struct checkable_finding *found = expect(*state, make_io_uring, CHECKABLE_IO_URING);
    assert_int_equal(found->severity, CHECKABLE_BLOCKS);
    assert_non_null(strstr(found->sentence, "uses io_uring"));
}

static int map_and_remove(struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/gone", f->scratch.path);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (ftruncate(fd, 4096) < 0 || mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
        return -1;
    close(fd);
    return unlink(path);
}

static void a_removed_mapped_file_blocks(void **state)
{
    const struct checkable_finding *found = expect(*state, map_and_remove, CHECKABLE_DELETED_MAP);
    assert_non_null(strstr(found->detail, "/gone"));
}

static int map_a_file_that_is_called_deleted(struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/odd (deleted)", f->scratch.path);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    return ftruncate(fd, 4096) < 0 || mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

static void a_file_whose_name_ends_in_deleted_is_not_taken_for_removed(void **state)
{
    struct fixture *f = *state;
    assert_true(start(f, map_a_file_that_is_called_deleted));
    scan(f);
    assert_int_equal(f->count, 0);
}

static int open_removed(struct fixture *f)
{
    char path[128], block[4096] = { 1 };
    snprintf(path, sizeof path, "%s/large", f->scratch.path);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 16; i++)
        if (write(fd, block, sizeof block) != sizeof block)
            return -1;
    return unlink(path);
}

static void a_removed_open_file_blocks_above_the_limit_only(void **state)
{
    struct fixture *f = *state;
    f->world.ghost_bytes = 65536 / 2;
    expect(f, open_removed, CHECKABLE_DELETED_LARGE);
    f->world.ghost_bytes = 1 << 20;
    scan(f);
    assert_int_equal(f->count, 0);
}

static int connect_outside(struct fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/listener", f->scratch.path);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static int listen_in_scratch(struct fixture *f)
{
    return file_listen(f->scratch.fd, "listener", 0600, &f->err);
}

/* Accepted or not: the listener is not in the tree either way. */
static void a_unix_socket_to_the_outside_blocks(void **state)
{
    struct fixture *f = *state;
    auto_close int listener = listen_in_scratch(f);
    expect(f, connect_outside, CHECKABLE_UNIX_OUTSIDE);
    auto_close int accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    scan(f);
    const struct checkable_finding *found = finding(f, CHECKABLE_UNIX_OUTSIDE);
    assert_non_null(found);
    assert_non_null(strstr(found->detail, "listener"));
}

static int make_pairs(struct fixture *f)
{
    int pair[2], half[2];
    (void)f;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, half) < 0)
        return -1;
    return close(half[0]);
}

static void socket_pairs_within_the_tree_are_fine(void **state)
{
    struct fixture *f = *state;
    assert_true(start(f, make_pairs));
    scan(f);
    assert_int_equal(f->count, 0);
}

static int listen_and_unlink(struct fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", f->scratch.path);
    return bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0 ? -1 : unlink(address.sun_path);
}

static void a_unix_socket_without_its_file_blocks(void **state)
{
    expect(*state, listen_and_unlink, CHECKABLE_UNIX_NAME);
}

static int write_outside(struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/out", f->scratch.path);
    return open(path, O_WRONLY | O_CREAT, 0600);
}

static void own_files_outside_are_listed_and_no_problem(void **state)
{
    struct fixture *f = *state;
    auto_command_list struct command_list own = { 0 };
    auto_command_list struct command_list others = { 0 };
    f->captured[0] = "/nowhere";
    assert_true(start(f, write_outside));
    scan(f);
    assert_int_equal(f->count, 0);
    assert_int_equal(checkable_outside(getpid(), &f->world, &own, &others, &f->err), 0);
    assert_int_equal(own.count, 1);
    assert_non_null(strstr(own.items[0], "/out"));
    assert_int_equal(others.count, 0);
}

static void others_files_outside_are_named(void **state)
{
    struct fixture *f = *state;
    auto_command_list struct command_list own = { 0 };
    auto_command_list struct command_list others = { 0 };
    f->captured[0] = "/nowhere";
    f->world.owner = getuid() + 1;
    assert_true(start(f, write_outside));
    scan(f);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->findings[0].severity, CHECKABLE_CHANGES);
    assert_non_null(strstr(f->findings[0].sentence, "/out'"));
    assert_int_equal(checkable_outside(getpid(), &f->world, &own, &others, &f->err), 0);
    assert_int_equal(own.count, 0);
    assert_int_equal(others.count, 1);
}

static void what_is_captured_is_not_outside(void **state)
{
    struct fixture *f = *state;
    auto_command_list struct command_list own = { 0 };
    assert_true(start(f, write_outside));
    assert_int_equal(checkable_outside(getpid(), &f->world, &own, NULL, &f->err), 0);
    assert_int_equal(own.count, 0);
}

static int make_many(struct fixture *f)
{
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (make_io_uring(f) < 0)
                _exit(1);
            for (;;)
                pause();
        }
    usleep(100000);
    return make_io_uring(f);
}

static void the_same_of_many_processes_is_one_finding(void **state)
{
    struct fixture *f = *state;
    const struct checkable_finding *found = expect(f, make_many, CHECKABLE_IO_URING);
    assert_int_equal(found->others, 20);
    assert_non_null(strstr(found->sentence, "(and 20 more like it)"));
}

static int name_it_wildly(struct fixture *f)
{
    (void)f;
    prctl(PR_SET_NAME, "a\033[2Jb\nSeccomp:");
    return make_io_uring(f);
}

static void what_a_process_calls_itself_cannot_do_harm(void **state)
{
    const struct checkable_finding *found = expect(*state, name_it_wildly, CHECKABLE_IO_URING);
    assert_null(strchr(found->sentence, '\033'));
    assert_null(strchr(found->sentence, '\n'));
}

static void a_root_that_is_not_there_is_an_error(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(checkable_scan(INT32_MAX, &f->world, &f->findings, &f->count, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_plain_process_has_no_problem),
        TEST(io_uring_blocks),
        TEST(a_removed_mapped_file_blocks),
        TEST(a_file_whose_name_ends_in_deleted_is_not_taken_for_removed),
        TEST(a_removed_open_file_blocks_above_the_limit_only),
        TEST(a_unix_socket_to_the_outside_blocks),
        TEST(socket_pairs_within_the_tree_are_fine),
        TEST(a_unix_socket_without_its_file_blocks),
        TEST(own_files_outside_are_listed_and_no_problem),
        TEST(others_files_outside_are_named),
        TEST(what_is_captured_is_not_outside),
        TEST(the_same_of_many_processes_is_one_finding),
        TEST(what_a_process_calls_itself_cannot_do_harm),
        TEST(a_root_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
