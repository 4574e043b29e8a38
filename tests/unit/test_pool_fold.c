/* From journal to queue: what each record changes, that nothing is applied twice, and that the ledger adds up whatever comes. */
#include "journal_fixture.h"

/* ---- one record at a time ---- */

struct record_case {
    const char *kind, *more;
    const char *event;       /* the name of the event that it makes, or "" */
    const char *event_says;  /* part of the event's JSON */
    const char *attribute;   /* of the job, afterwards */
    int64_t value;
    const char *state;
};

static const struct record_case record_cases[] = {
    { RECORD_BEGIN, "\"Mode\":\"fresh\",\"GrantedWallUs\":77", "", "", "LastStintStartUs", 77, "starting" },
    { RECORD_METHOD, "\"Method\":\"transparent\"", "checkpoint_method", "\"Method\":\"transparent\"", NULL, 0, "starting" },
    { RECORD_METHOD, "\"Method\":\"none\",\"Reason\":\"no criu\"", "checkpoint_method", "\"Reason\":\"no criu\"", NULL, 0, NULL },
    { RECORD_CAPTURE, "\"FrozenBootUs\":1000,\"ThawedBootUs\":1400,\"Why\":\"user\"", "checkpoint_captured",
      "\"Why\":\"user\",\"PauseUs\":400", NULL, 0, NULL },
    { RECORD_CAPTURE, "\"FrozenBootUs\":1000,\"ThawedBootUs\":900,\"Stopped\":true", "checkpoint_captured", "\"Stopped\":true", NULL, 0,
      NULL },
    { RECORD_CHECKABLE, "\"Problems\":[\"uses io_uring\",\"has a device open\"]", "checkability",
      "\"Problems\":[\"uses io_uring\",\"has a device open\"]", "CheckabilityTime", WALL / 1000000, NULL },
    { RECORD_CHECKABLE, "\"Problems\":[]", "", "", "CheckabilityTime", WALL / 1000000, NULL },
    { RECORD_VERIFIED, "\"Generation\":9", "", "", NULL, 0, NULL }, /* there is no such checkpoint */
    { RECORD_CORRUPT, "\"Generation\":4,\"Reason\":\"a bad chunk\"", "generation_corrupt", "\"Generation\":4,\"Reason\":\"a bad",
      NULL, 0, "starting" },
    { RECORD_RUN, "\"Execution\":1,\"Generation\":0,\"Pid\":9", "running", "\"Execution\":1,\"Resumed\":false", "NumJobStarts", 1,
      "running" },
    { RECORD_RUN, "\"Execution\":1,\"Generation\":3,\"Pid\":9", "running", "\"Resumed\":true,\"Generation\":3", "NumJobStarts", 1,
      "running" },
    { RECORD_SUSPEND, "", "suspended", "", NULL, 0, NULL },
    { RECORD_CONTINUE, "", "continued", "", NULL, 0, NULL },
    { RECORD_ASK, "\"Why\":\"periodic\",\"Signal\":12", "checkpoint_asked", "\"Why\":\"periodic\",\"Signal\":12", NULL, 0, NULL },
    { RECORD_REFUSE, "\"Reason\":\"it cannot\"", "checkpoint_refused", "\"Reason\":\"it cannot\"", NULL, 0, NULL },
    { RECORD_EXIT, "\"ExitCode\":85,\"Checkpoint\":true,\"MaxRssKb\":4096", "", "", "ResidentSetSize", 4096, NULL },
    { RECORD_COMMIT, "\"Generation\":2,\"Bytes\":1000,\"PauseUs\":20,\"CommitUs\":30,\"LatencyUs\":40,\"Why\":\"user\"",
      "checkpoint_taken", "\"Bytes\":1000,\"PauseUs\":20,\"CommitUs\":30,\"LatencyUs\":40,\"Why\":\"user\"", "LastCkptLatencyUs",
      40, NULL },
    { RECORD_COMMIT, "\"Generation\":2,\"Bytes\":1000,\"PauseUs\":20,\"LatencyUs\":-1", "checkpoint_taken", "\"Generation\":2",
      "LastCkptLatencyUs", -1, NULL },
    { RECORD_COMMIT, "\"Generation\":7", "checkpoint_taken", "", "CheckpointGeneration", 7, NULL },
    { RECORD_FAIL, "\"Reason\":\"the disk is full\",\"Why\":\"user\"", "checkpoint_failed", "the disk is full", "NumCkptsFailed",
      1, NULL },
    { RECORD_SAVE, "\"Generation\":5,\"Bytes\":10,\"Files\":1", "", "", "LastGeneration", 5, NULL },
    { RECORD_USAGE, "\"ImageSizeKb\":500,\"RssKb\":2049,\"DiskKb\":7", "image_size",
      "\"Size\":500,\"ResidentSetSize\":2049,\"MemoryUsage\":3", "DiskUsage", 7, NULL },
    { RECORD_TRANSFER, "\"Phase\":\"started\",\"Bytes\":0,\"Files\":0,\"AllFiles\":2", "transfer_started", "\"AllFiles\":2", "TransferInBytes", 0,
      NULL },
    { RECORD_TRANSFER, "\"Phase\":\"going\",\"Bytes\":5,\"TotalBytes\":9", "", "", "TransferInTotalBytes", 9, NULL },
    { RECORD_TRANSFER, "\"Phase\":\"finished\",\"Bytes\":9,\"TotalBytes\":9", "transfer_finished", "\"Bytes\":9", "TransferInBytes", 9, NULL },
    { RECORD_NOTE, "\"Text\":\"by the way\"", "note", "by the way", NULL, 0, NULL },
    { RECORD_DELIVER, "\"Bytes\":5,\"Files\":1", "", "", NULL, 0, NULL },
    { "something new", "\"X\":1", "", "", NULL, 0, NULL },
};

