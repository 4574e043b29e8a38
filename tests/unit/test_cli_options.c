/* Command lines: parsing by the table, and what the table says. */
#include "cli_fixture.h"

static int parse(struct cli_call *call, struct error *err, const char *command, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return cli_parse(argc, argv, cli_find(command), call, err);
}

static void options_and_operands_may_be_mixed(void **state)
{
    (void)state;
    char *argv[] = { (char *)"7.0", (char *)"-c", (char *)"Owner == \"a\"", (char *)"--json", (char *)"8", NULL };
    auto_cli_call struct cli_call call = { 0 };
    struct error err;
    assert_int_equal(parse(&call, &err, "q", argv), 0);
    assert_int_equal(call.operand_count, 2);
    assert_string_equal(call.operands[0], "7.0");
    assert_string_equal(call.operands[1], "8");
    assert_string_equal(cli_value(&call, "constraint"), "Owner == \"a\"");
    assert_true(cli_given(&call, "json"));
    assert_false(cli_given(&call, "watch"));
    assert_false(cli_given(&call, "no such option"));
}

static void values_come_in_every_usual_form(void **state)
{
    static const struct {
        const char *words[3];
        const char *value;
    } rows[] = {
        { { "-cx", NULL }, "x" },      { { "-c", "x", NULL }, "x" },           { { "--constraint", "x", NULL }, "x" },
        { { "--constraint=x", NULL }, "x" }, { { "--constraint=", NULL }, "" }, { { "-c", "-x", NULL }, "-x" },
        { { "--constraint=a=b", NULL }, "a=b" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        auto_cli_call struct cli_call call = { 0 };
        struct error err;
        assert_int_equal(parse(&call, &err, "q", (char **)(uintptr_t)rows[i].words), 0);
        assert_string_equal(cli_value(&call, "constraint"), rows[i].value);
        assert_int_equal(call.operand_count, 0);
    }
}

static void short_flags_may_be_joined(void **state)
{
    (void)state;
    char *argv[] = { (char *)"-fe", (char *)"7.0", NULL };
    auto_cli_call struct cli_call call = { 0 };
    struct error err;
    assert_int_equal(parse(&call, &err, "log", argv), 0);
    assert_true(cli_given(&call, "follow"));
    assert_true(cli_given(&call, "stderr"));
}

static void an_optional_value_needs_its_equals_sign(void **state)
{
    (void)state;
    char *argv[] = { (char *)"--watch", (char *)"7.0", NULL };
    char *with[] = { (char *)"--watch=500ms", NULL };
    auto_cli_call struct cli_call call = { 0 }, other = { 0 };
    struct error err;
    int64_t us;
    assert_int_equal(parse(&call, &err, "q", argv), 0);
    assert_int_equal(call.operand_count, 1);
    assert_int_equal(cli_duration(&call, "watch", 2000000, &us, &err), 0);
    assert_int_equal(us, 2000000);
    assert_int_equal(parse(&other, &err, "q", with), 0);
    assert_int_equal(cli_duration(&other, "watch", 2000000, &us, &err), 0);
    assert_int_equal(us, 500000);
}

static void two_dashes_end_the_options_and_one_is_an_operand(void **state)
{
    (void)state;
    char *argv[] = { (char *)"--", (char *)"--json", NULL };
    char *dash[] = { (char *)"-", NULL };
    auto_cli_call struct cli_call call = { 0 }, other = { 0 };
    struct error err;
    assert_int_equal(parse(&call, &err, "q", argv), 0);
    assert_string_equal(call.operands[0], "--json");
    assert_int_equal(parse(&other, &err, "submit", dash), 0);
    assert_string_equal(other.operands[0], "-");
}

static void wrong_command_lines_exit_with_2_and_say_what_was_meant(void **state)
{
    static const struct {
        const char *words[5];
        const char *sentence;
    } rows[] = {
        { { "sumbit", "x" }, "did you mean 'submit'?" },
        { { "qq" }, "did you mean 'q'?" },
        { { "frobnicate" }, "no command 'frobnicate'" },
        { { "q", "--jsno" }, "did you mean '--json'?" },
        { { "q", "--frobnicate" }, "no option '--frobnicate'" },
        { { "q", "-z" }, "no option '-z'" },
        { { "q", "--json=x" }, "takes no value" },
        { { "q", "-c" }, "option '-c' needs a value" },
        { { "q", "--owner" }, "option '--owner' needs a value" },
        { { "q", "seven" }, "'seven' is not a job's ID" },
        { { "q", "7.x" }, "'7.x' is not a job's ID" },
        { { "q", "--watch=soon" }, "'soon' is not a duration" },
        { { "show" }, "which job?" },
        { { "log", "1.0", "2.0" }, "'2.0' is one too many" },
        { { "log", "1.0", "-c", "true" }, "which job?" },
        { { "q", "-c", "JobPrio > " }, "column 11" },
        { { "rm", "-c", "JobPrio = 3" }, "the constraint 'JobPrio = 3' is no expression" },
        { { "q", "--format", "%d" }, "needs FMT EXPR" },
        { { "q", "--format", "%d %d", "A" }, "a second conversion at column 4" },
        { { "q", "--af" }, "at least one attribute" },
        { { "q", "--af:z", "A" }, "'z' is no letter of --af" },
        { { "q", "--af:lh", "A" }, "exclude each other" },
        { { "ckpt", "pin" }, "which checkpoints?" },
        { { "users", "--set-factor=eva" }, "USER=N" },
        { { "users", "me" }, "takes no operand" },
        { { "show", "x" }, "not a job's ID" },
        { { "log", "x" }, "not a job's ID" },
        { { "rm" }, "which jobs?" },
        { { "rm", "7", "--all" }, "which jobs?" },
        { { "checkpoint" }, "which jobs?" },
        { { "hold", "--all", "-c", "true" }, "which jobs?" },
        { { "edit", "7.0", "x" }, "neither a job's ID" },
        { { "edit", "JobPrio=5", "7.0" }, "neither a job's ID" },
        { { "edit", "JobPrio=5", "Rank=1" }, "which job?" },
        { { "edit", "7.0", "8.0" }, "what to change?" },
        { { "edit", "7.0", "a b=5" }, "not the name of an attribute" },
        { { "edit", "7.0", "JobPrio=(1" }, "no expression" },
        { { "edit", "7.0", "JobPrio=" }, "NAME=VALUE" },
        { { "wait" }, "for which jobs?" },
        { { "wait", "7", "--timeout", "x" }, "not a duration" },
        { { "history", "-n", "many" }, "not a number" },
        { { "history", "-n", "-5" }, "not a number" },
        { { "events", "--after", "x" }, "not a number" },
        { { "ledger", "--by", "week" }, "cannot sum by 'week'" },
        { { "ledger", "--since", "23.11.2026" }, "not a day" },
        { { "ledger", "--until", "2026-13-01" }, "not a day" },
        { { "pool", "sing" }, "no 'stint pool sing'" },
        { { "pool", "start", "--vacate" }, "goes with 'stop' only" },
        { { "completion", "tcsh" }, "bash, zsh and fish" },
        { { "help", "sumbit" }, "did you mean 'submit'?" },
        { { "help", "ckpt", "lss" }, "did you mean 'ls'?" },
        { { "help", "show", "me" }, "no commands of its own" },
        { { "ckpt" }, "usage: stint ckpt COMMAND" },
        { { "ckpt", "verifi" }, "did you mean 'verify'?" },
        { { "ckpt", "show" }, "needs CHECKPOINT" },
        { { "ckpt", "show", "7.0", "8.0" }, "one too many" },
        { { "ckpt", "show", "7.0@" }, "not a checkpoint" },
        { { "ckpt", "ls", "7.0@03" }, "not a checkpoint" },
        { { "ckpt", "ls", "7.0@0" }, "not a checkpoint" },
        { { "ckpt", "ls", "@3" }, "not a checkpoint" },
        { { "ckpt", "pin", "x" }, "not a checkpoint" },
        { { "ckpt", "cat", "7.0" }, "needs CHECKPOINT FILE" },
        { { "ckpt", "diff", "7.0" }, "needs CHECKPOINT CHECKPOINT" },
        { { "ckpt", "rm", "7.0" }, "does not say which" },
        { { "ckpt", "gc", "7.0" }, "takes no operand" },
        { { "ckpt", "import", "-" }, "not from standard input" },
        { { "ckpt", "import", "a", "--unverified", "--key=k" }, "not both" },
        { { "ckpt", "export", "7.0", "-o-", "--json" }, "needs a name" },
        { { "rewind", "7.0" }, "to which checkpoint?" },
        { { "rewind", "7.0", "--to=0" }, "not the number of a checkpoint" },
        { { "rewind", "7.0", "--to=x" }, "not a number" },
        { { "rewind", "x", "--to=1" }, "not a job's ID" },
        { { "rewind", "7.0@" }, "not the number of a checkpoint" },
        { { "rewind", "7.0@3x" }, "not a job's ID" },
        { { "rewind", "7.0@3", "--to=3" }, "and so does '--to'" },
        { { "clone", "7.0", "--at=-1" }, "not a number" },
        { { "clone", "7.0", "8.0" }, "not of the form NAME=VALUE" },
        { { "q", "--af", "a b" }, "neither an attribute nor an expression" },
        { { "q", "7" }, NULL }, /* nothing is wrong but that there is no pool */
    };
    (void)state;
    setenv("STINT_DIR", "/nonexistent/stint-test", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const *w = rows[i].words;
        struct cli_result r = cli_run(w[0], w[1], w[2], w[3], w[4], NULL);
        if (!rows[i].sentence) {
            assert_int_equal(r.status, CLI_FAILURE);
        } else {
            if (r.status != CLI_USAGE)
                fail_msg("row %zu: exit status %d, '%s'", i, r.status, r.err);
            assert_contains(r.err, rows[i].sentence);
            assert_string_equal(r.out, "");
        }
        cli_result_release(&r);
    }
}

static void every_command_has_help_and_is_in_the_overview_and_the_completions(void **state)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };
    (void)state;
    struct cli_result overview = cli_run("help", NULL);
    assert_int_equal(overview.status, CLI_OK);
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: stint %s", c->name);
        struct cli_result by_command = cli_run("help", c->name, NULL);
        struct cli_result by_option = cli_run(c->name, "--help", NULL);
        assert_int_equal(by_option.status, CLI_OK);
        assert_string_equal(by_command.out, by_option.out);
        assert_contains(by_command.out, usage);
        assert_contains(by_command.out, c->summary);
        assert_contains(overview.out, c->summary);
        for (const struct cli_option *o = c->options; o->name; o++) {
            assert_contains(by_command.out, o->name);
            assert_true(o - c->options < CLI_OPTIONS_MAX);
        }
        for (size_t i = 0; i < 3; i++) {
            auto_buf struct buf script = { 0 };
            assert_true(cli_print_completion(shells[i], &script));
            assert_contains(buf_cstr(&script), c->name);
        }
        cli_result_release(&by_command);
        cli_result_release(&by_option);
    }
    cli_result_release(&overview);
}

