#include "job/ledger.h"

#include "base/mem.h"
#include "job/record.h"

#include <string.h>

/* The stint's ad: LedgerActivity, LedgerCause, LedgerSinceUs (start of the present interval), LedgerGrantedUs (start of the
 * stint), AtRiskUs (execution that is neither good nor lost yet), CapturedUs (the part of it that the checkpoint under way
 * would save), NextCapturedUs (the same of the one that waits for it to be settled), OccupiedUs (set when closed). */
enum activity { ACT_TRANSFER, ACT_RESTORE, ACT_EXECUTE, ACT_CHECKPOINT, ACT_IDLE, ACT_COUNT };

static const struct {
    const char *name;
    enum ledger_class class;
} activities[ACT_COUNT] = {
    [ACT_TRANSFER] = { "transfer", LEDGER_TRANSFER },       [ACT_RESTORE] = { "restore", LEDGER_RESTORE },
    [ACT_EXECUTE] = { "execute", LEDGER_LOST },             [ACT_CHECKPOINT] = { "checkpoint", LEDGER_CHECKPOINT },
    [ACT_IDLE] = { "idle", LEDGER_IDLE },
};

static const struct {
    const char *name;
    const char *attribute;
} classes[LEDGER_CLASS_COUNT] = {
    [LEDGER_GOODPUT] = { "goodput", "GoodputUs" },          [LEDGER_LOST] = { "lost", "LostUs" },
    [LEDGER_CHECKPOINT] = { "checkpoint", "CheckpointUs" }, [LEDGER_RESTORE] = { "restore", "RestoreUs" },
    [LEDGER_TRANSFER] = { "transfer", "TransferUs" },       [LEDGER_IDLE] = { "idle", "IdleUs" },
};

struct fold {
    struct ad *stint;
    const struct ad *record;
    ledger_fn *fn;
    void *data;
    int64_t now_us;
};

const char *ledger_class_name(enum ledger_class class)
{
    return classes[class].name;
}

const char *ledger_class_attribute(enum ledger_class class)
{
    return classes[class].attribute;
}

static enum activity activity_of(const struct ad *stint)
{
    const char *name = ad_string(stint, "LedgerActivity", "transfer");
    for (int i = 0; i < ACT_COUNT; i++)
        if (strcmp(activities[i].name, name) == 0)
            return (enum activity)i;
    return ACT_TRANSFER;
}

static void emit(const struct fold *f, enum ledger_class class, const char *cause, int64_t wall_us)
{
    if (wall_us <= 0)
        return;
    struct ledger_entry entry = {
        .class = class,
        .cause = cause,
        .for_user = ad_string(f->record, "ForUser", ""),
        .wall_us = wall_us,
    };
    f->fn(f->data, &entry);
}

/* Ends the present interval: into its class, or into what is at risk. */
static void close_interval(const struct fold *f)
{
    enum activity activity = activity_of(f->stint);
    int64_t length = f->now_us - ad_int(f->stint, "LedgerSinceUs", f->now_us);
    if (activity == ACT_EXECUTE)
        ad_set_int(f->stint, "AtRiskUs", ad_int(f->stint, "AtRiskUs", 0) + length);
    else
        emit(f, activities[activity].class, ad_string(f->stint, "LedgerCause", "start"), length);
    ad_set_int(f->stint, "LedgerSinceUs", f->now_us);
}

static void switch_to(const struct fold *f, enum activity activity, const char *cause)
{
    close_interval(f);
    ad_set_string(f->stint, "LedgerActivity", activities[activity].name);
    ad_set_string(f->stint, "LedgerCause", cause);
}

static void begin(const struct fold *f)
{
    const char *mode = ad_string(f->record, "Mode", "fresh");
    int64_t granted = ad_int(f->record, "GrantedBootUs", f->now_us);
    bool resume = strcmp(mode, "resume") == 0;
    if (granted > f->now_us)
        granted = f->now_us;
    ad_set_int(f->stint, "LedgerGrantedUs", granted);
    ad_set_int(f->stint, "LedgerSinceUs", granted);
    ad_set_int(f->stint, "AtRiskUs", 0);
    ad_set_string(f->stint, "LedgerActivity", activities[resume ? ACT_RESTORE : ACT_TRANSFER].name);
    ad_set_string(f->stint, "LedgerCause", ad_string(f->record, "Cause", strcmp(mode, "deliver") == 0 ? "output" : "start"));
}

/* The checkpoint under way is settled, with `saved` of the work at risk; the next one takes its place. */
static void settle(const struct fold *f, int64_t saved)
{
    int64_t next = ad_int(f->stint, "NextCapturedUs", saved) - saved;
    ad_set_int(f->stint, "CapturedUs", next > 0 ? next : 0);
    ad_remove(f->stint, "NextCapturedUs");
}

static void commit(const struct fold *f)
{
    int64_t captured = ad_int(f->stint, "CapturedUs", 0);
    emit(f, LEDGER_GOODPUT, "checkpoint", captured);
    ad_set_int(f->stint, "AtRiskUs", ad_int(f->stint, "AtRiskUs", 0) - captured);
    settle(f, captured);
}

