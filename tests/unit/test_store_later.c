/*
 * What a capture does not read while its program stands still: files that did not change, that share their blocks with a clone, and
 * beginnings of those that are only appended to. How many chunks are read is seen in the trace of the fault points.
 *
 * Whether a file's times tell of changes depends on the file system. STINT_TEST_DIR says where to try it; where they do not tell, only
 * what is true everywhere is tested.
 */
#include "store_place.h"

#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum { BIG = 5 * MIB + 5000 };

static char trace_path[64];

/* How many chunks have been read since the last call. */
static int reads(void)
{
    static const char line[] = " store.capture.read\n";
    auto_buf struct buf text = { 0 };
    int count = 0;
    file_read(AT_FDCWD, trace_path, &text, NULL);
    for (const char *at = buf_cstr(&text); (at = strstr(at, line)); at += sizeof line - 1)
        count++;
    assert_true(truncate(trace_path, 0) == 0 || errno == ENOENT);
    return count;
}

static struct store_capture *take(struct place *p, const struct store_still *still)
{
    struct error err;
    struct store_capture *capture = NULL;
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = p->hurry, .still = still };
    if (store_capture(p->store, &request, &capture, &err) < 0)
        fail_msg("%s", err.text);
    return capture;
}

static int finish(struct place *p, struct store_capture *capture, int generation, struct error *err)
{
    auto_manifest struct manifest m = place_head(p, generation, "checkpoint");
    int r = store_commit(capture, &m, err);
    p->parent = r == 0 ? generation : p->parent;
    store_capture_free(capture);
    return r;
}

static void commit(struct place *p, int generation, const struct store_still *still)
{
    struct error err;
    if (finish(p, take(p, still), generation, &err) != 0)
        fail_msg("%s", err.text);
}

static void expect_back(struct place *p, int generation)
{
    struct error err;
    place_empty_back(p);
    if (place_restore(p, generation, &err) != 0)
        fail_msg("%s", err.text);
    assert_same_tree(p->work, p->back);
}

static ino_t inode_of(const struct place *p, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(p->work, name, &st, 0), 0);
    return st.st_ino;
}

/* Files that changed a moment ago may change again unnoticed. */
static void settle(void)
{
    struct timespec wait = { 2, 200000000 };
    nanosleep(&wait, NULL);
}

static const struct store_still nothing = { 0 };

/* Whether the second of two captures found that nothing changed, where the first was of settled files. */
static bool times_tell(struct place *p, int generation)
{
    commit(p, generation, &nothing);
    reads();
    commit(p, generation + 1, &nothing);
    return reads() == 0;
}

