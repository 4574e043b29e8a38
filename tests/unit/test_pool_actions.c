/* What people ask of jobs: every verb in every state, who may, which jobs are meant, and edits. */
#include "journal_fixture.h"

#include <sys/socket.h>

enum { STRANGER = 54321 };

static const struct { const char *name; enum job_event event; } verbs[] = {
    { "checkpoint", JOB_EVENT_CHECKPOINT }, { "vacate", JOB_EVENT_VACATE },   { "hold", JOB_EVENT_HOLD },
    { "release", JOB_EVENT_RELEASE },       { "remove", JOB_EVENT_REMOVE },   { "suspend", JOB_EVENT_SUSPEND },
    { "continue", JOB_EVENT_CONTINUE },
};

/* Asks as `uid`; `request` is the inside of a JSON object. The answer is yours. */
static struct ad *ask_as(struct fixture *f, uid_t uid, const char *request)
{
    auto_free char *json = mem_printf("{%s}", request);
    auto_ad struct ad *ad = from_json(json);
    struct ad *answer = ad_new();
    assert_ok(actions_run(&f->pool, uid, ad, answer, &f->err), f->err);
    assert_no_transaction(f);
    return answer;
}

static struct ad *ask(struct fixture *f, const char *verb, int cluster)
{
    auto_free char *request = mem_printf("\"Action\":\"%s\",\"Jobs\":[\"%d.0\"]", verb, cluster);
    return ask_as(f, f->me, request);
}

static const struct ad *result(const struct ad *answer, size_t i)
{
    assert_true(i < ad_list_count(answer, "Results"));
    return ad_list_ad(answer, "Results", i);
}

static void assert_refused(const struct ad *answer, const char *message)
{
    assert_int_equal(ad_list_count(answer, "Results"), 1);
    assert_false(ad_bool(result(answer, 0), "Ok", true));
    assert_string_equal(ad_string(result(answer, 0), "Message", ""), message);
}

static bool is_idle_in_memory(struct fixture *f, int cluster)
{
    for (size_t i = 0; i < f->pool.idle_count; i++)
        if (f->pool.idle[i].id.cluster == cluster)
            return true;
    return false;
}

/* ---- verbs and states ---- */

