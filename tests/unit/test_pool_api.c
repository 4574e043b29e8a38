/* Requests below HTTP: what is found where, who may ask, what a submission must be, and lists with their filters. */
#include "journal_fixture.h"
#include "pool/request.h"

enum { STRANGER = 54321 };

/* Parameters of a query: "a=1&b=2", no escapes. A value lives for as long as a request asks for others. */
static const char *query_of(void *source, const char *name, int index)
{
    static char values[16][256];
    static size_t next;
    char *value = values[next++ % COUNT(values)];
    size_t len = strlen(name);
    for (const char *at = source; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
        if (strncmp(at, name, len) != 0 || at[len] != '=' || index-- > 0)
            continue;
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at + len + 1, "&"), at + len + 1);
        return value;
    }
    return NULL;
}

struct reply {
    int result;
    struct ad *ad;
    struct request rq;
};

static void release(struct reply *r)
{
    ad_free(r->ad);
    request_release(&r->rq);
}
#define auto_reply __attribute__((cleanup(release))) struct reply

static struct reply ask_as(struct fixture *f, uid_t uid, const char *method, const char *path, const char *text)
{
    bool post = strcmp(method, "POST") == 0;
    struct reply r = { .ad = ad_new(), .rq = { .pool = &f->pool, .query = query_of, .source = post ? (char *)"" : (char *)text,
                                               .uid = uid } };
    if (post)
        buf_text(&r.rq.body, text);
    r.result = request_run(&r.rq, method, path, r.ad, &f->err);
    if (r.result == 0 && r.rq.is_json) {
        ad_free(r.ad);
        assert_ok(ad_parse_json(buf_cstr(&r.rq.raw), r.rq.raw.len, &r.ad, &f->err), f->err);
    }
    assert_no_transaction(f);
    return r;
}

static struct reply get(struct fixture *f, const char *path, const char *query)
{
    return ask_as(f, f->me, "GET", path, query);
}

static struct reply post(struct fixture *f, const char *path, const char *body)
{
    return ask_as(f, f->me, "POST", path, body);
}

/* ---- routes ---- */

static void what_is_asked_is_found_by_method_and_path(void **state)
{
    static const struct { const char *method, *path; int result; } cases[] = {
        { "GET", "/v1/pool", 0 }, { "GET", "/v1/jobs", 0 }, { "GET", "/v1/jobs/1.0", 0 }, { "GET", "/v1/jobs/1.0/output", 0 },
        { "GET", "/v1/events", 0 }, { "GET", "/v1/ledger", 0 }, { "GET", "/v1/users", 0 },
        { "POST", "/v1/clusters/reserve", 0 }, { "POST", "/v1/pool/reschedule", 0 },
        { "POST", "/v1/pool", 1 }, { "GET", "/v1/pool/stop", 1 }, { "PUT", "/v1/jobs", 1 }, { "get", "/v1/pool", 1 },
        { "GET", "/", 1 }, { "GET", "", 1 }, { "GET", "/v1/jobs/", 1 }, { "GET", "/v1/jobs/1", 1 }, { "GET", "/v1/jobs/1.0/", 1 },
        { "GET", "/v1/jobs/x/output", 1 }, { "GET", "/v1/jobs/1.0/outputs", 1 }, { "GET", "/v2/pool", 1 },
        { "GET", "/v1/jobs/7.0", 1 }, { "GET", "/v1/jobs/7.0/output", 1 }, { "POST", "/v1/jobs/7.0/edit", 1 },
    };
    struct fixture *f = *state;
    fixture_submit(f, 1, "");
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool is_post = strcmp(cases[i].method, "POST") == 0;
        auto_reply r = ask_as(f, f->me, cases[i].method, cases[i].path, is_post ? "{\"Set\":{\"A\":1}}" : "");
        if (r.result != cases[i].result)
            fail_msg("%s %s gives %d: %s", cases[i].method, cases[i].path, r.result, f->err.text);
    }
}

