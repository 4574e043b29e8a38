/* The exchange with criu, whose part a script plays: what each answer, each death and each silence means for the caller. */
#include "engine/criu_rpc.h"

#include "base/clock.h"
#include "base/mem.h"
#include "criu_script.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- the caller ---- */

struct caller {
    char moments[256];
    const char *refuse;
    int64_t sleep_us;
    int calls;
};

static int hear_moment(void *data, const char *moment, struct error *err)
{
    struct caller *c = data;
    size_t len = strlen(c->moments);
    snprintf(c->moments + len, sizeof c->moments - len, "%s%s", len ? " " : "", moment);
    c->calls++;
    if (c->sleep_us)
        usleep((useconds_t)c->sleep_us);
    return c->refuse && strcmp(c->refuse, moment) == 0 ? error_set(err, ERR_LIMIT, "the quota is full") : 0;
}

static void options(struct criu_options *o)
{
    criu_options_default(o);
    o->images = "/stint/images";
    o->pid = 1000;
    o->timeout_us = 20 * CLOCK_SECOND_US;
}

static int play(const struct script *script, struct caller *c, struct criu_result *out, struct heard *heard, struct error *err)
{
    struct fake f;
    struct criu_options o;
    options(&o);
    fake_start(&f, script);
    int r = script->kind == CRIU__KIND__DUMP ? criu_dump(f.socket, &o, hear_moment, c, out, err)
                                             : criu_restore(f.socket, &o, hear_moment, c, out, err);
    if (heard) {
        fake_report(&f);
        *heard = f.heard;
    }
    fake_end(&f);
    return r;
}

#define NOTES_DUMP { NOTE, "pre-dump" }, { NOTE, "network-lock" }, { NOTE, "query-ext-files" }
#define NOTES_RESTORE { NOTE, "pre-restore" }, { NOTE, "post-restore", .pid = 1000 }, { NOTE, "pre-resume" }, { NOTE, "post-resume" }

/* ---- dumps ---- */

static void a_dump_asks_for_the_files_once_when_all_is_frozen(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { NOTES_DUMP, { NOTE, "post-dump" }, { NOTE, "network-unlock" }, { DONE }, { DIE } } };
    struct caller c = { "" };
    struct criu_result out;
    struct heard heard;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, &heard, &err), 0);
    assert_string_equal(c.moments, "post-dump");
    assert_int_equal(heard.answers, 5);
    assert_int_equal(heard.yes, 5);
    assert_false(out.died_while_frozen);
    assert_int_equal(out.pid, 0);
}

static void options_reach_criu(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { { NOTE, "post-dump" }, { DONE }, { DIE } } };
    static const char *const external[] = { "unix[1]", "unix[2]", NULL };
    struct fake f;
    struct criu_options o;
    struct criu_result out;
    struct caller c = { "" };
    struct error err = { 0 };
    options(&o);
    o.leave_running = true;
    o.external = external;
    o.seize_timeout_s = 30;
    fake_start(&f, &s);
    assert_int_equal(criu_dump(f.socket, &o, hear_moment, &c, &out, &err), 0);
    fake_report(&f);
    assert_int_equal(f.heard.type, CRIU__KIND__DUMP);
    assert_true(f.heard.notify_scripts && f.heard.leave_running && f.heard.unprivileged && f.heard.tcp_close && f.heard.has_pid);
    assert_false(f.heard.tcp_established || f.heard.shell_job || f.heard.keep_open);
    assert_int_equal(f.heard.pid, 1000);
    assert_int_equal(f.heard.images_dir_fd, -1);
    assert_int_equal(f.heard.network_lock, CRIU_LOCK_SKIP);
    assert_int_equal(f.heard.log_level, 2);
    assert_int_equal(f.heard.ghost_limit, 64 << 20);
    assert_int_equal(f.heard.timeout, 30);
    assert_string_equal(f.heard.images, "/stint/images");
    assert_string_equal(f.heard.log_file, "criu.log");
    assert_int_equal(f.heard.externals, 2);
    assert_string_equal(f.heard.external, "unix[2]");
    fake_end(&f);
}

