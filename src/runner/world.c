#include "runner/world.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

void world_release(struct world *w)
{
    free(w->binds);
    command_list_release(&w->texts);
    ad_free(w->state);
    *w = (struct world){ 0 };
}

static void add_bind(struct world *w, const struct context_bind *bind)
{
    w->binds = mem_grow(w->binds, &w->bind_capacity, w->bind_count + 1, sizeof *w->binds);
    w->binds[w->bind_count++] = *bind;
}

/* Directories of the host that the job may write. A link on the way would lead to another place inside than outside. */
static int add_writable(struct runner *r, struct world *w, struct error *err)
{
    auto_command_list struct command_list paths = { 0 };
    command_files(r->job, "WritablePaths", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        if (identity_enter(&r->owner, err) < 0)
            return -1;
        auto_free char *real = paths.items[i][0] == '/' ? realpath(paths.items[i], NULL) : NULL;
        identity_leave();
        if (!real) {
            error_set(err, ERR_INVALID, "writable_paths: '%s' is no directory here: %s", paths.items[i], strerror(errno));
            return -1;
        }
        auto_free char *copy = mem_dup(real);
        command_list_add(&w->texts, copy);
        const char *kept = w->texts.items[w->texts.count - 1];
        add_bind(w, &(struct context_bind){ .from = kept, .to = kept, .writable = true });
    }
    return 0;
}

int world_describe(struct runner *r, const struct engine_site *site, struct world *w, struct error *err)
{
    struct context_bind tools, image[IMAGE_BINDS];
    struct context_world *c = &w->context;
    *c = (struct context_world){
        .dir = site->dir,
        .root = r->image.root,
        .open_host = !sandbox_wanted(r),
        .own_network = ad_bool(r->job, "OwnNetwork", false) || site->trial, /* the job itself has its ports */
        .shared_output = stream_shared(r),
        .work = sandbox_wanted(r) ? NULL : ad_string(r->job, "Iwd", "/"),
    };
    if (engine_world(site, ad_string(r->grant, "CriuDir", NULL), c, &tools, &w->state, err) < 0)
        return -1;
    if (c->bind_count > 0)
        add_bind(w, &tools);
    int count = image_binds(r, &r->image, image);
    for (int i = 0; i < count; i++)
        add_bind(w, &image[i]);
    if (add_writable(r, w, err) < 0)
        return -1;
    c->binds = w->binds;
    c->bind_count = (int)w->bind_count;
    return 0;
}

/* Files that came with the checkpoint, over those of this machine that are others. */
static int add_replacements(const struct engine_site *site, struct world *w, struct error *err)
{
    auto_command_list struct command_list paths = { 0 };
    if (engine_replacements(site, w->state, &paths, err) < 0)
        return -1;
    for (size_t i = 0; i < paths.count; i++) {
        auto_free char *from = mem_printf("bundle%s", paths.items[i]);
        command_list_add(&w->texts, from);
        command_list_add(&w->texts, paths.items[i]);
        add_bind(w, &(struct context_bind){ .from = w->texts.items[w->texts.count - 2], .to = w->texts.items[w->texts.count - 1] });
    }
    w->context.binds = w->binds;
    w->context.bind_count = (int)w->bind_count;
    return 0;
}

/* The image stays open, and its tree in place, until the runner ends. */
int world_keep(struct runner *r, int keep[2], struct error *err)
{
    if (!r->image.root && image_open(r, &r->image, err) < 0)
        return -1;
    keep[0] = r->lock;
    keep[1] = r->image.lock;
    return r->image.root && r->image.lock >= 0 ? 2 : 1;
}

int world_make(struct runner *r, const struct engine_site *site, struct context **context, struct ad **state, struct error *err)
{
    auto_world struct world world = { 0 };
    struct engine_site here = *site;
    int keep[2], keep_count = world_keep(r, keep, err);
    here.root_path = r->image.root; /* known only now */
    if (keep_count < 0 || world_describe(r, &here, &world, err) < 0)
        return -1;
    if (!world.state)
        return error_set(err, ERR_CORRUPT, "the checkpoint has no state of the job's world");
    if (add_replacements(&here, &world, err) < 0)
        return -1;
    world.context.restoring = true;
    world.context.root_pid = engine_root_pid(world.state);
    auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct context_spec spec = {
        .world = &world.context, .dir = site->work, .std = { null, null, null }, .owner = r->owner, .keep = keep, .keep_count = keep_count,
    };
    if (site->trial) /* its memory is not the job's: together they would go beyond what that may have */
        spec.cgroup_procs[0] = spec.cgroup_procs[1] = -1;
    else
        cgroup_procs(r->cgroup, spec.cgroup_procs);
    int result = context_start(&spec, context, err);
    for (int i = 0; i < 2; i++)
        file_close(&spec.cgroup_procs[i]);
    if (result < 0)
        return -1;
    *state = world.state;
    world.state = NULL;
    return 0;
}
