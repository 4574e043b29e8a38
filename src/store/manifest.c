/*
 * The manifest's text (docs/store.md has a picture):
 *
 *   manifest = "stint-manifest 2" NL head entry* "mac" SP digest NL
 *   head     = "job" SP word NL "generation" SP number NL "parent" SP number NL "stint" SP number NL "created" SP number NL
 *              "kind" SP word NL ("owner" | "host" | "kernel" | "cpu" | "engine", in this order) SP word NL …
 *              "bytes" SP number NL "added" SP number NL "packs" SP number NL pack* "entries" SP number NL
 *   pack     = "pack" SP id SP bytes SP used NL
 *   entry    = "dir" SP mode SP uid SP gid SP mtime SP name NL
 *            | "file" SP mode SP uid SP gid SP mtime SP size SP name NL chunk*
 *            | "image" SP mode SP uid SP gid SP mtime SP size SP cuts SP name NL cut*
 *            | "link" SP uid SP gid SP mtime SP name SP target NL
 *            | "fifo" SP mode SP uid SP gid SP mtime SP name NL
 *            | "hard" SP name SP target NL
 *   chunk    = "chunk" SP digest NL | "zero" SP number NL             so many chunks of zeros
 *   cut      = "cut" SP address SP bytes SP (digest | "zero") NL
 *   mode     = "0" and three octal digits          mtime = nanoseconds since 1970, may be negative
 *   name     = tree "/" path; word, name and target: bytes up to 0x20, 0x7f and "%" are written as "%" and two upper-case
 *              hexadecimal digits; a word that is empty is "-"
 *
 * There is one way only to write a manifest: numbers without leading zeros, entries in the order of their names' bytes, escapes
 * where needed and nowhere else. So two manifests are the same if and only if their bytes are, a name cannot occur twice, and a
 * parser that is too generous shows at once (the fuzzer prints what it parsed and compares).
 *
 * Every directory above an entry is an entry itself, except the tree: whoever extracts in order never has to guess one, and
 * never passes through a link, because what stands above an entry is known to be a directory. A hard link names a file that
 * stands before it.
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

void store_entry_release(struct store_entry *entry)
{
    free(entry->name);
    free(entry->target);
    free(entry->chunks);
    free(entry->cuts);
    *entry = (struct store_entry){ 0 };
}

void manifest_release(struct manifest *manifest)
{
    if (!manifest)
        return;
    for (size_t i = 0; i < manifest->entry_count; i++)
        store_entry_release(&manifest->entries[i]);
    free(manifest->entries);
    free(manifest->packs);
    *manifest = (struct manifest){ 0 };
}

size_t manifest_chunks_of(int64_t size)
{
    return (size_t)(size / STORE_CHUNK_BYTES + (size % STORE_CHUNK_BYTES != 0));
}

size_t manifest_chunk_len(const struct store_entry *entry, size_t chunk)
{
    if (entry->cuts)
        return entry->cuts[chunk].bytes;
    int64_t left = entry->size - (int64_t)chunk * STORE_CHUNK_BYTES;
    return left < STORE_CHUNK_BYTES ? (size_t)left : (size_t)STORE_CHUNK_BYTES;
}

int64_t manifest_chunk_offset(const struct store_entry *entry, size_t chunk)
{
    return entry->cuts ? entry->cuts[chunk].offset : (int64_t)chunk * STORE_CHUNK_BYTES;
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

const struct store_entry *manifest_find(const struct manifest *manifest, const char *name)
{
    return find_entry(manifest, manifest->entry_count, name, strlen(name));
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

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_entry *)a)->name, ((const struct store_entry *)b)->name);
}

void manifest_sort(struct manifest *manifest)
{
    if (manifest->entry_count > 1)
        qsort(manifest->entries, manifest->entry_count, sizeof *manifest->entries, by_name);
}

/* A hard link's file stands before it. */
static bool target_good(const struct manifest *m, size_t index)
{
    const struct store_entry *e = &m->entries[index];
    if (e->type == STORE_LINK)
        return e->target && e->target[0] && strlen(e->target) < STORE_NAME_MAX;
    if (e->type != STORE_HARD)
        return !e->target;
    const struct store_entry *file = e->target ? find_entry(m, index, e->target, strlen(e->target)) : NULL;
    return file && file->type == STORE_FILE;
}

/* Cuts follow each other in the file without a gap, in the order of addresses, and none crosses a chunk's boundary. */
bool manifest_cuts_good(const struct store_entry *e)
{
    int64_t offset = 0;
    uint64_t free_from = 0;
    for (size_t i = 0; i < e->chunk_count; i++) {
        const struct store_cut *c = &e->cuts[i];
        if (c->offset != offset || c->address < free_from || c->bytes == 0 || c->address > INT64_MAX - STORE_CHUNK_BYTES ||
            c->address % STORE_CHUNK_BYTES + c->bytes > STORE_CHUNK_BYTES)
            return false;
        offset += c->bytes;
        free_from = c->address + c->bytes;
    }
    return offset == e->size;
}

