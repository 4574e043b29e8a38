/*
 * A job's states and moves. One table says for every state and event what becomes of the job (docs/states.md is the same table;
 * a test compares them). Pure.
 */
#pragma once

#include <stdbool.h>

enum job_state {
    JOB_IDLE,      /* waits for a slot */
    JOB_STARTING,  /* has a slot; its runner is being started or fills the sandbox */
    JOB_RUNNING,   /* its program runs */
    JOB_SUSPENDED, /* its program is stopped, the slot kept */
    JOB_VACATING,  /* asked to leave; idle afterwards */
    JOB_HOLDING,   /* asked to leave; held afterwards */
    JOB_REMOVING,  /* asked to leave; removed afterwards */
    JOB_HELD,      /* waits for a release */
    JOB_COMPLETED, /* its program is done and its output delivered */
    JOB_REMOVED,   /* gone by request */
    JOB_STATE_COUNT,
};

enum job_event {
    JOB_EVENT_GRANT,         /* the policy gives it a slot */
    JOB_EVENT_RUN,           /* its program was started (also again, after a checkpoint) */
    JOB_EVENT_SUSPEND,       /* asked by a person */
    JOB_EVENT_CONTINUE,      /* asked by a person */
    JOB_EVENT_CHECKPOINT,    /* asked by a person */
    JOB_EVENT_VACATE,        /* asked by a person or the policy */
    JOB_EVENT_HOLD,          /* asked by a person */
    JOB_EVENT_RELEASE,       /* asked by a person */
    JOB_EVENT_REMOVE,        /* asked by a person */
    JOB_EVENT_END_COMPLETED, /* the stint ended: program done, output delivered */
    JOB_EVENT_END_EVICTED,   /* the stint ended because it was asked to, or yielded at a checkpoint */
    JOB_EVENT_END_FAILED,    /* the stint ended by a failure that may be tried again */
    JOB_EVENT_END_HELD,      /* the stint ended by something that a person must mend */
    JOB_EVENT_LOST,          /* the runner died without saying what became of the stint */
    JOB_EVENT_COUNT,
};

enum job_action {
    JOB_ACT_NONE,
    JOB_ACT_START,      /* start a runner */
    JOB_ACT_CHECKPOINT, /* ask the runner for a checkpoint */
    JOB_ACT_SUSPEND,    /* ask the runner to stop the program */
    JOB_ACT_CONTINUE,   /* ask the runner to let it go on */
    JOB_ACT_VACATE,     /* ask the runner to checkpoint if it can and leave */
    JOB_ACT_LEAVE,      /* ask the runner to leave without checkpoint (the job is removed) */
    JOB_ACT_FREE,       /* the slot is free again */
    JOB_ACT_FINISH,     /* free the slot if there is one, move the job to the history */
};

struct job_move {
    bool allowed;
    enum job_state next;
    enum job_action action;
    const char *refusal; /* when not allowed: why, for the person who asked; "" for events that only the pool makes */
};

struct job_move job_step(enum job_state state, enum job_event event);

const char *job_state_name(enum job_state state); /* "idle", … */
bool job_state_from_name(const char *name, enum job_state *state);
const char *job_event_name(enum job_event event); /* "grant", … */
/* HTCondor's JobStatus: 1 idle, 2 running, 3 removed, 4 completed, 5 held, 7 suspended. */
int job_state_status(enum job_state state);
/* A slot is occupied in this state. */
bool job_state_occupies(enum job_state state);
/* The job will not change any more. */
bool job_state_final(enum job_state state);