static void every_record_changes_what_it_should(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(record_cases); i++) {
        const struct record_case *c = &record_cases[i];
        int cluster = submit_two_cpus(f);
        struct active *a = grant(f, cluster, 0);
        int64_t before = f->pool.last_event;
        put(a, 10, c->kind, c->more);
        fold(f, a);
        assert_events(f, cluster, 0, before, c->event);
        if (*c->event) {
            auto_ad struct ad *event = fixture_last_event(f);
            auto_free char *json = json_of(event);
            assert_contains(json, c->event_says);
            assert_int_equal(ad_int(event, "Time", 0), WALL + 10);
            assert_int_equal(ad_int(event, "Stint", 0), 1);
        }
        if (c->attribute)
            assert_int_equal(own_int(f, cluster, c->attribute), c->value);
        if (c->state)
            assert_string_equal(fixture_state(f, cluster, 0), c->state);
        assert_no_transaction(f);
    }
}

static void a_commit_is_a_row_and_clears_what_counts_failures(void **state)
{
    static const char *const cleared[] = { "LastCkptError", "KillsInARow", "LossesInARow", "FailuresInARow" };
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct queue_job job = fixture_get(f, cluster, 0);
    for (size_t i = 0; i < COUNT(cleared); i++)
        ad_set_int(job.ad, cleared[i], 3);
    fixture_put(f, &job);
    queue_job_release(&job);
    struct active *a = grant(f, cluster, 0);
    put(a, 10, RECORD_COMMIT, "\"Generation\":4,\"Bytes\":9,\"Files\":2,\"NewBytes\":3");
    put(a, 20, RECORD_SAVE, "\"Generation\":5,\"Bytes\":8,\"Files\":1");
    fold(f, a);
    for (size_t i = 0; i < COUNT(cleared); i++)
        assert_int_equal(own_int(f, cluster, cleared[i]), -1);
    auto_ad struct ad *rows = ad_new();
    assert_ok(queue_list_checkpoints(f->pool.queue, (struct job_id){ cluster, 0 }, rows, "L", &f->err), f->err);
    assert_int_equal(ad_list_count(rows, "L"), 2);
    assert_string_equal(ad_string(ad_list_ad(rows, "L", 0), "Kind", ""), "checkpoint");
    assert_int_equal(ad_int(ad_list_ad(rows, "L", 0), "Time", 0), WALL + 10);
    assert_string_equal(ad_string(ad_list_ad(rows, "L", 1), "Kind", ""), "evicted");
    assert_int_equal(own_int(f, cluster, "CheckpointGeneration"), 4); /* what an eviction left is no checkpoint */
    assert_int_equal(own_int(f, cluster, "LastGeneration"), 5);
}

