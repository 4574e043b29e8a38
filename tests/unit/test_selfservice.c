/* The runner's side of self-service: a real socket and a real loop, with a runner that only notes what is asked of it. */
#include "runner/selfservice.h"

#include "base/clock.h"
#include "job/record.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    struct runner r;
    struct selfservice *s;
    struct loop_timer *stop;
    int asked, released;
    int records;
    char record[512]; /* the last one, in JSON */
};

static struct fixture *fixture;

/* ---- the runner ---- */

int sandbox_make_dir(struct runner *r, int dir, const char *name, bool *made, struct error *err)
{
    (void)r;
    *made = mkdirat(dir, name, 0700) == 0;
    if (!*made && errno != EEXIST)
        return error_sys(err, "mkdir");
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const struct engine running = { .running = true }, waiting = { .running = false };

void checkpoint_ask(struct runner *r, const char *why)
{
    (void)r;
    assert_string_equal(why, "self");
    fixture->asked++;
}

void checkpoint_released(struct runner *r)
{
    (void)r;
    fixture->released++;
}

struct ad *record_new(const char *kind)
{
    struct ad *record = ad_new();
    ad_set_string(record, "Record", kind);
    return record;
}

void record_write(struct runner *r, struct ad *record)
{
    auto_buf struct buf text = { 0 };
    (void)r;
    ad_print_json(record, &text);
    ad_free(record);
    fixture->records++;
    snprintf(fixture->record, sizeof fixture->record, "%s", buf_cstr(&text));
}

static void stop(void *data)
{
    struct fixture *f = data;
    loop_stop(f->r.loop);
}

static int setup(void **state)
{
    struct fixture *f = fixture = mem_new(struct fixture);
    struct error err;
    scratch_open(&f->scratch);
    f->r = (struct runner){ .loop = loop_new(), .stint_dir = f->scratch.fd, .stint = 3, .phase = PHASE_RUN, .engine = &running,
                            .method = { .used = METHOD_TRANSPARENT } };
    if (identity_of(geteuid(), &f->r.owner, &err) < 0)
        return -1;
    f->stop = loop_timer(f->r.loop, INT64_MAX, stop, f);
    f->s = selfservice_open(&f->r, &err);
    *state = f;
    return f->s ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    selfservice_close(f->s);
    loop_free(f->r.loop);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

/* ---- the job ---- */

static void send_bytes(struct fixture *f, const void *data, size_t len)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/self/socket", f->scratch.path);
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&address, sizeof address), (ssize_t)len);
}

static void send_request(struct fixture *f, int token, const char *what)
{
    char text[600];
    int n = snprintf(text, sizeof text, "1 %016x %s\n", (unsigned)token, what);
    send_bytes(f, text, (size_t)n);
}

static void run_for(struct fixture *f, int64_t us)
{
    loop_timer_set(f->stop, clock_boot_us() + us);
    loop_run(f->r.loop, NULL, NULL);
}

/* What lies ready in the socket is read before the timer is looked at. */
static void turn(struct fixture *f)
{
    run_for(f, 0);
}

/* Nobody is served more often than some hundred times in a second. */
static void rest(struct fixture *f, int requests)
{
    if (requests % 20 == 0)
        run_for(f, 120000);
}

static const char *look(struct fixture *f, int token)
{
    static char text[600];
    char name[64];
    snprintf(name, sizeof name, "self/answer.%016x", (unsigned)token);
    ssize_t n = readlinkat(f->scratch.fd, name, text, sizeof text - 1);
    if (n < 0)
        return NULL;
    text[n] = '\0';
    return text;
}

static void fetch(struct fixture *f, int token, const char *expected)
{
    char name[64];
    const char *text = look(f, token);
    if (!text)
        fail_msg("no answer; expected '%s'", expected);
    else
        assert_string_equal(text, expected);
    snprintf(name, sizeof name, "self/answer.%016x", (unsigned)token);
    unlinkat(f->scratch.fd, name, 0);
}

static void ask(struct fixture *f, int token, const char *what, const char *expected)
{
    send_request(f, token, what);
    turn(f);
    fetch(f, token, expected);
}

/* ---- the requests ---- */