static void check_json(const struct cli_command *commands)
{
    static const char *const without[] = { "log", "ckpt", "ckpt cat", "completion", "help", "sim", "version" };
    for (const struct cli_command *c = commands; c->name; c++) {
        bool json = false, exempt = false;
        for (const struct cli_option *o = c->options; o->name; o++)
            json = json || strcmp(o->name, "json") == 0;
        for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
            exempt = exempt || strcmp(without[i], c->name) == 0;
        if (json == exempt)
            fail_msg("%s: json %d", c->name, json);
        if (c->subs)
            check_json(c->subs);
    }
}

static void every_command_that_prints_has_json(void **state)
{
    (void)state;
    check_json(cli_commands());
}

static void every_command_of_a_command_has_help_and_is_in_the_completions(void **state)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };
    const struct cli_command *ckpt = cli_find("ckpt");
    (void)state;
    for (const struct cli_command *c = ckpt->subs; c->name; c++) {
        auto_free char *usage = mem_printf("usage: stint %s", c->name);
        struct cli_result by_command = cli_run("help", "ckpt", cli_sub_name(c), NULL);
        struct cli_result by_option = cli_run("ckpt", cli_sub_name(c), "--help", NULL);
        struct cli_result overview = cli_run("ckpt", "--help", NULL);
        assert_int_equal(by_option.status, CLI_OK);
        assert_string_equal(by_command.out, by_option.out);
        assert_contains(by_command.out, usage);
        assert_contains(overview.out, c->summary);
        for (size_t i = 0; i < 3; i++) {
            auto_buf struct buf script = { 0 };
            assert_true(cli_print_completion(shells[i], &script));
            assert_contains(buf_cstr(&script), cli_sub_name(c));
        }
        cli_result_release(&by_command);
        cli_result_release(&by_option);
        cli_result_release(&overview);
    }
}

