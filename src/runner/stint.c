/*
 * What comes next. Three questions decide at each end of the program: does it mean a checkpoint; was the job asked to leave;
 * and did it end by itself?
 *
 *   checkpoint                → capture; then run again, or leave if asked to
 *   asked to leave, killed    → keep what is there if ON_EXIT_OR_EVICT; leave
 *   killed by somebody else   → leave; the pool tries again from the last checkpoint
 *   crashed when just resumed → leave; the pool tries again from the checkpoint before
 *   failed, retries left      → the same
 *   anything else             → deliver the output; completed
 *
 * A program that was sent the checkpoint signal and then ends normally has finished; one that was sent the soft kill has
 * not, whatever its exit code: whoever obeys SIGTERM by exit(0) did not say that the work is done.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "job/record.h"
#include "runner/fetch.h"
#include "runner/selfservice.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* After so many executions in a row that ended with a checkpoint within BRIEF_US, the next ones are BRIEF_PAUSE_US apart. */
enum { BRIEF_US = 1000000, BRIEF_MAX = 100, BRIEF_PAUSE_US = 5000000 };
/* A crash within that time after a resumption may be the resumption's fault. */
enum { DOUBT_US = 10000000 };

struct engine_site stint_site(struct runner *r)
{
    return (struct engine_site){
        .job = r->job, .protocol = &r->protocol, .owner = &r->owner, .dir = r->stint_dir, .work = r->work, .std = r->std,
        .hurry = r->leaving.set, .outside = !sandbox_wanted(r), .context = r->context, .asker = -1, .root_path = r->image.root, .root = r->state ? engine_root_pid(r->state) : 0, .timeout_us = r->protocol.timeout_us,
    };
}

enum { DELIVERIES_MAX = 3, KILL_AGAIN_US = 5000000, MINUTE_US = 60000000 };

static void deliver(struct runner *r);
static void fill(struct runner *r);

/* Neither attribute stands for a program that did not run. */
static void set_exit(struct ad *record, const struct runner *r)
{
    if (r->exit.signal > 0)
        ad_set_int(record, "ExitSignal", r->exit.signal);
    else if (r->exit.code >= 0)
        ad_set_int(record, "ExitCode", r->exit.code);
}

static void stop_loop(struct runner *r, bool keep_sandbox)
{
    r->phase = PHASE_END;
    stream_stop(r);
    trial_stop(r);
    preflight_stop(r);
    if (!keep_sandbox)
        sandbox_remove(r);
    loop_stop(r->loop);
}

/* The results are in the sandbox and the program is done: they must not be thrown away when they cannot be delivered now. */
static bool end_record(struct runner *r, struct ad *record, const char *outcome, const char *cause, const char *reason)
{
    ad_set_string(record, "Outcome", outcome);
    ad_set_string(record, "Cause", cause);
    ad_set_string(record, "Reason", reason);
    if (r->leaving.for_user[0])
        ad_set_string(record, "ForUser", r->leaving.for_user);
    selfservice_flush(r->selfservice);
    ad_set_int(record, "UserUs", r->user_us);
    ad_set_int(record, "SysUs", r->sys_us);
    bool kept = record_kept(r, record);
    record_write(r, record);
    return kept;
}

void stint_end(struct runner *r, const char *outcome, const char *cause, const char *reason)
{
    struct ad *record = record_new(RECORD_END);
    set_exit(record, r);
    fault_point("runner.end");
    stop_loop(r, end_record(r, record, outcome, cause, reason));
}

/* Its program ended by itself: what the job's expressions have said of that. */
static void end_by_itself(struct runner *r, const char *reason)
{
    bool held = r->verdict.act == POLICY_HOLD, again = r->verdict.act == POLICY_RETRY && !ad_has(r->grant, "Deliver");
    const char *outcome = held ? "held" : again ? "failed" : "completed";
    struct ad *record = record_new(RECORD_END);
    set_exit(record, r);
    ad_set_bool(record, "Completion", true);
    if (held) {
        ad_set_int(record, "HoldCode", r->verdict.code);
        ad_set_int(record, "HoldSubCode", r->verdict.subcode);
    }
    fault_point("runner.end");
    stop_loop(r, end_record(r, record, outcome, held ? "hold" : outcome, held ? r->verdict.reason : reason));
}

static void end_held(struct runner *r, int code, int subcode, const char *reason, bool deliverable)
{
    struct ad *record = record_new(RECORD_END);
    set_exit(record, r);
    ad_set_int(record, "HoldCode", code);
    ad_set_int(record, "HoldSubCode", subcode);
    ad_set_bool(record, "Deliverable", deliverable);
    bool kept = end_record(r, record, "held", "hold", reason);
    stop_loop(r, deliverable || kept);
}

