/* libstint against a runner that follows a script: what it sends, what it makes of each answer, and that it does not give up. */
#include "lib/stint.h"
#include "scratch.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct fixture {
    struct scratch scratch;
    char socket[128];
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    const char *answer; /* NULL = none */
    int ignore;         /* so many requests are lost */
    int seen;
    char last[600];
    char tokens[16][17];
};

static void put_answer(struct fixture *f, const char *token)
{
    char name[64];
    snprintf(name, sizeof name, "answer.%s", token);
    symlinkat(f->answer, f->scratch.fd, name) < 0 ? perror(name) : (void)0;
}

static void *serve(void *data)
{
    struct fixture *f = data;
    char block[600];
    for (ssize_t n; (n = recv(f->fd, block, sizeof block - 1, 0)) > 0 && block[0] != 'q';) {
        block[n] = '\0';
        pthread_mutex_lock(&f->lock);
        snprintf(f->last, sizeof f->last, "%s", block);
        snprintf(f->tokens[f->seen++ % 16], 17, "%.16s", block + 2);
        if (f->ignore > 0)
            f->ignore--;
        else if (f->answer)
            put_answer(f, f->tokens[(f->seen - 1) % 16]);
        pthread_mutex_unlock(&f->lock);
    }
    return NULL;
}

static void listen_at(struct fixture *f, const char *name)
{
    struct error err;
    f->fd = file_listen_datagrams(f->scratch.fd, name, 0600, &err);
    if (f->fd < 0)
        fail_msg("%s", err.text);
    fcntl(f->fd, F_SETFL, 0); /* the thread sleeps in it */
    pthread_create(&f->thread, NULL, serve, f);
}

static void quit(struct fixture *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", f->scratch.path);
    sendto(fd, "q", 1, 0, (struct sockaddr *)&address, sizeof address);
    close(fd);
    pthread_join(f->thread, NULL);
    close(f->fd);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    pthread_mutex_init(&f->lock, NULL);
    snprintf(f->socket, sizeof f->socket, "%s/socket", f->scratch.path);
    setenv("STINT_SOCKET", f->socket, 1);
    listen_at(f, "socket");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    quit(f);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

/* What was asked, without version and token. */
static const char *asked(struct fixture *f)
{
    return f->last + 2 + 16 + 1;
}

static void nothing_is_left_in_the_directory(struct fixture *f)
{
    assert_int_equal(f->seen > 0, 1);
    for (int i = 0; i < f->seen && i < 16; i++) {
        char name[64];
        struct stat st;
        snprintf(name, sizeof name, "answer.%s", f->tokens[i]);
        assert_int_equal(fstatat(f->scratch.fd, name, &st, AT_SYMLINK_NOFOLLOW), -1);
    }
}

/* ---- the functions ---- */

static int call_checkpoint(double *more)
{
    int generation = -1, result = stint_checkpoint(5, &generation);
    *more = generation;
    return result;
}

static int call_hold(double *more)
{
    (void)more;
    return stint_hold(30);
}

static int call_release(double *more)
{
    (void)more;
    return stint_release();
}

static int call_progress(double *more)
{
    (void)more;
    return stint_progress(0.25, "a quarter");
}

static int call_remaining(double *more)
{
    return stint_remaining(more);
}

static int call_status(double *more)
{
    struct stint_status s;
    int result = stint_status(&s, sizeof s);
    if (result == 0)
        *more = s.resumed_from * 10000 + s.stint * 100 + s.since_checkpoint;
    return result;
}

static const struct answer_case {
    int (*call)(double *more);
    const char *request, *answer;
    int result;
    double more;
    int number; /* errno */
} answer_cases[] = {
    { call_checkpoint, "checkpoint\n", "taken 7", STINT_TAKEN, 7, 0 },
    { call_checkpoint, "checkpoint\n", "restored 12", STINT_RESTORED, 12, 0 },
    { call_checkpoint, "checkpoint\n", "asked", STINT_ASKED, 0, 0 },
    { call_checkpoint, "checkpoint\n", "failed the disk is full", -1, -1, EIO },
    { call_checkpoint, "checkpoint\n", "refused it cannot", -1, -1, EOPNOTSUPP },
    { call_checkpoint, "checkpoint\n", "taken", -1, 0, EPROTO },
    { call_checkpoint, "checkpoint\n", "taken x", -1, 0, EPROTO },
    { call_checkpoint, "checkpoint\n", "taken 7 8", -1, 0, EPROTO },
    { call_checkpoint, "checkpoint\n", "taken 99999999999999999999", -1, 0, EPROTO },
    { call_checkpoint, "checkpoint\n", "", -1, 0, EPROTO },
    { call_hold, "hold 30\n", "held 30", 30, 0, 0 },
    { call_hold, "hold 30\n", "refused the job has to leave its slot", -1, 0, EOPNOTSUPP },
    { call_hold, "hold 30\n", "released", -1, 0, EPROTO },
    { call_release, "release\n", "released", 0, 0, 0 },
    { call_release, "release\n", "expired", STINT_EXPIRED, 0, 0 },
    { call_release, "release\n", "what?", -1, 0, EPROTO },
    { call_progress, "progress 0.250000 a quarter\n", "noted", 0, 0, 0 },
    { call_progress, "progress 0.250000 a quarter\n", "noted 1", -1, 0, EPROTO },
    { call_remaining, "remaining\n", "remaining none", 0, 0, 0 },
    { call_remaining, "remaining\n", "remaining 12.500", 1, 12.5, 0 },
    { call_remaining, "remaining\n", "remaining 0", 1, 0, 0 },
    { call_remaining, "remaining\n", "remaining soon", -1, 0, EPROTO },
    { call_remaining, "remaining\n", "remaining", -1, 0, EPROTO },
    { call_status, "status\n", "status 5 3 none", 0, 50299, 0 },
    { call_status, "status\n", "status 0 1 0.250", 0, 100.25, 0 },
    { call_status, "status\n", "status 0 1", -1, 0, EPROTO },
    { call_status, "status\n", "status 0", -1, 0, EPROTO },
};

static void every_answer_is_understood(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        double more = 0;
        f->answer = *c->answer ? c->answer : "?";
        errno = 0;
        int result = c->call(&more);
        if (result != c->result || (result < 0 && errno != c->number))
            fail_msg("'%s' gives %d and errno %d: %s", c->answer, result, errno, stint_error());
        if (result >= 0)
            assert_true(more > c->more - 0.0001 && more < c->more + 0.0001);
        assert_string_equal(asked(f), c->request);
        assert_int_equal(strncmp(f->last, "1 ", 2), 0);
    }
    assert_int_equal(f->seen, COUNT(answer_cases));
    nothing_is_left_in_the_directory(f);
}

