/*
 * A bucket of an S3 server. An object is PREFIX/NAME in it; a PUT is whole or nothing on the server's side. What is larger
 * than single_max_bytes goes up in parts, so that a dropped connection costs a part and not all; the object appears when the
 * server is told to put them together, and if that never happens the parts are thrown away. Parts of an uploader that died
 * stay until the bucket's lifecycle rule for incomplete uploads removes them: an uploader cannot tell them from those of one
 * that is alive.
 *
 * Buckets are addressed in the path ("https://endpoint/bucket/key"): every server knows that form, without names in a DNS.
 *
 * "Absent" must not be what a wrong endpoint or bucket looks like, or somebody will conclude that there are no checkpoints.
 * An answer to GET or DELETE has to say NoSuchKey. One to HEAD has no body to say it in: there the first absence is believed
 * after the bucket itself has been seen.
 */
#include "base/fault.h"
#include "base/mem.h"
#include "store/remote_http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PARTS_MAX = 10000,
    LIST_PAGES_MAX = 1000000,
    ABORT_TRIES = 2,
    UPLOAD_ID_MAX = 1024,
    BUCKET_MAX = 63,
    REGION_MAX = 63,
};

struct remote_s3 {
    struct remote_http *http;
    char *path;   /* "/BUCKET" */
    char *prefix; /* of keys: "" or "PREFIX/" */
    bool seen;    /* the bucket has answered */
    int64_t single_max_bytes;
    int64_t part_bytes;
    int list_max;
};

static void s3_close(void *self)
{
    struct remote_s3 *s3 = self;
    remote_http_close(s3->http);
    free(s3->path);
    free(s3->prefix);
    free(s3);
}

static char *path_of(const struct remote_s3 *s3, const char *name)
{
    return mem_printf("%s/%s%s", s3->path, s3->prefix, name);
}

static int perform(struct remote_s3 *s3, const struct remote_request *request, struct remote_answer *answer, struct error *err)
{
    int r = remote_http_perform(s3->http, request, answer, err);
    if (r == 0)
        s3->seen = true;
    return r;
}

/* A 404 where nothing was looked for. */
static int unexpected(const struct remote_answer *answer, struct error *err)
{
    return error_set(err, ERR_INVALID, "the server answers 404 %s: is the endpoint that of an S3 server?",
                     *answer->code ? answer->code : "without a reason");
}

static int no_such_key(const struct remote_answer *answer, struct error *err)
{
    return strcmp(answer->code, "NoSuchKey") == 0 ? REMOTE_ABSENT : unexpected(answer, err);
}

/* For requests that cannot miss anything. */
static int perform_or_fail(struct remote_s3 *s3, const struct remote_request *request, struct remote_answer *answer,
                           struct error *err)
{
    int r = perform(s3, request, answer, err);
    return r == REMOTE_HTTP_MISSING ? unexpected(answer, err) : r;
}

/* ---- put ---- */

static int put_bytes(struct remote_s3 *s3, struct remote_request *request, struct remote_answer *answer, struct error *err)
{
    request->method = "PUT";
    request->progress_base = request->offset;
    if (remote_http_digest(request->fd, request->offset, request->bytes, request->sha256, err) < 0)
        return -1;
    return perform_or_fail(s3, request, answer, err);
}

static int put_single(struct remote_s3 *s3, const struct remote_transfer *t, const char *path, struct error *err)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    struct remote_request request = { .path = path, .fd = t->fd, .bytes = t->bytes, .progress = t->progress };
    return put_bytes(s3, &request, &answer, err);
}

struct upload {
    const char *path;
    char *query; /* "uploadId=…" */
    struct buf parts; /* the list that completes it */
};

static int take_upload_id(void *data, const char *parent, const char *name, const char *text, struct error *err)
{
    char **query = data;
    if (*parent || strcmp(name, "UploadId") != 0)
        return 0;
    if (!*text || strlen(text) > UPLOAD_ID_MAX || *query)
        return error_set(err, ERR_CORRUPT, "the answer's upload ID cannot be used");
    struct buf escaped = { 0 };
    buf_text(&escaped, "uploadId=");
    remote_http_escape(&escaped, text);
    *query = buf_steal(&escaped);
    return 0;
}

static int start_upload(struct remote_s3 *s3, struct upload *upload, const struct remote_progress *progress, struct error *err)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    struct remote_request request = {
        .method = "POST", .path = upload->path, .query = "uploads=", .text = "", .progress = progress
    };
    if (perform_or_fail(s3, &request, &answer, err) < 0 ||
        remote_xml_read(&answer.body, "InitiateMultipartUploadResult", take_upload_id, &upload->query, err) < 0)
        return -1;
    return upload->query ? 0 : error_set(err, ERR_CORRUPT, "the answer has no upload ID");
}