static void assert_own(struct fixture *f, int cluster, const char *name, const char *want)
{
    struct queue_job job = fixture_get(f, cluster, 0);
    auto_buf struct buf got = { 0 };
    ad_print_expr(job.ad, name, &got);
    assert_string_equal(buf_cstr(&got), want);
    queue_job_release(&job);
}

static void only_news_of_the_method_is_told(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    int64_t before = f->pool.last_event;
    put(a, 10, RECORD_METHOD, "\"Method\":\"none\",\"Reason\":\"no criu\"");
    put(a, 11, RECORD_METHOD, "\"Method\":\"none\",\"Reason\":\"no criu\"");
    fold(f, a);
    assert_own(f, cluster, "CheckpointMethodUsed", "\"none\"");
    assert_own(f, cluster, "CheckpointMethodReason", "\"no criu\"");
    put(a, 12, RECORD_METHOD, "\"Method\":\"transparent\"");
    put(a, 13, RECORD_METHOD, "\"Method\":\"transparent\"");
    fold(f, a);
    assert_own(f, cluster, "CheckpointMethodUsed", "\"transparent\"");
    assert_own(f, cluster, "CheckpointMethodReason", "");
    assert_events(f, cluster, 0, before, "checkpoint_method checkpoint_method");
}

static void problems_are_told_when_they_change_and_forgotten_with_the_method(void **state)
{
    static const struct { const char *more, *events, *problems; } steps[] = {
        { "\"Problems\":[]", "", "" },
        { "\"Problems\":[\"a\"]", "checkability", "{ \"a\" }" },
        { "\"Problems\":[\"a\"]", "", "{ \"a\" }" },
        { "\"Problems\":[\"a\",\"\",7,\"b\"]", "checkability", "{ \"a\",\"b\" }" },
        { "\"Problems\":[]", "checkability", "" },
        { "\"Problems\":\"x\"", "", "" },
        { "\"Problems\":[\"c\"]", "checkability", "{ \"c\" }" },
    };
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    for (size_t i = 0; i < COUNT(steps); i++) {
        int64_t before = f->pool.last_event;
        put(a, 10 + (int)i, RECORD_CHECKABLE, steps[i].more);
        fold(f, a);
        assert_events(f, cluster, 0, before, steps[i].events);
        assert_own(f, cluster, "CheckabilityProblems", steps[i].problems);
    }
    put(a, 30, RECORD_METHOD, "\"Method\":\"self\"");
    fold(f, a);
    assert_own(f, cluster, "CheckabilityProblems", "");
    assert_int_equal(own_int(f, cluster, "CheckabilityTime"), -1);
}

static void a_verified_checkpoint_is_marked_once(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    put(a, 10, RECORD_COMMIT, "\"Generation\":4,\"Bytes\":9");
    put(a, 20, RECORD_COMMIT, "\"Generation\":5,\"Bytes\":9");
    fold(f, a);
    int64_t before = f->pool.last_event;
    put(a, 30, RECORD_VERIFIED, "\"Generation\":4");
    put(a, 40, RECORD_VERIFIED, "\"Generation\":4");
    put(a, 50, RECORD_VERIFIED, "\"Generation\":6");
    fold(f, a);
    assert_events(f, cluster, 0, before, "checkpoint_verified");
    auto_ad struct ad *rows = ad_new();
    assert_ok(queue_list_checkpoints(f->pool.queue, (struct job_id){ cluster, 0 }, rows, "L", &f->err), f->err);
    assert_int_equal(ad_list_count(rows, "L"), 2);
    assert_true(ad_bool(ad_list_ad(rows, "L", 0), "Verified", false));
    assert_int_equal(ad_int(ad_list_ad(rows, "L", 0), "Bytes", 0), 9);
    assert_false(ad_bool(ad_list_ad(rows, "L", 1), "Verified", false));
}

/* ---- ends: every outcome in every state that a job can have then ---- */

static const char *expected_events(const char *outcome, enum job_state next, char out[64])
{
    const char *first = strcmp(outcome, "completed") == 0 ? "completed" : strcmp(outcome, "failed") == 0 ? "failed" : "evicted";
    snprintf(out, 64, "%s%s", first, next == JOB_HELD ? " held" : next == JOB_REMOVED ? " removed" : "");
    return out;
}

