/* stint rewind and stint clone: going on from an older checkpoint, in the same job or in a new one. */
#include "cli/ckpt.h"
#include "cli/edit.h"
#include "cli/run.h"
#include "cli/select.h"

#include "base/mem.h"
#include "job/id.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Which job, and which of its checkpoints: "7.0@3", or "7.0" and an option; 0 = not said. "7" is the only job of its cluster. */
struct origin {
    struct job_id id;
    char name[JOB_ID_TEXT_MAX];
    int64_t generation;
};

static int read_number(const struct cli_call *call, const char *option, const char *after, int64_t *number, struct error *err)
{
    int r = cli_number(call, option, 0, number, err);
    if (r < 0)
        return r;
    if (after && cli_given(call, option))
        return cli_usage_error(err, "'%s' says which checkpoint, and so does '--%s'", call->operands[0], option);
    if (after)
        *number = strtoll(after + 1, NULL, 10);
    if ((after || cli_given(call, option)) && (*number < 1 || *number > INT_MAX))
        return cli_usage_error(err, "'%s' is not the number of a checkpoint", after ? after + 1 : cli_value(call, option));
    return 0;
}

static int read_origin(const struct cli_call *call, const char *option, struct origin *origin, struct error *err)
{
    const char *text = call->operands[0], *at = strchr(text, '@');
    auto_free char *job = mem_dup_n(text, at ? (size_t)(at - text) : strlen(text));
    int r = read_number(call, option, at, &origin->generation, err);
    if (r < 0)
        return r;
    if (!job_id_parse(job, &origin->id) || (at && at[1 + strspn(at + 1, "0123456789")]))
        return cli_usage_error(err, "'%s' is not a job's ID: write 7.0, or 7.0@3 for its third checkpoint", text);
    return 0;
}

static int find_job(struct origin *origin, struct error *err)
{
    auto_api struct api *api = NULL;
    struct job_id *id = &origin->id;
    if (id->proc == JOB_ALL_PROCS && (api_open(API_START_IF_WANTED, &api, err) < 0 || select_only_job(api, id, err) < 0))
        return -1;
    job_id_print(*id, origin->name);
    return 0;
}

/* ---- rewind ---- */

int run_rewind(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = ad_new(), *result = NULL;
    auto_buf struct buf text = { 0 };
    struct origin origin;
    int r = read_origin(call, "to", &origin, err);
    if (r < 0)
        return r;
    if (origin.generation == 0)
        return cli_usage_error(err, "to which checkpoint? Give '--to N'; see: stint ckpt ls %s", call->operands[0]);
    if (find_job(&origin, err) < 0)
        return -1;
    auto_free char *target = mem_printf("/v1/jobs/%s/rewind", origin.name);
    ad_set_int(body, "To", origin.generation);
    struct ckpt_question question = { .target = target, .body = body, .doing = "verifying" };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    buf_printf(&text, "%s goes on from checkpoint %" PRId64 ", which is checkpoint %" PRId64 " from now on\n", origin.name,
               origin.generation, ad_int(result, "Generation", 0));
    if (!cli_given(call, "json"))
        words_print(&text);
    return CLI_OK;
}

/* ---- clone ---- */

static int read_changes(const struct cli_call *call, struct ad *body, struct error *err)
{
    struct ad *set = ad_new();
    int r = 0;
    for (size_t i = 1; r == 0 && i < call->operand_count; i++) {
        const char *text = call->operands[i];
        if (strncasecmp(text, "hold=", 5) == 0 && (strcasecmp(text + 5, "true") == 0 || strcasecmp(text + 5, "false") == 0))
            ad_set_bool(body, "Hold", strcasecmp(text + 5, "true") == 0);
        else
            r = edit_parse(text, set, err);
    }
    if (r == 0)
        r = edit_make_absolute(set, err);
    ad_set_ad(body, "Set", set);
    return r;
}

static void say_clone(const struct ad *result, bool held, struct buf *out)
{
    auto_buf struct buf id = { 0 };
    words_safe(&id, ad_string(result, "Id", "?"));
    buf_printf(out, "job %s goes on from ", buf_cstr(&id));
    words_safe(out, ad_string(result, "From", "?"));
    buf_char(out, '\n');
    for (size_t i = 0; i < ad_list_count(result, "Notes"); i++) {
        const char *note = ad_list_string(result, "Notes", i);
        words_safe(out, note ? note : "");
        buf_char(out, '\n');
    }
    buf_printf(out, held ? "It is held; let it run with: stint release %s\n" : "Follow it with: stint log -f %s\n", buf_cstr(&id));
}

int run_clone(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = ad_new(), *result = NULL;
    auto_buf struct buf text = { 0 };
    struct origin origin;
    int r = read_origin(call, "at", &origin, err);
    if (r == 0)
        r = read_changes(call, body, err);
    if (r == 0)
        r = find_job(&origin, err);
    if (r < 0)
        return r;
    auto_free char *target = mem_printf("/v1/jobs/%s/clone", origin.name);
    if (origin.generation > 0)
        ad_set_int(body, "At", origin.generation);
    struct ckpt_question question = { .target = target, .body = body, .doing = "verifying" };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    say_clone(result, ad_bool(body, "Hold", false), &text);
    if (!cli_given(call, "json"))
        words_print(&text);
    return CLI_OK;
}
