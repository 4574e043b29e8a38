/*
 * The manifest's text (docs/store.md has a picture):
 *
 *   manifest = "stint-manifest 1" NL header entry* "digest" SP digest NL
 *   header   = "generation" SP number NL "stint" SP number NL "created" SP number NL "kind" SP word NL
 *              "bytes" SP number NL "entries" SP number NL
 *   entry    = "dir" SP mode SP mtime SP name NL
 *            | "file" SP mode SP mtime SP size SP name NL ("chunk" SP digest NL)*
 *            | "link" SP mtime SP name SP target NL
 *   mode     = "0" and three octal digits          mtime = nanoseconds since 1970, may be negative
 *   name     = tree "/" path; bytes up to 0x20, 0x7f and "%" are written as "%" and two upper-case hexadecimal digits
 *
 * There is one way only to write a manifest: numbers without leading zeros, entries in the order of their names' bytes, escapes
 * where needed and nowhere else. So two manifests are the same if and only if their bytes are, a name cannot occur twice, and a
 * parser that is too generous shows at once (the fuzzer prints what it parsed and compares).
 *
 * Every directory above an entry is an entry itself, except the tree: whoever extracts in order never has to guess one, and
 * never passes through a link, because what stands above an entry is known to be a directory.
 *
 * How many chunks follow a file is known from its size; lengths that come from the text are compared with the text that is
 * left before anything is allocated for them.
 */
#include "store/manifest.h"

#include "base/mem.h"
#include "store/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    DIGEST_LINE = sizeof "digest " - 1 + 64 + 1,
    CHUNK_LINE = sizeof "chunk " - 1 + 64 + 1,
    ENTRY_LINE_MIN = sizeof "dir 0700 0 a/b\n" - 1,
};

void store_entry_release(struct store_entry *entry)
{
    free(entry->name);
    free(entry->target);
    free(entry->chunks);
    *entry = (struct store_entry){ 0 };
}

void manifest_release(struct manifest *manifest)
{
    if (!manifest)
        return;
    for (size_t i = 0; i < manifest->entry_count; i++)
        store_entry_release(&manifest->entries[i]);
    free(manifest->entries);
    *manifest = (struct manifest){ 0 };
}

size_t manifest_chunks_of(int64_t size)
{
    return (size_t)(size / STORE_CHUNK_BYTES + (size % STORE_CHUNK_BYTES != 0));
}

size_t manifest_chunk_len(const struct store_entry *entry, size_t chunk)
{
    int64_t left = entry->size - (int64_t)chunk * STORE_CHUNK_BYTES;
    return left < STORE_CHUNK_BYTES ? (size_t)left : (size_t)STORE_CHUNK_BYTES;
}

bool manifest_name_good(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len >= STORE_NAME_MAX || !strchr(name, '/'))
        return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += part > name; /* behind the slash */
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    return true;
}

/* The entry of that name among the first `count`, which are in order. */
static const struct store_entry *find_entry(const struct manifest *m, size_t count, const char *name, size_t len)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        const char *other = m->entries[middle].name;
        int order = strncmp(other, name, len);
        if (order == 0 && other[len] == '\0')
            return &m->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            count = middle;
    }
    return NULL;
}

static bool parent_good(const struct manifest *m, size_t index)
{
    const char *name = m->entries[index].name;
    size_t len = (size_t)(strrchr(name, '/') - name);
    if (!memchr(name, '/', len))
        return true; /* the tree itself */
    const struct store_entry *parent = find_entry(m, index, name, len);
    return parent && parent->type == STORE_DIR;
}