/* A job in that state, as the queue and the memory of a pool have it. *line is where a runner would listen, or -1. */
static int job_in(struct fixture *f, enum job_state state, int *line)
{
    int cluster = fixture_submit(f, 1, "");
    int ends[2];
    *line = -1;
    if (!job_state_occupies(state)) {
        fixture_set_state(f, cluster, 0, state);
        if (state != JOB_IDLE)
            schedule_remove(&f->pool, (struct job_id){ cluster, 0 });
        return cluster;
    }
    struct active *a = grant(f, cluster, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    active_watch(a, ends[0]);
    fixture_set_state(f, cluster, 0, state);
    *line = ends[1];
    return cluster;
}

static void assert_order(int line, const char *order)
{
    char text[4096] = "";
    ssize_t n = line < 0 ? 0 : read(line, text, sizeof text - 1);
    if (!order) {
        assert_true(n <= 0);
        return;
    }
    auto_free char *part = mem_printf("\"Order\":\"%s\"", order);
    assert_true(n > 0);
    assert_contains(text, part);
}

static const char *order_of(enum job_action action)
{
    static const char *const orders[] = {
        [JOB_ACT_CHECKPOINT] = "checkpoint", [JOB_ACT_SUSPEND] = "suspend", [JOB_ACT_CONTINUE] = "continue",
        [JOB_ACT_VACATE] = "vacate", [JOB_ACT_LEAVE] = "remove", [JOB_ACT_FINISH] = NULL,
    };
    return orders[action];
}

/* Events that the pool makes itself; the others come from the runner's journal. */
static const char *event_of(enum job_state from, const struct job_move *move)
{
    if (from == JOB_IDLE && move->next == JOB_HELD)
        return "held";
    if (from == JOB_HELD && move->next == JOB_IDLE)
        return "released";
    if (move->next == JOB_REMOVED)
        return "removed";
    return move->action == JOB_ACT_VACATE || move->action == JOB_ACT_LEAVE ? "vacating" : "";
}

static void check_pair(struct fixture *f, enum job_state from, size_t verb)
{
    int line, cluster = job_in(f, from, &line);
    int64_t before = f->pool.last_event;
    struct job_move move = job_step(from, verbs[verb].event);
    auto_ad struct ad *answer = ask(f, verbs[verb].name, cluster);
    if (!move.allowed) {
        assert_refused(answer, move.refusal);
        assert_string_equal(fixture_state(f, cluster, 0), job_state_name(from));
        assert_int_equal(f->pool.last_event, before);
    } else {
        assert_true(ad_bool(result(answer, 0), "Ok", false));
        assert_string_equal(fixture_state(f, cluster, 0), job_state_name(move.next));
        assert_events(f, cluster, 0, before, event_of(from, &move));
        assert_int_equal(ad_int(result(answer, 0), "Seq", -1), f->pool.last_event);
    }
    assert_order(line, move.allowed ? order_of(move.action) : NULL);
    assert_int_equal(is_idle_in_memory(f, cluster), strcmp(fixture_state(f, cluster, 0), "idle") == 0);
    if (line >= 0)
        close(line);
}

static void every_verb_does_in_every_state_what_the_table_says(void **state)
{
    struct fixture *f = *state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (size_t v = 0; v < COUNT(verbs); v++)
            if (!job_state_final((enum job_state)s))
                check_pair(f, (enum job_state)s, v);
}

static void a_past_job_is_not_in_the_queue(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    ad_free(ask(f, "remove", cluster));
    assert_string_equal(fixture_state(f, cluster, 0), "removed");
    for (size_t v = 0; v < COUNT(verbs); v++) {
        auto_ad struct ad *answer = ask(f, verbs[v].name, cluster);
        assert_refused(answer, "there is no such job in the queue; it may be done: stint history");
    }
}

static void an_order_carries_cause_and_reason(void **state)
{
    struct fixture *f = *state;
    int line, cluster = job_in(f, JOB_RUNNING, &line);
    char text[4096] = "";
    auto_free char *request =
        mem_printf("\"Action\":\"vacate\",\"Jobs\":[\"%d\"],\"Fast\":true,\"Reason\":\"make room\"", cluster);
    ad_free(ask_as(f, f->me, request));
    assert_true(read(line, text, sizeof text - 1) > 0);
    auto_ad struct ad *order = from_json(text);
    assert_string_equal(ad_string(order, "Cause", ""), "vacate");
    assert_string_equal(ad_string(order, "Reason", ""), "make room");
    assert_true(ad_bool(order, "Fast", false));
    assert_int_equal(text[strlen(text) - 1], '\n');
    close(line);
}

static void a_hold_has_its_reason_and_a_release_forgets_it(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    auto_free char *request = mem_printf("\"Action\":\"hold\",\"Jobs\":[\"%d.0\"],\"Reason\":\"wait for data\"", cluster);
    ad_free(ask_as(f, f->me, request));
    auto_free char *reason = own_text(f, cluster, "HoldReason");
    assert_string_equal(reason, "wait for data");
    assert_int_equal(own_int(f, cluster, "HoldReasonCode"), 1);
    auto_ad struct ad *held = fixture_last_event(f);
    assert_string_equal(ad_string(held, "Reason", ""), "wait for data");
    struct queue_job job = fixture_get(f, cluster, 0);
    ad_set_int(job.ad, "BackOff", 4);
    ad_set_int(job.ad, "KillsInARow", 4);
    fixture_put(f, &job);
    queue_job_release(&job);
    ad_free(ask(f, "release", cluster));
    auto_free char *gone = own_text(f, cluster, "HoldReason");
    assert_string_equal(gone, "");
    assert_int_equal(own_int(f, cluster, "BackOff"), -1);
    assert_int_equal(own_int(f, cluster, "KillsInARow"), -1);
    assert_int_equal(f->pool.waiting_count, 0);
}

static void without_a_reason_it_is_who_asked(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    ad_free(ask(f, "hold", cluster));
    auto_free char *reason = own_text(f, cluster, "HoldReason");
    auto_free char *want = mem_printf("by %s", f->pool.owner.name);
    assert_string_equal(reason, want);
}

static void a_removed_jobs_directory_goes(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    auto_free char *path = mem_printf("%s/%d.0/stint.1/work", f->pool.jobs_path, cluster);
    auto_close int dir = file_make_dirs(path, 0700, &f->err);
    assert_true(dir >= 0);
    ad_free(ask(f, "remove", cluster));
    assert_int_equal(access(path, F_OK), -1);
    auto_free char *reason = mem_printf("by %s", f->pool.owner.name);
    auto_ad struct ad *event = fixture_last_event(f);
    assert_string_equal(ad_string(event, "Reason", ""), reason);
}

/* A job that stayed behind its end, with a directory; `path` is that of its sandbox. */
static int job_that_stays(struct fixture *f, char **path)
{
    int cluster = fixture_submit(f, 1, "\"LeaveJobInQueue\":true");
    *path = mem_printf("%s/%d.0/stint.1/work", f->pool.jobs_path, cluster);
    auto_close int dir = file_make_dirs(*path, 0700, &f->err);
    assert_true(dir >= 0);
    ad_free(ask(f, "remove", cluster));
    assert_int_equal(access(*path, F_OK), 0);
    return cluster;
}

static bool is_in_queue(struct fixture *f, int cluster)
{
    struct queue_job job = { 0 };
    int result = queue_get_job(f->pool.queue, (struct job_id){ cluster, 0 }, &job, &f->err);
    queue_job_release(&job);
    assert_true(result >= 0);
    return result == 0;
}

static void what_stayed_in_the_queue_is_cleaned_up_when_it_is_taken_away(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = NULL;
    int cluster = job_that_stays(f, &path);
    ad_free(ask(f, "remove", cluster));
    assert_false(is_in_queue(f, cluster));
    assert_int_equal(access(path, F_OK), -1);
}

static void an_edit_lets_only_its_own_job_go(void **state)
{
    struct fixture *f = *state;
    auto_free char *path = NULL, *other = NULL;
    int cluster = job_that_stays(f, &path), second = job_that_stays(f, &other);
    auto_ad struct ad *edit = from_json("{\"Set\":{\"LeaveJobInQueue\":false}}");
    assert_ok(actions_edit(&f->pool, f->me, (struct job_id){ cluster, 0 }, edit, &f->err), f->err);
    assert_false(is_in_queue(f, cluster));
    assert_int_equal(access(path, F_OK), -1);
    assert_true(is_in_queue(f, second));
    assert_int_equal(access(other, F_OK), 0);
}

/* A pass has more than one slice, and comes to its end. */
static void those_that_stayed_go_when_their_time_has_come(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 1500 };
    auto_free char *staying = NULL;
    int other = job_that_stays(f, &staying), cluster = fixture_submit(f, MANY, "\"LeaveJobInQueue\":true,\"JobStatus\":5"), rounds = 0;
    int64_t counts[JOB_STATE_COUNT];
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    for (int i = 0; i < MANY; i++) {
        struct queue_job job = fixture_get(f, cluster, i);
        job.state = i % 2 ? JOB_COMPLETED : JOB_REMOVED;
        if (i != 1)
            ad_set_bool(job.ad, "LeaveJobInQueue", false);
        assert_ok(queue_put_job(f->pool.queue, &job, &f->err), f->err);
        queue_job_release(&job);
    }
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    do {
        f->pool.leave_at_us = 0;
        leave_round(&f->pool);
        assert_ok(queue_count_cluster(f->pool.queue, cluster, counts, &f->err), f->err);
    } while (counts[JOB_COMPLETED] + counts[JOB_REMOVED] > 1 && ++rounds < MANY);
    assert_int_equal(counts[JOB_COMPLETED], 1);
    assert_true(is_in_queue(f, other));
    while (f->pool.leave_step > 0 || f->pool.leave_last.cluster > 0) {
        f->pool.leave_at_us = 0;
        leave_round(&f->pool);
    }
    assert_true(f->pool.leave_some && f->pool.leave_at_us < INT64_MAX);
}

