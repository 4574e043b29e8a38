#include "store_place.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void set_time(int dir, const char *name, int64_t sec, long nsec)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { sec, nsec } };
    assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* ---- round trips ---- */

static void every_kind_of_file_comes_back(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    int w = p->work;
    place_write(w, "empty", "", 0);
    place_write(w, "one", "1", 1);
    place_fill(w, "chunk", 0, STORE_CHUNK_BYTES, 1);
    place_fill(w, "chunk and one", 0, STORE_CHUNK_BYTES + 1, 2);
    place_fill(w, "big", 0, (size_t)13 * MIB + 7, 3);
    auto_close int sparse = openat(w, "sparse", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(sparse, 5 * MIB), 0);
    place_write(w, "new\nline %41 \t\xff\xfe \xc3\xa9", "x", 1);
    place_write(w, "..dots", "x", 1);
    auto_close int sub = place_mkdir(w, "sub");
    auto_close int deep = place_mkdir(sub, "deep");
    place_write(deep, "file", "deep", 4);
    assert_int_equal(mkdirat(w, "empty dir", 0710), 0);
    assert_int_equal(symlinkat("sub/deep", w, "link"), 0);
    assert_int_equal(symlinkat("/etc/pass wd", w, "absolute"), 0);
    assert_int_equal(symlinkat("../../..", w, "up"), 0);
    assert_int_equal(mkfifoat(w, "fifo", 0600), 0);
    assert_int_equal(fchmodat(w, "fifo", 0246, 0), 0);
    auto_close int sock = file_listen(w, "socket", 0600, &err);
    assert_true(sock >= 0);
    assert_int_equal(fchmodat(w, "one", 0751, 0), 0);
    set_time(w, "one", -5, 250000000);
    set_time(w, "link", 1234567890, 987654321);
    set_time(w, "empty dir", 99, 1);
    set_time(w, "fifo", 77, 5);
    set_time(sub, "deep", 1000000000, 3);
    assert_int_equal(fchmodat(w, "sub", 0555, 0), 0);
    set_time(w, "sub", 1000000001, 4);
    assert_true(place_commit(p, 1) > 0);
    assert_int_equal(place_verify(p, 1, &err), 0);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_int_equal(assert_same_tree(w, p->back), 16);
    assert_int_equal(faccessat(p->back, "socket", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(fchmodat(w, "sub", 0755, 0), 0);
}

static void many_small_files_come_back(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int sub = place_mkdir(p->work, "sub");
    for (int i = 0; i < 400; i++) {
        char name[32];
        snprintf(name, sizeof name, "file %d", i);
        place_fill(i % 2 ? sub : p->work, name, 0, 30000 + (size_t)i, (uint64_t)i + 100);
    }
    place_commit(p, 1);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_int_equal(assert_same_tree(p->work, p->back), 401);
}

static void depth_costs_no_descriptors(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int at = place_mkdir(p->work, "d");
    for (int i = 0; i < 300; i++) {
        int next = place_mkdir(at, "d");
        file_close(&at);
        at = next;
    }
    place_write(at, "bottom", "x", 1);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = { 40, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    place_commit(p, 1);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
    assert_int_equal(m.entry_count, 302);
}

static void two_trees_keep_apart(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int std = place_mkdir(p->dir, "std");
    auto_close int std_back = place_mkdir(p->dir, "std back");
    place_write(p->work, "x", "work", 4);
    place_write(std, "x", "std", 3);
    struct store_tree trees[] = { { "work", p->work }, { "std", std } };
    struct store_source sources[] = { { "std", "x", false }, { "work", "./", false } };
    struct store_request request = { .job = "7.0", .trees = trees, .tree_count = 2, .sources = sources, .source_count = 2 };
    auto_manifest struct manifest m = place_head(p, 1, "checkpoint");
    assert_int_equal(place_store(p, &request, &m, &err), 0);
    assert_int_equal(m.entry_count, 2);
    assert_string_equal(m.entries[0].name, "std/x");
    struct store_tree half = { "work", p->back };
    assert_int_equal(store_extract(p->store, NULL, &m, &half, 1, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(place_count_names(p->back), 0);
    struct store_tree both[] = { { "std", std_back }, { "work", p->back } };
    assert_int_equal(store_extract(p->store, NULL, &m, both, 2, NULL, &err), 0);
    assert_int_equal(assert_same_tree(p->work, p->back), 1);
    assert_int_equal(assert_same_tree(std, std_back), 1);
}

/* ---- what a source may be ---- */

static void sources_may_be_written_as_users_do(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const char *const forms[] = { "a/b/c", "./a//b/./c", "a/b/c/" };
    auto_close int a = place_mkdir(p->work, "a");
    auto_close int b = place_mkdir(a, "b");
    auto_close int c = place_mkdir(b, "c");
    place_write(c, "file", "x", 1);
    place_write(b, "other", "y", 1);
    for (size_t i = 0; i < 3; i++) {
        auto_manifest struct manifest m = { 0 };
        assert_int_equal(place_try(p, forms[i], (int)i + 1, &m, &err), 0);
        assert_int_equal(m.entry_count, 4);
        assert_string_equal(m.entries[0].name, "work/a");
        assert_string_equal(m.entries[3].name, "work/a/b/c/file");
    }
}

static void overlapping_sources_are_stored_once(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int a = place_mkdir(p->work, "a");
    place_write(a, "x", "x", 1);
    place_write(a, "y", "y", 1);
    struct store_tree tree = { "work", p->work };
    struct store_source sources[] = {
        { "work", "a/x" }, { "work", "a" }, { "work", "a/x" }, { "work", "gone", .optional = true }
    };
    struct store_request request = { .job = "7.0", .trees = &tree, .tree_count = 1, .sources = sources, .source_count = 4 };
    auto_manifest struct manifest m = place_head(p, 1, "checkpoint");
    assert_int_equal(place_store(p, &request, &m, &err), 0);
    assert_int_equal(m.entry_count, 3);
    assert_int_equal(m.bytes, 2);
    assert_int_equal(place_count_records(p), 2);
}

static void a_source_outside_its_tree_is_refused(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    place_write(p->back, "secret", "x", 1);
    assert_int_equal(symlinkat("../back", p->work, "out"), 0);
    static const char *const names[] = { "/etc/passwd", "../back/secret", "a/../../back", "..", "out/secret", "absent" };
    for (size_t i = 0; i < 6; i++) {
        struct store_capture *capture = NULL;
        if (place_capture(p, names[i], &capture, &err) != -1)
            fail_msg("captured '%s'", names[i]);
        assert_non_null(strstr(err.text, names[i]));
        assert_null(capture);
    }
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(place_try(p, "out", 1, &m, &err), 0);
    assert_int_equal(m.entries[0].type, STORE_LINK);
}

static void a_job_s_name_is_one_plain_name(void **state)
{
    struct place *p = *state;
    static const char *const names[] = { "", ".", "..", "../x", "a/b", ".hidden" };
    for (size_t i = 0; i < 6; i++) {
        struct store_capture *capture = NULL;
        struct error err = { 0 };
        p->job = names[i];
        assert_int_equal(place_capture(p, ".", &capture, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(store_fence(p->store, names[i], 1, &err), -1);
        assert_int_equal(store_branch(p->store, "7.0", 1, names[i], 1, 1, &err) == 0, false);
        assert_int_equal(store_remove(p->store, names[i], &err), -1);
    }
}

static void a_socket_is_passed_over(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int sub = place_mkdir(p->work, "sub");
    auto_close int sock = file_listen(sub, "socket", 0600, &err);
    static const char *const names[] = { "sub/socket", "." };
    for (size_t i = 0; i < 2; i++) {
        auto_manifest struct manifest m = { 0 };
        assert_int_equal(place_try(p, names[i], (int)i + 1, &m, &err), 0);
        assert_int_equal(m.entry_count, i); /* the directory alone */
        assert_int_equal(m.bytes, 0);
    }
}

/* Whoever has it open keeps the one that he has: a restore makes a new one. */
static void a_fifo_comes_back_whatever_is_in_its_place(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int sub = place_mkdir(p->work, "sub");
    assert_int_equal(mkfifoat(sub, "fifo", 0640), 0);
    auto_close int reader = openat(sub, "fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    auto_close int writer = openat(sub, "fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(write(writer, "x", 1), 1);
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(place_try(p, "sub/fifo", 1, &m, &err), 0);
    assert_int_equal(m.entry_count, 2);
    assert_true(m.entries[1].type == STORE_FIFO && m.entries[1].mode == 0640 && m.bytes == 0);
    auto_close int back = place_mkdir(p->back, "sub");
    for (int in_its_place = 0; in_its_place < 5; in_its_place++) {
        auto_close int dir = in_its_place == 1 ? place_mkdir(back, "fifo") : -1;
        if (in_its_place == 1)
            place_write(dir, "x", "x", 1);
        if (in_its_place == 2)
            place_write(back, "fifo", "x", 1);
        if (in_its_place == 3)
            assert_int_equal(symlinkat("/etc/passwd", back, "fifo"), 0);
        if (in_its_place == 4)
            assert_int_equal(mkfifoat(back, "fifo", 0), 0);
        if (place_restore(p, 1, &err) != 0)
            fail_msg("%d: %s", in_its_place, err.text);
        assert_int_equal(assert_same_tree(p->work, p->back), 2);
        assert_int_equal(unlinkat(back, "fifo", 0), 0);
    }
}

static void a_file_that_may_not_be_read_is_named(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    if (geteuid() == 0)
        skip();
    struct store_capture *capture = NULL;
    place_write(p->work, "a", "x", 1);
    place_write(p->work, "secret", "x", 1);
    assert_int_equal(fchmodat(p->work, "secret", 0, 0), 0);
    assert_int_equal(place_capture(p, ".", &capture, &err), -1);
    assert_int_equal(err.sys, EACCES);
    assert_non_null(strstr(err.text, "secret"));
    assert_int_equal(place_count_packs(p), 0);
}

static void a_store_that_cannot_be_made_is_named(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store *store = NULL;
    place_write(p->dir, "file", "x", 1);
    static const char *const names[] = { "file", "file/store" };
    for (size_t i = 0; i < 2; i++) {
        auto_free char *path = place_path(p, names[i]);
        assert_int_equal(store_open(path, &store, &err), -1);
        assert_non_null(strstr(err.text, path));
        assert_null(store);
    }
    store_close(NULL);
    auto_free char *deep = place_path(p, "deep/er/store");
    assert_int_equal(store_open(deep, &store, &err), 0);
    store_close(store);
}

/* ---- generations ---- */

static void an_append_stores_the_tail_only(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "log", 0, 10 * MIB, 1);
    assert_int_equal(place_commit(p, 1), 10 * MIB);
    assert_int_equal(place_commit(p, 2), 0);
    place_fill(p->work, "log", 10 * MIB, 100, 2); /* a chunk of its own */
    assert_int_equal(place_commit(p, 3), 100);
    place_fill(p->work, "log", 10 * MIB + 100, 5000, 3); /* the page that was begun, and another */
    assert_int_equal(place_commit(p, 4), 5100);
    place_fill(p->work, "copy", 0, 10 * MIB, 1);
    assert_int_equal(place_commit(p, 5), 0);
    assert_int_equal(place_count_packs(p), 3);
    assert_int_equal(place_count_records(p), 12);
}

static void a_generation_is_never_replaced(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest first = { 0 }, again = place_head(p, 1, "checkpoint"), later = { 0 };
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = { .job = "7.0", .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1 };
    assert_int_equal(symlinkat("nowhere", p->work, "link"), 0);
    assert_int_equal(place_try(p, ".", 1, &first, &err), 0);
    assert_int_equal(place_store(p, &request, &again, &err), 0); /* the same again: nothing new, so it is the same text */
    place_write(p->work, "x", "one", 3);
    later = place_head(p, 1, "checkpoint");
    assert_int_equal(place_store(p, &request, &later, &err), STORE_EXISTS);
    assert_int_equal(place_count_packs(p), 0);
    unlinkat(p->work, "x", 0);
    later = place_head(p, 1, "checkpoint");
    later.stint = 8;
    assert_int_equal(place_store(p, &request, &later, &err), STORE_EXISTS);
    auto_manifest struct manifest there = { 0 };
    assert_int_equal(store_manifest(p->store, "7.0", 1, &there, &err), 0);
    assert_int_equal(there.stint, 7);
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_buf struct buf names = { 0 };
    place_list_names(job, "", false, &names);
    assert_string_equal(buf_cstr(&names), "000001.manifest hints owner packs");
}

static void a_commit_without_its_packs_fails(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_capture *capture = NULL;
    auto_manifest struct manifest m = place_head(p, 1, "checkpoint");
    place_write(p->work, "x", "one", 3);
    p->hurry = true; /* so that it has a pack already */
    assert_int_equal(place_capture(p, ".", &capture, &err), 0);
    assert_int_equal(place_count_packs(p), 1);
    assert_int_equal(file_remove_tree(p->dir, "store/7.0/packs", &err), 0);
    assert_int_equal(store_commit(capture, &m, &err), -1);
    store_capture_free(capture);
    assert_int_equal(place_verify(p, 1, &err), STORE_ABSENT);
}

static void generations_are_listed_in_order(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_free int *generations = NULL;
    size_t count = 9;
    assert_int_equal(store_list(p->store, "7.0", &generations, &count, &err), 0);
    assert_int_equal(count, 0);
    place_write(p->work, "x", "one", 3);
    static const int numbers[] = { 1234567, 2, 10, 1 };
    for (size_t i = 0; i < 4; i++)
        place_commit(p, numbers[i]);
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place_write(job, "3.manifest", "x", 1);
    place_write(job, "000004.manifest.tmp", "x", 1);
    place_write(job, "000000.manifest", "x", 1);
    assert_int_equal(store_list(p->store, "7.0", &generations, &count, &err), 0);
    assert_int_equal(count, 4);
    assert_true(generations[0] == 1 && generations[1] == 2 && generations[2] == 10 && generations[3] == 1234567);
}

static void expect_generations(struct place *p, const char *expected)
{
    auto_free int *generations = NULL;
    auto_buf struct buf text = { 0 };
    size_t count = 0;
    assert_int_equal(store_list(p->store, "7.0", &generations, &count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%d", i ? " " : "", generations[i]);
    assert_string_equal(buf_cstr(&text), expected);
}

/* One letter per generation: c(heckpoint), e(victed), u(nreadable). */
static const struct {
    const char *kinds;
    int keep;
    const char *left;
    size_t packs;
} retained[] = {
    { "c", 2, "1", 1 },           { "ccc", 2, "2 3", 2 },         { "ccc", 0, "3", 1 },         { "ceccece", 2, "4 5 6 7", 4 },
    { "eec", 1, "3", 1 },         { "ceee", 2, "1 3 4", 3 },      { "eeee", 2, "3 4", 2 },      { "cuc", 2, "1 2 3", 3 },
    { "ucc", 2, "2 3", 2 },       { "cccu", 2, "2 3 4", 4 },      { "cucc", 2, "3 4", 2 },      { "u", 1, "1", 1 },
};

static void retention_keeps_what_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof retained / sizeof retained[0]; i++) {
        struct place p;
        struct error err = { 0 };
        place_open(&p);
        for (int g = 1; retained[i].kinds[g - 1]; g++) {
            place_write(p.work, "x", &g, sizeof g);
            place_commit_as(&p, g, retained[i].kinds[g - 1] == 'e' ? "evicted" : "checkpoint");
        }
        for (int g = 1; retained[i].kinds[g - 1]; g++) {
            char name[64];
            snprintf(name, sizeof name, "store/7.0/%06d.manifest", g);
            if (retained[i].kinds[g - 1] == 'u')
                place_write(p.dir, name, "stint-manifest 2\n", 17);
        }
        assert_int_equal(place_retain(&p, retained[i].keep, &err), 0);
        expect_generations(&p, retained[i].left);
        assert_int_equal(place_count_packs(&p), retained[i].packs);
        place_close(&p);
    }
}

static void retention_keeps_shared_packs(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    place_fill(p->work, "shared", 0, 5 * MIB, 1);
    for (int g = 1; g <= 4; g++) {
        place_fill(p->work, "own", 0, 1000, (uint64_t)g + 1);
        place_commit(p, g);
    }
    assert_int_equal(place_count_packs(p), 4);
    assert_int_equal(place_count_records(p), 9);
    assert_int_equal(place_retain(p, 2, &err), 0);
    assert_int_equal(place_count_packs(p), 3); /* generation 2's went */
    assert_int_equal(place_verify(p, 3, &err), 0);
    assert_int_equal(place_verify(p, 4, &err), 0);
    p->job = "none.0";
    assert_int_equal(place_retain(p, 2, &err), 0);
}

static void leftovers_of_a_killed_capture_are_swept_by_the_next(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    place_write(p->work, "x", "one", 3);
    place_commit(p, 1);
    place_write(p->work, "x", "two", 3);
    p->hurry = true;
    pid_t pid = fork();
    if (pid == 0) {
        struct store_capture *lost = NULL;
        _exit(place_capture(p, ".", &lost, &err) == 0 ? 0 : 1); /* without an end: as if killed */
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    auto_close int packs = place_packs_dir(p);
    place_write(packs, "0123456789abcdef0123456789abcdef.bad", "", 0);
    assert_int_equal(place_count_packs(p), 2);
    place_write(p->work, "x", "three", 5);
    place_commit(p, 2);
    assert_int_equal(place_count_names(packs), 2);
    assert_int_equal(place_count_packs(p), 2);
}

static void collect_job(void *data, const char *job)
{
    buf_printf(data, "[%s]", job);
}

static void jobs_and_generations_can_be_removed(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_buf struct buf jobs = { 0 };
    for (int g = 1; g <= 2; g++) {
        place_write(p->work, "x", &g, sizeof g);
        place_commit(p, g);
    }
    assert_int_equal(store_each_job(p->store, collect_job, &jobs, &err), 0);
    assert_string_equal(buf_cstr(&jobs), "[7.0]");
    assert_int_equal(store_drop(p->store, "7.0", 2, &err), 0);
    assert_int_equal(store_drop(p->store, "7.0", 2, &err), 0);
    assert_int_equal(store_drop(p->store, "8.0", 2, &err), 0);
    expect_generations(p, "1");
    assert_int_equal(place_count_packs(p), 1);
    assert_int_equal(store_remove(p->store, "7.0", &err), 0);
    assert_int_equal(store_remove(p->store, "7.0", &err), 0);
    buf_clear(&jobs);
    assert_int_equal(store_each_job(p->store, collect_job, &jobs, &err), 0);
    assert_string_equal(buf_cstr(&jobs), "");
}

static void expect_modes(int dir)
{
    DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (strcmp(e->d_name, "..") == 0)
            continue;
        assert_int_equal(fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode & 07777, S_ISDIR(st.st_mode) ? 0700 : 0600);
        auto_close int below = S_ISDIR(st.st_mode) && strcmp(e->d_name, ".") != 0 ? place_mkdir(dir, e->d_name) : -1;
        if (below >= 0)
            expect_modes(below);
    }
    closedir(d);
}

static void the_store_is_for_its_owner_only(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct stat st;
    mode_t before = umask(0);
    place_fill(p->work, "x", 0, 100000, 1); /* large enough to be shared and to have hints */
    place_commit(p, 1);
    assert_int_equal(store_fence(p->store, "7.0", 8, &err), 0);
    assert_int_equal(store_pin(p->store, "7.0", 1, true, &err), 0);
    umask(before);
    auto_close int store = openat(p->dir, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int job = openat(store, "7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_buf struct buf names = { 0 };
    place_list_names(job, "", false, &names);
    assert_string_equal(buf_cstr(&names), "000001.manifest 000001.pin fence hints owner packs");
    expect_modes(store);
    assert_int_equal(fstatat(p->dir, "store.key", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* ---- what is in a restore's way ---- */

static void links_planted_in_the_tree_are_replaced_not_followed(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int outside = place_mkdir(p->dir, "outside");
    place_write(outside, "file", "precious", 8);
    auto_close int sub = place_mkdir(p->work, "sub");
    auto_close int inner = place_mkdir(sub, "inner");
    place_write(inner, "file", "mine", 4);
    place_write(p->work, "file", "mine", 4);
    assert_int_equal(symlinkat("nowhere", p->work, "link"), 0);
    place_commit(p, 1);
    assert_int_equal(symlinkat("../outside", p->back, "sub"), 0);
    assert_int_equal(symlinkat("../outside/file", p->back, "file"), 0);
    assert_int_equal(symlinkat("../outside/file", p->back, ".stint-restore.0"), 0);
    auto_close int link = place_mkdir(p->back, "link"); /* and a directory in the way of a link */
    place_write(link, "x", "x", 1);
    if (place_restore(p, 1, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(unlinkat(p->back, ".stint-restore.0", 0), 0);
    assert_same_tree(p->work, p->back);
    auto_buf struct buf text = { 0 };
    assert_int_equal(file_read(outside, "file", &text, NULL), 0);
    assert_string_equal(buf_cstr(&text), "precious");
    assert_int_equal(place_count_names(outside), 1);
}

static void a_restore_replaces_what_is_in_its_way(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int sub = place_mkdir(p->work, "sub");
    place_write(sub, "x", "x", 1);
    place_write(p->work, "file", "mine", 4);
    place_commit(p, 1);
    place_write(p->back, "sub", "a file", 6);
    auto_close int file = place_mkdir(p->back, "file");
    place_write(file, "x", "x", 1);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_int_equal(fchmodat(p->back, "sub", 0500, 0), 0);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_same_tree(p->work, p->back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(every_kind_of_file_comes_back),
        place_test(many_small_files_come_back),
        place_test(depth_costs_no_descriptors),
        place_test(two_trees_keep_apart),
        place_test(sources_may_be_written_as_users_do),
        place_test(overlapping_sources_are_stored_once),
        place_test(a_source_outside_its_tree_is_refused),
        place_test(a_job_s_name_is_one_plain_name),
        place_test(a_socket_is_passed_over),
        place_test(a_fifo_comes_back_whatever_is_in_its_place),
        place_test(a_file_that_may_not_be_read_is_named),
        place_test(a_store_that_cannot_be_made_is_named),
        place_test(an_append_stores_the_tail_only),
        place_test(a_generation_is_never_replaced),
        place_test(a_commit_without_its_packs_fails),
        place_test(generations_are_listed_in_order),
        cmocka_unit_test(retention_keeps_what_it_should),
        place_test(retention_keeps_shared_packs),
        place_test(leftovers_of_a_killed_capture_are_swept_by_the_next),
        place_test(jobs_and_generations_can_be_removed),
        place_test(links_planted_in_the_tree_are_replaced_not_followed),
        place_test(a_restore_replaces_what_is_in_its_way),
        place_test(the_store_is_for_its_owner_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