static const char *entry_fault(const struct manifest *m, size_t index)
{
    const struct store_entry *e = &m->entries[index];
    if (e->type != STORE_FILE && (e->size != 0 || e->chunk_count != 0))
        return "has contents but is no file";
    if (e->type != STORE_LINK && (e->target || e->mode > 0777))
        return "has a target or mode that its type has not";
    if (e->type == STORE_LINK && (!e->target || !e->target[0] || strlen(e->target) >= STORE_NAME_MAX))
        return "has no usable target";
    if (e->size < 0 || manifest_chunks_of(e->size) != e->chunk_count)
        return "has a size that its chunks do not fit";
    if (index > 0 && strcmp(m->entries[index - 1].name, e->name) >= 0)
        return "is out of order or there twice";
    return parent_good(m, index) ? NULL : "has no directory above it";
}

static bool kind_good(const char *kind)
{
    size_t len = strnlen(kind, sizeof((struct manifest *)0)->kind);
    return len > 0 && len < sizeof((struct manifest *)0)->kind && strspn(kind, "abcdefghijklmnopqrstuvwxyz") == len;
}

int manifest_check(const struct manifest *m, struct error *err)
{
    if (m->generation < 1 || m->generation > MANIFEST_GENERATION_MAX || m->stint < 0 || m->created_us < 0)
        return error_set(err, ERR_CORRUPT, "generation, stint or time out of range");
    if (!kind_good(m->kind))
        return error_set(err, ERR_CORRUPT, "kind is not a short word");
    if (m->entry_count > STORE_FILES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d files", STORE_FILES_MAX);
    int64_t bytes = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct store_entry *e = &m->entries[i];
        if (!e->name || !manifest_name_good(e->name))
            return error_set(err, ERR_CORRUPT, "'%s' is not a name below a tree", e->name ? e->name : "");
        const char *fault = entry_fault(m, i);
        if (fault)
            return error_set(err, ERR_CORRUPT, "'%s' %s", e->name, fault);
        if (__builtin_add_overflow(bytes, e->size, &bytes))
            return error_set(err, ERR_CORRUPT, "'%s' is too large", e->name);
    }
    if (bytes != m->bytes)
        return error_set(err, ERR_CORRUPT, "the files' sizes do not add up");
    return 0;
}

/* ---- printing ---- */

static bool needs_escape(unsigned char c)
{
    return c <= 0x20 || c == 0x7f || c == '%';
}

static void print_name(struct buf *out, const char *name)
{
    for (const char *p = name; *p; p++) {
        if (needs_escape((unsigned char)*p))
            buf_printf(out, "%%%02X", (unsigned char)*p);
        else
            buf_char(out, *p);
    }
}

static void print_entry(struct buf *out, const struct store_entry *e)
{
    char hex[65];
    if (e->type == STORE_DIR)
        buf_printf(out, "dir %04o %" PRId64 " ", (unsigned)e->mode, e->mtime_ns);
    else if (e->type == STORE_FILE)
        buf_printf(out, "file %04o %" PRId64 " %" PRId64 " ", (unsigned)e->mode, e->mtime_ns, e->size);
    else
        buf_printf(out, "link %" PRId64 " ", e->mtime_ns);
    print_name(out, e->name);
    if (e->type == STORE_LINK) {
        buf_char(out, ' ');
        print_name(out, e->target);
    }
    buf_char(out, '\n');
    for (size_t i = 0; i < e->chunk_count; i++) {
        buf_add(out, "chunk ", 6);
        buf_add(out, digest_print(&e->chunks[i], hex), 64);
        buf_char(out, '\n');
    }
}

int manifest_print(const struct manifest *m, struct buf *out, struct error *err)
{
    if (manifest_check(m, err) < 0)
        return -1;
    buf_clear(out);
    out->max = STORE_MANIFEST_MAX;
    buf_printf(out, "stint-manifest %d\ngeneration %d\nstint %d\n", MANIFEST_VERSION, m->generation, m->stint);
    buf_printf(out, "created %" PRId64 "\nkind %s\nbytes %" PRId64 "\n", m->created_us, m->kind, m->bytes);
    buf_printf(out, "entries %zu\n", m->entry_count);
    for (size_t i = 0; i < m->entry_count; i++)
        print_entry(out, &m->entries[i]);
    struct digest digest;
    char hex[65];
    digest_of(out->data, out->len, &digest);
    buf_printf(out, "digest %s\n", digest_print(&digest, hex));
    if (out->full)
        return error_set(err, ERR_LIMIT, "the list of files is longer than %d bytes", STORE_MANIFEST_MAX);
    return 0;
}

