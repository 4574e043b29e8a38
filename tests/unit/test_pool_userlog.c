/* Events in users' logs: their text, each once and in order, and logs that cannot be written. */
#include "job/eventlog.h"
#include "pool_fixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WALL INT64_C(1700000000000000) /* 2023-11-14 22:13:20 UTC */
#define AT " (001.000.000) 2023-11-14 22:13:20 "
#define USAGE "\t\tUsr 0 00:00:02, Sys 0 00:00:01  -  Run Remote Usage\n" \
                     "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
#define TOTALS "\t\tUsr 0 00:00:09, Sys 0 00:00:04  -  Total Remote Usage\n" \
               "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Local Usage\n"
#define RESOURCES                                                                      \
    "\tPartitionable Resources :    Usage  Request Allocated \n"                      \
    "\t   Cpus                 :     0.75        2         2 \n"                      \
    "\t   Disk (KB)            :       30     1024      1024 \n"                      \
    "\t   Memory (MB)          :        2      128       128 \n"
#define ENDED                                                                                             \
    "\"UserUs\":2000000,\"SysUs\":1000000,\"TotalUserUs\":9000000,\"TotalSysUs\":4000000,\"OccupiedUs\":4000000," \
    "\"Cpus\":2,\"MemoryMb\":128,\"DiskKb\":1024,\"RssKb\":1025,\"DiskUsedKb\":30"

/* One event of job 1.0; the log is "log" unless the job's ad says otherwise. */
static void add_event(struct fixture *f, const char *name, int64_t wall_us, const char *more, const char *log)
{
    struct queue_job job = fixture_get(f, 1, 0);
    struct ad *full = NULL;
    auto_free char *json = mem_printf("{\"Event\":\"%s\",\"Time\":%lld%s%s}", name, (long long)wall_us, *more ? "," : "", more);
    assert_ok(queue_full_ad(f->pool.queue, &job, &full, &f->err), f->err);
    if (log)
        ad_set_string(full, "UserLog", log);
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(event_add(&f->pool, &job, full, from_json(json), &f->err), f->err);
    assert_ok(event_commit(&f->pool, &f->err), f->err);
    ad_free(full);
    queue_job_release(&job);
}

static char *log_text(struct fixture *f, const char *name)
{
    struct buf text = { 0 };
    assert_true(file_read(f->scratch.fd, name, &text, &f->err) >= 0);
    return text.data ? buf_steal(&text) : mem_dup("");
}

static void assert_log(struct fixture *f, const char *name, const char *want)
{
    auto_free char *text = log_text(f, name);
    assert_string_equal(text, want);
}

static bool count_event(void *data, const struct queue_event *event)
{
    (void)event;
    ++*(int *)data;
    return true;
}

static int unlogged(struct fixture *f)
{
    int count = 0;
    assert_ok(queue_each_unlogged(f->pool.queue, 0, count_event, &count, &f->err), f->err);
    return count;
}

/* A job whose submission is in the log already, and the log empty. */
static int setup(void **state)
{
    int r = fixture_setup(state);
    struct fixture *f = *state;
    fixture_submit(f, 1, "");
    userlog_round(&f->pool);
    unlinkat(f->scratch.fd, "log", 0);
    return r;
}

/* ---- texts ---- */

