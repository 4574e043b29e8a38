/*
 * A trial restore: a checkpoint that was just committed is brought back beside the running job, in a world of its own, and is
 * stopped before it runs a single instruction. So what would fail at the next resume is known while the job still runs. It
 * takes as much memory and disk again for a moment, so it is for those who ask for it (checkpoint_trial = true).
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "job/record.h"
#include "runner/runner.h"
#include "runner/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { VALUE_GENERATION };

static int make_site(struct runner *r, struct engine_site *site, struct error *err)
{
    static const char *const names[] = { "root", "work", "std", "tmp", "shm", "self", "world", "images", "bundle" };
    bool made;
    site->dir = sandbox_make_dir(r, r->stint_dir, "trial", &made, err);
    for (size_t i = 0; site->dir >= 0 && i < sizeof names / sizeof names[0]; i++) {
        auto_close int fd = sandbox_make_dir(r, site->dir, names[i], &made, err);
        if (fd < 0)
            return -1;
    }
    site->work = openat(site->dir, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    site->std = openat(site->dir, "std", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return site->dir < 0 ? -1 : site->work < 0 || site->std < 0 ? error_sys(err, "cannot open the directories of a trial restore") : 0;
}

static int put_files(struct runner *r, const struct engine_site *site, struct error *err)
{
    struct store *store = NULL;
    struct manifest manifest = { 0 };
    if (checkpoint_open_store(r, &store, err) < 0)
        return -1;
    int result = store_manifest(store, r->id_text, r->trial_generation, &manifest, err);
    if (result == STORE_ABSENT)
        result = error_set(err, ERR_INVALID, "it has gone meanwhile");
    if (result == 0)
        result = engine_restore(site, store, &manifest, err);
    manifest_release(&manifest);
    store_close(store);
    return result;
}

static int try_it(struct runner *r, struct error *err)
{
    struct engine_site site = stint_site(r);
    struct context *context = NULL;
    auto_ad struct ad *state = NULL;
    site.work = site.std = -1;
    site.trial = true;
    int result = make_site(r, &site, err);
    if (result == 0)
        result = put_files(r, &site, err);
    if (result == 0)
        result = world_make(r, &site, &context, &state, err);
    site.context = context;
    if (result == 0)
        result = engine_resume(&site, state, err);
    fault_point("runner.trial");
    context_free(context);
    file_close(&site.work);
    file_close(&site.std);
    file_close(&site.dir);
    return result;
}

static void trial_worker(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    struct error ignored;
    (void)pipe;
    final->values[VALUE_GENERATION] = r->trial_generation;
    final->result = context_adopt_orphans(&final->error);
    if (final->result == 0)
        final->result = try_it(r, &final->error);
    if (file_remove_tree(r->stint_dir, "trial", &ignored) < 0)
        log_error("job %s: what a trial restore left stays: %s", r->id_text, ignored.text);
}

static void on_trial(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    int generation = r->trial_generation;
    r->trial = NULL;
    if (report->error.kind == ERR_CHILD)
        return; /* killed, by us or by somebody else: it says nothing */
    struct ad *record = record_new(report->result == 0 ? RECORD_VERIFIED : RECORD_NOTE);
    if (report->result == 0) {
        ad_set_int(record, "Generation", generation);
    } else {
        char text[700];
        snprintf(text, sizeof text, "checkpoint %d did not pass its trial restore: %s", generation, report->error.text);
        ad_set_string(record, "Text", text);
    }
    record_write(r, record);
}

void trial_begin(struct runner *r)
{
    struct error err;
    bool wanted = ad_bool(r->job, "CheckpointTrial", false) && sandbox_wanted(r); /* files elsewhere have changed by now */
    if (!wanted || r->trial || r->leaving.set || !r->context)
        return;
    r->trial_generation = r->generation;
    if (worker_start(r->loop, trial_worker, on_trial, r, &r->trial, &err) < 0)
        log_error("job %s: no trial restore: %s", r->id_text, err.text);
}

void trial_stop(struct runner *r)
{
    worker_stop(r->trial);
    r->trial = NULL;
}
