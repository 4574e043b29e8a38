/*
 * Captures of several phases: what had to be of one moment first, a memory image behind it. All of it becomes one checkpoint, with
 * all that a capture of one phase has: order, hints, stage, room. (Its failures have test_store_phase_faults.)
 */
#include "store_world.h"

static void fill_image(struct world *w, uint64_t seed)
{
    place_fill(w->images, "pages-1.img", 0, (size_t)IMAGE_PAGES * PAGE, seed);
    place_fill(w->images, "world", 0, 300, seed);
    cut_image(w);
}

static void fill_world(struct world *w, uint64_t seed)
{
    auto_close int sub = place_mkdir(w->p.work, "zub");
    place_fill(w->p.work, "big", 0, 3 * MIB, seed); /* large enough for hints */
    place_fill(w->p.work, "small", 0, 100, seed);
    place_fill(sub, "file", 0, 70000, seed);
    place_fill(w->std, "stdout", 0, 200, seed);
    fill_image(w, seed);
}

/* What a program does that goes on. */
static void spoil_first(struct world *w)
{
    auto_close int sub = place_mkdir(w->p.work, "zub");
    place_fill(w->p.work, "big", 0, 3 * MIB, 999);
    place_fill(w->std, "stdout", 0, 300, 999);
    assert_int_equal(unlinkat(w->p.work, "small", 0) + unlinkat(sub, "file", 0) + unlinkat(w->p.work, "zub", AT_REMOVEDIR), 0);
}

/* The same in one phase. */
static int64_t commit_at_once(struct world *w, int generation)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = place_head(&w->p, generation, "checkpoint");
    struct store_tree trees[] = { { "work", w->p.work }, { "std", w->std }, { "images", w->images } };
    struct store_source sources[] = {
        { "work", "." }, { "std", "." }, { "images", "." },
        { .tree = "images", .name = "pages-1.img", .cuts = w->cuts, .cut_count = w->cut_count },
    };
    struct store_request request = { .job = w->p.job, .trees = trees, .tree_count = 3, .sources = sources, .source_count = 4, .hurry = w->hurry[0] };
    if (place_store(&w->p, &request, &m, &err) != 0)
        fail_msg("%s", err.text);
    w->p.parent = generation;
    return m.new_bytes;
}

/* ---- one checkpoint ---- */

