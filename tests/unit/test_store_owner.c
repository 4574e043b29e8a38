/* A root who captures and extracts for a user does it with the user's rights, in every thread. */
#include "store_place.h"

#include "base/identity.h"

static const struct identity owner = { .uid = 4321, .gid = 5432, .name = "uid4321" };

static void skip_unless_root(void)
{
    if (geteuid() == 0)
        return;
    print_message("only root has the rights of somebody else\n");
    skip();
}

static int store_for(struct place *p, const struct identity *id, const char *name, struct manifest *m, struct error *err)
{
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = name };
    struct store_request request = { .job = "7.0", .owner = id, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1,
                                     .hurry = p->hurry };
    *m = place_head(p, 1, "checkpoint");
    return place_store(p, &request, m, err);
}

static void assert_still_root(void)
{
    uid_t real, effective, saved;
    assert_int_equal(getresuid(&real, &effective, &saved), 0);
    assert_true(real == 0 && effective == 0 && saved == 0);
    assert_int_equal(getegid(), 0);
}

static void what_the_owner_cannot_read_is_not_captured(void **state)
{
    struct place *p = *state;
    static const char *const names[] = { "secret", ".", "closed/file", "closed" };
    skip_unless_root();
    place_write(p->work, "secret", "x", 1);
    auto_close int closed = place_mkdir(p->work, "closed");
    place_write(closed, "file", "y", 1);
    assert_int_equal(fchmodat(p->work, "secret", 0600, 0), 0);
    assert_int_equal(fchmod(p->work, 0755), 0);
    for (size_t i = 0; i < 8; i++) {
        struct error err = { 0 };
        auto_manifest struct manifest m = { 0 };
        p->hurry = i >= 4;
        assert_int_equal(store_for(p, &owner, names[i % 4], &m, &err), -1);
        assert_int_equal(err.sys, EACCES);
        assert_int_equal(place_count_packs(p), 0);
        assert_still_root();
    }
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    assert_int_equal(store_for(p, NULL, ".", &m, &err), 0);
    assert_int_equal(m.bytes, 2);
}

static void a_later_phase_has_the_owners_rights_too(void **state)
{
    struct place *p = *state;
    skip_unless_root();
    auto_close int images = place_mkdir(p->dir, "images");
    struct store_tree trees[] = { { "work", p->work }, { "images", images } };
    struct store_source sources[] = { { "work", "." }, { "images", "." } };
    place_write(images, "pages", "x", 1);
    assert_int_equal(fchmodat(images, "pages", 0600, 0), 0);
    assert_int_equal(fchmod(p->work, 0755) + fchmod(images, 0755), 0);
    for (int i = 0; i < 4; i++) {
        struct error err = { 0 };
        struct store_capture *capture = NULL;
        auto_manifest struct manifest m = place_head(p, 1, "checkpoint");
        struct store_request requests[2];
        for (int k = 0; k < 2; k++)
            requests[k] = (struct store_request){ .job = "7.0", .owner = &owner, .trees = &trees[k], .tree_count = 1, .sources = &sources[k],
                                                  .source_count = 1, .hurry = i % 2 };
        bool his = i >= 2;
        assert_int_equal(store_capture(p->store, &requests[0], &capture, &err), 0);
        assert_int_equal(store_capture_add(capture, &requests[1], &err), his ? 0 : -1);
        assert_int_equal(err.sys, his ? 0 : EACCES);
        if (his)
            assert_int_equal(store_commit(capture, &m, &err), 0);
        store_capture_free(capture);
        assert_int_equal(m.entry_count, his);
        assert_string_equal(m.owner, his ? "uid4321" : "");
        assert_still_root();
        if (his)
            assert_int_equal(store_remove(p->store, "7.0", &err), 0);
        assert_int_equal(fchownat(images, "pages", i >= 1 ? owner.uid : 0, owner.gid, 0), 0);
    }
}