static void every_outcome_ends_in_the_state_of_the_table(void **state)
{
    static const struct { const char *outcome; enum job_event event; } outcomes[] = {
        { "completed", JOB_EVENT_END_COMPLETED }, { "evicted", JOB_EVENT_END_EVICTED }, { "failed", JOB_EVENT_END_FAILED },
        { "held", JOB_EVENT_END_HELD },
    };
    struct fixture *f = *state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (size_t i = 0; i < COUNT(outcomes) && job_state_occupies((enum job_state)s); i++) {
            int cluster = submit_two_cpus(f);
            struct active *a = grant(f, cluster, 0);
            char names[64];
            begin(a, 0);
            fold(f, a);
            fixture_set_state(f, cluster, 0, (enum job_state)s);
            int64_t before = f->pool.last_event;
            auto_free char *more = mem_printf("\"Outcome\":\"%s\",\"Reason\":\"so\",\"Cause\":\"c\",\"ExitCode\":1", outcomes[i].outcome);
            put(a, 100, RECORD_END, more);
            fold(f, a);
            enum job_state next = job_step((enum job_state)s, outcomes[i].event).next;
            assert_string_equal(fixture_state(f, cluster, 0), job_state_name(next));
            assert_events(f, cluster, 0, before, expected_events(outcomes[i].outcome, next, names));
            assert_null(active_find(&f->pool, (struct job_id){ cluster, 0 }));
            assert_int_equal(f->pool.used.cpus, 0);
        }
}

static void a_runners_hold_has_its_reason_and_codes(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    put(a, 5, RECORD_END, "\"Outcome\":\"held\",\"Reason\":\"no such file\",\"Cause\":\"input\",\"HoldCode\":13,\"HoldSubCode\":2");
    fold(f, a);
    auto_ad struct ad *event = fixture_last_event(f);
    auto_free char *reason = own_text(f, cluster, "HoldReason");
    assert_string_equal(ad_string(event, "Event", ""), "held");
    assert_int_equal(ad_int(event, "Code", 0), 13);
    assert_int_equal(ad_int(event, "Subcode", 0), 2);
    assert_string_equal(reason, "no such file");
    assert_int_equal(own_int(f, cluster, "HoldReasonCode"), 13);
    assert_int_equal(own_int(f, cluster, "HoldReasonSubCode"), 2);
}

static void a_completed_job_is_in_the_history_with_its_exit(void **state)
{
    struct fixture *f = *state;
    static const struct { const char *exit; const char *attribute; int64_t value; bool by_signal; } cases[] = {
        { "\"ExitCode\":3", "ExitCode", 3, false }, { "\"ExitSignal\":11", "ExitSignal", 11, true },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int cluster = submit_two_cpus(f);
        struct active *a = grant(f, cluster, 0);
        auto_free char *more = mem_printf("\"Outcome\":\"completed\",%s", cases[i].exit);
        auto_ad struct ad *answer = ad_new();
        begin(a, 0);
        put(a, 10, RECORD_RUN, "\"Execution\":1");
        put(a, 50, RECORD_EXIT, "\"ExitCode\":85,\"UserUs\":700,\"SysUs\":60");
        put(a, 60, RECORD_END, more);
        fold(f, a);
        assert_ok(report_story(&f->pool, (struct job_id){ cluster, 0 }, answer, &f->err), f->err);
        const struct ad *job = ad_ad(answer, "Job");
        assert_int_equal(ad_int(job, cases[i].attribute, -1), cases[i].value);
        assert_false(ad_has(job, cases[i].by_signal ? "ExitCode" : "ExitSignal"));
        assert_int_equal(ad_bool(job, "ExitBySignal", !cases[i].by_signal), cases[i].by_signal);
        assert_int_equal(ad_int(job, "TotalUserUs", 0), 700);
        assert_int_equal(ad_int(job, "JobStatus", 0), 4);
        assert_int_equal(ad_int(job, "CompletionDate", 0), (WALL + 60) / 1000000);
        assert_int_equal(faccessat(f->pool.jobs_dir, "1.0", F_OK, 0), -1); /* its directory went after the commit */
    }
}

