/* What we read of CRIU's images: real ones (tests/cases/criu, of CRIU 4.2, without their pages), and such as a damaged or hostile
 * directory may have. */
#include "engine/criu_image.h"
#include "scratch.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { MAGIC = 0x54564319, PAGEMAP = 0x56084025, PSTREE = 0x50273030, SERVICE = 0x55105940, STATS = 0x57093306, PARENT = 1, LAZY = 2, PRESENT = 4, PAGE = 4096, MIB = 1 << 20 };

struct fixture {
    struct scratch scratch;
    struct criu_images images;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    criu_images_release(&f->images);
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

/* ---- images by hand ---- */

static void put_word(struct buf *b, uint32_t word)
{
    uint8_t bytes[4] = { (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16), (uint8_t)(word >> 24) };
    buf_add(b, bytes, 4);
}

static void put_varint(struct buf *b, int field, uint64_t value)
{
    buf_char(b, (char)(field << 3));
    for (; value >= 0x80; value >>= 7)
        buf_char(b, (char)(value | 0x80));
    buf_char(b, (char)value);
}

static void put_record(struct buf *b, struct buf *record)
{
    put_word(b, (uint32_t)record->len);
    buf_add(b, record->data, record->len);
    buf_release(record);
    *record = (struct buf){ 0 };
}

static void put_header(struct buf *b, uint32_t kind)
{
    put_word(b, MAGIC);
    put_word(b, kind);
}

static void put_head(struct buf *b, uint32_t pages_id)
{
    struct buf record = { 0 };
    put_header(b, PAGEMAP);
    put_varint(&record, 1, pages_id);
    put_record(b, &record);
}

static void put_entry(struct buf *b, uint64_t address, uint64_t pages, uint32_t flags)
{
    struct buf record = { 0 };
    put_varint(&record, 1, address);
    put_varint(&record, 2, 0);
    put_varint(&record, 4, flags);
    put_varint(&record, 5, pages);
    put_record(b, &record);
}

static void put_entry_of_41(struct buf *b, uint64_t address, uint64_t pages, uint32_t flags)
{
    struct buf record = { 0 };
    put_varint(&record, 1, address);
    put_varint(&record, 2, pages);
    put_varint(&record, 4, flags);
    put_record(b, &record);
}

static void put_file(struct fixture *f, const char *name, struct buf *b)
{
    scratch_write(&f->scratch, name, b->len ? b->data : "", b->len);
    buf_release(b);
    *b = (struct buf){ 0 };
}

static void put_pages(struct fixture *f, const char *name, int64_t bytes)
{
    auto_close int fd = openat(f->scratch.fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, bytes), 0);
}

static int read_images(struct fixture *f)
{
    criu_images_release(&f->images);
    f->err = (struct error){ 0 };
    return criu_images_read(f->scratch.fd, &f->images, &f->err);
}

static const struct criu_image *image(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->images.count; i++)
        if (strcmp(f->images.files[i].name, name) == 0)
            return &f->images.files[i];
    fail_msg("%s is not listed", name);
    return NULL;
}

/* What the store asks of cuts. */
static void check_cuts(const struct criu_image *i, int64_t size)
{
    uint64_t free_from = 0;
    int64_t sum = 0;
    assert_non_null(i->cuts);
    for (size_t k = 0; k < i->cut_count; k++) {
        const struct store_cut *c = &i->cuts[k];
        assert_true(c->address >= free_from && c->bytes > 0);
        assert_true(c->address % STORE_CHUNK_BYTES + c->bytes <= STORE_CHUNK_BYTES);
        free_from = c->address + c->bytes;
        sum += c->bytes;
    }
    assert_int_equal(sum, size);
}

/* ---- real images ---- */

static void copy_case(struct fixture *f, const char *name)
{
    auto_free char *path = mem_printf(TEST_CASES "/criu/%s", name);
    struct buf data = { 0 };
    assert_int_equal(file_read(AT_FDCWD, path, &data, &f->err), 0);
    put_file(f, name, &data);
}

