/*
 * +Attr and MY.Attr: attributes of the user's own, kept as they are. Those that decide how a job is checkpointed are checked
 * here, under their names of HTCondor 8.5 and of today, since a mistake in them would be noticed only when a checkpoint is
 * needed.
 */
#include "job/submit_parts.h"

#include "job/command.h"

#include <string.h>
#include <strings.h>

enum { SECONDS_MAX = 366 * 86400 };
enum check { CHECK_BOOL, CHECK_CODE, CHECK_SIGNAL, CHECK_SECONDS, CHECK_METHOD, CHECK_PATHS, CHECK_POOL };

static const struct {
    const char *name;
    enum check check;
} checked[] = {
    { "WantCheckpointSignal", CHECK_BOOL },
    { "CheckpointSig", CHECK_SIGNAL },
    { "CheckpointExitBySignal", CHECK_BOOL },
    { "CheckpointExitCode", CHECK_CODE },
    { "CheckpointExitSignal", CHECK_SIGNAL },
    { "WantFTOnCheckpoint", CHECK_BOOL },
    { "SuccessCheckpointExitBySignal", CHECK_BOOL },
    { "SuccessCheckpointExitCode", CHECK_CODE },
    { "SuccessCheckpointExitSignal", CHECK_SIGNAL },
    { "CheckpointInterval", CHECK_SECONDS },
    { "CheckpointMethod", CHECK_METHOD },
    { "CheckpointBundle", CHECK_BOOL },
    { "CheckpointTrial", CHECK_BOOL },
    { "OwnNetwork", CHECK_BOOL },
    { "WantCriuPipe", CHECK_BOOL },
    { "WritablePaths", CHECK_PATHS },
    { "ClusterId", CHECK_POOL },
    { "ProcId", CHECK_POOL },
    { "Owner", CHECK_POOL },
    { "User", CHECK_POOL },
    { "QDate", CHECK_POOL },
    { "JobStatus", CHECK_POOL },
    { "JobState", CHECK_POOL },
    { "EnteredCurrentStatus", CHECK_POOL },
    { "StintNumber", CHECK_POOL },
};

const char *submit_checked_attribute(size_t i)
{
    return i < sizeof checked / sizeof checked[0] ? checked[i].name : NULL;
}

static bool is_bool(const struct ad *ad, const char *name)
{
    return ad_bool(ad, name, true) == ad_bool(ad, name, false);
}

static bool is_signal(const struct ad *ad, const char *name)
{
    return command_signal_of(ad, name, 0) != 0;
}

/* An undefined attribute counts as one that is not there. */
static bool is_undefined(const struct ad *ad, const char *name)
{
    auto_buf struct buf text = { 0 };
    return ad_print_expr(ad, name, &text) && strcasecmp(buf_cstr(&text), "undefined") == 0;
}

static int check_attribute(struct ad *ad, const char *name, enum check check, struct error *err)
{
    int64_t number = ad_int(ad, name, -1);
    if (check != CHECK_POOL && is_undefined(ad, name))
        return 0;
    switch (check) {
    case CHECK_BOOL:
        if (!is_bool(ad, name))
            return error_set(err, ERR_INVALID, "%s must be true or false", name);
        return 0;
    case CHECK_CODE:
        if (number < 0 || number > 255)
            return error_set(err, ERR_INVALID, "%s must be an exit code; write a number from 0 to 255", name);
        return 0;
    case CHECK_SIGNAL:
        if (!is_signal(ad, name))
            return error_set(err, ERR_INVALID, "%s must be a signal; write a name in double quotes (\"SIGUSR2\") or a number",
                             name);
        return 0;
    case CHECK_SECONDS:
        if (number < 1 || number > SECONDS_MAX)
            return error_set(err, ERR_INVALID, "%s must be a whole number of seconds, from 1 to %d", name, SECONDS_MAX);
        return 0;
    case CHECK_METHOD:
        return submit_check_method(ad, name, err);
    case CHECK_PATHS:
        return submit_check_paths(ad, name, err);
    case CHECK_POOL:
        break;
    }
    return error_set(err, ERR_INVALID, "%s is the pool's to set; remove the line", name);
}

int submit_check_value(struct ad *ad, const char *name, struct error *err)
{
    for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++)
        if (strcasecmp(checked[i].name, name) == 0)
            return check_attribute(ad, checked[i].name, checked[i].check, err);
    return 0;
}

int submit_set_attribute(struct submit_job *job, const struct submit_key *key, const char *value, struct error *err)
{
    const char *name = key->name + strlen("MY.");
    if (submit_set_expr(job->ad, name, value, err) < 0)
        return error_wrap(err, "the value of '+%s' is not an expression (a text needs double quotes)", name);
    if (submit_check_value(job->ad, name, err) < 0)
        return -1;
    for (size_t i = 0; submit_checked_attribute(i); i++)
        if (strcasecmp(submit_checked_attribute(i), name) == 0)
            return 0;
    char guess[SUBMIT_NAME_MAX];
    if (submit_guess(name, true, guess))
        submit_warn(job->parser, job->line, "'+%s' is kept, but nothing looks at it; did you mean '%s'?", name, guess);
    return 0;
}

void submit_check_attributes(struct submit_parser *parser, const struct ad *ad, int line)
{
    int64_t now = ad_int(ad, "SuccessCheckpointExitCode", -1), old = ad_int(ad, "CheckpointExitCode", -1);
    bool by_signal = ad_bool(ad, "SuccessCheckpointExitBySignal", false) || ad_bool(ad, "CheckpointExitBySignal", false);
    if (now >= 0 && old >= 0 && now != old)
        submit_warn(parser, line, "SuccessCheckpointExitCode and CheckpointExitCode differ; the first one counts");
    if (by_signal && !is_signal(ad, "SuccessCheckpointExitSignal") && !is_signal(ad, "CheckpointExitSignal"))
        submit_warn(parser, line, "the job is to end a checkpoint by a signal, but none is named; add "
                                  "'+SuccessCheckpointExitSignal = \"SIGUSR2\"'");
    if (ad_bool(ad, "WantCheckpointSignal", false) && now < 0 && old < 0 && !by_signal)
        submit_warn(parser, line, "WantCheckpointSignal is set, but not how the job tells that it has a checkpoint; add "
                                  "'checkpoint_exit_code = N'");
}
