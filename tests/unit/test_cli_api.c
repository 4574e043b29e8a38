/* Commands against a pool that answers from a script: what they ask, what they say, how they end. */
#include "cli_fixture.h"

static void answers_that_make_no_sense_give_one_sentence(void **state)
{
    static const struct {
        const char *raw;
        const char *sentence;
    } rows[] = {
        { NULL, "closed the connection without an answer" },
        { "HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{\"Users\":", "broke off after 9 of 100 bytes" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding" },
        { "garbage", "not HTTP" },
        { FAKE_OK("{\"Users\":[}"), "the pool's answer makes no sense" },
        { FAKE_OK("[1,2]"), "the pool's answer makes no sense" },
        { "HTTP/1.0 200 OK\r\nContent-Length: 999999999999\r\n\r\n", "longer than 256 MiB" },
        { "HTTP/1.0 500 No\r\n\r\nsorry", "answered with status 500 and no reason" },
        { "HTTP/1.0 403 No\r\n\r\n{\"Error\":\"not yours\\u001b[2J\",\"Kind\":\"denied\"}", "stint: not yours?[2J\n" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct fake_line script[] = { { "GET /v1/users", rows[i].raw, 0 } };
        fake_start(pool, script, 1);
        struct cli_result r = cli_run("users", NULL);
        assert_int_equal(r.status, CLI_FAILURE);
        assert_string_equal(r.out, "");
        assert_contains(r.err, rows[i].sentence);
        assert_ptr_equal(strchr(r.err, '\n'), strrchr(r.err, '\n'));
        cli_result_release(&r);
        fake_stop(pool);
    }
}

static void a_question_is_asked_again_when_the_connection_broke(void **state)
{
    static const struct fake_line script[] = { { "GET /v1/users", NULL, 1 }, { "GET /v1/users", FAKE_OK("{\"Users\":[]}"), 1 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("users", NULL);
    assert_int_equal(r.status, CLI_OK);
    cli_result_release(&r);
}

static void an_order_is_never_given_twice(void **state)
{
    static const struct fake_line script[] = { { "POST /v1/actions", NULL, 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("rm", "7", NULL);
    auto_free char *requests = fake_requests(pool);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_contains(r.err, "can be seen with 'stint q'");
    assert_string_equal(requests, "POST /v1/actions HTTP/1.0 {\"Action\":\"remove\",\"Jobs\":[\"7\"]}\n");
    cli_result_release(&r);
}

static void without_a_pool_a_command_says_how_to_start_one(void **state)
{
    struct cli_result r = cli_run("q", NULL);
    (void)state;
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.err,
                        "stint: no pool is running; it starts with the first 'stint submit' or with 'stint pool start'\n");
    cli_result_release(&r);
}

static void write_program(struct fake_pool *pool, const char *text)
{
    scratch_write(&pool->dir, "stint-pool", text, strlen(text));
    fchmodat(pool->dir.fd, "stint-pool", 0700, 0);
}

static void a_pool_that_cannot_start_has_the_last_word(void **state)
{
    static const struct {
        const char *program;
        const char *sentence;
    } rows[] = {
        { "#!/bin/sh\necho one >&2\necho 'stint-pool: the disk is full' >&2\nexit 1\n",
          "stint: cannot start the pool: the disk is full\n" },
        { "#!/bin/sh\nexit 3\n", "ended with exit status 3" },
        { "#!/bin/sh\nkill -9 $$\n", "died of signal 9" },
        { "#!/bin/sh\nexit 0\n", "the pool was started and does not answer" },
        { "#!/bin/sh\nsleep 5 >&2 & exit 1\n", "ended with exit status 1" }, /* a child that keeps stderr does not keep us */
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        write_program(pool, rows[i].program);
        struct cli_result r = cli_run("pool", "start", NULL);
        assert_int_equal(r.status, CLI_FAILURE);
        assert_contains(r.err, rows[i].sentence);
        cli_result_release(&r);
    }
}

static void only_a_wanted_pool_is_started_by_a_question(void **state)
{
    struct fake_pool *pool = *state;
    write_program(pool, "#!/bin/sh\necho \"$1 $2\" > \"$2/started\"\necho 'stint-pool: not today' >&2\nexit 1\n");
    struct cli_result before = cli_run("q", NULL);
    assert_int_equal(faccessat(pool->dir.fd, "started", F_OK, 0), -1);
    scratch_write(&pool->dir, "pool.wanted", "", 0);
    struct cli_result after = cli_run("q", NULL);
    assert_contains(before.err, "no pool is running");
    assert_contains(after.err, "not today");
    auto_buf struct buf started = { 0 };
    assert_int_equal(file_read(pool->dir.fd, "started", &started, NULL), 0);
    auto_free char *expected = mem_printf("start %s\n", pool->dir.path);
    assert_string_equal(buf_cstr(&started), expected);
    struct cli_result status = cli_run("pool", "status", NULL);
    assert_contains(status.err, "no pool is running");
    cli_result_release(&before);
    cli_result_release(&after);
    cli_result_release(&status);
}

static void json_is_the_pools_answer_as_it_came(void **state)
{
    static const char body[] = "{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"Odd\":1.50}]}\n";
    static const struct fake_line script[] = {
        { "GET /v1/jobs", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"Odd\":1.50}]}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result q = cli_run("q", "--json", "7", "8.1", NULL), past = cli_run("history", "--json", NULL);
    auto_free char *requests = fake_requests(pool);
    assert_int_equal(q.status, CLI_OK);
    assert_string_equal(q.out, body);
    assert_string_equal(past.out, body);
    assert_contains(requests, "GET /v1/jobs?id=7&id=8.1 HTTP/1.0\n");
    assert_contains(requests, "GET /v1/jobs?history=1&limit=100 HTTP/1.0\n");
    cli_result_release(&q);
    cli_result_release(&past);
}

static void attributes_are_printed_bare(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/jobs?attributes=ProcId,Cmd,Nope", FAKE_OK("{\"Jobs\":[{\"ProcId\":0,\"Cmd\":\"/bin/a\\nb\"},{\"ProcId\":1}]}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("q", "--af", "ProcId,Cmd,Nope", NULL);
    assert_string_equal(r.out, "0 /bin/a b undefined\n1 undefined undefined\n");
    cli_result_release(&r);
    r = cli_run("q", "--af", "a b", NULL);
    assert_int_equal(r.status, CLI_USAGE);
    cli_result_release(&r);
}

static void actions_say_what_was_done_and_what_was_not(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/actions HTTP/1.0 {\"Action\":\"hold\",\"Jobs\":[\"7.0\"],\"Reason\":\"a \\\"reason\\\"\"}",
          FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Message\":\"\",\"Seq\":3}]}"), 0 },
        { "POST /v1/actions HTTP/1.0 {\"Action\":\"vacate\",\"Jobs\":[\"7\",\"9\"],\"Fast\":true}",
          FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Message\":\"7.0: killed\"},{\"Id\":\"9\",\"Ok\":false,\"Message\":\"no such job\"}]}"), 0 },
        { "POST /v1/actions HTTP/1.0 {\"Action\":\"remove\",\"Jobs\":[],\"Constraint\":\"true\"}", FAKE_OK("{\"Results\":[]}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("hold", "7.0", "--reason", "a \"reason\"", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "7.0: held\nlet it run again with: stint release 7.0\n");
    cli_result_release(&r);
    r = cli_run("vacate", "7", "9", "--fast", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.out, "7.0: killed\n");
    assert_string_equal(r.err, "9: no such job\n");
    cli_result_release(&r);
    r = cli_run("rm", "--all", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.err, "no job matches\n");
    cli_result_release(&r);
}

static void a_checkpoint_is_followed_to_its_end(void **state)
{
    static const struct {
        const char *events;
        int status;
        const char *said;
    } rows[] = {
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"checkpoint_taken\",\"Generation\":3,\"Bytes\":1536,\"PauseUs\":12000,"
          "\"LatencyUs\":40000,\"Why\":\"user\"}", CLI_OK, "7.0: checkpoint 3 taken: 1.5 KiB, pause 12ms, latency 40ms (user)\n" },
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"checkpoint_failed\",\"Reason\":\"disk full\",\"Why\":\"user\"}", CLI_FAILURE,
          "7.0: checkpoint failed: disk full (user)\n" },
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"checkpoint_refused\",\"Reason\":\"it has no signal\"}", CLI_FAILURE,
          "7.0: checkpoint refused: it has no signal\n" },
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"completed\",\"ExitCode\":0}", CLI_OK, "7.0: completed: exit 0\n" },
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"evicted\",\"Checkpointed\":true,\"LostUs\":0}", CLI_OK,
          "7.0: evicted with a checkpoint, 0s lost\n" },
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"evicted\",\"Checkpointed\":false}", CLI_FAILURE,
          "7.0: evicted without a checkpoint\n" },
        { "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"removed\",\"Reason\":\"by me\"}", CLI_FAILURE, "7.0: removed: by me\n" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *events = mem_printf(FAKE_OK("{\"Events\":[{\"Seq\":10,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"image_size\"},"
                                                    "{\"Seq\":11,\"ClusterId\":8,\"ProcId\":0,\"Event\":\"checkpoint_taken\"},%s],\"Last\":11}"),
                                            rows[i].events);
        const struct fake_line script[] = {
            { "POST /v1/actions HTTP/1.0 {\"Action\":\"checkpoint\",\"Jobs\":[\"7.0\"]}",
              FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Message\":\"\",\"Seq\":9}]}"), 0 },
            { "GET /v1/events?after=9&", FAKE_OK("{\"Events\":[],\"Last\":9}"), 1 },
            { "GET /v1/events?after=9&", events, 1 },
        };
        fake_start(pool, script, COUNT(script));
        struct cli_result r = cli_run("checkpoint", "7.0", NULL);
        assert_string_equal(r.out, rows[i].said);
        assert_int_equal(r.status, rows[i].status);
        cli_result_release(&r);
        fake_stop(pool);
    }
}

static void a_checkpoint_that_is_refused_at_once_is_not_waited_for(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/actions", FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":false,\"Message\":\"it is idle\"}]}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("checkpoint", "7.0", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.err, "7.0: refused: it is idle\n");
    cli_result_release(&r);
}

static void a_checkpoint_that_does_not_come_is_left_with_the_job(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/actions", FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Seq\":9}]}"), 0 },
        { "GET /v1/events", FAKE_OK("{\"Events\":[],\"Last\":9}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("checkpoint", "7.0", "--timeout", "50ms", NULL);
    assert_int_equal(r.status, CLI_TIMED_OUT);
    assert_contains(r.err, "the request stays with the job");
    cli_result_release(&r);
    r = cli_run("checkpoint", "7.0", "--no-wait", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "1 job asked for a checkpoint\n");
    cli_result_release(&r);
}

static void ctrl_c_leaves_the_request_with_the_job(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/actions", FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Seq\":9}]}"), 0 },
        { "GET /v1/events", FAKE_OK("{\"Events\":[],\"Last\":9}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = { (char *)"stint", (char *)"checkpoint", (char *)"7.0", NULL };
        dup2(pipes[1], 2);
        _exit(cli_main(3, argv));
    }
    close(pipes[1]);
    for (bool asked = false; !asked;) {
        auto_free char *requests = fake_requests(pool);
        asked = strstr(requests, "/v1/events") != NULL;
    }
    kill(pid, SIGINT);
    int status;
    waitpid(pid, &status, 0);
    char text[256] = "";
    assert_true(read(pipes[0], text, sizeof text - 1) > 0);
    close(pipes[0]);
    assert_int_equal(WEXITSTATUS(status), CLI_INTERRUPTED);
    assert_contains(text, "the request stays with the job");
}

