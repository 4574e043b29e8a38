/*
 * Damage: whatever happens to a pack, it is found when it is read, named, and never becomes somebody's file; whatever happens to a
 * cache does not matter.
 */
#include "store_place.h"

#include "store/index.h"
#include "store/page.h"

#include <stdlib.h>

static void fill_work(struct place *p)
{
    place_fill(p->work, "big", 0, MIB + 70000, 1);
    auto_free char *text = mem_zero(1, 300000);
    for (size_t i = 0; i < 300000; i++)
        text[i] = "all work and no play "[i % 21];
    place_write(p->work, "text", text, 300000);
}

/* A whole pack in memory, and where it is. */
struct victim {
    struct place *p;
    struct pack_id id;
    char name[33];
    int packs;
    struct buf good;
    size_t table; /* where it begins */
};

static void open_victim(struct victim *v, struct place *p)
{
    struct pack_id ids[2];
    struct pack pack;
    struct error err;
    *v = (struct victim){ .p = p, .packs = place_packs_dir(p) };
    assert_int_equal(place_list_packs(p, ids, 2), 1);
    v->id = ids[0];
    pack_id_print(&v->id, v->name);
    assert_int_equal(file_read(v->packs, v->name, &v->good, NULL), 0);
    assert_int_equal(pack_open(v->packs, &v->id, &p->store->seal, &pack, &err), 0);
    v->table = (size_t)pack.size - PACK_TAIL - pack.count * PACK_RECORD;
    pack_close(&pack);
}

static void close_victim(struct victim *v)
{
    file_close(&v->packs);
    buf_release(&v->good);
}

static void unmark(struct victim *v)
{
    auto_free char *mark = mem_printf("%s.bad", v->name);
    unlinkat(v->packs, mark, 0);
}

static void put_pack(struct victim *v, const void *data, size_t len)
{
    unlinkat(v->packs, v->name, 0); /* a new file: its other names stay good */
    place_write(v->packs, v->name, data, len);
}

