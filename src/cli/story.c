/*
 * A job's story. What the pool keeps of stints and checkpoints are ads that grow with the program; the columns here are those that
 * a reader needs, and one that nobody has a value for is left out.
 */
#include "cli/story.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/table.h"

#include <inttypes.h>
#include <string.h>

enum kind { KIND_INT, KIND_TEXT, KIND_TIME, KIND_DURATION, KIND_BYTES, KIND_FLAG };

struct column {
    const char *name;
    enum kind kind;
    const char *attribute;
};

static void add_value(struct buf *out, const struct ad *row, const struct column *column)
{
    int64_t n = ad_int(row, column->attribute, -1);
    switch (column->kind) {
    case KIND_TEXT:
        words_safe(out, ad_string(row, column->attribute, ""));
        break;
    case KIND_INT:
        if (n >= 0)
            buf_printf(out, "%" PRId64, n);
        break;
    case KIND_TIME:
        words_time(out, n);
        break;
    case KIND_DURATION:
        if (n >= 0)
            words_duration(out, n);
        break;
    case KIND_FLAG:
        buf_text(out, ad_bool(row, column->attribute, false) ? "yes" : "");
        break;
    case KIND_BYTES:
        if (n >= 0)
            words_bytes(out, n);
        break;
    }
}

static bool column_used(const struct ad *answer, const char *list, const struct column *column)
{
    size_t rows = ad_list_count(answer, list);
    for (size_t i = 0; i < rows; i++)
        if (ad_has(ad_list_ad(answer, list, i), column->attribute))
            return true;
    return false;
}

static void print_rows(const struct ad *answer, const char *list, const struct column *columns, size_t count,
                       const struct screen *screen, struct buf *out)
{
    struct table_column heads[TABLE_COLUMNS_MAX];
    const struct column *used[TABLE_COLUMNS_MAX];
    size_t shown = 0, rows = ad_list_count(answer, list);
    for (size_t i = 0; i < count; i++) {
        if (!column_used(answer, list, &columns[i]))
            continue;
        enum kind kind = columns[i].kind;
        int flags = kind == KIND_TEXT ? TABLE_CUT : kind == KIND_FLAG ? TABLE_LEFT : kind == KIND_TIME ? TABLE_LEFT : TABLE_RIGHT;
        heads[shown] = (struct table_column){ columns[i].name, flags };
        used[shown++] = &columns[i];
    }
    if (shown == 0)
        return;
    auto_table struct table *table = table_new(heads, shown);
    for (size_t i = 0; i < rows; i++) {
        for (size_t c = 0; c < shown; c++)
            add_value(table_cell(table), ad_list_ad(answer, list, i), used[c]);
        table_end_row(table);
    }
    table_print(table, screen->width, out);
}

/* ---- the parts of the story ---- */

static void print_head(const struct ad *job, const struct screen *screen, struct buf *out)
{
    buf_text(out, "Job ");
    words_id(out, job);
    buf_text(out, " of ");
    words_safe(out, ad_string(job, "Owner", "?"));
    buf_text(out, ": ");
    words_command(out, job);
    buf_text(out, "\nsubmitted ");
    words_time(out, ad_int(job, "QDate", 0) * CLOCK_SECOND_US);
    buf_text(out, " in ");
    words_safe(out, ad_string(job, "Iwd", "?"));
    if (ad_string(job, "ClonedFrom", NULL)) {
        buf_text(out, "\na clone of ");
        words_safe(out, ad_string(job, "ClonedFrom", ""));
    }
    if (ad_string(job, "ImportedFrom", NULL)) {
        buf_text(out, "\nimported from ");
        words_safe(out, ad_string(job, "ImportedFrom", ""));
    }
    buf_text(out, "\n\nIt is ");
    words_state(out, job);
    if (ad_has(job, "EnteredCurrentStatus")) {
        buf_text(out, ", since ");
        words_time(out, ad_int(job, "EnteredCurrentStatus", 0) * CLOCK_SECOND_US);
        buf_text(out, " (");
        words_age(out, ad_int(job, "EnteredCurrentStatus", 0) * CLOCK_SECOND_US, screen);
        buf_char(out, ')');
    }
    buf_text(out, ".\n");
    if (!ad_string(job, "KeptSandbox", NULL))
        return;
    buf_text(out, "Its sandbox is kept until it runs again or is removed: ");
    words_safe(out, ad_string(job, "KeptSandbox", ""));
    buf_char(out, '\n');
}

static void print_idle_reason(const struct ad *answer, const struct ad *job, struct buf *out)
{
    const char *reason = ad_string(answer, "IdleReason", "");
    if (!*reason || strcmp(ad_string(job, "JobState", ""), "idle") != 0)
        return;
    buf_text(out, "Why it is idle: ");
    words_safe(out, reason);
    buf_char(out, '\n');
}

static void print_periodic_error(const struct ad *job, struct buf *out)
{
    if (!ad_string(job, "PeriodicError", NULL))
        return;
    buf_text(out, "An expression is wrong: ");
    words_safe(out, ad_string(job, "PeriodicError", ""));
    buf_text(out, ".\n");
}

