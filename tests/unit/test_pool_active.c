/* Jobs that hold slots: a pool that starts finds their runners again, repeats what was asked of them, and never takes a broken line
 * for a dead runner. */
#include "journal_fixture.h"

#include <sys/file.h>
#include <sys/socket.h>

/* A runner as the pool sees it: a lock, and a socket if it answers. */
struct runner {
    int dir, lock, listener, line;
};

static struct runner runner_of(struct fixture *f, int cluster, bool answers)
{
    auto_free char *name = mem_printf("jobs/%d.0", cluster);
    struct runner r = { .dir = openat(f->scratch.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .listener = -1, .line = -1 };
    assert_true(r.dir >= 0);
    r.lock = openat(r.dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(r.lock, LOCK_EX | LOCK_NB), 0);
    if (answers)
        r.listener = file_listen(r.dir, "runner.sock", 0600, &f->err);
    assert_int_equal(r.listener >= 0, answers);
    return r;
}

/* Killed: its lock and its line are gone. */
static void runner_dies(struct runner *r)
{
    file_close(&r->lock);
    file_close(&r->listener);
    file_close(&r->line);
    file_close(&r->dir);
}

static void runner_accepts(struct runner *r)
{
    r->line = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(r->line >= 0);
}

/* The orders that came down the line, parted by blanks. */
static char *orders(struct runner *r)
{
    struct buf out = { 0 };
    char text[8192] = "";
    ssize_t n = read(r->line, text, sizeof text - 1);
    for (char *at = text, *line; n > 0 && (line = strsep(&at, "\n"));) {
        if (!*line)
            continue;
        auto_ad struct ad *order = from_json(line);
        buf_printf(&out, "%s%s", out.len ? " " : "", ad_string(order, "Order", "?"));
    }
    return out.data ? buf_steal(&out) : mem_dup("");
}

/* A job that held a slot in that state when its pool was killed, and a pool that starts. */
static int killed_in(struct fixture *f, enum job_state state)
{
    int cluster = fixture_submit(f, 1, "");
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    fold(f, a);
    fixture_set_state(f, cluster, 0, state);
    return cluster;
}

static void restart(struct fixture *f)
{
    fixture_reopen(f);
    assert_ok(active_recover(&f->pool, &f->err), f->err);
    assert_ok(schedule_load(&f->pool, &f->err), f->err);
}

static void stop(void *pool)
{
    struct pool *p = pool;
    loop_stop(p->loop);
}

/* One round of the loop, in which there is something to read. */
static void one_round(struct fixture *f)
{
    loop_run(f->pool.loop, stop, &f->pool);
    active_round(&f->pool);
}

static void a_new_pool_finds_its_runners_and_repeats_what_was_asked(void **state)
{
    static const struct { enum job_state state; const char *orders, *events; } cases[] = {
        { JOB_STARTING, "", "" },
        { JOB_RUNNING, "continue", "disconnected reconnected" },
        { JOB_SUSPENDED, "suspend", "disconnected reconnected" },
        { JOB_VACATING, "vacate", "disconnected reconnected" },
        { JOB_HOLDING, "vacate", "disconnected reconnected" },
        { JOB_REMOVING, "remove", "disconnected reconnected" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int cluster = killed_in(f, cases[i].state);
        struct runner r = runner_of(f, cluster, true);
        int64_t before = f->pool.last_event;
        restart(f);
        active_round(&f->pool);
        runner_accepts(&r);
        auto_free char *got = orders(&r);
        assert_string_equal(got, cases[i].orders);
        assert_events(f, cluster, 0, before, cases[i].events);
        assert_string_equal(fixture_state(f, cluster, 0), job_state_name(cases[i].state));
        assert_int_equal(f->pool.used.cpus, 1);
        runner_dies(&r);
        one_round(f);
        assert_null(f->pool.active);
    }
}

static void a_runner_that_does_not_answer_but_lives_is_left_alone(void **state)
{
    struct fixture *f = *state;
    int cluster = killed_in(f, JOB_RUNNING);
    struct runner r = runner_of(f, cluster, false);
    restart(f);
    for (int i = 0; i < 3; i++) {
        int64_t now = clock_boot_us();
        active_round(&f->pool);
        assert_non_null(active_find(&f->pool, (struct job_id){ cluster, 0 }));
        assert_string_equal(fixture_state(f, cluster, 0), "running");
        assert_true(f->pool.wake_at <= now + 1000000); /* looked at again soon */
    }
    runner_dies(&r);
    active_round(&f->pool);
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
    assert_int_equal(own_int(f, cluster, "RunnersLost"), 1);
    assert_int_equal(f->pool.idle_count + f->pool.waiting_count, 1);
}

static void a_broken_line_to_a_living_runner_is_mended(void **state)
{
    struct fixture *f = *state;
    int cluster = killed_in(f, JOB_RUNNING);
    struct runner r = runner_of(f, cluster, true);
    restart(f);
    active_round(&f->pool);
    runner_accepts(&r);
    int64_t before = f->pool.last_event;
    file_close(&r.line);
    one_round(f);
    runner_accepts(&r);
    assert_string_equal(fixture_state(f, cluster, 0), "running");
    assert_events(f, cluster, 0, before, ""); /* nobody needs to know */
    runner_dies(&r);
}

static void a_byte_on_the_line_makes_the_journal_read(void **state)
{
    struct fixture *f = *state;
    int cluster = killed_in(f, JOB_STARTING);
    struct runner r = runner_of(f, cluster, true);
    restart(f);
    active_round(&f->pool);
    runner_accepts(&r);
    struct active *a = active_find(&f->pool, (struct job_id){ cluster, 0 });
    active_round(&f->pool);
    put(a, 10, RECORD_RUN, "\"Execution\":1");
    assert_string_equal(fixture_state(f, cluster, 0), "starting");
    assert_int_equal(write(r.line, "\n", 1), 1);
    one_round(f);
    assert_string_equal(fixture_state(f, cluster, 0), "running");
    runner_dies(&r);
}

static void an_end_that_was_written_while_no_pool_ran_is_taken_up(void **state)
{
    struct fixture *f = *state;
    int cluster = killed_in(f, JOB_RUNNING);
    struct active *a = active_find(&f->pool, (struct job_id){ cluster, 0 });
    put(a, 10, RECORD_RUN, "\"Execution\":1");
    put(a, 90, RECORD_END, "\"Outcome\":\"completed\",\"ExitCode\":0");
    int64_t before = f->pool.last_event;
    restart(f);
    active_round(&f->pool);
    assert_string_equal(fixture_state(f, cluster, 0), "completed");
    assert_events(f, cluster, 0, before, "running completed"); /* and not lost */
    assert_int_equal(f->pool.used.cpus, 0);
    assert_int_equal(faccessat(f->pool.jobs_dir, "1.0", F_OK, 0), -1);
}

static void a_mark_is_of_one_stint_of_one_pool(void **state)
{
    struct fixture *f = *state;
    char marks[4][ACTIVE_MARK_MAX];
    struct scratch other;
    scratch_open(&other);
    struct pool second = { .jobs_dir = other.fd };
    active_mark(&f->pool, (struct job_id){ 1, 1 }, 1, marks[0]);
    active_mark(&f->pool, (struct job_id){ 1, 1 }, 2, marks[1]);
    active_mark(&f->pool, (struct job_id){ 11, 1 }, 1, marks[2]);
    active_mark(&second, (struct job_id){ 1, 1 }, 1, marks[3]);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            assert_true(strcmp(marks[i], marks[k]) != 0);
    active_mark(&f->pool, (struct job_id){ 2147483647, 2147483647 }, 2147483647, marks[0]);
    assert_non_null(strstr(marks[0], "-2147483647.2147483647-2147483647"));
    scratch_close(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_pool_finds_its_runners_and_repeats_what_was_asked),
        TEST(a_runner_that_does_not_answer_but_lives_is_left_alone),
        TEST(a_broken_line_to_a_living_runner_is_mended),
        TEST(a_byte_on_the_line_makes_the_journal_read),
        TEST(an_end_that_was_written_while_no_pool_ran_is_taken_up),
        TEST(a_mark_is_of_one_stint_of_one_pool),
    };
    return cmocka_run_group_tests_name("pool_active", tests, NULL, NULL);
}
