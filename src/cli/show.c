#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/story.h"
#include "job/id.h"

static int show_job(const struct cli_call *call, struct api *api, struct job_id id, bool is_first, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *story = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    char id_text[JOB_ID_TEXT_MAX];
    auto_free char *target = mem_printf("/v1/jobs/%s", job_id_print(id, id_text));
    if (api_get(api, target, &answer, err) < 0)
        return -1;
    if (cli_given(call, "json")) {
        api_print_json(&answer);
        return CLI_OK;
    }
    if (api_ad(&answer, &story, err) < 0)
        return -1;
    if (!is_first)
        buf_char(&text, '\n');
    story_print(story, &screen, &text);
    words_print(&text);
    return CLI_OK;
}

static int show_all(const struct cli_call *call, struct api *api, struct error *err)
{
    auto_select_jobs struct select_jobs jobs = { 0 };
    for (size_t i = 0; i < call->operand_count; i++) {
        struct job_id id;
        job_id_parse(call->operands[i], &id);
        if (id.proc == JOB_ALL_PROCS && select_only_job(api, &id, err) < 0)
            return -1;
        select_add(&jobs, id);
    }
    if (select_constrained(call, api, true, &jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < jobs.count; i++)
        if (show_job(call, api, jobs.ids[i], i == 0, err) < 0)
            return -1;
    return CLI_OK;
}

int run_show(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    int r = select_check(call, err);
    if (r == 0 && call->operand_count == 0 && !cli_given(call, "constraint"))
        r = cli_usage_error(err, "which job? Give its ID, or -c EXPR");
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    return show_all(call, api, err);
}
