/* condor_rm, condor_hold, condor_release, condor_vacate_job: each word of the command line is one question to the pool and one answer. */
#include "cli/condor.h"

#include "base/mem.h"
#include "cli/words.h"

#include <inttypes.h>
#include <string.h>

#define CHOICE                                                                                                           \
    { "constraint", 1, CONDOR_VALUE, NULL, NULL },                                                                        \
    { "all", 1, CONDOR_NOTHING, NULL, NULL },                                                                             \
    CONDOR_ADDRESSES,                                                                                                    \
    { "long", 1, CONDOR_NOTHING, "", NULL },                                                                              \
    { "totals", 1, CONDOR_NOTHING, NULL, NULL }

const struct condor_option condor_rm_options[] = {
    { "addr", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    CHOICE,
    { "reason", 1, CONDOR_VALUE, NULL, NULL },
    { "forcex", 1, CONDOR_NOTHING, NULL, NULL },
    { "held", 3, CONDOR_NOTHING, NULL, NULL },
    { "hold", 3, CONDOR_NOTHING, NULL, NULL },
    CONDOR_COMMON,
};
const struct condor_option condor_hold_options[] = {
    { "addr", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    CHOICE,
    { "reason", 1, CONDOR_VALUE, NULL, NULL },
    { "subcode", 1, CONDOR_VALUE, NULL, NULL },
    CONDOR_COMMON,
};
const struct condor_option condor_release_options[] = {
    { "addr", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    CHOICE,
    { "reason", 1, CONDOR_VALUE, NULL, NULL },
    CONDOR_COMMON,
};
const struct condor_option condor_vacate_options[] = {
    { "addr", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    CHOICE,
    { "fast", 1, CONDOR_NOTHING, NULL, NULL },
    CONDOR_COMMON,
};

struct act {
    const struct condor_call *call;
    struct api *api;
    const char *action, *verb, *done; /* the pool's word; "remove"; "marked for removal" */
    const char *refusal;              /* behind the job's name */
    bool held;                        /* only jobs that are held */
    bool constrained;                 /* only jobs that the constraint holds for */
    size_t good, bad;
};

static void know_action(struct act *act)
{
    static const struct {
        const struct condor_option *options;
        const char *action, *verb, *done, *refusal;
    } known[] = {
        { condor_rm_options, "remove", "remove", "marked for removal", "already marked for removal" },
        { condor_hold_options, "hold", "hold", "held", "already held" },
        { condor_release_options, "release", "release", "released", "not held to be released" },
        { condor_vacate_options, "vacate", "vacate", "vacated", "not running to be vacated" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].options != act->call->options)
            continue;
        act->action = known[i].action;
        act->verb = known[i].verb;
        act->done = known[i].done;
        act->refusal = known[i].refusal;
    }
    if (condor_given(act->call, "fast")) {
        act->verb = "fast-vacate";
        act->done = "fast-vacated";
        act->refusal = "not running to be fast-vacated";
    }
}

static int make_body(const struct act *act, struct ad **out, struct error *err)
{
    int64_t subcode;
    int r = condor_number(act->call, "subcode", 0, &subcode, err);
    if (r < 0)
        return r;
    struct ad *body = ad_new();
    ad_set_string(body, "Action", act->action);
    if (condor_value(act->call, "reason"))
        ad_set_string(body, "Reason", condor_value(act->call, "reason"));
    if (subcode != 0)
        ad_set_int(body, "Subcode", subcode);
    if (condor_given(act->call, "fast") || condor_given(act->call, "forcex"))
        ad_set_bool(body, "Fast", true);
    ad_make_list(body, "Jobs");
    *out = body;
    return 0;
}

/* Counts what became of it; *first is the first refusal, owned. */
static int ask(struct act *act, const struct ad *body, size_t *good, size_t *bad, char **first, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *results = NULL;
    *good = *bad = 0;
    if (api_post(act->api, "/v1/actions", body, &answer, err) < 0 || api_ad(&answer, &results, err) < 0)
        return -1;
    for (size_t i = 0; i < ad_list_count(results, "Results"); i++) {
        const struct ad *result = ad_list_ad(results, "Results", i);
        bool ok = ad_bool(result, "Ok", false);
        *good += ok;
        *bad += !ok;
        if (!ok && !*first)
            *first = mem_dup(ad_string(result, "Message", ""));
    }
    act->good += *good;
    act->bad += *bad;
    return 0;
}

static void say_refusal(const struct act *act, const char *id, const char *why)
{
    if (strstr(why, "no such job"))
        fprintf(stderr, "Job %s not found\n", id);
    else if (strstr(why, "somebody else"))
        fprintf(stderr, "Permission denied to %s job %s\n", act->verb, id);
    else
        fprintf(stderr, "Job %s %s\n", id, act->refusal);
}

static int act_on_job(struct act *act, const char *word, struct error *err)
{
    auto_ad struct ad *body = NULL;
    auto_free char *why = NULL;
    size_t good, bad;
    struct job_id id;
    char name[JOB_ID_TEXT_MAX];
    job_id_parse(word, &id);
    job_id_print(id, name);
    int r = make_body(act, &body, err);
    if (r < 0)
        return r;
    ad_append_string(body, "Jobs", name);
    if (ask(act, body, &good, &bad, &why, err) < 0)
        return -1;
    if (id.proc == JOB_ALL_PROCS && good > 0)
        printf("All jobs in cluster %s have been %s\n", name, act->done);
    else if (id.proc == JOB_ALL_PROCS)
        fprintf(stderr, "Couldn't find/%s all jobs in cluster %s\n", act->verb, name);
    else if (good > 0)
        printf("Job %s %s\n", name, act->done);
    else
        say_refusal(act, name, why ? why : "");
    return good > 0 ? 0 : 1;
}

/* By a constraint; `of` says which in the answer. */
static int act_on_all(struct act *act, const char *constraint, const char *of, struct error *err)
{
    auto_ad struct ad *body = NULL;
    auto_free char *why = NULL;
    size_t good, bad;
    const char *jobs = act->held ? "held jobs" : "jobs";
    int r = make_body(act, &body, err);
    if (r < 0)
        return r;
    ad_set_string(body, "Constraint", constraint);
    if (ask(act, body, &good, &bad, &why, err) < 0)
        return -1;
    if (good > 0)
        printf("All %s%s have been %s\n", jobs, of, act->done);
    else
        fprintf(stderr, "Couldn't find/%s all %s%s\n", act->verb, jobs, of);
    return good > 0 ? 0 : 1;
}

/* Those of a user's, a cluster's or all jobs that the constraints of the command line allow. `word` NULL: all. */
static int act_on_those(struct act *act, const char *word, struct error *err)
{
    auto_buf struct buf constraint = { 0 }, of = { 0 };
    struct condor_call one = *act->call;
    struct job_id id;
    one.operands = &word;
    one.operand_count = word != NULL;
    int r = condor_constraint(&one, act->held ? "JobStatus == 5" : "", &constraint, err);
    if (r < 0)
        return r;
    bool plain = !act->constrained;
    if (word && plain && !job_id_parse(word, &id))
        buf_printf(&of, " of user \"%.*s\"", (int)strcspn(word, "@"), word);
    else if (word && plain && id.proc == JOB_ALL_PROCS)
        buf_printf(&of, " in cluster %d", id.cluster);
    else if (word || !plain)
        buf_printf(&of, " matching constraint %s", buf_cstr(&constraint));
    return act_on_all(act, constraint.len > 0 ? buf_cstr(&constraint) : "true", buf_cstr(&of), err);
}

/* What narrows the choice counts for users and clusters too; for a single job only -held does, as in HTCondor. */
static int act_on_word(struct act *act, const char *word, struct error *err)
{
    struct job_id id;
    bool is_id = job_id_parse(word, &id), single = is_id && id.proc != JOB_ALL_PROCS;
    if (!is_id || act->held || (act->constrained && !single))
        return act_on_those(act, word, err);
    if (act->constrained)
        fprintf(stderr, "%s: the constraint does not count for %s, which is a single job\n", act->call->program, word);
    return act_on_job(act, word, err);
}

static int act_on_words(struct act *act, struct error *err)
{
    int worst = 0, r = 0;
    if (act->call->operand_count == 0)
        return act_on_those(act, NULL, err);
    for (size_t i = 0; i < act->call->operand_count && r >= 0; i++) {
        r = act_on_word(act, act->call->operands[i], err);
        worst = r > worst ? r : worst;
    }
    return r < 0 ? r : worst;
}

int condor_act(const struct condor_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    struct act act = { .call = call, .constrained = condor_given(call, "constraint") };
    bool all = condor_given(call, "all");
    act.held = condor_given(call, "held") || condor_given(call, "hold");
    know_action(&act);
    if (call->operand_count == 0 && !all && !act.constrained && !act.held)
        return cli_usage_error(err, "You did not specify any jobs");
    if (all && (act.constrained || call->operand_count > 0))
        return cli_usage_error(err, "can't mix -all with other constraints");
    if (api_open(API_START_IF_WANTED, &api, err) < 0)
        return -1;
    act.api = api;
    int r = act_on_words(&act, err);
    if (r >= 0 && condor_given(call, "totals"))
        printf("%zu Succeeded, %zu Failed\n", act.good, act.bad);
    return r;
}
