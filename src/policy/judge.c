/*
 * What expressions say of a job: the periodic ones while it is in the queue, those about its exit when its program ended. An
 * expression that is undefined or an error is not true, but for on_exit_remove, of which only a plain false keeps a job in
 * the queue. Texts and numbers are HTCondor's, whose tools and users look for them.
 */
#include "policy/policy.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CODE_JOB_POLICY = 3, CODE_SYSTEM_POLICY = 26, CODE_JOB_DURATION = 46, CODE_EXECUTE_DURATION = 47 };
enum { CODE_JOB_VACATE = 1000, CODE_SYSTEM_VACATE = 1001, HELD_BY_PERSON = 1, RETRIES_DEFAULT = 2 };
#define SECOND_US INT64_C(1000000)

static const struct {
    const char *setting, *attribute, *reason, *subcode;
} acts[POLICY_ACTS] = {
    [POLICY_VACATE] = { "vacate", "PeriodicVacate", "PeriodicVacateReason", "PeriodicVacateSubCode" },
    [POLICY_HOLD] = { "hold", "PeriodicHold", "PeriodicHoldReason", "PeriodicHoldSubCode" },
    [POLICY_RELEASE] = { "release", "PeriodicRelease", "PeriodicReleaseReason", "PeriodicReleaseSubCode" },
    [POLICY_REMOVE] = { "remove", "PeriodicRemove", "PeriodicRemoveReason", "PeriodicRemoveSubCode" },
};

const char *policy_attribute(size_t i)
{
    static const char *const others[] = { "AllowedJobDuration", "AllowedExecuteDuration" };
    if (i < 4)
        return acts[POLICY_VACATE + i].attribute;
    return i < 6 ? others[i - 4] : NULL;
}

/* ---- the machine's rules ---- */

void policy_rules_release(struct policy_rules *rules)
{
    for (int i = 0; i < POLICY_ACTS; i++) {
        ad_expr_free(rules->rules[i].when);
        ad_expr_free(rules->rules[i].reason);
        ad_expr_free(rules->rules[i].subcode);
        free(rules->rules[i].text);
    }
    *rules = (struct policy_rules){ 0 };
}

int policy_rules_set(struct policy_rules *rules, const char *name, const char *text, struct error *err)
{
    for (int i = 0; i < POLICY_ACTS; i++) {
        struct policy_rule *rule = &rules->rules[i];
        size_t len = acts[i].setting ? strlen(acts[i].setting) : 0;
        if (len == 0 || strncasecmp(name, acts[i].setting, len) != 0)
            continue;
        struct ad_expr **part = name[len] == '\0' ? &rule->when : strcasecmp(name + len, "_reason") == 0 ? &rule->reason :
                                strcasecmp(name + len, "_subcode") == 0 ? &rule->subcode : NULL;
        struct ad_expr *expr;
        if (!part)
            return POLICY_UNKNOWN;
        if (ad_expr_parse(text, &expr, err) < 0)
            return -1;
        ad_expr_free(*part);
        *part = expr;
        if (part == &rule->when) {
            free(rule->text);
            rule->text = mem_dup(text);
        }
        return 0;
    }
    return POLICY_UNKNOWN;
}

bool policy_rules_any(const struct policy_rules *rules)
{
    for (int i = 0; i < POLICY_ACTS; i++)
        if (rules->rules[i].when)
            return true;
    return false;
}

/* ---- values ---- */

static bool is_true(const struct value *value)
{
    return (value->kind == VALUE_BOOL && value->boolean) || (value->kind == VALUE_INT && value->integer != 0) ||
           (value->kind == VALUE_REAL && value->real != 0);
}

static bool is_false(const struct value *value)
{
    return (value->kind == VALUE_BOOL && !value->boolean) || (value->kind == VALUE_INT && value->integer == 0) ||
           (value->kind == VALUE_REAL && value->real == 0);
}

static bool attribute_is_true(const struct ad_scope *scope, const char *name, struct policy_verdict *out)
{
    struct value value;
    if (!ad_has(scope->my, name))
        return false;
    ad_eval(scope, name, &value);
    bool truth = is_true(&value);
    if (value.kind == VALUE_ERROR && !out->problem[0])
        snprintf(out->problem, sizeof out->problem, "%s is an error, so it is never true", name);
    value_release(&value);
    return truth;
}

