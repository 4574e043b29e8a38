/* Arguments, environments, file lists and signals out of a job's ad. */
#include "base/mem.h"
#include "job/command.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* The items, each in brackets. */
static char *bracketed(const struct command_list *list)
{
    auto_buf struct buf text = { 0 };
    for (size_t i = 0; i < list->count; i++)
        buf_printf(&text, "[%s]", list->items[i]);
    if (list->items)
        assert_null(list->items[list->count]);
    return buf_steal(&text);
}

static void expect_items(const struct command_list *list, const char *want)
{
    auto_free char *got = bracketed(list);
    assert_string_equal(got, want);
}

/* ---- lists ---- */

static void a_list_grows_and_stays_terminated(void **state)
{
    auto_command_list struct command_list list = { 0 };
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        auto_free char *text = mem_printf("%zu", i);
        command_list_add(&list, text);
        assert_int_equal(list.count, i + 1);
        assert_null(list.items[i + 1]);
    }
    assert_string_equal(list.items[0], "0");
    assert_string_equal(list.items[999], "999");
    command_list_release(&list);
    assert_int_equal(list.count, 0);
    assert_null(list.items);
}

/* ---- the new syntax ---- */

static void the_new_syntax_splits_at_blanks_outside_of_quotes(void **state)
{
    static const struct { const char *text, *items; } cases[] = {
        { "", "" },
        { "   ", "" },
        { "one", "[one]" },
        { " one  two\tthree\nfour ", "[one][two][three][four]" },
        { "'two words'", "[two words]" },
        { "a'b c'd", "[ab cd]" },
        { "'it''s'", "[it's]" },
        { "''", "[]" },
        { "'' ''", "[][]" },
        { "''''", "[']" },
        { "a''b", "[ab]" },
        { "'a' 'b'", "[a][b]" },
        { "\"x\"", "[\"x\"]" },
        { "back\\slash $(x) `y`", "[back\\slash][$(x)][`y`]" },
        { "'new\nline'", "[new\nline]" },
        { "\xc3\xa4 \xc3\xb6", "[\xc3\xa4][\xc3\xb6]" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_command_list struct command_list list = { 0 };
        struct error err;
        assert_int_equal(command_split(cases[i].text, &list, &err), 0);
        expect_items(&list, cases[i].items);
    }
}

static void an_open_quote_is_an_error_and_leaves_the_output_alone(void **state)
{
    static const char *const cases[] = { "'", "'a", "a 'b", "'a''", "a'''" };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct command_list list = { 0 };
        struct error err;
        assert_int_equal(command_split(cases[i], &list, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_non_null(strstr(err.text, "single quote is never closed"));
        assert_null(list.items);
    }
}

static void joining_is_the_inverse_of_splitting(void **state)
{
    static const char *const items[] = { "plain", "", "two words", "it's", "'", "''", "a\tb", "new\nline", "\"", "\\", "x=y", " " };
    auto_command_list struct command_list list = { 0 };
    auto_command_list struct command_list again = { 0 };
    auto_buf struct buf text = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
        command_list_add(&list, items[i]);
    command_join(&list, &text);
    assert_int_equal(command_split(buf_cstr(&text), &again, NULL), 0);
    assert_int_equal(again.count, list.count);
    for (size_t i = 0; i < list.count; i++)
        assert_string_equal(again.items[i], list.items[i]);
}

static void what_needs_no_quotes_gets_none(void **state)
{
    auto_command_list struct command_list list = { 0 };
    auto_buf struct buf text = { 0 };
    (void)state;
    command_join(&list, &text);
    assert_string_equal(buf_cstr(&text), "");
    command_list_add(&list, "--size");
    command_list_add(&list, "10");
    command_list_add(&list, "a b");
    command_join(&list, &text);
    assert_string_equal(buf_cstr(&text), "--size 10 'a b'");
}

/* ---- arguments and environment ---- */

static struct ad *job_with(const char *text)
{
    struct ad *ad = ad_new();
    struct error err;
    if (ad_parse(ad, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    return ad;
}

static void arguments_come_from_the_attribute_that_is_there(void **state)
{
    static const struct { const char *ad, *items; } cases[] = {
        { "", "" },
        { "Arguments = \"a 'b c'\"", "[a][b c]" },
        { "Args = \"a 'b c'\"", "[a]['b][c']" },
        { "Args = \"  a   b \"", "[a][b]" },
        { "Args = \"a \\\"b\\\"\"", "[a][\"b\"]" },
        { "Arguments = \"new\"\nArgs = \"old\"", "[new]" },
        { "Arguments = undefined\nArgs = \"old\"", "[old]" },
        { "Arguments = \"\"\nArgs = \"old\"", "" },
        { "Arguments = 5", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_ad struct ad *job = job_with(cases[i].ad);
        auto_command_list struct command_list list = { 0 };
        assert_int_equal(command_arguments(job, &list, NULL), 0);
        expect_items(&list, cases[i].items);
    }
}

static void the_environment_comes_from_the_attribute_that_is_there(void **state)
{
    static const struct { const char *ad, *items; } cases[] = {
        { "", "" },
        { "Environment = \"A=1 B='two words' C=\"", "[A=1][B=two words][C=]" },
        { "Env = \"A=1;B=two words;\"", "[A=1][B=two words]" },
        { "Env = \"A=it's; B=x=y\"", "[A=it's][B=x=y]" },
        { "Environment = undefined\nEnv = \"A=1\"", "[A=1]" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_ad struct ad *job = job_with(cases[i].ad);
        auto_command_list struct command_list list = { 0 };
        assert_int_equal(command_environment(job, &list, NULL), 0);
        expect_items(&list, cases[i].items);
    }
}

static void errors_name_the_attribute_and_the_word(void **state)
{
    auto_ad struct ad *quote = job_with("Arguments = \"it's\"\nEnvironment = \"it's\"");
    auto_ad struct ad *plain = job_with("Environment = \"A=1 B\"");
    auto_ad struct ad *nameless = job_with("Env = \"=x\"");
    struct command_list list = { 0 };
    struct error err;
    (void)state;
    assert_int_equal(command_arguments(quote, &list, &err), -1);
    assert_string_equal(err.text, "arguments: a single quote is never closed in 'it's'; write two of them for one of its own");
    assert_int_equal(command_environment(quote, &list, &err), -1);
    assert_int_equal(strncmp(err.text, "environment: a single quote", 27), 0);
    assert_int_equal(command_environment(plain, &list, &err), -1);
    assert_string_equal(err.text, "environment: 'B' is not of the form NAME=value");
    assert_int_equal(command_environment(nameless, &list, &err), -1);
    assert_string_equal(err.text, "environment: '=x' is not of the form NAME=value");
    assert_null(list.items);
}

static void file_lists_are_split_at_commas(void **state)
{
    static const struct { const char *text, *items; } cases[] = {
        { "\"\"", "" },
        { "\"a\"", "[a]" },
        { "\" a , b c,,d/ ,\"", "[a][b c][d/]" },
        { "undefined", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *text = mem_printf("TransferInput = %s", cases[i].text);
        auto_ad struct ad *job = job_with(text);
        auto_command_list struct command_list list = { 0 };
        command_files(job, "TransferInput", &list);
        expect_items(&list, cases[i].items);
    }
}

/* ---- signals ---- */

static void signals_are_known_by_name_and_number(void **state)
{
    const struct { const char *text; int number; } cases[] = {
        { "SIGUSR2", SIGUSR2 }, { "USR2", SIGUSR2 }, { "sigusr2", SIGUSR2 }, { "12", 12 }, { "SIGTERM", SIGTERM },
        { "1", 1 }, { "64", 64 }, { "IO", SIGPOLL }, { "SIGCLD", SIGCHLD }, { "RTMIN", SIGRTMIN }, { "SIGRTMIN+3", SIGRTMIN + 3 },
        { "0", 0 }, { "65", 0 }, { "-1", 0 }, { "012", 0 }, { "", 0 }, { "SIG", 0 }, { "SIGFOO", 0 }, { "SIGUSR", 0 },
        { "SIGUSR22", 0 }, { "SIGRTMIN+99", 0 }, { "SIGRTMIN-1", 0 }, { "SIGRTMIN+", 0 }, { "12 ", 0 }, { "1x", 0 }, { "999999999999", 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (command_signal(cases[i].text) != cases[i].number)
            fail_msg("'%s' is %d", cases[i].text, command_signal(cases[i].text));
}

static void names_of_signals_lead_back_to_their_numbers(void **state)
{
    (void)state;
    for (int i = 1; i < 32; i++) {
        assert_int_equal(strncmp(command_signal_name(i), "SIG", 3), 0);
        assert_int_equal(command_signal(command_signal_name(i)), i);
    }
    assert_string_equal(command_signal_name(SIGUSR2), "SIGUSR2");
    assert_string_equal(command_signal_name(99), "a signal without name");
    assert_string_equal(command_signal_name(-1), "a signal without name");
}

static void an_attribute_may_name_a_signal_either_way(void **state)
{
    auto_ad struct ad *job = job_with("A = \"SIGUSR1\"\nB = 12\nC = \"nonsense\"\nD = 99\nE = undefined\nF = \"15\"");
    (void)state;
    assert_int_equal(command_signal_of(job, "A", 3), SIGUSR1);
    assert_int_equal(command_signal_of(job, "B", 3), 12);
    assert_int_equal(command_signal_of(job, "C", 3), 3);
    assert_int_equal(command_signal_of(job, "D", 3), 3);
    assert_int_equal(command_signal_of(job, "E", 3), 3);
    assert_int_equal(command_signal_of(job, "F", 3), 15);
    assert_int_equal(command_signal_of(job, "Missing", 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_grows_and_stays_terminated),
        cmocka_unit_test(the_new_syntax_splits_at_blanks_outside_of_quotes),
        cmocka_unit_test(an_open_quote_is_an_error_and_leaves_the_output_alone),
        cmocka_unit_test(joining_is_the_inverse_of_splitting),
        cmocka_unit_test(what_needs_no_quotes_gets_none),
        cmocka_unit_test(arguments_come_from_the_attribute_that_is_there),
        cmocka_unit_test(the_environment_comes_from_the_attribute_that_is_there),
        cmocka_unit_test(errors_name_the_attribute_and_the_word),
        cmocka_unit_test(file_lists_are_split_at_commas),
        cmocka_unit_test(signals_are_known_by_name_and_number),
        cmocka_unit_test(names_of_signals_lead_back_to_their_numbers),
        cmocka_unit_test(an_attribute_may_name_a_signal_either_way),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
