/* Where jobs come from: logs, history, models. */
#include "sim_world.h"

#include <math.h>
#include <stdio.h>

#define assert_near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

static int parse(struct workload *w, const char *text, struct error *err)
{
    *w = (struct workload){ 0 };
    return workload_parse_swf(w, text, strlen(text), err);
}

static void a_log_is_read(void **state)
{
    struct workload w;
    struct error err;
    (void)state;
    assert_int_equal(parse(&w,
                           "; Version: 2.2\n;  MaxProcs: 128\n\n"
                           "1 100 5 60 4 59.5 2048 4 3600 -1 1 7 1 -1 1 -1 -1 -1\n"
                           "  2  90 -1 30 -1 -1 -1 2 -1 1024 1 8 1 -1 1 -1 -1 -1 ; behind a comment\n"
                           "3 95 -1 -1 1 -1 -1 1 -1 -1 5 7 1 -1 1 -1 -1 -1\n"
                           "4 99 0 10 1 -1 -1 1 -1 -1 3 7 1 -1 1 -1 -1 -1\n"
                           "5 100 0 10 1 -1 -1 1 -1 -1 0 7 1 -1 1 -1 -1 -1",
                           &err),
                     0);
    assert_int_equal(w.count, 3);
    assert_int_equal(w.skipped, 2); /* one that never ran, one that is a part of another */
    assert_int_equal(w.log_cpus, 128);
    assert_int_equal(w.user_count, 2);
    assert_string_equal(w.users[w.jobs[0].user].name, "user8");
    assert_true(w.jobs[0].submit_us == 0 && w.jobs[1].submit_us == 10000000);
    assert_int_equal(w.jobs[0].cpus, 2);
    assert_int_equal(w.jobs[0].memory_mb, 2);
    assert_int_equal(w.jobs[1].cpus, 4);
    assert_int_equal(w.jobs[1].memory_mb, 8);
    assert_true(w.jobs[1].work_us == 60000000);
    assert_true(w.jobs[2].work_us == 10000000); /* ties stay in order */
    workload_release(&w);
}

#define REST " 1 -1 -1 1 -1 -1 1 7 1 -1 1 -1 -1 -1\n"

static void bad_lines_are_told_with_their_number(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        { "1 0 0 10" REST "2 0 0\n", "line 2 has 3 fields; the Standard Workload Format has 18" },
        { ";\n1 0 0 10" REST "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\n", "line 3 has more than 18 fields" },
        { "1 -5 0 10" REST, "line 1: the submit time, -5, is negative" },
        { "1 5 -2 10" REST, "line 1: the wait time, -2, is negative" },
        { "1 5 0 -10" REST, "line 1: the run time, -10, is negative" },
        { "1 5 0 ten" REST, "line 1: field 4, 'ten', is not a number" },
        { "1 5 0 nan" REST, "line 1: field 4, 'nan', is not a number" },
        { "1 5 0 inf" REST, "line 1: field 4, 'inf', is not a number" },
        { "1 5 0 1e300" REST, "more than a hundred years" },
        { "1 5 0 10 1e9 -1 -1 1 -1 -1 1 7 1 -1 1 -1 -1 -1\n", "line 1: 1e+09 processors are more than" },
        { "; nothing\n", "there is no job in it that ran" },
        { "", "there is no job in it that ran" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct workload w;
        struct error err = { 0 };
        if (parse(&w, rows[i].text, &err) == 0 || !strstr(err.text, rows[i].error))
            fail_msg("%s: %s", rows[i].error, err.text);
        workload_release(&w);
    }
    auto_buf struct buf wide = { 0 };
    struct workload w;
    struct error err = { 0 };
    for (int i = 0; i < 2000; i++)
        buf_char(&wide, '1');
    assert_int_equal(parse(&w, buf_cstr(&wide), &err), -1);
    assert_non_null(strstr(err.text, "line 1 is longer than"));
    workload_release(&w);
}

static void a_history_is_read(void **state)
{
    static const char text[] = "{\"Jobs\":[{\"QDate\":1000,\"Owner\":\"ada\",\"JobStatus\":4,\"GoodputUs\":5000000,"
                               "\"RequestCpus\":2,\"RequestMemory\":512,"
                               "\"CheckpointMethodUsed\":\"transparent\",\"LastCkptBytes\":2048000,\"LastCkptPauseUs\":70000},"
                               "{\"QDate\":900,\"Owner\":\"bob\",\"JobStatus\":4,\"GoodputUs\":9000000,\"NumCkpts\":2},"
                               "{\"QDate\":950,\"Owner\":\"bob\",\"JobStatus\":3,\"GoodputUs\":9000000}]}";
    struct workload w = { 0 };
    struct error err;
    (void)state;
    assert_int_equal(workload_parse_history(&w, text, sizeof text - 1, &err), 0);
    assert_int_equal(w.count, 2);
    assert_int_equal(w.skipped, 1);
    assert_string_equal(w.users[w.jobs[0].user].name, "bob");
    assert_int_equal(w.jobs[0].kind, WORKLOAD_SELF);
    assert_int_equal(w.jobs[0].period_s, 4);
    assert_int_equal(w.jobs[1].kind, WORKLOAD_TRANSPARENT);
    assert_true(w.jobs[1].submit_us == 100000000);
    assert_int_equal(w.jobs[1].state_kb, 2000);
    assert_int_equal(w.jobs[1].pause_ms, 70);
    workload_release(&w);
}

