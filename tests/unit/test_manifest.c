#include "store_place.h"

#include <stdlib.h>

/* A manifest's text with the digest that makes it whole. */
static void seal(struct buf *text)
{
    struct digest digest;
    char hex[65];
    digest_of(buf_cstr(text), text->len, &digest);
    buf_printf(text, "digest %s\n", digest_print(&digest, hex));
}

static int parse_body(const char *body, struct manifest *m, struct error *err)
{
    auto_buf struct buf text = { 0 };
    buf_text(&text, body);
    seal(&text);
    return manifest_parse(text.data, text.len, m, err);
}

#define HEAD(bytes, entries) \
    "stint-manifest 1\ngeneration 3\nstint 2\ncreated 1700\nkind checkpoint\nbytes " bytes "\nentries " entries "\n"
#define A64 "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd"

static struct manifest example(void)
{
    struct manifest m = { .generation = 12, .stint = 3, .created_us = 1700000000123456, .kind = "evicted", .entry_count = 4 };
    m.entries = mem_zero(4, sizeof *m.entries);
    m.entries[0] = (struct store_entry){ STORE_DIR, mem_dup("work/a"), .mode = 0750, .mtime_ns = -1 };
    m.entries[1] = (struct store_entry){ STORE_LINK, mem_dup("work/a/l"), mem_dup("../../etc %\n"), .mode = 0777 };
    m.entries[2] = (struct store_entry){ STORE_FILE, mem_dup("work/a/x\ny z%\xff\xc3\xa9\x01"), .mode = 0644, .mtime_ns = 5 };
    m.entries[2].size = STORE_CHUNK_BYTES + 1;
    m.entries[2].chunk_count = 2;
    m.entries[2].chunks = mem_zero(2, sizeof(struct digest));
    digest_of("one", 3, &m.entries[2].chunks[0]);
    digest_of("two", 3, &m.entries[2].chunks[1]);
    m.entries[3] = (struct store_entry){ STORE_FILE, mem_dup("work/b"), .mode = 0, .mtime_ns = INT64_MIN };
    m.bytes = m.entries[2].size;
    return m;
}

static void a_manifest_survives_printing_and_parsing(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_manifest struct manifest again = { 0 };
    auto_buf struct buf text = { 0 };
    auto_buf struct buf second = { 0 };
    struct error err = { 0 };
    assert_int_equal(manifest_print(&m, &text, &err), 0);
    assert_int_equal(manifest_parse(text.data, text.len, &again, &err), 0);
    assert_int_equal(manifest_print(&again, &second, &err), 0);
    assert_string_equal(buf_cstr(&text), buf_cstr(&second));
    assert_int_equal(again.generation, 12);
    assert_int_equal(again.stint, 3);
    assert_string_equal(again.kind, "evicted");
    assert_true(again.created_us == m.created_us && again.bytes == m.bytes && again.entry_count == 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(again.entries[i].name, m.entries[i].name);
        assert_int_equal(again.entries[i].type, m.entries[i].type);
        assert_int_equal(again.entries[i].mode, m.entries[i].mode);
        assert_true(again.entries[i].mtime_ns == m.entries[i].mtime_ns && again.entries[i].size == m.entries[i].size);
    }
    assert_string_equal(again.entries[1].target, m.entries[1].target);
    assert_memory_equal(again.entries[2].chunks, m.entries[2].chunks, 2 * sizeof(struct digest));
}

static void the_text_is_what_the_documentation_shows(void **state)
{
    (void)state;
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf text = { 0 };
    struct error err = { 0 };
    const char *body = HEAD("3", "2") "file 0644 1700000000000000000 3 work/a%20b\nchunk " A64 "\nlink 5 work/l /tmp/x\n";
    assert_int_equal(parse_body(body, &m, &err), 0);
    assert_string_equal(m.entries[0].name, "work/a b");
    assert_int_equal(manifest_print(&m, &text, &err), 0);
    assert_memory_equal(text.data, body, strlen(body));
}

static void a_manifest_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_buf struct buf text = { 0 };
    assert_int_equal(manifest_print(&m, &text, NULL), 0);
    for (size_t len = 0; len < text.len; len++) {
        auto_manifest struct manifest cut = { 0 };
        struct error err = { 0 };
        auto_free char *exact = mem_dup_n(text.data, len);
        assert_int_equal(manifest_parse(exact, len, &cut, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_null(cut.entries);
    }
}

static void a_flipped_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_buf struct buf text = { 0 };
    assert_int_equal(manifest_print(&m, &text, NULL), 0);
    for (size_t at = 0; at < text.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            auto_manifest struct manifest bad = { 0 };
            text.data[at] ^= (char)(1 << bit);
            assert_int_equal(manifest_parse(text.data, text.len, &bad, NULL), -1);
            text.data[at] ^= (char)(1 << bit);
        }
    }
}

static void text_behind_the_digest_is_refused(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_manifest struct manifest bad = { 0 };
    auto_buf struct buf text = { 0 };
    assert_int_equal(manifest_print(&m, &text, NULL), 0);
    buf_text(&text, "\n");
    assert_int_equal(manifest_parse(text.data, text.len, &bad, NULL), -1);
}

