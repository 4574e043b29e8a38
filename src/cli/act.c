/* Actions on jobs: vacate, hold, release, rm, suspend, continue. One question to the pool, one line for each job. */
#include "cli/act.h"

#include "base/mem.h"
#include "cli/run.h"
#include "cli/select.h"

#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 20 }; /* more results than this are counted, not listed */

static const struct {
    const char *command;
    const char *action;
    const char *done; /* said when the pool does not say it better */
    const char *next; /* what the user may want to do then; one %s for the ID */
} actions[] = {
    { "checkpoint", "checkpoint", "asked for a checkpoint", NULL },
    { "vacate", "vacate", "asked to checkpoint and leave its slot", "see what becomes of it with: stint events -f %s" },
    { "hold", "hold", "held", "let it run again with: stint release %s" },
    { "release", "release", "released", "follow it with: stint log -f %s" },
    { "rm", "remove", "removed", NULL },
    { "suspend", "suspend", "suspended", "let it go on with: stint continue %s" },
    { "continue", "continue", "continued", NULL },
};

static size_t find_action(const char *command)
{
    size_t i = 0;
    while (i + 1 < sizeof actions / sizeof actions[0] && strcmp(actions[i].command, command) != 0)
        i++;
    return i;
}

int act_ask(const struct cli_call *call, struct api *api, struct api_answer *answer, struct error *err)
{
    auto_ad struct ad *body = ad_new();
    ad_set_string(body, "Action", actions[find_action(call->command->name)].action);
    int r = select_action(call, body, err);
    if (r < 0)
        return r;
    if (cli_given(call, "reason"))
        ad_set_string(body, "Reason", cli_value(call, "reason"));
    if (cli_given(call, "fast"))
        ad_set_bool(body, "Fast", true);
    return api_post(api, "/v1/actions", body, answer, err);
}

static void add_result(struct buf *out, const struct ad *result, const char *otherwise)
{
    const char *message = ad_string(result, "Message", "");
    const char *id = ad_string(result, "Id", "?");
    if (!*message)
        message = otherwise;
    words_safe(out, id);
    buf_text(out, ": ");
    size_t len = strlen(id); /* a message may begin with the ID itself */
    words_safe(out, strncmp(message, id, len) == 0 && strncmp(message + len, ": ", 2) == 0 ? message + len + 2 : message);
    buf_char(out, '\n');
}

static void add_more(struct buf *out, size_t count)
{
    if (count > LINES_MAX)
        buf_printf(out, "… and %zu more\n", count - LINES_MAX);
}

size_t act_print(const char *command, const struct ad *answer, struct buf *out, struct buf *problems)
{
    size_t total = ad_list_count(answer, "Results"), bad = 0, action = find_action(command);
    const struct ad *first = NULL;
    for (size_t i = 0; i < total; i++) {
        const struct ad *result = ad_list_ad(answer, "Results", i);
        bool ok = ad_bool(result, "Ok", false);
        bad += !ok;
        if (ok && !first)
            first = result;
        if (!ok && bad <= LINES_MAX)
            add_result(problems, result, "not done");
        if (ok && total <= LINES_MAX)
            add_result(out, result, actions[action].done);
    }
    add_more(problems, bad);
    if (total > LINES_MAX && total > bad) {
        words_count(out, (int64_t)(total - bad), "job");
        buf_printf(out, ": %s\n", actions[action].done);
    }
    if (total == 0)
        buf_text(problems, "no job matches\n");
    if (total == 1 && first && actions[action].next) {
        auto_buf struct buf id = { 0 };
        words_safe(&id, ad_string(first, "Id", "?"));
        const char *mark = strstr(actions[action].next, "%s");
        buf_add(out, actions[action].next, (size_t)(mark - actions[action].next));
        buf_printf(out, "%s\n", buf_cstr(&id));
    }
    return bad + (total == 0);
}

int run_act(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *results = NULL, *check = ad_new();
    auto_buf struct buf out = { 0 }, problems = { 0 };
    int r = select_action(call, check, err);
    if (r < 0)
        return r;
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || act_ask(call, api, &answer, err) < 0 || api_ad(&answer, &results, err) < 0)
        return -1;
    size_t bad = act_print(call->command->name, results, &out, &problems);
    if (cli_given(call, "json")) {
        api_print_json(&answer);
    } else {
        words_print(&out);
        fputs(buf_cstr(&problems), stderr);
    }
    return bad > 0 ? CLI_FAILURE : CLI_OK;
}