static void files_that_cannot_be_captured_fail_the_dump_with_their_reason(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { NOTES_DUMP, { NOTE, "post-dump" }, { FAILED, .message = "Error (x): RPC client reported script error\n" }, { DIE } } };
    struct caller c = { "", .refuse = "post-dump" };
    struct criu_result out;
    struct heard heard;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, &heard, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_string_equal(err.text, "the quota is full");
    assert_int_equal(heard.answers - heard.yes, 1);
    assert_false(out.died_while_frozen); /* criu has let it go */
}

static void files_that_cannot_be_captured_fail_the_dump_whatever_criu_says(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { NOTES_DUMP, { NOTE, "post-dump" }, { DONE }, { DIE } } };
    struct caller c = { "", .refuse = "post-dump" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void a_refusal_comes_with_errno_and_what_is_known_of_its_cause(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP,
                        { NOTES_DUMP, { FAILED, .sys = ESRCH, .message = "(00.02) Error (criu/files-reg.c:1031): Can't dump ghost file /run/g of 9 size, increase limit\n" }, { DIE } } };
    struct caller c = { "" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(err.sys, ESRCH);
    assert_string_equal(err.text, "criu refuses: the deleted file '/run/g' is still open and too large (9 bytes) to be kept");
    assert_int_equal(c.calls, 0);
    assert_false(out.died_while_frozen);
}

static void what_criu_always_complains_of_is_not_taken_for_the_cause(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { { FAILED, .message = "Error (criu/net.c:1253): net: Unexpected error: -1(Operation not permitted)\n" }, { DIE } } };
    struct caller c = { "" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_string_equal(err.text, "criu refuses: criu does not say why");
}

static void a_success_that_never_asked_for_the_files_is_none(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { NOTES_DUMP, { DONE }, { DIE } } };
    struct caller c = { "" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CHILD);
    assert_int_equal(err.sys, EPROTO);
}

/* ---- deaths ---- */

/* A script with criu dead after its first n steps. */
static struct script cut(const struct script *whole, size_t n, enum step_kind last)
{
    struct script s = *whole;
    s.steps[n] = (struct step){ last };
    s.steps[n + 1] = (struct step){ DIE };
    return s;
}

static void a_death_before_anything_was_frozen_harms_nobody_and_any_later_one_may(void **state)
{
    (void)state;
    static const struct script dump = { CRIU__KIND__DUMP, { NOTES_DUMP, { NOTE, "post-dump" }, { NOTE, "network-unlock" } } };
    static const struct script restore = { CRIU__KIND__RESTORE, { NOTES_RESTORE } };
    for (size_t n = 0; n <= 5; n++)
        for (int which = 0; which < (n <= 4 ? 2 : 1); which++) {
            struct script s = cut(which ? &restore : &dump, n, DIE);
            struct caller c = { "" };
            struct criu_result out;
            struct error err = { 0 };
            assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
            assert_int_equal(err.kind, ERR_CHILD);
            assert_int_equal(err.sys, 0);
            assert_string_equal(err.text, "criu died");
            assert_int_equal(out.died_while_frozen, n > 0);
            assert_int_equal(out.pid, which && n >= 2 ? 1000 : 0);
        }
}

static void nonsense_at_any_step_is_like_a_death(void **state)
{
    (void)state;
    static const enum step_kind kinds[] = { GARBAGE, EMPTY_NOTE, HUGE_ONE, WRONG };
    static const struct script dump = { CRIU__KIND__DUMP, { NOTES_DUMP, { NOTE, "post-dump" } } };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t n = 0; n <= 4; n++) {
            struct script s = cut(&dump, n, kinds[k]);
            struct caller c = { "" };
            struct criu_result out;
            struct error err = { 0 };
            assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
            assert_int_equal(err.kind, ERR_CHILD);
            assert_int_equal(err.sys, EPROTO);
            assert_int_equal(out.died_while_frozen, n > 0);
        }
}