static int put_part(struct remote_s3 *s3, struct upload *upload, int number, struct remote_request *request, struct error *err)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    auto_free char *query = mem_printf("partNumber=%d&%s", number, upload->query);
    request->path = upload->path;
    request->query = query;
    if (put_bytes(s3, request, &answer, err) < 0)
        return error_wrap(err, "part %d", number);
    if (!answer.etag[0])
        return error_set(err, ERR_CORRUPT, "part %d: the answer has no ETag", number);
    buf_printf(&upload->parts, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, answer.etag);
    return 0;
}

static int put_parts(struct remote_s3 *s3, struct upload *upload, const struct remote_transfer *t, struct error *err)
{
    int64_t part_bytes = (t->bytes + PARTS_MAX - 1) / PARTS_MAX;
    if (part_bytes < s3->part_bytes)
        part_bytes = s3->part_bytes;
    int number = 1;
    for (int64_t offset = 0; offset < t->bytes; offset += part_bytes, number++) {
        struct remote_request request = {
            .fd = t->fd,
            .offset = offset,
            .bytes = t->bytes - offset < part_bytes ? t->bytes - offset : part_bytes,
            .progress = t->progress,
        };
        if (put_part(s3, upload, number, &request, err) < 0)
            return -1;
    }
    return 0;
}

static int pass_over(void *data, const char *parent, const char *name, const char *text, struct error *err)
{
    (void)data, (void)parent, (void)name, (void)text, (void)err;
    return 0;
}

/* When a try's answer is lost the next may be told that there is no such upload, although the object is complete. That is
 * reported as a failure: whoever puts again, or looks, finds out. */
static int complete_upload(struct remote_s3 *s3, struct upload *upload, const struct remote_transfer *t, struct error *err)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    auto_free char *text = mem_printf("<CompleteMultipartUpload>%s</CompleteMultipartUpload>", buf_cstr(&upload->parts));
    struct remote_request request = {
        .method = "POST",
        .path = upload->path,
        .query = upload->query,
        .text = text,
        .progress = t->progress,
        .progress_base = t->bytes,
    };
    if (perform_or_fail(s3, &request, &answer, err) < 0)
        return -1;
    return remote_xml_read(&answer.body, "CompleteMultipartUploadResult", pass_over, NULL, err);
}

static void abort_upload(struct remote_s3 *s3, const struct upload *upload)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    struct remote_request request = {
        .method = "DELETE", .path = upload->path, .query = upload->query, .tries = ABORT_TRIES
    };
    perform(s3, &request, &answer, NULL);
}

static int put_multipart(struct remote_s3 *s3, const struct remote_transfer *t, const char *path, struct error *err)
{
    struct upload upload = { .path = path };
    int r = start_upload(s3, &upload, t->progress, err);
    if (r == 0) {
        r = put_parts(s3, &upload, t, err);
        if (r == 0)
            r = complete_upload(s3, &upload, t, err);
        if (r < 0)
            abort_upload(s3, &upload);
    }
    free(upload.query);
    buf_release(&upload.parts);
    return r;
}

static int s3_put(void *self, const struct remote_transfer *t, struct error *err)
{
    struct remote_s3 *s3 = self;
    auto_free char *path = path_of(s3, t->name);
    return t->bytes > s3->single_max_bytes ? put_multipart(s3, t, path, err) : put_single(s3, t, path, err);
}

/* ---- get, has, remove ---- */

static int s3_get(void *self, const struct remote_transfer *t, struct error *err)
{
    struct remote_s3 *s3 = self;
    auto_remote_answer struct remote_answer answer = { 0 };
    auto_free char *path = path_of(s3, t->name);
    struct remote_request request = {
        .method = "GET", .path = path, .to_file = true, .out = t->fd, .out_max = t->bytes, .progress = t->progress
    };
    int r = perform(s3, &request, &answer, err);
    return r == REMOTE_HTTP_MISSING ? no_such_key(&answer, err) : r;
}

static int head(struct remote_s3 *s3, const char *path, int64_t *size, struct error *err)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    struct remote_request request = { .method = "HEAD", .path = path };
    int r = perform(s3, &request, &answer, err);
    if (r == 0)
        *size = answer.length;
    return r;
}

