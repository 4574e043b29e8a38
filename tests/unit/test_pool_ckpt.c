/* What people ask of stored checkpoints, below HTTP: names, rights, answers, and what becomes of the queue. */
#include "pool/ckpt.h"
#include "pool/clone.h"
#include "pool_fixture.h"

#include <poll.h>
#include <sys/wait.h>

enum { STRANGER = 54321 };

static const char *no_query(void *source, const char *name, int index)
{
    (void)source;
    (void)name;
    (void)index;
    return NULL;
}

/* Posts, waits for the end, and gives what came; yours. A refusal before the start is "!" and the sentence. */
static char *ask_as(struct fixture *f, uid_t uid, const char *path, const char *body)
{
    struct request rq = { .pool = &f->pool, .query = no_query, .uid = uid };
    auto_ad struct ad *answer = ad_new();
    struct buf text = { 0 };
    char block[4096];
    ssize_t n;
    buf_text(&rq.body, body);
    int result = request_run(&rq, "POST", path, answer, &f->err);
    assert_no_transaction(f);
    if (result != 0) {
        buf_printf(&text, "!%s", result < 0 ? f->err.text : "not found");
    } else {
        assert_non_null(rq.task);
        while ((n = task_read(rq.task, block, sizeof block)) != TASK_OVER) {
            buf_add(&text, block, (size_t)n);
            if (n == 0)
                poll(NULL, 0, 1);
        }
    }
    assert_no_transaction(f);
    request_release(&rq);
    for (pid_t pid; (pid = waitpid(-1, NULL, 0)) > 0;)
        task_reaped(&f->pool, pid);
    return buf_steal(&text);
}

static char *ask(struct fixture *f, const char *path, const char *body)
{
    return ask_as(f, f->me, path, body);
}

static void assert_answer(struct fixture *f, const char *path, const char *body, const char *part)
{
    auto_free char *text = ask(f, path, body);
    if (!strstr(text, part))
        fail_msg("%s %s: '%s' has no '%s'", path, body, text, part);
}

/* Stores a generation of a job, with one file "state" that has the text. */
static void store_one(struct fixture *f, const char *job, int generation, const char *text)
{
    struct scratch tree;
    struct store_capture *capture;
    scratch_open(&tree);
    scratch_write(&tree, "state", text, strlen(text));
    struct store_tree trees[] = { { "work", tree.fd } };
    struct store_source sources[] = { { .tree = "work", .name = "state" } };
    struct store_request request = { .job = job, .trees = trees, .tree_count = 1, .sources = sources, .source_count = 1 };
    struct manifest manifest = { .generation = generation, .parent = generation - 1, .stint = 1, .created_us = clock_wall_us(),
                                 .kind = "checkpoint", .engine = "self" };
    assert_ok(store_capture(f->pool.store, &request, &capture, &f->err), f->err);
    assert_ok(store_commit(capture, &manifest, &f->err), f->err);
    store_capture_free(capture);
    manifest_release(&manifest);
    scratch_close(&tree);
}

static size_t generations(struct fixture *f, const char *job)
{
    auto_free int *list = NULL;
    size_t count;
    assert_ok(store_list(f->pool.store, job, &list, &count, &f->err), f->err);
    return count;
}

/* A held job 1.0 with three checkpoints, as the queue and the store have it. */
static void three_checkpoints(struct fixture *f)
{
    assert_int_equal(fixture_submit(f, 1, "\"Out\":\"out.txt\",\"Err\":\"/dev/null\",\"TransferInput\":\"a.dat, /b.dat,c/\",\"In\":\"in\""), 1);
    store_one(f, "1.0", 1, "one");
    store_one(f, "1.0", 2, "two");
    store_one(f, "1.0", 3, "three");
    struct queue_job job = fixture_get(f, 1, 0);
    ad_set_int(job.ad, "LastGeneration", 3);
    ad_set_int(job.ad, "CheckpointGeneration", 3);
    ad_set_string(job.ad, "Deliver", "stint.1");
    job.state = JOB_HELD;
    job.stint = 1;
    fixture_put(f, &job);
    schedule_remove(&f->pool, job.id);
    queue_job_release(&job);
}

