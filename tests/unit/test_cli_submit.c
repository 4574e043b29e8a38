/* stint submit: what goes into the ads, what is looked for before, what is sent. */
#include "cli_fixture.h"

#include "cli/submit.h"

#include <sys/stat.h>

static void put(struct fake_pool *pool, const char *name, const char *text, mode_t mode)
{
    scratch_write(&pool->dir, name, text, strlen(text));
    fchmodat(pool->dir.fd, name, mode, 0);
}

/* The test's directory with a program, an input, and a submit file of the given text. */
static void prepare(struct fake_pool *pool, const char *text)
{
    put(pool, "prog", "#!/bin/sh\n", 0700);
    put(pool, "in", "x\n", 0600);
    put(pool, "plain", "x\n", 0600);
    put(pool, "empty", "", 0700);
    mkdirat(pool->dir.fd, "dir", 0700);
    put(pool, "a.sub", text, 0600);
    assert_int_equal(chdir(pool->dir.path), 0);
}

static void a_job_that_cannot_start_is_an_error_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *sentence; /* NULL = fine */
    } rows[] = {
        { "executable = prog\nqueue\n", NULL },
        { "executable = nope\nqueue\n", "a.sub:1: executable: '/" },
        { "\nexecutable = nope\nqueue\n", "a.sub:2: executable: '/" },
        { "executable = nope\nqueue\n", "nope' does not exist" },
        { "executable = plain\nqueue\n", "is not executable; make it so with: chmod +x" },
        { "executable = empty\nqueue\n", "is empty" },
        { "executable = dir\nqueue\n", "is a directory" },
        { "executable = nope\ntransfer_executable = false\nqueue\n", NULL },
        { "executable = /nope\ntransfer_executable = false\nqueue\n", "does not exist" },
        { "executable = prog\ninput = in\nqueue\n", NULL },
        { "executable = prog\ninput = nope\nqueue\n", "a.sub:2: input: '/" },
        { "executable = prog\ninput = dir\nqueue\n", "is a directory" },
        { "executable = prog\ninput = /dev/null\nqueue\n", NULL },
        { "executable = prog\ntransfer_input_files = in, dir, http://example.org/x\nqueue\n", NULL },
        { "executable = prog\ntransfer_input_files = in, nope\nqueue\n", "a.sub:2: transfer_input_files: '/" },
        { "executable = prog\noutput = dir/out\nqueue\n", NULL },
        { "executable = prog\noutput = nope/out\nqueue\n", "a.sub:2: output: directory '/" },
        { "executable = prog\nerror = dir\nqueue\n", "a.sub:2: error: '/" },
        { "executable = prog\nlog = in/x\nqueue\n", "is not a directory" },
        { "executable = prog\nlog = /dev/null\nqueue\n", NULL },
        { "executable = prog\ninitialdir = dir\nqueue\n", NULL },
        { "executable = prog\ninitialdir = nope\nqueue\n", "a.sub:2: initialdir: '/" },
        { "executable = prog\ninitialdir = dir\ninput = in\nqueue\n", "dir/in' does not exist" },
        { "executable = prog\ninput = in\nqueue\ninput = nope\nqueue\n", "nope' does not exist" },
        { "executable = prog\nwritable_paths = /tmp\nqueue\n", NULL },
        { "executable = prog\nwritable_paths = /tmp, /no/such\nqueue\n", "a.sub:2: writable_paths: '/no/such' does not exist" },
        { "executable = prog\nwritable_paths = /etc/passwd\nqueue\n", "a.sub:2: writable_paths: '/etc/passwd' is not a directory" },
        { "executable = prog\nwritable_paths = /tmp/no$(Process)\nqueue 3\n", "no0' does not exist" },
        { "executable = prog\ntransfer_input_files = in$(Process)\nqueue 3\n", "in0' does not exist" },
        { "container_image = dir\nqueue\n", NULL },
        { "container_image = dir:latest\nqueue\n", NULL },
        { "executable = /only/in/the/image\ncontainer_image = oci:dir:latest\nqueue\n", NULL },
        { "docker_image = nope\nqueue\n", NULL },
        { "container_image = nope\nqueue\n", "a.sub:1: container_image: '/" },
        { "docker_image = ./nope.tar\nqueue\n", "a.sub:1: docker_image: '/" },
        { "container_image = docker-archive:dir\nqueue\n", "dir' is a directory, not a tar file" },
        { "container_image = oci:in\nqueue\n", "in' is a file, not a directory; write 'docker-archive:in'" },
        { "executable = nope\ncontainer_image = dir\nqueue\n", "a.sub:1: executable: '/" },
        { "container_image = in\nqueue\ncontainer_image = nope\nqueue\n", "nope' does not exist" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        prepare(pool, rows[i].text);
        struct cli_result r = cli_run("submit", "--dry-run", "a.sub", NULL);
        if ((r.status == CLI_OK) != !rows[i].sentence)
            fail_msg("row %zu: exit status %d: %s", i, r.status, r.err);
        if (rows[i].sentence)
            assert_contains(r.err, rows[i].sentence);
        cli_result_release(&r);
    }
}

