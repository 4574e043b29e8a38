/*
 * The table: one row per state, one cell per event. A cell is either a move (next state, action) or a refusal. Refusals of
 * events that only the pool makes are empty: meeting one means that a record came late, and the pool passes over it.
 *
 * Two rules shape it. A job that ends by itself while it was asked to leave has ended: completed wins over vacating, holding
 * and removing. And whoever asked last decides what comes after: a hold during a vacate holds, a release during a hold lets
 * the job go back to idle.
 */
#include "job/state.h"

#include <stddef.h>
#include <string.h>

#define TO(state_, action_) { .allowed = true, .next = JOB_##state_, .action = JOB_ACT_##action_ }
#define NO(text) { .refusal = (text) }
#define NEVER NO("")

/* What the end of a stint does to a job that was not asked to leave, or was asked to vacate. */
#define ENDS_TO_IDLE                                          \
    [JOB_EVENT_END_COMPLETED] = TO(COMPLETED, FINISH),        \
    [JOB_EVENT_END_EVICTED] = TO(IDLE, FREE),                 \
    [JOB_EVENT_END_FAILED] = TO(IDLE, FREE),                  \
    [JOB_EVENT_END_HELD] = TO(HELD, FREE),                    \
    [JOB_EVENT_LOST] = TO(IDLE, FREE)

#define ASKED_TO_LEAVE                                        \
    [JOB_EVENT_VACATE] = TO(VACATING, VACATE),                \
    [JOB_EVENT_HOLD] = TO(HOLDING, VACATE),                   \
    [JOB_EVENT_REMOVE] = TO(REMOVING, LEAVE)

#define NO_ENDS                                               \
    [JOB_EVENT_END_COMPLETED] = NEVER, [JOB_EVENT_END_EVICTED] = NEVER, [JOB_EVENT_END_FAILED] = NEVER, \
    [JOB_EVENT_END_HELD] = NEVER, [JOB_EVENT_LOST] = NEVER

#define ALL_REFUSED(text)                                     \
    [JOB_EVENT_GRANT] = NEVER, [JOB_EVENT_RUN] = NEVER,       \
    [JOB_EVENT_SUSPEND] = NO(text), [JOB_EVENT_CONTINUE] = NO(text), [JOB_EVENT_CHECKPOINT] = NO(text), \
    [JOB_EVENT_VACATE] = NO(text), [JOB_EVENT_HOLD] = NO(text), [JOB_EVENT_RELEASE] = NO(text), \
    [JOB_EVENT_REMOVE] = NO(text), NO_ENDS