static void simple_requests_are_answered_at_once(void **state)
{
    struct fixture *f = *state;
    f->r.resumed_from = 5;
    ask(f, 1, "status", "status 5 3 none");
    ask(f, 2, "remaining", "remaining none");
    ask(f, 3, "progress 0.5 half", "noted");
    ask(f, 4, "hold 30", "held 30");
    ask(f, 5, "release", "released");
    ask(f, 6, "release", "expired");
    ask(f, 7, "dance", "refused such a request is not known");
    f->r.safe_us = clock_boot_us() - 90 * CLOCK_SECOND_US;
    send_request(f, 8, "status");
    turn(f);
    assert_int_equal(strncmp(look(f, 8), "status 5 3 90.", 14), 0);
}

static void what_is_no_request_is_passed_over(void **state)
{
    static const char *const junk[] = { "", "\n", "hello\n", "1 ../../../../etc/p status\n", "1 0123456789ABCDEF status\n" };
    struct fixture *f = *state;
    char block[4096];
    memset(block, 'x', sizeof block);
    memcpy(block, "1 0000000000000009 status\n", 26);
    send_bytes(f, block, sizeof block);
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++)
        send_bytes(f, junk[i], strlen(junk[i]));
    turn(f);
    assert_null(look(f, 9));
    ask(f, 1, "remaining", "remaining none");
}

static void a_job_with_a_protocol_is_asked_and_another_one_refused(void **state)
{
    struct fixture *f = *state;
    f->r.engine = &waiting;
    f->r.method = (struct method_choice){ .used = METHOD_SELF };
    send_request(f, 1, "checkpoint");
    turn(f);
    assert_int_equal(strncmp(look(f, 1), "refused it does not say how it checkpoints", 42), 0);
    assert_int_equal(f->asked, 0);
    f->r.protocol = (struct protocol){ .self = true, .want_signal = true };
    ask(f, 2, "checkpoint", "asked");
    assert_int_equal(f->asked, 1);
    f->r.leaving.set = true;
    ask(f, 3, "checkpoint", "refused it is leaving its slot, with a checkpoint if it can");
    f->r.leaving.set = false;
    f->r.phase = PHASE_CAPTURE;
    ask(f, 4, "checkpoint", "refused its program does not run");
    assert_int_equal(f->asked, 1);
}

static void the_same_token_is_the_same_request(void **state)
{
    struct fixture *f = *state;
    ask(f, 1, "hold 30", "held 30");
    send_request(f, 1, "hold 30");
    turn(f);
    assert_null(look(f, 1)); /* it was fetched: nobody waits for it */
    ask(f, 2, "release", "released");
    assert_false(selfservice_held(f->s, NULL));
    send_request(f, 3, "checkpoint");
    send_request(f, 3, "checkpoint");
    turn(f);
    assert_int_equal(f->asked, 1);
}

static void time_that_remains_is_until_the_hard_kill(void **state)
{
    struct fixture *f = *state;
    f->r.leaving.set = true;
    ask(f, 1, "remaining", "remaining none");
    f->r.kill_at_us = clock_boot_us() + 100 * CLOCK_SECOND_US;
    send_request(f, 2, "remaining");
    turn(f);
    assert_int_equal(strncmp(look(f, 2), "remaining 99.", 13), 0);
    f->r.kill_at_us = 1;
    ask(f, 3, "remaining", "remaining 0.000");
    f->r.leaving.killed = true;
    ask(f, 4, "remaining", "remaining 0.000");
}

/* ---- progress ---- */

static void progress_is_written_at_once_then_rarely_and_the_last_always(void **state)
{
    struct fixture *f = *state;
    ask(f, 1, "progress 0.25 a quarter", "noted");
    assert_int_equal(f->records, 1);
    assert_non_null(strstr(f->record, RECORD_PROGRESS));
    assert_non_null(strstr(f->record, "0.25"));
    for (int i = 2; i < 12; i++)
        ask(f, i, "progress 0.5 a half", "noted");
    ask(f, 12, "progress 0.75", "noted");
    assert_int_equal(f->records, 1);
    selfservice_flush(f->s);
    assert_int_equal(f->records, 2);
    assert_non_null(strstr(f->record, "0.75"));
    assert_null(strstr(f->record, "Text"));
    selfservice_flush(f->s);
    assert_int_equal(f->records, 2);
}

