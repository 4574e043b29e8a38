/*
 * The order of a push is that of a commit: packs first, then the manifest, then the mark. Whatever is interrupted is done again; a
 * pack that is there with the right size is not sent twice. All files are open before anything is sent, so that the local
 * store may remove them meanwhile.
 */
#include "store/transport.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/fence.h"
#include "store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


/* ---- names ---- */

static char *manifest_name(const char *job, int generation)
{
    char name[LAYOUT_NAME];
    return mem_printf("%s/%s", job, layout_name(generation, "manifest", name));
}

static char *pack_name(const char *job, const struct pack_id *id)
{
    char name[33];
    return mem_printf("%s/packs/%s", job, pack_id_print(id, name));
}

/* The mark of a generation that has gone meanwhile would mark nothing. */
static int mark_safe(int job_dir, int generation, struct error *err)
{
    char name[LAYOUT_NAME], manifest[LAYOUT_NAME];
    if (faccessat(job_dir, layout_name(generation, "manifest", manifest), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    auto_close int fd = openat(job_dir, layout_name(generation, "safe", name), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot make '%s'", name);
    return layout_sync(job_dir, "job directory", "store.safe.sync", err);
}

/* ---- push ---- */

struct push {
    struct store *store;
    struct remote *remote;
    const char *job;
    int job_dir, packs_dir;
    int *fds; /* of the packs of the generation that is on its way */
    struct manifest m;
    struct buf text;
};

static void end_generation(struct push *p)
{
    for (size_t i = 0; i < p->m.pack_count && p->fds; i++)
        file_close(&p->fds[i]);
    free(p->fds);
    p->fds = NULL;
    manifest_release(&p->m);
    buf_release(&p->text);
}

/* Outcome STORE_ABSENT: it has been removed this moment. */
static int begin_generation(struct push *p, int generation, struct error *err)
{
    char name[LAYOUT_NAME], id[33];
    p->text.max = STORE_MANIFEST_MAX;
    int r = layout_read_text(p->job_dir, layout_name(generation, "manifest", name), &p->text, err);
    if (r == 0)
        r = manifest_parse(buf_cstr(&p->text), p->text.len, &p->store->seal, &p->m, NULL, err);
    if (r != 0)
        return r;
    p->fds = mem_zero(p->m.pack_count + 1, sizeof *p->fds);
    for (size_t i = 0; i < p->m.pack_count; i++)
        p->fds[i] = -1;
    for (size_t i = 0; i < p->m.pack_count; i++) {
        p->fds[i] = openat(p->packs_dir, pack_id_print(&p->m.packs[i].id, id), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (p->fds[i] < 0)
            return errno == ENOENT ? STORE_ABSENT : error_sys(err, "cannot open pack '%s'", id);
    }
    return 0;
}

static int send_pack(struct push *p, size_t index, struct error *err)
{
    int64_t size = 0;
    auto_free char *name = pack_name(p->job, &p->m.packs[index].id);
    int r = remote_has(p->remote, name, &size, err);
    if (r < 0 || (r == 0 && size == p->m.packs[index].bytes))
        return r;
    return remote_put(p->remote, name, p->fds[index], p->m.packs[index].bytes, NULL, err);
}

static int send_text(struct push *p, struct error *err)
{
    auto_free char *name = manifest_name(p->job, p->m.generation);
    auto_close int fd = memfd_create("manifest", MFD_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot get memory for the manifest");
    if (file_write_all(fd, p->text.data, p->text.len, err) < 0)
        return -1;
    return remote_put(p->remote, name, fd, (int64_t)p->text.len, NULL, err);
}

static int send_generation(struct push *p, int generation, struct error *err)
{
    int r = begin_generation(p, generation, err);
    for (size_t i = 0; r == 0 && i < p->m.pack_count; i++)
        r = send_pack(p, i, err);
    if (r == 0)
        r = send_text(p, err);
    if (r == 0)
        r = mark_safe(p->job_dir, generation, err);
    end_generation(p);
    return r;
}

/* ---- what is not needed there any more ---- */

struct tidy {
    const struct layout_heads *heads;
    const char *job;
    char **names; /* to be removed: manifests before packs */
    size_t count, capacity;
    bool packs;
};

static bool is_needed(const struct tidy *t, const char *name)
{
    struct pack_id id;
    char expected[LAYOUT_NAME];
    if (strncmp(name, "packs/", 6) == 0)
        return !pack_id_parse(name + 6, &id) || layout_names(t->heads, &id);
    for (size_t i = 0; i < t->heads->count; i++)
        if (strcmp(name, layout_name(t->heads->list[i].generation, "manifest", expected)) == 0)
            return true;
    return false;
}

static bool list_unneeded(void *data, const char *name, int64_t size)
{
    struct tidy *t = data;
    const char *inside = name + strlen(t->job) + 1;
    (void)size;
    if ((strncmp(inside, "packs/", 6) == 0) == t->packs && !is_needed(t, inside)) {
        t->names = mem_grow(t->names, &t->capacity, t->count + 1, sizeof *t->names);
        t->names[t->count++] = mem_dup(name);
    }
    return true;
}

/* Manifests first, then packs: a manifest without its packs must not be seen. */
static int tidy(struct remote *remote, const char *job, const struct layout_heads *heads, struct error *err)
{
    struct tidy t = { .heads = heads, .job = job };
    auto_free char *prefix = mem_printf("%s/", job);
    int r = remote_list(remote, prefix, list_unneeded, &t, err);
    t.packs = true;
    if (r == 0)
        r = remote_list(remote, prefix, list_unneeded, &t, err);
    for (size_t i = 0; i < t.count; i++) {
        if (r == 0)
            r = remote_remove(remote, t.names[i], err);
        free(t.names[i]);
    }
    free(t.names);
    return r;
}

static int push_all(struct push *p, bool all, void (*told)(void *data, const char *job, int generation), void *data, struct error *err)
{
    auto_heads struct layout_heads heads = { 0 };
    bool any = false;
    if (layout_heads(p->store, p->job_dir, &heads, err) < 0)
        return -1;
    for (size_t i = heads.count; i-- > 0;) {
        if (strcmp(heads.list[i].kind, "checkpoint") != 0)
            continue;
        if (layout_has_mark(p->job_dir, heads.list[i].generation, "safe")) {
            if (all)
                told(data, p->job, heads.list[i].generation);
            continue;
        }
        int r = send_generation(p, heads.list[i].generation, err);
        if (r < 0)
            return error_wrap(err, "checkpoint %d", heads.list[i].generation);
        if (r == 0)
            told(data, p->job, heads.list[i].generation);
        any = any || r == 0;
    }
    layout_heads_release(&heads);
    if (!any)
        return 0;
    if (layout_heads(p->store, p->job_dir, &heads, err) < 0)
        return -1;
    return heads.count == 0 || heads.unreadable > 0 ? 0 : tidy(p->remote, p->job, &heads, err);
}

int transport_push(struct store *store, struct remote *remote, const char *job, bool all,
                   void (*told)(void *data, const char *job, int generation), void *data, struct error *err)
{
    struct push p = { .store = store, .remote = remote, .job = job, .job_dir = -1, .packs_dir = -1 };
    int r = layout_open_job(store, job, false, &p.job_dir, err);
    if (r == 0)
        r = layout_open_packs(p.job_dir, false, &p.packs_dir, err);
    if (r == 0)
        r = push_all(&p, all, told, data, err);
    file_close(&p.packs_dir);
    file_close(&p.job_dir);
    return r < 0 ? error_wrap(err, "job %s", job) : 0;
}

/* ---- pull ---- */

struct newest {
    struct store *store;
    const char *job;
    int generation;
};

static bool find_newest(void *data, const char *name, int64_t size)
{
    struct newest *n = data;
    const char *inside = name + strlen(n->job) + 1;
    char again[LAYOUT_NAME];
    int generation = (int)strtol(inside, NULL, 10);
    (void)size;
    if (generation > n->generation && !transport_is_gone(n->store, n->job, generation) && strcmp(inside, layout_name(generation, "manifest", again)) == 0)
        n->generation = generation;
    return true;
}

struct pull {
    struct store *store;
    struct remote *remote;
    const char *job;
    int job_dir, packs_dir;
    struct manifest m;
    struct buf text;
};

static int fetch_text(struct pull *p, int generation, struct error *err)
{
    auto_free char *name = manifest_name(p->job, generation);
    auto_close int fd = memfd_create("manifest", MFD_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot get memory for the manifest");
    int r = remote_get(p->remote, name, fd, STORE_MANIFEST_MAX, NULL, err);
    if (r != 0)
        return r == REMOTE_ABSENT ? STORE_ABSENT : -1;
    p->text.max = STORE_MANIFEST_MAX;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_sys(err, "cannot read the manifest");
    if (file_read_fd(fd, &p->text, err) < 0 || manifest_parse(buf_cstr(&p->text), p->text.len, &p->store->seal, &p->m, NULL, err) < 0)
        return error_wrap(err, "'%s' of the remote store", name);
    if (p->m.generation != generation || strcmp(p->m.job, p->job) != 0)
        return error_set(err, ERR_CORRUPT, "'%s' of the remote store is checkpoint %d of job %s", name, p->m.generation, p->m.job);
    return 0;
}

static bool have_pack(struct pull *p, const struct manifest_pack *want)
{
    char mark[40], id[33];
    struct pack pack;
    struct error ignored;
    snprintf(mark, sizeof mark, "%s.bad", pack_id_print(&want->id, id));
    if (faccessat(p->packs_dir, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || pack_open(p->packs_dir, &want->id, &p->store->seal, &pack, &ignored) != 0)
        return false;
    bool good = pack.size == want->bytes;
    pack_close(&pack);
    return good;
}

/* Looked at first: what is here, damaged as it may be, is not given up for something worse. The name is what is replaced; the pack
 * behind it may be another job's too. */
static int place_pack(struct pull *p, const char *temp, const struct manifest_pack *want, struct error *err)
{
    char mark[40], id[33];
    struct pack pack;
    snprintf(mark, sizeof mark, "%s.bad", pack_id_print(&want->id, id));
    int r = pack_open_as(p->packs_dir, temp, &want->id, &p->store->seal, &pack, err);
    if (r != 0)
        return r < 0 ? -1 : error_set(err, ERR_CORRUPT, "'%s' vanished", temp);
    if (pack.size != want->bytes)
        r = error_set(err, ERR_CORRUPT, "pack '%s' has %lld bytes instead of %lld", id, (long long)pack.size, (long long)want->bytes);
    pack_close(&pack);
    if (r == 0 && renameat(p->packs_dir, temp, p->packs_dir, id) < 0)
        r = error_sys(err, "cannot place pack '%s'", id);
    if (r == 0)
        unlinkat(p->packs_dir, mark, 0);
    return r;
}

static int fetch_pack(struct pull *p, const struct manifest_pack *want, struct error *err)
{
    char id[33];
    if (have_pack(p, want))
        return 0;
    auto_free char *name = pack_name(p->job, &want->id);
    auto_free char *temp = mem_printf("%s.tmp", pack_id_print(&want->id, id));
    unlinkat(p->packs_dir, temp, 0);
    auto_close int fd = openat(p->packs_dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot create '%s'", temp);
    int r = remote_get(p->remote, name, fd, want->bytes, NULL, err);
    if (r == REMOTE_ABSENT)
        r = error_set(err, ERR_CORRUPT, "the remote store has no '%s'", name);
    if (r == 0 && (fault_point("store.pull.sync") < 0 || fdatasync(fd) < 0))
        r = error_sys(err, "cannot make '%s' durable", temp);
    if (r == 0)
        r = place_pack(p, temp, want, err);
    if (r < 0)
        unlinkat(p->packs_dir, temp, 0);
    return r;
}

static int fetch(struct pull *p, int generation, struct error *err)
{
    int r = fetch_text(p, generation, err);
    if (r != 0)
        return r;
    if (layout_open_job(p->store, p->job, true, &p->job_dir, err) < 0 || layout_lock(p->job_dir, p->store->patience_us, err) < 0 ||
        layout_open_packs(p->job_dir, true, &p->packs_dir, err) < 0)
        return -1;
    for (size_t i = 0; i < p->m.pack_count; i++)
        if (fetch_pack(p, &p->m.packs[i], err) < 0)
            return -1;
    if (commit_directories(p->store, p->job_dir, p->packs_dir, true, err) < 0 || commit_text(p->job_dir, generation, &p->text, err) < 0)
        return -1;
    return mark_safe(p->job_dir, generation, err);
}

int transport_pull(struct store *store, struct remote *remote, const char *job, int generation, int *got, struct error *err)
{
    struct pull p = { .store = store, .remote = remote, .job = job, .job_dir = -1, .packs_dir = -1 };
    struct newest newest = { .store = store, .job = job, .generation = generation };
    auto_free char *prefix = mem_printf("%s/", job);
    int r = generation == 0 ? remote_list(remote, prefix, find_newest, &newest, err) : 0;
    if (r == 0)
        r = newest.generation == 0 || transport_is_gone(store, job, newest.generation) ? STORE_ABSENT : fetch(&p, newest.generation, err);
    if (r == 0)
        *got = newest.generation;
    manifest_release(&p.m);
    buf_release(&p.text);
    file_close(&p.packs_dir);
    file_close(&p.job_dir);
    return r < 0 ? error_wrap(err, "checkpoint %d of job %s", newest.generation, job) : r;
}

/* ---- jobs that are gone ---- */

int transport_forget(struct remote *remote, const char *name, struct error *err)
{
    struct layout_heads none = { 0 };
    const char *at = strchr(name, '@');
    auto_free char *job = mem_dup_n(name, at ? (size_t)(at - name) : strlen(name));
    auto_free char *manifest = at ? manifest_name(job, (int)strtol(at + 1, NULL, 10)) : NULL;
    int r = at ? remote_remove(remote, manifest, err) : tidy(remote, job, &none, err);
    return r < 0 ? error_wrap(err, "job %s", job) : 0;
}

/* ---- where ---- */

static const char *const names[] = { "place", "endpoint", "region", "credentials" };

/* Cuts the text into values. */
static void parse(char *text, const char *values[4])
{
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *equals = strstr(line, " = ");
        if (!equals)
            continue;
        *equals = '\0';
        for (size_t i = 0; i < 4; i++)
            if (strcmp(line, names[i]) == 0)
                values[i] = equals + 3;
    }
}

int transport_connect(const char *store_path, struct remote **remote, struct error *err)
{
    auto_buf struct buf text = { .max = 65536 };
    const char *values[4] = { 0 };
    auto_free char *path = mem_printf("%s.remote", store_path);
    int r = file_read(AT_FDCWD, path, &text, err);
    if (r != 0)
        return r == FILE_ABSENT ? STORE_ABSENT : -1;
    auto_free char *copy = mem_dup(buf_cstr(&text));
    parse(copy, values);
    struct remote_options options = { .place = values[0], .endpoint = values[1], .region = values[2], .credentials = values[3] };
    return options.place ? remote_open(&options, remote, err) : error_set(err, ERR_CORRUPT, "'%s' names no place", path);
}
