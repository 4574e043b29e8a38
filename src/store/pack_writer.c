/*
 * Writing packs. Threads reserve their place under a lock and write beside each other.
 *
 * Large payloads go past the page cache (O_DIRECT), at places of their own that are whole blocks: what is stored is seldom read
 * again soon, and would displace what the jobs on this machine have there. One thread at a time does such a write, which keeps the
 * disk busy while the others compress. Small payloads go through the page cache. There the disk is asked to begin every
 * START_BYTES, and who is more than AHEAD_BYTES before it waits, so that little is left to wait for at the end.
 *
 * A pack is made under its own name at once. As long as no manifest names it, it is nothing, and the next capture removes it.
 */
#include "store/pack_format.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/crew.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    START_BYTES = 4 << 20,
    AHEAD_BYTES = 64 << 20,
    WINDOW_BYTES = 16 << 20,
    WINDOW_CHUNKS = 16, /* after so many it is asked again whether the disk is what is waited for */
    BLOCKED_PERCENT = 70, /* of the time somebody waits for it */
    DIRECT_MIN = 128 << 10,
};

struct writing {
    struct pack pack; /* count records so far */
    size_t capacity;
    int direct;       /* the same file, past the page cache; -1: this file system cannot */
    int64_t reserved; /* where the next payload goes */
    int64_t started;  /* the disk has been asked to write up to here */
    int64_t reached;  /* and has been waited for up to here */
    bool waiting;     /* a thread does so */
};

struct pack_writer {
    int dir;
    const struct seal *seal;
    pthread_mutex_t lock;
    struct writing *packs; /* the last one is open for more */
    size_t count, capacity;
    int64_t written;
    pthread_mutex_t disk; /* whoever writes directly */
    int64_t window_us, window_waited_us; /* when the present window began, and how long somebody waited in it */
    int window_chunks;
    bool blocked; /* in the last one the disk was the slower part */
    bool kept;
};

struct pack_writer *pack_writer_new(int dir, const struct seal *seal)
{
    struct pack_writer *w = mem_new(struct pack_writer);
    *w = (struct pack_writer){ .dir = dir, .seal = seal, .window_us = clock_boot_us() };
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->disk, NULL);
    return w;
}

void pack_writer_free(struct pack_writer *w)
{
    char name[33];
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++) {
        if (!w->kept)
            unlinkat(w->dir, pack_id_print(&w->packs[i].pack.id, name), 0);
        file_close(&w->packs[i].direct);
        pack_close(&w->packs[i].pack);
    }
    free(w->packs);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->disk);
    free(w);
}