/* ---- holds ---- */

static void holds_are_counted(void **state)
{
    struct fixture *f = *state;
    int64_t until = 0, before = clock_boot_us();
    assert_false(selfservice_held(NULL, NULL));
    assert_false(selfservice_held(f->s, &until));
    ask(f, 1, "hold 600", "held 600");
    ask(f, 2, "hold 10", "held 10");
    assert_true(selfservice_held(f->s, &until));
    assert_in_range(until - before, 600 * CLOCK_SECOND_US, 601 * CLOCK_SECOND_US);
    ask(f, 3, "release", "released");
    assert_true(selfservice_held(f->s, NULL));
    assert_int_equal(f->released, 0);
    ask(f, 4, "release", "released");
    assert_false(selfservice_held(f->s, NULL));
    assert_int_equal(f->released, 1);
}

static void a_hold_ends_by_itself(void **state)
{
    struct fixture *f = *state;
    ask(f, 1, "hold 1", "held 1");
    ask(f, 2, "hold 1", "held 1");
    run_for(f, 1200000);
    assert_false(selfservice_held(f->s, NULL));
    assert_int_equal(f->released, 1);
    ask(f, 3, "release", "expired");
    assert_int_equal(f->released, 1);
}

/* However often it is renewed. */
static void a_chain_of_holds_has_an_end(void **state)
{
    struct fixture *f = *state;
    int64_t first = 0, second = 0;
    ask(f, 1, "hold 600", "held 600");
    selfservice_held(f->s, &first);
    run_for(f, 50000);
    ask(f, 2, "hold 600", "held 599");
    selfservice_held(f->s, &second);
    assert_int_equal(first, second);
}

static void no_new_hold_is_given_to_a_job_that_has_to_leave(void **state)
{
    struct fixture *f = *state;
    f->r.leaving.set = true;
    ask(f, 1, "hold 10", "refused the job has to leave its slot");
    assert_false(selfservice_held(f->s, NULL));
}

static void a_hold_waits_for_the_end_of_a_capture(void **state)
{
    struct fixture *f = *state;
    free(selfservice_waiting(f->s));
    send_request(f, 1, "hold 10");
    turn(f);
    assert_null(look(f, 1));
    assert_false(selfservice_held(f->s, NULL));
    selfservice_thawed(f->s);
    fetch(f, 1, "held 10");
    assert_true(selfservice_held(f->s, NULL));
}

/* ---- checkpoints ---- */

static void who_asked_before_the_capture_is_told_of_it(void **state)
{
    struct fixture *f = *state;
    send_request(f, 1, "checkpoint");
    send_request(f, 2, "checkpoint");
    turn(f);
    assert_int_equal(f->asked, 2);
    auto_free char *tokens = selfservice_waiting(f->s);
    assert_string_equal(tokens, "0000000000000001\n0000000000000002\n");
    send_request(f, 3, "checkpoint"); /* too late for this one */
    turn(f);
    selfservice_thawed(f->s);
    assert_null(look(f, 1));
    selfservice_taken(f->s, 7);
    fetch(f, 1, "taken 7");
    fetch(f, 2, "taken 7");
    assert_null(look(f, 3));
    auto_free char *next = selfservice_waiting(f->s);
    assert_string_equal(next, "0000000000000003\n");
    selfservice_failed(f->s, "the disk is full");
    fetch(f, 3, "failed the disk is full");
}

static void a_failure_of_one_capture_is_not_the_next_ones(void **state)
{
    struct fixture *f = *state;
    free(selfservice_waiting(f->s)); /* by interval */
    send_request(f, 1, "checkpoint");
    turn(f);
    selfservice_failed(f->s, "no");
    assert_null(look(f, 1));
    selfservice_failed(f->s, "it never came to that"); /* what was asked for did not even begin */
    fetch(f, 1, "failed it never came to that");
    selfservice_taken(f->s, 1); /* nobody's */
}

static void a_job_that_leaves_takes_its_requests_with_it(void **state)
{
    struct fixture *f = *state;
    f->r.leaving.set = true;
    send_request(f, 1, "checkpoint");
    turn(f);
    assert_int_equal(f->asked, 0); /* it comes anyway */
    auto_free char *tokens = selfservice_waiting(f->s);
    assert_string_equal(tokens, "0000000000000001\n");
}

