/* What stays and what goes: retention, pins, the fence, branches. */
#include "store_place.h"

#include "store/retain.h"

#include <stdlib.h>
#include <sys/file.h>
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

/* A generation with content of its own. */
static void commit_from(struct place *p, int generation, int parent, int64_t created_us)
{
    struct error err = { 0 };
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = p->hurry };
    auto_manifest struct manifest m = place_head(p, generation, "checkpoint");
    m.parent = parent;
    m.created_us = created_us;
    place_write(p->work, "x", &generation, sizeof generation);
    if (place_store(p, &request, &m, &err) != 0)
        fail_msg("%s", err.text);
    p->parent = generation;
}

/* ---- lines, tails, pins ---- */

/* Parents, one for each generation from 1 on; then what stays. */
static const struct {
    const char *parents;
    int keep, tail;
    const char *pinned, *left;
} lines[] = {
    { "01234", 2, 0, "", "4 5" },        /* a straight line */
    { "01224", 2, 0, "", "4 5" },        /* back from 3 to 2: what was rewound goes */
    { "01222", 3, 0, "", "1 2 5" },      /* 3 and 4 were rewound; the line is 5 2 1 */
    { "01222", 9, 0, "", "1 2 3 4 5" },  /* it is shorter than wanted: the newest others make up for it */
    { "01200", 2, 0, "", "4 5" },        /* began anew: the line is 5 alone */
    { "01231", 2, 0, "", "1 5" },
    { "01231", 3, 0, "", "1 4 5" },
    { "01234", 1, 0, "2", "2 5" },
    { "01234", 1, 0, "25", "2 5" },
    { "01222", 1, 0, "3", "3 5" },       /* what is pinned stays though it was rewound */
    { "012345678", 2, 2, "", "1 5 8 9" },/* the first stays, the others spread out */
    { "012345678", 1, 1, "", "1 9" },
    { "012345678", 2, 99, "", "1 2 3 4 5 6 7 8 9" },
    { "01222567", 2, 9, "", "1 2 5 6 7 8" }, /* what was rewound is no tail either */
    { "0", 1, 5, "", "1" },
};

static void the_present_line_stays_and_what_was_rewound_goes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct place p;
        struct error err = { 0 };
        int count = (int)strlen(lines[i].parents);
        place_open_in(&p, true);
        for (int g = 1; g <= count; g++)
            commit_from(&p, g, lines[i].parents[g - 1] - '0', 1000000 * (int64_t)g);
        for (const char *g = lines[i].pinned; *g; g++)
            assert_int_equal(store_pin(p.store, p.job, *g - '0', true, &err), 0);
        struct store_retention retention = { .keep = lines[i].keep, .tail = lines[i].tail };
        assert_int_equal(store_retain(p.store, p.job, &retention, &err), 0);
        expect_generations(&p, lines[i].left);
        for (const char *g = lines[i].left; *g; g += g[1] ? 2 : 1)
            assert_int_equal(place_verify(&p, *g - '0', &err), 0);
        assert_int_equal(place_count_packs(&p), (strlen(lines[i].left) + 1) / 2);
        place_close(&p);
    }
}

/* No gap is more than thrice another, however long it goes on. The one before the end, which just begins, does not count. */
static void expect_even(const int64_t *times, size_t count, int tail)
{
    int64_t least = INT64_MAX, most = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        int64_t gap = times[i + 1] - times[i];
        least = gap < least ? gap : least;
        most = gap > most ? gap : most;
    }
    if (count >= (size_t)tail && most > 3 * least)
        fail_msg("tail %d: gaps from %lld to %lld", tail, (long long)least, (long long)most);
}

static void a_tail_stays_evenly_spaced_as_it_goes_on(void **state)
{
    (void)state;
    static const int tails[] = { 2, 3, 5, 8, 20 };
    for (size_t t = 0; t < sizeof tails / sizeof tails[0]; t++) {
        int64_t times[64];
        bool go[64];
        size_t count = 0;
        for (int64_t now = 0; now < 3000; now++) {
            times[count++] = now * 1000;
            retain_thin(times, count, (now + 1) * 1000, tails[t], go);
            size_t kept = 0;
            for (size_t i = 0; i < count; i++)
                if (!go[i])
                    times[kept++] = times[i];
            count = kept;
            assert_true(count <= (size_t)tails[t] && times[0] == 0);
            if (now > tails[t] && tails[t] > 2)
                expect_even(times, count, tails[t]);
        }
        assert_int_equal(count, tails[t]);
    }
}