/* HOST stands for this machine's name. */
static const struct { const char *event, *more, *text; } texts[] = {
    { "submitted", "", "000" AT "Job submitted from host: <HOST>\n...\n" },
    { "running", "\"Execution\":1", "001" AT "Job executing on host: <HOST>\n...\n" },
    { "running", "\"Execution\":2", "" },
    { "checkpoint_taken", "\"Generation\":3,\"Bytes\":4096,\"PauseUs\":120,\"LatencyUs\":77,\"UserUs\":2000000,\"SysUs\":1000000",
      "003" AT "Job was checkpointed.\n"
      "\tUsr 0 00:00:02, Sys 0 00:00:01  -  Run Remote Usage\n\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
      "\t4096  -  Run Bytes Sent By Job For Checkpoint\n"
      "\tGeneration = 3\n\tBytes = 4096\n\tPauseUs = 120\n\tLatencyUs = 77\n...\n" },
    { "checkpoint_taken", "\"Generation\":3,\"Bytes\":0,\"LatencyUs\":-1",
      "003" AT "Job was checkpointed.\n"
      "\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage\n\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
      "\t0  -  Run Bytes Sent By Job For Checkpoint\n\tGeneration = 3\n\tBytes = 0\n...\n" },
    { "evicted", "\"Checkpointed\":true,\"Reason\":\"by ann\"," ENDED,
      "004" AT "Job was evicted.\n\t(1) Job was checkpointed.\n" USAGE
      "\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n\tReason: by ann\n" RESOURCES "...\n" },
    { "evicted", "\"Checkpointed\":false,\"Reason\":\"a\\n...\\n005 faked\"",
      "004" AT "Job was evicted.\n\t(0) CPU times\n"
      "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage\n\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
      "\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n\tReason: a ... 005 faked\n"
      "\tPartitionable Resources :    Usage  Request Allocated \n\t   Cpus                 :        0                    \n...\n" },
    { "failed", "\"Reason\":\"code 1\"," ENDED,
      "004" AT "Job was evicted.\n\t(0) Job terminated and was requeued\n" USAGE
      "\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n"
      "\t(0) Abnormal termination (signal 0)\n\t(0) No core file\n\tReason: code 1\n" RESOURCES "...\n" },
    { "completed", "\"ExitBySignal\":false,\"ExitCode\":3," ENDED,
      "005" AT "Job terminated.\n\t(1) Normal termination (return value 3)\n" USAGE TOTALS
      "\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n"
      "\t0  -  Total Bytes Sent By Job\n\t0  -  Total Bytes Received By Job\n" RESOURCES
      "\n\tJob terminated of its own accord at 2023-11-14T22:13:20Z with exit-code 3.\n...\n" },
    { "completed", "\"ExitBySignal\":true,\"ExitSignal\":11," ENDED,
      "005" AT "Job terminated.\n\t(0) Abnormal termination (signal 11)\n\t(0) No core file\n" USAGE TOTALS
      "\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n"
      "\t0  -  Total Bytes Sent By Job\n\t0  -  Total Bytes Received By Job\n" RESOURCES
      "\n\tJob terminated of its own accord at 2023-11-14T22:13:20Z with signal 11.\n...\n" },
    { "image_size", "\"Size\":5000,\"ResidentSetSize\":3000,\"MemoryUsage\":3",
      "006" AT "Image size of job updated: 5000\n\t3  -  MemoryUsage of job (MB)\n\t3000  -  ResidentSetSize of job (KB)\n...\n" },
    { "removed", "\"Reason\":\"by ann\"", "009" AT "Job was aborted.\n\tby ann\n...\n" },
    { "suspended", "", "010" AT "Job was suspended.\n\tNumber of processes actually suspended: 1\n...\n" },
    { "continued", "", "011" AT "Job was unsuspended.\n...\n" },
    { "held", "\"Reason\":\"no input\",\"Code\":13,\"Subcode\":2", "012" AT "Job was held.\n\tno input\n\tCode 13 Subcode 2\n...\n" },
    { "released", "\"Reason\":\"by ann\"", "013" AT "Job was released.\n\tby ann\n...\n" },
    { "disconnected", "",
      "022" AT "Job disconnected, attempting to reconnect\n    the pool was restarted\n    Trying to reconnect to <HOST> <HOST>\n...\n" },
    { "reconnected", "", "023" AT "Job reconnected to <HOST>\n    startd address: <HOST>\n    starter address: <HOST>\n...\n" },
    { "runner_lost", "\"Reason\":\"its runner died\"",
      "022" AT "Job disconnected, attempting to reconnect\n    its runner died\n    Trying to reconnect to <HOST> <HOST>\n...\n"
      "024" AT "Job reconnection failed\n    its runner died\n    Can not reconnect to <HOST>, rescheduling job\n...\n" },
    { "checkability", "\"Problems\":[\"uses io_uring\",\"x\\n...\\n005 faked\"]",
      "021" AT "Warning from runner on <HOST>:\n\tthis job can not be checkpointed as it is: uses io_uring; x ... 005 faked\n...\n" },
    { "transfer_started", "\"Bytes\":0,\"AllFiles\":2", "040" AT "Started transferring input files\n...\n" },
    { "transfer_finished", "\"Bytes\":9,\"AllFiles\":2", "040" AT "Finished transferring input files\n...\n" },
    { "checkability", "\"Problems\":[]", "" },
    { "checkpoint_method", "\"Method\":\"none\",\"Reason\":\"x\"", "" },
    { "checkpoint_captured", "\"PauseUs\":4", "" },
    { "checkpoint_verified", "\"Generation\":4", "" },
    { "checkpoint_asked", "\"Why\":\"user\"", "" },
    { "checkpoint_failed", "\"Reason\":\"x\"", "" },
    { "checkpoint_refused", "\"Reason\":\"x\"", "" },
    { "generation_corrupt", "\"Generation\":1", "" },
    { "note", "\"Text\":\"x\"", "" },
    { "vacating", "", "" },
    { "edited", "", "" },
};

