/* A store and some trees in a temporary directory, for the tests of the store. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"
#include "store/manifest.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

struct place {
    char path[64];
    int dir;
    int work; /* the tree that is captured */
    int back; /* the tree that is restored into */
    struct store *store;
};

static inline char *place_path(const struct place *p, const char *name)
{
    return mem_printf("%s/%s", p->path, name);
}

static inline int place_mkdir(int dir, const char *name)
{
    assert_true(mkdirat(dir, name, 0700) == 0 || errno == EEXIST);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline void place_open(struct place *p)
{
    struct error err;
    *p = (struct place){ .path = "/tmp/stint-store-XXXXXX" };
    assert_non_null(mkdtemp(p->path));
    p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->work = place_mkdir(p->dir, "work");
    p->back = place_mkdir(p->dir, "back");
    auto_free char *path = place_path(p, "store");
    assert_int_equal(store_open(path, &p->store, &err), 0);
}

static inline void place_close(struct place *p)
{
    store_close(p->store);
    file_close(&p->work);
    file_close(&p->back);
    file_close(&p->dir);
    assert_int_equal(file_remove_tree(AT_FDCWD, p->path, NULL), 0);
}

static inline int setup_place(void **state)
{
    struct place *p = mem_new(struct place);
    place_open(p);
    *state = p;
    return 0;
}

static inline int teardown_place(void **state)
{
    place_close(*state);
    free(*state);
    return 0;
}

#define place_test(name) cmocka_unit_test_setup_teardown(name, setup_place, teardown_place)

static inline void place_write(int dir, const char *name, const void *data, size_t len)
{
    auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, len, NULL), 0);
}

/* Writes `size` bytes at `offset` that follow from the seed. */
static inline void place_fill(int dir, const char *name, int64_t offset, size_t size, uint64_t seed)
{
    auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    auto_free uint64_t *data = mem_zero(size / 8 + 1, 8);
    for (size_t i = 0; i < size / 8 + 1; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        data[i] = seed ^ seed >> 29;
    }
    assert_int_equal(lseek(fd, offset, SEEK_SET), offset);
    assert_int_equal(file_write_all(fd, data, size, NULL), 0);
}

static inline void assert_same_content(int a, int b, const char *name)
{
    auto_buf struct buf left = { 0 };
    auto_buf struct buf right = { 0 };
    assert_int_equal(file_read(a, name, &left, NULL), 0);
    assert_int_equal(file_read(b, name, &right, NULL), 0);
    assert_int_equal(left.len, right.len);
    if (left.len > 0)
        assert_memory_equal(left.data, right.data, left.len);
}

static inline bool place_kept_kind(mode_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode);
}

/* Everything below a is below b, with the same mode, time, content or target. Returns how many there are. */
static inline int assert_within(int a, int b)
{
    int count = 0;
    DIR *d = fdopendir(openat(a, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat left;
        struct stat right;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        assert_int_equal(fstatat(a, e->d_name, &left, AT_SYMLINK_NOFOLLOW), 0);
        if (!place_kept_kind(left.st_mode))
            continue;
        count++;
        assert_int_equal(fstatat(b, e->d_name, &right, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(left.st_mode, right.st_mode);
        assert_int_equal(left.st_mtim.tv_sec, right.st_mtim.tv_sec);
        assert_int_equal(left.st_mtim.tv_nsec, right.st_mtim.tv_nsec);
        if (S_ISREG(left.st_mode))
            assert_same_content(a, b, e->d_name);
        if (S_ISLNK(left.st_mode)) {
            char one[256] = "";
            char two[256] = "";
            assert_true(readlinkat(a, e->d_name, one, sizeof one - 1) > 0);
            assert_true(readlinkat(b, e->d_name, two, sizeof two - 1) > 0);
            assert_string_equal(one, two);
        }
        if (S_ISDIR(left.st_mode)) {
            auto_close int below_a = openat(a, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            auto_close int below_b = openat(b, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            count += assert_within(below_a, below_b);
        }
    }
    closedir(d);
    return count;
}

static inline int assert_same_tree(int a, int b)
{
    int count = assert_within(a, b);
    assert_int_equal(assert_within(b, a), count);
    return count;
}

static inline int place_capture(struct place *p, const char *name, int generation, struct manifest *m, struct error *err)
{
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = name };
    *m = (struct manifest){ .generation = generation, .stint = 7, .created_us = 1700000000000000, .kind = "checkpoint" };
    return store_capture(p->store, "7.0", NULL, &tree, 1, &source, 1, m, err);
}

/* Captures and commits the whole of `work` under that kind; returns the new bytes. */
static inline int64_t place_commit_as(struct place *p, int generation, const char *kind)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    if (place_capture(p, ".", generation, &m, &err) < 0)
        fail_msg("%s", err.text);
    snprintf(m.kind, sizeof m.kind, "%s", kind);
    if (store_commit(p->store, "7.0", &m, &err) != 0)
        fail_msg("%s", err.text);
    return m.new_bytes;
}

static inline int64_t place_commit(struct place *p, int generation)
{
    return place_commit_as(p, generation, "checkpoint");
}

static inline int place_restore(struct place *p, int generation, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    struct store_tree tree = { "work", p->back };
    int r = store_manifest(p->store, "7.0", generation, &m, err);
    return r != 0 ? r : store_extract(p->store, "7.0", NULL, &m, &tree, 1, err);
}

static inline int place_verify(struct place *p, int generation, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    int r = store_manifest(p->store, "7.0", generation, &m, err);
    return r != 0 ? r : store_verify(p->store, "7.0", &m, err);
}

static inline int place_chunks_dir(const struct place *p)
{
    int fd = openat(p->dir, "store/7.0/chunks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline size_t place_count_names(int dir)
{
    size_t count = 0;
    DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static inline size_t place_count_chunks(const struct place *p)
{
    auto_close int chunks = place_chunks_dir(p);
    return place_count_names(chunks);
}