static void print_wants(const struct ad *job, struct buf *out)
{
    buf_text(out, "It asks for ");
    words_count(out, ad_int(job, "RequestCpus", 1), "cpu");
    if (ad_has(job, "RequestMemory")) {
        buf_text(out, ", ");
        words_bytes(out, ad_int(job, "RequestMemory", 0) << 20);
        buf_text(out, " of memory");
    }
    if (ad_has(job, "RequestDisk")) {
        buf_text(out, ", ");
        words_bytes(out, ad_int(job, "RequestDisk", 0) << 10);
        buf_text(out, " of disk");
    }
    if (ad_int(job, "ResidentSetSize", 0) > 0) {
        buf_text(out, "; it used ");
        words_bytes(out, ad_int(job, "ResidentSetSize", 0) << 10);
        buf_text(out, " of memory");
    }
    if (ad_int(job, "JobPrio", 0) != 0)
        buf_printf(out, "; its priority is %" PRId64, ad_int(job, "JobPrio", 0));
    buf_text(out, ".\n");
}

/* How often, where nobody said it, and why so. */
static void print_pace(const struct ad *job, struct buf *out)
{
    const char *basis = ad_string(job, "CheckpointPaceBasis", NULL);
    if (!basis)
        return;
    buf_text(out, ", every ");
    words_duration(out, ad_int(job, "CheckpointPaceUs", 0));
    buf_text(out, ": one costs ");
    words_duration(out, ad_int(job, "CheckpointPaceCostUs", 0));
    buf_text(out, strcmp(basis, "measured") == 0 ? "" : strcmp(basis, "pool") == 0 ? " (going by other jobs)" : " (a guess)");
    buf_text(out, ", and a stint is cut short once in ");
    words_duration(out, ad_int(job, "CheckpointPaceMtbfUs", 0));
}

/* It may not have run yet: then it is what its ad says that counts. */
static void print_method(const struct ad *job, const struct screen *screen, struct buf *out)
{
    size_t problems = ad_list_count(job, "CheckabilityProblems");
    const char *used = ad_string(job, "CheckpointMethodUsed", ad_string(job, "CheckpointMethod", NULL));
    if (!used)
        return;
    buf_text(out, "Checkpoints: ");
    words_method(out, used, ad_string(job, "CheckpointMethodReason", ""));
    print_pace(job, out);
    buf_char(out, '\n');
    if (problems == 0)
        return;
    buf_text(out, "It can not be checkpointed as it is");
    if (ad_has(job, "CheckabilityTime")) {
        buf_text(out, ", seen ");
        words_age(out, ad_int(job, "CheckabilityTime", 0) * CLOCK_SECOND_US, screen);
        buf_text(out, " ago");
    }
    buf_text(out, " (stint-transparent(7) says what helps):\n");
    for (size_t i = 0; i < problems; i++) {
        buf_text(out, "  - ");
        words_safe(out, ad_list_string(job, "CheckabilityProblems", i) ? ad_list_string(job, "CheckabilityProblems", i) : "?");
        buf_char(out, '\n');
    }
}

static void print_checkpoint_sentence(const struct ad *job, const struct screen *screen, struct buf *out)
{
    int64_t taken = ad_int(job, "NumCkpts", 0), failed = ad_int(job, "NumCkptsFailed", 0);
    if (taken == 0) {
        buf_text(out, "No checkpoint has been taken yet");
    } else {
        words_count(out, taken, "checkpoint");
        buf_text(out, taken == 1 ? " was taken" : " were taken, the last one");
        buf_char(out, ' ');
        words_age(out, words_last_checkpoint(job), screen);
        buf_text(out, " ago");
    }
    if (ad_int(job, "LastCkptBytes", 0) > 0) {
        buf_text(out, ": ");
        words_bytes(out, ad_int(job, "LastCkptBytes", 0));
    }
    if (ad_has(job, "LastCkptPauseUs")) {
        buf_text(out, ", pause ");
        words_duration(out, ad_int(job, "LastCkptPauseUs", 0));
        buf_text(out, ", commit ");
        words_duration(out, ad_int(job, "LastCkptCommitUs", 0));
    }
    if (ad_int(job, "LastCkptLatencyUs", -1) > 0) {
        buf_text(out, ", from the signal to success ");
        words_duration(out, ad_int(job, "LastCkptLatencyUs", 0));
    }
    if (failed > 0)
        buf_printf(out, "; %" PRId64 " failed", failed);
    if (ad_string(job, "LastCkptError", NULL)) {
        buf_text(out, "; the last error: ");
        words_safe(out, ad_string(job, "LastCkptError", ""));
    }
    buf_text(out, ".\n");
}

