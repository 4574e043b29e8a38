/* Packs, and how chunks are put together from them. */
#include "store_place.h"

#include "store/shelf.h"

#include <stdlib.h>

/* ---- packs ---- */

static struct pack_record record_of(const uint8_t *data, size_t len)
{
    struct pack_record r = { .bytes = (uint32_t)len, .pages = page_set_first(pages_of(len)) };
    chunk_digest(data, len, &r.digest);
    return r;
}

/* Data that zstd makes nothing of. */
static void fill_random(uint8_t *data, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        data[i] = (uint8_t)(seed >> 40);
    }
}

/* Appends chunks of these lengths, plain, finishes and keeps the pack. */
static struct pack_id write_pack(struct place *p, const uint8_t *data, const size_t *lengths, size_t count)
{
    struct error err = { 0 };
    struct pack pack;
    struct pack_writer *w = pack_writer_new(p->back, &p->store->seal);
    for (size_t i = 0; i < count; i++) {
        struct pack_record r = record_of(data, lengths[i]);
        bool blocked = true;
        assert_int_equal(pack_append(w, &r, data, lengths[i], &blocked, &err), 0);
        assert_int_equal(r.stored, lengths[i]);
    }
    assert_int_equal(pack_finish(w, &err), 0);
    assert_int_equal(pack_writer_count(w), count > 0);
    pack_writer_get(w, 0, &pack);
    struct pack_id id = pack.id;
    pack_keep(w);
    pack_writer_free(w);
    return id;
}

/* Whole ones and short ones down to the shortest, at places that are not aligned. */
static void chunks_are_what_was_written(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct pack pack;
    static const size_t lengths[] = { STORE_CHUNK_BYTES, 1, STORE_CHUNK_BYTES - 1, 4096, 8192, 4097 };
    auto_free uint8_t *data = mem_zero(1, STORE_CHUNK_BYTES);
    auto_free uint8_t *back = mem_zero(1, STORE_CHUNK_BYTES);
    struct coder *coder = coder_new();
    fill_random(data, STORE_CHUNK_BYTES, 3);
    struct pack_id id = write_pack(p, data, lengths, 6);
    assert_int_equal(pack_open(p->back, &id, &p->store->seal, &pack, &err), 0);
    assert_int_equal(pack.count, 6);
    for (size_t i = 0; i < 6; i++) {
        struct pack_record wanted = record_of(data, lengths[i]);
        const struct pack_record *r = pack_find(&pack, &wanted.digest);
        assert_non_null(r);
        memset(back, 0, STORE_CHUNK_BYTES);
        assert_int_equal(pack_apply(&pack, r, back, coder, &err), 0);
        assert_memory_equal(back, data, lengths[i]);
    }
    struct digest none;
    digest_of("other", 5, &none);
    assert_null(pack_find(&pack, &none));
    pack_close(&pack);
    coder_free(coder);
}

static void a_pack_that_was_not_finished_or_kept_is_gone(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    uint8_t data[100] = "x";
    bool blocked;
    for (int finished = 0; finished <= 1; finished++) {
        struct pack_writer *w = pack_writer_new(p->back, &p->store->seal);
        struct pack_record r = record_of(data, sizeof data);
        assert_int_equal(pack_append(w, &r, data, sizeof data, &blocked, &err), 0);
        assert_int_equal(place_count_names(p->back), 1);
        assert_int_equal(pack_written(w), sizeof data);
        if (finished)
            assert_int_equal(pack_finish(w, &err), 0);
        pack_writer_free(w);
        assert_int_equal(place_count_names(p->back), 0);
    }
    pack_writer_free(NULL);
}

