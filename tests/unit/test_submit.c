/* The submit language: its cases (cases/submit.cases), its examples (cases/submit/, the same as in the manual), its bounds. */
#include "base/mem.h"
#include "job/command.h"
#include "job/submit_parts.h"
#include "submit_world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define TALK TEST_CASES "/../../../shared/cases/talk/counting.sub"
#define MANUAL TEST_CASES "/../../man/stint-submit.5.scd"

static const struct submit_options options = {
    .file = "toy.sub", .cwd = "/home/alice", .cluster = 42, .seed = 7, .outside = &world, .predefined = world_macros,
};

static char *read_all(const char *path, size_t *len)
{
    auto_buf struct buf text = { 0 };
    char block[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        buf_add(&text, block, n);
    fclose(f);
    *len = text.len;
    return buf_steal(&text);
}

static int parse(const char *text, size_t len, struct submit *out, struct error *err)
{
    *err = (struct error){ 0 };
    *out = (struct submit){ 0 };
    return submit_parse(text, len, &options, out, err);
}

static void parse_good(const char *text, struct submit *out)
{
    struct error err;
    if (parse(text, strlen(text), out, &err) < 0)
        fail_msg("%s", err.text);
}

static void expect_failure(const char *text, size_t len, enum error_kind kind, const char *what)
{
    struct submit out;
    struct error err;
    int done = parse(text, len, &out, &err);
    submit_release(&out);
    assert_int_equal(done, -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, what))
        fail_msg("'%s' is not in '%s'", what, err.text);
}

/* ---- cases ---- */

/* \n, \t, \r, \\ and \xHH; a first "~" puts an executable before and a queue behind. */
static void decode(const char *from, size_t len, struct buf *out)
{
    bool wrap = len > 0 && *from == '~';
    if (wrap)
        buf_text(out, "executable = a\n");
    for (size_t i = wrap; i < len; i++) {
        unsigned byte;
        char next = from[i] == '\\' && i + 1 < len ? from[i + 1] : '\0';
        if (next == 'x' && sscanf(from + i + 2, "%2x", &byte) == 1) {
            buf_char(out, (char)byte);
            i += 3;
        } else if (next && strchr("ntr\\", next)) {
            buf_char(out, next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : '\\');
            i++;
        } else {
            buf_char(out, from[i]);
        }
    }
    if (wrap)
        buf_text(out, "\nqueue");
}

static void print_attribute(const struct ad *ad, const char *name, struct buf *out)
{
    buf_printf(out, "%s = ", name);
    if (!ad_print_expr(ad, name, out))
        buf_text(out, "(absent)");
}

static bool check_ad(const struct submit *s, const char *want, struct buf *got)
{
    if (*want == '-') {
        print_attribute(s->cluster, want + 1, got);
        return !ad_has(s->cluster, want + 1);
    }
    auto_free char *name = mem_dup_n(want, strcspn(want, " "));
    print_attribute(s->cluster, name, got);
    return strcmp(buf_cstr(got), want) == 0;
}

static bool check_difference(const struct submit *s, const char *want, struct buf *got)
{
    size_t i = strtoul(want, NULL, 10);
    const struct ad *ad = i < s->proc_count ? s->procs[i] : NULL;
    buf_printf(got, i < s->proc_count ? "%zu: " : "%zu jobs", i < s->proc_count ? i : s->proc_count);
    if (!ad)
        buf_text(got, "NULL");
    for (size_t a = 0; ad && a < ad_count(ad); a++) {
        buf_text(got, a ? " & " : "");
        print_attribute(ad, ad_name(ad, a), got);
    }
    return strcmp(buf_cstr(got), want) == 0;
}

/* The words that the program gets, "[one][two]". */
static bool check_words(const struct submit *s, bool environment, const char *want, struct buf *got)
{
    auto_command_list struct command_list list = { 0 };
    if ((environment ? command_environment : command_arguments)(s->cluster, &list, NULL) < 0)
        return false;
    for (size_t i = 0; i < list.count; i++)
        buf_printf(got, "[%s]", list.items[i]);
    return strcmp(buf_cstr(got), want) == 0;
}

