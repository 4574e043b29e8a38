/*
 * How a job checkpoints itself, read from its ad under the names of HTCondor 8.5 (CheckpointExitCode …) and of today
 * (SuccessCheckpointExitCode …). A job has the self protocol when it declares which end of its program means "checkpoint taken":
 * an exit code or a signal. Without such a declaration no end is ever taken for a checkpoint.
 */
#pragma once

#include "ad/ad.h"

struct protocol {
    bool self;              /* some end of the program means a checkpoint */
    bool by_signal;         /* … death by `exit_signal`, otherwise `exit_code` */
    int exit_code;
    int exit_signal;
    bool want_signal;       /* the job wants `signal` when a checkpoint is due */
    int signal;
    int kill_signal;        /* soft kill */
    int64_t interval_us;    /* between checkpoint signals; 0 = never by itself */
    int64_t timeout_us;     /* from signal to success before it counts as failed */
    int64_t vacate_us;      /* from soft to hard kill */
    bool save_on_evict;     /* ON_EXIT_OR_EVICT */
    bool on_success_only;   /* ON_SUCCESS */
};

/* Defaults of the pool, overridden by the job: the pool's maximum bounds the job's vacate time. Microseconds. */
struct protocol_defaults {
    int64_t interval_us;
    int64_t timeout_us;
    int64_t vacate_max_us;
};

void protocol_read(const struct ad *job, const struct protocol_defaults *defaults, struct protocol *out);
/* Whether an end of the program (code >= 0, or signal > 0) is this protocol's checkpoint. */
bool protocol_is_checkpoint(const struct protocol *p, int exit_code, int exit_signal);
/* Why a person's request for a checkpoint can not be met; NULL when it can. */
const char *protocol_refusal(const struct protocol *p);
