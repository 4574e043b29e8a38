/* The submit language and what lies outside the file: the command line, chance, names of files, lists of other places. */
#include "base/mem.h"
#include "job/submit.h"
#include "submit_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct submit_options options = {
    .file = "toy.sub", .cwd = "/home/alice", .cluster = 42, .outside = &world, .predefined = world_macros,
};

/* ---- chance ---- */

static void parse_seeded(const char *text, uint64_t seed, struct submit *out)
{
    struct submit_options seeded = options;
    struct error err = { 0 };
    *out = (struct submit){ 0 };
    seeded.seed = seed;
    if (submit_parse(text, strlen(text), &seeded, out, &err) < 0)
        fail_msg("%s", err.text);
}

static const char *args_of(const struct submit *s, size_t job)
{
    return job > 0 && s->procs[job] ? ad_string(s->procs[job], "Args", "") : ad_string(s->cluster, "Args", "");
}

static void random_choices_are_those_of_the_seed(void **state)
{
    static const char text[] = "executable = a\nR = $RANDOM_INTEGER(1,1000000)\narguments = $(R) $RANDOM_CHOICE(a,b,c,d,e,f,g,h)\n"
                               "output = $(R)\nqueue 20\n";
    struct submit one, same, other;
    size_t differ = 0, differ_within = 0;
    (void)state;
    parse_seeded(text, 1, &one);
    parse_seeded(text, 1, &same);
    parse_seeded(text, 2, &other);
    for (size_t i = 0; i < 20; i++) {
        const char *out = ad_string(i ? one.procs[i] : one.cluster, "Out", "");
        assert_string_equal(args_of(&one, i), args_of(&same, i));
        assert_int_equal(strncmp(args_of(&one, i), out, strlen(out)), 0); /* the same choice wherever the name is used */
        differ += strcmp(args_of(&one, i), args_of(&other, i)) != 0;
        differ_within += strcmp(args_of(&one, i), args_of(&one, 0)) != 0;
    }
    assert_true(differ >= 18);
    assert_true(differ_within >= 18);
    submit_release(&one);
    submit_release(&same);
    submit_release(&other);
}

static void random_integers_are_in_their_range_and_all_come(void **state)
{
    struct submit s;
    int count[9] = { 0 };
    (void)state;
    parse_seeded("executable = a\narguments = $RANDOM_INTEGER(0, 8, 2)\nqueue 1000\n", 3, &s);
    for (size_t i = 0; i < 1000; i++) {
        long n = strtol(args_of(&s, i), NULL, 10);
        assert_true(n >= 0 && n <= 8);
        count[n]++;
    }
    for (int n = 0; n <= 8; n++)
        assert_true(n % 2 ? count[n] == 0 : count[n] > 120 && count[n] < 280);
    submit_release(&s);
    parse_seeded("executable = a\narguments = $RANDOM_INTEGER(-9223372036854775807, 9223372036854775807)\nqueue\n", 3, &s);
    submit_release(&s);
}

/* ---- the command line ---- */

static void lines_of_the_command_line_come_before_the_file_and_before_the_queue(void **state)
{
    static const char *const before[] = { "X=3", "priority=4", NULL };
    static const char *const append[] = { "log = out.log", "output = $(Y)", NULL };
    static const char text[] = "executable = a\nif defined X\narguments = -n $(X)\nendif\nY = 1\noutput = o\nqueue\nY = 2\nqueue\n";
    struct submit_options own = options;
    struct submit s = { 0 };
    struct error err = { 0 };
    (void)state;
    own.before = before;
    own.append = append;
    assert_int_equal(submit_parse(text, strlen(text), &own, &s, &err), 0);
    assert_string_equal(ad_string(s.cluster, "Args", ""), "-n 3");
    assert_int_equal(ad_int(s.cluster, "JobPrio", 0), 4);
    assert_string_equal(ad_string(s.cluster, "UserLog", ""), "out.log");
    assert_string_equal(ad_string(s.cluster, "Out", ""), "1");
    assert_string_equal(ad_string(s.procs[1], "Out", ""), "2");
    submit_release(&s);
}

