/*
 * Everything that changes the store, struck at every step of it: killed, or refused by the disk. Whatever happened, every generation
 * that has a manifest is whole, what was not touched is as before, and the same thing done again succeeds.
 * (Captures and commits have sweeps of their own, in test_store_faults.) The program starts itself as "--do OPERATION PATH".
 */
#include "store_place.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { CHILD_FAILED = 3, PASSES = 2 };

static int import_archive(struct place *p, struct error *err)
{
    auto_buf struct buf note = { .max = 2 << 20 };
    struct store_trust trust = { .unverified = true };
    auto_close int fd = openat(p->dir, "a.tar", O_RDONLY | O_CLOEXEC);
    return store_import(p->store, fd, "9.0", 1, &trust, &note, NULL, err);
}

static int export_archive(struct place *p, struct error *err)
{
    auto_buf struct buf note = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_close int fd = openat(p->dir, "b.tar", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = store_manifest(p->store, "7.0", 3, &m, err);
    return r == 0 ? store_export(p->store, &m, &note, fd, NULL, err) : r;
}

static int retain(struct place *p, struct error *err)
{
    return store_retain(p->store, "7.0", &(struct store_retention){ .keep = 1 }, err);
}

static int collect(struct place *p, struct error *err)
{
    int64_t freed;
    return store_gc(p->store, &freed, NULL, err);
}

static int clone(struct place *p, struct error *err)
{
    return store_branch(p->store, "7.0", 3, "9.0", 1, 7, err);
}

static int rewind_it(struct place *p, struct error *err)
{
    return store_branch(p->store, "7.0", 2, "7.0", 4, 7, err);
}

static int pin(struct place *p, struct error *err)
{
    return store_pin(p->store, "7.0", 2, true, err);
}

static int unpin(struct place *p, struct error *err)
{
    return store_pin(p->store, "7.0", 1, false, err);
}

static int fence(struct place *p, struct error *err)
{
    return store_fence(p->store, "7.0", 9, err);
}

static int first_fence(struct place *p, struct error *err)
{
    return store_fence(p->store, "6.0", 9, err);
}

static int drop(struct place *p, struct error *err)
{
    return store_drop(p->store, "7.0", 2, err);
}

static int remove_job(struct place *p, struct error *err)
{
    return store_remove(p->store, "7.0", err);
}

static int release(struct place *p, struct error *err)
{
    return store_release(p->store, "7.0", err);
}

static int verify(struct place *p, struct error *err)
{
    p->job = "7.0";
    return place_verify(p, 3, err);
}

/* `stays`: generations of job 7.0 that are there and whole whatever happens. */
static const struct operation {
    const char *name;
    int (*fn)(struct place *p, struct error *err);
    const char *stays;
    int least; /* of points that it passes */
} operations[] = {
    { "import", import_archive, "123", 6 }, { "export", export_archive, "123", 0 },
    { "retain", retain, "13", 3 },          { "gc", collect, "123", 3 },
    { "clone", clone, "123", 6 },           { "rewind", rewind_it, "123", 5 },
    { "pin", pin, "123", 1 },               { "unpin", unpin, "123", 1 },
    { "fence", fence, "123", 3 },           { "first fence", first_fence, "123", 3 },
    { "drop", drop, "13", 3 },              { "remove", remove_job, "", 6 },
    { "release", release, "1", 4 },         { "verify", verify, "123", 1 },
};

/* ---- the child ---- */

static int run_operation(const char *name, const char *path)
{
    struct place p = { .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .work = -1, .back = -1, .job = "7.0" };
    struct error err = { 0 };
    auto_free char *store = mem_printf("%s/store", path);
    int r = store_open(store, &p.store, &err);
    for (size_t i = 0; r == 0 && i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0)
            r = operations[i].fn(&p, &err);
    store_close(p.store);
    return r == 0 ? 0 : CHILD_FAILED;
}

static int run_child(const struct operation *op, struct place *p, const char *variable, const char *value)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        setenv(variable, value, 1);
        execl("/proc/self/exe", "test_store_sweep", "--do", op->name, p->path, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- before and after ---- */

/* Job 7.0 has three generations, the first pinned, each with a pack; job 8.0 shares one of them. Leftovers lie about. */
static void prepare(struct place *p)
{
    struct error err = { 0 };
    static const char *const jobs[] = { "6.0", "7.0", "8.0", "9.0" };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(store_remove(p->store, jobs[i], &err), 0);
    p->job = "7.0";
    p->parent = 0;
    for (int g = 1; g <= 3; g++) {
        place_fill(p->work, "x", 0, 60000, (uint64_t)g);
        place_commit(p, g);
    }
    assert_int_equal(store_pin(p->store, "7.0", 1, true, &err), 0);
    assert_int_equal(store_fence(p->store, "7.0", 7, &err), 0);
    p->job = "8.0";
    p->parent = 0;
    place_fill(p->work, "y", 0, 60000, 9);
    place_commit(p, 1);
    assert_int_equal(unlinkat(p->work, "y", 0), 0);
    p->job = "7.0";
    auto_close int packs = place_packs_dir(p);
    place_write(packs, "00112233445566778899aabbccddeeff", "left over", 9);
    auto_free char *shared = place_shared("0123456789abcdef0123456789abcdef");
    place_write(p->dir, shared, "of nobody", 9);
}

static void expect_all_whole(struct place *p, const char *what)
{
    static const char *const jobs[] = { "6.0", "7.0", "8.0", "9.0" };
    for (size_t i = 0; i < 4; i++) {
        struct error err = { 0 };
        auto_free int *generations = NULL;
        size_t count = 0;
        p->job = jobs[i];
        assert_int_equal(store_list(p->store, p->job, &generations, &count, &err), 0);
        for (size_t g = 0; g < count; g++)
            if (place_verify(p, generations[g], &err) != 0)
                fail_msg("%s: %s", what, err.text);
    }
    p->job = "7.0";
}

static void expect_sound(struct place *p, const struct operation *op, const char *what)
{
    struct error err = { 0 };
    expect_all_whole(p, what);
    for (const char *g = op->stays; *g; g++)
        if (place_verify(p, *g - '0', &err) != 0)
            fail_msg("%s: generation %c is not there", what, *g);
    p->job = "8.0";
    assert_int_equal(place_verify(p, 1, &err), 0);
    p->job = "7.0";
    int r = op->fn(p, &err);
    bool done = strstr("import clone rewind", op->name) && (r == STORE_EXISTS || (r < 0 && strstr(err.text, "already")));
    if (r != 0 && !done)
        fail_msg("%s: again: %s", what, err.text);
    expect_all_whole(p, what);
    assert_int_equal(collect(p, &err), 0);
    expect_all_whole(p, what);
    auto_buf struct buf names = { 0 };
    auto_close int store = openat(p->dir, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place_list_names(store, "", true, &names);
    if (strstr(buf_cstr(&names), ".tmp") || strstr(buf_cstr(&names), "00112233") || strstr(buf_cstr(&names), "of nobody"))
        fail_msg("%s: left behind: %s", what, buf_cstr(&names));
}

/* ---- the sweep ---- */

static int earlier_passes(const char *points, const char *line, size_t len)
{
    int count = 0;
    for (const char *at = points; at < line; at = strchr(at, '\n') + 1)
        count += strncmp(at, line, len + 1) == 0;
    return count;
}

static void strike(struct place *p, const struct operation *op, const char *name, size_t len, int pass)
{
    static const char *const actions[] = { "kill", "ENOSPC", "EIO", "EDQUOT" };
    for (size_t i = 0; i < 4; i++) {
        auto_free char *rule = mem_printf("%.*s:%s@%d", (int)len, name, actions[i], pass);
        auto_free char *what = mem_printf("%s, %s", op->name, rule);
        prepare(p);
        int status = run_child(op, p, "STINT_FAULT", rule);
        bool harmless = strncmp(name, "store.commit.done", 17) == 0;
        bool again = strncmp(name, "store.pack.read", 15) == 0; /* a sector that could not be read is tried once more */
        if (i == 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
            fail_msg("%s: not killed there: %#x", what, status);
        if (i > 0 && status != (harmless ? 0 : CHILD_FAILED << 8) && !(again && status == 0))
            fail_msg("%s: exit status %#x", what, status);
        expect_sound(p, op, what);
    }
}

static void sweep(struct place *p, const struct operation *op)
{
    auto_buf struct buf points = { 0 };
    auto_free char *trace = place_path(p, "trace");
    int passes = 0;
    prepare(p);
    unlinkat(p->dir, "trace", 0);
    assert_int_equal(run_child(op, p, "STINT_FAULT_TRACE", trace), 0);
    if (file_read(p->dir, "trace", &points, NULL) != 0)
        buf_clear(&points);
    for (const char *line = buf_cstr(&points); *line; line = strchr(line, '\n') + 1) {
        size_t len = strcspn(line, "\n");
        const char *name = memchr(line, ' ', len);
        int before = earlier_passes(buf_cstr(&points), line, len);
        assert_non_null(name);
        passes++;
        if (before < PASSES)
            strike(p, op, name + 1, len - (size_t)(name + 1 - line), before + 1);
    }
    if (passes < op->least)
        fail_msg("%s passes only %d points", op->name, passes);
}

static int setup_archive(void **state)
{
    struct error err = { 0 };
    setup_place_in_memory(state);
    struct place *p = *state;
    prepare(p);
    assert_int_equal(export_archive(p, &err), 0);
    assert_int_equal(renameat(p->dir, "b.tar", p->dir, "a.tar"), 0);
    return 0;
}

static void sweep_some(struct place *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        sweep(p, &operations[i]);
}

static void imports_exports_and_removals_may_be_struck_anywhere(void **state)
{
    sweep_some(*state, 0, 4);
}

static void branches_may_be_struck_anywhere(void **state)
{
    sweep_some(*state, 4, 6);
}

static void pins_and_fences_may_be_struck_anywhere(void **state)
{
    sweep_some(*state, 6, 10);
}

static void removals_and_verification_may_be_struck_anywhere(void **state)
{
    sweep_some(*state, 10, sizeof operations / sizeof operations[0]);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--do") == 0)
        return run_operation(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(imports_exports_and_removals_may_be_struck_anywhere, setup_archive, teardown_place),
        cmocka_unit_test_setup_teardown(branches_may_be_struck_anywhere, setup_archive, teardown_place),
        cmocka_unit_test_setup_teardown(pins_and_fences_may_be_struck_anywhere, setup_archive, teardown_place),
        cmocka_unit_test_setup_teardown(removals_and_verification_may_be_struck_anywhere, setup_archive, teardown_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
