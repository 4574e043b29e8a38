/*
 * A file of CRIU's images is two magic words (that it is one, and of which kind) and records: a length in four bytes, then a protobuf
 * message. (Of what is no image the first word is another: of its statistics.) The exception are pages-N.img, which are nothing but pages. A pagemap (pagemap-PID.img of a process, pagemap-shmem-ID.img
 * of shared memory) begins with the N of its pages, and goes on with stretches of addresses; those that are marked as present have
 * their pages in the file, one stretch after the other.
 *
 * The files are made by a criu that runs with the job's rights, in a directory that the job may reach: nothing here believes them.
 */
#include "engine/criu_image.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/criu_image.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    MAGIC_IMAGE = 0x54564319, MAGIC_SERVICE = 0x55105940, MAGIC_STATS = 0x57093306, MAGIC_PAGEMAP = 0x56084025, MAGIC_PSTREE = 0x50273030,
    PAGE_PRESENT = 1 << 2,
    TABLE_MAX = 64 << 20, /* bytes of a pagemap or pstree */
    PID_LAST = 1 << 22,   /* the kernel's PID_MAX_LIMIT */
};

/* ---- records ---- */

struct records {
    const char *name;
    struct buf data;
    size_t at;
};

static void records_release(struct records *r)
{
    buf_release(&r->data);
}

static uint32_t word_at(const struct records *r, size_t at)
{
    const uint8_t *b = (const uint8_t *)r->data.data + at;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static int corrupt(const struct records *r, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "'%s' is damaged", r->name);
}

/* Opens it only if it is a regular file; neither a link nor a pipe keeps us. */
static int open_regular(int dir, const char *name, struct stat *st, struct error *err)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, st) < 0)
        return error_sys(err, "cannot open '%s'", name);
    if (!S_ISREG(st->st_mode))
        return error_set(err, ERR_CORRUPT, "'%s' is no file", name);
    return steal_fd(&fd);
}

static int records_open_as(struct records *r, int dir, const char *name, const uint32_t magic[2], struct error *err)
{
    struct stat st;
    *r = (struct records){ .name = name, .data.max = TABLE_MAX, .at = 8 };
    auto_close int fd = open_regular(dir, name, &st, err);
    if (fd < 0)
        return -1;
    if (file_read_fd(fd, &r->data, err) < 0)
        return error_wrap(err, "'%s'", name);
    if (r->data.len < 8 || word_at(r, 0) != magic[0] || word_at(r, 4) != magic[1])
        return error_set(err, ERR_CORRUPT, "'%s' is not of the format that is known", name);
    return 0;
}

static int records_open(struct records *r, int dir, const char *name, uint32_t kind, struct error *err)
{
    return records_open_as(r, dir, name, (const uint32_t[]){ MAGIC_IMAGE, kind }, err);
}

/* The next record as a message of that type, for the caller to free; *message is NULL at the end. */
static int records_next(struct records *r, const ProtobufCMessageDescriptor *type, ProtobufCMessage **message, struct error *err)
{
    *message = NULL;
    size_t left = r->data.len - r->at;
    if (left == 0)
        return 0;
    if (left < 4 || word_at(r, r->at) > left - 4)
        return corrupt(r, err);
    size_t len = word_at(r, r->at);
    *message = protobuf_c_message_unpack(type, NULL, len, (const uint8_t *)r->data.data + r->at + 4);
    if (!*message)
        return corrupt(r, err);
    r->at += 4 + len;
    return 0;
}

/* ---- a pagemap ---- */

struct cutter {
    struct store_cut *cuts;
    size_t count, capacity, max;
    uint64_t page, free_from, bytes; /* bytes: of all stretches so far */
    bool unfit; /* not to be expressed as cuts; the bytes are counted on */
};

