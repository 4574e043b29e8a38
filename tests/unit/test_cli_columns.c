/* Columns that people choose, and the walk through JSON that feeds them. */
#include "cli_fixture.h"

#include "base/json_walk.h"
#include "cli/columns.h"
#include "job/references.h"

#define assert_ok(call, err)                  \
    do {                                      \
        if ((call) != 0)                      \
            fail_msg("%s: %s", #call, (err).text); \
    } while (0)

static const char job_text[] =
    "{\"ClusterId\":7,\"ProcId\":3,\"Cmd\":\"/bin/a b\",\"Prio\":-5,\"Cpu\":1.5,\"Big\":4000000000,\"Yes\":true,\"Wall\":93784,"
    "\"Odd\":\"a\\nb\\u001b[2J\",\"Size\":\"\\/Expr(MY.Prio * 2)\\/\",\"Percent\":\"%s%n%n\",\"List\":[1,2]}";

/* One row; letters NULL: what follows are formats and expressions by turns. */
static char *row(const char *letters, const char *const *words)
{
    auto_ad struct ad *job = from_json(job_text);
    auto_columns struct columns *columns = columns_new();
    struct buf out = { 0 };
    struct error err;
    if (letters)
        assert_ok(columns_set_letters(columns, letters, &err), err);
    for (size_t i = 0; words[i]; i++) {
        if (letters)
            assert_ok(columns_add_value(columns, words[i], &err), err);
        else
            assert_ok(columns_add_format(columns, words[i], words[i + 1], &err), err);
        i += letters == NULL;
    }
    columns_add_row(columns, job, 1000, &out);
    columns_end(columns, &out);
    return buf_steal(&out);
}

static void formats_are_printf_s_but_for_what_would_be_dangerous(void **state)
{
    static const struct {
        const char *words[7];
        const char *text;
    } cases[] = {
        { { "%d.", "ClusterId", "%d\\n", "ProcId" }, "7.3\n" },
        { { "%5d|", "Prio", "%-5d|", "Prio", "%05d", "Prio" }, "   -5|-5   |-0005" },
        { { "%lld ", "Big", "%llu", "Big" }, "4000000000 4000000000" },
        { { "%.2f ", "Cpu", "%f", "Prio" }, "1.50 -5.000000" },
        { { "%d ", "Cpu", "%x ", "Big", "%d", "Yes" }, "1 ee6b2800 1" },
        { { "%s", "Cmd" }, "/bin/a b" },
        { { "[%12s]", "Cmd", "[%-12s]", "Cmd", "[%.4s]", "Cmd" }, "[    /bin/a b][/bin/a b    ][/bin]" },
        { { "%s", "ClusterId", "%s", "Yes" }, "7true" },
        { { "%v ", "Cmd", "%V ", "Cmd", "%r", "Size" }, "/bin/a b \"/bin/a b\" MY.Prio * 2" },
        { { "%d", "Size" }, "-10" },
        { { "%T", "Wall" }, "1+02:03:04" },
        { { "%T ", "-5", "%T", "9223372036854775807" }, "0+00:00:00 106751991+04:00:54" },
        { { "%s", "Nothing", "%d", "Cmd", "x", "Nothing" }, "x" },
        { { "%v", "Nothing" }, "undefined" },
        { { "100%% of %d", "ClusterId" }, "100% of 7" },
        { { "%s", "Percent" }, "%s%n%n" },
        { { "%s", "Odd" }, "a b?[2J" },
        { { "\\t\\\"%d\\\\\\q", "ClusterId" }, "\t\"7\\\\q" },
        { { "%d", "ProcId * 2 + ClusterId" }, "13" },
        { { "\\n", "Whatever" }, "\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *text = row(NULL, cases[i].words);
        assert_string_equal(text, cases[i].text);
    }
}

static void formats_that_make_no_sense_are_refused_with_their_column(void **state)
{
    static const struct { const char *format, *expr, *sentence; } cases[] = {
        { "%n", "A", "'%' at column 1" },
        { "ab%", "A", "'%' at column 3" },
        { "%*d", "A", "'%' at column 1" },
        { "%d%s", "A", "second conversion at column 3" },
        { "%1$s", "A", "'%' at column 1" },
        { "%99999d", "A", "wider than 1000" },
        { "%.999f", "A", "more precise than 100" },
        { "%d", "A +", "column 4" },
        { "%d", "", "neither an attribute" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_columns struct columns *columns = columns_new();
        struct error err = { 0 };
        assert_int_equal(columns_add_format(columns, cases[i].format, cases[i].expr, &err), -1);
        assert_contains(err.text, cases[i].sentence);
        assert_false(columns_any(columns));
    }
}

static void values_are_separated_as_their_letters_say(void **state)
{
    static const struct { const char *letters; const char *words[4]; const char *text; } cases[] = {
        { "", { "ClusterId", "Cmd", "Nothing" }, "7 /bin/a b undefined\n" },
        { "j", { "Cmd" }, "7.3 /bin/a b\n" },
        { "jl", { "Prio", "Cpu" }, "ID = 7.3 Prio = -5 Cpu = 1.5\n" },
        { ",", { "ClusterId", "ProcId" }, "7, 3\n" },
        { "t", { "ClusterId", "ProcId" }, "7\t3\n" },
        { ",t", { "ClusterId", "ProcId" }, "7,\t3\n" },
        { "n", { "ClusterId", "ProcId" }, "7\n 3\n" },
        { "lng", { "ClusterId", "ProcId" }, "\nClusterId = 7\nProcId = 3\n" },
        { "V", { "Cmd", "Prio" }, "\"/bin/a b\" -5\n" },
        { "r", { "Size", "Prio + 1", "Nothing" }, "MY.Prio * 2 Prio + 1 undefined\n" },
        { "T", { "Wall" }, "1+02:03:04\n" },
        { "", { "Size", "Yes", "Prio > 3" }, "-10 true false\n" },
        { "", { "ClusterId,ProcId", "Yes" }, "7 3 true\n" },
        { "h", { "Cmd", "Prio" }, "Cmd      Prio\n/bin/a b -5\n" },
        { "jh", { "Cpu" }, " ID Cpu\n7.3 1.5\n" },
        { "", { "Odd" }, "a b?[2J\n" },
        { "", { "time()" }, "1000\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *text = row(cases[i].letters, cases[i].words);
        assert_string_equal(text, cases[i].text);
    }
}

static void what_is_needed_of_the_pool_is_what_expressions_mention(void **state)
{
    auto_columns struct columns *columns = columns_new(), *none = columns_new();
    auto_buf struct buf names = { 0 }, constant = { 0 };
    struct error err;
    (void)state;
    assert_ok(columns_add_value(columns, "strcat(Owner, \"Cmd \\\" x\") == TARGET.Name", &err), err);
    assert_ok(columns_add_format(columns, "%s", "0x1F + 1e5", &err), err);
    columns_attributes(columns, &names);
    assert_string_equal(buf_cstr(&names), "strcat,Owner,TARGET,Name,TARGET.Name");
    assert_ok(columns_add_value(none, "7", &err), err);
    columns_attributes(none, &constant);
    assert_string_equal(buf_cstr(&constant), "ClusterId");
}

static void add_name(void *data, const char *name)
{
    buf_printf(data, "%s ", name);
}

static void references_are_names_outside_texts(void **state)
{
    static const struct { const char *expr, *names; } cases[] = {
        { "A && B", "A B " },                { "\"A\" == B", "B " },        { "\"a\\\"C\" + B", "B " },
        { "MY.A.b", "MY A b MY.A.b " },      { "'odd name' > 3", "odd name " }, { "1e5 + 0xAB + 3.5", "" },
        { "\"open", "" },                    { "a[3].b", "a b " },          { "", "" },
        { "a /* it's \" */ + b", "a b " },   { "a // 'x\n+ b", "a b " },    { "a / b", "a b " },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_buf struct buf names = { 0 };
        references_each(cases[i].expr, add_name, &names);
        assert_string_equal(buf_cstr(&names), cases[i].names);
    }
}

static void references_are_open_where_a_text_or_a_whole_ad_is_evaluated(void **state)
{
    static const char *const open[] = { "eval(\"A\")", "1 + EVAL ( A )", "MY[\"A\"]", "size(my) > 3", "[ x = PARENT ].x.A", "unresolved(A)" };
    static const char *const closed[] = { "MY.A + TARGET.B", "\"eval(A)\"", "evaluated", "evalInEachContext(A, B)", "'my'", "A[3]", "1 // eval" };
    (void)state;
    for (size_t i = 0; i < COUNT(open); i++)
        assert_true(references_are_open(open[i]));
    for (size_t i = 0; i < COUNT(closed); i++)
        assert_false(references_are_open(closed[i]));
}

static struct json_slice slice(const char *text)
{
    return (struct json_slice){ text, strlen(text) };
}

static void json_is_walked_through_member_by_member(void **state)
{
    static const char text[] = " { \"a\" : [1, {\"b\":\"]}\\\"\"}, -3] , \"c\":\"x\\u00fc\\ud83d\\ude00\\n\" ,\"d\":-12.75,\"e\":null } ";
    struct json_walk walk = json_walk_into(slice(text));
    struct json_slice name, value, item;
    auto_buf struct buf decoded = { 0 }, seen = { 0 };
    (void)state;
    while (json_next_member(&walk, &name, &value))
        buf_printf(&seen, "%.*s=%.*s;", (int)name.len, name.text, (int)value.len, value.text);
    assert_false(walk.failed);
    assert_string_equal(buf_cstr(&seen), "a=[1, {\"b\":\"]}\\\"\"}, -3];c=\"x\\u00fc\\ud83d\\ude00\\n\";d=-12.75;e=null;");
    assert_true(json_text(json_member(slice(text), "c"), &decoded));
    assert_string_equal(buf_cstr(&decoded), "xü\xf0\x9f\x98\x80\n");
    assert_int_equal(json_int(json_member(slice(text), "d"), 0), -12);
    assert_true(json_real(json_member(slice(text), "d"), 0) == -12.75);
    assert_null(json_member(slice(text), "b").text);
    walk = json_walk_into(json_member(slice(text), "a"));
    int items = 0;
    while (json_next_item(&walk, &item))
        items++;
    assert_int_equal(items, 3);
    assert_false(walk.failed);
}

static void what_is_no_json_ends_the_walk(void **state)
{
    static const char *const texts[] = { "", "7", "\"a\"", "{", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a\":1", "{a:1}", "[1", "[\"x", "[{]", "{\"a\" 1}" };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct json_walk walk = json_walk_into(slice(texts[i]));
        struct json_slice name, value;
        int steps = 0;
        if (texts[i][0] == '[')
            while (json_next_item(&walk, &value))
                steps++;
        else
            while (json_next_member(&walk, &name, &value))
                steps++;
        assert_true(walk.failed);
        assert_true(steps <= 1);
    }
    assert_int_equal(json_int(slice("99999999999999999999"), 5), 5);
    assert_int_equal(json_int(slice("\"7\""), 5), 5);
    assert_int_equal(json_int((struct json_slice){ 0 }, 5), 5);
    auto_buf struct buf out = { 0 };
    assert_false(json_text(slice("\"\\u0000\""), &out));
    assert_false(json_text(slice("\"\\x\""), &out));
    assert_false(json_text(slice("7"), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_printf_s_but_for_what_would_be_dangerous),
        cmocka_unit_test(formats_that_make_no_sense_are_refused_with_their_column),
        cmocka_unit_test(values_are_separated_as_their_letters_say),
        cmocka_unit_test(what_is_needed_of_the_pool_is_what_expressions_mention),
        cmocka_unit_test(references_are_names_outside_texts),
        cmocka_unit_test(references_are_open_where_a_text_or_a_whole_ad_is_evaluated),
        cmocka_unit_test(json_is_walked_through_member_by_member),
        cmocka_unit_test(what_is_no_json_ends_the_walk),
    };
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
