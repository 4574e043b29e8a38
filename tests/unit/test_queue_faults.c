/* What must not break the queue: kills, full disks, other people's files, damage, other versions. */
#include "child.h"
#include "queue_fixture.h"

#include "queue/database.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

static const struct queue_filter every = { 0 };

enum { PAGE = 4096, CHILD_FAILED = 99 };

/* ---- kills and failures at the transaction's steps ---- */

/* One transaction that changes a bit of everything. 0, or the errno it failed with. */
static int change_everything(struct queue *queue, struct error *err)
{
    struct queue_job job = job_of(2, 0);
    auto_ad struct ad *ad = ad_new();
    struct queue_charge charge = { .id = { 2, 0 }, .stint = 1, .owner = "ann", .class_name = "lost", .cause = "x",
                                   .for_user = "", .day = 1, .cpus = 1, .wall_us = 5 };
    struct queue_factory factory = { .cluster = 2, .owner = "ann", .total = 2 };
    int cluster;
    if (queue_begin(queue, err) < 0)
        return err->sys;
    if (queue_reserve_cluster(queue, &cluster, err) < 0 || queue_add_cluster(queue, cluster, ad, err) < 0 ||
        queue_add_job(queue, &job, err) < 0 || queue_add_event(queue, job.id, ad, true, NULL, err) < 0 ||
        queue_add_factory(queue, &factory, err) < 0 || queue_add_item(queue, (struct job_id){ 2, 1 }, ad, err) < 0 ||
        queue_add_notice(queue, job.id, "completed", err) < 0 || queue_charge(queue, &charge, err) < 0 || queue_put_stint(queue, job.id, 1, ad, err) < 0 ||
        queue_finish_job(queue, (struct job_id){ 1, 0 }, 5, err) < 0) {
        queue_rollback(queue);
        return err->sys ? err->sys : CHILD_FAILED;
    }
    return queue_commit(queue, err) < 0 ? err->sys : 0;
}

/* In a child, with the fault: the first try meets it, the second must succeed. */
static int child_main(const char *what, const char *dir)
{
    struct error err;
    struct queue *queue;
    if (queue_open(dir, &queue, &err) < 0)
        return CHILD_FAILED;
    int first = change_everything(queue, &err);
    if (strcmp(what, "twice") == 0 && change_everything(queue, &err) != 0)
        return CHILD_FAILED;
    queue_close(queue);
    return first;
}

static void assert_old_state(struct fixture *f)
{
    int64_t seq;
    assert_true(queue_count_to_come(f->queue, 0, &seq, &f->err) == 0 && seq == 0);
    auto_ad struct ad *rows = ad_new();
    assert_selects(f, every, "1.0");
    assert_selects(f, (struct queue_filter){ .history = true }, "");
    assert_ok(queue_last_event(f->queue, &seq, &f->err), f->err);
    assert_int_equal(seq, 0);
    assert_ok(queue_ledger(f->queue, &(struct queue_ledger_query){ .by = "job" }, rows, "L", &f->err), f->err);
    assert_int_equal(ad_list_count(rows, "L"), 0);
}

static void assert_new_state(struct fixture *f)
{
    int64_t seq;
    assert_true(queue_count_to_come(f->queue, 0, &seq, &f->err) == 0 && seq == 2);
    assert_selects(f, every, "2.0");
    assert_selects(f, (struct queue_filter){ .history = true }, "1.0");
    assert_ok(queue_last_event(f->queue, &seq, &f->err), f->err);
    assert_int_equal(seq, 1);
}

static void run_child(struct fixture *f, const char *fault, const char *what, int expected)
{
    queue_close(f->queue);
    f->queue = NULL;
    assert_int_equal(child_run(fault, what, f->scratch.path), expected);
    assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
}

static void a_kill_before_the_commit_leaves_the_old_state_and_after_it_the_new(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 1);
    run_child(f, "queue.begin:kill", "once", -9);
    assert_old_state(f);
    run_child(f, "queue.commit:kill", "once", -9);
    assert_old_state(f);
    run_child(f, "queue.committed:kill", "once", -9);
    assert_new_state(f);
}

static void a_failing_commit_rolls_back_and_the_queue_is_usable(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 1);
    run_child(f, "queue.commit:ENOSPC", "once", ENOSPC);
    assert_old_state(f);
    run_child(f, "queue.begin:ENOSPC", "once", ENOSPC);
    assert_old_state(f);
    run_child(f, "queue.commit:EIO", "twice", EIO);
    assert_new_state(f);
}

