/* What must not pass for good, and what must not be given up: a stage that lies, another key, sectors that cannot be read. */
#include "store_place.h"

#include "child.h"
#include "store/capture_parts.h"
#include "store/transport.h"

#include <string.h>
#include <sys/resource.h>

/* ---- the stage ---- */

static void a_stage_that_does_not_give_back_what_it_got_makes_no_checkpoint(void **state)
{
    struct place *p = *state;
    static const off_t places[] = { 0, 8, 6000, 500000, 3 * MIB };
    place_fill(p->work, "state", 0, 4 * MIB, 1);
    place_commit(p, 1);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct error err = { 0 };
        struct store_capture *capture = NULL;
        struct manifest m = place_head(p, 2, "checkpoint");
        place_fill(p->work, "state", 0, 4 * MIB, i + 2);
        assert_int_equal(place_capture(p, ".", &capture, &err), 0);
        assert_true(capture->stage >= 0);
        assert_int_equal(pwrite(capture->stage, "lost!", 5, places[i]), 5);
        assert_int_equal(store_commit(capture, &m, &err), -1);
        assert_non_null(strstr(err.text, "did not come back"));
        store_capture_free(capture);
        assert_int_equal(place_verify(p, 2, &err), STORE_ABSENT);
        assert_int_equal(place_verify(p, 1, &err), 0);
    }
}

/* ---- keys ---- */

static void another_key_opens_nothing_and_harms_nothing(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store *store = NULL;
    auto_free char *path = place_path(p, "store");
    place_fill(p->work, "state", 0, MIB, 1);
    place_commit(p, 1);
    assert_int_equal(renameat(p->dir, "store.key", p->dir, "kept.key"), 0);
    auto_close int fd = openat(p->dir, "store.key", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 64; i++)
        assert_int_equal(write(fd, "a", 1), 1);
    assert_int_equal(write(fd, "\n", 1), 1);
    assert_int_equal(store_open(path, &store, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.text, "not the key"));
    assert_int_equal(renameat(p->dir, "kept.key", p->dir, "store.key"), 0);
    assert_int_equal(store_open(path, &store, &err), 0);
    store_close(store);
    assert_int_equal(place_verify(p, 1, &err), 0);
}

/* ---- sectors ---- */

static void count_damage(void *data, const char *job, const struct error *damage)
{
    if (strcmp(job, "7.0") == 0 && damage->sys == EIO)
        ++*(int *)data;
}

static int open_place(struct place *p, const char *path)
{
    struct error err;
    *p = (struct place){ .job = "7.0", .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .back = -1 };
    p->work = openat(p->dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *store = mem_printf("%s/store", path);
    return store_open(store, &p->store, &err);
}

/* The child: every sector is bad. */
static int scrub_bad_sectors(const char *path)
{
    struct place p;
    struct error err;
    int damaged = 0;
    if (open_place(&p, path) < 0 || store_scrub(p.store, 0, 1, count_damage, &damaged, &err) < 0)
        return 1;
    store_close(p.store);
    return damaged == 1 ? 0 : 2;
}

static void a_sector_that_cannot_be_read_is_told_and_stored_again(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    place_fill(p->work, "state", 0, 2 * MIB, 1);
    place_commit(p, 1);
    assert_int_equal(place_commit(p, 2), 0);
    assert_int_equal(child_run("store.pack.read:EIO+1", "scrub", p->path), 0);
    assert_int_equal(place_commit(p, 3), 2 * MIB);
    assert_int_equal(place_verify(p, 3, &err), 0);
}

/* ---- what cannot be looked at ---- */

static void what_cannot_be_looked_at_counts_as_pinned(void **state)
{
    struct place *p = *state;
    place_write(p->work, "state", "x", 1);
    place_commit(p, 1);
    assert_false(store_pinned(p->store, "7.0", 1));
    assert_false(store_pinned(p->store, "8.0", 1));
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, before.rlim_max }), 0); /* nothing more can be opened */
    bool pinned = store_pinned(p->store, "7.0", 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(pinned);
}

/* ---- fetching ---- */

static void tell_nobody(void *data, const char *job, int generation)
{
    (void)data;
    (void)job;
    (void)generation;
}

static void a_worse_copy_does_not_replace_a_bad_one(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct remote *remote = NULL;
    struct pack_id id;
    char name[33], path[128];
    int got;
    auto_close int far = place_mkdir(p->dir, "far");
    auto_free char *place = place_path(p, "far");
    struct remote_options options = { .place = place };
    assert_int_equal(remote_open(&options, &remote, &err), 0);
    place_fill(p->work, "state", 0, 2 * MIB, 1);
    place_commit(p, 1);
    assert_int_equal(transport_push(p->store, remote, "7.0", false, tell_nobody, NULL, &err), 0);
    assert_int_equal(place_list_packs(p, &id, 1), 1);
    pack_id_print(&id, name);
    auto_close int packs = place_packs_dir(p);
    snprintf(path, sizeof path, "%s.bad", name); /* somebody thinks so */
    place_write(packs, path, "", 0);
    snprintf(path, sizeof path, "7.0/packs/%s", name);
    auto_close int copy = openat(far, path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(copy, MIB), 0);
    assert_int_equal(transport_pull(p->store, remote, "7.0", 1, &got, &err), -1);
    assert_int_equal(place_verify(p, 1, &err), 0);
    remote_close(remote);
}

static void what_was_removed_by_hand_is_not_fetched(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct remote *remote = NULL;
    int got;
    auto_close int far = place_mkdir(p->dir, "far");
    auto_free char *place = place_path(p, "far");
    struct remote_options options = { .place = place };
    assert_int_equal(remote_open(&options, &remote, &err), 0);
    for (int g = 1; g <= 2; g++) {
        place_write(p->work, "state", &g, sizeof g);
        place_commit(p, g);
    }
    assert_int_equal(transport_push(p->store, remote, "7.0", false, tell_nobody, NULL, &err), 0);
    assert_int_equal(transport_note_gone(p->store, "7.0@2", &err), 0);
    assert_int_equal(store_drop(p->store, "7.0", 2, &err), 0);
    assert_int_equal(store_drop(p->store, "7.0", 1, &err), 0);
    assert_int_equal(transport_pull(p->store, remote, "7.0", 2, &got, &err), STORE_ABSENT);
    assert_int_equal(transport_pull(p->store, remote, "7.0", 0, &got, &err), 0);
    assert_int_equal(got, 1);
    assert_int_equal(transport_forget(remote, "7.0@2", &err), 0);
    assert_int_equal(faccessat(far, "7.0/000002.manifest", F_OK, 0), -1);
    assert_int_equal(faccessat(far, "7.0/000001.manifest", F_OK, 0), 0);
    remote_close(remote);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        place_test(a_stage_that_does_not_give_back_what_it_got_makes_no_checkpoint),
        place_test(another_key_opens_nothing_and_harms_nothing),
        place_test(a_sector_that_cannot_be_read_is_told_and_stored_again),
        place_test(what_cannot_be_looked_at_counts_as_pinned),
        place_test(a_worse_copy_does_not_replace_a_bad_one),
        place_test(what_was_removed_by_hand_is_not_fetched),
    };
    if (argc == 4 && strcmp(argv[1], "child") == 0)
        return scrub_bad_sectors(argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