/* ---- parsing ---- */

/* What is left of the text, and the line that is being read. */
struct reader {
    const char *at;
    const char *end;
    int line;
};

static bool take_text(struct reader *r, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool take_newline(struct reader *r)
{
    if (!take_text(r, "\n"))
        return false;
    r->line++;
    return true;
}

/* One number in the one way to write it. */
static bool take_number(struct reader *r, int64_t min, int64_t max, int64_t *out)
{
    bool negative = take_text(r, "-");
    const char *start = r->at;
    int64_t value = 0; /* kept negative: that side is the longer one */
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *r->at - '0', &value))
            return false;
    if (r->at == start || (*start == '0' && (r->at - start > 1 || negative)))
        return false;
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return false;
    *out = value;
    return value >= min && value <= max;
}

static bool take_mode(struct reader *r, mode_t *mode)
{
    if (!take_text(r, "0") || r->end - r->at < 3)
        return false;
    *mode = 0;
    for (int i = 0; i < 3; i++, r->at++) {
        if (*r->at < '0' || *r->at > '7')
            return false;
        *mode = *mode << 3 | (mode_t)(*r->at - '0');
    }
    return true;
}

/* The byte that an escape stands for, or -1. */
static int take_escaped(struct reader *r)
{
    static const char hex[] = "0123456789ABCDEF";
    if (r->end - r->at < 3 || !r->at[1] || !r->at[2])
        return -1;
    const char *high = strchr(hex, r->at[1]);
    const char *low = strchr(hex, r->at[2]);
    if (!high || !low)
        return -1;
    int c = (int)(high - hex) << 4 | (int)(low - hex);
    r->at += 3;
    return c != 0 && needs_escape((unsigned char)c) ? c : -1;
}

static int take_name_byte(struct reader *r)
{
    if (*r->at == '%')
        return take_escaped(r);
    return needs_escape((unsigned char)*r->at) ? -1 : (unsigned char)*r->at++;
}

static bool take_name(struct reader *r, char **name)
{
    char text[STORE_NAME_MAX];
    size_t len = 0;
    while (r->at < r->end && *r->at != ' ' && *r->at != '\n') {
        int c = take_name_byte(r);
        if (c < 0 || len + 1 >= sizeof text)
            return false;
        text[len++] = (char)c;
    }
    if (len == 0)
        return false;
    *name = mem_dup_n(text, len);
    return true;
}

static bool take_chunks(struct reader *r, struct store_entry *e)
{
    size_t count = manifest_chunks_of(e->size);
    if (count > (size_t)(r->end - r->at) / CHUNK_LINE)
        return false;
    e->chunks = mem_zero(count, sizeof *e->chunks);
    e->chunk_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!take_text(r, "chunk ") || !digest_read(r->at, (size_t)(r->end - r->at), &e->chunks[i]))
            return false;
        r->at += 64;
        if (!take_newline(r))
            return false;
    }
    return true;
}

static bool take_entry(struct reader *r, struct store_entry *e)
{
    if (take_text(r, "dir "))
        e->type = STORE_DIR;
    else if (take_text(r, "file "))
        e->type = STORE_FILE;
    else if (take_text(r, "link "))
        e->type = STORE_LINK;
    else
        return false;
    e->mode = 0777;
    if (e->type != STORE_LINK && (!take_mode(r, &e->mode) || !take_text(r, " ")))
        return false;
    if (!take_number(r, INT64_MIN, INT64_MAX, &e->mtime_ns) || !take_text(r, " "))
        return false;
    if (e->type == STORE_FILE && (!take_number(r, 0, INT64_MAX, &e->size) || !take_text(r, " ")))
        return false;
    if (!take_name(r, &e->name))
        return false;
    if (e->type == STORE_LINK && (!take_text(r, " ") || !take_name(r, &e->target)))
        return false;
    return take_newline(r) && take_chunks(r, e);
}