static bool check_warning(const struct submit *s, const char *want, struct buf *got)
{
    bool found = strcmp(want, "none") == 0 && s->warning_count == 0;
    for (size_t i = 0; i < s->warning_count; i++) {
        bool elsewhere = strcmp(s->warnings[i].file, options.file) != 0;
        auto_free char *text = mem_printf("%s%s%d: %s", elsewhere ? s->warnings[i].file : "", elsewhere ? ":" : "",
                                          s->warnings[i].line, s->warnings[i].text);
        found = found || strcmp(text, want) == 0;
        buf_printf(got, "[%s]", text);
    }
    return found;
}

/* True when the case holds; else `got` tells what came instead. */
static bool check_case(const char *kind, const char *text, size_t len, const char *want, struct buf *got)
{
    struct submit s;
    struct error err;
    bool good = false;
    if (parse(text, len, &s, &err) < 0) {
        buf_text(got, err.text);
        good = strcmp(kind, "fail") == 0 && strcmp(err.text, want) == 0;
    } else if (strcmp(kind, "ad") == 0) {
        good = check_ad(&s, want, got);
    } else if (strcmp(kind, "diff") == 0) {
        good = check_difference(&s, want, got);
    } else if (strcmp(kind, "args") == 0 || strcmp(kind, "env") == 0) {
        good = check_words(&s, strcmp(kind, "env") == 0, want, got);
    } else if (strcmp(kind, "jobs") == 0) {
        buf_printf(got, "%zu", s.proc_count);
        good = strcmp(buf_cstr(got), want) == 0;
    } else if (strcmp(kind, "warn") == 0) {
        good = check_warning(&s, want, got);
    } else {
        buf_text(got, "no error");
    }
    submit_release(&s);
    return good;
}

static bool run_case(const char *line, int number)
{
    char kind[8];
    int used = 0;
    const char *arrow = strstr(line, " => ");
    if (!arrow || sscanf(line, "%7s%n", kind, &used) != 1)
        fail_msg("submit.cases:%d is no case", number);
    const char *from = line + used + strspn(line + used, " ");
    auto_buf struct buf text = { 0 };
    auto_buf struct buf want = { 0 };
    auto_buf struct buf got = { 0 };
    decode(from, from < arrow ? (size_t)(arrow - from) : 0, &text);
    buf_text(&want, arrow + 4);
    for (char *p = want.data; p && (p = strstr(p, "\\\\")); p++) /* the one escape on the right side */
        memmove(p, p + 1, strlen(p));
    bool good = check_case(kind, buf_cstr(&text), text.len, buf_cstr(&want), &got);
    if (!good)
        print_error("submit.cases:%d: %s\n  got %s\n", number, line, buf_cstr(&got));
    return good;
}

static void the_language_does_what_its_cases_say(void **state)
{
    size_t len;
    int number = 0, run = 0, bad = 0;
    (void)state;
    auto_free char *text = read_all(TEST_CASES "/submit.cases", &len);
    assert_non_null(text);
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        if (!*line || *line == '#')
            continue;
        run++;
        bad += !run_case(line, number);
    }
    assert_true(run > 200);
    assert_int_equal(bad, 0);
}

/* ---- examples ---- */