static void a_private_pool_answers_its_owner_and_root_only(void **state)
{
    struct fixture *f = *state;
    f->pool.owner.uid = 1001;
    static const struct { bool machine_wide; uid_t uid; int result; } cases[] = {
        { false, 1001, 0 }, { false, 0, 0 }, { false, STRANGER, -1 }, { false, (uid_t)-1, -1 }, { true, STRANGER, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        f->pool.machine_wide = cases[i].machine_wide;
        auto_reply r = ask_as(f, cases[i].uid, "GET", "/v1/jobs", "");
        assert_int_equal(r.result, cases[i].result);
        if (r.result < 0)
            assert_int_equal(f->err.kind, ERR_DENIED);
    }
}

static void only_its_master_stops_a_pool(void **state)
{
    struct fixture *f = *state;
    f->pool.machine_wide = true;
    pool_want(&f->pool, true);
    auto_reply no = ask_as(f, STRANGER, "POST", "/v1/pool/stop", "{}");
    assert_int_equal(no.result, -1);
    assert_int_equal(f->err.kind, ERR_DENIED);
    assert_false(f->pool.stopping);
    assert_int_equal(faccessat(f->scratch.fd, "pool.wanted", F_OK, 0), 0);
    auto_reply soft = post(f, "/v1/pool/stop", "{\"Vacate\":true}");
    assert_int_equal(soft.result, 0);
    assert_true(f->pool.vacating && !f->pool.stopping);
    assert_int_equal(faccessat(f->scratch.fd, "pool.wanted", F_OK, 0), -1);
    auto_reply hard = post(f, "/v1/pool/stop", "{}");
    assert_true(hard.result == 0 && f->pool.stopping);
}

static void a_body_that_is_no_ad_is_the_clients_error(void **state)
{
    static const char *const bodies[] = { "", "[]", "7", "{", "{\"a b\":1}", "null", "{}x" };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        auto_reply r = post(f, "/v1/clusters", bodies[i]);
        assert_int_equal(r.result, -1);
        assert_int_equal(f->err.kind, ERR_INVALID);
        assert_contains(f->err.text, "the request's body: ");
    }
}

/* ---- submissions ---- */

#define JOB "\"Cmd\":\"/bin/true\",\"Iwd\":\"/tmp\""

static void a_submission_without_sense_leaves_nothing(void **state)
{
    static const struct { const char *body; enum error_kind kind; const char *says; } cases[] = {
        { "{}", ERR_INVALID, "the submission has no ad" },
        { "{\"Ad\":{},\"Count\":1}", ERR_INVALID, "Cmd and an absolute Iwd" },
        { "{\"Ad\":{\"Cmd\":\"x\",\"Iwd\":\"here\"}}", ERR_INVALID, "absolute Iwd" },
        { "{\"Ad\":{\"Iwd\":\"/\"}}", ERR_INVALID, "Cmd" },
        { "{\"Ad\":{" JOB "},\"Count\":0}", ERR_LIMIT, "a submission has 1 to" },
        { "{\"Ad\":{" JOB "},\"Count\":999999999}", ERR_LIMIT, "a submission has 1 to" },
        { "{\"Ad\":{" JOB "},\"Count\":2,\"Procs\":[{}]}", ERR_INVALID, "2 jobs but 1 ads" },
        { "{\"Ad\":{" JOB "},\"Count\":3,\"Procs\":[{},{},{\"RequestCpus\":0}]}", ERR_INVALID, "job 2 of the submission" },
        { "{\"Ad\":{" JOB "},\"Count\":2,\"Procs\":[{},{\"Iwd\":\"here\"}]}", ERR_INVALID, "absolute Iwd" },
        { "{\"Ad\":{" JOB "},\"ClusterId\":2147483647}", ERR_INVALID, "cluster 2147483647 was not reserved" },
        { "{\"Ad\":{" JOB "},\"ClusterId\":-5}", ERR_INVALID, "was not reserved" },
        { "{\"Ad\":{" JOB "},\"ClusterId\":1}", ERR_INVALID, "cluster 1" },
    };
    struct fixture *f = *state;
    fixture_submit(f, 1, "");
    int64_t before = f->pool.last_event;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_reply r = post(f, "/v1/clusters", cases[i].body);
        if (r.result != -1 || f->err.kind != cases[i].kind || !strstr(f->err.text, cases[i].says))
            fail_msg("%s gives %d: %s", cases[i].body, r.result, f->err.text);
        assert_events(f, 0, 0, before, "");
        assert_int_equal(f->pool.last_event, before); /* followers that ask for what comes after must not miss any */
        assert_int_equal(f->pool.idle_count, 1);
    }
    assert_int_equal(fixture_submit(f, 1, ""), 2);
}

