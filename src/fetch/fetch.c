/*
 * A transfer is a row of tries. Each asks for what is missing, and names what it has a part of (If-Range): a server that has
 * something else by now sends all of it anew. Tries that bring nothing wait twice as long each time, less a random part; a
 * server that cuts every connection, but brings something each time, gets there.
 *
 * The end of a body is believed when its length was told, when it came in chunks, or when a digest says so. A server that tells
 * none of these could be cut off without anybody noticing, and is refused.
 */
#include "fetch/fetch.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "fetch/answer.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
    TRIES = 6,
    TRIES_EVER = 1000,
    MISMATCHES_MAX = 2,
    REDIRECTS_MAX = 10,
    CONNECT_MS = 20000,
    STALL_US = 60000000,
    SETTLED_S = 60,
    BACKOFF_US = 200000,
    BACKOFF_MAX_US = 30000000,
};

enum verdict { DONE, AGAIN, FAILED };

struct transfer {
    const struct fetch_request *request;
    struct part part;
    CURL *curl;
    struct answer answer;
    bool begun;          /* the body's beginning was looked at */
    bool failed_here;    /* err has why */
    bool failed_for_good;
    bool stalled;
    int64_t moved_us;
    int mismatches;
    struct error *err;
    char trouble[CURL_ERROR_SIZE];
};

static int refuse(struct transfer *t)
{
    t->failed_here = true;
    return -1;
}

/* ---- what comes ---- */

/* A file that was changed a moment ago may be changed again within the same second. */
static bool date_tells(const struct answer *a)
{
    time_t changed = a->date[0] ? curl_getdate(a->date, NULL) : -1, sent = a->sent[0] ? curl_getdate(a->sent, NULL) : -1;
    return changed >= 0 && sent >= 0 && sent - changed >= SETTLED_S;
}

static int begin_anew(struct transfer *t)
{
    const struct answer *a = &t->answer;
    struct part *p = &t->part;
    if (p->have > 0 && part_empty(p, t->err) < 0)
        return refuse(t);
    p->total = a->length;
    snprintf(p->validator, sizeof p->validator, "%s", a->etag[0] ? a->etag : date_tells(a) ? a->date : "");
    snprintf(p->told, sizeof p->told, "%s", a->whole[0] ? a->whole : a->body);
    if (part_check_room(p, t->err) < 0 || part_note(p, t->err) < 0)
        return refuse(t);
    return 0;
}

/* The part that was asked for, of a whole that is as long as before; anything else is begun anew. */
static int go_on(struct transfer *t)
{
    const struct answer *a = &t->answer;
    struct part *p = &t->part;
    bool same = !a->etag[0] || p->validator[0] != '"' || strcmp(a->etag, p->validator) == 0;
    bool fits = same && a->range_from == p->have && (p->total < 0 || a->range_total < 0 || a->range_total == p->total);
    if (fits) {
        p->total = p->total < 0 ? a->range_total : p->total;
        return 0;
    }
    error_set(t->err, ERR_SYSTEM, "the server sends another part than it was asked for");
    part_empty(p, NULL);
    return refuse(t);
}

static int begin_body(struct transfer *t)
{
    t->begun = true;
    if (t->answer.status == 200)
        return begin_anew(t);
    return t->answer.status == 206 ? go_on(t) : 0;
}

static size_t take_body(char *from, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    size_t len = size * count;
    if (t->answer.status != 200 && t->answer.status != 206)
        return len; /* what a server has to say about an error */
    if (!t->begun && begin_body(t) < 0)
        return 0;
    if (part_add(&t->part, from, len, t->err) < 0) {
        t->failed_for_good = true;
        t->failed_here = true;
        return 0;
    }
    return len;
}

static size_t take_header(char *from, size_t size, size_t count, void *data)
{
    struct transfer *t = data;
    answer_line(&t->answer, from, size * count);
    return size * count;
}

static int watch(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    static int64_t seen;
    struct transfer *t = data;
    (void)down_total, (void)up_total;
    int64_t now = clock_boot_us();
    if (t->moved_us == 0 || down + up != seen) {
        seen = down + up;
        t->moved_us = now;
    }
    t->request->progress(t->request->data, t->part.have, t->part.total);
    t->stalled = now - t->moved_us > STALL_US;
    return t->stalled;
}

