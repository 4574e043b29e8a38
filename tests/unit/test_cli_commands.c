/* Whole commands against a pool that answers from a script: where the pool is found, how it is started, what is printed. */
#include "cli_fixture.h"

#include "cli/api.h"

#include <sys/stat.h>
#include <sys/un.h>

/* ---- where the pool is ---- */

/* The directory that a user who is not root would use; root tries it with another's rights. */
static char *directory_of_user(struct error *err)
{
    bool root = geteuid() == 0;
    if (root && seteuid(65534) < 0)
        return NULL;
    char *directory = api_find_directory(err);
    if (root && seteuid(0) < 0)
        abort();
    return directory;
}

static void the_directory_is_found_in_the_documented_order(void **state)
{
    static const struct {
        const char *set, *state_home, *home;
        const char *directory; /* NULL = none */
    } rows[] = {
        { "/tmp/pool", "/state", "/home/eva", "/tmp/pool" },
        { NULL, "/state", "/home/eva", "/state/stint" },
        { "", "/state", "/home/eva", "/state/stint" },
        { NULL, "relative", "/home/eva", "/home/eva/.local/state/stint" },
        { NULL, NULL, "/home/eva", "/home/eva/.local/state/stint" },
        { NULL, NULL, NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const char *const names[] = { "STINT_DIR", "XDG_STATE_HOME", "HOME" };
        const char *values[] = { rows[i].set, rows[i].state_home, rows[i].home };
        struct error err = { 0 };
        for (size_t k = 0; k < 3; k++) {
            if (values[k])
                setenv(names[k], values[k], 1);
            else
                unsetenv(names[k]);
        }
        if (api_pool_answers("/var/lib/stint"))
            skip();
        auto_free char *directory = directory_of_user(&err);
        if (rows[i].directory)
            assert_string_equal(directory, rows[i].directory);
        else
            assert_contains(err.text, "set STINT_DIR");
    }
    unsetenv("STINT_DIR");
    if (geteuid() == 0) {
        auto_free char *directory = api_find_directory(NULL);
        assert_string_equal(directory, "/var/lib/stint");
    }
}

static void a_relative_directory_starts_here(void **state)
{
    char here[4096];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    setenv("STINT_DIR", "some/pool", 1);
    auto_free char *directory = api_find_directory(NULL);
    auto_free char *expected = mem_printf("%s/some/pool", here);
    assert_string_equal(directory, expected);
}

static void the_pools_program_is_where_the_environment_says(void **state)
{
    (void)state;
    setenv("STINT_LIBEXEC", "/elsewhere", 1);
    auto_free char *set = api_find_program("stint-pool");
    assert_string_equal(set, "/elsewhere/stint-pool");
    unsetenv("STINT_LIBEXEC");
    auto_free char *configured = api_find_program("no-such-program");
    assert_contains(configured, "/libexec/stint/no-such-program");
}

static void a_directory_may_be_deeper_than_a_sockets_name_is_long(void **state)
{
    static const struct fake_line script[] = { { "GET /v1/users", FAKE_OK("{\"Users\":[]}"), 0 } };
    struct fake_pool *pool = *state;
    auto_free char *deep = mem_printf("%s/%0100d/%0100d", pool->dir.path, 1, 2);
    struct error err;
    int fd = file_make_dirs(deep, 0700, &err);
    assert_true(fd >= 0);
    int outer = pool->dir.fd;
    pool->dir.fd = fd;
    setenv("STINT_DIR", deep, 1);
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("users", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "nobody has used the pool yet\n");
    cli_result_release(&r);
    fake_stop(pool);
    pool->dir.fd = outer;
    close(fd);
}

/* ---- starting ---- */

/* A pool whose socket is hidden until stint-pool was run. */
static void hide(struct fake_pool *pool)
{
    static const char program[] = "#!/bin/sh\necho \"$*\" >> \"$2/started\"\nmv \"$2/hidden\" \"$2/pool.sock\"\n";
    scratch_write(&pool->dir, "stint-pool", program, sizeof program - 1);
    fchmodat(pool->dir.fd, "stint-pool", 0700, 0);
    assert_int_equal(renameat(pool->dir.fd, "pool.sock", pool->dir.fd, "hidden"), 0);
}

static size_t starts(struct fake_pool *pool)
{
    auto_buf struct buf text = { 0 };
    size_t count = 0;
    file_read(pool->dir.fd, "started", &text, NULL);
    for (const char *p = buf_cstr(&text); (p = strchr(p, '\n')); p++)
        count++;
    return count;
}

static void starting_says_whether_it_was_needed(void **state)
{
    static const struct fake_line script[] = { { "GET /v1/pool", FAKE_OK("{\"Pid\":5}"), 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    hide(pool);
    struct cli_result first = cli_run("pool", "start", NULL), second = cli_run("pool", "start", NULL);
    struct cli_result json = cli_run("pool", "start", "--json", NULL);
    assert_int_equal(first.status, CLI_OK);
    assert_contains(first.out, "is running; submit jobs with: stint submit FILE\n");
    assert_contains(second.out, "was running already\n");
    assert_string_equal(json.out, "{\"Pid\":5}\n");
    assert_int_equal(starts(pool), 1);
    cli_result_release(&first);
    cli_result_release(&second);
    cli_result_release(&json);
}

static void the_first_submit_starts_the_pool_and_a_dry_run_does_not(void **state)
{
    static const struct fake_line script[] = { { "POST /v1/clusters ", FAKE_OK("{\"ClusterId\":1,\"Jobs\":1}"), 0 } };
    struct fake_pool *pool = *state;
    auto_free char *file = mem_printf("%s/a.sub", pool->dir.path);
    static const char text[] = "executable = /bin/true\ntransfer_executable = false\nqueue\n";
    scratch_write(&pool->dir, "a.sub", text, sizeof text - 1);
    fake_start(pool, script, COUNT(script));
    hide(pool);
    struct cli_result dry = cli_run("submit", "--dry-run", file, NULL);
    assert_int_equal(dry.status, CLI_OK);
    assert_int_equal(starts(pool), 0);
    struct cli_result r = cli_run("submit", file, NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_contains(r.out, "1 job submitted to cluster 1.\n");
    assert_int_equal(starts(pool), 1);
    cli_result_release(&dry);
    cli_result_release(&r);
}

static void a_socket_that_nobody_listens_on_is_no_pool(void **state)
{
    static const struct fake_line script[] = { { "GET", FAKE_OK("{}"), 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    kill(pool->pid, SIGKILL);
    waitpid(pool->pid, NULL, 0);
    pool->pid = 0;
    struct cli_result r = cli_run("q", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_contains(r.err, "no pool is running");
    cli_result_release(&r);
}

static void stopping_waits_until_the_socket_is_gone(void **state)
{
    static const struct {
        const char *pool, *said;
    } rows[] = {
        { FAKE_OK("{\"Jobs\":{\"running\":0}}"), "the pool has stopped; it starts again with" },
        { FAKE_OK("{\"Jobs\":{\"running\":1}}"), "the pool has stopped; 1 running job goes on, and" },
        { FAKE_OK("{\"Jobs\":{\"running\":2}}"), "the pool has stopped; 2 running jobs go on, and" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct fake_line script[] = {
            { "GET /v1/pool ", rows[i].pool, 0 },
            { "POST /v1/pool/stop HTTP/1.0 {\"Vacate\":false}", FAKE_OK("{}"), 0 },
        };
        fake_start(pool, script, COUNT(script));
        pid_t pid = fork();
        if (pid == 0) { /* the pool's end, once it was asked for */
            for (bool asked = false; !asked;) {
                auto_free char *requests = fake_requests(pool);
                asked = strstr(requests, "/stop") != NULL;
            }
            unlinkat(pool->dir.fd, "pool.sock", 0);
            _exit(0);
        }
        struct cli_result r = cli_run("pool", "stop", NULL);
        waitpid(pid, NULL, 0);
        assert_int_equal(r.status, CLI_OK);
        assert_contains(r.out, rows[i].said);
        cli_result_release(&r);
        fake_stop(pool);
    }
}

/* ---- questions and what is printed of their answers ---- */

#define ONE_JOB "{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"Owner\":\"eva\",\"JobState\":\"running\",\"Cmd\":\"/x/toy\",\"OccupiedUs\":5000000}]}"

static void questions_carry_their_filters(void **state)
{
    static const struct {
        const char *words[6];
        const char *request; /* what it must begin with */
        const char *answer;
        const char *printed;
    } rows[] = {
        { { "q" }, "GET /v1/jobs?attributes=ClusterId,ProcId,", FAKE_OK(ONE_JOB), "1 job: 1 running;" },
        { { "q", "7.0", "9" }, "GET /v1/jobs?id=7.0&id=9&attributes=", FAKE_OK(ONE_JOB), "7.0 eva" },
        { { "q", "-c", "JobPrio > 5" }, "GET /v1/jobs?constraint=JobPrio%20%3E%205&", FAKE_OK(ONE_JOB), "5.0s running" },
        { { "q", "--owner", "eva" }, "GET /v1/jobs?owner=eva&", FAKE_OK(ONE_JOB), "toy\n" },
        { { "q", "--batch" }, "GET /v1/jobs?", FAKE_OK(ONE_JOB), "ID: 7" },
        { { "history" }, "GET /v1/jobs?history=1&limit=100&attributes=", FAKE_OK("{\"Jobs\":[]}"), "no past jobs\n" },
        { { "history", "-n", "0", "7" }, "GET /v1/jobs?history=1&id=7&", FAKE_OK(ONE_JOB), "7.0 eva" },
        { { "history", "--owner=eva", "-n5" }, "GET /v1/jobs?history=1&limit=5&owner=eva&", FAKE_OK(ONE_JOB), "CKPTS" },
        { { "history", "--af", "ProcId" }, "GET /v1/jobs?history=1&limit=100&attributes=ProcId ", FAKE_OK(ONE_JOB), "0\n" },
        { { "ledger" }, "GET /v1/ledger?by=job ", FAKE_OK("{\"Ledger\":[{\"ClusterId\":7,\"ProcId\":0,\"OccupiedUs\":5000000}]}"), "7.0" },
        { { "ledger", "7.1", "--by", "stint" }, "GET /v1/ledger?by=stint&id=7.1 ", FAKE_OK("{\"Ledger\":[]}"), "no time has been" },
        { { "ledger", "--owner", "eva", "--since=2026-11-01" }, "GET /v1/ledger?by=job&owner=eva&since=2026-11-01 ",
          FAKE_OK("{\"Ledger\":[]}"), "no time has been" },
        { { "ledger", "--by=class", "--until", "2026-11-30" }, "GET /v1/ledger?by=class&until=2026-11-30 ",
          FAKE_OK("{\"Ledger\":[{\"Class\":\"lost\",\"Cause\":\"vacate\",\"OccupiedUs\":1}]}"), "lost" },
        { { "users" }, "GET /v1/users ", FAKE_OK("{\"Users\":[{\"Owner\":\"eva\",\"Factor\":1000}]}"), "eva" },
        { { "pool", "status" }, "GET /v1/pool ", FAKE_OK("{\"Directory\":\"/x\",\"Limits\":\"not enforced: why\"}"),
          "limits     not enforced: why\n" },
        { { "show", "7.3" }, "GET /v1/jobs/7.3 ", FAKE_OK("{\"Job\":{\"ClusterId\":7,\"ProcId\":3,\"JobState\":\"idle\"}}"), "It is idle" },
        { { "reschedule" }, "POST /v1/pool/reschedule HTTP/1.0 {}", FAKE_OK("{}"), "looks for work" },
        { { "events", "--after", "5", "7" }, "GET /v1/events?after=5&wait=0&limit=1000&id=7 ", FAKE_OK("{\"Events\":[]}"), "" },
        { { "release", "-c", "true" }, "POST /v1/actions HTTP/1.0 {\"Action\":\"release\",\"Jobs\":[],\"Constraint\":\"true\"}",
          FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true}]}"), "7.0: released\nfollow it with: stint log -f 7.0\n" },
        { { "suspend", "7.0" }, "POST /v1/actions HTTP/1.0 {\"Action\":\"suspend\",\"Jobs\":[\"7.0\"]}",
          FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true}]}"), "stint continue 7.0\n" },
        { { "continue", "7.0" }, "POST /v1/actions HTTP/1.0 {\"Action\":\"continue\",\"Jobs\":[\"7.0\"]}",
          FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true}]}"), "7.0: continued\n" },
        { { "rm", "--fast", "7" }, "POST /v1/actions HTTP/1.0 {\"Action\":\"remove\",\"Jobs\":[\"7\"],\"Fast\":true}",
          FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true}]}"), "7.0: removed\n" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *const *w = rows[i].words;
        const struct fake_line script[] = { { rows[i].request, rows[i].answer, 0 } };
        fake_start(pool, script, 1);
        struct cli_result r = cli_run(w[0], w[1], w[2], w[3], w[4], w[5], NULL);
        if (r.status != CLI_OK)
            fail_msg("row %zu (%s): exit status %d: %s", i, w[0], r.status, r.err);
        assert_string_equal(r.err, "");
        assert_contains(r.out, rows[i].printed);
        cli_result_release(&r);
        fake_stop(pool);
    }
}