static char *with_host(const char *text)
{
    struct buf out = { 0 };
    char host[128];
    assert_int_equal(gethostname(host, sizeof host), 0);
    for (const char *at; (at = strstr(text, "HOST")); text = at + 4) {
        buf_add(&out, text, (size_t)(at - text));
        buf_text(&out, host);
    }
    buf_text(&out, text);
    return buf_steal(&out);
}

static void every_event_has_its_text(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        auto_free char *want = with_host(texts[i].text);
        unlinkat(f->scratch.fd, "log", 0);
        add_event(f, texts[i].event, WALL, texts[i].more, NULL);
        userlog_round(&f->pool);
        assert_log(f, "log", want);
        assert_int_equal(unlogged(f), 0);
    }
}

static void every_text_is_one_that_readers_take(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(texts); i++)
        add_event(f, texts[i].event, WALL, texts[i].more, NULL);
    userlog_round(&f->pool);
    auto_free char *text = log_text(f, "log");
    size_t at = 0, used, len = strlen(text);
    int count = 0;
    for (; at < len; at += used, count++) {
        auto_ad struct ad *event = NULL;
        assert_ok(eventlog_parse(text + at, len - at, &used, &event, &f->err), f->err);
        assert_int_equal(ad_int(event, "Cluster", 0), 1);
        assert_int_equal(ad_int(event, "EventTime", 0), WALL);
    }
    assert_int_equal(count, 22);
}

static void a_job_without_a_log_has_none(void **state)
{
    struct fixture *f = *state;
    add_event(f, "released", WALL, "", "");
    assert_int_equal(unlogged(f), 0);
    userlog_round(&f->pool);
    assert_log(f, "log", "");
}

static void an_absolute_path_is_taken_as_it_is(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = mem_printf("%s/elsewhere", f->scratch.path);
    add_event(f, "continued", WALL, "", path);
    userlog_round(&f->pool);
    assert_log(f, "elsewhere", "011" AT "Job was unsuspended.\n...\n");
}

/* ---- once ---- */

#define RELEASED(reason) "013" AT "Job was released.\n\t" reason "\n...\n"

