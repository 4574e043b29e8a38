/*
 * Policy by expression: when a job is held, released, removed, vacated, started and started again. The pool evaluates most of it
 * much later, so what can be told to be wrong is told here.
 */
#include "job/submit_parts.h"

#include "base/mem.h"
#include "job/cron.h"
#include "job/limit.h"

#include <string.h>
#include <strings.h>

/* Of what kind the value is if it is the same in every ad; VALUE_UNDEFINED when it depends on one. */
static enum value_kind kind_of_constant(const struct ad *ad, const char *attribute)
{
    struct ad_scope scope = { .my = ad };
    struct value value;
    ad_eval(&scope, attribute, &value);
    enum value_kind kind = value.kind;
    value_release(&value);
    return kind;
}

/* A condition: what can never be true or false is a mistake. */
int submit_to_condition(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_ad struct ad *alone = ad_new();
    if (submit_set_expr(alone, command->attribute, value, err) < 0)
        return error_wrap(err, "'%s' is not an expression", command->name);
    if (ad_string(alone, command->attribute, NULL))
        return error_set(err, ERR_INVALID, "%s = %.60s is a text, which is never true; write the expression without the quotes",
                         command->name, value);
    return submit_to_expr(job, command, value, err);
}

/* A text for people, which is an expression and therefore needs quotes. */
int submit_to_reason(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_ad struct ad *alone = ad_new();
    if (submit_set_expr(alone, command->attribute, value, NULL) < 0)
        return error_set(err, ERR_INVALID, "%s = %.60s is no expression; put the text into double quotes", command->name, value);
    enum value_kind kind = kind_of_constant(alone, command->attribute);
    if (kind == VALUE_BOOL || kind == VALUE_INT || kind == VALUE_REAL)
        return error_set(err, ERR_INVALID, "%s = %.60s is no text; put it into double quotes", command->name, value);
    ad_copy_attribute(job->ad, command->attribute, alone, command->attribute);
    return 0;
}

int submit_to_number_expr(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_ad struct ad *alone = ad_new();
    if (submit_set_expr(alone, command->attribute, value, err) < 0)
        return error_wrap(err, "'%s' is not an expression", command->name);
    enum value_kind kind = kind_of_constant(alone, command->attribute);
    if (kind == VALUE_STRING || kind == VALUE_BOOL)
        return error_set(err, ERR_INVALID, "%s = %.60s is no number; write one, or an expression that is one", command->name, value);
    ad_copy_attribute(job->ad, command->attribute, alone, command->attribute);
    return 0;
}

/* A time, or an expression that depends on the job and says how many seconds. */
int submit_to_allowed(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_ad struct ad *alone = ad_new();
    struct error wrong = { 0 };
    if (submit_to_seconds(job, command, value, &wrong) == 0)
        return 0;
    if (submit_set_expr(alone, command->attribute, value, NULL) == 0 && kind_of_constant(alone, command->attribute) == VALUE_UNDEFINED)
        return submit_to_number_expr(job, command, value, err);
    if (err)
        *err = wrong;
    return -1;
}

/* An exit code, or an expression over the job's ad that ends the retries. */
int submit_to_retry_until(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    if (submit_to_expr(job, command, value, err) < 0)
        return -1;
    if (kind_of_constant(job->ad, command->attribute) != VALUE_INT)
        return 0;
    struct ad_scope scope = { .my = job->ad };
    struct value code;
    ad_eval(&scope, command->attribute, &code);
    if (code.integer < 0 || code.integer > 255)
        return error_set(err, ERR_INVALID, "%s = %.60s is no exit code; write a number from 0 to 255, or an expression", command->name,
                         value);
    ad_set_int(job->ad, command->attribute, code.integer);
    return 0;
}

int submit_to_limits(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    struct limit_need needs[LIMITS_PER_JOB_MAX];
    auto_free char *text = submit_unquoted(value);
    if (limit_parse(text, needs, err) < 0)
        return error_wrap(err, "%s", command->name);
    ad_set_string(job->ad, command->attribute, text);
    return 0;
}

int submit_to_cron(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    struct cron cron;
    auto_free char *text = submit_unquoted(value);
    cron_init(&cron);
    for (int f = 0; f < CRON_FIELDS; f++)
        if (strcasecmp(cron_attribute((enum cron_field)f), command->attribute) == 0 &&
            cron_parse_field(&cron, (enum cron_field)f, text, err) < 0)
            return error_wrap(err, "%s", command->name);
    ad_set_string(job->ad, command->attribute, text);
    return 0;
}
