/* The commands of `stint ckpt`, rewind and clone against a pool that answers from a script. */
#include "cli_fixture.h"

#include "cli/edit.h"

#include <sys/stat.h>

#define LINES(body) "HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n" body
#define FRAMES(body) "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n" body
#define FRAMES_LINE(request, body) { request, FRAMES(body), 0, sizeof(FRAMES(body)) - 1 }
#define HEAD "h\0\0\0\x1c{\"Id\":\"7.0\",\"Generation\":3 }"
#define BYTES "d\0\0\0\x05hello" "p\0\0\0\x15{\"Done\":5,\"Total\":10}" "d\0\0\0\x01\n"
#define GOOD "r\0\0\0\x32{\"Id\":\"7.0\",\"Generation\":3,\"Bytes\":6,\"Ok\":true   }"
#define BAD "r\0\0\0\x2c{\"Error\":\"the disk is gone\",\"Kind\":\"system\"}"

static void lists_are_tables_names_or_json(void **state)
{
    static const char answer[] = LINES(
        "{\"Id\":\"7.0\",\"Generation\":2,\"Time\":1700000000000000,\"Kind\":\"checkpoint\",\"Parent\":1,\"Files\":3,\"Bytes\":2048,\"NewBytes\":10,\"Pinned\":true,\"Verified\":true}\n"
        "{\"Id\":\"7.0\",\"Generation\":3,\"Damage\":\"bad\\u001b manifest\",\"Pinned\":false}\n{\"Ok\":true}\n");
    static const struct fake_line script[] = { { "POST /v1/checkpoints/ls ", answer, 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result table = cli_run("ckpt", "ls", "7", NULL), names = cli_run("ckpt", "ls", "-q", NULL);
    struct cli_result json = cli_run("ckpt", "ls", "--json", NULL);
    assert_int_equal(table.status, CLI_OK);
    assert_contains(table.out, "7.0@2      2023-11-14 22:13:20 checkpoint    1     3 2.0 KiB 10 B pinned, verified");
    assert_contains(table.out, "damaged");
    assert_contains(table.out, "bad? manifest");
    assert_string_equal(names.out, "7.0@2\n7.0@3\n");
    auto_ad struct ad *ad = from_json(json.out);
    assert_int_equal(ad_list_count(ad, "Checkpoints"), 2);
    assert_false(ad_has(ad, "Ok"));
    auto_free char *asked = fake_requests(pool);
    assert_contains(asked, "{\"Checkpoints\":[\"7\"]}");
    cli_result_release(&table);
    cli_result_release(&names);
    cli_result_release(&json);
}

static void nothing_is_said_to_be_nothing(void **state)
{
    static const struct fake_line script[] = { { "POST /v1/checkpoints/", LINES("{\"Ok\":true}\n"), 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result ls = cli_run("ckpt", "ls", NULL), json = cli_run("ckpt", "ls", "--json", NULL), df = cli_run("ckpt", "df", NULL);
    assert_string_equal(ls.out, "no checkpoints\n");
    assert_string_equal(json.out, "{\"Checkpoints\":[]}\n");
    assert_string_equal(df.out, "no checkpoints\n");
    cli_result_release(&ls);
    cli_result_release(&json);
    cli_result_release(&df);
}

static void a_checkpoint_is_shown_with_its_files(void **state)
{
    static const char answer[] = LINES(
        "{\"Name\":\"work/state\",\"Type\":\"file\",\"Mode\":420,\"Time\":1700000000000000,\"Bytes\":5}\n"
        "{\"Name\":\"work/link\",\"Type\":\"link\",\"Mode\":511,\"Target\":\"state\"}\n"
        "{\"Checkpoint\":{\"Id\":\"7.0\",\"Generation\":3,\"Time\":1700000000000000,\"Kind\":\"evicted\",\"Parent\":2,\"Stint\":4,\"Files\":1,"
        "\"Bytes\":5,\"NewBytes\":5,\"Owner\":\"ada\",\"Host\":\"vm\",\"Kernel\":\"Linux\",\"Engine\":\"self\",\"Pinned\":true,\"Verified\":true},\"Ok\":true}\n");
    static const struct fake_line script[] = { { "POST /v1/checkpoints/show ", answer, 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("ckpt", "show", "7.0@3", NULL);
    assert_contains(r.out, "Checkpoint 7.0@3 of ada, taken 2023-11-14 22:13:20 in stint 4, after checkpoint 2\n");
    assert_contains(r.out, "It is what an eviction left");
    assert_contains(r.out, "Made on vm, Linux, with the engine self\n");
    assert_contains(r.out, "5 B in 1 file, which added 5 B to the store; it is pinned; it is verified: it was restored for trial\n");
    assert_contains(r.out, "-rw-r--r--   5 B 2023-11-14 22:13:20 work/state\n");
    assert_contains(r.out, "work/link -> state\n");
    cli_result_release(&r);
}

static void differences_are_files_and_bytes(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/checkpoints/diff ", LINES("{\"What\":\"c\",\"Name\":\"work/a\",\"Offset\":4096,\"Length\":2}\n"
                                              "{\"What\":\"+\",\"Name\":\"work/b\"}\n{\"Same\":false,\"Ok\":true}\n"), 1 },
        { "POST /v1/checkpoints/diff ", LINES("{\"From\":{\"Id\":\"7.0\",\"Generation\":1},\"To\":{\"Id\":\"7.0\",\"Generation\":2},\"Ok\":true}\n"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result differ = cli_run("ckpt", "diff", "7.0@1", "7.0@2", NULL), same = cli_run("ckpt", "diff", "7.0@1", "7.0@2", NULL);
    assert_contains(differ.out, "changed work/a      4096   2 B\n");
    assert_contains(differ.out, "added   work/b\n");
    assert_int_equal(differ.status, CLI_OK);
    assert_string_equal(same.out, "7.0@1 and 7.0@2 are the same\n");
    cli_result_release(&differ);
    cli_result_release(&same);
}

static void damage_is_a_failure_and_named(void **state)
{
    static const char answer[] = LINES(
        "{\"Done\":5,\"Total\":10}\n{\"Id\":\"7.0\",\"Generation\":1,\"Bytes\":1024}\n"
        "{\"Id\":\"7.0\",\"Generation\":2,\"Damage\":\"'work/state' at 5\"}\n{\"Whole\":1,\"Damaged\":1,\"Ok\":true}\n");
    static const struct fake_line script[] = { { "POST /v1/checkpoints/verify ", answer, 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("ckpt", "verify", NULL), json = cli_run("ckpt", "verify", "--json", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.out, "7.0@2 is damaged: 'work/state' at 5\n1 checkpoint is whole, 1 is damaged (1.0 KiB)\n");
    assert_string_equal(r.err, "");
    assert_int_equal(json.status, CLI_FAILURE);
    auto_ad struct ad *ad = from_json(json.out);
    assert_int_equal(ad_int(ad, "Damaged", 0), 1);
    assert_int_equal(ad_list_count(ad, "Checkpoints"), 2);
    cli_result_release(&r);
    cli_result_release(&json);
}

static void what_was_not_done_is_told_apart(void **state)
{
    static const char answer[] = LINES("{\"Id\":\"7.0\",\"Generation\":1,\"Message\":\"removed\"}\n"
                                       "{\"Id\":\"7.0\",\"Generation\":2,\"Problem\":\"it is pinned\"}\n{\"Problems\":1,\"Ok\":true}\n");
    static const struct fake_line script[] = { { "POST /v1/checkpoints/rm ", answer, 0 }, { "POST /v1/checkpoints/unpin ", answer, 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("ckpt", "rm", "7.0@1", "7.0@2", "-f", NULL), unpin = cli_run("ckpt", "unpin", "7.0@1", NULL);
    assert_int_equal(r.status, CLI_FAILURE);
    assert_string_equal(r.out, "7.0@1: removed\n");
    assert_string_equal(r.err, "7.0@2: it is pinned\n");
    assert_int_equal(unpin.status, CLI_FAILURE);
    auto_free char *asked = fake_requests(pool);
    assert_contains(asked, "\"Force\":true");
    cli_result_release(&r);
    cli_result_release(&unpin);
}

static void usage_has_a_ratio_and_a_total(void **state)
{
    static const char answer[] = LINES(
        "{\"Id\":\"7.0\",\"Owner\":\"ada\",\"Generations\":2,\"LogicalBytes\":102400,\"StoredBytes\":2048,\"SharedBytes\":1024}\n"
        "{\"Id\":\"8.0\",\"Owner\":\"ada\",\"Generations\":1,\"LogicalBytes\":1024,\"StoredBytes\":2048,\"SharedBytes\":1024}\n"
        "{\"Total\":{\"Generations\":3,\"LogicalBytes\":103424,\"StoredBytes\":3072,\"SharedBytes\":0,\"FreeBytes\":1048576},\"Ok\":true}\n");
    static const struct fake_line script[] = { { "POST /v1/checkpoints/df ", answer, 0 } };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result all = cli_run("ckpt", "df", NULL), some = cli_run("ckpt", "df", "7", "8", NULL);
    assert_contains(all.out, "7.0   ada       2 100 KiB 2.0 KiB 1.0 KiB  50.0\n");
    assert_contains(all.out, "total           3 101 KiB 3.0 KiB     0 B  33.7\n");
    assert_contains(all.out, "1.0 MiB are free in the store's file system\n");
    assert_contains(some.out, "total           3 101 KiB 4.0 KiB 2.0 KiB  25.2\n");
    cli_result_release(&all);
    cli_result_release(&some);
}

static void an_answer_that_breaks_off_or_makes_no_sense_is_a_failure(void **state)
{
    static const char *const answers[] = {
        LINES(""), LINES("{\"Id\":\"7.0\",\"Generation\":1}\n"), LINES("{\"Ok\":tr"), LINES("no json\n"),
        LINES("{\"Error\":\"the disk is gone\",\"Kind\":\"system\"}\n"),
        "HTTP/1.0 403 Forbidden\r\nContent-Length: 47\r\n\r\n{\"Error\":\"it is somebody else's\",\"Kind\":\"denied\"}\n", "HTTP/1.0 2",
    };
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct fake_line script[] = { { "POST /v1/checkpoints/", answers[i], 0 } };
        struct fake_pool *pool = *state;
        fake_start(pool, script, COUNT(script));
        struct cli_result verify = cli_run("ckpt", "verify", NULL), json = cli_run("ckpt", "verify", "--json", NULL);
        if (verify.status != CLI_FAILURE || json.status != CLI_FAILURE)
            fail_msg("answer %zu: %d, %d", i, verify.status, json.status);
        assert_memory_equal(verify.err, "stint: ", 7);
        assert_string_equal(verify.out, "");
        if (json.out[0]) {
            auto_ad struct ad *ad = from_json(json.out);
            assert_true(ad_has(ad, "Error"));
        }
        cli_result_release(&verify);
        cli_result_release(&json);
        fake_stop(pool);
    }
}

static void a_file_is_printed_as_it_is(void **state)
{
    static const struct fake_line script[] = { FRAMES_LINE("POST /v1/checkpoints/cat ", HEAD BYTES GOOD) };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result r = cli_run("ckpt", "cat", "7.0@3", "state", NULL);
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out, "hello\n");
    auto_free char *asked = fake_requests(pool);
    assert_contains(asked, "{\"Checkpoints\":[\"7.0@3\"],\"Files\":[\"state\"]}");
    cli_result_release(&r);
}

static char *read_out(struct fake_pool *pool, const char *name)
{
    struct buf text = { 0 };
    return file_read(pool->dir.fd, name, &text, NULL) == 0 ? buf_steal(&text) : NULL;
}

static void an_export_is_a_file_only_when_it_is_whole(void **state)
{
    static const struct fake_line good[] = { FRAMES_LINE("POST /v1/checkpoints/export ", HEAD BYTES GOOD) };
    static const struct fake_line bad[] = { FRAMES_LINE("POST /v1/checkpoints/export ", HEAD BYTES BAD) };
    static const struct fake_line cut[] = { FRAMES_LINE("POST /v1/checkpoints/export ", HEAD BYTES) };
    static const struct fake_line torn[] = { FRAMES_LINE("POST /v1/checkpoints/export ", HEAD "d\0\0\0\x05he") };
    static const struct fake_line *const broken[] = { bad, cut, torn };
    struct fake_pool *pool = *state;
    auto_free char *file = mem_printf("%s/a.tar", pool->dir.path);
    for (size_t i = 0; i < COUNT(broken); i++) {
        fake_start(pool, broken[i], 1);
        struct cli_result r = cli_run("ckpt", "export", "7.0", "-o", file, NULL);
        assert_int_equal(r.status, CLI_FAILURE);
        assert_null(read_out(pool, "a.tar"));
        cli_result_release(&r);
        fake_stop(pool);
    }
    fake_start(pool, good, 1);
    struct cli_result first = cli_run("ckpt", "export", "7.0", "-o", file, NULL), again = cli_run("ckpt", "export", "7.0", "-o", file, NULL);
    struct cli_result forced = cli_run("ckpt", "export", "7.0", "-f", "-o", file, NULL), piped = cli_run("ckpt", "export", "7.0", NULL);
    auto_free char *text = read_out(pool, "a.tar");
    assert_int_equal(first.status, CLI_OK);
    assert_contains(first.out, "7.0@3, 6 B, exported to '");
    assert_string_equal(text, "hello\n");
    assert_int_equal(again.status, CLI_FAILURE);
    assert_contains(again.err, "give --force to replace it");
    assert_int_equal(forced.status, CLI_OK);
    assert_string_equal(piped.out, "hello\n");
    cli_result_release(&first);
    cli_result_release(&again);
    cli_result_release(&forced);
    cli_result_release(&piped);
}

static void paths_are_sent_absolute(void **state)
{
    static const struct fake_line script[] = {
        { "POST /v1/checkpoints/extract ", LINES("{\"Id\":\"7.0\",\"Generation\":3,\"Files\":1,\"Bytes\":5,\"Ok\":true}\n"), 0 },
        { "POST /v1/checkpoints/import ", LINES("{\"Id\":\"9.0\",\"From\":\"7.0@3\",\"Ok\":true}\n"), 0 },
    };
    struct fake_pool *pool = *state;
    char cwd[4096];
    fake_start(pool, script, COUNT(script));
    struct cli_result extract = cli_run("ckpt", "extract", "7", "a", "b/c", "-C", "there", NULL);
    struct cli_result import = cli_run("ckpt", "import", "a.tar", "--key", "/k", NULL);
    auto_free char *asked = fake_requests(pool);
    assert_non_null(getcwd(cwd, sizeof cwd));
    auto_free char *there = mem_printf("\"Directory\":\"%s/there\",\"Force\":false,\"Files\":[\"a\",\"b/c\"]", cwd);
    auto_free char *tar = mem_printf("{\"File\":\"%s/a.tar\",\"Key\":\"/k\",\"Unverified\":false}", cwd);
    assert_contains(asked, there);
    assert_contains(asked, tar);
    assert_string_equal(extract.out, "1 file of 7.0@3, 5 B, extracted\n");
    assert_contains(import.out, "job 9.0 was made of 7.0@3, and is held.\n");
    assert_contains(import.out, "stint release 9.0\n");
    cli_result_release(&extract);
    cli_result_release(&import);
}

static void going_back_says_to_what(void **state)
{
    static const struct fake_line script[] = {
        { "GET /v1/jobs?id=7&", FAKE_OK("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0}]}"), 0 },
        { "POST /v1/jobs/7.0/rewind ", LINES("{\"Done\":1,\"Total\":2}\n{\"Id\":\"7.0\",\"To\":3,\"Generation\":6,\"Ok\":true}\n"), 0 },
        { "POST /v1/jobs/7.0/clone ", LINES("{\"Id\":\"9.0\",\"From\":\"7.0@3\",\"Notes\":[\"its output goes to 'a'\"],\"Ok\":true}\n"), 0 },
    };
    struct fake_pool *pool = *state;
    fake_start(pool, script, COUNT(script));
    struct cli_result rewind = cli_run("rewind", "7", "--to", "3", NULL);
    struct cli_result clone = cli_run("clone", "7@3", "priority=5", "hold=true", NULL);
    auto_free char *asked = fake_requests(pool);
    assert_string_equal(rewind.out, "7.0 goes on from checkpoint 3, which is checkpoint 6 from now on\n");
    assert_string_equal(clone.out, "job 9.0 goes on from 7.0@3\nits output goes to 'a'\nIt is held; let it run with: stint release 9.0\n");
    assert_contains(asked, "{\"To\":3}");
    assert_contains(asked, "\"Hold\":true");
    assert_contains(asked, "\"At\":3");
    assert_contains(asked, "\"JobPrio\":5");
    cli_result_release(&rewind);
    cli_result_release(&clone);
}

static void edits_take_the_submit_languages_words(void **state)
{
    static const struct { const char *text, *ad; } rows[] = {
        { "priority=5", "{\"JobPrio\":5}" },
        { "request_memory=2G", "{\"RequestMemory\":2048}" },
        { "checkpoint_interval=30m", "{\"CheckpointIntervalUs\":1800000000}" },
        { "keep_checkpoints=true", "{\"KeepCheckpoints\":true}" },
        { "initialdir=/a b", "{\"Iwd\":\"/a b\"}" },
        { "output=\"x\"", "{\"Out\":\"x\"}" },
        { "ERROR=x.err", "{\"Err\":\"x.err\"}" },
        { "log=l", "{\"UserLog\":\"l\"}" },
        { "transfer_output_files=\"\"", "{\"TransferOutput\":\"\"}" },
        { "arguments=a \\\"b\\\"", "{\"Args\":\"a \\\"b\\\"\",\"Arguments\":null}" },
        { "arguments=\"a \"\"b\"\" 'c d'\"", "{\"Arguments\":\"a \\\"b\\\" 'c d'\",\"Args\":null}" },
        { "Note=\"x\"", "{\"Note\":\"x\"}" },
        { "Rank=Cpus", "{\"Rank\":\"\\/Expr(Cpus)\\/\"}" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_ad struct ad *set = ad_new();
        auto_buf struct buf text = { 0 };
        struct error err = { 0 };
        assert_int_equal(edit_parse(rows[i].text, set, &err), 0);
        ad_print_json(set, &text);
        assert_string_equal(buf_cstr(&text), rows[i].ad);
    }
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(lists_are_tables_names_or_json),
        WITH_POOL(nothing_is_said_to_be_nothing),
        WITH_POOL(a_checkpoint_is_shown_with_its_files),
        WITH_POOL(differences_are_files_and_bytes),
        WITH_POOL(damage_is_a_failure_and_named),
        WITH_POOL(what_was_not_done_is_told_apart),
        WITH_POOL(usage_has_a_ratio_and_a_total),
        WITH_POOL(an_answer_that_breaks_off_or_makes_no_sense_is_a_failure),
        WITH_POOL(a_file_is_printed_as_it_is),
        WITH_POOL(an_export_is_a_file_only_when_it_is_whole),
        WITH_POOL(paths_are_sent_absolute),
        WITH_POOL(going_back_says_to_what),
        cmocka_unit_test(edits_take_the_submit_languages_words),
    };
    return cmocka_run_group_tests_name("cli_ckpt", tests, NULL, NULL);
}
