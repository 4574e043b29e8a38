#include "store/layout.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *layout_manifest_name(int generation, char out[LAYOUT_MANIFEST_NAME])
{
    snprintf(out, LAYOUT_MANIFEST_NAME, "%06d.manifest", generation);
    return out;
}

/* The generation whose manifest has this very name, or 0. */
static int generation_of(const char *name)
{
    char again[LAYOUT_MANIFEST_NAME];
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 9)
        return 0;
    int generation = (int)strtol(name, NULL, 10);
    return strcmp(name, layout_manifest_name(generation, again)) == 0 ? generation : 0;
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

int layout_open_chunks(int job_dir, bool make, int *dir, struct error *err)
{
    return open_dir(job_dir, "chunks", make, dir, err);
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
static int read_manifest_text(int job_dir, const char *name, struct buf *text, struct error *err)
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

int layout_manifest(int job_dir, int generation, struct manifest *out, struct error *err)
{
    char name[LAYOUT_MANIFEST_NAME];
    layout_manifest_name(generation, name);
    auto_buf struct buf text = { .max = STORE_MANIFEST_MAX };
    int r = read_manifest_text(job_dir, name, &text, err);
    if (r != 0)
        return r;
    auto_manifest struct manifest read = { 0 };
    if (manifest_parse(buf_cstr(&text), text.len, &read, err) < 0)
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

int layout_named(int job_dir, struct layout_named *named, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    if (layout_list(job_dir, &generations, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        auto_manifest struct manifest m = { 0 };
        struct error why;
        int r = layout_manifest(job_dir, generations[i], &m, &why);
        if (r < 0 && !layout_damaged(&why)) {
            if (err)
                *err = why;
            return -1;
        }
        named->manifests += r == 0;
        named->unreadable += r < 0;
        digest_set_add_manifest(&named->chunks, &m);
    }
    return 0;
}

void layout_named_release(struct layout_named *named)
{
    digest_set_release(&named->chunks);
    *named = (struct layout_named){ 0 };
}
