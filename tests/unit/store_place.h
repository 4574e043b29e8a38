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
#include "store/layout.h"
#include "store/manifest.h"
#include "store/pack.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
    const char *job; /* whose checkpoints these are: "7.0" */
    int parent;      /* the newest checkpoint so far */
    bool hurry;
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

/* In memory where that can be had: for tests that would wait for the disk most of their time. */
static inline void place_open_in(struct place *p, bool memory)
{
    struct error err;
    *p = (struct place){ .job = "7.0" };
    const char *chosen = getenv("STINT_TEST_DIR"); /* on another file system */
    snprintf(p->path, sizeof p->path, "%s/stint-store-XXXXXX", chosen ? chosen : memory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(p->path));
    p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->work = place_mkdir(p->dir, "work");
    p->back = place_mkdir(p->dir, "back");
    auto_free char *path = place_path(p, "store");
    assert_int_equal(store_open(path, &p->store, &err), 0);
}

static inline void place_open(struct place *p)
{
    place_open_in(p, false);
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

static inline int setup_place_in_memory(void **state)
{
    struct place *p = mem_new(struct place);
    place_open_in(p, true);
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
#define memory_test(name) cmocka_unit_test_setup_teardown(name, setup_place_in_memory, teardown_place)

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
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode);
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

/* Takes what the tree `work` has below that name. */
static inline int place_capture(struct place *p, const char *name, struct store_capture **capture, struct error *err)
{
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = name };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = p->hurry };
    return store_capture(p->store, &request, capture, err);
}

static inline struct manifest place_head(const struct place *p, int generation, const char *kind)
{
    struct manifest m = { .generation = generation, .stint = 7, .created_us = 1700000000000000 + generation };
    m.parent = p->parent < generation ? p->parent : 0;
    snprintf(m.kind, sizeof m.kind, "%s", kind);
    return m;
}

/* Capture and commit, of anything. *m is the manifest that was made. */
static inline int place_store(struct place *p, const struct store_request *request, struct manifest *m, struct error *err)
{
    struct store_capture *capture = NULL;
    int r = store_capture(p->store, request, &capture, err);
    if (r == 0)
        r = store_commit(capture, m, err);
    store_capture_free(capture);
    return r;
}

static inline int place_try_as(struct place *p, const char *name, int generation, const char *kind, struct manifest *m, struct error *err)
{
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = name };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = p->hurry };
    *m = place_head(p, generation, kind);
    int r = place_store(p, &request, m, err);
    if (r == 0 && strcmp(kind, "checkpoint") == 0)
        p->parent = generation;
    return r;
}

static inline int place_try(struct place *p, const char *name, int generation, struct manifest *m, struct error *err)
{
    return place_try_as(p, name, generation, "checkpoint", m, err);
}

/* Captures and commits the whole of `work` under that kind; returns the new bytes. */
static inline int64_t place_commit_as(struct place *p, int generation, const char *kind)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    if (place_try_as(p, ".", generation, kind, &m, &err) != 0)
        fail_msg("%s", err.text);
    return m.new_bytes;
}

static inline int64_t place_commit(struct place *p, int generation)
{
    return place_commit_as(p, generation, "checkpoint");
}

static inline int place_retain(struct place *p, int keep, struct error *err)
{
    return store_retain(p->store, p->job, &(struct store_retention){ .keep = keep }, err);
}

static inline int place_restore(struct place *p, int generation, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    struct store_tree tree = { "work", p->back };
    int r = store_manifest(p->store, p->job, generation, &m, err);
    return r != 0 ? r : store_extract(p->store, NULL, &m, &tree, 1, NULL, err);
}

/* An empty tree to restore into. */
static inline void place_empty_back(struct place *p)
{
    assert_int_equal(file_remove_tree(p->dir, "back", NULL), 0);
    file_close(&p->back);
    p->back = place_mkdir(p->dir, "back");
}

static inline int place_verify(struct place *p, int generation, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    int r = store_manifest(p->store, p->job, generation, &m, err);
    return r != 0 ? r : store_verify(p->store, &m, NULL, err);
}

static inline int place_packs_dir(const struct place *p)
{
    auto_free char *name = mem_printf("store/%s/packs", p->job);
    int fd = openat(p->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Where the owner's jobs find each other's packs: the path below the place's directory. */
static inline char *place_shared(const char *name)
{
    return mem_printf("store/.packs/%u%s%s", (unsigned)geteuid(), name[0] ? "/" : "", name);
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

/* The names of a directory in their order, with a space between them; what is below it too when `deep`. */
static inline int place_by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void place_list_names(int dir, const char *prefix, bool deep, struct buf *out)
{
    char *names[1024];
    size_t count = 0;
    DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && count < 1024)
            names[count++] = mem_dup(e->d_name);
    closedir(d);
    qsort(names, count, sizeof names[0], place_by_name);
    for (size_t i = 0; i < count; i++) {
        auto_free char *name = names[i];
        auto_close int below = deep ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        buf_printf(out, "%s%s%s", out->len > 0 ? " " : "", prefix, name);
        auto_free char *path = mem_printf("%s%s/", prefix, name);
        if (below >= 0)
            place_list_names(below, path, true, out);
    }
}

/* Packs, without their marks of damage. */
static inline size_t place_list_packs(const struct place *p, struct pack_id *ids, size_t most)
{
    size_t count = 0;
    auto_close int dir = place_packs_dir(p);
    DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_non_null(d);
    for (struct dirent *e; count < most && (e = readdir(d));)
        count += pack_id_parse(e->d_name, &ids[count]);
    closedir(d);
    return count;
}

static inline size_t place_count_packs(const struct place *p)
{
    struct pack_id ids[256];
    return place_list_packs(p, ids, 256);
}

/* Chunks in them: a chunk that is in two counts twice. */
static inline size_t place_count_records(const struct place *p)
{
    struct pack_id ids[256];
    size_t count = place_list_packs(p, ids, 256), records = 0;
    auto_close int dir = place_packs_dir(p);
    for (size_t i = 0; i < count; i++) {
        struct pack pack;
        struct error err;
        if (pack_open(dir, &ids[i], &p->store->seal, &pack, &err) != 0)
            fail_msg("%s", err.text);
        records += pack.count;
        pack_close(&pack);
    }
    return records;
}

/* The pack that holds a chunk, in the open, with its record. */
static inline const struct pack_record *place_find_chunk(const struct place *p, const struct digest *digest, struct pack *pack)
{
    struct pack_id ids[256];
    size_t count = place_list_packs(p, ids, 256);
    auto_close int dir = place_packs_dir(p);
    for (size_t i = 0; i < count; i++) {
        struct error err;
        if (pack_open(dir, &ids[i], &p->store->seal, pack, &err) != 0)
            fail_msg("%s", err.text);
        const struct pack_record *r = pack_find(pack, digest);
        if (r)
            return r;
        pack_close(pack);
    }
    return NULL;
}

