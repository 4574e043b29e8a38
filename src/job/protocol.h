/*
 * How a job is checkpointed: by itself, or transparently, as it is.
 *
 * How it checkpoints itself is read from its ad under the names of HTCondor 8.5 (CheckpointExitCode …) and of today
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
/* Why the protocol can not meet a person's request for a checkpoint; NULL when it can. See method_refusal. */
const char *protocol_refusal(const struct protocol *p);

enum checkpoint_method {
    METHOD_AUTO,        /* self when a protocol is declared, else transparent where the machine can, else none */
    METHOD_SELF,        /* by its own protocol */
    METHOD_TRANSPARENT, /* its processes as they are */
    METHOD_NONE,
};
/* What is wanted. */
struct method {
    enum checkpoint_method wanted;
    bool fallback; /* with METHOD_SELF: transparent when its own protocol fails */
    bool insists;  /* the job itself says so; otherwise it is the pool's default, for jobs that say nothing */
};
/* "self"; "self, transparent" with a fallback. Borrowed, constant. */
const char *method_name(enum checkpoint_method method);
const char *method_text(const struct method *method);
/* The inverse, in any case, blanks do not matter; false when it is no method. `insists` is not set. */
bool method_parse(const char *text, struct method *out);
/* From the job's CheckpointMethod, else the pool's default (NULL: auto). What can not be read counts as auto. */
void method_read(const struct ad *job, const char *pool_default, struct method *out);

/* What it comes to on a machine. */
struct method_choice {
    enum checkpoint_method used; /* never METHOD_AUTO */
    bool fallback;               /* transparent when its own protocol fails, and the machine can */
    bool hold;                   /* it insists on what the machine can not do: `reason` is why it is held */
    char reason[320];            /* why it is not, or can not also be, transparent; "" when there is nothing to explain */
};
/* `why_not` (may be NULL) is why the machine takes no transparent checkpoints. A default of the pool never counts against a
 * protocol that the job declares. */
void method_choose(const struct method *method, const struct protocol *protocol, bool machine_can, const char *why_not,
                   struct method_choice *out);
/* Why a person's request for a checkpoint can not be met; NULL when it can. Borrowed from the choice. */
const char *method_refusal(const struct method_choice *choice, const struct protocol *protocol);
