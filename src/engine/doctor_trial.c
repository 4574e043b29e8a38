#include "engine/doctor.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/criu_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_US = 30000000 };

struct trial {
    struct engine_site site;
    struct identity owner;
    struct ad *job;
    char path[4096];
    const char *tools;
};

/* ---- a site like a stint's ---- */

static int make_site(struct trial *t, const char *dir, struct error *err)
{
    static const char *const names[] = { "root", "work", "std", "tmp", "shm", "self", "world", "images" };
    snprintf(t->path, sizeof t->path, "%s/stint-doctor.XXXXXX", dir);
    if (!mkdtemp(t->path))
        return error_sys(err, "cannot make a directory in '%s'", dir);
    t->site.dir = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mkdirat(t->site.dir, names[i], 0700) < 0)
            return error_sys(err, "cannot make '%s/%s'", t->path, names[i]);
    t->site.work = openat(t->site.dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->site.std = openat(t->site.dir, "std", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int out = openat(t->site.std, "stdout", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    auto_close int errors = openat(t->site.std, "stderr", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    auto_close int world = openat(t->site.dir, "world", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->site.work < 0 || t->site.std < 0 || out < 0 || errors < 0 || world < 0)
        return error_sys(err, "cannot make what a trial needs in '%s'", t->path);
    return context_put_reaper(world, err);
}

static void trial_release(struct trial *t)
{
    context_free(t->site.context);
    file_close(&t->site.work);
    file_close(&t->site.std);
    file_close(&t->site.dir);
    ad_free(t->job);
    if (t->path[0])
        file_remove_tree(AT_FDCWD, t->path, NULL);
}

static int start_world(struct trial *t, bool restoring, struct error *err)
{
    static char *const argv[] = { (char *)"sleep", (char *)"600", NULL }, *const envp[] = { NULL };
    struct context_world world = { .dir = t->site.dir, .restoring = restoring };
    struct context_bind bind;
    auto_ad struct ad *state = NULL;
    if (engine_world(&t->site, t->tools, &world, &bind, &state, err) < 0)
        return -1;
    struct context_spec spec = {
        .world = &world, .dir = t->site.work, .program = "/bin/sleep", .argv = argv, .envp = envp, .std = { -1, -1, -1 }, .owner = t->owner,
        .cgroup_procs = { -1, -1 },
    };
    return context_start(&spec, &t->site.context, err);
}

static int open_trial(struct trial *t, const char *tools, const char *dir, struct error *err)
{
    *t = (struct trial){ .tools = tools, .job = ad_new(), .site = { .dir = -1, .work = -1, .std = -1, .asker = -1, .timeout_us = TIMEOUT_US } };
    t->site.job = t->job;
    t->site.owner = &t->owner;
    if (identity_of(geteuid(), &t->owner, err) < 0)
        return -1;
    return make_site(t, dir, err);
}

/* ---- what is tried ---- */

static int frozen(void *data, const char *moment, struct error *err)
{
    (void)data;
    (void)moment;
    (void)err;
    return 0;
}

static int dump(const struct trial *t, struct error *err)
{
    struct criu_options options;
    struct criu_result outcome = { 0 };
    struct criu criu;
    criu_set_options(&t->site, &options);
    options.pid = ENGINE_ROOT;
    options.leave_stopped = true;
    if (criu_start(&t->site, &criu, err) < 0)
        return -1;
    int result = criu_dump(criu.socket, &options, frozen, NULL, &outcome, err);
    criu_stop(&criu, result < 0 ? err : NULL);
    return result < 0 ? criu_explain(&t->site, "CRIU cannot take a checkpoint", err) : 0;
}

int doctor_trial(const char *tools, const char *dir, struct error *err)
{
    __attribute__((cleanup(trial_release))) struct trial t = { 0 };
    auto_ad struct ad *state = ad_new();
    if (open_trial(&t, tools, dir, err) < 0 || start_world(&t, false, err) < 0 || dump(&t, err) < 0)
        return -1;
    context_free(t.site.context);
    t.site.context = NULL;
    if (start_world(&t, true, err) < 0 || engine_resume(&t.site, state, err) < 0)
        return -1;
    return context_adopt(t.site.context, engine_root_pid(state), engine_last_pid(state), err);
}
