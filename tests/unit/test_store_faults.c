/*
 * What the store promises when things go wrong. The program starts itself as "test_store_faults --commit PATH G": that child
 * captures PATH/work, commits it as generation G and retains one, under the fault that its environment names.
 */
#include "store_place.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { CHILD_FAILED = 3 };

static int run_commit(const char *path, int generation)
{
    struct place p = { .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .work = -1, .back = -1 };
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    p.work = openat(p.dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *store = mem_printf("%s/store", path);
    int r = store_open(store, &p.store, &err);
    if (r == 0)
        r = place_capture(&p, ".", generation, &m, &err);
    if (r == 0)
        r = store_commit(p.store, "7.0", &m, &err);
    if (r == 0)
        r = store_retain(p.store, "7.0", 1, &err);
    store_close(p.store);
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
    place_fill(p->work, "big", 0, 9 * MIB, 1); /* enough for helpers; the same in all generations but for its tail */
    place_fill(p->work, "big", 9 * MIB - 8, 8, seed);
    place_fill(p->work, "small", 0, 100, seed);
}

static void start_over(struct place *p, uint64_t seed)
{
    assert_int_equal(file_remove_tree(p->dir, "store/7.0", NULL), 0);
    fill_work(p, seed);
}

static void expect_restored(struct place *p, int generation)
{
    struct error err = { 0 };
    assert_int_equal(file_remove_tree(p->dir, "back", NULL), 0);
    file_close(&p->back);
    p->back = place_mkdir(p->dir, "back");
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
    assert_int_equal(store_retain(p->store, "7.0", 1, &err), 0);
    expect_restored(p, next);
    assert_same_tree(p->work, p->back);
    assert_int_equal(place_count_chunks(p), 4);
    auto_close int job = openat(p->dir, "store/7.0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(place_count_names(job), 2);
}

/* The fault points that a run passes, in order, as often as it passes them. */
static void trace_points(struct place *p, struct buf *points)
{
    auto_free char *trace = place_path(p, "trace");
    start_over(p, 2);
    place_commit(p, 1);
    fill_work(p, 3);
    assert_int_equal(wait_for(start_commit(p, 2, "STINT_FAULT_TRACE", trace)), 0);
    assert_int_equal(file_read(p->dir, "trace", points, NULL), 0);
}

static int earlier_passes(const char *points, const char *line, size_t len)
{
    int count = 0;
    for (const char *at = points; at < line; at = strchr(at, '\n') + 1)
        count += strncmp(at, line, len + 1) == 0;
    return count;
}

static int sweep(struct place *p, const char *action, void (*expect)(struct place *p, const char *name, int status))
{
    auto_buf struct buf points = { 0 };
    int passes = 0;
    trace_points(p, &points);
    for (const char *line = buf_cstr(&points); *line; line = strchr(line, '\n') + 1, passes++) {
        size_t len = strcspn(line, "\n");
        const char *name = memchr(line, ' ', len);
        assert_non_null(name);
        auto_free char *rule = mem_printf("%.*s:%s@%d", (int)(len - (size_t)(name + 1 - line)), name + 1, action,
                                          earlier_passes(buf_cstr(&points), line, len) + 1);
        start_over(p, 2);
        place_commit(p, 1);
        fill_work(p, 3);
        expect(p, rule, wait_for(start_commit(p, 2, "STINT_FAULT", rule)));
        expect_sound(p, rule);
    }
    return passes;
}

static bool behind_commit(const char *rule)
{
    return strncmp(rule, "store.commit.done", 17) == 0 || strncmp(rule, "store.retain", 12) == 0;
}

static void expect_killed(struct place *p, const char *rule, int status)
{
    struct error err = { 0 };
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s: not killed there", rule);
    if (!behind_commit(rule))
        assert_int_equal(place_verify(p, 1, &err), 0);
    else
        assert_int_equal(place_verify(p, 2, &err), 0);
}

static void a_kill_at_any_step_leaves_a_whole_generation_or_none(void **state)
{
    assert_true(sweep(*state, "kill", expect_killed) > 20);
}

static void expect_failed(struct place *p, const char *rule, int status)
{
    struct error err = { 0 };
    bool done = strncmp(rule, "store.commit.done", 17) == 0;
    if (status != (done ? 0 : CHILD_FAILED << 8))
        fail_msg("%s: exit status %#x", rule, status);
    if (behind_commit(rule)) {
        assert_int_equal(place_verify(p, 2, &err), 0);
        return;
    }
    assert_int_equal(place_verify(p, 1, &err), 0);
    assert_int_equal(place_verify(p, 2, &err), STORE_ABSENT);
}

static void a_full_disk_at_any_step_costs_the_new_generation_only(void **state)
{
    assert_true(sweep(*state, "ENOSPC", expect_failed) > 20);
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
        "store.chunk.rename",    "store.commit.sync",    "store.commit.sync_chunks", "store.manifest.write",
        "store.manifest.sync",   "store.manifest.rename", "store.commit.publish",     "store.commit.done",
        "store.retain.manifest", "store.retain.sync",    "store.retain.chunk",
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
    size_t before = place_count_chunks(p);
    fill_work(p, 3);
    assert_int_equal(wait_for(start_commit(p, 2, "STINT_FAULT", "store.chunk.rename:EIO@2")), CHILD_FAILED << 8);
    assert_int_equal(place_count_chunks(p), before);
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

/* Opens what a file's chunk is stored in, by the file's own bytes. */
static int open_chunk_of(struct place *p, const char *name, size_t chunk, int flags, char hex[65])
{
    auto_buf struct buf data = { 0 };
    struct digest digest;
    assert_int_equal(file_read(p->work, name, &data, NULL), 0);
    size_t at = chunk * STORE_CHUNK_BYTES;
    digest_of(data.data + at, data.len - at < STORE_CHUNK_BYTES ? data.len - at : STORE_CHUNK_BYTES, &digest);
    auto_close int chunks = place_chunks_dir(p);
    int fd = openat(chunks, digest_print(&digest, hex), flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

enum damage { FLIPPED, SHORTER, LONGER, EMPTY, MISSING, REPLACED };

static void damage_chunk(struct place *p, size_t chunk, enum damage how, char hex[65])
{
    char byte = 0;
    auto_close int fd = open_chunk_of(p, "big", chunk, O_RDWR, hex);
    auto_close int chunks = place_chunks_dir(p);
    if (how == FLIPPED) {
        assert_int_equal(pread(fd, &byte, 1, 4321), 1);
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, 4321), 1);
    } else if (how == LONGER) {
        assert_int_equal(lseek(fd, 0, SEEK_END) > 0 ? write(fd, &byte, 1) : 0, 1);
    } else if (how == SHORTER) {
        assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
    } else if (how == EMPTY) {
        assert_int_equal(ftruncate(fd, 0), 0);
    } else {
        assert_int_equal(unlinkat(chunks, hex, 0), 0);
        if (how == REPLACED)
            assert_int_equal(mkfifoat(chunks, hex, 0600), 0);
    }
}

static void damage_is_found_named_and_healed_by_the_next_capture(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    char hex[65];
    fill_work(p, 2);
    place_commit(p, 1);
    for (enum damage how = FLIPPED; how <= REPLACED; how++) {
        damage_chunk(p, 1, how, hex);
        assert_int_equal(place_verify(p, 1, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "'work/big', chunk 1 at offset 4194304"));
        assert_non_null(strstr(err.text, hex));
        assert_int_equal(place_restore(p, 1, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(faccessat(p->back, "big", F_OK, 0), -1);
        assert_int_equal(place_commit(p, (int)how + 2), STORE_CHUNK_BYTES);
        assert_int_equal(place_verify(p, 1, &err), 0);
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
    assert_int_equal(place_count_chunks(p), 4);
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

static void links_planted_in_the_tree_are_replaced_not_followed(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int outside = place_mkdir(p->dir, "outside");
    place_write(outside, "file", "precious", 8);
    auto_close int sub = place_mkdir(p->work, "sub");
    auto_close int inner = place_mkdir(sub, "inner");
    place_write(inner, "file", "mine", 4);
    place_write(p->work, "file", "mine", 4);
    assert_int_equal(symlinkat("nowhere", p->work, "link"), 0);
    place_commit(p, 1);
    assert_int_equal(symlinkat("../outside", p->back, "sub"), 0);
    assert_int_equal(symlinkat("../outside/file", p->back, "file"), 0);
    assert_int_equal(symlinkat("../outside/file", p->back, ".stint-restore.0"), 0);
    auto_close int link = place_mkdir(p->back, "link"); /* and a directory in the way of a link */
    place_write(link, "x", "x", 1);
    if (place_restore(p, 1, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(unlinkat(p->back, ".stint-restore.0", 0), 0);
    assert_same_tree(p->work, p->back);
    auto_buf struct buf text = { 0 };
    assert_int_equal(file_read(outside, "file", &text, NULL), 0);
    assert_string_equal(buf_cstr(&text), "precious");
    assert_int_equal(place_count_names(outside), 1);
}

static void a_restore_replaces_what_is_in_its_way(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_close int sub = place_mkdir(p->work, "sub");
    place_write(sub, "x", "x", 1);
    place_write(p->work, "file", "mine", 4);
    place_commit(p, 1);
    place_write(p->back, "sub", "a file", 6);
    auto_close int file = place_mkdir(p->back, "file");
    place_write(file, "x", "x", 1);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_int_equal(fchmodat(p->back, "sub", 0500, 0), 0);
    assert_int_equal(place_restore(p, 1, &err), 0);
    assert_same_tree(p->work, p->back);
}

/* The child stops after it has opened the file and read the first chunk; then the file changes. */
static void a_file_that_changes_while_it_is_read_is_stored_as_read(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    static const off_t sizes[] = { 5 * MIB, 4 * MIB, 100, 0, 7 * MIB };
    for (size_t i = 0; i < 5; i++) {
        start_over(p, 2);
        assert_int_equal(unlinkat(p->work, "big", 0), 0);
        place_fill(p->work, "big", 0, 6 * MIB, 5);
        auto_close int big = openat(p->work, "big", O_RDWR | O_CLOEXEC);
        int status = 0;
        pid_t pid = start_commit(p, 1, "STINT_FAULT", "store.capture.read:stop@2");
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(ftruncate(big, sizes[i]), 0);
        kill(pid, SIGCONT);
        assert_int_equal(wait_for(pid), 0);
        assert_int_equal(place_verify(p, 1, &err), 0);
        auto_manifest struct manifest m = { 0 };
        assert_int_equal(store_manifest(p->store, "7.0", 1, &m, &err), 0);
        assert_int_equal(m.entries[0].size, sizes[i] > 6 * MIB ? 6 * MIB : sizes[i] < 4 * MIB ? 4 * MIB : sizes[i]);
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
    if (!enter_namespace() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("stint", store, "tmpfs", 0, "size=12m") < 0)
        return 77;
    p.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p.work = openat(p.dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p.back = openat(p.dir, "back", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store_open(store, &p.store, &err) < 0)
        return 1;
    place_commit(&p, 1);
    place_fill(p.work, "more", 0, 9 * MIB, 9);
    if (place_capture(&p, ".", 2, &m, &err) != -1 || err.sys != ENOSPC || place_verify(&p, 1, &err) != 0)
        return 2;
    if (unlinkat(p.work, "more", 0) < 0)
        return 3;
    place_fill(p.work, "little", 0, MIB, 9);
    return place_commit(&p, 2) == MIB && place_verify(&p, 2, &err) == 0 ? 0 : 4;
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

/* As the runner does it, when it captures in a child: the parent has never seen the chunks. */
static void a_checkpoint_may_be_committed_by_another_process(void **state)
{
    struct place *p = *state;
    struct error err = { 0 };
    auto_manifest struct manifest m = { 0 };
    auto_free char *path = place_path(p, "store");
    struct store *other = NULL;
    fill_work(p, 2);
    assert_int_equal(place_capture(p, ".", 1, &m, &err), 0);
    assert_int_equal(store_open(path, &other, &err), 0);
    assert_int_equal(store_commit(other, "7.0", &m, &err), 0);
    store_close(other);
    assert_int_equal(place_verify(p, 1, &err), 0);
    expect_restored(p, 1);
    assert_same_tree(p->work, p->back);
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
    struct place p = { .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
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
        place_test(a_kill_at_any_step_leaves_a_whole_generation_or_none),
        place_test(a_full_disk_at_any_step_costs_the_new_generation_only),
        place_test(steps_come_in_the_order_that_a_power_cut_demands),
        place_test(a_failed_capture_leaves_nothing_behind),
        place_test(a_failed_restore_leaves_whole_files_and_no_temporary_ones),
        place_test(damage_is_found_named_and_healed_by_the_next_capture),
        place_test(a_damaged_manifest_is_named_and_costs_nobody_else),
        place_test(a_manifest_that_is_a_link_or_fifo_is_not_opened),
        place_test(links_planted_in_the_tree_are_replaced_not_followed),
        place_test(a_restore_replaces_what_is_in_its_way),
        place_test(a_file_that_changes_while_it_is_read_is_stored_as_read),
        place_test(a_disk_that_is_really_full_is_survived),
        place_test(a_checkpoint_may_be_committed_by_another_process),
        place_test(removal_of_a_job_may_be_killed_and_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