static void end(const struct fold *f, bool completed, const char *cause)
{
    close_interval(f);
    emit(f, completed ? LEDGER_GOODPUT : LEDGER_LOST, completed ? "completed" : cause, ad_int(f->stint, "AtRiskUs", 0));
    ad_set_int(f->stint, "AtRiskUs", 0);
    ad_set_int(f->stint, "OccupiedUs", f->now_us - ad_int(f->stint, "LedgerGrantedUs", f->now_us));
    ad_remove(f->stint, "LedgerActivity");
    ad_remove(f->stint, "LedgerSinceUs");
    ad_remove(f->stint, "LedgerCause");
    ad_remove(f->stint, "CapturedUs");
    ad_remove(f->stint, "NextCapturedUs");
}

static void set_captured(const struct fold *f, int64_t captured)
{
    ad_set_int(f->stint, ad_bool(f->record, "Settling", false) ? "NextCapturedUs" : "CapturedUs", captured > 0 ? captured : 0);
}

static void apply_exit(const struct fold *f)
{
    bool checkpoint = ad_bool(f->record, "Checkpoint", false);
    switch_to(f, checkpoint ? ACT_CHECKPOINT : ACT_TRANSFER, checkpoint ? ad_string(f->record, "Why", "self") : "output");
    if (checkpoint)
        set_captured(f, ad_int(f->stint, "AtRiskUs", 0));
}

static int64_t between(int64_t low, int64_t n, int64_t high)
{
    return n < low ? low : n > high ? high : n;
}

/* The program stood still in the midst of what it did, and then went on with it, unless it was stopped for good. */
static void stand_still(const struct fold *f, bool stopped)
{
    struct fold frozen = *f, thawed = *f;
    enum activity activity = activity_of(f->stint);
    auto_free char *cause = mem_dup(ad_string(f->stint, "LedgerCause", ""));
    frozen.now_us = between(ad_int(f->stint, "LedgerSinceUs", f->now_us), ad_int(f->record, "FrozenBootUs", f->now_us), f->now_us);
    thawed.now_us = between(frozen.now_us, ad_int(f->record, "ThawedBootUs", f->now_us), f->now_us);
    switch_to(&frozen, ACT_CHECKPOINT, ad_string(f->record, "Why", "periodic"));
    if (!stopped)
        switch_to(&thawed, activity, cause);
}

/* A record that was written first may have closed the interval in which the program was frozen (it ended right after the thaw,
 * say). What it ran since then is at risk already and was not captured. */
static void apply_capture(const struct fold *f)
{
    int64_t frozen = between(0, ad_int(f->record, "FrozenBootUs", f->now_us), f->now_us);
    int64_t late = ad_int(f->stint, "LedgerSinceUs", f->now_us) - frozen;
    int64_t before = ad_int(f->stint, "AtRiskUs", 0);
    stand_still(f, ad_bool(f->record, "Stopped", false));
    set_captured(f, late > 0 ? before - late : ad_int(f->stint, "AtRiskUs", 0));
}

static void apply_fail(const struct fold *f)
{
    if (ad_has(f->record, "FrozenBootUs"))
        stand_still(f, false);
    if (ad_bool(f->record, "Capture", true))
        settle(f, 0);
}

void ledger_apply(struct ad *stint, const struct ad *record, ledger_fn *fn, void *data)
{
    const char *kind = ad_string(record, "Record", "");
    struct fold f = { .stint = stint, .record = record, .fn = fn, .data = data };
    if (ad_has(stint, "OccupiedUs"))
        return;
    f.now_us = ad_int(record, "BootUs", 0);
    if (f.now_us < ad_int(stint, "LedgerSinceUs", 0))
        f.now_us = ad_int(stint, "LedgerSinceUs", 0);
    if (strcmp(kind, RECORD_BEGIN) == 0 && !ad_has(stint, "LedgerGrantedUs")) /* a stint begins once */
        begin(&f);
    else if (!ad_has(stint, "LedgerActivity"))
        return;
    else if (strcmp(kind, RECORD_RUN) == 0 || strcmp(kind, RECORD_CONTINUE) == 0)
        switch_to(&f, ACT_EXECUTE, "");
    else if (strcmp(kind, RECORD_SUSPEND) == 0)
        switch_to(&f, ACT_IDLE, "suspended");
    else if (strcmp(kind, RECORD_EXIT) == 0)
        apply_exit(&f);
    else if (strcmp(kind, RECORD_CAPTURE) == 0)
        apply_capture(&f);
    else if (strcmp(kind, RECORD_COMMIT) == 0)
        commit(&f);
    else if (strcmp(kind, RECORD_FAIL) == 0)
        apply_fail(&f);
    else if (strcmp(kind, RECORD_END) == 0)
        end(&f, strcmp(ad_string(record, "Outcome", ""), "completed") == 0 || ad_bool(record, "Deliverable", false),
            ad_string(record, "Cause", "failed"));
    else if (strcmp(kind, RECORD_FENCE) == 0)
        end(&f, ad_bool(record, "Deliverable", false), ad_string(record, "Cause", "runner"));
}

bool ledger_open_now(const struct ad *stint, int64_t now_boot_us, struct ledger_open *out)
{
    if (!ad_has(stint, "LedgerActivity") || ad_has(stint, "OccupiedUs"))
        return false;
    enum activity activity = activity_of(stint);
    int64_t length = now_boot_us - ad_int(stint, "LedgerSinceUs", now_boot_us);
    *out = (struct ledger_open){
        .at_risk_us = ad_int(stint, "AtRiskUs", 0),
        .interval_us = length > 0 ? length : 0,
        .executing = activity == ACT_EXECUTE,
        .class = activities[activity].class,
    };
    return true;
}