/* With the lock held. */
static int begin_pack(struct pack_writer *w, struct error *err)
{
    uint8_t header[PACK_HEADER];
    char name[33];
    struct pack pack = { .fd = -1 };
    if (getrandom(pack.id.bytes, sizeof pack.id.bytes, 0) != (ssize_t)sizeof pack.id.bytes)
        return error_sys(err, "cannot get random bytes for a name");
    if (crew_fault("store.pack.create") < 0)
        return error_sys(err, "cannot create a pack");
    auto_close int fd = openat(w->dir, pack_id_print(&pack.id, name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot create pack '%s'", name);
    pack_put_header(header, &pack.id);
    if (file_write_all(fd, header, sizeof header, err) < 0) {
        unlinkat(w->dir, name, 0);
        return -1;
    }
    w->packs = mem_grow(w->packs, &w->capacity, w->count + 1, sizeof *w->packs);
    pack.fd = steal_fd(&fd);
    int direct = openat(w->dir, name, O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
    w->packs[w->count++] = (struct writing){ .pack = pack, .reserved = PACK_HEADER, .direct = direct };
    return 0;
}

static int64_t whole_blocks(int64_t bytes)
{
    return (bytes + PACK_BLOCK - 1) / PACK_BLOCK * PACK_BLOCK;
}

/* With the lock held: room for a payload, in which pack, and its record. */
static int reserve(struct pack_writer *w, struct pack_record *record, size_t *index, struct error *err)
{
    if ((w->count == 0 || w->packs[w->count - 1].reserved >= PACK_BYTES) && begin_pack(w, err) < 0)
        return -1;
    struct writing *p = &w->packs[w->count - 1];
    bool large = record->stored >= DIRECT_MIN;
    if (large)
        p->reserved = whole_blocks(p->reserved);
    record->offset = (uint64_t)p->reserved;
    p->reserved += large ? whole_blocks(record->stored) : record->stored;
    p->pack.records = mem_grow(p->pack.records, &p->capacity, p->pack.count + 1, sizeof *p->pack.records);
    p->pack.records[p->pack.count++] = *record;
    w->written += record->stored;
    *index = w->count - 1;
    return 0;
}

/* All of it, or what the kernel did not take: not every file system can, and what is left goes through the page cache. */
static int write_direct(int fd, const void *data, size_t len, uint64_t offset, size_t *done, struct error *err)
{
    ssize_t n = pwrite(fd, data, (size_t)whole_blocks((int64_t)len), (off_t)offset);
    if (n < 0 && errno != EINVAL && errno != EINTR)
        return error_sys(err, "cannot write");
    *done = n <= 0 ? 0 : (size_t)n < len ? (size_t)n : len;
    return 0;
}

static int write_at(int fd, const void *data, size_t len, uint64_t offset, struct error *err)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = pwrite(fd, (const uint8_t *)data + at, len - at, (off_t)(offset + at));
        if (n < 0 && errno != EINTR)
            return error_sys(err, "cannot write");
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* *waited: how long for the disk alone. */
static int write_payload(struct pack_writer *w, int fd, int direct, const struct pack_record *record, const void *data, int64_t *waited,
                         struct error *err)
{
    size_t done = 0;
    if (crew_fault("store.pack.write") < 0)
        return error_sys(err, "cannot write");
    if (direct >= 0 && record->stored >= DIRECT_MIN) {
        pthread_mutex_lock(&w->disk);
        int64_t begun = clock_boot_us();
        int r = write_direct(direct, data, record->stored, record->offset, &done, err);
        *waited = clock_boot_us() - begun;
        pthread_mutex_unlock(&w->disk);
        if (r < 0)
            return -1;
    }
    return write_at(fd, (const uint8_t *)data + done, record->stored - done, record->offset + done, err);
}

/* What the kernel says of a write that failed it says once to each descriptor: whoever hears it must not forget it. */
static int ask_disk(int fd, int64_t from, int64_t bytes, unsigned flags, struct error *err)
{
    bool failed = crew_fault("store.pack.pace") < 0;
    if (!failed)
        failed = sync_file_range(fd, from, bytes, flags) < 0 && errno != ENOSYS && errno != EINVAL && errno != ESPIPE;
    if (!failed)
        return 0;
    error_sys(err, "cannot write");
    if (err)
        err->sys = EIO; /* whatever it was: what has been written before is lost, and no room that is made brings it back */
    return -1;
}

/* Asks the disk to go on, and waits for it when it is far behind. Only one thread waits; the others compress meanwhile. */
static int pace(struct pack_writer *w, size_t index, int64_t *waited, struct error *err)
{
    pthread_mutex_lock(&w->lock);
    struct writing *p = &w->packs[index];
    int fd = p->pack.fd;
    int64_t from = p->started, to = p->reserved, behind = p->reached;
    bool start = to - from >= START_BYTES, wait = to - behind > AHEAD_BYTES && !p->waiting;
    p->started = start ? to : from;
    p->waiting = p->waiting || wait;
    pthread_mutex_unlock(&w->lock);
    if (start && ask_disk(fd, from, to - from, SYNC_FILE_RANGE_WRITE, err) < 0)
        return -1;
    if (!wait)
        return 0;
    int64_t begun = clock_boot_us();
    int r = ask_disk(fd, behind, WINDOW_BYTES, SYNC_FILE_RANGE_WAIT_BEFORE, err);
    *waited += clock_boot_us() - begun;
    pthread_mutex_lock(&w->lock);
    w->packs[index].reached = behind + WINDOW_BYTES;
    w->packs[index].waiting = false;
    pthread_mutex_unlock(&w->lock);
    return r;
}

/* A payload that could not be written leaves a gap, and no record. */
static void forget(struct pack_writer *w, size_t index, uint64_t offset)
{
    pthread_mutex_lock(&w->lock);
    struct pack *p = &w->packs[index].pack;
    for (size_t i = p->count; i-- > 0;)
        if (p->records[i].offset == offset) {
            p->records[i] = p->records[--p->count];
            break;
        }
    pthread_mutex_unlock(&w->lock);
}

static bool note_waiting(struct pack_writer *w, int64_t waited_us)
{
    int64_t now = clock_boot_us();
    pthread_mutex_lock(&w->lock);
    w->window_waited_us += waited_us;
    if (++w->window_chunks >= WINDOW_CHUNKS) {
        w->blocked = w->window_waited_us * 100 > (now - w->window_us) * BLOCKED_PERCENT;
        w->window_us = now;
        w->window_waited_us = w->window_chunks = 0;
    }
    bool blocked = w->blocked;
    pthread_mutex_unlock(&w->lock);
    return blocked;
}

int pack_append(struct pack_writer *w, struct pack_record *record, const void *payload, size_t len, bool *blocked,
                struct error *err)
{
    size_t index = 0;
    int64_t waited = 0;
    record->stored = (uint32_t)len;
    pthread_mutex_lock(&w->lock);
    int r = reserve(w, record, &index, err);
    int fd = r == 0 ? w->packs[index].pack.fd : -1, direct = r == 0 ? w->packs[index].direct : -1;
    pthread_mutex_unlock(&w->lock);
    if (r == 0 && write_payload(w, fd, direct, record, payload, &waited, err) < 0) {
        forget(w, index, record->offset);
        return -1;
    }
    if (r == 0)
        r = pace(w, index, &waited, err);
    if (r == 0)
        *blocked = note_waiting(w, waited);
    return r;
}

int64_t pack_written(struct pack_writer *w)
{
    pthread_mutex_lock(&w->lock);
    int64_t written = w->written;
    pthread_mutex_unlock(&w->lock);
    return written;
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(&((const struct pack_record *)a)->digest, &((const struct pack_record *)b)->digest, sizeof(struct digest));
}

static int write_table(struct pack_writer *w, struct writing *p, struct error *err)
{
    struct digest mac;
    uint8_t tail[PACK_TAIL];
    auto_free uint8_t *table = mem_zero(p->pack.count + 1, PACK_RECORD);
    qsort(p->pack.records, p->pack.count, sizeof *p->pack.records, by_digest);
    for (size_t i = 0; i < p->pack.count; i++)
        pack_put_record(table + i * PACK_RECORD, &p->pack.records[i]);
    pack_seal(w->seal, &p->pack.id, table, p->pack.count, &mac);
    pack_put_tail(tail, p->pack.count, &mac);
    size_t bytes = p->pack.count * PACK_RECORD;
    if (crew_fault("store.pack.table") < 0)
        return error_sys(err, "cannot write the table");
    if (write_at(p->pack.fd, table, bytes, (uint64_t)p->reserved, err) < 0 ||
        write_at(p->pack.fd, tail, sizeof tail, (uint64_t)p->reserved + bytes, err) < 0)
        return -1;
    p->pack.size = p->reserved + (int64_t)bytes + PACK_TAIL;
    return 0;
}

int pack_finish(struct pack_writer *w, struct error *err)
{
    char name[33];
    for (size_t i = 0; i < w->count; i++) {
        struct writing *p = &w->packs[i];
        pack_id_print(&p->pack.id, name);
        if (write_table(w, p, err) < 0)
            return error_wrap(err, "pack '%s'", name);
        if (fault_point("store.pack.sync") < 0 || fdatasync(p->pack.fd) < 0)
            return error_sys(err, "cannot make pack '%s' durable", name);
    }
    return 0;
}

bool pack_writer_has(struct pack_writer *w, const struct pack_id *id)
{
    bool has = false;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->count && !has; i++)
        has = memcmp(&w->packs[i].pack.id, id, sizeof *id) == 0;
    pthread_mutex_unlock(&w->lock);
    return has;
}

size_t pack_writer_count(const struct pack_writer *w)
{
    return w->count;
}

void pack_writer_get(const struct pack_writer *w, size_t index, struct pack *pack)
{
    *pack = w->packs[index].pack;
}

void pack_keep(struct pack_writer *w)
{
    w->kept = true;
}