static void a_restored_process_finds_its_answer_and_is_not_served_twice(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(selfservice_restored(selfservice_dir(f->s), &f->r.owner, "0000000000000001\n0000000000000002\n", 9, &err), 0);
    send_request(f, 2, "checkpoint"); /* it was frozen just before it asked again */
    turn(f);
    assert_int_equal(f->asked, 0);
    fetch(f, 1, "restored 9");
    fetch(f, 2, "restored 9");
    assert_int_equal(selfservice_restored(selfservice_dir(f->s), &f->r.owner, "", 9, &err), 0);
}

static void a_damaged_list_of_waiting_tokens_is_an_error(void **state)
{
    static const char *const lists[] = { "0000000000000001", "x\n", "../../../../../x\n", "\n", "0000000000000001\n00000000000000022\n" };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct error err = { 0 };
        assert_int_equal(selfservice_restored(selfservice_dir(f->s), &f->r.owner, lists[i], 9, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

static void the_end_of_the_program_is_the_end_of_its_requests(void **state)
{
    struct fixture *f = *state;
    ask(f, 1, "hold 100", "held 100");
    ask(f, 2, "progress 0.1", "noted");
    ask(f, 3, "progress 0.2", "noted");
    send_request(f, 4, "checkpoint");
    turn(f);
    selfservice_ended(f->s);
    assert_false(selfservice_held(f->s, NULL));
    assert_int_equal(f->released, 0);
    assert_int_equal(f->records, 2);
    auto_free char *tokens = selfservice_waiting(f->s);
    assert_string_equal(tokens, "");
    selfservice_ended(NULL);
    selfservice_flush(NULL);
    selfservice_thawed(NULL);
    selfservice_failed(NULL, "x");
    selfservice_taken(NULL, 1);
    selfservice_close(NULL);
}

/* ---- limits ---- */

static void only_so_many_may_wait(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 64; i++) {
        send_request(f, i, "checkpoint");
        turn(f);
        assert_null(look(f, i));
        rest(f, i);
    }
    assert_int_equal(f->asked, 64);
    ask(f, 65, "checkpoint", "refused too many requests of the job wait already");
    auto_free char *tokens = selfservice_waiting(f->s);
    assert_int_equal(strlen(tokens), 64 * 17);
    struct error err;
    selfservice_taken(f->s, 1);
    assert_int_equal(selfservice_restored(selfservice_dir(f->s), &f->r.owner, tokens, 1, &err), 0);
    auto_free char *more = mem_printf("%s0000000000000100\n", tokens);
    assert_int_equal(selfservice_restored(selfservice_dir(f->s), &f->r.owner, more, 1, &err), -1);
}

static void answers_that_nobody_fetches_are_removed(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 300; i++) {
        send_request(f, i, "remaining");
        turn(f);
        rest(f, i);
    }
    int there = 0;
    for (int i = 1; i <= 300; i++)
        there += look(f, i) != NULL;
    assert_int_equal(there, 256);
    assert_null(look(f, 44));
    assert_non_null(look(f, 45));
}

static void answered_requests(struct fixture *f, int *count)
{
    *count = 0;
    for (int i = 1; i <= 100; i++)
        *count += look(f, i) != NULL;
}

struct flood {
    struct fixture *f;
    struct loop_timer *timer;
    int next, turns;
};

/* Fills the socket again whenever the loop comes by. */
static void pour(void *data)
{
    struct flood *flood = data;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/self/socket", flood->f->scratch.path);
    for (char text[64];; flood->next++) {
        int n = snprintf(text, sizeof text, "1 %016x remaining\n", (unsigned)flood->next);
        if (sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&address, sizeof address) != n)
            break;
    }
    flood->turns++;
    loop_timer_set(flood->timer, clock_boot_us() + 1000);
}

