/*
 * The journal of a job: what its stints did, one record after another, in the order in which it became true. A runner appends
 * while it holds the job's lock; the pool appends only RECORD_FENCE, and only while it holds the lock itself. The pool folds
 * the records into the queue; folding is idempotent, because it keeps the offset that it has read to.
 *
 * Every record is an ad in JSON with Record (one of the names below), Stint, WallUs and BootUs. A runner whose stint number is
 * not above every number that the journal holds in a BEGIN or FENCE may not begin.
 */
#pragma once

/* The stint began: GrantedWallUs, GrantedBootUs (when the slot became its), BootId, Pid, Mode (fresh, resume, deliver). */
#define RECORD_BEGIN "begin"
/* How this stint is checkpointed: Method ("self", "transparent" or "none"), Reason (why not transparent; may be absent). */
#define RECORD_METHOD "method"
/* A generation could not be used: Generation, Reason, Whole (true: nothing is wrong with its data, but its processes could not be
 * brought back), Doubted (they were, and the program crashed right after: see DoubtedGeneration in backend/backend.h). */
#define RECORD_CORRUPT "corrupt"
/* The job's program was started: Pid, Resumed, Generation (0 = from the start), Execution (1, 2, … within the stint). */
#define RECORD_RUN "run"
#define RECORD_SUSPEND "suspend"
#define RECORD_CONTINUE "continue"
/* The checkpoint signal was sent: Why (periodic, user, vacate), Signal. */
#define RECORD_ASK "ask"
/* A checkpoint that was asked for by a person can not be had: Reason. */
#define RECORD_REFUSE "refuse"
/* The program ended: ExitCode | ExitSignal, Checkpoint (it ended in the way that means one), Final (its own end, not an
 * eviction's), Why, Settling (the checkpoint before is not settled yet), UserUs, SysUs, MaxRssKb. */
#define RECORD_EXIT "exit"
/* The state of the running program was taken: FrozenBootUs, ThawedBootUs (it stood still in between), Stopped (it does not run on,
 * because it has to leave), Why, Settling (as in EXIT). COMMIT or FAIL says what became of it. */
#define RECORD_CAPTURE "capture"
/* A checkpoint exists: Generation, Bytes, NewBytes, Files, PauseUs, CommitUs, LatencyUs (-1: it was not asked for), Why. */
#define RECORD_COMMIT "commit"
/* A checkpoint was tried and is not there: Reason, Why, Capture (its state was being captured; false: it never came to that),
 * FrozenBootUs and ThawedBootUs (the running program stood still for it; else absent). The job goes on. */
#define RECORD_FAIL "fail"
/* What an eviction left was kept as a generation of its own: Generation, Bytes, Files. */
#define RECORD_SAVE "save"
/* Sizes: ImageSizeKb, RssKb, DiskKb, UserUs, SysUs. */
#define RECORD_USAGE "usage"
/* The running program was looked at: Problems (list of texts: what in it can not be checkpointed; empty: nothing). */
#define RECORD_CHECKABLE "checkable"
/* A checkpoint was restored for trial beside the running job: Generation. */
#define RECORD_VERIFIED "verified"
/* How far the program says it is: Fraction (0 to 1), Text (may be absent). */
#define RECORD_PROGRESS "progress"
/* Inputs come from URLs: Phase ("started", "going", "finished"), Bytes, TotalBytes (absent: not known), Files of AllFiles. */
#define RECORD_TRANSFER "transfer"
/* A remark for the user: Text. */
#define RECORD_NOTE "note"
/* Output files are in their places: Bytes, Files. */
#define RECORD_DELIVER "deliver"
/* The stint is over: Outcome (completed, evicted, failed, held), Reason, Cause, ForUser, Checkpointed, HoldCode, HoldSubCode,
 * ExitCode | ExitSignal, Deliverable (the sandbox holds results that are not delivered yet). */
#define RECORD_END "end"
/* The pool declares the stint over, because its runner is gone: Reason, Cause, Deliverable, Sandbox (where the results lie). */
#define RECORD_FENCE "fence"
