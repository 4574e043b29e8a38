/* How a job is checkpointed, what in it can not be, and what was found out about its checkpoints. */
#include "pool/fold.h"

#include "base/clock.h"

#include <string.h>

enum { PROBLEMS_MAX = 64 };

/* How often: as the runner chose it. */
void fold_interval(struct fold *f)
{
    static const char *const names[][2] = {
        { "CheckpointPaceUs", "IntervalUs" }, { "CheckpointPaceCostUs", "IntervalCostUs" },
        { "CheckpointPaceMtbfUs", "IntervalMtbfUs" }, { "CheckpointPaceBasis", "IntervalBasis" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ad_remove(f->job.ad, names[i][0]);
        fold_copy_as(f->job.ad, names[i][0], f, names[i][1]);
    }
}

/* Every stint says it; only what is news is an event. */
void fold_method(struct fold *f)
{
    struct ad *ad = f->job.ad;
    const char *method = ad_string(f->record, "Method", ""), *reason = ad_string(f->record, "Reason", "");
    bool news = strcmp(method, ad_string(ad, "CheckpointMethodUsed", "")) != 0 ||
                strcmp(reason, ad_string(ad, "CheckpointMethodReason", "")) != 0;
    fold_interval(f);
    ad_set_string(ad, "CheckpointMethodUsed", method);
    ad_remove(ad, "CheckpointMethodReason");
    if (*reason)
        ad_set_string(ad, "CheckpointMethodReason", reason);
    if (strcmp(method, "transparent") != 0) { /* what stood in its way does not any more */
        ad_remove(ad, "CheckabilityProblems");
        ad_remove(ad, "CheckabilityTime");
    }
    if (!news)
        return;
    struct ad *event = fold_event(f, "checkpoint_method");
    fold_copy(event, f, "Method");
    if (*reason)
        fold_copy(event, f, "Reason");
    fold_emit(f, event);
}

void fold_capture(struct fold *f)
{
    struct ad *event = fold_event(f, "checkpoint_captured");
    int64_t frozen = ad_int(f->record, "FrozenBootUs", 0), thawed = ad_int(f->record, "ThawedBootUs", 0);
    fold_copy(event, f, "Why");
    fold_copy(event, f, "Stopped");
    if (frozen > 0 && thawed >= frozen)
        ad_set_int(event, "PauseUs", thawed - frozen);
    fold_emit(f, event);
}

static void copy_problems(const struct ad *from, const char *name, struct ad *into, const char *as)
{
    size_t count = ad_list_count(from, name);
    ad_remove(into, as);
    for (size_t i = 0; i < count && i < PROBLEMS_MAX; i++) {
        const char *problem = ad_list_string(from, name, i);
        if (!problem || !*problem)
            continue;
        ad_make_list(into, as);
        ad_append_string(into, as, problem);
    }
}

/* It is looked at again and again; the same answer is no news, nor is that a job whose answer was never a bad one is fine. */
void fold_checkable(struct fold *f)
{
    static const char name[] = "CheckabilityProblems";
    auto_ad struct ad *now = ad_new();
    copy_problems(f->record, "Problems", now, name);
    bool news = !ad_same(now, f->job.ad, name);
    copy_problems(now, name, f->job.ad, name);
    ad_set_int(f->job.ad, "CheckabilityTime", f->wall_us / CLOCK_SECOND_US);
    if (!news)
        return;
    struct ad *event = fold_event(f, "checkability");
    copy_problems(now, name, event, "Problems");
    ad_make_list(event, "Problems"); /* empty: none any more */
    fold_emit(f, event);
}

/* A checkpoint that is gone by now needs no mark. */
void fold_verified(struct fold *f)
{
    int64_t generation = ad_int(f->record, "Generation", 0);
    auto_ad struct ad *all = ad_new();
    if (queue_list_checkpoints(f->pool->queue, f->job.id, all, "Checkpoints", f->err) < 0) {
        f->failed = -1;
        return;
    }
    for (size_t i = 0; i < ad_list_count(all, "Checkpoints"); i++) {
        const struct ad *row = ad_list_ad(all, "Checkpoints", i);
        if (ad_int(row, "Generation", 0) != generation || ad_bool(row, "Verified", false))
            continue;
        auto_ad struct ad *marked = ad_copy(row);
        struct ad *event = fold_event(f, "checkpoint_verified");
        ad_set_bool(marked, "Verified", true);
        if (queue_put_checkpoint(f->pool->queue, f->job.id, (int)generation, marked, f->err) < 0)
            f->failed = -1;
        fold_copy(event, f, "Generation");
        fold_emit(f, event);
    }
}