static void real_images_are_cut_by_their_addresses(void **state)
{
    struct fixture *f = *state;
    pid_t last = 0;
    copy_case(f, "pagemap-1002.img");
    copy_case(f, "pagemap-shmem-12462.img");
    copy_case(f, "pstree.img");
    put_pages(f, "pages-1.img", 8159232);
    put_pages(f, "pages-3.img", 3145728);
    assert_int_equal(read_images(f), 0);
    assert_int_equal(f->images.count, 5);
    check_cuts(image(f, "pages-1.img"), 8159232);
    check_cuts(image(f, "pages-3.img"), 3145728);
    assert_null(image(f, "pstree.img")->cuts);
    assert_null(image(f, "pagemap-1002.img")->cuts);
    assert_int_equal(image(f, "pages-1.img")->cut_count, 67);
    assert_int_equal(image(f, "pages-3.img")->cut_count, 3);
    assert_int_equal(image(f, "pages-3.img")->cuts[2].address, 2 * MIB);
    assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), 0);
    assert_int_equal(last, 1004);
}

static void no_beginning_of_a_real_image_is_taken_for_another(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf whole = { 0 };
    put_pages(f, "pages-1.img", 8159232);
    assert_int_equal(file_read(AT_FDCWD, TEST_CASES "/criu/pagemap-1002.img", &whole, &f->err), 0);
    for (size_t len = 0; len < whole.len; len++) {
        scratch_write(&f->scratch, "pagemap-1002.img", whole.data, len);
        assert_int_equal(read_images(f), -1);
        assert_int_equal(f->err.kind, ERR_CORRUPT);
        assert_int_equal(f->images.count, 0);
    }
}

/* ---- cuts ---- */

static void stretches_are_cut_at_the_store_s_chunks_and_joined_within_them(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    put_head(&b, 1);
    put_entry(&b, 3 * PAGE, 1, PRESENT);
    put_entry(&b, 4 * PAGE, 2, PRESENT | LAZY); /* goes on */
    put_entry(&b, 6 * PAGE, 9, PARENT);         /* elsewhere */
    put_entry(&b, 20 * PAGE, 1, PRESENT);       /* a gap: a cut of its own */
    put_entry(&b, MIB - PAGE, 2 + 256, PRESENT); /* across two boundaries */
    put_entry(&b, 5 * MIB, 1, 0);
    put_entry_of_41(&b, 8 * MIB, 256, PRESENT); /* exactly one chunk */
    put_entry(&b, 9 * MIB, 1, PRESENT);         /* adjacent, but another chunk */
    put_file(f, "pagemap-7.img", &b);
    put_pages(f, "pages-1.img", (3 + 1 + 258 + 256 + 1) * PAGE);
    assert_int_equal(read_images(f), 0);
    const struct criu_image *i = image(f, "pages-1.img");
    static const struct { uint64_t address; uint32_t bytes; } expected[] = {
        { 3 * PAGE, 3 * PAGE }, { 20 * PAGE, PAGE }, { MIB - PAGE, PAGE }, { MIB, MIB }, { 2 * MIB, PAGE }, { 8 * MIB, MIB }, { 9 * MIB, PAGE },
    };
    assert_int_equal(i->cut_count, sizeof expected / sizeof expected[0]);
    for (size_t k = 0; k < i->cut_count; k++) {
        assert_int_equal(i->cuts[k].address, expected[k].address);
        assert_int_equal(i->cuts[k].bytes, expected[k].bytes);
    }
    check_cuts(i, (3 + 1 + 258 + 256 + 1) * PAGE);
}

static void an_entry_without_flags_is_present_unless_it_is_its_parent_s(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 }, record = { 0 };
    put_head(&b, 1);
    put_varint(&record, 1, PAGE);
    put_varint(&record, 2, 1);
    put_record(&b, &record);
    put_varint(&record, 1, 2 * PAGE);
    put_varint(&record, 2, 1);
    put_varint(&record, 3, 1);
    put_record(&b, &record);
    put_file(f, "pagemap-7.img", &b);
    put_pages(f, "pages-1.img", PAGE);
    assert_int_equal(read_images(f), 0);
    assert_int_equal(image(f, "pages-1.img")->cut_count, 1);
}