static void what_a_killed_pool_had_written_is_not_written_again(void **state)
{
    struct fixture *f = *state;
    add_event(f, "released", WALL, "\"Reason\":\"one\"", NULL);
    add_event(f, "released", WALL, "\"Reason\":\"two\"", NULL);
    static const char before[] = RELEASED("one"); /* killed between the write and the mark */
    scratch_write(&f->scratch, "log", before, sizeof before - 1);
    fixture_reopen(f);
    userlog_round(&f->pool);
    assert_log(f, "log", RELEASED("one") RELEASED("two"));
    add_event(f, "released", WALL, "\"Reason\":\"one\"", NULL); /* alike, but another one */
    userlog_round(&f->pool);
    assert_log(f, "log", RELEASED("one") RELEASED("two") RELEASED("one"));
}

static void twins_of_one_second_are_both_written(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        add_event(f, "released", WALL, "\"Reason\":\"one\"", NULL);
    static const char before[] = RELEASED("one") RELEASED("one");
    scratch_write(&f->scratch, "log", before, sizeof before - 1);
    fixture_reopen(f);
    userlog_round(&f->pool);
    assert_log(f, "log", RELEASED("one") RELEASED("one") RELEASED("one"));
}

/* One round by a pool that runs into a fault; the rules are read once in a process, so it is one of its own. */
static int faulty_round(struct fixture *f, const char *fault)
{
    int status;
    pool_close(&f->pool);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("STINT_FAULT", fault, 1);
        execl("/proc/self/exe", "round", "--round", f->scratch.path, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    fixture_open(f);
    return status;
}

static int run_round(const char *dir)
{
    struct pool pool;
    struct error err;
    int result = pool_open_state(&pool, dir, &err);
    if (result == 0)
        userlog_round(&pool);
    pool_close(&pool);
    return result;
}

static void a_kill_anywhere_writes_each_event_once(void **state)
{
    static const char *const points[] = { "pool.log.write:kill", "pool.log.write:kill@2", "pool.log.written:kill",
                                          "queue.commit:kill", "queue.committed:kill" };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(points); i++) {
        unlinkat(f->scratch.fd, "log", 0);
        add_event(f, "released", WALL + (int64_t)i * 1000000, "\"Reason\":\"one\"", NULL);
        add_event(f, "released", WALL + (int64_t)i * 1000000, "\"Reason\":\"two\"", NULL);
        int status = faulty_round(f, points[i]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        userlog_round(&f->pool);
        auto_free char *text = log_text(f, "log");
        const char *one = strstr(text, "\tone\n"), *two = strstr(text, "\ttwo\n");
        if (!one || !two || two < one || strstr(one + 1, "\tone\n") || strstr(two + 1, "\ttwo\n"))
            fail_msg("%s leads to '%s'", points[i], text);
        assert_int_equal(unlogged(f), 0);
    }
}

static void many_events_take_many_marks(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1100; i++) { /* more than two batches */
        char more[32];
        snprintf(more, sizeof more, "\"Reason\":\"no. %d.\"", i);
        add_event(f, "released", WALL, more, NULL);
    }
    do
        userlog_round(&f->pool);
    while (f->pool.logs);
    auto_free char *text = log_text(f, "log");
    const char *at = text;
    for (int i = 0; i < 1100; i++) {
        char reason[32];
        snprintf(reason, sizeof reason, "\tno. %d.\n", i);
        at = strstr(at, reason);
        assert_non_null(at);
    }
    assert_int_equal(unlogged(f), 0);
    assert_false(f->pool.logs);
}

/* ---- damage and hindrance ---- */

static void the_torn_end_of_another_writer_is_closed_first(void **state)
{
    struct fixture *f = *state;
    scratch_write(&f->scratch, "log", "001 (009.0", 10);
    add_event(f, "continued", WALL, "", NULL);
    userlog_round(&f->pool);
    assert_log(f, "log", "001 (009.0\n...\n011" AT "Job was unsuspended.\n...\n");
}