static const struct job_move table[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
    [JOB_IDLE] = {
        [JOB_EVENT_GRANT] = TO(STARTING, START),
        [JOB_EVENT_RUN] = NEVER,
        [JOB_EVENT_SUSPEND] = NO("it is not running"),
        [JOB_EVENT_CONTINUE] = NO("it is not suspended"),
        [JOB_EVENT_CHECKPOINT] = NO("it is not running"),
        [JOB_EVENT_VACATE] = NO("it is not running"),
        [JOB_EVENT_HOLD] = TO(HELD, NONE),
        [JOB_EVENT_RELEASE] = NO("it is not held"),
        [JOB_EVENT_REMOVE] = TO(REMOVED, FINISH),
        NO_ENDS,
    },
    [JOB_STARTING] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = TO(RUNNING, NONE),
        [JOB_EVENT_SUSPEND] = NO("it is just being started; try again in a moment"),
        [JOB_EVENT_CONTINUE] = NO("it is not suspended"),
        [JOB_EVENT_CHECKPOINT] = NO("it is just being started; try again in a moment"),
        [JOB_EVENT_RELEASE] = NO("it is not held"),
        ASKED_TO_LEAVE,
        ENDS_TO_IDLE,
    },
    [JOB_RUNNING] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = TO(RUNNING, NONE),
        [JOB_EVENT_SUSPEND] = TO(SUSPENDED, SUSPEND),
        [JOB_EVENT_CONTINUE] = NO("it is not suspended"),
        [JOB_EVENT_CHECKPOINT] = TO(RUNNING, CHECKPOINT),
        [JOB_EVENT_RELEASE] = NO("it is not held"),
        ASKED_TO_LEAVE,
        ENDS_TO_IDLE,
    },
    [JOB_SUSPENDED] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = TO(SUSPENDED, NONE),
        [JOB_EVENT_SUSPEND] = NO("it is suspended already"),
        [JOB_EVENT_CONTINUE] = TO(RUNNING, CONTINUE),
        [JOB_EVENT_CHECKPOINT] = NO("it is suspended; continue it first"),
        [JOB_EVENT_RELEASE] = NO("it is not held"),
        ASKED_TO_LEAVE,
        ENDS_TO_IDLE,
    },
    [JOB_VACATING] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = TO(VACATING, NONE),
        [JOB_EVENT_SUSPEND] = NO("it is leaving its slot"),
        [JOB_EVENT_CONTINUE] = NO("it is leaving its slot"),
        [JOB_EVENT_CHECKPOINT] = NO("it is leaving its slot, with a checkpoint if it can"),
        [JOB_EVENT_RELEASE] = NO("it is not held"),
        ASKED_TO_LEAVE,
        ENDS_TO_IDLE,
    },
    [JOB_HOLDING] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = TO(HOLDING, NONE),
        [JOB_EVENT_SUSPEND] = NO("it is leaving its slot"),
        [JOB_EVENT_CONTINUE] = NO("it is leaving its slot"),
        [JOB_EVENT_CHECKPOINT] = NO("it is leaving its slot, with a checkpoint if it can"),
        [JOB_EVENT_VACATE] = TO(HOLDING, VACATE),
        [JOB_EVENT_HOLD] = NO("it is being held already"),
        [JOB_EVENT_RELEASE] = TO(VACATING, NONE),
        [JOB_EVENT_REMOVE] = TO(REMOVING, LEAVE),
        [JOB_EVENT_END_COMPLETED] = TO(COMPLETED, FINISH),
        [JOB_EVENT_END_EVICTED] = TO(HELD, FREE),
        [JOB_EVENT_END_FAILED] = TO(HELD, FREE),
        [JOB_EVENT_END_HELD] = TO(HELD, FREE),
        [JOB_EVENT_LOST] = TO(HELD, FREE),
    },
    [JOB_REMOVING] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = TO(REMOVING, NONE),
        [JOB_EVENT_SUSPEND] = NO("it is being removed"),
        [JOB_EVENT_CONTINUE] = NO("it is being removed"),
        [JOB_EVENT_CHECKPOINT] = NO("it is being removed"),
        [JOB_EVENT_VACATE] = NO("it is being removed"),
        [JOB_EVENT_HOLD] = NO("it is being removed"),
        [JOB_EVENT_RELEASE] = NO("it is being removed"),
        [JOB_EVENT_REMOVE] = TO(REMOVING, LEAVE),
        [JOB_EVENT_END_COMPLETED] = TO(COMPLETED, FINISH),
        [JOB_EVENT_END_EVICTED] = TO(REMOVED, FINISH),
        [JOB_EVENT_END_FAILED] = TO(REMOVED, FINISH),
        [JOB_EVENT_END_HELD] = TO(REMOVED, FINISH),
        [JOB_EVENT_LOST] = TO(REMOVED, FINISH),
    },
    [JOB_HELD] = {
        [JOB_EVENT_GRANT] = NEVER,
        [JOB_EVENT_RUN] = NEVER,
        [JOB_EVENT_SUSPEND] = NO("it is held; release it first"),
        [JOB_EVENT_CONTINUE] = NO("it is held; release it first"),
        [JOB_EVENT_CHECKPOINT] = NO("it is held; release it first"),
        [JOB_EVENT_VACATE] = NO("it is not running"),
        [JOB_EVENT_HOLD] = NO("it is held already"),
        [JOB_EVENT_RELEASE] = TO(IDLE, NONE),
        [JOB_EVENT_REMOVE] = TO(REMOVED, FINISH),
        NO_ENDS,
    },
    [JOB_COMPLETED] = { ALL_REFUSED("it is completed") },
    [JOB_REMOVED] = { ALL_REFUSED("it was removed") },
};

static const struct {
    const char *name;
    int status;
    bool occupies;
} states[JOB_STATE_COUNT] = {
    [JOB_IDLE] = { "idle", 1, false },           [JOB_STARTING] = { "starting", 2, true },
    [JOB_RUNNING] = { "running", 2, true },      [JOB_SUSPENDED] = { "suspended", 7, true },
    [JOB_VACATING] = { "vacating", 2, true },    [JOB_HOLDING] = { "holding", 2, true },
    [JOB_REMOVING] = { "removing", 3, true },    [JOB_HELD] = { "held", 5, false },
    [JOB_COMPLETED] = { "completed", 4, false }, [JOB_REMOVED] = { "removed", 3, false },
};

static const char *const events[JOB_EVENT_COUNT] = {
    [JOB_EVENT_GRANT] = "grant",           [JOB_EVENT_RUN] = "run",
    [JOB_EVENT_SUSPEND] = "suspend",       [JOB_EVENT_CONTINUE] = "continue",
    [JOB_EVENT_CHECKPOINT] = "checkpoint", [JOB_EVENT_VACATE] = "vacate",
    [JOB_EVENT_HOLD] = "hold",             [JOB_EVENT_RELEASE] = "release",
    [JOB_EVENT_REMOVE] = "remove",         [JOB_EVENT_END_COMPLETED] = "end-completed",
    [JOB_EVENT_END_EVICTED] = "end-evicted", [JOB_EVENT_END_FAILED] = "end-failed",
    [JOB_EVENT_END_HELD] = "end-held",     [JOB_EVENT_LOST] = "lost",
};

struct job_move job_step(enum job_state state, enum job_event event)
{
    return table[state][event];
}

const char *job_state_name(enum job_state state)
{
    return states[state].name;
}

bool job_state_from_name(const char *name, enum job_state *state)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (strcmp(states[i].name, name) != 0)
            continue;
        *state = (enum job_state)i;
        return true;
    }
    return false;
}

const char *job_event_name(enum job_event event)
{
    return events[event];
}

int job_state_status(enum job_state state)
{
    return states[state].status;
}

bool job_state_occupies(enum job_state state)
{
    return states[state].occupies;
}

bool job_state_final(enum job_state state)
{
    return state == JOB_COMPLETED || state == JOB_REMOVED;
}