/* Enough for all threads of the crew. */
static void an_owners_files_make_the_round_trip(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_tree back = { "work", p->back };
    skip_unless_root();
    auto_close int sub = place_mkdir(p->work, "sub");
    place_fill(sub, "large", 0, 21 * MIB, 3);
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%d", i);
        place_fill(sub, name, 0, (size_t)i * 100000, (uint64_t)i);
        assert_int_equal(fchownat(sub, name, owner.uid, owner.gid, 0), 0);
        assert_int_equal(fchmodat(sub, name, 0600, 0), 0);
    }
    assert_int_equal(fchownat(sub, "large", owner.uid, owner.gid, 0), 0);
    assert_int_equal(fchown(sub, owner.uid, owner.gid), 0);
    assert_int_equal(fchown(p->work, owner.uid, owner.gid), 0);
    for (int hurry = 0; hurry <= 1; hurry++) {
        auto_manifest struct manifest m = { 0 };
        p->hurry = hurry;
        assert_int_equal(store_remove(p->store, "7.0", &err), 0);
        assert_int_equal(store_for(p, &owner, ".", &m, &err), 0);
        place_empty_back(p);
        back.dir = p->back;
        assert_int_equal(fchown(p->back, owner.uid, owner.gid), 0);
        assert_int_equal(fchmod(p->dir, 0755), 0);
        assert_int_equal(store_extract(p->store, &owner, &m, &back, 1, NULL, &err), 0);
        assert_int_equal(assert_same_tree(p->work, p->back), 52);
    }
    assert_still_root();
}

static void where_the_owner_cannot_write_nothing_is_extracted(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    struct store_tree back = { "work", p->back };
    skip_unless_root();
    place_write(p->work, "file", "new", 3);
    place_write(p->back, "file", "old", 3);
    assert_int_equal(fchmod(p->back, 0755), 0);
    place_commit(p, 1);
    assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
    assert_int_equal(store_extract(p->store, &owner, &m, &back, 1, NULL, &err), -1);
    assert_int_equal(err.sys, EACCES);
    assert_int_equal(place_count_names(p->back), 1);
    auto_buf struct buf text = { 0 };
    assert_int_equal(file_read(p->back, "file", &text, &err), 0);
    assert_string_equal(buf_cstr(&text), "old");
    assert_still_root();
}

static void somebody_elses_directory_is_written_into_and_keeps_its_mode(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct stat st;
    auto_manifest struct manifest m = { 0 };
    struct store_tree back = { "work", p->back };
    skip_unless_root();
    auto_close int sub = place_mkdir(p->work, "sub");
    auto_close int shared = place_mkdir(p->back, "sub");
    place_write(sub, "file", "x", 1);
    place_commit(p, 1);
    assert_int_equal(fchmod(shared, 0777), 0);
    assert_int_equal(fchmod(p->back, 0755), 0);
    assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
    assert_int_equal(store_extract(p->store, &owner, &m, &back, 1, NULL, &err), 0);
    assert_int_equal(fstat(shared, &st), 0);
    assert_true(st.st_uid == 0 && (st.st_mode & 07777) == 0777);
    assert_int_equal(fstatat(shared, "file", &st, 0), 0);
    assert_int_equal(st.st_uid, owner.uid);
}

static int shared_extract(struct place *p, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    struct store_tree back = { "work", p->back, .keeps = true };
    assert_int_equal(store_manifest(p->store, "7.0", 1, &m, err), 0);
    return store_extract(p->store, NULL, &m, &back, 1, NULL, err);
}

