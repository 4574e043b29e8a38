/* Errors, buffers, memory, units, clocks, fault points, identities. Files and the loop have programs of their own. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/identity.h"
#include "base/units.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

/* ---- errors ---- */

static void an_error_has_a_kind_a_number_and_a_clause(void **state)
{
    struct error err;
    (void)state;
    assert_int_equal(error_set(&err, ERR_LIMIT, "more than %d", 5), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "more than 5");
    errno = ENOENT;
    assert_int_equal(error_sys(&err, "cannot open '%s'", "x"), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.text, "cannot open 'x': No such file or directory");
    assert_int_equal(error_wrap(&err, "job %d", 7), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.text, "job 7: cannot open 'x': No such file or directory");
}

static void nobody_needs_to_want_an_error(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERR_LIMIT, "x"), -1);
    assert_int_equal(error_sys(NULL, "x"), -1);
    assert_int_equal(error_wrap(NULL, "x"), -1);
}

/* At every length near the limit the text is whole or ends with an ellipsis after a whole character. */
static void a_long_text_is_cut_between_characters(void **state)
{
    static const char *const units[] = { "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x99\x82" };
    (void)state;
    for (size_t u = 0; u < 4; u++) {
        size_t unit = strlen(units[u]);
        for (size_t shift = 0; shift < 4; shift++) {
            auto_buf struct buf text = { 0 };
            struct error err;
            for (size_t i = 0; i < shift; i++)
                buf_char(&text, 'x');
            while (text.len < 600)
                buf_text(&text, units[u]);
            error_set(&err, ERR_INVALID, "%s", buf_cstr(&text));
            size_t len = strlen(err.text);
            assert_true(len < sizeof err.text && len > sizeof err.text - 8);
            assert_string_equal(err.text + len - 3, "…");
            assert_int_equal((len - 3 - shift) % unit, 0);
            assert_memory_equal(err.text, text.data, len - 3);
            error_wrap(&err, "%s", buf_cstr(&text));
            assert_string_equal(err.text + strlen(err.text) - 3, "…");
        }
    }
}

static void a_text_that_just_fits_is_whole(void **state)
{
    struct error err;
    char text[sizeof err.text + 1];
    (void)state;
    for (int over = -1; over <= 1; over++) {
        int len = (int)sizeof err.text - 1 + over;
        memset(text, 'a', (size_t)len);
        text[len] = '\0';
        error_set(&err, ERR_INVALID, "%s", text);
        assert_int_equal(strcmp(err.text, text) == 0, over <= 0);
        error_set(&err, ERR_INVALID, "%s", text + 3);
        error_wrap(&err, "b");
        assert_int_equal(strncmp(err.text, "b: ", 3) == 0 && strcmp(err.text + 3, text + 3) == 0, over <= 0);
    }
}

static void kinds_have_names_on_the_wire(void **state)
{
    (void)state;
    for (enum error_kind kind = ERR_INVALID; kind <= ERR_CORRUPT; kind++)
        assert_int_equal(error_kind_from_name(error_kind_name(kind)), kind);
    assert_string_equal(error_kind_name(ERR_DENIED), "denied");
    assert_int_equal(error_kind_from_name("what"), ERR_SYSTEM);
    assert_int_equal(error_kind_from_name(NULL), ERR_SYSTEM);
    assert_string_equal(error_kind_name((enum error_kind)99), "system");
}

/* ---- buffers and memory ---- */

static void a_buffer_grows_and_ends_with_nul(void **state)
{
    auto_buf struct buf b = { 0 };
    (void)state;
    assert_string_equal(buf_cstr(&b), "");
    buf_add(&b, "", 0);
    assert_null(b.data);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(buf_cstr(&b)), b.len);
    assert_false(b.full);
    buf_clear(&b);
    assert_string_equal(buf_cstr(&b), "");
    buf_text(&b, "abc");
    buf_char(&b, 'd');
    buf_drop(&b, 1);
    assert_string_equal(buf_cstr(&b), "bcd");
    buf_drop(&b, 99);
    assert_int_equal(b.len, 0);
    buf_printf(&b, "%s", "");
    assert_string_equal(buf_cstr(&b), "");
}