static void waiting_ends_with_the_status_of_the_first_job_that_failed(void **state)
{
    static const struct {
        const char *past;
        int status;
    } rows[] = {
        { "{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"completed\",\"ExitCode\":0}", 0 },
        { "{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"completed\",\"ExitCode\":3}", 3 },
        { "{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"completed\",\"ExitSignal\":9}", 137 },
        { "{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"removed\"}", 1 },
        { "{\"ClusterId\":7,\"ProcId\":2,\"JobState\":\"completed\",\"ExitCode\":4},"
          "{\"ClusterId\":7,\"ProcId\":1,\"JobState\":\"completed\",\"ExitCode\":5},"
          "{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"completed\",\"ExitCode\":0}", 5 },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *past = mem_printf(FAKE_OK("{\"Jobs\":[%s]}"), rows[i].past);
        const struct fake_line script[] = {
            { "GET /v1/pool", FAKE_OK("{\"LastEvent\":5}"), 0 },
            { "GET /v1/jobs?history=1&id=7", FAKE_OK("{\"Jobs\":[]}"), 1 },
            { "GET /v1/jobs?history=1&id=7", past, 0 },
            { "GET /v1/jobs?id=7", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"held\",\"HoldReason\":\"why not\"}]}"), 2 },
            { "GET /v1/jobs?id=7", FAKE_OK("{\"Jobs\":[]}"), 0 },
            { "GET /v1/events?after=5", FAKE_OK("{\"Events\":[{\"Seq\":6}],\"Last\":6}"), 1 },
        };
        fake_start(pool, script, COUNT(script));
        struct cli_result r = cli_run("wait", "7", NULL);
        assert_int_equal(r.status, rows[i].status);
        assert_contains(r.err, "7.0 is held: why not; it waits for 'stint release 7.0'");
        cli_result_release(&r);
        fake_stop(pool);
    }
}

