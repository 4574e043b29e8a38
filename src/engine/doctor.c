/*
 * The checks in the order in which one thing needs the other, so that the first that fails is the one to mend. A check that could only
 * fail because of an earlier one is not made: it says so.
 *
 * What to change is told by what is found: the same EPERM comes from a sysctl, from AppArmor or from the seccomp filter of a container.
 */
#include "engine/doctor.h"

#include "base/file.h"
#include "base/mem.h"
#include "context/cgroup.h"
#include "context/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

struct doctor {
    const struct doctor_place *place;
    struct ad *report;
    bool able;          /* nothing that is essential has failed */
    bool own_spaces;    /* user namespaces work */
    int kernel[2];
};

/* Of a check; `change` NULL or "" when there is nothing to say. */
struct verdict {
    bool ok;
    char found[600];
    const char *change;
};

static void add_check(struct doctor *d, const char *name, const char *title, const char *needed_for, bool essential, const struct verdict *v)
{
    struct ad *check = ad_new();
    ad_set_string(check, "Name", name);
    ad_set_string(check, "Title", title);
    ad_set_bool(check, "Ok", v->ok);
    ad_set_bool(check, "Essential", essential);
    ad_set_string(check, "For", needed_for);
    ad_set_string(check, "Found", v->found);
    if (!v->ok && v->change && v->change[0])
        ad_set_string(check, "Change", v->change);
    ad_append_ad(d->report, "Checks", check);
    if (essential && !v->ok)
        d->able = false;
}

static const char for_transparent[] = "checkpoints of unmodified programs";

/* ---- the kernel ---- */

static void check_kernel(struct doctor *d)
{
    struct utsname name;
    struct verdict v = { 0 };
    uname(&name);
    ad_set_string(d->report, "Kernel", name.release);
    if (sscanf(name.release, "%d.%d", &d->kernel[0], &d->kernel[1]) != 2)
        d->kernel[0] = d->kernel[1] = 0;
    v.ok = d->kernel[0] > 5 || (d->kernel[0] == 5 && d->kernel[1] >= 12);
    snprintf(v.found, sizeof v.found, "Linux %.64s", name.release);
    v.change = "run Linux 5.12 or newer (mount_setattr, time namespaces)";
    add_check(d, "kernel", "kernel", for_transparent, true, &v);
}

/* The number in a file below /proc/sys; -1 when it is not there. */
static long setting(const char *path)
{
    auto_buf struct buf text = { .max = 64 };
    return file_read(AT_FDCWD, path, &text, NULL) == 0 ? strtol(buf_cstr(&text), NULL, 10) : -1;
}

static bool is_filtered(void)
{
    auto_buf struct buf text = { .max = 16384 };
    const char *line = file_read(AT_FDCWD, "/proc/self/status", &text, NULL) == 0 ? strstr(buf_cstr(&text), "\nSeccomp:") : NULL;
    return line && strtol(line + 9, NULL, 10) != 0;
}

/* A command for root, and where it has to be written so that it stays. */
#define SYSCTL(name, value) "as root: sysctl -w " name "=" value " (and '" name " = " value "' in /etc/sysctl.d/stint.conf)"