static void a_failure_after_the_commit_changes_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 1);
    run_child(f, "queue.committed:ENOSPC", "once", 0);
    assert_new_state(f);
}

/* Killed while it writes, at random moments, by its parent: what a reopened queue shows is the state after some commit. */
static void a_kill_at_any_moment_leaves_whole_transactions(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 0);
    queue_close(steal(f->queue));
    int procs = 0;
    for (int round = 0; round < 10; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct queue *queue;
            if (queue_open(f->scratch.path, &queue, &f->err) < 0)
                _exit(1);
            for (;; procs += 3) {
                queue_begin(queue, &f->err);
                for (int i = 0; i < 3; i++) {
                    struct queue_job job = job_of(1, procs + i);
                    if (queue_add_job(queue, &job, &f->err) < 0)
                        _exit(2);
                }
                queue_commit(queue, &f->err);
            }
        }
        usleep(20000 + round * 3000);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        int64_t counts[JOB_STATE_COUNT];
        assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
        assert_ok(queue_count_states(f->queue, counts, &f->err), f->err);
        assert_int_equal(counts[JOB_IDLE] % 3, 0);
        procs = (int)counts[JOB_IDLE];
        queue_close(steal(f->queue));
    }
    assert_true(procs > 0);
}

/* ---- full disks ---- */

/* Fills a transaction until it fails; it must be gone, refuse all until its end, and leave a queue that works. */
static int overfill(struct queue *queue, struct error *err)
{
    struct queue_job job = job_of(1, 0), got;
    int64_t counts[JOB_STATE_COUNT];
    int r = 0;
    job.ad = ad_new();
    auto_free char *text = mem_zero(1, 2001);
    memset(text, 'x', 2000);
    ad_set_string(job.ad, "Text", text);
    if (queue_begin(queue, err) < 0)
        return 1;
    for (int proc = 1; proc < 5000 && r == 0; proc++) {
        job.id.proc = proc;
        r = queue_add_job(queue, &job, err);
    }
    ad_free(job.ad);
    if (r == 0)
        r = queue_commit(queue, err);
    else if (queue_get_job(queue, job.id, &got, NULL) != -1 || queue_commit(queue, NULL) != -1)
        return 2;
    if (r == 0 || err->kind != ERR_SYSTEM || err->sys != ENOSPC)
        return 3;
    if (queue_count_states(queue, counts, err) < 0 || counts[JOB_IDLE] != 1)
        return 4;
    job = job_of(1, 1);
    if (queue_begin(queue, err) < 0 || queue_add_job(queue, &job, err) < 0 || queue_commit(queue, err) < 0)
        return 5;
    return 0;
}

enum { NO_MOUNT = 77 };

static int on_a_small_disk(const char *dir)
{
    struct error err;
    struct queue *queue;
    struct queue_job job = job_of(1, 0);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("stint-test", dir, "tmpfs", 0, "size=1m") < 0)
        return NO_MOUNT;
    if (queue_open(dir, &queue, &err) < 0 || queue_add_cluster(queue, 1, NULL, &err) < 0 ||
        queue_add_job(queue, &job, &err) < 0)
        return 10;
    int r = overfill(queue, &err);
    if (r)
        fprintf(stderr, "%s\n", err.text);
    queue_close(queue);
    if (r == 0 && queue_open(dir, &queue, &err) < 0)
        return 11;
    return r;
}

static int child_status(int (*run)(const char *dir), const char *dir)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run(dir));
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_full_disk_rolls_back_and_the_queue_works_on(void **state)
{
    struct fixture *f = *state;
    char dir[96];
    snprintf(dir, sizeof dir, "%s/disk", f->scratch.path);
    mkdir(dir, 0700);
    int r = child_status(on_a_small_disk, dir);
    if (r == NO_MOUNT) {
        print_message("# skipped: cannot mount a small tmpfs here\n");
        skip();
    }
    assert_int_equal(r, 0);
}

/* The same for those who cannot mount: a file size limit makes writes fail with EFBIG, another I/O error. */
static int with_a_file_limit(const char *dir)
{
    struct error err;
    struct queue *queue;
    struct queue_job job = job_of(1, 0);
    int64_t counts[JOB_STATE_COUNT];
    signal(SIGXFSZ, SIG_IGN);
    if (queue_open(dir, &queue, &err) < 0 || setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 300000, 300000 }) < 0)
        return 10;
    if (queue_begin(queue, &err) < 0)
        return 11;
    int r = 0;
    while (r == 0)
        r = queue_add_job(queue, &job, &err), job.id.proc++;
    if (err.kind != ERR_SYSTEM || err.sys != EFBIG)
        return 12;
    queue_rollback(queue);
    if (queue_count_states(queue, counts, &err) < 0 || counts[JOB_IDLE] != 0)
        return 13;
    job = job_of(1, 1);
    if (queue_begin(queue, &err) < 0 || queue_add_job(queue, &job, &err) < 0 || queue_commit(queue, &err) < 0)
        return 14;
    queue_close(queue);
    return 0;
}

