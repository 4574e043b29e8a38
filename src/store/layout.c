#include "store/layout.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

const char *layout_name(int generation, const char *what, char out[LAYOUT_NAME])
{
    snprintf(out, LAYOUT_NAME, "%06d.%s", generation, what);
    return out;
}

bool layout_has_mark(int job_dir, int generation, const char *mark)
{
    char name[LAYOUT_NAME];
    return faccessat(job_dir, layout_name(generation, mark, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The generation whose manifest has this very name, or 0. */
static int generation_of(const char *name)
{
    char again[LAYOUT_NAME];
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 9)
        return 0;
    int generation = (int)strtol(name, NULL, 10);
    return strcmp(name, layout_name(generation, "manifest", again)) == 0 ? generation : 0;
}

static int open_dir(int at, const char *name, bool make, int *dir, struct error *err)
{
    if (make && mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make directory '%s'", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && !make)
        return STORE_ABSENT;
    if (fd < 0)
        return error_sys(err, "cannot open directory '%s'", name);
    *dir = fd;
    return 0;
}

int layout_open_job(struct store *store, const char *job, bool make, int *dir, struct error *err)
{
    if (job[0] == '\0' || job[0] == '.' || strchr(job, '/') || strlen(job) > NAME_MAX)
        return error_set(err, ERR_INVALID, "'%s' is not the name of a job", job);
    return open_dir(store->dir, job, make, dir, err);
}

int layout_open_packs(int job_dir, bool make, int *dir, struct error *err)
{
    return open_dir(job_dir, "packs", make, dir, err);
}

int layout_owner(int job_dir, uid_t *uid, struct error *err)
{
    auto_buf struct buf text = { .max = 64 };
    int r = file_read(job_dir, "owner", &text, err);
    if (r != 0)
        return r == FILE_ABSENT ? STORE_ABSENT : r;
    char again[16];
    uid_t read = (uid_t)strtoul(buf_cstr(&text), NULL, 10);
    snprintf(again, sizeof again, "%u\n", (unsigned)read);
    if (strcmp(again, buf_cstr(&text)) != 0)
        return error_set(err, ERR_CORRUPT, "the file 'owner' is damaged");
    *uid = read;
    return 0;
}

int layout_open_shared(struct store *store, int job_dir, bool make, int *dir, struct error *err)
{
    char name[16];
    uid_t uid;
    auto_close int all = -1;
    int r = layout_owner(job_dir, &uid, err);
    if (r == 0)
        r = open_dir(store->dir, LAYOUT_SHARED, make, &all, err);
    if (r != 0)
        return r;
    snprintf(name, sizeof name, "%u", (unsigned)uid);
    return open_dir(all, name, make, dir, err);
}

int layout_lock(int job_dir, int64_t wait_us, struct error *err)
{
    int64_t end = clock_boot_us() + wait_us;
    while (flock(job_dir, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_sys(err, "cannot lock the job's checkpoints");
        if (clock_boot_us() > end)
            return error_set(err, ERR_LIMIT, "somebody else is writing the job's checkpoints at the moment; try again later");
        poll(NULL, 0, 2);
    }
    return 0;
}

int layout_each_name(int dir, int (*fn)(void *data, int dir, const char *name, struct error *err), void *data,
                     struct error *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        error_sys(err, "cannot list a directory");
        file_close(&fd);
        return -1;
    }
    int r = 0;
    while (r == 0) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            r = errno ? error_sys(err, "cannot list a directory") : 0;
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = fn(data, dir, e->d_name, err);
    }
    closedir(d);
    return r;
}

struct generations {
    int *list;
    size_t count;
    size_t capacity;
};

static int add_generation(void *data, int dir, const char *name, struct error *err)
{
    (void)dir;
    (void)err;
    struct generations *all = data;
    int generation = generation_of(name);
    if (generation == 0)
        return 0;
    all->list = mem_grow(all->list, &all->capacity, all->count + 1, sizeof *all->list);
    all->list[all->count++] = generation;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;
    return (left > right) - (left < right);
}

int layout_list(int job_dir, int **generations, size_t *count, struct error *err)
{
    struct generations all = { 0 };
    if (layout_each_name(job_dir, add_generation, &all, err) < 0) {
        free(all.list);
        return -1;
    }
    if (all.count > 0)
        qsort(all.list, all.count, sizeof *all.list, by_number);
    *generations = all.list;
    *count = all.count;
    return 0;
}

/* A manifest is a plain file or it is nothing: a link or FIFO there is neither followed nor waited for. */
int layout_read_text(int job_dir, const char *name, struct buf *text, struct error *err)
{
    auto_close int fd = openat(job_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return STORE_ABSENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open '%s'", name);
    if (!S_ISREG(st.st_mode) || st.st_size > STORE_MANIFEST_MAX)
        return error_set(err, ERR_CORRUPT, "'%s' is not a manifest", name);
    if (file_read_fd(fd, text, err) < 0)
        return error_wrap(err, "'%s'", name);
    return 0;
}

int layout_manifest(struct store *store, int job_dir, int generation, struct manifest *out, struct digest *mac, struct error *err)
{
    char name[LAYOUT_NAME];
    layout_name(generation, "manifest", name);
    auto_buf struct buf text = { .max = STORE_MANIFEST_MAX };
    int r = layout_read_text(job_dir, name, &text, err);
    if (r != 0)
        return r;
    auto_manifest struct manifest read = { 0 };
    if (manifest_parse(buf_cstr(&text), text.len, &store->seal, &read, mac, err) < 0)
        return error_wrap(err, "'%s'", name);
    if (read.generation != generation)
        return error_set(err, ERR_CORRUPT, "'%s' is the manifest of generation %d", name, read.generation);
    *out = read;
    read = (struct manifest){ 0 };
    return 0;
}

bool layout_damaged(const struct error *err)
{
    return err->kind != ERR_SYSTEM || err->sys == EIO || err->sys == ELOOP;
}

static void drop_entries(struct manifest *m)
{
    for (size_t i = 0; i < m->entry_count; i++)
        store_entry_release(&m->entries[i]);
    free(m->entries);
    m->entries = NULL;
    m->entry_count = 0;
}

int layout_heads(struct store *store, int job_dir, struct layout_heads *heads, struct error *err)
{
    auto_free int *generations = NULL;
    auto_heads struct layout_heads read = { 0 };
    size_t count = 0;
    if (layout_list(job_dir, &generations, &count, err) < 0)
        return -1;
    read.list = mem_zero(count + 1, sizeof *read.list);
    for (size_t i = 0; i < count; i++) {
        struct manifest *m = &read.list[read.count];
        struct error why;
        int r = layout_manifest(store, job_dir, generations[i], m, NULL, &why);
        if (r == STORE_ABSENT)
            continue; /* removed this moment */
        if (r < 0 && !layout_damaged(&why)) {
            if (err)
                *err = why;
            return -1;
        }
        read.unreadable += r < 0;
        m->generation = generations[i];
        drop_entries(m);
        read.count++;
    }
    *heads = read;
    read = (struct layout_heads){ 0 };
    return 0;
}

void layout_heads_release(struct layout_heads *heads)
{
    for (size_t i = 0; i < heads->count; i++)
        manifest_release(&heads->list[i]);
    free(heads->list);
    *heads = (struct layout_heads){ 0 };
}

const struct manifest *layout_newest(const struct layout_heads *heads)
{
    for (size_t i = heads->count; i-- > 0;)
        if (heads->list[i].kind[0])
            return &heads->list[i];
    return NULL;
}

bool layout_names(const struct layout_heads *heads, const struct pack_id *id)
{
    for (size_t i = 0; i < heads->count; i++)
        for (size_t p = 0; p < heads->list[i].pack_count; p++)
            if (memcmp(&heads->list[i].packs[p].id, id, sizeof *id) == 0)
                return true;
    return false;
}

int layout_sync(int dir, const char *what, const char *point, struct error *err)
{
    if (fault_point(point) < 0)
        return error_sys(err, "cannot make '%s' durable", what);
    return file_sync(dir, what, err);
}
