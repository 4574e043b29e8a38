/* stint edit: NAME=VALUE becomes attributes; names of the submit language are understood where they have units. */
#include "cli/edit.h"

#include "base/mem.h"
#include "base/units.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/words.h"
#include "job/id.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum form {
    FORM_EXPR,
    FORM_SIZE,      /* a size without unit means `unit` bytes, and the attribute counts them */
    FORM_DURATION,  /* the attribute is in microseconds; "auto": it is none of the job's own */
    FORM_TEXT,      /* as it stands, or in double quotes */
    FORM_ARGUMENTS, /* in either syntax of the submit language */
};

static const struct {
    const char *command;
    const char *attribute;
    enum form form;
    int64_t unit;
} names[] = {
    { "priority", "JobPrio", FORM_EXPR, 0 },
    { "request_cpus", "RequestCpus", FORM_EXPR, 0 },
    { "request_memory", "RequestMemory", FORM_SIZE, 1 << 20 },
    { "request_disk", "RequestDisk", FORM_SIZE, 1 << 10 },
    { "max_retries", "JobMaxRetries", FORM_EXPR, 0 },
    { "checkpoint_interval", "CheckpointIntervalUs", FORM_DURATION, 0 },
    { "checkpoint_method", "CheckpointMethod", FORM_TEXT, 0 },
    { "checkpoint_bundle", "CheckpointBundle", FORM_EXPR, 0 },
    { "checkpoint_trial", "CheckpointTrial", FORM_EXPR, 0 },
    { "own_network", "OwnNetwork", FORM_EXPR, 0 },
    { "writable_paths", "WritablePaths", FORM_TEXT, 0 },
    { "keep_checkpoints", "KeepCheckpoints", FORM_EXPR, 0 },
    { "initialdir", "Iwd", FORM_TEXT, 0 },
    { "input", "In", FORM_TEXT, 0 },
    { "output", "Out", FORM_TEXT, 0 },
    { "error", "Err", FORM_TEXT, 0 },
    { "log", "UserLog", FORM_TEXT, 0 },
    { "arguments", "Arguments", FORM_ARGUMENTS, 0 },
    { "transfer_input_files", "TransferInput", FORM_TEXT, 0 },
    { "transfer_output_files", "TransferOutput", FORM_TEXT, 0 },
    { "transfer_output_remaps", "TransferOutputRemaps", FORM_TEXT, 0 },
    { "output_destination", "OutputDestination", FORM_TEXT, 0 },
    { "batch_name", "JobBatchName", FORM_TEXT, 0 },
    { "description", "JobDescription", FORM_TEXT, 0 },
};

static int set_value(struct ad *set, const char *name, const char *value, struct error *err)
{
    struct error why;
    if (ad_set_expr(set, name, value, &why) < 0)
        return cli_usage_error(err, "the value of '%s' is no expression (a text goes in double quotes): %s", name, why.text);
    return 0;
}

/* In double quotes it is the new syntax, where "" is one double quote; else the old one, where \" is. Of the two attributes
 * one counts. */
static int set_arguments(struct ad *set, const char *value, struct error *err)
{
    auto_buf struct buf text = { 0 };
    size_t len = strlen(value);
    bool is_new = len >= 2 && value[0] == '"' && value[len - 1] == '"';
    for (const char *p = value + is_new; p < value + len - is_new; p++) {
        if (p[1] == '"' && *p == (is_new ? '"' : '\\'))
            p++;
        buf_char(&text, *p);
    }
    ad_set_string(set, is_new ? "Arguments" : "Args", buf_cstr(&text));
    return set_value(set, is_new ? "Args" : "Arguments", "undefined", err);
}

static int set_command(struct ad *set, size_t i, const char *value, struct error *err)
{
    const char *attribute = names[i].attribute;
    int64_t number, unit = names[i].unit;
    switch (names[i].form) {
    case FORM_SIZE:
        if (!units_parse_bytes(value, unit, &number))
            break;
        ad_set_int(set, attribute, (number + unit - 1) / unit);
        return 0;
    case FORM_DURATION:
        if (strcasecmp(value, "auto") == 0)
            return set_value(set, attribute, "undefined", err);
        if (!units_parse_duration(value, &number))
            break;
        ad_set_int(set, attribute, number);
        return 0;
    case FORM_TEXT:
        if (value[0] == '"')
            break;
        ad_set_string(set, attribute, value);
        return 0;
    case FORM_ARGUMENTS:
        return set_arguments(set, value, err);
    case FORM_EXPR:
        break;
    }
    return set_value(set, attribute, value, err);
}

int edit_parse(const char *text, struct ad *set, struct error *err)
{
    size_t len = strcspn(text, "=");
    if (text[len] != '=' || len == 0 || text[len + 1] == '\0')
        return cli_usage_error(err, "'%s' is not of the form NAME=VALUE", text);
    auto_free char *name = mem_dup_n(text, len);
    const char *value = text + len + 1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(names[i].command, name) == 0)
            return set_command(set, i, value, err);
    if (!ad_name_valid(name))
        return cli_usage_error(err, "'%s' is not the name of an attribute", name);
    return set_value(set, name, value, err);
}

