/*
 * Any history of edits comes back. A seeded dice edits some files in the ways programs do, over many generations; each
 * generation is captured, and restored and compared byte for byte, and so are the ones that retention leaves. Meanwhile hints are
 * lost, damaged or stale, the shared index is damaged, captures come to nothing, generations are branched into another job. No pack
 * may be missing, and the number of packs stays bounded.
 *   test_store_property [SEED [ROUNDS]]
 */
#include "store_place.h"

#include <stdlib.h>

enum { FILES = 4, FILE_MAX = 3 * MIB, KEEP = 2, PACKS_MAX = 48 + 8 };

struct model {
    uint8_t *data;
    size_t size;
};

struct history {
    struct place p;
    uint64_t dice;
    struct model files[FILES];
    struct model old[FILES]; /* an earlier state, to go back to */
    int generation, branched;
    struct buf hints; /* of some earlier generation */
};

static uint64_t dice(struct history *h, uint64_t below)
{
    h->dice = h->dice * 6364136223846793005u + 1442695040888963407u;
    return (h->dice >> 33) % below;
}

static void fill(struct history *h, uint8_t *data, size_t len)
{
    uint64_t kind = dice(h, 3), state = h->dice;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] = kind == 0 ? (uint8_t)(state >> 56) : kind == 1 ? (uint8_t)(state >> 62) : (uint8_t)(i * 7 / 1000);
    }
}

static void set_size(struct model *f, size_t size)
{
    size = size < FILE_MAX ? size : FILE_MAX;
    if (size > f->size)
        memset(f->data + f->size, 0, size - f->size);
    f->size = size;
}

/* ---- edits ---- */

static void edit_pages(struct history *h, struct model *f)
{
    size_t pages = f->size / 4096, count = dice(h, 2) ? 1 + dice(h, 5) : 1 + dice(h, pages + 1);
    for (size_t i = 0; i < count && pages > 0; i++) {
        size_t at = dice(h, pages) * 4096;
        fill(h, f->data + at + dice(h, 4000), 1 + dice(h, 90));
    }
}

static void edit_run(struct history *h, struct model *f)
{
    if (f->size == 0)
        return;
    size_t at = dice(h, f->size), len = 1 + dice(h, f->size - at);
    fill(h, f->data + at, len);
}

static void zero_run(struct history *h, struct model *f)
{
    size_t pages = f->size / 4096;
    if (pages == 0)
        return;
    size_t at = dice(h, pages), len = 1 + dice(h, pages - at);
    memset(f->data + at * 4096, 0, len * 4096);
}

static void append(struct history *h, struct model *f)
{
    size_t before = f->size;
    set_size(f, f->size + 1 + dice(h, dice(h, 3) ? 9000 : 2 * MIB));
    fill(h, f->data + before, f->size - before);
}

static void grow_with_a_hole(struct history *h, struct model *f)
{
    set_size(f, f->size + dice(h, 3 * MIB));
}

static void truncate_it(struct history *h, struct model *f)
{
    size_t less = dice(h, dice(h, 3) ? 20000 : f->size + 1);
    f->size = less < f->size ? f->size - less : 0;
    if (dice(h, 3) == 0)
        f->size = f->size / 4096 * 4096;
}

static void shift(struct history *h, struct model *f)
{
    size_t by = dice(h, 2) ? 4096 : 1 + dice(h, 300);
    if (f->size + by > FILE_MAX)
        return;
    memmove(f->data + by, f->data, f->size);
    f->size += by;
}

static void copy_model(struct model *to, const struct model *from)
{
    memcpy(to->data, from->data, from->size);
    to->size = from->size;
}

static void go_back(struct history *h, struct model *f)
{
    copy_model(f, &h->old[f - h->files]);
}

static void copy_of_another(struct history *h, struct model *f)
{
    const struct model *other = &h->files[dice(h, FILES)];
    if (other != f)
        copy_model(f, other);
}

static void leave_it(struct history *h, struct model *f)
{
    (void)h;
    (void)f;
}

