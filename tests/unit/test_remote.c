/* Remote objects in a directory. The program starts itself as "child put|remove DIRECTORY" under a fault. */
#include "base/clock.h"
#include "child.h"
#include "scratch.h"
#include "store/remote.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <cmocka.h>

enum { MIB = 1 << 20 };

struct fixture {
    struct scratch scratch;
    struct remote *remote;
    int file; /* what is put or got */
    char *place;
    struct error err;
};

static struct remote *open_place(const char *scratch_path)
{
    auto_free char *place = mem_printf("%s/place", scratch_path);
    struct remote_options options = { .place = place };
    struct remote *remote = NULL;
    return remote_open(&options, &remote, NULL) == 0 ? remote : NULL;
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    f->place = mem_printf("%s/place", f->scratch.path);
    assert_int_equal(mkdirat(f->scratch.fd, "place", 0700), 0);
    f->file = openat(f->scratch.fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    f->remote = open_place(f->scratch.path);
    assert_non_null(f->remote);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    remote_close(f->remote);
    close(f->file);
    scratch_close(&f->scratch);
    free(f->place);
    free(f);
    return 0;
}

static void fill(struct fixture *f, const char *text, size_t len)
{
    assert_int_equal(ftruncate(f->file, 0), 0);
    assert_int_equal(pwrite(f->file, text, len, 0), len);
}

static int put(struct fixture *f, const char *name, const char *text)
{
    fill(f, text, strlen(text));
    return remote_put(f->remote, name, f->file, (int64_t)strlen(text), NULL, &f->err);
}

static void expect_object(struct fixture *f, const char *name, const char *text)
{
    char back[64] = "";
    int64_t size = -1;
    fill(f, "what was there before is gone", 29);
    if (remote_get(f->remote, name, f->file, 63, NULL, &f->err) != 0)
        fail_msg("%s: %s", name, f->err.text);
    assert_true(pread(f->file, back, sizeof back - 1, 0) >= 0);
    assert_string_equal(back, text);
    assert_int_equal(remote_has(f->remote, name, &size, &f->err), 0);
    assert_int_equal(size, strlen(text));
}

static void expect_absent(struct fixture *f, const char *name)
{
    int64_t size = 77;
    assert_int_equal(remote_has(f->remote, name, &size, &f->err), REMOTE_ABSENT);
    assert_int_equal(size, 77);
    assert_int_equal(remote_get(f->remote, name, f->file, MIB, NULL, &f->err), REMOTE_ABSENT);
}

static void expect_error(struct fixture *f, int result, enum error_kind kind, const char *text)
{
    assert_int_equal(result, -1);
    if (!strstr(f->err.text, text))
        fail_msg("'%s' is not in '%s'", text, f->err.text);
    assert_int_equal(f->err.kind, kind);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char *name[64];
    size_t count;
    size_t enough;
};

static bool take_name(void *data, const char *name, int64_t size)
{
    struct names *names = data;
    names->name[names->count++] = mem_printf("%s=%lld", name, (long long)size);
    return names->count != names->enough;
}

/* The list as "NAME=SIZE NAME=SIZE …", sorted. */
static void expect_list(struct fixture *f, const char *prefix, const char *expected)
{
    struct names names = { 0 };
    auto_buf struct buf text = { 0 };
    if (remote_list(f->remote, prefix, take_name, &names, &f->err) != 0)
        fail_msg("%s", f->err.text);
    qsort(names.name, names.count, sizeof names.name[0], compare_names);
    for (size_t i = 0; i < names.count; i++) {
        buf_printf(&text, "%s%s", i ? " " : "", names.name[i]);
        free(names.name[i]);
    }
    assert_string_equal(buf_cstr(&text), expected);
}

/* How many names a directory of the place holds besides "." and ".."; -1 when there is none. */
static int count_names(struct fixture *f, const char *name)
{
    auto_free char *path = mem_printf("%s/%s", f->place, name);
    DIR *d = opendir(path);
    int count = -2;
    if (!d)
        return -1;
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void an_object_comes_back_as_it_was_put(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "7.0/000003.manifest", "hello"), 0);
    expect_object(f, "7.0/000003.manifest", "hello");
    assert_int_equal(put(f, "7.0/000003.manifest", ""), 0);
    expect_object(f, "7.0/000003.manifest", "");
    assert_int_equal(put(f, "flat", "x"), 0);
    expect_object(f, "flat", "x");
    assert_int_equal(count_names(f, ".uploads"), 0);
}