/* ---- names and rights ---- */

/* Only the queue knows it. */
static void a_verified_checkpoint_is_listed_as_such(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *row = from_json("{\"Generation\":2,\"Kind\":\"checkpoint\",\"Verified\":true}");
    three_checkpoints(f);
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_put_checkpoint(f->pool.queue, (struct job_id){ 1, 0 }, 2, row, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    assert_answer(f, "/v1/checkpoints/show", "{\"Checkpoints\":[\"1.0@2\"]}", "\"Verified\":true");
    assert_answer(f, "/v1/checkpoints/show", "{\"Checkpoints\":[\"1.0@3\"]}", "\"Verified\":false");
    auto_free char *all = ask(f, "/v1/checkpoints/ls", "{}");
    const char *mark = strstr(all, "\"Verified\":true");
    assert_non_null(mark);
    assert_null(strstr(mark + 1, "\"Verified\":true"));
}

static void a_name_is_a_job_with_or_without_a_number(void **state)
{
    static const struct { const char *text; int cluster, proc, generation; } good[] = {
        { "7.0@3", 7, 0, 3 }, { "7@3", 7, JOB_ALL_PROCS, 3 }, { "7.12", 7, 12, 0 }, { "7", 7, JOB_ALL_PROCS, 0 },
    };
    static const char *const bad[] = { "", "@3", "7.0@", "7.0@0", "7.0@03", "7.0@-1", "7.0@3x", "7.0@99999999999", "x@1", "7.0 @1", "7.0@1@2" };
    struct job_id id;
    int generation;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(ckpt_parse(good[i].text, &id, &generation));
        assert_int_equal(id.cluster, good[i].cluster);
        assert_int_equal(id.proc, good[i].proc);
        assert_int_equal(generation, good[i].generation);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        if (ckpt_parse(bad[i], &id, &generation))
            fail_msg("'%s' was taken", bad[i]);
}

static void what_makes_no_sense_is_refused_before_a_child_starts(void **state)
{
    static const struct { const char *path, *body, *says; } cases[] = {
        { "/v1/checkpoints/", "{}", "!not found" },
        { "/v1/checkpoints/sing", "{}", "!not found" },
        { "/v1/checkpoints/show", "{}", "!which checkpoint?" },
        { "/v1/checkpoints/show", "{\"Checkpoints\":[\"1.0\",\"1.0\"]}", "must name one" },
        { "/v1/checkpoints/diff", "{\"Checkpoints\":[\"1.0\"]}", "must name two" },
        { "/v1/checkpoints/show", "{\"Checkpoints\":[\"x\"]}", "!'x' is no checkpoint" },
        { "/v1/checkpoints/show", "{\"Checkpoints\":[5]}", "!'' is no checkpoint" },
        { "/v1/checkpoints/show", "{\"Checkpoints\":[\"7.0\"]}", "!there is no job 7.0" },
        { "/v1/checkpoints/show", "{\"Checkpoints\":[\"7\"]}", "!there is no job of cluster 7" },
        { "/v1/checkpoints/ls", "{\"Checkpoints\":[\"7\"]}", "!there is no job of cluster 7" },
        { "/v1/checkpoints/rm", "{\"Checkpoints\":[\"1.0\"]}", "!'1.0' does not say which checkpoint" },
        { "/v1/checkpoints/pin", "{\"Checkpoints\":[]}", "!which checkpoint?" },
        { "/v1/checkpoints/cat", "{\"Checkpoints\":[\"1.0\"]}", "!which file?" },
        { "/v1/checkpoints/extract", "{\"Checkpoints\":[\"1.0\"]}", "!Directory" },
        { "/v1/checkpoints/extract", "{\"Checkpoints\":[\"1.0\"],\"Directory\":\"here\"}", "must be absolute" },
        { "/v1/checkpoints/import", "{}", "!File must say" },
        { "/v1/checkpoints/import", "{\"File\":\"a.tar\"}", "must be absolute" },
        { "/v1/checkpoints/import", "{\"File\":\"/a\",\"Key\":\"/k\",\"Unverified\":true}", "not both" },
        { "/v1/jobs/1.0/rewind", "{}", "!To must be" },
        { "/v1/jobs/1.0/rewind", "{\"To\":3}", "!job 1.0 goes on from checkpoint 3 already" },
        { "/v1/jobs/7.0/rewind", "{\"To\":1}", "!there is no job 7.0" },
        { "/v1/jobs/7.0/clone", "{}", "!there is no job 7.0" },
        { "/v1/jobs/1.0/clone", "{\"At\":-1}", "!At must be" },
        { "/v1/jobs/1.0/clone", "{\"Set\":{\"ClusterId\":5}}", "the pool's own" },
        { "/v1/jobs/1.0/clone", "{\"Set\":{\"Iwd\":\"here\"}}", "absolute Iwd" },
    };
    struct fixture *f = *state;
    three_checkpoints(f);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_answer(f, cases[i].path, cases[i].body, cases[i].says);
    assert_null(f->pool.tasks);
}

static void strangers_see_nothing_and_the_master_all(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    f->pool.machine_wide = true;
    f->pool.owner.uid = 0;
    uid_t other = 65534; /* nobody: one who is known to the system */
    auto_free char *denied = ask_as(f, other, "/v1/checkpoints/show", "{\"Checkpoints\":[\"1.0\"]}");
    auto_free char *denied_all = ask_as(f, other, "/v1/checkpoints/ls", "{\"Checkpoints\":[\"1\"]}");
    auto_free char *denied_gc = ask_as(f, other, "/v1/checkpoints/gc", "{}");
    auto_free char *denied_rewind = ask_as(f, other, "/v1/jobs/1.0/rewind", "{\"To\":1}");
    auto_free char *denied_clone = ask_as(f, other, "/v1/jobs/1.0/clone", "{}");
    auto_free char *nothing = ask_as(f, other, "/v1/checkpoints/ls", "{}");
    auto_free char *all = ask_as(f, f->me, "/v1/checkpoints/ls", "{}");
    assert_string_equal(denied, "!job 1.0 belongs to somebody else");
    assert_string_equal(denied_all, "!the jobs of cluster 1 belong to somebody else");
    assert_contains(denied_gc, "!only '");
    assert_string_equal(denied_rewind, "!job 1.0 belongs to somebody else");
    assert_string_equal(denied_clone, "!job 1.0 belongs to somebody else");
    assert_string_equal(nothing, "{\"Ok\":true}\n");
    assert_contains(all, "\"Generation\":3");
}

/* ---- looking ---- */

static void questions_are_answered(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    assert_answer(f, "/v1/checkpoints/ls", "{}", "{\"Id\":\"1.0\",\"Generation\":1,");
    assert_answer(f, "/v1/checkpoints/ls", "{\"Checkpoints\":[\"1.0@2\"]}", "{\"Id\":\"1.0\",\"Generation\":2,");
    assert_answer(f, "/v1/checkpoints/show", "{\"Checkpoints\":[\"1\"]}", "{\"Name\":\"work/state\",\"Type\":\"file\"");
    assert_answer(f, "/v1/checkpoints/show", "{\"Checkpoints\":[\"1\"]}", "\"Checkpoint\":{\"Id\":\"1.0\",\"Generation\":3");
    assert_answer(f, "/v1/checkpoints/show", "{\"Checkpoints\":[\"1@9\"]}", "job 1.0 has no checkpoint 9; there is 1, 2, 3");
    assert_answer(f, "/v1/checkpoints/diff", "{\"Checkpoints\":[\"1.0@1\",\"1.0@2\"]}", "\"Name\":\"work/state\"");
    assert_answer(f, "/v1/checkpoints/verify", "{}", "\"Whole\":3,\"Damaged\":0");
    assert_answer(f, "/v1/checkpoints/df", "{\"Checkpoints\":[\"1.0\"]}", "\"Generations\":3,\"LogicalBytes\":11");
    assert_answer(f, "/v1/checkpoints/cat", "{\"Checkpoints\":[\"1.0@2\"],\"Files\":[\"state\"]}", "h");
    assert_answer(f, "/v1/checkpoints/gc", "{}", "\"FreedBytes\":0,\"Ok\":true");
}

/* ---- keeping and removing ---- */

static void pins_keep_from_removal_unless_forced(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    assert_answer(f, "/v1/checkpoints/pin", "{\"Checkpoints\":[\"1.0@1\",\"1.0@9\"]}", "\"Message\":\"pinned\"");
    assert_true(store_pinned(f->pool.store, "1.0", 1));
    assert_answer(f, "/v1/checkpoints/rm", "{\"Checkpoints\":[\"1.0@1\"]}", "it is pinned");
    assert_int_equal(generations(f, "1.0"), 3);
    assert_answer(f, "/v1/checkpoints/rm", "{\"Checkpoints\":[\"1.0@1\"],\"Force\":true}", "\"Message\":\"removed\"");
    assert_int_equal(generations(f, "1.0"), 2);
}

static void the_queue_learns_what_was_removed(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    int64_t before = f->pool.last_event;
    assert_answer(f, "/v1/checkpoints/rm", "{\"Checkpoints\":[\"1.0@3\",\"1.0@2\"]}", "\"Problems\":0");
    struct queue_job job = fixture_get(f, 1, 0);
    assert_int_equal(ad_int(job.ad, "CheckpointGeneration", -1), 1);
    assert_int_equal(ad_int(job.ad, "LastGeneration", -1), 3);
    queue_job_release(&job);
    assert_events(f, 1, 0, before, "checkpoint_removed checkpoint_removed");
    assert_answer(f, "/v1/checkpoints/rm", "{\"Checkpoints\":[\"1.0@1\"]}", "the only checkpoint");
    assert_int_equal(generations(f, "1.0"), 1);
}

static void what_a_job_leaves_is_kept_if_it_says_so(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *request = from_json("{\"Action\":\"remove\",\"Jobs\":[\"1.0\",\"2.0\"]}");
    auto_ad struct ad *answer = ad_new();
    fixture_submit(f, 1, "\"KeepCheckpoints\":true");
    fixture_submit(f, 1, "");
    store_one(f, "1.0", 1, "one");
    store_one(f, "2.0", 1, "one");
    assert_ok(actions_run(&f->pool, f->me, request, answer, &f->err), f->err);
    assert_true(store_pinned(f->pool.store, "1.0", 1));
    assert_int_equal(generations(f, "2.0"), 0);
    /* A sweep pins what a crash kept from being pinned, which shows by the directory; not what somebody has unpinned since. */
    assert_ok(store_pin(f->pool.store, "1.0", 1, false, &f->err), f->err);
    assert_int_equal(mkdirat(f->pool.jobs_dir, "1.0", 0700), 0);
    trash_put(&f->pool, (struct job_id){ 1, 0 }, false);
    assert_true(store_pinned(f->pool.store, "1.0", 1));
    assert_ok(store_pin(f->pool.store, "1.0", 1, false, &f->err), f->err);
    trash_put(&f->pool, (struct job_id){ 1, 0 }, false);
    assert_int_equal(generations(f, "1.0"), 0);
}

static void a_pin_outlives_the_job_and_the_others_do_not(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    assert_ok(store_pin(f->pool.store, "1.0", 2, true, &f->err), f->err);
    trash_put(&f->pool, (struct job_id){ 1, 0 }, false);
    assert_int_equal(generations(f, "1.0"), 1);
    assert_true(store_pinned(f->pool.store, "1.0", 2));
}

/* ---- going back ---- */

static void a_rewind_is_a_new_checkpoint_with_old_content(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    int64_t before = f->pool.last_event;
    assert_answer(f, "/v1/jobs/1.0/rewind", "{\"To\":1}", "\"To\":1,\"Generation\":4,");
    struct queue_job job = fixture_get(f, 1, 0);
    assert_int_equal(ad_int(job.ad, "CheckpointGeneration", -1), 4);
    assert_int_equal(ad_int(job.ad, "LastGeneration", -1), 4);
    assert_false(ad_has(job.ad, "Deliver"));
    queue_job_release(&job);
    assert_events(f, 1, 0, before, "rewound");
    struct manifest manifest;
    assert_ok(store_manifest(f->pool.store, "1.0", 4, &manifest, &f->err), f->err);
    assert_int_equal(manifest.parent, 1);
    assert_int_equal(manifest.bytes, 3);
    manifest_release(&manifest);
}

static void a_job_that_is_at_work_is_not_rewound(void **state)
{
    static const enum job_state states[] = { JOB_STARTING, JOB_RUNNING, JOB_SUSPENDED, JOB_VACATING, JOB_HOLDING, JOB_REMOVING };
    struct fixture *f = *state;
    three_checkpoints(f);
    for (size_t i = 0; i < COUNT(states); i++) {
        fixture_set_state(f, 1, 0, states[i]);
        assert_answer(f, "/v1/jobs/1.0/rewind", "{\"To\":1}", "let it leave its slot first: stint hold 1.0");
    }
    assert_int_equal(generations(f, "1.0"), 3);
}

static void an_idle_job_is_out_of_the_schedule_until_it_is_rewound(void **state)
{
    struct fixture *f = *state;
    struct request rq = { .pool = &f->pool, .query = no_query, .uid = f->me };
    auto_ad struct ad *answer = ad_new();
    char block[1000];
    three_checkpoints(f);
    fixture_set_state(f, 1, 0, JOB_IDLE);
    assert_ok(schedule_load(&f->pool, &f->err), f->err);
    assert_int_equal(f->pool.idle_count, 1);
    buf_text(&rq.body, "{\"To\":1}");
    assert_ok(request_run(&rq, "POST", "/v1/jobs/1.0/rewind", answer, &f->err), f->err);
    assert_int_equal(f->pool.idle_count, 0);
    while (task_read(rq.task, block, sizeof block) != TASK_OVER)
        poll(NULL, 0, 1);
    request_release(&rq);
    for (pid_t pid; (pid = waitpid(-1, NULL, 0)) > 0;)
        task_reaped(&f->pool, pid);
    assert_int_equal(f->pool.idle_count, 1);
}

static void a_job_that_starts_meanwhile_is_told(void **state)
{
    struct fixture *f = *state;
    struct request rq = { .pool = &f->pool, .query = no_query, .uid = f->me };
    auto_ad struct ad *answer = ad_new();
    auto_buf struct buf text = { 0 };
    char block[1000];
    ssize_t n;
    three_checkpoints(f);
    buf_text(&rq.body, "{\"To\":1}");
    assert_ok(request_run(&rq, "POST", "/v1/jobs/1.0/rewind", answer, &f->err), f->err);
    fixture_set_state(f, 1, 0, JOB_RUNNING);
    while ((n = task_read(rq.task, block, sizeof block)) != TASK_OVER)
        buf_add(&text, block, (size_t)n);
    assert_contains(buf_cstr(&text), "has started meanwhile");
    assert_no_transaction(f);
    request_release(&rq);
    for (pid_t pid; (pid = waitpid(-1, NULL, 0)) > 0;)
        task_reaped(&f->pool, pid);
    assert_string_equal(fixture_state(f, 1, 0), "running");
}

/* ---- new jobs ---- */

static void a_clone_is_a_job_with_a_checkpoint(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    int64_t before = f->pool.last_event;
    assert_answer(f, "/v1/jobs/1.0/clone", "{\"At\":2,\"Set\":{\"JobPrio\":7}}", "\"Id\":\"2.0\",\"ClusterId\":2,\"ProcId\":0,\"From\":\"1.0@2\"");
    struct queue_job job = fixture_get(f, 2, 0);
    assert_int_equal(job.state, JOB_IDLE);
    assert_int_equal(job.priority, 7);
    assert_int_equal(job.stint, 0);
    assert_string_equal(ad_string(job.ad, "ClonedFrom", ""), "1.0@2");
    assert_int_equal(ad_int(job.ad, "LastGeneration", -1), 1);
    assert_false(ad_has(job.ad, "Deliver"));
    queue_job_release(&job);
    assert_int_equal(generations(f, "2.0"), 1);
    assert_events(f, 2, 0, before, "submitted");
    assert_int_equal(f->pool.idle_count, 1);
    assert_answer(f, "/v1/jobs/1.0/clone", "{\"Hold\":true}", "\"From\":\"1.0@3\"");
    assert_string_equal(fixture_state(f, 3, 0), "held");
    assert_answer(f, "/v1/checkpoints/df", "{\"Checkpoints\":[\"2.0\"]}", "\"Generations\":1");
}

static void a_clone_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    three_checkpoints(f);
    assert_answer(f, "/v1/jobs/1.0/clone", "{\"At\":9}", "has no checkpoint 9");
    assert_string_equal(fixture_state(f, 2, 0), "absent");
    assert_int_equal(generations(f, "2.0"), 0);
    f->pool.config.max_jobs_per_user = 1;
    assert_answer(f, "/v1/jobs/1.0/clone", "{}", "!1 jobs more would be too many");
}