static void a_reason_is_told(void **state)
{
    struct fixture *f = *state;
    f->answer = "refused it does not say how";
    assert_int_equal(stint_checkpoint(5, NULL), -1);
    assert_string_equal(stint_error(), "it does not say how");
}

static void wrong_arguments_are_not_sent(void **state)
{
    struct fixture *f = *state;
    double nan = 0;
    nan /= nan;
    int results[] = { stint_checkpoint(-1, NULL), stint_hold(0), stint_hold(601), stint_progress(-0.1, NULL),
                      stint_progress(1.1, NULL), stint_progress(nan, NULL), stint_status(NULL, 4096) };
    for (size_t i = 0; i < COUNT(results); i++)
        assert_int_equal(results[i], -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(f->seen, 0);
}

static void outside_a_job_all_fail_at_once(void **state)
{
    static const char *const places[] = { "", "socket", "/nonexistent/stint/socket", "/", "/dev/null/socket" };
    (void)state;
    unsetenv("STINT_SOCKET");
    for (size_t i = 0; i <= COUNT(places); i++) {
        double more;
        for (size_t j = 0; j < COUNT(answer_cases); j++) {
            assert_int_equal(answer_cases[j].call(&more), -1);
            assert_int_equal(errno, ENOENT);
            assert_non_null(strstr(stint_error(), "not a job of stint"));
        }
        if (i < COUNT(places))
            setenv("STINT_SOCKET", places[i], 1);
    }
}

static void a_progress_text_is_one_line_and_not_too_long(void **state)
{
    struct fixture *f = *state;
    char text[400], expected[400];
    f->answer = "noted";
    assert_int_equal(stint_progress(1, "two\nlines\t"), 0);
    assert_string_equal(asked(f), "progress 1.000000 two lines \n");
    assert_int_equal(stint_progress(0.9999999, ""), 0);
    assert_string_equal(asked(f), "progress 1.000000\n");
    memset(text, 'x', STINT_TEXT_MAX - 1);
    snprintf(text + STINT_TEXT_MAX - 1, 100, "ü and so on");
    assert_int_equal(stint_progress(0, text), 0);
    snprintf(expected, sizeof expected, "progress 0.000000 %.*s\n", STINT_TEXT_MAX - 1, text);
    assert_string_equal(asked(f), expected);
}

/* ---- patience ---- */

static void a_lost_request_is_sent_again_under_its_token(void **state)
{
    struct fixture *f = *state;
    f->ignore = 1;
    f->answer = "restored 3";
    assert_int_equal(stint_checkpoint(30, NULL), STINT_RESTORED);
    assert_int_equal(f->seen, 2);
    assert_string_equal(f->tokens[0], f->tokens[1]);
}

static void without_an_answer_it_gives_up_in_time(void **state)
{
    struct fixture *f = *state;
    f->answer = NULL;
    assert_int_equal(stint_checkpoint(1, NULL), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(f->seen, 1);
}

/* The answer that a restore puts there before the process runs. */
static void an_answer_that_appears_by_itself_is_found(void **state)
{
    struct fixture *f = *state;
    f->answer = NULL;
    pid_t pid = fork();
    if (pid == 0)
        _exit(stint_checkpoint(30, NULL) == STINT_RESTORED ? 0 : 1);
    for (bool seen = false; !seen; usleep(1000)) {
        pthread_mutex_lock(&f->lock);
        seen = f->seen > 0;
        f->answer = "restored 3";
        if (seen)
            put_answer(f, f->tokens[0]);
        f->answer = NULL;
        pthread_mutex_unlock(&f->lock);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(f->seen, 1);
}

static void ignore_signal(int signal)
{
    (void)signal;
}

static void signals_do_not_disturb_it(void **state)
{
    struct fixture *f = *state;
    struct sigaction action = { .sa_handler = ignore_signal };
    struct itimerval often = { { 0, 3000 }, { 0, 3000 } }, never = { { 0, 0 }, { 0, 0 } };
    sigaction(SIGALRM, &action, NULL);
    f->ignore = 1;
    f->answer = "released";
    setitimer(ITIMER_REAL, &often, NULL);
    int result = stint_release();
    setitimer(ITIMER_REAL, &never, NULL);
    if (result != 0)
        fail_msg("%s", stint_error());
}

/* Between two stints, or before the runner listens again. */
static void it_waits_for_a_runner_that_listens(void **state)
{
    struct fixture *f = *state;
    quit(f); /* the socket's name is still there */
    pid_t pid = fork();
    if (pid == 0)
        _exit(stint_release() == 0 ? 0 : 1);
    usleep(50000);
    f->answer = "released";
    listen_at(f, "socket");
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void nothing_stays_open(void **state)
{
    struct fixture *f = *state;
    int before = dup(0), after;
    close(before);
    f->answer = "released";
    for (int i = 0; i < 10; i++)
        assert_int_equal(stint_release(), 0);
    unsetenv("STINT_SOCKET");
    assert_int_equal(stint_release(), -1);
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

static void a_long_path_is_no_obstacle(void **state)
{
    struct fixture *f = *state;
    char name[101], path[300];
    memset(name, 'd', 100);
    name[100] = '\0';
    snprintf(path, sizeof path, "%s/%s", f->scratch.path, name);
    assert_int_equal(symlinkat(".", f->scratch.fd, name), 0);
    snprintf(path, sizeof path, "%s/%s/%s/socket", f->scratch.path, name, name);
    setenv("STINT_SOCKET", path, 1);
    f->answer = "released";
    assert_int_equal(stint_release(), 0);
    nothing_is_left_in_the_directory(f);
}

static void *ask_often(void *data)
{
    intptr_t failures = 0;
    (void)data;
    for (int i = 0; i < 20; i++)
        failures += stint_progress(0.5, "x") != 0;
    failures += stint_hold(0) != -1 || strstr(stint_error(), "600") == NULL;
    return (void *)failures;
}

static void threads_ask_at_the_same_time(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[8];
    f->answer = "noted";
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, ask_often, NULL);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *failures = NULL;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    assert_int_equal(f->seen, 160);
    assert_string_equal(stint_error(), ""); /* this thread's own */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(threads_ask_at_the_same_time),
        TEST(every_answer_is_understood),
        TEST(a_reason_is_told),
        TEST(wrong_arguments_are_not_sent),
        TEST(outside_a_job_all_fail_at_once),
        TEST(a_progress_text_is_one_line_and_not_too_long),
        TEST(a_lost_request_is_sent_again_under_its_token),
        TEST(without_an_answer_it_gives_up_in_time),
        TEST(an_answer_that_appears_by_itself_is_found),
        TEST(signals_do_not_disturb_it),
        TEST(it_waits_for_a_runner_that_listens),
        TEST(nothing_stays_open),
        TEST(a_long_path_is_no_obstacle),
    };
    return cmocka_run_group_tests_name("libstint", tests, NULL, NULL);
}
