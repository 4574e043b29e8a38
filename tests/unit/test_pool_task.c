/* Children that do one long thing: what comes of them, in which order, and what is left of them. */
#include "pool/task.h"
#include "pool_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/wait.h>

/* What the plan's functions note. */
struct errand {
    int settled, released;
    bool released_settled;
    int64_t answer; /* what the settling saw */
    bool refuse;
};

static struct errand *errand_of(void *data)
{
    return *(struct errand **)data;
}

static int tell_three(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    (void)data;
    (void)err;
    for (int i = 0; i < 3; i++) {
        struct ad *record = ad_new();
        ad_set_int(record, "N", i);
        task_tell(line, record);
    }
    ad_set_int(result, "Sum", 3);
    return 0;
}

static int fail_kindly(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    (void)line;
    (void)data;
    (void)result;
    return error_set(err, ERR_CORRUPT, "it is damaged at 17");
}

static int die(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    tell_three(line, data, result, err);
    raise(SIGKILL);
    return 0;
}

enum { CONTENT = 1000000 };

static int give_bytes(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    auto_free char *content = mem_zero(1, CONTENT);
    struct ad *head = ad_new();
    (void)data;
    memset(content, 'x', CONTENT);
    ad_set_string(head, "Id", "1.0");
    task_head(line, head);
    ad_set_bool(result, "All", true);
    return file_write_all(line->bytes, content, CONTENT, err);
}

static int give_a_part(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    struct ad *head = ad_new();
    (void)data;
    (void)result;
    task_head(line, head);
    if (file_write_all(line->bytes, "abc", 3, err) < 0)
        return -1;
    return error_set(err, ERR_SYSTEM, "the disk is gone");
}

static int tell_progress(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    struct store_progress progress = task_progress(line);
    (void)data;
    (void)result;
    (void)err;
    line->total = 500;
    line->done = 100;
    progress.fn(progress.data, 50, 60);
    progress.fn(progress.data, 60, 60); /* too soon after the last one */
    return 0;
}

static int sleep_long(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    (void)line;
    (void)data;
    (void)result;
    (void)err;
    while (pause() < 0) {
    }
    return 0;
}