static struct ad *cloned(struct fixture *f, const char *set, struct ad *notes)
{
    struct ad *ad;
    auto_ad struct ad *changes = from_json(set);
    struct clone clone = { .pool = &f->pool, .source = { 1, 0 }, .is_queued = true, .target = "9.0", .set = changes, .notes = notes };
    assert_ok(clone_make(&clone, &ad, &f->err), f->err);
    return ad;
}

static void a_clone_finds_its_inputs_and_spares_its_sources_output(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *notes = ad_new(), *other_notes = ad_new();
    three_checkpoints(f);
    auto_ad struct ad *same = cloned(f, "{}", notes);
    auto_free char *inputs = mem_printf("%s/a.dat,/b.dat,%s/c/", f->scratch.path, f->scratch.path);
    auto_free char *input = mem_printf("%s/in", f->scratch.path);
    assert_string_equal(ad_string(same, "TransferInput", ""), inputs);
    assert_string_equal(ad_string(same, "In", ""), input);
    assert_string_equal(ad_string(same, "Cmd", ""), "/bin/true");
    assert_string_equal(ad_string(same, "Out", ""), "out.txt.9.0");
    assert_string_equal(ad_string(same, "Err", ""), "/dev/null");
    assert_int_equal(ad_list_count(notes, "Notes"), 2);
    assert_contains(ad_list_string(notes, "Notes", 1), "replace those of 1.0");
    auto_ad struct ad *other = cloned(f, "{\"Iwd\":\"/tmp\",\"TransferInput\":null,\"Err\":\"e\"}", other_notes);
    assert_string_equal(ad_string(other, "Out", ""), "out.txt");
    assert_string_equal(ad_string(other, "Err", ""), "e");
    assert_string_equal(ad_string(other, "In", ""), input);
    assert_false(ad_has(other, "TransferInput"));
    assert_int_equal(ad_list_count(other_notes, "Notes"), 0);
}

