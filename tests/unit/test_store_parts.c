/* The parts that the store is made of, each by itself: the crew, trees, the walk over sources, names and marks. */
#include "store_place.h"

#include "store/crew.h"
#include "store/layout.h"
#include "store/tree.h"
#include "store/walk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- crew ---- */

enum { WORK_MAX = 64, CHUNKS_MAX = 32 };

struct work {
    size_t chunks[WORK_MAX]; /* of each entry; 99 = skip */
    atomic_int begun[WORK_MAX];
    atomic_int ended[WORK_MAX];
    atomic_int ended_badly[WORK_MAX];
    atomic_int done[WORK_MAX][CHUNKS_MAX];
    atomic_int inside;  /* threads in a chunk */
    atomic_int at_once; /* most of them */
    size_t fail_entry;
    size_t fail_chunk;
    bool fail_begin;
    bool fail_end;
};

enum { SKIPPED = 99 };

static int begin_work(void *ctx, struct crew_file *file, struct error *err)
{
    struct work *w = ctx;
    if (w->chunks[file->index] == SKIPPED)
        return CREW_SKIP;
    if (w->fail_begin && file->index == w->fail_entry)
        return error_set(err, ERR_SYSTEM, "begin %zu", file->index);
    file->chunks = w->chunks[file->index];
    w->begun[file->index]++;
    return 0;
}

static int do_chunk(void *ctx, struct crew_worker *worker, struct crew_file *file, size_t chunk, struct error *err)
{
    struct work *w = ctx;
    int now = atomic_fetch_add(&w->inside, 1) + 1;
    int most = w->at_once;
    while (now > most && !atomic_compare_exchange_weak(&w->at_once, &most, now))
        ;
    assert_true(w->ended[file->index] == 0);
    memset(worker->data, (int)chunk, STORE_CHUNK_BYTES);
    memset(coder_room(worker->coder), (int)chunk, 2 * (size_t)STORE_CHUNK_BYTES);
    w->done[file->index][chunk]++;
    w->inside--;
    if (!w->fail_begin && !w->fail_end && file->index == w->fail_entry && chunk == w->fail_chunk)
        return error_set(err, ERR_CORRUPT, "chunk %zu of %zu", chunk, file->index);
    return 0;
}

static int end_work(void *ctx, struct crew_file *file, bool good, struct error *err)
{
    struct work *w = ctx;
    w->ended[file->index]++;
    w->ended_badly[file->index] += !good;
    if (w->fail_end && file->index == w->fail_entry)
        return error_set(err, ERR_SYSTEM, "end %zu", file->index);
    return 0;
}

static const struct crew_ops work_ops = { .begin = begin_work, .chunk = do_chunk, .end = end_work };

static struct work *new_work(void)
{
    struct work *w = mem_new(struct work);
    for (size_t i = 0; i < WORK_MAX; i++)
        w->chunks[i] = i % 7 == 3 ? SKIPPED : i * 5 % 9;
    w->fail_entry = WORK_MAX;
    return w;
}

static void every_chunk_is_done_once_and_every_file_ended(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, CREW_HELPER_BYTES };
    for (size_t s = 0; s < 2; s++) {
        auto_free struct work *w = new_work();
        struct error err = { 0 };
        assert_int_equal(crew_run(&work_ops, w, WORK_MAX, sizes[s], &err), 0);
        for (size_t i = 0; i < WORK_MAX; i++) {
            bool skipped = w->chunks[i] == SKIPPED;
            assert_int_equal(w->begun[i], !skipped);
            assert_int_equal(w->ended[i], !skipped);
            assert_int_equal(w->ended_badly[i], 0);
            for (size_t c = 0; c < CHUNKS_MAX; c++)
                assert_int_equal(w->done[i][c], !skipped && c < w->chunks[i]);
        }
        assert_true(w->at_once <= (sizes[s] ? 1 + CREW_HELPERS : 1));
    }
}

static void expect_ended(const struct work *w)
{
    for (size_t i = 0; i < WORK_MAX; i++)
        assert_int_equal(w->begun[i], w->ended[i]);
}

