/*
 * The transparent engine. CRIU runs in the job's own world, where the owner has all the rights that it needs, and is spoken to from
 * outside. What makes a checkpoint of processes true is that their files are as they were at that moment:
 *
 *   1. CRIU freezes the tree and writes its images into the stint's directory
 *   2. while the tree is frozen the files go into the store's stage, and a note of clocks and numbers with them
 *   3. the tree runs on, or stays stopped if it has to leave
 *   4. the images are taken; then everything is one checkpoint
 *
 * Files are put back before processes, so that what a program has written and what it believes to have written are the same.
 *
 * The note (an ad, /stint/world/state): MonotonicUs, BootUs (the world's clocks), LastPid, Root (the process that the dumped tree begins
 * with), HostName, Affinity (see affinity.h), Inputs (files of the sandbox that came from the submitter and are unchanged), Mapped (files of the machine that the tree uses, see mapped.h), Waiting, Images (where they are, if the job itself has chosen the place: see criu_own.c).
 */
#include "engine/criu_parts.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/affinity.h"
#include "engine/changes.h"
#include "engine/checkable.h"
#include "engine/criu_image.h"
#include "engine/criu_mend.h"
#include "engine/remap.h"
#include "engine/still.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Whose files are in every checkpoint, as the job sees them. */
static const char *const captured_inside[] = { "/stint", "/tmp", "/var/tmp", "/dev/shm", NULL };
static const char *const captured_outside[] = { "/stint", "/dev/shm", NULL };

/* The job keeps the name of the host that it began on, wherever it goes. */
static void note_host_name(const struct engine_site *site, struct ad *state)
{
    auto_ad struct ad *before = NULL;
    struct error ignored;
    char host[65] = "";
    const char *kept = criu_read_state(site, &before, &ignored) == 0 && before ? ad_string(before, "HostName", NULL) : NULL;
    if (!kept)
        gethostname(host, sizeof host - 1);
    ad_set_string(state, "HostName", kept ? kept : host);
}

static int note_state(const struct criu_dump_job *d, struct error *err)
{
    const struct engine_site *site = d->site;
    auto_ad struct ad *state = ad_new();
    auto_close int images = d->images ? context_open(site->context, d->images, err) : criu_open_dir(site, "images", err);
    int64_t monotonic, boot;
    pid_t last = 0;
    if (images < 0 || identity_enter(site->owner, err) < 0)
        return -1;
    int result = criu_image_last_pid(images, &last, err);
    identity_leave();
    if (result < 0)
        return -1;
    auto_command_list struct command_list inputs = { 0 };
    if (!site->outside && changes_inputs(site->work, site->dir, site->owner, &inputs, err) < 0)
        return -1;
    ad_make_list(state, "Inputs");
    for (size_t i = 0; i < inputs.count; i++)
        ad_append_string(state, "Inputs", inputs.items[i]);
    context_clocks(site->context, &monotonic, &boot);
    ad_set_int(state, "MonotonicUs", monotonic);
    ad_set_int(state, "BootUs", boot);
    ad_set_int(state, "LastPid", last);
    note_host_name(site, state);
    affinity_note(context_first(site->context), state);
    ad_set_int(state, "Root", d->root);
    mapped_print(&d->mapped, state, "Mapped");
    if (d->images)
        ad_set_string(state, "Images", d->images);
    if (site->waiting)
        ad_set_string(state, "Waiting", site->waiting);
    return criu_write_state(site, state, err);
}

int engine_has_tools(const char *tools, const struct identity *owner, struct error *err)
{
    auto_free char *program = mem_printf("%s/criu", tools ? tools : "");
    auto_free char *loader = mem_printf("%s/loader", tools ? tools : "");
    if (!tools || access(program, F_OK) < 0)
        return error_set(err, ERR_INVALID, "there is no CRIU here (stint doctor says how to get it)");
    if (identity_enter(owner, err) < 0)
        return -1;
    int result = 0;
    if (eaccess(program, X_OK) < 0 || eaccess(loader, X_OK) < 0)
        result = error_sys(err, "the job's owner cannot use CRIU in '%s'", tools);
    identity_leave();
    return result;
}

void engine_checkable_world(const struct engine_site *site, struct checkable_world *out)
{
    *out = (struct checkable_world){
        .owner = site->owner ? site->owner->uid : geteuid(),
        .own_network = ad_bool(site->job, "OwnNetwork", false),
        .ghost_bytes = GHOST_BYTES,
        .captured = site->outside ? captured_outside : captured_inside,
    };
}

/* Files elsewhere on the host that the job writes and that are its owner's: as they are in the image, they have to be found. */
static int find_outside(const struct engine_site *site, struct command_list *paths, struct error *err)
{
    struct checkable_world world;
    if (!site->outside && !ad_has(site->job, "WritablePaths"))
        return 0;
    engine_checkable_world(site, &world);
    return checkable_outside(context_first(site->context), &world, paths, NULL, err);
}

