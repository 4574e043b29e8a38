/*
 * Quotas are checked where bytes are made, against what is on the disk at that moment: nothing is counted that could go wrong.
 * A pack that several jobs share is one file with several names: it counts once for the store, and once for each user. Whose
 * a job is stands in the file "owner" of its directory.
 *
 * The same walk answers how much there is (stint ckpt df).
 */
#include "store/space.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOW_PART = 100, LOW_MAX = 1 << 30, BLOCK = 512 };

/* ---- whose ---- */

int space_own(int job_dir, uid_t uid, struct error *err)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%u\n", (unsigned)uid);
    if (faccessat(job_dir, "owner", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    return file_replace(job_dir, "owner", text, (size_t)len, 0600, "store.owner", err);
}

static bool owned_by(int job_dir, uid_t uid)
{
    uid_t owner;
    struct error ignored;
    return layout_owner(job_dir, &owner, &ignored) == 0 && owner == uid;
}

/* ---- how much ---- */

struct sum {
    struct store *store;
    struct digest_set inodes; /* of packs with several names that have been counted */
    int64_t bytes;
    bool by_owner;
    uid_t uid;
    struct store_usage *usage; /* of each job's manifests; NULL = not wanted */
};

/* A pack of several names counts once. */
static bool is_new(struct sum *s, const struct stat *st)
{
    struct digest key = { 0 };
    uint64_t mixed = (uint64_t)st->st_ino * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(key.bytes, &mixed, sizeof mixed);
    key.bytes[sizeof mixed] = 1;
    return st->st_nlink == 1 || digest_set_add(&s->inodes, &key);
}

static int add_file(void *data, int dir, const char *name, struct error *err)
{
    struct sum *s = data;
    struct stat st;
    (void)err;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && is_new(s, &st))
        s->bytes += (int64_t)st.st_blocks * BLOCK;
    return 0;
}

static void add_dir(struct sum *s, int dir)
{
    struct error ignored;
    layout_each_name(dir, add_file, s, &ignored);
}

static void add_job(void *data, const char *job)
{
    struct sum *s = data;
    struct error ignored;
    auto_close int dir = -1, packs = -1;
    if (layout_open_job(s->store, job, false, &dir, &ignored) != 0 || (s->by_owner && !owned_by(dir, s->uid)))
        return;
    add_dir(s, dir);
    if (layout_open_packs(dir, false, &packs, &ignored) == 0)
        add_dir(s, packs);
    if (s->usage) {
        auto_heads struct layout_heads heads = { 0 };
        if (layout_heads(s->store, dir, &heads, &ignored) == 0)
            for (size_t i = 0; i < heads.count; i++)
                s->usage->logical += heads.list[i].bytes;
        s->usage->generations += (int)heads.count;
    }
}

static int add_shared_dir(void *data, int dir, const char *name, struct error *err)
{
    auto_close int shared = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    (void)err;
    if (shared >= 0)
        add_dir(data, shared);
    return 0;
}

static int total(struct sum *s, struct error *err)
{
    struct error ignored;
    int r = store_each_job(s->store, add_job, s, err);
    auto_close int all = openat(s->store->dir, LAYOUT_SHARED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r == 0 && !s->by_owner && all >= 0)
        layout_each_name(all, add_shared_dir, s, &ignored);
    digest_set_release(&s->inodes);
    return r;
}

int store_total_usage(struct store *store, struct store_usage *usage, int64_t *free_bytes, struct error *err)
{
    struct store_usage result = { 0 };
    struct sum s = { .store = store, .usage = &result };
    struct statvfs fs;
    if (total(&s, err) < 0)
        return -1;
    if (fstatvfs(store->dir, &fs) < 0)
        return error_sys(err, "cannot look at the store's file system");
    result.stored = s.bytes;
    *usage = result;
    *free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    return 0;
}

/* Its shared name does not make a pack another job's. */
static int add_shared(void *data, int dir, const char *name, struct error *err)
{
    struct sum *s = data;
    struct stat st, other;
    struct error ignored;
    struct pack_id id;
    auto_close int shared = -1, job_dir = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)err;
    if (!pack_id_parse(name, &id) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink < 2)
        return 0;
    bool has_name = layout_open_shared(s->store, job_dir, false, &shared, &ignored) == 0 &&
                    fstatat(shared, name, &other, AT_SYMLINK_NOFOLLOW) == 0 && other.st_ino == st.st_ino;
    if (st.st_nlink > (has_name ? 2u : 1u))
        s->usage->shared += (int64_t)st.st_blocks * BLOCK;
    return 0;
}

int store_job_usage(struct store *store, const char *job, struct store_usage *usage, struct error *err)
{
    struct store_usage result = { 0 };
    struct sum s = { .store = store, .usage = &result };
    struct error ignored;
    auto_close int dir = -1, packs = -1;
    int r = layout_open_job(store, job, false, &dir, err);
    if (r != 0)
        return r;
    add_job(&s, job);
    digest_set_release(&s.inodes);
    result.stored = s.bytes;
    s.usage = &result;
    if (layout_open_packs(dir, false, &packs, &ignored) == 0)
        layout_each_name(packs, add_shared, &s, &ignored);
    *usage = result;
    return 0;
}

/* ---- limits ---- */

static int64_t low_mark(const struct store *store, const struct statvfs *fs)
{
    int64_t part = (int64_t)(fs->f_blocks / LOW_PART) * (int64_t)fs->f_frsize;
    return store->limits.low_space >= 0 ? store->limits.low_space : part < LOW_MAX ? part : LOW_MAX;
}

/* `sentence` has a %s for the limit. */
static void bound(int64_t left, int64_t limit, const char *sentence, int64_t *room, char text[SPACE_TEXT])
{
    char size[UNITS_TEXT_MAX];
    const char *at = strstr(sentence, "%s");
    if (left >= *room)
        return;
    *room = left > 0 ? left : 0;
    snprintf(text, SPACE_TEXT, "%.*s%s%s", (int)(at - sentence), sentence, units_bytes(limit, size), at + 2);
}

static int bound_by_quota(struct store *store, const uid_t *uid, int64_t quota, const char *sentence, int64_t *room,
                          char text[SPACE_TEXT], struct error *err)
{
    struct sum s = { .store = store, .by_owner = uid != NULL, .uid = uid ? *uid : 0 };
    if (quota == 0)
        return 0;
    if (total(&s, err) < 0)
        return -1;
    bound(quota - s.bytes, quota, sentence, room, text);
    return 0;
}

int space_left(struct store *store, uid_t uid, int64_t *room, char text[SPACE_TEXT], struct error *err)
{
    struct statvfs fs;
    *room = INT64_MAX;
    if (fstatvfs(store->dir, &fs) < 0)
        return error_sys(err, "cannot look at the store's file system");
    int64_t low = low_mark(store, &fs);
    bound((int64_t)fs.f_bavail * (int64_t)fs.f_frsize - low, low,
          "it would leave less than %s free on the store's disk (store_low_space); the job runs on without it", room, text);
    if (bound_by_quota(store, &uid, store->limits.user_quota,
                       "its owner's checkpoints would take more than %s (store_quota_per_user); the job runs on without it: "
                       "'stint ckpt df' shows what takes the room, 'stint ckpt rm' frees it", room, text, err) < 0)
        return -1;
    return bound_by_quota(store, NULL, store->limits.quota,
                          "all checkpoints together would take more than %s (store_quota); the job runs on without it: "
                          "'stint ckpt df' shows what takes the room, 'stint ckpt rm' frees it", room, text, err);
}
