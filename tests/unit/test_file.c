/* Descriptors, paths, durable files, sockets, and the journal. */
#include "base/buf.h"
#include "base/journal.h"
#include "child.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    int dir;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    f->dir = f->scratch.fd;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

static bool exists(struct fixture *f, const char *name)
{
    return faccessat(f->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static char *contents(struct fixture *f, const char *name)
{
    struct buf text = { 0 };
    assert_int_equal(file_read(f->dir, name, &text, &f->err), 0);
    return buf_steal(&text);
}

static void assert_contents(struct fixture *f, const char *name, const char *expected)
{
    auto_free char *text = contents(f, name);
    assert_string_equal(text, expected);
}

static void closing_keeps_errno_and_forgets_the_descriptor(void **state)
{
    struct fixture *f = *state;
    int fd = openat(f->dir, ".", O_RDONLY), copy = fd;
    errno = EXDEV;
    file_close(&fd);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    file_close(&fd);
}

static void no_name_leads_out_of_its_directory(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "../x", "/etc/passwd", "out/passwd", "sub/../../x", "up", "sub/up/x" };
    mkdirat(f->dir, "sub", 0700);
    assert_int_equal(symlinkat("/etc", f->dir, "out"), 0);
    assert_int_equal(symlinkat("..", f->dir, "up"), 0);
    assert_int_equal(symlinkat("../..", f->dir, "sub/up"), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(file_open_beneath(f->dir, names[i], O_RDONLY, 0, &f->err), -1);
        assert_int_equal(f->err.kind, ERR_INVALID);
        assert_non_null(strstr(f->err.text, "leads out of its directory"));
    }
    scratch_write(&f->scratch, "sub/x", "1", 1);
    assert_int_equal(symlinkat("sub/x", f->dir, "in"), 0);
    auto_close int fd = file_open_beneath(f->dir, "in", O_RDONLY, 0, &f->err);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(file_open_beneath(f->dir, "none", O_RDONLY, 0, &f->err), -1);
    assert_int_equal(f->err.sys, ENOENT);
}

static void parents_are_found_and_made_beneath(void **state)
{
    struct fixture *f = *state;
    const char *leaf = NULL;
    static const char *const bad[] = { "", "/", "/a", "a/", "..", "a/..", "." };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(file_open_parent(f->dir, bad[i], true, &leaf, &f->err), -1);
    assert_int_equal(file_open_parent(f->dir, "a/b/c", false, &leaf, &f->err), -1);
    assert_false(exists(f, "a"));
    auto_close int made = file_open_parent(f->dir, "a/./b//c", true, &leaf, &f->err);
    assert_true(made >= 0);
    assert_string_equal(leaf, "c");
    assert_true(exists(f, "a/b"));
    assert_false(exists(f, "a/b/c"));
    assert_int_equal(symlinkat("/tmp", f->dir, "out"), 0);
    assert_int_equal(file_open_parent(f->dir, "out/x/y", true, &leaf, &f->err), -1);
    auto_close int top = file_open_parent(f->dir, "x", false, &leaf, &f->err);
    assert_true(top >= 0);
    assert_string_equal(leaf, "x");
}

static void a_directory_is_made_with_its_parents(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = mem_printf("%s/a/b/c", f->scratch.path);
    for (int i = 0; i < 2; i++) {
        auto_close int fd = file_make_dirs(path, 0700, &f->err);
        assert_true(fd >= 0);
    }
    assert_true(exists(f, "a/b/c"));
    scratch_write(&f->scratch, "file", "", 0);
    auto_free char *through = mem_printf("%s/file/x", f->scratch.path);
    assert_int_equal(file_make_dirs(through, 0700, &f->err), -1);
    assert_int_equal(file_make_dirs("", 0700, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
}

static void reading_knows_absence_limits_and_failure(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf out = { .max = 10 };
    buf_text(&out, "kept");
    assert_int_equal(file_read(f->dir, "none", &out, &f->err), FILE_ABSENT);
    scratch_write(&f->scratch, "long", "1234567", 7);
    assert_int_equal(file_read(f->dir, "long", &out, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_string_equal(f->err.text, "'long': longer than 10 bytes");
    assert_string_equal(buf_cstr(&out), "kept");
    assert_int_equal(out.len, 4);
    assert_int_equal(file_read(f->dir, ".", &out, &f->err), -1);
    assert_int_equal(f->err.sys, EISDIR);
    buf_clear(&out);
    scratch_write(&f->scratch, "fits", "1234567890", 10);
    assert_int_equal(file_read(f->dir, "fits", &out, &f->err), 0);
    assert_string_equal(buf_cstr(&out), "1234567890");
}

static void a_replacement_is_whole_and_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    scratch_write(&f->scratch, ".a.tmp", "leftover", 8);
    assert_int_equal(file_replace(f->dir, "a", "one", 3, 0640, "test", &f->err), 0);
    assert_contents(f, "a", "one");
    assert_int_equal(file_replace(f->dir, "a", "two", 3, 0600, "test", &f->err), 0);
    assert_contents(f, "a", "two");
    assert_int_equal(fstatat(f->dir, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(exists(f, ".a.tmp"));
    assert_int_equal(symlinkat("a", f->dir, "link"), 0);
    assert_int_equal(file_replace(f->dir, "link", "three", 5, 0600, "test", &f->err), 0);
    assert_contents(f, "a", "two"); /* the link was replaced, not followed */
}

static void a_replacement_works_through_a_parent_descriptor(void **state)
{
    struct fixture *f = *state;
    const char *leaf;
    auto_close int parent = file_open_parent(f->dir, "x/y/a", true, &leaf, &f->err);
    if (file_replace(parent, leaf, "one", 3, 0600, "test", &f->err) < 0)
        fail_msg("%s", f->err.text);
    assert_contents(f, "x/y/a", "one");
}

static int replace_with_new(struct fixture *f)
{
    return file_replace(f->dir, "a", "new", 3, 0600, "test", &f->err) < 0 ? f->err.sys : 0;
}

static void a_replacement_that_fails_or_dies_leaves_the_old_content(void **state)
{
    static const struct { const char *fault; int result; } cases[] = {
        { "test.write:ENOSPC", ENOSPC }, { "test.rename:EIO", EIO }, { "test.write:kill", -9 }, { "test.rename:kill", -9 },
    };
    struct fixture *f = *state;
    scratch_write(&f->scratch, "a", "old", 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(child_run(cases[i].fault, "replace", f->scratch.path), cases[i].result);
        assert_contents(f, "a", "old");
        assert_int_equal(exists(f, ".a.tmp"), cases[i].result < 0);
    }
    assert_int_equal(child_run("", "replace", f->scratch.path), 0);
    assert_contents(f, "a", "new");
}

static void a_copy_has_the_bytes_and_at_most_the_limit(void **state)
{
    static const struct { int64_t limit, copied; } cases[] = { { -1, 3000000 }, { 0, 0 }, { 7, 7 }, { 2000000, 2000000 },
                                                               { 9000000, 3000000 } };
    struct fixture *f = *state;
    auto_free char *data = mem_zero(1, 3000000);
    for (int i = 0; i < 3000000; i++)
        data[i] = (char)(i * 7 >> 3);
    scratch_write(&f->scratch, "in", data, 3000000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_close int in = openat(f->dir, "in", O_RDONLY);
        auto_close int out = openat(f->dir, "out", O_RDWR | O_CREAT | O_TRUNC, 0600);
        auto_buf struct buf got = { 0 };
        int64_t copied = -1;
        assert_int_equal(file_copy(in, out, cases[i].limit, &copied, &f->err), 0);
        assert_int_equal(copied, cases[i].copied);
        assert_int_equal(file_read(f->dir, "out", &got, &f->err), 0);
        assert_int_equal(got.len, cases[i].copied);
        if (got.len)
            assert_memory_equal(got.data, data, got.len);
    }
}

static void what_has_no_size_is_copied_too(void **state)
{
    struct fixture *f = *state;
    auto_close int in = open("/proc/self/status", O_RDONLY);
    auto_close int out = openat(f->dir, "out", O_RDWR | O_CREAT, 0600);
    auto_close int full = open("/dev/full", O_WRONLY);
    int64_t copied;
    assert_int_equal(file_copy(in, out, -1, &copied, &f->err), 0);
    assert_true(copied > 100);
    lseek(in, 0, SEEK_SET);
    assert_int_equal(file_copy(in, full, -1, &copied, &f->err), -1);
    assert_int_equal(f->err.sys, ENOSPC);
}

static void a_tree_goes_with_all_that_is_in_it_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    mkdirat(f->dir, "outside", 0700);
    scratch_write(&f->scratch, "outside/file", "x", 1);
    mkdirat(f->dir, "tree", 0700);
    mkdirat(f->dir, "tree/sub", 0700);
    scratch_write(&f->scratch, "tree/sub/file", "x", 1);
    assert_int_equal(symlinkat("../outside", f->dir, "tree/link"), 0);
    assert_int_equal(fchmodat(f->dir, "tree/sub", 0, 0), 0);
    assert_int_equal(file_remove_tree(f->dir, "tree", &f->err), 0);
    assert_false(exists(f, "tree"));
    assert_true(exists(f, "outside/file"));
    assert_int_equal(file_remove_tree(f->dir, "tree", &f->err), 0);
    assert_int_equal(symlinkat("outside", f->dir, "link"), 0);
    assert_int_equal(file_remove_tree(f->dir, "link", &f->err), 0);
    assert_true(exists(f, "outside/file"));
    assert_int_equal(file_remove_tree(f->dir, "outside/file", &f->err), 0);
    assert_false(exists(f, "outside/file"));
}

static void a_tree_deeper_than_there_are_descriptors_goes_too(void **state)
{
    struct fixture *f = *state;
    auto_close int at = openat(f->dir, ".", O_RDONLY | O_DIRECTORY);
    struct rlimit before, few = { 100, 100 };
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mkdirat(at, i == 0 ? "deep" : i % 40 == 1 ? ".lifted.0" : "d", 0700), 0);
        int next = openat(at, i == 0 ? "deep" : i % 40 == 1 ? ".lifted.0" : "d", O_RDONLY | O_DIRECTORY);
        file_close(&at);
        at = next;
    }
    getrlimit(RLIMIT_NOFILE, &before);
    few.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &few);
    int r = file_remove_tree(f->dir, "deep", &f->err);
    setrlimit(RLIMIT_NOFILE, &before);
    if (r < 0)
        fail_msg("%s", f->err.text);
    assert_false(exists(f, "deep"));
}

static void a_trees_bytes_are_what_it_takes_on_the_disk(void **state)
{
    struct fixture *f = *state;
    auto_free char *data = mem_zero(1, 100000);
    memset(data, 'x', 100000);
    assert_int_equal(file_tree_bytes(f->dir, "none"), 0);
    mkdirat(f->dir, "tree", 0700);
    int64_t empty = file_tree_bytes(f->dir, "tree");
    scratch_write(&f->scratch, "tree/a", data, 100000);
    int64_t one = file_tree_bytes(f->dir, "tree");
    assert_in_range(one - empty, 100000, 200000);
    assert_int_equal(symlinkat("/usr", f->dir, "tree/link"), 0);
    assert_in_range(file_tree_bytes(f->dir, "tree") - one, 0, 8192);
    auto_close int hole = openat(f->dir, "tree/hole", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(hole, 1 << 30), 0);
    assert_true(file_tree_bytes(f->dir, "tree") < 1 << 20);
}

static void sockets_have_names_of_any_depth(void **state)
{
    struct fixture *f = *state;
    char name[128];
    struct stat st;
    auto_close int at = openat(f->dir, ".", O_RDONLY | O_DIRECTORY);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int i = 0; i < 5; i++) {
        mkdirat(at, name, 0700);
        int next = openat(at, name, O_RDONLY | O_DIRECTORY);
        file_close(&at);
        at = next;
    }
    assert_int_equal(file_connect(at, "sock", &f->err), -1);
    assert_int_equal(f->err.sys, ENOENT);
    for (int i = 0; i < 2; i++) { /* the second replaces the first's leftover */
        auto_close int server = file_listen(at, "sock", 0600, &f->err);
        assert_true(server >= 0);
        assert_int_equal(fstatat(at, "sock", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        auto_close int client = file_connect(at, "sock", &f->err);
        assert_true(client >= 0);
        auto_close int served = accept(server, NULL, NULL);
        assert_true(served >= 0);
    }
    assert_int_equal(file_listen(at, name, 0600, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
}

/* ---- journal ---- */

static bool collect(void *data, const char *text, size_t len, int64_t end)
{
    (void)end;
    buf_add(data, text ? text : "!", text ? len : 1);
    buf_char(data, ';');
    return true;
}

static void assert_journal(struct fixture *f, int64_t offset, const char *expected)
{
    auto_buf struct buf out = { 0 };
    if (journal_read(f->dir, "j", offset, collect, &out, &f->err) < 0)
        fail_msg("%s", f->err.text);
    assert_string_equal(buf_cstr(&out), expected);
}

static void append(struct fixture *f, const char *text)
{
    auto_close int fd = journal_open(f->dir, "j", &f->err);
    if (fd < 0 || journal_append(fd, text, strlen(text), &f->err) < 0)
        fail_msg("%s", f->err.text);
}

static bool take_first(void *data, const char *text, size_t len, int64_t end)
{
    (void)text, (void)len;
    *(int64_t *)data = end;
    return false;
}

static void records_come_back_in_order_from_any_end(void **state)
{
    struct fixture *f = *state;
    int64_t end = 0;
    assert_journal(f, 0, "");
    append(f, "one");
    append(f, "");
    append(f, "three");
    assert_journal(f, 0, "one;;three;");
    assert_int_equal(journal_read(f->dir, "j", 0, take_first, &end, &f->err), 0);
    assert_int_equal(end, 13);
    assert_journal(f, end, ";three;");
    assert_journal(f, 1000, "");
}

static void a_records_form_is_the_castagnoli_crc_and_the_text(void **state)
{
    struct fixture *f = *state;
    append(f, "123456789"); /* the check value of CRC-32C's definition */
    assert_contents(f, "j", "e3069283 123456789\n");
}

/* Cuts a journal of three records at every length: what is whole is read, and appending goes on from there. */
static void a_torn_tail_is_never_seen_and_is_cut_off_by_the_next_opening(void **state)
{
    struct fixture *f = *state;
    append(f, "one");
    append(f, "two");
    append(f, "three");
    auto_free char *text = contents(f, "j");
    for (size_t len = 0; len <= strlen(text); len++) {
        const char *read = len < 13 ? "" : len < 26 ? "one;" : len < 41 ? "one;two;" : "one;two;three;";
        auto_free char *after = mem_printf("%snew;", read);
        scratch_write(&f->scratch, "j", text, len);
        assert_journal(f, 0, read);
        append(f, "new");
        assert_journal(f, 0, after);
    }
}

static void zeros_at_the_end_are_a_torn_tail(void **state)
{
    struct fixture *f = *state;
    append(f, "one");
    auto_close int fd = openat(f->dir, "j", O_WRONLY);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_journal(f, 0, "one;");
    append(f, "two");
    assert_journal(f, 0, "one;two;");
}

static void a_changed_byte_in_the_middle_is_a_gap_and_at_the_end_a_torn_tail(void **state)
{
    struct fixture *f = *state;
    append(f, "one");
    append(f, "two");
    auto_free char *text = contents(f, "j");
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        auto_buf struct buf out = { 0 };
        text[i] ^= 1;
        scratch_write(&f->scratch, "j", text, len);
        assert_int_equal(journal_read(f->dir, "j", 0, collect, &out, &f->err), 0);
        /* without the newline between them the two are one bad last line: that could be a torn tail */
        assert_string_equal(buf_cstr(&out), i == 12 ? "" : i < 13 ? "!;two;" : "one;");
        auto_close int fd = journal_open(f->dir, "j", &f->err);
        assert_true(fd >= 0);
        text[i] ^= 1;
    }
}

static void what_cannot_be_a_record_is_refused(void **state)
{
    struct fixture *f = *state;
    auto_close int fd = journal_open(f->dir, "j", &f->err);
    auto_free char *big = mem_zero(1, JOURNAL_RECORD_MAX);
    assert_int_equal(journal_append(fd, "a\nb", 3, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    memset(big, 'x', JOURNAL_RECORD_MAX);
    assert_int_equal(journal_append(fd, big, JOURNAL_RECORD_MAX, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_int_equal(journal_append(fd, big, JOURNAL_RECORD_MAX - 10, &f->err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), JOURNAL_RECORD_MAX);
    assert_int_equal(symlinkat("j", f->dir, "link"), 0);
    assert_int_equal(journal_open(f->dir, "link", &f->err), -1);
    assert_int_equal(f->err.sys, ELOOP);
}

static int append_new(struct fixture *f)
{
    auto_close int fd = journal_open(f->dir, "j", &f->err);
    return journal_append(fd, "new", 3, &f->err) < 0 ? f->err.sys : 0;
}

static void an_append_that_fails_leaves_the_file_as_it_was(void **state)
{
    struct fixture *f = *state;
    append(f, "one");
    assert_int_equal(child_run("journal.append:ENOSPC", "append", f->scratch.path), ENOSPC);
    assert_journal(f, 0, "one;");
    assert_int_equal(child_run("journal.appended:EIO", "append", f->scratch.path), EIO);
    assert_journal(f, 0, "one;");
    assert_int_equal(child_run("journal.append:kill", "append", f->scratch.path), -9);
    assert_journal(f, 0, "one;");
    assert_int_equal(child_run("journal.appended:kill", "append", f->scratch.path), -9);
    assert_journal(f, 0, "one;new;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "child") == 0) {
        struct fixture f = { .dir = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
        return strcmp(argv[2], "replace") == 0 ? replace_with_new(&f) : append_new(&f);
    }
    const struct CMUnitTest tests[] = {
        TEST(closing_keeps_errno_and_forgets_the_descriptor),
        TEST(no_name_leads_out_of_its_directory),
        TEST(parents_are_found_and_made_beneath),
        TEST(a_directory_is_made_with_its_parents),
        TEST(reading_knows_absence_limits_and_failure),
        TEST(a_replacement_is_whole_and_leaves_nothing_behind),
        TEST(a_replacement_works_through_a_parent_descriptor),
        TEST(a_replacement_that_fails_or_dies_leaves_the_old_content),
        TEST(a_copy_has_the_bytes_and_at_most_the_limit),
        TEST(what_has_no_size_is_copied_too),
        TEST(a_tree_goes_with_all_that_is_in_it_and_nothing_else),
        TEST(a_tree_deeper_than_there_are_descriptors_goes_too),
        TEST(a_trees_bytes_are_what_it_takes_on_the_disk),
        TEST(sockets_have_names_of_any_depth),
        TEST(records_come_back_in_order_from_any_end),
        TEST(a_records_form_is_the_castagnoli_crc_and_the_text),
        TEST(a_torn_tail_is_never_seen_and_is_cut_off_by_the_next_opening),
        TEST(zeros_at_the_end_are_a_torn_tail),
        TEST(a_changed_byte_in_the_middle_is_a_gap_and_at_the_end_a_torn_tail),
        TEST(what_cannot_be_a_record_is_refused),
        TEST(an_append_that_fails_leaves_the_file_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
