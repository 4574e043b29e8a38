#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/story.h"
#include "job/id.h"

int run_show(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *story = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    struct job_id id;
    char id_text[JOB_ID_TEXT_MAX];
    if (!job_id_parse(call->operands[0], &id))
        return cli_usage_error(err, "'%s' is not a job's ID: write 7.0", call->operands[0]);
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || (id.proc == JOB_ALL_PROCS && select_only_job(api, &id, err) < 0))
        return -1;
    auto_free char *target = mem_printf("/v1/jobs/%s", job_id_print(id, id_text));
    if (api_get(api, target, &answer, err) < 0)
        return -1;
    if (cli_given(call, "json")) {
        api_print_json(&answer);
        return CLI_OK;
    }
    if (api_ad(&answer, &story, err) < 0)
        return -1;
    story_print(story, &screen, &text);
    words_print(&text);
    return CLI_OK;
}