static void a_flood_is_made_to_wait_and_the_loop_goes_on(void **state)
{
    struct fixture *f = *state;
    struct flood flood = { .f = f, .next = 1000 };
    flood.timer = loop_timer(f->r.loop, 0, pour, &flood);
    run_for(f, 400000);
    loop_timer_set(flood.timer, INT64_MAX);
    assert_in_range(flood.turns, 20, 400);         /* everybody else had his turns */
    assert_in_range(flood.next, 1030, 1000 + 250); /* and few of the flood's were served */
    int count;
    run_for(f, 200000); /* what is left of it */
    for (int i = 1; i <= 8; i++)
        send_request(f, i, "remaining");
    run_for(f, 200000);
    answered_requests(f, &count);
    assert_int_equal(count, 8); /* and nobody is forgotten */
    loop_timer_free(flood.timer);
}

/* ---- the directory is the job's ---- */

static void what_is_planted_under_an_answers_name_leads_nowhere(void **state)
{
    struct fixture *f = *state;
    struct buf text = { 0 };
    scratch_write(&f->scratch, "precious", "precious", 8);
    assert_int_equal(symlinkat("../precious", f->scratch.fd, "self/answer.0000000000000001"), 0);
    send_request(f, 1, "remaining");
    turn(f);
    assert_string_equal(look(f, 1), "../precious"); /* it has its answer, such as it is */
    send_request(f, 2, "checkpoint");
    turn(f);
    assert_int_equal(symlinkat("../precious", f->scratch.fd, "self/answer.0000000000000002"), 0);
    free(selfservice_waiting(f->s));
    selfservice_taken(f->s, 1);
    fetch(f, 2, "taken 1");
    assert_int_equal(file_read(f->scratch.fd, "precious", &text, NULL), 0);
    assert_string_equal(buf_cstr(&text), "precious");
    buf_release(&text);
}

static void an_answer_that_cannot_be_given_is_given_when_it_is_asked_for_again(void **state)
{
    struct fixture *f = *state;
    send_request(f, 1, "checkpoint");
    turn(f);
    assert_int_equal(mkdirat(f->scratch.fd, "self/answer.0000000000000001", 0700), 0);
    free(selfservice_waiting(f->s));
    selfservice_taken(f->s, 4);
    assert_null(look(f, 1));
    assert_int_equal(unlinkat(f->scratch.fd, "self/answer.0000000000000001", AT_REMOVEDIR), 0);
    ask(f, 1, "checkpoint", "taken 4");
    assert_int_equal(f->asked, 1);
}

static void the_sockets_path_is_the_directorys(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = selfservice_path(f->s);
    auto_free char *expected = mem_printf("%s/self/socket", f->scratch.path);
    assert_string_equal(path, expected);
    unlink(expected);
    assert_null(selfservice_path(f->s));
    assert_null(selfservice_path(NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(simple_requests_are_answered_at_once),
        TEST(what_is_no_request_is_passed_over),
        TEST(a_job_with_a_protocol_is_asked_and_another_one_refused),
        TEST(the_same_token_is_the_same_request),
        TEST(time_that_remains_is_until_the_hard_kill),
        TEST(progress_is_written_at_once_then_rarely_and_the_last_always),
        TEST(holds_are_counted),
        TEST(a_hold_ends_by_itself),
        TEST(a_chain_of_holds_has_an_end),
        TEST(no_new_hold_is_given_to_a_job_that_has_to_leave),
        TEST(a_hold_waits_for_the_end_of_a_capture),
        TEST(who_asked_before_the_capture_is_told_of_it),
        TEST(a_failure_of_one_capture_is_not_the_next_ones),
        TEST(a_job_that_leaves_takes_its_requests_with_it),
        TEST(a_restored_process_finds_its_answer_and_is_not_served_twice),
        TEST(a_damaged_list_of_waiting_tokens_is_an_error),
        TEST(the_end_of_the_program_is_the_end_of_its_requests),
        TEST(only_so_many_may_wait),
        TEST(answers_that_nobody_fetches_are_removed),
        TEST(a_flood_is_made_to_wait_and_the_loop_goes_on),
        TEST(what_is_planted_under_an_answers_name_leads_nowhere),
        TEST(an_answer_that_cannot_be_given_is_given_when_it_is_asked_for_again),
        TEST(the_sockets_path_is_the_directorys),
    };
    return cmocka_run_group_tests_name("selfservice", tests, NULL, NULL);
}