static void what_is_not_a_submit_file_is_named(void **state)
{
    static const struct {
        const char *name, *sentence;
    } rows[] = {
        { "dir", "'dir' is not a submit file but a directory" },
        { "fifo", "'fifo' is not a submit file but a pipe" },
        { "/dev/null", "is not a submit file but a device" },
        { "nope", "cannot open 'nope': No such file or directory" },
        { "large", "'large': longer than 16777216 bytes" },
    };
    struct fake_pool *pool = *state;
    prepare(pool, "");
    assert_int_equal(mkfifoat(pool->dir.fd, "fifo", 0600), 0);
    put(pool, "large", "x", 0600);
    auto_free char *large = mem_printf("%s/large", pool->dir.path);
    assert_int_equal(truncate(large, SUBMIT_TEXT_MAX + 1), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cli_result r = cli_run("submit", "--dry-run", rows[i].name, NULL);
        assert_int_equal(r.status, CLI_FAILURE);
        assert_contains(r.err, rows[i].sentence);
        cli_result_release(&r);
    }
}

static void the_submit_file_may_come_from_standard_input(void **state)
{
    struct fake_pool *pool = *state;
    prepare(pool, "executable = prog\nqueue 2\n");
    int saved = dup(0), fd = openat(pool->dir.fd, "a.sub", O_RDONLY);
    dup2(fd, 0);
    struct cli_result r = cli_run("submit", "--dry-run", "-", NULL);
    dup2(saved, 0);
    close(fd);
    close(saved);
    assert_int_equal(r.status, CLI_OK);
    assert_contains(r.out, "2 jobs; the first one's ad:\n");
    cli_result_release(&r);
}

static struct ad *sent_ad(struct fake_pool *pool)
{
    auto_free char *requests = fake_requests(pool);
    char *line = strstr(requests, "POST /v1/clusters HTTP/1.0 ");
    assert_non_null(line);
    line = strchr(line, '{');
    line[strcspn(line, "\n")] = '\0';
    return from_json(line);
}

static void a_submission_is_one_request_and_says_what_comes_next(void **state)
{
    static const struct {
        const char *text, *reply, *said;
    } rows[] = {
        { "executable = prog\nqueue\n", FAKE_OK("{\"ClusterId\":7,\"Jobs\":1}"),
          "1 job submitted to cluster 7.\nFollow it with: stint log -f 7.0\n" },
        { "executable = prog\nqueue 3\n", FAKE_OK("{\"ClusterId\":8,\"Jobs\":3}"),
          "3 jobs submitted to cluster 8.\nFollow them with: stint wait 8\n" },
        { "executable = prog\nhold = true\nqueue\n", FAKE_OK("{\"ClusterId\":9,\"Jobs\":1}"),
          "1 job submitted to cluster 9.\nIt is held; let it run with: stint release 9\n" },
    };
    struct fake_pool *pool = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct fake_line script[] = { { "POST /v1/clusters ", rows[i].reply, 0 } };
        prepare(pool, rows[i].text);
        fake_start(pool, script, 1);
        struct cli_result r = cli_run("submit", "a.sub", NULL);
        assert_string_equal(r.err, "");
        assert_string_equal(r.out, rows[i].said);
        assert_int_equal(r.status, CLI_OK);
        auto_ad struct ad *body = sent_ad(pool);
        assert_int_equal(ad_int(body, "Count", 0), i == 1 ? 3 : 1);
        assert_false(ad_has(body, "Procs"));
        assert_false(ad_has(body, "ClusterId"));
        assert_int_equal(ad_string(ad_ad(body, "Ad"), "Cmd", "?")[0], '/');
        cli_result_release(&r);
        fake_stop(pool);
    }
}

