/*
 * One request is tried several times, since an S3 server says "503 SlowDown" as a matter of course and networks drop
 * connections. Every try ends in a verdict: done, missing, again, or failed. What is tried again waits twice as long each
 * time, less a random part, so that many runners that were refused at once do not come back at once.
 *
 * libcurl signs: path and query are given to it exactly as they have to be in the signature (libcurl 7.88 neither sorts nor
 * escapes), and all headers of its list are signed. Its own limit of low speed counts in seconds of averages; `watch` looks
 * at bytes that move, and is where a transfer is cancelled.
 *
 * A redirect is never followed: S3 sends one for a bucket in another region, and whoever else sends one is to get no signature.
 * Of what a server writes only the error's code gets into a text, since some servers repeat the request with its signature.
 */
#include "store/remote_http.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    DIGEST_BLOCK = 64 << 10,
    ERROR_BODY_MAX = 64 << 10,
    SLICE_US = 200000, /* how long a wait may be before somebody is asked whether to go on */
    BACKOFF_DOUBLINGS_MAX = 20,
};

struct remote_http {
    CURL *curl;
    char *endpoint;
    char *bucket;
    char *region;
    char *signing; /* CURLOPT_AWS_SIGV4 */
    struct remote_keys keys;
    struct remote_options limits; /* its texts are not used */
};

enum verdict { DONE, MISSING, AGAIN, FAILED };

/* One try of a request. */
struct attempt {
    struct remote_http *http;
    const struct remote_request *request;
    struct remote_answer *answer;
    int64_t sent;
    int64_t received;
    int64_t moved;    /* bytes that libcurl counted, both ways */
    int64_t moved_us; /* when that changed */
    bool stalled;
    bool cancelled;
    bool too_long;
    bool failed_here; /* reading or writing the caller's descriptor; err has it */
    struct error *err;
    char trouble[CURL_ERROR_SIZE];
};

void remote_answer_release(struct remote_answer *answer)
{
    buf_release(&answer->body);
}

static void print_digest(struct sha256_ctx *sha, char sha256[REMOTE_SHA_TEXT])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(sha256 + 2 * i, 3, "%02x", digest[i]);
}

int remote_http_digest(int fd, int64_t offset, int64_t bytes, char sha256[REMOTE_SHA_TEXT], struct error *err)
{
    auto_free uint8_t *block = mem_zero(1, DIGEST_BLOCK);
    struct sha256_ctx sha;
    sha256_init(&sha);
    for (int64_t done = 0; done < bytes;) {
        size_t want = bytes - done < DIGEST_BLOCK ? (size_t)(bytes - done) : DIGEST_BLOCK;
        ssize_t n = pread(fd, block, want, offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, "cannot read");
        if (n == 0)
            return error_set(err, ERR_CORRUPT, "the file ends after %" PRId64 " bytes", offset + done);
        sha256_update(&sha, (size_t)n, block);
        done += n;
    }
    print_digest(&sha, sha256);
    return 0;
}

static void digest_text(const char *text, char sha256[REMOTE_SHA_TEXT])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, strlen(text), (const uint8_t *)text);
    print_digest(&sha, sha256);
}

void remote_http_escape(struct buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++)
        if (strchr(plain, *text))
            buf_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

int remote_http_open(const struct remote_options *options, const char *bucket, struct remote_keys *keys,
                     struct remote_http **out, struct error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERR_SYSTEM, "libcurl cannot start");
    struct remote_http *http = mem_new(struct remote_http);
    http->curl = curl_easy_init();
    if (!http->curl)
        abort();
    http->endpoint = mem_dup(options->endpoint);
    http->bucket = mem_dup(bucket);
    http->region = mem_dup(options->region);
    http->signing = mem_printf("aws:amz:%s:s3", options->region);
    http->keys = *keys;
    *keys = (struct remote_keys){ 0 };
    http->limits = *options;
    *out = http;
    return 0;
}

void remote_http_close(struct remote_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    curl_global_cleanup();
    remote_keys_release(&http->keys);
    free(http->endpoint);
    free(http->bucket);
    free(http->region);
    free(http->signing);
    free(http);
}

/* ---- libcurl's callbacks ---- */

