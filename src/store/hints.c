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

enum { HEADER = 128, PLACE = 16, SMALL_BYTES = 64 << 10 };
static const char magic[16] = "stint-hints 4\n";
static const char file_name[] = "hints", temp_name[] = ".hints.tmp";

static_assert(sizeof(struct hint) == 48, "hints lie in the file as they lie in memory");

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

static off_t place_of(uint64_t page)
{
    return HEADER + (off_t)(page * sizeof(struct hint));
}

/* Tells the entries of the base where their pages are. */
static bool read_table(int fd, int64_t size, uint64_t pages, struct manifest *base)
{
    size_t bytes = base->entry_count * PLACE;
    if (pages > (uint64_t)size / sizeof(struct hint) || size != place_of(pages) + (int64_t)bytes)
        return false;
    auto_free uint8_t *table = mem_zero(base->entry_count + 1, PLACE);
    if (pread(fd, table, bytes, place_of(pages)) != (ssize_t)bytes)
        return false;
    for (size_t i = 0; i < base->entry_count; i++) {
        struct store_entry *e = &base->entries[i];
        e->hints = le_get64(table + i * PLACE);
        e->stamp = le_get64(table + i * PLACE + 8);
        if (e->hints >= pages || (e->hints > 0 && e->chunk_count > (pages - e->hints) / CHUNK_PAGES))
            return false;
    }
    return true;
}

void hints_open(struct store *store, int job_dir, struct hints *hints)
{
    uint8_t header[HEADER];
    struct stat st;
    struct digest mac;
    struct error ignored;
    *hints = (struct hints){ .fd = -1 };
    auto_close int fd = openat(job_dir, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, header, HEADER, 0) != HEADER || !header_good(header, fd, st.st_size))
        return;
    auto_manifest struct manifest base = { 0 };
    if (layout_manifest(store, job_dir, (int)le_get64(header + 16), &base, &mac, &ignored) != 0 || memcmp(header + 32, &mac, sizeof mac) != 0)
        return;
    if (!read_table(fd, st.st_size, le_get64(header + 24), &base))
        return;
    hints->base = base;
    base = (struct manifest){ 0 };
    hints->fd = steal_fd(&fd);
}

void hints_close(struct hints *hints)
{
    file_close(&hints->fd);
    manifest_release(&hints->base);
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
    return *chunk < e->chunk_count && e->hints > 0 ? e : NULL;
}

bool hints_read(const struct hints *hints, const struct store_entry *entry, size_t chunk, struct hint *out)
{
    size_t bytes = pages_of(manifest_chunk_len(entry, chunk)) * sizeof *out;
    return pread(hints->fd, out, bytes, place_of(entry->hints + (uint64_t)chunk * CHUNK_PAGES)) == (ssize_t)bytes;
}

bool hints_read_at(const struct hints *hints, uint64_t page, size_t count, struct hint *out)
{
    memset(out, 0, count * sizeof *out);
    return pread(hints->fd, out, count * sizeof *out, place_of(page)) >= 0;
}

/* ---- writing ---- */

void hints_begin(struct hints_writer *w, int job_dir)
{
    w->job_dir = job_dir;
    w->pages = 1;
    w->bad = false;
    unlinkat(job_dir, temp_name, 0);
    w->fd = openat(job_dir, temp_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Cuts and last chunks have fewer pages than others: gaps cost nothing. */
void hints_place(struct hints_writer *w, struct store_entry *entry)
{
    entry->hints = entry->size >= SMALL_BYTES ? w->pages : 0;
    if (entry->hints > 0)
        w->pages += (uint64_t)entry->chunk_count * CHUNK_PAGES;
}

void hints_write(struct hints_writer *w, uint64_t first, const struct hint *hints, size_t count)
{
    size_t bytes = count * sizeof *hints;
    if (w->fd >= 0 && pwrite(w->fd, hints, bytes, place_of(first)) != (ssize_t)bytes)
        w->bad = true;
}

void hints_copy(struct hints_writer *w, uint64_t first, const struct hints *from, uint64_t from_first, uint64_t count)
{
    off_t to = place_of(first), at = place_of(from_first);
    size_t left = count * sizeof(struct hint);
    while (left > 0 && w->fd >= 0) {
        ssize_t n = copy_file_range(from->fd, &at, w->fd, &to, left, 0);
        if (n <= 0) {
            w->bad = true;
            return;
        }
        left -= (size_t)n;
    }
}

void hints_forget(int job_dir)
{
    unlinkat(job_dir, file_name, 0);
}

static bool write_table(struct hints_writer *w, const struct manifest *manifest)
{
    size_t bytes = manifest->entry_count * PLACE;
    auto_free uint8_t *table = mem_zero(manifest->entry_count + 1, PLACE);
    for (size_t i = 0; i < manifest->entry_count; i++) {
        le_put64(table + i * PLACE, manifest->entries[i].hints);
        le_put64(table + i * PLACE + 8, manifest->entries[i].stamp);
    }
    return ftruncate(w->fd, place_of(w->pages)) == 0 && pwrite(w->fd, table, bytes, place_of(w->pages)) == (ssize_t)bytes;
}

void hints_finish(struct hints_writer *w, const struct manifest *manifest, const struct digest *mac)
{
    uint8_t header[HEADER] = { 0 };
    uint64_t hash;
    if (w->fd < 0)
        return;
    if (w->bad || !write_table(w, manifest) || !body_hash(w->fd, place_of(w->pages) + (int64_t)(manifest->entry_count * PLACE), &hash)) {
        hints_abandon(w);
        return;
    }
    memcpy(header, magic, sizeof magic);
    le_put64(header + 16, (uint64_t)manifest->generation);
    le_put64(header + 24, w->pages);
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