static void jobs_that_differ_are_sent_with_their_differences(void **state)
{
    static const struct fake_line script[] = { { "POST /v1/clusters ", FAKE_OK("{\"ClusterId\":7,\"Jobs\":2}"), 0 } };
    struct fake_pool *pool = *state;
    prepare(pool, "executable = prog\narguments = $(Process)\nqueue 2\n");
    fake_start(pool, script, 1);
    struct cli_result r = cli_run("submit", "-q", "a.sub", NULL), j = cli_run("submit", "--json", "a.sub", NULL);
    assert_string_equal(r.out, "7\n");
    assert_string_equal(j.out, "{\"ClusterId\":7,\"Jobs\":2}\n");
    auto_ad struct ad *body = sent_ad(pool);
    assert_int_equal(ad_list_count(body, "Procs"), 2);
    assert_string_equal(ad_string(ad_list_ad(body, "Procs", 1), "Args", "?"), "1");
    cli_result_release(&r);
    cli_result_release(&j);
}

static void a_number_is_reserved_only_where_the_values_contain_it(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/clusters/reserve", FAKE_OK("{\"ClusterId\":12}"), 1 },
        { "POST /v1/clusters ", FAKE_OK("{\"ClusterId\":12,\"Jobs\":1}"), 0 },
    };
    struct fake_pool *pool = *state;
    prepare(pool, "executable = prog\noutput = out.$(Cluster)\nqueue\n");
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("submit", "a.sub", NULL);
    assert_int_equal(r.status, CLI_OK);
    auto_ad struct ad *body = sent_ad(pool);
    assert_int_equal(ad_int(body, "ClusterId", 0), 12);
    assert_string_equal(ad_string(ad_ad(body, "Ad"), "Out", "?"), "out.12");
    cli_result_release(&r);
}

static void warnings_go_to_stderr_with_file_and_line(void **state)
{
    struct fake_pool *pool = *state;
    prepare(pool, "executable = prog\noutptu = x\nqueue\n");
    struct cli_result r = cli_run("submit", "--dry-run", "a.sub", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_contains(r.err, "a.sub:2: warning: ");
    cli_result_release(&r);
    r = cli_run("submit", "--dry-run", "--json", "a.sub", NULL);
    auto_ad struct ad *body = from_json(r.out);
    assert_int_equal(ad_int(body, "Count", 0), 1);
    cli_result_release(&r);
}

static void a_refused_submission_names_the_file(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/clusters ", "HTTP/1.0 413 No\r\n\r\n{\"Error\":\"too many jobs\",\"Kind\":\"limit\"}", 0 },
    };
    struct fake_pool *pool = *state;
    prepare(pool, "executable = prog\nqueue\n");
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("submit", "a.sub", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.err, "stint: a.sub: too many jobs\n");
    cli_result_release(&r);
}

/* ---- submit_fill, without files ---- */

static char *const surroundings[] = { (char *)"HOME=/h", (char *)"A=outer", (char *)"odd", (char *)"Q=it's", NULL };

static void fill(struct submit *submit, const char *text)
{
    struct submit_options options = { .file = "a.sub", .cwd = "/here", .cluster = 1 };
    struct error err = { 0 };
    if (submit_parse(text, strlen(text), &options, submit, &err) < 0 || submit_fill(submit, "/here", surroundings, &err) < 0)
        fail_msg("%s", err.text);
}

