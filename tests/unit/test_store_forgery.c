/*
 * Archives that lie, for those who believe them unverified. "--corpus DIR" writes what the fuzzers of archives and packs begin with.
 */
#include "archive_place.h"

#include "store/page.h"
#include "store/pack_format.h"
#include "store/tar.h"

#include <zstd.h>

/* Archives that say of themselves what is not so, for those who believe them: with a manifest made by this function's caller. */
static void put_file(int fd, const char *name, const void *data, size_t len)
{
    struct error err;
    assert_int_equal(tar_put(fd, name, (int64_t)len, 0, &err), 0);
    assert_int_equal(file_write_all(fd, data, len, &err), 0);
    assert_int_equal(tar_pad(fd, (int64_t)len, &err), 0);
}

struct forged {
    uint8_t payload[70000];
    size_t payload_len;
    struct pack_record record;
    struct pack_record more; /* another record, when it has bytes */
    int64_t pack_bytes; /* as the manifest says; 0: as it is */
    int64_t file_size;
};

/* One file "work/x" of one chunk. */
static void forge(struct other *o, const struct forged *f, struct buf *out)
{
    static const struct seal seal = { "a forger's" };
    struct error err = { 0 };
    struct pack_id id = { { 1, 2, 3 } };
    struct digest mac, chunk = f->record.digest;
    uint8_t header[PACK_HEADER], records[2 * PACK_RECORD], tail[PACK_TAIL];
    size_t count = f->more.bytes ? 2 : 1;
    bool first = count == 2 && memcmp(&f->more.digest, &chunk, sizeof chunk) < 0;
    auto_buf struct buf pack = { 0 }, text = { 0 };
    char hex[33];
    pack_put_header(header, &id);
    pack_put_record(records + first * PACK_RECORD, &f->record);
    if (count == 2)
        pack_put_record(records + !first * PACK_RECORD, &f->more);
    pack_seal(&seal, &id, records, count, &mac);
    pack_put_tail(tail, count, &mac);
    buf_add(&pack, header, sizeof header);
    buf_add(&pack, f->payload, f->payload_len);
    buf_add(&pack, records, count * PACK_RECORD);
    buf_add(&pack, tail, sizeof tail);
    struct manifest_pack packs[1] = { { id, f->pack_bytes ? f->pack_bytes : (int64_t)pack.len, 1 } };
    struct store_entry entry = { .name = (char *)(uintptr_t)"work/x", .mode = 0600, .size = f->file_size, .chunks = &chunk, .chunk_count = 1 };
    struct manifest m = { .generation = 3, .kind = "checkpoint", .job = "1.0", .packs = packs, .pack_count = 1, .entries = &entry,
                          .entry_count = 1, .bytes = f->file_size };
    assert_int_equal(manifest_print(&m, &seal, &text, NULL, &err), 0);
    unlinkat(o->p->dir, "forged.tar", 0);
    auto_close int fd = openat(o->p->dir, "forged.tar", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    auto_free char *name = mem_printf(ARCHIVE_DIR "packs/%s", pack_id_print(&id, hex));
    put_file(fd, ARCHIVE_DIR "manifest", text.data, text.len);
    put_file(fd, ARCHIVE_DIR "note", "", 0);
    put_file(fd, name, pack.data, pack.len);
    assert_int_equal(tar_finish(fd, &err), 0);
    buf_clear(out);
    assert_int_equal(file_read(o->p->dir, "forged.tar", out, NULL), 0);
}

/* A chunk of 64 KiB of text, compressed. */
static struct forged *good_forgery(void)
{
    struct forged *f = mem_new(struct forged);
    auto_free uint8_t *data = mem_zero(1, 65536);
    for (size_t i = 0; i < 65536; i++)
        data[i] = "abcdefg"[i % 7];
    *f = (struct forged){ .file_size = 65536, .record = { .pages = page_set_first(16), .offset = PACK_HEADER, .bytes = 65536, .coding = PACK_ZSTD } };
    f->payload_len = ZSTD_compress(f->payload, sizeof f->payload, data, 65536, 1);
    f->record.stored = (uint32_t)f->payload_len;
    chunk_digest(data, 65536, &f->record.digest);
    return f;
}

enum { LIES = 20 };

static void tell_a_lie(struct forged *f, int lie)
{
    switch (lie) {
    case 0: f->record.digest.bytes[5] ^= 1; break;
    case 1: f->record.bytes = 4096; f->record.pages = page_set_first(1); f->file_size = 4096; break; /* it decompresses to more */
    case 2: f->record.bytes = 69632; f->record.pages = page_set_first(17); f->file_size = 69632; break; /* to less */
    case 3: f->record.bytes = 2 << 20; break;
    case 4: f->record.bytes = 0; break;
    case 5: f->record.offset = 0; break;
    case 6: f->record.offset = UINT64_MAX; break;
    case 7: f->record.offset = INT64_MAX; break;
    case 8: f->record.stored = UINT32_MAX; break;
    case 9: f->record.coding = 2; break;
    case 10: f->record.coding = PACK_PLAIN; break;
    case 11: f->record.base = f->record.digest; f->record.depth = 1; break; /* stands upon itself */
    case 12: f->record.base.bytes[0] = 1; f->record.depth = 7; break; /* upon what is not there */
    case 13: f->record.pages = page_set_first(256); break;
    case 14: f->record.depth = 3; break;
    case 15: f->more = f->record; f->more.digest.bytes[0] ^= 1; break; /* of a chunk that the manifest does not name */
    case 16: f->more = f->record; break; /* the same twice */
    case 17: f->more = f->record; f->more.digest.bytes[0] ^= 1; f->more.base = f->record.digest; f->more.depth = 1; break;
    case 18: f->pack_bytes = 1000000; break; /* the manifest says more than it is */
    default: f->file_size = 5; break;
    }
}

static void lies_are_not_believed_even_of_archives_that_are(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 };
    auto_free struct forged *f = good_forgery();
    struct forged good = *f;
    forge(o, f, &text);
    if (import_text(o, text.data, text.len, &unverified, &err) != 0) /* with nothing wrong it is taken */
        fail_msg("%s", err.text);
    assert_int_equal(store_remove(o->store, "9.0", &err), 0);
    for (int lie = 0; lie < LIES; lie++) {
        *f = good;
        tell_a_lie(f, lie);
        forge(o, f, &text);
        if (import_text(o, text.data, text.len, &unverified, &err) == 0)
            fail_msg("lie %d was believed", lie);
        auto_free char *what = mem_printf("lie %d", lie);
        expect_nothing_kept(o, what);
    }
}