static void end_evicted(struct runner *r, bool checkpointed)
{
    if (r->leaving.hold_code) {
        end_held(r, r->leaving.hold_code, r->leaving.hold_subcode, r->leaving.reason, false);
        return;
    }
    struct ad *record = record_new(RECORD_END);
    set_exit(record, r);
    ad_set_bool(record, "Checkpointed", checkpointed);
    ad_set_int(record, "Generation", r->generation);
    fault_point("runner.end");
    stop_loop(r, end_record(r, record, "evicted", r->leaving.cause, r->leaving.reason));
}

/* ---- the beginning ---- */

static void end_unstarted(struct runner *r)
{
    const struct error *err = &r->start_error;
    if (err->kind == ERR_CHILD || err->kind == ERR_INVALID) {
        end_held(r, 6, err->sys, err->text, false);
    } else {
        r->exit = (struct context_exit){ .code = -1 }; /* nothing of this execution; not the end of the one before */
        stint_end(r, "failed", "failed", err->text);
    }
}

static void start_program(struct runner *r)
{
    r->restart_waits = false;
    r->start_failed = program_start(r, &r->start_error) < 0;
    if (!r->start_failed && r->leaving.set)
        stint_leave(r);
    else if (r->start_failed && r->worker)
        r->phase = PHASE_SETTLE; /* the last checkpoint is still being made durable */
    else if (r->start_failed)
        end_unstarted(r);
}

/* The first execution, at the time that the job wants. The wall clock may jump: it is asked again at least once a minute. */
static void start_in_time(struct runner *r)
{
    int64_t wait;
    enum start_time time = policy_start_time(r, &wait);
    r->restart_waits = r->deferred = time == START_LATER;
    if (time == START_LATER)
        loop_timer_set(r->restart, clock_boot_us() + (wait < MINUTE_US ? wait : MINUTE_US));
    else if (time == START_MISSED)
        end_held(r, 20, 0, "Job missed deferred execution time", false);
    else
        start_program(r);
}

static void on_restart(void *data)
{
    struct runner *r = data;
    if (r->restart_waits && r->deferred)
        start_in_time(r);
    else if (r->restart_waits)
        start_program(r);
}

/* A program that does nothing but checkpoint would fill the disk with records of it. */
static void restart_program(struct runner *r)
{
    bool brief = r->exit.boot_us - r->started_us < BRIEF_US;
    r->short_runs = brief ? r->short_runs + 1 : 0;
    if (r->short_runs < BRIEF_MAX) {
        start_program(r);
        return;
    }
    r->restart_waits = true;
    loop_timer_set(r->restart, clock_boot_us() + BRIEF_PAUSE_US);
}

static void note_corrupt(struct runner *r, const struct worker_report *report, bool whole)
{
    struct ad *record = record_new(RECORD_CORRUPT);
    ad_set_int(record, "Generation", report->values[FILL_GENERATION]);
    if (whole)
        ad_set_bool(record, "Whole", true);
    ad_set_string(record, "Reason", report->error.text);
    record_write(r, record);
}

/* A checkpoint whose runner died before it could record it counts from now on; its number is never used again. */
static void note_found(struct runner *r, const struct worker_report *report)
{
    if (r->generation >= r->next_generation) {
        struct ad *record = record_new(RECORD_COMMIT);
        ad_set_int(record, "Generation", r->generation);
        ad_set_int(record, "Bytes", report->values[FILL_BYTES]);
        ad_set_int(record, "Files", report->values[FILL_FILES]);
        ad_set_string(record, "Why", "found");
        record_write(r, record);
    }
    if (report->values[FILL_NEWEST] >= r->next_generation)
        r->next_generation = (int)report->values[FILL_NEWEST] + 1;
}

static void on_filled(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    struct error err;
    if (!report->final) {
        if (report->kind == FILL_NOTE)
            record_note(r, report->error.text);
        else if (report->kind == FILL_TRANSFER)
            fetch_record(r, report);
        else
            note_corrupt(r, report, false);
        return;
    }
    r->worker = NULL;
    if (r->leaving.set) {
        end_evicted(r, false);
        return;
    }
    if (report->result < 0 && report->values[FILL_HOLD_CODE]) {
        end_held(r, (int)report->values[FILL_HOLD_CODE], (int)report->values[FILL_HOLD_SUBCODE], report->error.text, false);
        return;
    }
    if (report->result < 0) {
        stint_end(r, "failed", "failed", report->error.text);
        return;
    }
    r->generation = r->resumed_from = (int)report->values[FILL_GENERATION];
    r->safe_us = r->generation > 0 ? clock_boot_us() : 0;
    note_found(r, report);
    if (stream_start(r, &err) < 0) {
        end_held(r, 14, err.sys, err.text, false);
        return;
    }
    fault_point("runner.filled");
    if (report->values[FILL_PROCESSES])
        resume_begin(r);
    else
        start_in_time(r);
}

