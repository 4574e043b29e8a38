/*
 * What a checkpoint costs: pages, digests, deltas, zeros, memory images, chunks of other jobs, hints. The program has itself traced:
 * how often it read from a pack is known from the fault points it passed.
 */
#include "store_place.h"

#include "store/hints.h"
#include "store/index.h"
#include "store/page.h"

#include <nettle/sha2.h>
#include <stdlib.h>

static char trace_path[] = "/tmp/stint-trace-XXXXXX";

/* How often a point has been passed since the last call for any. */
static int passes(const char *point)
{
    auto_buf struct buf text = { 0 };
    int count = 0;
    auto_free char *line = mem_printf(" %s\n", point);
    assert_int_equal(file_read(AT_FDCWD, trace_path, &text, NULL), 0);
    for (const char *at = buf_cstr(&text); (at = strstr(at, line)); at++)
        count++;
    assert_int_equal(truncate(trace_path, 0), 0);
    return count;
}

static uint64_t dice_state = 1;

static uint64_t dice(uint64_t below)
{
    dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
    return (dice_state >> 33) % below;
}

static void fill_random(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)dice(256);
}

/* ---- pages ---- */

static void sha256(const void *data, size_t len, uint8_t out[32])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, len, data);
    sha256_digest(&sha, 32, out);
}

static void a_chunk_s_digest_is_that_of_its_pages_digests(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 4095, 4096, 4097, 70000, STORE_CHUNK_BYTES - 1, STORE_CHUNK_BYTES };
    auto_free uint8_t *data = mem_zero(1, STORE_CHUNK_BYTES);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t pages[CHUNK_PAGES][32], expected[32];
        struct digest actual;
        fill_random(data, lengths[i]);
        memset(data + lengths[i] / 8192 * 4096, 0, lengths[i] < 4096 ? 0 : 4096); /* a page of zeros among them */
        size_t count = 0;
        for (size_t at = 0; at < lengths[i]; at += 4096)
            sha256(data + at, lengths[i] - at < 4096 ? lengths[i] - at : 4096, pages[count++]);
        sha256(pages, count * 32, expected);
        chunk_digest(data, lengths[i], &actual);
        assert_memory_equal(actual.bytes, expected, 32);
    }
    uint8_t zeros[4096] = { 0 }, expected[32];
    sha256(zeros, sizeof zeros, expected);
    assert_memory_equal(page_zero_digest()->bytes, expected, 32);
}

static struct page_set random_set(size_t pages, unsigned percent)
{
    struct page_set set = { 0 };
    for (size_t i = 0; i < pages; i++)
        if (dice(100) < percent)
            page_set_add(&set, i);
    return set;
}

/* Against a loop that does it page by page. */
static void pages_are_gathered_and_scattered_to_where_they_were(void **state)
{
    (void)state;
    static const unsigned percents[] = { 0, 2, 50, 98, 100 };
    auto_free uint8_t *whole = mem_zero(1, STORE_CHUNK_BYTES), *chunk = mem_zero(1, STORE_CHUNK_BYTES), *back = mem_zero(1, STORE_CHUNK_BYTES);
    fill_random(whole, STORE_CHUNK_BYTES);
    for (int round = 0; round < 300; round++) {
        size_t bytes = 1 + dice(round % 3 ? STORE_CHUNK_BYTES : 9000);
        struct page_set set = random_set(pages_of(bytes), percents[round % 5]);
        size_t expected = 0;
        memcpy(chunk, whole, bytes);
        memset(back, 0xee, bytes);
        size_t got = pages_gather(chunk, bytes, &set);
        assert_int_equal(got, page_set_bytes(&set, bytes));
        assert_true(page_set_within(&set, bytes));
        for (size_t i = 0; i < pages_of(bytes); i++)
            if (page_set_has(&set, i)) {
                assert_memory_equal(chunk + expected, whole + i * PAGE, page_bytes(bytes, i));
                expected += page_bytes(bytes, i);
            }
        assert_int_equal(got, expected);
        pages_scatter(back, bytes, &set, chunk);
        for (size_t i = 0; i < pages_of(bytes); i++) {
            uint8_t other[PAGE];
            memset(other, 0xee, sizeof other);
            assert_memory_equal(back + i * PAGE, page_set_has(&set, i) ? whole + i * PAGE : other, page_bytes(bytes, i));
        }
    }
}

