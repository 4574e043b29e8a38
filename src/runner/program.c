#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/clock.h"
#include "job/command.h"
#include "job/record.h"
#include "runner/runner.h"
#include "runner/selfservice.h"
#include "runner/world.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What the program is started as: its copy in the sandbox, or the original. Yours. */
static char *program_path(const struct runner *r)
{
    const char *cmd = ad_string(r->job, "Cmd", "");
    bool sandboxed = strcasecmp(ad_string(r->job, "ShouldTransferFiles", "YES"), "NO") != 0;
    if (sandboxed && ad_bool(r->job, "TransferExecutable", true))
        return mem_printf("./%s", base_name(cmd));
    if (cmd[0] == '/')
        return mem_dup(cmd);
    return mem_printf("%s/%s", ad_string(r->job, "Iwd", "/"), cmd);
}

static int build_arguments(const struct runner *r, const char *path, struct command_list *argv, struct error *err)
{
    auto_command_list struct command_list own = { 0 };
    if (command_arguments(r->job, &own, err) < 0)
        return -1;
    command_list_add(argv, path);
    for (size_t i = 0; i < own.count; i++)
        command_list_add(argv, own.items[i]);
    return 0;
}

static bool names_same(const struct command_list *list, const char *variable)
{
    size_t len = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i], variable, len) == 0)
            return true;
    return false;
}

/* A small, clean environment, then the image's, then the job's own, which wins. */
static int build_environment(const struct runner *r, struct command_list *envp, struct error *err)
{
    const struct command_list *image = &r->image.env;
    auto_free char *home = mem_printf("HOME=%s", r->image.root ? "/stint/work" : r->owner.home);
    auto_free char *user = mem_printf("USER=%s", r->owner.name);
    auto_free char *logname = mem_printf("LOGNAME=%s", r->owner.name);
    auto_free char *id = mem_printf("STINT_JOB=%s", r->id_text);
    auto_free char *number = mem_printf("STINT_NUMBER=%d", r->stint);
    auto_free char *mark = mem_printf("STINT_ID=%s", ad_string(r->grant, "Mark", "stint"));
    auto_free char *socket = selfservice_path(r->selfservice);
    auto_free char *ask = socket ? mem_printf("STINT_SOCKET=%s", socket) : NULL;
    auto_command_list struct command_list own = { 0 };
    if (command_environment(r->job, &own, err) < 0)
        return -1;
    const char *path = r->image.root ? "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : "PATH=/usr/local/bin:/usr/bin:/bin";
    const char *defaults[] = { path, home, user, logname, id, number, mark, ask };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0] && defaults[i]; i++)
        if (!names_same(&own, defaults[i]) && !names_same(image, defaults[i]))
            command_list_add(envp, defaults[i]);
    for (size_t i = 0; i < image->count; i++)
        if (strchr(image->items[i], '=') && !names_same(&own, image->items[i]))
            command_list_add(envp, image->items[i]);
    for (size_t j = 0; j < own.count; j++)
        command_list_add(envp, own.items[j]);
    return 0;
}

