/*
 * What people ask of stored checkpoints. The pool's own thread finds out who may, and which jobs are meant (ckpt.c); a child
 * does the rest (ckpt_look.c, ckpt_care.c, ckpt_file.c). Private to pool/ckpt*.c and branch.c.
 */
#pragma once

#include "job/command.h"
#include "pool/request.h"

struct ckpt_item {
    struct job_id id;
    char job[JOB_ID_TEXT_MAX];
    int generation; /* 0 = not said: the newest checkpoint, or all of them */
    bool is_known; /* the job is in the queue or in the history */
    struct queue_owner owner;
    int *verified; /* generations that were restored for trial */
    size_t verified_count;
};

struct ckpt_ask {
    char *store_path;
    struct store_limits limits;
    struct identity peer; /* who asks: his are the files outside of the store */
    struct ckpt_item *items;
    size_t count, capacity;
    struct command_list files; /* names within a checkpoint */
    char *directory, *path, *key;
    bool force, unverified, is_master;
    struct buf note; /* what travels in an archive */
};

/* "7.0@3", "7@3", "7.0" or "7"; *generation is 0 where none is said. */
bool ckpt_parse(const char *text, struct job_id *id, int *generation);
/* Who asks, and of which store. */
int ckpt_begin(struct request *rq, struct ckpt_ask *ask, struct error *err);
/* Adds the one job that the name means, if who asks may have to do with it. */
int ckpt_add(struct request *rq, struct ckpt_ask *ask, const char *name, struct error *err);
void ckpt_release(struct ckpt_ask *ask);
/* Starts the plan's child; `rq` gets the task. */
int ckpt_start(struct request *rq, struct task_plan *plan, struct error *err);

/* ---- in the child ---- */

#define auto_store __attribute__((cleanup(ckpt_close_store)))
void ckpt_close_store(struct store **store);
int ckpt_open_store(const struct ckpt_ask *ask, struct store **store, struct error *err);
/* The manifest that an item means. Release it when the result is 0. */
int ckpt_find(struct store *store, const struct ckpt_item *item, struct manifest *manifest, struct error *err);
/* The newest generation that a job can go on from, but for one; 0 = there is none. */
int ckpt_newest_but(struct store *store, const char *job, int but, int *newest, struct error *err);
/* "7.0@3" */
enum { CKPT_NAME_MAX = JOB_ID_TEXT_MAX + 16 };
const char *ckpt_name(const struct ckpt_item *item, int generation, char out[CKPT_NAME_MAX]);
/* A record that begins with Id and Generation. */
struct ad *ckpt_record(const struct ckpt_item *item, int generation);
/* The same with all that a manifest says of itself. */
struct ad *ckpt_describe(struct store *store, const struct ckpt_item *item, const struct manifest *manifest);
/* Verifies it before something is built upon it. */
int ckpt_check(struct task_line *line, struct store *store, const struct ckpt_item *item, const struct manifest *manifest,
               struct error *err);

typedef int ckpt_work(struct task_line *line, void *ask, struct ad *result, struct error *err);
ckpt_work ckpt_ls, ckpt_show, ckpt_diff, ckpt_df;                 /* ckpt_look.c */
ckpt_work ckpt_verify, ckpt_pin, ckpt_unpin, ckpt_rm, ckpt_gc;    /* ckpt_care.c */
ckpt_work ckpt_cat, ckpt_extract, ckpt_export;                    /* ckpt_file.c */
/* Opens the archive with the rights of who asks and takes it in as that job's first generation. */
int ckpt_take_in(struct task_line *line, const struct ckpt_ask *ask, const char *job, struct ad *result, struct error *err);

/* ---- branch.c: what becomes a job ---- */

int branch_import(struct request *rq, struct ckpt_ask *ask, struct error *err);
