/*
 * The processes of a checkpoint come back: the world is made, and a worker has the engine fill it. When that fails, the sandbox
 * is filled again for another try, or with the generation before. When it fails for what the machine
 * lacks at the moment, no generation is given up for it: the stint fails, and the next one tries the same.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "runner/runner.h"
#include "runner/selfservice.h"
#include "runner/world.h"

#include <fcntl.h>

/* CRIU that was killed says nothing of the checkpoint. Where it says no, a process may have been killed under its hands. */
enum { TRIES_KILLED = 3, TRIES = 2 };

static void resume_worker(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    struct engine_site site = stint_site(r);
    (void)pipe;
    auto_close int self = openat(r->stint_dir, "self", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const char *waiting = engine_waiting(r->state);
    if (self < 0 || (waiting && selfservice_restored(self, &r->owner, waiting, r->generation, &final->error) < 0))
        log_error("job %s: those who wait for the checkpoint inside it are not answered", r->id_text);
    final->result = engine_resume(&site, r->state, &final->error);
}

static void give_up(struct runner *r, struct worker_report *report)
{
    context_free(r->context);
    r->context = NULL;
    ad_free(r->state);
    r->state = NULL;
    report->values[FILL_GENERATION] = r->generation;
    enum error_kind kind = report->error.kind;
    int tries = kind == ERR_CHILD ? TRIES_KILLED : kind == ERR_CORRUPT || kind == ERR_LIMIT ? 0 : TRIES;
    r->again = r->resumes < tries ? r->generation : 0;
    if (r->again == 0 && kind == ERR_CHILD)
        kind = report->error.kind = ERR_LIMIT; /* whoever kills it, the checkpoint is not to blame: another stint tries it */
    if (r->again == 0 && kind != ERR_LIMIT) {
        r->refused = r->generation;
        r->resumes = 0;
    }
    stint_resumed(r, report);
}

/* A job root that does not listen any more was killed. */
static int adopt(struct runner *r, struct error *err)
{
    int result = context_adopt(r->context, engine_root_pid(r->state), engine_last_pid(r->state), err);
    if (result < 0)
        err->kind = ERR_CHILD;
    return result;
}

static void on_resumed(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    struct worker_report copy = *report;
    r->worker = NULL;
    if (copy.result == 0)
        copy.result = adopt(r, &copy.error);
    if (copy.result < 0) {
        give_up(r, &copy);
        return;
    }
    fault_point("runner.resumed");
    stint_resumed(r, report);
}

void resume_begin(struct runner *r)
{
    struct worker_report failed = { .final = 1, .result = -1 };
    r->phase = PHASE_RESUME;
    r->resumes++;
    struct engine_site site = stint_site(r);
    ad_free(r->state);
    r->state = NULL;
    int result = world_make(r, &site, &r->context, &r->state, &failed.error);
    fault_point("runner.resume");
    if (result == 0)
        result = worker_start(r->loop, resume_worker, on_resumed, r, &r->worker, &failed.error);
    if (result == 0)
        return;
    if (failed.error.kind != ERR_CORRUPT)
        failed.error.kind = ERR_LIMIT; /* the checkpoint was not even looked at */
    give_up(r, &failed);
}