static void a_reserved_number_can_be_used_once(void **state)
{
    struct fixture *f = *state;
    auto_reply reserved = post(f, "/v1/clusters/reserve", "{}");
    assert_int_equal(ad_int(reserved.ad, "ClusterId", 0), 1);
    assert_int_equal(fixture_submit(f, 1, ""), 2);
    auto_reply used = post(f, "/v1/clusters", "{\"Ad\":{" JOB "},\"Count\":2,\"ClusterId\":1}");
    assert_int_equal(used.result, 0);
    assert_int_equal(ad_int(used.ad, "ClusterId", 0), 1);
    assert_int_equal(ad_int(used.ad, "Jobs", 0), 2);
    auto_reply again = post(f, "/v1/clusters", "{\"Ad\":{" JOB "},\"ClusterId\":1}");
    assert_int_equal(again.result, -1);
    assert_int_equal(fixture_submit(f, 1, ""), 3);
}

static void a_reserved_number_is_its_reservers(void **state)
{
    struct fixture *f = *state;
    int number;
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_reserve_for(f->pool.queue, STRANGER, &number, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    fixture_reopen(f);
    auto_free char *body = mem_printf("{\"Ad\":{" JOB "},\"ClusterId\":%d}", number);
    auto_reply theirs = post(f, "/v1/clusters", body);
    assert_int_equal(theirs.result, -1);
    assert_contains(f->err.text, "was not reserved by");
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_take_reserved(f->pool.queue, STRANGER, number, &f->err), f->err);
    assert_int_equal(queue_take_reserved(f->pool.queue, STRANGER, number, &f->err), QUEUE_ABSENT);
    queue_rollback(f->pool.queue);
}