/* Cuts a stretch at the multiples of a chunk. What goes on where the last one ended, and in its chunk, is made part of it. */
static void add_stretch(struct cutter *c, uint64_t address, uint64_t bytes)
{
    c->bytes += bytes;
    c->unfit = c->unfit || address < c->free_from;
    c->free_from = address + bytes;
    while (bytes > 0 && !c->unfit) {
        uint64_t room = STORE_CHUNK_BYTES - address % STORE_CHUNK_BYTES, take = bytes < room ? bytes : room;
        struct store_cut *last = c->count ? &c->cuts[c->count - 1] : NULL;
        if (last && last->address + last->bytes == address && address % STORE_CHUNK_BYTES != 0) {
            last->bytes += (uint32_t)take;
        } else if (c->count < c->max) {
            c->cuts = mem_grow(c->cuts, &c->capacity, c->count + 1, sizeof *c->cuts);
            c->cuts[c->count++] = (struct store_cut){ .address = address, .bytes = (uint32_t)take };
        } else {
            c->unfit = true;
        }
        address += take;
        bytes -= take;
    }
}

static int add_entry(struct cutter *c, const struct records *r, const CriuImage__PagemapEntry *e, struct error *err)
{
    uint64_t pages = e->has_nr_pages ? e->nr_pages : e->compat_nr_pages;
    bool present = e->has_flags ? e->flags & PAGE_PRESENT : !(e->has_in_parent && e->in_parent);
    if (e->vaddr % c->page != 0 || e->vaddr > INT64_MAX - STORE_CHUNK_BYTES ||
        pages > (INT64_MAX - STORE_CHUNK_BYTES - e->vaddr) / c->page)
        return corrupt(r, err);
    if (!present)
        return 0;
    if (pages * c->page > INT64_MAX - c->bytes)
        return corrupt(r, err);
    add_stretch(c, e->vaddr, pages * c->page);
    return 0;
}

static int read_head(struct records *r, uint32_t *pages_id, struct error *err)
{
    ProtobufCMessage *message;
    if (records_next(r, &criu_image__pagemap_head__descriptor, &message, err) < 0)
        return -1;
    if (!message)
        return corrupt(r, err);
    *pages_id = ((CriuImage__PagemapHead *)message)->pages_id;
    protobuf_c_message_free_unpacked(message, NULL);
    return 0;
}

static int read_entries(struct records *r, struct cutter *c, struct error *err)
{
    for (;;) {
        ProtobufCMessage *message;
        if (records_next(r, &criu_image__pagemap_entry__descriptor, &message, err) < 0)
            return -1;
        if (!message)
            return 0;
        int result = add_entry(c, r, (CriuImage__PagemapEntry *)message, err);
        protobuf_c_message_free_unpacked(message, NULL);
        if (result < 0)
            return -1;
    }
}

/* ---- the directory ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct criu_image *)a)->name, ((const struct criu_image *)b)->name);
}

static int list_files(int dir, struct criu_images *out, struct error *err)
{
    size_t capacity = 0;
    struct stat st;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        error_sys(err, "cannot list the images");
        file_close(&fd);
        return -1;
    }
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (out->count == CRIU_IMAGE_FILES_MAX)
            r = error_set(err, ERR_LIMIT, "more than %d images", CRIU_IMAGE_FILES_MAX);
        out->files = mem_grow(out->files, &capacity, out->count + 1, sizeof *out->files);
        out->files[out->count++] = (struct criu_image){ .name = mem_dup(e->d_name) };
    }
    closedir(d);
    if (out->count > 0)
        qsort(out->files, out->count, sizeof *out->files, compare_names);
    return r;
}

static struct criu_image *find_pages(struct criu_images *images, uint32_t id)
{
    char name[32];
    snprintf(name, sizeof name, "pages-%u.img", id);
    struct criu_image key = { .name = name };
    return images->count ? bsearch(&key, images->files, images->count, sizeof key, compare_names) : NULL;
}

/* Gives the cuts to the file of pages that the pagemap names. `total` counts them over all files. */
static int apply_pagemap(int dir, struct criu_images *images, const char *name, size_t *total, struct error *err)
{
    __attribute__((cleanup(records_release))) struct records r;
    uint32_t id = 0;
    struct stat st;
    struct cutter c = { .max = CRIU_IMAGE_CUTS_MAX - *total, .page = (uint64_t)sysconf(_SC_PAGESIZE) };
    if (records_open(&r, dir, name, MAGIC_PAGEMAP, err) < 0 || read_head(&r, &id, err) < 0)
        return -1;
    int result = read_entries(&r, &c, err);
    auto_free struct store_cut *cuts = c.cuts;
    if (result < 0)
        return -1;
    struct criu_image *pages = find_pages(images, id);
    if (!pages)
        return c.bytes == 0 ? 0 : error_set(err, ERR_CORRUPT, "'%s' names pages-%u.img, which is not there", name, id);
    auto_close int fd = open_regular(dir, pages->name, &st, err);
    if (fd < 0)
        return -1;
    if ((uint64_t)st.st_size != c.bytes)
        return error_set(err, ERR_CORRUPT, "'%s' has %lld bytes, but %llu according to '%s'", pages->name, (long long)st.st_size,
                         (unsigned long long)c.bytes, name);
    if (pages->cuts)
        return error_set(err, ERR_CORRUPT, "'%s' belongs to two pagemaps, of them '%s'", pages->name, name);
    if (c.unfit || c.count == 0)
        return 0;
    pages->cuts = steal(cuts);
    pages->cut_count = c.count;
    *total += c.count;
    return 0;
}

