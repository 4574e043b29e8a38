/* Lists of jobs, events and sums: what is chosen, in which order, and that few attributes say what all of them would. */
#include "pool_fixture.h"

#include "pool/request.h"

#include <string.h>

/* A parameter of a query without escapes; "+" in it stands for a blank, ";" parts the parameters. */
static const char *query_of(void *source, const char *name, int index)
{
    static char values[8][512];
    static int next;
    size_t len = strlen(name);
    for (const char *at = source; at && *at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL) {
        if (strncmp(at, name, len) != 0 || at[len] != '=' || index-- > 0)
            continue;
        char *value = values[next++ % 8];
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at + len + 1, ";"), at + len + 1);
        for (char *p = value; *p; p++)
            *p = *p == '+' ? ' ' : *p;
        return value;
    }
    return NULL;
}

/* The answer; NULL and f->err when it is refused. */
static struct ad *get_as(struct fixture *f, uid_t uid, const char *path, const char *query)
{
    struct ad *answer = ad_new();
    struct request rq = { .pool = &f->pool, .query = query_of, .source = (char *)(uintptr_t)query, .uid = uid };
    int result = request_run(&rq, "GET", path, answer, &f->err);
    if (result == 0 && rq.is_json) {
        ad_free(answer);
        answer = NULL;
        assert_ok(ad_parse_json(buf_cstr(&rq.raw), rq.raw.len, &answer, &f->err), f->err);
    }
    request_release(&rq);
    assert_no_transaction(f);
    if (result == 0)
        return answer;
    ad_free(answer);
    return NULL;
}

static struct ad *get(struct fixture *f, const char *path, const char *query)
{
    return get_as(f, f->me, path, query);
}

static void assert_jobs(struct fixture *f, const char *query, const char *ids)
{
    auto_ad struct ad *answer = get(f, "/v1/jobs", query);
    auto_buf struct buf got = { 0 };
    if (!answer)
        fail_msg("%s: %s", query, f->err.text);
    for (size_t i = 0; i < ad_list_count(answer, "Jobs"); i++) {
        const struct ad *job = ad_list_ad(answer, "Jobs", i);
        buf_printf(&got, "%s%lld.%lld", i > 0 ? " " : "", (long long)ad_int(job, "ClusterId", 0), (long long)ad_int(job, "ProcId", -1));
    }
    if (strcmp(buf_cstr(&got), ids) != 0)
        fail_msg("%s: '%s', not '%s'", query, buf_cstr(&got), ids);
}

/* Jobs of many kinds: held and idle, with values of their own, expressions, lists, and a reason that needs escapes. */
static void make_jobs(struct fixture *f)
{
    fixture_submit(f, 3, "\"JobPrio\":5,\"Note\":\"a \\\"b\\\"\\n/c\",\"Twice\":\"\\/Expr(MY.RequestCpus * 2)\\/\",\"L\":[1,{\"a\":2}]");
    fixture_submit(f, 2, "\"JobBatchName\":\"sweep\",\"JobStatus\":5");
    struct queue_job job = fixture_get(f, 1, 1);
    ad_set_int(job.ad, "NumCkpts", 4);
    ad_set_real(job.ad, "Progress", 0.5);
    ad_set_expr(job.ad, "Note", "undefined", NULL);
    ad_set_string(job.ad, "LeaveReason", "secret");
    job.state = JOB_HELD;
    job.priority = 9;
    fixture_put(f, &job);
    queue_job_release(&job);
    for (int proc = 0; proc < 2; proc++) {
        job = fixture_get(f, 2, proc);
        ad_set_int(job.ad, "GoodputUs", 7000000);
        ad_set_int(job.ad, "LastCkptTime", 1000);
        job.state = proc == 0 ? JOB_HELD : JOB_RUNNING;
        fixture_put(f, &job);
        queue_job_release(&job);
    }
}