static bool take_field(struct reader *r, const char *field, int64_t min, int64_t max, int64_t *out)
{
    return take_text(r, field) && take_text(r, " ") && take_number(r, min, max, out) && take_newline(r);
}

static bool take_kind(struct reader *r, char *kind, size_t size)
{
    if (!take_text(r, "kind "))
        return false;
    size_t len = 0;
    while (r->at < r->end && *r->at >= 'a' && *r->at <= 'z' && len + 1 < size)
        kind[len++] = *r->at++;
    kind[len] = '\0';
    return take_newline(r);
}

static bool take_header(struct reader *r, struct manifest *m, int64_t *entries)
{
    int64_t generation = 0;
    int64_t stint = 0;
    bool good = take_field(r, "generation", 1, MANIFEST_GENERATION_MAX, &generation) &&
                take_field(r, "stint", 0, INT32_MAX, &stint) &&
                take_field(r, "created", 0, INT64_MAX, &m->created_us) && take_kind(r, m->kind, sizeof m->kind) &&
                take_field(r, "bytes", 0, INT64_MAX, &m->bytes) &&
                take_field(r, "entries", 0, STORE_FILES_MAX, entries);
    m->generation = (int)generation;
    m->stint = (int)stint;
    return good;
}

/* The first line, then the digest: nothing between is believed before it. */
static int check_frame(struct reader *r, struct error *err)
{
    const char *text = r->at;
    size_t len = (size_t)(r->end - r->at);
    int64_t version = 0;
    if (len > STORE_MANIFEST_MAX)
        return error_set(err, ERR_LIMIT, "longer than %d bytes", STORE_MANIFEST_MAX);
    if (!take_text(r, "stint-manifest ") || !take_number(r, 1, INT64_MAX, &version))
        return error_set(err, ERR_CORRUPT, "is not a manifest");
    if (version != MANIFEST_VERSION)
        return error_set(err, ERR_INVALID, "has version %" PRId64 "; this stint reads version %d", version, MANIFEST_VERSION);
    if (!take_newline(r) || r->end - r->at < DIGEST_LINE)
        return error_set(err, ERR_CORRUPT, "is cut off: it does not end in its digest");
    struct reader last = { .at = r->end - DIGEST_LINE, .end = r->end };
    struct digest stated;
    struct digest actual;
    if (last.at[-1] != '\n' || !take_text(&last, "digest ") || !digest_read(last.at, 64, &stated) || last.at[64] != '\n')
        return error_set(err, ERR_CORRUPT, "is cut off: it does not end in its digest");
    digest_of(text, len - DIGEST_LINE, &actual);
    if (memcmp(&stated, &actual, sizeof stated) != 0)
        return error_set(err, ERR_CORRUPT, "is not what its digest says");
    r->end -= DIGEST_LINE;
    return 0;
}

int manifest_parse(const char *text, size_t len, struct manifest *out, struct error *err)
{
    struct reader r = { .at = text, .end = text + len, .line = 1 };
    auto_manifest struct manifest m = { 0 };
    int64_t entries = 0;
    if (check_frame(&r, err) < 0)
        return -1;
    if (!take_header(&r, &m, &entries) || entries > (r.end - r.at) / ENTRY_LINE_MIN)
        return error_set(err, ERR_CORRUPT, "line %d is wrong", r.line);
    m.entries = mem_zero((size_t)entries, sizeof *m.entries);
    while (m.entry_count < (size_t)entries)
        if (!take_entry(&r, &m.entries[m.entry_count++]))
            return error_set(err, ERR_CORRUPT, "line %d is wrong", r.line);
    if (r.at != r.end)
        return error_set(err, ERR_CORRUPT, "line %d is one too many", r.line);
    if (manifest_check(&m, err) < 0)
        return -1;
    *out = m;
    m = (struct manifest){ 0 };
    return 0;
}