static bool is_pagemap(const char *name)
{
    size_t len = strlen(name);
    return strncmp(name, "pagemap-", 8) == 0 && len > 12 && strcmp(name + len - 4, ".img") == 0;
}

int criu_images_read(int dir, struct criu_images *out, struct error *err)
{
    struct criu_images images = { 0 };
    size_t total = 0;
    int r = list_files(dir, &images, err);
    for (size_t i = 0; i < images.count && r == 0; i++)
        if (is_pagemap(images.files[i].name))
            r = apply_pagemap(dir, &images, images.files[i].name, &total, err);
    if (r < 0)
        criu_images_release(&images);
    else
        *out = images;
    return r;
}

void criu_images_release(struct criu_images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        free(images->files[i].name);
        free(images->files[i].cuts);
    }
    free(images->files);
    *images = (struct criu_images){ 0 };
}

/* ---- the tree ---- */

/* Groups and sessions count as well: criu makes a process of that number for those whose leader is gone. The first thread is the process;
 * of one that has ended and is not waited for, criu writes no true number there. */
static uint32_t highest_number(const CriuImage__Process *p)
{
    uint32_t highest = p->pid;
    highest = p->pgid > highest ? p->pgid : highest;
    highest = p->sid > highest ? p->sid : highest;
    for (size_t i = 1; i < p->n_threads; i++)
        highest = p->threads[i] > highest ? p->threads[i] : highest;
    return highest;
}

int criu_image_last_pid(int dir, pid_t *last, struct error *err)
{
    __attribute__((cleanup(records_release))) struct records r;
    ProtobufCMessage *message;
    uint32_t highest = 0;
    if (records_open(&r, dir, "pstree.img", MAGIC_PSTREE, err) < 0)
        return -1;
    do {
        if (records_next(&r, &criu_image__process__descriptor, &message, err) < 0)
            return -1;
        uint32_t one = message ? highest_number((CriuImage__Process *)message) : 0;
        highest = one > highest ? one : highest;
        if (message)
            protobuf_c_message_free_unpacked(message, NULL);
    } while (message);
    if (highest == 0 || highest > PID_LAST)
        return corrupt(&r, err);
    *last = (pid_t)highest;
    return 0;
}

/* ---- what CRIU measured ---- */

int criu_image_frozen_us(int dir, int64_t *us, struct error *err)
{
    __attribute__((cleanup(records_release))) struct records r;
    ProtobufCMessage *message;
    if (records_open_as(&r, dir, "stats-dump", (const uint32_t[]){ MAGIC_SERVICE, MAGIC_STATS }, err) < 0 ||
        records_next(&r, &criu_image__stats__descriptor, &message, err) < 0)
        return -1;
    const CriuImage__DumpStats *dump = message ? ((CriuImage__Stats *)message)->dump : NULL;
    int result = dump ? 0 : corrupt(&r, err);
    if (dump)
        *us = (int64_t)dump->freezing_us + dump->frozen_us;
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
    return result;
}
