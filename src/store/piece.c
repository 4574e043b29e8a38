/*
 * A chunk is compared page by page with the one that was at its place in the last checkpoint, by the fingerprints in the hints.
 *
 *   no page differs              → it is that chunk
 *   few differ                   → these pages, upon that chunk
 *   few, but its chain is long   → all pages in which the chain differs from its end, upon that end
 *   otherwise                    → all pages that are not zero, upon nothing
 *
 * Few is half: beyond it the pages of the base would be dragged along for little. A chain of at most SHELF_DEPTH_MAX costs a
 * restore that many reads of a few pages.
 *
 * The digest needs those of all pages; for unchanged ones it is in the hints, for zeros it is known. When the store has a chunk
 * of that digest already (the state went back to what it was, or another job has the same), nothing is stored.
 */
#include "store/piece.h"

#include "base/mem.h"
#include "store/digest.h"
#include "store/index.h"

#include <errno.h>
#include <string.h>

/* ---- looking ---- */

static void find_prints(struct store_capture *c, const uint8_t *data, size_t bytes, struct piece *p)
{
    for (size_t i = 0; i < pages_of(bytes); i++) {
        size_t n = page_bytes(bytes, i);
        if (page_is_zero(data + i * PAGE, n))
            page_set_add(&p->zero, i);
        else
            p->prints[i] = page_fingerprint(data + i * PAGE, n, c->store->seed);
    }
}

static void find_changes(const struct hint *hints, size_t hint_count, struct piece *p)
{
    for (size_t i = 0; i < pages_of(p->bytes); i++)
        if (i >= hint_count || hints[i].print.low != p->prints[i].low || hints[i].print.high != p->prints[i].high)
            page_set_add(&p->changed, i);
}

static void keep_all(struct piece *p)
{
    size_t pages = pages_of(p->bytes);
    p->kept = page_set_first(pages);
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        p->kept.bits[i] &= ~p->zero.bits[i];
    p->base = (struct digest){ 0 };
    p->depth = 0;
}

/* Which pages to store, and upon what. */
static void choose_base(const struct shelf_chain *chain, const struct digest *last, struct piece *p)
{
    size_t few = pages_of(p->bytes) / 2;
    struct page_set from_root = chain->above, all = page_set_first(pages_of(p->bytes));
    page_set_unite(&from_root, &p->changed);
    for (size_t i = 0; i < CHUNK_PAGES / 64; i++)
        from_root.bits[i] &= all.bits[i];
    if (chain->depth < SHELF_DEPTH_MAX && page_set_count(&p->changed) <= few) {
        p->kept = p->changed;
        p->base = *last;
        p->depth = (uint16_t)(chain->depth + 1);
    } else if (page_set_count(&from_root) <= few) {
        p->kept = from_root;
        p->base = chain->root;
        p->depth = 1;
    } else {
        keep_all(p);
    }
    if (page_set_count(&p->kept) == 0)
        page_set_add(&p->kept, 0); /* it only became shorter; a record has a page at least */
}

static void enter(struct store_capture *c, const struct piece *p, const struct digest *digest, const struct hint *hints)
{
    const struct store_entry *e = &c->m.entries[p->entry];
    e->chunks[p->chunk] = *digest;
    if (e->hints > 0)
        hints_write(&c->new_hints, e->hints + p->chunk * CHUNK_PAGES, hints, pages_of(p->bytes));
}

static bool usable(struct store_capture *c, const struct digest *digest, struct shelf_chain *chain)
{
    pthread_mutex_lock(&c->lock);
    bool good = shelf_usable(&c->shelf, digest, chain);
    pthread_mutex_unlock(&c->lock);
    return good;
}

int piece_take(struct store_capture *c, struct crew_worker *worker, size_t entry, size_t chunk, size_t bytes, struct piece *p)
{
    struct hint hints[CHUNK_PAGES];
    struct shelf_chain chain;
    size_t at = 0;
    const struct store_entry *e = &c->m.entries[entry];
    *p = (struct piece){ .entry = entry, .chunk = chunk, .bytes = (uint32_t)bytes };
    find_prints(c, worker->data, bytes, p);
    if (page_set_count(&p->zero) == pages_of(bytes)) {
        memset(hints, 0, sizeof hints);
        enter(c, p, &(struct digest){ 0 }, hints);
        return PIECE_KNOWN;
    }
    const struct store_entry *last = hints_base(&c->hints, e->name, e->cuts ? &e->cuts[chunk] : NULL, chunk, &at);
    p->based = last && !digest_is_none(&last->chunks[at]) && hints_read(&c->hints, last, at, hints);
    if (p->based) {
        find_changes(hints, pages_of(manifest_chunk_len(last, at)), p);
        p->hint = last->hints + at * CHUNK_PAGES;
    } else {
        p->changed = page_set_first(pages_of(bytes));
    }
    if (!p->based || !usable(c, &last->chunks[at], &chain)) {
        keep_all(p);
    } else if (page_set_count(&p->changed) == 0 && manifest_chunk_len(last, at) == bytes) {
        enter(c, p, &last->chunks[at], hints);
        return PIECE_KNOWN;
    } else {
        choose_base(&chain, &last->chunks[at], p);
    }
    p->payload = (uint32_t)pages_gather(worker->data, bytes, &p->kept);
    return 0;
}

/* ---- on the stage ---- */

