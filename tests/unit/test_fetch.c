/* What the headers of an answer say, and what of an earlier try counts. */
#include "fetch/answer.h"
#include "fetch/fetch.h"
#include "fetch/part.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* SHA-256 of "foo\n". */
#define DIGEST "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
#define DIGEST_BASE64 "tbudgBSg+bHWHiHnlteNzN8TUvI80ygS9IULh4rklEw="

static void tell(struct answer *a, const char *line)
{
    answer_line(a, line, strlen(line));
}

static void an_answer_is_what_its_headers_say(void **state)
{
    struct answer a = { 0 };
    (void)state;
    tell(&a, "HTTP/1.1 206 Partial Content\r\n");
    tell(&a, "content-LENGTH:  12\r\n");
    tell(&a, "Content-Range: bytes 8-19/20\r\n");
    tell(&a, "ETag: \"a b\"\r\n");
    tell(&a, "Last-Modified: yesterday\r\n");
    tell(&a, "Date: today\r\n");
    tell(&a, "Repr-Digest: md5=x, sha-256=:" DIGEST_BASE64 ":\r\n");
    tell(&a, "nonsense\r\n");
    assert_int_equal(a.status, 206);
    assert_int_equal(a.length, 12);
    assert_int_equal(a.range_from, 8);
    assert_int_equal(a.range_total, 20);
    assert_false(a.chunked);
    assert_string_equal(a.etag, "\"a b\"");
    assert_string_equal(a.date, "yesterday");
    assert_string_equal(a.sent, "today");
    assert_string_equal(a.whole, DIGEST);
    assert_string_equal(a.body, "");
}

static void a_status_line_begins_anew(void **state)
{
    struct answer a = { 0 };
    (void)state;
    tell(&a, "HTTP/1.1 302 Found\r\n");
    tell(&a, "Content-Length: 12\r\n");
    tell(&a, "ETag: \"a\"\r\n");
    tell(&a, "HTTP/2 200\r\n");
    tell(&a, "Transfer-Encoding: gzip, Chunked\r\n");
    tell(&a, "Digest: SHA-256=" DIGEST_BASE64 "\r\n");
    tell(&a, "Content-Digest: sha-256=:" DIGEST_BASE64 ":\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.length, -1);
    assert_true(a.chunked);
    assert_string_equal(a.etag, "");
    assert_string_equal(a.whole, DIGEST);
    assert_string_equal(a.body, DIGEST);
}

static void what_says_nothing_certain_is_not_taken(void **state)
{
    struct answer a = { 0 };
    char longer[9000];
    (void)state;
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "ETag: \"", 7);
    tell(&a, "HTTP/1.1 200\r\n");
    tell(&a, "ETag: W/\"weak\"\r\n");
    tell(&a, "Content-Length: 1234567890123456789012\r\n");
    tell(&a, "Content-Range: bytes */x\r\n");
    tell(&a, "Repr-Digest: sha-256=:c2hvcnQ=:\r\n");
    answer_line(&a, longer, sizeof longer);
    answer_line(&a, longer, 1000);
    answer_line(&a, "ETag: \0x", 8);
    assert_string_equal(a.etag, "");
    assert_int_equal(a.length, -1);
    assert_int_equal(a.range_from, -1);
    assert_int_equal(a.range_total, -1);
    assert_string_equal(a.whole, "");
}

/* ---- parts ---- */

static int make_place(void **state)
{
    struct scratch *p = mem_new(struct scratch);
    scratch_open(p);
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    scratch_close(*state);
    free(*state);
    return 0;
}

static struct part part_of(const struct scratch *p, const char *url, const char *wanted)
{
    return (struct part){ .dir = p->fd, .name = "0", .url = url, .wanted = wanted, .fd = -1 };
}

/* Four bytes of eight, with a note. */
static void leave_half(const struct scratch *p, const char *validator)
{
    struct part part = part_of(p, "http://h/a", "");
    struct error err;
    assert_int_equal(part_open(&part, &err), 0);
    part.total = 8;
    snprintf(part.validator, sizeof part.validator, "%s", validator);
    assert_int_equal(part_note(&part, &err), 0);
    assert_int_equal(part_add(&part, "foo\n", 4, &err), 0);
    part_close(&part);
}

static void a_part_is_gone_on_with_when_its_note_fits(void **state)
{
    struct scratch *p = *state;
    char hex[PART_DIGEST_TEXT];
    struct error err;
    leave_half(p, "\"tag\"");
    struct part part = part_of(p, "http://h/a", "");
    assert_int_equal(part_open(&part, &err), 0);
    assert_int_equal(part.have, 4);
    assert_int_equal(part.total, 8);
    assert_string_equal(part.validator, "\"tag\"");
    assert_int_equal(part_digest(&part, hex, &err), 0);
    assert_string_equal(hex, DIGEST);
    part_close(&part);
}

