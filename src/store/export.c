/*
 * An archive holds packs of its own, made of only those chunks that the checkpoint needs: a pack in the store may hold chunks of
 * other jobs and other users too. Payloads are copied as they are stored. All sizes are known before the first byte is written, so
 * the archive can go into a pipe.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/archive.h"
#include "store/digest.h"
#include "store/pack_format.h"
#include "store/reader.h"
#include "store/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A record on its way: where its payload is, and what it will be. */
struct item {
    const struct pack *from;
    uint64_t offset;
    struct pack_record record;
};

struct archive {
    struct reader reader;
    const struct seal *seal;
    struct item *items;
    size_t count, capacity;
    size_t *ends; /* of each pack: the number of the item behind its last */
    struct manifest m; /* head and packs of its own; entries are borrowed */
    int fd;
    int64_t done, total;
};

/* ---- the plan ---- */

static int mark_used(struct archive *a, const struct manifest *m, struct error *err)
{
    char text[65];
    for (size_t i = 0; i < m->entry_count; i++)
        for (size_t k = 0; k < m->entries[i].chunk_count; k++) {
            const struct digest *digest = &m->entries[i].chunks[k];
            if (!digest_is_none(digest) && !shelf_use(&a->reader.shelf, digest))
                return error_set(err, ERR_CORRUPT, "chunk '%s' of '%s' is in none of its packs", digest_print(digest, text), m->entries[i].name);
        }
    return 0;
}

/* Of a chunk that is in two packs, one record: a table has each chunk once. */
static void list_items(struct archive *a)
{
    const struct shelf *shelf = &a->reader.shelf;
    auto_digest_set struct digest_set listed = { 0 };
    for (size_t i = 0; i < shelf->count; i++) {
        const struct pack *pack = shelf->packs[i];
        for (size_t k = 0; pack->used && k < pack->count; k++) {
            if (!pack->used[k] || !digest_set_add(&listed, &pack->records[k].digest))
                continue;
            a->items = mem_grow(a->items, &a->capacity, a->count + 1, sizeof *a->items);
            a->items[a->count++] = (struct item){ pack, pack->records[k].offset, pack->records[k] };
            a->total += pack->records[k].stored;
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct manifest_pack *)a)->id, &((const struct manifest_pack *)b)->id, sizeof(struct pack_id));
}

/* Fills packs one after another with items in the order in which they are read. Their names are random, and in order. */
static int plan_packs(struct archive *a, struct error *err)
{
    size_t most = a->count + 1;
    a->m.packs = mem_zero(most, sizeof *a->m.packs);
    a->ends = mem_zero(most, sizeof *a->ends);
    for (size_t i = 0; i < a->count;) {
        struct manifest_pack *pack = &a->m.packs[a->m.pack_count];
        int64_t at = PACK_HEADER;
        size_t first = i;
        for (; i < a->count && at < PACK_BYTES; i++) {
            a->items[i].record.offset = (uint64_t)at;
            at += a->items[i].record.stored;
        }
        if (getrandom(pack->id.bytes, sizeof pack->id.bytes, 0) != (ssize_t)sizeof pack->id.bytes)
            return error_sys(err, "cannot get random bytes for a name");
        pack->used = at - PACK_HEADER + (int64_t)(i - first) * PACK_RECORD;
        pack->bytes = at + (int64_t)(i - first) * PACK_RECORD + PACK_TAIL;
        a->ends[a->m.pack_count++] = i;
    }
    struct manifest_pack *sorted = mem_zero(most, sizeof *sorted);
    memcpy(sorted, a->m.packs, a->m.pack_count * sizeof *sorted);
    qsort(sorted, a->m.pack_count, sizeof *sorted, by_id);
    for (size_t i = 0; i < a->m.pack_count; i++) /* only the names are put in order: sizes stay with their items */
        a->m.packs[i].id = sorted[i].id;
    free(sorted);
    return 0;
}

/* ---- writing ---- */

static int put_file(struct archive *a, const char *name, const void *data, size_t len, struct error *err)
{
    if (tar_put(a->fd, name, (int64_t)len, a->m.created_us / 1000000, err) < 0 || file_write_all(a->fd, data, len, err) < 0)
        return -1;
    return tar_pad(a->fd, (int64_t)len, err);
}

