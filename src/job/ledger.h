/*
 * Where a slot's time went. A stint is at every moment in exactly one activity; when the activity changes, the interval that
 * ends falls into one class, with a cause. Execution is at risk until a commit or the job's completion makes it goodput, or
 * the stint's end makes it lost. So the classes of a stint add up to the time it held its slot, to the microsecond, whatever
 * happens. Times are boot-clock microseconds; multiply by the job's cpus for cpu time.
 *
 * Pure. The state of an open stint is kept in the stint's ad (Ledger… attributes), so that a restarted pool goes on.
 */
#pragma once

#include "ad/ad.h"

enum ledger_class {
    LEDGER_GOODPUT,    /* execution whose result survived */
    LEDGER_LOST,       /* execution after the last commit of a stint that ended without one */
    LEDGER_CHECKPOINT, /* pauses while a checkpoint is taken */
    LEDGER_RESTORE,    /* from slot granted to running again, on a resume */
    LEDGER_TRANSFER,   /* files moving while the slot waits */
    LEDGER_IDLE,       /* slot held while the job could not run */
    LEDGER_CLASS_COUNT,
};

const char *ledger_class_name(enum ledger_class class); /* "goodput", … */
/* The attribute that holds a class's sum: "GoodputUs", … */
const char *ledger_class_attribute(enum ledger_class class);

struct ledger_entry {
    enum ledger_class class;
    const char *cause;    /* "start", "periodic", "user", "self", "vacate", "hold", "remove", "failed", "runner", "node", … */
    const char *for_user; /* for whom it was taken, or "" */
    int64_t wall_us;      /* duration, > 0 */
};
typedef void ledger_fn(void *data, const struct ledger_entry *entry);

/* Applies one journal record (job/record.h) to the open stint whose ad is `stint`; calls fn for every entry that becomes certain.
 * Records that do not concern the ledger change nothing. After RECORD_END or RECORD_FENCE the stint is closed:
 * its ad has OccupiedUs, and further records are passed over. A clock that runs backwards counts as standing still. */
void ledger_apply(struct ad *stint, const struct ad *record, ledger_fn *fn, void *data);

/* What is not decided yet at boot time now: execution at risk, and the length of the present interval with its activity's
 * class (LEDGER_LOST stands for "executing, at risk"). False when the stint is closed or not begun. */
struct ledger_open {
    int64_t at_risk_us;
    int64_t interval_us;
    bool executing;
    enum ledger_class class;
};
bool ledger_open_now(const struct ad *stint, int64_t now_boot_us, struct ledger_open *out);
