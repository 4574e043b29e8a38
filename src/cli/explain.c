/* Why a job's requirements are true or not on this machine, clause by clause, with what they look at and what could be changed. */
#include "base/mem.h"
#include "cli/api.h"
#include "cli/explain.h"
#include "cli/run.h"
#include "cli/select.h"
#include "cli/words.h"
#include "job/id.h"

#include <inttypes.h>
#include <string.h>

static void print_values(const struct ad *clause, struct buf *out)
{
    for (size_t i = 0; i < ad_list_count(clause, "Values"); i++) {
        const struct ad *value = ad_list_ad(clause, "Values", i);
        const char *of = ad_string(value, "Of", "");
        buf_text(out, "        ");
        words_safe(out, ad_string(value, "Name", "?"));
        buf_text(out, " = ");
        words_safe(out, ad_string(value, "Value", "?"));
        buf_printf(out, "   (%s%s)\n", strcmp(of, "neither") == 0 ? "neither has it" : "the ", strcmp(of, "neither") == 0 ? "" : of);
    }
}

static void print_clause(const struct ad *clause, struct buf *out)
{
    bool truth = ad_bool(clause, "True", false);
    buf_printf(out, truth ? "  ok    " : "  FAILS ");
    words_safe(out, ad_string(clause, "Clause", "?"));
    if (!truth) {
        buf_text(out, "   is ");
        words_safe(out, ad_string(clause, "Value", "?"));
    }
    buf_char(out, '\n');
    print_values(clause, out);
    if (truth)
        return;
    buf_text(out, "        → ");
    words_safe(out, ad_string(clause, "Advice", ""));
    buf_char(out, '\n');
}

static void print_clauses(const struct ad *answer, const char *list, const char *head, struct buf *out)
{
    size_t count = ad_list_count(answer, list);
    if (count == 0)
        return;
    buf_printf(out, "%s\n", head);
    for (size_t i = 0; i < count; i++)
        print_clause(ad_list_ad(answer, list, i), out);
    buf_char(out, '\n');
}

void explain_print(const struct ad *answer, struct buf *out)
{
    bool suits = ad_bool(answer, "Suits", false), taken = ad_bool(answer, "Taken", true);
    print_clauses(answer, "Clauses", "What the job requires", out);
    print_clauses(answer, "StartClauses", "What the machine's start in stint.conf requires", out);
    buf_text(out, "Job ");
    words_id(out, answer);
    if (ad_list_count(answer, "Clauses") == 0 && suits && taken)
        buf_text(out, " has no requirements.\n");
    else if (suits && taken)
        buf_text(out, " suits this machine.\n");
    else
        buf_text(out, suits ? " suits this machine, which does not take it.\n" : " does not suit this machine.\n");
    if (!suits) {
        buf_text(out, "Change what it requires with: stint edit ");
        words_id(out, answer);
        buf_text(out, " 'Requirements=…'\n");
    }
    if (strcmp(ad_string(answer, "JobState", ""), "idle") == 0 && suits && taken && ad_string(answer, "IdleReason", NULL)) {
        buf_text(out, "It is idle: ");
        words_safe(out, ad_string(answer, "IdleReason", ""));
        buf_text(out, ".\n");
    }
    if (ad_has(answer, "Rank"))
        buf_printf(out, "Its rank of this machine is %g; with one machine that orders nothing.\n", ad_real(answer, "Rank", 0));
}

/* Exit status 1 when the job cannot run here. */
int run_explain(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *said = NULL;
    auto_buf struct buf text = { 0 };
    struct job_id id;
    char id_text[JOB_ID_TEXT_MAX];
    if (!job_id_parse(call->operands[0], &id))
        return cli_usage_error(err, "'%s' is not a job's ID: write 7.0", call->operands[0]);
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || (id.proc == JOB_ALL_PROCS && select_only_job(api, &id, err) < 0))
        return -1;
    auto_free char *target = mem_printf("/v1/jobs/%s/requirements", job_id_print(id, id_text));
    if (api_get(api, target, &answer, err) < 0 || api_ad(&answer, &said, err) < 0)
        return -1;
    explain_print(said, &text);
    if (cli_given(call, "json"))
        api_print_json(&answer);
    else
        words_print(&text);
    return ad_bool(said, "Suits", false) && ad_bool(said, "Taken", false) ? CLI_OK : CLI_FAILURE;
}
