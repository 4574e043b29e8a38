/*
 * stint-runner JOBDIR STOREDIR [LINE-FD]: one stint of one job. JOBDIR/grant says which; see backend/backend.h.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/journal.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/image.h"
#include "job/record.h"
#include "runner/pace.h"
#include "runner/selfservice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The runner of the stint before may still be cleaning up after it said that the stint is over. */
enum { LOCK_WAIT_US = 10000000 };

static int take_lock(struct runner *r, struct error *err)
{
    r->lock = openat(r->job_dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock < 0)
        return error_sys(err, "cannot open the job's lock");
    for (int64_t end = clock_boot_us() + LOCK_WAIT_US; flock(r->lock, LOCK_EX | LOCK_NB) < 0; poll(NULL, 0, 1)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_sys(err, "cannot lock the job");
        if (clock_boot_us() > end)
            return RUNNER_LOCKED;
    }
    return 0;
}

struct fence_search {
    int stint;
    bool fenced;
};

static bool look_for_fence(void *data, const char *text, size_t len, int64_t end)
{
    struct fence_search *search = data;
    struct ad *record = NULL;
    struct error ignored;
    (void)end;
    if (!text || ad_parse_json(text, len, &record, &ignored) < 0)
        return true;
    const char *kind = ad_string(record, "Record", "");
    if ((strcmp(kind, RECORD_BEGIN) == 0 || strcmp(kind, RECORD_FENCE) == 0) && ad_int(record, "Stint", 0) >= search->stint)
        search->fenced = true;
    ad_free(record);
    return !search->fenced;
}

static int check_fence(struct runner *r, struct error *err)
{
    struct fence_search search = { .stint = r->stint };
    if (journal_read(r->job_dir, "journal", 0, look_for_fence, &search, err) < 0)
        return -1;
    return search.fenced ? RUNNER_FENCED : 0;
}

static int read_grant(struct runner *r, struct error *err)
{
    auto_buf struct buf text = { .max = 16 << 20 };
    int result = file_read(r->job_dir, "grant", &text, err);
    if (result != 0)
        return result < 0 ? -1 : error_set(err, ERR_INVALID, "there is no grant for this job");
    if (ad_parse_json(buf_cstr(&text), text.len, &r->grant, err) < 0)
        return error_wrap(err, "the job's grant");
    const struct ad *job = ad_ad(r->grant, "Job");
    if (!job)
        return error_set(err, ERR_INVALID, "the job's grant has no job");
    r->job = ad_copy(job);
    r->stint = (int)ad_int(r->grant, "Stint", 0);
    r->id = (struct job_id){ .cluster = (int)ad_int(r->job, "ClusterId", 0), .proc = (int)ad_int(r->job, "ProcId", 0) };
    job_id_print(r->id, r->id_text);
    snprintf(r->stint_name, sizeof r->stint_name, "stint.%d", r->stint);
    return identity_of((uid_t)ad_int(r->grant, "Uid", geteuid()), &r->owner, err);
}

static void read_protocol(struct runner *r)
{
    struct protocol_defaults defaults = {
        .interval_us = ad_int(r->grant, "CheckpointIntervalUs", 3600 * CLOCK_SECOND_US),
        .timeout_us = ad_int(r->grant, "CheckpointTimeoutUs", 600 * CLOCK_SECOND_US),
        .vacate_max_us = ad_int(r->grant, "MaxVacateUs", 600 * CLOCK_SECOND_US),
    };
    protocol_read(r->job, &defaults, &r->protocol);
    r->generation = 0;
    r->next_generation = (int)ad_int(r->grant, "NextGeneration", 1);
    r->refused = (int)ad_int(r->grant, "DoubtedGeneration", 0);
}

/* Why this machine takes no transparent checkpoints; false when it does. */
static bool lacks_means(struct runner *r, struct error *err)
{
    return engine_has_tools(ad_string(r->grant, "CriuDir", NULL), &r->owner, err) < 0 || context_world_possible(&r->owner, err) < 0;
}

/* A generation that holds processes needs a world, whatever the job wants by now. */
static void choose_method(struct runner *r)
{
    struct method wanted;
    struct error why = { 0 };
    method_read(r->job, ad_string(r->grant, "DefaultMethod", NULL), &wanted);
    bool asked = wanted.wanted == METHOD_TRANSPARENT || wanted.fallback || (wanted.wanted == METHOD_AUTO && !r->protocol.self);
    bool can = asked && !lacks_means(r, &why);
    method_choose(&wanted, &r->protocol, can, why.text, &r->method);
    bool docker, image = image_of_job(r->job, &docker) != NULL;
    r->world = r->method.used == METHOD_TRANSPARENT || r->method.fallback || image;
    r->engine = r->method.used == METHOD_TRANSPARENT ? &engine_transparent : r->method.used == METHOD_SELF ? &engine_self : &engine_none;
    pace_begin(r);
}

static void write_method(struct runner *r)
{
    struct ad *record = record_new(RECORD_METHOD);
    ad_set_string(record, "Method", method_name(r->method.used));
    if (r->method.reason[0])
        ad_set_string(record, "Reason", r->method.reason);
    pace_tell(r, record);
    record_write(r, record);
}