static void check_example(const char *name, const char *text, const char *manual)
{
    struct submit s;
    struct error err;
    bool warns = strstr(text, "# warns") != NULL;
    if (parse(text, strlen(text), &s, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (!warns && s.warning_count > 0)
        fail_msg("%s:%d: %s", name, s.warnings[0].line, s.warnings[0].text);
    if (warns && s.warning_count == 0)
        fail_msg("%s: no warning", name);
    submit_release(&s);
    auto_buf struct buf block = { 0 };
    buf_text(&block, "```\n");
    for (const char *p = text; *p; p++)
        buf_text(&block, *p == '\\' ? "\\\\" : (char[]){ *p, '\0' }); /* as scdoc wants it */
    buf_text(&block, "```\n");
    if (!strstr(manual, buf_cstr(&block)))
        fail_msg("%s is not in the manual as it is here", name);
}

static void the_manuals_examples_are_good_and_are_the_files_here(void **state)
{
    size_t len;
    int count = 0;
    (void)state;
    auto_free char *manual = read_all(MANUAL, &len);
    assert_non_null(manual);
    DIR *dir = opendir(TEST_CASES "/submit");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        auto_free char *path = mem_printf("%s/submit/%s", TEST_CASES, e->d_name);
        auto_free char *text = read_all(path, &len);
        check_example(e->d_name, text, manual);
        count++;
    }
    closedir(dir);
    int blocks = 0;
    for (const char *p = manual; (p = strstr(p, "\nqueue")); p++)
        blocks++;
    assert_true(count >= 12);
    assert_true(blocks >= count); /* no example of the manual is without its file, up to those with several queues */
}

static void the_talks_file_runs_unmodified(void **state)
{
    struct submit s;
    size_t len;
    (void)state;
    auto_free char *text = read_all(TALK, &len);
    if (!text) {
        print_message("skipped: %s is not here\n", TALK);
        skip();
    }
    parse_good(text, &s);
    assert_int_equal(s.warning_count, 0);
    assert_int_equal(s.proc_count, 1);
    assert_string_equal(ad_string(s.cluster, "Cmd", ""), "counting-ul");
    assert_string_equal(ad_string(s.cluster, "TransferOutput", ""), "saved-state");
    assert_string_equal(ad_string(s.cluster, "WhenToTransferOutput", ""), "ON_EXIT_OR_EVICT");
    assert_true(ad_bool(s.cluster, "WantCheckpointSignal", false));
    assert_true(ad_bool(s.cluster, "WantFTOnCheckpoint", false));
    assert_false(ad_bool(s.cluster, "CheckpointExitBySignal", true));
    assert_int_equal(ad_int(s.cluster, "CheckpointExitCode", -1), 17);
    assert_int_equal(command_signal_of(s.cluster, "CheckpointSig", 0), 12);
    submit_release(&s);
}

/* ---- what the caller gets ---- */

static void lines_of_commands_are_known(void **state)
{
    struct submit s;
    (void)state;
    parse_good("executable = a\nlog = x\n\nstdin = i\nlog = y\nqueue\n", &s);
    assert_int_equal(submit_line(&s, "executable", NULL), 1);
    assert_int_equal(submit_line(&s, "log", NULL), 5);
    assert_int_equal(submit_line(&s, "input", NULL), 4);
    assert_int_equal(submit_line(&s, "output", NULL), 0);
    submit_release(&s);
}

static void use_of_the_cluster_number_is_told(void **state)
{
    struct submit s;
    (void)state;
    parse_good("executable = a\noutput = $(Cluster)\nqueue\n", &s);
    assert_true(s.uses_cluster);
    submit_release(&s);
    parse_good("executable = a\noutput = $(Process)\nqueue\n", &s);
    assert_false(s.uses_cluster);
    submit_release(&s);
}

static void warnings_are_in_the_order_of_lines_and_not_repeated(void **state)
{
    struct submit s;
    (void)state;
    parse_good("zzz = 1\nexecutable = a\nnext_job_start_delay = 1\narguments = $(nope) $(Process)\nyyy = 2\nqueue 50\nqueue 50\n", &s);
    assert_int_equal(s.warning_count, 4);
    for (size_t i = 1; i < s.warning_count; i++)
        assert_true(s.warnings[i - 1].line < s.warnings[i].line);
    submit_release(&s);
}

/* Against the plain way: every job parsed alone, as the only one of its file. */
static void a_difference_on_top_of_the_first_job_is_the_whole_job(void **state)
{
    struct submit all, one;
    (void)state;
    parse_good("executable = a\narguments = $(Process)\noutput = o\npriority = 3\nqueue 2\n"
               "output =\nkill_sig = INT\narguments = \"$(Process)\"\n+X = $(Process)\nqueue 2\n", &all);
    for (size_t i = 2; i < 4; i++) {
        auto_free char *text = mem_printf("executable = a\npriority = 3\nkill_sig = INT\narguments = \"%zu\"\n+X = %zu\nqueue\n", i, i);
        parse_good(text, &one);
        auto_ad struct ad *full = ad_copy(all.cluster);
        ad_update(full, all.procs[i]);
        for (size_t a = 0; a < ad_count(one.cluster); a++)
            assert_true(ad_same(full, one.cluster, ad_name(one.cluster, a)));
        assert_false(ad_same(full, one.cluster, "Out")); /* undefined, not absent */
        assert_null(ad_string(full, "Out", NULL));
        assert_null(ad_string(full, "Args", NULL));
        submit_release(&one);
    }
    submit_release(&all);
}

/* ---- bounds ---- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ten_thousand_equal_jobs_cost_no_more_than_one(void **state)
{
    struct submit s;
    double start = seconds();
    (void)state;
    parse_good("executable = a\narguments = x\nlog = l\nqueue 10000\n", &s);
    assert_true(seconds() - start < 0.5); /* a millisecond; the sanitizers and the machine may make more of it */
    assert_int_equal(s.proc_count, 10000);
    for (size_t i = 0; i < s.proc_count; i++)
        assert_null(s.procs[i]);
    submit_release(&s);
}

