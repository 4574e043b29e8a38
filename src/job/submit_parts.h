/*
 * What the files of the submit language share; private to src/job/submit*.c.
 *
 *   submit_text.c      bytes → logical lines with numbers
 *   submit_table.c     the names a file sets
 *   submit_macro.c     the expansion of $(…)
 *   submit_builtin.c   the macros that no file sets
 *   submit_function.c  $INT(…), $CHOICE(…) and others
 *   submit_path.c      $F…(…), $BASENAME, $DIRNAME, and patterns of names
 *   submit_condition.c if, elif, else, endif
 *   submit_include.c   include, error and warning
 *   submit_queue.c     queue statements
 *   submit_items.c     their lists of items
 *   submit_command.c   the table of commands
 *   submit_convert.c   how a command's text becomes attributes: words, numbers, signals
 *   submit_words.c     the same for arguments, environment and file lists
 *   submit_accounting.c the queue, accounts, notices; getenv
 *   submit_image.c     the image that a job runs in
 *   submit_files.c     files: names, URLs, remaps
 *   submit_attribute.c +Attr and MY.Attr, and what is checked about them
 *   submit_checkpoint.c how a job is checkpointed: values, and what does not fit together
 *   submit_policy.c    conditions that the pool evaluates, limits, times to start
 *   submit_guess.c     what a misspelt name may have meant
 *   submit_job.c       one queue statement's jobs
 *   submit_line.c      statements
 *   submit.c           warnings, and the whole
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
    SUBMIT_IF_DEPTH_MAX = 32,        /* nesting of conditions in one file */
    SUBMIT_INCLUDES_MAX = 1000,      /* files and commands included */
    SUBMIT_VARIABLES_MAX = 100,      /* of one queue statement */
};
/* What the version of a condition is compared with: the HTCondor whose language this is. */
#define SUBMIT_LANGUAGE_VERSION "25.14.0"
#define SUBMIT_WORK_MAX ((uint64_t)4 << 30)     /* bytes that all expansions together may produce */
#define SUBMIT_DIFFERENCES_MAX ((uint64_t)1 << 30) /* bytes in which the jobs differ from the first one */

struct submit_line {
    const char *command; /* static: a name of the table */
    int line;
    const char *file;
};

/* ---- lines ---- */

struct submit_reader {
    const char *text;
    size_t len;
    size_t at;
    int line;    /* of the last physical line read */
    int column;  /* of the last logical line's first byte, from 1; 0 when it went over several lines */
    bool items;  /* a "#" starts no comment */
};
/* The next logical line that is neither blank nor comment, continuations joined, without blanks at its ends; *number is the
 * line on which it starts. Outcome SUBMIT_END. On failure *number is the line at fault. */
int submit_read(struct submit_reader *reader, struct buf *line, int *number, struct error *err);

/* ---- names and macros ---- */

