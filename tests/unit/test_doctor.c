/* What the report says, and that it says so of machines that lack something. */
#include "engine/doctor.h"
#include "context/inside.h"
#include "context/probe.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    struct ad *report;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    f->report = ad_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_close(&f->scratch);
    ad_free(f->report);
    free(f);
    return 0;
}

static const struct ad *check_of(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < ad_list_count(f->report, "Checks"); i++)
        if (strcmp(ad_string(ad_list_ad(f->report, "Checks", i), "Name", ""), name) == 0)
            return ad_list_ad(f->report, "Checks", i);
    fail_msg("there is no check '%s'", name);
    return NULL;
}

/* A bundle whose loader prints this, whatever it is asked. */
static void make_tools(struct fixture *f, const char *says)
{
    char script[300];
    snprintf(script, sizeof script, "#!/bin/sh\n%s\n", says);
    scratch_write(&f->scratch, "loader", script, strlen(script));
    fchmodat(f->scratch.fd, "loader", 0755, 0);
}

static void without_tools_it_says_how_to_get_them(void **state)
{
    struct fixture *f = *state;
    struct doctor_place place = { .pool = f->scratch.path };
    doctor_run(&place, f->report);
    const struct ad *tools = check_of(f, "criu"), *trial = check_of(f, "trial");
    assert_false(ad_bool(f->report, "Transparent", true));
    assert_false(ad_bool(tools, "Ok", true));
    assert_non_null(strstr(ad_string(tools, "Change", ""), "tools/criu DIR"));
    assert_false(ad_bool(trial, "Ok", true));
    assert_non_null(strstr(ad_string(trial, "Found", ""), "not tried"));
    assert_false(ad_has(trial, "Change"));
}

static void every_check_says_what_it_is_for_and_what_was_found(void **state)
{
    struct fixture *f = *state;
    struct doctor_place place = { 0 };
    doctor_run(&place, f->report);
    assert_true(ad_list_count(f->report, "Checks") >= 12);
    for (size_t i = 0; i < ad_list_count(f->report, "Checks"); i++) {
        const struct ad *check = ad_list_ad(f->report, "Checks", i);
        assert_true(ad_has(check, "Name") && ad_has(check, "Title") && ad_has(check, "Ok") && ad_has(check, "Essential"));
        assert_true(ad_string(check, "For", "")[0] != '\0');
        assert_true(ad_string(check, "Found", "")[0] != '\0');
        assert_false(ad_bool(check, "Ok", false) && ad_has(check, "Change"));
    }
}

static void versions_are_read(void **state)
{
    struct fixture *f = *state;
    int version = 0;
    make_tools(f, "echo 'Version: 4.2.1'; echo 'GitID: v4'");
    assert_int_equal(doctor_version(f->scratch.path, &version, &f->err), 0);
    assert_int_equal(version, 40201);
    make_tools(f, "echo 'Version: 4.2'");
    assert_int_equal(doctor_version(f->scratch.path, &version, &f->err), 0);
    assert_int_equal(version, 40200);
}

static void what_is_no_criu_has_no_version(void **state)
{
    struct fixture *f = *state;
    int version = 7;
    assert_int_equal(doctor_version(f->scratch.path, &version, &f->err), -1);
    make_tools(f, "exit 1");
    assert_int_equal(doctor_version(f->scratch.path, &version, &f->err), -1);
    make_tools(f, "echo hello");
    assert_int_equal(doctor_version(f->scratch.path, &version, &f->err), -1);
    make_tools(f, "yes Version");
    assert_int_equal(doctor_version(f->scratch.path, &version, &f->err), -1);
    assert_int_equal(version, 7);
}

static void an_old_criu_is_refused_with_its_version(void **state)
{
    struct fixture *f = *state;
    struct doctor_place place = { .tools = f->scratch.path, .pool = f->scratch.path };
    make_tools(f, "echo 'Version: 3.17.1'");
    doctor_run(&place, f->report);
    const struct ad *tools = check_of(f, "criu");
    assert_false(ad_bool(tools, "Ok", true));
    assert_non_null(strstr(ad_string(tools, "Found", ""), "3.17.1"));
    assert_non_null(strstr(ad_string(tools, "Found", ""), "too old"));
    assert_false(ad_bool(f->report, "Transparent", true));
}

static void a_trial_that_cannot_be_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(doctor_trial("/nonexistent", f->scratch.path, &f->err), -1);
    assert_true(f->err.text[0] != '\0');
    assert_int_equal(fstat(f->scratch.fd, &st), 0);
    assert_int_equal(st.st_nlink, 2);
}

/* Each includes what it needs of the earlier ones. */
static void probes_agree_with_each_other(void **state)
{
    struct fixture *f = *state;
    bool user = probe_try(PROBE_USER, &f->err) == 0;
    static const enum probe others[] = { PROBE_SPACES, PROBE_NETWORK, PROBE_MOUNTS, PROBE_NUMBERS };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        bool works = probe_try(others[i], &f->err) == 0;
        assert_true(user || !works);
        assert_true(works || f->err.text[0] != '\0');
    }
}

static void probes_leave_this_process_where_it_is(void **state)
{
    struct fixture *f = *state;
    probe_try(PROBE_MOUNTS, &f->err);
    assert_false(inside_differs(getppid(), "user"));
    assert_false(inside_differs(getppid(), "mnt"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void processes_without_namespaces_are_asked_directly(void **state)
{
    struct fixture *f = *state;
    auto_close int diag = inside_diag(getpid(), &f->err);
    auto_close int sem = inside_sysvipc(getpid(), "sem", &f->err);
    assert_true(diag >= 0);
    assert_true(sem >= 0);
    assert_int_equal(inside_sysvipc(getpid(), "nothing", &f->err), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_tools_it_says_how_to_get_them),
        TEST(every_check_says_what_it_is_for_and_what_was_found),
        TEST(versions_are_read),
        TEST(what_is_no_criu_has_no_version),
        TEST(an_old_criu_is_refused_with_its_version),
        TEST(a_trial_that_cannot_be_leaves_nothing_behind),
        TEST(probes_agree_with_each_other),
        TEST(probes_leave_this_process_where_it_is),
        TEST(processes_without_namespaces_are_asked_directly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