/* The processes are there, or the generation is of no use. */
void stint_resumed(struct runner *r, const struct worker_report *report)
{
    if (report->result == 0) {
        program_resumed(r);
        if (r->leaving.set)
            stint_leave(r);
        return;
    }
    stream_stop(r);
    if (cgroup_ran_out_of_memory(r->cgroup)) {
        end_held(r, 34, 0, "its resumption needs more memory than its request_memory; ask for more and release it", false);
        return;
    }
    bool elsewhere = report->error.sys == EOPNOTSUPP; /* it may be resumed, but not here */
    if (r->again == 0 && report->error.kind != ERR_LIMIT && !elsewhere)
        note_corrupt(r, report, true);
    if (r->leaving.set)
        end_evicted(r, false);
    else if (elsewhere)
        end_held(r, 13, report->error.sys, report->error.text, false);
    else if (report->error.kind == ERR_LIMIT)
        stint_end(r, "failed", "failed", report->error.text);
    else
        fill(r);
}

static void fill(struct runner *r)
{
    struct error err;
    r->phase = PHASE_FILL;
    if (worker_start(r->loop, fill_worker, on_filled, r, &r->worker, &err) < 0)
        stint_end(r, "failed", "failed", err.text);
}

void stint_begin(struct runner *r)
{
    if (ad_has(r->grant, "Deliver")) {
        r->exit = (struct context_exit){
            .code = (int)ad_int(r->grant, "ExitCode", -1),
            .signal = (int)ad_int(r->grant, "ExitSignal", 0),
            .boot_us = clock_boot_us(),
        };
        policy_judge_exit(r);
        deliver(r);
        return;
    }
    if (r->method.hold)
        end_held(r, 6, 0, r->method.reason, false);
    else
        fill(r);
}

/* ---- asked to leave ---- */

static void kill_hard(void *data)
{
    struct runner *r = data;
    if (!r->context)
        return; /* it has ended by itself */
    r->leaving.killed = true;
    context_kill(r->context);
    loop_timer_set(r->hard_kill, clock_boot_us() + KILL_AGAIN_US); /* its owner may keep it from ending; not twice */
}

void stint_init(struct runner *r)
{
    r->restart = loop_timer(r->loop, INT64_MAX, on_restart, r);
    r->hard_kill = loop_timer(r->loop, INT64_MAX, kill_hard, r);
}

/* A critical section of the job, in which it wants to be neither checkpointed nor ended. The hard kill comes when it comes. */
static bool may_finish_section(const struct runner *r)
{
    return !r->leaving.removing && !r->leaving.hold_code && selfservice_held(r->selfservice, NULL);
}

static void ask_to_leave(struct runner *r)
{
    if (r->suspended) {
        context_continue(r->context);
        r->suspended = r->suspend_wanted = false;
        record_write(r, record_new(RECORD_CONTINUE));
    }
    if (r->leaving.fast || !program_may_end(r)) {
        kill_hard(r);
        return;
    }
    bool can = r->protocol.want_signal || r->engine->running;
    if (can && !r->leaving.removing && !r->leaving.hold_code && !r->leaving.soft) {
        checkpoint_ask(r, r->leaving.cause);
    } else if (!r->leaving.soft && !may_finish_section(r)) {
        program_soft_kill(r);
    }
    if (r->kill_at_us == 0)
        r->kill_at_us = clock_boot_us() + r->protocol.vacate_us;
    loop_timer_set(r->hard_kill, r->kill_at_us);
}

void stint_leave(struct runner *r)
{
    r->leaving.set = true;
    loop_timer_set(r->interval, INT64_MAX);
    if ((r->phase == PHASE_FILL || r->phase == PHASE_RESUME) && r->worker) {
        worker_stop(r->worker);
        r->worker = NULL;
        context_free(r->context); /* before its files: what is being resumed writes there */
        r->context = NULL;
        end_evicted(r, false);
    } else if (r->phase == PHASE_RUN && r->context) {
        ask_to_leave(r);
    } else if (r->restart_waits && !r->worker) {
        end_evicted(r, r->last_committed);
    }
    /* in every other phase the program has ended: what follows sees that the job is to leave */
}

