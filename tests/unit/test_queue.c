/* Jobs, history, stints, checkpoints, events, usage and settings. */
#include "queue_fixture.h"

#include "base/clock.h"

static const struct queue_filter every = { 0 };
static const struct queue_filter past = { .history = true };

static void a_reserved_cluster_number_is_never_given_again(void **state)
{
    struct fixture *f = *state;
    int number = 0;
    for (int i = 1; i <= 3; i++) {
        assert_ok(queue_reserve_cluster(f->queue, &number, &f->err), f->err);
        assert_int_equal(number, i);
    }
    fixture_reopen(f);
    assert_ok(queue_reserve_cluster(f->queue, &number, &f->err), f->err);
    assert_int_equal(number, 4);
}

static void a_rolled_back_reservation_is_given_again(void **state)
{
    struct fixture *f = *state;
    int number = 0;
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    assert_ok(queue_reserve_cluster(f->queue, &number, &f->err), f->err);
    queue_rollback(f->queue);
    assert_ok(queue_reserve_cluster(f->queue, &number, &f->err), f->err);
    assert_int_equal(number, 1);
}

static void a_reservation_passes_over_clusters_that_are_there(void **state)
{
    struct fixture *f = *state;
    int number = 0;
    fixture_add(f, 41, 1);
    assert_ok(queue_reserve_cluster(f->queue, &number, &f->err), f->err);
    assert_int_equal(number, 42);
}

static void a_job_comes_back_as_it_was_put(void **state)
{
    struct fixture *f = *state;
    struct queue_job job = job_of(7, 0), got;
    fixture_add(f, 7, 1);
    job.uid = 4294967294u;
    snprintf(job.owner, sizeof job.owner, "bob");
    job.state = JOB_VACATING;
    job.priority = -5;
    job.submitted_us = INT64_C(1) << 60;
    job.cpus = 64;
    job.memory_mb = 1 << 20;
    job.disk_kb = INT64_C(1) << 40;
    job.stint = 12;
    job.journal_offset = 987654321;
    job.ad = ad_new();
    ad_set_string(job.ad, "HoldReason", "a \"b\" \\ \n \xc3\xa4");
    ad_set_int(job.ad, "ExitCode", -1);
    ad_set_real(job.ad, "Load", 0.1);
    assert_ok(ad_set_expr(job.ad, "Rank", "Memory * 2 + 1", &f->err), f->err);
    assert_ok(queue_put_job(f->queue, &job, &f->err), f->err);
    fixture_reopen(f);
    assert_ok(queue_get_job(f->queue, job.id, &got, &f->err), f->err);
    assert_int_equal(got.id.cluster, 7);
    assert_int_equal(got.id.proc, 0);
    assert_int_equal(got.uid, job.uid);
    assert_string_equal(got.owner, "bob");
    assert_int_equal(got.state, JOB_VACATING);
    assert_int_equal(got.priority, -5);
    assert_int_equal(got.submitted_us, job.submitted_us);
    assert_int_equal(got.cpus, 64);
    assert_int_equal(got.memory_mb, 1 << 20);
    assert_int_equal(got.disk_kb, job.disk_kb);
    assert_int_equal(got.stint, 12);
    assert_int_equal(got.journal_offset, 987654321);
    assert_int_equal(ad_count(got.ad), ad_count(job.ad));
    for (size_t i = 0; i < ad_count(job.ad); i++)
        assert_true(ad_same(got.ad, job.ad, ad_name(job.ad, i)));
    queue_job_release(&got);
    queue_job_release(&job);
}