static void results_that_could_not_be_delivered_are_remembered(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    put(a, 10, RECORD_RUN, "\"Execution\":1");
    put(a, 20, RECORD_EXIT, "\"ExitCode\":4,\"Final\":true");
    put(a, 30, RECORD_END, "\"Outcome\":\"failed\",\"Cause\":\"output\",\"Reason\":\"disk full\",\"Deliverable\":true");
    fold(f, a);
    auto_free char *deliver = own_text(f, cluster, "Deliver");
    auto_free char *boot = own_text(f, cluster, "DeliverBoot");
    assert_string_equal(deliver, "stint.1");
    assert_string_equal(boot, clock_boot_id());
    assert_int_equal(own_int(f, cluster, "ExitCode"), 4);
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
    assert_int_equal(own_int(f, cluster, "GoodputUs"), 10); /* the run's work is not lost */

    a = grant(f, cluster, 100); /* a delivery that fails: the sandbox is named, the exit is still the program's */
    put(a, 100, RECORD_BEGIN, "\"Mode\":\"deliver\",\"GrantedBootUs\":100");
    put(a, 130, RECORD_END, "\"Outcome\":\"failed\",\"Deliverable\":true,\"Sandbox\":\"stint.1\"");
    fold(f, a);
    auto_free char *again = own_text(f, cluster, "Deliver");
    assert_string_equal(again, "stint.1");
    assert_int_equal(own_int(f, cluster, "ExitCode"), 4);

    a = grant(f, cluster, 200);
    begin(a, 200);
    put(a, 210, RECORD_END, "\"Outcome\":\"evicted\",\"Cause\":\"vacate\"");
    fold(f, a);
    auto_free char *gone = own_text(f, cluster, "Deliver");
    assert_string_equal(gone, "");
}

/* ---- once and only once ---- */

/* All that the queue says of a job, without what depends on the present time. */
static char *everything(struct fixture *f, int cluster)
{
    auto_ad struct ad *answer = ad_new();
    struct ad *job;
    assert_ok(report_story(&f->pool, (struct job_id){ cluster, 0 }, answer, &f->err), f->err);
    job = ad_copy(ad_ad(answer, "Job"));
    ad_remove(job, "EnteredCurrentStatus");
    ad_remove(job, "QDate");
    ad_set_ad(answer, "Job", job);
    return json_of(answer);
}

static void put_a_stint(struct active *a)
{
    begin(a, 0);
    put(a, 10, RECORD_RUN, "\"Execution\":1");
    put(a, 30, RECORD_EXIT, "\"ExitCode\":85,\"Checkpoint\":true,\"UserUs\":15,\"SysUs\":5");
    put(a, 35, RECORD_RUN, "\"Execution\":2");
    put(a, 40, RECORD_COMMIT, "\"Generation\":1,\"Bytes\":10,\"PauseUs\":5");
    put(a, 90, RECORD_EXIT, "\"ExitCode\":1,\"Final\":true,\"UserUs\":65,\"SysUs\":6");
    put(a, 95, RECORD_END, "\"Outcome\":\"failed\",\"Cause\":\"failed\",\"Reason\":\"code 1\",\"ExitCode\":1");
}