static void json_passes_through_for_every_question(void **state)
{
    static const struct {
        const char *words[4];
        const char *request;
    } rows[] = {
        { { "q", "--json" }, "GET /v1/jobs " },
        { { "history", "--json" }, "GET /v1/jobs?history=1" },
        { { "show", "--json", "7.0" }, "GET /v1/jobs/7.0 " },
        { { "ledger", "--json" }, "GET /v1/ledger" },
        { { "users", "--json" }, "GET /v1/users" },
        { { "pool", "status", "--json" }, "GET /v1/pool" },
        { { "reschedule", "--json" }, "POST /v1/pool/reschedule" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *const *w = rows[i].words;
        const struct fake_line script[] = { { rows[i].request, FAKE_OK("{\"Any\": [1, \"thing\"]}"), 0 } };
        fake_start(pool, script, 1);
        struct cli_result r = cli_run(w[0], w[1], w[2], w[3], NULL);
        assert_int_equal(r.status, CLI_OK);
        assert_string_equal(r.out, "{\"Any\": [1, \"thing\"]}\n");
        cli_result_release(&r);
        fake_stop(pool);
    }
}

static void refusals_of_the_pool_are_one_sentence_each(void **state)
{
    static const char *const words[][3] = {
        { "q" }, { "history" }, { "show", "7.0" }, { "show", "7" }, { "log", "7.0" }, { "ledger" }, { "users" }, { "events" },
        { "wait", "7" }, { "rm", "7" }, { "checkpoint", "7" }, { "edit", "7.0", "A=1" }, { "edit", "7", "A=1" }, { "reschedule" },
        { "pool", "status" }, { "pool", "stop" }, { "pool", "start" },
    };
    static const struct fake_line script[] = {
        { "", "HTTP/1.0 403 Forbidden\r\n\r\n{\"Error\":\"it is not for you\",\"Kind\":\"denied\"}", 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    for (size_t i = 0; i < COUNT(words); i++) {
        struct cli_result r = cli_run(words[i][0], words[i][1], words[i][2], NULL);
        if (r.status != CLI_FAILURE)
            fail_msg("%s: exit status %d", words[i][0], r.status);
        assert_string_equal(r.out, "");
        assert_contains(r.err, "it is not for you\n");
        cli_result_release(&r);
    }
}

static void a_full_output_is_a_failure(void **state)
{
    (void)state;
    fflush(stdout);
    int saved = dup(1), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    char *argv[] = { (char *)"stint", (char *)"help", NULL };
    dup2(full, 1);
    int status = cli_main(2, argv);
    clearerr(stdout);
    dup2(saved, 1);
    close(saved);
    close(full);
    assert_int_equal(status, CLI_FAILURE);
}

/* A pool that has seen enough answers before it has read everything. */
static void a_refusal_of_a_long_request_is_heard(void **state)
{
    static const char answer[] = "HTTP/1.0 413 Too Large\r\n\r\n{\"Error\":\"that is too much\",\"Kind\":\"limit\"}";
    struct fake_pool *pool = *state;
    struct error err;
    int listener = file_listen(pool->dir.fd, "pool.sock", 0600, &err);
    assert_true(listener >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct pollfd ready = { .fd = listener, .events = POLLIN };
        poll(&ready, 1, -1);
        int fd = accept(listener, NULL, NULL);
        file_write_all(fd, answer, sizeof answer - 1, NULL);
        close(fd);
        _exit(0);
    }
    close(listener);
    auto_ad struct ad *body = ad_new();
    auto_free char *long_text = mem_zero(1, 4 << 20);
    memset(long_text, 'x', (4 << 20) - 1);
    ad_set_string(body, "Text", long_text);
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer got = { 0 };
    assert_int_equal(api_open(API_START_NEVER, &api, &err), 0);
    assert_int_equal(api_post(api, "/v1/clusters", body, &got, &err), -1);
    assert_string_equal(err.text, "that is too much");
    assert_int_equal(err.kind, ERR_LIMIT);
    waitpid(pid, NULL, 0);
}

/* ---- following ---- */

static void several_jobs_are_followed_together(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/actions", FAKE_OK("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Seq\":9},{\"Id\":\"7.1\",\"Ok\":true,\"Seq\":10},"
                                      "{\"Id\":\"7.2\",\"Ok\":false,\"Message\":\"it is idle\"}]}"), 0 },
        { "GET /v1/events?after=9&wait=30&limit=1000 ",
          FAKE_OK("{\"Events\":[{\"Seq\":10,\"ClusterId\":7,\"ProcId\":1,\"Event\":\"checkpoint_taken\",\"Generation\":1,\"Bytes\":1},"
                  "{\"Seq\":11,\"ClusterId\":7,\"ProcId\":0,\"Event\":\"checkpoint_taken\",\"Generation\":4,\"Bytes\":2}],\"Last\":11}"), 1 },
        { "GET /v1/events?after=11&wait=30&limit=1000 ",
          FAKE_OK("{\"Events\":[{\"Seq\":12,\"ClusterId\":7,\"ProcId\":1,\"Event\":\"checkpoint_taken\",\"Generation\":2,\"Bytes\":3},"
                  "{\"Seq\":13,\"ClusterId\":7,\"ProcId\":1,\"Event\":\"checkpoint_failed\"}],\"Last\":13}"), 1 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("checkpoint", "7", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.out, "7.0: checkpoint 4 taken: 2 B\n7.1: checkpoint 2 taken: 3 B\n"); /* 7.1's first was before it was asked */
    assert_string_equal(r.err, "7.2: refused: it is idle\n");
    cli_result_release(&r);
}

static void a_wait_can_be_quiet_or_in_json(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/pool", FAKE_OK("{\"LastEvent\":5}"), 0 },
        { "GET /v1/jobs?history=1", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"completed\",\"ExitCode\":0}]}"), 0 },
        { "GET /v1/jobs?id=7", FAKE_OK("{\"Jobs\":[]}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result plain = cli_run("wait", "7", NULL), quiet = cli_run("wait", "-q", "7", NULL), json = cli_run("wait", "--json", "7.0", NULL);
    assert_string_equal(plain.out, "1 job done\n");
    assert_string_equal(quiet.out, "");
    assert_contains(json.out, "{\"Jobs\":[{\"ClusterId\":7");
    assert_string_equal(quiet.err, "");
    cli_result_release(&plain);
    cli_result_release(&quiet);
    cli_result_release(&json);
}

static void waiting_survives_a_pool_that_is_started_again(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/pool", FAKE_OK("{\"LastEvent\":5}"), 0 },
        { "GET /v1/jobs?history=1&id=7", FAKE_OK("{\"Jobs\":[]}"), 1 },
        { "GET /v1/jobs?history=1&id=7", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"completed\",\"ExitCode\":0}]}"), 0 },
        { "GET /v1/jobs?id=7", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"running\"}]}"), 2 },
        { "GET /v1/jobs?id=7", FAKE_OK("{\"Jobs\":[]}"), 0 },
        { "GET /v1/events", NULL, 1 }, /* killed while we waited */
        { "GET /v1/events", FAKE_OK("{\"Events\":[],\"Last\":5}"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("wait", "7", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.err, "");
    cli_result_release(&r);
}

static void following_events_goes_on_where_the_last_ones_ended(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/pool", FAKE_OK("{\"LastEvent\":3}"), 0 },
        { "GET /v1/events?after=0&wait=0&", FAKE_OK("{\"Events\":[{\"Seq\":3,\"Event\":\"released\"}],\"Last\":3}"), 1 },
        { "GET /v1/events?after=0&wait=30&", FAKE_OK("{\"Events\":[{\"Seq\":3,\"Event\":\"released\"}],\"Last\":3}"), 1 },
        { "GET /v1/events?after=3&wait=30&", FAKE_OK("{\"Events\":[{\"Seq\":4,\"Event\":\"suspended\"}],\"Last\":4}"), 1 },
        { "GET /v1/events?after=4&wait=30&", "HTTP/1.0 500 No\r\n\r\n{\"Error\":\"enough\"}", 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("events", "-f", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_contains(r.out, "released\n");
    assert_contains(r.out, "suspended\n");
    assert_string_equal(r.err, "stint: enough\n");
    cli_result_release(&r);
}

static void watching_asks_again_until_it_fails(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/jobs", FAKE_OK("{\"Jobs\":[]}"), 2 },
        { "GET /v1/jobs", "HTTP/1.0 500 No\r\n\r\n{\"Error\":\"enough\"}", 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("q", "--watch=100ms", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.out, "0 jobs; 0s saved, 0s lost\n0 jobs; 0s saved, 0s lost\n");
    cli_result_release(&r);
}

static void a_log_whose_output_goes_nowhere_ends(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=0&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 2\r\nX-Stint-Size: 2\r\nX-Stint-State: running\r\n\r\nab", 1 },
        { "GET /v1/jobs/7.0/output?stream=stdout&offset=2&",
          "HTTP/1.0 200 OK\r\nX-Stint-Offset: 2\r\nX-Stint-Size: 0\r\nX-Stint-State: completed\r\n\r\n", 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("log", "--follow", "7", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "ab");
    assert_string_equal(r.err, "");
    cli_result_release(&r);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(the_directory_is_found_in_the_documented_order),
        WITH_POOL(a_relative_directory_starts_here),
        WITH_POOL(the_pools_program_is_where_the_environment_says),
        WITH_POOL(a_directory_may_be_deeper_than_a_sockets_name_is_long),
        WITH_POOL(starting_says_whether_it_was_needed),
        WITH_POOL(the_first_submit_starts_the_pool_and_a_dry_run_does_not),
        WITH_POOL(a_socket_that_nobody_listens_on_is_no_pool),
        WITH_POOL(stopping_waits_until_the_socket_is_gone),
        WITH_POOL(questions_carry_their_filters),
        WITH_POOL(json_passes_through_for_every_question),
        WITH_POOL(refusals_of_the_pool_are_one_sentence_each),
        WITH_POOL(a_full_output_is_a_failure),
        WITH_POOL(a_refusal_of_a_long_request_is_heard),
        WITH_POOL(several_jobs_are_followed_together),
        WITH_POOL(a_wait_can_be_quiet_or_in_json),
        WITH_POOL(waiting_survives_a_pool_that_is_started_again),
        WITH_POOL(following_events_goes_on_where_the_last_ones_ended),
        WITH_POOL(watching_asks_again_until_it_fails),
        WITH_POOL(a_log_whose_output_goes_nowhere_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