/* ---- the program's end ---- */

static bool ended_by_us(const struct runner *r)
{
    const struct leaving *l = &r->leaving;
    if (!l->set)
        return false;
    return l->killed || l->soft || (r->exit.signal > 0 && r->exit.signal == r->protocol.signal);
}

/* SIGKILL and SIGTERM that we did not send: an operator, the kernel's out-of-memory killer, a shutdown. Not the job's fault.
 * Nor is it that our checkpoint signal killed it: it goes on from its last checkpoint. */
static bool ended_by_others(const struct runner *r)
{
    if (r->broken || r->doubted)
        return true;
    bool by_our_signal = r->signalled && r->exit.signal > 0 && r->exit.signal == r->protocol.signal;
    return r->exit.lost || r->exit.signal == SIGKILL || r->exit.signal == SIGTERM || by_our_signal;
}

/* A program that crashes as soon as it is resumed may have been resumed badly. Its end is not believed then: once for each generation,
 * for it goes on from the one before, and at last from its beginning, where its end counts. */
static bool is_doubtful(const struct runner *r)
{
    int s = r->exit.signal;
    bool crashed = s == SIGSEGV || s == SIGILL || s == SIGBUS || s == SIGTRAP;
    return crashed && !r->exit.lost && r->resumed > 0 && r->resumed == r->generation && r->exit.boot_us - r->started_us < DOUBT_US;
}

static void doubt(struct runner *r)
{
    struct ad *record = record_new(RECORD_CORRUPT);
    char text[192];
    snprintf(text, sizeof text, "the program died of signal %d (%s) %.1f s after it was resumed; the checkpoint before is tried", r->exit.signal,
             strsignal(r->exit.signal), (double)(r->exit.boot_us - r->started_us) / CLOCK_SECOND_US);
    ad_set_int(record, "Generation", r->resumed);
    ad_set_string(record, "Reason", text);
    ad_set_bool(record, "Whole", true);
    ad_set_bool(record, "Doubted", true);
    record_write(r, record);
}

static void after_program(struct runner *r)
{
    struct engine_site site = stint_site(r);
    char text[128];
    policy_describe_exit(r, text, sizeof text);
    r->doubted = !r->broken && !ended_by_us(r) && is_doubtful(r);
    if (r->doubted && !r->leaving.removing)
        doubt(r);
    if (r->engine->taken(&site, &r->exit) && !r->leaving.removing)
        checkpoint_capture(r);
    else if (r->leaving.removing || r->leaving.hold_code)
        end_evicted(r, false);
    else if (r->doubted && r->leaving.set)
        end_evicted(r, false);
    else if (r->doubted)
        stint_end(r, "failed", "resume", text);
    else if (ended_by_us(r) && r->dump_stops && r->last_committed)
        end_evicted(r, true);
    else if (ended_by_us(r) && r->protocol.save_on_evict)
        checkpoint_save(r);
    else if (ended_by_us(r))
        end_evicted(r, false);
    else if (r->exit.signal == SIGKILL && cgroup_ran_out_of_memory(r->cgroup))
        end_held(r, 34, 0, "it used more memory than its request_memory; ask for more and release it", false);
    else if (ended_by_others(r))
        stint_end(r, "failed", "killed", text);
    else if (r->verdict.act == POLICY_RETRY)
        end_by_itself(r, text);
    else
        deliver(r);
}

void stint_exited(struct runner *r, const struct context_exit *exit)
{
    struct engine_site site = stint_site(r);
    struct error err;
    bool taken = r->engine->taken(&site, exit);
    r->exit = *exit;
    policy_judge_exit(r);
    r->user_us += exit->user_us;
    r->sys_us += exit->sys_us;
    r->max_rss_kb = exit->max_rss_kb > r->max_rss_kb ? exit->max_rss_kb : r->max_rss_kb;
    r->suspended = false;
    selfservice_ended(r->selfservice);
    loop_timer_set(r->interval, INT64_MAX);
    loop_timer_set(r->hard_kill, INT64_MAX);
    if (!r->asked)
        snprintf(r->why, sizeof r->why, "%s", r->leaving.set ? r->leaving.cause : "self");
    struct ad *record = record_new(RECORD_EXIT);
    ad_set_int(record, "BootUs", exit->boot_us);
    set_exit(record, r);
    ad_set_bool(record, "Checkpoint", taken);
    ad_set_bool(record, "Settling", r->worker != NULL);
    bool tampered = (r->dumping && !r->dump_taken) || is_doubtful(r); /* whether it is its own end shows later */
    ad_set_bool(record, "Final", !taken && !tampered && !ended_by_us(r) && !ended_by_others(r) && r->verdict.act != POLICY_RETRY && !r->leaving.removing);
    ad_set_string(record, "Why", r->why);
    ad_set_int(record, "UserUs", r->user_us);
    ad_set_int(record, "SysUs", r->sys_us);
    ad_set_int(record, "MaxRssKb", r->max_rss_kb);
    record_write(r, record);
    if (stream_sync(r, false, &err) < 0)
        log_error("job %s: %s", r->id_text, err.text);
    fault_point("runner.exited");
    if (r->worker)
        r->phase = PHASE_SETTLE;
    else
        after_program(r);
}

