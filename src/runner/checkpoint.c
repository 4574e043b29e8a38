/*
 * Checkpoints of this stint. Asking is sending a signal; only the program's end says whether there is one. Then a worker
 * captures the state (the program waits, this is the pause) and commits it (the program runs again meanwhile). One at a
 * time: a program that ends again before the last commit is done waits for it.
 *
 * Failure costs nothing but time: the last generation stays, the program goes on, the next try comes an interval later.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/command.h"
#include "job/record.h"
#include "runner/pace.h"
#include "runner/selfservice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_CAPTURED = 1, READY_POLL_US = 10000, LEAVING_PATIENCE_US = 5000000 };
enum { VALUE_BYTES, VALUE_NEW_BYTES, VALUE_FILES, VALUE_COMMIT_US, VALUE_TAKEN, VALUE_BROKEN, VALUE_STOOD_FROM, VALUE_STOOD_TO };
/* After so many requests of the job in a row that came within BRIEF_US of the checkpoint before, the next ones are BRIEF_PAUSE_US apart. */
enum { BRIEF_US = 1000000, BRIEF_MAX = 100, BRIEF_PAUSE_US = 5000000 };
enum { VALUE_FROZEN, VALUE_THAWED }; /* of REPORT_CAPTURED, of a running program */

/* ---- in the worker ---- */

int checkpoint_open_store(struct runner *r, struct store **store, struct error *err)
{
    struct store_limits limits = {
        .quota = ad_int(r->grant, "StoreQuota", 0),
        .user_quota = ad_int(r->grant, "StoreUserQuota", 0),
        .low_space = ad_int(r->grant, "StoreLowSpace", -1),
    };
    if (store_open(r->store_path, store, err) < 0)
        return -1;
    store_limit(*store, &limits);
    return 0;
}

/* A job's own protocol may have the transparent engine behind it. */
static const struct engine *engine_of(const struct runner *r)
{
    return r->dumping ? &engine_transparent : r->engine;
}

static void describe(struct runner *r, struct manifest *m, const char *kind)
{
    *m = (struct manifest){ .generation = r->next_generation, .parent = r->generation, .stint = r->stint, .created_us = clock_wall_us() };
    snprintf(m->kind, sizeof m->kind, "%s", kind);
    snprintf(m->engine, sizeof m->engine, "%s", engine_of(r)->name);
}

static void count(const struct manifest *m, struct worker_report *report)
{
    report->values[VALUE_BYTES] = m->bytes;
    report->values[VALUE_NEW_BYTES] = m->new_bytes;
    report->values[VALUE_FILES] = (int64_t)m->entry_count;
}

static int commit(struct runner *r, struct store *store, struct store_capture *capture, struct manifest *m, struct error *err)
{
    struct error ignored;
    struct store_retention retention = {
        .keep = (int)ad_int(r->grant, "KeepGenerations", 2), .tail = (int)ad_int(r->grant, "CheckpointTail", 0),
    };
    int result = store_commit(capture, m, err);
    store_capture_free(capture); /* it holds the lock that store_retain wants */
    if (result == STORE_EXISTS)
        return error_set(err, ERR_CORRUPT, "generation %d is in the store already", m->generation);
    if (result == STORE_FENCED)
        return error_set(err, ERR_DENIED, "a later stint of the job has begun: this one may not write its checkpoints any more");
    if (result == 0 && store_retain(store, r->id_text, &retention, &ignored) < 0)
        log_error("job %s: old checkpoints stay: %s", r->id_text, ignored.text);
    return result;
}

/* A number that is taken, by a commit whose success could not be told, is not tried again. */
static void note_taken(struct runner *r, struct store *store, struct worker_report *final)
{
    auto_free int *generations = NULL;
    size_t taken = 0;
    struct error ignored;
    if (final->result != 0 && store_list(store, r->id_text, &generations, &taken, &ignored) == 0 && taken > 0)
        final->values[VALUE_TAKEN] = generations[taken - 1];
}

static void on_thawed(void *data, int64_t frozen_us, int64_t thawed_us)
{
    struct worker_report captured = { .kind = REPORT_CAPTURED, .values = { [VALUE_FROZEN] = frozen_us, [VALUE_THAWED] = thawed_us } };
    worker_send(*(int *)data, &captured);
}

