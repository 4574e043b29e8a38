/*
 * An archive comes from anywhere. So: its manifest is believed when its HMAC fits a key that the caller trusts, or when the
 * caller said that it need not; names in it are compared with the few that are expected and never used as paths; sizes are known
 * from the manifest and meet the quota before a byte is written; tables of packs are checked like the manifest, and signed anew;
 * and every chunk in them, whether the manifest names it or not, is put together and compared with its digest before a manifest
 * of this store names the packs: later captures believe the table.
 */
#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/archive.h"
#include "store/fence.h"
#include "store/digest.h"
#include "store/pack_format.h"
#include "store/reader.h"
#include "store/space.h"
#include "store/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 256 << 10 };

struct import {
    struct store *store;
    const struct seal *seal; /* of where it comes from; NULL: it is not looked at */
    struct seal foreign;
    uid_t uid;
    int fd;
    int job_dir, packs_dir;
    bool first;
    struct manifest m;
    size_t packs; /* so many of the manifest's have been made */
    const struct store_progress *progress;
    int64_t done, total;
    bool kept;
};

static void release(struct import *im)
{
    char name[33], mark[40];
    for (size_t i = 0; i < im->packs && !im->kept; i++) {
        unlinkat(im->packs_dir, pack_id_print(&im->m.packs[i].id, name), 0);
        snprintf(mark, sizeof mark, "%s.bad", name); /* verification may have found it */
        unlinkat(im->packs_dir, mark, 0);
    }
    manifest_release(&im->m);
    file_close(&im->packs_dir);
    file_close(&im->job_dir);
}

static int choose_seal(struct import *im, const struct store_trust *trust, struct error *err)
{
    im->seal = trust->unverified ? NULL : trust->key_path ? &im->foreign : &im->store->seal;
    return trust->unverified || !trust->key_path ? 0 : seal_open(trust->key_path, false, &im->foreign, err);
}

static int expect(struct import *im, const char *expected, int64_t max, int64_t *size, struct error *err)
{
    char name[TAR_NAME + 1];
    int r = tar_get(im->fd, name, size, err);
    if (r < 0)
        return -1;
    if (r == TAR_END)
        return error_set(err, ERR_CORRUPT, "it ends before '%s'", expected);
    if (strcmp(name, expected) != 0)
        return error_set(err, ERR_CORRUPT, "it has '%s' where '%s' belongs", name, expected);
    return *size > max ? error_set(err, ERR_LIMIT, "'%s' in it has %lld bytes, and may have %lld", name, (long long)*size, (long long)max) : 0;
}

static int read_text(struct import *im, const char *name, int64_t max, struct buf *text, struct error *err)
{
    int64_t size;
    char block[4096];
    if (expect(im, name, max, &size, err) < 0)
        return -1;
    buf_clear(text);
    for (int64_t left = size; left > 0;) {
        size_t n = left < (int64_t)sizeof block ? (size_t)left : sizeof block;
        if (tar_read(im->fd, block, n, err) < 0)
            return -1;
        buf_add(text, block, n);
        left -= (int64_t)n;
    }
    return tar_skip_pad(im->fd, size, err);
}

static int read_manifest(struct import *im, struct error *err)
{
    auto_buf struct buf text = { .max = STORE_MANIFEST_MAX };
    struct error why;
    if (read_text(im, ARCHIVE_DIR "manifest", STORE_MANIFEST_MAX, &text, err) < 0)
        return -1;
    if (manifest_parse(buf_cstr(&text), text.len, im->seal, &im->m, NULL, err) == 0)
        return 0;
    struct manifest m = { 0 };
    if (im->seal && manifest_parse(buf_cstr(&text), text.len, NULL, &m, NULL, &why) == 0) {
        manifest_release(&m);
        return error_set(err, ERR_DENIED, "it is signed with another key, or changed by somebody: give the key of the store that it comes "
                         "from with --key, or --unverified to believe it all the same");
    }
    return error_wrap(err, "its manifest");
}

