/* Names and URLs of files: what a text stands for, and where it goes. What is refused is in cases/submit.cases. */
#include "base/mem.h"
#include "job/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void sources_have_a_place_and_a_name_in_the_sandbox(void **state)
{
    static const struct {
        const char *text;
        enum transfer_kind kind;
        const char *place, *name, *kept, *shown;
    } rows[] = {
        { "a", TRANSFER_NAME, "a", "a", "a", "a" },
        { "a/b", TRANSFER_NAME, "a/b", "b", "a/b", "a/b" },
        { "./a//b/.", TRANSFER_NAME, NULL, NULL, NULL, NULL },
        { "./a//b", TRANSFER_NAME, "./a//b", "b", "a/b", "./a//b" },
        { "a/b/", TRANSFER_NAME, "a/b/", "", "a/b", "a/b/" },
        { "/x/y", TRANSFER_NAME, "/x/y", "y", "y", "/x/y" },
        { "/x/y//", TRANSFER_NAME, "/x/y//", "", "y", "/x/y//" },
        { "http", TRANSFER_NAME, "http", "http", "http", "http" },
        { "a:b", TRANSFER_NAME, "a:b", "a:b", "a:b", "a:b" },
        { "file:/x/y", TRANSFER_NAME, "/x/y", "y", "y", "/x/y" },
        { "FILE:///x/y%20z", TRANSFER_NAME, "/x/y z", "y z", "y z", "/x/y z" },
        { "file://localhost/x/", TRANSFER_NAME, "/x/", "", "x", "/x/" },
        { "file:///x%", TRANSFER_NAME, NULL, NULL, NULL, NULL },
        { "file:///x%4", TRANSFER_NAME, NULL, NULL, NULL, NULL },
        { "file:///x%41", TRANSFER_NAME, "/xA", "xA", "xA", "/xA" },
        { "http://h/a", TRANSFER_WEB, "http://h/a", "a", "a", "http://h/a" },
        { "HTTPS://h:8/a/b%2e?q=1/2", TRANSFER_WEB, "HTTPS://h:8/a/b%2e?q=1/2", "b.", "b.", "HTTPS://h:8/a/b%2e" },
        { "http://user:word@h/a?key", TRANSFER_WEB, "http://user:word@h/a?key", "a", "a", "http://h/a" },
        { "http://h/a@b", TRANSFER_WEB, "http://h/a@b", "a@b", "a@b", "http://h/a@b" },
        { "http://h?/a", TRANSFER_WEB, NULL, NULL, NULL, NULL },
        { "http://", TRANSFER_WEB, NULL, NULL, NULL, NULL },
        { "http:///a", TRANSFER_WEB, NULL, NULL, NULL, NULL },
        { "../..", TRANSFER_NAME, NULL, NULL, NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_transfer_source struct transfer_source source = { 0 };
        auto_free char *name = NULL, *kept = NULL, *shown = NULL;
        struct error err = { 0 };
        int result = transfer_source_parse(rows[i].text, &source, &err);
        if (!rows[i].place) {
            assert_int_equal(result, -1);
            assert_null(source.place);
            continue;
        }
        if (result < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(source.kind, rows[i].kind);
        assert_string_equal(source.place, rows[i].place);
        assert_int_equal(transfer_input_name(&source, false, &name, &err), 0);
        assert_string_equal(name, rows[i].name);
        assert_int_equal(transfer_input_name(&source, true, &kept, &err), 0);
        assert_string_equal(kept, rows[i].kept);
        shown = transfer_source_show(&source);
        assert_string_equal(shown, rows[i].shown);
    }
}

static void a_digest_stands_behind_the_url_and_is_lower_case(void **state)
{
    auto_transfer_source struct transfer_source source = { 0 };
    struct error err;
    (void)state;
    const char *text = "http://h/a#sha256=B5BB9D8014A0F9B1D61E21E796D78DCCDF1352F23CD32812F4850B878AE4944C";
    assert_int_equal(transfer_source_parse(text, &source, &err), 0);
    assert_string_equal(source.place, "http://h/a");
    assert_string_equal(source.digest, "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c");
}

static void outputs_go_home_under_their_last_name_or_their_path(void **state)
{
    static const struct {
        const char *entry, *name, *kept;
    } rows[] = {
        { "a", "a", "a" }, { "d/a", "a", "d/a" },   { "./d//a", "a", "d/a" }, { "d/", "", "d" },
        { "d/e/", "", "d/e" }, { "/tmp/x", "x", "x" }, { "d/../a", NULL, NULL }, { ".", NULL, NULL },
        { "", NULL, NULL }, { "http://h/a", NULL, NULL }, { "a:b", "a:b", "a:b" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *name = NULL, *kept = NULL;
        struct error err;
        int expected = rows[i].name ? 0 : -1;
        assert_int_equal(transfer_output_name(rows[i].entry, false, &name, &err), expected);
        assert_int_equal(transfer_output_name(rows[i].entry, true, &kept, &err), expected);
        if (rows[i].name) {
            assert_string_equal(name, rows[i].name);
            assert_string_equal(kept, rows[i].kept);
        }
    }
}

static void a_remap_counts_for_the_entry_then_for_its_name_then_for_what_is_above(void **state)
{
    static const char text[] = " d/a = 1; a = 2 ;; d=3; x\\=y\\;z\\\\ = q\\;r ; back\\slash = s; u = file:///v%20w; d/e = 4 = 5";
    static const struct {
        const char *entry, *name, *target;
    } rows[] = {
        { "d/a", "a", "1" }, { "e/a", "a", "2" }, { "d/b", "d/b", "3/b" }, { "d/e/f", "d/e/f", "4 = 5/f" }, { "d", "d", "3" },
        { "x=y;z\\", "x=y;z\\", "q;r" }, { "back\\slash", "back\\slash", "s" }, { "u", "u", "/v w" }, { "b", "b", NULL }, { "dd/a", "dd/a", NULL },
        { "", "", NULL },
    };
    auto_command_list struct command_list pairs = { 0 };
    struct error err;
    (void)state;
    assert_int_equal(transfer_remaps(text, &pairs, &err), 0);
    assert_int_equal(pairs.count, 14);
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *target = transfer_remap(&pairs, rows[i].entry, rows[i].name);
        if (!rows[i].target)
            assert_null(target);
        else
            assert_string_equal(target, rows[i].target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_have_a_place_and_a_name_in_the_sandbox),
        cmocka_unit_test(a_digest_stands_behind_the_url_and_is_lower_case),
        cmocka_unit_test(outputs_go_home_under_their_last_name_or_their_path),
        cmocka_unit_test(a_remap_counts_for_the_entry_then_for_its_name_then_for_what_is_above),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