/* Another process that holds the log's lock, until it is let go. */
static pid_t lock_log(struct fixture *f, int *let_go)
{
    int ends[2], ready[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = openat(f->scratch.fd, "log", O_RDWR | O_CREAT, 0644);
        close(ends[1]);
        _exit(fcntl(fd, F_SETLK, &lock) < 0 || write(ready[1], "+", 1) != 1 || read(ends[0], &byte, 1) != 0);
    }
    close(ends[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *let_go = ends[1];
    return pid;
}

static void a_locked_log_is_not_waited_for_and_gets_its_events_later(void **state)
{
    struct fixture *f = *state;
    int let_go, status;
    int64_t now = clock_wall_us();
    pid_t pid = lock_log(f, &let_go);
    add_event(f, "released", now, "\"Reason\":\"one\"", NULL);
    add_event(f, "continued", now, "", "other");
    add_event(f, "released", now, "\"Reason\":\"two\"", NULL);
    userlog_round(&f->pool);
    assert_log(f, "log", "");
    auto_free char *other = log_text(f, "other"); /* nobody else waits for it */
    assert_contains(other, "Job was unsuspended.");
    assert_int_equal(unlogged(f), 2);
    assert_true(f->pool.logs_due_us < INT64_MAX);
    close(let_go);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    add_event(f, "released", now, "\"Reason\":\"three\"", NULL);
    userlog_round(&f->pool); /* it is tried again later, for the new event as for the old ones */
    assert_int_equal(unlogged(f), 3);
    userlog_hurry(&f->pool, false);
    userlog_round(&f->pool);
    auto_free char *text = log_text(f, "log");
    assert_true(strstr(text, "\tthree\n") > strstr(text, "\ttwo\n"));
    assert_true(f->pool.logs_due_us == INT64_MAX && !f->pool.blocked_logs);
    assert_non_null(strstr(text, "\tone\n"));
    assert_true(strstr(text, "\ttwo\n") > strstr(text, "\tone\n"));
    assert_int_equal(unlogged(f), 0);
}

static void a_log_that_cannot_be_one_is_given_up_after_an_hour(void **state)
{
    static const char *const names[] = { "directory", "nowhere/log", "log/below" };
    struct fixture *f = *state;
    assert_int_equal(mkdirat(f->scratch.fd, "directory", 0700), 0);
    scratch_write(&f->scratch, "log", "", 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        add_event(f, "continued", clock_wall_us(), "", names[i]);
        userlog_round(&f->pool);
        assert_int_equal(unlogged(f), (int)i + 1);
    }
    add_event(f, "released", WALL, "\"Reason\":\"mine\"", NULL); /* and its own log goes on, whatever the wall clock says */
    userlog_round(&f->pool);
    assert_int_equal(unlogged(f), COUNT(names));
    assert_log(f, "log", RELEASED("mine"));
    userlog_hurry(&f->pool, false);
    userlog_round(&f->pool);
    assert_int_equal(unlogged(f), COUNT(names));
    userlog_hurry(&f->pool, true);
    userlog_round(&f->pool);
    assert_int_equal(unlogged(f), 0);
}

static void set_uid(struct fixture *f, uid_t uid)
{
    struct queue_job job = fixture_get(f, 1, 0);
    job.uid = uid;
    fixture_put(f, &job);
    queue_job_release(&job);
}

/* Somebody who names another one's log, which he may not write, must not keep that one's events from it. */
static void a_log_is_blocked_for_one_user_only(void **state)
{
    struct fixture *f = *state;
    if (geteuid() != 0)
        skip(); /* only root writes for others */
    set_uid(f, 65534);
    add_event(f, "released", WALL, "\"Reason\":\"theirs\"", NULL);
    set_uid(f, 0);
    add_event(f, "released", WALL, "\"Reason\":\"mine\"", NULL);
    userlog_round(&f->pool);
    assert_log(f, "log", RELEASED("mine"));
    assert_int_equal(unlogged(f), 1);
}

static void one_users_bad_logs_are_bounded_and_do_not_keep_others_waiting(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "nowhere/%d", i);
        add_event(f, "continued", WALL, "", name);
    }
    for (int i = 0; i < 100; i++) { /* more than are open at a time */
        char name[32];
        snprintf(name, sizeof name, "log.%d", i);
        add_event(f, "continued", WALL, "", name);
    }
    do
        userlog_round(&f->pool);
    while (f->pool.logs);
    assert_int_equal(unlogged(f), 256);
    assert_log(f, "log.99", "011" AT "Job was unsuspended.\n...\n");
}