static const char *entry_fault(const struct manifest *m, size_t index)
{
    const struct store_entry *e = &m->entries[index];
    if (e->type != STORE_FILE && (e->size != 0 || e->chunk_count != 0 || e->cuts))
        return "has contents but is no file";
    if (e->mode > 0777)
        return "has a mode that is none";
    if (e->size < 0 || (!e->cuts && manifest_chunks_of(e->size) != e->chunk_count) || (e->cuts && !manifest_cuts_good(e)))
        return "has a size that its chunks do not fit";
    if (index > 0 && strcmp(m->entries[index - 1].name, e->name) >= 0)
        return "is out of order or there twice";
    if (!target_good(m, index))
        return "has no usable target";
    return parent_good(m, index) ? NULL : "has no directory above it";
}

static bool kind_good(const char *kind)
{
    size_t len = strnlen(kind, sizeof((struct manifest *)0)->kind);
    return len > 0 && len < sizeof((struct manifest *)0)->kind && strspn(kind, "abcdefghijklmnopqrstuvwxyz") == len;
}

bool manifest_word_good(const char *word, size_t size)
{
    size_t len = strnlen(word, size);
    return len < size && strcmp(word, "-") != 0;
}

static bool head_good(const struct manifest *m)
{
    return m->generation >= 1 && m->generation <= MANIFEST_GENERATION_MAX && m->parent >= 0 && m->parent < m->generation &&
           m->stint >= 0 && m->created_us >= 0 && m->new_bytes >= 0 && manifest_word_good(m->job, sizeof m->job) &&
           manifest_word_good(m->owner, sizeof m->owner) && manifest_word_good(m->host, sizeof m->host) &&
           manifest_word_good(m->kernel, sizeof m->kernel) && manifest_word_good(m->cpu, sizeof m->cpu) &&
           manifest_word_good(m->engine, sizeof m->engine);
}

static bool packs_good(const struct manifest *m)
{
    for (size_t i = 0; i < m->pack_count; i++) {
        const struct manifest_pack *p = &m->packs[i];
        if (p->used < 0 || p->bytes < p->used || (i > 0 && memcmp(&p[-1].id, &p->id, sizeof p->id) >= 0))
            return false;
    }
    return true;
}

