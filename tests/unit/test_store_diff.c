/* What is read of checkpoints without a tree, or with a part of one: differences, single files, some of the names. */
#include "store_place.h"

static void fill_work(struct place *p)
{
    place_fill(p->work, "big", 0, MIB + 70000, 1);
    place_fill(p->work, "small", 0, 5000, 2);
    auto_close int sub = place_mkdir(p->work, "sub");
    place_write(sub, "note", "hello", 5);
    assert_int_equal(symlinkat("../big", sub, "link"), 0);
    assert_int_equal(linkat(p->work, "small", sub, "same", 0), 0);
    assert_int_equal(mkfifoat(sub, "fifo", 0600), 0);
}

static void note_difference(void *data, const struct store_difference *d)
{
    if (d->what == 'c')
        buf_printf(data, "c %s %lld+%lld\n", d->name, (long long)d->offset, (long long)d->length);
    else
        buf_printf(data, "%c %s\n", d->what, d->name);
}

static void keep_time(int dir, const char *name)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 1000, 0 } };
    assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void keep_times(struct place *p)
{
    static const char *const names[] = { "big", "fifo", "gone", "grows", "here", "hole", "kind", "link", "mode", "same", "shrinks" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (faccessat(p->work, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            keep_time(p->work, names[i]);
}

static void differences_are_told_to_the_byte(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest a = { 0 }, b = { 0 };
    auto_buf struct buf told = { 0 };
    int w = p->work;
    place_fill(w, "big", 0, 3 * MIB, 1);
    assert_int_equal(mkfifoat(w, "fifo", 0600), 0);
    place_write(w, "gone", "x", 1);
    place_write(w, "grows", "12345", 5);
    place_fill(w, "hole", 0, 2 * MIB, 3);
    place_write(w, "kind", "file", 4);
    assert_int_equal(symlinkat("one", w, "link"), 0);
    place_write(w, "mode", "x", 1);
    place_write(w, "same", "x", 1);
    place_write(w, "shrinks", "12345", 5);
    keep_times(p);
    place_commit(p, 1);
    auto_close int big = openat(w, "big", O_RDWR | O_CLOEXEC);
    static const struct { off_t offset; size_t length; } changes[] = { { 0, 1 }, { 4095, 2 }, { MIB - 1, 3 }, { 2 * MIB + 5, 1000 } };
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < changes[i].length; k++) {
            char byte = 0;
            assert_int_equal(pread(big, &byte, 1, changes[i].offset + (off_t)k), 1);
            byte ^= 0x55;
            assert_int_equal(pwrite(big, &byte, 1, changes[i].offset + (off_t)k), 1);
        }
    assert_int_equal(fchmodat(w, "fifo", 0620, 0), 0);
    assert_int_equal(unlinkat(w, "gone", 0), 0);
    place_write(w, "grows", "1234567", 7);
    place_write(w, "here", "x", 1);
    assert_int_equal(unlinkat(w, "kind", 0), 0);
    assert_int_equal(mkfifoat(w, "kind", 0600), 0);
    assert_int_equal(unlinkat(w, "link", 0), 0);
    assert_int_equal(symlinkat("two", w, "link"), 0);
    assert_int_equal(fchmodat(w, "mode", 0700, 0), 0);
    place_write(w, "shrinks", "1X", 2);
    keep_times(p);
    place_commit(p, 2);
    assert_int_equal(store_manifest(p->store, "7.0", 1, &a, &err), 0);
    assert_int_equal(store_manifest(p->store, "7.0", 2, &b, &err), 0);
    assert_int_equal(store_diff(p->store, &a, &b, note_difference, &told, &err), 0);
    assert_string_equal(buf_cstr(&told), "c work/big 0+1\nc work/big 4095+2\nc work/big 1048575+3\nc work/big 2097157+1000\nm work/fifo\n- work/gone\n"
                                         "c work/grows 5+2\n+ work/here\nt work/kind\nt work/link\nm work/mode\nc work/shrinks 1+4\n");
    buf_clear(&told);
    assert_int_equal(store_diff(p->store, &a, &a, note_difference, &told, &err), 0);
    assert_int_equal(told.len, 0);
}

static int cat(struct place *p, const struct manifest *m, const char *name, struct buf *out, struct error *err)
{
    auto_close int fd = openat(p->dir, "cat", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = store_cat(p->store, m, name, fd, err);
    buf_clear(out);
    return r == 0 ? file_read(p->dir, "cat", out, NULL) : r;
}

static void one_file_can_be_read_by_any_of_its_names(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf got = { 0 }, wanted = { 0 };
    fill_work(p);
    place_commit(p, 1);
    assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
    static const char *const names[][2] = { { "work/big", "big" }, { "work/small", "small" }, { "work/sub/same", "small" }, { "work/sub/note", "sub/note" } };
    for (size_t i = 0; i < 4; i++) {
        buf_clear(&wanted);
        assert_int_equal(file_read(p->work, names[i][1], &wanted, NULL), 0);
        assert_int_equal(cat(p, &m, names[i][0], &got, &err), 0);
        assert_int_equal(got.len, wanted.len);
        assert_memory_equal(got.data, wanted.data, got.len);
    }
    static const char *const bad[] = { "work", "work/sub", "work/sub/link", "work/sub/fifo", "big", "", "work/absent", "work/../work/big" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(cat(p, &m, bad[i], &got, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void a_part_of_a_checkpoint_is_what_was_named_and_what_it_needs(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const struct { const char *names[3]; const char *left; } cases[] = {
        { { "work/small" }, "work/small" },
        { { "work/sub" }, "work/small work/sub work/sub/fifo work/sub/link work/sub/note work/sub/same" },
        { { "work/sub/note" }, "work/sub work/sub/note" },
        { { "work/sub/same", "work/big" }, "work/big work/small work/sub work/sub/same" },
        { { "work/absent" }, NULL },
        { { "work/su" }, NULL },
        { { "work/big", "work/big/x" }, NULL },
    };
    fill_work(p);
    place_commit(p, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_manifest struct manifest m = { 0 };
        auto_buf struct buf left = { 0 };
        char *names[3] = { (char *)(uintptr_t)cases[i].names[0], (char *)(uintptr_t)cases[i].names[1] };
        assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
        int r = manifest_narrow(&m, names, names[1] ? 2 : 1, &err);
        assert_int_equal(r, cases[i].left ? 0 : -1);
        if (!cases[i].left) {
            assert_int_equal(err.kind, ERR_INVALID);
            continue;
        }
        for (size_t k = 0; k < m.entry_count; k++)
            buf_printf(&left, "%s%s", k ? " " : "", m.entries[k].name);
        assert_string_equal(buf_cstr(&left), cases[i].left);
        place_empty_back(p);
        struct store_tree tree = { "work", p->back };
        assert_int_equal(store_verify(p->store, &m, NULL, &err), 0);
        if (store_extract(p->store, NULL, &m, &tree, 1, NULL, &err) != 0)
            fail_msg("%s", err.text);
        size_t found = 0;
        auto_buf struct buf restored = { 0 };
        place_list_names(p->back, "work/", true, &restored);
        for (const char *c = buf_cstr(&restored); *c; c++)
            found += *c == ' ';
        assert_int_equal(found + 1, m.entry_count);
    }
}

static void count_progress(void *data, int64_t done, int64_t total)
{
    int64_t *seen = data;
    seen[0] = done;
    seen[1] = total;
}

/* Some trees of three, and what one that is left out has is not needed; unless a hard link leads there. */
static void trees_may_be_left_out_of_a_restore(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const char *const names[] = { "images", "std", "work" };
    struct store_tree trees[3], back[3];
    struct store_source sources[3];
    auto_close int places = place_mkdir(p->dir, "places"), backs = place_mkdir(p->dir, "backs");
    for (size_t i = 0; i < 3; i++) {
        trees[i] = (struct store_tree){ names[i], place_mkdir(places, names[i]) };
        sources[i] = (struct store_source){ .tree = names[i], .name = "." };
        place_fill(trees[i].dir, "file", 0, 100 + i, i);
        close(place_mkdir(trees[i].dir, "dir"));
    }
    struct store_request request = { .job = "7.0", .trees = trees, .tree_count = 3, .sources = sources, .source_count = 3 };
    auto_manifest struct manifest m = place_head(p, 1, "checkpoint"), linked = place_head(p, 2, "checkpoint");
    assert_int_equal(place_store(p, &request, &m, &err), 0);
    for (unsigned which = 0; which < 8; which++) {
        int64_t expected = 0, seen[2] = { 0 };
        struct store_progress progress = { count_progress, seen };
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(file_remove_tree(backs, names[i], NULL), 0);
            back[i] = (struct store_tree){ names[i], which >> i & 1 ? place_mkdir(backs, names[i]) : STORE_LEFT_OUT };
            expected += which >> i & 1 ? 100 + (int64_t)i : 0;
        }
        if (store_extract(p->store, NULL, &m, back, 3, &progress, &err) != 0)
            fail_msg("%u: %s", which, err.text);
        assert_true(seen[0] == expected && seen[1] == expected);
        for (size_t i = 0; i < 3; i++) {
            if (back[i].dir >= 0)
                assert_int_equal(assert_same_tree(trees[i].dir, back[i].dir), 2);
            file_close(&back[i].dir);
        }
    }
    assert_int_equal(linkat(trees[1].dir, "file", trees[2].dir, "of std", 0), 0);
    assert_int_equal(place_store(p, &request, &linked, &err), 0);
    back[0].dir = back[1].dir = STORE_LEFT_OUT;
    back[2].dir = p->back;
    assert_int_equal(store_extract(p->store, NULL, &linked, back, 3, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.text, "'work/of std' is another name of 'std/file'"));
    assert_int_equal(place_count_names(p->back), 0);
    back[1].dir = -1; /* a directory that could not be opened is not one that is left out */
    assert_int_equal(store_extract(p->store, NULL, &linked, back, 3, NULL, &err), -1);
    for (size_t i = 0; i < 3; i++)
        file_close(&trees[i].dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_test(differences_are_told_to_the_byte),
        memory_test(one_file_can_be_read_by_any_of_its_names),
        memory_test(a_part_of_a_checkpoint_is_what_was_named_and_what_it_needs),
        memory_test(trees_may_be_left_out_of_a_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