static void a_history_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        { "[1", "" },
        { "{}", "there is no list 'Jobs'" },
        { "{\"Jobs\":[1]}", "job 1 of the list is not an object" },
        { "{\"Jobs\":[{\"GoodputUs\":1}]}", "job 1 of the list: QDate, -1, is negative" },
        { "{\"Jobs\":[{\"QDate\":1,\"GoodputUs\":-4}]}", "GoodputUs, -4, is negative" },
        { "{\"Jobs\":[{\"QDate\":1,\"JobStatus\":3}]}", "none of its 1 jobs completed" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct workload w = { 0 };
        struct error err = { 0 };
        if (workload_parse_history(&w, rows[i].text, strlen(rows[i].text), &err) == 0 || !strstr(err.text, rows[i].error))
            fail_msg("%s: %s", rows[i].text, err.text);
        workload_release(&w);
    }
}

/* ---- models ---- */

static struct workload_model model_of(size_t jobs)
{
    return (struct workload_model){ .jobs = jobs, .users = 20, .cpus = 1024, .node_cpus = 1024, .load = 0.9, .seed = 4 };
}

static double load_of(const struct workload *w, double cpus)
{
    double work = 0;
    for (size_t i = 0; i < w->count; i++)
        work += (double)w->jobs[i].work_us * w->jobs[i].cpus;
    return work / (cpus * (double)w->jobs[w->count - 1].submit_us);
}

/* Serial jobs, powers of two, no run time above e^12 s; more arrive in the afternoon than before dawn. */
static void lublin_has_the_models_proportions(void **state)
{
    enum { N = 50000 };
    struct workload w = { 0 };
    struct workload_model model = model_of(N);
    int serial = 0, powers = 0;
    (void)state;
    workload_lublin(&w, &model);
    assert_int_equal(w.count, N);
    assert_near(load_of(&w, 1024), 0.9, 0.01);
    for (size_t i = 0; i < w.count; i++) {
        uint32_t cpus = w.jobs[i].cpus;
        serial += cpus == 1;
        powers += cpus > 1 && (cpus & (cpus - 1)) == 0;
        assert_true(cpus >= 1 && cpus <= 128);
        assert_true((double)w.jobs[i].work_us <= 1e6 * exp(12) + 1);
        assert_true(i == 0 || w.jobs[i].submit_us >= w.jobs[i - 1].submit_us);
    }
    assert_near((double)serial / N, 0.244, 0.01);
    assert_true((double)powers / N > 0.57); /* .576, and those of the others that happen to be */
    workload_release(&w);
    model.two_streams = true;
    workload_lublin(&w, &model);
    assert_int_equal(w.count, N);
    workload_release(&w);
}

static void sizes_are_cut_to_the_largest_node(void **state)
{
    struct workload w = { 0 };
    struct workload_model model = model_of(5000);
    (void)state;
    model.node_cpus = 12;
    workload_lublin(&w, &model);
    for (size_t i = 0; i < w.count; i++)
        assert_true(w.jobs[i].cpus <= 12);
    workload_release(&w);
}

static void the_high_throughput_mix_comes_in_bursts_of_one_user(void **state)
{
    enum { N = 100000 };
    struct workload w = { 0 };
    struct workload_model model = model_of(N);
    size_t bursts = 1;
    (void)state;
    workload_high_throughput(&w, &model);
    assert_int_equal(w.count, N);
    assert_near(load_of(&w, 1024), 0.9, 0.01);
    for (size_t i = 1; i < w.count; i++) {
        bool same = w.jobs[i].submit_us == w.jobs[i - 1].submit_us;
        bursts += !same;
        assert_true(!same || w.jobs[i].user == w.jobs[i - 1].user);
        assert_true(w.jobs[i].cpus == 1 && w.jobs[i].memory_mb >= 512 && w.jobs[i].memory_mb <= 16384);
    }
    assert_true(N / bursts > 200 && N / bursts < 2000);
    workload_release(&w);
}

static void costs_follow_the_kind(void **state)
{
    struct workload w = { 0 };
    struct workload_model model = model_of(20000);
    struct workload_costs costs = workload_costs_default();
    double kinds[WORKLOAD_KINDS] = { 0 };
    (void)state;
    workload_high_throughput(&w, &model);
    w.users[0].kind = WORKLOAD_NONE;
    workload_draw_costs(&w, &costs, 1);
    for (size_t i = 0; i < w.count; i++) {
        const struct workload_job *job = &w.jobs[i];
        bool none = job->kind == WORKLOAD_NONE;
        kinds[job->kind] += job->user != 0;
        assert_true(job->user != 0 || none);
        assert_true((job->state_kb > 0) == !none && (job->pause_ms > 0) == !none);
        assert_true((job->period_s > 0) == (job->kind == WORKLOAD_SELF));
        assert_true(job->state_kb <= 1024 * job->memory_mb);
    }
    double all = kinds[0] + kinds[1] + kinds[2];
    assert_near(kinds[WORKLOAD_TRANSPARENT] / all, 0.4, 0.02);
    assert_near(kinds[WORKLOAD_SELF] / all, 0.3, 0.02);
    workload_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_read),
        cmocka_unit_test(bad_lines_are_told_with_their_number),
        cmocka_unit_test(a_history_is_read),
        cmocka_unit_test(a_history_that_is_none_is_refused),
        cmocka_unit_test(lublin_has_the_models_proportions),
        cmocka_unit_test(sizes_are_cut_to_the_largest_node),
        cmocka_unit_test(the_high_throughput_mix_comes_in_bursts_of_one_user),
        cmocka_unit_test(costs_follow_the_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