/* ---- a worker's news ---- */

/* The state is in the store, if not durable yet: the pause ends here, unless the slot is wanted. */
void stint_captured(struct runner *r)
{
    fault_point("runner.captured");
    if (r->phase == PHASE_CAPTURE && !r->leaving.set)
        restart_program(r);
}

/* The state of the running program was taken, or could not be. If it has to leave it has stood still since, and ends now; or
 * it runs on and is asked to end. */
static void settle_dump(struct runner *r, bool committed)
{
    r->dumping = false;
    if (r->phase == PHASE_SETTLE) {
        after_program(r);
    } else if (r->broken) {
        context_kill(r->context);
    } else if (r->leaving.set && r->dump_stops && committed) {
        kill_hard(r);
    } else if (r->leaving.set && r->dump_stops) {
        if (r->dump_taken)
            context_continue(r->context);
        program_soft_kill(r);
    } else if (r->asked && (r->leaving.set || !r->suspend_wanted)) {
        checkpoint_released(r);
    } else {
        if (r->suspend_wanted)
            control_suspend(r, true);
        checkpoint_schedule(r);
        if (committed)
            trial_begin(r);
    }
}

void stint_settled(struct runner *r, bool committed)
{
    fault_point("runner.settled");
    r->last_committed = committed;
    if (r->dumping) {
        settle_dump(r, committed);
        return;
    }
    if (r->phase == PHASE_SETTLE && r->start_failed) {
        end_unstarted(r);
    } else if (r->phase == PHASE_SETTLE) {
        after_program(r);
    } else if (r->phase == PHASE_RUN && r->overdue) {
        checkpoint_released(r);
    } else if (r->restart_waits && !r->leaving.set) {
        return; /* captured and settled; it starts when its pause is over */
    } else if (r->phase == PHASE_CAPTURE && r->leaving.set) {
        end_evicted(r, committed);
    } else if (r->phase == PHASE_CAPTURE) {
        start_program(r); /* not even captured: it goes on from its files in the sandbox */
    }
}

void stint_saved(struct runner *r)
{
    end_evicted(r, false);
}

/* ---- the output ---- */

static void on_delivered(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    struct error err;
    r->worker = NULL;
    if (report->result < 0 && report->error.kind == ERR_CHILD && r->deliveries < DELIVERIES_MAX) {
        deliver(r); /* somebody killed the worker; what it did is done again */
        return;
    }
    if (report->result == 0 && report->error.text[0])
        record_note(r, report->error.text);
    if (report->result < 0) {
        end_held(r, 12, report->error.sys, report->error.text, true);
        return;
    }
    if (stream_sync(r, true, &err) < 0) {
        end_held(r, 12, err.sys, err.text, true);
        return;
    }
    struct ad *record = record_new(RECORD_DELIVER);
    ad_set_int(record, "Bytes", report->values[DELIVER_BYTES]);
    ad_set_int(record, "Files", report->values[DELIVER_FILES]);
    record_write(r, record);
    char text[128];
    policy_describe_exit(r, text, sizeof text);
    end_by_itself(r, text);
}

static void deliver(struct runner *r)
{
    struct error err;
    r->phase = PHASE_DELIVER;
    r->deliveries++;
    loop_timer_set(r->timeout, INT64_MAX);
    if (!r->streams[0] && !r->streams[1] && stream_start(r, &err) < 0) {
        end_held(r, 12, err.sys, err.text, true);
        return;
    }
    if (r->protocol.on_success_only && !r->succeeded) {
        end_by_itself(r, "it failed, and its output goes out on success only");
        return;
    }
    if (worker_start(r->loop, deliver_worker, on_delivered, r, &r->worker, &err) < 0)
        end_held(r, 12, err.sys, err.text, true);
}