int manifest_check(const struct manifest *m, struct error *err)
{
    if (!head_good(m))
        return error_set(err, ERR_CORRUPT, "generation, stint, time or another part of its head is out of range");
    if (!kind_good(m->kind))
        return error_set(err, ERR_CORRUPT, "kind is not a short word");
    if (!packs_good(m))
        return error_set(err, ERR_CORRUPT, "packs are out of order or have impossible sizes");
    if (m->entry_count > STORE_FILES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d files", STORE_FILES_MAX);
    int64_t bytes = 0;
    size_t chunks = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        const struct store_entry *e = &m->entries[i];
        chunks += e->chunk_count;
        if (e->chunk_count > STORE_CHUNKS_MAX || chunks > STORE_CHUNKS_MAX)
            return error_set(err, ERR_LIMIT, "more than %lld bytes in all", (long long)STORE_CHUNKS_MAX * STORE_CHUNK_BYTES);
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

bool manifest_needs_escape(unsigned char c)
{
    return c <= 0x20 || c == 0x7f || c == '%';
}

static void print_name(struct buf *out, const char *name)
{
    for (const char *p = name; *p; p++) {
        if (manifest_needs_escape((unsigned char)*p))
            buf_printf(out, "%%%02X", (unsigned char)*p);
        else
            buf_char(out, *p);
    }
}

static void print_word(struct buf *out, const char *key, const char *word)
{
    buf_printf(out, "%s ", key);
    print_name(out, word[0] ? word : "-");
    buf_char(out, '\n');
}

static void print_digest(struct buf *out, const struct digest *digest)
{
    char hex[65];
    buf_add(out, digest_print(digest, hex), 64);
}

static void print_chunks(struct buf *out, const struct store_entry *e)
{
    for (size_t i = 0; i < e->chunk_count;) {
        size_t zeros = 0;
        while (i + zeros < e->chunk_count && digest_is_none(&e->chunks[i + zeros]))
            zeros++;
        if (zeros > 0) {
            buf_printf(out, "zero %zu\n", zeros);
            i += zeros;
            continue;
        }
        buf_text(out, "chunk ");
        print_digest(out, &e->chunks[i++]);
        buf_char(out, '\n');
    }
}

static void print_cuts(struct buf *out, const struct store_entry *e)
{
    for (size_t i = 0; i < e->chunk_count; i++) {
        buf_printf(out, "cut %" PRIu64 " %" PRIu32 " ", e->cuts[i].address, e->cuts[i].bytes);
        if (digest_is_none(&e->chunks[i]))
            buf_text(out, "zero");
        else
            print_digest(out, &e->chunks[i]);
        buf_char(out, '\n');
    }
}

static void print_entry(struct buf *out, const struct store_entry *e)
{
    static const char *const types[] = { [STORE_FILE] = "file", [STORE_DIR] = "dir", [STORE_LINK] = "link", [STORE_HARD] = "hard",
                                         [STORE_FIFO] = "fifo" };
    buf_text(out, e->cuts ? "image" : types[e->type]);
    if (e->type != STORE_LINK && e->type != STORE_HARD)
        buf_printf(out, " %04o", (unsigned)e->mode);
    if (e->type != STORE_HARD)
        buf_printf(out, " %u %u %" PRId64, (unsigned)e->uid, (unsigned)e->gid, e->mtime_ns);
    if (e->type == STORE_FILE)
        buf_printf(out, " %" PRId64, e->size);
    if (e->cuts)
        buf_printf(out, " %zu", e->chunk_count);
    buf_char(out, ' ');
    print_name(out, e->name);
    if (e->target) {
        buf_char(out, ' ');
        print_name(out, e->target);
    }
    buf_char(out, '\n');
    if (e->cuts)
        print_cuts(out, e);
    else
        print_chunks(out, e);
}

static void print_head(struct buf *out, const struct manifest *m)
{
    char hex[33];
    buf_printf(out, "stint-manifest %d\n", MANIFEST_VERSION);
    print_word(out, "job", m->job);
    buf_printf(out, "generation %d\nparent %d\nstint %d\ncreated %" PRId64 "\n", m->generation, m->parent, m->stint, m->created_us);
    print_word(out, "kind", m->kind);
    print_word(out, "owner", m->owner);
    print_word(out, "host", m->host);
    print_word(out, "kernel", m->kernel);
    print_word(out, "cpu", m->cpu);
    print_word(out, "engine", m->engine);
    buf_printf(out, "bytes %" PRId64 "\nadded %" PRId64 "\npacks %zu\n", m->bytes, m->new_bytes, m->pack_count);
    for (size_t i = 0; i < m->pack_count; i++)
        buf_printf(out, "pack %s %" PRId64 " %" PRId64 "\n", pack_id_print(&m->packs[i].id, hex), m->packs[i].bytes, m->packs[i].used);
}

int manifest_print(const struct manifest *m, const struct seal *seal, struct buf *out, struct digest *mac, struct error *err)
{
    struct digest signature;
    if (manifest_check(m, err) < 0)
        return -1;
    buf_clear(out);
    out->max = STORE_MANIFEST_MAX;
    print_head(out, m);
    buf_printf(out, "entries %zu\n", m->entry_count);
    for (size_t i = 0; i < m->entry_count; i++)
        print_entry(out, &m->entries[i]);
    seal_of(seal, "manifest", buf_cstr(out), out->len, &signature);
    buf_text(out, "mac ");
    print_digest(out, &signature);
    buf_char(out, '\n');
    if (out->full)
        return error_set(err, ERR_LIMIT, "the list of files is longer than %d bytes", STORE_MANIFEST_MAX);
    if (mac)
        *mac = signature;
    return 0;
}

/* ---- part of one ---- */

/* The entry is the name, is below it, or is a directory above it. */
static bool belongs(const struct store_entry *e, const char *name, size_t len)
{
    size_t own = strlen(e->name);
    if (own >= len)
        return strncmp(e->name, name, len) == 0 && (e->name[len] == '\0' || e->name[len] == '/');
    return e->type == STORE_DIR && strncmp(e->name, name, own) == 0 && name[own] == '/';
}

static bool wanted(const struct store_entry *e, char *const *names, size_t count, bool *hits)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(names[i]);
        bool hit = belongs(e, names[i], len);
        hits[i] = hits[i] || (hit && strlen(e->name) >= len);
        any = any || hit;
    }
    return any;
}

/* What a hard link needs: its file, and the directories above that. */
static void keep_target(const struct manifest *m, const char *target, bool *stays)
{
    for (size_t len = strlen(target); len > 0; len--) {
        const struct store_entry *e = target[len] == '/' || target[len] == '\0' ? find_entry(m, m->entry_count, target, len) : NULL;
        if (e)
            stays[e - m->entries] = true;
    }
}

int manifest_narrow(struct manifest *m, char *const *names, size_t count, struct error *err)
{
    auto_free bool *hits = mem_zero(count + 1, sizeof *hits);
    auto_free bool *stays = mem_zero(m->entry_count + 1, sizeof *stays);
    for (size_t i = 0; i < m->entry_count; i++)
        if (wanted(&m->entries[i], names, count, hits)) {
            stays[i] = true;
            if (m->entries[i].type == STORE_HARD)
                keep_target(m, m->entries[i].target, stays);
        }
    for (size_t i = 0; i < count; i++)
        if (!hits[i])
            return error_set(err, ERR_INVALID, "it has no file '%s'", names[i]);
    size_t kept = 0;
    m->bytes = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        if (!stays[i]) {
            store_entry_release(&m->entries[i]);
            continue;
        }
        m->bytes += m->entries[i].size;
        m->entries[kept++] = m->entries[i];
    }
    m->entry_count = kept;
    return 0;
}