static int s3_has(void *self, const char *name, int64_t *size, struct error *err)
{
    struct remote_s3 *s3 = self;
    auto_free char *path = path_of(s3, name);
    int64_t found = 0;
    int r = head(s3, path, &found, err);
    if (r == 0 && found < 0)
        return error_set(err, ERR_CORRUPT, "the server does not say how long it is");
    if (r == 0)
        *size = found;
    if (r != REMOTE_HTTP_MISSING || s3->seen)
        return r == REMOTE_HTTP_MISSING ? REMOTE_ABSENT : r;
    r = head(s3, s3->path, &found, err);
    if (r == REMOTE_HTTP_MISSING)
        return remote_http_no_bucket(s3->http, err);
    return r == 0 ? REMOTE_ABSENT : r;
}

static int s3_remove(void *self, const char *name, struct error *err)
{
    struct remote_s3 *s3 = self;
    auto_remote_answer struct remote_answer answer = { 0 };
    auto_free char *path = path_of(s3, name);
    struct remote_request request = { .method = "DELETE", .path = path };
    if (fault_point("store.remote.remove") < 0)
        return error_sys(err, "the system refuses");
    int r = perform(s3, &request, &answer, err);
    if (r == REMOTE_HTTP_MISSING)
        r = no_such_key(&answer, err) < 0 ? -1 : 0;
    return r;
}

/* ---- list ---- */

/* One page of a list, of at most list_max names, is read whole before its names are given out: what a try delivered only in
 * part is not delivered twice. */
struct page {
    const char *prefix; /* that was asked for, with the bucket's */
    size_t strip;       /* so much of it the caller does not know */
    remote_visit_fn *visit;
    void *data;
    char *key; /* of the object that is being read */
    int64_t size;
    bool truncated;
    char *token; /* for the next page */
};

static bool read_size(const char *text, int64_t *size)
{
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
        return false;
    *size = strtoll(text, NULL, 10);
    return true;
}

static int end_object(struct page *page, struct error *err)
{
    auto_free char *key = steal(page->key);
    int64_t size = page->size;
    page->size = -1;
    if (!key || size < 0)
        return error_set(err, ERR_CORRUPT, "the list has an object without name or size");
    if (strncmp(key, page->prefix, strlen(page->prefix)) != 0)
        return error_set(err, ERR_CORRUPT, "the list has a name that does not begin with what was asked for");
    return page->visit(page->data, key + page->strip, size, err);
}

static int take_element(void *data, const char *parent, const char *name, const char *text, struct error *err)
{
    struct page *page = data;
    bool object = strcmp(parent, "Contents") == 0;
    if (object && strcmp(name, "Key") == 0) {
        free(page->key);
        page->key = mem_dup(text);
    } else if (object && strcmp(name, "Size") == 0) {
        if (!read_size(text, &page->size))
            return error_set(err, ERR_CORRUPT, "the list has a size that is not a number");
    } else if (!*parent && strcmp(name, "Contents") == 0) {
        return end_object(page, err);
    } else if (!*parent && strcmp(name, "IsTruncated") == 0) {
        page->truncated = strcmp(text, "true") == 0;
    } else if (!*parent && strcmp(name, "NextContinuationToken") == 0) {
        free(page->token);
        page->token = mem_dup(text);
    }
    return 0;
}

static char *page_query(const struct remote_s3 *s3, const struct page *page, const char *token)
{
    struct buf query = { 0 };
    if (token) {
        buf_text(&query, "continuation-token=");
        remote_http_escape(&query, token);
        buf_char(&query, '&');
    }
    buf_printf(&query, "list-type=2&max-keys=%d&prefix=", s3->list_max);
    remote_http_escape(&query, page->prefix);
    return buf_steal(&query);
}

/* 0 = that was the last page; positive as visit's, or PAGE_MORE. */
enum { PAGE_MORE = 1000 };

static int list_page(struct remote_s3 *s3, struct page *page, struct error *err)
{
    auto_remote_answer struct remote_answer answer = { 0 };
    auto_free char *token = steal(page->token);
    auto_free char *query = page_query(s3, page, token);
    struct remote_request request = { .method = "GET", .path = s3->path, .query = query };
    page->truncated = false;
    page->size = -1;
    if (perform_or_fail(s3, &request, &answer, err) < 0)
        return -1;
    int r = remote_xml_read(&answer.body, "ListBucketResult", take_element, page, err);
    if (r != 0)
        return r;
    if (!page->truncated)
        return 0;
    if (!page->token || !*page->token || (token && strcmp(token, page->token) == 0))
        return error_set(err, ERR_CORRUPT, "the list says that it goes on, but not where");
    return PAGE_MORE;
}