static void a_death_while_the_files_are_captured_is_seen_afterwards(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { { NOTE, "pre-dump" }, { NOTE, "post-dump" }, { DIE } } };
    struct fake f;
    struct criu_options o;
    struct criu_result out;
    struct caller c = { "", .sleep_us = 20000 };
    struct error err = { 0 };
    options(&o);
    fake_start(&f, &s);
    int pid = fork();
    if (pid == 0) {
        usleep(10000);
        kill(f.pid, SIGKILL);
        _exit(0);
    }
    assert_int_equal(criu_dump(f.socket, &o, hear_moment, &c, &out, &err), -1);
    assert_int_equal(err.kind, ERR_CHILD);
    waitpid(pid, NULL, 0);
    fake_end(&f);
}

static void one_that_never_listened_has_died(void **state)
{
    (void)state;
    int sv[2];
    struct criu_options o;
    struct criu_result out;
    struct error err = { 0 };
    options(&o);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
    close(sv[1]);
    assert_int_equal(criu_dump(sv[0], &o, NULL, NULL, &out, &err), -1);
    assert_int_equal(err.kind, ERR_CHILD);
    assert_false(out.died_while_frozen);
    assert_int_equal(criu_dump(sv[0], &o, NULL, NULL, &out, NULL), -1);
    assert_int_equal(criu_dump(-1, &o, NULL, NULL, &out, &err), -1);
    assert_int_equal(err.sys, EBADF);
    close(sv[0]);
}

/* ---- time ---- */

static int dump_within(const struct script *s, int64_t timeout_us, struct caller *c, struct criu_result *out, struct error *err)
{
    struct fake f;
    struct criu_options o;
    options(&o);
    o.timeout_us = timeout_us;
    fake_start(&f, s);
    int r = criu_dump(f.socket, &o, hear_moment, c, out, err);
    fake_end(&f);
    return r;
}

static void silence_ends_with_the_time_that_it_was_given(void **state)
{
    (void)state;
    static const struct script dump = { CRIU__KIND__DUMP, { NOTES_DUMP, { NOTE, "post-dump" } } };
    for (size_t n = 0; n <= 4; n++) {
        struct script s = cut(&dump, n, SILENT);
        struct caller c = { "" };
        struct criu_result out;
        struct error err = { 0 };
        int64_t before = clock_boot_us();
        assert_int_equal(dump_within(&s, 50000, &c, &out, &err), -1);
        assert_int_equal(err.kind, ERR_CHILD);
        assert_int_equal(err.sys, ETIMEDOUT);
        assert_true(clock_boot_us() - before >= 50000);
        assert_int_equal(out.died_while_frozen, n > 0);
    }
}

static void the_time_for_the_files_is_not_criu_s(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__DUMP, { { NOTE, "pre-dump" }, { NOTE, "post-dump" }, { DONE }, { DIE } } };
    struct caller c = { "", .sleep_us = 1200000 };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(dump_within(&s, 1000000, &c, &out, &err), 0);
}

/* ---- restores ---- */

static void a_restore_tells_every_moment_and_the_pid(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__RESTORE, { NOTES_RESTORE, { DONE, .pid = 1000 }, { DIE } } };
    struct caller c = { "" };
    struct criu_result out;
    struct heard heard;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, &heard, &err), 0);
    assert_string_equal(c.moments, "pre-restore post-restore pre-resume post-resume");
    assert_int_equal(out.pid, 1000);
    assert_false(out.died_while_frozen || heard.has_pid);
}

static void a_no_before_it_runs_fails_the_restore_and_leaves_no_pid(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__RESTORE, { { NOTE, "pre-restore" }, { NOTE, "post-restore", .pid = 1000 }, { FAILED, .pid = -1 }, { DIE } } };
    struct caller c = { "", .refuse = "post-restore" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(out.pid, 0);
}

static void a_no_that_comes_too_late_fails_the_restore_of_a_tree_that_is_there(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__RESTORE, { NOTES_RESTORE, { DONE, .pid = 1000 }, { DIE } } };
    struct caller c = { "", .refuse = "pre-resume" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(out.pid, 1000);
}

static void a_restore_without_a_pid_is_nonsense(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__RESTORE, { NOTES_RESTORE, { DONE }, { DIE } } };
    struct caller c = { "" };
    struct criu_result out;
    struct error err = { 0 };
    assert_int_equal(play(&s, &c, &out, NULL, &err), -1);
    assert_int_equal(err.sys, EPROTO);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    struct script s = { CRIU__KIND__RESTORE, { NOTES_RESTORE, { DONE, .pid = 7 }, { DIE } } };
    struct fake f;
    struct criu_options o;
    struct criu_result out;
    options(&o);
    o.timeout_us = 0; /* for ever */
    fake_start(&f, &s);
    assert_int_equal(criu_restore(f.socket, &o, NULL, NULL, &out, NULL), 0);
    assert_int_equal(out.pid, 7);
    fake_end(&f);
}