static void another_version_is_named(void **state)
{
    (void)state;
    auto_manifest struct manifest m = { 0 };
    struct error err = { 0 };
    assert_int_equal(manifest_parse("stint-manifest 2\n", 17, &m, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.text, "version 2"));
}

/* Each has a right digest: what is refused is what it says. */
static const struct {
    const char *why;
    const char *body;
} refused[] = {
    { "absolute", HEAD("0", "1") "dir 0755 0 /etc\n" },
    { "absolute in a tree", HEAD("0", "1") "dir 0755 0 work//etc\n" },
    { "no tree", HEAD("0", "1") "dir 0755 0 passwords\n" },
    { "only a tree", HEAD("0", "1") "dir 0755 0 work/\n" },
    { "empty tree", HEAD("0", "1") "dir 0755 0 /x/y\n" },
    { "dot dot", HEAD("0", "1") "dir 0755 0 work/..\n" },
    { "dot dot first", HEAD("0", "1") "dir 0755 0 ../etc\n" },
    { "dot dot inside", HEAD("0", "2") "dir 0755 0 work/a\ndir 0755 0 work/a/../b\n" },
    { "dot dot escaped", HEAD("0", "1") "dir 0755 0 work/%2E%2E\n" },
    { "dot", HEAD("0", "1") "dir 0755 0 work/.\n" },
    { "slash at the end", HEAD("0", "1") "dir 0755 0 work/a/\n" },
    { "no name", HEAD("0", "1") "dir 0755 0 \n" },
    { "there twice", HEAD("0", "2") "dir 0755 0 work/a\ndir 0755 0 work/a\n" },
    { "out of order", HEAD("0", "2") "dir 0755 0 work/b\ndir 0755 0 work/a\n" },
    { "below a link", HEAD("0", "2") "link 0 work/a /etc\ndir 0755 0 work/a/b\n" },
    { "below a file", HEAD("0", "2") "file 0644 0 0 work/a\ndir 0755 0 work/a/b\n" },
    { "below nothing", HEAD("0", "1") "dir 0755 0 work/a/b\n" },
    { "below a longer name", HEAD("0", "2") "dir 0755 0 work/ab\ndir 0755 0 work/a/b\n" },
    { "NUL in a name", HEAD("0", "1") "dir 0755 0 work/a%00b\n" },
    { "needless escape", HEAD("0", "1") "dir 0755 0 work/%41\n" },
    { "lower-case escape", HEAD("0", "1") "dir 0755 0 work/%0a\n" },
    { "cut escape", HEAD("0", "1") "dir 0755 0 work/%2\n" },
    { "unescaped byte", HEAD("0", "1") "dir 0755 0 work/a\tb\n" },
    { "word too many", HEAD("0", "1") "dir 0755 0 work/a b\n" },
    { "setuid", HEAD("0", "1") "dir 4755 0 work/a\n" },
    { "mode of no octal", HEAD("0", "1") "dir 0855 0 work/a\n" },
    { "long mode", HEAD("0", "1") "dir 00755 0 work/a\n" },
    { "leading zero", HEAD("0", "1") "dir 0755 00 work/a\n" },
    { "plus", HEAD("0", "1") "dir 0755 +1 work/a\n" },
    { "minus zero", HEAD("0", "1") "dir 0755 -0 work/a\n" },
    { "time too large", HEAD("0", "1") "dir 0755 9223372036854775808 work/a\n" },
    { "time too small", HEAD("0", "1") "dir 0755 -9223372036854775809 work/a\n" },
    { "negative size", HEAD("0", "1") "file 0644 0 -1 work/a\n" },
    { "chunk missing", HEAD("3", "1") "file 0644 0 3 work/a\n" },
    { "chunk too many", HEAD("0", "1") "file 0644 0 0 work/a\nchunk " A64 "\n" },
    { "chunks of nowhere", HEAD("9223372036854775807", "1") "file 0644 0 9223372036854775807 work/a\n" },
    { "upper-case digest", HEAD("3", "1") "file 0644 0 3 work/a\nchunk A" A64 "\n" },
    { "sum wrong", HEAD("4", "1") "file 0644 0 3 work/a\nchunk " A64 "\n" },
    { "link without target", HEAD("0", "1") "link 0 work/a\n" },
    { "link with empty target", HEAD("0", "1") "link 0 work/a \n" },
    { "unknown type", HEAD("0", "1") "fifo 0644 0 work/a\n" },
    { "fewer entries", HEAD("0", "2") "dir 0755 0 work/a\n" },
    { "more entries", HEAD("0", "1") "dir 0755 0 work/a\ndir 0755 0 work/b\n" },
    { "a million of entries", HEAD("0", "1000000") "dir 0755 0 work/a\n" },
    { "too many entries", HEAD("0", "1000001") "dir 0755 0 work/a\n" },
    { "empty line", HEAD("0", "1") "dir 0755 0 work/a\n\n" },
    { "no generation", "stint-manifest 1\nstint 2\ncreated 1\nkind a\nbytes 0\nentries 0\n" },
    { "generation 0", "stint-manifest 1\ngeneration 0\nstint 2\ncreated 1\nkind a\nbytes 0\nentries 0\n" },
    { "generation too large", "stint-manifest 1\ngeneration 1000000000\nstint 2\ncreated 1\nkind a\nbytes 0\nentries 0\n" },
    { "empty kind", "stint-manifest 1\ngeneration 1\nstint 2\ncreated 1\nkind \nbytes 0\nentries 0\n" },
    { "strange kind", "stint-manifest 1\ngeneration 1\nstint 2\ncreated 1\nkind A/b\nbytes 0\nentries 0\n" },
    { "long kind", "stint-manifest 1\ngeneration 1\nstint 2\ncreated 1\nkind abcdefghijklmnopq\nbytes 0\nentries 0\n" },
};