/* The submitter's file itself, which may grow or change. */
static int open_streamed(const struct runner *r)
{
    const char *in = ad_string(r->job, "In", "");
    auto_free char *path = in[0] == '/' ? mem_dup(in) : mem_printf("%s/%s", ad_string(r->job, "Iwd", "/"), in);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* With the owner's rights: what the names stand for by now is up to the job, whose directory this is. */
static int open_std(struct runner *r, int fds[3], struct error *err)
{
    const char *second = stream_shared(r) ? "stdout" : "stderr";
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    fds[0] = input_streamed(r) ? open_streamed(r) : openat(r->std, "stdin", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fds[0] < 0)
        fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    fds[1] = openat(r->std, "stdout", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    fds[2] = openat(r->std, second, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    identity_leave();
    for (int i = 0; i < 3; i++)
        if (fds[i] < 0)
            return error_sys(err, "cannot open the program's standard files");
    return 0;
}

static void on_context(void *data, uint32_t events)
{
    struct runner *r = data;
    struct context_exit exit;
    (void)events;
    if (!context_next(r->context, &exit))
        return;
    loop_unwatch(r->context_watch);
    r->context_watch = NULL;
    context_free(r->context);
    r->context = NULL;
    stint_exited(r, &exit);
}

/* What is executed, and with what. */
static int choose_program(struct runner *r, char **path, struct command_list *argv, struct command_list *envp, struct error *err)
{
    const char *path_list = NULL;
    if (build_environment(r, envp, err) < 0)
        return -1;
    if (!r->image.root) {
        *path = program_path(r);
        return build_arguments(r, *path, argv, err);
    }
    for (size_t i = 0; i < envp->count; i++)
        if (strncmp(envp->items[i], "PATH=", 5) == 0)
            path_list = envp->items[i] + 5;
    return image_command(r, &r->image, path_list, argv, path, err);
}

static int start_context(struct runner *r, const int fds[3], struct error *err)
{
    struct engine_site site = stint_site(r);
    auto_world struct world world = { 0 };
    auto_free char *path = NULL;
    auto_command_list struct command_list argv = { 0 };
    auto_command_list struct command_list envp = { 0 };
    int keep[2], keep_count = world_keep(r, keep, err);
    if (keep_count < 0 || choose_program(r, &path, &argv, &envp, err) < 0 || (r->world && world_describe(r, &site, &world, err) < 0) ||
        manifest_environment(r, &envp, err) < 0)
        return -1;
    struct context_spec spec = {
        .world = r->world ? &world.context : NULL,
        .dir = r->work,
        .program = path,
        .argv = argv.items,
        .envp = envp.items,
        .std = { fds[0], fds[1], fds[2] },
        .owner = r->owner,
        .keep = keep,
        .keep_count = keep_count,
    };
    cgroup_procs(r->cgroup, spec.cgroup_procs);
    int result = context_start(&spec, &r->context, err);
    for (int i = 0; i < 2; i++)
        file_close(&spec.cgroup_procs[i]);
    return result;
}

/* The program runs from now on: for the first time, again, or still. */
static void set_running(struct runner *r)
{
    r->context_watch = loop_watch(r->loop, context_fd(r->context), EPOLLIN, on_context, r);
    r->phase = PHASE_RUN;
    r->execution++;
    r->suspended = r->signalled = false;
    r->started_us = context_started_us(r->context);
    if (r->execution > 1)
        r->pause_us = context_started_us(r->context) - r->exit.boot_us;
    struct ad *record = record_new(RECORD_RUN);
    ad_set_int(record, "BootUs", context_started_us(r->context));
    ad_set_int(record, "Pid", context_pid(r->context));
    ad_set_int(record, "Execution", r->execution);
    ad_set_int(record, "Generation", r->generation);
    record_write(r, record);
    checkpoint_schedule(r);
    preflight_begin(r);
    if (r->suspend_wanted)
        control_suspend(r, true);
    if (r->engine->running && r->asked && !r->leaving.set)
        checkpoint_released(r); /* what was brought back asked before it was known to be there */
}

int program_start(struct runner *r, struct error *err)
{
    int fds[3] = { -1, -1, -1 };
    int result = open_std(r, fds, err);
    if (result == 0)
        result = start_context(r, fds, err);
    for (int i = 0; i < 3; i++)
        file_close(&fds[i]);
    if (result < 0)
        return -1;
    r->resumed = 0;
    set_running(r);
    return 0;
}

void program_resumed(struct runner *r)
{
    r->resumed = r->generation;
    set_running(r);
}

/* All that the stint has on the disk for the job, but for the images of a checkpoint that are on their way into the store. */
static int64_t disk_kb(const struct runner *r)
{
    static const char *const names[] = { "work", "std", "tmp", "self", "world", "bundle" };
    int64_t bytes = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        bytes += file_tree_bytes(r->stint_dir, names[i]);
    return bytes / 1024;
}

static void add_size(struct ad *record, const struct runner *r, const struct context_usage *usage)
{
    ad_set_int(record, "ImageSizeKb", usage->image_kb);
    ad_set_int(record, "RssKb", usage->rss_kb);
    ad_set_int(record, "DiskKb", disk_kb(r));
    ad_set_int(record, "UserUs", r->user_us + usage->user_us);
    ad_set_int(record, "SysUs", r->sys_us + usage->sys_us);
}

/* A job that outgrows the disk it asked for is stopped before it hurts the others. */
static void check_disk(struct runner *r, const struct ad *record)
{
    int64_t limit = ad_int(r->grant, "DiskLimitKb", 0);
    int64_t used = ad_int(record, "DiskKb", 0);
    if (limit <= 0 || used <= limit || r->leaving.set)
        return;
    r->leaving.hold_code = 34;
    r->leaving.hold_subcode = 104;
    snprintf(r->leaving.cause, sizeof r->leaving.cause, "hold");
    snprintf(r->leaving.reason, sizeof r->leaving.reason,
             "its sandbox holds %lld KiB, more than its request_disk of %lld KiB; ask for more and release it",
             (long long)used, (long long)limit);
    stint_leave(r);
}

enum { FIRST_SAMPLE_US = 5000000, LAST_SAMPLE_US = 60000000, REPORT_EVERY_US = 300000000 };

static void on_sample(void *data)
{
    struct runner *r = data;
    static int64_t next_us = FIRST_SAMPLE_US;
    int64_t now = clock_boot_us();
    if (r->context) {
        struct context_usage usage;
        context_usage(r->context, &usage);
        struct ad *record = record_new(RECORD_USAGE);
        add_size(record, r, &usage);
        check_disk(r, record);
        bool grown = usage.rss_kb > r->sampled_rss_kb + r->sampled_rss_kb / 10;
        if (grown || now - r->reported_us >= REPORT_EVERY_US) {
            r->sampled_rss_kb = usage.rss_kb > r->sampled_rss_kb ? usage.rss_kb : r->sampled_rss_kb;
            r->reported_us = now;
            record_write(r, record);
        } else {
            ad_free(record);
        }
    }
    next_us = next_us * 2 > LAST_SAMPLE_US ? LAST_SAMPLE_US : next_us * 2;
    loop_timer_set(r->sample, now + next_us);
}

void program_watch(struct runner *r)
{
    r->sample = loop_timer(r->loop, clock_boot_us() + FIRST_SAMPLE_US, on_sample, r);
}

/* The job may have other signals for its removal and for a hold. */
void program_soft_kill(struct runner *r)
{
    const char *name = r->leaving.removing ? "RemoveKillSig" : strcmp(r->leaving.cause, "hold") == 0 ? "HoldKillSig" : "KillSig";
    r->leaving.soft = true;
    context_signal(r->context, command_signal_of(r->job, name, r->protocol.kill_signal));
}

bool program_may_end(const struct runner *r)
{
    return !r->leaving.removing || ad_bool(r->job, "WantGracefulRemoval", true);
}