static void sets_of_pages_know_what_a_chunk_has(void **state)
{
    (void)state;
    struct page_set set = page_set_first(256), few = page_set_first(3);
    assert_int_equal(page_set_count(&set), 256);
    assert_int_equal(page_set_bytes(&set, STORE_CHUNK_BYTES), STORE_CHUNK_BYTES);
    assert_int_equal(page_set_bytes(&set, 5000), 5000); /* what the chunk has not counts nothing */
    assert_false(page_set_within(&set, STORE_CHUNK_BYTES - PAGE));
    assert_true(page_set_within(&few, 2 * PAGE + 1) && !page_set_within(&few, 2 * PAGE));
    page_set_unite(&few, &(struct page_set){ { 0, 0, 0, UINT64_C(1) << 63 } });
    assert_true(page_set_has(&few, 255) && page_set_has(&few, 2) && !page_set_has(&few, 3));
    assert_true(pages_of(0) == 0 && pages_of(1) == 1 && pages_of(4096) == 1 && pages_of(4097) == 2);
    assert_true(page_bytes(5000, 1) == 904 && page_bytes(5000, 2) == 0);
    uint8_t page[PAGE] = { 0 };
    assert_true(page_is_zero(page, PAGE) && !page_is_zero(page, PAGE - 1));
    page[PAGE - 1] = 1;
    assert_false(page_is_zero(page, PAGE));
}

static void fingerprints_tell_pages_lengths_and_seeds_apart(void **state)
{
    (void)state;
    uint8_t page[PAGE] = { 7 };
    struct fingerprint a = page_fingerprint(page, PAGE, 1), b = page_fingerprint(page, PAGE, 2), c = page_fingerprint(page, PAGE - 1, 1);
    assert_true(a.low != b.low && a.low != c.low);
    page[4000] ^= 1;
    assert_true(page_fingerprint(page, PAGE, 1).low != a.low);
}

/* ---- what changes cost ---- */

/* The given share of a file's pages gets other content, in place. */
static void change_pages(struct place *p, const char *name, size_t file_pages, size_t one_in)
{
    auto_close int fd = openat(p->work, name, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < file_pages; i++) {
        uint64_t byte = dice_state;
        if (dice(one_in) == 0)
            assert_int_equal(pwrite(fd, &byte, sizeof byte, (off_t)(i * PAGE + dice(PAGE - 8))), sizeof byte);
    }
}

static void expect_restored(struct place *p, int generation)
{
    struct error err = { 0 };
    place_empty_back(p);
    if (place_restore(p, generation, &err) != 0)
        fail_msg("%s", err.text);
    assert_same_tree(p->work, p->back);
}

static int64_t packs_on_disk(struct place *p)
{
    struct store_usage usage;
    struct error err;
    assert_int_equal(store_job_usage(p->store, p->job, &usage, &err), 0);
    return usage.stored;
}

static void one_page_of_a_hundred_costs_less_than_a_twentieth(void **state)
{
    struct place *p = *state;
    for (int hurry = 0; hurry <= 1; hurry++) {
        int g = 1 + 10 * hurry;
        p->hurry = hurry;
        place_fill(p->work, "big", 0, 32 * MIB, 5 + (uint64_t)hurry);
        int64_t first = place_commit(p, g), disk = packs_on_disk(p);
        for (int i = 1; i < 4; i++) {
            change_pages(p, "big", 32 * 256, 100);
            int64_t more = place_commit(p, g + i);
            assert_true(more > 0 && more < first / 20);
        }
        assert_true(packs_on_disk(p) - disk < 32 * MIB / 20 * 3 + 3 * MIB); /* and three files of hints and manifests */
        expect_restored(p, g + 3);
    }
}

static void a_change_does_not_read_what_is_stored(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "big", 0, 8 * MIB, 5);
    place_commit(p, 1);
    passes("");
    for (int g = 2; g < 16; g++) { /* longer than a chain may be */
        change_pages(p, "big", 8 * 256, 200);
        place_commit(p, g);
    }
    assert_int_equal(passes("store.pack.read"), 0);
    expect_restored(p, 15);
    assert_true(passes("store.pack.read") > 8);
}

static void an_unchanged_state_is_captured_without_reading_or_adding_packs(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "big", 0, 8 * MIB + 1234, 5);
    place_fill(p->work, "small", 0, 1234, 5);
    assert_int_equal(ftruncate(openat(p->work, "hole", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), 3 * MIB), 0);
    place_commit(p, 1);
    size_t packs = place_count_packs(p);
    passes("");
    for (int g = 2; g < 6; g++) {
        p->hurry = g % 2;
        assert_int_equal(place_commit(p, g), 0);
    }
    assert_int_equal(passes("store.pack.read"), 0);
    assert_int_equal(place_count_packs(p), packs);
    expect_restored(p, 5);
}