static int copy_payload(struct archive *a, const struct item *item, uint8_t *room, struct error *err)
{
    char name[33];
    size_t len = item->record.stored;
    ssize_t n = pread(item->from->fd, room, len, (off_t)item->offset);
    if (n < 0)
        return error_sys(err, "cannot read pack '%s'", pack_id_print(&item->from->id, name));
    if ((size_t)n != len)
        return error_set(err, ERR_CORRUPT, "pack '%s' is cut off", pack_id_print(&item->from->id, name));
    a->done += (int64_t)len;
    if (a->reader.progress)
        a->reader.progress->fn(a->reader.progress->data, a->done, a->total);
    return file_write_all(a->fd, room, len, err);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(&((const struct item *)a)->record.digest, &((const struct item *)b)->record.digest, sizeof(struct digest));
}

static int put_table(struct archive *a, const struct pack_id *id, struct item *items, size_t count, struct error *err)
{
    struct digest mac;
    uint8_t tail[PACK_TAIL];
    auto_free uint8_t *table = mem_zero(count + 1, PACK_RECORD);
    qsort(items, count, sizeof *items, by_digest);
    for (size_t i = 0; i < count; i++)
        pack_put_record(table + i * PACK_RECORD, &items[i].record);
    pack_seal(a->seal, id, table, count, &mac);
    pack_put_tail(tail, count, &mac);
    return file_write_all(a->fd, table, count * PACK_RECORD, err) < 0 ? -1 : file_write_all(a->fd, tail, sizeof tail, err);
}

static int put_pack(struct archive *a, size_t index, struct error *err)
{
    const struct manifest_pack *pack = &a->m.packs[index];
    uint8_t header[PACK_HEADER];
    char id[33];
    size_t first = index > 0 ? a->ends[index - 1] : 0, count = a->ends[index] - first;
    auto_free char *name = mem_printf(ARCHIVE_DIR "packs/%s", pack_id_print(&pack->id, id));
    auto_free uint8_t *room = mem_zero(1, STORE_CHUNK_BYTES);
    pack_put_header(header, &pack->id);
    if (tar_put(a->fd, name, pack->bytes, a->m.created_us / 1000000, err) < 0 || file_write_all(a->fd, header, sizeof header, err) < 0)
        return -1;
    for (size_t i = first; i < first + count; i++)
        if (copy_payload(a, &a->items[i], room, err) < 0)
            return -1;
    return put_table(a, &pack->id, a->items + first, count, err) < 0 ? -1 : tar_pad(a->fd, pack->bytes, err);
}

static int write_archive(struct archive *a, const struct buf *note, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (manifest_print(&a->m, a->seal, &text, NULL, err) < 0 || put_file(a, ARCHIVE_DIR "manifest", text.data, text.len, err) < 0 ||
        put_file(a, ARCHIVE_DIR "note", buf_cstr(note), note->len, err) < 0)
        return -1;
    for (size_t i = 0; i < a->m.pack_count; i++)
        if (put_pack(a, i, err) < 0)
            return -1;
    return tar_finish(a->fd, err);
}

static int export(struct archive *a, const struct manifest *m, const struct buf *note, struct error *err)
{
    if (note->len > ARCHIVE_NOTE_MAX)
        return error_set(err, ERR_LIMIT, "the note is longer than %d bytes", ARCHIVE_NOTE_MAX);
    if (mark_used(a, m, err) < 0)
        return -1;
    list_items(a);
    if (a->count > 0)
        qsort(a->items, a->count, sizeof *a->items, by_place);
    return plan_packs(a, err) < 0 ? -1 : write_archive(a, note, err);
}

int store_export(struct store *store, const struct manifest *manifest, const struct buf *note, int fd,
                 const struct store_progress *progress, struct error *err)
{
    struct archive a = { .seal = &store->seal, .m = *manifest, .fd = fd };
    a.m.packs = NULL;
    a.m.pack_count = 0;
    int r = store_verify(store, manifest, NULL, err); /* an archive may be all that is left one day */
    if (r == 0)
        r = reader_open(&a.reader, store, manifest, progress, err);
    if (r == 0) {
        r = export(&a, manifest, note, err);
        reader_close(&a.reader);
    }
    free(a.items);
    free(a.ends);
    free(a.m.packs);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", manifest->generation, manifest->job) : 0;
}