static void print_progress(const struct ad *job, const struct screen *screen, struct buf *out)
{
    if (!ad_has(job, "Progress"))
        return;
    buf_text(out, "It has done ");
    words_percent(out, ad_real(job, "Progress", 0));
    if (ad_has(job, "ProgressTimeUs")) {
        buf_text(out, ", as it said ");
        words_age(out, ad_int(job, "ProgressTimeUs", 0), screen);
        buf_text(out, " ago");
    }
    if (ad_string(job, "ProgressText", NULL)) {
        buf_text(out, ": ");
        words_safe(out, ad_string(job, "ProgressText", ""));
    }
    buf_text(out, ".\n");
}

static void print_work(const struct ad *job, struct buf *out)
{
    buf_text(out, "Of its work ");
    words_duration(out, ad_int(job, "GoodputUs", 0));
    buf_text(out, " is saved, ");
    words_duration(out, ad_int(job, "LostUs", 0));
    buf_text(out, " was lost");
    if (ad_int(job, "AtRiskUs", 0) > 0) {
        buf_text(out, ", ");
        words_duration(out, ad_int(job, "AtRiskUs", 0));
        buf_text(out, " is at risk until the next checkpoint");
    }
    int64_t vacates = ad_int(job, "NumVacates", 0);
    if (vacates > 0)
        buf_printf(out, "; it was evicted %" PRId64 " time%s", vacates, vacates == 1 ? "" : "s");
    if (vacates > 0 && ad_string(job, "VacateReason", NULL)) {
        buf_text(out, ", last: ");
        words_safe(out, ad_string(job, "VacateReason", ""));
    }
    buf_text(out, ".\n");
}

static void print_stints(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct column columns[] = {
        { "STINT", KIND_INT, "Stint" },
        { "BEGAN", KIND_TIME, "GrantedWallUs" },
        { "ENDED", KIND_TIME, "EndedUs" },
        { "FROM", KIND_INT, "ResumedFrom" },
        { "RUNS", KIND_INT, "Executions" },
        { "OCCUPIED", KIND_DURATION, "OccupiedUs" },
        { "OUTCOME", KIND_TEXT, "Outcome" },
        { "CAUSE", KIND_TEXT, "Cause" },
        { "REASON", KIND_TEXT, "Reason" },
    };
    if (ad_list_count(answer, "Stints") == 0)
        return;
    buf_text(out, "\nStints\n");
    print_rows(answer, "Stints", columns, sizeof columns / sizeof columns[0], screen, out);
}

static void print_checkpoints(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct column columns[] = {
        { "GENERATION", KIND_INT, "Generation" },
        { "TAKEN", KIND_TIME, "Time" },
        { "STINT", KIND_INT, "Stint" },
        { "KIND", KIND_TEXT, "Kind" },
        { "FROM", KIND_INT, "From" },
        { "BYTES", KIND_BYTES, "Bytes" },
        { "NEW", KIND_BYTES, "NewBytes" },
        { "FILES", KIND_INT, "Files" },
        { "PAUSE", KIND_DURATION, "PauseUs" },
        { "COMMIT", KIND_DURATION, "CommitUs" },
        { "LATENCY", KIND_DURATION, "LatencyUs" },
        { "WHY", KIND_TEXT, "Why" },
        { "VERIFIED", KIND_FLAG, "Verified" },
        { "SAFE", KIND_FLAG, "Safe" },
        { "STATE", KIND_TEXT, "State" },
    };
    if (ad_list_count(answer, "Checkpoints") == 0)
        return;
    buf_text(out, "\nCheckpoints\n");
    print_rows(answer, "Checkpoints", columns, sizeof columns / sizeof columns[0], screen, out);
}

static void print_ledger(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct column columns[] = {
        { "CLASS", KIND_TEXT, "Class" }, { "CAUSE", KIND_TEXT, "Cause" }, { "CPU TIME", KIND_DURATION, "OccupiedUs" },
    };
    if (ad_list_count(answer, "Ledger") == 0)
        return;
    buf_text(out, "\nWhere the time went\n");
    print_rows(answer, "Ledger", columns, sizeof columns / sizeof columns[0], screen, out);
}

static void print_events(const struct ad *answer, struct buf *out)
{
    size_t count = ad_list_count(answer, "Events");
    if (count == 0)
        return;
    buf_text(out, "\nWhat happened\n");
    for (size_t i = 0; i < count; i++) {
        const struct ad *event = ad_list_ad(answer, "Events", i);
        if (!event)
            continue;
        words_time(out, ad_int(event, "Time", 0));
        buf_text(out, "  ");
        words_event(out, event);
        buf_char(out, '\n');
    }
}

void story_print(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    const struct ad *job = ad_ad(answer, "Job");
    if (!job)
        return;
    print_head(job, screen, out);
    print_idle_reason(answer, job, out);
    print_periodic_error(job, out);
    print_wants(job, out);
    print_method(job, screen, out);
    print_checkpoint_sentence(job, screen, out);
    print_progress(job, screen, out);
    print_work(job, out);
    print_stints(answer, screen, out);
    print_checkpoints(answer, screen, out);
    print_ledger(answer, screen, out);
    print_events(answer, out);
}
