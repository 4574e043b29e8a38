/* Archives and their enemies. */
#include "archive_place.h"

#include "store/page.h"

static const struct store_trust own = { 0 };

static void fill_work(struct place *p)
{
    struct place *q = p;
    place_fill(q->work, "big", 0, MIB + 70000, 1);
    place_fill(q->work, "small", 0, 5000, 2);
    auto_close int sub = place_mkdir(q->work, "sub");
    place_write(sub, "note", "hello", 5);
    assert_int_equal(symlinkat("../big", sub, "link"), 0);
    assert_int_equal(linkat(q->work, "small", sub, "same", 0), 0);
    assert_int_equal(mkfifoat(sub, "fifo", 0620), 0);
}

/* A second generation, so that there are deltas; exported into a file. */
static void make_archive(struct place *p, const char *name)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf note = { 0 };
    fill_work(p);
    place_commit(p, 1);
    place_fill(p->work, "big", 30000, 10, 3);
    place_commit(p, 2);
    buf_text(&note, "what the user wrote\n");
    assert_int_equal(store_manifest(p->store, "7.0", 2, &m, &err), 0);
    auto_close int fd = openat(p->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (store_export(p->store, &m, &note, fd, NULL, &err) != 0)
        fail_msg("%s", err.text);
}

static void expect_imported(struct other *o)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    struct store_tree tree = { "work", o->p->back };
    place_empty_back(o->p);
    tree.dir = o->p->back;
    if (store_manifest(o->store, "9.0", 1, &m, &err) != 0 || store_extract(o->store, NULL, &m, &tree, 1, NULL, &err) != 0)
        fail_msg("%s", err.text);
    assert_same_tree(o->p->work, o->p->back);
    assert_string_equal(m.job, "9.0");
    assert_true(m.generation == 1 && m.parent == 0 && m.stint == 0);
    assert_int_equal(store_remove(o->store, "9.0", &err), 0);
}

static void expect_refused(struct other *o, const void *data, size_t len, const char *what)
{
    for (int i = 0; i < 2; i++) {
        struct error err = { 0 };
        auto_free char *key = place_path(o->p, "store.key");
        struct store_trust with_key = { .key_path = key };
        if (import_text(o, data, len, i ? &unverified : &with_key, &err) != -1)
            fail_msg("%s: taken", what);
        assert_true(err.text[0] != '\0');
        expect_nothing_kept(o, what);
    }
}

/* ---- round trips ---- */

static void an_archive_makes_the_round_trip_into_another_store(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 }, note = { 0 };
    auto_free char *key = place_path(o->p, "store.key");
    struct store_trust with_key = { .key_path = key };
    make_archive(o->p, "a.tar");
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    assert_int_equal(text.len % 512, 0);
    assert_int_equal(import_text(o, text.data, text.len, &own, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "signed with another key"));
    expect_nothing_kept(o, "another key");
    assert_int_equal(import_text(o, text.data, text.len, &with_key, &err), 0);
    assert_int_equal(import_text(o, text.data, text.len, &with_key, &err), -1); /* it is there */
    assert_int_equal(err.kind, ERR_INVALID);
    expect_imported(o);
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), 0);
    expect_imported(o);
    auto_close int fd = openat(o->p->dir, "a.tar", O_RDONLY | O_CLOEXEC);
    assert_int_equal(store_import(o->p->store, fd, "8.0", 5, &own, &note, NULL, &err), 0); /* back where it came from */
    assert_string_equal(buf_cstr(&note), "what the user wrote\n");
    o->p->job = "8.0";
    assert_int_equal(place_verify(o->p, 5, &err), 0);
    assert_int_equal(store_remove(o->p->store, "7.0", &err), 0);
    assert_int_equal(place_verify(o->p, 5, &err), 0);
    o->p->parent = 5;
    assert_int_equal(place_commit(o->p, 6), 0); /* and the job can go on from it */
}

/* Through a pipe, as somebody would send it to another machine. */
static void an_archive_goes_through_a_pipe(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    int ends[2];
    make_archive(o->p, "a.tar");
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        auto_manifest struct manifest m = { 0 };
        auto_buf struct buf note = { 0 };
        file_close(&ends[0]);
        _exit(store_manifest(o->p->store, "7.0", 2, &m, &err) == 0 && store_export(o->p->store, &m, &note, ends[1], NULL, &err) == 0 ? 0 : 1);
    }
    file_close(&ends[1]);
    auto_buf struct buf note = { 0 };
    if (store_import(o->store, ends[0], "9.0", 1, &unverified, &note, NULL, &err) != 0)
        fail_msg("%s", err.text);
    file_close(&ends[0]);
    expect_imported(o);
}

