/*
 * Back from a checkpoint: first the files, into the directories of a new stint, then the processes, by CRIU in a new world. What the
 * processes need of the machine (processor, libraries) is looked at before anything is tried.
 */
#include "engine/criu_parts.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/affinity.h"
#include "engine/changes.h"
#include "engine/cpu.h"
#include "engine/criu_birth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PID_LIMIT = 4 << 20 };

static const char tools_place[] = "/stint/engine";

bool engine_has_processes(const struct manifest *manifest)
{
    return strcmp(manifest->engine, engine_transparent.name) == 0;
}

/* What came from the submitter and is unchanged is no output, in this sandbox as in the one before. */
static int record_inputs(const struct engine_site *site, struct error *err)
{
    auto_ad struct ad *state = NULL;
    auto_command_list struct command_list inputs = { 0 };
    if (criu_read_state(site, &state, err) < 0)
        return -1;
    for (size_t i = 0; state && i < ad_list_count(state, "Inputs"); i++)
        command_list_add(&inputs, ad_list_string(state, "Inputs", i));
    return site->outside ? 0 : changes_record_inputs(site->work, site->dir, site->owner, &inputs, err);
}

static int find_differences(const struct engine_site *site, const struct ad *state, struct mapped_list *differ, struct error *err)
{
    auto_mapped struct mapped_list mapped = { 0 };
    if (mapped_parse(state, "Mapped", &mapped, err) < 0 || identity_enter(site->owner, err) < 0)
        return -1;
    auto_close int root = open(site->root_path ? site->root_path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = root < 0 ? error_sys(err, "cannot open the job's root") : mapped_compare(&mapped, root, differ, err);
    identity_leave();
    return result;
}

int engine_replacements(const struct engine_site *site, const struct ad *state, struct command_list *paths, struct error *err)
{
    auto_mapped struct mapped_list differ = { 0 };
    if (find_differences(site, state, &differ, err) < 0)
        return -1;
    auto_close int bundle = differ.count > 0 ? criu_open_dir(site, "bundle", err) : -1;
    if (differ.count > 0 && bundle < 0)
        return -1;
    for (size_t i = 0; i < differ.count; i++) {
        if (faccessat(bundle, differ.files[i].path + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
            error_set(err, ERR_INVALID, "it %s; run it where the files are the same, or give the job checkpoint_bundle = true the next time",
                      differ.files[i].why);
            err->sys = EOPNOTSUPP;
            return -1;
        }
        command_list_add(paths, differ.files[i].path);
    }
    return 0;
}

static int restore_bundle(const struct engine_site *site, struct store *store, const struct manifest *manifest, struct error *err)
{
    static const char *const others[] = { "work", "std", "tmp", "shm", "world", "images", "host" };
    struct store_tree trees[TREES_MAX];
    auto_mapped struct mapped_list differ = { 0 };
    auto_ad struct ad *state = NULL;
    if (criu_read_state(site, &state, err) < 0 || !state || find_differences(site, state, &differ, err) < 0)
        return state ? -1 : error_set(err, ERR_CORRUPT, "the checkpoint has no state of the job's world");
    if (differ.count == 0)
        return 0;
    auto_close int bundle = criu_open_dir(site, "bundle", err);
    for (size_t i = 0; i < 7; i++)
        trees[i] = (struct store_tree){ others[i], STORE_LEFT_OUT };
    trees[7] = (struct store_tree){ "bundle", bundle };
    return bundle < 0 ? -1 : store_extract(store, site->owner, manifest, trees, 8, NULL, err);
}

int engine_fits(const struct manifest *manifest, struct error *err)
{
    auto_buf struct buf names = { 0 };
    int result = engine_has_processes(manifest) ? cpu_missing(manifest->cpu, &names) : 0;
    if (result == 0)
        return 0;
    if (result == CPU_MISSING)
        error_set(err, ERR_INVALID, "checkpoint %d uses what this processor lacks: %s; run the job where it is there", manifest->generation, buf_cstr(&names));
    else
        error_set(err, ERR_INVALID, "checkpoint %d cannot be resumed here: %s", manifest->generation, buf_cstr(&names));
    err->sys = EOPNOTSUPP;
    return -1;
}

/* ---- files elsewhere on the machine ---- */

bool engine_leaves_host(const struct engine_site *site, const struct manifest *manifest)
{
    bool others = manifest->generation == 1 && (ad_has(site->job, "ClonedFrom") || ad_has(site->job, "ImportedFrom"));
    for (size_t i = 0; others && i < manifest->entry_count; i++)
        if (strncmp(manifest->entries[i].name, "host/", 5) == 0)
            return true;
    return false;
}

static bool is_within(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0' || (len > 0 && dir[len - 1] == '/'));
}

/* Below a directory that the job may write, or a directory on the way there. */
static bool may_put_back(const struct store_entry *entry, const struct command_list *dirs)
{
    const char *path = entry->name + 4;
    for (size_t i = 0; i < dirs->count; i++)
        if (is_within(path, dirs->items[i]) || (entry->type == STORE_DIR && is_within(dirs->items[i], path)))
            return true;
    return false;
}

static int list_writable(const struct engine_site *site, struct command_list *dirs, struct error *err)
{
    auto_command_list struct command_list names = { 0 };
    command_files(site->job, "WritablePaths", &names);
    if (identity_enter(site->owner, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        auto_free char *real = realpath(names.items[i], NULL);
        if (real)
            command_list_add(dirs, real);
    }
    identity_leave();
    return 0;
}

/* What is put back must be what the job may write now, whatever it was allowed when the checkpoint was taken. The directory "host" is put
 * back to, or STORE_LEFT_OUT; -1 with err. */
static int open_host(const struct engine_site *site, const struct manifest *manifest, struct error *err)
{
    auto_command_list struct command_list dirs = { 0 };
    bool some = site->outside || ad_has(site->job, "WritablePaths");
    if (site->trial || !some || engine_leaves_host(site, manifest))
        return STORE_LEFT_OUT;
    if (!site->outside && list_writable(site, &dirs, err) < 0)
        return -1;
    for (size_t i = 0; !site->outside && i < manifest->entry_count; i++) {
        const struct store_entry *entry = &manifest->entries[i];
        if (strncmp(entry->name, "host/", 5) != 0 || may_put_back(entry, &dirs))
            continue;
        error_set(err, ERR_INVALID, "checkpoint %d has '%s', which is not below the job's writable_paths", manifest->generation, entry->name + 4);
        err->sys = EOPNOTSUPP;
        return -1;
    }
    int host = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return host < 0 ? error_sys(err, "cannot open the machine's files") : host;
}

static int restore_all(const struct engine_site *site, struct store *store, const struct manifest *manifest, struct error *err)
{
    static const char *const names[] = { "tmp", "shm", "world", "images" };
    struct store_tree trees[TREES_MAX] = { { "work", site->work }, { "std", site->std } };
    auto_close int host = open_host(site, manifest, err);
    int fds[4] = { -1, -1, -1, -1 };
    int result = host == -1 ? -1 : 0;
    trees[6] = (struct store_tree){ "host", host, .keeps = true };
    trees[7] = (struct store_tree){ "bundle", STORE_LEFT_OUT }; /* only if it is needed */
    for (size_t i = 0; i < 4 && result == 0; i++) {
        result = criu_empty_dir(site, names[i], err);
        fds[i] = result < 0 ? -1 : criu_open_dir(site, names[i], err);
        trees[2 + i] = (struct store_tree){ names[i], fds[i] };
        if (fds[i] < 0)
            result = -1;
    }
    if (result == 0)
        result = store_extract(store, site->owner, manifest, trees, 8, NULL, err);
    for (size_t i = 0; i < 4; i++)
        file_close(&fds[i]);
    if (result == 0)
        result = restore_bundle(site, store, manifest, err);
    return result == 0 ? record_inputs(site, err) : result;
}

int engine_restore(const struct engine_site *site, struct store *store, const struct manifest *manifest, struct error *err)
{
    const struct store_tree trees[] = { { "work", site->work }, { "std", site->std } };
    if (engine_has_processes(manifest))
        return restore_all(site, store, manifest, err);
    return store_extract(store, site->owner, manifest, trees, 2, NULL, err);
}

int engine_world(const struct engine_site *site, const char *tools, struct context_world *world, struct context_bind *bind,
                 struct ad **state, struct error *err)
{
    *state = NULL;
    world->monotonic_us = world->boot_us = -1;
    if (tools) {
        *bind = (struct context_bind){ .from = tools, .to = tools_place };
        world->binds = bind;
        world->bind_count = 1;
    }
    if (criu_read_state(site, state, err) < 0)
        return -1;
    if (*state) {
        world->monotonic_us = ad_int(*state, "MonotonicUs", -1);
        world->boot_us = ad_int(*state, "BootUs", -1);
        world->host_name = ad_string(*state, "HostName", NULL);
    }
    return 0;
}

int engine_last_pid(const struct ad *state)
{
    return (int)ad_int(state, "LastPid", ENGINE_ROOT + 1);
}

const char *engine_waiting(const struct ad *state)
{
    return ad_string(state, "Waiting", NULL);
}

struct resume {
    pid_t criu, attendant;
    const struct ad *state;
};

static int resuming(void *data, const char *moment, struct error *err)
{
    char point[64];
    struct resume *r = data;
    snprintf(point, sizeof point, "engine.%.40s", moment);
    if (fault_point(point) < 0)
        return error_sys(err, "cannot resume it");
    if (strcmp(moment, "pre-restore") == 0)
        return criu_birth_attend(r->criu, engine_root_pid(r->state), &r->attendant, err);
    if (strcmp(moment, "post-restore") == 0)
        affinity_give(r->criu, r->state);
    return 0;
}

int engine_root_pid(const struct ad *state)
{
    int64_t root = ad_int(state, "Root", ENGINE_ROOT); /* the job could write there */
    return root >= ENGINE_ROOT && root <= PID_LIMIT ? (int)root : ENGINE_ROOT;
}

int engine_resume(const struct engine_site *site, const struct ad *state, struct error *err)
{
    struct criu_options options;
    struct criu_result outcome = { 0 };
    struct criu criu;
    struct error ignored;
    criu_set_options(site, &options);
    options.leave_stopped = site->trial;
    options.images = ad_string(state, "Images", criu_images_place);
    fault_point("engine.resume");
    criu_cache_give(site);
    if (criu_start(site, &criu, err) < 0) {
        err->kind = ERR_LIMIT;
        return -1;
    }
    struct resume resume = { .criu = criu.pid, .state = state };
    int result = criu_restore(criu.socket, &options, resuming, &resume, &outcome, err);
    criu_stop(&criu, result < 0 ? err : NULL);
    int birth = criu_birth_end(resume.attendant, result < 0 ? &ignored : err);
    if (result < 0)
        return outcome.said_no ? -1 : criu_explain(site, "CRIU cannot resume it", err);
    if (birth < 0)
        return -1;
    fault_point("engine.resumed");
    criu_empty_dir(site, "images", &ignored);
    criu_empty_dir(site, "shm", &ignored);
    return 0;
}