static void the_first_failure_ends_the_work_and_every_file(void **state)
{
    (void)state;
    for (size_t entry = 0; entry < WORK_MAX; entry++) {
        for (int kind = 0; kind < 3; kind++) {
            auto_free struct work *w = new_work();
            struct error err = { 0 };
            w->fail_entry = entry;
            w->fail_begin = kind == 1;
            w->fail_end = kind == 2;
            w->fail_chunk = w->chunks[entry] / 2;
            bool fails = w->chunks[entry] != SKIPPED && (kind != 0 || w->chunks[entry] > 0);
            int r = crew_run(&work_ops, w, WORK_MAX, entry % 2 ? CREW_HELPER_BYTES : 0, &err);
            assert_int_equal(r, fails ? -1 : 0);
            expect_ended(w);
            if (!fails)
                continue;
            static const char *const first[] = { "chunk", "begin", "end" };
            assert_int_equal(strncmp(err.text, first[kind], strlen(first[kind])), 0);
            if (kind == 0)
                assert_int_equal(w->ended_badly[entry], 1);
        }
    }
}

static void nothing_to_do_is_done(void **state)
{
    (void)state;
    auto_free struct work *w = new_work();
    assert_int_equal(crew_run(&work_ops, w, 0, CREW_HELPER_BYTES, NULL), 0);
    w->fail_entry = 1;
    assert_int_equal(crew_run(&work_ops, w, WORK_MAX, 0, NULL), -1);
}

/* ---- trees ---- */