int edit_make_absolute(struct ad *set, struct error *err)
{
    const char *dir = ad_string(set, "Iwd", NULL);
    char cwd[PATH_MAX];
    if (!dir || dir[0] == '/')
        return 0;
    if (!getcwd(cwd, sizeof cwd))
        return error_sys(err, "cannot find the current directory");
    auto_free char *path = strcmp(dir, ".") == 0 ? mem_dup(cwd) : mem_printf("%s/%s", cwd, dir);
    ad_set_string(set, "Iwd", path);
    return 0;
}

static int edit_job(struct api *api, struct job_id id, const struct ad *body, struct api_answer *answer, struct error *err)
{
    char text[JOB_ID_TEXT_MAX];
    auto_free char *target = mem_printf("/v1/jobs/%s/edit", job_id_print(id, text));
    if (api_post(api, target, body, answer, err) == 0)
        return 0;
    return strstr(err->text, text) ? -1 : error_wrap(err, "%s", text); /* the pool may have named it */
}

/* A cluster's jobs one by one: those that cannot be edited are said, the others are edited. */
static int edit_cluster(struct api *api, struct job_id id, const struct ad *body, int64_t *edited, int64_t *refused,
                        struct error *err)
{
    auto_free char *target = mem_printf("/v1/jobs?id=%d&attributes=ClusterId,ProcId", id.cluster);
    auto_ad struct ad *jobs = NULL;
    if (api_get_ad(api, target, &jobs, err) < 0)
        return -1;
    size_t count = ad_list_count(jobs, "Jobs");
    if (count == 0)
        return error_set(err, ERR_INVALID, "%d: no job of that cluster is in the queue", id.cluster);
    for (size_t i = 0; i < count; i++) {
        auto_api_answer struct api_answer answer = { 0 };
        struct error why;
        struct job_id one = { .cluster = id.cluster, .proc = (int)ad_int(ad_list_ad(jobs, "Jobs", i), "ProcId", 0) };
        if (edit_job(api, one, body, &answer, &why) == 0) {
            ++*edited;
            continue;
        }
        ++*refused;
        fprintf(stderr, "stint: %s\n", why.text);
    }
    return 0;
}

/* Those that the constraint means, one by one, as of a cluster. */
static int edit_constrained(const struct cli_call *call, struct api *api, const struct ad *body, int64_t *edited, int64_t *refused,
                            struct error *err)
{
    auto_select_jobs struct select_jobs jobs = { 0 };
    if (select_constrained(call, api, false, &jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < jobs.count; i++) {
        auto_api_answer struct api_answer answer = { 0 };
        struct error why;
        if (edit_job(api, jobs.ids[i], body, &answer, &why) == 0) {
            ++*edited;
            continue;
        }
        ++*refused;
        fprintf(stderr, "stint: %s\n", why.text);
    }
    return 0;
}

static int parse_line(const struct cli_call *call, struct ad *set, size_t *ids, struct error *err)
{
    for (size_t i = 0; i < call->operand_count; i++) {
        struct job_id id;
        bool is_id = !strchr(call->operands[i], '=');
        if (is_id && (!job_id_parse(call->operands[i], &id) || i != *ids))
            return cli_usage_error(err, "'%s' is neither a job's ID nor of the form NAME=VALUE", call->operands[i]);
        *ids += is_id;
        int r = is_id ? 0 : edit_parse(call->operands[i], set, err);
        if (r < 0)
            return r;
    }
    if (*ids == 0 && !cli_given(call, "constraint"))
        return cli_usage_error(err, "which job? The IDs come first");
    return *ids < call->operand_count ? 0 : cli_usage_error(err, "what to change? Give NAME=VALUE");
}

int run_edit(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_ad struct ad *body = ad_new();
    struct ad *set = ad_new();
    size_t ids = 0;
    int64_t edited = 0, refused = 0;
    int r = select_check_constraint(call, err);
    if (r == 0)
        r = parse_line(call, set, &ids, err);
    if (r == 0)
        r = edit_make_absolute(set, err);
    ad_set_ad(body, "Set", set);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    for (size_t i = 0; i < ids; i++) {
        auto_api_answer struct api_answer answer = { 0 };
        struct job_id id;
        job_id_parse(call->operands[i], &id);
        bool cluster = id.proc == JOB_ALL_PROCS;
        r = cluster ? edit_cluster(api, id, body, &edited, &refused, err) : edit_job(api, id, body, &answer, err);
        if (r < 0)
            return -1;
        edited += !cluster;
    }
    if (edit_constrained(call, api, body, &edited, &refused, err) < 0)
        return -1;
    if (cli_given(call, "json"))
        printf("{\"Edited\":%" PRId64 "}\n", edited);
    else
        printf("%" PRId64 " job%s edited\n", edited, edited == 1 ? "" : "s");
    return refused > 0 ? CLI_FAILURE : CLI_OK;
}
