/*
 * From a command's text to attributes. An error says what is wrong with the value and what to write; file and line are put
 * before it by the caller. A value comes without blanks at its ends, and NULL when there is none.
 */
#include "job/submit_parts.h"

#include "base/mem.h"
#include "base/units.h"
#include "job/command.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int submit_to_executable(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    bool image = submit_names_image(job->parser);
    if (!value && !image)
        return error_set(err, ERR_INVALID, "no executable is set; add 'executable = program' above");
    ad_set_string(job->ad, command->attribute, value ? value : "");
    if (image && (!value || value[0] == '/')) /* a path in the image; transfer_executable, which comes later, may say otherwise */
        ad_set_bool(job->ad, "TransferExecutable", false);
    return 0;
}

int submit_to_string(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    (void)err;
    ad_set_string(job->ad, command->attribute, value);
    return 0;
}

char *submit_unquoted(const char *value)
{
    size_t len = strlen(value);
    bool quoted = len >= 2 && value[0] == '"' && value[len - 1] == '"';
    return mem_dup_n(value + quoted, len - 2 * quoted);
}

int submit_to_unquoted(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_free char *text = submit_unquoted(value);
    (void)err;
    ad_set_string(job->ad, command->attribute, text);
    return 0;
}

int submit_set_expr(struct ad *ad, const char *name, const char *text, struct error *err)
{
    struct ad_expr *expr = NULL;
    if (ad_expr_parse_old(text, &expr, err) < 0)
        return -1;
    ad_set_expr_copy(ad, name, expr);
    ad_expr_free(expr);
    return 0;
}

int submit_to_expr(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    if (submit_set_expr(job->ad, command->attribute, value, err) < 0)
        return error_wrap(err, "'%s' is not an expression", command->name);
    struct ad_expr *expr = ad_expr_of(job->ad, command->attribute);
    const char *unknown = expr ? ad_expr_unknown_function(expr) : NULL;
    if (unknown)
        submit_warn(job->parser, job->line, "%s: there is no function '%.60s', so the expression is an error; see stint-expressions(7)",
                    command->name, unknown);
    ad_expr_free(expr);
    return 0;
}

/* ---- words ---- */

static bool one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(value, *words) == 0)
            return true;
    return false;
}

static int parse_bool(const struct submit_command *command, const char *value, bool *truth, struct error *err)
{
    static const char *const yes[] = { "true", "yes", "t", "y", "1", NULL };
    static const char *const no[] = { "false", "no", "f", "n", "0", NULL };
    *truth = one_of(value, yes);
    if (!*truth && !one_of(value, no))
        return error_set(err, ERR_INVALID, "%s = %.60s is neither true nor false; write one of these", command->name, value);
    return 0;
}

int submit_to_bool(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    bool truth;
    if (parse_bool(command, value, &truth, err) < 0)
        return -1;
    ad_set_bool(job->ad, command->attribute, truth);
    return 0;
}

/* The words of the note are separated by blanks, a word's other spellings by '|'; the first is what the ad gets. */
int submit_to_choice(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    size_t want = strlen(value);
    auto_buf struct buf choices = { 0 };
    for (const char *word = command->note; *word;) {
        size_t group = strcspn(word, " "), first = strcspn(word, "| ");
        for (const char *p = word; p < word + group;) {
            size_t len = strcspn(p, "| ");
            if (len == want && strncasecmp(p, value, len) == 0) {
                auto_free char *canonical = mem_dup_n(word, first);
                ad_set_string(job->ad, command->attribute, canonical);
                return 0;
            }
            p += len + 1;
        }
        buf_printf(&choices, "%s%.*s", choices.len ? ", " : "", (int)first, word);
        word += group + (word[group] == ' ');
    }
    return error_set(err, ERR_INVALID, "%s = %.60s is unknown; write one of %s", command->name, value, buf_cstr(&choices));
}

int submit_to_universe(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    static const char *const standard[] = { "standard", "1", NULL };
    static const char *const vanilla[] = { "vanilla", "5", NULL };
    static const char *const docker[] = { "docker", NULL };
    static const char *const container[] = { "container", NULL };
    if (value && one_of(value, docker))
        ad_set_bool(job->ad, "WantDocker", true);
    else if (value && one_of(value, container))
        ad_set_bool(job->ad, "WantContainer", true);
    else if (value && one_of(value, standard))
        submit_warn(job->parser, job->line,
                    "the standard universe is run as vanilla: programs need no relinking to be checkpointed");
    else if (value && !one_of(value, vanilla))
        return error_set(err, ERR_INVALID, "universe = %.60s is not supported; write vanilla, container or docker", value);
    ad_set_int(job->ad, command->attribute, 5);
    return 0;
}

int submit_to_hold(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    bool truth;
    if (parse_bool(command, value, &truth, err) < 0)
        return -1;
    if (truth) {
        ad_set_int(job->ad, command->attribute, 5);
        ad_set_string(job->ad, "HoldReason", "submitted on hold");
        ad_set_int(job->ad, "HoldReasonCode", 15);
    }
    return 0;
}

/* ---- numbers ---- */