static void thinning_of_nothing_and_to_nothing(void **state)
{
    (void)state;
    static const int64_t times[] = { 5, 5, 5, 7 };
    bool go[4] = { 0 };
    retain_thin(times, 0, 0, 3, go);
    retain_thin(times, 4, 7, 0, go);
    assert_true(go[0] && go[1] && go[2] && go[3]);
    retain_thin(times, 4, 7, 1, go);
    assert_true(!go[0] && go[1] && go[2] && go[3]);
    retain_thin(times, 4, 7, 9, go);
    assert_true(!go[0] && !go[1] && !go[2] && !go[3]);
}

static void pins_are_marks_that_may_be_taken_back(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int g = 1; g <= 4; g++)
        commit_from(p, g, g - 1, g);
    assert_int_equal(store_pin(p->store, p->job, 9, true, &err), STORE_ABSENT);
    assert_int_equal(store_pin(p->store, p->job, 1, true, &err), 0);
    assert_int_equal(store_pin(p->store, p->job, 1, true, &err), 0);
    assert_true(store_pinned(p->store, p->job, 1) && !store_pinned(p->store, p->job, 2));
    assert_int_equal(place_retain(p, 1, &err), 0);
    expect_generations(p, "1 4");
    assert_int_equal(store_pin(p->store, p->job, 1, false, &err), 0);
    assert_int_equal(store_pin(p->store, p->job, 1, false, &err), 0);
    assert_int_equal(place_retain(p, 1, &err), 0);
    expect_generations(p, "4");
    assert_int_equal(store_drop(p->store, p->job, 4, &err), 0);
    expect_generations(p, "");
}

static void release_leaves_what_is_pinned_and_remove_nothing(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int g = 1; g <= 3; g++)
        commit_from(p, g, g - 1, g);
    assert_int_equal(store_pin(p->store, p->job, 2, true, &err), 0);
    assert_int_equal(store_release(p->store, p->job, &err), 0);
    expect_generations(p, "2");
    assert_int_equal(place_verify(p, 2, &err), 0);
    assert_int_equal(place_count_packs(p), 1);
    assert_int_equal(store_remove(p->store, p->job, &err), 0);
    assert_int_equal(faccessat(p->dir, "store/7.0", F_OK, 0), -1);
    commit_from(p, 1, 0, 1);
    assert_int_equal(store_release(p->store, p->job, &err), 0);
    assert_int_equal(faccessat(p->dir, "store/7.0", F_OK, 0), -1);
}