static void a_projection_says_what_the_whole_ad_says(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    auto_ad struct ad *whole = get(f, "/v1/jobs", "");
    size_t compared = 0;
    for (size_t i = 0; i < ad_list_count(whole, "Jobs"); i++) {
        const struct ad *job = ad_list_ad(whole, "Jobs", i);
        for (size_t k = 0; k < ad_count(job); k++) {
            const char *name = ad_name(job, k);
            auto_free char *query = mem_printf("attributes=%s,Absent", name);
            auto_ad struct ad *some = get(f, "/v1/jobs", query);
            const struct ad *one = ad_list_ad(some, "Jobs", i);
            if (strcmp(name, "ServerTime") == 0 || strcmp(name, "CurrentTime") == 0 || strcmp(name, "CheckpointAge") == 0)
                assert_true(ad_has(one, name));
            else if (!ad_same(job, one, name))
                fail_msg("job %zu: '%s' is another one by itself", i, name);
            compared++;
        }
    }
    assert_true(compared > 5 * 25);
    auto_ad struct ad *hidden = get(f, "/v1/jobs", "attributes=LeaveReason,Note,LeaveCode;id=1.1");
    assert_int_equal(ad_count(ad_list_ad(hidden, "Jobs", 0)), 0);
}

static void a_projection_has_what_its_expressions_refer_to(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    auto_ad struct ad *answer = get(f, "/v1/jobs", "attributes=Twice;id=1.0");
    const struct ad *job = ad_list_ad(answer, "Jobs", 0);
    assert_true(ad_has(job, "Twice") && ad_has(job, "RequestCpus"));
    assert_int_equal(ad_count(job), 2);
    int cluster = fixture_submit(f, 1, "\"Open\":\"\\/Expr(MY[strcat(\\\"Job\\\", \\\"Prio\\\")] + 1)\\/\",\"JobPrio\":7");
    auto_free char *query = mem_printf("attributes=Open;id=%d.0", cluster);
    auto_ad struct ad *all = get(f, "/v1/jobs", query);
    assert_int_equal(ad_int(ad_list_ad(all, "Jobs", 0), "JobPrio", 0), 7);
}

static void constraints_see_all_of_a_job(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    for (int some = 0; some < 2; some++) {
        static const struct { const char *constraint, *ids; } cases[] = {
            { "JobPrio+==+9", "1.1" },
            { "JobState+==+\"held\"", "1.1 2.0" },
            { "CheckpointAge+>+3600", "2.0 2.1" },
            { "CheckpointAge+=?=+undefined", "1.0 1.1 1.2" },
            { "Twice+==+2+&&+ProcId+>+0", "1.1 1.2" },
            { "GoodputUs+>+0", "2.0 2.1" },
            { "NumCkpts+==+4", "1.1" },
            { "Note+=?=+undefined+&&+ClusterId+==+1", "1.1" },
            { "LeaveReason+=!=+undefined", "" },
            { "JobBatchName+==+\"SWEEP\"", "2.0 2.1" },
            { "false", "" },
            { "size(L)+==+2+&&+ProcId+==+2", "1.2" },
            { "MY[\"JobPrio\"]+==+9", "1.1" },
            { "eval(strcat(\"Job\",+\"Prio\"))+==+9", "1.1" },
            { "size(MY)+>+8+&&+ProcId+==+2", "1.2" },
        };
        for (size_t i = 0; i < COUNT(cases); i++) {
            auto_free char *query = mem_printf("constraint=%s%s", cases[i].constraint, some ? ";attributes=ClusterId,ProcId" : "");
            assert_jobs(f, query, cases[i].ids);
        }
    }
    assert_jobs(f, "constraint=ClusterId+==+2;id=1;attributes=ClusterId,ProcId", "");
    assert_jobs(f, "constraint=ProcId+==+1;limit=1", "1.1");
}

static void what_is_wrong_with_a_constraint_has_a_column(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    static const char *const paths[] = { "/v1/jobs", "/v1/events", "/v1/ledger" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_null(get(f, paths[i], "constraint=JobPrio+>+"));
        assert_non_null(strstr(f->err.text, "the constraint: "));
        assert_non_null(strstr(f->err.text, "column 11"));
        assert_int_equal(f->err.kind, ERR_INVALID);
    }
    assert_null(get(f, "/v1/jobs", "sort=)"));
    assert_non_null(strstr(f->err.text, "what to sort by: "));
}

static void lists_are_sorted_by_an_expression(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    assert_jobs(f, "sort=JobPrio", "2.0 2.1 1.0 1.2 1.1");
    assert_jobs(f, "sort=-JobPrio;attributes=ClusterId,ProcId", "1.1 1.0 1.2 2.0 2.1");
    assert_jobs(f, "sort=-ProcId;limit=2;attributes=ClusterId,ProcId", "1.2 1.1");
    assert_jobs(f, "sort=JobBatchName;constraint=ProcId+<+2", "2.0 2.1 1.0 1.1"); /* without a value: last */
    assert_jobs(f, "sort=ifThenElse(ProcId+==+0,\"x\",7)", "1.1 1.2 2.1 1.0 2.0");
}