static int64_t int_of(const struct value *value, int64_t fallback)
{
    return value->kind == VALUE_INT ? value->integer : value->kind == VALUE_BOOL ? value->boolean : fallback;
}

static bool take_text(struct value *value, char text[POLICY_TEXT_MAX])
{
    bool good = value->kind == VALUE_STRING && value->string[0];
    if (good)
        snprintf(text, POLICY_TEXT_MAX, "%s", value->string);
    value_release(value);
    return good;
}

static void explain_attribute(const struct ad_scope *scope, const char *attribute, const char *reason, const char *subcode,
                              struct policy_verdict *out)
{
    struct value value;
    auto_buf struct buf text = { 0 };
    ad_eval(scope, subcode, &value);
    out->subcode = int_of(&value, 0);
    value_release(&value);
    ad_eval(scope, reason, &value);
    if (take_text(&value, out->reason))
        return;
    ad_print_expr(scope->my, attribute, &text);
    snprintf(out->reason, sizeof out->reason, "The job attribute %s expression '%s' evaluated to TRUE", attribute, buf_cstr(&text));
}

/* ---- periodic ---- */

static bool job_says(const struct ad_scope *scope, enum policy_act act, struct policy_verdict *out)
{
    if (!attribute_is_true(scope, acts[act].attribute, out))
        return false;
    out->act = act;
    out->code = act == POLICY_VACATE ? CODE_JOB_VACATE : CODE_JOB_POLICY;
    explain_attribute(scope, acts[act].attribute, acts[act].reason, acts[act].subcode, out);
    return true;
}

static bool machine_says(const struct ad_scope *scope, const struct policy_rules *rules, enum policy_act act, struct policy_verdict *out)
{
    const struct policy_rule *rule = &rules->rules[act];
    struct value value = { 0 };
    char name[16];
    if (!rule->when || !ad_expr_true(rule->when, scope))
        return false;
    out->act = act;
    out->code = act == POLICY_VACATE ? CODE_SYSTEM_VACATE : CODE_SYSTEM_POLICY;
    out->subcode = 0;
    if (rule->subcode) {
        ad_expr_eval(rule->subcode, scope, &value);
        out->subcode = int_of(&value, 0);
        value_release(&value);
    }
    if (rule->reason) {
        ad_expr_eval(rule->reason, scope, &value);
        if (take_text(&value, out->reason))
            return true;
    }
    size_t i = 0;
    for (; acts[act].setting[i]; i++)
        name[i] = (char)(acts[act].setting[i] - 'a' + 'A');
    name[i] = '\0';
    snprintf(out->reason, sizeof out->reason, "The system macro SYSTEM_PERIODIC_%s expression '%s' evaluated to TRUE", name, rule->text);
    return true;
}

void policy_judge(const struct ad_scope *scope, const struct policy_rules *rules, struct policy_verdict *out)
{
    int64_t status = ad_int(scope->my, "JobStatus", 1);
    bool held = status == 5, runs = status == 2 || status == 7;
    bool by_person = held && ad_int(scope->my, "HoldReasonCode", 0) == HELD_BY_PERSON;
    const bool asked[POLICY_ACTS] = {
        [POLICY_VACATE] = runs, [POLICY_HOLD] = !held, [POLICY_RELEASE] = held && !by_person, [POLICY_REMOVE] = true,
    };
    *out = (struct policy_verdict){ 0 };
    for (int act = POLICY_VACATE; act <= POLICY_REMOVE; act++)
        if (asked[act] && (job_says(scope, (enum policy_act)act, out) || machine_says(scope, rules, (enum policy_act)act, out)))
            return;
}

/* ---- durations ---- */

/* "3+02:01:00", "2:01:00", "01:00": as HTCondor writes them in such reasons. */
static void print_duration(int64_t seconds, char *text, size_t size)
{
    int64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;
    if (days > 0)
        snprintf(text, size, "%" PRId64 "+%02" PRId64 ":%02" PRId64 ":%02" PRId64, days, hours, minutes, seconds % 60);
    else if (hours > 0)
        snprintf(text, size, "%" PRId64 ":%02" PRId64 ":%02" PRId64, hours, minutes, seconds % 60);
    else
        snprintf(text, size, "%02" PRId64 ":%02" PRId64, minutes, seconds % 60);
}