static void fill(struct place *p)
{
    auto_close int sub = place_mkdir(p->work, "sub");
    place_fill(p->work, "big", 0, BIG, 1);
    place_fill(p->work, "small", 0, 100, 2);
    place_fill(sub, "middle", 0, 70000, 3);
    assert_int_equal(ftruncate(openat(p->work, "holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 3 * MIB), 0);
}

static void files_that_did_not_change_are_not_read(void **state)
{
    struct place *p = *state;
    fill(p);
    settle();
    if (!times_tell(p, 1)) {
        print_message("# times do not tell of changes here\n");
        skip();
    }
    expect_back(p, 2);
    for (int g = 3; g <= 5; g++) { /* hints were taken over as well */
        place_fill(p->work, "small", 0, 100, (uint64_t)g);
        commit(p, g, &nothing);
        assert_int_equal(reads(), 1);
        expect_back(p, g);
    }
    place_fill(p->work, "big", 2 * MIB + 9000, 100, 9);
    auto_manifest struct manifest m = place_head(p, 6, "checkpoint");
    struct error err;
    struct store_capture *capture = take(p, &nothing);
    assert_int_equal(store_commit(capture, &m, &err), 0);
    store_capture_free(capture);
    assert_true(m.new_bytes < 64 * 1024); /* one page, upon what was found by hints */
    expect_back(p, 6);
}

static void without_knowledge_all_is_read(void **state)
{
    struct place *p = *state;
    fill(p);
    settle();
    commit(p, 1, NULL);
    reads();
    commit(p, 2, NULL);
    assert_int_equal(reads(), 1 + 1 + 3 + 6);
    commit(p, 3, &nothing); /* nobody noted the times */
    assert_int_equal(reads(), 1 + 1 + 3 + 6);
}

static void what_changed_a_moment_ago_is_read_again(void **state)
{
    struct place *p = *state;
    fill(p);
    commit(p, 1, &nothing);
    reads();
    commit(p, 2, &nothing);
    assert_int_equal(reads(), 1 + 1 + 3 + 6);
}

static void change_keeping_times(struct place *p, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(p->work, name, &st, 0), 0);
    place_fill(p->work, name, 50, 10, 77);
    assert_int_equal(utimensat(p->work, name, (struct timespec[]){ st.st_atim, st.st_mtim }, 0), 0);
}

static void replace_keeping_times(struct place *p, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(p->work, name, &st, 0), 0);
    place_fill(p->work, "other", 0, (size_t)st.st_size, 78);
    assert_int_equal(renameat(p->work, "other", p->work, name), 0);
    assert_int_equal(utimensat(p->work, name, (struct timespec[]){ st.st_atim, st.st_mtim }, 0), 0);
}

static void change_mapped(struct place *p, const char *name)
{
    auto_close int fd = openat(p->work, name, O_RDWR | O_CLOEXEC);
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    at[17] ^= 1;
    munmap(at, 4096);
}

static void whatever_changes_is_found(void **state)
{
    static void (*const changes[])(struct place *p, const char *name) = { change_keeping_times, replace_keeping_times, change_mapped };
    struct place *p = *state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        int g = (int)i * 3;
        fill(p);
        settle();
        times_tell(p, g + 1);
        changes[i](p, "sub/middle");
        commit(p, g + 3, &nothing);
        expect_back(p, g + 3);
    }
}

/* The kernel notes the first write to a mapped page; the next ones not, until it has written it to the disk. */
static void mapped_files_are_read(void **state)
{
    struct place *p = *state;
    fill(p);
    auto_close int fd = openat(p->work, "big", O_RDWR | O_CLOEXEC);
    char *at = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    const ino_t mapped[] = { inode_of(p, "big") };
    struct store_still still = { .mapped = mapped, .mapped_count = 1 };
    at[3 * MIB] ^= 1;
    settle();
    for (int g = 1; g <= 3; g++) {
        commit(p, g, &still);
        at[3 * MIB] ^= 3;
        commit(p, g + 3, g == 3 ? &nothing : &still); /* it may have been unmapped by then */
        p->parent = g;
        expect_back(p, g + 3);
        assert_int_equal(store_drop(p->store, p->job, g + 3, &(struct error){ 0 }), 0);
    }
    munmap(at, BIG);
}

/* ---- appended ---- */

static void grow(struct place *p, const char *name, size_t bytes, uint64_t seed)
{
    struct stat st;
    assert_int_equal(fstatat(p->work, name, &st, 0), 0);
    place_fill(p->work, name, st.st_size, bytes, seed);
}

