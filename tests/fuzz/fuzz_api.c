/*
 * The API below HTTP, against a pool that never starts anything. An input is a number of requests, parted by lines "%%":
 *
 *   GET /v1/jobs?id=1.0&limit=2          a method, a path, a query without escapes
 *   POST /v1/actions                     the lines below are the body
 *   ~POST …                              from somebody else, in a pool of the whole machine
 *   STATE 1.0 running                    puts a job into a state
 *
 * After each: no transaction is open, an answer reads back, an error says why, and the idle jobs in memory are those of the queue.
 */
#include "base/file.h"
#include "base/mem.h"
#include "pool/request.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRANGER = 54321, JOBS_MAX = 40, QUERY_MAX = 300, REQUESTS_MAX = 32 };

static struct pool pool;
static char dir_path[64];

struct query {
    char *text;
    const char *names[QUERY_MAX], *values[QUERY_MAX];
    int count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void close_all(void)
{
    pool_close(&pool);
    file_remove_tree(AT_FDCWD, dir_path, NULL);
}

/* Every input finds an empty pool. */
static void open_all(void)
{
    static const char conf[] = "cpus = 1\nmemory = 1G\ndisk = 1G\nlimits = off\n";
    struct error err = { 0 };
    snprintf(dir_path, sizeof dir_path, "%s/stint-fuzz.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir_path))
        abort();
    int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(dir, "stint.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || file_write_all(fd, conf, sizeof conf - 1, &err) < 0 || pool_open_state(&pool, dir_path, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    close(fd);
    close(dir);
}

/* ---- a request ---- */

static const char *query_of(void *source, const char *name, int index)
{
    struct query *q = source;
    for (int i = 0; i < q->count; i++)
        if (strcmp(q->names[i], name) == 0 && index-- == 0)
            return q->values[i];
    return NULL;
}

static void parse_query(struct query *q, const char *text)
{
    q->text = mem_dup(text ? text : "");
    for (char *at = q->text, *next; at && *at && q->count < QUERY_MAX; at = next) {
        next = strchr(at, '&');
        if (next)
            *next++ = '\0';
        char *value = strchr(at, '=');
        if (!value)
            continue;
        *value++ = '\0';
        q->names[q->count] = at;
        q->values[q->count++] = value;
    }
}

/* More jobs take more time, not other ways. */
static bool is_too_much(const char *body, size_t len)
{
    struct ad *ad = NULL;
    struct error ignored;
    if (ad_parse_json(body, len, &ad, &ignored) < 0)
        return false;
    bool much = ad_int(ad, "Count", 1) > JOBS_MAX && ad_int(ad, "Count", 1) < INT64_C(100000000);
    ad_free(ad);
    return much;
}

static void check_answer(const struct request *rq, int result, const struct ad *answer, const struct error *err)
{
    assert(result <= REQUEST_NOT_FOUND);
    assert(result >= 0 || (err->text[0] && err->kind >= ERR_INVALID && err->kind <= ERR_CORRUPT));
    assert(result >= 0 || err->kind != ERR_CORRUPT);
    if (result != 0 || rq->is_raw)
        return;
    auto_buf struct buf text = { 0 }, again = { 0 };
    struct ad *back = NULL;
    struct error bad;
    if (rq->is_json)
        buf_add(&text, buf_cstr(&rq->raw), rq->raw.len);
    else
        ad_print_json(answer, &text);
    assert(ad_parse_json(buf_cstr(&text), text.len, &back, &bad) == 0);
    ad_print_json(back, &again);
    assert(strcmp(buf_cstr(&text), buf_cstr(&again)) == 0);
    ad_free(back);
}

static void check_pool(void)
{
    struct error err;
    int64_t counts[JOB_STATE_COUNT], last;
    assert(queue_begin(pool.queue, &err) == 0); /* no transaction was left open */
    queue_rollback(pool.queue);
    assert(queue_count_states(pool.queue, counts, &err) == 0 && queue_last_event(pool.queue, &last, &err) == 0);
    assert((size_t)counts[JOB_IDLE] == pool.idle_count + pool.waiting_count);
    assert(counts[JOB_COMPLETED] == 0 && counts[JOB_REMOVED] == 0);
    assert(last == pool.last_event);
    for (size_t i = 1; i < pool.idle_count; i++)
        assert(policy_compare(&pool.idle[i - 1], &pool.idle[i]) < 0);
    pool.stopping = pool.vacating = false;
}

static void ask(bool stranger, const char *method, char *url, const char *body, size_t body_len)
{
    struct query query = { 0 };
    struct request rq = { .pool = &pool, .query = query_of, .source = &query, .uid = stranger ? STRANGER : geteuid() };
    struct error err = { 0 };
    auto_ad struct ad *answer = ad_new();
    char *mark = strchr(url, '?');
    if (mark)
        *mark++ = '\0';
    parse_query(&query, mark);
    pool.machine_wide = stranger;
    buf_add(&rq.body, body, body_len);
    check_answer(&rq, request_run(&rq, method, url, answer, &err), answer, &err);
    request_release(&rq);
    for (pid_t pid; (pid = waitpid(-1, NULL, 0)) > 0;) /* what it has started is killed, and then what it leaves is undone */
        task_reaped(&pool, pid);
    check_pool();
    free(query.text);
}

static void set_state(const char *id_text, const char *name)
{
    struct job_id id;
    enum job_state state;
    struct queue_job job;
    struct error err;
    if (!job_id_parse(id_text, &id) || id.proc == JOB_ALL_PROCS || !job_state_from_name(name, &state) || job_state_final(state) ||
        queue_get_job(pool.queue, id, &job, &err) != 0)
        return;
    if (job.state == JOB_IDLE)
        schedule_remove(&pool, id);
    job.state = state;
    assert(queue_begin(pool.queue, &err) == 0 && queue_put_job(pool.queue, &job, &err) == 0 && queue_commit(pool.queue, &err) == 0);
    if (state == JOB_IDLE)
        schedule_add(&pool, &job);
    queue_job_release(&job);
}

static void run_one(const char *text, size_t len)
{
    const char *end = memchr(text, '\n', len);
    size_t head_len = end ? (size_t)(end - text) : len;
    auto_free char *head = mem_dup_n(text, head_len);
    bool stranger = head[0] == '~';
    char *method = head + stranger, *url = strchr(method, ' ');
    const char *body = end ? end + 1 : "";
    size_t body_len = end ? len - head_len - 1 : 0;
    if (!url || is_too_much(body, body_len))
        return;
    *url++ = '\0';
    char *name = strchr(url, ' ');
    if (strcmp(method, "STATE") != 0) {
        ask(stranger, method, url, body, body_len);
    } else if (name) {
        *name++ = '\0';
        set_state(url, name);
        check_pool();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    open_all();
    for (int i = 0; at < end && i < REQUESTS_MAX; i++) {
        const char *mark = memmem(at, (size_t)(end - at), "\n%%\n", 4);
        run_one(at, (size_t)((mark ? mark : end) - at));
        at = mark ? mark + 4 : end;
    }
    close_all();
    return 0;
}
