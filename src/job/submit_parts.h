/*
 * What the files of the submit language share; private to src/job/submit*.c.
 *
 *   submit_text.c      bytes → logical lines with numbers
 *   submit_macro.c     the names a file sets, and the expansion of $(…)
 *   submit_command.c   the table of commands
 *   submit_convert.c   how a command's text becomes attributes: words, numbers, signals
 *   submit_words.c     the same for arguments, environment and file lists
 *   submit_image.c     the image that a job runs in
 *   submit_attribute.c +Attr and MY.Attr, and what is checked about them
 *   submit_checkpoint.c how a job is checkpointed: values, and what does not fit together
 *   submit_guess.c     what a misspelt name may have meant
 *   submit_job.c       one queue statement's jobs
 *   submit.c           statements, and the whole
 */
#pragma once

#include "job/submit.h"

enum {
    SUBMIT_END = 1,                  /* outcome: no more lines */
    SUBMIT_MACRO_STEPS_MAX = 100000, /* macros expanded for one value */
    SUBMIT_WARNINGS_MAX = 200,       /* further ones are dropped */
    SUBMIT_NAME_MAX = 200,           /* bytes of a name */
    SUBMIT_NAMES_MAX = 100000,       /* different names in a file */
    SUBMIT_ATTRIBUTES_MAX = 2000,    /* of the user's own */
    SUBMIT_QUEUES_MAX = 100000,      /* queue statements of a file */
};
#define SUBMIT_WORK_MAX ((uint64_t)4 << 30)     /* bytes that all expansions together may produce */
#define SUBMIT_DIFFERENCES_MAX ((uint64_t)1 << 30) /* bytes in which the jobs differ from the first one */

struct submit_line {
    const char *command; /* static: a name of the table */
    int line;
};

/* ---- lines ---- */

struct submit_reader {
    const char *text;
    size_t len;
    size_t at;
    int line; /* of the last physical line read */
};
/* The next logical line that is neither blank nor comment, continuations joined, without blanks at its ends; *number is the
 * line on which it starts. Outcome SUBMIT_END. On failure *number is the line at fault. */
int submit_read(struct submit_reader *reader, struct buf *line, int *number, struct error *err);

/* ---- names and macros ---- */

struct submit_command;
struct submit_key {
    char *name; /* as first written; "MY.x" for "+x" */
    char *text; /* NULL: the name was used, but not set (yet) */
    int line;
    bool used;  /* some $(…) names it */
    const struct submit_command *command;
};
struct submit_table {
    void *tree; /* tsearch(3) */
    struct submit_key **keys;
    size_t count, capacity;
};
void submit_table_release(struct submit_table *table);
struct submit_key *submit_table_find(const struct submit_table *table, const char *name); /* NULL if never seen */
struct submit_key *submit_table_add(struct submit_table *table, const char *name);        /* finds or makes */

struct submit_parser {
    const struct submit_options *options;
    struct submit *out;
    struct submit_table table;
    const struct submit_key **set; /* by command: the key that sets it now; NULL if none */
    const struct submit_key **attributes;
    size_t attribute_count, attribute_capacity;
    size_t proc_capacity, warning_capacity;
    int last_queue; /* line of the last queue statement, 0 before the first */
    int queue_count;
    uint64_t work;
    uint64_t differences;
};
void submit_warn(struct submit_parser *parser, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

struct submit_expander {
    struct submit_parser *parser;
    int line; /* for warnings */
    int proc;
    int step;
    bool used_proc; /* set when the text depends on the job's number */
    size_t steps;
};
/* Appends the text with its macros expanded; $$(…) stays. */
int submit_expand(struct submit_expander *x, const char *text, struct buf *out, struct error *err);
/* Replaces $(name) by the name's present text (FLAGS = $(FLAGS) -v); other macros stay. */
int submit_expand_self(struct submit_parser *parser, const char *name, const char *text, struct buf *out, struct error *err);
/* Marks every name in the text's $(…) as used. */
void submit_note_uses(struct submit_parser *parser, const char *text);

/* ---- commands ---- */

/* A job while it is made. */
struct submit_job {
    struct submit_parser *parser;
    struct ad *ad; /* where attributes go */
    int line;      /* of the command at hand */
};
typedef int submit_convert_fn(struct submit_job *job, const struct submit_command *command, const char *value,
                              struct error *err);
struct submit_command {
    const char *name;
    const char *attribute;
    submit_convert_fn *convert; /* the value has no blanks at its ends; NULL when it is unset or empty */
    const char *aliases;        /* separated by blanks */
    int64_t least, most;        /* of numbers */
    const char *note;           /* of to_choice: the words; of to_later: what happens instead */
    bool always;                /* convert is called also when the command is not set */
};
extern const struct submit_command submit_commands[];
extern const size_t submit_command_count;
const struct submit_command *submit_command_find(const char *name); /* also by alias */

submit_convert_fn submit_to_executable, submit_to_string, submit_to_bool, submit_to_int, submit_to_expr, submit_to_choice,
    submit_to_list, submit_to_arguments, submit_to_environment, submit_to_iwd, submit_to_universe, submit_to_cpus,
    submit_to_mebibytes, submit_to_kibibytes, submit_to_hold, submit_to_signal, submit_to_seconds, submit_to_interval,
    submit_to_checkpoint_code, submit_to_retry_until, submit_to_getenv, submit_to_method, submit_to_paths, submit_to_image, submit_to_pull_policy,
    submit_to_target_dir, submit_to_override_entrypoint, submit_to_later, submit_to_nothing;

/* ---- images ---- */

/* Whether docker_image or container_image is set at this point. */
bool submit_names_image(const struct submit_parser *parser);
/* Whether what a job says about its image fits together. The error names file and line; `line` is the queue statement's. */
int submit_check_image(const struct submit_parser *parser, const struct ad *ad, int line, struct error *err);

/* ---- attributes ---- */

/* Sets the attribute of a key "MY.x" and checks it. */
int submit_set_attribute(struct submit_job *job, const struct submit_key *key, const char *value, struct error *err);
/* Warns of attributes that do not fit each other. */
void submit_check_attributes(struct submit_parser *parser, const struct ad *ad, int line);
/* Errors, with file and line, and warnings of what is said of checkpoints. */
int submit_check_methods(struct submit_parser *parser, const struct ad *ad, int line, struct error *err);
/* Whether the attribute is a checkpoint method, or a list of absolute paths; brings it into its one form. */
int submit_check_method(struct ad *ad, const char *name, struct error *err);
int submit_check_paths(struct ad *ad, const char *name, struct error *err);
/* The names of the attributes that are checked, NULL behind the last. */
const char *submit_checked_attribute(size_t i);

/* ---- guesses ---- */

/* Insertions, deletions, replacements and swaps of neighbours from one to the other, without case; at most `most` + 1. */
int submit_distance(const char *a, const char *b, int most);
/* The command or attribute (with its "+") that an unknown name is near to; false if none is. */
bool submit_guess(const char *name, bool attribute, char out[SUBMIT_NAME_MAX]);

/* ---- jobs ---- */

/* Makes the jobs of one queue statement. The error names file and line. */
int submit_make_jobs(struct submit_parser *parser, int count, int line, struct error *err);