static void events_and_sums_are_those_of_jobs_that_are_meant(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    auto_ad struct ad *all = get(f, "/v1/events", ""), *some = get(f, "/v1/events", "constraint=ClusterId+==+2+&&+ProcId+==+1");
    auto_ad struct ad *none = get(f, "/v1/events", "constraint=false");
    assert_true(ad_list_count(all, "Events") >= 5);
    assert_int_equal(ad_list_count(some, "Events"), 2); /* submitted, and held */
    for (size_t i = 0; i < 2; i++)
        assert_true(ad_int(ad_list_ad(some, "Events", i), "ProcId", -1) == 1 && ad_int(ad_list_ad(some, "Events", i), "ClusterId", -1) == 2);
    assert_int_equal(ad_list_count(none, "Events"), 0);
    assert_int_equal(ad_int(none, "Last", 0), f->pool.last_event);
    for (int proc = 0; proc < 3; proc++) {
        struct queue_charge charge = { .id = { 1, proc }, .stint = 1, .uid = f->me, .owner = "eva", .class_name = "goodput", .cause = "completed",
                                       .for_user = "", .day = 20000, .cpus = 1, .wall_us = 1000000 << proc };
        assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
        assert_ok(queue_charge(f->pool.queue, &charge, &f->err), f->err);
        assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    }
    auto_ad struct ad *sum = get(f, "/v1/ledger", "by=user;constraint=ProcId+!=+1"), *rows = get(f, "/v1/ledger", "by=job;constraint=ProcId+!=+1");
    assert_int_equal(ad_list_count(sum, "Ledger"), 1);
    assert_int_equal(ad_int(ad_list_ad(sum, "Ledger", 0), "OccupiedUs", 0), 5000000);
    assert_int_equal(ad_int(ad_list_ad(sum, "Ledger", 0), "GoodputUs", 0), 5000000);
    assert_int_equal(ad_list_count(rows, "Ledger"), 2);
}

static void strangers_do_not_learn_by_constraints_what_is_not_shown(void **state)
{
    struct fixture *f = *state;
    make_jobs(f);
    f->pool.machine_wide = true;
    uid_t stranger = f->me + 12345;
    auto_ad struct ad *guess = get_as(f, stranger, "/v1/jobs", "constraint=JobBatchName+==+\"sweep\";attributes=ClusterId");
    auto_ad struct ad *seen = get_as(f, stranger, "/v1/jobs", "attributes=ClusterId,Cmd,Note,JobState;id=1.0");
    auto_ad struct ad *sorted = get_as(f, stranger, "/v1/jobs", "sort=JobBatchName;attributes=ClusterId,ProcId");
    auto_ad struct ad *events = get_as(f, stranger, "/v1/events", "constraint=JobBatchName+==+\"sweep\"");
    assert_int_equal(ad_list_count(guess, "Jobs"), 0);
    assert_int_equal(ad_count(ad_list_ad(seen, "Jobs", 0)), 2);
    assert_int_equal(ad_int(ad_list_ad(sorted, "Jobs", 0), "ClusterId", 0), 1); /* as if nothing had a name */
    assert_int_equal(ad_list_count(events, "Events"), 0);
    f->pool.machine_wide = false;
}