static void a_part_of_something_else_is_begun_anew(void **state)
{
    struct scratch *p = *state;
    struct error err;
    leave_half(p, "\"tag\"");
    struct part other = part_of(p, "http://h/b", "");
    assert_int_equal(part_open(&other, &err), 0);
    assert_int_equal(other.have, 0);
    part_close(&other);
    leave_half(p, "");
    struct part unsure = part_of(p, "http://h/a", "");
    assert_int_equal(part_open(&unsure, &err), 0);
    assert_int_equal(unsure.have, 0);
    part_close(&unsure);
}

static void a_part_of_another_boot_needs_a_digest(void **state)
{
    struct scratch *p = *state;
    static const char note[] = "url http://h/a\nboot another\ntotal 8\ndigest \nvalidator \"tag\"\n";
    struct error err;
    leave_half(p, "\"tag\"");
    assert_int_equal(file_replace(p->fd, "0.note", note, strlen(note), 0600, "test", &err), 0);
    struct part sure = part_of(p, "http://h/a", DIGEST);
    assert_int_equal(part_open(&sure, &err), 0);
    assert_int_equal(sure.have, 4);
    part_close(&sure);
    struct part unsure = part_of(p, "http://h/a", "");
    assert_int_equal(part_open(&unsure, &err), 0);
    assert_int_equal(unsure.have, 0);
    part_close(&unsure);
}

static void a_broken_note_and_a_planted_link_do_no_harm(void **state)
{
    static const char *const notes[] = { "", "url", "url http://h/a", "url http://h/a\nboot x\n", "url http://h/a\nboot\ntotal 8\ndigest \nvalidator x\n" };
    struct scratch *p = *state;
    struct error err;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        leave_half(p, "\"tag\"");
        assert_int_equal(file_replace(p->fd, "0.note", notes[i], strlen(notes[i]), 0600, "test", &err), 0);
        struct part part = part_of(p, "http://h/a", "");
        assert_int_equal(part_open(&part, &err), 0);
        assert_int_equal(part.have, 0);
        part_close(&part);
    }
    assert_int_equal(unlinkat(p->fd, "0", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", p->fd, "0"), 0);
    struct part link = part_of(p, "http://h/a", "");
    assert_int_equal(part_open(&link, &err), -1);
    part_close(&link);
    assert_int_equal(unlinkat(p->fd, "0", 0), 0);
    assert_int_equal(mkfifoat(p->fd, "0", 0600), 0);
    struct part fifo = part_of(p, "http://h/a", "");
    assert_int_equal(part_open(&fifo, &err), -1);
    part_close(&fifo);
}

static void what_the_disk_has_no_room_for_is_not_begun(void **state)
{
    struct scratch *p = *state;
    struct error err;
    struct part part = part_of(p, "http://h/a", "");
    assert_int_equal(part_open(&part, &err), 0);
    assert_int_equal(part_check_room(&part, &err), 0);
    part.total = INT64_MAX / 2;
    assert_int_equal(part_check_room(&part, &err), -1);
    assert_int_equal(err.sys, ENOSPC);
    part_close(&part);
}

/* ---- fetching ---- */

static void ignore(void *data, int64_t done, int64_t total)
{
    (void)data, (void)done, (void)total;
}

static void a_server_that_is_not_there_may_be_there_later(void **state)
{
    struct scratch *p = *state;
    struct error err;
    struct fetch_request request = { .url = "http://127.0.0.1:1/a", .shown = "http://127.0.0.1:1/a", .digest = "", .dir = p->fd, .name = "0", .progress = ignore, .tries = 2 };
    assert_int_equal(fetch_file(&request, &err), -1);
    assert_int_equal(err.sys, EAGAIN);
    assert_non_null(strstr(err.text, "cannot fetch 'http://127.0.0.1:1/a': after 2 tries: "));
}

static void a_url_of_another_kind_is_not_fetched(void **state)
{
    struct scratch *p = *state;
    struct error err;
    struct fetch_request request = { .url = "file:///etc/passwd", .shown = "x", .digest = "", .dir = p->fd, .name = "0", .progress = ignore };
    assert_int_equal(fetch_file(&request, &err), -1);
    assert_int_equal(err.sys, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_what_its_headers_say),
        cmocka_unit_test(a_status_line_begins_anew),
        cmocka_unit_test(what_says_nothing_certain_is_not_taken),
        cmocka_unit_test_setup_teardown(a_part_is_gone_on_with_when_its_note_fits, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_part_of_something_else_is_begun_anew, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_part_of_another_boot_needs_a_digest, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_broken_note_and_a_planted_link_do_no_harm, make_place, remove_place),
        cmocka_unit_test_setup_teardown(what_the_disk_has_no_room_for_is_not_begun, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_server_that_is_not_there_may_be_there_later, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_url_of_another_kind_is_not_fetched, make_place, remove_place),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