/* Hints are no more than that: without them, with those of another generation or another job it comes out the same. */
static void without_hints_the_same_is_stored(void **state)
{
    struct place *p = *state;
    auto_buf struct buf old = { 0 };
    place_fill(p->work, "big", 0, 4 * MIB, 5);
    place_commit(p, 1);
    assert_int_equal(file_read(p->dir, "store/7.0/hints", &old, NULL), 0);
    assert_int_equal(unlinkat(p->dir, "store/7.0/hints", 0), 0);
    assert_int_equal(place_commit(p, 2), 0); /* its digests are known all the same */
    assert_int_equal(faccessat(p->dir, "store/7.0/hints", F_OK, 0), 0);
    change_pages(p, "big", 4 * 256, 50);
    place_commit(p, 3);
    place_write(p->dir, "store/7.0/hints", old.data, old.len);
    change_pages(p, "big", 4 * 256, 50);
    place_commit(p, 4);
    expect_restored(p, 4);
    place_fill(p->work, "big", 0, 4 * MIB, 5); /* as it was when the hints were made, and is no more */
    place_write(p->dir, "store/7.0/hints", old.data, old.len);
    assert_true(place_commit(p, 5) >= 0);
    expect_restored(p, 5);
}

/* Of a generation of that number, with files of those sizes, but another: what they say of it is wrong. */
static void hints_of_another_life_of_the_job_are_not_believed(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_buf struct buf old = { 0 };
    place_fill(p->work, "x", 0, 2 * MIB, 1);
    place_commit(p, 1);
    assert_int_equal(file_read(p->dir, "store/7.0/hints", &old, NULL), 0);
    assert_int_equal(store_remove(p->store, "7.0", &err), 0);
    p->parent = 0;
    place_fill(p->work, "x", 0, 2 * MIB, 2);
    place_commit(p, 1);
    place_write(p->dir, "store/7.0/hints", old.data, old.len);
    place_fill(p->work, "x", 0, 2 * MIB, 1); /* as these hints know it */
    place_commit(p, 2);
    expect_restored(p, 2);
}

static void appending_stores_the_new_pages_alone(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "log", 0, 3 * MIB + 100000, 5);
    place_commit(p, 1);
    int64_t end = 3 * MIB + 100000;
    for (int g = 2; g < 30; g++) {
        int64_t from = end / PAGE * PAGE;
        place_fill(p->work, "log", end, 40000, (uint64_t)g);
        end += 40000;
        int64_t added = place_commit(p, g);
        bool chain_cut = added > end - from; /* every ninth: all since the chain's end, at most half a chunk */
        assert_true(!chain_cut || added <= MIB / 2 + PAGE || g == 20);
    }
    expect_restored(p, 29);
}

static void what_went_back_to_an_earlier_state_costs_nothing(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "big", 0, 4 * MIB, 5);
    place_commit(p, 1);
    place_fill(p->work, "big", MIB, 2 * MIB, 6);
    assert_int_equal(place_commit(p, 2), 2 * MIB);
    place_fill(p->work, "big", 0, 4 * MIB, 5);
    assert_int_equal(place_commit(p, 3), 0);
    expect_restored(p, 3);
}

static int64_t blocks_of(int dir, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_blocks * 512;
}

static void zeros_and_holes_cost_nothing_and_come_back_as_holes(void **state)
{
    struct place *p = *state;
    auto_free uint8_t *zeros = mem_zero(1, 5 * MIB);
    auto_close int hole = openat(p->work, "hole", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(hole, (off_t)200 * MIB + 77), 0);
    place_write(p->work, "zeros", zeros, 5 * MIB);
    int64_t tail = place_commit(p, 1);
    assert_true(tail < 200); /* the 77 bytes behind the last page */
    assert_int_equal(pwrite(hole, "x", 1, (off_t)100 * MIB + 12345), 1);
    assert_true(place_commit(p, 2) < 200);
    expect_restored(p, 2);
    assert_true(blocks_of(p->back, "hole") <= 64 << 10);
    assert_int_equal(blocks_of(p->back, "zeros"), 0);
    assert_true(blocks_of(p->work, "zeros") >= 5 * MIB);
}

