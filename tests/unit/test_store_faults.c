/*
 * What the store promises when things go wrong. The program starts itself as "test_store_faults --commit PATH G": that child
 * captures PATH/work, commits it as generation G and retains one, under the fault that its environment names.
 */
#include "store_place.h"

#include "store/page.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { CHILD_FAILED = 3 };

static int run_commit(const char *path, int generation)
{
    struct place p = { .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .work = -1, .back = -1, .job = "7.0" };
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    p.work = openat(p.dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p.hurry = getenv("STINT_TEST_HURRY") != NULL;
    p.parent = generation - 1;
    auto_free char *store = mem_printf("%s/store", path);
    int r = store_open(store, &p.store, &err);
    if (r == 0)
        r = place_try(&p, ".", generation, &m, &err);
    if (r == 0)
        r = place_retain(&p, 1, &err);
    store_close(p.store);
    if (r != 0 && getenv("STINT_TEST_LOUD"))
        fprintf(stderr, "%s\n", err.text);
    return r == 0 ? 0 : CHILD_FAILED;
}

static pid_t start_commit(const struct place *p, int generation, const char *variable, const char *value)
{
    char number[16];
    snprintf(number, sizeof number, "%d", generation);
    pid_t pid = fork();
    if (pid == 0) {
        setenv(variable, value, 1);
        execl("/proc/self/exe", "test_store_faults", "--commit", p->path, number, NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void fill_work(struct place *p, uint64_t seed)
{
    place_fill(p->work, "big", 0, 2 * MIB, 1); /* enough for helpers, with a hole; the same in all generations but for its tail */
    place_fill(p->work, "big", 8 * MIB, MIB, 2);
    place_fill(p->work, "big", 9 * MIB - 8, 8, seed);
    place_fill(p->work, "small", 0, 100, seed);
    place_fill(p->work, "other", 0, 50000, seed); /* enough to be shared with other jobs */
}

static void start_over(struct place *p, uint64_t seed)
{
    struct error err = { 0 };
    if (store_remove(p->store, "7.0", &err) < 0)
        fail_msg("%s", err.text);
    p->parent = 0;
    fill_work(p, seed);
}

/* Generation 1 has a pack that the others do not need, generation 2 is the newest; the work has changed since. */
static void prepare(struct place *p)
{
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    start_over(p, 2);
    place_fill(p->work, "lonely", 0, 50000, 9);
    assert_int_equal(place_try(p, "lonely", 1, &m, &err), 0);
    assert_int_equal(unlinkat(p->work, "lonely", 0), 0);
    place_commit(p, 2);
    fill_work(p, 3);
}

static void expect_restored(struct place *p, int generation)
{
    struct error err = { 0 };
    place_empty_back(p);
    if (place_restore(p, generation, &err) != 0)
        fail_msg("%s", err.text);
}

/* Whatever happened: every generation that is there is whole, at least one is, and the next commit works and cleans up. */
static void expect_sound(struct place *p, const char *what)
{
    struct error err = { 0 };
    auto_free int *generations = NULL;
    size_t count = 0;
    assert_int_equal(store_list(p->store, "7.0", &generations, &count, &err), 0);
    if (count == 0)
        fail_msg("%s: nothing is left", what);
    for (size_t i = 0; i < count; i++)
        if (place_verify(p, generations[i], &err) != 0)
            fail_msg("%s: %s", what, err.text);
    int next = generations[count - 1] + 1;
    fill_work(p, 77);
    place_commit(p, next);
    assert_int_equal(place_retain(p, 1, &err), 0);
    expect_restored(p, next);
    assert_same_tree(p->work, p->back);
    assert_true(place_count_packs(p) <= 4); /* of the first generation and of what changed since */
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_buf struct buf names = { 0 };
    auto_free char *expected = mem_printf("%06d.manifest hints owner packs", next);
    place_list_names(job, "", false, &names);
    assert_string_equal(buf_cstr(&names), expected);
    auto_close int packs = place_packs_dir(p);
    assert_int_equal(place_count_names(packs), place_count_packs(p)); /* and nothing else */
}

/* The fault points that a run passes, in order, as often as it passes them. */
static void trace_points(struct place *p, struct buf *points)
{
    auto_free char *trace = place_path(p, "trace");
    prepare(p);
    unlinkat(p->dir, "trace", 0);
    assert_int_equal(wait_for(start_commit(p, 3, "STINT_FAULT_TRACE", trace)), 0);
    assert_int_equal(file_read(p->dir, "trace", points, NULL), 0);
}

static int earlier_passes(const char *points, const char *line, size_t len)
{
    int count = 0;
    for (const char *at = points; at < line; at = strchr(at, '\n') + 1)
        count += strncmp(at, line, len + 1) == 0;
    return count;
}

/* The first passes of each point: what is done for one chunk is done for all. */
static int sweep(struct place *p, const char *action, void (*expect)(struct place *p, const char *name, int status))
{
    enum { PASSES = 2 };
    auto_buf struct buf points = { 0 };
    int passes = 0;
    trace_points(p, &points);
    for (const char *line = buf_cstr(&points); *line; line = strchr(line, '\n') + 1, passes++) {
        size_t len = strcspn(line, "\n");
        const char *name = memchr(line, ' ', len);
        assert_non_null(name);
        int before = earlier_passes(buf_cstr(&points), line, len);
        if (before >= PASSES)
            continue;
        auto_free char *rule = mem_printf("%.*s:%s@%d", (int)(len - (size_t)(name + 1 - line)), name + 1, action, before + 1);
        prepare(p);
        expect(p, rule, wait_for(start_commit(p, 3, "STINT_FAULT", rule)));
        expect_sound(p, rule);
    }
    return passes;
}

/* What is passed before the fork in the road, or only makes caches. */
static bool is_point(const char *rule, const char *name)
{
    return strncmp(rule, name, strlen(name)) == 0;
}

static bool behind_commit(const char *rule)
{
    return is_point(rule, "store.commit.done") || is_point(rule, "store.index") || is_point(rule, "store.retain");
}

/* Failures that are got over: those of caches; and where room is wanting, it is made, or the stage done without. */
static bool got_over(const char *rule)
{
    bool room = strstr(rule, ":ENOSPC") || strstr(rule, ":EDQUOT");
    return is_point(rule, "store.commit.done") || is_point(rule, "store.index") ||
           (room && (is_point(rule, "store.pack.create") || is_point(rule, "store.pack.write") || is_point(rule, "store.retain.pack"))) ||
           (room && !getenv("STINT_TEST_HURRY") && (is_point(rule, "store.capture") || is_point(rule, "store.stage.write")));
}

/* Before the fork in the road the earlier generation is the one, behind it the new one. */
static void expect_killed(struct place *p, const char *rule, int status)
{
    struct error err = { 0 };
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s: not killed there", rule);
    if (!behind_commit(rule))
        assert_int_equal(place_verify(p, 2, &err), 0);
    else if (place_verify(p, 3, &err) != 0 && !is_point(rule, "store.retain")) /* a first sweep comes before the commit */
        fail_msg("%s: %s", rule, err.text);
}

/* With a stage, and without. */
static void sweep_twice(struct place *p, const char *action, void (*expect)(struct place *p, const char *rule, int status))
{
    assert_true(sweep(p, action, expect) > 30);
    setenv("STINT_TEST_HURRY", "1", 1);
    int passes = sweep(p, action, expect);
    unsetenv("STINT_TEST_HURRY");
    assert_true(passes > 25);
}

static void a_kill_at_any_step_leaves_a_whole_generation_or_none(void **state)
{
    sweep_twice(*state, "kill", expect_killed);
}

static void expect_failed(struct place *p, const char *rule, int status)
{
    struct error err = { 0 };
    if (status != CHILD_FAILED << 8 && (status != 0 || !got_over(rule)))
        fail_msg("%s: exit status %#x", rule, status);
    if (status == 0 || place_verify(p, 2, &err) == STORE_ABSENT) {
        if (place_verify(p, 3, &err) != 0)
            fail_msg("%s: %s", rule, err.text);
        return;
    }
    if (place_verify(p, 2, &err) != 0)
        fail_msg("%s: %s", rule, err.text);
    if (!behind_commit(rule))
        assert_int_equal(place_verify(p, 3, &err), STORE_ABSENT);
}

static void a_full_disk_at_any_step_costs_the_new_generation_only(void **state)
{
    sweep_twice(*state, "ENOSPC", expect_failed);
}

static void an_input_output_error_at_any_step_costs_the_new_generation_only(void **state)
{
    assert_true(sweep(*state, "EIO", expect_failed) > 30);
}

/* The last place of a point in a trace, or the first. */
static const char *place_of(const char *points, const char *name, bool last)
{
    const char *found = NULL;
    auto_free char *line = mem_printf(" %s\n", name);
    for (const char *at = points; (at = strstr(at, line)) && (last || !found); at++)
        found = at;
    if (!found)
        fail_msg("%s is not passed", name);
    return found;
}

/* Nothing is named before it is durable, and nothing is removed before its manifest's removal is. */
static void steps_come_in_the_order_that_a_power_cut_demands(void **state)
{
    static const char *const order[] = {
        "store.capture.begin",  "store.capture.read",    "store.stage.read",     "store.pack.table",  "store.pack.sync",
        "store.commit.sync_packs", "store.manifest.write", "store.manifest.sync",  "store.manifest.rename", "store.commit.publish",
        "store.commit.done",    "store.index.link",      "store.retain.manifest", "store.retain.sync", "store.retain.pack",
    };
    auto_buf struct buf points = { 0 };
    trace_points(*state, &points);
    for (size_t i = 1; i < sizeof order / sizeof order[0]; i++)
        assert_true(place_of(buf_cstr(&points), order[i - 1], true) < place_of(buf_cstr(&points), order[i], false));
}

static void a_failed_capture_leaves_nothing_behind(void **state)
{
    struct place *p = *state;
    start_over(p, 2);
    place_commit(p, 1);
    auto_buf struct buf before = { 0 }, after = { 0 };
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    place_list_names(job, "", true, &before);
    fill_work(p, 3);
    assert_int_equal(wait_for(start_commit(p, 2, "STINT_FAULT", "store.pack.write:EIO@2")), CHILD_FAILED << 8);
    place_list_names(job, "", true, &after);
    assert_string_equal(buf_cstr(&before), buf_cstr(&after));
}

static const char *const restore_faults[] = { "store.extract.write", "store.extract.rename" };

/* In a child, because fault points read their orders once. */
static void a_failed_restore_leaves_whole_files_and_no_temporary_ones(void **state)
{
    struct place *p = *state;
    fill_work(p, 2);
    place_commit(p, 1);
    for (size_t i = 0; i < 2; i++) {
        fill_work(p, 3);
        place_fill(p->back, "small", 0, 100, 2);
        pid_t pid = fork();
        if (pid == 0) {
            auto_free char *rule = mem_printf("%s:ENOSPC@2", restore_faults[i]);
            setenv("STINT_FAULT", rule, 1);
            execl("/proc/self/exe", "test_store_faults", "--restore", p->path, "1", NULL);
            _exit(127);
        }
        assert_int_equal(wait_for(pid), CHILD_FAILED << 8);
        assert_true(place_count_names(p->back) <= 2);
        assert_int_equal(faccessat(p->back, ".stint-restore.0", F_OK, 0), -1);
    }
}

/* Opens the pack that a file's chunk is in, by the file's own bytes; *offset is where its payload is. */
static int open_pack_of(struct place *p, const char *name, size_t chunk, char hex[33], off_t *offset)
{
    auto_buf struct buf data = { 0 };
    struct digest digest;
    struct pack pack;
    assert_int_equal(file_read(p->work, name, &data, NULL), 0);
    size_t at = chunk * STORE_CHUNK_BYTES;
    chunk_digest((uint8_t *)data.data + at, data.len - at < STORE_CHUNK_BYTES ? data.len - at : STORE_CHUNK_BYTES, &digest);
    const struct pack_record *r = place_find_chunk(p, &digest, &pack);
    assert_non_null(r);
    *offset = (off_t)r->offset;
    pack_id_print(&pack.id, hex);
    pack_close(&pack);
    auto_close int packs = place_packs_dir(p);
    int fd = openat(packs, hex, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

enum damage { FLIPPED, SHORTER, LONGER, EMPTY, MISSING, REPLACED };

static void damage_pack(struct place *p, size_t chunk, enum damage how, char hex[33])
{
    char byte = 0;
    off_t offset = 0;
    auto_close int fd = open_pack_of(p, "big", chunk, hex, &offset);
    auto_close int packs = place_packs_dir(p);
    if (how == FLIPPED) {
        assert_int_equal(pread(fd, &byte, 1, offset + 4321), 1);
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, offset + 4321), 1);
    } else if (how == LONGER) {
        assert_int_equal(lseek(fd, 0, SEEK_END) > 0 ? write(fd, &byte, 1) : 0, 1);
    } else if (how == SHORTER) {
        assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
    } else if (how == EMPTY) {
        assert_int_equal(ftruncate(fd, 0), 0);
    } else {
        assert_int_equal(unlinkat(packs, hex, 0), 0);
        if (how == REPLACED)
            assert_int_equal(mkfifoat(packs, hex, 0600), 0);
    }
}

static void damage_is_found_named_and_healed_by_the_next_capture(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    char hex[33];
    for (enum damage how = FLIPPED; how <= REPLACED; how++) {
        start_over(p, 2);
        place_commit(p, 1);
        damage_pack(p, 1, how, hex);
        assert_int_equal(place_verify(p, 1, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, hex));
        if (how == FLIPPED)
            assert_non_null(strstr(err.text, "'work/big', chunk 1 at offset 1048576"));
        place_empty_back(p);
        assert_int_equal(place_restore(p, 1, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(faccessat(p->back, "big", F_OK, 0), -1);
        /* all that was in it; or nothing, where its other name was left */
        assert_int_equal(place_commit(p, 2), how == MISSING ? 0 : 3 * MIB + 100 + 50000);
        if (place_verify(p, 2, &err) != 0)
            fail_msg("damage %d: %s", how, err.text);
        expect_restored(p, 2);
        assert_same_tree(p->work, p->back);
        assert_int_equal(place_retain(p, 1, &err), 0);
        auto_close int packs = place_packs_dir(p);
        assert_int_equal(place_count_names(packs), 1);
    }
}

static void a_damaged_manifest_is_named_and_costs_nobody_else(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_buf struct buf text = { 0 };
    fill_work(p, 2);
    place_commit(p, 1);
    fill_work(p, 3);
    place_commit(p, 2);
    assert_int_equal(file_read(p->dir, "store/7.0/000002.manifest", &text, NULL), 0);
    for (size_t len = 0; len < text.len; len += len < text.len - 80 ? 37 : 1) {
        place_write(p->dir, "store/7.0/000002.manifest", text.data, len);
        assert_int_equal(place_verify(p, 2, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "000002.manifest"));
    }
    place_write(p->dir, "store/7.0/000003.manifest", text.data, text.len);
    assert_int_equal(place_verify(p, 3, &err), -1); /* a copy under another number */
    assert_non_null(strstr(err.text, "generation 2"));
    assert_int_equal(place_verify(p, 1, &err), 0);
    assert_int_equal(store_drop(p->store, "7.0", 2, &err), 0);
    assert_int_equal(store_drop(p->store, "7.0", 3, &err), 0);
    assert_int_equal(place_count_packs(p), 1);
    place_commit(p, 4);
}

static void a_manifest_that_is_a_link_or_fifo_is_not_opened(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    fill_work(p, 2);
    place_commit(p, 1);
    assert_int_equal(symlinkat("000001.manifest", openat(p->dir, "store/7.0", O_PATH | O_CLOEXEC), "000002.manifest"), 0);
    assert_int_equal(place_verify(p, 2, &err), -1);
    auto_free char *fifo = place_path(p, "store/7.0/000003.manifest");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(place_verify(p, 3, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

/* The child stops after it has opened the file and read the first chunk; then the file changes. */
static void a_file_that_changes_while_it_is_read_is_stored_as_read(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const off_t sizes[] = { 5 * MIB, MIB + 1, MIB, 100, 0, 7 * MIB };
    for (size_t i = 0; i < 12; i++) {
        off_t size = sizes[i % 6];
        start_over(p, 2);
        assert_int_equal(unlinkat(p->work, "big", 0), 0);
        place_fill(p->work, "big", 0, 6 * MIB, 5);
        auto_close int big = openat(p->work, "big", O_RDWR | O_CLOEXEC);
        int status = 0;
        if (i >= 6)
            setenv("STINT_TEST_HURRY", "1", 1);
        pid_t pid = start_commit(p, 1, "STINT_FAULT", "store.capture.read:stop@2");
        unsetenv("STINT_TEST_HURRY");
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(ftruncate(big, size), 0);
        kill(pid, SIGCONT);
        assert_int_equal(wait_for(pid), 0);
        assert_int_equal(place_verify(p, 1, &err), 0);
        auto_manifest struct manifest m = { 0 };
        assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
        off_t got = m.entries[0].size; /* chunks that had been read whole by then count: other threads go on for a moment */
        if (got != (size < 6 * MIB ? size : 6 * MIB) && (got < size || got > 6 * MIB || got % MIB != 0))
            fail_msg("%lld bytes became %lld", (long long)size, (long long)got);
        expect_restored(p, 1);
    }
}

static bool write_map(const char *path, unsigned id)
{
    auto_free char *line = mem_printf("%u %u 1", id, id);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && file_write_all(fd, line, strlen(line), NULL) == 0;
}

/* Mounts of one's own; an ordinary user gets them in a user namespace, in which it must stay who it is. */
static bool enter_namespace(void)
{
    unsigned uid = geteuid();
    unsigned gid = getegid();
    if (uid == 0)
        return unshare(CLONE_NEWNS) == 0;
    if (unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0)
        return false;
    auto_close int groups = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
    return file_write_all(groups, "deny", 4, NULL) == 0 && write_map("/proc/self/uid_map", uid) &&
           write_map("/proc/self/gid_map", gid);
}

/* A small file system of the child's own. */
static int fill_disk(const char *path)
{
    struct place p = { 0 };
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_free char *store = mem_printf("%s/store", path);
    p.job = "7.0";
    if (!enter_namespace() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("stint", store, "tmpfs", 0, "size=12m") < 0)
        return 77;
    p.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p.work = openat(p.dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p.back = openat(p.dir, "back", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store_open(store, &p.store, &err) < 0)
        return 1;
    store_limit(p.store, &(struct store_limits){ .low_space = 0 });
    place_commit(&p, 1);
    place_fill(p.work, "little", 0, 1000, 4);
    place_commit(&p, 2);
    place_fill(p.work, "more", 0, 9 * MIB, 9);
    for (int hurry = 0; hurry <= 1; hurry++) {
        p.hurry = hurry;
        if (place_try(&p, ".", 3, &m, &err) != -1 || (err.sys != ENOSPC && err.kind != ERR_LIMIT))
            return 2;
        if (place_verify(&p, 2, &err) != 0)
            return 3;
    }
    if (place_verify(&p, 1, &err) != STORE_ABSENT) /* it went to make room */
        return 4;
    if (unlinkat(p.work, "more", 0) < 0)
        return 5;
    place_fill(p.work, "little", 0, MIB, 9);
    return place_commit(&p, 3) == MIB && place_verify(&p, 3, &err) == 0 ? 0 : 6;
}

static void a_disk_that_is_really_full_is_survived(void **state)
{
    struct place *p = *state;
    place_fill(p->work, "big", 0, 9 * MIB, 1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_disk(p->path));
    int status = wait_for(pid);
    if (status == 77 << 8) {
        print_message("no file system can be mounted here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void removal_of_a_job_may_be_killed_and_repeated(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const char *const rules[] = { "store.retain.manifest:kill@2", "store.remove.tree:kill" };
    for (size_t i = 0; i < 2; i++) {
        start_over(p, 2);
        place_commit(p, 1);
        fill_work(p, 3);
        place_commit(p, 2);
        pid_t pid = fork();
        if (pid == 0) {
            setenv("STINT_FAULT", rules[i], 1);
            execl("/proc/self/exe", "test_store_faults", "--remove", p->path, "0", NULL);
            _exit(127);
        }
        int status = wait_for(pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        for (int g = 1; g <= 2; g++)
            assert_true(place_verify(p, g, &err) >= 0); /* whole, or absent */
        assert_int_equal(store_remove(p->store, "7.0", &err), 0);
        assert_int_equal(faccessat(p->dir, "store/7.0", F_OK, 0), -1);
    }
}

static int run_remove(const char *path)
{
    struct error err = { 0 };
    struct store *store = NULL;
    auto_free char *name = mem_printf("%s/store", path);
    int r = store_open(name, &store, &err);
    if (r == 0)
        r = store_remove(store, "7.0", &err);
    store_close(store);
    return r == 0 ? 0 : CHILD_FAILED;
}

static int run_restore(const char *path, int generation)
{
    struct place p = { .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .job = "7.0" };
    struct error err = { 0 };
    p.back = openat(p.dir, "back", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *store = mem_printf("%s/store", path);
    int r = store_open(store, &p.store, &err);
    if (r == 0)
        r = place_restore(&p, generation, &err);
    store_close(p.store);
    return r == 0 ? 0 : CHILD_FAILED;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--commit") == 0)
        return run_commit(argv[2], atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "--restore") == 0)
        return run_restore(argv[2], atoi(argv[3]));
    if (argc == 4)
        return run_remove(argv[2]);
    const struct CMUnitTest tests[] = {
        memory_test(a_kill_at_any_step_leaves_a_whole_generation_or_none),
        memory_test(a_full_disk_at_any_step_costs_the_new_generation_only),
        memory_test(an_input_output_error_at_any_step_costs_the_new_generation_only),
        memory_test(steps_come_in_the_order_that_a_power_cut_demands),
        memory_test(a_failed_capture_leaves_nothing_behind),
        memory_test(a_failed_restore_leaves_whole_files_and_no_temporary_ones),
        place_test(damage_is_found_named_and_healed_by_the_next_capture),
        place_test(a_damaged_manifest_is_named_and_costs_nobody_else),
        place_test(a_manifest_that_is_a_link_or_fifo_is_not_opened),
        place_test(a_file_that_changes_while_it_is_read_is_stored_as_read),
        place_test(a_disk_that_is_really_full_is_survived),
        place_test(removal_of_a_job_may_be_killed_and_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