static void stopping_with_vacate_asks_everybody(void **state)
{
    struct fixture *f = *state;
    int lines[2], running = job_in(f, JOB_RUNNING, &lines[0]), suspended = job_in(f, JOB_SUSPENDED, &lines[1]);
    int idle = fixture_submit(f, 1, "");
    actions_vacate_all(&f->pool);
    assert_string_equal(fixture_state(f, running, 0), "vacating");
    assert_string_equal(fixture_state(f, suspended, 0), "vacating");
    assert_string_equal(fixture_state(f, idle, 0), "idle");
    for (int i = 0; i < 2; i++) {
        assert_order(lines[i], "vacate");
        close(lines[i]);
    }
}

/* ---- which jobs ---- */

static void a_cluster_means_all_its_jobs(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 3, "");
    auto_free char *request = mem_printf("\"Action\":\"hold\",\"Jobs\":[\"%d\"]", cluster);
    auto_ad struct ad *answer = ask_as(f, f->me, request);
    assert_int_equal(ad_list_count(answer, "Results"), 3);
    for (int proc = 0; proc < 3; proc++)
        assert_string_equal(fixture_state(f, cluster, proc), "held");
}

static void each_job_gets_its_own_answer(void **state)
{
    struct fixture *f = *state;
    int one = fixture_submit(f, 1, ""), two = fixture_submit(f, 1, "");
    fixture_set_state(f, two, 0, JOB_HELD);
    auto_free char *request = mem_printf("\"Action\":\"hold\",\"Jobs\":[\"%d.0\",\"%d.0\",\"77.0\",\"88\"]", one, two);
    auto_ad struct ad *answer = ask_as(f, f->me, request);
    assert_int_equal(ad_list_count(answer, "Results"), 4);
    int good = 0;
    for (size_t i = 0; i < 4; i++)
        good += ad_bool(result(answer, i), "Ok", false);
    assert_int_equal(good, 1);
    assert_string_equal(fixture_state(f, one, 0), "held");
}