static void a_clone_does_not_work_in_its_sources_directory_unasked(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"ShouldTransferFiles\":\"NO\"");
    store_one(f, "1.0", 1, "one");
    assert_answer(f, "/v1/jobs/1.0/clone", "{}", "!job 1.0 works in '");
    assert_answer(f, "/v1/jobs/1.0/clone", "{\"Set\":{\"Iwd\":\"/tmp\"}}", "\"From\":\"1.0@1\"");
}

static void an_archive_becomes_a_held_job(void **state)
{
    struct fixture *f = *state;
    auto_free char *file = mem_printf("%s/a.tar", f->scratch.path);
    auto_free char *body = mem_printf("{\"File\":\"%s\"}", file);
    auto_buf struct buf note = { 0 };
    struct manifest manifest;
    three_checkpoints(f);
    buf_text(&note, "{\"Cmd\":\"/bin/true\",\"Iwd\":\"/tmp\",\"Owner\":\"root\",\"ClonedFrom\":\"x\",\"JobStatus\":1,\"ExportedFrom\":\"5.0@2\"}");
    auto_close int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_ok(store_manifest(f->pool.store, "1.0", 2, &manifest, &f->err), f->err);
    assert_ok(store_export(f->pool.store, &manifest, &note, fd, NULL, &f->err), f->err);
    manifest_release(&manifest);
    assert_answer(f, "/v1/checkpoints/import", body, "\"Id\":\"2.0\",\"ClusterId\":2,\"ProcId\":0,\"From\":\"5.0@2\"");
    struct queue_job job = fixture_get(f, 2, 0);
    assert_int_equal(job.state, JOB_HELD);
    assert_string_equal(ad_string(job.ad, "ImportedFrom", ""), "5.0@2");
    assert_string_equal(ad_string(job.ad, "HoldReason", ""), "imported; release it when its paths are right");
    auto_ad struct ad *full = NULL;
    assert_ok(queue_full_ad(f->pool.queue, &job, &full, &f->err), f->err);
    assert_false(ad_has(full, "ClonedFrom"));
    assert_false(ad_has(full, "ExportedFrom"));
    queue_job_release(&job);
    assert_int_equal(generations(f, "2.0"), 1);
}

