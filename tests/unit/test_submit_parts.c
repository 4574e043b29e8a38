/* The submit language's parts against plainer ways to do the same: lines, distances of names, and the jobs of a file. */
#include "base/mem.h"
#include "job/submit_parts.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static unsigned seed = 1;

static unsigned pick(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % n;
}

/* ---- lines ---- */

/* Reads all lines, one after another, as "number:text|". */
static char *read_lines(const char *text, size_t len, struct error *err)
{
    struct submit_reader reader = { .text = text, .len = len };
    auto_buf struct buf line = { 0 };
    auto_buf struct buf all = { 0 };
    for (;;) {
        int number = 0;
        int got = submit_read(&reader, &line, &number, err);
        if (got < 0)
            return mem_printf("error at %d", number);
        if (got == SUBMIT_END)
            return buf_steal(&all);
        buf_printf(&all, "%d:%s|", number, buf_cstr(&line));
    }
}

static void lines_are_joined_numbered_and_trimmed(void **state)
{
    static const struct { const char *text, *lines; } cases[] = {
        { "", "" },
        { "\n\n", "" },
        { "a", "1:a|" },
        { "a\n", "1:a|" },
        { " a \r\n\tb\t\n", "1:a|2:b|" },
        { "a\\\nb\nc", "1:ab|3:c|" },
        { "a \\\n  b\nc", "1:a b|3:c|" },
        { "a\\\n\\\nb", "1:ab|" },
        { "a\\  \nb", "1:ab|" },
        { "a\\\n\nb", "1:a|3:b|" },
        { "a\\", "1:a|" },
        { "a\\\n", "1:a|" },
        { "\\\n\\\n", "" },
        { "#a\\\nb", "2:b|" },
        { "a\\\n # c \\\nb\nd", "1:ab|4:d|" },
        { "a\\\n#c", "1:a|" },
        { "\n\n  # x\n a = # y\n", "4:a = # y|" },
        { "a\\b\\\\\n", "1:a\\b\\|" },
        { "\xEF\xBB\xBF" "a", "1:a|" },
        { "a\n\xEF\xBB\xBF" "b", "1:a|2:\xEF\xBB\xBF" "b|" },
        { "a\nb\xff", "error at 2" },
        { "a\\\nb\xff", "error at 2" },
        { "a\\\n\nb\xff", "error at 3" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_free char *got = read_lines(cases[i].text, strlen(cases[i].text), NULL);
        if (strcmp(got, cases[i].lines) != 0)
            fail_msg("case %zu: %s", i, got);
    }
}

/* A text that ends without a NUL is not read past its end. */
static void the_last_byte_is_the_last(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 12; len++) {
        static const char text[] = "a = b\\\n#c\\\nd";
        char *exact = malloc(len ? len : 1);
        memcpy(exact, text, len);
        free(read_lines(exact, len, NULL));
        free(exact);
    }
}

static void every_byte_that_is_no_utf8_is_found(void **state)
{
    (void)state;
    for (unsigned first = 0x80; first < 0x100; first++) {
        char alone[] = { 'x', (char)first, '\0' };
        struct error err;
        auto_free char *got = read_lines(alone, 2, &err);
        auto_free char *want = mem_printf("byte 2 of the line (0x%02X) is not UTF-8; save the file as UTF-8", first);
        assert_string_equal(got, "error at 1");
        assert_string_equal(err.text, want);
    }
}

static size_t encode(unsigned code, char out[5])
{
    if (code < 0x80)
        return (size_t)sprintf(out, "%c", (char)code);
    if (code < 0x800)
        return (size_t)sprintf(out, "%c%c", (char)(0xC0 | code >> 6), (char)(0x80 | (code & 63)));
    if (code < 0x10000)
        return (size_t)sprintf(out, "%c%c%c", (char)(0xE0 | code >> 12), (char)(0x80 | (code >> 6 & 63)), (char)(0x80 | (code & 63)));
    return (size_t)sprintf(out, "%c%c%c%c", (char)(0xF0 | code >> 18), (char)(0x80 | (code >> 12 & 63)),
                           (char)(0x80 | (code >> 6 & 63)), (char)(0x80 | (code & 63)));
}

static void every_character_of_unicode_is_read_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned code = 0x80; code < 0x120000; code += code < 0x3000 ? 1 : 37) {
        char text[5];
        size_t len = encode(code, text);
        bool good = code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
        auto_free char *got = read_lines(text, len, NULL);
        if ((strncmp(got, "1:", 2) == 0) != good)
            fail_msg("U+%X: %s", code, got);
    }
}

/* ---- names that are near ---- */

static int smallest(int a, int b)
{
    return a < b ? a : b;
}

