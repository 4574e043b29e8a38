#include "job/protocol.h"

#include "job/command.h"

#include <signal.h>
#include <strings.h>

#define SECOND_US INT64_C(1000000)

/* Today's name first: whoever wrote both meant the newer one for newer systems. */
static bool int_of_either(const struct ad *job, const char *name, const char *old_name, int *out)
{
    const char *found = ad_has(job, name) ? name : old_name;
    int64_t value = ad_int(job, found, -1);
    if (value < 0 || value > 255)
        return false;
    *out = (int)value;
    return true;
}

/* What is negative or beyond any machine's life is not meant. */
static int64_t seconds_us(int64_t seconds, int64_t fallback_us)
{
    return seconds < 0 || seconds > INT64_C(1) << 40 ? fallback_us : seconds * SECOND_US;
}

static void read_success(const struct ad *job, struct protocol *p)
{
    bool by_signal = ad_bool(job, "SuccessCheckpointExitBySignal", ad_bool(job, "CheckpointExitBySignal", false));
    const char *name = ad_has(job, "SuccessCheckpointExitSignal") ? "SuccessCheckpointExitSignal" : "CheckpointExitSignal";
    p->exit_signal = command_signal_of(job, name, 0);
    p->exit_code = -1;
    int_of_either(job, "SuccessCheckpointExitCode", "CheckpointExitCode", &p->exit_code);
    p->by_signal = by_signal && p->exit_signal > 0;
    p->self = p->by_signal || (!by_signal && p->exit_code >= 0);
}

void protocol_read(const struct ad *job, const struct protocol_defaults *defaults, struct protocol *p)
{
    *p = (struct protocol){ 0 };
    read_success(job, p);
    p->kill_signal = command_signal_of(job, "KillSig", SIGTERM);
    p->signal = command_signal_of(job, "CheckpointSig", p->kill_signal);
    p->want_signal = p->self && ad_bool(job, "WantCheckpointSignal", false);
    p->interval_us = ad_int(job, "CheckpointIntervalUs", defaults->interval_us);
    int64_t seconds = ad_int(job, "CheckpointInterval", INT64_MIN);
    if (seconds != INT64_MIN)
        p->interval_us = seconds_us(seconds, 0);
    p->timeout_us = defaults->timeout_us;
    p->vacate_us = seconds_us(ad_int(job, "JobMaxVacateTime", ad_int(job, "KillSigTimeout", -1)), defaults->vacate_max_us);
    if (p->vacate_us > defaults->vacate_max_us)
        p->vacate_us = defaults->vacate_max_us;
    const char *when = ad_string(job, "WhenToTransferOutput", "ON_EXIT");
    p->save_on_evict = strcasecmp(when, "ON_EXIT_OR_EVICT") == 0 || strcasecmp(when, "ALWAYS") == 0;
    p->on_success_only = strcasecmp(when, "ON_SUCCESS") == 0;
}

bool protocol_is_checkpoint(const struct protocol *p, int exit_code, int exit_signal)
{
    if (!p->self)
        return false;
    return p->by_signal ? exit_signal > 0 && exit_signal == p->exit_signal : exit_signal <= 0 && exit_code == p->exit_code;
}

const char *protocol_refusal(const struct protocol *p)
{
    if (!p->self)
        return "it does not say how it checkpoints; give it checkpoint_exit_code (see stint-submit(5))";
    if (!p->want_signal)
        return "it takes its checkpoints by itself and wants no signal; add +WantCheckpointSignal = true if it has a handler";
    return NULL;
}