/* tar(1) itself can list what is in it. */
static void an_archive_is_a_tar(void **state)
{
    struct other *o = *state;
    make_archive(o->p, "a.tar");
    auto_free char *command = mem_printf("cd '%s' && tar tf a.tar >list 2>/dev/null", o->p->path);
    if (system("command -v tar >/dev/null 2>&1") != 0)
        skip();
    assert_int_equal(system(command), 0);
    auto_buf struct buf list = { 0 };
    assert_int_equal(file_read(o->p->dir, "list", &list, NULL), 0);
    assert_non_null(strstr(buf_cstr(&list), "stint-checkpoint/manifest\nstint-checkpoint/note\nstint-checkpoint/packs/"));
}

/* What a pack holds for others stays at home. */
static void an_archive_has_no_chunk_that_is_not_its_checkpoint_s(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 }, secret = { 0 }, note = { 0 };
    auto_manifest struct manifest m = { 0 };
    place_fill(o->p->work, "secret", 0, 300000, 77);
    place_fill(o->p->work, "common", 0, 300000, 78);
    place_commit(o->p, 1);
    assert_int_equal(file_read(o->p->work, "secret", &secret, NULL), 0);
    assert_int_equal(unlinkat(o->p->work, "secret", 0), 0);
    o->p->job = "8.0";
    o->p->parent = 0;
    assert_int_equal(place_commit(o->p, 1), 0); /* shares that pack */
    assert_int_equal(store_manifest(o->p->store, "8.0", 1, &m, &err), 0);
    auto_close int fd = openat(o->p->dir, "a.tar", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(store_export(o->p->store, &m, &note, fd, NULL, &err), 0);
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    for (size_t at = 0; at + 64 < secret.len; at += 4096)
        assert_null(memmem(text.data, text.len, secret.data + at, 64));
    struct digest digest;
    chunk_digest((uint8_t *)secret.data, secret.len, &digest);
    assert_null(memmem(text.data, text.len, digest.bytes, 32));
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), 0);
    expect_imported(o);
}

/* ---- enemies ---- */

static void an_archive_cut_anywhere_is_refused(void **state)
{
    struct other *o = *state;
    auto_buf struct buf text = { 0 };
    make_archive(o->p, "a.tar");
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    for (size_t len = 0; len + 1024 <= text.len; len += len < 8192 || len > text.len - 8192 ? 512 : 512 * 101)
        expect_refused(o, text.data, len, "cut");
    expect_refused(o, text.data, text.len - 1025, "cut in the last block");
}

/* A header of one's own, sealed like a real one. */
static void reseal(char *header)
{
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    header[155] = ' ';
}

/* Between the end of a file and the next header, or behind the first block of the end; or text that nobody signed. */
static bool is_padding(const char *text, size_t len, size_t at)
{
    size_t header = 0;
    while (header + 1024 < len && text[header] && next_header(text, header) <= at)
        header = next_header(text, header);
    bool note = strcmp(text + header, "stint-checkpoint/note") == 0;
    return header + 1024 >= len ? at >= len - 512 : at >= header + 512 + (note ? 0 : size_of(text + header));
}

/* Everything but the padding is looked at. */
static void a_flipped_bit_in_an_archive_is_refused_or_changes_nothing(void **state)
{
    struct other *o = *state;
    auto_buf struct buf text = { 0 };
    size_t taken = 0, tried = 0;
    make_archive(o->p, "a.tar");
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    for (size_t at = 0; at < text.len; at += at < 4096 || at > text.len - 2048 ? 11 : 7919, tried++) {
        struct error err = { 0 };
        auto_free char *key = place_path(o->p, "store.key");
        struct store_trust with_key = { .key_path = key };
        text.data[at] ^= (char)(1 << at % 7);
        if (import_text(o, text.data, text.len, &with_key, &err) == 0) {
            if (!is_padding(text.data, text.len, at))
                fail_msg("a changed byte %zu was taken", at);
            expect_imported(o);
            taken++;
        } else {
            expect_nothing_kept(o, "a flipped bit");
        }
        text.data[at] ^= (char)(1 << at % 7);
    }
    assert_true(tried > 500 && taken < tried / 3); /* padding and the second end block */
}

static void names_and_kinds_that_do_not_belong_are_refused(void **state)
{
    struct other *o = *state;
    auto_buf struct buf text = { 0 };
    static const char *const names[] = {
        "../../etc/passwd", "/etc/passwd", "stint-checkpoint/../../x", "stint-checkpoint/manifest/", "manifest", "", "stint-checkpoint/packs/..",
        "stint-checkpoint/packs/00112233445566778899aabbccddeeff", "./stint-checkpoint/manifest",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    };
    static const char kinds[] = "12345657xgLKSV\0D";
    make_archive(o->p, "a.tar");
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    size_t headers[3] = { 0, next_header(text.data, 0) };
    headers[2] = next_header(text.data, headers[1]);
    for (size_t h = 0; h < 3; h++) {
        char before[512], *header = text.data + headers[h];
        memcpy(before, header, 512);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            memset(header, 0, 100);
            memcpy(header, names[i], strlen(names[i]));
            reseal(header);
            expect_refused(o, text.data, text.len, names[i]);
            memcpy(header, before, 512);
        }
        for (size_t i = 0; i < sizeof kinds - 1; i++) {
            header[156] = kinds[i];
            if (kinds[i] == '2')
                memcpy(header + 157, "/etc/passwd", 12);
            reseal(header);
            expect_refused(o, text.data, text.len, "a kind");
            memcpy(header, before, 512);
        }
        static const char *const sizes[] = { "00000000000", "77777777777", "xxxxxxxxxxx", "-0000000001", "\200\0\0\0\0\0\0\0\0\0\1" };
        for (size_t i = 0; i < 5; i++) {
            memcpy(header + 124, sizes[i], 11);
            reseal(header);
            expect_refused(o, text.data, text.len, "a size");
            memcpy(header, before, 512);
        }
        snprintf(header + 124, 12, "%011o", (unsigned)size_of(before) + 512);
        reseal(header);
        expect_refused(o, text.data, text.len, "a larger size");
        memcpy(header, before, 512);
    }
}