static void folding_twice_is_folding_once(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    put_a_stint(a);
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_records(&f->pool, a, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    auto_free char *once = everything(f, cluster);
    a->over = false; /* as a restarted pool sees it */
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_records(&f->pool, a, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    auto_free char *twice = everything(f, cluster);
    assert_string_equal(once, twice);
}

static void a_journal_that_a_power_cut_shortened_is_folded_from_its_new_end(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    put(a, 5, RECORD_RUN, "\"Execution\":1");
    fold(f, a);
    int fd = openat(a->job_dir, "journal", O_WRONLY);
    assert_int_equal(ftruncate(fd, 0), 0); /* what was folded had not reached the disk */
    close(fd);
    fold(f, a); /* as a fence does before it appends */
    put(a, 9, RECORD_END, "\"Outcome\":\"evicted\",\"Cause\":\"node\"");
    fold(f, a);
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
    assert_int_equal(own_int(f, cluster, "OccupiedUs"), 9);
}

static void a_fold_that_was_rolled_back_did_not_happen(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    put_a_stint(a);
    auto_free char *before = everything(f, cluster);
    int64_t last = f->pool.last_event;
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(fold_records(&f->pool, a, &f->err), f->err);
    assert_true(f->pool.last_event > last);
    event_rollback(&f->pool);
    assert_int_equal(f->pool.last_event, last); /* or followers would wait for events that have been */
    a->over = false;
    auto_free char *after = everything(f, cluster);
    assert_string_equal(after, before);
    struct queue_job job = fixture_get(f, cluster, 0);
    assert_int_equal(job.journal_offset, 0);
    queue_job_release(&job);
    fold(f, a);
    assert_int_equal(own_int(f, cluster, "NumJobStarts"), 2);
    assert_int_equal(own_int(f, cluster, "GoodputUs"), 20);
}

static void records_of_other_stints_and_rubbish_are_passed_over(void **state)
{
    struct fixture *f = *state;
    int cluster = submit_two_cpus(f);
    struct active *a = grant(f, cluster, 0);
    int64_t before = f->pool.last_event;
    auto_close int fd = journal_open(a->job_dir, "journal", &f->err);
    static const char *const rubbish[] = { "not JSON", "{\"Record\":\"end\",\"Stint\":7,\"Outcome\":\"completed\"}", "{}", "[]",
                                           "{\"Record\":5,\"Stint\":1}", "" };
    for (size_t i = 0; i < COUNT(rubbish); i++)
        assert_ok(journal_append(fd, rubbish[i], strlen(rubbish[i]), &f->err), f->err);
    begin(a, 0);
    put(a, 20, RECORD_END, "\"Outcome\":\"evicted\",\"Cause\":\"vacate\"");
    put(a, 30, RECORD_NOTE, "\"Text\":\"too late\"");
    fold(f, a);
    assert_events(f, cluster, 0, before, "evicted");
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
}

/* ---- the ledger ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void put_random(struct active *a, int64_t now, uint64_t *seed)
{
    static const struct { const char *kind, *more; } steps[] = {
        { RECORD_RUN, "\"Execution\":2" }, { RECORD_SUSPEND, "" }, { RECORD_CONTINUE, "" },
        { RECORD_EXIT, "\"ExitCode\":85,\"Checkpoint\":true,\"Why\":\"user\"" }, { RECORD_EXIT, "\"ExitSignal\":9" },
        { RECORD_COMMIT, "\"Generation\":1" }, { RECORD_FAIL, "\"Reason\":\"x\"" }, { RECORD_USAGE, "\"RssKb\":1" },
        { RECORD_BEGIN, "\"Mode\":\"resume\"" },
    };
    size_t i = next_random(seed) % COUNT(steps);
    if (i == COUNT(steps) - 1 && next_random(seed) % 8) /* rarely: it throws away what the stint had */
        i = 0;
    put(a, now, steps[i].kind, steps[i].more);
}

/* One stint with random records, folded in pieces of random length. Clocks stand still and run backwards. */
static void random_stint(struct fixture *f, int cluster, uint64_t *seed)
{
    static const char *const ends[] = {
        "\"Outcome\":\"completed\"", "\"Outcome\":\"evicted\",\"Cause\":\"vacate\",\"ForUser\":\"ann\"",
        "\"Outcome\":\"failed\",\"Cause\":\"failed\",\"ExitCode\":1", "\"Outcome\":\"held\",\"Reason\":\"x\",\"HoldCode\":1",
    };
    int64_t now = (int64_t)(next_random(seed) % 1000);
    struct active *a = grant(f, cluster, now);
    begin(a, now);
    for (uint64_t n = next_random(seed) % 12; n > 0; n--) {
        now += (int64_t)(next_random(seed) % 120) - 20;
        now = now > 0 ? now : 0;
        put_random(a, now, seed);
        if (next_random(seed) % 3 == 0)
            fold(f, a);
    }
    if (next_random(seed) % 5 == 0) {
        fence(f, a);
    } else {
        put(a, now + 7, RECORD_END, ends[next_random(seed) % COUNT(ends)]);
        fold(f, a);
    }
}

static void the_classes_add_up_to_the_time_the_slot_was_held(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1, i = 0; i < 60; i++) {
        int cluster = submit_two_cpus(f);
        int stints = 0;
        do {
            fixture_set_state(f, cluster, 0, JOB_IDLE);
            random_stint(f, cluster, &seed);
            stints++;
        } while (strcmp(fixture_state(f, cluster, 0), "idle") == 0 && stints < 3);
        int64_t occupied = 0;
        for (int s = 1; s <= stints; s++) {
            auto_ad struct ad *stint = stint_ad(f, cluster, s);
            assert_int_equal(sum_of_classes(stint), ad_int(stint, "OccupiedUs", -1));
            occupied += ad_int(stint, "OccupiedUs", 0);
        }
        auto_ad struct ad *row = ledger_row(f, "job", cluster);
        assert_int_equal(ad_int(row, "OccupiedUs", 0), occupied * CPUS);
        assert_int_equal(sum_of_classes(row), occupied * CPUS);
        assert_int_equal(job_int(f, cluster, "OccupiedUs"), occupied);
    }
    auto_ad struct ad *all = ledger_row(f, "pool", 0);
    assert_int_equal(sum_of_classes(all), ad_int(all, "OccupiedUs", -1));
}