static void past_its_maximum_a_buffer_takes_nothing_and_says_so(void **state)
{
    auto_buf struct buf b = { .max = 5 };
    (void)state;
    buf_text(&b, "12345");
    assert_false(b.full);
    buf_char(&b, '6');
    assert_true(b.full);
    assert_string_equal(buf_cstr(&b), "12345");
    buf_drop(&b, 5);
    buf_char(&b, 'x'); /* a text with a hole would be worse than a short one */
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    buf_printf(&b, "%s", "123456");
    assert_true(b.full);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    buf_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
}

static void a_stolen_text_leaves_an_empty_buffer_with_its_maximum(void **state)
{
    struct buf b = { .max = 7 };
    (void)state;
    buf_text(&b, "abc");
    auto_free char *text = buf_steal(&b);
    assert_string_equal(text, "abc");
    assert_null(b.data);
    assert_int_equal(b.max, 7);
    auto_free char *none = buf_steal(&b);
    assert_string_equal(none, "");
    buf_release(&b);
}

static void memory_is_zeroed_grown_and_handed_over(void **state)
{
    int *array = NULL;
    size_t capacity = 0;
    (void)state;
    array = mem_grow(array, &capacity, 1, sizeof *array);
    assert_int_equal(capacity, 8);
    array[0] = 42;
    array = mem_grow(array, &capacity, 100, sizeof *array);
    assert_int_equal(capacity, 128);
    assert_int_equal(array[0], 42);
    assert_ptr_equal(mem_grow(array, &capacity, 128, sizeof *array), array);
    auto_free int *mine = steal(array);
    assert_null(array);
    auto_free char *text = mem_printf("%d-%s", mine[0], "x");
    assert_string_equal(text, "42-x");
    auto_free char *part = mem_dup_n("abcdef", 3);
    assert_string_equal(part, "abc");
    auto_free char *zero = mem_zero(0, 0);
    assert_non_null(zero);
}

/* ---- units ---- */