static void the_machines_directories_stay_as_they_are(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct stat st;
    struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    auto_close int sub = place_mkdir(p->work, "sub");
    auto_close int deep = place_mkdir(sub, "deep");
    auto_close int shared = place_mkdir(p->back, "sub");
    place_write(deep, "file", "x", 1);
    assert_int_equal(fchmod(deep, 0750), 0);
    place_commit(p, 1);
    assert_int_equal(fchmod(shared, 01777), 0);
    assert_int_equal(shared_extract(p, &err), 0);
    assert_int_equal(fstat(shared, &st), 0);
    assert_int_equal(st.st_mode & 07777, 01777);
    assert_int_equal(fstatat(shared, "deep", &st, 0), 0); /* was not there */
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_int_equal(futimens(shared, old), 0);
    assert_int_equal(shared_extract(p, &err), 0);
    assert_int_equal(fstat(shared, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1000);
}

static void nothing_of_the_machine_makes_room(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct stat st;
    auto_close int sub = place_mkdir(p->work, "sub");
    place_write(sub, "file", "x", 1);
    place_commit(p, 1);
    assert_int_equal(symlinkat("elsewhere", p->back, "sub"), 0);
    assert_int_equal(shared_extract(p, &err), -1);
    assert_int_equal(fstatat(p->back, "sub", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(unlinkat(p->back, "sub", 0), 0);
    auto_close int shared = place_mkdir(p->back, "sub");
    auto_close int other = place_mkdir(shared, "file");
    place_write(other, "precious", "y", 1);
    assert_int_equal(shared_extract(p, &err), -1);
    assert_int_equal(fstatat(other, "precious", &st, 0), 0);
    assert_int_equal(st.st_nlink, 1);
}

static void root_gives_the_files_to_their_owner(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct stat st;
    skip_unless_root();
    assert_int_equal(fchown(p->back, owner.uid, owner.gid), 0);
    auto_close int sub = place_mkdir(p->work, "sub");
    place_write(sub, "file", "x", 1);
    assert_int_equal(symlinkat("file", sub, "link"), 0);
    assert_int_equal(mkfifoat(sub, "fifo", 0622), 0);
    assert_int_equal(fchmodat(sub, "file", 04755, 0), 0);
    place_commit(p, 1);
    auto_manifest struct manifest m = { 0 };
    struct store_tree tree = { "work", p->back };
    assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
    assert_int_equal(store_extract(p->store, &owner, &m, &tree, 1, NULL, &err), 0);
    static const char *const names[] = { "sub", "sub/file", "sub/link", "sub/fifo" };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fstatat(p->back, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_uid, 4321);
        assert_int_equal(st.st_gid, 5432);
        assert_int_equal(st.st_mode & 06000, 0);
    }
}

/* Whether somebody else has certain bytes is nobody's business. */
static void jobs_of_different_owners_share_nothing(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_usage usage;
    skip_unless_root();
    place_fill(p->work, "same", 0, MIB, 3);
    assert_int_equal(fchownat(p->work, "same", owner.uid, owner.gid, 0), 0);
    assert_int_equal(fchown(p->work, owner.uid, owner.gid), 0);
    assert_int_equal(place_commit(p, 1), MIB);
    static const char *const jobs[] = { "8.0", "9.0" };
    for (int i = 0; i < 2; i++) {
        auto_manifest struct manifest m = place_head(p, 1, "checkpoint");
        struct store_tree tree = { "work", p->work };
        struct store_source source = { .tree = "work", .name = "." };
        struct store_request request = { .job = jobs[i], .owner = &owner, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1 };
        assert_int_equal(place_store(p, &request, &m, &err), 0);
        assert_int_equal(m.new_bytes, i == 0 ? MIB : 0); /* their own second one does */
        assert_string_equal(m.owner, "uid4321");
    }
    assert_int_equal(store_job_usage(p->store, "7.0", &usage, &err), 0);
    assert_int_equal(usage.shared, 0);
    assert_int_equal(store_job_usage(p->store, "8.0", &usage, &err), 0);
    assert_true(usage.shared >= MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(what_the_owner_cannot_read_is_not_captured),
        place_test(a_later_phase_has_the_owners_rights_too),
        place_test(an_owners_files_make_the_round_trip),
        place_test(where_the_owner_cannot_write_nothing_is_extracted),
        place_test(somebody_elses_directory_is_written_into_and_keeps_its_mode),
        place_test(the_machines_directories_stay_as_they_are),
        place_test(nothing_of_the_machine_makes_room),
        place_test(root_gives_the_files_to_their_owner),
        place_test(jobs_of_different_owners_share_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