static void the_executable_starts_from_the_current_directory(void **state)
{
    struct submit submit = { 0 };
    (void)state;
    fill(&submit, "executable = bin/prog\ninitialdir = run\nqueue\n");
    assert_string_equal(ad_string(submit.cluster, "Cmd", "?"), "/here/bin/prog");
    assert_string_equal(ad_string(submit.cluster, "Iwd", "?"), "/here/run");
    submit_release(&submit);
    submit = (struct submit){ 0 };
    fill(&submit, "executable = prog\nqueue\ntransfer_executable = false\nqueue\nexecutable = other\ntransfer_executable = true\nqueue\n");
    assert_string_equal(ad_string(submit.cluster, "Cmd", "?"), "/here/prog");
    assert_string_equal(ad_string(submit.procs[1], "Cmd", "?"), "prog");
    assert_string_equal(ad_string(submit.procs[2], "Cmd", "?"), "/here/other");
    submit_release(&submit);
}

static void getenv_takes_the_surroundings_below_the_jobs_own(void **state)
{
    struct submit submit = { 0 };
    (void)state;
    fill(&submit, "executable = p\ngetenv = true\nenvironment = \"A=inner B=2\"\nqueue\n");
    assert_string_equal(ad_string(submit.cluster, "Environment", "?"), "HOME=/h 'Q=it''s' A=inner B=2");
    submit_release(&submit);
    submit = (struct submit){ 0 };
    fill(&submit, "executable = p\nenvironment = \"A=inner\"\nqueue\n");
    assert_string_equal(ad_string(submit.cluster, "Environment", "?"), "A=inner");
    submit_release(&submit);
}

static void getenv_of_one_job_is_not_that_of_another(void **state)
{
    struct submit submit = { 0 };
    (void)state;
    fill(&submit, "executable = p\ngetenv = true\nqueue\ngetenv = false\nqueue\nenvironment = \"B=2\"\ngetenv = true\nqueue\n");
    assert_string_equal(ad_string(submit.cluster, "Environment", "?"), "HOME=/h A=outer 'Q=it''s'");
    assert_non_null(submit.procs[1]);
    assert_true(ad_has(submit.procs[1], "Environment"));
    assert_string_equal(ad_string(submit.procs[1], "Environment", "none"), "none");
    assert_string_equal(ad_string(submit.procs[2], "Environment", "?"), "HOME=/h A=outer 'Q=it''s' B=2");
    submit_release(&submit);
}

static void getenv_takes_what_its_list_names(void **state)
{
    static const struct { const char *list, *taken; } cases[] = {
        { "HOME", "HOME=/h" },
        { "home, q", "HOME=/h 'Q=it''s'" },
        { "*O*", "HOME=/h" },
        { "H*E", "HOME=/h" },
        { "!HOME", "A=outer 'Q=it''s'" },
        { "*, !a, !Q", "HOME=/h" },
        { "!*", "" },
        { "NOTHING", "" },
        { "*", "HOME=/h A=outer 'Q=it''s'" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit submit = { 0 };
        auto_free char *text = mem_printf("executable = p\ngetenv = %s\nqueue\n", cases[i].list);
        fill(&submit, text);
        if (strcmp(ad_string(submit.cluster, "Environment", "?"), cases[i].taken) != 0)
            fail_msg("%s takes '%s'", cases[i].list, ad_string(submit.cluster, "Environment", "?"));
        submit_release(&submit);
    }
}

static int go_home(void **state)
{
    assert_int_equal(chdir("/"), 0);
    return fake_teardown(state);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, fake_setup, go_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(a_job_that_cannot_start_is_an_error_with_its_line),
        WITH_POOL(what_is_not_a_submit_file_is_named),
        WITH_POOL(the_submit_file_may_come_from_standard_input),
        WITH_POOL(a_submission_is_one_request_and_says_what_comes_next),
        WITH_POOL(jobs_that_differ_are_sent_with_their_differences),
        WITH_POOL(a_number_is_reserved_only_where_the_values_contain_it),
        WITH_POOL(warnings_go_to_stderr_with_file_and_line),
        WITH_POOL(a_refused_submission_names_the_file),
        cmocka_unit_test(the_executable_starts_from_the_current_directory),
        cmocka_unit_test(getenv_takes_the_surroundings_below_the_jobs_own),
        cmocka_unit_test(getenv_of_one_job_is_not_that_of_another),
        cmocka_unit_test(getenv_takes_what_its_list_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