static char *read_document(const char *name)
{
    auto_free char *path = mem_printf("%s/../../%s", TEST_CASES, name);
    struct buf text = { 0 };
    struct error err = { 0 };
    if (file_read(AT_FDCWD, path, &text, &err) != 0)
        fail_msg("%s: %s", path, err.text);
    return buf_steal(&text);
}

/* The line of the page that starts a command's entry, up to its explanation. */
static char *entry_of(const char *page, const char *command)
{
    auto_free char *start = mem_printf("\n*stint %s*", command);
    const char *at = strstr(page, start);
    if (!at) /* "*stint suspend* …, *stint continue* …" */
        at = strstr(page, start + 1);
    return at ? mem_dup_n(at + 1, strcspn(at + 1, "\n")) : mem_dup("");
}

static void check_manual(const char *name, const struct cli_command *commands)
{
    auto_free char *page = read_document(name);
    for (const struct cli_command *c = commands; c->name; c++) {
        auto_free char *entry = NULL;
        if (strcmp(c->name, "pool") == 0)
            entry = mem_dup(page);
        else
            entry = entry_of(page, c->name);
        if (!entry[0])
            fail_msg("%s does not know '%s'", name, c->name);
        for (const struct cli_option *o = c->options; o->name; o++) {
            auto_free char *option = mem_printf("--%s*", o->name);
            if (!strstr(entry, option) && strcmp(o->name, "constraint") != 0 && strcmp(o->name, "all") != 0)
                fail_msg("%s does not know '%s --%s'", name, c->name, o->name);
        }
    }
}

