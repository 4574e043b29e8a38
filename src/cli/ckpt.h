/* One question about checkpoints and its answer, for the commands of `stint ckpt`, `stint rewind` and `stint clone`. */
#pragma once

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/stream.h"
#include "cli/words.h"

struct ckpt_question {
    const char *target;
    const struct ad *body;
    const char *doing; /* for the line of progress; NULL = none */
    const char *list;  /* what the records are called in JSON; NULL = there are none */
    void (*record)(void *data, const struct ad *record); /* may be NULL */
    void *data;
};

/* Asks, and gives each record to its function. *result is the caller's. */
int ckpt_ask(const struct ckpt_question *question, struct ad **result, struct error *err);
/* The same; prints everything as one JSON object as well. */
int ckpt_ask_json(const struct ckpt_question *question, struct ad **result, struct error *err);
/* One or the other, as the command line has it. */
int ckpt_ask_for(const struct cli_call *call, const struct ckpt_question *question, struct ad **result, struct error *err);

/* The body with the operands from `first` on as the list Checkpoints, `count` of them at most. Whether they are checkpoints is
 * looked at: CLI_BAD_USAGE. */
int ckpt_body(const struct cli_call *call, size_t count, struct ad **body, struct error *err);
/* The same with all operands, and the jobs that -c means. None that match is an error. */
int ckpt_body_chosen(const struct cli_call *call, struct ad **body, struct error *err);
/* "7.0@3" of a record. */
void ckpt_words_name(struct buf *out, const struct ad *record);
/* An absolute path to what a user named. */
char *ckpt_absolute(const char *path, struct error *err);
