/* What is checked before anything is sent: places, how to reach them, and keys. */
#include "scratch.h"
#include "store/remote.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

static void expect_error(struct fixture *f, int result, enum error_kind kind, const char *text)
{
    assert_int_equal(result, -1);
    if (!strstr(f->err.text, text))
        fail_msg("'%s' is not in '%s'", text, f->err.text);
    assert_int_equal(f->err.kind, kind);
}

/* ---- places ---- */

static int open_with(struct fixture *f, struct remote_options options)
{
    struct remote *remote = NULL;
    int r = remote_open(&options, &remote, &f->err);
    remote_close(remote);
    return r;
}

static void a_place_is_a_directory_or_a_bucket(void **state)
{
    struct fixture *f = *state;
    auto_free char *url = mem_printf("file://%s", f->scratch.path);
    auto_free char *file = mem_printf("%s/file", f->scratch.path);
    auto_free char *missing = mem_printf("%s/missing", f->scratch.path);
    scratch_write(&f->scratch, "file", "x", 1);
    assert_int_equal(open_with(f, (struct remote_options){ .place = f->scratch.path }), 0);
    assert_int_equal(open_with(f, (struct remote_options){ .place = url }), 0);
    expect_error(f, open_with(f, (struct remote_options){ .place = missing }), ERR_SYSTEM, "No such file");
    expect_error(f, open_with(f, (struct remote_options){ .place = file }), ERR_SYSTEM, "Not a directory");
    static const char *const bad[] = { "", "relative", "file://host/x", "file:///a%20b", "ftp://x/y", "s3:/x", "http://x/y" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error(f, open_with(f, (struct remote_options){ .place = bad[i] }), ERR_INVALID, "place '");
}

static void a_bucket_and_how_to_reach_it_are_checked_before_anything_is_sent(void **state)
{
    static const struct {
        const char *place, *endpoint, *region, *text;
    } cases[] = {
        { "s3://", "http://h", NULL, "bucket's name" },
        { "s3://ab", "http://h", NULL, "bucket's name" },
        { "s3://Bucket", "http://h", NULL, "bucket's name" },
        { "s3://buc_ket", "http://h", NULL, "bucket's name" },
        { "s3://buc?et/x", "http://h", NULL, "bucket's name" },
        { "s3://bucket/../x", "http://h", NULL, "not a prefix" },
        { "s3://bucket//x", "http://h", NULL, "not a prefix" },
        { "s3://bucket/a b", "http://h", NULL, "not a prefix" },
        { "s3://bucket", "h", NULL, "endpoint" },
        { "s3://bucket", "ftp://h", NULL, "endpoint" },
        { "s3://bucket", "https://", NULL, "endpoint" },
        { "s3://bucket", "https://user@h", NULL, "endpoint" },
        { "s3://bucket", "https://h/path", NULL, "endpoint" },
        { "s3://bucket", "https://h?x", NULL, "endpoint" },
        { "s3://bucket", "http://h", "", "region" },
        { "s3://bucket", "http://h", "eu:x", "region" },
        { "s3://bucket", "http://h", "eu/1", "region" },
    };
    struct fixture *f = *state;
    setenv("AWS_ACCESS_KEY_ID", "a", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "b", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(f, open_with(f, (struct remote_options){ .place = cases[i].place, .endpoint = cases[i].endpoint,
                                                              .region = cases[i].region }),
                     ERR_INVALID, cases[i].text);
    assert_int_equal(open_with(f, (struct remote_options){ .place = "s3://bucket/a/b/" }), 0);
    assert_int_equal(open_with(f, (struct remote_options){ .place = "s3://bucket/", .endpoint = "http://[::1]:80" }), 0);
}

/* ---- keys ---- */

static int open_with_keys(struct fixture *f, const char *text, mode_t mode)
{
    auto_free char *path = mem_printf("%s/keys", f->scratch.path);
    if (text)
        scratch_write(&f->scratch, "keys", text, strlen(text));
    assert_int_equal(chmod(path, mode), 0);
    return open_with(f, (struct remote_options){ .place = "s3://bucket", .credentials = path });
}

static void keys_come_from_a_file_that_is_only_its_owners(void **state)
{
    static const char good[] = "# my keys\n\n access_key = AK \nsecret_key=SECRET/+=\r\nsession_token =\tT\n";
    struct fixture *f = *state;
    assert_int_equal(open_with_keys(f, good, 0600), 0);
    assert_int_equal(open_with_keys(f, "access_key=a\nsecret_key=b", 0400), 0);
    static const mode_t modes[] = { 0640, 0604, 0620, 0601, 0644 };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        expect_error(f, open_with_keys(f, NULL, modes[i]), ERR_DENIED, "chmod 600");
    expect_error(f, open_with(f, (struct remote_options){ .place = "s3://bucket", .credentials = "/nonexistent" }), ERR_SYSTEM,
                 "No such file");
    expect_error(f, open_with(f, (struct remote_options){ .place = "s3://bucket", .credentials = "/dev/null" }), ERR_INVALID,
                 "not a file");
}

static void a_file_that_holds_no_keys_is_refused_without_saying_what_it_holds(void **state)
{
    static const struct {
        const char *file, *text;
    } cases[] = {
        { "", "expected lines" },
        { "access_key = SECRET\n", "expected lines" },
        { "access_key = a\nsecret_key =\n", "line 2" },
        { "access_key = a\nsecret_key = SECRET SECRET\n", "line 2" },
        { "access_key = a\n\nsecret_key SECRET\n", "line 3" },
        { "secret = SECRET\n", "line 1" },
        { "access_key = a\naccess_key = SECRET\n", "line 2" },
        { "access_key = a\nsecret_key = SECRET\x01\n", "line 2" },
        { "access_key_ = SECRET\n", "line 1" },
        { "= SECRET\n", "line 1" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(unlinkat(f->scratch.fd, "keys", 0) == 0 || errno == ENOENT, 1);
        expect_error(f, open_with_keys(f, cases[i].file, 0600), ERR_INVALID, cases[i].text);
        assert_null(strstr(f->err.text, "SECRET"));
    }
    auto_free char *big = mem_zero(1, 20001);
    memset(big, '\n', 20000);
    expect_error(f, open_with_keys(f, big, 0600), ERR_LIMIT, "longer");
}

static void keys_come_from_the_environment_without_a_file(void **state)
{
    struct fixture *f = *state;
    struct remote_options options = { .place = "s3://bucket" };
    unsetenv("AWS_SECRET_ACCESS_KEY");
    setenv("AWS_ACCESS_KEY_ID", "SECRET", 1);
    expect_error(f, open_with(f, options), ERR_INVALID, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    setenv("AWS_SECRET_ACCESS_KEY", "SECRET\r\nx: y", 1);
    expect_error(f, open_with(f, options), ERR_INVALID, "AWS_SECRET_ACCESS_KEY has characters");
    assert_null(strstr(f->err.text, "SECRET\r"));
    setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
    assert_int_equal(open_with(f, options), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_place_is_a_directory_or_a_bucket),
        TEST(a_bucket_and_how_to_reach_it_are_checked_before_anything_is_sent),
        TEST(keys_come_from_a_file_that_is_only_its_owners),
        TEST(a_file_that_holds_no_keys_is_refused_without_saying_what_it_holds),
        TEST(keys_come_from_the_environment_without_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
