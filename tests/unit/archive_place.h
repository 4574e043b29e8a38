/* A second store beside a place's own, which archives come into. */
#pragma once

#include "store_place.h"

#include "store/archive.h"

#include <stdlib.h>

static const struct store_trust unverified = { .unverified = true };

/* A second store beside the first; what is in it can be compared. */
struct other {
    struct place *p;
    struct store *store;
};

static inline int setup_other(void **state)
{
    struct error err;
    struct other *o = mem_new(struct other);
    void *place = NULL;
    setup_place_in_memory(&place);
    o->p = place;
    auto_free char *path = place_path(o->p, "other");
    assert_int_equal(store_open(path, &o->store, &err), 0);
    *state = o;
    return 0;
}

static inline int teardown_other(void **state)
{
    struct other *o = *state;
    void *place = o->p;
    store_close(o->store);
    free(o);
    return teardown_place(&place);
}

static inline int import_text(struct other *o, const void *data, size_t len, const struct store_trust *trust, struct error *err)
{
    auto_buf struct buf note = { .max = 2 << 20 };
    place_write(o->p->dir, "try.tar", data, len);
    auto_close int fd = openat(o->p->dir, "try.tar", O_RDONLY | O_CLOEXEC);
    return store_import(o->store, fd, "9.0", 1, trust, &note, NULL, err);
}

/* A store without a checkpoint: no manifest, no pack, nothing shared. */
static inline void expect_nothing_kept(struct other *o, const char *what)
{
    auto_buf struct buf names = { 0 };
    auto_close int dir = openat(o->p->dir, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place_list_names(dir, "", true, &names);
    if (strcmp(buf_cstr(&names), "key-check") != 0 && strcmp(buf_cstr(&names), "9.0 9.0/owner 9.0/packs key-check") != 0)
        fail_msg("%s: left behind: %s", what, buf_cstr(&names));
}

static inline size_t size_of(const char *header)
{
    return (size_t)strtoull(header + 124, NULL, 8);
}

static inline size_t next_header(const char *text, size_t at)
{
    return at + 512 + (size_of(text + at) + 511) / 512 * 512;
}

#define archive_test(name) cmocka_unit_test_setup_teardown(name, setup_other, teardown_other)