static void memory_that_has_no_pages_needs_no_cuts(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    put_head(&b, 1);
    put_entry(&b, PAGE, 5, PARENT);
    put_file(f, "pagemap-7.img", &b);
    assert_int_equal(read_images(f), 0); /* not even the file */
    put_pages(f, "pages-1.img", 0);
    assert_int_equal(read_images(f), 0);
    assert_null(image(f, "pages-1.img")->cuts);
}

static void addresses_that_do_not_ascend_are_left_to_equal_cuts(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    put_head(&b, 1);
    put_entry(&b, 9 * PAGE, 2, PRESENT);
    put_entry(&b, 10 * PAGE, 2, PRESENT);
    put_file(f, "pagemap-7.img", &b);
    put_pages(f, "pages-1.img", 4 * PAGE);
    assert_int_equal(read_images(f), 0);
    assert_null(image(f, "pages-1.img")->cuts);
}

static void too_many_pieces_are_left_to_equal_cuts(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    put_head(&b, 1);
    for (uint64_t i = 0; i <= CRIU_IMAGE_CUTS_MAX; i++)
        put_entry(&b, (2 * i + 1) * PAGE, 1, PRESENT);
    put_file(f, "pagemap-7.img", &b);
    put_head(&b, 2);
    put_entry(&b, PAGE, 1, PRESENT);
    put_file(f, "pagemap-8.img", &b);
    put_pages(f, "pages-1.img", (int64_t)(CRIU_IMAGE_CUTS_MAX + 1) * PAGE);
    put_pages(f, "pages-2.img", PAGE);
    assert_int_equal(read_images(f), 0);
    assert_null(image(f, "pages-1.img")->cuts);
    assert_int_equal(image(f, "pages-2.img")->cut_count, 1);
}

/* ---- contradictions ---- */

static void expect_corrupt(struct fixture *f, const char *part)
{
    assert_int_equal(read_images(f), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
    assert_non_null(strstr(f->err.text, part));
}

static void a_file_of_pages_has_as_many_as_its_pagemap_says(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    put_head(&b, 1);
    put_entry(&b, PAGE, 2, PRESENT);
    put_file(f, "pagemap-7.img", &b);
    expect_corrupt(f, "pages-1.img, which is not there");
    put_pages(f, "pages-1.img", PAGE);
    expect_corrupt(f, "has 4096 bytes, but 8192");
    put_pages(f, "pages-1.img", 3 * PAGE);
    expect_corrupt(f, "has 12288 bytes, but 8192");
    put_pages(f, "pages-1.img", 2 * PAGE);
    assert_int_equal(read_images(f), 0);
    put_head(&b, 1);
    put_entry(&b, 7 * PAGE, 2, PRESENT);
    put_file(f, "pagemap-8.img", &b);
    expect_corrupt(f, "belongs to two pagemaps");
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct { uint64_t address, pages; } wrong[] = {
        { 1, 1 }, { UINT64_MAX - PAGE + 1, 1 }, { PAGE, UINT64_MAX }, { PAGE, INT64_MAX / PAGE }, { 0, UINT64_MAX / PAGE + 2 },
        { INT64_MAX - PAGE + 1, 1 },
    };
    put_pages(f, "pages-1.img", PAGE);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buf b = { 0 };
        put_head(&b, 1);
        put_entry(&b, wrong[i].address, wrong[i].pages, PRESENT);
        put_file(f, "pagemap-7.img", &b);
        expect_corrupt(f, "'pagemap-7.img' is damaged");
    }
}