/* A manifest of the earlier format, or of another key: nobody knows which packs it needs. */
static void an_unreadable_generation_keeps_all_packs_until_it_goes(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int other_key = 0; other_key <= 1; other_key++) {
        assert_int_equal(store_remove(p->store, p->job, &err), 0);
        for (int g = 1; g <= 3; g++)
            commit_from(p, g, g - 1, g);
        if (other_key) {
            auto_buf struct buf text = { 0 };
            struct seal foreign = { "another" };
            auto_manifest struct manifest m = { 0 };
            assert_int_equal(store_manifest(p->store, p->job, 3, &m, &err), 0);
            m.generation = 4;
            assert_int_equal(manifest_print(&m, &foreign, &text, NULL, &err), 0);
            place_write(p->dir, "store/7.0/000004.manifest", text.data, text.len);
        } else {
            place_write(p->dir, "store/7.0/000004.manifest", "stint-manifest 1\ngeneration 4\n", 30);
        }
        auto_manifest struct manifest m = { 0 };
        assert_int_equal(store_manifest(p->store, p->job, 4, &m, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(err.sys, other_key ? 0 : EPROTONOSUPPORT);
        assert_non_null(strstr(err.text, other_key ? "signed with another key" : "was written by an earlier stint"));
        assert_int_equal(place_retain(p, 1, &err), 0);
        expect_generations(p, "3 4");
        assert_int_equal(place_count_packs(p), 3); /* those of 1 and 2 may be its own */
        commit_from(p, 5, 3, 5);
        assert_int_equal(place_count_packs(p), 4);
        assert_int_equal(store_gc(p->store, &(int64_t){ 0 }, NULL, &err), 0);
        assert_int_equal(place_count_packs(p), 4);
        assert_int_equal(store_drop(p->store, p->job, 4, &err), 0);
        assert_int_equal(place_count_packs(p), 2);
        assert_int_equal(place_verify(p, 3, &err), 0);
        assert_int_equal(place_verify(p, 5, &err), 0);
    }
}

/* A new key would make all that is there worthless. */
static void a_store_whose_key_is_gone_is_not_given_another(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store *store = NULL;
    auto_free char *path = place_path(p, "store");
    commit_from(p, 1, 0, 1);
    static const char *const bad[] = {
        NULL, "", "0123\n", "zz", "\n", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", /* the last is another store's */
    };
    assert_int_equal(renameat(p->dir, "store.key", p->dir, "copy"), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (bad[i]) {
            place_write(p->dir, "store.key", bad[i], strlen(bad[i]));
            assert_int_equal(fchmodat(p->dir, "store.key", 0600, 0), 0);
        }
        store = NULL;
        assert_int_equal(store_open(path, &store, &err), -1);
        assert_null(store);
        assert_non_null(strstr(err.text, "store.key"));
    }
    assert_int_equal(renameat(p->dir, "copy", p->dir, "store.key"), 0);
    assert_int_equal(fchmodat(p->dir, "store.key", 0644, 0), 0);
    assert_int_equal(store_open(path, &store, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(fchmodat(p->dir, "store.key", 0600, 0), 0);
    assert_int_equal(store_open(path, &store, &err), 0);
    store_close(store);
    assert_int_equal(place_verify(p, 1, &err), 0);
}

static void note_damage(void *data, const char *job, const struct error *damage)
{
    buf_printf(data, "%s %d ", job, damage->kind == ERR_CORRUPT);
}

/* In parts, so that each part finds only what is its own, and all together everything. */
static void scrubbing_finds_damage_part_by_part(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_buf struct buf found = { 0 };
    place_fill(p->work, "x", 0, 7 * MIB, 1);
    place_fill(p->work, "y", 0, MIB + 5, 2);
    place_commit(p, 1);
    p->job = "8.0";
    p->parent = 0;
    place_fill(p->work, "x", 0, 1000, 7);
    place_commit(p, 1);
    for (int parts = 1; parts <= 4; parts++)
        for (int part = 0; part < parts; part++)
            assert_int_equal(store_scrub(p->store, part, parts, note_damage, &found, &err), 0);
    assert_int_equal(found.len, 0);
    p->job = "7.0";
    struct pack_id id;
    char name[33];
    assert_int_equal(place_list_packs(p, &id, 1), 1);
    auto_close int packs = place_packs_dir(p);
    auto_close int fd = openat(packs, pack_id_print(&id, name), O_RDWR | O_CLOEXEC);
    off_t inside = 5 * MIB / 2; /* the middle of a large payload, wherever the small one lies */
    char byte;
    assert_int_equal(pread(fd, &byte, 1, inside), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, inside), 1);
    int hits = 0;
    for (int part = 0; part < 9; part++) {
        buf_clear(&found);
        assert_int_equal(store_scrub(p->store, part, 9, note_damage, &found, &err), 0);
        hits += strstr(buf_cstr(&found), "7.0 1") != NULL;
    }
    assert_true(hits == 1 || hits == 2); /* job 8.0 has the same pack, and perhaps not this chunk */
    buf_clear(&found);
    assert_int_equal(store_scrub(p->store, 0, 1, note_damage, &found, &err), 0);
    assert_non_null(strstr(buf_cstr(&found), "7.0 1"));
    assert_int_equal(place_commit(p, 2) > 0, true); /* and it heals */
    buf_clear(&found);
    assert_int_equal(store_scrub(p->store, 0, 1, note_damage, &found, &err), 0);
    assert_null(strstr(buf_cstr(&found), "7.0"));
}

/* ---- the fence ---- */

static int commit_of_stint(struct place *p, int generation, int stint, struct error *err)
{
    struct store_tree tree = { "work", p->work };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = { .job = p->job, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = true };
    auto_manifest struct manifest m = place_head(p, generation, "checkpoint");
    m.stint = stint;
    place_write(p->work, "x", &(int64_t[2]){ generation, stint }, 16);
    return place_store(p, &request, &m, err);
}

static void a_stint_that_is_over_commits_nothing(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    assert_int_equal(store_fence(p->store, p->job, 3, &err), 0); /* before there is anything */
    assert_int_equal(commit_of_stint(p, 1, 3, &err), 0);
    assert_int_equal(store_fence(p->store, p->job, 5, &err), 0);
    assert_int_equal(commit_of_stint(p, 2, 3, &err), STORE_FENCED); /* before the later one has committed */
    assert_int_equal(commit_of_stint(p, 2, 4, &err), STORE_FENCED);
    expect_generations(p, "1");
    assert_int_equal(place_count_packs(p), 1); /* nothing of it is left */
    assert_int_equal(store_branch(p->store, p->job, 1, p->job, 2, 4, &err), STORE_FENCED);
    assert_int_equal(commit_of_stint(p, 2, 5, &err), 0);
    assert_int_equal(commit_of_stint(p, 3, 3, &err), STORE_FENCED); /* and after */
    assert_int_equal(store_fence(p->store, p->job, 4, &err), STORE_FENCED);
    assert_int_equal(store_fence(p->store, p->job, 5, &err), 0);
    assert_int_equal(commit_of_stint(p, 3, 6, &err), 0);
    expect_generations(p, "1 2 3");
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_buf struct buf names = { 0 };
    place_list_names(job, "", false, &names);
    assert_string_equal(buf_cstr(&names), "000001.manifest 000002.manifest 000003.manifest fence hints owner packs");
}

static void a_damaged_fence_lets_nobody_commit_until_it_is_raised_again(void **state)
{
    struct place *p = *state;
    static const char *const bad[] = { "", "5", "x\n", "05\n", "-1\n ", "99999999999999999999\n" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = { 0 };
        assert_int_equal(store_fence(p->store, p->job, (int)i + 5, &err), 0);
        place_write(p->dir, "store/7.0/fence", bad[i], strlen(bad[i]));
        assert_int_equal(commit_of_stint(p, (int)i + 1, 90, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(store_fence(p->store, p->job, (int)i + 5, &err), 0);
        assert_int_equal(commit_of_stint(p, (int)i + 1, (int)i + 4, &err), STORE_FENCED);
        assert_int_equal(commit_of_stint(p, (int)i + 1, (int)i + 5, &err), 0);
    }
}

static int wait_for(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* A process that commits when the gate's other end is closed. */
static pid_t start_writer(struct place *p, int generation, int gate[2])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char byte;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_free char *path = place_path(p, "store");
    file_close(&gate[1]);
    (void)!read(gate[0], &byte, 1);
    _exit(store_open(path, &p->store, &err) == 0 && place_try(p, ".", generation, &m, &err) == 0 ? 0 : 2);
}

/* While one has captured, others wait; they never write beside each other. */
static void two_writers_of_one_job_take_turns(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    struct store_capture *capture = NULL;
    pid_t pids[3];
    int gate[2];
    commit_from(p, 1, 0, 1);
    place_fill(p->work, "x", 0, 100000, 7);
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < 3; i++)
        pids[i] = start_writer(p, 3 + i, gate);
    assert_int_equal(place_capture(p, ".", &capture, &err), 0);
    file_close(&gate[0]);
    file_close(&gate[1]);
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(layout_lock(job, 50000, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.text, "try again later"));
    expect_generations(p, "1");
    auto_manifest struct manifest m = place_head(p, 2, "checkpoint");
    assert_int_equal(store_commit(capture, &m, &err), 0);
    store_capture_free(capture);
    for (int i = 0; i < 3; i++)
        assert_int_equal(wait_for(pids[i]), 0);
    expect_generations(p, "1 2 3 4 5");
    for (int g = 1; g <= 5; g++)
        if (place_verify(p, g, &err) != 0)
            fail_msg("%s", err.text);
    assert_int_equal(layout_lock(job, 0, &err), 0);
}

/* ---- branches ---- */

static void a_rewind_is_a_new_generation_with_the_old_content(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    for (int g = 1; g <= 3; g++)
        commit_from(p, g, g - 1, g);
    size_t packs = place_count_packs(p);
    assert_int_equal(store_branch(p->store, p->job, 1, p->job, 4, 9, &err), 0);
    assert_int_equal(place_count_packs(p), packs);
    assert_int_equal(store_manifest(p->store, p->job, 4, &m, &err), 0);
    assert_true(m.parent == 1 && m.stint == 9 && m.new_bytes == 0 && m.created_us > 1000000);
    assert_int_equal(store_branch(p->store, p->job, 1, p->job, 4, 9, &err), STORE_EXISTS);
    assert_int_equal(store_branch(p->store, p->job, 8, p->job, 9, 9, &err), STORE_ABSENT);
    assert_int_equal(place_retain(p, 2, &err), 0);
    expect_generations(p, "1 4");
    assert_int_equal(store_drop(p->store, p->job, 1, &err), 0);
    assert_int_equal(place_restore(p, 4, &err), 0);
    int one = 1;
    auto_buf struct buf text = { 0 };
    assert_int_equal(file_read(p->back, "x", &text, &err), 0);
    assert_memory_equal(text.data, &one, sizeof one);
}

static void a_clone_shares_its_packs_and_outlives_where_it_came_from(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    place_fill(p->work, "big", 0, 3 * MIB, 5);
    commit_from(p, 1, 0, 1);
    place_fill(p->work, "big", 100, 5, 6);
    commit_from(p, 2, 1, 2);
    assert_int_equal(store_branch(p->store, p->job, 2, "8.0", 1, 0, &err), 0);
    assert_int_equal(store_remove(p->store, p->job, &err), 0);
    p->job = "8.0";
    assert_int_equal(store_manifest(p->store, "8.0", 1, &m, &err), 0);
    assert_string_equal(m.job, "8.0");
    assert_int_equal(m.parent, 0);
    assert_int_equal(place_verify(p, 1, &err), 0);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_same_tree(p->work, p->back);
    auto_close int job = openat(p->dir, "store/8.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uid_t uid = 77777;
    assert_int_equal(layout_owner(job, &uid, &err), 0);
    assert_int_equal(uid, geteuid());
}

/* A rewind that has looked at its generation and then waits for somebody who removes it. */
static void a_rewind_to_what_goes_meanwhile_makes_no_empty_promise(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    for (int g = 1; g <= 3; g++)
        commit_from(p, g, g - 1, g);
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(layout_lock(job, 0, &err), 0);
    pid_t pid = fork();
    if (pid == 0) {
        file_close(&job);
        auto_free char *path = place_path(p, "store");
        _exit(store_open(path, &p->store, &err) == 0 && store_branch(p->store, p->job, 1, p->job, 4, 7, &err) == 0 ? 0 : 3);
    }
    usleep(300000); /* were it later, it would only prove less */
    auto_heads struct layout_heads heads = { 0 };
    assert_int_equal(unlinkat(job, "000001.manifest", 0), 0);
    auto_close int packs = place_packs_dir(p);
    assert_int_equal(layout_heads(p->store, job, &heads, &err), 0);
    assert_int_equal(retain_sweep(p->store, packs, &heads, NULL, NULL, &err), 0);
    assert_int_equal(flock(job, LOCK_UN), 0);
    assert_int_equal(wait_for(pid), 3 << 8);
    expect_generations(p, "2 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_present_line_stays_and_what_was_rewound_goes),
        cmocka_unit_test(a_tail_stays_evenly_spaced_as_it_goes_on),
        cmocka_unit_test(thinning_of_nothing_and_to_nothing),
        memory_test(pins_are_marks_that_may_be_taken_back),
        memory_test(release_leaves_what_is_pinned_and_remove_nothing),
        memory_test(an_unreadable_generation_keeps_all_packs_until_it_goes),
        memory_test(a_store_whose_key_is_gone_is_not_given_another),
        memory_test(scrubbing_finds_damage_part_by_part),
        memory_test(a_stint_that_is_over_commits_nothing),
        memory_test(a_damaged_fence_lets_nobody_commit_until_it_is_raised_again),
        place_test(two_writers_of_one_job_take_turns),
        memory_test(a_rewind_is_a_new_generation_with_the_old_content),
        place_test(a_clone_shares_its_packs_and_outlives_where_it_came_from),
        memory_test(a_rewind_to_what_goes_meanwhile_makes_no_empty_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
