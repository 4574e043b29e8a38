#include "cli/select.h"

#include "base/identity.h"
#include "base/json_walk.h"
#include "base/mem.h"
#include "job/id.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_id(const char *text, struct error *err)
{
    struct job_id id;
    if (job_id_parse(text, &id))
        return 0;
    return cli_usage_error(err, "'%s' is not a job's ID: write 7.0 for a job, 7 for all jobs of a cluster", text);
}

int select_check_constraint(const struct cli_call *call, struct error *err)
{
    struct ad_expr *expr = NULL;
    struct error why;
    const char *text = cli_value(call, "constraint");
    if (text && ad_expr_parse(text, &expr, &why) < 0)
        return cli_usage_error(err, "the constraint '%s' is no expression: %s", text, why.text);
    ad_expr_free(expr);
    return 0;
}

int select_check(const struct cli_call *call, struct error *err)
{
    for (size_t i = 0; i < call->operand_count; i++) {
        int r = check_id(call->operands[i], err);
        if (r < 0)
            return r;
    }
    return select_check_constraint(call, err);
}

int select_query(const struct cli_call *call, const struct api *api, struct buf *target, struct error *err)
{
    int r = select_check(call, err);
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
    int r = select_check(call, err);
    if (r < 0)
        return r;
    ad_make_list(body, "Jobs");
    for (size_t i = 0; i < call->operand_count; i++)
        ad_append_string(body, "Jobs", call->operands[i]);
    if (constraint || all)
        ad_set_string(body, "Constraint", all ? "true" : cli_value(call, "constraint"));
    return 0;
}

/* ---- jobs one after the other ---- */

void select_add(struct select_jobs *jobs, struct job_id id)
{
    jobs->ids = mem_grow(jobs->ids, &jobs->capacity, jobs->count + 1, sizeof *jobs->ids);
    jobs->ids[jobs->count++] = id;
}

void select_release(struct select_jobs *jobs)
{
    free(jobs->ids);
    *jobs = (struct select_jobs){ 0 };
}

static int compare_ids(const void *one, const void *two)
{
    const struct job_id *a = one, *b = two;
    int cluster = (a->cluster > b->cluster) - (a->cluster < b->cluster);
    return cluster ? cluster : (a->proc > b->proc) - (a->proc < b->proc);
}

static int add_found(struct api *api, const char *constraint, bool past, struct select_jobs *jobs, struct error *err)
{
    auto_buf struct buf target = { 0 };
    auto_api_answer struct api_answer answer = { 0 };
    struct json_slice item;
    buf_text(&target, past ? "/v1/jobs?history=1" : "/v1/jobs");
    http_add_query(&target, "constraint", constraint);
    http_add_query(&target, "attributes", "ClusterId,ProcId");
    if (api_get(api, buf_cstr(&target), &answer, err) < 0)
        return -1;
    struct json_walk walk = json_walk_into(json_member((struct json_slice){ answer.http.body, answer.http.body_len }, "Jobs"));
    while (json_next_item(&walk, &item))
        select_add(jobs, (struct job_id){ .cluster = (int)json_int(json_member(item, "ClusterId"), 0),
                                          .proc = (int)json_int(json_member(item, "ProcId"), 0) });
    return walk.failed ? error_set(err, ERR_INVALID, "the pool's answer makes no sense") : 0;
}

int select_constrained(const struct cli_call *call, struct api *api, bool past, struct select_jobs *jobs, struct error *err)
{
    const char *constraint = cli_value(call, "constraint");
    size_t before = jobs->count;
    if (!constraint)
        return 0;
    if (add_found(api, constraint, false, jobs, err) < 0 || (past && add_found(api, constraint, true, jobs, err) < 0))
        return -1;
    if (jobs->count == before)
        return error_set(err, ERR_INVALID, "no job matches '%s'", constraint);
    qsort(jobs->ids + before, jobs->count - before, sizeof *jobs->ids, compare_ids);
    return 0;
}

int select_one(const struct cli_call *call, struct api *api, struct job_id *id, struct error *err)
{
    auto_select_jobs struct select_jobs jobs = { 0 };
    if (select_constrained(call, api, true, &jobs, err) < 0)
        return -1;
    if (jobs.count > 1)
        return error_set(err, ERR_INVALID, "%zu jobs match '%s', of which %d.%d is one; only one can be meant here", jobs.count,
                         cli_value(call, "constraint"), jobs.ids[0].cluster, jobs.ids[0].proc);
    if (jobs.count == 1)
        *id = jobs.ids[0];
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
