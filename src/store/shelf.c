#include "store/shelf.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DESCRIPTORS_SPARE = 256 };

void shelf_init(struct shelf *shelf, const struct seal *seal, int dir)
{
    *shelf = (struct shelf){ .seal = seal, .dir = dir };
}

void shelf_release(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++) {
        pack_close(shelf->packs[i]);
        free(shelf->packs[i]);
    }
    free(shelf->packs);
    *shelf = (struct shelf){ 0 };
}

struct pack *shelf_pack(const struct shelf *shelf, const struct pack_id *id)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (memcmp(&shelf->packs[i]->id, id, sizeof *id) == 0)
            return shelf->packs[i];
    return NULL;
}

void shelf_take(struct shelf *shelf, struct pack *pack)
{
    struct pack *own = mem_new(struct pack);
    *own = *pack;
    *pack = (struct pack){ .fd = -1 };
    shelf->packs = mem_grow(shelf->packs, &shelf->capacity, shelf->count + 1, sizeof *shelf->packs);
    shelf->packs[shelf->count++] = own;
}

int shelf_add(struct shelf *shelf, const struct pack_id *id, struct error *err)
{
    char mark[40], name[33];
    struct pack pack;
    if (shelf_pack(shelf, id))
        return 0;
    int r = pack_open(shelf->dir, id, shelf->seal, &pack, err);
    if (r != 0)
        return r;
    snprintf(mark, sizeof mark, "%s.bad", pack_id_print(id, name));
    pack.worn = faccessat(shelf->dir, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    shelf_take(shelf, &pack);
    return 0;
}

/* Every pack is an open file: a state of hundreds of gigabytes has more of them than processes may open by default. */
static void allow_descriptors(size_t packs)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > packs + DESCRIPTORS_SPARE)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int shelf_add_manifest(struct shelf *shelf, const struct manifest *manifest, struct error *err)
{
    char name[33];
    allow_descriptors(manifest->pack_count);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        int r = shelf_add(shelf, &manifest->packs[i].id, err);
        if (r == STORE_ABSENT)
            return error_set(err, ERR_CORRUPT, "pack '%s' is missing", pack_id_print(&manifest->packs[i].id, name));
        if (r < 0)
            return -1;
    }
    return 0;
}

void shelf_add_readable(struct shelf *shelf, const struct manifest *manifest)
{
    struct error ignored;
    allow_descriptors(manifest->pack_count);
    for (size_t i = 0; i < manifest->pack_count; i++)
        shelf_add(shelf, &manifest->packs[i].id, &ignored);
}

static int by_use(const void *a, const void *b)
{
    int64_t left = ((const struct manifest_pack *)a)->used, right = ((const struct manifest_pack *)b)->used;
    return (left < right) - (left > right);
}

void shelf_wear(struct shelf *shelf, const struct manifest *newest)
{
    size_t count = newest->pack_count;
    int64_t bytes = 0;
    auto_free struct manifest_pack *packs = mem_zero(count + 1, sizeof *packs);
    for (size_t i = 0; i < count; i++)
        bytes += (packs[i] = newest->packs[i]).used;
    qsort(packs, count, sizeof *packs, by_use);
    size_t most = SHELF_PACKS + (size_t)(bytes / (PACK_BYTES / 4));
    for (size_t i = 0; i < count; i++) {
        struct pack *pack = shelf_pack(shelf, &packs[i].id);
        if (pack && (i >= most || packs[i].used < packs[i].bytes / 4 * SHELF_WORN_QUARTERS))
            pack->worn = true;
    }
}

/* ---- chains ---- */

/* A chunk's record, and where it was found. */
struct link {
    struct pack *pack;
    size_t place; /* of the pack on the shelf */
    const struct pack_record *record;
};

/*
 * The search for a chain. A chunk may be in several packs, upon different bases, not all of which are on every shelf that
 * the pack is on: whoever shares a pack has not all of the other job's, and a manifest names only what its own capture chose. So
 * the first way need not lead to an end, and the others are tried.
 */
struct search {
    const struct shelf *shelf;
    bool usable; /* only packs that are not worn */
    int left;    /* steps; a table that was made to keep us busy must not */
    struct link links[SHELF_DEPTH_MAX + 1];
};

enum { STEPS_MAX = 2000 };

/* One in a pack that is not worn comes first: what was stored again because of its pack must not be taken from there. Then
 * the one with fewer bases below it. */
static bool comes_before(const struct link *a, const struct link *b)
{
    if (a->pack->worn != b->pack->worn)
        return b->pack->worn;
    if (a->record->depth != b->record->depth)
        return a->record->depth < b->record->depth;
    return a->place < b->place;
}