/* Refused and named by verification and restoring; nothing of the kind comes back. */
static void expect_found(struct victim *v, size_t at, bool payload)
{
    struct error err = { 0 };
    if (place_verify(v->p, 1, &err) != -1 || err.kind != ERR_CORRUPT)
        fail_msg("at byte %zu: not found, or %s", at, err.text);
    if (!strstr(err.text, v->name))
        fail_msg("at byte %zu: does not name the pack: %s", at, err.text);
    if (payload && (!strstr(err.text, "'work/") || !strstr(err.text, ", chunk ") || !strstr(err.text, " at offset ")))
        fail_msg("at byte %zu: does not name the file: %s", at, err.text);
    err = (struct error){ 0 };
    assert_int_equal(place_restore(v->p, 1, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

/* What did get restored is right: files come whole or not at all. */
static void expect_nothing_wrong_in(struct place *p)
{
    static const char *const names[] = { "big", "text" };
    for (size_t i = 0; i < 2; i++)
        if (faccessat(p->back, names[i], F_OK, 0) == 0)
            assert_same_content(p->work, p->back, names[i]);
    assert_int_equal(faccessat(p->back, ".stint-restore.0", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void a_flipped_bit_anywhere_in_a_pack_is_found_and_named(void **state)
{
    struct place *p = *state;
    struct victim v;
    fill_work(p);
    place_commit(p, 1);
    open_victim(&v, p);
    struct pack pack;
    struct error err;
    assert_int_equal(pack_open(v.packs, &v.id, &p->store->seal, &pack, &err), 0);
    size_t step = 1, tried = 0;
    for (size_t at = 0; at < v.good.len; at += step) {
        bool payload = false;
        for (size_t i = 0; i < pack.count; i++)
            payload |= at >= pack.records[i].offset && at < pack.records[i].offset + pack.records[i].stored;
        bool gap = at >= PACK_HEADER && at < v.table && !payload;
        step = at < 80 || !payload ? 1 : v.table - at < 9973 ? v.table - at : 9973;
        if (gap)
            continue;
        v.good.data[at] ^= (char)(1 << at % 8);
        put_pack(&v, v.good.data, v.good.len);
        v.good.data[at] ^= (char)(1 << at % 8);
        place_empty_back(p);
        expect_found(&v, at, payload);
        expect_nothing_wrong_in(p);
        unmark(&v);
        tried++;
    }
    assert_true(tried > 500);
    put_pack(&v, v.good.data, v.good.len);
    pack_close(&pack);
    assert_int_equal(place_verify(p, 1, &err), 0);
    close_victim(&v);
}

static void a_pack_that_is_cut_or_grew_is_found_and_named(void **state)
{
    struct place *p = *state;
    struct victim v;
    struct error err;
    fill_work(p);
    place_commit(p, 1);
    open_victim(&v, p);
    for (size_t len = 0; len < v.good.len; len += len < 200 || len > v.table ? 7 : 50021) {
        put_pack(&v, v.good.data, len);
        expect_found(&v, len, false);
        unmark(&v);
    }
    auto_buf struct buf longer = { 0 };
    buf_add(&longer, v.good.data, v.good.len);
    for (int i = 0; i < 3; i++) {
        buf_add(&longer, i == 2 ? v.good.data : "", i == 2 ? PACK_TAIL : 1);
        put_pack(&v, longer.data, longer.len);
        expect_found(&v, longer.len, false);
        unmark(&v);
    }
    auto_buf struct buf shifted = { 0 }; /* a byte more in the middle: table and tail are whole */
    buf_add(&shifted, v.good.data, PACK_HEADER);
    buf_add(&shifted, "", 1);
    buf_add(&shifted, v.good.data + PACK_HEADER, v.good.len - PACK_HEADER);
    put_pack(&v, shifted.data, shifted.len);
    expect_found(&v, PACK_HEADER, true);
    unmark(&v);
    put_pack(&v, v.good.data, v.good.len);
    assert_int_equal(place_verify(p, 1, &err), 0);
    close_victim(&v);
}

static void something_else_in_a_pack_s_place_is_found_and_healed(void **state)
{
    struct place *p = *state;
    struct victim v;
    struct error err = { 0 };
    fill_work(p);
    place_commit(p, 1);
    open_victim(&v, p);
    auto_close int elsewhere = place_mkdir(p->dir, "elsewhere");
    place_write(elsewhere, "pack", v.good.data, v.good.len);
    for (int how = 0; how < 4; how++) {
        int64_t g = how + 2;
        assert_int_equal(unlinkat(v.packs, v.name, 0), 0);
        if (how == 1)
            assert_int_equal(symlinkat("../../../elsewhere/pack", v.packs, v.name), 0); /* good, but not here */
        if (how == 2)
            assert_int_equal(mkfifoat(v.packs, v.name, 0600), 0);
        if (how == 3)
            assert_int_equal(mkdirat(v.packs, v.name, 0700), 0);
        assert_int_equal(place_verify(p, 1, &err), -1);
        assert_non_null(strstr(err.text, v.name));
        auto_manifest struct manifest m = { 0 };
        if (place_try(p, ".", (int)g, &m, &err) != 0)
            fail_msg("%d: %s", how, err.text);
        if (place_verify(p, (int)g, &err) != 0)
            fail_msg("%d: %s", how, err.text);
        place_empty_back(p);
        assert_int_equal(place_restore(p, (int)g, &err), 0);
        assert_same_tree(p->work, p->back);
        unlinkat(v.packs, v.name, how == 3 ? AT_REMOVEDIR : 0);
        place_write(v.packs, v.name, v.good.data, v.good.len);
    }
    close_victim(&v);
}

/* A directory in a pack's place is nobody's, and must not keep a job from ever being swept or removed. */
static void a_directory_in_a_pack_s_place_does_not_stop_removal(void **state)
{
    struct place *p = *state;
    struct victim v;
    struct error err = { 0 };
    fill_work(p);
    place_commit(p, 1);
    open_victim(&v, p);
    assert_int_equal(mkdirat(v.packs, "00112233445566778899aabbccddeeff", 0700), 0);
    auto_manifest struct manifest m = { 0 };
    if (place_try(p, ".", 2, &m, &err) != 0)
        fail_msg("%s", err.text);
    if (store_remove(p->store, p->job, &err) != 0)
        fail_msg("%s", err.text);
    close_victim(&v);
}

/* ---- caches ---- */

static void expect_round_trip(struct place *p, int generation)
{
    struct error err = { 0 };
    place_empty_back(p);
    if (place_verify(p, generation, &err) != 0 || place_restore(p, generation, &err) != 0)
        fail_msg("%s", err.text);
    assert_same_tree(p->work, p->back);
}

static void damaged_hints_do_no_harm(void **state)
{
    struct place *p = *state;
    auto_buf struct buf hints = { 0 };
    int g = 1;
    fill_work(p);
    place_commit(p, g);
    assert_int_equal(file_read(p->dir, "store/7.0/hints", &hints, NULL), 0);
    for (size_t at = 0; at < hints.len; at += at < 130 ? 1 : 997) {
        place_fill(p->work, "big", 5 * 4096, 10, at + 1000); /* something changes, so that hints are needed */
        hints.data[at] ^= (char)(1 << at % 8);
        place_write(p->dir, "store/7.0/hints", hints.data, hints.len);
        p->hurry = at % 2;
        place_commit(p, ++g);
        expect_round_trip(p, g);
        assert_int_equal(place_retain(p, 1, NULL), 0);
        buf_clear(&hints);
        assert_int_equal(file_read(p->dir, "store/7.0/hints", &hints, NULL), 0); /* good again */
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(unlinkat(p->dir, "store/7.0/hints", 0), 0);
        if (i == 0)
            assert_int_equal(mkfifoat(p->dir, "store/7.0/hints", 0600), 0);
        else if (i == 1)
            assert_int_equal(symlinkat("/etc/passwd", p->dir, "store/7.0/hints"), 0);
        else if (i == 2)
            assert_int_equal(mkdirat(p->dir, "store/7.0/hints", 0700), 0);
        else
            place_write(p->dir, "store/7.0/hints", "", 0);
        place_fill(p->work, "big", 5 * 4096, 10, i + 5000);
        place_commit(p, ++g);
        expect_round_trip(p, g);
        if (i == 2)
            assert_int_equal(unlinkat(p->dir, "store/7.0/hints", AT_REMOVEDIR), 0);
        if (i == 2)
            place_write(p->dir, "store/7.0/hints", "", 0);
    }
}

/* Flips in what is used of the index, and an index that is something else. Two jobs with the same content. */
static void a_damaged_index_does_no_harm(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_free char *index = place_shared("index");
    auto_buf struct buf good = { 0 };
    fill_work(p);
    place_commit(p, 1);
    assert_int_equal(file_read(p->dir, index, &good, NULL), 0);
    size_t tried = 0, used[16], count = 0;
    for (size_t at = 0; at + 48 <= good.len && count < 16; at += at % 4096 == 4032 ? 64 : 48)
        for (size_t k = 0; k < 48; k++)
            if (good.data[at + k]) {
                used[count++] = at;
                break;
            }
    assert_true(count >= 2);
    for (size_t u = 0; u < count; u++)
        for (size_t k = 0; k < 48; k += 5, tried++) {
            good.data[used[u] + k] ^= (char)(1 << k % 8);
            place_write(p->dir, index, good.data, good.len);
            good.data[used[u] + k] ^= (char)(1 << k % 8);
            p->job = "8.0";
            p->parent = 0;
            assert_int_equal(store_remove(p->store, "8.0", &err), 0);
            place_commit(p, 1);
            expect_round_trip(p, 1);
        }
    assert_true(tried >= 20);
    for (int how = 0; how < 5; how++) {
        unlinkat(p->dir, index, 0);
        if (how == 0)
            assert_int_equal(mkfifoat(p->dir, index, 0600), 0);
        else if (how == 1)
            assert_int_equal(symlinkat("/etc/passwd", p->dir, index), 0);
        else if (how == 2)
            assert_int_equal(mkdirat(p->dir, index, 0700), 0);
        else
            place_write(p->dir, index, good.data, how == 3 ? 5000 : 0);
        assert_int_equal(store_remove(p->store, "8.0", &err), 0);
        p->parent = 0;
        place_commit(p, 1);
        expect_round_trip(p, 1);
        if (how == 2)
            assert_int_equal(unlinkat(p->dir, index, AT_REMOVEDIR), 0);
    }
}

/* The index says that a chunk is in a pack that has something else at this place, or is itself damaged. */
static void what_the_index_leads_to_is_read_before_it_is_believed(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct victim v;
    fill_work(p);
    place_commit(p, 1);
    open_victim(&v, p);
    struct pack pack;
    assert_int_equal(pack_open(v.packs, &v.id, &p->store->seal, &pack, &err), 0);
    for (size_t i = 0; i < pack.count; i++) { /* in the file itself: under all its names */
        auto_close int fd = openat(v.packs, v.name, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "\x55\xaa", 2, (off_t)(pack.records[i].offset + pack.records[i].stored / 2)), 2);
    }
    pack_close(&pack);
    p->job = "8.0";
    p->parent = 0;
    int64_t added = place_commit(p, 1);
    assert_true(added > MIB);
    expect_round_trip(p, 1);
    auto_close int packs = place_packs_dir(p);
    p->parent = 1;
    place_commit(p, 2); /* and sweeps what was linked in vain */
    assert_int_equal(place_count_packs(p), 1);
    close_victim(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_test(a_flipped_bit_anywhere_in_a_pack_is_found_and_named),
        memory_test(a_pack_that_is_cut_or_grew_is_found_and_named),
        memory_test(something_else_in_a_pack_s_place_is_found_and_healed),
        memory_test(a_directory_in_a_pack_s_place_does_not_stop_removal),
        memory_test(damaged_hints_do_no_harm),
        memory_test(a_damaged_index_does_no_harm),
        memory_test(what_the_index_leads_to_is_read_before_it_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
