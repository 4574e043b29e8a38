#include "cli/submit.h"

#include "base/mem.h"
#include "job/command.h"

#include <string.h>

enum { ENVIRONMENT_MAX = AD_TEXT_MAX - 1024 };

/* `ad` is the cluster's, or a proc's differences from `common`. A program that is not transferred is looked for where the job
 * runs, under the name as it is. */
static void fill_executable(struct ad *ad, const struct ad *common, const char *cwd)
{
    const struct ad *transfer = ad_has(ad, "TransferExecutable") || !common ? ad : common;
    const char *program = ad_string(ad_has(ad, "Cmd") || !common ? ad : common, "Cmd", "");
    if (common && !ad_has(ad, "TransferExecutable") && !ad_has(ad, "Cmd"))
        return;
    bool whole = program[0] == '/' || program[0] == '\0' || !ad_bool(transfer, "TransferExecutable", true);
    auto_free char *path = whole ? mem_dup(program) : mem_printf("%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, program);
    if (*path)
        ad_set_string(ad, "Cmd", path);
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len + 1) == 0;
}

/* The surroundings' variables, but where the job has one of that name, then the job's. */
static int merge(const struct ad *job, char *const *environment, struct buf *out, struct error *err)
{
    auto_command_list struct command_list own = { 0 }, all = { 0 };
    if (command_environment(job, &own, err) < 0)
        return -1;
    for (size_t i = 0; environment[i]; i++) {
        const char *equals = strchr(environment[i], '=');
        bool replaced = !equals || !submit_getenv_wants(job, environment[i], (size_t)(equals - environment[i]));
        for (size_t k = 0; k < own.count && !replaced; k++)
            replaced = same_name(environment[i], own.items[k]);
        if (!replaced)
            command_list_add(&all, environment[i]);
    }
    for (size_t i = 0; i < own.count; i++)
        command_list_add(&all, own.items[i]);
    out->max = ENVIRONMENT_MAX;
    command_join(&all, out);
    if (out->full)
        return error_set(err, ERR_LIMIT, "getenv: the environment is longer than %d bytes; name the variables in 'environment'",
                         ENVIRONMENT_MAX);
    return 0;
}

static const char *const names[] = { "GetEnvironment", "Environment", "Env" };
enum { NAMES = sizeof names / sizeof names[0] };

static bool takes_some(const struct ad *ad)
{
    return ad_bool(ad, "GetEnvironment", false) || ad_string(ad, "GetEnvironment", NULL);
}

static int fill_environment(struct ad *ad, const struct ad *common, char *const *environment, struct error *err)
{
    auto_ad struct ad *effective = ad_new();
    auto_buf struct buf text = { 0 };
    bool own = false;
    for (size_t i = 0; i < NAMES; i++) {
        own = own || ad_has(ad, names[i]);
        ad_copy_attribute(effective, names[i], ad_has(ad, names[i]) || !common ? ad : common, names[i]);
    }
    if (!own)
        return 0;
    if (takes_some(effective)) {
        if (merge(effective, environment, &text, err) < 0)
            return -1;
        ad_set_string(ad, "Environment", buf_cstr(&text));
        return 0;
    }
    /* This job does not want what the others get: it must not inherit the common ad's, which is about to be filled. */
    if (common && takes_some(common) && !ad_copy_attribute(ad, "Environment", effective, "Environment"))
        return ad_set_expr(ad, "Environment", "undefined", err);
    return 0;
}

int submit_fill(struct submit *submit, const char *cwd, char *const *environment, struct error *err)
{
    for (size_t i = 0; i < submit->proc_count; i++) {
        struct ad *proc = submit->procs ? submit->procs[i] : NULL;
        if (!proc)
            continue;
        fill_executable(proc, submit->cluster, cwd);
        if (fill_environment(proc, submit->cluster, environment, err) < 0)
            return -1;
    }
    fill_executable(submit->cluster, NULL, cwd);
    return fill_environment(submit->cluster, NULL, environment, err);
}