static void sums_that_overflow_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    put_pages(f, "pages-1.img", PAGE);
    put_head(&b, 1);
    for (int i = 0; i < 6; i++)
        put_entry(&b, 0, (uint64_t)1 << 50, PRESENT);
    put_file(f, "pagemap-7.img", &b);
    expect_corrupt(f, "is damaged");
}

static void what_is_no_image_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    scratch_write(&f->scratch, "pagemap-7.img", "", 0);
    expect_corrupt(f, "not of the format");
    put_header(&b, PSTREE);
    put_file(f, "pagemap-7.img", &b);
    expect_corrupt(f, "not of the format");
    put_header(&b, PAGEMAP);
    put_file(f, "pagemap-7.img", &b);
    expect_corrupt(f, "is damaged");
    put_head(&b, 1);
    put_word(&b, UINT32_MAX);
    put_file(f, "pagemap-7.img", &b);
    expect_corrupt(f, "is damaged");
    put_head(&b, 1);
    put_word(&b, 1);
    buf_char(&b, '\xff');
    put_file(f, "pagemap-7.img", &b);
    expect_corrupt(f, "is damaged");
}

static void only_files_count_and_nothing_else_keeps_us(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkfifoat(f->scratch.fd, "pagemap-1.img", 0600), 0);
    assert_int_equal(symlinkat("/dev/zero", f->scratch.fd, "pagemap-2.img"), 0);
    assert_int_equal(mkdirat(f->scratch.fd, "pages-1.img", 0700), 0);
    scratch_write(&f->scratch, "pagemap-.img", "x", 1); /* no number: any file */
    scratch_write(&f->scratch, "pagemap-x.imgx", "x", 1);
    assert_int_equal(read_images(f), 0);
    assert_int_equal(f->images.count, 2);
    unlinkat(f->scratch.fd, "pages-1.img", AT_REMOVEDIR);
    assert_int_equal(criu_images_read(-1, &f->images, &f->err), -1);
}

/* ---- the tree ---- */

static void put_process(struct buf *b, uint32_t pid, uint32_t group, uint32_t session, uint32_t thread)
{
    struct buf record = { 0 };
    put_varint(&record, 1, pid);
    put_varint(&record, 2, 1000);
    put_varint(&record, 3, group);
    put_varint(&record, 4, session);
    put_varint(&record, 5, pid);
    put_varint(&record, 5, thread);
    put_record(b, &record);
}

static void every_number_that_a_restore_takes_counts(void **state)
{
    struct fixture *f = *state;
    static const uint32_t numbers[][5] = {
        { 1000, 1000, 1000, 1000, 1000 }, { 1000, 1000, 1000, 1003, 1003 }, { 1000, 1005, 1000, 1003, 1005 },
        { 1000, 0, 1009, 1003, 1009 }, { 4194304, 0, 0, 1, 4194304 },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct buf b = { 0 };
        pid_t last = 0;
        put_header(&b, PSTREE);
        put_process(&b, 999, 999, 999, 999);
        put_process(&b, numbers[i][0], numbers[i][1], numbers[i][2], numbers[i][3]);
        put_process(&b, 998, 998, 998, 998);
        put_file(f, "pstree.img", &b);
        assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), 0);
        assert_int_equal(last, numbers[i][4]);
    }
}

/* As criu 4.2 writes it: of an ended process the first thread's number was never set. */
static void an_ended_process_counts_by_its_own_number(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 }, record = { 0 };
    pid_t last = 0;
    put_header(&b, PSTREE);
    put_process(&b, 1001, 1001, 1001, 1001);
    put_varint(&record, 1, 3079);
    put_varint(&record, 2, 1001);
    put_varint(&record, 3, 1001);
    put_varint(&record, 4, 1001);
    put_varint(&record, 5, 1589836592);
    put_record(&b, &record);
    put_file(f, "pstree.img", &b);
    assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), 0);
    assert_int_equal(last, 3079);
}