static void capture_worker(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    struct engine_site site = stint_site(r);
    bool broken = false;
    struct engine_stood stood = { 0 };
    struct store *store = NULL;
    struct store_capture *capture = NULL;
    struct manifest manifest;
    int64_t begun = clock_boot_us();
    describe(r, &manifest, "checkpoint");
    site.hurry = r->dumping ? r->dump_stops : site.hurry;
    site.waiting = r->dumping ? r->waiting : NULL;
    site.asker = r->dumping ? r->asker_served : -1;
    site.thawed = on_thawed;
    site.data = &pipe;
    site.broken = &broken;
    site.stood = &stood;
    final->result = checkpoint_open_store(r, &store, &final->error);
    if (final->result == 0)
        final->result = engine_of(r)->capture(&site, store, r->id_text, &capture, &final->error);
    final->values[VALUE_BROKEN] = broken;
    final->values[VALUE_STOOD_FROM] = stood.from_us;
    final->values[VALUE_STOOD_TO] = stood.to_us;
    if (final->result < 0)
        return;
    if (!r->dumping)
        on_thawed(&pipe, 0, 0);
    final->result = commit(r, store, capture, &manifest, &final->error);
    count(&manifest, final);
    note_taken(r, store, final);
    final->values[VALUE_COMMIT_US] = clock_boot_us() - begun;
}

static void save_worker(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    struct engine_site site = stint_site(r);
    struct store *store = NULL;
    struct store_capture *capture = NULL;
    struct manifest manifest;
    (void)pipe;
    describe(r, &manifest, "evicted");
    final->result = checkpoint_open_store(r, &store, &final->error);
    if (final->result == 0)
        final->result = engine_salvage(&site, store, r->id_text, &capture, &final->error);
    if (final->result == 0)
        final->result = commit(r, store, capture, &manifest, &final->error);
    count(&manifest, final);
}

/* ---- in the runner ---- */

/* The program's state is taken; `record` is what the ledger counts its pause by. */
static void dumped(struct runner *r, const struct worker_report *report)
{
    struct ad *record = record_new(RECORD_CAPTURE);
    r->pause_us = report->values[VALUE_THAWED] - report->values[VALUE_FROZEN];
    r->dump_taken = true;
    ad_set_int(record, "FrozenBootUs", report->values[VALUE_FROZEN]);
    ad_set_int(record, "ThawedBootUs", report->values[VALUE_THAWED]);
    ad_set_bool(record, "Stopped", r->dump_stops);
    ad_set_string(record, "Why", r->capture_why);
    record_write(r, record);
    selfservice_thawed(r->selfservice);
}

/* `capture`: one that was being taken came to nothing; otherwise none was ever begun. `stood` as a report has it; may be NULL. */
static void fail(struct runner *r, bool capture, const int64_t *stood, const char *why, const char *reason)
{
    struct ad *record = record_new(RECORD_FAIL);
    if (stood && stood[VALUE_STOOD_FROM] > 0) {
        ad_set_int(record, "FrozenBootUs", stood[VALUE_STOOD_FROM]);
        ad_set_int(record, "ThawedBootUs", stood[VALUE_STOOD_TO]);
    }
    ad_set_bool(record, "Capture", capture);
    ad_set_string(record, "Reason", reason);
    ad_set_string(record, "Why", why);
    record_write(r, record);
    selfservice_failed(r->selfservice, reason);
}

static void committed(struct runner *r, const struct worker_report *report)
{
    struct ad *record = record_new(RECORD_COMMIT);
    int64_t now = clock_boot_us();
    r->generation = r->next_generation++;
    r->safe_us = now;
    ad_set_int(record, "Generation", r->generation);
    ad_set_int(record, "Bytes", report->values[VALUE_BYTES]);
    ad_set_int(record, "NewBytes", report->values[VALUE_NEW_BYTES]);
    ad_set_int(record, "Files", report->values[VALUE_FILES]);
    ad_set_int(record, "CommitUs", report->values[VALUE_COMMIT_US]);
    ad_set_int(record, "PauseUs", r->pause_us >= 0 ? r->pause_us : now - r->exit.boot_us);
    ad_set_int(record, "LatencyUs", r->latency_from_us >= 0 ? now - r->latency_from_us : -1);
    ad_set_string(record, "Why", r->capture_why);
    if (!r->leaving.set)
        pace_committed(r, r->pause_us);
    pace_tell(r, record);
    record_write(r, record);
    selfservice_taken(r->selfservice, r->generation);
}

/* A worker that died may have committed before: then there is a checkpoint, whatever it could not say any more. */
static bool has_committed(struct runner *r, struct worker_report *report)
{
    struct store *store = NULL;
    struct manifest manifest = { 0 };
    struct error ignored;
    if (store_open(r->store_path, &store, &ignored) < 0)
        return false;
    bool there = store_sync(store, r->id_text, &ignored) == 0 && /* its name may not be durable yet */
                 store_manifest(store, r->id_text, r->next_generation, &manifest, &ignored) == 0 && manifest.stint == r->stint;
    if (there)
        count(&manifest, report);
    manifest_release(&manifest);
    store_close(store);
    return there;
}