static void what_does_not_get_smaller_is_stored_as_it_is(void **state)
{
    struct place *p = *state;
    struct pack pack;
    struct digest digest;
    auto_buf struct buf data = { 0 };
    auto_free uint8_t *text = mem_zero(1, MIB);
    place_fill(p->work, "random", 0, MIB, 5);
    for (size_t i = 0; i < MIB; i++)
        text[i] = "the quick brown fox "[i % 20];
    place_write(p->work, "text", text, MIB);
    int64_t added = place_commit(p, 1);
    assert_true(added >= MIB && added < MIB + MIB / 10);
    assert_int_equal(file_read(p->work, "random", &data, NULL), 0);
    chunk_digest((uint8_t *)data.data, MIB, &digest);
    const struct pack_record *r = place_find_chunk(p, &digest, &pack);
    assert_true(r && r->coding == PACK_PLAIN && r->stored == MIB && r->depth == 0);
    pack_close(&pack);
    chunk_digest(text, MIB, &digest);
    r = place_find_chunk(p, &digest, &pack);
    assert_true(r && r->coding == PACK_ZSTD && r->stored < MIB / 10);
    pack_close(&pack);
    expect_restored(p, 1);
}

/* ---- other jobs ---- */

static void an_identical_file_of_another_job_is_shared_and_outlives_it(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_usage one, two, all;
    struct stat st;
    struct pack_id id;
    int64_t room = 0;
    char name[33];
    place_fill(p->work, "input", 0, 6 * MIB, 5);
    assert_int_equal(place_commit(p, 1), 6 * MIB);
    assert_int_equal(store_job_usage(p->store, "7.0", &one, &err), 0);
    assert_true(one.shared == 0 && one.stored >= 6 * MIB && one.logical == 6 * MIB && one.generations == 1);
    p->job = "8.0";
    p->parent = 0;
    place_fill(p->work, "own", 0, 50000, 6);
    assert_int_equal(place_commit(p, 1), 50000);
    assert_int_equal(store_job_usage(p->store, "7.0", &one, &err), 0);
    assert_int_equal(store_job_usage(p->store, "8.0", &two, &err), 0);
    assert_true(one.shared >= 6 * MIB && two.shared == one.shared);
    assert_int_equal(store_total_usage(p->store, &all, &room, &err), 0);
    assert_true(all.stored < 7 * MIB && all.generations == 2 && all.logical == 12 * MIB + 50000 && room > 0);
    p->job = "7.0";
    assert_int_equal(place_list_packs(p, &id, 1), 1);
    auto_close int packs = place_packs_dir(p);
    assert_int_equal(fstatat(packs, pack_id_print(&id, name), &st, 0), 0);
    assert_int_equal(st.st_nlink, 3); /* each job's, and the one by which they found each other */
    assert_int_equal(store_remove(p->store, "7.0", &err), 0);
    p->job = "8.0";
    assert_int_equal(place_verify(p, 1, &err), 0);
    expect_restored(p, 1);
    assert_int_equal(store_job_usage(p->store, "8.0", &two, &err), 0);
    assert_int_equal(two.shared, 0);
    assert_int_equal(store_remove(p->store, "8.0", &err), 0);
    auto_free char *shared_name = place_shared("");
    auto_close int shared = openat(p->dir, shared_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_buf struct buf names = { 0 };
    place_list_names(shared, "", false, &names);
    assert_string_equal(buf_cstr(&names), "index");
}

/* What an older generation needs may be found through the cache: then it is this job's own, and not to be removed with a
 * checkpoint that came to nothing. */
static void a_pack_of_an_older_generation_survives_a_failed_capture_that_used_it(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_capture *capture = NULL;
    place_fill(p->work, "x", 0, MIB, 1);
    place_commit(p, 1);
    place_fill(p->work, "x", 0, MIB, 2);
    place_commit(p, 2);
    place_fill(p->work, "x", 0, MIB, 1);
    p->hurry = true;
    assert_int_equal(place_capture(p, ".", &capture, &err), 0);
    store_capture_free(capture);
    if (place_verify(p, 1, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(place_commit(p, 3), 0);
    assert_int_equal(place_verify(p, 1, &err), 0);
    expect_restored(p, 3);
}

static void a_link_of_a_capture_that_came_to_nothing_is_gone(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_capture *capture = NULL;
    place_fill(p->work, "x", 0, MIB, 1);
    place_commit(p, 1);
    p->job = "8.0";
    p->hurry = true;
    assert_int_equal(place_capture(p, ".", &capture, &err), 0);
    assert_int_equal(place_count_packs(p), 1);
    store_capture_free(capture);
    assert_int_equal(place_count_packs(p), 0);
    p->job = "7.0";
    assert_int_equal(place_verify(p, 1, &err), 0);
}

/* ---- memory images ---- */

/* An image of one page at each of these page numbers, then a change of what is mapped. Content follows from the address. */
static size_t write_image(struct place *p, const uint64_t *pages, size_t count, struct store_cut *cuts)
{
    auto_close int fd = openat(p->work, "image", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t cut = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t page[PAGE / 8], address = pages[i] * PAGE;
        for (size_t k = 0; k < PAGE / 8; k++)
            page[k] = (address + k) * 0x9e3779b97f4a7c15u ^ (address + k) >> 7;
        assert_int_equal(file_write_all(fd, page, sizeof page, NULL), 0);
        bool goes_on = cut > 0 && cuts[cut - 1].address + cuts[cut - 1].bytes == address && address % STORE_CHUNK_BYTES != 0;
        if (goes_on)
            cuts[cut - 1].bytes += PAGE;
        else
            cuts[cut++] = (struct store_cut){ .address = address, .bytes = PAGE };
    }
    return cut;
}

static int store_image(struct place *p, int generation, const struct store_cut *cuts, size_t count, struct manifest *m, struct error *err)
{
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = "image", .cuts = cuts, .cut_count = count };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = p->hurry };
    *m = place_head(p, generation, "checkpoint");
    return place_store(p, &request, m, err);
}

enum { IMAGE_PAGES = 6 * 256 };

static void a_page_in_front_of_an_image_stores_only_the_chunk_it_is_in(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static uint64_t pages[IMAGE_PAGES + 1];
    static struct store_cut cuts[64];
    auto_manifest struct manifest first = { 0 }, second = { 0 }, third = { 0 };
    for (size_t i = 0; i < IMAGE_PAGES; i++)
        pages[i + 1] = 1000 + i + (i > 700 ? 5000 : 0); /* two mappings, none aligned */
    size_t count = write_image(p, pages + 1, IMAGE_PAGES, cuts);
    assert_int_equal(store_image(p, 1, cuts, count, &first, &err), 0);
    assert_int_equal(first.new_bytes, IMAGE_PAGES * PAGE);
    pages[0] = 3; /* far below: every offset in the file moves */
    count = write_image(p, pages, IMAGE_PAGES + 1, cuts);
    assert_int_equal(store_image(p, 2, cuts, count, &second, &err), 0);
    assert_int_equal(second.new_bytes, PAGE);
    expect_restored(p, 2);
    pages[0] = 999; /* beside the first mapping: a cut that begins earlier is another one */
    count = write_image(p, pages, IMAGE_PAGES + 1, cuts);
    assert_int_equal(store_image(p, 3, cuts, count, &third, &err), 0);
    assert_true(third.new_bytes <= STORE_CHUNK_BYTES);
    expect_restored(p, 3);
    assert_int_equal(place_verify(p, 1, &err), 0);
}

/* All offsets move, and a page in the middle changes: the chunk that was at its address is what it stands upon. */
static void a_change_in_an_image_that_moved_stores_only_the_page(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static uint64_t pages[IMAGE_PAGES + 1];
    static struct store_cut cuts[64];
    auto_manifest struct manifest first = { 0 }, second = { 0 };
    for (size_t i = 0; i < IMAGE_PAGES; i++)
        pages[i + 1] = 1000 + i;
    pages[0] = 3;
    size_t count = write_image(p, pages + 1, IMAGE_PAGES, cuts);
    assert_int_equal(store_image(p, 1, cuts, count, &first, &err), 0);
    count = write_image(p, pages, IMAGE_PAGES + 1, cuts);
    auto_close int fd = openat(p->work, "image", O_WRONLY | O_CLOEXEC);
    uint64_t noise[PAGE / 8];
    for (size_t i = 0; i < PAGE / 8; i++)
        noise[i] = (i + 1) * 0x9e3779b97f4a7c15u ^ i << 40;
    assert_int_equal(pwrite(fd, noise, sizeof noise, 800 * PAGE), sizeof noise);
    assert_int_equal(store_image(p, 2, cuts, count, &second, &err), 0);
    assert_int_equal(second.new_bytes, 2 * PAGE);
    expect_restored(p, 2);
}

static void cuts_that_do_not_fit_their_file_are_refused(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static uint64_t pages[4] = { 1, 2, 3, 4 };
    struct store_cut cuts[8];
    size_t count = write_image(p, pages, 4, cuts);
    static const struct store_cut bad[][2] = {
        { { .address = PAGE, .bytes = 3 * PAGE } },                                                  /* too few bytes */
        { { .address = PAGE, .bytes = 4 * PAGE }, { .address = 9 * PAGE, .bytes = PAGE } },          /* too many */
        { { .address = STORE_CHUNK_BYTES - PAGE, .bytes = 4 * PAGE } },                              /* across a chunk's end */
        { { .address = 9 * PAGE, .bytes = 2 * PAGE }, { .address = PAGE, .bytes = 2 * PAGE } },      /* out of order */
        { { .address = PAGE, .bytes = 3 * PAGE }, { .address = 2 * PAGE, .bytes = PAGE } },          /* over each other */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        auto_manifest struct manifest m = { 0 };
        if (store_image(p, 1, bad[i], bad[i][1].bytes ? 2 : 1, &m, &err) != -1)
            fail_msg("taken: %zu", i);
        assert_int_equal(place_verify(p, 1, &err), STORE_ABSENT);
    }
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(store_image(p, 1, cuts, count, &m, &err), 0);
    expect_restored(p, 1);
}

static void hard_links_come_back_as_hard_links(void **state)
{
    struct place *p = *state;
    struct stat a, b, c;
    auto_close int sub = place_mkdir(p->work, "sub");
    place_fill(p->work, "file", 0, 2 * MIB, 5);
    place_write(sub, "z", "other", 5);
    assert_int_equal(linkat(p->work, "file", sub, "again", 0), 0);
    assert_int_equal(linkat(p->work, "file", p->work, "a first name", 0), 0);
    assert_int_equal(linkat(sub, "z", p->work, "zz", 0), 0);
    int64_t added = place_commit(p, 1);
    assert_true(added >= 2 * MIB && added < 2 * MIB + 100);
    for (int round = 0; round < 2; round++) { /* into an empty tree, and over what is there */
        if (round == 0)
            place_empty_back(p);
        struct error err = { 0 };
        assert_int_equal(place_restore(p, 1, &err), 0);
        assert_same_tree(p->work, p->back);
        assert_int_equal(fstatat(p->back, "file", &a, 0), 0);
        assert_int_equal(fstatat(p->back, "sub/again", &b, 0), 0);
        assert_int_equal(fstatat(p->back, "a first name", &c, 0), 0);
        assert_true(a.st_ino == b.st_ino && b.st_ino == c.st_ino && a.st_nlink == 3);
        assert_int_equal(fstatat(p->back, "zz", &b, 0), 0);
        assert_int_equal(b.st_nlink, 2);
        assert_int_equal(faccessat(p->back, ".stint-restore.0", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_s_digest_is_that_of_its_pages_digests),
        cmocka_unit_test(pages_are_gathered_and_scattered_to_where_they_were),
        cmocka_unit_test(sets_of_pages_know_what_a_chunk_has),
        cmocka_unit_test(fingerprints_tell_pages_lengths_and_seeds_apart),
        place_test(one_page_of_a_hundred_costs_less_than_a_twentieth),
        place_test(a_change_does_not_read_what_is_stored),
        place_test(an_unchanged_state_is_captured_without_reading_or_adding_packs),
        place_test(without_hints_the_same_is_stored),
        place_test(hints_of_another_life_of_the_job_are_not_believed),
        place_test(appending_stores_the_new_pages_alone),
        place_test(what_went_back_to_an_earlier_state_costs_nothing),
        place_test(zeros_and_holes_cost_nothing_and_come_back_as_holes),
        place_test(what_does_not_get_smaller_is_stored_as_it_is),
        place_test(an_identical_file_of_another_job_is_shared_and_outlives_it),
        place_test(a_pack_of_an_older_generation_survives_a_failed_capture_that_used_it),
        place_test(a_link_of_a_capture_that_came_to_nothing_is_gone),
        place_test(a_page_in_front_of_an_image_stores_only_the_chunk_it_is_in),
        place_test(a_change_in_an_image_that_moved_stores_only_the_page),
        place_test(cuts_that_do_not_fit_their_file_are_refused),
        place_test(hard_links_come_back_as_hard_links),
    };
    int fd = mkstemp(trace_path);
    setenv("STINT_FAULT_TRACE", trace_path, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    file_close(&fd);
    unlink(trace_path);
    return failed;
}
