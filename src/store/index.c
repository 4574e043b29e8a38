#include "store/index.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUCKET_ENTRIES = INDEX_BUCKET / INDEX_ENTRY };

static off_t bucket_of(const struct digest *digest)
{
    return (off_t)(digest->bytes[0] << 8 | digest->bytes[1]) % INDEX_BUCKETS * INDEX_BUCKET;
}

static int open_index(int shared, int flags)
{
    return openat(shared, "index", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

static bool look_up(int shared, const struct digest *digest, struct pack_id *id)
{
    uint8_t bucket[INDEX_BUCKET];
    auto_close int fd = open_index(shared, O_RDONLY);
    if (fd < 0 || pread(fd, bucket, sizeof bucket, bucket_of(digest)) != sizeof bucket)
        return false;
    for (int i = 0; i < BUCKET_ENTRIES; i++) {
        const uint8_t *entry = bucket + i * INDEX_ENTRY;
        if (memcmp(entry, digest->bytes, sizeof digest->bytes) != 0)
            continue;
        memcpy(id->bytes, entry + sizeof digest->bytes, sizeof id->bytes);
        return true;
    }
    return false;
}

/* With the lock held. A link that cannot be made (the pack is gone, or this file system has none) is a chunk that is not there. A
 * pack that has its name in this directory already is one of an older generation's, and stays whatever becomes of this one. */
static bool put_on_shelf(struct store_capture *c, int shared, const struct pack_id *id)
{
    char name[33];
    struct error ignored;
    if (shelf_pack(&c->shelf, id))
        return !shelf_pack(&c->shelf, id)->worn;
    pack_id_print(id, name);
    bool own = linkat(shared, name, c->packs_dir, name, 0) < 0;
    if (own && errno != EEXIST)
        return false;
    bool added = shelf_add(&c->shelf, id, &ignored) == 0;
    if (own)
        return added && !shelf_pack(&c->shelf, id)->worn;
    if (!added) {
        unlinkat(c->packs_dir, name, 0);
        return false;
    }
    c->linked = mem_grow(c->linked, &c->linked_capacity, c->linked_count + 1, sizeof *c->linked);
    c->linked[c->linked_count++] = *id;
    return true;
}

bool index_link(struct store_capture *c, struct crew_worker *worker, const struct digest *digest, size_t bytes)
{
    struct pack_id id;
    struct shelf_chain chain;
    struct error ignored;
    auto_close int shared = -1;
    if (bytes < INDEX_CHUNK_MIN || layout_open_shared(c->store, c->job_dir, false, &shared, &ignored) != 0 || !look_up(shared, digest, &id))
        return false;
    auto_free uint8_t *chunk = mem_zero(1, STORE_CHUNK_BYTES);
    pthread_mutex_lock(&c->lock);
    bool good = put_on_shelf(c, shared, &id) && shelf_usable(&c->shelf, digest, &chain) &&
                shelf_fetch(&c->shelf, digest, bytes, chunk, worker->coder, &ignored) == 0;
    pthread_mutex_unlock(&c->lock);
    return good;
}

static void put_entry(int fd, const struct digest *digest, const struct pack_id *id)
{
    static const uint8_t none[INDEX_ENTRY];
    uint8_t bucket[INDEX_BUCKET] = { 0 };
    off_t at = bucket_of(digest);
    int place = digest->bytes[2] % BUCKET_ENTRIES; /* of the one that is forgotten */
    if (pread(fd, bucket, sizeof bucket, at) < 0)
        return;
    for (int i = BUCKET_ENTRIES; i-- > 0;)
        if (memcmp(bucket + i * INDEX_ENTRY, none, sizeof none) == 0 || memcmp(bucket + i * INDEX_ENTRY, digest->bytes, 32) == 0)
            place = i;
    memcpy(bucket + place * INDEX_ENTRY, digest->bytes, 32);
    memcpy(bucket + place * INDEX_ENTRY + 32, id->bytes, sizeof id->bytes);
    (void)!pwrite(fd, bucket, sizeof bucket, at);
}

static void put_pack(int fd, const struct pack *pack)
{
    for (size_t i = 0; i < pack->count; i++)
        if (pack->records[i].depth == 0 && pack->records[i].bytes >= INDEX_CHUNK_MIN)
            put_entry(fd, &pack->records[i].digest, &pack->id);
}

static bool worth_sharing(const struct pack *pack)
{
    for (size_t i = 0; i < pack->count; i++)
        if (pack->records[i].depth == 0 && pack->records[i].bytes >= INDEX_CHUNK_MIN)
            return true;
    return false;
}

void index_add(struct store *store, int job_dir, int packs_dir, const struct pack *pack)
{
    char name[33];
    struct error ignored;
    auto_close int shared = -1;
    if (!worth_sharing(pack) || layout_open_shared(store, job_dir, true, &shared, &ignored) != 0)
        return;
    pack_id_print(&pack->id, name);
    if (fault_point("store.index.link") < 0 || (linkat(packs_dir, name, shared, name, 0) < 0 && errno != EEXIST))
        return;
    auto_close int fd = open_index(shared, O_RDWR | O_CREAT);
    if (fd >= 0 && fault_point("store.index.write") == 0)
        put_pack(fd, pack);
}

struct rebuild {
    struct store *store;
    int fd;
};

static int take_up(void *data, int dir, const char *name, struct error *err)
{
    struct rebuild *r = data;
    struct stat st;
    struct pack_id id;
    struct pack pack;
    struct error ignored;
    if (!pack_id_parse(name, &id) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (st.st_nlink == 1) { /* somebody may link it this moment; then it lives on under that name */
        if (fault_point("store.gc.shared") < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
            return error_sys(err, "cannot remove pack '%s'", name);
        return 0;
    }
    if (r->fd >= 0 && pack_open(dir, &id, &r->store->seal, &pack, &ignored) == 0) {
        put_pack(r->fd, &pack);
        pack_close(&pack);
    }
    return 0;
}

static int rebuild_one(void *data, int dir, const char *name, struct error *err)
{
    struct rebuild *r = data;
    auto_close int shared = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (shared < 0)
        return 0; /* not ours */
    unlinkat(shared, "index", 0);
    auto_close int fd = open_index(shared, O_RDWR | O_CREAT);
    r->fd = fd;
    return layout_each_name(shared, take_up, r, err);
}

int index_rebuild(struct store *store, struct error *err)
{
    struct rebuild r = { .store = store };
    auto_close int all = openat(store->dir, LAYOUT_SHARED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (all < 0)
        return errno == ENOENT ? 0 : error_sys(err, "cannot open '%s'", LAYOUT_SHARED);
    return layout_each_name(all, rebuild_one, &r, err);
}
