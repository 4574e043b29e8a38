/*
 * Between a store and a remote one. The local store is where checkpoints are made and read; the remote one holds copies of them, so
 * that they outlive this machine. A checkpoint that is there as well is *safe*; a mark beside its manifest says so.
 *
 * Remote names: JOB/000003.manifest, JOB/packs/0123… What the local store has removed is removed there, but only by a push that has
 * just made another generation of that job safe, or because the job was forgotten: a local store that was lost never
 * empties the remote one.
 */
#pragma once

#include "store/remote.h"
#include "store/store.h"

/* Copies every checkpoint of the job that is not safe yet, newest first. `told` is called for each that has become safe; with `all`
 * for those that had been before, too, which somebody may not have heard. */
int transport_push(struct store *store, struct remote *remote, const char *job, bool all,
                   void (*told)(void *data, const char *job, int generation), void *data, struct error *err);
/* Fetches a generation (0: the newest there is): what is missing here, or damaged. It is verified like any other before it is used.
 * Outcome STORE_ABSENT: the remote store has none such. */
int transport_pull(struct store *store, struct remote *remote, const char *job, int generation, int *got, struct error *err);
/* Removes what the remote store has of a job, or of one generation ("7.0@3"; packs go with the next push). */
int transport_forget(struct remote *remote, const char *name, struct error *err);

/* Notes that a job or generation is to be forgotten by whoever pushes next; durable. From then on it is not pulled. And what was
 * noted: fn returns 0 when it is done. */
int transport_note_gone(struct store *store, const char *name, struct error *err);
bool transport_is_gone(struct store *store, const char *job, int generation);
int transport_each_gone(struct store *store, int (*fn)(void *data, const char *name, struct error *err), void *data, struct error *err);

/* What `store_path` has for a remote store stands in the file STORE.remote beside it. NULL: none; writes nothing when it says so
 * already. Outcome STORE_ABSENT of transport_connect: there is none. */
int transport_configure(const char *store_path, const struct remote_options *options, struct error *err);
int transport_connect(const char *store_path, struct remote **remote, struct error *err);