static void an_object_of_many_blocks_comes_back_as_it_was_put(void **state)
{
    struct fixture *f = *state;
    size_t len = 5 * MIB + 12345;
    auto_free char *data = mem_zero(1, len);
    auto_free char *back = mem_zero(1, len);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 2654435761U >> 13);
    fill(f, data, len);
    assert_int_equal(lseek(f->file, 0, SEEK_END), len); /* where the descriptor stands does not matter */
    assert_int_equal(remote_put(f->remote, "packs/big", f->file, (int64_t)len, NULL, &f->err), 0);
    fill(f, "", 0);
    assert_int_equal(remote_get(f->remote, "packs/big", f->file, (int64_t)len, NULL, &f->err), 0);
    assert_int_equal(pread(f->file, back, len, 0), len);
    assert_memory_equal(back, data, len);
}

static void what_is_not_there_is_absent(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "packs/a", "x"), 0);
    expect_absent(f, "nothing");
    expect_absent(f, "packs/b");
    expect_absent(f, "packs");     /* a directory is no object */
    expect_absent(f, "packs/a/b"); /* an object is no directory */
    assert_int_equal(remote_remove(f->remote, "nothing/at/all", &f->err), 0);
    assert_int_equal(remote_remove(f->remote, "packs/b", &f->err), 0);
    assert_int_equal(remote_remove(f->remote, "packs/a/b", &f->err), 0);
    assert_int_equal(remote_remove(f->remote, "packs", &f->err), 0);
    expect_object(f, "packs/a", "x");
}

static void a_name_that_could_lead_elsewhere_is_refused_by_every_call(void **state)
{
    struct fixture *f = *state;
    char long_name[REMOTE_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = { "",     "/",      "/etc/passwd", "..",  "../x",    "a/../b", "a/..",    "a//b",   "a/",
                                  ".",    "./a",    "a/.",         ".x",  "a/.x",    "a b",    "a\nb",    "a%2fb",  "a\\b",
                                  "ä", "a?b=c", "a#b",         "a:b", "a\x01", "a*",     ".uploads/x", "a&b", long_name };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int64_t size;
        expect_error(f, put(f, names[i], "x"), ERR_INVALID, "not a name");
        expect_error(f, remote_get(f->remote, names[i], f->file, 9, NULL, &f->err), ERR_INVALID, "not a name");
        expect_error(f, remote_has(f->remote, names[i], &size, &f->err), ERR_INVALID, "not a name");
        expect_error(f, remote_remove(f->remote, names[i], &f->err), ERR_INVALID, "not a name");
    }
    long_name[REMOTE_NAME_MAX] = '\0';
    long_name[100] = long_name[200] = '/';
    assert_int_equal(put(f, long_name, "x"), 0);
    expect_object(f, long_name, "x");
    expect_error(f, remote_list(f->remote, "../", take_name, NULL, &f->err), ERR_INVALID, "no name");
    expect_error(f, remote_list(f->remote, "/", take_name, NULL, &f->err), ERR_INVALID, "no name");
}