static void a_constraint_chooses(void **state)
{
    struct fixture *f = *state;
    int small = fixture_submit(f, 2, "\"Size\":1"), large = fixture_submit(f, 2, "\"Size\":9"), none = fixture_submit(f, 1, "");
    auto_ad struct ad *answer = ask_as(f, f->me, "\"Action\":\"hold\",\"Constraint\":\"Size > 5 && ProcId == 1\"");
    assert_int_equal(ad_list_count(answer, "Results"), 1);
    assert_string_equal(fixture_state(f, large, 1), "held");
    assert_string_equal(fixture_state(f, large, 0), "idle");
    assert_string_equal(fixture_state(f, small, 1), "idle");
    assert_string_equal(fixture_state(f, none, 0), "idle");
    auto_ad struct ad *again = ask_as(f, f->me, "\"Action\":\"release\",\"Constraint\":\"JobState == \\\"held\\\"\"");
    assert_int_equal(ad_list_count(again, "Results"), 1);
    assert_string_equal(fixture_state(f, large, 1), "idle");
}

static void a_request_without_sense_changes_nothing(void **state)
{
    static const struct { const char *request, *says; } cases[] = {
        { "\"Jobs\":[\"1.0\"]", "there is no action ''" },
        { "\"Action\":\"destroy\",\"Jobs\":[\"1.0\"]", "there is no action 'destroy'" },
        { "\"Action\":\"Hold\",\"Jobs\":[\"1.0\"]", "there is no action 'Hold'" },
        { "\"Action\":\"hold\",\"Jobs\":[\"1.0\",\"all\"]", "'all' is no job; write 7.0, or 7 for a whole cluster" },
        { "\"Action\":\"hold\",\"Jobs\":[7]", "'' is no job" },
        { "\"Action\":\"hold\",\"Constraint\":\"1 +\"", "the constraint: " },
    };
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *json = mem_printf("{%s}", cases[i].request);
        auto_ad struct ad *request = from_json(json);
        auto_ad struct ad *answer = ad_new();
        assert_int_equal(actions_run(&f->pool, f->me, request, answer, &f->err), -1);
        assert_int_equal(f->err.kind, ERR_INVALID);
        assert_contains(f->err.text, cases[i].says);
        assert_string_equal(fixture_state(f, cluster, 0), "idle");
        assert_no_transaction(f);
    }
}

/* ---- who may ---- */

static void who_may_act_depends_on_the_pool(void **state)
{
    struct fixture *f = *state;
    static const struct { bool machine_wide; uid_t pool_owner, uid, job_owner; bool may; } cases[] = {
        { true, 0, 1001, 1001, true },     { true, 0, 1001, 1002, false },     { true, 0, 0, 1002, true },
        { true, 1001, 1001, 1002, false }, { false, 1001, 1001, 1002, true },  { false, 1001, 1003, 1002, false },
        { false, 1001, 1002, 1002, true }, { false, 1001, 0, 1002, true },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        f->pool.machine_wide = cases[i].machine_wide;
        f->pool.owner.uid = cases[i].pool_owner;
        assert_int_equal(pool_may(&f->pool, cases[i].uid, cases[i].job_owner), cases[i].may);
    }
}