static int s3_list(void *self, const char *prefix, remote_visit_fn *visit, void *data, struct error *err)
{
    struct remote_s3 *s3 = self;
    auto_free char *whole = mem_printf("%s%s", s3->prefix, prefix);
    struct page page = { .prefix = whole, .strip = strlen(s3->prefix), .visit = visit, .data = data };
    int r = PAGE_MORE;
    for (int pages = 0; r == PAGE_MORE && pages < LIST_PAGES_MAX; pages++)
        r = list_page(s3, &page, err);
    free(page.key);
    free(page.token);
    return r == PAGE_MORE ? error_set(err, ERR_LIMIT, "the list does not end") : r;
}

/* ---- open ---- */

static bool made_of(const char *text, size_t len, const char *allowed)
{
    return len > 0 && strspn(text, allowed) >= len;
}

/* HOST or HOST:PORT behind the scheme. A path would have to be part of what is signed, a user's name has no place here. */
static int check_endpoint(const char *endpoint, struct error *err)
{
    static const char host[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]";
    size_t scheme = strncmp(endpoint, "https://", 8) == 0 ? 8 : strncmp(endpoint, "http://", 7) == 0 ? 7 : 0;
    size_t len = strlen(endpoint + scheme);
    if (scheme && made_of(endpoint + scheme, len, host) && len < 256)
        return 0;
    return error_set(err, ERR_INVALID, "the endpoint is not 'https://HOST', 'https://HOST:PORT' or the same with http");
}

/* "BUCKET" or "BUCKET/PREFIX". */
static int read_place(const char *place, char **bucket, char **prefix, struct error *err)
{
    size_t len = strcspn(place, "/");
    if (!made_of(place, len, "abcdefghijklmnopqrstuvwxyz0123456789-.") || len < 3 || len > BUCKET_MAX || place[0] == '.')
        return error_set(err, ERR_INVALID, "a bucket's name has 3 to %d of a-z, 0-9, '-' and '.'", BUCKET_MAX);
    auto_free char *rest = mem_dup(place + len + (place[len] == '/'));
    size_t rest_len = strlen(rest);
    if (rest_len > 0 && rest[rest_len - 1] == '/')
        rest[rest_len - 1] = '\0';
    if (*rest && !remote_name_valid(rest))
        return error_set(err, ERR_INVALID, "'%s' is not a prefix of names: letters, digits, '.', '-', '_' and '/'", rest);
    *bucket = mem_dup_n(place, len);
    *prefix = mem_printf("%s%s", rest, *rest ? "/" : "");
    return 0;
}

static struct remote_s3 *make_s3(const struct remote_options *o, const char *bucket, char *prefix, struct remote_http *http)
{
    struct remote_s3 *s3 = mem_new(struct remote_s3);
    s3->http = http;
    s3->path = mem_printf("/%s", bucket);
    s3->prefix = prefix;
    s3->single_max_bytes = o->single_max_bytes;
    s3->part_bytes = o->part_bytes;
    s3->list_max = o->list_max;
    return s3;
}

int remote_s3_open(const struct remote_options *options, struct remote *remote, struct error *err)
{
    static const struct remote_ops ops = {
        .put = s3_put,
        .get = s3_get,
        .has = s3_has,
        .list = s3_list,
        .remove = s3_remove,
        .close = s3_close,
    };
    struct remote_options o = *options;
    struct remote_keys keys = { 0 };
    struct remote_http *http = NULL;
    auto_free char *bucket = NULL;
    auto_free char *prefix = NULL;
    auto_free char *aws = mem_printf("https://s3.%s.amazonaws.com", o.region);
    size_t region_len = strlen(o.region);
    if (region_len > REGION_MAX || !made_of(o.region, region_len, "abcdefghijklmnopqrstuvwxyz0123456789-"))
        return error_set(err, ERR_INVALID, "'%s' is not the name of a region", o.region);
    if (!o.endpoint)
        o.endpoint = aws;
    if (check_endpoint(o.endpoint, err) < 0 || read_place(o.place + strlen("s3://"), &bucket, &prefix, err) < 0 ||
        remote_keys_read(o.credentials, &keys, err) < 0)
        return -1;
    int r = remote_http_open(&o, bucket, &keys, &http, err);
    if (r == 0)
        *remote = (struct remote){ .ops = &ops, .self = make_s3(&o, bucket, steal(prefix), http) };
    remote_keys_release(&keys);
    return r;
}