/* The definition, by recursion. */
static int plain_distance(const char *a, size_t n, const char *b, size_t m)
{
    if (n == 0 || m == 0)
        return (int)(n + m);
    int d = plain_distance(a, n - 1, b, m - 1) + (tolower((unsigned char)a[n - 1]) != tolower((unsigned char)b[m - 1]));
    d = smallest(d, plain_distance(a, n - 1, b, m) + 1);
    d = smallest(d, plain_distance(a, n, b, m - 1) + 1);
    if (n > 1 && m > 1 && tolower((unsigned char)a[n - 1]) == tolower((unsigned char)b[m - 2]) &&
        tolower((unsigned char)a[n - 2]) == tolower((unsigned char)b[m - 1]))
        d = smallest(d, plain_distance(a, n - 2, b, m - 2) + 1);
    return d;
}

static void the_distance_is_the_one_of_its_definition(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char a[8] = "", b[8] = "";
        for (unsigned i = 0, n = pick(7); i < n; i++)
            a[i] = "abAc"[pick(4)];
        for (unsigned i = 0, n = pick(7); i < n; i++)
            b[i] = "abAc"[pick(4)];
        int want = plain_distance(a, strlen(a), b, strlen(b));
        for (int most = 0; most < 8; most++)
            if (submit_distance(a, b, most) != smallest(want, most + 1))
                fail_msg("'%s' '%s': %d, not %d (of at most %d)", a, b, submit_distance(a, b, most), want, most);
    }
}

static void a_name_is_guessed_only_when_it_is_near(void **state)
{
    static const struct { const char *name, *guess; } cases[] = {
        { "excutable", "executable" }, { "executabel", "executable" }, { "exeuctable", "executable" }, { "EXECUTABL", "executable" },
        { "arguements", "arguments" }, { "enviroment", "environment" }, { "ouput", "output" }, { "outptu", "output" },
        { "initaldir", "initialdir" }, { "request_mem", NULL }, { "request_memroy", "request_memory" }, { "requestcpus", "request_cpus" },
        { "CheckpointSignal", NULL }, { "CheckpointSg", "+CheckpointSig" }, { "WantCheckpointSignals", "+WantCheckpointSignal" },
        { "x", NULL }, { "lgo", NULL }, { "seed", NULL }, { "my_dir", NULL }, { "name", NULL }, { "transfer_file", NULL },
        { "when_to_tranfer_output", "when_to_transfer_output" }, { "kil_sig", "kill_sig" }, { "proirity", "priority" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char guess[SUBMIT_NAME_MAX] = "";
        bool found = submit_guess(cases[i].name, false, guess);
        if (found != (cases[i].guess != NULL) || (found && strcmp(guess, cases[i].guess) != 0))
            fail_msg("'%s': '%s'", cases[i].name, guess);
    }
}

static void each_command_is_found_under_each_of_its_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < submit_command_count; i++) {
        const struct submit_command *command = &submit_commands[i];
        char aliases[200];
        assert_ptr_equal(submit_command_find(command->name), command); /* no name stands twice */
        assert_non_null(command->convert);
        for (const char *p = command->name; *p; p++)
            assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_');
        snprintf(aliases, sizeof aliases, "%s", command->aliases ? command->aliases : "");
        for (char *save, *word = strtok_r(aliases, " ", &save); word; word = strtok_r(NULL, " ", &save))
            assert_ptr_equal(submit_command_find(word), command);
    }
    assert_null(submit_command_find("nonsense"));
    assert_null(submit_command_find(""));
    assert_null(submit_command_find("args arguments2"));
}

/* ---- jobs, against each of them parsed alone ---- */

static const char *const line_pool[] = {
    "arguments = $(Process)", "arguments = -n $(A)", "arguments = \"x '$(B) y'\"", "arguments =", "A = $(Process)", "A = 5", "A = $(B)",
    "B = $(Step)", "B = b", "A = $(A) more", "output = out.$(Process)", "output = out", "output =", "priority = $(Process)",
    "priority = 3", "+JobPrio = 7", "+JobPrio = 3 * $(Step)", "+JobPrio = $(Step)", "+X = $(Process) + 1", "+X = \"$(A)\"", "+X =", "environment = A=$(B)", "environment = \"A='$(B)'\"",
    "checkpoint_exit_code = 1$(Step)", "+WantFTOnCheckpoint = false", "initialdir = d$(Process)", "initialdir = /d", "kill_sig = 1$(Step)",
    "request_memory = 10$(Process)", "transfer_input_files = a, $(A:none)", "hold = true", "hold = false",
};

/* Appends the text with $(Process) and $(Step) replaced. */
static void fill_in(struct buf *out, const char *text, size_t proc, size_t step)
{
    for (const char *p = text; *p; p++) {
        if (strncmp(p, "$(Process)", 10) == 0 || strncmp(p, "$(Step)", 7) == 0) {
            bool is_proc = p[2] == 'P';
            buf_printf(out, "%zu", is_proc ? proc : step);
            p += is_proc ? 9 : 6;
        } else {
            buf_char(out, *p);
        }
    }
}

