/*
 * The second phase of a capture, struck at every step, and what vanishes in either. The program starts itself as "--commit PATH":
 * that child captures in two phases and commits generation 3, under the fault that its environment names.
 */
#include "store_world.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { CHILD_FAILED = 3, PASSES = 2 };

static int run_commit(const char *path)
{
    struct world w = { .p = { .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .job = "7.0", .parent = 2 } };
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_free char *store = mem_printf("%s/store", path);
    w.p.work = openat(w.p.dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    open_trees(&w);
    cut_image(&w);
    set_hurry(&w, getenv("STINT_TEST_HOW")[0] - '0');
    int r = store_open(store, &w.p.store, &err);
    if (r == 0)
        r = try_both(&w, 3, NULL, &m, &err);
    store_close(w.p.store);
    return r == 0 ? 0 : CHILD_FAILED;
}

static pid_t start_commit(const struct world *w, int how, const char *variable, const char *value)
{
    char text[2] = { (char)('0' + how), '\0' };
    pid_t pid = fork();
    if (pid == 0) {
        setenv(variable, value, 1);
        setenv("STINT_TEST_HOW", text, 1);
        execl("/proc/self/exe", "test_store_phases", "--commit", w->p.path, NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void fill_little(struct world *w, uint64_t seed)
{
    place_fill(w->p.work, "big", 0, MIB, seed);
    place_fill(w->p.work, "small", 0, 100, seed);
    if (faccessat(w->images, "pages-1.img", F_OK, 0) < 0)
        place_fill(w->images, "pages-1.img", 0, (size_t)IMAGE_PAGES * PAGE, 7);
    for (size_t i = 0; i < 3; i++)
        change_page(w, i * 100, seed);
    place_fill(w->images, "world", 0, 100, seed);
    cut_image(w);
}

/* Two generations, and a state that has changed since. */
static void prepare(struct world *w)
{
    struct error err = { 0 };
    assert_int_equal(store_remove(w->p.store, "7.0", &err), 0);
    w->p.parent = 0;
    for (int g = 1; g <= 2; g++) {
        fill_little(w, (uint64_t)g);
        commit_both(w, g);
    }
    fill_little(w, 3);
}

static void expect_sound(struct world *w, const char *rule, int status, bool committed)
{
    struct error err = { 0 };
    int third = place_verify(&w->p, 3, &err);
    if (place_verify(&w->p, 2, &err) != 0 || third < 0 || (status == 0 && third != 0))
        fail_msg("%s: exit status %#x, %s", rule, status, err.text);
    if (committed && third != 0)
        fail_msg("%s: what was committed is gone", rule);
    w->p.parent = 2;
    fill_little(w, 77);
    commit_both(w, 4);
    expect_restored(w, 4);
    auto_buf struct buf names = { 0 };
    list_store(w, &names);
    if (strstr(buf_cstr(&names), ".tmp"))
        fail_msg("%s: left behind: %s", rule, buf_cstr(&names));
}

static void strike(struct world *w, int how, const char *name, size_t len, int pass, bool committed)
{
    static const char *const actions[] = { "kill", "ENOSPC", "EIO" };
    for (size_t i = 0; i < 3; i++) {
        auto_free char *rule = mem_printf("%.*s:%s@%d", (int)len, name, actions[i], pass);
        auto_buf struct buf before = { 0 }, after = { 0 };
        prepare(w);
        list_store(w, &before);
        int status = wait_for(start_commit(w, how, "STINT_FAULT", rule));
        list_store(w, &after);
        if (i == 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
            fail_msg("%s: not killed there: %#x", rule, status);
        if (i > 0 && status != CHILD_FAILED << 8 && status != 0)
            fail_msg("%s: exit status %#x", rule, status);
        bool harmless = strncmp(name, "store.index", 11) == 0 || strncmp(name, "store.commit.done", 17) == 0;
        if (i == 2 && (status == 0) != harmless)
            fail_msg("%s: exit status %#x", rule, status);
        if (i == 2 && status != 0 && strcmp(buf_cstr(&before), buf_cstr(&after)) != 0)
            fail_msg("%s: '%s' became '%s'", rule, buf_cstr(&before), buf_cstr(&after));
        expect_sound(w, rule, status, committed);
    }
}

/* Every point from the second phase on, each at its first passes there. */
static void sweep(struct world *w, int how)
{
    auto_buf struct buf text = { 0 };
    auto_free char *trace = place_path(&w->p, "trace");
    prepare(w);
    unlinkat(w->p.dir, "trace", 0);
    assert_int_equal(wait_for(start_commit(w, how, "STINT_FAULT_TRACE", trace)), 0);
    assert_int_equal(file_read(w->p.dir, "trace", &text, NULL), 0);
    const char *all = buf_cstr(&text), *from = strstr(all, how & 8 ? " store.capture.open\n" : " store.capture.add\n");
    assert_non_null(from);
    int struck = 0;
    bool committed = false;
    while (from > all && from[-1] != '\n')
        from--;
    for (const char *line = from; *line; line = strchr(line, '\n') + 1) {
        size_t len = strcspn(line, "\n"), name = (size_t)((const char *)memchr(line, ' ', len) + 1 - line);
        int before = 0, here = 0;
        for (const char *at = all; at < line; at = strchr(at, '\n') + 1)
            if (strncmp(at, line, len + 1) == 0) {
                before++;
                here += at >= from;
            }
        committed = committed || strncmp(line + name, "store.commit.done\n", 18) == 0;
        if (here < PASSES && ++struck)
            strike(w, how, line + name, len - name, before + 1, committed);
    }
    assert_true(struck > 15);
}

static void the_second_phase_may_be_struck_anywhere_while_both_are_staged(void **state)
{
    sweep(*state, 0);
}

static void the_second_phase_may_be_struck_anywhere_behind_a_stage(void **state)
{
    sweep(*state, 2);
}

static void the_second_phase_may_be_struck_anywhere_without_a_stage(void **state)
{
    sweep(*state, 3);
}

static void both_phases_may_be_struck_anywhere_when_the_capture_was_begun_before(void **state)
{
    sweep(*state, 2 | 4);
}

static void what_is_taken_ahead_may_be_struck_anywhere(void **state)
{
    struct world *w = *state;
    place_fill(w->p.work, "data", 0, 2 * MIB, 5);
    sweep(w, 8);
}

/* What the first phase has set aside must outlive a stage that has no room for the second. */
static void a_stage_that_gets_full_in_the_second_phase_keeps_the_first(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    for (int pass = 1; pass < 9; pass++) { /* 2 in the first phase */
        auto_free char *rule = mem_printf("store.stage.write:ENOSPC@%d", pass);
        prepare(w);
        assert_int_equal(wait_for(start_commit(w, 0, "STINT_FAULT", rule)), 0);
        if (place_verify(&w->p, 3, &err) != 0)
            fail_msg("%s", err.text);
        expect_restored(w, 3);
        expect_hints(w, 3);
    }
}

/* Entries that turn out not to be there any more, in both phases: their numbers stay free until the end. There is little in both, for
 * with several threads one may go on for a moment when the process is stopped. */
static void what_vanishes_in_either_phase_is_left_out(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    place_fill(w->images, "pages-1.img", 0, (size_t)300 * PAGE, 7);
    static const struct { int pass; int in_images; } cases[] = { { 1, 0 }, { 3, 1 } }; /* when big, or pages-1.img, has just been opened */
    for (size_t i = 0; i < 2; i++)
        for (int how = 0; how < 4; how++) {
            int tree = cases[i].in_images ? w->images : w->p.work, status = 0;
            const char *name = cases[i].in_images ? "world" : "small";
            auto_free char *rule = mem_printf("store.capture.open:stop@%d", cases[i].pass);
            prepare(w);
            assert_int_equal(linkat(tree, name, tree, "zz", 0), 0);
            pid_t pid = start_commit(w, how, "STINT_FAULT", rule);
            assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
            assert_true(WIFSTOPPED(status));
            assert_int_equal(unlinkat(tree, name, 0) + unlinkat(tree, "zz", 0), 0);
            kill(pid, SIGCONT);
            assert_int_equal(wait_for(pid), 0);
            assert_int_equal(place_verify(&w->p, 3, &err), 0);
            expect_restored(w, 3);
            expect_hints(w, 3);
        }
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return run_commit(argv[2]);
    const struct CMUnitTest tests[] = {
        world_memory_test(the_second_phase_may_be_struck_anywhere_while_both_are_staged),
        world_test(what_is_taken_ahead_may_be_struck_anywhere),
        world_memory_test(the_second_phase_may_be_struck_anywhere_behind_a_stage),
        world_memory_test(the_second_phase_may_be_struck_anywhere_without_a_stage),
        world_memory_test(both_phases_may_be_struck_anywhere_when_the_capture_was_begun_before),
        world_memory_test(a_stage_that_gets_full_in_the_second_phase_keeps_the_first),
        world_memory_test(what_vanishes_in_either_phase_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
