/*
 * What the job asks of its own runner (job/self_request.h has the language): a checkpoint now, none now, how far it is, how much
 * time is left. The socket and the answers are in the directory `self` of the stint, which is the owner's: whatever the runner
 * does in it, it does with his rights.
 *
 * For the engines. Who waits for a checkpoint waits for one that is captured after it asked: at the moment of capture the engine
 * takes selfservice_waiting, saves the text with the checkpoint, and says what became of it. When the state has been captured and the
 * program runs again, selfservice_thawed; when a later stint brings that state back, selfservice_restored before the program goes on.
 */
#pragma once

#include "runner/runner.h"

struct selfservice;

/* Makes the directory and listens. NULL: failed. */
struct selfservice *selfservice_open(struct runner *r, struct error *err);
void selfservice_close(struct selfservice *s); /* accepts NULL, as all of these do */

/* The socket's path as the job sees it; NULL when it cannot get there. Yours. */
char *selfservice_path(const struct selfservice *s);
/* The directory, the socket's place. */
int selfservice_dir(const struct selfservice *s);

/* Whether the job holds checkpoints off at the moment; *until_boot_us (may be NULL) is when that ends by itself. At the end of it
 * checkpoint_released is called. */
bool selfservice_held(const struct selfservice *s, int64_t *until_boot_us);

/* A capture begins: returns the text to save, never NULL, yours. From now on a hold is not granted before selfservice_thawed,
 * and the fate of this capture is told only to who is in the text. */
char *selfservice_waiting(struct selfservice *s);
void selfservice_thawed(struct selfservice *s);
/* What became of it. Without a capture under way, selfservice_failed goes to all who wait: it did not come to one. */
void selfservice_taken(struct selfservice *s, int generation);
void selfservice_failed(struct selfservice *s, const char *reason);

/* In a worker, or before any selfservice_open: answers "restored" to all in the text. The text comes from a checkpoint; what is no
 * token in it is an error. */
int selfservice_restored(int self_dir, const struct identity *owner, const char *tokens, int generation, struct error *err);

/* The program has ended: nobody waits or holds any more. */
void selfservice_ended(struct selfservice *s);
/* Writes into the journal what has not been written yet. */
void selfservice_flush(struct selfservice *s);