static void no_path_in_a_tree_passes_a_link(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int sub = place_mkdir(p->work, "sub");
    place_write(sub, "file", "x", 1);
    assert_int_equal(symlinkat("sub", p->work, "link"), 0);
    assert_int_equal(symlinkat("file", sub, "link"), 0);
    static const char *const good[] = { "sub/file", "sub", "", "." };
    for (size_t i = 0; i < 4; i++) {
        auto_close int fd = tree_open(p->work, good[i], O_RDONLY, &err);
        assert_true(fd >= 0);
    }
    static const char *const bad[] = { "link/file", "sub/link", "..", "../work/sub", "/etc", "sub/../../back", "gone" };
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(tree_open(p->work, bad[i], O_RDONLY, &err), -1);
    assert_int_equal(tree_open(p->work, "link/file", O_RDONLY, &err), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(err.kind, ERR_DENIED);
    const char *leaf = NULL;
    auto_close int parent = tree_open_parent(p->work, "sub/file", &leaf, &err);
    assert_true(parent >= 0);
    assert_string_equal(leaf, "file");
    assert_int_equal(tree_open_parent(p->work, "link/file", &leaf, &err), -1);
}

static void a_tree_is_found_by_its_whole_name(void **state)
{
    (void)state;
    const struct store_tree trees[] = { { "work", 1 }, { "wo", 2 } };
    static const struct { const char *name; int dir; const char *inside; } cases[] = {
        { "work/a/b", 1, "a/b" }, { "wo/a", 2, "a" },   { "work", 1, "" },
        { "wor/a", 0, "" },       { "works/a", 0, "" }, { "/a", 0, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *inside = NULL;
        const struct store_tree *tree = tree_find(trees, 2, cases[i].name, &inside);
        assert_int_equal(tree ? tree->dir : 0, cases[i].dir);
        if (tree)
            assert_string_equal(inside, cases[i].inside);
    }
}

static void the_walk_s_list_is_one_that_a_manifest_may_hold(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const char *const names[] = { "b", "a", "a-b", "a.c" };
    for (size_t i = 0; i < 4; i++) {
        auto_close int dir = place_mkdir(p->work, names[i]);
        place_write(dir, "x", "12345", 0);
        place_write(dir, "é", "12345", 0);
    }
    struct store_tree tree = { "work", p->work };
    struct store_source sources[] = { { "work", "b/x" }, { "work", "." }, { "work", "a" } };
    auto_manifest struct manifest m = { .generation = 1, .kind = "checkpoint" };
    assert_int_equal(walk_sources(&tree, 1, sources, 3, &m, &err), 0);
    assert_int_equal(m.entry_count, 12);
    assert_int_equal(manifest_check(&m, &err), 0);
    static const struct store_source strangers[] = { { "else", "x" }, { "work/a", "x" }, { "", "x" } };
    for (size_t i = 0; i < 3; i++) {
        auto_manifest struct manifest none = { 0 };
        assert_int_equal(walk_sources(&tree, 1, &strangers[i], 1, &none, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

/* ---- layout ---- */

static void what_manifests_name_is_known_and_what_is_unreadable_counted(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct pack_id ids[4];
    place_write(p->work, "x", "one", 3);
    place_commit(p, 1);
    place_write(p->work, "x", "two", 3);
    place_commit(p, 2);
    place_write(p->dir, "store/7.0/000003.manifest", "rubbish", 7);
    auto_close int job = -1;
    auto_heads struct layout_heads heads = { 0 };
    assert_int_equal(layout_open_job(p->store, "7.0", false, &job, &err), 0);
    assert_int_equal(layout_heads(p->store, job, &heads, &err), 0);
    assert_int_equal(heads.count, 3);
    assert_int_equal(heads.unreadable, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(heads.list[i].generation, i + 1);
        assert_int_equal(heads.list[i].pack_count, i < 2);
        assert_null(heads.list[i].entries);
    }
    assert_string_equal(heads.list[2].kind, "");
    assert_int_equal(layout_newest(&heads)->generation, 2);
    assert_int_equal(place_list_packs(p, ids, 4), 2);
    assert_true(layout_names(&heads, &ids[0]) && layout_names(&heads, &ids[1]));
    assert_false(layout_names(&heads, &(struct pack_id){ { 1 } }));
}

static void a_lack_of_descriptors_is_no_damage(void **state)
{
    (void)state;
    static const struct { struct error err; bool damaged; } cases[] = {
        { { .kind = ERR_SYSTEM, .sys = EMFILE }, false }, { { .kind = ERR_SYSTEM, .sys = EACCES }, false },
        { { .kind = ERR_SYSTEM, .sys = EIO }, true },     { { .kind = ERR_SYSTEM, .sys = ELOOP }, true },
        { { .kind = ERR_CORRUPT }, true },                { { .kind = ERR_LIMIT }, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(layout_damaged(&cases[i].err), cases[i].damaged);
}

static void jobs_that_are_absent_have_nothing(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    int dir = -1;
    assert_int_equal(layout_open_job(p->store, "9.9", false, &dir, &err), STORE_ABSENT);
    assert_int_equal(dir, -1);
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(store_manifest(p->store, "9.9", 1, &m, &err), STORE_ABSENT);
    assert_int_equal(store_retain(p->store, "9.9", &(struct store_retention){ .keep = 1 }, &err), 0);
    assert_int_equal(store_remove(p->store, "9.9", &err), 0);
    assert_int_equal(store_release(p->store, "9.9", &err), 0);
    assert_int_equal(store_drop(p->store, "9.9", 1, &err), 0);
    assert_int_equal(store_pin(p->store, "9.9", 1, true, &err), STORE_ABSENT);
    assert_false(store_pinned(p->store, "9.9", 1));
    assert_int_equal(store_branch(p->store, "9.9", 1, "9.8", 1, 1, &err), STORE_ABSENT);
    assert_int_equal(faccessat(p->dir, "store/9.9", F_OK, 0), -1);
    assert_int_equal(faccessat(p->dir, "store/9.8", F_OK, 0), -1);
}

static void a_job_s_directory_that_is_a_link_is_not_entered(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    int dir = -1;
    assert_int_equal(symlinkat("../back", p->dir, "store/8.0"), 0);
    assert_int_equal(layout_open_job(p->store, "8.0", true, &dir, &err), -1);
    assert_int_equal(store_remove(p->store, "8.0", &err), -1);
    auto_close int job = place_mkdir(p->dir, "store/9.0");
    assert_int_equal(symlinkat("../../back", job, "packs"), 0);
    assert_int_equal(layout_open_packs(job, true, &dir, &err), -1);
    assert_int_equal(place_count_names(p->back), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_is_done_once_and_every_file_ended),
        cmocka_unit_test(the_first_failure_ends_the_work_and_every_file),
        cmocka_unit_test(nothing_to_do_is_done),
        place_test(no_path_in_a_tree_passes_a_link),
        cmocka_unit_test(a_tree_is_found_by_its_whole_name),
        place_test(the_walk_s_list_is_one_that_a_manifest_may_hold),
        place_test(what_manifests_name_is_known_and_what_is_unreadable_counted),
        cmocka_unit_test(a_lack_of_descriptors_is_no_damage),
        place_test(jobs_that_are_absent_have_nothing),
        place_test(a_job_s_directory_that_is_a_link_is_not_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