static int check_room(struct import *im, struct error *err)
{
    int64_t room;
    char reason[SPACE_TEXT];
    if (space_left(im->store, im->uid, &room, reason, err) < 0)
        return -1;
    for (size_t i = 0; i < im->m.pack_count; i++) {
        if (im->m.packs[i].bytes > PACK_BYTES + 64 * (int64_t)STORE_CHUNK_BYTES + (int64_t)PACK_RECORDS_MAX * PACK_RECORD)
            return error_set(err, ERR_LIMIT, "it has a pack of %lld bytes", (long long)im->m.packs[i].bytes);
        im->total += im->m.packs[i].bytes;
        if (im->total > room)
            return error_set(err, ERR_LIMIT, "%s", reason);
    }
    return 0;
}

/* ---- packs ---- */

static int copy_pack(struct import *im, int fd, int64_t size, struct error *err)
{
    auto_free uint8_t *block = mem_zero(1, BLOCK);
    for (int64_t left = size; left > 0;) {
        size_t n = left < BLOCK ? (size_t)left : BLOCK;
        if (tar_read(im->fd, block, n, err) < 0)
            return -1;
        if (fault_point("store.import.write") < 0)
            return error_sys(err, "cannot write");
        if (file_write_all(fd, block, n, err) < 0)
            return -1;
        left -= (int64_t)n;
        im->done += (int64_t)n;
        if (im->progress)
            im->progress->fn(im->progress->data, im->done, im->total);
    }
    return tar_skip_pad(im->fd, size, err);
}

/* Checks the table, and signs it with this store's key. */
static int sign_pack(struct import *im, const struct pack_id *id, int fd, struct error *err)
{
    struct pack pack;
    struct digest mac;
    uint8_t tail[PACK_TAIL];
    int r = pack_open(im->packs_dir, id, im->seal, &pack, err);
    if (r != 0)
        return r < 0 ? -1 : error_set(err, ERR_CORRUPT, "it vanished");
    auto_free uint8_t *table = mem_zero(pack.count + 1, PACK_RECORD);
    for (size_t i = 0; i < pack.count; i++)
        pack_put_record(table + i * PACK_RECORD, &pack.records[i]);
    pack_seal(&im->store->seal, id, table, pack.count, &mac);
    pack_put_tail(tail, pack.count, &mac);
    size_t bytes = pack.count * PACK_RECORD;
    off_t at = (off_t)(pack.size - PACK_TAIL) - (off_t)bytes;
    if (pwrite(fd, table, bytes, at) != (ssize_t)bytes || pwrite(fd, tail, sizeof tail, at + (off_t)bytes) != (ssize_t)sizeof tail)
        r = error_sys(err, "cannot sign it");
    pack_close(&pack);
    if (r == 0 && (fault_point("store.import.sync") < 0 || fdatasync(fd) < 0))
        r = error_sys(err, "cannot make it durable");
    return r;
}

static int take_pack(struct import *im, const struct manifest_pack *pack, struct error *err)
{
    char id[33];
    int64_t size;
    auto_free char *name = mem_printf(ARCHIVE_DIR "packs/%s", pack_id_print(&pack->id, id));
    if (expect(im, name, pack->bytes, &size, err) < 0)
        return -1;
    if (size != pack->bytes)
        return error_set(err, ERR_CORRUPT, "pack '%s' has %lld bytes instead of %lld", id, (long long)size, (long long)pack->bytes);
    auto_close int fd = openat(im->packs_dir, id, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERR_INVALID, "pack '%s' is in the store already", id);
    if (fd < 0)
        return error_sys(err, "cannot create pack '%s'", id);
    im->packs++;
    if (copy_pack(im, fd, size, err) < 0)
        return -1;
    return sign_pack(im, &pack->id, fd, err) < 0 ? error_wrap(err, "pack '%s'", id) : 0;
}

/* ---- the whole ---- */

