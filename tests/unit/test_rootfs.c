/* The cache of root file systems: made once, whole or not at all, removed when long unused and never while in use. */
#include "base/file.h"
#include "base/mem.h"
#include "context/rootfs.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static int open_place(void **state)
{
    struct scratch *place = mem_new(struct scratch);
    scratch_open(place);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct scratch *place = *state;
    scratch_close(place);
    free(place);
    return 0;
}

static bool there(const struct scratch *place, const char *name)
{
    return faccessat(place->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A tree with a file of some KiB. */
static void fill(const struct rootfs_new *made, int kib)
{
    char block[1024];
    memset(block, 'x', sizeof block);
    assert_int_equal(mkdirat(made->dir, "root", 0555), 0);
    assert_int_equal(fchmodat(made->dir, "root", 0755, 0), 0);
    int fd = openat(made->dir, "root/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; i < kib; i++)
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
    close(fd);
}

static void make(const struct scratch *place, const char *key, int kib)
{
    struct rootfs_new made = { 0 };
    struct error err = { 0 };
    assert_int_equal(rootfs_begin(place->fd, key, &made, &err), 0);
    fill(&made, kib);
    if (rootfs_commit(&made, &err) < 0)
        fail_msg("%s", err.text);
    rootfs_drop(&made);
}

static void set_used(const struct scratch *place, const char *key, time_t when)
{
    struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
    auto_free char *name = mem_printf("%s.lock", key);
    assert_int_equal(utimensat(place->fd, name, times, 0), 0);
}

static void a_tree_is_there_when_it_is_whole(void **state)
{
    static const char *const names[] = { "proc", "sys", "dev", "tmp", "var/tmp", "stint", "etc", "run", "file" };
    struct scratch *place = *state;
    struct rootfs_new made = { 0 }, again = { 0 };
    struct error err;
    int lock = -1;
    assert_int_equal(rootfs_hold(place->fd, "k", &lock, &err), ROOTFS_ABSENT);
    assert_int_equal(rootfs_begin(place->fd, "k", &made, &err), 0);
    fill(&made, 1);
    assert_false(there(place, "k"));
    assert_int_equal(rootfs_commit(&made, &err), 0);
    assert_int_equal(rootfs_hold(place->fd, "k", &lock, &err), 0);
    close(lock);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        auto_free char *name = mem_printf("k/root/%s", names[i]);
        if (!there(place, name))
            fail_msg("there is no %s", name);
    }
    assert_int_equal(rootfs_begin(place->fd, "k", &again, &err), ROOTFS_PRESENT);
    rootfs_drop(&made);
    assert_true(there(place, "k"));
}

static void what_is_dropped_leaves_nothing(void **state)
{
    struct scratch *place = *state;
    struct rootfs_new made = { 0 };
    struct error err;
    assert_int_equal(rootfs_begin(place->fd, "k", &made, &err), 0);
    fill(&made, 1);
    rootfs_drop(&made);
    assert_false(there(place, "k"));
    assert_false(there(place, "new.k"));
    assert_false(there(place, "k.lock"));
}

static void links_of_an_image_lead_nowhere_else(void **state)
{
    struct scratch *place = *state;
    struct rootfs_new made = { 0 };
    struct error err;
    assert_int_equal(mkdirat(place->fd, "outside", 0755), 0);
    assert_int_equal(rootfs_begin(place->fd, "k", &made, &err), 0);
    fill(&made, 1);
    auto_free char *outside = mem_printf("%s/outside", place->path);
    assert_int_equal(symlinkat(outside, made.dir, "root/var"), 0);
    assert_int_equal(symlinkat("../../outside", made.dir, "root/tmp"), 0);
    assert_int_equal(rootfs_commit(&made, &err), 0);
    assert_false(there(place, "outside/tmp"));
    rootfs_drop(&made);
}

static void what_a_crash_left_is_made_anew(void **state)
{
    struct scratch *place = *state;
    struct error err;
    pid_t pid = fork();
    if (pid == 0) {
        struct rootfs_new made = { 0 };
        rootfs_begin(place->fd, "k", &made, &err);
        fill(&made, 1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    assert_true(there(place, "new.k"));
    make(place, "k", 2);
    assert_true(there(place, "k"));
    assert_false(there(place, "new.k"));
}

/* Two at once: one makes it, the other waits and finds it. */
static void one_makes_it_and_the_others_wait(void **state)
{
    struct scratch *place = *state;
    int makers[2];
    assert_int_equal(pipe(makers), 0);
    for (int i = 0; i < 8; i++) {
        if (fork() != 0)
            continue;
        struct rootfs_new made = { 0 };
        struct error err;
        int lock = -1, result = rootfs_begin(place->fd, "k", &made, &err);
        if (result == 0) {
            usleep(20000);
            fill(&made, 1);
            result = rootfs_commit(&made, &err);
            if (write(makers[1], "m", 1) != 1)
                _exit(2);
        }
        _exit(result < 0 || rootfs_hold(place->fd, "k", &lock, &err) != 0);
    }
    for (int i = 0, status; i < 8; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    char told[9];
    close(makers[1]);
    assert_int_equal(read(makers[0], told, sizeof told), 1);
    close(makers[0]);
}

static void the_longest_unused_go_first(void **state)
{
    struct scratch *place = *state;
    struct error err;
    int64_t freed = 0;
    make(place, "a", 100);
    make(place, "b", 100);
    make(place, "c", 100);
    set_used(place, "a", 1000);
    set_used(place, "b", 500);
    assert_int_equal(rootfs_sweep(place->fd, INT64_C(1) << 30, &freed, &err), 0);
    assert_int_equal(freed, 0);
    assert_int_equal(rootfs_sweep(place->fd, 300 * 1024, &freed, &err), 0);
    assert_true(freed >= 100 * 1024);
    assert_true(there(place, "a"));
    assert_false(there(place, "b"));
    assert_false(there(place, "b.lock"));
    assert_true(there(place, "c"));
}

static void what_is_in_use_stays(void **state)
{
    struct scratch *place = *state;
    struct error err;
    int lock = -1;
    int64_t freed;
    make(place, "a", 100);
    make(place, "b", 100);
    assert_int_equal(rootfs_hold(place->fd, "a", &lock, &err), 0);
    set_used(place, "a", 1000);
    assert_int_equal(rootfs_sweep(place->fd, 0, &freed, &err), 0);
    assert_true(there(place, "a"));
    assert_false(there(place, "b"));
    close(lock);
    assert_int_equal(rootfs_sweep(place->fd, 0, &freed, &err), 0);
    assert_false(there(place, "a"));
}

static void a_sweep_takes_what_crashes_left_but_not_what_is_being_made(void **state)
{
    struct scratch *place = *state;
    struct rootfs_new made = { 0 }, other = { 0 };
    struct error err;
    int64_t freed;
    pid_t pid = fork();
    if (pid == 0) {
        rootfs_begin(place->fd, "dead", &made, &err);
        fill(&made, 1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    assert_int_equal(rootfs_begin(place->fd, "alive", &other, &err), 0);
    assert_int_equal(rootfs_sweep(place->fd, INT64_C(1) << 30, &freed, &err), 0);
    assert_false(there(place, "new.dead"));
    assert_false(there(place, "dead.lock"));
    assert_true(there(place, "new.alive"));
    rootfs_drop(&other);
}

static void old_notes_go(void **state)
{
    struct scratch *place = *state;
    struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    struct error err;
    int64_t freed;
    close(openat(place->fd, "from.old", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    close(openat(place->fd, "from.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    utimensat(place->fd, "from.old", old, 0);
    assert_int_equal(rootfs_sweep(place->fd, 0, &freed, &err), 0);
    assert_false(there(place, "from.old"));
    assert_true(there(place, "from.new"));
}

#define place_test(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(a_tree_is_there_when_it_is_whole),
        place_test(what_is_dropped_leaves_nothing),
        place_test(links_of_an_image_lead_nowhere_else),
        place_test(what_a_crash_left_is_made_anew),
        place_test(one_makes_it_and_the_others_wait),
        place_test(the_longest_unused_go_first),
        place_test(what_is_in_use_stays),
        place_test(a_sweep_takes_what_crashes_left_but_not_what_is_being_made),
        place_test(old_notes_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