static void nothing_but_a_file_is_a_pack(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct pack pack;
    char name[33], other[] = "00112233445566778899aabbccddeeff";
    uint8_t data[5000];
    struct pack_id id, as;
    fill_random(data, sizeof data, 5);
    id = write_pack(p, data, &(size_t){ sizeof data }, 1);
    pack_id_print(&id, name);
    assert_true(pack_id_parse(other, &as));
    assert_int_equal(pack_open(p->back, &as, &p->store->seal, &pack, &err), STORE_ABSENT);
    assert_int_equal(symlinkat(name, p->back, other), 0);
    assert_int_equal(pack_open(p->back, &as, &p->store->seal, &pack, &err), -1);
    assert_int_equal(unlinkat(p->back, other, 0), 0);
    assert_int_equal(mkfifoat(p->back, other, 0600), 0);
    assert_int_equal(pack_open(p->back, &as, &p->store->seal, &pack, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(unlinkat(p->back, other, 0), 0);
    assert_int_equal(mkdirat(p->back, other, 0700), 0);
    assert_int_equal(pack_open(p->back, &as, &p->store->seal, &pack, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(unlinkat(p->back, other, AT_REMOVEDIR), 0);
    assert_int_equal(linkat(p->back, name, p->back, other, 0), 0); /* a good one under another's name */
    assert_int_equal(pack_open(p->back, &as, &p->store->seal, &pack, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(pack_open(p->back, &id, &p->store->seal, &pack, &err), 0);
    pack_close(&pack);
}

static void a_table_that_another_store_signed_is_refused(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct pack pack;
    struct seal other = p->store->seal;
    uint8_t data[5000];
    fill_random(data, sizeof data, 5);
    struct pack_id id = write_pack(p, data, &(size_t){ sizeof data }, 1);
    other.key[31] ^= 1;
    assert_int_equal(pack_open(p->back, &id, &other, &pack, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(pack_open(p->back, &id, NULL, &pack, &err), 0);
    pack_close(&pack);
}

/* ---- shelves ---- */

/* The content of version `v` of a chunk of four pages: page v % 4 is that of v, the others are older. */
static void chunk_version(uint8_t *chunk, int v)
{
    memset(chunk, 7, 4 * PAGE);
    for (int i = 1; i <= v; i++)
        memset(chunk + (size_t)(i % 4) * PAGE, i, PAGE);
}

static struct digest version_digest(int v)
{
    uint8_t chunk[4 * PAGE];
    struct digest digest;
    chunk_version(chunk, v);
    chunk_digest(chunk, sizeof chunk, &digest);
    return digest;
}

/* A record of version v: whole when base < 0, else the one page that makes it from the version before. */
struct version {
    int v, base;
    uint16_t depth;
};

static struct pack_id pack_of(struct place *p, const struct version *list, size_t count)
{
    struct error err = { 0 };
    struct pack pack;
    struct pack_writer *w = pack_writer_new(p->back, &p->store->seal);
    for (size_t i = 0; i < count; i++) {
        uint8_t chunk[4 * PAGE];
        bool blocked;
        struct pack_record r = { .digest = version_digest(list[i].v), .bytes = sizeof chunk, .depth = list[i].depth };
        chunk_version(chunk, list[i].v);
        if (list[i].base >= 0)
            page_set_add(&r.pages, (size_t)list[i].v % 4);
        else
            r.pages = page_set_first(4);
        if (list[i].base >= 0)
            r.base = version_digest(list[i].base);
        size_t len = pages_gather(chunk, sizeof chunk, &r.pages);
        assert_int_equal(pack_append(w, &r, chunk, len, &blocked, &err), 0);
    }
    assert_int_equal(pack_finish(w, &err), 0);
    pack_writer_get(w, 0, &pack);
    struct pack_id id = pack.id;
    pack_keep(w);
    pack_writer_free(w);
    return id;
}

static int fetch_version(const struct shelf *shelf, int v, struct error *err)
{
    static uint8_t chunk[STORE_CHUNK_BYTES];
    uint8_t expected[4 * PAGE];
    struct coder *coder = coder_new();
    struct digest digest = version_digest(v);
    int r = shelf_fetch(shelf, &digest, sizeof expected, chunk, coder, err);
    coder_free(coder);
    chunk_version(expected, v);
    if (r == 0)
        assert_memory_equal(chunk, expected, sizeof expected);
    return r;
}

/* The longest chain that may be, and one more. */
static void chains_have_a_greatest_length(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct shelf shelf;
    struct shelf_chain chain;
    struct version list[SHELF_DEPTH_MAX + 2];
    for (int i = 0; i < SHELF_DEPTH_MAX + 2; i++)
        list[i] = (struct version){ i, i - 1, (uint16_t)i };
    struct pack_id id = pack_of(p, list, SHELF_DEPTH_MAX + 2);
    shelf_init(&shelf, &p->store->seal, p->back);
    assert_int_equal(shelf_add(&shelf, &id, &err), 0);
    for (int v = 0; v <= SHELF_DEPTH_MAX; v++) {
        struct digest digest = version_digest(v), root = version_digest(0);
        assert_int_equal(fetch_version(&shelf, v, &err), 0);
        assert_true(shelf_usable(&shelf, &digest, &chain));
        assert_int_equal(chain.depth, v);
        assert_memory_equal(&chain.root, &root, sizeof root);
        assert_int_equal(page_set_count(&chain.above), v < 4 ? v : 4);
    }
    struct digest beyond = version_digest(SHELF_DEPTH_MAX + 1);
    assert_int_equal(fetch_version(&shelf, SHELF_DEPTH_MAX + 1, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_false(shelf_usable(&shelf, &beyond, &chain) || shelf_use(&shelf, &beyond));
    shelf_release(&shelf);
}

/* A chunk in two packs, upon bases of which only one is there: whichever comes first by depth or by name. */
static void a_way_that_has_no_end_is_not_taken(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int round = 0; round < 8; round++) { /* names, and so the order, are random */
        struct shelf shelf;
        struct shelf_chain chain;
        struct pack_id ids[] = {
            pack_of(p, (struct version[]){ { 5, 4, 1 } }, 1),              /* its base is nowhere */
            pack_of(p, (struct version[]){ { 5, 3, 1 } }, 1),              /* nor this one's */
            pack_of(p, (struct version[]){ { 4, -1, 0 }, { 9, 8, 3 } }, 2),
            pack_of(p, (struct version[]){ { 5, 4, 2 } }, 1),
        };
        struct digest digest = version_digest(5);
        shelf_init(&shelf, &p->store->seal, p->back);
        for (size_t i = 0; i < 4; i++) {
            if (i == 2)
                assert_false(shelf_usable(&shelf, &digest, &chain) || shelf_use(&shelf, &digest));
            assert_int_equal(shelf_add(&shelf, &ids[(i + (size_t)round) % 2 + i / 2 * 2], &err), 0);
        }
        assert_true(shelf_usable(&shelf, &digest, &chain));
        assert_true(shelf_use(&shelf, &digest));
        assert_int_equal(fetch_version(&shelf, 5, &err), 0);
        size_t used = 0;
        for (size_t i = 0; i < shelf.count; i++)
            for (size_t k = 0; shelf.packs[i]->used && k < shelf.packs[i]->count; k++)
                used += shelf.packs[i]->used[k];
        assert_int_equal(used, 2);
        shelf_release(&shelf);
    }
}

static void what_is_worn_is_used_only_where_there_is_nothing_else(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct shelf shelf;
    struct shelf_chain chain;
    struct pack_id old = pack_of(p, (struct version[]){ { 4, -1, 0 }, { 6, -1, 0 } }, 2);
    struct pack_id fresh = pack_of(p, (struct version[]){ { 4, 3, 2 }, { 3, 2, 1 }, { 2, -1, 0 } }, 3);
    struct digest four = version_digest(4), six = version_digest(6);
    shelf_init(&shelf, &p->store->seal, p->back);
    assert_int_equal(shelf_add(&shelf, &old, &err), 0);
    assert_int_equal(shelf_add(&shelf, &fresh, &err), 0);
    assert_true(shelf_usable(&shelf, &four, &chain) && chain.depth == 0);
    shelf_pack(&shelf, &old)->worn = true;
    assert_true(shelf_usable(&shelf, &four, &chain) && chain.depth == 2);
    assert_false(shelf_usable(&shelf, &six, &chain));
    assert_true(shelf_use(&shelf, &four));
    assert_null(shelf_pack(&shelf, &old)->used);
    assert_true(shelf_use(&shelf, &six));
    assert_non_null(shelf_pack(&shelf, &old)->used);
    assert_int_equal(fetch_version(&shelf, 4, &err), 0);
    assert_int_equal(fetch_version(&shelf, 6, &err), 0);
    shelf_release(&shelf);
}

/* Tables that stand upon each other in circles, many times over: no search goes on for ever, or for long. */
static void circles_of_bases_come_to_an_end(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct shelf shelf;
    struct version list[6];
    for (int i = 0; i < 6; i++)
        list[i] = (struct version){ i, (i + 1) % 6, 1 };
    shelf_init(&shelf, &p->store->seal, p->back);
    for (int i = 0; i < 40; i++) { /* 40 ways at each of nine steps */
        struct pack_id id = pack_of(p, list, 6);
        assert_int_equal(shelf_add(&shelf, &id, &err), 0);
    }
    struct digest digest = version_digest(0);
    assert_int_equal(fetch_version(&shelf, 0, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_false(shelf_use(&shelf, &digest));
    shelf_release(&shelf);
}

static void packs_that_are_little_used_or_too_many_are_worn(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct shelf shelf;
    enum { COUNT = SHELF_PACKS + 3 };
    struct manifest m = { .packs = mem_zero(COUNT, sizeof *m.packs), .pack_count = COUNT };
    auto_free struct manifest_pack *packs = m.packs;
    shelf_init(&shelf, &p->store->seal, p->back);
    for (int i = 0; i < COUNT; i++) {
        m.packs[i] = (struct manifest_pack){ pack_of(p, (struct version[]){ { i, -1, 0 } }, 1), 1000, 1000 - i };
        assert_int_equal(shelf_add(&shelf, &m.packs[i].id, &err), 0);
    }
    m.packs[7].bytes = 4 * m.packs[7].used + 4; /* not even a quarter */
    m.packs[8].bytes = 4 * m.packs[8].used;
    shelf_wear(&shelf, &m);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(shelf_pack(&shelf, &m.packs[i].id)->worn, i == 7 || i >= SHELF_PACKS);
    shelf_release(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(chunks_are_what_was_written),
        place_test(a_pack_that_was_not_finished_or_kept_is_gone),
        place_test(nothing_but_a_file_is_a_pack),
        place_test(a_table_that_another_store_signed_is_refused),
        memory_test(chains_have_a_greatest_length),
        memory_test(a_way_that_has_no_end_is_not_taken),
        memory_test(what_is_worn_is_used_only_where_there_is_nothing_else),
        memory_test(circles_of_bases_come_to_an_end),
        memory_test(packs_that_are_little_used_or_too_many_are_worn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