static void waiting_for_nobody_is_an_error_and_a_timeout_is_124(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/pool", FAKE_OK("{\"LastEvent\":5}"), 0 },
        { "GET /v1/jobs?history=1", FAKE_OK("{\"Jobs\":[]}"), 0 },
        { "GET /v1/jobs?id=9", FAKE_OK("{\"Jobs\":[]}"), 0 },
        { "GET /v1/jobs?id=7", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"running\"}]}"), 0 },
        { "GET /v1/events", FAKE_OK("{\"Events\":[],\"Last\":5}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("wait", "9", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_contains(r.err, "no job 9");
    cli_result_release(&r);
    r = cli_run("wait", "7", "--timeout", "10ms", NULL);
    assert_int_equal(r.status, CLI_TIMED_OUT);
    cli_result_release(&r);
}

static void a_log_is_printed_block_by_block_until_the_job_is_done(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=0&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 4\r\nX-Stint-Size: 4\r\nX-Stint-State: running\r\n\r\none\n", 1 },
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=4&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 4\r\nX-Stint-Size: 0\r\nX-Stint-State: idle\r\n\r\n", 1 },
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=4&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 4\r\nX-Stint-Size: 2\r\nX-Stint-State: running\r\n\r\n", 1 },
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=2&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 8\r\nX-Stint-Size: 8\r\nX-Stint-State: completed\r\n\r\ne\ntwo\n", 1 },
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=8&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 8\r\nX-Stint-Size: 8\r\nX-Stint-State: completed\r\n\r\n", 0 },
        { "GET /v1/jobs/8.0/output?stream=stderr&offset=0&", "HTTP/1.0 200 OK\r\nX-Stint-State: running\r\n\r\nx", 1 },
        { "GET /v1/jobs/8.0/output?stream=stderr&offset=1&", "HTTP/1.0 200 OK\r\nX-Stint-State: running\r\n\r\n", 1 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("log", "-f", "7.0", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "one\ne\ntwo\n");
    assert_contains(r.err, "the last 2 bytes of output will come again");
    cli_result_release(&r);
    r = cli_run("log", "-e", "8", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "x");
    cli_result_release(&r);
}

static void edits_are_sent_as_expressions(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/jobs/7.0/edit HTTP/1.0 {\"Set\":{\"JobPrio\":5,\"RequestMemory\":2048,\"Note\":\"a=b\"}}", FAKE_OK("{}"), 0 },
        { "GET /v1/jobs?id=8", FAKE_OK("{\"Jobs\":[{\"ClusterId\":8,\"ProcId\":0},{\"ClusterId\":8,\"ProcId\":3}]}"), 0 },
        { "POST /v1/jobs/8.0/edit", FAKE_OK("{}"), 0 },
        { "POST /v1/jobs/8.3/edit", "HTTP/1.0 409 No\r\n\r\n{\"Error\":\"it is running\",\"Kind\":\"invalid\"}", 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("edit", "7.0", "priority=5", "request_memory=2G", "Note=\"a=b\"", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "1 job edited\n");
    cli_result_release(&r);
    r = cli_run("edit", "8", "checkpoint_interval=10m", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.out, "1 job edited\n");
    assert_contains(r.err, "8.3: it is running");
    cli_result_release(&r);
    auto_free char *requests = fake_requests(pool);
    assert_contains(requests, "POST /v1/jobs/8.0/edit HTTP/1.0 {\"Set\":{\"CheckpointIntervalUs\":600000000}}");
}

static void events_are_shown_from_the_last_ones_on(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/pool", FAKE_OK("{\"LastEvent\":100}"), 0 },
        { "GET /v1/events?after=98&", FAKE_OK("{\"Events\":[{\"Seq\":99,\"Time\":1795456502000000,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"held\","
                                              "\"Reason\":\"why\"},{\"Seq\":100,\"Time\":0,\"ClusterId\":7,\"ProcId\":1,\"Event\":\"new_kind\",\"X\":1}],"
                                              "\"Last\":100}"), 0 },
        { "GET /v1/events?after=100&", FAKE_OK("{\"Events\":[],\"Last\":100}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("events", "-n", "2", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "2026-11-23 17:55:02  7.0       held: why\n-  7.1       new_kind: X = 1\n");
    cli_result_release(&r);
    r = cli_run("events", "--after", "98", "--json", NULL);
    assert_contains(r.out, "{\"Seq\":99,");
    assert_contains(r.out, "}\n{\"Seq\":100,");
    cli_result_release(&r);
}

static void a_cluster_with_one_job_can_be_shown_by_its_number(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/jobs?id=7&attributes=ClusterId,ProcId&limit=2 ", FAKE_OK("{\"Jobs\":[]}"), 0 },
        { "GET /v1/jobs?id=7&attributes=ClusterId,ProcId&limit=2&history=1", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":4}]}"), 0 },
        { "GET /v1/jobs/7.4 ", FAKE_OK("{\"Job\":{\"ClusterId\":7,\"ProcId\":4,\"Owner\":\"eva\",\"JobState\":\"removed\"}}"), 0 },
        { "GET /v1/jobs?id=8&", FAKE_OK("{\"Jobs\":[{\"ProcId\":0},{\"ProcId\":1}]}"), 0 },
        { "GET /v1/jobs?id=9&", FAKE_OK("{\"Jobs\":[]}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("show", "7", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_contains(r.out, "Job 7.4 of eva");
    cli_result_release(&r);
    r = cli_run("show", "8", NULL);
    assert_contains(r.err, "several jobs: name one, such as 8.0");
    cli_result_release(&r);
    r = cli_run("show", "9", NULL);
    assert_contains(r.err, "no job of cluster 9");
    cli_result_release(&r);
}

static void stopping_says_what_goes_on(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/pool/reschedule", FAKE_OK("{}"), 0 },
        { "GET /v1/pool", FAKE_OK("{\"Pid\":5,\"Jobs\":{\"running\":2,\"idle\":1}}"), 0 },
        { "POST /v1/pool/stop HTTP/1.0 {\"Vacate\":true}", FAKE_OK("{}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("pool", "start", NULL);
    assert_contains(r.out, "was running already");
    cli_result_release(&r);
    r = cli_run("reschedule", NULL);
    assert_int_equal(r.status, CLI_OK);
    cli_result_release(&r);
    r = cli_run("pool", "stop", "--vacate", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_contains(r.out, "2 running jobs are asked to checkpoint and leave; the pool stops when they are gone\nthe pool has stopped");
    cli_result_release(&r);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(answers_that_make_no_sense_give_one_sentence),
        WITH_POOL(a_question_is_asked_again_when_the_connection_broke),
        WITH_POOL(an_order_is_never_given_twice),
        WITH_POOL(without_a_pool_a_command_says_how_to_start_one),
        WITH_POOL(a_pool_that_cannot_start_has_the_last_word),
        WITH_POOL(only_a_wanted_pool_is_started_by_a_question),
        WITH_POOL(json_is_the_pools_answer_as_it_came),
        WITH_POOL(attributes_are_printed_bare),
        WITH_POOL(actions_say_what_was_done_and_what_was_not),
        WITH_POOL(a_checkpoint_is_followed_to_its_end),
        WITH_POOL(a_checkpoint_that_is_refused_at_once_is_not_waited_for),
        WITH_POOL(a_checkpoint_that_does_not_come_is_left_with_the_job),
        WITH_POOL(ctrl_c_leaves_the_request_with_the_job),
        WITH_POOL(waiting_ends_with_the_status_of_the_first_job_that_failed),
        WITH_POOL(waiting_for_nobody_is_an_error_and_a_timeout_is_124),
        WITH_POOL(a_log_is_printed_block_by_block_until_the_job_is_done),
        WITH_POOL(edits_are_sent_as_expressions),
        WITH_POOL(events_are_shown_from_the_last_ones_on),
        WITH_POOL(a_cluster_with_one_job_can_be_shown_by_its_number),
        WITH_POOL(stopping_says_what_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