static void two_phases_become_one_checkpoint_of_the_moment_of_each(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    for (int how = 0; how < 8; how++) {
        int back[3];
        auto_buf struct buf names = { 0 };
        auto_manifest struct manifest m = { 0 };
        set_hurry(w, how);
        fill_world(w, 1);
        if (try_both(w, how + 1, spoil_first, &m, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(manifest_check(&m, &err), 0);
        for (size_t i = 0; i < m.entry_count; i++)
            buf_printf(&names, "%s ", m.entries[i].name);
        assert_string_equal(buf_cstr(&names), "images/pages-1.img images/world std/stdout work/big work/small work/zub work/zub/file ");
        assert_true(m.bytes == (int64_t)IMAGE_PAGES * PAGE + 300 + 200 + 3 * MIB + 100 + 70000);
        assert_int_equal(place_verify(&w->p, how + 1, &err), 0);
        restore(w, how + 1, back);
        assert_same_tree(w->images, back[2]);
        fill_world(w, 1); /* as it was */
        assert_int_equal(ftruncate(openat(w->std, "stdout", O_WRONLY | O_CLOEXEC), 200), 0);
        assert_same_content(w->p.work, back[0], "big");
        assert_same_content(w->p.work, back[0], "small");
        assert_same_content(w->p.work, back[0], "zub/file");
        assert_same_content(w->std, back[1], "stdout");
        for (size_t i = 0; i < 3; i++)
            file_close(&back[i]);
    }
}

static void what_both_phases_have_is_stored_once(void **state)
{
    struct world *w = *state;
    for (int how = 0; how < 8; how++) {
        struct error err = { 0 };
        assert_int_equal(store_remove(w->p.store, "7.0", &err), 0);
        w->p.parent = 0;
        set_hurry(w, how);
        place_fill(w->images, "pages-1.img", 0, (size_t)IMAGE_PAGES * PAGE, 4);
        cut_image(w);
        place_fill(w->images, "same", 0, 2 * MIB, 5);
        place_fill(w->p.work, "same", 0, 2 * MIB, 5);
        assert_int_equal(commit_both(w, 1), (int64_t)IMAGE_PAGES * PAGE + 2 * MIB);
        expect_restored(w, 1);
    }
}

static void a_phase_may_be_empty_and_there_may_be_more(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    for (int how = 0; how < 8; how++) {
        struct store_capture *capture = NULL;
        auto_manifest struct manifest m = { 0 };
        struct store_tree tree = { "extra", w->std };
        struct store_source source = { .tree = "extra", .name = "x", .optional = true };
        struct store_request request = { .job = "7.0", .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = how & 1 };
        set_hurry(w, how);
        fill_image(w, 3);
        assert_int_equal(first_phase(w, &capture, &err), 0); /* nothing is in its trees */
        assert_int_equal(store_capture_add(capture, &request, &err), 0);
        assert_int_equal(second_phase(w, capture, &err), 0);
        place_fill(w->std, "x", 0, MIB, 7);
        assert_int_equal(store_capture_add(capture, &request, &err), 0);
        assert_int_equal(unlinkat(w->std, "x", 0), 0);
        assert_int_equal(finish(w, capture, how + 1, &m, &err), 0);
        store_capture_free(capture);
        assert_int_equal(m.entry_count, 3);
        assert_string_equal(m.entries[0].name, "extra/x");
        assert_int_equal(place_verify(&w->p, how + 1, &err), 0);
    }
}

/* ---- hints ---- */

static void hints_know_the_pages_of_both_phases(void **state)
{
    struct world *w = *state;
    for (int how = 0; how < 8; how++) {
        set_hurry(w, how);
        fill_world(w, (uint64_t)how + 1);
        commit_both(w, how + 1);
        expect_hints(w, how + 1);
    }
}

/* The same history twice, in two phases and in one, in stores that know nothing of each other. */
static void two_phases_store_what_one_does(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    struct store *other = NULL, *first = w->p.store;
    auto_free char *path = place_path(&w->p, "other");
    assert_int_equal(store_open(path, &other, &err), 0);
    for (int g = 1; g <= 10; g++) {
        int64_t added[2];
        set_hurry(w, g % 8);
        if (g == 1)
            fill_world(w, 1);
        for (size_t i = 0; g > 2 && i < 4; i++)
            change_page(w, (size_t)(g * 31 + 300 * (int)i), (uint64_t)g);
        if (g > 5)
            place_fill(w->p.work, "big", g * 10000, 10, (uint64_t)g);
        for (size_t i = 0; i < 2; i++) {
            w->p.store = i ? other : first;
            added[i] = i ? commit_at_once(w, g) : commit_both(w, g);
            expect_hints(w, g);
        }
        assert_int_equal(added[0], added[1]);
        assert_true(g == 1 || added[0] <= 6 * PAGE);
        assert_true(g != 2 || added[0] == 0);
    }
    expect_restored(w, 10);
    w->p.store = first;
    expect_restored(w, 10);
    store_close(other);
}

/* ---- cuts within a tree ---- */

static void cuts_count_for_a_file_of_a_tree_that_is_a_source_as_a_whole(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    struct store_tree tree = { "images", w->images };
    auto_close int sub = place_mkdir(w->images, "sub");
    fill_image(w, 1);
    place_fill(sub, "core.img", 0, 100000, 2);
    struct store_cut one = { .address = 12 * STORE_CHUNK_BYTES, .bytes = 300 };
    const struct store_source whole = { "images", "." }, above = { "images", "sub" };
    const struct store_source image = { .tree = "images", .name = "./pages-1.img", .cuts = w->cuts, .cut_count = w->cut_count };
    const struct store_source later = { .tree = "images", .name = "world", .cuts = &one, .cut_count = 1 };
    const struct store_source none = { .tree = "images", .name = "pages-2.img", .optional = true, .cuts = &one, .cut_count = 1 };
    const struct store_source orders[][5] = {
        { whole, image, later, none, above }, { image, later, above, none, whole }, { none, later, image, later, whole }
    };
    for (size_t i = 0; i < 3; i++) {
        struct store_request request = { .job = "7.0", .trees = &tree, .tree_count = 1, .sources = orders[i], .source_count = 5 };
        auto_manifest struct manifest m = place_head(&w->p, (int)i + 1, "checkpoint");
        if (place_store(&w->p, &request, &m, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(m.entry_count, 4);
        assert_true(m.entries[0].cuts && m.entries[0].chunk_count == w->cut_count); /* pages-1.img */
        assert_true(!m.entries[2].cuts && m.entries[2].chunk_count == 1);           /* sub/core.img */
        assert_true(m.entries[3].cuts && m.entries[3].chunk_count == 1);            /* world */
        assert_int_equal(place_verify(&w->p, (int)i + 1, &err), 0);
    }
}

/* ---- failures ---- */

static void expect_no_trace(struct world *w, struct store_capture *capture, const struct buf *before)
{
    struct error err = { 0 };
    auto_buf struct buf after = { 0 };
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(finish(w, capture, 2, &m, &err), -1); /* half a checkpoint is none */
    assert_int_equal(err.kind, ERR_INVALID);
    store_capture_free(capture);
    list_store(w, &after);
    assert_string_equal(buf_cstr(before), buf_cstr(&after));
    assert_int_equal(place_verify(&w->p, 1, &err), 0);
    assert_int_equal(place_verify(&w->p, 2, &err), STORE_ABSENT);
}

static void a_second_phase_that_fails_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    auto_buf struct buf before = { 0 };
    fill_world(w, 1);
    commit_both(w, 1);
    list_store(w, &before);
    fill_world(w, 2);
    for (int how = 0; how < 8; how++) {
        struct store_capture *capture = NULL;
        struct store_cut first = w->cuts[0];
        set_hurry(w, how);
        assert_int_equal(first_phase(w, &capture, &err), 0);
        w->cuts[0].bytes--;
        assert_int_equal(second_phase(w, capture, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        w->cuts[0] = first;
        expect_no_trace(w, capture, &before);
    }
    commit_both(w, 2);
    expect_restored(w, 2);
}

static void a_tree_can_be_captured_in_one_phase_only(void **state)
{
    struct world *w = *state;
    struct error err = { 0 };
    auto_buf struct buf before = { 0 };
    struct store_capture *capture = NULL;
    struct store_tree trees[] = { { "images", w->images }, { "std", w->images } };
    struct store_source sources[] = { { "images", "world" }, { "std", "world" } };
    struct store_request request = { .job = "7.0", .trees = trees, .tree_count = 2, .sources = sources, .source_count = 2 };
    fill_world(w, 1);
    commit_both(w, 1);
    list_store(w, &before);
    assert_int_equal(first_phase(w, &capture, &err), 0);
    assert_int_equal(store_capture_add(capture, &request, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.text, "'std' has been captured already"));
    expect_no_trace(w, capture, &before);
}

/* The older generations go when the second phase needs their room; what it must not go beyond is named. */
static void room_is_made_in_the_second_phase(void **state)
{
    struct world *w = *state;
    for (int how = 0; how < 8; how++) {
        struct error err = { 0 };
        auto_manifest struct manifest m = { 0 }, none = { 0 };
        assert_int_equal(store_remove(w->p.store, "7.0", &err), 0);
        w->p.parent = 0;
        set_hurry(w, how);
        store_limit(w->p.store, &(struct store_limits){ 0 });
        for (int g = 1; g <= 2; g++) {
            fill_world(w, (uint64_t)(10 * how + g));
            commit_both(w, g); /* 8 MiB each */
        }
        fill_world(w, (uint64_t)(10 * how + 3));
        store_limit(w->p.store, &(struct store_limits){ .quota = 20 * MIB }); /* the first phase still fits */
        if (try_both(w, 3, NULL, &m, &err) != 0)
            fail_msg("%d: %s", how, err.text);
        assert_int_equal(place_verify(&w->p, 1, &err), STORE_ABSENT);
        assert_int_equal(place_verify(&w->p, 2, &err), 0);
        expect_restored(w, 3);
        fill_world(w, (uint64_t)(10 * how + 4));
        store_limit(w->p.store, &(struct store_limits){ .quota = 15 * MIB }); /* where not even the newest leaves enough */
        assert_int_equal(try_both(w, 4, NULL, &none, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_non_null(strstr(err.text, "(store_quota)"));
        assert_int_equal(place_verify(&w->p, 3, &err), 0);
        assert_int_equal(place_count_packs(&w->p), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(two_phases_become_one_checkpoint_of_the_moment_of_each),
        world_test(what_both_phases_have_is_stored_once),
        world_test(a_phase_may_be_empty_and_there_may_be_more),
        world_test(hints_know_the_pages_of_both_phases),
        world_test(two_phases_store_what_one_does),
        world_test(cuts_count_for_a_file_of_a_tree_that_is_a_source_as_a_whole),
        world_test(a_second_phase_that_fails_leaves_nothing),
        world_test(a_tree_can_be_captured_in_one_phase_only),
        world_test(room_is_made_in_the_second_phase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
