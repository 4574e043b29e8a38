#include "store_place.h"

#include <stdlib.h>

static const struct seal key = { "the key of this test, 32 bytes.." }, other_key = { "the key of this test, 32 bytes.!" };

/* A manifest's text with the HMAC that makes it whole. */
static void sign(struct buf *text)
{
    struct digest mac;
    char hex[65];
    seal_of(&key, "manifest", buf_cstr(text), text->len, &mac);
    buf_printf(text, "mac %s\n", digest_print(&mac, hex));
}

static int parse_body(const char *body, struct manifest *m, struct error *err)
{
    auto_buf struct buf text = { 0 };
    buf_text(&text, body);
    sign(&text);
    auto_free char *exact = mem_dup_n(text.data, text.len);
    return manifest_parse(exact, text.len, &key, m, NULL, err);
}

#define NUMBERS "generation 3\nparent 2\nstint 2\ncreated 1700\n"
#define PLACE "owner ann\nhost here\nkernel Linux%206.1\ncpu x86\nengine criu%203.17\n"
#define START "stint-manifest 2\njob 7.0\n" NUMBERS "kind checkpoint\n" PLACE
#define HEAD(bytes, entries) START "bytes " bytes "\nadded 9\npacks 0\nentries " entries "\n"
#define PACKS(packs) START "bytes 0\nadded 9\npacks " packs "entries 0\n"
#define A64 "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd"
#define A32 "abcdefabcdefabcdefabcdefabcdefab"
#define O64 "0000000000000000000000000000000000000000000000000000000000000000"

enum { EXAMPLE_ENTRIES = 7 };

static struct store_entry example_image(void)
{
    static const struct { uint64_t address; uint32_t bytes; } cuts[] = { { 4096, 4096 }, { 1 << 20, 1 << 20 }, { 3 << 20, 1 } };
    struct store_entry e = { STORE_FILE, mem_dup("work/image"), .mode = 0600, .size = 4096 + (1 << 20) + 1, .chunk_count = 3 };
    e.chunks = mem_zero(3, sizeof *e.chunks);
    e.cuts = mem_zero(3, sizeof *e.cuts);
    for (int64_t i = 0, at = 0; i < 3; at += cuts[i++].bytes)
        e.cuts[i] = (struct store_cut){ cuts[i].address, at, cuts[i].bytes };
    digest_of("one", 3, &e.chunks[0]);
    return e;
}

