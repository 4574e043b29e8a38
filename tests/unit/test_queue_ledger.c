/* The ledger: whatever is charged, every view of it is the same sum. */
#include "queue_fixture.h"

#include "job/ledger.h"

static struct queue_charge charge_of(int cluster, int proc, int stint, enum ledger_class class, int64_t wall_us)
{
    return (struct queue_charge){ .id = { cluster, proc }, .stint = stint, .uid = 1000, .owner = "ann",
                                  .class_name = ledger_class_name(class), .cause = "periodic", .for_user = "",
                                  .day = 19700, .cpus = 1, .wall_us = wall_us };
}

static void charge(struct fixture *f, struct queue_charge c)
{
    assert_ok(queue_charge(f->queue, &c, &f->err), f->err);
}

static struct ad *ask(struct fixture *f, struct queue_ledger_query query)
{
    struct ad *out = ad_new();
    assert_ok(queue_ledger(f->queue, &query, out, "Ledger", &f->err), f->err);
    return out;
}

/* All rows, each as its ad's text on one line, in order. */
static void assert_rows(struct fixture *f, struct queue_ledger_query query, const char *const *rows, size_t count)
{
    auto_ad struct ad *got = ask(f, query);
    assert_int_equal(ad_list_count(got, "Ledger"), count);
    for (size_t i = 0; i < count; i++) {
        auto_buf struct buf text = { 0 };
        ad_print_json(ad_list_ad(got, "Ledger", i), &text);
        assert_string_equal(buf_cstr(&text), rows[i]);
    }
}

#define ROWS(f, query, ...)                                          \
    do {                                                             \
        static const char *const rows_[] = { __VA_ARGS__ };          \
        assert_rows(f, query, rows_, sizeof rows_ / sizeof rows_[0]); \
    } while (0)

#define BY(...) ((struct queue_ledger_query){ .by = __VA_ARGS__ })

static void fill(struct fixture *f)
{
    struct queue_charge c = charge_of(7, 0, 1, LEDGER_GOODPUT, 100);
    charge(f, c);
    c.cpus = 4;
    charge(f, c);
    charge(f, charge_of(7, 0, 2, LEDGER_LOST, 30));
    c = charge_of(7, 1, 1, LEDGER_LOST, 20);
    c.cause = "fairshare";
    c.for_user = "bob";
    charge(f, c);
    c = charge_of(8, 0, 1, LEDGER_IDLE, 5);
    c.owner = "bob";
    c.uid = 1001;
    c.day = 19701;
    charge(f, c);
    charge(f, charge_of(7, 0, 2, LEDGER_RESTORE, 0));
}

#define CLASSES(good, lost, idle)                                                                        \
    "\"GoodputUs\":" good ",\"LostUs\":" lost ",\"CheckpointUs\":0,\"RestoreUs\":0,\"TransferUs\":0,\"IdleUs\":" idle

static void each_view_has_its_keys_and_its_sums(void **state)
{
    struct fixture *f = *state;
    fill(f);
    ROWS(f, BY("job"), "{\"ClusterId\":7,\"ProcId\":0,\"Owner\":\"ann\"," CLASSES("500", "30", "0") ",\"OccupiedUs\":530}",
         "{\"ClusterId\":7,\"ProcId\":1,\"Owner\":\"ann\"," CLASSES("0", "20", "0") ",\"OccupiedUs\":20}",
         "{\"ClusterId\":8,\"ProcId\":0,\"Owner\":\"bob\"," CLASSES("0", "0", "5") ",\"OccupiedUs\":5}");
    ROWS(f, BY("stint", .id = { 7, 0 }),
         "{\"ClusterId\":7,\"ProcId\":0,\"Stint\":1,\"Owner\":\"ann\"," CLASSES("500", "0", "0") ",\"OccupiedUs\":500}",
         "{\"ClusterId\":7,\"ProcId\":0,\"Stint\":2,\"Owner\":\"ann\"," CLASSES("0", "30", "0") ",\"OccupiedUs\":30}");
    ROWS(f, BY("user"), "{\"Owner\":\"ann\"," CLASSES("500", "50", "0") ",\"OccupiedUs\":550}",
         "{\"Owner\":\"bob\"," CLASSES("0", "0", "5") ",\"OccupiedUs\":5}");
    ROWS(f, BY("day"), "{\"Day\":19700," CLASSES("500", "50", "0") ",\"OccupiedUs\":550}",
         "{\"Day\":19701," CLASSES("0", "0", "5") ",\"OccupiedUs\":5}");
    ROWS(f, BY("pool"), "{" CLASSES("500", "50", "5") ",\"OccupiedUs\":555}");
    ROWS(f, BY("class"), "{\"Class\":\"goodput\",\"OccupiedUs\":500}", "{\"Class\":\"lost\",\"OccupiedUs\":50}",
         "{\"Class\":\"idle\",\"OccupiedUs\":5}");
    ROWS(f, BY("cause"), "{\"Class\":\"goodput\",\"Cause\":\"periodic\",\"OccupiedUs\":500}",
         "{\"Class\":\"lost\",\"Cause\":\"periodic\",\"OccupiedUs\":30}",
         "{\"Class\":\"lost\",\"Cause\":\"fairshare\",\"ForUser\":\"bob\",\"OccupiedUs\":20}",
         "{\"Class\":\"idle\",\"Cause\":\"periodic\",\"OccupiedUs\":5}");
}

