/*
 * libstint: what a job may ask of the runner that it runs under. See libstint(3).
 *
 * Every function may be called from any thread, and works in any program: outside a job of stint it fails at once with errno
 * ENOENT. Each waits for its answer by sleeping and looking; it keeps no descriptor, no thread and no lock meanwhile, so that a
 * checkpoint may be taken of a process that is waiting, and be resumed elsewhere. None may be called from a signal handler.
 *
 * A function that fails returns -1 and sets errno; stint_error says it in words. Beside what each names:
 *   ENOENT      not a job of stint
 *   EINVAL      an argument is wrong
 *   EOPNOTSUPP  the runner refuses; stint_error has its reason
 *   ETIMEDOUT   no answer came in time
 *   EPROTO      the answer cannot be understood
 */
#ifndef STINT_H
#define STINT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define STINT_HOLD_MAX 600 /* seconds for which checkpoints can be held off */
#define STINT_TEXT_MAX 200 /* bytes of a progress text; what is longer is cut */

enum stint_checkpoint_outcome {
    STINT_TAKEN = 0,    /* the checkpoint exists, and this process is the one that it was taken of */
    STINT_RESTORED = 1, /* this process was resumed from the checkpoint that it had asked for */
    STINT_ASKED = 2     /* the job checkpoints itself: its signal was sent to it, and the rest is its own business */
};

/* Takes a checkpoint of the whole job, now, and returns when it is durable, with an enum stint_checkpoint_outcome. *generation
 * (may be NULL) is the checkpoint's number, 0 for STINT_ASKED. Waits at most `timeout` seconds, 0 = as long as it takes; a
 * checkpoint that comes later counts all the same. A checkpoint that is asked for while checkpoints are held off waits for their
 * release. errno EIO: it was tried and failed; the job goes on, and its last checkpoint stays. */
int stint_checkpoint(int timeout, int *generation);

/* Holds checkpoints off until stint_release, at most for `seconds` (1 to STINT_HOLD_MAX), and returns for how many seconds they
 * are held. On return no checkpoint is being taken and none will be. Every hold needs its release; all together last at most
 * STINT_HOLD_MAX seconds from the first of them. An eviction waits too, but not longer than the job may take to leave;
 * once one is under way, a new hold is refused. A checkpoint signal that was sent already is not taken back. */
int stint_hold(int seconds);

/* Ends a hold. 0 = done; STINT_EXPIRED = the hold had ended by itself, and there may have been a checkpoint in it. */
enum { STINT_EXPIRED = 1 };
int stint_release(void);

/* Tells how far the job is, from 0 to 1, with a text for people (may be NULL). It is shown by `stint q` and `stint show`, brought up
 * to date every ten seconds. */
int stint_progress(double fraction, const char *text);

/* Whether the job has been told to leave its slot: 1 = it has, and *seconds (may be NULL) is what is left until it is killed;
 * 0 = it has not. */
int stint_remaining(double *seconds);

struct stint_status {
    int resumed_from;        /* the checkpoint that this stint goes on from, 0 = the job began from the start */
    int stint;               /* the stint's number, 1 for the first */
    double since_checkpoint; /* seconds since the last checkpoint, or since it was resumed from; -1 = there is none */
};

/* Fills *status, of which the caller knows `size` bytes: sizeof *status. */
int stint_status(struct stint_status *status, size_t size);

/* What went wrong in this thread's last call that failed: a clause in lower case, "" before any. Valid until its next call. */
const char *stint_error(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