static void the_manual_pages_know_every_command_and_option(void **state)
{
    (void)state;
    check_manual("man/stint.1.scd", cli_commands());
    check_manual("man/stint-ckpt.1.scd", cli_find("ckpt")->subs);
}

static void bash_takes_its_completion(void **state)
{
    (void)state;
    struct scratch dir;
    auto_buf struct buf script = { 0 };
    scratch_open(&dir);
    cli_print_completion("bash", &script);
    buf_text(&script, "\nCOMP_WORDS=(stint sub); COMP_CWORD=1; _stint; [ \"${COMPREPLY[*]}\" = submit ] || exit 1\n"
                      "COMP_WORDS=(stint pool st); COMP_CWORD=2; _stint; [ \"${COMPREPLY[*]}\" = 'start stop status' ] || exit 2\n"
                      "COMP_WORDS=(stint q --js); COMP_CWORD=2; _stint; [ \"${COMPREPLY[*]}\" = --json ] || exit 3\n"
                      "COMP_WORDS=(stint ckpt ver); COMP_CWORD=2; _stint; [ \"${COMPREPLY[*]}\" = verify ] || exit 4\n"
                      "COMP_WORDS=(stint ckpt rm --fo); COMP_CWORD=3; _stint; [ \"${COMPREPLY[*]}\" = --force ] || exit 5\n"
                      "_stint_checkpoints() { echo 7.0@1 7.0@2 8.0@1; }\n"
                      "COMP_WORDS=(stint ckpt show 7.0@); COMP_CWORD=3; _stint; [ \"${COMPREPLY[*]}\" = '7.0@1 7.0@2' ] || exit 6\n");
    scratch_write(&dir, "script", script.data, script.len);
    auto_free char *command = mem_printf("bash %s/script", dir.path);
    assert_int_equal(system(command), 0);
    scratch_close(&dir);
}

static void the_version_is_printed_in_both_ways(void **state)
{
    (void)state;
    struct cli_result a = cli_run("--version", NULL), b = cli_run("version", NULL), c = cli_run(NULL);
    assert_int_equal(a.status, CLI_OK);
    assert_string_equal(a.out, "stint " STINT_VERSION "\n");
    assert_string_equal(a.out, b.out);
    assert_int_equal(c.status, CLI_USAGE);
    assert_contains(c.err, "usage: stint COMMAND");
    cli_result_release(&a);
    cli_result_release(&b);
    cli_result_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_may_be_mixed),
        cmocka_unit_test(values_come_in_every_usual_form),
        cmocka_unit_test(short_flags_may_be_joined),
        cmocka_unit_test(an_optional_value_needs_its_equals_sign),
        cmocka_unit_test(two_dashes_end_the_options_and_one_is_an_operand),
        cmocka_unit_test(wrong_command_lines_exit_with_2_and_say_what_was_meant),
        cmocka_unit_test(every_command_has_help_and_is_in_the_overview_and_the_completions),
        cmocka_unit_test(every_command_that_prints_has_json),
        cmocka_unit_test(every_command_of_a_command_has_help_and_is_in_the_completions),
        cmocka_unit_test(the_manual_pages_know_every_command_and_option),
        cmocka_unit_test(bash_takes_its_completion),
        cmocka_unit_test(the_version_is_printed_in_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