static void what_is_not_a_manifest_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        auto_manifest struct manifest m = { 0 };
        struct error err = { 0 };
        if (parse_body(refused[i].body, &m, &err) != -1)
            fail_msg("accepted: %s", refused[i].why);
        assert_true(err.text[0] != '\0');
    }
}

static const struct {
    const char *why;
    const char *body;
} accepted[] = {
    { "nothing in it", HEAD("0", "0") },
    { "a name that starts with dots", HEAD("0", "1") "dir 0755 0 work/..a\n" },
    { "a link that leads anywhere", HEAD("0", "1") "link 0 work/a ../../etc/passwd\n" },
    { "names that sort between a directory and what is in it", HEAD("0", "3")
      "dir 0755 0 work/a\ndir 0755 0 work/a-b\ndir 0755 0 work/a/b\n" },
    { "the smallest time", HEAD("0", "1") "dir 0755 -9223372036854775808 work/a\n" },
};

static void odd_manifests_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        auto_manifest struct manifest m = { 0 };
        struct error err = { 0 };
        if (parse_body(accepted[i].body, &m, &err) != 0)
            fail_msg("refused: %s: %s", accepted[i].why, err.text);
    }
}

static void names_have_a_longest_length(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        auto_manifest struct manifest m = { 0 };
        auto_buf struct buf text = { 0 };
        buf_text(&text, HEAD("0", "1") "dir 0755 0 work/");
        for (int i = 0; i < STORE_NAME_MAX - 1 - 5 + over; i++)
            buf_char(&text, 'x');
        buf_char(&text, '\n');
        seal(&text);
        assert_int_equal(manifest_parse(text.data, text.len, &m, NULL), over ? -1 : 0);
    }
}

static void what_could_not_be_read_again_is_not_printed(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_buf struct buf text = { 0 };
    struct error err = { 0 };
    m.bytes++;
    assert_int_equal(manifest_print(&m, &text, &err), -1);
    m.bytes--;
    m.kind[0] = '\0';
    assert_int_equal(manifest_print(&m, &text, &err), -1);
    memcpy(m.kind, "full", 5);
    free(m.entries[0].name);
    m.entries[0].name = mem_dup("work/../a");
    assert_int_equal(manifest_print(&m, &text, &err), -1);
    assert_int_equal(text.len, 0);
}

static void digests_are_printed_and_parsed(void **state)
{
    (void)state;
    struct digest digest;
    struct digest again;
    char hex[65];
    digest_of("abc", 3, &digest);
    assert_string_equal(digest_print(&digest, hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(digest_parse(hex, &again));
    assert_memory_equal(&digest, &again, sizeof digest);
    assert_false(digest_parse("", &again));
    hex[63] = 'g';
    assert_false(digest_parse(hex, &again));
    hex[63] = '\0';
    assert_false(digest_parse(hex, &again));
    assert_false(digest_parse(A64 "0", &again));
}

static void a_set_of_digests_holds_what_was_added(void **state)
{
    (void)state;
    auto_digest_set struct digest_set set = { 0 };
    for (int i = 0; i < 5000; i++) {
        struct digest digest;
        digest_of(&i, sizeof i, &digest);
        assert_false(digest_set_has(&set, &digest));
        assert_true(digest_set_add(&set, &digest));
        assert_false(digest_set_add(&set, &digest));
    }
    for (int i = 0; i < 5000; i++) {
        struct digest digest;
        digest_of(&i, sizeof i, &digest);
        assert_true(digest_set_has(&set, &digest));
    }
    assert_int_equal(set.count, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_survives_printing_and_parsing),
        cmocka_unit_test(the_text_is_what_the_documentation_shows),
        cmocka_unit_test(a_manifest_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_flipped_bit_anywhere_is_noticed),
        cmocka_unit_test(text_behind_the_digest_is_refused),
        cmocka_unit_test(another_version_is_named),
        cmocka_unit_test(what_is_not_a_manifest_is_refused),
        cmocka_unit_test(odd_manifests_are_accepted),
        cmocka_unit_test(names_have_a_longest_length),
        cmocka_unit_test(what_could_not_be_read_again_is_not_printed),
        cmocka_unit_test(digests_are_printed_and_parsed),
        cmocka_unit_test(a_set_of_digests_holds_what_was_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