static bool can_clone(const struct place *p)
{
    auto_close int from = openat(p->work, "clone.from", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    auto_close int to = openat(p->work, "clone.to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool can = write(from, "x", 1) == 1 && ioctl(to, FICLONE, from) == 0;
    unlinkat(p->work, "clone.from", 0);
    unlinkat(p->work, "clone.to", 0);
    return can;
}

static void of_appended_files_the_end_is_read(void **state)
{
    struct place *p = *state;
    if (can_clone(p)) {
        print_message("# files are cloned here instead\n");
        skip();
    }
    place_fill(p->work, "log", 0, BIG, 1);
    const ino_t appended[] = { 1, inode_of(p, "log") };
    struct store_still still = { .appended = appended, .appended_count = 2 };
    commit(p, 1, &still);
    reads();
    for (int g = 2; g <= 5; g++) {
        grow(p, "log", (size_t)g * 400000, (uint64_t)g);
        struct stat st;
        assert_int_equal(fstatat(p->work, "log", &st, 0), 0);
        struct store_capture *capture = take(p, &still);
        int all = (int)((st.st_size + MIB - 1) / MIB), now = reads();
        assert_true(now < all && now <= 4);
        struct error err;
        assert_int_equal(finish(p, capture, g, &err), 0);
        assert_int_equal(reads(), all - now);
        expect_back(p, g);
    }
}

static void a_beginning_that_changed_fails_once(void **state)
{
    struct place *p = *state;
    struct error err;
    if (can_clone(p)) {
        print_message("# files are cloned here instead\n");
        skip();
    }
    place_fill(p->work, "log", 0, BIG, 1);
    const ino_t appended[] = { inode_of(p, "log") };
    struct store_still still = { .appended = appended, .appended_count = 1 };
    commit(p, 1, &still);
    grow(p, "log", 1000, 2);
    place_fill(p->work, "log", MIB + 100, 10, 3);
    assert_int_equal(finish(p, take(p, &still), 2, &err), -1);
    assert_non_null(strstr(err.text, "'work/log' did not only grow"));
    commit(p, 2, &still);
    expect_back(p, 2);
    assert_int_equal(place_verify(p, 1, &err), 0);
}

static void who_is_in_a_hurry_leaves_nothing(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "log", 0, BIG, 1);
    const ino_t appended[] = { inode_of(p, "log") };
    struct store_still still = { .appended = appended, .appended_count = 1 };
    p->hurry = true;
    commit(p, 1, &still);
    reads();
    grow(p, "log", 1000, 2);
    struct store_capture *capture = take(p, &still);
    assert_int_equal(reads(), 6);
    store_capture_free(capture);
    p->hurry = false;
}

/* ---- ahead ---- */

/* What it read ahead, and what when the program stood still; `between` comes between. */
static struct store_capture *take_twice(struct place *p, const struct store_still *before, const struct store_still *after,
                                        void (*between)(struct place *p, const char *name), int counts[2])
{
    struct error err;
    struct store_capture *capture = NULL;
    struct timespec now;
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .still = before };
    clock_gettime(CLOCK_REALTIME, &now);
    reads();
    int r = store_capture_begin(p->store, p->job, NULL, &capture, &err);
    if (r == 0)
        r = store_capture_ahead(capture, &request, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, &err);
    counts[0] = reads();
    if (between)
        between(p, "big");
    request.still = after;
    if (r == 0)
        r = store_capture_add(capture, &request, &err);
    counts[1] = reads();
    if (r < 0)
        fail_msg("%s", err.text);
    return capture;
}

static void shorten(struct place *p, const char *name)
{
    auto_close int fd = openat(p->work, name, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, MIB + 77), 0);
}

static void vanish(struct place *p, const char *name)
{
    assert_int_equal(unlinkat(p->work, name, 0), 0);
}

static void large_files_that_nobody_writes_are_read_ahead(void **state)
{
    static void (*const changes[])(struct place *p, const char *name) = {
        NULL, change_keeping_times, replace_keeping_times, change_mapped, shorten, vanish,
    };
    struct place *p = *state;
    struct error err;
    int counts[2];
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        int g = (int)i * 2 + 1;
        place_fill(p->work, "big", 0, BIG, 100 + i);
        fill(p);
        place_fill(p->work, "big", 0, BIG, 100 + i);
        settle();
        struct store_capture *capture = take_twice(p, &nothing, &nothing, changes[i], counts);
        if (i == 0 && counts[0] == 0) {
            store_capture_free(capture);
            print_message("# times do not tell of changes here, or files are cloned\n");
            skip();
        }
        assert_true(counts[0] >= 6);
        assert_true(i == 0 ? counts[1] == 2 : changes[i] == vanish ? counts[1] <= 2 : counts[1] >= 2);
        assert_int_equal(finish(p, capture, g, &err), 0);
        expect_back(p, g);
        if (changes[i] != vanish)
            place_fill(p->work, "big", 4000, 5000, 9); /* upon what was found by hints */
        commit(p, g + 1, &nothing);
        expect_back(p, g + 1);
    }
}