static void only_the_owner_changes_what_users_get(void **state)
{
    struct fixture *f = *state;
    struct queue_usage usage = { .uid = f->me, .owner = "eva", .decayed_cpu_s = 8, .total_cpu_us = 9, .factor = 1000 };
    assert_ok(queue_begin(f->pool.queue, &f->err), f->err);
    assert_ok(queue_put_usage(f->pool.queue, &usage, &f->err), f->err);
    assert_ok(queue_commit(f->pool.queue, &f->err), f->err);
    static const struct { const char *body, *refusal; } cases[] = {
        { "{\"Owner\":\"eva\",\"Factor\":20.5}", NULL },
        { "{\"TotalCpuUs\":0,\"DecayedCpuS\":1.5}", NULL },
        { "{\"Owner\":\"eva\"}", "nothing to change" },
        { "{\"Owner\":\"eva\",\"Factor\":0.5}", "1 or larger" },
        { "{\"Owner\":\"eva\",\"Factor\":\"x\"}", "1 or larger" },
        { "{\"Owner\":\"eva\",\"DecayedCpuS\":-1}", "0 or larger" },
        { "{\"Owner\":\"eva\",\"TotalCpuUs\":-1}", "whole number" },
        { "{\"Owner\":\"nobody\",\"Factor\":2}", "nobody called 'nobody'" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *answer = ad_new();
        struct request rq = { .pool = &f->pool, .query = query_of, .source = "", .uid = f->me };
        buf_text(&rq.body, cases[i].body);
        int result = request_run(&rq, "POST", "/v1/users", answer, &f->err);
        request_release(&rq);
        assert_int_equal(result, cases[i].refusal ? -1 : 0);
        if (cases[i].refusal)
            assert_non_null(strstr(f->err.text, cases[i].refusal));
        else
            assert_int_equal(ad_int(answer, "Changed", 0), 1);
        assert_no_transaction(f);
    }
    assert_ok(queue_get_usage(f->pool.queue, f->me, &usage, &f->err), f->err);
    assert_true(usage.factor == 20.5 && usage.decayed_cpu_s == 1.5 && usage.total_cpu_us == 0);
    f->pool.machine_wide = true;
    auto_ad struct ad *answer = ad_new();
    struct request rq = { .pool = &f->pool, .query = query_of, .source = "", .uid = f->me + 12345 };
    buf_text(&rq.body, cases[0].body);
    assert_int_equal(request_run(&rq, "POST", "/v1/users", answer, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_DENIED);
    request_release(&rq);
    f->pool.machine_wide = false;
}

/* Each evaluation is bounded; so are many of them. */
static void a_dear_expression_does_not_hold_the_pool_up(void **state)
{
    static const char dear[] = "regexp(\"(a|aa){1,}$\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\")";
    struct fixture *f = *state;
    auto_free char *query = mem_printf("constraint=%s", dear);
    fixture_submit(f, 2000, "");
    auto_ad struct ad *list = get(f, "/v1/jobs", query);
    assert_null(list);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_non_null(strstr(f->err.text, "make it simpler"));
    auto_ad struct ad *request = ad_new(), *answer = ad_new();
    ad_set_string(request, "Action", "hold");
    ad_set_string(request, "Constraint", dear);
    assert_int_equal(actions_run(&f->pool, f->me, request, answer, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_jobs(f, "limit=1", "1.0");
}

/* ---- what makes jobs ---- */

static void why_a_cluster_makes_no_jobs_is_its_owners_to_know(void **state)
{
    struct fixture *f = *state;
    int cluster = fixture_submit(f, 4, "\"JobMaterializeLimit\":1");
    auto_free char *hold = mem_printf("{\"Action\":\"hold\",\"Jobs\":[\"%d\"],\"Reason\":\"a secret\"}", cluster);
    auto_ad struct ad *request = from_json(hold), *said = ad_new();
    assert_ok(actions_run(&f->pool, f->me, request, said, &f->err), f->err);
    f->pool.machine_wide = true;
    auto_ad struct ad *own = get_as(f, f->me, "/v1/jobs", ""), *others = get_as(f, 54321, "/v1/jobs", "");
    assert_string_equal(ad_string(ad_list_ad(own, "Factories", 0), "JobMaterializePauseReason", ""), "a secret");
    assert_int_equal(ad_int(ad_list_ad(others, "Factories", 0), "JobMaterializePaused", 0), 1);
    assert_false(ad_has(ad_list_ad(others, "Factories", 0), "JobMaterializePauseReason"));
    assert_int_equal(ad_int(others, "ToCome", 0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_projection_says_what_the_whole_ad_says, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_projection_has_what_its_expressions_refer_to, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(constraints_see_all_of_a_job, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_with_a_constraint_has_a_column, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(lists_are_sorted_by_an_expression, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(events_and_sums_are_those_of_jobs_that_are_meant, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(strangers_do_not_learn_by_constraints_what_is_not_shown, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(only_the_owner_changes_what_users_get, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_dear_expression_does_not_hold_the_pool_up, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(why_a_cluster_makes_no_jobs_is_its_owners_to_know, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