static struct manifest example(void)
{
    struct manifest m = { .generation = 12, .parent = 9, .stint = 3, .created_us = 1700000000123456, .kind = "evicted", .job = "3.1",
                          .owner = "ann", .host = "a b", .kernel = "Linux %", .cpu = "", .engine = "criu 3.17", .new_bytes = 5,
                          .pack_count = 2, .entry_count = EXAMPLE_ENTRIES };
    m.packs = mem_zero(2, sizeof *m.packs);
    m.packs[0] = (struct manifest_pack){ { "0123" }, 1000, 900 };
    m.packs[1] = (struct manifest_pack){ { "0124" }, INT64_MAX, 0 };
    m.entries = mem_zero(EXAMPLE_ENTRIES, sizeof *m.entries);
    m.entries[0] = (struct store_entry){ STORE_DIR, mem_dup("work/a"), .mode = 0750, .uid = 1000, .gid = UINT32_MAX, .mtime_ns = -1 };
    m.entries[1] = (struct store_entry){ STORE_LINK, mem_dup("work/a/l"), mem_dup("../../etc %\n"), .uid = 5, .gid = 6 };
    m.entries[2] = (struct store_entry){ STORE_FILE, mem_dup("work/a/x\ny z%\xff\xc3\xa9\x01"), .mode = 0644, .mtime_ns = 5 };
    m.entries[2].size = 4 * STORE_CHUNK_BYTES + 1;
    m.entries[2].chunk_count = 5;
    m.entries[2].chunks = mem_zero(5, sizeof(struct digest));
    digest_of("one", 3, &m.entries[2].chunks[0]);
    digest_of("two", 3, &m.entries[2].chunks[3]);
    m.entries[3] = (struct store_entry){ STORE_FILE, mem_dup("work/b"), .mode = 0, .mtime_ns = INT64_MIN };
    m.entries[4] = (struct store_entry){ STORE_HARD, mem_dup("work/c"), mem_dup("work/b") };
    m.entries[5] = example_image();
    m.entries[6] = (struct store_entry){ STORE_FIFO, mem_dup("work/pipe"), .mode = 0622, .uid = 7, .gid = 8, .mtime_ns = 9 };
    m.bytes = m.entries[2].size + m.entries[5].size;
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
    struct digest printed, parsed;
    assert_int_equal(manifest_print(&m, &key, &text, &printed, &err), 0);
    assert_int_equal(manifest_parse(text.data, text.len, &key, &again, &parsed, &err), 0);
    assert_memory_equal(&printed, &parsed, sizeof printed);
    assert_int_equal(manifest_print(&again, &key, &second, NULL, &err), 0);
    assert_string_equal(buf_cstr(&text), buf_cstr(&second));
    assert_true(again.generation == 12 && again.parent == 9 && again.stint == 3 && again.new_bytes == 5);
    assert_string_equal(again.kind, "evicted");
    assert_string_equal(again.job, "3.1");
    assert_string_equal(again.owner, "ann");
    assert_string_equal(again.host, "a b");
    assert_string_equal(again.kernel, "Linux %");
    assert_string_equal(again.cpu, "");
    assert_string_equal(again.engine, "criu 3.17");
    assert_true(again.created_us == m.created_us && again.bytes == m.bytes && again.entry_count == EXAMPLE_ENTRIES);
    assert_int_equal(again.pack_count, 2);
    assert_memory_equal(again.packs, m.packs, 2 * sizeof *m.packs);
    for (size_t i = 0; i < EXAMPLE_ENTRIES; i++) {
        const struct store_entry *a = &m.entries[i], *b = &again.entries[i];
        assert_string_equal(a->name, b->name);
        assert_true(a->type == b->type && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid);
        assert_true(a->mtime_ns == b->mtime_ns && a->size == b->size && a->chunk_count == b->chunk_count);
        assert_true((a->target != NULL) == (b->target != NULL) && (a->cuts != NULL) == (b->cuts != NULL));
        if (a->target)
            assert_string_equal(a->target, b->target);
        if (a->chunk_count > 0)
            assert_memory_equal(a->chunks, b->chunks, a->chunk_count * sizeof *a->chunks);
        for (size_t k = 0; a->cuts && k < a->chunk_count; k++)
            assert_true(a->cuts[k].address == b->cuts[k].address && a->cuts[k].offset == b->cuts[k].offset && a->cuts[k].bytes == b->cuts[k].bytes);
    }
}

static void the_text_is_what_the_documentation_shows(void **state)
{
    (void)state;
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf text = { 0 };
    struct error err = { 0 };
    const char *body = START "bytes 4194311\nadded 9\npacks 1\npack " A32 " 700 600\nentries 6\n"
        "file 0644 1000 100 1700000000000000000 4194307 work/a%20b\nchunk " A64 "\nzero 3\nchunk " A64 "\nhard work/c work/a%20b\n"
        "dir 0700 0 0 -1 work/d\nimage 0600 0 0 0 4 2 work/i\ncut 1048575 1 " A64 "\ncut 1048576 3 zero\nlink 5 6 7 work/l /tmp/x\n"
        "fifo 0622 1000 100 -7 work/p\n";
    if (parse_body(body, &m, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(m.entries[0].name, "work/a b");
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), 0);
    assert_memory_equal(text.data, body, strlen(body));
}

static void a_manifest_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_buf struct buf text = { 0 };
    assert_int_equal(manifest_print(&m, &key, &text, NULL, NULL), 0);
    for (size_t len = 0; len < text.len; len++)
        for (int sealed = 0; sealed <= 1; sealed++) {
            auto_manifest struct manifest cut = { 0 };
            struct error err = { 0 };
            auto_free char *exact = mem_dup_n(text.data, len);
            assert_int_equal(manifest_parse(exact, len, sealed ? &key : NULL, &cut, NULL, &err), -1);
            assert_int_equal(err.kind, ERR_CORRUPT);
            assert_null(cut.entries);
        }
}

