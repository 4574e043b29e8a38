/*
 * The ledger: what became of every cpu-microsecond that a slot was occupied. A row is one cause of one class for one stint
 * and day; a charge adds to it. Times are integers and only ever added, so that the sums of every view are the same sum.
 *
 * A class that no view would show must not get in: it would be in OccupiedUs and in none of its parts.
 */
#include "queue/database.h"

#include "job/ledger.h"

#include <string.h>

static const char sql_charge[] =
    "INSERT INTO charge (job, stint, class, cause, for_user, day, uid, owner, wall_us, cpu_us)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    " ON CONFLICT DO UPDATE SET wall_us = wall_us + excluded.wall_us, cpu_us = cpu_us + excluded.cpu_us";

/* One column per class, in the order of enum ledger_class. */
#define OF_CLASS(name) "sum(CASE class WHEN '" name "' THEN cpu_us ELSE 0 END), "
#define BY_CLASS                                                                                                  \
    OF_CLASS("goodput") OF_CLASS("lost") OF_CLASS("checkpoint") OF_CLASS("restore") OF_CLASS("transfer") \
    OF_CLASS("idle")
#define WHERE                                                                                          \
    "sum(cpu_us) FROM charge WHERE job BETWEEN ?1 AND ?2 AND (?3 IS NULL OR owner = ?3)" \
    " AND day BETWEEN ?4 AND ?5"

static const char sql_by_job[] = "SELECT job, max(owner), " BY_CLASS WHERE " GROUP BY job ORDER BY job";
static const char sql_by_stint[] = "SELECT job, stint, max(owner), " BY_CLASS WHERE
                                   " GROUP BY job, stint ORDER BY job, stint";
static const char sql_by_user[] = "SELECT owner, " BY_CLASS WHERE " GROUP BY owner ORDER BY owner";
static const char sql_by_day[] = "SELECT day, " BY_CLASS WHERE " GROUP BY day ORDER BY day";
static const char sql_by_pool[] = "SELECT " BY_CLASS WHERE;
static const char sql_by_class[] = "SELECT class, " WHERE " GROUP BY class ORDER BY sum(cpu_us) DESC, class";
static const char sql_by_cause[] = "SELECT class, cause, for_user, " WHERE
                                   " GROUP BY class, cause, for_user ORDER BY sum(cpu_us) DESC, class, cause, for_user";

/* The keys in the order of the selection: j job, s stint, o owner, d day, c class, w why, f for whom. */
static const struct view {
    const char *by, *sql, *keys;
    bool classes;
} views[] = {
    { "job", sql_by_job, "jo", true },     { "stint", sql_by_stint, "jso", true }, { "user", sql_by_user, "o", true },
    { "day", sql_by_day, "d", true },      { "pool", sql_by_pool, "", true },      { "class", sql_by_class, "c", false },
    { "cause", sql_by_cause, "cwf", false },
};

static bool known_class(const char *name)
{
    for (enum ledger_class class = 0; class < LEDGER_CLASS_COUNT; class++)
        if (strcmp(name, ledger_class_name(class)) == 0)
            return true;
    return false;
}

int queue_charge(struct queue *queue, const struct queue_charge *charge, struct error *err)
{
    auto_statement struct statement st = { 0 };
    int64_t cpu_us;
    if (!known_class(charge->class_name))
        return error_set(err, ERR_INVALID, "the ledger has no class '%s'", charge->class_name);
    if (charge->wall_us < 0 || charge->cpus < 0)
        return error_set(err, ERR_INVALID, "a charge of %lld us on %d cpus is less than nothing",
                         (long long)charge->wall_us, charge->cpus);
    if (__builtin_mul_overflow(charge->wall_us, charge->cpus, &cpu_us))
        return error_set(err, ERR_LIMIT, "a charge of %lld us on %d cpus is too large", (long long)charge->wall_us,
                         charge->cpus);
    if (charge->wall_us == 0)
        return 0;
    if (statement_open(queue, sql_charge, &st, err) < 0)
        return -1;
    bind_int(&st, queue_key(charge->id));
    bind_int(&st, charge->stint);
    bind_text(&st, charge->class_name);
    bind_text(&st, charge->cause ? charge->cause : "");
    bind_text(&st, charge->for_user ? charge->for_user : "");
    bind_int(&st, charge->day);
    bind_int(&st, charge->uid);
    bind_text(&st, charge->owner ? charge->owner : "");
    bind_int(&st, charge->wall_us);
    bind_int(&st, cpu_us);
    return statement_run(&st, NULL, err);
}

static void take_key(struct statement *st, char key, struct ad *row)
{
    switch (key) {
    case 'j': {
        struct job_id id = queue_key_id(take_int(st));
        ad_set_int(row, "ClusterId", id.cluster);
        ad_set_int(row, "ProcId", id.proc);
        break;
    }
    case 's':
        ad_set_int(row, "Stint", take_int(st));
        break;
    case 'o':
        ad_set_string(row, "Owner", take_text(st));
        break;
    case 'd':
        ad_set_int(row, "Day", take_int(st));
        break;
    case 'c':
        ad_set_string(row, "Class", take_text(st));
        break;
    case 'w':
        ad_set_string(row, "Cause", take_text(st));
        break;
    default: {
        const char *whom = take_text(st);
        if (*whom)
            ad_set_string(row, "ForUser", whom);
    }
    }
}

static struct ad *take_row(struct statement *st, const struct view *view)
{
    struct ad *row = ad_new();
    for (const char *key = view->keys; *key; key++)
        take_key(st, *key, row);
    for (enum ledger_class class = 0; view->classes && class < LEDGER_CLASS_COUNT; class++)
        ad_set_int(row, ledger_class_attribute(class), take_int(st));
    ad_set_int(row, "OccupiedUs", take_int(st));
    return row;
}

static const struct view *find_view(const char *by)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        if (by && strcmp(by, views[i].by) == 0)
            return &views[i];
    return NULL;
}

int queue_ledger(struct queue *queue, const struct queue_ledger_query *query, struct ad *into, const char *list,
                 struct error *err)
{
    auto_statement struct statement st = { 0 };
    const struct view *view = find_view(query->by);
    struct key_range range = queue_key_range(query->id);
    if (!view)
        return error_set(err, ERR_INVALID, "the ledger is kept by job, stint, user, cause, class, day and pool, not by '%s'",
                         query->by ? query->by : "");
    if (statement_open(queue, view->sql, &st, err) < 0)
        return -1;
    bind_int(&st, range.first);
    bind_int(&st, range.last);
    bind_text(&st, query->owner);
    bind_int(&st, query->first_day ? query->first_day : INT64_MIN);
    bind_int(&st, query->last_day ? query->last_day : INT64_MAX);
    auto_ad struct ad *got = ad_new();
    int r;
    while ((r = statement_step(&st, err)) == STATEMENT_ROW)
        ad_append_ad(got, list, take_row(&st, view));
    if (r < 0)
        return -1;
    queue_append_list(into, got, list);
    return 0;
}