static void a_queue_statement_of_the_command_line_stands_behind_the_file(void **state)
{
    static const char *const append[] = { "queue 2 x in (a, b)", "output = $(x)", NULL };
    static const char text[] = "executable = a\narguments = $(x)\n";
    struct submit_options own = options;
    struct submit s = { 0 };
    struct error err = { 0 };
    (void)state;
    own.append = append;
    assert_int_equal(submit_parse(text, strlen(text), &own, &s, &err), 0);
    assert_int_equal(s.proc_count, 4);
    assert_string_equal(ad_string(s.procs[3], "Out", ""), "b");
    submit_release(&s);
    own.append = NULL;
    own.queue = "x from names.txt";
    assert_int_equal(submit_parse(text, strlen(text), &own, &s, &err), 0);
    assert_int_equal(s.proc_count, 4);
    submit_release(&s);
    static const char with_queue[] = "executable = a\nqueue\n";
    assert_int_equal(submit_parse(with_queue, strlen(with_queue), &own, &s, &err), -1);
    assert_string_equal(err.text, "toy.sub:2: the file has a 'queue' statement already; remove it, or the one of the command line");
    own.queue = "many";
    assert_int_equal(submit_parse(text, strlen(text), &own, &s, &err), -1);
    assert_true(strncmp(err.text, "command line:1: 'queue many' is not understood", 46) == 0);
}

static void words_that_set_something_are_told_from_file_names(void **state)
{
    static const char *const yes[] = { "a=b", "a =b", "+A=1", "MY.A = 1", "a.b=", "executable=/bin/true" };
    static const char *const no[] = { "a", "a.sub", "/a=b", "./a=b", "1=2", "=b", "a==b", "" };
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(submit_is_assignment(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(submit_is_assignment(no[i]));
}

/* ---- patterns ---- */

static void patterns_match_names_as_in_a_shell(void **state)
{
    static const struct { const char *pattern, *name; bool matches; } rows[] = {
        { "*", "a", true }, { "*", "", true }, { "*", ".a", false }, { ".*", ".a", true }, { "?", "a", true }, { "?", "", false },
        { "a*c", "abbc", true }, { "a*c", "abbcd", false }, { "*.dat", "x.dat", true }, { "*.dat", "x.dat.gz", false },
        { "[abc]x", "bx", true }, { "[abc]x", "dx", false }, { "[!abc]x", "dx", true }, { "[a-c]x", "bx", true }, { "[]]x", "]x", true },
        { "[a-c", "[a-c", true }, { "\\*", "*", true }, { "\\*", "a", false }, { "a**b", "ab", true }, { "*a*b*", "xxaxxbxx", true },
        { "[-a]", "-", true }, { "[a-]", "-", true }, { "x[0-9]*", "x7y", true }, { "?.a", ".a", false }, { "\\.a", ".a", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (submit_matches(rows[i].pattern, rows[i].name) != rows[i].matches)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].name);
}

/* ---- bounds ---- */

static void a_pattern_with_many_stars_takes_no_time(void **state)
{
    char pattern[200], name[256];
    (void)state;
    for (size_t i = 0; i < sizeof pattern - 1; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = '\0';
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(submit_matches(pattern, name));
}

static int read_many_items(void *context, const char *path, struct buf *out, struct error *err)
{
    (void)path;
    (void)err;
    for (size_t i = 0; i < *(size_t *)context; i++)
        buf_printf(out, "%zu\n", i);
    return 0;
}

static void a_million_items_are_the_most(void **state)
{
    static const char text[] = "executable = a\nlog = l\nqueue 1 x from items\n";
    size_t count = SUBMIT_JOBS_MAX + 1;
    struct submit_outside outside = { .context = &count, .read = read_many_items };
    struct submit_options own = options;
    struct submit s = { 0 };
    struct error err = { 0 };
    (void)state;
    own.outside = &outside;
    assert_int_equal(submit_parse(text, strlen(text), &own, &s, &err), -1);
    assert_string_equal(err.text, "toy.sub:3: items:1000001: the list has more than 1000000 items; split it");
    count = SUBMIT_JOBS_MAX;
    assert_int_equal(submit_parse(text, strlen(text), &own, &s, &err), 0);
    assert_int_equal(s.proc_count, SUBMIT_JOBS_MAX);
    submit_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_choices_are_those_of_the_seed),
        cmocka_unit_test(random_integers_are_in_their_range_and_all_come),
        cmocka_unit_test(lines_of_the_command_line_come_before_the_file_and_before_the_queue),
        cmocka_unit_test(a_queue_statement_of_the_command_line_stands_behind_the_file),
        cmocka_unit_test(words_that_set_something_are_told_from_file_names),
        cmocka_unit_test(patterns_match_names_as_in_a_shell),
        cmocka_unit_test(a_pattern_with_many_stars_takes_no_time),
        cmocka_unit_test(a_million_items_are_the_most),
    };
    return cmocka_run_group_tests_name("submit outside", tests, NULL, NULL);
}