static void limit_resources(struct runner *r)
{
    struct error err;
    char name[64];
    if (!ad_bool(r->grant, "Limits", false))
        return;
    snprintf(name, sizeof name, "%.60s", ad_string(r->grant, "Mark", "stint"));
    if (cgroup_make(name, (int)ad_int(r->grant, "Cpus", 1), ad_int(r->grant, "MemoryBytes", 0), &r->cgroup, &err) < 0)
        log_error("job %s: runs without limits: %s", r->id_text, err.text);
}

static void write_begin(struct runner *r)
{
    struct ad *record = record_new(RECORD_BEGIN);
    ad_set_int(record, "GrantedWallUs", ad_int(r->grant, "GrantedWallUs", clock_wall_us()));
    ad_set_int(record, "GrantedBootUs", ad_int(r->grant, "GrantedBootUs", clock_boot_us()));
    ad_set_string(record, "BootId", clock_boot_id());
    ad_set_int(record, "Pid", getpid());
    ad_set_string(record, "Mode", ad_has(r->grant, "Deliver") ? "deliver" : ad_bool(r->grant, "Stored", false) ? "resume" : "fresh");
    ad_set_string(record, "Cause", ad_string(r->grant, "Cause", "start"));
    record_write(r, record);
    fault_point("runner.begun");
}

static void on_signal(void *data, int signal)
{
    struct runner *r = data;
    if (signal == SIGCHLD)
        context_reap(r->context, (const int[]){ worker_pid(r->worker), worker_pid(r->trial), worker_pid(r->preflight) }, 3);
    if (signal != SIGTERM)
        return;
    if (!r->leaving.set) {
        snprintf(r->leaving.cause, sizeof r->leaving.cause, "shutdown");
        snprintf(r->leaving.reason, sizeof r->leaving.reason, "the machine or an operator stopped the runner");
    }
    stint_leave(r);
}

/* A job can do without; it finds no STINT_SOCKET then. */
static void open_selfservice(struct runner *r)
{
    struct error err;
    if (ad_has(r->grant, "Deliver"))
        return; /* nothing runs any more */
    r->selfservice = selfservice_open(r, &err);
    if (!r->selfservice)
        log_error("job %s: cannot ask its runner for anything: %s", r->id_text, err.text);
}

/* Everything up to the lock and the fence: a failure here leaves no trace. */
static int claim(struct runner *r, const char *job_dir, struct error *err)
{
    r->job_dir = open(job_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->job_dir < 0)
        return error_sys(err, "cannot open '%s'", job_dir);
    int result = take_lock(r, err);
    if (result == 0)
        result = read_grant(r, err);
    if (result == 0)
        result = check_fence(r, err);
    if (result != 0)
        return result;
    r->journal = journal_open(r->job_dir, "journal", err);
    return r->journal < 0 ? -1 : 0;
}

static int run(struct runner *r, int line, struct error *err)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, 0 };
    r->loop = loop_new();
    if (context_adopt_orphans(err) < 0 || loop_signals(r->loop, signals, on_signal, r, err) < 0 || control_open(r, line, err) < 0)
        return -1;
    read_protocol(r);
    choose_method(r);
    limit_resources(r);
    checkpoint_init(r);
    stint_init(r);
    write_begin(r);
    write_method(r);
    if (sandbox_open(r, err) < 0 || asker_open(r, err) < 0) {
        stint_end(r, "failed", "failed", err->text);
    } else {
        program_watch(r);
        open_selfservice(r);
        stint_begin(r);
    }
    if (r->phase != PHASE_END)
        loop_run(r->loop, NULL, NULL);
    asker_close(r);
    cgroup_free(r->cgroup);
    selfservice_close(r->selfservice);
    control_close(r);
    return 0;
}

static void release(struct runner *r)
{
    struct loop_timer *timers[] = { r->interval, r->timeout, r->ready, r->restart, r->hard_kill, r->sample };
    int *fds[] = { &r->stint_dir, &r->work, &r->std, &r->journal, &r->lock, &r->job_dir }; /* the lock goes when nothing is touched any more */
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        loop_timer_free(timers[i]);
    loop_unwatch(r->context_watch);
    context_free(r->context);
    loop_free(r->loop);
    ad_free(r->grant);
    ad_free(r->state);
    ad_free(r->job);
    container_image_release(&r->image);
    free(r->waiting);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        file_close(fds[i]);
}

int main(int argc, char **argv)
{
    struct runner r = { .exit.code = -1, .job_dir = -1, .stint_dir = -1, .work = -1, .std = -1, .lock = -1, .journal = -1, .listener = -1, .asker = -1, .asker_listener = -1, .asker_served = -1, .image.lock = -1 };
    struct error err;
    if (geteuid() == 0)
        prctl(PR_SET_DUMPABLE, 0); /* its children that become a job's owner are not for him to look into */
    if (argc > 1 && strcmp(argv[1], "--doctor") == 0)
        return doctor_main(argc - 2, argv + 2);
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: stint-runner JOBDIR STOREDIR [LINE-FD] | --doctor [TOOLS-DIR [POOL-DIR]]\nThe pool starts it; see stint-pool(8).\n");
        return RUNNER_USAGE;
    }
    int line = argc == 4 ? (int)strtol(argv[3], NULL, 10) : -1;
    if (line >= 0)
        fcntl(line, F_SETFD, FD_CLOEXEC);
    r.store_path = argv[2];
    int result = claim(&r, argv[1], &err);
    if (result == 0)
        result = run(&r, line, &err);
    release(&r);
    if (result < 0) {
        log_error("runner of '%s': %s", argv[1], err.text);
        return RUNNER_FAILED;
    }
    return result;
}