static size_t send_body(char *to, size_t size, size_t count, void *data)
{
    struct attempt *a = data;
    const struct remote_request *request = a->request;
    int64_t left = request->bytes - a->sent;
    size_t want = (int64_t)(size * count) < left ? size * count : (size_t)left;
    ssize_t n = 0;
    do
        n = pread(request->fd, to, want, request->offset + a->sent);
    while (n < 0 && errno == EINTR);
    if (n < 0 || (n == 0 && want > 0)) {
        a->failed_here = true;
        if (n < 0)
            error_sys(a->err, "cannot read");
        else
            error_set(a->err, ERR_CORRUPT, "the file became shorter while it was sent");
        return CURL_READFUNC_ABORT;
    }
    a->sent += n;
    return (size_t)n;
}

static int seek_body(void *data, curl_off_t offset, int origin)
{
    struct attempt *a = data;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    a->sent = offset;
    return CURL_SEEKFUNC_OK;
}

static long status_of(const struct attempt *a)
{
    long status = 0;
    curl_easy_getinfo(a->http->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t to_file(struct attempt *a, const char *from, size_t len)
{
    if ((int64_t)len > a->request->out_max - a->received) {
        a->too_long = true;
        return 0;
    }
    if (file_write_all(a->request->out, from, len, a->err) < 0) {
        a->failed_here = true;
        return 0;
    }
    a->received += (int64_t)len;
    return len;
}

static size_t take_body(char *from, size_t size, size_t count, void *data)
{
    struct attempt *a = data;
    size_t len = size * count;
    long status = status_of(a);
    if (a->request->to_file && status < 300)
        return to_file(a, from, len);
    a->answer->body.max = status < 300 ? REMOTE_ANSWER_MAX_BYTES : ERROR_BODY_MAX;
    buf_add(&a->answer->body, from, len);
    a->too_long = a->answer->body.full;
    return a->too_long ? 0 : len;
}

static size_t take_header(char *from, size_t size, size_t count, void *data)
{
    struct attempt *a = data;
    size_t len = size * count;
    if (len < 5 || strncasecmp(from, "etag:", 5) != 0)
        return len;
    const char *value = from + 5;
    const char *end = from + len;
    while (value < end && *value == ' ')
        value++;
    size_t n = 0;
    while (value + n < end && value[n] > ' ' && value[n] <= '~' && value[n] != '<' && value[n] != '&')
        n++;
    if (n < REMOTE_ETAG_MAX) /* it is copied into XML */
        snprintf(a->answer->etag, sizeof a->answer->etag, "%.*s", (int)n, value);
    return len;
}

static int watch(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct attempt *a = data;
    (void)down_total, (void)up_total;
    int64_t now = clock_boot_us();
    if (down + up != a->moved) {
        a->moved = down + up;
        a->moved_us = now;
    }
    int64_t done = a->request->progress_base + (a->request->to_file ? a->received : a->sent);
    a->stalled = now - a->moved_us > a->http->limits.stall_us;
    a->cancelled = !remote_progress_tell(a->request->progress, done);
    return a->stalled || a->cancelled;
}

/* ---- one try ---- */

static void set_method(CURL *curl, const struct remote_request *request)
{
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "PUT") == 0) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->bytes);
    } else if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->text));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->text);
    } else if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static void set_limits(CURL *curl, const struct remote_options *limits)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)((limits->connect_us + 999) / 1000));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "stint/" STINT_VERSION);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
}

static void set_callbacks(struct attempt *a)
{
    CURL *curl = a->http->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, a->trouble);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, send_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, a);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body); /* a kept connection may turn out dead when half is sent */
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, a);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    auto_free char *line = mem_printf("%s: %s", name, value);
    list = curl_slist_append(list, line);
    if (!list)
        abort();
    explicit_bzero(line, strlen(line));
    return list;
}

static struct curl_slist *sign(struct remote_http *http, const struct remote_request *request)
{
    char sha256[REMOTE_SHA_TEXT];
    if (request->sha256[0])
        memcpy(sha256, request->sha256, sizeof sha256);
    else
        digest_text(request->text ? request->text : "", sha256);
    struct curl_slist *list = add_header(NULL, "x-amz-content-sha256", sha256);
    if (http->keys.token)
        list = add_header(list, "x-amz-security-token", http->keys.token);
    if (request->text)
        list = add_header(list, "content-type", "application/xml");
    curl_easy_setopt(http->curl, CURLOPT_AWS_SIGV4, http->signing);
    curl_easy_setopt(http->curl, CURLOPT_USERNAME, http->keys.access);
    curl_easy_setopt(http->curl, CURLOPT_PASSWORD, http->keys.secret);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, list);
    return list;
}