static void filters_narrow_every_view(void **state)
{
    struct fixture *f = *state;
    fill(f);
    ROWS(f, BY("pool", .owner = "ann"), "{" CLASSES("500", "50", "0") ",\"OccupiedUs\":550}");
    ROWS(f, BY("pool", .id = { 7, JOB_ALL_PROCS }), "{" CLASSES("500", "50", "0") ",\"OccupiedUs\":550}");
    ROWS(f, BY("pool", .id = { 7, 1 }), "{" CLASSES("0", "20", "0") ",\"OccupiedUs\":20}");
    ROWS(f, BY("pool", .first_day = 19701), "{" CLASSES("0", "0", "5") ",\"OccupiedUs\":5}");
    ROWS(f, BY("pool", .last_day = 19700), "{" CLASSES("500", "50", "0") ",\"OccupiedUs\":550}");
    ROWS(f, BY("pool", .first_day = 1, .last_day = 2), "{" CLASSES("0", "0", "0") ",\"OccupiedUs\":0}");
    ROWS(f, BY("class", .owner = "bob"), "{\"Class\":\"idle\",\"OccupiedUs\":5}");
    assert_rows(f, BY("job", .owner = "eve"), NULL, 0);
}

static void an_unknown_view_is_refused_with_the_choices(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *out = ad_new();
    static const char *const bad[] = { "week", "", "JOB" };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(queue_ledger(f->queue, &BY(bad[i]), out, "Ledger", &f->err), -1);
        assert_int_equal(f->err.kind, ERR_INVALID);
        assert_non_null(strstr(f->err.text, "job, stint, user, cause, class, day and pool"));
    }
    assert_int_equal(queue_ledger(f->queue, &BY(NULL), out, "Ledger", &f->err), -1);
    assert_int_equal(ad_count(out), 0);
}

