/* A pool's start and end: its directory, which must be its own, and what is left of jobs that are gone. */
#include "pool_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

enum { STRANGER = 54321 };

static void two_pools_do_not_share_a_directory(void **state)
{
    struct fixture *f = *state;
    struct pool second;
    auto_close int listener = file_listen(f->scratch.fd, "pool.sock", 0600, &f->err); /* the first one answers */
    assert_true(listener >= 0);
    assert_int_equal(pool_open_state(&second, f->scratch.path, &f->err), POOL_LOCKED);
    pool_close(&second);
    pool_close(&f->pool);
    assert_ok(pool_open_state(&f->pool, f->scratch.path, &f->err), f->err);
}

static void a_pools_directory_is_its_own_and_nobody_else_writes_to_it(void **state)
{
    static const struct { mode_t parent, own; const char *says; } cases[] = {
        { 0755, 0700, NULL }, { 01777, 0755, NULL }, { 0777, 0700, "could replace" }, { 0755, 0777, "chmod go-w" }, { 0755, 0702, "chmod go-w" },
    };
    struct fixture *f = *state;
    auto_free char *path = mem_printf("%s/parent/pool", f->scratch.path);
    auto_close int own = file_make_dirs(path, 0700, &f->err);
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *resolved = NULL;
        assert_int_equal(fchmodat(f->scratch.fd, "parent", cases[i].parent, 0), 0);
        assert_int_equal(fchmod(own, cases[i].own), 0);
        auto_close int dir = place_open(path, &resolved, &f->err);
        if ((dir >= 0) != !cases[i].says || (cases[i].says && !strstr(f->err.text, cases[i].says)))
            fail_msg("%o/%o gives %d: %s", cases[i].parent, cases[i].own, dir, f->err.text);
    }
    if (geteuid() != 0)
        return;
    auto_free char *resolved = NULL;
    assert_int_equal(fchmodat(f->scratch.fd, "parent", 0755, 0), 0);
    assert_int_equal(fchown(own, STRANGER, 0), 0);
    assert_int_equal(place_open(path, &resolved, &f->err), -1);
    assert_contains(f->err.text, "belongs to user");
}

static void the_umask_does_not_close_a_pools_directories(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "pool", "pool/jobs" };
    auto_free char *path = mem_printf("%s/pool", f->scratch.path);
    struct pool pool;
    struct stat st;
    mode_t before = umask(077);
    int result = pool_open_state(&pool, path, &f->err);
    umask(before);
    pool_close(&pool);
    assert_ok(result, f->err);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(fstatat(f->scratch.fd, names[i], &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, place_is_machine_wide() ? 0711 : 0700);
    }
}

static void what_is_removed_goes_out_of_the_way_and_a_child_removes_it(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "jobs/5.0/a/b", "store/5.0/chunks" };
    int status;
    for (size_t i = 0; i < COUNT(names); i++) {
        auto_free char *path = mem_printf("%s/%s", f->scratch.path, names[i]);
        auto_close int dir = file_make_dirs(path, 0700, &f->err);
        assert_true(dir >= 0);
    }
    move_clean(&f->pool, (struct job_id){ 5, 0 });
    assert_int_equal(faccessat(f->scratch.fd, "jobs/5.0", F_OK, 0), -1);
    assert_int_equal(faccessat(f->scratch.fd, "store/5.0", F_OK, 0), -1);
    assert_int_equal(unlinkat(f->scratch.fd, "jobs/.trash", AT_REMOVEDIR), -1); /* it is not empty */
    trash_round(&f->pool);
    assert_int_equal(f->pool.sweeper, 0); /* more may come */
    f->pool.trash_at_us = 0;
    trash_round(&f->pool);
    assert_true(f->pool.sweeper > 0);
    assert_int_equal(waitpid(f->pool.sweeper, &status, 0), f->pool.sweeper);
    trash_reaped(&f->pool, f->pool.sweeper, status);
    assert_true(status == 0 && f->pool.sweeper == 0 && !f->pool.trash);
    assert_int_equal(unlinkat(f->scratch.fd, "jobs/.trash", AT_REMOVEDIR), 0);
}

static void skip_numbers(struct fixture *f, int cluster)
{
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_skip_clusters(f->pool.queue, cluster, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
}

static void put_checkpoint(struct fixture *f, const char *job)
{
    auto_close int dir = openat(f->scratch.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct store_tree tree = { "work", dir };
    struct store_source source = { .tree = "work", .name = "state" };
    struct store_request request = { .job = job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1 };
    struct store_capture *capture = NULL;
    struct manifest m = { .generation = 1, .kind = "checkpoint" };
    auto_close int state = openat(dir, "state", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(state, job, strlen(job)), strlen(job));
    assert_ok(store_capture(f->pool.store, &request, &capture, &f->err), f->err);
    assert_ok(store_commit(capture, &m, &f->err), f->err);
    store_capture_free(capture);
    manifest_release(&m);
}

/* A queue that was lost, or came back from an old copy. */
static void checkpoints_that_the_queue_never_knew_are_kept_and_their_numbers_skipped(void **state)
{
    struct fixture *f = *state;
    int last;
    fixture_submit(f, 1, "");
    put_checkpoint(f, "1.0");
    put_checkpoint(f, "5.0");
    for (int starts = 0; starts < 3; starts++) {
        pool_close(&f->pool);
        assert_ok(pool_open(&f->pool, f->scratch.path, &f->err), f->err);
        assert_true(store_pinned(f->pool.store, "5.0", 1));
        assert_false(store_pinned(f->pool.store, "1.0", 1));
        assert_ok(queue_last_cluster(f->pool.queue, &last, &f->err), f->err);
        assert_int_equal(last, 5);
    }
    pool_close(&f->pool);
    fixture_open(f);
}

static void what_jobs_that_are_gone_left_is_swept_at_the_start(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "jobs/1.0/work", "jobs/9.0/work", "jobs/note/work" };
    fixture_submit(f, 1, "");
    skip_numbers(f, 9);
    for (size_t i = 0; i < COUNT(names); i++) {
        auto_free char *path = mem_printf("%s/%s", f->scratch.path, names[i]);
        auto_close int dir = file_make_dirs(path, 0700, &f->err);
        assert_true(dir >= 0);
    }
    pool_close(&f->pool);
    assert_ok(pool_open(&f->pool, f->scratch.path, &f->err), f->err);
    assert_int_equal(faccessat(f->scratch.fd, names[0], F_OK, 0), 0);
    assert_int_equal(faccessat(f->scratch.fd, names[1], F_OK, 0), -1);
    assert_int_equal(faccessat(f->scratch.fd, names[2], F_OK, 0), 0); /* whatever it is, it is no job */
    assert_int_equal(f->pool.idle_count, 1);
    assert_true(pool_answers(&f->pool));
    pool_close(&f->pool);
    assert_int_equal(faccessat(f->scratch.fd, "pool.sock", F_OK, 0), -1);
    fixture_open(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_pools_do_not_share_a_directory),
        TEST(a_pools_directory_is_its_own_and_nobody_else_writes_to_it),
        TEST(the_umask_does_not_close_a_pools_directories),
        TEST(what_is_removed_goes_out_of_the_way_and_a_child_removes_it),
        TEST(checkpoints_that_the_queue_never_knew_are_kept_and_their_numbers_skipped),
        TEST(what_jobs_that_are_gone_left_is_swept_at_the_start),
    };
    return cmocka_run_group_tests_name("pool_life", tests, NULL, NULL);
}