/* A zstd frame that claims, and has, far more than the record states. */
static void a_bomb_does_not_go_off(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 };
    auto_free struct forged *f = good_forgery();
    auto_free uint8_t *zeros = mem_zero(1, 64 * MIB);
    memset(zeros, 'x', 64 * MIB);
    f->payload_len = ZSTD_compress(f->payload, sizeof f->payload, zeros, 64 * MIB, 3);
    assert_false(ZSTD_isError(f->payload_len));
    f->record.stored = (uint32_t)f->payload_len;
    forge(o, f, &text);
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    expect_nothing_kept(o, "a bomb");
}

static void an_archive_beyond_the_quota_is_refused_before_it_is_read(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 };
    auto_free struct forged *f = good_forgery();
    f->pack_bytes = 900 * (int64_t)MIB;
    forge(o, f, &text);
    store_limit(o->store, &(struct store_limits){ .quota = 100 * (int64_t)MIB });
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.text, "(store_quota)"));
    store_limit(o->store, &(struct store_limits){ .user_quota = 100 * (int64_t)MIB });
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), -1);
    assert_non_null(strstr(err.text, "(store_quota_per_user)"));
    f->pack_bytes = INT64_MAX;
    forge(o, f, &text);
    store_limit(o->store, &(struct store_limits){ 0 });
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    expect_nothing_kept(o, "a quota");
}

/* "--corpus DIR": what the fuzzers of archives and packs begin with. */
static void put_corpus(const char *dir, const char *target, const char *name, const void *data, size_t len)
{
    auto_free char *path = mem_printf("%s/%s/%s", dir, target, name);
    place_write(AT_FDCWD, path, data, len);
}

static void put_pack_corpus(const char *dir, const char *name, const struct buf *archive)
{
    size_t at = next_header(archive->data, next_header(archive->data, 0));
    put_corpus(dir, "pack", name, archive->data + at + 512 + PACK_HEADER, size_of(archive->data + at) - PACK_HEADER);
}

static int write_corpora(const char *dir)
{
    void *state = NULL;
    setup_other(&state);
    struct other *o = state;
    auto_buf struct buf text = { 0 }, note = { 0 };
    auto_free struct forged *f = good_forgery();
    struct forged good = *f;
    forge(o, f, &text);
    put_corpus(dir, "import", "good", text.data, text.len);
    put_corpus(dir, "import", "cut", text.data, text.len - 1024);
    put_pack_corpus(dir, "good", &text);
    for (int lie = 0; lie < LIES; lie++) {
        char name[16];
        snprintf(name, sizeof name, "lie%d", lie);
        *f = good;
        tell_a_lie(f, lie);
        forge(o, f, &text);
        put_corpus(dir, "import", name, text.data, text.len);
        put_pack_corpus(dir, name, &text);
    }
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    place_fill(o->p->work, "x", 0, 9000, 1);
    assert_int_equal(symlinkat("x", o->p->work, "l"), 0);
    place_commit(o->p, 1);
    place_fill(o->p->work, "x", 5000, 10, 2);
    place_commit(o->p, 2);
    assert_int_equal(store_manifest(o->p->store, "7.0", 2, &m, &err), 0);
    auto_close int fd = openat(o->p->dir, "a.tar", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(store_export(o->p->store, &m, &note, fd, NULL, &err), 0);
    buf_clear(&text);
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    put_corpus(dir, "import", "exported", text.data, text.len);
    put_pack_corpus(dir, "exported", &text);
    return teardown_other(&state);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
        return write_corpora(argv[2]);
    const struct CMUnitTest tests[] = {
        archive_test(lies_are_not_believed_even_of_archives_that_are),
        archive_test(a_bomb_does_not_go_off),
        archive_test(an_archive_beyond_the_quota_is_refused_before_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