/* It must have nothing of the pool's. */
static int count_descriptors(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    int count = 0;
    (void)line;
    (void)data;
    (void)err;
    for (int fd = 3; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    ad_set_int(result, "Descriptors", count);
    return 0;
}

static int settle(struct pool *p, void *data, struct ad *result, struct error *err)
{
    struct errand *e = errand_of(data);
    (void)p;
    e->settled++;
    e->answer = ad_int(result, "Sum", -1);
    if (e->refuse)
        return error_set(err, ERR_INVALID, "it is too late");
    ad_set_bool(result, "Settled", true);
    return 0;
}

static void release(struct pool *p, void *data, bool settled)
{
    struct errand *e = errand_of(data);
    (void)p;
    e->released++;
    e->released_settled = settled;
    free(data);
}

static struct task *start(struct fixture *f, struct errand *e, bool bytes,
                          int (*work)(struct task_line *, void *, struct ad *, struct error *))
{
    struct errand **data = mem_new(struct errand *);
    struct task *task;
    *data = e;
    struct task_plan plan = { .uid = f->me, .gives_bytes = bytes, .data = data, .work = work, .settle = settle, .release = release };
    assert_ok(task_start(&f->pool, &plan, &task, &f->err), f->err);
    return task;
}

/* All that comes; yours. */
static char *read_all(struct task *task, size_t *len)
{
    struct buf text = { 0 };
    char block[1000];
    ssize_t n;
    while ((n = task_read(task, block, sizeof block)) != TASK_OVER) {
        buf_add(&text, block, (size_t)n);
        if (n == 0)
            poll(NULL, 0, 1);
    }
    *len = text.len;
    return buf_steal(&text);
}

static char *run(struct fixture *f, struct errand *e, int (*work)(struct task_line *, void *, struct ad *, struct error *))
{
    size_t len;
    struct task *task = start(f, e, false, work);
    char *text = read_all(task, &len);
    task_leave(task);
    task_close_all(&f->pool);
    return text;
}

static void what_is_told_comes_in_order_and_is_settled_once(void **state)
{
    struct errand e = { 0 };
    auto_free char *text = run(*state, &e, tell_three);
    assert_string_equal(text, "{\"N\":0}\n{\"N\":1}\n{\"N\":2}\n{\"Sum\":3,\"Settled\":true,\"Ok\":true}\n");
    assert_int_equal(e.settled, 1);
    assert_int_equal(e.answer, 3);
    assert_int_equal(e.released, 1);
    assert_true(e.released_settled);
}

static void a_failure_is_the_last_line_with_its_kind(void **state)
{
    struct errand e = { 0 };
    auto_free char *text = run(*state, &e, fail_kindly);
    assert_string_equal(text, "{\"Error\":\"it is damaged at 17\",\"Kind\":\"corrupt\"}\n");
    assert_int_equal(e.settled, 0);
    assert_false(e.released_settled);
}

static void what_cannot_be_settled_has_failed(void **state)
{
    struct errand e = { .refuse = true };
    auto_free char *text = run(*state, &e, tell_three);
    assert_contains(text, "{\"N\":2}\n{\"Error\":\"it is too late\",\"Kind\":\"invalid\"}\n");
    assert_false(e.released_settled);
}

static void a_child_that_dies_is_an_error(void **state)
{
    struct errand e = { 0 };
    auto_free char *text = run(*state, &e, die);
    assert_contains(text, "{\"N\":2}\n{\"Error\":\"the process that did it died");
    assert_contains(text, "\"Kind\":\"child\"}\n");
    assert_int_equal(e.settled, 0);
}

static void progress_is_told_now_and_then(void **state)
{
    struct errand e = { 0 };
    auto_free char *text = run(*state, &e, tell_progress);
    assert_contains(text, "{\"Done\":150,\"Total\":500}\n{\"Settled\":true");
}

static void a_child_has_nothing_of_the_pools(void **state)
{
    struct errand e = { 0 };
    auto_free char *text = run(*state, &e, count_descriptors);
    assert_contains(text, "\"Descriptors\":1,");
}

/* The frames' letters, a run of equal ones as one; the number of bytes in 'd'. */
static void parse_frames(const char *data, size_t len, char letters[32], size_t *content)
{
    size_t count = 0;
    *content = 0;
    while (len > 0) {
        uint32_t size;
        assert_true(len >= 5);
        memcpy(&size, data + 1, 4);
        size = ntohl(size);
        assert_true(len >= 5 + size);
        if (count == 0 || letters[count - 1] != data[0])
            letters[count++] = data[0];
        if (data[0] == 'd')
            *content += size;
        data += 5 + size;
        len -= 5 + size;
    }
    letters[count] = '\0';
}

static void bytes_come_between_head_and_result(void **state)
{
    struct fixture *f = *state;
    struct errand e = { 0 };
    char letters[32];
    size_t len, content;
    struct task *task = start(f, &e, true, give_bytes);
    assert_true(task_gives_bytes(task));
    auto_free char *data = read_all(task, &len);
    task_leave(task);
    parse_frames(data, len, letters, &content);
    assert_string_equal(letters, "hdr");
    assert_int_equal(content, CONTENT);
    task_close_all(&f->pool);
}

static void bytes_that_end_too_soon_end_with_the_error(void **state)
{
    struct fixture *f = *state;
    struct errand e = { 0 };
    char letters[32];
    size_t len, content;
    struct task *task = start(f, &e, true, give_a_part);
    auto_free char *data = read_all(task, &len);
    parse_frames(data, len, letters, &content);
    assert_string_equal(letters, "hdr");
    assert_int_equal(content, 3);
    assert_non_null(memmem(data, len, "the disk is gone", 16));
    task_leave(task);
    task_close_all(&f->pool);
}

static void a_client_that_goes_takes_the_child_along(void **state)
{
    struct fixture *f = *state;
    struct errand e = { 0 };
    char block[10];
    int status;
    struct task *task = start(f, &e, false, sleep_long);
    assert_int_equal(task_read(task, block, sizeof block), 0);
    task_leave(task);
    if (e.released == 0) { /* not before it is dead */
        pid_t pid = waitpid(-1, &status, 0);
        assert_true(pid > 0 && WIFSIGNALED(status));
        task_reaped(&f->pool, pid);
    }
    assert_int_equal(e.released, 1);
    assert_false(e.released_settled);
    assert_null(f->pool.tasks);
}

/* How many start before there are too many. */
static int start_all(struct fixture *f, struct errand *e, uid_t uid)
{
    struct task *task;
    for (int count = 0;; count++) {
        struct errand **data = mem_new(struct errand *);
        *data = e;
        struct task_plan plan = { .uid = uid, .data = data, .work = sleep_long, .release = release };
        int result = task_start(&f->pool, &plan, &task, &f->err);
        if (result == TASK_BUSY)
            return count;
        assert_int_equal(result, 0);
    }
}

static void each_user_has_some_and_the_pool_ends_them_all(void **state)
{
    struct fixture *f = *state;
    struct errand e = { 0 };
    for (uid_t user = 5001; user <= 5004; user++)
        assert_int_equal(start_all(f, &e, user), 4);
    assert_int_equal(start_all(f, &e, 5005), 0);
    assert_int_equal(start_all(f, &e, f->pool.owner.uid), 8);
    assert_int_equal(e.released, 6); /* those that were too many */
    task_close_all(&f->pool);
    assert_int_equal(e.released, 30);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(what_is_told_comes_in_order_and_is_settled_once),
        WITH_POOL(a_failure_is_the_last_line_with_its_kind),
        WITH_POOL(what_cannot_be_settled_has_failed),
        WITH_POOL(a_child_that_dies_is_an_error),
        WITH_POOL(progress_is_told_now_and_then),
        WITH_POOL(a_child_has_nothing_of_the_pools),
        WITH_POOL(bytes_come_between_head_and_result),
        WITH_POOL(bytes_that_end_too_soon_end_with_the_error),
        WITH_POOL(a_client_that_goes_takes_the_child_along),
        WITH_POOL(each_user_has_some_and_the_pool_ends_them_all),
    };
    return cmocka_run_group_tests_name("pool_task", tests, NULL, NULL);
}