static void check_job(const struct submit *all, size_t proc, size_t step, const char *lines)
{
    const struct submit_options options = { .file = "one.sub", .cwd = "/", .cluster = 1 };
    auto_buf struct buf text = { 0 };
    struct submit one = { 0 };
    struct error err;
    fill_in(&text, lines, proc, step);
    buf_text(&text, "queue\n");
    if (submit_parse(buf_cstr(&text), text.len, &options, &one, &err) < 0)
        fail_msg("%s\n%s", err.text, buf_cstr(&text));
    auto_ad struct ad *full = ad_copy(all->cluster);
    if (all->procs[proc])
        ad_update(full, all->procs[proc]);
    for (size_t i = 0; i < ad_count(one.cluster); i++)
        if (!ad_same(full, one.cluster, ad_name(one.cluster, i)))
            fail_msg("job %zu has another %s\n%s", proc, ad_name(one.cluster, i), buf_cstr(&text));
    for (size_t i = 0; i < ad_count(full); i++) {
        auto_buf struct buf value = { 0 };
        ad_print_expr(full, ad_name(full, i), &value);
        if (!ad_has(one.cluster, ad_name(full, i)) && strcmp(buf_cstr(&value), "undefined") != 0)
            fail_msg("job %zu has %s too many\n%s", proc, ad_name(full, i), buf_cstr(&text));
    }
    submit_release(&one);
}

struct statement {
    size_t first, count, lines; /* its first job, its jobs, length of the lines above it */
};

static void check_random_file(void)
{
    const struct submit_options options = { .file = "all.sub", .cwd = "/", .cluster = 1 };
    struct statement statements[4];
    size_t count = 1 + pick(4), jobs = 0;
    auto_buf struct buf file = { 0 };
    auto_buf struct buf lines = { 0 }; /* without the queue statements */
    buf_text(&file, "executable = a\n");
    buf_text(&lines, "executable = a\n");
    for (size_t s = 0; s < count; s++) {
        for (unsigned i = 0, n = pick(6); i < n; i++) {
            const char *line = line_pool[pick(sizeof line_pool / sizeof line_pool[0])];
            buf_printf(&file, "%s\n", line);
            buf_printf(&lines, "%s\n", line);
        }
        statements[s] = (struct statement){ jobs, 1 + pick(4), lines.len };
        buf_printf(&file, "queue %zu\n", statements[s].count);
        jobs += statements[s].count;
    }
    struct submit all = { 0 };
    struct error err;
    if (submit_parse(buf_cstr(&file), file.len, &options, &all, &err) < 0)
        fail_msg("%s\n%s", err.text, buf_cstr(&file));
    assert_int_equal(all.proc_count, jobs);
    assert_null(all.procs[0]);
    for (size_t s = 0; s < count; s++) {
        auto_free char *above = mem_dup_n(buf_cstr(&lines), statements[s].lines);
        for (size_t step = 0; step < statements[s].count; step++)
            check_job(&all, statements[s].first + step, step, above);
    }
    submit_release(&all);
}

static void jobs_made_together_are_as_if_made_alone(void **state)
{
    (void)state;
    for (int round = 0; round < 1500; round++)
        check_random_file();
}

/* ---- macros ---- */

static void unexpanded_names_are_marked_where_they_are_used(void **state)
{
    struct submit out = { 0 };
    struct submit_parser parser = { .out = &out };
    (void)state;
    submit_note_uses(&parser, "$(a) $(b:$(c)) $$(d) $(e f) $x( $( $()");
    static const struct { const char *name; bool used; } cases[] = {
        { "A", true }, { "b", true }, { "c", true }, { "e", false }, { "x", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct submit_key *key = submit_table_find(&parser.table, cases[i].name);
        if ((key && key->used) != cases[i].used)
            fail_msg("%s", cases[i].name);
    }
    submit_table_release(&parser.table);
}

static void the_table_finds_what_was_added_without_case(void **state)
{
    struct submit_table table = { 0 };
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "Name%d", i * 7 % 1000);
        struct submit_key *key = submit_table_add(&table, name);
        assert_string_equal(key->name, name);
        for (char *p = name; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        assert_ptr_equal(submit_table_add(&table, name), key);
    }
    assert_int_equal(table.count, 1000);
    assert_null(submit_table_find(&table, "name1000"));
    submit_table_release(&table);
    assert_null(submit_table_find(&table, "name1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_joined_numbered_and_trimmed),
        cmocka_unit_test(the_last_byte_is_the_last),
        cmocka_unit_test(every_byte_that_is_no_utf8_is_found),
        cmocka_unit_test(every_character_of_unicode_is_read_and_nothing_else),
        cmocka_unit_test(the_distance_is_the_one_of_its_definition),
        cmocka_unit_test(a_name_is_guessed_only_when_it_is_near),
        cmocka_unit_test(each_command_is_found_under_each_of_its_names),
        cmocka_unit_test(jobs_made_together_are_as_if_made_alone),
        cmocka_unit_test(unexpanded_names_are_marked_where_they_are_used),
        cmocka_unit_test(the_table_finds_what_was_added_without_case),
    };
    return cmocka_run_group_tests_name("submit parts", tests, NULL, NULL);
}