static uint64_t check_of(const struct piece *p)
{
    return page_fingerprint((const uint8_t *)p, offsetof(struct piece, check), 0).low;
}

void piece_close(struct piece *p)
{
    p->check = check_of(p);
}

bool piece_whole(const struct piece *p)
{
    return p->check == check_of(p);
}

bool piece_intact(const struct store_capture *c, const struct piece *p, const uint8_t *payload)
{
    size_t at = 0;
    for (size_t i = 0; i < pages_of(p->bytes); i++) {
        size_t n = page_bytes(p->bytes, i);
        if (!page_set_has(&p->kept, i))
            continue;
        struct fingerprint print = page_fingerprint(payload + at, n, c->store->seed);
        bool same = page_set_has(&p->zero, i) ? page_is_zero(payload + at, n)
                                               : print.low == p->prints[i].low && print.high == p->prints[i].high;
        if (!same)
            return false;
        at += n;
    }
    return true;
}

/* ---- storing ---- */

/* A page that is in the payload is hashed there; only those that did not change are not in it. */
static bool hash_pages(struct store_capture *c, const struct piece *p, const uint8_t *payload, struct hint *hints)
{
    size_t at = 0;
    if (p->based && !hints_read_at(&c->hints, p->hint, pages_of(p->bytes), hints))
        return false;
    for (size_t i = 0; i < pages_of(p->bytes); i++) {
        bool kept = page_set_has(&p->kept, i);
        size_t n = page_bytes(p->bytes, i);
        if (page_set_has(&p->zero, i))
            hints[i] = (struct hint){ .digest = *page_zero_digest() };
        else if (page_set_has(&p->changed, i))
            digest_of(payload + at, n, &hints[i].digest);
        hints[i].print = p->prints[i];
        at += kept ? n : 0;
    }
    return true;
}

static bool is_there(struct store_capture *c, const struct digest *digest)
{
    struct shelf_chain ignored;
    pthread_mutex_lock(&c->lock);
    bool there = digest_set_has(&c->pending, digest) || shelf_usable(&c->shelf, digest, &ignored);
    pthread_mutex_unlock(&c->lock);
    return there;
}

/* True for the first of those that want to store the same chunk. */
static bool claim(struct store_capture *c, const struct digest *digest)
{
    pthread_mutex_lock(&c->lock);
    bool mine = digest_set_add(&c->pending, digest);
    pthread_mutex_unlock(&c->lock);
    return mine;
}

/* *made tells whether room had been made before. */
static int take_room(struct store_capture *c, size_t bytes, bool *made, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    bool fits = c->room >= (int64_t)bytes || (capture_make_room(c) && c->room >= (int64_t)bytes);
    c->room -= (int64_t)bytes;
    *made = c->made_room;
    pthread_mutex_unlock(&c->lock);
    return fits ? 0 : error_set(err, ERR_LIMIT, "%s", c->room_reason);
}

/* Another thread may have made it since this one began to write. */
static bool made_room(struct store_capture *c, bool made_before, const struct error *err)
{
    if (err->sys != ENOSPC && err->sys != EDQUOT)
        return false;
    pthread_mutex_lock(&c->lock);
    bool made = c->made_room ? !made_before : capture_make_room(c);
    pthread_mutex_unlock(&c->lock);
    return made;
}

static int append(struct store_capture *c, struct crew_worker *worker, const struct piece *p, const struct digest *digest,
                  uint8_t *payload, struct error *err)
{
    struct pack_record record = { .digest = *digest, .base = p->base, .pages = p->kept, .bytes = p->bytes, .depth = p->depth };
    uint8_t *packed = payload;
    bool blocked = false, made;
    size_t len = coder_pack(worker->coder, payload, p->payload, &packed);
    record.coding = len > 0 ? PACK_ZSTD : PACK_PLAIN;
    len = len > 0 ? len : p->payload;
    memset(packed + len, 0, (PACK_BLOCK - len % PACK_BLOCK) % PACK_BLOCK);
    if (take_room(c, len, &made, err) < 0)
        return -1;
    int r = pack_append(c->writer, &record, packed, len, &blocked, err);
    if (r < 0 && made_room(c, made, err))
        r = pack_append(c->writer, &record, packed, len, &blocked, err);
    coder_adapt(worker->coder, blocked);
    return r;
}

int piece_store(struct store_capture *c, struct crew_worker *worker, const struct piece *p, uint8_t *payload, struct error *err)
{
    struct hint hints[CHUNK_PAGES];
    struct digest digest;
    struct store_entry *e = &c->m.entries[p->entry];
    if (p->chunk >= e->chunk_count)
        return 0; /* the file has become shorter meanwhile */
    if (!hash_pages(c, p, payload, hints))
        return error_sys(err, "cannot read the hints of the last checkpoint");
    struct digest pages[CHUNK_PAGES];
    for (size_t i = 0; i < pages_of(p->bytes); i++)
        pages[i] = hints[i].digest;
    pages_digest(pages, pages_of(p->bytes), &digest);
    enter(c, p, &digest, hints);
    if (is_there(c, &digest) || index_link(c, worker, &digest, p->bytes) || !claim(c, &digest))
        return 0;
    if (append(c, worker, p, &digest, payload, err) < 0)
        return error_wrap(err, "cannot store '%s'", e->name);
    return 0;
}