/* ---- one try ---- */

static void set_limits(struct transfer *t)
{
    CURL *curl = t->curl;
    bool secure = strncasecmp(t->request->url, "https:", 6) == 0;
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (!bundle)
        bundle = getenv("SSL_CERT_FILE");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "stint/" STINT_VERSION);
    if (bundle && *bundle)
        curl_easy_setopt(curl, CURLOPT_CAINFO, bundle);
}

static void set_callbacks(struct transfer *t)
{
    CURL *curl = t->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->trouble);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static CURLcode send_request(struct transfer *t)
{
    struct part *p = &t->part;
    struct curl_slist *headers = NULL;
    char range[40];
    curl_easy_reset(t->curl);
    curl_easy_setopt(t->curl, CURLOPT_URL, t->request->url);
    set_limits(t);
    set_callbacks(t);
    if (p->have > 0) {
        auto_free char *same = mem_printf("If-Range: %s", p->validator);
        snprintf(range, sizeof range, "%" PRId64 "-", p->have);
        curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
        headers = curl_slist_append(NULL, same);
        curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(t->curl);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return code;
}

/* ---- what it came to ---- */

static enum verdict judge_digest(struct transfer *t)
{
    struct part *p = &t->part;
    const char *wanted = t->request->digest[0] ? t->request->digest : p->told;
    char found[PART_DIGEST_TEXT];
    if (!wanted[0])
        return DONE;
    if (part_digest(p, found, t->err) < 0)
        return FAILED;
    if (strcmp(found, wanted) == 0)
        return DONE;
    error_set(t->err, ERR_CORRUPT, "what came has the SHA-256 %.64s, and %s %.64s", found, t->request->digest[0] ? "should have" : "the server says", wanted);
    part_empty(p, NULL);
    return ++t->mismatches < MISMATCHES_MAX ? AGAIN : FAILED;
}

static enum verdict judge_whole(struct transfer *t)
{
    struct part *p = &t->part;
    long version = 0;
    curl_easy_getinfo(t->curl, CURLINFO_HTTP_VERSION, &version);
    if (p->total >= 0 && p->have != p->total) {
        error_set(t->err, ERR_SYSTEM, "%" PRId64 " of %" PRId64 " bytes came", p->have, p->total);
        if (p->have > p->total)
            part_empty(p, NULL);
        return AGAIN;
    }
    bool framed = p->total >= 0 || t->answer.chunked || version >= CURL_HTTP_VERSION_2_0;
    if (!framed && !t->request->digest[0] && !p->told[0]) {
        error_set(t->err, ERR_INVALID, "the server does not say how long it is, so that a cut would not be noticed; add '#sha256=' and its digest to the URL");
        return FAILED;
    }
    p->total = p->have;
    return judge_digest(t);
}

/* 416: all of it is there already, or it is shorter than what is there. */
static enum verdict judge_no_range(struct transfer *t)
{
    struct part *p = &t->part;
    if (p->have > 0 && t->answer.range_total == p->have && (p->total < 0 || p->total == p->have)) {
        p->total = p->have;
        return judge_digest(t);
    }
    error_set(t->err, ERR_SYSTEM, "the server has something else now");
    part_empty(p, NULL);
    return AGAIN;
}

static enum verdict judge_status(struct transfer *t)
{
    long status = t->answer.status;
    static const struct { long status; const char *text; } known[] = {
        { 401, "it wants a password" }, { 403, "it may not be read" }, { 404, "it is not there" }, { 410, "it is not there any more" },
    };
    const char *text = status >= 500 || status == 429 ? "the server cannot send it now" : "the server refuses";
    if (status == 416)
        return judge_no_range(t);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            text = known[i].text;
    error_set(t->err, ERR_INVALID, "%s (HTTP status %ld)", text, status);
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505) ? AGAIN : FAILED;
}

static enum verdict judge_transport(struct transfer *t, CURLcode code)
{
    static const CURLcode lasting[] = {
        CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT,   CURLE_PEER_FAILED_VERIFICATION, CURLE_TOO_MANY_REDIRECTS,
        CURLE_SSL_CACERT_BADFILE,   CURLE_SSL_CERTPROBLEM, CURLE_WEIRD_SERVER_REPLY,       CURLE_NOT_BUILT_IN,
    };
    if (t->stalled) {
        error_set(t->err, ERR_SYSTEM, "nothing came for %d s", STALL_US / 1000000);
        return AGAIN;
    }
    error_set(t->err, ERR_SYSTEM, "%s", t->trouble[0] ? t->trouble : curl_easy_strerror(code));
    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++)
        if (code == lasting[i])
            return FAILED;
    return AGAIN;
}