/* The best of the chunk's records that come after `last` (NULL: of all). */
static bool next_link(const struct search *s, const struct digest *digest, const struct link *last, struct link *out)
{
    struct link best = { 0 };
    for (size_t i = 0; i < s->shelf->count; i++) {
        struct link l = { s->shelf->packs[i], i, NULL };
        l.record = s->usable && l.pack->worn ? NULL : pack_find(l.pack, digest);
        if (l.record && (!last || comes_before(last, &l)) && (!best.record || comes_before(&l, &best)))
            best = l;
    }
    if (best.record)
        *out = best;
    return best.record != NULL;
}

/* Fills s->links from `depth` on, down to what has no base. Returns how many there are then, or 0: there is no chain. */
static int find_chain(struct search *s, const struct digest *digest, int depth)
{
    struct link link;
    if (depth > SHELF_DEPTH_MAX)
        return 0;
    for (bool more = next_link(s, digest, NULL, &link); more && s->left-- > 0; more = next_link(s, digest, &link, &link)) {
        s->links[depth] = link;
        int count = digest_is_none(&link.record->base) ? depth + 1 : find_chain(s, &link.record->base, depth + 1);
        if (count > 0)
            return count;
    }
    return 0;
}

bool shelf_usable(const struct shelf *shelf, const struct digest *digest, struct shelf_chain *chain)
{
    struct search s = { .shelf = shelf, .usable = true, .left = STEPS_MAX };
    int count = find_chain(&s, digest, 0);
    *chain = (struct shelf_chain){ .depth = count - 1 };
    if (count == 0)
        return false;
    for (int i = 0; i < count - 1; i++)
        page_set_unite(&chain->above, &s.links[i].record->pages);
    chain->root = s.links[count - 1].record->digest;
    return true;
}

bool shelf_use(const struct shelf *shelf, const struct digest *digest)
{
    struct search s = { .shelf = shelf, .left = STEPS_MAX };
    int count = find_chain(&s, digest, 0);
    for (int i = 0; i < count; i++) {
        struct pack *pack = s.links[i].pack;
        if (!pack->used)
            pack->used = mem_zero(pack->count, sizeof *pack->used);
        pack->used[s.links[i].record - pack->records] = true;
    }
    return count > 0;
}

/* Whoever fails here has found damage that later captures must know of; that the mark cannot be made is no reason to fail in
 * another way. */
static void mark_damaged(const struct shelf *shelf, struct pack *pack)
{
    char mark[40], name[33];
    pack->worn = true;
    snprintf(mark, sizeof mark, "%s.bad", pack_id_print(&pack->id, name));
    auto_close int fd = openat(shelf->dir, mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    (void)fd;
}

/* A sector that cannot be read is damage, too. */
static bool is_damage(const struct error *err)
{
    return err->kind == ERR_CORRUPT || err->sys == EIO;
}

static int fetch(const struct search *s, int count, const struct digest *digest, size_t bytes, uint8_t *chunk, struct coder *coder,
                 struct error *err)
{
    const struct link *links = s->links;
    struct digest actual;
    char text[65], name[33];
    memset(chunk, 0, bytes);
    if (links[0].record->bytes != bytes)
        return error_set(err, ERR_CORRUPT, "chunk '%s' has %u bytes instead of %zu", digest_print(digest, text), links[0].record->bytes, bytes);
    for (int i = count; i-- > 0;)
        if (pack_apply(links[i].pack, links[i].record, chunk, coder, err) < 0) {
            if (is_damage(err))
                mark_damaged(s->shelf, links[i].pack);
            return -1;
        }
    chunk_digest(chunk, bytes, &actual);
    if (memcmp(&actual, digest, sizeof actual) == 0)
        return 0;
    for (int i = 0; i < count; i++) /* nobody knows which of them it is */
        mark_damaged(s->shelf, links[i].pack);
    return error_set(err, ERR_CORRUPT, "pack '%s' at byte %llu: chunk '%s' is not what its digest says",
                     pack_id_print(&links[0].pack->id, name), (unsigned long long)links[0].record->offset, digest_print(digest, text));
}

/* What turned out to be damaged comes last from then on: where there is another copy, the second try finds it. */
int shelf_fetch(const struct shelf *shelf, const struct digest *digest, size_t bytes, uint8_t *chunk, struct coder *coder,
                struct error *err)
{
    char text[65];
    struct error first;
    if (digest_is_none(digest)) {
        memset(chunk, 0, bytes);
        return 0;
    }
    for (int times = 0; times < 2; times++) {
        struct search s = { .shelf = shelf, .left = STEPS_MAX };
        int count = find_chain(&s, digest, 0);
        if (count == 0)
            return error_set(err, ERR_CORRUPT, "chunk '%s', or one that it stands upon, is in none of its packs", digest_print(digest, text));
        int r = fetch(&s, count, digest, bytes, chunk, coder, times == 0 ? &first : err);
        if (r == 0)
            return 0;
        if (times == 0 && !is_damage(&first))
            break;
    }
    if (err)
        *err = first;
    return -1;
}