static void sizes_are_read_as_people_write_them(void **state)
{
    static const struct { const char *text; int64_t plain, bytes; } cases[] = {
        { "1536", 1, 1536 },   { "2", 1 << 20, 2 << 20 }, { "2K", 1, 2048 },          { "2k", 1, 2048 },
        { "2KB", 1, 2048 },    { "2 KiB", 1, 2048 },      { "1.5 MiB", 1, 3 << 19 },  { "3GB", 1, INT64_C(3) << 30 },
        { "1T", 1, INT64_C(1) << 40 }, { " 7 ", 1, 7 },   { "5B", 1024, 5 },          { "0", 1, 0 },
        { "", 1, -1 },         { "K", 1, -1 },            { "-1", 1, -1 },            { "1.2.3", 1, -1 },
        { ".", 1, -1 },        { "1X", 1, -1 },           { "1KK", 1, -1 },           { "1e5", 1, -1 },
        { "0x10", 1, -1 },     { "inf", 1, -1 },          { "nan", 1, -1 },           { "8E", 1, -1 },
        { "99999999999999999999", 1, -1 }, { "1000000000000000000000000000000000000", 1, -1 }, { "1BB", 1, -1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t got = -1;
        bool good = units_parse_bytes(cases[i].text, cases[i].plain, &got);
        if (good != (cases[i].bytes >= 0) || got != cases[i].bytes)
            fail_msg("'%s' gives %lld", cases[i].text, (long long)got);
    }
}

static void durations_are_read_as_people_write_them(void **state)
{
    static const struct { const char *text; int64_t us; } cases[] = {
        { "90", 90000000 },       { "90s", 90000000 },      { "1.5", 1500000 },      { "15m", 900000000 },
        { "2h", 7200000000 },     { "1d", 86400000000 },    { "1h30m", 5400000000 }, { "1h 30min", 5400000000 },
        { "500ms", 500000 },      { "7us", 7 },             { "2:30:00", 9000000000 }, { " 3 s ", 3000000 },
        { "1w", 604800000000 },   { "0", 0 },               { "2H", 7200000000 },    { "0:00:01 ", 1000000 },
        { "", -1 },               { "s", -1 },              { "-1", -1 },            { "1x", -1 },
        { "1h 30", -1 },          { "30 1h", -1 },          { "2:60:00", -1 },       { "2:00:60", -1 },
        { "2:30", -1 },           { "-1:00:00", -1 },       { "1:-5:00", -1 },       { "1:+5:00", -1 },
        { "1:00:00x", -1 },       { "999999999w", -1 },     { "1e3", -1 },           { "inf", -1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t got = -1;
        bool good = units_parse_duration(cases[i].text, &got);
        if (good != (cases[i].us >= 0) || got != cases[i].us)
            fail_msg("'%s' gives %lld", cases[i].text, (long long)got);
    }
}

static void sizes_and_durations_are_printed_short(void **state)
{
    static const struct { const char *(*print)(int64_t, char[UNITS_TEXT_MAX]); int64_t n; const char *text; } cases[] = {
        { units_bytes, 0, "0 B" },                   { units_bytes, 1023, "1023 B" },
        { units_bytes, 1024, "1.0 KiB" },            { units_bytes, 1536, "1.5 KiB" },
        { units_bytes, 1024 * 1023 + 700, "1.0 MiB" }, { units_bytes, 200 * 1024, "200 KiB" },
        { units_bytes, INT64_MAX, "8.0 EiB" },       { units_duration, 0, "0us" },
        { units_duration, 999, "999us" },            { units_duration, 1500, "1.5ms" },
        { units_duration, 450000, "450ms" },         { units_duration, 12300000, "12.3s" },
        { units_duration, 65000000, "1m05s" },       { units_duration, 7500000000, "2h05m" },
        { units_duration, 90000000000, "1d01h" },    { units_duration, -1, "-" },
        { units_clock, 183845000000, "2+03:04:05" }, { units_clock, -5, "0+00:00:00" },
        { units_duration, INT64_MAX, "106751991d04h" }, { units_clock, INT64_MAX, "106751991+04:00:54" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[UNITS_TEXT_MAX];
        assert_string_equal(cases[i].print(cases[i].n, out), cases[i].text);
    }
}

/* ---- clocks ---- */

static void the_clocks_go_forward_and_the_boot_has_a_name(void **state)
{
    struct moment a = clock_now(), b = clock_now();
    (void)state;
    assert_true(b.boot_us >= a.boot_us && a.boot_us > 0);
    assert_true(a.wall_us > INT64_C(1600000000) * CLOCK_SECOND_US);
    assert_true(strlen(clock_boot_id()) == 36 || strcmp(clock_boot_id(), "unknown") == 0);
    assert_ptr_equal(clock_boot_id(), clock_boot_id());
}

/* ---- fault points: each case is a process of its own, because the rules are read once ---- */

/* Passes two points by turns and answers with the number of the pass that failed, 0 if none, by its exit code. */
static int fault_child(const char *fault, const char *trace, const char *once)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("STINT_FAULT", fault, 1);
        if (trace)
            setenv("STINT_FAULT_TRACE", trace, 1);
        if (once)
            setenv("STINT_FAULT_ONCE", once, 1);
        for (int pass = 1; pass <= 5; pass++) {
            errno = 0;
            if (fault_point("test.a") < 0)
                _exit(errno == ENOSPC ? pass : 100 + pass);
            if (fault_point("test.b") < 0)
                _exit(errno == EACCES ? 50 + pass : 150 + pass);
        }
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_fault_strikes_where_and_when_it_is_ordered(void **state)
{
    static const struct { const char *fault; int result; } cases[] = {
        { "", 0 },
        { "test.c:kill", 0 },
        { "test", 0 },
        { "test.a:ENOSPC", 1 },
        { "test.a:ENOSPC@3", 3 },
        { "test.a:ENOSPC+2", 2 },
        { "test.b:EACCES@2", 52 },
        { "test.a:ENOSPC@9", 0 },
        { "test.a:kill@2", -SIGKILL },
        { "test.a:EWHAT", 101 }, /* unknown names are EIO */
        { "test.c:kill,test.b:EACCES", 51 },
        { "test.b:EACCES@3,test.a:ENOSPC@2", 2 },
        { "test.b:EACCES,test.a:ENOSPC@2", 51 },
        { ",,:,test.a:ENOSPC", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int got = fault_child(cases[i].fault, NULL, NULL);
        if (got != cases[i].result)
            fail_msg("%s gives %d", cases[i].fault, got);
    }
}

static void a_fault_with_a_once_file_strikes_once_in_a_tree_of_processes(void **state)
{
    struct scratch s;
    char once[96], trace[96];
    auto_buf struct buf text = { 0 };
    (void)state;
    scratch_open(&s);
    snprintf(once, sizeof once, "%s/once", s.path);
    snprintf(trace, sizeof trace, "%s/trace", s.path);
    assert_int_equal(fault_child("test.b:EACCES+2", trace, once), 52);
    assert_int_equal(fault_child("test.b:EACCES+2", NULL, once), 0);
    assert_int_equal(file_read(s.fd, "trace", &text, NULL), 0);
    assert_string_equal(buf_cstr(&text), "test_base test.a\ntest_base test.b\ntest_base test.a\ntest_base test.b\n");
    scratch_close(&s);
}

static void a_stopped_process_goes_on_when_continued(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("STINT_FAULT", "test.a:stop", 1);
        _exit(fault_point("test.a") == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- identities ---- */

static void a_user_has_a_name_and_a_home(void **state)
{
    struct identity id;
    struct error err;
    (void)state;
    assert_int_equal(identity_of(0, &id, &err), 0);
    assert_string_equal(id.name, "root");
    assert_int_equal(id.gid, 0);
    assert_int_equal(identity_of(geteuid(), &id, &err), 0);
    assert_int_equal(id.uid, geteuid());
    if (geteuid() != 4000000001u) {
        assert_int_equal(identity_of(4000000001u, &id, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.text, "user 4000000001 is not known to this machine");
    }
}

static void root_takes_on_a_users_rights_and_gives_them_back(void **state)
{
    struct identity id;
    struct scratch s;
    (void)state;
    if (geteuid() != 0 || identity_of(65534, &id, NULL) < 0) {
        print_message("# skipped: needs root and the user nobody\n");
        skip();
    }
    gid_t before[64], after[64];
    int groups = getgroups(64, before);
    scratch_open(&s);
    scratch_write(&s, "secret", "x", 1);
    assert_int_equal(identity_enter(&id, NULL), 0);
    assert_int_equal(geteuid(), 65534);
    assert_int_equal(getegid(), id.gid);
    assert_int_equal(openat(s.fd, "secret", O_RDONLY), -1); /* the kernel decides */
    identity_leave();
    assert_int_equal(geteuid(), 0);
    assert_int_equal(getegid(), 0);
    assert_int_equal(getgroups(64, after), groups);
    assert_memory_equal(before, after, (size_t)groups * sizeof before[0]);
    identity_leave(); /* nothing entered: does nothing */
    scratch_close(&s);
}

static int tie_after_each_change(const struct identity *id)
{
    int after[4] = { 0 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    identity_enter(id, NULL);
    prctl(PR_GET_PDEATHSIG, &after[0]);
    identity_leave();
    prctl(PR_GET_PDEATHSIG, &after[1]);
    identity_prepare(id, NULL);
    identity_thread_enter(id, NULL);
    prctl(PR_GET_PDEATHSIG, &after[2]);
    identity_thread_leave();
    prctl(PR_GET_PDEATHSIG, &after[3]);
    for (int i = 0; i < 4; i++)
        if (after[i] != SIGKILL)
            return i + 1;
    return 0;
}

static void who_is_to_die_with_the_parent_stays_so_under_other_rights(void **state)
{
    struct identity id;
    int status;
    (void)state;
    if (geteuid() != 0 || identity_of(65534, &id, NULL) < 0) {
        print_message("# skipped: needs root and the user nobody\n");
        skip();
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(tie_after_each_change(&id));
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

struct other_thread {
    pthread_barrier_t entered, looked;
    uid_t uid, gid;
};

static void *enter_in_a_thread(void *data)
{
    struct other_thread *other = data;
    struct identity id = { .uid = 4321, .gid = 5432, .name = "uid4321" };
    int r = identity_thread_enter(&id, NULL);
    other->uid = r < 0 ? 0 : geteuid();
    other->gid = r < 0 ? 0 : getegid();
    pthread_barrier_wait(&other->entered);
    pthread_barrier_wait(&other->looked);
    identity_thread_leave();
    return NULL;
}

static void a_thread_takes_on_rights_for_itself_alone(void **state)
{
    struct identity id = { .uid = 4321, .gid = 5432, .name = "uid4321" };
    struct other_thread other = { 0 };
    gid_t before[64], during[64];
    pthread_t thread;
    (void)state;
    if (geteuid() != 0) {
        print_message("# skipped: needs root\n");
        skip();
    }
    int groups = getgroups(64, before);
    assert_int_equal(identity_prepare(&id, NULL), 0);
    assert_int_equal(getgroups(64, during), 1);
    assert_int_equal(during[0], 5432);
    pthread_barrier_init(&other.entered, NULL, 2);
    pthread_barrier_init(&other.looked, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, enter_in_a_thread, &other), 0);
    pthread_barrier_wait(&other.entered);
    assert_true(geteuid() == 0 && getegid() == 0);
    assert_true(other.uid == 4321 && other.gid == 5432);
    pthread_barrier_wait(&other.looked);
    pthread_join(thread, NULL);
    identity_finish();
    assert_int_equal(getgroups(64, during), groups);
    assert_memory_equal(before, during, (size_t)groups * sizeof before[0]);
    assert_int_equal(identity_thread_enter(&id, NULL), 0); /* not prepared: does nothing */
    assert_int_equal(geteuid(), 0);
}

static void becoming_a_user_is_for_good(void **state)
{
    struct identity id;
    int status;
    (void)state;
    if (geteuid() != 0 || identity_of(65534, &id, NULL) < 0) {
        print_message("# skipped: needs root and the user nobody\n");
        skip();
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (identity_become(&id, NULL) < 0 || getuid() != 65534 || getgid() != id.gid)
            _exit(1);
        _exit(seteuid(0) == 0 ? 2 : 0);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_has_a_kind_a_number_and_a_clause),
        cmocka_unit_test(nobody_needs_to_want_an_error),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_text_that_just_fits_is_whole),
        cmocka_unit_test(kinds_have_names_on_the_wire),
        cmocka_unit_test(a_buffer_grows_and_ends_with_nul),
        cmocka_unit_test(past_its_maximum_a_buffer_takes_nothing_and_says_so),
        cmocka_unit_test(a_stolen_text_leaves_an_empty_buffer_with_its_maximum),
        cmocka_unit_test(memory_is_zeroed_grown_and_handed_over),
        cmocka_unit_test(sizes_are_read_as_people_write_them),
        cmocka_unit_test(durations_are_read_as_people_write_them),
        cmocka_unit_test(sizes_and_durations_are_printed_short),
        cmocka_unit_test(the_clocks_go_forward_and_the_boot_has_a_name),
        cmocka_unit_test(a_fault_strikes_where_and_when_it_is_ordered),
        cmocka_unit_test(a_fault_with_a_once_file_strikes_once_in_a_tree_of_processes),
        cmocka_unit_test(a_stopped_process_goes_on_when_continued),
        cmocka_unit_test(a_user_has_a_name_and_a_home),
        cmocka_unit_test(root_takes_on_a_users_rights_and_gives_them_back),
        cmocka_unit_test(who_is_to_die_with_the_parent_stays_so_under_other_rights),
        cmocka_unit_test(a_thread_takes_on_rights_for_itself_alone),
        cmocka_unit_test(becoming_a_user_is_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