static void on_capture(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    if (!report->final && r->dumping) {
        dumped(r, report);
        return;
    }
    if (!report->final) {
        stint_captured(r);
        return;
    }
    struct worker_report known = *report;
    r->worker = NULL;
    r->settled_us = clock_boot_us();
    bool there = report->result == 0 || (report->error.kind == ERR_CHILD && has_committed(r, &known));
    if (r->dumping && r->asker_served >= 0)
        asker_done(r);
    r->failures = there ? 0 : r->failures + 1;
    if (report->values[VALUE_BROKEN] || (report->died && r->dumping && !r->dump_taken))
        r->broken = true; /* nobody knows any more what was done to the processes */
    if (there)
        committed(r, &known);
    else
        fail(r, !r->dumping || r->dump_taken, r->dump_taken ? NULL : report->values, r->capture_why, report->error.text);
    if (!there && report->values[VALUE_TAKEN] >= r->next_generation)
        r->next_generation = (int)report->values[VALUE_TAKEN] + 1;
    stint_settled(r, there);
}

static void on_save(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    r->worker = NULL;
    struct ad *record = record_new(report->result == 0 ? RECORD_SAVE : RECORD_NOTE);
    if (report->result == 0) {
        ad_set_int(record, "Generation", r->next_generation++);
        ad_set_int(record, "Bytes", report->values[VALUE_BYTES]);
        ad_set_int(record, "Files", report->values[VALUE_FILES]);
    } else {
        char text[640];
        snprintf(text, sizeof text, "what the eviction left was not kept: %s", report->error.text);
        ad_set_string(record, "Text", text);
    }
    record_write(r, record);
    stint_saved(r);
}

void checkpoint_capture(struct runner *r)
{
    struct error err;
    r->phase = PHASE_CAPTURE;
    r->pause_us = -1;
    r->latency_from_us = r->asked ? r->asked_us : -1;
    r->asked = r->overdue = false;
    snprintf(r->capture_why, sizeof r->capture_why, "%s", r->why);
    loop_timer_set(r->timeout, INT64_MAX);
    if (worker_start(r->loop, capture_worker, on_capture, r, &r->worker, &err) < 0) {
        fail(r, true, NULL, r->capture_why, err.text);
        stint_settled(r, false);
    }
}

void checkpoint_dump(struct runner *r)
{
    struct error err;
    r->pause_us = -1;
    r->latency_from_us = r->asked_us;
    r->asked = r->overdue = false;
    r->dumping = r->look_spoiled = true;
    r->dump_taken = false;
    r->dump_stops = r->leaving.set;
    free(r->waiting);
    r->waiting = selfservice_waiting(r->selfservice);
    snprintf(r->capture_why, sizeof r->capture_why, "%s", r->why);
    loop_timer_set(r->interval, INT64_MAX);
    bool own = r->asker >= 0 && !r->asker_watch; /* a program has sent a request, and waits */
    r->asker_served = own ? r->asker : -1;
    if (worker_start_with(r->loop, capture_worker, on_capture, r, r->asker_served, &r->worker, &err) < 0) {
        fail(r, false, NULL, r->capture_why, err.text);
        r->failures++;
        stint_settled(r, false);
    }
}

void checkpoint_save(struct runner *r)
{
    struct error err;
    r->phase = PHASE_SAVE;
    if (worker_start(r->loop, save_worker, on_save, r, &r->worker, &err) < 0) {
        log_error("job %s: %s", r->id_text, err.text);
        stint_saved(r);
    }
}

/* A signal that comes before the program has installed its handler would kill it: wait for the handler. A job that has to
 * leave can not wait long, and has nothing to lose by it. While the job holds checkpoints off, none is sent; that has an end, and
 * the time does not count against the program. */
static void send_signal(struct runner *r)
{
    struct engine_site site = stint_site(r);
    int64_t now = clock_boot_us();
    const struct protocol *p = &r->protocol;
    bool deadly = p->by_signal && p->exit_signal == p->signal; /* to die of it is what the job means by a checkpoint */
    bool hurry = r->leaving.set && now - r->asked_us > LEAVING_PATIENCE_US;
    if (!r->asked || r->signalled || !r->context)
        return;
    int64_t held_until;
    if (selfservice_held(r->selfservice, &held_until)) {
        loop_timer_set(r->timeout, held_until + p->timeout_us);
        return; /* checkpoint_released comes back here */
    }
    if (!hurry && !deadly && !context_heeds(r->context, p->signal)) {
        loop_timer_set(r->ready, now + READY_POLL_US);
        return;
    }
    struct ad *record = record_new(RECORD_ASK);
    ad_set_string(record, "Why", r->why);
    ad_set_int(record, "Signal", p->signal);
    record_write(r, record);
    fault_point("runner.asked");
    r->signalled = true;
    r->engine->ask(&site, r->context);
}

/* Not while another one is under way, nor while the job wants none, nor of processes that are stopped, for as such they would come
 * back. What is asked for then begins later: see checkpoint_released. */
