#include "store/hints.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/le.h"
#include "store/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HEADER = 128, SMALL_BYTES = 64 << 10 };
static const char magic[16] = "stint-hints 2\n";
static const char file_name[] = "hints", temp_name[] = ".hints.tmp";

static_assert(sizeof(struct hint) == 48, "hints lie in the file as they lie in memory");

bool hints_wanted(const struct store_entry *entry)
{
    return entry->type == STORE_FILE && entry->size >= SMALL_BYTES;
}

uint64_t *hints_places(const struct manifest *manifest, uint64_t *pages)
{
    uint64_t *first = mem_zero(manifest->entry_count + 1, sizeof *first);
    *pages = 0;
    for (size_t i = 0; i < manifest->entry_count; i++) {
        const struct store_entry *e = &manifest->entries[i];
        first[i] = hints_wanted(e) ? *pages : HINTS_NONE;
        if (first[i] != HINTS_NONE)
            *pages += (uint64_t)e->chunk_count * CHUNK_PAGES; /* cuts and last chunks have fewer: gaps cost nothing */
    }
    return first;
}

static bool body_hash(int fd, int64_t size, uint64_t *hash)
{
    XXH3_state_t *state = XXH3_createState();
    uint8_t block[64 << 10];
    int64_t at = HEADER;
    XXH3_64bits_reset(state);
    while (at < size) {
        ssize_t n = pread(fd, block, sizeof block, at);
        if (n <= 0)
            break;
        XXH3_64bits_update(state, block, (size_t)n);
        at += n;
    }
    *hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return at == size;
}

static bool header_good(const uint8_t *header, int fd, int64_t size)
{
    uint64_t hash;
    return memcmp(header, magic, sizeof magic) == 0 && body_hash(fd, size, &hash) && le_get64(header + 72) == hash;
}

void hints_open(struct store *store, int job_dir, struct hints *hints)
{
    uint8_t header[HEADER];
    struct stat st;
    struct digest mac;
    struct error ignored;
    uint64_t pages;
    *hints = (struct hints){ .fd = -1 };
    auto_close int fd = openat(job_dir, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, header, HEADER, 0) != HEADER || !header_good(header, fd, st.st_size))
        return;
    auto_manifest struct manifest base = { 0 };
    if (layout_manifest(store, job_dir, (int)le_get64(header + 16), &base, &mac, &ignored) != 0 || memcmp(header + 32, &mac, sizeof mac) != 0)
        return;
    auto_free uint64_t *first = hints_places(&base, &pages);
    if (pages != le_get64(header + 24) || (uint64_t)st.st_size != HEADER + pages * sizeof(struct hint))
        return;
    hints->base = base;
    base = (struct manifest){ 0 };
    hints->first = steal(first);
    hints->fd = steal_fd(&fd);
}

void hints_close(struct hints *hints)
{
    file_close(&hints->fd);
    manifest_release(&hints->base);
    free(hints->first);
    hints->first = NULL;
}

static size_t find_cut(const struct store_entry *e, uint64_t address)
{
    size_t low = 0, high = e->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e->cuts[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->chunk_count && e->cuts[low].address == address ? low : e->chunk_count;
}

const struct store_entry *hints_base(const struct hints *hints, const char *name, const struct store_cut *cut, size_t index, size_t *chunk)
{
    const struct store_entry *e = hints->fd < 0 ? NULL : manifest_find(&hints->base, name);
    if (!e || e->type != STORE_FILE || (cut != NULL) != (e->cuts != NULL))
        return NULL;
    *chunk = cut ? find_cut(e, cut->address) : index;
    return *chunk < e->chunk_count && hints->first[e - hints->base.entries] != HINTS_NONE ? e : NULL;
}

bool hints_read(const struct hints *hints, const struct store_entry *entry, size_t chunk, struct hint *out)
{
    uint64_t page = hints->first[entry - hints->base.entries] + (uint64_t)chunk * CHUNK_PAGES;
    size_t bytes = pages_of(manifest_chunk_len(entry, chunk)) * sizeof *out;
    return pread(hints->fd, out, bytes, HEADER + (off_t)(page * sizeof *out)) == (ssize_t)bytes;
}

bool hints_read_at(const struct hints *hints, uint64_t page, size_t count, struct hint *out)
{
    memset(out, 0, count * sizeof *out);
    return pread(hints->fd, out, count * sizeof *out, HEADER + (off_t)(page * sizeof *out)) >= 0;
}

/* ---- writing ---- */

void hints_begin(struct hints_writer *w, int job_dir)
{
    w->job_dir = job_dir;
    w->bad = false;
    unlinkat(job_dir, temp_name, 0);
    w->fd = openat(job_dir, temp_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void hints_write(struct hints_writer *w, uint64_t first, const struct hint *hints, size_t count)
{
    size_t bytes = count * sizeof *hints;
    if (w->fd >= 0 && pwrite(w->fd, hints, bytes, HEADER + (off_t)(first * sizeof *hints)) != (ssize_t)bytes)
        w->bad = true;
}

void hints_finish(struct hints_writer *w, int generation, const struct digest *mac, uint64_t pages)
{
    uint8_t header[HEADER] = { 0 };
    uint64_t hash;
    int64_t size = HEADER + (int64_t)(pages * sizeof(struct hint));
    if (w->fd < 0)
        return;
    if (w->bad || ftruncate(w->fd, size) < 0 || !body_hash(w->fd, size, &hash)) {
        hints_abandon(w);
        return;
    }
    memcpy(header, magic, sizeof magic);
    le_put64(header + 16, (uint64_t)generation);
    le_put64(header + 24, pages);
    memcpy(header + 32, mac->bytes, sizeof mac->bytes);
    le_put64(header + 72, hash);
    if (pwrite(w->fd, header, sizeof header, 0) == sizeof header && renameat(w->job_dir, temp_name, w->job_dir, file_name) == 0)
        file_close(&w->fd);
    else
        hints_abandon(w);
}

void hints_abandon(struct hints_writer *w)
{
    if (w->fd < 0)
        return;
    unlinkat(w->job_dir, temp_name, 0);
    file_close(&w->fd);
}