static void no_link_leads_out_of_the_place(void **state)
{
    struct fixture *f = *state;
    auto_close int place = openat(f->scratch.fd, "place", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    scratch_write(&f->scratch, "secret", "secret", 6);
    assert_int_equal(symlinkat("..", place, "out"), 0);
    assert_int_equal(symlinkat("../secret", place, "object"), 0);
    assert_int_equal(symlinkat(f->scratch.path, place, "absolute"), 0);
    expect_error(f, remote_get(f->remote, "out/secret", f->file, 9, NULL, &f->err), ERR_INVALID, "leads out");
    expect_error(f, remote_get(f->remote, "absolute/secret", f->file, 9, NULL, &f->err), ERR_INVALID, "leads out");
    expect_error(f, remote_get(f->remote, "object", f->file, 9, NULL, &f->err), ERR_CORRUPT, "a link");
    expect_error(f, remote_has(f->remote, "object", NULL, &f->err), ERR_CORRUPT, "a link");
    expect_error(f, put(f, "out/planted", "x"), ERR_INVALID, "leads out");
    expect_error(f, remote_remove(f->remote, "out/secret", &f->err), ERR_INVALID, "leads out");
    expect_list(f, "", "");
    assert_int_equal(put(f, "object", "mine"), 0);
    expect_object(f, "object", "mine");
    assert_int_equal(put(f, "gone", "x"), 0);
    assert_int_equal(remote_remove(f->remote, "gone", &f->err), 0);
    struct buf text = { 0 };
    assert_int_equal(file_read(f->scratch.fd, "secret", &text, NULL), 0);
    assert_string_equal(buf_cstr(&text), "secret");
    buf_release(&text);
    assert_int_equal(faccessat(f->scratch.fd, "planted", F_OK, 0), -1);
}

static void what_is_no_file_is_an_error_and_does_not_block(void **state)
{
    struct fixture *f = *state;
    auto_free char *fifo = mem_printf("%s/fifo", f->place);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    expect_error(f, remote_get(f->remote, "fifo", f->file, 9, NULL, &f->err), ERR_CORRUPT, "not a file");
    expect_list(f, "", "");
}

static void uploads_cannot_be_led_elsewhere_by_a_link(void **state)
{
    struct fixture *f = *state;
    auto_close int place = openat(f->scratch.fd, "place", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(f->scratch.fd, "elsewhere", 0700), 0);
    assert_int_equal(symlinkat("../elsewhere", place, ".uploads"), 0);
    expect_error(f, put(f, "a", "x"), ERR_SYSTEM, ".uploads");
    expect_absent(f, "a");
}

static void a_list_has_the_names_that_begin_with_the_prefix(void **state)
{
    struct fixture *f = *state;
    expect_list(f, "", "");
    const char *const names[] = { "7.0/000001.manifest", "7.0/000002.manifest", "7.01/x", "70", "packs/ab/cd", "packs/b" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(put(f, names[i], "1234567890" + i), 0);
    expect_list(f, "", "7.0/000001.manifest=10 7.0/000002.manifest=9 7.01/x=8 70=7 packs/ab/cd=6 packs/b=5");
    expect_list(f, "7.0/", "7.0/000001.manifest=10 7.0/000002.manifest=9");
    expect_list(f, "7.0", "7.0/000001.manifest=10 7.0/000002.manifest=9 7.01/x=8");
    expect_list(f, "7", "7.0/000001.manifest=10 7.0/000002.manifest=9 7.01/x=8 70=7");
    expect_list(f, "7.0/000002", "7.0/000002.manifest=9");
    expect_list(f, "packs/ab/cd", "packs/ab/cd=6");
    expect_list(f, "packs/ab/cd/", "");
    expect_list(f, "pack", "packs/ab/cd=6 packs/b=5");
    expect_list(f, "nothing/", "");
}

static void a_list_leaves_out_what_others_keep_there(void **state)
{
    struct fixture *f = *state;
    scratch_write(&f->scratch, "place/My File.txt", "x", 1);
    scratch_write(&f->scratch, "place/.hidden", "x", 1);
    assert_int_equal(mkdirat(f->scratch.fd, "place/.snapshot", 0700), 0);
    scratch_write(&f->scratch, "place/.snapshot/a", "x", 1);
    assert_int_equal(mkdirat(f->scratch.fd, "place/empty", 0700), 0);
    assert_int_equal(put(f, "a", "x"), 0);
    expect_list(f, "", "a=1");
}

static void a_list_stops_when_there_is_enough(void **state)
{
    struct fixture *f = *state;
    struct names names = { .enough = 2 };
    for (char name[] = "d/a"; name[2] < 'f'; name[2]++)
        assert_int_equal(put(f, name, "x"), 0);
    assert_int_equal(remote_list(f->remote, "", take_name, &names, &f->err), 0);
    assert_int_equal(names.count, 2);
    free(names.name[0]);
    free(names.name[1]);
}

static void removing_takes_directories_that_become_empty_along(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a/b/c", "x"), 0);
    assert_int_equal(put(f, "a/d", "y"), 0);
    assert_int_equal(remote_remove(f->remote, "a/b/c", &f->err), 0);
    expect_absent(f, "a/b/c");
    expect_object(f, "a/d", "y");
    assert_int_equal(count_names(f, "a/b"), -1);
    assert_int_equal(remote_remove(f->remote, "a/d", &f->err), 0);
    assert_int_equal(count_names(f, "a"), -1);
    assert_int_equal(put(f, "a/b/c", "again"), 0);
    expect_object(f, "a/b/c", "again");
}

static void puts_survive_that_others_remove_their_directory(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        auto_free char *path = mem_printf("%s/job", f->place);
        for (;; usleep(500))
            rmdir(path);
    }
    for (int i = 0; i < 200; i++) {
        if (put(f, "job/object", "x") != 0)
            fail_msg("%s", f->err.text);
        assert_int_equal(remote_remove(f->remote, "job/object", &f->err), 0);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void an_object_longer_than_allowed_is_not_fetched(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "12345"), 0);
    expect_error(f, remote_get(f->remote, "a", f->file, 4, NULL, &f->err), ERR_LIMIT, "5 bytes");
    assert_int_equal(remote_get(f->remote, "a", f->file, 5, NULL, &f->err), 0);
}

static void a_file_shorter_than_said_is_not_put(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "old"), 0);
    fill(f, "123", 3);
    expect_error(f, remote_put(f->remote, "a", f->file, 4, NULL, &f->err), ERR_CORRUPT, "ends after 3");
    expect_object(f, "a", "old");
    assert_int_equal(count_names(f, ".uploads"), 0);
}