static bool can_dump(const struct runner *r)
{
    return !r->worker && !r->suspended && r->phase == PHASE_RUN && r->context && !selfservice_held(r->selfservice, NULL);
}

/* A program that does nothing but ask would fill the disk with records, and one whose requests fail would keep the machine busy. */
static int64_t distance_us(const struct runner *r)
{
    if (strcmp(r->why, "self") != 0 || r->leaving.set)
        return 0;
    if (r->failures > 0)
        return BRIEF_US << (r->failures < 5 ? r->failures : 5);
    return r->brief_asks >= BRIEF_MAX ? BRIEF_PAUSE_US : 0;
}

static void begin_dump(struct runner *r)
{
    int64_t due_us = r->settled_us + distance_us(r);
    if (!r->asked || !can_dump(r))
        return;
    if (clock_boot_us() < due_us)
        loop_timer_set(r->ready, due_us);
    else
        checkpoint_dump(r);
}

static void on_ready(void *data)
{
    struct runner *r = data;
    if (r->engine->running)
        begin_dump(r);
    else
        send_signal(r);
}

static void on_timeout(void *data);

void checkpoint_released(struct runner *r)
{
    if (r->overdue && r->asked)
        on_timeout(r);
    else if (r->phase == PHASE_RUN && r->context && r->leaving.set)
        stint_leave(r);
    else if (r->engine->running)
        begin_dump(r);
    else
        send_signal(r);
}

static void note_ask(struct runner *r)
{
    r->asked_us = clock_boot_us();
    bool brief = strcmp(r->why, "self") == 0 && r->asked_us - r->settled_us < BRIEF_US;
    r->brief_asks = brief ? r->brief_asks + 1 : 0;
}

void checkpoint_ask(struct runner *r, const char *why)
{
    snprintf(r->why, sizeof r->why, "%s", why);
    if (r->asked && !r->leaving.set)
        return; /* the one that is under way answers both */
    if (r->asked)
        r->signalled = false; /* one last time: the program may have ignored the first */
    else
        note_ask(r);
    r->asked = true;
    loop_timer_set(r->interval, INT64_MAX);
    if (r->engine->running) {
        begin_dump(r);
        return;
    }
    int64_t patience_us = r->protocol.timeout_us;
    if (r->leaving.set && r->method.fallback && patience_us > r->protocol.vacate_us / 3)
        patience_us = r->protocol.vacate_us / 3; /* the other engine needs time too */
    loop_timer_set(r->timeout, (r->leaving.set ? clock_boot_us() : r->asked_us) + patience_us);
    send_signal(r);
}

static void on_interval(void *data)
{
    struct runner *r = data;
    if (r->phase == PHASE_RUN && !r->suspended && !r->leaving.set)
        checkpoint_ask(r, "periodic");
}

/* The program may still answer: an end that means a checkpoint counts whenever it comes. But the answer that somebody waits
 * for is given now, and the next signal comes an interval later. */
static void on_timeout(void *data)
{
    struct runner *r = data;
    char text[160];
    if (!r->asked || (r->leaving.set && !r->method.fallback))
        return;
    if (r->signalled)
        snprintf(text, sizeof text, "no checkpoint within %lld s of the signal", (long long)(r->protocol.timeout_us / CLOCK_SECOND_US));
    else
        snprintf(text, sizeof text, "its program has no handler for %s, which would kill it", command_signal_name(r->protocol.signal));
    r->overdue = r->method.fallback && r->phase == PHASE_RUN && r->context && !can_dump(r);
    if (r->overdue)
        return; /* it stays asked for: the other engine's turn comes with checkpoint_released */
    r->asked = r->signalled = false;
    fail(r, false, NULL, r->why, text);
    if (r->method.fallback && can_dump(r))
        checkpoint_dump(r);
    else
        checkpoint_schedule(r);
}

void checkpoint_schedule(struct runner *r)
{
    bool due = (r->protocol.want_signal || r->engine->running) && r->protocol.interval_us > 0 && !r->suspended && !r->leaving.set &&
               !r->asked && !r->dumping;
    /* What failed once is likely to fail again: each time in a row the next try comes twice as late, up to 32 intervals. */
    int64_t wait_us = r->protocol.interval_us << (r->failures < 5 ? r->failures : 5);
    loop_timer_set(r->interval, due ? clock_boot_us() + wait_us : INT64_MAX);
}

void checkpoint_init(struct runner *r)
{
    r->interval = loop_timer(r->loop, INT64_MAX, on_interval, r);
    r->timeout = loop_timer(r->loop, INT64_MAX, on_timeout, r);
    r->ready = loop_timer(r->loop, INT64_MAX, on_ready, r);
    r->latency_from_us = -1;
    r->pause_us = -1;
}
