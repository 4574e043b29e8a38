/* Trees that are captured in two phases: those of a program, and its memory image behind them. */
#pragma once

#include "store_place.h"

#include "store/hints.h"
#include "store/page.h"

enum { IMAGE_PAGES = 5 * 256 };

/* Two trees for the first phase, one for the second, and an image in it. */
struct world {
    struct place p;
    int std, images;
    struct store_cut cuts[16];
    size_t cut_count;
    bool hurry[2]; /* in each phase */
    bool begun;    /* the capture is begun before its first phase */
    bool ahead;    /* and large files are taken ahead of it */
};

/* ---- a world ---- */

static inline void open_trees(struct world *w)
{
    w->std = place_mkdir(w->p.dir, "std");
    w->images = place_mkdir(w->p.dir, "images");
}

static inline int setup_in(void **state, bool memory)
{
    struct world *w = mem_new(struct world);
    place_open_in(&w->p, memory);
    open_trees(w);
    *state = w;
    return 0;
}

static inline int setup(void **state)
{
    return setup_in(state, false);
}

static inline int setup_in_memory(void **state)
{
    return setup_in(state, true);
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    file_close(&w->std);
    file_close(&w->images);
    place_close(&w->p);
    free(w);
    return 0;
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define world_memory_test(name) cmocka_unit_test_setup_teardown(name, setup_in_memory, teardown)

static inline void set_hurry(struct world *w, int how)
{
    w->hurry[0] = how & 1;
    w->hurry[1] = how & 2;
    w->begun = how & (4 | 8);
    w->ahead = how & 8;
}

/* A mapping that begins in the middle of a chunk, and another one. */
static inline void cut_image(struct world *w)
{
    struct stat st;
    assert_int_equal(fstatat(w->images, "pages-1.img", &st, 0), 0);
    uint64_t address = (uint64_t)100 * PAGE;
    int64_t left = st.st_size;
    for (w->cut_count = 0; left > 0; w->cut_count++) {
        int64_t bytes = STORE_CHUNK_BYTES - (int64_t)(address % STORE_CHUNK_BYTES);
        bytes = bytes < left ? bytes : left;
        w->cuts[w->cut_count] = (struct store_cut){ .address = address, .bytes = (uint32_t)bytes };
        address += (uint64_t)bytes + (w->cut_count == 2 ? (uint64_t)70 * STORE_CHUNK_BYTES : 0);
        left -= bytes;
    }
}

static inline void change_page(struct world *w, size_t page, uint64_t seed)
{
    place_fill(w->images, "pages-1.img", (int64_t)page * PAGE + 100, 50, seed);
}

/* ---- phases ---- */

static inline int first_phase(struct world *w, struct store_capture **capture, struct error *err)
{
    struct store_tree trees[] = { { "work", w->p.work }, { "std", w->std } };
    struct store_source sources[] = { { "work", "." }, { "std", "." } };
    struct store_request request = { .job = w->p.job, .trees = trees, .tree_count = 2, .sources = sources, .source_count = 2, .hurry = w->hurry[0] };
    int r = w->begun ? store_capture_begin(w->p.store, w->p.job, NULL, capture, err) : store_capture(w->p.store, &request, capture, err);
    static const struct store_still nothing = { 0 };
    request.still = w->ahead ? &nothing : NULL;
    if (r == 0 && w->ahead) /* as if it were later: what has just been written counts as old */
        r = store_capture_ahead(*capture, &request, INT64_MAX, err);
    if (r == 0 && w->begun)
        r = store_capture_add(*capture, &request, err);
    memset(trees, 0xff, sizeof trees); /* nobody must look at them again */
    memset(sources, 0xff, sizeof sources);
    memset(&request, 0xff, sizeof request);
    return r;
}

static inline int second_phase(struct world *w, struct store_capture *capture, struct error *err)
{
    struct store_tree tree = { "images", w->images };
    struct store_source sources[] = {
        { "images", "." }, { .tree = "images", .name = "pages-1.img", .cuts = w->cuts, .cut_count = w->cut_count }
    };
    struct store_request request = { .job = w->p.job, .trees = &tree, .tree_count = 1, .sources = sources, .source_count = 2, .hurry = w->hurry[1] };
    return store_capture_add(capture, &request, err);
}

static inline int finish(struct world *w, struct store_capture *capture, int generation, struct manifest *m, struct error *err)
{
    *m = place_head(&w->p, generation, "checkpoint");
    int r = store_commit(capture, m, err);
    w->p.parent = r == 0 ? generation : w->p.parent;
    return r;
}

/* Both, and what happens between them. */
static inline int try_both(struct world *w, int generation, void (*between)(struct world *w), struct manifest *m, struct error *err)
{
    struct store_capture *capture = NULL;
    int r = first_phase(w, &capture, err);
    if (r == 0 && between)
        between(w);
    if (r == 0)
        r = second_phase(w, capture, err);
    if (r == 0)
        r = finish(w, capture, generation, m, err);
    store_capture_free(capture);
    return r;
}

static inline int64_t commit_both(struct world *w, int generation)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    if (try_both(w, generation, NULL, &m, &err) != 0)
        fail_msg("%s", err.text);
    return m.new_bytes;
}