static void a_job_that_is_not_there_is_absent(void **state)
{
    struct fixture *f = *state;
    struct queue_job got, job = job_of(7, 1);
    fixture_add(f, 7, 1);
    assert_int_equal(queue_get_job(f->queue, (struct job_id){ 7, 1 }, &got, &f->err), QUEUE_ABSENT);
    assert_int_equal(queue_get_job(f->queue, (struct job_id){ 8, 0 }, &got, &f->err), QUEUE_ABSENT);
    assert_int_equal(queue_put_job(f->queue, &job, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_string_equal(f->err.text, "job 7.1: it is not in the queue");
    assert_int_equal(queue_finish_job(f->queue, job.id, 1, &f->err), -1);
    assert_string_equal(f->err.text, "job 7.1: it is not in the queue");
}

static void a_job_needs_its_cluster_and_a_number_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct queue_job job = job_of(9, 0);
    assert_int_equal(queue_add_job(f->queue, &job, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_string_equal(f->err.text, "job 9.0: its cluster is not in the queue");
    fixture_add(f, 9, 1);
    assert_int_equal(queue_add_job(f->queue, &job, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_int_equal(queue_add_cluster(f->queue, 9, NULL, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_int_equal(queue_add_cluster(f->queue, 0, NULL, &f->err), -1);
    job.id = (struct job_id){ 9, JOB_ALL_PROCS };
    assert_int_equal(queue_add_job(f->queue, &job, &f->err), -1);
    assert_selects(f, every, "9.0");
}

static void a_refused_row_leaves_the_transaction_alive(void **state)
{
    struct fixture *f = *state;
    struct queue_job job = job_of(9, 0);
    fixture_add(f, 9, 1);
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    assert_int_equal(queue_add_job(f->queue, &job, &f->err), -1);
    job.id.proc = 1;
    assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
    assert_ok(queue_commit(f->queue, &f->err), f->err);
    assert_selects(f, every, "9.0 9.1");
}

static void a_rollback_takes_everything_back(void **state)
{
    struct fixture *f = *state;
    struct queue_job job = job_of(3, 0);
    auto_ad struct ad *ad = ad_new();
    int64_t seq;
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    assert_ok(queue_add_cluster(f->queue, 3, NULL, &f->err), f->err);
    assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
    assert_ok(queue_add_event(f->queue, job.id, ad, true, &seq, &f->err), f->err);
    queue_rollback(f->queue);
    queue_rollback(f->queue);
    assert_selects(f, every, "");
    assert_ok(queue_last_event(f->queue, &seq, &f->err), f->err);
    assert_int_equal(seq, 0);
    assert_int_equal(queue_full_ad(f->queue, &job, &ad, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_CORRUPT);
}

static void a_filter_selects_by_id_owner_state_and_limit(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 2, 3);
    fixture_add(f, 10, 2);
    fixture_add(f, 11, 1);
    struct queue_job job = job_of(10, 1);
    snprintf(job.owner, sizeof job.owner, "bob");
    job.state = JOB_RUNNING;
    assert_ok(queue_put_job(f->queue, &job, &f->err), f->err);
    fixture_set_state(f, (struct job_id){ 2, 1 }, JOB_HELD);
    fixture_set_state(f, (struct job_id){ 11, 0 }, JOB_RUNNING);
    const struct {
        struct queue_filter filter;
        const char *ids;
    } cases[] = {
        { every, "2.0 2.1 2.2 10.0 10.1 11.0" },
        { { .id = { 10, JOB_ALL_PROCS } }, "10.0 10.1" },
        { { .id = { 2, 1 } }, "2.1" },
        { { .id = { 2, 9 } }, "" },
        { { .id = { 3, JOB_ALL_PROCS } }, "" },
        { { .owner = "bob" }, "10.1" },
        { { .owner = "eve" }, "" },
        { { .owner = "ann", .id = { 10, JOB_ALL_PROCS } }, "10.0" },
        { { .states = 1u << JOB_IDLE }, "2.0 2.2 10.0" },
        { { .states = 1u << JOB_RUNNING }, "10.1 11.0" },
        { { .states = 1u << JOB_RUNNING | 1u << JOB_HELD }, "2.1 10.1 11.0" },
        { { .states = 1u << JOB_HELD, .id = { 2, JOB_ALL_PROCS } }, "2.1" },
        { { .states = 1u << JOB_HELD, .id = { 10, JOB_ALL_PROCS } }, "" },
        { { .states = 1u << JOB_SUSPENDED }, "" },
        { { .states = 1u << JOB_RUNNING, .owner = "ann" }, "11.0" },
        { { .limit = 2 }, "2.0 2.1" },
        { { .limit = 1, .states = 1u << JOB_RUNNING }, "10.1" },
        { past, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_selects(f, cases[i].filter, cases[i].ids);
}

static bool stop_at_second(void *data, const struct queue_job *job)
{
    (void)job;
    return ++*(int *)data < 2;
}

static void an_iteration_ends_when_the_callback_says_so(void **state)
{
    struct fixture *f = *state;
    int calls = 0;
    fixture_add(f, 1, 5);
    assert_ok(queue_each_job(f->queue, &every, stop_at_second, &calls, &f->err), f->err);
    assert_int_equal(calls, 2);
}

/* Asks the same question again, and changes what is being iterated over. */
static bool nested(void *data, const struct queue_job *job)
{
    struct fixture *f = data;
    struct queue_job changed = *job;
    auto_free char *ids = fixture_select(f, (struct queue_filter){ .states = 1u << JOB_RUNNING | 1u << JOB_HELD });
    assert_true(strlen(ids) > 0);
    assert_int_equal(changed.state, JOB_RUNNING); /* none comes a second time in its new state */
    changed.state = JOB_HELD;
    assert_ok(queue_put_job(f->queue, &changed, &f->err), f->err);
    return true;
}

static void a_callback_may_ask_and_change_the_queue(void **state)
{
    struct fixture *f = *state;
    struct queue_filter filter = { .states = 1u << JOB_RUNNING | 1u << JOB_HELD };
    fixture_add(f, 1, 4);
    for (int proc = 0; proc < 4; proc++)
        fixture_set_state(f, (struct job_id){ 1, proc }, JOB_RUNNING);
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    assert_ok(queue_each_job(f->queue, &filter, nested, f, &f->err), f->err);
    assert_ok(queue_commit(f->queue, &f->err), f->err);
    assert_selects(f, (struct queue_filter){ .states = 1u << JOB_HELD }, "1.0 1.1 1.2 1.3");
}

static void states_are_counted(void **state)
{
    struct fixture *f = *state;
    int64_t counts[JOB_STATE_COUNT];
    fixture_add(f, 1, 5);
    fixture_set_state(f, (struct job_id){ 1, 1 }, JOB_HELD);
    fixture_set_state(f, (struct job_id){ 1, 2 }, JOB_RUNNING);
    fixture_set_state(f, (struct job_id){ 1, 3 }, JOB_RUNNING);
    assert_ok(queue_finish_job(f->queue, (struct job_id){ 1, 4 }, 5, &f->err), f->err);
    memset(counts, 0xff, sizeof counts);
    assert_ok(queue_count_states(f->queue, counts, &f->err), f->err);
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        assert_int_equal(counts[i], i == JOB_IDLE || i == JOB_HELD ? 1 : i == JOB_RUNNING ? 2 : 0);
}

static void the_numbers_of_states_are_part_of_the_format(void **state)
{
    static const char *const names[] = { "idle",     "starting", "running", "suspended", "vacating",
                                         "holding", "removing", "held",    "completed", "removed" };
    (void)state;
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        assert_string_equal(job_state_name((enum job_state)i), names[i]);
}

static void a_full_ad_is_the_clusters_with_the_jobs_on_top(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *cluster = ad_new();
    auto_ad struct ad *full = NULL;
    struct queue_job job = job_of(5, 0);
    ad_set_string(cluster, "Cmd", "/bin/true");
    ad_set_string(cluster, "Args", "1");
    ad_set_string(cluster, "In", "a");
    job.ad = ad_new();
    ad_set_string(job.ad, "args", "2");
    ad_set_int(job.ad, "Own", 1);
    assert_ok(ad_set_expr(job.ad, "In", "undefined", &f->err), f->err);
    assert_ok(queue_add_cluster(f->queue, 5, cluster, &f->err), f->err);
    assert_ok(queue_add_job(f->queue, &job, &f->err), f->err);
    assert_ok(queue_full_ad(f->queue, &job, &full, &f->err), f->err);
    assert_string_equal(ad_string(full, "Cmd", ""), "/bin/true");
    assert_string_equal(ad_string(full, "Args", ""), "2");
    assert_int_equal(ad_int(full, "Own", 0), 1);
    assert_false(ad_has(full, "In"));
    assert_int_equal(ad_count(full), 3);
    ad_free(steal(full));
    /* The cluster's parsed ad is kept, and not changed by what was laid on top. */
    queue_job_release(&job);
    job = job_of(5, 1);
    assert_ok(queue_full_ad(f->queue, &job, &full, &f->err), f->err);
    assert_string_equal(ad_string(full, "In", ""), "a");
    assert_int_equal(ad_count(full), 3);
}

static void a_finished_job_is_in_the_history_only(void **state)
{
    struct fixture *f = *state;
    struct queue_job got;
    fixture_add(f, 1, 3);
    fixture_add(f, 2, 1);
    const struct job_id order[] = { { 1, 1 }, { 2, 0 }, { 1, 0 } };
    for (int i = 0; i < 3; i++) {
        fixture_set_state(f, order[i], JOB_COMPLETED);
        assert_ok(queue_finish_job(f->queue, order[i], 100 - i, &f->err), f->err);
    }
    assert_int_equal(queue_get_job(f->queue, order[0], &got, &f->err), QUEUE_ABSENT);
    assert_selects(f, every, "1.2");
    /* Newest first is by what happened, whatever the clock said. */
    assert_selects(f, past, "1.0 2.0 1.1");
    assert_selects(f, (struct queue_filter){ .history = true, .limit = 1 }, "1.0");
    assert_selects(f, (struct queue_filter){ .history = true, .id = { 1, JOB_ALL_PROCS } }, "1.0 1.1");
    assert_selects(f, (struct queue_filter){ .history = true, .id = { 2, 0 } }, "2.0");
    assert_selects(f, (struct queue_filter){ .history = true, .id = { 2, 0 }, .owner = "bob" }, "");
    assert_selects(f, (struct queue_filter){ .history = true, .states = 1u << JOB_REMOVED }, "");
    assert_int_equal(queue_finish_job(f->queue, order[0], 1, &f->err), -1);
}

static void an_owner_is_known_as_long_as_the_job_is(void **state)
{
    struct fixture *f = *state;
    struct queue_owner owner;
    struct job_id id = { 1, 0 };
    assert_int_equal(queue_get_owner(f->queue, id, &owner, &f->err), QUEUE_ABSENT);
    fixture_add(f, 1, 1);
    assert_ok(queue_get_owner(f->queue, id, &owner, &f->err), f->err);
    assert_int_equal(owner.uid, 1000);
    assert_string_equal(owner.name, "ann");
    assert_true(owner.is_active);
    assert_ok(queue_finish_job(f->queue, id, 1000, &f->err), f->err);
    assert_ok(queue_get_owner(f->queue, id, &owner, &f->err), f->err);
    assert_string_equal(owner.name, "ann");
    assert_false(owner.is_active);
}

static bool check_past_job(void *data, const struct queue_job *job)
{
    struct fixture *f = data;
    auto_ad struct ad *full = NULL;
    assert_int_equal(job->state, JOB_REMOVED);
    assert_string_equal(job->owner, "ann");
    assert_int_equal(ad_int(job->ad, "ExitCode", 0), 3);
    assert_ok(queue_full_ad(f->queue, job, &full, &f->err), f->err);
    assert_string_equal(ad_string(full, "Cmd", ""), "/bin/true");
    return true;
}

static void a_past_job_keeps_its_fields_and_its_clusters_ad(void **state)
{
    struct fixture *f = *state;
    struct queue_job job = job_of(1, 0);
    fixture_add(f, 1, 1);
    job.state = JOB_REMOVED;
    job.ad = ad_new();
    ad_set_int(job.ad, "ExitCode", 3);
    assert_ok(queue_put_job(f->queue, &job, &f->err), f->err);
    queue_job_release(&job);
    assert_ok(queue_finish_job(f->queue, (struct job_id){ 1, 0 }, 5, &f->err), f->err);
    fixture_reopen(f);
    assert_ok(queue_each_job(f->queue, &past, check_past_job, f, &f->err), f->err);
}

static bool append_event(void *data, const struct queue_event *event)
{
    char name[JOB_ID_TEXT_MAX];
    struct buf *out = data;
    buf_printf(out, "%s%lld:%s:%s", out->len ? " " : "", (long long)event->seq, job_id_print(event->id, name),
               ad_string(event->ad, "Event", "?"));
    return true;
}

static void add_event(struct fixture *f, struct job_id id, const char *name, bool for_log, int64_t expected)
{
    auto_ad struct ad *ad = ad_new();
    int64_t seq = 0;
    ad_set_string(ad, "Event", name);
    assert_ok(queue_add_event(f->queue, id, ad, for_log, &seq, &f->err), f->err);
    assert_int_equal(seq, expected);
}

static void assert_events(struct fixture *f, int64_t after, struct job_id id, int64_t limit, const char *expected)
{
    auto_buf struct buf out = { 0 };
    assert_ok(queue_each_event(f->queue, after, id, limit, append_event, &out, &f->err), f->err);
    assert_string_equal(buf_cstr(&out), expected);
}

static void assert_unlogged(struct fixture *f, int64_t limit, const char *expected)
{
    auto_buf struct buf out = { 0 };
    assert_ok(queue_each_unlogged(f->queue, limit, append_event, &out, &f->err), f->err);
    assert_string_equal(buf_cstr(&out), expected);
}

static void events_are_numbered_without_holes_and_selected(void **state)
{
    struct fixture *f = *state;
    const struct job_id all = { 0, 0 }, a = { 7, 0 }, b = { 7, 1 }, c = { 8, 0 }, cluster = { 7, JOB_ALL_PROCS };
    int64_t last = -1;
    assert_ok(queue_last_event(f->queue, &last, &f->err), f->err);
    assert_int_equal(last, 0);
    add_event(f, a, "submitted", true, 1);
    add_event(f, c, "submitted", true, 2);
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    add_event(f, b, "running", true, 3);
    queue_rollback(f->queue);
    add_event(f, b, "submitted", false, 3);
    add_event(f, cluster, "edited", false, 4);
    fixture_reopen(f);
    add_event(f, a, "running", true, 5);
    assert_events(f, 0, all, 0, "1:7.0:submitted 2:8.0:submitted 3:7.1:submitted 4:7:edited 5:7.0:running");
    assert_events(f, 3, all, 1, "4:7:edited");
    assert_events(f, 5, all, 10, "");
    assert_events(f, 0, a, 10, "1:7.0:submitted 5:7.0:running");
    assert_events(f, 1, a, 10, "5:7.0:running");
    assert_events(f, 0, a, 1, "1:7.0:submitted");
    assert_events(f, 0, cluster, 10, "1:7.0:submitted 3:7.1:submitted 4:7:edited 5:7.0:running");
    assert_events(f, 1, cluster, 1, "3:7.1:submitted");
    assert_ok(queue_last_event(f->queue, &last, &f->err), f->err);
    assert_int_equal(last, 5);
}

static void events_for_the_log_wait_until_they_are_marked(void **state)
{
    struct fixture *f = *state;
    add_event(f, (struct job_id){ 1, 0 }, "a", true, 1);
    add_event(f, (struct job_id){ 1, 0 }, "b", false, 2);
    add_event(f, (struct job_id){ 1, 1 }, "c", true, 3);
    assert_unlogged(f, 10, "1:1.0:a 3:1.1:c");
    assert_unlogged(f, 1, "1:1.0:a");
    assert_ok(queue_mark_logged(f->queue, 1, &f->err), f->err);
    assert_ok(queue_mark_logged(f->queue, 1, &f->err), f->err);
    assert_ok(queue_mark_logged(f->queue, 99, &f->err), f->err);
    fixture_reopen(f);
    assert_unlogged(f, 0, "3:1.1:c");
}

static void put_numbered(struct fixture *f, struct job_id id, int number, const char *name)
{
    auto_ad struct ad *ad = ad_new();
    ad_set_string(ad, "Name", name);
    assert_ok(queue_put_stint(f->queue, id, number, ad, &f->err), f->err);
    assert_ok(queue_put_checkpoint(f->queue, id, number, ad, &f->err), f->err);
}

static void assert_list(const struct ad *ad, const char *list, const char *expected)
{
    auto_buf struct buf out = { 0 };
    for (size_t i = 0; i < ad_list_count(ad, list); i++)
        buf_printf(&out, "%s%s", i ? " " : "", ad_string(ad_list_ad(ad, list, i), "Name", "?"));
    assert_true(ad_has(ad, list));
    assert_string_equal(buf_cstr(&out), expected);
}

static void stints_and_checkpoints_are_kept_by_number(void **state)
{
    struct fixture *f = *state;
    struct job_id id = { 4, 2 };
    auto_ad struct ad *lists = ad_new();
    auto_ad struct ad *one = NULL;
    put_numbered(f, id, 10, "ten");
    put_numbered(f, id, 9, "nine");
    put_numbered(f, (struct job_id){ 4, 1 }, 9, "other");
    put_numbered(f, id, 10, "TEN");
    assert_int_equal(queue_get_stint(f->queue, id, 11, &one, &f->err), QUEUE_ABSENT);
    assert_ok(queue_get_stint(f->queue, id, 10, &one, &f->err), f->err);
    assert_string_equal(ad_string(one, "Name", ""), "TEN");
    assert_ok(queue_list_stints(f->queue, id, lists, "Stints", &f->err), f->err);
    assert_list(lists, "Stints", "nine TEN");
    assert_ok(queue_list_stints(f->queue, (struct job_id){ 4, 1 }, lists, "Stints", &f->err), f->err);
    assert_list(lists, "Stints", "nine TEN other");
    assert_ok(queue_list_checkpoints(f->queue, id, lists, "Checkpoints", &f->err), f->err);
    assert_list(lists, "Checkpoints", "nine TEN");
    assert_ok(queue_list_checkpoints(f->queue, (struct job_id){ 5, 0 }, lists, "None", &f->err), f->err);
    assert_list(lists, "None", "");
}

static void trimming_forgets_what_ended_before_and_all_that_belongs_to_it(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *lists = ad_new();
    auto_ad struct ad *full = NULL;
    struct queue_job old = job_of(1, 0), gone = job_of(2, 0);
    int64_t last;
    fixture_add(f, 1, 2);
    fixture_add(f, 2, 2);
    for (int i = 0; i < 4; i++) {
        struct job_id id = { 1 + i / 2, i % 2 };
        add_event(f, id, "submitted", true, i + 1);
        put_numbered(f, id, 1, "one");
        if (i != 1)
            assert_ok(queue_finish_job(f->queue, id, 100 + i, &f->err), f->err);
    }
    assert_ok(queue_trim_history(f->queue, 103, &f->err), f->err);
    assert_selects(f, past, "2.1");
    assert_selects(f, every, "1.1");
    assert_events(f, 0, (struct job_id){ 0, 0 }, 0, "2:1.1:submitted 4:2.1:submitted");
    assert_ok(queue_list_stints(f->queue, old.id, lists, "Old", &f->err), f->err);
    assert_ok(queue_list_checkpoints(f->queue, old.id, lists, "Old", &f->err), f->err);
    assert_int_equal(ad_list_count(lists, "Old"), 0);
    assert_ok(queue_full_ad(f->queue, &old, &full, &f->err), f->err); /* 1.1 still needs the cluster */
    ad_free(steal(full));
    assert_ok(queue_full_ad(f->queue, &gone, &full, &f->err), f->err);
    ad_free(steal(full));
    assert_ok(queue_trim_history(f->queue, 104, &f->err), f->err);
    assert_selects(f, past, "");
    assert_int_equal(queue_full_ad(f->queue, &gone, &full, &f->err), -1);
    /* A follower's place stays true. */
    assert_ok(queue_last_event(f->queue, &last, &f->err), f->err);
    assert_int_equal(last, 4);
    add_event(f, (struct job_id){ 1, 1 }, "running", true, 5);
}

static void collect_usage(void *data, const struct queue_usage *usage)
{
    buf_printf(data, "%s/%u ", usage->owner, (unsigned)usage->uid);
}

static void usage_is_kept_per_user(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf out = { 0 };
    struct queue_usage got, usage = { .uid = 1001, .owner = "bob", .decayed_cpu_s = 1.0 / 3, .updated_us = 5,
                                      .total_cpu_us = INT64_C(1) << 50, .factor = 1000 };
    assert_int_equal(queue_get_usage(f->queue, 1001, &got, &f->err), QUEUE_ABSENT);
    assert_ok(queue_put_usage(f->queue, &usage, &f->err), f->err);
    usage.total_cpu_us++;
    assert_ok(queue_put_usage(f->queue, &usage, &f->err), f->err);
    assert_ok(queue_get_usage(f->queue, 1001, &got, &f->err), f->err);
    assert_string_equal(got.owner, "bob");
    assert_true(got.decayed_cpu_s == 1.0 / 3 && got.factor == 1000);
    assert_int_equal(got.updated_us, 5);
    assert_int_equal(got.total_cpu_us, (INT64_C(1) << 50) + 1);
    usage.uid = 1002;
    snprintf(usage.owner, sizeof usage.owner, "ann");
    assert_ok(queue_put_usage(f->queue, &usage, &f->err), f->err);
    assert_ok(queue_each_usage(f->queue, collect_usage, &out, &f->err), f->err);
    assert_string_equal(buf_cstr(&out), "ann/1002 bob/1001 ");
}

static void settings_are_kept(void **state)
{
    struct fixture *f = *state;
    auto_buf struct buf out = { 0 };
    assert_int_equal(queue_get_setting(f->queue, "Key", &out, &f->err), QUEUE_ABSENT);
    assert_ok(queue_put_setting(f->queue, "Key", "a", &f->err), f->err);
    assert_ok(queue_put_setting(f->queue, "Key", "b'c", &f->err), f->err);
    fixture_reopen(f);
    assert_ok(queue_get_setting(f->queue, "Key", &out, &f->err), f->err);
    assert_string_equal(buf_cstr(&out), "b'c");
}

static void ten_thousand_jobs_are_one_quick_transaction_and_small(void **state)
{
    struct fixture *f = *state;
    int64_t counts[JOB_STATE_COUNT], before = clock_boot_us();
    fixture_add(f, 1, 10000);
    int64_t took = clock_boot_us() - before;
    print_message("# 10000 jobs in %lld ms\n", (long long)(took / 1000));
    assert_true(took < 2 * CLOCK_SECOND_US); /* the sanitizers' time included */
    fixture_reopen(f);
    assert_ok(queue_count_states(f->queue, counts, &f->err), f->err);
    assert_int_equal(counts[JOB_IDLE], 10000);
    int64_t bytes = file_tree_bytes(f->scratch.fd, "queue.db");
    print_message("# %lld bytes a job\n", (long long)(bytes / 10000));
    assert_true(bytes < 10000 * 150);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reserved_cluster_number_is_never_given_again),
        TEST(a_rolled_back_reservation_is_given_again),
        TEST(a_reservation_passes_over_clusters_that_are_there),
        TEST(a_job_comes_back_as_it_was_put),
        TEST(a_job_that_is_not_there_is_absent),
        TEST(a_job_needs_its_cluster_and_a_number_of_its_own),
        TEST(a_refused_row_leaves_the_transaction_alive),
        TEST(a_rollback_takes_everything_back),
        TEST(a_filter_selects_by_id_owner_state_and_limit),
        TEST(an_iteration_ends_when_the_callback_says_so),
        TEST(a_callback_may_ask_and_change_the_queue),
        TEST(states_are_counted),
        TEST(the_numbers_of_states_are_part_of_the_format),
        TEST(a_full_ad_is_the_clusters_with_the_jobs_on_top),
        TEST(a_finished_job_is_in_the_history_only),
        TEST(an_owner_is_known_as_long_as_the_job_is),
        TEST(a_past_job_keeps_its_fields_and_its_clusters_ad),
        TEST(events_are_numbered_without_holes_and_selected),
        TEST(events_for_the_log_wait_until_they_are_marked),
        TEST(stints_and_checkpoints_are_kept_by_number),
        TEST(trimming_forgets_what_ended_before_and_all_that_belongs_to_it),
        TEST(usage_is_kept_per_user),
        TEST(settings_are_kept),
        TEST(ten_thousand_jobs_are_one_quick_transaction_and_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