static void a_disk_that_takes_no_more_leaves_the_old_object(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    auto_free char *data = mem_zero(3, MIB);
    assert_int_equal(put(f, "a", "old"), 0);
    fill(f, data, 3 * MIB);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = { .rlim_cur = 2 * MIB + 100, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = remote_put(f->remote, "a", f->file, 3 * MIB, NULL, &f->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_error(f, r, ERR_SYSTEM, "cannot write");
    assert_int_equal(f->err.sys, EFBIG);
    expect_object(f, "a", "old");
    assert_int_equal(count_names(f, ".uploads"), 0);
}

struct patience {
    int calls;
    int left;
    int64_t last;
};

static bool be_patient(void *data, int64_t done_bytes)
{
    struct patience *patience = data;
    patience->calls++;
    patience->last = done_bytes;
    return patience->left-- > 0;
}

static void progress_is_told_and_can_end_a_transfer(void **state)
{
    struct fixture *f = *state;
    struct patience patience = { .left = 1000 };
    struct remote_progress progress = { .fn = be_patient, .data = &patience };
    auto_free char *data = mem_zero(3, MIB);
    fill(f, data, 3 * MIB);
    assert_int_equal(remote_put(f->remote, "a", f->file, 3 * MIB, &progress, &f->err), 0);
    assert_int_equal(patience.last, 3 * MIB);
    assert_true(patience.calls >= 3);
    patience = (struct patience){ .left = 1 };
    expect_error(f, remote_put(f->remote, "b", f->file, 3 * MIB, &progress, &f->err), ERR_SYSTEM, "given up");
    assert_int_equal(f->err.sys, ECANCELED);
    expect_absent(f, "b");
    patience = (struct patience){ .left = 1 };
    expect_error(f, remote_get(f->remote, "a", f->file, 3 * MIB, &progress, &f->err), ERR_SYSTEM, "given up");
    assert_int_equal(count_names(f, ".uploads"), 0);
}

static void what_a_dead_uploader_left_goes_after_a_day(void **state)
{
    struct fixture *f = *state;
    struct timespec old[2] = { { .tv_sec = clock_wall_us() / CLOCK_SECOND_US - 25 * 3600 } };
    old[1] = old[0];
    assert_int_equal(mkdirat(f->scratch.fd, "place/.uploads", 0700), 0);
    scratch_write(&f->scratch, "place/.uploads/dead", "x", 1);
    scratch_write(&f->scratch, "place/.uploads/alive", "x", 1);
    assert_int_equal(utimensat(f->scratch.fd, "place/.uploads/dead", old, 0), 0);
    assert_int_equal(put(f, "a", "x"), 0);
    assert_int_equal(count_names(f, ".uploads"), 1);
    assert_int_equal(faccessat(f->scratch.fd, "place/.uploads/alive", F_OK, 0), 0);
}

/* ---- faults ---- */

static int run_child(const char *what, const char *scratch_path)
{
    struct remote *remote = open_place(scratch_path);
    auto_free char *path = mem_printf("%s/new", scratch_path);
    auto_close int file = open(path, O_RDONLY | O_CLOEXEC);
    struct error err = { 0 };
    int r = strcmp(what, "put") == 0 ? remote_put(remote, "deep/er/object", file, 3, NULL, &err)
                                     : remote_remove(remote, "deep/er/object", &err);
    remote_close(remote);
    return r == 0 ? 0 : 10 + err.sys;
}

static bool has_text(struct fixture *f, const char *text)
{
    char back[8] = "";
    return remote_get(f->remote, "deep/er/object", f->file, 7, NULL, &f->err) == 0 && pread(f->file, back, 7, 0) >= 0 &&
           strcmp(back, text) == 0;
}

static void a_put_that_fails_or_dies_leaves_the_old_object_or_the_new(void **state)
{
    static const struct {
        const char *point;
        bool may_be_new;
    } cases[] = {
        { "write", false }, { "sync", false }, { "rename", false }, { "sync_dir", true }, { "sync_dir", true },
    };
    static const char *const actions[] = { "EIO", "ENOSPC", "kill" };
    static const int results[] = { 10 + EIO, 10 + ENOSPC, -SIGKILL };
    struct fixture *f = *state;
    scratch_write(&f->scratch, "new", "new", 3);
    for (size_t i = 0; i < 3 * (sizeof cases / sizeof cases[0]); i++) {
        const char *point = cases[i / 3].point;
        auto_free char *fault = mem_printf("store.remote.%s:%s@%d", point, actions[i % 3], i / 3 == 4 ? 3 : 1);
        assert_int_equal(remote_remove(f->remote, "deep/er/object", &f->err), 0);
        assert_int_equal(child_run(fault, "put", f->scratch.path), results[i % 3]);
        assert_true(cases[i / 3].may_be_new ? has_text(f, "new") : !has_text(f, "new"));
        assert_int_equal(put(f, "deep/er/object", "old"), 0);
        assert_int_equal(child_run(fault, "put", f->scratch.path), results[i % 3]);
        assert_true(has_text(f, cases[i / 3].may_be_new ? "new" : "old"));
    }
    assert_int_equal(child_run("store.remote.nothing:EIO", "put", f->scratch.path), 0);
    assert_true(has_text(f, "new"));
    assert_int_equal(count_names(f, ".uploads"), 6); /* of the three that were killed before the rename, twice each */
}

static void a_removal_that_fails_or_dies_leaves_the_object_or_none(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "deep/er/object", "old"), 0);
    assert_int_equal(child_run("store.remote.remove:EIO", "remove", f->scratch.path), 10 + EIO);
    assert_int_equal(child_run("store.remote.remove:kill", "remove", f->scratch.path), -SIGKILL);
    assert_true(has_text(f, "old"));
    assert_int_equal(child_run("store.remote.sync_dir:kill", "remove", f->scratch.path), -SIGKILL);
    expect_absent(f, "deep/er/object");
    assert_int_equal(child_run("store.remote.sync_dir:EIO", "remove", f->scratch.path), 10 + EIO); /* not durable yet */
    assert_int_equal(child_run("store.remote.nothing:EIO", "remove", f->scratch.path), 0);
    assert_int_equal(count_names(f, "deep"), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "child") == 0)
        return run_child(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        TEST(an_object_comes_back_as_it_was_put),
        TEST(an_object_of_many_blocks_comes_back_as_it_was_put),
        TEST(what_is_not_there_is_absent),
        TEST(a_name_that_could_lead_elsewhere_is_refused_by_every_call),
        TEST(no_link_leads_out_of_the_place),
        TEST(what_is_no_file_is_an_error_and_does_not_block),
        TEST(uploads_cannot_be_led_elsewhere_by_a_link),
        TEST(a_list_has_the_names_that_begin_with_the_prefix),
        TEST(a_list_leaves_out_what_others_keep_there),
        TEST(a_list_stops_when_there_is_enough),
        TEST(removing_takes_directories_that_become_empty_along),
        TEST(puts_survive_that_others_remove_their_directory),
        TEST(an_object_longer_than_allowed_is_not_fetched),
        TEST(a_file_shorter_than_said_is_not_put),
        TEST(a_disk_that_takes_no_more_leaves_the_old_object),
        TEST(progress_is_told_and_can_end_a_transfer),
        TEST(what_a_dead_uploader_left_goes_after_a_day),
        TEST(a_put_that_fails_or_dies_leaves_the_old_object_or_the_new),
        TEST(a_removal_that_fails_or_dies_leaves_the_object_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