static void a_tree_that_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b = { 0 };
    pid_t last = 7;
    assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    put_header(&b, PSTREE);
    put_file(f, "pstree.img", &b); /* nobody */
    assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
    put_header(&b, PSTREE);
    put_process(&b, 4194305, 1, 1, 1);
    put_file(f, "pstree.img", &b);
    assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), -1);
    put_header(&b, PSTREE);
    put_word(&b, 4);
    put_file(f, "pstree.img", &b);
    assert_int_equal(criu_image_last_pid(f->scratch.fd, &last, &f->err), -1);
    assert_int_equal(last, 7);
}

/* ---- statistics ---- */

static void put_stats(struct fixture *f, uint32_t service, uint32_t kind, const char *record, size_t len)
{
    auto_buf struct buf b = { 0 };
    put_word(&b, service);
    put_word(&b, kind);
    put_word(&b, (uint32_t)len);
    buf_add(&b, record, len);
    scratch_write(&f->scratch, "stats-dump", b.data, b.len);
}

static void the_time_without_running_is_that_of_freezing_and_of_being_frozen(void **state)
{
    static const char real[] = "\x0a\x23\x08\xb6\x4b\x10\x94\xb0\x04\x18\x8a\x32\x20\xcc\x06\x28\xb8\x02\x30\x00\x38\xa4\x02"
                               "\x40\x00\x48\x00\x50\x09\x58\x09\x60\x00\x68\x00\x70"; /* criu 4.2; ends with a 0 */
    struct fixture *f = *state;
    int64_t us = 0;
    put_stats(f, SERVICE, STATS, real, sizeof real);
    assert_int_equal(criu_image_frozen_us(f->scratch.fd, &us, &f->err), 0);
    assert_int_equal(us, 9654 + 71700);
}

static void statistics_that_are_none_are_refused(void **state)
{
    static const char restored[] = "\x12\x00", of_nothing[] = "\x0a\x00", short_one[] = "\x0a\x04\x08\x01\x10";
    struct fixture *f = *state;
    int64_t us = 7;
    assert_int_equal(criu_image_frozen_us(f->scratch.fd, &us, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_SYSTEM);
    const struct {
        uint32_t service, kind;
        const char *record;
        size_t len;
    } rows[] = {
        { MAGIC, STATS, "\x0a\x04\x08\x01\x10\x02", 6 }, { SERVICE, PSTREE, "\x0a\x04\x08\x01\x10\x02", 6 },
        { SERVICE, STATS, restored, 2 }, { SERVICE, STATS, of_nothing, 2 }, { SERVICE, STATS, short_one, 5 }, { SERVICE, STATS, "", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_stats(f, rows[i].service, rows[i].kind, rows[i].record, rows[i].len);
        assert_int_equal(criu_image_frozen_us(f->scratch.fd, &us, &f->err), -1);
        assert_int_equal(f->err.kind, ERR_CORRUPT);
    }
    scratch_write(&f->scratch, "stats-dump", "\x40\x59\x10\x55\x06\x33\x09\x57", 8);
    assert_int_equal(criu_image_frozen_us(f->scratch.fd, &us, &f->err), -1);
    assert_int_equal(us, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_images_are_cut_by_their_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(no_beginning_of_a_real_image_is_taken_for_another, setup, teardown),
        cmocka_unit_test_setup_teardown(stretches_are_cut_at_the_store_s_chunks_and_joined_within_them, setup, teardown),
        cmocka_unit_test_setup_teardown(an_entry_without_flags_is_present_unless_it_is_its_parent_s, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_that_has_no_pages_needs_no_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_that_do_not_ascend_are_left_to_equal_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_pieces_are_left_to_equal_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_pages_has_as_many_as_its_pagemap_says, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_cannot_be_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(sums_that_overflow_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_image_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(only_files_count_and_nothing_else_keeps_us, setup, teardown),
        cmocka_unit_test_setup_teardown(every_number_that_a_restore_takes_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ended_process_counts_by_its_own_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tree_that_cannot_be_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_without_running_is_that_of_freezing_and_of_being_frozen, setup, teardown),
        cmocka_unit_test_setup_teardown(statistics_that_are_none_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