/* The tree stands still: its files are what its images believe them to be. */
int criu_take_files(void *data, const char *moment, struct error *err)
{
    struct criu_dump_job *d = data;
    const struct engine_site *site = d->site;
    auto_command_list struct command_list elsewhere = { 0 };
    struct store_tree trees[TREES_MAX];
    size_t count = 0;
    (void)moment;
    if (fault_point("engine.frozen") < 0)
        return error_sys(err, "cannot take the job's files");
    if (note_state(d, err) < 0)
        return -1;
    criu_cache_keep(site);
    auto_close int tmp = criu_open_dir(site, "tmp", err);
    auto_close int world = criu_open_dir(site, "world", err);
    auto_close int shm = context_open(site->context, "/dev/shm", err);
    if (tmp < 0 || world < 0 || shm < 0)
        return -1;
    if (!site->outside)
        trees[count++] = (struct store_tree){ "work", site->work };
    trees[count++] = (struct store_tree){ "std", site->std };
    trees[count++] = (struct store_tree){ "tmp", tmp };
    trees[count++] = (struct store_tree){ "shm", shm };
    trees[count++] = (struct store_tree){ "world", world };
    if (find_outside(site, &elsewhere, err) < 0)
        return -1;
    auto_free struct store_source *sources = mem_zero(count + elsewhere.count, sizeof *sources);
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct store_source){ .tree = trees[i].name, .name = "." };
    for (size_t i = 0; i < elsewhere.count; i++)
        sources[count + i] = (struct store_source){ .tree = "host", .name = elsewhere.items[i] + 1, .optional = true };
    auto_close int host = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t source_count = count + elsewhere.count;
    if (elsewhere.count > 0)
        trees[count++] = (struct store_tree){ "host", host };
    struct store_still still;
    bool known = still_collect(context_first(site->context), &still);
    struct store_request request = {
        .job = d->id, .owner = site->owner, .trees = trees, .tree_count = count, .sources = sources, .source_count = source_count, .hurry = site->hurry,
        .still = known ? &still : NULL,
    };
    int result = store_capture_add(d->capture, &request, err);
    still_release(&still);
    return result == 0 && fault_point("engine.taken") < 0 ? error_sys(err, "cannot take the job's files") : result;
}

/* The program's file and its libraries, for a machine that has others. */
static int take_bundle(const struct criu_dump_job *d, struct error *err)
{
    const struct engine_site *site = d->site;
    if (!ad_bool(site->job, "CheckpointBundle", false))
        return 0;
    auto_close int root = context_open(site->context, "/", err);
    if (root < 0)
        return -1;
    auto_free struct store_source *sources = mem_zero(d->mapped.count + 1, sizeof *sources);
    for (size_t i = 0; i < d->mapped.count; i++)
        sources[i] = (struct store_source){ .tree = "bundle", .name = d->mapped.files[i].path + 1, .optional = true };
    struct store_tree tree = { "bundle", root };
    struct store_request request = {
        .job = d->id, .owner = site->owner, .trees = &tree, .tree_count = 1, .sources = sources, .source_count = d->mapped.count, .hurry = true,
    };
    return store_capture_add(d->capture, &request, err);
}

static int take_images(const struct criu_dump_job *d, struct error *err)
{
    const struct engine_site *site = d->site;
    auto_close int dir = criu_open_dir(site, "images", err);
    struct criu_images images = { 0 };
    if (fault_point("engine.images") < 0)
        return error_sys(err, "cannot take the images");
    if (dir < 0 || identity_enter(site->owner, err) < 0)
        return -1;
    unlinkat(dir, criu_log_name, 0);
    unlinkat(dir, "stats-dump", 0);
    int result = criu_mend(dir, err);
    if (result == 0)
        result = criu_images_read(dir, &images, err);
    identity_leave();
    auto_free struct store_source *sources = mem_zero(images.count + 1, sizeof *sources);
    for (size_t i = 0; i < images.count; i++)
        sources[i] = (struct store_source){ .tree = "images", .name = images.files[i].name, .cuts = images.files[i].cuts,
                                            .cut_count = images.files[i].cut_count };
    struct store_tree tree = { "images", dir };
    struct store_request request = {
        .job = d->id, .owner = site->owner, .trees = &tree, .tree_count = 1, .sources = sources, .source_count = images.count, .hurry = true,
    };
    if (result == 0)
        result = store_capture_add(d->capture, &request, err);
    criu_images_release(&images);
    return result;
}

/* CRIU has measured it, and gives its answer once it has let the tree go. */
void criu_thawed(const struct criu_dump_job *d)
{
    const struct engine_site *site = d->site;
    struct error ignored;
    int64_t now = clock_boot_us(), frozen_us = now - d->begun_us;
    auto_close int images = d->images ? context_open(site->context, d->images, &ignored) : criu_open_dir(site, "images", &ignored);
    if (images >= 0 && identity_enter(site->owner, &ignored) == 0) {
        if (criu_image_frozen_us(images, &frozen_us, &ignored) < 0 || frozen_us > now - d->begun_us)
            frozen_us = now - d->begun_us; /* the job can write there: its word counts only within what can be */
        identity_leave();
    }
    site->thawed(site->data, now - frozen_us, now);
}