static void an_archive_without_a_job_leaves_nothing(void **state)
{
    static const char *const notes[] = { "{}", "no json", "", "{\"Cmd\":\"/bin/true\"}" };
    struct fixture *f = *state;
    three_checkpoints(f);
    for (size_t i = 0; i < COUNT(notes); i++) {
        auto_free char *file = mem_printf("%s/%zu.tar", f->scratch.path, i);
        auto_free char *body = mem_printf("{\"File\":\"%s\"}", file);
        auto_buf struct buf note = { 0 };
        struct manifest manifest;
        buf_text(&note, notes[i]);
        auto_close int fd = open(file, O_WRONLY | O_CREAT, 0600);
        assert_ok(store_manifest(f->pool.store, "1.0", 2, &manifest, &f->err), f->err);
        assert_ok(store_export(f->pool.store, &manifest, &note, fd, NULL, &f->err), f->err);
        manifest_release(&manifest);
        assert_answer(f, "/v1/checkpoints/import", body, "\"Error\":");
        auto_free char *job = mem_printf("%d.0", (int)i + 2);
        assert_int_equal(generations(f, job), 0);
    }
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_POOL(a_verified_checkpoint_is_listed_as_such),
        cmocka_unit_test(a_name_is_a_job_with_or_without_a_number),
        WITH_POOL(what_makes_no_sense_is_refused_before_a_child_starts),
        WITH_POOL(strangers_see_nothing_and_the_master_all),
        WITH_POOL(questions_are_answered),
        WITH_POOL(pins_keep_from_removal_unless_forced),
        WITH_POOL(the_queue_learns_what_was_removed),
        WITH_POOL(what_a_job_leaves_is_kept_if_it_says_so),
        WITH_POOL(a_pin_outlives_the_job_and_the_others_do_not),
        WITH_POOL(a_rewind_is_a_new_checkpoint_with_old_content),
        WITH_POOL(a_job_that_is_at_work_is_not_rewound),
        WITH_POOL(an_idle_job_is_out_of_the_schedule_until_it_is_rewound),
        WITH_POOL(a_job_that_starts_meanwhile_is_told),
        WITH_POOL(a_clone_is_a_job_with_a_checkpoint),
        WITH_POOL(a_clone_that_fails_leaves_nothing),
        WITH_POOL(a_clone_finds_its_inputs_and_spares_its_sources_output),
        WITH_POOL(a_clone_does_not_work_in_its_sources_directory_unasked),
        WITH_POOL(an_archive_becomes_a_held_job),
        WITH_POOL(an_archive_without_a_job_leaves_nothing),
    };
    return cmocka_run_group_tests_name("pool_ckpt", tests, NULL, NULL);
}
