/*
 * The manual of expressions is true: each of its examples, `expression => value`, has that value with the ads that it shows; the
 * functions that it names are those that there are, and each of them is in an example.
 */
#include "ad/ad.h"
#include "ad/eval.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANUAL TEST_CASES "/../../man/stint-expressions.7.scd"
#define TABLE TEST_CASES "/../../src/ad/functions.c"

static char *read_all(const char *path)
{
    struct buf text = { 0 };
    char block[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        buf_add(&text, block, n);
    fclose(file);
    return buf_steal(&text);
}

struct manual {
    struct ad *ads[2]; /* MY and TARGET */
    struct buf examples;
    int count;
};

static void check_example(struct manual *manual, char *line)
{
    struct ad_scope scope = { .my = manual->ads[0], .target = manual->ads[1], .now = 1000000000 };
    struct error err = { 0 };
    struct ad_expr *expr = NULL;
    char *arrow = strstr(line, " => ");
    assert_non_null(arrow);
    *arrow = '\0';
    if (ad_expr_parse(line, &expr, &err) < 0)
        fail_msg("%s: %s", line, err.text);
    struct value value;
    auto_buf struct buf text = { 0 };
    ad_expr_eval(expr, &scope, &value);
    value_print(&value, &text);
    if (strcmp(buf_cstr(&text), arrow + 4) != 0)
        fail_msg("%s is %s, not %s", line, buf_cstr(&text), arrow + 4);
    value_release(&value);
    ad_expr_free(expr);
    buf_text(&manual->examples, line);
    buf_char(&manual->examples, '\n');
    manual->count++;
}

/* A line of a literal block, where scdoc has backslashes doubled. */
static void take_line(struct manual *manual, struct ad **ad, char *line)
{
    struct error err = { 0 };
    char *to = line;
    for (const char *from = line; *from; from++) {
        from += from[0] == '\\' && from[1] == '\\';
        *to++ = *from;
    }
    *to = '\0';
    if (strcmp(line, "MY") == 0)
        *ad = manual->ads[0];
    else if (strcmp(line, "TARGET") == 0)
        *ad = manual->ads[1];
    else if (*ad && ad_parse(*ad, line, strlen(line), &err) < 0)
        fail_msg("%s: %s", line, err.text);
    else if (!*ad)
        check_example(manual, line);
}

static void read_manual(struct manual *manual)
{
    auto_free char *text = read_all(MANUAL);
    struct ad *ad = NULL;
    bool literal = false;
    *manual = (struct manual){ .ads = { ad_new(), ad_new() } };
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (strcmp(line, "```") == 0) {
            literal = !literal;
            ad = NULL;
        } else if (literal) {
            take_line(manual, &ad, line);
        }
    }
    assert_false(literal);
}

static void release_manual(struct manual *manual)
{
    ad_free(manual->ads[0]);
    ad_free(manual->ads[1]);
    buf_release(&manual->examples);
}

static void every_example_has_the_value_that_the_manual_says(void **state)
{
    (void)state;
    struct manual manual;
    read_manual(&manual);
    assert_true(manual.count > 200);
    release_manual(&manual);
}

/* Whether the text has the name followed by a parenthesis. */
static bool has_call(const char *text, const char *name, const char *between)
{
    auto_free char *call = mem_printf("%s%s(", name, between);
    size_t len = strlen(call);
    for (const char *at = text; (at = strstr(at, call)); at += len)
        if (at == text || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", at[-1]))
            return true;
    return false;
}

static void every_function_is_in_the_manual_with_an_example(void **state)
{
    (void)state;
    auto_free char *table = read_all(TABLE);
    auto_free char *text = read_all(MANUAL);
    struct manual manual;
    read_manual(&manual);
    int count = 0;
    for (char *at = table; (at = strstr(at, "\n    { \"")); at += 8) {
        auto_free char *name = mem_dup_n(at + 8, strcspn(at + 8, "\""));
        assert_true(eval_function_number(name) > 0);
        if (!has_call(text, name, "*"))
            fail_msg("the manual does not describe %s", name);
        if (!has_call(buf_cstr(&manual.examples), name, ""))
            fail_msg("the manual has no example of %s", name);
        count++;
    }
    assert_true(count > 80);
    release_manual(&manual);
}

static void every_function_of_the_manual_is_there(void **state)
{
    (void)state;
    auto_free char *text = read_all(MANUAL);
    const char *functions = strstr(text, "\n# FUNCTIONS\n");
    assert_non_null(functions);
    int count = 0;
    for (const char *at = functions; (at = strstr(at, "*(")); at += 2) {
        const char *start = at;
        while (start[-1] != '*')
            start--;
        auto_free char *name = mem_dup_n(start, (size_t)(at - start));
        if (*name == 'p' && strncmp(name, "pcre2", 5) == 0)
            continue;
        if (strcmp(name, "strftime") != 0 && strncmp(name, "stint", 5) != 0 && eval_function_number(name) == 0)
            fail_msg("there is no function %s", name);
        count++;
    }
    assert_true(count > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_has_the_value_that_the_manual_says),
        cmocka_unit_test(every_function_is_in_the_manual_with_an_example),
        cmocka_unit_test(every_function_of_the_manual_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