bool submit_parse_int(const char *value, int64_t *number)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (end != value && !*end && !errno) {
        *number = n;
        return true;
    }
    struct ad_expr *expr = NULL;
    if (ad_expr_parse(value, &expr, NULL) < 0)
        return false;
    auto_ad struct ad *nothing = ad_new();
    struct ad_scope scope = { .my = nothing };
    struct value result = { 0 };
    ad_expr_eval(expr, &scope, &result);
    bool good = result.kind == VALUE_INT;
    *number = result.integer;
    value_release(&result);
    ad_expr_free(expr);
    return good;
}

static int check_range(const struct submit_command *command, int64_t number, struct error *err)
{
    if (number < command->least || number > command->most)
        return error_set(err, ERR_INVALID, "%s = %" PRId64 " is out of range; write a number from %" PRId64 " to %" PRId64,
                         command->name, number, command->least, command->most);
    return 0;
}

int submit_to_int(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    int64_t number;
    if (!submit_parse_int(value, &number))
        return error_set(err, ERR_INVALID, "%s = %.60s is not a whole number", command->name, value);
    if (check_range(command, number, err) < 0)
        return -1;
    ad_set_int(job->ad, command->attribute, number);
    return 0;
}

int submit_to_checkpoint_code(struct submit_job *job, const struct submit_command *command, const char *value,
                              struct error *err)
{
    if (submit_to_int(job, command, value, err) < 0)
        return -1;
    ad_set_bool(job->ad, "WantFTOnCheckpoint", true);
    return 0;
}

/* Keeps a request that is an expression: the pool evaluates it whenever the job becomes idle. */
static int keep_request(struct submit_job *job, const struct submit_command *command, const char *value, const char *example,
                        struct error *err)
{
    if (submit_set_expr(job->ad, command->attribute, value, NULL) < 0)
        return error_set(err, ERR_INVALID, "%s = %.60s is no amount; write for example '%s = %s'", command->name, value,
                         command->name, example);
    return 0;
}

int submit_to_cpus(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    int64_t number = 1;
    if (value && !submit_parse_int(value, &number))
        return keep_request(job, command, value, "2", err);
    if (check_range(command, number, err) < 0)
        return -1;
    ad_set_int(job->ad, command->attribute, number);
    return 0;
}

static int to_amount(struct submit_job *job, const struct submit_command *command, const char *value, int64_t unit,
                     struct error *err)
{
    int64_t bytes, number;
    if (!units_parse_bytes(value, unit, &bytes)) {
        if (!submit_parse_int(value, &number) || number > INT64_MAX / unit)
            return keep_request(job, command, value, "2 GB", err);
        bytes = number < 0 ? number : number * unit;
    }
    if (bytes < 0)
        return error_set(err, ERR_INVALID, "%s = %.60s is negative", command->name, value);
    ad_set_int(job->ad, command->attribute, bytes / unit + (bytes % unit != 0));
    return 0;
}

int submit_to_mebibytes(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    return to_amount(job, command, value, 1 << 20, err);
}

int submit_to_kibibytes(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    return to_amount(job, command, value, 1 << 10, err);
}

static int parse_time(const struct submit_command *command, const char *value, int64_t *us, struct error *err)
{
    if (!units_parse_duration(value, us))
        return error_set(err, ERR_INVALID, "%s = %.60s is no duration; write for example '%s = 10m' or seconds", command->name,
                         value, command->name);
    return 0;
}

int submit_to_seconds(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    int64_t us, seconds;
    if (submit_parse_int(value, &seconds))
        return submit_to_int(job, command, value, err);
    if (parse_time(command, value, &us, err) < 0)
        return -1;
    seconds = us / 1000000 + (us % 1000000 != 0);
    if (check_range(command, seconds, err) < 0)
        return -1;
    ad_set_int(job->ad, command->attribute, seconds);
    return 0;
}

int submit_to_interval(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    int64_t us;
    if (strcasecmp(value, "auto") == 0) /* the pool's */
        return 0;
    if (parse_time(command, value, &us, err) < 0)
        return -1;
    if (us <= 0)
        return error_set(err, ERR_INVALID, "%s = %.60s is not longer than nothing; write for example '%s = 30m'", command->name,
                         value, command->name);
    ad_set_int(job->ad, command->attribute, us);
    return 0;
}

int submit_to_signal(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_free char *name = submit_unquoted(value);
    int number = command_signal(name);
    if (number == 0)
        return error_set(err, ERR_INVALID, "%s = %.60s is no signal; write a name such as SIGTERM or a number", command->name,
                         value);
    if (strncmp(command_signal_name(number), "SIG", 3) == 0)
        ad_set_string(job->ad, command->attribute, command_signal_name(number));
    else
        ad_set_int(job->ad, command->attribute, number);
    return 0;
}

/* ---- what is not used ---- */

int submit_to_later(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    (void)err;
    submit_warn(job->parser, job->line, "'%s' is not used yet: %s", command->name, command->note);
    if (command->attribute && submit_set_expr(job->ad, command->attribute, value, NULL) < 0)
        ad_set_string(job->ad, command->attribute, value);
    return 0;
}
