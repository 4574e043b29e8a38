#include "cli/select.h"

#include "base/identity.h"
#include "base/mem.h"
#include "job/id.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static int check_id(const char *text, struct error *err)
{
    struct job_id id;
    if (job_id_parse(text, &id))
        return 0;
    return cli_usage_error(err, "'%s' is not a job's ID: write 7.0 for a job, 7 for all jobs of a cluster", text);
}

int select_check_ids(const struct cli_call *call, struct error *err)
{
    for (size_t i = 0; i < call->operand_count; i++) {
        int r = check_id(call->operands[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int select_query(const struct cli_call *call, const struct api *api, struct buf *target, struct error *err)
{
    int r = select_check_ids(call, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < call->operand_count; i++)
        http_add_query(target, "id", call->operands[i]);
    if (cli_given(call, "constraint"))
        http_add_query(target, "constraint", cli_value(call, "constraint"));
    if (cli_given(call, "owner")) {
        http_add_query(target, "owner", cli_value(call, "owner"));
    } else if (api_machine_wide(api) && geteuid() != 0 && !cli_given(call, "all") && call->operand_count == 0) {
        struct identity me;
        if (identity_of(geteuid(), &me, err) < 0)
            return -1;
        http_add_query(target, "owner", me.name);
    }
    return 0;
}

int select_action(const struct cli_call *call, struct ad *body, struct error *err)
{
    bool constraint = cli_given(call, "constraint"), all = cli_given(call, "all");
    if ((call->operand_count > 0) + constraint + all != 1)
        return cli_usage_error(err, "which jobs? Give IDs, or -c EXPR, or --all");
    int r = select_check_ids(call, err);
    if (r < 0)
        return r;
    ad_make_list(body, "Jobs");
    for (size_t i = 0; i < call->operand_count; i++)
        ad_append_string(body, "Jobs", call->operands[i]);
    if (constraint || all)
        ad_set_string(body, "Constraint", all ? "true" : cli_value(call, "constraint"));
    return 0;
}

int select_attributes(const char *names, struct buf *target, struct error *err)
{
    auto_free char *copy = mem_dup(names);
    char *rest = copy;
    size_t count = 0;
    for (char *name; (name = strsep(&rest, ", "));) {
        if (!*name)
            continue;
        if (!ad_name_valid(name))
            return cli_usage_error(err, "'%s' is not the name of an attribute", name);
        count++;
    }
    if (count == 0)
        return cli_usage_error(err, "name at least one attribute, for example --af ClusterId,ProcId,Cmd");
    http_add_query(target, "attributes", names);
    return 0;
}

int select_only_job(struct api *api, struct job_id *id, struct error *err)
{
    for (int history = 0; history < 2; history++) {
        auto_free char *target = mem_printf("/v1/jobs?id=%d&attributes=ClusterId,ProcId&limit=2%s", id->cluster,
                                            history ? "&history=1" : "");
        auto_ad struct ad *jobs = NULL;
        if (api_get_ad(api, target, &jobs, err) < 0)
            return -1;
        size_t count = ad_list_count(jobs, "Jobs");
        if (count > 1)
            return error_set(err, ERR_INVALID, "cluster %d has several jobs: name one, such as %d.%" PRId64, id->cluster,
                             id->cluster, ad_int(ad_list_ad(jobs, "Jobs", 0), "ProcId", 0));
        if (count == 1) {
            id->proc = (int)ad_int(ad_list_ad(jobs, "Jobs", 0), "ProcId", 0);
            return 0;
        }
    }
    return error_set(err, ERR_INVALID, "no job of cluster %d, neither in the queue nor in the history", id->cluster);
}