static void a_stranger_is_refused_by_name_and_not_meant_by_a_constraint(void **state)
{
    struct fixture *f = *state;
    int line, cluster = job_in(f, JOB_RUNNING, &line);
    f->pool.machine_wide = true;
    for (size_t v = 0; v < COUNT(verbs); v++) {
        auto_free char *request = mem_printf("\"Action\":\"%s\",\"Jobs\":[\"%d.0\"]", verbs[v].name, cluster);
        auto_ad struct ad *answer = ask_as(f, STRANGER, request);
        assert_refused(answer, "it belongs to somebody else");
        auto_free char *all = mem_printf("\"Action\":\"%s\",\"Constraint\":\"true\"", verbs[v].name);
        auto_ad struct ad *none = ask_as(f, STRANGER, all);
        assert_int_equal(ad_list_count(none, "Results"), 0);
    }
    assert_order(line, NULL);
    assert_string_equal(fixture_state(f, cluster, 0), "running");
    close(line);
}

static void who_has_no_name_here_may_still_act_on_his_own(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    struct queue_job job = fixture_get(f, cluster, 0);
    job.uid = STRANGER;
    fixture_put(f, &job);
    queue_job_release(&job);
    f->pool.machine_wide = true;
    auto_free char *request = mem_printf("\"Action\":\"hold\",\"Jobs\":[\"%d.0\"]", cluster);
    auto_ad struct ad *answer = ask_as(f, STRANGER, request);
    assert_true(ad_bool(result(answer, 0), "Ok", false));
    auto_free char *reason = own_text(f, cluster, "HoldReason");
    assert_string_equal(reason, "by hand");
}

/* ---- edits ---- */

static int edit_as(struct fixture *f, uid_t uid, int cluster, const char *set)
{
    auto_free char *json = mem_printf("{%s}", set);
    auto_ad struct ad *request = from_json(json);
    int result = actions_edit(&f->pool, uid, (struct job_id){ cluster, 0 }, request, &f->err);
    assert_no_transaction(f);
    return result;
}

static void an_edit_changes_attributes_columns_and_order(void **state)
{
    struct fixture *f = *state;
    int first = fixture_submit(f, 1, ""), second = fixture_submit(f, 1, "");
    assert_int_equal(f->pool.idle[0].id.cluster, first);
    assert_ok(edit_as(f, f->me, second, "\"Set\":{\"JobPrio\":5,\"RequestCpus\":3,\"RequestMemory\":200,\"Hello\":\"there\"}"), f->err);
    struct queue_job job = fixture_get(f, second, 0);
    assert_int_equal(job.priority, 5);
    assert_int_equal(job.cpus, 3);
    assert_int_equal(job.memory_mb, 200);
    assert_string_equal(ad_string(job.ad, "Hello", ""), "there");
    queue_job_release(&job);
    assert_int_equal(f->pool.idle[0].id.cluster, second);
    assert_int_equal(f->pool.idle[0].cpus, 3);
    assert_int_equal(f->pool.idle_count, 2);
    auto_ad struct ad *event = fixture_last_event(f);
    assert_string_equal(ad_string(event, "Event", ""), "edited");
    fixture_reopen(f);
    assert_ok(schedule_load(&f->pool, &f->err), f->err);
    assert_int_equal(f->pool.idle[0].id.cluster, second);
}

static void a_held_job_can_be_edited_and_stays_held(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "\"JobStatus\":5");
    assert_string_equal(fixture_state(f, cluster, 0), "held");
    assert_ok(edit_as(f, f->me, cluster, "\"Set\":{\"RequestCpus\":2}"), f->err);
    assert_string_equal(fixture_state(f, cluster, 0), "held");
    assert_int_equal(f->pool.idle_count, 0);
}

static void undefined_takes_an_attribute_away(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "\"Hello\":\"there\"");
    assert_ok(edit_as(f, f->me, cluster, "\"Set\":{\"Hello\":null}"), f->err);
    auto_ad struct ad *answer = ad_new();
    assert_ok(report_story(&f->pool, (struct job_id){ cluster, 0 }, answer, &f->err), f->err);
    assert_false(ad_has(ad_ad(answer, "Job"), "Hello"));
}