static void mapped_files_are_not_believed_to_be_what_was_read_ahead(void **state)
{
    struct place *p = *state;
    struct error err;
    int counts[2];
    fill(p);
    auto_close int fd = openat(p->work, "big", O_RDWR | O_CLOEXEC);
    char *at = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    at[3 * MIB] ^= 1;
    const ino_t mapped[] = { inode_of(p, "big") };
    struct store_still still = { .mapped = mapped, .mapped_count = 1 };
    settle();
    for (int i = 0; i < 3; i++) { /* before, after, or both */
        struct store_capture *capture = take_twice(p, i == 1 ? &nothing : &still, i == 0 ? &nothing : &still, NULL, counts);
        assert_true(counts[1] >= 6 || can_clone(p));
        assert_int_equal(finish(p, capture, i + 1, &err), 0);
        expect_back(p, i + 1);
        assert_int_equal(store_remove(p->store, p->job, &err), 0); /* what is known of the last checkpoint is another matter */
        p->parent = 0;
        at[3 * MIB] ^= 3;
    }
    munmap(at, BIG);
}

static void what_changed_a_moment_ago_is_not_read_ahead(void **state)
{
    struct place *p = *state;
    struct error err;
    int counts[2];
    fill(p);
    struct store_capture *capture = take_twice(p, &nothing, &nothing, NULL, counts);
    assert_int_equal(counts[0], 0);
    assert_int_equal(finish(p, capture, 1, &err), 0);
    expect_back(p, 1);
}

/* ---- cloned ---- */

static void shared_blocks_are_read_later(void **state)
{
    struct place *p = *state;
    struct error err;
    if (!can_clone(p)) {
        print_message("# the file system shares no blocks\n");
        skip();
    }
    fill(p);
    reads();
    struct store_capture *capture = take(p, &nothing);
    assert_int_equal(reads(), 2); /* the small ones */
    auto_close int sub = place_mkdir(p->back, "as-it-was");
    place_fill(sub, "big", 0, BIG, 1);
    place_fill(p->work, "big", 0, BIG, 99); /* the program goes on */
    assert_int_equal(ftruncate(openat(p->work, "holes", O_WRONLY | O_CLOEXEC), 10), 0);
    assert_int_equal(finish(p, capture, 1, &err), 0);
    assert_int_equal(reads(), 6 + 3);
    auto_manifest struct manifest m = { 0 };
    auto_close int out = openat(p->dir, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(store_manifest(p->store, p->job, 1, &m, &err), 0);
    assert_int_equal(store_cat(p->store, &m, "work/big", out, &err), 0);
    assert_int_equal(renameat(p->dir, "out", p->work, "big"), 0);
    assert_same_content(p->work, sub, "big");
    for (int g = 2; g <= 4; g++) { /* with hints */
        place_fill(p->work, "big", g * 700000, 5000, (uint64_t)g);
        commit(p, g, &nothing);
        expect_back(p, g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(files_that_did_not_change_are_not_read),
        place_test(without_knowledge_all_is_read),
        place_test(what_changed_a_moment_ago_is_read_again),
        place_test(whatever_changes_is_found),
        place_test(mapped_files_are_read),
        place_test(of_appended_files_the_end_is_read),
        place_test(a_beginning_that_changed_fails_once),
        place_test(who_is_in_a_hurry_leaves_nothing),
        place_test(large_files_that_nobody_writes_are_read_ahead),
        place_test(mapped_files_are_not_believed_to_be_what_was_read_ahead),
        place_test(what_changed_a_moment_ago_is_not_read_ahead),
        place_test(shared_blocks_are_read_later),
    };
    snprintf(trace_path, sizeof trace_path, "/tmp/stint-reads-XXXXXX");
    int fd = mkstemp(trace_path);
    assert_true(fd >= 0);
    close(fd);
    setenv("STINT_FAULT_TRACE", trace_path, 1);
    int failed = cmocka_run_group_tests_name("store_later", tests, NULL, NULL);
    unlink(trace_path);
    return failed;
}
