/* Reading a manifest's text; manifest.c has the grammar. One function for each rule. */
#include "store/manifest.h"

#include "base/mem.h"
#include "store/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MAC_LINE = sizeof "mac " - 1 + 64 + 1,
    CUT_LINE_MIN = sizeof "cut 0 1 zero\n" - 1,
    PACK_LINE_MIN = sizeof "pack  0 0\n" - 1 + 32,
    ENTRY_LINE_MIN = sizeof "hard a/b a/a\n" - 1,
};

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
    return c != 0 && manifest_needs_escape((unsigned char)c) ? c : -1;
}

static int take_name_byte(struct reader *r)
{
    if (*r->at == '%')
        return take_escaped(r);
    return manifest_needs_escape((unsigned char)*r->at) ? -1 : (unsigned char)*r->at++;
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

static bool take_digest(struct reader *r, struct digest *digest)
{
    if (!digest_read(r->at, (size_t)(r->end - r->at), digest) || digest_is_none(digest))
        return false;
    r->at += 64;
    return true;
}

/* One line: a chunk, or a run of chunks of zeros that does not follow another. */
static bool take_chunk_line(struct reader *r, struct store_entry *e, size_t *i)
{
    int64_t zeros;
    if (take_text(r, "chunk "))
        return take_digest(r, &e->chunks[(*i)++]) && take_newline(r);
    if ((*i > 0 && digest_is_none(&e->chunks[*i - 1])) || !take_text(r, "zero ") ||
        !take_number(r, 1, (int64_t)(e->chunk_count - *i), &zeros))
        return false;
    *i += (size_t)zeros;
    return take_newline(r);
}

static bool take_chunks(struct reader *r, struct store_entry *e, size_t *room)
{
    e->chunk_count = manifest_chunks_of(e->size);
    if (e->chunk_count > *room)
        return false;
    *room -= e->chunk_count;
    e->chunks = mem_zero(e->chunk_count, sizeof *e->chunks);
    for (size_t i = 0; i < e->chunk_count;)
        if (!take_chunk_line(r, e, &i))
            return false;
    return true;
}

static bool take_cut_line(struct reader *r, struct store_cut *cut, struct digest *digest)
{
    int64_t address, bytes;
    if (!take_text(r, "cut ") || !take_number(r, 0, INT64_MAX, &address) || !take_text(r, " ") ||
        !take_number(r, 1, STORE_CHUNK_BYTES, &bytes) || !take_text(r, " "))
        return false;
    cut->address = (uint64_t)address;
    cut->bytes = (uint32_t)bytes;
    return (take_text(r, "zero") || take_digest(r, digest)) && take_newline(r);
}

static bool take_cuts(struct reader *r, struct store_entry *e, size_t count, size_t *room)
{
    int64_t offset = 0;
    if (count > *room || count > (size_t)(r->end - r->at) / CUT_LINE_MIN)
        return false;
    *room -= count;
    e->chunk_count = count;
    e->chunks = mem_zero(count + 1, sizeof *e->chunks);
    e->cuts = mem_zero(count + 1, sizeof *e->cuts);
    for (size_t i = 0; i < count; i++) {
        if (!take_cut_line(r, &e->cuts[i], &e->chunks[i]))
            return false;
        e->cuts[i].offset = offset;
        offset += e->cuts[i].bytes;
    }
    return true;
}

static bool take_owner(struct reader *r, struct store_entry *e)
{
    int64_t uid, gid;
    if (!take_number(r, 0, UINT32_MAX, &uid) || !take_text(r, " ") || !take_number(r, 0, UINT32_MAX, &gid) || !take_text(r, " ") ||
        !take_number(r, INT64_MIN, INT64_MAX, &e->mtime_ns) || !take_text(r, " "))
        return false;
    e->uid = (uid_t)uid;
    e->gid = (gid_t)gid;
    return true;
}

static bool take_file(struct reader *r, struct store_entry *e, bool image, size_t *room)
{
    int64_t cuts = 0;
    if (!take_mode(r, &e->mode) || !take_text(r, " ") || !take_owner(r, e) || !take_number(r, 0, INT64_MAX, &e->size) || !take_text(r, " "))
        return false;
    if (image && (!take_number(r, 0, STORE_CHUNKS_MAX, &cuts) || !take_text(r, " ")))
        return false;
    if (!take_name(r, &e->name) || !take_newline(r))
        return false;
    return image ? take_cuts(r, e, (size_t)cuts, room) : take_chunks(r, e, room);
}

static bool take_entry(struct reader *r, struct store_entry *e, size_t *room)
{
    if (take_text(r, "file "))
        return take_file(r, e, false, room);
    if (take_text(r, "image "))
        return take_file(r, e, true, room);
    bool dir = take_text(r, "dir ");
    if (dir || take_text(r, "fifo ")) {
        e->type = dir ? STORE_DIR : STORE_FIFO;
        return take_mode(r, &e->mode) && take_text(r, " ") && take_owner(r, e) && take_name(r, &e->name) && take_newline(r);
    }
    bool hard = take_text(r, "hard ");
    if (!hard && !take_text(r, "link "))
        return false;
    e->type = hard ? STORE_HARD : STORE_LINK;
    return (hard || take_owner(r, e)) && take_name(r, &e->name) && take_text(r, " ") && take_name(r, &e->target) && take_newline(r);
}

static bool take_field(struct reader *r, const char *field, int64_t min, int64_t max, int64_t *out)
{
    return take_text(r, field) && take_text(r, " ") && take_number(r, min, max, out) && take_newline(r);
}

static bool take_word(struct reader *r, const char *key, char *word, size_t size)
{
    size_t len = 0;
    if (!take_text(r, key) || !take_text(r, " "))
        return false;
    while (r->at < r->end && *r->at != '\n') {
        int c = take_name_byte(r);
        if (c < 0 || len + 1 >= size)
            return false;
        word[len++] = (char)c;
    }
    word[len] = '\0';
    bool empty = strcmp(word, "-") == 0;
    if (empty)
        word[0] = '\0';
    return len > 0 && take_newline(r);
}

static bool take_pack(struct reader *r, struct manifest_pack *pack)
{
    char id[33];
    if (!take_text(r, "pack ") || r->end - r->at < 32)
        return false;
    memcpy(id, r->at, 32);
    id[32] = '\0';
    r->at += 32;
    return pack_id_parse(id, &pack->id) && take_text(r, " ") && take_number(r, 0, INT64_MAX, &pack->bytes) && take_text(r, " ") &&
           take_number(r, 0, INT64_MAX, &pack->used) && take_newline(r);
}

static bool take_packs(struct reader *r, struct manifest *m)
{
    int64_t count;
    if (!take_field(r, "packs", 0, INT32_MAX, &count) || count > (r->end - r->at) / PACK_LINE_MIN)
        return false;
    m->packs = mem_zero((size_t)count + 1, sizeof *m->packs);
    while (m->pack_count < (size_t)count)
        if (!take_pack(r, &m->packs[m->pack_count++]))
            return false;
    return true;
}

static bool take_numbers(struct reader *r, struct manifest *m)
{
    int64_t generation = 0, parent = 0, stint = 0;
    bool good = take_field(r, "generation", 1, MANIFEST_GENERATION_MAX, &generation) &&
                take_field(r, "parent", 0, MANIFEST_GENERATION_MAX, &parent) && take_field(r, "stint", 0, INT32_MAX, &stint) &&
                take_field(r, "created", 0, INT64_MAX, &m->created_us);
    m->generation = (int)generation;
    m->parent = (int)parent;
    m->stint = (int)stint;
    return good;
}

static bool take_head(struct reader *r, struct manifest *m, int64_t *entries)
{
    return take_word(r, "job", m->job, sizeof m->job) && take_numbers(r, m) && take_word(r, "kind", m->kind, sizeof m->kind) &&
           take_word(r, "owner", m->owner, sizeof m->owner) && take_word(r, "host", m->host, sizeof m->host) &&
           take_word(r, "kernel", m->kernel, sizeof m->kernel) && take_word(r, "cpu", m->cpu, sizeof m->cpu) &&
           take_word(r, "engine", m->engine, sizeof m->engine) && take_field(r, "bytes", 0, INT64_MAX, &m->bytes) &&
           take_field(r, "added", 0, INT64_MAX, &m->new_bytes) && take_packs(r, m) &&
           take_field(r, "entries", 0, STORE_FILES_MAX, entries);
}

/* sys tells who reads it that nothing is damaged. */
static int refuse_version(int64_t version, struct error *err)
{
    if (version < MANIFEST_VERSION)
        error_set(err, ERR_CORRUPT, "was written by an earlier stint (format %" PRId64 "), which this one cannot read: let that one finish "
                  "the job, or remove the checkpoint with 'stint ckpt rm --force' to begin anew", version);
    else
        error_set(err, ERR_CORRUPT, "was written by a later stint (format %" PRId64 "; this one reads %d): install that one", version,
                  MANIFEST_VERSION);
    if (err)
        err->sys = EPROTONOSUPPORT;
    return -1;
}

static int check_version(struct reader *r, struct error *err)
{
    int64_t version = 0;
    if (!take_text(r, "stint-manifest ") || !take_number(r, 1, INT64_MAX, &version))
        return error_set(err, ERR_CORRUPT, "is not a manifest");
    if (version != MANIFEST_VERSION)
        return refuse_version(version, err);
    return take_newline(r) ? 0 : error_set(err, ERR_CORRUPT, "is not a manifest");
}

/* The first line, then the HMAC: nothing between is believed before it. */
static int check_frame(struct reader *r, const struct seal *seal, struct digest *stated, struct error *err)
{
    const char *text = r->at;
    size_t len = (size_t)(r->end - r->at);
    struct digest actual;
    if (len > STORE_MANIFEST_MAX)
        return error_set(err, ERR_LIMIT, "longer than %d bytes", STORE_MANIFEST_MAX);
    if (check_version(r, err) < 0)
        return -1;
    struct reader last = { .at = r->end - MAC_LINE, .end = r->end };
    if (r->end - r->at < MAC_LINE || last.at[-1] != '\n' || !take_text(&last, "mac ") || !digest_read(last.at, 64, stated) ||
        last.at[64] != '\n')
        return error_set(err, ERR_CORRUPT, "is cut off: it does not end in its HMAC");
    if (seal)
        seal_of(seal, "manifest", text, len - MAC_LINE, &actual);
    if (seal && !seal_same(stated, &actual))
        return error_set(err, ERR_CORRUPT, "has an HMAC that does not fit: it is damaged, or signed with another key");
    r->end -= MAC_LINE;
    return 0;
}

int manifest_parse(const char *text, size_t len, const struct seal *seal, struct manifest *out, struct digest *mac, struct error *err)
{
    struct reader r = { .at = text, .end = text + len, .line = 1 };
    auto_manifest struct manifest m = { 0 };
    struct digest signature;
    int64_t entries = 0;
    size_t room = STORE_CHUNKS_MAX;
    if (check_frame(&r, seal, &signature, err) < 0)
        return -1;
    if (!take_head(&r, &m, &entries) || entries > (r.end - r.at) / ENTRY_LINE_MIN)
        return error_set(err, ERR_CORRUPT, "line %d is wrong", r.line);
    m.entries = mem_zero((size_t)entries + 1, sizeof *m.entries);
    while (m.entry_count < (size_t)entries)
        if (!take_entry(&r, &m.entries[m.entry_count++], &room))
            return error_set(err, ERR_CORRUPT, "line %d is wrong", r.line);
    if (r.at != r.end)
        return error_set(err, ERR_CORRUPT, "line %d is one too many", r.line);
    if (manifest_check(&m, err) < 0)
        return -1;
    *out = m;
    m = (struct manifest){ 0 };
    if (mac)
        *mac = signature;
    return 0;
}