static void jobs_that_differ_carry_only_the_difference(void **state)
{
    struct submit s;
    (void)state;
    parse_good("executable = a\narguments = $(Process)\nlog = l\n+X = 1\nqueue 10000\n", &s);
    assert_null(s.procs[0]);
    for (size_t i = 1; i < s.proc_count; i++)
        assert_int_equal(ad_count(s.procs[i]), 1);
    assert_string_equal(ad_string(s.procs[9999], "Args", ""), "9999");
    submit_release(&s);
}

/* Text of `count` times the piece between two others. */
static char *repeat(const char *before, const char *piece, size_t count, const char *after, size_t *len)
{
    auto_buf struct buf text = { 0 };
    buf_text(&text, before);
    for (size_t i = 0; i < count; i++)
        buf_text(&text, piece);
    buf_text(&text, after);
    *len = text.len;
    return buf_steal(&text);
}

static void a_value_has_a_limit_and_below_it_works(void **state)
{
    struct submit s;
    size_t len;
    (void)state;
    auto_free char *good = repeat("executable = a\noutput = ", "x", SUBMIT_VALUE_MAX, "\nqueue\n", &len);
    parse_good(good, &s);
    assert_int_equal(strlen(ad_string(s.cluster, "Out", "")), SUBMIT_VALUE_MAX);
    submit_release(&s);
    auto_free char *bad = repeat("executable = a\noutput = ", "x", SUBMIT_VALUE_MAX + 1, "\nqueue\n", &len);
    expect_failure(bad, len, ERR_LIMIT, "toy.sub:2: the value is longer than");
    auto_free char *big = repeat("executable = a\n#", "x", SUBMIT_TEXT_MAX, "\nqueue\n", &len);
    expect_failure(big, len, ERR_LIMIT, "toy.sub: the file is larger than 16 MiB");
}