static void a_flipped_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_buf struct buf text = { 0 };
    assert_int_equal(manifest_print(&m, &key, &text, NULL, NULL), 0);
    for (size_t at = 0; at < text.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            auto_manifest struct manifest bad = { 0 };
            text.data[at] ^= (char)(1 << bit);
            assert_int_equal(manifest_parse(text.data, text.len, &key, &bad, NULL, NULL), -1);
            text.data[at] ^= (char)(1 << bit);
        }
    }
}

static void text_behind_the_hmac_is_refused(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_manifest struct manifest bad = { 0 };
    auto_buf struct buf text = { 0 };
    assert_int_equal(manifest_print(&m, &key, &text, NULL, NULL), 0);
    buf_text(&text, "\n");
    assert_int_equal(manifest_parse(text.data, text.len, &key, &bad, NULL, NULL), -1);
    assert_int_equal(manifest_parse(text.data, text.len, NULL, &bad, NULL, NULL), -1);
}

static void another_key_s_hmac_is_refused_unless_it_is_not_looked_at(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example(), bad = { 0 }, good = { 0 };
    auto_buf struct buf text = { 0 };
    struct error err = { 0 };
    assert_int_equal(manifest_print(&m, &other_key, &text, NULL, NULL), 0);
    assert_int_equal(manifest_parse(text.data, text.len, &key, &bad, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "signed with another key"));
    assert_int_equal(manifest_parse(text.data, text.len, NULL, &good, NULL, &err), 0);
}