/* ---- versions ---- */

static int ask_version(const struct step *step, int *version, struct heard *heard, struct error *err)
{
    struct script s = { CRIU__KIND__VERSION, { *step, { DIE } } };
    struct fake f;
    fake_start(&f, &s);
    int r = criu_version(f.socket, 20 * CLOCK_SECOND_US, version, err);
    if (heard) {
        fake_report(&f);
        *heard = f.heard;
    }
    fake_end(&f);
    return r;
}

static void a_version_is_one_number(void **state)
{
    (void)state;
    int version = -7;
    struct heard heard;
    struct error err = { 0 };
    assert_int_equal(ask_version(&(struct step){ NUMBERS, .pid = 4, .sys = 1 }, &version, &heard, &err), 0);
    assert_int_equal(version, 40201);
    assert_true(heard.keep_open);
    assert_int_equal(ask_version(&(struct step){ NUMBERS, .pid = 12 }, &version, NULL, &err), 0);
    assert_int_equal(version, 120200);
    assert_int_equal(ask_version(&(struct step){ NUMBERS, .pid = -1 }, &version, NULL, &err), -1);
    assert_int_equal(ask_version(&(struct step){ NUMBERS, .pid = 4, .sys = 100 }, &version, NULL, &err), -1);
    assert_int_equal(ask_version(&(struct step){ DONE }, &version, NULL, &err), -1);
    assert_int_equal(err.sys, EPROTO);
    assert_int_equal(ask_version(&(struct step){ FAILED }, &version, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(ask_version(&(struct step){ DIE }, &version, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CHILD);
    assert_int_equal(version, 120200);
}

static void too_many_names_are_refused(void **state)
{
    (void)state;
    const char *names[300];
    struct criu_options o;
    struct criu_result out;
    struct error err = { 0 };
    for (size_t i = 0; i < 299; i++)
        names[i] = "x";
    names[299] = NULL;
    options(&o);
    o.external = names;
    assert_int_equal(criu_dump(-1, &o, NULL, NULL, &out, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    auto_free char *path = mem_zero(70000, 1);
    memset(path, 'x', 69999);
    options(&o);
    o.images = path;
    assert_int_equal(criu_dump(-1, &o, NULL, NULL, &out, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_asks_for_the_files_once_when_all_is_frozen),
        cmocka_unit_test(options_reach_criu),
        cmocka_unit_test(files_that_cannot_be_captured_fail_the_dump_with_their_reason),
        cmocka_unit_test(files_that_cannot_be_captured_fail_the_dump_whatever_criu_says),
        cmocka_unit_test(a_refusal_comes_with_errno_and_what_is_known_of_its_cause),
        cmocka_unit_test(what_criu_always_complains_of_is_not_taken_for_the_cause),
        cmocka_unit_test(a_success_that_never_asked_for_the_files_is_none),
        cmocka_unit_test(a_death_before_anything_was_frozen_harms_nobody_and_any_later_one_may),
        cmocka_unit_test(nonsense_at_any_step_is_like_a_death),
        cmocka_unit_test(a_death_while_the_files_are_captured_is_seen_afterwards),
        cmocka_unit_test(one_that_never_listened_has_died),
        cmocka_unit_test(silence_ends_with_the_time_that_it_was_given),
        cmocka_unit_test(the_time_for_the_files_is_not_criu_s),
        cmocka_unit_test(a_restore_tells_every_moment_and_the_pid),
        cmocka_unit_test(a_no_before_it_runs_fails_the_restore_and_leaves_no_pid),
        cmocka_unit_test(a_no_that_comes_too_late_fails_the_restore_of_a_tree_that_is_there),
        cmocka_unit_test(a_restore_without_a_pid_is_nonsense),
        cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(a_version_is_one_number),
        cmocka_unit_test(too_many_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
