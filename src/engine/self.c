#include "engine/engine.h"

#include "base/mem.h"
#include "engine/changes.h"

static void ask_by_signal(const struct engine_site *site, struct context *context)
{
    context_signal(context, site->protocol->signal);
}

static bool taken_by_exit(const struct engine_site *site, const struct context_exit *exit)
{
    return !exit->lost && protocol_is_checkpoint(site->protocol, exit->code, exit->signal);
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

/* Which files of the working directory are the state: the checkpoint list, else the output list, else what changed. */
static int state_files(const struct engine_site *site, const char *first, struct command_list *names, struct error *err)
{
    if (first && ad_has(site->job, first))
        command_files(site->job, first, names);
    else
        command_files(site->job, "TransferOutput", names);
    if (names->count == 0) /* no list, or one that says that nothing is output: then the state is what changed */
        return changes_list(site->work, site->dir, site->owner, names, err);
    return 0;
}

static int capture_names(const struct engine_site *site, struct store *store, const char *id,
                         const struct command_list *names, bool optional, struct store_capture **out, struct error *err)
{
    const struct store_tree trees[] = { { "work", site->work }, { "std", site->std } };
    auto_free struct store_source *sources = mem_zero(names->count + 2, sizeof *sources);
    size_t count = 0;
    sources[count++] = (struct store_source){ .tree = "std", .name = "stdout", .optional = true };
    sources[count++] = (struct store_source){ .tree = "std", .name = "stderr", .optional = true };
    for (size_t i = 0; i < names->count; i++)
        sources[count++] = (struct store_source){ .tree = "work", .name = names->items[i], .optional = optional };
    struct store_request request = {
        .job = id, .owner = site->owner, .trees = trees, .tree_count = 2, .sources = sources, .source_count = count, .hurry = site->hurry,
    };
    return store_capture(store, &request, out, err);
}

static int capture_files(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                         struct error *err)
{
    auto_command_list struct command_list names = { 0 };
    if (state_files(site, "TransferCheckpoint", &names, err) < 0)
        return -1;
    return capture_names(site, store, id, &names, false, out, err);
}

static int capture_refused(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                           struct error *err)
{
    (void)site;
    (void)store;
    (void)id;
    (void)out;
    return error_set(err, ERR_INVALID, "the job declares no checkpoint protocol");
}

const struct engine engine_self = {
    .name = "self", .ask = ask_by_signal, .taken = taken_by_exit, .capture = capture_files,
};
const struct engine engine_none = {
    .name = "none", .ask = ask_nothing, .taken = taken_never, .capture = capture_refused,
};

int engine_salvage(const struct engine_site *site, struct store *store, const char *id, struct store_capture **out,
                   struct error *err)
{
    auto_command_list struct command_list names = { 0 };
    if (state_files(site, NULL, &names, err) < 0)
        return -1;
    return capture_names(site, store, id, &names, true, out, err);
}
