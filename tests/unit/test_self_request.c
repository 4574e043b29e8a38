/* What a job may say to its runner: each request as it must be, and everything that is nearly one. */
#include "job/self_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TOKEN "0123456789abcdef"
#define REQUEST(text) "1 " TOKEN " " text

/* In memory of the exact size, so that the sanitizer sees a read past the end. */
static int parse(const char *text, size_t len, struct self_request *out, struct error *err)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    int result = self_request_parse(copy, len, out, err);
    free(copy);
    return result;
}

static void every_verb_is_read_with_its_arguments(void **state)
{
    static const struct {
        const char *text;
        enum self_verb verb;
        int seconds;
        double fraction;
        const char *words;
    } cases[] = {
        { REQUEST("checkpoint\n"), SELF_CHECKPOINT, 0, 0, "" },
        { REQUEST("hold 1\n"), SELF_HOLD, 1, 0, "" },
        { REQUEST("hold 600\n"), SELF_HOLD, 600, 0, "" },
        { REQUEST("release\n"), SELF_RELEASE, 0, 0, "" },
        { REQUEST("remaining\n"), SELF_REMAINING, 0, 0, "" },
        { REQUEST("status\n"), SELF_STATUS, 0, 0, "" },
        { REQUEST("progress 0\n"), SELF_PROGRESS, 0, 0, "" },
        { REQUEST("progress 1\n"), SELF_PROGRESS, 0, 1, "" },
        { REQUEST("progress 1.000000\n"), SELF_PROGRESS, 0, 1, "" },
        { REQUEST("progress 0.75 three of four\n"), SELF_PROGRESS, 0, 0.75, "three of four" },
        { REQUEST("progress 0.1234567891234\n"), SELF_PROGRESS, 0, 0.123456789, "" },
        { REQUEST("progress 0.5  two  spaces \n"), SELF_PROGRESS, 0, 0.5, " two  spaces " },
        { REQUEST("progress 0.5 ein Fünftel, 日本, \xf0\x9f\x98\x80\n"), SELF_PROGRESS, 0, 0.5, "ein Fünftel, 日本, \xf0\x9f\x98\x80" },
        { REQUEST("progress 0.5 tab\tand\x1b[31m\x7f\n"), SELF_PROGRESS, 0, 0.5, "tab and [31m " },
        { REQUEST("progress 0.5 \xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3\n"), SELF_PROGRESS, 0, 0.5, "???????????" },
        { REQUEST("progress 0.5 \xc2\x9b\n"), SELF_PROGRESS, 0, 0.5, "??" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct self_request out;
        struct error err = { 0 };
        if (parse(cases[i].text, strlen(cases[i].text), &out, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(out.verb, cases[i].verb);
        assert_string_equal(out.token, TOKEN);
        assert_int_equal(out.seconds, cases[i].seconds);
        assert_true(out.fraction == cases[i].fraction);
        assert_string_equal(out.text, cases[i].words);
    }
}

static void a_datagram_without_a_token_cannot_be_answered(void **state)
{
    static const char *const cases[] = {
        "", "\n", "1", "1 ", "checkpoint\n", TOKEN " checkpoint\n", "1 " TOKEN, "1 " TOKEN "\n", "1  " TOKEN " status\n",
        " 1 " TOKEN " status\n", "1 0123456789ABCDEF status\n", "1 0123456789abcde status\n", "1 0123456789abcdef0 status\n",
        "1 ../../../../etc/p status\n", "1 0123456789abcde/ status\n", "x " TOKEN " status\n", "-1 " TOKEN " status\n",
        "1\t" TOKEN "\tstatus\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct self_request out = { .seconds = 77 };
        char token[SELF_TOKEN_LEN + 1] = "untouched";
        if (self_request_token(cases[i], strlen(cases[i]), token))
            fail_msg("'%s' has a token", cases[i]);
        assert_string_equal(token, "untouched");
        assert_int_equal(parse(cases[i], strlen(cases[i]), &out, NULL), -1);
        assert_int_equal(out.seconds, 77);
    }
}

static void what_is_wrong_with_a_request_is_said(void **state)
{
    static const struct { const char *text, *reason; } cases[] = {
        { "2 " TOKEN " status\n", "version 1" },
        { "11 " TOKEN " status\n", "version 1" },
        { REQUEST("status"), "one line" },
        { REQUEST("status\nstatus\n"), "one line" },
        { REQUEST("\n"), "not known" },
        { REQUEST("dance\n"), "not known" },
        { REQUEST("statuses\n"), "not known" },
        { REQUEST(" status\n"), "not known" },
        { REQUEST("Status\n"), "not known" },
        { REQUEST("status now\n"), "no arguments" },
        { REQUEST("checkpoint 1\n"), "no arguments" },
        { REQUEST("hold\n"), "1 to 600" },
        { REQUEST("hold 0\n"), "1 to 600" },
        { REQUEST("hold 601\n"), "1 to 600" },
        { REQUEST("hold 99999999999999999999\n"), "1 to 600" },
        { REQUEST("hold -1\n"), "1 to 600" },
        { REQUEST("hold 5 s\n"), "1 to 600" },
        { REQUEST("progress\n"), "from 0 to 1" },
        { REQUEST("progress 1.1\n"), "from 0 to 1" },
        { REQUEST("progress 2\n"), "from 0 to 1" },
        { REQUEST("progress -0.5\n"), "from 0 to 1" },
        { REQUEST("progress .5\n"), "from 0 to 1" },
        { REQUEST("progress 0,5\n"), "from 0 to 1" },
        { REQUEST("progress 0.5x\n"), "from 0 to 1" },
        { REQUEST("progress 1e-1\n"), "from 0 to 1" },
        { REQUEST("progress nan\n"), "from 0 to 1" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct self_request out = { .seconds = 77 };
        struct error err = { 0 };
        char token[SELF_TOKEN_LEN + 1];
        assert_true(self_request_token(cases[i].text, strlen(cases[i].text), token));
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &out, &err), -1);
        if (!strstr(err.text, cases[i].reason))
            fail_msg("'%s': %s", cases[i].text, err.text);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(out.seconds, 77);
    }
}

static void a_text_has_a_longest_length_and_a_datagram_too(void **state)
{
    char text[SELF_REQUEST_MAX + 2];
    char token[SELF_TOKEN_LEN + 1];
    struct self_request out;
    struct error err;
    (void)state;
    memset(text, 'x', sizeof text);
    int head = (int)strlen(REQUEST("progress 0 "));
    memcpy(text, REQUEST("progress 0 "), (size_t)head);
    text[head + SELF_TEXT_MAX] = '\n';
    assert_int_equal(parse(text, (size_t)head + SELF_TEXT_MAX + 1, &out, &err), 0);
    assert_int_equal(strlen(out.text), SELF_TEXT_MAX);
    text[head + SELF_TEXT_MAX] = 'x';
    text[head + SELF_TEXT_MAX + 1] = '\n';
    assert_int_equal(parse(text, (size_t)head + SELF_TEXT_MAX + 2, &out, &err), -1);
    assert_true(self_request_token(text, SELF_REQUEST_MAX, token));
    assert_false(self_request_token(text, SELF_REQUEST_MAX + 1, token));
}

static void a_nul_in_a_request_does_not_end_it(void **state)
{
    static const char text[] = REQUEST("progress 0.5 a\0b\n");
    static const char verb[] = REQUEST("status\0\n");
    struct self_request out;
    (void)state;
    assert_int_equal(parse(text, sizeof text - 1, &out, NULL), 0);
    assert_string_equal(out.text, "a b");
    assert_int_equal(parse(verb, sizeof verb - 1, &out, NULL), -1);
}

static void tokens_are_sixteen_digits(void **state)
{
    (void)state;
    assert_true(self_token_valid(TOKEN));
    assert_false(self_token_valid(""));
    assert_false(self_token_valid("0123456789abcde"));
    assert_false(self_token_valid(TOKEN "0"));
    assert_false(self_token_valid("0123456789abcdeF"));
    assert_false(self_token_valid("0123456789abc/.."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_is_read_with_its_arguments),
        cmocka_unit_test(a_datagram_without_a_token_cannot_be_answered),
        cmocka_unit_test(what_is_wrong_with_a_request_is_said),
        cmocka_unit_test(a_text_has_a_longest_length_and_a_datagram_too),
        cmocka_unit_test(a_nul_in_a_request_does_not_end_it),
        cmocka_unit_test(tokens_are_sixteen_digits),
    };
    return cmocka_run_group_tests_name("self_request", tests, NULL, NULL);
}