static const char *how_to_allow_spaces(void)
{
    if (setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return SYSCTL("kernel.unprivileged_userns_clone", "1");
    if (setting("/proc/sys/user/max_user_namespaces") == 0)
        return SYSCTL("user.max_user_namespaces", "10000");
    if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        return SYSCTL("kernel.apparmor_restrict_unprivileged_userns", "0");
    if (is_filtered())
        return "this runs under a seccomp filter, as in a container: start the container with --security-opt seccomp=unconfined "
               "--security-opt systempaths=unconfined";
    return "this runs within a user namespace, a chroot or a container that does not allow it: run the pool outside of it";
}

static const char *how_to_allow_mounts(void)
{
    return is_filtered() || setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1
               ? how_to_allow_spaces()
               : "parts of /proc are covered here, as in a container: start the container with --security-opt systempaths=unconfined, or run the "
                 "pool outside of it";
}

static bool check_probe(struct doctor *d, enum probe what, const char *name, const char *title, const char *needed_for, bool essential,
                        const char *change)
{
    struct error err;
    struct verdict v = { .change = change };
    if (what != PROBE_USER && !d->own_spaces) {
        snprintf(v.found, sizeof v.found, "not tried, without user namespaces it cannot be");
        v.change = NULL;
    } else {
        v.ok = probe_try(what, &err) == 0;
        snprintf(v.found, sizeof v.found, "%s", v.ok ? "work" : err.text);
    }
    add_check(d, name, title, needed_for, essential, &v);
    return v.ok;
}

static void check_spaces(struct doctor *d)
{
    const char *change = how_to_allow_spaces();
    d->own_spaces = check_probe(d, PROBE_USER, "user-namespaces", "user namespaces", for_transparent, true, change);
    check_probe(d, PROBE_SPACES, "namespaces", "process, mount and time namespaces", for_transparent, true, change);
    check_probe(d, PROBE_MOUNTS, "mounts", "mounts within namespaces", for_transparent, true, how_to_allow_mounts());
    check_probe(d, PROBE_NUMBERS, "process-numbers", "chosen process numbers", for_transparent, true,
                "run Linux 5.9 or newer, outside of containers that make /proc/sys read-only");
    check_probe(d, PROBE_NETWORK, "network-namespaces", "network namespaces", "jobs with a network of their own, whose connections are kept", false,
                change);
}

/* ---- CRIU ---- */

/* Runs "criu --version" from the bundle and reads what it prints. */
static int read_version(const char *tools, char *out, size_t size, struct error *err)
{
    auto_free char *loader = mem_printf("%s/loader", tools), *libraries = mem_printf("%s/lib", tools), *program = mem_printf("%s/criu", tools);
    char *argv[] = { loader, (char *)"--library-path", libraries, program, (char *)"--version", NULL };
    posix_spawn_file_actions_t actions;
    int ends[2], status;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    auto_close int answer = ends[0];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int r = posix_spawn(&pid, loader, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    errno = r;
    if (r != 0)
        return error_sys(err, "cannot run '%s'", loader);
    ssize_t n, len = 0;
    while (len < (ssize_t)size - 1 && (n = read(answer, out + len, size - 1 - (size_t)len)) > 0)
        len += n;
    out[len] = '\0';
    file_close(&answer);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : error_set(err, ERR_CHILD, "'%s' does not run here", program);
}

int doctor_version(const char *tools, int *version, struct error *err)
{
    char text[1024];
    int parts[3] = { 0 };
    if (read_version(tools, text, sizeof text, err) < 0)
        return -1;
    const char *line = strstr(text, "Version: ");
    if (!line || sscanf(line, "Version: %d.%d.%d", &parts[0], &parts[1], &parts[2]) < 2)
        return error_set(err, ERR_CHILD, "'%s/criu' does not say its version", tools);
    *version = parts[0] * 10000 + parts[1] * 100 + parts[2];
    return 0;
}

static bool check_tools(struct doctor *d)
{
    const char *tools = d->place->tools;
    struct error err;
    struct verdict v = { .change = "in stint's source directory: tools/criu DIR, then 'criu_dir = DIR' in the pool's stint.conf" };
    int version = 0;
    int least = d->kernel[0] > 6 || (d->kernel[0] == 6 && d->kernel[1] >= 16) ? 40200 : 40101;
    if (!tools) {
        snprintf(v.found, sizeof v.found, "there is none");
    } else if (doctor_version(tools, &version, &err) < 0) {
        snprintf(v.found, sizeof v.found, "%s", err.text);
    } else {
        ad_set_string(d->report, "Tools", tools);
        v.ok = version >= least;
        snprintf(v.found, sizeof v.found, "%d.%d.%d in %.300s%s", version / 10000, version / 100 % 100, version % 100, tools,
                 v.ok ? "" : least == 40200 ? ", too old for this kernel: 4.2 is needed" : ", too old: 4.1.1 is needed");
    }
    add_check(d, "criu", "CRIU", for_transparent, true, &v);
    return v.ok;
}

/* Below the pool's directory, where stints' sandboxes are to be; a pool that is yet to be made has none. */
static const char *place_for_trial(const struct doctor *d)
{
    return d->place->pool && access(d->place->pool, W_OK) == 0 ? d->place->pool : "/tmp";
}

static void check_trial(struct doctor *d, bool have_tools)
{
    struct error err = { 0 };
    struct verdict v = { 0 };
    if (!d->able || !have_tools) {
        snprintf(v.found, sizeof v.found, "not tried, it needs what is missing above");
    } else {
        v.ok = doctor_trial(d->place->tools, place_for_trial(d), &err) == 0;
        snprintf(v.found, sizeof v.found, "%s", v.ok ? "a process was checkpointed and resumed" : err.text);
        v.change = "ask whoever cares for this installation, with this report";
    }
    add_check(d, "trial", "checkpoint and resume", for_transparent, true, &v);
}

/* ---- what is good to have ---- */

static void check_limits(struct doctor *d)
{
    struct error err;
    const char *support = cgroup_support(&err);
    struct verdict v = { .ok = support != NULL };
    snprintf(v.found, sizeof v.found, "%s", support ? support : err.text);
    v.change = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
                   ? "run the pool as a service to which cgroups are delegated: systemd-run --user -p Delegate=yes stint pool run"
                   : "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line";
    add_check(d, "limits", "cgroups", "limits on jobs' memory and processors", false, &v);
}

static void check_pages(struct doctor *d)
{
    struct verdict v = { .ok = probe_pagemap_scan(), .change = "run Linux 6.7 or newer" };
    snprintf(v.found, sizeof v.found, "%s", v.ok ? "PAGEMAP_SCAN works" : "the kernel has no PAGEMAP_SCAN");
    add_check(d, "changed-pages", "list of changed pages", "shorter pauses of jobs with much memory", false, &v);
}

static void check_reflinks(struct doctor *d)
{
    const char *pool = place_for_trial(d);
    auto_close int dir = open(pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct verdict v = { .ok = dir >= 0 && probe_reflink(dir), .change = "put the pool's directory on XFS, Btrfs or bcachefs" };
    snprintf(v.found, sizeof v.found, "the file system of '%.400s' %s", pool, v.ok ? "shares blocks between files" : "copies files as a whole");
    add_check(d, "reflinks", "reflinks", "shorter pauses of jobs with large files", false, &v);
}

static bool is_on_path(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path && *path ? path : "/usr/bin:/bin"; *at;) {
        size_t len = strcspn(at, ":");
        auto_free char *whole = mem_printf("%.*s/%s", (int)len, at, name);
        if (access(whole, X_OK) == 0)
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

static void check_containers(struct doctor *d)
{
    bool skopeo = is_on_path("skopeo"), umoci = is_on_path("umoci");
    struct verdict v = { .ok = skopeo && umoci, .change = "as root: apt-get install skopeo umoci" };
    snprintf(v.found, sizeof v.found, "%s", v.ok ? "skopeo and umoci are there" : skopeo ? "umoci is missing" : umoci ? "skopeo is missing" : "skopeo and umoci are missing");
    add_check(d, "containers", "container images", "jobs of the container universe", false, &v);
}

void doctor_run(const struct doctor_place *place, struct ad *report)
{
    struct doctor d = { .place = place, .report = report, .able = true };
    ad_set_bool(report, "Transparent", false);
    ad_make_list(report, "Checks");
    check_kernel(&d);
    check_spaces(&d);
    bool have_tools = check_tools(&d);
    check_trial(&d, have_tools);
    check_limits(&d);
    check_pages(&d);
    check_reflinks(&d);
    check_containers(&d);
    ad_set_bool(report, "Transparent", d.able);
}