static void a_fifo_that_nobody_reads_does_not_stop_the_pool(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkfifoat(f->scratch.fd, "fifo", 0600), 0);
    for (int i = 0; i < 400; i++) /* more than a pipe holds */
        add_event(f, "completed", clock_wall_us(), ENDED, "fifo");
    add_event(f, "continued", WALL, "", NULL);
    userlog_round(&f->pool);
    assert_log(f, "log", "011" AT "Job was unsuspended.\n...\n");
}

static void what_a_full_disk_cut_off_is_taken_back(void **state)
{
    struct fixture *f = *state;
    add_event(f, "released", clock_wall_us(), "\"Reason\":\"one\"", NULL);
    assert_int_equal(faulty_round(f, "pool.log.write:ENOSPC"), 0);
    assert_log(f, "log", "");
    assert_int_equal(unlogged(f), 1);
    userlog_round(&f->pool);
    auto_free char *text = log_text(f, "log");
    assert_contains(text, "\tone\n...\n");
}

/* Root may write everything, but the log is its owner's: there the owner is somebody who cannot even reach it. */
static void a_log_is_written_with_its_owners_rights(void **state)
{
    struct fixture *f = *state;
    bool root = geteuid() == 0;
    scratch_write(&f->scratch, "log", "", 0);
    if (root) {
        struct queue_job job = fixture_get(f, 1, 0);
        job.uid = 65534;
        fixture_put(f, &job);
        queue_job_release(&job);
    }
    assert_int_equal(fchmodat(f->scratch.fd, "log", 0400, 0), 0);
    add_event(f, "continued", clock_wall_us(), "", NULL);
    userlog_round(&f->pool);
    assert_log(f, "log", "");
    assert_int_equal(unlogged(f), 1);
    assert_int_equal(fchmodat(f->scratch.fd, "log", 0666, 0), 0);
    assert_int_equal(fchmod(f->scratch.fd, 0711), 0);
    userlog_hurry(&f->pool, false);
    userlog_round(&f->pool);
    assert_int_equal(unlogged(f), 0);
    assert_int_equal(geteuid() == 0, root);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--round") == 0)
        return run_round(argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(every_event_has_its_text),
        TEST(every_text_is_one_that_readers_take),
        TEST(a_job_without_a_log_has_none),
        TEST(an_absolute_path_is_taken_as_it_is),
        TEST(what_a_killed_pool_had_written_is_not_written_again),
        TEST(twins_of_one_second_are_both_written),
        TEST(a_kill_anywhere_writes_each_event_once),
        TEST(many_events_take_many_marks),
        TEST(the_torn_end_of_another_writer_is_closed_first),
        TEST(a_locked_log_is_not_waited_for_and_gets_its_events_later),
        TEST(a_log_that_cannot_be_one_is_given_up_after_an_hour),
        TEST(a_log_is_blocked_for_one_user_only),
        TEST(one_users_bad_logs_are_bounded_and_do_not_keep_others_waiting),
        TEST(a_fifo_that_nobody_reads_does_not_stop_the_pool),
        TEST(what_a_full_disk_cut_off_is_taken_back),
        TEST(a_log_is_written_with_its_owners_rights),
    };
    return cmocka_run_group_tests_name("pool_userlog", tests, NULL, NULL);
}