static void a_user_has_so_many_jobs_and_an_ad_so_many_bytes(void **state)
{
    struct fixture *f = *state;
    f->pool.config.max_jobs_per_user = 3;
    fixture_submit(f, 2, "");
    auto_reply many = post(f, "/v1/clusters", "{\"Ad\":{" JOB "},\"Count\":2}");
    assert_int_equal(many.result, -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_contains(f->err.text, "may have 3 in the queue");
    fixture_submit(f, 1, "");
    f->pool.config.max_jobs_per_user = 0;
    auto_free char *text = repeated("x", 1 << 20, "", "");
    auto_free char *large = mem_printf("{\"Ad\":{" JOB ",\"Note\":\"%s\"}}", text);
    auto_reply long_ad = post(f, "/v1/clusters", large);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_contains(f->err.text, "longer than 1024 KiB");
    auto_free char *edit = mem_printf("{\"Set\":{\"Note\":\"%s\"}}", text);
    auto_reply edited = post(f, "/v1/jobs/1.0/edit", edit);
    assert_int_equal(edited.result, -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
}

static void priorities_of_users_of_a_shared_pool_do_not_go_far(void **state)
{
    static const struct { bool shared; uid_t uid; int64_t asks, gets; } cases[] = {
        { true, STRANGER, 1000, 20 }, { true, STRANGER, -1000, -20 }, { true, STRANGER, 7, 7 }, { true, 0, 1000, 1000 },
        { false, STRANGER, 1000, 1000 },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct queue_job job = { .priority = cases[i].asks };
        f->pool.machine_wide = cases[i].shared;
        submit_clamp(&f->pool, cases[i].uid, &job);
        assert_int_equal(job.priority, cases[i].gets);
    }
}

static void others_see_that_a_job_is_there_and_nothing_of_its_contents(void **state)
{
    static const char secret[] = "hush";
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"Environment\":\"KEY=hush\",\"Arguments\":\"hush\",\"MyNote\":\"hush\"");
    f->pool.machine_wide = true;
    struct queue_job job = fixture_get(f, 1, 0);
    job.uid = STRANGER + 1;
    ad_set_string(job.ad, "HoldReason", secret);
    fixture_put(f, &job);
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    struct ad *event = event_new("held", 1);
    ad_set_string(event, "Reason", secret);
    auto_ad struct ad *full = ad_new();
    assert_ok(event_add(&f->pool, &job, full, event, &f->err), f->err);
    assert_ok(event_commit(&f->pool, &f->err), f->err);
    queue_job_release(&job);
    static const struct { const char *path, *query; } asked[] = {
        { "/v1/jobs", "" }, { "/v1/jobs", "attributes=Environment,Arguments,Iwd,HoldReason,ProcId" }, { "/v1/jobs/1.0", "" },
        { "/v1/events", "" },
    };
    for (size_t i = 0; i < COUNT(asked); i++) {
        auto_reply mine = ask_as(f, STRANGER + 1, "GET", asked[i].path, asked[i].query);
        auto_reply theirs = ask_as(f, STRANGER, "GET", asked[i].path, asked[i].query);
        auto_buf struct buf all = { 0 }, some = { 0 };
        ad_print_json(mine.ad, &all);
        ad_print_json(theirs.ad, &some);
        assert_contains(buf_cstr(&all), secret);
        if (strstr(buf_cstr(&some), secret) || strstr(buf_cstr(&some), f->scratch.path) || !strstr(buf_cstr(&some), "ProcId"))
            fail_msg("%s?%s tells '%s'", asked[i].path, asked[i].query, buf_cstr(&some));
    }
    auto_reply guess = ask_as(f, STRANGER, "GET", "/v1/jobs", "constraint=Arguments == \"hush\"");
    assert_int_equal(ad_list_count(guess.ad, "Jobs"), 0);
}

static void a_wall_clock_that_jumps_forward_deletes_no_history(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    struct moment now = clock_now();
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_finish_job(f->pool.queue, (struct job_id){ cluster, 0 }, now.wall_us, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    now.wall_us += 366 * 86400 * CLOCK_SECOND_US;
    assert_ok(pool_trim(&f->pool, now, &f->err), f->err);
    assert_string_equal(fixture_state(f, cluster, 0), "idle");
    now.boot_us += 31 * 86400 * CLOCK_SECOND_US;
    assert_ok(pool_trim(&f->pool, now, &f->err), f->err);
    assert_string_equal(fixture_state(f, cluster, 0), "absent");
    assert_no_transaction(f);
}

static void what_only_the_pool_sets_cannot_be_submitted(void **state)
{
    struct fixture *f = *state;
    auto_reply r = post(f, "/v1/clusters",
                        "{\"Ad\":{" JOB ",\"GoodputUs\":5,\"Owner\":\"root\",\"uid\":0,\"BackOff\":9,\"Deliver\":\"../x\"},"
                        "\"Count\":1,\"Procs\":[{\"LOSTUS\":7,\"NumCkpts\":3}]}");
    assert_int_equal(r.result, 0);
    auto_reply job = get(f, "/v1/jobs/1.0", "");
    const struct ad *ad = ad_ad(job.ad, "Job");
    assert_int_equal(ad_int(ad, "GoodputUs", -1), 0);
    assert_int_equal(ad_int(ad, "LostUs", -1), 0);
    assert_int_equal(ad_int(ad, "NumCkpts", -1), 0);
    assert_false(ad_has(ad, "Deliver"));
    assert_false(ad_has(ad, "Uid"));
    assert_string_equal(ad_string(ad, "Owner", ""), f->pool.owner.name);
    assert_int_equal(f->pool.idle_count, 1);
}

static void each_job_has_its_own_log_from_its_submission_on(void **state)
{
    struct fixture *f = *state;
    auto_free char *body = mem_printf("{\"Ad\":{\"Cmd\":\"x\",\"Iwd\":\"%s\"},\"Count\":2,"
                                      "\"Procs\":[{\"UserLog\":\"log.0\"},{\"UserLog\":\"log.1\"}]}", f->scratch.path);
    auto_reply r = post(f, "/v1/clusters", body);
    assert_int_equal(r.result, 0);
    userlog_round(&f->pool);
    for (int proc = 0; proc < 2; proc++) {
        char name[16], start[32];
        auto_buf struct buf text = { 0 };
        snprintf(name, sizeof name, "log.%d", proc);
        snprintf(start, sizeof start, "000 (001.00%d.000)", proc);
        assert_ok(file_read(f->scratch.fd, name, &text, &f->err), f->err);
        assert_memory_equal(buf_cstr(&text), start, strlen(start));
        assert_null(strstr(buf_cstr(&text) + 1, "000 ("));
    }
}

static void a_job_submitted_on_hold_is_held(void **state)
{
    struct fixture *f = *state;
    auto_reply r = post(f, "/v1/clusters", "{\"Ad\":{" JOB ",\"JobStatus\":5}}");
    assert_int_equal(r.result, 0);
    assert_string_equal(fixture_state(f, 1, 0), "held");
    assert_events(f, 1, 0, 0, "submitted held");
    assert_int_equal(f->pool.idle_count, 0);
}

static void nobody_that_the_machine_does_not_know_submits(void **state)
{
    struct fixture *f = *state;
    f->pool.machine_wide = true;
    auto_reply r = ask_as(f, STRANGER, "POST", "/v1/clusters", "{\"Ad\":{" JOB "}}");
    assert_int_equal(r.result, -1);
    assert_contains(f->err.text, "not known to this machine");
}

/* ---- lists ---- */

static void assert_jobs(struct fixture *f, const char *query, const char *want)
{
    auto_reply r = get(f, "/v1/jobs", query);
    auto_buf struct buf got = { 0 };
    if (r.result != 0)
        fail_msg("%s: %s", query, f->err.text);
    for (size_t i = 0; i < ad_list_count(r.ad, "Jobs"); i++) {
        const struct ad *job = ad_list_ad(r.ad, "Jobs", i);
        buf_printf(&got, "%s%d.%d", i ? " " : "", (int)ad_int(job, "ClusterId", 0), (int)ad_int(job, "ProcId", -1));
    }
    if (strcmp(buf_cstr(&got), want) != 0)
        fail_msg("%s lists '%s'", query, buf_cstr(&got));
}

static void jobs_are_listed_by_id_owner_constraint_and_limit(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 3, "\"Size\":1");
    fixture_submit(f, 2, "\"Size\":2");
    auto_free char *owner = mem_printf("owner=%s&id=2", f->pool.owner.name);
    assert_jobs(f, "", "1.0 1.1 1.2 2.0 2.1");
    assert_jobs(f, "id=1", "1.0 1.1 1.2");
    assert_jobs(f, "id=2.1&id=1.0", "2.1 1.0");
    assert_jobs(f, "id=2.1&id=9", "2.1");
    assert_jobs(f, "id=1&limit=2&id=2", "1.0 1.1");
    assert_jobs(f, "limit=4", "1.0 1.1 1.2 2.0");
    assert_jobs(f, "limit=-3", "1.0 1.1 1.2 2.0 2.1");
    assert_jobs(f, "constraint=Size == 2", "2.0 2.1");
    assert_jobs(f, "constraint=Size > 0&limit=1", "1.0");
    assert_jobs(f, "constraint=Absent", "");
    assert_jobs(f, owner, "2.0 2.1");
    assert_jobs(f, "owner=nobody-here", "");
    assert_jobs(f, "history=1", "");
    assert_jobs(f, "history=0&id=2.0", "2.0");
}

static void a_list_can_be_of_some_attributes_only(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 1, "\"Size\":1");
    auto_reply r = get(f, "/v1/jobs", "attributes=size, Owner,,Absent,%%");
    const struct ad *job = ad_list_ad(r.ad, "Jobs", 0);
    assert_int_equal(ad_count(job), 2);
    assert_int_equal(ad_int(job, "Size", 0), 1);
}