static void entries_that_are_too_many_or_missing_are_refused(void **state)
{
    struct other *o = *state;
    auto_buf struct buf text = { 0 };
    make_archive(o->p, "a.tar");
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    size_t at[8] = { 0 }, count = 1;
    while (text.data[at[count - 1]] && count < 8) {
        at[count] = next_header(text.data, at[count - 1]);
        count++;
    }
    count--; /* at[count] is the end */
    assert_true(count == 3);
    for (size_t skip = 0; skip < count; skip++) {
        auto_buf struct buf without = { 0 }, twice = { 0 }, swapped = { 0 };
        buf_add(&without, text.data, at[skip]);
        buf_add(&without, text.data + at[skip + 1], text.len - at[skip + 1]);
        expect_refused(o, without.data, without.len, "missing");
        buf_add(&twice, text.data, at[skip + 1]);
        buf_add(&twice, text.data + at[skip], text.len - at[skip]);
        expect_refused(o, twice.data, twice.len, "twice");
        if (skip + 1 == count)
            continue;
        buf_add(&swapped, text.data, at[skip]);
        buf_add(&swapped, text.data + at[skip + 1], at[skip + 2] - at[skip + 1]);
        buf_add(&swapped, text.data + at[skip], at[skip + 1] - at[skip]);
        buf_add(&swapped, text.data + at[skip + 2], text.len - at[skip + 2]);
        expect_refused(o, swapped.data, swapped.len, "another order");
    }
    auto_buf struct buf extra = { 0 };
    char header[512] = "stint-checkpoint/extra";
    snprintf(header + 124, 12, "%011o", 0u);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    reseal(header);
    buf_add(&extra, text.data, at[count]);
    buf_add(&extra, header, 512);
    buf_add(&extra, text.data + at[count], text.len - at[count]);
    expect_refused(o, extra.data, extra.len, "one more");
}

static void a_key_that_others_can_read_is_not_used(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 };
    make_archive(o->p, "a.tar");
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    static const char *const names[] = { "store.key", "absent.key", "a.tar", "link.key", "back" };
    assert_int_equal(symlinkat("store.key", o->p->dir, "link.key"), 0);
    assert_int_equal(fchmodat(o->p->dir, "store.key", 0640, 0), 0);
    for (size_t i = 0; i < 5; i++) {
        auto_free char *key = place_path(o->p, names[i]);
        struct store_trust trust = { .key_path = key };
        if (import_text(o, text.data, text.len, &trust, &err) != -1)
            fail_msg("%s was used", names[i]);
        assert_non_null(strstr(err.text, names[i]));
        expect_nothing_kept(o, names[i]);
    }
}

static void a_note_has_a_greatest_length(void **state)
{
    struct other *o = *state;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf note = { .max = 2 << 20 }, text = { .max = 4 << 20 };
    place_write(o->p->work, "x", "y", 1);
    place_commit(o->p, 1);
    assert_int_equal(store_manifest(o->p->store, "7.0", 1, &m, &err), 0);
    for (int i = 0; i < ARCHIVE_NOTE_MAX; i++)
        buf_char(&note, 'n');
    auto_close int fd = openat(o->p->dir, "a.tar", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(store_export(o->p->store, &m, &note, fd, NULL, &err), 0);
    assert_int_equal(file_read(o->p->dir, "a.tar", &text, NULL), 0);
    assert_int_equal(import_text(o, text.data, text.len, &unverified, &err), 0);
    buf_char(&note, 'n');
    assert_int_equal(store_export(o->p->store, &m, &note, fd, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        archive_test(an_archive_makes_the_round_trip_into_another_store),
        archive_test(an_archive_goes_through_a_pipe),
        archive_test(an_archive_is_a_tar),
        archive_test(an_archive_has_no_chunk_that_is_not_its_checkpoint_s),
        archive_test(an_archive_cut_anywhere_is_refused),
        archive_test(a_flipped_bit_in_an_archive_is_refused_or_changes_nothing),
        archive_test(names_and_kinds_that_do_not_belong_are_refused),
        archive_test(entries_that_are_too_many_or_missing_are_refused),
        archive_test(a_key_that_others_can_read_is_not_used),
        archive_test(a_note_has_a_greatest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
