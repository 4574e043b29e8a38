/* What a program made or changed, and the list of inputs that tells. */
#include "engine/changes.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    int work;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    mkdirat(f->scratch.fd, "work", 0755);
    f->work = openat(f->scratch.fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    file_close(&f->work);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

static void only_what_is_new_or_changed_is_listed(void **state)
{
    struct fixture *f = *state;
    auto_command_list struct command_list all = { 0 };
    auto_command_list struct command_list top = { 0 };
    scratch_write(&f->scratch, "work/input", "x", 1);
    scratch_write(&f->scratch, "work/grown", "x", 1);
    assert_int_equal(changes_record(f->work, f->scratch.fd, NULL, &f->err), 0);
    scratch_write(&f->scratch, "work/grown", "xy", 2);
    mkdirat(f->work, "sub", 0700);
    scratch_write(&f->scratch, "work/sub/new", "z", 1);
    assert_int_equal(changes_list(f->work, f->scratch.fd, NULL, &all, &f->err), 0);
    assert_int_equal(all.count, 2);
    assert_int_equal(changes_list_top(f->work, f->scratch.fd, NULL, &top, &f->err), 0);
    assert_int_equal(top.count, 1);
    assert_string_equal(top.items[0], "grown");
}

static void a_list_of_inputs_that_is_no_file_is_refused_at_once(void **state)
{
    struct fixture *f = *state;
    auto_command_list struct command_list names = { 0 };
    assert_int_equal(mkfifoat(f->scratch.fd, "inputs", 0600), 0);
    assert_int_equal(changes_list(f->work, f->scratch.fd, NULL, &names, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    unlinkat(f->scratch.fd, "inputs", 0);
    assert_int_equal(symlinkat("/etc/passwd", f->scratch.fd, "inputs"), 0);
    assert_int_equal(changes_list(f->work, f->scratch.fd, NULL, &names, &f->err), -1);
    assert_int_equal(f->err.sys, ELOOP);
}

static void a_list_is_written_anew_and_never_through_a_link(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf text = { 0 };
    scratch_write(&f->scratch, "elsewhere", "as it was", 9);
    assert_int_equal(symlinkat("elsewhere", f->scratch.fd, "inputs"), 0);
    assert_int_equal(changes_record(f->work, f->scratch.fd, NULL, &f->err), 0);
    assert_int_equal(file_read(f->scratch.fd, "elsewhere", &text, &f->err), 0);
    assert_string_equal(buf_cstr(&text), "as it was");
}

static void what_the_owner_cannot_list_is_not_listed_by_root(void **state)
{
    struct fixture *f = *state;
    struct identity owner = { .uid = 4321, .gid = 5432, .name = "uid4321" };
    auto_command_list struct command_list names = { 0 };
    if (geteuid() != 0) {
        print_message("# skipped: needs root\n");
        skip();
    }
    mkdirat(f->work, "closed", 0700);
    scratch_write(&f->scratch, "work/closed/file", "x", 1);
    assert_int_equal(changes_list(f->work, f->scratch.fd, &owner, &names, &f->err), -1);
    assert_int_equal(f->err.sys, EACCES);
    assert_int_equal(geteuid(), 0);
    assert_int_equal(changes_list(f->work, f->scratch.fd, NULL, &names, &f->err), 0);
    assert_int_equal(names.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_is_new_or_changed_is_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_of_inputs_that_is_no_file_is_refused_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_is_written_anew_and_never_through_a_link, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_owner_cannot_list_is_not_listed_by_root, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