static void a_query_without_sense_is_refused(void **state)
{
    static const struct { const char *path, *query; enum error_kind kind; const char *says; } cases[] = {
        { "/v1/jobs", "id=x", ERR_INVALID, "'x' is no job" },
        { "/v1/jobs", "constraint=(", ERR_INVALID, "the constraint: " },
        { "/v1/events", "id=1.x", ERR_INVALID, "'1.x' is no job" },
        { "/v1/ledger", "by=colour", ERR_INVALID, "colour" },
        { "/v1/ledger", "id=z", ERR_INVALID, "'z' is no job" },
        { "/v1/ledger", "since=yesterday", ERR_INVALID, "a day is written" },
        { "/v1/ledger", "until=2026-13-01", ERR_INVALID, "a day is written" },
        { "/v1/ledger", "since=2026-11-23x", ERR_INVALID, "a day is written" },
        { "/v1/ledger", "since=1969-12-31", ERR_INVALID, "a day is written" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_reply r = get(f, cases[i].path, cases[i].query);
        if (r.result != -1 || f->err.kind != cases[i].kind || !strstr(f->err.text, cases[i].says))
            fail_msg("%s?%s gives %d: %s", cases[i].path, cases[i].query, r.result, f->err.text);
    }
    auto_free char *many = repeated("id=1&", 257, "", "");
    auto_reply r = get(f, "/v1/jobs", many);
    assert_int_equal(r.result, -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
}

static void events_come_after_a_number_and_may_be_waited_for(void **state)
{
    struct fixture *f = *state;
    fixture_submit(f, 2, "");
    auto_reply all = get(f, "/v1/events", "");
    assert_int_equal(ad_list_count(all.ad, "Events"), 2);
    assert_int_equal(ad_int(all.ad, "Last", 0), 2);
    const struct ad *first = ad_list_ad(all.ad, "Events", 0);
    assert_int_equal(ad_int(first, "Seq", 0), 1);
    assert_false(ad_has(first, "Log") || ad_has(first, "Uid") || ad_has(first, "Iwd")); /* the log writer's own */
    auto_reply one = get(f, "/v1/events", "after=1&id=1");
    assert_int_equal(ad_list_count(one.ad, "Events"), 1);
    auto_reply limited = get(f, "/v1/events", "limit=1&wait=9");
    assert_int_equal(ad_list_count(limited.ad, "Events"), 1);
    assert_false(limited.rq.wait);
    auto_reply waits = get(f, "/v1/events", "after=2&wait=1000");
    assert_true(waits.rq.wait);
    assert_true(waits.rq.deadline > clock_boot_us() && waits.rq.deadline <= clock_boot_us() + 60000000);
    waits.rq.deadline = 1; /* its time is over: the same request has its answer, an empty one */
    waits.rq.wait = false;
    assert_ok(request_run(&waits.rq, "GET", "/v1/events", waits.ad, &f->err), f->err);
    assert_false(waits.rq.wait);
    assert_int_equal(ad_list_count(waits.ad, "Events"), 0);
    f->pool.stopping = true;
    auto_reply ends = get(f, "/v1/events", "after=2&wait=1000");
    assert_false(ends.rq.wait);
}

static void the_ledger_is_listed_by_days_and_users_with_their_usage(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    struct active *a = grant(f, cluster, 0);
    begin(a, 0);
    put(a, 10, RECORD_RUN, "\"Execution\":1");
    put(a, 110, RECORD_END, "\"Outcome\":\"completed\",\"ExitCode\":0");
    fold(f, a); /* on 2023-11-14 */
    static const struct { const char *query; int64_t occupied; } cases[] = {
        { "", 110 }, { "by=day", 110 }, { "by=job&id=1", 110 }, { "since=2023-11-14", 110 }, { "since=2023-11-15", -1 },
        { "until=2023-11-13", -1 }, { "since=2023-11-14&until=2023-11-14", 110 }, { "owner=nobody-here", -1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_reply r = get(f, "/v1/ledger", cases[i].query);
        const struct ad *row = ad_list_ad(r.ad, "Ledger", 0);
        assert_int_equal(row ? ad_int(row, "OccupiedUs", 0) : -1, cases[i].occupied);
    }
    auto_reply users = get(f, "/v1/users", "");
    const struct ad *user = ad_list_ad(users.ad, "Users", 0);
    assert_int_equal(ad_int(user, "TotalCpuUs", 0), 110);
    assert_true(ad_real(user, "EffectivePriority", 0) == 500); /* never better than the best */
}

/* ---- a job's story, the pool ---- */

static void a_running_jobs_story_counts_up_to_now(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 1, "");
    int64_t now = clock_boot_us();
    struct active *a = grant(f, cluster, now - 3000000);
    begin(a, now - 3000000);
    put(a, now - 2000000, RECORD_RUN, "\"Execution\":1");
    fold(f, a);
    auto_reply r = get(f, "/v1/jobs/1.0", "");
    const struct ad *job = ad_ad(r.ad, "Job");
    assert_string_equal(ad_string(job, "JobState", ""), "running");
    assert_true(ad_int(job, "AtRiskUs", 0) >= 2000000);
    assert_int_equal(ad_int(job, "TransferUs", 0), 1000000);
    assert_int_equal(ad_int(job, "OccupiedUs", 0), ad_int(job, "AtRiskUs", 0) + 1000000);
    assert_int_equal(ad_list_count(r.ad, "Stints"), 1);
    assert_int_equal(ad_list_count(r.ad, "Events"), 2);
    assert_int_equal(ad_list_count(r.ad, "Checkpoints"), 0);
    assert_false(ad_has(r.ad, "IdleReason"));
    auto_reply pool = get(f, "/v1/pool", "");
    assert_int_equal(ad_int(pool.ad, "CpusUsed", 0), 1);
    assert_int_equal(ad_int(ad_ad(pool.ad, "Jobs"), "running", 0), 1);
    assert_int_equal(ad_int(ad_ad(pool.ad, "Jobs"), "idle", -1), 0);
    assert_contains(ad_string(pool.ad, "Limits", ""), "limits = off");
}

static void output_comes_from_the_sandbox_then_from_its_place(void **state)
{
    struct fixture *f = *state;
    const char *leaf;
    int cluster = fixture_submit(f, 1, "\"Out\":\"out.txt\",\"Err\":\"/dev/null\"");
    auto_reply nothing = get(f, "/v1/jobs/1.0/output", "");
    assert_true(nothing.rq.is_raw && nothing.rq.raw.len == 0);
    scratch_write(&f->scratch, "out.txt", "of another job", 14);
    auto_reply still = get(f, "/v1/jobs/1.0/output", "");
    assert_true(still.rq.is_raw && still.rq.raw.len == 0);
    struct active *a = grant(f, cluster, 0);
    auto_close int dir = file_open_parent(a->job_dir, "stint.1/std/stdout", true, &leaf, &f->err);
    auto_close int out = openat(dir, leaf, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_ok(file_write_all(out, "hello there", 11, &f->err), f->err);
    static const struct { const char *query, *text; int64_t offset; } cases[] = {
        { "", "hello there", 11 }, { "offset=6", "there", 11 }, { "offset=-5", "there", 11 }, { "offset=-500", "hello there", 11 },
        { "limit=5", "hello", 5 }, { "offset=2&limit=2", "ll", 4 }, { "offset=50", "", 50 }, { "stream=stderr", "", 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_reply r = get(f, "/v1/jobs/1.0/output", cases[i].query);
        assert_string_equal(buf_cstr(&r.rq.raw), cases[i].text);
        assert_int_equal(r.rq.raw_offset, cases[i].offset);
        assert_string_equal(r.rq.raw_state, "starting");
    }
    scratch_write(&f->scratch, "out.txt", "delivered", 9);
    begin(a, 0);
    put(a, 10, RECORD_END, "\"Outcome\":\"completed\",\"ExitCode\":0");
    fold(f, a);
    auto_reply done = get(f, "/v1/jobs/1.0/output", "");
    assert_string_equal(buf_cstr(&done.rq.raw), "delivered");
    assert_string_equal(done.rq.raw_state, "completed");
    f->pool.machine_wide = true;
    auto_reply other = ask_as(f, STRANGER, "GET", "/v1/jobs/1.0/output", "");
    assert_int_equal(other.result, -1);
    assert_int_equal(f->err.kind, ERR_DENIED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_asked_is_found_by_method_and_path),
        TEST(a_private_pool_answers_its_owner_and_root_only),
        TEST(only_its_master_stops_a_pool),
        TEST(a_body_that_is_no_ad_is_the_clients_error),
        TEST(a_submission_without_sense_leaves_nothing),
        TEST(a_reserved_number_can_be_used_once),
        TEST(what_only_the_pool_sets_cannot_be_submitted),
        TEST(each_job_has_its_own_log_from_its_submission_on),
        TEST(a_job_submitted_on_hold_is_held),
        TEST(nobody_that_the_machine_does_not_know_submits),
        TEST(jobs_are_listed_by_id_owner_constraint_and_limit),
        TEST(a_list_can_be_of_some_attributes_only),
        TEST(a_query_without_sense_is_refused),
        TEST(events_come_after_a_number_and_may_be_waited_for),
        TEST(the_ledger_is_listed_by_days_and_users_with_their_usage),
        TEST(a_running_jobs_story_counts_up_to_now),
        TEST(output_comes_from_the_sandbox_then_from_its_place),
        TEST(a_reserved_number_is_its_reservers),
        TEST(a_user_has_so_many_jobs_and_an_ad_so_many_bytes),
        TEST(priorities_of_users_of_a_shared_pool_do_not_go_far),
        TEST(others_see_that_a_job_is_there_and_nothing_of_its_contents),
        TEST(a_wall_clock_that_jumps_forward_deletes_no_history),
    };
    return cmocka_run_group_tests_name("pool_api", tests, NULL, NULL);
}