static void a_failing_write_rolls_back_and_the_queue_works_on(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 0);
    queue_close(steal(f->queue));
    assert_int_equal(child_status(with_a_file_limit, f->scratch.path), 0);
    assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
    assert_selects(f, every, "1.1");
}

/* ---- files ---- */

static int try_open(struct fixture *f)
{
    queue_close(steal(f->queue));
    return queue_open(f->scratch.path, &f->queue, &f->err);
}

static void assert_private(struct fixture *f, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(f->scratch.fd, name, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void the_files_are_private_whatever_the_umask(void **state)
{
    struct fixture *f = *state;
    queue_close(steal(f->queue));
    unlinkat(f->scratch.fd, "queue.db", 0);
    mode_t before = umask(0);
    assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
    fixture_add(f, 1, 1);
    umask(before);
    assert_private(f, "queue.db");
    assert_private(f, "queue.db-wal");
    queue_close(steal(f->queue));
    fchmodat(f->scratch.fd, "queue.db", 0644, 0);
    assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
    assert_private(f, "queue.db");
}

static void what_is_no_file_is_refused(void **state)
{
    struct fixture *f = *state;
    queue_close(steal(f->queue));
    renameat(f->scratch.fd, "queue.db", f->scratch.fd, "other.db");
    symlinkat("other.db", f->scratch.fd, "queue.db");
    assert_int_equal(try_open(f), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_non_null(strstr(f->err.text, "queue.db' is not a file"));
    unlinkat(f->scratch.fd, "queue.db", 0);
    mkdirat(f->scratch.fd, "queue.db", 0700);
    assert_int_equal(try_open(f), -1);
    assert_int_equal(queue_open("/nowhere/at/all", &f->queue, &f->err), -1);
    assert_int_equal(f->err.sys, ENOENT);
}

static void a_second_pool_is_kept_out(void **state)
{
    struct fixture *f = *state;
    struct queue *second = NULL;
    assert_int_equal(queue_open(f->scratch.path, &second, &f->err), -1);
    assert_null(second);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    assert_non_null(strstr(f->err.text, "another process has the queue"));
}

static int open_as_nobody(const char *dir)
{
    struct error err;
    struct queue *queue;
    if (geteuid() == 0 && seteuid(65534) < 0)
        return NO_MOUNT;
    if (queue_open(dir, &queue, &err) == 0)
        return 1;
    return err.kind == ERR_SYSTEM && err.sys == EACCES ? 0 : 2;
}

static void a_queue_that_cannot_be_written_is_refused(void **state)
{
    struct fixture *f = *state;
    queue_close(steal(f->queue));
    fchmodat(f->scratch.fd, "queue.db", 0400, 0);
    fchmod(f->scratch.fd, 0500);
    if (geteuid() == 0)
        assert_int_equal(fchown(f->scratch.fd, 65534, 65534) | fchownat(f->scratch.fd, "queue.db", 65534, 65534, 0), 0);
    assert_int_equal(child_status(open_as_nobody, f->scratch.path), 0);
    unlinkat(f->scratch.fd, "queue.db", 0);
    if (geteuid() == 0) /* no file yet, and none can be made */
        assert_int_equal(child_status(open_as_nobody, f->scratch.path), 0);
    fchmod(f->scratch.fd, 0700);
}

/* ---- damage ---- */

static void what_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    auto_free char *text = mem_zero(1, 10000);
    memset(text, 'x', 10000);
    queue_close(steal(f->queue));
    scratch_write(&f->scratch, "queue.db", text, 10000);
    assert_int_equal(try_open(f), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
    assert_non_null(strstr(f->err.text, "file is not a database"));
    scratch_write(&f->scratch, "queue.db", "", 0); /* a crash right after the file was made */
    assert_ok(try_open(f), f->err);
    fixture_add(f, 1, 1);
}

static void run_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    auto_free char *path = mem_printf("%s/queue.db", f->scratch.path);
    queue_close(steal(f->queue));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void another_programs_database_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf before = { 0 }, after = { 0 };
    queue_close(steal(f->queue));
    unlinkat(f->scratch.fd, "queue.db", 0);
    run_sql(f, "CREATE TABLE theirs (x); PRAGMA user_version = 1");
    file_read(f->scratch.fd, "queue.db", &before, NULL);
    assert_int_equal(try_open(f), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
    assert_non_null(strstr(f->err.text, "not a queue of stint's"));
    file_read(f->scratch.fd, "queue.db", &after, NULL);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
}

static void a_damaged_record_is_named(void **state)
{
    static const struct { const char *sql, *text; } cases[] = {
        { "UPDATE job SET ad = '{' WHERE id & 0xffff = 1", "job 3.1" },
        { "UPDATE job SET state = 77 WHERE id & 0xffff = 1", "job 3.1 has the unknown state 77" },
        { "UPDATE job SET state = -1 WHERE id & 0xffff = 1", "job 3.1 has the unknown state -1" },
        { "UPDATE job SET ad = '[]' WHERE id & 0xffff = 1", "job 3.1" },
    };
    struct fixture *f = *state;
    struct queue_job got;
    auto_buf struct buf ids = { 0 };
    fixture_add(f, 3, 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_sql(f, cases[i].sql);
        assert_ok(try_open(f), f->err);
        assert_int_equal(queue_get_job(f->queue, (struct job_id){ 3, 1 }, &got, &f->err), -1);
        assert_int_equal(f->err.kind, ERR_CORRUPT);
        if (!strstr(f->err.text, cases[i].text))
            fail_msg("%s", f->err.text);
        assert_int_equal(queue_each_job(f->queue, &(struct queue_filter){ .id = { 3, 1 } }, append_id, &ids, &f->err), -1);
        assert_ok(queue_get_job(f->queue, (struct job_id){ 3, 2 }, &got, &f->err), f->err);
        queue_job_release(&got);
        run_sql(f, "UPDATE job SET ad = '{}', state = 0");
    }
    run_sql(f, "UPDATE cluster SET ad = 'x'");
    assert_ok(try_open(f), f->err);
    got = job_of(3, 0);
    struct ad *full = NULL;
    assert_int_equal(queue_full_ad(f->queue, &got, &full, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
    assert_null(full);
}

/* Every page of a queue in turn becomes rubbish: reading gives an error of the right kind or the truth, and never a crash. */
static void a_damaged_page_is_an_error_and_never_a_crash(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf file = { 0 };
    auto_ad struct ad *ad = ad_new();
    int found = 0;
    fixture_add(f, 1, 600);
    for (int i = 0; i < 100; i++)
        queue_add_event(f->queue, (struct job_id){ 1, i }, ad, true, NULL, NULL);
    queue_close(steal(f->queue));
    assert_int_equal(file_read(f->scratch.fd, "queue.db", &file, NULL), 0);
    for (size_t page = 0; page < file.len / PAGE * 2; page++) {
        char *at = file.data + page / 2 * PAGE + (page < 2 ? 100 : 0);
        char saved[PAGE - 100];
        memcpy(saved, at, sizeof saved);
        for (size_t i = 0; i < sizeof saved; i++)
            at[i] = page % 2 ? (char)(i * 31 + page) : (char)0xff;
        scratch_write(&f->scratch, "queue.db", file.data, file.len);
        memcpy(at, saved, sizeof saved);
        auto_buf struct buf ids = { 0 };
        int64_t counts[JOB_STATE_COUNT];
        int r = queue_open(f->scratch.path, &f->queue, &f->err);
        if (r == 0 && (r = queue_each_job(f->queue, &every, append_id, &ids, &f->err)) == 0)
            r = queue_count_states(f->queue, counts, &f->err);
        if (r < 0) {
            assert_int_equal(f->err.kind, ERR_CORRUPT);
            found++;
        } else {
            assert_int_equal(ids.len, 10 * 3 + 90 * 4 + 500 * 5 + 599);
        }
        queue_close(steal(f->queue));
    }
    assert_true(found > 10);
}

static void a_truncated_database_is_damage(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf ids = { 0 };
    fixture_add(f, 1, 600);
    queue_close(steal(f->queue));
    auto_free char *path = mem_printf("%s/queue.db", f->scratch.path);
    assert_int_equal(truncate(path, 5 * PAGE), 0);
    int r = queue_open(f->scratch.path, &f->queue, &f->err);
    if (r == 0)
        r = queue_each_job(f->queue, &every, append_id, &ids, &f->err);
    assert_int_equal(r, -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
}

static void a_record_has_a_named_limit(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *ad = ad_new();
    auto_free char *text = mem_zero(1, QUEUE_RECORD_MAX + 1);
    memset(text, 'x', QUEUE_RECORD_MAX);
    ad_set_string(ad, "Text", text);
    assert_int_equal(queue_add_cluster(f->queue, 1, ad, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    fixture_add(f, 1, 1);
}

/* ---- versions ---- */

static int64_t number(struct fixture *f, const char *sql)
{
    auto_statement struct statement st = { 0 };
    assert_ok(statement_open(f->queue, sql, &st, &f->err), f->err);
    assert_int_equal(statement_step(&st, &f->err), STATEMENT_ROW);
    return take_int(&st);
}

static const char read_version[] = "PRAGMA user_version", read_added[] = "SELECT added FROM job";

static void a_newer_version_is_refused_with_what_to_do(void **state)
{
    struct fixture *f = *state;
    run_sql(f, "PRAGMA user_version = 99");
    assert_int_equal(try_open(f), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_non_null(strstr(f->err.text, "has version 99, this program knows versions up to"));
    run_sql(f, "PRAGMA user_version = -1");
    assert_int_equal(try_open(f), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
}

static int open_with_step(struct fixture *f, const char *step)
{
    int count;
    const char *const *known = queue_migrations(&count);
    const char *steps[32];
    for (int i = 0; i < count; i++)
        steps[i] = known[i];
    steps[count] = step;
    queue_close(steal(f->queue));
    return queue_open_with(f->scratch.path, steps, count + 1, &f->queue, &f->err);
}

static void an_older_queue_is_migrated_with_its_content(void **state)
{
    static const char step[] = "ALTER TABLE job ADD COLUMN added INTEGER NOT NULL DEFAULT 7; UPDATE job SET added = 8;";
    struct fixture *f = *state;
    fixture_add(f, 1, 1);
    int64_t version = number(f, read_version);
    for (int i = 0; i < 2; i++) { /* the second time there is nothing to do */
        assert_ok(open_with_step(f, step), f->err);
        assert_int_equal(number(f, read_version), version + 1);
        assert_int_equal(number(f, read_added), 8);
        assert_selects(f, every, "1.0");
    }
    assert_int_equal(try_open(f), -1); /* for the program without the step it is a newer one now */
}

static void a_migration_that_fails_leaves_the_old_version(void **state)
{
    struct fixture *f = *state;
    char says[48];
    fixture_add(f, 1, 1);
    int64_t version = number(f, read_version);
    snprintf(says, sizeof says, "step %d: cannot migrate", (int)version + 1);
    assert_int_equal(open_with_step(f, "ALTER TABLE job ADD COLUMN added INTEGER; DROP TABLE nothing;"), -1);
    assert_non_null(strstr(f->err.text, says));
    assert_ok(try_open(f), f->err);
    assert_int_equal(number(f, read_version), version);
    assert_selects(f, every, "1.0");
}

static void a_kill_during_the_first_migration_leaves_an_empty_queue_to_begin_with(void **state)
{
    struct fixture *f = *state;
    queue_close(steal(f->queue));
    unlinkat(f->scratch.fd, "queue.db", 0);
    assert_int_equal(child_run("queue.commit:kill", "once", f->scratch.path), -9);
    assert_ok(queue_open(f->scratch.path, &f->queue, &f->err), f->err);
    fixture_add(f, 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "child") == 0)
        return child_main(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        TEST(a_kill_before_the_commit_leaves_the_old_state_and_after_it_the_new),
        TEST(a_failing_commit_rolls_back_and_the_queue_is_usable),
        TEST(a_failure_after_the_commit_changes_nothing),
        TEST(a_kill_at_any_moment_leaves_whole_transactions),
        TEST(a_full_disk_rolls_back_and_the_queue_works_on),
        TEST(a_failing_write_rolls_back_and_the_queue_works_on),
        TEST(the_files_are_private_whatever_the_umask),
        TEST(what_is_no_file_is_refused),
        TEST(a_second_pool_is_kept_out),
        TEST(a_queue_that_cannot_be_written_is_refused),
        TEST(what_is_no_database_is_refused),
        TEST(another_programs_database_is_refused_and_left_alone),
        TEST(a_damaged_record_is_named),
        TEST(a_damaged_page_is_an_error_and_never_a_crash),
        TEST(a_truncated_database_is_damage),
        TEST(a_record_has_a_named_limit),
        TEST(a_newer_version_is_refused_with_what_to_do),
        TEST(an_older_queue_is_migrated_with_its_content),
        TEST(a_migration_that_fails_leaves_the_old_version),
        TEST(a_kill_during_the_first_migration_leaves_an_empty_queue_to_begin_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
