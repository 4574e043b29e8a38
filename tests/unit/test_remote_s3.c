/* Remote objects in a bucket, against a server that misbehaves by a script. What a real one thinks is tested elsewhere. */
#include "base/clock.h"
#include "http_script.h"
#include "store/remote.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FAILURE(code) "<?xml version=\"1.0\"?>\n<Error><Code>" code "</Code><Message>SKEY Signature=abc</Message></Error>"
#define LIST(inner) "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://x/\">" inner "</ListBucketResult>"
#define OBJECT(key, size) "<Contents><Key>" key "</Key><ETag>&quot;x&quot;</ETag><Size>" size "</Size></Contents>"

struct fixture {
    struct scratch scratch;
    struct http_server server;
    struct remote_options options;
    struct remote *remote;
    char *keys;
    int file; /* what is put or got */
    struct buf listed;
    struct error err;
};

static int setup(void **state)
{
    static const char keys[] = "access_key = AKEY\nsecret_key = SKEY\nsession_token = TOKEN\n";
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    scratch_write(&f->scratch, "keys", keys, strlen(keys));
    f->keys = mem_printf("%s/keys", f->scratch.path);
    f->file = openat(f->scratch.fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    f->options = (struct remote_options){
        .place = "s3://bucket/pre", .credentials = f->keys, .stall_us = 900000, .connect_us = 1000000, .tries = 3,
        .backoff_us = 1000, .backoff_max_us = 5000,
    };
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    remote_close(steal(f->remote));
    if (f->server.pid > 0)
        http_server_stop(&f->server);
    f->server.pid = 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stop(f);
    buf_release(&f->listed);
    close(f->file);
    scratch_close(&f->scratch);
    free(f->keys);
    free(f);
    return 0;
}

static void start(struct fixture *f, const struct http_step *steps, size_t count)
{
    stop(f);
    http_server_start(&f->server, &f->scratch, steps, count);
    f->options.endpoint = f->server.endpoint;
    if (remote_open(&f->options, &f->remote, &f->err) != 0)
        fail_msg("%s", f->err.text);
    f->err.text[0] = '\0';
}

#define START(f, ...)                                     \
    do {                                                  \
        const struct http_step steps_[] = { __VA_ARGS__ }; \
        start(f, steps_, COUNT(steps_));                  \
    } while (0)

/* ---- one of each operation ---- */

enum operation { PUT, GET, HAS, LIST_ALL, REMOVE, PUT_PARTS, OPERATIONS };

static bool take_name(void *data, const char *name, int64_t size)
{
    struct fixture *f = data;
    buf_printf(&f->listed, "%s=%lld ", name, (long long)size);
    return true;
}

static int run(struct fixture *f, enum operation operation)
{
    int64_t size = -1;
    buf_clear(&f->listed);
    assert_int_equal(ftruncate(f->file, 0), 0);
    switch (operation) {
    case PUT:
        assert_int_equal(pwrite(f->file, "hello", 5, 0), 5);
        return remote_put(f->remote, "a/b", f->file, 5, NULL, &f->err);
    case PUT_PARTS:
        assert_int_equal(pwrite(f->file, "0123456789", 10, 0), 10);
        return remote_put(f->remote, "a/b", f->file, 10, NULL, &f->err);
    case GET:
        return remote_get(f->remote, "a/b", f->file, 100, NULL, &f->err);
    case HAS:
        return remote_has(f->remote, "a/b", &size, &f->err);
    case LIST_ALL:
        return remote_list(f->remote, "a/", take_name, f, &f->err);
    default:
        return remote_remove(f->remote, "a/b", &f->err);
    }
}

static const char *const names[OPERATIONS] = { "put", "get", "has", "list", "remove", "put in parts" };
static const struct http_step good[OPERATIONS] = {
    { .status = "200 OK\r\nETag: \"x\"" },
    { .status = "200 OK", .body = "hello" },
    { .status = "200 OK", .length = 5 },
    { .status = "200 OK", .body = LIST("<IsTruncated>false</IsTruncated>" OBJECT("pre/a/b", "5")) },
    { .status = "204 No Content" },
};

static void expect_good(struct fixture *f, enum operation operation, const char *when)
{
    char back[16] = "";
    if (run(f, operation) != 0)
        fail_msg("%s after %s: %s", names[operation], when, f->err.text);
    assert_true(operation != GET || (pread(f->file, back, 15, 0) == 5 && strcmp(back, "hello") == 0));
    assert_true(operation != LIST_ALL || strcmp(buf_cstr(&f->listed), "a/b=5 ") == 0);
}

/* A failure's text is one line, and holds nothing that is secret. */
static void expect_error(struct fixture *f, int result, enum error_kind kind, const char *text)
{
    static const char *const secrets[] = { "AKEY", "SKEY", "TOKEN", "Signature=", "\n" };
    if (result != -1 || f->err.kind != kind || !strstr(f->err.text, text))
        fail_msg("'%s' was expected, there is %d, kind %d: '%s'", text, result, f->err.kind, f->err.text);
    for (size_t i = 0; i < COUNT(secrets); i++)
        assert_null(strstr(f->err.text, secrets[i]));
}

static void read_requests(struct fixture *f, struct buf *out)
{
    assert_int_equal(file_read(f->scratch.fd, "requests", out, NULL), 0);
}

static int count_requests(struct fixture *f)
{
    auto_buf struct buf text = { 0 };
    int count = 0;
    read_requests(f, &text);
    for (const char *at = buf_cstr(&text); (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static void expect_requests(struct fixture *f, const char *expected)
{
    auto_buf struct buf text = { 0 };
    read_requests(f, &text);
    assert_string_equal(buf_cstr(&text), expected);
}

static void requests_are_signed_and_carry_the_digest_of_what_they_send(void **state)
{
    struct fixture *f = *state;
    static const char *const expected[] = {
        "PUT /bucket/pre/a/b body=5 sha=ok auth=yes\n",
        "GET /bucket/pre/a/b body=0 sha=ok auth=yes\n",
        "HEAD /bucket/pre/a/b body=0 sha=ok auth=yes\n",
        "GET /bucket?list-type=2&max-keys=1000&prefix=pre%2Fa%2F body=0 sha=ok auth=yes\n",
        "DELETE /bucket/pre/a/b body=0 sha=ok auth=yes\n",
    };
    for (int o = 0; o < PUT_PARTS; o++) {
        start(f, &good[o], 1);
        expect_good(f, (enum operation)o, "nothing");
        expect_requests(f, expected[o]);
    }
}

static void passing_trouble_ends_in_success(void **state)
{
    static const struct {
        const char *name;
        struct http_step step;
    } troubles[] = {
        { "500", { .times = 2, .status = "500 Internal Server Error", .body = FAILURE("InternalError") } },
        { "502", { .times = 2, .status = "502 Bad Gateway", .body = "<html>proxy</html>" } },
        { "503", { .times = 2, .status = "503 Slow Down", .body = FAILURE("SlowDown") } },
        { "504", { .times = 1, .status = "504 Gateway Timeout" } },
        { "429", { .times = 2, .status = "429 Too Many Requests\r\nRetry-After: 3600" } },
        { "a request that took too long", { .status = "400 Bad Request", .body = FAILURE("RequestTimeout") } },
        { "a digest that was wrong", { .status = "400 Bad Request", .body = FAILURE("BadDigest") } },
        { "a dropped connection", { .times = 2, .act = HTTP_DROP } },
        { "silence", { .act = HTTP_SILENCE } },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(troubles); i++)
        for (int o = 0; o < PUT_PARTS; o++) {
            if (o == HAS && troubles[i].step.status && troubles[i].step.status[0] == '4' && troubles[i].step.body)
                continue; /* what HEAD answers has no body that could tell why */
            START(f, troubles[i].step, good[o]);
            expect_good(f, (enum operation)o, troubles[i].name);
            assert_int_equal(count_requests(f), (troubles[i].step.times ? troubles[i].step.times : 1) + 1);
        }
}

static void a_body_that_breaks_off_is_fetched_again(void **state)
{
    struct fixture *f = *state;
    static const enum operation operations[] = { GET, LIST_ALL };
    for (size_t i = 0; i < COUNT(operations); i++) {
        struct http_step broken = good[operations[i]];
        broken.act = HTTP_HALF;
        START(f, broken, good[operations[i]]);
        expect_good(f, operations[i], "half a body");
        broken.act = HTTP_HALF_STALL;
        START(f, broken, good[operations[i]]);
        expect_good(f, operations[i], "half a body and silence");
    }
}

static void trouble_that_does_not_pass_ends_after_the_tries(void **state)
{
    static const struct {
        struct http_step step;
        const char *text;
    } cases[] = {
        { { .status = "503 Slow Down", .body = FAILURE("SlowDown") }, "gave up after 3 tries: 'http://127.0.0.1:" },
        { { .status = "500 Internal Server Error" }, "answers 500" },
        { { .act = HTTP_DROP }, "gave up after 3 tries: talking to" },
        { { .act = HTTP_HALF, .status = "200 OK", .body = "hello" }, "gave up after 3 tries: talking to" },
        { { .act = HTTP_SILENCE }, "moved nothing" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t begin = clock_boot_us();
        start(f, &cases[i].step, 1);
        expect_error(f, run(f, GET), ERR_SYSTEM, cases[i].text);
        assert_int_equal(count_requests(f), 3);
        assert_true(clock_boot_us() - begin < 8 * CLOCK_SECOND_US);
    }
}

static void nobody_there_is_said_after_the_tries(void **state)
{
    struct fixture *f = *state;
    START(f, { .status = "200 OK" });
    http_server_stop(&f->server);
    f->server.pid = 0;
    for (int o = 0; o < OPERATIONS; o++)
        expect_error(f, run(f, (enum operation)o), ERR_SYSTEM, "gave up after 3 tries: talking to 'http://127.0.0.1:");
}

static void what_will_not_pass_is_said_at_once_in_one_sentence(void **state)
{
    static const struct {
        struct http_step step;
        enum error_kind kind;
        const char *text;
    } cases[] = {
        { { .status = "403 Forbidden", .body = FAILURE("AccessDenied") }, ERR_DENIED,
          "denies access to bucket 'bucket' (403 AccessDenied): check the keys" },
        { { .status = "403 Forbidden" }, ERR_DENIED, "(403 without a reason)" },
        { { .status = "403 Forbidden", .body = FAILURE("SignatureDoesNotMatch") }, ERR_DENIED, "correct the credentials" },
        { { .status = "403 Forbidden", .body = FAILURE("InvalidAccessKeyId") }, ERR_DENIED, "correct the credentials" },
        { { .status = "403 Forbidden", .body = FAILURE("RequestTimeTooSkewed") }, ERR_DENIED, "clock" },
        { { .status = "404 Not Found", .body = FAILURE("NoSuchBucket") }, ERR_INVALID, "there is no bucket 'bucket' at" },
        { { .status = "404 Not Found", .body = "<html><p>nginx</html>" }, ERR_INVALID, "that of an S3 server?" },
        { { .status = "404 Not Found" }, ERR_INVALID, "that of an S3 server?" },
        { { .status = "301 Moved\r\nLocation: http://127.0.0.1:1/", .body = FAILURE("PermanentRedirect") }, ERR_INVALID,
          "correct endpoint and region" },
        { { .status = "307 Temporary\r\nLocation: file:///etc/passwd" }, ERR_INVALID, "(307 redirect)" },
        { { .status = "400 Bad Request", .body = FAILURE("AuthorizationHeaderMalformed") }, ERR_INVALID, "region 'us-east-1'" },
        { { .status = "507 Full", .body = FAILURE("Evil\nTOKEN") }, ERR_SYSTEM, "answers 507 Unknown" },
        { { .status = "418 Teapot" }, ERR_SYSTEM, "answers 418" },
    };
    static const enum operation operations[] = { PUT, GET, LIST_ALL, REMOVE };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t o = 0; o < COUNT(operations); o++) {
            start(f, &cases[i].step, 1);
            expect_error(f, run(f, operations[o]), cases[i].kind, cases[i].text);
            assert_int_equal(count_requests(f), 1);
        }
}

static void a_success_that_is_an_error_inside_is_no_success(void **state)
{
    struct fixture *f = *state;
    START(f, { .times = 2, .status = "200 OK", .body = FAILURE("InternalError") }, good[PUT]);
    expect_good(f, PUT, "errors inside");
    START(f, { .status = "200 OK", .body = FAILURE("AccessDenied") });
    expect_error(f, run(f, PUT), ERR_SYSTEM, "answers 200 AccessDenied");
    START(f, { .status = "200 OK", .body = FAILURE("Whatever") });
    expect_error(f, run(f, LIST_ALL), ERR_SYSTEM, "answers 200 Whatever");
}

static void an_endless_error_page_is_cut_off(void **state)
{
    struct fixture *f = *state;
    auto_free char *page = mem_zero(1, 1000001);
    memset(page, 'x', 1000000);
    START(f, { .times = 1, .status = "500 Internal Server Error", .body = page }, good[GET]);
    expect_good(f, GET, "a long error page");
}

/* ---- absence ---- */

static void absence_is_believed_when_the_server_says_what_is_absent(void **state)
{
    struct fixture *f = *state;
    START(f, { .status = "404 Not Found", .body = FAILURE("NoSuchKey") });
    assert_int_equal(run(f, GET), REMOTE_ABSENT);
    assert_int_equal(run(f, REMOVE), 0);
    START(f, { .status = "404 Not Found", .length = 100 }, { .status = "200 OK" }, { .status = "404 Not Found" });
    assert_int_equal(run(f, HAS), REMOTE_ABSENT);
    assert_int_equal(run(f, HAS), REMOTE_ABSENT);
    expect_requests(f, "HEAD /bucket/pre/a/b body=0 sha=ok auth=yes\n"
                       "HEAD /bucket body=0 sha=ok auth=yes\n" /* once */
                       "HEAD /bucket/pre/a/b body=0 sha=ok auth=yes\n");
    START(f, { .status = "404 Not Found" });
    expect_error(f, run(f, HAS), ERR_INVALID, "there is no bucket 'bucket' at");
}

/* ---- bodies ---- */

static void a_slow_body_is_no_stall(void **state)
{
    struct fixture *f = *state;
    f->options.stall_us = 2 * CLOCK_SECOND_US;
    START(f, { .act = HTTP_TRICKLE, .status = "200 OK", .body = "this takes longer than a stall may" });
    assert_int_equal(run(f, GET), 0);
    assert_int_equal(count_requests(f), 1);
}

static void a_body_longer_than_allowed_or_of_unknown_length_is_an_error(void **state)
{
    struct fixture *f = *state;
    auto_free char *long_body = mem_zero(1, 102);
    memset(long_body, 'x', 101);
    START(f, { .status = "200 OK", .body = long_body });
    expect_error(f, run(f, GET), ERR_LIMIT, "more than 100 bytes");
    START(f, { .act = HTTP_NO_LENGTH, .status = "200 OK", .body = "hello" });
    expect_error(f, run(f, GET), ERR_SYSTEM, "without a length");
    START(f, { .status = "206 Partial Content", .body = "hello" });
    expect_error(f, run(f, GET), ERR_SYSTEM, "answers 206");
}

static void retry_after_is_waited_for_within_reason(void **state)
{
    struct fixture *f = *state;
    int64_t begin = clock_boot_us();
    f->options.backoff_max_us = 1200000;
    START(f, { .status = "503 Slow Down\r\nRetry-After: 1" }, good[HAS]);
    expect_good(f, HAS, "a wait");
    assert_true(clock_boot_us() - begin >= CLOCK_SECOND_US);
    begin = clock_boot_us();
    START(f, { .status = "503 Slow Down\r\nRetry-After: 86400" }, good[HAS]);
    expect_good(f, HAS, "a wait");
    assert_true(clock_boot_us() - begin < 10 * CLOCK_SECOND_US);
}

static void a_file_that_cannot_be_read_or_written_is_not_the_servers_fault(void **state)
{
    struct fixture *f = *state;
    auto_close int in = openat(f->scratch.fd, "file", O_RDONLY | O_CLOEXEC);
    START(f, good[GET]);
    expect_error(f, remote_get(f->remote, "a", in, 100, NULL, &f->err), ERR_SYSTEM, "cannot empty the file");
    expect_error(f, remote_put(f->remote, "a", f->file, 5, NULL, &f->err), ERR_CORRUPT, "ends after 0");
    expect_error(f, remote_put(f->remote, "a", f->scratch.fd, 5, NULL, &f->err), ERR_SYSTEM, "cannot read: Is a directory");
    assert_int_equal(count_requests(f), 0);
}

struct patience {
    int left;
};

static bool be_patient(void *data, int64_t done_bytes)
{
    struct patience *patience = data;
    (void)done_bytes;
    return patience->left-- > 0;
}

static void a_transfer_can_be_given_up(void **state)
{
    struct fixture *f = *state;
    struct patience patience = { .left = 2 };
    struct remote_progress progress = { .fn = be_patient, .data = &patience };
    f->options.stall_us = 60 * CLOCK_SECOND_US;
    f->options.backoff_us = f->options.backoff_max_us = 60 * CLOCK_SECOND_US;
    int64_t begin = clock_boot_us();
    START(f, { .act = HTTP_SILENCE });
    expect_error(f, remote_get(f->remote, "a", f->file, 100, &progress, &f->err), ERR_SYSTEM, "given up");
    assert_int_equal(f->err.sys, ECANCELED);
    patience.left = 10;
    START(f, { .status = "503 Slow Down" });
    expect_error(f, remote_get(f->remote, "a", f->file, 100, &progress, &f->err), ERR_SYSTEM, "given up");
    assert_true(clock_boot_us() - begin < 20 * CLOCK_SECOND_US);
}

/* ---- lists ---- */

static void a_list_goes_on_where_the_last_page_ended(void **state)
{
    struct fixture *f = *state;
    f->options.list_max = 1;
    START(f,
          { .status = "200 OK", .body = LIST(OBJECT("pre/a/1", "1") "<IsTruncated>true</IsTruncated>"
                                             "<NextContinuationToken>t+/=&amp;x</NextContinuationToken>") },
          { .times = 1, .status = "503 Slow Down" },
          { .status = "200 OK", .body = LIST("<IsTruncated>false</IsTruncated>" OBJECT("pre/a/2", "123456789012")) });
    assert_int_equal(run(f, LIST_ALL), 0);
    assert_string_equal(buf_cstr(&f->listed), "a/1=1 a/2=123456789012 ");
    expect_requests(f, "GET /bucket?list-type=2&max-keys=1&prefix=pre%2Fa%2F body=0 sha=ok auth=yes\n"
                       "GET /bucket?continuation-token=t%2B%2F%3D%26x&list-type=2&max-keys=1&prefix=pre%2Fa%2F "
                       "body=0 sha=ok auth=yes\n"
                       "GET /bucket?continuation-token=t%2B%2F%3D%26x&list-type=2&max-keys=1&prefix=pre%2Fa%2F "
                       "body=0 sha=ok auth=yes\n");
}

static void names_that_a_server_makes_up_are_never_given_out(void **state)
{
    struct fixture *f = *state;
    START(f, { .status = "200 OK",
               .body = LIST(OBJECT("pre/a/../../etc/passwd", "1") OBJECT("pre/a//b", "1") OBJECT("pre/a/", "0")
                                OBJECT("pre/a/.hidden", "1") OBJECT("pre/a/&#10;x", "1") OBJECT("pre/a/b c", "1")
                                    OBJECT("pre/a/%2e%2e", "1") OBJECT("pre/a/good", "7")) });
    assert_int_equal(run(f, LIST_ALL), 0);
    assert_string_equal(buf_cstr(&f->listed), "a/good=7 ");
}

static void a_list_that_makes_no_sense_is_an_error(void **state)
{
    static const struct {
        const char *body, *text;
        enum error_kind kind;
    } cases[] = {
        { "", "not XML", ERR_CORRUPT },
        { "garbage", "not XML", ERR_CORRUPT },
        { "<ListBucketResult><Contents>", "not XML", ERR_CORRUPT },
        { "<ListBucketResult>\x01</ListBucketResult>", "not XML", ERR_CORRUPT },
        { "<html></html>", "not a 'ListBucketResult'", ERR_CORRUPT },
        { "<!DOCTYPE x [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;\">]><ListBucketResult>&c;</ListBucketResult>", "document type",
          ERR_CORRUPT },
        { "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><ListBucketResult/>", "document type", ERR_CORRUPT },
        { LIST(OBJECT("other/a/b", "1")), "does not begin with what was asked for", ERR_CORRUPT },
        { LIST(OBJECT("pre/b", "1")), "does not begin with what was asked for", ERR_CORRUPT },
        { LIST("<Contents><Key>pre/a/b</Key></Contents>"), "without name or size", ERR_CORRUPT },
        { LIST("<Contents><Size>5</Size></Contents>"), "without name or size", ERR_CORRUPT },
        { LIST(OBJECT("pre/a/b", "-1")), "not a number", ERR_CORRUPT },
        { LIST(OBJECT("pre/a/b", "99999999999999999999")), "not a number", ERR_CORRUPT },
        { LIST(OBJECT("pre/a/b", "")), "not a number", ERR_CORRUPT },
        { LIST("<IsTruncated>true</IsTruncated>"), "not where", ERR_CORRUPT },
        { LIST("<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"), "not where", ERR_CORRUPT },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        START(f, { .status = "200 OK", .body = cases[i].body });
        expect_error(f, run(f, LIST_ALL), cases[i].kind, cases[i].text);
        assert_string_equal(buf_cstr(&f->listed), "");
    }
}

static void a_text_without_end_in_a_list_is_an_error(void **state)
{
    struct fixture *f = *state;
    auto_free char *name = mem_zero(1, 10001);
    memset(name, 'x', 10000);
    auto_free char *body = mem_printf("<ListBucketResult><Contents><Key>pre/a/%s</Key></Contents></ListBucketResult>", name);
    START(f, { .status = "200 OK", .body = body });
    expect_error(f, run(f, LIST_ALL), ERR_LIMIT, "more than");
}

/* ---- uploads in parts ---- */

#define STARTED_TEXT "<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>"
#define STARTED { .times = 1, .status = "200 OK", .body = STARTED_TEXT }
#define PART(etag) { .times = 1, .status = "200 OK\r\nETag: \"" etag "\"" }
#define COMPLETED_TEXT "  \n<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
#define COMPLETED { .times = 1, .status = "200 OK", .body = COMPLETED_TEXT }

static void use_parts(struct fixture *f)
{
    f->options.single_max_bytes = 5;
    f->options.part_bytes = 4;
}

#define UPLOAD "/bucket/pre/a/b?uploadId=u%2F1"

static void a_large_object_goes_up_in_parts(void **state)
{
    struct fixture *f = *state;
    use_parts(f);
    START(f, STARTED, PART("e1"), { .times = 1, .status = "503 Slow Down" }, PART("e2"), PART("e3"), COMPLETED);
    assert_int_equal(run(f, PUT_PARTS), 0);
    expect_requests(f, "POST /bucket/pre/a/b?uploads= body=0 sha=ok auth=yes\n"
                       "PUT /bucket/pre/a/b?partNumber=1&uploadId=u%2F1 body=4 sha=ok auth=yes\n"
                       "PUT /bucket/pre/a/b?partNumber=2&uploadId=u%2F1 body=4 sha=ok auth=yes\n"
                       "PUT /bucket/pre/a/b?partNumber=2&uploadId=u%2F1 body=4 sha=ok auth=yes\n"
                       "PUT /bucket/pre/a/b?partNumber=3&uploadId=u%2F1 body=2 sha=ok auth=yes\n"
                       "POST " UPLOAD " body=219 sha=ok auth=yes\n");
}

static void an_upload_in_parts_that_fails_is_thrown_away(void **state)
{
    static const struct {
        struct http_step last;
        const char *text;
        enum error_kind kind;
    } cases[] = {
        { { .times = 3, .status = "500 Internal Server Error" }, "part 2: gave up after 3 tries", ERR_SYSTEM },
        { { .status = "403 Forbidden", .body = FAILURE("AccessDenied") }, "part 2: 'http", ERR_DENIED },
        { { .status = "200 OK" }, "no ETag", ERR_CORRUPT },
        { { .status = "404 Not Found", .body = FAILURE("NoSuchUpload") }, "404 NoSuchUpload", ERR_INVALID },
    };
    struct fixture *f = *state;
    use_parts(f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_buf struct buf text = { 0 };
        START(f, STARTED, PART("e1"), cases[i].last, { .status = "204 No Content" });
        expect_error(f, run(f, PUT_PARTS), cases[i].kind, cases[i].text);
        read_requests(f, &text);
        assert_non_null(strstr(buf_cstr(&text), "\nDELETE " UPLOAD " body=0 sha=ok auth=yes\n"));
    }
}

static void parts_that_are_not_put_together_are_no_success(void **state)
{
    static const struct {
        struct http_step last;
        const char *text;
    } cases[] = {
        { { .status = "200 OK", .body = " \n " FAILURE("InvalidPart") }, "answers 200 InvalidPart" },
        { { .times = 3, .status = "200 OK", .body = FAILURE("InternalError") }, "gave up after 3 tries" },
        { { .status = "200 OK", .body = "   " }, "not XML" },
        { { .status = "200 OK", .body = "<CompleteMultipartUploadResult>" }, "not XML" },
        { { .status = "200 OK", .body = "<html></html>" }, "not a 'CompleteMultipartUploadResult'" },
    };
    struct fixture *f = *state;
    use_parts(f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_buf struct buf text = { 0 };
        START(f, STARTED, PART("1"), PART("2"), PART("3"), cases[i].last, { .status = "204 No Content" });
        assert_int_equal(run(f, PUT_PARTS), -1);
        expect_error(f, -1, f->err.kind, cases[i].text);
        read_requests(f, &text);
        assert_non_null(strstr(buf_cstr(&text), "\nDELETE " UPLOAD " body=0 sha=ok auth=yes\n"));
    }
}

static void an_upload_that_cannot_be_begun_sends_no_parts(void **state)
{
    static const char *const bodies[] = {
        "", "garbage", "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
        "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
    };
    struct fixture *f = *state;
    use_parts(f);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        START(f, { .status = "200 OK", .body = bodies[i] });
        expect_error(f, run(f, PUT_PARTS), ERR_CORRUPT, "the answer");
        assert_int_equal(count_requests(f), 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    unsetenv("http_proxy");
    const struct CMUnitTest tests[] = {
        TEST(requests_are_signed_and_carry_the_digest_of_what_they_send),
        TEST(passing_trouble_ends_in_success),
        TEST(a_body_that_breaks_off_is_fetched_again),
        TEST(trouble_that_does_not_pass_ends_after_the_tries),
        TEST(nobody_there_is_said_after_the_tries),
        TEST(what_will_not_pass_is_said_at_once_in_one_sentence),
        TEST(a_success_that_is_an_error_inside_is_no_success),
        TEST(an_endless_error_page_is_cut_off),
        TEST(absence_is_believed_when_the_server_says_what_is_absent),
        TEST(a_slow_body_is_no_stall),
        TEST(a_body_longer_than_allowed_or_of_unknown_length_is_an_error),
        TEST(retry_after_is_waited_for_within_reason),
        TEST(a_file_that_cannot_be_read_or_written_is_not_the_servers_fault),
        TEST(a_transfer_can_be_given_up),
        TEST(a_list_goes_on_where_the_last_page_ended),
        TEST(names_that_a_server_makes_up_are_never_given_out),
        TEST(a_list_that_makes_no_sense_is_an_error),
        TEST(a_text_without_end_in_a_list_is_an_error),
        TEST(a_large_object_goes_up_in_parts),
        TEST(an_upload_in_parts_that_fails_is_thrown_away),
        TEST(parts_that_are_not_put_together_are_no_success),
        TEST(an_upload_that_cannot_be_begun_sends_no_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