static void what_cannot_be_edited_is_refused_whole(void **state)
{
    static const struct { const char *set, *says; } cases[] = {
        { "\"Set\":{}", "nothing to edit" },
        { "\"X\":1", "nothing to edit" },
        { "\"Set\":{\"Hello\":1,\"Owner\":\"bob\"}", "'Owner' is the pool's own" },
        { "\"Set\":{\"uid\":0}", "'uid' is the pool's own" },
        { "\"Set\":{\"JobStatus\":4}", "'JobStatus' is the pool's own" },
        { "\"Set\":{\"goodputus\":4}", "'goodputus' is the pool's own" },
        { "\"Set\":{\"ExitCode\":0}", "'ExitCode' is the pool's own" },
        { "\"Set\":{\"Deliver\":\"../../etc\"}", "'Deliver' is the pool's own" },
        { "\"Set\":{\"RequestCpus\":0}", "at least 1" },
        { "\"Set\":{\"RequestCpus\":\"many\"}", "RequestCpus must be a whole number" },
        { "\"Set\":{\"RequestMemory\":-1}", "RequestMemory is not a number" },
        { "\"Set\":{\"RequestDisk\":1e300}", "RequestDisk must be a whole number" },
        { "\"Set\":{\"CheckpointMethod\":\"transparant\"}", "did you mean 'transparent'?" },
        { "\"Set\":{\"checkpointmethod\":3}", "CheckpointMethod must be a word" },
        { "\"Set\":{\"OwnNetwork\":\"yes\"}", "OwnNetwork must be true or false" },
        { "\"Set\":{\"WritablePaths\":\"data\"}", "'data' is not absolute" },
        { "\"Set\":{\"CheckpointSig\":\"SIGFOO\"}", "CheckpointSig must be a signal" },
        { "\"Set\":{\"CheckpointMethodUsed\":\"none\"}", "'CheckpointMethodUsed' is the pool's own" },
        { "\"Set\":{\"Iwd\":\"here\"}", "absolute Iwd" },
        { "\"Set\":{\"Cmd\":null}", "needs Cmd" },
    };
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    int64_t before = f->pool.last_event;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(edit_as(f, f->me, cluster, cases[i].set), -1);
        assert_int_equal(f->err.kind, ERR_INVALID);
        assert_contains(f->err.text, cases[i].says);
        auto_free char *hello = own_text(f, cluster, "Hello");
        assert_string_equal(hello, "");
        assert_int_equal(f->pool.last_event, before);
        assert_int_equal(f->pool.idle_count, 1);
    }
}

static void only_an_idle_or_held_job_of_ones_own_can_be_edited(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        if (s == JOB_IDLE || s == JOB_HELD || job_state_final((enum job_state)s))
            continue;
        fixture_set_state(f, cluster, 0, (enum job_state)s);
        assert_int_equal(edit_as(f, f->me, cluster, "\"Set\":{\"Hello\":1}"), -1);
        assert_contains(f->err.text, "only an idle or held job can be edited");
    }
    fixture_set_state(f, cluster, 0, JOB_IDLE);
    f->pool.machine_wide = true;
    assert_int_equal(edit_as(f, STRANGER, cluster, "\"Set\":{\"Hello\":1}"), -1);
    assert_int_equal(f->err.kind, ERR_DENIED);
    assert_int_equal(edit_as(f, f->me, 99, "\"Set\":{\"Hello\":1}"), QUEUE_ABSENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_verb_does_in_every_state_what_the_table_says),
        TEST(a_past_job_is_not_in_the_queue),
        TEST(an_order_carries_cause_and_reason),
        TEST(a_hold_has_its_reason_and_a_release_forgets_it),
        TEST(without_a_reason_it_is_who_asked),
        TEST(a_removed_jobs_directory_goes),
        TEST(what_stayed_in_the_queue_is_cleaned_up_when_it_is_taken_away),
        TEST(an_edit_lets_only_its_own_job_go),
        TEST(those_that_stayed_go_when_their_time_has_come),
        TEST(stopping_with_vacate_asks_everybody),
        TEST(a_cluster_means_all_its_jobs),
        TEST(each_job_gets_its_own_answer),
        TEST(a_constraint_chooses),
        TEST(a_request_without_sense_changes_nothing),
        TEST(who_may_act_depends_on_the_pool),
        TEST(a_stranger_is_refused_by_name_and_not_meant_by_a_constraint),
        TEST(who_has_no_name_here_may_still_act_on_his_own),
        TEST(an_edit_changes_attributes_columns_and_order),
        TEST(a_held_job_can_be_edited_and_stays_held),
        TEST(undefined_takes_an_attribute_away),
        TEST(what_cannot_be_edited_is_refused_whole),
        TEST(only_an_idle_or_held_job_of_ones_own_can_be_edited),
    };
    return cmocka_run_group_tests_name("pool_actions", tests, NULL, NULL);
}
