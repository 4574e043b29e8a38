/* Events in words. Each event's name has a function that says the rest; an event that is not known yet shows its attributes. */
#include "base/mem.h"
#include "cli/words.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

static void add_reason(struct buf *out, const struct ad *event, const char *attribute)
{
    const char *reason = ad_string(event, attribute, NULL);
    if (!reason || !*reason)
        return;
    buf_text(out, ": ");
    words_safe(out, reason);
}

static void add_why(struct buf *out, const struct ad *event)
{
    const char *why = ad_string(event, "Why", NULL);
    if (!why || !*why)
        return;
    buf_text(out, " (");
    words_safe(out, why);
    buf_char(out, ')');
}

static void say_submitted(struct buf *out, const struct ad *event)
{
    const char *cloned = ad_string(event, "ClonedFrom", NULL), *imported = ad_string(event, "ImportedFrom", NULL);
    buf_text(out, "submitted");
    if (!cloned && !imported)
        return;
    buf_text(out, cloned ? " as a clone of " : ", imported from ");
    words_safe(out, cloned ? cloned : imported);
}

static void say_rewound(struct buf *out, const struct ad *event)
{
    buf_printf(out, "rewound from checkpoint %" PRId64 " to %" PRId64 ", which is checkpoint %" PRId64 " now", ad_int(event, "From", 0),
               ad_int(event, "To", 0), ad_int(event, "Generation", 0));
}

static void say_safe(struct buf *out, const struct ad *event)
{
    buf_printf(out, "checkpoint %" PRId64 " is safe: it is in the remote store as well", ad_int(event, "Generation", 0));
}

static void say_removed_checkpoint(struct buf *out, const struct ad *event)
{
    buf_printf(out, "checkpoint %" PRId64 " removed", ad_int(event, "Generation", 0));
    if (ad_string(event, "By", NULL)) {
        buf_text(out, " by ");
        words_safe(out, ad_string(event, "By", ""));
    }
}

static void say_cluster_removed(struct buf *out, const struct ad *event)
{
    buf_printf(out, "all its jobs are gone, %" PRId64 " of %" PRId64, ad_int(event, "Jobs", 0), ad_int(event, "Items", 0));
    add_reason(out, event, "Notes");
}

static void say_granted(struct buf *out, const struct ad *event)
{
    buf_printf(out, "granted a slot: stint %" PRId64, ad_int(event, "Stint", 0));
}

static void say_running(struct buf *out, const struct ad *event)
{
    if (ad_int(event, "Execution", 1) > 1) {
        buf_text(out, "running again in its sandbox, after a checkpoint");
        return;
    }
    buf_text(out, ad_bool(event, "Resumed", false) ? "running again" : "running");
    if (ad_has(event, "Generation"))
        buf_printf(out, " from checkpoint %" PRId64, ad_int(event, "Generation", 0));
}

static void say_asked(struct buf *out, const struct ad *event)
{
    buf_text(out, "asked for a checkpoint");
    add_why(out, event);
}

static void add_measure(struct buf *out, const struct ad *event, const char *attribute, const char *label)
{
    if (ad_int(event, attribute, -1) < 0) /* LatencyUs: -1 where nobody had asked */
        return;
    buf_printf(out, ", %s ", label);
    words_duration(out, ad_int(event, attribute, 0));
}

static void say_taken(struct buf *out, const struct ad *event)
{
    buf_printf(out, "checkpoint %" PRId64 " taken", ad_int(event, "Generation", 0));
    buf_text(out, ": ");
    words_bytes(out, ad_int(event, "Bytes", 0));
    if (ad_has(event, "NewBytes") && ad_int(event, "NewBytes", 0) != ad_int(event, "Bytes", 0)) {
        buf_text(out, " (");
        words_bytes(out, ad_int(event, "NewBytes", 0));
        buf_text(out, " new)");
    }
    if (ad_has(event, "Files")) {
        buf_text(out, " in ");
        words_count(out, ad_int(event, "Files", 0), "file");
    }
    add_measure(out, event, "PauseUs", "pause");
    add_measure(out, event, "CommitUs", "commit");
    add_measure(out, event, "LatencyUs", "latency");
    add_why(out, event);
}

static void say_method(struct buf *out, const struct ad *event)
{
    buf_text(out, "checkpoints: ");
    words_method(out, ad_string(event, "Method", "?"), ad_string(event, "Reason", ""));
}

static void say_captured(struct buf *out, const struct ad *event)
{
    buf_text(out, ad_bool(event, "Stopped", false) ? "stopped, and its state captured" : "its state captured");
    add_measure(out, event, "PauseUs", "pause");
    add_why(out, event);
}

static void say_checkability(struct buf *out, const struct ad *event)
{
    size_t count = ad_list_count(event, "Problems");
    buf_text(out, count > 0 ? "can not be checkpointed as it is: " : "nothing keeps it from being checkpointed any more");
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i > 0 ? "; " : "");
        words_safe(out, ad_list_string(event, "Problems", i) ? ad_list_string(event, "Problems", i) : "?");
    }
}

static void say_verified(struct buf *out, const struct ad *event)
{
    buf_printf(out, "checkpoint %" PRId64 " verified: it was restored for trial", ad_int(event, "Generation", 0));
}