static inline void restore(struct world *w, int generation, int back[3])
{
    static const char *const names[] = { "work", "std", "images" };
    struct error err = { 0 };
    struct store_tree trees[3];
    auto_manifest struct manifest m = { 0 };
    place_empty_back(&w->p);
    for (size_t i = 0; i < 3; i++) {
        back[i] = place_mkdir(w->p.back, names[i]);
        trees[i] = (struct store_tree){ names[i], back[i] };
    }
    assert_int_equal(store_manifest(w->p.store, w->p.job, generation, &m, &err), 0);
    if (store_extract(w->p.store, NULL, &m, trees, 3, NULL, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void expect_restored(struct world *w, int generation)
{
    int back[3];
    restore(w, generation, back);
    assert_same_tree(w->p.work, back[0]);
    assert_same_tree(w->std, back[1]);
    assert_same_tree(w->images, back[2]);
    for (size_t i = 0; i < 3; i++)
        file_close(&back[i]);
}

static inline void list_store(struct world *w, struct buf *out)
{
    auto_close int job = openat(w->p.dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place_list_names(job, "", true, out);
}

/* ---- hints ---- */

/* For each page of what is large there is the right digest, whatever place the file had in its phase. */
static inline void expect_hints(struct world *w, int generation)
{
    struct hints hints;
    struct hint of[CHUNK_PAGES];
    struct digest pages[CHUNK_PAGES], digest;
    struct error err = { 0 };
    size_t chunks = 0, at = 0;
    auto_close int job = -1;
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(layout_open_job(w->p.store, w->p.job, false, &job, &err), 0);
    assert_int_equal(store_manifest(w->p.store, w->p.job, generation, &m, &err), 0);
    hints_open(w->p.store, job, &hints);
    assert_true(hints.fd >= 0 && hints.base.generation == generation);
    for (size_t i = 0; i < m.entry_count; i++)
        for (size_t k = 0; m.entries[i].size >= 65536 && k < m.entries[i].chunk_count; k++, chunks++) {
            const struct store_entry *e = &m.entries[i], *base = hints_base(&hints, e->name, e->cuts ? &e->cuts[k] : NULL, k, &at);
            size_t count = pages_of(manifest_chunk_len(e, k));
            if (!base || at != k || !hints_read(&hints, base, at, of))
                fail_msg("'%s' has no hints for its chunk %zu", e->name, k);
            for (size_t n = 0; n < count; n++)
                pages[n] = of[n].digest;
            pages_digest(pages, count, &digest);
            assert_memory_equal(&digest, &e->chunks[k], sizeof digest);
        }
    assert_true(chunks > 2);
    hints_close(&hints);
}