int64_t policy_duration(const struct ad *job, const struct policy_times *times, struct policy_verdict *out)
{
    static const struct { const char *attribute, *word; int64_t code; } bounds[] = {
        { "AllowedJobDuration", "job", CODE_JOB_DURATION }, { "AllowedExecuteDuration", "execute", CODE_EXECUTE_DURATION },
    };
    const int64_t spent[] = { times->running_us, times->executing_us };
    struct ad_scope scope = { .my = job };
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < 2; i++) {
        struct value value;
        char text[64];
        if (spent[i] < 0 || !ad_has(job, bounds[i].attribute))
            continue;
        ad_eval(&scope, bounds[i].attribute, &value);
        int64_t allowed = int_of(&value, -1);
        value_release(&value);
        if (allowed < 0 || allowed > INT64_MAX / SECOND_US)
            continue;
        int64_t left = allowed * SECOND_US - spent[i];
        if (left > 0) {
            first = left < first ? left : first;
            continue;
        }
        *out = (struct policy_verdict){ .act = POLICY_HOLD, .code = bounds[i].code };
        print_duration(allowed, text, sizeof text);
        snprintf(out->reason, sizeof out->reason, "The job exceeded allowed %s duration of %s", bounds[i].word, text);
        return 0;
    }
    return first;
}

/* ---- the exit ---- */

bool policy_succeeded(const struct ad *job)
{
    int64_t good = ad_int(job, "JobSuccessExitCode", ad_int(job, "SuccessExitCode", 0));
    return !ad_has(job, "ExitSignal") && ad_int(job, "ExitCode", -1) == good;
}

/* retry_until: an expression over the job's ad, or simply the exit code that ends the retries. */
static bool retries_are_over(const struct ad_scope *scope)
{
    struct value value;
    if (!ad_has(scope->my, "JobRetryUntil"))
        return false;
    ad_eval(scope, "JobRetryUntil", &value);
    bool over = value.kind == VALUE_BOOL ? value.boolean : value.kind == VALUE_INT && ad_int(scope->my, "ExitCode", -1) == value.integer;
    value_release(&value);
    return over;
}

/* Whether the retry commands are given, and say that the job is not finished. */
static bool wants_retry(const struct ad_scope *scope, bool *given)
{
    const struct ad *job = scope->my;
    bool counted = ad_has(job, "JobMaxRetries") || ad_has(job, "MaxRetries");
    *given = counted || ad_has(job, "JobRetryUntil") || ad_has(job, "JobSuccessExitCode");
    int64_t most = ad_int(job, "MaxRetries", ad_int(job, "JobMaxRetries", RETRIES_DEFAULT));
    return *given && !policy_succeeded(job) && !retries_are_over(scope) && ad_int(job, "NumJobCompletions", 1) <= most;
}

static bool is_kept(const struct ad_scope *scope)
{
    struct value value;
    if (!ad_has(scope->my, "OnExitRemove"))
        return false;
    ad_eval(scope, "OnExitRemove", &value);
    bool kept = is_false(&value);
    value_release(&value);
    return kept;
}

void policy_exit(const struct ad_scope *scope, struct policy_verdict *out)
{
    bool retries;
    *out = (struct policy_verdict){ 0 };
    if (job_says(scope, POLICY_HOLD, out))
        return;
    if (attribute_is_true(scope, acts[POLICY_REMOVE].attribute, out))
        return; /* it leaves the queue either way */
    if (attribute_is_true(scope, "OnExitHold", out)) {
        out->act = POLICY_HOLD;
        out->code = CODE_JOB_POLICY;
        explain_attribute(scope, "OnExitHold", "OnExitHoldReason", "OnExitHoldSubCode", out);
        return;
    }
    bool again = wants_retry(scope, &retries), kept = is_kept(scope);
    bool stays = retries && ad_has(scope->my, "OnExitRemove") ? again && kept : again || kept;
    out->act = stays ? POLICY_RETRY : POLICY_NOTHING;
}
