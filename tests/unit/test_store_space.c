/* Quotas and the room that is made for them, and garbage. */
#include "store_place.h"

#include <stdlib.h>
#include <sys/wait.h>

static void expect_generations(struct place *p, const char *expected)
{
    auto_free int *generations = NULL;
    auto_buf struct buf text = { 0 };
    size_t count = 0;
    assert_int_equal(store_list(p->store, p->job, &generations, &count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%d", i ? " " : "", generations[i]);
    assert_string_equal(buf_cstr(&text), expected);
}

/* ---- quotas ---- */

static int try_commit(struct place *p, int generation, struct error *err)
{
    auto_manifest struct manifest m = { 0 };
    return place_try(p, ".", generation, &m, err);
}

static void expect_refused(struct place *p, int generation, const char *setting)
{
    struct error err = { 0 };
    for (int hurry = 0; hurry <= 1; hurry++) {
        p->hurry = hurry;
        assert_int_equal(try_commit(p, generation, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        if (!strstr(err.text, setting) || !strstr(err.text, "the job runs on without it"))
            fail_msg("%s", err.text);
    }
}

static void a_quota_is_named_and_costs_the_older_generations_first(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const char *const settings[] = { "(store_quota)", "(store_quota_per_user)" };
    for (int user = 0; user <= 1; user++) {
        struct store_limits limits = { .quota = user ? 0 : 5 * MIB, .user_quota = user ? 5 * MIB : 0 };
        assert_int_equal(store_remove(p->store, "7.0", &err), 0);
        p->parent = 0;
        store_limit(p->store, &limits);
        for (int g = 1; g <= 6; g++) { /* each alone fits, and with the one before */
            place_fill(p->work, "x", 0, 3 * MIB / 2, (uint64_t)g);
            p->hurry = g % 2;
            if (try_commit(p, g, &err) != 0)
                fail_msg("%s", err.text);
        }
        int count = 0;
        for (int g = 1; g <= 6; g++)
            count += place_verify(p, g, &err) == 0;
        assert_true(count >= 2 && count <= 3);
        assert_int_equal(place_verify(p, 5, &err), 0);
        assert_int_equal(place_verify(p, 6, &err), 0);
        place_fill(p->work, "x", 0, 6 * MIB, 99);
        expect_refused(p, 7, settings[user]);
        expect_generations(p, "6"); /* the newest stays whatever happens */
        assert_int_equal(place_verify(p, 6, &err), 0);
        store_limit(p->store, &(struct store_limits){ 0 });
        assert_int_equal(try_commit(p, 7, &err), 0);
        assert_int_equal(unlinkat(p->work, "x", 0), 0);
    }
}

/* Made in the middle of a capture, it must not cost what this capture has taken from another job, or has written already. */
static void room_is_made_without_what_the_capture_counts_on(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int hurry = 0; hurry <= 1; hurry++) {
        assert_int_equal(store_remove(p->store, "7.0", &err), 0);
        assert_int_equal(store_remove(p->store, "8.0", &err), 0);
        store_limit(p->store, &(struct store_limits){ 0 });
        place_fill(p->work, "a", 0, MIB / 2, 1);
        p->job = "8.0";
        p->parent = 0;
        place_commit(p, 1);
        p->job = "7.0";
        p->parent = 0;
        p->hurry = hurry;
        for (int g = 1; g <= 2; g++) {
            place_fill(p->work, "a", 0, 3 * MIB / 2, (uint64_t)g + 10);
            place_commit(p, g);
        }
        assert_int_equal(unlinkat(p->work, "a", 0), 0);
        place_fill(p->work, "a", 0, MIB / 2, 1);         /* is in the other job's pack */
        place_fill(p->work, "b", 0, MIB, 20);            /* goes into a new one */
        place_fill(p->work, "c", 0, 2 * MIB, 30);        /* for which there is no room */
        store_limit(p->store, &(struct store_limits){ .quota = 6 * MIB });
        if (try_commit(p, 3, &err) != 0)
            fail_msg("%s", err.text);
        expect_generations(p, "2 3");
        if (place_verify(p, 3, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(place_verify(p, 2, &err), 0);
        assert_int_equal(unlinkat(p->work, "b", 0) + unlinkat(p->work, "c", 0), 0);
    }
}

static void what_is_pinned_does_not_go_to_make_room(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int g = 1; g <= 3; g++) {
        place_fill(p->work, "x", 0, MIB, (uint64_t)g);
        place_commit(p, g);
    }
    assert_int_equal(store_pin(p->store, p->job, 1, true, &err), 0);
    store_limit(p->store, &(struct store_limits){ .quota = 3 * MIB });
    place_fill(p->work, "x", 0, 3 * MIB, 9);
    expect_refused(p, 4, "(store_quota)");
    expect_generations(p, "1 3");
}

static void another_owner_s_jobs_do_not_count_for_a_user(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    place_fill(p->work, "x", 0, 2 * MIB, 1);
    place_commit(p, 1);
    place_write(p->dir, "store/7.0/owner", "4321\n", 5);
    p->job = "8.0";
    p->parent = 0;
    place_fill(p->work, "x", 0, 2 * MIB, 2);
    store_limit(p->store, &(struct store_limits){ .user_quota = 3 * MIB });
    assert_int_equal(try_commit(p, 1, &err), 0);
    store_limit(p->store, &(struct store_limits){ .quota = 5 * MIB });
    place_fill(p->work, "x", 0, 2 * MIB, 3);
    expect_refused(p, 2, "(store_quota)");
}

static void what_the_disk_must_keep_free_is_kept(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    place_fill(p->work, "x", 0, 1000, 1);
    place_commit(p, 1);
    store_limit(p->store, &(struct store_limits){ .low_space = INT64_MAX / 2 });
    expect_refused(p, 2, "free on the store's disk (store_low_space)");
    expect_generations(p, "1");
    store_limit(p->store, &(struct store_limits){ .low_space = 0 });
    assert_int_equal(try_commit(p, 2, &err), 0);
}

/* ---- garbage ---- */

static void garbage_is_counted_and_gone_and_the_index_made_anew(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    int64_t freed = -1;
    char name[33];
    struct pack_id id;
    place_fill(p->work, "x", 0, MIB, 1);
    place_commit(p, 1);
    auto_close int packs = place_packs_dir(p);
    place_fill(packs, "00112233445566778899aabbccddeeff", 0, 2 * MIB, 3); /* of a capture that was killed */
    place_write(p->dir, "store/7.0/.manifest.tmp", "half", 4);
    auto_free char *shared = place_shared("0123456789abcdef0123456789abcdef"), *index = place_shared("index");
    place_fill(p->dir, shared, 0, MIB, 4); /* of a job that is gone */
    assert_int_equal(unlinkat(p->dir, index, 0), 0);
    assert_int_equal(store_gc(p->store, &freed, NULL, &err), 0);
    assert_true(freed >= 3 * MIB && freed < 3 * MIB + 100000);
    assert_int_equal(place_list_packs(p, &id, 1), 1);
    assert_int_equal(place_count_names(packs), 1);
    assert_int_equal(faccessat(p->dir, shared, F_OK, 0), -1);
    assert_int_equal(faccessat(p->dir, "store/7.0/.manifest.tmp", F_OK, 0), -1);
    assert_int_equal(place_verify(p, 1, &err), 0);
    p->job = "8.0";
    p->parent = 0;
    assert_int_equal(place_commit(p, 1), 0); /* it is found through the new index */
    auto_close int other = place_packs_dir(p);
    assert_int_equal(faccessat(other, pack_id_print(&id, name), F_OK, 0), 0);
    assert_int_equal(store_gc(p->store, &freed, NULL, &err), 0);
    assert_int_equal(freed, 0);
}

/* Commits of two jobs that share content, in a loop. Returns 0 when all went well. */
static int commit_in_a_loop(struct place *p, int rounds)
{
    struct error err = { 0 };
    auto_free char *path = place_path(p, "store");
    if (store_open(path, &p->store, &err) < 0)
        return 1;
    for (int i = 1; i <= rounds; i++) {
        static const char *const jobs[] = { "7.0", "8.0" };
        auto_manifest struct manifest m = { 0 };
        p->job = jobs[i % 2];
        p->parent = 0;
        p->hurry = i % 3;
        place_fill(p->work, "x", 0, 200000, (uint64_t)(i / 4));
        if (place_try(p, ".", i, &m, &err) != 0 || place_retain(p, 2, &err) != 0 || place_verify(p, i, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            return 2;
        }
        if (i % 5 == 0 && store_branch(p->store, p->job, i, "9.0", i, 0, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            return 3;
        }
        if (i % 15 == 0 && store_remove(p->store, "9.0", &err) != 0)
            return 4;
    }
    return 0;
}

static void garbage_collection_beside_commits_loses_nothing(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    pid_t pid = fork();
    if (pid == 0)
        _exit(commit_in_a_loop(p, 150));
    int status = 0, rounds = 0;
    for (; waitpid(pid, &status, WNOHANG) == 0; rounds++) {
        int64_t freed;
        if (store_gc(p->store, &freed, NULL, &err) != 0)
            fail_msg("%s", err.text);
    }
    assert_int_equal(status, 0);
    assert_true(rounds > 3);
    static const char *const jobs[] = { "7.0", "8.0", "9.0" };
    for (size_t i = 0; i < 3; i++) {
        auto_free int *generations = NULL;
        size_t count = 0;
        p->job = jobs[i];
        assert_int_equal(store_list(p->store, p->job, &generations, &count, &err), 0);
        for (size_t g = 0; g < count; g++)
            if (place_verify(p, generations[g], &err) != 0)
                fail_msg("%s", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(a_quota_is_named_and_costs_the_older_generations_first),
        place_test(room_is_made_without_what_the_capture_counts_on),
        place_test(what_is_pinned_does_not_go_to_make_room),
        place_test(another_owner_s_jobs_do_not_count_for_a_user),
        place_test(what_the_disk_must_keep_free_is_kept),
        place_test(garbage_is_counted_and_gone_and_the_index_made_anew),
        memory_test(garbage_collection_beside_commits_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
