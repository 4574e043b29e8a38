/* The HTTP that the client speaks: what it takes for an answer, and what it does not. */
#include "base/mem.h"
#include "cli/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void whole_answers_are_read(void **state)
{
    static const struct {
        const char *text;
        bool ended;
        int status;
        const char *body;
    } rows[] = {
        { "HTTP/1.0 200 OK\r\n\r\n{}", true, 200, "{}" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, 200, "{}" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}extra", false, 200, "{}" },
        { "HTTP/1.1 404\r\nContent-Length:0\r\n\r\n", false, 404, "" },
        { "HTTP/1.1 200 OK\r\ncontent-LENGTH:  3 \r\nX: y\r\n\r\nabc", false, 200, "abc" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", false, 200, "abc" },
        { "HTTP/1.1 200 OK\r\na line without colon\r\n\r\n", true, 200, "" },
        { "HTTP/1.0 500 Internal Server Error\r\n\r\n", true, 500, "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_response r;
        struct error err;
        assert_int_equal(http_parse(rows[i].text, strlen(rows[i].text), rows[i].ended, &r, &err), 0);
        assert_int_equal(r.status, rows[i].status);
        assert_int_equal(r.body_len, strlen(rows[i].body));
        assert_memory_equal(r.body, rows[i].body, r.body_len);
    }
}

static void bad_answers_are_refused_in_one_sentence(void **state)
{
    static const struct {
        const char *text;
        const char *sentence;
    } rows[] = {
        { "", "without an answer" },
        { "HTTP/1.", "broke off in its headers" },
        { "HTTP/1.0 200 OK\r\nContent-Le", "broke off in its headers" },
        { "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nabc", "broke off after 3 of 10 bytes" },
        { "SSH-2.0-OpenSSH_9.2\r\n", "not HTTP" },
        { "{\"Jobs\":[]}", "not HTTP" },
        { "HTTP/2 200\r\n\r\n", "not HTTP" },
        { "HTTP/1.1 2x0 OK\r\n\r\n", "status line makes no sense" },
        { "HTTP/1.1 2000 OK\r\n\r\n", "status line makes no sense" },
        { "HTTP/1.\r\n\r\n", "status line makes no sense" },
        { "HTTP/1.1 100 Continue\r\n\r\n", "unexpected status 100" },
        { "HTTP/1.1 999 What\r\n\r\n", "unexpected status 999" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked" },
        { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not a number" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n", "not a number" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "not a number" },
        { "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "contradicts itself" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "contradicts itself" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 268435457\r\n\r\n", "longer than 256 MiB" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_response r;
        struct error err = { 0 };
        assert_int_equal(http_parse(rows[i].text, strlen(rows[i].text), true, &r, &err), -1);
        if (!strstr(err.text, rows[i].sentence))
            fail_msg("row %zu: '%s' lacks '%s'", i, err.text, rows[i].sentence);
    }
}

static void every_beginning_of_an_answer_asks_for_more(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct http_response r;
        struct error err;
        assert_int_equal(http_parse(text, len, false, &r, &err), HTTP_PARTIAL);
        assert_int_equal(http_parse(text, len, true, &r, &err), -1);
    }
}

static void headers_without_end_meet_a_limit(void **state)
{
    auto_buf struct buf text = { 0 };
    struct http_response r;
    struct error err;
    (void)state;
    buf_text(&text, "HTTP/1.1 200 OK\r\n");
    while (text.len < HTTP_HEAD_MAX)
        buf_text(&text, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    assert_int_equal(http_parse(text.data, text.len, false, &r, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void headers_are_found_without_case_and_trimmed(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nX-Stint-Offset:  42\t\r\nX-Stint-State: running\r\nX-Empty:\r\n\r\n";
    struct http_response r;
    struct error err;
    char value[16];
    (void)state;
    assert_int_equal(http_parse(text, sizeof text - 1, true, &r, &err), 0);
    assert_true(http_header(&r, "x-stint-offset", value, sizeof value));
    assert_string_equal(value, "42");
    assert_true(http_header(&r, "X-Stint-State", value, sizeof value));
    assert_string_equal(value, "running");
    assert_true(http_header(&r, "X-Empty", value, sizeof value));
    assert_string_equal(value, "");
    assert_false(http_header(&r, "X-Stint", value, sizeof value));
    assert_false(http_header(&r, "X-Stint-State", value, 7));
}

static void requests_are_plain_http_1_0(void **state)
{
    auto_buf struct buf out = { 0 }, body = { 0 };
    (void)state;
    buf_text(&body, "{\"Fast\":true}");
    http_request(&out, "POST", "/v1/actions", &body);
    assert_string_equal(buf_cstr(&out), "POST /v1/actions HTTP/1.0\r\nHost: stint\r\nConnection: close\r\n"
                                        "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"Fast\":true}");
    buf_clear(&out);
    http_request(&out, "GET", "/v1/jobs", NULL);
    assert_string_equal(buf_cstr(&out), "GET /v1/jobs HTTP/1.0\r\nHost: stint\r\nConnection: close\r\n\r\n");
}

static void queries_cannot_break_out_of_their_value(void **state)
{
    auto_buf struct buf target = { 0 };
    (void)state;
    buf_text(&target, "/v1/jobs");
    http_add_query(&target, "id", "7.0");
    http_add_query(&target, "constraint", "Owner == \"a&b\" # \r\nX: ü%");
    assert_string_equal(buf_cstr(&target),
                        "/v1/jobs?id=7.0&constraint=Owner%20%3D%3D%20%22a%26b%22%20%23%20%0D%0AX:%20%C3%BC%25");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_are_read),
        cmocka_unit_test(bad_answers_are_refused_in_one_sentence),
        cmocka_unit_test(every_beginning_of_an_answer_asks_for_more),
        cmocka_unit_test(headers_without_end_meet_a_limit),
        cmocka_unit_test(headers_are_found_without_case_and_trimmed),
        cmocka_unit_test(requests_are_plain_http_1_0),
        cmocka_unit_test(queries_cannot_break_out_of_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