/* Processes and memory go into the images, by whatever way; what comes afterwards needs only those. */
static int dump(struct criu_dump_job *d, struct error *err)
{
    const struct engine_site *site = d->site;
    struct criu_options options;
    struct criu_result outcome = { 0 };
    struct criu criu;
    criu_set_options(site, &options);
    options.pid = d->root;
    options.leave_running = !site->hurry;
    options.leave_stopped = site->hurry;
    if (criu_empty_dir(site, "images", err) < 0 || criu_start(site, &criu, err) < 0)
        return -1;
    fault_point("engine.dump");
    d->begun_us = clock_boot_us();
    int result = criu_dump(criu.socket, &options, criu_take_files, d, &outcome, err);
    if (result == 0)
        criu_thawed(d);
    criu_stop(&criu, result < 0 ? err : NULL);
    if (result == 0 && fault_point("engine.thawed") < 0)
        result = error_sys(err, "cannot tell that the checkpoint is taken");
    if (outcome.died_while_frozen && site->broken)
        *site->broken = true;
    if (result < 0 && outcome.frozen_us > 0 && site->stood)
        *site->stood = (struct engine_stood){ outcome.frozen_us, clock_boot_us() };
    if (result < 0)
        return outcome.said_no ? -1 : criu_explain(site, "CRIU cannot take a checkpoint", err);
    return 0;
}

/* CRIU fails at most of what cannot be preserved; at some it does not. */
static int refuse_losses(const struct engine_site *site, struct error *err)
{
    struct checkable_world world;
    auto_free struct checkable_finding *findings = NULL;
    size_t count = 0;
    engine_checkable_world(site, &world);
    if (checkable_scan(context_first(site->context), &world, &findings, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (checkable_is_lost(findings[i].kind))
            return error_set(err, ERR_SYSTEM, "%s", findings[i].sentence);
    return 0;
}

/* What fails here fails CRIU as well, which says so in its own words. */
static int give_names(const struct engine_site *site, struct error *err)
{
    struct error reason;
    bool broken = false;
    auto_close int shm = context_open(site->context, "/dev/shm", &reason);
    if (shm < 0 || remap_unnamed(context_first(site->context), shm, site->owner, &broken, &reason) == 0 || !broken)
        return 0;
    if (site->broken)
        *site->broken = true;
    if (err)
        *err = reason;
    return -1;
}

/* Large files that nobody writes need not be read while the program stands still. */
static int take_ahead(const struct criu_dump_job *d, struct error *err)
{
    const struct engine_site *site = d->site;
    int64_t since_us = clock_wall_us();
    struct store_still still;
    struct store_tree tree = { "work", site->work };
    struct store_source source = { .tree = "work", .name = "." };
    struct store_request request = {
        .job = d->id, .owner = site->owner, .trees = &tree, .tree_count = 1, .sources = &source, .source_count = 1, .hurry = true, .still = &still,
    };
    if (site->outside || site->hurry)
        return 0;
    bool known = still_collect(context_first(site->context), &still);
    int result = known ? store_capture_ahead(d->capture, &request, since_us, err) : 0;
    still_release(&still);
    return result;
}

static int capture_running(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                           struct error *err)
{
    struct error ignored;
    struct criu_dump_job d = { .site = site, .id = id, .root = site->root > 0 ? site->root : ENGINE_ROOT };
    /* Before the tree is frozen; what it maps in the moment between is not checked at a resume. */
    int result = mapped_collect(context_first(site->context), site->outside ? captured_outside : captured_inside, site->owner, &d.mapped, err);
    if (result == 0)
        result = store_capture_begin(store, id, site->owner, &d.capture, err);
    if (result == 0)
        result = take_ahead(&d, err);
    if (result == 0)
        result = refuse_losses(site, err);
    if (result == 0)
        result = give_names(site, err);
    if (result == 0)
        result = site->asker >= 0 ? criu_dump_own(&d, err) : dump(&d, err);
    if (result == 0 && site->asker < 0)
        result = take_images(&d, err);
    if (result == 0)
        result = take_bundle(&d, err);
    mapped_release(&d.mapped);
    criu_empty_dir(site, "images", &ignored); /* before the kernel writes them to the disk, where nobody will want them */
    if (result < 0) {
        store_capture_free(d.capture);
        return -1;
    }
    *out = d.capture;
    return 0;
}

static void ask_nothing(const struct engine_site *site, struct context *context)
{
    (void)site;
    (void)context;
}

static bool taken_never(const struct engine_site *site, const struct context_exit *exit)
{
    (void)site;
    (void)exit;
    return false;
}

const struct engine engine_transparent = {
    .name = "criu", .running = true, .ask = ask_nothing, .taken = taken_never, .capture = capture_running,
};
