/*
 * What `stint submit` does between parsing and sending: the submitter's surroundings go into the ads, and everything that the
 * ads name on this machine is looked at, so that a job that cannot start is an error with a line, not a hold in the night.
 */
#pragma once

#include "cli/cli.h"
#include "job/submit.h"

#include <sys/stat.h>

/* Makes the executable's name absolute (it starts from `cwd`, not from the job's initialdir, as in HTCondor) and puts `environment`
 * (NAME=value strings, NULL-terminated) under the job's own where getenv = true. Pure. */
int submit_fill(struct submit *submit, const char *cwd, char *const *environment, struct error *err);

/* Looks whether the files and directories exist. The error names `file` and the line. */
int submit_check(const struct submit *submit, const char *file, struct error *err);

/* What the submit file can see of the world around it; reads and runs within bounds. Zeroed, then: */
struct submit_surroundings {
    struct submit_outside outside;
    struct submit_macro *macros; /* $(OPSYS), $(YEAR) and others */
    size_t macro_count, macro_capacity;
    bool stdin_is_taken;
    struct submit_answer *answers;
    size_t count, capacity, next;
    bool again;
};
void submit_surroundings_init(struct submit_surroundings *s, const char *cwd, const char *file);
void submit_surroundings_release(struct submit_surroundings *s);
/* A second parse of the same text gets the answers of the first. */
void submit_surroundings_rewind(struct submit_surroundings *s);

/* The command line of submit: FILE, KEY=VALUE words, and -append, -queue, -file and -batch-name, which HTCondor's users write with one
 * dash. submit_take is the command's own reading of options (cli_command.take); submit_read_words sorts what it and cli_parse left. */
struct submit_words {
    const char *file; /* NULL: none was given */
    const char **before, **append; /* ended by NULL */
    size_t before_count, append_count;
    char *queue; /* NULL: none was given */
    char *batch; /* a line that sets it */
};
int submit_take(struct cli_call *call, int argc, char **argv, struct error *err);
int submit_read_words(const struct cli_call *call, struct submit_words *words, struct error *err);
void submit_words_release(struct submit_words *words);

/* "a directory", for what is no regular file. */
const char *submit_kind_of_file(mode_t mode);
/* Reads a submit file, or standard input for "-"; refuses what is not a file, naming what it is. */
int submit_read_text(const char *name, struct buf *text, struct error *err);

/* The ads as --dry-run prints them: what all jobs have in common, then for each job how it differs. */
void submit_print(const struct submit *submit, struct buf *out);
/* The body of POST /v1/clusters; the caller's. `cluster` 0 = the pool chooses. */
struct ad *submit_body(const struct submit *submit, int cluster);
/* "1 job submitted to cluster 7." and what the user may want to do next. */
void submit_say(int64_t cluster, int64_t jobs, bool held, struct buf *out);

/* Who says what became of a submission, where it is not the command itself. */
struct submit_saying {
    void *data;
    void (*say)(void *data, int64_t cluster, int64_t jobs, const struct submit *submit, struct buf *out);
    int (*dry)(void *data, const struct submit *submit, struct error *err); /* instead of printing ads */
    int64_t most; /* no more jobs than this are submitted; 0 = any number */
};
/* The command, with its command line parsed; `saying` NULL: it says it itself. */
int submit_run(const struct cli_call *call, const struct submit_saying *saying, struct error *err);
