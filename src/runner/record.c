#include "base/clock.h"
#include "base/fault.h"
#include "base/journal.h"
#include "base/log.h"
#include "job/record.h"
#include "runner/runner.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_POLL_MS = 200 };

struct ad *record_new(const char *kind)
{
    struct ad *record = ad_new();
    ad_set_string(record, "Record", kind);
    return record;
}

/* Nothing may be claimed that is not recorded, so a full disk makes the runner wait here; the job itself runs on. A disk that is
 * broken will not mend: the runner dies, its job root kills the tree, and the pool fences the stint. */
void record_write(struct runner *r, struct ad *record)
{
    auto_buf struct buf text = { 0 };
    auto_ad struct ad *owned = record;
    struct moment now = clock_now();
    struct error err;
    ad_set_int(owned, "Stint", r->stint);
    ad_set_int(owned, "WallUs", now.wall_us);
    if (!ad_has(owned, "BootUs"))
        ad_set_int(owned, "BootUs", now.boot_us);
    ad_print_json(owned, &text);
    for (bool told = false; journal_append(r->journal, buf_cstr(&text), text.len, &err) < 0; told = true) {
        if (err.sys != ENOSPC && err.sys != EDQUOT) {
            log_error("job %s: cannot write its journal, giving up: %s", r->id_text, err.text);
            exit(RUNNER_FAILED);
        }
        if (!told)
            log_error("job %s: waits for room to write its journal: %s", r->id_text, err.text);
        poll(NULL, 0, ROOM_POLL_MS);
    }
    fault_point("runner.recorded");
    control_tell(r);
}

void record_note(struct runner *r, const char *text)
{
    struct ad *record = record_new(RECORD_NOTE);
    ad_set_string(record, "Text", text);
    record_write(r, record);
}

/* Whether the job will be held after its end is the pool's to say, so only one that leaves for another job loses its sandbox here. */
bool record_kept(const struct runner *r, struct ad *record)
{
    const char *outcome = ad_string(record, "Outcome", "");
    bool held = strcmp(outcome, "held") == 0, completed = strcmp(outcome, "completed") == 0;
    bool evicted = r->leaving.set && !held && strcmp(r->leaving.cause, "hold") != 0;
    if (evicted || completed || !ad_bool(ad_ad(r->grant, "Job"), "KeepSandbox", false))
        return false;
    ad_set_string(record, "KeptSandbox", r->stint_name);
    return true;
}
