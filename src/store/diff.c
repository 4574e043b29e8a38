/* Two checkpoints side by side: names from the manifests, bytes from the chunks whose digests differ. */
#include "base/mem.h"
#include "store/digest.h"
#include "store/reader.h"

#include <stdio.h>
#include <string.h>

struct diff {
    struct reader left, right;
    struct crew_worker a, b; /* buffers for a chunk of each */
    void (*fn)(void *data, const struct store_difference *difference);
    void *data;
    const char *name;
    int64_t offset, length; /* the stretch that is being gathered */
};

static void tell(struct diff *d, char what, const char *name)
{
    struct store_difference difference = { .what = what, .name = name };
    d->fn(d->data, &difference);
}

static void end_stretch(struct diff *d)
{
    struct store_difference difference = { .what = 'c', .name = d->name, .offset = d->offset, .length = d->length };
    if (d->length > 0)
        d->fn(d->data, &difference);
    d->length = 0;
}

static void add_stretch(struct diff *d, int64_t offset, int64_t length)
{
    if (d->length > 0 && d->offset + d->length == offset) {
        d->length += length;
        return;
    }
    end_stretch(d);
    d->offset = offset;
    d->length = length;
}

static void compare_bytes(struct diff *d, size_t left, size_t right, int64_t offset)
{
    const uint8_t *a = d->a.data, *b = d->b.data;
    size_t both = left < right ? left : right, all = left < right ? right : left;
    for (size_t i = 0; i < both;) {
        if (a[i] == b[i]) {
            i++;
            continue;
        }
        size_t from = i;
        while (i < both && a[i] != b[i])
            i++;
        add_stretch(d, offset + (int64_t)from, (int64_t)(i - from));
    }
    if (all > both)
        add_stretch(d, offset + (int64_t)both, (int64_t)(all - both));
}

static bool same_cuts(const struct store_entry *a, const struct store_entry *b)
{
    if (!a->cuts || !b->cuts)
        return a->cuts == b->cuts;
    for (size_t i = 0; i < a->chunk_count && i < b->chunk_count; i++)
        if (a->cuts[i].address != b->cuts[i].address || a->cuts[i].bytes != b->cuts[i].bytes)
            return false;
    return a->chunk_count == b->chunk_count;
}

static int compare_chunk(struct diff *d, const struct store_entry *a, const struct store_entry *b, size_t chunk, struct error *err)
{
    bool left = chunk < a->chunk_count, right = chunk < b->chunk_count;
    size_t left_len = left ? manifest_chunk_len(a, chunk) : 0, right_len = right ? manifest_chunk_len(b, chunk) : 0;
    if (left && right && left_len == right_len && memcmp(&a->chunks[chunk], &b->chunks[chunk], sizeof *a->chunks) == 0)
        return 0;
    if (left && reader_bytes(&d->left, &d->a, a, chunk, err) < 0)
        return -1;
    if (right && reader_bytes(&d->right, &d->b, b, chunk, err) < 0)
        return -1;
    compare_bytes(d, left_len, right_len, manifest_chunk_offset(left ? a : b, chunk));
    return 0;
}

static int compare_files(struct diff *d, const struct store_entry *a, const struct store_entry *b, struct error *err)
{
    size_t count = a->chunk_count > b->chunk_count ? a->chunk_count : b->chunk_count;
    d->name = b->name;
    if (!same_cuts(a, b)) {
        add_stretch(d, 0, a->size > b->size ? a->size : b->size); /* other addresses are at these places */
        count = 0;
    }
    for (size_t i = 0; i < count; i++)
        if (compare_chunk(d, a, b, i, err) < 0)
            return -1;
    end_stretch(d);
    return 0;
}

static int compare(struct diff *d, const struct store_entry *a, const struct store_entry *b, struct error *err)
{
    if (a->type != b->type || (a->target && strcmp(a->target, b->target) != 0)) {
        tell(d, 't', b->name);
        return 0;
    }
    if (a->type == STORE_FILE && compare_files(d, a, b, err) < 0)
        return -1;
    if (a->mode != b->mode || a->mtime_ns != b->mtime_ns || a->uid != b->uid || a->gid != b->gid)
        tell(d, 'm', b->name);
    return 0;
}

static int compare_all(struct diff *d, const struct manifest *a, const struct manifest *b, struct error *err)
{
    size_t i = 0, k = 0;
    while (i < a->entry_count || k < b->entry_count) {
        int order = i == a->entry_count ? 1 : k == b->entry_count ? -1 : strcmp(a->entries[i].name, b->entries[k].name);
        if (order < 0)
            tell(d, '-', a->entries[i++].name);
        else if (order > 0)
            tell(d, '+', b->entries[k++].name);
        else if (compare(d, &a->entries[i++], &b->entries[k++], err) < 0)
            return -1;
    }
    return 0;
}

int store_diff(struct store *store, const struct manifest *a, const struct manifest *b,
               void (*fn)(void *data, const struct store_difference *difference), void *data, struct error *err)
{
    struct diff d = { .fn = fn, .data = data };
    if (reader_open(&d.left, store, a, NULL, err) < 0)
        return -1;
    int r = reader_open(&d.right, store, b, NULL, err);
    if (r == 0) {
        auto_free uint8_t *left = mem_zero(1, STORE_CHUNK_BYTES);
        auto_free uint8_t *right = mem_zero(1, STORE_CHUNK_BYTES);
        struct coder *coder = coder_new();
        d.a = (struct crew_worker){ .data = left, .coder = coder };
        d.b = (struct crew_worker){ .data = right, .coder = coder };
        r = compare_all(&d, a, b, err);
        coder_free(coder);
        reader_close(&d.right);
    }
    reader_close(&d.left);
    return r;
}