struct submit_command;
struct submit_key {
    char *name; /* as first written; "MY.x" for "+x" */
    char *text; /* NULL: the name was used, but not set (yet) */
    const char *item; /* while a queue statement sets it: its value for the job at hand; borrowed */
    const char *file;
    int line;
    int column;     /* where the text starts in its line; 0 when that is not one place */
    bool used;      /* some $(…) names it */
    bool expanding; /* its text is being expanded */
    bool attribute; /* it is among the parser's attributes */
    int variable;   /* the line of the queue statement whose variable it is; 0 for none */
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
/* What the key stands for now; NULL if it is not set. */
const char *submit_key_text(const struct submit_key *key);

/* A text that is being read: the submit file, or what it includes. */
struct submit_if {
    int line;
    bool active; /* its lines apply */
    bool taken;  /* one of its branches did */
    bool ended;  /* by else */
};
struct submit_source {
    struct submit_reader reader;
    const char *file;
    struct submit_if ifs[SUBMIT_IF_DEPTH_MAX];
    int if_depth;
    int depth; /* of includes */
};

struct submit_parser {
    const struct submit_options *options;
    struct submit *out;
    struct submit_table table;
    const struct submit_key **set; /* by command: the key that sets it now; NULL if none */
    const struct submit_key **attributes;
    size_t attribute_count, attribute_capacity;
    size_t proc_capacity, warning_capacity, file_capacity;
    const char *file;             /* that the line at hand is in */
    struct submit_source *source; /* that lines are read from */
    int last_queue; /* line of the last queue statement, 0 before the first */
    const char *last_queue_file;
    size_t settings; /* lines that set something since the last queue statement */
    int queue_count;
    int include_count;
    size_t included; /* bytes */
    uint64_t work;
    uint64_t differences;
};
/* A warning about a line of parser->file. */
void submit_warn(struct submit_parser *parser, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "file:line" before the error, of parser->file; returns -1. */
int submit_refuse(const struct submit_parser *parser, int line, struct error *err);
/* Keeps the name of a file that is read, for messages. */
const char *submit_note_file(struct submit_parser *parser, const char *name);

struct submit_expander {
    struct submit_parser *parser;
    int line; /* for warnings */
    int proc;
    int step;
    int row;
    bool used_proc; /* set when the text depends on the job */
    size_t steps;
    uint64_t place; /* where in the file a random choice stands */
    const char *text;  /* the whole, while it is expanded */
    size_t fault;      /* after a failure: the offset in it of what could not be expanded … */
    const struct submit_key *frames[SUBMIT_MACRO_DEPTH_MAX]; /* … and the names whose texts were being expanded */
    int frame_count;
    const struct submit_key *origins[4]; /* names whose values are in the text, the first ones */
    int origin_count;
};
/* Appends the text with its macros expanded; $$(…) stays. An error tells the chain of macros. */
int submit_expand(struct submit_expander *x, const char *text, struct buf *out, struct error *err);
/* The same for a text that is part of another one, `depth` levels deep. */
int submit_expand_part(struct submit_expander *x, const char *text, size_t len, int depth, struct buf *out, struct error *err);
/* Appends what the name stands for, expanded; *found tells whether it stands for anything. */
int submit_expand_name(struct submit_expander *x, const char *name, int depth, struct buf *out, bool *found, struct error *err);
/* Puts before an error about the expanded text which names it has its values from; returns -1. */
int submit_tell_origins(const struct submit_expander *x, struct error *err);
/* Counts the work of an expansion against SUBMIT_WORK_MAX. */
int submit_charge(struct submit_parser *parser, size_t bytes, struct error *err);
/* The macros that no line sets: those that always mean the same, and those that a line may set otherwise. */
bool submit_fixed_macro(struct submit_expander *x, const char *name, struct buf *out);
bool submit_default_macro(struct submit_expander *x, const char *name, struct buf *out);
/* The length of a function's name at p ("ENV(": 3), 0 when there is none. */
size_t submit_function_length(const char *p);
/* Warns of what looks like a function at p, but is none. */
void submit_warn_function(struct submit_expander *x, const char *p);
/* Appends the value of a function: its name at `name`, `body` what stands between its parentheses. */
int submit_call(struct submit_expander *x, const char *name, size_t name_len, const char *body, size_t body_len, int depth,
                struct buf *out, struct error *err);
/* $F with `letters`: the parts of a file name that they stand for. */
void submit_path_parts(const char *cwd, const char *letters, const char *name, struct buf *out);
/* The parenthesis that closes the one before p; NULL if none does. */
const char *submit_closing(const char *p);
/* Bytes of a name at p. */
size_t submit_name_length(const char *p);
/* The expander for the line at hand, which is read before any further job is made. */
struct submit_expander submit_expander_here(struct submit_parser *parser, int line);
/* Replaces $(name) by the name's present text (FLAGS = $(FLAGS) -v); other macros stay. */
int submit_expand_self(struct submit_parser *parser, const char *name, const char *text, struct buf *out, struct error *err);
/* Marks every name in the text's $(…) as used. */
void submit_note_uses(struct submit_parser *parser, const char *text);

/* ---- statements ---- */

/* Whether the line starts with the word as a statement of its own (and not as a key: "error = job.err"). */
bool submit_is_statement(const char *line, const char *word);
const char *submit_skip_blanks(const char *p);
/* Cuts blanks off both ends. */
char *submit_trim(char *text);
/* The key at the start of the line, "+x" and "my.x" as "MY.x"; returns what follows it, NULL when there is no key. */
const char *submit_read_key(const char *line, char name[SUBMIT_NAME_MAX]);
/* Counts the key "MY.x" among the job's attributes. */
int submit_remember_attribute(struct submit_parser *parser, struct submit_key *key, struct error *err);
/* Carries out the lines of a text that is a file of its own. The error names file and line. */
int submit_read_source(struct submit_parser *parser, const char *file, const char *text, size_t len, int depth, struct error *err);
/* Lines of the command line, each a text of its own; without `with_queue`, queue statements among them are skipped. */
int submit_read_texts(struct submit_parser *parser, const char *const *lines, bool with_queue, struct error *err);
/* Whether lines apply at this point. */
bool submit_applies(const struct submit_source *source);
/* Carries out the line if it is if, elif, else or endif. */
enum { SUBMIT_NO_CONDITION = 1 };
int submit_condition(struct submit_parser *parser, const char *line, int number, struct error *err);
/* "include …", "error : …", "warning : …"; `rest` is what follows the word. SUBMIT_FAILED_WITHIN: the error names its place in what was
 * included. */
enum { SUBMIT_FAILED_WITHIN = -2 };
int submit_include(struct submit_parser *parser, const char *rest, int number, struct error *err);
int submit_message(struct submit_parser *parser, bool fatal, const char *rest, int number, struct error *err);

/* ---- queue ---- */

struct submit_item {
    size_t at; /* its text's place in `text` */
    int line;
};
struct submit_items {
    struct buf text;
    struct submit_item *list;
    size_t count, capacity;
    const char *file;
};
enum submit_items_from { SUBMIT_ITEMS_NONE, SUBMIT_ITEMS_IN, SUBMIT_ITEMS_FROM, SUBMIT_ITEMS_MATCHING };
struct submit_queue {
    int line;
    int64_t count; /* jobs of each item */
    enum submit_items_from from;
    struct submit_variable {
        struct submit_key *key;
        const struct submit_key *displaced; /* that set its command before */
        const char *file; /* of the key, before */
        int line, column;
    } vars[SUBMIT_VARIABLES_MAX];
    size_t var_count;
    struct submit_items items;
    size_t first, last, step; /* the items that are meant: first, first + step … below last */
    struct buf values;        /* of the item at hand, each followed by NUL */
};
/* A queue statement, `rest` behind the word. The error names file and line. */
int submit_queue(struct submit_parser *parser, const char *rest, int line, struct error *err);
/* Sets the statement's variables to the values of the item. */
void submit_take_item(struct submit_queue *queue, size_t index);
/* Reads the items that `text`, which is what follows in, from or matching, names. The error names file and line. */
int submit_read_items(struct submit_parser *parser, struct submit_queue *queue, const char *text, enum submit_match kind,
                      struct error *err);

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

submit_convert_fn submit_to_executable, submit_to_string, submit_to_unquoted, submit_to_bool, submit_to_int, submit_to_expr, submit_to_choice,
    submit_to_list, submit_to_arguments, submit_to_environment, submit_to_iwd, submit_to_universe, submit_to_cpus,
    submit_to_mebibytes, submit_to_kibibytes, submit_to_hold, submit_to_signal, submit_to_seconds, submit_to_interval,
    submit_to_checkpoint_code, submit_to_retry_until, submit_to_getenv, submit_to_method, submit_to_paths, submit_to_image, submit_to_pull_policy,
    submit_to_target_dir, submit_to_override_entrypoint, submit_to_later;
submit_convert_fn submit_to_notification, submit_to_account, submit_to_attributes; /* submit_accounting.c */
submit_convert_fn submit_to_condition, submit_to_reason, submit_to_allowed, submit_to_number_expr, submit_to_limits, submit_to_cron; /* submit_policy.c */

/* submit_files.c */
submit_convert_fn submit_to_inputs, submit_to_outputs, submit_to_remaps, submit_to_destination;
/* Whether what a job says about its files fits together. The error names file and line; `line` is the queue statement's. */
int submit_check_files(struct submit_parser *parser, const struct ad *ad, int line, struct error *err);

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

/* Makes the jobs of one queue statement, which has some. The error names file and line. */
int submit_make_jobs(struct submit_parser *parser, struct submit_queue *queue, struct error *err);
/* Sets an attribute to the expression that stands in a submit file, in whose strings a backslash is nothing special but before a
 * double quote. */
int submit_set_expr(struct ad *ad, const char *name, const char *text, struct error *err);
/* The value without the double quotes that may be around it; the caller's. */
char *submit_unquoted(const char *value);
/* A whole number, or an expression that is one without knowing any ad. */
bool submit_parse_int(const char *value, int64_t *number);