static void edit(struct history *h)
{
    static void (*const edits[])(struct history *h, struct model *f) = {
        edit_pages, edit_pages, edit_pages, edit_pages, edit_run, zero_run, append, append, grow_with_a_hole, truncate_it, shift, go_back,
        copy_of_another, leave_it, leave_it, leave_it,
    };
    for (size_t i = 0; i < FILES; i++) {
        if (dice(h, 6) == 0)
            copy_model(&h->old[i], &h->files[i]);
        edits[dice(h, sizeof edits / sizeof edits[0])](h, &h->files[i]);
    }
}

/* ---- what is on the disk ---- */

static const char *file_name(size_t i)
{
    static const char *const names[FILES] = { "a", "b", "c", "d" };
    return names[i];
}

/* Whole pages of zeros are left out, so that there are holes. */
static void write_files(struct history *h)
{
    static const uint8_t zeros[4096];
    for (size_t i = 0; i < FILES; i++) {
        const struct model *f = &h->files[i];
        auto_close int fd = openat(h->p.work, file_name(i), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        for (size_t at = 0; at < f->size; at += 4096) {
            size_t len = f->size - at < 4096 ? f->size - at : 4096;
            if (memcmp(f->data + at, zeros, len) != 0)
                assert_int_equal(pwrite(fd, f->data + at, len, (off_t)at), len);
        }
        assert_int_equal(ftruncate(fd, (off_t)f->size), 0);
    }
}

static void expect_generation(struct history *h, int generation)
{
    struct error err = { 0 };
    place_empty_back(&h->p);
    if (place_restore(&h->p, generation, &err) != 0)
        fail_msg("job %s: %s", h->p.job, err.text);
    for (size_t i = 0; i < FILES; i++) {
        auto_buf struct buf got = { 0 };
        assert_int_equal(file_read(h->p.back, file_name(i), &got, NULL), 0);
        if (got.len != h->files[i].size || (got.len > 0 && memcmp(got.data, h->files[i].data, got.len) != 0))
            fail_msg("generation %d of job %s: '%s' is another", generation, h->p.job, file_name(i));
    }
}

/* ---- accidents ---- */

static void flip_in(struct history *h, const char *name)
{
    auto_buf struct buf text = { 0 };
    if (file_read(h->p.dir, name, &text, NULL) != 0 || text.len == 0)
        return;
    for (int i = 0; i < 20; i++)
        text.data[dice(h, text.len)] ^= (char)(1 << dice(h, 8));
    place_write(h->p.dir, name, text.data, text.len);
}

static void have_an_accident(struct history *h)
{
    struct error err;
    struct store_capture *capture = NULL;
    auto_free char *hints = mem_printf("store/%s/hints", h->p.job);
    auto_free char *index = place_shared("index");
    switch (dice(h, 10)) {
    case 0:
        unlinkat(h->p.dir, hints, 0);
        break;
    case 1:
        flip_in(h, hints);
        break;
    case 2:
        if (h->hints.len > 0)
            place_write(h->p.dir, hints, h->hints.data, h->hints.len);
        break;
    case 3:
        buf_clear(&h->hints);
        file_read(h->p.dir, hints, &h->hints, NULL);
        break;
    case 4:
        flip_in(h, index);
        break;
    case 5: /* a capture that comes to nothing */
        assert_int_equal(place_capture(&h->p, ".", &capture, &err), 0);
        store_capture_free(capture);
        break;
    case 6:
        assert_int_equal(store_gc(h->p.store, &(int64_t){ 0 }, NULL, &err), 0);
        break;
    default:
        break;
    }
}

static void step(struct history *h)
{
    struct error err = { 0 };
    edit(h);
    write_files(h);
    h->p.hurry = dice(h, 2);
    have_an_accident(h);
    int generation = ++h->generation;
    place_commit(&h->p, generation);
    if (place_retain(&h->p, KEEP, &err) != 0)
        fail_msg("%s", err.text);
    expect_generation(h, generation);
    if (generation > 1 && place_verify(&h->p, generation - 1, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(place_count_packs(&h->p) <= PACKS_MAX);
}

static void every_history_of_edits_comes_back(uint64_t seed, int rounds, bool memory)
{
    struct history *h = mem_new(struct history);
    struct error err = { 0 };
    *h = (struct history){ .dice = seed };
    place_open_in(&h->p, memory);
    for (size_t i = 0; i < FILES; i++) {
        h->files[i].data = mem_zero(1, FILE_MAX);
        h->old[i].data = mem_zero(1, FILE_MAX);
        append(h, &h->files[i]);
    }
    for (int i = 0; i < rounds; i++) {
        if (i == rounds / 3 || i == rounds / 3 * 2) { /* goes on as another job, from there */
            const char *to = i == rounds / 3 ? "8.0" : "9.0";
            assert_int_equal(store_branch(h->p.store, h->p.job, h->generation, to, 1, 7, &err), 0);
            h->p.job = to;
            h->p.parent = h->generation = 1;
            expect_generation(h, 1);
        }
        if (i == rounds / 2) { /* a rewind */
            assert_int_equal(store_branch(h->p.store, h->p.job, h->generation, h->p.job, h->generation + 1, 7, &err), 0);
            h->p.parent = ++h->generation;
            expect_generation(h, h->generation);
        }
        if (i == rounds / 4 * 3)
            assert_int_equal(store_remove(h->p.store, "7.0", &err), 0);
        step(h);
    }
    place_close(&h->p);
    for (size_t i = 0; i < FILES; i++) {
        free(h->files[i].data);
        free(h->old[i].data);
    }
    buf_release(&h->hints);
    free(h);
}

static uint64_t the_seed;
static int the_rounds = 42;

static void a_first_history_of_edits_comes_back(void **state)
{
    (void)state;
    every_history_of_edits_comes_back(the_seed ? the_seed : 20261126, the_rounds, false);
}

static void a_second_history_of_edits_comes_back(void **state)
{
    (void)state;
    every_history_of_edits_comes_back(the_seed ? the_seed + 1 : 4711, the_rounds * 2, true);
}

/* Many generations of few changed pages: chains reach their longest and are cut, packs become worn and go. */
static void a_long_life_of_small_changes_keeps_few_packs_and_comes_back(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    uint64_t seed = 3;
    place_fill(p->work, "state", 0, 2 * MIB, 1);
    int64_t first = place_commit(p, 1);
    size_t most = 0;
    for (int g = 2; g <= 120; g++) {
        auto_close int fd = openat(p->work, "state", O_WRONLY | O_CLOEXEC);
        for (int i = 0; i < 5; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            assert_int_equal(pwrite(fd, &seed, sizeof seed, (off_t)((seed >> 33) % (2 * MIB - 8))), sizeof seed);
        }
        p->hurry = g % 2;
        int64_t added = place_commit(p, g);
        if (added > first * 2)
            fail_msg("generation %d added %lld bytes", g, (long long)added);
        assert_int_equal(place_retain(p, KEEP, &err), 0);
        size_t packs = place_count_packs(p);
        most = packs > most ? packs : most;
    }
    place_empty_back(p);
    assert_int_equal(place_restore(p, 120, &err), 0);
    assert_same_tree(p->work, p->back);
    assert_int_equal(place_verify(p, 119, &err), 0);
    struct store_usage usage;
    assert_int_equal(store_job_usage(p->store, p->job, &usage, &err), 0);
    assert_true(usage.stored < 4 * first + 2 * MIB);
    assert_true(most <= PACKS_MAX);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_history_of_edits_comes_back),
        cmocka_unit_test(a_second_history_of_edits_comes_back),
        memory_test(a_long_life_of_small_changes_keeps_few_packs_and_comes_back),
    };
    the_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    the_rounds = argc > 2 ? atoi(argv[2]) : the_rounds;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