static void what_is_no_charge_is_refused(void **state)
{
    struct fixture *f = *state;
    struct queue_charge c = charge_of(1, 0, 1, LEDGER_GOODPUT, 5);
    c.class_name = "overhead";
    assert_int_equal(queue_charge(f->queue, &c, &f->err), -1);
    assert_string_equal(f->err.text, "the ledger has no class 'overhead'");
    c = charge_of(1, 0, 1, LEDGER_GOODPUT, -5);
    assert_int_equal(queue_charge(f->queue, &c, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_INVALID);
    c = charge_of(1, 0, 1, LEDGER_GOODPUT, INT64_MAX / 2);
    c.cpus = 3;
    assert_int_equal(queue_charge(f->queue, &c, &f->err), -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_rows(f, BY("job"), NULL, 0);
}

/* Two charges that each fit and together do not: refused, and not turned into a rounded number. */
static void a_sum_that_does_not_fit_is_refused_and_not_rounded(void **state)
{
    struct fixture *f = *state;
    struct queue_charge c = charge_of(1, 0, 1, LEDGER_GOODPUT, INT64_MAX - 1);
    charge(f, c);
    assert_int_equal(queue_charge(f->queue, &c, &f->err), -1);
    auto_ad struct ad *got = ask(f, BY("pool"));
    assert_true(ad_int(ad_list_ad(got, "Ledger", 0), "OccupiedUs", 0) == INT64_MAX - 1);
}

static void rows_are_appended_to_a_list_that_is_there(void **state)
{
    struct fixture *f = *state;
    auto_ad struct ad *out = ad_new();
    fill(f);
    assert_ok(queue_ledger(f->queue, &BY("pool"), out, "L", &f->err), f->err);
    assert_ok(queue_ledger(f->queue, &BY("user"), out, "L", &f->err), f->err);
    assert_int_equal(ad_list_count(out, "L"), 3);
}

static unsigned next_random(unsigned *seed)
{
    return (*seed = *seed * 1103515245 + 12345) >> 8;
}

static int64_t sum(const struct ad *rows, const char *attribute)
{
    int64_t total = 0;
    for (size_t i = 0; i < ad_list_count(rows, "Ledger"); i++)
        total += ad_int(ad_list_ad(rows, "Ledger", i), attribute, 0);
    return total;
}

/* In every row the classes add up to what was occupied. */
static void assert_rows_add_up(const struct ad *rows)
{
    for (size_t i = 0; i < ad_list_count(rows, "Ledger"); i++) {
        const struct ad *row = ad_list_ad(rows, "Ledger", i);
        int64_t total = 0;
        for (enum ledger_class class = 0; class < LEDGER_CLASS_COUNT; class++)
            total += ad_int(row, ledger_class_attribute(class), -1);
        assert_int_equal(total, ad_int(row, "OccupiedUs", -2));
    }
}

static void random_charges_are_the_same_sum_in_every_view(void **state)
{
    static const char *const owners[] = { "ann", "bob", "eve" }, *const causes[] = { "periodic", "vacate", "hold" };
    static const char *const views[] = { "job", "stint", "user", "day", "pool", "class", "cause" };
    struct fixture *f = *state;
    unsigned seed = 20240229;
    int64_t classes[LEDGER_CLASS_COUNT] = { 0 }, total = 0, of_bob = 0;
    assert_ok(queue_begin(f->queue, &f->err), f->err);
    for (int i = 0; i < 3000; i++) {
        unsigned who = next_random(&seed) % 3;
        enum ledger_class class = next_random(&seed) % LEDGER_CLASS_COUNT;
        struct queue_charge c = charge_of(1 + (int)who * 4 + (int)(next_random(&seed) % 4), (int)(next_random(&seed) % 5),
                                          1 + (int)(next_random(&seed) % 6), class, next_random(&seed) % 100000000);
        c.owner = owners[who];
        c.uid = 1000 + who;
        c.cause = causes[next_random(&seed) % 3];
        c.for_user = next_random(&seed) % 4 ? "" : "eve";
        c.day = 19700 + (int)(next_random(&seed) % 10);
        c.cpus = 1 + (int)(next_random(&seed) % 64);
        charge(f, c);
        classes[class] += c.wall_us * c.cpus;
        total += c.wall_us * c.cpus;
        of_bob += who == 1 ? c.wall_us * c.cpus : 0;
    }
    assert_ok(queue_commit(f->queue, &f->err), f->err);
    fixture_reopen(f);
    for (size_t v = 0; v < sizeof views / sizeof views[0]; v++) {
        auto_ad struct ad *all = ask(f, BY(views[v]));
        auto_ad struct ad *bob = ask(f, BY(views[v], .owner = "bob"));
        assert_int_equal(sum(all, "OccupiedUs"), total);
        assert_int_equal(sum(bob, "OccupiedUs"), of_bob);
        int64_t days = 0;
        for (int day = 19700; day < 19710; day++) {
            auto_ad struct ad *one = ask(f, BY(views[v], .first_day = day, .last_day = day));
            days += sum(one, "OccupiedUs");
        }
        assert_int_equal(days, total);
        if (v >= 5)
            continue;
        assert_rows_add_up(all);
        for (enum ledger_class class = 0; class < LEDGER_CLASS_COUNT; class++)
            assert_int_equal(sum(all, ledger_class_attribute(class)), classes[class]);
    }
}

static void the_ledger_outlives_the_job(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 7, 1);
    charge(f, charge_of(7, 0, 1, LEDGER_GOODPUT, 9));
    assert_ok(queue_finish_job(f->queue, (struct job_id){ 7, 0 }, 5, &f->err), f->err);
    assert_ok(queue_trim_history(f->queue, 6, &f->err), f->err);
    auto_ad struct ad *got = ask(f, BY("job"));
    assert_int_equal(sum(got, "GoodputUs"), 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_view_has_its_keys_and_its_sums),
        TEST(filters_narrow_every_view),
        TEST(an_unknown_view_is_refused_with_the_choices),
        TEST(what_is_no_charge_is_refused),
        TEST(a_sum_that_does_not_fit_is_refused_and_not_rounded),
        TEST(rows_are_appended_to_a_list_that_is_there),
        TEST(random_charges_are_the_same_sum_in_every_view),
        TEST(the_ledger_outlives_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