/* Each of these asks for far more work than its size, or has a quadratic trap for a careless reader. */
static void files_that_grow_without_end_are_refused_in_time(void **state)
{
    static const struct { const char *before, *piece; size_t count; const char *after, *error; } cases[] = {
        { "executable = a\nA = xxxxxxxx\n", "A = $(A)$(A)\n", 40, "output = $(A)\nqueue\n", "longer than" },
        { "executable = a\nA = xxxxxxxx\n", "A = $(A)$(A)\nA = $(A)\n", 17, "output = $(A)\nqueue\n", NULL },
        { "executable = a\noutput = ", "$(a:", 250000, "\nqueue\n", "never closed" },
        { "executable = a\nA = ", "$(A:", 250000, "\nqueue\n", "never closed" },
        { "executable = a\noutput = ", "$$(", 340000, "\nqueue\n", "never closed" },
        { "executable = a\noutput = ", "$(b:)", 150000, "\nqueue\n", "macros are expanded for one value" },
        { "executable = a\noutput = ", "$(", 500000, "\nqueue\n", "never closed" },
        { "executable = a\noutput = ", "$( ", 300000, "\nqueue\n", NULL },
        { "executable = a\noutput = ", "$INT(", 200000, "\nqueue\n", "never closed" },
        { "executable = a\nn = 1\noutput = ", "$INT(n)", 110000, "\nqueue\n", "macros are expanded for one value" },
        { "executable = a\narguments = \"", "'' ", 300000, "\"\nqueue\n", NULL },
        { "executable = a\nrequirements = ", "(", 500000, "\nqueue\n", "expression" },
        { "executable = a\n", "queue\n", 100001, "", "queue statements" },
        { "executable = a\noutput = \\\n", "x\\\n", 200000, "\nqueue\n", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        struct submit s;
        struct error err;
        double start = seconds();
        auto_free char *text = repeat(cases[i].before, cases[i].piece, cases[i].count, cases[i].after, &len);
        int done = parse(text, len, &s, &err);
        submit_release(&s);
        if (done < 0 ? !cases[i].error || !strstr(err.text, cases[i].error) : cases[i].error != NULL)
            fail_msg("case %zu: %s", i, done < 0 ? err.text : "no error");
        if (seconds() - start > 20)
            fail_msg("case %zu took %.1f s", i, seconds() - start);
    }
}

static void doubling_macros_are_bounded(void **state)
{
    auto_buf struct buf text = { 0 };
    (void)state;
    buf_text(&text, "executable = a\n");
    for (int i = 0; i < 31; i++)
        buf_printf(&text, "m%d = $(m%d)$(m%d)\n", i, i + 1, i + 1);
    buf_text(&text, "m31 =\noutput = $(m0)\nqueue\n");
    expect_failure(buf_cstr(&text), text.len, ERR_LIMIT, "more than 100000 macros");
}

static void many_names_are_read_in_time(void **state)
{
    auto_buf struct buf text = { 0 };
    struct submit s;
    (void)state;
    for (int i = 0; i < 90000; i++)
        buf_printf(&text, "n%d = $(n%d)\n", i, i + 1);
    buf_text(&text, "executable = a\noutput = $(n89990)\nqueue\n");
    parse_good(buf_cstr(&text), &s);
    submit_release(&s);
    buf_clear(&text);
    for (int i = 0; i < 100001; i++)
        buf_printf(&text, "n%d = x\n", i);
    expect_failure(buf_cstr(&text), text.len, ERR_LIMIT, "toy.sub:100001: more than 100000 different names");
    buf_clear(&text);
    for (int i = 0; i < 2001; i++)
        buf_printf(&text, "+n%d = 1\n", i);
    expect_failure(buf_cstr(&text), text.len, ERR_LIMIT, "toy.sub:2001: more than 2000 attributes");
}

static void a_failure_leaves_the_output_alone(void **state)
{
    struct submit s = { .uses_cluster = true, .proc_count = 0 };
    (void)state;
    assert_int_equal(submit_parse("nonsense", 8, &options, &s, NULL), -1);
    assert_true(s.uses_cluster);
    assert_null(s.cluster);
}

/* Whether a line of one of the manual's examples, which are those here, sets the command. */
static bool has_example(const char *manual, const char *command)
{
    bool inside = false;
    for (const char *line = manual; line; line = strchr(line, '\n')) {
        line += line != manual;
        if (strncmp(line, "```", 3) == 0)
            inside = !inside;
        size_t len = strlen(command);
        if (inside && strncmp(line, command, len) == 0 && line[len + strspn(line + len, " ")] == '=')
            return true;
    }
    return false;
}

static void every_command_is_in_the_manual_with_an_example(void **state)
{
    size_t len;
    int missing = 0;
    (void)state;
    auto_free char *manual = read_all(TEST_CASES "/../../man/stint-submit.5.scd", &len);
    assert_non_null(manual);
    for (size_t i = 0; i < submit_command_count; i++) {
        const struct submit_command *c = &submit_commands[i];
        auto_free char *name = mem_printf("*%s*", c->name);
        if (c->convert == submit_to_later || (strstr(manual, name) && has_example(manual, c->name)))
            continue;
        print_error("%s %s\n", c->name, strstr(manual, name) ? "has no example" : "is not described");
        missing++;
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_language_does_what_its_cases_say),
        cmocka_unit_test(the_manuals_examples_are_good_and_are_the_files_here),
        cmocka_unit_test(every_command_is_in_the_manual_with_an_example),
        cmocka_unit_test(the_talks_file_runs_unmodified),
        cmocka_unit_test(lines_of_commands_are_known),
        cmocka_unit_test(use_of_the_cluster_number_is_told),
        cmocka_unit_test(warnings_are_in_the_order_of_lines_and_not_repeated),
        cmocka_unit_test(a_difference_on_top_of_the_first_job_is_the_whole_job),
        cmocka_unit_test(ten_thousand_equal_jobs_cost_no_more_than_one),
        cmocka_unit_test(jobs_that_differ_carry_only_the_difference),
        cmocka_unit_test(a_value_has_a_limit_and_below_it_works),
        cmocka_unit_test(files_that_grow_without_end_are_refused_in_time),
        cmocka_unit_test(doubling_macros_are_bounded),
        cmocka_unit_test(many_names_are_read_in_time),
        cmocka_unit_test(a_failure_leaves_the_output_alone),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