static CURLcode send_request(struct attempt *a)
{
    struct remote_http *http = a->http;
    const struct remote_request *request = a->request;
    auto_free char *url = mem_printf("%s%s%s%s", http->endpoint, request->path, request->query ? "?" : "",
                                     request->query ? request->query : "");
    curl_easy_reset(http->curl);
    curl_easy_setopt(http->curl, CURLOPT_URL, url);
    set_limits(http->curl, &http->limits);
    set_callbacks(a);
    set_method(http->curl, request);
    struct curl_slist *headers = sign(http, request);
    a->moved_us = clock_boot_us();
    CURLcode code = curl_easy_perform(http->curl);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return code;
}

/* ---- what it came to ---- */

int remote_http_no_bucket(const struct remote_http *http, struct error *err)
{
    return error_set(err, ERR_INVALID, "there is no bucket '%s' at '%s': create it or correct the place", http->bucket,
                     http->endpoint);
}

static bool one_of(const char *code, const char *const *codes)
{
    for (; *codes; codes++)
        if (strcmp(code, *codes) == 0)
            return true;
    return false;
}

static int explain_denied(const struct remote_http *http, const char *code, struct error *err)
{
    static const char *const keys[] = { "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", NULL };
    const char *endpoint = http->endpoint;
    if (one_of(code, keys))
        return error_set(err, ERR_DENIED, "'%s' does not accept the keys (%s): correct the credentials", endpoint, code);
    if (strcmp(code, "RequestTimeTooSkewed") == 0)
        return error_set(err, ERR_DENIED, "this machine's clock and that of '%s' differ too much: correct them", endpoint);
    return error_set(err, ERR_DENIED, "'%s' denies access to bucket '%s' (403 %s): check the keys and the bucket's policy",
                     endpoint, http->bucket, *code ? code : "without a reason");
}

static int explain(const struct remote_http *http, long status, const char *code, struct error *err)
{
    static const char *const elsewhere[] = { "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", NULL };
    if (strcmp(code, "NoSuchBucket") == 0)
        return remote_http_no_bucket(http, err);
    if (status == 401 || status == 403)
        return explain_denied(http, code, err);
    if ((status >= 300 && status < 400) || one_of(code, elsewhere))
        return error_set(err, ERR_INVALID,
                         "'%s' does not serve bucket '%s' in region '%s' (%ld %s): correct endpoint and region",
                         http->endpoint, http->bucket, http->region, status, *code ? code : "redirect");
    return error_set(err, ERR_SYSTEM, "'%s' answers %ld%s%s", http->endpoint, status, *code ? " " : "", code);
}

static enum verdict judge_error(const struct attempt *a, long status)
{
    static const char *const passing[] = { "InternalError",  "ServiceUnavailable", "SlowDown",        "RequestTimeout",
                                           "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", NULL };
    const char *code = a->answer->code;
    explain(a->http, status, code, a->err);
    if (status == 404 && strcmp(code, "NoSuchBucket") != 0)
        return MISSING;
    if (status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504))
        return AGAIN;
    return one_of(code, passing) ? AGAIN : FAILED;
}

static enum verdict judge_success(const struct attempt *a, long status)
{
    struct remote_answer *answer = a->answer;
    if (answer->code[0])
        return judge_error(a, status);
    if (!a->request->to_file)
        return DONE;
    if (status == 200 && answer->length == a->received)
        return DONE;
    error_set(a->err, ERR_SYSTEM, "'%s' answers %ld without a length, or with another than %" PRId64 " bytes",
              a->http->endpoint, status, a->received);
    return FAILED;
}

