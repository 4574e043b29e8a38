/*
 * The schema, step by step.
 *
 * A job is one integer everywhere: cluster << 32 | proc (queue_key). It is the row's own number, so the table is in the
 * order of submission and needs no index for it, and a whole cluster is one range. Ads of jobs grow to kilobytes: those
 * tables have row numbers; where rows are short and the key is most of them (WITHOUT ROWID) the key is stored once.
 * States are the numbers of enum job_state, which may grow at its end only.
 *
 * No foreign keys: a stint's job is in `job` or in `past`, which SQL cannot say, and a cluster is freed by a range that an
 * index of its own would have to serve. The statements that could break a relation check it themselves.
 */
#include "queue/database.h"

static const char version_1[] =
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE cluster (id INTEGER PRIMARY KEY, ad TEXT NOT NULL) STRICT;"
    "CREATE TABLE job (id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, owner TEXT NOT NULL, state INTEGER NOT NULL,"
    "  priority INTEGER NOT NULL, submitted_us INTEGER NOT NULL, cpus INTEGER NOT NULL, memory_mb INTEGER NOT NULL,"
    "  disk_kb INTEGER NOT NULL, stint INTEGER NOT NULL, journal_offset INTEGER NOT NULL, ad TEXT NOT NULL) STRICT;"
    "CREATE INDEX job_state ON job (state);"
    "CREATE TABLE past (seq INTEGER PRIMARY KEY, finished_us INTEGER NOT NULL, id INTEGER NOT NULL, uid INTEGER NOT NULL,"
    "  owner TEXT NOT NULL, state INTEGER NOT NULL, priority INTEGER NOT NULL, submitted_us INTEGER NOT NULL,"
    "  cpus INTEGER NOT NULL, memory_mb INTEGER NOT NULL, disk_kb INTEGER NOT NULL, stint INTEGER NOT NULL,"
    "  journal_offset INTEGER NOT NULL, ad TEXT NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX past_id ON past (id);"
    "CREATE INDEX past_finished ON past (finished_us);"
    "CREATE TABLE stint (job INTEGER, number INTEGER, ad TEXT NOT NULL, PRIMARY KEY (job, number)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE checkpoint (job INTEGER, number INTEGER, ad TEXT NOT NULL, PRIMARY KEY (job, number))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE charge (job INTEGER, stint INTEGER, class TEXT, cause TEXT, for_user TEXT, day INTEGER, uid INTEGER,"
    "  owner TEXT, wall_us INTEGER NOT NULL, cpu_us INTEGER NOT NULL,"
    "  PRIMARY KEY (job, stint, class, cause, for_user, day, uid, owner)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, unlogged INTEGER NOT NULL,"
    "  ad TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_job ON event (job);"
    "CREATE INDEX event_unlogged ON event (unlogged) WHERE unlogged = 1;"
    "CREATE TABLE usage (uid INTEGER PRIMARY KEY, owner TEXT NOT NULL, decayed_cpu_s REAL NOT NULL,"
    "  updated_us INTEGER NOT NULL, total_cpu_us INTEGER NOT NULL, factor REAL NOT NULL) STRICT;";

/* Who may use a reserved number; and how many jobs a user has is a question of every submission. */
static const char version_2[] =
    "CREATE TABLE reservation (cluster INTEGER PRIMARY KEY, uid INTEGER NOT NULL) STRICT;"
    "CREATE INDEX reservation_uid ON reservation (uid);"
    "CREATE INDEX job_uid ON job (uid);";

/* Jobs that are still to be made: a row for each cluster that makes them, and one for each job that differs from its cluster's ad.
 * What accounting groups have used, and what their owners are still to be told of jobs. */
static const char version_3[] =
    "CREATE TABLE factory (cluster INTEGER PRIMARY KEY, uid INTEGER NOT NULL, owner TEXT NOT NULL, submitted_us INTEGER NOT NULL,"
    "  next INTEGER NOT NULL, total INTEGER NOT NULL, most INTEGER NOT NULL, most_idle INTEGER NOT NULL,"
    "  paused INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;"
    "CREATE TABLE factory_item (job INTEGER PRIMARY KEY, ad TEXT NOT NULL) STRICT;"
    "CREATE TABLE account (name TEXT PRIMARY KEY, decayed_cpu_s REAL NOT NULL, updated_us INTEGER NOT NULL,"
    "  total_cpu_us INTEGER NOT NULL, factor REAL NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE notice (seq INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, kind TEXT NOT NULL, due_us INTEGER NOT NULL,"
    "  tries INTEGER NOT NULL) STRICT;"
    "CREATE INDEX event_cluster ON event (job) WHERE job & 0xffffffff = 0xffffffff;";

const char *const *queue_migrations(int *count)
{
    static const char *const steps[] = { version_1, version_2, version_3 };
    *count = sizeof steps / sizeof steps[0];
    return steps;
}