static enum verdict judge(struct transfer *t, CURLcode code)
{
    long status = t->answer.status;
    if (t->failed_here)
        return t->failed_for_good || t->err->sys == ENOSPC || t->err->sys == EDQUOT ? FAILED : AGAIN;
    if (code != CURLE_OK)
        return judge_transport(t, code);
    if (status != 200 && status != 206)
        return judge_status(t);
    if (!t->begun && begin_body(t) < 0) /* it is empty */
        return AGAIN;
    return judge_whole(t);
}

static enum verdict try_once(struct transfer *t)
{
    t->answer = (struct answer){ 0 };
    t->begun = t->failed_here = t->failed_for_good = t->stalled = false;
    t->moved_us = 0;
    t->trouble[0] = '\0';
    *t->err = (struct error){ 0 };
    if (fault_point("fetch.request") < 0) {
        error_sys(t->err, "cannot connect");
        return AGAIN;
    }
    if (t->part.have > 0 && t->part.have == t->part.total && (t->part.wanted[0] || t->part.told[0]) && judge_digest(t) == DONE)
        return DONE; /* as an earlier call left it */
    return judge(t, send_request(t));
}

/* ---- tries ---- */

static void pause_after(const struct transfer *t, int tries)
{
    int64_t us = (int64_t)BACKOFF_US << (tries < 20 ? tries - 1 : 20);
    curl_off_t asked = 0;
    uint32_t chance = 0;
    us = us > BACKOFF_MAX_US ? BACKOFF_MAX_US : us;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) == (ssize_t)sizeof chance)
        us -= (int64_t)((double)us / 2 * chance / UINT32_MAX);
    curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &asked);
    if (asked > 0)
        us = asked > BACKOFF_MAX_US / CLOCK_SECOND_US ? BACKOFF_MAX_US : asked * CLOCK_SECOND_US;
    struct timespec left = { .tv_sec = us / CLOCK_SECOND_US, .tv_nsec = us % CLOCK_SECOND_US * 1000 };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static int give_up(struct transfer *t, bool may_pass, int tries)
{
    int sys = t->err->sys;
    if (may_pass && tries > 1)
        error_wrap(t->err, "after %d tries", tries);
    bool full = sys == ENOSPC || sys == EDQUOT;
    error_wrap(t->err, "cannot fetch '%.120s'", t->request->shown);
    t->err->sys = full ? sys : may_pass ? EAGAIN : 0;
    return -1;
}

static int fetch_all(struct transfer *t)
{
    int limit = t->request->tries > 0 ? t->request->tries : TRIES;
    int64_t best = t->part.have;
    for (int idle = 1, ever = 1;; idle++, ever++) {
        enum verdict verdict = try_once(t);
        t->request->progress(t->request->data, t->part.have, t->part.total);
        if (verdict == DONE)
            return 0;
        if (t->part.have > best && t->part.validator[0]) {
            best = t->part.have;
            idle = 1;
        }
        if (verdict == FAILED || idle >= limit || ever >= TRIES_EVER)
            return give_up(t, verdict == AGAIN, ever);
        if (t->part.have > 0 && !t->part.validator[0] && part_empty(&t->part, t->err) < 0)
            return give_up(t, false, ever);
        pause_after(t, idle);
    }
}

int fetch_file(const struct fetch_request *request, struct error *err)
{
    struct error local;
    struct transfer t = { .request = request, .err = err ? err : &local };
    t.part = (struct part){ .dir = request->dir, .name = request->name, .url = request->url, .wanted = request->digest, .fd = -1 };
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(t.curl = curl_easy_init()))
        return error_set(t.err, ERR_SYSTEM, "libcurl cannot start");
    int result = part_open(&t.part, t.err);
    if (result == 0)
        result = fetch_all(&t);
    else
        give_up(&t, false, 1);
    part_close(&t.part);
    curl_easy_cleanup(t.curl);
    curl_global_cleanup();
    return result;
}
