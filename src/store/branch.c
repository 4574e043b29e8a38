/*
 * A new generation out of an old one. Nothing is copied: the new manifest names the same packs, which get names in the other
 * job's directory. Rewinding is that within one job: the generation that is gone back to becomes the newest, and the one it goes on
 * from, so what a job falls back on is what was before it, not what was rewound.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/fence.h"
#include "store/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct branch {
    struct store *store;
    const char *from_job;
    int from_dir, from_packs, to_dir, to_packs;
    bool first;
};

static void close_all(struct branch *b)
{
    int *fds[] = { &b->from_packs, &b->from_dir, &b->to_packs, &b->to_dir };
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        file_close(fds[i]);
}
#define auto_branch __attribute__((cleanup(close_all)))

/* Where there are no hard links, or no more of them, there is a copy. */
static int copy_pack(struct branch *b, const char *name, struct error *err)
{
    int64_t copied;
    auto_free char *temp = mem_printf("%s.tmp", name);
    auto_close int in = openat(b->from_packs, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int out = in < 0 ? -1 : openat(b->to_packs, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return error_sys(err, "cannot copy pack '%s'", name);
    if (file_copy(in, out, -1, &copied, err) < 0 || file_sync(out, temp, err) < 0)
        return error_wrap(err, "pack '%s'", name);
    return renameat(b->to_packs, temp, b->to_packs, name) < 0 ? error_sys(err, "cannot name pack '%s'", name) : 0;
}

static int share_pack(struct branch *b, const struct pack_id *id, struct error *err)
{
    char name[33];
    pack_id_print(id, name);
    if (fault_point("store.branch.link") < 0)
        return error_sys(err, "cannot share pack '%s'", name);
    if (linkat(b->from_packs, name, b->to_packs, name, 0) == 0 || errno == EEXIST)
        return 0;
    if (errno == EPERM || errno == EMLINK || errno == ENOTSUP)
        return copy_pack(b, name, err);
    if (errno == ENOENT)
        return error_set(err, ERR_CORRUPT, "its pack '%s' is missing", name);
    return error_sys(err, "cannot share pack '%s'", name);
}

static int share_owner(struct branch *b, struct error *err)
{
    auto_buf struct buf text = { .max = 64 };
    int r = file_read(b->from_dir, "owner", &text, err);
    if (r == 0)
        r = space_own(b->to_dir, (uid_t)strtoul(buf_cstr(&text), NULL, 10), err);
    return r < 0 ? -1 : 0;
}

static int share_packs(struct branch *b, const struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < m->pack_count; i++)
        if (share_pack(b, &m->packs[i].id, err) < 0)
            return -1;
    return share_owner(b, err);
}

static int open_target(struct branch *b, const char *job, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    if (layout_open_job(b->store, job, true, &b->to_dir, err) < 0 || layout_lock(b->to_dir, b->store->patience_us, err) < 0 ||
        layout_open_packs(b->to_dir, true, &b->to_packs, err) < 0 || layout_list(b->to_dir, &generations, &count, err) < 0)
        return -1;
    b->first = count == 0;
    return 0;
}

/* With the lock held: whoever had it before may have removed the generation, and the packs that only it needed. In another job that
 * would have shown when they were linked. */
static int check_source(const struct branch *b, int generation, struct error *err)
{
    char name[LAYOUT_NAME];
    if (faccessat(b->from_dir, layout_name(generation, "manifest", name), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    return errno == ENOENT ? STORE_ABSENT : error_sys(err, "cannot look at '%s'", name);
}

static int branch(struct branch *b, const char *to_job, struct manifest *m, struct error *err)
{
    bool same = strcmp(b->from_job, to_job) == 0;
    if (open_target(b, to_job, err) < 0)
        return -1;
    int r = same ? check_source(b, m->parent, err) : share_packs(b, m, err);
    if (r != 0)
        return r;
    snprintf(m->job, sizeof m->job, "%s", to_job);
    if (commit_directories(b->store, b->to_dir, b->to_packs, b->first, err) < 0)
        return -1;
    return commit_manifest(b->store, b->to_dir, m, NULL, err);
}

int store_branch(struct store *store, const char *from_job, int from_generation, const char *to_job, int to_generation,
                 int stint, struct error *err)
{
    auto_branch struct branch b = { .store = store, .from_job = from_job, .from_dir = -1, .from_packs = -1, .to_dir = -1, .to_packs = -1 };
    auto_manifest struct manifest m = { 0 };
    int r = layout_open_job(store, from_job, false, &b.from_dir, err);
    if (r == 0)
        r = layout_manifest(store, b.from_dir, from_generation, &m, NULL, err);
    if (r == 0)
        r = layout_open_packs(b.from_dir, false, &b.from_packs, err);
    if (r == 0) {
        m.parent = strcmp(from_job, to_job) == 0 ? from_generation : 0;
        m.generation = to_generation;
        m.stint = stint;
        m.created_us = clock_wall_us();
        m.new_bytes = 0;
        r = branch(&b, to_job, &m, err);
    }
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", from_generation, from_job) : r;
}