static void say_failed_checkpoint(struct buf *out, const struct ad *event)
{
    buf_text(out, "checkpoint failed");
    add_reason(out, event, "Reason");
    add_why(out, event);
}

static void say_refused(struct buf *out, const struct ad *event)
{
    buf_text(out, "checkpoint refused");
    add_reason(out, event, "Reason");
}

static void say_corrupt(struct buf *out, const struct ad *event)
{
    bool whole = ad_bool(event, "Whole", false);
    buf_printf(out, "checkpoint %" PRId64 " %s", ad_int(event, "Generation", 0), whole ? "could not be resumed" : "is corrupt and was set aside");
    add_reason(out, event, "Reason");
}

static void say_evicted(struct buf *out, const struct ad *event)
{
    buf_text(out, "evicted");
    buf_text(out, ad_bool(event, "Checkpointed", false) ? " with a checkpoint" : " without a checkpoint");
    if (ad_has(event, "Generation"))
        buf_printf(out, " (goes on from %" PRId64 ")", ad_int(event, "Generation", 0));
    if (ad_has(event, "LostUs")) {
        buf_text(out, ", ");
        words_duration(out, ad_int(event, "LostUs", 0));
        buf_text(out, " lost");
    }
    add_reason(out, event, "Reason");
}

static void say_completed(struct buf *out, const struct ad *event)
{
    buf_text(out, "completed: ");
    words_exit(out, event);
}

static void say_failed(struct buf *out, const struct ad *event)
{
    buf_text(out, "the stint failed");
    add_reason(out, event, "Reason");
    buf_text(out, ad_bool(event, "Retry", false) ? "; will be tried again" : "");
}

static void say_image_size(struct buf *out, const struct ad *event)
{
    buf_text(out, "uses ");
    words_bytes(out, ad_int(event, "ResidentSetSize", 0) << 10);
    buf_text(out, " of memory");
}

static void say_fetched(struct buf *out, const struct ad *event)
{
    buf_text(out, "fetched its inputs: ");
    words_bytes(out, ad_int(event, "Bytes", 0));
}

static void say_note(struct buf *out, const struct ad *event)
{
    buf_text(out, "note");
    add_reason(out, event, "Text");
}

/* The event's own attributes as "Name = value". */
static void say_attributes(struct buf *out, const struct ad *event)
{
    static const char *const common[] = { "Seq", "Time", "ClusterId", "ProcId", "Event" };
    const char *before = ": ";
    for (size_t i = 0; i < ad_count(event); i++) {
        const char *name = ad_name(event, i);
        bool skip = false;
        for (size_t k = 0; k < sizeof common / sizeof common[0]; k++)
            skip = skip || strcasecmp(name, common[k]) == 0;
        if (skip)
            continue;
        auto_buf struct buf value = { 0 };
        ad_print_expr(event, name, &value);
        buf_printf(out, "%s%s = ", before, name);
        words_safe(out, buf_cstr(&value));
        before = ", ";
    }
}

static const struct {
    const char *event;
    const char *words; /* what is said before the reason, where there is no function */
    void (*say)(struct buf *out, const struct ad *event);
} sayings[] = {
    { "submitted", NULL, say_submitted },
    { "granted", NULL, say_granted },
    { "running", NULL, say_running },
    { "checkpoint_asked", NULL, say_asked },
    { "checkpoint_taken", NULL, say_taken },
    { "checkpoint_method", NULL, say_method },
    { "checkpoint_captured", NULL, say_captured },
    { "checkability", NULL, say_checkability },
    { "checkpoint_verified", NULL, say_verified },
    { "checkpoint_failed", NULL, say_failed_checkpoint },
    { "checkpoint_refused", NULL, say_refused },
    { "generation_corrupt", NULL, say_corrupt },
    { "rewound", NULL, say_rewound },
    { "checkpoint_removed", NULL, say_removed_checkpoint },
    { "checkpoint_safe", NULL, say_safe },
    { "evicted", NULL, say_evicted },
    { "vacating", "asked to leave its slot", NULL },
    { "suspended", "suspended", NULL },
    { "continued", "continued", NULL },
    { "held", "held", NULL },
    { "released", "released", NULL },
    { "removed", "removed", NULL },
    { "completed", NULL, say_completed },
    { "failed", NULL, say_failed },
    { "image_size", NULL, say_image_size },
    { "runner_lost", "its runner was lost", NULL },
    { "disconnected", "the pool that looked after it ended; the job went on", NULL },
    { "reconnected", "found running by the new pool", NULL },
    { "transfer_started", "fetches its inputs", NULL },
    { "transfer_finished", NULL, say_fetched },
    { "note", NULL, say_note },
    { "cluster_submitted", "submitted; its jobs enter the queue as others leave it", NULL },
    { "cluster_removed", NULL, say_cluster_removed },
    { "factory_paused", "no more of its jobs enter the queue", NULL },
    { "factory_resumed", "its jobs enter the queue again", NULL },
};

void words_event(struct buf *out, const struct ad *event)
{
    const char *name = ad_string(event, "Event", "?");
    for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++) {
        if (strcmp(sayings[i].event, name) != 0)
            continue;
        if (sayings[i].say) {
            sayings[i].say(out, event);
            return;
        }
        buf_text(out, sayings[i].words);
        add_reason(out, event, "Reason");
        return;
    }
    words_safe(out, name);
    say_attributes(out, event);
}