/* A table of a pack is signed by the same key; it must not pass for a manifest, nor the other way. */
static void what_was_signed_for_another_use_is_refused(void **state)
{
    (void)state;
    auto_buf struct buf text = { 0 };
    auto_manifest struct manifest m = { 0 };
    struct error err = { 0 };
    struct digest mac;
    char hex[65];
    buf_text(&text, HEAD("0", "0"));
    seal_of(&key, "pack", text.data, text.len, &mac);
    buf_printf(&text, "mac %s\n", digest_print(&mac, hex));
    assert_int_equal(manifest_parse(text.data, text.len, &key, &m, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void another_version_is_named(void **state)
{
    (void)state;
    auto_manifest struct manifest m = { 0 };
    struct error err = { 0 };
    assert_int_equal(manifest_parse("stint-manifest 1\n", 17, &key, &m, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(err.sys, EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, "was written by an earlier stint (format 1)"));
    assert_int_equal(manifest_parse("stint-manifest 3\n", 17, &key, &m, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(err.sys, EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, "was written by a later stint (format 3"));
}

/* Each has a right HMAC: what is refused is what it says. */
static const struct {
    const char *why;
    const char *body;
} refused[] = {
    { "absolute", HEAD("0", "1") "dir 0755 0 0 0 /etc\n" },
    { "absolute in a tree", HEAD("0", "1") "dir 0755 0 0 0 work//etc\n" },
    { "no tree", HEAD("0", "1") "dir 0755 0 0 0 passwords\n" },
    { "only a tree", HEAD("0", "1") "dir 0755 0 0 0 work/\n" },
    { "empty tree", HEAD("0", "1") "dir 0755 0 0 0 /x/y\n" },
    { "dot dot", HEAD("0", "1") "dir 0755 0 0 0 work/..\n" },
    { "dot dot first", HEAD("0", "1") "dir 0755 0 0 0 ../etc\n" },
    { "dot dot inside", HEAD("0", "2") "dir 0755 0 0 0 work/a\ndir 0755 0 0 0 work/a/../b\n" },
    { "dot dot escaped", HEAD("0", "1") "dir 0755 0 0 0 work/%2E%2E\n" },
    { "dot", HEAD("0", "1") "dir 0755 0 0 0 work/.\n" },
    { "slash at the end", HEAD("0", "1") "dir 0755 0 0 0 work/a/\n" },
    { "no name", HEAD("0", "1") "dir 0755 0 0 0 \n" },
    { "there twice", HEAD("0", "2") "dir 0755 0 0 0 work/a\ndir 0755 0 0 0 work/a\n" },
    { "out of order", HEAD("0", "2") "dir 0755 0 0 0 work/b\ndir 0755 0 0 0 work/a\n" },
    { "below a link", HEAD("0", "2") "link 0 0 0 work/a /etc\ndir 0755 0 0 0 work/a/b\n" },
    { "below a file", HEAD("0", "2") "file 0644 0 0 0 0 work/a\ndir 0755 0 0 0 work/a/b\n" },
    { "below nothing", HEAD("0", "1") "dir 0755 0 0 0 work/a/b\n" },
    { "below a longer name", HEAD("0", "2") "dir 0755 0 0 0 work/ab\ndir 0755 0 0 0 work/a/b\n" },
    { "NUL in a name", HEAD("0", "1") "dir 0755 0 0 0 work/a%00b\n" },
    { "needless escape", HEAD("0", "1") "dir 0755 0 0 0 work/%41\n" },
    { "lower-case escape", HEAD("0", "1") "dir 0755 0 0 0 work/%0a\n" },
    { "cut escape", HEAD("0", "1") "dir 0755 0 0 0 work/%2\n" },
    { "unescaped byte", HEAD("0", "1") "dir 0755 0 0 0 work/a\tb\n" },
    { "word too many", HEAD("0", "1") "dir 0755 0 0 0 work/a b\n" },
    { "setuid", HEAD("0", "1") "dir 4755 0 0 0 work/a\n" },
    { "mode of no octal", HEAD("0", "1") "dir 0855 0 0 0 work/a\n" },
    { "long mode", HEAD("0", "1") "dir 00755 0 0 0 work/a\n" },
    { "leading zero", HEAD("0", "1") "dir 0755 0 0 00 work/a\n" },
    { "plus", HEAD("0", "1") "dir 0755 0 0 +1 work/a\n" },
    { "minus zero", HEAD("0", "1") "dir 0755 0 0 -0 work/a\n" },
    { "time too large", HEAD("0", "1") "dir 0755 0 0 9223372036854775808 work/a\n" },
    { "time too small", HEAD("0", "1") "dir 0755 0 0 -9223372036854775809 work/a\n" },
    { "negative size", HEAD("0", "1") "file 0644 0 0 0 -1 work/a\n" },
    { "chunk missing", HEAD("3", "1") "file 0644 0 0 0 3 work/a\n" },
    { "chunk too many", HEAD("0", "1") "file 0644 0 0 0 0 work/a\nchunk " A64 "\n" },
    { "chunks of nowhere", HEAD("9223372036854775807", "1") "file 0644 0 0 0 9223372036854775807 work/a\n" },
    { "upper-case digest", HEAD("3", "1") "file 0644 0 0 0 3 work/a\nchunk A" A64 "\n" },
    { "sum wrong", HEAD("4", "1") "file 0644 0 0 0 3 work/a\nchunk " A64 "\n" },
    { "link without target", HEAD("0", "1") "link 0 0 0 work/a\n" },
    { "link with empty target", HEAD("0", "1") "link 0 0 0 work/a \n" },
    { "time without owner", HEAD("0", "1") "dir 0755 5 work/a\n" },
    { "negative owner", HEAD("0", "1") "dir 0755 -1 0 0 work/a\n" },
    { "owner too large", HEAD("0", "1") "dir 0755 4294967296 0 0 work/a\n" },
    { "all-zero digest", HEAD("3", "1") "file 0644 0 0 0 3 work/a\nchunk " O64 "\n" },
    { "no chunks of zeros", HEAD("3", "1") "file 0644 0 0 0 3 work/a\nzero 0\nchunk " A64 "\n" },
    { "zeros in two lines", HEAD("2097152", "1") "file 0644 0 0 0 2097152 work/a\nzero 1\nzero 1\n" },
    { "more zeros than chunks", HEAD("3", "1") "file 0644 0 0 0 3 work/a\nzero 2\n" },
    { "hard link to nothing", HEAD("0", "1") "hard work/b work/a\n" },
    { "hard link to what comes later", HEAD("0", "2") "hard work/a work/b\nfile 0644 0 0 0 0 work/b\n" },
    { "hard link to itself", HEAD("0", "1") "hard work/a work/a\n" },
    { "hard link to a directory", HEAD("0", "2") "dir 0755 0 0 0 work/a\nhard work/b work/a\n" },
    { "hard link to a link", HEAD("0", "2") "link 0 0 0 work/a /etc/passwd\nhard work/b work/a\n" },
    { "hard link to a hard link", HEAD("0", "3") "file 0644 0 0 0 0 work/a\nhard work/b work/a\nhard work/c work/b\n" },
    { "hard link out of its tree", HEAD("0", "1") "hard work/b /etc/passwd\n" },
    { "cuts that do not add up", HEAD("5", "1") "image 0600 0 0 0 5 1 work/i\ncut 0 4 " A64 "\n" },
    { "cuts that overlap", HEAD("8", "1") "image 0600 0 0 0 8 2 work/i\ncut 0 4 " A64 "\ncut 3 4 " A64 "\n" },
    { "cuts out of order", HEAD("8", "1") "image 0600 0 0 0 8 2 work/i\ncut 9 4 " A64 "\ncut 0 4 " A64 "\n" },
    { "a cut across a chunk's end", HEAD("2", "1") "image 0600 0 0 0 2 1 work/i\ncut 1048575 2 " A64 "\n" },
    { "a cut of nothing", HEAD("0", "1") "image 0600 0 0 0 0 1 work/i\ncut 0 0 " A64 "\n" },
    { "a cut at the end of all addresses", HEAD("1", "1") "image 0600 0 0 0 1 1 work/i\ncut 9223372036854775807 1 " A64 "\n" },
    { "a cut with chunks", HEAD("1", "1") "image 0600 0 0 0 1 1 work/i\nchunk " A64 "\n" },
    { "fewer cuts", HEAD("1", "1") "image 0600 0 0 0 1 2 work/i\ncut 0 1 " A64 "\n" },
    { "millions of cuts", HEAD("1", "1") "image 0600 0 0 0 1 4194304 work/i\ncut 0 1 " A64 "\n" },
    { "more than 4 TiB of zeros", HEAD("4398047559680", "1") "file 0644 0 0 0 4398047559680 work/a\nzero 4194305\n" },
    { "packs out of order", PACKS("2\npack b" A32 " 1 1\n") },
    { "a pack with a short name", PACKS("1\npack abcd 1 1\n") },
    { "a pack of which more is used than it has", PACKS("1\npack " A32 " 1 2\n") },
    { "a pack twice", PACKS("2\npack " A32 " 1 1\npack " A32 " 1 1\n") },
    { "a pack of negative size", PACKS("1\npack " A32 " -1 -1\n") },
    { "fewer packs", PACKS("2\npack " A32 " 1 1\n") },
    { "millions of packs", PACKS("4000000\npack " A32 " 1 1\n") },
    { "its own parent", "stint-manifest 2\njob 7.0\ngeneration 3\nparent 3\nstint 2\ncreated 1700\nkind a\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "no job", "stint-manifest 2\n" NUMBERS "kind a\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "a long owner", "stint-manifest 2\njob 7.0\n" NUMBERS "kind a\nowner " A64 "\nhost -\nkernel -\ncpu -\nengine -\nbytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "an empty owner", "stint-manifest 2\njob 7.0\n" NUMBERS "kind a\nowner \nhost -\nkernel -\ncpu -\nengine -\nbytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "negative new bytes", START "bytes 0\nadded -1\npacks 0\nentries 0\n" },
    { "unknown type", HEAD("0", "1") "sock 0644 0 0 0 work/a\n" },
    { "a FIFO without owner", HEAD("0", "1") "fifo 0644 0 work/a\n" },
    { "a FIFO with a target", HEAD("0", "1") "fifo 0644 0 0 0 work/a work/b\n" },
    { "a FIFO with a size", HEAD("3", "1") "fifo 0644 0 0 0 3 work/a\n" },
    { "a FIFO with chunks", HEAD("3", "1") "fifo 0644 0 0 0 work/a\nchunk " A64 "\n" },
    { "a setuid FIFO", HEAD("0", "1") "fifo 4644 0 0 0 work/a\n" },
    { "below a FIFO", HEAD("0", "2") "fifo 0644 0 0 0 work/a\ndir 0755 0 0 0 work/a/b\n" },
    { "hard link to a FIFO", HEAD("0", "2") "fifo 0644 0 0 0 work/a\nhard work/b work/a\n" },
    { "fewer entries", HEAD("0", "2") "dir 0755 0 0 0 work/a\n" },
    { "more entries", HEAD("0", "1") "dir 0755 0 0 0 work/a\ndir 0755 0 0 0 work/b\n" },
    { "a million of entries", HEAD("0", "1000000") "dir 0755 0 0 0 work/a\n" },
    { "too many entries", HEAD("0", "1000001") "dir 0755 0 0 0 work/a\n" },
    { "empty line", HEAD("0", "1") "dir 0755 0 0 0 work/a\n\n" },
    { "no generation", "stint-manifest 2\njob 7.0\nparent 0\nstint 2\ncreated 1\nkind a\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "generation 0", "stint-manifest 2\njob 7.0\ngeneration 0\nparent 0\nstint 2\ncreated 1\nkind a\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "generation too large", "stint-manifest 2\njob 7.0\ngeneration 1000000000\nparent 0\nstint 2\ncreated 1\nkind a\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "empty kind", "stint-manifest 2\njob 7.0\n" NUMBERS "kind \n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "strange kind", "stint-manifest 2\njob 7.0\n" NUMBERS "kind A/b\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
    { "long kind", "stint-manifest 2\njob 7.0\n" NUMBERS "kind abcdefghijklmnopq\n" PLACE "bytes 0\nadded 0\npacks 0\nentries 0\n" },
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
    { "a name that starts with dots", HEAD("0", "1") "dir 0755 0 0 0 work/..a\n" },
    { "a link that leads anywhere", HEAD("0", "1") "link 0 0 0 work/a ../../etc/passwd\n" },
    { "names that sort between a directory and what is in it", HEAD("0", "3")
      "dir 0755 0 0 0 work/a\ndir 0755 0 0 0 work/a-b\ndir 0755 0 0 0 work/a/b\n" },
    { "a file of zeros alone", HEAD("2097153", "1") "file 0644 0 0 0 2097153 work/a\nzero 3\n" },
    { "an image without cuts", HEAD("0", "1") "image 0600 0 0 0 0 0 work/i\n" },
    { "packs of which nothing is used", PACKS("1\npack " A32 " 0 0\n") },
    { "the smallest time", HEAD("0", "1") "dir 0755 0 0 -9223372036854775808 work/a\n" },
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
        buf_text(&text, HEAD("0", "1") "dir 0755 0 0 0 work/");
        for (int i = 0; i < STORE_NAME_MAX - 1 - 5 + over; i++)
            buf_char(&text, 'x');
        buf_char(&text, '\n');
        sign(&text);
        assert_int_equal(manifest_parse(text.data, text.len, &key, &m, NULL, NULL), over ? -1 : 0);
    }
}

static void what_could_not_be_read_again_is_not_printed(void **state)
{
    (void)state;
    auto_manifest struct manifest m = example();
    auto_buf struct buf text = { 0 };
    struct error err = { 0 };
    m.bytes++;
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), -1);
    m.bytes--;
    m.kind[0] = '\0';
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), -1);
    memcpy(m.kind, "full", 5);
    m.parent = m.generation;
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), -1);
    m.parent = 0;
    m.entries[5].cuts[1].offset++;
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), -1);
    m.entries[5].cuts[1].offset--;
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), 0);
    buf_clear(&text);
    free(m.entries[0].name);
    m.entries[0].name = mem_dup("work/../a");
    assert_int_equal(manifest_print(&m, &key, &text, NULL, &err), -1);
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
        cmocka_unit_test(text_behind_the_hmac_is_refused),
        cmocka_unit_test(another_key_s_hmac_is_refused_unless_it_is_not_looked_at),
        cmocka_unit_test(what_was_signed_for_another_use_is_refused),
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