/* ---- what a user is charged ---- */

static int64_t used_cpu_us(struct fixture *f)
{
    struct queue_usage usage = { 0 };
    int r = queue_get_usage(f->pool.queue, f->me, &usage, &f->err);
    assert_true(r >= 0);
    return r == QUEUE_ABSENT ? 0 : usage.total_cpu_us;
}

static void what_others_destroyed_is_not_charged(void **state)
{
    static const struct { const char *end; int64_t charged_us; } cases[] = {
        { "\"Outcome\":\"completed\"", 110 },
        { "\"Outcome\":\"evicted\",\"Cause\":\"hold\"", 110 },
        { "\"Outcome\":\"failed\",\"Cause\":\"failed\",\"ExitCode\":1", 110 },
        { "\"Outcome\":\"evicted\",\"Cause\":\"vacate\"", 10 },
        { "\"Outcome\":\"evicted\",\"Cause\":\"fairshare\"", 10 },
        { "\"Outcome\":\"failed\",\"Cause\":\"killed\",\"ExitSignal\":9", 10 },
        { "\"Outcome\":\"failed\",\"Cause\":\"runner\"", 10 },
        { "\"Outcome\":\"evicted\",\"Cause\":\"priority\",\"ForUser\":\"bob\"", 10 },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int cluster = submit_two_cpus(f);
        int64_t before = used_cpu_us(f);
        struct active *a = grant(f, cluster, 0);
        begin(a, 0);
        put(a, 10, RECORD_RUN, "\"Execution\":1");
        put(a, 110, RECORD_END, cases[i].end);
        fold(f, a);
        assert_int_equal(used_cpu_us(f) - before, cases[i].charged_us * CPUS);
    }
}

static void usage_halves_in_its_half_life(void **state)
{
    struct fixture *f = *state;
    struct queue_usage usage = { .uid = f->me, .decayed_cpu_s = 100, .factor = 1000 };
    int cluster = submit_two_cpus(f);
    usage.updated_us = WALL - f->pool.config.usage_halflife_us;
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_put_usage(f->pool.queue, &usage, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    put(a, 0, RECORD_RUN, "\"Execution\":1");
    put(a, 1000000, RECORD_END, "\"Outcome\":\"completed\"");
    fold(f, a);
    assert_ok(queue_get_usage(f->pool.queue, f->me, &usage, &f->err), f->err);
    assert_true(usage.decayed_cpu_s > 51.99 && usage.decayed_cpu_s < 52.01); /* the half of 100, and 1 s on 2 cpus */
    assert_int_equal(usage.total_cpu_us, 2000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_record_changes_what_it_should),
        TEST(a_commit_is_a_row_and_clears_what_counts_failures),
        TEST(only_news_of_the_method_is_told),
        TEST(problems_are_told_when_they_change_and_forgotten_with_the_method),
        TEST(a_verified_checkpoint_is_marked_once),
        TEST(every_outcome_ends_in_the_state_of_the_table),
        TEST(a_runners_hold_has_its_reason_and_codes),
        TEST(a_completed_job_is_in_the_history_with_its_exit),
        TEST(results_that_could_not_be_delivered_are_remembered),
        TEST(folding_twice_is_folding_once),
        TEST(a_journal_that_a_power_cut_shortened_is_folded_from_its_new_end),
        TEST(a_fold_that_was_rolled_back_did_not_happen),
        TEST(records_of_other_stints_and_rubbish_are_passed_over),
        TEST(the_classes_add_up_to_the_time_the_slot_was_held),
        TEST(what_others_destroyed_is_not_charged),
        TEST(usage_halves_in_its_half_life),
    };
    return cmocka_run_group_tests_name("pool_fold", tests, NULL, NULL);
}