static int open_target(struct import *im, const char *job, int generation, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    if (layout_open_job(im->store, job, true, &im->job_dir, err) < 0 || layout_lock(im->job_dir, im->store->patience_us, err) < 0 ||
        layout_open_packs(im->job_dir, true, &im->packs_dir, err) < 0 || space_own(im->job_dir, im->uid, err) < 0 ||
        layout_list(im->job_dir, &generations, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (generations[i] == generation)
            return error_set(err, ERR_INVALID, "job %s has a checkpoint %d already", job, generation);
    im->first = count == 0;
    return 0;
}

/* ---- what the manifest does not name ---- */

/* Bases, and what nobody asked for. */
struct others {
    struct reader reader;
    const struct pack_record **list;
    size_t count, capacity, next;
};

static int list_others(const struct manifest *m, struct others *o, struct error *err)
{
    char text[65];
    auto_digest_set struct digest_set named = { 0 }, seen = { 0 };
    for (size_t i = 0; i < m->entry_count; i++)
        for (size_t k = 0; k < m->entries[i].chunk_count; k++)
            digest_set_add(&named, &m->entries[i].chunks[k]);
    for (size_t i = 0; i < o->reader.shelf.count; i++)
        for (size_t k = 0; k < o->reader.shelf.packs[i]->count; k++) {
            const struct pack_record *r = &o->reader.shelf.packs[i]->records[k];
            if (!digest_set_add(&seen, &r->digest))
                return error_set(err, ERR_CORRUPT, "it has chunk '%s' twice", digest_print(&r->digest, text));
            if (digest_set_has(&named, &r->digest))
                continue;
            o->list = mem_grow(o->list, &o->capacity, o->count + 1, sizeof *o->list);
            o->list[o->count++] = r;
        }
    return 0;
}

static int verify_next(void *ctx, struct crew_worker *worker, struct error *err)
{
    struct others *o = ctx;
    pthread_mutex_lock(&o->reader.lock);
    const struct pack_record *r = o->next < o->count ? o->list[o->next++] : NULL;
    pthread_mutex_unlock(&o->reader.lock);
    return r ? shelf_fetch(&o->reader.shelf, &r->digest, r->bytes, worker->data, worker->coder, err) : CREW_DONE;
}

static int verify_others(struct import *im, struct error *err)
{
    struct others o = { 0 };
    if (reader_open(&o.reader, im->store, &im->m, NULL, err) < 0)
        return -1;
    int r = list_others(&im->m, &o, err);
    if (r == 0 && o.count > 0)
        r = crew_loop(verify_next, &o, (int64_t)o.count * STORE_CHUNK_BYTES, err);
    free(o.list);
    reader_close(&o.reader);
    return r;
}

static int commit(struct import *im, const char *job, int generation, struct error *err)
{
    im->m.generation = generation;
    im->m.parent = 0;
    im->m.stint = 0;
    snprintf(im->m.job, sizeof im->m.job, "%s", job);
    if (store_verify(im->store, &im->m, NULL, err) < 0 || verify_others(im, err) < 0 ||
        commit_directories(im->store, im->job_dir, im->packs_dir, im->first, err) < 0)
        return -1;
    int r = commit_manifest(im->store, im->job_dir, &im->m, NULL, err);
    if (r > 0)
        return error_set(err, ERR_INVALID, "job %s has a checkpoint %d already, or a stint", job, generation);
    im->kept = r == 0;
    return r;
}

static int import(struct import *im, const char *job, int generation, struct buf *note, struct error *err)
{
    char name[TAR_NAME + 1];
    int64_t size;
    if (read_manifest(im, err) < 0 || read_text(im, ARCHIVE_DIR "note", ARCHIVE_NOTE_MAX, note, err) < 0 || check_room(im, err) < 0 ||
        open_target(im, job, generation, err) < 0)
        return -1;
    for (size_t i = 0; i < im->m.pack_count; i++)
        if (take_pack(im, &im->m.packs[i], err) < 0)
            return -1;
    int r = tar_get(im->fd, name, &size, err);
    if (r != TAR_END)
        return r < 0 ? -1 : error_set(err, ERR_CORRUPT, "it has '%s', which does not belong there", name);
    return commit(im, job, generation, err);
}

int store_import(struct store *store, int fd, const char *job, int generation, const struct store_trust *trust,
                 struct buf *note, const struct store_progress *progress, struct error *err)
{
    struct import im = { .store = store, .fd = fd, .job_dir = -1, .packs_dir = -1, .progress = progress,
                         .uid = trust->owner ? trust->owner->uid : geteuid() };
    int r = choose_seal(&im, trust, err);
    if (r == 0)
        r = import(&im, job, generation, note, err);
    release(&im);
    return r < 0 ? error_wrap(err, "the archive") : 0;
}
