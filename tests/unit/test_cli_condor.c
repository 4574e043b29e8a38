/* HTCondor's command lines: how short an option may be, what takes what, and which jobs are meant. */
#include "cli_fixture.h"

#include "cli/condor.h"

static const struct condor_option options[] = {
    { "hold", 2, CONDOR_NOTHING, NULL, NULL },
    { "attributes", 2, CONDOR_VALUE, NULL, NULL },
    { "autoformat", 5, CONDOR_WORDS, NULL, NULL },
    { "af", 2, CONDOR_WORDS, NULL, NULL },
    { "format", 1, CONDOR_PAIR, NULL, NULL },
    { "constraint", 1, CONDOR_VALUE, NULL, NULL },
    { "num", 0, CONDOR_VALUE, NULL, NULL },
    { "global", 1, CONDOR_NOTHING, "", NULL },
    { "grid", 2, CONDOR_NOTHING, NULL, "there is no grid" },
    CONDOR_COMMON,
};

/* The options in the order given, with their letters and words; then the operands; or the error's text. */
static char *read_line(const char *line)
{
    auto_free char *copy = mem_dup(line);
    auto_condor_call struct condor_call call = { .program = "test" };
    struct buf out = { 0 };
    struct error err = { 0 };
    char *argv[32], *rest = copy;
    int argc = 0;
    for (char *word; (word = strsep(&rest, " "));)
        argv[argc++] = word;
    if (condor_parse(argc, argv, options, &call, &err) < 0) {
        buf_text(&out, err.text);
        return buf_steal(&out);
    }
    for (size_t i = 0; i < call.given_count; i++) {
        buf_printf(&out, "%s[%s", call.given[i].option->name, call.given[i].letters);
        for (size_t k = 0; k < call.given[i].count; k++)
            buf_printf(&out, " %s", call.given[i].words[k]);
        buf_text(&out, "] ");
    }
    for (size_t i = 0; i < call.operand_count; i++)
        buf_printf(&out, "%s ", call.operands[i]);
    return buf_steal(&out);
}

static void options_may_be_cut_down_to_what_htcondor_wants(void **state)
{
    static const struct { const char *line, *read; } cases[] = {
        { "-hold -ho --hold", "hold[] hold[] hold[] " },
        { "-h", "help[] " },
        { "-c x -const y -constraint z 7", "constraint[ x] constraint[ y] constraint[ z] 7 " },
        { "-af:jh A B -hold C", "af[jh A B] hold[] C " },
        { "-autof:, A", "autoformat[, A] " },
        { "-format %d A -f %s B C", "format[ %d A] format[ %s B] C " },
        { "-att A,B 7.0 eva", "attributes[ A,B] 7.0 eva " },
        { "-num 3 -", "num[ 3] - " },
        { "-constraint -1", "constraint[ -1] " },
        { "-global -g", "global[] global[] " },
        { "-nu 3", "unrecognized option '-nu'; see stint-condor(7)" },
        { "-auto A", "unrecognized option '-auto'; see stint-condor(7)" },
        { "-holds", "unrecognized option '-holds'; see stint-condor(7)" },
        { "-constraint", "-constraint requires another argument" },
        { "-format %d", "-format requires a format and an attribute" },
        { "-grid", "-grid: there is no grid" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *read = read_line(cases[i].line);
        assert_string_equal(read, cases[i].read);
    }
}

static void jobs_users_and_constraints_make_one_expression(void **state)
{
    static const struct { const char *words[6]; const char *expr, *refusal; } cases[] = {
        { { NULL }, "", NULL },
        { { "7" }, "(ClusterId == 7)", NULL },
        { { "7.2", "8" }, "(ClusterId == 7 && ProcId == 2 || ClusterId == 8)", NULL },
        { { "eva@here", "7" }, "(ClusterId == 7) && (Owner == \"eva\")", NULL },
        { { "-c", "A || B", "7" }, "(ClusterId == 7) && (A || B)", NULL },
        { { "-c", "A", "-c", "B" }, "(A) && (B)", NULL },
        { { "a\"b" }, NULL, "neither a job" },
        { { "7.x" }, NULL, "neither a job" },
        { { "-c", "A)||(true" }, NULL, "column 2" },
        { { "-c", "A &&" }, NULL, "column 5" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_condor_call struct condor_call call = { .program = "test" };
        auto_buf struct buf expr = { 0 };
        struct error err = { 0 };
        int argc = 0;
        while (argc < 6 && cases[i].words[argc])
            argc++;
        assert_int_equal(condor_parse(argc, (char **)(uintptr_t)cases[i].words, options, &call, &err), 0);
        assert_int_equal(condor_constraint(&call, "", &expr, &err), cases[i].refusal ? CLI_BAD_USAGE : 0);
        if (cases[i].refusal)
            assert_contains(err.text, cases[i].refusal);
        else
            assert_string_equal(buf_cstr(&expr), cases[i].expr);
    }
}

static void only_htcondor_s_names_are_taken_for_them(void **state)
{
    static const char *const others[] = { "stint", "/usr/bin/stint", "condor_dagman", "condor_", "xcondor_q", "" };
    char *version[] = { (char *)"/opt/bin/condor_version", NULL };
    int status = -1;
    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        char *argv[] = { (char *)(uintptr_t)others[i], NULL };
        assert_false(condor_main(1, argv, &status));
    }
    assert_false(condor_main(0, version, &status));
    assert_true(condor_main(1, version, &status));
    assert_int_equal(status, CLI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_be_cut_down_to_what_htcondor_wants),
        cmocka_unit_test(jobs_users_and_constraints_make_one_expression),
        cmocka_unit_test(only_htcondor_s_names_are_taken_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