static enum verdict judge_transport(const struct attempt *a, CURLcode code)
{
    static const CURLcode passing[] = {
        CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT,
        CURLE_PARTIAL_FILE,         CURLE_SEND_ERROR,            CURLE_RECV_ERROR,      CURLE_GOT_NOTHING,
        CURLE_SSL_CONNECT_ERROR,    CURLE_HTTP2,                 CURLE_HTTP2_STREAM,    CURLE_SEND_FAIL_REWIND,
    };
    const char *endpoint = a->http->endpoint;
    if (a->stalled) {
        error_set(a->err, ERR_SYSTEM, "'%s' moved nothing for %.0f s", endpoint, (double)a->http->limits.stall_us / 1e6);
        return AGAIN;
    }
    error_set(a->err, ERR_SYSTEM, "talking to '%s': %s", endpoint, *a->trouble ? a->trouble : curl_easy_strerror(code));
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (code == passing[i])
            return AGAIN;
    return FAILED;
}

static enum verdict judge(const struct attempt *a, CURLcode code)
{
    struct remote_answer *answer = a->answer;
    long status = status_of(a);
    curl_off_t length = -1;
    if (a->failed_here)
        return FAILED;
    if (a->cancelled) {
        remote_cancelled(a->err);
        return FAILED;
    }
    curl_easy_getinfo(a->http->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer->length = length;
    remote_xml_error(&answer->body, answer->code);
    if (status >= 300) /* however the connection ended: that was said */
        return judge_error(a, status);
    if (a->too_long) {
        error_set(a->err, ERR_LIMIT, "'%s' sends more than %" PRId64 " bytes", a->http->endpoint,
                  a->request->to_file ? a->request->out_max : (int64_t)REMOTE_ANSWER_MAX_BYTES);
        return FAILED;
    }
    return code == CURLE_OK ? judge_success(a, status) : judge_transport(a, code);
}

static enum verdict try_once(struct remote_http *http, const struct remote_request *request, struct remote_answer *answer,
                             struct error *err)
{
    struct attempt a = { .http = http, .request = request, .answer = answer, .err = err };
    buf_clear(&answer->body);
    answer->etag[0] = answer->code[0] = '\0';
    if (fault_point("store.remote.request") < 0) {
        error_sys(err, "talking to '%s'", http->endpoint);
        return AGAIN;
    }
    if (request->to_file && (ftruncate(request->out, 0) < 0 || lseek(request->out, 0, SEEK_SET) < 0)) {
        error_sys(err, "cannot empty the file to write");
        return FAILED;
    }
    return judge(&a, send_request(&a));
}

/* ---- tries ---- */

static int64_t pause_after(struct remote_http *http, int tries)
{
    const struct remote_options *limits = &http->limits;
    int doublings = tries - 1 < BACKOFF_DOUBLINGS_MAX ? tries - 1 : BACKOFF_DOUBLINGS_MAX;
    uint32_t chance = 0;
    curl_off_t asked = 0;
    int64_t us = limits->backoff_us << doublings;
    if (us > limits->backoff_max_us)
        us = limits->backoff_max_us;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) == (ssize_t)sizeof chance)
        us -= (int64_t)((double)us / 2 * chance / UINT32_MAX);
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked);
    if (asked > limits->backoff_max_us / CLOCK_SECOND_US)
        return limits->backoff_max_us;
    return asked * CLOCK_SECOND_US > us ? asked * CLOCK_SECOND_US : us;
}

static bool wait_for(int64_t us, const struct remote_request *request)
{
    for (int64_t end = clock_boot_us() + us, left = us; left > 0; left = end - clock_boot_us()) {
        if (!remote_progress_tell(request->progress, request->progress_base))
            return false;
        struct timespec slice = { .tv_nsec = (left < SLICE_US ? left : SLICE_US) * 1000 };
        nanosleep(&slice, NULL);
    }
    return true;
}

int remote_http_perform(struct remote_http *http, const struct remote_request *request, struct remote_answer *answer,
                        struct error *err)
{
    int tries = request->tries ? request->tries : http->limits.tries;
    for (int n = 1;; n++) {
        switch (try_once(http, request, answer, err)) {
        case DONE:
            return 0;
        case MISSING:
            return REMOTE_HTTP_MISSING;
        case FAILED:
            return -1;
        case AGAIN:
            if (n >= tries)
                return error_wrap(err, "gave up after %d tries", n);
            if (!wait_for(pause_after(http, n), request))
                return remote_cancelled(err);
        }
    }
}
